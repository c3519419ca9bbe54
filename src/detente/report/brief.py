"""What a brief says: every number and sentence of it, before anything is drawn."""

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from detente.axes import in_a_notebook
from detente.decide.analysis import LEAST_DRAWS, Decision, decide, enough_draws
from detente.decide.ensemble import Ensemble
from detente.decide.influence import MARGIN, Influences, influences
from detente.decide.manifest import game_hash, scenario_hash
from detente.decide.options import Cell, Path, likeliest_paths, options_table, summarise
from detente.errors import UsageError
from detente.model.priors import Fixed, median_draw
from detente.model.scenario import Scenario
from detente.record import Correction, EvidenceRow, corrections, why
from detente.report.words import percent, percent_range, phrase

NUM_PATHS = 5
LITTLE = 0.25  # policies that move a median by less than this share of its 90 % interval hardly matter for it
NUM_EVIDENCE = 5
LEAST_OPTION, MOST_OPTION = 0.02, 0.70  # prior predictive check: no option is certain or impossible in the median world


@dataclass(frozen=True, eq=False)
class Brief:
    """Everything that a brief shows.

    Attributes:
        scenario: The scenario.
        ensemble: The solved ensemble.
        baseline: The policy that commits to nothing, or the first.
        outcomes: Outcome name → title, those of the scenario, headlines first.
        headlines: Names of the headline outcomes.
        bottom_line: At most three sentences.
        table: Policy → outcome → cell.
        choices: Label outcome → policy → label → cell: how likely each option is under each policy.
        paths: Policy → likeliest courses of events.
        influences: Headline outcome → what moves it, under the baseline.
        evidence: Parameter → (meaning, prior in words, judgement, rows of the record), for the most influential ones.
        corrections: Claims of the record that are wrong or distorted, with what is used instead.
        convergence: Status → number of draws.
        manifest: What the numbers were computed from and with.
        decision: Robustness, failures, what to find out and to watch; None where there are too few worlds or policies.
    """

    scenario: Scenario
    ensemble: Ensemble
    baseline: str
    outcomes: Mapping[str, str]
    headlines: tuple[str, ...]
    bottom_line: tuple[str, ...]
    table: Mapping[str, Mapping[str, Cell]]
    choices: Mapping[str, Mapping[str, Mapping[str, Cell]]]
    paths: Mapping[str, tuple[Path, ...]]
    influences: Mapping[str, Influences]
    evidence: Mapping[str, "ParameterEvidence"]
    corrections: tuple[Correction, ...]
    convergence: Mapping[str, int]
    manifest: Mapping[str, Any]
    decision: Decision | None = None

    def _repr_html_(self) -> str:
        return in_a_notebook(self)


@dataclass(frozen=True)
class ParameterEvidence:
    """Why a parameter is believed to be what it is.

    Attributes:
        meaning: What it is.
        unit: Its unit.
        prior: The prior in words.
        grade: Grade of the evidence, or None.
        judgement: Who judged and why, or empty.
        rows: The record behind it.
    """

    meaning: str
    unit: str
    prior: str
    grade: int | None
    judgement: str
    rows: tuple[EvidenceRow, ...]


def check_draws(scenario: Scenario, num_draws: int) -> None:
    """Refuse, before the work, a number of draws from which the parameters cannot be ranked.

    Raises:
        UsageError: If there are too few draws for the uncertain parameters, or none is uncertain.
    """
    uncertain = sum(not isinstance(prior, Fixed) for prior in scenario.priors.values())
    if uncertain == 0:
        raise UsageError(
            f"{scenario.slug}: every prior is fixed, so there is one world and no uncertainty to brief on. Use "
            "'detente solve', or give a parameter a range."
        )
    if num_draws < uncertain + MARGIN:
        raise UsageError(
            f"draws: {num_draws} are too few to rank {uncertain} uncertain parameters. Ask for at least "
            f"{uncertain + MARGIN}; 2000 is usual."
        )


def make_brief(scenario: Scenario, ensemble: Ensemble) -> Brief:
    """Work out everything that a brief says.

    Args:
        scenario: The scenario.
        ensemble: Its solved ensemble.

    Returns:
        The brief; the same ensemble gives the same brief.
    """
    file = scenario.file
    baseline = next(
        (n for n, p in file.policies.items() if not p.commit and n in ensemble.policies), ensemble.policies[0]
    )
    interest = sorted(file.outcomes, key=lambda n: not file.outcomes[n].headline)
    outcomes = {n: file.outcomes[n].title for n in interest if n in ensemble.outcomes}
    headlines = tuple(n for n in outcomes if file.outcomes[n].headline) or tuple(outcomes)[:1]
    table = options_table(ensemble, {n: file.outcomes[n].better for n in outcomes})
    moved = {n: influences(ensemble, n, baseline) for n in headlines}
    return Brief(
        scenario=scenario,
        ensemble=ensemble,
        baseline=baseline,
        outcomes=outcomes,
        headlines=headlines,
        bottom_line=_bottom_line(scenario, ensemble, baseline, headlines, table, moved),
        table=table,
        choices=_choices(ensemble),
        paths=likeliest_paths(ensemble, count=NUM_PATHS, moves=file.courses or None),
        influences=moved,
        evidence=_evidence(scenario, _most_influential(moved)),
        corrections=tuple(corrections(scenario.ledger)),
        convergence=ensemble.status_counts(),
        manifest=manifest(scenario, ensemble),
        decision=decide(scenario, ensemble, gradient_worlds=0) if enough_draws(ensemble) else None,
    )


def no_decision_text(brief: Brief) -> str:
    """Why a brief does not say which policy is robust and when it fails.

    Args:
        brief: A brief without a decision.
    """
    usable = int(brief.ensemble.usable.sum())
    if len(brief.ensemble.policies) < 2:
        return "One policy alone leaves nothing to choose: compare at least two."
    return f"{usable:,} worlds are too few to say which policy is robust: ask for at least {LEAST_DRAWS}."


def _bottom_line(
    scenario: Scenario,
    ensemble: Ensemble,
    baseline: str,
    headlines: tuple[str, ...],
    table: Mapping[str, Mapping[str, Cell]],
    moved: Mapping[str, Influences],
) -> tuple[str, ...]:
    """Three sentences: how likely the first headline is, which policy changes what most, and what that hangs on."""
    file, first = scenario.file, headlines[0]
    title = f"{file.outcomes[first].title[:1].upper()}{file.outcomes[first].title[1:]}"
    cell = table[baseline][first]
    assumed = f"if {_role(scenario)} makes no commitment"
    if file.policies[baseline].commit:
        assumed = f"under “{file.policies[baseline].title}”"
    sentences = [
        f"{title} is {phrase(cell.median, cell.low80, cell.high80)} {assumed} "
        f"(90 % interval {percent_range(cell.low, cell.high)}){_spread(scenario, ensemble, first, cell, table)}."
    ]
    contrast = _largest_contrast(ensemble, headlines, table)
    if contrast is not None:
        name, below, above, share = contrast
        lower, upper = table[below][name], table[above][name]
        sentences.append(
            f"The choice matters most for “{file.outcomes[name].title}”: {percent(lower.median)} under "
            f"“{file.policies[below].title}” ({percent_range(lower.low, lower.high)}) against "
            f"{percent(upper.median)} under "
            f"“{file.policies[above].title}” ({percent_range(upper.low, upper.high)}); the order is the same in "
            f"{percent(share)} of worlds."
        )
    # How exact choices are is an assumption of the method; what the analyst can look into is the rest.
    named = [item for item in moved[first].items if item.parameter not in scenario.precisions]
    if named:
        verb = "rises" if named[0].coefficient > 0 else "falls"
        left_out = f"{ensemble.num_unconverged:,} of {ensemble.num_draws:,} worlds did not converge and are left out"
        solved = f"all {ensemble.num_draws:,} worlds converged" if not ensemble.num_unconverged else left_out
        coefficient = f"{named[0].coefficient:+.2f}".replace("-", "−")
        # Said only where it would have come first: the chart below shows it there.
        ahead = moved[first].items[: moved[first].items.index(named[0])]
        left = " and the ".join(scenario.parameter_title(item.parameter) for item in ahead)
        apart = f", apart from the {left}" if left else ""
        sentences.append(
            f"{title} {verb} most with the {scenario.parameter_title(named[0].parameter)} (rank coefficient "
            f"{coefficient}){apart}; {solved}."
        )
    return tuple(sentences)


def _spread(
    scenario: Scenario, ensemble: Ensemble, outcome: str, cell: Cell, table: Mapping[str, Mapping[str, Cell]]
) -> str:
    """What the policies do to an outcome: its range of medians, or that they hardly move it."""
    policies = scenario.file.policies
    medians = {p: table[p][outcome].median for p in ensemble.policies}
    low, high = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
    if len(medians) == 1:
        return ""
    if medians[high] - medians[low] < LITTLE * (cell.high - cell.low):
        return f" and hardly depends on the policy (medians of {percent_range(medians[low], medians[high])})"
    return (
        f", from {percent(medians[low])} under “{policies[low].title}” to {percent(medians[high])} under "
        f"“{policies[high].title}”"
    )


def _role(scenario: Scenario) -> str:
    role = scenario.file.decides
    who = scenario.file.who.get(role, role)
    return f"the {role}" + (f" ({who})" if who not in (role, f"the {role}") else "")


def _largest_contrast(
    ensemble: Ensemble, headlines: tuple[str, ...], table: Mapping[str, Mapping[str, Cell]]
) -> tuple[str, str, str, float] | None:
    """The headline that two policies move furthest apart, those policies, and how often their order holds."""
    best: tuple[float, str, str, str] | None = None
    for name in headlines:
        if ensemble.game.outcomes[name].kind != "flag":
            continue
        medians = {p: table[p][name].median for p in ensemble.policies}
        low, high = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
        gap = medians[high] - medians[low]
        if best is None or gap > best[0]:
            best = (gap, name, low, high)
    if best is None or best[0] == 0:
        return None
    _, name, low, high = best
    share = float((ensemble.outcome(name, low) < ensemble.outcome(name, high)).mean())
    return name, low, high, share


def _choices(ensemble: Ensemble) -> dict[str, dict[str, dict[str, Cell]]]:
    usable = ensemble.usable
    return {
        name: {
            policy: {label: summarise(values[i, j][usable]) for j, label in enumerate(ensemble.labels[name])}
            for i, policy in enumerate(ensemble.policies)
        }
        for name, values in ensemble.distributions.items()
    }


def _most_influential(moved: Mapping[str, Influences]) -> list[str]:
    """Parameters by their largest influence on any headline."""
    strength: dict[str, float] = {}
    for found in moved.values():
        for item in found.items:
            strength[item.parameter] = max(strength.get(item.parameter, 0.0), abs(item.coefficient))
    return sorted(strength, key=lambda n: -strength[n])[:NUM_EVIDENCE]


def _evidence(scenario: Scenario, names: list[str]) -> dict[str, ParameterEvidence]:
    found = {}
    for name in names:
        parameter = scenario.file.parameters[name]
        prior = parameter.prior
        words = ", ".join(f"{k} {v:g}" for k, v in prior.model_dump(exclude={"kind"}).items())
        found[name] = ParameterEvidence(
            meaning=parameter.meaning,
            unit=parameter.unit,
            prior=f"{prior.kind}: {words}" + (f" ({prior.origin.words})" if prior.origin is not None else ""),
            grade=parameter.grade,
            judgement=parameter.judgement,
            rows=tuple(why(scenario.ledger, cited_by(scenario, name))),
        )
    return found


def cited_by(scenario: Scenario, name: str) -> tuple[str, ...]:
    """Ids of the record that a parameter rests on: those it cites, and those its prior is worked out from.

    Args:
        scenario: The scenario.
        name: Name of a parameter.
    """
    origin = getattr(scenario.priors[name], "origin", None)
    worked_out_from = origin.rests_on if origin is not None else ()
    return tuple(dict.fromkeys([*scenario.file.parameters[name].evidence, *worked_out_from]))


# -- manifest ------------------------------------------------------------------------------------
def manifest(scenario: Scenario, ensemble: Ensemble) -> dict[str, Any]:
    """What the numbers were computed from and with; the same manifest gives the same numbers."""
    packages = ("detente", "numpy", "scipy", "numba", "altair", "vl-convert-python")
    return {
        "scenario": scenario.slug,
        "scenario_sha256": scenario_hash(scenario),
        "game_sha256": game_hash(ensemble.game),
        "as_of": scenario.file.as_of.isoformat(),
        "draws": ensemble.num_draws,
        "seed": ensemble.seed,
        "policies": list(ensemble.policies),
        "nodes": ensemble.game.num_nodes,
        "versions": {name: metadata.version(name) for name in packages},
        "python": ".".join(map(str, sys.version_info[:3])),
        "machine": platform.machine(),
    }


# -- prior predictive check ----------------------------------------------------------------------
@dataclass(frozen=True)
class PriorCheck:
    """Whether anything is certain or impossible before anything is observed.

    Attributes:
        options: Label outcome (or, in a crisis without any, move) → label → probability in the median world.
        problems: What is out of bounds, in words.
    """

    options: Mapping[str, Mapping[str, float]]
    problems: tuple[str, ...]


def prior_predictive_check(scenario: Scenario) -> PriorCheck:
    """Probabilities of the recorded labels in the median world, each of which should lie between 2 and 70 %.

    A crisis that records no labels is judged by what its players choose, where only the lower bound counts: a move may
    have two options.

    Args:
        scenario: The scenario; its median world is solved without any policy.
    """
    from detente.solve.api import solve

    solution = solve(scenario.game, median_draw(scenario.priors), throw=True, **scenario.behaviour)
    game = scenario.game
    shares = {name: solution.outcome(name) for name, outcome in game.outcomes.items() if outcome.rows is None}
    most = MOST_OPTION
    if not shares:
        shares = {move: solution.choice(move) for move in dict.fromkeys(infoset.move for infoset in game.infosets)}
        most = 1 - LEAST_OPTION
    options = {
        name: {label: float(value[0]) for label, value in by_label.items()}
        for name, by_label in shares.items()
        if isinstance(by_label, dict)
    }
    problems = [
        f"{name} = {label}: {percent(share)} in the median world, outside {percent_range(LEAST_OPTION, most)}; the "
        "priors decide it before anything is observed"
        for name, by_label in options.items()
        for label, share in by_label.items()
        if not LEAST_OPTION <= share <= most
    ]
    return PriorCheck(options, tuple(problems))
