"""Manners of the command line: help ends with an example, mistakes are answered, colour and network are opt-in."""

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from conftest import ROOT
from typer.testing import CliRunner

from detente import __version__, cli
from detente.cli_common import EXAMPLES, EXTRA_OF, needs
from detente.errors import UsageError
from detente.model.new import new_scenario

COMMAND = "import sys; sys.argv[0] = 'detente'; from detente.__main__ import main; main()"
APP = typer.main.get_command(cli.app)
COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-7]|38|4[0-7]|48|9[0-7]|10[0-7])[0-9;]*m")


def commands() -> dict[str, object]:
    """Every command by the words that call it, those of a group with the group's name."""
    found = {}
    for name, command in APP.commands.items():  # type: ignore[attr-defined]
        inside = getattr(command, "commands", None)
        found |= {name: command} if inside is None else {f"{name} {sub}": c for sub, c in inside.items()}
    return found


COMMANDS = commands()


def in_a_shell(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **environment},
        timeout=240,
    )


@pytest.fixture
def detente(monkeypatch, capsys, tmp_path):
    """Run a command in this process, in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["detente", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def crisis(tmp_path) -> Path:
    """A scenario of one's own, as `detente new` makes it, in the folder where commands run."""
    from datetime import date

    new_scenario(tmp_path / "my-crisis", today=date(2031, 5, 1))
    return tmp_path / "my-crisis"


# -- help ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_every_command_ends_with_an_example_of_it(name):
    shown = CliRunner().invoke(cli.app, [*name.split(), "--help"], env={"COLUMNS": "80"})
    assert shown.exit_code == 0
    example = " ".join(shown.output[shown.output.rindex("Example:") :].split())
    assert example.startswith(f"Example: detente {name}")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_example_is_a_call_that_the_command_understands(name):
    words = shlex.split(EXAMPLES[name][1])[1 + len(name.split()) :]
    context = COMMANDS[name].make_context(name, words)  # type: ignore[attr-defined]
    assert not context.args


def test_there_is_no_example_of_a_command_that_does_not_exist():
    assert set(EXAMPLES) - set(COMMANDS) == {"record"}


@pytest.mark.parametrize("group", [[], ["record"]], ids=["detente", "record"])
def test_the_list_of_commands_is_not_cut_off(group):
    shown = CliRunner().invoke(cli.app, [*group, "--help"], env={"COLUMNS": "80"})
    assert "..." not in shown.output.split("Commands:")[1]


def test_short_help_and_long_help_are_the_same():
    runner = CliRunner()
    assert runner.invoke(cli.app, ["brief", "-h"]).output == runner.invoke(cli.app, ["brief", "--help"]).output


def test_the_version_is_printed(detente):
    assert detente("--version") == (0, f"detente {__version__}\n", "")


EXAMPLES_THAT_TAKE_SECONDS = [
    "list",
    "solve",
    "export",
    "new",
    *(f"record {name}" for name in ("why", "timeline", "changed", "contested", "scales", "show", "search", "sqlite")),
    "record salvo",
]


@pytest.mark.parametrize("name", EXAMPLES_THAT_TAKE_SECONDS)
def test_an_example_runs_and_finds_something(detente, name):
    code, out, err = detente(*shlex.split(EXAMPLES[name][1])[1:])
    assert code == 0, err
    assert len(out.splitlines()) > 1 or out.startswith(("wrote", "["))


# -- mistakes --------------------------------------------------------------------------------------
MISTAKES = [
    ("breif october-2024", ["Did you mean 'brief'"]),
    ("brief", ["Missing argument 'SCENARIO'"]),
    ("brief october-2024 --draw 10", ["--draws"]),
    ("brief october", ["scenario: 'october'", "Did you mean 'october-2024'?", "'detente list'"]),
    ("brief October-2024", ["Did you mean 'october-2024'?"]),
    ("brief kuhn-poker", ["'kuhn-poker' is a game of the library", "'solve'"]),
    ("check my-crisi", ["Did you mean 'my-crisis'?"]),
    ("check my-crisis/rules.py", ["is a file of a scenario. Give its folder: my-crisis"]),
    ("decide kuhn-poker", ["is a game of the library"]),
    ("decide my-crisis --by wars", ["'wars'", "Did you mean 'war'?"]),
    ("decide my-crisis --fails war=often", ["'often', not a number"]),
    ("run octobre-2024", ["Did you mean 'october-2024'?"]),
    ("run my-crisis --design random", ["'random'", "'sobol'"]),
    ("run my-crisis --policy warn", ["Did you mean 'warning'?"]),
    ("learn octobre-2024", ["Did you mean 'october-2024'?"]),
    ("learn my-crisis", ["my-crisis", "[observed.moves]"]),
    ("learn april-2024 --score", ["--score: needs --into"]),
    ("solve my-crsis", ["Did you mean 'my-crisis'?"]),
    ("solve my-crisis --set leek=0.3", ["Did you mean 'leak'?"]),
    ("solve my-crisis --set leak=high", ["'high', not a number", "--set leak=0.5"]),
    ("solve my-crisis --commit message=warn", ["Did you mean 'warning'?"]),
    ("solve none.efg", ["none.efg", "cannot read"]),
    ("tree my-crisis -o nowhere/a.svg", ["there is no folder 'nowhere'"]),
    ("tree my-crisis --leaves 0", ["--leaves"]),
    ("tree kuhn", ["'kuhn' is not a scenario, a library game"]),
    ("export my-crisis", ["--efg"]),
    ("fit none.csv --model none.toml", ["none.toml", "cannot be read"]),
    ("fit none.csv --model m.toml --table word", ["'word'", "text, latex, html or markdown"]),
    ("play my-crisis", ["--as", "state", "rival"]),
    ("play my-crisis --as us", ["'us' is not a player"]),
    ("play my-crisis --as state --bot rival=dove", ["'dove' is not a bot", "'cautious'"]),
    ("simulate my-crisis -o games.xls", [".csv", ".parquet"]),
    ("new My-Crisis", ["small letters, digits and hyphens"]),
    ("new my-crisis", ["exists already, and nothing is written over"]),
    ("new other --in nowhere", ["there is no folder 'nowhere'"]),
    ("record wy october-2024", ["Did you mean 'why'?"]),
    ("record why october-2024 interceptoin", ["Did you mean 'interception'?"]),
    ("record timeline october-2024 --as-of yesterday", ["--as-of: 'yesterday'", "YYYY-MM-DD"]),
    ("record changed october-2024 --from 2024-10-06 --to soon", ["--to: 'soon'", "YYYY-MM-DD"]),
    ("record read report.txt", ["report.txt: there is no such file"]),
    ("record salvo kuhn-poker", ["is a game of the library"]),
]


@pytest.mark.parametrize(("line", "answers"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_answered_with_what_was_wrong_and_what_to_do(detente, crisis, line, answers):
    before = sorted(path.name for path in crisis.parent.iterdir())
    code, out, err = detente(*line.split())
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    for answer in answers:
        assert answer in err
    assert sorted(path.name for path in crisis.parent.iterdir()) == before  # nothing was begun


SLIPS = [
    ("stands = attacks and", "stands = atacks and", "NameError: name 'atacks' is not defined"),
    ('g.choose(STATE, "message"', 'g.chose(STATE, "message"', "has no attribute 'chose'"),
    ('"war": -p.war * stands', '"war": p.war + "dear"', "TypeError"),
]


@pytest.mark.parametrize(("right", "wrong", "said"), SLIPS, ids=[slip[1] for slip in SLIPS])
def test_a_slip_in_ones_own_rules_is_named_with_its_file_and_line(detente, crisis, right, wrong, said):
    rules = crisis / "rules.py"
    text = rules.read_text(encoding="utf-8")
    assert right in text
    rules.write_text(text.replace(right, wrong), encoding="utf-8")
    code, out, err = detente("check", "my-crisis")
    assert (code, out) == (2, "")
    number = next(n for n, row in enumerate(rules.read_text(encoding="utf-8").splitlines(), 1) if wrong in row)
    assert f"rules.py, line {number}, in crisis: " in err
    assert said in err
    assert "Traceback" not in err


def test_a_fault_of_the_program_itself_is_not_hidden(monkeypatch):
    """What is not in the user's rules stays a traceback that can be reported."""

    def broken() -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(ZeroDivisionError, match="ours"):
        cli.main()


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch, detente):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, out, err = detente("serve", "--port", "0")
    assert (code, out) == (2, "")
    assert "pip install 'detente[play]'" in err
    with pytest.raises(
        UsageError, match=r"run --cluster: 'no_such' is not installed\. Run: pip install 'detente\[x\]'"
    ):
        needs("x", "no_such", what="run --cluster")


def test_a_module_of_an_extra_that_is_missing_deep_inside_is_named_too(monkeypatch, detente):
    def broken() -> None:
        raise ModuleNotFoundError("No module named 'formulaic'", name="formulaic")

    monkeypatch.setattr(cli, "app", broken)
    code, out, err = detente("fit")
    assert (code, out) == (2, "")
    assert "'formulaic', which is not installed. Run: pip install 'detente[learn]'" in err


def test_every_package_of_an_extra_is_known_by_its_extra():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    named = {re.split(r"[\s<>=!~\[;]", package)[0]: extra for extra, packages in extras.items() for package in packages}
    assert {package.replace("-", "_"): extra for package, extra in named.items()} == EXTRA_OF


# -- colour, completion, network -------------------------------------------------------------------
def test_no_color_is_respected(crisis):
    def printed(**environment: str) -> str:
        shell = {"FORCE_COLOR": "1", "TERM": "xterm-256color", **environment}
        done = in_a_shell("check", "my-crisis", cwd=crisis.parent, **shell)
        assert done.returncode == 0
        return done.stdout + done.stderr

    assert COLOUR.search(printed())  # of the progress bar
    assert not COLOUR.search(printed(NO_COLOR="1"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_its_completion(tmp_path, shell):
    done = in_a_shell(cwd=tmp_path, _DETENTE_COMPLETE=f"source_{shell}")
    assert done.returncode == 0
    assert "_DETENTE_COMPLETE" in done.stdout


def test_the_shell_completes_commands_and_scenarios(crisis):
    def completed(words: str) -> set[str]:
        done = in_a_shell(
            cwd=crisis.parent,
            _DETENTE_COMPLETE="complete_bash",
            COMP_WORDS=words,
            COMP_CWORD=str(len(words.split(" ")) - 1),
        )
        return set(done.stdout.split())

    assert {"decide"} <= completed("detente dec")
    assert completed("detente brief oct") == {"october-2024"}
    assert completed("detente check my") == {"my-crisis"}


def test_commands_use_no_network_unless_asked(detente, crisis, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a command opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for line in (
        "list",
        "check my-crisis",
        "solve my-crisis",
        "tree my-crisis",
        "export my-crisis --efg a.efg",
        "brief my-crisis --draws 32",
        "run my-crisis --draws 32",
        "simulate my-crisis --games 10",
        "record check my-crisis",
        "record why my-crisis leak",
    ):
        code, _, err = detente(*line.split())
        assert code == 0, f"{line}: {err}"
