"""Checking a record: quotations, numbers, dates, sources that are one source, and claims that no longer stand."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal

from detente.errors import nearest
from detente.record.evidence import independent_sources, supporters
from detente.record.files import Fault
from detente.record.findings import KINDS, Finding
from detente.record.ledger import Ledger
from detente.record.models import Claim, Event, Source
from detente.record.wording import Text, check_documents, check_numbers, check_quotations

UNRELIABLE = "DEF"
CLAIMS_TWO, CLAIMS_ONE_GOOD = 1, 2  # grades: borne out by two independent sources; by one with nothing against it


def audit(
    ledger: Ledger,
    *,
    faults: Iterable[Fault] = (),
    cited: Mapping[str, Iterable[str]] | None = None,
    documents: Mapping[str, Text] | None = None,
    as_known: Ledger | None = None,
) -> tuple[Finding, ...]:
    """Everything that is wrong with a record, and what is known in it to be wrong.

    Args:
        ledger: The record.
        faults: What was wrong when it was read (``survey``).
        cited: Parameter → ids that it rests on.
        documents: Id of a source → its text, for those that are at hand.
        as_known: The record as it stood when the parameters were set; by default the whole.

    Returns:
        The findings, by kind in the order of ``KINDS``, then in the order of the record.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> [finding for finding in audit(ledger) if not finding.known]
        []
        >>> [finding.id for finding in audit(ledger) if finding.kind == "quotation"]
        ['002-07', '002-08', '002-21']
    """
    found = [Finding(fault.kind, fault.id, *_split(fault.message)) for fault in faults]
    texts = documents or {}
    for check in (
        check_documents(ledger, texts),
        check_quotations(ledger, texts),
        check_numbers(ledger, texts),
        _cited(ledger, as_known or ledger, cited or {}),
        _superseded(as_known or ledger, cited or {}),
        _independence(ledger),
        _dates(ledger),
        _readings(ledger),
    ):
        found += check
    return tuple(sorted(found, key=lambda finding: KINDS.index(finding.kind)))


def _split(message: str) -> tuple[str, str]:
    """What is wrong, and what to do: our messages end with the remedy."""
    what, stop, remedy = message.rpartition(". ")
    # "Did you mean …?" belongs to the remedy before it.
    if remedy.startswith(("Did you mean", "Known:")):
        what, stop, first = what.rpartition(". ")
        remedy = f"{first}. {remedy}"
    return (what + ".", remedy) if stop else (message, "")


# -- what no longer stands ----------------------------------------------------------------------------------
def _cited(ledger: Ledger, as_known: Ledger, cited: Mapping[str, Iterable[str]]) -> Iterable[Finding]:
    for name, ids in cited.items():
        for id in ids:
            if id not in ledger.entries:
                yield Finding(
                    "id that leads nowhere",
                    id,
                    f"the parameter {name!r} rests on {id!r}, which is not in the record.",
                    f"Correct the id in scenario.toml, or add the entry.{nearest(id, ledger.entries)}",
                )
            elif id not in as_known.entries:
                yield Finding(
                    "dates",
                    id,
                    f"the parameter {name!r} rests on it, but it became known only after the as-of date.",
                    "Cite what was known by then, or move the as-of date.",
                )


def _superseded(ledger: Ledger, cited: Mapping[str, Iterable[str]]) -> Iterable[Finding]:
    users = {f"the parameter {name!r}": tuple(ids) for name, ids in cited.items()}
    users |= {f"the estimate {e.id!r}": (*e.names, *e.rests_on) for e in ledger.estimates.values()}
    for user, ids in users.items():
        for id in dict.fromkeys(ids):
            claim = ledger.claims.get(id)
            if claim is None:
                continue
            later = [check for check in claim.checks if check.relation == "supersedes"]
            correctors = ledger.corrected_by.get(id, ())
            if not later and not correctors and claim.status != "wrong":
                continue
            better = ", ".join([*correctors, *(check.source or check.claim or "" for check in later)])
            yield Finding(
                "superseded",
                id,
                f"{user} rests on it, but it {'is wrong' if claim.status == 'wrong' else 'no longer stands'}"
                + (f": see {better}." if better else "."),
                f"Let {user} cite {better or 'what is right'} instead, or as well.",
                bool(set(correctors) & set(ids)),
            )


# -- who says so --------------------------------------------------------------------------------------------
def _independence(ledger: Ledger) -> Iterable[Finding]:
    for claim in ledger.claims.values():
        behind = [id for id in supporters(claim) if id in ledger.sources]
        if not behind:
            continue
        counted = independent_sources(ledger, behind)
        if len(counted) == 1 and len(behind) > 1:
            yield Finding(
                "independence",
                claim.id,
                f"{len(behind)} addresses ({', '.join(behind)}) pass on one report ({counted[0]}).",
                "Give it grade 2 or worse, or add a source of another origin.",
                claim.grade > CLAIMS_TWO,
            )
        elif len(counted) == 1 and claim.grade == CLAIMS_TWO:
            yield Finding(
                "independence",
                claim.id,
                f"grade 1 says that two independent sources bear it out; it has one ({counted[0]}).",
                "Give it grade 2 or worse, or add a source of another origin.",
            )
        seen = [ledger.sources[id] for id in behind if ledger.sources[id].seen]
        best = min((source.reliability for source in seen), default="F")
        if len(counted) == 1 and best in UNRELIABLE:
            yield Finding(
                "one unreliable source",
                claim.id,
                f"all that bears it out is {behind[0]} (reliability {best})"
                + (f", passing on {counted[0]}." if counted[0] != behind[0] else "."),
                "Give it grade 3 or worse, or add a better source.",
                claim.grade > CLAIMS_ONE_GOOD,
            )


# -- dates and figures --------------------------------------------------------------------------------------
def _late(kind: Literal["dates"], id: str, first: str, day: date, second: str, other: date) -> Finding:
    return Finding(kind, id, f"{first} is {day}, later than {second}, which is {other}.", "Correct the wrong one.")


def _dates(ledger: Ledger) -> Iterable[Finding]:
    for source in ledger.sources.values():
        yield from _source_dates(source, ledger)
    for claim in ledger.claims.values():
        yield from _claim_dates(claim, ledger)
    for event in ledger.events.values():
        yield from _event_dates(event, ledger)
        yield from _causes_in_a_circle(event, ledger)


def _source_dates(source: Source, ledger: Ledger) -> Iterable[Finding]:
    start, end = source.published_start, source.published_end
    if source.retrieved and start and start > source.retrieved:
        yield _late("dates", source.id, "published_start", start, "retrieved", source.retrieved)
    for id in source.paraphrases:
        original = ledger.sources.get(id)
        if original and original.published_start and end and original.published_start > end:
            yield _late("dates", source.id, f"its original {id}", original.published_start, "it itself", end)


def _claim_dates(claim: Claim, ledger: Ledger) -> Iterable[Finding]:
    happened, reported = claim.happened, claim.reported
    # Plans and offers are reported before they come to pass; what has begun is not reported before.
    if happened and happened.start > reported.end:
        yield _late("dates", claim.id, "happened", happened.start, "reported", reported.end)
    # A count may be revised by a report that came out before the one which repeats the old figure.
    if claim.revised and happened and claim.revised.end < happened.start:
        yield _late("dates", claim.id, "happened", happened.start, "revised", claim.revised.end)
    if claim.surfaced and happened and happened.start > claim.surfaced.end:
        yield _late("dates", claim.id, "happened", happened.start, "surfaced", claim.surfaced.end)
    if claim.channel == "private-then-reported" and claim.surfaced is None:
        yield Finding(
            "dates",
            claim.id,
            "channel is 'private-then-reported', and surfaced is not given.",
            "Write in surfaced on which day it became public.",
        )
    # The first report may be one that a check found; a claim's own source may have come later.
    told = {*claim.sources, *(check.source for check in claim.checks)}
    published = [s.published_start for id in told if id and (s := ledger.sources.get(id)) and s.published_start]
    if published and min(published) > reported.end:
        yield _late("dates", claim.id, "the first of its sources", min(published), "reported", reported.end)
    last = [s.published_end for id in claim.sources if (s := ledger.sources.get(id)) and s.published_end]
    if happened and last and len(last) == len(claim.sources) and max(last) < happened.start:
        yield _late("dates", claim.id, "happened", happened.start, "the last of its sources", max(last))


def _causes_in_a_circle(event: Event, ledger: Ledger) -> Iterable[Finding]:
    """An event that is among its own causes, directly or through others."""
    seen: set[str] = set()
    waiting = list(event.caused_by)
    while waiting:
        id = waiting.pop()
        if id == event.id:
            yield Finding(
                "dates",
                event.id,
                f"caused_by leads from {event.id} back to {event.id}: nothing is its own cause",
                "Take the wrong id out of caused_by.",
            )
            return
        if id not in seen and id in ledger.events:
            seen.add(id)
            waiting += ledger.events[id].caused_by


def _event_dates(event: Event, ledger: Ledger) -> Iterable[Finding]:
    for id in event.caused_by:
        cause = ledger.events.get(id)
        if cause and cause.happened.start > event.happened.end:
            yield _late("dates", event.id, f"its cause {id}", cause.happened.start, "it itself", event.happened.end)
    for quantity in event.quantities:
        if quantity.reported and quantity.reported < event.happened.start:
            yield _late(
                "dates", quantity.id, f"{event.id}", event.happened.start, "the report of its figure", quantity.reported
            )
        for reading in quantity.readings:
            source = ledger.sources.get(reading.source)
            if source and source.published_start and source.published_start > reading.reported:
                yield _late(
                    "dates",
                    quantity.id,
                    f"the source {source.id}",
                    source.published_start,
                    "reported",
                    reading.reported,
                )


def _readings(ledger: Ledger) -> Iterable[Finding]:
    """Figures of single sources that are said to be used and lie outside the range."""
    for quantity in ledger.quantities.values():
        for reading in quantity.readings:
            outside = reading.low < quantity.low - 5e-4 or reading.high > quantity.high + 5e-4
            if reading.standing == "used" and outside:
                yield Finding(
                    "figure",
                    quantity.id,
                    f"{reading.source} gives {reading.low:g}–{reading.high:g}, outside "
                    f"{quantity.low:g}–{quantity.high:g}, and is marked as used.",
                    "Widen the range, or say in standing that the figure is replaced or not used.",
                )
