"""Regression tables: for the terminal, LaTeX, HTML, Markdown, and as a tidy data frame."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from detente.errors import UsageError

if TYPE_CHECKING:
    from detente.learn.fit import Fit

STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
LEGEND = "*** p < 0.001, ** p < 0.01, * p < 0.05"
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Table:
    """A regression table before it is set in type.

    Attributes:
        columns: Heading of each model.
        rows: (equation, term, cells): each cell is an estimate and its standard error, or two empty strings.
        footer: (name, one value a model).
        notes: Below the table.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]
    footer: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[str, ...]


def coefficients(fit: "Fit") -> Any:
    """One row a coefficient: equation, term, estimate, std_error, z, p_value, low, high.

    Args:
        fit: The estimates.
    """
    import pandas as pd

    frame = pd.DataFrame(fit.names, columns=["equation", "term"])
    frame["estimate"] = fit.point
    frame["std_error"] = fit.std_errors
    frame["z"] = frame["estimate"] / frame["std_error"]
    frame["p_value"] = p_values(fit)
    frame["low"] = frame["estimate"] - NORMAL_95 * frame["std_error"]
    frame["high"] = frame["estimate"] + NORMAL_95 * frame["std_error"]
    return frame


def p_values(fit: "Fit") -> np.ndarray:
    """Two-sided, from the normal distribution; NaN where there is no standard error.

    Args:
        fit: The estimates.
    """
    from scipy.special import ndtr

    with np.errstate(invalid="ignore", divide="ignore"):
        return 2 * ndtr(-np.abs(fit.point / fit.std_errors))


def stars(p: float, converged: bool) -> str:
    """Stars of a p-value; none where the estimates did not converge.

    Example:
        >>> stars(0.02, True), stars(0.02, False), stars(float("nan"), True)
        ('*', '', '')
    """
    if not converged:
        return ""
    return next((mark for limit, mark in STARS if p < limit), "")


def make_table(fits: Sequence["Fit"], headings: Sequence[str] | None = None) -> Table:
    """Lay several fits out beside each other.

    Args:
        fits: One or more.
        headings: One a fit; default: the model and its errors.

    Raises:
        UsageError: If the headings are not as many as the fits.
    """
    if headings is not None and len(headings) != len(fits):
        raise UsageError(f"table: {len(headings)} headings for {len(fits)} fits. Give one each.")
    names = list(dict.fromkeys(name for fit in fits for name in fit.names))
    order = list(dict.fromkeys(equation for equation, _ in names))
    names.sort(key=lambda name: order.index(name[0]))
    cells: dict[tuple[str, str], list[tuple[str, str]]] = {name: [("", "")] * len(fits) for name in names}
    for k, fit in enumerate(fits):
        for name, value, error, p in zip(fit.names, fit.point, fit.std_errors, p_values(fit), strict=True):
            shown = f"{value:.3f}{stars(p, fit.converged)}"
            cells[name][k] = (shown, f"({error:.3f})" if np.isfinite(error) else "(–)")
    footer = (
        ("Rows", tuple(f"{fit.n:,}" for fit in fits)),
        ("Log likelihood", tuple(f"{fit.log_likelihood:.3f}" for fit in fits)),
        ("AIC", tuple(f"{fit.aic:.2f}" for fit in fits)),
        ("BIC", tuple(f"{fit.bic:.2f}" for fit in fits)),
        ("Converged", tuple("yes" if fit.converged else "NO" for fit in fits)),
    )
    return Table(
        tuple(headings) if headings else tuple(f"{f.problem.name} ({f.problem.errors})" for f in fits),
        tuple((equation, term, tuple(cells[equation, term])) for equation, term in names),
        footer,
        _notes(fits),
    )


def _notes(fits: Sequence["Fit"]) -> tuple[str, ...]:
    from detente.learn.covariance import WORDS
    from detente.learn.fit import SQRT2_NOTE

    notes = []
    for fit in fits:
        if not fit.converged:
            notes.append(f"{fit.problem.name}: did not converge; these numbers are not estimates, and carry no stars.")
    kinds = list(dict.fromkeys(WORDS[f.covariance_kind] for f in fits))
    notes.append(f"Standard errors in parentheses: {'; '.join(kinds)}. {LEGEND}.")
    if any(f.problem.kind == "tree" for f in fits):
        notes.append(f"Scale: {SQRT2_NOTE}.")
    fixed = {name: value for f in fits for name, value in f.problem.fixed.items()}
    if fixed:
        notes.append("Fixed: " + ", ".join(f"{name} = {value:g}" for name, value in fixed.items()) + ".")
    for fit in fits:
        notes += [note[:1].upper() + note[1:] for note in fit.notes]
    return tuple(dict.fromkeys(notes))


def text_table(fits: Sequence["Fit"], headings: Sequence[str] | None = None) -> str:
    """A table of plain characters.

    Args:
        fits: One or more.
        headings: One a fit.
    """
    import textwrap

    table = make_table(fits, headings)
    left = max(len(f"{e}  {t}") for e, t, _ in table.rows) if table.rows else 10
    left = max(left, *(len(name) for name, _ in table.footer))
    widths = [
        max(len(table.columns[k]), *(len(r[2][k][0]) + 1 + len(r[2][k][1]) for r in table.rows), 10)
        if table.rows
        else max(len(table.columns[k]), 10)
        for k in range(len(table.columns))
    ]
    rule = "─" * (left + sum(w + 2 for w in widths))
    lines = [" " * left + "".join(f"  {c:>{w}}" for c, w in zip(table.columns, widths, strict=True)), rule]
    for equation, term, cells in table.rows:
        shown = "".join(
            f"  {(value + ' ' + error).strip():>{w}}" for (value, error), w in zip(cells, widths, strict=True)
        )
        lines.append(f"{f'{equation}  {term}':<{left}}{shown}")
    lines.append(rule)
    lines += [
        f"{name:<{left}}" + "".join(f"  {v:>{w}}" for v, w in zip(values, widths, strict=True))
        for name, values in table.footer
    ]
    for note in table.notes:
        lines += textwrap.wrap(note, max(len(rule), 72))
    return "\n".join(lines)


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {c: "\\" + c for c in "&%$#_{}"}
    signs = {"√": r"$\surd$", "–": "--", "−": "$-$", "≥": r"$\ge$", "<": "$<$", ">": "$>$"}
    return "".join(special.get(c) or signs.get(c, c) for c in text)


def latex_table(fits: Sequence["Fit"], headings: Sequence[str] | None = None) -> str:
    """A table for LaTeX, with the rules of the package booktabs.

    Args:
        fits: One or more.
        headings: One a fit.
    """
    table = make_table(fits, headings)
    width = len(table.columns)
    lines = [rf"\begin{{tabular}}{{l{'r' * width}}}", r"\toprule"]
    lines.append(" & ".join(["", *(_tex(c) for c in table.columns)]) + r" \\")
    before = None
    for equation, term, cells in table.rows:
        if equation != before:
            lines += [r"\midrule", rf"\multicolumn{{{width + 1}}}{{l}}{{\textit{{{_tex(equation)}}}}} \\"]
            before = equation
        lines.append(" & ".join([rf"\quad {_tex(term)}", *(_tex_stars(v) for v, _ in cells)]) + r" \\")
        lines.append(" & ".join(["", *(_tex(e) for _, e in cells)]) + r" \\")
    lines.append(r"\midrule")
    lines += [" & ".join([_tex(name), *(_tex_stars(v) for v in values)]) + r" \\" for name, values in table.footer]
    lines.append(r"\bottomrule")
    for note in table.notes:
        lines.append(rf"\multicolumn{{{width + 1}}}{{p{{0.9\linewidth}}}}{{\footnotesize {_tex(note)}}} \\")
    lines.append(r"\end{tabular}")
    return "\n".join(lines)


def _tex_stars(text: str) -> str:
    bare = text.rstrip("*")
    marks = text[len(bare) :]
    return (f"${bare}$" if bare.startswith("-") else _tex(bare)) + (f"$^{{{marks}}}$" if marks else "")


def html_table(fits: Sequence["Fit"], headings: Sequence[str] | None = None) -> str:
    """A table for a web page.

    Args:
        fits: One or more.
        headings: One a fit.
    """
    table = make_table(fits, headings)
    esc = html.escape
    lines = ['<table class="regression">', "<thead><tr><th></th><th></th>"]
    lines += [f'<th scope="col">{esc(c)}</th>' for c in table.columns] + ["</tr></thead>", "<tbody>"]
    for equation, term, cells in table.rows:
        shown = "".join(f"<td>{esc(v)}<br><small>{esc(e)}</small></td>" for v, e in cells)
        lines.append(f'<tr><td>{esc(equation)}</td><th scope="row">{esc(term)}</th>{shown}</tr>')
    lines += ["</tbody>", "<tfoot>"]
    for name, values in table.footer:
        lines.append(
            f'<tr><th scope="row" colspan="2">{esc(name)}</th>'
            + "".join(f"<td>{esc(v)}</td>" for v in values)
            + "</tr>"
        )
    for note in table.notes:
        lines.append(f'<tr><td colspan="{len(table.columns) + 2}"><small>{esc(note)}</small></td></tr>')
    return "\n".join([*lines, "</tfoot>", "</table>"])


def markdown_table(fits: Sequence["Fit"], headings: Sequence[str] | None = None) -> str:
    """A table in Markdown.

    Args:
        fits: One or more.
        headings: One a fit.
    """

    def cell(text: str) -> str:
        return text.replace("|", "\\|").replace("*", "\\*")

    table = make_table(fits, headings)
    lines = ["| | | " + " | ".join(cell(c) for c in table.columns) + " |", "|---|---|" + "---:|" * len(table.columns)]
    for equation, term, cells in table.rows:
        shown = " | ".join(cell(f"{v} {e}".strip()) for v, e in cells)
        lines.append(f"| {cell(equation)} | {cell(term)} | {shown} |")
    lines += [f"| {cell(name)} | | " + " | ".join(cell(v) for v in values) + " |" for name, values in table.footer]
    return "\n".join([*lines, "", *(cell(note) for note in table.notes)])
