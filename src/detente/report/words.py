"""Probability words, always with the number, by a published yardstick."""

from dataclasses import dataclass

from detente.errors import UsageError, nearest


@dataclass(frozen=True)
class Band:
    """A word and the probabilities it stands for, in percent."""

    word: str
    low: float
    high: float


# ICD 203 (2015), paragraph D.6.e(2)(a), first row of synonyms; no term for 0 or 100 %.
ICD203 = (
    Band("almost no chance", 1, 5),
    Band("very unlikely", 5, 20),
    Band("unlikely", 20, 45),
    Band("roughly even chance", 45, 55),
    Band("likely", 55, 80),
    Band("very likely", 80, 95),
    Band("almost certain", 95, 99),
)
# UK PHIA yardstick; the gaps between bands are deliberate.
UK_PHIA = (
    Band("remote chance", 0, 5),
    Band("highly unlikely", 10, 20),
    Band("unlikely", 25, 35),
    Band("realistic possibility", 40, 50),
    Band("likely or probable", 55, 75),
    Band("highly likely", 80, 90),
    Band("almost certain", 95, 100),
)
# Sherman Kent (1964): centre plus or minus give or take.
KENT = (
    Band("almost certainly not", 2, 12),
    Band("probably not", 20, 40),
    Band("chances about even", 40, 60),
    Band("probable", 63, 87),
    Band("almost certain", 87, 99),
)
YARDSTICKS = {"icd203": ICD203, "uk_phia": UK_PHIA, "kent_1964": KENT}


def bands(yardstick: str = "icd203") -> tuple[Band, ...]:
    """The bands of a yardstick, lowest first.

    Raises:
        UsageError: If there is no such yardstick.
    """
    if yardstick not in YARDSTICKS:
        raise UsageError(f"yardstick: {yardstick!r} is not known.{nearest(yardstick, YARDSTICKS)}")
    return YARDSTICKS[yardstick]


def word(probability: float, yardstick: str = "icd203") -> str | None:
    """The word for a probability, or None where the yardstick has none (outside it, or in a gap).

    Args:
        probability: Between 0 and 1.
        yardstick: ``icd203``, ``uk_phia`` or ``kent_1964``.

    Source:
        icd203.

    Example:
        >>> word(0.1)
        'very unlikely'
    """
    percent = 100 * probability
    for band in bands(yardstick):
        if band.low <= percent < band.high:
            return band.word
    last = bands(yardstick)[-1]
    return last.word if percent == last.high else None


def phrase(median: float, low80: float, high80: float, yardstick: str = "icd203") -> str:
    """A probability in words and numbers; the word only where the 80 % interval spans at most two bands.

    Args:
        median: Middle value over possible worlds.
        low80: 10th percentile.
        high80: 90th percentile.
        yardstick: Which vocabulary.

    Example:
        >>> phrase(0.1, 0.07, 0.15)
        'very unlikely (10 %)'
        >>> phrase(0.3, 0.04, 0.6)
        '30 % (too uncertain for a word: 4–60 %)'
    """
    found = word(median, yardstick)
    spanned = sum(1 for b in bands(yardstick) if 100 * low80 < b.high and 100 * high80 >= b.low)
    if spanned > 2:
        return f"{percent(median)} (too uncertain for a word: {percent_range(low80, high80)})"
    return f"{found} ({percent(median)})" if found else percent(median)


def percent(value: float) -> str:
    """A share as a percentage, with as many digits as it deserves.

    Example:
        >>> percent(0.123), percent(0.0042), percent(0.0004), percent(0)
        ('12 %', '0.4 %', '< 0.1 %', '0 %')
    """
    if 0 < value < 0.0005:
        return "< 0.1 %"
    if 0.9995 < value < 1:
        return "> 99.9 %"
    return f"{_digits(value)} %"


def percent_range(low: float, high: float) -> str:
    """An interval of shares as percentages.

    Example:
        >>> percent_range(0.031, 0.2)
        '3–20 %'
    """
    return f"{_digits(low)}–{_digits(high)} %"


def _digits(value: float) -> str:
    number = 100 * value
    if 0 < number < 1 or 99 < number < 100:
        return f"{number:.1f}"
    return f"{number:.0f}"
