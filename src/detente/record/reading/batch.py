"""Reading a batch: every document is read, dated, told apart and searched for claims; one that fails stops no other."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from detente.errors import DetenteError
from detente.record.ledger import Ledger
from detente.record.models import Event, Source
from detente.record.reading.actors import Lexicon
from detente.record.reading.documents import MAX_BYTES, Document, read_document
from detente.record.reading.drafts import Draft, Origin, Reported, claim_prefix, numbered, origin_ids, source_id
from detente.record.reading.duplicates import Held, Likeness, find_likeness, hold
from detente.record.reading.events import Assignment, Marks, Relation, assign, marks, name_counts, relate
from detente.record.reading.llm import Proposal
from detente.record.reading.page import cut
from detente.record.reading.propose import propose

# A report without a date is taken to have come out within so many days of the last day that it names.
DAYS_TO_PUBLICATION = 6
MAX_COMPARED = 50


@dataclass(frozen=True)
class Settings:
    """How to read: what is known beforehand, and what is allowed."""

    known: Lexicon
    ledger: Ledger = field(default_factory=Ledger)
    published: date | None = None
    source: str | None = None
    encoding: str | None = None
    max_bytes: int = MAX_BYTES
    model_fn: Callable[[Document], Proposal] | None = None


@dataclass(frozen=True)
class Reading:
    """What was read from one document."""

    document: Document
    origin: Origin
    drafts: tuple[Draft, ...]
    assignment: Assignment
    marks: Marks
    likeness: Likeness | None = None
    on_record: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A document that was not read, or a proposer that failed on it, and why."""

    name: str
    message: str
    kind: str = "not read"


@dataclass(frozen=True)
class Batch:
    """What came of a batch: what was read, how pairs of reports stand to each other, and what failed."""

    readings: tuple[Reading, ...]
    relations: tuple[tuple[str, str, Relation], ...]
    failures: tuple[Failure, ...]


def read_batch(
    inputs: Iterable[tuple[str, Callable[[], bytes]]],
    settings: Settings,
    *,
    held: Held | None = None,
    progress_fn: Callable[[int], None] = lambda done: None,
) -> Batch:
    """Read documents one after the other; what fails is reported, and the rest goes on.

    Args:
        inputs: The name of each document, and a function that returns its bytes.
        settings: What is known, and what is allowed.
        held: Reports that are held already; each one read is added to them.
        progress_fn: Told after each document how many are done.

    Returns:
        The readings, the relations between them, and the failures.

    Example:
        >>> from detente.record.reading.actors import lexicon
        >>> text = b"Havana said on October 24 that 14 ships had turned back at the line."
        >>> found = read_batch([("a.txt", lambda: text), ("b.txt", lambda: b"")], Settings(lexicon()))
        >>> len(found.readings[0].drafts), found.failures[0].message
        (1, 'b.txt: the file is empty. Save the report again, or leave it out.')
    """
    held = Held() if held is None else held
    taken = origin_ids(settings.ledger.claims)
    ids = {s for s in settings.ledger.sources}
    record = _look_up(settings.ledger)
    readings: list[Reading] = []
    failures: list[Failure] = []
    for done, (name, load_fn) in enumerate(inputs, start=1):
        try:
            reading, wrong = _read_one(name, load_fn(), settings, held, taken, ids, record)
            failures += wrong
            if reading is not None:
                readings.append(reading)
        except DetenteError as error:
            failures.append(Failure(name, str(error)))
        progress_fn(done)
    return Batch(tuple(readings), tuple(_relations(readings, settings.ledger)), tuple(failures))


def _read_one(
    name: str,
    data: bytes,
    settings: Settings,
    held: Held,
    taken: set[str],
    ids: set[str],
    record: "_Record",
) -> tuple[Reading | None, list[Failure]]:
    document = read_document(
        name, data, encoding=settings.encoding, max_bytes=settings.max_bytes, published=settings.published
    )
    likeness = find_likeness(held, document)
    if likeness is not None and likeness.relation == "copy":
        same = "word for word" if likeness.share == 1.0 else f"{likeness.share:.0%} of its runs of words"
        message = f"{name}: it is held already as {likeness.of} ({same}). Leave it out, or read the other one."
        return None, [Failure(name, message, "held already")]
    hold(held, document)
    source = record.source_of(document, data)
    document = _dated_by_record(document, source)
    page = cut(document, settings.known)
    found = marks(document, settings.known, page)
    assignment = assign(found, settings.ledger, record.named)
    event = settings.ledger.events.get(assignment.event or "")
    reported = _reported(document, source, found, event)
    id = source.id if source else settings.source or _new_id(name, ids)
    ids.add(id)
    outlet = document.about.outlet or (source.outlet if source else "") or id
    day = reported.first if reported else None
    drafts = propose(document, settings.known, published=day, outlet=outlet, page=page)
    dropped, failures = (), []
    if settings.model_fn is not None:
        try:
            proposal = settings.model_fn(document)
            drafts, dropped = [*drafts, *proposal.drafts], proposal.dropped
        except DetenteError as error:
            failures.append(Failure(name, str(error), "no model"))
    prefix = claim_prefix(id, taken)
    taken.add(prefix)
    notes = tuple(p for d in drafts for p in d.problems)
    return (
        Reading(
            document,
            Origin(id, reported, assignment.event),
            tuple(numbered(drafts, prefix)),
            assignment,
            found,
            likeness,
            source is not None,
            (*document.warnings, *notes, *dropped),
        ),
        failures,
    )


def _new_id(name: str, ids: set[str]) -> str:
    base = source_id(name)
    id, n = base, 2
    while id in ids:
        id, n = f"{base}_{n}", n + 1
    return id


@dataclass(frozen=True)
class _Record:
    """What a batch asks of the record for every document, looked up once."""

    by_hash: Mapping[str, Source]
    by_address: Mapping[str, Source]
    named: Mapping[str, int]

    def source_of(self, document: Document, data: bytes) -> Source | None:
        """The source of the record that this document is: by the hash of its file, or by its address."""
        found = self.by_hash.get(hashlib.sha256(data).hexdigest()) if self.by_hash else None
        return found or self.by_address.get(_plain_address(document.about.address))


def _look_up(ledger: Ledger) -> _Record:
    """Where two sources have the same file or address, the first one counts."""
    listed = list(ledger.sources.values())[::-1]
    hashes = {s.document.sha256: s for s in listed if s.document is not None and s.document.sha256}
    addresses = {address: s for s in listed if (address := _plain_address(s.address))}
    return _Record(hashes, addresses, name_counts(ledger))


def _plain_address(address: str) -> str:
    return (
        address.split("#")[0]
        .split("?")[0]
        .removeprefix("https://")
        .removeprefix("http://")
        .removeprefix("www.")
        .rstrip("/")
    )


def _dated_by_record(document: Document, source: Source | None) -> Document:
    """A document without a date takes that of its source on record."""
    if source is None or document.about.published or source.published_start is None:
        return document
    about = replace(document.about, published=source.published_start, published_from=f"source {source.id} on record")
    return replace(document, about=about)


def _reported(document: Document, source: Source | None, found: Marks, event: Event | None) -> Reported | None:
    """When a document was published: as it says, as the record says, or after the last day that it names."""
    about = document.about
    if about.published_from.startswith("source ") and source and source.published_start:
        return Reported(source.published_start, source.published_end or source.published_start, about.published_from)
    if about.published is not None:
        return Reported(about.published, about.published, about.published_from)
    whole = [d.last for d in found.dates if d.last is not None and d.kind in ("iso", "day")]
    if event is not None:
        near = (_on(event.happened.start, d.month, d.day) for d in found.dates if d.month and d.day and not d.resolved)
        whole += [d for d in near if d is not None]
        whole.append(event.happened.end)
    if not whole:
        return None
    last = max(whole)
    what = f"event {event.id} and the days" if event else "the days"
    basis = f"inferred from {what} that it names: the last is {last}"
    return Reported(last, last + timedelta(days=DAYS_TO_PUBLICATION), basis)


def _on(start: date, month: int, day: int) -> date | None:
    """A day without a year as it lies within the month after an event."""
    for year in (start.year, start.year + 1):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if 0 <= (found - start).days <= 31:
            return found
    return None


def _relations(readings: Sequence[Reading], ledger: Ledger) -> Iterable[tuple[str, str, Relation]]:
    """How each pair of reports stands to each other; of a large batch, the first fifty are compared."""
    compared = readings[:MAX_COMPARED]
    for i, a in enumerate(compared):
        for b in compared[i + 1 :]:
            if len(a.marks.actors & b.marks.actors) >= 2:
                yield (
                    a.document.name,
                    b.document.name,
                    relate(a.marks, b.marks, a.assignment, b.assignment, ledger),
                )
