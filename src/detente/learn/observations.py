"""What was seen of one play of a game, and which of its histories are consistent with that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from detente.axes import LEAF, NO_PARENT, Game
from detente.errors import UsageError, nearest
from detente.solve.problem import edge_rows, levels
from detente.solve.solution import move_names

NOT_REACHED = "(did not come up)"  # as an option: the move was seen not to come up
Observation = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Pattern:
    """One distinct observation, and the histories that are consistent with it.

    Attributes:
        seen: What was seen: (name, (label, weight) pairs) by name.
        leaves: The leaves that are consistent with it.
        log_weight: Logarithm of how well each of them fits: 0 unless what was observed is itself uncertain.
        paths: (consistent leaf × edge row) matrix: how often each chance (rows first) and each slot lies on the way.
    """

    seen: tuple[tuple[str, tuple[tuple[Any, float], ...]], ...]
    leaves: Int[np.ndarray, "leaf"]
    log_weight: Float[np.ndarray, "leaf"]
    paths: Any

    @property
    def words(self) -> str:
        """What was seen, in words."""
        parts = []
        for name, values in self.seen:
            certain = all(weight == 1.0 for _, weight in values)
            labels = [f"{v!r}" if certain else f"{v!r} ({w:g})" for v, w in values]
            parts.append(f"{name} = {' or '.join(labels)}")
        return ", ".join(parts) or "nothing"


@dataclass(frozen=True, eq=False)
class Observations:
    """Rows of observations, each distinct one worked out once.

    Attributes:
        patterns: The distinct observations.
        which: Pattern of each row, (row,).
    """

    patterns: tuple[Pattern, ...]
    which: Int[np.ndarray, "row"]

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.which)


def make_observations(game: Game, observations: Observation | Sequence[Observation] | Observations) -> Observations:
    """Find the histories of a game that agree with what was seen.

    An observation gives, by name of a move, the option that was seen; or several (``["none", "limited"]``: one of
    them); or, where reports disagree, a mapping from options to how well each fits the reports (``{"limited": 0.8,
    "none": 0.2}``: the reports are four times as likely if the reply was limited). By name of an outcome it gives its
    label, its truth or its number in the same ways. What is absent or None was not seen. An option of a move that
    was seen means that the move came up; ``"(did not come up)"`` means that it did not. Where a move and an outcome
    share a name, the move is meant.

    Args:
        game: The compiled game.
        observations: One observation, or one a row; what this function returned passes through.

    Returns:
        The rows, grouped by what was seen.

    Raises:
        UsageError: If a name or label does not exist, a weight is not a number in (0, 1], or no history of the game
            contains what was seen: the message names the row and the move.

    Example:
        >>> import detente as dt
        >>> ONE, = dt.players("one")
        >>> rules = dt.crisis(players=ONE)(lambda g, p: {ONE: g.choose(ONE, "call", ["no", "yes"]) == "yes"})
        >>> found = make_observations(dt.compile(rules), [{"call": "yes"}, {"call": "no"}, {"call": "yes"}])
        >>> found.which.tolist(), found.patterns[1].words
        ([0, 1, 0], "call = 'no'")
    """
    if isinstance(observations, Observations):
        return observations
    if isinstance(observations, Mapping):
        observations = [observations]
    if isinstance(observations, str) or not isinstance(observations, Sequence) or not len(observations):
        raise UsageError(
            f"observations: {observations!r} is not an observation. Give a mapping from moves or outcomes to what was "
            "seen, or a list of them, one a row."
        )
    numbers: dict[Any, int] = {}
    which = np.empty(len(observations), dtype=np.int64)
    patterns: list[Pattern] = []
    reader = _Reader(game)
    for row, observation in enumerate(observations):
        if not isinstance(observation, Mapping):
            raise UsageError(f"observations: row {row}: {observation!r} is not a mapping from names to what was seen.")
        key = _quick_key(observation)
        if key not in numbers:
            seen = reader.read(observation, row)
            patterns.append(reader.pattern(seen, row))
            numbers[key] = len(patterns) - 1
        which[row] = numbers[key]
    return Observations(tuple(patterns), which)


def options_at_leaves(game: Game, move: str) -> tuple[tuple[str, ...], Int[np.ndarray, "leaf"]]:
    """Which option of a move lies on the way to each leaf.

    Args:
        game: The compiled game.
        move: Name of a move.

    Returns:
        The options of the move, and the position of the one on the way to each leaf; −1 where it does not come up.

    Raises:
        UsageError: If there is no such move, or it comes up more than once in a history.

    Example:
        >>> import detente as dt
        >>> ONE, = dt.players("one")
        >>> rules = dt.crisis(players=ONE)(lambda g, p: {ONE: g.choose(ONE, "call", ["no", "yes"]) == "yes"})
        >>> options_at_leaves(dt.compile(rules), "call")[1].tolist()
        [0, 1]
    """
    reader = _Reader(game)
    if move not in reader.moves:
        raise UsageError(f"observations: {move!r} is not a move of {game.title!r}.{nearest(move, reader.moves)}")
    return tuple(reader.options[move]), reader.move_codes(move, 0)


def _quick_key(observation: Observation) -> Any:
    """Something equal for rows that say the same in the same words."""
    return tuple(
        (name, value if isinstance(value, str | int | float | None) else repr(value))
        for name, value in observation.items()
    )


# -- reading what was seen -----------------------------------------------------------------------
class _Reader:
    """Labels of one game at its leaves, worked out once for all rows."""

    def __init__(self, game: Game):
        self.game = game
        self.moves = move_names(game)
        self.options = {move: _options(game, move) for move in self.moves}
        self._codes: dict[str, np.ndarray] = {}
        self._levels = levels(game)

    def read(self, observation: Observation, row: int) -> tuple[tuple[str, tuple[tuple[Any, float], ...]], ...]:
        """What a row says, checked and in one form; what was not seen is left out."""
        found = []
        for name, value in observation.items():
            if value is None or (isinstance(value, float) and np.isnan(value)):
                continue
            where = f"observations: row {row}: {name}"
            if name not in self.moves and name not in self.game.outcomes:
                known = nearest(str(name), [*self.moves, *self.game.outcomes])
                raise UsageError(
                    f"observations: row {row}: {name!r} is neither a move nor an outcome of {self.game.title!r}.{known}"
                )
            values = tuple(self._value(where, name, label, weight) for label, weight in _weighted(where, value))
            found.append((name, values))
        return tuple(found)

    def _value(self, where: str, name: str, label: Any, weight: Any) -> tuple[Any, float]:
        if not isinstance(weight, Real) or not 0 < float(weight) <= 1:
            raise UsageError(
                f"{where}: the weight of {label!r} is {weight!r}. Give a number above 0 and at most 1, and leave out "
                "what the reports exclude."
            )
        if name in self.moves:
            known = [*self.options[name], NOT_REACHED]
            if str(label) not in known:
                raise UsageError(f"{where}: {label!r} is not an option.{nearest(str(label), known)}")
            return str(label), float(weight)
        outcome = self.game.outcomes[name]
        if outcome.rows is None:
            if str(label) not in outcome.labels:
                raise UsageError(f"{where}: {label!r} is not one of its labels.{nearest(str(label), outcome.labels)}")
            return str(label), float(weight)
        if outcome.kind == "flag" and not (isinstance(label, bool | np.bool_) or label in (0, 1)):
            raise UsageError(f"{where}: {label!r} is neither true nor false. Give true or false.")
        if isinstance(label, bool | np.bool_ | Real) and np.isfinite(float(label)):
            return float(label), float(weight)
        raise UsageError(f"{where}: {label!r} is not a number. Give the value that was seen.")

    def pattern(self, seen: tuple[tuple[str, tuple[tuple[Any, float], ...]], ...], row: int) -> Pattern:
        """The consistent leaves of what was seen.

        Raises:
            UsageError: If there are none: it names the first thing that cannot have happened after the rest.
        """
        fit = np.ones(self.game.num_leaves)
        for position, (name, values) in enumerate(seen):
            before, fit = fit, fit * self._fit(name, values, row)
            if not fit.any():
                alone = position == 0 or not (before > 0).any()
                rest = "" if alone else " after " + ", ".join(f"{n} = {v[0][0]!r}" for n, v in seen[:position])
                shown = " or ".join(repr(v) for v, _ in values)
                raise UsageError(
                    f"observations: row {row}: {name} = {shown} happens in no history of {self.game.title!r}{rest}. "
                    "Correct the observation, or the rules."
                )
        leaves = np.flatnonzero(fit > 0)
        return Pattern(seen, leaves, np.log(fit[leaves]), _incidence(self.game, leaves))

    def _fit(self, name: str, values: tuple[tuple[Any, float], ...], row: int) -> Float[np.ndarray, "leaf"]:
        """How well each leaf fits what was seen of one move or outcome."""
        fit = np.zeros(self.game.num_leaves)
        if name in self.moves:
            codes, options = self.move_codes(name, row), self.options[name]
            for label, weight in values:
                fit[codes == (-1 if label == NOT_REACHED else options.index(label))] = weight
            return fit
        outcome = self.game.outcomes[name]
        for label, weight in values:
            if outcome.rows is None:
                fit[outcome.codes == outcome.labels.index(label)] = weight
            else:
                fit[np.isclose(self._constant(name, row), float(label), rtol=1e-9, atol=1e-12)] = weight
        return fit

    def move_codes(self, move: str, row: int) -> Int[np.ndarray, "leaf"]:
        """Which option of a move lies on the way to each leaf; −1 where the move does not come up."""
        if move in self._codes:
            return self._codes[move]
        game, options = self.game, self.options[move]
        code = np.full(game.num_nodes, -1, dtype=np.int64)
        is_move = np.array([game.kind[n] != LEAF and game.move_at(n) == move for n in range(game.num_nodes)])
        own = {n: [options.index(label) for label in game.options_at(n)] for n in np.flatnonzero(is_move).tolist()}
        for start, stop in self._levels:
            parent = game.parent[start:stop]
            code[start:stop] = code[parent]
            for node in np.unique(parent[is_move[parent]]).tolist():
                if code[node] >= 0:
                    raise UsageError(
                        f"observations: row {row}: the move {move!r} comes up more than once in a history of "
                        f"{game.title!r}, so that its option does not say when. Give its moves different names, or "
                        "observe an outcome."
                    )
                first = int(game.first_child[node])
                code[first : first + len(own[node])] = own[node]
        self._codes[move] = code[game.leaf_nodes]
        return self._codes[move]

    def _constant(self, name: str, row: int) -> Float[np.ndarray, "leaf"]:
        """A flag or number at every leaf, which must not depend on a parameter."""
        rows, basis = self.game.outcomes[name].rows, self.game.basis
        assert rows is not None
        at = [
            rows.evaluate(basis.evaluate({p: np.array([v]) for p in self.game.parameters}, 1))[:, 0] for v in (0.3, 0.7)
        ]
        if not np.allclose(at[0], at[1], rtol=1e-12, atol=0, equal_nan=True):
            raise UsageError(
                f"observations: row {row}: the outcome {name!r} depends on parameters, so that no history has one "
                "value of it. Observe a move, or an outcome whose values are numbers."
            )
        return at[0]


def _weighted(where: str, value: Any) -> list[tuple[Any, Any]]:
    """What was seen as (label, weight) pairs."""
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, list | tuple | set | frozenset | np.ndarray):
        pairs = [(label, 1.0) for label in value]
    else:
        pairs = [(value, 1.0)]
    if not pairs:
        raise UsageError(f"{where}: nothing is left of what could have been seen. Leave it out if it was not seen.")
    return pairs


def _options(game: Game, move: str) -> list[str]:
    """The options of a move wherever it comes up."""
    specs = [i.options for i in game.infosets if i.move == move] + [c.options for c in game.chances if c.move == move]
    return list(dict.fromkeys(label for options in specs for label in options))


def _incidence(game: Game, leaves: Int[np.ndarray, "leaf"]) -> Any:
    """How often each row of (chance rows, then slots) lies on the way to some leaves."""
    rows = edge_rows(game)
    node, leaf = game.leaf_nodes[leaves].astype(np.int64), np.arange(len(leaves))
    at, edge = [], []
    while len(node):
        inside = game.parent[node] != NO_PARENT
        node, leaf = node[inside], leaf[inside]
        at.append(leaf)
        edge.append(rows[node])
        node = game.parent[node].astype(np.int64)
    shape = (len(leaves), int(game.chance_start[-1]) + game.num_slots)
    where = (np.concatenate(at), np.concatenate(edge)) if at else (np.zeros(0, int), np.zeros(0, int))
    return sparse.csr_matrix((np.ones(len(where[0])), where), shape=shape)
