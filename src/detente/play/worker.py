"""A process beside the server that solves games: what bots play and what the review says is worked out here.

The line between the two is in :mod:`detente.play.beside`.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from detente.errors import DetenteError
from detente.play.beside import Beside, answer_lines
from detente.play.events import Event, event_from_json, event_json

COMMAND = (sys.executable, "-m", "detente.play.worker")


class Worker:
    """The server's end: asks the process, one question at a time, and starts it again if it died.

    Args:
        command: What is started.
    """

    def __init__(self, command: Sequence[str] = COMMAND):
        self._beside = Beside(command)

    async def ask(self, kind: str, events: Sequence[Event], *, at: float, **more: str) -> Any:
        """The answer to one question about an exercise.

        Args:
            kind: ``bot``, ``prepare`` or ``review``.
            events: The exercise's log.
            at: The time to put into the answer.
            **more: What else the question says: for a review ``address`` and ``had``.

        Raises:
            DetenteError: If it cannot be answered; the message says why.
        """
        found = await self._beside.exchange(
            {"kind": kind, "at": at, "events": [event_json(event) for event in events], **more}
        )
        if found is None:
            raise DetenteError("worker: the process that solves games has ended. It is started again when asked.")
        if "error" in found:
            raise DetenteError(found["error"])
        return found["answer"]

    async def close(self) -> None:
        """End the process."""
        await self._beside.close()


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """What the process answers to one question: ``answer``, or ``error`` with a message for a person.

    Example:
        >>> answer({"kind": "bot", "at": 0.0, "events": []})
        {'error': "worker: the log has no events. Begin it with one 'create'."}
    """
    from detente.play.session import replay
    from detente.play.stage import load_stage

    try:
        events = [event_from_json(data) for data in question["events"]]
        if not events:
            raise DetenteError("worker: the log has no events. Begin it with one 'create'.")
        created: Any = events[0]
        state = replay(load_stage(created.game), events)
        return {"answer": _ANSWERS[question["kind"]](state, question)}
    except DetenteError as error:
        return {"error": str(error)}
    except Exception as error:  # the process must live on, and the facilitator must hear of it
        return {"error": f"worker: {type(error).__name__}: {error}. This is a fault of the program: please report it."}


def _bot(state: Any, question: Mapping[str, Any]) -> Any:
    from detente.play.bots import bot_move

    moved = bot_move(state, at=question["at"], ask_fn=_ask_fn())
    return None if moved is None else event_json(moved)


def _ask_fn() -> Any:
    url = os.environ.get("DETENTE_LLM_URL", "").strip()
    if not url:
        return None
    from detente.play.model_seat import ask_with
    from detente.record.reading.llm import Endpoint

    return ask_with(
        Endpoint(url, os.environ.get("DETENTE_LLM_MODEL", "default"), os.environ.get("DETENTE_LLM_KEY", ""))
    )


def _prepare(state: Any, question: Mapping[str, Any]) -> Any:
    from detente.play.bots import prepare

    bots = {seat.player: seat.bot for seat in state.seats.values() if seat.bot}
    prepare(state.stage, bots, values=state.values, precision=state.created.precision)
    return None


def _review(state: Any, question: Mapping[str, Any]) -> Any:
    import datetime

    from detente.play.review import counterfactual_at, review
    from detente.play.review_page import review_html

    made_at = datetime.datetime.fromtimestamp(question["at"], datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    had, address = question.get("had", ""), question.get("address", "")
    supposed = counterfactual_at(state, had) if had else None
    return review_html(review(state), generated=made_at, address=address, supposed=supposed)


_ANSWERS = {"bot": _bot, "prepare": _prepare, "review": _review}


def main() -> None:
    """Answer questions until the input ends."""
    answer_lines(answer, niceness=10)  # people who wait for a page come before bots


if __name__ == "__main__":
    main()
