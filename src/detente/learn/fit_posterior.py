"""The posterior of an estimated strategic model by NUTS: priors instead of stars, pooling across groups, checks, LOO.

The likelihood and its exact gradient are those of the fit; the walk is made in coordinates in which the curvature at
the best point is one in every direction. A coefficient that differs between groups (dyads, regions, decades) is pooled
in part: each group's deviation comes from a normal distribution whose spread is learnt too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from detente.axes import CHANCE
from detente.errors import UsageError, nearest
from detente.learn import jets
from detente.learn.newton import climb
from detente.learn.objective import Objective, Penalty
from detente.learn.posterior import LOWEST, Posterior, as_posterior, nuts
from detente.learn.strategic import TreeModel
from detente.learn.ultimatum import Ultimatum

if TYPE_CHECKING:
    from detente.learn.fit import Fit

DEFAULT_PRIOR = Penalty("normal")
SPREAD_SCALE = 1.0  # of the half-normal prior of the spread between groups
NUM_PRIOR = 1_000
NUM_PREDICTED = 400  # draws a predictive check looks at


@dataclass(frozen=True, eq=False)
class _Pool:
    """One coefficient that differs between groups.

    Attributes:
        name: ``equation:term``.
        groups: Names of the groups.
        of_row: Group of each row.
    """

    name: str
    groups: tuple[str, ...]
    of_row: Int[np.ndarray, "row"]


def fit_posterior(
    fit: "Fit",
    *,
    prior: Penalty | None = None,
    pool: Mapping[str, str] | None = None,
    num_warmup: int = 1_000,
    num_samples: int = 1_000,
    num_chains: int = 4,
    seed: int = 0,
    target_accept: float = 0.95,
) -> Posterior:
    """What the data say about every coefficient once a prior has been stated, as draws from the posterior.

    A fit that ran off because choices are separated has a posterior all the same: the prior holds it. Cost: some
    hundred thousand evaluations of the likelihood; 15 to 60 s for some hundred rows.

    Args:
        fit: What was estimated, whether or not it converged.
        prior: Normal or Cauchy around zero, as for a penalty, on the scale of the coefficients as they are printed.
            Default: the penalty of the fit; without one normal with standard deviation 2.5, of intercepts 10.
        pool: ``"equation:term"`` → column of groups between which that coefficient differs.
        num_warmup: Steps that adapt the sampler and are thrown away, a chain.
        num_samples: Draws a chain.
        num_chains: Chains, at least 2.
        seed: Of the sampler.
        target_accept: Acceptance to adapt to; raise it where there are divergences.

    Returns:
        The draws as ArviZ data (posterior, prior, log_likelihood, and the shares of outcomes predicted by prior and
        posterior beside those observed), with diagnostics. A run that fails them says so and gives no summary.

    Raises:
        UsageError: If an argument cannot be used, or the learn extra is not installed.
    """
    from detente.learn.signalling import Signalling

    objective = fit.objective
    if isinstance(objective.likelihood, Signalling) and objective.observed.resist is not None:
        raise UsageError("posterior: a pseudo-likelihood is no likelihood. Fit with method = 'mle' first.")
    if num_chains < 2 or num_warmup < 1 or num_samples < 4:
        raise UsageError(
            f"posterior: {num_chains} chains of {num_warmup} + {num_samples} draws are too few. Take at least 2 chains "
            "and 4 draws."
        )
    chosen = prior or (objective.penalty if objective.penalty.kind != "none" else DEFAULT_PRIOR)
    if chosen.kind not in ("normal", "cauchy"):
        raise UsageError(f"prior: {chosen.kind!r} is no distribution. Use Penalty('normal') or Penalty('cauchy').")
    pools = _pools(fit, pool or {})
    target = _Target(_with_columns(replace(objective, penalty=chosen), pools), objective.num_coefficients, pools)
    centre, root = _whitened(replace(objective, penalty=chosen), fit.point)

    def log_and_gradient(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = z.reshape(-1, z.shape[-1])
        point = np.concatenate([centre + flat[:, : len(centre)] @ root.T, flat[:, len(centre) :]], axis=1)
        with np.errstate(all="ignore"):
            value, slope = target.evaluate(point)
        slope = np.concatenate([slope[:, : len(centre)] @ root, slope[:, len(centre) :]], axis=1)
        # The walk multiplies by a standard normal density, which is no part of the posterior: divide by it.
        value, slope = value + 0.5 * (flat**2).sum(1), slope + flat
        good = np.isfinite(value) & np.isfinite(slope).all(1)
        slope = np.where(good[:, None], slope, 0.0)
        return np.where(good, value, LOWEST).reshape(z.shape[:-1]), slope.reshape(z.shape)

    traced = _traced(target, centre, root) if _is_traceable(objective) else None
    walked, divergent = nuts(
        log_and_gradient, target.size, num_warmup, num_samples, num_chains, seed, target_accept, traced
    )
    flat = walked.reshape(-1, target.size)
    points = np.concatenate([centre + flat[:, : len(centre)] @ root.T, flat[:, len(centre) :]], axis=1)
    return _packed(fit, target, points, (num_chains, num_samples), divergent, seed)


def check_shares(posterior: Posterior) -> Any:
    """How often each outcome was seen, beside how often prior and posterior say that it would be.

    Args:
        posterior: From :func:`fit_posterior`.

    Returns:
        A data frame: outcome, observed share, and 5, 50 and 95 % points of the share predicted by prior and posterior.
        ``attrs["left_out"]`` counts draws in which some row has no probabilities.

    Raises:
        UsageError: If the model has no outcomes that could be counted.
    """
    import pandas as pd

    data = posterior.data
    if "posterior_predictive" not in data.groups():
        raise UsageError("check_shares: this model has no shares of outcomes to compare. Use a finite tree.")
    frame = pd.DataFrame(
        {"outcome": data.observed_data["outcome"].values.astype(str), "observed": data.observed_data["share"].values}
    )
    for name, group in (("prior", data.prior_predictive), ("posterior", data.posterior_predictive)):
        shares = group["share"].values.reshape(-1, len(frame))
        whole = np.isfinite(shares).all(1)
        frame.attrs.setdefault("left_out", {})[name] = int((~whole).sum())
        shares = shares[whole]
        for word, point in zip(("low", "median", "high"), np.quantile(shares, [0.05, 0.5, 0.95], axis=0), strict=True):
            frame[f"{name}_{word}"] = point
    return frame


# -- the density ---------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Target:
    """The logarithm of the posterior in coefficients, then for every pool log spread and the groups' normal scores."""

    objective: Objective  # with one more column for every group of a pool, at the end of its equation's block
    num_common: int
    pools: tuple[_Pool, ...]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.num_common + sum(1 + len(p.groups) for p in self.pools)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the coefficients of the fit."""
        return tuple(f"{e}:{t}" for (e, t), own in zip(self.objective.names, self.own, strict=True) if own)

    @cached_property
    def own(self) -> np.ndarray:
        """Which coefficients of the extended likelihood are those of the fit."""
        return np.array([not term.startswith("\0") for _, term in self.objective.names])

    @cached_property
    def places(self) -> tuple[np.ndarray, ...]:
        """Of each pool: the coefficients of its groups' deviations."""
        where = {name: k for k, name in enumerate(self.objective.names)}
        pairs = [p.name.split(":", 1) for p in self.pools]
        return tuple(
            np.array([where[equation, f"\0{term}\0{g}"] for g in p.groups])
            for p, (equation, term) in zip(self.pools, pairs, strict=True)
        )

    @cached_property
    def plain(self) -> Objective:
        """The likelihood without the prior."""
        return replace(self.objective, penalty=Penalty())

    def coefficients(self, point: Float[np.ndarray, "draw parameter"]) -> Float[np.ndarray, "draw coefficient"]:
        """All columns' coefficients: a group's own deviation is its spread times its score."""
        theta = np.zeros((len(point), self.objective.num_coefficients))
        theta[:, self.own] = point[:, : self.num_common]
        at = self.num_common
        for p, place in zip(self.pools, self.places, strict=True):
            scores = point[:, at + 1 : at + 1 + len(p.groups)]
            theta[:, place] = np.exp(point[:, at : at + 1]) * scores
            at += 1 + len(p.groups)
        return theta

    def evaluate(self, point: Float[np.ndarray, "draw parameter"]) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of the posterior up to a constant, and its gradient."""
        theta = self.coefficients(point)
        value, by_theta, _ = self.plain.evaluate_many(theta, order=1)
        own = self.own
        prior, slope, _ = self.objective.penalty.evaluate(theta[:, own], self.objective.penalty_scales[own])
        value = value + prior
        gradient = np.zeros_like(point)
        gradient[:, : self.num_common] = by_theta[:, own] + slope
        at = self.num_common
        for p, place in zip(self.pools, self.places, strict=True):
            scores, log_spread = point[:, at + 1 : at + 1 + len(p.groups)], point[:, at]
            spread, part = np.exp(log_spread), by_theta[:, place]
            # Half-normal spread, with the Jacobian of its logarithm; standard normal scores.
            value = value - 0.5 * (spread / SPREAD_SCALE) ** 2 + log_spread - 0.5 * (scores**2).sum(1)
            gradient[:, at] = spread * (part * scores).sum(1) - (spread / SPREAD_SCALE) ** 2 + 1.0
            gradient[:, at + 1 : at + 1 + len(p.groups)] = spread[:, None] * part - scores
            at += 1 + len(p.groups)
        return value, gradient


def _is_traceable(objective: Objective) -> bool:
    """Whether the likelihood is made of functions that JAX can follow: the usual trees without chance, and offers."""
    likelihood = objective.likelihood
    if isinstance(likelihood, Ultimatum):
        return True
    model = getattr(likelihood, "model", None)
    if not isinstance(model, TreeModel) or (model.game.kind == CHANCE).any():
        return False
    return all(op == "parameter" for op, _, _ in model.game.basis.atoms)


def _traced(target: _Target, centre: np.ndarray, root: np.ndarray) -> Any:
    """The logarithm of the posterior over a standard normal density, as a function that JAX compiles."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    objective, penalty = target.plain, target.objective.penalty
    scales, starts = target.objective.penalty_scales[target.own], objective.starts
    own = np.flatnonzero(target.own)

    def log_density(z: Any) -> Any:
        common, at = centre + root @ z[: target.num_common], target.num_common
        theta = jnp.zeros(objective.num_coefficients).at[own].set(common)
        total = 0.5 * jnp.sum(z[:at] ** 2)
        x = common / scales
        total += -jnp.sum(jnp.log1p(x * x)) if penalty.kind == "cauchy" else -0.5 * jnp.sum(x * x)
        for p, place in zip(target.pools, target.places, strict=True):
            log_spread, scores = z[at], z[at + 1 : at + 1 + len(p.groups)]
            theta = theta.at[place].set(jnp.exp(log_spread) * scores)
            # The scores' own standard normal density is the one that the walk multiplies by.
            total += 0.5 * log_spread**2 - 0.5 * (jnp.exp(log_spread) / SPREAD_SCALE) ** 2 + log_spread
            at += 1 + len(p.groups)
        made = [jnp.asarray(b.columns) @ theta[starts[k] : starts[k + 1]] for k, b in enumerate(objective.blocks)]
        values = {n: made[place] if isinstance(place, int) else place for n, place in objective.where.items()}
        rows = objective.likelihood.log_likelihood(values, objective.observed)
        total += jnp.sum(jnp.where(objective.weights > 0, objective.weights * rows, 0.0))
        return jnp.where(jnp.isfinite(total), total, LOWEST)

    return log_density


def _pools(fit: "Fit", pool: Mapping[str, str]) -> tuple[_Pool, ...]:
    made, names = [], [f"{e}:{t}" for e, t in fit.names]
    for name, column in pool.items():
        if name not in names:
            raise UsageError(f"pool: {name!r} is not a coefficient of the fit.{nearest(name, names)}")
        if column not in fit.problem.frame.columns:
            known = nearest(column, list(fit.problem.frame.columns))
            raise UsageError(f"pool: {column!r} is not a column of the data.{known}")
        values = fit.problem.frame[column]
        if values.isna().any():
            raise UsageError(f"pool: {column!r} is missing in {int(values.isna().sum())} rows. Fill or drop them.")
        groups, of_row = np.unique(values.astype(str).to_numpy(), return_inverse=True)
        if not 2 <= len(groups) <= len(values) // 2:
            raise UsageError(
                f"pool: {column!r} has {len(groups)} groups for {len(values)} rows. Pooling needs at least two groups, "
                "of two rows or more."
            )
        made.append(_Pool(name, tuple(str(g) for g in groups), of_row))
    return tuple(made)


def _with_columns(objective: Objective, pools: tuple[_Pool, ...]) -> Objective:
    """The same likelihood with a column for every group's own deviation."""
    blocks = list(objective.blocks)
    for p in pools:
        equation, term = p.name.split(":", 1)
        k = next(i for i, b in enumerate(objective.blocks) if b.name == equation)
        block, column = blocks[k], objective.blocks[k].columns[:, objective.blocks[k].terms.index(term)]
        own = column[:, None] * (p.of_row[:, None] == np.arange(len(p.groups)))
        terms = (*block.terms, *(f"\0{term}\0{g}" for g in p.groups))
        blocks[k] = replace(block, terms=terms, columns=np.concatenate([block.columns, own], axis=1))
    return replace(objective, blocks=tuple(blocks))


def _whitened(objective: Objective, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest point of the posterior, and a root of the inverse curvature there."""
    top = climb(objective.evaluate, np.where(np.isfinite(start), start, 0.0), objective.sizes)
    if not top.at_top:  # a fit that ran off leaves its search far away
        top = climb(objective.evaluate, np.zeros(objective.num_coefficients), objective.sizes)
    bends, directions = np.linalg.eigh(-top.hessian / np.outer(objective.sizes, objective.sizes))
    bends = np.maximum(bends, 1e-3)
    return top.point, (directions / np.sqrt(bends)) / objective.sizes[:, None]


# -- packing -------------------------------------------------------------------------------------
def _packed(
    fit: "Fit", target: _Target, points: np.ndarray, shape: tuple[int, int], divergent: np.ndarray, seed: int
) -> Posterior:
    rng = np.random.default_rng([seed, 6])
    named = _parameters(target, points)
    prior_points = _from_prior(target, rng)
    prior = _parameters(target, prior_points)
    pointwise = target.plain.rows_log_likelihood_many(target.coefficients(points)) * target.plain.weights
    groups: dict[str, Any] = {}
    if fit.problem.kind == "tree":
        seen = fit.objective.observed.counts * fit.objective.weights[:, None]
        some = rng.choice(len(points), min(NUM_PREDICTED, len(points)), replace=False)
        groups = {
            "posterior_predictive": {"share": _shares(target, points[some], seen, rng)[None]},
            "prior_predictive": {"share": _shares(target, prior_points[:NUM_PREDICTED], seen, rng)[None]},
            "observed_data": {"share": seen.sum(0) / seen.sum()},
            "coords": {"outcome": list(fit.objective.likelihood.labels)},
            "dims": {"share": ["outcome"]},
        }
    return as_posterior(
        {name: draws.reshape(shape) for name, draws in named.items()},
        pointwise.reshape(*shape, -1),
        divergent,
        prior,
        **groups,
    )


def _parameters(target: _Target, points: np.ndarray) -> dict[str, np.ndarray]:
    """Draws by name: coefficients, spreads, and the coefficient in every group."""
    found = {name: points[:, k] for k, name in enumerate(target.names)}
    at = target.num_common
    for p in target.pools:
        spread = np.exp(points[:, at])
        found[f"spread of {p.name}"] = spread
        for i, group in enumerate(p.groups):
            found[f"{p.name} in {group}"] = found[p.name] + spread * points[:, at + 1 + i]
        at += 1 + len(p.groups)
    return found


def _from_prior(target: _Target, rng: np.random.Generator) -> Float[np.ndarray, "draw parameter"]:
    penalty, own = target.objective.penalty, target.own
    scales = target.objective.penalty_scales[own]
    draw = rng.standard_cauchy if penalty.kind == "cauchy" else rng.standard_normal
    parts = [draw((NUM_PRIOR, len(scales))) * scales]
    for p in target.pools:
        parts.append(np.log(np.abs(rng.normal(size=(NUM_PRIOR, 1))) * SPREAD_SCALE))
        parts.append(rng.normal(size=(NUM_PRIOR, len(p.groups))))
    return np.concatenate(parts, axis=1)


def _shares(target: _Target, points: np.ndarray, seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of each outcome in data simulated with each draw, as many plays a row as were seen."""
    objective = target.objective
    plays = np.maximum(np.rint(seen.sum(1)), 0).astype(int)
    theta = target.coefficients(points)
    found = np.empty((len(points), seen.shape[1]))
    for n, one in enumerate(theta):
        with np.errstate(all="ignore"):
            logs = objective.likelihood.log_probabilities(objective.values(one, slice(None), 0))
            chances = np.exp(np.stack([np.broadcast_to(jets.value_of(v), (len(seen),)) for v in logs], axis=1))
        if not np.isfinite(chances).all():
            found[n] = np.nan  # a draw so far out that some row has no probabilities; counted in check_shares
            continue
        drawn = rng.multinomial(plays, chances / chances.sum(1, keepdims=True))
        found[n] = drawn.sum(0) / max(1, drawn.sum())
    return found
