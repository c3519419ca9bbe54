"""Numbers in a report: how many of what, with the words that widen or soften them."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from detente.record.reading.openings import NUMBER, Openings, match_at, openings, stems_of
from detente.record.reading.words import NOUN_TOO, verb_forms, word_set

WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "eighteen": 18, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "one": 1,
    "seventeen": 17, "nineteen": 19, "a hundred": 100, "one hundred": 100, "a thousand": 1000, "a dozen": 12,
    "two dozen": 24, "three dozen": 36, "half a dozen": 6, "half": 0.5, "a third": 1 / 3, "a quarter": 0.25,
    "two-thirds": 2 / 3, "two thirds": 2 / 3, "three-quarters": 0.75, "three quarters": 0.75, "no": 0, "zero": 0,
}  # fmt: skip
SHARES = frozenset(["half", "a third", "a quarter", "two-thirds", "two thirds", "three-quarters", "three quarters"])
VAGUE = (
    "only a handful of", "only a few", "a handful of", "a handful", "a few", "few", "several", "dozens of", "dozens",
    "scores of", "hundreds of", "hundreds", "thousands of", "thousands", "tens of thousands of", "many", "multiple",
    "numerous", "a number of", "a larger number of", "a significantly larger number of", "some", "most of", "most",
    "substantial", "almost all", "nearly all", "a series of", "a wave of", "a large number of", "a small number of",
)  # fmt: skip
LOW = ("over", "more than", "at least", "upwards of", "no fewer than", "no less than", "a minimum of", "exceeding")
HIGH = (
    "up to",
    "as many as",
    "fewer than",
    "less than",
    "under",
    "at most",
    "no more than",
    "a maximum of",
    "as much as",
)
NEAR = ("about", "around", "roughly", "approximately", "some", "nearly", "almost", "an estimated", "estimated", "circa",
        "close to")  # fmt: skip
SCALE = {
    "hundred": 1e2,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
    "m": 1e6,
    "bn": 1e9,
    "k": 1e3,
}
# Words that end the phrase in which a unit stands.
STOP = word_set(
    """
    a an the and or but of in on at to from by for with into over under after before during against while as
    than that which who whose when where is are was were be been has have had will would could may might can
    since across near through around between among about its his her their our it they he she we this these
    those not also only including such according per since if then so yet though although because until said
    says left remain remained
    """
)
_NUM = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_WORD = "|".join(sorted((re.escape(w) for w in WORDS if w not in ("no", "one")), key=len, reverse=True))
_SCALE = "|".join(SCALE)
_HEDGE = "|".join(re.escape(h) for h in (*LOW, *HIGH, *NEAR))
_QUANTITY = re.compile(
    rf"""(?<![\w.$€£-])(?:(?P<hedge>{_HEDGE})\s+)?(?:the\s+)?(?:between\s+(?=[\d$€£]))?(?P<money>[$€£]\s?)?
    (?:(?P<n>{_NUM})(?:\s*(?:-|–|to|and)\s*[$€£]?(?P<n2>{_NUM}))?(?:[ -]?(?P<scale>{_SCALE})\b)?
      |(?P<w>{_WORD})\b(?:\s+(?P<wscale>hundred|thousand|million|billion)\b)?)
    (?P<pct>\s*(?:%|percent\b|per\ cent\b|percentage\ points?\b))?""",
    re.VERBOSE,
)
_BETWEEN = re.compile(r"\bbetween\s+$")
_VAGUE = re.compile(rf"\b(?P<v>{'|'.join(sorted((re.escape(v) for v in VAGUE), key=len, reverse=True))})(?!\w)")
_NONE = re.compile(r"\b(?P<w>no|zero|none of the)\s+(?=[a-z])")
# Each form with the first letters of the words with which it can begin.
_FORMS = (
    (_QUANTITY, stems_of((*LOW, *HIGH, *NEAR, *WORDS, "the", "between")) | {NUMBER, "$", "€", "£"}),
    (_VAGUE, stems_of(VAGUE)),
    (_NONE, stems_of(("no", "zero", "none"))),
)
_UNIT_WORD = re.compile(r"\s*([^\W\d_]+(?:[-'’][^\W\d_]+)*)")
_OF = re.compile(r"\s+of\s+(?:the\s+|its\s+|their\s+)?")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")
# Nouns of which "some" or "few" is a count worth keeping.
COUNTED = re.compile(
    r"(?:missiles?|drones?|rockets?|warheads?|aircraft|jets?|planes?|ships?|vessels?|tankers?|boats?|warships?|tanks?|"
    r"soldiers?|troops|people|civilians?|officers?|personnel|sailors?|miles?|kilomet(?:re|er)s?|"
    r"casualties|injuries|deaths|harm|damage|wounded|dead|sorties|strikes?|attacks?|launchers?|batteries|interceptors?|"
    r"impacts?|shells?|bombs?|mines?|flights?|incursions?|balloons?|penetrated|sites|bases|wounds?|"
    r"hostages?|prisoners?)\b",
    re.IGNORECASE,
)


class Amount(NamedTuple):
    """A number as it is printed: its bounds where the words give them, its unit and its hedge.

    "over 100" has a lowest value and no highest; "a handful" has neither.
    """

    text: str
    start: int
    end: int
    low: float | None
    best: float | None
    high: float | None
    unit: str
    hedge: str = ""

    @property
    def bounded(self) -> bool:
        """Whether both ends of the range are in print."""
        return self.low is not None and self.high is not None


def find_amounts(
    text: str,
    start: int = 0,
    end: int | None = None,
    skip: tuple[tuple[int, int], ...] = (),
    *,
    opened: Openings | None = None,
) -> list[Amount]:
    """Find how many of what a text speaks of.

    Args:
        text: The text.
        start: Where to begin.
        end: Where to stop.
        skip: Places that are no numbers of things, such as dates.
        opened: Where the words of the whole text begin, if that is known already.

    Returns:
        The amounts in the order of the text; where a unit is left out, the last one is taken up again.

    Example:
        >>> [(a.low, a.high, a.unit, a.hedge) for a in find_amounts("between 180 and 200 missiles; at least 3 ships")]
        [(180.0, 200.0, 'missiles', ''), (3.0, None, 'ships', 'at least')]
        >>> [(a.text, a.low, a.unit) for a in find_amounts("only a handful of missiles, then over 100")]
        [('only a handful of missiles', None, 'missiles'), ('over 100', 100.0, 'missiles')]
    """
    opened = openings(text) if opened is None else opened
    return amounts_in(text, [(start, len(text) if end is None else end)], skip, opened)


def amounts_in(
    text: str, spans: Iterable[tuple[int, int]], skip: Sequence[tuple[int, int]], opened: Openings
) -> list[Amount]:
    """Find how many of what pieces of a text speak of, as :func:`find_amounts` does in one.

    Args:
        text: The text.
        spans: Where each piece begins and ends.
        skip: Places that are no numbers of things, such as dates, in order.
        opened: Where the words of the whole text begin.

    Returns:
        The amounts in the order of the pieces. None goes from one piece into the next, and no unit is taken from it.
    """
    begun = [
        [place for place, stem in zip(opened.places, opened.stems, strict=True) if stem in stems] for _, stems in _FORMS
    ]
    found: list[Amount] = []
    for start, stop in spans:
        matches = [
            match_at(form, places[bisect_left(places, start) : bisect_left(places, stop)], opened.small, stop)
            for (form, _), places in zip(_FORMS, begun, strict=True)
        ]
        if any(matches):
            found += _amounts(text, matches, stop, tuple(s for s in skip if start <= s[0] < stop))
    return found


def _amounts(
    text: str, matches: Sequence[list[re.Match[str]]], stop: int, skip: tuple[tuple[int, int], ...]
) -> list[Amount]:
    counted, *uncounted = matches
    found = [a for m in counted if (a := _counted(text, m, stop)) and _free(a, skip)]
    for listed in uncounted:
        for m in listed:
            amount = _uncounted(text, m, stop)
            if amount and _free(amount, (*skip, *((a.start, a.end) for a in found))):
                found.append(amount)
    found.sort(key=lambda a: a.start)
    return _take_up_units(found, text)


def _free(amount: Amount, skip: tuple[tuple[int, int], ...]) -> bool:
    start, end = amount.start, amount.end
    return not [s for s, e in skip if start < e and s < end]


def _number(text: str, scale: str | None) -> float:
    return float(text.replace(",", "")) * (SCALE[scale.lower()] if scale else 1)


def _counted(text: str, m: re.Match[str], stop: int) -> Amount | None:
    if _ORDINAL.match(text, m.end()) or text[m.end() : m.end() + 1] in ("/", ":"):
        return None
    if m["n"]:
        low = _number(m["n"], m["scale"])
        high = _number(m["n2"], m["scale"]) if m["n2"] else None
    else:
        low, high = float(WORDS[m["w"].lower()]) * (SCALE[m["wscale"].lower()] if m["wscale"] else 1), None
    if high is not None and high < low:
        high = None
    unit, end = _unit(text, m.end(), stop)
    if m["pct"]:
        unit, end = "per cent", m.end()
    elif m["money"]:
        unit, end = {"$": "dollars", "€": "euros", "£": "pounds"}[m["money"].strip()], m.end()
    elif (m["w"] or "").lower() in SHARES:
        # "half the missiles": a share; "half hour" is not one.
        unit = f"share of {unit}" if unit else "share"
    elif (
        unit == ""
        and m["w"]
        and not m["hedge"]
        or (
            unit == ""
            and m["n"]
            and not m["hedge"]
            and m["scale"] is None
            and (low > 1900 and low < 2100 or len(m["n"]) < 2)
        )
    ):
        return None
    hedge = (m["hedge"] or "").lower()
    return _bounds(text, m.start(), end, low, high, unit, hedge)


def _bounds(text: str, start: int, end: int, low: float, high: float | None, unit: str, hedge: str) -> Amount:
    before = _BETWEEN.search(text[max(0, start - 10) : start].lower())
    start = max(0, start - 10) + before.start() if before else start
    shown = " ".join(text[start:end].split())
    if high is not None:
        return Amount(shown, start, end, low, None, high, unit, hedge)
    if hedge in LOW:
        return Amount(shown, start, end, low, None, None, unit, hedge)
    if hedge in HIGH:
        return Amount(shown, start, end, None, None, low, unit, hedge)
    return Amount(shown, start, end, low, low, low, unit, hedge)


def _uncounted(text: str, m: re.Match[str], stop: int) -> Amount | None:
    unit, end = _unit(text, m.end(), stop)
    words = m.groupdict()
    word = (words.get("v") or words.get("w") or "").lower()
    if not unit or not COUNTED.search(text[m.end() : max(end, m.end() + 1)]):
        following = _UNIT_WORD.match(text, m.end(), stop)
        if not (following and COUNTED.match(following[1])):
            return None
        unit, end = "", m.end()
    if "v" not in words:
        return Amount(" ".join(text[m.start() : end].split()), m.start(), end, 0.0, 0.0, 0.0, unit, word)
    return Amount(" ".join(text[m.start() : end].split()), m.start(), end, None, None, None, unit, word)


def _unit(text: str, start: int, stop: int) -> tuple[str, int]:
    """The noun phrase after a number: up to four words, up to the first word that cannot belong to it."""
    words, end, place = [], start, start
    if text[start : start + 1] == "-":
        place = start + 1
    skip_of = _OF.match(text, place, stop)
    if skip_of:
        place = skip_of.end()
    while len(words) < 4:
        m = _UNIT_WORD.match(text, place, stop)
        if (
            not m
            or m[1] in ("us", "them", "you")
            or m[1].lower() in STOP
            or (words and (m[1].lower().endswith("ed") or m[1][0].isupper()))
        ):
            break
        if not words and m[1].lower().endswith(("ly", "ed")):
            break
        form = verb_forms().get(m[1].lower())
        if words and form is not None and form[2] == "past" and form[0] not in NOUN_TOO:
            break
        words.append(m[1])
        end = place = m.end()
        if text[place : place + 1] in ("’", "'"):
            break
    return " ".join(words), end


def _take_up_units(found: list[Amount], text: str) -> list[Amount]:
    taken, last = [], ""
    for a in found:
        if not a.unit and last and a.hedge:
            a = Amount(a.text, a.start, a.end, a.low, a.best, a.high, last, a.hedge)
        last = a.unit or last
        taken.append(a)
    return taken
