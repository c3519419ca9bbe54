"""Checking a record: quotations, numbers, dates, sources that are one source, and claims that no longer stand."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from html.parser import HTMLParser
from typing import Literal

from detente.errors import nearest
from detente.record.evidence import independent_sources, supporters
from detente.record.files import Fault
from detente.record.ledger import AGAINST, Ledger
from detente.record.models import NEEDS_CORRECTION, Claim, Event, Quote, Source
from detente.record.quotation import differences_in_words, nearest_wording, place_of, segments

ALIKE, ALIKE_IF_LINKED = 0.5, 0.3  # share of common words from which two wordings are versions of one remark
UNRELIABLE = "DEF"
CLAIMS_TWO, CLAIMS_ONE_GOOD = 1, 2  # grades: borne out by two independent sources; by one with nothing against it
KINDS = (
    "file",
    "line",
    "same id twice",
    "id that leads nowhere",
    "source that retells itself",
    "formula",
    "document",
    "quotation",
    "number",
    "superseded",
    "independence",
    "one unreliable source",
    "dates",
    "figure",
)


@dataclass(frozen=True)
class Finding:
    """Something that a check found.

    Attributes:
        kind: One of ``KINDS``.
        id: The entry it is about, or empty where a line cannot be read.
        what: What is wrong, with the values.
        remedy: What to do.
        known: Whether the record itself says so already, by status, grade or a correction; then it is no problem.
    """

    kind: str
    id: str
    what: str
    remedy: str
    known: bool = False


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


def audit(
    ledger: Ledger,
    *,
    faults: Iterable[Fault] = (),
    cited: Mapping[str, Iterable[str]] | None = None,
    documents: Mapping[str, Text] | None = None,
    as_known: Ledger | None = None,
) -> tuple[Finding, ...]:
    """Everything that is wrong with a record, and what is known in it to be wrong.

    Args:
        ledger: The record.
        faults: What was wrong when it was read (``survey``).
        cited: Parameter → ids that it rests on.
        documents: Id of a source → its text, for those that are at hand.
        as_known: The record as it stood when the parameters were set; by default the whole.

    Returns:
        The findings, by kind in the order of ``KINDS``, then in the order of the record.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> ledger = load_ledger(str(files("detente") / "scenarios/october-2024/record"))
        >>> [finding for finding in audit(ledger) if not finding.known]
        []
        >>> [finding.id for finding in audit(ledger) if finding.kind == "quotation"]
        ['002-07', '002-08', '002-21']
    """
    found = [Finding(fault.kind, fault.id, *_split(fault.message)) for fault in faults]
    texts = documents or {}
    for check in (
        _documents(ledger, texts),
        _quotations_in_documents(ledger, texts),
        _quotations_against_transcripts(ledger),
        _numbers(ledger),
        _numbers_in_documents(ledger, texts),
        _cited(ledger, as_known or ledger, cited or {}),
        _superseded(as_known or ledger, cited or {}),
        _independence(ledger),
        _dates(ledger),
        _readings(ledger),
    ):
        found += check
    return tuple(sorted(found, key=lambda finding: KINDS.index(finding.kind)))


def _split(message: str) -> tuple[str, str]:
    """What is wrong, and what to do: our messages end with the remedy."""
    what, stop, remedy = message.rpartition(". ")
    # "Did you mean …?" belongs to the remedy before it.
    if remedy.startswith(("Did you mean", "Known:")):
        what, stop, first = what.rpartition(". ")
        remedy = f"{first}. {remedy}"
    return (what + ".", remedy) if stop else (message, "")


# -- documents and quotations -------------------------------------------------------------------------------
def _documents(ledger: Ledger, texts: Mapping[str, Text]) -> Iterable[Finding]:
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


def _is_known(claim: Claim, ledger: Ledger) -> bool:
    """Whether the record says that a claim is not to be taken as printed."""
    against = any(check.relation in AGAINST for check in claim.checks)
    return claim.status in NEEDS_CORRECTION and (against or claim.id in ledger.corrected_by)


def _quotations_in_documents(ledger: Ledger, texts: Mapping[str, Text]) -> Iterable[Finding]:
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


def _quotations_against_transcripts(ledger: Ledger) -> Iterable[Finding]:
    """Printed quotations that differ from a transcript which the ledger holds."""
    spoken: dict[str, list[tuple[Claim, Quote]]] = {}
    for claim in ledger.claims.values():
        for quote in claim.quotes:
            if quote.wording == "transcript":
                for key in {f"of {quote.speaker.casefold()}", f"by {claim.id}"}:
                    spoken.setdefault(key, []).append((claim, quote))
    if not spoken:
        return
    for claim in ledger.claims.values():
        linked = {*claim.retells, *ledger.corrected_by.get(claim.id, ())}
        for quote in claim.quotes:
            if quote.wording == "printed":
                held = [pair for id in sorted(linked) for pair in spoken.get(f"by {id}", ())]
                if quote.speaker:
                    said = spoken.get(f"of {quote.speaker.casefold()}", ())
                    held += [pair for pair in said if _same_occasion(claim, pair[0]) and pair not in held]
                yield from _altered(claim, quote, held, linked, known=_is_known(claim, ledger))


def _same_occasion(a: Claim, b: Claim) -> bool:
    if a.event and b.event:
        return a.event == b.event
    first, second = a.happened or a.reported, b.happened or b.reported
    return first.start <= second.end and second.start <= first.end


def _altered(
    claim: Claim, quote: Quote, held: list[tuple[Claim, Quote]], linked: set[str], *, known: bool
) -> Iterable[Finding]:
    for part in segments(quote.text):
        if any(place_of(part, spoken.text) is not None for _, spoken in held):
            continue
        near = [(other, nearest_wording(part, spoken.text)) for other, spoken in held]
        close = [
            (wording.likeness, other, wording)
            for other, wording in near
            if wording is not None
            and wording.differs
            and wording.likeness >= (ALIKE_IF_LINKED if other.id in linked else ALIKE)
        ]
        if close:
            _, other, wording = max(close, key=lambda item: item[0])
            who = quote.speaker or "the speaker"
            yield Finding(
                "quotation",
                claim.id,
                f"printed “{part}”; the transcript in {other.id} has “{wording.text}” ({who}): "
                f"{differences_in_words(wording)}.",
                "Correct the words; or give it the status 'misquotation' or 'wrong', and a check that says why.",
                known,
            )


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


def _numbers(ledger: Ledger) -> Iterable[Finding]:
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
                    _is_known(claim, ledger),
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
                    _is_known(claim, ledger),
                )


def _states(claim: Claim, number: float) -> bool:
    figure = claim.quantity
    if figure is not None and figure.low <= number <= figure.high:
        return True
    texts = (claim.statement, claim.correction, claim.note, *(quote.text for quote in claim.quotes))
    return any(number == other for text in texts for other in numbers_in(text))


# -- what no longer stands ----------------------------------------------------------------------------------
def _cited(ledger: Ledger, as_known: Ledger, cited: Mapping[str, Iterable[str]]) -> Iterable[Finding]:
    for name, ids in cited.items():
        for id in ids:
            if id not in ledger.entries:
                yield Finding(
                    "id that leads nowhere",
                    id,
                    f"the parameter {name!r} rests on {id!r}, which is not in the record.",
                    f"Correct the id in scenario.toml, or add the entry.{nearest(id, ledger.entries)}",
                )
            elif id not in as_known.entries:
                yield Finding(
                    "dates",
                    id,
                    f"the parameter {name!r} rests on it, but it became known only after the as-of date.",
                    "Cite what was known by then, or move the as-of date.",
                )


def _superseded(ledger: Ledger, cited: Mapping[str, Iterable[str]]) -> Iterable[Finding]:
    users = {f"the parameter {name!r}": tuple(ids) for name, ids in cited.items()}
    users |= {f"the estimate {e.id!r}": (*e.names, *e.rests_on) for e in ledger.estimates.values()}
    for user, ids in users.items():
        for id in dict.fromkeys(ids):
            claim = ledger.claims.get(id)
            if claim is None:
                continue
            later = [check for check in claim.checks if check.relation == "supersedes"]
            correctors = ledger.corrected_by.get(id, ())
            if not later and not correctors and claim.status != "wrong":
                continue
            better = ", ".join([*correctors, *(check.source or check.claim or "" for check in later)])
            yield Finding(
                "superseded",
                id,
                f"{user} rests on it, but it {'is wrong' if claim.status == 'wrong' else 'no longer stands'}"
                + (f": see {better}." if better else "."),
                f"Let {user} cite {better or 'what is right'} instead, or as well.",
                bool(set(correctors) & set(ids)),
            )


# -- who says so --------------------------------------------------------------------------------------------
def _independence(ledger: Ledger) -> Iterable[Finding]:
    for claim in ledger.claims.values():
        behind = [id for id in supporters(claim) if id in ledger.sources]
        if not behind:
            continue
        counted = independent_sources(ledger, behind)
        if len(counted) == 1 and len(behind) > 1:
            yield Finding(
                "independence",
                claim.id,
                f"{len(behind)} addresses ({', '.join(behind)}) pass on one report ({counted[0]}).",
                "Give it grade 2 or worse, or add a source of another origin.",
                claim.grade > CLAIMS_TWO,
            )
        elif len(counted) == 1 and claim.grade == CLAIMS_TWO:
            yield Finding(
                "independence",
                claim.id,
                f"grade 1 says that two independent sources bear it out; it has one ({counted[0]}).",
                "Give it grade 2 or worse, or add a source of another origin.",
            )
        seen = [ledger.sources[id] for id in behind if ledger.sources[id].seen]
        best = min((source.reliability for source in seen), default="F")
        if len(counted) == 1 and best in UNRELIABLE:
            yield Finding(
                "one unreliable source",
                claim.id,
                f"all that bears it out is {behind[0]} (reliability {best})"
                + (f", passing on {counted[0]}." if counted[0] != behind[0] else "."),
                "Give it grade 3 or worse, or add a better source.",
                claim.grade > CLAIMS_ONE_GOOD,
            )


# -- dates and figures --------------------------------------------------------------------------------------
def _late(kind: Literal["dates"], id: str, first: str, day: date, second: str, other: date) -> Finding:
    return Finding(kind, id, f"{first} is {day}, later than {second}, which is {other}.", "Correct the wrong one.")


def _dates(ledger: Ledger) -> Iterable[Finding]:
    for source in ledger.sources.values():
        yield from _source_dates(source, ledger)
    for claim in ledger.claims.values():
        yield from _claim_dates(claim, ledger)
    for event in ledger.events.values():
        yield from _event_dates(event, ledger)
        yield from _causes_in_a_circle(event, ledger)


def _source_dates(source: Source, ledger: Ledger) -> Iterable[Finding]:
    start, end = source.published_start, source.published_end
    if source.retrieved and start and start > source.retrieved:
        yield _late("dates", source.id, "published_start", start, "retrieved", source.retrieved)
    for id in source.paraphrases:
        original = ledger.sources.get(id)
        if original and original.published_start and end and original.published_start > end:
            yield _late("dates", source.id, f"its original {id}", original.published_start, "it itself", end)


def _claim_dates(claim: Claim, ledger: Ledger) -> Iterable[Finding]:
    happened, reported = claim.happened, claim.reported
    # Plans and offers are reported before they come to pass; what has begun is not reported before.
    if happened and happened.start > reported.end:
        yield _late("dates", claim.id, "happened", happened.start, "reported", reported.end)
    # A count may be revised by a report that came out before the one which repeats the old figure.
    if claim.revised and happened and claim.revised.end < happened.start:
        yield _late("dates", claim.id, "happened", happened.start, "revised", claim.revised.end)
    if claim.surfaced and happened and happened.start > claim.surfaced.end:
        yield _late("dates", claim.id, "happened", happened.start, "surfaced", claim.surfaced.end)
    if claim.channel == "private-then-reported" and claim.surfaced is None:
        yield Finding(
            "dates",
            claim.id,
            "channel is 'private-then-reported', and surfaced is not given.",
            "Write in surfaced on which day it became public.",
        )
    # The first report may be one that a check found; a claim's own source may have come later.
    told = {*claim.sources, *(check.source for check in claim.checks)}
    published = [s.published_start for id in told if id and (s := ledger.sources.get(id)) and s.published_start]
    if published and min(published) > reported.end:
        yield _late("dates", claim.id, "the first of its sources", min(published), "reported", reported.end)
    last = [s.published_end for id in claim.sources if (s := ledger.sources.get(id)) and s.published_end]
    if happened and last and len(last) == len(claim.sources) and max(last) < happened.start:
        yield _late("dates", claim.id, "happened", happened.start, "the last of its sources", max(last))


def _causes_in_a_circle(event: Event, ledger: Ledger) -> Iterable[Finding]:
    """An event that is among its own causes, directly or through others."""
    seen: set[str] = set()
    waiting = list(event.caused_by)
    while waiting:
        id = waiting.pop()
        if id == event.id:
            yield Finding(
                "dates",
                event.id,
                f"caused_by leads from {event.id} back to {event.id}: nothing is its own cause",
                "Take the wrong id out of caused_by.",
            )
            return
        if id not in seen and id in ledger.events:
            seen.add(id)
            waiting += ledger.events[id].caused_by


def _event_dates(event: Event, ledger: Ledger) -> Iterable[Finding]:
    for id in event.caused_by:
        cause = ledger.events.get(id)
        if cause and cause.happened.start > event.happened.end:
            yield _late("dates", event.id, f"its cause {id}", cause.happened.start, "it itself", event.happened.end)
    for quantity in event.quantities:
        if quantity.reported and quantity.reported < event.happened.start:
            yield _late(
                "dates", quantity.id, f"{event.id}", event.happened.start, "the report of its figure", quantity.reported
            )
        for reading in quantity.readings:
            source = ledger.sources.get(reading.source)
            if source and source.published_start and source.published_start > reading.reported:
                yield _late(
                    "dates",
                    quantity.id,
                    f"the source {source.id}",
                    source.published_start,
                    "reported",
                    reading.reported,
                )


def _readings(ledger: Ledger) -> Iterable[Finding]:
    """Figures of single sources that are said to be used and lie outside the range."""
    for quantity in ledger.quantities.values():
        for reading in quantity.readings:
            outside = reading.low < quantity.low - 5e-4 or reading.high > quantity.high + 5e-4
            if reading.standing == "used" and outside:
                yield Finding(
                    "figure",
                    quantity.id,
                    f"{reading.source} gives {reading.low:g}–{reading.high:g}, outside "
                    f"{quantity.low:g}–{quantity.high:g}, and is marked as used.",
                    "Widen the range, or say in standing that the figure is replaced or not used.",
                )
