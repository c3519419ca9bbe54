"""The forecast of one world: solve once, and read off what every policy brings."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from detente.axes import Game
from detente.errors import SolveError
from detente.model.scenario import Policy, Scenario, check_against_game
from detente.play.stage import Stage, stage_of
from detente.solve.api import solve
from detente.solve.commit import restrict
from detente.solve.expect import Expectation, Projector, expect, make_projector
from detente.solve.problem import Problem, evaluate
from detente.solve.solution import Solution
from detente.studio.courses import Courses, make_courses
from detente.studio.setting import Setting, world

KEPT = 64  # forecasts of one scenario


@dataclass(frozen=True, eq=False)
class Frame:
    """A game that is solved for a policy, with what does not change from one setting to the next.

    Attributes:
        game: The whole game, or for an announced policy the one that it leaves.
        projector: For reading off expectations under the policy.
        given: Move → option that is fixed in the equilibrium of the game; empty for an announced policy.
    """

    game: Game
    projector: Projector
    given: Mapping[str, str]

    @cached_property
    def courses(self) -> Courses:
        """The game's courses of events."""
        return make_courses(self.game)


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """How everybody plays in one world.

    Attributes:
        problem: The game with numbers in it.
        probabilities: Chance of every option at every infoset, (slot, 1).
        message: How the solver ended, in words.
    """

    problem: Problem
    probabilities: Float[np.ndarray, "slot draw"]
    message: str


@dataclass(frozen=True, eq=False)
class Forecast:
    """What every policy brings in one world.

    Attributes:
        setting: What was asked for.
        outcomes: Policy → flag or number → probability or expected value.
        labels: Policy → label outcome → label → probability.
        leaf: Probability of every leaf of the frame's game under the policy that is looked at.
        equilibrium: How everybody plays there.
        frame: The game of that policy.
        messages: How the solver ended, for each game that was solved.
    """

    setting: Setting
    outcomes: Mapping[str, Mapping[str, float]]
    labels: Mapping[str, Mapping[str, Mapping[str, float]]]
    leaf: Float[np.ndarray, "leaf"]
    equilibrium: Equilibrium
    frame: Frame
    messages: tuple[str, ...]


@dataclass(eq=False)
class Room:
    """A loaded scenario, ready to answer.

    Attributes:
        scenario: The scenario.
        stage: Its words for people, and who knows what.
        frames: Policy → what it is solved in.
        trouble: Why the files as they are now cannot be read; empty if they can.
        ranges: Many worlds around the settings looked at last.
    """

    scenario: Scenario
    stage: Stage
    frames: Mapping[str, Frame]
    trouble: str = ""
    ranges: "OrderedDict[Setting, Any]" = field(default_factory=OrderedDict)
    _kept: "OrderedDict[Setting, Forecast]" = field(default_factory=OrderedDict)

    def forecast(self, setting: Setting) -> Forecast:
        """The forecast of a setting; the last ones are kept.

        Raises:
            SolveError: If the rules make no sense at these values, or no equilibrium is found.
        """
        if setting in self._kept:
            self._kept.move_to_end(setting)
            return self._kept[setting]
        made = self._kept[setting] = make_forecast(self, setting)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made


def open_room(scenario: Scenario) -> Room:
    """Make a scenario ready: write out its tree and prepare every policy.

    Cost: about 0.2 ms a node.

    Args:
        scenario: The scenario.

    Raises:
        DetenteError: If its rules, policies or outcomes do not fit together.
    """
    game = scenario.game
    check_against_game(scenario, game)
    whole = {name: _frame(game, policy) for name, policy in scenario.file.policies.items()}
    return Room(scenario, stage_of(scenario), _sharing(whole))


def _frame(game: Game, policy: Policy) -> Frame:
    if policy.announced and policy.commit:
        part = restrict(game, policy.commit)
        return Frame(part, make_projector(part), {})
    return Frame(game, make_projector(game, policy.commit), policy.commit)


def _sharing(frames: dict[str, Frame]) -> dict[str, Frame]:
    """The same frames, those of one game with the courses of one of them."""
    first: dict[int, Frame] = {}
    for frame in frames.values():
        other = first.setdefault(id(frame.game), frame)
        if other is not frame:
            frame.__dict__["courses"] = other.courses
    return frames


def make_forecast(room: Room, setting: Setting) -> Forecast:
    """Solve one world and evaluate every policy in it.

    Cost: one solve of the scenario's game and one of the game of each announced policy.

    Args:
        room: The scenario.
        setting: The world, and the policy that is looked at.

    Raises:
        SolveError: If the rules make no sense at these values, or no equilibrium is found.
    """
    values = world(room.scenario, setting)
    solved: dict[int, Equilibrium] = {}
    found: dict[str, Expectation] = {}
    for name, frame in room.frames.items():
        key = id(frame.game)
        if key not in solved:
            solved[key] = equilibrium(frame.game, values, room.scenario.file.precision)
        found[name] = expect(frame.projector, solved[key].problem, solved[key].probabilities)
    frame = room.frames[setting.policy]
    leaf = np.zeros(frame.game.num_leaves)
    leaf[found[setting.policy].leaves] = found[setting.policy].leaf[:, 0]
    return Forecast(
        setting=setting,
        outcomes={p: {n: float(v[0]) for n, v in e.outcomes.items()} for p, e in found.items()},
        labels={p: {n: _shares(frame.game, n, v) for n, v in e.labels.items()} for p, e in found.items()},
        leaf=leaf,
        equilibrium=solved[id(frame.game)],
        frame=frame,
        messages=tuple(dict.fromkeys(e.message for e in solved.values())),
    )


def _shares(game: Game, name: str, values: np.ndarray) -> dict[str, float]:
    return {label: float(v) for label, v in zip(game.outcomes[name].labels, values[:, 0], strict=True)}


def equilibrium(game: Game, values: Mapping[str, float], precision: Any) -> Equilibrium:
    """How everybody plays in one world.

    Args:
        game: The game.
        values: Parameter → value.
        precision: λ, or the name of the parameter that holds it.

    Raises:
        SolveError: If no equilibrium is found, or the rules make no sense at these values.
    """
    if not game.num_slots:
        return Equilibrium(evaluate(game, values), np.zeros((0, 1)), "nobody chooses, so there is nothing to solve")
    options: dict[str, Any] = {"precision": precision, "one_of_many": True}
    solution: Solution = solve(game, values, exact=False, **options)
    if not solution.converged[0]:  # followed step by step: it takes seconds, and is rarely needed
        solution = solve(game, values, exact=True, **options)
    if not solution.converged[0]:
        raise SolveError(
            f"{game.title}: no equilibrium was found at this setting: {solution.message(0)}. Lower the precision, or "
            "move the slider that was moved last back a little."
        )
    return Equilibrium(solution.problem, solution.probabilities, solution.message(0))
