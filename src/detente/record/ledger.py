"""The ledger: every source, claim, event and estimate of a crisis, checked against each other."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from detente.errors import ScenarioError, UsageError, nearest
from detente.record.files import Line, read_lines
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

    @property
    def quantities(self) -> dict[str, Quantity]:
        """The figures of all events, by their own ids."""
        return {q.id: q for event in self.events.values() for q in event.quantities}


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
    folder = Path(folder)
    if not folder.is_dir():
        raise ScenarioError(f"{folder}: there is no such folder. Give the folder that holds {', '.join(FILES)}.")
    lines = {name: read_lines(folder / name, model) for name, model in FILES.items()}
    _refuse_duplicates([line for part in lines.values() for line in part])
    tables = {name: {line.record.id: line.record for line in part} for name, part in lines.items()}
    ledger = Ledger(*(tables[name] for name in FILES))
    for part in lines.values():
        for line in part:
            _check_references(line, ledger)
    for line in lines["sources.jsonl"]:
        _check_originals(line, ledger)
    for line in lines["estimates.jsonl"]:
        _check_estimate(line, ledger)
    return ledger


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
    table = _everything(ledger)
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
                    q.model_copy(update={"sources": _within(q.sources, sources)})
                    for q in e.quantities
                    if (q.reported or e.reported) <= last and _within(q.sources, sources)
                ),
                "contested": tuple(d for d in e.contested if (d.reported or e.reported) <= last),
            }
        )
        for e in kept.values()
    }


def _claims_as_of(ledger: Ledger, last: date, sources: Mapping, events: Mapping) -> dict[str, Claim]:
    kept = {c.id: c for c in ledger.claims.values() if c.reported.end <= last and _within(c.sources, sources)}
    return {c.id: _claim_as_of(c, last, sources, events, kept) for c in kept.values()}


def _claim_as_of(claim: Claim, last: date, sources: Mapping, events: Mapping, claims: Mapping) -> Claim:
    checks = tuple(check for check in claim.checks if check.source in sources)
    update: dict = {
        "sources": _within(claim.sources, sources),
        "checks": checks,
        "corrects": _within(claim.corrects, claims),
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


def _everything(ledger: Ledger) -> dict[str, Entry]:
    return {**ledger.sources, **ledger.claims, **ledger.events, **ledger.estimates, **ledger.quantities}


def _refuse_duplicates(lines: Iterable[Line]) -> None:
    first: dict[str, Line] = {}
    for line in lines:
        inner = [q.id for q in line.record.quantities] if isinstance(line.record, Event) else []
        for id in (line.record.id, *inner):
            if id in first:
                raise ScenarioError(
                    f"{line.path}, line {line.number}: id is {id!r}, which {first[id].path.name}, "
                    f"line {first[id].number} has already. Give one of the two another id."
                )
            first[id] = line


def _references(record: Entry, ledger: Ledger) -> Iterable[tuple[str, str, Iterable[str]]]:
    """Every (key, id that it names, ids that may stand there) of a record."""
    cited = {**ledger.claims, **ledger.events, **ledger.quantities}
    match record:
        case Source():
            yield from (("paraphrases", id, ledger.sources) for id in record.paraphrases)
        case Claim():
            yield from (("sources", id, ledger.sources) for id in record.sources)
            yield from (("checks.source", check.source, ledger.sources) for check in record.checks)
            yield from (("corrects", id, ledger.claims) for id in record.corrects)
            if record.event is not None:
                yield "event", record.event, ledger.events
        case Event():
            yield from (("sources", id, ledger.sources) for id in record.sources)
            yield from (("caused_by", id, ledger.events) for id in record.caused_by)
            for q in record.quantities:
                yield from ((f"quantities.{q.id}.sources", id, ledger.sources) for id in q.sources)
        case Estimate():
            yield from (("rests_on", id, cited) for id in record.rests_on)


def _check_references(line: Line, ledger: Ledger) -> None:
    for key, id, known in _references(line.record, ledger):
        if id not in known:
            raise ScenarioError(
                f"{line.where}: {key} names {id!r}, which is not in the record. "
                f"Correct the id, or add what it should name.{nearest(id, known)}"
            )


def _check_originals(line: Line, ledger: Ledger) -> None:
    """A source must not retell itself, however long the way round."""
    waiting = list(line.record.paraphrases)
    seen: set[str] = set()
    while waiting:
        id = waiting.pop()
        if id == line.record.id:
            raise ScenarioError(
                f"{line.where}: paraphrases is {list(line.record.paraphrases)!r}, which leads back to the "
                "source itself. Name only what it retells."
            )
        if id not in seen:
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


def _check_estimate(line: Line, ledger: Ledger) -> None:
    estimate: Estimate = line.record
    figures = _figures(ledger)
    try:
        unknown = [name for name in estimate.names if name not in figures]
        if unknown:
            raise ValueError(f"the formula names {unknown[0]!r}, which has no figure.{nearest(unknown[0], figures)}")
        used = {name: figures[name] for name in estimate.names}
        low, high = evaluate_range(estimate.formula, {name: (f[0], f[2]) for name, f in used.items()})
        middles = {name: f[1] for name, f in used.items() if f[1] is not None}
        best = evaluate(estimate.formula, middles) if len(middles) == len(used) else estimate.best
    except ValueError as error:
        raise ScenarioError(f"{line.where}: {error}. Correct the formula or the id.") from None
    for key, stored, worked_out in (
        ("low", estimate.low, low),
        ("best", estimate.best, best),
        ("high", estimate.high, high),
    ):
        if stored is None or worked_out is None:
            continue
        if not math.isclose(stored, worked_out, rel_tol=ROUNDING, abs_tol=1e-9):
            raise ScenarioError(
                f"{line.where}: {key} is {stored:g}, but {estimate.formula!r} gives {worked_out:.4g}. "
                f"Write {worked_out:.4g}, or correct the formula or the figures it uses."
            )
