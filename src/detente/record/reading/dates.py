"""Dates in a report: found by their words, and resolved against the day on which it was published."""

import calendar
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from detente.record.reading.openings import NUMBER, Openings, match_at, openings, stems_of

MONTHS = {
    name: number
    for number, names in enumerate(
        [
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sept sep",
            "october oct",
            "november nov",
            "december dec",
        ],
        start=1,
    )
    for name in names.split()
}
WEEKDAYS = {n.lower(): i for i, n in enumerate(calendar.day_name)}
COUNTS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "a couple of": 2,
}  # fmt: skip
FUTURE = re.compile(r"\b(?:will|shall|scheduled|due to|set to|expected to|plans? to|planned for|would)\b")
# How far ahead of its publication a report may mean a day that it names without a year.
DAYS_AHEAD = 60

_MONTH = r"(?:Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?|July?|Aug(?:ust|\.)?|Sept?(?:ember|\.)?|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?)"  # noqa: E501
_DAY = r"(?:\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:1[89]\d\d|20\d\d)"
_WEEKDAY = r"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_COUNT = r"(?:\d{1,3}|a couple of|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_UNIT = r"(?:hour|day|week|month|year)s?"
_PART = r"(?:early|late|mid|the beginning of|the end of)"


class DateMention(NamedTuple):
    """A date in words: where it stands, the days that it means (if they are known), and how exactly.

    ``problem`` says what is wrong with a day that does not exist; ``basis`` says how it was resolved.
    """

    text: str
    start: int
    end: int
    kind: str
    first: date | None = None
    last: date | None = None
    precision: str = "day"
    basis: str = ""
    problem: str = ""
    month: int | None = None
    day: int | None = None

    @property
    def resolved(self) -> bool:
        """Whether the days are known."""
        return self.first is not None


def _compile() -> list[tuple[str, re.Pattern[str]]]:
    forms = [
        ("past", rf"(?:over|in|during|for)\s+the\s+(?:past|last)\s+(?P<n>{_COUNT})\s+(?P<u>{_UNIT})"),
        ("iso", r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})"),
        ("day", rf"(?:(?P<night>(?:the\s+)?night\s+of)\s+)?(?P<mon>{_MONTH})\s+(?P<d>{_DAY})(?:\s*(?:[-–]|to|and)\s*(?P<d2>{_DAY})(?!\s*(?:,?\s*{_YEAR}\d)))?(?:,?\s+(?P<y>{_YEAR}))?"),  # noqa: E501
        ("day", rf"(?:(?P<night>(?:the\s+)?night\s+of)\s+)?(?:the\s+)?(?P<d>{_DAY})(?:\s*(?:[-–]|to|and)\s*(?P<d2>{_DAY}))?(?:\s+of)?\s+(?P<mon>{_MONTH})(?:,?\s+(?P<y>{_YEAR}))?"),  # noqa: E501
        ("month", rf"(?:(?P<part>{_PART})[\s-]+)?(?P<mon>{_MONTH})\s+(?P<y>{_YEAR})"),
        ("month", rf"(?<=\b[Ii]n )(?:(?P<part>{_PART})[\s-]+)?(?P<mon>{_MONTH})(?:\s+(?P<which>last|this)\s+year)?"),
        ("month", rf"(?:(?P<part>{_PART})[\s-]+|last\s+|since\s+|until\s+)(?P<mon>{_MONTH})"),
        ("weekend", r"(?:over|during|on|at)?\s*(?:the|this|last|the\s+past|next)\s+weekend"),
        ("night", rf"(?P<w>{_WEEKDAY})\s+(?:night|evening)(?:\s+(?:and|into)\s+(?:early\s+)?{_WEEKDAY})?"),
        ("weekday", rf"(?:(?P<which>last|next|this|the\s+previous|the\s+following)\s+)?(?P<w>{_WEEKDAY})(?:\s+(?:morning|afternoon))?"),  # noqa: E501
        ("ago", rf"(?P<n>{_COUNT})\s+(?P<u>{_UNIT})\s+(?P<way>ago|earlier|before|later|afterwards)"),
        ("near", r"the\s+day\s+before\s+yesterday|yesterday|today|tonight|tomorrow|last\s+night|overnight|the\s+(?:day|night)\s+before|the\s+(?:following|next)\s+day|a\s+day\s+(?:earlier|later|after|before)"),  # noqa: E501
        ("span", r"(?:the\s+)?(?P<which>last|previous|past|this|next|following|coming)\s+(?P<u>week|month|year)"),
        ("year", rf"(?<=\bin )(?P<y>{_YEAR})|(?<=\bsince )(?P<y2>{_YEAR})"),
    ]  # fmt: skip
    # "may" and "march" are months with a capital only; every other form is looked for in small letters.
    return [
        (
            kind,
            re.compile(
                rf"(?<![\w-])(?:{form if kind in _WITH_CASE else form.replace(_WEEKDAY, _WEEKDAY.lower())})(?!\w)"
            ),
        )
        for kind, form in forms
    ]


_WITH_CASE = frozenset(("day", "month"))
_FORMS = _compile()
_MONTH_STEMS = tuple(name for name in MONTHS if len(name) == 3)
_MONTH_NAMES = stems_of(MONTHS)
_DAYS = stems_of(WEEKDAYS)
_PARTS = stems_of(("early", "late", "mid", "the"))
# The first letters of the words with which each form can begin, in the order of the forms.
_BEGINNINGS = (
    stems_of(("over", "in", "during", "for")),
    {NUMBER},
    _MONTH_NAMES | stems_of(("the", "night")),
    stems_of(("the", "night")) | {NUMBER},
    _MONTH_NAMES | _PARTS,
    _MONTH_NAMES | _PARTS,
    _PARTS | stems_of(("last", "since", "until")),
    stems_of(("over", "during", "on", "at", "the", "this", "last", "next")),
    _DAYS,
    _DAYS | stems_of(("last", "next", "this", "the")),
    stems_of(COUNTS) | {NUMBER},
    stems_of(("the", "yesterday", "today", "tonight", "tomorrow", "last", "overnight", "a")),
    stems_of(("the", "last", "previous", "past", "this", "next", "following", "coming")),
    {NUMBER},
)
_BEGUN_BY = {
    stem: tuple(n for n, stems in enumerate(_BEGINNINGS) if stem in stems) for stem in frozenset().union(*_BEGINNINGS)
}
# "the" begins many forms and most nouns: no form goes on with these letters behind it.
_NEVER_AFTER_THE = frozenset("aghijkmoqrsuvxyz")
# What a form cannot do without. To look for these first is many times as quick as to look for the form.
_NEEDS = {
    "past": ("the past", "the last"),
    "iso": ("-",),
    "day": _MONTH_STEMS,
    "month": _MONTH_STEMS,
    "weekend": ("weekend",),
    "night": ("night", "evening"),
    "weekday": ("day",),
    "ago": ("ago", "earlier", "before", "later", "afterwards"),
    "near": ("yesterday", "today", "tonight", "tomorrow", "overnight", "last night", " day", "the night"),
    "span": ("week", "month", "year"),
    "year": ("in 1", "in 2", "since 1", "since 2"),
}


def find_dates(
    text: str, anchor: date | None = None, start: int = 0, end: int | None = None, *, opened: Openings | None = None
) -> list[DateMention]:
    """Find the dates in a text, and say which days they mean if it was published on a known day.

    Args:
        text: The text.
        anchor: The day of publication. Without it, words such as "Sunday" stay unresolved.
        start: Where to begin.
        end: Where to stop.
        opened: Where the words of the whole text begin, if that is known already.

    Returns:
        The dates in the order of the text. A day that does not exist is among them, with its problem.

    Example:
        >>> from datetime import date
        >>> found = find_dates("the attack over the weekend, after 31 April", date(2024, 4, 16))
        >>> found[0].first.isoformat(), found[0].last.isoformat(), found[0].precision
        ('2024-04-13', '2024-04-14', 'days')
        >>> found[1].problem
        "'31 April' is not a day in the calendar: April has 30 days"
    """
    opened = openings(text) if opened is None else opened
    return dates_in(text, anchor, [(start, len(text) if end is None else end)], opened)


def dates_in(text: str, anchor: date | None, spans: Iterable[tuple[int, int]], opened: Openings) -> list[DateMention]:
    """Find the dates in pieces of a text, as :func:`find_dates` does in one.

    Args:
        text: The text.
        anchor: The day of publication.
        spans: Where each piece begins and ends.
        opened: Where the words of the whole text begin.

    Returns:
        The dates in the order of the pieces. None goes from one piece into the next.
    """
    needed = {kind for kind, words in _NEEDS.items() if any(word in opened.small for word in words)}
    if not needed:
        return []
    begun_by = {
        stem: kept for stem, listed in _BEGUN_BY.items() if (kept := [n for n in listed if _FORMS[n][0] in needed])
    }
    begun = [
        (place, begun_by[stem])
        for place, stem in zip(opened.places, opened.stems, strict=True)
        if stem in begun_by and (stem != "the" or opened.small[place + 4 : place + 5] not in _NEVER_AFTER_THE)
    ]
    return [d for start, stop in spans for d in _dates(text, anchor, opened.small, begun, start, stop)]


def _dates(
    text: str, anchor: date | None, small: str, begun: Sequence[tuple[int, Sequence[int]]], start: int, stop: int
) -> list[DateMention]:
    found: list[DateMention] = []
    for m, kind in _matches(text, small, begun, start, stop):
        s, e = m.span()
        printed = text[s:e]
        lead = len(printed) - len(printed.lstrip())
        base = DateMention(" ".join(printed.split()), s + lead, e, kind)
        parts = m.groupdict()
        if kind in _COUNTED_FROM:
            near = next((d for d in reversed(found) if d.first is not None and "\n\n" not in text[d.end : s]), None)
        else:
            near = None
        if kind in _TURNED:
            parts["w"] = text[slice(*m.span("w"))] if "w" in parts else None
            ahead = FUTURE.search(small, max(start, s - 80), s) is not None
        else:
            ahead = False
        found.append(_resolve(base, parts, anchor, near, ahead=ahead))
    return found


# The forms that are counted from a date before them, and those that a verb of the future turns to the next week.
_COUNTED_FROM = frozenset(("ago", "near", "span"))
_TURNED = frozenset(("weekend", "weekday", "night"))


def _matches(
    text: str, small: str, begun: Sequence[tuple[int, Sequence[int]]], start: int, stop: int
) -> list[tuple[re.Match[str], str]]:
    """The places of dates in order, each with its form; where two overlap, the form that is listed first counts."""
    places: dict[int, list[int]] = {}
    for place, forms in begun[bisect_left(begun, (start,)) : bisect_left(begun, (stop,))]:
        for n in forms:
            places.setdefault(n, []).append(place)
    matches: list[tuple[re.Match[str], str]] = []
    for n in sorted(places):
        kind, form = _FORMS[n]
        for m in match_at(form, places[n], text if kind in _WITH_CASE else small, stop):
            if not any(m.start() < other.end() and other.start() < m.end() for other, _ in matches):
                matches.append((m, kind))
    return sorted(matches, key=lambda match: match[0].span())


def _resolve(
    base: DateMention, parts: dict[str, Any], anchor: date | None, near: DateMention | None, *, ahead: bool
) -> DateMention:
    if base.kind in ("iso", "day"):
        return _calendar_day(base, parts, anchor)
    if base.kind == "month":
        return _month(base, parts, anchor)
    if base.kind == "year":
        year = int(parts["y"] or parts["y2"])
        return _with(base, date(year, 1, 1), date(year, 12, 31), "year", "the year is given")
    return _RELATIVE[base.kind](base, parts, anchor, near, ahead)


def _with(base: DateMention, first: date, last: date, precision: str, basis: str, **more: Any) -> DateMention:
    return DateMention(base.text, base.start, base.end, base.kind, first, last, precision, basis, **more)


def _fault(base: DateMention, problem: str) -> DateMention:
    return DateMention(base.text, base.start, base.end, base.kind, problem=problem)


def _day_number(text: str) -> int:
    return int(text.rstrip("stndrh"))


def _calendar_day(base: DateMention, parts: dict[str, Any], anchor: date | None) -> DateMention:
    month = int(parts["m"]) if base.kind == "iso" else MONTHS[parts["mon"].rstrip(".").lower()]
    days = [_day_number(parts["d"])] + ([_day_number(parts["d2"])] if parts.get("d2") else [])
    year = int(parts["y"]) if parts.get("y") else None
    if not 1 <= month <= 12:
        return _fault(base, f"{base.text!r} is not a day in the calendar: there is no month {month}")
    longest = calendar.monthrange(year or 2024, month)[1]
    if not all(1 <= d <= longest for d in days):
        name = calendar.month_name[month]
        return _fault(base, f"{base.text!r} is not a day in the calendar: {name} has {longest} days")
    if year is None and anchor is None:
        return DateMention(base.text, base.start, base.end, base.kind, basis="no year", month=month, day=days[0])
    basis = "the year is given" if year else f"the year nearest to publication on {anchor}"
    year = year or _nearest_year(month, days[0], anchor)  # type: ignore[arg-type]
    if not all(d <= calendar.monthrange(year, month)[1] for d in days):
        return _fault(base, f"{base.text!r} is not a day in the calendar: {year} is no leap year")
    first, last = date(year, month, days[0]), date(year, month, days[-1])
    night = bool(parts.get("night"))
    if last < first:
        return _fault(base, f"{base.text!r} ends before it begins")
    if night:
        last = max(last, first + timedelta(days=1))
    precision = "night" if night else "days" if last > first else "day"
    return _with(base, first, last, precision, basis, month=month, day=days[0])


def _nearest_year(month: int, day: int, anchor: date) -> int:
    """The year in which a day without one lies: the last before publication, unless it is about to come."""
    limit = anchor + timedelta(days=DAYS_AHEAD)
    for year in (anchor.year + 1, anchor.year, anchor.year - 1):
        if day <= calendar.monthrange(year, month)[1] and date(year, month, day) <= limit:
            return year
    return anchor.year - 1


def _month(base: DateMention, parts: dict[str, Any], anchor: date | None) -> DateMention:
    month = MONTHS[parts["mon"].rstrip(".").lower()]
    if not parts.get("y") and anchor is None:
        return DateMention(base.text, base.start, base.end, base.kind, precision="month", basis="no year", month=month)
    if parts.get("y"):
        year, basis = int(parts["y"]), "the year is given"
    else:
        assert anchor is not None
        year, basis = anchor.year if month <= anchor.month else anchor.year - 1, f"the last before {anchor}"
        if parts.get("which") == "last":
            year = anchor.year - 1
    last_day = calendar.monthrange(year, month)[1]
    first, last = date(year, month, 1), date(year, month, last_day)
    part = (parts.get("part") or "").lower()
    if part in ("early", "the beginning of"):
        last = date(year, month, 10)
    elif part == "mid":
        first, last = date(year, month, 11), date(year, month, 20)
    elif part:
        first = date(year, month, 21)
    return _with(base, first, last, "days" if part else "month", basis, month=month)


_Near = DateMention | None


def _no_anchor(base: DateMention) -> DateMention:
    return DateMention(base.text, base.start, base.end, base.kind, precision="days", basis="the report has no date")


def _weekend(base: DateMention, parts: dict[str, Any], anchor: date | None, near: _Near, ahead: bool) -> DateMention:
    if anchor is None:
        return _no_anchor(base)
    saturday = anchor - timedelta(days=(anchor.weekday() - 5) % 7)
    if "next" in base.text.lower() or (ahead and "this" in base.text.lower()):
        saturday += timedelta(days=7)
    return _with(base, saturday, saturday + timedelta(days=1), "days", f"the weekend nearest to {anchor}")


def _weekday(base: DateMention, parts: dict[str, Any], anchor: date | None, near: _Near, ahead: bool) -> DateMention:
    if anchor is None:
        return _no_anchor(base)
    which = (parts.get("which") or "").lower()
    number = WEEKDAYS[parts["w"].lower()]
    back = (anchor.weekday() - number) % 7
    if which == "last" and back == 0:
        back = 7
    day = anchor - timedelta(days=back)
    if which in ("next", "the following") or (ahead and back):
        day += timedelta(days=7)
    if base.kind == "night":
        return _with(base, day, day + timedelta(days=1), "night", f"the {parts['w']} nearest to {anchor}")
    return _with(base, day, day, "day", f"the {parts['w']} nearest to {anchor}")


def _shift(day: date, count: int, unit: str) -> date:
    unit = unit.lower().rstrip("s")
    if unit in ("hour", "day", "week"):
        return day + timedelta(days=round(count / 24) if unit == "hour" else count * (7 if unit == "week" else 1))
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


_VAGUE = {"hour": "day", "day": "day", "week": "days", "month": "month", "year": "year"}


def _ago(base: DateMention, parts: dict[str, Any], anchor: date | None, near: _Near, ahead: bool) -> DateMention:
    way, unit = parts["way"].lower(), parts["u"].lower().rstrip("s")
    from_near = way != "ago" and near is not None and near.first is not None
    origin = near.first if from_near and near else anchor
    if origin is None:
        return _no_anchor(base)
    count = COUNTS.get(parts["n"].lower()) or int(parts["n"])
    day = _shift(origin, count if way in ("later", "afterwards") else -count, unit)
    basis = f"counted from {near.text!r}" if from_near and near else f"counted from publication on {origin}"
    return _around(base, day, unit, basis)


def _around(base: DateMention, day: date, unit: str, basis: str) -> DateMention:
    precision = _VAGUE[unit]
    if precision == "month":
        return _with(base, *_month_of(day), "month", basis)
    if precision == "year":
        return _with(base, date(day.year, 1, 1), date(day.year, 12, 31), "year", basis)
    spread = timedelta(days=3 if unit == "week" else 0)
    return _with(base, day - spread, day + spread, precision, basis)


def _month_of(day: date) -> tuple[date, date]:
    return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _close(base: DateMention, parts: dict[str, Any], anchor: date | None, near: _Near, ahead: bool) -> DateMention:
    words = " ".join(base.text.lower().split())
    steps = {"today": 0, "tonight": 0, "yesterday": -1, "tomorrow": 1, "last night": -1, "overnight": -1}
    if words in steps or words == "the day before yesterday":
        if anchor is None:
            return _no_anchor(base)
        day = anchor + timedelta(days=steps.get(words, -2))
        if "night" in words:
            return _with(base, day, day + timedelta(days=1), "night", f"counted from publication on {anchor}")
        return _with(base, day, day, "day", f"counted from publication on {anchor}")
    origin = near.first if near is not None and near.first is not None else anchor
    if origin is None:
        return _no_anchor(base)
    back = words.endswith(("before", "earlier"))
    day = origin + timedelta(days=-1 if back else 1)
    return _with(base, day, day, "day", f"counted from {near.text!r}" if near else f"counted from {origin}")


def _span(base: DateMention, parts: dict[str, Any], anchor: date | None, near: _Near, ahead: bool) -> DateMention:
    which, unit = parts["which"].lower(), parts["u"].lower()
    from_near = which in ("previous", "following") and near is not None and near.first is not None
    origin = near.first if from_near and near else anchor
    if origin is None:
        return _no_anchor(base)
    basis = f"counted from {near.text!r}" if from_near and near else f"counted from publication on {origin}"
    if which == "past":
        return _with(base, _shift(origin, -1, unit), origin, "days" if unit == "week" else "months", basis)
    step = {"this": 0, "next": 1, "following": 1, "coming": 1}.get(which, -1)
    day = _shift(origin, step, unit)
    if unit == "week":
        monday = day - timedelta(days=day.weekday())
        return _with(base, monday, monday + timedelta(days=6), "days", basis)
    if unit == "month":
        return _with(base, *_month_of(day), "month", basis)
    return _with(base, date(day.year, 1, 1), date(day.year, 12, 31), "year", basis)


def _past(base: DateMention, parts: dict[str, Any], anchor: date | None, near: _Near, ahead: bool) -> DateMention:
    if anchor is None:
        return _no_anchor(base)
    count, unit = COUNTS.get(parts["n"].lower()) or int(parts["n"]), parts["u"].lower().rstrip("s")
    first = _shift(anchor, -count, unit)
    precision = "days" if unit in ("hour", "day", "week") else "months"
    return _with(base, first, anchor, precision, f"counted from publication on {anchor}")


_RELATIVE: dict[str, Callable[[DateMention, dict[str, Any], date | None, _Near, bool], DateMention]] = {
    "weekend": _weekend,
    "weekday": _weekday,
    "night": _weekday,
    "ago": _ago,
    "near": _close,
    "span": _span,
    "past": _past,
}
