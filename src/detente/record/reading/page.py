"""A report cut up once: its words, who is named, its dates, numbers and quotations, each with its place."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from operator import attrgetter
from typing import Any

from detente.record.reading.actors import Lexicon, Mention, find_mentions
from detente.record.reading.dates import DateMention, dates_in
from detente.record.reading.documents import Document
from detente.record.reading.openings import Cue, Openings, find_cue, openings
from detente.record.reading.quantities import Amount, amounts_in
from detente.record.reading.sentences import Span, find_quotes
from detente.record.reading.words import Token, tokens

_START = attrgetter("start")


@dataclass(frozen=True)
class Page:
    """A document cut up once, its parts in the order of the text.

    ``small`` is the text in small letters; ``starts`` are the places of its tokens, ``counted`` of its words alone.
    """

    name: str
    text: str
    small: str
    words: tuple[Token, ...]
    starts: list[int]
    mentions: list[Mention]
    dates: list[DateMention]
    amounts: list[Amount]
    quotes: list[Span]
    anchor: date | None
    opened: Openings
    counted: list[int]
    cues: dict[Cue, tuple[list[int], list[int]]] = field(default_factory=dict)


def cut(document: Document, known: Lexicon, anchor: date | None = None) -> Page:
    """Cut up a document: its words, who is named, its dates, numbers and quotations.

    Args:
        document: The report.
        known: The names of actors.
        anchor: The day against which its dates are resolved; that of its publication by default.

    Returns:
        The parts, each with its place.

    Example:
        >>> from detente.record.reading.actors import lexicon
        >>> from detente.record.reading.documents import read_document
        >>> page = cut(read_document("a.txt", b"Manila warned Beijing on Monday about the two ships."), lexicon())
        >>> [m.actor for m in page.mentions], [d.text for d in page.dates]
        (['Philippines', 'China'], ['Monday'])
    """
    anchor = anchor or document.about.published
    text = document.text
    words = tokens(text)
    opened = openings(text, words)
    dates = dates_in(text, anchor, document.paragraphs, opened)
    spans = tuple((d.start, d.end) for d in dates)
    amounts = amounts_in(text, document.paragraphs, spans, opened)
    quotes = [q for a, b in document.paragraphs for q in find_quotes(text, a, b)]
    starts = [w.start for w in words]
    counted = [w.start for w in words if w.text[0].isalnum()]
    mentions = find_mentions(text, known, words)
    return Page(
        document.name, text, opened.small, words, starts, mentions, dates, amounts, quotes, anchor, opened, counted
    )


def redated(page: Page, document: Document, anchor: date | None) -> Page:
    """The same page with its dates resolved against another day."""
    if anchor == page.anchor:
        return page
    return replace(page, dates=dates_in(page.text, anchor, document.paragraphs, page.opened), anchor=anchor)


def slice_of(page: Page, start: int, end: int) -> tuple[tuple[Token, ...], list[Mention]]:
    """The tokens of a span, and the mentions in it with indices that count from its first token."""
    a, b = bisect_left(page.starts, start), bisect_left(page.starts, end)
    i = bisect_left(page.mentions, start, key=_START)
    inside, new = [], tuple.__new__
    while i < len(page.mentions) and page.mentions[i].end <= end:
        actor, person, kind, s, e, text, first, last = page.mentions[i]
        inside.append(new(Mention, (actor, person, kind, s, e, text, first - a, last - a)))
        i += 1
    return page.words[a:b], inside


def starting(parts: list[Any], start: int, end: int) -> list[Any]:
    """The parts that begin in a span; they are in the order of the text."""
    first = bisect_left(parts, start, key=_START)
    last = bisect_left(parts, end, lo=first, key=_START)
    return parts[first:last]


def search(page: Page, cue: Cue, start: int, end: int) -> re.Match[str] | None:
    """Look for a cue in a span of the text in small letters.

    Where the whole text has none that touches the span, nothing is searched: a text is cut into many spans that
    overlap, and most cues are rare.
    """
    known = page.cues.get(cue)
    if known is None:
        found = find_cue(page.opened, cue)
        known = page.cues[cue] = [m.start() for m in found], [m.end() for m in found]
    starts, ends = known
    if not ends or ends[-1] <= start:
        return None
    first = bisect_right(ends, start)
    if starts[first] >= end:
        return None
    if starts[first] >= start and (m := cue.form.match(page.small, starts[first], end)) is not None:
        return m
    return cue.form.search(page.small, start, end)


def is_quoted(place: int, quotes: Sequence[Span]) -> bool:
    """Whether a place lies inside a quotation."""
    return any(q.start < place < q.end for q in quotes)
