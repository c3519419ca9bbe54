"""Arithmetic over figures that are ranges: what does a formula give at the least, and at the most?"""

import ast
import itertools
import operator
from collections.abc import Callable, Mapping

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
MAX_NAMES = 12
MAX_LENGTH = 500


def names_in(formula: str) -> tuple[str, ...]:
    """The ids that a formula uses, in the order in which they first appear.

    Args:
        formula: Numbers, ids, ``+ - * /`` and parentheses. An id with a hyphen or a dot stands in
            quotation marks.

    Returns:
        Each id once.

    Raises:
        ValueError: If the formula holds anything else.

    Example:
        >>> names_in("hits / (reliability * launched)")
        ('hits', 'reliability', 'launched')
        >>> names_in("'E2404-03' - 'E2404-01'")
        ('E2404-03', 'E2404-01')
    """
    return tuple(dict.fromkeys(_names(_parse(formula), formula)))


def evaluate(formula: str, values: Mapping[str, float]) -> float:
    """The value of a formula when every name in it has one value.

    Args:
        formula: Numbers, ids, ``+ - * /`` and parentheses.
        values: A number for every id in the formula.

    Returns:
        The value.

    Raises:
        ValueError: If the formula is malformed, uses an unknown id, or divides by zero.

    Example:
        >>> evaluate("9 / (0.5 * launched)", {"launched": 100})
        0.18
    """
    return _value(_parse(formula), values, formula, [])


def evaluate_range(formula: str, ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """The smallest and largest value of a formula when every id may be at its low or at its high.

    Every combination of lows and highs is tried; an id that occurs twice has the same value at both places.

    Args:
        formula: Numbers, ids, ``+ - * /`` and parentheses.
        ranges: (low, high) for every id in the formula.

    Returns:
        (low, high).

    Raises:
        ValueError: If the formula is malformed, uses an unknown id, or may divide by zero.

    Example:
        >>> evaluate_range("hits / launched", {"hits": (25, 37), "launched": (180, 200)})
        (0.125, 0.20555555555555555)
    """
    tree = _parse(formula)
    names = list(dict.fromkeys(_names(tree, formula)))
    unknown = [name for name in names if name not in ranges]
    if unknown:
        raise ValueError(f"the formula {formula!r} uses {unknown[0]!r}, which has no figure")
    if len(names) > MAX_NAMES:
        raise ValueError(f"the formula {formula!r} uses {len(names)} ids, more than {MAX_NAMES}")
    results = []
    signs: list[list[bool]] = []
    for corner in itertools.product(*(ranges[name] for name in names)):
        divisors: list[float] = []
        results.append(_value(tree, dict(zip(names, corner, strict=True)), formula, divisors))
        signs.append([d > 0 for d in divisors])
    if any(s != signs[0] for s in signs):
        raise ValueError(f"the formula {formula!r} may divide by zero: a divisor's range includes it")
    return min(results), max(results)


def _parse(formula: str) -> ast.expr:
    if len(formula) > MAX_LENGTH:
        raise ValueError(f"the formula is {len(formula)} characters long, more than {MAX_LENGTH}")
    try:
        return ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"the formula {formula!r} cannot be read") from None


def _refuse(node: ast.AST, formula: str) -> ValueError:
    return ValueError(
        f"the formula {formula!r} holds {ast.unparse(node)!r}; "
        "only numbers, ids, + - * / and parentheses may stand there"
    )


def _is_number(node: ast.Constant) -> bool:
    return isinstance(node.value, (int, float)) and not isinstance(node.value, bool)


def _names(node: ast.AST, formula: str) -> list[str]:
    match node:
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            return _names(left, formula) + _names(right, formula)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _names(operand, formula)
        case ast.Name(id=name):
            return [name]
        case ast.Constant(value=str(name)):
            return [name]
        case ast.Constant() if _is_number(node):
            return []
    raise _refuse(node, formula)


def _value(node: ast.AST, values: Mapping[str, float], formula: str, divisors: list[float]) -> float:
    match node:
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            a = _value(left, values, formula, divisors)
            b = _value(right, values, formula, divisors)
            if isinstance(op, ast.Div):
                if b == 0:
                    raise ValueError(f"the formula {formula!r} divides by zero")
                divisors.append(b)
            return _OPERATORS[type(op)](a, b)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values, formula, divisors)
        case ast.Name(id=str(name)) | ast.Constant(value=str(name)):
            if name not in values:
                raise ValueError(f"the formula {formula!r} uses {name!r}, which has no figure")
            return values[name]
        case ast.Constant(value=number) if _is_number(node):
            return number  # type: ignore[return-value]
    raise _refuse(node, formula)
