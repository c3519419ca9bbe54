"""Three small games that others are built from: stag hunt, chicken, and the ultimatum."""

from fractions import Fraction
from typing import Any

from detente.model.language import crisis, players

ONE, TWO = players("player 1", "player 2")


@crisis(players=(ONE, TWO))
def stag_hunt(g: Any, p: Any) -> dict:
    """Stag hunt: a large catch together, or a small one that needs nobody.

    The security dilemma in its mildest form: both prefer to cooperate if the other does, and each is safe alone. A stag
    takes two and is worth ``stag``; a hare is caught for certain and is worth ``hare``; who waits for a stag alone gets
    nothing. With ``0 < hare < stag`` there are two strict equilibria. As errors vanish the principal branch leads to
    the stag where ``stag > 2 * hare`` and to the hares where it is less: to the one that risks less.

    Simplified: nothing; payoffs are those of the textbook with two numbers left free.

    Source:
        jervis1978 (the game as a security dilemma); turocy2005 (the branch and risk dominance).
    """
    hunts = {who: g.choose(who, f"hunt of {who}", ("stag", "hare")) for who in (ONE, TWO)}
    together = all(hunt == "stag" for hunt in hunts.values())
    g.outcome(together=together)
    return {who: p.hare if hunt == "hare" else p.stag if together else 0 for who, hunt in hunts.items()}


@crisis(players=(ONE, TWO))
def chicken(g: Any, p: Any) -> dict:
    """Chicken: each wants the other to swerve, and both dread the crash.

    Who goes straight while the other swerves gains 1 and the other loses 1; if both swerve nobody gains; if both go
    straight they lose ``crash_1`` and ``crash_2``, each more than 1. In each of the two strict equilibria one swerves.
    In the mixed one each goes straight with probability 1 / (crash of the other). As errors vanish the principal
    branch leads to the equilibrium in which the one with less to lose from a crash goes straight.

    Simplified: nothing; gains and losses short of a crash are set to 1.

    Source:
        snyder1971 (the game as a model of crises); turocy2005 (the branch and risk dominance).
    """
    drives = [g.choose(who, f"drive of {who}", ("swerve", "straight")) == "straight" for who in (ONE, TWO)]
    g.outcome(crash=all(drives))
    if all(drives):
        return {ONE: -p.crash_1, TWO: -p.crash_2}
    return {ONE: drives[0] - drives[1], TWO: drives[1] - drives[0]}


STEPS = 20


@crisis(players=(ONE, TWO))
def ultimatum(g: Any, p: Any) -> dict:
    """Ultimatum: one offers a share of a cake, the other takes it or leaves both with what they had.

    The offers are the twentieths of ``cake``. If the offer is refused the two have ``own_1`` and ``own_2``. As errors
    vanish the smallest offer above ``own_2`` is made and accepted (with complete information that is the equilibrium
    that is perfect in every subgame). If only the second player errs, at precision 1/s, the first makes the offer that
    is nearest in worth to ``cake − own_1 − s·(1 + W(exp((cake − own_1 − own_2)/s − 1)))``, with W Lambert's function.

    Simplified: offers are a grid where the estimated model has a continuum, and the first player's uncertainty about
    what it would keep is an error in choosing, not a private value.

    Source:
        guth1982 (the game); ramsay2009 (the model that is estimated).
    """
    offer = g.choose(ONE, "offer", [f"{100 * k // STEPS} %" for k in range(STEPS + 1)], seen_by=TWO)
    share = Fraction(int(offer.removesuffix(" %")), 100)
    accepted = g.choose(TWO, "answer", ("accept", "refuse")) == "accept"
    g.outcome(accepted=accepted, offered=share)
    if accepted:
        return {ONE: (1 - share) * p.cake, TWO: share * p.cake}
    return {ONE: p.own_1, TWO: p.own_2}
