"""What comes next in an exercise: the open decision, what chance does, what is due, whose bot is to choose."""

import hashlib
import json
from dataclasses import dataclass

from detente.play import events as e
from detente.play.stage import Position, draw_option
from detente.play.state import State


@dataclass(frozen=True)
class Decision:
    """A choice that is open.

    Attributes:
        id: Made from what the player knows and nothing else.
        player: Who chooses.
        seats: The seats of that player.
        move: Name of the move.
        options: (label, meaning) pairs.
    """

    id: str
    player: str
    seats: tuple[str, ...]
    move: str
    options: tuple[tuple[str, str], ...]


def next_decision(state: State) -> Decision | None:
    """The choice that is open, or None: chance is next, the game has ended, or everything is shown.

    A pause does not close it.
    """
    position = state.position
    if position is None or not position.player or state.revealed:
        return None
    seats = tuple(s.name for s in state.seats.values() if s.player == position.player)
    options = tuple((label, state.stage.meaning(position.move, label)) for label in position.options)
    return Decision(_decision_id(state, position), position.player, seats, position.move, options)


def _decision_id(state: State, position: Position) -> str:
    """From the player, what it knows, and the number of rewinds (which everybody is told of): nothing else enters.

    It needs no secret: whoever could work it out knows what the seat knows.
    """
    assert state.created is not None
    knows = [[f.name, f.label, f.own] for f in position.knows[position.player]]
    text = json.dumps(["decision", state.created.exercise, state.branch, position.player, position.move, knows])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def pending_chance(state: State, *, at: float) -> e.Drawn | None:
    """What chance does next, as the event to record before anybody sees it; None if chance is not to move.

    Args:
        state: Where the exercise stands.
        at: When it is recorded.
    """
    position = state.position
    if position is None or position.ended or position.player or state.revealed:
        return None
    option = draw_option(state.seed, position.move, position.options, position.chances)
    return e.Drawn(at, position.move, option)


def due(state: State, *, now: float) -> e.Event | None:
    """The next event that nobody has to ask for: chance, a deadline set or passed, a declared default.

    What a bot plays is not among them: it is asked for with :func:`bot_turn`. Call again after each event.

    Args:
        state: Where the exercise stands.
        now: The time.

    Returns:
        The event to apply and record, or None.
    """
    if state.created is None or state.paused_at is not None or state.revealed:
        return None
    drawn = pending_chance(state, at=now)
    if drawn is not None:
        return drawn
    decision = next_decision(state)
    if decision is None:
        return None
    if state.timer is None:
        if state.created.seconds <= 0 or bot_turn(state) is not None:
            return None
        default = dict(state.created.defaults).get(decision.move)
        labels = [label for label, _ in decision.options]
        then = state.created.then if default in labels else e.THEN_BOT
        return e.TimerSet(now, decision.id, now + state.created.seconds, then)
    if not state.timer.expired:
        return e.TimerExpired(now, decision.id) if now >= state.timer.deadline else None
    if state.timer.then == e.THEN_DEFAULT:
        option = dict(state.created.defaults)[decision.move]
        return e.Moved(now, decision.seats[0], decision.id, option, e.BY_DEFAULT, "time ran out")
    return None


def bot_turn(state: State) -> tuple[str, str, str] | None:
    """The seat, the bot and the flag if a bot is to choose now: it sits there, or the time of a person has run out.

    Where several seats share a player, people come before bots.
    """
    decision = next_decision(state)
    if decision is None or state.paused_at is not None:
        return None
    if state.timer is not None and state.timer.expired and state.timer.then == e.THEN_BOT:
        return decision.seats[0], "equilibrium", "time ran out"
    seats = [state.seats[name] for name in decision.seats]
    if any(seat.occupant == e.PERSON for seat in seats):
        return None
    for seat in seats:
        if seat.bot:
            return seat.name, seat.bot, ""
    return None
