"""Where everything in a drawn tree stands, so that nothing overlaps."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detente.axes import CHOICE, LEAF, Game
from detente.model.draw_shown import Shown
from detente.model.draw_words import MOVE_CHARS, PLAYER_CHARS, player_of, shorten, step_texts, stub_text, text_width

# Sizes in pixels.
SIZE, SMALL = 12.0, 10.5
BOX_HEIGHT, BOX_GAP, MARGIN = 34.0, 8.0, 18.0
THIN, WIDE = 1.2, 9.0
LANE = 6.0  # between the upright parts of curves that join infosets


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


def edge_width(reach: float | None) -> float:
    """How wide the line of a step is: the likelier that the game gets there, the wider."""
    return 1.5 if reach is None else THIN + (WIDE - THIN) * float(np.sqrt(min(reach, 1.0)))


Extent = dict[int, tuple[float, float]]  # zone → highest and lowest point that something takes up there


def place_nodes(
    game: Game, shown: Shown, column: Mapping[int, int]
) -> tuple[dict[int, float], dict[int, float], Extent]:
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
            half = edge_width(None if shown.reach is None else float(shown.reach[node])) / 2
            label = 2 * column[int(game.parent[node])] + 1
            room |= {zone: (-half - 4, half + 4) for zone in range(label + 1, own)}
            room[label] = (-half - 17.0, half + 4.0)
        extent[node] = room
    y = {0: 0.0}
    for node in shown.nodes[1:]:
        y[node] = y[int(game.parent[node])] + offset[node]
    return y, {n: y[n] + dy for n, dy in stub_offset.items()}, extent[0]


def _box_width(game: Game, node: int, tags: Mapping[int, int]) -> float:
    move = text_width(shorten(game.move_at(node), MOVE_CHARS), SIZE, bold=True)
    who = text_width(shorten(player_of(game, node), PLAYER_CHARS), SMALL)
    return max(move, who + (8 + tag_width(tags[node]) if node in tags else 0)) + 24


def tag_width(tag: int) -> float:
    """How wide the number is that histories of one infoset share."""
    return max(16.0, text_width(str(tag), SMALL, bold=True) + 8)


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


def lay_out(game: Game, shown: Shown, tags: Mapping[int, int], *, textbook: bool) -> Layout:
    """Heights, then the widths of all columns from what stands in them."""
    column = _columns(game, shown, align=textbook)
    y, stub_y, room = place_nodes(game, shown, column)
    last = max([*column.values(), *(column[n] + 1 for n in shown.stubs)])
    label, box, rise = [0.0] * (last + 1), [14.0] * (last + 1), [0.0] * (last + 1)
    for node in shown.nodes:
        if game.kind[node] != LEAF:
            box[column[node]] = max(box[column[node]], _box_width(game, node, tags))
        if node:
            parent = int(game.parent[node])
            option, chance, _ = step_texts(game, shown, node)
            width = text_width(option, SIZE) + (text_width(chance, SIZE, bold=True) + 8 if chance else 0) + 12
            where = column[parent] + 1
            label[where] = max(label[where], width)
            rise[where] = max(rise[where], abs(y[node] - y[parent]))
    for node, stub in shown.stubs.items():
        where = column[node] + 1
        label[where] = max(label[where], text_width(stub_text(stub), SMALL) + 16)
        rise[where] = max(rise[where], abs(stub_y[node] - y[node]))
    links, lanes = _links(game, tags, column, y) if textbook else ([], {})
    x, label_x, box_x = MARGIN, [], []
    for c in range(last + 1):
        if c:
            x += lanes_width(lanes.get(c - 1, 0)) + min(70.0, 30 + 0.08 * rise[c])
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


def lanes_width(lanes: int) -> float:
    """How wide the lanes are in which curves join infosets to the right of a column."""
    return LANE * (lanes + 1) if lanes else 0.0
