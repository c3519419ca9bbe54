"""Errors without a formula: resampled rows (all replicates at once), and intervals from the likelihood itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from detente.errors import UsageError, nearest
from detente.learn.newton import climb, climb_many

if TYPE_CHECKING:
    from detente.learn.fit import Fit

BLOCK = 128  # replicates worked on at once


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Estimates from resampled rows.

    Attributes:
        names: (equation, term) of each coefficient.
        points: Estimates of every replicate.
        converged: Which replicates reached a top; the others are left out of errors and intervals, and counted.
    """

    names: tuple[tuple[str, str], ...]
    points: Float[np.ndarray, "replicate coefficient"]
    converged: Bool[np.ndarray, "replicate"]

    @property
    def num_failed(self) -> int:
        """Replicates that reached no top."""
        return int((~self.converged).sum())

    @property
    def std_errors(self) -> Float[np.ndarray, "coefficient"]:
        """Standard deviation over the replicates that converged."""
        return self.points[self.converged].std(axis=0, ddof=1)

    def intervals(self, level: float = 0.95) -> Float[np.ndarray, "coefficient 2"]:
        """Percentile intervals.

        Args:
            level: Share of replicates inside.
        """
        tail = 50 * (1 - level)
        return np.percentile(self.points[self.converged], [tail, 100 - tail], axis=0).T


def bootstrap(fit: "Fit", replicates: int = 1_000, *, seed: int = 0) -> Bootstrap:
    """Estimate again from rows drawn with replacement; whole clusters where the model has them.

    All replicates climb together from the estimates. Cost: 1,000 replicates of 282 rows and 10 coefficients, a few
    seconds. For the signalling game the first stage is taken as it is.

    Args:
        fit: The estimates.
        replicates: How many.
        seed: Of the draws.

    Raises:
        UsageError: If the fit did not converge, or there are fewer than two replicates.
    """
    if not fit.converged:
        raise UsageError(f"bootstrap: the fit did not converge ({fit.message}). Mend it first.")
    if replicates < 2:
        raise UsageError(f"bootstrap: {replicates} replicates. Ask for at least 2, better 1000.")
    rng = np.random.default_rng(seed)
    objective = fit.objective
    points, done = np.zeros((replicates, fit.num_coefficients)), np.zeros(replicates, dtype=bool)
    for first in range(0, replicates, BLOCK):
        part = slice(first, min(first + BLOCK, replicates))
        weights = _resampled(fit, rng, part.stop - part.start) * objective.weights
        points[part], done[part] = climb_many(
            lambda theta, which, weights=weights: objective.evaluate_many(theta, weights[which]),
            fit.point,
            objective.sizes,
            len(weights),
        )
    return Bootstrap(fit.names, points, done)


def _resampled(fit: "Fit", rng: np.random.Generator, num: int) -> np.ndarray:
    """How often each row (or its cluster) was drawn, (replicate, row)."""
    clusters = fit.problem.clusters
    if clusters is None:
        return rng.multinomial(fit.n, np.full(fit.n, 1 / fit.n), size=num).astype(float)
    codes = np.unique(np.asarray(clusters).astype(str), return_inverse=True)[1]
    groups = int(codes.max()) + 1
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=num).astype(float)[:, codes]


def profile_interval(fit: "Fit", equation: str, term: str, *, level: float = 0.95) -> tuple[float, float]:
    """An interval from the likelihood itself: where the best log likelihood with this coefficient held falls too far.

    Args:
        fit: The estimates.
        equation: Of the coefficient.
        term: Of the coefficient.
        level: Of the interval.

    Returns:
        Its ends; −inf or inf where the log likelihood never falls far enough.

    Raises:
        UsageError: If the fit did not converge or has no such coefficient.
    """
    from scipy.special import chdtri

    if not fit.converged:
        raise UsageError(f"profile_interval: the fit did not converge ({fit.message}). Mend it first.")
    if (equation, term) not in fit.names:
        raise UsageError(
            f"profile_interval: there is no coefficient {equation}:{term}."
            f"{nearest(f'{equation}:{term}', [f'{e}:{t}' for e, t in fit.names])}"
        )
    k = fit.names.index((equation, term))
    top = fit.objective.evaluate(fit.point, 0)[0]
    target = top - 0.5 * float(chdtri(1, 1 - level))
    step = fit.std_errors[k] if np.isfinite(fit.std_errors[k]) else 1.0 / fit.objective.sizes[k]
    return _end(fit, k, -step, target), _end(fit, k, step, target)


def _end(fit: "Fit", k: int, step: float, target: float) -> float:
    """Walk away from the estimate until the profile falls below the target, then close in."""
    rest = np.arange(fit.num_coefficients) != k
    sizes = fit.objective.sizes[rest]
    last = fit.point.copy()

    def profile(value: float) -> float:
        def held(x: np.ndarray) -> Any:
            full = np.empty(len(rest))
            full[rest], full[k] = x, value
            total, gradient, hessian = fit.objective.evaluate(full)
            return total, gradient[rest], hessian[np.ix_(rest, rest)]

        if not rest.any():
            return float(fit.objective.evaluate(np.array([value]), 0)[0])
        found = climb(held, last[rest], sizes, tolerance=1e-6, max_iterations=60)
        last[rest] = found.point
        return found.value

    from scipy.optimize import brentq

    inside, distance = fit.point[k], 2.0 * step
    for _ in range(12):
        outside = fit.point[k] + distance
        if profile(outside) < target:
            found: Any = brentq(lambda v: profile(float(v)) - target, inside, outside, xtol=1e-8 * abs(step))
            return float(found)
        inside, distance = outside, distance * 1.7
    return float(np.copysign(np.inf, step))
