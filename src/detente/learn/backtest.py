"""The rules of restraint against the casebook: each case forecast by what the others teach, and scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from detente.errors import SolveError
from detente.learn.casebook import ACTIONS, Case, base_rates, load_casebook
from detente.learn.casemodel import COVARIATES, CaseModel, forecast_cases, make_case_model
from detente.learn.condition import effective_size
from detente.learn.score import Bin, Comparison, Score, calibration, compare_scores, sample_interval, score
from detente.learn.worlds import draw_scores, free_parameters

LEAST_ESS = 50.0  # a mean of probabilities needs fewer draws than the ends of an interval
ROUNDS = 6  # the first from the prior, each later one from where the posterior seemed to be
SPREAD = 1.3  # of the covariance of a later round: wider than the posterior, so that its tails are covered
LEAST_SPREAD = 0.03
WAYS = ("case", "dyad")  # what is left out


@dataclass(frozen=True)
class CaseForecast:
    """One case, forecast without itself.

    Attributes:
        case: The case.
        forecast: Code of the protégé's action → probability.
        base: The same by base rates of the same other cases.
        num_training: Cases that the forecast was learnt from.
        ess: Effective number of draws behind it.
        score: Of the forecast; None where the action is not coded.
        base_score: Of the base rates.
    """

    case: Case
    forecast: Mapping[str, float]
    base: Mapping[str, float]
    num_training: int
    ess: float
    score: Score | None
    base_score: Score | None


@dataclass(frozen=True)
class Pair:
    """Two cases of a matched group, one after the other.

    Attributes:
        name: Of the group.
        first: Id of the earlier case.
        second: Id of the later one.
        observed: Change of the action in steps of no force, limited, major.
        forecast: Change of its expectation.
    """

    name: str
    first: str
    second: str
    observed: int
    forecast: float

    @property
    def agrees(self) -> bool | None:
        """Whether the sign is right; None where nothing changed."""
        return None if self.observed == 0 else bool(np.sign(self.forecast) == np.sign(self.observed))


@dataclass(frozen=True)
class Part:
    """The result of one way of leaving out.

    Attributes:
        way: ``case`` or ``dyad``: what is left out when a case is forecast.
        forecasts: One a case.
        log_score: Mean log score, and its gain over base rates; None where no case has a coded action.
        brier: Mean Brier score, and its difference (a gain is negative).
        calibration: Bars of the calibration plot.
        pairs: The matched pairs.
        verdict: Whether the model beats the base rates, in plain words.
    """

    way: str
    forecasts: tuple[CaseForecast, ...]
    log_score: Comparison | None
    brier: Comparison | None
    calibration: tuple[Bin, ...]
    pairs: tuple[Pair, ...]
    verdict: str


@dataclass(frozen=True)
class Backtest:
    """The whole backtest.

    Attributes:
        parts: Way of leaving out → result.
        weights: Covariate → 90 % interval and median of its weight, learnt from the whole casebook.
        num_draws: Possible worlds.
        num_unconverged: Worlds that are left out because an equilibrium of some case was not found.
        from_file: Whether the cases come from another file than they are learnt from.
    """

    parts: Mapping[str, Part]
    weights: Mapping[str, tuple[float, ...]]
    num_draws: int
    num_unconverged: int
    from_file: bool


def backtest(
    cases: Sequence[Case] | None = None,
    *,
    num_draws: int = 3_072,
    seed: int = 0,
    progress_fn: Callable[[int], None] | None = None,
) -> Backtest:
    """Forecast every case from the others, and score it against base rates.

    Each case is forecast by worlds weighed by how likely they make the actions of the cases it may learn from: all
    of the casebook but itself, or all but its pair of patron and protégé. Cases of a file are forecast by the
    casebook in the same way; one with the id (or the dyad) of a case of the casebook is not learnt from.

    Args:
        cases: Cases to forecast; by default those of the casebook.
        num_draws: Possible worlds: a sixth from weak priors, the rest led towards the posterior.
        seed: Of the draws.
        progress_fn: Called with the number of cases solved, each once in every round.

    Returns:
        Scores, calibration, matched pairs and a verdict.

    Raises:
        SolveError: If too few worlds fit the casebook.
    """
    training = load_casebook()
    wanted = training if cases is None else tuple(cases)
    new = [case for case in wanted if case not in training]
    model = make_case_model([*training, *new])
    everything = [*training, *new]

    def shifted(by: int) -> Callable[[int], None]:
        return lambda done: None if progress_fn is None else progress_fn(by + done)

    size = max(num_draws // ROUNDS, 2)
    scores = draw_scores(model.priors, size, seed=seed)
    shares = forecast_cases(model, everything, scores, progress_fn=shifted(0))
    normals = [(np.zeros(len(scores)), np.eye(len(scores)))]
    for number in range(1, ROUNDS):
        logs = _log_likelihoods(training, shares).sum(axis=0)
        normals.append(_near_posterior(scores, logs, _log_importance(scores, normals)))
        noise = np.random.default_rng([seed, 1 + number]).normal(size=(len(scores), size))
        near = normals[-1][0][:, None] + normals[-1][1] @ noise
        found = forecast_cases(model, everything, near, progress_fn=shifted(number * len(everything)))
        scores, shares = np.concatenate([scores, near], axis=1), np.concatenate([shares, found], axis=2)
    base = _log_importance(scores, normals)
    good = np.isfinite(shares).all(axis=(0, 1))
    base = np.where(good, base, -np.inf)
    logs = np.where(good, _log_likelihoods(training, shares), 0.0)
    place = {id(case): number for number, case in enumerate(everything)}
    own = [place[id(case)] if id(case) in place else everything.index(case) for case in wanted]
    parts = {way: _part(way, wanted, training, logs, base, np.where(good, shares, 0.0)[own], seed) for way in WAYS}
    whole = _normalised(base + logs.sum(axis=0))
    names = free_parameters(model.priors)
    weights = {
        name: tuple(sample_interval(_weight(model, scores[names.index(f"weight of {name}")], name), whole))
        for name in COVARIATES
    }
    return Backtest(parts, weights, scores.shape[1], int((~good).sum()), cases is not None)


def _weight(model: CaseModel, score_row: np.ndarray, name: str) -> np.ndarray:
    from scipy.special import ndtr

    return model.priors[f"weight of {name}"].quantile(ndtr(score_row))


def _log_likelihoods(cases: Sequence[Case], shares: Float[np.ndarray, "case action draw"]) -> np.ndarray:
    """Log-probability of what was done in each case, (case, draw); 0 for a case without a coded action."""
    rows = [
        np.zeros(shares.shape[2]) if case.action is None else np.log(shares[i, ACTIONS.index(case.action)])
        for i, case in enumerate(cases)
    ]
    return np.stack(rows)


# -- worlds near the posterior -------------------------------------------------------------------
def _near_posterior(scores: np.ndarray, logs: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and root of a normal distribution around the posterior, as far as the draws so far show it."""
    logs = np.where(np.isfinite(logs), logs, -np.inf)
    if not np.isfinite(logs).any():
        raise SolveError("backtest: no world has an equilibrium in every case. Take more --draws.")
    power = 1.0  # a flatter posterior where few draws carry all the weight
    while effective_size(_normalised(base + power * logs)) < 4 * len(scores) and power > 0.01:
        power *= 0.85
    weights = _normalised(base + power * logs)
    center = scores @ weights
    away = scores - center[:, None]
    spread = SPREAD * ((away * weights) @ away.T) + LEAST_SPREAD * np.eye(len(scores))
    return center, np.linalg.cholesky(spread)


def _log_importance(scores: np.ndarray, normals: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Prior density over the density of the mixture that the draws come from, in logs; the first is the prior."""
    densities = []
    for center, root in normals:
        away = np.linalg.solve(root, scores - center[:, None])
        densities.append(-0.5 * (away**2).sum(axis=0) - np.log(np.diag(root)).sum())
    return densities[0] - np.logaddexp.reduce(densities, axis=0)


def _normalised(logs: np.ndarray) -> np.ndarray:
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


# -- leaving out ---------------------------------------------------------------------------------
def _part(
    way: str,
    cases: Sequence[Case],
    training: Sequence[Case],
    logs: np.ndarray,
    base: np.ndarray,
    shares: np.ndarray,
    seed: int,
) -> Part:
    found = []
    for number, case in enumerate(cases):
        keep = np.array([c.id != case.id and (way == "case" or c.dyad != case.dyad) for c in training])
        weights = _normalised(base + logs[keep].sum(axis=0))
        size = effective_size(weights)
        if size < LEAST_ESS:
            raise SolveError(
                f"backtest: the forecast of {case.id!r} rests on {size:.0f} equal draws, fewer than {LEAST_ESS:.0f}. "
                "Take more --draws."
            )
        values = shares[number] @ weights
        forecast: dict[str, float] = dict(zip(ACTIONS, (values / values.sum()).tolist(), strict=True))
        rates = base_rates([c for c, k in zip(training, keep, strict=True) if k])
        ours, theirs = (None if case.action is None else score(f, case.action) for f in (forecast, rates))
        found.append(CaseForecast(case, forecast, rates, int(keep.sum()), size, ours, theirs))
    scored = [f for f in found if f.score is not None and f.base_score is not None]
    log_score = brier = None
    if scored:
        dyads = [f.case.dyad for f in scored]
        log_score = compare_scores(
            [f.score.log_score for f in scored],  # type: ignore[union-attr]
            [f.base_score.log_score for f in scored],  # type: ignore[union-attr]
            clusters=dyads,
            seed=seed,
        )
        brier = compare_scores(
            [f.score.brier for f in scored],  # type: ignore[union-attr]
            [f.base_score.brier for f in scored],  # type: ignore[union-attr]
            clusters=dyads,
            seed=seed,
        )
    bars = _bars(scored)
    return Part(way, tuple(found), log_score, brier, bars, _pairs(scored), _verdict(log_score, len(scored)))


def _bars(scored: Sequence[CaseForecast]) -> tuple[Bin, ...]:
    if not scored:
        return ()
    forecasts = np.array([f.forecast[code] for f in scored for code in ACTIONS])
    return tuple(calibration(forecasts, np.array([f.case.action == code for f in scored for code in ACTIONS])))


def _pairs(scored: Sequence[CaseForecast]) -> tuple[Pair, ...]:
    """Neighbours in time within each matched group."""
    groups: dict[str, list[CaseForecast]] = {}
    for f in sorted(scored, key=lambda f: f.case.end):
        if f.case.pair:
            groups.setdefault(f.case.pair, []).append(f)

    def step(f: CaseForecast) -> float:
        return sum(i * f.forecast[code] for i, code in enumerate(ACTIONS))

    return tuple(
        Pair(
            name,
            one.case.id,
            two.case.id,
            ACTIONS.index(str(two.case.action)) - ACTIONS.index(str(one.case.action)),
            step(two) - step(one),
        )
        for name, group in groups.items()
        for one, two in zip(group, group[1:], strict=False)
    )


def _verdict(found: Comparison | None, count: int) -> str:
    if found is None:
        return "No case has a coded action, so that nothing can be scored."
    interval = f"{found.gain:+.3f} nats a case (90 % interval {found.gain_low:+.3f} to {found.gain_high:+.3f})"
    if found.gain_low > 0:
        return f"The model beats the base rates by {interval}, over {count} cases."
    if found.gain_high < 0:
        return f"The model does worse than the base rates, by {interval}, over {count} cases: do not forecast with it."
    return (
        f"The model does not beat the base rates: the difference is {interval} over {count} cases, and the interval "
        "contains 0."
    )
