"""The salvo model against closed forms, enumeration and sampling; what it identifies; and its surprise of October."""

import itertools
import json

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from detente.cli_salvo import salvo
from detente.errors import UsageError
from detente.model.scenario import load_scenario
from detente.record import Figure
from detente.record.salvo import (
    INTERVAL,
    RARE,
    SalvoFit,
    SalvoReport,
    fit_salvo,
    is_share,
    midpoints,
    plausible,
    predict_impacts,
    surprise,
)

SHARE = "share of missiles launched"


def count(low: float, best: float | None = None, high: float | None = None, unit: str = "missiles") -> Figure:
    return Figure(low=low, best=best, high=low if high is None else high, unit=unit)


# -- reported ranges -------------------------------------------------------------------------------
def test_a_range_without_a_best_count_is_flat():
    counts, weights = plausible(count(3, high=6))
    assert counts.tolist() == [3, 4, 5, 6] and weights.tolist() == [0.25] * 4


def test_a_range_with_a_best_count_is_a_triangle_that_never_reaches_zero():
    counts, weights = plausible(count(25, 35, 37))
    assert counts[np.argmax(weights)] == 35
    assert (weights > 0).all() and weights.sum() == pytest.approx(1)
    assert (np.diff(weights[:11]) > 0).all() and (np.diff(weights[10:]) < 0).all()
    assert weights[0] / weights[10] == pytest.approx(1 / 11)


@pytest.mark.parametrize(
    ("figure", "complaint"),
    [
        (count(9.2, high=9.8), r"count is 9\.2 to 9\.8, between which there is no whole number\. Give a count"),
        (count(-3, high=4), r"count reaches from -3 to 4; a salvo has 0 to 2,000 missiles"),
        (count(10, high=9_000), r"reaches from 10 to 9000; a salvo has 0 to 2,000 missiles\. Correct"),
    ],
)
def test_a_count_that_makes_no_sense_is_reported(figure, complaint):
    with pytest.raises(UsageError, match=complaint):
        plausible(figure)


# -- against independent calculations --------------------------------------------------------------
@pytest.mark.parametrize(("launched", "impacts"), [(20, 0), (20, 20), (115, 9), (185, 35)])
def test_exact_counts_of_missiles_that_never_fail_give_the_closed_form(launched, impacts):
    fit = fit_salvo(SalvoReport(count(launched), count(impacts)), reliability=[1.0], interception=midpoints(2_000))
    reference = stats.beta(launched - impacts + 1, impacts + 1)
    found = fit.summary("interception")
    assert found.mean == pytest.approx(reference.mean(), abs=1e-5)
    assert found.sd == pytest.approx(reference.std(), abs=1e-5)
    assert (found.low, found.high) == pytest.approx(reference.ppf(INTERVAL), abs=1e-4)


def test_exact_counts_with_a_known_reliability_give_a_truncated_beta():
    fit = fit_salvo(SalvoReport(count(40), count(12)), reliability=[0.5], interception=midpoints(4_000))
    leak = stats.beta(13, 29)  # of the leak, which lies below the reliability
    grid = (np.arange(200_000) + 0.5) / 400_000
    weights = leak.pdf(grid) / leak.pdf(grid).sum()
    assert fit.summary("leak").mean == pytest.approx(weights @ grid, abs=1e-5)
    assert fit.summary("interception").mean == pytest.approx(1 - weights @ grid / 0.5, abs=1e-5)


def test_without_a_report_on_arrivals_thinning_twice_is_thinning_once():
    r, q = np.array([0.2, 0.5, 0.9]), np.array([0.1, 0.6, 0.95])
    fit = fit_salvo(SalvoReport(count(30), count(5)), reliability=r, interception=q)
    once = stats.binom.pmf(5, 30, r[:, None] * (1 - q))
    np.testing.assert_allclose(fit.weights, once / once.sum(), rtol=1e-10)


def test_a_small_salvo_agrees_with_going_through_the_fate_of_every_missile():
    r, q = np.array([0.3, 0.6, 0.8]), np.array([0.2, 0.7])
    report = SalvoReport(count(4, 5, 6), count(1, high=2), count(2, 3, 4))
    expected = np.zeros((3, 2))
    launched = {4: 0.5, 5: 1.0, 6: 0.5}  # a triangle that falls to 0 one step outside
    arrived = {2: 0.5, 3: 1.0, 4: 0.5}
    for (i, reliability), (j, interception) in itertools.product(enumerate(r), enumerate(q)):
        chance = {
            "fails": 1 - reliability,
            "is stopped": reliability * interception,
            "hits": reliability * (1 - interception),
        }
        for number, weight in launched.items():
            for fates in itertools.product(chance, repeat=number):
                hits, arriving = fates.count("hits"), number - fates.count("fails")
                if hits in (1, 2):
                    expected[i, j] += weight * arrived.get(arriving, 0) * np.prod([chance[fate] for fate in fates])
    fit = fit_salvo(report, reliability=r, interception=q)
    np.testing.assert_allclose(fit.weights, expected / expected.sum(), rtol=1e-9)


def test_the_grid_agrees_with_importance_sampling():
    report = SalvoReport(count(100, 115, 130), count(9, high=11), count(0.4, 0.5, 0.6, SHARE))
    rng = np.random.default_rng(5)
    # Each draw: a pair of shares, and a world in which the missiles fly; weighted by what was reported.
    size = 1_000_000
    r, q = rng.uniform(0.2, 0.9, size), rng.uniform(0.3, 1, size)
    launched = rng.choice(drawn_evenly(report.launched), size)
    arriving = rng.binomial(launched, r)
    share, step = arriving / launched, 1 / launched
    said = np.clip(np.minimum((share - 0.4 + step) / (0.1 + step), (0.6 - share + step) / (0.1 + step)), 0, 1)
    weights = said * sum(stats.binom.pmf(k, arriving, 1 - q) for k in (9, 10, 11))
    fit = fit_salvo(report)
    for part, values in (("reliability", r), ("interception", q), ("leak", r * (1 - q))):
        mean = (weights @ values) / weights.sum()
        error = np.sqrt(weights**2 @ (values - mean) ** 2) / weights.sum()
        assert abs(fit.summary(part).mean - mean) < 4 * error + 1e-4, part
    assert fit.correlation() == pytest.approx(np.cov(r, q, aweights=weights)[0, 1] / spread(r, q, weights), abs=0.02)


def drawn_evenly(figure: Figure) -> np.ndarray:
    """Counts repeated in proportion to their plausibility, to draw from evenly."""
    counts, weights = plausible(figure)
    return np.repeat(counts, np.round(weights / weights.min()).astype(int))


def spread(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    return float(np.sqrt(np.cov(x, aweights=weights) * np.cov(y, aweights=weights)))


def test_a_finer_grid_changes_nothing_that_is_printed():
    report = SalvoReport(count(100, 115, 130), count(9), count(0.4, 0.5, 0.6, SHARE))
    coarse, fine = fit_salvo(report), fit_salvo(report, reliability=midpoints(500), interception=midpoints(500))
    for part in ("reliability", "interception", "leak"):
        one, other = coarse.summary(part), fine.summary(part)
        assert (one.mean, one.sd, one.low, one.high) == pytest.approx(
            (other.mean, other.sd, other.low, other.high), abs=5e-4
        )


@pytest.mark.parametrize(("launched", "impacts", "later"), [(20, 4, 30), (115, 9, 185)])
def test_the_prediction_for_missiles_that_never_fail_is_a_beta_binomial(launched, impacts, later):
    fit = fit_salvo(SalvoReport(count(launched), count(impacts)), reliability=[1.0], interception=midpoints(2_000))
    reference = stats.betabinom(later, impacts + 1, launched - impacts + 1)
    np.testing.assert_allclose(predict_impacts(fit, count(later)), reference.pmf(np.arange(later + 1)), atol=1e-5)


def test_the_prediction_counts_the_range_of_the_launches_in():
    fit = fit_salvo(SalvoReport(count(20), count(4)))
    numbers, weights = plausible(count(10, 12, 13))
    mixed = np.zeros(14)
    for number, weight in zip(numbers, weights, strict=True):
        mixed[: number + 1] += weight * predict_impacts(fit, count(int(number)))
    np.testing.assert_allclose(predict_impacts(fit, count(10, 12, 13)), mixed, atol=1e-12)


# -- laws ------------------------------------------------------------------------------------------
@given(st.integers(1, 40), st.integers(0, 8), st.floats(0, 1), st.integers(0, 2))
@settings(max_examples=30)
def test_the_weights_are_probabilities_and_their_summaries_lie_in_order(launched, width, share, spread_of_hits):
    hits = int(share * launched)
    report = SalvoReport(count(launched, high=launched + width), count(hits, high=min(hits + spread_of_hits, launched)))
    fit = fit_salvo(report, reliability=midpoints(30), interception=midpoints(30))
    assert fit.weights.sum() == pytest.approx(1) and (fit.weights >= 0).all()
    assert -1 <= fit.correlation() <= 1 and -1 <= fit.rank_correlation() <= 1
    for part in ("reliability", "interception", "leak"):
        found = fit.summary(part)
        assert 0 <= found.low <= found.high <= 1 and 0 < found.mean < 1
    assert predict_impacts(fit, report.launched).sum() == pytest.approx(1)


@given(st.integers(0, 19))
@settings(max_examples=10)
def test_more_impacts_mean_a_larger_leak_and_a_larger_prediction(hits):
    few, many = (fit_salvo(SalvoReport(count(20), count(k)), **COARSE) for k in (hits, hits + 1))
    assert many.summary("leak").mean > few.summary("leak").mean
    assert many.summary("interception").mean < few.summary("interception").mean
    means = [predict_impacts(fit, count(30)) @ np.arange(31) for fit in (few, many)]
    assert means[1] > means[0]


COARSE = {"reliability": midpoints(40), "interception": midpoints(40)}


def test_the_same_share_as_a_count_and_as_a_share_says_the_same():
    as_share = fit_salvo(SalvoReport(count(50), count(5), count(0.4, 0.5, 0.6, SHARE)))
    as_count = fit_salvo(SalvoReport(count(50), count(5), count(20, 25, 30)))
    np.testing.assert_allclose(as_share.weights, as_count.weights, atol=1e-12)
    assert is_share(count(0.4, high=0.6, unit=SHARE)) and not is_share(count(4))


def test_a_rank_correlation_of_a_salvo_is_that_of_its_ranks():
    fit = fit_salvo(SalvoReport(count(30), count(5)), **COARSE)
    rng = np.random.default_rng(1)
    picked = rng.choice(fit.weights.size, size=40_000, p=fit.weights.ravel())
    rows, columns = np.unravel_index(picked, fit.weights.shape)
    reference = stats.spearmanr(fit.reliability[rows], fit.interception[columns]).statistic
    assert fit.rank_correlation() == pytest.approx(reference, abs=0.015)


# -- what is identified ----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def april() -> SalvoFit:
    return load_scenario("april-2024").salvo("apr2024")


@pytest.fixture(scope="module")
def october() -> SalvoFit:
    return load_scenario("october-2024").salvo("oct2024")


@pytest.fixture(scope="module")
def open_april(april) -> SalvoFit:
    """April as it would be if nobody had reported failures."""
    return fit_salvo(SalvoReport(april.report.launched, april.report.impacts))


def test_the_counts_alone_fix_the_product_and_leave_both_parts_open(open_april):
    leak, before = open_april.summary("leak"), open_april.summary("leak", before=True)
    assert leak.sd < before.sd / 8
    for part in ("reliability", "interception"):
        assert open_april.summary(part).sd > 0.8 * open_april.summary(part, before=True).sd
    assert open_april.correlation(before=True) == pytest.approx(0, abs=1e-12)
    assert open_april.correlation() > 0.75


def test_a_report_on_failures_separates_them_and_leaves_the_product_as_it_is(april, open_april):
    assert april.correlation() < 0.3
    assert april.summary("reliability").sd < open_april.summary("reliability").sd / 3
    assert april.summary("interception").sd < open_april.summary("interception").sd / 3
    assert april.summary("leak").mean == pytest.approx(open_april.summary("leak").mean, rel=0.03)


def test_without_such_a_report_reliability_stays_where_it_was_judged_to_be(october):
    before, after = october.summary("reliability", before=True), october.summary("reliability")
    assert october.report.arrived is None
    assert (after.mean, after.sd) == pytest.approx((before.mean, before.sd), abs=0.005)
    assert october.summary("interception").sd < 0.2 * october.summary("interception", before=True).sd


# -- from April to October -------------------------------------------------------------------------
def test_october_was_a_surprise_after_april(april, october):
    found = surprise(april, october.report)
    assert tuple(round(v) for v in found.expected) == (12, 18)
    assert (found.seen.low, found.seen.best, found.seen.high) == (25, 35, 37)
    assert found.more and found.is_rare and not found.is_rare_throughout
    assert found.interval[0] < found.median < found.interval[1] < found.seen.best
    low, best, high = found.chances
    assert RARE < low < 0.2 and high < best < 0.01


def test_the_chances_of_october_are_those_of_the_prediction(april, october):
    found, chances = surprise(april, october.report), predict_impacts(april, october.report.launched)
    assert found.chances == pytest.approx([chances[25:].sum(), chances[35:].sum(), chances[37:].sum()])
    below = np.cumsum(chances)
    assert (found.median, *found.interval) == tuple(np.searchsorted(below, p) for p in (0.5, *INTERVAL))


def test_fewer_failures_alone_do_not_explain_october_at_its_best_count(april, october):
    found = surprise(april, october.report)
    assert found.reliability_needed[0] < 1 < found.reliability_needed[1]
    assert all(0 < q < april.summary("interception").mean for q in found.interception_needed)
    r, q = april.summary("reliability").mean, april.summary("interception").mean
    for leak, needed_r, needed_q in zip(
        found.leak_seen, found.reliability_needed, found.interception_needed, strict=True
    ):
        assert needed_r * (1 - q) == pytest.approx(leak) == pytest.approx(r * (1 - needed_q))


def test_the_count_that_would_have_made_october_ordinary_is_the_first_that_does(april, october):
    found = surprise(april, october.report)
    assert found.impacts_needed is not None

    def chance(hits: int) -> float:
        fit = fit_salvo(SalvoReport(april.report.launched, count(hits), april.report.arrived))
        return float(predict_impacts(fit, october.report.launched)[35:].sum())

    assert chance(found.impacts_needed - 1) < RARE <= chance(found.impacts_needed)


def test_fewer_impacts_than_expected_are_a_surprise_too():
    fit = fit_salvo(SalvoReport(count(100), count(30)), **COARSE)
    found = surprise(fit, SalvoReport(count(100), count(5)))
    assert not found.more and found.is_rare_throughout and found.impacts_needed is not None
    assert 5 < found.impacts_needed < 30


def test_what_was_expected_is_no_surprise():
    fit = fit_salvo(SalvoReport(count(100), count(10)), **COARSE)
    found = surprise(fit, SalvoReport(count(100), count(10)))
    assert not found.is_rare and found.impacts_needed is None


# -- mistakes --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("report", "options", "complaint"),
    [
        (SalvoReport(count(10), count(12)), {}, r"12 impacts or more of 10 launched or fewer: more hit than flew"),
        (
            SalvoReport(count(100), count(60), count(10, 11, 12)),
            {},
            r"explain the counts together \(launched 100 to 100, arrived 10 to 12, impacts 60 to 60\)\. Correct",
        ),
        (SalvoReport(count(10), count(2)), {"reliability": [0.0]}, r"arrived not reported.*widen the values allowed"),
        (SalvoReport(count(10), count(2)), {"interception": [0.5, 1.5]}, r"values of interception are not a rising"),
        (SalvoReport(count(10), count(2)), {"reliability": [0.6, 0.5]}, r"values of reliability are not a rising"),
        (SalvoReport(count(10), count(2)), {"reliability": []}, r"values of reliability are not a rising"),
        (
            SalvoReport(count(10), count(2), count(0.5, high=1.2, unit=SHARE)),
            {},
            r"arrived is 0\.5 to 1\.2, but a share",
        ),
    ],
)
def test_a_report_that_cannot_be_is_refused(report, options, complaint):
    with pytest.raises(UsageError, match=complaint):
        fit_salvo(report, **options)


def test_an_unknown_part_is_refused(april):
    with pytest.raises(UsageError, match=r"'leaks' is no part of a salvo\. Ask for 'reliability', 'interception'"):
        april.summary("leaks")


# -- the command -----------------------------------------------------------------------------------
APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(salvo)


def said(*arguments: str) -> str:
    result = CliRunner().invoke(APP, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_command_says_what_is_identified_and_what_is_not():
    text = " ".join(said("april-2024").split())
    assert "impacts 9 missiles – estimate impacts.apr2024, grade 2" in text
    assert "missile_reliability.apr2024, grade 3, taken as 0.4–0.6" in text
    assert "identify one number, the hits for each launch" in text
    assert "with a correlation of +0.78" in text and "The report on arrivals separates them" in text
    assert "correlation 0.00 +0.20 +0.78" in text


def test_the_command_says_so_when_nothing_separates_the_two():
    text = " ".join(said("october-2024").split())
    assert "arrived not reported" in text
    assert "nothing here separates the two" in text and "(correlation 0.00 before, +0.3" in text
    assert "Before the counts: Detente developers:" in text


def test_the_command_prints_the_surprise_of_october():
    text = " ".join(said("april-2024", "--predict", "october-2024").split())
    assert "expected 12–18 impacts by the ranges alone" in text
    assert "seen 25–37 impacts (best 35)" in text
    assert "at least 35: 0.6 %" in text
    assert "A surprise: more impacts than expected." in text
    assert "fewer failures alone do not explain it" in text
    assert "(9 reported), 35 would have had a chance of 5 % or more" in text


def test_the_command_prints_the_other_direction_as_a_surprise_too():
    text = " ".join(said("october-2024", "--predict", "april-2024").split())
    assert "at most 9: 2 %" in text and "A surprise: fewer impacts than expected" in text


def test_the_command_prints_one_json_object_for_machines():
    found = json.loads(said("april-2024", "--predict", "october-2024", "--json"))
    assert found["salvos"]["apr2024"]["after"]["correlation"] == pytest.approx(0.197, abs=0.01)
    assert found["salvos"]["apr2024"]["reported"]["arrived"]["grade"] == 3
    (prediction,) = found["predictions"]
    assert [round(v) for v in prediction["expected"]] == [12, 18]
    assert prediction["rare"] is True and prediction["seen"]["best"] == 35
    assert json.loads(said("october-2024", "--json"))["salvos"]["oct2024"]["after_without_arrivals"] is None


def test_a_salvo_does_not_predict_itself():
    with pytest.raises(UsageError, match=r"--predict: 'april-2024' has no other salvo.*Name another scenario"):
        CliRunner().invoke(APP, ["april-2024", "--predict", "april-2024"], catch_exceptions=False)


def test_a_scenario_without_a_salvo_is_told_what_to_add(tmp_path):
    (tmp_path / "rules.py").write_text(
        "from detente.model.language import crisis, players\n"
        "(ONE,) = players('one')\n"
        "rules = crisis(players=(ONE,))(lambda g, p: {ONE: g.choose(ONE, 'a', ['x', 'y']) == 'x'})\n",
        encoding="utf-8",
    )
    (tmp_path / "scenario.toml").write_text(
        'format = 1\ntitle = "t"\nsummary = "s"\nas_of = 2024-01-31\nrules = "rules.py:rules"\ndecides = "one"\n'
        "[policies]\n[outcomes]\n",
        encoding="utf-8",
    )
    with pytest.raises(
        UsageError, match=r"describes no salvo\. Add \[salvos\.NAME\] with launched and impacts to .*toml"
    ):
        CliRunner().invoke(APP, [str(tmp_path)], catch_exceptions=False)
