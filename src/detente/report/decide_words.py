"""A decision in words: its figures as people read them, and the answer in a few sentences."""

import math

from detente.decide.analysis import Criterion, Decision
from detente.decide.indicators import Indicator, Sign
from detente.decide.search import SEPARATOR
from detente.model.names import with_article
from detente.report.words import percent

LEAST_SIGN = 0.01  # options less likely than this are left out of the terminal
LEAST_SHARE = 0.01  # of what there is to know, below which a move is no warning
LEAST_RATIO = 1.1  # signs that say less, one way or the other, are left out


# -- figures ---------------------------------------------------------------------------------------
def title_of(decision: Decision, policy: str) -> str:
    """What a policy is called."""
    return decision.scenario.file.policies[policy].title


def inside(criterion: Criterion) -> str:
    """What a criterion is called inside a sentence: a player with its article.

    Args:
        criterion: A player's payoff, or an outcome.
    """
    return with_article(criterion.title) if criterion.kind == "payoff" else criterion.title


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


def quoted(decision: Decision, policy: str) -> str:
    """What a policy is called, in quotation marks."""
    return f"“{title_of(decision, policy)}”"


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


def is_telling(sign: Sign) -> bool:
    """Whether a sign says something, and can come."""
    return sign.probability >= LEAST_SIGN and not 1 / LEAST_RATIO < sign.likelihood_ratio < LEAST_RATIO


def ninetieth(decision: Decision, criterion: Criterion, policy: str) -> float:
    """90th percentile of regret."""
    from detente.decide.regret import quantiles, regrets
    from detente.decide.search import criterion_values

    lost = regrets(
        criterion_values(decision.ensemble, criterion.name), decision.ensemble.policies, better=criterion.better
    )
    return float(quantiles(lost[:, decision.ensemble.policy_index(policy)], [0.9])[0])


# -- sentences -------------------------------------------------------------------------------------
def summary(decision: Decision) -> tuple[str, ...]:
    """The answer in a few sentences: what is robust and for whom, what it costs, what to find out, what to watch.

    Args:
        decision: The decision.

    Returns:
        Four to six sentences; every figure in them stands in a table as well.
    """
    return tuple(sentences(decision).values())


def sentences(decision: Decision) -> dict[str, str]:
    """The sentences of the answer by what they are about, in order; one that has nothing to say is not among them.

    Args:
        decision: The decision.
    """
    found = {
        "robust": _robust(decision),
        "for whom": _for_whom(decision),
        "cost": _cost(decision),
        "failure": plain(decision.cards[0].text),
        "find out": _find_out(decision),
        "watch": _watch(decision),
    }
    return {about: text for about, text in found.items() if text}


def _robust(decision: Decision) -> str:
    by = decision.criteria[decision.by]
    row = next(r for r in by.regret if r.policy == decision.preferred)
    whose = f"For {inside(by)}" if by.kind == "payoff" else f"On “{by.title}”"
    high = points_text(by, ninetieth(decision, by, decision.preferred))
    text = (
        f"{whose}, {quoted(decision, decision.preferred)} ({_committed(decision)}) is the most robust of "
        f"{len(decision.ensemble.policies)} policies ({decision.metric}): it is the best in "
        f"{percent(1 - decision.beaten)} of worlds; it loses at most {high} in nine worlds of ten against the best "
        f"policy there, and {points_text(by, row.mean)} on average"
    )
    return f"{text}. {_agreement(decision, by)}"


def _agreement(decision: Decision, by: Criterion) -> str:
    if not by.dissent:
        return "All metrics that say how good a policy is agree."
    others: dict[str, list[str]] = {}
    for metric, best in by.dissent.items():
        others.setdefault(best[0], []).append(metric)
    said = ", ".join(f"{quoted(decision, p)} by {' and '.join(metrics)}" for p, metrics in others.items())
    return f"The metrics disagree: it leads by {by.agreeing} of {by.agreeing + len(by.dissent)}; {said}."


def _for_whom(decision: Decision) -> str:
    """The other players, those of one mind together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, criterion in decision.criteria.items():
        if criterion.kind == "payoff" and name != decision.by:
            groups.setdefault(criterion.best, []).append(inside(criterion))
    said = [f"for {' and '.join(who)} {' or '.join(quoted(decision, p) for p in b)}" for b, who in groups.items()]
    return f"By the same metric the most robust is {', '.join(said)}." if said else ""


def _cost(decision: Decision) -> str:
    by, first = decision.criteria[decision.by], decision.criteria[decision.headlines[0]]
    lost = by.regret_worst_tenth[decision.preferred]
    others = [v for p, v in first.worst_tenth.items() if p != decision.preferred]
    low, high = worth_text(first, min(others)), worth_text(first, max(others))
    return (
        f"In its worst tenth of worlds {quoted(decision, decision.preferred)} loses {points_text(by, lost)} against "
        f"the best policy there; “{first.title}” in its own worst tenth averages "
        f"{worth_text(first, first.worst_tenth[decision.preferred])} (other policies {low} to {high})."
    )


def _find_out(decision: Decision) -> str:
    first = decision.findings[0]
    title = decision.scenario.parameter_title(first.parameter)
    text = f"Find out first: the {title} ({grade_text(decision, first.parameter)})"
    if first.flip is None:
        return f"{text}; no single parameter has a threshold at which another policy is clearly better."
    flip, by = first.flip, decision.criteria[decision.by]
    return (
        f"{text}. {flip.side.capitalize()} {parameter_value(decision, flip.parameter, flip.value)} "
        f"({percent(flip.share)} of worlds) {quoted(decision, flip.policy)} is better, by "
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
    sign = next(s for s in item.signs if is_telling(s))
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
    telling = [i for i in found if any(is_telling(s) for s in i.signs)]
    return tuple(sorted(telling, key=lambda i: i.depth))


def _name(decision: Decision, role: str) -> str:
    return decision.scenario.file.who.get(role, role)


def _committed(decision: Decision) -> str:
    """What the preferred policy binds its player to."""
    commit = decision.scenario.file.policies[decision.preferred].commit
    return SEPARATOR.join(f"{move}: {option}" for move, option in commit.items()) or "no commitment"
