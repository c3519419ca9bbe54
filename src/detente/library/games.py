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
        LibraryGame(
            "stag-hunt",
            "Stag hunt: a large catch together, or a small one that needs nobody.",
            "dilemmas:stag_hunt",
            "jervis1978",
            {"stag": 3.0, "hare": 1.0},
        ),
        LibraryGame(
            "chicken",
            "Chicken: each wants the other to swerve, and both dread the crash.",
            "dilemmas:chicken",
            "snyder1971",
            {"crash_1": 3.0, "crash_2": 4.0},
        ),
        LibraryGame(
            "ultimatum",
            "Ultimatum: one offers a share of a cake, the other takes it or leaves both with what they had.",
            "dilemmas:ultimatum",
            "guth1982",
            {"cake": 10.0, "own_1": 0.0, "own_2": 0.75},
        ),
        LibraryGame(
            "beer-quiche",
            "Beer and quiche: a weak sender may imitate a strong one to be spared a duel.",
            "signals:beer_quiche",
            "cho1987",
            {"weak": 0.1},
        ),
        LibraryGame(
            "audience-costs",
            "A crisis before an audience: the longer a leader has held out, the more it costs to back down.",
            "signals:audience_costs",
            "fearon1994",
            {
                "resolved_a": 0.3,
                "resolved_b": 0.3,
                "audience_a": 0.2,
                "audience_b": 0.1,
                "war_resolved": -0.05,
                "war_unresolved": -4.0,
            },
        ),
        LibraryGame(
            "crisis-signalling",
            "A challenge, an answer, a stand or a retreat: how much a challenge says about who makes it.",
            "signals:crisis_signalling",
            "lewis2003",
            {
                "status_quo": 0.0,
                "gain": 1.0,
                "concede": -0.6,
                "war_a": -0.4,
                "war_b": -0.7,
                "retreat": -1.0,
                "rebuff": 0.5,
            },
        ),
        LibraryGame(
            "unilateral-deterrence",
            "Unilateral deterrence: a challenger may demand a change, a defender resist, the challenger persist.",
            "deterrence:unilateral_deterrence",
            "zagare1993",
            {
                "hard_challenger": 0.3,
                "hard_defender": 0.2,
                "status_quo": 0.5,
                "conflict_challenger": 0.3,
                "loss_challenger": 0.5,
                "rebuff": 0.8,
                "conflict_defender": 0.4,
                "loss_defender": 0.8,
            },
        ),
        LibraryGame(
            "mutual-deterrence",
            "Mutual deterrence: either may upset the status quo, and the other may answer in kind or give in.",
            "deterrence:mutual_deterrence",
            "zagare2000",
            {"hard_a": 0.9, "hard_b": 0.85, "status_quo": 0.7, "conflict": 0.2, "loss": 0.6},
        ),
        LibraryGame(
            "brinkmanship",
            "Brinkmanship: who escalates leaves something to chance, and hopes that the other will shrink from the "
            "next step.",
            "deterrence:brinkmanship",
            "powell1990",
            {
                "hard_challenger": 0.1,
                "hard_defender": 0.15,
                "risk": 0.1,
                "disaster_hard": 1.0,
                "disaster_soft": 3.0,
                "status_quo": 0.2,
            },
        ),
        LibraryGame(
            "tripartite-crisis",
            "The tripartite crisis: a challenger makes a demand on a protege, whose defender may stand by it or not.",
            "alliances:tripartite_crisis",
            "zagare2003",
            {
                "determined": 0.8,
                "disloyal": 0.15,
                "perfidious": 0.2,
                "status_quo": 0.4,
                "war_determined": 0.2,
                "war_hesitant": 0.6,
                "gain_realign": 0.8,
                "concede": 0.6,
                "war_protege": 0.3,
                "realign_disloyal": 0.5,
                "concession": 0.1,
                "stake": 0.2,
                "war_defender": 1.0,
                "realign": 1.6,
                "realign_perfidious": 0.4,
            },
        ),
        LibraryGame(
            "restraint-by-advice",
            "Restraint by advice: an ally recommends settling or resisting, and a target that values the alliance "
            "listens.",
            "alliances:restraint_by_advice",
            "fang2014",
            {
                "alliance": 0.1,
                "alone": 0.6,
                "joined": 0.72,
                "cost_low": 0.05,
                "cost_high": 0.15,
                "often_low": 0.6,
                "cost_challenger": 0.1,
                "care": 1.0,
                "join": 0.25,
            },
        ),
        LibraryGame(
            "moral-hazard",
            "Moral hazard in an alliance: a promise that deters the adversary may embolden the protege.",
            "alliances:moral_hazard",
            "benson2012",
            {
                "prize": 1.0,
                "defeat": 2.0,
                "spoils": 1.0,
                "harm": 1.0,
                "harm_provoked": 1.5,
                "chance": 0.45,
                "misread": 0.1,
                "war_joined": 1.2,
                "war_watched": 2.0,
                "ambiguity": 0.1,
            },
        ),
        LibraryGame(
            "strategic-12",
            "One acts or not; if it does, two resists or not (1: no act; 3: act and give in; 4: act and resist).",
            "strategic:strategic_12",
            "signorino1999",
            {"u11": 0.0, "u13": 1.0, "u14": -0.5, "u24": 0.5},
        ),
        LibraryGame(
            "strategic-122",
            "One moves left or right, then two does (1: left left; 2: left right; 3: right left; 4: right right).",
            "strategic:strategic_122",
            "signorino1999",
            {"u11": 0.0, "u12": 0.5, "u13": 1.0, "u14": -0.5, "u22": -0.5, "u24": 0.5},
        ),
        LibraryGame(
            "strategic-123",
            "Three in turn, each of whom may stop it (1, 3, 5: stopped by one, two, three; 6: by nobody).",
            "strategic:strategic_123",
            "signorino1999",
            {
                "u11": 0.0,
                "u13": 1.0,
                "u15": 0.5,
                "u16": -0.5,
                "u23": 0.0,
                "u25": 0.5,
                "u26": -0.5,
                "u36": 0.2,
            },
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
