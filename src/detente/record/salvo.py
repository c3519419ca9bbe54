"""Salvos: from what was reported launched, arrived and hit to the reliability of missiles and the quality of defence.

The model is binomial thinning: of the missiles launched each arrives with chance r (reliability), and of those that
arrive each is stopped with chance q (interception), all of them independently. Counts that are reported as ranges are
summed out over the range. Everything is computed on a grid, without sampling.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detente.errors import UsageError
from detente.record.models import Figure

if TYPE_CHECKING:
    import numpy as np

# numpy and scipy are imported where they are used: listing a record needs neither.

NUM_POINTS = 200  # of the grid, in each direction
MOST_LAUNCHED = 2_000  # a fit then takes about ten seconds
INTERVAL = (0.05, 0.95)
RARE = 0.05  # a chance below this is called a surprise


@dataclass(frozen=True)
class SalvoReport:
    """What was reported of one salvo, each count as a range.

    Attributes:
        launched: Missiles launched.
        impacts: Missiles that came down at their targets.
        arrived: Missiles that did not fail by themselves, as a count or (unit "share …") as a share of those
            launched; None where nobody reported it.
    """

    launched: Figure
    impacts: Figure
    arrived: Figure | None = None


@dataclass(frozen=True)
class Summary:
    """A number that is not known: its mean, standard deviation, and 90 % interval."""

    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class SalvoFit:
    """What a salvo says about reliability and interception: a weight for every pair of values.

    Attributes:
        report: The ranges it was computed from.
        reliability: Values of r, rising, shape (point,).
        interception: Values of q, rising, shape (point,).
        weights: Probability of each pair, shape (point of r, point of q), summing to 1.
        prior: The same before the report.
    """

    report: SalvoReport
    reliability: "np.ndarray"
    interception: "np.ndarray"
    weights: "np.ndarray"
    prior: "np.ndarray"

    def summary(self, part: str, *, before: bool = False) -> Summary:
        """Mean, spread and 90 % interval of ``reliability``, ``interception`` or ``leak`` (hits for each launch).

        Args:
            part: Which of the three.
            before: Whether before the report was read.

        Raises:
            UsageError: If there is no such part.
        """
        values, weights = self._values(part, self.prior if before else self.weights)
        mean = float(values @ weights)
        sd = float(max((values - mean) ** 2 @ weights, 0.0) ** 0.5)
        low, high = _quantiles(values, weights, INTERVAL)
        return Summary(mean, sd, low, high)

    def correlation(self, *, before: bool = False) -> float:
        """How closely reliability and interception move together, from −1 to 1; 0 where one of them is known."""
        weights = self.prior if before else self.weights
        return _correlation(self.reliability, self.interception, weights)

    def rank_correlation(self) -> float:
        """The same for the ranks of both, which is what a draw of both together needs."""
        return _correlation(_ranks(self.weights.sum(axis=1)), _ranks(self.weights.sum(axis=0)), self.weights)

    def _values(self, part: str, weights: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
        if part == "reliability":
            return self.reliability, weights.sum(axis=1)
        if part == "interception":
            return self.interception, weights.sum(axis=0)
        if part == "leak":
            return (self.reliability[:, None] * (1 - self.interception)).ravel(), weights.ravel()
        raise UsageError(f"salvo: {part!r} is no part of a salvo. Ask for 'reliability', 'interception' or 'leak'.")


@dataclass(frozen=True)
class Surprise:
    """How a salvo that was seen compares with what an earlier one made one expect.

    Attributes:
        expected: Lowest and highest number of impacts by the ranges of the earlier salvo alone, as (low, high).
        median: Middle of the prediction that also counts chance and what is not known.
        interval: Its 90 % interval.
        seen: The impacts that were seen.
        more: Whether more were seen than expected (else fewer).
        chances: Chance of an outcome at least as far out as the lowest, best and highest count that was seen.
        leak_then: Hits for each launch that the earlier salvo showed (mean).
        leak_seen: Hits for each launch that were seen: low, best, high.
        interception_needed: Interception that explains low, best, high if reliability stayed as it was; below 0 where
            nothing does.
        reliability_needed: Reliability that explains low, best, high if interception stayed as it was; above 1 where
            nothing does.
        impacts_needed: The count nearest to what was reported of the earlier salvo at which the best count seen would
            not have been rare; None if there is none, or if it was not rare.
    """

    expected: tuple[float, float]
    median: int
    interval: tuple[int, int]
    seen: Figure
    more: bool
    chances: tuple[float, float, float]
    leak_then: float
    leak_seen: tuple[float, float, float]
    interception_needed: tuple[float, float, float]
    reliability_needed: tuple[float, float, float]
    impacts_needed: int | None

    @property
    def is_rare(self) -> bool:
        """Whether the best count that was seen had a chance below 5 %."""
        return self.chances[1] < RARE

    @property
    def is_rare_throughout(self) -> bool:
        """Whether every count in the range that was seen had a chance below 5 %."""
        return max(self.chances) < RARE


# -- reports as weights --------------------------------------------------------------------------
def plausible(figure: Figure, what: str = "count") -> tuple["np.ndarray", "np.ndarray"]:
    """The whole numbers that a reported range allows, and how plausible each of them is.

    A triangle over the whole numbers from low to high with its top at the best count; flat where none is given.

    Args:
        figure: A range of a count.
        what: What is counted, for messages.

    Returns:
        The counts, and weights that sum to 1.

    Raises:
        UsageError: If the range holds no whole number, or reaches below 0 or above 2,000.

    Example:
        >>> counts, weights = plausible(Figure(low=9, best=10, high=12, unit="missiles"))
        >>> counts.tolist(), weights.round(3).tolist()
        ([9, 10, 11, 12], [0.2, 0.4, 0.267, 0.133])
    """
    import numpy as np

    first, last = int(np.ceil(figure.low - 1e-9)), int(np.floor(figure.high + 1e-9))
    if first < 0 or last > MOST_LAUNCHED:
        raise UsageError(
            f"salvo: {what} reaches from {figure.low:g} to {figure.high:g}; a salvo has 0 to {MOST_LAUNCHED:,} "
            "missiles. Correct the figure."
        )
    if first > last:
        raise UsageError(
            f"salvo: {what} is {figure.low:g} to {figure.high:g}, between which there is no whole number. "
            "Give a count in missiles, or a wider range."
        )
    counts = np.arange(first, last + 1)
    weights = _triangle(counts.astype(float), figure, 1.0)
    return counts, weights / weights.sum()


def _triangle(values: "np.ndarray", figure: Figure, step: float) -> "np.ndarray":
    """Height over each value; it falls to 0 one step outside the range, so that both ends still count."""
    import numpy as np

    if figure.best is None:
        return ((values >= figure.low - 1e-9) & (values <= figure.high + 1e-9)).astype(float)
    up = (values - figure.low + step) / (figure.best - figure.low + step)
    down = (figure.high - values + step) / (figure.high - figure.best + step)
    return np.clip(np.minimum(up, down), 0.0, 1.0)


def is_share(figure: Figure) -> bool:
    """Whether a figure is a share of something and not a count.

    Example:
        >>> is_share(Figure(low=0.4, high=0.6, unit="share of missiles launched"))
        True
    """
    return figure.unit.split()[0] == "share"


# -- fitting -------------------------------------------------------------------------------------
def midpoints(number: int = NUM_POINTS) -> "np.ndarray":
    """Evenly spread values between 0 and 1: nothing is known about a share.

    Example:
        >>> midpoints(4).tolist()
        [0.125, 0.375, 0.625, 0.875]
    """
    import numpy as np

    return (np.arange(number) + 0.5) / number


def fit_salvo(
    report: SalvoReport,
    *,
    reliability: "Sequence[float] | np.ndarray | None" = None,
    interception: "Sequence[float] | np.ndarray | None" = None,
) -> SalvoFit:
    """What the reported counts of a salvo say about how many missiles failed and how many were stopped.

    Launched and impacts alone identify only the product r·(1 − q). A report of how many arrived (or failed)
    separates the two.

    Args:
        report: The ranges that were reported.
        reliability: Equally likely values of r before the report, rising; by default evenly spread over [0, 1].
        interception: Equally likely values of q before the report, rising; by default evenly spread over [0, 1].

    Returns:
        The weights of all pairs. Cost: plausible numbers of launches × missiles × points (0.1 s for 115 missiles).

    Raises:
        UsageError: If a range makes no sense, or no pair of values can explain the counts.

    Source:
        Independent thinning, as in the salvo models of hughes1995 and armstrong2005.

    Example:
        >>> nine = Figure(low=9, high=9, unit="missiles")
        >>> fit = fit_salvo(SalvoReport(Figure(low=115, high=115, unit="missiles"), nine))
        >>> round(fit.summary("leak").mean, 3), round(fit.correlation(), 2)
        (0.082, 0.78)
    """
    import numpy as np

    r = midpoints() if reliability is None else np.asarray(reliability, float)
    q = midpoints() if interception is None else np.asarray(interception, float)
    for name, values in (("reliability", r), ("interception", q)):
        if (
            values.ndim != 1
            or not len(values)
            or not ((values >= 0) & (values <= 1)).all()
            or (np.diff(values) < 0).any()
        ):
            raise UsageError(f"salvo: the values of {name} are not a rising list of shares. Give values in [0, 1].")
    if report.impacts.low > report.launched.high:
        raise UsageError(
            f"salvo: {report.impacts.low:g} impacts or more of {report.launched.high:g} launched or fewer: more hit "
            "than flew. Correct one of the two figures."
        )
    likelihood = _arrivals(r, report.launched, report.arrived) @ _hits(q, report)
    total = likelihood.sum()
    if not total > 0:
        raise UsageError(
            "salvo: no reliability and interception can explain the counts together (launched "
            f"{_range(report.launched)}, arrived {_range(report.arrived)}, impacts {_range(report.impacts)}). "
            "Correct a figure, or widen the values allowed."
        )
    prior = np.full(likelihood.shape, 1 / likelihood.size)
    return SalvoFit(report, r, q, likelihood / total, prior)


def _range(figure: Figure | None) -> str:
    return "not reported" if figure is None else f"{figure.low:g} to {figure.high:g}"


def _arrivals(r: "np.ndarray", launched: Figure, arrived: Figure | None) -> "np.ndarray":
    """Chance that a certain number arrives, and that this was reported as it was: (point of r, number arriving)."""
    import numpy as np

    numbers, weights = plausible(launched, "launched")
    table = np.zeros((len(r), numbers[-1] + 1))
    for number, weight in zip(numbers, weights, strict=True):
        arriving = np.arange(number + 1)
        chance = _binomial(arriving, number, r[:, None])
        table[:, : number + 1] += weight * chance * _said(arriving, int(number), arrived)
    return table


def _said(arriving: "np.ndarray", number: int, arrived: Figure | None) -> "np.ndarray":
    """How well each number of arrivals agrees with what was reported of them."""
    import numpy as np

    if arrived is None:
        return np.ones(len(arriving))
    if not is_share(arrived):
        return _triangle(arriving.astype(float), arrived, 1.0)
    if not 0 <= arrived.low <= arrived.high <= 1:
        raise UsageError(f"salvo: arrived is {_range(arrived)}, but a share lies in [0, 1]. Correct the figure.")
    return _triangle(arriving / max(number, 1), arrived, 1 / max(number, 1))


def _hits(q: "np.ndarray", report: SalvoReport) -> "np.ndarray":
    """Chance of the reported impacts when a certain number arrives: (number arriving, point of q)."""
    import numpy as np

    most = plausible(report.launched, "launched")[0][-1]
    arriving = np.arange(most + 1)[:, None]
    numbers, weights = plausible(report.impacts, "impacts")
    parts = (w * _binomial(k, arriving, 1 - q) for k, w in zip(numbers, weights, strict=True) if k <= most)
    return sum(parts, start=np.zeros((most + 1, len(q))))


def _binomial(k: "np.ndarray | int", n: "np.ndarray | int", p: "np.ndarray") -> "np.ndarray":
    """Chance of k successes in n trials; 0 where k exceeds n."""
    import numpy as np
    from scipy.special import gammaln, xlog1py, xlogy

    k, n = np.asarray(k, float), np.asarray(n, float)
    left = np.maximum(n - k, 0.0)
    log = gammaln(n + 1) - gammaln(k + 1) - gammaln(left + 1) + xlogy(k, p) + xlog1py(left, -p)
    return np.where(k <= n, np.exp(log), 0.0)


# -- predicting ----------------------------------------------------------------------------------
def predict_impacts(fit: SalvoFit, launched: Figure) -> "np.ndarray":
    """How many missiles of another salvo would come down if nothing but its size had changed.

    Args:
        fit: What an earlier salvo says.
        launched: Size of the other salvo.

    Returns:
        The probability of 0, 1, 2 … impacts, up to all that were launched. Cost: missiles² × points (0.2 s for 185).

    Example:
        >>> count = Figure(low=10, high=10, unit="missiles")
        >>> fit = fit_salvo(SalvoReport(count, Figure(low=2, high=2, unit="missiles")), reliability=[1.0])
        >>> chances = predict_impacts(fit, count)
        >>> len(chances), round(float(chances.sum()), 6)
        (11, 1.0)
    """
    import numpy as np

    arrivals = fit.weights.T @ _arrivals(fit.reliability, launched, None)  # point of q, number arriving
    arriving = np.arange(arrivals.shape[1])
    stopped = fit.interception[:, None]
    return np.array([(arrivals * _binomial(k, arriving, 1 - stopped)).sum() for k in arriving])


@dataclass(frozen=True, eq=False)
class _Ahead:
    """Impacts of a salvo to come: a mixture of binomial counts, whose tails need no sum over single counts."""

    weights: "np.ndarray"  # (point of q, number arriving)
    hit: "np.ndarray"  # chance of each that arrives, (point of q,)

    @classmethod
    def of(cls, fit: SalvoFit, launched: Figure) -> "_Ahead":
        return cls(fit.weights.T @ _arrivals(fit.reliability, launched, None), 1 - fit.interception)

    def at_least(self, count: int) -> float:
        import numpy as np
        from scipy.special import betainc

        if count <= 0:
            return 1.0
        arriving = np.arange(count, self.weights.shape[1])
        chance = betainc(float(count), arriving - count + 1.0, self.hit[:, None])
        return float((self.weights[:, count:] * chance).sum())

    def tail(self, count: float, *, more: bool) -> float:
        """Chance of at least (at most) a count."""
        if more:
            return min(self.at_least(math.ceil(count - 1e-9)), 1.0)
        return max(1 - self.at_least(math.floor(count + 1e-9) + 1), 0.0)

    def quantile(self, share: float) -> int:
        """The smallest count that is not exceeded with at least this chance."""
        low, high = 0, self.weights.shape[1] - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if 1 - self.at_least(middle + 1) >= share else (middle + 1, high)
        return low


def surprise(fit: SalvoFit, other: SalvoReport) -> Surprise:
    """How far a later salvo lies from what an earlier one made one expect, and what would explain it.

    Args:
        fit: What the earlier salvo says.
        other: What was reported of the later one.

    Returns:
        Expectation, what was seen, its chance, and what would have had to change.

    Example:
        >>> def count(n):
        ...     return Figure(low=n, high=n, unit="missiles")
        >>> found = surprise(fit_salvo(SalvoReport(count(100), count(8))), SalvoReport(count(200), count(40)))
        >>> found.expected, found.is_rare
        ((16.0, 16.0), True)
    """
    ahead = _Ahead.of(fit, other.launched)
    median, low, high = (ahead.quantile(p) for p in (0.5, *INTERVAL))
    seen, launched = other.impacts, other.launched
    seen_best, launched_best = _best(seen), _best(launched)
    more = seen_best >= median
    earlier = fit.report
    leak = (seen.low / launched.high, seen_best / launched_best, min(seen.high / launched.low, 1.0))
    r, q, leak_then = (fit.summary(part).mean for part in ("reliability", "interception", "leak"))
    tails = _each((seen.low, seen_best, seen.high), lambda k: ahead.tail(k, more=more))
    return Surprise(
        expected=(
            earlier.impacts.low / earlier.launched.high * launched.low,
            earlier.impacts.high / earlier.launched.low * launched.high,
        ),
        median=median,
        interval=(low, high),
        seen=seen,
        more=more,
        chances=tails,
        leak_then=leak_then,
        leak_seen=leak,
        interception_needed=_each(leak, lambda s: 1 - s / r),
        reliability_needed=_each(leak, lambda s: s / (1 - q)),
        impacts_needed=_impacts_needed(fit, other, more=more) if tails[1] < RARE else None,
    )


def _each(values: tuple[float, float, float], fn: Callable[[float], float]) -> tuple[float, float, float]:
    low, best, high = (float(fn(value)) for value in values)
    return low, best, high


def _best(figure: Figure) -> float:
    return (figure.low + figure.high) / 2 if figure.best is None else figure.best


def _impacts_needed(fit: SalvoFit, other: SalvoReport, *, more: bool) -> int | None:
    """By halving: the chance rises with the count reported of the earlier salvo (falls, if fewer were seen)."""
    report = fit.report
    best = _best(other.impacts)

    def chance(count: int) -> float:
        changed = report.impacts.model_copy(update={"low": float(count), "best": None, "high": float(count)})
        try:
            again = fit_salvo(
                SalvoReport(report.launched, changed, report.arrived),
                reliability=_thinned(fit.reliability),
                interception=_thinned(fit.interception),
            )
        except UsageError:  # no such count can be: more would have hit than arrived
            return 0.0
        return _Ahead.of(again, other.launched).tail(best, more=more)

    step = 1 if more else -1
    near = int(_best(report.impacts))
    far = int(_best(report.launched)) // 2 if more else 0
    if (far - near) * step <= 0 or chance(far) < RARE:
        return None
    while abs(far - near) > 1:
        middle = (near + far) // 2
        near, far = (near, middle) if chance(middle) >= RARE else (middle, far)
    return far


def _thinned(values: "np.ndarray", number: int = 60) -> "np.ndarray":
    """Fewer equally likely values: enough where a chance is only compared with 5 %."""
    import numpy as np

    if len(values) <= number:
        return values
    return np.quantile(values, (np.arange(number) + 0.5) / number)


# -- summaries -----------------------------------------------------------------------------------
def _quantiles(values: "np.ndarray", weights: "np.ndarray", shares: tuple[float, float]) -> tuple[float, float]:
    """Values below which shares of the weight lie; the weight of each value counts half below it."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) - weights[order] / 2
    low, high = np.interp(shares, below, values[order])
    return float(low), float(high)


def _ranks(weights: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.cumsum(weights) - weights / 2


def _correlation(x: "np.ndarray", y: "np.ndarray", weights: "np.ndarray") -> float:
    dx, dy = x - weights.sum(axis=1) @ x, y - weights.sum(axis=0) @ y
    spread = ((weights.sum(axis=1) @ dx**2) * (weights.sum(axis=0) @ dy**2)) ** 0.5
    return float(dx @ weights @ dy / spread) if spread > 1e-15 else 0.0
