"""What matters most: how much of an outcome's variation each parameter accounts for, by three routes.

*Given data*: first-order Sobol indices from the worlds of an ensemble, at no further cost. *Saltelli's design* (SALib):
first-order and total indices, from worlds made for it. *Morris* (SALib): elementary effects, from few worlds. Each
result says which it is. The solver's own gradients are in :mod:`detente.decide.tornado`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detente.decide.ensemble import Ensemble
from detente.errors import SolveError, UsageError, nearest
from detente.model.scenario import Scenario

NUM_SLICES = 20
LEAST_SLICE = 10  # worlds in a slice
NUM_GROUPS = 20  # that the jackknife leaves out in turn
T90 = 1.729  # Student's t, two-sided 90 %, 19 degrees of freedom
Z90 = 1.645
BLOCK = 256  # worlds solved at a time, so that memory does not grow with the design
EDGES = (0.05, 0.95)  # of the prior, as quantiles: between these Morris steps
NUM_LEVELS = 4
DESIGNS = ("given data", "Saltelli", "Morris")


# -- records ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Index:
    """How much a parameter, or several that are tied to each other, matters for an outcome.

    Attributes:
        parameters: Its name; several for a group whose priors are tied.
        value: First-order Sobol index (share of the variance that would go, on average, if it were known), or for
            Morris the mean size of an elementary effect, in the outcome's unit. NaN where the outcome is constant.
        low: Lower end of the 90 % interval of ``value``.
        high: Upper end.
        total: Total Sobol index (share that would stay if all others were known), with Saltelli's design; else None.
        total_low: Lower end of its 90 % interval.
        total_high: Upper end.
    """

    parameters: tuple[str, ...]
    value: float
    low: float
    high: float
    total: float | None = None
    total_low: float | None = None
    total_high: float | None = None


@dataclass(frozen=True)
class Indices:
    """Indices of all parameters for one outcome, largest first, and how they were found.

    Attributes:
        outcome: Name of the outcome.
        policy: Under which policy.
        method: ``given data``, ``Saltelli`` or ``Morris``.
        num_worlds: How many worlds they rest on.
        items: One a parameter or tied group.
    """

    outcome: str
    policy: str
    method: str
    num_worlds: int
    items: tuple[Index, ...]

    @property
    def explained(self) -> float:
        """Sum of the first-order indices: near 1 where parameters act by themselves, less where they act together."""
        return float(sum(item.value for item in self.items))


# -- from worlds that are there --------------------------------------------------------------------
def first_order(
    values: np.ndarray, inputs: Mapping[str, np.ndarray], *, num_slices: int = NUM_SLICES, seed: int = 0
) -> tuple[Index, ...]:
    """First-order Sobol indices from any random sample: no design is needed.

    For each parameter the worlds are cut into slices of equal size by its value. The index is the share of the variance
    that lies between slices, less what chance alone would put there (ε²: 1 − variance within / variance overall). It
    can come out slightly below 0. Intervals: jackknife over 20 random groups of worlds.

    Args:
        values: The outcome, (draw,).
        inputs: Parameter → values, (draw,).
        num_slices: How many slices; fewer are taken where a slice would hold fewer than 10 worlds.
        seed: Of the groups.

    Returns:
        One index a parameter, largest first. NaN for all where the outcome never varies. Where priors are tied, a
        parameter's index holds what it shares with the other.

    Raises:
        UsageError: If shapes differ, a value is not finite, or there are fewer than 100 worlds.

    Source:
        saltelli2008 (the index, and its estimation from slices).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, y, z = rng.random((3, 4_000))
        >>> [(i.parameters[0], round(i.value, 1)) for i in first_order(3 * x + y, {"x": x, "y": y, "z": z})]
        [('x', 0.9), ('y', 0.1), ('z', 0.0)]
    """
    y = np.asarray(values, dtype=float)
    if len(y) < NUM_GROUPS * 5:
        raise UsageError(
            f"sensitivity: {len(y)} worlds are too few to cut into slices. Ask for at least {NUM_GROUPS * 5} draws."
        )
    if not np.isfinite(y).all():
        raise UsageError(
            "sensitivity: some values are not finite. Leave out draws that did not converge, and count them."
        )
    for name, x in inputs.items():
        if np.shape(x) != y.shape:
            raise UsageError(
                f"sensitivity: {name!r} has shape {np.shape(x)}, but there are {len(y)} worlds. Give one each."
            )
    if np.ptp(y) == 0:
        return tuple(Index((name,), np.nan, np.nan, np.nan) for name in inputs)
    count = max(2, min(num_slices, len(y) // LEAST_SLICE))
    group = np.random.default_rng(seed).permutation(len(y)) % NUM_GROUPS
    found = [_sliced(name, np.asarray(x, dtype=float), y - y.mean(), count, group) for name, x in inputs.items()]
    return tuple(sorted(found, key=lambda i: -i.value))


def _sliced(name: str, x: np.ndarray, y: np.ndarray, count: int, group: np.ndarray) -> Index:
    """ε² of one parameter from sums by slice and group: leaving out a group is a subtraction."""
    code = slices(x, count)
    used = int(code.max()) + 1
    cell = code * NUM_GROUPS + group

    def by(weights: np.ndarray | None) -> np.ndarray:
        return np.bincount(cell, weights=weights, minlength=used * NUM_GROUPS).reshape(used, NUM_GROUPS)

    worlds, total, square = by(None), by(y), by(y * y)
    whole = _epsilon(worlds.sum(1), total.sum(1), square.sum())
    parts = np.array([
        _epsilon(worlds.sum(1) - worlds[:, g], total.sum(1) - total[:, g], square.sum() - square[:, g].sum())
        for g in range(NUM_GROUPS)
    ])  # fmt: skip
    error = float(np.sqrt((NUM_GROUPS - 1) / NUM_GROUPS * ((parts - parts.mean()) ** 2).sum()))
    return Index((name,), whole, whole - T90 * error, whole + T90 * error)


def slices(x: np.ndarray, count: int) -> np.ndarray:
    """Which slice each world is in: equal numbers of worlds, ordered by the parameter; equal values stay together.

    Args:
        x: Values of the parameter, (draw,).
        count: How many slices; fewer where values repeat.

    Example:
        >>> slices(np.array([3.0, 1.0, 2.0, 4.0]), 2).tolist()
        [1, 0, 0, 1]
    """
    order = np.argsort(x, kind="stable")
    place = np.empty(len(x), dtype=np.int64)
    place[order] = np.arange(len(x))
    _, first = np.unique(x[order], return_index=True)
    if len(first) < len(x):  # equal values share the place of the first of them
        place = first[np.searchsorted(x[order][first], x)]
    return np.unique(place * count // len(x), return_inverse=True)[1].reshape(len(x))


def _epsilon(worlds: np.ndarray, total: np.ndarray, square: float) -> float:
    """1 − mean square within slices / mean square overall."""
    inside = worlds > 0
    n, k = float(worlds.sum()), int(inside.sum())
    within = square - float((total[inside] ** 2 / worlds[inside]).sum())
    overall = square - float(total.sum()) ** 2 / n
    return float(1 - (within / (n - k)) / (overall / (n - 1))) if overall > 0 and n > k else float("nan")


def given_data(ensemble: Ensemble, outcome: str, policy: str) -> Indices:
    """First-order Sobol indices of every uncertain parameter, from the worlds that an ensemble has solved already.

    Args:
        ensemble: The solved ensemble.
        outcome: Name of a flag or number.
        policy: Name of a policy.

    Returns:
        The indices, largest first. Total indices need a design: see :func:`saltelli`.

    Raises:
        UsageError: If nothing varies, or there are too few worlds.

    Source:
        saltelli2008.
    """
    values = ensemble.outcome(outcome, policy)
    items = first_order(values, varying(ensemble), seed=ensemble.seed)
    return Indices(outcome, policy, "given data", len(values), items)


def varying(ensemble: Ensemble) -> dict[str, np.ndarray]:
    """Parameter → values in the usable draws, for those that vary.

    Raises:
        UsageError: If none does.
        SolveError: If no draw converged.
    """
    if not ensemble.usable.any():
        raise SolveError(
            "sensitivity: no draw converged, so there is nothing to vary. Lower the precision, or narrow the priors."
        )
    found = {name: np.asarray(v)[ensemble.usable] for name, v in ensemble.draws.items()}
    found = {name: v for name, v in found.items() if len(v) and np.ptp(v) > 0}
    if not found:
        raise UsageError(
            "sensitivity: no parameter varies over the draws. Give at least one a prior that is not fixed."
        )
    return found


# -- from worlds made for it -----------------------------------------------------------------------
def saltelli(scenario: Scenario, outcome: str, policy: str, *, num_base: int = 64, seed: int = 0) -> Indices:
    """First-order and total Sobol indices from a design made for them.

    Parameters whose priors are tied count as one group, so that the groups are independent, as the method needs.

    Args:
        scenario: The scenario.
        outcome: Name of a flag or number.
        policy: Name of a policy that is not announced.
        num_base: Base sample, a power of two: (groups + 2) × this many worlds are solved.
        seed: Of the scrambling and of the intervals.

    Returns:
        The indices, largest first.

    Raises:
        UsageError: If the base sample is not a power of two from 8 upwards, or a name is not known.
        SolveError: If a world does not converge: the design is worth nothing with a hole in it.

    Source:
        saltelli2008 (design and estimators, as SALib has them).
    """
    if num_base < 8 or num_base & (num_base - 1):
        raise UsageError(f"num_base: {num_base} is not a power of two from 8 upwards. Take for example 64.")
    from SALib.analyze import sobol as analyze
    from SALib.sample import sobol as sample

    problem, groups = _problem(scenario, (0.0, 1.0))
    points = sample.sample(problem, num_base, calc_second_order=False, seed=seed)
    values = _outcome_at(scenario, points, problem["names"], outcome, policy)
    if np.ptp(values) == 0:
        items = [Index(g, np.nan, np.nan, np.nan) for g in groups]
        return Indices(outcome, policy, "Saltelli", len(values), tuple(items))
    found = analyze.analyze(problem, values, calc_second_order=False, conf_level=0.9, seed=seed)
    items = [
        Index(g, float(s), float(s - c), float(s + c), float(t), float(t - u), float(t + u))
        for g, s, c, t, u in zip(groups, found["S1"], found["S1_conf"], found["ST"], found["ST_conf"], strict=True)
    ]
    items.sort(key=lambda i: -(i.total or 0.0))
    return Indices(outcome, policy, "Saltelli", len(values), tuple(items))


def morris(scenario: Scenario, outcome: str, policy: str, *, num_trajectories: int = 10, seed: int = 0) -> Indices:
    """Mean size of the elementary effects: a screening of many parameters by few worlds.

    Each trajectory moves one parameter (or tied group) at a time by two thirds of the way between the 5th and the 95th
    percentile of its prior.

    Args:
        scenario: The scenario.
        outcome: Name of a flag or number.
        policy: Name of a policy that is not announced.
        num_trajectories: How many; each needs (groups + 1) worlds.
        seed: Of the trajectories.

    Returns:
        The indices, largest first; ``value`` is μ*, for the whole way from the 5th to the 95th percentile.

    Raises:
        UsageError: If there are fewer than 2 trajectories, or a name is not known.
        SolveError: If a world does not converge.

    Source:
        saltelli2008 (elementary effects and μ*).
    """
    if num_trajectories < 2:
        raise UsageError(f"num_trajectories: {num_trajectories} is too few. Ask for 2 or more; 10 is usual.")
    from SALib.analyze import morris as analyze
    from SALib.sample import morris as sample

    problem, groups = _problem(scenario, EDGES)
    points = sample.sample(problem, num_trajectories, num_levels=NUM_LEVELS, seed=seed)
    values = _outcome_at(scenario, points, problem["names"], outcome, policy)
    # The method scales points to 0 … 1 between the edges, so that an effect is that of the whole way.
    found = analyze.analyze(problem, points, values, num_levels=NUM_LEVELS, conf_level=0.9, scaled=False, seed=seed)
    mean, spread = np.asarray(found["mu_star"], float), np.asarray(found["mu_star_conf"], float)
    items = [Index(g, float(m), float(m - s), float(m + s)) for g, m, s in zip(groups, mean, spread, strict=True)]
    return Indices(outcome, policy, "Morris", len(values), tuple(sorted(items, key=lambda i: -i.value)))


def _problem(scenario: Scenario, edges: tuple[float, float]) -> tuple[dict[str, Any], list[tuple[str, ...]]]:
    """The uncertain parameters as SALib wants them; those that are tied share a group."""
    from detente.model.priors import free_parameters

    priors = scenario.priors
    names = free_parameters(priors)
    if not names:
        raise UsageError(f"{scenario.slug}: every prior is fixed, so nothing can matter. Give a parameter a range.")
    leader = {name: name for name in names}
    ties = [(name, tied.to) for name in names if (tied := priors[name].tied) is not None]
    ties += [(name, other) for name, others in scenario.file.correlations.items() for other in others]
    for name, other in ties:
        if name in leader and other in leader:
            old, new = leader[name], leader[other]
            leader = {n: new if led == old else led for n, led in leader.items()}
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(leader[name], []).append(name)
    problem = {"num_vars": len(names), "names": names, "bounds": [list(edges)] * len(names)}
    problem["groups"] = [leader[name] for name in names]
    return problem, [tuple(members) for members in groups.values()]


def _outcome_at(scenario: Scenario, points: np.ndarray, names: Sequence[str], outcome: str, policy: str) -> np.ndarray:
    """The outcome in worlds given as quantiles of the priors, (world, parameter); refuses worlds without a solution."""
    return evaluate(scenario, at_quantiles(scenario, points, names), outcome, policy)


def at_quantiles(scenario: Scenario, points: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Worlds from points in the unit cube, ties between priors included.

    Args:
        scenario: The scenario.
        points: Between 0 and 1, (world, name).
        names: Parameters, one a column; all others stay at their median.

    Returns:
        Parameter → values, (world,).
    """
    from detente.model.priors import draws_at, free_parameters

    free = free_parameters(scenario.priors)
    cube = np.full((len(points), len(free)), 0.5)
    for j, name in enumerate(names):
        cube[:, free.index(name)] = np.clip(points[:, j], 1e-12, 1 - 1e-12)
    return draws_at(scenario.priors, cube, correlations=scenario.file.correlations)


def evaluate(scenario: Scenario, worlds: Mapping[str, np.ndarray], outcome: str, policy: str) -> np.ndarray:
    """One outcome under one policy in worlds of one's own.

    Args:
        scenario: The scenario.
        worlds: Parameter → values, (world,).
        outcome: Name of a flag or number.
        policy: Name of a policy that is not announced.

    Returns:
        (world,).

    Raises:
        UsageError: If a name is not known, or the policy is announced.
        SolveError: If a world does not converge.
    """
    from detente.solve.api import solve
    from detente.solve.expect import expect, make_projector

    game, chosen = scenario.game, scenario.policy(policy)
    numeric = [name for name, o in game.outcomes.items() if o.rows is not None]
    if outcome not in numeric:
        raise UsageError(f"outcome: {outcome!r} is not a flag or number.{nearest(outcome, numeric)}")
    if chosen.announced and chosen.commit:
        raise UsageError(f"policy: {policy!r} is announced, which makes it another game. Take one that is not.")
    projector, parts = make_projector(game, chosen.commit), []
    count = len(next(iter(worlds.values())))
    for first in range(0, count, BLOCK):
        block = {name: v[first : first + BLOCK] for name, v in worlds.items()}
        solution = solve(game, block, **scenario.behaviour)
        if not solution.converged.all():
            raise SolveError(
                f"{scenario.slug}: {int((~solution.converged).sum())} of {len(solution.converged)} worlds did not "
                "converge, and a design with a hole says nothing. Narrow the priors, or use the given-data indices."
            )
        parts.append(expect(projector, solution.problem, solution.probabilities).outcomes[outcome])
    return np.concatenate(parts)
