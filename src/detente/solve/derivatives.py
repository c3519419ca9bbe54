"""Derivatives of an equilibrium: how play, outcomes and payoffs move with every parameter and with precision.

With l the log-probabilities of all slots, c_z the log chance of leaf z and U(z) what it pays, the equilibrium solves

    H(l, θ) = l − log P(λ·Q) = 0,    Q_o = Σ_z w_zo U(z),    w_zo = P_z / Σ P_z over the leaves behind option o.

with P the choice rule (under logit the softmax). By the implicit function theorem dl/dθ = −H_l⁻¹ H_θ. All that it needs
is linear in the weights w and in w·(U − Q), the derivatives of Q by the payoff and by the log-probability of a leaf:
sparse matrices over (slot, leaf) pairs. Forward there is one linear solve for every parameter, in reverse one
transposed solve for one number that depends on all of them. Small games are solved as dense matrices for many draws at
once, larger ones draw by draw: by a sparse factorisation, or without any matrix by GMRES.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, gmres, splu

from detente.axes import CHANCE, CHOICE, LEAF, NO_PARENT, Game
from detente.errors import SolveError, UsageError, nearest
from detente.solve.choice import Infosets, Response, find_infosets, make_response, product
from detente.solve.problem import Problem, describe_draw, levels, log_chance
from detente.solve.solution import Solution, edge_probabilities, fixed_nodes, move_names, reach_probabilities

METHODS = ("auto", "dense", "sparse", "iterative")
EACH_PLAYER = "each player"
DENSE_SLOTS = 200  # up to here one dense matrix a draw is fastest
SPARSE_PRODUCTS = 5_000_000  # Σ (slots on the path to a leaf)²; beyond, a factorisation may fill the memory
FEW_SOLVES = 4  # right-hand sides up to which GMRES beats a factorisation
NUMBERS = 1 << 22  # that one block of draws may hold in its largest array
GMRES_TOLERANCE = 1e-12
MAX_GROWTH = 1e12  # of a right-hand side; beyond, the matrix is singular as far as floats can tell


@dataclass(frozen=True, eq=False)
class Derivatives:
    """How an equilibrium moves with each parameter, for every draw.

    Attributes:
        solution: The equilibrium.
        parameters: What moves: names of parameters, ``precision``, ``precision of PLAYER``.
        log_probabilities: Derivative of the log-probability of every option, (slot, parameter, draw).
        payoffs: Derivative of the expected payoff of every player, (player, parameter, draw).
        defined: Whether the derivative exists, (draw,); where it does not, all of them are NaN.
        direction: How λ of every player moves with each parameter, (player, parameter).
    """

    solution: Solution
    parameters: tuple[str, ...]
    log_probabilities: Float[np.ndarray, "slot parameter draw"]
    payoffs: Float[np.ndarray, "player parameter draw"]
    defined: Bool[np.ndarray, "draw"]
    direction: Float[np.ndarray, "player parameter"]

    @property
    def probabilities(self) -> Float[np.ndarray, "slot parameter draw"]:
        """Derivative of the chance of every option at every infoset."""
        return self.solution.probabilities[:, None] * self.log_probabilities

    @property
    def num_undefined(self) -> int:
        """Draws without derivatives: to be counted wherever a summary over draws is shown."""
        return int((~self.defined).sum())

    def message(self, draw: int = 0) -> str:
        """Why a draw has no derivative, in words; or that it has."""
        if self.defined[draw]:
            return "defined"
        if not self.solution.converged[draw]:
            return f"undefined: the equilibrium is {self.solution.message(draw)}"
        return "undefined: the branch of equilibria turns back or is crossed by another at this very point"

    def infoset(self, index: int) -> Float[np.ndarray, "option parameter draw"]:
        """Derivatives of the choice probabilities at one infoset."""
        return self.probabilities[self.solution.game.slots(index)]

    def outcome(self, name: str, given: Mapping[str, str] | None = None) -> Any:
        """Derivative of what :meth:`Solution.outcome` returns.

        Args:
            name: Name of the outcome.
            given: Move name → option that is chosen for certain; see :meth:`Solution.edges`.

        Returns:
            Array of shape (parameter, draw); for a label a dictionary of them.

        Raises:
            UsageError: If the game has no such outcome.
        """
        labels = _outcome_labels(self.solution.game, name)
        found = self._push(labels, lambda part, paths: _outcome_gradients(part, paths, name, given))
        return found if labels != [None] else found[None]

    def choice(
        self, move: str, given: Mapping[str, str] | None = None
    ) -> dict[str, Float[np.ndarray, "parameter draw"]]:
        """Derivative of what :meth:`Solution.choice` returns.

        Args:
            move: Name of the move.
            given: Move name → option that is chosen for certain; see :meth:`Solution.edges`.

        Returns:
            Option label → array of shape (parameter, draw), NaN where the move is never reached.

        Raises:
            UsageError: If the game has no such move.
        """
        labels = _choice_labels(self.solution.game, move)
        return self._push(labels, lambda part, paths: _choice_gradients(part, paths, move, given))

    def _push(self, labels: Sequence[Any], gradients_fn: Callable[..., Any]) -> dict[Any, np.ndarray]:
        """Some gradients times the derivatives of all that they depend on: label → (parameter, draw)."""
        game, num_columns = self.solution.game, len(self.parameters)
        paths = _make_paths(game)
        found = {label: np.full((num_columns, self.solution.num_draws), np.nan) for label in labels}
        for draws in _blocks(np.flatnonzero(self.defined), _numbers(game, paths, num_columns, "auto")):
            part = _take(self.solution, draws)
            inputs = _make_inputs(part, paths, self.parameters, self.direction)
            for label, gradient in gradients_fn(part, paths).items():
                found[label][:, draws] = _chain(gradient, self.log_probabilities[:, :, draws], inputs)
        return found


def differentiate(
    solution: Solution,
    *,
    wrt: str | Sequence[str] | None = None,
    precision: Any = False,
    method: str = "auto",
) -> Derivatives:
    """How much choices, outcomes and payoffs move when a parameter moves a little and everybody adapts.

    Args:
        solution: The equilibrium.
        wrt: Names of the parameters. Default: all that the game depends on.
        precision: Whether precision moves too. False: λ is held fixed. True: one more entry ``precision``, λ of every
            player together. ``"each player"``: one more entry ``precision of PLAYER`` for each. Where ``solve`` was
            told the name of a parameter, or a mapping from players to names, give the same here: what moves λ is then
            counted under that name.
        method: ``dense``, ``sparse`` (one factorisation a draw), ``iterative`` (GMRES) or ``auto``.

    Returns:
        The derivatives; NaN, and counted in ``num_undefined``, for a draw that is not converged.

    Raises:
        UsageError: If an argument cannot be used.
        SolveError: If something has no finite derivative in some draw: an expression, or the logarithm of a chance
            that is 0 and changes.

    Source:
        mckelvey1998 (the equilibrium); the derivative is the implicit function theorem.

    Example:
        >>> import detente as dt
        >>> ONE, = dt.players("one")
        >>> @dt.crisis(players=(ONE,))
        ... def alone(g, p):
        ...     "One choice: the logit curve, whose slope at one half is λ/4."
        ...     return {ONE: p.gain * (g.choose(ONE, "call", ["hold", "act"]) == "act")}
        >>> solution = dt.solve(dt.compile(alone), {"gain": 0.0}, precision=2.0)
        >>> differentiate(solution).choice("call")["act"].round(6).tolist()
        [[0.5]]
    """
    names, direction = _parameters(solution, wrt, precision)
    game = solution.game
    paths = _make_paths(game)
    method = _pick(method, game, paths, num_solves=len(names))
    shape = (len(names), solution.num_draws)
    slopes, payoffs = np.full((game.num_slots, *shape), np.nan), np.full((len(game.players), *shape), np.nan)
    defined = np.zeros(solution.num_draws, dtype=bool)
    for draws in _blocks(np.flatnonzero(solution.converged), _numbers(game, paths, len(names), method)):
        part = _take(solution, draws)
        inputs = _make_inputs(part, paths, names, direction)
        point = _linearise(part, paths)
        found, good = _solve(point, _parameter_side(point, inputs), method, transposed=False)
        slopes[:, :, draws] = found
        for player in range(len(game.players)):
            gradient = _payoff_gradient(part, paths, player)
            payoffs[player][:, draws] = _chain(gradient, found, inputs)
        payoffs[:, :, draws[~good]] = np.nan  # also in a game without choices
        defined[draws] = good
    return Derivatives(solution, names, slopes, payoffs, defined, direction)


def pull_back(
    solution: Solution,
    *,
    log_probabilities: Any = None,
    probabilities: Any = None,
    payoffs: Any = None,
    outcomes: Mapping[str, Any] | None = None,
    wrt: str | Sequence[str] | None = None,
    precision: Any = False,
    method: str = "auto",
) -> dict[str, Float[np.ndarray, "draw"]]:
    """How one number that depends on the equilibrium moves with every parameter: the reverse of :func:`differentiate`.

    The number is described by how it moves with what it is made of: its derivative by each chance, payoff or outcome
    (its cotangents). One linear solve serves all parameters.

    Args:
        solution: The equilibrium.
        log_probabilities: Derivative of the number by every log-probability, (slot, draw).
        probabilities: Derivative by every choice probability, (slot, draw).
        payoffs: Derivative by every player's expected payoff, (player, draw).
        outcomes: Name of an outcome → derivative by it, (draw,); for a label a mapping from labels to derivatives.
        wrt: See :func:`differentiate`.
        precision: See :func:`differentiate`.
        method: See :func:`differentiate`.

    Returns:
        Parameter → derivative of the number, (draw,); NaN for a draw that is not converged, whatever the number is.

    Raises:
        UsageError: If an argument cannot be used.
        SolveError: See :func:`differentiate`.

    Example:
        >>> import detente as dt
        >>> ONE, = dt.players("one")
        >>> @dt.crisis(players=(ONE,))
        ... def alone(g, p):
        ...     "One choice between nothing and a gain."
        ...     return {ONE: p.gain * (g.choose(ONE, "call", ["hold", "act"]) == "act")}
        >>> solution = dt.solve(dt.compile(alone), {"gain": 0.0}, precision=2.0)
        >>> pull_back(solution, payoffs=[[1.0]])["gain"].round(6).tolist()
        [0.5]
    """
    names, direction = _parameters(solution, wrt, precision)
    game, num_draws = solution.game, solution.num_draws
    paths = _make_paths(game)
    method = _pick(method, game, paths, num_solves=1)
    shape = (game.num_slots, num_draws)
    by_log = _cotangent("log_probabilities", log_probabilities, shape)
    by_log = by_log + solution.probabilities * _cotangent("probabilities", probabilities, shape)
    by_payoff = _cotangent("payoffs", payoffs, (len(game.players), num_draws))
    by_outcome = _outcome_cotangents(game, outcomes or {}, num_draws)
    total = np.full((len(names), num_draws), np.nan)
    for draws in _blocks(np.flatnonzero(solution.converged), _numbers(game, paths, len(names), method)):
        part = _take(solution, draws)
        inputs = _make_inputs(part, paths, names, direction)
        point = _linearise(part, paths)
        gradient = _no_gradient(part, paths)
        gradient = replace(gradient, slots=gradient.slots + by_log[:, draws])
        for player, scale in enumerate(by_payoff[:, draws]):
            if scale.any():
                gradient = _plus(gradient, _payoff_gradient(part, paths, player), scale)
        for name, scales in by_outcome.items():
            of_outcome = _outcome_gradients(part, paths, name, None)
            for label, scale in scales.items():
                gradient = _plus(gradient, of_outcome[label], scale[draws])
        solved, good = _solve(point, gradient.slots[:, None], method, transposed=True)
        gradient = replace(gradient, slots=np.zeros_like(gradient.slots))
        pulled, by_rate = _pull_through_sides(point, solved[:, 0])
        value = _chain(_plus(gradient, pulled, 1.0), None, inputs)
        value = value + np.einsum("pd,pk->kd", by_rate, direction)
        total[:, draws] = np.where(good, value, np.nan)
    return dict(zip(names, total, strict=True))


# -- the tree as index arrays --------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Paths:
    """Which slots and chances lie on the path to which leaf, as index arrays; a *pair* is a (slot, leaf behind it).

    Attributes:
        leaf: Leaf of each pair; the pairs are sorted by slot.
        slot: Slot of each pair.
        start: First pair of each slot, and the number of pairs.
        player: Player of each slot.
        slots: (leaf × slot) matrix of ones.
        chances: (leaf × row) matrix: how often each chance happens on the way.
        edges: (row, then slot × node) matrix of ones: whose probability leads into which node.
        infosets: Which slots belong together.
        used: Monomials that some payoff, probability or outcome contains.
        reached: Rows of chance moves that are in the game (a policy may have removed some).
    """

    leaf: np.ndarray
    slot: np.ndarray
    start: np.ndarray
    player: np.ndarray
    slots: Any
    chances: Any
    edges: Any
    infosets: Infosets
    used: np.ndarray
    reached: np.ndarray

    @cached_property
    def products(self) -> Any:
        """(slot·slot × pair) matrix: where the deviation of pair (o, z) goes in the derivative of Q_o by all slots."""
        on_path = self.slots[self.leaf].tocoo()  # row: pair (o, z); column: every slot on the path to z
        num_slots = len(self.player)
        entry = self.slot[on_path.row] * num_slots + on_path.col
        return _incidence(entry, on_path.row, (num_slots * num_slots, len(self.leaf)))

    @cached_property
    def structure(self) -> Any:
        """Ones where Q_o can move with l_o': not where every leaf behind o has passed o' anyway."""
        both: Any = sparse.csr_matrix(self.slots.T @ self.slots)
        row = np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
        ones = (both.data < np.diff(self.start)[row]).astype(float)
        keep = sparse.csr_matrix((ones, both.indices, both.indptr), both.shape)
        keep.eliminate_zeros()
        return keep


def _make_paths(game: Game) -> _Paths:
    """Index arrays of the derivatives of a game."""
    num_rows, num_slots = int(game.chance_start[-1]), game.num_slots
    inner = np.flatnonzero(game.parent != NO_PARENT)
    parent = game.parent[inner]
    edge = np.zeros(game.num_nodes, dtype=np.int64)  # rows of chance moves first, then slots
    chance, choice = game.kind[parent] == CHANCE, game.kind[parent] == CHOICE
    edge[inner[chance]] = game.chance_start[game.chance[parent[chance]]] + game.option[inner[chance]]
    slot = game.infoset_start[game.infoset[parent[choice]]] + game.option[inner[choice]]
    edge[inner[choice]] = num_rows + slot
    edges = _incidence(edge[inner], inner, (num_rows + num_slots, game.num_nodes))

    leaves, on_path = [], []
    node, leaf = game.leaf_nodes.astype(np.int64), np.arange(game.num_leaves)
    while len(node):
        inside = game.parent[node] != NO_PARENT
        node, leaf = node[inside], leaf[inside]
        leaves.append(leaf)
        on_path.append(edge[node])
        node = game.parent[node].astype(np.int64)
    whole = _incidence(np.concatenate(on_path), np.concatenate(leaves), (num_rows + num_slots, game.num_leaves))
    by_slot = whole[num_rows:]
    by_slot.sort_indices()
    infosets = find_infosets(game)
    rows = [game.probability, game.payoff, *(o.rows for o in game.outcomes.values() if o.rows is not None)]
    return _Paths(
        leaf=by_slot.indices.astype(np.int64),
        slot=np.repeat(np.arange(num_slots), np.diff(by_slot.indptr)),
        start=by_slot.indptr.astype(np.int64),
        player=np.array([i.player for i in game.infosets], dtype=np.int64)[infosets.owner],
        slots=by_slot.T.tocsr(),
        chances=whole[:num_rows].T.tocsr(),
        edges=edges,
        infosets=infosets,
        used=np.any([_columns(r.matrix) for r in rows], axis=0),
        reached=np.diff(whole.indptr)[:num_rows] > 0,
    )


def _incidence(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> Any:
    return sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=shape)


def _columns(matrix: Any) -> np.ndarray:
    """Which columns of a matrix are not all zero."""
    return np.asarray(abs(sparse.csr_matrix(matrix)).sum(axis=0)).ravel() > 0


# -- blocks of draws -----------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Part:
    """Some draws of a solution.

    Attributes:
        draws: Which draws.
        problem: The game with their numbers.
        precision: λ, (player, draw).
        log_probabilities: (slot, draw).
        choice_rule: ``logit`` or ``probit``.
    """

    draws: np.ndarray
    problem: Problem
    precision: np.ndarray
    log_probabilities: np.ndarray
    choice_rule: str

    @property
    def game(self) -> Game:
        return self.problem.game

    @property
    def num_draws(self) -> int:
        return len(self.draws)


def _numbers(game: Game, paths: _Paths, num_columns: int, method: str) -> int:
    """Size of the largest array that one draw needs."""
    matrix = game.num_slots**2 if method == "dense" else 0
    by_column = num_columns * max(game.num_slots, len(game.basis.monomials))
    return max(game.num_nodes, len(paths.leaf), matrix, by_column)


def _blocks(draws: np.ndarray, numbers: int) -> Iterator[np.ndarray]:
    """Draws in blocks that fit into memory."""
    size = max(1, NUMBERS // max(1, numbers))
    for first in range(0, len(draws), size):
        yield draws[first : first + size]


def _take(solution: Solution, draws: np.ndarray) -> _Part:
    """Some draws of a solution."""
    precision, log_probabilities = solution.precision[:, draws], solution.log_probabilities[:, draws]
    return _Part(draws, solution.problem.take(draws), precision, log_probabilities, solution.choice_rule)


# -- what moves ----------------------------------------------------------------------------------
def _parameters(
    solution: Solution, wrt: str | Sequence[str] | None, precision: Any
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of what moves, and how λ of every player moves with each, (player, parameter)."""
    if not isinstance(solution, Solution):
        raise UsageError(
            f"differentiate: {type(solution).__name__!r} is not a Solution. Pass what dt.solve returned for one "
            "precision; of a list of them, one."
        )
    game = solution.game
    names = [wrt] if isinstance(wrt, str) else list(game.parameters if wrt is None else wrt)
    names = list(dict.fromkeys(names))
    rates = _rate_names(solution, precision)
    for name in names:
        if name not in game.parameters and name not in rates.values():
            raise UsageError(
                f"wrt: the game {game.title!r} does not depend on a parameter {name!r}.{nearest(name, game.parameters)}"
            )
    if precision is True or precision == EACH_PLAYER:
        clash = [name for name in names if name in rates.values()]
        if clash:
            raise UsageError(
                f"precision: the game has a parameter {clash[0]!r} of its own. If it is the precision, pass "
                f"precision={clash[0]!r}; otherwise leave it out of wrt."
            )
    names += [name for name in dict.fromkeys(rates.values()) if name not in names]
    direction = np.zeros((len(game.players), len(names)))
    for player, name in rates.items():
        direction[player, names.index(name)] = 1.0
    return tuple(names), direction


def _rate_names(solution: Solution, precision: Any) -> dict[int, str]:
    """Player → the name under which changes of its λ are counted."""
    players = solution.game.players
    if precision is False:
        return {}
    if precision is True:
        return dict.fromkeys(range(len(players)), "precision")
    if isinstance(precision, str) and precision == EACH_PLAYER:
        return {i: f"precision of {player}" for i, player in enumerate(players)}
    if isinstance(precision, Mapping):
        by_player = {str(player): name for player, name in precision.items()}
        for player in by_player:
            if player not in players:
                raise UsageError(f"precision: {player!r} is not a player.{nearest(player, players)}")
        rates = {players.index(player): name for player, name in by_player.items() if isinstance(name, str)}
    elif isinstance(precision, str):
        rates = dict.fromkeys(range(len(players)), precision)
    else:
        raise UsageError(
            f"precision: {precision!r} cannot be used. Give True, {EACH_PLAYER!r}, or the name (or mapping from "
            "players to names) that solve was given."
        )
    draws = solution.problem.draws
    for player, name in rates.items():
        if name not in draws:
            raise UsageError(f"precision: {name!r} is not among the draws.{nearest(name, draws)}")
        if not np.allclose(draws[name], solution.precision[player], rtol=1e-12, atol=0):
            raise UsageError(
                f"precision: the game was not solved with {name!r} as the precision of {players[player]}: λ is "
                f"{solution.precision[player, 0]:.6g} and {name} is {draws[name][0]:.6g} in draw 0. Pass what solve "
                "was given."
            )
    return rates


@dataclass(frozen=True, eq=False)
class _Inputs:
    """How everything that a game is made of moves with each parameter, at fixed play.

    Attributes:
        monomials: (monomial, parameter, draw).
        log_chance: Of every option of every chance move, (row, parameter, draw).
        direction: Of λ, (player, parameter).
    """

    monomials: np.ndarray
    log_chance: np.ndarray
    direction: np.ndarray


def _make_inputs(part: _Part, paths: _Paths, names: tuple[str, ...], direction: np.ndarray) -> _Inputs:
    """Differentiate payoffs and chances, and refuse what has no finite derivative.

    Raises:
        SolveError: Naming the draw and the parameter, and the chance move where there is one.
    """
    game, problem = part.game, part.problem
    _, slopes = game.basis.jacobian(problem.draws, problem.num_draws, names)
    slopes[~paths.used] = 0.0  # branches not taken, say: their slope may be anything
    if not np.isfinite(slopes).all():
        _, parameter, draw = (int(i[0]) for i in np.nonzero(~np.isfinite(slopes)))
        raise SolveError(
            f"{game.title}: a payoff, probability or outcome has no finite derivative by {names[parameter]!r} where "
            f"{_describe(part, draw)}. Guard the expression with dt.maximum, or leave the parameter out of wrt."
        )
    change = product(game.probability.matrix, slopes)
    impossible = (problem.chance <= 0)[:, None] & (change != 0) & paths.reached[:, None, None]
    if impossible.any():
        row, parameter, draw = (int(i[0]) for i in np.nonzero(impossible))
        move = int(np.searchsorted(game.chance_start, row, side="right")) - 1
        chance_move, option = game.chances[move], row - int(game.chance_start[move])
        raise SolveError(
            f"{game.title}: the chance of {chance_move.options[option]!r} in {chance_move.move!r} "
            f"({chance_move.formulas[option]}) is 0 where {_describe(part, draw)}, and it changes with "
            f"{names[parameter]!r}: beliefs have no derivative at the edge of the possible. Move the draw a little "
            f"inside (0, 1), or leave {names[parameter]!r} out of wrt."
        )
    possible = np.where(problem.chance > 0, problem.chance, 1.0)[:, None]
    return _Inputs(slopes, np.where(change == 0, 0.0, change / possible), direction)


def _describe(part: _Part, draw: int) -> str:
    """The parameters of one draw of a block, and which draw of the whole it is."""
    return f"{describe_draw(part.game, part.problem.draws, draw)} (draw {int(part.draws[draw])})"


# -- the equilibrium, made linear ----------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Point:
    """A block of draws at their equilibrium.

    Attributes:
        paths: Index arrays.
        problem: The game with the numbers of these draws.
        rate: λ, (slot, draw).
        response: How log-probabilities move with λ·Q.
        weight: Share of each leaf in the slot in front of it, (pair, draw).
        deviation: That share times what the leaf pays beyond the slot's expectation, (pair, draw).
        value: Expected payoff of every option, (slot, draw).
    """

    paths: _Paths
    problem: Problem
    rate: np.ndarray
    response: Response
    weight: np.ndarray
    deviation: np.ndarray
    value: np.ndarray


def _linearise(part: _Part, paths: _Paths) -> _Point:
    problem, l = part.problem, part.log_probabilities  # noqa: E741
    log_reach = (log_chance(problem)[problem.game.leaf_nodes] + paths.slots @ l)[paths.leaf]
    first = paths.start[:-1]
    if len(first):
        weight = np.exp(log_reach - np.maximum.reduceat(log_reach, first, axis=0)[paths.slot])
        weight /= np.add.reduceat(weight, first, axis=0)[paths.slot]
    else:
        weight = log_reach
    pays = problem.payoff[paths.leaf, paths.player[paths.slot]]
    value = _by_slot(paths, weight * pays)
    deviation = weight * (pays - value[paths.slot])
    rate = part.precision[paths.player]
    response = make_response(paths.infosets, part.choice_rule, l, rate * value)
    return _Point(paths, problem, rate, response, weight, deviation, value)


def _by_slot(paths: _Paths, values: np.ndarray) -> np.ndarray:
    """Sum over the leaves behind every slot, along the first axis."""
    if not len(paths.start) - 1:
        return np.zeros((0, *values.shape[1:]))
    return np.add.reduceat(values, paths.start[:-1], axis=0)


def _parameter_side(point: _Point, inputs: _Inputs) -> Float[np.ndarray, "slot parameter draw"]:
    """−H_θ: how log P(λ·Q) moves with every parameter while everybody plays as before."""
    paths, problem = point.paths, point.problem
    num_columns, num_draws, num_players = inputs.monomials.shape[1], problem.num_draws, problem.payoff.shape[1]
    row = paths.leaf * num_players + paths.player[paths.slot]
    moved = np.zeros((len(point.rate), num_columns, num_draws))
    step = max(1, NUMBERS // max(1, len(row) * num_draws))
    for first in range(0, num_columns, step):
        some = slice(first, min(first + step, num_columns))
        pays = product(problem.game.payoff.matrix, inputs.monomials[:, some])
        chance = product(paths.chances, inputs.log_chance[:, some])
        terms = point.weight[:, None] * pays[row]
        if chance.any():
            terms += point.deviation[:, None] * chance[paths.leaf]
        moved[:, some] = point.rate[:, None] * _by_slot(paths, terms)
    moved += point.value[:, None] * inputs.direction[paths.player][:, :, None]
    return point.response.push(moved)


def _pull_through_sides(point: _Point, solved: np.ndarray) -> tuple["_Gradient", np.ndarray]:
    """The transpose of :func:`_parameter_side`: a gradient by monomials and chances, and one by λ, (player, draw)."""
    paths, problem = point.paths, point.problem
    game, num_draws, num_players = problem.game, problem.num_draws, problem.payoff.shape[1]
    y = point.response.pull(solved[:, None])[:, 0]
    scaled = (point.rate * y)[paths.slot]
    pays = _scatter(
        paths.leaf * num_players + paths.player[paths.slot], point.weight * scaled, len(problem.payoff) * num_players
    )
    log_chances = paths.chances.T @ _scatter(paths.leaf, point.deviation * scaled, game.num_leaves)
    monomials = np.asarray(game.payoff.matrix.T @ pays)
    by_rate = _scatter(paths.player, y * point.value, num_players)
    return _Gradient(np.zeros((game.num_slots, num_draws)), np.asarray(log_chances), monomials), by_rate


def _scatter(index: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """Sum of the rows of values that have the same index."""
    return np.asarray(_incidence(index, np.arange(len(index)), (size, len(index))) @ values)


# -- linear solves -------------------------------------------------------------------------------
def _solve(
    point: _Point, right: Float[np.ndarray, "slot column draw"], method: str, *, transposed: bool
) -> tuple[Float[np.ndarray, "slot column draw"], Bool[np.ndarray, "draw"]]:
    """Solve with H_l or its transpose for every draw; which draws it could be done for (the others are NaN)."""
    num_draws = right.shape[2]
    if right.size == 0:
        return right, np.ones(num_draws, dtype=bool)
    found = np.full(right.shape, np.nan)
    if method == "dense":
        matrices = _dense(point)
        matrices = np.swapaxes(matrices, 1, 2) if transposed else matrices
        try:
            found = np.moveaxis(np.linalg.solve(matrices, np.moveaxis(right, 2, 0)), 0, 2)
        except np.linalg.LinAlgError:  # one of them is singular: find out which
            for draw in range(num_draws):
                try:
                    found[:, :, draw] = np.linalg.solve(matrices[draw], right[:, :, draw])
                except np.linalg.LinAlgError:
                    continue
    else:
        for draw in range(num_draws):
            solved = None
            if method != "sparse":
                solved = _solve_iteratively(point, draw, right[:, :, draw], transposed)
            if solved is None and method != "iterative":
                solved = _solve_factorised(point, draw, right[:, :, draw], transposed)
            if solved is not None:
                found[:, :, draw] = solved
    largest = np.abs(found).max(axis=(0, 1))
    good = np.asarray(largest <= MAX_GROWTH * np.abs(right).max(axis=(0, 1)))  # False for NaN
    found[:, :, ~good] = np.nan
    return found, good


def _dense(point: _Point) -> Float[np.ndarray, "draw slot slot"]:
    """H_l of every draw as a full matrix."""
    paths, (n, num_draws) = point.paths, point.rate.shape
    slope = np.asarray(paths.products @ point.deviation).reshape(n, n, num_draws)  # dQ_o / dl_o'
    moved = point.response.push(point.rate[:, None] * slope)
    return np.moveaxis(np.eye(n)[:, :, None] - moved, 2, 0)


def _deviations(point: _Point, draw: int) -> Any:
    """One draw's derivative of Q by the log-probability of every leaf, (slot × leaf)."""
    paths = point.paths
    shape = (len(paths.start) - 1, paths.slots.shape[0])
    return sparse.csr_matrix((point.deviation[:, draw], paths.leaf, paths.start), shape=shape)


def _solve_factorised(point: _Point, draw: int, right: np.ndarray, transposed: bool) -> np.ndarray | None:
    """Solve one draw by a sparse LU factorisation; None where the matrix is singular."""
    paths, n = point.paths, len(right)
    slope = sparse.csr_matrix(_deviations(point, draw) @ paths.slots).multiply(paths.structure)
    matrix = sparse.eye_array(n) - point.response.matrix(draw) @ sparse.diags_array(point.rate[:, draw]) @ slope
    try:
        factors = splu(sparse.csc_matrix(matrix), permc_spec="MMD_AT_PLUS_A")  # a tenth of the fill of the default
    except RuntimeError:
        return None
    return factors.solve(np.ascontiguousarray(right), trans="T" if transposed else "N")


def _solve_iteratively(point: _Point, draw: int, right: np.ndarray, transposed: bool) -> np.ndarray | None:
    """Solve one draw by GMRES, which needs only products with H_l; None where it does not get there."""
    paths, n = point.paths, len(right)
    deviations, rate, response = _deviations(point, draw), point.rate[:, draw], point.response.matrix(draw)

    def forward(v: np.ndarray) -> np.ndarray:
        v = np.ravel(v)
        return v - response @ (rate * (deviations @ (paths.slots @ v)))

    def reverse(v: np.ndarray) -> np.ndarray:
        v = np.ravel(v)
        return v - paths.slots.T @ (deviations.T @ (rate * (response.T @ v)))

    operator = LinearOperator((n, n), matvec=reverse if transposed else forward, dtype=float)  # type: ignore[call-arg]
    columns = []
    for column in right.T:
        size = np.abs(column).max()
        if size == 0:
            columns.append(column)
            continue
        solved, failed = gmres(operator, column / size, rtol=GMRES_TOLERANCE, atol=0.0, restart=min(n, 200), maxiter=5)
        if failed:
            return None
        columns.append(size * solved)
    return np.stack(columns, axis=1)


def _pick(method: str, game: Game, paths: _Paths, num_solves: int) -> str:
    """The way to solve: ``auto`` by size; its ``either`` tries GMRES first and factorises where that fails."""
    if method not in METHODS:
        raise UsageError(f"method: {method!r} is not known.{nearest(method, METHODS)}")
    if method != "auto":
        return method
    if game.num_slots <= DENSE_SLOTS:
        return "dense"
    if int((np.diff(paths.slots.indptr).astype(np.int64) ** 2).sum()) > SPARSE_PRODUCTS:
        return "iterative"
    return "either" if num_solves <= FEW_SOLVES else "sparse"


# -- what depends on the equilibrium -------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Gradient:
    """How one number moves with what a game and its equilibrium are made of.

    Attributes:
        slots: With every log-probability, (slot, draw).
        log_chance: With the logarithm of every chance, (row, draw).
        monomials: With every monomial, directly, (monomial, draw).
    """

    slots: np.ndarray
    log_chance: np.ndarray
    monomials: np.ndarray


def _no_gradient(part: _Part, paths: _Paths) -> _Gradient:
    counts = (part.game.num_slots, paths.chances.shape[1], len(part.game.basis.monomials))
    return _Gradient(*(np.zeros((count, part.num_draws)) for count in counts))


def _plus(gradient: _Gradient, other: _Gradient, scale: np.ndarray | float) -> _Gradient:
    """The gradient of a sum, the second term scaled draw by draw."""
    return _Gradient(
        gradient.slots + scale * other.slots,
        gradient.log_chance + scale * other.log_chance,
        gradient.monomials + scale * other.monomials,
    )


def _chain(
    gradient: _Gradient, log_probabilities: np.ndarray | None, inputs: _Inputs
) -> Float[np.ndarray, "parameter draw"]:
    """The chain rule: a gradient times how everything moves with every parameter."""
    moved = np.einsum("md,mkd->kd", gradient.monomials, inputs.monomials)
    moved += np.einsum("rd,rkd->kd", gradient.log_chance, inputs.log_chance)
    if log_probabilities is not None:
        moved += np.einsum("sd,skd->kd", gradient.slots, log_probabilities)
    return moved


def _of_mass(part: _Part, paths: _Paths, mass: np.ndarray, given: Mapping[str, str] | None) -> _Gradient:
    """Gradient of Σ reach × value over some nodes, from mass = reach × value, (node, draw).

    Every edge on the way to a node has a share in it: the mass is added up from the leaves to the root.
    """
    game = part.game
    total = mass.copy()
    for start, stop in reversed(levels(game)):
        parents = np.unique(game.parent[start:stop])
        total[parents] += np.add.reduceat(total[start:stop], game.first_child[parents] - start, axis=0)
    for move, option in (given or {}).items():
        for node in fixed_nodes(game, move, option):
            first = int(game.first_child[node])
            total[first : first + int(game.num_options[node])] = 0.0  # what is certain does not move
    by_edge = np.asarray(paths.edges @ total)
    num_rows = paths.chances.shape[1]
    zeros = np.zeros((len(game.basis.monomials), part.num_draws))
    return _Gradient(by_edge[num_rows:], by_edge[:num_rows], zeros)


def _reach(part: _Part, given: Mapping[str, str] | None) -> np.ndarray:
    return reach_probabilities(part.game, edge_probabilities(part.problem, np.exp(part.log_probabilities), given))


def _payoff_gradient(part: _Part, paths: _Paths, player: int) -> _Gradient:
    """Gradient of one player's expected payoff."""
    game = part.game
    reach = _reach(part, None)
    mass = np.zeros_like(reach)
    mass[game.leaf_nodes] = reach[game.leaf_nodes] * part.problem.payoff[:, player]
    matrix = game.payoff.matrix[player :: len(game.players)]
    monomials = np.asarray(matrix.T @ reach[game.leaf_nodes])
    return replace(_of_mass(part, paths, mass, None), monomials=monomials)


def _outcome_labels(game: Game, name: str) -> list[str | None]:
    """Under which keys the gradients of an outcome stand: its labels; None for a flag or number."""
    if name not in game.outcomes:
        raise UsageError(f"outcome: {name!r} is not an outcome.{nearest(name, game.outcomes)}")
    outcome = game.outcomes[name]
    return list(outcome.labels) if outcome.rows is None else [None]


def _outcome_gradients(
    part: _Part, paths: _Paths, name: str, given: Mapping[str, str] | None
) -> dict[str | None, _Gradient]:
    """Gradient of the expectation of an outcome, or of the chance of each of its labels."""
    game, outcome, leaves = part.game, part.game.outcomes[name], part.game.leaf_nodes
    reach = _reach(part, given)

    def of_leaves(value: np.ndarray) -> _Gradient:
        mass = np.zeros_like(reach)
        mass[leaves] = reach[leaves] * value
        return _of_mass(part, paths, mass, given)

    if outcome.rows is None:
        return {label: of_leaves((outcome.codes == i)[:, None]) for i, label in enumerate(outcome.labels)}
    value = outcome.rows.evaluate(game.basis.evaluate(part.problem.draws, part.num_draws))
    return {None: replace(of_leaves(value), monomials=np.asarray(outcome.rows.matrix.T @ reach[leaves]))}


def _choice_labels(game: Game, move: str) -> list[str]:
    """The options of a move, over all the nodes where it comes up."""
    nodes = _nodes_of(game, move)
    if not nodes:
        raise UsageError(f"choice: {move!r} is not a move of {game.title!r}.{nearest(move, move_names(game))}")
    return list(dict.fromkeys(label for node in nodes for label in game.options_at(node)))


def _nodes_of(game: Game, move: str) -> list[int]:
    return [int(n) for n in np.flatnonzero(game.kind != LEAF) if game.move_at(int(n)) == move]


def _choice_gradients(part: _Part, paths: _Paths, move: str, given: Mapping[str, str] | None) -> dict[str, _Gradient]:
    """Gradient of how likely each option of a move is where the move is reached: a quotient."""
    game = part.game
    reach = _reach(part, given)
    at_move, after = np.zeros_like(reach), {}
    for node in _nodes_of(game, move):
        at_move[node] = reach[node]
        for index, label in enumerate(game.options_at(node)):
            child = int(game.first_child[node]) + index
            after.setdefault(label, np.zeros_like(reach))[child] = reach[child]
    whole, of_whole, found = at_move.sum(axis=0), _of_mass(part, paths, at_move, given), {}
    with np.errstate(invalid="ignore", divide="ignore"):  # never reached: NaN
        for label, mass in after.items():
            share = _plus(_no_gradient(part, paths), _of_mass(part, paths, mass, given), 1 / whole)
            found[label] = _plus(share, of_whole, -mass.sum(axis=0) / whole**2)
    return found


def _cotangent(what: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A cotangent as an array of the right shape; zeros where there is none."""
    try:
        return np.broadcast_to(np.asarray(0.0 if value is None else value, dtype=float), shape)
    except (TypeError, ValueError):
        given = np.asarray(value, dtype=object).shape
        raise UsageError(f"pull_back: {what} has shape {given}; it must be numbers of shape {shape}.") from None


def _outcome_cotangents(
    game: Game, outcomes: Mapping[str, Any], num_draws: int
) -> dict[str, dict[str | None, np.ndarray]]:
    """Outcome → label (None for a flag or number) → cotangent, (draw,)."""
    found: dict[str, dict[str | None, np.ndarray]] = {}
    for name, value in outcomes.items():
        labels = _outcome_labels(game, name)
        if labels == [None]:
            found[name] = {None: _cotangent(f"outcome {name!r}", value, (num_draws,))}
            continue
        if not isinstance(value, Mapping):
            raise UsageError(f"pull_back: the outcome {name!r} is a label. Give a mapping from its labels {labels}.")
        for label in value:
            if label not in labels:
                known = nearest(label, labels)
                raise UsageError(f"pull_back: {label!r} is not a value of the outcome {name!r}.{known}")
        found[name] = {k: _cotangent(f"outcome {name!r}, {k!r}", v, (num_draws,)) for k, v in value.items()}
    return found
