"""Documentation that cannot rot: whatever is public has its place, and a page names nothing that is not there."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import detente
from detente import cli, errors

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
REFERENCE = {path.stem: path.read_text(encoding="utf-8") for path in sorted((DOCS / "reference").glob("*.md"))}
EVERYTHING = "\n".join(REFERENCE.values())

DIRECTIVE = re.compile(r"^\.\. auto(module|function|class|exception|data):: (\S+)\n((?:   :.*\n)*)", re.MULTILINE)
COMMANDS = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]

# Modules whose names the reference leaves out: they are the command line, described command by command.
NOT_IN_THE_REFERENCE = {"detente.cli", "detente.__main__"}


def documented(text: str) -> tuple[set[str], dict[str, set[str] | None]]:
    """What the autodoc directives of a page show: single names, and modules with their members (None: all)."""
    names: set[str] = set()
    modules: dict[str, set[str] | None] = {}
    for kind, target, options in DIRECTIVE.findall(text):
        if kind != "module":
            names.add(target)
            continue
        members = re.search(r":members:(.*)", options)
        if members:
            listed = {name.strip() for name in members.group(1).split(",") if name.strip()}
            modules[target] = listed or None
    return names, modules


NAMES, MODULES = documented(EVERYTHING)


def is_documented(module: str, name: str) -> bool:
    members = MODULES.get(module, set())
    return f"{module}.{name}" in NAMES or members is None or name in members


def modules() -> list[str]:
    """Every module of the package."""
    found = pkgutil.walk_packages(detente.__path__, "detente.")
    return sorted(m.name for m in found if not m.ispkg and ".scenarios." not in m.name)


def public_names(module: str) -> list[str]:
    """Functions, classes and exceptions that a module defines and does not hide."""
    loaded = importlib.import_module(module)
    return sorted(
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module
    )


def missing_options(command: str, text: str) -> list[str]:
    """Options of a command that the section about it does not name."""
    section = re.search(rf"^### detente {command}\n(.*?)(?=^#{{2,3}} |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    if section is None:
        return ["(there is no section)"]
    named = set(re.findall(r"`(--?[a-z][a-z-]*)\b[^`]*`", section.group(1)))
    named |= set(re.findall(rf"`detente {command}[^`]*?(--[a-z-]+)", section.group(1)))
    return [option for p in COMMANDS[command].params for option in p.opts if option[0] == "-" and option not in named]


# -- names -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", detente.__all__)
def test_every_public_name_is_in_the_reference(name):
    assert f"`dt.{name}`" in EVERYTHING or name in vars(errors), f"no page of docs/reference says `dt.{name}`"
    if name == "__version__":
        return
    module = detente._PUBLIC.get(name, "detente.errors")
    assert is_documented(module, name), (
        f"detente.{name} has no place in docs/reference. Add an autodoc directive for {module}."
    )


def test_every_public_name_can_be_imported_and_is_listed():
    for name in detente.__all__:
        assert getattr(detente, name) is not None
    assert set(detente._PUBLIC) < set(detente.__all__)
    assert sorted(detente.__all__) == dir(detente)
    with pytest.raises(AttributeError, match="no attribute 'forecast'"):
        _ = detente.forecast


@pytest.mark.parametrize("first", ["detente.solve.api", "detente.decide.ensemble", "detente.cli", "detente"])
def test_public_names_mean_the_same_whatever_was_imported_before(first):
    program = (
        f"import {first}, detente as dt, detente.solve.solution as solution\n"
        "A, = dt.players('ann')\n"
        "rules = dt.crisis(players=A)(lambda g, p: {A: g.choose(A, 'call', ['x', 'y']) == 'x'})\n"
        "print(type(dt.solve(dt.compile(rules))) is dt.Solution is solution.Solution)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "True", run.stderr


@pytest.mark.parametrize(
    "name", sorted(n for n, v in vars(errors).items() if inspect.isclass(v) and issubclass(v, Exception))
)
def test_every_exception_is_in_the_reference_and_in_its_tree(name):
    assert is_documented("detente.errors", name)
    assert name in (errors.__doc__ or ""), f"{name} is not in the tree at the top of errors.py"
    assert name in detente.__all__
    assert issubclass(getattr(errors, name), errors.DetenteError)


@pytest.mark.parametrize("module", modules())
def test_every_module_is_in_the_reference(module):
    if module in NOT_IN_THE_REFERENCE or module.rpartition(".")[2].startswith("_"):
        return
    undocumented = [name for name in public_names(module) if not is_documented(module, name)]
    assert not undocumented, f"{module}: {undocumented} are on no page of docs/reference"


@pytest.mark.parametrize("module", modules())
def test_everything_public_says_what_it_is(module):
    loaded = importlib.import_module(module)
    assert loaded.__doc__, f"{module} has no docstring"
    for name in public_names(module):
        assert inspect.getdoc(getattr(loaded, name)), f"{module}.{name} has no docstring"


def test_the_reference_shows_nothing_that_is_not_there():
    for module, members in MODULES.items():
        loaded = importlib.import_module(module)
        for name in members or ():
            assert hasattr(loaded, name), f"docs/reference: {module} has no {name!r}"
    for target in NAMES:
        module, _, name = target.rpartition(".")
        assert hasattr(importlib.import_module(module), name), f"docs/reference: there is no {target}"


def test_no_module_is_shown_twice():
    targets = [target for _, target, _ in DIRECTIVE.findall(EVERYTHING)]
    assert len(targets) == len(set(targets))


# -- commands --------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_a_section_that_names_its_options(command):
    assert missing_options(command, EVERYTHING) == []


def test_the_pages_describe_no_command_that_does_not_exist():
    described = re.findall(r"^### detente (\S+)$", EVERYTHING, flags=re.MULTILINE)
    assert sorted(described) == sorted(COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_no_section_names_an_option_that_its_command_lacks(command):
    section = EVERYTHING.split(f"### detente {command}\n")[1].split("\n## ")[0].split("\n### ")[0]
    known = {option for p in COMMANDS[command].params for option in [*p.opts, *p.secondary_opts]}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", section)) <= known


def test_the_options_of_the_program_itself_are_named():
    for parameter in typer.main.get_command(cli.app).params:
        for option in parameter.opts:
            assert f"`{option}`" in EVERYTHING


def test_every_exit_code_is_explained():
    codes = {value for name, value in vars(cli).items() if name.startswith("EXIT_")} | {0}
    explained = {int(code) for code in re.findall(r"^\| (\d+) \|", EVERYTHING, flags=re.MULTILINE)}
    assert explained == codes


# -- the checks themselves can fail ----------------------------------------------------------------
def test_an_option_that_no_page_names_is_found():
    options = "`--draws`, `--seed`, `--store`, `--policy`, `--commit`, `--open`, `--json`"
    text = f"### detente brief\n\nOptions: {options}.\n\n### detente list\n"
    assert missing_options("brief", text) == ["--output", "-o"]
    assert missing_options("list", text) == ["--json"]
    assert missing_options("solve", text) == ["(there is no section)"]


def test_a_name_that_no_page_shows_is_found():
    names, shown = documented(
        ".. automodule:: detente.axes\n   :members: Game\n\n.. automodule:: detente.errors\n   :members:\n\n"
        ".. autofunction:: detente.solve.api.solve\n\n.. automodule:: detente.cli\n"
    )
    assert names == {"detente.solve.api.solve"}
    assert shown == {"detente.axes": {"Game"}, "detente.errors": None}


# -- how-to pages ----------------------------------------------------------------------------------
@pytest.mark.parametrize("path", sorted((DOCS / "how-to").glob("*.md")), ids=lambda p: p.stem)
def test_every_how_to_page_is_short_and_shows_an_example_that_runs(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert any(line.startswith(">>> ") for line in lines)
    assert len(lines) <= 90


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda p: p.relative_to(DOCS).as_posix())
def test_a_link_to_another_page_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name}: {target} does not exist"
