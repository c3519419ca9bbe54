"""Every policy in every possible world: solve the draws, evaluate the policies, keep what is needed."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from detente.axes import Game, in_a_notebook
from detente.errors import UsageError, nearest
from detente.model.priors import Correlations, Prior, draw
from detente.model.scenario import Policy, Scenario, check_against_game
from detente.solve.api import BLOCK, solve
from detente.solve.expect import Expectation, Projector, expect, make_projector
from detente.solve.problem import as_draws, evaluate
from detente.solve.solution import CONVERGED, NOT_CONVERGED, STATUS_NAMES, Solution

LARGE_PIECE = 16_384  # draws evaluated together where there is nothing to solve
MOST_CELLS = 2**24  # nodes × draws of such a piece: 128 MiB for each array


@dataclass(frozen=True, eq=False)
class Ensemble:
    """What every policy brings in every draw.

    Attributes:
        game: The whole game.
        policies: Names, in the order of the scenario.
        draws: Parameter name → value, (draw,).
        seed: Of the draws.
        outcomes: Names of the outcomes that are flags or numbers.
        values: Probability (flag) or expected value (number), (policy, outcome, draw).
        labels: Label outcome → its labels.
        distributions: Label outcome → probability, (policy, label, draw).
        payoffs: Expected payoff, (policy, player, draw).
        status: Of the solver, (policy, draw).
        residual: Of the solver, (policy, draw).
        iterations: Of the solver, (policy, draw).
        leaf_mean: Mean probability of every leaf over the usable draws, (policy, leaf).
    """

    game: Game
    policies: tuple[str, ...]
    draws: Mapping[str, Float[np.ndarray, "draw"]]
    seed: int
    outcomes: tuple[str, ...]
    values: Float[np.ndarray, "policy outcome draw"]
    labels: Mapping[str, tuple[str, ...]]
    distributions: Mapping[str, Float[np.ndarray, "policy label draw"]]
    payoffs: Float[np.ndarray, "policy player draw"]
    status: Int[np.ndarray, "policy draw"]
    residual: Float[np.ndarray, "policy draw"]
    iterations: Int[np.ndarray, "policy draw"]
    leaf_mean: Float[np.ndarray, "policy leaf"]

    def _repr_html_(self) -> str:
        return in_a_notebook(self)

    @property
    def num_draws(self) -> int:
        """Number of draws."""
        return self.status.shape[1]

    @property
    def usable(self) -> np.ndarray:
        """Draws that converged under every policy; only these are compared."""
        return (self.status != NOT_CONVERGED).all(axis=0)

    @property
    def num_unconverged(self) -> int:
        """Draws that are left out of every comparison, and counted wherever one is shown."""
        return int((~self.usable).sum())

    def status_counts(self) -> dict[str, int]:
        """How many draws ended how, by the worst status over the policies."""
        worst = self.status.max(axis=0)
        return {name: int((worst == code).sum()) for code, name in enumerate(STATUS_NAMES)}

    def outcome(self, name: str, policy: str) -> Float[np.ndarray, "usable"]:
        """One outcome under one policy in the usable draws."""
        return self.values[self.policy_index(policy), self._outcome_index(name)][self.usable]

    def policy_index(self, policy: str) -> int:
        """Position of a policy.

        Raises:
            UsageError: If it is not among the policies; the nearest is offered.
        """
        if policy not in self.policies:
            raise UsageError(f"policy: {policy!r} is not in the ensemble.{nearest(policy, self.policies)}")
        return self.policies.index(policy)

    def _outcome_index(self, name: str) -> int:
        if name not in self.outcomes:
            raise UsageError(f"outcome: {name!r} is not a flag or number.{nearest(name, self.outcomes)}")
        return self.outcomes.index(name)


def run(
    scenario: Scenario,
    *,
    num_draws: int = 2_000,
    seed: int = 0,
    policies: Mapping[str, Policy] | None = None,
    priors: Mapping[str, Prior] | None = None,
    design: str = "sobol",
    correlations: Correlations | None = None,
    draws: Mapping[str, np.ndarray] | None = None,
    progress_fn: Callable[[int], None] | None = None,
) -> Ensemble:
    """Solve a scenario for many draws from its priors, under every policy.

    A policy that is not announced is evaluated in the equilibrium of the whole game: the deciding player's choice is
    fixed, and everybody else reads what they see as they do in equilibrium. An announced policy is solved anew,
    everybody knowing it.

    Args:
        scenario: The scenario.
        num_draws: How many draws.
        seed: Of the scrambling; the same seed gives the same numbers.
        policies: Name → policy; by default all policies of the scenario.
        priors: Parameter → prior; by default those of the scenario.
        design: ``sobol``, ``lhs`` or ``monte carlo``; see :func:`detente.model.priors.draw`.
        correlations: Parameter → other parameter → rank correlation; by default those of the scenario.
        draws: Parameter → values, (draw,): draws made elsewhere, instead of those from the priors.
        progress_fn: Called after each block with the number of draws done.

    Returns:
        The ensemble. A draw that did not converge stays in it, with its status.

    Raises:
        ScenarioError: If a policy or outcome names something that the rules do not have.
        SolveError: If a prior reaches values for which the rules make no sense.

    For more draws than fit in memory, for several machines, or to go on after an interruption, see
    :func:`detente.decide.cube.run_to_store`.
    """
    policies = dict(scenario.file.policies if policies is None else policies)
    for name in policies:
        scenario.policy(name)  # tables and pages take its title and meaning from the scenario
    if not policies:
        raise UsageError(f"{scenario.slug}: there are no policies to compare. Add [policies.NAME].")
    game = scenario.game
    check_against_game(scenario, game)
    if draws is None:
        values = draw(
            scenario.priors if priors is None else priors,
            num_draws,
            seed=seed,
            design=design,
            correlations=scenario.file.correlations if correlations is None else correlations,
        )
    else:
        values, num_draws = as_draws(game, draws)
    projectors = make_projectors(game, list(policies.values()))

    piece = piece_size(game)

    def run_block(first: int) -> dict[str, Any]:
        block = {name: array[first : first + piece] for name, array in values.items()}
        return solve_policies(game, projectors, block, scenario.behaviour, list(policies.values()))

    blocks = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the compiled parts run side by side
        for number, block in enumerate(pool.map(run_block, range(0, num_draws, piece)), 1):
            blocks.append(block)
            if progress_fn is not None:
                progress_fn(min(number * piece, num_draws))
    return _collect(game, tuple(policies), values, seed, blocks)


def piece_size(game: Game) -> int:
    """How many draws to solve together: few where there is an equilibrium to find, more where there is none.

    Args:
        game: The game.
    """
    return BLOCK if game.num_slots else max(BLOCK, min(LARGE_PIECE, MOST_CELLS // game.num_nodes))


def _without_choices(game: Game, draws: Mapping[str, np.ndarray]) -> Solution:
    """A game in which nobody chooses anything: there is nothing to solve, only to evaluate."""
    values, num_draws = as_draws(game, draws)
    problem = evaluate(game, values)
    none, zeros = np.zeros((0, num_draws)), np.zeros(num_draws)
    return Solution(
        game=game,
        problem=problem,
        precision=np.zeros((len(game.players), num_draws)),
        probabilities=none,
        log_probabilities=none,
        payoffs=np.zeros((len(game.players), num_draws)),  # worked out with the policies
        status=np.full(num_draws, CONVERGED),
        residual=zeros,
        iterations=np.zeros(num_draws, dtype=np.int64),
        precision_reached=zeros,
        bifurcation_at=np.full(num_draws, np.nan),
        method="none",
    )


def make_projectors(game: Game, policies: Sequence[Policy]) -> list[Projector | None]:
    """Prepare a game for every policy; None for one that is announced, which makes another game.

    Args:
        game: The whole game.
        policies: The policies.
    """
    return [None if p.announced and p.commit else make_projector(game, p.commit) for p in policies]


def solve_policies(
    game: Game,
    projectors: Sequence[Projector | None],
    draws: Mapping[str, np.ndarray],
    behaviour: Mapping[str, Any],
    policies: Sequence[Policy],
) -> dict[str, Any]:
    """All policies for a few draws.

    Args:
        game: The whole game.
        projectors: From :func:`make_projectors`.
        draws: Parameter → values, (draw,).
        behaviour: How people choose; see :attr:`detente.model.scenario.Scenario.behaviour`.
        policies: The policies.

    Returns:
        ``value:NAME`` for each flag or number, ``label:NAME`` for each label outcome, ``payoffs``, ``status``,
        ``residual`` and ``iterations``, (policy, …, draw); ``leaf_sum``, (policy, leaf), over the usable draws, and
        their number ``num_usable``.
    """
    options: dict[str, Any] = {**behaviour, "one_of_many": True}  # a block is part of an ensemble
    equilibrium = solve(game, draws, **options) if game.num_slots else _without_choices(game, draws)
    pairs = []
    for policy, projector in zip(policies, projectors, strict=True):
        solution = equilibrium
        if projector is None:  # announced: everybody knows, and so it is another game
            solution = solve(game, draws, commit=policy.commit, **options)
            projector = make_projector(solution.game)
        pairs.append((solution, expect(projector, solution.problem, solution.probabilities)))
    usable = np.logical_and.reduce([solution.converged for solution, _ in pairs])
    parts = [_as_rows(game, solution, found, usable) for solution, found in pairs]
    return {key: np.stack([part[key] for part in parts]) for key in parts[0]}


def _as_rows(game: Game, solution: Solution, found: Expectation, usable: np.ndarray) -> dict[str, Any]:
    """One policy in one block, under the names by which blocks are joined."""
    total = np.zeros(game.num_leaves)
    # The leaves of a smaller game have other numbers: find them by their histories.
    places = found.leaves if solution.game is game else _leaf_places(game, solution.game)
    total[places] = found.leaf[:, usable].sum(axis=1)
    return {
        **{f"value:{name}": value for name, value in found.outcomes.items()},
        **{f"label:{name}": value for name, value in found.labels.items()},
        "payoffs": found.payoffs,
        "status": solution.status,
        "residual": solution.residual,
        "iterations": solution.iterations,
        "leaf_sum": total,
        "num_usable": np.array(int(usable.sum())),
    }


def _leaf_places(whole: Game, part: Game) -> np.ndarray:
    """Index in the whole game of each leaf of a restricted game, by history."""
    index = {whole.history(int(n)): i for i, n in enumerate(whole.leaf_nodes)}
    return np.array([index[part.history(int(n))] for n in part.leaf_nodes])


def _collect(
    game: Game, policies: tuple[str, ...], draws: Mapping[str, np.ndarray], seed: int, blocks: list[dict[str, Any]]
) -> Ensemble:
    def join(key: str) -> np.ndarray:
        return np.concatenate([block[key] for block in blocks], axis=-1)

    numeric = tuple(name for name, o in game.outcomes.items() if o.rows is not None)
    labelled = {name: o.labels for name, o in game.outcomes.items() if o.rows is None}
    num_usable = np.maximum(sum(block["num_usable"] for block in blocks), 1)
    count = len(next(iter(draws.values())))
    return Ensemble(
        game=game,
        policies=policies,
        draws=draws,
        seed=seed,
        outcomes=numeric,
        values=np.stack([join(f"value:{name}") for name in numeric], axis=1)
        if numeric
        else np.zeros((len(policies), 0, count)),
        labels=labelled,
        distributions={name: join(f"label:{name}") for name in labelled},
        payoffs=join("payoffs"),
        status=join("status"),
        residual=join("residual"),
        iterations=join("iterations"),
        leaf_mean=sum(block["leaf_sum"] for block in blocks) / num_usable[:, None],
    )
