"""From what was found in a clause to a draft claim, with the words that made each of its parts."""

import re
from collections.abc import Sequence

from detente.record.reading.actors import Lexicon, Mention
from detente.record.reading.cues import BACKGROUND, HEDGE, MEDIA, PRIVATE, PUBLIC
from detente.record.reading.drafts import NOT_NAMED, Draft, Word
from detente.record.reading.page import Page, search
from detente.record.reading.parts import Context, Found
from detente.record.reading.sentences import Clause, Span
from detente.record.reading.words import Token, verb_forms, word_set

NEGATION = word_set(
    """
    not no never neither nor n't cannot without
    """
)


def compose(
    page: Page,
    clause: Clause,
    sentence: Span,
    words: Sequence[Token],
    known: Lexicon,
    context: Context,
    found: Found,
    strength: float,
    last: str,
) -> Draft:
    """Make the draft of one clause.

    Args:
        page: The report, cut up.
        clause: The clause.
        sentence: The sentence in which it stands.
        words: The tokens of the clause.
        known: The names of actors.
        context: What the clause may take from those before it.
        found: What was found in it.
        strength: How much speaks for a claim.
        last: The end of its chain of attribution.

    Returns:
        The draft, as yet without an id.
    """
    text = page.text
    hedged = search(page, HEDGE, clause.start, clause.end) is not None
    cues = HEDGE.form.finditer(page.small, clause.start, clause.end) if hedged else ()
    hedges = [_word("hedge", text, m) for m in cues]
    channel, cue = _channel(page, clause, sentence, found, context)
    dates = [d for d in found.dates if not d.problem]
    happened = next((d for d in dates if d.first is not None), dates[0] if dates else None)
    actor, target = found.actor, found.target
    act, act_end = _act(text, words, found)
    quotes = [Word("quotation", text[q.start : q.end], q.start, q.end) for q in found.quotes]
    made = [
        Word("actor", actor.text, actor.start, actor.end) if actor else None,
        Word("act", text[found.verb.start : act_end], found.verb.start, act_end) if found.verb else None,
        Word("target", target.text, target.start, target.end) if target else None,
        *[Word("number", a.text, a.start, a.end) for a in found.amounts],
        *[Word("date", d.text, d.start, d.end) for d in found.dates],
        *hedges,
        _word("channel", text, cue) if cue else None,
        *quotes,
        _word("cause", text, found.cause) if found.cause else None,
        _word("event", text, found.event) if found.event and not (found.verb and actor) else None,
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
        role=known.role_of.get(actor.actor, "") if actor else "",
        happened=happened,
        amounts=tuple(found.amounts),
        hedges=tuple(dict.fromkeys([*[w.text.lower() for w in hedges], *[a.hedge for a in found.amounts if a.hedge]])),
        channel=channel,
        attribution=chain,
        quotes=tuple(quotes),
        words=tuple([w for w in [*made, *spoken] if w is not None]),
        problems=tuple([f"{page.name}, character {d.start}: {d.problem}" for d in found.dates if d.problem]),
        strength=strength,
    )


def _word(role: str, text: str, m: re.Match[str]) -> Word:
    """A cue that was found in small letters, as it is printed."""
    return Word(role, text[m.start() : m.end()], m.start(), m.end())


def _person(actor: Mention | None) -> str:
    if actor is None:
        return ""
    if actor.kind == "unnamed":
        return f"{' '.join(actor.text.split())} (unnamed)"
    return actor.person


def _act(text: str, words: Sequence[Token], found: Found) -> tuple[str, int]:
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


def _kind(found: Found, act: str) -> str:
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
    page: Page, clause: Clause, sentence: Span, found: Found, context: Context
) -> tuple[str, re.Match[str] | None]:
    """Public or private, by the words that say so; an unnamed official who speaks is on background."""
    if found.verb is None and not found.quotes:
        return "none", None
    private = search(page, PRIVATE, clause.start, clause.end)
    public = search(page, PUBLIC, clause.start, clause.end)
    if private and public:
        return "private-and-public", private
    if private:
        return ("private-then-reported" if found.attributed or context.retold else "private"), private
    if public or (found.quotes and (public := search(page, PUBLIC, sentence.start, sentence.end))):
        return "public", public
    background = search(page, BACKGROUND, sentence.start, sentence.end)
    speaks = found.verb is not None and found.verb.group in ("say", "press", "judge")
    if background or (speaks and found.own and found.actor is not None and found.actor.kind == "unnamed"):
        return "background", background
    return "none", None


def _attribution(
    page: Page, clause: Clause, sentence: Span, found: Found, context: Context, last: str
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
    for name, place in context.cited:
        chain.append(" ".join(name.split()))
        words.append(Word("attribution", name, place, place + len(name)))
    retold = search(page, MEDIA, sentence.start, sentence.end) is not None
    for m in MEDIA.form.finditer(page.small, sentence.start, sentence.end) if retold else ():
        chain.append(m.group())
        words.append(_word("attribution", page.text, m))
    if len(words) <= (speaker is not None) and speaker is not None:
        chain += [name for name in context.retold if name != last][:1]
    if not chain:
        chain.append("the writer")
    chain.append(last)
    return tuple(dict.fromkeys(chain)), words


def _says_inside(clause: Clause, context: Context) -> bool:
    """Whether the sentence's speaker stands in this clause."""
    return context.speaker is not None and clause.start <= context.speaker.start < clause.end
