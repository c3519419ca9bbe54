"""The ranges of a forecast as pictures: for each outcome, every policy with its median and 90 % interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LABEL, LINE, FIGURES = 150.0, 170.0, 130.0  # widths of the three columns, in pixels
ROW, HEAD, MARGIN = 22.0, 30.0, 8.0
LONGEST = 24  # characters of a policy's title
LIGHT = "--paper:#fff;--ink:#16191d;--muted:#545c66;--line:#c9d0d7;--accent:#0b5cad"
DARK = "--paper:#14171a;--ink:#eceff2;--muted:#a9b2bc;--line:#3b444d;--accent:#7cbcff"
STYLE = (
    f"<style>svg{{{LIGHT};background:var(--paper)}}@media (prefers-color-scheme:dark){{svg{{{DARK}}}}}"
    ".sr-t{fill:var(--ink)}.sr-m{fill:var(--muted)}.sr-r{stroke:var(--line)}.sr-i{stroke:var(--accent)}"
    ".sr-d{fill:var(--accent);stroke:var(--paper)}</style>"
)


@dataclass(frozen=True)
class Bar:
    """One policy in a picture.

    Attributes:
        title: Of the policy.
        low: Lower end of its interval.
        median: Its median.
        high: Upper end.
        text: The same in words.
    """

    title: str
    low: float
    median: float
    high: float
    text: str


def panel(name: str, title: str, bars: Sequence[Bar]) -> str:
    """One outcome as a picture that takes its colours from the page.

    Args:
        name: Unique in the page.
        title: Of the outcome.
        bars: Of the policies.

    Returns:
        An ``<svg>`` element.

    Example:
        >>> panel("r-war", "War", [Bar("Wait", 0.1, 0.2, 0.4, "20 % (10–40 %)")]).count("<circle")
        1
    """
    width, height = _size(bars)
    said = "; ".join(f"{bar.title} {bar.text}" for bar in bars)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-labelledby="{name}-t {name}-d" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" font-family="system-ui, sans-serif">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(said)}</desc>{_inside(title, bars)}'
        "</svg>"
    )


def sheet(panels: Sequence[tuple[str, Sequence[Bar]]], *, title: str, note: str) -> str:
    """All outcomes as one image that needs nothing else.

    Args:
        panels: (title, bars) of each outcome.
        title: Of the whole.
        note: What the numbers are.

    Returns:
        An SVG image with its own colours, light and dark.
    """
    parts, y = [], 50.0
    for heading, bars in panels:
        parts.append(f'<g transform="translate(0,{y:g})">{_inside(heading, bars)}</g>')
        y += _size(bars)[1]
    width = LABEL + LINE + FIGURES + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {y:g}" width="{width:g}" height="{y:g}" '
        f'font-family="system-ui, sans-serif"><title>{escape(title)}</title>{STYLE}'
        f'<text class="sr-t" x="{MARGIN:g}" y="22" font-size="14" font-weight="600">{escape(title)}</text>'
        f'<text class="sr-m" x="{MARGIN:g}" y="40" font-size="11.5">{escape(note)}</text>'
        f"{''.join(parts)}</svg>\n"
    )


def _size(bars: Sequence[Bar]) -> tuple[float, float]:
    return LABEL + LINE + FIGURES + 2 * MARGIN, HEAD + ROW * len(bars) + MARGIN


def _inside(title: str, bars: Sequence[Bar]) -> str:
    low, high = min([0.0, *(bar.low for bar in bars)]), max(bar.high for bar in bars)
    scale = (LINE - 2 * MARGIN) / ((high - low) or 1.0)

    def at(value: float) -> str:
        return f"{MARGIN + LABEL + MARGIN + (value - low) * scale:.1f}"

    parts = [f'<text class="sr-t" x="{MARGIN:g}" y="18" font-size="12" font-weight="600">{escape(title)}</text>']
    for index, bar in enumerate(bars):
        y = HEAD + ROW * index + ROW / 2
        label = bar.title if len(bar.title) <= LONGEST else bar.title[: LONGEST - 1] + "…"
        parts.append(
            f'<text class="sr-t" x="{MARGIN:g}" y="{y + 4:g}" font-size="11.5">{escape(label)}</text>'
            f'<path class="sr-r" d="M{at(low)} {y:g}H{at(high)}"/>'
            f'<path class="sr-i" stroke-width="4" stroke-linecap="round" d="M{at(bar.low)} {y:g}H{at(bar.high)}"/>'
            f'<circle class="sr-d" stroke-width="1.5" cx="{at(bar.median)}" cy="{y:g}" r="5"/>'
            f'<text class="sr-m" x="{MARGIN + LABEL + LINE + MARGIN:g}" y="{y + 4:g}" font-size="11.5">'
            f"{escape(bar.text)}</text>"
        )
    return "".join(parts)
