"""Boxes: the worlds in which a few parameters lie within ranges, what a box is worth, and how it is put in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detente.decide.regret import as_weights
from detente.errors import UsageError, nearest

MAX_LABELS = 256
Inputs = Mapping[str, ArrayLike] | ArrayLike


# -- records ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Restriction:
    """What a box asks of one parameter.

    Attributes:
        parameter: Its name.
        low: Values are at or above this; None where there is no lower limit.
        high: Values are at or below this; None where there is no upper limit.
        least: Smallest value over all worlds.
        most: Largest value over all worlds.
        labels: Labels (as text) that are in the box, for a parameter that has labels and no order.
        left_out: The labels that are not.
        quasi_p: How likely so many failures would be in the box if this restriction did nothing; None if not asked.
    """

    parameter: str
    low: float | None = None
    high: float | None = None
    least: float = np.nan
    most: float = np.nan
    labels: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    quasi_p: float | None = None

    def holds(self, values: ArrayLike) -> np.ndarray:
        """Which values satisfy the restriction.

        Args:
            values: Of the parameter, as they were given.
        """
        given = np.asarray(values)
        if self.left_out:
            return np.isin(given.astype(str), self.labels)
        low, high = -np.inf if self.low is None else self.low, np.inf if self.high is None else self.high
        return (given >= low) & (given <= high)


@dataclass(frozen=True)
class Box:
    """A part of the space of worlds.

    Attributes:
        restrictions: What it asks of parameters; the others may have any value.
        coverage: Share of all failures that lie in it.
        density: Share of its worlds that fail.
        mass: Share of all worlds that lie in it.
    """

    restrictions: tuple[Restriction, ...]
    coverage: float
    density: float
    mass: float

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the restricted parameters."""
        return tuple(r.parameter for r in self.restrictions)

    def holds(self, inputs: Mapping[str, ArrayLike]) -> np.ndarray:
        """Which worlds lie in the box.

        Args:
            inputs: Parameter → values, at least of the restricted ones.
        """
        found = np.ones(len(np.asarray(next(iter(inputs.values())))), dtype=bool)
        for restriction in self.restrictions:
            found &= restriction.holds(inputs[restriction.parameter])
        return found


@dataclass(frozen=True, eq=False)
class Worlds:
    """Checked inputs: what varies, and which worlds fail.

    Attributes:
        names: Of the parameters.
        columns: Values, or numbers of labels, one array a parameter.
        labels: Labels of each parameter; empty for one with an order.
        fails: Which worlds fail, (draw,).
        weights: How much each world counts, (draw,).
    """

    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    labels: tuple[tuple[str, ...], ...]
    fails: np.ndarray
    weights: np.ndarray

    @property
    def base_rate(self) -> float:
        """Share of all worlds that fail."""
        return float(self.weights @ self.fails / self.weights.sum())


def quasi_p(failures: float, worlds: float, share: float) -> float:
    """How likely so many failures would be in a box, had one restriction no effect: a one-sided binomial test.

    *Quasi*, because the box was chosen for its failures, so that the number is too small to be taken at its word; it
    serves to tell restrictions apart.

    Args:
        failures: Failing worlds in the box.
        worlds: Worlds in the box (with weights, as many as would be as informative).
        share: Share of failures in the box without the restriction.

    Returns:
        The probability of at least that many failures.

    Source:
        bryant2010.

    Example:
        >>> quasi_p(2, 2, 0.5)
        0.25
    """
    from scipy.special import betainc

    if failures <= 0:
        return 1.0
    return float(betainc(failures, max(worlds - failures, 0.0) + 1, share))


# -- reading what is given -------------------------------------------------------------------------
def failing(values: ArrayLike, threshold: float, *, better: str = "lower") -> np.ndarray:
    """Say which worlds count as a failure: those in which an outcome is worse than a threshold.

    Args:
        values: The outcome, (draw,).
        threshold: What is just good enough.
        better: ``lower`` or ``higher``.

    Raises:
        UsageError: If ``better`` is neither, or a value is not a number.

    Example:
        >>> failing([0.1, 0.3, 0.2], 0.2).tolist()
        [False, True, False]
    """
    if better not in ("lower", "higher"):
        raise UsageError(f"better: {better!r} is not a direction. Say 'lower' or 'higher'.")
    found = np.asarray(values, dtype=float)
    missing = int(np.isnan(found).sum())
    if missing:
        raise UsageError(
            f"values: {missing:,} of {len(found):,} are not numbers. Leave those draws out, and count them."
        )
    return found > threshold if better == "lower" else found < threshold


def read_worlds(
    inputs: Inputs,
    fails: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    weights: ArrayLike | None = None,
) -> Worlds:
    """Check what is known of each world, before anything is searched in it.

    Args:
        inputs: Parameter → values, where text marks labels without an order; or numbers, (draw, parameter).
        fails: Whether each world fails, (draw,).
        names: Of the columns, where ``inputs`` is one array.
        labels: Parameter → its labels, for a column that holds their numbers (0 is the first).
        weights: How much each world counts; those that count nothing are left out.

    Raises:
        UsageError: If shapes differ, values are missing, a column is constant, or no world fails, or all do.
    """
    given = _as_columns(inputs, names)
    known = {name: tuple(map(str, values)) for name, values in (labels or {}).items()}
    for name in known:
        if name not in given:
            raise UsageError(f"labels: {name!r} is not a parameter.{nearest(name, given)}")
    failed = _as_flags(fails)
    for name, column in given.items():
        if column.shape != failed.shape:
            raise UsageError(
                f"inputs: {name!r} has shape {column.shape}, but there are {len(failed):,} worlds. Give one value "
                "a world."
            )
    if not len(failed):
        raise UsageError("inputs: there are no worlds left to search. Loosen the filter.")
    counted = as_weights(weights, len(failed))
    columns, label_lists = _as_numbers(given, known)
    present = counted > 0
    if not present.all():
        columns, failed, counted = [c[present] for c in columns], failed[present], counted[present]
    constant = [name for name, column in zip(given, columns, strict=True) if column.min() == column.max()]
    if constant:
        raise UsageError(
            f"inputs: {', '.join(map(repr, constant))} has the same value in every world, so nothing can hang on it. "
            "Leave it out."
        )
    _check_both_kinds(failed)
    return Worlds(tuple(given), tuple(columns), tuple(label_lists), failed, counted)


def _as_columns(inputs: Inputs, names: Sequence[str] | None) -> dict[str, np.ndarray]:
    if isinstance(inputs, Mapping):
        found = {name: np.asarray(values) for name, values in inputs.items()}
    else:
        table = np.asarray(inputs)
        if names is None or table.ndim != 2 or table.shape[1] != len(names) or len(set(names)) != len(names):
            raise UsageError(
                f"inputs: an array of shape {table.shape} needs one distinct name a column, and has names {names}. "
                "Give (draw, parameter) and names=[…], or a mapping from names to columns."
            )
        found = {name: table[:, j] for j, name in enumerate(names)}
    if not found:
        raise UsageError("inputs: there are no parameters to search in. Give at least one.")
    return found


def _as_flags(fails: ArrayLike) -> np.ndarray:
    found = np.asarray(fails)
    if found.ndim != 1 or not np.isin(found, (0, 1)).all():
        raise UsageError(
            "fails: it must say True or False (1 or 0) for each world, and holds something else. Make it with "
            "failing(values, threshold)."
        )
    return found.astype(bool)


def _as_numbers(
    given: Mapping[str, np.ndarray], known: Mapping[str, tuple[str, ...]]
) -> tuple[list[np.ndarray], list[tuple[str, ...]]]:
    """Columns as numbers, and the labels of those that have labels; refuses what is missing."""
    columns, labels, bad = [], [], {}
    for name, column in given.items():
        if column.dtype.kind in "OUSb":
            missing = (
                np.array([v is None or v != v for v in column])
                if column.dtype.kind == "O"
                else np.zeros(len(column), bool)
            )
            found, codes = np.unique(column.astype(str), return_inverse=True)
            columns.append(codes.astype(float))
            labels.append(tuple(map(str, found)))
        else:
            numbers = column.astype(float)
            missing = ~np.isfinite(numbers)
            columns.append(numbers)
            labels.append(known.get(name, ()))
        if missing.any():
            bad[name] = missing
    if bad:
        rows = int(np.logical_or.reduce(list(bad.values())).sum())
        said = ", ".join(f"{name!r} in {int(m.sum()):,}" for name, m in bad.items())
        raise UsageError(
            f"inputs: {rows:,} of {len(columns[0]):,} worlds have values that are missing or not finite ({said}). "
            "Leave these worlds out, and say how many they are."
        )
    for name, column, names in zip(given, columns, labels, strict=True):
        if len(names) > MAX_LABELS:
            raise UsageError(
                f"inputs: {name!r} has {len(names):,} different labels; at most {MAX_LABELS} can be searched. Group "
                "them, or leave it out."
            )
        if names and not np.isin(column, np.arange(len(names))).all():
            raise UsageError(f"inputs: {name!r} has values that are not numbers of its {len(names)} labels (0 to …).")
    return columns, labels


def _check_both_kinds(failed: np.ndarray) -> None:
    if not failed.any():
        raise UsageError(
            f"fails: none of the {len(failed):,} worlds fails, so there is nothing to explain. Say more strictly what "
            "counts as a failure (a threshold that some worlds miss)."
        )
    if failed.all():
        raise UsageError(
            f"fails: all {len(failed):,} worlds fail, so nothing sets failures apart. Say less strictly what counts as "
            "a failure, or ask about another policy."
        )


# -- in words --------------------------------------------------------------------------------------
def conditions(box: Box, titles: Mapping[str, str] | None = None) -> str:
    """What a box asks, in words.

    Args:
        box: The box.
        titles: Parameter → what to call it; by default its name with spaces.

    Example:
        >>> conditions(Box((Restriction("resolve", low=0.7, least=0, most=1),), 0.7, 0.9, 0.1))
        'resolve is above 0.7'
    """
    known = titles or {}
    parts = [f"{known.get(r.parameter, r.parameter.replace('_', ' '))} is {_range(r)}" for r in box.restrictions]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 2 else parts)


def _range(r: Restriction) -> str:
    if r.left_out:
        return f"not {r.left_out[0]}" if len(r.left_out) == 1 and len(r.labels) > 1 else " or ".join(r.labels)
    if r.low is None or r.high is None:
        return f"above {_number(r, r.low)}" if r.low is not None else f"below {_number(r, r.high)}"
    return f"between {_number(r, r.low)} and {_number(r, r.high)}"


def _number(r: Restriction, value: float | None) -> str:
    """With as many decimals as the range of the parameter deserves: a hundredth of it is told apart."""
    assert value is not None
    width = r.most - r.least
    decimals = max(0, 2 - round(float(np.log10(width)))) if width > 0 and np.isfinite(width) else 2
    text = f"{value:,.{min(decimals, 12)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−") if text not in ("-0", "") else "0"


def card(
    box: Box,
    policy: str,
    failure: str,
    *,
    titles: Mapping[str, str] | None = None,
    base_rate: float | None = None,
) -> str:
    """One sentence on when a policy fails, with the three numbers that say how good the sentence is.

    Args:
        box: From :func:`discover` or a tree.
        policy: Title of the policy.
        failure: What counts as a failure, in words.
        titles: Parameter → what to call it.
        base_rate: Share of all worlds that fail, for a box that asks nothing.

    Example:
        >>> resolve = Restriction("resolve", low=0.7, least=0, most=1)
        >>> word = Restriction("word", high=0.4, least=0, most=1)
        >>> print(card(Box((resolve, word), 0.71, 0.88, 0.12), "Strike alone", "retaliation on oil or nuclear sites"))
        *Strike alone* fails (retaliation on oil or nuclear sites) when resolve is above 0.7 and word is below 0.4: 71 %
        of failures, 88 % of such worlds fail, 12 % of all worlds.
    """
    if not box.restrictions:
        share = percent(box.density if base_rate is None else base_rate)
        return f"*{policy}* fails ({failure}) in {share} of worlds, and no range of a parameter sets them apart."
    return (
        f"*{policy}* fails ({failure}) when {conditions(box, titles)}: {percent(box.coverage)} of failures, "
        f"{percent(box.density)} of such worlds fail, {percent(box.mass)} of all worlds."
    )


def percent(share: float) -> str:
    """A share as a percentage that never rounds to none or all.

    Example:
        >>> percent(0.712), percent(0.9999), percent(0.0001), percent(1)
        ('71 %', '> 99.9 %', '< 0.1 %', '100 %')
    """
    if 0 < share < 0.0005 or 0.9995 < share < 1:
        return "< 0.1 %" if share < 0.5 else "> 99.9 %"
    return f"{100 * share:.1f} %" if 0 < share < 0.01 or 0.99 < share < 1 else f"{100 * share:.0f} %"
