"""How good a forecast was: log score, Brier score and the rank of what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from detente.errors import UsageError, nearest

SLACK = 1e-6


@dataclass(frozen=True)
class Score:
    """One forecast against what happened.

    Attributes:
        probability: That it gave to what happened.
        log_score: Natural logarithm of that; 0 is the best, −∞ the worst.
        brier: Sum of squared differences over the possible results; 0 is the best, 2 the worst.
        rank: 1 if what happened had the largest probability; ties count in the middle.
        num_options: Number of possible results.
    """

    probability: float
    log_score: float
    brier: float
    rank: float
    num_options: int


def score(forecast: Mapping[str, float], happened: str) -> Score:
    """Score one forecast.

    Args:
        forecast: Possible result → probability; they sum to 1.
        happened: The result.

    Returns:
        Its scores.

    Raises:
        UsageError: If the forecast is no distribution, or says nothing of what happened.

    Example:
        >>> found = score({"none": 0.5, "limited": 0.3, "major": 0.2}, "limited")
        >>> round(found.log_score, 3), round(found.brier, 3), found.rank
        (-1.204, 0.78, 2.0)
    """
    if happened not in forecast:
        raise UsageError(f"score: {happened!r} is not among the results of the forecast.{nearest(happened, forecast)}")
    shares = np.array(list(forecast.values()), dtype=float)
    if not (np.isfinite(shares).all() and (shares >= -SLACK).all() and abs(shares.sum() - 1) <= SLACK):
        raise UsageError(f"score: {dict(forecast)} is not a distribution. Give numbers in [0, 1] that sum to 1.")
    own = float(forecast[happened])
    hit = np.array([label == happened for label in forecast], dtype=float)
    with np.errstate(divide="ignore"):
        log_score = float(np.log(max(own, 0.0)))
    above = int((shares > own + 1e-12).sum())
    ties = int((np.abs(shares - own) <= 1e-12).sum())
    return Score(own, log_score, float(((shares - hit) ** 2).sum()), above + (1 + ties) / 2, len(shares))


@dataclass(frozen=True)
class Comparison:
    """The mean score of some forecasts, and how it compares with a baseline's.

    Attributes:
        mean: Of the forecasts.
        low: Lower end of the 90 % interval of the mean.
        high: Upper end.
        gain: Mean of the forecasts less that of the baseline.
        gain_low: Lower end of the 90 % interval of the gain.
        gain_high: Upper end.
    """

    mean: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


def compare_scores(
    values: Sequence[float],
    baseline: Sequence[float],
    *,
    clusters: Sequence[str] | None = None,
    seed: int = 0,
    num_resamples: int = 4_000,
) -> Comparison:
    """Mean scores with intervals from a bootstrap over cases, case by case against a baseline.

    Args:
        values: Score of each case.
        baseline: Score of the same cases by the baseline.
        clusters: Which cases belong together and are resampled together; by default each stands alone.
        seed: Of the resampling.
        num_resamples: How often.

    Raises:
        UsageError: If there are no cases, or not as many of the baseline.

    Example:
        >>> found = compare_scores([-0.5, -0.7, -0.6], [-1.0, -1.1, -0.9])
        >>> round(found.gain, 2), found.gain_low > 0
        (0.4, True)
    """
    ours, theirs = np.asarray(values, dtype=float), np.asarray(baseline, dtype=float)
    if not len(ours) or ours.shape != theirs.shape:
        raise UsageError(f"score: {len(ours)} scores and {len(theirs)} of the baseline. Give one of each for a case.")
    labels = np.arange(len(ours)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    sizes = np.bincount(labels)
    sums = np.stack([np.bincount(labels, weights=v) for v in (ours, ours - theirs)])
    picks = np.random.default_rng(seed).integers(len(sizes), size=(num_resamples, len(sizes)))
    means = sums[:, picks].sum(axis=2) / sizes[picks].sum(axis=1)
    (low, high), (gain_low, gain_high) = (np.quantile(m, [0.05, 0.95]) for m in means)
    gain = float((ours - theirs).mean())
    return Comparison(float(ours.mean()), float(low), float(high), gain, float(gain_low), float(gain_high))


@dataclass(frozen=True)
class Bin:
    """One bar of a calibration plot.

    Attributes:
        low: Lower end of the forecasts in it.
        high: Upper end.
        count: Number of forecasts.
        forecast: Their mean.
        frequency: Share of them that came true.
    """

    low: float
    high: float
    count: int
    forecast: float
    frequency: float


def calibration(forecasts: Float[np.ndarray, "forecast"], came_true: np.ndarray, *, num_bins: int = 5) -> list[Bin]:
    """Whether what was given 30 % happens three times in ten.

    Args:
        forecasts: Probabilities, each of one possible result.
        came_true: Whether that result happened.
        num_bins: Bars of equal width on [0, 1]; empty ones are left out.

    Example:
        >>> calibration(np.array([0.1, 0.1, 0.9]), np.array([False, False, True]))[0].frequency
        0.0
    """
    edges = np.linspace(0, 1, num_bins + 1)
    place = np.clip(np.searchsorted(edges, forecasts, side="right") - 1, 0, num_bins - 1)
    return [
        Bin(
            float(edges[b]),
            float(edges[b + 1]),
            int((place == b).sum()),
            float(np.mean(forecasts[place == b])),
            float(np.mean(np.asarray(came_true)[place == b])),
        )
        for b in range(num_bins)
        if (place == b).any()
    ]


def sample_interval(
    values: np.ndarray, weights: np.ndarray, shares: Sequence[float] = (0.05, 0.5, 0.95)
) -> list[float]:
    """Quantiles of weighed draws.

    Args:
        values: One a draw.
        weights: Their weights, ≥ 0.
        shares: Which quantiles.

    Example:
        >>> sample_interval(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0]), [0.25, 0.5])
        [1.0, 2.0]
    """
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    places = np.searchsorted(total, np.asarray(shares) * total[-1] - 1e-12 * total[-1])
    return [float(v) for v in values[order][np.minimum(places, len(values) - 1)]]
