"""Ctrl-C, heard from the first moment on and answered in one way. Nothing heavy is imported here."""

import signal
import sys
from typing import Any, NoReturn

EXIT_STOPPED = 130


def hear_stop() -> list[int]:
    """Have Ctrl-C noted from now on; the list that is returned is no longer empty once it has come."""
    stopped: list[int] = []

    def stop(number: int, frame: Any) -> None:
        stopped.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, stop)
    return stopped


def leave_stopped() -> NoReturn:
    """End the program as one that was stopped."""
    print("detente: stopped; nothing is half-written", file=sys.stderr)
    sys.exit(EXIT_STOPPED)
