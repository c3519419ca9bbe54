"""The ledger: every source, claim, event and estimate of a crisis, checked against each other."""

import gc
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

from detente.errors import ScenarioError, UsageError, nearest
from detente.record.files import Fault, Line, scan_lines
from detente.record.formula import evaluate, evaluate_range
from detente.record.models import (
    NEEDS_CORRECTION,
    Check,
    Claim,
    Estimate,
    Event,
    Figure,
    Quantity,
    Source,
    parse_day,
)
from detente.record.scales import MOVES

FILES: Mapping[str, type] = {
    "sources.jsonl": Source,
    "claims.jsonl": Claim,
    "events.jsonl": Event,
    "estimates.jsonl": Estimate,
}
AGAINST = ("contradicts", "supersedes", "distorts")
# Stored results are rounded to four digits so that the files stay readable; this is what rounding may change.
ROUNDING = 5e-4

Entry = Source | Claim | Event | Quantity | Estimate


@dataclass(frozen=True)
class Ledger:
    """All that is on record about a crisis, each kind by id, in the order of its file."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    estimates: Mapping[str, Estimate] = field(default_factory=dict)

    # Worked out once for a ledger, as it cannot change: a large one is asked many times.
    @cached_property
    def quantities(self) -> dict[str, Quantity]:
        """The figures of all events, by their own ids."""
        return {q.id: q for event in self.events.values() for q in event.quantities}

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Everything on record by its id."""
        return {**self.sources, **self.claims, **self.events, **self.estimates, **self.quantities}

    @cached_property
    def event_of(self) -> dict[str, Event]:
        """The event to which each figure belongs."""
        return {q.id: event for event in self.events.values() for q in event.quantities}

    @cached_property
    def corrected_by(self) -> dict[str, tuple[str, ...]]:
        """The claims that set a claim right."""
        return _inverted((c.id, c.corrects) for c in self.claims.values())

    @cached_property
    def claims_about(self) -> dict[str, tuple[str, ...]]:
        """The claims about each event."""
        return _inverted((c.id, (c.event,) if c.event else ()) for c in self.claims.values())


def load_ledger(folder: str | Path) -> Ledger:
    """Read the record of a crisis and check that everything in it refers to something that exists.

    Args:
        folder: Holds sources.jsonl, claims.jsonl, events.jsonl and estimates.jsonl, one JSON object per line.

    Returns:
        The ledger, its estimates worked out again and found equal to what is stored.

    Raises:
        ScenarioError: If a file is missing or a line is wrong; it names file, line, key, value and remedy.

    Example:
        >>> from importlib.resources import files
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> ledger.events["E2410-02"].happened.start.isoformat()
        '2024-10-01'
    """
    ledger, faults = survey(folder)
    if faults:
        raise ScenarioError(faults[0].message)
    return ledger


def survey(folder: str | Path) -> tuple[Ledger, tuple[Fault, ...]]:
    """Read as much of a record as can be read, and say everything that is wrong with it.

    Lines that cannot be read are left out of the ledger, and so is the second of two entries with one id; both are
    among the faults. References that lead nowhere stay as they are.

    Args:
        folder: See :func:`load_ledger`.

    Returns:
        The ledger, and the faults: lines, then ids, then references, then estimates, each in the order of the files.

    Raises:
        ScenarioError: If there is no such folder.

    Example:
        >>> from importlib.resources import files
        >>> ledger, faults = survey(str(files("detente") / "scenarios/april-2024/record"))
        >>> len(ledger.claims) > 17, faults
        (True, ())
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ScenarioError(f"{folder}: there is no such folder. Give the folder that holds {', '.join(FILES)}.")
    with _garbage_left_lying():
        ledger, faults = _survey(folder)
        # Questions are asked of what is read: the indexes are made along with it, not with the first question.
        for index in ("entries", "event_of", "corrected_by", "claims_about"):
            getattr(ledger, index)
        return ledger, faults


@contextmanager
def _garbage_left_lying() -> Iterator[None]:
    """Do not look for garbage meanwhile: reading makes millions of objects, and all of them are kept."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _survey(folder: Path) -> tuple[Ledger, tuple[Fault, ...]]:
    lines: dict[str, list[Line]] = {}
    faults: list[Fault] = []
    for name, model in FILES.items():
        lines[name], wrong = scan_lines(folder / name, model)
        faults += wrong
    faults += _duplicates([line for part in lines.values() for line in part])
    tables: dict[str, dict[str, Entry]] = {name: {} for name in FILES}
    for name, part in lines.items():
        for line in part:
            tables[name].setdefault(line.record.id, line.record)
    ledger = Ledger(*(tables[name] for name in FILES))  # type: ignore[arg-type]
    for part in lines.values():
        for line in part:
            faults += _dangling(line, ledger)
    for line in lines["sources.jsonl"]:
        faults += _circles(line, ledger)
    figures = _figures(ledger) if lines["estimates.jsonl"] else {}
    for line in lines["estimates.jsonl"]:
        faults += _wrong_results(line, figures)
    return ledger, tuple(faults)


def find(ledger: Ledger, id: str) -> Entry:
    """Look up anything on record by its id: a claim, an event, a figure, an estimate or a source.

    Args:
        ledger: The record.
        id: An id as it stands in the files.

    Returns:
        What has that id.

    Raises:
        UsageError: If nothing has it; the message offers the nearest id.

    Example:
        >>> from importlib.resources import files
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> find(ledger, "oct24_ballistic_launched").high
        200.0
    """
    table = ledger.entries
    if id not in table:
        raise UsageError(
            f"the record holds nothing with the id {id!r}. "
            f"Use the id of a claim, event, figure, estimate or source.{nearest(str(id), table)}"
        )
    return table[id]


def as_of(ledger: Ledger, day: date | str) -> Ledger:
    """The record as it could be known at the end of a day: what was reported later is left out.

    A source is left out unless it was certainly published by then (an original is kept with those who retell
    it). What has no source left is left out too, and so are checks that rest on later sources; where nothing
    that speaks against a claim was known yet, the claim stands as unverified (grade 6).

    Args:
        ledger: The record.
        day: A date, or its text as YYYY-MM-DD.

    Returns:
        A ledger in which everything refers only to what is still there.

    Raises:
        UsageError: If the day is not a day in the calendar.

    Example:
        >>> from importlib.resources import files
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> "E2410-08" in ledger.events, "E2410-08" in as_of(ledger, "2024-10-25").events
        (True, False)
    """
    try:
        last = parse_day(day)
    except ValueError as error:
        raise UsageError(f"as_of: {error}") from None
    sources = _sources_as_of(ledger, last)
    events = _events_as_of(ledger, last, sources)
    claims = _claims_as_of(ledger, last, sources, events)
    known = Ledger(sources, claims, events, {})
    ids = {**claims, **events, **known.quantities}
    estimates = {e.id: e for e in ledger.estimates.values() if all(name in ids for name in (*e.names, *e.rests_on))}
    return Ledger(sources, claims, events, estimates)


# --- as_of, part by part ---


def _sources_as_of(ledger: Ledger, last: date) -> dict[str, Source]:
    kept = {s.id for s in ledger.sources.values() if s.published_end is not None and s.published_end <= last}
    waiting = list(kept)
    while waiting:
        originals = set(ledger.sources[waiting.pop()].paraphrases) - kept
        kept |= originals
        waiting.extend(originals)
    return {id: source for id, source in ledger.sources.items() if id in kept}


def _within(ids: Iterable[str], known: Mapping) -> tuple[str, ...]:
    return tuple(id for id in ids if id in known)


def _events_as_of(ledger: Ledger, last: date, sources: Mapping) -> dict[str, Event]:
    kept = {e.id: e for e in ledger.events.values() if e.reported <= last and _within(e.sources, sources)}
    return {
        e.id: e.model_copy(
            update={
                "sources": _within(e.sources, sources),
                "caused_by": _within(e.caused_by, kept),
                "quantities": tuple(
                    _quantity_as_of(q, last, sources)
                    for q in e.quantities
                    if (q.reported or e.reported) <= last and _within(q.sources, sources)
                ),
                "contested": tuple(d for d in e.contested if (d.reported or e.reported) <= last),
            }
        )
        for e in kept.values()
    }


def _quantity_as_of(quantity: Quantity, last: date, sources: Mapping) -> Quantity:
    readings = tuple(
        r if r.replaced is None or r.replaced <= last else r.model_copy(update={"replaced": None, "standing": "used"})
        for r in quantity.readings
        if r.reported <= last and r.source in sources
    )
    return quantity.model_copy(update={"sources": _within(quantity.sources, sources), "readings": readings})


def _claims_as_of(ledger: Ledger, last: date, sources: Mapping, events: Mapping) -> dict[str, Claim]:
    kept = {c.id: c for c in ledger.claims.values() if c.reported.end <= last and _within(c.sources, sources)}
    return {c.id: _claim_as_of(c, last, sources, events, kept) for c in kept.values()}


def _claim_as_of(claim: Claim, last: date, sources: Mapping, events: Mapping, claims: Mapping) -> Claim:
    checks = tuple(check for check in claim.checks if check.source in sources or check.claim in claims)
    update: dict = {
        "sources": _within(claim.sources, sources),
        "checks": checks,
        "corrects": _within(claim.corrects, claims),
        "retells": _within(claim.retells, claims),
        "quotes": tuple(q for q in claim.quotes if q.source in sources),
        "passages": tuple(p for p in claim.passages if p.source in sources),
        "event": claim.event if claim.event in events else None,
    }
    revised_later = claim.revised is not None and claim.revised.end > last
    if revised_later or (_against(claim.checks) and not _against(checks)):
        update |= {"revised": None}
        if claim.status in NEEDS_CORRECTION:
            update |= {"status": "unverified", "grade": 6, "correction": "", "note": ""}
    return claim.model_copy(update=update)


def _against(checks: Iterable[Check]) -> tuple[Check, ...]:
    return tuple(check for check in checks if check.relation in AGAINST)


# --- checks while loading ---


def _inverted(pairs: Iterable[tuple[str, Iterable[str]]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for id, others in pairs:
        for other in others:
            found.setdefault(other, []).append(id)
    return {id: tuple(ids) for id, ids in found.items()}


def _duplicates(lines: Iterable[Line]) -> Iterable[Fault]:
    first: dict[str, Line] = {}
    for line in lines:
        inner = [q.id for q in line.record.quantities] if isinstance(line.record, Event) else []
        for id in (line.record.id, *inner):
            if id in first:
                yield Fault(
                    "same id twice",
                    f"{line.path}, line {line.number}",
                    id,
                    f"{line.path}, line {line.number}: id is {id!r}, which {first[id].path.name}, "
                    f"line {first[id].number} has already. Give one of the two another id.",
                )
            else:
                first[id] = line


def _references(record: Entry, ledger: Ledger) -> Iterable[tuple[str, Iterable[str | None], Mapping | tuple]]:
    """Every (key, ids that it names, what may stand there) of a record."""
    match record:
        case Source():
            yield "paraphrases", record.paraphrases, (ledger.sources,)
        case Claim():
            sources, claims = (ledger.sources,), (ledger.claims,)
            yield "sources", record.sources, sources
            if record.checks:
                yield "checks.source", (check.source for check in record.checks), sources
                yield "checks.claim", (check.claim for check in record.checks), claims
            if record.quotes:
                yield "quotes.source", (quote.source for quote in record.quotes), sources
            if record.passages:
                yield "passages.source", (passage.source for passage in record.passages), sources
            yield "corrects", record.corrects, claims
            yield "retells", record.retells, claims
            yield "event", (record.event,), (ledger.events,)
        case Event():
            yield "sources", record.sources, (ledger.sources,)
            yield "caused_by", record.caused_by, (ledger.events,)
            yield "moves", record.moves, (MOVES,)
            for q in record.quantities:
                yield f"quantities.{q.id}.sources", q.sources, (ledger.sources,)
                yield f"quantities.{q.id}.readings.source", (r.source for r in q.readings), (ledger.sources,)
        case Estimate():
            yield "rests_on", record.rests_on, (ledger.claims, ledger.events, ledger.quantities)


def _resolves(claim: Claim, ledger: Ledger) -> bool:
    """Whether all that a claim names is there: quick, for the many claims with which nothing is wrong."""
    sources, claims = ledger.sources, ledger.claims
    return (
        (claim.event is None or claim.event in ledger.events)
        and all(id in sources for id in claim.sources)
        and all(check.source in sources if check.source else check.claim in claims for check in claim.checks)
        and all(id in claims for id in (*claim.corrects, *claim.retells))
        and all(part.source in sources for part in (*claim.quotes, *claim.passages))
    )


def _dangling(line: Line, ledger: Ledger) -> Iterable[Fault]:
    if isinstance(line.record, Claim) and _resolves(line.record, ledger):
        return
    for key, ids, tables in _references(line.record, ledger):
        for id in ids:
            if id is None or any(id in table for table in tables):
                continue
            known = [name for table in tables for name in table]
            what = "the table of escalation scales" if key == "moves" else "the record"
            yield Fault(
                "id that leads nowhere",
                f"{line.path}, line {line.number}",
                line.record.id,
                f"{line.where}: {key} names {id!r}, which is not in {what}. "
                f"Correct the id, or add what it should name.{nearest(id, known)}",
            )


def _circles(line: Line, ledger: Ledger) -> Iterable[Fault]:
    """A source must not retell itself, however long the way round."""
    waiting = list(line.record.paraphrases)
    seen: set[str] = set()
    while waiting:
        id = waiting.pop()
        if id == line.record.id:
            yield Fault(
                "source that retells itself",
                f"{line.path}, line {line.number}",
                id,
                f"{line.where}: paraphrases is {list(line.record.paraphrases)!r}, which leads back to the "
                "source itself. Name only what it retells.",
            )
            return
        if id not in seen and id in ledger.sources:
            seen.add(id)
            waiting.extend(ledger.sources[id].paraphrases)


def _figures(ledger: Ledger) -> dict[str, tuple[float, float | None, float]]:
    """(low, best, high) of everything that a formula may name; of an event, its days."""
    figures: dict[str, Figure] = {**ledger.quantities}
    figures |= {c.id: c.quantity for c in ledger.claims.values() if c.quantity is not None}
    found = {id: (f.low, f.low if f.low == f.high else f.best, f.high) for id, f in figures.items()}
    for event in ledger.events.values():
        first, last = event.happened.start.toordinal(), event.happened.end.toordinal()
        found[event.id] = (first, first if first == last else None, last)
    return found


def _wrong_results(line: Line, figures: Mapping[str, tuple[float, float | None, float]]) -> Iterable[Fault]:
    """An estimate whose formula cannot be worked out, or gives other figures than those stored."""
    estimate: Estimate = line.record
    place = f"{line.path}, line {line.number}"
    try:
        low, best, high = worked_out(estimate, figures)
    except ValueError as error:
        message = f"{line.where}: {error}. Correct the formula or the id."
        return [Fault("formula", place, estimate.id, message)]
    pairs = (("low", estimate.low, low), ("best", estimate.best, best), ("high", estimate.high, high))
    return [
        Fault(
            "formula",
            place,
            estimate.id,
            f"{line.where}: {key} is {stored:g}, but {estimate.formula!r} gives {found:.4g}. "
            f"Write {found:.4g}, or correct the formula or the figures it uses.",
        )
        for key, stored, found in pairs
        if stored is not None and found is not None and not math.isclose(stored, found, rel_tol=ROUNDING, abs_tol=1e-9)
    ]


def worked_out(
    estimate: Estimate, figures: Mapping[str, tuple[float, float | None, float]]
) -> tuple[float, float | None, float]:
    """What the formula of an estimate gives: the least, the best if all its figures have one, and the most.

    Args:
        estimate: The estimate.
        figures: (low, best or None, high) by id.

    Returns:
        (low, best or None, high).

    Raises:
        ValueError: If the formula names something without a figure, or may divide by zero.

    Example:
        >>> half = Estimate(id="half", meaning="Half.", formula="a / 2", low=1, high=2, unit="m", rests_on=("a",))
        >>> worked_out(half, {"a": (2, 3, 4)})
        (1.0, 1.5, 2.0)
    """
    names = estimate.names
    unknown = [name for name in names if name not in figures]
    if unknown:
        raise ValueError(f"the formula names {unknown[0]!r}, which has no figure.{nearest(unknown[0], figures)}")
    used = {name: figures[name] for name in names}
    low, high = evaluate_range(estimate.formula, {name: (f[0], f[2]) for name, f in used.items()})
    middles = {name: f[1] for name, f in used.items() if f[1] is not None}
    best = evaluate(estimate.formula, middles) if len(middles) == len(used) else None
    return low, best, high
