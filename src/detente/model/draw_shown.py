"""Which part of a tree is drawn – all of it, its likeliest histories, or all to a depth – and what is folded away."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from detente.axes import CHOICE, LEAF, Game
from detente.errors import UsageError, nearest

DEFAULT_LEAVES = 30
SUM_TOLERANCE = 1e-4  # how far the probabilities of one node's options may be from 1 (single precision passes)


@dataclass(frozen=True)
class Stub:
    """What is folded away at one node: how many complete histories, how likely, and which options."""

    count: int
    share: float | None
    options: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Shown:
    """The part of a tree that is drawn.

    Attributes:
        nodes: The nodes drawn, parents before children.
        children: The children drawn of each node drawn.
        stubs: What is folded away at each node where something is.
        edge: Probability of the step to each node, (node,); None without probabilities.
        reach: Probability of each history, (node,); None without probabilities.
        num_leaves: How many complete histories are drawn.
        depth: Where the tree is cut without probabilities, in moves; None elsewhere.
        path: The nodes of the highlighted history.
    """

    nodes: tuple[int, ...]
    children: Mapping[int, tuple[int, ...]]
    stubs: Mapping[int, Stub]
    edge: Float[np.ndarray, "node"] | None
    reach: Float[np.ndarray, "node"] | None
    num_leaves: int
    depth: int | None
    path: frozenset[int]


def levels_of(game: Game) -> list[slice]:
    """The nodes of each depth; breadth first, so that they are neighbours."""
    levels, start, stop = [], 0, 1
    while start < stop:
        levels.append(slice(start, stop))
        start, stop = (int(i) for i in np.searchsorted(game.parent, [start, stop]))
        start = max(start, levels[-1].stop)
    return levels


def as_numbers(values: Any, name: str, shape: tuple[int, ...], remedy: str) -> np.ndarray:
    """The values as an array of their own, of the shape that this game needs."""
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise UsageError(f"draw: {name} is not an array of numbers: {values!r:.80}. Give {remedy}.") from None
    if array.shape != shape:
        raise UsageError(f"draw: {name} has shape {array.shape}, and the game needs {shape}. Give {remedy}.")
    return array


def _edges(game: Game, edge_probability: Any) -> Float[np.ndarray, "node"]:
    """The probability of the step to each node, checked; 1 at the root."""
    edge = as_numbers(edge_probability, "edge_probability", (game.num_nodes,), "one probability for each node")
    edge[0] = 1.0
    wrong = np.flatnonzero(~((edge >= 0) & (edge <= 1 + SUM_TOLERANCE)))
    if len(wrong):
        raise UsageError(
            f"draw: the probability of the step to [{trail(game, wrong[0])}] is {edge[wrong[0]]}. Give "
            "numbers in [0, 1]; leave draws that did not converge out of the average."
        )
    totals = np.bincount(game.parent[1:], weights=edge[1:], minlength=game.num_nodes)
    off = np.flatnonzero((game.kind != LEAF) & (np.abs(totals - 1) > SUM_TOLERANCE))
    if len(off):
        raise UsageError(
            f"draw: after [{trail(game, off[0])}] the probabilities of {game.move_at(off[0])!r} sum to "
            f"{totals[off[0]]:.6g}, not to 1. Average the probabilities of all options over the same draws."
        )
    return edge


def _reach(game: Game, edge: Float[np.ndarray, "node"]) -> Float[np.ndarray, "node"]:
    """Probability of every history: the product of the probabilities of its steps."""
    reach = edge.copy()
    for level in levels_of(game)[1:]:
        reach[level] *= reach[game.parent[level]]
    return reach


def leaves_below(game: Game) -> Int[np.ndarray, "node"]:
    """How many complete histories go through each node."""
    count = (game.kind == LEAF).astype(np.int64)
    for level in reversed(levels_of(game)[1:]):
        parents = game.parent[level]
        np.add.at(count, parents, count[level])
    return count


def trail(game: Game, node: int) -> str:
    """The history up to a node in words: every move with its option."""
    return ", ".join(f"{move} = {option}" for move, option in game.history(int(node)))


def _path(game: Game, highlight: Sequence[tuple[str, str]] | None) -> list[int]:
    """The nodes along a history given as (move, option) pairs."""
    node, path = 0, []
    for pair in highlight or ():
        try:
            move, option = pair
        except (TypeError, ValueError):
            raise UsageError(f"draw: highlight has {pair!r}. Give pairs (move, option), in order.") from None
        after = f"after [{trail(game, node)}]" if node else "at the start"
        if game.kind[node] == LEAF:
            raise UsageError(f"draw: highlight has {move!r} {after}, where the game is over. Take it out.")
        if game.move_at(node) != move:
            raise UsageError(
                f"draw: highlight has {move!r} {after}, where the move is {game.move_at(node)!r}. Give every "
                "move of the history in order, chance moves too."
            )
        options = game.options_at(node)
        if option not in options:
            raise UsageError(
                f"draw: highlight has {option!r}, which is no option of {move!r} {after}."
                f"{nearest(option, options)} Give one of its options."
            )
        path += [node] if not path else []
        node = int(game.first_child[node]) + options.index(option)
        path.append(node)
    return path


def _with_ancestors(game: Game, nodes: Sequence[int]) -> set[int]:
    found: set[int] = {0}
    for node in nodes:
        while node not in found:
            found.add(node)
            node = int(game.parent[node])
    return found


def _likeliest(game: Game, reach: np.ndarray, max_leaves: int, min_probability: float, path: list[int]) -> set[int]:
    """The likeliest complete histories and all that leads to them; ties by order. A highlighted one stays."""
    leaves = game.leaf_nodes
    order = leaves[np.argsort(-reach[leaves], kind="stable")]
    order = order[reach[order] >= min_probability][:max_leaves]
    kept = [int(leaf) for leaf in order]
    if path and game.kind[path[-1]] == LEAF and path[-1] not in kept:
        kept = [*kept[: max_leaves - 1], path[-1]]
    return _with_ancestors(game, [*kept, *path])


def _down_to_depth(game: Game, max_leaves: int, path: list[int]) -> tuple[set[int], int]:
    """Every history up to the greatest depth that fits, and that depth."""
    levels = levels_of(game)
    num_ended, depth = 0, 0
    for next_depth, level in enumerate(levels[1:], start=1):
        ended = int((game.kind[level] == LEAF).sum())
        if num_ended + (level.stop - level.start) > max_leaves:
            break
        num_ended, depth = num_ended + ended, next_depth
    last = levels[depth].stop if depth else min(levels[1].stop, 1 + max_leaves)
    return _with_ancestors(game, path) | set(range(last)), max(depth, 1)


def select(
    game: Game,
    *,
    edge_probability: Any,
    max_leaves: int,
    min_probability: float,
    highlight: Sequence[tuple[str, str]] | None,
    whole_nodes: int,
) -> Shown:
    """Decide what is drawn and what is folded away."""
    if isinstance(max_leaves, bool) or not isinstance(max_leaves, int | np.integer) or max_leaves < 1:
        raise UsageError(f"draw: max_leaves is {max_leaves!r}. Give a whole number, 1 or more.")
    if not 0 <= min_probability <= 1:
        raise UsageError(f"draw: min_probability is {min_probability!r}. Give a number in [0, 1].")
    if min_probability > 0 and edge_probability is None:
        raise UsageError(
            f"draw: min_probability is {min_probability!r} without probabilities. Give edge_probability too."
        )
    edge = None if edge_probability is None else _edges(game, edge_probability)
    reach = None if edge is None else _reach(game, edge)
    path = _path(game, highlight)
    fits = game.num_leaves <= max_leaves or (game.num_nodes <= whole_nodes and max_leaves >= DEFAULT_LEAVES)
    depth = None
    if fits and min_probability == 0:
        shown = set(range(game.num_nodes))
    elif reach is not None:
        shown = _likeliest(game, reach, max_leaves, min_probability, path)
    else:
        shown, depth = _down_to_depth(game, max_leaves, path)
    children, stubs = {}, {}
    below = leaves_below(game)
    for node in shown:
        first = int(game.first_child[node])
        all_children = range(first, first + int(game.num_options[node]))
        children[node] = tuple(c for c in all_children if c in shown)
        folded = [c for c in all_children if c not in shown]
        if folded:
            labels = game.options_at(node)
            stubs[node] = Stub(
                count=int(below[folded].sum()),
                share=None if reach is None else float(reach[folded].sum()),
                options=tuple(labels[game.option[c]] for c in folded),
            )
    return Shown(
        nodes=tuple(sorted(shown)),
        children=children,
        stubs=stubs,
        edge=edge,
        reach=reach,
        num_leaves=sum(1 for n in shown if game.kind[n] == LEAF),
        depth=depth,
        path=frozenset(path),
    )


def infoset_tags(game: Game, shown: Shown) -> dict[int, int]:
    """A number for each node drawn whose infoset is drawn more than once; nodes of one infoset share it."""
    drawn = [n for n in shown.nodes if game.kind[n] == CHOICE]
    members = Counter(int(game.infoset[n]) for n in drawn)
    number: dict[int, int] = {}
    for node in drawn:
        infoset = int(game.infoset[node])
        if members[infoset] > 1:
            number.setdefault(infoset, len(number) + 1)
    return {n: number[int(game.infoset[n])] for n in drawn if int(game.infoset[n]) in number}
