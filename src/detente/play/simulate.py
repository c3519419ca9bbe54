"""Tournaments: thousands of games between bots, drawn from the tree that they play."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detente.axes import Game
from detente.errors import UsageError, nearest
from detente.play.bots import compiled, equilibrium, strategy
from detente.play.stage import Stage
from detente.solve.solution import edge_probabilities, expected_outcome, reach_probabilities


@dataclass(frozen=True, eq=False)
class Tournament:
    """Games between bots, drawn independently.

    Attributes:
        stage: What was played.
        bots: Player → bot.
        seed: Of the draws.
        game: The compiled game.
        leaf: Where each game ended, (game,).
        leaf_probability: Chance of each leaf under these bots, (leaf,).
        payoff: Payoff of every player at every leaf, (leaf, player).
        expected: Outcome → exact expectation (flag, number) or distribution (label) under these bots.
        values_at: Outcome → value at every leaf, for flags and numbers.
    """

    stage: Stage
    bots: Mapping[str, str]
    seed: int
    game: Game
    leaf: np.ndarray
    leaf_probability: np.ndarray
    payoff: np.ndarray
    expected: Mapping[str, Any]
    values_at: Mapping[str, np.ndarray]

    @property
    def num_games(self) -> int:
        """Number of games."""
        return len(self.leaf)

    def mean_payoffs(self) -> dict[str, tuple[float, float, float]]:
        """Player → (mean over the games, its standard error, exact expectation)."""
        drawn = self.payoff[self.leaf]
        exact = self.leaf_probability @ self.payoff
        errors = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn)) if len(drawn) > 1 else np.full(drawn.shape[1], np.nan)
        means = drawn.mean(axis=0)
        return {p: (float(means[i]), float(errors[i]), float(exact[i])) for i, p in enumerate(self.game.players)}

    def outcomes(self) -> dict[str, tuple[Any, Any]]:
        """Outcome → (mean or shares over the games, exact expectation or distribution)."""
        found: dict[str, tuple[Any, Any]] = {}
        for name, outcome in self.game.outcomes.items():
            if outcome.rows is None:
                counts = np.bincount(outcome.codes[self.leaf], minlength=len(outcome.labels)) / self.num_games
                found[name] = (dict(zip(outcome.labels, counts.tolist(), strict=True)), self.expected[name])
            else:
                found[name] = (float(self.values_at[name][self.leaf].mean()), self.expected[name])
        return found

    def choices(self) -> dict[str, dict[str, float]]:
        """Move → option → share of the games that had this move."""
        counts: dict[str, dict[str, int]] = {}
        leaves, times = np.unique(self.leaf, return_counts=True)
        for leaf, count in zip(leaves, times, strict=True):
            for move, option in self.game.history(int(self.game.leaf_nodes[leaf])):
                options = counts.setdefault(move, {})
                options[option] = options.get(option, 0) + int(count)
        return {m: {o: n / sum(c.values()) for o, n in c.items()} for m, c in counts.items()}

    def rows(self) -> list[dict[str, str]]:
        """One row a game: move → option; moves that a game did not have are left out."""
        paths = {int(n): dict(self.game.history(int(self.game.leaf_nodes[n]))) for n in np.unique(self.leaf)}
        return [paths[int(n)] for n in self.leaf]


def simulate(
    stage: Stage,
    *,
    games: int = 10_000,
    bots: Mapping[str, str] | None = None,
    seed: int = 0,
    values: Mapping[str, float] | None = None,
    precision: float | None = None,
) -> Tournament:
    """Let bots play each other many times.

    Each game is one draw from the tree under the bots' strategies, so that the cost hardly grows with their number.

    Args:
        stage: What is played.
        games: How many games.
        bots: Player → bot; default ``equilibrium`` for all.
        seed: The same seed gives the same games.
        values: Parameter values of the world; default: the stage's.
        precision: λ of the bots; default: the stage's.

    Raises:
        UsageError: If a bot or player is unknown, or the number of games is not above 0.
        SolveError: If an equilibrium does not converge.

    Example:
        >>> from detente.play.stage import load_stage
        >>> played = simulate(load_stage("kuhn-poker"), games=2_000, bots={"player 2": "equilibrium:0"}, precision=10)
        >>> mean, error, exact = played.mean_payoffs()["player 1"]
        >>> abs(mean - exact) < 5 * error
        True
    """
    if games < 1:
        raise UsageError(f"simulate: {games} is not a number of games. Ask for at least 1.")
    seated = dict.fromkeys(stage.players, "equilibrium")
    for player, bot in (bots or {}).items():
        if player not in seated:
            raise UsageError(f"simulate: {player!r} is not a player of {stage.name!r}.{nearest(player, seated)}")
        seated[player] = bot
    values = dict(stage.values) | dict(values or {})
    rate = stage.precision if precision is None else precision
    game, problem = compiled(stage), equilibrium(stage, values, rate).problem
    chances = np.zeros(game.num_slots)
    by_player = {player: strategy(stage, bot, player, values=values, precision=rate) for player, bot in seated.items()}
    for index, infoset in enumerate(game.infosets):
        slots = game.slots(index)
        chances[slots] = by_player[game.players[infoset.player]][slots]
    reach = reach_probabilities(game, edge_probabilities(problem, chances[:, None]))
    probability = reach[game.leaf_nodes]
    share = probability[:, 0] / probability[:, 0].sum()
    monomials = game.basis.evaluate(problem.draws, 1)
    expected = {name: _plain(expected_outcome(problem, name, probability)) for name in game.outcomes}
    values_at = {n: o.rows.evaluate(monomials)[:, 0] for n, o in game.outcomes.items() if o.rows is not None}
    drawn = np.random.default_rng(seed).choice(len(share), size=games, p=share)
    return Tournament(stage, seated, seed, game, drawn, share, problem.payoff[:, :, 0], expected, values_at)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {label: float(chance[0]) for label, chance in value.items()}
    return float(value[0])
