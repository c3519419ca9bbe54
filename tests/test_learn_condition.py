"""Learning from what was observed: weights, particles, what is carried into the next crisis, and how it is scored."""

import datetime
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from detente.cli_learn import learn
from detente.errors import ScenarioError, SolveError, UsageError
from detente.learn.carry import carry, casebook_rates, score_forecast
from detente.learn.condition import condition, effective_size, weights_of
from detente.learn.observed import as_observation, check_no_look_ahead, known_by, observed_of
from detente.learn.particles import temper
from detente.learn.score import calibration, compare_scores, sample_interval, score
from detente.learn.summary import moved_parameters, predictive_check, why_forecast_moved
from detente.learn.worlds import draw_scores, free_parameters, pull_to_scores, values_at
from detente.model.priors import Fixed, Normal, Tied, Uniform, draw
from detente.model.scenario import Observed, load_scenario

app = typer.Typer()
app.command()(learn)
RUN = CliRunner()


@pytest.fixture(scope="module")
def april():
    return load_scenario("april-2024")


@pytest.fixture(scope="module")
def october():
    return load_scenario("october-2024")


@pytest.fixture(scope="module")
def learnt(april):
    return condition(april, num_draws=256, least_ess=50)


@pytest.fixture(scope="module")
def carried(learnt, october):
    return carry(learnt, october, least_ess=50)


# -- worlds --------------------------------------------------------------------------------------
def test_scores_stand_for_the_same_worlds_as_draws_from_the_priors(october):
    values, wanted = (
        values_at(october.priors, draw_scores(october.priors, 64, seed=3)),
        draw(october.priors, 64, seed=3),
    )
    assert october.priors["interception"].tied is not None
    for name in wanted:
        assert values[name] == pytest.approx(wanted[name], rel=1e-9)


def test_a_gradient_by_values_becomes_one_by_scores_also_where_parameters_are_tied():
    priors = {
        "a": Uniform(low=0, high=2),
        "b": Normal(mean=1, sd=3, tied=Tied(to="a", rank_correlation=0.6)),
        "c": Fixed(value=2),
    }
    assert free_parameters(priors) == ("a", "b")

    def total(z):
        v = values_at(priors, z)
        return v["a"] ** 2 + v["a"] * v["b"] * v["c"]

    z = np.array([[0.3, -0.7], [0.2, 1.1]])
    v = values_at(priors, z)
    found = pull_to_scores(priors, z, {"a": 2 * v["a"] + v["b"] * v["c"], "b": v["a"] * v["c"]})
    for row in range(2):
        h = np.zeros_like(z)
        h[row] = 1e-5
        assert found[row] == pytest.approx((total(z + h) - total(z - h)) / 2e-5, rel=1e-6)


# -- what was seen, and when ---------------------------------------------------------------------
def test_measurement_error_enters_the_observation(april):
    seen = as_observation(observed_of(april))
    assert seen["message"] == {"strike alone": 1.0, "defence only": 0.3}
    assert seen["press"] == "reports it"


def test_a_move_without_a_date_never_counts_as_known():
    seen = Observed(moves={"call": "no", "reply": "none"}, known={"call": datetime.date(2024, 4, 14)})
    assert known_by(seen, datetime.date(2030, 1, 1)) == ("call",)


def test_looking_ahead_is_refused(april, october):
    check_no_look_ahead(april, october)
    with pytest.raises(UsageError, match=r"'message' became known on 2024-10-04: that would be looking ahead"):
        check_no_look_ahead(october, april)
    with pytest.raises(UsageError, match=r"'retaliation' became known on 2024-10-26"):
        check_no_look_ahead(october, october)


def test_other_rules_are_refused(april, october):
    other = replace(october, file=october.file.model_copy(update={"rules": "x.py:other"}))
    with pytest.raises(ScenarioError, match="same rules"):
        check_no_look_ahead(april, other)


def test_reports_must_agree_with_the_move_and_be_about_one():
    with pytest.raises(ValueError, match="fits another option better"):
        Observed(moves={"call": "no"}, reports={"call": {"fits": {"no": 0.2, "yes": 1}, "source": "x"}})
    with pytest.raises(ValueError, match="known.reply is about a move that moves does not have"):
        Observed(moves={"call": "no"}, known={"reply": datetime.date(2024, 1, 1)})


def test_a_scenario_without_observations_says_so(april):
    empty = replace(april, file=april.file.model_copy(update={"observed": None}))
    with pytest.raises(UsageError, match=r"does not say what was observed.*\[observed\.moves\]"):
        observed_of(empty)


# -- conditioning --------------------------------------------------------------------------------
def test_weights_are_the_likelihood_and_leave_out_what_did_not_converge():
    weights = weights_of(np.log([0.1, 0.3, 0.9]), np.array([True, True, False]))
    assert weights == pytest.approx([0.25, 0.75, 0.0])
    assert effective_size(np.array([1.0, 1.0, 0.0])) == pytest.approx(2.0)


def test_the_terms_of_the_moves_add_up_to_the_whole_observation(learnt):
    assert sum(learnt.terms.values()) == pytest.approx(learnt.log_likelihood, abs=1e-10)
    checks = predictive_check(learnt)
    assert sum(math.log(c.before) for c in checks) == pytest.approx(learnt.log_evidence, abs=1e-10)


def test_the_reasons_of_a_shift_add_up_to_it(learnt):
    moved = moved_parameters(learnt)
    assert [abs(m.shift) for m in moved] == sorted((abs(m.shift) for m in moved), reverse=True)
    for m in moved:
        assert sum(m.because.values()) == pytest.approx(m.shift, abs=1e-10)


def test_too_small_an_effective_sample_is_refused_and_says_how_many_draws_to_take(april):
    with pytest.raises(UsageError, match=r"fewer than the 200 .* Take about --draws \d+, or --method smc"):
        condition(april, num_draws=64)


def test_an_unknown_method_is_refused(april):
    with pytest.raises(UsageError, match="'mcmc' is not known"):
        condition(april, num_draws=64, method="mcmc")


def test_particles_find_a_posterior_that_is_known():
    rng = np.random.default_rng(1)

    def fn(z):
        return -0.5 * ((z[0] + z[1] - 4) / 0.3) ** 2  # z1 + z2 = 4 ± 0.3: far from the prior

    start = rng.normal(size=(2, 2_000))
    swarm = temper(fn, start, fn(start), rng=rng)
    total = swarm.scores.sum(axis=0)
    variance = 1 / (1 / 2 + 1 / 0.09)
    assert total.mean() == pytest.approx(variance * 4 / 0.09, abs=0.05)
    assert total.std() == pytest.approx(math.sqrt(variance), rel=0.15)
    evidence = -0.5 * 16 / 2.09 - 0.5 * math.log(2.09) + math.log(0.3)
    assert swarm.log_evidence == pytest.approx(evidence, abs=0.2)
    assert swarm.temperatures[-1] == 1.0 and len(swarm.temperatures) > 2


def test_particles_without_a_possible_world_are_refused():
    with pytest.raises(SolveError, match="none of the worlds"):
        temper(lambda z: z[0], np.zeros((1, 4)), np.full(4, -np.inf), rng=np.random.default_rng(0))


# -- carrying ------------------------------------------------------------------------------------
def test_the_forecast_is_given_what_was_known_on_the_eve_and_no_more(carried):
    assert dict(carried.given) == {"message": "red lines", "channel": "public"}
    assert "retaliation" in carried.after.moves and "message" not in carried.after.moves
    for forecast in (carried.before, carried.after, carried.all_carried):
        for options in forecast.moves.values():
            assert sum(options.values()) == pytest.approx(1, abs=1e-9)


def test_what_happened_on_26_october_does_not_change_the_forecast(learnt, october, carried):
    seen = october.file.observed
    other = seen.model_copy(update={"moves": {**seen.moves, "retaliation": "oil", "reply": "limited"}})
    changed = carry(learnt, replace(october, file=october.file.model_copy(update={"observed": other})), least_ess=50)
    assert changed.after.moves == carried.after.moves


def test_all_new_carries_nothing(learnt, october):
    found = carry(learnt, october, drift=1.0, least_ess=50)
    shift = found.scores @ (found.weights - found.weights_before)
    assert np.abs(shift).max() < 0.25  # chance in 256 draws, over 62 parameters
    assert found.after.moves["retaliation"]["none"] == pytest.approx(
        found.before.moves["retaliation"]["none"], abs=0.02
    )


@pytest.mark.parametrize("drift", [-0.1, 1.1, math.nan])
def test_a_drift_that_is_no_share_is_refused(learnt, october, drift):
    with pytest.raises(UsageError, match="--drift"):
        carry(learnt, october, drift=drift)


def test_the_parts_of_a_change_explain_most_of_it(carried):
    parts = why_forecast_moved(carried, "retaliation", "oil")
    change = carried.after.moves["retaliation"]["oil"] - carried.before.moves["retaliation"]["oil"]
    assert sum(p.part for p in parts) == pytest.approx(change, abs=0.01)


def test_what_happened_is_scored_against_three_baselines(carried):
    strike, reply = score_forecast(carried)
    assert (strike.move, strike.happened, reply.happened) == ("retaliation", "military targets", "none")
    assert set(strike.scores) == {"after", "before", "uniform", "base rates"}
    assert strike.scores["uniform"].log_score == pytest.approx(math.log(1 / 5))
    assert strike.scores["after"].log_score == pytest.approx(
        math.log(carried.after.moves["retaliation"]["military targets"])
    )
    assert strike.coarse["uniform"].probability == pytest.approx(1 / 3)


def test_base_rates_leave_out_the_case_itself_and_all_that_came_later():
    options = ("none", "token and deniable", "military targets", "oil", "nuclear sites")
    early = casebook_rates("retaliation", options, "2024-10-25")
    late = casebook_rates("retaliation", options, "2025-01-01")
    assert late["oil"] > early["oil"]  # October itself was an open strike
    assert casebook_rates("message", ("a", "b"), "2024-10-25") is None


# -- scores --------------------------------------------------------------------------------------
def test_scores_are_those_of_the_definitions():
    found = score({"a": 0.5, "b": 0.25, "c": 0.25}, "b")
    assert found.log_score == pytest.approx(math.log(0.25))
    assert found.brier == pytest.approx(0.25 + 0.75**2 + 0.0625)
    assert found.rank == 2.5 and found.num_options == 3
    assert score({"a": 1.0, "b": 0.0}, "b").log_score == -math.inf


@pytest.mark.parametrize("forecast", [{"a": 0.5, "b": 0.4}, {"a": math.nan, "b": 1}, {"a": 1.2, "b": -0.2}])
def test_what_is_no_distribution_is_not_scored(forecast):
    with pytest.raises(UsageError, match="not a distribution"):
        score(forecast, "a")


def test_what_a_forecast_does_not_name_is_reported_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'limited'"):
        score({"limited": 1.0}, "limted")


def test_clusters_widen_the_interval_of_a_mean_score():
    rng = np.random.default_rng(0)
    group = np.repeat(rng.normal(size=8), 6)
    alone = compare_scores(group, np.zeros(48))
    together = compare_scores(group, np.zeros(48), clusters=[str(i // 6) for i in range(48)])
    assert together.gain == pytest.approx(alone.gain)
    assert together.gain_high - together.gain_low > 1.5 * (alone.gain_high - alone.gain_low)


def test_calibration_counts_every_forecast_once():
    bars = calibration(np.array([0.0, 0.19, 0.2, 1.0]), np.array([0, 1, 1, 1]))
    assert [b.count for b in bars] == [2, 1, 1]


def test_weighed_quantiles_are_those_of_repeated_draws():
    values, counts = np.array([3.0, 1.0, 2.0]), np.array([1, 4, 2])
    assert sample_interval(values, counts) == sample_interval(np.repeat(values, counts), np.ones(7))


# -- the command ---------------------------------------------------------------------------------
def test_april_into_october_is_forecast_and_scored_from_the_command_line():
    result = RUN.invoke(app, ["april-2024", "--into", "october-2024", "--score", "--draws", "256", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["effective_draws"] > 200 and found["unconverged"] == 0
    assert found["into"]["drift"] == 0.5
    assert {s["move"] for s in found["into"]["score"]} == {"retaliation", "reply"}
    assert set(found["into"]["score"][0]["scores"]) == {"after", "before", "uniform", "base rates"}


def test_the_text_says_what_moved_and_that_one_play_says_little():
    result = RUN.invoke(app, ["april-2024", "--draws", "256"])
    assert result.exit_code == 0, result.output
    assert "One play of the game says little" in result.output
    assert "worth" in result.output and "mostly by" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a scenario"),
        (["april-2024", "--score"], "--score: needs --into"),
        (["april-2024", "--drift", "0.2"], "--drift: needs --into"),
        (["april-2024", "--cases", "x.json"], "--cases: needs --backtest"),
        (["april-2024", "--backtest"], "goes with --cases"),
        (["october-2024", "--into", "april-2024"], "looking ahead"),
        (["april-2024", "--into", "october-2024", "--method", "smc"], "needs --method importance"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments, message):
    result = RUN.invoke(app, arguments)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
