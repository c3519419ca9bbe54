"""From one crisis to the next: what was learnt is carried into the priors of another scenario, which forecasts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from detente.errors import SolveError, UsageError
from detente.learn.casebook import REPLY, RETALIATION, base_rates, ended_before, load_casebook
from detente.learn.condition import CHUNK, LEAST_ESS, Conditioned, effective_size
from detente.learn.likelihood import consistent_leaves
from detente.learn.observations import NOT_REACHED, make_observations, options_at_leaves
from detente.learn.observed import as_observation, check_no_look_ahead, known_by, observed_of
from detente.learn.score import Score, score
from detente.learn.worlds import free_parameters, values_at
from detente.model.scenario import Scenario, check_against_game
from detente.solve.api import solve
from detente.solve.solution import move_names

# Half of what tells one world from another is taken to last until the next crisis. The governments, their arms and
# their alliances are the same half a year on; losses, elections and the fate of partners are not. Nothing on record
# measures the share, so it is stated, in the middle, and the forecast is shown for everything carried and for nothing.
DRIFT = 0.5


@dataclass(frozen=True, eq=False)
class Forecast:
    """What is expected, averaged over possible worlds.

    Attributes:
        moves: Move → option → probability, given what was known.
        outcomes: Flag of the scenario → probability.
        ess: Effective number of draws behind it.
    """

    moves: Mapping[str, Mapping[str, float]]
    outcomes: Mapping[str, float]
    ess: float


@dataclass(frozen=True, eq=False)
class Carried:
    """A forecast with and without what was learnt before.

    Attributes:
        target: The scenario that is forecast.
        drift: Share of a world that is new.
        given: Moves that were known by the as-of date, and what was seen of them.
        before: The forecast by the priors of the target alone.
        after: The forecast by the priors moved by what was learnt.
        all_carried: The same with no drift.
        parameters: Free parameters of the target: rows of ``scores``.
        scores: Normal scores of the worlds, (parameter, draw).
        values: Parameter name → value, (draw,).
        weights_before: Weights of the worlds by what was known by the as-of date alone.
        weights: And by what was learnt.
        shared: Parameters that were carried.
        num_unconverged: Worlds that are left out because no equilibrium was found.
        worlds: Move → its options and the probability of each in every world, (option, draw).
    """

    target: Scenario
    drift: float
    given: Mapping[str, str]
    before: Forecast
    after: Forecast
    all_carried: Forecast
    parameters: tuple[str, ...]
    scores: Float[np.ndarray, "parameter draw"]
    values: Mapping[str, Float[np.ndarray, "draw"]]
    weights_before: Float[np.ndarray, "draw"]
    weights: Float[np.ndarray, "draw"]
    shared: tuple[str, ...]
    num_unconverged: int
    worlds: Mapping[str, tuple[tuple[str, ...], Float[np.ndarray, "option draw"]]]


def carry(
    learnt: Conditioned,
    target: Scenario,
    *,
    drift: float = DRIFT,
    seed: int = 0,
    least_ess: float = LEAST_ESS,
    progress_fn: Callable[[int], None] | None = None,
) -> Carried:
    """Forecast another crisis with what one has taught.

    A parameter that both scenarios have is carried by its place within its prior: where April moved it up by half a
    standard deviation, the prior of October moves up likewise, by as much as the drift leaves. The priors of the
    target stay what its own record says; nothing that became known after its as-of date is used.

    Args:
        learnt: Weighed worlds of the crisis that was observed.
        target: The scenario to forecast, with the same rules.
        drift: Share of the variance of each parameter that is new: 0 carries everything, 1 nothing.
        seed: Of what is new.
        least_ess: Effective number of draws below which there is no forecast.
        progress_fn: Called with the number of worlds solved.

    Returns:
        Forecasts before and after, given what was known on the as-of date of the target.

    Raises:
        UsageError: If something learnt came after the target's as-of date, the drift is not in [0, 1], or too few draws
            are left.
        ScenarioError: If the rules differ.
        SolveError: If what was known is impossible in every world.
    """
    if not 0 <= drift <= 1:
        raise UsageError(f"--drift: {drift} is not between 0 (everything is carried) and 1 (nothing is).")
    check_no_look_ahead(learnt.scenario, target)
    check_against_game(target, target.game)
    noise = np.random.default_rng([seed, 3]).normal(size=(len(free_parameters(target.priors)), learnt.num_draws))
    names, shared, scores = _moved(learnt, target, drift, noise)
    half = learnt.num_draws // 2  # the forecast for everything carried is for comparison: half the draws will do
    _, _, whole = _moved(learnt, target, 0.0, noise)
    solved = _solve(target, scores, progress_fn)
    more = _solve(target, whole[:, :half], None if progress_fn is None else lambda n: progress_fn(scores.shape[1] + n))
    prior = np.ones(learnt.num_draws) if learnt.method == "importance" else None
    weights_before = solved.weights(prior if prior is not None else _flat(learnt))
    weights = solved.weights(learnt.weights)
    for found in (weights_before, weights):
        if effective_size(found) < least_ess:
            raise UsageError(
                f"learn: the forecast of {target.slug!r} rests on {effective_size(found):.0f} equal draws, fewer than "
                f"the {least_ess:.0f} that it needs. Take more --draws."
            )
    observed = target.file.observed
    known = () if observed is None else known_by(observed, target.file.as_of)
    return Carried(
        target,
        drift,
        {} if observed is None else {move: observed.moves[move] for move in known},
        solved.forecast(weights_before),
        solved.forecast(weights),
        more.forecast(more.weights(learnt.weights[:half])),
        names,
        scores,
        values_at(target.priors, scores),
        weights_before,
        weights,
        shared,
        int((~solved.converged).sum()),
        solved.moves,
    )


def _flat(learnt: Conditioned) -> np.ndarray:
    raise UsageError(
        "--into: needs worlds weighed from the priors, to show the forecast without what was learnt; the particles of "
        "--method smc are all of the posterior. Use --method importance with more --draws."
    )


def _moved(
    learnt: Conditioned, target: Scenario, drift: float, noise: np.ndarray
) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Scores of the target's worlds: what is carried and what is new, so that flat weights give its own priors."""
    names = free_parameters(target.priors)
    shared = tuple(name for name in names if name in learnt.parameters)
    scores = noise.copy()
    for row, name in enumerate(names):
        if name in shared:
            old = learnt.scores[learnt.parameters.index(name)]
            scores[row] = np.sqrt(1 - drift) * old + np.sqrt(drift) * noise[row]
    return names, shared, scores


# -- solving the target --------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Solved:
    """What each world makes of the target: how likely what was known was, and what would follow."""

    log_known: np.ndarray
    converged: np.ndarray
    moves: Mapping[str, tuple[tuple[str, ...], np.ndarray]]
    outcomes: Mapping[str, np.ndarray]

    def weights(self, given: np.ndarray) -> np.ndarray:
        """Weights of the worlds after what was known by the as-of date."""
        logs = np.where(self.converged, self.log_known, -np.inf)
        if not np.isfinite(logs).any():
            raise SolveError(
                "learn: what was known by the as-of date is impossible in every world. Correct [observed]."
            )
        found = given * np.exp(logs - logs.max())
        return found / found.sum()

    def forecast(self, weights: np.ndarray) -> Forecast:
        used = weights > 0
        w = weights[used]
        return Forecast(
            {
                move: dict(zip(options, (shares[:, used] @ w).tolist(), strict=True))
                for move, (options, shares) in self.moves.items()
            },
            {name: float(values[used] @ w) for name, values in self.outcomes.items()},
            effective_size(weights),
        )


def _solve(target: Scenario, scores: np.ndarray, progress_fn: Callable[[int], None] | None) -> _Solved:
    game, observed = target.game, target.file.observed
    known = () if observed is None else known_by(observed, target.file.as_of)
    seen = {} if observed is None else as_observation(observed, known)
    (pattern,) = make_observations(game, seen).patterns
    wanted = _wanted_moves(target, known)
    at = {move: options_at_leaves(game, move) for move in wanted}
    flags = [name for name in target.file.outcomes if game.outcomes[name].kind == "flag"]
    num_draws = scores.shape[1]
    log_known, converged = np.full(num_draws, np.nan), np.zeros(num_draws, dtype=bool)
    moves = {move: np.zeros((len(options) + 1, num_draws)) for move, (options, _) in at.items()}
    outcomes = {name: np.zeros(num_draws) for name in flags}
    for first in range(0, num_draws, CHUNK):
        block = slice(first, min(first + CHUNK, num_draws))
        values = values_at(target.priors, scores[:, block])
        solution = solve(game, values, **target.behaviour)
        converged[block] = solution.converged
        log_known[block], share = consistent_leaves(solution, pattern, np.arange(solution.num_draws))
        monomials = game.basis.evaluate(solution.problem.draws, solution.num_draws)
        for move, (options, codes) in at.items():
            for row in range(len(options) + 1):  # the last row: it does not come up
                mine = codes[pattern.leaves] == (row if row < len(options) else -1)
                moves[move][row, block] = share[mine].sum(axis=0)
        for name in flags:
            rows = game.outcomes[name].rows
            assert rows is not None
            outcomes[name][block] = (rows.select(pattern.leaves).evaluate(monomials) * share).sum(axis=0)
        if progress_fn is not None:
            progress_fn(block.stop)
    kept = {}
    for move, (options, _) in at.items():
        missing = moves[move][-1].max(initial=0.0) > 0
        kept[move] = ((*options, NOT_REACHED), moves[move]) if missing else (options, moves[move][:-1])
    return _Solved(log_known, converged, kept, outcomes)


def _wanted_moves(target: Scenario, known: tuple[str, ...]) -> tuple[str, ...]:
    """Moves to forecast: label outcomes that are moves, and what was seen after the as-of date."""
    game = target.game
    names = [name for name, o in game.outcomes.items() if o.rows is None and name in move_names(game)]
    later = () if target.file.observed is None else target.file.observed.moves
    return tuple(name for name in dict.fromkeys([*names, *later]) if name not in known)


# -- scoring -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Verdict:
    """One forecast of what happened, scored.

    Attributes:
        move: What was forecast.
        happened: What happened.
        scores: Forecast → score: ``after`` (with what was learnt), ``before`` (without), ``uniform`` and, where the
            casebook has them, ``base rates``.
        forecasts: Forecast → option → probability.
        coarse: Forecast → score by the codes of the casebook, where kinds of open strike count as one; empty
            where it has none.
    """

    move: str
    happened: str
    scores: Mapping[str, Score]
    forecasts: Mapping[str, Mapping[str, float]]
    coarse: Mapping[str, Score]


def score_forecast(carried: Carried) -> list[Verdict]:
    """Score a forecast against what happened after its date, and three baselines likewise.

    Args:
        carried: The forecast.

    Returns:
        One verdict for each move that was seen after the as-of date.

    Raises:
        UsageError: If nothing was observed after it.
    """
    observed = observed_of(carried.target)
    later = [move for move in observed.moves if move not in known_by(observed, carried.target.file.as_of)]
    if not later:
        raise UsageError(
            f"--score: nothing that {carried.target.slug!r} says was observed became known after its as-of date "
            f"{carried.target.file.as_of}. Add it to [observed.moves] and [observed.known]."
        )
    return [_verdict(carried, move, observed.moves[move]) for move in later]


def _verdict(carried: Carried, move: str, happened: str) -> Verdict:
    options = carried.after.moves[move]
    forecasts: dict[str, Mapping[str, float]] = {
        "after": options,
        "before": carried.before.moves[move],
        "uniform": dict.fromkeys(options, 1 / len(options)),
    }
    rates = casebook_rates(move, tuple(options), str(carried.target.file.as_of))
    if rates is not None:
        forecasts["base rates"] = rates
    coarse = {}
    if rates is not None:
        codes = _codes(move, tuple(options)) or {}
        code = next(code for code, labels in codes.items() if happened in labels)
        for name, f in forecasts.items():
            sums = {c: sum(f[label] for label in labels) for c, labels in codes.items()}
            if name == "uniform":
                sums = dict.fromkeys(codes, 1 / len(codes))
            coarse[name] = score(sums, code)
    return Verdict(move, happened, {name: score(f, happened) for name, f in forecasts.items()}, forecasts, coarse)


def _codes(move: str, options: tuple[str, ...]) -> Mapping[str, tuple[str, ...]] | None:
    """Code of the casebook → options of a move; None where it does not code the move."""
    codes = {"retaliation": RETALIATION, "reply": REPLY}.get(move)
    return codes if codes is not None and {o for labels in codes.values() for o in labels} == set(options) else None


def casebook_rates(move: str, options: tuple[str, ...], day: str) -> dict[str, float] | None:
    """How often each option came up in cases that were over before a day; None for what the casebook does not code.

    The casebook is coarser than the rules: the share of an open strike, say, is split evenly over its kinds.

    Args:
        move: Name of the move.
        options: Its options.
        day: The as-of date: later cases are not used.

    Example:
        >>> options = ("none", "token and deniable", "military targets", "oil", "nuclear sites")
        >>> {option: round(share, 2) for option, share in casebook_rates("retaliation", options, "2024-10-25").items()}
        {'none': 0.66, 'token and deniable': 0.08, 'military targets': 0.09, 'oil': 0.09, 'nuclear sites': 0.09}
    """
    codes = _codes(move, options)
    if codes is None:
        return None
    rates = base_rates(ended_before(load_casebook(), day), "action" if move == "retaliation" else "next")
    return {option: rates[code] / len(labels) for code, labels in codes.items() for option in labels}


__all__ = ["DRIFT", "Carried", "Forecast", "Verdict", "carry", "casebook_rates", "score_forecast"]
