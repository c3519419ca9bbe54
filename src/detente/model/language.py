"""The language of a crisis: a plain function, run again and again along recorded histories."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from detente.axes import CHANCE, CHOICE
from detente.errors import ModelError, nearest
from detente.model.symbols import Condition, Expr, Number, Pool, _number

PROBABILITY_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Player:
    """Somebody who moves in the game."""

    name: str

    def __str__(self) -> str:
        return self.name


def players(*names: str) -> tuple[Player, ...]:
    """The players of a crisis.

    Args:
        *names: One name each; they are what people read.

    Raises:
        ModelError: If a name is empty or given twice.

    Example:
        >>> PATRON, PROTEGE = players("patron", "protege")
        >>> PATRON
        Player(name='patron')
    """
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ModelError(f"players: {name!r} is not a name. Give every player a word.")
        if names.count(name) > 1:
            raise ModelError(f"players: {name!r} is given twice. Give every player a name of its own.")
    return tuple(Player(name) for name in names)


@dataclass(frozen=True)
class Crisis:
    """The rules of a crisis: who plays, and the function that says what happens.

    Attributes:
        function: Called as ``function(g, p)`` with a :class:`Recorder` and the :class:`Parameters`.
        players: Who plays, in order.
        name: Name of the function.
    """

    function: Callable[["Recorder", "Parameters"], Mapping[Player, Any]]
    players: tuple[Player, ...]
    name: str

    @property
    def title(self) -> str:
        """First line of the function's docstring, or its name."""
        return (inspect.getdoc(self.function) or self.name).splitlines()[0]

    def __call__(self, g: "Recorder", p: "Parameters") -> Mapping[Player, Any]:
        """Run the rules along one history."""
        return self.function(g, p)


def crisis(*, players: Iterable[Player]) -> Callable[[Callable[..., Any]], Crisis]:
    """Turn a function of a recorder and parameters into the rules of a crisis.

    Args:
        players: Everybody who moves or has payoffs, in the order in which results are shown.

    Returns:
        A decorator.

    Example:
        >>> ROW, = players("row")
        >>> @crisis(players=(ROW,))
        ... def coin(g, p):
        ...     "Call a coin."
        ...     side = g.chance("coin", {"heads": 0.5, "tails": 0.5})
        ...     call = g.choose(ROW, "call", ["heads", "tails"])
        ...     return {ROW: call == side}
        >>> coin.title
        'Call a coin.'
    """
    if isinstance(players, Player):
        players = (players,)
    chosen = tuple(players)

    def decorate(function: Callable[..., Any]) -> Crisis:
        for player in chosen:
            if not isinstance(player, Player):
                raise ModelError(
                    f"{function.__name__}: {player!r} is not a player. Make players with dt.players('name', …)."
                )
        if len({player.name for player in chosen}) != len(chosen):
            raise ModelError(f"{function.__name__}: two players have the same name. Rename one.")
        return Crisis(function, chosen, function.__name__)

    return decorate


class Parameters:
    """The parameters of a crisis as symbols: ``p.hawk`` is a symbol named *hawk*."""

    def __init__(self, pool: Pool):
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        # Kept as an attribute, so that the next of the many uses is a plain look-up.
        symbol = self.__dict__[name] = self._pool.parameter(name)
        return symbol

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            raise ModelError(
                f"parameters: the rules set p.{name} to {value!r}. Values come with the draws: use a variable instead."
            )
        super().__setattr__(name, value)

    def __getitem__(self, name: str) -> Any:
        return self._pool.parameter(name)


@dataclass(frozen=True)
class Move:
    """One move as the rules state it.

    Attributes:
        kind: ``CHOICE`` or ``CHANCE``.
        name: The move's name.
        player: Index of the player who chooses; -1 for chance.
        options: Labels.
        probabilities: For chance, symbols or numbers; else empty.
        seen_by: Indices of the players who are told the result (the chooser always knows).
    """

    kind: int
    name: str
    player: int
    options: tuple[str, ...]
    probabilities: tuple[Expr | Number, ...]
    seen_by: tuple[int, ...]


class Rules:
    """A crisis made ready for replaying: every move is checked once, and knowledge is interned.

    Args:
        crisis: The rules.
        pool: Where its symbols live.
    """

    def __init__(self, crisis: Crisis, pool: Pool):
        self.crisis = crisis
        self.pool = pool
        self.parameters = Parameters(pool)
        self.player_index = {player: i for i, player in enumerate(crisis.players)}
        self.moves: list[Move] = []
        self._move_index: dict[Any, int] = {}
        # What a player knows is a linked list of (name, label), interned so that equal lists are one number.
        # A player's own moves are marked: it does not mistake what another did for what it did itself.
        self.knowledge: list[tuple[int, str, str, bool]] = [(-1, "", "", False)]
        self._knowledge_index: dict[tuple[int, str, str, bool], int] = {}

    def learn(self, knowledge: int, name: str, label: str, *, own: bool = False) -> int:
        """The knowledge after being told, or doing, one more thing."""
        key = (knowledge, name, label, own)
        found = self._knowledge_index.get(key)
        if found is None:
            found = self._knowledge_index[key] = len(self.knowledge)
            self.knowledge.append(key)
        return found

    def known(self, knowledge: int) -> tuple[tuple[str, str], ...]:
        """Everything in a state of knowledge, in order."""
        items = []
        while knowledge > 0:
            knowledge, name, label, _ = self.knowledge[knowledge]
            items.append((name, label))
        return tuple(reversed(items))

    def players_of(self, who: Any, where: str) -> tuple[int, ...]:
        """Indices of one player or several."""
        if isinstance(who, Player):
            who = (who,)
        if isinstance(who, str) or not isinstance(who, Iterable):
            raise ModelError(f"{where}: {who!r} is not a player. Give a player, or several in a tuple.")
        indices = []
        for player in who:
            if not isinstance(player, Player) or player not in self.player_index:
                raise ModelError(
                    f"{where}: {getattr(player, 'name', player)!r} is not a player of {self.crisis.name!r}."
                    f"{nearest(str(player), [p.name for p in self.crisis.players])} "
                    "List it in @dt.crisis(players=…)."
                )
            indices.append(self.player_index[player])
        return tuple(dict.fromkeys(indices))

    def choice(self, player: Any, name: str, options: Iterable[str], seen_by: Any, where: Callable[[], str]) -> int:
        """Index of a choice, checked when it is met for the first time."""
        if isinstance(options, str | set | frozenset) or not isinstance(options, Iterable):
            raise ModelError(
                f"{where()}: the options of {name!r} are {options!r}. Give words in an order: a list or a tuple."
            )
        options = options if isinstance(options, tuple) else tuple(options)
        key = (CHOICE, name, player, options, self._told_key(seen_by, name, where))
        try:
            found = self._move_index.get(key)
        except (TypeError, ModelError):
            raise ModelError(
                f"{where()}: the options of {name!r} are not all words: {list(options)!r}. Options are labels."
            ) from None
        if found is None:
            at = where()
            _check_labels(options, name, at)
            choosers = self.players_of(player, f"{at}: the choice {name!r}")
            if len(choosers) != 1:
                raise ModelError(f"{at}: the choice {name!r} has {len(choosers)} players. Exactly one chooses.")
            (chooser,) = choosers
            told = self.players_of(seen_by, f"{at}: seen_by of {name!r}")
            found = self._add(key, Move(CHOICE, name, chooser, options, (), told))
        return found

    def chance(self, name: str, options: Mapping[str, Any], seen_by: Any, where: Callable[[], str]) -> int:
        """Index of a chance move, checked when it is met for the first time."""
        if not isinstance(options, Mapping):
            raise ModelError(
                f"{where()}: the chance move {name!r} needs a mapping from option to probability, not "
                f"{options!r}. Write {{'label': probability, …}}."
            )
        identity = tuple((label, v.uid if isinstance(v, Expr) else ("n", v)) for label, v in options.items())
        key = (CHANCE, name, identity, self._told_key(seen_by, name, where))
        try:
            found = self._move_index.get(key)
        except (TypeError, ModelError):  # something that is no number cannot be looked up
            for label, value in options.items():
                _probability(value, label, name, where())
            raise
        if found is None:
            at = where()
            _check_labels(tuple(options), name, at)
            probabilities = tuple(_probability(v, label, name, at) for label, v in options.items())
            _check_sum(probabilities, name, at)
            told = self.players_of(seen_by, f"{at}: seen_by of {name!r}")
            found = self._add(key, Move(CHANCE, name, -1, tuple(options), probabilities, told))
        return found

    def _told_key(self, seen_by: Any, name: str, where: Callable[[], str]) -> Any:
        if isinstance(seen_by, Player | tuple):
            return seen_by
        if not isinstance(seen_by, Iterable):
            self.players_of(seen_by, f"{where()}: seen_by of {name!r}")  # refuses it
        return tuple(seen_by)

    def _add(self, key: Any, move: Move) -> int:
        self._move_index[key] = len(self.moves)
        self.moves.append(move)
        return len(self.moves) - 1


def _check_labels(options: tuple[str, ...], name: str, at: str) -> None:
    if not isinstance(name, str) or not name:
        raise ModelError(f"{at}: a move has the name {name!r}. Give it a word.")
    if not options:
        raise ModelError(f"{at}: the move {name!r} has no options. Give at least one option, or leave the move out.")
    for option in options:
        if not isinstance(option, str):
            raise ModelError(f"{at}: the option {option!r} of {name!r} is not a word. Options are labels.")
        if options.count(option) > 1:
            raise ModelError(
                f"{at}: the move {name!r} has the option {option!r} twice. Labels are the identity of options: "
                "rename one."
            )


def _probability(value: Any, label: str, name: str, at: str) -> Expr | Number:
    if isinstance(value, Expr):
        return value
    number = _number(value)
    if number is None or not 0 <= number <= 1:
        raise ModelError(
            f"{at}: the chance of {label!r} in {name!r} is {value!r}. A probability is a number or symbol in [0, 1]."
        )
    return number


def _check_sum(probabilities: tuple[Expr | Number, ...], name: str, at: str) -> None:
    total: Expr | Number = 0
    for probability in probabilities:
        total = total + probability
    difference = total - 1
    terms = difference.terms.values() if isinstance(difference, Expr) else (difference,)
    if any(abs(c) > PROBABILITY_TOLERANCE for c in terms):
        raise ModelError(
            f"{at}: the chances of {name!r} sum to {total}, not to 1. Make one of them 1 minus the others."
        )


class Recorder:
    """What a crisis function talks to: it supplies the options of a history, and notes who knows what.

    Args:
        rules: The crisis, ready for replaying.
        next_option_fn: Called with (step, move index, knowledge of the chooser or 0) and returns the option's index.
    """

    def __init__(self, rules: Rules, next_option_fn: Callable[[int, int, int], int]):
        self._rules = rules
        self._next = next_option_fn
        self._knowledge = [0] * len(rules.crisis.players)
        self._step = 0
        self._trail: list[tuple[int, int]] = []
        self._names: set[str] = set()
        self._outcomes: dict[str, Any] = {}

    # -- the language -----------------------------------------------------------------------------
    def choose(
        self, player: Player, name: str, options: Iterable[str], *, seen_by: Player | Iterable[Player] = ()
    ) -> str:
        """A player chooses.

        Args:
            player: Who chooses.
            name: The move's name: a stable key, used by policies and results. Once on a history.
            options: Labels of what can be chosen.
            seen_by: Who else is told the choice. The chooser knows it; nobody else does unless told.

        Returns:
            The label chosen on the history that is being followed.

        Raises:
            ModelError: If the player is not declared, or an option is missing, repeated or not a word.
        """
        index = self._rules.choice(player, name, options, seen_by, self._where)
        move = self._rules.moves[index]
        return self._take(index, move, self._knowledge[move.player])

    def chance(self, name: str, options: Mapping[str, Any], *, seen_by: Player | Iterable[Player] = ()) -> str:
        """Something happens that nobody decides.

        Args:
            name: The move's name.
            options: Label → probability, a number or an expression of parameters. They must sum to 1 as expressions.
            seen_by: Who is told what happened.

        Returns:
            The label of what happened on the history that is being followed.

        Raises:
            ModelError: If the probabilities do not sum to 1 symbolically (the sum is shown).
        """
        index = self._rules.chance(name, options, seen_by, self._where)
        return self._take(index, self._rules.moves[index], 0)

    def tell(self, who: Player | Iterable[Player], name: str, label: Any) -> None:
        """Somebody learns something.

        Args:
            who: One player or several.
            name: What it is about: usually the name of a move.
            label: What they learn: a word, a number or a truth value; never a symbol.
        """
        if isinstance(label, Expr | Condition):
            raise ModelError(
                f"{self._where()}: tell({name!r}) was given the symbol {label}. Players learn labels; parameters are "
                "common knowledge."
            )
        for index in self._rules.players_of(who, f"{self._where()}: tell({name!r})"):
            self._knowledge[index] = self._rules.learn(self._knowledge[index], name, str(label))

    def outcome(self, **values: Any) -> None:
        """Note what is true, or has a value, at the end of this history.

        Args:
            **values: Name → truth value, number, expression of parameters, or word.
        """
        for name, value in values.items():
            number = None if isinstance(value, str | Expr) else _number(value)
            if not isinstance(value, str | Expr) and (number is None or not math.isfinite(number)):
                raise ModelError(
                    f"{self._where()}: the outcome {name!r} is {value!r}. Give a truth value, a finite number, a "
                    "symbol or a word."
                )
            if name in self._outcomes:
                raise ModelError(f"{self._where()}: the outcome {name!r} is noted twice. Note it once.")
            self._outcomes[name] = value

    # -- following the history --------------------------------------------------------------------
    def _take(self, index: int, move: Move, knowledge: int) -> str:
        if move.name in self._names:
            raise ModelError(
                f"{self._where()}: the move {move.name!r} comes twice on one history. Names of moves are keys: "
                "number them or rename one."
            )
        self._names.add(move.name)
        option = self._next(self._step, index, knowledge)
        label = move.options[option]
        self._step += 1
        self._trail.append((index, option))
        rules, state = self._rules, self._knowledge
        if move.player >= 0:
            state[move.player] = rules.learn(state[move.player], move.name, label, own=True)
        for told in move.seen_by:
            if told != move.player:
                state[told] = rules.learn(state[told], move.name, label)
        return label

    def _where(self) -> str:
        moves = self._rules.moves
        steps = ", ".join(f"{moves[m].name} = {moves[m].options[o]}" for m, o in self._trail)
        return f"{self._rules.crisis.name}, after [{steps}]" if steps else f"{self._rules.crisis.name}, at the start"
