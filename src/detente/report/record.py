"""The record in a terminal and for machines: what a number rests on, what is wrong, what happened, what is disputed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from detente.record import Event, EvidenceRow, Ledger, figures_in_words, independent_sources
from detente.record.findings import Finding
from detente.record.models import SEVERITY_SCALES, Figure
from detente.record.scales import SCALES, Move, ScaleRow, saturated
from detente.record.store import Hit
from detente.record.views import Change, Contested, Interval, is_private

NARROW = 76  # columns of a terminal below which tables become lists
BAR = 24  # characters of a drawn interval
STATUS = {"used": "", "replaced": "replaced", "not used": "not used"}


@dataclass(frozen=True)
class Answer:
    """Why a number is what it is.

    Attributes:
        name: What was asked for.
        kind: "parameter", or the kind of the entry of the record.
        title: What it is called.
        meaning: What it is; empty for an entry, whose row says it.
        unit: Its unit.
        prior: What is believed about it, in words; empty for an entry.
        grade: Grade of the evidence, or None.
        judgement: Who judged and why.
        rows: What it rests on, in order, with depths.
        originals: Outlets that really report what it rests on, each once.
        addresses: How many addresses carry it.
        note: Anything that a reader must know, such as that it was reported after the as-of date.
    """

    name: str
    kind: str
    title: str
    meaning: str
    unit: str
    prior: str
    grade: int | None
    judgement: str
    rows: tuple[EvidenceRow, ...]
    originals: tuple[str, ...]
    addresses: int
    note: str = ""


def originals_of(ledger: Ledger, rows: Iterable[EvidenceRow]) -> tuple[tuple[str, ...], int]:
    """Who really reports what several entries say, and how many addresses carry it.

    Args:
        ledger: The record.
        rows: The entries.

    Returns:
        Outlets, each original once; and the number of addresses.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger, why
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> originals_of(ledger, why(ledger, ["O-10"]))
        (('Washington Post',), 3)
    """
    ids = list(dict.fromkeys(source.id for row in rows for source in row.sources))
    seen = sum(1 for id in ids if ledger.sources[id].seen)
    return tuple(dict.fromkeys(ledger.sources[id].outlet for id in independent_sources(ledger, ids))), seen


def plain(value: Any) -> Any:
    """Anything of these views as lists, mappings, numbers and text, for machines.

    Args:
        value: A record of this package, or a collection of them.

    Example:
        >>> plain([date(2024, 10, 1)])
        ['2024-10-01']
    """
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return value


# -- why ----------------------------------------------------------------------------------------------------
def print_why(answer: Answer, console: Console) -> None:
    """Print what a number rests on: prior, estimates, claims, sources, and what speaks against them.

    Args:
        answer: What was found.
        console: Where to print.
    """
    heading = Text(answer.title, style="bold")
    heading.append(f"  ({answer.kind} {answer.name})" if answer.title != answer.name else f"  ({answer.kind})", "dim")
    console.print(heading)
    if answer.meaning:
        console.print(Text(answer.meaning))
    if answer.prior:
        grade = f" · grade {answer.grade} of 6" if answer.grade else ""
        console.print(Text(f"believed: {answer.prior} · unit: {answer.unit}{grade}"))
    if answer.judgement:
        console.print(Text(f"judgement: {answer.judgement}"))
    if answer.note:
        console.print(Text(answer.note, style="bold"))
    if not answer.rows:
        console.print(Text("It rests on this judgement alone: no entry of the record is cited."))
        return
    if answer.kind == "parameter":
        console.print(Text("\nIt rests on", style="bold"))
    _print_rows(answer.rows, console, indent=2 if answer.kind == "parameter" else 0)
    count, addresses = len(answer.originals), answer.addresses
    console.print(
        Text(
            f"\n{count} independent {_plural(count, 'source')} in all, read at {addresses} "
            f"{_plural(addresses, 'address', 'es')}; a retelling counts with its original: "
            f"{', '.join(answer.originals)}.",
            style="dim",
        )
    )


def _plural(count: int, word: str, ending: str = "s") -> str:
    return word if count == 1 else word + ending


def _print_rows(rows: Iterable[EvidenceRow], console: Console, *, indent: int) -> None:
    """Rows of a chain, set in by depth; what was said above is not said again."""
    printed: dict[tuple[str, ...], str] = {}
    said: set[str] = set()
    for row in rows:
        depth = indent + 2 * min(row.depth, 6)
        ids = tuple(source.id for source in row.sources)
        heading, *body = _evidence(row, as_for=printed.get(ids, ""), said=said)
        if row.kind != "estimate":
            printed.setdefault(ids, row.id)
        said |= set(row.against)
        console.print(Padding(heading, (0, 0, 0, depth), expand=False))
        for line in body:
            console.print(Padding(line, (0, 0, 0, depth + 2), expand=False))


def _evidence(row: EvidenceRow, *, as_for: str, said: set[str]) -> list[Text]:
    """A heading and lines below it; ``as_for`` is an entry above with the same sources."""
    heading = Text(row.id, style="bold")
    kind = "figure" if row.kind == "quantity" else row.kind
    heading.append(f" {kind}" + (f", {row.role}" if row.role else ""), style="not bold dim")
    if row.figures and row.kind != "event":
        heading.append(f": {row.figures}", style="not bold")
    lines = [heading, Text(row.statement)]
    if row.working:
        lines.append(Text(f"worked out: {row.working}"))
    quality = [
        f"grade {row.grade} of 6" if row.grade.isdigit() else f"confidence {row.grade}" if row.grade else "",
        row.status.replace("_", " ") if row.status not in ("", "open") else "",
        f"reported {row.reported}" if row.reported else "",
    ]
    if any(quality):
        lines.append(Text(", ".join(part for part in quality if part), style="dim"))
    if row.kind == "estimate":
        count = len(row.independent)
        lines.append(Text(f"sources: {count} independent, named below with its figures", style="dim"))
    elif as_for and row.sources:
        lines.append(Text(f"sources: as for {as_for}", style="dim"))
    elif row.sources:
        lines.append(Text("sources: " + "; ".join(_source(source) for source in row.sources), style="dim"))
        if len(row.independent) < len(row.sources):
            lines.append(Text(f"that is {len(row.independent)} in fact: {', '.join(row.independent)}", style="dim"))
    lines += [Text.assemble(("against it: ", "bold"), line) for line in row.against if line not in said]
    if row.correction:
        lines.append(Text.assemble(("used instead: ", "bold"), row.correction))
    return lines


def _source(source: Any) -> str:
    retells = f", retells {', '.join(source.retells)}" if source.retells else ""
    return f"{source.outlet} ({source.reliability}, {source.date}{retells})"


# -- check --------------------------------------------------------------------------------------------------
def print_findings(
    findings: Sequence[Finding], console: Console, *, heading: str, show_known: bool = False, note: str = ""
) -> None:
    """Print what is wrong with a record, and how much of what is known to be wrong it says itself.

    Args:
        findings: What was found.
        console: Where to print.
        heading: What was checked.
        show_known: Whether to list what the record says itself.
        note: About what could not be checked.
    """
    problems = [finding for finding in findings if not finding.known]
    known = [finding for finding in findings if finding.known]
    console.print(Text(heading, style="bold"))
    if note:
        console.print(Text(note, style="dim"))
    if problems:
        console.print(_finding_table(problems, console))
    count = len(problems)
    console.print(Text("No problem was found." if not count else f"{count} {_plural(count, 'problem')}.", style="bold"))
    if known and show_known:
        console.print(Text("\nKnown, and recorded as such:", style="bold"))
        console.print(_finding_table(known, console, remedies=False))
    elif known:
        kinds: dict[str, int] = {}
        for finding in known:
            kinds[finding.kind] = kinds.get(finding.kind, 0) + 1
        said = ", ".join(f"{kind} {number}" for kind, number in kinds.items())
        console.print(
            Text(f"The record itself says so of {len(known)} more ({said}): --known lists them.", style="dim")
        )


def _finding_table(findings: Sequence[Finding], console: Console, *, remedies: bool = True) -> Table:
    if console.width < NARROW:
        table = Table(box=None, show_header=False, padding=(0, 0, 1, 0))
        table.add_column(overflow="fold")
        for finding in findings:
            text = Text(f"{finding.kind}: {finding.id}\n", style="bold")
            text.append(finding.what, style="not bold")
            if remedies:
                text.append(f"\n→ {finding.remedy}", style="not bold")
            table.add_row(text)
        return table
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("kind", max_width=14, overflow="fold")
    table.add_column("entry", max_width=26, overflow="fold")
    table.add_column("what is wrong", overflow="fold", ratio=3)
    if remedies:
        table.add_column("what to do", overflow="fold", ratio=2)
    for finding in findings:
        cells = [finding.kind, finding.id, finding.what, *([finding.remedy] if remedies else [])]
        table.add_row(*(Text(cell) for cell in cells))
    return table


# -- timeline -----------------------------------------------------------------------------------------------
def print_timeline(events: Sequence[Event], console: Console, *, heading: str) -> None:
    """Print what happened in order: a bar to the right for what was public, to the left for what was private.

    Args:
        events: In the order in which to show them.
        console: Where to print.
        heading: What is shown.
    """
    console.print(Text(heading, style="bold"))
    if not events:
        console.print(Text("No event of the record is among these."))
        return
    rows = [(event, "█" * event.severity) for event in events]
    narrow = console.width < NARROW
    table = Table(box=None if narrow else SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_header=not narrow)
    table.add_column("date", no_wrap=True)
    if not narrow:
        table.add_column("private", justify="right", no_wrap=True, min_width=9)
        table.add_column("public", no_wrap=True, min_width=9)
    table.add_column("who and what", overflow="fold")
    for event, bar in rows:
        text = Text(event.actor, style="bold")
        text.append(f" → {event.target}: {event.act}", style="not bold")
        text.append(f"  [{event.id}, severity {event.severity}, {event.channel}", style="not bold dim")
        text.append("" if event.attribution == "open" else f", {event.attribution}", style="not bold dim")
        text.append("]", style="not bold dim")
        sides = () if narrow else (Text(bar if is_private(event) else ""), Text("" if is_private(event) else bar))
        table.add_row(Text(event.happened.start.isoformat()), *sides, text)
    console.print(table)
    used = sorted({event.scale for event in events})
    for name in used:
        rungs = "; ".join(f"{rung} {meaning}" for rung, meaning in SEVERITY_SCALES[name].items())
        console.print(Text(f"Severity on the scale {name}: {rungs}.", style="dim"))


# -- changed ------------------------------------------------------------------------------------------------
def print_changes(changes: Sequence[Change], console: Console, *, heading: str) -> None:
    """Print what a record says on one day and did not say on an earlier one.

    Args:
        changes: In the order in which to show them.
        console: Where to print.
        heading: Which days.
    """
    console.print(Text(heading, style="bold"))
    if not changes:
        console.print(Text("Nothing changed between these days."))
        return
    kind = ""
    for change in changes:
        if change.kind != kind:
            kind = change.kind
            count = sum(1 for other in changes if other.kind == kind)
            console.print(Text(f"\n{kind} ({count})", style="bold"))
        text = Text(f"{change.day}  {change.id}  ")
        text.append(change.what)
        if change.why:
            text.append(f"\n{change.why}", style="dim")
        console.print(Padding(text, (0, 0, 0, 2)))


# -- contested ----------------------------------------------------------------------------------------------
def print_contested(items: Sequence[Contested], disputes: Sequence[tuple[str, str]], console: Console) -> None:
    """Print numbers on which sources differ as intervals, source by source, and what else is disputed.

    Args:
        items: The numbers.
        disputes: (id of an event, what is disputed) for what has no number.
        console: Where to print.
    """
    if not items and not disputes:
        console.print(Text("The record holds no number on which its sources differ, and no dispute."))
        return
    for item in items:
        held = figures_in_words(Figure(low=item.low, high=item.high, unit=item.unit))
        heading = Text(f"{item.what[:1].upper()}{item.what[1:]}", style="bold")
        heading.append(f"  the record uses {held}", style="not bold")
        heading.append(f"  [{item.id}, {item.event}]", style="not bold dim")
        console.print(heading)
        low = min([item.low, *(i.low for i in item.intervals)])
        high = max([item.high, *(i.high for i in item.intervals)])
        wide = console.width >= NARROW
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
        table.add_column(no_wrap=True)
        if wide:
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for interval in item.intervals:
            bar = (Text(interval_bar(interval, low, high)),) if wide else ()
            table.add_row(Text(f"  {interval.reported}"), *bar, Text(_range(interval)), _who(interval))
        console.print(table)
        if wide:
            console.print(Text(f"{' ' * 13}{low:<{BAR // 2}.4g}{high:>{BAR - BAR // 2}.4g}\n", style="dim"))
        else:
            console.print()
    if disputes:
        console.print(Text("Disputed without a number", style="bold"))
        for event, what in disputes:
            console.print(Padding(Text(f"{event}  {what}."), (0, 0, 0, 2)))


def interval_bar(interval: Interval, low: float, high: float) -> str:
    """An interval drawn with characters on a line from one value to another.

    Args:
        interval: What a source says.
        low: The value at the left end.
        high: The value at the right end.

    Returns:
        ``BAR`` characters: a point where the source gives one value, an arrow where it gives only a bound.

    Example:
        >>> one = Interval("s", "Outlet", "Outlet", "", 25, 25, "at least", date(2024, 10, 4), "used", "")
        >>> interval_bar(one, 0, 100)
        '······●─────────────────'
    """
    span = (high - low) or 1.0
    first, last = (round((value - low) / span * (BAR - 1)) for value in (interval.low, interval.high))
    cells = ["·"] * BAR
    if interval.bound == "at least":
        cells[first:] = "─" * (BAR - first)
    elif interval.bound == "at most":
        cells[: last + 1] = "─" * (last + 1)
    cells[first : last + 1] = "━" * (last + 1 - first)
    if first == last or interval.bound in ("at least", "at most"):
        cells[first if interval.bound != "at most" else last] = "●"
    return "".join(cells)


def _range(interval: Interval) -> str:
    values = f"{interval.low:.4g}" if interval.low == interval.high else f"{interval.low:.4g}–{interval.high:.4g}"
    return values if interval.bound == "exact" else f"{interval.bound} {values}"


def _who(interval: Interval) -> Text:
    text = Text(interval.outlet)
    if interval.says:
        text.append(f" ({interval.says})")
    if interval.origin != interval.outlet:
        text.append(f", retells {interval.origin}")
    if interval.standing != "used":
        text.append(f" — {interval.standing}", style="bold")
    if interval.note:
        text.append(f" {interval.note}", style="dim")
    return text


# -- scales -------------------------------------------------------------------------------------------------
def print_scales(rows: Sequence[ScaleRow], choices: Sequence[ScaleRow], console: Console) -> None:
    """Print escalation scales side by side, for what was done and for the choices of target.

    Args:
        rows: What was done.
        choices: The choices of target, lowest first.
        console: Where to print; a narrow terminal gets a list instead of a table.
    """
    if rows:
        console.print(Text("What was done, on each scale", style="bold"))
        console.print(_scale_table(rows, console))
    else:
        console.print(Text("No event of the record names a kind of act (moves), so that none is on a scale."))
    console.print(Text("Choices of target, on each scale", style="bold"))
    console.print(_scale_table(choices, console))
    strikes = [row.move for row in choices if row.move.cameo == "195"]
    same = ", ".join(SCALES[name][0] for name in saturated(strikes))
    console.print(
        Text(f"{same} give one and the same value to {_listed([m.name for m in strikes])}; the ladder does not.")
    )
    for heading, meaning in SCALES.values():
        console.print(Text(f"{heading}: {meaning}", style="dim"))
    console.print(Text("Which entry of a published scale an act belongs to is the developers' judgement.", style="dim"))


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _values(move: Move) -> dict[str, str]:
    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:g}".replace("-", "−")

    def span(value: tuple[int, int] | None) -> str:
        return "–" if value is None else f"{value[0]}" if value[0] == value[1] else f"{value[0]}–{value[1]}"

    return {
        "ladder": number(move.ladder),
        "goldstein": number(move.goldstein),
        "plover": number(move.plover_score),
        "rivera": number(move.rivera),
        "kahn": span(move.kahn),
        "icb": span(move.icb),
    }


def _scale_table(rows: Sequence[ScaleRow], console: Console) -> Table:
    if console.width < NARROW:
        table = Table(box=None, show_header=False, padding=(0, 0, 0, 0))
        table.add_column(overflow="fold")
        for row in rows:
            text = Text(f"{row.day} {row.event} {row.actor} → {row.target}: " if row.event else "", style="bold")
            text.append(row.move.name, style="bold")
            text.append(
                "\n  " + ", ".join(f"{SCALES[k][0]} {v}" for k, v in _values(row.move).items()), style="not bold"
            )
            table.add_row(text)
        return table
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    acts = any(row.event for row in rows)
    if acts:
        table.add_column("date", no_wrap=True)
        table.add_column("actor → target", overflow="fold", max_width=34)
    table.add_column("act", overflow="fold", max_width=26)
    for heading, _ in SCALES.values():
        table.add_column(heading, justify="right", overflow="fold", max_width=10)
    for row in rows:
        who = [row.day.isoformat() if row.day else "", f"{row.actor} → {row.target}"] if acts else []
        table.add_row(*(Text(cell) for cell in (*who, row.move.name, *_values(row.move).values())))
    return table


# -- show and search ----------------------------------------------------------------------------------------
def print_entry(id: str, fields: Mapping[str, Any], rows: Sequence[EvidenceRow], console: Console) -> None:
    """Print an entry of a record with all its fields, and what stands behind it.

    Args:
        id: Its id.
        fields: What the file holds.
        rows: From ``why``.
        console: Where to print.
    """
    console.print(Text(f"{id}  ({rows[0].kind})", style="bold"))
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if name != "id" and value not in (None, "", [], ()):
            table.add_row(Text(f"  {name}", style="dim"), Text(_field(value)))
    console.print(table)
    for row in rows[:1]:
        for line in row.against:
            console.print(Padding(Text(f"against it: {line}"), (0, 0, 0, 2)))
    _print_rows(rows[1:], console, indent=0)


def _field(value: Any) -> str:
    match value:
        case {"start": start, "end": end, "precision": precision}:
            return f"{start} ({precision})" if start == end else f"{start} to {end} ({precision})"
        case {"low": low, "high": high, "unit": unit, **rest} if set(rest) <= {"best"}:
            return figures_in_words(Figure(low=low, best=rest.get("best"), high=high, unit=unit))
        case dict():
            return ", ".join(f"{key}: {_field(item)}" for key, item in value.items() if item not in (None, "", []))
        case list():
            return (
                "\n".join(_field(item) for item in value)
                if any(isinstance(i, dict) for i in value)
                else ", ".join(map(str, value))
            )
    return str(value)


def print_hits(hits: Sequence[Hit], console: Console, *, words: str, limit: int) -> None:
    """Print the entries that hold the words searched for.

    Args:
        hits: Best first.
        console: Where to print.
        words: What was searched for.
        limit: Most entries asked for.
    """
    if not hits:
        console.print(Text(f"Nothing on record holds all of: {words}. Try fewer words, or the beginning of one."))
        return
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for hit in hits:
        text = Text(hit.text)
        text.append(f"  [{hit.kind}]", style="dim")
        table.add_row(Text(hit.id, style="bold"), text)
    console.print(table)
    if len(hits) == limit:
        console.print(Text(f"The first {limit} are shown; --limit shows more.", style="dim"))
