"""Which event a report is about: told by its dates, numbers and names, with the reason; look-alikes stay apart."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, lru_cache
from itertools import islice

from detente.record.ledger import Ledger
from detente.record.models import Event, Quantity
from detente.record.reading.actors import Lexicon
from detente.record.reading.dates import WEEKDAYS, DateMention
from detente.record.reading.documents import Document
from detente.record.reading.page import Page, cut
from detente.record.reading.quantities import Amount
from detente.record.reading.words import word_set

MIN_SCORE = 4.0
MARGIN = 1.0
NOT_YET = -9.0  # a report from before an event is never about it
# Events that began within so many days of each other belong to one round: which of them is meant is left open.
ROUND_DAYS = 3
# A report is written about what happened in the weeks before it.
RECENT_DAYS = 21
_BACKGROUND = re.compile(
    r"\b(?:earlier|previous|last|since|past|anniversary|back|former|prior|first)\b[^.;]{0,40}$", re.IGNORECASE
)
# What may not stand before the capital is asked after it: a pattern that begins with a capital is found much sooner.
_NAME = re.compile(r"[A-Z](?<![.!?“\"]\s.)(?<![“\"\n].)(?<=\b.)[\w-]{2,}")
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_COMMON = word_set(
    """
    January February March April May June July August September October November December Monday Tuesday
    Wednesday Thursday Friday Saturday Sunday President Minister Prime Secretary Defense Defence Foreign
    National Security Adviser General Leader The A An In On At But And However Instead This That These It He She
    They We With Despite After Before As While Although Some Many Several Both Supreme Deputy Chief State Army
    Navy Air Force Western Eastern Northern Southern Middle East Council House Ministry Department Government
    Guard Corps Revolutionary
    """
)


@dataclass(frozen=True)
class Marks:
    """What tells a report's event from others: dates, numbers, names and the parties."""

    dates: tuple[DateMention, ...]
    background: tuple[DateMention, ...]
    amounts: tuple[Amount, ...]
    names: frozenset[str]
    actors: frozenset[str]
    published: date | None

    @cached_property
    def precise(self) -> tuple[DateMention, ...]:
        """The dates that tell a day, or a week at most."""
        return tuple(
            d
            for d in self.dates
            if (d.first and d.last and (d.last - d.first).days <= 7) or (d.month is not None and d.day is not None)
        )

    @cached_property
    def near_days(self) -> tuple[DateMention, ...]:
        """The dates that can be the day of an event: those that are known to a week, or have a day and a month."""
        return tuple(
            d
            for d in self.dates
            if (
                (d.last - d.first).days <= 7
                if d.first is not None and d.last is not None
                else d.month is not None and d.day is not None
            )
        )

    @cached_property
    def exact(self) -> DateMention | None:
        """The first date that names a day of the calendar."""
        return next((d for d in self.dates if d.kind in ("iso", "day")), None)

    @cached_property
    def weekly(self) -> tuple[tuple[DateMention, frozenset[int]], ...]:
        """The dates that name days of a week that is not known, with these days."""
        return tuple((d, week) for d in self.dates if not d.resolved and (week := _week_part(d)) is not None)

    @cached_property
    def telling(self) -> tuple[Amount, ...]:
        """The amounts that can tell one event from another: of something, and not of one or two."""
        found = ((a, a.low if a.low is not None else a.high) for a in self.amounts)
        return tuple(a for a, value in found if value is not None and a.unit and value >= 3)

    @cached_property
    def spans(self) -> tuple[tuple[DateMention, int | None, int, int | None], ...]:
        """The precise dates with their first and last day as numbers, and their day of the year."""
        return tuple(
            (
                d,
                d.first.toordinal() if d.first and d.last else None,
                d.last.toordinal() if d.last else 0,
                date(2024, d.month, d.day).toordinal() if d.month and d.day else None,
            )
            for d in self.precise
        )

    @cached_property
    def counted(self) -> Mapping[str, list[Amount]]:
        """The amounts that have a number, by their units."""
        found: dict[str, list[Amount]] = {}
        for a in self.amounts:
            if a.unit and (a.low or a.high):
                found.setdefault(a.unit.lower(), []).append(a)
        return found


@dataclass(frozen=True)
class Match:
    """How well an event fits a report, and why."""

    event: str
    score: float
    reasons: tuple[str, ...]
    against: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """The event that a report is about (None: it cannot be told), why, and what came next."""

    event: str | None
    reasons: tuple[str, ...]
    next_best: Match | None = None


@dataclass(frozen=True)
class Relation:
    """How the events of two reports stand to each other: ``same``, ``different`` or ``unclear``, and why."""

    verdict: str
    reasons: tuple[str, ...]


def marks(document: Document, known: Lexicon, page: Page | None = None) -> Marks:
    """What a report's event can be told by.

    Args:
        document: The report.
        known: The names of actors.
        page: The document as cut up already.

    Returns:
        Its dates (those of earlier events apart), its numbers, and its names.

    Example:
        >>> from detente.record.reading.actors import lexicon
        >>> from detente.record.reading.documents import read_document
        >>> doc = read_document("a.txt", b"Havana said on October 24 that 14 ships had turned back at the line.")
        >>> found = marks(doc, lexicon())
        >>> [d.text for d in found.dates], [a.text for a in found.amounts], sorted(found.actors)
        (['October 24'], ['14 ships'], ['Cuba'])
    """
    text = document.text
    page = cut(document, known) if page is None else page
    names: set[str] = set()
    for start, end in document.paragraphs:
        if not _is_headline(text[start:end]):
            names |= _names(text, start, end)
    mentions, dates = page.mentions, page.dates
    actors = frozenset(m.actor for m in mentions if m.kind != "outlet")
    people = {m.person.split()[-1] for m in mentions if m.person}
    names -= {w for m in mentions if m.kind in ("adjective", "outlet", "unnamed") for w in m.text.split()}
    main = [d for d in dates if not d.problem and not _is_background(text, d)]
    rest = [d for d in dates if not d.problem and d not in main]
    return Marks(
        tuple(main), tuple(rest), tuple(page.amounts), frozenset(names | people), actors, document.about.published
    )


def _names(text: str, start: int, end: int) -> set[str]:
    """Names in the text: words with a capital that do not begin a sentence, and no common ones."""
    found = set()
    for m in _NAME.finditer(text[start:end]):
        if m.start() and m.group() not in _COMMON:
            found.add(m.group())
    return found


def _is_headline(text: str) -> bool:
    """Whether a line is set in capitals, so that its capitals say nothing."""
    words = [m[0] for m in islice(_LONG_WORD.finditer(text), 30)]
    return len(words) < 30 and sum(w[0].isupper() for w in words) > 0.6 * len(words)


def _is_background(text: str, mention: DateMention) -> bool:
    """Whether a date is that of another event: "an earlier attack in April", "the previous week"."""
    if mention.kind in ("month", "year", "span", "past"):
        return True
    return bool(_BACKGROUND.search(text, max(0, mention.start - 60), mention.start))


def assign(found: Marks, ledger: Ledger, rare: Mapping[str, int] | None = None) -> Assignment:
    """Find the event on record that a report is about, if one stands out.

    Args:
        found: The report's marks.
        ledger: The record.
        rare: How many of its events name each name (:func:`name_counts`), if that has been counted already.

    Returns:
        The event with the reasons; None with the reasons where no event fits, or two rounds fit alike.
    """
    if not ledger.events:
        return Assignment(None, ("no events are on record",))
    rare = name_counts(ledger) if rare is None else rare
    ranked = sorted((_match(found, e, ledger, rare) for e in ledger.events.values()), key=lambda m: -m.score)
    best = ranked[0]
    other = next((m for m in ranked[1:] if not _one_round(ledger.events[m.event], ledger.events[best.event])), None)
    if best.score < MIN_SCORE:
        return Assignment(None, (f"no event on record fits (nearest: {best.event})", *best.against), best)
    if other is not None and best.score - other.score < MARGIN:
        return Assignment(None, (f"{best.event} and {other.event} fit alike", *best.reasons), other)
    return Assignment(best.event, best.reasons, other)


def _one_round(a: Event, b: Event) -> bool:
    return abs((a.happened.start - b.happened.start).days) <= ROUND_DAYS


def name_counts(ledger: Ledger) -> Mapping[str, int]:
    """How many events of a record name each name; the parties, who are in every report, count as named by all.

    Example:
        >>> dict(name_counts(Ledger()))
        {}
    """
    counts: Counter[str] = Counter()
    for event in ledger.events.values():
        counts.update(set(_event_names(event)))
        counts.update(dict.fromkeys((w for p in _parties(event) for w in p.split()), len(ledger.events)))
    return counts


def _event_names(event: Event) -> frozenset[str]:
    return _names_in(event.act, event.target)


@lru_cache(maxsize=100_000)
def _names_in(act: str, target: str) -> frozenset[str]:
    words = f". {act}; {target}"
    found = {m.group() for m in re.finditer(r"\b[A-Z][\w]{2,}", words)} | set(re.findall(r"\bG7\b", words))
    return frozenset(found - _COMMON)


def _match(found: Marks, event: Event, ledger: Ledger, rare: Mapping[str, int]) -> Match:
    dated = _by_date(found, event)
    if dated.score <= NOT_YET:
        return dated
    score, reasons, against = 0.0, [], []
    for part in (dated, _by_number(found, event), _by_name(found, event, ledger, rare)):
        score += part.score
        reasons += part.reasons
        against += part.against
    parties = [p for p in _parties(event) if p in found.actors]
    score += 0.5 * len(parties) - (2.0 if not parties else 0.0) + 0.1 * event.severity
    return Match(event.id, score, tuple(reasons), tuple(against))


def _parties(event: Event) -> frozenset[str]:
    return _parties_in(event.actor, event.target)


@lru_cache(maxsize=100_000)
def _parties_in(*sides: str) -> frozenset[str]:
    parts = (party.strip() for side in sides for party in re.split(r"[,:(]| and ", side))
    return frozenset(party for party in parts if party and not party.startswith("in "))


def _by_date(found: Marks, event: Event) -> Match:
    score, reasons, against = 0.0, [], []
    first, last = event.happened.start, event.happened.end
    if found.published is not None:
        age = (found.published - first).days
        if age < 0:
            return Match(
                event.id, NOT_YET, (), (f"date: published on {found.published}, before {event.id} began on {first}",)
            )
        if age <= RECENT_DAYS:
            score += 1.0
        else:
            score -= 2.0
            against.append(f"date: published {age} days after {event.id}")
    hits = [d for d in found.near_days if _same_day(d, first, last)]
    exact = found.exact
    if hits:
        score += 3.0 + 0.5 * (len(hits) - 1)
        reasons.append(f"date: {hits[0].text!r} is when {event.id} happened ({_days(first, last)})")
    elif exact is not None:
        score -= 2.0
        against.append(f"date: {exact.text!r} is not when {event.id} happened ({_days(first, last)})")
    for d, week in found.weekly[:1] if (last - first).days <= ROUND_DAYS else ():
        if any(day.weekday() in week for day in _each_day(first, last)):
            score += 1.0
            reasons.append(f"date: {d.text!r} fits, {_days(first, last)} fell on a {_day_names(first, last)}")
        else:
            score -= 1.5
            against.append(f"date: {d.text!r} does not fit, {_days(first, last)} fell on a {_day_names(first, last)}")
    return Match(event.id, score, tuple(reasons), tuple(against))


def _same_day(d: DateMention, first: date, last: date) -> bool:
    if d.first is not None and d.last is not None:
        return d.first <= last and first <= d.last
    return any((x.month, x.day) == (d.month, d.day) for x in _each_day(first, last))


def _each_day(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range(min((last - first).days, 31) + 1)]


def _week_part(d: DateMention) -> frozenset[int] | None:
    if d.kind == "weekend":
        return frozenset((5, 6))
    if d.kind in ("weekday", "night"):
        return frozenset(n for name, n in WEEKDAYS.items() if name in d.text.lower())
    return None


def _days(first: date, last: date) -> str:
    return first.isoformat() if first == last else f"{first} to {last}"


def _day_names(first: date, last: date) -> str:
    names = [f"{d:%A}" for d in _each_day(first, last)]
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _by_number(found: Marks, event: Event) -> Match:
    if not event.quantities:
        return Match(event.id, 0.0, (), ())
    score, reasons, against = 0.0, [], []
    for amount in found.telling:
        like = [q for q in event.quantities if _same_unit(amount.unit, q.what, q.unit)]
        fits = [q for q in like if _fits(amount, q)]
        if fits:
            q = fits[0]
            score += 2.0
            reasons.append(f"number: {_shown(amount)!r} fits {q.low:g}–{q.high:g} {q.unit} of {event.id} ({q.id})")
        elif like:
            q = like[0]
            score -= 1.0
            against.append(
                f"number: {_shown(amount)!r} does not fit {q.low:g}–{q.high:g} {q.unit} of {event.id} ({q.id})"
            )
    return Match(event.id, max(-2.0, min(score, 4.0)), tuple(reasons), tuple(against))


def _shown(amount: Amount) -> str:
    """An amount with its unit, also where the report leaves the unit out."""
    return amount.text if amount.unit in amount.text else f"{amount.text} {amount.unit}"


@lru_cache(maxsize=100_000)
def _same_unit(printed: str, what: str, unit: str) -> bool:
    """Whether a printed unit is that of a figure on record: its noun, and the words that tell its kind."""
    words, about = printed.lower().split(), f"{what} {unit}".lower()
    kinds = (w for w in ("ballistic", "cruise") if w in words)
    return words[-1].rstrip("s") in unit.lower() and all(k in about for k in kinds)


def _fits(amount: Amount, q: Quantity) -> bool:
    """Whether a printed number and a figure on record can be the same; "over 100" is not 200."""
    if amount.low is not None and amount.high is not None:
        return amount.low <= q.high * 1.02 and amount.high >= q.low * 0.98
    value = amount.low if amount.low is not None else amount.high
    assert value is not None
    slack = max(1.0, 0.3 * value)
    if amount.low is not None:
        return q.high >= value and q.low <= value + slack
    return q.low <= value and q.high >= value - slack


def _by_name(found: Marks, event: Event, ledger: Ledger, rare: Mapping[str, int]) -> Match:
    score, reasons = 0.0, []
    limit = max(2, len(ledger.events) // 5)
    own = sorted(n for n in _event_names(event) & found.names if rare[n] <= limit and n not in _parties(event))
    if own:
        score += 1.5
        reasons.append(f"named: {', '.join(own)} ({event.id})")
    for cause in event.caused_by:
        if cause not in ledger.events:
            continue
        names = sorted(n for n in _event_names(ledger.events[cause]) & found.names if rare[n] <= limit)
        if names:
            score += 1.5
            reasons.append(f"named: {', '.join(names)} (what led to it, {cause})")
            break
    return Match(event.id, score, tuple(reasons), ())


def relate(first: Marks, second: Marks, one: Assignment, two: Assignment, ledger: Ledger) -> Relation:
    """Say whether two reports are about the same event, and why.

    Args:
        first: Marks of the one report.
        second: Marks of the other.
        one: The event on record of the first, if it was found.
        two: The event of the second.
        ledger: The record with these events.

    Returns:
        The verdict with its reasons; ``unclear`` where dates, numbers and names settle nothing.
    """
    pair = _near_pair(first, second)
    apart = [] if pair or not first.precise or not second.precise else [_dates_apart(first, second)]
    apart += _numbers_apart(first, second)
    if one.event and two.event:
        a, b = ledger.events[one.event], ledger.events[two.event]
        if _one_round(a, b):
            return Relation("same", (f"both are about the round of {a.id}", *one.reasons[:1], *two.reasons[:1]))
        return Relation("different", (*one.reasons, *two.reasons, *apart))
    names = _names_apart(first, second)
    if apart:
        return Relation("different", (*apart, *names))
    together = [f"date: {_dated(pair[0])} and {_dated(pair[1])}"] if pair else []
    if together and not names:
        return Relation("same", tuple(together))
    return Relation("unclear", (*together, *names) or ("dates, numbers and names settle nothing",))


def _dates_apart(first: Marks, second: Marks) -> str:
    return f"date: {_dated(first.precise[0])} against {_dated(second.precise[0])}"


def _near_pair(first: Marks, second: Marks) -> tuple[DateMention, DateMention] | None:
    """The first dates of two reports that can mean days of one round."""
    for a, a_first, a_last, a_day in first.spans:
        for b, b_first, b_last, b_day in second.spans:
            if a_first is not None and b_first is not None:
                near = a_first <= b_last + ROUND_DAYS and b_first <= a_last + ROUND_DAYS
            else:
                near = a_day is None or b_day is None or abs(a_day - b_day) <= ROUND_DAYS
            if near:
                return a, b
    return None


def _dated(d: DateMention) -> str:
    return f"{d.text!r} ({_days(d.first, d.last)})" if d.first and d.last else repr(d.text)


def _numbers_apart(first: Marks, second: Marks) -> list[str]:
    """Exact numbers of the same things, of which none agree."""
    a, b = first.counted, second.counted
    shared = sorted(set(a) & set(b))
    return [
        f"number: {_shown(a[unit][0])!r} against {_shown(b[unit][0])!r}"
        for unit in shared
        if not any(_compatible(x, y) for x in a[unit] for y in b[unit])
    ]


def _compatible(x: Amount, y: Amount) -> bool:
    low = max(x.low if x.low is not None else 0.0, y.low if y.low is not None else 0.0)
    high = min(x.high if x.high is not None else float("inf"), y.high if y.high is not None else float("inf"))
    return low <= high * 1.25


def _names_apart(first: Marks, second: Marks) -> list[str]:
    a, b = first.names - second.names, second.names - first.names
    shared = first.names & second.names
    if not a or not b or len(shared) > min(len(a), len(b)):
        return []
    return [f"named: only here {', '.join(_some(a))}; only there {', '.join(_some(b))}"]


def _some(names: Iterable[str]) -> Sequence[str]:
    return sorted(names)[:5]
