"""Programs in processes of their own, which end with everything that they started: peers, and one size of a table.

A :class:`Peer` is started once and asked one thing after the other, a JSON line each way; see `peers.py` for how it is
stopped where it takes too long.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PACKAGES = {"gambit": ["pygambit"], "openspiel": ["open_spiel"], "continuation": [], "detente": []}
ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
UV = os.environ.get("UV", "uv")


def end(process: subprocess.Popen) -> None:
    """Kill a process with all that it started (it was given a session of its own), and wait for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(command: list[str], *, limit: float, settings: dict[str, str] | None = None) -> str:
    """What a program prints.

    Args:
        command: The program and its words.
        limit: Seconds by the clock.
        settings: Environment variables beside those of this process.

    Raises:
        RuntimeError: If it cannot be started, fails, or does not finish in time; nothing of it is left behind then.
    """
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command,
            stdout=pipe,
            stderr=pipe,
            text=True,
            cwd=HERE.parent,
            env=os.environ | (settings or {}),
            start_new_session=True,
        )
    except OSError as problem:
        raise RuntimeError(f"{command[0]}: {problem}") from problem
    with process:
        try:
            printed, said = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired as problem:
            raise RuntimeError(f"not finished in {limit:.0f} s") from problem
        finally:
            end(process)
    if process.returncode:
        raise RuntimeError(f"failed with {process.returncode}: {said.strip()[-600:]}")
    return printed


class Peer:
    """A solver in a process of its own, asked one question after the other.

    Raises:
        RuntimeError: If it cannot be had.

    Example: ``with Peer("gambit") as peer: peer.ask({"file": path, "precisions": [1.0]}, limit=20)``.
    """

    def __init__(self, kind: str):
        packages = [word for package in PACKAGES[kind] for word in ("--with", package)]
        python = [UV, "run", "--quiet", "--no-sync", *packages, "python"] if packages else [sys.executable]
        command = [*python, str(HERE / "peers.py"), kind]
        self.kind, pipe = kind, subprocess.PIPE
        try:
            self.process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, text=True, env=os.environ | ONE_THREAD, start_new_session=True
            )
        except OSError as problem:
            raise RuntimeError(f"{kind}: {problem}") from problem
        try:
            self.version = self._answer()["version"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, question: dict, *, limit: float) -> dict[str, Any]:
        """The answer, or ``{"ended": words}`` where it took too long or died.

        Args:
            question: What to do; see `peers.py`.
            limit: CPU seconds for the work itself.
        """
        assert self.process.stdin is not None
        print(json.dumps(question | {"limit": limit}), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.kind}: it has ended (with {self.process.wait()}).")
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        end(self.process)
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):  # a question that nobody read
                stream.close()  # type: ignore[union-attr]
