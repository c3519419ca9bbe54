"""The library: every game by name, with where it comes from."""

from dataclasses import dataclass

from detente.errors import UsageError, nearest
from detente.library import larger_games, textbook
from detente.library.restraint import restraint
from detente.model.language import Crisis


@dataclass(frozen=True)
class LibraryGame:
    """A game of the library.

    Attributes:
        name: By which commands find it.
        crisis: Its rules.
        source: Citation key of the publication, or where it is described.
        defaults: Value of every parameter, to solve it without a scenario.
    """

    name: str
    crisis: Crisis
    source: str
    defaults: dict[str, float]


GAMES = {
    game.name: game
    for game in (
        LibraryGame("centipede", textbook.centipede, "mckelvey1992", {}),
        LibraryGame("kuhn-poker", textbook.kuhn_poker, "kuhn1950", {}),
        LibraryGame("kuhn-poker-3", textbook.kuhn_poker_3, "kuhn1950", {}),
        LibraryGame("seltens-horse", textbook.seltens_horse, "selten1975", {}),
        LibraryGame("unequal-pennies", textbook.unequal_pennies, "mckelvey1998", {"heads": 2.0}),
        LibraryGame("dark-hex", larger_games.dark_hex, "OpenSpiel, dark_hex(board_size=2,gameversion=adh)", {}),
        LibraryGame("leduc-poker", larger_games.leduc_poker, "OpenSpiel, leduc_poker", {}),
        LibraryGame("liars-dice", larger_games.liars_dice, "OpenSpiel, liars_dice(dice_sides=4)", {}),
    )
}
RULES = {"restraint": restraint}  # rules that need a scenario to give their parameters values


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
