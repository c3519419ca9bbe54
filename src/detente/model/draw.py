"""Drawing a game: its tree as a picture (SVG) or as indented text, folded where it is too large to read."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from jaxtyping import Float

from detente.axes import LEAF, Game
from detente.errors import UsageError
from detente.model import fold
from detente.model.draw_layout import (
    BOX_GAP,
    BOX_HEIGHT,
    MARGIN,
    SMALL,
    Layout,
    edge_width,
    lanes_width,
    lay_out,
    place_nodes,
)
from detente.model.draw_parts import (
    Mark,
    draw_boxes,
    draw_ends,
    draw_legend,
    draw_links,
    draw_steps,
    no_mark,
    px,
    style_element,
    text_element,
)
from detente.model.draw_shown import DEFAULT_LEAVES, Shown, Stub, infoset_tags, leaves_below, select
from detente.model.draw_words import (
    coverage_text,
    description,
    notes_below,
    one_line,
    payoff_cells,
    percent,
    player_of,
    stub_text,
    wrap,
)

WHOLE_NODES = 60  # a tree up to this size is drawn whole, and its infosets are joined by curves
FURTHER = 4  # times as many histories are in a picture that unfolds as are shown at first
PICTURES = (".svg", ".png", ".pdf")
TITLE, MIN_WIDTH = 16.0, 560.0  # pixels


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
    shown = select(
        game,
        edge_probability=edge_probability,
        max_leaves=max_leaves,
        min_probability=0.0,
        highlight=None,
        whole_nodes=0,
    )
    tags = infoset_tags(game, shown)
    cells = payoff_cells(game, [n for n in shown.nodes if game.kind[n] == LEAF], None)

    def at(node: int) -> str:
        if game.kind[node] != LEAF:
            tag = f" [{tags[node]}]" if node in tags else ""
            return f"{player_of(game, node)}: {one_line(game.move_at(node))}{tag}"
        parts = [] if shown.reach is None else [percent(float(shown.reach[node]))]
        if node in cells:
            parts.append(", ".join(f"{who}: {text}" for who, (text, _) in zip(game.players, cells[node], strict=True)))
        return " ".join(["■", "  ".join(parts)]).rstrip()

    def below(node: int, indent: str) -> list[tuple[str, str, int, int | None]]:
        """Rows under a node, last first: indent, branch, the node, the child (None for what is folded)."""
        rows: list[int | None] = [*shown.children[node], *([None] if node in shown.stubs else [])]
        branches = ["├─"] * (len(rows) - 1) + ["└─"]
        return [(indent, branch, node, c) for branch, c in zip(branches, rows, strict=True)][::-1] if rows else []

    lines = [one_line(game.title), at(0)]
    stack = below(0, "")
    while stack:
        indent, branch, parent, node = stack.pop()
        if node is None:
            lines.append(f"{indent}{branch} {stub_text(shown.stubs[parent])}")
            continue
        label = one_line(game.options_at(parent)[game.option[node]])
        chance = "" if shown.edge is None else f" {percent(float(shown.edge[node]))}"
        arrow = " " if game.kind[node] == LEAF else " → "
        lines.append(f"{indent}{branch} {label}{chance}{arrow}{at(node)}")
        stack += below(node, indent + ("   " if branch == "└─" else "│  "))
    return "\n".join([*lines, coverage_text(game, shown, 0.0)])


def _with_every_stub(game: Game, shown: Shown, further: Shown) -> Shown:
    """All that a picture can show, with the line of what is folded away at every place that may need one."""
    below = leaves_below(game)

    def all_of(node: int) -> Stub:
        return Stub(int(below[node]), None if further.reach is None else float(further.reach[node]), ())

    stubs = {n: shown.stubs.get(n, all_of(n)) for n in further.nodes if game.kind[n] != LEAF}
    return replace(further, stubs=stubs)


def _as_at_first(game: Game, shown: Shown, whole: Layout) -> Layout:
    """The columns of all that can be shown, and the heights of what is shown at first; the rest waits at height 0."""
    y, stub_y, room = place_nodes(game, shown, {n: whole.column[n] for n in shown.nodes})
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
    place, first, below = {n: i for i, n in enumerate(drawn.nodes)}, set(shown.nodes), leaves_below(game)
    reach = None if drawn.reach is None else drawn.reach
    half = [edge_width(None if reach is None else float(reach[n])) / 2 for n in drawn.nodes]
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
        "lanes": [lanes_width(n) for n in at.lanes],
        "boxHalf": (BOX_HEIGHT + BOX_GAP) / 2,
        "top": round(at.top, 1),
        "bottom": round(at.bottom, 1),
    }


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
    shown = select(
        game,
        edge_probability=edge_probability,
        max_leaves=max_leaves,
        min_probability=min_probability,
        highlight=highlight,
        whole_nodes=WHOLE_NODES,
    )
    textbook = not shown.stubs and game.num_nodes <= WHOLE_NODES
    if unfold:
        further = select(
            game,
            edge_probability=edge_probability,
            max_leaves=FURTHER * max_leaves,
            min_probability=0.0,
            highlight=highlight,
            whole_nodes=WHOLE_NODES,
        )
        drawn = _with_every_stub(game, shown, further)
        tags = infoset_tags(game, drawn)
        at = _as_at_first(game, shown, lay_out(game, drawn, tags, textbook=textbook))
        mark = _marks(shown, drawn)
    else:
        drawn, tags, mark = shown, infoset_tags(game, shown), no_mark
        at = lay_out(game, shown, tags, textbook=textbook)
    cells = payoff_cells(game, [n for n in drawn.nodes if game.kind[n] == LEAF], payoffs)
    ends, right = draw_ends(game, drawn, at, cells, mark)
    width = max(MIN_WIDTH, right + MARGIN)
    links, boxes = draw_links(game, at, mark), draw_boxes(game, drawn, at, tags, mark)
    tree = [*draw_steps(game, drawn, at, mark), *ends, *links, *boxes]

    heading = one_line(game.title if title is None else title)
    head, y = [], MARGIN
    for line in wrap(heading, TITLE, width - 2 * MARGIN, bold=True):
        y += 16
        head.append(text_element(MARGIN, y, line, size=TITLE, look="dt-b"))
        y += 6
    legend, height = draw_legend(game, shown, bool(tags), width)
    head.append(f'<g transform="translate(0,{px(y + 6)})">{"".join(legend)}</g>')
    y += 6 + height + 34
    tree_y = y - at.top
    y += at.bottom - at.top + 12
    foot = []
    for number, note in enumerate(notes_below(game, shown, bool(cells), min_probability)):
        for line in wrap(note, SMALL, min(width, 900) - 2 * MARGIN):
            y += 15
            foot.append(
                text_element(MARGIN, y, line, size=SMALL, look="dt-m", more=mark(fold.COVER, 0) if not number else "")
            )
    if unfold:
        y += 15
        foot.append(
            text_element(MARGIN, y, fold.HINT, size=SMALL, look="dt-m", more=f' {fold.HINTED}="0" display="none"')
        )
    size = f'width="{px(width)}" height="{px(y + MARGIN)}"'
    box = f'viewBox="0 0 {px(width)} {px(y + MARGIN)}"'
    name = f"dt-{zlib.crc32(repr((heading, tree)).encode()):08x}"  # several pictures may share one page
    described = description(game, shown, coverage_text(game, shown, min_probability))
    data = fold.data(_numbers_to_fold(game, shown, drawn, at)) if unfold else ""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="dt-tree" role="img" {size} {box} '
            f'aria-labelledby="{name}-t {name}-d" font-family="system-ui, sans-serif"{data}>',
            f'<title id="{name}-t">{escape(heading)}</title>',
            f'<desc id="{name}-d">{escape(described)}</desc>',
            style_element(theme_css) + (fold.STYLE if unfold else ""),
            f'<rect class="dt-bg" {size}/>',
            *head,
            f'<g transform="translate(0,{px(tree_y)})"{mark(fold.TREE, 0)}>',
            *tree,
            "</g>",
            *([f"<g{mark(fold.FOOT, 0)}>", *foot, "</g>", fold.script()] if unfold else foot),
            "</svg>",
            "",
        ]
    )
