"""What was learnt, in figures for people: which parameters moved, why, and whether the model expected what was seen."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from detente.learn.carry import Carried
from detente.learn.condition import Conditioned, weights_of
from detente.learn.score import sample_interval


@dataclass(frozen=True)
class Moved:
    """How far one parameter moved.

    Attributes:
        name: Of the parameter.
        prior: 5, 50 and 95 % points before.
        posterior: The same after.
        shift: Change of the mean in standard deviations of the prior.
        error: Standard error of the shift, from the number of draws.
        because: Move → its part in the shift, in the order in which things were seen; empty where it is not known.
    """

    name: str
    prior: tuple[float, ...]
    posterior: tuple[float, ...]
    shift: float
    error: float
    because: Mapping[str, float]

    @property
    def clear(self) -> bool:
        """Whether the shift is more than chance in the draws would give."""
        return abs(self.shift) > 2 * self.error

    @property
    def main_reason(self) -> str | None:
        """The move that moved it most in the direction in which it went."""
        same = {move: part for move, part in self.because.items() if part * self.shift > 0}
        return max(same, key=lambda move: abs(same[move])) if same else None


def moved_parameters(learnt: Conditioned) -> list[Moved]:
    """Every free parameter before and after, the one that moved most first.

    Args:
        learnt: Weighed worlds.
    """
    flat = weights_of(np.zeros(learnt.num_draws), learnt.converged)
    stages = {"": flat}
    total = np.zeros(learnt.num_draws)
    for move, term in learnt.terms.items():
        total = total + term
        stages[move] = weights_of(total, learnt.converged)
    names = list(stages)
    found = []
    for row, name in enumerate(learnt.parameters):
        z = learnt.scores[row]
        means = [float(z @ w) for w in stages.values()]
        prior = _prior_points(learnt, name, flat)
        mean = float(z @ learnt.weights)
        found.append(
            Moved(
                name,
                prior,
                tuple(sample_interval(learnt.values[name], learnt.weights)),
                mean - (means[0] if learnt.terms else 0.0),
                float(np.sqrt((learnt.weights**2 * (z - mean) ** 2).sum())),
                {move: means[i + 1] - means[i] for i, move in enumerate(names[1:])},
            )
        )
    return sorted(found, key=lambda m: -abs(m.shift))


def _prior_points(learnt: Conditioned, name: str, flat: np.ndarray) -> tuple[float, ...]:
    """5, 50 and 95 % points of the prior: from the draws where they are of the prior, else from its formula."""
    if learnt.terms:
        return tuple(sample_interval(learnt.values[name], flat))
    return tuple(float(v) for v in learnt.scenario.priors[name].quantile(np.array([0.05, 0.5, 0.95])))


@dataclass(frozen=True)
class Predicted:
    """Whether the model expected what was seen of one move.

    Attributes:
        move: Its name.
        before: Probability of what was seen, given what was seen of the moves before it and by what those had taught.
        after: The same by everything that was learnt: how well the posterior reproduces it.
    """

    move: str
    before: float
    after: float


def predictive_check(learnt: Conditioned) -> list[Predicted]:
    """How probable each thing that was seen was, before and after learning from it.

    The product of the figures before is the probability of the whole observation under the priors. Where reports
    disagree, the figure is the probability that reports like these come about.

    Args:
        learnt: Weighed worlds.

    Returns:
        One entry a move, in the order in which they were seen; none for particles, whose moves are not told apart.
    """
    found = []
    total = np.zeros(learnt.num_draws)
    for move, term in learnt.terms.items():
        sofar = weights_of(total, learnt.converged)
        chance = np.where(learnt.converged & np.isfinite(term), np.exp(np.where(np.isfinite(term), term, 0)), 0.0)
        found.append(Predicted(move, float(chance @ sofar), float(chance @ learnt.weights)))
        total = total + term
    return found


@dataclass(frozen=True)
class Contribution:
    """One parameter's part in the change of a forecast.

    Attributes:
        name: Of the parameter.
        shift: How far what was learnt moved it in the new crisis, in standard deviations of its prior.
        part: Its part in the change of the probability, to first order.
    """

    name: str
    shift: float
    part: float


def why_forecast_moved(carried: Carried, move: str, option: str) -> list[Contribution]:
    """Which parameters changed a forecast, the one with the largest part first.

    The probability in each world is fitted by a plane over the parameters; a parameter's part is its slope times how
    far it moved. The parts add up to the change only as far as the plane fits.

    Args:
        carried: The forecast.
        move: Name of a move that was forecast.
        option: One of its options.
    """
    options, shares = carried.worlds[move]
    share: Float[np.ndarray, "draw"] = shares[options.index(option)]
    used = carried.weights_before > 0
    z, w = carried.scores[:, used], carried.weights_before[used]
    design = np.concatenate([np.ones((1, z.shape[1])), z]) * np.sqrt(w)
    slope = np.linalg.lstsq(design.T, share[used] * np.sqrt(w), rcond=None)[0][1:]
    shift = z @ (carried.weights[used] - w)
    found = [
        Contribution(name, float(shift[row]), float(slope[row] * shift[row]))
        for row, name in enumerate(carried.parameters)
        if name in carried.shared
    ]
    return sorted(found, key=lambda c: -abs(c.part))
