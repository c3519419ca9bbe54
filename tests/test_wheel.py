"""The wheel, installed alone in a fresh environment: everything is inside, and what is missing is named."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT, missing

PACKAGE = ROOT / "src" / "detente"
NOT_SHIPPED = {"__pycache__"}
MODEL = """
model = "strategic-12"
outcome = "y"
[equations]
u11 = "~ x"
u13 = "0"
u14 = "~ 1"
u24 = "~ 1"
"""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def find_uv() -> str:
    """The uv that runs these tests, or the one that the Makefile installed."""
    found = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv-venv" / "bin" / "uv")
    if not Path(found).is_file():
        missing("There is no uv to build and install the wheel with.")
    return found


def environment() -> dict[str, str]:
    """This environment, without what would point a program at the one in which the tests run."""
    hidden = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON")
    return {name: value for name, value in os.environ.items() if name not in hidden}


def run(*command: object, cwd: Path, timeout: int = 300) -> Ended:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=timeout)
    return Ended(done.returncode, done.stdout, done.stderr)


def ran(*command: object, cwd: Path, timeout: int = 300) -> str:
    ended = run(*command, cwd=cwd, timeout=timeout)
    assert ended.code == 0, f"{command}\n{ended.out}\n{ended.err}"
    return ended.out


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    ran(find_uv(), "build", "--wheel", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("detente-*.whl")
    return built


@pytest.fixture(scope="module")
def fresh(wheel, tmp_path_factory) -> Path:
    """The programs of an environment with the wheel, what it requires in the versions of the lock, and no extra."""
    uv, folder = find_uv(), tmp_path_factory.mktemp("fresh")
    lock = ["export", "--quiet", "--frozen", "--no-default-groups", "--no-emit-project", "--no-hashes", "--no-header"]
    (folder / "versions.txt").write_text(ran(uv, *lock, "--project", ROOT, cwd=folder), encoding="utf-8")
    ran(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    install = (uv, "pip", "install", "--quiet", "--python", python, "--constraint", folder / "versions.txt", wheel)
    ran(*install, cwd=folder, timeout=600)
    return folder / "venv" / "bin"


@pytest.fixture
def detente(fresh, tmp_path):
    """Run the installed command in an empty folder."""
    return lambda *words: run(fresh / "detente", *words, cwd=tmp_path)


# -- what is inside --------------------------------------------------------------------------------
def test_every_file_of_the_package_is_in_the_wheel(wheel):
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("detente/")}
    there = {
        f"detente/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and not NOT_SHIPPED & set(path.parts)
    }
    assert inside == there
    for needed in (
        "py.typed",
        "learn/data/casebook.json",
        "scenarios/october-2024/scenario.toml",
        "scenarios/october-2024/record/claims.jsonl",
        "templates/new/rules.py.template",
        "report/templates/brief.css",
        "play/templates/seat.html.jinja",
        "play/static/exercise.js",
    ):
        assert f"detente/{needed}" in inside


def test_the_wheel_holds_nothing_but_the_package(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top.split("-")[0] for top in tops} == {"detente"}


def test_nothing_of_an_extra_came_along(fresh, tmp_path):
    program = (
        "import importlib.util as u; print([m for m in "
        "('starlette', 'uvicorn', 'sqlalchemy', 'trafilatura', 'datasketch', 'distributed', 'numpyro', 'pytest')"
        " if u.find_spec(m)])"
    )
    assert ran(fresh / "python", "-c", program, cwd=tmp_path).strip() == "[]"


# -- what works ------------------------------------------------------------------------------------
def test_it_runs_from_where_it_is_installed(fresh, tmp_path):
    where = ran(fresh / "python", "-c", "import detente; print(detente.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(fresh.parent)


def test_list_shows_scenarios_and_games(detente):
    ended = detente("list", "--json")
    assert ended.code == 0, ended.err
    assert {"october-2024", "april-2024", "kuhn-poker"} <= {row["name"] for row in json.loads(ended.out)}


def test_a_game_is_solved(detente):
    ended = detente("solve", "kuhn-poker", "--precision", "2", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["solutions"][0]["status"] == "converged"


def test_a_brief_is_written(detente, tmp_path):
    ended = detente("brief", "october-2024", "--draws", "96", "--json")
    assert ended.code == 0, ended.err
    page = (tmp_path / "october-2024-brief.html").read_text(encoding="utf-8")
    assert "<svg" in page and "<style" in page
    assert len(json.loads(ended.out)["bottom_line"]) == 3


def test_a_new_crisis_is_made_checked_and_drawn(detente, tmp_path):
    for command in (
        ["new", "my-crisis"],
        ["check", "my-crisis"],
        ["tree", "my-crisis"],
        ["record", "check", "my-crisis"],
    ):
        ended = detente(*command)
        assert ended.code == 0, ended.err
    assert (tmp_path / "my-crisis-tree.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_casebook_is_inside(fresh, tmp_path):
    program = "from detente.learn.casebook import load_casebook; print(len(load_casebook()))"
    assert int(ran(fresh / "python", "-c", program, cwd=tmp_path)) > 20


# -- what is missing -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("extra", "words", "codes"),
    [
        ("play", ["serve", "--port", "0"], {2}),
        ("cluster", ["run", "october-2024", "--draws", "8", "--cluster", "tcp://127.0.0.1:1"], {2}),
        ("learn", ["fit", "table.csv", "--model", "model.toml"], {2}),
        ("record", ["record", "read", "report.txt"], {1, 2}),
        ("record", ["record", "read", "report.html"], {1, 2}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(detente, tmp_path, extra, words, codes):
    text = "Two missiles were fired at a base on 4 March 2031, the ministry said. Nobody was hurt."
    (tmp_path / "report.txt").write_text(text, encoding="utf-8")
    (tmp_path / "report.html").write_text(f"<html><body><p>{text}</p></body></html>", encoding="utf-8")
    (tmp_path / "table.csv").write_text("x,y\n1,1\n2,3\n3,4\n", encoding="utf-8")
    (tmp_path / "model.toml").write_text(MODEL, encoding="utf-8")
    ended = detente(*words)
    assert ended.code in codes
    assert f"pip install 'detente[{extra}]'" in ended.err
    assert "Traceback" not in ended.err + ended.out


def test_every_command_that_needs_no_extra_starts_without_one(detente):
    """A module of an extra that is imported too early would stop these."""
    for command in ("decide", "learn", "fit", "play", "simulate", "serve", "run", "record", "export"):
        ended = detente(command, "--help")
        assert ended.code == 0, ended.err
        assert "Usage: detente" in ended.out
