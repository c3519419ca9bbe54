"""The posterior by NUTS: against a posterior that is known, and what is said of a run that failed."""

import numpy as np
import pytest

import detente as dt
from detente.errors import SolveError, UsageError
from detente.model.priors import Fixed, Normal

pytest.importorskip("numpyro")

from detente.learn.posterior import check_chains, posterior  # noqa: E402

(ONE,) = dt.players("one")


@pytest.fixture(scope="module")
def game():
    rules = dt.crisis(players=ONE)(lambda g, p: {ONE: p.gain * (g.choose(ONE, "call", ["hold", "act"]) == "act")})
    return dt.compile(rules)


@pytest.fixture(scope="module")
def found(game):
    seen = [{"call": "act"}] * 8 + [{"call": "hold"}] * 2
    priors = {"gain": Normal(mean=0, sd=2)}
    return posterior(game, priors, seen, num_warmup=150, num_samples=600, seed=1)


def test_the_posterior_is_that_of_an_exact_sum(found):
    x = np.linspace(-8, 8, 20_001)
    logs = -0.5 * (x / 2) ** 2 - 8 * np.log1p(np.exp(-x)) - 2 * np.log1p(np.exp(x))
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    mean = float(weights @ x)
    sd = float(np.sqrt(weights @ (x - mean) ** 2))
    assert found.passed, found.failures
    summary = found.summary()["gain"]
    assert summary["mean"] == pytest.approx(mean, abs=5 * sd / np.sqrt(found.ess["gain"]))
    assert summary["sd"] == pytest.approx(sd, rel=0.15)


def test_the_draws_come_as_arviz_data_with_diagnostics_and_loo(found):
    assert found.data.posterior["gain"].shape == (4, 600)
    assert found.data.log_likelihood["observations"].shape == (4, 600, 10)
    assert found.data.sample_stats["diverging"].shape == (4, 600)
    assert found.rhat["gain"] < 1.01 and found.num_divergences == 0
    assert np.isfinite(found.loo().elpd_loo)


def test_a_run_that_failed_says_so_and_gives_no_summary(game):
    short = posterior(game, {"gain": Normal(mean=0, sd=2)}, {"call": "act"}, num_warmup=5, num_samples=8, num_chains=2)
    assert not short.passed
    for ask in (short.summary, short.loo):
        with pytest.raises(SolveError, match="the run failed its checks: .*effective sample size of gain"):
            ask()


def test_every_failed_check_is_named():
    assert check_chains({"a": 1.0}, {"a": 800.0}, 0) == ()
    failures = check_chains({"a": 1.5, "b": float("nan")}, {"a": 10.0, "b": 900.0}, 3)
    assert len(failures) == 4 and "3 divergent transitions" in failures


@pytest.mark.parametrize(
    ("priors", "chains", "message"),
    [
        ({"gain": Fixed(value=1)}, 4, "every parameter is fixed"),
        ({"gain": Normal(mean=0, sd=1)}, 1, "at least 2 chains"),
    ],
)
def test_what_cannot_be_sampled_is_refused(game, priors, chains, message):
    with pytest.raises(UsageError, match=message):
        posterior(game, priors, {"call": "act"}, num_chains=chains)
