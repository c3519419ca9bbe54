"""`detente play` and `detente simulate`: a crisis in the terminal against bots, and bots against each other."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detente.cli_common import Json, print_json
from detente.cli_stop import EXIT_STOPPED
from detente.errors import UsageError, nearest

if TYPE_CHECKING:
    from rich.console import Console

    from detente.play.session import State
    from detente.play.simulate import Tournament
    from detente.play.stage import Stage
    from detente.play.views import DecisionView

HELP = "Type the number or the name of an option; 'know' shows what you know, 'quit' leaves without saving."

StageName = Annotated[str, typer.Argument(metavar="SCENARIO", help="A scenario, its folder, or a library game.")]
BotNames = Annotated[
    list[str] | None,
    typer.Option(
        "--bot",
        metavar="PLAYER=BOT",
        help="Who plays a player: equilibrium, equilibrium:5, cautious, hawkish, record (repeatable).",
    ),
]
Precision = Annotated[float | None, typer.Option(min=0, help="λ of the equilibrium; default: the scenario's.")]


def play(
    scenario: StageName,
    as_: Annotated[str | None, typer.Option("--as", metavar="PLAYER", help="Whom you play.")] = None,
    bot: BotNames = None,
    precision: Precision = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of chance and bots; default: a new one.")] = None,
    scale: Annotated[str, typer.Option(help="Escalation scale of the review.")] = "ladder",
    save: Annotated[Path | None, typer.Option(help="Write the log here (JSON Lines) when the play is over.")] = None,
    review: Annotated[Path | None, typer.Option(help="Write the review here (HTML) when the play is over.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the review as one JSON object.")] = False,
) -> None:
    """Play a crisis in the terminal against bots, and see the play reviewed against the model."""
    import secrets

    from rich.console import Console

    from detente.model.files import check_writable
    from detente.play.bots import prepare
    from detente.play.events import BOT, PERSON, Created, SeatPlan
    from detente.play.stage import load_stage
    from detente.record.scales import SCALES

    stage = load_stage(scenario)
    me = _player(stage, as_)
    bots = {p: "equilibrium" for p in stage.players if p != me} | _bots(stage, bot)
    if me in bots:
        raise UsageError(f"--bot: you play {me!r} yourself. Give bots to others, or play as somebody else.")
    if scale not in SCALES:
        raise UsageError(f"--scale: {scale!r} is not an escalation scale.{nearest(scale, SCALES)}")
    for path in (save, review):
        if path is not None:
            check_writable(path)
    console = Console(stderr=as_json, highlight=False, markup=False)
    rate = stage.precision if precision is None else precision
    with console.status("Solving the game"):
        prepare(stage, bots, values=stage.values, precision=rate)
    seats = tuple(SeatPlan(p, p, PERSON if p == me else BOT + bots[p]) for p in stage.players)
    secret = secrets.token_hex(16) if seed is None else f"{seed:032d}"
    name = secrets.token_hex(8) if seed is None else f"seed {seed}"  # bots draw with it too
    created = Created(_now(), name, stage.name, stage.title, secret, seats, precision=rate)
    log, state = _play_out(stage, created, me, console)
    _show_end(console, log, state, scale=scale, save=save, review=review, as_json=as_json)


def _now() -> float:
    import time

    return time.time()


def _player(stage: "Stage", name: str | None) -> str:
    """The player that somebody plays: named by player or by role."""
    if name is None:
        known = ", ".join(f"{p} ({stage.role(p)})" if stage.role(p) != p else p for p in stage.players)
        raise UsageError(f"--as: say whom you play: {known}.")
    by_role = {role.casefold(): player for player, role in stage.roles.items() if player in stage.players}
    found = by_role.get(name.casefold(), name)
    if found not in stage.players:
        raise UsageError(f"--as: {name!r} is not a player of {stage.name!r}.{nearest(name, stage.players)}")
    return found


def _bots(stage: "Stage", texts: list[str] | None) -> dict[str, str]:
    from detente.play.events import split_bot

    found = {}
    for text in texts or ():
        player, sign, name = text.partition("=")
        if not sign or not player.strip() or not name.strip():
            raise UsageError(f"--bot: {text!r} is not PLAYER=BOT. Write for example --bot adversary=hawkish.")
        player, name = player.strip(), name.strip()
        if player not in stage.players:
            raise UsageError(f"--bot: {player!r} is not a player of {stage.name!r}.{nearest(player, stage.players)}")
        if split_bot(name)[0] == "model":
            raise UsageError("--bot: a language model plays in 'detente serve' only. Choose another bot.")
        found[player] = name
    return found


# -- playing ---------------------------------------------------------------------------------------
def _play_out(stage: "Stage", created: Any, me: str, console: "Console") -> tuple[list[Any], "State"]:
    from detente.play.bots import bot_move
    from detente.play.events import Moved, Revealed
    from detente.play.session import State, apply, due
    from detente.play.views import view

    log: list[Any] = [created]
    state = apply(State(stage), created)
    console.print(stage.title, style="bold")
    if stage.summary != stage.title:
        console.print(stage.summary)
    console.print(f"You are {stage.named(me)}{'' if stage.role(me) == me else f' ({me})'}. {HELP}\n")
    shown = 0
    while not state.ended:
        event = due(state, now=_now()) or bot_move(state, at=_now())
        if event is None:
            seen = view(state, me)
            shown = _show_new(console, seen.lines, shown)
            assert seen.decision is not None
            option = _ask(console, seen.decision, [line.text for line in seen.lines])
            event = Moved(_now(), me, seen.decision.id, option)
        state = apply(state, event)
        log.append(event)
    _show_new(console, view(state, me).lines, shown)
    log.append(Revealed(_now()))
    return log, apply(state, log[-1])


def _show_new(console: "Console", lines: Any, shown: int) -> int:
    for line in lines[shown:]:
        console.print(f"  {line.text}", style="dim" if line.kind == "did" else "")
    return len(lines)


def _ask(console: "Console", decision: "DecisionView", known: list[str]) -> str:
    """Ask until the answer is one of the options; a slip of the finger is answered, not punished."""
    from rich.table import Table

    console.print(f"\n{decision.title}", style="bold")
    table = Table.grid(padding=(0, 2))
    for number, option in enumerate(decision.options, start=1):
        table.add_row(f"  {number}", option.label, option.meaning)
    console.print(table)
    while True:
        try:
            answer = console.input("> ").strip()
        except EOFError:
            raise typer.Exit(EXIT_STOPPED) from None
        if answer.casefold() == "quit":
            raise typer.Exit(EXIT_STOPPED)
        if answer.casefold() == "know":
            for line in known or ["nothing yet"]:
                console.print(f"  {line}")
            continue
        found = read_answer(answer, [option.label for option in decision.options])
        if found in [option.label for option in decision.options]:
            return found
        console.print(found)


def read_answer(answer: str, labels: list[str]) -> str:
    """The option that an answer means, or what to say to it.

    Args:
        answer: What was typed.
        labels: Of the options.

    Returns:
        One of the labels; otherwise a sentence.

    Example:
        >>> read_answer("2", ["none", "red lines"]), read_answer("RED", ["none", "red lines"])
        ('red lines', 'red lines')
        >>> read_answer("7", ["none", "red lines"])
        "There is no option 7. Type 1 to 2, the name of an option, 'know' or 'quit'."
    """
    remedy = f"Type 1 to {len(labels)}, the name of an option, 'know' or 'quit'."
    exact = [label for label in labels if label.casefold() == answer.casefold()]
    if exact:
        return exact[0]
    if answer.isascii() and answer.isdigit():
        number = int(answer)
        return labels[number - 1] if 1 <= number <= len(labels) else f"There is no option {number}. {remedy}"
    begin = [label for label in labels if answer and label.casefold().startswith(answer.casefold())]
    if len(begin) == 1:
        return begin[0]
    if len(begin) > 1:
        return f"{answer!r} could be {' or '.join(repr(label) for label in begin)}. {remedy}"
    return f"{answer!r} is not an option.{nearest(answer.casefold(), [label.casefold() for label in labels])} {remedy}"


def _show_end(
    console: "Console",
    log: list[Any],
    state: "State",
    *,
    scale: str,
    save: Path | None,
    review: Path | None,
    as_json: bool,
) -> None:
    import datetime

    from detente.model.files import write_text
    from detente.play.export import log_jsonl
    from detente.play.review import review as make_review
    from detente.play.review import review_json
    from detente.play.review_page import review_html, review_lines

    made = make_review(state, scale=scale)
    if save is not None:
        write_text(save, log_jsonl(log))
    if review is not None:
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        write_text(review, review_html(made, generated=now))
    if as_json:
        print_json(review_json(made))
    else:
        console.print("\nThe play is over; everything is shown.\n", style="bold")
        for line in review_lines(made):
            console.print(line, soft_wrap=True)
    for path in (save, review):
        if path is not None:
            console.print(f"wrote {path}")


# -- tournaments -----------------------------------------------------------------------------------
def simulate(
    scenario: StageName,
    games: Annotated[int, typer.Option(min=1, help="How many games.")] = 10_000,
    bot: BotNames = None,
    precision: Precision = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same games.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the games here, one row each: .csv or .parquet.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let bots play each other many times: payoffs, outcomes and choices, and the games as a table."""
    from detente.model.files import check_writable
    from detente.play.simulate import simulate as play_games
    from detente.play.stage import load_stage

    if output is not None:
        if output.suffix not in (".csv", ".parquet"):
            raise UsageError(f"--output: {output} ends neither in .csv nor in .parquet. Give it one of these endings.")
        check_writable(output)
    stage = load_stage(scenario)
    played = play_games(stage, games=games, bots=_bots(stage, bot), seed=seed, precision=precision)
    if output is not None:
        _write_games(played, output)
    if as_json:
        print_json(tournament_json(played))
        return
    _print_tournament(played)
    if output is not None:
        print(f"wrote {output}")


def _write_games(played: "Tournament", path: Path) -> None:
    from detente.model.files import write_text
    from detente.play.export import games_csv, games_parquet

    if path.suffix == ".csv":
        write_text(path, games_csv(played.rows()))
        return
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(games_parquet(played.rows()))
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: it cannot be written ({error.strerror}). Choose another place.") from None
    finally:
        part.unlink(missing_ok=True)


def tournament_json(played: "Tournament") -> dict[str, Any]:
    """A tournament in the form that other programs read."""
    payoffs = played.mean_payoffs()
    return {
        "scenario": played.stage.name,
        "games": played.num_games,
        "seed": played.seed,
        "bots": dict(played.bots),
        "payoffs": {
            p: {"mean": m, "standard_error": None if e != e else e, "exact": x} for p, (m, e, x) in payoffs.items()
        },
        "outcomes": {name: {"games": drawn, "exact": exact} for name, (drawn, exact) in played.outcomes().items()},
        "choices": played.choices(),
    }


def _print_tournament(played: "Tournament") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    console.print(f"{played.stage.title}: {played.num_games:,} games", style="bold")
    table = Table("player", "bot", "mean payoff", "exact", box=None, pad_edge=False)
    for player, (mean, error, exact) in played.mean_payoffs().items():
        spread = "" if error != error else f" ± {error:.4f}"
        table.add_row(played.stage.role(player), played.bots[player], f"{mean:.4f}{spread}", f"{exact:.4f}")
    console.print(table)
    console.print("± one standard error over the games; exact: the expectation under the same strategies", style="dim")
    outcomes = Table("outcome", "games", "exact", box=None, pad_edge=False)
    for name, (drawn, exact) in played.outcomes().items():
        title = played.stage.outcomes.get(name, name.replace("_", " "))
        if isinstance(drawn, Mapping):
            for label, share in drawn.items():
                outcomes.add_row(f"{title}: {label}", f"{share:.3f}", f"{exact[label]:.3f}")
        else:
            outcomes.add_row(title, f"{drawn:.3f}", f"{exact:.3f}")
    if outcomes.row_count:
        console.print(outcomes)
    choices = Table("move", "option", "share of the games that had it", box=None, pad_edge=False)
    for move, options in played.choices().items():
        for number, (option, share) in enumerate(options.items()):
            choices.add_row(played.stage.move_title(move) if number == 0 else "", option, f"{share:.3f}")
    console.print(choices)
