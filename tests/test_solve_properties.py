"""Symmetries that every equilibrium has, on random small crises and with both methods."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Plan, plans, worlds
from test_solve import brute_force

from detente.axes import Game
from detente.model.compile import compile as compile_game
from detente.solve.api import solve
from detente.solve.problem import evaluate
from detente.solve.solution import CONVERGED, Solution

BOTH = pytest.mark.parametrize("method", ["dense", "sweep"])
few = settings(max_examples=25)
# λ × the spread of payoffs; in this range random crises of this size have one equilibrium, which both methods find.
strengths = st.integers(0, 12).map(lambda k: k / 8)


def mild(game: Game, world: dict[str, float], strength: float) -> float:
    """A precision that is mild for the payoffs of a game."""
    payoff = evaluate(game, world).payoff
    spread = float((payoff.max(axis=0) - payoff.min(axis=0)).max())
    return strength / spread if spread > 0 else strength


def play(solution: Solution, draw: int = 0) -> dict:
    """Chance of every option by what the player knows: comparable where players or options are listed differently."""
    game = solution.game
    return {
        (game.players[i.player], i.move, i.knows, option): float(solution.infoset(n)[k, draw])
        for n, i in enumerate(game.infosets)
        for k, option in enumerate(i.options)
    }


def assert_same_play(a: Solution, b: Solution) -> None:
    assert a.status.tolist() == b.status.tolist() == [CONVERGED]
    first, second = play(a), play(b)
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert value == pytest.approx(second[key], abs=1e-8), key


@BOTH
@few
@given(plan=plans(), world=worlds(), strength=strengths)
def test_every_infoset_answers_the_others(method, plan: Plan, world, strength):
    game = compile_game(plan.crisis())
    solution = solve(game, world, precision=mild(game, world, strength), method=method)
    assert solution.status.tolist() == [CONVERGED]
    worst, payoffs = brute_force(solution)
    assert worst < 1e-9
    np.testing.assert_allclose(solution.payoffs[:, 0], payoffs, atol=1e-8)


@few
@given(plan=plans(), world=worlds(), strength=strengths)
def test_dense_and_sweep_find_the_same_equilibrium(plan: Plan, world, strength):
    game = compile_game(plan.crisis())
    precision = mild(game, world, strength)
    assert_same_play(
        solve(game, world, precision=precision, method="dense"), solve(game, world, precision=precision, method="sweep")
    )


@BOTH
@few
@given(plan=plans(), world=worlds(), strength=strengths, shift=st.integers(-40, 40))
def test_adding_a_constant_to_a_player_s_payoffs_changes_nothing(method, plan: Plan, world, strength, shift):
    game = compile_game(plan.crisis())
    precision = mild(game, world, strength)
    shifts = tuple((-1) ** k * shift / 4 for k in range(plan.num_players))
    moved = compile_game(dataclasses.replace(plan, shift=shifts).crisis())
    before = solve(game, world, precision=precision, method=method)
    after = solve(moved, world, precision=precision, method=method)
    assert_same_play(before, after)
    np.testing.assert_allclose(after.payoffs[:, 0], before.payoffs[:, 0] + shifts, atol=1e-7)


@BOTH
@few
@given(plan=plans(), world=worlds(), strength=strengths, scale=st.sampled_from([0.25, 0.5, 3, 8]))
def test_scaling_payoffs_is_scaling_the_precision(method, plan: Plan, world, strength, scale):
    game = compile_game(plan.crisis())
    precision = mild(game, world, strength)
    scaled = compile_game(dataclasses.replace(plan, scale=scale).crisis())
    assert_same_play(
        solve(game, world, precision=precision, method=method),
        solve(scaled, world, precision=precision / scale, method=method),
    )


@BOTH
@few
@given(plan=plans(), world=worlds())
def test_at_precision_zero_play_is_uniform(method, plan: Plan, world):
    game = compile_game(plan.crisis())
    solution = solve(game, world, precision=0, method=method)
    for index, infoset in enumerate(game.infosets):
        np.testing.assert_allclose(solution.infoset(index)[:, 0], 1 / len(infoset.options), atol=1e-14)


@BOTH
@few
@given(plan=plans(), some=st.lists(worlds(), min_size=2, max_size=5), strength=strengths)
def test_a_batch_of_draws_equals_a_loop(method, plan: Plan, some, strength):
    game = compile_game(plan.crisis())
    precision = np.array([mild(game, world, strength) for world in some])
    draws = {name: np.array([world[name] for world in some]) for name in some[0]}
    batch = solve(game, draws, precision=precision, method=method)
    for draw, world in enumerate(some):
        alone = solve(game, world, precision=float(precision[draw]), method=method)
        np.testing.assert_allclose(batch.probabilities[:, draw], alone.probabilities[:, 0], atol=1e-8)
        np.testing.assert_allclose(batch.payoffs[:, draw], alone.payoffs[:, 0], atol=1e-7)
        assert batch.status[draw] == alone.status[0]


@BOTH
@few
@given(data=st.data(), plan=plans(), world=worlds(), strength=strengths)
def test_listing_the_players_in_another_order_only_reorders_them(method, data, plan: Plan, world, strength):
    order = tuple(data.draw(st.permutations(range(plan.num_players))))
    game = compile_game(plan.crisis())
    other = compile_game(dataclasses.replace(plan, names=order).crisis())
    precision = mild(game, world, strength)
    before = solve(game, world, precision=precision, method=method)
    after = solve(other, world, precision=precision, method=method)
    assert_same_play(before, after)
    np.testing.assert_allclose(after.payoffs[:, 0], before.payoffs[list(order), 0], atol=1e-7)


@BOTH
@few
@given(data=st.data(), plan=plans(), world=worlds(), strength=strengths)
def test_listing_options_in_another_order_only_reorders_them(method, data, plan: Plan, world, strength):
    reverse = data.draw(st.sets(st.integers(0, len(plan.stages) - 1)))
    game = compile_game(plan.crisis())
    other = compile_game(dataclasses.replace(plan, reverse=frozenset(reverse)).crisis())
    precision = mild(game, world, strength)
    before = solve(game, world, precision=precision, method=method)
    after = solve(other, world, precision=precision, method=method)
    assert_same_play(before, after)
    np.testing.assert_allclose(after.payoffs, before.payoffs, atol=1e-7)


@BOTH
@few
@given(plan=plans(), world=worlds(), strength=strengths)
def test_probabilities_sum_to_one(method, plan: Plan, world, strength):
    game = compile_game(plan.crisis())
    solution = solve(game, world, precision=mild(game, world, strength), method=method)
    for index in range(len(game.infosets)):
        assert solution.infoset(index).sum(axis=0) == pytest.approx([1.0], abs=1e-12)
    assert (solution.probabilities > 0).all()
    assert solution.leaf_probabilities().sum(axis=0) == pytest.approx([1.0], abs=1e-12)
    assert sum(v[0] for v in solution.outcome("last").values()) == pytest.approx(1.0, abs=1e-12)


@few
@given(plan=plans(), world=worlds(), strength=strengths)
def test_expected_payoffs_are_those_of_the_leaves(plan: Plan, world, strength):
    game = compile_game(plan.crisis())
    solution = solve(game, world, precision=mild(game, world, strength))
    expected = np.einsum("zd,zpd->pd", solution.leaf_probabilities(), solution.problem.payoff)
    np.testing.assert_allclose(solution.payoffs, expected, atol=1e-9)
    # the outcome "worth" of a random crisis is the payoff of its first player
    first = game.players.index("player 0")
    np.testing.assert_allclose(solution.outcome("worth"), solution.payoffs[first], atol=1e-9)


@BOTH
@few
@given(data=st.data(), plan=plans(), world=worlds(), strength=strengths)
def test_a_committed_game_answers_itself(method, data, plan: Plan, world, strength):
    game = compile_game(plan.crisis())
    if not game.infosets:
        return
    infoset = data.draw(st.sampled_from(game.infosets))
    option = data.draw(st.sampled_from(infoset.options))
    precision = mild(game, world, strength)
    solution = solve(game, world, precision=precision, commit={infoset.move: option}, method=method)
    assert brute_force(solution)[0] < 1e-9
    assert all(i.options == (option,) for i in solution.game.infosets if i.move == infoset.move)


@few
@given(plan=plans(), world=worlds(), strength=strengths)
def test_an_intervention_on_every_move_of_a_path_makes_it_certain(plan: Plan, world, strength):
    game = compile_game(plan.crisis())
    solution = solve(game, world, precision=mild(game, world, strength))
    history = game.history(int(game.leaf_nodes[-1]))
    probability = solution.leaf_probabilities(dict(history))
    assert probability[-1] == pytest.approx([1.0])
    np.testing.assert_allclose(probability[:-1], 0.0, atol=1e-15)
