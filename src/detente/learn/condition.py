"""Possible worlds weighed by what was observed: importance weights over an ensemble, or tempered particles."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from detente.errors import SolveError, UsageError, nearest
from detente.learn.likelihood import log_likelihood
from detente.learn.observations import Observations, make_observations
from detente.learn.observed import as_observation, observed_of
from detente.learn.particles import temper
from detente.learn.worlds import draw_scores, free_parameters, values_at
from detente.model.scenario import Scenario, check_against_game
from detente.solve.api import solve

LEAST_ESS = (
    200.0  # draws' worth below which a 90 % interval is mostly chance: its ends are off by some 0.015/√(ESS/200)
)
CHUNK = 128  # draws solved together, so that memory does not grow with the number of draws
METHODS = ("importance", "smc")


@dataclass(frozen=True, eq=False)
class Conditioned:
    """Possible worlds with the weight that an observation gives them.

    Attributes:
        scenario: Where it was observed.
        parameters: The free parameters: rows of ``scores``.
        scores: Normal scores of each world under the prior, (parameter, draw).
        values: Parameter name → value, (draw,).
        log_likelihood: Log-probability of the whole observation in each world, (draw,).
        terms: Move → log-probability of what was seen of it given what was seen of the moves before it, (draw,).
        weights: Posterior weight of each world; they sum to 1, and are 0 where no equilibrium was found.
        converged: Whether the equilibrium was found, (draw,).
        method: ``importance`` (worlds from the prior, weighed) or ``smc`` (particles of the posterior).
        log_evidence: Logarithm of the probability of the observation before it was made.
        message: How the numbers were made, in words.
    """

    scenario: Scenario
    parameters: tuple[str, ...]
    scores: Float[np.ndarray, "parameter draw"]
    values: Mapping[str, Float[np.ndarray, "draw"]]
    log_likelihood: Float[np.ndarray, "draw"]
    terms: Mapping[str, Float[np.ndarray, "draw"]]
    weights: Float[np.ndarray, "draw"]
    converged: Bool[np.ndarray, "draw"]
    method: str
    log_evidence: float
    message: str

    @property
    def num_draws(self) -> int:
        """Number of worlds."""
        return self.scores.shape[1]

    @property
    def ess(self) -> float:
        """How many equally weighted draws from the posterior these are worth."""
        return effective_size(self.weights)

    @property
    def num_unconverged(self) -> int:
        """Worlds that are left out because no equilibrium was found."""
        return int((~self.converged).sum())


def effective_size(weights: Float[np.ndarray, "draw"]) -> float:
    """Effective sample size of weights, (Σw)² / Σw².

    Args:
        weights: Numbers ≥ 0.

    Example:
        >>> effective_size(np.array([0.5, 0.5, 0.0]))
        2.0
    """
    total = float((weights**2).sum())
    return float(weights.sum()) ** 2 / total if total > 0 else 0.0


def condition(
    scenario: Scenario,
    *,
    num_draws: int = 2_048,
    seed: int = 0,
    method: str = "importance",
    least_ess: float = LEAST_ESS,
    progress_fn: Callable[[int], None] | None = None,
) -> Conditioned:
    """Learn from what was observed: worlds in which it was likelier count for more.

    Args:
        scenario: Its priors, and its [observed].
        num_draws: Possible worlds.
        seed: Of the draws (and of the moves of the particles).
        method: ``importance``: worlds from the priors are weighed. ``smc``: particles are led from the prior to the
            posterior in steps, resampled and moved at each; takes longer, and works where few worlds fit.
        least_ess: Effective number of draws below which there is no summary.
        progress_fn: Called with the number of draws solved so far.

    Returns:
        The weighed worlds.

    Raises:
        UsageError: If nothing was observed, or the effective number of draws is too small: it says how many draws to
            take.
        SolveError: If no world makes the observation possible.
        ScenarioError: If the observation names what the rules do not have.
    """
    if method not in METHODS:
        raise UsageError(f"--method: {method!r} is not known.{nearest(method, METHODS)}")
    check_against_game(scenario, scenario.game)
    prefixes = _prefixes(scenario)
    names = list(prefixes)
    scores = draw_scores(scenario.priors, num_draws, seed=seed)
    found, converged = evaluate(scenario, scores, list(prefixes.values()), progress_fn=progress_fn)
    _check_possible(scenario, found[-1], converged)
    terms = _terms(names, found)
    log_evidence = _log_mean(found[-1][converged])
    if method == "smc":
        return _by_particles(scenario, scores, found[-1], converged, list(prefixes.values())[-1:], num_draws, seed)
    weights = weights_of(found[-1], converged)
    size = effective_size(weights)
    if size < least_ess:
        raise UsageError(
            f"learn: {num_draws} draws weighed by what was observed are worth {size:.0f} equal ones, fewer than the "
            f"{least_ess:.0f} that a summary needs. Take about --draws {_enough(num_draws, size, least_ess)}, or "
            "--method smc."
        )
    return Conditioned(
        scenario,
        free_parameters(scenario.priors),
        scores,
        values_at(scenario.priors, scores),
        found[-1],
        terms,
        weights,
        converged,
        "importance",
        log_evidence,
        f"{num_draws} worlds from the priors, weighed by how likely each makes what was observed; worth {size:.0f} "
        "equal draws",
    )


def evaluate(
    scenario: Scenario,
    scores: Float[np.ndarray, "parameter draw"],
    observations: list[Observations],
    *,
    progress_fn: Callable[[int], None] | None = None,
) -> tuple[list[Float[np.ndarray, "draw"]], Bool[np.ndarray, "draw"]]:
    """Log-probability of several observations in every world.

    Args:
        scenario: Its rules, priors and precision.
        scores: Normal scores of the worlds.
        observations: What was seen; each of one row.
        progress_fn: Called with the number of draws solved so far.

    Returns:
        One array of log-probabilities, (draw,), an observation, and which draws have an equilibrium.
    """
    num_draws = scores.shape[1]
    found = [np.full(num_draws, np.nan) for _ in observations]
    converged = np.zeros(num_draws, dtype=bool)
    for first in range(0, num_draws, CHUNK):
        block = slice(first, min(first + CHUNK, num_draws))
        values = values_at(scenario.priors, scores[:, block])
        solution = solve(scenario.game, values, **scenario.behaviour)
        converged[block] = solution.converged
        for target, seen in zip(found, observations, strict=True):
            target[block] = log_likelihood(
                scenario.game, values, seen, precision=scenario.file.precision, solution=solution
            ).value
        if progress_fn is not None:
            progress_fn(block.stop)
    return found, converged


def weights_of(
    log_likelihood: Float[np.ndarray, "draw"], converged: Bool[np.ndarray, "draw"]
) -> Float[np.ndarray, "draw"]:
    """Weights that sum to 1; 0 for draws without an equilibrium.

    Args:
        log_likelihood: Log-probability of what was observed.
        converged: Whether the equilibrium was found.

    Example:
        >>> weights_of(np.log([0.1, 0.3, np.nan]), np.array([True, True, False])).round(2).tolist()
        [0.25, 0.75, 0.0]
    """
    logs = np.where(converged, log_likelihood, -np.inf)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _prefixes(scenario: Scenario) -> dict[str, Observations]:
    """Move → what had been seen up to and with it, in the order of the file."""
    observed = observed_of(scenario)
    moves = tuple(observed.moves)
    return {
        move: make_observations(scenario.game, as_observation(observed, moves[: i + 1])) for i, move in enumerate(moves)
    }


def _terms(names: list[str], found: list[np.ndarray]) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore"):
        return {name: found[i] - (found[i - 1] if i else 0.0) for i, name in enumerate(names)}


def _check_possible(scenario: Scenario, value: np.ndarray, converged: np.ndarray) -> None:
    if not converged.any():
        raise SolveError(
            f"learn: no equilibrium was found in any of {len(value)} worlds of {scenario.slug!r}. Lower the precision."
        )
    if not np.isfinite(value[converged]).any():
        raise SolveError(
            f"learn: what {scenario.slug!r} says was observed is impossible in every world that its priors reach. "
            "Correct [observed], or widen the priors of the chances that stand in the way."
        )


def _log_mean(values: Float[np.ndarray, "draw"]) -> float:
    top = values.max()
    return float(top + np.log(np.mean(np.exp(values - top))))


def _enough(num_draws: int, size: float, least: float) -> int:
    """A power of two that should give the effective size wanted, with a little to spare."""
    return int(2 ** np.ceil(np.log2(1.1 * num_draws * least / max(size, 1e-9))))


def _by_particles(
    scenario: Scenario,
    scores: np.ndarray,
    value: np.ndarray,
    converged: np.ndarray,
    seen: list[Observations],
    num_draws: int,
    seed: int,
) -> Conditioned:
    def log_fn(at: np.ndarray) -> np.ndarray:
        (found,), good = evaluate(scenario, at, seen)
        return np.where(good, found, -np.inf)

    start = np.where(converged, value, -np.inf)
    swarm = temper(log_fn, scores, start, rng=np.random.default_rng([seed, 1]))
    return Conditioned(
        scenario,
        free_parameters(scenario.priors),
        swarm.scores,
        values_at(scenario.priors, swarm.scores),
        swarm.log_likelihood,
        {},
        np.full(num_draws, 1 / num_draws),
        np.ones(num_draws, dtype=bool),
        "smc",
        swarm.log_evidence,
        f"{num_draws} particles led from the priors to the posterior in {len(swarm.temperatures)} steps, each "
        f"resampled and moved {swarm.num_moves} times (accepted {100 * swarm.accepted:.0f} %); {swarm.num_distinct} "
        "distinct particles are left",
    )


def observed_words(scenario: Scenario) -> dict[str, Any]:
    """What was observed and how surely, for tables: move → option, and how well others fit the reports.

    Example:
        >>> from detente.model.scenario import load_scenario
        >>> observed_words(load_scenario("april-2024"))["reply"]
        'none'
    """
    observed = observed_of(scenario)
    return {
        move: option
        if move not in observed.reports
        else f"{option} (others fit the reports too: "
        + ", ".join(f"{o} at {w:g}" for o, w in observed.reports[move].fits.items() if o != option)
        + ")"
        for move, option in observed.moves.items()
    }
