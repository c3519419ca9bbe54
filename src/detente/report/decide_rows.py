"""The tables of a decision as rows of text, for the terminal and the page alike."""

import math
from typing import Any

from detente.decide.analysis import Decision, Finding
from detente.decide.assumptions import Assumption
from detente.decide.indicators import Indicator
from detente.report.decide_words import (
    grade_text,
    inside,
    is_telling,
    ninetieth,
    parameter_value,
    plain,
    points_text,
    ratio_text,
    sentences,
    title_of,
    who_moves,
    worth_text,
)
from detente.report.words import percent

NUM_FINDINGS, NUM_ASSUMPTIONS = 6, 7
ON_PAPER = 2  # cards that fit on paper; the screen shows all


def robust_row(decision: Decision, name: str) -> dict[str, Any]:
    """How robust the policies are by one criterion.

    Args:
        decision: The decision.
        name: Of the criterion.
    """
    criterion = decision.criteria[name]
    whole = len(criterion.best) == len(decision.ensemble.policies)
    return {
        "title": f"{criterion.title}{', payoff' if criterion.kind == 'payoff' else ''}",
        "best": "all alike" if whole else " or ".join(title_of(decision, p) for p in criterion.best),
        "loses": points_text(criterion, ninetieth(decision, criterion, criterion.best[0])),
        "agree": f"{criterion.agreeing} of {criterion.agreeing + len(criterion.dissent)}",
        "disagree": bool(criterion.dissent),
        "paper": criterion.kind == "payoff",
    }


def robust_note(decision: Decision) -> str:
    """What stands below the table of the most robust policies."""
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


def finding_row(decision: Decision, item: Finding) -> dict[str, str]:
    """One parameter as something to find out.

    Args:
        decision: The decision.
        item: What is known of it.
    """
    first = decision.criteria[decision.headlines[0]]
    return {
        "title": decision.scenario.parameter_title(item.parameter),
        "basis": grade_text(decision, item.parameter),
        "swing": f"{worth_text(first, item.swing.low)} → {worth_text(first, item.swing.high)}",
        "share": _share(item),
        "worth": _worth(decision, item),
        "flip": _flip(decision, item),
    }


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


def findings_note(decision: Decision) -> str:
    """What stands below the table of what to find out."""
    whole = decision.information.everything
    by = decision.criteria[decision.by]
    all_said = f"{100 * whole:.2f} points" if by.kind == "flag" else f"{whole:.3f}"
    return (
        "Low → high: average in the tenth of worlds where the parameter is lowest, and highest. Share: of the "
        "variance, first-order Sobol index and its 90 % interval, from the same worlds "
        f"({decision.indices.num_worlds:,}; no design); all together {percent(max(decision.indices.explained, 0.0))}. "
        f"Worth: what {inside(by)} would gain on average by knowing it "
        f"before choosing; knowing everything: {all_said}. –: by a first look it would not change the choice."
    )


def watch_row(decision: Decision, item: Indicator) -> dict[str, Any]:
    """One move as something to watch.

    Args:
        decision: The decision.
        item: What it would say.
    """
    return {
        "who": who_moves(decision, item),
        "signs": [
            {
                "option": sign.option or "not reached",
                "forecast": percent(sign.forecast),
                "ratio": ratio_text(sign.likelihood_ratio),
            }
            for sign in item.signs
            if is_telling(sign)
        ],
        "lead": f"{item.lead:.1f}",
        "share": percent(item.share),
    }


def watch_note(decision: Decision) -> str:
    """What stands below the table of what to watch."""
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


def assumption_row(decision: Decision, item: Assumption) -> dict[str, str]:
    """One assumption, and what it would change if it erred.

    Args:
        decision: The decision.
        item: The assumption.
    """
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


def _is_structure(item: Assumption) -> bool:
    return item.kind == "structure"


def assumptions_note(decision: Decision) -> str:
    """What stands below the table of assumptions."""
    counted = sum(1 for a in decision.assumptions if not _is_structure(a))
    return (
        f"The {min(NUM_ASSUMPTIONS, counted)} of {counted} priors that change it most, then the structure. A prior: "
        "average in the tenth of worlds where it is lowest → highest. Structure: as assumed → otherwise. Grade of the "
        "evidence: 1 confirmed … 6 cannot be judged; –: none cited."
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
        "robust": [robust_row(decision, name) for name in decision.criteria],
        "robust_note": robust_note(decision),
        "cards": [
            {"text": plain(card.text), "paper": index < ON_PAPER and card.num_failures > 0}
            for index, card in enumerate(decision.cards)
        ],
        "baseline": title_of(decision, decision.baseline),
        "preferred": title_of(decision, decision.preferred),
        "headline": decision.criteria[first].title,
        "find_out": [finding_row(decision, item) for item in decision.findings[:NUM_FINDINGS]],
        "find_out_note": findings_note(decision),
        "watched": "" if flag is None else decision.criteria[flag].title,
        "watch": [] if flag is None else [watch_row(decision, item) for item in decision.indicators[flag].items],
        "watch_note": watch_note(decision),
        "assumptions": [assumption_row(decision, item) for item in shown_assumptions(decision)],
        "assumptions_note": assumptions_note(decision),
    }


def _page_summary(decision: Decision) -> list[dict[str, str]]:
    """Sentences; for paper only those whose tables are on the screen; the card stands in the list anyway."""
    only = {"find out": "paper", "watch": "paper", "for whom": "screen"}  # on paper the table is short
    said = sentences(decision)
    return [{"text": text, "only": only.get(about, "")} for about, text in said.items() if about != "failure"]
