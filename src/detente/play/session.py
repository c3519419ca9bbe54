"""An exercise as a pure state machine: the state is a fold over the log, and the rules are replayed with the history.

No clock, no files, no randomness: times come in with the events, and chance is a function of the recorded seed. What
comes next is in :mod:`detente.play.turns`, the records are in :mod:`detente.play.state`; both can be had from here.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from detente.errors import UsageError, nearest
from detente.play import events as e
from detente.play.stage import Position, Stage, follow
from detente.play.state import (
    BACK,
    DID,
    LOBBY,
    MESSAGE,
    NEWS,
    PAUSED,
    REVEALED,
    RUNNING,
    TOLD,
    Branch,
    Entry,
    Seat,
    State,
    Step,
    Timer,
    state_hash,
)
from detente.play.turns import Decision, bot_turn, due, next_decision, pending_chance

__all__ = [
    "BACK",
    "DID",
    "LOBBY",
    "MESSAGE",
    "NEWS",
    "PAUSED",
    "REVEALED",
    "RUNNING",
    "TOLD",
    "Branch",
    "Decision",
    "Entry",
    "Seat",
    "State",
    "Step",
    "Timer",
    "apply",
    "bot_turn",
    "due",
    "next_decision",
    "pending_chance",
    "replay",
    "state_hash",
]

MIN_SEED = 16
_STALE = "this decision is not open to {seat!r} now. Load the page again and see what is open."


def replay(stage: Stage, events: Iterable[e.Event]) -> State:
    """The state that a log leads to.

    Args:
        stage: What the exercise plays.
        events: From the beginning.

    Raises:
        UsageError: If an event is not possible where it stands.
    """
    state = State(stage)
    for event in events:
        state = apply(state, event)
    return state


def apply(state: State, event: e.Event) -> State:
    """The state after one more event.

    Args:
        state: Where the exercise stands.
        event: What happens.

    Returns:
        A new state; the old one is unchanged.

    Raises:
        UsageError: If the event is not possible now. The message tells a seat nothing that its view does not.

    Example:
        >>> from detente.play.stage import load_stage
        >>> seats = (e.SeatPlan("one", "player 1"), e.SeatPlan("two", "player 2", "bot:equilibrium"))
        >>> state = apply(State(load_stage("kuhn-poker")), e.Created(0.0, "x", "kuhn-poker", "Cards", "0" * 32, seats))
        >>> while (drawn := pending_chance(state, at=0.0)) is not None:
        ...     state = apply(state, drawn)
        >>> decision = next_decision(state)
        >>> decision.seats, decision.move, [label for label, _ in decision.options]
        (('one',), 'first of player 1', ['Pass', 'Bet'])
        >>> apply(state, e.Moved(1.0, "one", decision.id, "Fold"))
        Traceback (most recent call last):
        detente.errors.UsageError: move: 'first of player 1' has no option 'Fold'. Known: 'Pass', 'Bet'. Choose one...
    """
    handler = _HANDLERS.get(type(event))
    if handler is None:
        raise UsageError(f"exercise: {event!r} is not an event. Use the records of detente.play.events.")
    e.check_number(f"{event.kind}: at", event.at)
    if (state.created is None) != isinstance(event, e.Created):
        what = "has not been created yet" if state.created is None else "has been created already"
        raise UsageError(f"{event.kind}: the exercise {what}. Begin a log with one 'create'.")
    return handler(state, event)


def _create(state: State, event: e.Created) -> State:
    stage = state.stage
    if event.game != stage.name:
        raise UsageError(f"create: the log is of {event.game!r}, and the stage is {stage.name!r}. Load the right one.")
    if len(event.seed) < MIN_SEED:
        raise UsageError(f"create: the seed has {len(event.seed)} characters. Give at least {MIN_SEED}: it is secret.")
    if event.then not in (e.THEN_DEFAULT, e.THEN_BOT):
        raise UsageError(f"create: then is {event.then!r}. Say 'default' or 'bot'.")
    if event.seconds < 0:
        raise UsageError(f"create: {event.seconds} seconds for a decision. Give a number above 0, or 0 for no limit.")
    names = [seat.name for seat in event.seats]
    for seat in event.seats:
        e.check_text("create: the name of a seat", seat.name, longest=e.MAX_NAME)
        if names.count(seat.name) > 1:
            raise UsageError(f"create: two seats are called {seat.name!r}. Rename one.")
        if seat.player not in stage.players:
            raise UsageError(f"create: {seat.player!r} is not a player.{nearest(seat.player, stage.players)}")
        _check_occupant("create", seat.occupant)
    for player in stage.players:
        if player not in {seat.player for seat in event.seats}:
            raise UsageError(f"create: nobody can sit for {player!r}. Give it a seat; 'nobody' may sit in it.")
    created = replace(state, created=event, seed=event.seed, paused_at=event.at if event.paused else None)
    seats = {s.name: Seat(s.name, s.player, s.occupant) for s in event.seats}
    start = follow(stage, (), created.values)
    return _tell(replace(created, seats=seats, timelines={n: () for n in seats}), start, "")


def _check_occupant(where: str, occupant: str) -> None:
    if occupant in (e.PERSON, e.NOBODY):
        return
    if not occupant.startswith(e.BOT):
        raise UsageError(f"{where}: {occupant!r} cannot sit in a seat. Say 'person', 'nobody' or 'bot:NAME'.")
    e.split_bot(occupant.removeprefix(e.BOT))


def _seat(state: State, where: str, name: str) -> Seat:
    if name not in state.seats:
        raise UsageError(f"{where}: {name!r} is not a seat.{nearest(name, state.seats)}")
    return state.seats[name]


def _join(state: State, event: e.Joined) -> State:
    seat = _seat(state, "join", event.seat)
    name = e.check_text("join: the name", event.name, longest=e.MAX_NAME)
    if seat.occupant != e.PERSON:
        raise UsageError(f"join: the seat {event.seat!r} is not for a person now. Ask the facilitator to assign it.")
    return replace(state, seats={**state.seats, seat.name: replace(seat, person=name)})


def _assign(state: State, event: e.Assigned) -> State:
    seat = _seat(state, "assign", event.seat)
    _check_occupant("assign", event.occupant)
    person = seat.person if event.occupant == e.PERSON else ""
    return replace(state, seats={**state.seats, seat.name: replace(seat, occupant=event.occupant, person=person)})


def _chance(state: State, event: e.Drawn) -> State:
    expected = pending_chance(state, at=event.at)
    if expected is None or (event.move, event.option) != (expected.move, expected.option):
        raise UsageError(
            f"chance: {event.move!r} = {event.option!r} is not what the seed draws here. The log, the rules or the "
            "parameters have been changed."
        )
    return _advance(state, Step(event.move, event.option, "", "", e.BY_CHANCE, "", event.at))


def _move(state: State, event: e.Moved) -> State:
    seat = _seat(state, "move", event.seat)
    decision = next_decision(state)
    if decision is None or decision.id != event.decision or seat.name not in decision.seats:
        raise UsageError(f"move: {_STALE.format(seat=event.seat)}")
    if state.paused_at is not None:
        raise UsageError("move: the exercise is paused. Wait until it goes on.")
    labels = [label for label, _ in decision.options]
    if event.option not in labels:
        raise UsageError(
            f"move: {decision.move!r} has no option {event.option!r}.{nearest(event.option, labels)} Choose one."
        )
    _check_chooser(state, seat, event, decision)
    return _advance(
        state, Step(decision.move, event.option, decision.player, seat.name, event.by, event.flag, event.at)
    )


def _check_chooser(state: State, seat: Seat, event: e.Moved, decision: Decision) -> None:
    """Whether the one who chooses is the one whose turn it is: a person, the bot, or the default after the deadline."""
    expired = state.timer is not None and state.timer.expired
    then = state.timer.then if state.timer is not None else ""
    if event.by == e.BY_PERSON:
        if seat.occupant != e.PERSON:
            raise UsageError(f"move: no person plays the seat {seat.name!r} now. Ask the facilitator to assign it.")
        if expired:
            raise UsageError("move: the time for this decision has run out. Load the page again.")
    elif event.by == e.BY_BOT:
        if not seat.bot and not (expired and then == e.THEN_BOT):
            raise UsageError(f"move: no bot plays the seat {seat.name!r}. Assign one first.")
    elif event.by == e.BY_DEFAULT:
        assert state.created is not None
        if not expired or dict(state.created.defaults).get(decision.move) != event.option:
            raise UsageError("move: a default is played when time has run out, and it is the one declared.")
    else:
        raise UsageError(f"move: by is {event.by!r}. Say 'person', 'bot' or 'default'; a facilitator overrides.")


def _override(state: State, event: e.Overridden) -> State:
    e.check_text("override: the reason", event.reason)
    position = state.position
    if position is None or position.move != event.move or state.revealed:
        raise UsageError(f"override: {event.move!r} is not the next move. Load the page again and see what is next.")
    if event.option not in position.options:
        raise UsageError(
            f"override: {event.move!r} has no option {event.option!r}.{nearest(event.option, position.options)}"
        )
    return _advance(
        state, Step(event.move, event.option, position.player, "", e.BY_FACILITATOR, event.reason, event.at)
    )


def _advance(state: State, step: Step) -> State:
    history = (*state.history, (step.move, step.option))
    position = follow(state.stage, history, state.values)
    return _tell(replace(state, steps=(*state.steps, step), timer=None), position, step.by)


def _tell(state: State, position: Position, by: str) -> State:
    """Add what every player has just learned to the timelines of its seats; an own move says who made it."""
    timelines = dict(state.timelines)
    for seat in state.seats.values():
        before = 0 if state.position is None else len(state.position.knows[seat.player])
        new = position.knows[seat.player][before:]
        timelines[seat.name] += tuple(
            Entry(DID, name=f.name, label=f.label, by=by) if f.own else Entry(TOLD, name=f.name, label=f.label)
            for f in new
        )
    return replace(state, position=position, timelines=timelines)


def _say(state: State, event: e.Said) -> State:
    _seat(state, "message", event.seat)
    text = e.check_text("message", event.text)
    to = _addressees(state, "message", event.to)
    readers = set(to or state.seats) | {event.seat}
    entry = Entry(MESSAGE, text=text, sender=event.seat, to=to)
    return _post(state, readers, entry)


def _inject(state: State, event: e.Injected) -> State:
    to = _addressees(state, "inject", event.to)
    # Who else read it is nobody's business: a seat sees news, not a list of readers.
    return _post(state, set(to or state.seats), Entry(NEWS, text=e.check_text("inject", event.text)))


def _addressees(state: State, where: str, to: tuple[str, ...]) -> tuple[str, ...]:
    for name in to:
        _seat(state, f"{where}: to", name)
    return tuple(name for name in state.seats if name in to)


def _post(state: State, readers: set[str], entry: Entry) -> State:
    return replace(state, timelines={n: (*t, entry) if n in readers else t for n, t in state.timelines.items()})


def _set_timer(state: State, event: e.TimerSet) -> State:
    decision = next_decision(state)
    if decision is None or decision.id != event.decision or state.timer is not None:
        raise UsageError("timer: there is no open decision of that id without a deadline. Look up the open one.")
    if event.then not in (e.THEN_DEFAULT, e.THEN_BOT):
        raise UsageError(f"timer: then is {event.then!r}. Say 'default' or 'bot'.")
    if not e.check_number("timer: deadline", event.deadline) > event.at:
        raise UsageError("timer: the deadline has passed already. Set a later one.")
    return replace(state, timer=Timer(event.decision, event.deadline, event.then))


def _expire(state: State, event: e.TimerExpired) -> State:
    timer = state.timer
    if timer is None or timer.decision != event.decision or timer.expired or state.paused_at is not None:
        raise UsageError("expiry: no deadline of that decision is running. Nothing is to be done.")
    if event.at < timer.deadline:
        raise UsageError(f"expiry: the deadline is in {timer.deadline - event.at:.3f} s. Wait for it.")
    return replace(state, timer=replace(timer, expired=True))


def _pause(state: State, event: e.Paused) -> State:
    if state.paused_at is not None:
        raise UsageError("pause: the exercise is paused already. Resume it, or leave it.")
    return replace(state, paused_at=event.at)


def _resume(state: State, event: e.Resumed) -> State:
    if state.paused_at is None:
        raise UsageError("resume: the exercise is not paused. Pause it first.")
    timer, since = state.timer, max(0.0, event.at - state.paused_at)
    return replace(state, paused_at=None, timer=timer and replace(timer, deadline=timer.deadline + since))


def _extend(state: State, event: e.Extended) -> State:
    if not event.seconds > 0:
        raise UsageError(f"extend: {event.seconds} seconds. Give a number above 0.")
    if state.timer is None or state.timer.expired:
        raise UsageError("extend: no deadline is running. Set one first.")
    return replace(state, timer=replace(state.timer, deadline=state.timer.deadline + event.seconds))


def _rewind(state: State, event: e.Rewound) -> State:
    e.check_text("rewind: the reason", event.reason)
    if not 0 <= event.keep < len(state.steps):
        raise UsageError(
            f"rewind: {event.keep} moves cannot be kept of {len(state.steps)}. Keep fewer, and at least 0."
        )
    if event.seed and len(event.seed) < MIN_SEED:
        raise UsageError(f"rewind: the seed has {len(event.seed)} characters. Give at least {MIN_SEED}.")
    left = Branch(state.branch, state.steps, event.keep, event.reason)
    position = follow(state.stage, state.history[: event.keep], state.values)
    timelines = {}
    for seat in state.seats.values():
        marked = _set_aside(state.timelines[seat.name], len(position.knows[seat.player]))
        timelines[seat.name] = (*marked, Entry(BACK))
    return replace(
        state,
        steps=state.steps[: event.keep],
        seed=event.seed or state.seed,
        position=position,
        timelines=timelines,
        timer=None,
        revealed=False,
        branch=state.branch + 1,
        branches=(*state.branches, left),
    )


def _set_aside(entries: tuple[Entry, ...], keep: int) -> tuple[Entry, ...]:
    """Facts beyond the first ``keep`` that still count are set aside; messages and news stay."""
    found = []
    for entry in entries:
        if entry.kind in (TOLD, DID) and not entry.aside:
            keep -= 1
            entry = replace(entry, aside=keep < 0)
        found.append(entry)
    return tuple(found)


def _reveal(state: State, event: e.Revealed) -> State:
    if state.revealed:
        raise UsageError("reveal: everything is shown already. Nothing is to be done.")
    return replace(state, revealed=True, timer=None)


def _note(state: State, event: e.Noted) -> State:
    if event.seat:
        _seat(state, "note", event.seat)
    text = e.check_text("note", event.text)
    return replace(state, notes=(*state.notes, (event.seat, text, len(state.steps))))


_HANDLERS: dict[type, Callable[[State, Any], State]] = {
    e.Created: _create,
    e.Joined: _join,
    e.Assigned: _assign,
    e.Drawn: _chance,
    e.Moved: _move,
    e.Said: _say,
    e.Injected: _inject,
    e.TimerSet: _set_timer,
    e.TimerExpired: _expire,
    e.Paused: _pause,
    e.Resumed: _resume,
    e.Extended: _extend,
    e.Overridden: _override,
    e.Rewound: _rewind,
    e.Revealed: _reveal,
    e.Noted: _note,
}
