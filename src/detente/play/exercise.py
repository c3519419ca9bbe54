"""A running exercise: its log folded as it grows, and what has to be recorded together with each event."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from detente.errors import UsageError
from detente.play import events as e
from detente.play.session import State, apply, due, next_decision
from detente.play.stage import Stage
from detente.play.store import Exercise, Row
from detente.play.views import ObserverView, View, observer_view, view

MOST_AT_ONCE = 1_000  # events that follow from one: more means that the rules never let anybody choose

EventFn = Callable[[float], e.Event]


@dataclass(eq=False)
class Live:
    """An exercise in memory. Only what is durable is in it: it never runs ahead of the store.

    Attributes:
        entry: As the store lists it.
        state: Where it stands.
        events: Its log.
        requests: Idempotency key → number of the event that the request caused.
        lock: One event after the other.
        trouble: What went wrong with a bot, for the facilitator; empty if nothing.
        troubled_at: Where the play stood then: once it has moved on, the trouble is over.
    """

    entry: Exercise
    state: State
    events: list[e.Event] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    trouble: str = ""
    troubled_at: tuple[int, int] = (0, 0)
    _views: dict[str, tuple[State, View, str]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The exercise's id."""
        return self.entry.id

    @property
    def place(self) -> tuple[int, int]:
        """Where the play stands: the branch, and the number of its moves."""
        return self.state.branch, len(self.state.steps)

    def take(self, rows: Sequence[Row]) -> None:
        """Add stored events to the state."""
        for row in rows:
            event = e.event_from_json(row.body)
            self.state = apply(self.state, event)
            if row.request is not None:
                self.requests[row.request] = len(self.events)
            self.events.append(event)

    def adopt(self, state: State, events: Sequence[e.Event], request: str | None) -> None:
        """Take over a state that is durable now, with the events that led to it."""
        if request is not None:
            self.requests[request] = len(self.events)
        self.events += events
        self.state = state

    def view(self, seat: str) -> tuple[View, str]:
        """What a seat sees now, and the version of it; both are the same objects until something changes for the seat.

        The version is made from the view, so that it tells a seat no more than the view does.
        """
        kept = self._views.get(seat)
        if kept is not None and kept[0] is self.state:
            return kept[1], kept[2]
        now = view(self.state, seat)
        if kept is not None and kept[1] == now:
            now, mark = kept[1], kept[2]
        else:
            mark = version(now)
        self._views[seat] = (self.state, now, mark)
        return now, mark

    def observed(self) -> tuple[ObserverView, str]:
        """What observers see now, and the version of it."""
        now = observer_view(self.state)
        return now, version(now)


def version(shown: Any) -> str:
    """A short name for what a page shows: equal pages have equal versions.

    Example:
        >>> version(("a", 1)) == version(("a", 1)), version(("a", 1)) == version(("a", 2))
        (True, False)
    """
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:24]


def new_live(entry: Exercise, stage: Stage) -> Live:
    """An exercise of which no event has been read yet."""
    return Live(entry, State(stage))


def follow_up(state: State, event: e.Event | None, now: float) -> tuple[State, list[e.Event]]:
    """What one event leads to at once: chance moves, a deadline, a declared default.

    They are recorded in the same transaction, so that nobody sees a state in which chance has yet to decide.

    Args:
        state: Where the exercise stands.
        event: What happens; None to look only for what is due.
        now: The time.

    Returns:
        The state after it, and the events in order.

    Raises:
        UsageError: If the event is not possible, or if moves of nobody follow each other without end.
    """
    found: list[e.Event] = []
    following = event if event is not None else due(state, now=now)
    while following is not None:
        state = apply(state, following)
        found.append(following)
        if len(found) > MOST_AT_ONCE:
            raise UsageError(f"exercise: {MOST_AT_ONCE:,} moves of chance follow each other. Shorten the rules.")
        following = due(state, now=now)
    return state, found


def rows_of(state: State, events: Sequence[e.Event], request: str | None) -> list[Row]:
    """Events as the store keeps them.

    Args:
        state: Before the first of them.
        events: In order.
        request: Idempotency key of the request that caused the first.
    """
    rows = []
    branch = state.branch
    for number, event in enumerate(events):
        branch += isinstance(event, e.Rewound)
        decision = event.decision if isinstance(event, e.Moved) else None
        rows.append(Row(e.event_json(event), branch, request if number == 0 else None, decision))
    return rows


def is_repeated(stored: e.Event, again: e.Event) -> bool:
    """Whether a request asks again for what it caused before; the time and the draw of a new seed are not asked for.

    Example:
        >>> is_repeated(e.Extended(1.0, 60.0), e.Extended(2.0, 60.0)), is_repeated(e.Extended(1.0, 60.0), e.Paused(2.0))
        (True, False)
    """
    if type(stored) is not type(again):
        return False
    names = {f.name for f in fields(again)}
    same = {name: getattr(stored, name) for name in ("at", "seed") if name in names}
    if isinstance(again, e.Rewound) and bool(stored.seed) != bool(again.seed):  # type: ignore[union-attr]
        return False
    return replace(again, **same) == stored


def deadline(state: State) -> float | None:
    """When time runs out for somebody, if nothing happens before; None while no deadline is running."""
    if state.timer is None or state.timer.expired or state.paused_at is not None or next_decision(state) is None:
        return None
    return state.timer.deadline
