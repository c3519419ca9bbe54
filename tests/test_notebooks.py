"""What notebooks show of the package's records, and the notebooks of the documentation, run again."""

import importlib.util
import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import ROOT

import detente as dt
from detente.decide.analysis import decide
from detente.decide.ensemble import run
from detente.errors import UsageError
from detente.library.games import GAMES
from detente.model import fold
from detente.model.new import new_scenario
from detente.model.scenario import load_scenario
from detente.report.brief import make_brief
from detente.report.decide_rows import NUM_FINDINGS, robust_row
from detente.report.decide_words import summary
from detente.report.notebook import html
from detente.solve.solution import NOT_CONVERGED

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def load_execute():
    spec = importlib.util.spec_from_file_location("execute_notebooks", FOLDER / "execute.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


execute = load_execute()


class Balanced(HTMLParser):
    """Tags that are opened and never closed, or closed and never opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def words(text: str) -> str:
    return " ".join(
        unescape(re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]+>", " ", text, flags=re.DOTALL)).split()
    )


@pytest.fixture(scope="module")
def crisis(tmp_path_factory):
    from datetime import date

    folder = tmp_path_factory.mktemp("home") / "my-crisis"
    new_scenario(folder, title="Land & <sea>", today=date(2031, 5, 1))
    return load_scenario(folder)


@pytest.fixture(scope="module")
def ensemble(crisis):
    return run(crisis, num_draws=64)


@pytest.fixture(scope="module")
def decision(crisis):
    return decide(crisis, run(crisis, num_draws=256))


@pytest.fixture(scope="module")
def shown(crisis, ensemble, decision) -> dict[str, str]:
    game = dt.compile(GAMES["kuhn-poker"].crisis)
    return {
        "game": game._repr_html_(),
        "solution": dt.solve(game, {}, precision=2.0)._repr_html_(),
        "draws": dt.solve(crisis.game, dict(ensemble.draws), precision=3.0)._repr_html_(),
        "ensemble": ensemble._repr_html_(),
        "decision": decision._repr_html_(),
        "brief": make_brief(crisis, ensemble)._repr_html_(),
    }


@pytest.mark.parametrize(
    ("what", "trees"), [("game", 1), ("solution", 1), ("draws", 1), ("ensemble", 0), ("decision", 0), ("brief", 0)]
)
def test_what_is_shown_is_whole_and_fetches_nothing_and_runs_only_what_folds_trees(shown, what, trees):
    parser = Balanced()
    parser.feed(shown[what])
    assert parser.faults == [] and parser.open == []
    assert shown[what].count(fold.script()) == trees
    rest = shown[what].replace(fold.script(), "")
    assert not re.search(r"<script|javascript:|\bon\w+=|src=|href=", rest)
    assert not re.search(r"https?:|import\b|fetch\(|eval\(", fold.script())
    assert "\n\n" not in shown[what]  # Markdown would take what follows for text


def test_a_game_shows_its_size_and_its_tree(shown):
    assert "2 players, 58 nodes, 12 infosets, 30 leaves, 0 parameters" in words(shown["game"])
    assert shown["game"].count("<svg") == 1


def test_a_solution_shows_how_it_ended_and_each_choice_with_its_probability(shown):
    text = words(shown["solution"])
    assert "converged (residual" in text
    assert "player 1 first of player 1 Pass 59 % Bet 41 %" in text
    assert "Expected payoffs: player 1 −0.04, player 2 0.04" in text


def test_several_draws_show_their_range_and_how_many_are_left_out(shown):
    text = words(shown["draws"])
    assert "64 draws, of which 0 did not converge and are left out" in text
    assert re.search(r"state message silence \d+ % \(\d+–\d+ %\)", text)


def test_draws_that_did_not_converge_are_counted_and_left_out(crisis, ensemble):
    from dataclasses import replace

    solved = dt.solve(crisis.game, dict(ensemble.draws), precision=3.0)
    status = solved.status.copy()
    status[:10] = NOT_CONVERGED
    assert "of which 10 did not converge" in words(html(replace(solved, status=status)))
    none = words(html(replace(solved, status=np.full_like(status, NOT_CONVERGED))))
    assert "of which 64 did not converge" in none and "%" not in none
    missing = replace(ensemble, status=np.full_like(ensemble.status, NOT_CONVERGED))
    assert "No draw converged, so there is nothing to compare." in words(html(missing))


def test_an_ensemble_shows_the_numbers_of_its_table(shown, ensemble):
    from detente.decide.options import options_table
    from detente.report.words import percent

    text = words(shown["ensemble"])
    assert "64 possible worlds, 0 of them left out" in text
    for policy, row in options_table(ensemble).items():
        assert policy in text
        assert percent(row["war"].median) in text


def test_a_decision_shows_its_answer_who_it_is_best_for_and_what_to_find_out(shown, crisis, decision):
    text = words(shown["decision"])
    for sentence in summary(decision):
        assert " ".join(sentence.split()) in text
    for name in decision.criteria:
        assert robust_row(decision, name)["title"] in text
    for item in decision.findings[:NUM_FINDINGS]:
        assert crisis.parameter_title(item.parameter) in text
    assert "0 of 256 draws did not converge" in text
    assert "Land &amp; &lt;sea&gt;" in shown["decision"] and "<sea>" not in shown["decision"]


def test_a_brief_shows_its_bottom_line_and_escapes_what_people_wrote(shown, crisis, ensemble):
    assert " ".join(make_brief(crisis, ensemble).bottom_line) in words(shown["brief"])
    assert "Land &amp; &lt;sea&gt;" in shown["brief"] and "<sea>" not in shown["brief"]


def test_something_else_has_no_display():
    with pytest.raises(UsageError, match=r"notebook: int has no display\. Give a game"):
        html(3)


# -- the notebooks of the documentation ------------------------------------------------------------
def outputs(notebook) -> list[str]:
    """What a person reads in the outputs; how close a solver came is not the same on every machine."""
    found = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = "".join(output.get("text", data.get("text/html", data.get("text/plain", ""))))
            found.append(re.sub(r"residual \S+ after \d+ iterations", "residual …", words(text)))
    return found


def test_there_are_two_notebooks():
    assert len(NOTEBOOKS) == 2


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_that_is_run_again_shows_what_it_keeps(path):
    kept = execute.read(path)
    again = execute.execute(kept)
    assert outputs(again) == outputs(kept), "run docs/notebooks/execute.py, and look at what changed"
    assert [c.get("execution_count") for c in again["cells"]] == [c.get("execution_count") for c in kept["cells"]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_page_of_a_notebook_is_made_from_it(path):
    assert path.with_suffix(".md").read_text(encoding="utf-8") == execute.page(execute.read(path), path.stem)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_one_that_notebook_programs_read(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[\w-]{1,64}", name) for name in ids)
    for cell in notebook["cells"]:
        wanted = {"cell_type", "id", "metadata", "source"}
        assert set(cell) == wanted | ({"execution_count", "outputs"} if cell["cell_type"] == "code" else set())


def test_a_cell_that_fails_stops_the_notebook():
    with pytest.raises(NameError, match="nothing"):
        execute.execute(
            {"cells": [{"cell_type": "code", "source": ["nothing"], "outputs": [], "execution_count": None}]}
        )


def test_a_changed_output_is_found():
    kept = {"cells": [{"cell_type": "code", "source": ["1 + 1"], "outputs": [], "execution_count": None}]}
    assert outputs(execute.execute(kept)) == ["2"] != outputs(kept)
