"""Sentences of a report, and the clauses inside them that can each carry a claim."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from detente.record.reading.actors import Mention
from detente.record.reading.words import AUXILIARIES, Token, Verb, find_verbs, verb_forms, word_set

MIN_WORDS = 4
MIN_ADJUNCT_WORDS = 5
MIN_ASIDE_WORDS = 7
MAX_QUOTE = 600
_NEXT_WORD = re.compile(r"\s*([“\"‘'(\[]*)(\w+)?")
_LAST_WORD = re.compile(r"[\w.]+$")
_QUOTATION = re.compile(
    rf"“[^“”]{{1,{MAX_QUOTE}}}”|«[^«»]{{1,{MAX_QUOTE}}}»|\"(?<!\w\")[^\"\n]{{1,{MAX_QUOTE}}}\"(?!\w)"
)
_END = re.compile(r"""[.!?…](?:(?<=\.)\.\.)?[”"’')\]]*(?=\s|$)""")
_ABBREVIATIONS = word_set(
    """
    mr mrs ms dr gen lt col sgt capt cmdr adm maj sen rep gov st no vs jr sr inc ltd co corp jan feb mar apr jun
    jul aug sep sept oct nov dec prof rev hon fig approx e.g i.e a.m p.m brig
    """
)
_STARTERS = word_set(
    """
    the a an in on at but and he she it they this that these those we i there however while when after as for by
    with if its his their some many since until meanwhile although though earlier later both no not so
    """
)
_ADJUNCT = re.compile(
    r"(?:In the wake of|In response to|In retaliation for|With|Despite|After|Following|Amid|Amidst|"
    r"Although|Though|While|"
    r"Because|Since|As|When|Before|Even as|Even though|Given|Having|Unless|If|Hours after|Days after|Weeks after|"
    r"Shortly after|Just days after|Citing|Speaking|Responding|Asked)\b"
)
_SUBORDINATE = re.compile(r"\s+(?:although|even though|though|whereas|while|but|yet|even as|so|because|after)\b")
_COORDINATE = frozenset(("and", "but", "or"))
_PARTICIPLE = re.compile(
    r"\s+(?:(?:thereby|again|reportedly)\s+)?(?:causing|killing|wounding|injuring|raising|prompting|triggering|leaving|"
    r"forcing|sparking|drawing|destroying|damaging|sinking|labell?ing|calling|saying|adding|warning|vowing|describing|"
    r"accusing|insisting|urging|stressing|noting|telling|claiming|bringing|cutting|closing|blocking|sending|ending)\b"
)
_RELATIVE = re.compile(
    r"\s+(?:a|an|the|its|one|whose)\b[^,;:]{0,80}?\b(?:that|which|who)\s+(?:has|have|had|was|were|is|are)\b"
)
_SUBJECT = word_set(
    """
    the a an this these those some its his their there it he she they both no at several many one
    """
)
_CUTTING = frozenset(",;—–")
_FINITE_AUXILIARIES = AUXILIARIES - {"be", "been", "being"}
_SINGLE = re.compile(r"(?:[A-Za-z]\.)*[A-Z]")
_AND = re.compile(r"\s+(?:and|but|nor|or)\s")


class Span(NamedTuple):
    """A piece of a text."""

    start: int
    end: int


class Clause(NamedTuple):
    """A part of a sentence that can carry a claim; ``joined`` says that its subject may stand in the one before."""

    start: int
    end: int
    joined: bool = False


def split_sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Cut a paragraph into sentences; a quotation stays in one piece, and abbreviations end nothing.

    Args:
        text: The whole text.
        start: Where the paragraph begins.
        end: Where it ends.

    Returns:
        The sentences, without the white space around them.

    Example:
        >>> text = "The U.S. Navy sailed. “Wait... We decide,” Gen. Li said. No."
        >>> [text[s.start:s.end] for s in split_sentences(text)]
        ['The U.S. Navy sailed.', '“Wait... We decide,” Gen. Li said.', 'No.']
    """
    stop = len(text) if end is None else end
    quotes = find_quotes(text, start, stop)
    opened = [q.start for q in quotes]
    cuts, last = [], start
    for m in _END.finditer(text, start, stop):
        before = bisect_left(opened, m.start()) - 1
        inside = before >= 0 and m.end() < quotes[before].end
        if inside or not _ends_here(text, m, stop):
            continue
        cuts.append((last, m.end()))
        last = m.end()
    cuts.append((last, stop))
    return [s for a, b in cuts if (s := _trim(text, a, b)).end > s.start]


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    return Span(start + left, max(start + left, start + len(piece.rstrip())))


def _ends_here(text: str, m: re.Match[str], stop: int) -> bool:
    following = _NEXT_WORD.match(text, m.end(), stop)
    word = following[2] if following and following[2] else ""
    if word and word[0].islower():
        return False
    if not m.group().startswith("."):
        return True
    before = _LAST_WORD.search(text, max(0, m.start() - 12), m.start())
    last = before.group() if before else ""
    if last.lower() in _ABBREVIATIONS and not last.isdigit():
        # A month at the end of a sentence: "until Oct. The talks"; a number follows where it does not end.
        return last.lower() in ("no",) and not word[:1].isdigit()
    single = _SINGLE.fullmatch(last)
    if single and m.group() == ".":
        return not word or word.lower() in _STARTERS if "." in last else False
    return True


def find_quotes(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """The quotations of a text, with their marks; one that is never closed does not count.

    Args:
        text: The text.
        start: Where to begin.
        end: Where to stop.

    Returns:
        The places of the quotations.

    Example:
        >>> text = 'He called it “defeated” and "over".'
        >>> [text[q.start:q.end] for q in find_quotes(text)]
        ['“defeated”', '"over"']
    """
    stop = len(text) if end is None else end
    return [Span(m.start(), m.end()) for m in _QUOTATION.finditer(text, start, stop)]


def split_clauses(
    text: str,
    sentence: Span,
    words: Sequence[Token],
    mentions: Sequence[Mention],
    quotes: Sequence[Span],
    found: Sequence[Verb] | None = None,
    counted: Sequence[int] | None = None,
) -> list[Clause]:
    """Cut a sentence where a new claim begins, by commas, conjunctions and the verbs around them.

    Args:
        text: The whole text.
        sentence: The sentence.
        words: Its tokens.
        mentions: The actors in it; their indices count in ``words``.
        quotes: The quotations in it.
        found: Its verbs, if they have been found already.
        counted: Where words begin in the text, signs left out, if that is known already.

    Returns:
        The clauses; together they cover the sentence.

    Example:
        >>> from detente.record.reading.actors import find_mentions, lexicon
        >>> from detente.record.reading.words import tokens
        >>> text = "Despite the ban the ships sailed, but Havana warned London and called for talks."
        >>> words = tokens(text)
        >>> found = split_clauses(text, Span(0, len(text)), words, find_mentions(text, lexicon(), words), [])
        >>> [text[c.start:c.end] for c in found]
        ['Despite the ban the ships sailed', 'but Havana warned London', 'and called for talks.']
    """
    listed = find_verbs(words, [m.last for m in mentions]) if found is None else found
    verbs = {v.place: v for v in listed}
    finite = {i for i, v in verbs.items() if v.form != "ing"} | {
        i for i, w in enumerate(words) if w.lower in _FINITE_AUXILIARIES
    }
    cuts = set()
    adjunct = _adjunct_end(text, sentence, words, finite, quotes)
    if adjunct:
        cuts.add(adjunct)
    begin = adjunct or sentence.start
    for place in _comma_cuts(text, sentence, words, finite, quotes):
        if place > begin:
            cuts.add(place)
    for i in [i for i, w in enumerate(words) if w.text in _COORDINATE]:
        cut = _before(words, i)
        if cut >= begin and not _inside(words[i].start, quotes) and _verb_follows(words, i, verbs):
            cuts.add(cut)
    for quote in quotes:
        if sentence.start < quote.end < sentence.end and text[quote.end - 2 : quote.end - 1] in ",.?!…":
            cuts.add(quote.end)
    places = [w.start for w in words if w.text[0].isalnum()] if counted is None else counted
    return _long_enough(text, sentence, sorted(cuts), places)


def _before(words: Sequence[Token], i: int) -> int:
    """Where the clause before a conjunction ends: at its comma, if it has one; -1 where no space is before it."""
    if i == 0 or words[i - 1].end == words[i].start:
        return -1
    return words[i - 1].start if words[i - 1].text == "," else words[i - 1].end


def _inside(place: int, quotes: Sequence[Span]) -> bool:
    return any(q.start < place < q.end for q in quotes)


def _adjunct_end(
    text: str, sentence: Span, words: Sequence[Token], finite: set[int], quotes: Sequence[Span]
) -> int | None:
    """Where the opening adjunct ends: the first comma after which a subject with its verb begins."""
    if not _ADJUNCT.match(text, sentence.start):
        return None
    for i, word in enumerate(words):
        if word.text != "," or i < MIN_ADJUNCT_WORDS or _inside(word.start, quotes):
            continue
        if i + 1 < len(words) and _subject_at(words, i + 1, finite):
            return word.start
    return None


def _subject_at(words: Sequence[Token], i: int, finite: set[int]) -> bool:
    if i >= len(words):
        return False
    first = words[i]
    if not (first.lower in _SUBJECT or first.text[0].isupper() or first.lower.endswith("s")):
        return False
    for j in range(i, min(i + 9, len(words))):
        if words[j].text in ",;:":
            return False
        if j > i and j in finite:
            return True
    return False


def _comma_cuts(
    text: str, sentence: Span, words: Sequence[Token], finite: set[int], quotes: Sequence[Span]
) -> list[int]:
    cuts, opened = [], -1
    for i, word in [(i, w) for i, w in enumerate(words) if w.text in _CUTTING]:
        if word.text != ",":
            if i > 2 and not _inside(word.start, quotes):
                cuts.append(word.start)
            continue
        cut = _SUBORDINATE.match(text, word.end, sentence.end)
        if not cut and not _inside(word.start, quotes):
            cut = _PARTICIPLE.match(text, word.end, sentence.end) or _RELATIVE.match(text, word.end, sentence.end)
            # ", which ..., struck": the aside is over where the main verb comes.
            cut = cut or (opened >= 0 and i - opened > MIN_ASIDE_WORDS and i + 1 in finite)
            # "…, and the fleet sailed": a new subject with its verb.
            cut = cut or (_AND.match(text, word.end, sentence.end) and _subject_at(words, i + 2, finite))
        if cut:
            cuts.append(word.start)
        opened = i
    return cuts


def _verb_follows(words: Sequence[Token], i: int, verbs: dict) -> bool:
    """Whether a finite verb, or "to" with a verb, follows the conjunction at this index."""
    j = i + 1
    while j < len(words) and (
        words[j].lower.endswith("ly") or words[j].lower in ("then", "later", "also", "has", "have")
    ):
        j += 1
    if j >= len(words):
        return False
    if words[j].lower == "to":
        return verb_forms().get(words[j + 1].lower if j + 1 < len(words) else "", ("", "", ""))[2] == "base"
    if words[j].lower in AUXILIARIES and words[j].lower not in ("be", "been", "being", "do"):
        return True
    verb = verbs.get(j)
    return verb is not None and verb.form in ("past", "third")


def _long_enough(text: str, sentence: Span, cuts: Sequence[int], places: Sequence[int]) -> list[Clause]:
    """The pieces between the cuts; one of too few words stays with its neighbour."""
    clauses: list[Clause] = []
    start = sentence.start
    for cut in [*cuts, sentence.end]:
        if cut <= start:
            continue
        last = cut == sentence.end
        count = _num_between(places, start, cut)
        if count < MIN_WORDS:
            if last and clauses:
                clauses[-1] = Clause(clauses[-1].start, cut, clauses[-1].joined)
                start = cut
            continue
        remaining = _num_between(places, cut, sentence.end)
        if not last and remaining < MIN_WORDS:
            continue
        piece = _trim(text, start, cut)
        begin = piece.start
        while begin < piece.end and text[begin] in ",;—– ":
            begin += 1
        clauses.append(Clause(begin, piece.end, bool(clauses)))
        start = cut
    return clauses or [Clause(sentence.start, sentence.end)]


def _num_between(places: Sequence[int], start: int, end: int) -> int:
    return bisect_left(places, end) - bisect_left(places, start)
