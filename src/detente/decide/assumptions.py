"""Key assumptions: what the answer rests on, how well each is backed, and what it would change if it were wrong."""

from dataclasses import dataclass

import numpy as np

from detente.decide.ensemble import Ensemble, run
from detente.decide.search import with_policies
from detente.decide.sensitivity import varying
from detente.decide.tornado import swings
from detente.errors import ScenarioError
from detente.model.scenario import STATED, Policy, Scenario

KINDS = ("evidence", "judgement", "method", "structure")
STRUCTURE_DRAWS = 64


@dataclass(frozen=True)
class Assumption:
    """Something that the answer rests on.

    Attributes:
        text: What is assumed.
        parameter: Name of the parameter, or empty.
        kind: ``evidence`` or ``judgement`` (a prior), ``method`` (how people choose) or ``structure`` (the rules).
        grade: Of the evidence, 1 (confirmed) to 6 (cannot be judged); None where none is cited.
        low: The headline on average where it errs one way; for a prior: in the tenth of worlds where the parameter is
            lowest. None where it was not varied.
        high: The headline on average where it errs the other way; for a structure: with the alternative.
        note: Where the two figures come from.
    """

    text: str
    parameter: str
    kind: str
    grade: int | None
    low: float | None
    high: float | None
    note: str

    @property
    def effect(self) -> float | None:
        """How far apart the two figures are; None where it was not varied."""
        return None if self.low is None or self.high is None else abs(self.high - self.low)


def assumptions(
    scenario: Scenario, ensemble: Ensemble, outcome: str, policy: str, *, structure_draws: int = STRUCTURE_DRAWS
) -> tuple[Assumption, ...]:
    """List what an outcome under a policy rests on, what would change it most first.

    Priors are judged from the worlds that are there: the tenth in which the parameter is lowest against the tenth in
    which it is highest, all others varying as they do. Whether others know of the commitment, and each rival structure
    that the scenario names, is varied by solving some worlds again. What the rules leave out cannot be varied, and is
    said to be so.

    Args:
        scenario: The scenario.
        ensemble: Its solved ensemble.
        outcome: Name of a flag or number.
        policy: Name of a policy.
        structure_draws: Worlds that are solved again; 0 leaves these assumptions as not varied.

    Returns:
        The assumptions; those that were not varied come last.
    """
    found = [
        _prior(scenario, s.parameter, s.low, s.high)
        for s in swings(ensemble.outcome(outcome, policy), varying(ensemble))
    ]
    chosen = scenario.policy(policy)
    if chosen.commit:
        found.append(_unannounced(scenario, ensemble, outcome, policy, structure_draws))
    rivals = [name for name in (STATED, *scenario.file.structures) if name != scenario.structure_name]
    found += [_rival(scenario, ensemble, outcome, policy, structure_draws, name) for name in rivals]
    found.append(
        Assumption(
            "nobody has options, and nothing can happen, beyond those of the rules",
            "",
            "structure",
            None,
            None,
            None,
            "not varied: write it into the rules to see",
        )
    )
    return tuple(sorted(found, key=lambda a: -1.0 if a.effect is None else a.effect, reverse=True))


def _prior(scenario: Scenario, name: str, low: float, high: float) -> Assumption:
    known = scenario.file.parameters[name]
    kind = "method" if name in scenario.precisions else "evidence" if known.evidence else "judgement"
    title = scenario.parameter_title(name)
    return Assumption(title, name, kind, known.grade, low, high, "lowest tenth of worlds → highest tenth")


def _unannounced(scenario: Scenario, ensemble: Ensemble, outcome: str, policy: str, count: int) -> Assumption:
    """What changes if everybody knew that the player is bound, or did not."""
    chosen = scenario.policy(policy)
    text = f"the others {'know' if chosen.announced else 'do not know'} that the {scenario.file.decides} is bound"
    if count < 1:
        return Assumption(text, "", "structure", None, None, None, "not varied: no worlds were solved again")
    other = chosen.model_copy(update={"announced": not chosen.announced})
    both: dict[str, Policy] = {"as assumed": chosen, "otherwise": other}
    again = run(with_policies(scenario, both), draws=_first(ensemble, count), seed=ensemble.seed)
    low, high = (float(np.mean(again.outcome(outcome, name))) for name in both)
    return Assumption(text, "", "structure", None, low, high, _solved_again(again.usable))


def _rival(scenario: Scenario, ensemble: Ensemble, outcome: str, policy: str, count: int, structure: str) -> Assumption:
    """What changes if the crisis works as another of the scenario's structures says."""
    text = "the crisis does not work as the file states without a structure"
    if structure != STATED:
        text = f"the crisis does not work as “{scenario.file.structures[structure].title}” says"
    if count < 1:
        return Assumption(text, "", "structure", None, None, None, "not varied: no worlds were solved again")
    rival = scenario.structure(structure)
    if outcome not in rival.game.outcomes:
        raise ScenarioError(
            f"{scenario.slug}: structures.{structure}: its rules do not have the outcome {outcome!r}. Note the same "
            "outcomes under all structures."
        )
    worlds, chosen = _first(ensemble, count), {policy: scenario.policy(policy)}
    again = run(rival, policies=chosen, draws=worlds, seed=ensemble.seed)
    usable = again.usable & ensemble.usable[: again.num_draws]
    if not usable.any():
        return Assumption(text, "", "structure", None, None, None, "not varied: no world converged under both")
    row = ensemble.policy_index(policy), ensemble.outcomes.index(outcome)
    low = float(ensemble.values[row][: again.num_draws][usable].mean())
    high = float(again.values[0, again.outcomes.index(outcome)][usable].mean())
    return Assumption(text, "", "structure", None, low, high, _solved_again(usable))


def _first(ensemble: Ensemble, count: int) -> dict[str, np.ndarray]:
    """The first worlds of an ensemble, to be solved again under another assumption."""
    return {name: np.asarray(values)[:count] for name, values in ensemble.draws.items()}


def _solved_again(usable: np.ndarray) -> str:
    left_out = int((~usable).sum())
    said = f", {left_out} more did not converge" if left_out else ""
    return f"as assumed → otherwise, in {int(usable.sum())} worlds{said}"
