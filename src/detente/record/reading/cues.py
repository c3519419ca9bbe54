"""Cues: the words by which a clause shows an event, its cause, a hedge, a channel, or from whom it has what it says.

All but names are looked for in small letters (:attr:`Page.small`), which takes a fifth of the time.
"""

import re

from detente.record.reading.openings import cue
from detente.record.reading.page import Page, search
from detente.record.reading.sentences import Clause

EVENT = cue(
    r"attacks?|strikes?|missiles?|drones?|rockets?|blockades?|quarantine|ceasefires?|cease-fire|truce|talks|"
    r"negotiations?|sanctions|escalat\w+|tensions?|conflict|wars?|crisis|invasion|offensive|"
    r"counteroffensive|retaliat\w+|"
    r"response|repl(?:y|ies)|drills?|exercises?|incursions?|harm|damage|casualt\w+|injur\w+|deaths?|"
    r"agreement|accord|treaty|"
    r"stand-?off|raids?|shelling|clash\w*|assassination|killings?|evacuation|deployment|shipments?|threats?|reprisals?|"
    r"ultimatum|hostages?|embargo|mobili[sz]ation|ships?|vessels?|tankers?|troops|airspace|airstrikes?|border|nuclear|"
    r"self-defen[cs]e|restraint|diplomacy|military|weapons?|warships?|aircraft|operations?|interceptions?|"
    r"explosions?|fleets?|frigates?|gunboats?|destroyers?|submarines?|bombers?|fighters?|jets?|tanks|mines?|"
    r"minesweepers?|bombs?|shells?|soldiers?|paratroopers?|battalions?|brigades?|patrols?|convoys?|garrisons?|airfields?|"
    r"runways?|barracks|riots?|protests?|coups?|hostilities|surrender|withdrawal|frontier|mediation|deadline|wreckage|"
    r"coast ?guard|navy|army|diplomats?|ambassadors?|cyber\w*"
)
CAUSE = cue(
    r"in (?:response|retaliation|reply|reprisal|revenge) (?:to|for)|a (?:response|retaliation) (?:to|for)|"
    r"as (?:response|retaliation) (?:to|for)|viewed as (?:response|retaliation) (?:to|for)|"
    r"because of|as a result of|after|following|triggered by|prompted by|blamed (?:on|for)|retaliation for|response to|"
    r"in the wake of|due to|led to|leading to"
)
# What was told before, under another name: "This stance", "The move".
TAKEN_UP = re.compile(
    r"(?:this|these|such)\s+[a-z]{4,}|the (?:move|decision|message|warning|statement|announcement|measures?|step)\b"
)
HEDGE = cue(
    r"may(?! \d)|might|could|reportedly|allegedly|alleged|potential(?:ly)?|possibl[ey]|likely|unlikely|"
    r"apparent(?:ly)?|appears?"
    r"|appeared|seem(?:s|ed)?|considering|weighing|initially(?: believed)?|believed|later revealed|viewed as|seen as|"
    r"claim(?:s|ed) to|said to (?:be|have)|perceived|currently|serious(?:ly)?|unconfirmed|unverified|"
    r"expected|suspected|"
    r"so-called|prospective|reluctan(?:t|ce)|did not intend|does not intend|do not intend|not immediately|no immediate|"
    r"preliminary|estimated|"
    r"purported(?:ly)?|in principle|not (?:yet )?(?:clear|confirmed)|unclear|probabl[ey]|presumably|"
    r"tentative(?:ly)?"
)
PRIVATE = cue(
    r"private(?:ly)?|behind (?:the scenes|closed doors)|back[- ]?channel|"
    r"telephone (?:call|conversation)|phone (?:call|conversation)|hotline|"
    r"by (?:tele)?phone|confidential(?:ly)?|secret(?:ly)?|classified|quietly|intermediar\w+|discreetly|"
    r"regular communication"
)
PUBLIC = cue(
    r"public(?:ly)?|told (?:reporters|parliament|journalists|lawmakers|the nation|a (?:news|"
    r"press) conference|state media)"
    r"|news (?:conference|briefing|release)|press (?:conference|briefing|release)|statement|speech|televised|interview|"
    r"state (?:television|tv|media)|"
    r"social media|announced|announcing|declared|communiqué|on (?:x|twitter|telegram|facebook|television)|broadcast|"
    r"open letter|posted|address to"
)
BACKGROUND = cue(
    r"on condition of anonymity|condition of anonymity|on background|anonymous(?:ly)?|"
    r"declined to be (?:named|identified)|not authori[sz]ed to|asked not to be"
)
_NAME = r"[A-Z][\w&’'-]*(?:\.[A-Z]\w*)*(?:\s+(?:of\s+)?[A-Z][\w&’'-]*){0,3}"
OUTLET = re.compile(
    rf"\b(?P<a>{_NAME})\s+(?:reports|reported|has reported|writes)(?=\s*(?:[,.;]|via|on|that|citing|quoting|$))"
    rf"|\b(?:reports|reported by|as reported by|told|citing|quoting|according to|quoted by|"
    rf"cited by)\s+(?:the\s+)?(?P<b>{_NAME})"
)
MEDIA = cue(r"foreign media|local media|state media|state television|state tv|media reports|news agenc\w+")
ACCORDING = cue(r"according to|citing|quoting", r"\s+")
# Words without which no outlet is cited: to look for them first is quicker.
_CITING = cue(r"report|writes|told|citing|quot|according|cited", "")


def cited_outlets(page: Page, start: int, end: int) -> list[tuple[str, int]]:
    """The outlets that a piece of the text cites, with their places.

    Args:
        page: The report, cut up.
        start: Where the piece begins.
        end: Where it ends.

    Returns:
        The name of each outlet as it is printed, and where it stands.
    """
    if search(page, _CITING, start, end) is None:
        return []
    found = []
    for m in OUTLET.finditer(page.text, start, end):
        group = "a" if m["a"] else "b"
        if is_outlet(page, m.start(group), m[group], group == "a"):
            found.append((m[group], m.start(group)))
    return found


def find_retold(page: Page) -> tuple[str, ...]:
    """Outlets that the report as a whole retells: "reports ABC News", "X reports via foreign media"."""
    cited = cited_outlets(page, 0, len(page.text))
    return tuple(dict.fromkeys(" ".join(name.split()) for name, _ in cited))


def is_attributed(page: Page, clause: Clause) -> bool:
    """Whether the clause says from whom it has what it says."""
    if search(page, _CITING, clause.start, clause.end) is None:
        return False
    if search(page, ACCORDING, clause.start, clause.end):
        return True
    return bool(cited_outlets(page, clause.start, clause.end))


def is_outlet(page: Page, place: int, name: str, reports: bool) -> bool:
    """Whether a name at this place is that of an outlet, or of somebody unknown who "reports"."""
    at = next((m for m in page.mentions if m.start <= place < m.end or place <= m.start < place + len(name)), None)
    if at is not None:
        return at.kind == "outlet"
    return reports and name.split()[0].lower() not in ("the", "it", "he", "she", "they", "who", "police")
