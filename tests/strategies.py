"""Hypothesis strategies for small random crises, and an oracle that runs a crisis with numbers and no detente.

A random crisis is a list of stages. A stage may be skipped after some options of an earlier one, so trees are lopsided;
who sees what, and who is told later, is random, so infosets hold several histories. Options belong to the stage, so
every random crisis is a well-formed game.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from detente.model.language import Crisis, Player, crisis, players

PARAMETERS = ("gain", "cost", "risk")  # risk is a probability, the others are utilities


@dataclass(frozen=True)
class Stage:
    """One move of a random crisis.

    Attributes:
        player: Index of who chooses; None for chance.
        num_options: How many options it has.
        weights: Of the options, where chance moves; a chance of two options with weights (0, 0) is that of ``risk``.
        seen_by: Indices of the players who see it.
        after: (earlier stage, option index): the stage comes only after that option. None: always.
        tells: (player index, earlier stage): who is told afterwards what happened then.
    """

    player: int | None
    num_options: int
    weights: tuple[int, ...] = ()
    seen_by: tuple[int, ...] = ()
    after: tuple[int, int] | None = None
    tells: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Plan:
    """A random crisis as data: what a failing example shows.

    Attributes:
        num_players: How many players.
        stages: The moves in order.
        salt: Payoffs are pseudo-random numbers that depend on the history and on this.
        constant: Whether payoffs are plain numbers, without parameters.
        scale: By what every payoff is multiplied.
        shift: What is added to all payoffs of each player.
        names: Order in which the crisis lists its players, as a permutation; (0, 1, …) by default.
        reverse: Stages that list their options in reverse order.
    """

    num_players: int
    stages: tuple[Stage, ...]
    salt: int
    constant: bool = False
    scale: float | int = 1
    shift: tuple[float, ...] = ()
    names: tuple[int, ...] = ()
    reverse: frozenset[int] = frozenset()

    @property
    def players(self) -> tuple[Player, ...]:
        """The players: player i of the stages is called ``player i``."""
        return players(*(f"player {i}" for i in range(self.num_players)))

    def crisis(self) -> Crisis:
        """The rules that play this plan."""
        everybody = self.players
        order = self.names or tuple(range(self.num_players))

        def rules(g: Any, p: Any) -> dict:
            labels: dict[int, str] = {}
            for i, stage in enumerate(self.stages):
                if stage.after is not None and labels.get(stage.after[0]) != f"option {stage.after[1]}":
                    continue
                options = [f"option {k}" for k in range(stage.num_options)]
                if i in self.reverse:
                    options.reverse()
                seen_by = tuple(everybody[k] for k in stage.seen_by)
                if stage.player is not None:
                    labels[i] = g.choose(everybody[stage.player], f"stage {i}", options, seen_by=seen_by)
                else:
                    chances = self.chances(stage, p)
                    labels[i] = g.chance(f"stage {i}", {o: chances[o] for o in options}, seen_by=seen_by)
                for who, about in stage.tells:
                    g.tell(everybody[who], f"stage {about}", labels.get(about, "did not happen"))
            history = tuple(sorted(labels.items()))
            g.outcome(
                last=labels[max(labels)] if labels else "nothing",
                long=len(labels) == len(self.stages),
                length=len(labels),
                worth=self.payoff(0, history, p),
            )
            return {everybody[k]: self.payoff(k, history, p) for k in order}

        rules.__name__, rules.__doc__ = "random_crisis", "A random crisis."
        return crisis(players=tuple(everybody[k] for k in order))(rules)

    @staticmethod
    def chances(stage: Stage, p: Any) -> dict[str, Any]:
        """Probability of each option of a chance stage."""
        if sum(stage.weights) == 0:
            return {"option 0": 1 - p.risk, "option 1": p.risk}
        total = sum(stage.weights)
        return {f"option {k}": Fraction(w, total) for k, w in enumerate(stage.weights)}

    def payoff(self, player: int, history: tuple[tuple[int, str], ...], p: Any) -> Any:
        """Payoff of a player after a history: quarters between −2 and 2, times parameters."""

        def quarter(term: str) -> Fraction:
            return Fraction(zlib.crc32(repr((self.salt, player, history, term)).encode()) % 17 - 8, 4)

        value = quarter("alone")
        if not self.constant:
            value = value + quarter("gain") * p.gain - quarter("cost") * p.cost * p.gain
        shift = self.shift[player] if self.shift else 0
        return self.scale * value + shift


@st.composite
def plans(
    draw: st.DrawFn, *, max_players: int = 3, max_stages: int = 4, max_options: int = 3, constant: bool = False
) -> Plan:
    """Random crises as data; ``plan.crisis()`` makes the rules. At most ``max_options ** max_stages`` leaves."""
    num_players = draw(st.integers(1, max_players))
    anybody = st.integers(0, num_players - 1)
    stages: list[Stage] = []
    for i in range(draw(st.integers(1, max_stages))):
        player = draw(st.none() | anybody) if not constant or i else draw(anybody)
        num_options = draw(st.integers(1, max_options))
        weights: tuple[int, ...] = ()
        if player is None:
            weights = tuple(draw(st.integers(1, 4)) for _ in range(num_options))
            if not constant and num_options == 2 and draw(st.booleans()):
                weights = (0, 0)
        after = None
        if i and draw(st.booleans()):
            earlier = draw(st.integers(0, i - 1))
            after = (earlier, draw(st.integers(0, stages[earlier].num_options - 1)))
        tells = draw(st.lists(st.tuples(anybody, st.integers(0, i)), max_size=1))
        seen_by = tuple(k for k in range(num_players) if draw(st.booleans()))
        stages.append(Stage(player, num_options, weights, seen_by, after, tuple(tells)))
    return Plan(num_players, tuple(stages), draw(st.integers(0, 10_000)), constant)


def crises(**limits: Any) -> st.SearchStrategy[Crisis]:
    """Random small crises; for the limits see :func:`plans`."""
    return plans(**limits).map(Plan.crisis)


def worlds() -> st.SearchStrategy[dict[str, float]]:
    """One value of every parameter of a random crisis."""
    utility = st.integers(1, 12).map(lambda k: k / 4)
    return st.fixed_dictionaries({"gain": utility, "cost": utility, "risk": st.integers(1, 7).map(lambda k: k / 8)})


# -- the oracle ----------------------------------------------------------------------------------
class Stop(Exception):
    """The history given to the oracle ends before the game does."""


@dataclass
class Oracle:
    """A recorder that follows given labels with plain numbers and writes down what it meets.

    Attributes:
        given: Labels to follow, in order.
        observed: Player → what it was told or did, in order.
        steps: (move, label) pairs so far.
        move: The move at which the history ends, as (player or None, name, options, probabilities); None at a leaf.
        outcomes: What was noted at the end.
    """

    given: Sequence[str]
    observed: dict[Player, list[tuple[str, str]]] = field(default_factory=dict)
    steps: list[tuple[str, str]] = field(default_factory=list)
    move: tuple[Player | None, str, tuple[str, ...], tuple[float, ...]] | None = None
    outcomes: dict[str, Any] = field(default_factory=dict)

    def choose(self, player: Player, name: str, options: Sequence[str], *, seen_by: Any = ()) -> str:
        return self._next(player, name, tuple(options), (), seen_by)

    def chance(self, name: str, options: Mapping[str, Any], *, seen_by: Any = ()) -> str:
        return self._next(None, name, tuple(options), tuple(float(v) for v in options.values()), seen_by)

    def tell(self, who: Any, name: str, label: Any) -> None:
        for player in (who,) if isinstance(who, Player) else who:
            self.observed.setdefault(player, []).append((name, str(label)))

    def outcome(self, **values: Any) -> None:
        self.outcomes.update(values)

    def _next(self, player: Player | None, name: str, options: tuple, probabilities: tuple, seen_by: Any) -> str:
        if len(self.steps) == len(self.given):
            self.move = (player, name, options, probabilities)
            raise Stop
        label = self.given[len(self.steps)]
        assert label in options
        self.steps.append((name, label))
        told = {seen_by} if isinstance(seen_by, Player) else set(seen_by)
        for who in told | ({player} if player is not None else set()):
            self.observed.setdefault(who, []).append((name, label))
        return label


def run_directly(
    rules: Crisis, labels: Sequence[str], values: Mapping[str, float]
) -> tuple[Oracle, Mapping[Player, Any] | None]:
    """Run a crisis with numbers along some labels: the oracle, and the payoffs (None when the game goes on)."""
    oracle = Oracle(labels)
    try:
        payoffs = rules.function(oracle, SimpleNamespace(**values))
    except Stop:
        return oracle, None
    return oracle, {player: sum(v.values()) if isinstance(v, Mapping) else v for player, v in payoffs.items()}


def all_histories(rules: Crisis, values: Mapping[str, float]) -> Iterator[tuple[Oracle, Mapping[Player, Any] | None]]:
    """Every history of a crisis, breadth first, each with the payoffs where it ends."""
    queue: list[tuple[str, ...]] = [()]
    while queue:
        labels = queue.pop(0)
        oracle, payoffs = run_directly(rules, labels, values)
        yield oracle, payoffs
        if oracle.move is not None:
            queue.extend((*labels, option) for option in oracle.move[2])
