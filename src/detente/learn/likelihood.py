"""How likely what was observed is under a model: the sum over every history that is consistent with it, in logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from detente.axes import Game
from detente.errors import SolveError, UsageError, nearest
from detente.learn.observations import Observation, Observations, Pattern, make_observations
from detente.solve.api import solve
from detente.solve.derivatives import pull_back
from detente.solve.solution import Solution

NUMBERS = 1 << 22  # that one block of draws may hold in its largest array


@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """How likely the observations are, row by row.

    Attributes:
        value: Logarithm of the probability of what was observed, (row,). −inf where the model makes it impossible; NaN
            where the equilibrium was not found.
        weights: How often each row counts, (row,).
        converged: Whether the equilibrium behind each row was found, (row,).
        gradient: Parameter → derivative of ``value``, (row,); empty unless asked for. NaN where ``value`` is not
            finite.
        impossible: Row → what makes it impossible, in words.
    """

    value: Float[np.ndarray, "row"]
    weights: Float[np.ndarray, "row"]
    converged: Bool[np.ndarray, "row"]
    gradient: Mapping[str, Float[np.ndarray, "row"]] = field(default_factory=dict)
    impossible: Mapping[int, str] = field(default_factory=dict)

    @property
    def num_unconverged(self) -> int:
        """Rows without a value: to be counted wherever a sum over rows is shown."""
        return int((~self.converged).sum())

    @property
    def total(self) -> float:
        """The weighted sum over rows: −inf where a row that counts is impossible.

        Raises:
            SolveError: If the equilibrium behind a row that counts was not found.
        """
        self._all_found()
        counts = self.weights > 0
        return float(self.weights[counts] @ self.value[counts])

    @property
    def total_gradient(self) -> dict[str, float]:
        """Derivative of the weighted sum by each parameter.

        Raises:
            SolveError: If the equilibrium behind a row that counts was not found.
        """
        self._all_found()
        counts = self.weights > 0
        return {name: float(self.weights[counts] @ slope[counts]) for name, slope in self.gradient.items()}

    def _all_found(self) -> None:
        lost = np.flatnonzero(~self.converged & (self.weights > 0))
        if len(lost):
            raise SolveError(
                f"log likelihood: no equilibrium was found for {len(lost)} of {len(self.value)} rows (first: row "
                f"{lost[0]}), so that there is no sum over rows. Lower the precision, or leave these values out."
            )


def log_likelihood(
    game: Game,
    draws: Mapping[str, Any] | None,
    observations: Observation | Sequence[Observation] | Observations,
    *,
    precision: Any = 1.0,
    weights: Any = None,
    derivatives: bool = False,
    wrt: str | Sequence[str] | None = None,
    solution: Solution | None = None,
) -> LogLikelihood:
    """How probable the model makes what was seen, whatever was not seen.

    The probability is the sum over all histories that are consistent with the observation: of moves that were not
    seen, and of types, which never are, every option counts with its probability. Sums are taken in logarithms and
    nothing is clipped: a case with log-probability −46 stays at −46.

    Args:
        game: The compiled game.
        draws: Parameter name → number or array, one value a row: a row of data, or a possible world.
        observations: What was seen, by name of a move or of an outcome; see
            :func:`detente.learn.observations.make_observations`. One for all rows, or one a row. With one draw and
            several observations, the game is solved once for all of them.
        precision: As for ``dt.solve``: a number, an array, the name of a parameter, or a mapping from players.
        weights: How often each row counts, ≥ 0; by default once.
        derivatives: Whether to differentiate by every parameter.
        wrt: Names of the parameters to differentiate by. Default: all that the game depends on, and those that hold
            the precision.
        solution: The equilibrium for these draws, if it is known already.

    Returns:
        One value a row.

    Raises:
        UsageError: If an observation names what the game does not have, or what no history of it contains.
        SolveError: If a payoff or probability is out of range in some draw.

    Example:
        >>> import detente as dt
        >>> ONE, TWO = dt.players("one", "two")
        >>> @dt.crisis(players=(ONE, TWO))
        ... def dare(g, p):
        ...     "Dare or hold; the other yields or fights."
        ...     if g.choose(ONE, "first", ["hold", "dare"], seen_by=TWO) == "hold":
        ...         return {ONE: 0, TWO: 0}
        ...     fights = g.choose(TWO, "second", ["yield", "fight"]) == "fight"
        ...     return {ONE: -p.cost if fights else 1, TWO: -p.cost if fights else -1}
        >>> game = dt.compile(dare)
        >>> log_likelihood(game, {"cost": [2.0, 3.0]}, {"first": "dare"}).value.round(3).tolist()
        [-0.601, -0.465]
        >>> rows = [{"first": "hold"}, {"first": "dare", "second": ["yield", "fight"]}]
        >>> round(log_likelihood(game, {"cost": 2.0}, rows, weights=[10, 30]).total, 3)
        -25.98
    """
    if solution is None:
        solution = _solved(game, draws, precision)
    prepared = make_observations(solution.game, observations)
    rows = _rows(prepared, solution.num_draws)
    weight = as_weights(weights, len(rows))
    value = np.full(len(rows), np.nan)
    impossible: dict[int, str] = {}
    names = _names(solution, wrt, precision) if derivatives else ()
    gradient = {name: np.full(len(rows), np.nan) for name in names}
    for number, pattern in enumerate(prepared.patterns):
        mine = np.flatnonzero(rows[:, 0] == number)
        for draw_rows in _blocks(mine, len(pattern.leaves) + pattern.paths.nnz // 8):
            some = rows[draw_rows, 1]
            block = np.unique(some)  # one draw may stand behind several rows
            place = np.searchsorted(block, some)
            found, share = consistent_leaves(solution, pattern, block)
            blocked = _blocked(solution, pattern, block, found)
            value[draw_rows] = found[place]
            impossible |= {
                int(row): f"row {row}: {blocked[int(at)]}"
                for row, at in zip(draw_rows, place, strict=True)
                if int(at) in blocked
            }
            if names:
                slopes = _gradient(solution, pattern, block, share, found, names, precision)
                for name, slope in slopes.items():
                    gradient[name][draw_rows] = slope[place]
    converged = solution.converged[rows[:, 1]]
    value[~converged] = np.nan
    impossible = {row: text for row, text in impossible.items() if converged[row]}
    return LogLikelihood(value, weight, converged, gradient, impossible)


def joint_log_likelihood(
    game: Game,
    draws: Mapping[str, Any] | None,
    observations: Observation | Sequence[Observation] | Observations,
    *,
    weights: Any = None,
    solution: Solution | None = None,
    **keys: Any,
) -> LogLikelihood:
    """How probable all of several observations together are in each of several possible worlds.

    Unlike in :func:`log_likelihood`, every observation counts in every draw: the draws are candidates for the one true
    world.

    Args:
        game: The compiled game.
        draws: Parameter name → number or array of shape (draw,).
        observations: What was seen; independent of each other given the parameters.
        weights: How often each observation counts; by default once.
        solution: The equilibrium for these draws, if it is known already.
        **keys: ``precision``, ``derivatives`` and ``wrt`` as for :func:`log_likelihood`.

    Returns:
        One value a draw, the sum over observations; its weights are all 1.

    Raises:
        UsageError: If an observation cannot be used.
        SolveError: If a payoff or probability is out of range in some draw.

    Example:
        >>> import detente as dt
        >>> ONE, = dt.players("one")
        >>> @dt.crisis(players=(ONE,))
        ... def alone(g, p):
        ...     "One choice between nothing and a gain."
        ...     return {ONE: p.gain * (g.choose(ONE, "call", ["hold", "act"]) == "act")}
        >>> seen = [{"call": "act"}, {"call": "hold"}]
        >>> found = joint_log_likelihood(dt.compile(alone), {"gain": [0.0, 1.0]}, seen, weights=[3, 1])
        >>> found.value.round(3).tolist()
        [-2.773, -2.253]
    """
    if solution is None:
        solution = _solved(game, draws, keys.get("precision", 1.0))
    prepared = make_observations(solution.game, observations)
    count = as_weights(weights, prepared.num_rows)
    by_pattern = np.bincount(prepared.which, weights=count, minlength=len(prepared.patterns))
    value, gradient, impossible = np.zeros(solution.num_draws), {}, {}
    for pattern, times in zip(prepared.patterns, by_pattern, strict=True):
        if times == 0:
            continue
        one = Observations((pattern,), np.zeros(1, dtype=np.int64))
        part = log_likelihood(game, draws, one, solution=solution, **keys)
        value = value + times * part.value
        for name, slope in part.gradient.items():
            gradient[name] = gradient.get(name, 0.0) + times * slope
        impossible = dict(part.impossible) | impossible
    return LogLikelihood(value, np.ones(len(value)), solution.converged, gradient, impossible)


def as_weights(weights: Any, num_rows: int) -> Float[np.ndarray, "row"]:
    """How often each row counts, checked.

    Args:
        weights: Numbers ≥ 0, one a row; None for once each.
        num_rows: Number of rows.

    Raises:
        UsageError: If there is another number of them, or one is negative or not finite.

    Example:
        >>> as_weights(None, 2).tolist()
        [1.0, 1.0]
    """
    if weights is None:
        return np.ones(num_rows)
    try:
        array = np.asarray(weights, dtype=float)
    except (TypeError, ValueError):
        raise UsageError(f"weights: {weights!r} are not numbers. Give one number ≥ 0 a row.") from None
    if array.shape != (num_rows,):
        raise UsageError(f"weights: shape {array.shape} does not fit {num_rows} rows. Give one number ≥ 0 a row.")
    bad = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if len(bad):
        raise UsageError(
            f"weights: {array[bad[0]]} in row {bad[0]} is not a finite number ≥ 0. Give how often the row counts."
        )
    return array


def _solved(game: Game, draws: Mapping[str, Any] | None, precision: Any) -> Solution:
    if isinstance(precision, list | tuple):
        raise UsageError(f"precision: {list(precision)} are several. Give one number, an array, or a name.")
    return solve(game, draws, precision=precision)


# -- rows, draws and blocks ----------------------------------------------------------------------
def _rows(observations: Observations, num_draws: int) -> Int[np.ndarray, "row two"]:
    """Pattern and draw of every row."""
    which, num_rows = observations.which, observations.num_rows
    if num_rows == 1:
        which = np.broadcast_to(which, (num_draws,))
    elif num_draws not in (1, num_rows):
        raise UsageError(
            f"observations: {num_rows} observations do not fit {num_draws} draws. Give one for all draws, or one a "
            "draw; joint_log_likelihood takes several for every draw."
        )
    draw = np.zeros(len(which), dtype=np.int64) if num_draws == 1 else np.arange(num_draws)
    return np.stack([which, draw], axis=1)


def _blocks(rows: np.ndarray, numbers: int) -> list[np.ndarray]:
    """Rows in blocks that fit into memory."""
    size = max(1, NUMBERS // max(1, numbers))
    return [rows[first : first + size] for first in range(0, len(rows), size)]


# -- one observation -----------------------------------------------------------------------------
def consistent_leaves(
    solution: Solution, pattern: Pattern, draws: Int[np.ndarray, "draw"]
) -> tuple[Float[np.ndarray, "draw"], Float[np.ndarray, "leaf draw"]]:
    """How probable an observation is, and how its probability is shared out among the histories that agree with it.

    Args:
        solution: The equilibrium.
        pattern: The observation, from :func:`detente.learn.observations.make_observations`.
        draws: Which draws.

    Returns:
        Log-probability, (draw,), and the share of each leaf of ``pattern.leaves`` in it, (leaf, draw): NaN where the
        probability is 0.
    """
    with np.errstate(divide="ignore"):
        edges = np.concatenate([np.log(solution.problem.chance[:, draws]), solution.log_probabilities[:, draws]])
    reach = np.asarray(pattern.paths @ edges) + pattern.log_weight[:, None]  # log of each consistent history
    top = reach.max(axis=0)
    safe = np.where(np.isfinite(top), top, 0.0)
    share = np.exp(reach - safe)
    whole = share.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(np.isneginf(top), -np.inf, np.log(whole) + safe)
        share = np.where(whole > 0, share / whole, np.nan)
    return value, share


def _blocked(
    solution: Solution, pattern: Pattern, block: Int[np.ndarray, "draw"], value: Float[np.ndarray, "draw"]
) -> dict[int, str]:
    """Why some draws of a block make an observation impossible, by position in the block."""
    return {int(d): _why_impossible(solution, pattern, int(block[d])) for d in np.flatnonzero(np.isneginf(value))}


def _why_impossible(solution: Solution, pattern: Pattern, draw: int) -> str:
    """The chance move whose probability of 0 stands in the way of every consistent history, or of the first."""
    game, chance = solution.game, solution.problem.chance[:, draw]
    blocks = pattern.paths[:, : len(chance)][:, chance <= 0]
    rows = np.flatnonzero(chance <= 0)
    by_row = np.asarray((blocks > 0).sum(axis=0)).ravel() if len(rows) else np.zeros(0)
    if not len(rows) or not by_row.any():
        return f"{pattern.words} has probability 0 in draw {draw}"
    row = int(rows[by_row.argmax()])
    move = int(np.searchsorted(game.chance_start, row, side="right")) - 1
    chance_move = game.chances[move]
    option = chance_move.options[row - int(game.chance_start[move])]
    return (
        f"{pattern.words} is impossible in draw {draw}, because the chance of {option!r} in the move "
        f"{chance_move.move!r} is 0 there"
    )


def _names(solution: Solution, wrt: str | Sequence[str] | None, precision: Any) -> tuple[str, ...]:
    """What to differentiate by: parameters of the game, and those that hold the precision."""
    rates = [precision] if isinstance(precision, str) else []
    if isinstance(precision, Mapping):
        rates = [value for value in precision.values() if isinstance(value, str)]
    known = [*solution.game.parameters, *(r for r in rates if r not in solution.game.parameters)]
    names = known if wrt is None else [wrt] if isinstance(wrt, str) else list(wrt)
    for name in names:
        if name not in known:
            raise UsageError(f"wrt: the game does not depend on a parameter {name!r}.{nearest(name, known)}")
    return tuple(dict.fromkeys(names))


def _gradient(
    solution: Solution,
    pattern: Pattern,
    block: Int[np.ndarray, "draw"],
    share: Float[np.ndarray, "leaf draw"],
    value: Float[np.ndarray, "draw"],
    names: tuple[str, ...],
    precision: Any,
) -> dict[str, Float[np.ndarray, "draw"]]:
    """Derivative by each parameter: along the way through chances, and through everybody's play.

    By the log-probability of an edge the derivative is the share of the consistent probability that passes it.
    """
    game, num_rows = solution.game, len(solution.problem.chance)
    usable = np.isfinite(value) & solution.converged[block]
    found = {name: np.full(len(block), np.nan) for name in names}
    if not usable.any():
        return found
    part, share = take(solution, block[usable]), share[:, usable]
    passes = np.asarray(pattern.paths.T @ share)
    in_game = [name for name in names if name in game.parameters]
    by_name = isinstance(precision, str | Mapping)
    pulled = pull_back(
        part, log_probabilities=passes[num_rows:], wrt=in_game, precision=precision if by_name else False
    )
    if in_game:
        _, slopes = game.basis.jacobian(part.problem.draws, part.num_draws, tuple(in_game))
        used = np.asarray(passes[:num_rows].any(axis=1))
        rows = _dense_rows(game.probability.matrix, used)
        slopes[~(rows != 0).any(axis=0)] = 0.0  # monomials of payoffs: their slope may be anything
        change = np.einsum("rm,mkd->rkd", rows, slopes)
        chance = part.problem.chance[used]
        relative = np.where(chance > 0, passes[:num_rows][used] / np.where(chance > 0, chance, 1.0), 0.0)
        direct = np.einsum("rd,rkd->kd", relative, np.where(change == 0, 0.0, change))
        for name, slope in zip(in_game, direct, strict=True):
            pulled[name] = pulled[name] + slope
    for name in names:
        found[name][usable] = pulled[name]
    return found


def _dense_rows(matrix: Any, rows: Bool[np.ndarray, "row"]) -> np.ndarray:
    """Some rows of a matrix that may be sparse, as an array."""
    some = matrix[np.flatnonzero(rows)]
    return some.toarray() if hasattr(some, "toarray") else np.asarray(some)


def take(solution: Solution, draws: Int[np.ndarray, "draw"]) -> Solution:
    """The same equilibrium for some of its draws.

    Args:
        solution: The equilibrium.
        draws: Which draws, in which order.

    Example:
        >>> import detente as dt
        >>> ONE, = dt.players("one")
        >>> rules = dt.crisis(players=ONE)(lambda g, p: {ONE: p.gain * (g.choose(ONE, "call", ["no", "yes"]) == "yes")})
        >>> solution = dt.solve(dt.compile(rules), {"gain": [0.0, 1.0, 2.0]})
        >>> take(solution, np.array([2, 0])).choice("call")["yes"].round(3).tolist()
        [0.881, 0.5]
    """
    arrays = ("precision", "probabilities", "log_probabilities", "payoffs", "status", "residual", "iterations")
    arrays += ("precision_reached", "bifurcation_at")
    return replace(
        solution, problem=solution.problem.take(draws), **{name: getattr(solution, name)[..., draws] for name in arrays}
    )
