"""Ensembles that outgrow memory or an afternoon: run to a store, go on after an interruption, read back as a cube."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from detente.decide import cluster as clusters
from detente.decide.blocks import prepare
from detente.decide.ensemble import Ensemble
from detente.decide.manifest import BLOCK_DRAWS, Settings, differences, make_manifest, scenario_hash
from detente.decide.store import CORRUPT, CUBE, DONE, MISSING, Store, create, only_run, open_store, settle, survey
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
    extend: bool = False,
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
        extend: Add draws to a store that holds fewer; it ends with the same bytes as if all had been asked for at once.
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
    store = create(path, prepared, extend=extend)
    with only_run(store):
        store = settle(store, prepared)
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
        UsageError: If there is no store, or the descriptions of its variables are damaged or of two runs.
    """
    import xarray

    store = open_store(path)
    try:
        cube = xarray.open_zarr(store.path / CUBE, consolidated=False, chunks=None)
        return cube.set_coords("structure_weight")
    except (OSError, ValueError, KeyError, TypeError) as error:  # whatever Zarr and xarray make of it
        raise UsageError(
            f"{store.path / CUBE}: its variables do not fit together: {type(error).__name__}: {error}. Repeat the run "
            "with the same --store: it mends the descriptions, and computes no block that is there."
        ) from None


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
    wanted = scenario if scenario.structure_name == structure else scenario.structure(structure)
    game = wanted.game
    usable = (cube["status"] != NOT_CONVERGED).all("policy").sum().item()
    blocks = cube[f"leaf_sum_{store.structures.index(structure)}"]
    leaf_sum = np.zeros(blocks.shape[1:])
    for index in range(store.num_blocks):  # one after the other, so that they need not all fit in memory
        leaf_sum += blocks[index].values
    # The cube's labels are those of all structures; an ensemble has those of its own rules, in their order.
    labels = {name: o.labels for name, o in game.outcomes.items() if o.rows is None}
    return Ensemble(
        game=game,
        policies=tuple(map(str, cube["policy"].values)),
        draws={str(name): cube["parameters"][i].values for i, name in enumerate(cube["parameter"].values)},
        seed=int(store.manifest["seed"]),
        outcomes=tuple(map(str, cube["outcome"].values)),
        values=cube["values"].values,
        labels=labels,
        distributions={
            name: cube[f"distribution_{name}"].sel({f"label_{name}": list(known)}).values
            for name, known in labels.items()
        },
        payoffs=cube["payoffs"].values,
        status=cube["status"].values,
        residual=cube["residual"].values,
        iterations=cube["iterations"].values,
        leaf_mean=leaf_sum / max(usable, 1),
    )


def read_run(
    path: str | Path,
    scenario: Scenario,
    *,
    num_draws: int | None = None,
    seed: int | None = None,
    policies: Mapping[str, Policy] | None = None,
) -> Ensemble:
    """A finished run instead of solving again: the same numbers as :func:`detente.decide.ensemble.run`, or a refusal.

    Where :func:`from_store` asks only that the scenario is the same, this asks for everything that the numbers depend
    on, as a run here and now would have it.

    Args:
        path: Folder of the store.
        scenario: The scenario, under the structure that is wanted.
        num_draws: How many draws it must hold; by default as many as it does.
        seed: What its seed must be; by default whatever it is.
        policies: Which of its policies; by default all of the scenario, and it must hold them.

    Returns:
        The ensemble. Draws in which any policy of the store did not converge count in no average over histories.

    Raises:
        UsageError: If there is no store, it is not finished or corrupt, it does not hold a policy or the structure, or
            its manifest differs from that of this run (it says in what).
    """
    store = open_store(path)
    held = [str(entry["name"]) for entry in store.manifest["policies"]]
    wanted = tuple(scenario.file.policies if policies is None else policies)
    for name in wanted:
        if name not in held:
            raise UsageError(
                f"{store.path}: does not hold the policy {name!r}.{nearest(name, held)} Leave out --store to solve it, "
                f"or compare those that it holds: {' '.join(f'--policy {known}' for known in held)}."
            )
    structure = scenario.structure_name
    if structure not in store.structures:
        raise UsageError(f"structure: {structure!r} is not in {store.path}.{nearest(structure, store.structures)}")
    known = {name: policy for name, policy in scenario.file.policies.items() if name in held}
    settings = Settings(
        num_draws=store.num_draws if num_draws is None else num_draws,
        seed=int(store.manifest["seed"]) if seed is None else seed,
        design=store.manifest["design"],
        block=store.block,
        policies={name: known[name] for name in held if name in known},
        structures=(structure,),
    )
    here = make_manifest(scenario, settings.filled(scenario), {structure: scenario.game})
    # Other structures in the store have no part in these numbers.
    there = {**store.manifest, "structures": {structure: store.manifest["structures"][structure]}}
    lines = list(differences(there, here))
    if lines:
        raise UsageError(
            f"{store.path}: is of another run: {'; '.join(lines)}. Make it again with 'detente run', or leave out "
            "--store to solve here."
        )
    found = from_store(path, scenario, structure=structure)
    return found if wanted == found.policies else _only(found, wanted)


def _only(ensemble: Ensemble, policies: tuple[str, ...]) -> Ensemble:
    """Some policies of an ensemble, in another order."""
    rows = [ensemble.policy_index(name) for name in policies]
    return replace(
        ensemble,
        policies=policies,
        values=ensemble.values[rows],
        distributions={name: shares[rows] for name, shares in ensemble.distributions.items()},
        payoffs=ensemble.payoffs[rows],
        status=ensemble.status[rows],
        residual=ensemble.residual[rows],
        iterations=ensemble.iterations[rows],
        leaf_mean=ensemble.leaf_mean[rows],
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
    if not per_draw.any():
        raise UsageError("weights: all are 0, so there is no world left. Give at least one draw a weight above 0.")
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
