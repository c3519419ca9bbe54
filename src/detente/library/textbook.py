"""Small published games in the language: for learning it, and for testing against published answers."""

from fractions import Fraction
from typing import Any

from detente.model.language import Crisis, Player, crisis, players

# -- Kuhn poker (kuhn1950) ------------------------------------------------------------------------


def _kuhn(seats: tuple[Player, ...], name: str, title: str) -> Crisis:
    """Kuhn poker for any number of players: one card each from a deck of one more, one bet."""

    def rules(g: Any, p: Any) -> dict:
        deck = list(range(len(seats) + 1))
        cards: list[int] = []
        for seat in seats:
            left = [c for c in deck if c not in cards]
            share = Fraction(1, len(left))
            cards.append(int(g.chance(f"card of {seat}", {str(c): share for c in left}, seen_by=seat)))
        stakes = dict.fromkeys(seats, 1)
        folded: set[Player] = set()
        bettor = None
        for seat in seats:
            if bettor is not None:
                break
            if _acts(g, seat, seats, f"first of {seat}") == "Bet":
                bettor = seat
        if bettor is not None:
            stakes[bettor] += 1
            start = seats.index(bettor)
            for offset in range(1, len(seats)):
                seat = seats[(start + offset) % len(seats)]
                if _acts(g, seat, seats, f"answer of {seat}") == "Bet":
                    stakes[seat] += 1
                else:
                    folded.add(seat)
        pot = sum(stakes.values())
        winner = max((s for s in seats if s not in folded), key=lambda s: cards[seats.index(s)])
        g.outcome(winner=winner.name, pot=pot)
        return {s: (pot if s == winner else 0) - stakes[s] for s in seats}

    rules.__name__, rules.__doc__ = name, title
    return crisis(players=seats)(rules)


def _acts(g: Any, seat: Player, seats: tuple[Player, ...], move: str) -> str:
    return g.choose(seat, move, ("Pass", "Bet"), seen_by=seats)


kuhn_poker = _kuhn(players("player 1", "player 2"), "kuhn_poker", "Kuhn poker: three cards, one bet.")
kuhn_poker_3 = _kuhn(
    players("player 1", "player 2", "player 3"), "kuhn_poker_3", "Kuhn poker with three players: four cards, one bet."
)

# -- Selten's horse (selten1975) ------------------------------------------------------------------
ONE, TWO, THREE = players("player 1", "player 2", "player 3")


@crisis(players=(ONE, TWO, THREE))
def seltens_horse(g: Any, p: Any) -> dict:
    """Selten's horse: a subgame perfect equilibrium that is not reasonable."""

    def pay(a: int, b: int, c: int) -> dict:
        return {ONE: a, TWO: b, THREE: c}

    if g.choose(ONE, "first", ("R", "L"), seen_by=TWO) == "R":
        if g.choose(TWO, "second", ("R", "L")) == "R":
            return pay(1, 1, 1)
        return pay(4, 4, 0) if g.choose(THREE, "third", ("R", "L")) == "R" else pay(0, 0, 1)
    return pay(3, 2, 2) if g.choose(THREE, "third", ("R", "L")) == "R" else pay(0, 0, 0)


# -- Centipede with altruists (mckelvey1992) -----------------------------------------------------
RED, BLUE = players("player 1", "player 2")
INNINGS = 3
ALTRUISTS = Fraction(1, 100)


@crisis(players=(RED, BLUE))
def centipede(g: Any, p: Any) -> dict:
    """Centipede of three innings in which a few players are altruists who always pass."""
    types = {}
    for player in (RED, BLUE):
        chances = {"rational": 1 - ALTRUISTS, "altruist": ALTRUISTS}
        types[player] = g.chance(f"type of {player}", chances, seen_by=player)
    larger, smaller = Fraction(8, 10), Fraction(2, 10)
    for inning in range(1, INNINGS + 1):
        for mover, other in ((RED, BLUE), (BLUE, RED)):
            options = ("take", "pass") if types[mover] == "rational" else ("pass",)
            if g.choose(mover, f"{mover}, inning {inning}", options, seen_by=other) == "take":
                return {mover: larger, other: smaller}
            larger, smaller = 2 * larger, 2 * smaller
    return {RED: larger, BLUE: smaller}


# -- Matching pennies with unequal stakes: has a closed form -------------------------------------
@crisis(players=(RED, BLUE))
def unequal_pennies(g: Any, p: Any) -> dict:
    """Matching pennies in which heads is worth more to the first player."""
    mine = g.choose(RED, "first", ("heads", "tails"))
    yours = g.choose(BLUE, "second", ("heads", "tails"))
    same = mine == yours
    return {RED: (p.heads if mine == "heads" else 1) if same else 0, BLUE: 0 if same else 1}
