"""What moves an outcome, parameter by parameter: slopes from the solver's gradients, and swings, a tornado's bars."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detente.decide.ensemble import Ensemble
from detente.decide.sensitivity import varying
from detente.errors import SolveError, UsageError
from detente.model.scenario import Scenario


# -- gradients -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Slope:
    """How an outcome moves with a parameter in the neighbourhood of each world, everybody adapting.

    Attributes:
        parameter: Its name.
        mean: Mean derivative times the parameter's standard deviation over the worlds, in the outcome's unit.
        size: Mean absolute derivative times that standard deviation.
        rises: Share of worlds in which the outcome rises with the parameter.
    """

    parameter: str
    mean: float
    size: float
    rises: float


def gradients(
    scenario: Scenario, ensemble: Ensemble, outcome: str, policy: str, *, num_worlds: int = 16
) -> tuple[Slope, ...]:
    """Slopes of an outcome by every parameter, from the solver itself (implicit function theorem).

    Args:
        scenario: The scenario.
        ensemble: Its solved ensemble, whose first usable worlds are taken.
        outcome: Name of a flag or number.
        policy: Name of a policy that is not announced.
        num_worlds: How many worlds; about 20 ms each for the October scenario without a commitment, more with one.

    Returns:
        One a parameter that varies, largest ``size`` first.

    Raises:
        UsageError: If a name is not known or the policy is announced.
        SolveError: If a world has no derivative.
    """
    from detente.solve.api import solve
    from detente.solve.derivatives import differentiate, pull_back

    ensemble.outcome(outcome, policy)  # checks both names
    chosen, inputs = scenario.policy(policy), varying(ensemble)
    if chosen.announced and chosen.commit:
        raise UsageError(f"policy: {policy!r} is announced, which makes it another game. Take one that is not.")
    rows = np.flatnonzero(ensemble.usable)[:num_worlds]
    worlds = {name: np.asarray(v)[rows] for name, v in ensemble.draws.items()}
    behaviour = scenario.behaviour
    solution = solve(scenario.game, worlds, **behaviour)
    rate = False if isinstance(behaviour["precision"], float) else behaviour["precision"]
    if chosen.commit:
        found = differentiate(solution, precision=rate)
        names, slopes = found.parameters, found.outcome(outcome, given=chosen.commit)
    else:
        pulled = pull_back(solution, outcomes={outcome: np.ones(len(rows))}, precision=rate)
        names, slopes = tuple(pulled), np.stack(list(pulled.values()))
    if not np.isfinite(slopes).all():
        raise SolveError(f"{scenario.slug}: some of {len(rows)} worlds have no derivative. Take other worlds (seed).")
    items = [
        Slope(
            name,
            float(row.mean() * inputs[name].std()),
            float(abs(row).mean() * inputs[name].std()),
            float((row > 0).mean()),
        )
        for name, row in zip(names, slopes, strict=True)
        if name in inputs
    ]
    return tuple(sorted(items, key=lambda s: -s.size))


# -- swings: the tornado ---------------------------------------------------------------------------
@dataclass(frozen=True)
class Swing:
    """What an outcome is on average where a parameter is low, and where it is high: one bar of a tornado.

    Attributes:
        parameter: Its name.
        low_at: The parameter is at most this in its lowest tenth of worlds.
        high_at: It is at least this in its highest tenth.
        low: Mean outcome in the lowest tenth.
        high: Mean outcome in the highest tenth.
    """

    parameter: str
    low_at: float
    high_at: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """How far apart the two means are."""
        return abs(self.high - self.low)


def swings(values: np.ndarray, inputs: Mapping[str, np.ndarray], *, share: float = 0.1) -> tuple[Swing, ...]:
    """The tornado: means of an outcome in the tenths of worlds where each parameter is lowest and highest.

    Args:
        values: The outcome, (draw,).
        inputs: Parameter → values, (draw,).
        share: Of the worlds that count as low, and as high.

    Returns:
        One a parameter, widest first.

    Raises:
        UsageError: If there is no world, or the share is not between 0 and one half.

    Example:
        >>> x = np.arange(100.0)
        >>> swings(2 * x, {"x": x})[0].low, swings(2 * x, {"x": x})[0].high
        (9.0, 189.0)
    """
    if not 0 < share <= 0.5:
        raise UsageError(f"share: {share:g} is out of range. Give a share of worlds above 0, at most 0.5.")
    y = np.asarray(values, dtype=float)
    if not len(y):
        raise UsageError("sensitivity: there are no worlds left. Loosen the filter.")
    count, found = max(1, round(share * len(y))), []
    for name, x in inputs.items():
        order = np.argsort(x, kind="stable")
        low, high = order[:count], order[-count:]
        found.append(
            Swing(name, float(x[low].max()), float(x[high].min()), float(y[low].mean()), float(y[high].mean()))
        )
    return tuple(sorted(found, key=lambda s: -s.width))
