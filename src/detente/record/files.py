"""Reading a record from disk: one JSON object per line, with errors that say where and what to do."""

import json
import re
import reprlib
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from detente.errors import ScenarioError, nearest

Model = TypeVar("Model", bound=BaseModel)


class Line(NamedTuple):
    """A record and where it stands."""

    path: Path
    number: int
    record: Any

    @property
    def where(self) -> str:
        """The file, the line and the record's id, for the beginning of an error message."""
        return f"{self.path}, line {self.number}, {self.record.id}"


class Fault(NamedTuple):
    """Something wrong in a record: what kind of thing, in which place, of which entry, and the whole message."""

    kind: str
    place: str
    id: str
    message: str


def scan_lines(path: Path, model: type[BaseModel]) -> tuple[list[Line], list[Fault]]:
    """Read what can be read of a file that holds one JSON object per line, and say what is wrong with the rest.

    Args:
        path: The file. Empty lines are passed over.
        model: What each line must be.

    Returns:
        The records with the numbers of their lines, in the order of the file, and the faults.
    """
    try:
        text = _text(path)
    except ScenarioError as error:
        return [], [Fault("file", str(path), "", str(error))]
    found: list[Line] = []
    faults: list[Fault] = []
    # Only \n ends a line: str.splitlines() would also split at characters that may stand inside JSON strings.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                found.append(_read_line(path, number, line, model))
            except ScenarioError as error:
                faults.append(Fault("line", f"{path}, line {number}", "", str(error)))
    return found, faults


def read_lines(path: Path, model: type[Model]) -> list[Line]:
    """Read a file that holds one JSON object per line, each of them a record.

    Args:
        path: The file. Empty lines are passed over.
        model: What each line must be.

    Returns:
        The records with the numbers of their lines, in the order of the file.

    Raises:
        ScenarioError: If the file is missing, is not UTF-8, or a line is not such a record.
    """
    found, faults = scan_lines(path, model)
    if faults:
        raise ScenarioError(faults[0].message)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ScenarioError(
            f"{path}: this file of the record does not exist. "
            "Create it with one JSON object per line (it may be empty), or correct the folder's name."
        ) from None
    except UnicodeDecodeError as error:
        raise ScenarioError(
            f"{path}: byte {error.start} is not UTF-8. Save the file with the encoding UTF-8."
        ) from None
    except OSError as error:
        raise ScenarioError(
            f"{path}: it cannot be read ({error.strerror}). Check what it is, and your rights to it."
        ) from None


def _read_line(path: Path, number: int, line: str, model: type[Model]) -> Line:
    where = f"{path}, line {number}"
    try:
        data = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise ScenarioError(
            f"{where}: this is not JSON: {error.msg} at column {error.colno}, near "
            f"{line[max(0, error.colno - 12) : error.colno + 12]!r}. "
            "Write one complete JSON object on the line."
        ) from None
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}") from None
    except RecursionError:
        raise ScenarioError(f"{where}: it is nested too deeply. Write one plain JSON object.") from None
    if not isinstance(data, dict):
        raise ScenarioError(f'{where}: {line.strip()[:40]!r} is not a JSON object. Write {{"id": …}} on one line.')
    try:
        return Line(path, number, model.model_validate(data))
    except ValidationError as error:
        label = f"{where}, {data['id']}" if isinstance(data.get("id"), str) else where
        raise ScenarioError(f"{label}: {_explain(error, model)}") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        key = next(key for key in keys if keys.count(key) > 1)
        first, second = [value for name, value in pairs if name == key][:2]
        raise ValueError(f"the key {key!r} occurs twice, with {first!r} and {second!r}. Keep one of them.")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number. Write a finite number, or null where none is known.")


# Made once: json.loads would make a new one for every line.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing wrong with a line: the key, the value and the remedy."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "the record"
    value = reprlib.repr(first["input"])
    context = first.get("ctx", {})
    match first["type"]:
        case "missing":
            return f"{key} is missing. Add it."
        case "extra_forbidden":
            hint = nearest(str(first["loc"][-1]), _fields_at(model, first["loc"][:-1]))
            return f"{key} (with the value {value}) is not a known key.{hint} Correct or remove it."
        case "literal_error":
            allowed = str(context.get("expected", ""))
            hint = nearest(str(first["input"]), re.findall(r"'(.*?)'", allowed))
            return f"{key} is {value}, which is not a known word.{hint} Use one of {allowed}."
        case "value_error":
            message = str(context.get("error", first["msg"]))
            return message if key == "the record" else f"{key}: {message}"
        case "string_pattern_mismatch":
            pattern = context.get("pattern")
            return f"{key} is {value}, which is not the form of such an id. Let it match {pattern}."
        case "too_short" | "string_too_short":
            return f"{key} is empty. Fill it in."
    return f"{key} is {value}: {first['msg'][:1].lower()}{first['msg'][1:]}. Correct it."


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that are known at a place inside a record, followed through nested models."""
    fields = model.model_fields
    for part in loc:
        if isinstance(part, str) and part in fields:
            inner = _model_in(fields[part].annotation)
            if inner is not None:
                fields = inner.model_fields
    return list(fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation if issubclass(annotation, BaseModel) else None
    return next((m for m in map(_model_in, get_args(annotation)) if m is not None), None)
