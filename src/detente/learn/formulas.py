"""Regressors from formulas: as people write them in R or in Python, over the columns of a table."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from detente.errors import UsageError, nearest

INTERCEPT = "(Intercept)"
MOST_LEVELS = 60  # a column of words with more different values is a mistake far more often than a category


@dataclass(frozen=True, eq=False)
class Design:
    """The regressors of one equation.

    Attributes:
        name: Of the equation.
        formula: As it was written.
        terms: Name of each column, spelled as R spells it: ``(Intercept)``, ``x1``, ``regime1dem``.
        columns: The regressors.
        spec: What is needed to build the same regressors for other rows.
    """

    name: str
    formula: str
    terms: tuple[str, ...]
    columns: Float[np.ndarray, "row term"]
    spec: Any


def is_formula(text: Any) -> bool:
    """Whether a value is a formula (starts with a tilde)."""
    return isinstance(text, str) and text.strip().startswith("~")


def translate(formula: str) -> str:
    """A formula in R's spelling, in the one that is used here.

    Example:
        >>> translate("~ factor(x) + I(y^2) + as.numeric(z) - 1")
        '~ C(x) + I(y**2) + I(z) - 1'
    """
    text = formula.strip()
    for old, new in (("as.factor(", "C("), ("factor(", "C("), ("as.numeric(", "I("), ("TRUE", "True")):
        text = re.sub(rf"(?<![\w.]){re.escape(old)}" if old.endswith("(") else rf"\b{old}\b", new, text)
    return _powers(text)


def _powers(text: str) -> str:
    """``^`` inside parentheses is a power; outside it crosses terms and stays."""
    out, depth, starts = [], 0, []
    for i, char in enumerate(text):
        if char == "(":
            starts.append(bool(i and (text[i - 1].isalnum() or text[i - 1] == "_")))
            depth += starts[-1]
        elif char == ")" and starts:
            depth -= starts.pop()
        out.append("**" if char == "^" and depth else char)
    return "".join(out)


def _functions() -> dict[str, Any]:
    """What a formula may call besides what formulaic offers."""

    def ifelse(condition: Any, yes: Any, no: Any) -> Any:
        return np.where(condition, yes, no)

    return {
        "sqrt": np.sqrt,
        "abs": np.abs,
        "log1p": np.log1p,
        "pmin": np.minimum,
        "pmax": np.maximum,
        "ifelse": ifelse,
    }


def _parsed(name: str, formula: str) -> Any:
    try:
        from formulaic import Formula
    except ModuleNotFoundError:
        raise UsageError(
            f"equation {name}: {formula!r} is a formula, and formulas need formulaic, which is not installed. "
            "Run: pip install 'detente[learn]'"
        ) from None
    try:
        return Formula(translate(formula))  # pyright: ignore[reportAbstractUsage]
    except Exception as error:
        raise UsageError(
            f"equation {name}: {formula!r} cannot be read as a formula ({_first_line(error)}). "
            "Write for example '~ x1 + log(x2)'."
        ) from None


def _first_line(error: Exception) -> str:
    text = re.sub(r"\x1b\[[\d;]*m|[⧛⧚]", "", str(error)).strip()
    return text.splitlines()[0] if text else type(error).__name__


def variables(name: str, formula: str, columns: Iterable[str]) -> tuple[str, ...]:
    """The columns that a formula uses.

    Args:
        name: Of the equation, for messages.
        formula: Starts with a tilde.
        columns: Names that the table has.

    Raises:
        UsageError: If one is not a column of the table.
    """
    known = list(columns)
    needed = []
    for variable in sorted(str(v) for v in _parsed(name, formula).required_variables):
        if variable in known:
            needed.append(variable)
        elif variable not in _functions():
            called = re.search(rf"(?<![\w.]){re.escape(variable)}\s*\(", formula)
            what = "is neither a column of the data nor a function that a formula may call." if called else ""
            raise UsageError(
                f"equation {name}: {variable!r} {what or 'is not a column of the data.'}{nearest(variable, known)} "
                "Correct the formula or the data."
            )
    return tuple(needed)


def design(name: str, formula: str, frame: Any, *, spec: Any = None) -> Design:
    """Build the regressors of one equation.

    Args:
        name: Of the equation.
        formula: Starts with a tilde: ``~ x1 + factor(x2) + x1:x3 - 1``.
        frame: A data frame without missing values in the columns used.
        spec: Of an earlier design, to code categories as they were coded there.

    Raises:
        UsageError: If a column of words has too many values, or a regressor is not a finite number somewhere.

    Example:
        >>> import pandas as pd
        >>> made = design("u11", "~ x + factor(r)", pd.DataFrame({"x": [1.0, 2, 4], "r": [1, 2, 1]}))
        >>> made.terms
        ('(Intercept)', 'x', 'factor(r)2')
    """
    used = variables(name, formula, frame.columns)
    for column in used:
        _check_levels(name, column, formula, frame)
    try:
        with np.errstate(all="ignore"):
            source = spec if spec is not None else _parsed(name, formula)
            matrix = source.get_model_matrix(
                frame, context=_functions(), na_action="ignore", **({} if spec is not None else {"output": "numpy"})
            )
    except Exception as error:
        raise UsageError(
            f"equation {name}: {formula!r} cannot be evaluated on the data ({_first_line(error)}). "
            "Check the spelling and the kind of every column."
        ) from None
    values = np.ascontiguousarray(np.asarray(matrix, dtype=float).reshape(len(frame), -1))
    terms = tuple(_r_name(c, formula) for c in matrix.model_spec.column_names)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise UsageError(
            f"equation {name}: {terms[column]} is {values[row, column]} in row {_row_number(frame, int(row))} "
            f"({len({int(r) for r, _ in bad})} rows in all) although nothing is missing there. "
            "Guard the logarithm or root, or leave those rows out."
        )
    return Design(name, formula, terms, values, matrix.model_spec)


def _row_number(frame: Any, position: int) -> int:
    """Number of a row in the file, the first row of data being 1."""
    return int(frame.index[position]) + 1


def _check_levels(name: str, column: str, formula: str, frame: Any) -> None:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    values = frame[column]
    if is_numeric_dtype(values) or is_bool_dtype(values):
        return
    number = values.nunique()
    meant = re.search(rf"\bC\(\s*{re.escape(column)}\b", translate(formula))  # written as a category on purpose
    if number > MOST_LEVELS and not meant:
        shown = ", ".join(repr(str(v)) for v in list(dict.fromkeys(values))[:3])
        raise UsageError(
            f"equation {name}: the column {column!r} holds words ({shown} …), {number} different ones. If it should "
            "hold numbers, find the entries that are none; otherwise group it into fewer categories, or say "
            f"factor({column})."
        )


def _r_name(column: str, formula: str) -> str:
    """A column's name in R's spelling.

    Example:
        >>> _r_name("Intercept", "~ x"), _r_name("f1[T.b]:x", "~ f1 * x"), _r_name("C(r)[T.2]", "~ factor(r)")
        ('(Intercept)', 'f1b:x', 'factor(r)2')
    """
    if column == "Intercept":
        return INTERCEPT
    text = re.sub(r"\[(?:T\.)?([^\[\]]*)\]", lambda m: {"True": "TRUE", "False": "FALSE"}.get(m[1], m[1]), column)
    for spelled in ("as.factor(", "factor("):
        if spelled in formula.replace(" ", ""):
            text = re.sub(r"(?<![\w.])C\(", spelled, text)
            break
    return re.sub(r" ?\*\* ?", "^", text) if "^" in formula else text


def complete_rows(frame: Any, columns: Iterable[str]) -> tuple[Any, dict[str, int]]:
    """The rows without a missing value in any of the columns, and how many are missing in each.

    Args:
        frame: The table.
        columns: Names that matter.

    Returns:
        The complete rows with their old index, and column → number of missing values where there are any.

    Raises:
        UsageError: If no row is complete.
    """
    names = list(dict.fromkeys(columns))
    if not names:
        return frame, {}
    gaps = frame[names].isna()
    missing = {str(c): int(n) for c, n in gaps.sum().items() if n}
    if not missing:
        return frame, {}
    kept = frame[~gaps.any(axis=1)]
    if not len(kept):
        raise UsageError(
            f"data: no row is complete; missing values by column: {missing}. Fill them or use fewer columns."
        )
    return kept, missing


def check_columns(frame: Any, columns: Mapping[str, str]) -> None:
    """Make sure that named columns are there.

    Args:
        frame: The table.
        columns: Column → the key of the model that names it.

    Raises:
        UsageError: If one is not a column of the table.
    """
    for column, key in columns.items():
        if column not in frame.columns:
            raise UsageError(
                f"{key}: {column!r} is not a column of the data.{nearest(column, list(frame.columns))} "
                "Correct the name or the data."
            )
