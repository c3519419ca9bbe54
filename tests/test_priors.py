"""Priors: quantiles that agree with SciPy's distributions, and draws that stay the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from detente.errors import UsageError
from detente.model.priors import (
    PRIOR_KINDS,
    WIDENING,
    Beta,
    Fixed,
    FromRecord,
    Lognormal,
    Normal,
    Origin,
    Pert,
    Prior,
    Tied,
    Triangular,
    Uniform,
    beta_from_moments,
    draw,
    median_draw,
    prior_from_figure,
    prior_in_words,
    same_unit,
    widened,
)
from detente.record import Figure

Q = np.array([1e-9, 0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999, 1 - 1e-9])


def pert(low: float, best: float, high: float):
    """The beta distribution on [low, high] with mean (low + 4·best + high) / 6 and shapes that sum to 6."""
    mean = (low + 4 * best + high) / 6
    a = 6 * (mean - low) / (high - low)
    return stats.beta(a, 6 - a, loc=low, scale=high - low)


CASES = [
    (Uniform(low=-1, high=3), stats.uniform(-1, 4)),
    (Pert(low=0, best=0.2, high=1), pert(0, 0.2, 1)),
    (Pert(low=-2, best=-2, high=5), pert(-2, -2, 5)),
    (Pert(low=10, best=20, high=20), pert(10, 20, 20)),
    (Triangular(low=0, best=0.2, high=1), stats.triang(0.2)),
    (Triangular(low=-2, best=-2, high=5), stats.triang(0, -2, 7)),
    (Triangular(low=10, best=20, high=20), stats.triang(1, 10, 10)),
    (Normal(mean=1.5, sd=0.25), stats.norm(1.5, 0.25)),
    (Lognormal(median=3, factor=2), stats.lognorm(np.log(2), scale=3)),
    (Beta(successes=2, failures=5), stats.beta(2, 5)),
    (Beta(successes=0.5, failures=0.5), stats.beta(0.5, 0.5)),
]
IDS = [repr(prior) for prior, _ in CASES]


@pytest.mark.parametrize(("prior", "reference"), CASES, ids=IDS)
def test_quantiles_agree_with_scipy(prior, reference):
    np.testing.assert_allclose(prior.quantile(Q), reference.ppf(Q), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("prior", "reference"), CASES, ids=IDS)
def test_supports_agree_with_scipy(prior, reference):
    assert prior.support == pytest.approx(reference.support())


@pytest.mark.parametrize(("prior", "reference"), CASES, ids=IDS)
def test_draws_are_distributed_as_the_prior_says(prior, reference):
    values = draw({"x": prior}, 1_024, seed=3)["x"]
    assert stats.kstest(values, reference.cdf).statistic < 0.01
    low, high = prior.support
    assert (low <= values).all()
    assert (values <= high).all()
    assert np.isfinite(values).all()


def test_a_fixed_value_is_the_same_in_every_draw():
    prior = Fixed(value=2.5)
    assert prior.support == (2.5, 2.5)
    assert draw({"x": prior}, 5)["x"].tolist() == [2.5] * 5
    assert median_draw({"x": prior}) == {"x": 2.5}


def test_two_thirds_of_a_lognormal_lie_within_its_factor_of_the_median():
    values = draw({"x": Lognormal(median=3, factor=2)}, 4_096)["x"]
    assert ((values > 1.5) & (values < 6)).mean() == pytest.approx(0.683, abs=0.002)


def test_the_mean_of_a_pert_weighs_the_best_guess_four_times():
    values = draw({"x": Pert(low=1, best=2, high=9)}, 4_096)["x"]
    assert values.mean() == pytest.approx((1 + 8 + 9) / 6, abs=2e-3)


@given(st.floats(-100, 100), st.floats(0.01, 50), st.floats(0, 1))
def test_a_quantile_of_a_pert_lies_in_its_support_and_rises(low, width, share):
    prior = Pert(low=low, best=min(low + share * width, low + width), high=low + width)
    values = prior.quantile(Q)
    assert (np.diff(values) >= 0).all()
    assert low <= values[0]
    assert values[-1] <= low + width + 1e-9


# -- draws -----------------------------------------------------------------------------------------
PRIORS = {
    "a": Uniform(low=0, high=1),
    "fixed": Fixed(value=4),
    "b": Normal(mean=0, sd=1),
    "c": Beta(successes=1, failures=3),
}


def test_the_same_seed_gives_the_same_draws_and_another_seed_others():
    one, again, other = (draw(PRIORS, 100, seed=s) for s in (7, 7, 8))
    for name in PRIORS:
        np.testing.assert_array_equal(one[name], again[name])
    assert (one["a"] != other["a"]).all()


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 5))
def test_asking_for_more_draws_keeps_the_first_ones(few, many, seed):
    few, many = sorted((few, many))
    short, long = draw(PRIORS, few, seed=seed), draw(PRIORS, many, seed=seed)
    for name in PRIORS:
        assert short[name].shape == (few,)
        np.testing.assert_array_equal(short[name], long[name][:few])


def test_a_fixed_parameter_does_not_move_the_draws_of_the_others():
    without = {name: prior for name, prior in PRIORS.items() if name != "fixed"}
    one, other = draw(PRIORS, 64, seed=1), draw(without, 64, seed=1)
    for name in without:
        np.testing.assert_array_equal(one[name], other[name])


def test_draws_come_in_the_order_of_the_priors():
    assert list(draw(PRIORS, 2)) == list(PRIORS)
    assert draw({}, 3) == {}


def test_draws_fill_each_range_evenly():
    values = draw({"x": Uniform(low=0, high=1), "y": Uniform(low=0, high=1)}, 256, seed=5)
    for name in ("x", "y"):
        counts, _ = np.histogram(values[name], bins=16, range=(0, 1))
        assert counts.tolist() == [16] * 16
    both, *_ = np.histogram2d(values["x"], values["y"], bins=4, range=((0, 1), (0, 1)))
    assert (both == 16).all()


def test_parameters_are_drawn_independently():
    values = draw({"x": Uniform(low=0, high=1), "y": Normal(mean=0, sd=1)}, 1_024)
    assert abs(np.corrcoef(values["x"], values["y"])[0, 1]) < 0.03


@pytest.mark.parametrize("num_draws", [0, -3])
def test_a_number_of_draws_below_one_is_reported(num_draws):
    with pytest.raises(UsageError, match=rf"{num_draws} is not a number of draws\. Ask for at least 1"):
        draw(PRIORS, num_draws)


def test_the_median_world_has_the_median_of_every_parameter():
    found = median_draw(PRIORS)
    assert found == pytest.approx({"a": 0.5, "fixed": 4, "b": 0.0, "c": stats.beta(1, 3).median()})


# -- what a prior refuses --------------------------------------------------------------------------
PARSER = TypeAdapter(Prior)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"kind": "uniform", "low": 1, "high": 1}, "low 1.0 is not below high 1.0"),
        ({"kind": "uniform", "low": 2, "high": 1}, "give low < high, or kind = 'fixed'"),
        ({"kind": "pert", "low": 0, "best": 2, "high": 1}, "low 0.0, best 2.0, high 1.0 are not in order"),
        ({"kind": "pert", "low": 1, "best": 1, "high": 1}, "give low ≤ best ≤ high, low < high"),
        ({"kind": "pert", "low": 0, "best": -1, "high": 1}, "are not in order"),
        ({"kind": "uniform", "low": float("nan"), "high": 1}, "finite number"),
        ({"kind": "normal", "mean": 0, "sd": 0}, "greater than 0"),
        ({"kind": "normal", "mean": 0, "sd": -1}, "greater than 0"),
        ({"kind": "lognormal", "median": 0, "factor": 2}, "greater than 0"),
        ({"kind": "lognormal", "median": 1, "factor": 1}, "greater than 1"),
        ({"kind": "beta", "successes": 0, "failures": 1}, "greater than 0"),
        ({"kind": "fixed"}, "Field required"),
        ({"kind": "fixed", "value": "much"}, "valid number"),
        ({"kind": "uniform", "low": 0, "high": 1, "best": 0.5}, "Extra inputs"),
        ({"kind": "triangular", "low": 0, "best": 2, "high": 1}, "low 0.0, best 2.0, high 1.0 are not in order"),
        ({"kind": "fixed", "value": 1, "tied": {"to": "x", "rank_correlation": 1}}, "less than 1"),
        ({"kind": "triangle", "low": 0, "high": 1}, "'triangle'"),
        ({"low": 0, "high": 1}, "kind"),
    ],
)
def test_a_prior_that_makes_no_sense_is_reported_with_the_value(data, complaint):
    with pytest.raises(ValidationError) as caught:
        PARSER.validate_python(data)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "fixed", "value": float("nan")},
        {"kind": "fixed", "value": float("inf")},
        {"kind": "uniform", "low": 0, "high": float("inf")},
        {"kind": "normal", "mean": float("inf"), "sd": 1},
        {"kind": "normal", "mean": 0, "sd": float("inf")},
        {"kind": "lognormal", "median": 1, "factor": float("inf")},
        {"kind": "pert", "low": float("-inf"), "best": 0, "high": 1},
    ],
)
def test_a_prior_that_is_not_finite_is_refused(data):
    with pytest.raises(ValidationError, match="finite"):
        PARSER.validate_python(data)


def test_every_kind_of_prior_can_be_written_in_a_file():
    examples = {prior.kind: prior for prior, _ in CASES} | {"fixed": Fixed(value=1)}
    assert tuple(sorted(examples)) == tuple(sorted(PRIOR_KINDS))
    for prior in examples.values():
        assert PARSER.validate_python(prior.model_dump()) == prior


def test_a_prior_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Uniform(low=0, high=1).low = 2


# -- priors from estimates -------------------------------------------------------------------------
SHARE = "share of missiles launched"


def figure(low: float, best: float | None, high: float, unit: str = "missiles") -> Figure:
    return Figure(low=low, best=best, high=high, unit=unit)


def figures(**limits: float):
    """Ranges in order, with a best guess inside."""
    three = st.tuples(*[st.floats(allow_nan=False, **limits)] * 3).map(sorted)
    return three.map(lambda v: figure(v[0], v[1], v[2]))


@given(figures(min_value=-1e3, max_value=1e3), st.integers(1, 5))
def test_poorer_information_gives_a_range_that_holds_the_better_one(given_figure, grade):
    better, poorer = widened(given_figure, grade), widened(given_figure, grade + 1)
    assert poorer.low <= better.low + 1e-9 and better.high <= poorer.high + 1e-9
    assert poorer.best == given_figure.best and poorer.unit == given_figure.unit


@given(figures(min_value=0, max_value=1e3), st.integers(1, 6))
def test_what_is_nowhere_negative_stays_so(given_figure, grade):
    assert widened(given_figure, grade).low >= 0


@given(figures(min_value=0, max_value=1), st.integers(1, 6))
def test_a_share_stays_a_share_when_it_is_widened(given_figure, grade):
    wide = widened(given_figure.model_copy(update={"unit": SHARE}), grade)
    assert 0 <= wide.low <= wide.high <= 1


def test_confirmed_information_is_taken_as_it_is():
    assert widened(figure(9, 10, 12), 1) == figure(9, 10, 12)


@pytest.mark.parametrize(("grade", "low", "high"), [(2, 8.75, 12.5), (3, 8, 13), (4, 7, 14), (5, 5, 16), (6, 2.5, 18)])
def test_each_end_moves_out_by_the_factor_or_by_the_least_share_of_the_grade(grade, low, high):
    wide = widened(figure(9, 10, 12), grade)
    factor, least = WIDENING[grade]
    assert (wide.low, wide.high) == (10 - max(factor, 10 * least), 10 + max(factor * 2, 10 * least))
    assert wide.low == pytest.approx(min(low, 10 - 10 * least)) and wide.high == pytest.approx(high)


def test_a_range_without_a_best_guess_is_widened_about_its_middle():
    assert widened(figure(10, None, 20), 4) == figure(5, None, 25)


@pytest.mark.parametrize("grade", [0, 7])
def test_a_grade_that_does_not_exist_is_reported(grade):
    with pytest.raises(UsageError, match=rf"{grade} is not a grade of information\. Give 1"):
        widened(figure(9, 10, 12), grade)


def test_a_pert_and_a_triangle_from_an_estimate_have_its_range():
    for kind, shape in (("pert", Pert), ("triangular", Triangular)):
        assert prior_from_figure(figure(9, 10, 12), kind=kind) == shape(low=9, best=10, high=12)
    assert prior_from_figure(figure(9, None, 12), kind="uniform") == Uniform(low=9, high=12)


def test_a_beta_from_an_estimate_has_the_mean_and_spread_of_the_pert():
    prior = prior_from_figure(figure(0.2, 0.3, 0.6, SHARE), kind="beta")
    reference = stats.beta(prior.successes, prior.failures)
    assert reference.mean() == pytest.approx((0.2 + 1.2 + 0.6) / 6)
    assert reference.std() == pytest.approx(0.4 / 6)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_beta_has_the_moments_that_it_is_made_from(mean, share):
    sd = share * np.sqrt(mean * (1 - mean))
    prior = beta_from_moments(mean, sd)
    reference = stats.beta(prior.successes, prior.failures)
    assert reference.mean() == pytest.approx(mean) and reference.std() == pytest.approx(sd)


@pytest.mark.parametrize(
    ("given_figure", "kind", "complaint"),
    [
        (figure(9, None, 12), "pert", r"'pert' needs a best guess, but the figure is 9–12 missiles\. Use kind = 'unif"),
        (figure(9, 9, 9), "pert", r"'pert' needs a range, but the figure is 9 missiles and grade 1 adds none\. Give a"),
        (figure(9, 10, 12), "beta", r"'beta' has no distribution with mean 10\.1667 .* Use kind = 'pert'"),
        (
            figure(9, 10, 12),
            "normal",
            r"'normal' is not a kind of prior that an estimate gives\. Did you mean 'uniform'",
        ),
    ],
)
def test_an_estimate_that_does_not_give_what_the_kind_needs_is_refused(given_figure, kind, complaint):
    with pytest.raises(UsageError, match=complaint):
        prior_from_figure(given_figure, kind=kind)


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("missiles", "missiles", True),
        ("probability", SHARE, True),
        ("share", "probability", True),
        ("missiles", SHARE, False),
        ("days", "missiles", False),
        ("utility (1 = the protégé's value of a limited strike)", "share of respondents", False),
    ],
)
def test_units_are_compared_without_what_they_are_counted_of(ours, theirs, same):
    assert same_unit(ours, theirs) is same


def test_a_prior_that_is_not_worked_out_yet_cannot_be_drawn():
    with pytest.raises(UsageError, match=r"'estimate:x' is not worked out yet\. Load the scenario with load_scenario"):
        draw({"x": FromRecord(source="estimate:x")}, 2)


def test_a_prior_in_words_says_where_it_comes_from_and_what_it_moves_with():
    origin = Origin("estimate", "x", ("x",), "from the estimate x, 9–12 missiles")
    assert prior_in_words(Pert(low=9, best=10, high=12, origin=origin)) == (
        "9 to 12, best guess 10; from the estimate x, 9–12 missiles"
    )
    tied = Beta(successes=2, failures=1, tied=Tied(to="missile_speed", rank_correlation=-0.25))
    assert prior_in_words(tied).endswith("; moves with missile speed (rank correlation −0.25)")


def test_every_kind_of_prior_can_be_put_into_words():
    for prior in [*(prior for prior, _ in CASES), Fixed(value=1)]:
        assert "{" not in prior_in_words(prior) and "e+" not in prior_in_words(prior)


def test_what_is_dumped_of_a_prior_is_its_numbers_only():
    # The brief prints them one by one as numbers.
    prior = Pert(
        low=9, best=10, high=12, origin=Origin("estimate", "x", ("x",), "w"), tied=Tied(to="y", rank_correlation=0)
    )
    assert prior.model_dump() == {"kind": "pert", "low": 9, "best": 10, "high": 12}


# -- draws of two parameters together --------------------------------------------------------------
@pytest.mark.parametrize("rank_correlation", [-0.9, -0.3, 0.0, 0.5, 0.8])
def test_two_tied_parameters_are_drawn_with_their_rank_correlation(rank_correlation):
    tied = Tied(to="x", rank_correlation=rank_correlation)
    values = draw({"x": Beta(successes=2, failures=5), "y": Pert(low=0, best=1, high=9, tied=tied)}, 4_096)
    assert stats.spearmanr(values["x"], values["y"]).statistic == pytest.approx(rank_correlation, abs=0.01)


def test_a_tie_leaves_each_parameter_its_own_distribution_and_the_others_their_draws():
    tied = {**PRIORS, "c": Beta(successes=1, failures=3, tied=Tied(to="a", rank_correlation=0.7))}
    free, bound = draw(PRIORS, 1_024, seed=2), draw(tied, 1_024, seed=2)
    assert stats.kstest(bound["c"], stats.beta(1, 3).cdf).statistic < 0.02
    for name in ("a", "fixed", "b"):
        np.testing.assert_array_equal(free[name], bound[name])
    assert median_draw(tied) == median_draw(PRIORS)


@pytest.mark.parametrize(
    ("to", "complaint"),
    [
        ("d", r"c: tied\.to: 'd' is not a parameter\. Known: 'a', 'fixed', 'b'"),
        ("c", r"c: tied\.to: 'c' is itself\. Tie it to a parameter that is drawn freely"),
        ("fixed", r"'fixed' is fixed\. Tie it"),
        ("b", r"'b' is tied to another one\. Tie it"),
    ],
)
def test_a_tie_to_nothing_that_is_drawn_freely_is_reported(to, complaint):
    priors = {
        **PRIORS,
        "b": Normal(mean=0, sd=1, tied=Tied(to="a", rank_correlation=0.1)),
        "c": Beta(successes=1, failures=3, tied=Tied(to=to, rank_correlation=0.7)),
    }
    with pytest.raises(UsageError, match=complaint):
        draw(priors, 4)
