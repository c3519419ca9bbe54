"""A policy as a commitment: the game in which some options are the only ones."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from detente.axes import CHANCE, CHOICE, LEAF, NO_CHANCE, NO_INFOSET, NO_LEAF, NO_PARENT, Game
from detente.errors import UsageError
from detente.solve.solution import fixed_nodes


def restrict(game: Game, commit: Mapping[str, str]) -> Game:
    """The game that is left when players are bound to some options, and everybody knows it.

    Args:
        game: The whole game.
        commit: Move name → the option that its player is bound to.

    Returns:
        The smaller game: histories after other options are gone, and with them infosets that can no longer be reached.

    Raises:
        UsageError: If a move or option does not exist, or the move is chance.
    """
    keep = np.ones(game.num_nodes, dtype=bool)
    for move, option in commit.items():
        nodes = fixed_nodes(game, move, option)
        if (game.kind[nodes] == CHANCE).any():
            raise UsageError(f"commit: {move!r} is a chance move; nobody can commit to it. Commit to a player's move.")
        for node in nodes:
            first = int(game.first_child[node])
            keep[first : first + game.num_options[node]] = False
            keep[first + game.options_at(int(node)).index(option)] = True
    for node in range(1, game.num_nodes):
        keep[node] &= keep[game.parent[node]]
    return _keep(game, keep)


def depth_first(parent: np.ndarray, num_options: np.ndarray) -> np.ndarray:
    """Place of every node in a depth-first walk, for nodes that are breadth first with contiguous children."""
    size = np.ones(len(parent), dtype=np.int64)  # of the subtree
    for node in range(len(parent) - 1, 0, -1):
        size[parent[node]] += size[node]
    place = np.zeros(len(parent), dtype=np.int64)
    for node in range(1, len(parent)):
        sibling = node > 1 and parent[node - 1] == parent[node]
        place[node] = place[node - 1] + size[node - 1] if sibling else place[parent[node]] + 1
    return place


def _by_first_visit(game: Game, choices: np.ndarray, walk: np.ndarray) -> list[tuple[int, int]]:
    """(infoset, its first node) by player, then in the order of a depth-first walk."""
    order = np.argsort(walk, kind="stable")
    infosets, first = np.unique(game.infoset[choices[order]], return_index=True)
    found = [(int(i), int(choices[order[f]]), int(f)) for i, f in zip(infosets, first, strict=True)]
    found.sort(key=lambda item: (game.infosets[item[0]].player, item[2]))
    return [(index, node) for index, node, _ in found]


def _keep(game: Game, keep: np.ndarray) -> Game:
    """The part of a game whose nodes are kept; a kept node keeps its parent."""
    nodes = np.flatnonzero(keep)
    new_index = np.full(game.num_nodes + 1, NO_PARENT, dtype=np.int32)
    new_index[nodes] = np.arange(len(nodes))
    kind, parent = game.kind[nodes], new_index[game.parent[nodes]]
    num_options = np.bincount(parent[1:], minlength=len(nodes)).astype(np.int32)
    first_child = np.concatenate([[1], 1 + np.cumsum(num_options)[:-1]]).astype(np.int32)
    option = game.option[nodes].copy()
    option[1:] = np.arange(1, len(nodes)) - first_child[parent[1:]]

    infosets, starts, renumber = [], [0], np.full(len(game.infosets) + 1, NO_INFOSET, dtype=np.int32)
    choices = nodes[kind == CHOICE]
    walk = depth_first(parent, num_options)[kind == CHOICE]
    for index, first in _by_first_visit(game, choices, walk):
        children = range(game.first_child[first], game.first_child[first] + game.num_options[first])
        labels = tuple(game.infosets[index].options[game.option[c]] for c in children if keep[c])
        renumber[index] = len(infosets)
        infosets.append(replace(game.infosets[index], options=labels))
        starts.append(starts[-1] + len(labels))

    is_leaf = kind == LEAF
    leaves = game.leaf[nodes[is_leaf]]
    leaf = np.full(len(nodes), NO_LEAF, dtype=np.int32)
    leaf[is_leaf] = np.arange(len(leaves), dtype=np.int32)
    count = len(game.players)
    return replace(
        game,
        infosets=tuple(infosets),
        kind=kind,
        parent=parent,
        option=option,
        first_child=first_child,
        num_options=num_options,
        infoset=np.where(kind == CHOICE, renumber[game.infoset[nodes]], NO_INFOSET).astype(np.int32),
        chance=np.where(kind == CHANCE, game.chance[nodes], NO_CHANCE).astype(np.int32),
        leaf=leaf,
        infoset_start=np.array(starts, dtype=np.int64),
        payoff=game.payoff.select((leaves[:, None] * count + np.arange(count)).ravel()),
        outcomes={
            name: replace(
                o,
                codes=o.codes[leaves] if o.rows is None else o.codes,
                rows=None if o.rows is None else o.rows.select(leaves),
            )
            for name, o in game.outcomes.items()
        },
        payoff_formulas=None
        if game.payoff_formulas is None
        else (lambda index: game.payoff_formulas(int(leaves[index]))),
    )
