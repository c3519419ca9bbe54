"""The record of a scenario as a page: what happened, which numbers are disputed, and what is behind every parameter."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from detente.errors import UsageError, nearest
from detente.model.scenario import Scenario
from detente.record import Ledger, corrections, figures_in_words, why
from detente.record.models import SEVERITY_SCALES, Event, Figure
from detente.record.views import Contested, Interval, contested, is_private, timeline
from detente.report.brief import cited_by
from detente.report.record import originals_of
from detente.report.terminal import prior_text, readable
from detente.studio.pages import groups, markup
from detente.studio.shell import Address, render

DEEPEST = 3  # steps of a chain that are set in further
SPAN = 100.0  # width of a drawn interval, in its own units


def record_page(scenario: Scenario, query: Mapping[str, str], at: Address, *, chart: bool = True) -> str:
    """The page of a scenario's record, as it stood on the scenario's day unless all of it is asked for.

    Args:
        scenario: The scenario.
        query: ``parameter``: the one to open; ``all``: ``yes`` for what came later too.
        at: Where the page is.
        chart: Whether to draw the timeline.

    Raises:
        UsageError: If there is no such parameter.
    """
    opened = query.get("parameter", "")
    if opened and opened not in scenario.file.parameters:
        raise UsageError(f"parameter: {opened[:60]!r} is not a parameter.{nearest(opened, scenario.file.parameters)}")
    later = query.get("all") == "yes"
    ledger = scenario.full_ledger if later else scenario.ledger
    events = timeline(ledger)
    return render(
        "record",
        at=at,
        name=scenario.slug,
        title=scenario.file.title,
        as_of=scenario.file.as_of.isoformat(),
        later=later,
        num_later=len(scenario.full_ledger.entries) - len(scenario.ledger.entries),
        here=f"{at.record}/{quote(scenario.slug)}",
        explore=f"{at.explore}/{quote(scenario.slug)}",
        picture=_picture(scenario, events) if chart and events else "",
        events=[_event(ledger, number, event) for number, event in enumerate(events, start=1)],
        scales=[_scale(name) for name in sorted({event.scale for event in events})],
        disputed=[_disputed(item) for item in contested(ledger)],
        disputes=[(event.id, dispute.what) for event in events for dispute in event.contested],
        corrections=[
            {
                "id": found.claim.id,
                "statement": found.claim.statement,
                "status": readable(found.claim.status),
                "instead": found.instead,
                "why": "; ".join(found.why),
            }
            for found in corrections(ledger)
        ],
        groups=[
            (title, [parameter(scenario, name, opened=name == opened) for name in names])
            for title, names in groups(scenario).items()
        ],
        sources=[_source(ledger, id) for id in sorted(ledger.sources, key=lambda id: _published(ledger, id))],
    )


def _picture(scenario: Scenario, events: list[Event]) -> Any:
    """The timeline, drawn."""
    from detente.report import charts

    who = [scenario.file.who.get(player.name, player.name) for player in scenario.crisis.players]
    first, last = events[0].happened.start, events[-1].happened.end
    svg = charts.to_svg(
        charts.events_chart(events, who),
        name="timeline",
        title="What happened, by severity",
        description=f"{len(events)} events from {first} to {last}; the table lists them all.",
    )
    return markup(svg)


def _event(ledger: Ledger, number: int, event: Event) -> dict[str, Any]:
    start, end = event.happened.start, event.happened.end
    return {
        "number": number,
        "id": event.id,
        "day": start.isoformat() if start == end else f"{start.isoformat()} to {end.isoformat()}",
        "actor": event.actor,
        "target": event.target,
        "act": event.act,
        "severity": event.severity,
        "bar": "█" * event.severity,
        "channel": event.channel.replace("-", " "),
        "private": is_private(event),
        "attribution": "" if event.attribution == "open" else event.attribution,
        "sources": ", ".join(dict.fromkeys(ledger.sources[id].outlet for id in event.sources)),
    }


def _scale(name: str) -> tuple[str, str]:
    return name, "; ".join(f"{rung} {meaning}" for rung, meaning in SEVERITY_SCALES[name].items())


# -- disputed numbers --------------------------------------------------------------------------------------
def _disputed(item: Contested) -> dict[str, Any]:
    low = min([item.low, *(i.low for i in item.intervals)])
    high = max([item.high, *(i.high for i in item.intervals)])
    return {
        "id": item.id,
        "event": item.event,
        "what": item.what,
        "used": figures_in_words(Figure(low=item.low, high=item.high, unit=item.unit)),
        "low": f"{low:.4g}",
        "high": f"{high:.4g}",
        "intervals": [
            {
                "day": interval.reported.isoformat(),
                "outlet": interval.outlet,
                "says": interval.says,
                "origin": interval.origin if interval.origin != interval.outlet else "",
                "range": _range(interval),
                "standing": "" if interval.standing == "used" else interval.standing,
                "note": interval.note,
                "line": span(interval, low, high),
            }
            for interval in item.intervals
        ],
    }


def _range(interval: Interval) -> str:
    values = f"{interval.low:.4g}" if interval.low == interval.high else f"{interval.low:.4g}–{interval.high:.4g}"
    return values if interval.bound == "exact" else f"{interval.bound} {values}"


def span(interval: Interval, low: float, high: float) -> tuple[str, str]:
    """Where an interval lies on a line from 0 to 100.

    Args:
        interval: What a source says; what is at least a value reaches to the right end, at most from the left.
        low: The value at the left end.
        high: The value at the right end.

    Example:
        >>> from datetime import date
        >>> span(Interval("s", "Outlet", "Outlet", "", 25, 25, "at least", date(2024, 10, 4), "used", ""), 0, 100)
        ('25.0', '100.0')
    """
    wide = (high - low) or 1.0
    first = low if interval.bound == "at most" else interval.low
    last = high if interval.bound == "at least" else interval.high
    return f"{SPAN * (first - low) / wide:.1f}", f"{SPAN * (last - low) / wide:.1f}"


# -- parameters and sources --------------------------------------------------------------------------------
def parameter(scenario: Scenario, name: str, *, opened: bool = False) -> dict[str, Any]:
    """What a parameter rests on: its prior, who judged, and the chain of the record behind it.

    Args:
        scenario: The scenario.
        name: Of the parameter.
        opened: Whether the page shows it at once.
    """
    known = scenario.file.parameters[name]
    rows = why(scenario.ledger, cited_by(scenario, name))
    originals, addresses = originals_of(scenario.ledger, rows)
    return {
        "name": name,
        "title": scenario.parameter_title(name),
        "meaning": " ".join(known.meaning.split()),
        "unit": known.unit,
        "prior": prior_text(known.prior),
        "grade": known.grade,
        "judgement": " ".join(known.judgement.split()),
        "opened": opened,
        "rows": [_chain_row(row) for row in rows],
        "originals": ", ".join(originals),
        "num_originals": len(originals),
        "addresses": addresses,
    }


def _chain_row(row: Any) -> dict[str, Any]:
    quality = f"grade {row.grade} of 6" if row.grade.isdigit() else f"confidence {row.grade}" if row.grade else ""
    status = readable(row.status) if row.status not in ("", "open") else ""
    reported = f"reported {row.reported}" if row.reported else ""
    return {
        "id": row.id,
        "kind": "figure" if row.kind == "quantity" else row.kind,
        "role": row.role,
        "statement": row.statement,
        "figures": row.figures if row.kind != "event" else "",
        "working": row.working,
        "quality": ", ".join(part for part in (quality, status, reported) if part),
        "sources": [(source.id, f"{source.outlet} ({source.reliability}, {source.date})") for source in row.sources],
        "against": row.against,
        "correction": row.correction,
        "depth": min(row.depth, DEEPEST),
    }


def _published(ledger: Ledger, id: str) -> tuple[str, str]:
    source = ledger.sources[id]
    return (source.published_start.isoformat() if source.published_start else "", id)


def _source(ledger: Ledger, id: str) -> dict[str, Any]:
    source = ledger.sources[id]
    web = urlsplit(source.address).scheme in ("http", "https")  # never a script
    return {
        "id": id,
        "outlet": source.outlet,
        "title": source.title,
        "day": source.published,
        "address": source.address if web else "",
        "reliability": source.reliability,
        "retells": ", ".join(ledger.sources[other].outlet for other in source.paraphrases if other in ledger.sources),
        "seen": source.seen,
    }
