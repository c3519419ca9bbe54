"""Where the command line begins: Ctrl-C is heard before anything heavy is imported."""

import signal
import sys
from typing import Any


def main() -> None:
    """Import the command line and run it; Ctrl-C on the way there ends as it does later, with code 130."""
    stopped = []

    def stop(number: int, frame: Any) -> None:
        stopped.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, stop)
    try:
        from detente.cli import main as run
    except BaseException:  # a library that is being imported may turn Ctrl-C into an error of its own
        if not stopped:
            raise
        sys.stderr.write("detente: stopped; nothing is half-written\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
