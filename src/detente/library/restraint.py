"""Alliance restraint: a patron tries to limit what its protégé does to an adversary that has attacked it.

One file for every case. Payoffs are sums of named parts; utility is measured so that 1 is what a protégé of low resolve
gains from a limited strike on military targets. Who is who, how large each parameter is and on what evidence is the
business of a scenario.
"""

from collections.abc import Mapping
from typing import Any

from detente.model.language import crisis, players
from detente.model.symbols import exp, minimum

PATRON, PROTEGE, ADVERSARY = players("patron", "protege", "adversary")

MESSAGES = ("no conditions", "defence only", "strike alone", "red lines", "withhold defence")
TARGETS = ("none", "token and deniable", "military targets", "oil", "nuclear sites")
REPLIES = ("none", "limited", "mass salvo", "widen the war")
INVOLVEMENT = ("defend only", "join", "press for a halt")
SANCTIONS = "coalition sanctions"

# How far each act goes beyond what each message allows: 1 is an ordinary breach (judgement; the scale is ordinal in
# spirit).
DEFIANCE: Mapping[str, Mapping[str, float]] = {
    "no conditions": dict(zip(TARGETS, (0, 0, 0, 0, 0), strict=True)),
    "defence only": dict(zip(TARGETS, (0, 0, 0.1, 0.4, 0.5), strict=True)),
    "strike alone": dict(zip(TARGETS, (0, 0.2, 0.8, 1.0, 1.2), strict=True)),
    "red lines": dict(zip(TARGETS, (0, 0, 0, 1.0, 1.2), strict=True)),
    "withhold defence": dict(zip(TARGETS, (0, 0.3, 0.9, 1.1, 1.3), strict=True)),
}

# Rungs of the ordinal ladder of acts; targets come first because published scores of severity do not tell them apart.
RUNGS = (
    "no force",
    "token and deniable strike",
    "limited reply",
    "strike on military targets",
    "mass salvo, few impacts",
    "strike on oil",
    "strike on nuclear sites",
    "mass salvo, many impacts",
    "regional war",
)


@crisis(players=(PATRON, PROTEGE, ADVERSARY))
def restraint(g: Any, p: Any) -> dict:
    """A patron tries to restrain a protege that has been attacked by an adversary."""
    resolve = g.chance("protege resolve", {"low": 1 - p.protege_hawk, "high": p.protege_hawk}, seen_by=PROTEGE)
    zeal = g.chance("adversary resolve", {"low": 1 - p.adversary_hawk, "high": p.adversary_hawk}, seen_by=ADVERSARY)
    word = g.chance("patron's word", {"means it": p.patron_word, "bluffs": 1 - p.patron_word}, seen_by=PATRON)

    message, heard_by = _message(g, p)
    sanctions = _sanctions(g, message)
    target = g.choose(PROTEGE, "retaliation", TARGETS, seen_by=(PATRON, ADVERSARY))
    replies = REPLIES[:3] if target == "none" else REPLIES
    reply = g.choose(ADVERSARY, "reply", replies, seen_by=(PATRON, PROTEGE))
    helped = not (message == "withhold defence" and word == "means it")
    impacts = _impacts(g, p, reply, helped=helped, reinforced=message == "red lines")
    involvement = "defend only"
    if reply == "widen the war" or impacts == "many":
        involvement = g.choose(PATRON, "involvement", INVOLVEMENT, seen_by=(PROTEGE, ADVERSARY))
    then = "stop"
    if reply in ("limited", "mass salvo"):
        then = g.choose(PROTEGE, "next", ("stop", "war"), seen_by=(PATRON, ADVERSARY))

    war = reply == "widen the war" or then == "war"
    defiance = DEFIANCE[message][target]
    g.outcome(
        retaliation=target,
        reply=reply,
        regional_war=war,
        patron_involved=involvement == "join",
        alliance_strain=defiance + (not helped) * 0.5 + (war and involvement == "press for a halt") * 0.5,
        restrained=target in ("none", "token and deniable"),
        oil_or_nuclear=target in ("oil", "nuclear sites"),
        attacked_again=reply in ("mass salvo", "widen the war"),
        rung=_rung(target, reply, impacts, war),
    )
    facts = {
        "resolve": p.high_resolve if resolve == "high" else 1,
        "zeal": p.high_zeal if zeal == "high" else 1,
        "word": 1 if word == "means it" else p.bluff,
        "message": message,
        "heard_by": heard_by,
        "sanctions": sanctions,
        "target": target,
        "reply": reply,
        "impacts": impacts,
        "helped": helped,
        "involvement": involvement,
        "then": then,
        "war": war,
        "defiance": defiance,
    }
    return {
        PATRON: patron_parts(p, facts),
        PROTEGE: protege_parts(p, facts),
        ADVERSARY: adversary_parts(p, facts),
    }


# -- stages --------------------------------------------------------------------------------------
def _message(g: Any, p: Any) -> tuple[str, str]:
    """The patron's message, and who hears it in the end: protege, everybody by report, or everybody at once."""
    message = g.choose(PATRON, "message", MESSAGES, seen_by=PROTEGE)
    channel = g.choose(PATRON, "channel", ("private", "public"), seen_by=PROTEGE)
    if channel == "public":
        g.tell(ADVERSARY, "message", message)
        return message, "all"
    press = g.chance("press", {"silent": 1 - p.leak, "reports it": p.leak}, seen_by=(PATRON, PROTEGE))
    if press == "reports it":
        g.tell(ADVERSARY, "message", message)  # only now does the adversary know
        return message, "press"
    return message, "protege"


def _sanctions(g: Any, message: str) -> bool:
    """Whether the coalition punishes the adversary: part of the bargain with red lines, else a choice."""
    if message == "red lines":
        g.tell(ADVERSARY, "sanctions", SANCTIONS)
        return True
    if message in ("defence only", "strike alone"):
        return g.choose(PATRON, "sanctions", ("none", SANCTIONS), seen_by=(PROTEGE, ADVERSARY)) == SANCTIONS
    return False


def _impacts(g: Any, p: Any, reply: str, *, helped: bool, reinforced: bool) -> str:
    """How many missiles of a salvo get through (hughes1995, armstrong2005)."""
    if reply != "mass salvo":
        return "few"
    arriving = p.salvo * p.reliability
    engaged = minimum(1, p.magazine * (1 + (p.reinforcement if reinforced else 0)) / arriving)
    share = 1 if helped else 1 - p.patron_share
    leakers = arriving * (1 - p.interception * share * engaged)
    many = 1 / (1 + exp((p.many_impacts - leakers) / p.impact_spread))
    return g.chance("impacts", {"few": 1 - many, "many": many}, seen_by=(PATRON, PROTEGE, ADVERSARY))


def _rung(target: str, reply: str, impacts: str, war: bool) -> int:
    """Highest rung of the ladder that a history reaches."""
    reached = [{"none": 0, "token and deniable": 1, "military targets": 3, "oil": 5, "nuclear sites": 6}[target]]
    if reply == "limited":
        reached.append(2)
    if reply == "mass salvo":
        reached.append(7 if impacts == "many" else 4)
    if war:
        reached.append(8)
    return max(reached)


# -- payoffs, part by part -----------------------------------------------------------------------
def protege_parts(p: Any, f: Mapping[str, Any]) -> dict[str, Any]:
    """The protégé's payoff: what it gains by force, its face at home, the alliance, the harm done to it, war."""
    gain = {
        "none": 0,
        "token and deniable": p.token_gain,
        "military targets": 1,
        "oil": p.oil_gain,
        "nuclear sites": p.nuclear_gain,
    }
    shame = {"none": 1, "token and deniable": 1 - p.token_face}
    risk = {
        "military targets": p.strike_risk,
        "oil": p.strike_risk + p.isolation / 2,
        "nuclear sites": 2 * p.strike_risk + p.isolation,
    }
    harm = {"none": 0, "limited": p.harm_limited, "widen the war": 0}
    harm["mass salvo"] = p.harm_many if f["impacts"] == "many" else p.harm_few
    stopped_after = {"limited": 0.3, "mass salvo": 1 if f["impacts"] == "many" else 0.5}
    cover = 1 - p.halt_cover if f["involvement"] == "press for a halt" else 1
    complied = f["message"] == "red lines" and f["defiance"] == 0
    return {
        "security": f["resolve"] * gain[f["target"]],
        "face": -f["resolve"] * p.face * shame.get(f["target"], 0),
        "risk of the strike": -risk.get(f["target"], 0),
        "alliance": -p.alliance * f["word"] * f["defiance"],
        "reward": f["word"] * p.reward if complied else 0,
        "sanctions": p.sanctions_value if f["sanctions"] else 0,
        "harm": -harm[f["reply"]],
        "backing": p.join_gain * (1 + f["war"]) if f["involvement"] == "join" else 0,
        "face after the reply": (
            -f["resolve"] * p.face * stopped_after[f["reply"]] * cover
            if f["then"] == "stop" and f["reply"] in stopped_after
            else 0
        ),
        "war": -p.war_protege if f["war"] else 0,
        "refusing a halt": -p.alliance / 2 if f["then"] == "war" and f["involvement"] == "press for a halt" else 0,
    }


def adversary_parts(p: Any, f: Mapping[str, Any]) -> dict[str, Any]:
    """The adversary's payoff: damage suffered, face, what its reply achieves and costs, sanctions, war."""
    damage = {"none": 0, "token and deniable": p.damage_token, "military targets": p.damage_military}
    damage |= {"oil": p.damage_oil, "nuclear sites": p.damage_nuclear}
    suffered = damage[f["target"]]
    seen = 1 - p.deniability if f["target"] == "token and deniable" else 1
    # Each rung answers a share of what the rung below left unanswered.
    left = 1 - p.limited_face
    unanswered = {"none": 1, "limited": left, "mass salvo": left * left, "widen the war": 0}[f["reply"]]
    achieved = {"limited": p.hit_limited, "widen the war": p.hit_many}
    achieved["mass salvo"] = p.hit_many if f["impacts"] == "many" else p.hit_few
    cost = {"limited": p.cost_limited, "mass salvo": p.cost_salvo, "widen the war": p.cost_salvo}
    # A reply to an act that can be passed over is unprovoked in the eyes of others, and so is one to no act at all.
    unprovoked = {"none": 1, "token and deniable": p.deniability}.get(f["target"], 0)
    large = f["reply"] in ("mass salvo", "widen the war")
    return {
        "damage": -suffered,
        "face": -f["zeal"] * p.adversary_face * suffered * seen * unanswered,
        "effect of the reply": f["zeal"] * achieved.get(f["reply"], 0),
        "cost of the reply": -cost.get(f["reply"], 0),
        "blame": -p.blame * unprovoked if f["reply"] != "none" else 0,
        "sanctions": -p.sanctions_cost * (1 + large) if f["sanctions"] else 0,
        "patron joins": -p.join_damage if f["involvement"] == "join" else 0,
        "war": -p.war_adversary if f["war"] else 0,
    }


def patron_parts(p: Any, f: Mapping[str, Any]) -> dict[str, Any]:
    """The patron's payoff: war, its own involvement, its word, the alliance, the price of oil, its audience."""
    said_join = f["message"] == "no conditions"
    joined = f["involvement"] == "join"
    faced = f["reply"] == "widen the war" or f["impacts"] == "many"  # the moment at which its word is tested
    broke_word = faced and joined != said_join
    rebuke = {"no conditions": 0, "defence only": 0.2, "strike alone": 0.5, "red lines": 0.3, "withhold defence": 1}
    heard = {"all": 1, "press": p.leak_share, "protege": 0}[f["heard_by"]]
    hurt = {"none": 0, "limited": 0.3, "mass salvo": 2 if f["impacts"] == "many" else 1, "widen the war": 1}[f["reply"]]
    target_cost = {"oil": p.oil_cost, "nuclear sites": p.nuclear_cost}
    large = f["target"] in ("military targets", "oil", "nuclear sites")
    return {
        "war": -p.war_patron if f["war"] else 0,
        "joining": -p.join_cost if joined else 0,
        "standing by": -p.stand_by if faced and not joined else 0,
        "word": -p.renege * f["word"] if broke_word else 0,
        "ally hurt": -p.ally_hurt * hurt,
        "defence withheld": -p.abandon * (1 + hurt) if f["message"] == "withhold defence" else 0,
        "target": -target_cost.get(f["target"], 0),
        "defied": -p.defied * f["defiance"] * (1 + heard),
        "rebuke": -p.rebuke * rebuke[f["message"]] * heard,
        "seen to approve": -p.complicity if said_join and large else 0,
        "sanctions": -p.sanctions_effort if f["sanctions"] else 0,
        "reinforcement": -p.reward_effort if f["message"] == "red lines" else 0,
    }
