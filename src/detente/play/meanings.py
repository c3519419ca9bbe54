"""What the options of the rules of restraint mean, in a sentence each, and where they stand on escalation scales."""

from collections.abc import Mapping

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
ACTS: Mapping[str, Mapping[tuple[str, str], str]] = {RESTRAINT: _ACTS}


def words_of(rules: str, who: Mapping[str, str]) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """Titles of moves and meanings of options for rules that this package ships; empty for others.

    Args:
        rules: Where the rules are, ``module:function``.
        who: Role → who that is.

    Returns:
        Move → title, and (move, option) → meaning.

    Example:
        >>> titles, meanings = words_of(RESTRAINT, {"patron": "France", "protege": "Serbia", "adversary": "Austria"})
        >>> titles["message"], meanings["involvement", "press for a halt"]
        ('Message from France to Serbia', 'Press Serbia to stop here.')
    """
    if rules != RESTRAINT:
        return {}, {}
    names = {"patron": "the patron", "protege": "the protégé", "adversary": "the adversary"} | dict(who)
    titles = {move: title.format(**names) for move, title in _TITLES.items()}
    return titles, {key: text.format(**names) for key, text in _MEANINGS.items()}
