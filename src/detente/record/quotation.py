"""Words held against words: is a quotation verbatim, and if not, which words differ from what was said?"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

WORD = re.compile(r"\w+(?:['’]\w+)*")
OMISSION = re.compile(r"\s*(?:\[?(?:\.{3}|…)\]?|\[[^\]]*\])\s*")  # "...", "…", "[…]", and words put in by an editor
STEM = 6  # letters that two forms of a word share: respond and response, proportion and proportional
STRETCH = 3  # words by which the nearest wording may be longer or shorter than the quotation
MOST_PLACES = 4_000


@dataclass(frozen=True)
class Wording:
    """The passage that comes closest to a quotation.

    Attributes:
        text: The passage, as words.
        likeness: Share of the words that the two have in common, 0 to 1; forms of one word count as the same.
        differs: (words of the quotation, words in their place), each pair where the two part.
    """

    text: str
    likeness: float
    differs: tuple[tuple[str, str], ...]


def segments(quotation: str) -> list[str]:
    """The unbroken parts of a quotation, split where it leaves something out or puts something in.

    Args:
        quotation: The words between the quotation marks.

    Example:
        >>> segments("We'll talk ... they [the Israelis] may respond")
        ["We'll talk", 'they', 'may respond']
    """
    return [part for part in OMISSION.split(quotation) if WORD.search(part)]


def words_of(text: str) -> list[str]:
    """The words of a text, without case, punctuation or the shape of apostrophes.

    Args:
        text: Any text.

    Example:
        >>> words_of("We’ll be there: “SOON”.")
        ["we'll", 'be', 'there', 'soon']
    """
    return [_plain(word) for word in WORD.findall(text)]


def place_of(quotation: str, text: str) -> int | None:
    """Where a text has a quotation word for word: the index of its first character, or None.

    Case, punctuation, line breaks and the shape of quotation marks do not count; words and their order do. Parts
    around an omission must come in order.

    Args:
        quotation: The words between the quotation marks.
        text: The document.

    Example:
        >>> place_of("should respond", "They said: “Israel  Should\\nrespond”.")
        20
        >>> place_of("must respond", "They should respond.") is None
        True
    """
    found, position = None, 0
    for part in segments(quotation):
        pattern = r"\W+".join(re.escape(word).replace("'", "['’]") for word in words_of(part))
        match = re.compile(rf"(?<!\w){pattern}(?!\w)", re.IGNORECASE).search(text, position)
        if match is None:
            return None
        found, position = match.start() if found is None else found, match.end()
    return found


def nearest_wording(quotation: str, text: str) -> Wording | None:
    """The passage of a text that comes closest to words that it does not have.

    Args:
        quotation: An unbroken run of words.
        text: Where to look; it may be shorter than the quotation, which is then compared in part.

    Returns:
        The passage, or None where no word occurs in both.

    Example:
        >>> near = nearest_wording("ensure that remains the case", "we will work to make that the case, he said")
        >>> near.text, near.differs
        ('make that the case', (('ensure', 'make'), ('remains', '')))
    """
    quoted, held = WORD.findall(quotation), WORD.findall(text)
    if len(held) < len(quoted):
        found = _nearest(held, quoted)
        if found is None:
            return None
        start, end, likeness = found
        return Wording(" ".join(held), likeness, _differences(quoted[start:end], held))
    found = _nearest(quoted, held)
    if found is None:
        return None
    start, end, likeness = found
    return Wording(" ".join(held[start:end]), likeness, _differences(quoted, held[start:end]))


def differences_in_words(wording: Wording) -> str:
    """Which words differ, as a clause.

    Args:
        wording: The nearest passage.

    Example:
        >>> differences_in_words(Wording("make that the case", 0.8, (("ensure", "make"), ("remains", ""))))
        '“ensure” for “make”, “remains” added'
    """
    return ", ".join(
        f"“{ours}” for “{theirs}”" if ours and theirs else f"“{ours}” added" if ours else f"“{theirs}” left out"
        for ours, theirs in wording.differs
    )


def _plain(word: str) -> str:
    return word.casefold().replace("’", "'")


def _stem(word: str) -> str:
    return _plain(word).split("'")[0][:STEM]


def _likeness(a: Counter, b: Counter) -> float:
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 0.0


def _nearest(short: Sequence[str], long: Sequence[str]) -> tuple[int, int, float] | None:
    """(start, end, likeness) of the run in a long sequence that shares most words with a short one."""
    short, long = [_plain(word) for word in short], [_plain(word) for word in long]
    wanted = Counter(_stem(word) for word in short)
    stems = [_stem(word) for word in long]
    places: dict[str, list[int]] = {}
    for index, stem in enumerate(stems):
        if stem in wanted:
            places.setdefault(stem, []).append(index)
    if not places:
        return None
    # A run worth looking at holds one of the rarer words; common ones are everywhere in a long text.
    rare = sorted(places.values(), key=len)[:3]
    starts = sorted({max(0, i - back) for part in rare for i in part for back in range(len(short) + 1)})[:MOST_PLACES]
    best: tuple[float, float, int, int] | None = None
    for start in starts:
        for length in range(max(1, len(short) - STRETCH), len(short) + STRETCH + 1):
            end = min(start + length, len(long))
            likeness = _likeness(wanted, Counter(stems[start:end]))
            if best is not None and likeness < best[0]:
                continue
            order = SequenceMatcher(None, short, long[start:end], autojunk=False).ratio()
            if best is None or (likeness, order) > best[:2]:
                best = (likeness, order, start, end)
    assert best is not None
    likeness, _, start, end = best
    # Words at either end that differ have others in their place, which belong to the run.
    blocks = SequenceMatcher(None, short, long[start:end], autojunk=False).get_matching_blocks()
    if len(blocks) > 1:
        start -= min(start, max(0, blocks[0].a - blocks[0].b))
        last = blocks[-2]
        missing = (len(short) - last.a - last.size) - (end - best[2] - last.b - last.size)
        end = min(len(long), end + max(0, missing))
    return start, end, likeness


def _differences(quoted: Sequence[str], held: Sequence[str]) -> tuple[tuple[str, str], ...]:
    plain = [_plain(word) for word in quoted], [_plain(word) for word in held]
    matcher = SequenceMatcher(None, *plain, autojunk=False)
    return tuple(
        (" ".join(quoted[a:b]), " ".join(held[c:d])) for what, a, b, c, d in matcher.get_opcodes() if what != "equal"
    )
