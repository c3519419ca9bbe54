"""One block of draws under every structure and policy: what a worker is sent, and what it computes.

A block depends on the manifest and its number, and on nothing else, so that any machine can compute any block.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from detente.axes import Game
from detente.decide.ensemble import make_projectors, piece_size, solve_policies
from detente.decide.manifest import Settings, as_text, differences, make_manifest
from detente.errors import ScenarioError, SolveError, UsageError
from detente.model.builtin import BUILTIN
from detente.model.priors import check_correlations, draw
from detente.model.scenario import Scenario, check_against_game, load_scenario
from detente.solve.solution import NOT_CONVERGED


@dataclass(frozen=True)
class Job:
    """What a worker is sent: where to read the crisis, what to compute, and what must come out the same there.

    Attributes:
        scenario: Name of a scenario that comes with the package, or its folder.
        settings: Filled in.
        manifest: As text.
    """

    scenario: str
    settings: Settings
    manifest: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run that is ready to compute: every game written out.

    Attributes:
        job: What to send to workers.
        manifest: What the numbers depend on.
        scenarios: Structure → the scenario under it.
        axes: Name of an axis → what stands on it, in order.
    """

    job: Job
    manifest: Mapping[str, Any]
    scenarios: Mapping[str, Scenario]
    axes: Mapping[str, tuple[str, ...]]

    @property
    def games(self) -> dict[str, Game]:
        """Structure → its game."""
        return {name: scenario.game for name, scenario in self.scenarios.items()}

    @cached_property
    def solvers(self) -> "tuple[_Solver, ...]":
        """One for each structure, made once."""
        return tuple(_Solver(self, scenario) for scenario in self.scenarios.values())

    @property
    def labelled(self) -> tuple[str, ...]:
        """Outcomes that are labels."""
        return tuple(name for name in self.axes if name.startswith("label_"))


@dataclass(frozen=True, eq=False)
class Block:
    """The numbers of one block.

    Attributes:
        index: Number of the block.
        arrays: Name of a variable of the cube → its part of it.
        failures: Draw → what made it impossible to solve. Such a draw stays, not converged and without values.
    """

    index: int
    arrays: Mapping[str, np.ndarray]
    failures: Mapping[int, str]


def prepare(scenario: Scenario, settings: Settings) -> Prepared:
    """Write out the games of a run, and check everything that can be checked before the work.

    Args:
        scenario: The scenario.
        settings: What is asked; what is left open is filled in from the scenario.

    Returns:
        The run.

    Raises:
        UsageError: If a number is out of range, there are no policies, or a name does not exist.
        ScenarioError: If a structure does not have the same moves and outcomes.
    """
    settings = settings.filled(scenario)
    for name, value in (("draws", settings.num_draws), ("block", settings.block)):
        if value < 1:
            raise UsageError(f"{name}: {value} is not a number of draws. Give at least 1.")
    if not settings.policies:
        raise UsageError(f"{scenario.slug}: there are no policies to compare. Add [policies.NAME].")
    assert settings.priors is not None
    check_correlations(settings.priors, settings.correlations or {})
    draw(settings.priors, 1, seed=settings.seed, design=settings.design)  # refuses an unknown design
    scenarios = {}
    for name in settings.structures or ():
        scenarios[name] = scenario.structure(name)
        try:
            check_against_game(scenarios[name], scenarios[name].game)
        except ScenarioError as error:
            raise ScenarioError(f"structures.{name}: {error}") from None
    games = {name: s.game for name, s in scenarios.items()}
    manifest = make_manifest(scenario, settings, games)
    builtin = scenario.folder == BUILTIN / scenario.slug
    reference = scenario.slug if builtin else str(Path(scenario.folder).resolve())
    job = Job(reference, settings, as_text(manifest))
    return Prepared(job, manifest, scenarios, _axes(scenario, settings, games))


def _axes(scenario: Scenario, settings: Settings, games: Mapping[str, Game]) -> dict[str, tuple[str, ...]]:
    """What stands on every axis of the cube; a label that only some structures know is unlikely under the others."""
    first = next(iter(games.values()))
    kinds = {name: o.rows is None for name, o in first.outcomes.items()}
    labels: dict[str, dict[str, None]] = {name: {} for name, labelled in kinds.items() if labelled}
    for structure, game in games.items():
        theirs = {name: o.rows is None for name, o in game.outcomes.items()}
        if theirs != kinds:
            differing = sorted(set(kinds.items()) ^ set(theirs.items()))
            raise ScenarioError(
                f"{scenario.slug}: structures.{structure}: its rules differ in the outcome {differing[0][0]!r}. Note "
                "the same outcomes, of the same kind, under all structures."
            )
        for name in labels:
            labels[name] |= dict.fromkeys(game.outcomes[name].labels)
    return {
        "structure": tuple(games),
        "policy": tuple(settings.policies or ()),
        "outcome": tuple(name for name, labelled in kinds.items() if not labelled),
        "player": first.players,
        "parameter": tuple(settings.priors or ()),
        **{f"label_{name}": tuple(found) for name, found in labels.items()},
    }


def compute(
    prepared: Prepared, index: int, *, threads: int | None = None, progress_fn: Callable[[int], None] | None = None
) -> Block:
    """Solve one block of draws under every structure and policy.

    Args:
        prepared: The run.
        index: Number of the block, from 0.
        threads: How many parts to solve side by side; by default one for each core. The numbers do not depend on it.
        progress_fn: Called with the number of draws of this block that are done.

    Returns:
        The block.
    """
    settings = prepared.job.settings
    assert settings.policies is not None and settings.priors is not None
    first = index * settings.block
    count = min(settings.block, settings.num_draws - first)
    draws = draw(
        settings.priors,
        count,
        seed=settings.seed,
        design=settings.design,
        correlations=settings.correlations,
        first=first,
        total=settings.num_draws,
    )
    failures: dict[int, str] = {}
    by_structure, done = [], 0
    with _threads(threads) as pool:
        for name, solver in zip(prepared.scenarios, prepared.solvers, strict=True):
            parts, piece = [], piece_size(solver.game)
            starts = range(0, count, piece)
            pieces = [{name: array[start : start + piece] for name, array in draws.items()} for start in starts]
            for start, (part, failed) in zip(starts, pool.map(solver, pieces), strict=True):
                parts.append(part)
                for i, message in failed.items():
                    before = failures.get(first + start + i)
                    failures[first + start + i] = (
                        f"{name}: {message}" if before is None else f"{before}; {name}: {message}"
                    )
                done += min(piece, count - start)
                if progress_fn is not None:
                    progress_fn(done // len(prepared.scenarios))
            by_structure.append(_joined(parts))
    return Block(index, _arrays(prepared, draws, by_structure), failures)


@contextmanager
def _threads(count: int | None) -> Iterator[ThreadPoolExecutor]:
    """Threads for the compiled parts; when the run is interrupted, what has not begun is left."""
    with ThreadPoolExecutor(count or os.cpu_count()) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Solver:
    """Every policy under one structure, for a few draws."""

    def __init__(self, prepared: Prepared, scenario: Scenario) -> None:
        assert prepared.job.settings.policies is not None
        self.prepared, self.game = prepared, scenario.game
        self.behaviour = scenario.behaviour
        self.policies = list(prepared.job.settings.policies.values())
        self.projectors = make_projectors(self.game, self.policies)

    def __call__(self, draws: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        try:
            found = solve_policies(self.game, self.projectors, draws, self.behaviour, self.policies)
            return self._on_axes(found), {}
        except SolveError as error:
            # One draw for which the rules make no sense must not cost the others: each is tried on its own.
            count = len(next(iter(draws.values())))
            if count == 1:
                return self._nothing(), {0: str(error).replace(" in draw 0 ", " ")}
            singles = [self({name: array[i : i + 1] for name, array in draws.items()}) for i in range(count)]
            failures = {i: failed[0] for i, (_, failed) in enumerate(singles) if failed}
            return _joined([part for part, _ in singles]), failures

    def _on_axes(self, found: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Values under the names of the cube, with the labels in its order."""
        axes = self.prepared.axes
        numbers = [found[f"value:{name}"] for name in axes["outcome"]]
        arrays = {
            "values": np.stack(numbers, axis=1) if numbers else np.zeros((*found["status"].shape[:1], 0, 1)),
            **{name: found[name] for name in ("payoffs", "status", "residual", "iterations", "leaf_sum")},
        }
        for axis in self.prepared.labelled:
            name = axis.removeprefix("label_")
            ours = self.game.outcomes[name].labels
            full = np.zeros((len(self.policies), len(axes[axis]), found["status"].shape[1]))
            full[:, [axes[axis].index(label) for label in ours]] = found[f"label:{name}"]
            arrays[f"distribution_{name}"] = full
        return arrays

    def _nothing(self) -> dict[str, np.ndarray]:
        """What a draw that cannot be solved leaves: its status."""
        axes, policies = self.prepared.axes, len(self.policies)
        return {
            "values": np.full((policies, len(axes["outcome"]), 1), np.nan),
            "payoffs": np.full((policies, len(axes["player"]), 1), np.nan),
            "status": np.full((policies, 1), NOT_CONVERGED),
            "residual": np.full((policies, 1), np.nan),
            "iterations": np.zeros((policies, 1), dtype=np.int64),
            "leaf_sum": np.zeros((policies, self.game.num_leaves)),
            **{
                f"distribution_{axis.removeprefix('label_')}": np.full((policies, len(axes[axis]), 1), np.nan)
                for axis in self.prepared.labelled
            },
        }


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {
        key: np.sum([part[key] for part in parts], axis=0)
        if key == "leaf_sum"
        else np.concatenate([part[key] for part in parts], axis=-1)
        for key in parts[0]
    }


def _arrays(
    prepared: Prepared, draws: Mapping[str, np.ndarray], by_structure: list[dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    arrays = {"parameters": np.stack([draws[name] for name in prepared.axes["parameter"]])}
    for key in by_structure[0]:
        if key != "leaf_sum":
            arrays[key] = np.stack([part[key] for part in by_structure])
    # Trees differ between structures, and so do their leaves.
    arrays |= {f"leaf_sum_{i}": part["leaf_sum"][None] for i, part in enumerate(by_structure)}
    return arrays


# -- on the worker -------------------------------------------------------------------------------
_READY: dict[tuple[str, str], Prepared] = {}
_LOCK = threading.Lock()


def restore(job: Job) -> Prepared:
    """Read the crisis where the worker is, write it out once, and make sure that it is the same one.

    Args:
        job: What was sent.

    Returns:
        The run, kept for the next block.

    Raises:
        UsageError: If the scenario, the rules or the versions differ here: it says in what.
    """
    key = (job.scenario, job.manifest)
    with _LOCK:  # threads of one worker wait for the first instead of writing out the same tree
        if key not in _READY:
            _READY.clear()
            _READY[key] = _restored(job)
        return _READY[key]


def _restored(job: Job) -> Prepared:
    import json

    settings = job.settings
    assert settings.policies is not None and settings.priors is not None
    scenario = load_scenario(job.scenario)
    parameters = {
        n: p.model_copy(update={"prior": settings.priors[n]}) if n in settings.priors else p
        for n, p in scenario.file.parameters.items()
    }
    file = scenario.file.model_copy(update={"policies": dict(settings.policies), "parameters": parameters})
    prepared = prepare(replace(scenario, file=file), settings)
    if prepared.job.manifest != job.manifest:
        lines = "; ".join(differences(json.loads(job.manifest), json.loads(prepared.job.manifest)))
        here = os.uname().nodename if hasattr(os, "uname") else "this machine"
        raise UsageError(
            f"worker on {here}: not the same run: {lines} (the store is what was asked, the run what is here). Install "
            "the same packages there, and let it see the same scenario."
        )
    return prepared
