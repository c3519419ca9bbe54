"""What moves are called and options mean, and where they stand on scales: for restraint, and as a scenario says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from detente.model.names import with_article

RESTRAINT = "detente.library.restraint:restraint"

_TITLES = {
    "protege resolve": "Resolve of {protege}",
    "adversary resolve": "Resolve of {adversary}",
    "patron's word": "Whether {patron} means what it says",
    "message": "Message from {patron} to {protege}",
    "channel": "How the message is given",
    "press": "The press",
    "sanctions": "Sanctions on {adversary}",
    "retaliation": "Reply of {protege} to the attack",
    "reply": "Answer of {adversary}",
    "impacts": "Missiles that get through",
    "involvement": "Part taken by {patron}",
    "next": "Whether {protege} goes on",
}

_MEANINGS = {
    (
        "message",
        "no conditions",
    ): "Back whatever {protege} does; it may expect your forces to join if need be.",
    ("message", "defence only"): "Help to defend {protege}, do not join a strike, and ask nothing about the strike.",
    ("message", "strike alone"): "Help to defend {protege}, do not join a strike, and ask it not to strike.",
    ("message", "red lines"): (
        "Accept a strike but rule out oil and nuclear sites, and give air defence and coalition sanctions in return."
    ),
    ("message", "withhold defence"): "Neither join a strike nor help to defend {protege} against what follows.",
    ("channel", "private"): "Say it to {protege} alone. The press may come to report it.",
    ("channel", "public"): "Say it so that everybody hears, {adversary} included.",
    ("sanctions", "none"): "Leave it at the message.",
    ("sanctions", "coalition sanctions"): "Bring a coalition to punish {adversary}; it takes effort.",
    ("retaliation", "none"): "Use no force. Some at home will call it weakness.",
    ("retaliation", "token and deniable"): "Hit one site and do not claim it, so that {adversary} can pass over it.",
    ("retaliation", "military targets"): "Strike launchers, air defences or missile plants.",
    ("retaliation", "oil"): "Strike oil installations: dear to {adversary}, and felt in the world's markets.",
    ("retaliation", "nuclear sites"): "Strike nuclear sites with conventional arms: the hardest step to take back.",
    ("reply", "none"): "Do not answer with force.",
    ("reply", "limited"): "Answer on a small scale.",
    ("reply", "mass salvo"): "Fire a large salvo of missiles at {protege}; how many get through is uncertain.",
    ("reply", "widen the war"): "Open a wider war with all that you have.",
    ("involvement", "defend only"): "Go on helping with the defence, and no more.",
    ("involvement", "join"): "Join the fighting.",
    ("involvement", "press for a halt"): "Press {protege} to stop here.",
    ("next", "stop"): "Leave it there.",
    ("next", "war"): "Go on to a war on a regional scale.",
}

# (move, option) → kind of act in detente.record.scales.MOVES that comes closest.
_ACTS = {
    ("message", "no conditions"): "pledge",
    ("message", "defence only"): "pledge",
    ("message", "strike alone"): "appeal",
    ("message", "red lines"): "red line",
    ("message", "withhold defence"): "condition on arms",
    ("sanctions", "coalition sanctions"): "sanctions",
    ("retaliation", "none"): "no force",
    ("retaliation", "token and deniable"): "token strike",
    ("retaliation", "military targets"): "strike on military targets",
    ("retaliation", "oil"): "strike on oil",
    ("retaliation", "nuclear sites"): "strike on nuclear sites",
    ("reply", "none"): "no force",
    ("reply", "limited"): "limited strike",
    ("reply", "mass salvo"): "salvo, few impacts",
    ("reply", "widen the war"): "regional war",
    ("impacts", "many"): "salvo, many impacts",
    ("involvement", "press for a halt"): "appeal",
    ("next", "stop"): "no force",
    ("next", "war"): "regional war",
}


@dataclass(frozen=True)
class Words:
    """What people read of the moves of a crisis.

    Attributes:
        titles: Move → what it is called.
        about: Move → what is decided.
        meanings: (move, option) → what choosing it means.
        acts: (move, option) → kind of act in ``detente.record.scales.MOVES`` that comes closest.
        rungs: (move, option) → where it stands on the crisis's own ladder of escalation; empty if it has none.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    acts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    rungs: Mapping[tuple[str, str], float] = field(default_factory=dict)


def words_of(rules: str, who: Mapping[str, str], moves: Mapping[str, Any] | None = None) -> Words:
    """Titles and meanings: what this package says of rules that it ships, and over it what the scenario's file says.

    Args:
        rules: Where the rules are, ``module:function``.
        who: Role → who that is.
        moves: Of the scenario's file: move → a :class:`detente.model.scenario.MoveWords`.

    Example:
        >>> words = words_of(RESTRAINT, {"patron": "United States", "protege": "Israel", "adversary": "Iran"})
        >>> words.titles["message"], words.meanings["involvement", "press for a halt"]
        ('Message from the United States to Israel', 'Press Israel to stop here.')
    """
    own = moves or {}
    options = {(move, option): words for move, stated in own.items() for option, words in stated.options.items()}
    shipped = _shipped(who) if rules == RESTRAINT else Words()
    return Words(
        titles={**shipped.titles, **{move: words.title for move, words in own.items() if words.title}},
        about={move: words.meaning for move, words in own.items() if words.meaning},
        meanings={**shipped.meanings, **{key: words.meaning for key, words in options.items() if words.meaning}},
        acts={**shipped.acts, **{key: words.act for key, words in options.items() if words.act}},
        rungs={key: words.rung for key, words in options.items() if words.rung is not None},
    )


def _shipped(who: Mapping[str, str]) -> Words:
    names = {"patron": "the patron", "protege": "the protégé", "adversary": "the adversary"}
    names |= {role: with_article(name) for role, name in who.items()}
    return Words(
        titles={move: title.format(**names) for move, title in _TITLES.items()},
        meanings={key: text.format(**names) for key, text in _MEANINGS.items()},
        acts=_ACTS,
    )
