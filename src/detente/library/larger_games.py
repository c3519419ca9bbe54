"""Larger published games in the language: Leduc poker, liar's dice, dark hex; for testing against published answers."""

from fractions import Fraction
from itertools import count
from string import ascii_lowercase
from typing import Any

from detente.model.language import Crisis, Player, crisis, players

SEATS = ONE, TWO = players("player 1", "player 2")


def _draw(g: Any, move: str, cards: tuple[str, ...], seen_by: Player | tuple[Player, ...]) -> str:
    """One of the cards, each as likely as the others."""
    return g.chance(move, dict.fromkeys(cards, Fraction(1, len(cards))), seen_by=seen_by)


def _end(g: Any, winner: Player | None, stake: int, **outcomes: Any) -> dict:
    """The winner takes the other's stake; a draw gives both theirs back."""
    g.outcome(winner=winner.name if winner else "nobody", **outcomes)
    return {seat: 0 if winner is None else stake if seat == winner else -stake for seat in SEATS}


# -- Leduc poker (Southey et al. 2005; OpenSpiel: leduc_poker) -------------------------------------
RANKS = ("jack", "queen", "king")
DECK = tuple(f"{rank} of {suit}" for rank in RANKS for suit in ("hearts", "spades"))
MAX_RAISES = 2


@crisis(players=SEATS)
def leduc_poker(g: Any, p: Any) -> dict:
    """Leduc poker: one private card each, one public card, two rounds of bets."""
    stakes = dict.fromkeys(SEATS, 1)
    mine = _draw(g, f"card of {ONE}", DECK, ONE)
    yours = _draw(g, f"card of {TWO}", tuple(c for c in DECK if c != mine), TWO)
    winner, showdown = _bet(g, stakes, "round 1", size=2), False
    if winner is None:
        public = _draw(g, "public card", tuple(c for c in DECK if c not in (mine, yours)), SEATS)
        winner = _bet(g, stakes, "round 2", size=4)
        if winner is None:
            winner, showdown = _better(mine, yours, public), True
    # What the winner takes is the smaller stake: who folds has not matched the last raise.
    return _end(g, winner, min(stakes.values()), pot=sum(stakes.values()), showdown=showdown)


def _bet(g: Any, stakes: dict[Player, int], name: str, *, size: int) -> Player | None:
    """One round of bets, which changes the stakes; who is left when the other folds, or None where nobody does."""
    raises = 0
    for turn in count(1):
        seat = SEATS[(turn - 1) % 2]
        owed = max(stakes.values()) - stakes[seat]
        options = (("fold", "call") if owed else ("check",)) + (("raise",) if raises < MAX_RAISES else ())
        choice = g.choose(seat, f"{name}, turn {turn}", options, seen_by=SEATS)
        if choice == "fold":
            return SEATS[turn % 2]
        stakes[seat] += owed
        if choice == "raise":
            stakes[seat] += size
            raises += 1
        elif turn > 1:  # both have spoken, and nothing is owed
            return None
    raise AssertionError("unreachable: the number of raises is limited")


def _better(mine: str, yours: str, public: str) -> Player | None:
    """Who has the better private card, or None where they are worth the same: a pair beats every rank."""
    shown = public.split()[0]
    ranks = [card.split()[0] for card in (mine, yours)]
    first, second = ((rank == shown, RANKS.index(rank)) for rank in ranks)
    return None if first == second else ONE if first > second else TWO


# -- Liar's dice (OpenSpiel: liars_dice, one die each) ---------------------------------------------
def _liars_dice(sides: int, name: str, title: str) -> Crisis:
    """Liar's dice with one die each: bids on both dice must rise until somebody doubts; the highest face is wild."""
    faces = dict.fromkeys(map(str, range(1, sides + 1)), Fraction(1, sides))
    bids = [(number, face) for number in (1, 2) for face in range(1, sides + 1)]
    labels = tuple(f"one {face}" if number == 1 else f"two {face}s" for number, face in bids)

    def rules(g: Any, p: Any) -> dict:
        dice = [int(g.chance(f"die of {seat}", faces, seen_by=seat)) for seat in SEATS]
        bid = None
        for turn in count(1):
            bidder, doubter = SEATS[turn % 2], SEATS[(turn - 1) % 2]  # of the last bid; the doubter is to move
            options = labels if bid is None else (*labels[labels.index(bid) + 1 :], "liar")
            choice = g.choose(doubter, f"turn {turn}", options, seen_by=SEATS)
            if choice == "liar":
                break
            bid = choice
        number, face = bids[labels.index(bid)]
        holds = sum(die in (face, sides) for die in dice) >= number
        return _end(g, bidder if holds else doubter, 1, bid=bid, bid_holds=holds)

    rules.__name__, rules.__doc__ = name, title
    return crisis(players=SEATS)(rules)


liars_dice = _liars_dice(4, "liars_dice", "Liar's dice: one die of four sides each, the highest face is wild.")


# -- Dark hex (OpenSpiel: dark_hex, gameversion=adh) -----------------------------------------------
Cell = tuple[int, int]  # row, column
NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, -1), (-1, 1))


def _dark_hex(size: int, name: str, title: str) -> Crisis:
    """Abrupt dark hex: nobody sees the other's stones; trying a taken cell shows the stone and costs the turn."""
    cells = {f"{ascii_lowercase[column]}{row + 1}": (row, column) for row in range(size) for column in range(size)}

    def rules(g: Any, p: Any) -> dict:
        stones: dict[Cell, Player] = {}
        tried: dict[Player, set[str]] = {seat: set() for seat in SEATS}
        for turn in count(1):
            seat = SEATS[(turn - 1) % 2]
            # There is always something to try: a cell that was tried holds a stone, and a full board has a winner.
            cell = g.choose(seat, f"turn {turn}", tuple(c for c in cells if c not in tried[seat]))
            tried[seat].add(cell)
            owner = stones.setdefault(cells[cell], seat)
            g.tell(seat, f"stone on {cell}", "own" if owner == seat else "the other's")
            if _joins(stones, seat, size):
                return _end(g, seat, 1, turns=turn)
        raise AssertionError("unreachable: somebody has won when the board is full")

    rules.__name__, rules.__doc__ = name, title
    return crisis(players=SEATS)(rules)


def _joins(stones: dict[Cell, Player], seat: Player, size: int) -> bool:
    """Whether a player's stones join its two sides: top and bottom for the first, left and right for the second."""
    axis = SEATS.index(seat)
    own = {cell for cell, owner in stones.items() if owner == seat}
    reached = [cell for cell in own if cell[axis] == 0]
    for row, column in reached:  # grows while it is walked
        around = {(row + down, column + right) for down, right in NEIGHBOURS}
        reached.extend(sorted((own & around).difference(reached)))
    return any(cell[axis] == size - 1 for cell in reached)


dark_hex = _dark_hex(2, "dark_hex", "Dark hex on two by two cells: trying a taken cell costs the turn.")
