"""The records of a crisis: what was said and done, who says so, and how far it can be trusted."""

import re
from datetime import date
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
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
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


class Source(_Record):
    """Where something can be read: who published it, when, and how reliable that outlet is here.

    ``paraphrases`` names the originals that it retells; ``seen`` is false for an original that is known only
    through those who retell it (it then has no address). ``published`` is the date in words;
    ``published_start`` and ``published_end`` bound it.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    outlet: Text
    title: Text
    address: str
    published: Text
    published_start: Day | None = None
    published_end: Day | None = None
    retrieved: Day | None = None
    paraphrases: Ids = ()
    reliability: Literal["A", "B", "C", "D", "E", "F"]
    seen: bool = True
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> "Source":
        if self.published_start and self.published_end:
            _in_order("published_start", self.published_start, "published_end", self.published_end)
        if self.seen and not self.address:
            raise ValueError("address is '' in a source that was seen. Give its address, or set seen to false.")
        return self


class Check(_Record):
    """How a source bears on a claim.

    ``supports``: it bears the claim out. ``contradicts``: it says otherwise. ``supersedes``: it replaces the
    claim's figure or text by a later or better one. ``distorts``: the claim changes what this source says.
    ``silent``: it was looked at and does not settle the claim.
    """

    relation: Relation
    source: Text
    note: Text


class Claim(_Record):
    """One checkable statement, in our words, with who says so and what speaks for and against it."""

    id: Annotated[str, Field(pattern=r"^[A-Z0-9]+-\d{2,}$")]
    statement: Text
    actor: Text
    act: Text
    target: str = ""
    happened: When | None = None
    reported: When
    revised: When | None = None
    quantity: Figure | None = None
    channel: Channel = "none"
    attribution: Ids = ()
    hedges: Ids = ()
    grade: Annotated[int, Field(ge=1, le=6, strict=True)]
    status: Status
    sources: Annotated[Ids, Field(min_length=1)]
    event: str | None = None
    checks: tuple[Check, ...] = ()
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


class Quantity(Figure):
    """A figure that belongs to an event, with its own sources and the day on which it became known."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    what: Text
    sources: Annotated[Ids, Field(min_length=1)]
    reported: Day | None = None
    note: str = ""


class Dispute(_Record):
    """A point on which the sources of an event disagree, and since when that has been known."""

    what: Text
    reported: Day | None = None


class Event(_Record):
    """Something that was done, on a severity scale from 0 (nothing) to 9 (war on a leadership)."""

    id: Annotated[str, Field(pattern=r"^E\d{4}-\d{2}[a-z]?$")]
    happened: When
    reported: Day
    actor: Text
    act: Text
    target: Text
    severity: Annotated[int, Field(ge=0, le=9, strict=True)]
    channel: Channel
    attribution: Literal["open", "unacknowledged"]
    levers: tuple[Lever, ...] = ()
    caused_by: Ids = ()
    quantities: tuple[Quantity, ...] = ()
    contested: tuple[Dispute, ...] = ()
    sources: Annotated[Ids, Field(min_length=1)]
    confidence: Literal["high", "medium", "low"]
    note: str = ""

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
