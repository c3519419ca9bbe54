"""Where a cue can begin: the places of a text's words by their first letters, so that no cue is looked for everywhere.

To look for a rare phrase by a pattern takes as long as the text is long, and there are dozens of such patterns. Each
can begin only at a word that begins as the phrase does, and these few places are known from the words.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from detente.record.reading.words import Token, lowered, tokens

# So many letters tell where a phrase can begin.
STEM = 3
# Every number has this stem.
NUMBER = "0"
# A word can also begin inside a token: behind the hyphen of "cease-fire", or behind the point of "3.10".
_INNER = re.compile(r"[-.,](\w{1,3})")
_HEAD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Openings:
    """A text in small letters, where its words begin, and the first letters of each."""

    small: str
    places: Sequence[int]
    stems: Sequence[str]

    @cached_property
    def by_stem(self) -> dict[str, list[int]]:
        """The places of the words, in order, by their first letters."""
        found: dict[str, list[int]] = {}
        for place, stem in zip(self.places, self.stems, strict=True):
            found.setdefault(stem, []).append(place)
        return found


@dataclass(frozen=True, eq=False)
class Cue:
    """A pattern of small letters, and the first letters of the words with which it can begin."""

    form: re.Pattern[str]
    stems: frozenset[str]


def openings(text: str, words: Sequence[Token] | None = None) -> Openings:
    """Where the words of a text begin, and with which letters.

    Args:
        text: The text.
        words: Its tokens, if it has been cut already.

    Returns:
        The places in the order of the text.

    Example:
        >>> found = openings("A cease-fire of 30 days")
        >>> [(place, stem) for place, stem in zip(found.places, found.stems)]
        [(0, 'a'), (2, 'cea'), (8, 'fir'), (13, 'of'), (16, '0'), (19, 'day')]
    """
    small = lowered(text)
    cut = tokens(text) if words is None else words
    places, stems = [w.start for w in cut], [_stem(w.lower) for w in cut]
    inner = [(m.start(1), _stem(m[1])) for m in _INNER.finditer(small)]
    if inner:
        both = sorted({*zip(places, stems, strict=True), *inner})
        places, stems = [place for place, _ in both], [stem for _, stem in both]
    return Openings(small, places, stems)


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return NUMBER if word[0].isdigit() else word[:STEM]


def stems_of(phrases: Iterable[str]) -> frozenset[str]:
    """The first letters of phrases that are given in full.

    Example:
        >>> sorted(stems_of(["at least", "two-thirds", "no"]))
        ['at', 'no', 'two']
    """
    return frozenset(_first_letters(phrase) for phrase in phrases)


def _first_letters(phrase: str) -> str:
    head = _HEAD.match(phrase)
    if head is None:
        raise ValueError(
            f"stems_of: {phrase!r} does not begin with a small letter. Write each phrase in small letters."
        )
    return head.group()[:STEM]


def cue(alternatives: str, behind: str = r"\b") -> Cue:
    """A pattern of alternatives, each of which begins with letters as they are.

    Args:
        alternatives: A pattern's alternatives, separated by ``|``.
        behind: What must follow any of them; the end of a word by default.

    Returns:
        The pattern with the first letters of its alternatives.

    Raises:
        ValueError: If an alternative begins with something else than letters, or with less than three of a word.

    Example:
        >>> sorted(cue("wars?|a (?:raid|attack)|clash\\\\w*").stems)
        ['a', 'cla', 'war']
    """
    stems = set()
    for alternative in _split(alternatives):
        head = _HEAD.match(alternative)
        letters, rest = (head.group(), alternative[head.end() :]) if head else ("", alternative)
        if rest[:1] in ("?", "*", "{"):
            letters = letters[:-1]
        if len(letters) == STEM - 1 and rest[:1] == "-":
            letters += "-"  # "so-called": one word, with its hyphen
        if not letters or (len(letters) < STEM and rest[:1] != " "):
            raise ValueError(
                f"cue: {alternative!r} does not begin with {STEM} letters or a short word. Write out its beginnings."
            )
        stems.add(letters[:STEM])
    return Cue(re.compile(rf"\b(?:{alternatives}){behind}"), frozenset(stems))


def _split(alternatives: str) -> list[str]:
    """Alternatives apart, but for those inside brackets."""
    found, depth = [""], 0
    for sign in alternatives:
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            found.append("")
        else:
            found[-1] += sign
    return found


def find_cue(opened: Openings, sought: Cue) -> list[re.Match[str]]:
    """All places of a cue in a text, none inside another.

    Example:
        >>> [m.group() for m in find_cue(openings("Wars, and a raid"), cue("wars?|a raid"))]
        ['wars', 'a raid']
    """
    by_stem = opened.by_stem
    places = sorted(place for stem in sought.stems & by_stem.keys() for place in by_stem[stem])
    return match_at(sought.form, places, opened.small, len(opened.small))


def match_at(form: re.Pattern[str], places: Iterable[int], text: str, stop: int) -> list[re.Match[str]]:
    """The matches of a pattern at these places, in their order and none inside another, as if it were searched for.

    Example:
        >>> [m.start() for m in match_at(re.compile("aa"), [0, 1, 2], "aaaa", 4)]
        [0, 2]
    """
    found, end, match = [], 0, form.match
    for place in places:
        if place >= end and (m := match(text, place, stop)) is not None:
            found.append(m)
            end = m.end()
    return found
