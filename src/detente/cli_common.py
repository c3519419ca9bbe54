"""What the commands share: options, exit codes, the console, progress, JSON."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

EXIT_PROBLEMS, EXIT_MISTAKE, EXIT_UNCONVERGED, EXIT_STOPPED = 1, 2, 3, 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Seed = Annotated[int, typer.Option(help="Of the draws; the same seed gives the same numbers.")]


def make_console(*, wrap: bool = False) -> "Console":
    """A console that prints text as it is; with ``wrap`` it breaks lines at words, for tables and panels."""
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=not wrap)


def print_json(value: Any) -> None:
    """One JSON value on standard output, and nothing else."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))


@contextmanager
def progress(label: str, total: int | None, *, quiet: bool = False, unit: str = "") -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr, where somebody is looking.

    Args:
        label: What is being done.
        total: How many there are to do, None where that is not known.
        quiet: Show nothing.
        unit: What is counted, for a rate such as ``draws/s``; no rate when empty.

    Yields:
        A function to call with the number done.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda done: None
        return
    columns = [TextColumn(label), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}")]
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(label, total=total, rate="")

        def say(done: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, rate=f"{speed:,.0f} {unit}/s" if unit and speed else "")

        yield say
