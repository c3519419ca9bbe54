"""``detente fit``: estimate a strategic model from a table of data."""

from pathlib import Path
from typing import Annotated, Any

import typer

from detente.cli_common import Json, print_json
from detente.errors import UsageError

EXIT_UNCONVERGED = 3
FORMATS = ("text", "latex", "html", "markdown")


def fit(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A CSV or Parquet file, one row an observation.")],
    model: Annotated[Path, typer.Option("--model", help="A model file (TOML): which model, columns, formulas.")],
    table: Annotated[str, typer.Option(help="How to print the table: text, latex, html or markdown.")] = "text",
    bootstrap: Annotated[int, typer.Option(min=0, help="Replicates for bootstrap errors; 0 for none.")] = 0,
    profile: Annotated[bool, typer.Option("--profile", help="Add 95 % intervals from the likelihood itself.")] = False,
    seed: Annotated[
        int | None, typer.Option(help="Of random starts and replicates; default: the model file's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimate a strategic model from a table: regression table, or JSON; exit code 3 when it did not converge."""
    from dataclasses import replace

    if table not in FORMATS:
        raise UsageError(f"--table: {table!r} is not known. Use text, latex, html or markdown.")
    from detente.learn.fit import fit as estimate
    from detente.learn.fit import fit_json
    from detente.learn.modelfile import read_model

    spec = read_model(model)
    if seed is not None:
        spec = replace(spec, seed=seed)
    found = estimate(spec, read_data(data))
    if bootstrap and found.converged:
        found = _with_bootstrap(found, bootstrap)
    if profile and found.converged:
        found = _with_profiles(found)
    if as_json:
        print_json(fit_json(found))
    else:
        print(_table(found, table))
    if not found.converged:
        raise typer.Exit(EXIT_UNCONVERGED)


def _with_bootstrap(found: Any, replicates: int) -> Any:
    """The same estimates with errors from resampled rows."""
    from dataclasses import replace

    import numpy as np

    from detente.learn.bootstrap import bootstrap

    drawn = bootstrap(found, replicates, seed=found.spec.seed)
    note = f"bootstrap: {replicates} replicates, of which {drawn.num_failed} reached no top and are left out."
    points = drawn.points[drawn.converged]
    if len(points) < 2:
        raise UsageError(
            f"--bootstrap: {drawn.num_failed} of {replicates} replicates reached no top. There are no errors."
        )
    return replace(
        found,
        covariance=np.atleast_2d(np.cov(points, rowvar=False)),
        covariance_kind="bootstrap",
        notes=(*found.notes, note),
    )


def _with_profiles(found: Any) -> Any:
    """The same estimates with an interval for each from where the likelihood has fallen too far."""
    from dataclasses import replace

    from detente.learn.bootstrap import profile_interval

    if found.extra.get("method") in ("npl", "pl"):
        raise UsageError("--profile: a pseudo-likelihood has no such intervals. Use method = 'mle', or leave it out.")
    ends = [profile_interval(found, equation, term) for equation, term in found.names]
    shown = "; ".join(f"{e}:{t} {low:.3f} to {high:.3f}" for (e, t), (low, high) in zip(found.names, ends, strict=True))
    extra = {"profile_low": [low for low, _ in ends], "profile_high": [high for _, high in ends]}
    return replace(
        found, extra={**found.extra, **extra}, notes=(*found.notes, f"95 % intervals from the likelihood: {shown}.")
    )


def read_data(path: Path) -> Any:
    """A table from a file.

    Args:
        path: A CSV file with a header (``NA`` and empty cells are missing), or a Parquet file.

    Raises:
        UsageError: If it cannot be read or has no rows.
    """
    import pandas as pd

    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}. Give the name of a data file.") from None
    except Exception as error:
        shown = str(error).splitlines()[0]
        raise UsageError(f"{path}: is no table ({shown}). Give a CSV file with a header, or a Parquet file.") from None
    if not len(frame):
        raise UsageError(f"{path}: has no rows. Check the file.")
    return frame


def _table(found: Any, kind: str) -> str:
    from detente.learn import tables

    make = {
        "text": tables.text_table,
        "latex": tables.latex_table,
        "html": tables.html_table,
        "markdown": tables.markdown_table,
    }
    return make[kind]([found])
