"""Following the branch of larger games: factorisations against NumPy's determinant, branches against the dense ones."""

import importlib
import json

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from detente.library.games import library_game
from detente.model.compile import compile
from detente.model.efg import read_efg
from detente.solve import dense, track
from detente.solve.api import solve
from detente.solve.factor import below, beside, factor
from detente.solve.problem import evaluate
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED

PRECISIONS = (0.1, 0.5, 1.0, 2.0, 5.0)


def random_matrix(seed: int, size: int, share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((size, size)) < share, rng.normal(size=(size, size)), 0.0) + np.diag(
        rng.normal(size=size)
    )


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 30), st.sampled_from([0.0, 0.2, 1.0]))
def test_dense_and_sparse_factors_have_the_determinant_and_the_solution_of_numpy(seed, size, share):
    matrix, right = random_matrix(seed, size, share), np.random.default_rng(seed).normal(size=size)
    sign, log = np.linalg.slogdet(matrix)
    for found in (factor(matrix), factor(sparse.csc_array(matrix))):
        assert found.sign == sign
        assert found.size == pytest.approx(log, abs=1e-8)
        np.testing.assert_allclose(matrix @ found.solve(right), right, rtol=0, atol=1e-6 * np.linalg.cond(matrix))


@pytest.mark.parametrize("make", [np.asarray, sparse.csc_array])
def test_a_singular_matrix_has_no_sign_or_no_finite_solution(make):
    found = factor(make(np.array([[1.0, 2.0], [2.0, 4.0]])))
    assert found.sign == 0 or not np.isfinite(found.solve(np.ones(2))).all()


def test_a_border_is_the_same_around_dense_and_sparse_matrices():
    matrix, column, row = random_matrix(1, 4, 0.5), np.arange(4.0), np.arange(5.0)
    bordered = below(beside(sparse.csc_array(matrix), column), row).toarray()
    np.testing.assert_array_equal(bordered, below(beside(matrix, column), row))
    np.testing.assert_array_equal(bordered[:4, 4], column)
    np.testing.assert_array_equal(bordered[4], row)


def tracked(game, problem, targets):
    world = track.World(track.Tree(game), problem, 0)
    top = max(targets)
    return track.follow(world, np.full(len(game.players), top), [t / top for t in targets], tolerance=1e-10)


@pytest.mark.parametrize("name", ["kuhn-poker", "seltens-horse", "centipede", "unequal-pennies", "tripartite-crisis"])
def test_the_branch_is_the_one_that_small_steps_follow(name):
    entry = library_game(name)
    game = compile(entry.crisis)
    problem = evaluate(game, {key: np.array([value]) for key, value in entry.defaults.items()})
    (wanted,) = dense.follow(problem, np.full((len(game.players), 1), 5.0), [p / 5 for p in PRECISIONS])
    for point, other in zip(tracked(game, problem, PRECISIONS), wanted, strict=True):
        assert point.status == other.status == CONVERGED
        np.testing.assert_allclose(np.exp(point.x), np.exp(other.x), rtol=0, atol=1e-9)


def test_uniform_play_is_the_point_at_share_zero():
    game = compile(library_game("kuhn-poker").crisis)
    world = track.World(track.Tree(game), evaluate(game, {}), 0)
    first, second = track.follow(world, np.ones(2), [0.0, 1.0], tolerance=1e-10)
    np.testing.assert_allclose(np.exp(first.x), 0.5)
    assert (first.status, second.status) == (CONVERGED, CONVERGED)


def test_a_branch_that_cannot_be_followed_says_how_far_it_went(monkeypatch):
    game = compile(library_game("kuhn-poker").crisis)
    real = track.advance
    monkeypatch.setattr(
        track,
        "advance",
        lambda place, *args: track.Move(None, 0.1, np.nan) if place.point.s > 3 else real(place, *args),
    )
    problem = evaluate(game, {})
    found = tracked(game, problem, (0.001, 5.0))
    assert [point.status for point in found] == [CONVERGED, NOT_CONVERGED]
    assert 0 < found[1].reached < 1
    assert found[1].residual > 1e-10


@pytest.mark.parametrize("kind", ["strict", "bifurcation"])
def test_games_of_the_reference_end_where_small_steps_do_and_crossings_are_seen(shared, kind):
    """A dozen small ones of each class: the rest are in the conformance test, by the way that ``solve`` takes."""
    folder = ROOT.parent / "shared" / "conformance"
    names = [g["game"] for g in json.loads((folder / "index.json").read_text())["games"] if g["cls"] == kind][:12]
    for name in names:
        game = read_efg(folder / "efg" / f"{name}.efg")
        if not len(game.infosets) or game.num_slots > 80:
            continue
        problem = evaluate(game, {})
        (wanted,) = dense.follow(problem, np.full((len(game.players), 1), 5.0), [0.2, 1.0])
        for point, other in zip(tracked(game, problem, (1.0, 5.0)), wanted, strict=True):
            assert point.status == other.status, name
            np.testing.assert_allclose(np.exp(point.x), np.exp(other.x), rtol=0, atol=1e-8, err_msg=name)
            if point.status == BIFURCATION:
                assert point.bifurcation_at == pytest.approx(other.bifurcation_at, rel=0.05), name


@pytest.mark.parametrize(
    ("full", "most", "status"),
    [(200, 3_000, CONVERGED), (0, 3_000, CONVERGED), (0, 20, CONVERGED), (0, 5, NOT_CONVERGED)],
)
def test_what_the_sweeps_lose_is_followed_and_left_only_where_both_ways_are_too_large(monkeypatch, full, most, status):
    """54 free probabilities, of which 10 are in the state of the sweeps."""
    entry = library_game("restraint-by-advice")
    game = compile(entry.crisis)
    wanted = solve(game, entry.defaults, precision=2.0, method="dense").probabilities
    module = importlib.import_module("detente.solve.sweep")
    monkeypatch.setattr(module, "DENSE_UNKNOWNS", full)
    monkeypatch.setattr(module, "MAX_UNKNOWNS", most)
    lost = solve(game, entry.defaults, precision=2.0, method="sweep", max_sweeps=1)
    assert lost.status.tolist() == [status]
    if status == CONVERGED:
        np.testing.assert_allclose(lost.probabilities, wanted, rtol=0, atol=1e-8)
