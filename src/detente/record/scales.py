"""Escalation scales side by side: what each of them says of a kind of act.

The figures are facts taken from the published scales named in ``SCALES``. Which entry of a scale a kind of act
belongs to is a judgement of the Detente developers, and so are the two orders of our own. The published scores were
made for counting events: they saturate at the top, so that a strike on military targets, on oil and on nuclear sites
gets one and the same score. That is why our own ordinal ladder of targets comes first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

# Name → (heading, what it is and where it comes from). The order is that of the columns.
SCALES: dict[str, tuple[str, str]] = {
    "ladder": (
        "ladder of targets",
        "0 no force, 1 token and deniable strike, 2 limited reply, 3 military targets, 4 mass salvo with few impacts, "
        "5 oil, 6 nuclear sites, 7 mass salvo with many impacts, 8 regional war. Ordinal; Detente developers.",
    ),
    "goldstein": (
        "Goldstein",
        "Conflict (−10) to cooperation (+10) of a CAMEO event code; Goldstein 1992, as used with CAMEO.",
    ),
    "plover": ("PLOVER", "Score of the event type and mode, −10 to +10; PLOVER manual, 2021."),
    "rivera": ("Rivera et al.", "Points of an action for escalation by language models; Rivera and others 2024."),
    "kahn": ("Kahn", "Rungs of Kahn's ladder of 44 (1965). Which rung is a judgement."),
    "icb": ("ICB", "Severity of violence, 1 none to 4 full-scale war; International Crisis Behavior. A judgement."),
}


@dataclass(frozen=True)
class Move:
    """A kind of act, and what each scale says of it.

    Attributes:
        name: What events of a record call it.
        title: What it is.
        ladder: Rung of our ladder of targets, or None for what uses no force against a target.
        cameo: Code of the CAMEO event that comes closest, or empty.
        goldstein: Its score.
        plover: Type and mode in PLOVER, or empty.
        plover_score: Its score.
        rivera: Points, or None where that scheme has no class for it.
        kahn: Rungs of Kahn's ladder, lowest and highest; None where it has none.
        icb: Lowest and highest ICB severity of violence.
    """

    name: str
    title: str
    ladder: int | None = None
    cameo: str = ""
    goldstein: float | None = None
    plover: str = ""
    plover_score: float | None = None
    rivera: float | None = None
    kahn: tuple[int, int] | None = None
    icb: tuple[int, int] | None = None


_AIR = {"cameo": "195", "goldstein": -10.0, "plover": "ASSAULT: aerial", "plover_score": -9.5, "rivera": 28}
_ALL = (
    Move("no force", "holds back, or puts a strike off", ladder=0, icb=(1, 1)),
    Move("statement", "says something, or denies a part in something", None, "01", 0.0, icb=(1, 1)),
    Move("notice", "tells another side beforehand or afterwards", None, "04", 1.0, "CONSULT", 2.5, icb=(1, 1)),
    Move("appeal", "asks for restraint or for an end", None, "02", 3.0, icb=(1, 1)),
    Move("pledge", "supports an ally in public", None, "051", 3.4, "SUPPORT", 5, 0, (1, 3), (1, 1)),
    Move("assurance", "says that it means to keep within bounds", None, "03", 4.0, "AGREE", 2.5, icb=(1, 1)),
    Move("agree to talk", "agrees to negotiate", None, "036", 4.0, "AGREE", 2.5, -2, None, (1, 1)),
    Move("ceasefire", "accepts a ceasefire", None, "0871", 9.0, "RETREAT: ceasefire", 7.5, -2, None, (1, 1)),
    Move("air defence for an ally", "sends air defence to an ally", None, "072", 8.3, "AID", 10, 4, (5, 5), (1, 1)),
    Move("condemnation", "condemns or accuses", None, "11", -2.0, "ACCUSE", None, icb=(1, 1)),
    Move("red line", "names what an ally should not hit", None, "10", -5.0, "REQUEST", 0, None, (2, 3), (1, 1)),
    Move(
        "private warning",
        "tells an ally that it would strike alone",
        None,
        "1313",
        -5.8,
        "THREATEN: relations",
        -3.5,
        0,
        (2, 3),
        (1, 1),
    ),
    Move(
        "condition on arms",
        "threatens to cut an ally's arms",
        None,
        "1311",
        -5.8,
        "THREATEN: relations",
        -3.5,
        None,
        (4, 4),
        (1, 1),
    ),
    Move(
        "arms withheld", "suspends an ally's arms", None, "1622", -5.6, "SANCTION: discontinue", -6, 12, (4, 4), (1, 1)
    ),
    Move("threat", "threatens without saying with what", None, "130", -4.4, "THREATEN", -3.5, None, (2, 4), (1, 1)),
    Move(
        "threat of sanctions", "announces sanctions to come", None, "131", -5.8, "THREATEN", -3.5, None, (3, 4), (1, 1)
    ),
    Move("threat of force", "threatens with force", None, "138", -7.0, "THREATEN", -3.5, None, (4, 4), (1, 1)),
    Move("ultimatum", "sets a term", None, "139", -7.0, "THREATEN: relations", -3.5, None, (4, 4), (1, 1)),
    Move(
        "sanctions", "puts the adversary under sanctions", None, "163", -8.0, "COERCE: restrict", -7, 12, (7, 7), (1, 1)
    ),
    Move(
        "alert", "raises the alert, or moves a carrier", None, "152", -7.2, "MOBILIZE: troops", -6.5, 4, (5, 6), (1, 1)
    ),
    Move("sabotage", "sabotages covertly, or by computer", None, "17", -7.0, "COERCE: cyber", -7, 12, (8, 8), (1, 2)),
    Move("killing of leaders", "kills leading figures abroad", None, "186", -10.0, "ASSAULT", -9, 28, (8, 9), (2, 2)),
    Move("token strike", "hits one site and does not claim it", ladder=1, kahn=(8, 9), icb=(2, 2), **_AIR),
    Move("limited strike", "hits a few military sites", ladder=2, kahn=(9, 12), icb=(2, 2), **_AIR),
    Move(
        "strike on military targets",
        "strikes launchers, air defences or missile plants",
        ladder=3,
        kahn=(9, 12),
        icb=(2, 2),
        **_AIR,
    ),
    Move(
        "salvo, few impacts",
        "fires a mass salvo that is mostly stopped",
        4,
        "195",
        -10.0,
        "ASSAULT: heavy weapons",
        -9.5,
        28,
        (12, 12),
        (3, 3),
    ),
    Move("strike on oil", "strikes oil installations", ladder=5, kahn=(12, 13), icb=(3, 3), **_AIR),
    Move(
        "strike on nuclear sites", "strikes nuclear sites, conventionally", ladder=6, kahn=(12, 13), icb=(3, 3), **_AIR
    ),
    Move(
        "salvo, many impacts",
        "fires a mass salvo that hits",
        7,
        "195",
        -10.0,
        "ASSAULT: heavy weapons",
        -9.5,
        28,
        (12, 12),
        (3, 3),
    ),
    Move("regional war", "wages war on a regional scale", 8, "190", -10.0, "ASSAULT", -9, 28, (12, 14), (4, 4)),
)
MOVES: dict[str, Move] = {move.name: move for move in _ALL}
# The choices between which the scales should tell apart: by target, lowest first.
TARGETS = (
    "no force",
    "token strike",
    "strike on military targets",
    "strike on oil",
    "strike on nuclear sites",
    "regional war",
)


@dataclass(frozen=True)
class ScaleRow:
    """An act of the record, or a choice of target, on all scales.

    Attributes:
        day: First day of the event; None for a choice.
        event: Id of the event, or empty.
        actor: Who acted, or empty.
        target: On whom, or empty.
        move: The kind of act.
        severity: Rung of the event on the record's own scale, or None.
    """

    day: date | None
    event: str
    actor: str
    target: str
    move: Move
    severity: int | None = None


def saturated(moves: Iterable[Move]) -> tuple[str, ...]:
    """The scales that give one and the same value to all of several kinds of act.

    Args:
        moves: At least two kinds of act.

    Returns:
        Names of scales, in the order of the columns.

    Example:
        >>> saturated(MOVES[name] for name in ("strike on oil", "strike on nuclear sites"))
        ('goldstein', 'plover', 'rivera', 'kahn', 'icb')
    """
    found = list(moves)
    values = {
        "ladder": {m.ladder for m in found},
        "goldstein": {m.goldstein for m in found},
        "plover": {m.plover_score for m in found},
        "rivera": {m.rivera for m in found},
        "kahn": {m.kahn for m in found},
        "icb": {m.icb for m in found},
    }
    return tuple(name for name in SCALES if len(values[name]) == 1)
