"""Pages of the explorer as text: sliders, forecast, options, tree, one place in it, and settings side by side."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from detente.decide.options import Cell
from detente.errors import UsageError
from detente.model.builtin import FILE
from detente.model.priors import Fixed, median_draw
from detente.model.scenario import Scenario
from detente.record import why
from detente.report.brief import cited_by
from detente.report.terminal import BETTER_MARKS, number_text, prior_text, readable
from detente.report.words import percent, percent_range, word
from detente.studio.chart import Bar, panel
from detente.studio.forecast import Forecast, Room
from detente.studio.nodes import Place, look_at
from detente.studio.ranges import WORLDS, Ranges
from detente.studio.setting import COURSES, MOST_PINS, PREFIX, Setting, View, number, read_view, slider_range
from detente.studio.shell import Address, render
from detente.studio.tree import linked, picture, places

_HEADING = re.compile(r"#\s*--\s*(.+?)\s*-*\s*$")
_PARAMETER = re.compile(r"\s*\[\s*parameters\s*\.\s*[\"']?([\w-]+)[\"']?\s*\]")
EVIDENCE, JUDGEMENT = "what rests on evidence", "what rests on judgement"
BROKEN = "A file of this scenario cannot be read any more: this is the last version that could"
MOST_CLAIMS = 3  # of a parameter, beside a place in the tree; the record page has them all


# -- the explorer ------------------------------------------------------------------------------------------
def explore_page(
    room: Room, pairs: list[tuple[str, str]], at: Address, *, ranges: Ranges | None = None, notice: str = ""
) -> str:
    """The page of a scenario: its sliders and the forecast at their setting.

    Args:
        room: The scenario.
        pairs: Of the address's query.
        at: Where the page is.
        ranges: Many worlds around the setting, if they have been asked for.
        notice: What went wrong with a form.

    Raises:
        UsageError: If the address asks for something that there is not.
        SolveError: If no forecast can be made at the setting.
    """
    view = read_view(pairs, room.scenario)
    return render(
        "explore",
        **_frame_of(room, view, at),
        **_forecast_of(room, view, at),
        ranges=None if ranges is None else ranges_context(room, view, ranges),
        notice=notice or room.trouble,
        notice_title="Not done" if notice else BROKEN,
    )


def trouble_page(room: Room, pairs: list[tuple[str, str]], at: Address, trouble: str) -> str:
    """The page of a scenario whose address cannot be answered: why, and the forecast as it is without it.

    Args:
        room: The scenario.
        pairs: Of the address's query.
        at: Where the page is.
        trouble: What is wrong.
    """
    policy = dict(pairs).get("policy", "")
    plain = [("policy", policy)] if policy in room.scenario.file.policies else []
    return explore_page(room, plain, at, notice=f"{trouble} What is shown below is the middle of all priors.")


def forecast_part(room: Room, pairs: list[tuple[str, str]], at: Address) -> str:
    """What of the page changes when a slider is moved.

    Args:
        room: The scenario.
        pairs: Of the address's query.
        at: Where the page is.

    Raises:
        UsageError: If the address asks for something that there is not.
        SolveError: If no forecast can be made at the setting.
    """
    view = read_view(pairs, room.scenario)
    return render("forecast", **_forecast_of(room, view, at), ranges=None)


def ranges_part(room: Room, pairs: list[tuple[str, str]], at: Address, ranges: Ranges) -> str:
    """What of the page shows many worlds: how far they are solved, or what they say.

    Args:
        room: The scenario.
        pairs: Of the address's query.
        at: Where the page is.
        ranges: The worlds.
    """
    view = read_view(pairs, room.scenario)
    here = f"{at.explore}/{quote(room.scenario.slug)}"
    return render("ranges", view=view, at=at, here=here, worlds=WORLDS, ranges=ranges_context(room, view, ranges))


def _frame_of(room: Room, view: View, at: Address) -> dict[str, Any]:
    """What of the page stays while sliders move."""
    scenario, file = room.scenario, room.scenario.file
    return {
        "title": file.title,
        "summary": " ".join(file.summary.split()),
        "as_of": file.as_of.isoformat(),
        "who": [
            {"role": role, "name": file.who.get(role, role), "index": i % 8, "decides": role == file.decides}
            for i, role in enumerate(scenario.game.players)
        ],
        "policies": [
            {"name": n, "title": p.title, "meaning": " ".join(p.meaning.split())} for n, p in file.policies.items()
        ],
        "groups": [
            {"title": title, "held": sum(s["held"] for s in sliders), "sliders": sliders}
            for title, sliders in (
                (title, [slider(scenario, name, view.setting, at) for name in names])
                for title, names in groups(scenario).items()
            )
        ],
        "all_courses": COURSES,
        "size": f"{scenario.game.num_nodes:,}",
    }


def groups(scenario: Scenario) -> dict[str, list[str]]:
    """The parameters under the headings of the scenario's file (``# -- heading ---``); without any, by what backs them.

    Args:
        scenario: The scenario.

    Returns:
        Heading → names of parameters, each once.

    Example:
        >>> from detente.model.scenario import load_scenario
        >>> list(groups(load_scenario("october-2024")))[:2]
        ['types', 'messages']
    """
    found: dict[str, list[str]] = {}
    heading, left = "", dict.fromkeys(scenario.file.parameters)
    for line in (scenario.folder / FILE).read_text(encoding="utf-8").splitlines():
        if match := _HEADING.match(line):
            heading = match.group(1)
        elif heading and (match := _PARAMETER.match(line)) and match.group(1) in left:
            found.setdefault(heading, []).append(match.group(1))
            del left[match.group(1)]
    for name in left:
        backed = EVIDENCE if scenario.file.parameters[name].evidence else JUDGEMENT
        found.setdefault(backed, []).append(name)
    return found


def slider(scenario: Scenario, name: str, setting: Setting, at: Address) -> dict[str, Any]:
    """One slider: where it stands, how far it goes, what it means and what backs it.

    Args:
        scenario: The scenario.
        name: Of the parameter.
        setting: What is held.
        at: Where the page is.
    """
    parameter = scenario.file.parameters[name]
    low, high = slider_range(parameter.prior)
    median = median_draw({name: parameter.prior})[name]
    held = setting.held.get(name)
    return {
        "name": name,
        "field": f"{PREFIX}{name}",
        "title": scenario.parameter_title(name),
        "meaning": " ".join(parameter.meaning.split()),
        "unit": parameter.unit,
        "prior": prior_text(parameter.prior),
        "basis": f"evidence, grade {parameter.grade} of 6" if parameter.evidence else "judgement",
        "low": number(low),
        "high": number(high),
        "median": number(median),
        "value": number(median if held is None else held),
        "held": held is not None,
        "fixed": isinstance(parameter.prior, Fixed),
        "backing": backing_address(scenario, name, at),
    }


def backing_address(scenario: Scenario, name: str, at: Address) -> str:
    """Where the record page shows what a parameter rests on.

    Args:
        scenario: The scenario.
        name: Of the parameter.
        at: Where the page is.
    """
    return f"{at.record}/{quote(scenario.slug)}?parameter={quote(name)}#p-{quote(name)}"


# -- the forecast ------------------------------------------------------------------------------------------
def _forecast_of(room: Room, view: View, at: Address) -> dict[str, Any]:
    scenario, file = room.scenario, room.scenario.file
    found = room.forecast(view.setting)
    here = f"{at.explore}/{quote(scenario.slug)}"
    interest = _interest(scenario)
    return {
        "at": at,
        "view": view,
        "here": here,
        "name": scenario.slug,
        "policy": file.policies[view.setting.policy],
        "worlds": WORLDS,
        "messages": found.messages,
        "headlines": [_headline(room, found, n) for n in interest if file.outcomes[n].headline]
        or [_headline(room, found, n) for n in interest[:1]],
        "columns": [{"title": file.outcomes[n].title, "mark": BETTER_MARKS[file.outcomes[n].better]} for n in interest],
        "rows": _rows(room, found, interest),
        "choices": _choices(found),
        "held": [_held(room, view, name, value) for name, value in view.setting.values],
        "tree": _tree(room, found, view, here),
        "places": _places(room, found, view, here),
        "place": _place(room, found, view, at),
        "comparison": _comparison(room, view, interest),
        "pins": [(f"Pin {i}", pin, f"{here}?{view.query(pins=_less(view, pin))}") for i, pin in _numbered(view)],
        "pin_address": f"{here}?{view.query(pins=(*view.pins, view.setting)[-MOST_PINS:])}",
        "pinned": view.setting in view.pins,
        "downloads": [
            (words, f"{here}/{file_name}?{view.query()}")
            for words, file_name in (
                ("forecast (CSV)", "forecast.csv"),
                ("forecast (JSON)", "forecast.json"),
                (f"{WORLDS} worlds (CSV)", "worlds.csv"),
                ("ranges (SVG)", "ranges.svg"),
                ("tree (SVG)", "tree.svg"),
            )
        ],
        "brief_address": f"{here}/brief.html?{view.query()}" if at.facilitator else "",
    }


def _numbered(view: View) -> list[tuple[int, Setting]]:
    return list(enumerate(view.pins, start=1))


def _less(view: View, pin: Setting) -> tuple[Setting, ...]:
    return tuple(other for other in view.pins if other != pin)


def _interest(scenario: Scenario) -> list[str]:
    """Outcomes with a number that somebody minds, headlines first."""
    file, game = scenario.file, scenario.game
    known = [n for n in file.outcomes if n in game.outcomes and game.outcomes[n].rows is not None]
    return sorted(known, key=lambda n: not file.outcomes[n].headline)


def is_share(scenario: Scenario, outcome: str) -> bool:
    """Whether an outcome is a probability rather than a quantity.

    Args:
        scenario: The scenario.
        outcome: Name of an outcome.
    """
    return scenario.game.outcomes[outcome].kind == "flag"


def value_text(scenario: Scenario, outcome: str, value: float) -> str:
    """One value of an outcome as people read it.

    Args:
        scenario: The scenario.
        outcome: Name of a flag or number.
        value: Between 0 and 1 for a flag.
    """
    # A sum of probabilities may miss 0 or 1 by a rounding error, which is not to be seen.
    return percent(min(round(value, 9), 1.0)) if is_share(scenario, outcome) else number_text(value)


def _headline(room: Room, found: Forecast, name: str) -> dict[str, Any]:
    scenario, policy = room.scenario, found.setting.policy
    value, outcome = found.outcomes[policy][name], scenario.file.outcomes[name]
    share = is_share(scenario, name)
    middle = room.forecast(Setting(policy)).outcomes[policy][name] if found.setting.values else value
    return {
        "title": outcome.title,
        "meaning": " ".join(outcome.meaning.split()),
        "value": _fine_text(scenario, name, value),
        "word": (word(value) or "") if share else "",
        "share": f"{100 * value:.1f}" if share else "",
        "before": _fine_text(scenario, name, middle) if found.setting.values else "",
        "change": change_text(value - middle, share=share) if found.setting.values else "",
    }


def _fine_text(scenario: Scenario, outcome: str, value: float) -> str:
    """A value with one digit more than in a table, so that a small move of a slider can be seen."""
    if not is_share(scenario, outcome) or not 0.001 <= value <= 0.999:
        return value_text(scenario, outcome, value)
    return f"{100 * value:.1f} %"


def change_text(change: float, *, share: bool) -> str:
    """By how much something differs, in points for a probability.

    Args:
        change: The difference.
        share: Whether it is between probabilities.

    Example:
        >>> change_text(-0.031, share=True), change_text(0.2, share=False), change_text(0.0001, share=True)
        ('−3.1 points', '+0.20', 'no change')
    """
    shown = f"{100 * change:+.1f}" if share else f"{change:+.2f}"
    if not float(shown):
        return "no change"
    return shown.replace("-", "−") + (" points" if share else "")


def _rows(room: Room, found: Forecast, interest: list[str]) -> list[dict[str, Any]]:
    scenario = room.scenario
    best = {name: best_of({p: v[name] for p, v in found.outcomes.items()}, scenario, name) for name in interest}
    return [
        {
            "name": policy,
            "title": scenario.file.policies[policy].title,
            "current": policy == found.setting.policy,
            "cells": [{"value": value_text(scenario, n, values[n]), "best": policy in best[n]} for n in interest],
        }
        for policy, values in found.outcomes.items()
    ]


def best_of(values: Mapping[str, float], scenario: Scenario, outcome: str) -> set[str]:
    """The policies with the best value as it is printed; none where all are equal.

    Args:
        values: Policy → value.
        scenario: The scenario.
        outcome: Name of the outcome.
    """
    lower = scenario.file.outcomes[outcome].better == "lower"
    printed = {policy: value_text(scenario, outcome, value) for policy, value in values.items()}
    top = printed[(min if lower else max)(values, key=values.__getitem__)]
    found = {policy for policy, text in printed.items() if text == top}
    return found if len(found) < len(printed) else set()


def _choices(found: Forecast) -> list[dict[str, Any]]:
    return [
        {
            "title": readable(name),
            "options": [(label, percent(share), f"{100 * share:.1f}") for label, share in shares.items()],
        }
        for name, shares in found.labels[found.setting.policy].items()
    ]


def _held(room: Room, view: View, name: str, value: float) -> dict[str, str]:
    parameter = room.scenario.file.parameters[name]
    rest = Setting(view.setting.policy, tuple((n, v) for n, v in view.setting.values if n != name))
    return {
        "title": room.scenario.parameter_title(name),
        "value": number(value),
        "median": number(median_draw({name: parameter.prior})[name]),
        "release": f"?{view.query(setting=rest)}",
    }


def _comparison(room: Room, view: View, interest: list[str]) -> dict[str, Any] | None:
    """The setting beside the pinned ones: outcomes, and the parameters in which they differ."""
    if not view.pins:
        return None
    scenario = room.scenario
    settings = [view.setting, *view.pins]
    found = [room.forecast(setting).outcomes[setting.policy] for setting in settings]
    held = [name for name in scenario.priors if any(name in s.held for s in settings)]
    medians = median_draw({name: scenario.priors[name] for name in held})
    return {
        "heads": [
            (title, scenario.file.policies[s.policy].title)
            for title, s in zip(["Now", *(f"Pin {i}" for i, _ in _numbered(view))], settings, strict=True)
        ],
        "outcomes": [
            (scenario.file.outcomes[n].title, [value_text(scenario, n, values[n]) for values in found])
            for n in interest
        ],
        "parameters": [
            (
                scenario.parameter_title(n),
                [number(s.held[n]) if n in s.held else f"{number(medians[n])} (median)" for s in settings],
            )
            for n in held
        ],
    }


# -- the tree ----------------------------------------------------------------------------------------------
def _tree(room: Room, found: Forecast, view: View, here: str) -> Any:
    title = f"Likeliest courses under “{room.scenario.file.policies[view.setting.policy].title}”"
    svg = picture(room, found, courses=view.courses, title=title, theme_css=False)
    addresses = {n: f"{here}?{view.query(node=n)}#place" for n in places(found, courses=view.courses)}
    return markup(linked(svg, addresses, view.node))


def _places(room: Room, found: Forecast, view: View, here: str) -> list[dict[str, Any]]:
    """The places of the tree as a list, for those who do not use the picture."""
    tree = found.frame.courses.tree
    shown = places(found, courses=view.courses)
    return [
        {
            "number": n,
            "address": f"{here}?{view.query(node=n)}#place",
            "title": room.stage.move_title(tree.move_at(n)),
            "after": trail_text(tree.history(n)),
        }
        for n in shown
    ]


def trail_text(trail: tuple[tuple[str, str], ...]) -> str:
    """A course of events on one line.

    Args:
        trail: (move, option) pairs.

    Example:
        >>> trail_text((("message", "red lines"), ("press", "silent")))
        'message: red lines → press: silent'
    """
    return " → ".join(f"{move}: {option}" for move, option in trail)


def _place(room: Room, found: Forecast, view: View, at: Address) -> dict[str, Any] | None:
    """The place that is looked at, or why it cannot be."""
    if view.node is None:
        return None
    try:
        place = look_at(room, found, view.node)
    except UsageError as error:
        return {"trouble": str(error)}
    return {"trouble": "", **_about(room, place, at)}


def _about(room: Room, place: Place, at: Address) -> dict[str, Any]:
    scenario, stage = room.scenario, room.stage
    interest = _interest(scenario)
    return {
        "title": stage.move_title(place.move),
        "move": place.move,
        "who": stage.role(place.player) if place.player else "chance",
        "chooses": bool(place.player),
        "after": trail_text(place.trail),
        "reach": percent(min(round(place.reach, 9), 1.0)),
        "columns": [scenario.file.outcomes[n].title for n in interest],
        "options": [
            {
                "label": option.label,
                "meaning": stage.meaning(place.move, option.label),
                "chance": percent(min(round(option.chance, 9), 1.0)),
                "cells": [value_text(scenario, n, option.outcomes[n]) for n in interest],
            }
            for option in place.options
        ],
        "minds": [
            {
                "facts": ", ".join(f"{name}: {label}" for name, label in mind.facts) or "what is said above",
                "share": percent(min(round(mind.share, 9), 1.0)),
                "options": [
                    (label, percent(chance), number_text(mind.expected[label]))
                    for label, chance in mind.chances.items()
                ],
            }
            for mind in place.minds
        ],
        "knowledge": [
            {
                "name": stage.role(known.player),
                "knows": trail_text(known.knows).replace(" → ", ", "),
                "own": ", ".join(known.own),
                "unknown": ", ".join(known.unknown),
            }
            for known in place.knowledge
        ],
        "hinges": [
            {
                "title": scenario.parameter_title(hinge.parameter),
                "swing": number_text(hinge.swing) if place.player else change_text(hinge.swing, share=True)[1:],
                "prior": prior_text(scenario.priors[hinge.parameter]),
                "backing": backing_address(scenario, hinge.parameter, at),
                "judgement": not scenario.file.parameters[hinge.parameter].evidence,
                "claims": claims_of(scenario, hinge.parameter),
            }
            for hinge in place.hinges
        ],
    }


def claims_of(scenario: Scenario, name: str) -> list[dict[str, str]]:
    """What a parameter rests on, shortly: the first entries of the record that it cites.

    Args:
        scenario: The scenario.
        name: Of the parameter.
    """
    rows = [row for row in why(scenario.ledger, cited_by(scenario, name)) if row.depth == 0]
    return [
        {
            "id": row.id,
            "statement": row.statement,
            "figures": row.figures,
            "grade": f"grade {row.grade} of 6" if row.grade.isdigit() else row.grade and f"confidence {row.grade}",
            "against": "; ".join(row.against),
        }
        for row in rows[:MOST_CLAIMS]
    ]


# -- many worlds -------------------------------------------------------------------------------------------
def ranges_context(room: Room, view: View, ranges: Ranges) -> dict[str, Any]:
    """How far the worlds are solved, and what they say once they are.

    Args:
        room: The scenario.
        view: What the page shows.
        ranges: The worlds.
    """
    context: dict[str, Any] = {"done": ranges.done, "total": ranges.total, "finished": ranges.finished}
    if not ranges.finished:
        return context
    scenario, table = room.scenario, ranges.table()
    interest = _interest(scenario)
    best = {n: best_of({p: row[n].median for p, row in table.items()}, scenario, n) for n in interest}
    return context | {
        "panels": [
            markup(panel(f"r{index}", title, bars)) for index, (title, bars) in enumerate(panels(scenario, table))
        ],
        "unconverged": int((~ranges.usable).sum()),
        "held": len(view.setting.values),
        "columns": [
            {
                "title": scenario.file.outcomes[n].title,
                "mark": BETTER_MARKS[scenario.file.outcomes[n].better],
            }
            for n in interest
        ],
        "rows": [
            {
                "title": scenario.file.policies[policy].title,
                "current": policy == view.setting.policy,
                "cells": [
                    {
                        "median": value_text(scenario, n, row[n].median),
                        "range": _range_text(scenario, n, row[n].low, row[n].high),
                        "best": policy in best[n],
                    }
                    for n in interest
                ],
            }
            for policy, row in table.items()
        ],
    }


def panels(scenario: Scenario, table: Mapping[str, Mapping[str, Cell]]) -> list[tuple[str, list[Bar]]]:
    """What is drawn of many worlds: the headline outcomes, each with every policy.

    Args:
        scenario: The scenario.
        table: Policy → outcome → cell.
    """
    interest = _interest(scenario)
    shown = [n for n in interest if scenario.file.outcomes[n].headline] or interest[:1]

    def bar(policy: str, name: str) -> Bar:
        cell = table[policy][name]
        text = f"{value_text(scenario, name, cell.median)} ({_range_text(scenario, name, cell.low, cell.high)})"
        return Bar(scenario.file.policies[policy].title, cell.low, cell.median, cell.high, text)

    return [(_sentence(scenario.file.outcomes[n].title), [bar(policy, n) for policy in table]) for n in shown]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def markup(svg: str) -> Any:
    """A picture that this package drew: its texts are escaped where it is drawn.

    Args:
        svg: The picture.
    """
    from markupsafe import Markup

    return Markup(svg)


def _range_text(scenario: Scenario, outcome: str, low: float, high: float) -> str:
    if is_share(scenario, outcome):
        return percent_range(low, high)
    return f"{number_text(low)}{' to ' if low < 0 else '–'}{number_text(high)}"
