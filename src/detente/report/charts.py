"""The charts of a brief: Altair specifications, and static pictures of them that follow the page's colours.

Colours are CSS variables with a fallback, so that one picture serves light, dark and paper; the page sets them.
The same variable stands for the same policy (``--c0`` …) or player (``--dt-p0`` …, as in the drawn tree) everywhere.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any
from xml.sax.saxutils import escape

import altair as alt

from detente.record import Event
from detente.report.brief import Brief
from detente.report.colours import PLAYER_LIGHT, POLICY_LIGHT, STEP_LIGHT, STEP_TEXT_LIGHT
from detente.report.terminal import policy_title

INK, MUTED, GRID, BAR = "var(--ink,#16191d)", "var(--muted,#565e68)", "var(--grid,#dde2e7)", "var(--bar,#7b8794)"

WIDTH, ROW = 250, 22  # pixels of a small chart, made for half a page or a telephone
LABEL_ROOM = 104
TIMELINE_WIDTH, TIMELINE_HEIGHT = 860, 200
LEAST_LABELLED = 0.085  # share that is wide enough to carry its number
MOST_INFLUENCES = 10
PRIVATE = ("private", "private-then-reported", "background", "covert")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
OTHERS = "others"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


# -- colours ------------------------------------------------------------------------------------------------
def policy_colour(brief: Brief, policy: str) -> str:
    """The colour of a policy, the same in every chart."""
    index = brief.ensemble.policies.index(policy) % len(POLICY_LIGHT)
    return f"var(--c{index},{POLICY_LIGHT[index]})"


def player_colour(index: int) -> str:
    """The colour of a player, the same in every chart and in the drawn tree."""
    index %= len(PLAYER_LIGHT)
    return f"var(--dt-p{index},{PLAYER_LIGHT[index]})"


def steps(count: int) -> list[int]:
    """Which steps of the faint-to-strong scale stand for this many options.

    Args:
        count: How many options there are.

    Example:
        >>> steps(4)
        [0, 2, 3, 5]
    """
    last = len(STEP_LIGHT) - 1
    return [round(i * last / max(count - 1, 1)) for i in range(count)]


# -- charts -------------------------------------------------------------------------------------------------
def options_chart(brief: Brief, outcome: str) -> Any:
    """How an outcome differs between policies: median, 90 % interval and worst world of each.

    Args:
        brief: The brief.
        outcome: Name of an outcome in the table.

    Returns:
        An ``altair.LayerChart``.
    """
    share = brief.ensemble.game.outcomes[outcome].kind == "flag"
    titles = _titles(brief)
    rows = [
        {"policy": titles[p], "median": c.median, "low": c.low, "high": c.high, "worst": c.worst}
        for p, c in ((p, brief.table[p][outcome]) for p in brief.ensemble.policies)
    ]
    colour = alt.Color(
        "policy:N",
        scale=alt.Scale(domain=list(titles.values()), range=[policy_colour(brief, p) for p in brief.ensemble.policies]),
        legend=None,
    )
    axis = alt.Axis(format="%" if share else "~g", tickCount=4)
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=_rows_axis("policy", list(titles.values())),
    )
    chart = alt.layer(
        base.mark_bar(height=7, opacity=0.55).encode(
            x=alt.X("low:Q", axis=axis, title=None), x2="high:Q", color=colour
        ),
        base.mark_tick(thickness=2, height=13).encode(x="worst:Q", color=colour),
        base.mark_circle(size=62, opacity=1).encode(x="median:Q", color=alt.value(INK)),
    )
    return _finished(chart, WIDTH, ROW * len(rows))


def choices_chart(brief: Brief, outcome: str, *, legend: bool = True) -> Any:
    """How likely each option is under each policy, averaged over worlds: bars that add up to one.

    Args:
        brief: The brief.
        outcome: Name of an outcome that is a label.
        legend: Whether the chart says which shade is which option; not needed where the page does.

    Returns:
        An ``altair.LayerChart``.
    """
    titles, labels = _titles(brief), brief.ensemble.labels[outcome]
    colours = [(f"var(--q{i},{STEP_LIGHT[i]})", f"var(--qt{i},{STEP_TEXT_LIGHT[i]})") for i in steps(len(labels))]
    rows = []
    for policy in brief.ensemble.policies:
        start = 0.0
        for step, label in enumerate(labels):
            share = brief.choices[outcome][policy][label].mean
            rows.append(
                {
                    "policy": titles[policy],
                    "option": label,
                    "start": start,
                    "end": start + share,
                    "middle": start + share / 2,
                    "text": f"{100 * share:.0f}" if share >= LEAST_LABELLED else "",
                    "upon": colours[step][1],
                }
            )
            start += share
    base = alt.Chart(alt.Data(values=rows)).encode(y=_rows_axis("policy", list(titles.values())))
    bars = base.mark_bar(height=ROW - 5, stroke="var(--paper,#ffffff)", strokeWidth=1).encode(
        x=alt.X(
            "start:Q",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", tickCount=5, grid=False),
            title=None,
        ),
        x2="end:Q",
        color=alt.Color(
            "option:N",
            scale=alt.Scale(domain=list(labels), range=[fill for fill, _ in colours]),
            legend=alt.Legend(orient="bottom", columns=2, title=None, symbolType="square") if legend else None,
        ),
    )
    text = base.mark_text(fontSize=10).encode(x="middle:Q", text="text:N", color=alt.Color("upon:N", scale=None))
    return _finished(alt.layer(bars, text).resolve_scale(color="independent"), WIDTH, ROW * len(titles))


def influences_chart(brief: Brief, outcome: str) -> Any:
    """Which parameters move an outcome most, and in which direction: rank coefficients with 90 % intervals.

    Args:
        brief: The brief.
        outcome: Name of a headline outcome.

    Returns:
        An ``altair.LayerChart``.
    """
    items = brief.influences[outcome].items[:MOST_INFLUENCES]
    rows = [
        {
            "parameter": brief.scenario.parameter_title(i.parameter),
            "value": i.coefficient,
            "low": i.low,
            "high": i.high,
            "zero": 0,
        }
        for i in items
    ]
    reach = max([0.1, *(max(abs(i.low), abs(i.high)) for i in items)])
    base = alt.Chart(alt.Data(values=rows)).encode(y=_rows_axis("parameter", [r["parameter"] for r in rows]))
    chart = alt.layer(
        base.mark_bar(height=10, color=BAR).encode(
            x=alt.X(
                "zero:Q",
                scale=alt.Scale(domain=[-reach, reach], nice=True),
                axis=alt.Axis(format="+.1~f", tickCount=5),
                title="falls with it  ←   rank coefficient   →  rises with it",
            ),
            x2="value:Q",
        ),
        base.mark_rule(color=INK, strokeWidth=1.5).encode(x="low:Q", x2="high:Q"),
        base.mark_circle(size=36, color=INK, opacity=1).encode(x="value:Q"),
    )
    return _finished(chart, WIDTH, (ROW - 3) * len(rows))


def timeline_chart(brief: Brief) -> Any:
    """What was done, in order, by whom, how severe it was, and whether in public or not.

    Only what had been reported by the as-of date is shown. Public acts stand above the line, private and covert ones
    below; the numbers are those of the table of events. A hollow mark is an act that nobody has owned to.

    Args:
        brief: The brief.

    Returns:
        An ``altair.LayerChart``.
    """
    who = [brief.scenario.file.who.get(role, role) for role in brief.ensemble.game.players]
    return events_chart(events(brief), who)


def events_chart(shown: Sequence[Event], who: Sequence[str]) -> Any:
    """What was done, in order, by whom, how severe it was, and whether in public or not.

    Public acts stand above the line, private and covert ones below. A hollow mark is an act that nobody has owned to.

    Args:
        shown: The events in their order; they are numbered from 1.
        who: The players, each with its own colour and mark; all others share one.

    Returns:
        An ``altair.LayerChart``.
    """
    colours = {name: player_colour(i) for i, name in enumerate(who)} | {OTHERS: MUTED}
    rows = []
    for index, event in enumerate(shown, start=1):
        actor = actor_of(event, who)
        side = -1 if event.channel in PRIVATE else 1
        rows.append(
            {
                "key": f"{index:03}",
                "day": day_text(event.happened.start),
                "actor": actor,
                "number": str(index),
                "height": side * (event.severity + 0.6),
                "label": side * (event.severity + 1.9),
                "zero": 0,
                "fill": "var(--paper,#ffffff)" if event.attribution == "unacknowledged" else colours[actor],
            }
        )
    top = max([3.0, *(abs(r["label"]) for r in rows)]) + 0.5
    present = [name for name in colours if any(r["actor"] == name for r in rows)]
    days = "{" + ",".join(f"'{r['key']}':'{r['day']}'" for r in rows) + "}"
    marks = [side * (s + 0.6) for s in range(3, int(top), 3) for side in (1, -1)]
    legend = alt.Legend(orient="top", title=None, labelLimit=300, symbolFillColor="transparent", columnPadding=16)
    scale = alt.Scale(domain=present, range=[colours[n] for n in present])
    shapes = [SHAPES[list(colours).index(n) % len(SHAPES)] for n in present]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "key:O",
            axis=alt.Axis(labelExpr=f"({days})[datum.label]", labelAngle=-60, title=None, ticks=False),
        )
    )
    height = alt.Y(
        "height:Q",
        scale=alt.Scale(domain=[-top, top], nice=False),
        axis=alt.Axis(
            values=marks,
            labelOverlap=False,
            labelExpr="format(abs(datum.value) - 0.6, '.0f')",
            title=["severity 0–9", "private ↓ · public ↑"],
        ),
    )
    line = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=INK).encode(y="zero:Q")
    chart = alt.layer(
        line,
        base.mark_rule(strokeWidth=1.5).encode(
            y=height, y2="zero:Q", color=alt.Color("actor:N", scale=scale, legend=legend)
        ),
        base.mark_point(size=75, strokeWidth=2, opacity=1, filled=False).encode(
            y="height:Q",
            stroke=alt.Stroke("actor:N", scale=scale, legend=legend),
            fill=alt.Fill("fill:N", scale=None),
            shape=alt.Shape("actor:N", scale=alt.Scale(domain=present, range=shapes), legend=legend),
        ),
        base.mark_text(fontSize=10, color=INK).encode(y="label:Q", text="number:N"),
    )
    return _finished(chart, TIMELINE_WIDTH, TIMELINE_HEIGHT)


def day_text(day: date) -> str:
    """A day without its year, the same wherever the page is made.

    Args:
        day: The day.

    Example:
        >>> day_text(date(2024, 10, 1))
        '1 Oct'
    """
    return f"{day.day} {MONTHS[day.month - 1]}"


# -- events -------------------------------------------------------------------------------------------------
def events(brief: Brief) -> list[Event]:
    """What had been reported by the as-of date, in the order in which it happened."""
    known = brief.scenario.ledger.events.values()
    return sorted(known, key=lambda event: (event.happened.start, event.happened.end, event.id))


def actor_of(event: Event, names: Sequence[str]) -> str:
    """Which of the players acted: the one named first, or ``others``.

    Args:
        event: An event of the record.
        names: Who the players are.
    """
    first = re.split(r"[,(]", event.actor)[0].strip()
    return first if first in names else OTHERS


# -- pictures -----------------------------------------------------------------------------------------------
def to_svg(chart: Any, *, name: str, title: str, description: str) -> str:
    """A chart as a static picture to put into a page: no script, nothing fetched, read aloud by its description.

    Args:
        chart: An Altair chart.
        name: Start of the ids in the picture, unique in the page.
        title: What it shows, in a few words.
        description: What it says, for those who cannot see it.

    Returns:
        An ``<svg>`` element.
    """
    import vl_convert

    picture = vl_convert.vegalite_to_svg(chart.to_dict(), allowed_base_urls=[])
    opening = re.match(r"<svg[^>]*>", picture)
    size = re.search(r'viewBox="([\d. -]+)"', picture)
    assert opening is not None and size is not None
    inside = re.sub(r"<[^>]*>", lambda tag: _plain_tag(tag.group(), name), picture[opening.end() :])
    width, height = size.group(1).split()[2:]
    return (
        f'<svg class="chart" role="img" aria-labelledby="{name}-t {name}-d" viewBox="{size.group(1)}" '
        f'width="{width}" height="{height}"><title id="{name}-t">{escape(title)}</title>'
        f'<desc id="{name}-d">{escape(description)}</desc>{inside}'
    )


def _plain_tag(tag: str, name: str) -> str:
    """A tag of a picture without roles, its ids unique in the page, its numbers no longer than can be seen."""
    tag = re.sub(r' (?:aria-[a-z]+|role)="[^"]*"', "", tag)
    tag = re.sub(r' id="|url\(#|href="#', lambda match: f"{match.group()}{name}-", tag)
    return re.sub(r"-?\d+\.\d{3,}", lambda match: f"{float(match.group()):.2f}", tag)


def _titles(brief: Brief) -> dict[str, str]:
    """Policy → its title, made unique where two share one."""
    titles = {p: policy_title(brief, p) for p in brief.ensemble.policies}
    return {p: t if list(titles.values()).count(t) == 1 else f"{t} ({p})" for p, t in titles.items()}


def _rows_axis(column: str, names: Sequence[str]) -> Any:
    axis = alt.Axis(title=None, ticks=False, domain=False, labelLimit=LABEL_ROOM, minExtent=LABEL_ROOM, grid=False)
    return alt.Y(f"{column}:N", sort=list(names), axis=axis)


def _finished(chart: Any, width: float, height: float) -> Any:
    """Size, and colours that follow the page."""
    return (
        chart.properties(
            width=width, height=height, background="transparent", padding={"left": 2, "right": 8, "top": 4, "bottom": 8}
        )
        .configure(font="system-ui, sans-serif", aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK,
            titleColor=MUTED,
            gridColor=GRID,
            domainColor=MUTED,
            tickColor=MUTED,
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
        )
        .configure_legend(labelColor=INK, labelFontSize=11, symbolOpacity=1)
    )
