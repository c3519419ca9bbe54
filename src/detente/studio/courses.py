"""Courses of events: the tree without the private types that are drawn before anybody chooses."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from detente.axes import CHANCE, CHOICE, LEAF, NO_CHANCE, NO_INFOSET, NO_LEAF, NO_PARENT, ChanceMove, Game, Infoset
from detente.solve.problem import levels

NOWHERE = -1  # of a history before the first choice


@dataclass(frozen=True, eq=False)
class Courses:
    """A game's histories with those that differ in types alone made one; for drawing, never for solving.

    Attributes:
        tree: The merged histories as a game of their own.
        place: Node of ``tree`` for each node of the whole game, ``NOWHERE`` before the first choice, (node,).
        source: One node of the whole game for each node of ``tree``, (place,).
        types: Names of the moves that are summed over.
    """

    tree: Game
    place: Int[np.ndarray, "node"]
    source: Int[np.ndarray, "place"]
    types: tuple[str, ...]


def make_courses(game: Game) -> Courses:
    """Merge what differs in types alone; a game in which that cannot be done is taken as it is.

    Cost: about 5 µs a node, once for each game.

    Args:
        game: The whole game.
    """
    return _merged(game) or Courses(
        replace(game, payoff_formulas=None), np.arange(game.num_nodes), np.arange(game.num_nodes), ()
    )


def _merged(game: Game) -> Courses | None:
    temporary = np.full(game.num_nodes, NOWHERE)
    source: list[int] = []
    children: list[dict[str, int]] = []
    types: dict[str, None] = {}

    def alike(node: int, place: int) -> bool:
        other = source[place]
        same_move = game.kind[node] == game.kind[other] and game.move_at(node) == game.move_at(other)
        return same_move and game.options_at(node) == game.options_at(other)

    for node in range(game.num_nodes):
        parent = int(game.parent[node])
        above = NOWHERE if parent == NO_PARENT else int(temporary[parent])
        if above == NOWHERE and game.kind[node] != CHOICE:
            if game.kind[node] == LEAF:
                return None  # a history ends before anybody has chosen
            types[game.move_at(node)] = None
            continue
        label = "" if above == NOWHERE else game.options_at(parent)[game.option[node]]
        found = (0 if source else None) if above == NOWHERE else children[above].get(label)
        if found is None:
            found = len(source)
            source.append(node)
            children.append({})
            if above != NOWHERE:
                children[above][label] = found
        elif not alike(node, found):
            return None
        temporary[node] = found
    return _as_courses(game, temporary, source, children, tuple(types)) if source else None


def _as_courses(
    game: Game, temporary: np.ndarray, source: list[int], children: list[dict[str, int]], types: tuple[str, ...]
) -> Courses:
    order, parents, options, first_child = [0], [NO_PARENT], [0], []
    for position, old in enumerate(order):  # grows while it is read: breadth first
        first_child.append(len(order))
        for index, child in enumerate(children[old].values()):
            order.append(child)
            parents.append(position)
            options.append(index)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    place = np.where(temporary == NOWHERE, NOWHERE, number[np.maximum(temporary, 0)])
    sources = np.array([source[old] for old in order])
    tree = _as_game(game, sources, np.array(parents), np.array(options), np.array(first_child))
    return Courses(tree, place, sources, types)


def _as_game(game: Game, source: np.ndarray, parents: np.ndarray, options: np.ndarray, first_child: np.ndarray) -> Game:
    kind, count = game.kind[source], len(source)
    infoset, chance, leaf = (np.full(count, no) for no in (NO_INFOSET, NO_CHANCE, NO_LEAF))
    infosets, chances = [], []
    for index, node in enumerate(source):
        if kind[index] == CHOICE:
            known = game.infosets[game.infoset[node]]
            infoset[index] = len(infosets)
            infosets.append(Infoset(known.player, known.move, known.options, (("place", str(index)),)))
        elif kind[index] == CHANCE:
            chance[index] = len(chances)
            chances.append(game.chances[game.chance[node]])
    leaf[kind == LEAF] = np.arange(int((kind == LEAF).sum()))
    return replace(
        game,
        infosets=tuple(infosets),
        chances=tuple(ChanceMove(c.move, c.options, ("",) * len(c.options)) for c in chances),
        kind=kind,
        parent=parents,
        option=options,
        first_child=first_child,
        num_options=game.num_options[source],
        infoset=infoset,
        chance=chance,
        leaf=leaf,
        infoset_start=np.concatenate([[0], np.cumsum([len(i.options) for i in infosets])]).astype(int),
        chance_start=np.concatenate([[0], np.cumsum([len(c.options) for c in chances])]).astype(int),
        outcomes={},
        payoff_formulas=None,
    )


def probabilities(
    courses: Courses, game: Game, leaf: Float[np.ndarray, "leaf"]
) -> tuple[Float[np.ndarray, "place"], Float[np.ndarray, "place"]]:
    """How likely each course of events is, and each step of it.

    Args:
        courses: From :func:`make_courses`.
        game: The whole game.
        leaf: Probability of every leaf of it.

    Returns:
        Probability of the edge into each place (the options of a place that cannot be reached count alike), and of
        getting there.
    """
    tree = courses.tree
    reach = np.bincount(courses.place[game.leaf_nodes], weights=leaf, minlength=tree.num_nodes)
    for start, stop in reversed(levels(tree)):
        np.add.at(reach, tree.parent[start:stop], reach[start:stop])
    above = reach[tree.parent[1:]]
    alike = 1.0 / tree.num_options[tree.parent[1:]]
    edges = np.ones(tree.num_nodes)
    edges[1:] = np.clip(np.divide(reach[1:], above, out=alike, where=above > 0), 0.0, 1.0)
    return edges, reach


def likeliest(tree: Game, reach: Float[np.ndarray, "place"], count: int, least: float) -> list[int]:
    """The places that a drawing of the likeliest courses shows, apart from ends, in the order in which it draws them.

    Args:
        tree: The merged game.
        reach: Probability of getting to each place.
        count: Most courses that are drawn.
        least: Courses less likely than this are left out.
    """
    leaves = tree.leaf_nodes
    order = leaves[np.argsort(-reach[leaves], kind="stable")]
    shown: set[int] = {0}
    for leaf in order[reach[order] >= least][:count]:
        node = int(leaf)
        while node not in shown:
            shown.add(node)
            node = int(tree.parent[node])
    return sorted(node for node in shown if tree.kind[node] != LEAF)
