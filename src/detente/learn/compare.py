"""Which of two models fits better: Vuong's and Clarke's tests for models that are not nested."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detente.errors import UsageError

if TYPE_CHECKING:
    from detente.learn.fit import Fit


@dataclass(frozen=True)
class Comparison:
    """The outcome of a test between two models that need not be nested.

    Attributes:
        test: ``vuong`` or ``clarke``.
        statistic: Standard normal under equality (Vuong); rows in which the first model does better (Clarke).
        p_value: Two-sided.
        better: 1, 2, or 0 where the test does not tell them apart at 5 %.
        n: Rows.
    """

    test: str
    statistic: float
    p_value: float
    better: int
    n: int

    def __str__(self) -> str:
        verdict = {0: "does not tell the models apart", 1: "favours the first model", 2: "favours the second model"}
        figures = f"statistic {self.statistic:.3f}, p = {self.p_value:.3f}, n = {self.n}"
        return f"{self.test}: {figures}: {verdict[self.better]} at 5 %"


def _differences(first: "Fit", second: "Fit", *, share: bool) -> np.ndarray:
    for k, fit in enumerate((first, second), start=1):
        if not fit.converged:
            raise UsageError(
                f"compare: the model numbered {k} did not converge ({fit.message}). Compare only estimates."
            )
    if list(first.problem.frame.index) != list(second.problem.frame.index):
        raise UsageError(
            f"compare: the models were fitted to different rows ({first.n} and {second.n}). Fit both to the rows "
            f"that are "
            "complete for both."
        )
    a, b = first.row_log_likelihood, second.row_log_likelihood
    extra = (first.num_coefficients - second.num_coefficients) * 0.5 * float(np.log(first.n))
    return a - b - extra / first.n * share


def vuong(first: "Fit", second: "Fit") -> Comparison:
    """Vuong's test (vuong1989), corrected for the number of coefficients as Schwarz's criterion is.

    Args:
        first: A fit.
        second: Another fit to the same rows.

    Raises:
        UsageError: If one did not converge, the rows differ, or the models say the same of every row.
    """
    from scipy.special import ndtr

    gaps = _differences(first, second, share=False)
    n = len(gaps)
    spread = float(gaps.std())
    if spread < 1e-12:
        raise UsageError("vuong: the two models give every row the same likelihood. There is nothing to compare.")
    extra = (first.num_coefficients - second.num_coefficients) * 0.5 * np.log(n)
    statistic = float((gaps.sum() - extra) / (np.sqrt(n) * spread))
    p = float(2 * ndtr(-abs(statistic)))
    return Comparison("vuong", statistic, p, 0 if p >= 0.05 else 1 if statistic > 0 else 2, n)


def clarke(first: "Fit", second: "Fit") -> Comparison:
    """Clarke's sign test (clarke2007), with the same correction shared out over the rows.

    Args:
        first: A fit.
        second: Another fit to the same rows.

    Raises:
        UsageError: If one did not converge, or the rows differ.
    """
    from scipy.stats import binomtest

    gaps = _differences(first, second, share=True)
    n, wins = len(gaps), int((gaps > 0).sum())
    p = float(binomtest(wins, n).pvalue)
    return Comparison("clarke", float(wins), p, 0 if p >= 0.05 else 1 if wins > n / 2 else 2, n)
