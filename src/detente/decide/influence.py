"""Which parameters matter most for an outcome."""

from dataclasses import dataclass

import numpy as np

from detente.decide.ensemble import Ensemble
from detente.errors import UsageError

MARGIN = 10  # draws beyond the number of parameters that a regression needs at least


@dataclass(frozen=True)
class Influence:
    """How much a parameter moves an outcome, other parameters varying too.

    Attributes:
        parameter: Its name.
        coefficient: Standardised rank regression coefficient, −1 … 1: by how many standard deviations of rank the
            outcome moves with one of the parameter.
        low: Lower end of the coefficient's 90 % interval.
        high: Upper end.
    """

    parameter: str
    coefficient: float
    low: float
    high: float


@dataclass(frozen=True)
class Influences:
    """Influences of all parameters on one outcome, strongest first.

    Attributes:
        items: One a parameter.
        explained: Share of the variance of ranks that the regression explains, 0 … 1; a low value says that ranks are
            not additive here, and that the order should be read with care.
    """

    items: tuple[Influence, ...]
    explained: float


def influences(ensemble: Ensemble, outcome: str, policy: str) -> Influences:
    """Rank the parameters by their influence on an outcome under a policy.

    Standardised rank regression: the outcome and all parameters are replaced by their ranks over the draws, and the
    first is regressed on the rest. Robust for monotone effects; costs nothing beyond the ensemble.

    Args:
        ensemble: The solved ensemble.
        outcome: Name of a flag or number.
        policy: Name of a policy.

    Returns:
        The influences, strongest first.

    Raises:
        UsageError: If there are not more usable draws than parameters.

    Source:
        saltelli2008 (standardised rank regression coefficients).
    """
    values = ensemble.outcome(outcome, policy)
    names = [n for n, v in ensemble.draws.items() if np.ptp(v) > 0]
    if not names:
        raise UsageError("influence: no parameter varies over the draws. Give at least one a prior that is not fixed.")
    return rank_regression(names, np.stack([ensemble.draws[n][ensemble.usable] for n in names], axis=1), values)


def rank_regression(names: list[str], x: np.ndarray, y: np.ndarray) -> Influences:
    """Standardised rank regression of y, (draw,), on the columns of x, (draw, parameter)."""
    num_draws, count = x.shape
    if num_draws < count + MARGIN:
        raise UsageError(
            f"influence: {num_draws} usable draws are too few for {count} parameters. Ask for at least "
            f"{count + MARGIN} draws."
        )
    if count == 0 or np.ptp(y) == 0:
        return Influences(tuple(Influence(n, 0.0, 0.0, 0.0) for n in names), 1.0)
    from scipy.stats import rankdata  # takes half a second to import

    ranks = rankdata(np.column_stack([x, y]), axis=0)  # equal values share the average of their ranks
    ranks = (ranks - ranks.mean(axis=0)) / ranks.std(axis=0)
    design, target = ranks[:, :-1], ranks[:, -1]
    coefficient = np.linalg.lstsq(design, target, rcond=None)[0]
    error = target - design @ coefficient
    freedom = num_draws - count - 1
    variance = (error @ error) / freedom
    spread = 1.645 * np.sqrt(variance * np.diag(np.linalg.pinv(design.T @ design)))
    items = [
        Influence(n, float(c), float(c - s), float(c + s)) for n, c, s in zip(names, coefficient, spread, strict=True)
    ]
    items.sort(key=lambda i: -abs(i.coefficient))
    return Influences(tuple(items), float(1 - error @ error / (target @ target)))
