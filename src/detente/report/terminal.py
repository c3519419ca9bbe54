"""The brief in a terminal and for machines, and how its numbers are written everywhere."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from detente.decide.options import Cell, Path
from detente.model.priors import prior_in_words
from detente.report.brief import Brief, no_decision_text
from detente.report.decide_json import decision_json
from detente.report.decide_words import summary
from detente.report.words import percent, percent_range

NUM_INFLUENCES = 6
BASELINE_PATHS, OTHER_PATHS = 3, 2
BAR_WIDTH = 16  # characters for a coefficient of 1
POLICY_WIDTH, COLUMN_WIDTH = 18, 17
BEST_MARK = "*"
BETTER_MARKS = {"lower": "↓", "higher": "↑"}


# -- how numbers are written ---------------------------------------------------------------------
def number_text(value: float) -> str:
    """A quantity that is not a probability, with two decimals and a real minus sign.

    Args:
        value: In the outcome's own unit.

    Example:
        >>> number_text(-0.256)
        '−0.26'
    """
    return f"{value:.2f}".replace("-", "−") if round(value, 2) else "0.00"


def value_text(brief: Brief, outcome: str, value: float) -> str:
    """One value of an outcome as people read it: a percentage for what is true or false, else a number.

    Args:
        brief: The brief.
        outcome: Name of a flag or number.
        value: Between 0 and 1 for a flag.
    """
    return percent(value) if _is_share(brief, outcome) else number_text(value)


def range_text(brief: Brief, outcome: str, low: float, high: float) -> str:
    """An interval of an outcome as people read it; see :func:`value_text`."""
    if _is_share(brief, outcome):
        return percent_range(low, high)
    between = " to " if low < 0 else "–"
    return f"{number_text(low)}{between}{number_text(high)}"


def _is_share(brief: Brief, outcome: str) -> bool:
    return brief.ensemble.game.outcomes[outcome].kind == "flag"


def prior_text(prior: Any) -> str:
    """What is believed about a parameter, in words, and what it was worked out from.

    Args:
        prior: A prior of a scenario.

    Example:
        >>> from detente.model.priors import Pert
        >>> prior_text(Pert(low=0.5, best=1, high=1.5))
        '0.5 to 1.5, best guess 1'
    """
    return prior_in_words(prior)


# -- what stands out -----------------------------------------------------------------------------
def best_policies(brief: Brief, outcome: str) -> tuple[str, ...]:
    """The policies with the best median of an outcome, as printed: several where the printed numbers are equal.

    Args:
        brief: The brief.
        outcome: Name of an outcome in the table.

    Returns:
        Names of policies, in the order of the table; none where all are equal.
    """
    medians = {policy: row[outcome].median for policy, row in brief.table.items()}
    best = value_text(brief, outcome, medians[_best(brief, outcome)])
    found = tuple(policy for policy, median in medians.items() if value_text(brief, outcome, median) == best)
    return found if len(found) < len(medians) else ()


def _best(brief: Brief, outcome: str) -> str:
    lower = brief.scenario.file.outcomes[outcome].better == "lower"
    return (min if lower else max)(brief.table, key=lambda policy: brief.table[policy][outcome].median)


def shown_policies(brief: Brief) -> tuple[str, ...]:
    """The baseline, then the policy that is best at each headline: those whose paths are worth a look."""
    clear = [name for name in brief.headlines if best_policies(brief, name)]
    return tuple(dict.fromkeys([brief.baseline, *(_best(brief, name) for name in clear)]))


def policy_title(brief: Brief, policy: str) -> str:
    """What a policy is called in tables."""
    known = brief.scenario.file.policies
    return known[policy].title if policy in known else policy


def open_steps(brief: Brief, policy: str, path: Path) -> tuple[tuple[str, str], ...]:
    """The steps of a course of events that the policy itself does not fix."""
    known = brief.scenario.file.policies
    fixed = known[policy].commit if policy in known else {}
    return tuple(step for step in path.steps if fixed.get(step[0]) != step[1]) or path.steps


def basis_text(brief: Brief, parameter: str) -> str:
    """What a parameter rests on, shortly: evidence with its grade, or judgement."""
    known = brief.scenario.file.parameters[parameter]
    return f"evidence, grade {known.grade}" if known.evidence else "judgement"


def readable(name: str) -> str:
    """A name from the rules as words: underscores become spaces."""
    return name.replace("_", " ")


# -- the terminal --------------------------------------------------------------------------------
def print_brief(brief: Brief, console: Console, html_path: FilePath | str | None = None) -> None:
    """Print a brief: the bottom line, the options, what is likely to happen, and what it hangs on.

    Nothing is told by colour alone: the best value of each column carries a star.

    Args:
        brief: The brief.
        console: Where to print; its width decides how many outcomes stand side by side.
        html_path: Where the page with the evidence was written, if it was.
    """
    scenario = brief.scenario
    heading = Text(scenario.file.title, style="bold")
    heading.append(f"\nAs known on {scenario.file.as_of.isoformat()} · {_who(brief)}", style="dim")
    console.print(heading)
    console.print()
    console.print(Panel(Text("\n".join(brief.bottom_line)), title="Bottom line", title_align="left", padding=(0, 1)))
    for names in _chunks(list(brief.outcomes), max(1, (console.width - POLICY_WIDTH) // COLUMN_WIDTH)):
        console.print(_options(brief, names))
    worlds = int(brief.ensemble.usable.sum())
    note = (
        f"Median over {worlds:,} possible worlds (90 % interval), and the worst of them. "
        f"{BEST_MARK} best median of its column. ↓ lower is better, ↑ higher is better."
    )
    console.print(Text(note, style="dim"))
    console.print()
    _print_paths(brief, console)
    _print_influences(brief, console)
    _print_decision(brief, console)
    console.print(_convergence(brief))
    if html_path is not None:
        # One line, however long: a path that is broken in the middle cannot be copied.
        console.print(Text(f"Evidence, charts, assumptions and method: {html_path}"), soft_wrap=True)


def _who(brief: Brief) -> str:
    return ", ".join(f"{role}: {name}" for role, name in brief.scenario.file.who.items())


def _chunks(names: list[str], size: int) -> Iterable[list[str]]:
    """As few parts as fit, of about equal length."""
    parts = -(-len(names) // size)
    bounds = [-(-i * len(names) // parts) for i in range(parts + 1)]
    return (names[start:stop] for start, stop in zip(bounds, bounds[1:], strict=False))


def _options(brief: Brief, names: list[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Policy", max_width=POLICY_WIDTH, overflow="fold")
    best = {name: best_policies(brief, name) for name in names}
    for name in names:
        arrow = BETTER_MARKS[brief.scenario.file.outcomes[name].better]
        table.add_column(Text(f"{brief.outcomes[name]} {arrow}"), max_width=COLUMN_WIDTH + 6)
    for policy in brief.ensemble.policies:
        cells = [_cell(brief, name, brief.table[policy][name], policy in best[name]) for name in names]
        table.add_row(Text(policy_title(brief, policy)), *cells)
    return table


def _cell(brief: Brief, name: str, cell: Cell, best: bool) -> Text:
    text = Text()
    text.append(value_text(brief, name, cell.median) + (BEST_MARK if best else ""), style="bold" if best else "")
    text.append(f" ({range_text(brief, name, cell.low, cell.high)})")
    text.append(f"\nworst {value_text(brief, name, cell.worst)}", style="dim")
    return text


def _print_paths(brief: Brief, console: Console) -> None:
    console.print(Text("Likeliest courses of events", style="bold"))
    for policy in shown_policies(brief):
        paths = brief.paths[policy][: BASELINE_PATHS if policy == brief.baseline else OTHER_PATHS]
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
        table.add_column(justify="right", no_wrap=True, min_width=7)
        table.add_column(overflow="fold")
        for path in paths:
            steps = " → ".join(f"{move}: {option}" for move, option in open_steps(brief, policy, path))
            table.add_row(Text(percent(path.probability)), Text(steps))
        console.print(Text(f"  {policy_title(brief, policy)}"))
        console.print(table)
    console.print()


def _print_influences(brief: Brief, console: Console) -> None:
    first = brief.headlines[0]
    found = brief.influences[first]
    console.print(Text(f"What moves “{brief.outcomes[first]}” most", style="bold"))
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(overflow="fold", max_width=24)
    table.add_column(no_wrap=True, width=BAR_WIDTH)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for item in found.items[:NUM_INFLUENCES]:
        bar = "█" * max(1, round(abs(item.coefficient) * BAR_WIDTH)) if item.coefficient else ""
        numbers = f"{signed(item.coefficient)} ({signed(item.low)} to {signed(item.high)})"
        table.add_row(
            Text(brief.scenario.parameter_title(item.parameter)),
            Text(bar),
            Text(numbers),
            Text(basis_text(brief, item.parameter), style="dim"),
        )
    console.print(table)
    note = f"Rank coefficients under “{policy_title(brief, brief.baseline)}”; + means that it rises with the parameter."
    console.print(
        Text(f"{note} Together they explain {percent(found.explained)} of the variance of ranks.", style="dim")
    )
    console.print()


def _print_decision(brief: Brief, console: Console) -> None:
    """The answer of ``detente decide`` in a few sentences, or why there is none."""
    console.print(Text("Which policy stands up best", style="bold"))
    if brief.decision is None:
        console.print(Text(f"  {no_decision_text(brief)}", style="dim"))
    else:
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for sentence in summary(brief.decision):
            table.add_row(Text(" ·"), Text(sentence))
        console.print(table)
        console.print(Text(f"More: detente decide {brief.scenario.slug}", style="dim"))
    console.print()


def signed(value: float) -> str:
    """A coefficient with its sign.

    Args:
        value: Between −1 and 1, usually.

    Example:
        >>> signed(0.314), signed(-0.2)
        ('+0.31', '−0.20')
    """
    return f"{value:+.2f}".replace("-", "−") if round(value, 2) else "0.00"


def convergence_text(brief: Brief) -> str:
    """How many draws did not converge, and what became of the others."""
    missing, total = brief.ensemble.num_unconverged, brief.ensemble.num_draws
    bifurcated = brief.convergence.get("bifurcation", 0)
    text = f"{missing:,} of {total:,} draws did not converge"
    text += " and are left out of every number." if missing else "; every number rests on all of them."
    if bifurcated:
        text += (
            f" {bifurcated:,} converged beyond a point at which the equilibrium stops being the only continuation; "
            "they are kept."
        )
    return text


def _convergence(brief: Brief) -> Text:
    return Text(convergence_text(brief), style="bold red" if brief.ensemble.num_unconverged else "")


# -- for machines --------------------------------------------------------------------------------
def brief_json(brief: Brief) -> dict[str, Any]:
    """Everything that a brief says, as plain lists, mappings, numbers and text.

    Args:
        brief: The brief.

    Returns:
        A mapping that ``json.dumps`` takes. Probabilities are between 0 and 1, not percentages.
    """
    file = brief.scenario.file
    return {
        "title": file.title,
        "as_of": file.as_of.isoformat(),
        "decides": file.decides,
        "who": dict(file.who),
        "baseline": brief.baseline,
        "headlines": list(brief.headlines),
        "bottom_line": list(brief.bottom_line),
        "policies": {name: policy_title(brief, name) for name in brief.ensemble.policies},
        "outcomes": {
            name: {
                "title": title,
                "kind": brief.ensemble.game.outcomes[name].kind,
                "better": file.outcomes[name].better,
                "best": list(best_policies(brief, name)),
            }
            for name, title in brief.outcomes.items()
        },
        "table": {policy: _cells(row) for policy, row in brief.table.items()},
        "choices": {
            outcome: {policy: _cells(row) for policy, row in rows.items()} for outcome, rows in brief.choices.items()
        },
        "paths": {
            policy: [{"probability": path.probability, "steps": [list(step) for step in path.steps]} for path in paths]
            for policy, paths in brief.paths.items()
        },
        "influences": {
            outcome: {"explained": found.explained, "items": [asdict(item) for item in found.items]}
            for outcome, found in brief.influences.items()
        },
        "evidence": {name: asdict(found) for name, found in brief.evidence.items()},
        "corrections": [
            {
                "claim": found.claim.id,
                "statement": found.claim.statement,
                "status": found.claim.status,
                "why": list(found.why),
                "instead": found.instead,
                "corrected_by": list(found.corrected_by),
            }
            for found in brief.corrections
        ],
        "decision": None if brief.decision is None else decision_json(brief.decision),
        "convergence": dict(brief.convergence),
        "manifest": dict(brief.manifest),
    }


def _cells(row: Mapping[str, Cell]) -> dict[str, dict[str, float]]:
    return {name: asdict(cell) for name, cell in row.items()}
