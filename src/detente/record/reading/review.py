"""Going through drafts in a dialogue: each is accepted, edited or rejected, and what is accepted is kept at once."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from detente.errors import ScenarioError, UsageError, nearest
from detente.record.files import read_lines
from detente.record.models import Claim

Line = dict[str, Any]
LISTS = ("attribution", "hedges")
WORDS = ("statement", "actor", "act", "target", "channel", "event", "note", "status", "correction", "deniability")
DAYS = ("happened", "reported", "revised")
FIELDS = (*WORDS, *LISTS, *DAYS, "quantity", "grade")
HELP = "a accept · e edit · r reject · s later · q stop"
EDIT_HELP = f"""\
Write FIELD = VALUE, and an empty line when done. Fields: {", ".join(FIELDS)}.
Days: 2024-10-01 or 2024-10-01..2024-10-03. Lists: one; two. Quantity: LOW..HIGH UNIT or LOW..BEST..HIGH UNIT.
Nothing after the = takes the field out."""


@dataclass(frozen=True)
class Shown:
    """A draft as the dialogue shows it: its text, the words that made it, and its line for the ledger."""

    text: str
    made: str
    line: Line
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reviewed:
    """What came of a review: how many were accepted, rejected, and left for later; whether it was broken off."""

    accepted: int
    rejected: int
    left: int
    stopped: bool


def review(
    drafts: Sequence[Shown],
    *,
    ask_fn: Callable[[str], str],
    say_fn: Callable[[str], None],
    keep_fn: Callable[[Line], None],
) -> Reviewed:
    """Go through drafts one by one; an accepted one is kept before the next is shown.

    Args:
        drafts: What to show.
        ask_fn: Prints a prompt and returns what is typed; KeyboardInterrupt or EOFError ends the review.
        say_fn: Prints a line.
        keep_fn: Keeps an accepted line for good.

    Returns:
        How many were accepted, rejected and left.

    Example:
        >>> line = {"id": "A-01", "statement": "Rome warned.", "actor": "Italy", "act": "warn", "grade": 6,
        ...     "status": "unverified", "sources": ["a"],
        ...     "reported": {"start": "2024-01-01", "end": "2024-01-01", "precision": "day"}}
        >>> kept = []
        >>> done = review([Shown("Rome warned.", "", line)], ask_fn=lambda prompt: "a",
        ...     say_fn=lambda text: None, keep_fn=kept.append)
        >>> done.accepted, kept[0]["id"]
        (1, 'A-01')
    """
    accepted = rejected = later = 0
    for n, shown in enumerate(drafts):
        try:
            _show(shown, n, len(drafts), say_fn)
            answer, line = _decide(shown.line, ask_fn, say_fn)
        except (KeyboardInterrupt, EOFError):
            answer, line = "q", shown.line
        if answer == "a":
            keep_fn(line)
            accepted += 1
        elif answer == "r":
            rejected += 1
        elif answer == "s":
            later += 1
        else:
            return Reviewed(accepted, rejected, later + len(drafts) - n, True)
    return Reviewed(accepted, rejected, later, False)


def _show(shown: Shown, n: int, count: int, say_fn: Callable[[str], None]) -> None:
    line = shown.line
    say_fn(f"\n[{n + 1} of {count}] {line['id']}")
    say_fn(f"  {shown.text}")
    target = f" → {line['target']}" if line.get("target") else ""
    say_fn(f"  {line['actor']}: {line['act']}{target}   channel: {line.get('channel', 'none')}")
    for name in ("happened", "reported", "quantity"):
        if line.get(name):
            say_fn(f"  {name}: {_in_words(line[name])}")
    if line.get("attribution"):
        say_fn(f"  attribution: {' ← '.join(line['attribution'])}")
    if shown.made:
        say_fn(f"  words: {shown.made}")
    for problem in shown.problems:
        say_fn(f"  problem: {problem}")


def _in_words(value: Mapping[str, Any]) -> str:
    if "precision" in value:
        days = value["start"] if value["start"] == value["end"] else f"{value['start']}..{value['end']}"
        return f"{days} ({value['precision']})"
    return f"{value['low']:g}..{value['high']:g} {value['unit']}"


def _decide(line: Line, ask_fn: Callable[[str], str], say_fn: Callable[[str], None]) -> tuple[str, Line]:
    line = dict(line)
    while True:
        answer = ask_fn(f"  {HELP}: ").strip().lower()[:1]
        if answer == "e":
            line = _edit(line, ask_fn, say_fn)
        elif answer == "a":
            problem = fault(line)
            if problem is None:
                return "a", line
            say_fn(f"  not yet: {problem} Type e to edit.")
        elif answer in ("r", "s", "q"):
            return answer, line
        else:
            say_fn(f"  {answer!r} is no answer. {HELP}.")


def _edit(line: Line, ask_fn: Callable[[str], str], say_fn: Callable[[str], None]) -> Line:
    say_fn(EDIT_HELP)
    while True:
        typed = ask_fn("  edit: ").strip()
        if not typed:
            return line
        try:
            line = edited(line, typed)
        except UsageError as error:
            say_fn(f"  {error}")


def edited(line: Mapping[str, Any], typed: str) -> Line:
    """A line with one field changed.

    Args:
        line: A claim in the ledger's form.
        typed: ``FIELD = VALUE``.

    Returns:
        The changed line.

    Raises:
        UsageError: If there is no such field, or the value does not fit it.

    Example:
        >>> edited({"id": "A-01"}, "happened = 2024-10-01..2024-10-03")["happened"]["precision"]
        'days'
    """
    name, sign, value = (part.strip() for part in typed.partition("="))
    if not sign or name not in FIELDS:
        raise UsageError(f"{typed!r} changes nothing.{nearest(name, FIELDS)} Write for example: target = Iran")
    new = dict(line)
    if not value:
        new.pop(name, None)
    elif name in DAYS:
        new[name] = _days(name, value)
    elif name == "quantity":
        new[name] = _quantity(value)
    elif name == "grade":
        new[name] = int(value) if value.isdigit() else value
    else:
        new[name] = [part.strip() for part in value.split(";") if part.strip()] if name in LISTS else value
    changed = (
        fault({**_SAMPLE, **{k: v for k, v in new.items() if k in (name, "correction", "status")}}) if value else None
    )
    if changed is not None and "correction" not in changed:
        raise UsageError(changed)
    return new


_SAMPLE: Line = {
    "id": "A-01",
    "statement": "x",
    "actor": "x",
    "act": "x",
    "grade": 6,
    "status": "unverified",
    "sources": ["x"],
    "reported": {"start": "2000-01-01", "end": "2000-01-01", "precision": "day"},
}


def _days(name: str, value: str) -> Line:
    first, _, last = value.partition("..")
    if not re.fullmatch(r"\s*\d{4}-\d{2}-\d{2}\s*", first):
        raise UsageError(f"{name}: {value!r} is no day. Write 2024-10-01, or 2024-10-01..2024-10-03.")
    last = (last or first).strip()
    return {"start": first.strip(), "end": last, "precision": "day" if last == first.strip() else "days"}


def _quantity(value: str) -> Line:
    m = re.fullmatch(r"([-\d.]+?)(?:\.\.([-\d.]+?))?(?:\.\.([-\d.]+))?\s+(\S.*)", value)
    if m is None:
        raise UsageError(f"quantity: {value!r} has no bounds and unit. Write for example: quantity = 180..200 missiles")
    try:
        numbers = [float(n) for n in m.groups()[:3] if n]
    except ValueError:
        raise UsageError(
            f"quantity: {value!r} is not in numbers. Write for example: quantity = 180..200 missiles"
        ) from None
    line: Line = {"low": numbers[0], "high": numbers[-1], "unit": m[4]}
    return line | ({"best": numbers[1]} if len(numbers) == 3 else {})


def fault(line: Mapping[str, Any]) -> str | None:
    """What keeps a line from being a claim of the ledger; None if nothing does.

    Example:
        >>> fault({"id": "A-01"})
        'statement is missing: add it.'
    """
    try:
        Claim.model_validate(line)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the claim"
        if first["type"] == "missing":
            return f"{key} is missing: add it."
        return f"{key} is {str(first['input'])[:60]!r}: {first['msg'].removeprefix('Value error, ')}."
    return None


def read_accepted(path: Path) -> dict[str, Line]:
    """Read the claims that were accepted before, so that a review goes on where it stopped.

    Args:
        path: The file of accepted claims; it need not exist.

    Returns:
        The lines by id.

    Raises:
        ScenarioError: If a line is not a claim, or two have one id; it names the line.
    """
    if not path.exists():
        return {}
    found: dict[str, Line] = {}
    places: dict[str, int] = {}
    text = path.read_text(encoding="utf-8").split("\n")
    for line in read_lines(path, Claim):
        id = line.record.id
        if id in found:
            raise ScenarioError(
                f"{path}, line {line.number}: the id {id!r} is that of line {places[id]}. Give one of them another id."
            )
        found[id], places[id] = json.loads(text[line.number - 1]), line.number
    return found


def as_lines(lines: Sequence[Mapping[str, Any]]) -> str:
    """Records as JSON Lines, each on a line of its own.

    Example:
        >>> as_lines([{"id": "A-01"}])
        '{"id": "A-01"}\\n'
    """
    return "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
