"""The likelihood of what was observed: against a sum over written-out histories, and against central differences."""

from dataclasses import replace

import numpy as np
import pytest

import detente as dt
from detente.errors import SolveError, UsageError
from detente.learn.likelihood import as_weights, joint_log_likelihood, log_likelihood
from detente.learn.observations import NOT_REACHED, make_observations

ONE, TWO = dt.players("one", "two")


@dt.crisis(players=(ONE, TWO))
def threat(g, p):
    """A challenger of unknown resolve may threaten; the target may resist; a storm may stop everything."""
    kind = g.chance("kind", {"weak": 1 - p.strong, "strong": p.strong}, seen_by=ONE)
    if g.choose(ONE, "threat", ["none", "threaten"], seen_by=TWO) == "none":
        g.outcome(cost=0, fought=False, end="quiet")
        return {ONE: 0, TWO: 0}
    reply = g.choose(TWO, "reply", ["yield", "resist", "attack"], seen_by=ONE)
    if reply == "yield":
        g.outcome(cost=1, fought=False, end="quiet")
        return {ONE: p.prize, TWO: -p.prize}
    storm = g.chance("storm", {"calm": 1 - p.storm, "storm": p.storm})
    g.outcome(cost=2, fought=storm == "calm", end="loud")
    if storm == "storm":
        return {ONE: 0, TWO: 0}
    pain = p.pain * (1 if kind == "weak" else 0.2)
    return {ONE: -pain, TWO: -p.pain * ((1.5 if kind == "strong" else 0.5) + (reply == "attack") * 0.3)}


VALUES = {
    "strong": np.array([0.3, 0.5, 0.8]),
    "prize": np.array([1.0, 0.5, 2.0]),
    "pain": np.array([1.2, 0.4, 0.9]),
    "storm": np.array([0.1, 0.25, 0.6]),
    "rate": np.array([0.8, 1.6, 2.4]),
}


@pytest.fixture(scope="module")
def game():
    return dt.compile(threat)


def brute_force(game, values, fit_fn, precision="rate"):
    """Σ over all leaves of the probability of the history × how well it fits, history by history."""
    solution = dt.solve(game, values, precision=precision)
    leaf = solution.leaf_probabilities()
    fits = np.array([fit_fn(dict(game.history(int(n)))) for n in game.leaf_nodes], dtype=float)
    return np.log(fits @ leaf)


OBSERVATIONS = [
    ({}, lambda h: 1),
    ({"kind": None, "threat": "threaten"}, lambda h: h["threat"] == "threaten"),
    ({"reply": ["resist", "attack"]}, lambda h: h.get("reply") in ("resist", "attack")),
    ({"kind": "strong", "reply": "resist"}, lambda h: h["kind"] == "strong" and h.get("reply") == "resist"),
    ({"reply": NOT_REACHED}, lambda h: "reply" not in h),
    ({"storm": ["calm", NOT_REACHED]}, lambda h: h.get("storm", "calm") == "calm"),
    (
        {"reply": {"resist": 0.8, "attack": 0.2}, "storm": "calm"},
        lambda h: {"resist": 0.8, "attack": 0.2}.get(h.get("reply"), 0) * (h.get("storm") == "calm"),
    ),
    ({"cost": 2}, lambda h: "storm" in h),
    ({"cost": [0, 1]}, lambda h: "storm" not in h),
    ({"fought": False}, lambda h: h.get("storm") != "calm"),
    ({"end": "loud", "kind": "weak"}, lambda h: "storm" in h and h["kind"] == "weak"),
]


@pytest.mark.parametrize(("seen", "fit_fn"), OBSERVATIONS)
def test_the_probability_is_the_sum_over_all_consistent_histories(game, seen, fit_fn):
    found = log_likelihood(game, VALUES, seen, precision="rate")
    assert found.value == pytest.approx(brute_force(game, VALUES, fit_fn), abs=1e-12)


@pytest.mark.parametrize("seen", [seen for seen, _ in OBSERVATIONS])
def test_the_gradient_equals_central_differences(game, seen):
    found = log_likelihood(game, VALUES, seen, precision="rate", derivatives=True)
    assert set(found.gradient) == set(VALUES)
    for name, slope in found.gradient.items():
        h = 1e-5
        up, down = (VALUES | {name: VALUES[name] + sign * h} for sign in (1, -1))
        difference = log_likelihood(game, up, seen, precision="rate").value
        difference = (difference - log_likelihood(game, down, seen, precision="rate").value) / (2 * h)
        assert slope == pytest.approx(difference, abs=2e-7), name


def test_each_row_may_have_its_own_observation(game):
    rows = [{"reply": "resist"}, {"threat": "none"}, {"reply": "yield"}]
    found = log_likelihood(game, VALUES, rows, precision="rate", derivatives=True)
    for i, row in enumerate(rows):
        one = log_likelihood(game, {n: v[i] for n, v in VALUES.items()}, row, precision="rate", derivatives=True)
        assert found.value[i] == pytest.approx(one.value[0], abs=1e-10)
        for name in VALUES:
            assert found.gradient[name][i] == pytest.approx(one.gradient[name][0], abs=1e-8)


def test_many_observations_of_one_draw_are_weighed_and_summed(game):
    one = {name: float(v[0]) for name, v in VALUES.items()}
    rows = [{"reply": "resist"}, {"threat": "none"}, {"reply": "resist"}]
    found = log_likelihood(game, one, rows, precision="rate", weights=[2, 0.5, 1], derivatives=True)
    apart = [log_likelihood(game, one, row, precision="rate").total for row in rows]
    assert found.total == pytest.approx(2 * apart[0] + 0.5 * apart[1] + apart[2], abs=1e-12)
    joint = joint_log_likelihood(game, one, rows, precision="rate", weights=[2, 0.5, 1], derivatives=True)
    assert joint.value == pytest.approx([found.total], abs=1e-12)
    for name, slope in found.total_gradient.items():
        assert joint.gradient[name] == pytest.approx([slope], abs=1e-10)


def test_a_case_with_a_tiny_probability_is_not_clipped():
    alone = dt.crisis(players=ONE)(lambda g, p: {ONE: p.gain * (g.choose(ONE, "call", ["hold", "act"]) == "act")})
    found = log_likelihood(dt.compile(alone), {"gain": [-46.0, -800.0]}, {"call": "act"}, derivatives=True)
    assert found.value == pytest.approx([-46.0, -800.0], abs=1e-9)
    assert found.gradient["gain"] == pytest.approx([1.0, 1.0])


def test_an_observation_that_a_draw_makes_impossible_is_minus_infinity_and_named(game):
    values = {name: v[:2] for name, v in VALUES.items()} | {"storm": np.array([0.0, 0.2])}
    found = log_likelihood(game, values, {"storm": "storm"}, precision="rate", derivatives=True)
    assert found.value[0] == -np.inf and np.isfinite(found.value[1])
    assert found.total == -np.inf
    assert list(found.impossible) == [0]
    assert "row 0" in found.impossible[0] and "'storm'" in found.impossible[0]
    assert np.isnan(found.gradient["pain"][0]) and np.isfinite(found.gradient["pain"][1])


def test_an_impossible_row_without_weight_does_not_count(game):
    values = {name: v[:2] for name, v in VALUES.items()} | {"storm": np.array([0.0, 0.2])}
    found = log_likelihood(game, values, {"storm": "storm"}, precision="rate", weights=[0, 1])
    assert found.total == found.value[1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"threat": "threaten"}, {"threat": "none", "reply": "resist"}], r"row 1: reply = 'resist' happens in no"),
        ([{"treat": "none"}], r"row 0: 'treat' is neither a move nor an outcome.* Did you mean 'threat'"),
        ([{"reply": "resit"}], r"row 0: reply: 'resit' is not an option\. Did you mean 'resist'"),
        ([{"reply": []}], r"row 0: reply: nothing is left"),
        ([{"reply": {"resist": 1.2}}], r"row 0: reply: the weight of 'resist' is 1\.2"),
        ([{"cost": 7}], r"row 0: cost = 7\.0 happens in no history"),
        ([{"cost": "two"}], r"row 0: cost: 'two' is not a number"),
        (["none"], r"row 0: 'none' is not a mapping"),
        ([], r"is not an observation"),
    ],
)
def test_an_observation_that_cannot_be_used_is_reported_with_its_row_and_move(game, rows, message):
    with pytest.raises(UsageError, match=message):
        make_observations(game, rows)


def test_rows_and_draws_must_be_of_one_number(game):
    with pytest.raises(UsageError, match="2 observations do not fit 3 draws"):
        log_likelihood(game, VALUES, [{"threat": "none"}] * 2, precision="rate")


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1, -1], r"-1\.0 in row 1"), ([1], r"shape \(1,\)"), ([1, np.nan], "nan in row 1"), (["a", 1], "not numbers")],
)
def test_weights_must_be_numbers_from_zero_upwards(weights, message):
    with pytest.raises(UsageError, match=message):
        as_weights(weights, 2)


def test_a_draw_without_an_equilibrium_has_no_value_and_no_sum(game):
    solution = dt.solve(game, VALUES, precision="rate")
    solution.status[1] = 2
    found = log_likelihood(game, VALUES, {"threat": "none"}, precision="rate", solution=solution, derivatives=True)
    assert np.isnan(found.value[1]) and np.isnan(found.gradient["pain"][1]) and found.num_unconverged == 1
    with pytest.raises(SolveError, match="1 of 3 rows .first: row 1."):
        _ = found.total


def test_a_move_that_comes_up_twice_is_refused():
    @dt.crisis(players=ONE)
    def rounds(g, p):
        """Two rounds."""
        first = g.choose(ONE, "call", ["no", "yes"])
        return {ONE: (first == "yes") + (g.choose(ONE, "call again", ["no", "yes"]) == "yes")}

    game = dt.compile(rounds)
    same = replace(game, infosets=tuple(replace(i, move="call") for i in game.infosets))  # as a .efg file may have it
    with pytest.raises(UsageError, match="'call' comes up more than once"):
        make_observations(same, {"call": "yes"})


def test_the_gradient_holds_on_the_tree_of_the_scenarios():
    from detente.model.priors import median_draw
    from detente.model.scenario import load_scenario

    scenario = load_scenario("april-2024")
    values = median_draw(scenario.priors)
    seen = {"message": "strike alone", "channel": "private", "retaliation": ["none", "token and deniable"]}
    wrt = ["alliance", "leak", "patron_word", "precision"]
    found = log_likelihood(scenario.game, values, seen, precision="precision", derivatives=True, wrt=wrt)
    for name in wrt:
        h = 1e-5
        ends = [
            log_likelihood(scenario.game, values | {name: values[name] + s * h}, seen, precision="precision").total
            for s in (1, -1)
        ]
        assert found.gradient[name][0] == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-5)
