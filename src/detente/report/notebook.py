"""What a notebook shows of a game, a solution, an ensemble, a decision and a brief: a tree, tables, the bottom line."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

import numpy as np

from detente.axes import Game
from detente.decide.analysis import Decision
from detente.decide.ensemble import Ensemble
from detente.decide.options import summarise
from detente.errors import UsageError
from detente.model.draw import draw_tree
from detente.report.brief import Brief
from detente.report.decide_rows import NUM_FINDINGS, finding_row, findings_note, robust_note, robust_row
from detente.report.decide_words import summary
from detente.report.terminal import (
    BEST_MARK,
    BETTER_MARKS,
    best_policies,
    convergence_text,
    number_text,
    policy_title,
    range_text,
    value_text,
)
from detente.report.words import percent, percent_range
from detente.solve.solution import Solution, move_names

MOST_MOVES = 30  # rows of a table of choices belong to at most so many moves
TREE_LEAVES = 30
# Colours are the notebook's own, so that they fit its light or dark look.
TABLE = 'style="border-collapse:collapse;font-variant-numeric:tabular-nums"'
CELL = 'style="text-align:left;padding:2px 12px 2px 0;vertical-align:top;white-space:nowrap"'


def html(value: Any) -> str:
    """What a notebook shows of a record.

    Args:
        value: A game, a solution, an ensemble, a decision or a brief.

    Returns:
        Self-contained HTML: it fetches nothing. Only a tree brings a script, which folds and unfolds it.

    Raises:
        UsageError: If it is something else.

    Example:
        >>> from detente.library.games import GAMES
        >>> from detente.model.compile import compile
        >>> shown = html(compile(GAMES["kuhn-poker"].crisis))
        >>> shown.count("<svg"), "2 players, 58 nodes" in shown
        (1, True)
    """
    shown: dict[type, Callable[[Any], str]] = {
        Game: game_html,
        Solution: solution_html,
        Ensemble: ensemble_html,
        Decision: decision_html,
        Brief: brief_html,
    }
    for kind, show_fn in shown.items():
        if isinstance(value, kind):
            return f'<div class="detente">{show_fn(value)}</div>'
    raise UsageError(
        f"notebook: {type(value).__name__} has no display. Give a game, solution, ensemble, decision or brief."
    )


def game_html(game: Game) -> str:
    """A game: its size in words, and its tree, folded where it is large.

    Args:
        game: The game.
    """
    size = (
        f"{len(game.players)} players, {game.num_nodes:,} nodes, {len(game.infosets):,} infosets, "
        f"{game.num_leaves:,} leaves, {len(game.parameters)} parameters"
    )
    return f"<p>{size}</p>{_scrolling(draw_tree(game, max_leaves=TREE_LEAVES, unfold=True))}"


def solution_html(solution: Solution) -> str:
    """A solution: how its draws ended, how likely each option of each move is, and the tree with these probabilities.

    Args:
        solution: The solution; draws that did not converge are counted and left out.
    """
    game, usable = solution.game, solution.converged
    left_out = int((~usable).sum())
    counted = f"{solution.num_draws:,} draws, of which {left_out:,} did not converge and are left out"
    status = solution.message(0) if solution.num_draws == 1 else counted
    parts = [f"<p>{escape(game.title)}</p><p>{escape(status)}</p>"]
    if usable.any():
        parts += [_choices(solution, usable), _payoffs(solution, usable), _solved_tree(solution, usable)]
    return "".join(parts)


def _choices(solution: Solution, usable: np.ndarray) -> str:
    """Options of every move, each with its probability where the move is reached, over the usable draws."""
    game = solution.game
    mover = {infoset.move: game.players[infoset.player] for infoset in game.infosets}
    moves = [move for move in move_names(game) if move in mover]
    rows: list[Sequence[str]] = []
    for move in moves[:MOST_MOVES]:
        for number, (option, share) in enumerate(solution.choice(move).items()):
            first = (mover[move], move) if number == 0 else ("", "")
            rows.append((*first, option, _over_draws(share[usable])))
    note = f"<p>{len(moves) - MOST_MOVES} more moves</p>" if len(moves) > MOST_MOVES else ""
    return _table(("player", "move", "option", "probability"), rows) + note


def _over_draws(values: np.ndarray) -> str:
    """A share in the draws: its value in one, median and 90 % interval over several."""
    values = values[~np.isnan(values)]  # a move that a draw never reaches has no probability there
    if not len(values):
        return "never reached"
    if len(values) == 1:
        return percent(float(values[0]))
    cell = summarise(values)
    return f"{percent(cell.median)} ({percent_range(cell.low, cell.high)})"


def _payoffs(solution: Solution, usable: np.ndarray) -> str:
    means = solution.payoffs[:, usable].mean(axis=1)
    said = ", ".join(f"{p} {number_text(float(v))}" for p, v in zip(solution.game.players, means, strict=True))
    return f"<p>Expected payoffs{' on average' if usable.sum() > 1 else ''}: {escape(said)}</p>"


def _solved_tree(solution: Solution, usable: np.ndarray) -> str:
    edges = solution.edges()[:, usable].mean(axis=1)
    payoffs = solution.problem.payoff[:, :, usable].mean(axis=2)
    return _scrolling(
        draw_tree(solution.game, edge_probability=edges, max_leaves=TREE_LEAVES, payoffs=payoffs, unfold=True)
    )


def ensemble_html(ensemble: Ensemble) -> str:
    """An ensemble: each outcome under each policy, median and 90 % interval, and how many draws are left out.

    Args:
        ensemble: The ensemble.
    """
    counted = f"{ensemble.num_draws:,} possible worlds, {ensemble.num_unconverged:,} of them left out (not converged)"
    if not ensemble.usable.any():
        return f"<p>{counted}</p><p>No draw converged, so there is nothing to compare.</p>"
    rows = [[policy, *(_outcome(ensemble, name, policy) for name in ensemble.outcomes)] for policy in ensemble.policies]
    note = "<p>Median (90 % interval). What the model implies under its assumptions, not what will happen.</p>"
    return f"<p>{counted}</p>{_table(['policy', *ensemble.outcomes], rows)}{note}"


def _outcome(ensemble: Ensemble, name: str, policy: str) -> str:
    cell = summarise(ensemble.outcome(name, policy))
    if ensemble.game.outcomes[name].kind == "flag":
        return f"{percent(cell.median)} ({percent_range(cell.low, cell.high)})"
    return f"{number_text(cell.median)} ({number_text(cell.low)} to {number_text(cell.high)})"


def decision_html(decision: Decision) -> str:
    """A decision: the answer in sentences, which policy is most robust and for whom, and what to find out first.

    Args:
        decision: The decision.
    """
    file = decision.scenario.file
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in summary(decision))
    found = [robust_row(decision, name) for name in decision.criteria]
    robust = [
        [row["title"], row["best"], row["loses"], row["agree"] + (" · disagree" if row["disagree"] else "")]
        for row in found
    ]
    first = decision.criteria[decision.headlines[0]].title
    heads = ["Parameter", "Rests on", f"{first}: low → high", "Share", "Worth", "Choice flips"]
    learn = [list(finding_row(decision, item).values()) for item in decision.findings[:NUM_FINDINGS]]
    missing = decision.ensemble.num_unconverged
    solved = f"{missing:,} of {decision.ensemble.num_draws:,} draws did not converge"
    tail = " and are left out of every number" if missing else ""
    return (
        f"<p><strong>{escape(file.title)}</strong>, as known on {file.as_of}</p><ul>{said}</ul>"
        f"{_table(['For', 'Most robust', 'It loses, in 9 of 10 worlds at most', 'Metrics that agree'], robust)}"
        f"<p>{escape(robust_note(decision))}</p>"
        f"{_table(heads, learn)}<p>{escape(findings_note(decision))}</p>"
        f"<p>{solved}{tail}. What the model implies under its assumptions, not what will happen.</p>"
    )


def brief_html(brief: Brief) -> str:
    """A brief: the bottom line and the options table; ``write_html`` makes the page with the rest.

    Args:
        brief: The brief.
    """
    best = {name: best_policies(brief, name) for name in brief.outcomes}
    rows = []
    for policy in brief.ensemble.policies:
        cells = [_brief_cell(brief, policy, name, policy in best[name]) for name in brief.outcomes]
        rows.append([policy_title(brief, policy), *cells])
    marks = {name: BETTER_MARKS[brief.scenario.file.outcomes[name].better] for name in brief.outcomes}
    heads = ["Policy", *(f"{title} {marks[name]}" for name, title in brief.outcomes.items())]
    file = brief.scenario.file
    return (
        f"<p><strong>{escape(file.title)}</strong>, as known on {file.as_of}</p>"
        f"<p>{escape(' '.join(brief.bottom_line))}</p>{_table(heads, rows)}"
        f"<p>Median (90 % interval); {BEST_MARK} best median of its column. {escape(convergence_text(brief))}</p>"
    )


def _brief_cell(brief: Brief, policy: str, name: str, best: bool) -> str:
    cell = brief.table[policy][name]
    mark = BEST_MARK if best else ""
    return f"{value_text(brief, name, cell.median)}{mark} ({range_text(brief, name, cell.low, cell.high)})"


# -- pieces of HTML ------------------------------------------------------------------------------
def _table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th scope='col' {CELL}>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td {CELL}>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return _scrolling(f"<table {TABLE}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _scrolling(inside: str) -> str:
    """Something wide, in a box of its own width."""
    return f'<div style="overflow-x:auto">{inside}</div>'
