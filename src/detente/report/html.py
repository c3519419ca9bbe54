"""The brief as one self-contained page: nothing is fetched, it needs no script, and it prints."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from detente.axes import CHANCE, CHOICE, LEAF, NO_CHANCE, NO_INFOSET, NO_LEAF, NO_PARENT, ChanceMove, Game, Infoset
from detente.decide.ensemble import Ensemble
from detente.decide.options import Cell, Path
from detente.model.draw import draw_tree
from detente.model.files import check_writable, write_text
from detente.report import charts, colours
from detente.report.brief import Brief, no_decision_text
from detente.report.decide_rows import decision_context
from detente.report.terminal import (
    BETTER_MARKS,
    basis_text,
    best_policies,
    convergence_text,
    open_steps,
    policy_title,
    prior_text,
    range_text,
    readable,
    shown_policies,
    signed,
    value_text,
)
from detente.report.words import bands, percent, percent_range

TEMPLATES = FilePath(__file__).parent / "templates"
TREE_LEAVES = 9
ON_PAPER = 3  # sources of a claim, and claims of a parameter, that fit on paper; the screen shows all
YARDSTICK = "icd203"
DEEPEST = 3  # steps of a chain of evidence that are set in further; the rest stands below the last


# -- the page -----------------------------------------------------------------------------------------------
def render_html(brief: Brief, *, generated: str) -> str:
    """The brief as one HTML page that needs nothing but itself.

    Args:
        brief: The brief.
        generated: When the page was made, as it should stand there; the same text gives the same bytes.

    Returns:
        The page.
    """
    return _environment().get_template("brief.html.jinja").render(_context(brief, generated))


def write_html(brief: Brief, path: FilePath | str, *, generated: str) -> FilePath:
    """Write the page of a brief; whatever goes wrong, no half-written file is left.

    Args:
        brief: The brief.
        path: Where to; an existing file is replaced once the new one is complete.
        generated: See :func:`render_html`.

    Returns:
        The path.

    Raises:
        UsageError: If it cannot be written there; the message names the path and what to do.
    """
    path = FilePath(path)
    check_writable(path)  # before the work, not after it
    write_text(path, render_html(brief, generated=generated))
    return path


@cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sentence"] = lambda text: text[:1].upper() + text[1:]
    environment.filters["unbroken"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    return environment


# -- what stands in it --------------------------------------------------------------------------------------
def _context(brief: Brief, generated: str) -> dict[str, Any]:
    scenario, ensemble = brief.scenario, brief.ensemble
    return {
        "file": scenario.file,
        "generated": generated,
        "on_paper": ON_PAPER,
        "language": "en",
        "light": colours.css_variables(dark=False),
        "dark": colours.css_variables(dark=True),
        "style": (TEMPLATES / "brief.css").read_text(encoding="utf-8"),
        "who": _who(brief),
        "bottom_line": brief.bottom_line,
        "outcomes": [_outcome(brief, name) for name in brief.outcomes],
        "rows": [_row(brief, policy) for policy in ensemble.policies],
        "policies": [(policy_title(brief, p), _policy_text(brief, p)) for p in ensemble.policies],
        "baseline": policy_title(brief, brief.baseline),
        "num_worlds": int(ensemble.usable.sum()),
        "num_unconverged": ensemble.num_unconverged,
        "convergence": convergence_text(brief),
        "statuses": list(brief.convergence.items()),
        "option_charts": [_option_chart(brief, name) for name in brief.headlines],
        "choices": [_choice(brief, name) for name in brief.choices],
        "courses": [_courses(brief, policy) for policy in shown_policies(brief)],
        "tree": _svg(_tree(brief)),
        "decision": None if brief.decision is None else decision_context(brief.decision),
        "no_decision": no_decision_text(brief) if brief.decision is None else "",
        "influence": _influence(brief),
        "evidence": [_evidence(brief, name) for name in brief.evidence],
        "timeline": _timeline(brief),
        "corrections": [_correction(brief, found) for found in brief.corrections],
        "parameters": [_parameter(brief, name) for name in scenario.file.parameters],
        "num_judged": sum(1 for p in scenario.file.parameters.values() if not p.evidence),
        "types": _types(brief),
        "precision": _precision(brief),
        "bands": [(b.word, f"{b.low:g}–{b.high:g} %") for b in bands(YARDSTICK)],
        "game": ensemble.game,
        "num_draws": ensemble.num_draws,
        "manifest": _manifest(brief.manifest),
    }


def _svg(text: str) -> Any:
    """A picture that this package drew: its texts are escaped where it is drawn."""
    from markupsafe import Markup

    return Markup(text)


def _who(brief: Brief) -> list[dict[str, Any]]:
    file = brief.scenario.file
    players = brief.ensemble.game.players
    return [
        {
            "role": role,
            "name": file.who.get(role, role),
            "index": i % len(colours.PLAYER_LIGHT),
            "decides": role == file.decides,
        }
        for i, role in enumerate(players)
    ]


def _name(brief: Brief, role: str) -> str:
    return brief.scenario.file.who.get(role, role)


def _outcome(brief: Brief, name: str) -> dict[str, Any]:
    known = brief.scenario.file.outcomes[name]
    return {
        "title": known.title,
        "meaning": known.meaning,
        "headline": name in brief.headlines,
        "better": known.better,
        "mark": BETTER_MARKS[known.better],
        "minds": [(_name(brief, role), why) for role, why in known.minds.items()],
    }


def _row(brief: Brief, policy: str) -> dict[str, Any]:
    cells = [
        _cell(brief, name, cell, policy in best_policies(brief, name)) for name, cell in brief.table[policy].items()
    ]
    index = brief.ensemble.policies.index(policy) % len(colours.POLICY_LIGHT)
    return {"title": policy_title(brief, policy), "index": index, "cells": cells}


def _cell(brief: Brief, name: str, cell: Cell, best: bool) -> dict[str, Any]:
    return {
        "median": value_text(brief, name, cell.median),
        "range": range_text(brief, name, cell.low, cell.high),
        "worst": value_text(brief, name, cell.worst),
        "best": best,
    }


def _policy_text(brief: Brief, policy: str) -> str:
    known = brief.scenario.file.policies
    return known[policy].meaning if policy in known else ""


def _option_chart(brief: Brief, name: str) -> dict[str, Any]:
    title = brief.outcomes[name]
    said = "; ".join(
        f"{policy_title(brief, p)} {value_text(brief, name, c.median)} ({range_text(brief, name, c.low, c.high)}), "
        f"worst {value_text(brief, name, c.worst)}"
        for p, c in ((p, brief.table[p][name]) for p in brief.ensemble.policies)
    )
    picture = charts.to_svg(
        charts.options_chart(brief, name),
        name=f"options-{_slug(name)}",
        title=f"{title}, by policy",
        description=f"Median and 90 % interval: {said}.",
    )
    return {"title": title, "better": brief.scenario.file.outcomes[name].better, "picture": _svg(picture)}


def _choice(brief: Brief, name: str) -> dict[str, Any]:
    labels = brief.ensemble.labels[name]
    rows = [
        {
            "title": policy_title(brief, policy),
            "cells": [
                (percent(c.median), percent_range(c.low, c.high))
                for c in (brief.choices[name][policy][x] for x in labels)
            ],
        }
        for policy in brief.ensemble.policies
    ]
    said = "; ".join(
        f"{policy_title(brief, p)}: "
        + ", ".join(f"{label} {percent(brief.choices[name][p][label].mean)}" for label in labels)
        for p in brief.ensemble.policies
    )
    picture = charts.to_svg(
        charts.choices_chart(brief, name, legend=False),
        name=f"choices-{_slug(name)}",
        title=f"{readable(name)}: how likely each option is, by policy",
        description=f"Averages over worlds. {said}.",
    )
    legend = list(zip(labels, charts.steps(len(labels)), strict=True))
    return {"name": readable(name), "labels": labels, "legend": legend, "rows": rows, "picture": _svg(picture)}


def _slug(name: str) -> str:
    """A name that may stand in an id."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)


# -- courses of events --------------------------------------------------------------------------------------
def _courses(brief: Brief, policy: str) -> dict[str, Any]:
    movers = _movers(brief)
    paths = brief.paths[policy] if policy == brief.baseline else brief.paths[policy][:3]
    return {
        "title": policy_title(brief, policy),
        "fixed": _fixed(brief, policy),
        "total": percent(sum(path.probability for path in paths)),
        "count": len(paths),
        "paths": [
            {"probability": percent(path.probability), "steps": _steps(brief, policy, path, movers)} for path in paths
        ],
    }


def _fixed(brief: Brief, policy: str) -> str:
    known = brief.scenario.file.policies
    return ", ".join(f"{m}: {o}" for m, o in known[policy].commit.items()) if policy in known else ""


def _movers(brief: Brief) -> dict[str, int]:
    """Move → the player who makes it; chance moves are absent."""
    return {infoset.move: infoset.player for infoset in brief.ensemble.game.infosets}


def _steps(brief: Brief, policy: str, path: Path, movers: Mapping[str, int]) -> list[dict[str, Any]]:
    players = brief.ensemble.game.players
    return [
        {
            "who": _name(brief, players[movers[move]]) if move in movers else "",
            "index": movers.get(move, 0) % len(colours.PLAYER_LIGHT),
            "move": move,
            "option": option,
        }
        for move, option in open_steps(brief, policy, path)
    ]


def _tree(brief: Brief) -> str:
    title = f"Likeliest courses under “{policy_title(brief, brief.baseline)}”"
    return course_tree(brief.ensemble, brief.baseline, title=title, who=brief.scenario.file.who)


def course_tree(
    ensemble: Ensemble,
    policy: str,
    *,
    title: str,
    who: Mapping[str, str] | None = None,
    max_leaves: int = TREE_LEAVES,
) -> str:
    """The likeliest courses of events under a policy as a drawn tree, averaged over worlds.

    Private types, drawn before anybody chooses, are summed over: a reader wants to see what happens, not eight
    versions of it.

    Args:
        ensemble: The solved ensemble.
        policy: Name of a policy.
        title: What stands above the tree.
        who: Role → the name to print for it; by default the role.
        max_leaves: How many courses to draw at most.

    Returns:
        An SVG image that takes its colours from the page.
    """
    game, edges = courses_as_game(ensemble.game, ensemble.leaf_mean[ensemble.policies.index(policy)], title=title)
    game = replace(game, players=tuple((who or {}).get(role, role) for role in game.players))
    picture = draw_tree(game, edge_probability=edges, max_leaves=max_leaves, theme_css=False)
    # Payoffs were not asked for, so their absence needs no explanation.
    return re.sub(r"<text[^>]*>The payoffs are formulas[^<]*</text>\n?", "", picture)


@dataclass
class _Course:
    """A node of the merged tree while it is being made: what moves here, what follows, how likely it is."""

    probability: float
    source: int
    children: dict[str, "_Course"]


def courses_as_game(game: Game, leaf_probability: np.ndarray, *, title: str) -> tuple[Game, np.ndarray]:
    """A game without the private types drawn before the first choice, for drawing only.

    Histories that differ in those types alone become one, with the sum of their probabilities. What the players know
    is not carried over, so the result must not be solved.

    Args:
        game: The whole game.
        leaf_probability: Probability of every leaf, (leaf,).
        title: What the result is called.

    Returns:
        The game, and the probability of the edge into each of its nodes.
    """
    root = _merge(game, leaf_probability)
    nodes, parents, options = [root], [NO_PARENT], [0]
    first_child: list[int] = []
    position = 0
    while position < len(nodes):  # breadth first: the children of a node are put behind all that wait
        node = nodes[position]
        first_child.append(len(nodes))
        for index, child in enumerate(node.children.values()):
            nodes.append(child)
            parents.append(position)
            options.append(index)
        position += 1
    return _as_game(game, nodes, np.array(parents), np.array(options), np.array(first_child), title)


def _merge(game: Game, leaf_probability: np.ndarray) -> _Course:
    """All histories from the first choice on, as a tree of their labels."""
    chosen = {infoset.move for infoset in game.infosets}
    root: _Course | None = None
    for index in np.flatnonzero(np.asarray(leaf_probability) > 0):
        trail = _trail(game, int(game.leaf_nodes[index]), chosen)
        probability = float(leaf_probability[index])
        if root is None:
            root = _Course(0.0, trail[0], {})
        root.probability += probability
        here = root
        for parent, node in zip(trail, trail[1:], strict=False):
            label = game.options_at(parent)[game.option[node]]
            here = here.children.setdefault(label, _Course(0.0, node, {}))
            here.probability += probability
    return root or _Course(1.0, 0, {})


def _trail(game: Game, leaf: int, chosen: set[str]) -> list[int]:
    """The nodes of a history from its first choice on; from the start where nobody chooses."""
    nodes = [leaf]
    while game.parent[nodes[-1]] != NO_PARENT:
        nodes.append(int(game.parent[nodes[-1]]))
    nodes.reverse()
    first = next((i for i, node in enumerate(nodes) if game.move_at(node) in chosen), 0)
    return nodes[first:]


def _as_game(
    game: Game,
    nodes: Sequence[_Course],
    parents: np.ndarray,
    options: np.ndarray,
    first_child: np.ndarray,
    title: str,
) -> tuple[Game, np.ndarray]:
    count = len(nodes)
    kind = np.array([LEAF if not n.children else int(game.kind[n.source]) for n in nodes])
    infoset, chance, leaf = (np.full(count, no) for no in (NO_INFOSET, NO_CHANCE, NO_LEAF))
    infosets, chances = [], []
    for index, node in enumerate(nodes):
        labels, move = tuple(node.children), game.move_at(node.source)
        if kind[index] == CHOICE:
            infoset[index] = len(infosets)
            player = game.infosets[game.infoset[node.source]].player
            infosets.append(Infoset(player, move, labels, (("node", str(index)),)))
        elif kind[index] == CHANCE:
            chance[index] = len(chances)
            chances.append(ChanceMove(move, labels, ("",) * len(labels)))
    leaf[kind == LEAF] = np.arange(int((kind == LEAF).sum()))
    reach = np.array([n.probability for n in nodes])
    edges = np.ones(count)
    edges[1:] = np.clip(reach[1:] / reach[parents[1:]], 0.0, 1.0)
    merged = Game(
        title=title,
        players=game.players,
        infosets=tuple(infosets),
        chances=tuple(chances),
        kind=kind,
        parent=parents,
        option=options,
        first_child=first_child,
        num_options=np.array([len(n.children) for n in nodes]),
        infoset=infoset,
        chance=chance,
        leaf=leaf,
        infoset_start=np.concatenate([[0], np.cumsum([len(i.options) for i in infosets])]).astype(int),
        chance_start=np.concatenate([[0], np.cumsum([len(c.options) for c in chances])]).astype(int),
        basis=None,
        probability=game.probability,
        payoff=game.payoff,
        outcomes={},
    )
    return merged, edges


# -- what it hangs on ---------------------------------------------------------------------------------------
def _influence(brief: Brief) -> dict[str, Any]:
    first = brief.headlines[0]
    items = brief.influences[first].items[: charts.MOST_INFLUENCES]
    said = "; ".join(
        f"{brief.scenario.parameter_title(i.parameter)} {signed(i.coefficient)} ({signed(i.low)} to {signed(i.high)})"
        for i in items
    )
    picture = charts.to_svg(
        charts.influences_chart(brief, first),
        name="influences",
        title=f"What moves {brief.outcomes[first]} most",
        description=f"Rank coefficients with 90 % intervals: {said}.",
    )
    found = {name: {i.parameter: i for i in moved.items} for name, moved in brief.influences.items()}
    rows = [
        {
            "name": brief.scenario.parameter_title(parameter),
            "basis": basis_text(brief, parameter),
            "cells": [
                (signed(i.coefficient), f"{signed(i.low)} to {signed(i.high)}")
                for i in (found[name][parameter] for name in brief.headlines)
            ],
        }
        for parameter in brief.evidence
    ]
    return {
        "title": brief.outcomes[first],
        "picture": _svg(picture),
        "explained": [(brief.outcomes[n], percent(m.explained)) for n, m in brief.influences.items()],
        "outcomes": [brief.outcomes[name] for name in brief.headlines],
        "rows": rows,
    }


def _evidence(brief: Brief, name: str) -> dict[str, Any]:
    found = brief.evidence[name]
    unit, note = (found.unit.split(" (", 1) + [""])[:2]
    rows = [_record_row(row) for row in found.rows]
    for row in [r for r in rows if r["depth"] == 0][:ON_PAPER]:
        row["paper"] = True
    return {
        "name": brief.scenario.parameter_title(name),
        "meaning": found.meaning,
        "unit": unit,
        "unit_note": f"({note}" if note else "",
        "prior": prior_text(brief.scenario.file.parameters[name].prior),
        "basis": basis_text(brief, name),
        "judgement": found.judgement,
        "rows": rows,
        "screen_only": sum(not row["paper"] for row in rows),
    }


def _record_row(row: Any) -> dict[str, Any]:
    quality = (
        f"information grade {row.grade} of 6" if row.grade.isdigit() else f"confidence {row.grade}" if row.grade else ""
    )
    status = readable(row.status) if row.status not in ("", "open") else ""
    reported = f"reported {row.reported}" if row.reported else ""
    return {
        "id": row.id,
        "statement": row.statement,
        "figures": row.figures,
        "quality": ", ".join(part for part in (quality, status, reported) if part),
        "sources": [
            {
                "outlet": s.outlet,
                "date": s.date,
                "address": _address(s.address),
                "site": urlsplit(_address(s.address)).hostname or "",
                "reliability": s.reliability,
                "retells": ", ".join(s.retells),
            }
            for s in row.sources
        ],
        "against": row.against,
        "correction": row.correction,
        "depth": min(row.depth, DEEPEST),
        "role": row.role,
        "paper": False,
        "working": row.working,
        "independent": row.independent if len(row.independent) < len(row.sources) else (),
    }


def _address(text: str) -> str:
    """An address that may become a link: of the web only, never a script."""
    return text if urlsplit(text).scheme in ("http", "https") else ""


# -- the record ---------------------------------------------------------------------------------------------
def _timeline(brief: Brief) -> dict[str, Any] | None:
    found = charts.events(brief)
    if not found:
        return None
    first, last = found[0].happened.start, found[-1].happened.end
    picture = charts.to_svg(
        charts.timeline_chart(brief),
        name="timeline",
        title="What happened, by severity",
        description=f"{len(found)} events from {first} to {last}; the table of events lists them all.",
    )
    names = [row["name"] for row in _who(brief)]
    return {
        "picture": _svg(picture),
        "rows": [
            {
                "number": index,
                "day": _span(event.happened),
                "actor": event.actor,
                "index": names.index(actor) % len(colours.PLAYER_LIGHT)
                if (actor := charts.actor_of(event, names)) in names
                else None,
                "act": event.act,
                "target": event.target,
                "channel": event.channel + ("" if event.attribution == "open" else ", unacknowledged"),
                "severity": event.severity,
                "id": event.id,
            }
            for index, event in enumerate(found, start=1)
        ],
    }


def _span(when: Any) -> str:
    """When something happened, no more exactly than is known."""
    start, end = when.start, when.end
    if start == end:
        return f"{charts.day_text(start)} {start.year}"
    if (start.year, start.month) == (end.year, end.month):
        return f"{start.day}–{charts.day_text(end)} {end.year}"
    return f"{charts.day_text(start)} – {charts.day_text(end)} {end.year}"


def _correction(brief: Brief, found: Any) -> dict[str, Any]:
    claims = brief.scenario.ledger.claims
    return {
        "id": found.claim.id,
        "statement": found.claim.statement,
        "status": readable(found.claim.status),
        "instead": found.instead,
        "why": found.why,
        "by": ", ".join(id for id in found.corrected_by if id in claims),
    }


# -- assumptions --------------------------------------------------------------------------------------------
def _parameter(brief: Brief, name: str) -> dict[str, Any]:
    known = brief.scenario.file.parameters[name]
    return {
        "name": brief.scenario.parameter_title(name),
        "meaning": known.meaning,
        "unit": known.unit,
        "prior": prior_text(known.prior),
        "basis": basis_text(brief, name),
        "evidence": ", ".join(known.evidence),
        "judgement": known.judgement,
    }


def _types(brief: Brief) -> list[dict[str, Any]]:
    """What is drawn before anybody chooses, and who comes to know it."""
    game = brief.ensemble.game
    found, node = [], 0
    while game.kind[node] == CHANCE:
        move = game.move_at(node)
        knowing = {i.player for i in game.infosets if any(name == move for name, _ in i.knows)}
        found.append(
            {
                "move": move,
                "options": game.options_at(node),
                "known_to": [_name(brief, game.players[p]) for p in sorted(knowing)],
            }
        )
        node = int(game.first_child[node])
    return found


def _precision(brief: Brief) -> str:
    value = brief.scenario.behaviour["precision"]
    if isinstance(value, Mapping):
        return "; ".join(f"{player}: {_rate(brief, rate)}" for player, rate in value.items())
    return _rate(brief, value)


def _rate(brief: Brief, value: str | float) -> str:
    if isinstance(value, str):
        return f"uncertain like any other parameter ({prior_text(brief.scenario.file.parameters[value].prior)})"
    return f"{value:g} in every world"


def _manifest(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for key, value in manifest.items():
        if isinstance(value, Mapping):
            rows.append((readable(key), ", ".join(f"{k} {v}" for k, v in value.items())))
        elif isinstance(value, list | tuple):
            rows.append((readable(key), ", ".join(map(str, value))))
        else:
            rows.append((readable(key), f"{value:,}" if isinstance(value, int) and key != "seed" else str(value)))
    return rows
