"""The games of ../shared/conformance: refused, or solved as the reference says, whatever their class."""

import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from detente.errors import DetenteError, GameFileError, SolveError
from detente.model.efg import read_efg
from detente.solve.api import solve
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED, Solution

PRECISIONS = (0.1, 0.5, 1.0, 2.0, 5.0)
INDEX = ROOT.parent / "shared" / "conformance" / "index.json"  # names only: the tests themselves ask for `shared`
SLOW = {"contrib__ttt", "os_leduc_poker", "os_liars_dice_s4"}


def games(*classes: str) -> list:
    """The games of some classes as test parameters; without the reference data one that skips (under CI: fails)."""
    if not INDEX.is_file():
        return [pytest.param(None, id="reference-data-missing")]
    names = [g["game"] for g in json.loads(INDEX.read_text())["games"] if g["cls"] in classes]
    return [pytest.param(name, id=name, marks=[pytest.mark.slow] if name in SLOW else []) for name in names]


def of_class(*classes: str):
    return pytest.mark.parametrize("name", games(*classes))


def efg(shared: Path, name: str) -> Path:
    return shared / "conformance" / "efg" / f"{name}.efg"


def reference(shared: Path, name: str) -> dict:
    return json.loads((shared / "conformance" / "aqre" / f"{name}.json").read_text())


@functools.lru_cache(maxsize=2)
def solved(path: Path) -> tuple[Solution, ...]:
    return solve(read_efg(path), precision=list(PRECISIONS))


def assert_infosets_are_those_of(solution: Solution, wanted: dict) -> None:
    """By player, then in the order of a depth-first walk; options in the order of the file."""
    found = [(i.player + 1, len(i.options)) for i in solution.game.infosets]
    assert found == [(i["player"], len(i["actions"])) for i in wanted["infosets"]]
    assert list(solution.game.players) == wanted["players"]


@of_class("strict")
def test_games_with_one_branch_agree_with_the_reference(shared, name):
    wanted = reference(shared, name)
    solutions = solved(efg(shared, name))
    assert_infosets_are_those_of(solutions[0], wanted)
    assert [s["precision"] for s in wanted["solutions"]] == list(PRECISIONS)
    for solution, other in zip(solutions, wanted["solutions"], strict=True):
        assert solution.status.tolist() == [CONVERGED], f"at {other['precision']}: {solution.message()}"
        np.testing.assert_allclose(
            solution.probabilities[:, 0], other["probabilities"], rtol=0, atol=1e-8, err_msg=f"at {other['precision']}"
        )
        scale = max(1.0, float(np.abs(solution.problem.payoff).max()))
        np.testing.assert_allclose(solution.payoffs[:, 0], other["payoffs"], rtol=0, atol=1e-7 * scale)


@of_class("bifurcation")
def test_games_whose_branch_crosses_another_say_so(shared, name):
    wanted = reference(shared, name)
    solutions = solved(efg(shared, name))
    assert_infosets_are_those_of(solutions[0], wanted)
    for solution in solutions:
        assert solution.residual[0] < 1e-10, solution.message()
    assert solutions[-1].status.tolist() == [BIFURCATION]
    assert "another branch crosses near precision" in solutions[-1].message()
    others = {s["precision"]: s["probabilities"] for s in wanted["solutions"]}
    at = solutions[-1].bifurcation_at[0]
    for precision, solution in zip(PRECISIONS, solutions, strict=True):
        assert (solution.status[0] == BIFURCATION) == (at <= precision)
        if solution.status[0] == CONVERGED and precision in others:  # before the crossing there is one branch
            np.testing.assert_allclose(solution.probabilities[:, 0], others[precision], rtol=0, atol=1e-8)


@of_class("bifurcation")
def test_the_sweep_notices_the_crossings_too(shared, name):
    solution = solve(read_efg(efg(shared, name)), precision=list(PRECISIONS), method="sweep")[-1]
    assert solution.status.tolist() == [BIFURCATION], solution.message()
    assert solution.residual[0] < 1e-10


@of_class("imperfect_recall_refuse")
def test_games_in_which_a_player_forgets_are_refused(shared, name):
    with pytest.raises(GameFileError) as error:
        read_efg(efg(shared, name))
    message = str(error.value)
    assert name in message
    assert re.search(r"cannot tell \[.*\] from \[.*\]", message)  # both histories are shown


@of_class("absent_minded_refuse")
def test_games_with_an_absent_minded_player_are_refused(shared, name):
    with pytest.raises(
        GameFileError, match=r"passes twice through the infoset .*: after \[.*\] and again after \[.*\]"
    ) as error:
        read_efg(efg(shared, name))
    assert name in str(error.value)


@of_class("gambit_timeout")
def test_games_too_large_for_the_reference_are_solved_at_every_precision(shared, name):
    for solution in solved(efg(shared, name)):
        assert solution.status[0] != NOT_CONVERGED, solution.message()
        assert solution.residual[0] <= 1e-10, solution.message()


@of_class("degenerate_no_decisions", "other", "gambit_error")
def test_odd_games_are_solved_or_refused_with_a_reason(shared, name):
    try:
        solutions = solved(efg(shared, name))
    except GameFileError as error:
        assert name in str(error)
        return
    except SolveError as error:  # payoffs of 10¹⁸ may be too much
        assert "precision" in str(error)
        return
    for solution in solutions:
        if solution.status[0] == NOT_CONVERGED:
            assert solution.message().startswith("not converged (residual")
        else:
            assert solution.residual[0] <= 1e-10


def test_every_game_of_the_index_is_tested(shared):
    classes = {g["cls"] for g in json.loads((shared / "conformance" / "index.json").read_text())["games"]}
    assert classes == {
        "strict",
        "bifurcation",
        "imperfect_recall_refuse",
        "absent_minded_refuse",
        "gambit_timeout",
        "degenerate_no_decisions",
        "other",
        "gambit_error",
    }


@pytest.mark.slow
def test_a_sweep_on_a_small_game_is_on_the_branch_or_says_that_it_is_not(shared):
    strays = []
    for game in json.loads((shared / "conformance" / "index.json").read_text())["games"]:
        if game["cls"] != "strict":
            continue
        compiled = read_efg(efg(shared, game["game"]))
        try:
            solutions = solve(compiled, precision=list(PRECISIONS), method="sweep", max_sweeps=100)
        except DetenteError:
            continue  # infosets in a circle
        for solution, wanted in zip(solutions, reference(shared, game["game"])["solutions"], strict=True):
            distance = np.abs(solution.probabilities[:, 0] - wanted["probabilities"]).max()
            if solution.status[0] == CONVERGED and distance > 1e-6:
                strays.append(f"{game['game']} at {wanted['precision']}")
    assert strays == []
