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
    Beta,
    Fixed,
    Lognormal,
    Normal,
    Pert,
    Prior,
    Uniform,
    draw,
    median_draw,
)

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
