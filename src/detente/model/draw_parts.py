"""The parts of the picture of a tree as elements of SVG: steps, boxes, ends of histories, legend, and their looks."""

from collections.abc import Callable, Mapping, Sequence
from xml.sax.saxutils import escape

import numpy as np

from detente.axes import CHANCE, CHOICE, LEAF, Game
from detente.model import fold
from detente.model.draw_layout import (
    BOX_HEIGHT,
    LANE,
    MARGIN,
    SIZE,
    SMALL,
    Layout,
    edge_width,
    lanes_width,
    tag_width,
)
from detente.model.draw_shown import Shown, trail
from detente.model.draw_words import (
    MOVE_CHARS,
    PLAYER_CHARS,
    TOOLTIP_CHARS,
    percent,
    player_of,
    shorten,
    step_texts,
    stub_text,
    text_width,
)

LIGHT = ("#0b5cad", "#a64b00", "#00704a", "#7a3e9d", "#006c80", "#b0204c", "#6b6100", "#4a4a4a")
DARK = ("#6cb4ff", "#ffa45c", "#4cd2a0", "#cf9bf0", "#55cfe6", "#ff8fae", "#d6c94a", "#c4c4c4")
BASE_LIGHT = {"paper": "#ffffff", "ink": "#16191d", "muted": "#565e68", "chance": "#565e68"}
BASE_DARK = {"paper": "#14171a", "ink": "#eceff2", "muted": "#a3acb6", "chance": "#b5bdc6"}

Mark = Callable[[str, int], str]  # kind of part, node → attributes by which a script finds it


def no_mark(part: str, node: int) -> str:
    """No attributes: the picture has no script that must find its parts."""
    return ""


def px(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def text_element(
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
    hover = f"<title>{escape(shorten(full, TOOLTIP_CHARS))}</title>" if full else ""
    return f'<text x="{px(x)}" y="{px(y)}" font-size="{px(size)}"{look}{anchor}{more}>{hover}{escape(content)}</text>'


def _who(game: Game, node: int) -> str:
    """The style class that gives a node the colour of who moves there."""
    return f"dt-p{game.infosets[game.infoset[node]].player % len(LIGHT)}" if game.kind[node] == CHOICE else "dt-c"


def _curve(x0: float, y0: float, x1: float, y1: float, end: float, lanes: int) -> str:
    """A step: straight across the lanes, an S-shaped curve, then straight to the end."""
    if abs(y0 - y1) < 0.05:
        return f"M{px(x0)} {px(y1)}H{px(end)}"
    bend = x0 + lanes_width(lanes)
    mid = (bend + x1) / 2
    return f"M{px(x0)} {px(y0)}H{px(bend)}C{px(mid)} {px(y0)} {px(mid)} {px(y1)} {px(x1)} {px(y1)}H{px(end)}"


def draw_steps(game: Game, shown: Shown, at: Layout, mark: Mark = no_mark) -> list[str]:
    """The lines of the tree, the highlighted ones last, and what is written on them."""
    lines, marked, words = [], [], []
    for node in shown.nodes[1:]:
        parent = int(game.parent[node])
        y0, y = at.y[parent], at.y[node]
        x0, x1 = at.box(parent)[1], at.label_x[at.column[parent] + 1]
        reach = None if shown.reach is None else float(shown.reach[node])
        on_path = node in shown.path
        width = edge_width(reach) + (1.5 if on_path else 0)
        path = _curve(x0, y0, x1, y, at.box_x[at.column[node]] + 2, at.lanes[at.column[parent]])
        look = "dt-e dt-h" if on_path else f"dt-e {_who(game, parent)}"
        (marked if on_path else lines).append(
            f'<path class="{look}" stroke-width="{px(width)}" d="{path}"{mark(fold.STEP, node)}/>'
        )
        option, chance, full = step_texts(game, shown, node)
        hover = f"<title>{escape(shorten(full, TOOLTIP_CHARS))}</title>" if full else ""
        strong = f' <tspan class="dt-b">{escape(chance)}</tspan>' if chance else ""
        bold = ' class="dt-b"' if on_path else ""
        words.append(
            f'<text x="{px(x1 + 3)}" y="{px(y - width / 2 - 3.5)}" font-size="{px(SIZE)}"{bold}{mark(fold.AT, node)}>'
            f"{hover}{escape(option)}{strong}</text>"
        )
    for node, stub in shown.stubs.items():
        x0, x1, y = at.box(node)[1], at.label_x[at.column[node] + 1], at.stub_y[node]
        curve = _curve(x0, at.y[node], x1, y, x1 + 5, 0)
        lines.append(f'<path class="dt-e dt-s" d="{curve}"{mark(fold.REST_LINE, node)}/>')
        words.append(
            text_element(
                x1 + 9,
                y + 3.5,
                stub_text(stub),
                size=SMALL,
                look="dt-m",
                full="Folded: " + ", ".join(stub.options) if stub.options else "",
                more=mark(fold.REST, node),
            )
        )
    return [*lines, *marked, *words]


def draw_boxes(game: Game, shown: Shown, at: Layout, tags: Mapping[int, int], mark: Mark = no_mark) -> list[str]:
    """Who moves, and at which move."""
    members = np.bincount(game.infoset[game.infoset >= 0], minlength=len(game.infosets))
    parts = []
    for node in shown.nodes:
        if game.kind[node] == LEAF:
            continue
        (left, right), y, half = at.box(node), at.y[node], BOX_HEIGHT / 2
        thick = ' stroke-width="3"' if node in shown.path else ""
        full = f"{player_of(game, node)}: {game.move_at(node)}" + (f", after {trail(game, node)}" if node else "")
        if game.kind[node] == CHOICE and (others := int(members[game.infoset[node]]) - 1):
            histories = "history" if others == 1 else "histories"
            full = f"The player cannot tell this from {others:,} other {histories}. {full}"
        if game.kind[node] == CHANCE:
            shape = _hexagon(left, right, y, half, 8, thick)
        else:
            shape = (
                f'<rect class="dt-x"{thick} x="{px(left)}" y="{px(y - half)}" width="{px(right - left)}" '
                f'height="{px(BOX_HEIGHT)}" rx="5"/>'
            )
        move = text_element(left + 12, y - 3, shorten(game.move_at(node), MOVE_CHARS), look="dt-b")
        who = text_element(left + 12, y + 11, shorten(player_of(game, node), PLAYER_CHARS), size=SMALL, look="dt-w")
        tag = _draw_tag(right - 5 - tag_width(tags[node]), y + 0.5, tags[node]) if node in tags else ""
        look = f'class="{_who(game, node)}"{mark(fold.BOX, node)}'
        parts.append(f"<g {look}><title>{escape(shorten(full, TOOLTIP_CHARS))}</title>")
        parts.append(f"{shape}{move}{who}{tag}</g>")
    return parts


def _hexagon(left: float, right: float, y: float, half: float, slant: float, more: str = "") -> str:
    """The shape of a chance move."""
    xs = (left, left + slant, right - slant, right, right - slant, left + slant)
    ys = (y, y - half, y - half, y, y + half, y + half)
    points = " ".join(f"{px(a)},{px(b)}" for a, b in zip(xs, ys, strict=True))
    return f'<polygon class="dt-x"{more} points="{points}"/>'


def _draw_tag(x: float, y: float, tag: int) -> str:
    width = tag_width(tag)
    inside = x + (width - SMALL * 0.62 * 1.1 * len(str(tag))) / 2
    return (
        f'<rect class="dt-f" x="{px(x)}" y="{px(y)}" width="{px(width)}" height="13.5" rx="6.7"/>'
        f"{text_element(inside, y + 10.5, str(tag), size=SMALL, look='dt-b dt-t')}"
    )


def draw_links(game: Game, at: Layout, mark: Mark = no_mark) -> list[str]:
    """A dashed curve between neighbouring members of each infoset that stand in one column."""
    parts = []
    for upper, lower, lane in at.links:
        (left, right), y0, y1 = at.box(upper), at.y[upper], at.y[lower]
        if lane < 0:
            path = f"M{px((left + right) / 2)} {px(y0 + BOX_HEIGHT / 2)}V{px(y1 - BOX_HEIGHT / 2)}"
        else:
            x, top, bottom = right + LANE * (lane + 1), y0 + 10, y1 - 10
            path = (
                f"M{px(right)} {px(top)}H{px(x - 4)}Q{px(x)} {px(top)} {px(x)} {px(top + 4)}"
                f"V{px(bottom - 4)}Q{px(x)} {px(bottom)} {px(x - 4)} {px(bottom)}H{px(right)}"
            )
        parts.append(f'<path class="dt-i {_who(game, upper)}" d="{path}"{mark(fold.LINK, upper)}/>')
    return parts


def draw_ends(
    game: Game,
    shown: Shown,
    at: Layout,
    cells: Mapping[int, tuple[tuple[str, str], ...]],
    mark: Mark = no_mark,
) -> tuple[list[str], float]:
    """The end of each history with its probability and payoffs, in columns; and where these end."""
    leaves = [n for n in shown.nodes if game.kind[n] == LEAF]
    table: list[tuple[str, str, dict[int, tuple[str, str]]]] = []  # (heading, style class, cell of each leaf)
    if shown.reach is not None and leaves:
        table.append(("chance", "dt-c", {n: (percent(float(shown.reach[n])), "") for n in leaves}))
    for i, player in enumerate(game.players if cells else ()):
        table.append((shorten(player, PLAYER_CHARS), f"dt-p{i % len(LIGHT)}", {n: cells[n][i] for n in leaves}))
    parts, x = [], at.tail_x
    for n in leaves:
        left, y = at.box_x[at.column[n]] + 5, at.y[n]
        if table:
            parts.append(f'<path class="dt-l" d="M{px(left + 6)} {px(y)}H{px(at.tail_x - 4)}"{mark(fold.AT, n)}/>')
        look = "dt-k" if n in shown.path else _who(game, int(game.parent[n])) if n else "dt-c"
        parts.append(f'<circle class="dt-f {look}" cx="{px(left)}" cy="{px(y)}" r="4"{mark(fold.AT, n)}/>')
    for heading, look, column in table:
        texts = [(text, SIZE) for text, _ in column.values()]
        x += max(text_width(t, size, bold=True) for t, size in [(heading, SMALL), *texts])
        word = text_element(x, at.top - 8, heading, size=SMALL, look="dt-w dt-b", end=True)
        parts.append(f'<g class="{look}"{mark(fold.HEAD, 0)}>{word}</g>')
        for n, (text, full) in column.items():
            look = "dt-b" if n in shown.path else ""
            hover = "" if full == text else full
            parts.append(text_element(x, at.y[n] + 4, text, look=look, end=True, full=hover, more=mark(fold.AT, n)))
        x += 18
    return parts, x - 18 if table else at.box_x[-1] + at.box_width[-1]


def draw_legend(game: Game, shown: Shown, tagged: bool, width: float) -> tuple[list[str], float]:
    """Who has which colour and shape, from height 0 down; and its height."""
    items = [(f"dt-p{i % len(LIGHT)}", "player", shorten(p, PLAYER_CHARS)) for i, p in enumerate(game.players)]
    if any(game.kind[n] == CHANCE for n in shown.nodes):
        items.append(("dt-c", "chance", "chance"))
    if tagged:
        items.append(("dt-c", "tag", "same number: the player cannot tell these histories apart"))
    parts, x, y = [], MARGIN, 0.0
    for look, shape, text in items:
        room = 22 + text_width(text, SIZE) + 18
        if x > MARGIN and x + room > width - MARGIN:
            x, y = MARGIN, y + 20
        if shape == "player":
            glyph = f'<rect class="dt-x" x="{px(x)}" y="{px(y + 2)}" width="16" height="11" rx="3"/>'
        elif shape == "chance":
            glyph = _hexagon(x, x + 16, y + 7.5, 5.5, 4)
        else:
            glyph = _draw_tag(x, y + 1, 1)
        parts.append(f'<g class="{look}">{glyph}{text_element(x + 22, y + 12, text, look="dt-w")}</g>')
        x += room
    return parts, y + 16


def style_element(theme_css: bool) -> str:
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
