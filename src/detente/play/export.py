"""An exercise as data, also in the middle of a game: its log, and one row a game with one column a move."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detente.errors import UsageError
from detente.play.events import BY_FACILITATOR, Event, event_from_json, event_json
from detente.play.session import State, Step

# Columns of a table of games that are not moves.
ABOUT = ("exercise", "branch", "finished", "flagged")


def log_jsonl(events: Iterable[Event]) -> str:
    """The log as JSON Lines: one event a line, exactly as it was recorded.

    Example:
        >>> from detente.play.events import Paused
        >>> print(log_jsonl([Paused(1.0)]), end="")
        {"version": 1, "kind": "pause", "at": 1.0}
    """
    return "".join(json.dumps(event_json(event), ensure_ascii=False) + "\n" for event in events)


def read_jsonl(text: str) -> list[Event]:
    """The events of a log in JSON Lines.

    Raises:
        UsageError: If a line is no event; it names the line.
    """
    found = []
    # Only a line feed ends a line: texts of messages may hold other characters that Python splits lines at.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(event_from_json(json.loads(line)))
        except (json.JSONDecodeError, UsageError) as error:
            raise UsageError(f"log, line {number}: {error} Mend the line, or export the log again.") from None
    return found


def log_csv(events: Iterable[Event]) -> str:
    """The log as a table: number, time, kind, seat, and the rest of each event as JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("number", "at", "kind", "seat", "rest"))
    for number, event in enumerate(events, start=1):
        data = event_json(event)
        rest = {k: v for k, v in data.items() if k not in ("at", "kind", "seat")}
        seat = data.get("seat", "")
        writer.writerow((number, data["at"], data["kind"], _safe(seat), json.dumps(rest, ensure_ascii=False)))
    return out.getvalue()


def _safe(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def game_rows(states: Iterable[State], *, branches: bool = False) -> list[dict[str, str]]:
    """One row a game: what it is about, and move → option. A move that was not reached is not in the row.

    Args:
        states: Exercises, finished or not.
        branches: Whether branches that were left by going back get rows too.

    Returns:
        Rows for :func:`games_csv` and :func:`games_parquet`. ``flagged`` names the moves that somebody else made than
        the one who should have (a default, a bot for a person, the facilitator): leave them out when you estimate.
    """
    rows = []
    for state in states:
        if state.created is None:
            raise UsageError("export: the exercise has not been created yet. Begin a log with one 'create'.")
        if branches:
            rows += [_row(state, b.number, b.steps, finished=False) for b in state.branches]
        rows.append(_row(state, state.branch, state.steps, finished=state.ended))
    return rows


def _row(state: State, branch: int, steps: Sequence[Step], *, finished: bool) -> dict[str, str]:
    assert state.created is not None
    flagged = [step.move for step in steps if step.flag or step.by == BY_FACILITATOR]
    about = (state.created.exercise, str(branch), "yes" if finished else "no", "; ".join(flagged))
    return dict(zip(ABOUT, about, strict=True)) | {step.move: step.option for step in steps}


def columns_of(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The columns of a table of games: what rows are about first, then moves in the order in which they were met."""
    met = dict.fromkeys(name for row in rows for name in row)
    return [name for name in ABOUT if name in met] + [name for name in met if name not in ABOUT]


def games_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """Games as a table with one column a move; empty where a game did not have the move.

    Example:
        >>> print(games_csv([{"message": "red lines", "reply": "none"}, {"message": "strike alone"}]), end="")
        message,reply
        red lines,none
        strike alone,
    """
    out = io.StringIO()
    columns = columns_of(rows)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return out.getvalue()


def games_parquet(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Games as a Parquet file with one text column a move; null where a game did not have the move."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({n: pa.array([row.get(n) for row in rows], pa.string()) for n in columns_of(rows)})
    return _parquet(pq, pa, table)


def log_parquet(events: Iterable[Event]) -> bytes:
    """The log as a Parquet file: number, time, kind, seat, and the whole event as JSON."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = [event_json(event) for event in events]
    table = pa.table(
        {
            "number": pa.array(range(1, len(data) + 1), pa.int64()),
            "at": pa.array([d["at"] for d in data], pa.float64()),
            "kind": pa.array([d["kind"] for d in data], pa.string()),
            "seat": pa.array([d.get("seat") for d in data], pa.string()),
            "event": pa.array([json.dumps(d, ensure_ascii=False) for d in data], pa.string()),
        }
    )
    return _parquet(pq, pa, table)


def _parquet(pq: Any, pa: Any, table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()
