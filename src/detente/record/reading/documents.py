"""Documents: bytes become a text with its paragraphs and metadata, or an error that says what to do."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import islice
from typing import Any

from detente.errors import UsageError
from detente.record.reading.boilerplate import Dropped, filter_text
from detente.record.reading.sentences import Span, split_sentences

MAX_BYTES = 10_000_000
MIN_LETTERS = 15
INSTALL = "pip install 'detente[record]'"
_HTML = re.compile(rb"<\s*(?:!doctype\s+html|html|head|body|article|div|p|meta|script)\b", re.IGNORECASE)
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_MAGIC = {
    b"%PDF": ("a PDF", "Save its text as .txt, for example with pdftotext."),
    b"PK\x03\x04": ("a ZIP archive or an office document", "Save its text as .txt or .html."),
    b"\x89PNG": ("a picture", "Give the text itself."),
    b"\xff\xd8\xff": ("a picture", "Give the text itself."),
    b"GIF8": ("a picture", "Give the text itself."),
    b"\x1f\x8b": ("compressed with gzip", "Unpack it first."),
    b"\xd0\xcf\x11\xe0": ("an old office document", "Save its text as .txt or .html."),
}
_WORD = re.compile(r"\w+")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a]")
_MOJIBAKE = re.compile(r"â€[™œ\x9d\x99\x9c“”]|Ã[©¨¼¶¤]|ï»¿")


@dataclass(frozen=True)
class Metadata:
    """What a document says about itself. An empty word, or None, means that it does not say."""

    title: str = ""
    author: str = ""
    outlet: str = ""
    address: str = ""
    published: date | None = None
    published_from: str = ""


@dataclass(frozen=True)
class Document:
    """A report as it was read: its text, the places of its paragraphs in it, and what was left out."""

    name: str
    text: str
    paragraphs: tuple[tuple[int, int], ...]
    kind: str
    about: Metadata
    dropped: tuple[Dropped, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def body(self) -> str:
        """The paragraphs alone, one per line."""
        return "\n".join(" ".join(self.text[a:b].split()) for a, b in self.paragraphs)

    @cached_property
    def sentences(self) -> tuple[tuple[Span, ...], ...]:
        """The places of the sentences, by paragraph."""
        return tuple(tuple(split_sentences(self.text, a, b)) for a, b in self.paragraphs)

    @cached_property
    def plain_words(self) -> list[str]:
        """Its words in order, without capitals and punctuation."""
        return _WORD.findall(self.body.casefold())

    @cached_property
    def fingerprint(self) -> str:
        """The same for two documents with the same words, whatever their punctuation and line breaks."""
        words = self.plain_words
        if not unicodedata.is_normalized("NFKC", self.body):
            words = _WORD.findall(unicodedata.normalize("NFKC", self.body).casefold())
        return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]


def read_document(
    name: str, data: bytes, *, encoding: str | None = None, max_bytes: int = MAX_BYTES, published: date | None = None
) -> Document:
    """Read a report from its bytes: plain text or HTML.

    Args:
        name: What to call it in messages: its file.
        data: Its bytes.
        encoding: How its letters are written, if it is neither UTF-8 nor declared in the page.
        max_bytes: The largest size that is read.
        published: The day of publication, if it is known from elsewhere; it counts more than what the page says.

    Returns:
        The document. Places in it are indices into its ``text``, which for plain text is the file as it stands.

    Raises:
        UsageError: If it is empty, binary, too large, in another encoding, or holds no report.

    Example:
        >>> doc = read_document("a.txt", b"Ships turn back\\nTwo ships left the strait on Monday, officials said.\\n")
        >>> doc.about.title, len(doc.paragraphs)
        ('Ships turn back', 2)
    """
    if len(data) > max_bytes:
        raise UsageError(too_large(name, len(data), max_bytes))
    if not data.strip():
        raise UsageError(f"{name}: the file is empty. Save the report again, or leave it out.")
    _refuse_binary(name, data)
    is_html = bool(_HTML.search(data[:4000]))
    text = _decode(name, data, encoding, declared=_CHARSET.search(data[:4000]) if is_html else None)
    document = _from_html(name, text) if is_html else _from_text(name, text)
    if sum(1 for _ in islice(filter(str.isalpha, document.body[:2000]), MIN_LETTERS)) < MIN_LETTERS:
        raise UsageError(_no_report(name, text, is_html))
    if _MOJIBAKE.search(document.body):
        m = _MOJIBAKE.search(document.text)
        place = f", character {m.start()}" if m else ""
        document = replace(
            document,
            warnings=(
                *document.warnings,
                f"{name}{place}: {m.group() if m else ''!r} looks like a letter in a wrong encoding. "
                "Save the file again as UTF-8 from its original.",
            ),
        )
    if published is not None:
        about = replace(document.about, published=published, published_from="given by you")
        document = replace(document, about=about)
    return document


def too_large(name: str, size: int, max_bytes: int = MAX_BYTES) -> str:
    """What to say about a file that is too large to be one report.

    Example:
        >>> too_large("page.html", 52_000_000)
        'page.html: it has 52.0 MB, and a report of more than 10.0 MB is not read. Save the article alone, as text, \
or raise the limit with --max-mb.'
    """
    return (
        f"{name}: it has {size / 1e6:.1f} MB, and a report of more than {max_bytes / 1e6:.1f} MB is not read. "
        "Save the article alone, as text, or raise the limit with --max-mb."
    )


def _refuse_binary(name: str, data: bytes) -> None:
    for magic, (what, remedy) in _MAGIC.items():
        if data.startswith(magic):
            raise UsageError(f"{name}: this is {what}, not a text. {remedy}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return
    control = _CONTROL.search(data, 0, 65536)
    if control:
        at = control.start()
        raise UsageError(
            f"{name}: byte {at} is {data[at]:#04x}, which stands in no text: the file is binary. "
            "Give a text or an HTML page (a file in UTF-16 needs --encoding utf-16)."
        )


def _decode(name: str, data: bytes, encoding: str | None, declared: re.Match[bytes] | None) -> str:
    chosen = encoding
    if chosen is None and data.startswith((b"\xff\xfe", b"\xfe\xff")):
        chosen = "utf-16"
    if chosen is None and declared is not None:
        chosen = declared[1].decode("ascii", "replace").lower()
    chosen = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252"}.get(chosen or "", chosen)
    try:
        return data.decode("utf-8-sig" if chosen in (None, "utf-8", "utf8") else chosen)
    except LookupError:
        remedy = "Name it with --encoding, for example --encoding cp1252."
        raise UsageError(f"{name}: {chosen!r} is not an encoding that is known. {remedy}") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{name}, line {line}: byte {error.start} ({data[error.start]:#04x}) is not {chosen or 'UTF-8'}. "
            "Save the file as UTF-8, or name its encoding with --encoding (for example --encoding cp1252)."
        ) from None


def _from_text(name: str, text: str) -> Document:
    kept = filter_text(text)
    about = Metadata(_title(text, kept.paragraphs), kept.author, kept.outlet)
    warnings: tuple[str, ...] = ()
    if kept.published is not None:
        about = replace(about, published=kept.published, published_from=f"the line {kept.published_words!r}")
    elif kept.published_words:
        warnings = (
            f"{name}, character {kept.published_place}: {kept.published_words!r} does not name a whole day. "
            "Give the day of publication with --published YYYY-MM-DD.",
        )
    return Document(name, text, kept.paragraphs, "text", about, kept.dropped, warnings)


def _title(text: str, paragraphs: tuple[tuple[int, int], ...]) -> str:
    """The first line, if it is short and does not end as a sentence does."""
    if not paragraphs:
        return ""
    start, end = paragraphs[0]
    line = " ".join(text[start:end].split())
    return line if len(line) <= 160 and line[-1] not in ".:;," and len(paragraphs) > 1 else ""


def _from_html(name: str, text: str) -> Document:
    found = _extract(name, text)
    body = (found.text or "").strip()
    title = " ".join((found.title or "").split())
    whole = f"{title}\n\n{body}" if title and not body.startswith(title) else body
    kept = filter_text(whole)
    published, basis = _day(found.date, "the page's metadata")
    if published is None and kept.published is not None:
        published, basis = kept.published, f"the line {kept.published_words!r}"
    about = Metadata(
        title or _title(whole, kept.paragraphs),
        found.author or kept.author,
        found.sitename or kept.outlet or found.hostname or "",
        found.url or "",
        published,
        basis,
    )
    return Document(name, whole, kept.paragraphs, "html", about, kept.dropped)


def _extract(name: str, text: str) -> Any:
    try:
        import trafilatura
    except ImportError:
        raise UsageError(f"{name}: reading HTML needs trafilatura. Install it: {INSTALL}") from None
    try:
        found = trafilatura.bare_extraction(
            text,
            with_metadata=True,
            include_comments=False,
            include_tables=False,
            fast=True,
            date_extraction_params={"extensive_search": False, "original_date": True},
        )
    except (ValueError, TypeError, AttributeError, RecursionError, AssertionError) as error:
        raise UsageError(f"{name}: the page cannot be taken apart ({error}). Save the article as text.") from None
    if found is None:
        raise UsageError(_no_report(name, text, True))
    return found


def _day(words: str | None, basis: str) -> tuple[date | None, str]:
    if not words:
        return None, ""
    try:
        return date.fromisoformat(words[:10]), basis
    except ValueError:
        return None, ""


def _no_report(name: str, text: str, is_html: bool) -> str:
    if is_html and "<script" in text.lower():
        remedy = "Open it in a browser, and save what it shows as text."
        return f"{name}: the page holds scripts and no text of a report. {remedy}"
    return f"{name}: no report is left when navigation and notices are dropped. Give the text of the article itself."
