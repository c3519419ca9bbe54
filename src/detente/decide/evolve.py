"""Policy search where levers are too many to try or can be set continuously: by evolution, with pymoo."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detente.decide.ensemble import Ensemble, run
from detente.decide.robustness import NINETIETH, metrics, robustness
from detente.decide.search import SEPARATOR, criterion_values, direction, reducer, wanted_levers, with_policies
from detente.errors import UsageError, nearest
from detente.model.priors import draw
from detente.model.scenario import Policy, Scenario

OPEN = ""  # a lever that is left to be played as in equilibrium
CANDIDATE = "candidate"
INSTALL = "pip install 'detente[search]'"


@dataclass(frozen=True)
class Candidate:
    """One policy that was tried: options committed to and values set, and how robust it is.

    Attributes:
        commit: Move → option; moves that are not in it are left to be played as in equilibrium.
        settings: Parameter → value that the deciding player gives it.
        scores: Criterion → figure of the metric; more is better.
        means: Criterion → average over the worlds, in its own unit.
    """

    commit: Mapping[str, str]
    settings: Mapping[str, float]
    scores: Mapping[str, float]
    means: Mapping[str, float]

    @property
    def title(self) -> str:
        """The options and values in words."""
        said = [f"{move}: {option}" for move, option in self.commit.items()]
        said += [f"{name} = {value:.3g}" for name, value in self.settings.items()]
        return SEPARATOR.join(said) or "no commitment"


@dataclass(frozen=True, eq=False)
class Evolution:
    """What came of a search by evolution.

    Attributes:
        by: The players or outcomes that policies were judged by.
        metric: The metric.
        found: The policies that no other one tried beats on every criterion, best on the first one first.
        num_tried: How many different policies were tried.
        num_worlds: Worlds in which each was judged.
        num_left_out: Worlds that did not converge, for the policy with the most of them.
    """

    by: tuple[str, ...]
    metric: str
    found: tuple[Candidate, ...]
    num_tried: int
    num_worlds: int
    num_left_out: int


def evolve(
    scenario: Scenario,
    *,
    by: str | Sequence[str] | None = None,
    metric: str = NINETIETH,
    moves: Sequence[str] | None = None,
    knobs: Mapping[str, tuple[float, float]] | None = None,
    num_draws: int = 64,
    seed: int = 0,
    population: int = 24,
    generations: int = 20,
    progress_fn: Callable[[int], None] | None = None,
) -> Evolution:
    """Search for robust policies where there are too many to try them all, or where a lever is a number.

    Levers are the moves of the deciding player, as in :func:`detente.decide.search.search`, and parameters that it can
    set (``knobs``), such as the size of an aid package. With one criterion the best policies are sought, with several
    those between which one has to choose. Metrics of regret compare each policy with those of the scenario.

    Args:
        scenario: The scenario.
        by: A player (its expected payoff) or an outcome, or several of them; by default the deciding player.
        metric: Name of a robustness metric; see :func:`detente.decide.robustness.metrics`.
        moves: Which levers; by default all moves of the deciding player. Empty for none.
        knobs: Parameter that the deciding player sets → lowest and highest value.
        num_draws: Worlds in which each policy is judged.
        seed: Of the draws, and of the search: the same seed gives the same policies.
        population: Policies in a generation.
        generations: How many generations.
        progress_fn: Called with the number of generations done.

    Returns:
        The policies that nothing tried beats. Cost: one solve of ``num_draws`` a generation, and with ``knobs`` one a
        policy. A search by chance may miss the best: repeat it with another seed.

    Raises:
        UsageError: If pymoo is not installed, a name is not known, or there is nothing to search.

    Source:
        deb2002 (ranking by dominance); mcphail2018 (metrics).
    """
    judges = (scenario.file.decides,) if by is None else (by,) if isinstance(by, str) else tuple(by)
    levers, knobs = wanted_levers(scenario, moves), dict(knobs or {})
    _check(scenario, judges, metric, levers, knobs, population, generations)
    judge = _Judge.made(scenario, judges, metric, levers, num_draws, seed)
    _run_pymoo(judge, levers, knobs, population, generations, seed, progress_fn)
    tried = list(judge.known.values())
    first = judges[0]
    found = sorted(_non_dominated(tried, judges), key=lambda c: (-c.scores[first], len(c.commit)))
    return Evolution(judges, metric, tuple(found), len(tried), num_draws, judge.num_left_out)


def _check(
    scenario: Scenario,
    judges: tuple[str, ...],
    metric: str,
    levers: Mapping[str, tuple[str, ...]],
    knobs: Mapping[str, tuple[float, float]],
    population: int,
    generations: int,
) -> None:
    for name in judges:
        direction(scenario, name)
    if metric not in metrics() or metric == "satisficing":
        known = [name for name in metrics() if name != "satisficing"]
        raise UsageError(f"metric: {metric!r} is not known.{nearest(metric, known)}")
    if not levers and not knobs:
        raise UsageError("levers: there are none, so there is nothing to search. Name moves, or give knobs.")
    for name, (low, high) in knobs.items():
        if name not in scenario.file.parameters:
            raise UsageError(f"knobs: {name!r} is not a parameter.{nearest(name, scenario.file.parameters)}")
        if not (np.isfinite([low, high]).all() and low < high):
            raise UsageError(f"knobs: {name!r} goes from {low} to {high}. Give a lower and a higher number.")
    if min(population, generations) < 2:
        raise UsageError(
            f"population: {population} policies in {generations} generations cannot evolve. Give at least 2 of each."
        )


# -- judging ---------------------------------------------------------------------------------------
@dataclass(eq=False)
class _Judge:
    """Scores policies in the same worlds, each once."""

    scenario: Scenario
    by: tuple[str, ...]
    metric: str
    reduce_fn: Callable[[Mapping[str, str]], dict[str, str]]
    worlds: Mapping[str, np.ndarray]
    reference: Ensemble
    known: dict[tuple[Any, ...], Candidate] = field(default_factory=dict)
    num_left_out: int = 0

    @classmethod
    def made(
        cls,
        scenario: Scenario,
        by: tuple[str, ...],
        metric: str,
        levers: Mapping[str, tuple[str, ...]],
        num_draws: int,
        seed: int,
    ) -> "_Judge":
        worlds = draw(scenario.priors, num_draws, seed=seed, correlations=scenario.file.correlations)
        return cls(scenario, by, metric, reducer(scenario.game, levers), worlds, run(scenario, draws=worlds, seed=seed))

    def key(self, picked: Mapping[str, Any], levers: Mapping[str, Any]) -> tuple[Any, ...]:
        """What a choice of pymoo comes to: options that have no effect left out."""
        commit = self.reduce_fn({m: picked[m] for m in levers if picked[m] != OPEN})
        settings = {name: float(value) for name, value in picked.items() if name not in levers}
        return tuple(commit.items()), tuple(settings.items())

    def judge(self, keys: Sequence[tuple[Any, ...]]) -> None:
        """Score what is new, all that set the same parameters together."""
        new = [key for key in dict.fromkeys(keys) if key not in self.known]
        for settings in dict.fromkeys(key[1] for key in new):
            together = [key for key in new if key[1] == settings]
            policies = {
                str(i): Policy(title="tried", meaning="tried", commit=dict(k[0])) for i, k in enumerate(together)
            }
            worlds = dict(self.worlds)
            for name, value in settings:
                worlds[name] = np.full_like(worlds[name], value)
            found = run(with_policies(self.scenario, policies), draws=worlds)
            usable = self.reference.usable & found.usable
            self.num_left_out = max(self.num_left_out, int((~usable).sum()))
            if not usable.any():
                raise UsageError(
                    f"draws: none of {len(usable)} worlds converged for {dict(settings)}. Narrow the knobs."
                )
            for i, key in enumerate(together):
                self.known[key] = self._scored(key, found, i, usable)

    def _scored(self, key: tuple[Any, ...], found: Ensemble, index: int, usable: np.ndarray) -> Candidate:
        scores, means = {}, {}
        for name in self.by:
            theirs = criterion_values(self.reference, name)[usable[self.reference.usable]]
            own = criterion_values(found, name)[usable[found.usable], index]
            values = np.column_stack([theirs, own])
            names = (*self.reference.policies, CANDIDATE)
            better = direction(self.scenario, name)
            score = robustness(values, names, better=better, using=[self.metric]).score(self.metric)
            scores[name], means[name] = float(score.values[CANDIDATE]), float(own.mean())
        return Candidate(dict(key[0]), dict(key[1]), scores, means)


def _non_dominated(tried: Sequence[Candidate], by: tuple[str, ...]) -> list[Candidate]:
    """Those that no other is at least as good as on every criterion, and better on one."""
    defined = [c for c in tried if not np.isnan(list(c.scores.values())).any()]
    scores = np.array([[c.scores[name] for name in by] for c in defined]).reshape(len(defined), len(by))
    kept = []
    for candidate, own in zip(defined, scores, strict=True):
        beaten = (scores >= own).all(axis=1) & (scores > own).any(axis=1)
        if not beaten.any():
            kept.append(candidate)
    return kept


# -- pymoo -----------------------------------------------------------------------------------------
def _run_pymoo(
    judge: _Judge,
    levers: Mapping[str, tuple[str, ...]],
    knobs: Mapping[str, tuple[float, float]],
    population: int,
    generations: int,
    seed: int,
    progress_fn: Callable[[int], None] | None,
) -> None:
    """Let a population of policies evolve; the judge keeps all that were tried."""
    try:
        from pymoo.algorithms.moo.nsga2 import RankAndCrowding  # pyright: ignore[reportMissingImports]
        from pymoo.core.mixed import MixedVariableGA  # pyright: ignore[reportMissingImports]
        from pymoo.core.problem import Problem  # pyright: ignore[reportMissingImports]
        from pymoo.core.variable import Choice, Real  # pyright: ignore[reportMissingImports]
        from pymoo.optimize import minimize  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UsageError(f"evolve: pymoo is not installed. Install it with: {INSTALL}.") from None
    variables: dict[str, Any] = {m: Choice(options=[OPEN, *options]) for m, options in levers.items()}
    variables |= {name: Real(bounds=bounds) for name, bounds in knobs.items()}

    class Policies(Problem):
        def __init__(self) -> None:
            super().__init__(vars=variables, n_obj=len(judge.by))

        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **options: Any) -> None:
            keys = [judge.key(picked, levers) for picked in x]
            judge.judge(keys)
            scores = np.array([[judge.known[key].scores[name] for name in judge.by] for key in keys])
            out["F"] = -np.nan_to_num(scores, nan=-1e300)  # an undefined figure is never the best

    class Told:
        """Says how many generations are done."""

        def __call__(self, algorithm: Any) -> None:
            if progress_fn is not None:
                progress_fn(int(algorithm.n_gen))

    several: Any = RankAndCrowding()  # its annotation names the survival of one criterion alone
    algorithm = MixedVariableGA(pop_size=population, survival=several)
    minimize(Policies(), algorithm, ("n_gen", generations), seed=seed, callback=Told(), verbose=False)
