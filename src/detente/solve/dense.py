"""The dense formulation: Newton along the branch, for small games.

The unknowns are the log-probabilities l of all slots. The probability of leaf z is exp(c_z + Σ l over the slots on its
path), so that the expected payoff of option o at its infoset is a ratio of two sums over the leaves behind o,

    Q_o = Σ_z P_z U(z) / Σ_z P_z,

and both Q and its derivative are sparse matrix products over (leaf, slot) pairs. The equilibrium solves
H(l, t) = l − log softmax(t·λ·Q(l)) = 0, followed from t = 0 (uniform play) to t = 1 by pseudo-arclength continuation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from detente.axes import CHOICE, Game
from detente.solve.problem import Problem, log_chance
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED

MAX_STEPS = 2_000
MAX_NEWTON = 8
FIRST_STEP = 0.05
SMALLEST_STEP = 1e-9
LARGEST_STEP = 20.0
SMALLEST_COSINE = 0.9  # between successive tangents; a sharper turn means that the step was too long


@dataclass(frozen=True, eq=False)
class Pairs:
    """Which slots lie on the path to which leaf, as index arrays.

    Attributes:
        leaf: Leaf of each pair; the pairs are sorted by slot.
        slot: Slot of each pair.
        start: First pair of each slot (every slot has a leaf behind it).
        player: Player of each slot.
        owner: Infoset of each slot.
        path: (leaf × slot) matrix of ones.
        sums: (slot × pair) matrix of ones.
        products: (slot·slot × pair) matrix: where the value of pair (z, o) goes in the derivative by the slots of z.
        infosets: (infoset × slot) matrix of ones.
    """

    leaf: np.ndarray
    slot: np.ndarray
    start: np.ndarray
    player: np.ndarray
    owner: np.ndarray
    path: sparse.csr_matrix
    sums: sparse.csr_matrix
    products: sparse.csr_matrix
    infosets: sparse.csr_matrix


def make_pairs(game: Game) -> Pairs:
    """Index arrays of the dense formulation."""
    leaves, slots = [], []
    node = game.leaf_nodes.astype(np.int64)
    leaf = np.arange(len(node))
    while len(node):
        parent = game.parent[node]
        inside = parent >= 0
        node, leaf, parent = node[inside], leaf[inside], parent[inside]
        choice = game.kind[parent] == CHOICE
        leaves.append(leaf[choice])
        slots.append(game.infoset_start[game.infoset[parent[choice]]] + game.option[node[choice]])
        node = parent.astype(np.int64)
    leaf_of = np.concatenate(leaves) if leaves else np.zeros(0, dtype=np.int64)
    slot_of = np.concatenate(slots) if slots else np.zeros(0, dtype=np.int64)
    order = np.lexsort((leaf_of, slot_of))
    leaf_of, slot_of = leaf_of[order], slot_of[order]
    num_slots, num_pairs, num_leaves = game.num_slots, len(leaf_of), game.num_leaves
    ones = np.ones(num_pairs)
    path = sparse.csr_matrix((ones, (leaf_of, slot_of)), shape=(num_leaves, num_slots))
    sums = sparse.csr_matrix((ones, (slot_of, np.arange(num_pairs))), shape=(num_slots, num_pairs))
    on_path = path[leaf_of].tocoo()  # row: pair (z, o); column: every slot o' on the path to z
    products = sparse.csr_matrix(
        (np.ones(on_path.nnz), (slot_of[on_path.row] * num_slots + on_path.col, on_path.row)),
        shape=(num_slots * num_slots, num_pairs),
    )
    owner = np.repeat(np.arange(len(game.infosets)), np.diff(game.infoset_start))
    player = np.array([i.player for i in game.infosets], dtype=np.int64)[owner]
    infosets = sparse.csr_matrix(
        (np.ones(num_slots), (owner, np.arange(num_slots))), shape=(len(game.infosets), num_slots)
    )
    start = np.searchsorted(slot_of, np.arange(num_slots))
    return Pairs(leaf_of, slot_of, start, player, owner, path, sums, products, infosets)


class System:
    """H(l, t) and its derivatives for a block of draws; arrays have the draw axis last.

    Args:
        problem: The game with numbers in it.
        precision: λ at t = 1, (player, draw).
        pairs: Index arrays.
    """

    def __init__(self, problem: Problem, precision: np.ndarray, pairs: Pairs):
        game = problem.game
        self.pairs = pairs
        self.log_chance = log_chance(problem)[game.leaf_nodes]
        self.utility = problem.payoff[pairs.leaf, pairs.player[pairs.slot]]
        self.rate = precision[pairs.player]

    def take(self, draws: np.ndarray) -> "System":
        """The same system for some of the draws."""
        part = object.__new__(System)
        part.pairs = self.pairs
        part.log_chance, part.utility = self.log_chance[:, draws], self.utility[:, draws]
        part.rate = self.rate[:, draws]
        return part

    def weights(self, l: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # noqa: E741
        """Weight of every (leaf, slot) pair relative to its slot's likeliest leaf, and Q."""
        p = self.pairs
        log_reach = (self.log_chance + p.path @ l)[p.leaf]
        top = np.maximum.reduceat(log_reach, p.start, axis=0)
        weight = np.exp(log_reach - top[p.slot])
        weight = weight / np.asarray(p.sums @ weight)[p.slot]
        return weight, p.sums @ (weight * self.utility)

    def residual(self, l: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # noqa: E741
        """H, weights, Q and the softmax of t·λ·Q."""
        weight, q = self.weights(l)
        log_soft = log_softmax(t * self.rate * q, self.pairs)
        return l - log_soft, weight, q, np.exp(log_soft)

    def jacobian(
        self, t: np.ndarray, weight: np.ndarray, q: np.ndarray, soft: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """dH/dl as (draw, slot, slot) and dH/dt as (draw, slot)."""
        p, (n, num_draws) = self.pairs, q.shape
        deviation = weight * (self.utility - q[p.slot])
        slope = (p.products @ deviation).reshape(n, n, num_draws)  # dQ_o / dl_o'
        slope = self.rate[:, None] * slope
        mean = np.asarray(p.infosets @ (soft[:, None] * slope).reshape(n, -1)).reshape(-1, n, num_draws)
        dh_dl = np.eye(n)[:, :, None] - t * (slope - mean[p.owner])
        rq = self.rate * q
        dh_dt = -(rq - np.asarray(p.infosets @ (soft * rq))[p.owner])
        return np.moveaxis(dh_dl, 2, 0), dh_dt.T


def log_softmax(x: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Log-probabilities of each infoset's options from their weighted payoffs, (slot, draw)."""
    first = np.flatnonzero(np.diff(pairs.owner, prepend=-1))
    top = np.asarray(np.maximum.reduceat(x, first, axis=0))[pairs.owner]
    total = np.asarray(pairs.infosets @ np.exp(x - top))
    return x - top - np.log(total)[pairs.owner]


@dataclass(frozen=True, eq=False)
class Point:
    """Where a branch passes one precision, for every draw; arrays with the draw axis last."""

    log_probabilities: np.ndarray
    residual: np.ndarray
    status: np.ndarray
    iterations: np.ndarray
    reached: np.ndarray
    bifurcation_at: np.ndarray


def follow(
    problem: Problem,
    precision: np.ndarray,
    targets: Sequence[float],
    *,
    tolerance: float = 1e-10,
    pairs: Pairs | None = None,
) -> list[Point]:
    """Follow the principal branch from uniform play through every target.

    Args:
        problem: The game with numbers in it.
        precision: λ at t = 1, (player, draw).
        targets: Increasing values of t in [0, 1] at which the equilibrium is wanted.
        tolerance: Largest residual of a converged draw.
        pairs: Index arrays, when already made.

    Returns:
        One point for each target.
    """
    pairs = make_pairs(problem.game) if pairs is None else pairs
    n, num_draws = problem.game.num_slots, problem.num_draws
    system = System(problem, precision, pairs)
    uniform = -np.log(np.diff(problem.game.infoset_start).astype(float))[pairs.owner]
    found = [_empty_point(uniform, num_draws) for _ in targets]
    if n == 0:
        return [
            Point(
                p.log_probabilities,
                np.zeros(num_draws),
                np.zeros(num_draws, dtype=int),
                p.iterations,
                np.ones(num_draws),
                p.bifurcation_at,
            )
            for p in found
        ]
    for draw in range(num_draws):
        _follow_one(system.take(np.array([draw])), uniform, targets, tolerance, found, draw)
    return found


def _empty_point(uniform: np.ndarray, num_draws: int) -> Point:
    return Point(
        log_probabilities=np.repeat(uniform[:, None], num_draws, axis=1),
        residual=np.full(num_draws, np.inf),
        status=np.full(num_draws, NOT_CONVERGED),
        iterations=np.zeros(num_draws, dtype=int),
        reached=np.zeros(num_draws),
        bifurcation_at=np.full(num_draws, np.nan),
    )


def _follow_one(
    system: System, uniform: np.ndarray, targets: Sequence[float], tolerance: float, found: list[Point], draw: int
) -> None:
    """Pseudo-arclength continuation for one draw; writes into ``found``."""
    n = len(uniform)
    y = np.append(uniform, 0.0)
    tangent = np.zeros(n + 1)
    tangent[-1] = 1.0
    jac = _bordered(system, y, tangent)
    tangent = _tangent(jac)
    sign, size = np.linalg.slogdet(_with_last_row(jac, tangent))
    step, newton_steps, bifurcation = FIRST_STEP, 0, np.nan
    pending = list(range(len(targets)))
    while pending and targets[pending[0]] == 0.0:
        _record(found[pending.pop(0)], draw, uniform, 0.0, CONVERGED, 0, 1.0, np.nan)

    for _ in range(MAX_STEPS):
        if not pending:
            return
        guess = y + step * tangent
        new, used, good = _correct(system, guess, tangent)
        newton_steps += used
        if good:
            jac = _bordered(system, new, tangent)
            new_tangent = _tangent(jac)
            cosine = float(new_tangent @ tangent)
            good = cosine > SMALLEST_COSINE
        if not good:
            step /= 2
            if step < SMALLEST_STEP:
                break
            continue
        new_sign, new_size = np.linalg.slogdet(_with_last_row(jac, new_tangent))
        # Along a smooth branch the bordered determinant keeps its sign; where it changes, another branch crosses.
        if new_sign != sign and new_sign != 0 and np.isnan(bifurcation):
            share = 1 / (1 + np.exp(np.clip(new_size - size, -50, 50)))  # where a straight line through both is zero
            bifurcation = float(y[-1] + share * (new[-1] - y[-1]))
        sign, size = new_sign or sign, new_size
        stuck = False
        while pending and (y[-1] - targets[pending[0]]) * (new[-1] - targets[pending[0]]) <= 0 and new[-1] != y[-1]:
            target = targets[pending[0]]
            share = (target - y[-1]) / (new[-1] - y[-1])
            start = y[:-1] + share * (new[:-1] - y[:-1])
            l, residual, used = _newton_at(system, start, target, tolerance * 1e-3)  # noqa: E741
            newton_steps += used
            if residual > tolerance and step > 1e3 * SMALLEST_STEP:
                stuck = True
                break
            crossed = bifurcation if bifurcation <= target else np.nan
            status = NOT_CONVERGED if residual > tolerance else CONVERGED if np.isnan(crossed) else BIFURCATION
            _record(found[pending.pop(0)], draw, l, residual, status, newton_steps, 1.0, crossed)
        if stuck:
            step /= 4
            continue
        y, tangent = new, new_tangent
        step = min(LARGEST_STEP, step * (2.0 if used <= 3 and cosine > 0.98 else 1.0 if used <= 5 else 0.5))
    for index in pending:  # the branch could not be followed so far: say how far it went
        h = system.residual(y[:-1, None], np.array([targets[index]]))[0]
        _record(
            found[index], draw, y[:-1], float(np.abs(h).max()), NOT_CONVERGED, newton_steps, float(y[-1]), bifurcation
        )


def _record(
    point: Point,
    draw: int,
    l: np.ndarray,  # noqa: E741
    residual: float,
    status: int,
    used: int,
    reached: float,
    bifurcation: float,  # noqa: E741
) -> None:
    point.log_probabilities[:, draw] = l
    point.residual[draw], point.status[draw], point.iterations[draw] = residual, status, used
    point.reached[draw], point.bifurcation_at[draw] = reached, bifurcation


def _bordered(system: System, y: np.ndarray, last_row: np.ndarray) -> np.ndarray:
    """[dH/dl dH/dt] with one more row, at one point."""
    t = np.array([y[-1]])
    _, weight, q, soft = system.residual(y[:-1, None], t)
    dh_dl, dh_dt = system.jacobian(t, weight, q, soft)
    top = np.concatenate([dh_dl[0], dh_dt[0][:, None]], axis=1)
    return np.concatenate([top, last_row[None]], axis=0)


def _with_last_row(matrix: np.ndarray, row: np.ndarray) -> np.ndarray:
    changed = matrix.copy()
    changed[-1] = row
    return changed


def _tangent(bordered: np.ndarray) -> np.ndarray:
    right = np.zeros(len(bordered))
    right[-1] = 1.0
    try:
        tangent = np.linalg.solve(bordered, right)
    except np.linalg.LinAlgError:  # exactly on a crossing: keep the direction
        tangent = bordered[-1].copy()
    return tangent / np.linalg.norm(tangent)


def _correct(system: System, guess: np.ndarray, tangent: np.ndarray) -> tuple[np.ndarray, int, bool]:
    """Newton back onto the branch, at right angles to the tangent."""
    y = guess.copy()
    size = np.inf
    for used in range(1, MAX_NEWTON + 1):
        t = y[-1:]
        h, weight, q, soft = system.residual(y[:-1, None], t)
        dh_dl, dh_dt = system.jacobian(t, weight, q, soft)
        matrix = np.concatenate([np.concatenate([dh_dl[0], dh_dt[0][:, None]], axis=1), tangent[None]], axis=0)
        right = np.append(h[:, 0], tangent @ (y - guess))
        try:
            change = np.linalg.solve(matrix, right)
        except np.linalg.LinAlgError:
            return y, used, False
        y = y - change
        before, size = size, float(np.abs(change).max())
        if not np.isfinite(size) or size > 2 * before or size > 5.0:
            return y, used, False
        if size < 1e-9 * (1 + np.abs(y).max()):
            return y, used, True
    return y, MAX_NEWTON, False


def _newton_at(system: System, l: np.ndarray, t: float, tolerance: float) -> tuple[np.ndarray, float, int]:  # noqa: E741
    """Newton at a fixed precision; the best point met, its residual and the steps used."""
    at = np.array([t])
    best, best_residual = l, np.inf
    for used in range(30):
        h, weight, q, soft = system.residual(l[:, None], at)
        residual = float(np.abs(h).max())
        if residual < best_residual:
            best, best_residual = l, residual
        elif used > 3:
            break
        if best_residual <= tolerance * 1e-2 or not np.isfinite(residual):
            break
        try:
            l = l - np.linalg.solve(system.jacobian(at, weight, q, soft)[0][0], h[:, 0])  # noqa: E741
        except np.linalg.LinAlgError:
            break
    return best, best_residual, used + 1
