"""What a benchmark prints: a line on the machine, Markdown tables, and progress beside them."""

import datetime
import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata


def machine(*packages: str) -> str:
    """The date, the machine and the versions, as the head of a section."""
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:  # not Linux
        model = platform.processor()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    blas = os.environ.get("OPENBLAS_NUM_THREADS", "as many as it likes")
    cores = f"{os.cpu_count()} cores ({', '.join(filter(None, (platform.machine(), model)))})"
    python = f"Python {platform.python_version()}"
    return f"## {datetime.date.today().isoformat()}\n\n{cores}, {python}, {versions}; threads of BLAS: {blas}"


def load() -> str:
    """How busy the machine has been over the last minute, to be printed beside times."""
    return f"{os.getloadavg()[0]:.1f} processes at work on {os.cpu_count()} cores"


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    """One Markdown table; the first row is its head."""
    print(f"\n### {title}\n")
    for i, row in enumerate(rows):
        print("| " + " | ".join(row) + " |")
        if i == 0:
            print("|" + "---|" * len(row))
    sys.stdout.flush()


def say(words: str) -> None:
    """Progress, beside the tables and not in them."""
    print(words, file=sys.stderr, flush=True)
