"""The decision in one piece: which policy is robust, for whom, at what cost, when it fails, what to learn and watch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detente.axes import in_a_notebook
from detente.decide.assumptions import STRUCTURE_DRAWS, Assumption, assumptions
from detente.decide.boxes import percent
from detente.decide.cards import Card, Flip, flipping_share, flips, make_card
from detente.decide.dominance import Dominance, dominance
from detente.decide.ensemble import Ensemble
from detente.decide.indicators import Indicators, indicators
from detente.decide.information import Information, Worth, value_of_information
from detente.decide.regret import Regret, oriented, quantiles, regret_table, regrets
from detente.decide.robustness import NINETIETH, Robustness, robustness
from detente.decide.search import criterion_values, direction
from detente.decide.sensitivity import Index, Indices, given_data, slices, varying
from detente.decide.tornado import Slope, Swing, gradients, swings
from detente.errors import UsageError, nearest
from detente.model.names import with_article
from detente.model.scenario import Scenario

LEAST_DRAWS = 200  # below, slices and boxes say more about chance than about policies
WORST = 0.1  # the worst tenth of worlds
NUM_ASKED = 6  # parameters whose worth of finding out is worked out in full
NUM_SLICES = 10
GRADIENT_WORLDS = 16
# Those that say how good a policy is; skewness, peakedness and deviations say nothing about its level.
LEVEL_METRICS = ("maximin", "maximax", "hurwicz", "laplace", "minimax regret", NINETIETH)


# -- records ---------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Criterion:
    """How the policies stand by one thing that somebody minds.

    Attributes:
        name: Of an outcome, or of a player (whose expected payoff it is).
        title: What it is called.
        kind: ``payoff``, ``flag`` or ``number``.
        better: ``lower`` or ``higher``.
        minds: Roles that mind it.
        mean: Policy → average over the worlds.
        worst_tenth: Policy → average over its own worst tenth of worlds.
        regret_worst_tenth: Policy → average regret over the tenth of worlds in which its regret is largest.
        regret: One row a policy.
        robustness: By every metric.
        best: The policies that the chosen metric puts first.
    """

    name: str
    title: str
    kind: str
    better: str
    minds: tuple[str, ...]
    mean: Mapping[str, float]
    worst_tenth: Mapping[str, float]
    regret_worst_tenth: Mapping[str, float]
    regret: tuple[Regret, ...]
    robustness: Robustness
    best: tuple[str, ...]

    @property
    def dissent(self) -> dict[str, tuple[str, ...]]:
        """Metrics of level that put none of ``best`` first → the policies that they do put first."""
        scores = [s for s in self.robustness.scores if s.metric in LEVEL_METRICS]
        return {s.metric: s.best for s in scores if s.best and not set(s.best) & set(self.best)}

    @property
    def agreeing(self) -> int:
        """How many of the metrics of level put one of ``best`` first."""
        scores = [s for s in self.robustness.scores if s.metric in LEVEL_METRICS]
        return sum(bool(set(s.best) & set(self.best)) for s in scores)


@dataclass(frozen=True)
class Finding:
    """One parameter as something to find out.

    Attributes:
        parameter: Its name.
        grade: Grade of its evidence; None where it rests on judgement alone.
        index: First-order Sobol index for the first headline under the preferred policy.
        swing: Mean headline in the tenths of worlds where the parameter is lowest and highest.
        slope: From the solver's gradients, under the baseline; None where they were not asked for.
        worth: What finding it out would be worth before choosing; None where a first look says that it would not change
            the choice.
        flip: The threshold beyond which another policy is better on average; None where there is none.
    """

    parameter: str
    grade: int | None
    index: Index
    swing: Swing
    slope: Slope | None
    worth: Worth | None
    flip: Flip | None


@dataclass(frozen=True, eq=False)
class Decision:
    """Everything that ``detente decide`` says.

    Attributes:
        scenario: The scenario.
        ensemble: Its solved ensemble.
        by: The player or outcome by which policies are preferred.
        metric: The robustness metric by which.
        preferred: The most robust policy.
        baseline: The policy that commits to nothing, or the first.
        headlines: Names of the headline outcomes.
        criteria: By name: the players' payoffs, then the outcomes that somebody minds.
        dominance: On the headline outcomes.
        thresholds: Headline → what is just good enough.
        failing: Headline → policy → share of worlds in which it fails.
        beaten: Share of worlds in which another policy is better by the criterion.
        cards: When the preferred policy is beaten, then when it fails by each headline.
        takeover: Of the first card's worlds: the policy that would take over if they were likelier, and how likely they
            would have to be; None where no policy does.
        indices: First-order Sobol indices of the first headline under the preferred policy.
        information: Worth of finding out, of those parameters that could change the choice.
        findings: All parameters as things to find out, most useful first.
        flips: Thresholds at which the preferred policy flips.
        indicators: Headline → what to watch under the preferred policy; only for those that are true or false.
        assumptions: What the first headline rests on.
    """

    scenario: Scenario
    ensemble: Ensemble
    by: str
    metric: str
    preferred: str
    baseline: str
    headlines: tuple[str, ...]
    criteria: Mapping[str, Criterion]
    dominance: Dominance
    thresholds: Mapping[str, float]
    failing: Mapping[str, Mapping[str, float]]
    beaten: float
    cards: tuple[Card, ...]
    takeover: tuple[str, float] | None
    indices: Indices
    information: Information
    findings: tuple[Finding, ...]
    flips: tuple[Flip, ...]
    indicators: Mapping[str, Indicators]
    assumptions: tuple[Assumption, ...]

    def _repr_html_(self) -> str:
        return in_a_notebook(self)


# -- the analysis ----------------------------------------------------------------------------------
def decide(
    scenario: Scenario,
    ensemble: Ensemble,
    *,
    by: str | None = None,
    metric: str = NINETIETH,
    fails: Mapping[str, float] | None = None,
    structure_draws: int = STRUCTURE_DRAWS,
    gradient_worlds: int = GRADIENT_WORLDS,
) -> Decision:
    """Compare the policies over all worlds: which is robust, what it costs, when it fails, what to find out and watch.

    Args:
        scenario: The scenario.
        ensemble: Its solved ensemble, with at least 200 usable draws and two policies.
        by: A player (its expected payoff) or an outcome by which to prefer; by default the deciding player.
        metric: The robustness metric by which; by default the 90th percentile of regret.
        fails: Headline outcome → what is just good enough. By default a policy fails where the outcome is worse than in
            nine worlds of ten without a commitment.
        structure_draws: Worlds solved again to see what it changes if the commitment were known; 0 for none.
        gradient_worlds: Worlds in which the solver's gradients are taken; 0 for none.

    Returns:
        The decision. Cost beyond the ensemble: a few seconds for 10,000 draws of six policies.

    Raises:
        UsageError: If there are too few worlds or policies, or a name is not known.

    Example:
        >>> from detente.decide.ensemble import run
        >>> from detente.model.scenario import load_scenario
        >>> scenario = load_scenario("october-2024")
        >>> found = decide(scenario, run(scenario, num_draws=200), structure_draws=0, gradient_worlds=0)
        >>> found.preferred in found.ensemble.policies and found.criteria[found.by].best[0] == found.preferred
        True
    """
    by = by or scenario.file.decides
    _check(scenario, ensemble, by)
    file, inputs = scenario.file, varying(ensemble)
    wanted = [*ensemble.game.players, *(n for n in file.outcomes if n in ensemble.outcomes)]
    criteria = {name: _criterion(scenario, ensemble, name, metric) for name in wanted}
    chosen = criteria[by]
    preferred = chosen.best[0]
    baseline = next((n for n in ensemble.policies if not scenario.policy(n).commit), ensemble.policies[0])
    outcomes = tuple(n for n in wanted if n in file.outcomes)
    headlines = tuple(n for n in outcomes if file.outcomes[n].headline) or outcomes[:1]
    thresholds = _thresholds(scenario, ensemble, headlines, baseline, fails or {})
    values, own = criterion_values(ensemble, by), ensemble.policy_index(preferred)
    beaten = regrets(values, ensemble.policies, better=chosen.better)[:, own] > _least(values)
    cards = _cards(scenario, ensemble, preferred, chosen, beaten, thresholds, inputs)
    takeover = None
    if cards[0].box is not None:
        takeover = flipping_share(values, cards[0].box.holds(inputs), preferred=own, better=chosen.better)
    turned = flips(values, ensemble.policies, inputs, preferred=preferred, better=chosen.better)
    indices = given_data(ensemble, headlines[0], preferred)
    information = _information(values, ensemble, inputs, chosen.better)
    slopes = (
        gradients(scenario, ensemble, headlines[0], baseline, num_worlds=gradient_worlds) if gradient_worlds else ()
    )
    flags = [n for n in headlines if ensemble.game.outcomes[n].kind == "flag"]
    return Decision(
        scenario=scenario,
        ensemble=ensemble,
        by=by,
        metric=metric,
        preferred=preferred,
        baseline=baseline,
        headlines=headlines,
        criteria=criteria,
        dominance=_dominance(scenario, ensemble, headlines),
        thresholds=thresholds,
        failing={n: _failing(scenario, ensemble, n, thresholds[n]) for n in headlines},
        beaten=float(beaten.mean()),
        cards=cards,
        takeover=None if takeover is None else (ensemble.policies[takeover[0]], takeover[1]),
        indices=indices,
        information=information,
        findings=_findings(scenario, ensemble, headlines[0], preferred, indices, slopes, information, turned),
        flips=turned,
        indicators={n: indicators(ensemble, n, preferred, own=(file.decides,)) for n in flags},
        assumptions=assumptions(scenario, ensemble, headlines[0], preferred, structure_draws=structure_draws),
    )


def enough_draws(ensemble: Ensemble) -> bool:
    """Whether an ensemble has the worlds and policies that :func:`decide` needs.

    Args:
        ensemble: The solved ensemble.
    """
    return int(ensemble.usable.sum()) >= LEAST_DRAWS and len(ensemble.policies) > 1


def _check(scenario: Scenario, ensemble: Ensemble, by: str) -> None:
    usable = int(ensemble.usable.sum())
    if usable < LEAST_DRAWS:
        raise UsageError(
            f"draws: {usable} of {ensemble.num_draws} worlds can be used, too few to say when a policy fails. Ask for "
            f"at least {LEAST_DRAWS}; 2000 is usual."
        )
    if not len(ensemble.policies) > 1:
        names = ", ".join(map(repr, ensemble.policies))
        raise UsageError(f"policies: {names} alone leaves nothing to choose. Compare at least two.")
    known = [*ensemble.game.players, *(n for n in scenario.file.outcomes if n in ensemble.outcomes)]
    if by not in known:
        raise UsageError(f"by: {by!r} is not a player or an outcome of the scenario.{nearest(by, known)}")
    if not any(n in ensemble.outcomes for n in scenario.file.outcomes):
        raise UsageError(f"{scenario.slug}: no outcome is a flag or number, so nothing can fail. Add [outcomes.NAME].")


def _least(values: np.ndarray) -> float:
    """Differences up to this are none."""
    return 1e-12 * max(1.0, float(np.abs(values).max()))


def _criterion(scenario: Scenario, ensemble: Ensemble, name: str, metric: str) -> Criterion:
    values, better = criterion_values(ensemble, name), direction(scenario, name)
    found = robustness(values, ensemble.policies, better=better)
    lost = regrets(values, ensemble.policies, better=better)
    payoff = name in ensemble.game.players
    known = None if payoff else scenario.file.outcomes[name]
    means = dict(zip(ensemble.policies, values.mean(axis=0).tolist(), strict=True))
    # Where several tie, the one that is better on average stands first.
    sign = 1 if better == "lower" else -1
    best = tuple(sorted(found.score(metric).best, key=lambda p: sign * means[p]))
    return Criterion(
        name=name,
        title=scenario.file.who.get(name, name) if known is None else known.title,
        kind="payoff" if payoff else ensemble.game.outcomes[name].kind,
        better=better,
        minds=(name,) if known is None else tuple(known.minds),
        mean=means,
        worst_tenth=dict(zip(ensemble.policies, worst_tenth(values, better=better).tolist(), strict=True)),
        regret_worst_tenth=dict(zip(ensemble.policies, worst_tenth(lost, better="lower").tolist(), strict=True)),
        regret=regret_table(values, ensemble.policies, better=better),
        robustness=found,
        best=best or ensemble.policies[:1],
    )


def worst_tenth(values: np.ndarray, *, better: str = "lower") -> np.ndarray:
    """What each policy brings on average in its own worst tenth of worlds.

    Args:
        values: (draw, policy).
        better: ``lower`` or ``higher``: which values are better.

    Returns:
        (policy,); a tenth is rounded to whole worlds, at least one.

    Example:
        >>> worst_tenth(np.arange(20.0)[:, None], better="lower").tolist()
        [18.5]
    """
    worth = np.sort(oriented(np.asarray(values, dtype=float), better), axis=0)  # the worst come first
    return oriented(worth[: max(1, round(WORST * len(worth)))].mean(axis=0), better)


# -- failing ---------------------------------------------------------------------------------------
def _thresholds(
    scenario: Scenario, ensemble: Ensemble, headlines: tuple[str, ...], baseline: str, given: Mapping[str, float]
) -> dict[str, float]:
    for name in given:
        if name not in headlines:
            raise UsageError(f"fails: {name!r} is not a headline outcome.{nearest(name, headlines)}")
    found = {}
    for name in headlines:
        share = 1 - WORST if scenario.file.outcomes[name].better == "lower" else WORST
        usual = float(quantiles(ensemble.outcome(name, baseline), [share])[0])
        found[name] = float(given.get(name, usual))
    return found


def _fails(scenario: Scenario, ensemble: Ensemble, name: str, policy: str, threshold: float) -> np.ndarray:
    values = ensemble.outcome(name, policy)
    return values > threshold if scenario.file.outcomes[name].better == "lower" else values < threshold


def _failing(scenario: Scenario, ensemble: Ensemble, name: str, threshold: float) -> dict[str, float]:
    return {p: float(_fails(scenario, ensemble, name, p, threshold).mean()) for p in ensemble.policies}


def failure_text(scenario: Scenario, ensemble: Ensemble, name: str, threshold: float) -> str:
    """What counts as a failure, in words.

    Args:
        scenario: The scenario.
        ensemble: Its solved ensemble.
        name: An outcome.
        threshold: What is just good enough.
    """
    known = scenario.file.outcomes[name]
    if ensemble.game.outcomes[name].kind == "flag":
        word = "likelier" if known.better == "lower" else "less likely"
        return f"“{known.title}” {word} than {percent(threshold)}"
    return f"“{known.title}” {'above' if known.better == 'lower' else 'below'} {threshold:.2f}".replace("-", "−")


def _cards(
    scenario: Scenario,
    ensemble: Ensemble,
    preferred: str,
    chosen: Criterion,
    beaten: np.ndarray,
    thresholds: Mapping[str, float],
    inputs: Mapping[str, np.ndarray],
) -> tuple[Card, ...]:
    file = scenario.file
    words = {
        "policy": file.policies[preferred].title,
        "titles": {n: scenario.parameter_title(n) for n in inputs},
        "units": {n: file.parameters[n].unit for n in inputs if len(file.parameters[n].unit.split()) == 1}
        | {n: "" for n in inputs if file.parameters[n].unit in ("probability", "share", "factor", "utility")},
    }
    said = f"another policy is better for {with_article(chosen.title)}"
    if chosen.kind != "payoff":
        said = f"another policy is better on “{chosen.title}”"
    found = [make_card(beaten, inputs, criterion=chosen.name, failure=said, **words)]
    for name, threshold in thresholds.items():
        failed = _fails(scenario, ensemble, name, preferred, threshold)
        failure = failure_text(scenario, ensemble, name, threshold)
        found.append(make_card(failed, inputs, criterion=name, failure=failure, threshold=threshold, **words))
    return tuple(found)


# -- what to find out ------------------------------------------------------------------------------
def _information(values: np.ndarray, ensemble: Ensemble, inputs: Mapping[str, np.ndarray], better: str) -> Information:
    """Worth of finding out, in full only for the parameters that by a first look could change the choice."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    likely = first_look(values, inputs, better=better)[:NUM_ASKED]
    with threadpool_limits(1):  # on a busy machine, threads make these small fits a hundred times slower
        return value_of_information(values, ensemble.policies, {n: inputs[n] for n in likely}, better=better)


def first_look(values: np.ndarray, inputs: Mapping[str, np.ndarray], *, better: str) -> tuple[str, ...]:
    """Parameters by what knowing them could bring at most: ten slices, the best policy of each.

    Args:
        values: The criterion, (draw, policy).
        inputs: Parameter → values, (draw,).
        better: ``lower`` or ``higher``.

    Returns:
        Names, most promising first. It leans high for all alike, and serves to leave the hopeless ones out.

    Example:
        >>> x, z = np.random.default_rng(0).random((2, 1_000))
        >>> first_look(np.stack([np.full(1_000, 0.5), x], axis=1), {"z": z, "x": x}, better="higher")
        ('x', 'z')
    """
    worth = oriented(values, better)
    gap = worth - worth[:, [int(worth.mean(axis=0).argmax())]]
    gains = {}
    for name, x in inputs.items():
        code = slices(x, NUM_SLICES)
        gains[name] = sum(gap[code == k].sum(axis=0).max() for k in range(code.max() + 1)) / len(gap)
    return tuple(sorted(inputs, key=lambda n: -gains[n]))


def _findings(
    scenario: Scenario,
    ensemble: Ensemble,
    headline: str,
    preferred: str,
    indices: Indices,
    slopes: tuple[Slope, ...],
    information: Information,
    turned: tuple[Flip, ...],
) -> tuple[Finding, ...]:
    """Parameters whose finding out is worth something come first, then those that move the headline most."""
    by_slope = {s.parameter: s for s in slopes}
    by_worth = {w.group: w for w in information.groups}
    by_flip: dict[str, Flip] = {}
    for flip in turned:  # the side with more worlds comes first
        by_flip.setdefault(flip.parameter, flip)
    swing = {s.parameter: s for s in swings(ensemble.outcome(headline, preferred), varying(ensemble))}
    found = [
        Finding(
            parameter=name,
            grade=scenario.file.parameters[name].grade,
            index=index,
            swing=swing[name],
            slope=by_slope.get(name),
            worth=by_worth.get(name),
            flip=by_flip.get(name),
        )
        for index in indices.items
        for name in index.parameters
    ]

    def key(item: Finding) -> tuple[float, float]:
        sure = item.worth.value if item.worth is not None and item.worth.low > 0 else 0.0
        return -sure, -item.swing.width

    return tuple(sorted(found, key=key))


def _dominance(scenario: Scenario, ensemble: Ensemble, headlines: tuple[str, ...]) -> Dominance:
    values = {n: criterion_values(ensemble, n) for n in headlines}
    return dominance(values, ensemble.policies, {n: scenario.file.outcomes[n].better for n in headlines})
