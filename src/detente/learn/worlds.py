"""Possible worlds as normal scores: one number a parameter, standard normal under the prior, whatever its shape."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from detente.errors import UsageError
from detente.model.priors import Fixed, Prior

EDGE = 1e-12  # quantiles stay this far inside (0, 1), as in detente.model.priors.draw
STEP = 1e-5  # in normal scores, for the slope of a quantile function


def free_parameters(priors: Mapping[str, Prior]) -> tuple[str, ...]:
    """Parameters that are not fixed, in the order of the priors.

    Example:
        >>> from detente.model.priors import Uniform
        >>> free_parameters({"x": Uniform(low=0, high=1), "y": Fixed(value=2)})
        ('x',)
    """
    return tuple(name for name, prior in priors.items() if not isinstance(prior, Fixed))


def draw_scores(priors: Mapping[str, Prior], num_draws: int, *, seed: int = 0) -> Float[np.ndarray, "parameter draw"]:
    """Normal scores of draws from the priors: the same worlds as :func:`detente.model.priors.draw` gives.

    Args:
        priors: Parameter name → prior.
        num_draws: How many.
        seed: Of the scrambling of the Sobol points.

    Returns:
        One row a free parameter.

    Raises:
        UsageError: If the number of draws is not positive.

    Example:
        >>> from detente.model.priors import Uniform
        >>> priors = {"x": Uniform(low=0, high=1)}
        >>> values_at(priors, draw_scores(priors, 4, seed=1))["x"].round(2).tolist()
        [0.29, 0.9, 0.53, 0.16]
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    if num_draws < 1:
        raise UsageError(f"draws: {num_draws} is not a number of draws. Ask for at least 1.")
    count = len(free_parameters(priors))
    if not count:
        return np.zeros((0, num_draws))
    sobol = qmc.Sobol(count, scramble=True, rng=np.random.default_rng(seed))
    points = sobol.random_base2(int(np.ceil(np.log2(max(num_draws, 2)))))[:num_draws]
    return ndtri(np.clip(points, EDGE, 1 - EDGE)).T


def values_at(
    priors: Mapping[str, Prior], scores: Float[np.ndarray, "parameter draw"]
) -> dict[str, Float[np.ndarray, "draw"]]:
    """The worlds that normal scores stand for.

    Args:
        priors: Parameter name → prior. One that is tied to another moves with that one's score.
        scores: One row a free parameter; independent and standard normal under the priors.

    Returns:
        Parameter name → values, fixed ones included.
    """
    free = free_parameters(priors)
    fixed = np.full(scores.shape[1], 0.5)
    return {
        name: _value(priors, free, name, scores) if name in free else prior.quantile(fixed)
        for name, prior in priors.items()
    }


def pull_to_scores(
    priors: Mapping[str, Prior],
    scores: Float[np.ndarray, "parameter draw"],
    gradient: Mapping[str, Float[np.ndarray, "draw"]],
) -> Float[np.ndarray, "parameter draw"]:
    """A gradient by values as a gradient by normal scores: the chain rule.

    The slope of each quantile function is a central difference in the score, good to about ten digits.

    Args:
        priors: Parameter name → prior.
        scores: Where; one row a free parameter.
        gradient: Parameter name → derivative by its value; one that is absent counts as 0.
    """
    free = free_parameters(priors)
    pulled = np.zeros_like(scores)
    for row, name in enumerate(free):
        if name not in gradient:
            continue
        tied = priors[name].tied
        for own in [row] if tied is None else [row, free.index(tied.to)]:
            ends = []
            for sign in (1, -1):
                moved = scores.copy()
                moved[own] += sign * STEP
                ends.append(_value(priors, free, name, moved))
            pulled[own] += gradient[name] * (ends[0] - ends[1]) / (2 * STEP)
    return pulled


def _value(priors: Mapping[str, Prior], free: tuple[str, ...], name: str, scores: np.ndarray) -> np.ndarray:
    """One parameter of :func:`values_at`."""
    from scipy.special import ndtr

    score, tied = scores[free.index(name)], priors[name].tied
    if tied is not None:
        rho = _normal_correlation(tied.rank_correlation)
        score = rho * scores[free.index(tied.to)] + np.sqrt(1 - rho**2) * score
    return priors[name].quantile(np.clip(ndtr(score), EDGE, 1 - EDGE))


def _normal_correlation(rank_correlation: float) -> float:
    """The correlation of normal scores for a correlation of ranks."""
    return 2 * np.sin(np.pi * rank_correlation / 6)
