"""Games in which what one side does tells the other who it is: breakfast, a challenge, a crisis before an audience."""

from fractions import Fraction
from math import exp, inf, pi, sqrt
from statistics import NormalDist
from typing import Any

from detente.model.language import Crisis, Player, crisis, players

SENDER, RECEIVER = players("sender", "receiver")


@crisis(players=(SENDER, RECEIVER))
def beer_quiche(g: Any, p: Any) -> dict:
    """Beer and quiche: a weak sender may imitate a strong one to be spared a duel.

    The sender is weak with probability ``weak``. The strong like beer for breakfast and the weak like quiche, which is
    worth 1 to them; being spared a duel is worth 2. The receiver sees the breakfast and wants to duel with the weak
    only. If the weak are the fewer, both types have the same breakfast and nobody duels: with beer, or with quiche if a
    beer drinker is believed to be weak, a belief that the authors' intuitive criterion rules out. If the weak are the
    more, the strong drink beer, the weak do so with probability (1 − weak) / weak, and half of the beer drinkers have
    to duel, as has everybody with quiche. The principal branch leads to beer.

    Simplified: nothing.

    Source:
        cho1987.
    """
    weak = g.chance("type", {"weak": p.weak, "strong": 1 - p.weak}, seen_by=SENDER) == "weak"
    breakfast = g.choose(SENDER, "breakfast", ("beer", "quiche"), seen_by=RECEIVER)
    duel = g.choose(RECEIVER, "answer", ("duel", "spare")) == "duel"
    liked = breakfast == ("quiche" if weak else "beer")
    g.outcome(duel=duel)
    return {SENDER: liked + 2 * (not duel), RECEIVER: int(duel == weak)}


# -- A challenge (lewis2003) -----------------------------------------------------------------------
A, B = players("A", "B")


def _shocks(num: int) -> list[Fraction]:
    """Means of the standard normal distribution within parts that are equally likely, lowest first."""
    normal = NormalDist()
    edges = [-inf, *(normal.inv_cdf(k / num) for k in range(1, num)), inf]
    density = [exp(-edge * edge / 2) / sqrt(2 * pi) for edge in edges]
    return [Fraction((density[k] - density[k + 1]) * num).limit_denominator(10**6) for k in range(num)]


def _shock(g: Any, who: Player, what: str, values: list[Fraction]) -> Fraction:
    """One of the shocks, each as likely as the others, which only one player gets to know."""
    labels = {f"{k} of {len(values)}": value for k, value in enumerate(values, start=1)}
    return labels[g.chance(what, dict.fromkeys(labels, Fraction(1, len(values))), seen_by=who)]


def _crisis_signalling(num: int, name: str, title: str) -> Crisis:
    """The game of a challenge for any number of values that each private shock may have."""
    values = _shocks(num)

    def rules(g: Any, p: Any) -> dict:
        war_a = p.war_a + _shock(g, A, "A's shock to war", values)
        retreat = p.retreat + _shock(g, A, "A's shock to retreat", values)
        war_b = p.war_b + _shock(g, B, "B's shock to war", values)
        if g.choose(A, "challenge", ("none", "challenge"), seen_by=B) == "none":
            g.outcome(end="status quo")
            return {A: p.status_quo, B: 0}
        if g.choose(B, "answer", ("concede", "resist"), seen_by=A) == "concede":
            g.outcome(end="concession")
            return {A: p.gain, B: p.concede}
        if g.choose(A, "last word", ("back down", "stand firm"), seen_by=B) == "back down":
            g.outcome(end="retreat")
            return {A: retreat, B: p.rebuff}
        g.outcome(end="war")
        return {A: war_a, B: war_b}

    rules.__name__, rules.__doc__ = name, title
    return crisis(players=(A, B))(rules)


crisis_signalling = _crisis_signalling(
    3,
    "crisis_signalling",
    """A challenge, an answer, a stand or a retreat: how much a challenge says about who makes it.

    A challenges or keeps the status quo, B concedes or resists, A stands firm or backs down. A's worth of war and of
    backing down, and B's of war, have a private shock each; A knows both of its own before it challenges. Where B
    resists with probability r, A challenges if standing firm or backing down is worth more than
    c = (status_quo − (1 − r) · gain) / r, and B resists if (f · war + (1 − f) · rebuff) exceeds what conceding is
    worth, with f the chance that who has challenged stands firm. That r fits itself is one equation with one unknown.

    Simplified: a shock has three values, each as likely as the others, where the published model has the standard
    normal distribution. With more values the equilibrium comes near the published one.

    Source:
        lewis2003, in the notation of jo2011.
    """,
)


# -- A crisis before an audience (fearon1994) --------------------------------------------------------
def _audience_costs(turns: int, name: str, title: str) -> Crisis:
    """The crisis before audiences for any number of turns before war."""

    def rules(g: Any, p: Any) -> dict:
        resolved = {}
        for who, share in ((A, p.resolved_a), (B, p.resolved_b)):
            chances = {"resolved": share, "unresolved": 1 - share}
            resolved[who] = g.chance(f"type of {who}", chances, seen_by=who) == "resolved"
        cost = {A: p.audience_a, B: p.audience_b}
        for turn in range(turns):
            mover, other = (A, B) if turn % 2 == 0 else (B, A)
            if g.choose(mover, f"turn {turn}", ("hold", "back down"), seen_by=other) == "back down":
                g.outcome(backs_down=mover.name, turns=turn)
                return {mover: -turn * cost[mover], other: 1}
        g.outcome(backs_down="nobody", turns=turns)
        return {who: p.war_resolved if resolved[who] else p.war_unresolved for who in (A, B)}

    rules.__name__, rules.__doc__ = name, title
    return crisis(players=(A, B))(rules)


audience_costs = _audience_costs(
    10,
    "audience_costs",
    """A crisis before an audience: the longer a leader has held out, the more it costs to back down.

    Two sides hold out or back down in turns; if both hold out to the end there is war. Who backs down in turn t pays
    its audience t · ``audience`` and the other gains 1. War is worth ``war_resolved`` to a resolved side and
    ``war_unresolved`` to one that would rather back down whatever the audience says; each side alone knows which it is.
    While a side that is not resolved wavers between holding out in turns t and t + 2, the other backs down in between
    with probability 2a / (1 + a(t + 2)), a being the *waverer's* audience cost a turn. So once both have held out, the
    side with the larger audience costs is the less likely to back down; what war would cost has no bearing on how fast
    either gives way. Before that, in the first turn, it is the readier not to begin. Holding out shows resolve just
    because it costs something to stop.

    Simplified: turns where the published model has continuous time (between a waverer's turns t and t' the other holds
    out with the published probability (1 + a·t) / (1 + a·t')); two types of each side; and a war that comes after ten
    turns if nobody yields, where the published model lets either side attack at any time (in its equilibrium neither
    does before the horizon, at which all who would yield have done so).

    Source:
        fearon1994.
    """,
)
