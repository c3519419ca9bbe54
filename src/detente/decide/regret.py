"""Regret: what a policy costs, world by world, against the policy that would have been best there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detente.errors import UsageError

Values = ArrayLike  # (draw, policy), in the outcome's own unit
SCALES = ("absolute", "world", "overall")
TIE = 1e-12  # a regret below this share of the overall range is no regret


# -- reading what is given -------------------------------------------------------------------------
def as_values(values: Values, policies: Sequence[str], *, where: str = "values") -> np.ndarray:
    """Check that values are numbers with one column a policy and one row a draw.

    Args:
        values: (draw, policy).
        policies: Names, one a column.
        where: What the values are, for error messages.

    Raises:
        UsageError: If there is no draw or no policy, names repeat, shapes differ, or a value is not a number.

    Example:
        >>> as_values([[1, 2]], ["act", "wait"]).shape
        (1, 2)
    """
    found = np.asarray(values, dtype=float)
    names = list(policies)
    if found.ndim != 2 or found.shape[1] != len(names):
        raise UsageError(
            f"{where}: their shape {found.shape} does not fit {len(names)} policies. Give one row a draw and one "
            "column a policy."
        )
    if not names or len(set(names)) < len(names):
        raise UsageError(f"policies: {names} are not distinct names. Give each column a name of its own, at least one.")
    if not len(found):
        raise UsageError(
            f"{where}: there are no draws left to compare. Loosen the filter, or look at why draws did not converge."
        )
    bad = ~np.isfinite(found)
    if bad.any():
        counts = {name: int(n) for name, n in zip(names, bad.sum(axis=0), strict=True) if n}
        said = ", ".join(f"{name!r} in {n:,}" for name, n in counts.items())
        raise UsageError(
            f"{where}: {int(bad.any(axis=1).sum()):,} of {len(found):,} draws are not finite numbers ({said}). Leave "
            "out the draws that did not converge, under all policies alike, and say how many they are."
        )
    return found


def as_weights(weights: ArrayLike | None, num_draws: int) -> np.ndarray:
    """Check the weights of draws; without any, each draw counts once.

    Args:
        weights: One non-negative number a draw, or None.
        num_draws: How many draws there are.

    Raises:
        UsageError: If they do not fit, are negative or not numbers, or sum to nothing.

    Example:
        >>> as_weights(None, 3).tolist()
        [1.0, 1.0, 1.0]
    """
    if weights is None:
        return np.ones(num_draws)
    found = np.asarray(weights, dtype=float)
    if found.shape != (num_draws,):
        raise UsageError(
            f"weights: their shape {found.shape} does not fit {num_draws:,} draws. Give one number a draw."
        )
    wrong = ~(np.isfinite(found) & (found >= 0))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise UsageError(
            f"weights: {int(wrong.sum()):,} of them are negative or not numbers (the first is {found[first]} in draw "
            f"{first}). Weights say how often a draw counts: 0 or more."
        )
    if found.sum() <= 0:
        raise UsageError("weights: all are 0, so there is no world left. Give at least one draw a weight above 0.")
    return found


def oriented(values: np.ndarray, better: str) -> np.ndarray:
    """Values turned so that more is better.

    Args:
        values: Of an outcome.
        better: ``lower`` or ``higher``.

    Raises:
        UsageError: If ``better`` is neither.

    Example:
        >>> oriented(np.array([1.0, 2.0]), "lower").tolist()
        [-1.0, -2.0]
    """
    if better not in ("lower", "higher"):
        raise UsageError(f"better: {better!r} is not a direction. Say 'lower' or 'higher'.")
    return values if better == "higher" else -values


def quantiles(values: np.ndarray, shares: Sequence[float], weights: np.ndarray | None = None) -> np.ndarray:
    """Values that given shares of the weight lie below.

    The value at which the running weight passes the share; where it meets the share exactly, the middle between that
    value and the next (so the median of 1, 2 is 1.5). A weight of 2 is then exactly the same as two draws.

    Args:
        values: (draw,) or (draw, column).
        shares: Between 0 and 1.
        weights: (draw,); by default all the same.

    Returns:
        (share,) or (share, column).

    Example:
        >>> quantiles(np.array([3.0, 1.0, 2.0, 4.0]), [0.1, 0.5]).tolist()
        [1.0, 2.5]
    """
    columns = values[:, None] if values.ndim == 1 else values
    if weights is None:
        weights = np.ones(len(columns))
    columns, weights = columns[weights > 0], weights[weights > 0]
    found = np.empty((len(shares), columns.shape[1]))
    for j in range(columns.shape[1]):
        order = np.argsort(columns[:, j], kind="stable")
        ordered, running = columns[order, j], np.cumsum(weights[order])
        target = np.asarray(shares) * running[-1]
        slack = 1e-12 * running[-1]
        last = len(ordered) - 1
        below = np.minimum(np.searchsorted(running, target - slack, side="left"), last)
        above = np.minimum(np.searchsorted(running, target + slack, side="left"), last)
        found[:, j] = (ordered[below] + ordered[above]) / 2
    return found[:, 0] if values.ndim == 1 else found


# -- regret ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Regret:
    """What choosing a policy costs over the worlds, against the policy that is best in each.

    Attributes:
        policy: Its name.
        mean: Average over the worlds.
        low: 5th percentile.
        median: Middle value.
        high: 95th percentile.
        worst: Largest.
        never: Share of worlds in which no other policy is better.
    """

    policy: str
    mean: float
    low: float
    median: float
    high: float
    worst: float
    never: float


def regrets(values: Values, policies: Sequence[str], *, better: str = "lower", scale: str = "absolute") -> np.ndarray:
    """What every policy costs in every world against the best policy there.

    Always defined, whatever the sign of the outcome: regret is a difference, and it is divided only by ranges, never
    by a value.

    Args:
        values: The outcome, (draw, policy).
        policies: Names, one a column.
        better: ``lower`` or ``higher``: which values are better.
        scale: ``absolute``: in the outcome's unit. ``world``: divided by the range between the best and the worst
            policy of that world, so that the worst policy has 1; 0 for all in a world where all are equal. ``overall``:
            divided by the range of all values in all worlds, so that outcomes in different units can stand side by
            side; 0 where nothing ever varies.

    Returns:
        Regret of every policy in every draw, (draw, policy), 0 or more; between 0 and 1 when normalised.

    Raises:
        UsageError: If the values and names do not fit, or a word is not known.

    Source:
        savage1951 (regret); mcphail2018.

    Example:
        >>> regrets([[-1.0, 1.0], [2.0, 0.0]], ["act", "wait"], better="lower").tolist()
        [[0.0, 2.0], [2.0, 0.0]]
    """
    if scale not in SCALES:
        raise UsageError(f"scale: {scale!r} is not known. Say one of {', '.join(map(repr, SCALES))}.")
    found = oriented(as_values(values, policies), better)
    lost = found.max(axis=1, keepdims=True) - found
    if scale == "absolute":
        return lost
    width = np.ptp(found, axis=1, keepdims=True) if scale == "world" else np.full((len(found), 1), np.ptp(found))
    # Where all values are equal nothing is lost: 0, not 0/0.
    return np.divide(lost, width, out=np.zeros_like(lost), where=width > 0)


def regret_table(
    values: Values,
    policies: Sequence[str],
    *,
    better: str = "lower",
    weights: ArrayLike | None = None,
    scale: str = "absolute",
) -> tuple[Regret, ...]:
    """Sum up what each policy costs over the worlds, in the order of the policies.

    Args:
        values: The outcome, (draw, policy).
        policies: Names, one a column.
        better: ``lower`` or ``higher``.
        weights: How much each draw counts.
        scale: ``absolute``, ``world`` or ``overall``; see :func:`regrets`.

    Returns:
        One row a policy, with a 90 % interval over the worlds.

    Raises:
        UsageError: If the values, weights and names do not fit together.

    Example:
        >>> act, wait = regret_table([[1, 3], [2, 2], [9, 3]], ["act", "wait"])
        >>> act.worst, wait.worst, round(wait.never, 2)
        (6.0, 2.0, 0.67)
    """
    lost = regrets(values, policies, better=better, scale=scale)
    counted = as_weights(weights, len(lost))
    lost, counted = lost[counted > 0], counted[counted > 0]
    level = TIE * max(float(lost.max()), 1e-300)
    low, median, high = quantiles(lost, [0.05, 0.5, 0.95], counted)
    mean = np.average(lost, axis=0, weights=counted)
    never = np.average(lost <= level, axis=0, weights=counted)
    columns = (mean, low, median, high, lost.max(axis=0), never)
    return tuple(Regret(name, *(float(c[i]) for c in columns)) for i, name in enumerate(policies))


def order_of(table: Sequence[Regret], *, by: str = "median") -> tuple[str, ...]:
    """Policies by their regret, least first; ties stay in the order of the table.

    Args:
        table: From :func:`regret_table`.
        by: ``mean``, ``median``, ``high`` or ``worst``.

    Raises:
        UsageError: If ``by`` is none of these.

    Example:
        >>> order_of(regret_table([[1, 3], [2, 2], [9, 3]], ["act", "wait"]), by="worst")
        ('wait', 'act')
    """
    if by not in ("mean", "median", "high", "worst"):
        raise UsageError(f"by: {by!r} is not a column to order by. Say 'mean', 'median', 'high' or 'worst'.")
    return tuple(row.policy for row in sorted(table, key=lambda row: getattr(row, by)))


def regret_tables(
    outcomes: Mapping[str, Values],
    policies: Sequence[str],
    better: Mapping[str, str],
    *,
    weights: ArrayLike | None = None,
    scale: str = "absolute",
) -> dict[str, tuple[Regret, ...]]:
    """The table for each outcome, or for each player's payoff, by name.

    Args:
        outcomes: Name of an outcome or player → values, (draw, policy).
        policies: Names, one a column.
        better: The same names → ``lower`` or ``higher``.
        weights: How much each draw counts.
        scale: ``absolute``, ``world`` or ``overall``; the last two let rows of different outcomes be compared.

    Returns:
        Name → one row a policy.

    Raises:
        UsageError: If an outcome has no direction, or anything does not fit.

    Example:
        >>> outcomes, better = {"cost": [[1, 3]], "gain": [[1, 3]]}, {"cost": "lower", "gain": "higher"}
        >>> tables = regret_tables(outcomes, ["a", "b"], better)
        >>> [row.policy for row in tables["gain"] if row.worst == 0]
        ['b']
    """
    check_directions(outcomes, better)
    read = {name: as_values(given, policies, where=name) for name, given in outcomes.items()}
    return {
        name: regret_table(values, policies, better=better[name], weights=weights, scale=scale)
        for name, values in read.items()
    }


def check_directions(outcomes: Mapping[str, Values], better: Mapping[str, str]) -> None:
    """Refuse outcomes of which it is not said which values are better.

    Raises:
        UsageError: If one is missing, by name.
    """
    missing = [name for name in outcomes if name not in better]
    if missing:
        raise UsageError(f"better: {', '.join(map(repr, missing))} has no direction. Say 'lower' or 'higher' for each.")
