"""A decision in a terminal and for machines: sentences first, then the tables that they rest on."""

import math
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from detente.decide.analysis import Criterion, Decision, Finding
from detente.decide.assumptions import Assumption
from detente.decide.indicators import Indicator, Sign
from detente.decide.search import Search
from detente.report.words import percent

NUM_FINDINGS, NUM_ASSUMPTIONS, NUM_COMMITMENTS = 6, 7, 8
ON_PAPER = 2  # cards that fit on paper; the screen shows all
LEAST_SIGN = 0.01  # options less likely than this are left out of the terminal
LEAST_SHARE = 0.01  # of what there is to know, below which a move is no warning
LEAST_RATIO = 1.1  # signs that say less, one way or the other, are left out


# -- how things are written ------------------------------------------------------------------------
def title_of(decision: Decision, policy: str) -> str:
    """What a policy is called."""
    return decision.scenario.file.policies[policy].title


def worth_text(criterion: Criterion, value: float) -> str:
    """A value of a criterion as people read it: a percentage for what is true or false, else a number.

    Args:
        criterion: What it is a value of.
        value: The value.
    """
    if criterion.kind == "flag":
        return percent(value)
    return f"{value:.2f}".replace("-", "−") if round(value, 2) else "0.00"


def points_text(criterion: Criterion, value: float) -> str:
    """A difference between two values of a criterion: percentage points for what is true or false, else a number.

    Args:
        criterion: What it is a difference of.
        value: The difference, 0 or more.
    """
    if criterion.kind != "flag":
        return worth_text(criterion, value)
    return f"{100 * value:.1f} points" if 0 < abs(value) < 0.1 else f"{100 * value:.0f} points"


def parameter_value(decision: Decision, name: str, value: float) -> str:
    """A value of a parameter with its unit, where the unit is one word and says something.

    Args:
        decision: The decision.
        name: Name of the parameter.
        value: Its value.
    """
    unit = decision.scenario.file.parameters[name].unit
    said = f"{value:.3g}".replace("-", "−")
    return (
        f"{said} {unit}"
        if len(unit.split()) == 1 and unit not in ("probability", "share", "factor", "utility")
        else said
    )


def grade_text(decision: Decision, name: str) -> str:
    """What a parameter rests on: evidence with its grade, or judgement."""
    known = decision.scenario.file.parameters[name]
    return f"evidence, grade {known.grade}" if known.evidence else "judgement"


def ratio_text(ratio: float) -> str:
    """A likelihood ratio.

    Args:
        ratio: 0 or more; infinite where a sign is never seen otherwise.

    Example:
        >>> ratio_text(2.408), ratio_text(float("inf")), ratio_text(0.04)
        ('× 2.4', 'certain', '× 0.04')
    """
    if math.isinf(ratio):
        return "certain"
    return "rules it out" if ratio == 0 else f"× {ratio:.2g}"


def _name(decision: Decision, role: str) -> str:
    return decision.scenario.file.who.get(role, role)


def _quoted(decision: Decision, policy: str) -> str:
    return f"“{title_of(decision, policy)}”"


# -- sentences -------------------------------------------------------------------------------------
def summary(decision: Decision) -> tuple[str, ...]:
    """The answer in a few sentences: what is robust and for whom, what it costs, what to find out, what to watch.

    Args:
        decision: The decision.

    Returns:
        Four to six sentences; every figure in them stands in a table as well.
    """
    found = [_robust(decision), _for_whom(decision), _cost(decision), _failure(decision), _find_out(decision)]
    watched = _watch(decision)
    return tuple(s for s in [*found, watched] if s)


def _robust(decision: Decision) -> str:
    by = decision.criteria[decision.by]
    row = next(r for r in by.regret if r.policy == decision.preferred)
    whose = f"For {by.title}" if by.kind == "payoff" else f"On “{by.title}”"
    high = points_text(by, _ninetieth(decision, by, decision.preferred))
    text = (
        f"{whose}, {_quoted(decision, decision.preferred)} is the most robust of {len(decision.ensemble.policies)} "
        f"policies ({decision.metric}): it is the best in {percent(1 - decision.beaten)} of worlds; it loses at "
        f"most {high} in nine worlds of ten against the best policy there, and {points_text(by, row.mean)} on average"
    )
    return f"{text}. {_agreement(decision, by)}"


def _agreement(decision: Decision, by: Criterion) -> str:
    if not by.dissent:
        return "All metrics that say how good a policy is agree."
    others: dict[str, list[str]] = {}
    for metric, best in by.dissent.items():
        others.setdefault(best[0], []).append(metric)
    said = ", ".join(f"{_quoted(decision, p)} by {' and '.join(metrics)}" for p, metrics in others.items())
    return f"The metrics disagree: it leads by {by.agreeing} of {by.agreeing + len(by.dissent)}; {said}."


def _for_whom(decision: Decision) -> str:
    """The other players, those of one mind together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, criterion in decision.criteria.items():
        if criterion.kind == "payoff" and name != decision.by:
            groups.setdefault(criterion.best, []).append(criterion.title)
    said = [f"for {' and '.join(who)} {' or '.join(_quoted(decision, p) for p in b)}" for b, who in groups.items()]
    return f"By the same metric the most robust is {', '.join(said)}." if said else ""


def _cost(decision: Decision) -> str:
    by, first = decision.criteria[decision.by], decision.criteria[decision.headlines[0]]
    lost = by.regret_worst_tenth[decision.preferred]
    others = [v for p, v in first.worst_tenth.items() if p != decision.preferred]
    low, high = worth_text(first, min(others)), worth_text(first, max(others))
    return (
        f"In its worst tenth of worlds {_quoted(decision, decision.preferred)} loses {points_text(by, lost)} against "
        f"the best policy there; “{first.title}” in its own worst tenth averages "
        f"{worth_text(first, first.worst_tenth[decision.preferred])} (other policies {low} to {high})."
    )


def _failure(decision: Decision) -> str:
    return plain(decision.cards[0].text)


def _find_out(decision: Decision) -> str:
    first = decision.findings[0]
    title = decision.scenario.parameter_title(first.parameter)
    text = f"Find out first: the {title} ({grade_text(decision, first.parameter)})"
    if first.flip is None:
        return f"{text}; no single parameter has a threshold at which another policy is clearly better."
    flip, by = first.flip, decision.criteria[decision.by]
    return (
        f"{text}. {flip.side.capitalize()} {parameter_value(decision, flip.parameter, flip.value)} "
        f"({percent(flip.share)} of worlds) {_quoted(decision, flip.policy)} is better, by "
        f"{points_text(by, flip.gain)} on average."
    )


def _watch(decision: Decision) -> str:
    name = next(iter(decision.indicators), None)
    if name is None:
        return ""
    early = early_warnings(decision, name)
    if not early:
        return "No move that can be seen comes before the headline is settled."
    item = early[0]
    sign = next(s for s in item.signs if _is_telling(s))
    title = decision.criteria[name].title
    return (
        f"Watch first: {who_moves(decision, item)}. “{sign.option or 'not reached'}” would take “{title}” from "
        f"{percent(decision.indicators[name].forecast)} to {percent(sign.forecast)}, about {item.lead:.1f} moves ahead."
    )


def early_warnings(decision: Decision, outcome: str) -> tuple[Indicator, ...]:
    """Moves that say something before the outcome is settled, earliest first: those that can warn.

    Args:
        decision: The decision.
        outcome: A headline that is true or false.
    """
    found = [i for i in decision.indicators[outcome].items if i.lead >= 1 and i.share >= LEAST_SHARE]
    telling = [i for i in found if any(_is_telling(s) for s in i.signs)]
    return tuple(sorted(telling, key=lambda i: i.depth))


def who_moves(decision: Decision, item: Indicator) -> str:
    """A move with whoever makes it."""
    return f"{item.move} ({_name(decision, item.player)})" if item.player else f"{item.move} (chance)"


def plain(text: str) -> str:
    """A card's sentence with the policy in quotation marks instead of asterisks.

    Example:
        >>> plain("*Act* fails (war).")
        '“Act” fails (war).'
    """
    parts = text.split("*", 2)
    return f"{parts[0]}“{parts[1]}”{parts[2]}" if len(parts) == 3 else text


# -- the terminal ----------------------------------------------------------------------------------
def print_decision(decision: Decision, console: Console) -> None:
    """Print a decision: the answer, then the tables it rests on.

    Args:
        decision: The decision.
        console: Where to print; made for 80 columns and more.
    """
    file = decision.scenario.file
    heading = Text(file.title, style="bold")
    who = ", ".join(f"{role}: {name}" for role, name in file.who.items())
    heading.append(f"\nAs known on {file.as_of.isoformat()} · {who}", style="dim")
    console.print(heading)
    console.print()
    console.print(Panel(Text("\n".join(f"· {s}" for s in summary(decision))), title="In short", title_align="left"))
    for title, tables, note in _sections(decision):
        console.print(Text(title, style="bold"))
        for table in tables:
            console.print(table)
        console.print(Text(note, style="dim"))
        console.print()
    console.print(_convergence(decision))


def _sections(decision: Decision) -> list[tuple[str, list[Any], str]]:
    by = decision.criteria[decision.by]
    good = "; ".join(f"{decision.criteria[n].title}: {_good(decision, n)}" for n in decision.headlines)
    return [
        ("Which policy is most robust, and for whom", [_robust_table(decision)], _robust_note(decision)),
        (f"What each policy costs {by.title}", [_cost_table(decision)], _cost_note(decision)),
        (
            f"In which worlds “{title_of(decision, decision.preferred)}” fails",
            [_card_table(decision)],
            f"A policy fails where an outcome is worse than in nine worlds of ten under “"
            f"{title_of(decision, decision.baseline)}”, unless --fails says otherwise ({good}). "
            "Percentages: of failures that lie there; of worlds there that fail; of all worlds that lie there.",
        ),
        ("How often each policy fails", [_failing_table(decision)], "Share of worlds; thresholds as above."),
        ("What to find out first", [_findings_table(decision)], _findings_note(decision)),
        ("What to watch next", _watch_tables(decision), _watch_note(decision)),
        ("Key assumptions", [_assumptions_table(decision)], _assumptions_note(decision)),
    ]


def _good(decision: Decision, name: str) -> str:
    return worth_text(decision.criteria[name], decision.thresholds[name])


def _table(*columns: str, wide: int = 0) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, name in enumerate(columns):
        table.add_column(Text(name), overflow="fold", ratio=1 if index == wide else None)
    return table


def _robust_table(decision: Decision) -> Table:
    table = _table("For", "Most robust", "It loses, in 9 of 10 worlds at most", "Metrics that agree")
    for name in decision.criteria:
        row = _robust_row(decision, name)
        agree = row["agree"] + (" · disagree" if row["disagree"] else "")
        table.add_row(Text(row["title"]), Text(row["best"]), Text(row["loses"]), Text(agree))
    return table


def _ninetieth(decision: Decision, criterion: Criterion, policy: str) -> float:
    """90th percentile of regret."""
    from detente.decide.regret import quantiles, regrets
    from detente.decide.search import criterion_values

    lost = regrets(
        criterion_values(decision.ensemble, criterion.name), decision.ensemble.policies, better=criterion.better
    )
    return float(quantiles(lost[:, decision.ensemble.policy_index(policy)], [0.9])[0])


def _robust_note(decision: Decision) -> str:
    left = ", ".join(title_of(decision, p) for p in decision.dominance.non_dominated)
    beaten = "; ".join(
        f"{title_of(decision, p)} is worse than {' and than '.join(title_of(decision, w) for w in by)}"
        for p, by in decision.dominance.beaten_by.items()
    )
    text = (
        f"Most robust by {decision.metric}. It loses: against the best policy of each world. Payoffs in each player’s "
        f"own unit. Not dominated on the headline outcomes, on average: {left}"
    )
    return f"{text}. Dominated: {beaten}." if beaten else f"{text}."


def _cost_table(decision: Decision) -> Table:
    by = decision.criteria[decision.by]
    table = _table("Policy", "Average", "Worst tenth", "Loses on average", "Worst tenth", "Never beaten")
    for row in by.regret:
        mark = " *" if row.policy == decision.preferred else ""
        table.add_row(
            Text(title_of(decision, row.policy) + mark),
            Text(worth_text(by, by.mean[row.policy])),
            Text(worth_text(by, by.worst_tenth[row.policy])),
            Text(points_text(by, row.mean)),
            Text(points_text(by, by.regret_worst_tenth[row.policy])),
            Text(percent(row.never)),
        )
    return table


def _cost_note(decision: Decision) -> str:
    by = decision.criteria[decision.by]
    what = "expected payoff" if by.kind == "payoff" else by.title
    return (
        f"* most robust. Average and worst tenth of worlds: {what}, {by.better} is better. Loses: regret against the "
        "best policy of each world, on average and over the tenth of worlds where it is largest."
    )


def _card_table(decision: Decision) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for card in decision.cards:
        text = plain(card.text)
        if card is decision.cards[0] and decision.takeover is not None:
            policy, share = decision.takeover
            text += (
                f" {_quoted(decision, policy)} would be better on average if such worlds were {percent(share)} of all."
            )
        table.add_row(Text("·"), Text(text))
    return table


def _failing_table(decision: Decision) -> Table:
    table = _table("Policy", *(f"{decision.criteria[n].title}" for n in decision.headlines))
    for policy in decision.ensemble.policies:
        cells = [Text(percent(decision.failing[n][policy])) for n in decision.headlines]
        table.add_row(Text(title_of(decision, policy)), *cells)
    return table


def _findings_table(decision: Decision) -> Table:
    first = decision.criteria[decision.headlines[0]]
    table = _table("Parameter", "Rests on", f"{first.title}: low → high", "Share", "Worth", "Choice flips")
    for item in decision.findings[:NUM_FINDINGS]:
        table.add_row(*(Text(text) for text in _finding_row(decision, item).values()))
    return table


def _share(item: Finding) -> str:
    """First-order index with its interval; an estimate below 0 is one of nothing."""
    index = item.index
    if math.isnan(index.value):
        return "–"
    return f"{percent(max(index.value, 0.0))} ({100 * max(index.low, 0.0):.0f}–{100 * max(index.high, 0.0):.0f})"


def _worth(decision: Decision, item: Finding) -> str:
    if item.worth is None:
        return "–"
    by = decision.criteria[decision.by]
    if item.worth.low <= 0:
        return "none found"
    return f"{100 * item.worth.value:.2f} points" if by.kind == "flag" else f"{item.worth.value:.3f}"


def _flip(decision: Decision, item: Finding) -> str:
    if item.flip is None:
        return "no"
    value = parameter_value(decision, item.parameter, item.flip.value)
    return f"{item.flip.side} {value}: {title_of(decision, item.flip.policy)}"


def _findings_note(decision: Decision) -> str:
    whole = decision.information.everything
    by = decision.criteria[decision.by]
    all_said = f"{100 * whole:.2f} points" if by.kind == "flag" else f"{whole:.3f}"
    return (
        "Low → high: average in the tenth of worlds where the parameter is lowest, and highest. Share: of the "
        "variance, first-order Sobol index and its 90 % interval, from the same worlds "
        f"({decision.indices.num_worlds:,}; no design); all together {percent(max(decision.indices.explained, 0.0))}. "
        f"Worth: what {by.title} would gain on average by knowing it "
        f"before choosing; knowing everything: {all_said}. –: by a first look it would not change the choice."
    )


def _watch_tables(decision: Decision) -> list[Table]:
    name = next(iter(decision.indicators), None)
    if name is None:
        return []
    table = _table("Move", "If seen", "Chance", "Forecast", "Ratio", "Moves ahead", "Tells", wide=1)
    for item in sorted(decision.indicators[name].items, key=lambda i: i.depth):
        shown = [s for s in item.signs if _is_telling(s)]
        for index, sign in enumerate(shown):
            begin = (Text(who_moves(decision, item)), Text(f"{item.lead:.1f}"), Text(percent(item.share)))
            who, lead, share = begin if index == 0 else (Text(""), Text(""), Text(""))
            seen = Text(sign.option or "(not reached)")
            chance, forecast = Text(percent(sign.probability)), Text(percent(sign.forecast))
            table.add_row(who, seen, chance, forecast, Text(ratio_text(sign.likelihood_ratio)), lead, share)
    return [table]


def _is_telling(sign: Sign) -> bool:
    return sign.probability >= LEAST_SIGN and not 1 / LEAST_RATIO < sign.likelihood_ratio < LEAST_RATIO


def _watch_note(decision: Decision) -> str:
    name = next(iter(decision.indicators), None)
    if name is None:
        return "No headline is true or false, so that no sign can tell it."
    now = percent(decision.indicators[name].forecast)
    return (
        f"Forecast: of “{decision.criteria[name].title}” under “{title_of(decision, decision.preferred)}”, {now} "
        "before anything is seen. Ratio: how many times as likely the sign is where it comes about as where it does "
        "not. Moves ahead: still to come before it is settled, where it comes about; 0.0: the move settles it. Tells: "
        "share of what there is to know. Each move by itself; what says little is left out."
    )


def _assumptions_table(decision: Decision) -> Table:
    first = decision.criteria[decision.headlines[0]]
    table = _table("Assumption", "Kind", "Grade", f"{first.title} if it errs", "Difference")
    for item in shown_assumptions(decision):
        table.add_row(*(Text(text) for text in _assumption_row(decision, item).values()))
    return table


def _is_structure(item: Assumption) -> bool:
    return item.kind == "structure"


def _assumptions_note(decision: Decision) -> str:
    counted = sum(1 for a in decision.assumptions if not _is_structure(a))
    return (
        f"The {min(NUM_ASSUMPTIONS, counted)} of {counted} priors that change it most, then the structure. A prior: "
        "average in the tenth of worlds where it is lowest → highest. Structure: as assumed → otherwise. Grade of the "
        "evidence: 1 confirmed … 6 cannot be judged; –: none cited."
    )


def _convergence(decision: Decision) -> Text:
    ensemble = decision.ensemble
    missing = ensemble.num_unconverged
    said = f"{missing:,} of {ensemble.num_draws:,} draws did not converge"
    tail = " and are left out of every number." if missing else "; every number rests on all of them."
    return Text(
        f"{said}{tail} What the model implies under its assumptions, not what will happen.",
        style="bold red" if missing else "dim",
    )


def print_search(found: Search, decision: Decision, console: Console) -> None:
    """Print the best commitments that a policy search found.

    Args:
        found: The search.
        decision: The decision beside which it stands.
        console: Where to print.
    """
    by = decision.criteria[found.by]
    console.print()
    console.print(Text(f"The best of {len(found.found)} commitments for {by.title}, by {found.metric}", style="bold"))
    table = _table("Commitment", "Metric", "Average")
    for item in found.found[:NUM_COMMITMENTS]:
        score = "not defined" if math.isnan(item.score) else f"{item.score:.3f}".replace("-", "−")
        table.add_row(Text(item.title), Text(score), Text(worth_text(by, item.mean)))
    console.print(table)
    left_out = f", {found.num_left_out} more did not converge" if found.num_left_out else ""
    console.print(
        Text(
            f"Each judged in {found.num_worlds} worlds{left_out}; levers: {', '.join(found.levers)}. More is better in "
            "the column Metric; moves that are not named are played as in equilibrium.",
            style="dim",
        )
    )


# -- for the page ----------------------------------------------------------------------------------
def decision_context(decision: Decision) -> dict[str, Any]:
    """What the section of the brief's page shows, as text.

    Args:
        decision: The decision.
    """
    first = decision.headlines[0]
    flag = next(iter(decision.indicators), None)
    return {
        "summary": _page_summary(decision),
        "robust": [_robust_row(decision, name) for name in decision.criteria],
        "robust_note": _robust_note(decision),
        "cards": [
            {"text": plain(card.text), "paper": index < ON_PAPER and card.num_failures > 0}
            for index, card in enumerate(decision.cards)
        ],
        "baseline": title_of(decision, decision.baseline),
        "preferred": title_of(decision, decision.preferred),
        "headline": decision.criteria[first].title,
        "find_out": [_finding_row(decision, item) for item in decision.findings[:NUM_FINDINGS]],
        "find_out_note": _findings_note(decision),
        "watched": "" if flag is None else decision.criteria[flag].title,
        "watch": [] if flag is None else [_watch_row(decision, item) for item in decision.indicators[flag].items],
        "watch_note": _watch_note(decision),
        "assumptions": [_assumption_row(decision, item) for item in shown_assumptions(decision)],
        "assumptions_note": _assumptions_note(decision),
    }


def _page_summary(decision: Decision) -> list[dict[str, str]]:
    """Sentences; for paper only those whose tables are on the screen; the card stands in the list anyway."""
    card, tables = _failure(decision), (_find_out(decision), _watch(decision))
    only = dict.fromkeys(tables, "paper") | {_for_whom(decision): "screen"}  # on paper the table is short
    return [{"text": s, "only": only.get(s, "")} for s in summary(decision) if s != card]


def _robust_row(decision: Decision, name: str) -> dict[str, Any]:
    criterion = decision.criteria[name]
    whole = len(criterion.best) == len(decision.ensemble.policies)
    return {
        "title": f"{criterion.title}{', payoff' if criterion.kind == 'payoff' else ''}",
        "best": "all alike" if whole else " or ".join(title_of(decision, p) for p in criterion.best),
        "loses": points_text(criterion, _ninetieth(decision, criterion, criterion.best[0])),
        "agree": f"{criterion.agreeing} of {criterion.agreeing + len(criterion.dissent)}",
        "disagree": bool(criterion.dissent),
        "paper": criterion.kind == "payoff",
    }


def _finding_row(decision: Decision, item: Finding) -> dict[str, str]:
    first = decision.criteria[decision.headlines[0]]
    return {
        "title": decision.scenario.parameter_title(item.parameter),
        "basis": grade_text(decision, item.parameter),
        "swing": f"{worth_text(first, item.swing.low)} → {worth_text(first, item.swing.high)}",
        "share": _share(item),
        "worth": _worth(decision, item),
        "flip": _flip(decision, item),
    }


def _watch_row(decision: Decision, item: Indicator) -> dict[str, Any]:
    return {
        "who": who_moves(decision, item),
        "signs": [
            {
                "option": sign.option or "not reached",
                "forecast": percent(sign.forecast),
                "ratio": ratio_text(sign.likelihood_ratio),
            }
            for sign in item.signs
            if _is_telling(sign)
        ],
        "lead": f"{item.lead:.1f}",
        "share": percent(item.share),
    }


def _assumption_row(decision: Decision, item: Assumption) -> dict[str, str]:
    first = decision.criteria[decision.headlines[0]]
    figures, gap = item.note, "?"
    if item.low is not None and item.high is not None:
        figures = f"{worth_text(first, item.low)} → {worth_text(first, item.high)}"
        gap = points_text(first, abs(item.high - item.low))
    grade = "–" if item.grade is None else str(item.grade)
    return {"text": item.text, "kind": item.kind, "grade": grade, "figures": figures, "effect": gap}


def shown_assumptions(decision: Decision) -> tuple[Assumption, ...]:
    """The assumptions that are printed: the priors that change the headline most, then the structure."""
    varied = [a for a in decision.assumptions if not _is_structure(a)][:NUM_ASSUMPTIONS]
    return (*varied, *(a for a in decision.assumptions if _is_structure(a)))


# -- for machines ----------------------------------------------------------------------------------
def decision_json(decision: Decision) -> dict[str, Any]:
    """Everything that a decision says, as plain lists, mappings, numbers and text.

    Args:
        decision: The decision.

    Returns:
        A mapping that ``json.dumps`` takes with ``allow_nan=False``: what is not defined is null.
    """
    file = decision.scenario.file
    found = {
        "title": file.title,
        "as_of": file.as_of.isoformat(),
        "summary": list(summary(decision)),
        "by": decision.by,
        "metric": decision.metric,
        "preferred": decision.preferred,
        "baseline": decision.baseline,
        "headlines": list(decision.headlines),
        "policies": {p: title_of(decision, p) for p in decision.ensemble.policies},
        "criteria": {name: _criterion_json(c) for name, c in decision.criteria.items()},
        "non_dominated": list(decision.dominance.non_dominated),
        "beaten_by": {p: list(by) for p, by in decision.dominance.beaten_by.items()},
        "thresholds": dict(decision.thresholds),
        "failing": {n: dict(row) for n, row in decision.failing.items()},
        "beaten": decision.beaten,
        "cards": [asdict(card) for card in decision.cards],
        "takeover": None
        if decision.takeover is None
        else dict(zip(("policy", "share"), decision.takeover, strict=True)),
        "sensitivity": asdict(decision.indices),
        "information": asdict(decision.information),
        "find_out": [asdict(item) for item in decision.findings],
        "flips": [asdict(item) for item in decision.flips],
        "indicators": {name: asdict(item) for name, item in decision.indicators.items()},
        "assumptions": [asdict(item) | {"effect": item.effect} for item in decision.assumptions],
        "draws": decision.ensemble.num_draws,
        "convergence": decision.ensemble.status_counts(),
    }
    return _plain(found)


def _criterion_json(criterion: Criterion) -> dict[str, Any]:
    return {
        "title": criterion.title,
        "kind": criterion.kind,
        "better": criterion.better,
        "minds": list(criterion.minds),
        "best": list(criterion.best),
        "mean": dict(criterion.mean),
        "worst_tenth": dict(criterion.worst_tenth),
        "regret_worst_tenth": dict(criterion.regret_worst_tenth),
        "regret": [asdict(row) for row in criterion.regret],
        "metrics": {s.metric: {"best": list(s.best), "values": dict(s.values)} for s in criterion.robustness.scores},
        "dissent": {metric: list(best) for metric, best in criterion.dissent.items()},
        "note": criterion.robustness.note,
    }


def search_json(found: Search) -> dict[str, Any]:
    """A policy search as plain lists, mappings, numbers and text.

    Args:
        found: The search.
    """
    return _plain(asdict(found))


def _plain(value: Any) -> Any:
    """Numbers that JSON has; what is not finite becomes null, infinite ratios "infinite"."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return "infinite" if math.isinf(value) else None
    return value
