"""`detente record …` as a newcomer meets it: answers, mistakes, empty results, narrow terminals, JSON."""

import json
import re
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from detente import cli
from detente.cli_record import record_app
from detente.errors import DetenteError
from detente.record import load_ledger

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "src/detente/scenarios/october-2024"
COMMANDS = typer.main.get_command(record_app).commands  # type: ignore[attr-defined]
OURS = ("why", "check", "timeline", "changed", "contested", "scales", "show", "search", "sqlite")
EACH = [
    ("why", "october-2024", "interception"),
    ("why", "october-2024", "O-10"),
    ("check", "april-2024", "--known"),
    ("timeline", "april-2024"),
    ("changed", "october-2024", "--from", "2024-10-01", "--to", "2024-10-05"),
    ("contested", "october-2024", "impacts"),
    ("scales", "april-2024"),
    ("show", "october-2024", "oct24_impacts_nevatim"),
    ("search", "october-2024", "interceptors"),
]


def run(*words: str, columns: int = 100):
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(cli.app, ["record", *words])


def answer(*words: str) -> dict:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def crisis(tmp_path) -> Path:
    """A copy of a shipped scenario, to break."""
    folder = tmp_path / "crisis"
    shutil.copytree(RECORD, folder)
    return folder


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# --- every command ---


@pytest.mark.parametrize("words", EACH, ids=" ".join)
@pytest.mark.parametrize("columns", [40, 80, 160])
def test_a_command_answers_on_a_terminal_of_any_width(words, columns):
    result = run(*words, columns=columns)
    assert result.exit_code == 0, result.output
    assert max(len(line) for line in result.stdout.splitlines()) <= columns


@pytest.mark.parametrize("words", EACH, ids=" ".join)
def test_a_command_answers_as_one_json_object(words):
    assert isinstance(answer(*words), dict)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("why", "october-2024", "interceptoin"), "Did you mean 'interception'"),
        (("why", "octobr-2024", "x"), "Did you mean 'october-2024'"),
        (("show", "october-2024", "oct24_impacts_nevatin"), "Did you mean 'oct24_impacts_nevatim'"),
        (("changed", "october-2024", "--from", "2024-04-31", "--to", "2024-05-01"), "not a day in the calendar"),
        (("timeline", "october-2024", "--as-of", "yesterday"), "Write it in quotation marks as YYYY-MM-DD"),
        (("check", "october-2024", "--documents", "/nowhere"), "'/nowhere' is not a folder. Give the folder"),
        (("search", "october-2024", "!"), "holds no word"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(words, message):
    result = run(*words)
    assert isinstance(result.exception, DetenteError)
    assert message in str(result.exception)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search", "october-2024", "zeppelin"), "Nothing on record holds all of: zeppelin."),
        (("contested", "october-2024", "zeppelin"), "Nothing disputed on record holds 'zeppelin'."),
        (("timeline", "october-2024", "--actor", "zeppelin"), "No event of the record is among these."),
        (("changed", "october-2024", "--from", "2025-01-01", "--to", "2025-01-02"), "Nothing changed between"),
    ],
)
def test_an_empty_result_says_so(words, message):
    result = run(*words)
    assert result.exit_code == 0
    assert message in result.stdout


# --- why ---


def test_why_shows_prior_estimate_claims_and_sources():
    text = run("why", "october-2024", "Interception", columns=200).stdout
    for part in (
        "believed:",
        "leak_per_launch.oct2024 estimate",
        "worked out: ([20–32] + 3 + 2) / [180–200]",
        "O-02 claim",
    ):
        assert part in text
    assert "retells Wall Street Journal" in text
    assert "independent sources in all" in text


def test_why_shows_the_rows_that_the_brief_shows():
    from detente.model.scenario import load_scenario
    from detente.record import why
    from detente.report.brief import cited_by

    scenario = load_scenario("october-2024")
    shown = why(scenario.ledger, cited_by(scenario, "interception"))
    assert [row["id"] for row in answer("why", "october-2024", "interception")["rows"]] == [row.id for row in shown]


def test_why_says_when_an_entry_came_too_late_for_the_scenario():
    assert "became known only after 2024-10-25" in answer("why", "october-2024", "O-21")["note"]


def test_why_of_a_judgement_says_that_nothing_is_cited():
    assert "judgement alone" in run("why", "october-2024", "high_resolve").stdout


def test_why_works_on_a_bare_record():
    assert answer("why", str(RECORD / "record"), "O-10")["originals"] == ["Washington Post"]


# --- check ---


def test_check_passes_on_the_shipped_scenarios_beside_the_founding_texts(shared):
    for name in ("april-2024", "october-2024"):
        result = run("check", name, "--documents", str(shared / "seeds"))
        assert result.exit_code == 0, result.output
        assert "No problem was found." in result.stdout


def test_check_fails_with_a_table_when_a_quotation_was_altered(crisis):
    place = ', "sources": ["seed002"], "event": "E2410-03"'
    change(crisis, "record/claims.jsonl", f'"status": "wrong"{place}', f'"status": "supported"{place}')
    result = run("check", str(crisis), columns=160)
    assert result.exit_code == 1
    assert "002-21" in result.stdout and "1 problem." in result.stdout
    (problem,) = json.loads(run("check", str(crisis), "--json").stdout)["problems"]
    assert problem["id"] == "002-21" and "“ensure” for “make”, “remains” added" in problem["what"]


def test_check_tells_all_that_is_wrong_with_a_broken_record_at_once(crisis):
    change(crisis, "record/claims.jsonl", '"sources": ["kuna", "almonitor_afp"]', '"sources": ["kuna", "almonitor"]')
    change(crisis, "record/sources.jsonl", '{"id": "abc_nine"', '{"id": "abc_original"')
    change(crisis, "scenario.toml", '"002-10", "O-09"', '"002-10", "O-99"')
    result = run("check", str(crisis), "--json")
    assert result.exit_code == 1
    kinds = {p["kind"] for p in json.loads(result.stdout)["problems"]}
    assert {"same id twice", "id that leads nowhere"} <= kinds
    assert "O-99" in result.stdout and "almonitor_afp" in result.stdout


def test_check_says_where_a_folder_has_no_text_of_any_source(tmp_path):
    result = run("check", "october-2024", "--documents", str(tmp_path))
    assert "holds the text of none of the 88 sources" in str(result.exception)


def test_check_refuses_a_binary_document(tmp_path):
    (tmp_path / "kuna.txt").write_bytes(b"\0\0\0")
    result = run("check", "october-2024", "--documents", str(tmp_path))
    assert "kuna.txt: it holds binary data. Give the text" in str(result.exception)


def test_check_of_a_scenario_without_a_record_says_what_to_make(tmp_path):
    assert "there is no record here. Make a folder 'record'" in str(run("check", str(tmp_path)).exception)


# --- files ---


def test_the_timeline_is_drawn_as_a_picture_and_nothing_is_fetched(tmp_path):
    path = tmp_path / "timeline.svg"
    assert run("timeline", "october-2024", "--chart", str(path)).exit_code == 0
    picture = path.read_text(encoding="utf-8")
    assert picture.startswith("<svg") and "private" in picture
    assert "<script" not in picture


def test_the_database_is_written_with_its_tables(tmp_path):
    found = answer("sqlite", "october-2024", "-o", str(tmp_path / "x.db"))
    assert {"claims", "sources", "checks"} <= set(found["tables"])


# --- completeness against the data handed over, and the documentation ---


def test_every_seed_claim_has_its_place_in_the_founding_text(shared):
    claims = json.loads((shared / "record" / "seed_claims.json").read_text())["claims"]
    ledgers = {name: load_ledger(RECORD.parent / name / "record") for name in ("april-2024", "october-2024")}
    assert len(claims) == 40
    for theirs in claims:
        ledger = ledgers["april-2024" if theirs["seed"] == "seed000" else "october-2024"]
        (passage,) = ledger.claims[theirs["id"]].passages
        assert (passage.source, passage.start, passage.end) == (theirs["seed"], theirs["start"], theirs["end"])


def test_april_holds_every_event_up_to_its_end(shared):
    events = json.loads((shared / "record" / "timeline.json").read_text())["events"]
    april = load_ledger(RECORD.parent / "april-2024" / "record").events
    assert set(april) == {event["id"] for event in events if event["id"].startswith("E2404")}


def test_every_private_message_that_was_reported_says_when():
    for name in ("april-2024", "october-2024"):
        for claim in load_ledger(RECORD.parent / name / "record").claims.values():
            assert (claim.surfaced is not None) == (claim.channel == "private-then-reported"), claim.id
            assert all(check.by and check.blind is False for check in claim.checks), claim.id


@pytest.mark.parametrize("command", OURS)
def test_every_command_and_option_is_in_the_reference(command):
    text = (ROOT / "docs/reference/record.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `detente record {command} .*$", text, re.MULTILINE)
    assert row, command
    for parameter in COMMANDS[command].params:
        for option in parameter.opts:
            assert not option.startswith("-") or option in row.group(), option
