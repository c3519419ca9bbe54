"""The parts of a clause: its main verb, who acts, to whom, and what it may take from the clauses before it."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from detente.record.reading.actors import Lexicon, Mention, possessive
from detente.record.reading.cues import ACCORDING
from detente.record.reading.dates import DateMention
from detente.record.reading.page import Page, is_quoted, search
from detente.record.reading.quantities import Amount
from detente.record.reading.sentences import Span
from detente.record.reading.words import BE, Token, Verb, word_set

PREPOSITIONS = word_set(
    """
    of in on at to for with by against from between under over into near across within among around after before
    towards toward through about
    """
)
PRONOUNS = word_set(
    """
    he she it they we who which
    """
)


class Context(NamedTuple):
    """What a clause may take from what stands before it and from its sentence; ``cited``: the sentence's outlets."""

    actor: Mention | None
    speaker: Mention | None
    previous: Mention | None
    verb: Verb | None
    retold: tuple[str, ...]
    cited: list[tuple[str, int]]


class Found(NamedTuple):
    """What was found in one clause; ``own`` says that the clause itself names who acts."""

    verb: Verb | None
    actor: Mention | None
    own: bool
    target: Mention | None
    dates: list[DateMention]
    amounts: list[Amount]
    quotes: list[Span]
    party: bool
    taken_up: bool
    attributed: bool
    event: re.Match[str] | None
    cause: re.Match[str] | None


def find_speaker(
    page: Page,
    words: Sequence[Token],
    mentions: Sequence[Mention],
    found: Sequence[Verb],
    quotes: Sequence[Span],
    previous: Mention | None,
) -> Mention | None:
    """Who says what the sentence says: the subject of its first verb of saying outside quotation marks."""
    for verb in (v for v in found if v.group in ("say", "press")):
        if any(w.lower == "what" for w in words[max(0, verb.place - 4) : verb.place]):
            continue  # "what Iran claimed to be": not who says the sentence
        if is_quoted(verb.start, quotes) or verb.form == "base" and verb.base in ("state", "report"):
            continue
        people = [m for m in mentions if m.kind != "adjective" and not possessive(words, m)]
        before = [
            m for m in people if m.last < verb.place and verb.place - m.last <= 4 and not is_quoted(m.start, quotes)
        ]
        if before:
            return before[-1] if before[-1].kind != "outlet" else None
        after = [m for m in people if m.first == verb.place + 1 and verb.base in ("say", "add", "report")]
        if after and after[0].kind != "outlet":
            return after[0]
        pronoun = words[verb.place - 1].lower if verb.place else ""
        if pronoun in ("he", "she", "they", "it"):
            return previous
    m = search(page, ACCORDING, words[0].start, words[-1].end) if words else None
    if m:
        return next((x for x in mentions if x.start >= m.start() and x.kind != "outlet"), None)
    return None


def main_verb(
    verbs: Sequence[Verb], quotes: Sequence[Span], *, whole: bool, mentions: Sequence[Mention], words: Sequence[Token]
) -> Verb | None:
    """The verb that carries the clause: the first finite one outside a quotation, not the one of the attribution."""
    free = [v for v in verbs if whole or not is_quoted(v.start, quotes)]
    trailing = _trailing(free, mentions, words)
    free = [v for v in free if v is not trailing] or free
    finite = [v for v in free if v.form != "ing" or (v.place and words[v.place - 1].lower in BE)]
    strong = [v for v in finite if not _after_to(words, v)]
    return next(iter(strong or finite or free), None)


def _after_to(words: Sequence[Token], verb: Verb) -> bool:
    return verb.place > 0 and words[verb.place - 1].lower == "to"


def _trailing(verbs: Sequence[Verb], mentions: Sequence[Mention], words: Sequence[Token]) -> Verb | None:
    """The verb of an attribution at the end: ", officials said" or ", reports ABC News"."""
    if len(verbs) < 2:
        return None
    verb = verbs[-1]
    if verb.group != "say" or verb.form not in ("past", "third"):
        return None
    subject = next((m for m in mentions if m.last == verb.place - 1), None)
    first = subject.first if subject else verb.place
    before = words[first - 1].text if first else ""
    return verb if before in ',”"' and before else None


def trailing_speaker(words: Sequence[Token], mentions: Sequence[Mention], verbs: Sequence[Verb]) -> Mention | None:
    """Who is named in an attribution at the end, and so is nobody's target."""
    verb = _trailing(verbs, mentions, words)
    return next((m for m in mentions if m.last == verb.place - 1), None) if verb else None


def find_actor(
    page: Page,
    words: Sequence[Token],
    mentions: Sequence[Mention],
    verb: Verb | None,
    context: Context,
    *,
    quoted: bool,
) -> tuple[Mention | None, bool]:
    """Who acts, and whether the clause itself names it."""
    if quoted and context.speaker is not None:
        return context.speaker, True
    people = [m for m in mentions if m.kind != "outlet"]
    limit = verb.place if verb else len(words)
    before = [m for m in people if m.last < limit]
    agent = next((m for m in people if verb and m.first > verb.place and words[m.first - 1].lower == "by"), None)
    if agent and verb and verb.form == "past":
        return agent, True
    subjects = [m for m in before if m.kind != "adjective" and not possessive(words, m) and not _governed(words, m)]
    if subjects:
        return subjects[0], True
    first = words[0].lower if words else ""
    start = 1 if first in ("and", "but", "though", "although", "while", "however", "instead") else 0
    opening = words[start].lower if len(words) > start else ""
    carried = context.actor if context.actor is not None else None
    no_subject = verb is not None and verb.place <= start + 3 and not before
    if carried is not None and no_subject:
        return carried, False
    if opening in PRONOUNS and (carried or context.previous) is not None:
        return carried or context.previous, False
    owners = [
        m for m in before if (possessive(words, m) or m.kind == "adjective") and not (verb and _governed(words, m))
    ]
    if owners:
        return owners[0], True
    if carried is not None:
        return carried, False
    # "a call between Ada and Bo": those between whom something happens come after the verb.
    free = [m for m in people if words[m.first - 1].lower == "between" or (verb is None and not _governed(words, m))]
    return (free[0], True) if free else (None, False)


def _governed(words: Sequence[Token], m: Mention) -> bool:
    """Whether a preposition stands before a mention, so that it is no subject."""
    i = m.first - 1
    if i == 0 and words[0].lower in ("with", "despite", "amid", "after", "before"):
        return False  # "With Cuba shipping arms": the subject of the opening adjunct
    if i >= 0 and words[i].lower in ("the", "an", "a", "its", "their"):
        i -= 1
    return i >= 0 and words[i].lower in PREPOSITIONS


def find_target(
    mentions: Sequence[Mention], verb: Verb | None, actor: Mention | None, known: Lexicon
) -> Mention | None:
    """To whom or against whom: the first other actor after the verb, one of the scenario's if there is one."""
    limit = verb.place if verb else -1
    others = [m for m in mentions if m.kind != "outlet" and (actor is None or m.actor != actor.actor)]
    after = [m for m in others if m.first > limit]
    group = after or others
    if actor is None or not group:
        return None
    return next((m for m in group if m.actor in known.role_of), group[0])
