"""How far the forecast may be off: many possible worlds around a setting, solved a few at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detente.decide.ensemble import make_projectors, run, solve_policies
from detente.decide.options import Cell, summarise
from detente.errors import UsageError
from detente.model.priors import draw
from detente.model.scenario import Scenario
from detente.solve.expect import Projector
from detente.solve.solution import NOT_CONVERGED
from detente.studio.forecast import Room
from detente.studio.setting import Setting, held_scenario

WORLDS = 256
PIECE = 16  # worlds solved at once: below this the solver is slower for each, above it the bar moves in jumps
BRIEF_WORLDS = 512
KEPT = 8
SEED = 0


@dataclass(eq=False)
class Ranges:
    """The worlds of one setting, as far as they have been solved.

    Attributes:
        scenario: The scenario in which what the setting holds is fixed.
        draws: Parameter → values, (draw,).
        projectors: Of the policies.
        parts: What has been solved, in pieces.
    """

    scenario: Scenario
    draws: Mapping[str, np.ndarray]
    projectors: Sequence[Projector | None]
    parts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many worlds there are."""
        return len(next(iter(self.draws.values()), np.zeros(0)))

    @property
    def done(self) -> int:
        """How many are solved."""
        return min(len(self.parts) * PIECE, self.total)

    @property
    def finished(self) -> bool:
        """Whether all are."""
        return self.done == self.total

    def joined(self, key: str) -> np.ndarray:
        """Everything of one kind that has been worked out, the worlds last; see ``solve_policies`` for the kinds."""
        return np.concatenate([part[key] for part in self.parts], axis=-1)

    @property
    def usable(self) -> np.ndarray:
        """Worlds that converged under every policy; only these are compared."""
        return (self.joined("status") != NOT_CONVERGED).all(axis=0)

    def table(self) -> dict[str, dict[str, Cell]]:
        """Policy → outcome → median, range and worst world.

        Raises:
            SolveError: If no world converged.
        """
        game, file = self.scenario.game, self.scenario.file
        usable = self.usable
        found: dict[str, dict[str, Cell]] = {policy: {} for policy in file.policies}
        for name in (n for n in file.outcomes if n in game.outcomes and game.outcomes[n].rows is not None):
            values = self.joined(f"value:{name}")[:, usable]
            for row, policy in zip(values, file.policies, strict=True):
                found[policy][name] = summarise(row, better=file.outcomes[name].better)
        return found


def begin(room: Room, setting: Setting, *, worlds: int = WORLDS) -> Ranges:
    """Draw the worlds around a setting: what it holds is the same in all, the rest varies as its prior says.

    Args:
        room: The scenario.
        setting: What is held.
        worlds: How many.

    Raises:
        UsageError: If there is no parameter, and so only one world.
    """
    held = held_scenario(room.scenario, setting)
    if not held.priors:
        raise UsageError(f"{held.slug}: has no parameters, so that there is one world and no range over worlds.")
    draws = draw(held.priors, worlds, seed=SEED, correlations=held.file.correlations)
    return Ranges(held, draws, make_projectors(held.game, list(held.file.policies.values())))


def ranges_of(room: Room, setting: Setting) -> Ranges:
    """The ranges of a setting, begun if they are not there. The policy that is looked at makes no difference.

    Args:
        room: The scenario; the ranges looked at last are kept with it.
        setting: What is held.
    """
    key = Setting("", setting.values)
    if key not in room.ranges:
        room.ranges[key] = begin(room, setting)
        while len(room.ranges) > KEPT:
            room.ranges.popitem(last=False)
    room.ranges.move_to_end(key)
    return room.ranges[key]


def go_on(ranges: Ranges) -> None:
    """Solve the next few worlds.

    Cost: about 5 ms a world for a game of 19,000 nodes.

    Args:
        ranges: What to go on with; nothing happens if all are solved.

    Raises:
        SolveError: If the rules make no sense in one of the worlds.
    """
    if ranges.finished:
        return
    game, file = ranges.scenario.game, ranges.scenario.file
    piece = {name: values[ranges.done : ranges.done + PIECE] for name, values in ranges.draws.items()}
    policies = list(file.policies.values())
    ranges.parts.append(solve_policies(game, ranges.projectors, piece, ranges.scenario.behaviour, policies))


def brief_page(room: Room, setting: Setting, *, generated: str) -> str:
    """The brief of a setting as one self-contained page.

    Cost: a few seconds for a large game.

    Args:
        room: The scenario.
        setting: What is held.
        generated: When it is made, as it is to stand in the page.

    Raises:
        UsageError: If so much is held that nothing is uncertain any more.
        SolveError: If the rules make no sense in one of the worlds.
    """
    from detente.report.brief import check_draws, make_brief
    from detente.report.html import render_html

    held = held_scenario(room.scenario, setting)
    check_draws(held, BRIEF_WORLDS)
    return render_html(make_brief(held, run(held, num_draws=BRIEF_WORLDS, seed=SEED)), generated=generated)
