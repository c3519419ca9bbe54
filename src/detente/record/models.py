"""The records of a crisis: what was said and done, who says so, and how far it can be trusted."""

import re
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from detente.record.formula import names_in

Status = Literal[
    "supported",
    "supported_with_distortion",
    "misquotation",
    "wrong",
    "wrong_in_part",
    "contested",
    "unverified",
    "opinion",
]
NEEDS_CORRECTION: tuple[str, ...] = (
    "wrong",
    "misquotation",
    "wrong_in_part",
    "supported_with_distortion",
    "contested",
)
Channel = Literal["public", "private", "private-then-reported", "private-and-public", "background", "covert", "none"]
Precision = Literal["hour", "night", "day", "days", "month", "months", "year"]
Relation = Literal["supports", "contradicts", "supersedes", "distorts", "silent"]
# How far the one who did something owns to it.
Deniability = Literal["open", "unacknowledged", "denied"]
# Ladders of severity by name: rung → what it means. The first is the coding rule of the shipped records.
SEVERITY_SCALES: dict[str, dict[int, str]] = {
    "severity-0-9": {
        0: "nothing military",
        1: "words, sanctions, deployments",
        2: "hidden sabotage",
        3: "one limited strike, token or deniable",
        4: "leading figures killed, covertly or abroad",
        5: "a large salvo, announced or mostly stopped",
        6: "a large open strike on military targets that hits",
        7: "energy or nuclear sites",
        8: "a lasting campaign",
        9: "war on a leadership and beyond",
    },
}
Lever = Literal[
    "ask for notice",
    "assurance to adversary",
    "call",
    "close the exchange",
    "coalition",
    "conditional green light",
    "delay",
    "dissociation",
    "keep defence",
    "message to ally",
    "negotiation in progress",
    "persuasion",
    "positive inducement (defence)",
    "proportionality",
    "public order by name",
    "red line (nuclear)",
    "red line (oil)",
    "sanctions on adversary",
    "threat to adversary",
    "withhold offensive support",
]


def parse_day(value: Any) -> date:
    """Read a calendar day written as YYYY-MM-DD, and refuse any other spelling.

    Args:
        value: The text of a day, or a date that has been read already.

    Returns:
        The day.

    Raises:
        ValueError: If it is not a day that exists, written that way.

    Example:
        >>> parse_day("2024-04-13")
        datetime.date(2024, 4, 13)
    """
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a day. Write it in quotation marks as YYYY-MM-DD.")
    return _read_day(value)


@lru_cache(maxsize=4096)  # a record names few days, many times each
def _read_day(value: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError(f"{value!r} is not a day. Write it in quotation marks as YYYY-MM-DD.")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a day in the calendar. Write a day that exists, as YYYY-MM-DD.") from None


Day = Annotated[date, BeforeValidator(parse_day), PlainSerializer(date.isoformat, when_used="json")]
Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Ids = tuple[Text, ...]


class _Record(BaseModel):
    """What every record has in common: it cannot be changed, and knows no fields but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _in_order(low_name: str, low: Any, high_name: str, high: Any) -> None:
    if low > high:
        raise ValueError(
            f"{low_name} is {low}, above {high_name}, which is {high}. "
            f"Write the smaller value as {low_name}, or correct the wrong one."
        )


class When(_Record):
    """When something happened, was reported or was revised, no more exactly than is known."""

    start: Day
    end: Day
    precision: Precision

    @model_validator(mode="after")
    def _ordered(self) -> "When":
        _in_order("start", self.start, "end", self.end)
        return self


@lru_cache(maxsize=4096)  # a record names few times, many times each
def _same_when(start: str, end: str, precision: str) -> When:
    return When.model_validate({"start": start, "end": end, "precision": precision})


def _when_again(value: Any) -> Any:
    """A time that was read before is used again; a wrong one is left to be refused with its place."""
    if type(value) is dict and len(value) == 3:
        try:
            return _same_when(value["start"], value["end"], value["precision"])
        except (KeyError, TypeError, ValueError):
            return value
    return value


Time = Annotated[When, BeforeValidator(_when_again)]


class Figure(_Record):
    """A number as a range: the lowest and highest in print, and the best if one stands out."""

    low: Number
    best: Number | None = None
    high: Number
    unit: Text

    @model_validator(mode="after")
    def _ordered(self) -> "Figure":
        _in_order("low", self.low, "high", self.high)
        if self.best is not None:
            _in_order("low", self.low, "best", self.best)
            _in_order("best", self.best, "high", self.high)
        return self


class Document(_Record):
    """The file that holds a source's text, and how to recognise it."""

    file: Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class Source(_Record):
    """Where something can be read: who published it, when, and how reliable that outlet is here.

    ``paraphrases`` names the originals that it retells; ``seen`` is false for an original that is known only
    through those who retell it (it then has no address). ``published`` is the date in words;
    ``published_start`` and ``published_end`` bound it. ``document`` is the file with its text, for those who have it.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    outlet: Text
    author: str = ""
    title: Text
    address: str
    published: Text
    published_start: Day | None = None
    published_end: Day | None = None
    retrieved: Day | None = None
    paraphrases: Ids = ()
    reliability: Literal["A", "B", "C", "D", "E", "F"]
    seen: bool = True
    document: Document | None = None
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> "Source":
        if self.published_start and self.published_end:
            _in_order("published_start", self.published_start, "published_end", self.published_end)
        if self.seen and not self.address:
            raise ValueError("address is '' in a source that was seen. Give its address, or set seen to false.")
        return self


class Check(_Record):
    """How a source, or another claim, bears on a claim.

    ``supports``: it bears the claim out. ``contradicts``: it says otherwise. ``supersedes``: it replaces the
    claim's figure or text by a later or better one. ``distorts``: the claim changes what this source says.
    ``silent``: it was looked at and does not settle the claim. ``by`` is who compared the two, ``made`` on which
    day, and ``blind`` whether without knowing what came of it (None: not recorded).
    """

    relation: Relation
    source: Text | None = None
    claim: Text | None = None
    note: Text
    by: str = ""
    made: Day | None = None
    blind: bool | None = None

    @model_validator(mode="after")
    def _one_thing_is_compared(self) -> "Check":
        if (self.source is None) == (self.claim is None):
            raise ValueError(
                f"source is {self.source!r} and claim is {self.claim!r} in a check. Name one of the two: what the "
                "claim was compared with."
            )
        return self


class Passage(_Record):
    """Where in the text of a source a claim stands: from one character to before another, counted from 0."""

    source: Text
    start: Annotated[int, Field(ge=0, strict=True)]
    end: Annotated[int, Field(ge=1, strict=True)]

    @model_validator(mode="after")
    def _ordered(self) -> "Passage":
        _in_order("start", self.start + 1, "end", self.end)
        return self


class Quote(_Record):
    """Words in quotation marks: exactly as a source prints them, and where.

    ``wording`` tells what a report prints (``printed``) from what was in fact said or written, as a transcript or
    the document itself has it (``transcript``). A claim with the transcript's wording is what printed quotations are
    held against. ``altered`` says of a printed quotation which words are known to differ from the transcript, as
    ``record check`` puts it: one entry for each unbroken part. Any other difference is a new finding.
    """

    text: Text
    source: Text
    speaker: str = ""
    wording: Literal["printed", "transcript"] = "printed"
    start: Annotated[int, Field(ge=0, strict=True)] | None = None
    altered: Ids = ()


class Claim(_Record):
    """One checkable statement, in our words, with who says so and what speaks for and against it.

    ``happened``, ``reported`` and ``revised`` are kept apart, each with its precision. ``surfaced`` is the time at
    which something private became public. ``deniability`` says how far the actor owns to an act; None for what is
    not an act. ``retells`` names the claims that this one paraphrases, ``corrects`` those that it sets right.
    ``passages`` say where it stands in the texts of its sources; ``quotes`` hold words verbatim.
    """

    id: Annotated[str, Field(pattern=r"^[A-Z0-9]+-\d{2,}$")]
    statement: Text
    actor: Text
    act: Text
    target: str = ""
    happened: Time | None = None
    reported: Time
    revised: Time | None = None
    quantity: Figure | None = None
    channel: Channel = "none"
    surfaced: Time | None = None
    deniability: Deniability | None = None
    attribution: Ids = ()
    hedges: Ids = ()
    quotes: tuple[Quote, ...] = ()
    passages: tuple[Passage, ...] = ()
    grade: Annotated[int, Field(ge=1, le=6, strict=True)]
    status: Status
    sources: Annotated[Ids, Field(min_length=1)]
    event: str | None = None
    checks: tuple[Check, ...] = ()
    retells: Ids = ()
    corrects: Ids = ()
    correction: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _says_what_is_used_instead(self) -> "Claim":
        if self.status in NEEDS_CORRECTION and not self.correction:
            raise ValueError(
                f"correction is '' in a claim whose status is {self.status!r}. Say what the scenario uses instead."
            )
        return self


class Reading(_Record):
    """What one source gives for a figure, and what became of it.

    ``bound`` is "at least" or "at most" where the source only bounds the figure; ``says`` is who is behind it.
    ``standing``: the record's own range takes it up (``used``), took it up until the day ``replaced`` on which better
    figures came, or never did (``not used``; the note says why).
    """

    source: Text
    low: Number
    high: Number
    bound: Literal["exact", "about", "at least", "at most"] = "exact"
    says: str = ""
    reported: Day
    standing: Literal["used", "replaced", "not used"] = "used"
    replaced: Day | None = None
    note: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> "Reading":
        _in_order("low", self.low, "high", self.high)
        if (self.standing == "replaced") != (self.replaced is not None):
            raise ValueError(
                f"standing is {self.standing!r} and replaced is {self.replaced}. Give the day for a replaced figure, "
                "and for no other."
            )
        if self.replaced is not None:
            _in_order("reported", self.reported, "replaced", self.replaced)
        if self.standing == "not used" and not self.note:
            raise ValueError("note is '' in a figure that is not used. Say why.")
        return self


class Quantity(Figure):
    """A figure that belongs to an event, with its own sources and the day on which it became known.

    ``readings`` are the figures of the single sources, where they differ or came one after another.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    what: Text
    sources: Annotated[Ids, Field(min_length=1)]
    reported: Day | None = None
    readings: tuple[Reading, ...] = ()
    note: str = ""


class Dispute(_Record):
    """A point on which the sources of an event disagree, and since when that has been known."""

    what: Text
    reported: Day | None = None


class Event(_Record):
    """Something that was done, with how severe it was on a named scale.

    ``scale`` is a name in ``SEVERITY_SCALES``. ``attribution`` is how far the actor owns to the act. ``moves`` are
    kinds of act in the table of escalation scales (``detente.record.scales``), for comparing scales.
    """

    id: Annotated[str, Field(pattern=r"^E\d{4}-\d{2}[a-z]?$")]
    happened: Time
    reported: Day
    actor: Text
    act: Text
    target: Text
    severity: Annotated[int, Field(ge=0, strict=True)]
    scale: Text = "severity-0-9"
    channel: Channel
    attribution: Deniability
    moves: Ids = ()
    levers: tuple[Lever, ...] = ()
    caused_by: Ids = ()
    quantities: tuple[Quantity, ...] = ()
    contested: tuple[Dispute, ...] = ()
    sources: Annotated[Ids, Field(min_length=1)]
    confidence: Literal["high", "medium", "low"]
    note: str = ""

    @model_validator(mode="after")
    def _severity_is_on_its_scale(self) -> "Event":
        if self.scale not in SEVERITY_SCALES:
            raise ValueError(f"scale is {self.scale!r}, which is not a known scale. Use {', '.join(SEVERITY_SCALES)}.")
        if self.severity not in SEVERITY_SCALES[self.scale]:
            raise ValueError(
                f"severity is {self.severity}, which the scale {self.scale!r} does not have. "
                f"Give one of {', '.join(map(str, SEVERITY_SCALES[self.scale]))}."
            )
        return self

    @model_validator(mode="after")
    def _reported_after_it_began(self) -> "Event":
        _in_order("happened.start", self.happened.start, "reported", self.reported)
        return self


class Estimate(Figure):
    """A figure worked out from others by a formula, which is evaluated again whenever the record is read."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*$")]
    meaning: Text
    formula: Text
    rests_on: Annotated[Ids, Field(min_length=1)]
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The ids that the formula uses, in the order in which they first appear."""
        return names_in(self.formula)
