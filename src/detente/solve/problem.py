"""A game with numbers in it: payoffs and probabilities of every draw, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix

from detente.axes import CHANCE, CHOICE, NO_PARENT, Game, Rows
from detente.errors import SolveError, UsageError, nearest

PROBABILITY_SLACK = 1e-9
CERTAIN = -1  # row of an edge that is followed for certain


@dataclass(frozen=True, eq=False)
class Problem:
    """A game evaluated for a block of draws.

    Attributes:
        game: The game.
        draws: Parameter name → value of every draw.
        num_draws: Number of draws.
        chance: Probability of every option of every chance move, (row, draw).
        different: Every different payoff; see :func:`different_payoffs`.
    """

    game: Game
    draws: Mapping[str, Float[np.ndarray, "draw"]]
    num_draws: int
    chance: Float[np.ndarray, "row draw"]
    different: Float[np.ndarray, "different draw"]

    @cached_property
    def payoff(self) -> Float[np.ndarray, "leaf player draw"]:
        """Payoff of every player at every leaf."""
        return self.different[different_payoffs(self.game)[1]]

    @property
    def spread(self) -> Float[np.ndarray, "player draw"]:
        """Range of each player's payoffs."""
        return np.stack([np.ptp(self.different[own], axis=0) for own in _own_payoffs(self.game)])

    def take(self, draws: Any) -> "Problem":
        """The problem for some of its draws, given by an index array or a slice."""
        chance, different = self.chance[:, draws], self.different[:, draws]
        values = {name: array[draws] for name, array in self.draws.items()}
        return Problem(self.game, values, different.shape[1], chance, different)


@lru_cache(maxsize=8)
def different_payoffs(game: Game) -> tuple[Rows, Int[np.ndarray, "leaf player"]]:
    """Every payoff that is another polynomial than those before, and which of them each player gets at each leaf.

    Large games have few: what a player gets seldom depends on everything that happened.
    """
    rows, index = different_rows(game.payoff)
    return rows, index.reshape(-1, len(game.players))


@lru_cache(maxsize=8)
def _own_payoffs(game: Game) -> list[np.ndarray]:
    """Which of the different payoffs each player can get."""
    return [np.unique(column) for column in different_payoffs(game)[1].T]


def different_rows(rows: Rows) -> tuple[Rows, Int[np.ndarray, "row"]]:
    """The different rows among some polynomials, and which of them each row is. Cost: linear in the entries."""
    matrix = csr_matrix(rows.matrix).sorted_indices()  # a copy: the game is not to change
    # Equal rows have equal products with any vector. Others have them by accident at most, which is looked for below.
    probe = matrix @ np.random.default_rng(0).uniform(1.0, 2.0, (matrix.shape[1], 2))
    _, first, index = np.unique(probe, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # in the order met
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    first, index = first[order], rank[index.reshape(-1)]
    if (matrix != matrix[first[index]]).nnz:
        return rows, np.arange(rows.num_rows)
    return rows.select(first), index


def as_draws(game: Game, draws: Mapping[str, Any] | None) -> tuple[dict[str, np.ndarray], int]:
    """Parameter values as arrays of one length.

    Args:
        game: The game whose parameters are wanted.
        draws: Parameter name → number or array of shape (draw,). Other names are ignored.

    Returns:
        The arrays, and the number of draws.

    Raises:
        UsageError: If a parameter is missing, not finite, or of another length than the rest; or there are no draws.
    """
    given = dict(draws or {})
    for name in game.parameters:
        if name not in given:
            raise UsageError(
                f"draws: the game {game.title!r} needs the parameter {name!r}.{nearest(name, given)} Give it a value."
            )
    arrays = {name: np.atleast_1d(_as_numbers(name, value)) for name, value in given.items()}
    lengths = {len(a) for a in arrays.values() if a.ndim == 1 and len(a) != 1}
    if any(a.ndim != 1 for a in arrays.values()) or len(lengths) > 1:
        shapes = {name: a.shape for name, a in arrays.items()}
        raise UsageError(
            f"draws: arrays of different shapes: {shapes}. Give each a number or the same number of draws."
        )
    num_draws = lengths.pop() if lengths else 1
    if num_draws == 0:
        raise UsageError("draws: there are no draws (arrays of length 0). Give at least one.")
    full = {name: np.broadcast_to(a, (num_draws,)) for name, a in arrays.items()}
    for name in game.parameters:
        bad = np.flatnonzero(~np.isfinite(full[name]))
        if len(bad):
            raise UsageError(
                f"draws: the parameter {name!r} is {full[name][bad[0]]} in draw {bad[0]}. Give finite numbers."
            )
    return full, num_draws


def _as_numbers(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise UsageError(f"draws: the parameter {name!r} is {value!r}. Give a number or an array of numbers.") from None


def evaluate(game: Game, draws: Mapping[str, Any] | None) -> Problem:
    """Put the numbers of every draw into a game.

    Args:
        game: The compiled game.
        draws: Parameter name → number or array of shape (draw,).

    Returns:
        The problem to solve.

    Raises:
        SolveError: If a chance leaves [0, 1] or a payoff is not finite in some draw; the message names the draw's
            parameters.
    """
    values, num_draws = as_draws(game, draws)
    with np.errstate(all="ignore"):  # what goes wrong is found and named below
        monomials = game.basis.evaluate(values, num_draws)
        chance = game.probability.evaluate(monomials)
        rows, index = different_payoffs(game)
        different = rows.evaluate(monomials)
    _check_chance(game, chance, values)
    if not np.isfinite(different).all():
        payoff = different[index]
        leaf, player, draw = (int(i[0]) for i in np.nonzero(~np.isfinite(payoff)))
        history = ", ".join(f"{m} = {o}" for m, o in game.history(int(game.leaf_nodes[leaf])))
        raise SolveError(
            f"{game.title}: the payoff of {game.players[player]} after [{history}] is "
            f"{payoff[leaf, player, draw]} in draw "
            f"{draw} ({describe_draw(game, values, draw)}). Narrow the prior, or guard the expression with dt.maximum."
        )
    return Problem(game, values, num_draws, np.clip(chance, 0.0, 1.0), different)


def describe_draw(game: Game, values: Mapping[str, np.ndarray], draw: int) -> str:
    """The parameters of one draw, for messages."""
    return ", ".join(f"{name} = {values[name][draw]:.6g}" for name in game.parameters) or "no parameters"


def _check_chance(game: Game, chance: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
    bad = ~((chance >= -PROBABILITY_SLACK) & (chance <= 1 + PROBABILITY_SLACK))
    if not bad.any():
        return
    row, draw = (int(i[0]) for i in np.nonzero(bad))
    move = int(np.searchsorted(game.chance_start, row, side="right")) - 1
    chance_move, option = game.chances[move], row - int(game.chance_start[move])
    raise SolveError(
        f"{game.title}: the chance of {chance_move.options[option]!r} in {chance_move.move!r} "
        f"({chance_move.formulas[option]}) is {chance[row, draw]:.6g} in draw {draw} "
        f"({describe_draw(game, values, draw)}). "
        "Narrow the prior so that it stays in [0, 1]."
    )


# Beliefs after what cannot happen: impossible events are weighed as if each had the same tiny chance. As a logarithm it
# is too small to matter beside anything possible.
LOG_IMPOSSIBLE = -1e6


def log_chance(problem: Problem) -> Float[np.ndarray, "node draw"]:
    """Logarithm of the chance of every history, choices apart; each impossible event counts ``LOG_IMPOSSIBLE``."""
    edges = edge_chance(problem)
    logs = np.where(edges > 0, np.log(np.where(edges > 0, edges, 1.0)), LOG_IMPOSSIBLE)
    for start, stop in levels(problem.game):
        logs[start:stop] += logs[problem.game.parent[start:stop]]
    return logs


def levels(game: Game) -> list[tuple[int, int]]:
    """Start and stop of the nodes of every depth below the root."""
    bounds = [(0, 1)]
    while True:
        start, stop = bounds[-1]
        width = int(game.num_options[start:stop].sum())
        if width == 0:
            return bounds[1:]
        bounds.append((stop, stop + width))


@lru_cache(maxsize=8)
def edge_rows(game: Game) -> np.ndarray:
    """For every node, the row of (chance rows, then slots) that holds the probability of the edge into it.

    The root has ``CERTAIN``. Kept for the games used last: it is wanted for every block of draws.
    """
    inner = np.arange(1, game.num_nodes)
    parent = game.parent[inner]
    row = np.full(game.num_nodes, CERTAIN, dtype=np.int64)
    chance, choice = game.kind[parent] == CHANCE, game.kind[parent] == CHOICE
    row[inner[chance]] = game.chance_start[game.chance[parent[chance]]] + game.option[inner[chance]]
    slots = game.infoset_start[game.infoset[parent[choice]]] + game.option[inner[choice]]
    row[inner[choice]] = int(game.chance_start[-1]) + slots
    return row


def edge_chance(problem: Problem) -> Float[np.ndarray, "node draw"]:
    """Probability of the edge into each node where chance moves; 1 where a player does and at the root."""
    game = problem.game
    edges = np.ones((game.num_nodes, problem.num_draws))
    inner = np.flatnonzero(game.parent != NO_PARENT)
    inner = inner[game.kind[game.parent[inner]] == CHANCE]
    edges[inner] = problem.chance[game.chance_start[game.chance[game.parent[inner]]] + game.option[inner]]
    return edges
