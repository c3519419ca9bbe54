"""Solve a game: the one function that chooses between the two formulations."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from detente.axes import Game
from detente.errors import SolveError, UsageError, nearest
from detente.solve.choice import LOGIT, check_choice
from detente.solve.commit import restrict
from detente.solve.dense import Pairs, follow, make_pairs
from detente.solve.plan import Plan, make_plan
from detente.solve.problem import Problem, as_draws, evaluate
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED, PRINCIPAL, Solution

DENSE_SLOTS = 150  # up to here the dense formulation is faster for a few draws, and needs no compilation
DENSE_DRAWS = 16  # beyond, the sweep is: it takes 1 ms a draw on a small game, where Newton in Python takes 30
BLOCK = 64  # draws evaluated together, so that memory does not grow with the number of draws
MAX_SWEEPS = 400
UNEXPECTED = 1e-3  # chance at first of all options that are not expected
MAX_LOG_ODDS = 1e5  # precision times the range of payoffs: beyond, floats do not resolve 1e-10 in a log-probability


def solve(
    game: Game,
    draws: Mapping[str, Any] | None = None,
    *,
    precision: Any = 1.0,
    commit: Mapping[str, str] | None = None,
    choice: str = LOGIT,
    branch: str | Mapping[str, str] = PRINCIPAL,
    method: str = "auto",
    tolerance: float = 1e-10,
    max_sweeps: int = MAX_SWEEPS,
    exact: bool = True,
    one_of_many: bool = False,
    throw: bool = False,
    progress_fn: Callable[[int], None] | None = None,
) -> Any:
    """Agent quantal response equilibrium of a game, for every draw.

    At each infoset an option is chosen with a chance proportional to exp(precision × its expected payoff), given the
    beliefs that everybody's behaviour implies; under ``probit`` with the chance that it is best after normal shocks.

    Args:
        game: The compiled game.
        draws: Parameter name → number or array of shape (draw,). Not needed when the game has no parameters.
        precision: λ ≥ 0, per utility unit: a number; an array of shape (draw,); the name of a parameter among the
            draws; a mapping from player (or its name) to one of these; or a list of increasing numbers. 0 is uniform
            play.
        commit: Move name → option its player is bound to, known to everybody: the smaller game is solved.
        choice: The choice rule: ``logit``, or ``probit`` (each λ·Q gets an independent standard normal shock).
        branch: ``principal``, followed from uniform play at precision 0; or, to ask whether play may settle elsewhere,
            what everybody expects at first: move name → option, the rest uniform. Replies are then swept from there
            to an equilibrium of the same game, which may or may not be the principal one.
        method: ``dense`` (Newton along the branch from precision 0), ``sweep`` (faster for large games and for many
            draws) or ``auto``.
        tolerance: Largest residual, in log-probability, of a converged draw.
        max_sweeps: Most sweeps before a draw counts as not converged.
        exact: Follow draws that the sweeps lose exactly, by Newton and arc length (up to seconds a draw). Where it is
            cheap (draws × unknowns³ below 10¹⁰) the determinant is watched, and draws in which its sign has changed
            are followed exactly too.
        one_of_many: The draws are a part of very many, and what is done with one is not to depend on how many are with
            it: the sweep is taken where there is one, and watches as often as it would for very many draws.
        throw: Raise when a draw does not converge, instead of saying so in its status.
        progress_fn: Called after each block with the number of draws done.

    Returns:
        A :class:`Solution`; with a list of precisions a tuple of them, one for each.

    Raises:
        UsageError: If an argument cannot be used.
        SolveError: If a payoff or probability is out of range in some draw; with ``throw`` if a draw does not converge.

    Source:
        mckelvey1998 (logit agent quantal response equilibrium).

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
        >>> solution = dt.solve(dt.compile(dare), {"cost": [2.0, 3.0]}, precision=1.0)
        >>> solution.choice("first")["dare"].round(3).tolist()
        [0.548, 0.628]
    """
    if not isinstance(game, Game):
        raise UsageError(f"solve: {game!r} is not a compiled game. Pass dt.compile(crisis).")
    check_choice(choice)
    _check_branch(game, branch)
    game = restrict(game, commit) if commit else game
    start = None if isinstance(branch, str) else _expected_at_first(game, branch)
    values, num_draws = as_draws(game, draws)
    several = isinstance(precision, list | tuple)
    steps = _increasing(precision) if several else [1.0]
    rate = as_precision(game, steps[-1] if several else precision, values, num_draws)
    targets = [s / steps[-1] if steps[-1] > 0 else 0.0 for s in steps] if several else [1.0]
    if method not in ("auto", "dense", "sweep"):
        raise UsageError(f"method: {method!r} is not known.{nearest(method, ['auto', 'dense', 'sweep'])}")

    plan = None
    small = game.num_slots <= DENSE_SLOTS and num_draws <= DENSE_DRAWS and not one_of_many
    if start is not None and method == "dense":
        raise UsageError("branch: only sweeps start from expectations. Leave the method out, or use method='sweep'.")
    needs_sweep = method == "sweep" or start is not None
    if needs_sweep or (method == "auto" and not small):
        plan = make_plan(game)
        if plan is None and needs_sweep:
            raise UsageError(
                "method 'sweep' (and a branch from expectations) needs infosets that do not precede each other in a "
                "circle; these do. Use method='dense' and the principal branch."
            )
    parts: list[list[Solution]] = [[] for _ in targets]
    pairs = make_pairs(game) if plan is None else None

    watched = None if one_of_many else num_draws

    def solve_block(first: int) -> list[Solution]:
        block = slice(first, min(first + BLOCK, num_draws))
        problem = evaluate(game, {name: array[block] for name, array in values.items()})
        _check_scale(problem, rate[:, block])
        if plan is None:
            return _solve_dense(problem, rate[:, block], targets, tolerance, pairs, choice)
        solutions = _solve_sweep(
            problem, rate[:, block], targets, tolerance, max_sweeps, exact, plan, watched, choice, start
        )
        return [replace(solution, branch=branch) for solution in solutions]

    # The compiled parts run side by side; threads of BLAS below them would only wait for each other.
    with _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, solutions in enumerate(pool.map(solve_block, range(0, num_draws, BLOCK)), 1):
            for part, solution in zip(parts, solutions, strict=True):
                part.append(solution)
            if progress_fn is not None:
                progress_fn(min(number * BLOCK, num_draws))
    joined = tuple(_join(part, values) for part in parts)
    if throw:
        for solution in joined:
            bad = np.flatnonzero(~solution.converged)
            if len(bad):
                raise SolveError(
                    f"{game.title}: {len(bad)} of {num_draws} draws did not converge; draw {bad[0]}: "
                    f"{solution.message(int(bad[0]))}. Lower the precision or raise max_sweeps."
                )
    return joined if several else joined[0]


@cache
def _blas() -> ThreadpoolController:
    """The linear algebra libraries that are loaded: looking for them takes longer than a small game."""
    return ThreadpoolController()


def _check_branch(game: Game, branch: object) -> None:
    """Refuse a branch that the game does not have.

    Args:
        game: The game.
        branch: ``principal``, or move name → option that everybody expects at first.

    Raises:
        UsageError: If it is neither, or there is no such move or option.
    """
    if branch == PRINCIPAL:
        return
    if not isinstance(branch, Mapping) or not branch:
        raise UsageError(
            f"branch: {branch!r} is not a branch. Give 'principal', or a mapping from moves to the options that are "
            "expected at first."
        )
    moves = list(dict.fromkeys(infoset.move for infoset in game.infosets))
    for move, option in branch.items():
        if move not in moves:
            raise UsageError(f"branch: {move!r} is not a move of a player.{nearest(str(move), moves)}")
        options = list(dict.fromkeys(o for i in game.infosets if i.move == move for o in i.options))
        if option not in options:
            raise UsageError(f"branch: {move!r} has no option {option!r}.{nearest(str(option), options)}")


def _expected_at_first(game: Game, expected: Mapping[str, str]) -> np.ndarray:
    """Log-probabilities from which play is swept, (slot,): where nothing is expected, uniform play."""
    start = np.empty(game.num_slots)
    for index, infoset in enumerate(game.infosets):
        size = len(infoset.options)
        chances = np.full(size, 1 / size)
        option = expected.get(infoset.move)
        if option in infoset.options and size > 1:
            chances = np.full(size, UNEXPECTED / (size - 1))
            chances[infoset.options.index(option)] = 1 - UNEXPECTED
        start[game.slots(index)] = np.log(chances)
    return start


def _increasing(precision: Sequence[Any]) -> list[float]:
    """A list of precisions, checked."""
    try:
        steps = [float(v) for v in precision]
    except (TypeError, ValueError):
        steps = []
    rises = all(b > a for a, b in zip(steps, steps[1:], strict=False))
    if not steps or not rises or not steps[0] >= 0 or not steps[-1] < np.inf:
        raise UsageError(f"precision: {list(precision)} must be increasing numbers from 0 upwards.")
    return steps


def _check_scale(problem: Problem, rate: np.ndarray) -> None:
    """Refuse a precision at which log-probabilities lose the digits that the tolerance asks for.

    Raises:
        SolveError: Naming the player, the precision, the range of its payoffs and the largest precision that works.
    """
    spread = problem.spread
    with np.errstate(over="ignore"):
        odds = rate * spread
    if not (odds <= MAX_LOG_ODDS).all():
        player, draw = (int(i[0]) for i in np.nonzero(~(odds <= MAX_LOG_ODDS)))
        raise SolveError(
            f"{problem.game.title}: precision {rate[player, draw]:.6g} is too large for the payoffs of "
            f"{problem.game.players[player]}, which range over {spread[player, draw]:.6g}: at most "
            f"{MAX_LOG_ODDS / spread[player, draw]:.3g} can be solved exactly. Lower the precision, or "
            "rescale the payoffs."
        )


def as_precision(game: Game, precision: Any, values: Mapping[str, np.ndarray], num_draws: int) -> np.ndarray:
    """λ of every player and draw, (player, draw), checked.

    Raises:
        UsageError: If it is negative, NaN, infinite, of the wrong length, or names something unknown.
    """
    if isinstance(precision, Mapping):
        by_name = {str(player): value for player, value in precision.items()}
        for name in by_name:
            if name not in game.players:
                raise UsageError(f"precision: {name!r} is not a player.{nearest(name, game.players)}")
        missing = [name for name in game.players if name not in by_name]
        if missing:
            raise UsageError(f"precision: no value for {missing}. Give one for every player.")
        return np.concatenate([as_precision(game, by_name[n], values, num_draws)[:1] for n in game.players])
    if isinstance(precision, str):
        if precision not in values:
            raise UsageError(f"precision: {precision!r} is not among the draws.{nearest(precision, values)}")
        precision = values[precision]
    try:
        array = np.atleast_1d(np.asarray(precision, dtype=float))
    except (TypeError, ValueError):
        raise UsageError(f"precision: {precision!r} is not a number. Give λ ≥ 0, per utility unit.") from None
    if array.shape not in ((1,), (num_draws,)):
        raise UsageError(
            f"precision: shape {array.shape} does not fit {num_draws} draws. Give one number or one a draw."
        )
    bad = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if len(bad):
        raise UsageError(f"precision: {array[bad[0]]} (draw {bad[0]}) is not a finite number ≥ 0. Give λ ≥ 0.")
    return np.broadcast_to(array, (len(game.players), num_draws)).copy()


def _solve_dense(
    problem: Problem,
    rate: np.ndarray,
    targets: Sequence[float],
    tolerance: float,
    pairs: Pairs | None,
    choice: str,
) -> list[Solution]:
    by_draw = follow(problem, rate, targets, tolerance=tolerance, pairs=pairs, choice=choice)
    found = []
    for index, target in enumerate(targets):
        points = [points[index] for points in by_draw]
        log_probabilities = np.stack([point.x for point in points], axis=1)
        solution = Solution(
            game=problem.game,
            problem=problem,
            precision=rate * target,
            probabilities=np.exp(log_probabilities),
            log_probabilities=log_probabilities,
            payoffs=np.zeros((len(problem.game.players), problem.num_draws)),
            status=np.array([point.status for point in points]),
            residual=np.array([point.residual for point in points]),
            iterations=np.array([point.iterations for point in points]),
            precision_reached=np.array([point.reached for point in points]) * rate.max(axis=0),
            bifurcation_at=np.array([point.bifurcation_at for point in points]) * rate.max(axis=0),
            method="dense",
            choice_rule=choice,
        )
        solution.payoffs[:] = np.einsum("zd,zpd->pd", solution.leaf_probabilities(), problem.payoff)
        found.append(solution)
    return found


def _solve_sweep(
    problem: Problem,
    rate: np.ndarray,
    targets: Sequence[float],
    tolerance: float,
    max_sweeps: int,
    exact: bool,
    plan: Plan,
    num_draws: int | None,
    choice: str,
    start: np.ndarray | None,
) -> list[Solution]:
    from detente.solve.sweep import count_looks, sweep  # compiled code, imported only for large games

    top = rate.max(axis=0)
    looks = count_looks(plan, num_draws) if exact else 0
    results = sweep(
        problem,
        plan,
        rate,
        targets,
        tolerance=tolerance,
        max_sweeps=max_sweeps,
        exact=exact,
        looks=looks,
        choice=choice,
        start=start,
    )
    return [
        Solution(
            game=problem.game,
            problem=problem,
            precision=rate * target,
            probabilities=np.exp(result.log_probabilities),
            log_probabilities=result.log_probabilities,
            payoffs=result.payoffs,
            status=result.status,
            residual=result.residual,
            iterations=result.iterations,
            precision_reached=result.reached * top,
            bifurcation_at=result.bifurcation_at * top,
            method="sweep",
            choice_rule=choice,
        )
        for target, result in zip(targets, results, strict=True)
    ]


def _join(parts: list[Solution], values: Mapping[str, np.ndarray]) -> Solution:
    if len(parts) == 1:
        return parts[0]

    def stack(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts], axis=-1)

    problems = [part.problem for part in parts]
    problem = Problem(
        game=parts[0].game,
        draws=values,
        num_draws=sum(p.num_draws for p in problems),
        chance=np.concatenate([p.chance for p in problems], axis=-1),
        different=np.concatenate([p.different for p in problems], axis=-1),
    )
    arrays = {
        name: stack(name)
        for name in (
            "precision",
            "probabilities",
            "log_probabilities",
            "payoffs",
            "status",
            "residual",
            "iterations",
            "precision_reached",
            "bifurcation_at",
        )
    }
    return replace(parts[0], problem=problem, **arrays)


__all__ = ["BIFURCATION", "CONVERGED", "NOT_CONVERGED", "as_precision", "solve"]
