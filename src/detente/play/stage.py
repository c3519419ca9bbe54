"""The crisis that an exercise plays: its rules, one world, the words for people, and what follows a history."""

import hashlib
import hmac
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from detente.errors import ModelError, UsageError, nearest
from detente.model.names import with_article
from detente.play.meanings import Words, words_of

# The language loads numpy. A server answers its first page before it has rules to follow, so it is imported when used.
if TYPE_CHECKING:
    from pathlib import Path

    from detente.model.language import Crisis, Recorder, Rules

History = tuple[tuple[str, str], ...]  # (move, option) pairs from the start, chance moves included


@dataclass(frozen=True)
class Fact:
    """Something a player knows: what it was told, or did itself.

    Attributes:
        name: What it is about, usually a move.
        label: What happened.
        own: Whether it is the player's own move.
    """

    name: str
    label: str
    own: bool


@dataclass(frozen=True)
class Position:
    """Where a history has led.

    Attributes:
        move: Name of the next move; empty when the game has ended.
        player: Who moves next; empty for chance and at the end.
        options: Labels of the next move.
        chances: Probability of each option of a chance move.
        knows: What every player knows, in the order in which it learned it.
        payoffs: Payoff of every player at the end, else empty.
        outcomes: What is true, or has a value, at the end.
    """

    move: str
    player: str
    options: tuple[str, ...]
    chances: tuple[float, ...]
    knows: Mapping[str, tuple[Fact, ...]]
    payoffs: Mapping[str, float]
    outcomes: Mapping[str, Any]

    @property
    def ended(self) -> bool:
        """Whether nothing is left to decide."""
        return not self.move


@dataclass(frozen=True, eq=False)
class Stage:
    """What is played: the rules, the values of a world, and the words in which people read it.

    Attributes:
        name: Name of the scenario or library game.
        title: What it is called.
        summary: The situation in plain words.
        crisis: The rules.
        values: Parameter name → value, unless an exercise states its own.
        precision: λ, unless an exercise states its own.
        roles: Player → who that is.
        words: What moves are called and options mean; a move that is not in it is called by its name.
        observed: Move → option that was seen to happen, for the bot that follows the record.
        priors: Parameter → prior, for the personas.
        escalation: Outcome → weight: what more of counts as escalation.
        outcomes: Outcomes that somebody minds → title.
    """

    name: str
    title: str
    summary: str
    crisis: "Crisis"
    values: Mapping[str, float] = field(default_factory=dict)
    precision: float = 1.0
    roles: Mapping[str, str] = field(default_factory=dict)
    words: Words = field(default_factory=Words)
    observed: Mapping[str, str] = field(default_factory=dict)
    priors: Mapping[str, Any] = field(default_factory=dict)
    escalation: Mapping[str, float] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    _rules: "Rules" = field(init=False, repr=False)
    _lock: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        from detente.model.language import Rules
        from detente.model.symbols import Pool

        # Symbols and knowledge are interned while a history is followed: one thread at a time.
        object.__setattr__(self, "_rules", Rules(self.crisis, Pool()))
        object.__setattr__(self, "_lock", threading.Lock())

    @property
    def players(self) -> tuple[str, ...]:
        """Names of the players."""
        return tuple(player.name for player in self.crisis.players)

    def role(self, player: str) -> str:
        """Who a player is."""
        return self.roles.get(player, player)

    def named(self, player: str) -> str:
        """Who a player is, inside a sentence: ``the United States``."""
        return with_article(self.role(player))

    def move_title(self, move: str) -> str:
        """What a move is called."""
        return self.words.titles.get(move, move)

    def about(self, move: str) -> str:
        """What is decided by a move; empty where nobody has written it down."""
        return self.words.about.get(move, "")

    def outcome_title(self, outcome: str) -> str:
        """What an outcome is called; one that says what was chosen is called like the move."""
        return self.outcomes.get(outcome) or self.words.titles.get(outcome) or outcome.replace("_", " ")

    def meaning(self, move: str, option: str) -> str:
        """What choosing an option means; empty where nobody has written it down."""
        return self.words.meanings.get((move, option), "")


class _Open(Exception):  # noqa: N818 - not an error: the history ends here
    """The recorded history ends at this move."""

    def __init__(self, index: int):
        self.index = index


def follow(stage: Stage, history: History, values: Mapping[str, float] | None = None) -> Position:
    """Replay the rules along a history, and say what comes next and who knows what.

    Cost: one run of the crisis function, about 0.1 ms.

    Args:
        stage: What is played.
        history: (move, option) pairs from the start.
        values: Parameter values; default: the stage's.

    Returns:
        Where the history has led.

    Raises:
        UsageError: If the history is not one of the rules: it names the move, the option and what is possible.
        ModelError: If the rules themselves are at fault.

    Example:
        >>> stage = load_stage("kuhn-poker")
        >>> position = follow(stage, (("card of player 1", "2"), ("card of player 2", "0")))
        >>> position.player, position.move, position.options
        ('player 1', 'first of player 1', ('Pass', 'Bet'))
        >>> position.knows["player 2"]
        (Fact(name='card of player 2', label='0', own=False),)
    """
    from detente.axes import CHOICE
    from detente.model.language import Recorder

    values = stage.values if values is None else values
    with stage._lock:
        rules = stage._rules
        recorder = Recorder(rules, _follower(rules, history))
        try:
            result = stage.crisis.function(recorder, rules.parameters)
        except _Open as stop:
            move = rules.moves[stop.index]
            player = stage.players[move.player] if move.kind == CHOICE else ""
            chances = evaluate(move.probabilities, values)
            knows = _knowledge(stage, recorder)
            return Position(move.name, player, move.options, chances, knows, {}, {})
        if len(recorder._trail) < len(history):
            extra = history[len(recorder._trail)][0]
            raise UsageError(f"{stage.name}: the game has ended before {extra!r}. Take that move out of the history.")
        names = [p.name for p in stage.crisis.players]
        totals = [result.get(p) for p in stage.crisis.players]
        if any(total is None for total in totals):
            raise ModelError(f"{stage.name}: the rules return no payoff for a player. Return one for each: {names}.")
        sums = [sum(t.values()) if isinstance(t, Mapping) else t for t in totals]
        payoffs = dict(zip(names, evaluate(sums, values), strict=True))
        outcomes = {n: _outcome(v, values) for n, v in recorder._outcomes.items()}
        return Position("", "", (), (), _knowledge(stage, recorder), payoffs, outcomes)


def knowledge_index(stage: Stage, history: History) -> tuple[int, ...]:
    """A number for what each player knows at the end of a finished history; equal numbers mean equal knowledge.

    The numbers hold within one stage of one process: compare them, never show or store them.

    Args:
        stage: What is played.
        history: (move, option) pairs up to the end of the game.
    """
    from detente.model.language import Recorder

    with stage._lock:
        recorder = Recorder(stage._rules, _follower(stage._rules, history))
        stage.crisis.function(recorder, stage._rules.parameters)
        return tuple(recorder._knowledge)


def _follower(rules: "Rules", history: History) -> Any:
    def next_option(step: int, index: int, knowledge: int) -> int:
        if step == len(history):
            raise _Open(index)
        move, (name, option) = rules.moves[index], history[step]
        if move.name != name:
            raise UsageError(
                f"{rules.crisis.name}: the next move is {move.name!r}, and the history says {name!r}. "
                "The rules have changed since, or the history is of another game."
            )
        if option not in move.options:
            raise UsageError(
                f"{rules.crisis.name}: {name!r} has no option {option!r}.{nearest(option, move.options)} Choose one."
            )
        return move.options.index(option)

    return next_option


def _knowledge(stage: Stage, recorder: "Recorder") -> dict[str, tuple[Fact, ...]]:
    found = {}
    for player, state in zip(stage.players, recorder._knowledge, strict=True):
        facts = []
        while state > 0:
            state, name, label, own = stage._rules.knowledge[state]
            facts.append(Fact(name, label, own))
        found[player] = tuple(reversed(facts))
    return found


def _outcome(value: Any, values: Mapping[str, float]) -> Any:
    if isinstance(value, str | bool):
        return value
    return evaluate([value], values)[0]


def evaluate(expressions: Sequence[Any], values: Mapping[str, float]) -> tuple[float, ...]:
    """Expressions of parameters as numbers.

    Args:
        expressions: Numbers or symbols.
        values: Parameter name → value.

    Raises:
        UsageError: If a parameter has no value.
    """
    from detente.model.symbols import BasisBuilder, Expr

    if not any(isinstance(e, Expr) for e in expressions):
        return tuple(float(e) for e in expressions)
    builder = BasisBuilder()
    rows = [builder.row(e) for e in expressions]
    basis = builder.finish()
    for name in basis.parameters:
        if name not in values:
            raise UsageError(f"values: the parameter {name!r} has no value.{nearest(name, values)} Give it one.")
    monomials = basis.evaluate(values, 1)[:, 0]
    return tuple(float(sum(c * monomials[m] for m, c in row)) for row in rows)


def draw_option(seed: str, move: str, options: Sequence[str], chances: Iterable[float]) -> str:
    """The option that chance takes: a function of the seed and the move's name alone.

    Because nothing else enters, going back and choosing otherwise meets the same luck, and two runs of one seed differ
    only by what people chose.

    Args:
        seed: Of the exercise.
        move: Name of the chance move.
        options: Labels.
        chances: Probability of each.

    Example:
        >>> draw_option("a seed of my own", "coin", ["heads", "tails"], [0.5, 0.5])
        'heads'
    """
    point = unit_interval(seed, f"chance {move}")
    total, last = 0.0, ""
    for option, chance in zip(options, chances, strict=True):
        if chance <= 0:
            continue
        total, last = total + chance, option
        if point < total:
            return option
    return last  # rounding: the chances sum to a little less than 1


def unit_interval(seed: str, purpose: str) -> float:
    """A number in [0, 1) made from a seed and what it is for."""
    digest = hmac.new(seed.encode(), purpose.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


# -- at the edge: scenarios and library games ------------------------------------------------------
@lru_cache(maxsize=32)
def load_stage(name: "str | Path") -> Stage:
    """The stage of a scenario (in its median world) or of a library game.

    Args:
        name: As ``detente list`` shows it, or a scenario's folder.

    Raises:
        UsageError: If there is neither a scenario nor a library game of that name.
        ScenarioError: If a file of the scenario is wrong.

    Example:
        >>> load_stage("october-2024").roles["patron"]
        'United States'
    """
    from detente.library.games import GAMES
    from detente.model.builtin import scenario_names

    if str(name) in GAMES:
        game = GAMES[str(name)]
        return Stage(game.name, game.title, game.title, game.crisis, values=dict(game.defaults))
    from pathlib import Path

    if not Path(name).is_dir() and str(name) not in scenario_names():
        known = [*scenario_names(), *GAMES]
        raise UsageError(
            f"{str(name)!r} is not a scenario, a library game or a folder.{nearest(str(name), known)} "
            "'detente list' shows them all."
        )
    from detente.model.scenario import load_scenario

    return stage_of(load_scenario(name), str(name))


def stage_of(scenario: Any, name: str | None = None) -> Stage:
    """The stage of a loaded scenario, in its median world.

    Args:
        scenario: A :class:`detente.model.scenario.Scenario`.
        name: By which it can be loaded again; default: its slug.
    """
    from detente.model.priors import median_draw

    values = median_draw(scenario.priors)
    key = scenario.file.precision
    precision = values.pop(key) if isinstance(key, str) else float(key)
    return Stage(
        name=name or scenario.slug,
        title=scenario.file.title,
        summary=" ".join(scenario.file.summary.split()),
        crisis=scenario.crisis,
        values=values,
        precision=precision,
        roles=dict(scenario.file.who),
        words=words_of(scenario.file.rules, scenario.file.who, scenario.file.moves),
        observed=dict(scenario.file.observed.moves) if scenario.file.observed is not None else {},
        priors={name: prior for name, prior in scenario.priors.items() if name != key},
        escalation={n: 1.0 if o.better == "lower" else -1.0 for n, o in scenario.file.outcomes.items() if o.headline},
        outcomes={name: outcome.title for name, outcome in scenario.file.outcomes.items()},
    )
