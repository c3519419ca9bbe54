"""`detente record …`: what a number rests on, what is wrong, what happened, what changed, what is disputed."""

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detente.cli_common import EXIT_PROBLEMS, Json, print_json
from detente.errors import ScenarioError, UsageError, nearest

if TYPE_CHECKING:
    from rich.console import Console

    from detente.model.scenario import Scenario
    from detente.record import Ledger
    from detente.record.wording import Text
    from detente.report.record import Answer

record_app = typer.Typer(
    name="record",
    help="The record: what a number rests on, what is wrong with it, what happened, changed and is disputed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Start with: detente record why october-2024 interception",
)

ScenarioName = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A scenario's name, its folder, or the folder of a record.")
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="Only what had been reported by that day (YYYY-MM-DD).")
]


# -- why ----------------------------------------------------------------------------------------------------
@record_app.command()
def why(
    scenario: ScenarioName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A parameter, or the id of an entry of the record.")],
    as_json: Json = False,
) -> None:
    """What a number rests on: prior, estimates with their formulas, claims, sources, and what speaks against them."""
    from detente.report.record import plain, print_why

    folder = _folder(scenario)
    if (folder / "scenario.toml").is_file():
        from detente.model.scenario import load_scenario

        answer = _answer(load_scenario(folder if Path(scenario).is_dir() else scenario), name)
    else:
        answer = _entry_answer(_ledger(folder), name)
    if as_json:
        print_json(plain(answer))
    else:
        print_why(answer, _console())


def _answer(scenario: "Scenario", name: str) -> "Answer":
    from detente.record import why as evidence
    from detente.report.brief import cited_by
    from detente.report.record import Answer, originals_of
    from detente.report.terminal import prior_text

    parameters = scenario.file.parameters
    by_title = {scenario.parameter_title(key).casefold(): key for key in parameters}
    wanted = name.strip().casefold()
    key = next((p for p in parameters if p.casefold() == wanted.replace(" ", "_")), by_title.get(wanted))
    if key is None:
        known = {**scenario.full_ledger.entries}
        match = name if name in known else next((id for id in known if id.casefold() == wanted), None)
        if match is None:
            raise UsageError(
                f"why: {name!r} is neither a parameter of {scenario.slug!r} nor an entry of its record."
                f"{nearest(name, [*parameters, *by_title, *known])} 'detente record search {scenario.slug} WORD' "
                "looks for words."
            )
        return _entry_answer(scenario.ledger, match, scenario.full_ledger, scenario.file.as_of)
    parameter = parameters[key]
    rows = tuple(evidence(scenario.ledger, cited_by(scenario, key)))
    originals, addresses = originals_of(scenario.ledger, rows)
    prior = scenario.priors[key]
    origin = getattr(prior, "origin", None)
    return Answer(
        key,
        "parameter",
        scenario.parameter_title(key),
        parameter.meaning,
        parameter.unit,
        prior_text(prior),
        parameter.grade,
        parameter.judgement,
        rows,
        originals,
        addresses,
        f"The prior is worked out {origin.words}." if origin is not None else "",
    )


def _entry_answer(ledger: "Ledger", id: str, whole: "Ledger | None" = None, as_of: date | None = None) -> "Answer":
    from detente.record import find
    from detente.record import why as evidence
    from detente.report.record import Answer, originals_of

    note = ""
    if whole is not None and id not in ledger.entries:
        ledger, note = whole, f"This became known only after {as_of}, so that nothing in the scenario rests on it."
    find(ledger, id)
    rows = tuple(evidence(ledger, [id]))
    return Answer(id, rows[0].kind, id, "", "", "", None, "", rows, *originals_of(ledger, rows), note)


# -- check --------------------------------------------------------------------------------------------------
@record_app.command()
def check(
    scenario: ScenarioName,
    documents: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with the sources' texts (as the record names them, or ID.txt)."),
    ] = None,
    known: Annotated[bool, typer.Option(help="List also what the record itself says is wrong or weak.")] = False,
    as_json: Json = False,
) -> None:
    """Check quotations, numbers, dates, ids, superseded claims, and sources that are one source."""
    from detente.record import as_of, survey
    from detente.record.audit import audit
    from detente.report.record import plain, print_findings

    folder = _folder(scenario)
    ledger, faults = survey(_record(folder))
    cited, day = _citations(folder)
    texts = _documents(ledger, documents) if documents is not None else {}
    seen = as_of(ledger, day) if day is not None and not faults else None
    findings = audit(ledger, faults=faults, cited=cited, documents=texts, as_known=seen)
    problems = sum(not finding.known for finding in findings)
    quotes = [q for c in ledger.claims.values() for q in c.quotes]
    if as_json:
        result = {
            "scenario": scenario,
            "claims": len(ledger.claims),
            "sources": len(ledger.sources),
            "quotations": len(quotes),
            "documents": sorted(texts),
            "problems": [plain(f) for f in findings if not f.known],
            "known": [plain(f) for f in findings if f.known],
        }
        print_json(result)
    else:
        heading = f"{len(ledger.claims)} claims from {len(ledger.sources)} sources, {len(quotes)} quotations"
        unseen = sum(q.source not in texts for q in quotes)
        note = (
            f"The texts of {len(texts)} of {len(ledger.sources)} sources are at hand; {unseen} quotations could be "
            "held only against transcripts in the record. Give the texts with --documents DIR."
            if unseen
            else ""
        )
        print_findings(findings, _console(), heading=heading, show_known=known, note=note)
    if problems:
        raise typer.Exit(EXIT_PROBLEMS)


def _citations(folder: Path) -> tuple[dict[str, list[str]], date | None]:
    """What each parameter cites, and the as-of date, read without loading the scenario, which may be broken too."""
    path = folder / "scenario.toml"
    if not path.is_file():
        return {}, None
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: this is not TOML: {error}. Correct it; 'detente check' checks it.") from None
    cited: dict[str, list[str]] = {}
    for name, parameter in _tables(data.get("parameters")):
        ids = parameter.get("evidence")
        cited[name] = [id for id in ids if isinstance(id, str)] if isinstance(ids, list) else []
        cited[name] += _worked_out_from(parameter.get("prior"))
    for name, salvo in _tables(data.get("salvos")):
        cited[f"salvos.{name}"] = [id for part in salvo.values() for id in _worked_out_from(part)]
    day = data.get("as_of")
    return cited, day if type(day) is date else None


def _tables(value: Any) -> list[tuple[str, Mapping[str, Any]]]:
    return [(k, v) for k, v in value.items() if isinstance(v, dict)] if isinstance(value, dict) else []


def _worked_out_from(value: Any) -> list[str]:
    source = value.get("from") if isinstance(value, dict) else None
    return [source.partition(":")[2]] if isinstance(source, str) and source.startswith("estimate:") else []


def _documents(ledger: "Ledger", folder: Path) -> dict[str, "Text"]:
    """The texts of sources that are in a folder, by id of the source."""
    from detente.record.wording import text_from

    if not folder.is_dir():
        raise UsageError(f"--documents: {str(folder)!r} is not a folder. Give the folder that holds the texts.")
    found = {}
    for source in ledger.sources.values():
        names = [source.document.file] if source.document else []
        names += [f"{source.id}{ending}" for ending in (".txt", ".md", ".html", ".htm")]
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            continue
        try:
            found[source.id] = text_from(path.read_bytes(), html=path.suffix in (".html", ".htm"))
        except OSError as error:
            raise UsageError(f"{path}: it cannot be read ({error.strerror}). Check your rights to it.") from None
        except ValueError as error:
            raise UsageError(f"{path}: {error}.") from None
    if not found:
        raise UsageError(
            f"--documents: {str(folder)!r} holds the text of none of the {len(ledger.sources)} sources. Name each file "
            "as the record does (document.file), or by the source's id with .txt or .html."
        )
    return found


# -- views --------------------------------------------------------------------------------------------------
@record_app.command()
def timeline(
    scenario: ScenarioName,
    actor: Annotated[str | None, typer.Option(help="Only acts of those whose name holds this.")] = None,
    as_of: AsOf = None,
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the chart of the brief to an SVG file too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What happened, in order: how severe, by whom, in public or in private."""
    from detente.record.views import timeline as events_in_order
    from detente.report.record import plain, print_timeline

    folder = _folder(scenario)
    ledger, day = _known(_ledger(folder), as_of)
    events = events_in_order(ledger, actor=actor)
    if chart is not None:
        _write_chart(chart, events, folder)
    if as_json:
        print_json({"scenario": scenario, "as_of": as_of, "events": plain(events)})
        return
    print_timeline(events, _console(), heading=f"{len(events)} events{day}: private ◂ │ ▸ public, by severity")
    if chart is not None:
        print(f"wrote {chart}")


def _write_chart(path: Path, events: list, folder: Path) -> None:
    from detente.model.files import check_writable, write_text
    from detente.report.charts import events_chart, to_svg

    check_writable(path)
    if not events:
        raise UsageError("--chart: there is no event to draw. Leave out --actor or --as-of.")
    who = [name for _, name in _names(folder)]
    picture = to_svg(
        events_chart(events, who),
        name="timeline",
        title="What happened, by severity",
        description=f"{len(events)} events from {events[0].happened.start} to {events[-1].happened.end}.",
    )
    write_text(path, picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def _names(folder: Path) -> list[tuple[str, str]]:
    path = folder / "scenario.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return [(role, str(name)) for role, name in data.get("who", {}).items()]


@record_app.command()
def changed(
    scenario: ScenarioName,
    start: Annotated[str, typer.Option("--from", metavar="DATE", help="The earlier day (YYYY-MM-DD).")],
    end: Annotated[str, typer.Option("--to", metavar="DATE", help="The later day (YYYY-MM-DD).")],
    as_json: Json = False,
) -> None:
    """What the record says at the end of one day and did not say on an earlier one."""
    from detente.record.views import changed as changes_between
    from detente.report.record import plain, print_changes

    _check_day("--from", start)
    _check_day("--to", end)
    changes = changes_between(_ledger(_folder(scenario)), start, end)
    if as_json:
        print_json({"scenario": scenario, "from": start, "to": end, "changes": plain(changes)})
        return
    print_changes(changes, _console(), heading=f"What changed from the end of {start} to the end of {end}")


@record_app.command()
def contested(
    scenario: ScenarioName,
    about: Annotated[str, typer.Argument(metavar="[TEXT]", help="Only what holds this, for example: impacts.")] = "",
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Numbers on which sources differ, as intervals by source, and what else is disputed."""
    from detente.record.views import contested as disputed_numbers
    from detente.report.record import plain, print_contested

    ledger, _ = _known(_ledger(_folder(scenario)), as_of)
    items = disputed_numbers(ledger, about=about)
    wanted = about.casefold()
    disputes = [
        (event.id, dispute.what)
        for event in ledger.events.values()
        for dispute in event.contested
        if wanted in f"{event.id} {dispute.what}".casefold()
    ]
    if as_json:
        result = {"scenario": scenario, "as_of": as_of, "numbers": plain(items)}
        print_json(result | {"disputes": [{"event": event, "what": what} for event, what in disputes]})
        return
    if about and not items and not disputes:
        print(f"Nothing disputed on record holds {about!r}. Leave it out to see all that is disputed.")
        return
    print_contested(items, disputes, _console())


@record_app.command()
def scales(scenario: ScenarioName, as_json: Json = False) -> None:
    """Escalation scales side by side for each act, our ladder of targets first."""
    from detente.record.scales import SCALES
    from detente.record.views import scale_rows, target_rows
    from detente.report.record import plain, print_scales

    rows, choices = scale_rows(_ledger(_folder(scenario))), target_rows()
    if as_json:
        scale_words = {name: {"title": title, "source": source} for name, (title, source) in SCALES.items()}
        print_json({"scenario": scenario, "scales": scale_words, "acts": plain(rows), "targets": plain(choices)})
        return
    print_scales(rows, choices, _console())


# -- looking things up --------------------------------------------------------------------------------------
@record_app.command()
def show(
    scenario: ScenarioName,
    id: Annotated[str, typer.Argument(metavar="ID", help="Of a claim, event, figure, estimate or source.")],
    as_json: Json = False,
) -> None:
    """An entry of the record with all its fields, and what stands behind it."""
    from detente.record import find
    from detente.record import why as evidence
    from detente.report.record import plain, print_entry

    ledger = _ledger(_folder(scenario))
    match = next((known for known in ledger.entries if known.casefold() == id.strip().casefold()), id)
    fields = find(ledger, match).model_dump(mode="json")
    rows = evidence(ledger, [match])
    if as_json:
        print_json({"kind": rows[0].kind, "entry": fields, "behind": plain(rows[1:])})
        return
    print_entry(match, fields, rows, _console())


@record_app.command()
def search(
    scenario: ScenarioName,
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help="All of them must occur; beginnings will do.")],
    limit: Annotated[int, typer.Option(min=1, help="Most entries to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Entries of the record that hold all of several words."""
    from detente.record.store import build_store
    from detente.record.store import search as hits_for
    from detente.report.record import plain, print_hits

    store = build_store(_ledger(_folder(scenario)))
    asked = " ".join(words)
    hits = hits_for(store, asked, limit=limit)
    if as_json:
        print_json({"scenario": scenario, "words": asked, "hits": plain(hits)})
        return
    print_hits(hits, _console(), words=asked, limit=limit)


@record_app.command()
def sqlite(
    scenario: ScenarioName,
    output: Annotated[Path, typer.Option("--output", "-o", help="A file that does not exist yet.")],
    as_json: Json = False,
) -> None:
    """Write the record as an SQLite database, for questions in SQL."""
    from detente.record.store import build_store

    store = build_store(_ledger(_folder(scenario)), output)
    tables = [row[0] for row in store.execute("select name from sqlite_master where type = 'table' order by name")]
    tables = [name for name in tables if not name.startswith("words_")]
    store.close()
    if as_json:
        print_json({"sqlite": str(output), "tables": tables})
    else:
        print(f"wrote {output} (tables: {', '.join(tables)})")


# -- what every command needs -------------------------------------------------------------------------------
def _folder(name: str) -> Path:
    """The folder of a scenario, or of a bare record."""
    from detente.model.builtin import BUILTIN, scenario_names

    path = Path(name)
    if path.is_dir():
        return path
    if name in scenario_names():
        return BUILTIN / name
    raise UsageError(
        f"{name!r} is not a scenario or a folder.{nearest(name, scenario_names())} 'detente list' shows the scenarios."
    )


def _record(folder: Path) -> Path:
    """Where the files of the record are: in the folder `record` of a scenario, or in the folder itself."""
    if (folder / "record").is_dir():
        return folder / "record"
    if (folder / "claims.jsonl").is_file():
        return folder
    raise UsageError(
        f"{folder}: there is no record here. Make a folder 'record' in it with sources.jsonl, claims.jsonl, "
        "events.jsonl and estimates.jsonl (they may be empty)."
    )


def _ledger(folder: Path) -> "Ledger":
    from detente.record import load_ledger

    return load_ledger(_record(folder))


def _known(ledger: "Ledger", day: str | None) -> tuple["Ledger", str]:
    from detente.record import as_of

    if day is None:
        return ledger, ""
    _check_day("--as-of", day)
    return as_of(ledger, day), f" as known on {day}"


def _check_day(option: str, day: str) -> None:
    from detente.record.models import parse_day

    try:
        parse_day(day)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False)
