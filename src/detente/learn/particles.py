"""Tempered particles: a cloud of worlds led from the prior to the posterior, resampled and moved on the way.

Tempering, resampling and moving are those of Del Moral, Doucet and Jasra (2006); the walk that keeps a normal prior is
that of Cotter, Roberts, Stuart and White (2013).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from detente.errors import SolveError

KEEP = 0.5  # share of the effective size that one step of temperature may cost
NUM_MOVES = 4  # after each step
FIRST_STEP, LEAST_STEP, MOST_STEP = 0.4, 0.02, 0.95  # of the walk, in normal scores
WANTED = 0.3  # share of moves accepted that the step is steered to
MOST_TEMPERATURES = 100


@dataclass(frozen=True, eq=False)
class Swarm:
    """Equally weighted particles of a posterior.

    Attributes:
        scores: Normal scores, (parameter, particle).
        log_likelihood: Of each, (particle,).
        temperatures: Powers of the likelihood that the particles went through, the last being 1.
        log_evidence: Logarithm of the average likelihood under the prior.
        accepted: Share of all moves that were accepted.
        num_moves: Moves of every particle after each step.
        num_distinct: Particles that differ.
    """

    scores: Float[np.ndarray, "parameter particle"]
    log_likelihood: Float[np.ndarray, "particle"]
    temperatures: tuple[float, ...]
    log_evidence: float
    accepted: float
    num_moves: int
    num_distinct: int


def temper(
    log_likelihood_fn: Callable[[Float[np.ndarray, "parameter particle"]], Float[np.ndarray, "particle"]],
    scores: Float[np.ndarray, "parameter particle"],
    log_likelihood: Float[np.ndarray, "particle"],
    *,
    rng: np.random.Generator,
    num_moves: int = NUM_MOVES,
) -> Swarm:
    """Lead particles from the prior to the posterior.

    The likelihood is raised to a power that grows from 0 to 1, each time as far as halves the effective number of
    particles. They are then resampled, and moved by a random walk that leaves the standard normal prior of the scores
    as it is, z' = √(1 − s²)·z + s·noise, so that only the likelihood decides what is accepted, in any dimension.

    Args:
        log_likelihood_fn: Scores, (parameter, particle) → log-likelihood, (particle,); −inf where impossible.
        scores: Independent draws from the prior, standard normal.
        log_likelihood: Their log-likelihoods.
        rng: Source of randomness.
        num_moves: Moves of every particle after each step.

    Returns:
        The particles of the posterior.

    Raises:
        SolveError: If every particle is impossible, or the steps of temperature come to a halt.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> fn = lambda z: -0.5 * ((z[0] - 3) / 0.5) ** 2
        >>> start = rng.normal(size=(1, 2_000))
        >>> swarm = temper(fn, start, fn(start), rng=rng)
        >>> bool(abs(swarm.scores.mean() - 2.4) < 0.1)
        True
    """
    if not np.isfinite(log_likelihood).any():
        raise SolveError("particles: none of the worlds makes what was observed possible. Widen the priors.")
    at, value, power, step = scores.copy(), log_likelihood.copy(), 0.0, FIRST_STEP
    powers, evidence, accepted = [], 0.0, []
    while power < 1.0:
        if len(powers) >= MOST_TEMPERATURES:
            raise SolveError(
                f"particles: after {MOST_TEMPERATURES} steps the likelihood still counts only to the power "
                f"{power:.2g}. Take more draws."
            )
        gain = _next_power(value, power) - power
        logs = gain * value
        evidence += float(logs.max() + np.log(np.mean(np.exp(logs - logs.max()))))
        chosen = _resample(np.exp(logs - logs.max()), rng)
        at, value, power = at[:, chosen], value[chosen], power + gain
        powers.append(power)
        for _ in range(num_moves):
            proposal = np.sqrt(1 - step**2) * at + step * rng.normal(size=at.shape)
            proposed = log_likelihood_fn(proposal)
            with np.errstate(invalid="ignore"):
                take = np.log(rng.random(at.shape[1])) < power * (proposed - value)
            at, value = np.where(take, proposal, at), np.where(take, proposed, value)
            accepted.append(float(take.mean()))
            step = float(np.clip(step * np.exp(accepted[-1] - WANTED), LEAST_STEP, MOST_STEP))
    distinct = len(np.unique(at, axis=1).T)
    return Swarm(at, value, tuple(powers), evidence, float(np.mean(accepted)), num_moves, distinct)


def _next_power(value: Float[np.ndarray, "particle"], power: float) -> float:
    """The power at which the effective size has fallen to the share that is kept; 1 if it does not fall so far."""

    def share(gain: float) -> float:
        weights = np.exp(gain * (value - value.max()))
        return float(weights.sum() ** 2 / (weights**2).sum() / len(value))

    if share(1.0 - power) >= KEEP:
        return 1.0
    low, high = 0.0, 1.0 - power
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) >= KEEP else (low, middle)
    return power + max(high, 1e-9)


def _resample(weights: Float[np.ndarray, "particle"], rng: np.random.Generator) -> np.ndarray:
    """Systematic resampling: each particle about as often as its weight says."""
    edges = np.cumsum(weights / weights.sum())
    points = (np.arange(len(weights)) + rng.random()) / len(weights)
    return np.minimum(np.searchsorted(edges, points), len(weights) - 1)
