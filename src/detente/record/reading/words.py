"""Words of reports: tokens with their places, and the verbs by which something is said, done or planned."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

TOKEN = re.compile(r"[^\W\d_](?:\.(?:[^\W\d_]\.)+|[^\W\d_]*(?:-[^\W\d_]+)*)|\d+(?:,\d{3})*(?:\.\d+)?|[^\w\s]|_")
APOSTROPHES = "'’"


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a set: long lists of words stay readable.

    Example:
        >>> sorted(word_set("on in"))
        ['in', 'on']
    """
    return frozenset(text.split())


def lowered(text: str) -> str:
    """A text in small letters, with every letter in its place, so that places in the one are places in the other.

    Patterns of small letters are found in it several times as fast as patterns for which case does not count.

    Example:
        >>> lowered("Ankara und İzmir")
        'ankara und İzmir'
    """
    small = text.lower()
    return small if len(small) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


# The classes of verbs. A verb stands in the first class that names it.
VERBS: dict[str, str] = {
    "say": """
        say tell state report announce declare confirm deny claim add note stress emphasise emphasize reiterate repeat
        insist explain describe call label suggest indicate argue clarify disclose reveal acknowledge admit recognise
        recognize concede affirm reaffirm express convey inform brief pledge promise quote cite comment hint write
        confide concede foresee point
        testify name maintain underline allege assert contend counter recount publish broadcast post tweet relay assure
    """,
    "press": """
        warn threaten vow caution urge demand appeal ask request press pressure advise counsel order instruct condemn
        denounce criticise criticize accuse blame reject refuse dismiss oppose welcome praise support back endorse
        encourage forbid authorise authorize approve protest rebuke implore dissuade discourage object
    """,
    "act": """
        attack strike hit launch fire shoot bomb shell intercept down destroy damage kill wound injure assassinate sink
        seize board detain arrest blockade block close deploy send mobilise mobilize evacuate withdraw retreat cross
        invade occupy capture annex sanction impose lift freeze expel recall sign agree meet hold discuss negotiate
        visit supply deliver provide receive grant test conduct carry violate penetrate cut halt suspend resume cancel
        retaliate respond escalate coordinate patrol sail fly transit ration shut reach crash release exchange free
        transfer tow inspect mine jam hack enter leave begin start end stop break extend reinforce station land divert
        turn reroute fall rise drop lose raid target storm besiege encircle ambush repel defend protect escort arm
        train fund ban restrict close reopen open ratify veto vote adopt pass summon dispatch return move stage hold
        lodge postpone gather curb sustain resign appoint elect declare rescue search detonate explode
        collide ram fail trigger cause spark prompt force
        draw partake participate join engage give take make put issue file speak talk host convene gather assemble
        down recover retrieve repair ship export import stockpile enrich demolish flee surrender advance
        buy sell pick track steer clear open fill ram collide sever expire bar shun walk roll follow pull back
        cede concede accept grant boycott pelt disrupt seal shadow chase board tighten move
    """,
    "plan": """
        plan consider weigh prepare intend aim seek want expect try attempt hope mull debate study decide work
        propose offer commit schedule ready threaten choose strategise strategize constrain restrain contain prevent
        avoid limit deter ensure
    """,
    "judge": """
        believe think estimate assess judge see view regard fear doubt mark signal underscore highlight reflect show
        raise mean imply appear seem remain comprise involve total number exceed include face reveal represent
        constitute follow stem result lead know understand find conclude calculate count worry remain become stand
        rank depend suffer grow shrink increase decrease reduce double halve triple widen narrow worsen ease improve
        demonstrate prove need require allow enable help
    """,
}
IRREGULAR = {
    "say": "said", "tell": "told", "write": "wrote written", "broadcast": "broadcast", "strike": "struck stricken",
    "hit": "hit", "shoot": "shot", "sink": "sank sunk", "send": "sent", "withdraw": "withdrew withdrawn",
    "meet": "met", "hold": "held", "cut": "cut", "fly": "flew flown", "shut": "shut", "leave": "left",
    "begin": "began begun", "break": "broke broken", "fall": "fell fallen", "rise": "rose risen", "lose": "lost",
    "seek": "sought", "think": "thought", "see": "saw seen", "show": "showed shown", "mean": "meant",
    "become": "became become", "stand": "stood", "know": "knew known", "understand": "understood", "find": "found",
    "grow": "grew grown", "shrink": "shrank shrunk", "lead": "led", "forbid": "forbade forbidden",
    "freeze": "froze frozen", "draw": "drew drawn", "give": "gave given", "take": "took taken", "make": "made",
    "put": "put", "speak": "spoke spoken", "flee": "fled", "choose": "chose chosen",
}  # fmt: skip
# Forms that are nouns at least as often as verbs: they count as verbs only where the place allows nothing else.
NOUN_TOO = word_set(
    """
    strike attack report claim call demand talk target order support fire launch raid test vote visit release
    transfer exchange search patrol transit ban halt cut hit rise fall drop return move start end break board
    ship mine station shell bomb damage block blockade plan request protest appeal pledge promise vow threat
    comment hope need result total number estimate doubt fear view mark signal face study debate work offer
    attempt advance force reply increase decrease import export land pressure press brief note post state tweet
    escort train arm fund import host stage sanction free ease rank count retreat capture charge limit help
    cause lead stem issue file counter show
    """
)
BE = word_set(
    """
    is are was were be been being
    """
)
AUXILIARIES = BE | word_set(
    """
    has have had will would shall should can could may might must does do did
    """
)
BEFORE_NOUNS = word_set(
    """
    a an the its his her their our your my this that these those of in by for with on at from under over about
    against after before during no any some several many more most few recent new major another other such first
    second third missile drone air military further possible potential earlier latest last previous joint
    """
)
# Of the words before nouns, those that can be a subject themselves: "a few penetrated", "that caused".
COUNT_SUBJECTS = word_set(
    """
    that more these those first many several few some most any
    """
)
_NO_SUBJECTS = BEFORE_NOUNS - COUNT_SUBJECTS
DETERMINERS = word_set(
    """
    a an the its his her their this that no our
    """
)
HYPOTHETICAL = word_set(
    """
    will would could may might should must can to not n't did does do
    """
)


class Token(NamedTuple):
    """A word, number or sign, where it stands in the text, and the word in small letters."""

    text: str
    start: int
    end: int
    lower: str


class Verb(NamedTuple):
    """A verb that carries a clause: its base form, its class, and where it stands."""

    base: str
    group: str
    form: str
    place: int
    start: int
    end: int


def tokens(text: str, start: int = 0, end: int | None = None) -> tuple[Token, ...]:
    """Cut a piece of a text into words, numbers and signs, each with its place in the whole text.

    Args:
        text: The whole text.
        start: Where the piece begins.
        end: Where it ends; the text's end by default.

    Returns:
        The tokens in order. "U.S." is one token, and the 's of a genitive is apart.

    Example:
        >>> [t.text for t in tokens("Iran’s U.S. envoy left.")]
        ['Iran', '’', 's', 'U.S.', 'envoy', 'left', '.']
    """
    stop = len(text) if end is None else end
    # A token is made without its own constructor, which would take half of the time.
    new = tuple.__new__
    return tuple([new(Token, (word := m[0], *m.span(), word.lower())) for m in TOKEN.finditer(text, start, stop)])


def _regular(base: str) -> dict[str, str]:
    """The forms of a regular verb, and which they are."""
    vowels = "aeiou"
    doubled = (
        len(base) <= 5 and base[-1] in "bdgmnprt" and base[-2] in vowels and base[-3] not in vowels and base != "open"
    )
    if base.endswith("e"):
        past, ing = base + "d", base[:-1] + "ing"
    elif base.endswith("y") and base[-2] not in vowels:
        past, ing = base[:-1] + "ied", base + "ing"
    elif doubled and base not in ("enter", "offer", "order", "alter", "reveal", "appear"):
        past, ing = base + base[-1] + "ed", base + base[-1] + "ing"
    else:
        past, ing = base + "ed", base + "ing"
    if base.endswith("y") and base[-2] not in vowels:
        third = base[:-1] + "ies"
    else:
        third = base + ("es" if base.endswith(("s", "sh", "ch", "x", "z", "o")) else "s")
    return {base: "base", third: "third", past: "past", ing: "ing"}


@cache
def verb_forms() -> dict[str, tuple[str, str, str]]:
    """Every form of every verb that is known, with its base, its class and which form it is.

    Example:
        >>> verb_forms()["warned"], verb_forms()["struck"]
        (('warn', 'press', 'past'), ('strike', 'act', 'past'))
    """
    found: dict[str, tuple[str, str, str]] = {}
    for group, listed in VERBS.items():
        for base in listed.split():
            forms = _regular(base)
            if base in IRREGULAR:
                forms = {f: k for f, k in forms.items() if k != "past"}
                forms |= dict.fromkeys((w for w in IRREGULAR[base].split() if w not in forms), "past")
            for form, kind in forms.items():
                found.setdefault(form, (base, group, kind))
    for base in ("cancel", "travel", "compel", "expel", "repel", "ban", "deter", "submit", "commit", "rebel", "permit"):
        if base in found:
            _, group, _ = found[base]
            found.setdefault(base + base[-1] + "ed", (base, group, "past"))
            found.setdefault(base + base[-1] + "ing", (base, group, "ing"))
    return found


def find_verbs(sequence: Sequence[Token], actor_ends: Iterable[int] = ()) -> list[Verb]:
    """The verbs of a clause that are verbs where they stand, not nouns of the same form.

    Args:
        sequence: The clause's tokens.
        actor_ends: Indices of tokens that end the name of an actor; after one, a doubtful form is a verb.

    Returns:
        The verbs in order, each with its base and class. Auxiliaries alone are not among them.

    Example:
        >>> [v.base for v in find_verbs(tokens("The attack on Israel was condemned and leaders urged calm"))]
        ['condemn', 'urge']
    """
    forms, ends = verb_forms(), set(actor_ends)
    after = {i + 1 for i in ends}
    found = []
    for i, token in [(i, t) for i, t in enumerate(sequence) if t.lower in forms or i in after]:
        word = token.lower
        known = forms.get(word)
        if known is None:
            # A past form of a verb that is not listed, right after an actor ("Tehran shelved", "officials balked").
            if word.endswith("ed") and len(word) > 4:
                found.append(Verb(word, "other", "past", i, token.start, token.end))
        elif _is_verb(sequence, i, known, ends):
            found.append(Verb(known[0], known[1], known[2], i, token.start, token.end))
    return found


def _is_verb(sequence: Sequence[Token], i: int, known: tuple[str, str, str], ends: set[int]) -> bool:
    base, _, form = known
    previous = sequence[i - 1].lower if i else ""
    if previous.endswith("ly") and i > 1:  # an adverb between: "has privately conveyed"
        i, previous = i - 1, sequence[i - 2].lower
    after_actor = i - 1 in ends
    if i and sequence[i - 1].text in "’'-":
        return False
    if i > 1 and previous == "s" and sequence[i - 2].text in APOSTROPHES:
        return False
    following = sequence[i + 1].lower if i + 1 < len(sequence) else ""
    if form == "ing":
        return previous in BE or previous in ("", ",", "while", "and", "for", "by", "without")
    if form == "past":
        if previous in _NO_SUBJECTS:
            return False
        return not (base in NOUN_TOO and word_is_base(sequence[i].lower, base) and not _takes_base(previous, ends, i))
    if form == "third":
        if following in AUXILIARIES and base in NOUN_TOO:
            return False
        if base in NOUN_TOO:
            return (
                after_actor
                or following in DETERMINERS
                or previous in ("who", "which", "that", "it", "he", "she", "also", "reportedly")
            )
        return previous not in BEFORE_NOUNS or previous == "that"
    return _takes_base(previous, ends, i, noun_too=base in NOUN_TOO)


def word_is_base(word: str, base: str) -> bool:
    """Whether a form is spelt as its base is, as in "hit" or "cut".

    Example:
        >>> word_is_base("hit", "hit"), word_is_base("sank", "sink")
        (True, False)
    """
    return word == base


def _takes_base(previous: str, ends: set[int], i: int, *, noun_too: bool = False) -> bool:
    """Whether a base form may be a verb after this word."""
    if previous in HYPOTHETICAL or previous in ("we", "they", "you", "i", "who"):
        return True
    if i - 1 in ends:
        return True
    plural = len(previous) > 3 and previous.endswith("s") and not previous.endswith("ss")
    return plural and not noun_too
