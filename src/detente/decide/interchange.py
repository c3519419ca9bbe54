"""Ensembles for other tools: EMA Workbench, SALib, and Parquet as conflict-forecasting projects exchange it."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detente.decide.ensemble import Ensemble
from detente.errors import UsageError, nearest
from detente.model.files import check_writable
from detente.model.priors import Prior, free_parameters
from detente.solve.solution import NOT_CONVERGED, STATUS_NAMES

if TYPE_CHECKING:
    import pandas
    import xarray

ROWS = 65_536  # draws that are written at a time
NOT_COMPUTED = "not computed"


def to_ema(ensemble: Ensemble) -> "tuple[pandas.DataFrame, dict[str, np.ndarray]]":
    """Experiments and outcomes as EMA Workbench has them: one row for each policy in each world.

    Args:
        ensemble: The ensemble.

    Returns:
        Experiments: a table with a column for each parameter, and ``scenario`` (the number of the draw), ``policy``
        and ``model``. Outcomes: name → one value for each row: flags and numbers; ``NAME = LABEL`` with the probability
        of a label; ``payoff of PLAYER``; and ``converged``. A draw that did not converge stays, with NaN as its values.
    """
    import pandas

    num_draws, policies = ensemble.num_draws, ensemble.policies
    columns: dict[str, Any] = {name: np.tile(values, len(policies)) for name, values in ensemble.draws.items()}
    columns["scenario"] = np.tile(np.arange(num_draws), len(policies))
    columns["policy"] = np.repeat(np.array(policies, dtype=object), num_draws)
    columns["model"] = ensemble.game.title
    bad = ensemble.status == NOT_CONVERGED

    def rows(values: np.ndarray) -> np.ndarray:
        return np.where(bad, np.nan, values).ravel()

    outcomes = {name: rows(ensemble.values[:, i]) for i, name in enumerate(ensemble.outcomes)}
    for name, labels in ensemble.labels.items():
        for i, label in enumerate(labels):
            outcomes[f"{name} = {label}"] = rows(ensemble.distributions[name][:, i])
    for i, player in enumerate(ensemble.game.players):
        outcomes[f"payoff of {player}"] = rows(ensemble.payoffs[:, i])
    outcomes["converged"] = ~bad.ravel()
    return pandas.DataFrame(columns), outcomes


def to_salib(priors: Mapping[str, Prior]) -> dict[str, Any]:
    """The uncertain parameters as a problem for SALib's samplers and analyses.

    SALib knows few of the distributions that priors have, so that the problem is stated in quantiles: every parameter
    lies between 0 and 1. :func:`detente.model.priors.draws_at` turns SALib's samples into draws, and indices of
    sensitivity are the same for a parameter and for its quantile.

    Args:
        priors: Parameter → prior, independent of each other: SALib assumes so.

    Returns:
        ``num_vars``, ``names`` and ``bounds``.

    Raises:
        UsageError: If no parameter is uncertain, or some are tied to each other.

    Example:
        >>> from detente.model.priors import Fixed, Uniform
        >>> to_salib({"resolve": Uniform(low=0, high=5), "oil_price": Fixed(value=80)})
        {'num_vars': 1, 'names': ['resolve'], 'bounds': [[0.0, 1.0]]}
    """
    names = free_parameters(priors)
    if not names:
        raise UsageError("to_salib: every prior is fixed, so there is nothing to vary. Give a parameter a range.")
    tied = [name for name in names if priors[name].tied is not None]
    if tied:
        raise UsageError(
            f"to_salib: {tied[0]!r} is tied to another parameter, and SALib takes all of them as independent. Take the "
            "tie out: prior.model_copy(update={'tied': None})."
        )
    return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0] for _ in names]}


def to_parquet(cube: "xarray.Dataset", path: str | Path, *, outcome: str) -> int:
    """One outcome as a Parquet table with the columns ``draw`` and ``outcome``, as conflict forecasts are exchanged.

    Args:
        cube: From :func:`detente.decide.cube.open_cube` (of any size: it is read and written in parts) or
            :func:`detente.decide.cube.as_dataset`.
        path: The file.
        outcome: Name of a flag or number; or ``NAME = LABEL``, for the probability of a label.

    Returns:
        The number of rows: one for each structure, policy and draw, in the columns ``structure``, ``policy``, ``draw``,
        ``outcome`` and ``status``. A draw that did not converge stays, without a value and with its status.

    Raises:
        UsageError: If there is no such outcome, or the file cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    path = Path(path)
    check_writable(path)
    series = _series(cube, outcome)
    text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    schema = pyarrow.schema([
        ("structure", text),
        ("policy", text),
        ("draw", pyarrow.int64()),
        ("outcome", pyarrow.float64()),
        ("status", text),
    ]).with_metadata({"detente.outcome": outcome})  # fmt: skip
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(descriptor)
    num_rows = 0
    try:
        with parquet.ParquetWriter(name, schema) as writer:
            for first in range(0, cube.sizes["draw"], ROWS):
                table = _table(cube, series, slice(first, first + ROWS), schema)
                writer.write_table(table)
                num_rows += table.num_rows
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}. Write elsewhere.") from None
    finally:
        Path(name).unlink(missing_ok=True)
    return num_rows


def _series(cube: "xarray.Dataset", outcome: str) -> "xarray.DataArray":
    """One outcome, (structure, policy, draw), not read yet."""
    label_of, _, label = (part.strip() for part in outcome.partition("="))
    known = {str(name): ("values", {"outcome": str(name)}) for name in cube["outcome"].values}
    for variable in cube.data_vars:
        name = str(variable).removeprefix("distribution_")
        if name != variable:
            axis = f"label_{name}"
            known |= {f"{name} = {one}": (str(variable), {axis: str(one)}) for one in cube[axis].values}
    wanted = f"{label_of} = {label}" if label else label_of
    if wanted not in known:
        raise UsageError(f"outcome: {outcome!r} is not in the cube.{nearest(wanted, known)}")
    variable, place = known[wanted]
    return cube[variable].sel(place)


def _table(cube: "xarray.Dataset", series: "xarray.DataArray", part: slice, schema: Any) -> Any:
    import pyarrow

    values = series.isel(draw=part).transpose("structure", "policy", "draw").values
    status = cube["status"].isel(draw=part).values
    structures, policies = (cube[axis].values.astype(object) for axis in ("structure", "policy"))
    shape = values.shape
    s, p, d = (index.ravel() for index in np.indices(shape, dtype=np.int32))

    def words(codes: np.ndarray, names: Any) -> Any:
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(codes), pyarrow.array(list(map(str, names))))

    missing = ((status < 0) | (status == NOT_CONVERGED)).ravel()
    codes = np.where(status < 0, len(STATUS_NAMES), status).ravel().astype(np.int32)
    columns = [
        words(s, structures),
        words(p, policies),
        pyarrow.array(d.astype(np.int64) + part.start),
        pyarrow.array(values.ravel(), mask=missing),
        words(codes, (*STATUS_NAMES, NOT_COMPUTED)),
    ]
    return pyarrow.Table.from_arrays(columns, schema=schema)
