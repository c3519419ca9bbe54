"""What stands behind a number: the evidence as rows for a brief, and the errors of the founding texts."""

from collections.abc import Iterable
from dataclasses import dataclass

from detente.record.ledger import AGAINST, Entry, Ledger, find
from detente.record.models import NEEDS_CORRECTION, Claim, Estimate, Event, Figure, Quantity, Source


@dataclass(frozen=True)
class SourceRow:
    """A source as a brief shows it; ``retells`` names the outlets it takes its report from."""

    id: str
    outlet: str
    title: str
    date: str
    address: str
    reliability: str
    retells: tuple[str, ...]


@dataclass(frozen=True)
class EvidenceRow:
    """One cited id: what it says, its figures, how good it is, who says so and what speaks against it.

    ``grade`` is 1–6 for a claim, and the confidence in words for an event; it is empty where neither applies.
    """

    id: str
    kind: str
    statement: str
    figures: str
    grade: str
    status: str
    reported: str
    sources: tuple[SourceRow, ...]
    against: tuple[str, ...]
    correction: str
    rests_on: tuple[str, ...]


@dataclass(frozen=True)
class Correction:
    """A claim that is not taken as printed: what is wrong, and what the scenario uses instead."""

    claim: Claim
    why: tuple[str, ...]
    instead: str
    corrected_by: tuple[str, ...]


def figures_in_words(figure: Figure | None) -> str:
    """A range as people write it, with its unit.

    Args:
        figure: A range, or None.

    Returns:
        The text, empty for None.

    Example:
        >>> figures_in_words(Figure(low=180, best=185, high=200, unit="missiles"))
        '180–200 missiles (best 185)'
    """
    if figure is None:
        return ""
    if figure.low == figure.high:
        return f"{figure.low:.4g} {figure.unit}"
    best = "" if figure.best is None else f" (best {figure.best:.4g})"
    return f"{figure.low:.4g}–{figure.high:.4g} {figure.unit}{best}"


def chain(ledger: Ledger, ids: Iterable[str]) -> list[EvidenceRow]:
    """The evidence behind something, one row for each id that it cites.

    Args:
        ledger: The record.
        ids: Ids of claims, events, figures, estimates or sources, in the order in which to show them.

    Returns:
        The rows, in that order.

    Raises:
        UsageError: If an id is not in the record.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> row = chain(ledger, ["leak_per_launch.oct2024"])[0]
        >>> row.kind, row.figures
        ('estimate', '0.125–0.2056 share of missiles launched (best 0.1892)')
    """
    return [_row(ledger, find(ledger, id)) for id in ids]


def corrections(ledger: Ledger) -> list[Correction]:
    """The claims that are wrong, altered or disputed, and what the scenario uses instead of each.

    Args:
        ledger: The record.

    Returns:
        One correction for each such claim, in the order of the record.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> [c.claim.id for c in corrections(ledger) if c.claim.status == "wrong"]
        ['002-18', '002-21']
    """
    return [
        Correction(c, _against_claim(ledger, c), c.correction, _corrected_by(ledger, c))
        for c in ledger.claims.values()
        if c.status in NEEDS_CORRECTION
    ]


def independent_sources(ledger: Ledger, source_ids: Iterable[str]) -> tuple[str, ...]:
    """Who really says something: a report counts once, however many outlets repeat it.

    A source that retells one original counts with that original. One that retells several adds to the count
    only if none of them is counted already.

    Args:
        ledger: The record.
        source_ids: Ids of sources.

    Returns:
        One id for each independent source; their number is what counts.

    Raises:
        UsageError: If an id is not that of a source.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> independent_sources(ledger, ["toi_wapo", "newsmax_wapo", "bjl_wapo"])
        ('wapo_oct14',)
    """
    roots = {id: _roots(ledger, id) for id in dict.fromkeys(source_ids)}
    counted = list(dict.fromkeys(next(iter(r)) for r in roots.values() if len(r) == 1))
    covered = set(counted)
    for id, several in roots.items():
        if len(several) > 1 and not covered & set(several):
            counted.append(id)
            covered |= set(several)
    return tuple(counted)


def supporters(claim: Claim) -> tuple[str, ...]:
    """The sources that stand for a claim: those that make it and those that bear it out.

    Args:
        claim: A claim.

    Returns:
        Ids of sources, each once; without those that speak against it.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> supporters(ledger.claims["002-19"])
        ('seed002', 'usatoday')
    """
    against = {check.source for check in claim.checks if check.relation in AGAINST}
    bearing_out = [check.source for check in claim.checks if check.relation == "supports"]
    return tuple(id for id in dict.fromkeys([*claim.sources, *bearing_out]) if id not in against)


def _roots(ledger: Ledger, source_id: str) -> tuple[str, ...]:
    source = find(ledger, source_id)
    originals = source.paraphrases if isinstance(source, Source) else ()
    if not originals:
        return (source_id,)
    return tuple(dict.fromkeys(root for id in originals for root in _roots(ledger, id)))


def _corrected_by(ledger: Ledger, claim: Claim) -> tuple[str, ...]:
    return tuple(c.id for c in ledger.claims.values() if claim.id in c.corrects)


def _against_claim(ledger: Ledger, claim: Claim) -> tuple[str, ...]:
    return tuple(
        f"{ledger.sources[check.source].outlet}: {check.note}" for check in claim.checks if check.relation in AGAINST
    )


def _source_rows(ledger: Ledger, ids: Iterable[str]) -> tuple[SourceRow, ...]:
    sources = [ledger.sources[id] for id in dict.fromkeys(ids)]
    return tuple(
        SourceRow(
            s.id,
            s.outlet,
            s.title,
            s.published,
            s.address,
            s.reliability,
            tuple(ledger.sources[id].outlet for id in s.paraphrases),
        )
        for s in sources
    )


def _row(ledger: Ledger, entry: Entry) -> EvidenceRow:
    match entry:
        case Claim():
            return _claim_row(ledger, entry)
        case Event():
            return _event_row(ledger, entry)
        case Quantity():
            event = next(e for e in ledger.events.values() if entry in e.quantities)
            return EvidenceRow(
                id=entry.id,
                kind="quantity",
                statement=f"{entry.what[:1].upper()}{entry.what[1:]}. {entry.note}".strip(),
                figures=figures_in_words(entry),
                grade=event.confidence,
                status="",
                reported=(entry.reported or event.reported).isoformat(),
                sources=_source_rows(ledger, entry.sources),
                against=tuple(d.what for d in event.contested),
                correction="",
                rests_on=(event.id,),
            )
        case Estimate():
            return _estimate_row(ledger, entry)
        case Source():
            return EvidenceRow(
                id=entry.id,
                kind="source",
                statement=f"{entry.title}. {entry.note}".strip(),
                figures="",
                grade=entry.reliability,
                status="",
                reported=entry.published,
                sources=_source_rows(ledger, [entry.id]),
                against=(),
                correction="",
                rests_on=entry.paraphrases,
            )


def _claim_row(ledger: Ledger, claim: Claim) -> EvidenceRow:
    corrected_by = _corrected_by(ledger, claim)
    return EvidenceRow(
        id=claim.id,
        kind="claim",
        statement=claim.statement,
        figures=figures_in_words(claim.quantity),
        grade=str(claim.grade),
        status=claim.status,
        reported=claim.reported.start.isoformat(),
        sources=_source_rows(ledger, claim.sources),
        against=_against_claim(ledger, claim),
        correction=" ".join(
            filter(None, [claim.correction, f"See {', '.join(corrected_by)}." if corrected_by else ""])
        ),
        rests_on=(claim.event,) if claim.event else (),
    )


def _event_row(ledger: Ledger, event: Event) -> EvidenceRow:
    return EvidenceRow(
        id=event.id,
        kind="event",
        statement=f"{event.actor}: {event.act}. {event.note}".strip(),
        figures="; ".join(f"{q.what}: {figures_in_words(q)}" for q in event.quantities),
        grade=event.confidence,
        status=event.attribution,
        reported=event.reported.isoformat(),
        sources=_source_rows(ledger, event.sources),
        against=tuple(d.what for d in event.contested),
        correction="",
        rests_on=event.caused_by,
    )


def _estimate_row(ledger: Ledger, estimate: Estimate) -> EvidenceRow:
    known = {**ledger.claims, **ledger.events, **ledger.quantities}
    behind = [find(ledger, id) for id in dict.fromkeys([*estimate.names, *estimate.rests_on]) if id in known]
    # An event that is only cited for its figures would bring in every source of the event.
    figures = [entry for entry in behind if isinstance(entry, (Quantity, Claim))] or behind
    source_ids = [id for entry in figures for id in getattr(entry, "sources", ())]
    reported = [_reported(ledger, entry) for entry in behind]
    return EvidenceRow(
        id=estimate.id,
        kind="estimate",
        statement=f"{estimate.meaning} Worked out as {estimate.formula}. {estimate.note}".strip(),
        figures=figures_in_words(estimate),
        grade="",
        status="",
        reported=max(reported),
        sources=_source_rows(ledger, source_ids),
        against=(),
        correction="",
        rests_on=tuple(dict.fromkeys([*estimate.names, *estimate.rests_on])),
    )


def _reported(ledger: Ledger, entry: Entry) -> str:
    """The first day on which all of an entry was known."""
    match entry:
        case Claim():
            return entry.reported.end.isoformat()
        case Event():
            return entry.reported.isoformat()
        case Quantity():
            event = next(e for e in ledger.events.values() if entry in e.quantities)
            return (entry.reported or event.reported).isoformat()
    return ""
