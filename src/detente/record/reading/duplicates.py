"""Copies and paraphrases: a report that is held already, or that retells another sentence by sentence."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any
from zlib import crc32

from detente.errors import UsageError
from detente.record.reading.documents import INSTALL, Document
from detente.record.reading.words import word_set

SHINGLE = 4
PERMUTATIONS = 128
COPY = 0.7
# Bands and rows of the index, for a threshold of 0.5; to work them out takes longer than to read two reports.
BANDS = (25, 5)
# Two sentences tell the same if their content words are at least so alike (0 to 100).
ALIGNED = 62.0
PARAPHRASE = 0.5
# Reports that share a smaller part of the words of the shorter one are not aligned.
CANDIDATE = 0.25
MIN_SENTENCE_WORDS = 6
# An index holds at most this many reports to align sentence by sentence; nearest first.
MAX_ALIGNED = 6
_WORD = re.compile(r"\w+")
_EMPTY = word_set(
    """
    a an the and or but of in on at to from by for with is are was were be been being has have had will would
    could may might this that these those its it his her their they he she as not also who which after before
    over under than into
    """
)


@dataclass(frozen=True)
class Pair:
    """Two sentences that tell the same: their places, and how alike they are (0 to 1)."""

    place: tuple[int, int]
    other: tuple[int, int]
    likeness: float


@dataclass(frozen=True)
class Likeness:
    """How a report resembles one that is held: ``copy`` or ``paraphrase``, of which, and how much."""

    relation: str
    of: str
    share: float
    pairs: tuple[Pair, ...] = ()


@dataclass
class Held:
    """The reports that are held, ready to be compared with a new one."""

    documents: dict[str, Document] = field(default_factory=dict)
    exact: dict[str, str] = field(default_factory=dict)
    signatures: dict[str, Any] = field(default_factory=dict)
    content: dict[str, tuple[tuple[tuple[int, int], str], ...]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    num_words: list[int] = field(default_factory=list)
    holders: dict[str, list[int]] = field(default_factory=dict)
    index: Any = None
    latest: tuple[str, Any, Any] | None = None


def shingles(document: Document) -> set[str]:
    """The runs of four words of a report; two copies share most of them.

    Example:
        >>> from detente.record.reading.documents import read_document
        >>> doc = read_document("a.txt", b"The ships of the blockade turned back on Monday at the line.")
        >>> sorted(shingles(doc))[:2]
        ['back on monday at', 'blockade turned back on']
    """
    words = document.plain_words
    if len(words) < SHINGLE:
        return {" ".join(words)}
    return set(map(" ".join, zip(*(words[n:] for n in range(SHINGLE)), strict=False)))


def signature(document: Document) -> Any:
    """The MinHash of a report's shingles: the same on every machine.

    Raises:
        UsageError: If datasketch is not installed.
    """
    made = _no_signature().copy()
    made.update_batch([s.encode() for s in shingles(document)])
    return made


@cache
def _no_signature() -> Any:
    """The signature of nothing, of which every other begins as a copy: its permutations are drawn once."""
    try:
        from datasketch import MinHash
    except ImportError:
        raise UsageError(f"finding copies needs datasketch. Install it: {INSTALL}") from None
    # A checksum tells runs of words apart as well as a cryptographic hash does, in a tenth of the time.
    return MinHash(num_perm=PERMUTATIONS, seed=1, hashfunc=crc32)


def hold(held: Held, document: Document) -> None:
    """Add a report to those that are held.

    Args:
        held: What is held; it is changed.
        document: The report.

    Raises:
        UsageError: If datasketch is not installed.
    """
    if held.index is None:
        try:
            from datasketch import MinHashLSH
        except ImportError:
            raise UsageError(f"finding copies needs datasketch. Install it: {INSTALL}") from None
        held.index = MinHashLSH(num_perm=PERMUTATIONS, params=BANDS)
    key = document.name
    if key in held.documents:
        return
    made, content = _prepared(held, document)
    held.documents[key] = document
    held.exact.setdefault(document.fingerprint, key)
    held.signatures[key] = made
    held.content[key] = content
    words = _words(content)
    for word in words:
        held.holders.setdefault(word, []).append(len(held.keys))
    held.keys.append(key)
    held.num_words.append(len(words))
    held.index.insert(key, made)


def _prepared(held: Held, document: Document) -> tuple[Any, tuple[tuple[tuple[int, int], str], ...]]:
    """A report's signature and sentences; those of the latest one are remembered, as it is compared, then held."""
    if held.latest is None or held.latest[0] != document.fingerprint:
        held.latest = (document.fingerprint, signature(document), content_sentences(document))
    return held.latest[1], held.latest[2]


def _words(content: Sequence[tuple[tuple[int, int], str]]) -> frozenset[str]:
    return frozenset(w for _, text in content for w in text.split())


def find_likeness(held: Held, document: Document) -> Likeness | None:
    """Find the held report that a new one copies or retells.

    A copy shares its runs of words. A paraphrase tells, sentence by sentence, what another report tells in other
    words: at least half of its sentences have one of like content there.

    Args:
        held: What is held.
        document: The new report.

    Returns:
        The closest one with the sentences that correspond; None if there is none.

    Raises:
        UsageError: If a library that is needed is not installed.
    """
    if document.fingerprint in held.exact:
        return Likeness("copy", held.exact[document.fingerprint], 1.0)
    if not held.documents:
        return None
    made, mine = _prepared(held, document)
    near = [(made.jaccard(held.signatures[key]), key) for key in held.index.query(made)]
    best = max(near, default=(0.0, ""))
    if best[0] >= COPY:
        return Likeness("copy", best[1], best[0])
    closest = None
    for key in _candidates(held, mine):
        # One that cannot tell more of the same sentences than the closest so far need not be aligned to its end.
        least = PARAPHRASE if closest is None else closest.share
        found = align(mine, held.content[key], key, least=least)
        if found is not None and (closest is None or found.share > closest.share):
            closest = found
    return closest


def content_sentences(document: Document) -> tuple[tuple[tuple[int, int], str], ...]:
    """The sentences of a report that are long enough to compare, each with its content words in alphabetical order.

    Example:
        >>> from detente.record.reading.documents import read_document
        >>> doc = read_document("a.txt", b"The ships of the blockade turned back on Monday at the line.")
        >>> content_sentences(doc)[0][1]
        'back blockade line monday ships turned'
    """
    found = []
    for s in (s for paragraph in document.sentences for s in paragraph):
        words = [w for w in _WORD.findall(document.text[s.start : s.end].casefold()) if w not in _EMPTY]
        if len(words) >= MIN_SENTENCE_WORDS:
            found.append(((s.start, s.end), " ".join(sorted(words))))
    return tuple(found)


def _candidates(held: Held, mine: Sequence[tuple[tuple[int, int], str]]) -> list[str]:
    """The held reports that share the most content words, nearest first."""
    words = _words(mine)
    counts = Counter(chain.from_iterable(held.holders.get(word, ()) for word in words))
    scored = []
    for place, count in counts.items():
        shared = count / max(1, min(len(words), held.num_words[place]))
        if shared >= CANDIDATE:
            scored.append((shared, held.keys[place]))
    return [key for _, key in sorted(scored, reverse=True)[:MAX_ALIGNED]]


def align(
    mine: Sequence[tuple[tuple[int, int], str]],
    theirs: Sequence[tuple[tuple[int, int], str]],
    key: str,
    *,
    least: float = 0.0,
) -> Likeness | None:
    """Match the sentences of two reports by their content words, each to its nearest.

    Args:
        mine: Sentences of the one.
        theirs: Sentences of the other.
        key: The other's name.
        least: The smallest share of sentences that is of interest: the search ends as soon as it is out of reach.

    Returns:
        The share of sentences of the one that have a like one in the other, with the pairs; None if none has, or
        fewer than ``least``.

    Raises:
        UsageError: If rapidfuzz is not installed.
    """
    try:
        from rapidfuzz import fuzz, process
    except ImportError:
        raise UsageError(f"finding paraphrases needs rapidfuzz. Install it: {INSTALL}") from None
    if not mine or not theirs:
        return None
    texts = [text for _, text in theirs]
    pairs: list[Pair] = []
    for done, (place, text) in enumerate(mine):
        if (len(pairs) + len(mine) - done) / len(mine) < least:
            return None
        match = process.extractOne(text, texts, scorer=fuzz.ratio, score_cutoff=ALIGNED)
        if match is not None:
            pairs.append(Pair(place, theirs[match[2]][0], match[1] / 100))
    share = len(pairs) / len(mine)
    return Likeness("paraphrase", key, share, tuple(pairs)) if pairs and share >= least else None
