"""What a scenario says was seen to happen, by the day on which it was known."""

import datetime
from typing import Any

from detente.errors import ScenarioError, UsageError
from detente.model.builtin import FILE
from detente.model.scenario import Observed, Scenario


def observed_of(scenario: Scenario) -> Observed:
    """What was seen to happen in a scenario.

    Args:
        scenario: The scenario.

    Raises:
        UsageError: If it does not say.

    Example:
        >>> from detente.model.scenario import load_scenario
        >>> observed_of(load_scenario("october-2024")).moves["retaliation"]
        'military targets'
    """
    if scenario.file.observed is None or not scenario.file.observed.moves:
        raise UsageError(
            f"learn: the scenario {scenario.slug!r} does not say what was observed. Add [observed.moves] to "
            f"{scenario.folder / FILE}."
        )
    return scenario.file.observed


def as_observation(observed: Observed, moves: tuple[str, ...] | None = None) -> dict[str, Any]:
    """What was seen in the form that the likelihood takes, measurement error included.

    Args:
        observed: What was seen.
        moves: Only these moves, by default all.

    Example:
        >>> as_observation(Observed(moves={"reply": "none"}))
        {'reply': 'none'}
    """
    wanted = observed.moves if moves is None else moves
    return {
        move: dict(observed.reports[move].fits) if move in observed.reports else observed.moves[move] for move in wanted
    }


def known_by(observed: Observed, day: datetime.date) -> tuple[str, ...]:
    """Moves that were known on a day; one without a date never counts as known.

    Args:
        observed: What was seen.
        day: The day.

    Example:
        >>> seen = Observed(moves={"call": "no", "reply": "none"}, known={"call": datetime.date(2024, 4, 14)})
        >>> known_by(seen, datetime.date(2024, 4, 18))
        ('call',)
    """
    return tuple(move for move in observed.moves if move in observed.known and observed.known[move] <= day)


def check_no_look_ahead(source: Scenario, target: Scenario) -> None:
    """Refuse to forecast from what was not known yet.

    Args:
        source: Where something was observed.
        target: What is to be forecast, as of its own date.

    Raises:
        UsageError: If something that was observed in the source became known after the as-of date of the target, or
            carries no date.
        ScenarioError: If the two have different rules.
    """
    observed = observed_of(source)
    day = target.file.as_of
    late = [move for move in observed.moves if move not in known_by(observed, day)]
    if late:
        known = observed.known.get(late[0])
        when = "carries no date in [observed.known]" if known is None else f"became known on {known}"
        raise UsageError(
            f"--into: {target.slug!r} is a forecast as of {day}, but what {source.slug!r} says of {late[0]!r} {when}: "
            "that would be looking ahead. Learn from an earlier scenario."
        )
    if source.file.rules != target.file.rules:
        raise ScenarioError(
            f"--into: {target.slug!r} has the rules {target.file.rules!r} and {source.slug!r} {source.file.rules!r}. "
            "Parameters can only be carried between scenarios with the same rules."
        )
