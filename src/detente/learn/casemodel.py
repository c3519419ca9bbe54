"""The rules of restraint for any case of the casebook: weak priors, and covariates that move a few payoffs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from detente.axes import Game
from detente.learn.casebook import ACTIONS, RETALIATION, Case
from detente.learn.worlds import values_at
from detente.model.priors import Beta, Lognormal, Normal, Prior, median_draw
from detente.model.scenario import load_scenario
from detente.solve.api import solve
from detente.solve.commit import restrict

BASIS = "april-2024"  # whose best guesses stand for what no case tells apart
FACTOR = 2.0  # two thirds of the draws of a payoff lie within this factor of the best guess
TRIALS = 4.0  # a share is as uncertain as after this many trials
STEP_SD = 0.7  # of the logarithm of the factor that one step of a covariate is worth: a factor of two, either way
MEAN_SEVERITY, STEP_SEVERITY = (
    3.0,
    3.0,
)  # judged from the scale (3 is the middle of what one attack reaches), not fitted
OFFSET_SD = 1.0  # of the logarithm of how far a code reaches beyond its options: a factor of 2.7, either way
CHUNK = 512

# What the casebook can tell apart. Everything else (forty parameters) is fixed at its best guess of April 2024.
PAYOFFS = ("face", "token_gain", "strike_risk", "alliance", "war_protege", "adversary_face", "precision")
SHARES = ("token_face", "protege_hawk", "patron_word")
COVARIATES: Mapping[str, str] = {
    "severity": "face: what holding back costs at home, for three more steps of provocation",
    "dependence": "alliance: what a breach costs, for one more step of dependence",
    "coercion": "alliance: what a breach costs, where the patron threatens or obstructs",
    "inducement": "alliance: what a breach costs, where the patron offers something",
}
# The codes of the casebook and the options of the rules do not match one to one: "limited" is more than a deniable
# strike, and "major" has three options. An offset for each moves its share by a factor that the cases teach.
OFFSETS = ("limited", "major")


@dataclass(frozen=True, eq=False)
class CaseModel:
    """The rules with everything that does not differ between cases put in.

    Attributes:
        priors: Of the parameters that the casebook can tell apart, and of the covariates' weights.
        fixed: Value of every other parameter.
        games: (message, channel) → the rules after that message.
    """

    priors: Mapping[str, Prior]
    fixed: Mapping[str, float]
    games: Mapping[tuple[str, str], Game]


def weak_priors(best: Mapping[str, float]) -> dict[str, Prior]:
    """Priors that know the size of things and little else.

    Args:
        best: Best guess of each payoff and share.

    Returns:
        Payoffs within a factor of two, shares as after four trials, and the weights of the covariates with mean 0, so
        that neither direction is favoured.

    Example:
        >>> priors = weak_priors({name: 0.5 for name in (*PAYOFFS, *SHARES)})
        >>> priors["face"].median, priors["weight of severity"].mean
        (0.5, 0.0)
    """
    priors: dict[str, Prior] = {name: Lognormal(median=best[name], factor=FACTOR) for name in PAYOFFS}
    priors |= {
        name: Beta(successes=1 + (TRIALS - 2) * best[name], failures=1 + (TRIALS - 2) * (1 - best[name]))
        for name in SHARES
    }
    priors |= {f"weight of {name}": Normal(mean=0, sd=STEP_SD) for name in COVARIATES}
    return priors | {f"offset of {code}": Normal(mean=0, sd=OFFSET_SD) for code in OFFSETS}


def make_case_model(cases: Sequence[Case]) -> CaseModel:
    """Compile the rules once, and cut them down to each message that some case needs.

    The patron's message is given by the case, and everybody plays the game that begins after it: what a message says
    about the patron that chose it is left out. That makes the tree a tenth as large.

    Args:
        cases: Cases whose messages are wanted.
    """
    whole, best = _basis()
    games = {
        (message, channel): restrict(whole, {"message": message, "channel": channel})
        for message, channel in sorted({(case.message, case.channel) for case in cases})
    }
    varied = (*PAYOFFS, *SHARES)
    return CaseModel(weak_priors(best), {name: value for name, value in best.items() if name not in varied}, games)


@lru_cache(maxsize=1)
def _basis() -> tuple[Game, dict[str, float]]:
    """The whole game and the best guesses, kept because writing out its histories takes seconds."""
    scenario = load_scenario(BASIS)
    return scenario.game, median_draw(scenario.priors)


def case_values(model: CaseModel, values: Mapping[str, np.ndarray], case: Case) -> dict[str, np.ndarray]:
    """The parameters of one case: what all share, moved by the case's covariates.

    Args:
        model: The rules and what is fixed in them.
        values: Draws of what all cases share.
        case: The case; a covariate that is not coded counts as average.

    Returns:
        Parameter name → value, (draw,).
    """
    num_draws = len(next(iter(values.values())))
    found = {name: np.full(num_draws, value) for name, value in model.fixed.items()}
    found |= {name: values[name] for name in (*PAYOFFS, *SHARES)}
    severity = 0.0 if case.severity is None else (case.severity - MEAN_SEVERITY) / STEP_SEVERITY
    found["face"] = found["face"] * np.exp(values["weight of severity"] * severity)
    step = values["weight of dependence"] * (0.0 if case.dependence is None else case.dependence)
    step = step + values["weight of coercion"] * case.coerces + values["weight of inducement"] * case.induces
    found["alliance"] = found["alliance"] * np.exp(step)
    return found


def forecast_cases(
    model: CaseModel,
    cases: Sequence[Case],
    scores: Float[np.ndarray, "parameter draw"],
    *,
    progress_fn: Callable[[int], None] | None = None,
) -> Float[np.ndarray, "case action draw"]:
    """What the protégé does in every case and every possible world.

    Args:
        model: The rules.
        cases: The cases.
        scores: Normal scores of the worlds.
        progress_fn: Called with the number of cases done.

    Returns:
        Probability of each code of ``ACTIONS``; NaN where no equilibrium was found.
    """
    values = values_at(model.priors, scores)
    found = np.full((len(cases), len(ACTIONS), scores.shape[1]), np.nan)
    for number, case in enumerate(cases):
        at = case_values(model, values, case)
        game = model.games[case.message, case.channel]
        outcome = game.outcomes["retaliation"]
        for first in range(0, scores.shape[1], CHUNK):
            block = slice(first, first + CHUNK)
            some = {name: array[block] for name, array in at.items()}
            solution = solve(game, some, precision="precision", exact=False)
            leaves = solution.leaf_probabilities()
            for row, labels in enumerate(RETALIATION.values()):
                mine = np.isin(outcome.codes, [outcome.labels.index(label) for label in labels])
                found[number, row, block] = np.where(solution.converged, leaves[mine].sum(axis=0), np.nan)
        for code in OFFSETS:
            found[number, ACTIONS.index(code)] *= np.exp(values[f"offset of {code}"])
        found[number] /= found[number].sum(axis=0)
        if progress_fn is not None:
            progress_fn(number + 1)
    return found
