"""A process beside the server that answers the studio's questions, so that exercises never wait for a solver.

The line between the two is in :mod:`detente.play.beside`.
"""

import datetime
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detente.errors import DetenteError, UsageError
from detente.play.beside import Beside, answer_lines
from detente.play.guard import Refused

COMMAND = (sys.executable, "-m", "detente.studio.process")
MOST_WAITING = 24
RECORDS = 16  # pages of records that are kept
SECONDS = 0.35  # of work on many worlds before the page hears how far it is

BAD, MISSING, FAULT, BUSY = 400, 404, 500, 503


class Solver:
    """The server's end: asks the process, one question at a time, and starts it again if it died.

    Args:
        command: What is started.
    """

    def __init__(self, command: Sequence[str] = COMMAND):
        self._beside = Beside(command)
        self._waiting = 0

    async def ask(self, question: Mapping[str, Any]) -> Any:
        """The answer to one question.

        Args:
            question: See :func:`answer`.

        Raises:
            Refused: If it cannot be answered; the message says why.
        """
        if self._waiting >= MOST_WAITING:
            raise Refused(BUSY, "Too many people are asking at once. Try again in a moment.")
        self._waiting += 1
        try:
            found = await self._beside.exchange(question)
        finally:
            self._waiting -= 1
        if found is None:
            raise Refused(FAULT, "The process that solves games has ended. It is started again when asked: try again.")
        if "error" in found:
            raise Refused(found["status"], found["error"])
        return found["answer"]

    async def close(self) -> None:
        """End the process."""
        await self._beside.close()


# -- in the process ----------------------------------------------------------------------------------------
@dataclass(eq=False)
class Desk:
    """What the process keeps between questions.

    Attributes:
        home: Folder with scenarios of the people who started the server.
        clock: Seconds that only grow.
        today: The day, and the time as it stands in a brief.
        records: Pages of records made last.
    """

    home: Path
    clock: Callable[[], float] = time.perf_counter
    today: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    _rooms: Any = None
    records: OrderedDict[tuple, str] = field(default_factory=OrderedDict)

    @property
    def rooms(self) -> Any:
        """The scenarios that are ready."""
        from detente.studio.rooms import Rooms

        self._rooms = self._rooms or Rooms()
        return self._rooms


def answer(desk: Desk, question: Mapping[str, Any]) -> dict[str, Any]:
    """What the process answers to one question: ``answer``, or ``error`` with a message for a person and a ``status``.

    Args:
        desk: What is kept between questions.
        question: ``kind``, and what the kind needs: ``scenario``, ``query`` (pairs), ``explore`` and ``record``
            (addresses), ``csrf`` (of a facilitator, or empty), ``offered`` (name → folder), ``fields`` of a form.

    Example:
        >>> answer(Desk(Path(".")), {"kind": "page", "scenario": "nowhere", "csrf": ""})["status"]
        404
    """
    try:
        return {"answer": _ANSWERS[question["kind"]](desk, question)}
    except Refused as refusal:
        return {"error": str(refusal), "status": refusal.status}
    except DetenteError as error:
        return {"error": str(error), "status": BAD}
    except Exception as error:  # the process must live on, and whoever asked must hear of it
        text = f"studio: {type(error).__name__}: {error}. This is a fault of the program: please report it."
        return {"error": text, "status": FAULT}


def _known(desk: Desk, question: Mapping[str, Any]) -> Path:
    from detente.studio.shell import folder_of

    name = question["scenario"]
    # Scenarios of one's own are for facilitators alone: a form or link may name no other folder of this machine.
    folder = folder_of(name, desk.home, question["offered"]) if question["csrf"] else folder_of(name)
    if folder is None:
        raise Refused(MISSING, f"There is no scenario {name[:60]!r} here.")
    return folder


def _open(desk: Desk, question: Mapping[str, Any]) -> tuple[Any, list[tuple[str, str]], Any]:
    """The room, the query and the address of a question."""
    from detente.studio.shell import Address

    room = desk.rooms.open(_known(desk, question))
    pairs = [(str(name), str(text)) for name, text in question["query"]]
    return room, pairs, Address(question["explore"], question["record"], question["csrf"])


def _page(desk: Desk, question: Mapping[str, Any]) -> dict[str, Any]:
    from detente.studio.pages import explore_page, trouble_page

    room, pairs, at = _open(desk, question)
    try:
        return {"html": explore_page(room, pairs, at), "status": 200}
    except DetenteError as error:
        return {"html": trouble_page(room, pairs, at, str(error)), "status": BAD}


def _forecast(desk: Desk, question: Mapping[str, Any]) -> dict[str, Any]:
    from detente.studio.pages import forecast_part

    room, pairs, at = _open(desk, question)
    if room.trouble:
        raise UsageError(room.trouble)
    return {"html": forecast_part(room, pairs, at)}


def _ranges(desk: Desk, question: Mapping[str, Any]) -> dict[str, Any]:
    """A little more work on many worlds, and how far they are."""
    from detente.studio.pages import ranges_part

    room, pairs, at = _open(desk, question)
    ranges = _solved(desk, room, pairs, SECONDS)
    return {"html": ranges_part(room, pairs, at, ranges), "finished": ranges.finished}


def _page_with_ranges(desk: Desk, question: Mapping[str, Any]) -> dict[str, Any]:
    from detente.studio.pages import explore_page, trouble_page

    room, pairs, at = _open(desk, question)
    try:
        return {"html": explore_page(room, pairs, at, ranges=_solved(desk, room, pairs, None)), "status": 200}
    except DetenteError as error:
        return {"html": trouble_page(room, pairs, at, str(error)), "status": BAD}


def _solved(desk: Desk, room: Any, pairs: list[tuple[str, str]], seconds: float | None) -> Any:
    """Many worlds, worked on for so long; without a limit, to the end."""
    from detente.studio.ranges import go_on, ranges_of
    from detente.studio.setting import read_view

    ranges = ranges_of(room, read_view(pairs, room.scenario).setting)
    begun = desk.clock()
    while not ranges.finished:
        go_on(ranges)
        if seconds is not None and desk.clock() - begun > seconds:
            break
    return ranges


def _record(desk: Desk, question: Mapping[str, Any]) -> dict[str, Any]:
    from detente.model.scenario import load_scenario
    from detente.studio.record_page import record_page
    from detente.studio.rooms import signature
    from detente.studio.shell import Address

    folder, query = _known(desk, question), dict(question["query"])
    at = Address(question["explore"], question["record"], question["csrf"])
    key = (folder, signature(folder), at, tuple(sorted(query.items())))
    if key not in desk.records:  # the timeline takes half a second to draw
        desk.records[key] = record_page(load_scenario(folder), query, at)
        while len(desk.records) > RECORDS:
            desk.records.popitem(last=False)
    return {"html": desk.records[key], "status": 200}


def _file(desk: Desk, question: Mapping[str, Any]) -> dict[str, Any]:
    """A download: its text and what kind of file it is."""
    from detente.studio.export import as_csv, forecast_json, forecast_rows, ranges_sheet, world_rows
    from detente.studio.ranges import brief_page
    from detente.studio.setting import read_view
    from detente.studio.tree import picture

    room, pairs, _ = _open(desk, question)
    view = read_view(pairs, room.scenario)
    policy = room.scenario.file.policies[view.setting.policy].title
    kinds: dict[str, tuple[str, Callable[[], str]]] = {
        "forecast.csv": ("text/csv; charset=utf-8", lambda: as_csv(forecast_rows(room, view.setting))),
        "forecast.json": ("application/json", lambda: forecast_json(room, view.setting)),
        "worlds.csv": ("text/csv; charset=utf-8", lambda: as_csv(world_rows(_solved(desk, room, pairs, None)))),
        "ranges.svg": ("image/svg+xml", lambda: ranges_sheet(room, _solved(desk, room, pairs, None), view.setting)),
        "tree.svg": (
            "image/svg+xml",
            lambda: picture(
                room, room.forecast(view.setting), courses=view.courses, title=f"Courses under “{policy}”", unfold=True
            ),
        ),
        "brief.html": (
            "text/html; charset=utf-8",
            lambda: brief_page(room, view.setting, generated=desk.today().strftime("%Y-%m-%d %H:%M UTC")),
        ),
    }
    if question["file"] not in kinds:
        raise Refused(MISSING, f"There is no download {question['file'][:60]!r}.")
    kind, make = kinds[question["file"]]
    return {"body": make(), "type": kind}


def _save(desk: Desk, question: Mapping[str, Any]) -> dict[str, Any]:
    from urllib.parse import parse_qsl

    from detente.studio.save import NAME, save_setting
    from detente.studio.setting import read_setting

    if not question["csrf"]:
        raise Refused(MISSING, "Only a facilitator may save.")
    room, _, _ = _open(desk, question)
    fields = question["fields"]
    name = fields.get("name", "").strip()
    if not NAME.fullmatch(name):  # before it becomes part of a path
        raise UsageError(f"name: {name[:60]!r} cannot be a name. Use small letters, digits and hyphens, as my-crisis.")
    setting = read_setting(parse_qsl(fields.get("setting", "")), room.scenario)
    title, day = fields.get("title", "").strip()[:200], desk.today().date().isoformat()
    save_setting(room.scenario.folder, setting, desk.home / name, title=title, day=day)
    return {"name": name}


def _style(desk: Desk, question: Mapping[str, Any]) -> dict[str, Any]:
    from detente.studio.tree import page_colours, style_sheet

    return {"body": page_colours() + style_sheet()}


def _ready(desk: Desk, question: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing but what takes time, a step at a time: asked before anybody waits for it."""
    import detente.studio.pages
    import detente.studio.record_page  # noqa: F401

    if question["step"] != "program":
        room, pairs, at = _open(desk, {**question, "query": []})
        if question["step"] == "forecast":
            detente.studio.pages.explore_page(room, pairs, at)  # templates are read too
    return {}


_ANSWERS: dict[str, Callable[[Desk, Mapping[str, Any]], dict[str, Any]]] = {
    "page": _page,
    "page with ranges": _page_with_ranges,
    "forecast": _forecast,
    "ranges": _ranges,
    "record": _record,
    "file": _file,
    "save": _save,
    "style": _style,
    "ready": _ready,
}


def main() -> None:
    """Answer questions until the input ends."""
    desk = Desk(Path.cwd())
    answer_lines(lambda question: answer(desk, question), niceness=5)  # people in an exercise come before these


if __name__ == "__main__":
    main()
