"""Drawing a game: its tree as a picture (SVG) or as indented text, folded where it is too large to read."""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from jaxtyping import Float, Int

from detente.axes import CHANCE, CHOICE, LEAF, Game
from detente.errors import UsageError, nearest
from detente.model import fold

WHOLE_NODES = 60  # a tree up to this size is drawn whole, and its infosets are joined by curves
DEFAULT_LEAVES = 30
FURTHER = 4  # times as many histories are in a picture that unfolds as are shown at first
SUM_TOLERANCE = 1e-4  # how far the probabilities of one node's options may be from 1 (single precision passes)

# Sizes in pixels, text lengths in characters.
SIZE, SMALL, TITLE = 12.0, 10.5, 16.0
BOX_HEIGHT, BOX_GAP, MARGIN, MIN_WIDTH = 34.0, 8.0, 18.0, 560.0
THIN, WIDE = 1.2, 9.0
OPTION_CHARS, MOVE_CHARS, PLAYER_CHARS, FORMULA_CHARS = 22, 20, 18, 22
LONGEST_FORMULA, TOOLTIP_CHARS = 60, 240
LANE = 6.0  # between the upright parts of curves that join infosets

LIGHT = ("#0b5cad", "#a64b00", "#00704a", "#7a3e9d", "#006c80", "#b0204c", "#6b6100", "#4a4a4a")
DARK = ("#6cb4ff", "#ffa45c", "#4cd2a0", "#cf9bf0", "#55cfe6", "#ff8fae", "#d6c94a", "#c4c4c4")
BASE_LIGHT = {"paper": "#ffffff", "ink": "#16191d", "muted": "#565e68", "chance": "#565e68"}
BASE_DARK = {"paper": "#14171a", "ink": "#eceff2", "muted": "#a3acb6", "chance": "#b5bdc6"}


# -- what is shown -------------------------------------------------------------------------------------------
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


def _levels(game: Game) -> list[slice]:
    """The nodes of each depth; breadth first, so that they are neighbours."""
    levels, start, stop = [], 0, 1
    while start < stop:
        levels.append(slice(start, stop))
        start, stop = (int(i) for i in np.searchsorted(game.parent, [start, stop]))
        start = max(start, levels[-1].stop)
    return levels


def _numbers(values: Any, name: str, shape: tuple[int, ...], remedy: str) -> np.ndarray:
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
    edge = _numbers(edge_probability, "edge_probability", (game.num_nodes,), "one probability for each node")
    edge[0] = 1.0
    wrong = np.flatnonzero(~((edge >= 0) & (edge <= 1 + SUM_TOLERANCE)))
    if len(wrong):
        raise UsageError(
            f"draw: the probability of the step to [{_trail(game, wrong[0])}] is {edge[wrong[0]]}. Give "
            "numbers in [0, 1]; leave draws that did not converge out of the average."
        )
    totals = np.bincount(game.parent[1:], weights=edge[1:], minlength=game.num_nodes)
    off = np.flatnonzero((game.kind != LEAF) & (np.abs(totals - 1) > SUM_TOLERANCE))
    if len(off):
        raise UsageError(
            f"draw: after [{_trail(game, off[0])}] the probabilities of {game.move_at(off[0])!r} sum to "
            f"{totals[off[0]]:.6g}, not to 1. Average the probabilities of all options over the same draws."
        )
    return edge


def _reach(game: Game, edge: Float[np.ndarray, "node"]) -> Float[np.ndarray, "node"]:
    """Probability of every history: the product of the probabilities of its steps."""
    reach = edge.copy()
    for level in _levels(game)[1:]:
        reach[level] *= reach[game.parent[level]]
    return reach


def _leaves_below(game: Game) -> Int[np.ndarray, "node"]:
    """How many complete histories go through each node."""
    count = (game.kind == LEAF).astype(np.int64)
    for level in reversed(_levels(game)[1:]):
        parents = game.parent[level]
        np.add.at(count, parents, count[level])
    return count


def _trail(game: Game, node: int) -> str:
    return ", ".join(f"{move} = {option}" for move, option in game.history(int(node)))


def _path(game: Game, highlight: Sequence[tuple[str, str]] | None) -> list[int]:
    """The nodes along a history given as (move, option) pairs."""
    node, path = 0, []
    for pair in highlight or ():
        try:
            move, option = pair
        except (TypeError, ValueError):
            raise UsageError(f"draw: highlight has {pair!r}. Give pairs (move, option), in order.") from None
        after = f"after [{_trail(game, node)}]" if node else "at the start"
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
    levels = _levels(game)
    num_ended, depth = 0, 0
    for next_depth, level in enumerate(levels[1:], start=1):
        ended = int((game.kind[level] == LEAF).sum())
        if num_ended + (level.stop - level.start) > max_leaves:
            break
        num_ended, depth = num_ended + ended, next_depth
    last = levels[depth].stop if depth else min(levels[1].stop, 1 + max_leaves)
    return _with_ancestors(game, path) | set(range(last)), max(depth, 1)


def _select(
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
    below = _leaves_below(game)
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


def _tags(game: Game, shown: Shown) -> dict[int, int]:
    """A number for each node drawn whose infoset is drawn more than once; nodes of one infoset share it."""
    drawn = [n for n in shown.nodes if game.kind[n] == CHOICE]
    members = Counter(int(game.infoset[n]) for n in drawn)
    number: dict[int, int] = {}
    for node in drawn:
        infoset = int(game.infoset[node])
        if members[infoset] > 1:
            number.setdefault(infoset, len(number) + 1)
    return {n: number[int(game.infoset[n])] for n in drawn if int(game.infoset[n]) in number}


# -- words ---------------------------------------------------------------------------------------------------
def _percent(share: float) -> str:
    """A probability as people read it; never rounded to certain or impossible.

    Example:
        >>> [_percent(x).replace(chr(160), " ") for x in (0, 0.0004, 0.031, 0.5, 0.9996, 1)]
        ['0 %', '<0.1 %', '3.1 %', '50 %', '>99.9 %', '100 %']
    """
    if share <= 0:
        text = "0"
    elif share >= 1 - 1e-9:
        text = "100"
    elif share < 0.001:
        text = "<0.1"
    elif share > 0.999:
        text = ">99.9"
    else:
        text = f"{100 * share:.1f}" if share < 0.0995 or share > 0.99 else f"{100 * share:.0f}"
    return f"{text}\N{NO-BREAK SPACE}%"


def _number_text(value: float) -> str:
    """A payoff in three digits, with a proper minus sign."""
    text = f"{value:,.0f}" if 99.95 <= abs(value) < 1e7 else f"{value:.3g}"
    return "0" if text == "-0" else text.replace("-", "−")


def _one_line(text: str) -> str:
    """The text on one line, without characters that XML forbids."""
    text = re.sub("[ \t\r\n\f\v]+", " ", text).strip()  # keeps no-break spaces, which str.split does not
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") or c in "\ufffe\uffff" else c for c in text)


def _shorten(text: str, limit: int) -> str:
    text = _one_line(text)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _player_of(game: Game, node: int) -> str:
    return game.players[game.infosets[game.infoset[node]].player] if game.kind[node] == CHOICE else "chance"


def _stub_text(stub: Stub) -> str:
    share = "" if stub.share is None else f", {_percent(stub.share)}"
    return f"… {stub.count:,} more{share}"


def _coverage(game: Game, shown: Shown, min_probability: float) -> str:
    """How many of how many complete histories are drawn, and which share of probability they carry."""
    total, leaves = game.num_leaves, [n for n in shown.nodes if game.kind[n] == LEAF]
    if len(leaves) == total:
        return f"All {total:,} complete histories are shown." if total > 1 else "The game has one history."
    count = f"{len(leaves):,} of {total:,} complete histories are shown"
    if shown.reach is None:
        return (
            f"{count}: the tree is too large to draw whole, and without probabilities it is cut by depth, "
            f"here after {shown.depth} of {len(_levels(game)) - 1} moves."
        )
    which = "the likeliest" + (f", none below {_percent(min_probability)}" if min_probability > 0 else "")
    which += ", and the highlighted one" if any(n in shown.path for n in leaves) else ""
    return f"{count} ({which}); they carry {_percent(float(shown.reach[leaves].sum()))} of the probability."


def _payoff_cells(game: Game, leaves: Sequence[int], payoffs: Any) -> dict[int, tuple[tuple[str, str], ...]]:
    """(text, full text) of each player's payoff at each leaf drawn; empty where nothing is short enough."""
    if payoffs is not None:
        shape = (game.num_leaves, len(game.players))
        values = _numbers(payoffs, "payoffs", shape, "one row for each leaf and one column for each player")
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            leaf, player = wrong[0]
            raise UsageError(
                f"draw: the payoff of {game.players[player]} at [{_trail(game, int(game.leaf_nodes[leaf]))}] "
                f"is {values[leaf, player]}. Give finite numbers."
            )
        return {n: tuple((_number_text(v), "") for v in values[game.leaf[n]]) for n in leaves}
    if game.payoff_formulas is None:
        return {}
    cells = {}
    for node in leaves:
        formulas = [_one_line(f) for f in game.payoff_formulas(int(game.leaf[node]))]
        cells[node] = tuple(
            ("…" if len(f) > LONGEST_FORMULA else _shorten(f.replace("-", "−"), FORMULA_CHARS), f) for f in formulas
        )
    return {} if all(text == "…" for row in cells.values() for text, _ in row) else cells


# -- text in a terminal --------------------------------------------------------------------------------------
def tree_text(game: Game, edge_probability: Any = None, max_leaves: int = 20) -> str:
    """The tree of a game as indented text, folded where it is too large to read.

    Args:
        game: The game.
        edge_probability: Probability of the option that leads to each node, (node,), in [0, 1]; the root's is
            ignored. None: no probabilities, and a large tree is cut by depth.
        max_leaves: How many complete histories to show: the likeliest.

    Returns:
        Lines: what was chosen, how likely it is there, who moves next. A number in brackets is shared by
        histories that the player cannot tell apart; at the end of a history stand its probability and its
        payoffs, if short.

    Raises:
        UsageError: If the probabilities are not those of this game, or ``max_leaves`` is not a whole number
            above 0.

    Example:
        >>> from detente.model.compile import compile
        >>> from detente.model.language import crisis, players
        >>> ROW, COL = players("row", "col")
        >>> @crisis(players=(ROW, COL))
        ... def pennies(g, p):
        ...     "Matching pennies."
        ...     mine = g.choose(ROW, "row shows", ["heads", "tails"])
        ...     yours = g.choose(COL, "col shows", ["heads", "tails"])
        ...     sign = 1 if mine == yours else -1
        ...     return {ROW: sign, COL: -sign}
        >>> print(tree_text(compile(pennies)))
        Matching pennies.
        row: row shows
        ├─ heads → col: col shows [1]
        │  ├─ heads ■ row: 1, col: −1
        │  └─ tails ■ row: −1, col: 1
        └─ tails → col: col shows [1]
           ├─ heads ■ row: −1, col: 1
           └─ tails ■ row: 1, col: −1
        All 4 complete histories are shown.
    """
    shown = _select(
        game,
        edge_probability=edge_probability,
        max_leaves=max_leaves,
        min_probability=0.0,
        highlight=None,
        whole_nodes=0,
    )
    tags = _tags(game, shown)
    cells = _payoff_cells(game, [n for n in shown.nodes if game.kind[n] == LEAF], None)

    def at(node: int) -> str:
        if game.kind[node] != LEAF:
            tag = f" [{tags[node]}]" if node in tags else ""
            return f"{_player_of(game, node)}: {_one_line(game.move_at(node))}{tag}"
        parts = [] if shown.reach is None else [_percent(float(shown.reach[node]))]
        if node in cells:
            parts.append(", ".join(f"{who}: {text}" for who, (text, _) in zip(game.players, cells[node], strict=True)))
        return " ".join(["■", "  ".join(parts)]).rstrip()

    def below(node: int, indent: str) -> list[tuple[str, str, int, int | None]]:
        """Rows under a node, last first: indent, branch, the node, the child (None for what is folded)."""
        rows: list[int | None] = [*shown.children[node], *([None] if node in shown.stubs else [])]
        branches = ["├─"] * (len(rows) - 1) + ["└─"]
        return [(indent, branch, node, c) for branch, c in zip(branches, rows, strict=True)][::-1] if rows else []

    lines = [_one_line(game.title), at(0)]
    stack = below(0, "")
    while stack:
        indent, branch, parent, node = stack.pop()
        if node is None:
            lines.append(f"{indent}{branch} {_stub_text(shown.stubs[parent])}")
            continue
        label = _one_line(game.options_at(parent)[game.option[node]])
        chance = "" if shown.edge is None else f" {_percent(float(shown.edge[node]))}"
        arrow = " " if game.kind[node] == LEAF else " → "
        lines.append(f"{indent}{branch} {label}{chance}{arrow}{at(node)}")
        stack += below(node, indent + ("   " if branch == "└─" else "│  "))
    return "\n".join([*lines, _coverage(game, shown, 0.0)])


# -- places --------------------------------------------------------------------------------------------------
def _em(char: str) -> float:
    if unicodedata.east_asian_width(char) in "WF":
        return 1.05
    return 0.76 if char.isupper() or char in "mwMW@%…—→" else 0.62


def _width(text: str, size: float, bold: bool = False) -> float:
    """Upper estimate of the width of a text in a wide sans-serif font, in pixels."""
    return size * (1.1 if bold else 1.0) * sum(map(_em, text))


def _wrap(text: str, size: float, width: float, bold: bool = False) -> list[str]:
    """The text in lines no wider than asked; words that are wider are cut."""
    longest = max(1, int(width / _width("M", size, bold)))
    lines = [""]
    for word in _one_line(text).split(" "):
        for piece in (word[i : i + longest] for i in range(0, len(word), longest)):
            longer = f"{lines[-1]} {piece}".strip()
            if lines[-1] and _width(longer, size, bold) > width:
                lines.append(piece)
            else:
                lines[-1] = longer
    return lines


def _columns(game: Game, shown: Shown, align: bool) -> dict[int, int]:
    """The column of each node drawn: its depth, or further right so that an infoset stands in one column."""
    depth: dict[int, int] = {0: 0}
    for node in shown.nodes[1:]:
        depth[node] = depth[int(game.parent[node])] + 1
    if not align:
        return depth
    column = dict(depth)
    # Two infosets may each come before the other; columns then grow without end, and depth has to do.
    for _ in range(len(shown.nodes)):
        rightmost: dict[int, int] = {}
        for node, where in column.items():
            infoset = int(game.infoset[node])
            rightmost[infoset] = max(where, rightmost.get(infoset, 0))
        moved = {0: 0}
        for node in shown.nodes[1:]:
            after = moved[int(game.parent[node])] + 1
            moved[node] = max(after, rightmost[int(game.infoset[node])]) if game.kind[node] == CHOICE else after
        if moved == column:
            return column
        column = moved
    return depth


def _edge_width(reach: float | None) -> float:
    return 1.5 if reach is None else THIN + (WIDE - THIN) * float(np.sqrt(min(reach, 1.0)))


Extent = dict[int, tuple[float, float]]  # zone → highest and lowest point that something takes up there


def _place(game: Game, shown: Shown, column: Mapping[int, int]) -> tuple[dict[int, float], dict[int, float], Extent]:
    """Heights of the nodes and stubs, so that nothing overlaps.

    The picture has upright zones from left to right: box of column 0, labels of column 1, box of column 1,
    …, payoffs. Each subtree keeps, for every zone, the room it takes; siblings are pushed together until they
    touch.

    Returns:
        Height of each node, height of each stub (by its parent), and the room that the whole tree takes.
    """
    last = 2 * max([*column.values(), 1 + max((column[n] for n in shown.stubs), default=0)])
    offset: dict[int, float] = {}
    stub_offset: dict[int, float] = {}
    extent: dict[int, Extent] = {}
    for node in reversed(shown.nodes):
        below: Extent = {}
        tops: list[tuple[int | None, float]] = []
        for child in [*shown.children[node], *([None] if node in shown.stubs else [])]:
            room = {2 * column[node] + 1: (-9.0, 9.0)} if child is None else extent.pop(child)
            shift = max((below[z][1] - room[z][0] for z in room if z in below), default=0.0)
            for zone, (top, bottom) in room.items():
                above = below.get(zone, (top + shift, bottom + shift))
                below[zone] = (min(above[0], top + shift), max(above[1], bottom + shift))
            tops.append((child, shift))
        anchors = [y for child, y in tops if child is not None] or [y for _, y in tops] or [0.0]
        middle = (anchors[0] + anchors[-1]) / 2
        for child, y in tops:
            if child is None:
                stub_offset[node] = y - middle
            else:
                offset[child] = y - middle
        room = {zone: (top - middle, bottom - middle) for zone, (top, bottom) in below.items()}
        own = 2 * column[node]
        if game.kind[node] == LEAF:
            room |= {zone: (-4.0, 4.0) for zone in range(own, last + 1)} | {last + 1: (-9.0, 9.0)}
        else:
            room[own] = (-(BOX_HEIGHT + BOX_GAP) / 2, (BOX_HEIGHT + BOX_GAP) / 2)
        if node:
            half = _edge_width(None if shown.reach is None else float(shown.reach[node])) / 2
            label = 2 * column[int(game.parent[node])] + 1
            room |= {zone: (-half - 4, half + 4) for zone in range(label + 1, own)}
            room[label] = (-half - 17.0, half + 4.0)
        extent[node] = room
    y = {0: 0.0}
    for node in shown.nodes[1:]:
        y[node] = y[int(game.parent[node])] + offset[node]
    return y, {n: y[n] + dy for n, dy in stub_offset.items()}, extent[0]


# -- the picture ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Layout:
    """Where everything stands, in pixels; heights are relative to the root.

    Attributes:
        column: Column of each node drawn.
        y: Height of each node drawn.
        stub_y: Height of the stub of each node that has one.
        top: Highest point of the tree.
        bottom: Lowest point of the tree.
        label_x: Where the labels of the steps into each column begin; column 0 has none.
        box_x: Where the boxes of each column begin.
        box_width: How wide they are.
        tail_x: Where the probabilities and payoffs at the end of histories begin.
        links: The pairs of nodes that a curve joins because they are of one infoset, with its lane: -1 is
            straight down, 0 and more are to the right of the boxes.
        lanes: How many lanes there are to the right of each column.
    """

    column: Mapping[int, int]
    y: Mapping[int, float]
    stub_y: Mapping[int, float]
    top: float
    bottom: float
    label_x: tuple[float, ...]
    box_x: tuple[float, ...]
    box_width: tuple[float, ...]
    tail_x: float
    links: tuple[tuple[int, int, int], ...]
    lanes: tuple[int, ...]

    def box(self, node: int) -> tuple[float, float]:
        """Left and right end of a node's box."""
        column = self.column[node]
        return self.box_x[column], self.box_x[column] + self.box_width[column]


def _step_texts(game: Game, shown: Shown, node: int) -> tuple[str, str, str]:
    """What stands on the step to a node: the option, its probability, and the option in full if shortened."""
    full = _one_line(game.options_at(int(game.parent[node]))[game.option[node]])
    text = _shorten(full, OPTION_CHARS)
    return text, "" if shown.edge is None else _percent(float(shown.edge[node])), "" if text == full else full


def _box_width(game: Game, node: int, tags: Mapping[int, int]) -> float:
    move = _width(_shorten(game.move_at(node), MOVE_CHARS), SIZE, bold=True)
    who = _width(_shorten(_player_of(game, node), PLAYER_CHARS), SMALL)
    return max(move, who + (8 + _tag_width(tags[node]) if node in tags else 0)) + 24


def _tag_width(tag: int) -> float:
    return max(16.0, _width(str(tag), SMALL, bold=True) + 8)


def _links(
    game: Game, tags: Mapping[int, int], column: Mapping[int, int], y: Mapping[int, float]
) -> tuple[list[tuple[int, int, int]], dict[int, int]]:
    """Which nodes are joined by curves, in which lane; and how many lanes each column needs."""
    by_tag: dict[int, list[int]] = {}
    for node in sorted(tags, key=lambda n: y[n]):
        by_tag.setdefault(tags[node], []).append(node)
    stacked: dict[int, list[float]] = {}
    for node, where in column.items():
        if game.kind[node] != LEAF:
            stacked.setdefault(where, []).append(y[node])
    links: list[tuple[int, int, int]] = []
    free: dict[int, list[float]] = {}  # for each column, how far down each lane is taken
    pairs = [pair for members in by_tag.values() for pair in zip(members, members[1:], strict=False)]
    for upper, lower in sorted(pairs, key=lambda pair: y[pair[0]]):
        where = column[upper]
        if where != column[lower]:
            continue
        lane = -1
        if any(y[upper] < other < y[lower] for other in stacked[where]):
            taken = free.setdefault(where, [])
            lane = next((i for i, until in enumerate(taken) if until < y[upper]), len(taken))
            taken[lane : lane + 1] = [y[lower]]
        links.append((upper, lower, lane))
    return links, {where: len(taken) for where, taken in free.items()}


def _layout(game: Game, shown: Shown, tags: Mapping[int, int], *, textbook: bool) -> Layout:
    """Heights, then the widths of all columns from what stands in them."""
    column = _columns(game, shown, align=textbook)
    y, stub_y, room = _place(game, shown, column)
    last = max([*column.values(), *(column[n] + 1 for n in shown.stubs)])
    label, box, rise = [0.0] * (last + 1), [14.0] * (last + 1), [0.0] * (last + 1)
    for node in shown.nodes:
        if game.kind[node] != LEAF:
            box[column[node]] = max(box[column[node]], _box_width(game, node, tags))
        if node:
            parent = int(game.parent[node])
            option, chance, _ = _step_texts(game, shown, node)
            width = _width(option, SIZE) + (_width(chance, SIZE, bold=True) + 8 if chance else 0) + 12
            where = column[parent] + 1
            label[where] = max(label[where], width)
            rise[where] = max(rise[where], abs(y[node] - y[parent]))
    for node, stub in shown.stubs.items():
        where = column[node] + 1
        label[where] = max(label[where], _width(_stub_text(stub), SMALL) + 16)
        rise[where] = max(rise[where], abs(stub_y[node] - y[node]))
    links, lanes = _links(game, tags, column, y) if textbook else ([], {})
    x, label_x, box_x = MARGIN, [], []
    for c in range(last + 1):
        if c:
            x += _lanes_width(lanes.get(c - 1, 0)) + min(70.0, 30 + 0.08 * rise[c])
        label_x.append(x)
        x += label[c]
        box_x.append(x)
        x += box[c]
    return Layout(
        column=column,
        y=y,
        stub_y=stub_y,
        top=min(t for t, _ in room.values()),
        bottom=max(b for _, b in room.values()),
        label_x=tuple(label_x),
        box_x=tuple(box_x),
        box_width=tuple(box),
        tail_x=x + 18,
        links=tuple(links),
        lanes=tuple(lanes.get(c, 0) for c in range(last + 1)),
    )


def _lanes_width(lanes: int) -> float:
    return LANE * (lanes + 1) if lanes else 0.0


def _n(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _text(
    x: float,
    y: float,
    content: str,
    *,
    size: float = SIZE,
    look: str = "",
    end: bool = False,
    full: str = "",
    more: str = "",
) -> str:
    """One text element; ``content`` is plain text, ``more`` are attributes."""
    look = f' class="{look}"' if look else ""
    anchor = ' text-anchor="end"' if end else ""
    hover = f"<title>{escape(_shorten(full, TOOLTIP_CHARS))}</title>" if full else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}"{look}{anchor}{more}>{hover}{escape(content)}</text>'


def _who(game: Game, node: int) -> str:
    """The style class that gives a node the colour of who moves there."""
    return f"dt-p{game.infosets[game.infoset[node]].player % len(LIGHT)}" if game.kind[node] == CHOICE else "dt-c"


def _curve(x0: float, y0: float, x1: float, y1: float, end: float, lanes: int) -> str:
    """A step: straight across the lanes, an S-shaped curve, then straight to the end."""
    if abs(y0 - y1) < 0.05:
        return f"M{_n(x0)} {_n(y1)}H{_n(end)}"
    bend = x0 + _lanes_width(lanes)
    mid = (bend + x1) / 2
    return f"M{_n(x0)} {_n(y0)}H{_n(bend)}C{_n(mid)} {_n(y0)} {_n(mid)} {_n(y1)} {_n(x1)} {_n(y1)}H{_n(end)}"


Mark = Callable[[str, int], str]  # kind of part, node → attributes by which a script finds it


def _no_mark(part: str, node: int) -> str:
    return ""


def _draw_steps(game: Game, shown: Shown, at: Layout, mark: Mark = _no_mark) -> list[str]:
    """The lines of the tree, the highlighted ones last, and what is written on them."""
    lines, marked, words = [], [], []
    for node in shown.nodes[1:]:
        parent = int(game.parent[node])
        y0, y = at.y[parent], at.y[node]
        x0, x1 = at.box(parent)[1], at.label_x[at.column[parent] + 1]
        reach = None if shown.reach is None else float(shown.reach[node])
        on_path = node in shown.path
        width = _edge_width(reach) + (1.5 if on_path else 0)
        path = _curve(x0, y0, x1, y, at.box_x[at.column[node]] + 2, at.lanes[at.column[parent]])
        look = "dt-e dt-h" if on_path else f"dt-e {_who(game, parent)}"
        (marked if on_path else lines).append(
            f'<path class="{look}" stroke-width="{_n(width)}" d="{path}"{mark(fold.STEP, node)}/>'
        )
        option, chance, full = _step_texts(game, shown, node)
        hover = f"<title>{escape(_shorten(full, TOOLTIP_CHARS))}</title>" if full else ""
        strong = f' <tspan class="dt-b">{escape(chance)}</tspan>' if chance else ""
        bold = ' class="dt-b"' if on_path else ""
        words.append(
            f'<text x="{_n(x1 + 3)}" y="{_n(y - width / 2 - 3.5)}" font-size="{_n(SIZE)}"{bold}{mark(fold.AT, node)}>'
            f"{hover}{escape(option)}{strong}</text>"
        )
    for node, stub in shown.stubs.items():
        x0, x1, y = at.box(node)[1], at.label_x[at.column[node] + 1], at.stub_y[node]
        curve = _curve(x0, at.y[node], x1, y, x1 + 5, 0)
        lines.append(f'<path class="dt-e dt-s" d="{curve}"{mark(fold.REST_LINE, node)}/>')
        words.append(
            _text(
                x1 + 9,
                y + 3.5,
                _stub_text(stub),
                size=SMALL,
                look="dt-m",
                full="Folded: " + ", ".join(stub.options) if stub.options else "",
                more=mark(fold.REST, node),
            )
        )
    return [*lines, *marked, *words]


def _draw_boxes(game: Game, shown: Shown, at: Layout, tags: Mapping[int, int], mark: Mark = _no_mark) -> list[str]:
    """Who moves, and at which move."""
    members = np.bincount(game.infoset[game.infoset >= 0], minlength=len(game.infosets))
    parts = []
    for node in shown.nodes:
        if game.kind[node] == LEAF:
            continue
        (left, right), y, half = at.box(node), at.y[node], BOX_HEIGHT / 2
        thick = ' stroke-width="3"' if node in shown.path else ""
        full = f"{_player_of(game, node)}: {game.move_at(node)}" + (f", after {_trail(game, node)}" if node else "")
        if game.kind[node] == CHOICE and (others := int(members[game.infoset[node]]) - 1):
            histories = "history" if others == 1 else "histories"
            full = f"The player cannot tell this from {others:,} other {histories}. {full}"
        if game.kind[node] == CHANCE:
            shape = _hexagon(left, right, y, half, 8, thick)
        else:
            shape = (
                f'<rect class="dt-x"{thick} x="{_n(left)}" y="{_n(y - half)}" width="{_n(right - left)}" '
                f'height="{_n(BOX_HEIGHT)}" rx="5"/>'
            )
        move = _text(left + 12, y - 3, _shorten(game.move_at(node), MOVE_CHARS), look="dt-b")
        who = _text(left + 12, y + 11, _shorten(_player_of(game, node), PLAYER_CHARS), size=SMALL, look="dt-w")
        tag = _draw_tag(right - 5 - _tag_width(tags[node]), y + 0.5, tags[node]) if node in tags else ""
        look = f'class="{_who(game, node)}"{mark(fold.BOX, node)}'
        parts.append(f"<g {look}><title>{escape(_shorten(full, TOOLTIP_CHARS))}</title>")
        parts.append(f"{shape}{move}{who}{tag}</g>")
    return parts


def _hexagon(left: float, right: float, y: float, half: float, slant: float, more: str = "") -> str:
    """The shape of a chance move."""
    xs = (left, left + slant, right - slant, right, right - slant, left + slant)
    ys = (y, y - half, y - half, y, y + half, y + half)
    points = " ".join(f"{_n(a)},{_n(b)}" for a, b in zip(xs, ys, strict=True))
    return f'<polygon class="dt-x"{more} points="{points}"/>'


def _draw_tag(x: float, y: float, tag: int) -> str:
    width = _tag_width(tag)
    inside = x + (width - SMALL * 0.62 * 1.1 * len(str(tag))) / 2
    return (
        f'<rect class="dt-f" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="13.5" rx="6.7"/>'
        f"{_text(inside, y + 10.5, str(tag), size=SMALL, look='dt-b dt-t')}"
    )


def _draw_links(game: Game, at: Layout, mark: Mark = _no_mark) -> list[str]:
    """A dashed curve between neighbouring members of each infoset that stand in one column."""
    parts = []
    for upper, lower, lane in at.links:
        (left, right), y0, y1 = at.box(upper), at.y[upper], at.y[lower]
        if lane < 0:
            path = f"M{_n((left + right) / 2)} {_n(y0 + BOX_HEIGHT / 2)}V{_n(y1 - BOX_HEIGHT / 2)}"
        else:
            x, top, bottom = right + LANE * (lane + 1), y0 + 10, y1 - 10
            path = (
                f"M{_n(right)} {_n(top)}H{_n(x - 4)}Q{_n(x)} {_n(top)} {_n(x)} {_n(top + 4)}"
                f"V{_n(bottom - 4)}Q{_n(x)} {_n(bottom)} {_n(x - 4)} {_n(bottom)}H{_n(right)}"
            )
        parts.append(f'<path class="dt-i {_who(game, upper)}" d="{path}"{mark(fold.LINK, upper)}/>')
    return parts


def _draw_ends(
    game: Game,
    shown: Shown,
    at: Layout,
    cells: Mapping[int, tuple[tuple[str, str], ...]],
    mark: Mark = _no_mark,
) -> tuple[list[str], float]:
    """The end of each history with its probability and payoffs, in columns; and where these end."""
    leaves = [n for n in shown.nodes if game.kind[n] == LEAF]
    table: list[tuple[str, str, dict[int, tuple[str, str]]]] = []  # (heading, style class, cell of each leaf)
    if shown.reach is not None and leaves:
        table.append(("chance", "dt-c", {n: (_percent(float(shown.reach[n])), "") for n in leaves}))
    for i, player in enumerate(game.players if cells else ()):
        table.append((_shorten(player, PLAYER_CHARS), f"dt-p{i % len(LIGHT)}", {n: cells[n][i] for n in leaves}))
    parts, x = [], at.tail_x
    for n in leaves:
        left, y = at.box_x[at.column[n]] + 5, at.y[n]
        if table:
            parts.append(f'<path class="dt-l" d="M{_n(left + 6)} {_n(y)}H{_n(at.tail_x - 4)}"{mark(fold.AT, n)}/>')
        look = "dt-k" if n in shown.path else _who(game, int(game.parent[n])) if n else "dt-c"
        parts.append(f'<circle class="dt-f {look}" cx="{_n(left)}" cy="{_n(y)}" r="4"{mark(fold.AT, n)}/>')
    for heading, look, column in table:
        texts = [(text, SIZE) for text, _ in column.values()]
        x += max(_width(t, size, bold=True) for t, size in [(heading, SMALL), *texts])
        word = _text(x, at.top - 8, heading, size=SMALL, look="dt-w dt-b", end=True)
        parts.append(f'<g class="{look}"{mark(fold.HEAD, 0)}>{word}</g>')
        for n, (text, full) in column.items():
            look = "dt-b" if n in shown.path else ""
            hover = "" if full == text else full
            parts.append(_text(x, at.y[n] + 4, text, look=look, end=True, full=hover, more=mark(fold.AT, n)))
        x += 18
    return parts, x - 18 if table else at.box_x[-1] + at.box_width[-1]


def _draw_legend(game: Game, shown: Shown, tagged: bool, width: float) -> tuple[list[str], float]:
    """Who has which colour and shape, from height 0 down; and its height."""
    items = [(f"dt-p{i % len(LIGHT)}", "player", _shorten(p, PLAYER_CHARS)) for i, p in enumerate(game.players)]
    if any(game.kind[n] == CHANCE for n in shown.nodes):
        items.append(("dt-c", "chance", "chance"))
    if tagged:
        items.append(("dt-c", "tag", "same number: the player cannot tell these histories apart"))
    parts, x, y = [], MARGIN, 0.0
    for look, shape, text in items:
        room = 22 + _width(text, SIZE) + 18
        if x > MARGIN and x + room > width - MARGIN:
            x, y = MARGIN, y + 20
        if shape == "player":
            glyph = f'<rect class="dt-x" x="{_n(x)}" y="{_n(y + 2)}" width="16" height="11" rx="3"/>'
        elif shape == "chance":
            glyph = _hexagon(x, x + 16, y + 7.5, 5.5, 4)
        else:
            glyph = _draw_tag(x, y + 1, 1)
        parts.append(f'<g class="{look}">{glyph}{_text(x + 22, y + 12, text, look="dt-w")}</g>')
        x += room
    return parts, y + 16


def _style(theme_css: bool) -> str:
    """Looks by class; with the theme also the colours, light and dark, and black on white in print."""

    def variables(base: Mapping[str, str], palette: Sequence[str]) -> str:
        named = {**base, **{f"p{i}": colour for i, colour in enumerate(palette)}}
        return ".dt-tree{" + ";".join(f"--dt-{name}:{colour}" for name, colour in named.items()) + "}"

    def colour(name: str) -> str:
        light = {**BASE_LIGHT, **{f"p{i}": c for i, c in enumerate(LIGHT)}}
        return f"var(--dt-{name},{light[name]})"

    rules = [
        f".dt-tree{{background:{colour('paper')}}}",
        f".dt-tree .dt-bg{{fill:{colour('paper')}}}",
        f".dt-tree text{{fill:{colour('ink')}}}",
        ".dt-tree text.dt-w{fill:currentColor}",
        f".dt-tree text.dt-m{{fill:{colour('muted')}}}",
        f".dt-tree text.dt-t{{fill:{colour('paper')}}}",
        ".dt-tree .dt-b{font-weight:600}",
        ".dt-tree .dt-e{fill:none;stroke:currentColor;stroke-opacity:.5}",
        f".dt-tree .dt-s{{stroke:{colour('muted')};stroke-dasharray:2 3;stroke-width:1}}",
        f".dt-tree .dt-h{{stroke:{colour('ink')};stroke-opacity:1}}",
        f".dt-tree .dt-x{{fill:{colour('paper')};stroke:currentColor;stroke-width:1.5}}",
        ".dt-tree .dt-x[stroke-width]{stroke-width:3}",
        ".dt-tree .dt-f{fill:currentColor}",
        ".dt-tree .dt-i{fill:none;stroke:currentColor;stroke-width:1.3;stroke-dasharray:4 3}",
        f".dt-tree .dt-l{{stroke:{colour('muted')};stroke-dasharray:1 4;stroke-opacity:.7}}",
        f".dt-tree .dt-k{{color:{colour('ink')}}}",
        f".dt-tree .dt-c{{color:{colour('chance')}}}",
        *(f".dt-tree .dt-p{i}{{color:{colour(f'p{i}')}}}" for i in range(len(LIGHT))),
    ]
    if theme_css:
        on_paper = variables({**BASE_LIGHT, "ink": "#000", "muted": "#000", "chance": "#000"}, LIGHT)
        rules = [
            variables(BASE_LIGHT, LIGHT),
            f"@media (prefers-color-scheme:dark){{{variables(BASE_DARK, DARK)}}}",
            f"@media print{{{on_paper}}}",
            *rules,
            "@media print{.dt-tree text:not(.dt-t){fill:#000}}",
        ]
    return "<style>" + "\n".join(rules) + "</style>"


def _notes(game: Game, shown: Shown, has_payoffs: bool, min_probability: float) -> list[str]:
    """What stands under the picture."""
    notes = [_coverage(game, shown, min_probability)]
    if shown.stubs:
        notes.append("“… more” counts the complete histories that are folded away there.")
    if shown.reach is not None:
        notes.append(
            "On a line: the probability of that option at that point. Under “chance”: the probability of the "
            "whole history. The wider a line, the likelier that the game gets there."
        )
    if has_payoffs:
        notes.append("On the right: the payoff of each player.")
    elif shown.num_leaves:
        notes.append("The payoffs are formulas too long to print here.")
    return notes


def _description(game: Game, shown: Shown, coverage: str) -> str:
    """What a person who cannot see the picture should know."""
    text = f"Game tree with the players {', '.join(game.players)}. {coverage}"
    leaves = [n for n in shown.nodes if game.kind[n] == LEAF]
    if shown.reach is not None and leaves:
        best = max(leaves, key=lambda n: float(shown.reach[n]))  # type: ignore[index]
        text += f" Likeliest history, {_percent(float(shown.reach[best]))}: {_trail(game, best)}."
    return _one_line(text)


# -- what a picture needs that unfolds -------------------------------------------------------------------------
def _with_every_stub(game: Game, shown: Shown, further: Shown) -> Shown:
    """All that a picture can show, with the line of what is folded away at every place that may need one."""
    below = _leaves_below(game)

    def all_of(node: int) -> Stub:
        return Stub(int(below[node]), None if further.reach is None else float(further.reach[node]), ())

    stubs = {n: shown.stubs.get(n, all_of(n)) for n in further.nodes if game.kind[n] != LEAF}
    return replace(further, stubs=stubs)


def _as_at_first(game: Game, shown: Shown, whole: Layout) -> Layout:
    """The columns of all that can be shown, and the heights of what is shown at first; the rest waits at height 0."""
    y, stub_y, room = _place(game, shown, {n: whole.column[n] for n in shown.nodes})
    return replace(
        whole,
        y=dict.fromkeys(whole.y, 0.0) | y,
        stub_y=dict.fromkeys(whole.stub_y, 0.0) | stub_y,
        top=min(top for top, _ in room.values()),
        bottom=max(bottom for _, bottom in room.values()),
    )


def _marks(shown: Shown, drawn: Shown) -> Mark:
    """Attributes by which the script finds each part; what is not shown at first is hidden."""
    place, first = {n: i for i, n in enumerate(drawn.nodes)}, set(shown.nodes)

    def mark(part: str, node: int) -> str:
        there = node in shown.stubs if part in (fold.REST, fold.REST_LINE) else node in first
        return f' {part}="{place[node]}"' + ("" if there else ' display="none"')

    return mark


def _numbers_to_fold(game: Game, shown: Shown, drawn: Shown, at: Layout) -> dict[str, Any]:
    """What the script needs to place everything anew, as :mod:`detente.model.fold` describes."""
    place, first, below = {n: i for i, n in enumerate(drawn.nodes)}, set(shown.nodes), _leaves_below(game)
    reach = None if drawn.reach is None else drawn.reach
    half = [_edge_width(None if reach is None else float(reach[n])) / 2 for n in drawn.nodes]
    return {
        "parent": [place[int(game.parent[n])] if n else -1 for n in drawn.nodes],
        "leaf": [int(game.kind[n] == LEAF) for n in drawn.nodes],
        "column": [at.column[n] for n in drawn.nodes],
        "first": [int(n in first) for n in drawn.nodes],
        "below": [int(below[n]) for n in drawn.nodes],
        "reach": None if reach is None else [float(f"{reach[n]:.6g}") for n in drawn.nodes],
        "half": [round(h, 2) for h in half],
        "y": [round(at.y[n], 1) for n in drawn.nodes],
        "stubY": [round(at.stub_y.get(n, 0.0), 1) for n in drawn.nodes],
        "label": [round(x, 1) for x in at.label_x],
        "box": [round(x, 1) for x in at.box_x],
        "right": [round(x + w, 1) for x, w in zip(at.box_x, at.box_width, strict=True)],
        "lanes": [_lanes_width(n) for n in at.lanes],
        "boxHalf": (BOX_HEIGHT + BOX_GAP) / 2,
        "top": round(at.top, 1),
        "bottom": round(at.bottom, 1),
    }


PICTURES = (".svg", ".png", ".pdf")


def convert_picture(svg: str, suffix: str) -> bytes:
    """A drawn tree as the content of a file of another kind, dark on white.

    Args:
        svg: What :func:`draw_tree` gives with ``theme_css=False``.
        suffix: ``.svg``, ``.png`` (twice the size in pixels) or ``.pdf``.

    Raises:
        UsageError: If the suffix is another.

    Example:
        >>> convert_picture('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>', ".png")[1:4]
        b'PNG'
    """
    if suffix not in PICTURES:
        raise UsageError(f"{suffix or 'a name without an ending'}: not a kind of picture. Use one of {PICTURES}.")
    if suffix == ".svg":
        return svg.encode("utf-8")
    import vl_convert

    plain = re.sub(r"var\(--dt-\w+,(#\w+)\)", r"\1", svg)  # the converter knows no variables
    return vl_convert.svg_to_png(plain, scale=2.0) if suffix == ".png" else vl_convert.svg_to_pdf(plain)


def draw_tree(
    game: Game,
    *,
    edge_probability: Float[np.ndarray, "node"] | None = None,
    max_leaves: int = DEFAULT_LEAVES,
    min_probability: float = 0.0,
    highlight: Sequence[tuple[str, str]] | None = None,
    title: str | None = None,
    payoffs: Float[np.ndarray, "leaf player"] | None = None,
    theme_css: bool = True,
    unfold: bool = False,
) -> str:
    """Draw a game as a tree, from left to right, in the order in which things happen.

    A tree of up to 60 nodes is drawn whole. A larger one shows its likeliest histories, and a line "… 412
    more, 3.1 %" for what is folded away at each point; without probabilities it is cut by depth. A caption
    says how much is shown.

    Args:
        game: The game.
        edge_probability: Probability of the option that leads to each node given that play is at its parent,
            (node,), in [0, 1], averaged over draws; the root's is ignored. None: lines without widths.
        max_leaves: How many complete histories to draw at most. Below 30, small trees are folded too.
        min_probability: Fold away complete histories less likely than this, in [0, 1].
        highlight: (move, option) pairs from the start of the game on, chance moves too: the history to
            emphasise. It is drawn even where it is unlikely.
        title: What stands above the picture. None: the game's title.
        payoffs: Number to show for each player at each leaf, (leaf, player), in the players' own units. None:
            the formulas, where they are short.
        theme_css: Whether the picture brings its own colours (light, dark, and black on white in print). If
            not, it is dark on white unless the page sets the variables ``--dt-paper``, ``--dt-ink``,
            ``--dt-muted``, ``--dt-chance`` and ``--dt-p0`` to ``--dt-p7``.
        unfold: Whether a reader can fold and unfold the tree, with the pointer or the keyboard: a small script goes
            with the picture, and four times as many histories. Where scripts do not run it looks the same.

    Returns:
        A self-contained SVG image, as text.

    Raises:
        UsageError: If an array does not belong to this game, a probability is not one, or the highlighted
            history does not exist; the message names the place.

    Example:
        >>> from detente.model.compile import compile
        >>> from detente.model.language import crisis, players
        >>> ROW, = players("row")
        >>> @crisis(players=(ROW,))
        ... def coin(g, p):
        ...     "Call a coin."
        ...     side = g.chance("coin", {"heads": 0.5, "tails": 0.5})
        ...     return {ROW: g.choose(ROW, "call", ["heads", "tails"]) == side}
        >>> picture = draw_tree(compile(coin), highlight=[("coin", "heads"), ("call", "heads")])
        >>> picture.count("<circle"), picture[:4]
        (4, '<svg')
    """
    shown = _select(
        game,
        edge_probability=edge_probability,
        max_leaves=max_leaves,
        min_probability=min_probability,
        highlight=highlight,
        whole_nodes=WHOLE_NODES,
    )
    textbook = not shown.stubs and game.num_nodes <= WHOLE_NODES
    if unfold:
        further = _select(
            game,
            edge_probability=edge_probability,
            max_leaves=FURTHER * max_leaves,
            min_probability=0.0,
            highlight=highlight,
            whole_nodes=WHOLE_NODES,
        )
        drawn = _with_every_stub(game, shown, further)
        tags = _tags(game, drawn)
        at = _as_at_first(game, shown, _layout(game, drawn, tags, textbook=textbook))
        mark = _marks(shown, drawn)
    else:
        drawn, tags, mark = shown, _tags(game, shown), _no_mark
        at = _layout(game, shown, tags, textbook=textbook)
    cells = _payoff_cells(game, [n for n in drawn.nodes if game.kind[n] == LEAF], payoffs)
    ends, right = _draw_ends(game, drawn, at, cells, mark)
    width = max(MIN_WIDTH, right + MARGIN)
    links, boxes = _draw_links(game, at, mark), _draw_boxes(game, drawn, at, tags, mark)
    tree = [*_draw_steps(game, drawn, at, mark), *ends, *links, *boxes]

    heading = _one_line(game.title if title is None else title)
    head, y = [], MARGIN
    for line in _wrap(heading, TITLE, width - 2 * MARGIN, bold=True):
        y += 16
        head.append(_text(MARGIN, y, line, size=TITLE, look="dt-b"))
        y += 6
    legend, height = _draw_legend(game, shown, bool(tags), width)
    head.append(f'<g transform="translate(0,{_n(y + 6)})">{"".join(legend)}</g>')
    y += 6 + height + 34
    tree_y = y - at.top
    y += at.bottom - at.top + 12
    foot = []
    for number, note in enumerate(_notes(game, shown, bool(cells), min_probability)):
        for line in _wrap(note, SMALL, min(width, 900) - 2 * MARGIN):
            y += 15
            foot.append(_text(MARGIN, y, line, size=SMALL, look="dt-m", more=mark(fold.COVER, 0) if not number else ""))
    if unfold:
        y += 15
        foot.append(_text(MARGIN, y, fold.HINT, size=SMALL, look="dt-m", more=f' {fold.HINTED}="0" display="none"'))
    size = f'width="{_n(width)}" height="{_n(y + MARGIN)}"'
    box = f'viewBox="0 0 {_n(width)} {_n(y + MARGIN)}"'
    name = f"dt-{zlib.crc32(repr((heading, tree)).encode()):08x}"  # several pictures may share one page
    described = _description(game, shown, _coverage(game, shown, min_probability))
    data = fold.data(_numbers_to_fold(game, shown, drawn, at)) if unfold else ""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="dt-tree" role="img" {size} {box} '
            f'aria-labelledby="{name}-t {name}-d" font-family="system-ui, sans-serif"{data}>',
            f'<title id="{name}-t">{escape(heading)}</title>',
            f'<desc id="{name}-d">{escape(described)}</desc>',
            _style(theme_css) + (fold.STYLE if unfold else ""),
            f'<rect class="dt-bg" {size}/>',
            *head,
            f'<g transform="translate(0,{_n(tree_y)})"{mark(fold.TREE, 0)}>',
            *tree,
            "</g>",
            *([f"<g{mark(fold.FOOT, 0)}>", *foot, "</g>", fold.script()] if unfold else foot),
            "</svg>",
            "",
        ]
    )
