"""`detente record read`: files in, drafts out; what fails is named, and nothing is half-written."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from detente.cli_read import read
from detente.errors import DetenteError, ScenarioError, UsageError
from detente.record.files import read_lines
from detente.record.models import Claim, Source

DATA = Path(__file__).parent / "data" / "reading"
KASHMIR, QUARANTINE = str(DATA / "kashmir-2019.txt"), str(DATA / "quarantine-1962.txt")

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(read)


def run(*arguments: str, typed: str | bytes = ""):
    """The result of the command; a user's mistake is raised as the error that the command line prints."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=typed)
    if isinstance(result.exception, DetenteError):
        raise result.exception
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    monkeypatch.delenv("DETENTE_LLM_URL", raising=False)


def test_each_draft_is_printed_with_its_place_and_its_words():
    result = run(KASHMIR)
    assert result.exit_code == 0
    assert "KASHMIR2019-01 [0–58] India" in result.stdout
    assert "number “at least six civilians”" in result.stdout
    assert "1 read, " in result.stdout


def test_the_json_holds_documents_drafts_and_relations():
    found = json.loads(run(KASHMIR, QUARANTINE, "--json").stdout)
    assert [d["event"] for d in found["documents"]] == [None, None]
    draft = found["documents"][0]["drafts"][0]
    assert draft["span"] == [0, 58]
    assert {w["role"] for w in draft["words"]} >= {"actor"}
    assert found["failures"] == []


def test_drafts_and_sources_are_written_in_the_ledgers_form(tmp_path):
    out = tmp_path / "drafts.jsonl"
    assert run(KASHMIR, QUARANTINE, "--draft", out).exit_code == 0
    claims = [line.record for line in read_lines(out, Claim)]
    sources = {line.record.id for line in read_lines(tmp_path / "drafts.sources.jsonl", Source)}
    assert {s for c in claims for s in c.sources} == sources == {"kashmir-2019", "quarantine-1962"}
    assert not list(tmp_path.glob("*.part"))


def test_drafts_never_replace_a_file_that_is_there(tmp_path):
    out = tmp_path / "drafts.jsonl"
    out.write_text("kept\n")
    with pytest.raises(UsageError, match="exists already"):
        run(KASHMIR, "--draft", out)
    assert out.read_text() == "kept\n"


def test_what_fails_is_named_and_the_rest_goes_on(tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "binary.txt").write_bytes(b"\x00\x01\x02")
    (tmp_path / "large.html").write_bytes(b"<html>" + b"x" * 200_000)
    out = tmp_path / "drafts.jsonl"
    names = [tmp_path / "empty.txt", tmp_path / "binary.txt", tmp_path / "large.html", tmp_path / "none.txt"]
    result = run(*names, KASHMIR, KASHMIR, "--draft", out, "--max-mb", "0.1")
    assert result.exit_code == 1
    for name, why in (
        ("empty.txt", "empty"), ("binary.txt", "0x00"), ("large.html", "0.2 MB"), ("none.txt", "no such file"),
        ("kashmir-2019.txt", "held already"),
    ):  # fmt: skip
        assert any(name in line and why in line for line in result.stderr.splitlines()), (name, why)
    assert "1 read" in result.stdout and "5 failed" in result.stdout
    assert {line.record.sources for line in read_lines(out, Claim)} == {("kashmir-2019",)}


def test_a_report_that_is_held_is_not_read_again(tmp_path):
    result = run(KASHMIR, "--held", DATA)
    assert result.exit_code == 1
    assert "held already as" in result.stderr


def test_a_report_can_come_from_stdin():
    result = run("-", "--source", "wire-1", "--published", "2024-10-02", typed="Iran warned Israel on Tuesday.")
    assert "WIRE1-01" in result.stdout
    assert "published: 2024-10-02 (given by you)" in result.stdout


def test_recall_and_precision_are_printed():
    result = run(KASHMIR, QUARANTINE, "--compare", DATA / "claims.jsonl")
    assert "claims coded by hand: recall " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--published", "31 April"], "is not a day"),
        (["--published", "2024-04-31"], "not a day in the calendar"),
        (["--scenario", "octobre-2024"], "Did you mean 'october-2024'"),
        (["--scenario", "october-2024", "--source", "seed01"], "has no source 'seed01'"),
        (["--source", "a b"], "is no id"),
        (["--review", "--json"], "--json"),
        (["--held", "nowhere"], "no such file"),
        (["--draft", "nowhere/x.jsonl"], "there is no folder"),
    ],
)
def test_a_mistake_in_the_call_is_refused_before_anything_is_done(arguments, complaint):
    with pytest.raises(UsageError, match=complaint):
        run(KASHMIR, *arguments)


def test_a_file_that_is_not_there_is_a_mistake_if_there_is_no_other():
    with pytest.raises(UsageError, match="no such file.*Did you mean 'kashmir-2019.txt'"):
        run(DATA / "kashmir-2018.txt")


# --- the dialogue ---


def test_what_is_accepted_is_written_and_a_later_review_goes_on(tmp_path):
    out = tmp_path / "accepted.jsonl"
    result = run(KASHMIR, "--review", "--draft", out, typed="a\nr\ne\ntarget = Pakistan\ntargt = x\n\na\nq\n")
    assert "2 accepted, 1 rejected" in result.stdout
    assert "Did you mean 'target'" in result.stdout
    claims = [line.record for line in read_lines(out, Claim)]
    assert [c.id for c in claims] == ["KASHMIR2019-01", "KASHMIR2019-03"]
    assert claims[1].target == "Pakistan"
    again = run(KASHMIR, "--review", "--draft", out, typed="a\nq\n")
    assert "goes on after 2 accepted" in again.stdout
    assert [line.record.id for line in read_lines(out, Claim)][2] == "KASHMIR2019-02"


def test_breaking_off_loses_nothing_that_was_accepted(tmp_path, monkeypatch):
    out = tmp_path / "accepted.jsonl"
    answers = iter(["a", "a"])

    def ask(prompt: str) -> str:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("builtins.input", ask)
    result = run(KASHMIR, "--review", "--draft", out)
    assert "stopped: 2 accepted" in result.stdout
    assert len(read_lines(out, Claim)) == 2


def test_a_draft_without_a_date_of_report_cannot_be_accepted_before_it_has_one(tmp_path):
    report, out = tmp_path / "a.txt", tmp_path / "accepted.jsonl"
    report.write_text("Ruritania warned Israel on Sunday about the talks.")
    result = run(report, "--review", "--draft", out, typed="a\ne\nreported = 2024-10-02\n\na\n")
    assert "not yet: reported is missing" in result.stdout
    (line,) = read_lines(out, Claim)
    assert line.record.reported.start.isoformat() == "2024-10-02"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda line: line + line, "line 2: the id 'KASHMIR2019-01' is that of line 1"),
        (lambda line: line.replace("2019-02-27", "2019-04-31"), "line 1, KASHMIR2019-01: .*not a day in the calendar"),
    ],
)
def test_a_damaged_file_of_accepted_claims_is_reported_and_left_alone(tmp_path, change, complaint):
    out = tmp_path / "accepted.jsonl"
    run(KASHMIR, "--review", "--draft", out, typed="a\nq\n")
    damaged = change(out.read_text())
    out.write_text(damaged)
    with pytest.raises(ScenarioError, match=complaint):
        run(KASHMIR, "--review", "--draft", out, typed="a\nq\n")
    assert out.read_text() == damaged


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "datasketch", None)
    result = run(KASHMIR)
    assert result.exit_code == 1
    assert "pip install 'detente[record]'" in result.stderr


def test_a_model_is_asked_only_if_it_is_named(monkeypatch):
    monkeypatch.setenv("DETENTE_LLM_URL", "http://127.0.0.1:9/v1")
    result = run(KASHMIR)
    assert result.exit_code == 1
    assert "does not answer" in result.stderr
    assert "KASHMIR2019-01" in result.stdout
