"""Allies in a crisis: support that deters and emboldens, advice that restrains, promises that pass the risk on."""

from fractions import Fraction
from typing import Any

from detente.model.language import crisis, players

CHALLENGER, PROTEGE, DEFENDER = players("challenger", "protege", "defender")


@crisis(players=(CHALLENGER, PROTEGE, DEFENDER))
def tripartite_crisis(g: Any, p: Any) -> dict:
    """The tripartite crisis: a challenger makes a demand on a protege, whose defender may stand by it or not.

    The challenger makes a demand or not; the protege concedes or holds firm; the defender supports it or withholds
    support. Supported, it is for the challenger to back down or to press on, which is conflict; left alone, the protege
    accepts its loss or realigns. A *determined* challenger would rather fight than back down (else it is *hesitant*); a
    *disloyal* protege would rather realign than accept a loss (else *loyal*); a *staunch* defender would rather fight
    than see the protege realign (else *perfidious*), but would rather see it lose than fight. Each alone knows its own
    type.

    Let q be the chance that whoever makes the demand is determined. A crisis in which the defender gives support is
    then worth S = (1 − q) − q · ``war_defender`` to it (a challenger that backs down is worth 1, a loss of the protege
    −``stake``, its realignment −``realign`` to the staunch, and realign > war_defender > stake). The protege's threat
    to realign is credible enough if it is disloyal with at least t = (−stake − S) / (realign − stake).

    - Then it holds firm and the staunch support it for certain: a hesitant challenger is deterred, a determined one
      expects (1 − perfidious) · war_determined + perfidious · (disloyal · gain_realign + 1 − disloyal).
    - With less, a loyal protege holds firm just so often that who holds firm is disloyal with probability t, and the
      defender supports it with probability (1 − concede) / (1 − q · war_protege) in all: a *straddle*, which leaves a
      loyal protege in doubt and restrains it, at the price of deterring less.

    So the threat to realign, though it is made to the defender, deters a determined challenger to whom war is worth
    less than the status quo; but if it stands to gain a great deal from the realignment, a still stronger threat draws
    it into a demand.

    Simplified: a perfidious defender never gives support (at the defaults); payoffs that only fix the scale are set to
    0 and 1; conceding costs the protege ``concede`` < 1 and being left alone 1, so that a loyal protege would rather
    concede than be abandoned. The publications order payoffs and leave their sizes free; the sizes here are ours.

    Source:
        zagare2003; zagare2006 (the straddle).
    """
    determined = g.chance("type of challenger", _two("determined", p.determined, "hesitant"), seen_by=CHALLENGER)
    disloyal = g.chance("type of protege", _two("disloyal", p.disloyal, "loyal"), seen_by=PROTEGE) == "disloyal"
    perfidious = g.chance("type of defender", _two("perfidious", p.perfidious, "staunch"), seen_by=DEFENDER)
    if g.choose(CHALLENGER, "demand", ("none", "demand"), seen_by=(PROTEGE, DEFENDER)) == "none":
        g.outcome(end="status quo")
        return {CHALLENGER: p.status_quo, PROTEGE: 0, DEFENDER: 1}
    if g.choose(PROTEGE, "answer", ("concede", "hold firm"), seen_by=(CHALLENGER, DEFENDER)) == "concede":
        g.outcome(end="protege concedes")
        return {CHALLENGER: 1, PROTEGE: -p.concede, DEFENDER: -p.concession}
    if g.choose(DEFENDER, "support", ("support", "withhold"), seen_by=(CHALLENGER, PROTEGE)) == "support":
        if g.choose(CHALLENGER, "last word", ("back down", "press on"), seen_by=(PROTEGE, DEFENDER)) == "back down":
            g.outcome(end="challenger backs down")
            return {CHALLENGER: 0, PROTEGE: 0, DEFENDER: 1}
        g.outcome(end="conflict")
        fights = p.war_determined if determined == "determined" else -p.war_hesitant
        return {CHALLENGER: fights, PROTEGE: -p.war_protege, DEFENDER: -p.war_defender}
    if g.choose(PROTEGE, "alignment", ("stay", "realign"), seen_by=(CHALLENGER, DEFENDER)) == "stay":
        g.outcome(end="protege loses")
        return {CHALLENGER: 1, PROTEGE: -1, DEFENDER: -p.stake}
    g.outcome(end="protege realigns")
    return {
        CHALLENGER: p.gain_realign,
        PROTEGE: -p.realign_disloyal if disloyal else -2,
        DEFENDER: -p.realign_perfidious if perfidious == "perfidious" else -p.realign,
    }


def _two(first: str, share: Any, second: str) -> dict[str, Any]:
    """Two types and how likely each is."""
    return {first: share, second: 1 - share}


# -- Restraint by advice (fang2014) -------------------------------------------------------------------
TARGET, ALLY = players("target", "ally")
DEMANDS = tuple(Fraction(k, 10) for k in range(1, 10))


@crisis(players=(CHALLENGER, TARGET, ALLY))
def restraint_by_advice(g: Any, p: Any) -> dict:
    """Restraint by advice: an ally recommends settling or resisting, and a target that values the alliance listens.

    The challenger demands a share of what the target holds, or nothing. The ally advises the target to settle or to
    resist, and the target settles or resists. An ally joins the war that it has advised; a target that resists against
    its advice fights alone and loses the alliance, which is worth ``alliance`` to it. The target keeps 1 − demand if it
    settles; in war it expects ``alone`` or, joined, ``joined`` of the whole, less its cost, which is ``cost_high`` or
    ``cost_low`` and known to it alone. The ally cares for what the target keeps with weight ``care``, and joining
    costs it ``join``. A target whose cost of war is c then

    - settles for a demand of up to 1 − joined + c if it is advised to resist,
    - settles for a demand of up to 1 − alone + c + alliance if it is advised to settle.

    The more it values the alliance, the larger are the demands at which advice restrains it, and where every target
    listens, the ally advises settling for demands of up to 1 − joined + join / care. So an ally both lowers what is
    demanded and keeps its partner from fighting over the rest.

    Simplified: demands are a grid of tenths where the published model has a continuum; the target's cost has two
    values; whether the ally joins is settled by its advice.

    Source:
        fang2014.
    """
    cost = g.chance("cost of war", _two("low", p.often_low, "high"), seen_by=TARGET)
    demand = g.choose(CHALLENGER, "demand", ("nothing", *map(_percent, DEMANDS)), seen_by=(TARGET, ALLY))
    if demand == "nothing":
        g.outcome(war=False, advice="none", conceded=0)
        return {CHALLENGER: 0, TARGET: 1, ALLY: p.care}
    share = dict(zip(map(_percent, DEMANDS), DEMANDS, strict=True))[demand]
    advice = g.choose(ALLY, "advice", ("settle", "resist"), seen_by=(TARGET, CHALLENGER))
    if g.choose(TARGET, "answer", ("settle", "resist"), seen_by=(CHALLENGER, ALLY)) == "settle":
        g.outcome(war=False, advice=advice, conceded=share)
        return {CHALLENGER: share, TARGET: 1 - share, ALLY: p.care * (1 - share)}
    g.outcome(war=True, advice=advice, conceded=0)
    with_ally = advice == "resist"
    kept = p.joined if with_ally else p.alone
    fights = kept - (p.cost_low if cost == "low" else p.cost_high)
    return {
        CHALLENGER: 1 - kept - p.cost_challenger,
        TARGET: fights if with_ally else fights - p.alliance,
        ALLY: p.care * kept - p.join if with_ally else p.care * kept,
    }


def _percent(share: Fraction) -> str:
    return f"{int(100 * share)} %"


# -- Moral hazard (benson2012) ------------------------------------------------------------------------
PATRON, ADVERSARY = players("patron", "adversary")
PROMISES = ("none", "conditional", "probabilistic", "unconditional")


@crisis(players=(PATRON, PROTEGE, ADVERSARY))
def moral_hazard(g: Any, p: Any) -> dict:
    """Moral hazard in an alliance: a promise that deters the adversary may embolden the protege.

    A patron promises its protege help in war: none; help against an attack that was not provoked (*conditional*); help
    with probability ``chance`` (*probabilistic*); or help for certain (*unconditional*). The protege may provoke the
    adversary, which is war; if it does not, the adversary may attack, which is war too. Who began is misread with
    probability ``misread``, which matters to the conditional promise. With a chance h of help,

    - the adversary, to whom a war is worth ``prize`` against the protege alone and −``defeat`` against both, attacks
      if h is below prize / (prize + defeat);
    - the protege, to whom a war that it has provoked is worth ``spoils`` with help and −``harm_provoked`` without,
      provokes if h is above harm_provoked / (harm_provoked + spoils). (Attacked without help it loses ``harm``.)

    So without a promise there is an attack, with an unconditional one a provocation. A conditional promise brings
    peace if who began is seen well enough: ``misread`` has to be below the second threshold and below 1 minus the
    first. Where it is not, a probabilistic promise does so if ``chance`` lies between the two thresholds: the risk that
    is left is borne by the protege, and restrains it.

    Simplified: the promise binds, and its size is not chosen; provoking ends bargaining, where the published models
    derive war from a bargain that fails; an uncertain promise costs the patron ``ambiguity``, so that a clear one
    is preferred where it serves.

    Source:
        benson2012 (chapters 3 and 5); benson2014.
    """
    promise = g.choose(PATRON, "promise", PROMISES, seen_by=(PROTEGE, ADVERSARY))
    paid = p.ambiguity if promise == "probabilistic" else 0
    provoked = g.choose(PROTEGE, "protege's move", ("refrain", "provoke"), seen_by=(PATRON, ADVERSARY)) == "provoke"
    if not provoked and g.choose(ADVERSARY, "adversary's move", ("refrain", "attack")) == "refrain":
        g.outcome(war=False, helped=False, provoked=False)
        return {PATRON: -paid, PROTEGE: 0, ADVERSARY: 0}
    helped = _helps(g, p, promise, provoked)
    g.outcome(war=True, helped=helped, provoked=provoked)
    return {
        PATRON: -(p.war_joined if helped else p.war_watched) - paid,
        PROTEGE: (p.spoils if helped else -p.harm_provoked) if provoked else (0 if helped else -p.harm),
        ADVERSARY: -p.defeat if helped else p.prize,
    }


def _helps(g: Any, p: Any, promise: str, provoked: bool) -> bool:
    """Whether the patron comes to help, given what it has promised and who began."""
    if promise == "probabilistic":
        return g.chance("help", {"comes": p.chance, "stays away": 1 - p.chance}) == "comes"
    if promise == "conditional":
        read = g.chance("who is held to have begun", {"rightly": 1 - p.misread, "wrongly": p.misread})
        return provoked == (read == "wrongly")
    return promise == "unconditional"
