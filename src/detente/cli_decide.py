"""The command that compares policies under deep uncertainty, and the reading of policies given on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detente.cli_common import Json, ScenarioName, make_console, print_json, progress
from detente.errors import UsageError

if TYPE_CHECKING:
    from detente.decide.ensemble import Ensemble
    from detente.model.scenario import Policy, Scenario

DEFAULT_DRAWS = 2_000
SEARCH_DRAWS = 256
Draws = Annotated[
    int | None,
    typer.Option(
        min=1, help=f"Possible worlds drawn from the priors; default: {DEFAULT_DRAWS:,}, or all in the store."
    ),
]
StoreSeed = Annotated[
    int | None, typer.Option(help="Of the draws; the same seed gives the same numbers. Default: 0, or the store's.")
]
FromStore = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Read what 'detente run' wrote there, instead of solving.")
]
EXAMPLE = '--policy quiet-lines --commit "message=red lines" --commit "channel=private"'


def decide(
    scenario: ScenarioName,
    draws: Draws = None,
    seed: StoreSeed = None,
    store: FromStore = None,
    structure: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of [structures.NAME]; default: the file as it stands.")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="Only these policies (repeatable); a new name with --commit adds one.")
    ] = None,
    commit: Annotated[
        list[str] | None, typer.Option(metavar="MOVE=OPTION", help="What the new policy commits to (repeatable).")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Player or outcome to judge by; default: who decides.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Robustness metric to judge by.")] = "90th percentile minimax regret",
    fails: Annotated[
        list[str] | None, typer.Option(metavar="OUTCOME=VALUE", help="What is just good enough (repeatable).")
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help="Also try every combination of the deciding player's moves.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Which policy is robust and for whom, what it costs, when it fails, what to find out first and what to watch."""
    from detente.decide.analysis import LEAST_DRAWS
    from detente.decide.analysis import decide as analyse
    from detente.decide.search import search as try_all
    from detente.model.scenario import load_scenario
    from detente.report.decide import print_decision, print_search
    from detente.report.decide_json import decision_json, search_json

    if draws is not None and draws < LEAST_DRAWS:
        raise UsageError(f"--draws: {draws} are too few to say when a policy fails. Ask for {LEAST_DRAWS} or more.")
    stated = load_scenario(scenario)
    loaded, policies = chosen_policies(stated if structure is None else stated.structure(structure), policy, commit)
    _check_names(loaded, by, metric)
    enough = thresholds(fails)
    ensemble = solve_or_read(loaded, policies, store=store, draws=draws, seed=seed, quiet=as_json)
    found = analyse(loaded, ensemble, by=by, metric=metric, fails=enough)
    tried = None
    if search:
        with progress("Trying commitments", SEARCH_DRAWS, quiet=as_json) as progress_fn:
            tried = try_all(
                loaded,
                by=by,
                metric=metric,
                num_draws=min(ensemble.num_draws, SEARCH_DRAWS),
                seed=ensemble.seed,
                progress_fn=progress_fn,
            )
    if as_json:
        data = decision_json(found) | ({"search": search_json(tried)} if tried is not None else {})
        print_json(data)
        return
    console = make_console(wrap=True)
    print_decision(found, console)
    if tried is not None:
        print_search(tried, found, console)


def solve_or_read(
    scenario: "Scenario",
    policies: dict[str, "Policy"] | None,
    *,
    store: Path | None,
    draws: int | None,
    seed: int | None,
    quiet: bool = False,
) -> "Ensemble":
    """The worlds under every policy: solved here, or read from a store that holds the same numbers.

    Args:
        scenario: The scenario.
        policies: Those to compare; None for all.
        store: Folder that ``detente run`` wrote; None to solve.
        draws: How many; None for the usual number, or all of the store.
        seed: Of the draws; None for 0, or that of the store.
        quiet: Show no progress.

    Raises:
        UsageError: If the store is of another run, or cannot be read.
    """
    if store is not None:
        from detente.decide.cube import read_run

        return read_run(store, scenario, num_draws=draws, seed=seed, policies=policies)
    from detente.decide.ensemble import run

    wanted = DEFAULT_DRAWS if draws is None else draws
    with progress("Solving worlds", wanted, quiet=quiet) as progress_fn:
        return run(scenario, num_draws=wanted, seed=seed or 0, policies=policies, progress_fn=progress_fn)


def _check_names(scenario: "Scenario", by: str | None, metric: str) -> None:
    """Refuse what is not known before the work, not after it."""
    from detente.decide.robustness import metrics
    from detente.decide.search import direction
    from detente.errors import nearest

    known = [name for name in metrics() if name != "satisficing"]
    if metric not in known:
        raise UsageError(f"--metric: {metric!r} is not known.{nearest(metric, known)}")
    if by is not None:
        direction(scenario, by)


def thresholds(texts: list[str] | None) -> dict[str, float]:
    """What is just good enough, from ``OUTCOME=VALUE`` texts.

    Args:
        texts: As they were typed.

    Raises:
        UsageError: If one is not of that form.

    Example:
        >>> thresholds(["regional_war=0.15"])
        {'regional_war': 0.15}
    """
    found = {}
    for text in texts or ():
        name, value = _pair(text, "--fails", "--fails regional_war=0.15")
        try:
            found[name] = float(value)
        except ValueError:
            raise UsageError(f"--fails: the value of {name!r} is {value!r}, not a number.") from None
        if not -1e300 < found[name] < 1e300:
            raise UsageError(f"--fails: the value of {name!r} is {value!r}, not a finite number.")
    return found


def chosen_policies(
    scenario: "Scenario", policy: list[str] | None, commit: list[str] | None
) -> tuple["Scenario", dict[str, "Policy"] | None]:
    """The policies to compare, from ``--policy NAME`` and ``--commit MOVE=OPTION``.

    Without ``--commit`` the names say which policies of the scenario to compare. With it, the one name that the
    scenario does not have is a new policy; it is compared with those named beside it, or with all.

    Args:
        scenario: The scenario.
        policy: Names, as they were typed.
        commit: ``MOVE=OPTION`` texts.

    Returns:
        The scenario, with the new policy if there is one, and the policies to compare (None: all).

    Raises:
        UsageError: If a name is not known, or there is not exactly one new name for the commitment, or the rules have
            no such move or option.

    Example:
        >>> from detente.model.scenario import load_scenario
        >>> scenario = load_scenario("october-2024")
        >>> found, _ = chosen_policies(scenario, ["quiet-lines"], ["message=red lines", "channel=private"])
        >>> found.policy("quiet-lines").commit
        {'message': 'red lines', 'channel': 'private'}
    """
    names = list(dict.fromkeys(policy or ()))
    if not commit:
        return scenario, {name: scenario.policy(name) for name in names} if names else None
    from detente.decide.search import check_commit, with_policies
    from detente.model.scenario import Policy

    new = [name for name in names if name not in scenario.file.policies]
    if len(new) != 1:
        what = f"--policy names {', '.join(map(repr, new))}" if new else "--policy names no new policy"
        raise UsageError(f"--commit: {what}, and a commitment needs exactly one new name. Write for example {EXAMPLE}.")
    fixed: dict[str, str] = {}
    for text in commit:
        move, option = _pair(text, "--commit", EXAMPLE)
        if fixed.setdefault(move, option) != option:
            raise UsageError(f"--commit: {move!r} is committed to {fixed[move]!r} and to {option!r}. Choose one.")
    check_commit(scenario, fixed)
    said = ", ".join(f"{move}: {option}" for move, option in fixed.items())
    added = Policy(title=new[0].replace("-", " ").capitalize(), meaning=f"Added here: {said}.", commit=fixed)
    whole = with_policies(scenario, {**scenario.file.policies, new[0]: added})
    kept = [name for name in names if name != new[0]]
    return whole, {name: whole.policy(name) for name in [*kept, new[0]]} if kept else None


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise UsageError(f"{option}: {text!r} is not NAME=VALUE. Write for example {example}.")
    return name.strip(), value.strip()
