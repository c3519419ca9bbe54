"""The command that reads reports: files in, draft claims out; everything heavy is imported when it runs."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detente.cli_common import Json, print_json, progress
from detente.errors import ScenarioError, UsageError, nearest

if TYPE_CHECKING:
    from detente.record.ledger import Ledger
    from detente.record.reading.actors import Lexicon
    from detente.record.reading.batch import Batch, Reading
    from detente.record.reading.compare import Comparison, Place
    from detente.record.reading.drafts import Draft
    from detente.record.reading.duplicates import Held

EXIT_SOME_FAILED = 1
READABLE = (".txt", ".text", ".md", ".html", ".htm", ".xhtml")
STDIN = "-"


def read(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Reports as text or HTML; folders; - for stdin.")],
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="Whose actors and events to use: a name or a folder (repeatable). Default: all shipped."),
    ] = None,
    published: Annotated[
        str | None, typer.Option(metavar="DAY", help="When the reports came out, YYYY-MM-DD, if they do not say.")
    ] = None,
    source: Annotated[str | None, typer.Option(metavar="ID", help="Id of the source, for a single report.")] = None,
    held: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Reports held already: a file or folder (repeatable).")
    ] = None,
    draft: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the drafts there, one claim of the ledger per line.")
    ] = None,
    review: Annotated[
        bool, typer.Option("--review", help="Go through the drafts; what is accepted goes to --draft FILE at once.")
    ] = False,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Claims coded by hand with their places: recall, precision.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of the files, if it is not UTF-8.")] = None,
    max_mb: Annotated[float, typer.Option(min=0.001, help="Files larger than this are not read.")] = 10.0,
    as_json: Json = False,
) -> None:
    """Read reports, and propose their claims as drafts that show the words that made them."""
    from detente.record.reading.batch import Settings, read_batch
    from detente.record.reading.compare import read_hand_coded

    if review and as_json:
        raise UsageError("--review: a dialogue cannot be printed as JSON. Leave out --review or --json.")
    if review and STDIN in files:
        raise UsageError("--review: the answers come from stdin, and so would the report. Give the report as a file.")
    if source is not None and (len(files) != 1 or Path(files[0]).is_dir()):
        raise UsageError(f"--source: {source!r} cannot be the source of several reports. Give one report.")
    out = _out(draft, review=review)
    hand = read_hand_coded(compare) if compare else {}
    ledger, known = _scenarios(scenario)
    _check_source(source, ledger, given=bool(scenario))
    max_bytes = int(max_mb * 1e6)
    inputs, missing = _inputs(files, max_bytes)
    if not inputs:
        raise UsageError(" ".join(missing) or "there is nothing to read. Give a file, a folder or - for stdin.")
    settings = Settings(
        known,
        ledger,
        published=_day(published),
        source=source,
        encoding=encoding,
        max_bytes=max_bytes,
        model_fn=_model(known),
    )
    library = _held(held or [], max_bytes)
    with progress("Reading reports", len(inputs), quiet=as_json or len(inputs) < 2, unit="reports") as progress_fn:
        batch = read_batch(inputs, settings, held=library, progress_fn=progress_fn)
    batch = _with_missing(batch, missing)
    comparison = _compare(batch, hand) if compare else None
    _ask_for_a_pair(comparison, compare)
    if as_json:
        print_json(_as_json(batch, comparison))
    else:
        _print(batch, comparison, brief=review or draft is not None)
    if review and out is not None:
        _review(batch, out)
    elif out is not None:
        _write(batch, out, quiet=as_json)
    if batch.failures:
        raise typer.Exit(EXIT_SOME_FAILED)


# -- what is given ---------------------------------------------------------------------------------
def _out(draft: Path | None, *, review: bool) -> Path | None:
    """Where drafts go; found to be writable before any work is done."""
    from detente.model.files import check_writable

    path = draft or (Path("accepted-claims.jsonl") if review else None)
    if path is None:
        return None
    if path.exists() and not path.is_dir() and not review:
        raise UsageError(f"--draft: {path} exists already. Give another name, or add to it with --review.")
    check_writable(path)
    return path


def _day(text: str | None) -> Any:
    from detente.record.models import parse_day

    if text is None:
        return None
    try:
        return parse_day(text)
    except ValueError as error:
        raise UsageError(f"--published: {error}") from None


def _scenarios(names: Sequence[str] | None) -> tuple["Ledger", "Lexicon"]:
    """The record and the actors of the scenarios that are given; of all that come with the package by default."""
    import tomllib

    from detente.model.builtin import BUILTIN, FILE, scenario_names
    from detente.record.ledger import Ledger, load_ledger
    from detente.record.reading.actors import lexicon

    sources, claims, events, roles, extra = {}, {}, {}, {}, []
    for name in names or scenario_names():
        folder = BUILTIN / name if name in scenario_names() else Path(name)
        if not folder.is_dir():
            hint = nearest(name, scenario_names())
            raise UsageError(f"--scenario: {name!r} is no scenario and no folder.{hint} 'detente list' shows them all.")
        try:
            data = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ScenarioError(f"{folder / FILE}: does not exist. Give the folder of a scenario.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{folder / FILE}: this is not TOML in UTF-8: {error}. Correct that place.") from None
        record = folder / "record"
        if record.is_dir():
            ledger = load_ledger(record)
            sources |= ledger.sources
            claims |= ledger.claims
            events |= ledger.events
        who = data.get("who", {})
        roles |= {str(role): str(actor) for role, actor in who.items()} if isinstance(who, dict) else {}
        if (record / "actors.toml").is_file():
            extra.append(record / "actors.toml")
    return Ledger(sources, claims, events, {}), lexicon(extra, roles)


def _check_source(source: str | None, ledger: "Ledger", *, given: bool) -> None:
    import re

    if source is None:
        return
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", source):
        raise UsageError(f"--source: {source!r} is no id. Use letters, figures, and the signs _ . -")
    if given and source not in ledger.sources:
        raise UsageError(
            f"--source: the scenario's record has no source {source!r}.{nearest(source, ledger.sources)} "
            "Add it to sources.jsonl first, or leave out --source."
        )


def _inputs(names: Sequence[str], max_bytes: int) -> tuple[list[tuple[str, Callable[[], bytes]]], list[str]]:
    """The documents to read, and what is wrong with names that lead to none."""
    found: list[tuple[str, Callable[[], bytes]]] = []
    missing: list[str] = []
    for name in names:
        path = Path(name)
        if name == STDIN:
            found.append(("stdin", lambda: sys.stdin.buffer.read(max_bytes + 1)))
        elif path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in READABLE and p.is_file())
            found += [(str(p), _loader(p, max_bytes)) for p in inside]
            if not inside:
                missing.append(f"{name}: the folder holds no report. Files must end in {', '.join(READABLE)}.")
        elif path.exists():
            found.append((name, _loader(path, max_bytes)))
        else:
            hint = nearest(path.name, [p.name for p in path.parent.glob("*")]) if path.parent.is_dir() else ""
            missing.append(f"{name}: there is no such file.{hint}")
    return found, missing


def _loader(path: Path, max_bytes: int) -> Callable[[], bytes]:
    def load() -> bytes:
        from detente.record.reading.documents import too_large

        try:
            size = path.stat().st_size
            if size > max_bytes:
                raise UsageError(too_large(str(path), size, max_bytes))
            return path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: it cannot be read ({error.strerror}). Check your rights to it.") from None

    return load


def _held(names: Sequence[str], max_bytes: int) -> "Held":
    """The reports that are held already; one that cannot be read is a mistake in the call."""
    from detente.record.reading.documents import read_document
    from detente.record.reading.duplicates import Held, hold

    held = Held()
    inputs, missing = _inputs(names, max_bytes)
    if missing:
        raise UsageError(f"--held: {missing[0]}")
    for name, load_fn in inputs:
        hold(held, read_document(name, load_fn(), max_bytes=max_bytes))
    return held


def _model(known: "Lexicon") -> Any:
    """The language model that is named in the environment, if any."""
    import os

    url = os.environ.get("DETENTE_LLM_URL", "").strip()
    if not url:
        return None
    from detente.record.reading.llm import Endpoint, propose_with_model

    endpoint = Endpoint(url, os.environ.get("DETENTE_LLM_MODEL", "default"), os.environ.get("DETENTE_LLM_KEY", ""))
    return lambda document: propose_with_model(document, endpoint, known)


def _with_missing(batch: "Batch", missing: Sequence[str]) -> "Batch":
    from dataclasses import replace

    from detente.record.reading.batch import Failure

    return replace(batch, failures=(*batch.failures, *(Failure(m.split(":")[0], m) for m in missing)))


# -- what comes out --------------------------------------------------------------------------------
def _compare(batch: "Batch", hand: dict[str, list["Place"]]) -> dict[str, "Comparison"]:
    """The comparison with hand-coded claims, for every document that has some."""
    from detente.record.reading.compare import Place, compare_spans

    return {
        r.document.name: compare_spans(
            hand[Path(r.document.name).name], [Place(d.id, d.start, d.end) for d in r.drafts]
        )
        for r in batch.readings
        if Path(r.document.name).name in hand
    }


def _ask_for_a_pair(comparison: dict[str, "Comparison"] | None, path: Path | None) -> None:
    if comparison is not None and not comparison:
        raise UsageError(f"--compare: {path} has claims of none of the reports that were read. Compare file names.")


def _as_json(batch: "Batch", comparison: dict[str, "Comparison"] | None) -> dict[str, Any]:
    from detente.record.reading.compare import total
    from detente.record.reading.drafts import claim_form, source_form, to_json

    found: dict[str, Any] = {
        "documents": [
            {
                "name": r.document.name,
                "source": source_form(r.document, r.origin),
                "on_record": r.on_record,
                "title": r.document.about.title,
                "author": r.document.about.author,
                "published": _published_json(r),
                "event": r.assignment.event,
                "reasons": list(r.assignment.reasons),
                "dropped": [{"why": d.why, "text": r.document.text[d.start : d.end]} for d in r.document.dropped],
                "paraphrase_of": {"name": r.likeness.of, "share": r.likeness.share} if r.likeness else None,
                "warnings": list(r.warnings),
                "drafts": [to_json(d) | {"claim": claim_form(d, r.origin)} for d in r.drafts],
            }
            for r in batch.readings
        ],
        "relations": [
            {"documents": [a, b], "verdict": rel.verdict, "reasons": list(rel.reasons)} for a, b, rel in batch.relations
        ],
        "failures": [{"name": f.name, "kind": f.kind, "message": f.message} for f in batch.failures],
    }
    if comparison:
        both = total(list(comparison.values()))
        found["comparison"] = {
            "claims": both.num_claims,
            "drafts": both.num_drafts,
            "covered": both.covered,
            "recall": both.recall,
            "precision": both.precision if both.num_drafts else None,
            "one_to_one": both.paired,
            "missed": list(both.missed),
        }
    return found


def _published_json(r: "Reading") -> dict[str, str] | None:
    reported = r.origin.reported
    if reported is None:
        return None
    return {"start": reported.first.isoformat(), "end": reported.last.isoformat(), "basis": reported.basis}


def _print(batch: "Batch", comparison: dict[str, "Comparison"] | None, *, brief: bool) -> None:
    for r in batch.readings:
        _print_reading(r, brief=brief)
    for a, b, relation in batch.relations:
        words = {
            "same": "the same event",
            "different": "different events",
            "unclear": "cannot be told apart or together",
        }
        print(f"{Path(a).name} and {Path(b).name}: {words[relation.verdict]}")
        for reason in relation.reasons:
            print(f"  {reason}")
    if len(batch.readings) > 50:
        print("Only the first 50 reports were compared with each other.")
    if comparison:
        _print_comparison(comparison)
    total = sum(len(r.drafts) for r in batch.readings)
    print(f"{len(batch.readings)} read, {total} drafts, {len(batch.failures)} failed.")
    for failure in batch.failures:
        print(f"detente: {failure.message}", file=sys.stderr)


def _print_reading(r: "Reading", *, brief: bool) -> None:
    about = r.document.about
    print(f"{r.document.name}: {about.title or 'no title'}")
    reported = r.origin.reported
    if reported is None:
        print("  published: unknown. Give the day with --published YYYY-MM-DD; days without a year stay open.")
    else:
        days = str(reported.first) if reported.first == reported.last else f"{reported.first} to {reported.last}"
        print(f"  published: {days} ({reported.basis})")
    named = f", {about.author}" if about.author else ""
    print(f"  source: {r.origin.source}{' (on record)' if r.on_record else ''}{named}")
    print(f"  event: {r.assignment.event or 'not told'}")
    for reason in r.assignment.reasons:
        print(f"    {reason}")
    if r.likeness:
        pairs = len(r.likeness.pairs)
        print(f"  retells {r.likeness.of}: {r.likeness.share:.0%} of its sentences ({pairs}) have their like there")
    if r.document.dropped:
        whys = list(dict.fromkeys(d.why for d in r.document.dropped))
        print(f"  dropped: {', '.join(whys)}")
    for warning in r.warnings:
        print(f"  note: {warning}")
    if brief:
        print(f"  {len(r.drafts)} drafts\n")
        return
    for d in r.drafts:
        _print_draft(d)
    print()


def _print_draft(d: "Draft") -> None:
    target = f" → {d.target}" if d.target else ""
    role = f" ({d.role})" if d.role else ""
    model = " [from a model]" if d.made_by == "model" else ""
    print(f"  {d.id} [{d.start}–{d.end}] {d.person or d.actor}{role}: {d.act}{target}{model}")
    print(f"      {d.text}")
    made = "; ".join(f"{w.role} “{w.text}”" for w in d.words if w.role != "speaker")
    if made:
        print(f"      {made}")


def _print_comparison(comparison: dict[str, "Comparison"]) -> None:
    from detente.record.reading.compare import total

    both = total(list(comparison.values()))
    print(
        f"Against {both.num_claims} claims coded by hand: recall {both.recall:.2f} ({both.covered} covered), "
        f"precision {both.precision:.2f} ({both.num_drafts} drafts); one draft for one claim: {both.paired}."
    )
    if both.missed:
        print(f"  not covered: {', '.join(both.missed)}")


def _sources_path(path: Path) -> Path:
    return path.with_name(f"{path.name.removesuffix('.jsonl')}.sources.jsonl")


def _write(batch: "Batch", path: Path, *, quiet: bool) -> None:
    """The drafts as lines of the ledger, and the sources that it does not have yet, each file whole or not at all."""
    from detente.model.files import write_text
    from detente.record.reading.drafts import claim_form
    from detente.record.reading.review import as_lines

    lines = [claim_form(d, r.origin) for r in batch.readings for d in r.drafts]
    write_text(path, as_lines(lines))
    new = _write_sources(batch, path)
    if quiet:
        return
    undated = sum(1 for line in lines if "reported" not in line)
    print(f"{path}: {len(lines)} drafts." + (f" {new}: their sources." if new else ""))
    if undated:
        print(f"  {undated} of them have no date of report, which the ledger asks for: give it with --published.")


def _write_sources(batch: "Batch", path: Path) -> Path | None:
    from detente.model.files import write_text
    from detente.record.reading.drafts import source_form
    from detente.record.reading.review import as_lines

    new = [source_form(r.document, r.origin) for r in batch.readings if not r.on_record]
    if not new:
        return None
    target = _sources_path(path)
    held = []
    if target.exists():
        from detente.record.files import read_lines
        from detente.record.models import Source

        fresh = {line["id"] for line in new}
        held = [
            line.record.model_dump(mode="json", exclude_defaults=True)
            for line in read_lines(target, Source)
            if line.record.id not in fresh
        ]
    write_text(target, as_lines([*held, *new]))
    return target


def _review(batch: "Batch", path: Path) -> None:
    """The dialogue; after each acceptance the file is written anew, whole."""
    from detente.model.files import write_text
    from detente.record.reading.drafts import claim_form
    from detente.record.reading.review import Shown, as_lines, read_accepted
    from detente.record.reading.review import review as go_through

    accepted = read_accepted(path)
    shown = [
        Shown(d.text, "; ".join(f"{w.role} “{w.text}”" for w in d.words), claim_form(d, r.origin), d.problems)
        for r in batch.readings
        for d in r.drafts
        if d.id not in accepted
    ]
    if accepted:
        print(f"{path}: goes on after {len(accepted)} accepted before.")

    def keep(line: dict[str, Any]) -> None:
        accepted[line["id"]] = line
        write_text(path, as_lines(list(accepted.values())))

    if shown:
        _write_sources(batch, path)
    done = go_through(shown, ask_fn=input, say_fn=print, keep_fn=keep)
    word = "stopped" if done.stopped else "done"
    print(
        f"\n{word}: {done.accepted} accepted, {done.rejected} rejected, {done.left} left; {path} has {len(accepted)}."
    )
