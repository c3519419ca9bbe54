"""Ensembles that outgrow memory or an afternoon: run to a store, go on after an interruption, read back as a cube."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from detente.decide import cluster as clusters
from detente.decide.blocks import prepare
from detente.decide.ensemble import Ensemble
from detente.decide.manifest import BLOCK_DRAWS, Settings, differences, scenario_hash
from detente.decide.store import CORRUPT, CUBE, DONE, MISSING, Store, create, only_run, open_store, survey
from detente.errors import SolveError, UsageError, nearest
from detente.model.priors import Correlations, Prior
from detente.model.scenario import STATED, Policy, Scenario, load_scenario
from detente.solve.solution import NOT_CONVERGED

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Report:
    """What a run did.

    Attributes:
        store: The store, whole.
        found: Blocks that were there already.
        mended: Blocks that were corrupt, and were computed again.
        computed: Blocks that were computed, those that were mended among them.
    """

    store: Store
    found: int
    mended: int
    computed: int


def run_to_store(
    scenario: Scenario,
    path: str | Path,
    *,
    num_draws: int = 2_000,
    seed: int = 0,
    design: str = "sobol",
    block: int = BLOCK_DRAWS,
    policies: Mapping[str, Policy] | None = None,
    priors: Mapping[str, Prior] | None = None,
    correlations: Correlations | None = None,
    structures: tuple[str, ...] | None = None,
    resume: bool = True,
    workers: int | None = None,
    cluster: str | None = None,
    executor: Executor | None = None,
    progress_fn: Callable[[int], None] | None = None,
) -> Report:
    """Solve a scenario for as many draws as wanted, under every policy and structure, into a store on disk.

    The store is written block by block. Interrupt it, kill it, or lose the machine: the same call goes on where it
    stopped, and ends with the same bytes as if nothing had happened. Memory does not grow with the number of draws.

    Args:
        scenario: The scenario.
        path: Folder of the store.
        num_draws: How many draws.
        seed: Of the draws.
        design: ``sobol``, ``lhs`` or ``monte carlo``; see :func:`detente.model.priors.draw`.
        block: Draws in a block; what is lost at most when a run is killed.
        policies: Name → policy; by default all of the scenario.
        priors: Parameter → prior; by default those of the scenario.
        correlations: Parameter → other parameter → rank correlation; by default those of the scenario.
        structures: Names of the structures; by default the file as it stands (``stated``) and all its alternatives.
        resume: Go on with a store that is there; if not, one that is there is refused.
        workers: Processes on this machine; by default this one, with a thread for each core.
        cluster: Address of a Dask scheduler (``tcp://host:8786``), whose workers then do the work.
        executor: Any other executor to do it, in place of a cluster.
        progress_fn: Called with the number of draws that are in the store, those found there among them.

    Returns:
        What was done, and the store.

    Raises:
        UsageError: If the store is of another run (it says what differs), the disk is full, or an argument is wrong.
        ScenarioError: If a policy, outcome or structure names something that the rules do not have.
        SolveError: If the workers are lost; the blocks that are done stay.
    """
    path = Path(path)
    if sum(where is not None for where in (workers, cluster, executor)) > 1:
        raise UsageError("workers, cluster and executor: the work is done in one place. Give one of them.")
    if not resume and path.is_dir() and any(path.iterdir()):
        raise UsageError(f"{path}: is there already. Write to another --store, or leave out --no-resume to go on.")
    settings = Settings(num_draws, seed, design, block, policies, priors, correlations, structures)
    prepared = prepare(scenario, settings)
    store = create(path, prepared)
    with only_run(store):
        known = survey(store)
        todo = sorted(known[MISSING] + known[CORRUPT])
        before = sum(store.draws_in(index) for index in known[DONE])

        def say(done: int) -> None:
            if progress_fn is not None:
                progress_fn(before + done)

        say(0)
        if todo and cluster is not None:
            with clusters.dask(cluster) as (remote, in_queue, alive_fn):
                clusters.run_on(remote, prepared, store, todo, in_queue=in_queue, alive_fn=alive_fn, progress_fn=say)
        elif todo and executor is not None:
            clusters.run_on(executor, prepared, store, todo, progress_fn=say)
        elif todo and workers is not None:
            with clusters.processes(workers) as (pool, threads):
                ahead = clusters.AHEAD * workers
                clusters.run_on(pool, prepared, store, todo, in_queue=ahead, threads=threads, progress_fn=say)
        elif todo:
            clusters.run_here(prepared, store, todo, progress_fn=say)
    return Report(store, len(known[DONE]), len(known[CORRUPT]), len(todo))


# -- reading -------------------------------------------------------------------------------------
def open_cube(path: str | Path) -> "xarray.Dataset":
    """The cube of a store, read from disk as it is used.

    Args:
        path: Folder of the store. One that is not finished can be read too: the status of its missing draws is −1.

    Returns:
        ``parameters`` (parameter, draw); ``values`` (structure, policy, outcome, draw); ``payoffs`` (…, player, draw);
        ``distribution_NAME`` (…, label, draw) for each label outcome; ``status``, ``residual``, ``iterations``.

    Raises:
        UsageError: If there is no store.
    """
    import xarray

    store = open_store(path)
    return xarray.open_zarr(store.path / CUBE, consolidated=False, chunks=None).set_coords("structure_weight")


def as_dataset(ensemble: Ensemble) -> "xarray.Dataset":
    """An ensemble in memory as a cube with the same variables as that of a store, and one structure.

    Args:
        ensemble: The ensemble.
    """
    import xarray

    whole = ("structure", "policy")
    arrays = {
        "parameters": (("parameter", "draw"), np.stack(list(ensemble.draws.values()))),
        "values": ((*whole, "outcome", "draw"), ensemble.values[None]),
        "payoffs": ((*whole, "player", "draw"), ensemble.payoffs[None]),
        **{
            f"distribution_{name}": ((*whole, f"label_{name}", "draw"), values[None])
            for name, values in ensemble.distributions.items()
        },
        "status": ((*whole, "draw"), ensemble.status[None].astype(np.int8)),
        "residual": ((*whole, "draw"), ensemble.residual[None]),
        "iterations": ((*whole, "draw"), ensemble.iterations[None].astype(np.int32)),
    }
    names = {
        "structure": [STATED],
        "policy": list(ensemble.policies),
        "outcome": list(ensemble.outcomes),
        "player": list(ensemble.game.players),
        "parameter": list(ensemble.draws),
        **{f"label_{name}": list(labels) for name, labels in ensemble.labels.items()},
    }
    return xarray.Dataset(arrays, coords=names | {"structure_weight": ("structure", [1.0])})


def from_store(path: str | Path, scenario: Scenario | None = None, *, structure: str = STATED) -> Ensemble:
    """A finished run as an ensemble in memory, for everything that compares policies.

    Args:
        path: Folder of the store.
        scenario: Its scenario; by default the one of that name that comes with the package.
        structure: Which structure.

    Returns:
        The ensemble.

    Raises:
        UsageError: If there is no store, it is not finished or corrupt, or it was made from another scenario.
    """
    store = open_store(path)
    scenario = load_scenario(str(store.manifest["scenario"])) if scenario is None else scenario
    _check_whole(store)
    if structure not in store.structures:
        raise UsageError(f"structure: {structure!r} is not in {store.path}.{nearest(structure, store.structures)}")
    found = {"scenario": scenario.slug, "scenario_sha256": scenario_hash(scenario)}
    lines = list(differences({key: store.manifest[key] for key in found}, found))
    if lines:
        raise UsageError(f"{store.path}: was made from another scenario: {'; '.join(lines)}. Give the one it is of.")
    cube = open_cube(path).sel(structure=structure)
    game = scenario.structure(structure).game
    usable = (cube["status"] != NOT_CONVERGED).all("policy").sum().item()
    blocks = cube[f"leaf_sum_{store.structures.index(structure)}"]
    leaf_sum = np.zeros(blocks.shape[1:])
    for index in range(store.num_blocks):  # one after the other, so that they need not all fit in memory
        leaf_sum += blocks[index].values
    labels = {
        name: tuple(map(str, cube[f"label_{name}"].values)) for name, o in game.outcomes.items() if o.rows is None
    }
    return Ensemble(
        game=game,
        policies=tuple(map(str, cube["policy"].values)),
        draws={str(name): cube["parameters"][i].values for i, name in enumerate(cube["parameter"].values)},
        seed=int(store.manifest["seed"]),
        outcomes=tuple(map(str, cube["outcome"].values)),
        values=cube["values"].values,
        labels=labels,
        distributions={name: cube[f"distribution_{name}"].values for name in labels},
        payoffs=cube["payoffs"].values,
        status=cube["status"].values,
        residual=cube["residual"].values,
        iterations=cube["iterations"].values,
        leaf_mean=leaf_sum / max(usable, 1),
    )


def _check_whole(store: Store) -> None:
    known = survey(store)
    if known[MISSING] or known[CORRUPT]:
        raise UsageError(
            f"{store.path}: {len(known[MISSING])} of {store.num_blocks} blocks are missing and {len(known[CORRUPT])} "
            "are corrupt. Repeat the run with the same --store: it computes those, and no others."
        )


@dataclass(frozen=True, eq=False)
class Pooled:
    """One outcome in the worlds of all structures, ready for regret and robustness.

    Attributes:
        policies: Names, one for each column.
        values: (world, policy).
        weights: How much each world counts, (world,); they sum to 1.
        structure: Index of the structure of each world, (world,).
        draw: Number of the draw of each world, (world,).
    """

    policies: tuple[str, ...]
    values: Float[np.ndarray, "world policy"]
    weights: Float[np.ndarray, "world"]
    structure: Int[np.ndarray, "world"]
    draw: Int[np.ndarray, "world"]


def pooled(cube: "xarray.Dataset", outcome: str, *, weights: Float[np.ndarray, "draw"] | None = None) -> Pooled:
    """One outcome over all structures: what is uncertain about the rules counts beside what is about the numbers.

    Args:
        cube: From :func:`open_cube` or :func:`as_dataset`.
        outcome: Name of a flag or number.
        weights: Of the draws; equal by default. Each structure counts by its weight, however many draws converged.

    Returns:
        The worlds in which every policy converged, with their weights.

    Raises:
        UsageError: If there is no such outcome, or the weights do not fit.
        SolveError: If no draw converged under a structure that counts.
    """
    names = [str(name) for name in cube["outcome"].values]
    if outcome not in names:
        raise UsageError(f"outcome: {outcome!r} is not a flag or number.{nearest(outcome, names)}")
    status = cube["status"].values
    per_draw = np.ones(status.shape[-1]) if weights is None else np.asarray(weights, dtype=float)
    if per_draw.shape != status.shape[-1:] or not (np.isfinite(per_draw) & (per_draw >= 0)).all():
        raise UsageError(f"weights: give {status.shape[-1]} numbers from 0 upwards, one for each draw.")
    usable = ((status >= 0) & (status != NOT_CONVERGED)).all(axis=1)
    share = cube["structure_weight"].values / cube["structure_weight"].values.sum()
    counted = usable * per_draw
    total = counted.sum(axis=1)
    empty = (total == 0) & (share > 0)
    if empty.any():
        raise SolveError(
            f"outcome: {outcome!r}: no draw converged under the structure {str(cube['structure'].values[empty][0])!r}, "
            "so there is nothing to pool. Lower the precision."
        )
    weight = counted * (share / np.where(total > 0, total, 1.0))[:, None]
    structure, draw = np.nonzero(usable & (share > 0)[:, None])
    values = cube["values"].sel(outcome=outcome).values[structure, :, draw]
    policies = tuple(map(str, cube["policy"].values))
    return Pooled(policies, values, weight[structure, draw], structure, draw)
