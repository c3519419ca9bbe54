"""The posterior of a game's parameters by NUTS, with the solver's own gradient, as ArviZ data with its diagnostics.

NUTS is that of Hoffman and Gelman (2014), as NumPyro has it; the limits of R-hat and effective sample size are those of
Vehtari and others (2021).
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detente.axes import Game
from detente.errors import SolveError, UsageError
from detente.learn.likelihood import as_weights, joint_log_likelihood
from detente.learn.observations import Observation, make_observations
from detente.learn.worlds import free_parameters, pull_to_scores, values_at
from detente.model.priors import Prior
from detente.solve.api import solve
from detente.solve.plan import make_plan
from detente.solve.solution import Solution

MOST_RHAT = 1.01
LEAST_ESS = 400.0  # bulk and tail, over all chains
LOWEST = -1e10  # stands for −∞ inside the sampler, which needs numbers; a chain that ends there diverges


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws from a posterior, and whether they can be trusted.

    Attributes:
        data: An ArviZ ``InferenceData``: posterior (parameters and their normal scores), log_likelihood (one value an
            observation), prior, sample_stats.
        rhat: Parameter → split R-hat.
        ess: Parameter → the smaller of bulk and tail effective sample size.
        num_divergences: Divergent transitions after warm-up.
        failures: What is wrong with the run, in words; empty if nothing is.
    """

    data: Any
    rhat: Mapping[str, float]
    ess: Mapping[str, float]
    num_divergences: int
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every diagnostic is in order."""
        return not self.failures

    def summary(self) -> dict[str, dict[str, float]]:
        """Parameter → mean, standard deviation, 5, 50 and 95 % points.

        Raises:
            SolveError: If a diagnostic failed: such draws are not summarised as if they were of the posterior.
        """
        self._check("summary")
        found = {}
        for name in self.rhat:
            values = np.asarray(self.data.posterior[name]).ravel()
            low, median, high = (float(v) for v in np.quantile(values, [0.05, 0.5, 0.95]))
            found[name] = {
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)),
                "low": low,
                "median": median,
                "high": high,
            }
        return found

    def loo(self) -> Any:
        """Expected log predictive density by leaving one observation out (Pareto-smoothed), as ArviZ gives it.

        Raises:
            SolveError: If a diagnostic failed.
        """
        self._check("loo")
        return _arviz().loo(self.data)

    def _check(self, what: str) -> None:
        if self.failures:
            raise SolveError(
                f"posterior: no {what}, because the run failed its checks: {'; '.join(self.failures)}. Take more "
                "warm-up and draws, or narrower priors."
            )


def posterior(
    game: Game,
    priors: Mapping[str, Prior],
    observations: Observation | Sequence[Observation],
    *,
    precision: Any = 1.0,
    weights: Any = None,
    num_warmup: int = 500,
    num_samples: int = 500,
    num_chains: int = 4,
    seed: int = 0,
    target_accept: float = 0.8,
) -> Posterior:
    """What the observations say about every parameter, as draws from the posterior.

    The sampler walks in normal scores, in which the prior is standard normal whatever its shape; the likelihood and
    its gradient come from the solver by way of the implicit function theorem. All chains are solved side by side. For
    trees up to a few hundred infosets; for larger ones weigh an ensemble (:func:`detente.learn.condition.condition`).

    Args:
        game: The compiled game.
        priors: Parameter name → prior, also of the precision where ``precision`` names one.
        observations: What was seen, one play of the game each; see
            :func:`detente.learn.observations.make_observations`.
        precision: A number, or the name of a parameter.
        weights: How often each observation counts.
        num_warmup: Steps that adapt the sampler and are thrown away, a chain.
        num_samples: Draws a chain.
        num_chains: Chains, at least 2, so that R-hat can be had.
        seed: Of the sampler.
        target_accept: Acceptance to adapt to; raise it where there are divergences.

    Returns:
        The draws with R-hat, effective sample sizes and divergences. A run that fails them says so and gives no
        summary.

    Raises:
        UsageError: If an argument cannot be used, or the learn extra is not installed.
        SolveError: If a payoff or probability is out of range.
    """
    free = free_parameters(priors)
    if not free:
        raise UsageError("posterior: every parameter is fixed. Give at least one a prior that is not.")
    if num_chains < 2 or num_warmup < 1 or num_samples < 4:
        raise UsageError(
            f"posterior: {num_chains} chains of {num_warmup} + {num_samples} draws are too few. Take at least 2 chains "
            "and 4 draws."
        )
    prepared = make_observations(game, observations)
    count = as_weights(weights, prepared.num_rows)

    def log_and_gradient(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = scores.reshape(-1, len(free)).T
        values = values_at(priors, at)
        solution = _solve(game, values, precision)
        found = joint_log_likelihood(
            game, values, prepared, precision=precision, weights=count, derivatives=True, solution=solution
        )
        good = np.isfinite(found.value)
        gradient = pull_to_scores(priors, at, found.gradient)
        value = np.where(good, found.value, LOWEST)
        slope = np.where(good & np.isfinite(gradient).all(axis=0), gradient, 0.0)
        return value.reshape(scores.shape[:-1]), slope.T.reshape(scores.shape)

    scores, divergent = nuts(log_and_gradient, len(free), num_warmup, num_samples, num_chains, seed, target_accept)
    flat = scores.reshape(-1, len(free)).T
    values = values_at(priors, flat)
    shape = (num_chains, num_samples)
    solution = _solve(game, values, precision)
    rows = [
        joint_log_likelihood(game, values, _single(prepared, k), precision=precision, solution=solution).value
        for k in range(len(prepared.patterns))
    ]
    pointwise = np.stack(rows)[prepared.which].T.reshape(*shape, prepared.num_rows) * count
    return as_posterior(
        {name: values[name].reshape(shape) for name in free},
        pointwise,
        divergent,
        values_at(priors, np.random.default_rng([seed, 4]).normal(size=(len(free), 1_000))),
    )


def _solve(game: Game, values: Mapping[str, np.ndarray], precision: Any) -> Solution:
    """The equilibrium by sweeps, which are compiled and so faster for many calls, if the game allows them."""
    method = "auto" if make_plan(game) is None else "sweep"
    return solve(game, values, precision=precision, method=method)


def _single(observations: Any, pattern: int) -> Any:
    from detente.learn.observations import Observations

    return Observations((observations.patterns[pattern],), np.zeros(1, dtype=np.int64))


def nuts(
    log_and_gradient: Any,
    size: int,
    num_warmup: int,
    num_samples: int,
    num_chains: int,
    seed: int,
    accept: float,
    traced_fn: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Walk through a density that is standard normal times a likelihood.

    Args:
        log_and_gradient: Points (…, parameter) → logarithm of the likelihood, and its gradient.
        size: Number of parameters.
        num_warmup: Steps that adapt the sampler.
        num_samples: Draws a chain.
        num_chains: Chains, all walked side by side.
        seed: Of the sampler.
        accept: Acceptance to adapt to.
        traced_fn: The same logarithm, (parameter,) → number, written with JAX: then the walk is compiled as a whole.

    Returns:
        Normal scores, (chain, draw, parameter), and which transitions diverged, (chain, draw).
    """
    jax, numpyro = _jax()
    import jax.numpy as jnp
    from numpyro.infer import MCMC, NUTS

    def call(scores: Any) -> tuple[Any, Any]:
        shapes = (
            jax.ShapeDtypeStruct(scores.shape[:-1], scores.dtype),
            jax.ShapeDtypeStruct(scores.shape, scores.dtype),
        )
        return jax.pure_callback(
            lambda z: log_and_gradient(np.asarray(z, dtype=float)), shapes, scores, vmap_method="broadcast_all"
        )

    @jax.custom_vjp
    def log_probability(scores: Any) -> Any:
        return call(scores)[0]

    log_probability.defvjp(call, lambda slope, g: (g[..., None] * slope,))

    def potential(scores: Any) -> Any:
        return 0.5 * jnp.sum(scores**2) - (log_probability if traced_fn is None else traced_fn)(scores)

    kernel = NUTS(potential_fn=potential, target_accept_prob=accept)
    sampler = MCMC(
        kernel,
        num_warmup=num_warmup,
        num_samples=num_samples,
        num_chains=num_chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    start = 0.5 * np.random.default_rng([seed, 5]).normal(size=(num_chains, size))
    sampler.run(jax.random.PRNGKey(seed), init_params=jnp.asarray(start), extra_fields=("diverging",))
    draws = np.asarray(sampler.get_samples(group_by_chain=True))
    return draws, np.asarray(sampler.get_extra_fields(group_by_chain=True)["diverging"])


def as_posterior(
    values: Mapping[str, np.ndarray],
    pointwise: np.ndarray,
    divergent: np.ndarray,
    prior: Mapping[str, np.ndarray],
    **groups: Any,
) -> Posterior:
    """Draws as ArviZ data, with R-hat, effective sample sizes, and what is wrong with them.

    Args:
        values: Parameter → draws, (chain, draw).
        pointwise: Log likelihood of every observation, (chain, draw, observation).
        divergent: Which transitions diverged, (chain, draw).
        prior: Parameter → draws from the prior.
        **groups: Other groups of the data, and ``coords`` and ``dims`` for them.
    """
    az = _arviz()
    data = az.from_dict(
        posterior=dict(values),
        prior={name: prior[name][None] for name in values},
        log_likelihood={"observations": pointwise},
        sample_stats={"diverging": divergent},
        **groups,
    )
    rhat = {name: float(az.rhat(v)) for name, v in values.items()}
    ess = {name: min(float(az.ess(v, method=m)) for m in ("bulk", "tail")) for name, v in values.items()}
    return Posterior(data, rhat, ess, int(divergent.sum()), check_chains(rhat, ess, int(divergent.sum())))


def check_chains(rhat: Mapping[str, float], ess: Mapping[str, float], num_divergences: int) -> tuple[str, ...]:
    """What is wrong with a run of a sampler, in words; nothing if it can be used.

    Args:
        rhat: Parameter → split R-hat.
        ess: Parameter → effective sample size.
        num_divergences: Divergent transitions.

    Example:
        >>> check_chains({"cost": 1.2}, {"cost": 35.0}, 0)
        ('R-hat of cost is 1.200 (more than 1.01)', 'the effective sample size of cost is 35 (less than 400)')
    """
    failures = [
        f"R-hat of {name} is {value:.3f} (more than {MOST_RHAT})"
        for name, value in rhat.items()
        if not value <= MOST_RHAT
    ]
    failures += [
        f"the effective sample size of {name} is {value:.0f} (less than {LEAST_ESS:.0f})"
        for name, value in ess.items()
        if not value >= LEAST_ESS
    ]
    if num_divergences:
        failures.append(f"{num_divergences} divergent transitions")
    return tuple(failures)


# -- the learn extra -----------------------------------------------------------------------------
def _jax() -> tuple[Any, Any]:
    try:
        import jax
        import numpyro
    except ImportError:
        raise UsageError(
            "posterior: needs NumPyro and ArviZ. Install them with: pip install 'detente[learn]'."
        ) from None
    jax.config.update("jax_enable_x64", True)
    return jax, numpyro


def _arviz() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a notice about the future of the package, at every import
            import arviz
    except ImportError:
        raise UsageError("posterior: needs ArviZ. Install it with: pip install 'detente[learn]'.") from None
    return arviz
