"""Regret, dominance and the value of information: by hand, by closed forms, and by laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from detente.decide.dominance import dominance
from detente.decide.information import value_of_information
from detente.decide.regret import as_values, order_of, quantiles, regret_table, regret_tables, regrets
from detente.errors import UsageError

POLICIES = ["back", "warn", "wait"]
# Losses that change sign and reach zero.
LOSSES = np.array([[-2.0, 0.0, 1.0], [0.0, 0.0, 0.0], [4.0, 1.0, 3.0], [0.0, -1.0, 3.0]])
whole = st.integers(-50, 50).map(float)
tables = st.integers(1, 12).flatmap(lambda n: arrays(float, (n, 3), elements=whole))


# -- regret ---------------------------------------------------------------------------------------
def test_regret_is_what_the_best_policy_of_each_world_would_have_saved():
    assert regrets(LOSSES, POLICIES).tolist() == [[0, 2, 3], [0, 0, 0], [3, 0, 2], [1, 0, 4]]
    assert regrets(LOSSES, POLICIES, better="higher").tolist() == [[3, 1, 0], [0, 0, 0], [0, 3, 1], [3, 4, 0]]


def test_normalised_regret_is_defined_where_values_are_zero_change_sign_or_do_not_differ():
    world = regrets(LOSSES, POLICIES, scale="world")
    np.testing.assert_allclose(world, [[0, 2 / 3, 1], [0, 0, 0], [1, 0, 2 / 3], [1 / 4, 0, 1]])
    np.testing.assert_allclose(regrets(LOSSES, POLICIES, scale="overall"), regrets(LOSSES, POLICIES) / 6)
    for scale in ("world", "overall"):
        assert regrets(np.zeros((3, 2)), ["a", "b"], scale=scale).tolist() == [[0, 0]] * 3


def test_the_table_sums_up_regret_with_its_interval_and_how_often_there_is_none():
    back, warn, wait = regret_table(LOSSES, POLICIES)
    assert (back.mean, back.median, back.worst, back.never) == (1.0, 0.5, 3.0, 0.5)
    assert (warn.mean, warn.worst, warn.never) == (0.5, 2.0, 0.75)
    assert (wait.low, wait.median, wait.high) == (0.0, 2.5, 4.0)
    assert order_of((back, warn, wait)) == ("warn", "back", "wait")
    assert order_of((back, warn, wait), by="worst") == ("warn", "back", "wait")


def test_a_weight_is_the_same_as_so_many_draws():
    weights = np.array([1, 0, 3, 2])
    repeated = regret_table(np.repeat(LOSSES, weights, axis=0), POLICIES)
    for one, other in zip(regret_table(LOSSES, POLICIES, weights=weights), repeated, strict=True):
        assert one == pytest.approx(other) if isinstance(one, float) else vars(one) == pytest.approx(vars(other))


@given(tables, whole, st.sampled_from([0.5, 2.0, 8.0]))
def test_regret_ignores_what_is_added_to_all_and_scales_with_the_unit(losses, shift, factor):
    base = regrets(losses, POLICIES)
    np.testing.assert_allclose(regrets(losses * factor + shift, POLICIES), base * factor, atol=1e-9)
    for scale in ("world", "overall"):
        normal = regrets(losses, POLICIES, scale=scale)
        np.testing.assert_allclose(regrets(losses * factor + shift, POLICIES, scale=scale), normal, atol=1e-9)
        assert (normal >= 0).all() and (normal <= 1).all()
    assert (base.min(axis=1) == 0).all()


@given(tables, st.permutations([0, 1, 2]))
def test_renaming_policies_permutes_regret(losses, order):
    names = [POLICIES[i] for i in order]
    np.testing.assert_array_equal(regrets(losses[:, order], names), regrets(losses, POLICIES)[:, order])


@given(arrays(float, 9, elements=whole), arrays(int, 9, elements=st.integers(0, 4)), st.floats(0, 1))
def test_quantiles_with_weights_are_those_of_repeated_values_and_mirror_under_a_change_of_sign(values, weights, share):
    if weights.sum() == 0:
        return
    found = quantiles(values, [share], weights)
    np.testing.assert_allclose(found, quantiles(np.repeat(values, weights), [share]))
    np.testing.assert_allclose(found, -quantiles(-values, [1 - share], weights))
    plain = quantiles(values, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(plain, np.quantile(values, [0.1, 0.5, 0.9], method="averaged_inverted_cdf"))


def test_tables_of_several_outcomes_need_a_direction_each():
    outcomes = {"war": LOSSES, "standing": -LOSSES}
    tables_found = regret_tables(outcomes, POLICIES, {"war": "lower", "standing": "higher"})
    assert tables_found["war"] == tables_found["standing"]
    with pytest.raises(UsageError, match="'standing' has no direction"):
        regret_tables(outcomes, POLICIES, {"war": "lower"})


def test_draws_without_values_are_refused_counted_and_named():
    broken = LOSSES.copy()
    broken[1, 2] = broken[3, 2] = broken[3, 0] = np.nan
    with pytest.raises(UsageError, match=r"2 of 4 draws .* \('back' in 1, 'wait' in 2\).* Leave out"):
        regrets(broken, POLICIES)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: as_values(np.zeros((0, 3)), POLICIES), "no draws left"),
        (lambda: as_values(LOSSES, ["a", "b"]), "one column a policy"),
        (lambda: as_values(LOSSES, ["a", "b", "a"]), "distinct names"),
        (lambda: regrets(LOSSES, POLICIES, better="less"), "Say 'lower' or 'higher'"),
        (lambda: regrets(LOSSES, POLICIES, scale="percent"), "Say one of 'absolute'"),
        (lambda: regret_table(LOSSES, POLICIES, weights=[1, -1, 0, 0]), "the first is -1.0 in draw 1"),
        (lambda: regret_table(LOSSES, POLICIES, weights=[0, 0, 0, 0]), "no world left"),
        (lambda: regret_table(LOSSES, POLICIES, weights=[1, 2]), "one number a draw"),
        (lambda: order_of((), by="colour"), "Say 'mean'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(call, says):
    with pytest.raises(UsageError, match=says):
        call()


# -- dominance ------------------------------------------------------------------------------------
def test_a_policy_that_another_beats_on_everything_is_dominated_and_says_by_whom():
    war, cost = np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.5]]), np.array([[2.0, 1.0, 3.0], [2.0, 1.0, 0.5]])
    found = dominance({"war": war, "cost": cost}, POLICIES, {"war": "lower", "cost": "lower"})
    assert found.non_dominated == ("warn",)  # the same average of war as back, at half the cost
    assert found.beaten_by == {"back": ("warn",), "wait": ("warn",)}
    assert found.share.tolist() == [[0, 0, 0.5], [0.5, 0, 0.5], [0, 0, 0]]
    assert found.always() == ()


def test_equal_policies_do_not_dominate_each_other_and_weights_decide():
    war = np.array([[0.1, 0.1, 0.4], [0.4, 0.4, 0.1]])
    found = dominance({"war": war}, POLICIES, {"war": "lower"}, weights=[3, 1])
    assert found.non_dominated == ("back", "warn")
    assert found.beaten_by == {"wait": ("back", "warn")}
    assert found.share[0, 2] == 0.75 and found.share[0, 1] == 0
    assert dominance({"war": war}, POLICIES, {"war": "lower"}, weights=[1, 3]).non_dominated == ("wait",)


def test_dominance_needs_outcomes_with_the_same_draws():
    with pytest.raises(UsageError, match="Name at least one"):
        dominance({}, POLICIES, {})
    with pytest.raises(UsageError, match="the same draws"):
        dominance({"a": LOSSES, "b": LOSSES[:2]}, POLICIES, {"a": "lower", "b": "lower"})


# -- what finding out is worth ----------------------------------------------------------------------
def normal_case(mean: float, spread: float, num_draws: int = 20_000):
    """Waiting brings 0, acting brings θ plus noise; what θ is worth has a closed form."""
    rng = np.random.default_rng(5)
    even = norm.ppf((np.arange(num_draws) + 0.5) / num_draws)  # the exact quantiles: hardly any chance in the mean
    theta, noise = mean + spread * rng.permutation(even), rng.permutation(even)
    values = np.stack([np.zeros(num_draws), theta + noise], axis=1)
    exact = spread * norm.pdf(mean / spread) + mean * norm.cdf(mean / spread) - max(mean, 0.0)
    return values, {"theta": theta, "noise": noise, "other": rng.random(num_draws)}, exact


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (0.5, 1.0), (-0.3, 2.0)])
def test_the_value_of_one_normal_parameter_is_that_of_the_closed_form(mean, spread):
    values, inputs, exact = normal_case(mean, spread)
    found = value_of_information(values, ["wait", "act"], inputs, better="higher")
    worth = {w.group: w for w in found.groups}
    theta = worth["theta"]
    assert theta.low <= exact <= theta.high
    assert theta.value == pytest.approx(exact, rel=0.06) and theta.optimistic == pytest.approx(exact, rel=0.06)
    total = np.hypot(spread, 1.0)
    everything = total * norm.pdf(mean / total) + mean * norm.cdf(mean / total) - max(mean, 0.0)
    assert found.everything == pytest.approx(everything, rel=0.05)
    assert worth["other"].value < 0.02 and worth["other"].low == 0.0
    assert found.policy == ("act" if values[:, 1].mean() > 0 else "wait")


def test_all_that_matters_together_is_worth_as_much_as_everything():
    values, inputs, _ = normal_case(0.2, 1.0)
    groups = {"both": ["theta", "noise"], "theta": ["theta"]}
    found = value_of_information(values, ["wait", "act"], inputs, groups=groups, better="higher")
    both, theta = found.groups
    assert (both.group, theta.group) == ("both", "theta")
    assert both.value == pytest.approx(found.everything, rel=0.02) and both.share == pytest.approx(1.0, rel=0.02)
    mirrored = value_of_information(-values, ["wait", "act"], inputs, groups=groups, better="lower")
    assert mirrored == found


def test_information_that_would_not_change_the_choice_is_worth_nothing():
    rng = np.random.default_rng(0)
    level = rng.normal(size=2_000)
    values = np.stack([level, level + 1], axis=1)  # the first policy costs one less in every world
    found = value_of_information(values, ["a", "b"], {"level": level})
    assert found.policy == "a" and found.everything == 0
    assert (found.groups[0].value, found.groups[0].changes, found.groups[0].share) == (0, 0, 0)


def test_weights_move_the_value_of_information_as_repeated_worlds_would():
    values, inputs, _ = normal_case(0.0, 1.0, 2_000)
    weights = (inputs["other"] > 0.5).astype(float)
    kept = weights > 0
    one = value_of_information(values, ["wait", "act"], inputs, weights=weights)
    other = value_of_information(values[kept], ["wait", "act"], {n: v[kept] for n, v in inputs.items()})
    assert one == other


def test_what_cannot_be_found_out_is_refused_with_advice():
    values, inputs, _ = normal_case(0.0, 1.0, 60)
    with pytest.raises(UsageError, match="too few for 'theta'.* at least 100 draws"):
        value_of_information(values, ["wait", "act"], inputs)
    with pytest.raises(UsageError, match="'thetta' in 'g' is not a parameter. Did you mean 'theta'"):
        value_of_information(values, ["wait", "act"], inputs, groups={"g": ["thetta"]})
    with pytest.raises(UsageError, match="'theta' is missing or not finite in 1 of 60"):
        value_of_information(values, ["wait", "act"], {"theta": np.append(inputs["theta"][:-1], np.nan)})
    with pytest.raises(UsageError, match="holds no parameter"):
        value_of_information(values, ["wait", "act"], inputs, groups={"g": []})
