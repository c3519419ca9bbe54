"""The likelihood of finite trees in which every move is seen: backward induction over rows, exact to second order.

At a move the player takes option *a* with the chance that *a* is worth most once an error has been added. What is worth
what follows from the moves below, so one pass from the end of the tree to its root gives the log probability of every
terminal for every row at once; nothing is clipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detente.axes import CHANCE, CHOICE, LEAF, Game
from detente.errors import UsageError
from detente.learn import jets

SQRT2 = float(np.sqrt(2.0))
CHOICES = ("probit", "logit")
ERRORS = ("agent", "private", "analyst")


@dataclass(frozen=True, eq=False)
class TreeModel:
    """A finite tree with the rule by which players choose.

    Attributes:
        game: Its compiled form. Every infoset is one node.
        choice: ``probit`` or ``logit``.
        errors: ``agent`` (a shock at every move), ``private`` (a shock on every terminal's payoff, known to the player
            alone) or ``analyst`` (shocks that the players know and the analyst does not).
        where: What to call it in messages.
    """

    game: Game
    choice: str = "probit"
    errors: str = "agent"
    where: str = "model"

    def __post_init__(self) -> None:
        _check_rule(self)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the parameters of the rules."""
        return self.game.parameters

    @property
    def scales(self) -> tuple[str, ...]:
        """Names of the error scales that can be estimated: one for all, or one for each player."""
        return ("sigma", *(f"sigma{k + 1}" for k in range(len(self.game.players))))

    def log_probabilities(self, values: Mapping[str, Any]) -> list[Any]:
        """Log probability of every leaf.

        Args:
            values: Parameter or scale → jet or number; a scale is the *logarithm* of the error's size.

        Returns:
            One jet or array for each leaf, in the order of the game's leaves.
        """
        if self.errors == "analyst":
            return _analyst(self, values)
        return _Induction(self, values).run()


def is_perfect_information(game: Game) -> bool:
    """Whether every player sees everything before it moves: each infoset is one node."""
    nodes = game.infoset[game.kind == CHOICE]
    return len(nodes) == len(set(nodes.tolist()))


def _check_rule(model: TreeModel) -> None:
    game, where = model.game, model.where
    if model.choice not in CHOICES:
        raise UsageError(f"{where}: choice = {model.choice!r} is not known. Use one of {list(CHOICES)}.")
    if model.errors not in ERRORS:
        raise UsageError(f"{where}: errors = {model.errors!r} is not known. Use one of {list(ERRORS)}.")
    if not is_perfect_information(game):
        raise UsageError(f"{where}: {game.title!r} has moves made without seeing everything.")
    if model.errors == "agent":
        if model.choice == "probit" and any(
            n > 2 for n, k in zip(game.num_options, game.kind, strict=True) if k == CHOICE
        ):
            raise UsageError(
                f"{where}: a move of {game.title!r} has more than two options, for which probit has no closed form. "
                "Use choice = 'logit'."
            )
        return
    if model.choice == "logit":
        raise UsageError(
            f"{where}: errors = {model.errors!r} are sums of shocks, which are normal only if each of them is. "
            "Use choice = 'probit'."
        )
    if model.errors == "analyst" and _analyst_shape(game) is None:
        raise UsageError(
            f"{where}: errors = 'analyst' is worked out for two players who move once each (trees 12 and 122). "
            "Use 'agent' or 'private' here."
        )
    for node in np.flatnonzero(game.kind == CHOICE):
        if game.num_options[node] > 2:
            raise UsageError(
                f"{where}: errors = {model.errors!r} needs moves of two options; {game.move_at(int(node))!r} has "
                f"{game.num_options[node]}. Use errors = 'agent' with choice = 'logit'."
            )
        mover, above = game.infosets[game.infoset[node]].player, int(game.parent[node])
        while above >= 0:
            if game.kind[above] == CHOICE and game.infosets[game.infoset[above]].player == mover:
                raise UsageError(
                    f"{where}: {game.players[mover]} moves twice on a path (at {game.move_at(above)!r} and "
                    f"{game.move_at(int(node))!r}), so that its private errors would show in its first move. Use "
                    "errors = 'agent', or the model 'signalling'."
                )
            above = int(game.parent[above])


# -- polynomials over jets ---------------------------------------------------------------------------
class _Basis:
    """The monomials of a game as jets, made when first needed."""

    def __init__(self, game: Game, values: Mapping[str, Any]):
        self.game, self.values = game, values
        self._atoms: dict[int, Any] = {}
        self._monomials: dict[int, Any] = {}

    def atom(self, index: int) -> Any:
        if index not in self._atoms:
            op, name, args = self.game.basis.atoms[index]
            self._atoms[index] = self.values[name] if op == "parameter" else self._function(op, name, args)
        return self._atoms[index]

    def _function(self, op: str, name: str, args: Any) -> Any:
        inside = [self.row(terms) for terms in args]
        if op in jets.FUNCTIONS:
            return jets.FUNCTIONS[op](inside[0])
        a, b = jets.value_of(inside[0]), jets.value_of(inside[1])
        if op in ("maximum", "minimum"):
            return jets.either(np.asarray(a >= b if op == "maximum" else a <= b), inside[0], inside[1])
        compare = {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}
        return jets.either(np.asarray(compare[name]), inside[2], inside[3])

    def monomial(self, index: int) -> Any:
        if index not in self._monomials:
            product: Any = 1.0
            for atom, power in self.game.basis.monomials[index]:
                factor = self.atom(atom)
                factor = factor if power == 1 else jets.power(factor, power)
                product = factor if isinstance(product, float) and product == 1.0 else product * factor
            self._monomials[index] = product
        return self._monomials[index]

    def row(self, terms: Sequence[tuple[int, float]]) -> Any:
        total: Any = 0.0
        for index, coefficient in terms:
            part = self.monomial(index)
            part = part if coefficient == 1 else part * coefficient
            total = part if isinstance(total, float) and total == 0.0 else total + part
        return total


def _terms(rows: Any, index: int) -> list[tuple[int, float]]:
    """(monomial, coefficient) pairs of one row of a game's polynomials."""
    matrix = rows.matrix
    if isinstance(matrix, np.ndarray):
        return [(int(m), float(matrix[index, m])) for m in np.flatnonzero(matrix[index])]
    part = slice(matrix.indptr[index], matrix.indptr[index + 1])
    return [(int(m), float(c)) for m, c in zip(matrix.indices[part], matrix.data[part], strict=True) if c]


def _is_zero(x: Any) -> bool:
    return isinstance(x, float) and x == 0.0


def _times(x: Any, y: Any) -> Any:
    return 0.0 if _is_zero(x) or _is_zero(y) else x * y


def _plus(x: Any, y: Any) -> Any:
    return y if _is_zero(x) else x if _is_zero(y) else x + y


# -- backward induction ------------------------------------------------------------------------------
class _Induction:
    """One pass from the end of the tree to its root."""

    def __init__(self, model: TreeModel, values: Mapping[str, Any]):
        self.model, self.game, self.values = model, model.game, values
        self.basis = _Basis(model.game, values)
        self.log_option: dict[int, Any] = {}  # node → log probability of the option that leads to it

    def run(self) -> list[Any]:
        game = self.game
        payoffs: dict[int, dict[int, Any]] = {}
        weights: dict[int, list[Any]] = {}  # chance of each leaf below a node, for private errors
        for node in range(game.num_nodes - 1, -1, -1):
            movers = self._movers_above(node)
            if game.kind[node] == LEAF:
                first = int(game.leaf[node]) * len(game.players)
                payoffs[node] = {k: self.basis.row(_terms(game.payoff, first + k)) for k in movers}
                weights[node] = [1.0]
                continue
            start = int(game.first_child[node])
            children = range(start, start + int(game.num_options[node]))
            logs = self._choice(node, children, payoffs, weights) if game.kind[node] == CHOICE else self._chance(node)
            for child, value in zip(children, logs, strict=True):
                self.log_option[child] = value
            payoffs[node], weights[node] = {}, []
            if movers:
                chances = [jets.exp(value) for value in logs]
                for k in movers:
                    total: Any = 0.0
                    for chance, child in zip(chances, children, strict=True):
                        total = _plus(total, _times(chance, payoffs[child][k]))
                    payoffs[node][k] = total
                if self.model.errors == "private":
                    for chance, child in zip(chances, children, strict=True):
                        weights[node] += [chance * w for w in weights[child]]
        return self._leaves()

    def _movers_above(self, node: int) -> set[int]:
        game, movers = self.game, set()
        above = int(game.parent[node])
        while above >= 0:
            if game.kind[above] == CHOICE:
                movers.add(game.infosets[game.infoset[above]].player)
            above = int(game.parent[above])
        return movers

    def _log_scale(self, player: int) -> Any:
        own, common = self.values.get(f"sigma{player + 1}", 0.0), self.values.get("sigma", 0.0)
        return _plus(own, common)

    def _choice(self, node: int, children: range, payoffs: dict, weights: dict) -> list[Any]:
        game, model = self.game, self.model
        player = game.infosets[game.infoset[node]].player
        worth = [payoffs[child][player] for child in children]
        log_scale = self._log_scale(player)
        shrink = 1.0 if _is_zero(log_scale) else jets.exp(-log_scale)
        if len(worth) == 1:
            return [0.0]
        if model.errors == "private":
            squares: Any = 0.0
            for child in children:
                for w in weights[child]:
                    squares = _plus(squares, w * w)
            size: Any = jets.sqrt(squares)
        else:
            size = SQRT2
        if len(worth) == 2:
            gap = _plus(worth[1], _times(-1.0, worth[0]))
            gap = _times(gap, shrink) / size
            if model.choice == "probit":
                return list(jets.log_normal_pair(gap))
            return [jets.log_logistic_cdf(_times(-1.0, gap)), jets.log_logistic_cdf(gap)]
        scaled = [_times(w, shrink) / size for w in worth]
        total = jets.log_sum_exp(scaled)
        return [value - total for value in scaled]

    def _chance(self, node: int) -> list[Any]:
        game = self.game
        start = int(game.chance_start[game.chance[node]])
        found = []
        for option in range(int(game.num_options[node])):
            chance = self.basis.row(_terms(game.probability, start + option))
            value = jets.value_of(chance)
            if np.any(np.asarray(value) < 0):
                raise UsageError(
                    f"{self.model.where}: the chance of {game.options_at(node)[option]!r} in {game.move_at(node)!r} "
                    "fell below 0. Write it in the rules so that it cannot, for example as 1/(1 + dt.exp(-p.x))."
                )
            with np.errstate(divide="ignore"):
                found.append(jets.log(chance))
        return found

    def _leaves(self) -> list[Any]:
        game = self.game
        logs = []
        for node in game.leaf_nodes:
            total: Any = 0.0
            node = int(node)
            while game.parent[node] >= 0:
                total = _plus(total, self.log_option[node])
                node = int(game.parent[node])
            logs.append(total)
        return logs


# -- errors that the analyst makes, not the players ----------------------------------------------------
def _analyst_shape(game: Game) -> tuple[int, list[list[int]]] | None:
    """The second mover, and the leaves below each option of the first mover; None where it is another kind of tree."""
    if game.kind[0] != CHOICE or game.num_options[0] != 2 or (game.kind == CHANCE).any():
        return None
    first = game.infosets[game.infoset[0]].player
    sides, second = [], -1
    for child in (int(game.first_child[0]), int(game.first_child[0]) + 1):
        if game.kind[child] == LEAF:
            sides.append([child])
            continue
        mover = game.infosets[game.infoset[child]].player
        below = [int(game.first_child[child]) + i for i in range(int(game.num_options[child]))]
        if mover == first or len(below) != 2 or any(game.kind[b] != LEAF for b in below) or second not in (-1, mover):
            return None
        second = mover
        sides.append(below)
    return None if second < 0 else (second, sides)


def _analyst(model: TreeModel, values: Mapping[str, Any]) -> list[Any]:
    """Both players see every shock: the outcome is the one of the second mover's answers that the first prefers."""
    game = model.game
    shape = _analyst_shape(game)
    assert shape is not None
    second, sides = shape
    first = game.infosets[game.infoset[0]].player
    induction = _Induction(model, values)

    def payoff(node: int, player: int) -> Any:
        return induction.basis.row(_terms(game.payoff, int(game.leaf[node]) * len(game.players) + player))

    def log_prefers(player: int, this: int, other: int) -> Any:
        gap = _plus(payoff(this, player), _times(-1.0, payoff(other, player)))
        log_scale = induction._log_scale(player)
        return jets.log_normal_cdf(gap * (1.0 if _is_zero(log_scale) else jets.exp(-log_scale)) / SQRT2)

    answers = []  # of each side: leaf → log probability that the second mover would answer so there
    for side in sides:
        if len(side) == 1:
            answers.append({side[0]: 0.0})
        else:
            low, high = side
            answers.append({low: log_prefers(second, low, high), high: log_prefers(second, high, low)})
    logs: dict[int, Any] = {}
    for mine, others in ((answers[0], answers[1]), (answers[1], answers[0])):
        for leaf, log_answer in mine.items():
            logs[leaf] = jets.log_sum_exp(
                [
                    _plus(_plus(log_answer, log_other), log_prefers(first, leaf, other))
                    for other, log_other in others.items()
                ]
            )
    return [logs[int(node)] for node in game.leaf_nodes]
