"""What a seat may see: computed from what its player was told, and from nothing else."""

from dataclasses import asdict, dataclass
from typing import Any

from detente.errors import UsageError, nearest
from detente.play.events import BY_FACILITATOR, BY_PERSON
from detente.play.session import BACK, DID, MESSAGE, NEWS, TOLD, Entry, State, next_decision


@dataclass(frozen=True)
class OptionView:
    """An option that can be chosen: its label, and what choosing it means."""

    label: str
    meaning: str


@dataclass(frozen=True)
class DecisionView:
    """The choice that is open to a seat.

    Attributes:
        id: Goes back with the choice.
        move: Name of the move.
        title: What it is called.
        about: What is decided, in a sentence, or empty.
        options: What can be chosen.
        deadline: When time runs out (seconds since 1970, UTC), or None.
        seconds_left: While paused: how much time will be left, or None.
        expired: Whether time has run out.
    """

    id: str
    move: str
    title: str
    about: str
    options: tuple[OptionView, ...]
    deadline: float | None = None
    seconds_left: float | None = None
    expired: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a timeline in words, with what it is about.

    Attributes:
        kind: ``told``, ``did``, ``message``, ``news`` or ``rewound``.
        text: In words.
        name: The move or subject, where it is a fact.
        label: What happened, where it is a fact.
        sender: The seat that wrote it.
        to: Whom it went to; empty means everybody.
        aside: Whether going back has set it aside.
    """

    kind: str
    text: str
    name: str = ""
    label: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    aside: bool = False


@dataclass(frozen=True)
class StepView:
    """One move as everybody sees it after the reveal."""

    move: str
    title: str
    option: str
    player: str
    by: str
    flag: str


@dataclass(frozen=True)
class View:
    """Everything that a seat may see.

    Attributes:
        exercise: Its title.
        seat: The seat.
        player: Whose moves it makes.
        role: Who that is.
        situation: In plain words.
        status: ``running``, ``paused`` or ``revealed``.
        branch: How often the facilitator has gone back.
        lines: What it was told, did, wrote and read, in order.
        decision: The choice that is open to it, or None. Whether others are to move is not said.
        seats: Names of all other seats and who they stand for, to write to.
        play: After the reveal: every move; before: empty.
        outcomes: After the reveal, if the game has ended: what came of it, as (name, text) pairs.
    """

    exercise: str
    seat: str
    player: str
    role: str
    situation: str
    status: str
    branch: int
    lines: tuple[Line, ...]
    decision: DecisionView | None
    seats: tuple[tuple[str, str], ...]
    play: tuple[StepView, ...] = ()
    outcomes: tuple[tuple[str, str], ...] = ()


def view(state: State, seat: str) -> View:
    """What a seat may see now.

    Two histories that the seat's player cannot tell apart, with the same messages and news, give equal views, ids
    included: nothing is read but the seat's own timeline, whether its own choice is open, and what everybody is told.

    Args:
        state: Where the exercise stands.
        seat: Name of the seat.

    Raises:
        UsageError: If there is no such seat.
    """
    if state.created is None or seat not in state.seats:
        raise UsageError(f"view: {seat!r} is not a seat.{nearest(seat, state.seats)}")
    mine = state.seats[seat]
    return View(
        exercise=state.created.title,
        seat=seat,
        player=mine.player,
        role=state.stage.role(mine.player),
        situation=state.stage.summary,
        status=state.status,
        branch=state.branch,
        lines=tuple(_line(state, entry) for entry in state.timelines[seat]),
        decision=_decision(state, seat),
        seats=tuple((s.name, state.stage.role(s.player)) for s in state.seats.values() if s.name != seat),
        play=_play(state),
        outcomes=_outcomes(state),
    )


def _decision(state: State, seat: str) -> DecisionView | None:
    decision = next_decision(state)
    if decision is None or seat not in decision.seats:
        return None
    timer, paused = state.timer, state.paused_at
    return DecisionView(
        id=decision.id,
        move=decision.move,
        title=state.stage.move_title(decision.move),
        about=state.stage.about(decision.move),
        options=tuple(OptionView(label, meaning) for label, meaning in decision.options),
        deadline=timer.deadline if timer and paused is None else None,
        seconds_left=max(0.0, timer.deadline - paused) if timer and paused is not None else None,
        expired=timer is not None and timer.expired,
    )


_CHOSE = {BY_PERSON: "You chose", BY_FACILITATOR: "The facilitator chose for you"}


def _line(state: State, entry: Entry) -> Line:
    title = state.stage.move_title(entry.name)
    words = {
        TOLD: f"{title}: {entry.label}",
        DID: f"{_CHOSE.get(entry.by, 'Chosen for you')}. {title}: {entry.label}",
        MESSAGE: entry.text,
        NEWS: entry.text,
        BACK: "The facilitator went back. What happened since then is set aside.",
    }
    return Line(entry.kind, words[entry.kind], entry.name, entry.label, entry.sender, entry.to, entry.aside)


def _play(state: State) -> tuple[StepView, ...]:
    if not state.revealed:
        return ()
    return tuple(
        StepView(s.move, state.stage.move_title(s.move), s.option, s.player, s.by, s.flag) for s in state.steps
    )


def _outcomes(state: State) -> tuple[tuple[str, str], ...]:
    if not state.revealed or state.position is None:
        return ()
    return tuple((state.stage.outcome_title(n), _word(v)) for n, v in state.position.outcomes.items())


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:.6g}"


@dataclass(frozen=True)
class ObserverView:
    """What somebody without a seat may see: the title and the seats before the reveal, every move after it."""

    exercise: str
    situation: str
    status: str
    seats: tuple[tuple[str, str], ...]
    play: tuple[StepView, ...]
    outcomes: tuple[tuple[str, str], ...]


def observer_view(state: State) -> ObserverView:
    """What somebody without a seat may see.

    Raises:
        UsageError: If the exercise has not been created.
    """
    if state.created is None:
        raise UsageError("view: the exercise has not been created yet. Begin a log with one 'create'.")
    seats = tuple((s.name, state.stage.role(s.player)) for s in state.seats.values())
    return ObserverView(state.created.title, state.stage.summary, state.status, seats, _play(state), _outcomes(state))


@dataclass(frozen=True)
class FacilitatorView:
    """Everything, for the one who runs the exercise.

    Attributes:
        exercise: Its title.
        status: ``running``, ``paused`` or ``revealed``.
        ended: Whether the game has come to an end.
        branch: Number of this branch; the first is 0.
        seats: (name, player, who that is, occupant, person) of every seat.
        play: Every move of this branch.
        branches: (number, moves kept by the next, reason) of every branch that was left.
        next_move: Name of the next move, or empty.
        next_player: Who makes it; empty for chance.
        next_seats: Its seats.
        options: Labels of the next move, with meanings.
        deadline: Of the open decision, or None.
        notes: (seat or empty, text, moves so far).
        timelines: Seat → lines.
        outcomes: What came of it, if the game has ended.
    """

    exercise: str
    status: str
    ended: bool
    branch: int
    seats: tuple[tuple[str, str, str, str, str], ...]
    play: tuple[StepView, ...]
    branches: tuple[tuple[int, int, str], ...]
    next_move: str
    next_player: str
    next_seats: tuple[str, ...]
    options: tuple[OptionView, ...]
    deadline: float | None
    notes: tuple[tuple[str, str, int], ...]
    timelines: dict[str, tuple[Line, ...]]
    outcomes: tuple[tuple[str, str], ...]


def facilitator_view(state: State) -> FacilitatorView:
    """Everything, for the one who runs the exercise. Never show it to a seat.

    Raises:
        UsageError: If the exercise has not been created.
    """
    if state.created is None or state.position is None:
        raise UsageError("view: the exercise has not been created yet. Begin a log with one 'create'.")
    position, stage = state.position, state.stage
    return FacilitatorView(
        exercise=state.created.title,
        status=state.status,
        ended=state.ended,
        branch=state.branch,
        seats=tuple((s.name, s.player, stage.role(s.player), s.occupant, s.person) for s in state.seats.values()),
        play=tuple(StepView(s.move, stage.move_title(s.move), s.option, s.player, s.by, s.flag) for s in state.steps),
        branches=tuple((b.number, b.kept, b.reason) for b in state.branches),
        next_move=position.move,
        next_player=position.player,
        next_seats=tuple(s.name for s in state.seats.values() if s.player == position.player),
        options=tuple(OptionView(o, stage.meaning(position.move, o)) for o in position.options),
        deadline=state.timer.deadline if state.timer else None,
        notes=state.notes,
        timelines={name: tuple(_line(state, entry) for entry in t) for name, t in state.timelines.items()},
        outcomes=tuple((stage.outcome_title(n), _word(v)) for n, v in position.outcomes.items()),
    )


def view_json(shown: View | ObserverView | FacilitatorView) -> dict[str, Any]:
    """A view as plain data, for programs, models and comparison byte by byte."""
    return asdict(shown)
