"""Policy search: the commitment that stands up best, found by trying every combination of the levers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from detente.axes import CHANCE, CHOICE, Game
from detente.decide.ensemble import Ensemble, run
from detente.decide.robustness import NINETIETH, robustness
from detente.errors import UsageError, nearest
from detente.model.scenario import Policy, Scenario
from detente.solve.problem import levels
from detente.solve.solution import fixed_nodes

MOST_COMMITMENTS = 2_000
SEPARATOR = ", "


@dataclass(frozen=True)
class Commitment:
    """One combination of options, and how robust it is.

    Attributes:
        commit: Move → option; moves that are not in it are left to be played as in equilibrium.
        score: Figure of the metric; more is better.
        mean: Average of the criterion over the worlds, in its own unit.
    """

    commit: Mapping[str, str]
    score: float
    mean: float

    @property
    def title(self) -> str:
        """The options in words."""
        return SEPARATOR.join(f"{move}: {option}" for move, option in self.commit.items()) or "no commitment"


@dataclass(frozen=True, eq=False)
class Search:
    """Every commitment that was tried, most robust first.

    Attributes:
        by: The player or outcome that it was judged by.
        metric: The metric.
        levers: The moves that could be committed.
        found: The commitments.
        num_worlds: How many worlds each was judged in.
        num_left_out: Worlds that did not converge.
    """

    by: str
    metric: str
    levers: tuple[str, ...]
    found: tuple[Commitment, ...]
    num_worlds: int
    num_left_out: int


def with_policies(scenario: Scenario, policies: Mapping[str, Policy]) -> Scenario:
    """The same scenario with other policies; its compiled game is kept.

    Args:
        scenario: The scenario.
        policies: Name → policy.
    """
    other = replace(scenario, file=scenario.file.model_copy(update={"policies": dict(policies)}))
    if "game" in scenario.__dict__:
        other.__dict__["game"] = scenario.__dict__["game"]
    return other


def check_commit(scenario: Scenario, commit: Mapping[str, str]) -> None:
    """Refuse a commitment that the deciding player cannot make.

    Args:
        scenario: The scenario.
        commit: Move → option.

    Raises:
        UsageError: If the rules have no such move or option, or the move is chance or somebody else's.
    """
    game, decides = scenario.game, scenario.file.decides
    for move, option in commit.items():
        nodes = fixed_nodes(game, move, option)
        if (game.kind[nodes] == CHANCE).any():
            raise UsageError(f"commit: {move!r} is a chance move; nobody can commit to it. Commit to a player's move.")
        movers = {game.players[game.infosets[int(game.infoset[n])].player] for n in nodes}
        if movers != {decides}:
            raise UsageError(
                f"commit: {move!r} is a move of the {', '.join(sorted(movers))}, and policies are those of the "
                f"{decides}. Levers: {', '.join(map(repr, levers(scenario)))}."
            )


def levers(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """The moves of the deciding player and their options, in the order of the game.

    Args:
        scenario: The scenario.
    """
    game, found = scenario.game, {}
    for node in np.flatnonzero(game.kind == CHOICE):  # breadth first: earlier moves come first
        infoset = game.infosets[int(game.infoset[node])]
        if game.players[infoset.player] == scenario.file.decides:
            found.setdefault(infoset.move, {}).update(dict.fromkeys(infoset.options))
    return {move: tuple(options) for move, options in found.items()}


def commitments(scenario: Scenario, moves: Sequence[str] | None = None) -> tuple[dict[str, str], ...]:
    """Every combination of the levers that differs from the others in the game.

    A lever may be left open. One that the rest of the combination never lets come up is left out, so that no two
    combinations are the same policy.

    Args:
        scenario: The scenario.
        moves: Which levers; by default all moves of the deciding player.

    Raises:
        UsageError: If a move is not a lever, or there would be more than 2,000 combinations.
    """
    wanted = wanted_levers(scenario, moves)
    count = int(np.prod([len(options) + 1 for options in wanted.values()]))
    if count > MOST_COMMITMENTS:
        raise UsageError(
            f"levers: {count:,} combinations are more than the {MOST_COMMITMENTS:,} that are tried. Name fewer levers, "
            "or search by evolution (detente.decide.evolve)."
        )
    reduce_fn, found = reducer(scenario.game, wanted), {}
    for chosen in product(*[(None, *options) for options in wanted.values()]):
        used = reduce_fn({m: o for m, o in zip(wanted, chosen, strict=True) if o is not None})
        found[tuple(sorted(used.items()))] = used
    return tuple(found.values())


def wanted_levers(scenario: Scenario, moves: Sequence[str] | None = None) -> dict[str, tuple[str, ...]]:
    """Some levers with their options.

    Args:
        scenario: The scenario.
        moves: Which; by default all moves of the deciding player.

    Raises:
        UsageError: If a move is not a lever; the nearest is offered.
    """
    known = levers(scenario)
    for move in moves or ():
        if move not in known:
            raise UsageError(f"levers: {move!r} is not a move of the {scenario.file.decides}.{nearest(move, known)}")
    return {move: known[move] for move in (known if moves is None else moves)}


def reducer(game: Game, wanted: Mapping[str, tuple[str, ...]]) -> Callable[[Mapping[str, str]], dict[str, str]]:
    """A function that leaves out of a commitment what the rest of it never lets come up.

    Args:
        game: The whole game.
        wanted: The levers, with their options.
    """
    masks = {(m, o): _cut_off(game, m, o) for m, options in wanted.items() for o in options}
    nodes_of = {m: np.flatnonzero(np.array([game.move_at(int(n)) == m for n in range(game.num_nodes)])) for m in wanted}

    def reduce(commit: Mapping[str, str]) -> dict[str, str]:
        kept = _reachable(game, [masks[item] for item in commit.items()])
        return {m: o for m, o in commit.items() if kept[nodes_of[m]].any()}

    return reduce


def _cut_off(game: Game, move: str, option: str) -> np.ndarray:
    """Nodes right behind the options that are not taken."""
    cut = np.zeros(game.num_nodes, dtype=bool)
    for node in fixed_nodes(game, move, option):
        first = int(game.first_child[node])
        cut[first : first + int(game.num_options[node])] = True
        cut[first + game.options_at(int(node)).index(option)] = False
    return cut


def _reachable(game: Game, cuts: Sequence[np.ndarray]) -> np.ndarray:
    kept = ~np.logical_or.reduce(cuts) if cuts else np.ones(game.num_nodes, dtype=bool)
    for start, stop in levels(game):
        kept[start:stop] &= kept[game.parent[start:stop]]
    return kept


def criterion_values(ensemble: Ensemble, by: str) -> np.ndarray:
    """A player's expected payoff, or an outcome, in the usable draws, (draw, policy).

    Args:
        ensemble: The solved ensemble.
        by: Name of a player, or of a flag or number.

    Raises:
        UsageError: If it is neither; the nearest is offered.
    """
    players = ensemble.game.players
    if by in players:
        return np.asarray(ensemble.payoffs)[:, players.index(by)][:, ensemble.usable].T
    if by not in ensemble.outcomes:
        raise UsageError(f"by: {by!r} is not a player, flag or number.{nearest(by, [*players, *ensemble.outcomes])}")
    return np.stack([ensemble.outcome(by, policy) for policy in ensemble.policies], axis=1)


def direction(scenario: Scenario, by: str) -> str:
    """Which values of a criterion are better: ``higher`` for a payoff, else what the scenario says.

    Args:
        scenario: The scenario.
        by: Name of a player or outcome.

    Raises:
        UsageError: If the scenario does not say it.
    """
    if by in scenario.game.players:
        return "higher"
    known = scenario.file.outcomes
    if by not in known:
        raise UsageError(f"by: {by!r} is not a player or outcome.{nearest(by, [*scenario.game.players, *known])}")
    return known[by].better


def search(
    scenario: Scenario,
    *,
    by: str | None = None,
    metric: str = NINETIETH,
    moves: Sequence[str] | None = None,
    num_draws: int = 256,
    seed: int = 0,
    progress_fn: Callable[[int], None] | None = None,
) -> Search:
    """Find the most robust commitment by trying every combination of what the deciding player can do.

    A commitment is not announced: everybody else reads what they see as they do in equilibrium. For metrics of regret
    the other policies are the other combinations.

    Args:
        scenario: The scenario.
        by: A player (its expected payoff) or an outcome; by default the deciding player.
        metric: Name of a robustness metric; see :func:`detente.decide.robustness.metrics`.
        moves: Which levers; by default all moves of the deciding player.
        num_draws: Worlds in which each combination is judged.
        seed: Of the draws.
        progress_fn: Called with the number of draws done.

    Returns:
        The commitments, most robust first. Cost: one solve a world, and one evaluation a world and combination; those
        with an undefined figure come last.

    Raises:
        UsageError: If a name is not known, or there are too many combinations.

    Source:
        mcphail2018 (metrics).
    """
    by = by or scenario.file.decides
    better = direction(scenario, by)
    tried = commitments(scenario, moves)
    policies = {str(i): Policy(title=str(i), meaning="tried", commit=commit) for i, commit in enumerate(tried)}
    ensemble = run(with_policies(scenario, policies), num_draws=num_draws, seed=seed, progress_fn=progress_fn)
    values = criterion_values(ensemble, by)
    score = robustness(values, ensemble.policies, better=better, using=[metric]).score(metric)
    means = dict(zip(ensemble.policies, values.mean(axis=0).tolist(), strict=True))
    found = [Commitment(tried[int(name)], score.values[name], means[name]) for name in ensemble.policies]
    found.sort(key=lambda c: (np.isnan(c.score), -c.score if not np.isnan(c.score) else 0.0, len(c.commit)))
    names = tuple(moves) if moves is not None else tuple(levers(scenario))
    return Search(by, metric, names, tuple(found), len(values), ensemble.num_unconverged)
