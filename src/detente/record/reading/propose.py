"""Draft claims from a report: each clause is searched for who, said or did, what, to whom, how many and when."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from detente.record.reading.actors import Lexicon, Mention, find_mentions, possessive
from detente.record.reading.dates import DateMention, find_dates
from detente.record.reading.documents import Document
from detente.record.reading.drafts import NOT_NAMED, Draft, Word
from detente.record.reading.quantities import Amount, find_amounts
from detente.record.reading.sentences import Clause, Span, find_quotes, split_clauses, split_sentences
from detente.record.reading.words import BE, Token, Verb, find_verbs, tokens, verb_forms, word_set

THRESHOLD = 3.0
# A stretch of so many characters without an end of a sentence is a table or a list of names, and no statement.
MAX_SENTENCE = 4_000
WEIGHTS = {
    "say": 2.0, "press": 2.0, "act": 2.0, "plan": 2.0, "judge": 1.0, "other": 1.0, "actor": 2.0, "carried actor": 1.0,
    "number": 1.0, "exact number": 2.0, "quotation": 2.0, "date": 1.0, "attribution": 1.0, "event": 1.0, "cause": 1.0,
    "headline": 1.0, "party": 1.0, "taken up": 1.0,
}  # fmt: skip
EVENT = re.compile(
    r"\b(?:attacks?|strikes?|missiles?|drones?|rockets?|blockades?|quarantine|ceasefires?|cease-fire|truce|talks|"
    r"negotiations?|sanctions|escalat\w+|tensions?|conflict|wars?|crisis|invasion|offensive|"
    r"counteroffensive|retaliat\w+|"
    r"response|repl(?:y|ies)|drills?|exercises?|incursions?|harm|damage|casualt\w+|injur\w+|deaths?|"
    r"agreement|accord|treaty|"
    r"stand-?off|raids?|shelling|clash\w*|assassination|killings?|evacuation|deployment|shipments?|threats?|reprisals?|"
    r"ultimatum|hostages?|embargo|mobili[sz]ation|ships?|vessels?|tankers?|troops|airspace|airstrikes?|border|nuclear|"
    r"self-defen[cs]e|restraint|diplomacy|military|weapons?|warships?|aircraft|operations?|interceptions?|"
    r"explosions?)\b",
    re.IGNORECASE,
)
CAUSE = re.compile(
    r"\b(?:in (?:response|retaliation|reply|reprisal|revenge) (?:to|for)|(?:a|as|viewed as) (?:response|"
    r"retaliation) (?:to|for)|"
    r"because of|as a result of|after|following|triggered by|prompted by|blamed (?:on|for)|retaliation for|response to|"
    r"in the wake of|due to|led to|leading to)\b",
    re.IGNORECASE,
)
# What was told before, under another name: "This stance", "The move".
TAKEN_UP = re.compile(
    r"(?:this|these|such)\s+[a-z]{4,}|the (?:move|decision|message|warning|statement|announcement|measures?|step)\b",
    re.IGNORECASE,
)
HEDGE = re.compile(
    r"\b(?:may|might|could|reportedly|allegedly|alleged|potential(?:ly)?|possibl[ey]|likely|unlikely|"
    r"apparent(?:ly)?|appears?"
    r"|appeared|seem(?:s|ed)?|considering|weighing|initially(?: believed)?|believed|later revealed|viewed as|seen as|"
    r"claim(?:s|ed) to|said to (?:be|have)|perceived|currently|serious(?:ly)?|unconfirmed|unverified|"
    r"expected|suspected|"
    r"so-called|prospective|reluctan(?:t|ce)|(?:did|does|do) not intend|not immediately|no immediate|"
    r"preliminary|estimated|"
    r"purported(?:ly)?|in principle|not (?:yet )?(?:clear|confirmed)|unclear|probabl[ey]|presumably|"
    r"tentative(?:ly)?)\b",
    re.IGNORECASE,
)
PRIVATE = re.compile(
    r"\b(?:private(?:ly)?|behind (?:the scenes|closed doors)|back[- ]?channel|(?:tele)?phone (?:call|"
    r"conversation)|hotline|"
    r"by (?:tele)?phone|confidential(?:ly)?|secret(?:ly)?|classified|quietly|intermediar\w+|discreetly|"
    r"regular communication)\b",
    re.IGNORECASE,
)
PUBLIC = re.compile(
    r"\b(?:public(?:ly)?|told (?:reporters|parliament|journalists|lawmakers|the nation|a (?:news|"
    r"press) conference|state media)"
    r"|(?:news|press) (?:conference|briefing|release)|statement|speech|televised|interview|"
    r"state (?:television|TV|media)|"
    r"social media|announced|announcing|declared|communiqué|on (?:X|Twitter|Telegram|Facebook|television)|broadcast|"
    r"open letter|posted|address to)\b",
    re.IGNORECASE,
)
BACKGROUND = re.compile(
    r"\b(?:(?:on )?condition of anonymity|on background|anonymous(?:ly)?|declined to be (?:named|identified)|"
    r"not authori[sz]ed to|asked not to be)\b",
    re.IGNORECASE,
)
_NAME = r"[A-Z][\w&’'-]*(?:\.[A-Z]\w*)*(?:\s+(?:of\s+)?[A-Z][\w&’'-]*){0,3}"
OUTLET = re.compile(
    rf"\b(?P<a>{_NAME})\s+(?:reports|reported|has reported|writes)(?=\s*(?:[,.;]|via|on|that|citing|quoting|$))"
    rf"|\b(?:reports|reported by|as reported by|told|citing|quoting|according to|quoted by|"
    rf"cited by)\s+(?:the\s+)?(?P<b>{_NAME})"
)
MEDIA = re.compile(
    r"\b(?:foreign media|local media|state media|state television|state TV|media reports|news agenc\w+)\b",
    re.IGNORECASE,
)
ACCORDING = re.compile(r"\b(?:according to|citing|quoting)\s+", re.IGNORECASE)
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
NEGATION = word_set(
    """
    not no never neither nor n't cannot without
    """
)


@dataclass(frozen=True)
class _Context:
    """What a clause may take from what stands before it, and from its sentence."""

    actor: Mention | None
    speaker: Mention | None
    previous: Mention | None
    verb: Verb | None
    retold: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """A document cut up once: its tokens, mentions, dates, amounts and quotations, in order."""

    name: str
    text: str
    words: tuple[Token, ...]
    starts: list[int]
    mentions: list[Mention]
    dates: list[DateMention]
    amounts: list[Amount]
    quotes: list[Span]
    anchor: date | None


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
    page = cut(document, known, anchor) if page is None else _redated(page, document, anchor)
    last = outlet or document.about.outlet or document.name.rsplit("/")[-1]
    retold = _retold(page)
    drafts: list[Draft] = []
    previous: Mention | None = None
    for n, (start, end) in enumerate(document.paragraphs):
        headline = n == 0 and bool(document.about.title)
        for sentence in split_sentences(page.text, start, end):
            if sentence.end - sentence.start > MAX_SENTENCE:
                continue
            made, previous = _from_sentence(page, sentence, known, previous, retold, last, headline=headline)
            drafts += made
    return drafts


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
    dates = [d for a, b in document.paragraphs for d in find_dates(text, anchor, a, b)]
    spans = tuple((d.start, d.end) for d in dates)
    amounts = [a for s, e in document.paragraphs for a in find_amounts(text, s, e, _within(spans, s, e))]
    quotes = [q for a, b in document.paragraphs for q in find_quotes(text, a, b)]
    starts = [w.start for w in words]
    return Page(document.name, text, words, starts, find_mentions(text, known, words), dates, amounts, quotes, anchor)


def _redated(page: Page, document: Document, anchor: date | None) -> Page:
    """The same page with its dates resolved against another day."""
    if anchor == page.anchor:
        return page
    return replace(
        page, dates=[d for a, b in document.paragraphs for d in find_dates(page.text, anchor, a, b)], anchor=anchor
    )


def _within(spans: Sequence[tuple[int, int]], start: int, end: int) -> tuple[tuple[int, int], ...]:
    return tuple(s for s in spans if start <= s[0] < end)


def _retold(page: Page) -> tuple[str, ...]:
    """Outlets that the report as a whole retells: "reports ABC News", "X reports via foreign media"."""
    found = []
    for m in OUTLET.finditer(page.text):
        name = m["a"] or m["b"]
        if _is_outlet(page, m.start("a") if m["a"] else m.start("b"), name, bool(m["a"])):
            found.append(" ".join(name.split()))
    return tuple(dict.fromkeys(found))


def _attributed(page: Page, clause: Clause) -> bool:
    """Whether the clause says from whom it has what it says."""
    if ACCORDING.search(page.text, clause.start, clause.end):
        return True
    return any(
        _is_outlet(page, m.start("a") if m["a"] else m.start("b"), m["a"] or m["b"], bool(m["a"]))
        for m in OUTLET.finditer(page.text, clause.start, clause.end)
    )


def _is_outlet(page: Page, place: int, name: str, reports: bool) -> bool:
    at = next((m for m in page.mentions if m.start <= place < m.end or place <= m.start < place + len(name)), None)
    if at is not None:
        return at.kind == "outlet"
    return reports and name.split()[0].lower() not in ("the", "it", "he", "she", "they", "who", "police")


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
    words, mentions = _slice(page, sentence.start, sentence.end)
    quotes = _starting(page.quotes, sentence.start, sentence.end)
    verbs = find_verbs(words, [m.last for m in mentions])
    speaker = _speaker(page, words, mentions, verbs, quotes, previous)
    drafts: list[Draft] = []
    actor: Mention | None = None
    verb: Verb | None = None
    for clause in split_clauses(page.text, sentence, words, mentions, quotes, verbs):
        context = _Context(actor, speaker, previous, verb, retold)
        first = bisect_left(page.starts, clause.start) - bisect_left(page.starts, sentence.start)
        own = [v._replace(place=v.place - first) for v in verbs if clause.start <= v.start < clause.end]
        draft, found, said = _from_clause(page, clause, sentence, own, known, context, last, headline=headline)
        if draft is not None:
            drafts.append(draft)
        actor, verb = found or actor, said or verb
    return drafts, actor or speaker or previous


def _starting(parts: list[Any], start: int, end: int) -> list[Any]:
    """The parts that begin in a span; they are in the order of the text."""
    first = bisect_left(parts, start, key=lambda part: part.start)
    last = bisect_left(parts, end, lo=first, key=lambda part: part.start)
    return parts[first:last]


def _slice(page: Page, start: int, end: int) -> tuple[tuple[Token, ...], list[Mention]]:
    """The tokens of a span, and the mentions in it with indices that count from its first token."""
    a, b = bisect_left(page.starts, start), bisect_left(page.starts, end)
    i = bisect_left(page.mentions, start, key=lambda m: m.start)
    inside = []
    while i < len(page.mentions) and page.mentions[i].end <= end:
        actor, person, kind, s, e, text, first, last = page.mentions[i]
        inside.append(Mention(actor, person, kind, s, e, text, first - a, last - a))
        i += 1
    return page.words[a:b], inside


def _quoted(place: int, quotes: Sequence[Span]) -> bool:
    return any(q.start < place < q.end for q in quotes)


def _speaker(
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
        if _quoted(verb.start, quotes) or verb.form == "base" and verb.base in ("state", "report"):
            continue
        people = [m for m in mentions if m.kind != "adjective" and not possessive(words, m)]
        before = [
            m for m in people if m.last < verb.place and verb.place - m.last <= 4 and not _quoted(m.start, quotes)
        ]
        if before:
            return before[-1] if before[-1].kind != "outlet" else None
        after = [m for m in people if m.first == verb.place + 1 and verb.base in ("say", "add", "report")]
        if after and after[0].kind != "outlet":
            return after[0]
        pronoun = words[verb.place - 1].lower if verb.place else ""
        if pronoun in ("he", "she", "they", "it"):
            return previous
    m = ACCORDING.search(page.text, words[0].start, words[-1].end) if words else None
    if m:
        return next((x for x in mentions if x.start >= m.start() and x.kind != "outlet"), None)
    return None


def _from_clause(
    page: Page,
    clause: Clause,
    sentence: Span,
    verbs: Sequence[Verb],
    known: Lexicon,
    context: _Context,
    last: str,
    *,
    headline: bool,
) -> tuple[Draft | None, Mention | None, Verb | None]:
    words, mentions = _slice(page, clause.start, clause.end)
    near = _starting(page.quotes, sentence.start, clause.end)
    quotes = [q for q in near if q.end > clause.start]
    inside = [q for q in quotes if q.start <= clause.start + 1 and q.end >= clause.end - 1]
    verb = _main_verb(verbs, quotes, whole=bool(inside), mentions=mentions, words=words)
    actor, own = _actor(page, words, mentions, verb, context, quoted=bool(inside))
    found = _Found(
        verb,
        actor,
        own,
        _target(words, [m for m in mentions if m != _trailing_speaker(words, mentions, verbs)], verb, actor, known),
        _starting(page.dates, clause.start, clause.end),
        _starting(page.amounts, clause.start, clause.end),
        [q for q in quotes if q.end - q.start > 2],
        bool(mentions),
        bool(TAKEN_UP.match(page.text, clause.start)),
        _attributed(page, clause),
        EVENT.search(page.text, clause.start, clause.end),
        CAUSE.search(page.text, clause.start, clause.end),
    )
    strength = _strength(found, headline=headline)
    text = page.text[clause.start : clause.end]
    if strength < THRESHOLD or not _is_statement(text, found, headline=headline):
        return None, actor if own else None, verb
    return _draft(page, clause, sentence, words, known, context, found, strength, last), actor, verb


@dataclass(frozen=True)
class _Found:
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


def _main_verb(
    verbs: Sequence[Verb], quotes: Sequence[Span], *, whole: bool, mentions: Sequence[Mention], words: Sequence[Token]
) -> Verb | None:
    """The verb that carries the clause: the first finite one outside a quotation, not the one of the attribution."""
    free = [v for v in verbs if whole or not _quoted(v.start, quotes)]
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


def _trailing_speaker(words: Sequence[Token], mentions: Sequence[Mention], verbs: Sequence[Verb]) -> Mention | None:
    """Who is named in an attribution at the end, and so is nobody's target."""
    verb = _trailing(verbs, mentions, words)
    return next((m for m in mentions if m.last == verb.place - 1), None) if verb else None


def _actor(
    page: Page,
    words: Sequence[Token],
    mentions: Sequence[Mention],
    verb: Verb | None,
    context: _Context,
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


def _target(
    words: Sequence[Token], mentions: Sequence[Mention], verb: Verb | None, actor: Mention | None, known: Lexicon
) -> Mention | None:
    """To whom or against whom: the first other actor after the verb, one of the scenario's if there is one."""
    limit = verb.place if verb else -1
    others = [m for m in mentions if m.kind != "outlet" and (actor is None or m.actor != actor.actor)]
    after = [m for m in others if m.first > limit]
    cast = set(known.roles.values())
    for group in (after, others):
        found = next((m for m in group if m.actor in cast), None) or next(iter(group), None)
        if found is not None and actor is not None:
            return found
    return None


def _strength(found: _Found, *, headline: bool) -> float:
    parts = []
    if found.verb:
        parts.append(found.verb.group)
    if found.actor:
        parts.append("actor" if found.own else "carried actor")
    if found.amounts:
        parts.append(
            "exact number" if any(a.low is not None or a.high is not None for a in found.amounts) else "number"
        )
    if found.quotes:
        parts.append("quotation")
    for name, there in (
        ("date", found.dates),
        ("attribution", found.attributed),
        ("event", found.event),
        ("cause", found.cause),
        ("headline", headline),
        ("party", found.party and not found.actor),
        ("taken up", found.taken_up),
    ):
        if there:
            parts.append(name)
    return sum(WEIGHTS[p] for p in parts)


def _is_statement(text: str, found: _Found, *, headline: bool) -> bool:
    """Whether a clause states something: no question, no address to the reader, and about something that happens."""
    if text.rstrip().endswith("?") and not found.quotes:
        return False
    if re.match(r"(?:click|read|watch|listen|subscribe|follow|share|see|download|visit)\b", text, re.IGNORECASE):
        return False
    if found.verb is None and not headline:
        return bool(found.quotes) or (bool(found.dates or found.amounts) and found.event is not None)
    return found.actor is not None or found.party or found.event is not None or bool(found.amounts)


def _draft(
    page: Page,
    clause: Clause,
    sentence: Span,
    words: Sequence[Token],
    known: Lexicon,
    context: _Context,
    found: _Found,
    strength: float,
    last: str,
) -> Draft:
    text = page.text
    hedges = list(HEDGE.finditer(text, clause.start, clause.end))
    channel, cue = _channel(page, clause, sentence, found, context)
    dates = [d for d in found.dates if not d.problem]
    happened = next((d for d in dates if d.resolved), next(iter(dates), None))
    actor, target = found.actor, found.target
    act, act_end = _act(text, words, found)
    roles = {name: role for role, name in known.roles.items()}
    made = [
        Word("actor", actor.text, actor.start, actor.end) if actor else None,
        Word("act", text[found.verb.start : act_end], found.verb.start, act_end) if found.verb else None,
        Word("target", target.text, target.start, target.end) if target else None,
        *(Word("number", a.text, a.start, a.end) for a in found.amounts),
        *(Word("date", d.text, d.start, d.end) for d in found.dates),
        *(Word("hedge", m.group(), m.start(), m.end()) for m in hedges),
        Word("channel", cue.group(), cue.start(), cue.end()) if cue else None,
        *(Word("quotation", text[q.start : q.end], q.start, q.end) for q in found.quotes),
        Word("cause", found.cause.group(), found.cause.start(), found.cause.end()) if found.cause else None,
        Word("event", found.event.group(), found.event.start(), found.event.end())
        if found.event and not (found.verb and actor)
        else None,
    ]
    chain, spoken = _attribution(page, clause, sentence, found, context, last)
    return Draft(
        "",
        page.name,
        clause.start,
        clause.end,
        " ".join(text[clause.start : clause.end].split()),
        _kind(found, act),
        actor.actor if actor else NOT_NAMED,
        act,
        target.name if target else "",
        person=_person(actor),
        role=roles.get(actor.actor, "") if actor else "",
        happened=happened,
        amounts=tuple(found.amounts),
        hedges=tuple(
            dict.fromkeys([*(m.group().lower() for m in hedges), *(a.hedge for a in found.amounts if a.hedge)])
        ),
        channel=channel,
        attribution=chain,
        quotes=tuple(Word("quotation", text[q.start : q.end], q.start, q.end) for q in found.quotes),
        words=tuple(w for w in [*made, *spoken] if w is not None),
        problems=tuple(f"{page.name}, character {d.start}: {d.problem}" for d in found.dates if d.problem),
        strength=strength,
    )


def _person(actor: Mention | None) -> str:
    if actor is None:
        return ""
    if actor.kind == "unnamed":
        return f"{' '.join(actor.text.split())} (unnamed)"
    return actor.person


def _act(text: str, words: Sequence[Token], found: _Found) -> tuple[str, int]:
    """The act in a few words: the verb, what it is done towards, and whether it is denied."""
    verb = found.verb
    if verb is None:
        return (found.event.group().lower() if found.event else "state"), 0
    near = [w.lower for w in words[max(0, verb.place - 3) : verb.place]]
    denied = any(w in NEGATION for w in near) or (len(near) > 1 and near[-2:] == ["’", "t"])
    act, end = verb.base, verb.end
    following = words[verb.place + 2].lower if verb.place + 2 < len(words) else ""
    if following and words[verb.place + 1].lower == "to" and verb_forms().get(following, ("", "", ""))[2] == "base":
        act, end = f"{act} to {words[verb.place + 2].lower}", words[verb.place + 2].end
    return (f"not {act}" if denied else act), end


def _kind(found: _Found, act: str) -> str:
    if found.quotes and any(q.end - q.start > 20 for q in found.quotes):
        return "quotation"
    if found.amounts and any(a.low is not None or a.high is not None for a in found.amounts):
        return "number"
    group = found.verb.group if found.verb else ""
    if group in ("say", "press"):
        return "statement"
    if found.cause and group not in ("plan",):
        return "cause"
    return {"act": "act", "plan": "plan", "judge": "assessment"}.get(group, "event")


def _channel(
    page: Page, clause: Clause, sentence: Span, found: _Found, context: _Context
) -> tuple[str, re.Match[str] | None]:
    """Public or private, by the words that say so; an unnamed official who speaks is on background."""
    text = page.text
    if found.verb is None and not found.quotes:
        return "none", None
    private = PRIVATE.search(text, clause.start, clause.end)
    public = PUBLIC.search(text, clause.start, clause.end)
    if private and public:
        return "private-and-public", private
    if private:
        return ("private-then-reported" if found.attributed or context.retold else "private"), private
    if public or (found.quotes and (public := PUBLIC.search(text, sentence.start, sentence.end))):
        return "public", public
    background = BACKGROUND.search(text, sentence.start, sentence.end)
    speaks = found.verb is not None and found.verb.group in ("say", "press", "judge")
    if background or (speaks and found.own and found.actor is not None and found.actor.kind == "unnamed"):
        return "background", background
    return "none", None


def _attribution(
    page: Page, clause: Clause, sentence: Span, found: _Found, context: _Context, last: str
) -> tuple[tuple[str, ...], list[Word]]:
    """Who says so, from the first speaker to this report."""
    chain: list[str] = []
    words: list[Word] = []
    group = found.verb.group if found.verb else ""
    speaker = found.actor if group == "say" and found.own else None
    if speaker is None and (found.quotes or found.attributed or _says_inside(clause, context)):
        speaker = context.speaker
    if speaker is not None and speaker.kind != "outlet":
        chain.append(_person(speaker) or speaker.actor)
        words.append(Word("speaker", speaker.text, speaker.start, speaker.end))
    for m in OUTLET.finditer(page.text, sentence.start, sentence.end):
        name, place = (m["a"], m.start("a")) if m["a"] else (m["b"], m.start("b"))
        if _is_outlet(page, place, name, bool(m["a"])):
            chain.append(" ".join(name.split()))
            words.append(Word("attribution", name, place, place + len(name)))
    for m in MEDIA.finditer(page.text, sentence.start, sentence.end):
        chain.append(m.group().lower())
        words.append(Word("attribution", m.group(), m.start(), m.end()))
    if len(words) <= (speaker is not None) and speaker is not None:
        chain += [name for name in context.retold if name != last][:1]
    if not chain:
        chain.append("the writer")
    chain.append(last)
    return tuple(dict.fromkeys(chain)), words


def _says_inside(clause: Clause, context: _Context) -> bool:
    """Whether the sentence's speaker stands in this clause."""
    return context.speaker is not None and clause.start <= context.speaker.start < clause.end
