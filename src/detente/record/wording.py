"""Words and numbers of a record held against documents and transcripts: is it printed so, and was it said so?"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

from detente.record.findings import Finding, is_known
from detente.record.ledger import Ledger
from detente.record.models import Claim, Quote
from detente.record.quotation import Wording, differences_in_words, nearest_wording, place_of, segments

ALIKE, ALIKE_IF_LINKED = 0.5, 0.3  # share of common words from which two wordings are versions of one remark


@dataclass(frozen=True)
class Text:
    """The text of a source's document, and the hash of its bytes."""

    text: str
    sha256: str


def text_from(data: bytes, *, html: bool = False) -> Text:
    """A document as text, with what it is recognised by.

    Args:
        data: The bytes of the file.
        html: Whether it is a page; then only what a reader sees of it is kept.

    Raises:
        ValueError: If they are not UTF-8 text.

    Example:
        >>> text_from("“Soon”, he said.".encode()).text
        '“Soon”, he said.'
    """
    if b"\0" in data[:4096]:
        raise ValueError("it holds binary data. Give the text of the document, in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8. Save the file with the encoding UTF-8") from None
    return Text(_visible(text) if html else text, hashlib.sha256(data).hexdigest())


class _Visible(HTMLParser):
    """Collects the text of a page without its scripts and styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style")
        if tag not in ("a", "b", "i", "em", "strong", "span", "u", "sup", "sub"):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden = max(0, self.hidden - (tag in ("script", "style")))

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


def _visible(page: str) -> str:
    parser = _Visible()
    parser.feed(page)
    parser.close()
    return "".join(parser.parts)


# -- documents and quotations -------------------------------------------------------------------------------
def check_documents(ledger: Ledger, texts: Mapping[str, Text]) -> Iterable[Finding]:
    """Documents that are not those on record, and passages beyond their end.

    Args:
        ledger: The record.
        texts: Id of a source → its text.
    """
    for id, text in texts.items():
        document = ledger.sources[id].document
        if document is not None and document.sha256 is not None and document.sha256 != text.sha256:
            yield Finding(
                "document",
                id,
                f"{document.file} has the SHA-256 {text.sha256[:12]}…, not {document.sha256[:12]}…: another text.",
                "Give the text that the claims were taken from, or check them against this one and record its hash.",
            )
    for claim in ledger.claims.values():
        for passage in claim.passages:
            text = texts.get(passage.source)
            if text is not None and passage.end > len(text.text):
                yield Finding(
                    "document",
                    claim.id,
                    f"its passage ends at character {passage.end}; the text of {passage.source} has {len(text.text)}.",
                    "Correct start and end of the passage.",
                )


def check_quotations(ledger: Ledger, texts: Mapping[str, Text]) -> Iterable[Finding]:
    """Quotations that are not in their documents, or differ from a transcript that the ledger holds.

    Args:
        ledger: The record.
        texts: Id of a source → its text.
    """
    yield from _in_documents(ledger, texts)
    yield from _against_transcripts(ledger)


def _in_documents(ledger: Ledger, texts: Mapping[str, Text]) -> Iterable[Finding]:
    for claim in ledger.claims.values():
        for quote in claim.quotes:
            if quote.source in texts:
                yield from _one_quotation(claim, quote, texts[quote.source].text)


def _one_quotation(claim: Claim, quote: Quote, text: str) -> Iterable[Finding]:
    place = place_of(quote.text, text)
    if place is None:
        near = nearest_wording(quote.text, text)
        if near is None or near.likeness < ALIKE_IF_LINKED:
            what = f"“{quote.text}” is not in the text of {quote.source}, nor anything like it."
        else:
            what = (
                f"“{quote.text}” is not in the text of {quote.source}; the nearest there is “{near.text}”: "
                f"{differences_in_words(near)}."
            )
        yield Finding("quotation", claim.id, what, "Quote the words as the document has them, or name its source.")
    elif quote.start is not None and place_of(quote.text, text[quote.start : quote.start + 2 * len(quote.text)]) != 0:
        yield Finding(
            "quotation",
            claim.id,
            f"“{quote.text}” does not stand at character {quote.start} of {quote.source}, but at {place}.",
            f"Write {place} as its start.",
        )


def _against_transcripts(ledger: Ledger) -> Iterable[Finding]:
    """Printed quotations that differ from a transcript which the ledger holds."""
    spoken: dict[str, list[tuple[Claim, Quote]]] = {}
    for claim in ledger.claims.values():
        for quote in claim.quotes:
            if quote.wording == "transcript":
                for key in {f"of {quote.speaker.casefold()}", f"by {claim.id}"}:
                    spoken.setdefault(key, []).append((claim, quote))
    for claim in ledger.claims.values():
        if not claim.quotes:
            continue
        linked = {*claim.retells, *ledger.corrected_by.get(claim.id, ())}
        for quote in claim.quotes:
            if quote.wording == "printed":
                held = [pair for id in sorted(linked) for pair in spoken.get(f"by {id}", ())]
                if quote.speaker:
                    said = spoken.get(f"of {quote.speaker.casefold()}", ())
                    held += [pair for pair in said if _same_occasion(claim, pair[0]) and pair not in held]
                yield from _altered(claim, quote, held, linked, known=is_known(claim, ledger))


def _same_occasion(a: Claim, b: Claim) -> bool:
    if a.event and b.event:
        return a.event == b.event
    first, second = a.happened or a.reported, b.happened or b.reported
    return first.start <= second.end and second.start <= first.end


def _altered(
    claim: Claim, quote: Quote, held: list[tuple[Claim, Quote]], linked: set[str], *, known: bool
) -> Iterable[Finding]:
    recorded = list(quote.altered)
    for part in segments(quote.text):
        found = _nearest_spoken(part, held, linked)
        if found is None:
            continue
        other, wording = found
        words = differences_in_words(wording)
        # That a quotation is known to be altered says nothing about words that were altered since.
        is_recorded = words in recorded
        if is_recorded:
            recorded.remove(words)
        yield Finding(
            "quotation",
            claim.id,
            f"printed “{part}”; the transcript in {other.id} has “{wording.text}” "
            f"({quote.speaker or 'the speaker'}): {words}.",
            f"Write the words as they are printed. If they are: write {json.dumps(words, ensure_ascii=False)} in the "
            "quotation's altered, and give the claim the status 'misquotation' or 'wrong' and a check that says why.",
            known and is_recorded,
        )
    for words in recorded:
        yield Finding(
            "quotation",
            claim.id,
            f"“{quote.text}” is recorded as altered ({words}), and does not differ so from any transcript held.",
            "Write the words as they are printed, or take that out of the quotation's altered.",
        )


def _nearest_spoken(part: str, held: list[tuple[Claim, Quote]], linked: set[str]) -> tuple[Claim, Wording] | None:
    """The spoken words of which an unbroken part of a quotation is an altered version; None where it is verbatim."""
    if any(place_of(part, spoken.text) is not None for _, spoken in held):
        return None
    near = [(other, nearest_wording(part, spoken.text)) for other, spoken in held]
    close = [
        (other, wording)
        for other, wording in near
        if wording is not None
        and wording.differs
        and wording.likeness >= (ALIKE_IF_LINKED if other.id in linked else ALIKE)
    ]
    return max(close, key=lambda pair: pair[1].likeness) if close else None


# -- numbers ------------------------------------------------------------------------------------------------
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DATES = re.compile(
    rf"\b\d{{1,2}}(?: (?:to|or|and|–) \d{{1,2}})? {_MONTH}\b(?: \d{{4}})?|\b{_MONTH} \d{{1,2}}\b|\b(?:19|20)\d\d\b"
)
_DIGITS = re.compile(r"(?<![\w.-])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?![\w-]*[A-Za-z])( ?(?:%|per ?cent))?")
_NAMED: dict[str, float] = {
    **{
        word: number
        for number, word in enumerate(
            (
                *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
                *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
            ),
            start=2,
        )
    },
    **{
        word: 10 * tens
        for tens, word in enumerate(
            ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
        )
    },
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "half": 0.5,
}
# "The seven", "all seven" name a group; a number that counts something is new.
_NUMBER_WORD = re.compile(r"(?<!the )(?<!all )\b(" + "|".join(_NAMED) + r")\b")


def numbers_in(text: str) -> tuple[float, ...]:
    """The numbers that a text states, in figures or words; dates, years and names such as G7 are none.

    Args:
        text: A statement. A percentage counts as a share.

    Example:
        >>> numbers_in("On 2 October the G7 heard of about 1,466 people, twelve missiles and 74 per cent.")
        (1466.0, 0.74, 12.0)
    """
    plain = _DATES.sub(" ", text)
    found = [
        float(match[1].replace(",", "") + (match[2] or "")) / (100 if match[3] else 1)
        for match in _DIGITS.finditer(plain)
    ]
    found += [float(_NAMED[word]) for word in _NUMBER_WORD.findall(plain.casefold())]
    return tuple(dict.fromkeys(found))


def check_numbers(ledger: Ledger, texts: Mapping[str, Text]) -> Iterable[Finding]:
    """Numbers of a claim that neither what it retells nor the passage it is taken from has.

    Args:
        ledger: The record.
        texts: Id of a source → its text.
    """
    yield from _retold_numbers(ledger)
    yield from _numbers_in_documents(ledger, texts)


def _retold_numbers(ledger: Ledger) -> Iterable[Finding]:
    """Numbers of a claim that the claims it retells do not have."""
    for claim in ledger.claims.values():
        told = [ledger.claims[id] for id in claim.retells if id in ledger.claims]
        if not told:
            continue
        figure = claim.quantity
        own = (*numbers_in(claim.statement), *((figure.low, figure.high) if figure else ()))
        for number in dict.fromkeys(own):
            if not any(_states(other, number) for other in told):
                yield Finding(
                    "number",
                    claim.id,
                    f"it says {number:g}, which {' and '.join(c.id for c in told)} (what it retells) does not say.",
                    "Correct the number, or record that the claim changes it (status and a check).",
                    is_known(claim, ledger),
                )


def _numbers_in_documents(ledger: Ledger, texts: Mapping[str, Text]) -> Iterable[Finding]:
    """Numbers of a claim that the passages from which it is taken do not have."""
    for claim in ledger.claims.values():
        passages = [texts[p.source].text[p.start : p.end] for p in claim.passages if p.source in texts]
        stated = {number for passage in passages for number in numbers_in(passage)}
        for number in numbers_in(claim.statement) if passages else ():
            if number not in stated:
                yield Finding(
                    "number",
                    claim.id,
                    f"it says {number:g}, which its passage in {claim.passages[0].source} does not say.",
                    "Correct the number, or record that the claim changes it (status and a check).",
                    is_known(claim, ledger),
                )


def _states(claim: Claim, number: float) -> bool:
    figure = claim.quantity
    if figure is not None and figure.low <= number <= figure.high:
        return True
    texts = (claim.statement, claim.correction, claim.note, *(quote.text for quote in claim.quotes))
    return any(number == other for text in texts for other in numbers_in(text))
