"""What happens in an exercise, as records: the log of an exercise is a list of these and nothing else."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from detente.errors import UsageError, nearest

VERSION = 1
MAX_TEXT = 4_000  # characters of a message, an item of news, a reason or a note
MAX_NAME = 80
PERSON, NOBODY, BOT = "person", "nobody", "bot:"  # occupants of a seat; a bot is "bot:" and its name
BY_PERSON, BY_BOT, BY_DEFAULT, BY_FACILITATOR, BY_CHANCE = "person", "bot", "default", "facilitator", "chance"
# Bots by name, with what they do.
BOTS = {
    "equilibrium": "plays the solved equilibrium; 'equilibrium:5' does so at precision 5",
    "cautious": "plays as the player would whose parameters, among those thought possible, make it escalate least",
    "hawkish": "plays as the player would whose parameters, among those thought possible, make it escalate most",
    "record": "does what was seen to happen, and plays the equilibrium where the record is silent",
    "model": "asks a language model that is given the seat's view and nothing else",
}
THEN_DEFAULT, THEN_BOT = "default", "bot"  # what happens when time runs out


@dataclass(frozen=True)
class SeatPlan:
    """A seat as it is set out when an exercise is created.

    Attributes:
        name: By which the exercise knows it.
        player: The player of the game whose moves it makes and whose knowledge it has.
        occupant: ``person``, ``nobody`` or ``bot:NAME``.
    """

    name: str
    player: str
    occupant: str = PERSON


@dataclass(frozen=True)
class Created:
    """The exercise begins: the game, one value for every parameter, the seed of chance, the seats.

    Attributes:
        at: When, in seconds since 1970 (UTC).
        exercise: Its id.
        game: Name of a scenario or library game.
        title: What it is called.
        seed: Of all chance moves; at least 16 characters, kept from the seats.
        seats: Who sits where.
        values: Parameter name and value of the world that is played.
        precision: λ of the equilibrium that bots and the review use.
        defaults: Move name and the option that is played when time runs out.
        seconds: Time for each decision; 0 means no limit.
        then: When time runs out: ``default`` plays the declared option, ``bot`` lets the equilibrium choose.
        paused: Whether it begins paused, so that people can take their seats.
    """

    kind: ClassVar[str] = "create"
    at: float
    exercise: str
    game: str
    title: str
    seed: str
    seats: tuple[SeatPlan, ...]
    values: tuple[tuple[str, float], ...] = ()
    precision: float = 1.0
    defaults: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    then: str = THEN_BOT
    paused: bool = False


@dataclass(frozen=True)
class Joined:
    """A person takes a seat."""

    kind: ClassVar[str] = "join"
    at: float
    seat: str
    name: str


@dataclass(frozen=True)
class Assigned:
    """A seat is given to people, to nobody, or to a bot (which takes over at once)."""

    kind: ClassVar[str] = "assign"
    at: float
    seat: str
    occupant: str
    reason: str = ""


@dataclass(frozen=True)
class Drawn:
    """Chance decided; recorded before anybody sees it."""

    kind: ClassVar[str] = "chance"
    at: float
    move: str
    option: str


@dataclass(frozen=True)
class Moved:
    """A seat chose: a person, its bot, or the declared default.

    Attributes:
        at: When.
        seat: Whose decision.
        decision: Id of the decision, from :func:`detente.play.session.next_decision`.
        option: Label chosen.
        by: ``person``, ``bot`` or ``default``.
        flag: Why somebody else chose than the one who should have, or empty.
    """

    kind: ClassVar[str] = "move"
    at: float
    seat: str
    decision: str
    option: str
    by: str = BY_PERSON
    flag: str = ""


@dataclass(frozen=True)
class Said:
    """A seat wrote to other seats; to nobody in particular means to everybody."""

    kind: ClassVar[str] = "message"
    at: float
    seat: str
    text: str
    to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Injected:
    """The facilitator brought in news, for some seats or for all."""

    kind: ClassVar[str] = "inject"
    at: float
    text: str
    to: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimerSet:
    """The open decision has a deadline from now on."""

    kind: ClassVar[str] = "timer"
    at: float
    decision: str
    deadline: float
    then: str = THEN_BOT


@dataclass(frozen=True)
class TimerExpired:
    """The deadline of the open decision has passed: its people can no longer choose."""

    kind: ClassVar[str] = "expiry"
    at: float
    decision: str


@dataclass(frozen=True)
class Paused:
    """Nobody moves, and deadlines stand still."""

    kind: ClassVar[str] = "pause"
    at: float


@dataclass(frozen=True)
class Resumed:
    """Play goes on; deadlines move by as long as the pause was."""

    kind: ClassVar[str] = "resume"
    at: float


@dataclass(frozen=True)
class Extended:
    """The open decision gets more time."""

    kind: ClassVar[str] = "extend"
    at: float
    seconds: float


@dataclass(frozen=True)
class Overridden:
    """The facilitator decides the next move, a player's or chance's, and says why."""

    kind: ClassVar[str] = "override"
    at: float
    move: str
    option: str
    reason: str


@dataclass(frozen=True)
class Rewound:
    """The facilitator goes back and a new branch opens; nothing is deleted.

    Attributes:
        at: When.
        keep: How many moves stay, chance moves included.
        reason: Why.
        seed: New seed of chance for this branch; empty keeps the same luck.
    """

    kind: ClassVar[str] = "rewind"
    at: float
    keep: int
    reason: str
    seed: str = ""


@dataclass(frozen=True)
class Revealed:
    """Everything is shown to everybody."""

    kind: ClassVar[str] = "reveal"
    at: float


@dataclass(frozen=True)
class Noted:
    """A note for the review: of a seat, or of the facilitator when the seat is empty. Nobody else sees it."""

    kind: ClassVar[str] = "note"
    at: float
    text: str
    seat: str = ""


Event = (
    Created
    | Joined
    | Assigned
    | Drawn
    | Moved
    | Said
    | Injected
    | TimerSet
    | TimerExpired
    | Paused
    | Resumed
    | Extended
    | Overridden
    | Rewound
    | Revealed
    | Noted
)
KINDS: dict[str, type] = {cls.kind: cls for cls in Event.__args__}


def event_json(event: Event) -> dict[str, Any]:
    """An event as plain data, for a log.

    Example:
        >>> event_json(Paused(12.0))
        {'version': 1, 'kind': 'pause', 'at': 12.0}
    """
    return {"version": VERSION, "kind": event.kind} | {f.name: _plain(getattr(event, f.name)) for f in fields(event)}


def _plain(value: Any) -> Any:
    if isinstance(value, SeatPlan):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value


def event_from_json(data: Mapping[str, Any]) -> Event:
    """The event of a log entry.

    Args:
        data: As :func:`event_json` wrote it.

    Raises:
        UsageError: If it is no event, of another version, or a field is missing, unknown or of the wrong kind.

    Example:
        >>> event_from_json({"version": 1, "kind": "extend", "at": 12.0, "seconds": 60})
        Extended(at=12.0, seconds=60.0)
    """
    if not isinstance(data, Mapping):
        raise UsageError(f"event: {data!r} is not an object. Give one as the export wrote it.")
    if data.get("version") != VERSION:
        raise UsageError(
            f"event: the version is {data.get('version')!r}, and this program reads version {VERSION}. "
            "Read the log with the program that wrote it."
        )
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise UsageError(f"event: {kind!r} is not a kind of event.{nearest(str(kind), KINDS)}")
    cls = KINDS[kind]
    known = {f.name: f for f in fields(cls)}
    given = {k: v for k, v in data.items() if k not in ("version", "kind")}
    for name in given:
        if name not in known:
            raise UsageError(f"event {kind!r}: {name!r} is not a field of it.{nearest(name, known)}")
    values = {name: _read(f"event {kind!r}: {name}", known[name].type, value) for name, value in given.items()}
    try:
        return cls(**values)
    except TypeError:
        missing = [name for name in known if name not in values]
        raise UsageError(f"event {kind!r}: of the fields {missing} at least one is missing. Give them.") from None


def _read(where: str, kind: Any, value: Any) -> Any:
    """A value of the declared kind, made from plain data."""
    if kind is float:
        return check_number(where, value)
    if kind in (str, bool, int):
        if type(value) is not kind:
            raise UsageError(f"{where}: {value!r} is not a {_WORDS[kind]}. Write one.")
        return value
    if not isinstance(value, list | tuple):
        raise UsageError(f"{where}: {value!r} is not a list. Write one.")
    if kind == tuple[SeatPlan, ...]:
        return tuple(_read_seat(where, item) for item in value)
    if kind == tuple[str, ...]:
        return tuple(_read(where, str, item) for item in value)
    second = float if kind == tuple[tuple[str, float], ...] else str
    for item in value:
        if not isinstance(item, list | tuple) or len(item) != 2:
            raise UsageError(f"{where}: {item!r} is not a pair of a name and a value. Write [name, value].")
    return tuple((_read(where, str, name), _read(where, second, item)) for name, item in value)


_WORDS = {str: "text", bool: "truth value", int: "whole number"}


def _read_seat(where: str, value: Any) -> SeatPlan:
    if not isinstance(value, Mapping) or not {"name", "player"} <= set(value) <= {"name", "player", "occupant"}:
        raise UsageError(f"{where}: {value!r} is not a seat. Write name, player and perhaps occupant.")
    return SeatPlan(**{key: _read(f"{where}.{key}", str, item) for key, item in value.items()})


def split_bot(name: str) -> tuple[str, float | None]:
    """A bot's name, and the precision it is to play at if the name states one.

    Args:
        name: One of ``BOTS``, or ``equilibrium:PRECISION``.

    Raises:
        UsageError: If there is no such bot, or the precision is not a number from 0 upwards.

    Example:
        >>> split_bot("equilibrium:5"), split_bot("hawkish")
        (('equilibrium', 5.0), ('hawkish', None))
    """
    bot, colon, text = name.partition(":")
    if bot not in BOTS:
        raise UsageError(f"bot: {bot!r} is not a bot.{nearest(bot, BOTS)}")
    if not colon:
        return bot, None
    try:
        precision = float(text)
    except ValueError:
        precision = -1.0
    if bot != "equilibrium" or not 0 <= precision < math.inf:
        raise UsageError(f"bot: {name!r} has no precision that can be used. Write for example equilibrium:5.")
    return bot, precision


def check_number(where: str, value: Any) -> float:
    """A finite number.

    Raises:
        UsageError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"{where}: {value!r} is not a finite number. Write one.")
    return float(value)


def check_text(where: str, text: str, *, longest: int = MAX_TEXT) -> str:
    """Text that can be shown: not empty, not too long.

    Raises:
        UsageError: If it is empty or too long.
    """
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{where}: the text is empty. Write something.")
    if len(text) > longest:
        raise UsageError(f"{where}: the text has {len(text):,} characters. At most {longest:,} are kept: shorten it.")
    return text
