"""Views of a record: what happened in order, what changed between two days, which numbers are disputed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from detente.errors import UsageError
from detente.record.evidence import figures_in_words, independent_sources
from detente.record.ledger import AGAINST, Ledger, as_of, worked_out
from detente.record.models import Claim, Estimate, Event, Figure, Quantity, Reading, parse_day
from detente.record.scales import MOVES, TARGETS, ScaleRow

PRIVATE = ("private", "private-then-reported", "background", "covert")
SAME = 1e-3  # share by which two ranges may differ and still count as one, as stored figures are rounded


@dataclass(frozen=True)
class Change:
    """Something that a record says on the later of two days and not on the earlier.

    Attributes:
        kind: "event added", "claim added", "claim superseded", "figure added", "range widened", "range
            narrowed" or "range moved".
        id: The entry.
        day: When it became known.
        what: What is new, or what was before and what is now.
        why: What speaks against it now, for a claim; who reports it otherwise.
    """

    kind: str
    id: str
    day: date
    what: str
    why: str = ""


@dataclass(frozen=True)
class Interval:
    """What one source says of a disputed number.

    Attributes:
        source: Its id.
        outlet: Who published it.
        origin: Outlet of the report that it passes on, or its own.
        says: Who is behind the figure, or empty.
        low: The smallest value.
        high: The largest.
        bound: "exact", "about", "at least" or "at most".
        reported: When.
        standing: Whether the record uses it: "used", "replaced" or "not used".
        note: Why not, or anything else.
    """

    source: str
    outlet: str
    origin: str
    says: str
    low: float
    high: float
    bound: str
    reported: date
    standing: str
    note: str


@dataclass(frozen=True)
class Contested:
    """A number on which sources differ.

    Attributes:
        id: Of the figure, or of the claims, joined.
        event: Id of the event.
        what: What is counted.
        unit: Its unit.
        low: The least that the record holds possible.
        high: The most.
        intervals: What each source says, in the order in which they came.
    """

    id: str
    event: str
    what: str
    unit: str
    low: float
    high: float
    intervals: tuple[Interval, ...]


def timeline(
    ledger: Ledger, *, actor: str | None = None, start: date | None = None, end: date | None = None
) -> list[Event]:
    """What was done, in the order in which it happened.

    Args:
        ledger: The record.
        actor: Only acts of those whose name holds this, without regard to case.
        start: Only what was still going on that day or later.
        end: Only what had begun by that day.

    Returns:
        The events.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> [e.id for e in timeline(ledger, actor="iran", start=date(2024, 9, 1))]
        ['E2408-02', 'E2409-02', 'E2410-02', 'E2410-10']
    """
    kept = (
        event
        for event in ledger.events.values()
        if (actor is None or actor.casefold() in event.actor.casefold())
        and (start is None or event.happened.end >= start)
        and (end is None or event.happened.start <= end)
    )
    return sorted(kept, key=lambda event: (event.happened.start, event.happened.end, event.id))


def is_private(event: Event) -> bool:
    """Whether an act was meant not to be seen by all.

    Args:
        event: An event.
    """
    return event.channel in PRIVATE


# -- what changed -------------------------------------------------------------------------------------------
def changed(ledger: Ledger, start: date | str, end: date | str) -> list[Change]:
    """What a record says at the end of one day that it did not say at the end of an earlier one.

    Args:
        ledger: The whole record.
        start: The earlier day, or its text as YYYY-MM-DD.
        end: The later day.

    Returns:
        Events, claims and figures added, claims superseded, and ranges of figures and estimates that widened,
        narrowed or moved; each kind in the order of the days.

    Raises:
        UsageError: If a day is not in the calendar, or the days are in the wrong order.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> for change in changed(ledger, "2024-10-01", "2024-10-02"):
        ...     if change.kind == "range widened":
        ...         print(change.what)
        ballistic missiles launched: 200 missiles → 180–200 missiles
        Ballistic missiles that Iran launched in October. 200 missiles → 180–200 missiles
    """
    first, last = _day("from", start), _day("to", end)
    if first > last:
        raise UsageError(f"from: {first} lies after {last}. Give the earlier day first.")
    before, after = as_of(ledger, first), as_of(ledger, last)
    found = [*_new_claims(before, after), *_new_events(before, after), *_superseded(before, after)]
    found += [*_new_ranges(ledger, first, last), *_new_estimates(ledger, first, last)]
    return sorted(found, key=lambda change: (KINDS.index(change.kind), change.day))


KINDS = (
    "event added",
    "claim added",
    "claim superseded",
    "figure added",
    "range widened",
    "range narrowed",
    "range moved",
)


def _day(name: str, value: date | str) -> date:
    try:
        return parse_day(value)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


def _new_claims(before: Ledger, after: Ledger) -> Iterable[Change]:
    for claim in after.claims.values():
        if claim.id not in before.claims:
            outlets = ", ".join(_outlets(after, claim.sources))
            yield Change("claim added", claim.id, claim.reported.end, claim.statement, outlets)


def _new_events(before: Ledger, after: Ledger) -> Iterable[Change]:
    for event in after.events.values():
        if event.id not in before.events:
            outlets = ", ".join(_outlets(after, event.sources))
            yield Change("event added", event.id, event.reported, f"{event.actor}: {event.act}", outlets)


def _outlets(ledger: Ledger, ids: Iterable[str]) -> list[str]:
    return [ledger.sources[id].outlet for id in independent_sources(ledger, ids)]


def _superseded(before: Ledger, after: Ledger) -> Iterable[Change]:
    for claim in after.claims.values():
        old = before.claims.get(claim.id)
        if old is None:
            continue
        checks = [check for check in claim.checks if check.relation in AGAINST and check not in old.checks]
        correctors = [
            id for id in after.corrected_by.get(claim.id, ()) if id not in before.corrected_by.get(claim.id, ())
        ]
        if not checks and not correctors and claim.status == old.status:
            continue
        days = [after.claims[id].reported.end for id in correctors]
        days += [s.published_end for c in checks if c.source and (s := after.sources[c.source]).published_end]
        days += [claim.revised.end] if claim.revised else []
        reasons = [f"{after.sources[c.source].outlet if c.source else c.claim}: {c.note}" for c in checks]
        reasons += [f"{id}: {after.claims[id].statement}" for id in correctors]
        standing = claim.status if claim.status == old.status else f"{old.status} → {claim.status}"
        what = f"{claim.statement} ({standing.replace('_', ' ')})"
        yield Change("claim superseded", claim.id, min(days, default=claim.reported.end), what, " ".join(reasons))


def range_on(quantity: Quantity, event: Event, day: date) -> Figure | None:
    """The range of a figure as it stood at the end of a day: from the smallest to the largest of what sources gave.

    Args:
        quantity: A figure of the whole record.
        event: The event that it belongs to.
        day: The day.

    Returns:
        The range, without what had been replaced by then; None where nothing stood yet.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> impacts, salvo = ledger.quantities["oct24_impacts_nevatim"], ledger.events["E2410-02"]
        >>> [figures_in_words(range_on(impacts, salvo, date(2024, 10, day))) for day in (1, 2, 4)]
        ['', '12 impacts', '20–30 impacts']
    """
    if not quantity.readings:
        known = (quantity.reported or event.reported) <= day
        return Figure(low=quantity.low, high=quantity.high, unit=quantity.unit) if known else None
    standing = [r for r in quantity.readings if _stands(r, day)]
    if not standing:
        return None
    return Figure(low=min(r.low for r in standing), high=max(r.high for r in standing), unit=quantity.unit)


def _stands(reading: Reading, day: date) -> bool:
    not_replaced = reading.replaced is None or reading.replaced > day
    return reading.standing != "not used" and reading.reported <= day and not_replaced


def _new_ranges(ledger: Ledger, start: date, end: date) -> Iterable[Change]:
    for quantity in ledger.quantities.values():
        event = ledger.event_of[quantity.id]
        first, second = (range_on(quantity, event, day) for day in (start, end))
        kind = _kind(first, second)
        if second is None or not kind:
            continue
        news = [r for r in quantity.readings if _stands(r, end) and not _stands(r, start)]
        outlets = [ledger.sources[r.source].outlet + (f" ({r.says})" if r.says else "") for r in news]
        outlets = outlets or _outlets(ledger, quantity.sources)
        day = max([r.reported for r in news], default=quantity.reported or event.reported)
        now = figures_in_words(second)
        what = now if first is None else f"{figures_in_words(first)} → {now}"
        yield Change(kind, quantity.id, day, f"{quantity.what}: {what}", ", ".join(outlets))


def _kind(first: Figure | None, second: Figure | None) -> str:
    """How a range changed; empty where it did not."""
    if second is None:
        return ""
    if first is None:
        return "figure added"
    slack = SAME * max(abs(first.low), abs(first.high), abs(second.low), abs(second.high))
    wider = second.low < first.low - slack or second.high > first.high + slack
    narrower = second.high < first.high - slack or second.low > first.low + slack
    if wider and narrower:
        return "range moved"
    return "range widened" if wider else "range narrowed" if narrower else ""


def _new_estimates(ledger: Ledger, start: date, end: date) -> Iterable[Change]:
    figures = [_figures(ledger, day) for day in (start, end)]
    for estimate in ledger.estimates.values():
        first, second = (_range_of(estimate, known) for known in figures)
        kind = _kind(first, second)
        if second is None or not kind:
            continue
        days = [r.reported for n in estimate.names if (q := ledger.quantities.get(n)) for r in q.readings]
        days += [q.reported for n in estimate.names if (q := ledger.quantities.get(n)) and q.reported]
        day = max((day for day in days if start < day <= end), default=end)
        now = figures_in_words(second)
        what = now if first is None else f"{figures_in_words(first)} → {now}"
        yield Change(kind, estimate.id, day, f"{estimate.meaning} {what}", "worked out again")


def _range_of(estimate: Estimate, figures: Mapping[str, tuple[float, float | None, float]]) -> Figure | None:
    if not all(name in figures for name in estimate.names):
        return None
    try:
        low, _, high = worked_out(estimate, figures)
    except ValueError:
        return None  # on that day a divisor could have been zero: there was no estimate yet
    return Figure(low=low, high=high, unit=estimate.unit)


def _figures(ledger: Ledger, day: date) -> dict[str, tuple[float, float | None, float]]:
    """(low, None, high) of everything that a formula may name, as it stood at the end of a day."""
    found: dict[str, tuple[float, float | None, float]] = {}
    for quantity in ledger.quantities.values():
        figure = range_on(quantity, ledger.event_of[quantity.id], day)
        if figure is not None:
            found[quantity.id] = (figure.low, None, figure.high)
    for claim in ledger.claims.values():
        if claim.quantity is not None and claim.reported.end <= day:
            found[claim.id] = (claim.quantity.low, None, claim.quantity.high)
    for event in ledger.events.values():
        if event.reported <= day:
            found[event.id] = (event.happened.start.toordinal(), None, event.happened.end.toordinal())
    return found


# -- what is disputed ---------------------------------------------------------------------------------------
def contested(ledger: Ledger, *, about: str = "") -> list[Contested]:
    """The numbers on which sources differ, with what each of them says.

    Figures with readings of single sources come first; then claims that give different numbers for one act of one
    event in one unit.

    Args:
        ledger: The record.
        about: Only those in which this text occurs, without regard to case.

    Returns:
        The disputed numbers.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> [(item.what, len(item.intervals)) for item in contested(ledger, about="Nevatim")]
        [('impacts at and around Nevatim air base', 5)]
    """
    found = [_by_reading(ledger, q) for q in ledger.quantities.values() if _differ((r.low, r.high) for r in q.readings)]
    groups: dict[tuple[str, str, str], list[Claim]] = {}
    for claim in ledger.claims.values():
        if claim.event and claim.quantity:
            groups.setdefault((claim.event, claim.act, claim.quantity.unit), []).append(claim)
    for (event, act, unit), claims in groups.items():
        if _differ((c.quantity.low, c.quantity.high) for c in claims if c.quantity):
            found.append(_by_claim(ledger, event, act, unit, claims))
    wanted = about.casefold()
    return [item for item in found if wanted in f"{item.id} {item.what} {item.unit} {item.event}".casefold()]


def _differ(ranges: Iterable[tuple[float, float]]) -> bool:
    return len(set(ranges)) > 1


def _interval(ledger: Ledger, reading: Reading) -> Interval:
    return Interval(
        reading.source,
        ledger.sources[reading.source].outlet,
        ", ".join(_outlets(ledger, [reading.source])),
        reading.says,
        reading.low,
        reading.high,
        reading.bound,
        reading.reported,
        reading.standing,
        reading.note,
    )


def _by_reading(ledger: Ledger, quantity: Quantity) -> Contested:
    intervals = sorted((_interval(ledger, r) for r in quantity.readings), key=lambda i: i.reported)
    event = ledger.event_of[quantity.id].id
    return Contested(quantity.id, event, quantity.what, quantity.unit, quantity.low, quantity.high, tuple(intervals))


def _by_claim(ledger: Ledger, event: str, act: str, unit: str, claims: list[Claim]) -> Contested:
    standing: Mapping[bool, str] = {True: "not used", False: "used"}
    intervals = [
        Interval(
            claim.sources[0],
            ", ".join(_outlets(ledger, claim.sources)),
            ", ".join(_outlets(ledger, claim.sources)),
            claim.id,
            claim.quantity.low,
            claim.quantity.high,
            "exact",
            claim.reported.end,
            standing[claim.status == "wrong"],
            claim.correction,
        )
        for claim in claims
        if claim.quantity
    ]
    kept = [i for i in intervals if i.standing == "used"] or intervals
    ids = ", ".join(claim.id for claim in claims)
    low, high = min(i.low for i in kept), max(i.high for i in kept)
    return Contested(ids, event, act, unit, low, high, tuple(sorted(intervals, key=lambda i: i.reported)))


# -- escalation scales --------------------------------------------------------------------------------------
def scale_rows(ledger: Ledger) -> list[ScaleRow]:
    """Every act of a record on every escalation scale, in the order in which it happened.

    Args:
        ledger: The record.

    Returns:
        One row for each kind of act of each event; events that are no acts between the sides have none.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> row = next(row for row in scale_rows(ledger) if row.event == "E2410-08")
        >>> row.actor, row.target, row.move.ladder, row.move.goldstein
        ('Israel', 'Iran', 3, -10.0)
    """
    return [
        ScaleRow(event.happened.start, event.id, event.actor, event.target, MOVES[name], event.severity)
        for event in timeline(ledger)
        for name in event.moves
    ]


def target_rows() -> list[ScaleRow]:
    """The choices of target on every escalation scale, lowest first: where published scores stop telling them apart."""
    return [ScaleRow(None, "", "", "", MOVES[name]) for name in TARGETS]
