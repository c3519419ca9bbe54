"""What is no part of a report: navigation, share buttons, comment forms; and its by-line and date, which are kept."""

import re
from dataclasses import dataclass
from datetime import date

from detente.record.reading.dates import find_dates

_TAIL = re.compile(
    r"(?:leave a (?:reply|comment)|post a comment|add a comment|join the (?:conversation|discussion)|"
    r"\d* ?(?:comments?|responses?|replies)(?: \(\d+\))?|(?:view|show) (?:all )?comments|"
    r"cancel reply|write a comment|discussion about this post)\W*$",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"(?:related (?:posts?|articles?|stories|news|topics|content)|you (?:may|might) also (?:like|be interested in)|"
    r"read (?:more|next|also)|see also|more (?:from|on|stories|news|in)\b.{0,40}|most (?:read|popular|"
    r"viewed)|recommended"
    r"(?: for you)?|trending(?: now)?|latest (?:news|stories)|recent posts|top stories|popular posts|also read|"
    r"editor'?s'? picks?|what to read next)\W*$",
    re.IGNORECASE,
)
_LINE = re.compile(
    r"(?:(?:share|tweet|email|print|whatsapp|facebook|twitter|linkedin|telegram|reddit|pinterest|instagram|"
    r"copy link|save|x|"
    r"copy|flipboard|messenger|rss)(?:\W+|$))+$"
    r"|share (?:this|on|via|with|article|the article).{0,60}$|click to (?:share|print|email).{0,60}$"
    r"|advertisement\W*$|advert\W*$|sponsored(?: content)?\W*$|story continues below.{0,40}$|continue reading.{0,40}$"
    r"|(?:subscribe|sign up|sign in|log in|register|create an account|download (?:our|the) app|join our|"
    r"get our).{0,160}$"
    r"|follow (?:us|our|\S+ on).{0,80}$|like us on.{0,60}$|support (?:our|independent) journalism.{0,120}$"
    r"|(?:we use|this (?:site|website) uses) cookies.{0,200}$|(?:accept|reject|manage) (?:all )?cookies.{0,60}$"
    r"|your email address will not be published.{0,120}$|required fields are marked.{0,20}$|.{0,40}name \*.{0,60}$"
    r"|.{0,80}all rights reserved.{0,80}$|(?:copyright|©|\(c\)) .{0,120}$|terms (?:of (?:use|service)|"
    r"and conditions).{0,80}$"
    r"|privacy policy.{0,60}$|skip to (?:main )?(?:content|navigation).{0,20}$|(?:main )?menu\W*$|search\W*$|home\W*$"
    r"|back to (?:top|home).{0,20}$|(?:next|previous|prev) (?:post|article|story|page).{0,120}$|load more.{0,20}$"
    r"|(?:tags?|filed under|posted in|categories|topics|keywords)\s*:.{0,200}$|(?:photo|image|picture|"
    r"credit|video|watch|listen)"
    r"(?: credit| by)?\s*:.{0,240}$|\d+ min(?:ute)?s? read\W*$|\d+ (?:shares?|views?)\W*$|click here.{0,80}$"
    r"|save my name, email.{0,120}$|notify me of.{0,80}$|post comment\W*$|submit\W*$|©.{0,100}$|"
    r"\(?file photo\)?.{0,60}$"
    r"|(?:enable|turn on) javascript.{0,100}$|please enable javascript.{0,100}$"
    r"|this article (?:was|is) (?:originally |first )?published.{0,120}$",
    re.IGNORECASE,
)
_NAVIGATION = re.compile(r"^[^.!?]{1,30}(?:\s*(?:[|›»>/•·]|\s-\s)\s*[^.!?|›»>•·]{1,30}){2,}$")
_AUTHOR = r"[A-ZÀ-Ž][\w.’'-]+(?:\s+(?:[a-z]{1,3}\s+)?[A-ZÀ-Ž][\w.’'-]*){1,3}"
_BYLINE = re.compile(
    rf"(?:By|BY|Written by|Author:|Reported by|Reporting by|Posted by|From our correspondent)\s+"
    rf"(?P<author>{_AUTHOR}(?:(?:,| and|, and)\s+{_AUTHOR})*)"
    rf"(?P<rest>(?:\s*[,|;•·–—-]\s*.{{0,80}}|;\s*Editing by.{{0,80}})?)$"
)
_DATED = re.compile(
    r"(?:(?:first )?(?:published|posted|updated|last (?:updated|modified)|date|published on|"
    r"issued)\b\s*(?:on|at|:)?\s*)"
    r"(?P<date>.{4,60})$",
    re.IGNORECASE,
)
_ONLY_DATE = re.compile(
    r"(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,?\s+)?[\w.]{1,9}\s+[\w.,]{1,9}\s+\d{4}(?:\W.{0,30})?$|"
    r"\d{4}-\d{2}-\d{2}\b.{0,30}$"
)
_DATELINE = re.compile(
    r"(?P<place>[A-ZÀ-Ž]{3,}(?:[ ./-][A-ZÀ-Ž.]{2,}){0,3}(?:,\s[A-Z][A-Za-z.]+)?)"
    r"(?:,?\s+(?P<date>(?:[A-Z][a-z]{2,8}\.?\s+\d{1,2}|\d{1,2}\s+[A-Z][a-z]{2,8})(?:,?\s+\d{4})?))?"
    r"\s*(?:\((?P<outlet>[A-Z][\w .&-]{1,30})\))?\s*(?:—|–|--|-|:)\s+"
)


@dataclass(frozen=True)
class Dropped:
    """A piece of the text that is no part of the report, and why it was left out."""

    start: int
    end: int
    why: str


@dataclass(frozen=True)
class Kept:
    """What is left of a text: its paragraphs, what was dropped, and what its lines say about itself."""

    paragraphs: tuple[tuple[int, int], ...]
    dropped: tuple[Dropped, ...]
    author: str = ""
    outlet: str = ""
    published: date | None = None
    published_words: str = ""
    published_place: int = 0


def filter_text(text: str) -> Kept:
    """Keep the paragraphs of a plain text, and drop what a page adds around them.

    Args:
        text: The text.

    Returns:
        The places of its paragraphs and of what was dropped; by-line, agency and date of publication if it has them.

    Example:
        >>> text = "Ships turned back\\nTwo ships left.\\nBy Ada Roe\\nLeave a Reply\\nName *"
        >>> kept = filter_text(text)
        >>> [text[a:b] for a, b in kept.paragraphs], kept.author
        (['Ships turned back', 'Two ships left.'], 'Ada Roe')
        >>> [d.why for d in kept.dropped]
        ['by-line', 'comment form', 'comment form']
    """
    lines = _lines(text)
    kept: list[tuple[int, int]] = []
    dropped: list[Dropped] = []
    about: dict[str, object] = {}
    mode = ""
    for start, end in lines:
        line = text[start:end]
        why, mode = _why(line, mode, first=not kept)
        if not why:
            note, offset = _about(line, about, start)
            if note:
                why = note
            elif offset:
                dropped.append(Dropped(start, start + offset, "dateline"))
                start += offset
        if why:
            dropped.append(Dropped(start, end, why))
        else:
            kept.append((start, end))
    return Kept(_paragraphs(text, kept), tuple(dropped), **about)  # type: ignore[arg-type]


def _lines(text: str) -> list[tuple[int, int]]:
    found = []
    for m in re.finditer(r"[^\r\n\u2028\u2029\f]+", text):
        line = m.group()
        lead = len(line) - len(line.lstrip())
        if line.strip():
            found.append((m.start() + lead, m.start() + len(line.rstrip())))
    return found


def _why(line: str, mode: str, *, first: bool) -> tuple[str, str]:
    """Why a line is dropped (empty: it is not), and what kind of section it stands in."""
    if mode == "comments":
        return "comment form", mode
    if _TAIL.match(line) and not first:
        return "comment form", "comments"
    if _LIST.match(line):
        return "list of other articles", "list"
    if mode == "list":
        # A list of headlines goes on until a whole sentence comes.
        if len(line) < 110 and line[-1] not in '.!?”"':
            return "list of other articles", mode
        mode = ""
    if _LINE.match(line):
        return "button, form or notice", mode
    if len(line) < 400 and _NAVIGATION.match(line):
        return "navigation", mode
    return "", mode


def _about(line: str, about: dict[str, object], place: int) -> tuple[str, int]:
    """What a line says about the report itself; the length of a dateline at its beginning."""
    byline = _BYLINE.match(line)
    if byline and len(line) < 160:
        about.setdefault("author", byline["author"])
        _note_date(byline["rest"] or "", about, place)
        return "by-line", 0
    dated = _DATED.match(line) or (_ONLY_DATE.match(line) and re.match(r"(?P<date>.*)", line))
    if dated and _note_date(dated["date"], about, place):
        return "date of publication", 0
    dateline = _DATELINE.match(line)
    if dateline and (dateline["outlet"] or dateline["date"] or "—" in dateline.group() or "--" in dateline.group()):
        if dateline["outlet"]:
            about.setdefault("outlet", dateline["outlet"].strip())
        if dateline["date"]:
            _note_date(dateline["date"], about, place)
        return "", dateline.end()
    return "", 0


def _note_date(words: str, about: dict[str, object], place: int) -> bool:
    found = [d for d in find_dates(words) if d.kind in ("iso", "day")]
    if not found:
        return False
    about.setdefault("published_words", found[0].text)
    about.setdefault("published_place", place)
    if found[0].first is not None:
        about.setdefault("published", found[0].first)
    return True


def _paragraphs(text: str, lines: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Join lines that were broken inside a sentence, as in a mail; every other line is a paragraph."""
    joined: list[tuple[int, int]] = []
    for start, end in lines:
        if joined and _goes_on(text, joined[-1], start, end):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def _goes_on(text: str, last: tuple[int, int], start: int, end: int) -> bool:
    between = text[last[1] : start]
    if between.count("\n") != 1 or text[last[1] - 1] in '.!?:”"…':
        return between.count("\n") == 1 and _wrapped(text, last, start)
    if text[start].islower():
        return True
    return _wrapped(text, last, start)


def _wrapped(text: str, last: tuple[int, int], start: int) -> bool:
    """Whether the line before was broken at a width: the next word would not have fitted."""
    line_start = text.rfind("\n", 0, last[1]) + 1
    length = last[1] - line_start
    following = re.compile(r"\S+").match(text, start)
    return (
        60 <= length <= 100 and following is not None and length + 1 + len(following.group()) > 68 and _same_width(text)
    )


def _same_width(text: str) -> bool:
    """Whether a text is set to a width: no line is long, and most that do not end a sentence are nearly as long."""
    lines = [line for line in text.split("\n") if line.strip()]
    return max(map(len, lines)) <= 100 and len(lines) > 4
