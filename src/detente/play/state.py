"""Where an exercise stands, as records: seats, timelines, moves, deadlines, branches."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from detente.play import events as e
from detente.play.stage import History, Position, Stage

TOLD, DID, MESSAGE, NEWS, BACK = "told", "did", "message", "news", "rewound"  # kinds of entries in a seat's timeline
LOBBY, RUNNING, PAUSED, REVEALED = "not created", "running", "paused", "revealed"


@dataclass(frozen=True)
class Seat:
    """A seat as it stands: whose it is, and who sits in it."""

    name: str
    player: str
    occupant: str
    person: str = ""

    @property
    def bot(self) -> str:
        """Name of the bot that plays it, or empty."""
        return self.occupant.removeprefix(e.BOT) if self.occupant.startswith(e.BOT) else ""


@dataclass(frozen=True)
class Entry:
    """One line of a seat's timeline: what it was told, did, wrote or read.

    Attributes:
        kind: ``told``, ``did``, ``message``, ``news`` or ``rewound``.
        name: The move or subject, for what was told or done.
        label: What happened.
        text: Of a message or of news.
        sender: Seat that wrote a message.
        to: Seats that it went to; empty means everybody.
        by: For an own move, who chose: ``person``, ``bot``, ``default`` or ``facilitator``.
        aside: Whether going back has set it aside.
    """

    kind: str
    name: str = ""
    label: str = ""
    text: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    by: str = ""
    aside: bool = False


@dataclass(frozen=True)
class Step:
    """One move of the play as it happened.

    Attributes:
        move: Its name.
        option: What was chosen or happened.
        player: Who chose; empty for chance.
        seat: Which seat; empty for chance and where the facilitator decided.
        by: ``person``, ``bot``, ``default``, ``facilitator`` or ``chance``.
        flag: Why somebody else chose than the one who should have, or empty.
        at: When.
    """

    move: str
    option: str
    player: str
    seat: str
    by: str
    flag: str
    at: float


@dataclass(frozen=True)
class Timer:
    """The deadline of the open decision."""

    decision: str
    deadline: float
    then: str
    expired: bool = False


@dataclass(frozen=True)
class Branch:
    """A line of play that was left by going back.

    Attributes:
        number: 0 for the first.
        steps: Its moves.
        kept: How many of them the next branch keeps.
        reason: Why it was left.
    """

    number: int
    steps: tuple[Step, ...]
    kept: int
    reason: str


@dataclass(frozen=True, eq=False)
class State:
    """Where an exercise stands.

    Attributes:
        stage: What is played.
        created: The event that began it, or None.
        seats: Seat name → seat.
        seed: Of chance, on this branch.
        steps: The moves of this branch.
        position: Where they have led.
        timelines: Seat name → entries in the order in which the seat met them.
        timer: Of the open decision, or None.
        paused_at: Since when it is paused, or None.
        revealed: Whether everything is shown.
        branch: Number of this branch.
        branches: The branches that were left.
        notes: (seat or empty, text, moves so far) of every note.
    """

    stage: Stage
    created: e.Created | None = None
    seats: Mapping[str, Seat] = field(default_factory=dict)
    seed: str = ""
    steps: tuple[Step, ...] = ()
    position: Position | None = None
    timelines: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    timer: Timer | None = None
    paused_at: float | None = None
    revealed: bool = False
    branch: int = 0
    branches: tuple[Branch, ...] = ()
    notes: tuple[tuple[str, str, int], ...] = ()

    @property
    def history(self) -> History:
        """The moves of this branch as (move, option) pairs."""
        return tuple((step.move, step.option) for step in self.steps)

    @property
    def values(self) -> dict[str, float]:
        """Parameter values of the world that is played."""
        return dict(self.stage.values) | (dict(self.created.values) if self.created else {})

    @property
    def ended(self) -> bool:
        """Whether the game has come to an end; seats are told by the reveal and not before."""
        return self.position is not None and self.position.ended

    @property
    def status(self) -> str:
        """``not created``, ``running``, ``paused`` or ``revealed``: what everybody may know."""
        if self.created is None:
            return LOBBY
        if self.revealed:
            return REVEALED
        return RUNNING if self.paused_at is None else PAUSED


def state_hash(state: State) -> str:
    """A fingerprint of everything in a state; replaying the same log gives the same one.

    Args:
        state: Where an exercise stands.

    Returns:
        64 hexadecimal digits.
    """
    parts: dict[str, Any] = {
        "created": e.event_json(state.created) if state.created else None,
        "seats": [vars(seat) for seat in state.seats.values()],
        "seed": state.seed,
        "steps": [vars(step) for step in state.steps],
        "next": state.position and [state.position.move, list(state.position.options)],
        "payoffs": state.position and [[k, v] for k, v in state.position.payoffs.items()],
        "timelines": {name: [vars(entry) for entry in entries] for name, entries in state.timelines.items()},
        "timer": state.timer and vars(state.timer),
        "paused_at": state.paused_at,
        "revealed": state.revealed,
        "branch": state.branch,
        "branches": [vars(b) | {"steps": [vars(s) for s in b.steps]} for b in state.branches],
        "notes": [list(note) for note in state.notes],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
