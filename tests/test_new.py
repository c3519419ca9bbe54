"""`detente new`: a folder that runs as it is."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detente.cli import app, main
from detente.errors import UsageError
from detente.model.new import new_scenario
from detente.model.scenario import load_scenario

TODAY = date(2031, 5, 1)
COMMANDS = [["check"], ["check", "--explain"], ["record", "check"], ["tree"], ["solve"]]


@pytest.fixture(scope="module")
def crisis(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home") / "my-crisis"
    new_scenario(folder, title="A crisis of mine", today=TODAY)
    return folder


def test_the_folder_is_a_scenario_with_the_title_and_the_day(crisis):
    scenario = load_scenario(crisis)
    assert scenario.file.title == "A crisis of mine"
    assert scenario.file.as_of == TODAY
    assert set(scenario.file.policies) == {"none", "silence", "warning"}


def test_no_placeholder_is_left(crisis):
    for file in crisis.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            assert "$" not in file.read_text(encoding="utf-8").replace("```sh", ""), file
            assert not file.name.endswith(".template")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_takes_the_folder(crisis, command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = [command[0], str(crisis), *command[1:]] if command[0] != "record" else [*command, str(crisis)]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 0, ended.output
    assert "problem" not in ended.output or "0 problems" in ended.output or "no problem" in ended.output.lower()


def test_the_brief_of_a_new_crisis_is_written(crisis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(app, ["brief", str(crisis), "--draws", "64"])
    assert ended.exit_code == 0, ended.output
    assert "A crisis of mine" in (tmp_path / "my-crisis-brief.html").read_text(encoding="utf-8")


def test_a_parameter_s_prior_comes_from_the_example_record(crisis):
    prior = load_scenario(crisis).priors["leak"]
    assert prior.low <= 0.3 and prior.high >= 0.6


@pytest.mark.slow
def test_the_test_that_comes_with_it_passes(crisis):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(crisis)],
        cwd=crisis.parent,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My Crisis", "cannot be a name. Use small letters, digits and hyphens"),
        ("october-2024", "comes with detente. Choose another"),
        ("-x", "cannot be a name"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(tmp_path, name, message):
    with pytest.raises(UsageError, match=message):
        new_scenario(tmp_path / name, today=TODAY)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="exists already, and nothing is written over"):
        new_scenario(tmp_path / "mine", today=TODAY)
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_title_that_would_break_the_files_is_refused(tmp_path):
    with pytest.raises(UsageError, match="quotation mark"):
        new_scenario(tmp_path / "mine", title='The "last" crisis', today=TODAY)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_place_is_a_message_and_exit_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["detente", "new", "mine", "--in", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "there is no folder" in capsys.readouterr().err
