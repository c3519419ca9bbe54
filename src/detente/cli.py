"""The command line: one thin function per command; everything heavy is imported when a command needs it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detente.cli_common import (
    EXIT_MISTAKE,
    EXIT_PROBLEMS,
    EXIT_UNCONVERGED,
    Json,
    ScenarioName,
    folders_here,
    make_console,
    missing_extra,
    print_json,
    progress,
    show_examples,
)
from detente.cli_decide import Draws, FromStore, StoreSeed, chosen_policies, decide, solve_or_read
from detente.cli_fit import fit
from detente.cli_learn import learn
from detente.cli_new import new
from detente.cli_play import play, simulate
from detente.cli_read import read
from detente.cli_record import record_app
from detente.cli_run import run
from detente.cli_salvo import salvo
from detente.cli_serve import serve
from detente.cli_stop import EXIT_STOPPED, hear_stop, leave_stopped
from detente.errors import DetenteError, UsageError

if TYPE_CHECKING:
    from detente.axes import Game
    from detente.model.scenario import Scenario
    from detente.solve.solution import Solution

DEFAULT_DRAWS = 2_000

app = typer.Typer(
    name="detente",
    help="A workbench for international crises: read the record, solve, compare policies, brief.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Start with: detente brief october-2024",
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from detente import __version__

        print(f"detente {__version__}")
        raise typer.Exit()


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """A workbench for international crises: read the record, solve, compare policies, brief."""


GameName = Annotated[str, typer.Argument(metavar="GAME", help="A scenario, a library game, or a .efg file.")]


def main() -> None:
    """Run the command line; a user's mistake is a message and exit code 2, never a traceback; Ctrl-C is 130."""
    stopped = hear_stop()
    try:
        app()
    except BaseException as error:
        # A library that is being imported may turn Ctrl-C into an error of its own: what was asked for counts.
        if stopped or (isinstance(error, SystemExit) and error.code == EXIT_STOPPED):
            leave_stopped()
        if isinstance(error, DetenteError):
            _say_error(str(error))
            sys.exit(EXIT_MISTAKE)
        message = missing_extra(error) or _place_in_rules(error)
        if message is not None:
            _say_error(message)
            sys.exit(EXIT_MISTAKE)
        raise


def _place_in_rules(error: BaseException) -> str | None:
    """Where a user's own rules went wrong, and how; None if the fault is not in them."""
    import traceback

    if not isinstance(error, Exception):
        return None
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        # Rules are loaded from a file beside scenario.toml, or a model file, under such a name.
        if str(frame.f_globals.get("__name__", "")).startswith(("detente_rules_", "detente_model_")):
            said = "".join(traceback.TracebackException.from_exception(error).format_exception_only()).strip()
            return f"{frame.f_code.co_filename}, line {line}, in {frame.f_code.co_name}: {said.rstrip('.?!')}. Mend it."
    return None


def _say_error(message: str) -> None:
    print(f"detente: {message}", file=sys.stderr)


# -- list ----------------------------------------------------------------------------------------
@app.command("list")
def list_command(as_json: Json = False) -> None:
    """Scenarios and library games."""
    import tomllib

    from detente.library.games import GAMES
    from detente.model.builtin import BUILTIN, FILE, scenario_names

    rows = []
    for name in scenario_names():
        # Only the title is needed: the whole scenario is read when it is used.
        data = tomllib.loads((BUILTIN / name / FILE).read_text(encoding="utf-8"))
        rows.append({"name": name, "kind": "scenario", "title": data["title"], "as_of": str(data["as_of"])})
    rows += [
        {"name": game.name, "kind": "library game", "title": game.title, "source": game.source}
        for game in GAMES.values()
    ]
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("name", "kind", "title", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["name"], row["kind"], row["title"])
    make_console(wrap=True).print(table)


# -- brief ---------------------------------------------------------------------------------------
@app.command()
def brief(
    scenario: ScenarioName,
    draws: Draws = None,
    seed: StoreSeed = None,
    store: FromStore = None,
    policy: Annotated[list[str] | None, typer.Option(help="Only these policies (repeatable).")] = None,
    commit: Annotated[
        list[str] | None, typer.Option(metavar="MOVE=OPTION", help="What a new policy commits to (repeatable).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="HTML file; default: SCENARIO-brief.html.")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Solve the ensemble, print the bottom line and the options table, write the HTML brief."""
    import datetime

    from detente.model.files import check_writable
    from detente.model.scenario import load_scenario
    from detente.report.brief import check_draws, make_brief
    from detente.report.html import write_html
    from detente.report.terminal import brief_json, print_brief

    loaded, policies = chosen_policies(load_scenario(scenario), policy, commit)
    path = output or Path(f"{loaded.slug}-brief.html")
    check_writable(path)  # before the work, not after it
    if store is None:
        check_draws(loaded, DEFAULT_DRAWS if draws is None else draws)
    _compile_with_progress(loaded, quiet=as_json)
    ensemble = solve_or_read(loaded, policies, store=store, draws=draws, seed=seed, quiet=as_json)
    check_draws(loaded, ensemble.num_draws)
    made = make_brief(loaded, ensemble)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    write_html(made, path, generated=now)
    if as_json:
        print_json(brief_json(made) | {"html": str(path)})
    else:
        print_brief(made, make_console(wrap=True), path)
    if open_page:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def _compile_with_progress(scenario: "Scenario", *, quiet: bool = False) -> "Game":
    """Compile a scenario's game; the bar appears for large trees."""
    with progress("Writing out histories", None, quiet=quiet) as progress_fn:
        from detente.model.compile import compile

        game = compile(scenario.crisis, parameters=scenario.rule_parameters, progress_fn=progress_fn)
    scenario.__dict__["game"] = game
    return game


# -- solve ---------------------------------------------------------------------------------------
@app.command()
def solve(
    game: GameName,
    precision: Annotated[
        str | None, typer.Option(help="λ per utility unit, one or several: 1,2,5. Default: the scenario's, else 1.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Value of a parameter.")] = None,
    commit: Annotated[
        list[str] | None, typer.Option(metavar="MOVE=OPTION", help="Bind a player to an option, known to all.")
    ] = None,
    choice: Annotated[str, typer.Option(help="Choice rule: logit or probit.")] = "logit",
    branch: Annotated[
        list[str] | None,
        typer.Option(metavar="MOVE=OPTION", help="What everybody expects at first. Default: the principal branch."),
    ] = None,
    method: Annotated[str, typer.Option(help="auto, dense or sweep.")] = "auto",
    limit: Annotated[
        bool, typer.Option("--limit", help="Follow the branch on, to the equilibrium it approaches as errors vanish.")
    ] = False,
    beside: Annotated[
        str | None, typer.Option(metavar="gambit", help="Solve it with Gambit as well, and compare.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="That Gambit gets.")] = 60,
    as_json: Json = False,
) -> None:
    """Agent quantal response equilibrium of a scenario (its median world), a library game or a .efg file."""
    from detente.solve.api import solve as solve_game

    if beside is not None:
        _check_beside(beside, limit=limit, usual=choice == "logit" and not branch)
    compiled, values, default = _game(game, _assignments(set_, "--set"), quiet=as_json)
    steps = _precisions(precision) if precision is not None else [default]
    bound = {move: option for move, option in (_pair(c, "--commit", "message='red lines'") for c in commit or ())}
    expected = {move: option for move, option in (_pair(b, "--branch", "message='red lines'") for b in branch or ())}
    order = sorted(set(steps))
    solutions = solve_game(
        compiled,
        values,
        precision=order,
        commit=bound,
        choice=choice,
        branch=expected or "principal",
        method=method,
    )
    if limit:
        _show_limit(solutions[-1], as_json=as_json)
        return
    found = [solutions[order.index(step)] for step in steps]
    if beside is not None:
        agree = _show_beside(solutions, seconds, as_json=as_json)
    elif as_json:
        print_json(_solutions_json(found))
    else:
        _print_solutions(found)
    if not all(s.converged.all() for s in found) or (beside is not None and not agree):
        raise typer.Exit(EXIT_UNCONVERGED)


def _check_beside(name: str, *, limit: bool, usual: bool) -> None:
    """Whether there is such a solver, before the work."""
    from detente.model.gambit import require_gambit

    if name != "gambit":
        raise UsageError(f"--beside: {name!r} is not a solver that can be compared with. Write --beside gambit.")
    if limit:
        raise UsageError("--beside: compares at given precisions, and --limit has none. Leave one of the two out.")
    if not usual:
        raise UsageError("--beside: Gambit solves for logit on the principal branch. Leave out --choice and --branch.")
    require_gambit("solve --beside gambit")


def _show_beside(solutions: list["Solution"], seconds: float, *, as_json: bool) -> bool:
    """Print the solutions beside Gambit's; False where Gambit has none to compare with."""
    from detente.errors import SolveError
    from detente.model.gambit import solve_with_gambit
    from detente.report.beside import beside_json, put_beside

    first = solutions[0]
    draw = {name: float(values[0]) for name, values in first.problem.draws.items()}
    trouble, found = "", ()
    with progress("Gambit", None, quiet=as_json):
        try:
            asked = [float(s.precision[:, 0].max()) for s in solutions]
            found = put_beside(solutions, solve_with_gambit(first.game, draw, precision=asked, seconds=seconds))
        except SolveError as error:
            trouble = str(error)
    if as_json:
        data = _solutions_json(solutions)
        for row, pair in zip(data["solutions"], found, strict=False):
            row["beside"] = beside_json(pair)
        print_json(data | ({"beside_trouble": trouble} if trouble else {}))
    elif trouble:
        _print_solutions(solutions)
        _say_error(trouble)
    else:
        columns = [column for pair in found for column in (pair.ours, pair.theirs)]
        messages = [said for pair in found for said in (pair.ours.message(0), pair.message)]
        _print_solutions(columns, messages)
    return bool(found) and all(pair.profile.at_precision for pair in found)


def _game(name: str, given: dict[str, float], *, quiet: bool = False) -> tuple["Game", dict[str, float], float]:
    """A game by name, the values of its parameters, and the precision to use when none is given."""
    from detente.library.games import GAMES
    from detente.model.compile import compile

    if name.lower().endswith(".efg"):
        from detente.model.efg import read_efg

        game, values, default = read_efg(Path(name)), {}, 1.0
    elif name in GAMES:
        game, values, default = compile(GAMES[name].crisis), dict(GAMES[name].defaults), 1.0
    else:
        from detente.errors import nearest
        from detente.model.priors import median_draw
        from detente.model.scenario import load_scenario, scenario_names

        if not Path(name).is_dir() and name not in scenario_names():
            raise UsageError(
                f"{name!r} is not a scenario, a library game, a folder or a .efg file."
                f"{nearest(name, [*scenario_names(), *GAMES, *folders_here()])} 'detente list' shows them all."
            )
        scenario = load_scenario(name)
        game, values = _compile_with_progress(scenario, quiet=quiet), median_draw(scenario.priors)
        key = scenario.file.precision
        default = values.pop(key) if isinstance(key, str) else float(key)
    for parameter in given:
        if parameter not in values:
            from detente.errors import nearest

            raise UsageError(f"--set: {parameter!r} is not a parameter of {name!r}.{nearest(parameter, values)}")
    return game, values | given, default


def _precisions(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--precision: {text!r} is not a list of numbers. Write for example --precision 1,2,5."
        ) from None
    for value in values:
        if not 0 <= value < float("inf"):
            raise UsageError(f"--precision: {value} is not a finite number ≥ 0. Give λ ≥ 0, per utility unit.")
    return values


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise UsageError(f"{option}: {text!r} is not NAME=VALUE. Write for example {option} {example}.")
    return name.strip(), value.strip()


def _assignments(texts: list[str] | None, option: str) -> dict[str, float]:
    found = {}
    for text in texts or ():
        name, value = _pair(text, option, "alliance=1.5")
        try:
            found[name] = float(value)
        except ValueError:
            raise UsageError(
                f"{option}: the value of {name!r} is {value!r}, not a number. Write for example {option} {name}=0.5."
            ) from None
    return found


def _solutions_json(solutions: list["Solution"]) -> dict[str, Any]:
    """Solutions of the first draw, in the form that other programs read."""
    from detente.solve.solution import STATUS_NAMES

    game = solutions[0].game
    numbers: dict[int, int] = {}
    first = []
    for infoset in game.infosets:
        numbers[infoset.player] = numbers.get(infoset.player, 0) + 1
        first.append(numbers[infoset.player])

    def one(s: "Solution") -> dict[str, Any]:
        return {
            "precision": float(s.precision[:, 0].max()),
            "status": STATUS_NAMES[s.status[0]],
            "message": s.message(0),
            "residual": float(s.residual[0]),
            "payoffs": s.payoffs[:, 0].tolist(),
            "infosets": [
                {
                    "player": infoset.player + 1,
                    "number": first[i],
                    "label": infoset.move,
                    "knows": [list(item) for item in infoset.knows],
                    "options": list(infoset.options),
                    "probabilities": s.infoset(i)[:, 0].tolist(),
                }
                for i, infoset in enumerate(game.infosets)
            ],
        }

    return {"game": game.title, "players": list(game.players), "solutions": [one(s) for s in solutions]}


def _show_limit(solution: "Solution", *, as_json: bool) -> None:
    """Follow the first draw to the limit and print where it arrives; exit code 3 when it does not."""
    from detente.solve.solution import STATUS_NAMES

    limit = solution.limit()
    if as_json:
        data = _solutions_json([limit.solution])
        (found,) = data.pop("solutions")
        found |= {
            "status": STATUS_NAMES[limit.status[0]],
            "message": limit.message(0),
            "regret": float(limit.regret[0]),
            "nash_regret": limit.nash_regret[:, 0].tolist(),
            "change": float(limit.change[0]),
        }
        for i, infoset in enumerate(found["infosets"]):
            infoset["played"] = limit.support[limit.game.slots(i), 0].tolist()
            infoset["beliefs"] = [
                {"history": [list(step) for step in history], "probability": float(share[0])}
                for history, share in limit.belief(i).items()
            ]
        print_json(data | {"limit": found})
    else:
        _print_solutions([limit.solution], [limit.message(0)])
    if not limit.converged.all():
        raise typer.Exit(EXIT_UNCONVERGED)


MOST_INFOSETS = 60  # shown in a terminal; beyond, moves are summed up


def _print_solutions(solutions: list["Solution"], messages: list[str] | None = None) -> None:
    from rich.table import Table

    from detente.solve.solution import move_names

    console = make_console(wrap=True)
    game = solutions[0].game
    console.print(f"{game.title}", style="bold")
    console.print(f"{game.num_nodes:,} nodes, {len(game.infosets):,} infosets", style="dim")
    headers = ["Gambit" if s.method == "gambit" else f"λ = {s.precision[:, 0].max():g}" for s in solutions]
    detailed = len(game.infosets) <= MOST_INFOSETS
    table = Table("player", "move", "knows" if detailed else "", "option", *headers, box=None, pad_edge=False)
    if detailed:
        for i, infoset in enumerate(game.infosets):
            knows = ", ".join(f"{name} {label}" for name, label in infoset.knows)
            for j, option in enumerate(infoset.options):
                shown = (game.players[infoset.player], infoset.move, knows) if j == 0 else ("", "", "")
                table.add_row(*shown, option, *(f"{s.infoset(i)[j, 0]:.4f}" for s in solutions))
    else:
        player = {infoset.move: game.players[infoset.player] for infoset in game.infosets}
        for move in (m for m in move_names(game) if m in player):
            shares = [s.choice(move) for s in solutions]
            for j, option in enumerate(shares[0]):
                shown = (player[move], move, "") if j == 0 else ("", "", "")
                table.add_row(*shown, option, *(f"{share[option][0]:.4f}" for share in shares))
    console.print(table)
    for header, s, message in zip(headers, solutions, messages or [s.message(0) for s in solutions], strict=True):
        payoffs = ", ".join(f"{name} {value:.4f}" for name, value in zip(game.players, s.payoffs[:, 0], strict=True))
        console.print(f"{header}: {message}; payoffs: {payoffs}")


# -- check ---------------------------------------------------------------------------------------
@app.command()
def check(
    scenario: ScenarioName,
    explain: Annotated[bool, typer.Option(help="Print stages, who sees what, and every payoff as a formula.")] = False,
    as_json: Json = False,
) -> None:
    """Check a scenario: files, rules, references, and what its priors imply before anything is observed."""
    from detente.model.scenario import check_against_game, load_scenario
    from detente.report.brief import prior_predictive_check
    from detente.report.check import base_rates, explanation

    loaded = load_scenario(scenario)
    game = _compile_with_progress(loaded, quiet=as_json)
    check_against_game(loaded, game)
    found = prior_predictive_check(loaded)
    rates = base_rates(loaded)
    if as_json:
        result = {
            "scenario": loaded.slug,
            "nodes": game.num_nodes,
            "infosets": len(game.infosets),
            "parameters": len(loaded.file.parameters),
            "median_world": found.options,
            "base_rates": rates,
            "problems": list(found.problems),
        }
        if explain:
            result["explanation"] = explanation(loaded)
        print_json(result)
    else:
        console = make_console()
        console.print(f"{loaded.file.title}: files, rules and references are in order", style="bold")
        console.print(
            f"{game.num_nodes:,} nodes, {len(game.infosets):,} infosets, {len(loaded.file.parameters)} parameters, "
            f"{len(loaded.ledger.claims)} claims from {len(loaded.ledger.sources)} sources as of {loaded.file.as_of}"
        )
        console.print("\nBefore anything is observed, in the median world:")
        for name, options in found.options.items():
            console.print(f"  {name}: " + ", ".join(f"{label} {100 * share:.0f} %" for label, share in options.items()))
        for line in rates:
            console.print(f"  {line}")
        for problem in found.problems:
            console.print(f"problem: {problem}", style="bold red")
        if explain:
            console.print()
            console.print(explanation(loaded), soft_wrap=True)
    if found.problems:
        raise typer.Exit(EXIT_PROBLEMS)


# -- tree, export --------------------------------------------------------------------------------
@app.command()
def tree(
    game: GameName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="SVG, PNG or PDF file; default: GAME-tree.svg.")
    ] = None,
    precision: Annotated[float | None, typer.Option(min=0, help="λ of the probabilities drawn.")] = None,
    leaves: Annotated[int, typer.Option(min=1, help="Most histories drawn; the rest is folded up.")] = 30,
    text: Annotated[bool, typer.Option(help="Print an indented tree instead of writing a picture.")] = False,
    as_json: Json = False,
) -> None:
    """Draw the game with the probabilities of its equilibrium."""
    from detente.model.draw import PICTURES, convert_picture, draw_tree, tree_text
    from detente.model.files import check_writable, write_bytes
    from detente.solve.api import solve as solve_game

    path = output or Path(f"{Path(game).stem}-tree.svg")
    kind = path.suffix.lower()
    if kind not in PICTURES:
        raise UsageError(f"--output: {str(path)!r} does not end in .svg, .png or .pdf. Name the kind of picture so.")
    if not text:
        check_writable(path)
    compiled, values, default = _game(game, {}, quiet=as_json or text)
    solution = solve_game(compiled, values, precision=default if precision is None else precision)
    edges = solution.edges()[:, 0]
    if text:
        print(tree_text(compiled, edges, max_leaves=leaves))
        return
    payoffs = solution.problem.payoff[:, :, 0]
    lone = kind == ".svg"  # opened in a browser: it follows the reader's colours, and unfolds
    picture = draw_tree(
        compiled, edge_probability=edges, max_leaves=leaves, payoffs=payoffs, theme_css=lone, unfold=lone
    )
    write_bytes(path, convert_picture(picture, kind))
    if as_json:
        print_json({kind[1:]: str(path), "nodes": compiled.num_nodes, "leaves": compiled.num_leaves})
    else:
        print(f"wrote {path}")


@app.command()
def export(
    game: GameName,
    efg: Annotated[Path, typer.Option("--efg", help="Where to write the game.")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Value of a parameter.")] = None,
    as_json: Json = False,
) -> None:
    """Write the game (a scenario's median world) as a .efg file, for Gambit and others."""
    from detente.model.efg import write_efg
    from detente.model.files import write_text

    compiled, values, _ = _game(game, _assignments(set_, "--set"), quiet=as_json)
    write_text(efg, write_efg(compiled, values))
    if as_json:
        print_json({"efg": str(efg), "nodes": compiled.num_nodes})
    else:
        print(f"wrote {efg}")


# -- commands with a file of their own, in the order in which --help lists them -----------------------
for command in (decide, run, learn, fit, play, simulate, serve, new):
    app.command()(command)
for command in (read, salvo):
    record_app.command()(command)
app.add_typer(record_app)
show_examples(app)
show_examples(record_app, "record")
