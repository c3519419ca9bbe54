"""The tree as the sweep sees it: only decisions, sorted so that play at one infoset never depends on an earlier row.

Chance moves and leaves do not change while the equilibrium is sought, so they are folded away first: a decision node
hangs from the (node, option) above it by a chance weight, and what an option yields without further decisions is a
constant. Infosets are sorted into *stages*: every infoset stands after those that can precede it in play. A backward
pass then solves each infoset with the play below it already up to date, so that only beliefs are left to iterate on.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from detente.axes import CHOICE, LEAF, Game

NOTHING_ABOVE = -1


class Decisions(NamedTuple):
    """The decisions in the order of play, as arrays that compiled code walks.

    "Row" numbers infosets, nodes and slots in the order of play. A *branch* is a (decision node, option) pair; the
    branches of a node are contiguous, and so are the nodes of an infoset.

    Attributes:
        player: Player of each infoset row.
        num_options: Options of each infoset row.
        num_members: Nodes of each infoset row.
        node_start: First node row of each infoset row.
        slot_start: First slot row of each infoset row.
        branch_start: First branch of each infoset row.
        above_node: Node row of the decision above each node row, or ``NOTHING_ABOVE``.
        above_slot: Slot row of the option taken there.
        reached: Whether the reach of each node row is needed for somebody's beliefs.
        below_start: First entry of each branch in ``below``.
        below: Node rows that hang from the branches.
        root: Node rows that hang from the root.
        state: Slot rows that move beliefs: the unknowns of the fixed point.
    """

    player: np.ndarray
    num_options: np.ndarray
    num_members: np.ndarray
    node_start: np.ndarray
    slot_start: np.ndarray
    branch_start: np.ndarray
    above_node: np.ndarray
    above_slot: np.ndarray
    reached: np.ndarray
    below_start: np.ndarray
    below: np.ndarray
    root: np.ndarray
    state: np.ndarray

    @property
    def uniform(self) -> np.ndarray:
        """Log-probabilities of the state in uniform play."""
        return -np.log(np.repeat(self.num_options, self.num_options).astype(float))[self.state]


@dataclass(frozen=True, eq=False)
class Plan:
    """The decisions of a game, and where its nodes, options and leaves went.

    Attributes:
        decisions: The decisions in the order of play.
        node: Game node of each node row.
        slot: Game slot of each slot row.
        leaf_order: Leaves sorted by branch, those without a decision above last.
        leaf_start: First entry of each branch in ``leaf_order``, and of the leaves without a decision.
    """

    decisions: Decisions
    node: np.ndarray
    slot: np.ndarray
    leaf_order: np.ndarray
    leaf_start: np.ndarray


@lru_cache(maxsize=8)
def make_plan(game: Game) -> Plan | None:
    """Sort the decisions of a game into the order of play.

    Args:
        game: The game.

    Returns:
        The plan, or None when infosets precede each other in a circle, so that no order exists. Plans of the games
        used last are kept: the same game is solved for many blocks of draws.
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

    branch_start = _starts((members * num_options)[order])[:-1]
    infoset_row = np.repeat(np.arange(len(order)), members[order])
    reached, state = _relevance(members[order], infoset_row, above_node, num_options[order])
    return Plan(
        decisions=Decisions(
            player=player[order],
            num_options=num_options[order],
            num_members=members[order],
            node_start=_starts(members[order])[:-1],
            slot_start=slot_start[:-1],
            branch_start=branch_start,
            above_node=above_node,
            above_slot=above_slot,
            reached=reached,
            below_start=below_start,
            below=by_branch[: below_start[-1]],
            root=by_branch[below_start[-1] :],
            state=state,
        ),
        node=node,
        slot=slot,
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


def _relevance(
    members: np.ndarray, infoset_row: np.ndarray, above_node: np.ndarray, num_options: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Node rows whose reach enters somebody's beliefs, and the slot rows whose choices change what somebody believes.

    Args:
        members: Nodes of each infoset row.
        infoset_row: Infoset row of each node row.
        above_node: Node row of the decision above each node row.
        num_options: Options of each infoset row.
    """
    reached = members[infoset_row] > 1
    moves = np.zeros(len(members), dtype=bool)
    level = np.flatnonzero(reached)
    while len(level):  # upwards, one decision at a time
        level = np.unique(above_node[level])
        level = level[level != NOTHING_ABOVE]
        moves[infoset_row[level]] = True
        level = level[~reached[level]]
        reached[level] = True
    return reached, np.flatnonzero(np.repeat(moves, num_options))


def restrict(decisions: Decisions, keep: np.ndarray) -> tuple[Decisions, np.ndarray, np.ndarray, np.ndarray]:
    """Some infosets on their own, where no infoset that is left out stands above one that is kept.

    Args:
        decisions: The decisions.
        keep: Which infoset rows are kept.

    Returns:
        The kept decisions, and the node rows, branches and slot rows that they had.
    """
    rows = np.flatnonzero(keep)
    num_options, members = decisions.num_options[rows], decisions.num_members[rows]
    node = _ranges(decisions.node_start[rows], members)
    slot = _ranges(decisions.slot_start[rows], num_options)
    branch = _ranges(decisions.branch_start[rows], members * num_options)
    new_node = _numbered(node, len(decisions.above_node))
    new_slot = _numbered(slot, int(decisions.num_options.sum()))
    above = decisions.above_node[node]
    above_node = np.where(above == NOTHING_ABOVE, NOTHING_ABOVE, new_node[above])
    below_count = decisions.below_start[branch + 1] - decisions.below_start[branch]
    below = new_node[decisions.below[_ranges(decisions.below_start[branch], below_count)]]
    owner = np.repeat(np.arange(len(branch)), below_count)[below >= 0]
    root = new_node[decisions.root]
    infoset_row = np.repeat(np.arange(len(rows)), members)
    reached, state = _relevance(members, infoset_row, above_node, num_options)
    kept = Decisions(
        player=decisions.player[rows],
        num_options=num_options,
        num_members=members,
        node_start=_starts(members)[:-1],
        slot_start=_starts(num_options)[:-1],
        branch_start=_starts(members * num_options)[:-1],
        above_node=above_node,
        above_slot=np.where(above == NOTHING_ABOVE, 0, new_slot[decisions.above_slot[node]]),
        reached=reached,
        below_start=np.searchsorted(owner, np.arange(len(branch) + 1)),
        below=below[below >= 0],
        root=root[root >= 0],
        state=state,
    )
    return kept, node, branch, slot


def _numbered(places: np.ndarray, length: int) -> np.ndarray:
    """Position of each place in ``places``, −1 for those that are not in it."""
    number = np.full(length, -1, dtype=np.int64)
    number[places] = np.arange(len(places))
    return number


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """start, start + 1, … for each of several ranges, one after the other."""
    offsets = np.repeat(starts - _starts(lengths)[:-1], lengths)
    return offsets + np.arange(len(offsets))
