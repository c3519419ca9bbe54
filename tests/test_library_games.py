"""Every game of the library: every command works on it, it says where it is from, and it has its section."""

import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from test_cli import detente  # noqa: F401 - a fixture

from detente.library.games import GAMES, LibraryGame, library_game
from detente.model.compile import compile as compile_game
from detente.model.efg import read_efg
from detente.solve.api import solve

LARGE = ("leduc-poker", "liars-dice")
PAGE = (ROOT / "docs" / "theory" / "games.md").read_text(encoding="utf-8")
KEYS = re.findall(r"^@\w+\{(\w+),", (ROOT / "docs" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
OF_CRISES = [name for name, game in GAMES.items() if not game.rules.startswith(("textbook", "larger_games"))]

every_game = pytest.mark.parametrize("name", GAMES)
every_game_at_its_pace = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in GAMES]
)


# -- commands ----------------------------------------------------------------------------------------
@every_game
def test_every_game_is_listed_with_its_title_and_source(detente, name):  # noqa: F811
    (row,) = [row for row in detente("list", "--json").json if row["name"] == name]
    assert row["title"] == GAMES[name].title and row["source"] == GAMES[name].source


@pytest.mark.parametrize("name", [name for name in GAMES if name not in LARGE])  # test_cli.py solves all of them
def test_every_game_is_solved_by_name(detente, name):  # noqa: F811
    ended = detente("solve", name, "--precision", "1")
    assert ended.code == 0
    assert "converged" in ended.out and GAMES[name].title.split(":")[0] in ended.out


@every_game_at_its_pace
def test_every_game_is_drawn(detente, tmp_path, name):  # noqa: F811
    ended = detente("tree", name, "--leaves", "8", "-o", "tree.svg")
    assert ended.code == 0
    assert (tmp_path / "tree.svg").read_text(encoding="utf-8").startswith("<svg")


@every_game_at_its_pace
def test_every_game_is_the_same_after_a_trip_through_a_file(detente, tmp_path, name):  # noqa: F811
    ended = detente("export", name, "--efg", "game.efg")
    assert ended.code == 0
    read, game = read_efg(tmp_path / "game.efg"), compile_game(GAMES[name].crisis)
    assert (read.num_nodes, len(read.infosets)) == (game.num_nodes, len(game.infosets))
    first, second = solve(game, GAMES[name].defaults, precision=0.5), solve(read, precision=0.5)
    np.testing.assert_allclose(first.payoffs, second.payoffs, atol=1e-7)


def test_a_parameter_of_a_game_is_set_on_the_command_line(detente):  # noqa: F811
    found = [
        detente("solve", "beer-quiche", "--set", f"weak={weak}", "--limit", "--json").json["limit"]["payoffs"]
        for weak in (0.1, 0.75)
    ]
    assert found[0] == pytest.approx([2.9, 0.9], abs=1e-3)
    assert found[1] == pytest.approx([0.25 * 2 + 0.75 * 1, 0.75], abs=1e-3)


# -- what is said about them ---------------------------------------------------------------------------
@every_game
def test_every_game_has_a_section_with_its_source(name):
    game = GAMES[name]
    section = re.search(rf"^## `{re.escape(name)}`\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert section, f"docs/theory/games.md has no section ## `{name}`"
    if not game.source.startswith("OpenSpiel"):
        assert game.source in KEYS
        assert game.source in section.group(1)


def test_the_page_has_no_section_about_a_game_that_does_not_exist():
    assert set(re.findall(r"^## `(.+)`$", PAGE, flags=re.MULTILINE)) == set(GAMES)


@pytest.mark.parametrize("name", [name for name in OF_CRISES if not name.startswith("strategic")])
def test_the_rules_of_every_crisis_say_what_was_simplified_and_where_they_are_from(name):
    text = inspect.getdoc(GAMES[name].crisis.function) or ""
    assert "\nSimplified: " in text and "\nSource:\n" in text
    assert GAMES[name].source in text.split("\nSource:\n")[1]


@pytest.mark.parametrize("name", OF_CRISES)
def test_every_default_is_a_parameter_of_the_rules_and_every_parameter_has_one(name):
    game = compile_game(GAMES[name].crisis)
    assert set(game.parameters) == set(GAMES[name].defaults)


@pytest.mark.parametrize("name", OF_CRISES)
def test_the_title_is_the_first_line_of_the_rules(name):
    assert GAMES[name].title == GAMES[name].crisis.title


# -- looking them up -------------------------------------------------------------------------------------
def test_a_misspelt_game_is_reported_with_the_nearest_name():
    with pytest.raises(Exception, match="'beer-quish' is not a game of the library. Did you mean 'beer-quiche'"):
        library_game("beer-quish")


def test_rules_are_not_imported_before_a_game_is_used():
    program = (
        "import sys, detente.library.games as games\n"
        "before = [m for m in sys.modules if m.startswith('detente.library.') and not m.endswith('.games')]\n"
        "games.GAMES['stag-hunt'].crisis\n"
        "print(before, 'detente.library.dilemmas' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "[] True", run.stderr


def test_rules_that_are_not_there_are_not_taken_for_a_game():
    with pytest.raises(AttributeError):
        _ = LibraryGame("x", "X.", "dilemmas:no_such_game", "cho1987", {}).crisis
