"""`detente run`: many possible worlds under every policy, to a store on disk that a killed run goes on with."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detente.cli_common import Json, ScenarioName, needs, print_json, progress
from detente.cli_stop import EXIT_STOPPED

if TYPE_CHECKING:
    from detente.decide.cube import Report
    from detente.decide.store import Store
    from detente.model.scenario import Scenario


def run(
    scenario: ScenarioName,
    draws: Annotated[int, typer.Option(min=1, help="Possible worlds drawn from the priors.")] = 10_000,
    store: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to; default: SCENARIO.detente in this folder.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws; the same seed gives the same numbers.")] = 0,
    design: Annotated[str, typer.Option(help="sobol, lhs or 'monte carlo'.")] = "sobol",
    block: Annotated[
        int, typer.Option(min=1, help="Draws in a block: what is lost at most when it is killed.")
    ] = 1_024,
    policy: Annotated[list[str] | None, typer.Option(help="Only these policies (repeatable).")] = None,
    structure: Annotated[list[str] | None, typer.Option(help="Only these structures (repeatable).")] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with a store that is there, or refuse it.")
    ] = True,
    extend: Annotated[
        bool, typer.Option("--extend", help="Add draws to a store that is there and holds fewer.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes on this machine; default: this one, all cores.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a Dask scheduler: tcp://host:8786.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Solve a scenario for many draws into a store; the same command goes on after an interruption."""
    from detente.decide.cube import run_to_store
    from detente.model.scenario import load_scenario

    if cluster is not None:
        needs("cluster", "distributed", what="run --cluster")
    loaded = load_scenario(scenario)
    path = store or Path(f"{loaded.slug}.detente")
    if cluster is not None:
        _quieten_dask()
    try:
        with progress("Solving worlds", draws, quiet=as_json, unit="draws") as progress_fn:
            report = run_to_store(
                loaded,
                path,
                num_draws=draws,
                seed=seed,
                design=design,
                block=block,
                policies={name: loaded.policy(name) for name in policy} if policy else None,
                structures=tuple(structure) if structure else None,
                resume=resume,
                extend=extend,
                workers=workers,
                cluster=cluster,
                progress_fn=progress_fn,
            )
    except KeyboardInterrupt:
        _say_stopped(path)
        raise typer.Exit(EXIT_STOPPED) from None
    summary = _summary(loaded, report)
    if as_json:
        print_json(summary)
    else:
        print("\n".join(_lines(summary)))


def _say_stopped(path: Path) -> None:
    """What is left after Ctrl-C, and how to go on."""
    from detente.decide.store import MANIFEST, open_store

    if not (path / MANIFEST).is_file():
        print("detente: stopped before anything was computed", file=sys.stderr)
        return
    store = open_store(path)
    done = sum(store.record(index).is_file() for index in range(store.num_blocks))
    print(
        f"detente: stopped; {done} of {store.num_blocks} blocks are in {path}. Repeat the same command to go on.",
        file=sys.stderr,
    )


def _quieten_dask() -> None:
    """Dask logs every lost connection at length; what it means for the run is in our own message."""
    import logging

    logging.getLogger("distributed").setLevel(logging.CRITICAL)


# -- what was done -------------------------------------------------------------------------------
def _summary(scenario: "Scenario", report: "Report") -> dict[str, Any]:
    store = report.store
    failures = store.failures()
    return {
        "scenario": scenario.slug,
        "store": str(store.path),
        "draws": store.num_draws,
        "design": store.manifest["design"],
        "seed": store.manifest["seed"],
        "structures": list(store.structures),
        "policies": [entry["name"] for entry in store.manifest["policies"]],
        "blocks": {
            "all": store.num_blocks,
            "found": report.found,
            "computed": report.computed,
            "mended": report.mended,
        },
        "status": _statuses(store),
        "failed": len(failures),
        "first_failure": next((f"draw {draw}: {message}" for draw, message in failures.items()), None),
    }


def _statuses(store: "Store") -> dict[str, int]:
    """How many draws ended how, by the worst status over structures and policies; read block by block."""
    import numpy as np

    from detente.decide.cube import open_cube
    from detente.solve.solution import STATUS_NAMES

    status = open_cube(store.path)["status"]
    counts = np.zeros(len(STATUS_NAMES), dtype=np.int64)
    for first in range(0, store.num_draws, store.block):
        worst = status[:, :, first : first + store.block].values.max(axis=(0, 1))
        counts += np.bincount(worst, minlength=len(STATUS_NAMES))
    return dict(zip(STATUS_NAMES, counts.tolist(), strict=True))


def _lines(summary: dict[str, Any]) -> Iterator[str]:
    blocks = summary["blocks"]
    structures = len(summary["structures"])
    under = f"{len(summary['policies'])} policies" + (f" and {structures} structures" if structures > 1 else "")
    yield f"{summary['draws']:,} draws under {under} are in {summary['store']}"
    yield f"  blocks   {blocks['all']}: {blocks['found']} were there, {blocks['computed']} were computed" + (
        f", {blocks['mended']} of them because they were corrupt" if blocks["mended"] else ""
    )
    yield "  status   " + ", ".join(f"{count:,} {name}" for name, count in summary["status"].items() if count)
    if summary["failed"]:
        yield f"  failed   {summary['failed']:,} draws cannot be solved and have no values; {summary['first_failure']}"
