"""A setting of the sliders: the policy looked at and the parameters held, as the address of a page says it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import numpy as np

from detente.errors import UsageError, nearest
from detente.model.priors import Correlations, Fixed, Prior, median_draw
from detente.model.scenario import Scenario

PREFIX = "p."  # of parameters in an address, so that no name of one can be taken for anything else
TAIL = 0.005  # where a prior has no end, the slider leaves out this share of it
DIGITS = 4  # of a value, beyond which nobody moves a slider on purpose
MOST_PINS = 2
COURSES = (9, 30, 60)  # how many courses of events a tree may show
Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Setting:
    """One possible world to look at, and the policy in it.

    Attributes:
        policy: Name of the policy.
        values: (parameter, value) for what is held; everything else is at its median, or varies as its prior says.
    """

    policy: str
    values: tuple[tuple[str, float], ...] = ()

    @property
    def held(self) -> dict[str, float]:
        """Parameter → value that it is held at."""
        return dict(self.values)

    def query(self) -> str:
        """The setting as part of an address; equal settings give equal text.

        Example:
            >>> Setting("wait", (("leak", 0.5),)).query()
            'policy=wait&p.leak=0.5'
        """
        return urlencode([("policy", self.policy), *((f"{PREFIX}{n}", number(v)) for n, v in self.values)])


@dataclass(frozen=True)
class View:
    """What a page of the explorer shows.

    Attributes:
        setting: The setting of the sliders.
        node: Number of the place in the tree that is looked at, or None.
        courses: How many courses of events the tree shows at most.
        pins: Settings to compare with.
    """

    setting: Setting
    node: int | None = None
    courses: int = COURSES[0]
    pins: tuple[Setting, ...] = ()

    def query(self, **changes: Any) -> str:
        """The view, with changes, as the query of an address."""
        view = replace(self, **changes)
        parts = [view.setting.query()]
        rest: list[tuple[str, Any]] = [("pin", pin.query()) for pin in view.pins]
        if view.courses != COURSES[0]:
            rest.append(("courses", view.courses))
        if view.node is not None:
            rest.append(("node", view.node))
        return "&".join([*parts, urlencode(rest)]) if rest else parts[0]


def number(value: float) -> str:
    """A value of a parameter as it stands in an address and beside a slider.

    Example:
        >>> number(0.123456), number(190.0)
        ('0.1235', '190')
    """
    return f"{value:.{DIGITS}g}"


def slider_range(prior: Prior) -> tuple[float, float]:
    """The ends of a slider: all that a prior holds possible, without the last half per cent where it has no end.

    Args:
        prior: What is believed about the parameter.

    Example:
        >>> from detente.model.priors import Normal, Pert
        >>> slider_range(Pert(low=0.1, best=0.2, high=0.5))
        (0.1, 0.5)
        >>> [round(end, 2) for end in slider_range(Normal(mean=0, sd=1))]
        [-2.58, 2.58]
    """
    low, high = prior.support
    ends = prior.quantile(np.array([TAIL, 1 - TAIL]))
    return (
        float(low) if math.isfinite(low) else float(ends[0]),
        float(high) if math.isfinite(high) else float(ends[1]),
    )


def baseline(scenario: Scenario) -> str:
    """The policy that is looked at first: the one that commits to nothing, else the first.

    Args:
        scenario: The scenario.
    """
    policies = scenario.file.policies
    return next((name for name, policy in policies.items() if not policy.commit), next(iter(policies), ""))


def read_view(pairs: Pairs, scenario: Scenario) -> View:
    """What an address asks for.

    Args:
        pairs: Of the query.
        scenario: The scenario.

    Returns:
        The view. A slider that stands at the median holds nothing.

    Raises:
        UsageError: If a parameter, policy or number in it cannot be used; the message names it.
    """
    pairs = list(pairs)
    given = dict(pairs)
    pins = tuple(
        read_setting(parse_qsl(text, keep_blank_values=True), scenario) for name, text in pairs if name == "pin"
    )
    return View(
        setting=read_setting(pairs, scenario),
        node=_whole("node", given["node"]) if given.get("node") else None,
        courses=_one_of("courses", given["courses"], COURSES) if given.get("courses") else COURSES[0],
        pins=tuple(dict.fromkeys(pins))[-MOST_PINS:],
    )


def read_setting(pairs: Pairs, scenario: Scenario) -> Setting:
    """The setting in an address.

    Args:
        pairs: Of the query.
        scenario: The scenario.

    Raises:
        UsageError: If a parameter or the policy does not exist, or a value cannot be used.
    """
    given = {name: text for name, text in pairs if name == "policy" or name.startswith(PREFIX)}
    policy = given.pop("policy", "") or baseline(scenario)
    if not policy:
        raise UsageError(f"{scenario.slug}: there are no policies to look at. Add [policies.NAME].")
    if policy not in scenario.file.policies:
        raise UsageError(f"policy: {policy!r} is not a policy.{nearest(policy, scenario.file.policies)}")
    named = {key.removeprefix(PREFIX): text for key, text in given.items()}
    for name in named:
        if name not in scenario.priors:
            raise UsageError(f"{name}: is not a parameter.{nearest(name, scenario.priors)}")
    medians = median_draw(scenario.priors)
    values = []
    for name, prior in scenario.priors.items():
        if name in named and (value := _value(name, named[name], prior, medians[name])) is not None:
            values.append((name, value))
    return Setting(policy, tuple(values))


def _value(name: str, text: str, prior: Prior, median: float) -> float | None:
    """The value that a slider holds; None where it stands at the median."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name}: {text[:40]!r} is not a number. Give one.")
    if number(value) == number(median):
        return None
    if isinstance(prior, Fixed):
        return float(number(value))
    low, high = slider_range(prior)
    slack = 10.0**-DIGITS * max(abs(low), abs(high))
    if not low - slack <= value <= high + slack:
        raise UsageError(f"{name}: {number(value)} lies outside its prior. Give {number(low)} to {number(high)}.")
    return min(max(float(number(value)), low), high)


def _whole(where: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise UsageError(f"{where}: {text[:40]!r} is not a whole number. Give 0 or more.")
    return int(text)


def _one_of(where: str, text: str, allowed: tuple[int, ...]) -> int:
    if text not in map(str, allowed):
        raise UsageError(f"{where}: {text[:40]!r} is not offered. Give one of {', '.join(map(str, allowed))}.")
    return int(text)


def world(scenario: Scenario, setting: Setting) -> dict[str, float]:
    """The value of every parameter: what is held, and the median of the rest.

    Args:
        scenario: The scenario.
        setting: What is held.
    """
    return median_draw(scenario.priors) | setting.held


def held_scenario(scenario: Scenario, setting: Setting) -> Scenario:
    """The scenario in which what the setting holds is known, and everything else is as uncertain as before.

    Args:
        scenario: The scenario.
        setting: What is held.

    Returns:
        The same scenario with fixed priors. What is fixed moves with nothing, so its correlations are left out.
    """
    held = setting.held
    parameters = dict(scenario.file.parameters)
    for name, parameter in parameters.items():
        prior: Any = Fixed(value=held[name]) if name in held else parameter.prior
        if prior.tied is not None and prior.tied.to in held:
            prior = prior.model_copy(update={"tied": None})
        if prior is not parameter.prior:
            parameters[name] = parameter.model_copy(update={"prior": prior})
    kept = _without(scenario.file.correlations, held)
    changed = replace(scenario, file=scenario.file.model_copy(update={"parameters": parameters, "correlations": kept}))
    changed.__dict__["game"] = scenario.game  # the rules are the same: they are not written out again
    return changed


def _without(correlations: Correlations, held: Mapping[str, float]) -> dict[str, dict[str, float]]:
    pairs = {
        name: {other: rank for other, rank in others.items() if other not in held}
        for name, others in correlations.items()
        if name not in held
    }
    return {name: others for name, others in pairs.items() if others}
