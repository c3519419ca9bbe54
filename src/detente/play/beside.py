"""A process beside the server: both ends of the line between them.

The process reads one JSON object a line and answers each with one. When the server ends, however it ends, its input
ends and so does it.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

LONGEST_LINE = 256 * 1024 * 1024


class Beside:
    """The server's end: asks the process, one question at a time, and starts it again if it died.

    Args:
        command: What is started.
    """

    def __init__(self, command: Sequence[str]):
        self._command = tuple(command)
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def exchange(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the process answers, or None if it has ended; it is started again when it is next asked.

        Args:
            question: One question, which JSON can hold.
        """
        sent = json.dumps(question).encode() + b"\n"
        async with self._turn:
            process = await self._started()
            assert process.stdin is not None and process.stdout is not None
            try:
                process.stdin.write(sent)
                await process.stdin.drain()
                line = await process.stdout.readline()
            except asyncio.CancelledError:
                await self._drop()
                raise
            except ConnectionError:
                line = b""
            if not line:
                await self._drop()
                return None
        return json.loads(line)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, limit=LONGEST_LINE
            )
        return self._process

    async def _drop(self) -> None:
        """Let the process go: an answer to an old question must not be taken for one to the next."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def close(self) -> None:
        """End the process."""
        await self._drop()


def answer_lines(answer: Callable[[Mapping[str, Any]], Mapping[str, Any]], *, niceness: int) -> None:
    """The process's end: answer questions until the input ends.

    Args:
        answer: Gives the answer to one question.
        niceness: How far others come first, as ``nice`` counts it.
    """
    if hasattr(os, "nice"):
        os.nice(niceness)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever is printed elsewhere must not mix with answers
    with contextlib.suppress(BrokenPipeError):  # the server is gone, and nobody waits for the answer
        for line in sys.stdin:
            out.write(json.dumps(answer(json.loads(line)), ensure_ascii=False) + "\n")
            out.flush()
