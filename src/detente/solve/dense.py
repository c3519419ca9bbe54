"""The dense formulation: Newton along the branch, for small games.

The unknowns are the log-probabilities l of all slots. The probability of leaf z is exp(c_z + Σ l over the slots on its
path), so that the expected payoff of option o at its infoset is a ratio of two sums over the leaves behind o,

    Q_o = Σ_z P_z U(z) / Σ_z P_z,

and both Q and its derivative are sparse matrix products over (leaf, slot) pairs. The equilibrium solves
H(l, t) = l − log P(t·λ·Q(l)) = 0, with P the choice rule (under logit the softmax), followed from t = 0 (uniform play)
to t = 1 by pseudo-arclength continuation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from detente.axes import CHOICE, Game
from detente.solve.branch import BranchPoint, follow_branch
from detente.solve.choice import LOGIT, Infosets, find_infosets, log_choice, make_response
from detente.solve.problem import Problem, log_chance

SMALL = 50_000  # entries of the largest matrix up to which a full one is quicker than a sparse one


@dataclass(frozen=True, eq=False)
class Pairs:
    """Which slots lie on the path to which leaf, as index arrays.

    Attributes:
        leaf: Leaf of each pair; the pairs are sorted by slot.
        slot: Slot of each pair.
        start: First pair of each slot (every slot has a leaf behind it).
        player: Player of each slot.
        path: (leaf × slot) matrix of ones; this and the next are sparse but for the smallest games.
        sums: (slot × pair) matrix of ones.
        products: (slot·slot × pair) matrix: where the value of pair (z, o) goes in the derivative by the slots of z.
        infosets: Which slots belong together.
    """

    leaf: np.ndarray
    slot: np.ndarray
    start: np.ndarray
    player: np.ndarray
    path: Any
    sums: Any
    products: Any
    infosets: Infosets


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
    infosets = find_infosets(game)
    player = np.array([i.player for i in game.infosets], dtype=np.int64)[infosets.owner]
    start = np.searchsorted(slot_of, np.arange(num_slots))
    if num_slots * max(num_slots * num_pairs, num_leaves) <= SMALL:
        path, sums, products = path.toarray(), sums.toarray(), products.toarray()
        infosets = replace(infosets, sums=infosets.sums.toarray())
    return Pairs(leaf_of, slot_of, start, player, path, sums, products, infosets)


class System:
    """H(l, t) and its derivatives for a block of draws; arrays have the draw axis last.

    Args:
        problem: The game with numbers in it.
        precision: λ at t = 1, (player, draw).
        pairs: Index arrays.
        choice: The choice rule.
    """

    def __init__(self, problem: Problem, precision: np.ndarray, pairs: Pairs, choice: str):
        game = problem.game
        self.pairs, self.choice = pairs, choice
        self.log_chance = log_chance(problem)[game.leaf_nodes]
        self.utility = problem.payoff[pairs.leaf, pairs.player[pairs.slot]]
        self.rate = precision[pairs.player]

    def take(self, draws: np.ndarray) -> "System":
        """The same system for some of the draws."""
        part = object.__new__(System)
        part.pairs, part.choice = self.pairs, self.choice
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
        """H, weights, Q and the log-probabilities that t·λ·Q leads to."""
        weight, q = self.weights(l)
        answer = log_choice(self.pairs.infosets, self.choice, t * self.rate * q)
        return l - answer, weight, q, answer

    def jacobian(
        self, t: np.ndarray, weight: np.ndarray, q: np.ndarray, answer: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """dH/dl as (draw, slot, slot) and dH/dt as (draw, slot)."""
        p, (n, num_draws) = self.pairs, q.shape
        deviation = weight * (self.utility - q[p.slot])
        slope = (p.products @ deviation).reshape(n, n, num_draws)  # dQ_o / dl_o'
        response = make_response(p.infosets, self.choice, answer, t * self.rate * q)
        dh_dl = np.eye(n)[:, :, None] - t * response.push(self.rate[:, None] * slope)
        dh_dt = -response.push((self.rate * q)[:, None])[:, 0]
        return np.moveaxis(dh_dl, 2, 0), dh_dt.T


@dataclass(frozen=True, eq=False)
class _OneDraw:
    """The equations of one draw, as :func:`follow_branch` wants them."""

    system: System
    start: np.ndarray

    def residual(self, x: np.ndarray, t: float) -> np.ndarray:
        return self.system.residual(x[:, None], np.array([t]))[0][:, 0]

    def evaluate(self, x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        at = np.array([t])
        h, weight, q, answer = self.system.residual(x[:, None], at)
        dh_dl, dh_dt = self.system.jacobian(at, weight, q, answer)
        return h[:, 0], np.concatenate([dh_dl[0], dh_dt[0][:, None]], axis=1)


def follow(
    problem: Problem,
    precision: np.ndarray,
    targets: Sequence[float],
    *,
    tolerance: float = 1e-10,
    pairs: Pairs | None = None,
    choice: str = LOGIT,
) -> list[list[BranchPoint]]:
    """Follow the principal branch from uniform play through every target, draw by draw.

    Args:
        problem: The game with numbers in it.
        precision: λ at t = 1, (player, draw).
        targets: Increasing values of t in [0, 1] at which the equilibrium is wanted.
        tolerance: Largest residual of a converged draw.
        pairs: Index arrays, when already made.
        choice: The choice rule.

    Returns:
        For each draw, one point for each target; the unknowns are the log-probabilities of the slots.
    """
    pairs = make_pairs(problem.game) if pairs is None else pairs
    system = System(problem, precision, pairs, choice)
    uniform = -np.log(np.diff(problem.game.infoset_start).astype(float))[pairs.infosets.owner]
    return [
        follow_branch(_OneDraw(system.take(np.array([draw])), uniform), targets, tolerance=tolerance)
        for draw in range(problem.num_draws)
    ]
