"""A decision in a terminal: sentences first, then the tables that they rest on."""

import math
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from detente.decide.analysis import Decision
from detente.decide.search import Search
from detente.report.decide_rows import (
    NUM_FINDINGS,
    assumption_row,
    assumptions_note,
    finding_row,
    findings_note,
    robust_note,
    robust_row,
    shown_assumptions,
    watch_note,
)
from detente.report.decide_words import (
    inside,
    is_telling,
    plain,
    points_text,
    quoted,
    ratio_text,
    summary,
    title_of,
    who_moves,
    worth_text,
)
from detente.report.words import percent

NUM_COMMITMENTS = 8


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
    structure = decision.scenario.structure_name
    if structure in file.structures:
        heading.append(f"\nUnder the structure “{file.structures[structure].title}”", style="bold")
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
        ("Which policy is most robust, and for whom", [_robust_table(decision)], robust_note(decision)),
        (f"What each policy costs {inside(by)}", [_cost_table(decision)], _cost_note(decision)),
        (
            f"In which worlds “{title_of(decision, decision.preferred)}” fails",
            [_card_table(decision)],
            f"A policy fails where an outcome is worse than in nine worlds of ten under “"
            f"{title_of(decision, decision.baseline)}”, unless --fails says otherwise ({good}). "
            "Percentages: of failures that lie there; of worlds there that fail; of all worlds that lie there.",
        ),
        ("How often each policy fails", [_failing_table(decision)], "Share of worlds; thresholds as above."),
        ("What to find out first", [_findings_table(decision)], findings_note(decision)),
        ("What to watch next", _watch_tables(decision), watch_note(decision)),
        ("Key assumptions", [_assumptions_table(decision)], assumptions_note(decision)),
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
        row = robust_row(decision, name)
        agree = row["agree"] + (" · disagree" if row["disagree"] else "")
        table.add_row(Text(row["title"]), Text(row["best"]), Text(row["loses"]), Text(agree))
    return table


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
                f" {quoted(decision, policy)} would be better on average if such worlds were {percent(share)} of all."
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
        table.add_row(*(Text(text) for text in finding_row(decision, item).values()))
    return table


def _watch_tables(decision: Decision) -> list[Table]:
    name = next(iter(decision.indicators), None)
    if name is None:
        return []
    table = _table("Move", "If seen", "Chance", "Forecast", "Ratio", "Moves ahead", "Tells", wide=1)
    for item in sorted(decision.indicators[name].items, key=lambda i: i.depth):
        shown = [s for s in item.signs if is_telling(s)]
        for index, sign in enumerate(shown):
            begin = (Text(who_moves(decision, item)), Text(f"{item.lead:.1f}"), Text(percent(item.share)))
            who, lead, share = begin if index == 0 else (Text(""), Text(""), Text(""))
            seen = Text(sign.option or "(not reached)")
            chance, forecast = Text(percent(sign.probability)), Text(percent(sign.forecast))
            table.add_row(who, seen, chance, forecast, Text(ratio_text(sign.likelihood_ratio)), lead, share)
    return [table]


def _assumptions_table(decision: Decision) -> Table:
    first = decision.criteria[decision.headlines[0]]
    table = _table("Assumption", "Kind", "Grade", f"{first.title} if it errs", "Difference")
    for item in shown_assumptions(decision):
        table.add_row(*(Text(text) for text in assumption_row(decision, item).values()))
    return table


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
    console.print(Text(f"The best of {len(found.found)} commitments for {inside(by)}, by {found.metric}", style="bold"))
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
