"""The ultimatum model (ramsay2009): one side offers a share, the other accepts or not; reservation values are private.

The offer is any number between the least and the most that can be offered, so that it is no finite tree. The offerer's
reservation value is R1 plus a logistic shock of size s1, the responder's R2 plus one of size s2; each knows its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from detente.errors import UsageError
from detente.learn import jets

PREDICTORS = ("R1", "R2")
SCALES = ("s1", "s2")


@dataclass(frozen=True, eq=False)
class Offers:
    """What was offered, and whether it was accepted.

    Attributes:
        offer: The offers.
        accept: 1 or 0; None where answers were not observed.
    """

    offer: Float[np.ndarray, "row"]
    accept: Float[np.ndarray, "row"] | None

    def take(self, rows: slice) -> "Offers":
        """Some of the rows."""
        return Offers(self.offer[rows], None if self.accept is None else self.accept[rows])


@dataclass(frozen=True)
class Ultimatum:
    """The likelihood of offers and answers.

    Attributes:
        min_offer: The least that can be offered.
        max_offer: The most; also what there is to divide.
    """

    min_offer: float
    max_offer: float

    @property
    def predictors(self) -> tuple[str, ...]:
        """The reservation values."""
        return PREDICTORS

    @property
    def scales(self) -> tuple[str, ...]:
        """The logarithms of the sizes of the shocks."""
        return SCALES

    def log_likelihood(self, values: Mapping[str, Any], observed: Offers) -> Any:
        """Log density of the offer, or log probability where it is at an end, and of the answer.

        Args:
            values: R1, R2, and the logarithms s1 and s2.
            observed: Offers and answers.
        """
        y = observed.offer
        log_s1, log_s2 = values["s1"], values["s2"]
        inverse1, s2, inverse2 = jets.exp(log_s1 * -1.0), jets.exp(log_s2), jets.exp(log_s2 * -1.0)
        logit = (values["R2"] * -1.0 + y) * inverse2  # of acceptance
        odds = jets.exp(logit)
        surplus = (values["R1"] * -1.0 + (self.max_offer - y) + (odds + 1.0) * s2 * -1.0) * inverse1
        log_below = jets.log_logistic_cdf(surplus * -1.0)  # log probability of offering no more than y
        log_above = jets.log_logistic_cdf(surplus)
        log_slope = jets.log_sum_exp([logit * 0.0, logit]) if isinstance(logit, jets.Jet) else np.logaddexp(0.0, logit)
        density = log_below + log_above + log_slope - log_s1
        at_least, at_most = y <= self.min_offer, y >= self.max_offer
        total = jets.select(~(at_least | at_most), density) + jets.select(at_least, log_below)
        total = total + jets.select(at_most, log_above)
        if observed.accept is not None:
            yes = jets.log_logistic_cdf(logit)
            no = jets.log_logistic_cdf(logit * -1.0)
            total = total + jets.select(observed.accept > 0.5, yes) + jets.select(observed.accept <= 0.5, no)
        return total

    def best_offer(self, r1: Any, r2: Any, s2: Any, shock: Any = 0.0) -> Any:
        """What the offerer would offer, knowing its own shock.

        Args:
            r1: Reservation value of the offerer.
            r2: Reservation value of the responder.
            s2: Size of the responder's shock.
            shock: Of the offerer.

        Example:
            >>> float(Ultimatum(0, 10).best_offer(2.0, 3.0, 1.0).round(3))
            4.074
        """
        from scipy.special import wrightomega

        room = np.asarray(self.max_offer - r1 - shock, dtype=float)
        # W(exp(x)) without the exponential, which overflows: Wright's omega.
        offer = room - s2 * (1.0 + wrightomega((room - s2 - r2) / s2).real)
        return np.clip(offer, self.min_offer, self.max_offer)


def read_offers(frame: Any, columns: list[str], min_offer: Any, max_offer: Any) -> tuple[Ultimatum, Offers]:
    """Check and read the columns of offers and answers.

    Args:
        frame: The data.
        columns: The offer, and the answer where it was observed.
        min_offer: The least that can be offered.
        max_offer: The most.

    Raises:
        UsageError: If a bound is missing, an offer lies outside them, or an answer is not 0 or 1.
    """
    for key, bound in (("min_offer", min_offer), ("max_offer", max_offer)):
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not np.isfinite(bound):
            raise UsageError(f"ultimatum: {key} = {bound!r} is not a number. Say what can be offered, as {key} = 10.")
    if min_offer >= max_offer:
        raise UsageError(
            f"ultimatum: min_offer = {min_offer} is not below max_offer = {max_offer}. Correct one of them."
        )
    if not 1 <= len(columns) <= 2:
        raise UsageError(f"outcome: {columns} are {len(columns)} columns. Name the offer, or the offer and the answer.")
    numbers = []
    for column in columns:
        try:
            numbers.append(frame[column].to_numpy(dtype=float, na_value=np.nan))
        except (TypeError, ValueError):
            raise UsageError(f"outcome: the column {column!r} does not hold numbers. Correct the data.") from None
    outside = np.flatnonzero((numbers[0] < min_offer) | (numbers[0] > max_offer))
    if len(outside):
        r = int(outside[0])
        raise UsageError(
            f"outcome: the offer in row {int(frame.index[r]) + 1} is {numbers[0][r]:g}, outside {min_offer:g} to "
            f"{max_offer:g}: impossible under the model. Correct it, min_offer or max_offer."
        )
    answers = numbers[1] if len(numbers) == 2 else None
    if answers is not None and not np.isin(answers, (0.0, 1.0)).all():
        r = int(np.flatnonzero(~np.isin(answers, (0.0, 1.0)))[0])
        raise UsageError(
            f"outcome: {columns[1]!r} is {answers[r]:g} in row {int(frame.index[r]) + 1}. Write 1 for accepted, 0 "
            f"for refused."
        )
    return Ultimatum(float(min_offer), float(max_offer)), Offers(numbers[0], answers)
