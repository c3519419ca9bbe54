"""Expectations under a strategy profile: what a policy brings, for every draw at once.

Outcomes and payoffs are polynomials at every leaf, Σ_m R_zm M_m. Their expectation is Σ_m M_m (Σ_z P_z R_zm): the leaf
probabilities are projected onto the few monomials first, so that no outcome is evaluated leaf by leaf.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import sparse

from detente.axes import LEAF, Game
from detente.solve.problem import CERTAIN, Problem, edge_rows, levels
from detente.solve.solution import fixed_nodes


@dataclass(frozen=True, eq=False)
class Expectation:
    """What one policy brings for a block of draws.

    Attributes:
        outcomes: Flag or number → expectation, (draw,).
        labels: Label outcome → distribution, (label, draw).
        payoffs: Expected payoff, (player, draw).
        leaves: Leaves that can be reached under the policy.
        leaf: Probability of each of them, (reachable leaf, draw).
    """

    outcomes: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    payoffs: np.ndarray
    leaves: np.ndarray
    leaf: np.ndarray


@dataclass(frozen=True, eq=False)
class Projector:
    """The part of a game that a policy leaves, and its outcomes as matrices to multiply leaf probabilities with.

    Attributes:
        parent: Parent of each kept node, among the kept.
        row: Where the probability of the edge into each kept node stands: a row of (chance rows, then slots).
        is_leaf: Which kept nodes are leaves.
        leaves: Their leaf index in the game.
        numbers: Flag or number → (monomial × kept leaf) matrix.
        labels: Label outcome → (label × kept leaf) matrix.
    """

    parent: np.ndarray
    row: np.ndarray
    is_leaf: np.ndarray
    leaves: np.ndarray
    numbers: Mapping[str, sparse.csr_matrix]
    labels: Mapping[str, sparse.csr_matrix]


def make_projector(game: Game, given: Mapping[str, str] | None = None) -> Projector:
    """Prepare a game for :func:`expect` under a policy.

    Args:
        game: The game.
        given: Move name → option that is chosen for certain; see :meth:`detente.Solution.edges`.
    """
    row = edge_rows(game).copy()
    keep = np.ones(game.num_nodes, dtype=bool)
    for move, option in (given or {}).items():
        for node in fixed_nodes(game, move, option):
            first = int(game.first_child[node])
            keep[first : first + int(game.num_options[node])] = False
            certain = first + game.options_at(int(node)).index(option)
            keep[certain], row[certain] = True, CERTAIN
    for start, stop in levels(game):
        keep[start:stop] &= keep[game.parent[start:stop]]
    kept = np.flatnonzero(keep)
    new_index = np.zeros(game.num_nodes, dtype=np.int64)
    new_index[kept] = np.arange(len(kept))
    is_leaf = game.kind[kept] == LEAF
    leaves = game.leaf[kept[is_leaf]]
    numbers, labels = {}, {}
    for name, outcome in game.outcomes.items():
        if outcome.rows is None:
            shape = (len(outcome.labels), len(leaves))
            ones, columns = np.ones(len(leaves)), np.arange(len(leaves))
            labels[name] = sparse.csr_matrix((ones, (outcome.codes[leaves], columns)), shape=shape)
        else:
            numbers[name] = sparse.csr_matrix(sparse.csr_matrix(outcome.rows.matrix)[leaves].T)
    return Projector(new_index[game.parent[kept]], row[kept], is_leaf, leaves, numbers, labels)


def expect(projector: Projector, problem: Problem, probabilities: np.ndarray) -> Expectation:
    """Outcomes and payoffs of a policy under a strategy profile.

    Args:
        projector: From :func:`make_projector`, of the game of the problem and the policy.
        problem: The game with the numbers of every draw in it.
        probabilities: Chance of every option at every infoset, (slot, draw).
    """
    edges = np.concatenate([problem.chance, probabilities])
    leaf = _reach(projector.parent, projector.row, edges)[projector.is_leaf]
    monomials = problem.game.basis.evaluate(problem.draws, problem.num_draws)
    return Expectation(
        outcomes={n: np.einsum("md,md->d", monomials, m @ leaf) for n, m in projector.numbers.items()},
        labels={n: np.asarray(m @ leaf) for n, m in projector.labels.items()},
        payoffs=_payoffs(leaf, problem.payoff, projector.leaves),
        leaves=projector.leaves,
        leaf=leaf,
    )


@njit(cache=True, nogil=True)
def _reach(parent, row, edges):  # pragma: no cover - compiled
    """Reach of every kept node, (node, draw), from the root down."""
    num_nodes, num_draws = len(parent), edges.shape[1]
    reach = np.ones((num_nodes, num_draws))
    for n in range(1, num_nodes):
        p, r = parent[n], row[n]
        if r == CERTAIN:
            for d in range(num_draws):
                reach[n, d] = reach[p, d]
        else:
            for d in range(num_draws):
                reach[n, d] = reach[p, d] * edges[r, d]
    return reach


@njit(cache=True, nogil=True)
def _payoffs(leaf, payoff, leaves):  # pragma: no cover - compiled
    """Σ_z P_z U_z for every player, (player, draw)."""
    num_players, num_draws = payoff.shape[1], payoff.shape[2]
    total = np.zeros((num_players, num_draws))
    for z in range(len(leaves)):
        for i in range(num_players):
            for d in range(num_draws):
                total[i, d] += leaf[z, d] * payoff[leaves[z], i, d]
    return total
