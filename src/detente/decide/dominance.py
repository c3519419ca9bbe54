"""Which policies another policy beats on everything that counts, and which are left to choose between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detente.decide.regret import Values, as_values, as_weights, check_directions, oriented
from detente.errors import UsageError

TIE = 1e-12  # differences below this share of an outcome's range are none


@dataclass(frozen=True, eq=False)
class Dominance:
    """Which policies are dominated, on average and world by world.

    Attributes:
        policies: Names.
        non_dominated: Those that no other policy beats on average: as good on every outcome, better on one.
        beaten_by: Dominated policy → the policies that beat it on average.
        share: Share of worlds in which the policy of the row beats that of the column, (policy, policy).
    """

    policies: tuple[str, ...]
    non_dominated: tuple[str, ...]
    beaten_by: Mapping[str, tuple[str, ...]]
    share: np.ndarray

    def always(self) -> tuple[tuple[str, str], ...]:
        """Pairs (better, worse) of policies that stand so in every world."""
        rows, columns = np.nonzero(self.share >= 1 - TIE)
        return tuple((self.policies[i], self.policies[j]) for i, j in zip(rows, columns, strict=True))


def dominance(
    outcomes: Mapping[str, Values],
    policies: Sequence[str],
    better: Mapping[str, str],
    *,
    weights: ArrayLike | None = None,
) -> Dominance:
    """Find the policies that no other policy beats on all outcomes at once.

    Args:
        outcomes: Name of an outcome or player → values, (draw, policy).
        policies: Names, one a column.
        better: The same names → ``lower`` or ``higher``.
        weights: How much each draw counts.

    Returns:
        The non-dominated policies by averages, and how often each beats each world by world. A policy that is
        dominated on average may still be best in some worlds; ``share`` says how often the order stands.

    Raises:
        UsageError: If there are no outcomes, or something does not fit.

    Example:
        >>> outcomes = {"war": [[0.1, 0.2, 0.3]], "cost": [[2, 1, 3]]}
        >>> found = dominance(outcomes, ["a", "b", "c"], {"war": "lower", "cost": "lower"})
        >>> found.non_dominated, found.beaten_by
        (('a', 'b'), {'c': ('a', 'b')})
    """
    if not outcomes:
        raise UsageError("outcomes: there are none to compare policies by. Name at least one.")
    check_directions(outcomes, better)
    given = {name: oriented(as_values(v, policies, where=name), better[name]) for name, v in outcomes.items()}
    sizes = {name: len(v) for name, v in given.items()}
    if len(set(sizes.values())) > 1:
        raise UsageError(f"outcomes: their numbers of draws differ ({sizes}). Give the same draws for all.")
    stacked = np.stack(list(given.values()))  # (outcome, draw, policy)
    counted = as_weights(weights, stacked.shape[1])
    slack = TIE * np.ptp(stacked, axis=(1, 2))
    share = _beats(stacked, slack) @ counted / counted.sum()
    average = np.average(stacked, axis=1, weights=counted)[:, None, :]
    wins = _beats(average, slack)[:, :, 0]
    lists = {name: tuple(p for i, p in enumerate(policies) if wins[i, j]) for j, name in enumerate(policies)}
    beaten_by = {name: winners for name, winners in lists.items() if winners}
    return Dominance(tuple(policies), tuple(n for n in policies if n not in beaten_by), beaten_by, share)


def _beats(values: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """Whether policy i is as good as policy j on all outcomes and better on one, (i, j, draw)."""
    count = values.shape[2]
    found = np.zeros((count, count, values.shape[1]), dtype=bool)
    for i in range(count):
        for j in range(count):
            gap = values[:, :, i] - values[:, :, j]
            found[i, j] = (gap >= -slack[:, None]).all(axis=0) & (gap > slack[:, None]).any(axis=0)
    return found
