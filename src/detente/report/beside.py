"""Two solvers' answers to one game, side by side, and where they differ most."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detente.model.gambit import GambitProfile
from detente.solve.solution import Solution

SAME = 1e-4  # largest difference of a probability that is put down to the other solver's tolerance


@dataclass(frozen=True, eq=False)
class Beside:
    """A solution and Gambit's, for one precision.

    Attributes:
        ours: The solution, of one draw.
        theirs: The same with Gambit's probabilities and payoffs.
        profile: What Gambit gave.
        difference: The greatest difference of a probability.
        at: Where it is, in words.
        payoff_difference: The greatest difference of a player's payoff.
    """

    ours: Solution
    theirs: Solution
    profile: GambitProfile
    difference: float
    at: str
    payoff_difference: float

    @property
    def message(self) -> str:
        """What the two have in common, in words."""
        if not self.profile.at_precision:
            return (
                f"Gambit stopped at precision {self.profile.precision_reached:.6g} instead of "
                f"{self.profile.precision:g} and does not say so: its numbers are of another precision"
            )
        verdict = "the same" if self.difference <= SAME else "another equilibrium, or one of the two is wrong"
        return (
            f"greatest difference {self.difference:.1e}, at {self.at}; payoffs {self.payoff_difference:.1e}: {verdict}"
        )


def put_beside(solutions: Sequence[Solution], profiles: Sequence[GambitProfile]) -> tuple[Beside, ...]:
    """Compare solutions of a game with what Gambit finds at the same precisions.

    Args:
        solutions: One for each precision; their first draw counts.
        profiles: Gambit's, in the same order.

    Example:
        >>> import detente as dt
        >>> import numpy as np
        >>> from detente.library.games import GAMES
        >>> solution = dt.solve(dt.compile(GAMES["seltens-horse"].crisis), precision=1)
        >>> same = GambitProfile(1.0, 1.0, solution.probabilities[:, 0], solution.payoffs[:, 0] + 0.5, "16.7.0", 0.1)
        >>> (found,) = put_beside([solution], [same])
        >>> found.difference, round(found.payoff_difference, 3)
        (0.0, 0.5)
    """
    return tuple(_one(*pair) for pair in zip(solutions, profiles, strict=True))


def _one(solution: Solution, profile: GambitProfile) -> Beside:
    game, theirs = solution.game, profile.probabilities[:, None]
    with np.errstate(divide="ignore"):
        logs = np.log(theirs)
    gaps = np.abs(solution.probabilities[:, 0] - profile.probabilities)
    slot = int(gaps.argmax())
    index = int(np.searchsorted(game.infoset_start, slot, side="right")) - 1
    infoset = game.infosets[index]
    option = infoset.options[slot - int(game.infoset_start[index])]
    known = ", ".join(f"{name} {label}" for name, label in infoset.knows)
    return Beside(
        ours=solution,
        theirs=replace(
            solution, probabilities=theirs, log_probabilities=logs, payoffs=profile.payoffs[:, None], method="gambit"
        ),
        profile=profile,
        difference=float(gaps[slot]),
        at=f"{infoset.move} → {option}" + (f" (knowing {known})" if known else ""),
        payoff_difference=float(np.abs(solution.payoffs[:, 0] - profile.payoffs).max()),
    )


def beside_json(found: Beside) -> dict[str, Any]:
    """A comparison in the form that other programs read.

    Args:
        found: One precision of it.
    """
    game, profile = found.ours.game, found.profile
    return {
        "solver": "gambit",
        "version": profile.version,
        "seconds": profile.seconds,
        "precision": profile.precision_reached,
        "at_precision": profile.at_precision,
        "payoffs": profile.payoffs.tolist(),
        "probabilities": [profile.probabilities[game.slots(i)].tolist() for i in range(len(game.infosets))],
        "greatest_difference": found.difference,
        "where": found.at,
        "greatest_payoff_difference": found.payoff_difference,
    }
