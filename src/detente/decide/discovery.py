"""When does a policy fail: the ranges of parameters in which failures gather, found by peeling (PRIM)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from detente.decide.boxes import Box, Inputs, Restriction, Worlds, quasi_p, read_worlds
from detente.errors import UsageError, nearest

PEEL, PASTE, LEAST = 0.05, 0.05, 0.05
MAX_STEPS = 1_000
OBJECTIVES = ("gain", "mean")


@dataclass(frozen=True)
class Discovery:
    """Where failures gather.

    Attributes:
        box: The box that is proposed: chosen from the trade-off curve, widened, and rid of what is not significant.
        boxes: The whole trade-off curve: boxes from all worlds down to the densest.
        chosen: Index in ``boxes`` of the one that ``box`` was made from.
        base_rate: Share of all worlds that fail.
        num_worlds: How many worlds there are.
        num_failures: How many of them fail.
    """

    box: Box
    boxes: tuple[Box, ...]
    chosen: int
    base_rate: float
    num_worlds: int
    num_failures: int

    def curve(self) -> dict[str, np.ndarray]:
        """The trade-off curve as columns: coverage, density, mass, and the number of restricted parameters."""
        found = {name: np.array([getattr(b, name) for b in self.boxes]) for name in ("coverage", "density", "mass")}
        return {**found, "restricted": np.array([len(b.restrictions) for b in self.boxes])}


# -- PRIM ------------------------------------------------------------------------------------------
def discover(
    inputs: Inputs,
    fails: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    weights: ArrayLike | None = None,
    density: float | None = None,
    peel: float = PEEL,
    paste: float = PASTE,
    least: float = LEAST,
    objective: str = "gain",
    significance: float = 0.05,
) -> Discovery:
    """Find the worlds in which a policy fails: a few parameters, each within a range.

    The patient rule induction method: thin slices are taken off the whole, each time the one that leaves the highest
    share of failures (for what it gives up); this gives the trade-off curve between covering many failures and
    containing little else. One box of it is chosen, widened again where that costs nothing, and freed of restrictions
    that might as well be chance. Which other box of the curve to take is the analyst's choice.

    Args:
        inputs: Parameter → values (text marks labels without an order), or numbers, (draw, parameter), with ``names``.
        fails: Whether each world fails, (draw,); see :func:`detente.decide.boxes.failing`.
        names: Of the columns, where ``inputs`` is one array.
        labels: Parameter → its labels, for columns that hold numbers of labels.
        weights: How much each world counts.
        density: Take the box that covers most failures among those in which at least this share of worlds fails. By
            default the box with the largest product of coverage and density gained: coverage × (density − base rate).
        peel: Share of the box that a slice of a numeric parameter takes off.
        paste: Share of the box that a widening adds.
        least: No box is smaller than this share of all worlds.
        objective: ``gain``: what a slice adds to the density for each world given up; ``mean``: the density it leaves.
        significance: Restrictions whose quasi-p value is larger are dropped from the proposed box.

    Returns:
        The proposed box and the whole curve. Cost: about 2 s for a million worlds with 15 parameters, on one core.
        A numeric column with more than 4,096 distinct values is searched in that many bins.

    Raises:
        UsageError: If no world or every world fails, a column is constant or has missing values, or an option is out of
            range.

    Source:
        friedman1999 (method); bryant2010 (coverage, density, quasi-p values).

    Example:
        >>> from detente.decide.boxes import conditions
        >>> resolve = np.linspace(0, 1, 200)
        >>> found = discover({"resolve": resolve}, resolve > 0.7)
        >>> conditions(found.box), round(found.box.coverage, 2), found.box.density
        ('resolve is above 0.71', 0.97, 1.0)
    """
    _check_options(peel=peel, paste=paste, least=least, objective=objective, density=density)
    worlds = read_worlds(inputs, fails, names=names, labels=labels, weights=weights)
    search = _Search(worlds)
    low, high, kept, inside, hit = search.peel(np.arange(len(worlds.fails)), peel, least, objective)
    curve = tuple(search.box(*limits) for limits in zip(low, high, kept, inside, hit, strict=True))
    chosen = _choose(curve, worlds.base_rate, density)
    limits = search.paste(low[chosen], high[chosen], kept[chosen], paste)
    box = _significant(search, limits, significance)
    return Discovery(box, curve, chosen, worlds.base_rate, len(worlds.fails), int(worlds.fails.sum()))


def _check_options(*, peel: float, paste: float, least: float, objective: str, density: float | None) -> None:
    for name, value in {"peel": peel, "paste": paste, "least": least}.items():
        if not 0 < value < 0.5:
            raise UsageError(f"{name}: {value:g} is out of range. Give a share above 0 and below 0.5; 0.05 is usual.")
    if objective not in OBJECTIVES:
        raise UsageError(f"objective: {objective!r} is not known.{nearest(objective, OBJECTIVES)}")
    if density is not None and not 0 < density <= 1:
        raise UsageError(f"density: {density:g} is not a share of worlds. Give a number above 0, up to 1.")


class _Search:
    """Worlds as codes, and boxes as limits in codes."""

    def __init__(self, worlds: Worlds):
        from detente.decide import peeling  # compiled code takes half a second to load

        self.worlds, self.kernel = worlds, peeling
        self.codes = peeling.encode(list(worlds.columns), [len(names) for names in worlds.labels])
        self.rows = np.arange(len(worlds.fails))
        self.range = [(float(column.min()), float(column.max())) for column in worlds.columns]
        self.weight, self.failure = worlds.weights, worlds.weights * worlds.fails
        self.total, self.failing = float(self.weight.sum()), float(self.failure.sum())

    def peel(self, rows: np.ndarray, share: float, least: float, objective: str) -> tuple[Any, ...]:
        c = self.codes
        least_weight = least * float(self.weight[rows].sum()) * (1 - 1e-12)
        by_mean, arrays = objective == "mean", (rows, self.weight, self.failure)
        found = self.kernel.peel(
            c.codes, c.count, c.lowest, c.highest, c.ordered, *arrays, share, least_weight, by_mean, MAX_STEPS
        )
        return found[1:]

    def paste(self, low: np.ndarray, high: np.ndarray, kept: np.ndarray, share: float) -> tuple[Any, ...]:
        c, width = self.codes, self.codes.lowest.shape[1]
        arrays = (self.rows, self.weight, self.failure)
        found = self.kernel.paste(c.codes, c.count, c.ordered, *arrays, low, high, kept, share, MAX_STEPS, width)
        return found[:5]

    def restricted(self, low: np.ndarray, high: np.ndarray, kept: np.ndarray) -> np.ndarray:
        c = self.codes
        return np.array([
            (low[j] > 0 or high[j] < c.count[j] - 1) if c.ordered[j] else not kept[j, : c.count[j]].all()
            for j in range(len(c.count))
        ])  # fmt: skip

    def box(self, low: np.ndarray, high: np.ndarray, kept: np.ndarray, inside: float, hit: float) -> Box:
        columns = np.flatnonzero(self.restricted(low, high, kept))
        restrictions = tuple(self._restriction(int(j), low[j], high[j], kept[j]) for j in columns)
        return Box(restrictions, float(hit / self.failing), float(hit / inside), float(inside / self.total))

    def _restriction(self, j: int, low: int, high: int, kept: np.ndarray) -> Restriction:
        c, name, labels = self.codes, self.worlds.names[j], self.worlds.labels[j]
        if labels:
            inside = tuple(label for label, stays in zip(labels, kept, strict=False) if stays)
            return Restriction(name, labels=inside, left_out=tuple(label for label in labels if label not in inside))
        lowest, highest = c.lowest[j], c.highest[j]
        last = c.count[j] - 1
        return Restriction(
            name,
            low=_between(_last_filled(highest, low), lowest[low], up=True) if low > 0 else None,
            high=_between(highest[high], _first_filled(lowest, high), up=False) if high < last else None,
            least=self.range[j][0],
            most=self.range[j][1],
        )

    def count(
        self, low: np.ndarray, high: np.ndarray, kept: np.ndarray, without: int = -1
    ) -> tuple[float, float, float]:
        """Weight, failing weight and number of effective worlds in a box, one of its restrictions left aside."""
        marked = self.restricted(low, high, kept)
        if without >= 0:
            marked[without] = False
        c = self.codes
        by = self.kernel.broken(c.codes, c.ordered, np.flatnonzero(marked), self.rows, low, high, kept)
        weight, failure = self.weight[by == -1], self.failure[by == -1]
        inside = float(weight.sum())
        return inside, float(failure.sum()), inside**2 / float(weight @ weight)

    def quasi_p(self, low: np.ndarray, high: np.ndarray, kept: np.ndarray, column: int) -> float:
        inside, hit, effective = self.count(low, high, kept)
        without, without_hit, _ = self.count(low, high, kept, without=column)
        return quasi_p(hit / inside * effective, effective, without_hit / without)


def _last_filled(highest: np.ndarray, low: int) -> float:
    filled = np.flatnonzero(np.isfinite(highest[:low]))
    return float(highest[filled[-1]]) if len(filled) else -np.inf


def _first_filled(lowest: np.ndarray, high: int) -> float:
    filled = np.flatnonzero(np.isfinite(lowest[high + 1 :]))
    return float(lowest[high + 1 + filled[0]]) if len(filled) else np.inf


def _between(below: float, above: float, *, up: bool) -> float:
    """A limit halfway between two neighbours, on the right side of both whatever the rounding."""
    middle = below + (above - below) / 2
    if not np.isfinite(middle) or not below < middle < above:
        return float(above if up else below)
    return float(middle)


def _choose(curve: Sequence[Box], base_rate: float, density: float | None) -> int:
    """Which box of the curve to propose."""
    if density is None:
        return int(np.argmax([box.coverage * (box.density - base_rate) for box in curve]))
    reached = [i for i, box in enumerate(curve) if box.density >= density]
    if not reached:
        densest = max(box.density for box in curve)
        raise UsageError(
            f"density: no box reaches {density:g}; the densest has {densest:.2f}. Ask for at most that, or let boxes "
            "be smaller (least)."
        )
    return max(reached, key=lambda i: curve[i].coverage)


def _significant(search: _Search, limits: tuple[Any, ...], significance: float) -> Box:
    """The box without those restrictions that might as well be chance, the least significant going first."""
    low, high, kept = (np.array(part) for part in limits[:3])
    while True:
        columns = np.flatnonzero(search.restricted(low, high, kept))
        p = {int(j): search.quasi_p(low, high, kept, int(j)) for j in columns}
        weakest = max(p, key=lambda j: p[j], default=None)
        if weakest is None or p[weakest] <= significance:
            break
        low[weakest], high[weakest], kept[weakest] = 0, search.codes.count[weakest] - 1, True
    inside, hit, _ = search.count(low, high, kept)
    box = search.box(low, high, kept, inside, hit)
    values = [p[search.worlds.names.index(r.parameter)] for r in box.restrictions]
    ranked = [replace(r, quasi_p=value) for r, value in zip(box.restrictions, values, strict=True)]
    return replace(box, restrictions=tuple(sorted(ranked, key=_chance)))


def _chance(restriction: Restriction) -> float:
    return 1.0 if restriction.quasi_p is None else restriction.quasi_p


# -- stability -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Stability:
    """How often a parameter is restricted when the search is run again on half of the worlds.

    Attributes:
        at_coverage: Share of repetitions, in the box that covers about as much as the proposed one.
        at_density: Share of repetitions, in the box that is about as dense.
    """

    at_coverage: float
    at_density: float


def stability(
    inputs: Inputs,
    fails: ArrayLike,
    box: Box,
    *,
    names: Sequence[str] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    weights: ArrayLike | None = None,
    num_repeats: int = 20,
    seed: int = 0,
    peel: float = PEEL,
    least: float = LEAST,
    objective: str = "gain",
) -> dict[str, Stability]:
    """Search again in random halves of the worlds, and count in how many each parameter is restricted.

    A parameter that belongs to the story comes back nearly always; one that comes back half of the time may be chance.

    Args:
        inputs: As for :func:`discover`.
        fails: As for :func:`discover`.
        box: The proposed box, to whose coverage and density the repetitions are matched.
        names: As for :func:`discover`.
        labels: As for :func:`discover`.
        weights: As for :func:`discover`.
        num_repeats: How many halves.
        seed: Of the halves; the same seed gives the same numbers.
        peel: As for :func:`discover`.
        least: As for :func:`discover`.
        objective: As for :func:`discover`.

    Returns:
        Parameter → shares, for all parameters. Cost: half a search each.

    Raises:
        UsageError: As :func:`discover`, or if there are fewer than 2 repeats or 4 worlds.

    Source:
        bryant2010.
    """
    _check_options(peel=peel, paste=PASTE, least=least, objective=objective, density=None)
    worlds = read_worlds(inputs, fails, names=names, labels=labels, weights=weights)
    if num_repeats < 2 or len(worlds.fails) < 4:
        raise UsageError(f"repeats: {num_repeats} halves of {len(worlds.fails)} worlds say nothing. Ask for 2 or more.")
    search, rng = _Search(worlds), np.random.default_rng(seed)
    counts = np.zeros((2, len(worlds.names)))
    for _ in range(num_repeats):
        rows = np.sort(rng.permutation(len(worlds.fails))[: len(worlds.fails) // 2])
        failed = float(search.failure[rows].sum())
        if failed == 0:
            continue  # a half without failures restricts nothing, and counts as that
        low, high, kept, inside, hit = search.peel(rows, peel, least, objective)
        for k, gap in enumerate((np.abs(hit / failed - box.coverage), np.abs(hit / inside - box.density))):
            i = int(np.argmin(gap))
            counts[k] += search.restricted(low[i], high[i], kept[i])
    shares = counts / num_repeats
    return {name: Stability(float(shares[0, j]), float(shares[1, j])) for j, name in enumerate(worlds.names)}
