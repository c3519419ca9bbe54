"""Draft claims: what the reading proposes, with the words that made it, and the form in which the ledger keeps it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from detente.record.reading.dates import DateMention
from detente.record.reading.documents import Document
from detente.record.reading.quantities import Amount

NOT_NAMED = "not named"
OWN_WORDS = "The statement has the report's wording: put it into your own words."


class Word(NamedTuple):
    """A word of the text that made a part of a draft: which part, and where it stands."""

    role: str
    text: str
    start: int
    end: int


class Draft(NamedTuple):
    """One claim as proposed: a place in the text, what was read from it, and from which words."""

    id: str
    document: str
    start: int
    end: int
    text: str
    kind: str
    actor: str
    act: str
    target: str = ""
    person: str = ""
    role: str = ""
    happened: DateMention | None = None
    amounts: tuple[Amount, ...] = ()
    hedges: tuple[str, ...] = ()
    channel: str = "none"
    attribution: tuple[str, ...] = ()
    quotes: tuple[Word, ...] = ()
    words: tuple[Word, ...] = ()
    problems: tuple[str, ...] = ()
    strength: float = 0.0
    made_by: str = "rules"

    @property
    def place(self) -> str:
        """The document and the characters, for messages."""
        return f"{self.document}, characters {self.start}–{self.end}"


@dataclass(frozen=True)
class Reported:
    """When a document was published: the days between which it lies, and how that is known."""

    first: date
    last: date
    basis: str

    @property
    def precision(self) -> str:
        """A day if it is known exactly."""
        return "day" if self.first == self.last else "days"


@dataclass(frozen=True)
class Origin:
    """Where the drafts of one document come from: the source's id, and what is known of its date and event."""

    source: str
    reported: Reported | None = None
    event: str | None = None
    notes: tuple[str, ...] = field(default=())


def to_json(draft: Draft) -> dict[str, Any]:
    """All of a draft, for programs: every part with the words that made it and their places.

    Example:
        >>> draft = Draft("A-01", "a.txt", 0, 11, "Rome warned", "statement", "Italy", "warn")
        >>> to_json(draft)["span"], to_json(draft)["act"]
        ([0, 11], 'warn')
    """
    return {
        "id": draft.id,
        "document": draft.document,
        "span": [draft.start, draft.end],
        "text": draft.text,
        "kind": draft.kind,
        "actor": draft.actor,
        "person": draft.person,
        "role": draft.role,
        "act": draft.act,
        "target": draft.target,
        "happened": _when_json(draft.happened),
        "amounts": [
            {"text": a.text, "low": a.low, "best": a.best, "high": a.high, "unit": a.unit, "hedge": a.hedge}
            for a in draft.amounts
        ],
        "hedges": list(draft.hedges),
        "channel": draft.channel,
        "attribution": list(draft.attribution),
        "quotes": [{"text": q.text, "span": [q.start, q.end]} for q in draft.quotes],
        "words": [{"role": w.role, "text": w.text, "span": [w.start, w.end]} for w in draft.words],
        "problems": list(draft.problems),
        "made_by": draft.made_by,
    }


def _when_json(mention: DateMention | None) -> dict[str, Any] | None:
    if mention is None:
        return None
    return {
        "text": mention.text,
        "start": mention.first.isoformat() if mention.first else None,
        "end": mention.last.isoformat() if mention.last else None,
        "precision": mention.precision,
        "basis": mention.basis,
    }


def claim_form(draft: Draft, origin: Origin) -> dict[str, Any]:
    """A draft as a line of the ledger's ``claims.jsonl``, as yet unverified.

    What is not known is left out, not filled in: a number without both ends stands in the note, and without a
    date of publication there is no ``reported``, which the ledger asks for.

    Args:
        draft: The draft.
        origin: Its document's source, date and event.

    Returns:
        The claim's keys and values, ready to be written as JSON.

    Example:
        >>> draft = Draft("A-01", "a.txt", 0, 11, "Rome warned", "statement", "Italy", "warn")
        >>> claim_form(draft, Origin("a"))["status"], "reported" in claim_form(draft, Origin("a"))
        ('unverified', False)
    """
    line: dict[str, Any] = {
        "id": draft.id,
        "statement": draft.text,
        "actor": draft.person or draft.actor,
        "act": draft.act,
    }
    if draft.target:
        line["target"] = draft.target
    if draft.happened and draft.happened.resolved:
        line["happened"] = {k: v for k, v in (_when_json(draft.happened) or {}).items() if k not in ("text", "basis")}
    if origin.reported:
        r = origin.reported
        line["reported"] = {"start": r.first.isoformat(), "end": r.last.isoformat(), "precision": r.precision}
    amount = next((a for a in draft.amounts if a.bounded and a.unit), None)
    if amount:
        line["quantity"] = {"low": amount.low, "best": amount.best, "high": amount.high, "unit": amount.unit}
    line |= {
        "channel": draft.channel,
        "attribution": list(draft.attribution),
        "hedges": list(draft.hedges),
        "quotes": [_quote_line(q, draft, origin) for q in draft.quotes if q.text.strip('“”"«»., ')],
        "passages": [{"source": origin.source, "start": draft.start, "end": draft.end}],
        "grade": 6,
        "status": "unverified",
        "sources": [origin.source],
    }
    if origin.event:
        line["event"] = origin.event
    line["note"] = _note(draft, origin, amount)
    return line


def _quote_line(quote: Word, draft: Draft, origin: Origin) -> dict[str, Any]:
    """A quotation without its marks, and where its first word stands."""
    inner = quote.text[1:-1]
    lead = len(inner) - len(inner.lstrip())
    line = {"text": inner.strip(), "source": origin.source, "start": quote.start + 1 + lead}
    return line | ({"speaker": draft.attribution[0]} if len(draft.attribution) > 1 else {})


def _note(draft: Draft, origin: Origin, amount: Amount | None) -> str:
    made = "; ".join(f"{role} “{text}”" for role, text in _by_role(draft.words))
    parts = [f"Draft by {draft.made_by} from {draft.place}" + (f": {made}." if made else "."), OWN_WORDS]
    parts += [f"In print also: “{a.text}”{_bounds(a)}." for a in draft.amounts if a is not amount]
    parts += [f"{p}." for p in draft.problems]
    if origin.reported and origin.reported.first != origin.reported.last:
        parts.append(f"Date of the report: {origin.reported.basis}.")
    return " ".join(" ".join(parts).split())


def _bounds(amount: Amount) -> str:
    if amount.bounded:
        return ""
    if amount.low is not None:
        return f" (at least {amount.low:g} {amount.unit}; the highest value is not in print)".replace(" )", ")")
    if amount.high is not None:
        return f" (at most {amount.high:g} {amount.unit}; the lowest value is not in print)"
    return " (no number in print)"


def _by_role(words: Sequence[Word]) -> list[tuple[str, str]]:
    return [(w.role, w.text) for w in words]


def source_form(document: Document, origin: Origin) -> dict[str, Any]:
    """A document as a line of the ledger's ``sources.jsonl``; its reliability cannot be judged yet (F).

    Example:
        >>> from detente.record.reading.documents import read_document
        >>> doc = read_document("a.txt", b"Ships turn back\\nTwo ships left the strait on Monday, officials said.\\n")
        >>> source_form(doc, Origin("a"))["reliability"]
        'F'
    """
    about, reported = document.about, origin.reported
    line: dict[str, Any] = {
        "id": origin.source,
        "outlet": about.outlet or document.name,
        **({"author": about.author} if about.author else {}),
        "title": about.title or document.name,
        "address": about.address or document.name,
        "published": _published(reported),
    }
    if reported:
        line |= {"published_start": reported.first.isoformat(), "published_end": reported.last.isoformat()}
    line["reliability"] = "F"
    line["note"] = "Draft: judge the source's reliability (A–F)."
    return line


def _published(reported: Reported | None) -> str:
    if reported is None:
        return "undated"
    if reported.first == reported.last:
        return reported.first.isoformat()
    return f"undated; {reported.first} to {reported.last}, inferred"


def source_id(name: str) -> str:
    """An id for a source, made from the name of its file.

    Example:
        >>> source_id("reports/Two ships (1).html")
        'Two_ships_1'
    """
    stem = re.split(r"[\\/]", name)[-1]
    stem = re.sub(r"\.(?:txt|html?|xhtml|md|text)$", "", stem, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("_.-") or "report"


def claim_prefix(source: str, taken: Iterable[str]) -> str:
    """The capital letters and figures with which the ids of a source's drafts begin; they repeat no other's.

    Args:
        source: The source's id.
        taken: Prefixes that are in use.

    Returns:
        The prefix.

    Example:
        >>> claim_prefix("kuna_oct2", {"KUNAOCT2"})
        'KUNAOCT2B'
    """
    base = re.sub(r"[^A-Z0-9]", "", source.upper())[:24] or "D"
    used = set(taken)
    for letter in ("", *(chr(c) for c in range(ord("B"), ord("Z") + 1))):
        if base + letter not in used:
            return base + letter
    return claim_prefix(base + "Z", used)


def numbered(drafts: Sequence[Draft], prefix: str) -> list[Draft]:
    """The drafts of a document in the order of its text, with ids that count from 01.

    Example:
        >>> draft = Draft("", "a.txt", 0, 11, "Rome warned", "statement", "Italy", "warn")
        >>> [d.id for d in numbered([draft], "A")]
        ['A-01']
    """
    ordered = sorted(drafts, key=lambda d: (d.start, d.end, d.made_by))
    return [Draft(f"{prefix}-{n:02d}", *d[1:]) for n, d in enumerate(ordered, start=1)]


def origin_ids(claims: Mapping[str, Any]) -> set[str]:
    """The prefixes that a ledger's claims use.

    Example:
        >>> origin_ids({"O-10": None, "002-01": None}) == {"O", "002"}
        True
    """
    return {id.rpartition("-")[0] for id in claims}
