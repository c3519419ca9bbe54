"""The options table: what each policy brings, with its range over possible worlds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detente.decide.ensemble import Ensemble
from detente.errors import SolveError


@dataclass(frozen=True)
class Cell:
    """One outcome under one policy over the usable draws.

    Attributes:
        median: Middle value.
        low: 5th percentile.
        high: 95th percentile.
        low80: 10th percentile.
        high80: 90th percentile.
        worst: Worst value over the draws, in the direction that is worse.
        mean: Average.
    """

    median: float
    low: float
    high: float
    low80: float
    high80: float
    worst: float
    mean: float


def summarise(values: np.ndarray, *, better: str = "lower") -> Cell:
    """Median, 90 % and 80 % intervals and worst case of one quantity over draws.

    Args:
        values: One value a draw.
        better: ``lower`` or ``higher``: which values are better; the worst case is the other end.

    Raises:
        SolveError: If there is no usable draw.

    Example:
        >>> summarise(np.array([0.1, 0.2, 0.3])).median
        0.2
    """
    if not len(values):
        raise SolveError(
            "no draw converged, so there is nothing to compare. Lower the precision, or narrow the priors."
        )
    low, low80, median, high80, high = (float(v) for v in np.quantile(values, [0.05, 0.1, 0.5, 0.9, 0.95]))
    worst = float(values.max() if better == "lower" else values.min())
    return Cell(median, low, high, low80, high80, worst, float(values.mean()))


def options_table(ensemble: Ensemble, outcomes: Mapping[str, str] | None = None) -> dict[str, dict[str, Cell]]:
    """Policies × outcomes.

    Args:
        ensemble: The solved ensemble.
        outcomes: Outcome name → which values are better (``lower`` or ``higher``); by default all, lower being better.

    Returns:
        Policy → outcome → cell.

    Raises:
        UsageError: If an outcome is not a flag or number of the game.
    """
    wanted = dict.fromkeys(ensemble.outcomes, "lower") if outcomes is None else dict(outcomes)
    return {
        policy: {name: summarise(ensemble.outcome(name, policy), better=better) for name, better in wanted.items()}
        for policy in ensemble.policies
    }


@dataclass(frozen=True)
class Path:
    """One course of events and how likely it is, averaged over the draws.

    Attributes:
        steps: (move, option) pairs, without the private types drawn before anybody chooses.
        probability: Mean probability over the usable draws.
    """

    steps: tuple[tuple[str, str], ...]
    probability: float


def likeliest_paths(
    ensemble: Ensemble, policies: Sequence[str] | None = None, *, count: int = 5, moves: Sequence[str] | None = None
) -> dict[str, tuple[Path, ...]]:
    """The likeliest courses of events under each policy.

    Args:
        ensemble: The solved ensemble.
        policies: Names of policies; by default all.
        count: How many paths of each.
        moves: Only these moves are told apart; by default all after the first choice.

    Returns:
        Policy → paths by falling probability. What is drawn before anybody chooses (private types) is summed over.
    """
    courses: dict[tuple[tuple[str, str], ...], int] = {}
    game = ensemble.game
    chosen = {infoset.move for infoset in game.infosets}
    course_of = np.array(
        [courses.setdefault(_told_apart(game.history(int(n)), chosen, moves), len(courses)) for n in game.leaf_nodes]
    )
    steps = list(courses)
    found = {}
    for policy in ensemble.policies if policies is None else policies:
        mean = ensemble.leaf_mean[ensemble.policy_index(policy)]
        total = np.bincount(course_of, weights=mean, minlength=len(steps))
        best = np.argsort(-total, kind="stable")[:count]
        found[policy] = tuple(Path(steps[i], float(total[i])) for i in best if total[i] > 0)
    return found


def _told_apart(
    history: tuple[tuple[str, str], ...], chosen: set[str], moves: Sequence[str] | None
) -> tuple[tuple[str, str], ...]:
    if moves is not None:
        return tuple(step for step in history if step[0] in moves)
    first = next((i for i, (move, _) in enumerate(history) if move in chosen), 0)
    return history[first:]
