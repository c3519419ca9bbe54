"""The library: every game by name, with where it comes from; rules are imported when they are used."""

import importlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from detente.errors import UsageError, nearest

if TYPE_CHECKING:
    from detente.model.language import Crisis


@dataclass(frozen=True)
class LibraryGame:
    """A game of the library.

    Attributes:
        name: By which commands find it.
        title: The first line of its rules' docstring.
        rules: Where its rules are, ``module:function``.
        source: Citation key of the publication, or where it is described.
        defaults: Value of every parameter, to solve it without a scenario.
    """

    name: str
    title: str
    rules: str
    source: str
    defaults: dict[str, float]

    @cached_property
    def crisis(self) -> "Crisis":
        """Its rules."""
        module, _, function = self.rules.partition(":")
        return getattr(importlib.import_module(f"detente.library.{module}"), function)


GAMES = {
    game.name: game
    for game in (
        LibraryGame(
            "centipede",
            "Centipede of three innings in which a few players are altruists who always pass.",
            "textbook:centipede",
            "mckelvey1992",
            {},
        ),
        LibraryGame("kuhn-poker", "Kuhn poker: three cards, one bet.", "textbook:kuhn_poker", "kuhn1950", {}),
        LibraryGame(
            "kuhn-poker-3",
            "Kuhn poker with three players: four cards, one bet.",
            "textbook:kuhn_poker_3",
            "kuhn1950",
            {},
        ),
        LibraryGame(
            "seltens-horse",
            "Selten's horse: a subgame perfect equilibrium that is not reasonable.",
            "textbook:seltens_horse",
            "selten1975",
            {},
        ),
        LibraryGame(
            "unequal-pennies",
            "Matching pennies in which heads is worth more to the first player.",
            "textbook:unequal_pennies",
            "mckelvey1998",
            {"heads": 2.0},
        ),
        LibraryGame(
            "dark-hex",
            "Dark hex on two by two cells: trying a taken cell costs the turn.",
            "larger_games:dark_hex",
            "OpenSpiel, dark_hex(board_size=2,gameversion=adh)",
            {},
        ),
        LibraryGame(
            "leduc-poker",
            "Leduc poker: one private card each, one public card, two rounds of bets.",
            "larger_games:leduc_poker",
            "OpenSpiel, leduc_poker",
            {},
        ),
        LibraryGame(
            "liars-dice",
            "Liar's dice: one die of four sides each, the highest face is wild.",
            "larger_games:liars_dice",
            "OpenSpiel, liars_dice(dice_sides=4)",
            {},
        ),
    )
}


def library_game(name: str) -> LibraryGame:
    """A game of the library by name.

    Raises:
        UsageError: If there is none of that name; the nearest is offered.

    Example:
        >>> library_game("seltens-horse").source
        'selten1975'
    """
    if name not in GAMES:
        raise UsageError(f"library: {name!r} is not a game of the library.{nearest(name, GAMES)}")
    return GAMES[name]
