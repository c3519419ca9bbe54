"""Scenarios made ready before somebody waits for them, and how far that is."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from detente.play.guard import Refused

# What takes time the first time, in order, with the words for whoever looks on.
STEPS = {
    "program": "Starting the solver",
    "tree": "Writing out every history of the game",
    "forecast": "Solving the world in the middle of all priors",
}


class Warm:
    """The scenarios that a process has been asked to make ready.

    Args:
        ask: Puts one question to the process.

    Example:
        >>> async def ask(question):
        ...     return print(question["step"], question["scenario"])
        >>> async def twice():
        ...     warm = Warm(ask)
        ...     for _ in range(2):
        ...         await warm.begin("my-crisis", {})
        ...     return warm.step("my-crisis")
        >>> asyncio.run(twice())
        program my-crisis
        tree my-crisis
        forecast my-crisis
        3
    """

    def __init__(self, ask: Callable[[Mapping[str, Any]], Awaitable[Any]]):
        self._ask = ask
        self._steps: dict[tuple[str, bool], int] = {}
        self._tasks: dict[tuple[str, bool], asyncio.Task] = {}

    def begin(self, scenario: str, question: Mapping[str, Any]) -> asyncio.Task:
        """Begin to make a scenario ready, if that has not been done; the task ends when it is, or cannot be.

        Args:
            scenario: Its name.
            question: What the process needs to find it.
        """
        key = _key(scenario, question)
        if key not in self._tasks:
            self._steps[key] = 0
            self._tasks[key] = asyncio.ensure_future(self._walk(key, {**question, "scenario": scenario}))
        return self._tasks[key]

    def step(self, scenario: str, question: Mapping[str, Any] | None = None) -> int:
        """How many steps are done; all of them once nobody needs to wait any more.

        Args:
            scenario: Its name.
            question: As for :meth:`begin`.
        """
        return self._steps.get(_key(scenario, question or {}), 0)

    def forget(self) -> None:
        """The process has ended, and what it had ready with it."""
        self._steps.clear()
        self._tasks.clear()

    async def close(self) -> None:
        """End what was begun."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _walk(self, key: tuple[str, bool], question: Mapping[str, Any]) -> None:
        with contextlib.suppress(Refused):  # whoever asks for the page hears of it
            for done, name in enumerate(STEPS, start=1):
                await self._ask({**question, "kind": "ready", "step": name})
                self._steps[key] = done
        self._steps[key] = len(STEPS)


def _key(scenario: str, question: Mapping[str, Any]) -> tuple[str, bool]:
    """A facilitator's scenario may be another of the same name."""
    return scenario, bool(question.get("csrf"))
