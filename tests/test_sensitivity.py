"""Sensitivity: against functions whose indices are known, formulas by hand, and direct solves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.decide.ensemble import run
from detente.decide.sensitivity import (
    at_quantiles,
    evaluate,
    first_order,
    given_data,
    morris,
    saltelli,
    slices,
    varying,
)
from detente.decide.tornado import gradients, swings
from detente.errors import UsageError
from detente.model.scenario import load_scenario

RULES = '''
from detente.model.language import crisis, players

GUARD, RIVAL = players("guard", "rival")


@crisis(players=(GUARD, RIVAL))
def gate(g, p):
    """A guard warns or not; a rival stays or crosses."""
    firm = g.choose(GUARD, "stance", ("calm", "firm"), seen_by=RIVAL) == "firm"
    crossed = g.choose(RIVAL, "act", ("stay", "cross"), seen_by=GUARD) == "cross"
    g.outcome(crossed=crossed, toll=p.harm * crossed)
    return {GUARD: -p.harm * crossed - 0.2 * firm, RIVAL: (p.gain - p.fear * firm) * crossed}
'''
TOML = """
format = 1
title = "The gate"
summary = "A small crisis for tests."
as_of = 2024-01-31
rules = "rules.py:gate"
decides = "guard"
precision = "precision"
[parameters.harm]
meaning = "What a crossing costs."
unit = "utility"
prior = { kind = "uniform", low = 0.5, high = 2.0 }
judgement = "the tests: a guess"
[parameters.gain]
meaning = "What a crossing brings."
unit = "utility"
prior = { kind = "uniform", low = -1.0, high = 1.0 }
judgement = "the tests: a guess"
[parameters.fear]
meaning = "What a warning takes from it."
unit = "utility"
prior = { kind = "uniform", low = 0.0, high = 1.0 }
judgement = "the tests: a guess"
[parameters.precision]
meaning = "How closely choices follow payoffs."
unit = "1 per utility unit"
prior = { kind = "fixed", value = 2.0 }
judgement = "the tests: a guess"
[policies.open]
title = "Nothing"
meaning = "The guard plays the equilibrium."
[policies.firm]
title = "Firm"
meaning = "The guard warns."
commit = { stance = "firm" }
[policies.known]
title = "Known"
meaning = "The guard warns, and all know it must."
commit = { stance = "firm" }
announced = true
[outcomes.crossed]
title = "Crossed"
meaning = "The rival crosses."
headline = true
[outcomes.toll]
title = "Toll"
meaning = "What it costs."
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    (folder / "rules.py").write_text(RULES, encoding="utf-8")
    (folder / "scenario.toml").write_text(TOML, encoding="utf-8")
    return load_scenario(folder)


@pytest.fixture(scope="module")
def ensemble(scenario):
    return run(scenario, num_draws=1024)


def chance_under_firm(gain, fear):
    """By hand: the rival's logit choice between 0 and gain − fear at λ = 2."""
    return 1 / (1 + np.exp(-2 * (gain - fear)))


# -- given data ------------------------------------------------------------------------------------
def test_indices_of_the_ishigami_function_are_found_from_given_data():
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, (3, 40_000))
    y = np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])
    found = {i.parameters[0]: i for i in first_order(y, {"a": x[0], "b": x[1], "c": x[2]})}
    for name, exact in (("a", 0.3139), ("b", 0.4424), ("c", 0.0)):  # known in closed form
        assert found[name].value == pytest.approx(exact, abs=0.02)


def test_an_index_is_the_share_between_slices_less_what_chance_puts_there():
    rng = np.random.default_rng(1)
    x, y = rng.random(400), rng.random(400)
    y += x
    code = slices(x, 20)
    within = sum(((y[code == k] - y[code == k].mean()) ** 2).sum() for k in range(20)) / (400 - 20)
    expected = 1 - within / y.var(ddof=1)
    assert first_order(y, {"x": x})[0].value == pytest.approx(expected, rel=1e-12)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    inside = 0
    for seed in range(100):
        x, z = np.random.default_rng(seed).random((2, 500))
        index = first_order(2 * x + z, {"x": x}, seed=seed)[0]
        inside += index.low <= 0.8 <= index.high
    assert 75 <= inside <= 100  # 90 on average; slices cost a little


def test_parameters_that_do_nothing_have_no_index_whatever_the_number_of_worlds():
    values = [first_order(*_noise(seed))[0].value for seed in range(50)]
    assert abs(np.mean(values)) < 0.01


def _noise(seed):
    y, x = np.random.default_rng(seed).normal(size=(2, 300))
    return y, {"x": x}


@given(st.lists(st.integers(0, 5), min_size=4, max_size=60), st.integers(1, 8))
def test_equal_values_share_a_slice_and_slices_are_in_order(values, count):
    x = np.array(values, dtype=float)
    code = slices(x, count)
    for value in set(values):
        assert len(set(code[x == value])) == 1
    order = np.argsort(x, kind="stable")
    assert (np.diff(code[order]) >= 0).all() and code.max() < count


def test_an_outcome_that_never_varies_has_no_indices():
    assert np.isnan(first_order(np.ones(200), {"x": np.arange(200.0)})[0].value)


def test_too_few_worlds_are_refused():
    with pytest.raises(UsageError, match="Ask for at least 100"):
        first_order(np.arange(50.0), {"x": np.arange(50.0)})
    with pytest.raises(UsageError, match="not finite"):
        first_order(np.full(200, np.nan), {"x": np.arange(200.0)})
    with pytest.raises(UsageError, match="Give one each"):
        first_order(np.arange(200.0), {"x": np.arange(100.0)})


# -- designs ---------------------------------------------------------------------------------------
def test_given_data_and_saltelli_agree_and_say_which_they_are(scenario, ensemble):
    ours, theirs = given_data(ensemble, "crossed", "firm"), saltelli(scenario, "crossed", "firm", num_base=256)
    assert (ours.method, theirs.method) == ("given data", "Saltelli")
    assert ours.num_worlds == 1024 and theirs.num_worlds == 256 * (3 + 2)
    a, b = ({i.parameters: i.value for i in found.items} for found in (ours, theirs))
    for name in (("gain",), ("fear",), ("harm",)):
        assert a[name] == pytest.approx(b[name], abs=0.05)
    totals = {i.parameters: i.total for i in theirs.items}
    assert totals[("harm",)] == pytest.approx(0, abs=1e-9)  # it does not touch the rival


def test_tied_parameters_are_one_group(tmp_path):
    (tmp_path / "rules.py").write_text(RULES, encoding="utf-8")
    tied = TOML.replace(
        "low = -1.0, high = 1.0 }", 'low = -1.0, high = 1.0, tied = { to = "fear", rank_correlation = 0.8 } }'
    )
    assert tied != TOML
    (tmp_path / "scenario.toml").write_text(tied, encoding="utf-8")
    scenario = load_scenario(tmp_path)
    found = saltelli(scenario, "crossed", "firm", num_base=32)
    assert {frozenset(i.parameters) for i in found.items} == {frozenset({"gain", "fear"}), frozenset({"harm"})}
    assert found.num_worlds == 32 * (2 + 2)


def test_morris_effects_of_a_line_are_its_slopes(scenario):
    found = {i.parameters[0]: i.value for i in morris(scenario, "toll", "firm", num_trajectories=20).items}
    assert found["harm"] > 0 and found["gain"] > found["fear"] > 0
    flat = {i.parameters[0]: i.value for i in morris(scenario, "crossed", "firm").items}
    assert flat["harm"] == pytest.approx(0, abs=1e-9)


def test_worlds_of_ones_own_are_solved_as_they_are(scenario):
    worlds = at_quantiles(scenario, np.array([[0.5, 0.9], [0.1, 0.2]]), ["gain", "fear"])
    assert worlds["gain"].tolist() == pytest.approx([0.0, -0.8]) and worlds["harm"].tolist() == [1.25, 1.25]
    expected = chance_under_firm(worlds["gain"], worlds["fear"])
    assert evaluate(scenario, worlds, "crossed", "firm") == pytest.approx(expected, abs=1e-9)


def test_what_cannot_be_asked_is_refused(scenario, ensemble):
    with pytest.raises(UsageError, match="not a power of two"):
        saltelli(scenario, "crossed", "firm", num_base=60)
    with pytest.raises(UsageError, match="Did you mean 'crossed'"):
        saltelli(scenario, "crosed", "firm", num_base=8)
    with pytest.raises(UsageError, match="announced"):
        morris(scenario, "crossed", "known")
    with pytest.raises(UsageError, match="announced"):
        gradients(scenario, ensemble, "crossed", "known")
    with pytest.raises(UsageError, match="2 or more"):
        morris(scenario, "crossed", "firm", num_trajectories=1)


# -- gradients and swings --------------------------------------------------------------------------
@pytest.mark.parametrize("policy", ["open", "firm"])
def test_gradients_equal_finite_differences(scenario, ensemble, policy):
    found = {s.parameter: s for s in gradients(scenario, ensemble, "crossed", policy, num_worlds=4)}
    worlds = {name: np.asarray(v)[:4] for name, v in ensemble.draws.items()}
    for name in ("gain", "fear"):
        step = 1e-5
        up = evaluate(scenario, worlds | {name: worlds[name] + step}, "crossed", policy)
        down = evaluate(scenario, worlds | {name: worlds[name] - step}, "crossed", policy)
        slope = (up - down) / (2 * step) * varying(ensemble)[name].std()
        assert found[name].mean == pytest.approx(slope.mean(), rel=1e-4)
        assert found[name].size == pytest.approx(abs(slope).mean(), rel=1e-4)
    assert found["gain"].rises == 1.0 and found["fear"].rises == 0.0


def test_a_swing_is_the_mean_of_the_lowest_and_of_the_highest_tenth(ensemble):
    values, inputs = ensemble.outcome("crossed", "firm"), varying(ensemble)
    for swing in swings(values, inputs):
        x = inputs[swing.parameter]
        order = np.argsort(x, kind="stable")
        assert swing.low == pytest.approx(values[order[:102]].mean())
        assert swing.high == pytest.approx(values[order[-102:]].mean())
    assert [s.parameter for s in swings(values, inputs)][:2] == ["gain", "fear"]
    with pytest.raises(UsageError, match="share"):
        swings(values, inputs, share=0.7)
