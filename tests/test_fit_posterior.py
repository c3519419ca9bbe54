"""The posterior of an estimated strategic model: against an exact sum, pooling, checks, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from detente.errors import UsageError
from detente.learn.fit import fit
from detente.learn.objective import Penalty

pytest.importorskip("numpyro")

from detente.learn import fit_posterior as module  # noqa: E402
from detente.learn.fit_posterior import check_shares, fit_posterior  # noqa: E402

GROUPS = ("north", "south", "east", "west", "centre", "coast")
FIXED = {"u11": "0", "u13": "0", "u14": "0"}


def seen_twelve_times() -> pd.DataFrame:
    """Two of twelve resisted."""
    return pd.DataFrame({"y": [4] * 2 + [3] * 10})


def in_groups(rng: np.random.Generator, own: np.ndarray, size: int = 60) -> pd.DataFrame:
    """One always acts; two resists, more in some groups than in others."""
    frame = pd.DataFrame({"place": np.repeat(GROUPS[: len(own)], size), "x": rng.normal(size=size * len(own))})
    resists = rng.logistic(size=len(frame)) * np.sqrt(2) < np.repeat(own, size) + 0.8 * frame["x"]
    return frame.assign(y=np.where(resists, 4, 3))


@pytest.fixture(scope="module")
def simple():
    equations = {**FIXED, "u11": "-40", "u24": "~ 1"}  # one acts for certain
    found = fit("strategic-12", seen_twelve_times(), equations=equations, outcome="y", choice="logit")
    return found, fit_posterior(found, prior=Penalty("normal", 1.0, 2.0), num_warmup=200, num_samples=1_000, seed=1)


def test_the_posterior_of_one_coefficient_is_that_of_an_exact_sum(simple):
    _, posterior = simple
    x = np.linspace(-15, 15, 30_001)
    gap = x / np.sqrt(2)
    logs = -0.5 * (x / 2) ** 2 - 2 * np.log1p(np.exp(-gap)) - 10 * np.log1p(np.exp(gap))
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    mean, sd = float(weights @ x), float(np.sqrt(weights @ (x - weights @ x) ** 2))
    assert posterior.passed, posterior.failures
    summary = posterior.summary()["u24:(Intercept)"]
    assert summary["mean"] == pytest.approx(mean, abs=5 * sd / np.sqrt(posterior.ess["u24:(Intercept)"]))
    assert summary["sd"] == pytest.approx(sd, rel=0.15)


def test_predicted_shares_stand_beside_those_that_were_seen(simple):
    found, posterior = simple
    shares = check_shares(posterior).set_index("outcome")
    assert shares.loc["4", "observed"] == pytest.approx(1 / 6)
    assert shares.loc["4", "posterior_low"] <= 1 / 6 <= shares.loc["4", "posterior_high"]
    width = shares[["prior_high", "posterior_high"]].to_numpy() - shares[["prior_low", "posterior_low"]].to_numpy()
    assert width[2, 0] > width[2, 1], "the data narrow what the prior left open"
    assert check_shares(posterior).attrs["left_out"] == {"prior": 0, "posterior": 0}
    assert posterior.data.log_likelihood["observations"].shape == (4, 1_000, found.n)
    assert np.isfinite(posterior.loo().elpd_loo)


def test_a_coefficient_is_pooled_in_part_across_groups():
    rng = np.random.default_rng(5)
    own = np.array([-1.5, -0.6, 0.0, 0.3, 0.9, 1.8])
    found = fit(
        "strategic-12",
        in_groups(rng, own),
        equations={**FIXED, "u11": "-40", "u24": "~ x"},
        outcome="y",
        choice="logit",
    )
    posterior = found.posterior(pool={"u24:(Intercept)": "place"}, num_warmup=600, num_samples=600, target_accept=0.97)
    draws = posterior.data.posterior
    means = np.array([float(draws[f"u24:(Intercept) in {group}"].mean()) for group in sorted(GROUPS)])
    truth = own[np.argsort(GROUPS)]
    assert max(posterior.rhat.values()) < 1.03
    assert np.abs(means - truth).max() < 1.0 and np.corrcoef(means, truth)[0, 1] > 0.9
    assert 0.4 < float(draws["spread of u24:(Intercept)"].mean()) < 2.5
    alone = [  # each group estimated by itself strays further from the common mean than the pooled estimates
        fit(
            "strategic-12",
            found.problem.frame.query("place == @group"),
            equations={**FIXED, "u11": "-40", "u24": "~ x"},
            outcome="y",
            choice="logit",
        ).point[0]
        for group in sorted(GROUPS)
    ]
    assert np.std(means) < np.std(alone)


@pytest.mark.parametrize(("kind", "choice", "errors"), [("normal", "probit", "private"), ("cauchy", "logit", "agent")])
def test_the_density_is_the_same_compiled_and_not_and_its_gradient_is_that_of_differences(kind, choice, errors):
    jax = pytest.importorskip("jax")
    rng = np.random.default_rng(0)
    frame = in_groups(rng, np.array([-0.5, 0.5]), size=30)
    frame["y"] = rng.choice([1, 3, 4], len(frame))
    equations = {"u11": "~ x", "u13": "0", "u14": "~ 1", "u24": "~ x"}
    found = fit("strategic-12", frame, equations=equations, outcome="y", choice=choice, errors=errors)
    pools = module._pools(found, {"u24:x": "place"})
    chosen = replace(found.objective, penalty=Penalty(kind))
    target = module._Target(module._with_columns(chosen, pools), found.num_coefficients, pools)
    centre, root = module._whitened(chosen, found.point)
    z = rng.normal(size=target.size)
    point = np.concatenate([centre + root @ z[: len(centre)], z[len(centre) :]])
    value, slope = target.evaluate(point[None])
    steps = 1e-6 * np.eye(target.size)
    up, down = target.evaluate(point + steps)[0], target.evaluate(point - steps)[0]
    np.testing.assert_allclose(slope[0], (up - down) / 2e-6, atol=1e-5)
    compiled, gradient = jax.value_and_grad(module._traced(target, centre, root))(z)
    assert float(compiled) == pytest.approx(value[0] + 0.5 * z @ z, abs=1e-9)
    chained = np.concatenate([slope[0, : len(centre)] @ root, slope[0, len(centre) :]]) + z
    np.testing.assert_allclose(gradient, chained, atol=1e-8)


def test_a_likelihood_that_cannot_be_compiled_is_sampled_all_the_same(simple, monkeypatch):
    found, compiled = simple
    monkeypatch.setattr(module, "_is_traceable", lambda objective: False)
    called = fit_posterior(found, prior=Penalty("normal", 1.0, 2.0), num_warmup=100, num_samples=150, seed=1)
    name = "u24:(Intercept)"
    both = [float(p.data.posterior[name].mean()) for p in (compiled, called)]
    assert both[0] == pytest.approx(both[1], abs=0.35)


def test_what_cannot_be_sampled_is_refused(simple):
    found, _ = simple
    refused: list[tuple[dict[str, Any], str]] = [
        ({"num_chains": 1}, "at least 2 chains"),
        ({"prior": Penalty("none")}, "'none' is no distribution"),
        ({"pool": {"u24:x": "y"}}, "'u24:x' is not a coefficient"),
        ({"pool": {"u24:(Intercept)": "place"}}, "'place' is not a column"),
    ]
    for keys, message in refused:
        with pytest.raises(UsageError, match=message):
            fit_posterior(found, **keys)
    one = replace(found, problem=replace(found.problem, frame=found.problem.frame.assign(place="here")))
    with pytest.raises(UsageError, match="1 groups for 12 rows"):
        fit_posterior(one, pool={"u24:(Intercept)": "place"})
