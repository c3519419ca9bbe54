"""Draft claims from a report: each clause is searched for who, said or did, what, to whom, how many and when."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from datetime import date

from detente.record.reading.actors import Lexicon, Mention
from detente.record.reading.compose import compose
from detente.record.reading.cues import CAUSE, EVENT, TAKEN_UP, cited_outlets, find_retold, is_attributed
from detente.record.reading.documents import Document
from detente.record.reading.drafts import Draft
from detente.record.reading.page import Page, cut, redated, search, slice_of, starting
from detente.record.reading.parts import (
    Context,
    Found,
    find_actor,
    find_speaker,
    find_target,
    main_verb,
    trailing_speaker,
)
from detente.record.reading.sentences import Clause, Span, split_clauses
from detente.record.reading.words import Verb, find_verbs

THRESHOLD = 3.0
# A stretch of so many characters without an end of a sentence is a table or a list of names, and no statement.
MAX_SENTENCE = 4_000
_TO_THE_READER = re.compile(r"(?:click|read|watch|listen|subscribe|follow|share|see|download|visit)\b", re.IGNORECASE)
WEIGHTS = {
    "say": 2.0, "press": 2.0, "act": 2.0, "plan": 2.0, "judge": 1.0, "other": 1.0, "actor": 2.0, "carried actor": 1.0,
    "number": 1.0, "exact number": 2.0, "quotation": 2.0, "date": 1.0, "attribution": 1.0, "event": 1.0, "cause": 1.0,
    "headline": 1.0, "party": 1.0, "taken up": 1.0,
}  # fmt: skip


def propose(
    document: Document,
    known: Lexicon,
    *,
    published: date | None = None,
    outlet: str = "",
    page: Page | None = None,
) -> list[Draft]:
    """Propose the claims of a report: one draft for each clause that says who said or did something.

    Cost: linear in the length of the text.

    Args:
        document: The report.
        known: The names of actors.
        published: The day against which words such as "Sunday" are resolved; the document's own by default.
        outlet: What to put at the end of every chain of attribution; the document's outlet or name by default.
        page: The document as cut up by :func:`cut`, if that has been done.

    Returns:
        The drafts in the order of the text, without ids.

    Example:
        >>> from detente.record.reading.actors import lexicon
        >>> from detente.record.reading.documents import read_document
        >>> doc = read_document("a.txt", b"Manila warned Beijing on Monday that it would send at least two ships.")
        >>> draft, = propose(doc, lexicon())
        >>> draft.actor, draft.act, draft.target, draft.amounts[0].text
        ('Philippines', 'warn', 'China', 'at least two ships')
    """
    anchor = published or document.about.published
    page = cut(document, known, anchor) if page is None else redated(page, document, anchor)
    last = outlet or document.about.outlet or document.name.rsplit("/")[-1]
    retold = find_retold(page)
    drafts: list[Draft] = []
    previous: Mention | None = None
    for n, paragraph in enumerate(document.sentences):
        headline = n == 0 and bool(document.about.title)
        for sentence in paragraph:
            if sentence.end - sentence.start > MAX_SENTENCE:
                continue
            made, previous = _from_sentence(page, sentence, known, previous, retold, last, headline=headline)
            drafts += made
    return drafts


def _from_sentence(
    page: Page,
    sentence: Span,
    known: Lexicon,
    previous: Mention | None,
    retold: tuple[str, ...],
    last: str,
    *,
    headline: bool,
) -> tuple[list[Draft], Mention | None]:
    words, mentions = slice_of(page, sentence.start, sentence.end)
    quotes = starting(page.quotes, sentence.start, sentence.end)
    verbs = find_verbs(words, [m.last for m in mentions])
    speaker = find_speaker(page, words, mentions, verbs, quotes, previous)
    cited = cited_outlets(page, sentence.start, sentence.end)
    drafts: list[Draft] = []
    actor: Mention | None = None
    verb: Verb | None = None
    for clause in split_clauses(page.text, sentence, words, mentions, quotes, verbs, page.counted):
        context = Context(actor, speaker, previous, verb, retold, cited)
        first = bisect_left(page.starts, clause.start) - bisect_left(page.starts, sentence.start)
        own = [Verb(*v[:3], v.place - first, *v[4:]) for v in verbs if clause.start <= v.start < clause.end]
        draft, found, said = _from_clause(page, clause, sentence, own, known, context, last, headline=headline)
        if draft is not None:
            drafts.append(draft)
        actor, verb = found or actor, said or verb
    return drafts, actor or speaker or previous


def _from_clause(
    page: Page,
    clause: Clause,
    sentence: Span,
    verbs: Sequence[Verb],
    known: Lexicon,
    context: Context,
    last: str,
    *,
    headline: bool,
) -> tuple[Draft | None, Mention | None, Verb | None]:
    words, mentions = slice_of(page, clause.start, clause.end)
    near = starting(page.quotes, sentence.start, clause.end)
    quotes = [q for q in near if q.end > clause.start]
    inside = [q for q in quotes if q.start <= clause.start + 1 and q.end >= clause.end - 1]
    verb = main_verb(verbs, quotes, whole=bool(inside), mentions=mentions, words=words)
    actor, own = find_actor(page, words, mentions, verb, context, quoted=bool(inside))
    trailing = trailing_speaker(words, mentions, verbs)
    found = Found(
        verb,
        actor,
        own,
        find_target([m for m in mentions if m is not trailing], verb, actor, known),
        starting(page.dates, clause.start, clause.end),
        starting(page.amounts, clause.start, clause.end),
        [q for q in quotes if q.end - q.start > 2],
        bool(mentions),
        bool(TAKEN_UP.match(page.small, clause.start)),
        is_attributed(page, clause),
        search(page, EVENT, clause.start, clause.end),
        search(page, CAUSE, clause.start, clause.end),
    )
    strength = _strength(found, headline=headline)
    text = page.text[clause.start : clause.end]
    if strength < THRESHOLD or not _is_statement(text, found, headline=headline):
        return None, actor if own else None, verb
    return compose(page, clause, sentence, words, known, context, found, strength, last), actor, verb


def _strength(found: Found, *, headline: bool) -> float:
    exact = any(a.low is not None or a.high is not None for a in found.amounts)
    parts = (
        found.verb is not None and found.verb.group,
        found.actor is not None and ("actor" if found.own else "carried actor"),
        bool(found.amounts) and ("exact number" if exact else "number"),
        bool(found.quotes) and "quotation",
        bool(found.dates) and "date",
        found.attributed and "attribution",
        found.event is not None and "event",
        found.cause is not None and "cause",
        headline and "headline",
        found.party and found.actor is None and "party",
        found.taken_up and "taken up",
    )
    return sum([WEIGHTS[part] for part in parts if part])


def _is_statement(text: str, found: Found, *, headline: bool) -> bool:
    """Whether a clause states something: no question, no address to the reader, and about something that happens."""
    if text.rstrip().endswith("?") and not found.quotes:
        return False
    if _TO_THE_READER.match(text):
        return False
    if found.verb is None and not headline:
        return bool(found.quotes) or (bool(found.dates or found.amounts) and found.event is not None)
    return found.actor is not None or found.party or found.event is not None or bool(found.amounts or found.dates)
