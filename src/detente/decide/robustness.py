"""Robustness: one figure a policy for how it stands up to all the worlds, in each of the ways that analysts use.

Every metric is composed in three steps (mcphail2018): values are *transformed* (T1: left alone, regret, distance from
the policy's own median, or whether they are good enough), a *subset* of worlds is taken (T2: the worst, the best, all,
the worse half, some percentiles), and what is left is *aggregated* (T3: read off, averaged, summed, …). Values are
oriented first, so that in every step, and in every metric, more is better.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detente.decide.regret import Values, as_values, as_weights, oriented, quantiles
from detente.errors import UsageError, nearest

Step = Callable[[np.ndarray, np.ndarray], np.ndarray]
NINETIETH = "90th percentile minimax regret"
TIE = 1e-12  # values that differ by less than this share of their range are the same value


# -- T1: transformations, (draw, policy) → (draw, policy) ------------------------------------------
def identity(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The values themselves."""
    return values


def regret_from_best(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Minus what is lost in each world against the best policy there."""
    return values - values.max(axis=1, keepdims=True)


def deviation_from_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How far each value lies above (+) or below (−) the policy's own median."""
    return values - quantiles(values, [0.5], weights)[0]


def good_enough(threshold: float) -> Step:
    """1 where a value is at least the threshold (oriented: more is better), else 0."""
    return lambda values, weights: (values >= threshold).astype(float)


# -- T2 and T3: subsets and aggregates, (draw, policy) → (policy,) ---------------------------------
def worst(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The worst world of each policy, read off."""
    return values.min(axis=0)


def best(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The best world of each policy, read off."""
    return values.max(axis=0)


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """All worlds, averaged."""
    return np.average(values, axis=0, weights=weights)


def worst_and_best(optimism: float) -> Step:
    """The best world and the worst, averaged with weights ``optimism`` and one minus it."""
    return lambda values, weights: optimism * best(values, weights) + (1 - optimism) * worst(values, weights)


def percentile(share: float) -> Step:
    """The value that a share of the worlds lies below."""
    return lambda values, weights: quantiles(values, [share], weights)[0]


def sum_of_worse_half(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What is below zero, summed: after :func:`deviation_from_median`, the worse half."""
    return weights @ np.minimum(values, 0)


def mean_over_spread(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(μ + 1) / (σ + 1) for values of which more is better; NaN where μ ≤ −1, as spread would count as good there."""
    centre, spread = _moments(values, weights)
    return np.where(centre > -1, (centre + 1) / (spread + 1), np.nan)


def mean_times_spread(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """−(μ + 1)·(σ + 1), μ being that of the values before orientation, of which less is better; NaN where μ ≤ −1."""
    centre, spread = _moments(-values, weights)
    return np.where(centre > -1, -(centre + 1) * (spread + 1), np.nan)


def _moments(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre = mean(values, weights)
    return centre, np.sqrt(mean((values - centre) ** 2, weights))


def skewness(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """((q90 + q10)/2 − q50) / ((q90 − q10)/2): positive when surprises are good ones. NaN where q90 = q10."""
    low, middle, high = quantiles(values, [0.1, 0.5, 0.9], weights)
    return _ratio((high + low) / 2 - middle, (high - low) / 2)


def peakedness(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(q90 − q10) / (q75 − q25): large when most worlds lie close together. NaN where q75 = q25."""
    low, lower, upper, high = quantiles(values, [0.1, 0.25, 0.75, 0.9], weights)
    return _ratio(high - low, upper - lower)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)


# -- metrics ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Metric:
    """A way of saying how robust a policy is.

    Attributes:
        name: What it is called in the literature.
        asks: The question that it answers.
        transform: T1.
        aggregate: T2 and T3: from the transformed values to one figure a policy, of which more is better.
    """

    name: str
    asks: str
    transform: Step
    aggregate: Step


def metrics(*, better: str = "lower", threshold: float | None = None, optimism: float = 0.5) -> dict[str, Metric]:
    """The metrics that analysts of deep uncertainty use, by name.

    Args:
        better: ``lower`` or ``higher``: which values of the outcome are better.
        threshold: What is good enough, in the outcome's own unit; without it there is no satisficing metric.
        optimism: Between 0 (the worst world alone counts) and 1 (the best alone); for Hurwicz's rule.

    Returns:
        Name → metric, in the order of the paper.

    Raises:
        UsageError: If ``better`` or ``optimism`` is out of range.

    Source:
        mcphail2018.

    Example:
        >>> list(metrics())[:3]
        ['maximin', 'maximax', 'hurwicz']
    """
    sign = float(oriented(np.ones(1), better)[0])
    if not 0 <= optimism <= 1:
        raise UsageError(f"optimism: {optimism:g} is not a share. Give a number between 0 (worst) and 1 (best).")
    spread = mean_over_spread if better == "higher" else mean_times_spread
    below, half = deviation_from_median, sum_of_worse_half
    found = [
        Metric("maximin", "Which is best in its worst world?", identity, worst),
        Metric("maximax", "Which is best in its best world?", identity, best),
        Metric("hurwicz", "Which is best between its worst and its best world?", identity, worst_and_best(optimism)),
        Metric("laplace", "Which is best on average?", identity, mean),
        Metric("minimax regret", "Which is never far from the best?", regret_from_best, worst),
        # Oriented, regret is 0 or less: its 90th percentile is the 10th of its negative.
        Metric(NINETIETH, "Which is seldom far from the best?", regret_from_best, percentile(0.1)),
        Metric("mean-variance", "Which is good on average and varies little?", identity, spread),
        Metric("undesirable deviations", "Which falls least below its own middle?", below, half),
        Metric("percentile-based skewness", "Which has surprises on the good side?", identity, skewness),
        Metric("percentile-based peakedness", "Which is most often near its middle?", identity, peakedness),
    ]
    if threshold is not None:
        asks = "Which is good enough in most worlds?"
        found.append(Metric("satisficing", asks, good_enough(sign * threshold), mean))
    return {metric.name: metric for metric in found}


@dataclass(frozen=True)
class Score:
    """What one metric says of all policies.

    Attributes:
        metric: Its name.
        asks: The question that it answers.
        values: Policy → figure; more is better. NaN where the metric is not defined for the policy's values.
        best: The policies with the best figure; several when they tie, none when it is defined for none.
    """

    metric: str
    asks: str
    values: Mapping[str, float]
    best: tuple[str, ...]

    @property
    def order(self) -> tuple[str, ...]:
        """Policies, most robust first; those without a figure are left out."""
        known = [name for name, value in self.values.items() if not np.isnan(value)]
        return tuple(sorted(known, key=lambda name: -self.values[name]))


@dataclass(frozen=True)
class Robustness:
    """How robust each policy is by every metric, for one outcome.

    Attributes:
        policies: Names.
        scores: One a metric.
        favourites: Policy → the metrics by which it is best, most metrics first; policies that lead in none are absent.
        note: Whether the metrics agree, in words.
    """

    policies: tuple[str, ...]
    scores: tuple[Score, ...]
    favourites: Mapping[str, tuple[str, ...]]
    note: str

    @property
    def agree(self) -> bool:
        """Whether one policy is best by every metric that tells the policies apart."""
        telling = [s for s in self.scores if s.best and len(s.best) < len(self.policies)]
        return not telling or bool(set.intersection(*(set(s.best) for s in telling)))

    def score(self, metric: str) -> Score:
        """What one metric says.

        Raises:
            UsageError: If there is no such metric; the nearest is offered.
        """
        for found in self.scores:
            if found.metric == metric:
                return found
        raise UsageError(f"metric: {metric!r} is not known.{nearest(metric, [s.metric for s in self.scores])}")


def robustness(
    values: Values,
    policies: Sequence[str],
    *,
    better: str = "lower",
    weights: np.ndarray | None = None,
    threshold: float | None = None,
    optimism: float = 0.5,
    using: Sequence[str] | None = None,
) -> Robustness:
    """Say by every metric which policy stands up best to all the worlds, and whether the metrics agree.

    Args:
        values: The outcome, (draw, policy).
        policies: Names, one a column.
        better: ``lower`` or ``higher``: which values are better.
        weights: How much each draw counts, (draw,); by default all the same. A weight of 2 is the same as two draws.
        threshold: What is good enough, in the outcome's own unit; without it the satisficing metric is left out.
        optimism: Between 0 (worst) and 1 (best), for Hurwicz's rule.
        using: Names of the metrics to use; by default all.

    Returns:
        One score a metric. Cost: a few sorts of the values; 60,000 × 6 in about 0.3 s.

    Raises:
        UsageError: If the values, weights or names do not fit together, or a metric is not known.

    Source:
        mcphail2018.

    Example:
        >>> found = robustness([[1, 3], [2, 2], [9, 3]], ["act", "wait"], better="lower")
        >>> found.score("maximin").best, found.score("maximax").best
        (('wait',), ('act',))
        >>> found.agree
        False
    """
    oriented_values = oriented(as_values(values, policies), better)
    known = metrics(better=better, threshold=threshold, optimism=optimism)
    for name in using or ():
        if name not in known:
            hint = " It needs a threshold." if name == "satisficing" else nearest(name, known)
            raise UsageError(f"metric: {name!r} is not known.{hint}")
    counted = as_weights(weights, len(oriented_values))
    present = counted > 0  # a world that does not count is not anybody's worst world
    kept, counted = oriented_values[present], counted[present]
    scores = tuple(_score(known[name], kept, counted, policies) for name in (known if using is None else using))
    favourites = _favourites(scores, policies)
    return Robustness(tuple(policies), scores, favourites, _note(scores, favourites, policies))


def _score(metric: Metric, values: np.ndarray, weights: np.ndarray, policies: Sequence[str]) -> Score:
    figures = metric.aggregate(metric.transform(values, weights), weights)
    top = np.nanmax(figures) if not np.isnan(figures).all() else np.nan
    slack = TIE * max(1.0, float(np.abs(values).max()))
    winners = tuple(name for name, figure in zip(policies, figures, strict=True) if figure >= top - slack)
    return Score(metric.name, metric.asks, dict(zip(policies, figures.tolist(), strict=True)), winners)


def _favourites(scores: Sequence[Score], policies: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Who leads by which metrics; a metric by which all are equal speaks for none."""
    telling = [s for s in scores if len(s.best) < len(policies)]
    found = {name: tuple(s.metric for s in telling if name in s.best) for name in policies}
    return {name: found[name] for name in sorted(found, key=lambda n: -len(found[n])) if found[name]}


def _note(scores: Sequence[Score], favourites: Mapping[str, tuple[str, ...]], policies: Sequence[str]) -> str:
    """Agreement or disagreement in words."""
    telling = [s for s in scores if s.best and len(s.best) < len(policies)]
    undefined = [s.metric for s in scores if any(np.isnan(v) for v in s.values.values())]
    tail = f" Not defined for every policy here: {', '.join(undefined)}." if undefined else ""
    if not telling:
        return f"No metric tells the policies apart.{tail}"
    leader, wins = next(iter(favourites.items()))
    if len(wins) == len(telling):
        return f"*{leader}* is best, alone or level, by all {len(telling)} metrics that tell the policies apart.{tail}"
    others = [f"*{name}* by {', '.join(found)}" for name, found in favourites.items() if set(found) - set(wins)]
    return (
        f"The metrics disagree: *{leader}* is best by {', '.join(wins)}; {'; '.join(others)}. Which policy is the most "
        f"robust depends on what robust is taken to mean.{tail}"
    )
