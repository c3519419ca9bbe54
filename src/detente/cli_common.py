"""What the commands share: options, exit codes, the console, progress, JSON."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detente.errors import UsageError, nearest

if TYPE_CHECKING:
    from rich.console import Console

EXIT_PROBLEMS, EXIT_MISTAKE, EXIT_UNCONVERGED = 1, 2, 3

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Seed = Annotated[int, typer.Option(help="Of the draws; the same seed gives the same numbers.")]

# Command → what the list of commands says of it, in a line that fits, and the example at the end of its --help.
EXAMPLES = {
    "list": ("Scenarios and library games.", "detente list --json"),
    "brief": ("The main job: bottom line, options table, HTML page.", "detente brief october-2024 --open"),
    "solve": ("Equilibrium of a scenario, a game or a .efg file.", "detente solve kuhn-poker --precision 1,2,5"),
    "check": ("Check a scenario's files, rules and references.", "detente check october-2024 --explain"),
    "tree": ("Draw a game with its equilibrium.", "detente tree october-2024 --leaves 12 -o tree.svg"),
    "export": ("Write a game as a .efg file, for Gambit.", "detente export kuhn-poker --efg kuhn.efg"),
    "decide": ("Which policy is robust, and when it fails.", "detente decide october-2024 --by regional_war"),
    "run": ("Many possible worlds into a store; it resumes.", "detente run october-2024 --draws 20000 --store worlds"),
    "learn": (
        "Learn from what was observed; forecast; be scored.",
        "detente learn april-2024 --into october-2024 --score",
    ),
    "fit": ("Estimate a strategic model from a table.", "detente fit table.csv --model model.toml"),
    "play": ("Play a crisis in the terminal against bots.", "detente play october-2024 --as israel"),
    "simulate": (
        "Let bots play each other many times.",
        "detente simulate october-2024 --bot protege=hawkish -o games.csv",
    ),
    "serve": ("Run exercises in the browser.", "detente serve --port 8000"),
    "new": ("Start a crisis of your own.", 'detente new strait-2031 --title "The strait"'),
    "record": ("What numbers rest on, and what is wrong with it.", "detente record why october-2024 interception"),
    "record why": ("What a number rests on.", "detente record why october-2024 interception"),
    "record check": ("Quotations, numbers, dates and ids.", "detente record check october-2024 --known"),
    "record timeline": ("What happened, in order.", "detente record timeline october-2024 --as-of 2024-10-08"),
    "record changed": (
        "What became known between two days.",
        "detente record changed october-2024 --from 2024-10-06 --to 2024-10-27",
    ),
    "record contested": ("Numbers on which sources differ.", "detente record contested october-2024 impacts"),
    "record scales": ("Escalation scales, side by side.", "detente record scales october-2024"),
    "record show": ("One entry, and what stands beside it.", "detente record show october-2024 oct24_us_interceptors"),
    "record search": ("Entries that hold all of several words.", "detente record search october-2024 missile defence"),
    "record sqlite": ("Write the record as an SQLite database.", "detente record sqlite october-2024 -o record.db"),
    "record read": ("Read reports; propose their claims.", "detente record read report.txt --scenario october-2024"),
    "record salvo": (
        "Reliability and interception from counts.",
        "detente record salvo april-2024 --predict october-2024",
    ),
}


def show_examples(app: typer.Typer, group: str = "") -> None:
    """End the --help of every command with an example, and give it a line in the list of commands that fits.

    Args:
        app: The commands, all registered.
        group: What stands before their names, as in ``record why``.
    """
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        short, example = EXAMPLES.get(f"{group} {name}".strip(), (command.short_help, None))
        command.short_help = short
        command.epilog = command.epilog if example is None else f"Example: {example}"
    for part in app.registered_groups:
        name = str(getattr(part.typer_instance, "info", part).name)
        part.short_help = EXAMPLES.get(name, (part.short_help, None))[0]


# Module → the extra of the package that brings it.
EXTRA_OF = {
    "trafilatura": "record",
    "rapidfuzz": "record",
    "datasketch": "record",
    "distributed": "cluster",
    "formulaic": "learn",
    "jax": "learn",
    "numpyro": "learn",
    "arviz": "learn",
    "pymoo": "search",
    "starlette": "play",
    "uvicorn": "play",
    "sqlalchemy": "play",
    "pg8000": "play",
    "pygambit": "gambit",
}


def missing_extra(error: BaseException) -> str | None:
    """What to say when a module could not be imported because an extra of the package is not installed.

    Args:
        error: Any exception.

    Returns:
        The message, or None if the exception is about something else.

    Example:
        >>> missing_extra(ModuleNotFoundError("No module named 'formulaic'", name="formulaic"))
        "this needs 'formulaic', which is not installed. Run: pip install 'detente[learn]'"
        >>> missing_extra(ModuleNotFoundError("No module named 'mine'", name="mine")) is None
        True
    """
    module = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if module not in EXTRA_OF:
        return None
    return f"this needs {module!r}, which is not installed. Run: pip install 'detente[{EXTRA_OF[module]}]'"


def needs(extra: str, *modules: str, what: str) -> None:
    """Refuse before the work when an extra of the package is not installed, and say how to install it.

    Args:
        extra: Its name in pyproject.toml.
        modules: What it brings.
        what: What needs it, for the message.

    Raises:
        UsageError: If one of the modules is not there.

    Example:
        >>> needs("play", "json", what="serve")
        >>> needs("play", "no_such_module", what="serve")
        Traceback (most recent call last):
        detente.errors.UsageError: serve: 'no_such_module' is not installed. Run: pip install 'detente[play]'
    """
    from importlib import import_module

    for module in modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            raise UsageError(f"{what}: {error.name!r} is not installed. Run: pip install 'detente[{extra}]'") from None


def folders_here() -> list[str]:
    """Scenario folders in the current folder: what somebody may have meant by a name that is not known."""
    return sorted(file.parent.name for file in Path().glob("*/scenario.toml"))


def checked_scenario(context: typer.Context, name: str | None) -> str | None:
    """The name of a scenario or a folder, as it was typed; or what may have been meant.

    Args:
        context: Of the command line; while the shell completes a word nothing is refused.
        name: As it was typed; None where the command can do without.

    Raises:
        UsageError: If it is neither a scenario nor a folder.
    """
    from detente.model.builtin import FILE, scenario_names

    if name is None or context.resilient_parsing or Path(name).is_dir() or name in scenario_names():
        return name
    path = Path(name)
    if path.is_file() and (path.parent / FILE).is_file():
        raise UsageError(f"scenario: {name!r} is a file of a scenario. Give its folder: {path.parent}")
    from detente.library.games import GAMES

    if name in GAMES:
        raise UsageError(
            f"scenario: {name!r} is a game of the library: it has rules, but no priors, policies and record. "
            "'solve', 'tree', 'export', 'play' and 'simulate' take it."
        )
    hint = nearest(name, [*scenario_names(), *folders_here()])
    raise UsageError(f"scenario: {name!r} is neither a scenario nor a folder.{hint} 'detente list' shows them all.")


def complete_scenario(incomplete: str) -> Iterable[str]:
    """Scenarios that begin with what was typed, for the shell.

    Args:
        incomplete: What was typed.

    Example:
        >>> list(complete_scenario("oct"))
        ['october-2024']
    """
    from detente.model.builtin import scenario_names

    return [name for name in [*scenario_names(), *folders_here()] if name.startswith(incomplete)]


ScenarioName = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A scenario's name, or its folder.",
        callback=checked_scenario,
        autocompletion=complete_scenario,
    ),
]


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
