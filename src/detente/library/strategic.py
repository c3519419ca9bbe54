"""The strategic models that R's games estimates, as ordinary crisis files: trees 12, 122 and 123 (signorino1999).

A terminal is named by its number in a binary tree counted breadth first within the drawing of the original papers, so
that ``u14`` is the payoff of player 1 at terminal 4. Payoffs that are not identified are zero.
"""

from dataclasses import dataclass
from typing import Any

from detente.model.language import Crisis, crisis, players

ONE, TWO, THREE = players("player 1", "player 2", "player 3")
MOVES = ("left", "right")


@crisis(players=(ONE, TWO))
def strategic_12(g: Any, p: Any) -> dict:
    """One acts or not; if it does, two resists or not (1: no act; 3: act and give in; 4: act and resist)."""
    if g.choose(ONE, "move of 1", MOVES, seen_by=TWO) == "left":
        g.outcome(terminal="1")
        return {ONE: p.u11, TWO: 0}
    if g.choose(TWO, "move of 2", MOVES, seen_by=ONE) == "left":
        g.outcome(terminal="3")
        return {ONE: p.u13, TWO: 0}
    g.outcome(terminal="4")
    return {ONE: p.u14, TWO: p.u24}


@crisis(players=(ONE, TWO))
def strategic_122(g: Any, p: Any) -> dict:
    """One moves left or right, then two does (1: left left; 2: left right; 3: right left; 4: right right)."""
    first = g.choose(ONE, "move of 1", MOVES, seen_by=TWO)
    second = g.choose(TWO, "move of 2", MOVES, seen_by=ONE)
    terminal = 1 + 2 * MOVES.index(first) + MOVES.index(second)
    g.outcome(terminal=str(terminal))
    of_one = {1: p.u11, 2: p.u12, 3: p.u13, 4: p.u14}
    of_two = {1: 0, 2: p.u22, 3: 0, 4: p.u24}
    return {ONE: of_one[terminal], TWO: of_two[terminal]}


@crisis(players=(ONE, TWO, THREE))
def strategic_123(g: Any, p: Any) -> dict:
    """Three in turn, each of whom may stop it (1, 3, 5: stopped by one, two, three; 6: by nobody)."""
    if g.choose(ONE, "move of 1", MOVES, seen_by=(TWO, THREE)) == "left":
        g.outcome(terminal="1")
        return {ONE: p.u11, TWO: 0, THREE: 0}
    if g.choose(TWO, "move of 2", MOVES, seen_by=(ONE, THREE)) == "left":
        g.outcome(terminal="3")
        return {ONE: p.u13, TWO: p.u23, THREE: 0}
    if g.choose(THREE, "move of 3", MOVES, seen_by=(ONE, TWO)) == "left":
        g.outcome(terminal="5")
        return {ONE: p.u15, TWO: p.u25, THREE: 0}
    g.outcome(terminal="6")
    return {ONE: p.u16, TWO: p.u26, THREE: p.u36}


@dataclass(frozen=True)
class StrategicModel:
    """A published strategic model: its rules, and how data name its terminals.

    Attributes:
        name: In a model file.
        crisis: The rules.
        payoffs: Names of the payoffs that may have an equation, in the order of R's games.
        aliases: Other words for a terminal: paths, and the words of data that are often used.
    """

    name: str
    crisis: Crisis
    payoffs: tuple[str, ...]
    aliases: dict[str, str]


STRATEGIC = {
    model.name: model
    for model in (
        StrategicModel(
            "strategic-12",
            strategic_12,
            ("u11", "u13", "u14", "u24"),
            {
                "L": "1",
                "RL": "3",
                "RR": "4",
                "sq": "1",
                "status quo": "1",
                "no attack": "1",
                "capit": "3",
                "capitulation": "3",
                "devaluation": "3",
                "war": "4",
                "defense": "4",
            },
        ),
        StrategicModel(
            "strategic-122",
            strategic_122,
            ("u11", "u12", "u13", "u14", "u22", "u24"),
            {"LL": "1", "LR": "2", "RL": "3", "RR": "4"},
        ),
        StrategicModel(
            "strategic-123",
            strategic_123,
            ("u11", "u13", "u15", "u16", "u23", "u25", "u26", "u36"),
            {"L": "1", "RL": "3", "RRL": "5", "RRR": "6"},
        ),
    )
}
