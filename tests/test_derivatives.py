"""Derivatives against closed forms, differences of solved neighbours, and forward against reverse."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import plans, worlds
from test_solve import LEAKY, leaky

import detente as dt
from detente.axes import Game
from detente.errors import SolveError, UsageError
from detente.library.games import GAMES
from detente.model.compile import compile as compile_game
from detente.model.symbols import BasisBuilder, Pool
from detente.solve import derivatives
from detente.solve.api import solve
from detente.solve.derivatives import differentiate, pull_back
from detente.solve.problem import evaluate
from detente.solve.solution import NOT_CONVERGED, Solution

ONE, TWO, THREE = dt.players("one", "two", "three")
METHODS = pytest.mark.parametrize("method", ["dense", "sparse", "iterative"])
SMALL = ["centipede", "kuhn-poker", "kuhn-poker-3", "seltens-horse", "unequal-pennies"]
DRAWS = {**LEAKY, "hawk": [0.4, 0.15], "resolve": [1.6, 2.3]}


@pytest.fixture(scope="module")
def leaky_game() -> Game:
    return compile_game(leaky)


@dt.crisis(players=(ONE,))
def alone(g, p):
    """One choice between nothing and a gain."""
    return {ONE: p.gain * (g.choose(ONE, "call", ("hold", "act")) == "act")}


@dt.crisis(players=(ONE, TWO))
def meeting(g, p):
    """Two who want to do the same: play at one half, until the branch is crossed at precision 2."""
    same = g.choose(ONE, "first", ("a", "b")) == g.choose(TWO, "second", ("a", "b"))
    return {ONE: p.worth * same, TWO: p.worth * same}


@dt.crisis(players=(ONE, TWO))
def lottery(g, p):
    """A chance that may be at the edge of the possible, and what it is worth."""
    event = g.chance("event", {"quiet": 1 - dt.maximum(p.risk, 0), "storm": dt.maximum(p.risk, 0)}, seen_by=TWO)
    sails = g.choose(ONE, "harbour", ("stay", "sail")) == "sail"
    helps = g.choose(TWO, "coast guard", ("rest", "help")) == "help"
    g.outcome(lost=sails and event == "storm" and not helps)
    return {ONE: sails * (p.catch - 2 * (event == "storm" and not helps)), TWO: -0.5 * helps + sails * helps}


def assert_close(slope: np.ndarray, expected: np.ndarray, name: str = "") -> None:
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-9, err_msg=name)


def differences(game: Game, draws: dict, name: str, read_fn, step: float = 1e-3, **how) -> np.ndarray:
    """Derivative by one parameter from four solved neighbours; ``precision`` moves λ of everybody."""
    sizes = {k: len(np.atleast_1d(v)) for k, v in draws.items()}
    count = max(sizes.values(), default=1)
    shifts = np.repeat([-2.0, -1.0, 1.0, 2.0], count) * step
    moved = {k: np.tile(np.broadcast_to(np.asarray(v, dtype=float), count), 4) for k, v in draws.items()}
    rate = how.pop("precision", 1.0)
    if name == "precision":
        rate = rate + shifts
    elif name.startswith("precision of "):
        rate = {p: rate + shifts * (p == name.removeprefix("precision of ")) for p in game.players}
    else:
        moved[name] = moved[name] + shifts
    how.setdefault("tolerance", 1e-13)
    if rate is not None and not isinstance(rate, dict):
        rate = np.broadcast_to(rate, 4 * count)
    value = np.asarray(read_fn(solve(game, {**moved, "none": np.zeros(4 * count)}, precision=rate, throw=True, **how)))
    value = value.reshape(*value.shape[:-1], 4, count)
    weights = np.array([1.0, -8.0, 8.0, -1.0]) / (12 * step)
    return np.einsum("...kd,k->...d", value, weights)


# -- the basis -----------------------------------------------------------------------------------
def slopes_of(make_fn, **values) -> list[float]:
    """Derivative of one expression by its parameters, in the order given."""
    pool = Pool()
    expression = make_fn(*(pool.parameter(name) for name in values))
    builder = BasisBuilder()
    row = builder.row(expression)
    _, slopes = builder.finish().jacobian(values, 1, list(values))
    return [sum(c * slopes[m, k, 0] for m, c in row) for k in range(len(values))]


@pytest.mark.parametrize(
    ("make_fn", "expected"),
    [
        (lambda x, y: 3 * x**3 * y + y, (9 * 0.7**2 * 1.9, 3 * 0.7**3 + 1)),
        (lambda x, y: dt.exp(x * y), (1.9 * np.exp(0.7 * 1.9), 0.7 * np.exp(0.7 * 1.9))),
        (lambda x, y: dt.log(x + 2 * y), (1 / 4.5, 2 / 4.5)),
        (lambda x, y: dt.sqrt(x * y), (0.5 * np.sqrt(1.9 / 0.7), 0.5 * np.sqrt(0.7 / 1.9))),
        (lambda x, y: x / y, (1 / 1.9, -0.7 / 1.9**2)),
        (lambda x, y: dt.maximum(x, y) * x, (1.9, 0.7)),
        (lambda x, y: dt.minimum(x, y) * x, (1.4, 0.0)),
        (lambda x, y: dt.where(x < y, x * y, y), (1.9, 0.7)),
        (lambda x, y: dt.where(x > y, x * y, y), (0.0, 1.0)),
        (lambda x, y: x**2.5, (2.5 * 0.7**1.5, 0.0)),
    ],
)
def test_expressions_are_differentiated_exactly(make_fn, expected):
    np.testing.assert_allclose(slopes_of(make_fn, x=0.7, y=1.9), expected, rtol=1e-14)


def test_at_a_tie_the_derivative_is_the_one_to_the_right():
    assert slopes_of(lambda x, y: dt.maximum(x, y), x=1.0, y=1.0) == [1.0, 1.0]
    assert slopes_of(lambda x, y: dt.minimum(x, y), x=1.0, y=1.0) == [0.0, 0.0]
    assert slopes_of(lambda x: -dt.maximum(x, 0), x=0.0) == [-1.0]
    assert slopes_of(lambda x: abs(x), x=0.0) == [1.0]


def test_the_branch_not_taken_has_no_part_in_a_derivative():
    assert slopes_of(lambda x: dt.where(x > 0, dt.sqrt(x), 2 * x), x=0.0) == [2.0]
    assert slopes_of(lambda x: dt.sqrt(dt.maximum(x, 0)), x=-1.0) == [0.0]


def test_the_values_beside_the_derivatives_are_those_of_the_basis():
    basis = compile_game(leaky).basis
    draws = {k: np.broadcast_to(v, 2) for k, v in DRAWS.items()}
    values, slopes = basis.jacobian(draws, 2)
    np.testing.assert_array_equal(values, basis.evaluate(draws, 2))
    assert slopes.shape == (len(basis.monomials), len(basis.parameters), 2)


# -- one decision maker --------------------------------------------------------------------------
@METHODS
def test_one_decision_maker_follows_the_logit_curve(method):
    gain, rate = np.array([-1.3, 0.0, 0.8]), 1.7
    found = differentiate(solve(compile_game(alone), {"gain": gain}, precision=rate), precision=True, method=method)
    act = 1 / (1 + np.exp(-rate * gain))
    slope = act * (1 - act)
    assert found.parameters == ("gain", "precision")
    np.testing.assert_allclose(found.choice("call")["act"], [rate * slope, gain * slope], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.choice("call")["hold"], -found.choice("call")["act"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.payoffs[0], [act + gain * rate * slope, gain**2 * slope], rtol=1e-12, atol=1e-15)


def test_uniform_play_moves_with_precision_only():
    found = differentiate(solve(compile_game(alone), {"gain": 2.0}, precision=0.0), precision=True)
    np.testing.assert_allclose(found.probabilities[:, :, 0], [[0, -0.5], [0, 0.5]], atol=1e-15)


# -- against solved neighbours -------------------------------------------------------------------
def readings(solution: Solution) -> np.ndarray:
    """Everything that can be read off a solution, one row each."""
    rows = [*solution.probabilities, *solution.payoffs]
    for name in solution.game.outcomes:
        value = solution.outcome(name)
        rows += [*value.values()] if isinstance(value, dict) else [value]
    return np.array(rows)


def derivatives_of_readings(found: derivatives.Derivatives) -> np.ndarray:
    """Their derivatives in the same order, (row, parameter, draw)."""
    rows = [*found.probabilities, *found.payoffs]
    for name in found.solution.game.outcomes:
        value = found.outcome(name)
        rows += [*value.values()] if isinstance(value, dict) else [value]
    return np.array(rows)


@METHODS
@pytest.mark.parametrize("formulation", ["dense", "sweep"])
def test_a_leaky_crisis_with_types_moves_as_its_solved_neighbours_say(leaky_game, method, formulation):
    solution = solve(leaky_game, DRAWS, precision=1.5, method=formulation, tolerance=1e-12)
    found = differentiate(solution, precision=True, method=method)
    assert found.parameters == (*leaky_game.parameters, "precision")
    assert found.num_undefined == 0 and found.message() == "defined"
    slopes = derivatives_of_readings(found)
    for k, name in enumerate(found.parameters):
        expected = differences(leaky_game, DRAWS, name, readings, precision=1.5)
        assert_close(slopes[:, k], expected, name)


def test_precision_of_each_player_moves_play_by_itself(leaky_game):
    found = differentiate(solve(leaky_game, DRAWS, precision=1.2), wrt=(), precision="each player")
    assert found.parameters == ("precision of one", "precision of two", "precision of three")
    slopes = derivatives_of_readings(found)
    for k, name in enumerate(found.parameters):
        expected = differences(leaky_game, DRAWS, name, readings, precision=1.2)
        assert_close(slopes[:, k], expected, name)
    together = differentiate(found.solution, wrt=(), precision=True)
    np.testing.assert_allclose(slopes.sum(axis=1), derivatives_of_readings(together)[:, 0], rtol=1e-10, atol=1e-14)


def test_moves_of_a_policy_and_what_follows_them(leaky_game):
    fixed = {"message": "back", "press": "reports it"}
    found = differentiate(solve(leaky_game, DRAWS, precision=1.5), wrt="deter")
    for label, slope in found.choice("reply", fixed).items():
        expected = differences(
            leaky_game, DRAWS, "deter", lambda s, k=label: s.choice("reply", fixed)[k], precision=1.5
        )
        assert_close(slope[0], expected)
        assert np.abs(slope).min() > 0.01
    expected = differences(leaky_game, DRAWS, "deter", lambda s: s.outcome("replied", fixed), precision=1.5)
    assert_close(found.outcome("replied", fixed)[0], expected)
    expected = differences(leaky_game, DRAWS, "leak", lambda s: s.choice("press")["silent"], precision=1.5)
    assert_close(differentiate(found.solution, wrt="leak").choice("press")["silent"][0], expected)
    np.testing.assert_array_equal(found.choice("message", fixed)["restrain"], np.zeros((1, 2)))


def test_a_commitment_is_differentiated_in_the_game_that_it_leaves(leaky_game):
    how = {"precision": 1.5, "commit": {"message": "back"}}
    found = differentiate(solve(leaky_game, DRAWS, **how))
    slopes = derivatives_of_readings(found)
    for k, name in enumerate(found.parameters):
        assert_close(slopes[:, k], differences(leaky_game, DRAWS, name, readings, **how))


@pytest.mark.parametrize("game", SMALL)
@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_published_games_move_as_their_solved_neighbours_say(game, rate):
    compiled, values = compile_game(GAMES[game].crisis), GAMES[game].defaults
    found = differentiate(solve(compiled, values, precision=rate), precision=True)
    slopes = derivatives_of_readings(found)
    for k, name in enumerate(found.parameters):
        expected = differences(compiled, values, name, readings, precision=rate)
        assert_close(slopes[:, k], expected, name)


@pytest.fixture(scope="module")
def october():
    """Two worlds of October 2024, solved closely."""
    from detente.model.priors import draw
    from detente.model.scenario import load_scenario

    scenario = load_scenario("october-2024")
    draws = draw(scenario.priors, 2, seed=5)
    return solve(scenario.game, draws, precision="precision", tolerance=1e-12, throw=True)


@pytest.mark.parametrize("name", ["leak", "alliance", "precision"])
def test_october_moves_as_its_solved_neighbours_say(october, name):
    game, draws = october.game, dict(october.problem.draws)
    found = differentiate(october, wrt=[name], precision="precision")
    column = found.parameters.index(name)

    def read(solution: Solution) -> np.ndarray:
        return np.array([*solution.payoffs, solution.outcome("regional_war"), *solution.probabilities[::50]])

    def moved(shift: float) -> np.ndarray:
        near = {**draws, name: draws[name] + shift}
        return read(solve(game, near, precision="precision", tolerance=1e-12, throw=True))

    step = 1e-3
    expected = (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step)
    slopes = np.array(
        [*found.payoffs[:, column], found.outcome("regional_war")[column], *found.probabilities[::50, column]]
    )
    np.testing.assert_allclose(slopes, expected, rtol=1e-6, atol=1e-8)
    assert np.abs(slopes).max() > 1e-4


def test_october_forward_equals_reverse(october):
    found = differentiate(october, precision="precision")
    pulled = pull_back(october, outcomes={"regional_war": 1.0}, precision="precision")
    expected = found.outcome("regional_war")
    assert list(pulled) == list(found.parameters)
    np.testing.assert_allclose(np.array(list(pulled.values())), expected, rtol=1e-8, atol=1e-11)


@settings(max_examples=30)
@given(plan=plans(), world=worlds(), name=st.sampled_from(["gain", "cost", "risk", "precision"]))
def test_random_crises_move_as_their_solved_neighbours_say(plan, world, name):
    game, rate = compile_game(plan.crisis()), mild(plan, world)
    if name not in (*game.parameters, "precision"):
        name = "precision"
    found = differentiate(
        solve(game, world, precision=rate), wrt=[n for n in [name] if n != "precision"], precision=True
    )
    column = found.parameters.index(name)
    expected = differences(game, world, name, readings, step=2e-3 * min(1.0, rate), precision=rate)
    np.testing.assert_allclose(derivatives_of_readings(found)[:, column], expected, rtol=1e-6, atol=1e-8)


@settings(max_examples=30)
@given(
    plan=plans(), world=worlds(), seed=st.integers(0, 1000), method=st.sampled_from(["dense", "sparse", "iterative"])
)
def test_forward_equals_reverse_on_random_crises(plan, world, seed, method):
    game = compile_game(plan.crisis())
    solution = solve(game, {**world, "gain": [world["gain"], 1.1]}, precision=mild(plan, world))
    rng = np.random.default_rng(seed)
    by_log, by_chance = rng.normal(size=(2, *solution.probabilities.shape))
    by_payoff = rng.normal(size=solution.payoffs.shape)
    by_worth = rng.normal(size=2)
    labels = game.outcomes["last"].labels
    by_label = dict(zip(labels, rng.normal(size=(len(labels), 2)), strict=True))
    found = differentiate(solution, precision="each player", method=method)
    expected = np.einsum("sd,skd->kd", by_log, found.log_probabilities)
    expected += np.einsum("sd,skd->kd", by_chance, found.probabilities)
    expected += np.einsum("pd,pkd->kd", by_payoff, found.payoffs)
    expected += by_worth * found.outcome("worth")
    expected += sum(by_label[label] * slope for label, slope in found.outcome("last").items())
    pulled = pull_back(
        solution,
        log_probabilities=by_log,
        probabilities=by_chance,
        payoffs=by_payoff,
        outcomes={"worth": by_worth, "last": by_label},
        precision="each player",
        method=method,
    )
    assert list(pulled) == list(found.parameters)
    np.testing.assert_allclose(np.array(list(pulled.values())), expected, rtol=1e-9, atol=1e-9)


def mild(plan, world: dict[str, float]) -> float:
    """A precision at which a random crisis has one equilibrium."""
    payoff = evaluate(compile_game(plan.crisis()), world).payoff
    spread = float((payoff.max(axis=0) - payoff.min(axis=0)).max())
    return 0.8 / spread if spread > 0 else 0.8


# -- ways to solve -------------------------------------------------------------------------------
def test_both_formulations_and_all_ways_to_solve_give_the_same(leaky_game):
    found = [
        differentiate(
            solve(leaky_game, DRAWS, precision=2.0, method=formulation, tolerance=1e-13), precision=True, method=method
        ).log_probabilities
        for formulation in ("dense", "sweep")
        for method in ("dense", "sparse", "iterative", "auto")
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-8, atol=1e-9)


def test_a_large_game_is_pulled_back_without_a_factorisation_and_pushed_with_one(october, monkeypatch):
    def refuse(*_):
        raise AssertionError("factorised")

    monkeypatch.setattr(derivatives, "_solve_factorised", refuse)
    pull_back(october, payoffs=np.ones((3, 2)), wrt="leak")
    with pytest.raises(AssertionError, match="factorised"):
        differentiate(october)


def test_where_gmres_does_not_get_there_the_matrix_is_factorised(october, monkeypatch):
    whole = pull_back(october, payoffs=np.ones((3, 2)), wrt="leak")["leak"]
    monkeypatch.setattr(derivatives, "_solve_iteratively", lambda *_: None)
    np.testing.assert_allclose(pull_back(october, payoffs=np.ones((3, 2)), wrt="leak")["leak"], whole, rtol=1e-8)
    alone_in_the_dark = differentiate(october, wrt="leak", method="iterative")
    assert alone_in_the_dark.num_undefined == 2


def test_draws_in_small_blocks_give_the_same(leaky_game, monkeypatch):
    solution = solve(leaky_game, {**LEAKY, "hawk": np.linspace(0.1, 0.9, 7)})
    whole, pulled = differentiate(solution, precision=True), pull_back(solution, outcomes={"size": 1.0})
    monkeypatch.setattr(derivatives, "NUMBERS", 1)
    small, small_pulled = differentiate(solution, precision=True), pull_back(solution, outcomes={"size": 1.0})
    np.testing.assert_allclose(small.log_probabilities, whole.log_probabilities, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(small.payoffs, whole.payoffs, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(small.outcome("size"), whole.outcome("size"), rtol=1e-10, atol=1e-14)
    for name, value in pulled.items():
        np.testing.assert_allclose(small_pulled[name], value, rtol=1e-10, atol=1e-14)


def test_a_game_in_which_nobody_chooses_still_has_payoffs_that_move():
    @dt.crisis(players=(ONE,))
    def fate(g, p):
        """Only chance moves."""
        return {ONE: p.prize * (g.chance("coin", {"heads": p.bias, "tails": 1 - p.bias}) == "heads")}

    solution = solve(compile_game(fate), {"prize": 3.0, "bias": 0.25})
    found = differentiate(solution, precision=True)
    assert dict(zip(found.parameters, found.payoffs[0, :, 0], strict=True)) == {
        "bias": 3.0, "prize": 0.25, "precision": 0.0,
    }  # fmt: skip
    assert pull_back(solution, payoffs=1.0)["prize"].tolist() == [0.25]
    assert found.choice("coin")["heads"][found.parameters.index("bias")] == pytest.approx([1.0])


def test_a_game_without_parameters_has_no_derivatives_unless_precision_moves():
    solution = solve(compile_game(GAMES["kuhn-poker"].crisis))
    assert differentiate(solution).log_probabilities.shape == (solution.game.num_slots, 0, 1)
    assert pull_back(solution, payoffs=1.0) == {}
    for method in ("dense", "sparse", "iterative"):
        assert differentiate(solution, method=method).payoffs.shape == (2, 0, 1)


# -- precision under another name ----------------------------------------------------------------
def test_a_parameter_that_is_the_precision_moves_play_under_its_own_name(leaky_game):
    draws = {**LEAKY, "care": [1.1, 1.6]}
    solution = solve(leaky_game, draws, precision="care")
    found = differentiate(solution, wrt="hawk", precision="care")
    assert found.parameters == ("hawk", "care")
    expected = differentiate(solution, wrt=(), precision=True)
    np.testing.assert_allclose(found.payoffs[:, 1], expected.payoffs[:, 0], rtol=1e-12)
    by_player = {"one": "care", "two": "care", "three": 2.0}
    mixed = solve(leaky_game, draws, precision=by_player)
    both = differentiate(mixed, wrt=(), precision=by_player)
    each = differentiate(mixed, wrt=(), precision="each player")
    assert both.parameters == ("care",)
    np.testing.assert_allclose(both.payoffs[:, 0], each.payoffs[:, 0] + each.payoffs[:, 1], rtol=1e-10, atol=1e-14)


def test_a_parameter_that_is_both_a_payoff_and_the_precision_counts_twice():
    solution = solve(compile_game(alone), {"gain": [0.5, 1.5]}, precision="gain")
    act, gain = solution.choice("call")["act"], np.array([0.5, 1.5])
    found = differentiate(solution, precision="gain")
    assert found.parameters == ("gain",)
    np.testing.assert_allclose(found.choice("call")["act"][0], 2 * gain * act * (1 - act), rtol=1e-12)


# -- what cannot be differentiated ---------------------------------------------------------------
def test_an_unconverged_draw_has_no_derivative_and_is_counted(leaky_game):
    solution = solve(leaky_game, DRAWS, precision=1.5)
    broken = dataclasses.replace(solution, status=np.array([NOT_CONVERGED, solution.status[1]]))
    found, whole = differentiate(broken), differentiate(solution)
    assert found.num_undefined == 1 and found.defined.tolist() == [False, True]
    assert found.message(0).startswith("undefined: the equilibrium is not converged")
    for slopes in (found.log_probabilities, found.payoffs, found.outcome("size"), found.choice("reply")["salvo"]):
        assert np.isnan(slopes[..., 0]).all() and np.isfinite(slopes[..., 1]).all()
    np.testing.assert_allclose(found.payoffs[..., 1], whole.payoffs[..., 1], rtol=1e-10)
    pulled = pull_back(broken, payoffs=1.0)
    assert all(np.isnan(value[0]) and np.isfinite(value[1]) for value in pulled.values())


def test_where_no_draw_converged_everything_is_missing_under_its_name(leaky_game):
    solution = solve(leaky_game, DRAWS)
    broken = dataclasses.replace(solution, status=np.full(2, NOT_CONVERGED))
    found = differentiate(broken)
    assert found.num_undefined == 2
    assert list(found.outcome("target")) == ["none", "small", "large"]
    assert np.isnan(found.outcome("target")["small"]).all()


@METHODS
def test_where_another_branch_crosses_there_is_no_derivative(method):
    game = compile_game(meeting)
    solution = solve(game, {"worth": [1.0, 1.0]}, precision=1.0)
    crossing = dataclasses.replace(solution, precision=np.array([[2.0, 1.0], [2.0, 1.0]]))  # still play at one half
    pulled = pull_back(crossing, log_probabilities=[[1.0], [-1.0], [1.0], [-1.0]], method=method)
    assert np.isnan(pulled["worth"][0]) and pulled["worth"][1] == pytest.approx(0, abs=1e-14)


def test_a_chance_at_the_edge_of_the_possible_is_refused_by_name():
    game = compile_game(lottery)
    solution = solve(game, {"risk": [0.2, 0.0], "catch": 1.0})
    for call in (differentiate, pull_back):
        with pytest.raises(SolveError, match=r"chance of 'storm' in 'event'.*is 0.*risk = 0.*draw 1.*'risk'"):
            call(solution)
    assert differentiate(solution, wrt="catch").num_undefined == 0


def test_a_chance_of_zero_that_does_not_change_is_no_obstacle():
    game = compile_game(lottery)
    draws = {"risk": -0.5, "catch": 1.0}
    found = differentiate(solve(game, draws))
    slopes = derivatives_of_readings(found)
    for k, name in enumerate(found.parameters):
        assert_close(slopes[:, k], differences(game, draws, name, readings), name)
    assert not found.payoffs[:, found.parameters.index("risk")].any()


def test_an_expression_without_slope_is_refused_with_its_parameter():
    @dt.crisis(players=(ONE,))
    def steep(g, p):
        """A square root at its end."""
        return {ONE: dt.sqrt(p.depth) * (g.choose(ONE, "call", ("hold", "act")) == "act") + p.other}

    solution = solve(compile_game(steep), {"depth": [1.0, 0.0], "other": 1.0})
    with pytest.raises(SolveError, match=r"no finite derivative by 'depth' where depth = 0, other = 1 \(draw 1\)"):
        differentiate(solution)
    assert differentiate(solution, wrt="other").num_undefined == 0


def test_what_cannot_be_used_is_reported_with_its_name(leaky_game):
    solution = solve(leaky_game, {**LEAKY, "care": 1.0})
    found = differentiate(solution)
    with pytest.raises(UsageError, match="'hawks'. Did you mean 'hawk'"):
        differentiate(solution, wrt=["hawks"])
    with pytest.raises(UsageError, match="'newton' is not known"):
        differentiate(solution, method="newton")
    with pytest.raises(UsageError, match="'tuple' is not a Solution"):
        differentiate(solve(leaky_game, LEAKY, precision=[0.5, 1.0]))
    with pytest.raises(UsageError, match="'sise' is not an outcome. Did you mean 'size'"):
        found.outcome("sise")
    with pytest.raises(UsageError, match="'replies' is not a move.*Did you mean 'reply'"):
        found.choice("replies")
    with pytest.raises(UsageError, match="no option 'bak'"):
        found.outcome("size", {"message": "bak"})
    with pytest.raises(UsageError, match="'caer' is not among the draws. Did you mean 'care'"):
        differentiate(solution, precision="caer")
    with pytest.raises(UsageError, match="not solved with 'hawk' as the precision of one: λ is 1 and hawk is 0.4"):
        differentiate(solution, precision="hawk")
    with pytest.raises(UsageError, match="2.0 cannot be used"):
        differentiate(solution, precision=2.0)
    with pytest.raises(UsageError, match="'four' is not a player"):
        differentiate(solution, precision={"four": "care"})


def test_a_cotangent_that_does_not_fit_is_reported_with_its_shape(leaky_game):
    solution = solve(leaky_game, DRAWS)
    with pytest.raises(UsageError, match=r"payoffs has shape \(4, 2\); it must be numbers of shape \(3, 2\)"):
        pull_back(solution, payoffs=np.ones((4, 2)))
    with pytest.raises(UsageError, match="'target' is a label. Give a mapping"):
        pull_back(solution, outcomes={"target": 1.0})
    with pytest.raises(UsageError, match="'smal' is not a value of the outcome 'target'. Did you mean 'small'"):
        pull_back(solution, outcomes={"target": {"smal": 1.0}})
    with pytest.raises(UsageError, match="'sise' is not an outcome"):
        pull_back(solution, outcomes={"sise": 1.0})


def test_a_parameter_called_precision_is_not_confused_with_precision():
    @dt.crisis(players=(ONE,))
    def named(g, p):
        """A payoff that happens to be called precision."""
        return {ONE: p.precision * (g.choose(ONE, "call", ("hold", "act")) == "act")}

    solution = solve(compile_game(named), {"precision": 3.0}, precision=1.0)
    with pytest.raises(UsageError, match="parameter 'precision' of its own"):
        differentiate(solution, precision=True)
    assert differentiate(solution, wrt=(), precision=True).parameters == ("precision",)
