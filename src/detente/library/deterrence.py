"""Deterrence by threats that may or may not be meant: one-sided, mutual, and by a risk that nobody controls.

Who would rather fight than give in is *hard*, who would not is *soft*; each knows its own type, and the others know
only how likely it is. In all of these games giving in is worth 0, and what is fought over is worth 1 to who gains it.
"""

from typing import Any

from detente.model.language import Player, crisis, players

CHALLENGER, DEFENDER = players("challenger", "defender")


def _type(g: Any, who: Player, hard: Any) -> str:
    """Whether a player would rather fight than give in, which it alone knows."""
    return g.chance(f"type of {who}", {"hard": hard, "soft": 1 - hard}, seen_by=who)


@crisis(players=(CHALLENGER, DEFENDER))
def unilateral_deterrence(g: Any, p: Any) -> dict:
    """Unilateral deterrence: a challenger may demand a change, a defender resist, the challenger persist.

    To the challenger its gain is worth 1, the status quo ``status_quo``, giving up 0, conflict ``conflict_challenger``
    if it is hard and ``-loss_challenger`` if it is soft, with 1 > status_quo > conflict_challenger > 0. To the
    defender the status quo is worth 1, a challenger that gives up ``rebuff``, conceding 0, conflict
    ``conflict_defender`` if it is hard and ``-loss_defender`` if it is soft. Four kinds of equilibria, by how likely
    each is to be hard:

    - *deterrence*, if the defender is hard with more than (1 − status_quo) / (1 − conflict_challenger): no demand;
    - *separating*, if with less than that but more than 1 − status_quo: only a hard challenger demands;
    - *bluff*, if with less than 1 − status_quo, and the challenger is hard with less than
      t = rebuff / (rebuff + loss_defender): a soft challenger demands just so often that whoever demands is hard with
      probability t, and a soft defender resists just so often that a demand is resisted with 1 − status_quo;
    - *attack*, if the challenger is hard with more than t: both types demand, and only a hard defender resists.

    Where deterrence needs the belief that a challenger who demands is soft (*steadfast* deterrence), there are more
    equilibria; the authors hold them to be implausible, and the principal branch does not lead to them.

    Simplified: nothing in the tree; of eleven payoffs, those that only fix the scale are set to 0 and 1.

    Source:
        zagare1993; zagare2000.
    """
    hard = {CHALLENGER: _type(g, CHALLENGER, p.hard_challenger) == "hard"}
    hard[DEFENDER] = _type(g, DEFENDER, p.hard_defender) == "hard"
    demand = g.choose(CHALLENGER, "demand", ("none", "demand"), seen_by=DEFENDER)
    if demand == "none":
        g.outcome(end="status quo")
        return {CHALLENGER: p.status_quo, DEFENDER: 1}
    if g.choose(DEFENDER, "answer", ("concede", "resist"), seen_by=CHALLENGER) == "concede":
        g.outcome(end="defender concedes")
        return {CHALLENGER: 1, DEFENDER: 0}
    if g.choose(CHALLENGER, "last word", ("give up", "persist"), seen_by=DEFENDER) == "give up":
        g.outcome(end="challenger gives up")
        return {CHALLENGER: 0, DEFENDER: p.rebuff}
    g.outcome(end="conflict")
    return {
        CHALLENGER: p.conflict_challenger if hard[CHALLENGER] else -p.loss_challenger,
        DEFENDER: p.conflict_defender if hard[DEFENDER] else -p.loss_defender,
    }


A, B = players("A", "B")


@crisis(players=(A, B))
def mutual_deterrence(g: Any, p: Any) -> dict:
    """Mutual deterrence: either may upset the status quo, and the other may answer in kind or give in.

    Both first keep or upset the status quo, neither seeing what the other does; who kept it while the other did not
    then gives in or answers, and answering is conflict, as is upsetting it together. To each a gain is worth 1, the
    status quo ``status_quo``, giving in 0, conflict ``conflict`` if it is hard and ``-loss`` if it is soft, with
    1 > status_quo > conflict > 0. A hard one answers and a soft one gives in. First moves:

    - *sure-thing deterrence*: all keep the status quo; an equilibrium where each is hard with at least
      (1 − status_quo) / (1 − conflict);
    - *separating*: the hard upset it and the soft keep it; an equilibrium where each is hard with at least
      b = (1 − status_quo) / (1 − status_quo + loss);
    - *attack*: one side upsets it whatever its type, and the other's soft ones keep it and give in; an equilibrium
      where that other is hard with at most b;
    - *bluff*: the hard upset it, and so do the soft, just so often that the status quo is kept by each with
      probability 1 − b; an equilibrium where each is hard with less than b.

    Several of them exist side by side. The principal branch leads to the bluff only if the two sides are alike, and to
    an attack by the one that is the more likely to be hard otherwise.

    Simplified: both sides have the same payoffs (they may differ in how likely they are to be hard), and those that
    only fix the scale are set to 0 and 1. Further equilibria in which types mix are not listed.

    Source:
        zagare2000.
    """
    hard = {A: _type(g, A, p.hard_a) == "hard"}
    hard[B] = _type(g, B, p.hard_b) == "hard"
    upset = {who: g.choose(who, f"first move of {who}", ("keep", "upset")) == "upset" for who in (A, B)}
    for who, other in ((A, B), (B, A)):
        if upset[who] and not upset[other]:
            g.tell((A, B), "status quo", f"upset by {who}")
            if g.choose(other, f"answer of {other}", ("give in", "answer")) == "give in":
                g.outcome(end=f"{other} gives in")
                return {who: 1, other: 0}
    if not any(upset.values()):
        g.outcome(end="status quo")
        return {A: p.status_quo, B: p.status_quo}
    g.outcome(end="conflict")
    return {who: p.conflict if hard[who] else -p.loss for who in (A, B)}


@crisis(players=(CHALLENGER, DEFENDER))
def brinkmanship(g: Any, p: Any) -> dict:
    """Brinkmanship: who escalates leaves something to chance, and hopes that the other will shrink from the next step.

    A challenger may accept the status quo or escalate, the defender may then submit or escalate, and the challenger
    once more; then the defender submits. The first escalation leads to disaster with probability ``risk``, the second
    with twice that and the third with three times. Prevailing is worth 1, submitting 0, disaster −``disaster_hard`` or
    −``disaster_soft``; the status quo is worth ``status_quo`` to the challenger and 1 to the defender. Resolve is the
    largest risk that prevailing for certain is worth: 1 / (1 + disaster). With three times ``risk`` between the resolve
    of the two types, only a hard challenger takes the last step. A defender escalates against a challenger that is
    hard with probability b if b is below

        t = (1 − disaster · 2 risk / (1 − 2 risk)) / (1 + disaster · 3 risk),

    and a soft challenger gains nothing by beginning if the defender escalates with probability

        e = (1 − risk − risk · disaster_soft − status_quo) / ((1 − risk) · (1 + 2 risk · disaster_soft)).

    A hard challenger begins. If it is more likely than the t of a hard defender, soft ones begin too, and nobody
    resists. If it is less likely than the t of a soft defender, and hard defenders are rarer than e, soft challengers
    begin just so often that who begins is hard with probability t, and soft defenders escalate just so often that e is
    reached in all. So a crisis that goes on takes uncertainty about resolve, who prevails need not be the one with more
    resolve, and a challenger with more at stake in the status quo challenges just as often (it is resisted less).

    Simplified: three steps of given risks, where the published model goes on without end and lets a state attack too,
    and two types of each side in place of a continuum.

    Source:
        powell1990; powell1988.
    """
    hard = {CHALLENGER: _type(g, CHALLENGER, p.hard_challenger) == "hard"}
    hard[DEFENDER] = _type(g, DEFENDER, p.hard_defender) == "hard"
    mover, other = CHALLENGER, DEFENDER
    for step in (1, 2, 3):
        if g.choose(mover, f"step {step}", ("stay", "escalate"), seen_by=other) == "stay":
            g.outcome(disaster=False, prevails="nobody" if step == 1 else other.name)
            return {CHALLENGER: p.status_quo, DEFENDER: 1} if step == 1 else {mover: 0, other: 1}
        luck = g.chance(f"luck {step}", {"held": 1 - step * p.risk, "disaster": step * p.risk}, seen_by=(mover, other))
        if luck == "disaster":
            g.outcome(disaster=True, prevails="nobody")
            return {who: -p.disaster_hard if hard[who] else -p.disaster_soft for who in (CHALLENGER, DEFENDER)}
        mover, other = other, mover
    g.outcome(disaster=False, prevails=CHALLENGER.name)
    return {CHALLENGER: 1, DEFENDER: 0}
