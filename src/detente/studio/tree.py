"""The tree of a forecast as a picture in which every place can be followed to what is known there."""

import re
from dataclasses import replace
from functools import lru_cache
from html import escape

from detente.model.draw import draw_tree
from detente.studio.courses import likeliest, probabilities
from detente.studio.forecast import Forecast, Room

LEAST = 0.001  # courses less likely than this are folded away
_BOX = re.compile(r'<g class="dt-(?:p\d|c)"><title>.*?</g>', re.DOTALL)
_STYLE = re.compile(r"<style>.*?</style>\n?", re.DOTALL)
_NO_PAYOFFS = re.compile(r"<text[^>]*>The payoffs are formulas[^<]*</text>\n?")


def picture(
    room: Room, forecast: Forecast, *, courses: int, title: str, theme_css: bool = True, unfold: bool = False
) -> str:
    """The likeliest courses of events under the policy that is looked at, drawn.

    Args:
        room: The scenario.
        forecast: Of the setting.
        courses: How many courses to draw at most.
        title: What stands above.
        theme_css: Whether the picture brings its own colours.
        unfold: Whether it is to fold and unfold by itself, for a file.

    Returns:
        A self-contained SVG image.
    """
    made, game = forecast.frame.courses, forecast.frame.game
    edges, _ = probabilities(made, game, forecast.leaf)
    named = replace(made.tree, players=tuple(room.stage.role(player) for player in made.tree.players))
    svg = draw_tree(
        named,
        edge_probability=edges,
        max_leaves=courses,
        min_probability=LEAST,
        title=title,
        theme_css=theme_css,
        unfold=unfold,
    )
    # Payoffs were not asked for, so their absence needs no explanation.
    return _NO_PAYOFFS.sub("", svg)


def places(forecast: Forecast, *, courses: int) -> list[int]:
    """The places of the picture at which something is decided, in the order in which it draws them."""
    made = forecast.frame.courses
    _, reach = probabilities(made, forecast.frame.game, forecast.leaf)
    return likeliest(made.tree, reach, courses, LEAST)


def linked(svg: str, addresses: dict[int, str], current: int | None) -> str:
    """The picture for a page: without its style sheet, every place a link.

    Args:
        svg: From :func:`picture`.
        addresses: Place → where its link leads, in the order of :func:`places`.
        current: The place that is looked at.
    """
    waiting = iter(addresses.items())

    def link(match: re.Match[str]) -> str:
        number, address = next(waiting)
        here = ' aria-current="true"' if number == current else ""
        return f'<a href="{escape(address)}" data-node="{number}" class="place"{here}>{match.group()}</a>'

    text = _STYLE.sub("", svg)
    if len(_BOX.findall(text)) != len(addresses):
        raise AssertionError(f"{len(addresses)} places do not fit the {len(_BOX.findall(text))} of the picture")
    # A picture with links in it is a group of them to those who cannot see it.
    return _BOX.sub(link, text).replace('role="img"', 'role="group"', 1)


@lru_cache(maxsize=1)
def style_sheet() -> str:
    """The colours and lines of drawn trees, for a page that may bring no style of its own."""
    from detente.model.compile import compile
    from detente.model.language import crisis, players

    (one,) = players("one")

    @crisis(players=(one,))
    def coin(g, p):
        """A choice that is drawn for its colours alone."""
        return {one: g.choose(one, "call", ["heads", "tails"]) == "heads"}

    found = _STYLE.search(draw_tree(compile(coin)))
    assert found is not None
    return re.sub(r"</?style>", "", found.group())


def page_colours() -> str:
    """The colours of players, policies and charts, light and dark, as a style sheet."""
    from detente.report import colours

    light, dark = (colours.css_variables(dark=dark) for dark in (False, True))
    ours = "--grid:var(--line);--bar:var(--muted)"
    return f":root{{{light};{ours}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
