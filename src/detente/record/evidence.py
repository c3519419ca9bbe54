"""What stands behind a number: the evidence as rows for a brief, and the errors of the founding texts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from detente.record.ledger import AGAINST, Entry, Ledger, find
from detente.record.models import NEEDS_CORRECTION, Check, Claim, Estimate, Event, Figure, Quantity, Reading, Source


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
    ``working`` is the formula of an estimate with its figures put in. ``independent`` names the outlets that really
    say so: a report counts once, however many addresses repeat it. In a chain, ``depth`` is how many steps an entry
    lies behind what was asked for, and ``role`` what it does for the entry before it.
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
    working: str = ""
    independent: tuple[str, ...] = ()
    depth: int = 0
    role: str = ""


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


def why(ledger: Ledger, ids: Iterable[str]) -> list[EvidenceRow]:
    """What a number rests on, all the way down: estimates, their figures, the claims that carry these, and sources.

    Under an estimate stand the figures and claims of its formula and what else it rests on; under a figure the
    claims that carry it; under a claim those that it retells and those that correct it. An entry is shown once,
    where it first occurs.

    Args:
        ledger: The record.
        ids: Ids of claims, events, figures, estimates or sources, in the order in which to show them.

    Returns:
        The rows, each after the one that it stands behind, with its ``depth`` and ``role``.

    Raises:
        UsageError: If an id is not in the record.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> for row in why(ledger, ["salvo_ballistic.oct2024"]):
        ...     print(row.depth, row.id, "|", row.figures, "|", row.role or "asked for")
        0 salvo_ballistic.oct2024 | 180–200 missiles (best 185) | asked for
        1 oct24_ballistic_launched | 180–200 missiles (best 185) | in its formula
        2 O-01 | 180–200 missiles (best 185) | carries the figure
    """
    found: list[EvidenceRow] = []
    # Depth first, on a stack: chains of corrections may be long, and may lead back.
    waiting = [(id, 0, "") for id in reversed(list(dict.fromkeys(ids)))]
    shown: set[str] = set()
    while waiting:
        id, depth, role = waiting.pop()
        if id in shown:
            continue
        shown.add(id)
        entry = find(ledger, id)
        found.append(replace(_row(ledger, entry), depth=depth, role=role))
        waiting += [(next_id, depth + 1, what) for next_id, what in reversed(_behind(ledger, entry))]
    return found


def _behind(ledger: Ledger, entry: Entry) -> list[tuple[str, str]]:
    """(id, what it does) of everything that stands directly behind an entry."""
    match entry:
        case Estimate():
            named = [(id, "in its formula") for id in entry.names]
            used = {ledger.event_of[id].id for id in entry.names if id in ledger.event_of}
            # An event that is only cited for its figures is not shown beside them.
            return named + [(id, "it rests on this") for id in entry.rests_on if id not in used]
        case Quantity():
            about = ledger.claims_about.get(ledger.event_of[entry.id].id, ())
            carriers = [id for id in about if _carries(ledger.claims[id], entry)]
            # What only retells another carrier adds nothing.
            return [(id, "carries the figure") for id in carriers if not set(ledger.claims[id].retells) & set(carriers)]
        case Claim():
            retold = [(id, "what it retells") for id in entry.retells]
            return retold + [(id, "corrects it") for id in ledger.corrected_by.get(entry.id, ())]
    return []


def _carries(claim: Claim, quantity: Quantity) -> bool:
    figure = claim.quantity
    return figure is not None and (figure.low, figure.high, figure.unit) == (
        quantity.low,
        quantity.high,
        quantity.unit,
    )


def working(ledger: Ledger, estimate: Estimate) -> str:
    """The formula of an estimate with the figures in the places of their names.

    Args:
        ledger: The record.
        estimate: An estimate of it.

    Returns:
        The text, with ranges in brackets.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> working(ledger, ledger.estimates["leak_per_launch.oct2024"])
        '([20–32] + 3 + 2) / [180–200]'
    """

    def value(match: re.Match) -> str:
        entry = ledger.entries.get(match.group(1) or match.group(2))
        match entry:
            case Event():
                return entry.happened.start.isoformat()
            case Claim(quantity=Figure() as figure) | (Quantity() as figure):
                low, high = f"{figure.low:.4g}", f"{figure.high:.4g}"
                return low if low == high else f"[{low}–{high}]" if figure.low >= 0 else f"[{low} to {high}]"
        return match.group()

    return re.sub(r"""['"]([^'"]+)['"]|\b([A-Za-z_]\w*)\b""", value, estimate.formula)


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
    bearing_out = [check.source for check in claim.checks if check.relation == "supports" and check.source]
    return tuple(id for id in dict.fromkeys([*claim.sources, *bearing_out]) if id not in against)


def _roots(ledger: Ledger, source_id: str) -> tuple[str, ...]:
    source = find(ledger, source_id)
    originals = source.paraphrases if isinstance(source, Source) else ()
    if not originals:
        return (source_id,)
    return tuple(dict.fromkeys(root for id in originals for root in _roots(ledger, id)))


def _corrected_by(ledger: Ledger, claim: Claim) -> tuple[str, ...]:
    return ledger.corrected_by.get(claim.id, ())


def _against_claim(ledger: Ledger, claim: Claim) -> tuple[str, ...]:
    return tuple(
        f"{_compared_with(ledger, check)}: {check.note}" for check in claim.checks if check.relation in AGAINST
    )


def _compared_with(ledger: Ledger, check: Check) -> str:
    return ledger.sources[check.source].outlet if check.source else str(check.claim)


def _outlets(ledger: Ledger, ids: Iterable[str]) -> tuple[str, ...]:
    """Who really says so, by outlet."""
    return tuple(dict.fromkeys(ledger.sources[id].outlet for id in independent_sources(ledger, ids)))


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
            event = ledger.event_of[entry.id]
            return EvidenceRow(
                id=entry.id,
                kind="quantity",
                statement=f"{entry.what[:1].upper()}{entry.what[1:]}. {entry.note}".strip(),
                figures=figures_in_words(entry),
                grade=event.confidence,
                status="",
                reported=(entry.reported or event.reported).isoformat(),
                sources=_source_rows(ledger, entry.sources),
                against=(*_other_readings(ledger, entry), *(d.what for d in event.contested)),
                correction="",
                rests_on=(event.id,),
                independent=_outlets(ledger, entry.sources),
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
        independent=_outlets(ledger, supporters(claim)),
    )


def _other_readings(ledger: Ledger, quantity: Quantity) -> tuple[str, ...]:
    """Figures of single sources that the record does not take up, or no longer."""
    return tuple(
        f"{ledger.sources[r.source].outlet}: {reading_in_words(r, quantity.unit)}, {r.standing}. {r.note}".strip()
        for r in quantity.readings
        if r.standing != "used"
    )


def reading_in_words(reading: Reading, unit: str) -> str:
    """What one source gives for a figure, as people write it.

    Args:
        reading: The figure of a source.
        unit: Its unit.

    Example:
        >>> one = Reading(source="x", low=12, high=12, bound="at least", reported="2024-10-02")
        >>> reading_in_words(one, "impacts")
        'at least 12 impacts'
    """
    figure = figures_in_words(Figure(low=reading.low, high=reading.high, unit=unit))
    return figure if reading.bound == "exact" else f"{reading.bound} {figure}"


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
        independent=_outlets(ledger, event.sources),
    )


def _estimate_row(ledger: Ledger, estimate: Estimate) -> EvidenceRow:
    behind = [find(ledger, id) for id in dict.fromkeys([*estimate.names, *estimate.rests_on])]
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
        working=f"{working(ledger, estimate)} = {figures_in_words(estimate)}",
        independent=_outlets(ledger, dict.fromkeys(source_ids)),
    )


def _reported(ledger: Ledger, entry: Entry) -> str:
    """The first day on which all of an entry was known."""
    match entry:
        case Claim():
            return entry.reported.end.isoformat()
        case Event():
            return entry.reported.isoformat()
        case Quantity():
            event = ledger.event_of[entry.id]
            return (entry.reported or event.reported).isoformat()
    return ""
