"""Choice rules and branches: probit against quadrature and simulation; expectations against fixed points."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.special import log_ndtr, ndtr

import detente as dt
from detente.errors import UsageError
from detente.library.games import library_game
from detente.model.compile import compile
from detente.solve.choice import CHOICE_RULES, find_infosets, log_choice, make_response
from detente.solve.probit import log_normal

payoffs = st.lists(st.floats(-30, 30), min_size=1, max_size=5)
ONE, TWO = dt.players("one", "two")


def a_choice_among(count: int):
    @dt.crisis(players=(ONE,))
    def choice(g, p):
        """One choice among several."""
        options = [str(i) for i in range(count)]
        return {ONE: options.index(g.choose(ONE, "pick", options))}

    return choice


def rows(values: list[float], rule: str) -> np.ndarray:
    infosets = find_infosets(compile(a_choice_among(len(values))))
    return log_choice(infosets, rule, np.array(values)[:, None])[:, 0]


def by_quadrature(values: list[float], i: int) -> float:
    """ln P_i as the textbook's integral, scaled by its integrand's top on a fine grid."""

    def log_integrand(e):
        return (
            -0.5 * e * e
            - 0.5 * math.log(2 * math.pi)
            + sum(log_ndtr(e + values[i] - v) for j, v in enumerate(values) if j != i)
        )

    grid = np.linspace(-10, 80, 9001)
    top = max(log_integrand(e) for e in grid)
    place = float(grid[int(np.argmax([log_integrand(e) for e in grid]))])
    total, _ = integrate.quad(
        lambda e: math.exp(log_integrand(e) - top),
        place - 9,
        place + 9,
        points=[place],
        epsabs=0,
        epsrel=1e-12,
        limit=200,
    )
    return top + math.log(total)


def test_log_normal_is_scipys_and_its_slope_the_inverse_mills_ratio():
    for x in [*np.linspace(-60, 12, 2_001), -37.0, -36.999999, 9.0, 8.999999]:
        log, slope = log_normal(float(x))
        assert log == pytest.approx(log_ndtr(x), rel=1e-12, abs=2e-14)
        assert slope == pytest.approx(
            math.exp(-0.5 * x * x - 0.5 * math.log(2 * math.pi) - log_ndtr(x)), rel=1e-9, abs=2e-12
        )


@pytest.mark.parametrize("values", [[0.3, -1.2, 2.0], [0.0, -30.0, 5.0, 1.0], [4.0, 4.0, -12.0, 0.5, 1.0]])
def test_probit_with_several_options_is_the_integral(values):
    found = rows(values, "probit")
    for i in range(len(values)):
        assert found[i] == pytest.approx(by_quadrature(values, i), rel=1e-10, abs=1e-11)


@settings(deadline=None, max_examples=100)
@given(payoffs)
def test_chances_sum_to_one_and_are_ordered_as_the_payoffs_are(values):
    for rule in CHOICE_RULES:
        found = rows(values, rule)
        assert np.exp(found).sum() == pytest.approx(1, abs=1e-12)
        assert (np.diff(found[np.argsort(values, kind="stable")]) >= -1e-10).all()
        np.testing.assert_allclose(rows([v + 5 for v in values], rule), found, rtol=1e-9, atol=1e-10)


@settings(deadline=None, max_examples=50)
@given(st.floats(-60, 60))
def test_probit_with_two_options_is_the_normal_distribution_of_their_difference(difference):
    assert rows([difference, 0.0], "probit")[0] == pytest.approx(
        log_ndtr(difference / math.sqrt(2)), rel=1e-11, abs=1e-15
    )


def test_probit_is_the_share_of_worlds_in_which_an_option_is_best():
    values = np.array([0.5, 0.0, -0.7])
    shocks = np.random.default_rng(0).normal(size=(400_000, 3))
    shares = np.bincount((values + shocks).argmax(axis=1)) / len(shocks)
    np.testing.assert_allclose(np.exp(rows(list(values), "probit")), shares, atol=4 * 0.5 / math.sqrt(len(shocks)))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-8, 8), min_size=2, max_size=4), st.sampled_from(CHOICE_RULES))
def test_responses_are_central_differences_in_both_directions(values, rule):
    infosets = find_infosets(compile(a_choice_among(len(values))))
    v, step = np.array(values)[:, None], 1e-5
    response = make_response(infosets, rule, log_choice(infosets, rule, v), v)
    eye = np.eye(len(values))
    by_hand = np.stack(
        [
            (log_choice(infosets, rule, v + step * e[:, None]) - log_choice(infosets, rule, v - step * e[:, None]))[
                :, 0
            ]
            for e in eye
        ],
        axis=1,
    ) / (2 * step)
    np.testing.assert_allclose(response.push(eye[:, :, None])[:, :, 0], by_hand, atol=1e-6)
    np.testing.assert_allclose(response.pull(eye[:, :, None])[:, :, 0], by_hand.T, atol=1e-6)
    np.testing.assert_allclose(response.matrix(0).toarray(), by_hand, atol=1e-6)


# -- games under probit --------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["tripartite-crisis", "kuhn-poker", "beer-quiche", "seltens-horse", "leduc-poker"])
def test_both_formulations_find_the_same_equilibrium_under_probit(name):
    entry = library_game(name)
    game = compile(entry.crisis)
    if game.num_slots > 150:
        solution = dt.solve(game, entry.defaults, precision=0.5, choice="probit")
        assert solution.method == "sweep"
        assert solution.converged.all()
        return
    dense, swept = (
        dt.solve(game, entry.defaults, precision=2.0, choice="probit", method=method) for method in ("dense", "sweep")
    )
    np.testing.assert_allclose(swept.probabilities, dense.probabilities, rtol=0, atol=1e-9)
    assert swept.choice_rule == dense.choice_rule == "probit"
    logit = dt.solve(game, entry.defaults, precision=2.0)
    assert np.abs(logit.probabilities - dense.probabilities).max() > 1e-3


def test_a_tree_of_two_moves_is_solved_backwards_by_hand():
    @dt.crisis(players=(ONE, TWO))
    def dare(g, p):
        """Dare or hold; the other yields or fights."""
        if g.choose(ONE, "first", ["hold", "dare"], seen_by=TWO) == "hold":
            return {ONE: 0, TWO: 0}
        fights = g.choose(TWO, "second", ["yield", "fight"]) == "fight"
        return {ONE: -2 if fights else 1, TWO: -2 if fights else -1}

    fight = ndtr(1.5 * (-2 + 1) / math.sqrt(2))
    wanted = ndtr(1.5 * (1 - 3 * fight) / math.sqrt(2))
    for method in ("dense", "sweep"):
        solution = dt.solve(compile(dare), precision=1.5, choice="probit", method=method)
        assert solution.choice("first")["dare"][0] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("method", ["dense", "sparse", "iterative"])
@pytest.mark.parametrize("name", ["tripartite-crisis", "restraint-by-advice"])
def test_derivatives_under_probit_are_central_differences(name, method):
    entry = library_game(name)
    game, step = compile(entry.crisis), 1e-5
    parameter = next(iter(entry.defaults))

    def at(value):
        return dt.solve(game, {**entry.defaults, parameter: value}, precision=2.0, choice="probit").probabilities

    base = entry.defaults[parameter]
    wanted = (at(base + step) - at(base - step))[:, 0] / (2 * step)
    solution = dt.solve(game, entry.defaults, precision=2.0, choice="probit")
    found = dt.differentiate(solution, wrt=parameter, method=method)
    np.testing.assert_allclose(found.probabilities[:, 0, 0], wanted, atol=1e-7)
    payoff = dt.pull_back(solution, payoffs=np.eye(len(game.players))[:1].T)[parameter]
    assert payoff[0] == pytest.approx(found.payoffs[0, 0, 0], abs=1e-9)


@pytest.mark.parametrize(("options", "message"), [
    ({"choice": "probti"}, r"choice: 'probti' is not a choice rule\. Did you mean 'probit'\?"),
    ({"branch": "prinicpal"}, r"branch: 'prinicpal' is not a branch\. Give 'principal', or a mapping"),
    ({"branch": {}}, r"branch: \{\} is not a branch"),
    ({"branch": {"hunt of player 3": "stag"}}, r"branch: 'hunt of player 3' is not a move of a player\. Did you mean"),
    ({"branch": {"hunt of player 1": "stga"}}, r"branch: 'hunt of player 1' has no option 'stga'\. Did you mean 's"),
    ({"branch": {"hunt of player 1": "stag"}, "method": "dense"}, r"branch: only sweeps start from expectations"),
])  # fmt: skip
def test_what_cannot_be_used_is_refused_with_the_nearest_name(options, message):
    entry = library_game("stag-hunt")
    with pytest.raises(UsageError, match=message):
        dt.solve(compile(entry.crisis), entry.defaults, **options)


# -- branches ------------------------------------------------------------------------------------
def both(option: str) -> dict[str, str]:
    return {"hunt of player 1": option, "hunt of player 2": option}


def test_expectations_lead_to_the_equilibrium_that_fulfils_them():
    """The symmetric fixed points of σ = logistic(λ·(worth of stag − worth of hare)), found by bisection."""
    entry = library_game("stag-hunt")
    game = compile(entry.crisis)
    solutions = {
        branch: dt.solve(game, entry.defaults, precision=5.0, branch=both(branch)) for branch in ("stag", "hare")
    }
    principal = dt.solve(game, entry.defaults, precision=5.0)
    stag, hare = (solutions[name].choice("hunt of player 1")["stag"][0] for name in ("stag", "hare"))
    assert stag > 0.99
    assert hare < 0.01
    assert principal.choice("hunt of player 1")["stag"][0] == pytest.approx(stag, abs=1e-9)
    for solution in solutions.values():
        assert solution.converged.all()
        assert solution.residual.max() <= 1e-10
        # an equilibrium answers itself: one more expectation of exactly this play changes nothing
        p = solution.choice("hunt of player 1")["stag"]
        pay = {(i, j): solution.problem.payoff[leaf, 0, 0] for leaf, (i, j) in enumerate(
            [("stag", "stag"), ("stag", "hare"), ("hare", "stag"), ("hare", "hare")])}  # fmt: skip
        gap = sum(q * (pay["stag", o] - pay["hare", o]) for o, q in (("stag", p), ("hare", 1 - p)))
        assert p[0] == pytest.approx(1 / (1 + np.exp(-5.0 * gap[0])), abs=1e-9)


def test_where_there_is_one_equilibrium_every_expectation_leads_to_it():
    entry = library_game("kuhn-poker")
    game = compile(entry.crisis)
    principal = dt.solve(game, precision=1.0)
    move = game.infosets[0].move
    for option in game.infosets[0].options:
        other = dt.solve(game, precision=1.0, branch={move: option})
        assert other.branch == {move: option}
        np.testing.assert_allclose(other.probabilities, principal.probabilities, atol=1e-8)


def test_only_logits_principal_branch_has_a_limit():
    entry = library_game("stag-hunt")
    game = compile(entry.crisis)
    for options in ({"choice": "probit"}, {"branch": both("hare")}):
        with pytest.raises(UsageError, match="only the principal branch of logit is followed to its limit"):
            dt.solve(game, entry.defaults, **options).limit()


def test_a_policy_may_bind_the_move_that_something_else_was_expected_of():
    entry = library_game("stag-hunt")
    game = compile(entry.crisis)
    bound = dt.solve(game, entry.defaults, precision=5.0, commit={"hunt of player 1": "stag"}, branch=both("hare"))
    assert bound.choice("hunt of player 2")["stag"][0] > 0.5


def test_replies_that_do_not_settle_are_said_not_to_and_no_branch_is_spoken_of():
    entry = library_game("stag-hunt")
    lost = dt.solve(compile(entry.crisis), entry.defaults, precision=2.0, branch=both("hare"), max_sweeps=1)
    assert not lost.converged.any()
    assert lost.message().startswith("not converged (residual")
    assert lost.message().endswith("replies did not settle from what was expected at first)")
