"""The tree as the sweep sees it: only decisions, sorted so that play at one infoset never depends on an earlier row.

Chance moves and leaves do not change while the equilibrium is sought, so they are folded away first: a decision node
hangs from the (node, option) above it by a chance weight, and what an option yields without further decisions is a
constant. Infosets are sorted into *stages*: every infoset stands after those that can precede it in play. A backward
pass then solves each infoset with the play below it already up to date, so that only beliefs are left to iterate on.
"""

from dataclasses import dataclass

import numpy as np

from detente.axes import CHOICE, LEAF, Game

NOTHING_ABOVE = -1


@dataclass(frozen=True, eq=False)
class Plan:
    """Static index arrays of the sweep; "row" numbers infosets, nodes, slots and branches in the order of play.

    A *branch* is a (decision node, option) pair; the branches of a node are contiguous, and so are the nodes of an
    infoset.

    Attributes:
        player: Player of each infoset row.
        num_options: Options of each infoset row.
        num_members: Nodes of each infoset row.
        node_start: First node row of each infoset row.
        slot_start: First slot row of each infoset row.
        branch_start: First branch of each infoset row.
        node: Game node of each node row.
        slot: Game slot of each slot row.
        above_node: Node row of the decision above each node row, or ``NOTHING_ABOVE``.
        above_slot: Slot row of the option taken there.
        reached: Whether the reach of each node row is needed for somebody's beliefs.
        below_start: First entry of each branch in ``below``.
        below: Node rows that hang from the branches.
        root: Node rows that hang from the root.
        state: Slot rows that move beliefs: the unknowns of the fixed point.
        leaf_order: Leaves sorted by branch, those without a decision above last.
        leaf_start: First entry of each branch in ``leaf_order``, and of the leaves without a decision.
    """

    player: np.ndarray
    num_options: np.ndarray
    num_members: np.ndarray
    node_start: np.ndarray
    slot_start: np.ndarray
    branch_start: np.ndarray
    node: np.ndarray
    slot: np.ndarray
    above_node: np.ndarray
    above_slot: np.ndarray
    reached: np.ndarray
    below_start: np.ndarray
    below: np.ndarray
    root: np.ndarray
    state: np.ndarray
    leaf_order: np.ndarray
    leaf_start: np.ndarray

    @property
    def num_branches(self) -> int:
        """Number of (decision node, option) pairs."""
        return len(self.below_start) - 1


def make_plan(game: Game) -> Plan | None:
    """Sort the decisions of a game into the order of play.

    Args:
        game: The game.

    Returns:
        The plan, or None when infosets precede each other in a circle, so that no order exists.
    """
    decision = np.flatnonzero(game.kind == CHOICE)
    above, taken = decision_above(game)
    stage = _stages(game, decision, above)
    if stage is None:
        return None
    members = np.bincount(game.infoset[decision], minlength=len(game.infosets))
    num_options = np.diff(game.infoset_start)
    player = np.array([i.player for i in game.infosets], dtype=np.int64)

    order = np.lexsort((np.arange(len(stage)), stage))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    node = decision[np.lexsort((decision, rank[game.infoset[decision]]))]
    node_row = np.full(game.num_nodes, NOTHING_ABOVE, dtype=np.int64)
    node_row[node] = np.arange(len(node))
    slot_start = _starts(num_options[order])
    slot = np.repeat(game.infoset_start[order] - slot_start[:-1], num_options[order]) + np.arange(game.num_slots)

    widths = num_options[game.infoset[node]]
    branch_of_node = _starts(widths)
    hanging = above[node]
    inner = hanging >= 0
    above_node = np.where(inner, node_row[hanging], NOTHING_ABOVE)
    above_slot = np.where(inner, slot_start[rank[game.infoset[hanging]]] + taken[node], 0)
    num_branches = int(branch_of_node[-1])
    branch = np.where(inner, branch_of_node[above_node] + taken[node], num_branches)
    by_branch = np.argsort(branch, kind="stable")
    below_start = np.searchsorted(branch[by_branch], np.arange(num_branches + 1))

    leaves = np.flatnonzero(game.kind == LEAF)
    leaf_branch = np.where(above[leaves] >= 0, branch_of_node[node_row[above[leaves]]] + taken[leaves], num_branches)
    leaf_order = np.argsort(leaf_branch, kind="stable")
    leaf_start = np.searchsorted(leaf_branch[leaf_order], np.arange(num_branches + 2))

    reached, moves_beliefs = _belief_relevance(game, decision, above, members)
    return Plan(
        player=player[order],
        num_options=num_options[order],
        num_members=members[order],
        node_start=_starts(members[order])[:-1],
        slot_start=slot_start[:-1],
        branch_start=_starts((members * num_options)[order])[:-1],
        node=node,
        slot=slot,
        above_node=above_node,
        above_slot=above_slot,
        reached=reached[node],
        below_start=below_start,
        below=by_branch[: below_start[-1]],
        root=by_branch[below_start[-1] :],
        state=np.flatnonzero(np.repeat(moves_beliefs[order], num_options[order])),
        leaf_order=leaf_order,
        leaf_start=leaf_start,
    )


def _starts(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def decision_above(game: Game) -> tuple[np.ndarray, np.ndarray]:
    """For every node, the nearest choice node strictly above it (-1: none) and the option taken there."""
    above = np.full(game.num_nodes, NOTHING_ABOVE, dtype=np.int64)
    taken = np.zeros(game.num_nodes, dtype=np.int64)
    start, stop = 0, 1
    while True:
        width = int(game.num_options[start:stop].sum())
        if width == 0:
            return above, taken
        children = np.arange(stop, stop + width)
        parent = game.parent[children]
        is_choice = game.kind[parent] == CHOICE
        above[children] = np.where(is_choice, parent, above[parent])
        taken[children] = np.where(is_choice, game.option[children], taken[parent])
        start, stop = stop, stop + width


def _stages(game: Game, decision: np.ndarray, above: np.ndarray) -> np.ndarray | None:
    """Stage of each infoset: the longest chain of infosets that can precede it; None when they go in a circle."""
    inner = above[decision] >= 0
    before = game.infoset[above[decision[inner]]].astype(np.int64)
    after = game.infoset[decision[inner]].astype(np.int64)
    count = len(game.infosets)
    distinct = np.unique(before * count + after)
    before, after = distinct // max(count, 1), distinct % max(count, 1)
    stage = np.zeros(count, dtype=np.int64)
    for _ in range(count + 1):
        later = stage.copy()
        np.maximum.at(later, after, stage[before] + 1)
        if (later == stage).all():
            return stage
        stage = later
    return None


def _belief_relevance(
    game: Game, decision: np.ndarray, above: np.ndarray, members: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes whose reach enters somebody's beliefs, and infosets whose choices change what somebody later believes."""
    reached = np.zeros(game.num_nodes, dtype=bool)
    reached[decision] = members[game.infoset[decision]] > 1
    moves = np.zeros(len(game.infosets), dtype=bool)
    for node in decision[::-1]:  # children have higher numbers than parents
        if reached[node] and above[node] >= 0:
            reached[above[node]] = True
            moves[game.infoset[above[node]]] = True
    return reached, moves
