"""Symbols: arithmetic on them means what it says, equal expressions are one object, and none has a truth value."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

import detente as dt
from detente.errors import ModelError
from detente.model.symbols import BasisBuilder, Condition, Expr, Pool, reciprocal

NAMES = ("x", "y", "z_1")


def symbols_of(pool: Pool) -> dict[str, Any]:
    return {name: pool.parameter(name) for name in NAMES}


def evaluate(value: Any, values: dict[str, Any], num_draws: int = 1) -> np.ndarray:
    """The value of an expression for every draw, by way of the basis that games use."""
    builder = BasisBuilder()
    row = builder.row(value)
    monomials = builder.finish().evaluate(values, num_draws)
    return sum((c * monomials[m] for m, c in row), np.zeros(num_draws))


def magnitude(value: Any, values: dict[str, Any]) -> float:
    """Sum of the sizes of an expression's terms: what rounding errors are relative to."""
    builder = BasisBuilder()
    row = builder.row(value)
    monomials = builder.finish().evaluate(values, 1)
    return float(sum(abs(c) * abs(monomials[m][0]) for m, c in row))


# -- random expressions, written twice: as symbols and as floats -----------------------------------
@dataclass(frozen=True)
class Formula:
    """How to work something out from x, y and z_1: the same code serves symbols and floats."""

    text: str
    compute: Callable[[dict[str, Any]], Any]

    def __repr__(self) -> str:
        return self.text


def _times(a: Any, b: Any) -> Any:
    """A product, unless it would be a polynomial of hundreds of terms: that is only slow, not more of a test."""
    if isinstance(a, Expr) and isinstance(b, Expr) and len(a.terms) * len(b.terms) > 200:
        reject()
    return a * b


def _few(a: Any) -> Any:
    if isinstance(a, Expr) and len(a.terms) > 6:
        reject()
    return a


def _guarded(f: Formula) -> Formula:
    """At least one half, so that it may stand under a fraction, a root or a logarithm."""
    return Formula(f"max({f}, 1/2)", lambda v: dt.maximum(f.compute(v), Fraction(1, 2)))


def _bounded(f: Formula) -> Formula:
    return Formula(f"clip({f})", lambda v: dt.minimum(dt.maximum(f.compute(v), -3), 3))


def _where(op: str, a: Formula, b: Formula, c: Formula, d: Formula) -> Formula:
    def compute(v: dict[str, Any]) -> Any:
        left, right, yes, no = (f.compute(v) for f in (a, b, c, d))
        if not isinstance(left, Expr) and not isinstance(right, Expr):
            if abs(left - right) < 1e-6 * (1 + abs(left)):
                reject()  # so close that rounding decides it
            return yes if (left < right if op == "<" else left >= right) else no
        return dt.where(left < right if op == "<" else left >= right, yes, no)

    return Formula(f"({c} if {a} {op} {b} else {d})", compute)


def _binary(sign: str, a: Formula, b: Formula) -> Formula:
    compute: dict[str, Callable[[dict[str, Any]], Any]] = {
        "+": lambda v: a.compute(v) + b.compute(v),
        "-": lambda v: a.compute(v) - b.compute(v),
        "*": lambda v: _times(a.compute(v), b.compute(v)),
        "/": lambda v: a.compute(v) / _guarded(b).compute(v),
        "**": lambda v: _guarded(a).compute(v) ** _bounded(b).compute(v),
        "max": lambda v: dt.maximum(a.compute(v), b.compute(v)),
        "min": lambda v: dt.minimum(a.compute(v), b.compute(v)),
    }
    return Formula(f"({a} {sign} {b})", compute[sign])


def _unary(name: str, a: Formula) -> Formula:
    compute: dict[str, Callable[[dict[str, Any]], Any]] = {
        "-": lambda v: -a.compute(v),
        "+": lambda v: +a.compute(v),
        "abs": lambda v: abs(a.compute(v)),
        "exp": lambda v: dt.exp(_bounded(a).compute(v)),
        "log": lambda v: dt.log(_guarded(a).compute(v)),
        "sqrt": lambda v: dt.sqrt(_guarded(a).compute(v)),
        "square": lambda v: _times(a.compute(v), a.compute(v)),
        "cube": lambda v: _few(a.compute(v)) ** 3,
        "inverse square": lambda v: _few(_guarded(a).compute(v)) ** -2,
        "two to the": lambda v: 2 ** _bounded(a).compute(v),
        "one over": lambda v: 1 / _guarded(a).compute(v),
        "one minus": lambda v: 1 - a.compute(v),
    }
    return Formula(f"{name}({a})", compute[name])


UNARY = (
    "-",
    "+",
    "abs",
    "exp",
    "log",
    "sqrt",
    "square",
    "cube",
    "inverse square",
    "two to the",
    "one over",
    "one minus",
)
BINARY = ("+", "-", "*", "/", "**", "max", "min")
CONSTANTS = (
    st.integers(-3, 3)
    | st.fractions(-2, 2, max_denominator=6)
    | st.integers(-8, 8).map(lambda k: k / 4)
    | st.sampled_from([np.float64(0.75), np.int64(2), True])
)


def formulas(max_leaves: int = 7) -> st.SearchStrategy[Formula]:
    parameter = st.sampled_from(NAMES).map(lambda n: Formula(n, lambda v: v[n]))
    constant = CONSTANTS.map(lambda c: Formula(repr(c), lambda v: c))
    return st.recursive(
        parameter | parameter | constant,
        lambda inner: st.one_of(
            st.builds(_binary, st.sampled_from(BINARY), inner, inner),
            st.builds(_unary, st.sampled_from(UNARY), inner),
            st.builds(_where, st.sampled_from(["<", ">="]), inner, inner, inner, inner),
        ),
        max_leaves=max_leaves,
    )


VALUES = st.fixed_dictionaries({n: st.integers(-9, 9).map(lambda k: k / 4) for n in NAMES})


@given(formulas(), VALUES)
def test_an_expression_has_the_value_that_plain_arithmetic_gives(formula, values):
    pool = Pool(NAMES)
    symbolic = formula.compute(symbols_of(pool))
    direct = float(formula.compute(values))
    size = magnitude(symbolic, values)
    assume(size < 1e6)
    assert evaluate(symbolic, values)[0] == pytest.approx(direct, abs=1e-8 * (1 + size))


@given(formulas(), st.lists(VALUES, min_size=1, max_size=5))
def test_many_draws_at_once_are_the_draws_one_by_one(formula, worlds):
    pool = Pool()
    symbolic = formula.compute(symbols_of(pool))
    together = evaluate(symbolic, {n: np.array([w[n] for w in worlds]) for n in NAMES}, len(worlds))
    alone = [evaluate(symbolic, w)[0] for w in worlds]
    np.testing.assert_allclose(together, alone, rtol=1e-14)


@given(formulas(5))
def test_writing_the_same_expression_twice_gives_the_same_object(formula):
    pool = Pool()
    symbols = symbols_of(pool)
    first, second = formula.compute(symbols), formula.compute(symbols)
    assert first is second or (not isinstance(first, Expr) and first == second)


@given(st.lists(st.tuples(st.integers(-5, 5), st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=6), st.data())
def test_a_sum_is_one_object_in_whatever_order_it_is_added_up(terms, data):
    pool = Pool()

    def total(items):
        result: Any = pool.parameter("x") * 7
        for coefficient, a, b in items:
            result = result + coefficient * pool.parameter(a) * pool.parameter(b)
        return result

    shuffled = data.draw(st.permutations(terms))
    first, second = total(terms), total(shuffled)
    assert first is second


def test_products_and_powers_in_any_order_are_one_object():
    pool = Pool()
    x, y = pool.parameter("x"), pool.parameter("y")
    assert x * y * x is x**2 * y
    assert (x + y) ** 2 is x * x + 2 * x * y + y * y
    assert (x + y) * (x - y) is x**2 - y**2
    assert dt.exp(x + y) is dt.exp(y + x)
    assert dt.maximum(x * 2, y) is dt.maximum(x + x, y)
    assert x / 2 is x * Fraction(1, 2)
    assert x * 0.5 is x / 2


def test_different_expressions_are_different_objects():
    pool = Pool()
    x, y = pool.parameter("x"), pool.parameter("y")
    different = [x, y, x + y, x * y, x - y, dt.exp(x), dt.log(x), dt.sqrt(x), dt.maximum(x, y), dt.minimum(x, y), 1 / x]
    different += [dt.where(x < y, x, y), dt.where(x <= y, x, y), dt.where(x < y, y, x)]
    assert len({id(e) for e in different}) == len(different)


def test_constants_fold_to_plain_numbers():
    x: Any = Pool().parameter("x")
    assert x - x == 0
    assert type(x - x) is int
    assert x * 0 == 0
    assert x**0 == 1
    assert (x + 1) - x == 1
    assert 0 + x is x
    assert x * 1 is x
    assert +x is x
    assert dt.exp(0) == 1
    assert dt.exp(x - x) == 1
    assert dt.maximum(1, 2) == 2
    assert dt.minimum(Fraction(1, 3), 2) == Fraction(1, 3)
    assert reciprocal(4) == Fraction(1, 4)
    assert dt.where(True, 3, x) == 3
    assert dt.where(False, 3, x) is x
    assert dt.log(math.e) == pytest.approx(1)
    assert dt.sqrt(9) == 3


def test_division_by_a_whole_number_is_exact():
    x: Any = Pool().parameter("x")
    assert x / 3 + x / 3 + x / 3 is x
    assert 3 * (x / 3) is x


def test_numpy_scalars_leave_the_arithmetic_to_the_symbol():
    x: Any = Pool().parameter("x")
    assert np.float64(2.0) * x is 2 * x
    assert np.int64(2) + x is x + 2
    assert np.float64(1.0) - x is 1 - x
    assert evaluate(np.float64(1.0) / x, {"x": 4.0})[0] == 0.25


def test_evaluation_needs_no_jax_and_accepts_other_array_libraries():
    class Counting:
        calls: list[str] = []

        def __getattr__(self, name):
            self.calls.append(name)
            return getattr(np, name)

    pool = Pool()
    x = pool.parameter("x")
    builder = BasisBuilder()
    builder.row(dt.exp(x) + dt.where(x < 1, x, 2))
    builder.finish().evaluate({"x": 0.5}, 2, xp=Counting())
    assert {"exp", "where", "less"} <= set(Counting.calls)


def test_only_the_atoms_that_are_needed_are_kept():
    pool = Pool()
    x, y = pool.parameter("x"), pool.parameter("y")
    _ = dt.exp(y) * 3
    builder = BasisBuilder()
    builder.row(dt.exp(2 * x))
    basis = builder.finish(extra_parameters=("extra", "x"))
    assert basis.parameters == ("x", "extra")
    assert [op for op, _, _ in basis.atoms] == ["parameter", "exp", "parameter"]
    assert basis.monomials[0] == ()


# -- what a symbol refuses -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("question", "shown"),
    [
        (lambda x: bool(x), "x"),
        (lambda x: bool(x > 1), "x > 1"),
        (lambda x: bool(x == 1), "x == 1"),
        (lambda x: bool(x != 1), "x != 1"),
        (lambda x: 1 if x >= 2 else 0, "x >= 2"),
        (lambda x: x > 0 and x < 1, "x > 0"),
        (lambda x: 0 < x < 1, "x > 0"),
        (lambda x: not x, "x"),
        (lambda x: max(x, 1), "x < 1"),
        (lambda x: sorted([x + 1, x]), "x < 1 + x"),
        (lambda x: x in (1, 2), "x == 1"),
    ],
)
def test_the_truth_of_a_symbol_is_refused_with_the_reason_and_the_remedy(question, shown):
    x = Pool().parameter("x")
    with pytest.raises(ModelError, match="truth value of a parameter") as caught:
        question(x)
    message = str(caught.value)
    assert "one tree serves every draw" in message
    assert "dt.where(condition, a, b)" in message
    if shown not in ("x < 1", "x < 1 + x"):  # which side Python asks first is its own business
        assert f": {shown}." in message


@pytest.mark.parametrize(
    ("use", "what"),
    [
        (float, "a number"),
        (int, "a whole number"),
        (math.exp, "a number"),
        (math.floor, "a number"),
        (lambda x: [1, 2][x], "an index"),
        (range, "an index"),
        (lambda x: "ab" * x, "an index"),
    ],
)
def test_a_symbol_used_as_a_number_is_refused_with_the_functions_to_use(use, what):
    x: Any = Pool().parameter("x")
    with pytest.raises(ModelError, match=rf"turned into {what}: 2·x\. .*dt\.exp, dt\.log"):
        use(2 * x)


def test_a_symbol_compared_with_a_word_is_refused_with_the_word():
    x: Any = Pool().parameter("x")
    with pytest.raises(ModelError, match="compared with 'high', which is neither a number nor a symbol"):
        x == "high"  # noqa: B015


def test_division_by_zero_is_refused_with_the_expression():
    x: Any = Pool().parameter("x")
    for zero in (0, 0.0, x - x):
        with pytest.raises(ModelError, match=r"division by zero: \(1 \+ x\) / 0|division by zero: \(x \+ 1\) / 0"):
            (x + 1) / zero


def test_a_condition_without_a_symbol_is_refused():
    with pytest.raises(ModelError, match="no symbol in it. Use a plain if"):
        dt.where(Condition("<", 1, 2), 1, 2)


@pytest.mark.parametrize("other", [None, {}, object(), 1j])
@pytest.mark.parametrize("operation", [lambda a, b: a + b, lambda a, b: a * b, lambda a, b: b - a, lambda a, b: a / b])
def test_arithmetic_with_something_that_is_not_a_number_is_a_type_error(operation, other):
    with pytest.raises(TypeError):
        operation(Pool().parameter("x"), other)


def test_a_parameter_that_is_not_declared_is_reported_with_the_nearest_name():
    with pytest.raises(ModelError, match=r"'resolv' is not declared\. Did you mean 'resolve'\?"):
        Pool(["resolve", "hawk"]).parameter("resolv")


# -- printing ------------------------------------------------------------------------------------
def as_python(text: str) -> str:
    """The printed form of an expression as Python, to be evaluated."""
    for shown, python in (("·", "*"), ("−", "-"), ("^", "**"), ("√", "sqrt"), ("[", "("), ("]", ")")):
        text = text.replace(shown, python)
    return text


@given(formulas(5), VALUES)
def test_the_printed_form_reads_as_the_same_number(formula, values):
    pool = Pool()
    symbolic = formula.compute(symbols_of(pool))
    assume(magnitude(symbolic, values) < 1e4)
    names = {"exp": math.exp, "log": math.log, "sqrt": math.sqrt, "max": max, "min": min, **values}
    formula.compute(values)  # rejects comparisons that rounding decides
    read = eval(as_python(str(symbolic)), {"__builtins__": {}}, names)
    # Six digits are printed.
    assert read == pytest.approx(evaluate(symbolic, values)[0], rel=1e-3, abs=1e-3 * (1 + magnitude(symbolic, values)))


@pytest.mark.parametrize(
    ("make", "text", "latex"),
    [
        (lambda x, y: x - y, "x − y_2", r"\mathit{x} - \mathit{y\_2}"),
        (lambda x, y: -x, "−x", r"-\mathit{x}"),
        (lambda x, y: 1 - x, "−x + 1", r"-\mathit{x} + 1"),
        (lambda x, y: 2 * x * y**2, "2·x·y_2^2", r"2\,\mathit{x}\,{\mathit{y\_2}}^{2}"),
        (lambda x, y: x / 3, "1/3·x", r"1/3\,\mathit{x}"),
        (lambda x, y: 0.25 * x, "0.25·x", r"0.25\,\mathit{x}"),
        (lambda x, y: dt.exp(x), "exp(x)", r"e^{\mathit{x}}"),
        (lambda x, y: dt.sqrt(x), "√(x)", r"\sqrt{\mathit{x}}"),
        (lambda x, y: 1 / (1 + x), "1/(x + 1)", r"\frac{1}{\mathit{x} + 1}"),
        (lambda x, y: dt.minimum(1, x), "min(1, x)", r"\min\left(1, \mathit{x}\right)"),
        (lambda x, y: dt.maximum(x, y), "max(x, y_2)", r"\max\left(\mathit{x}, \mathit{y\_2}\right)"),
        (lambda x, y: dt.log(x), "log(x)", r"\log\left(\mathit{x}\right)"),
        (
            lambda x, y: dt.where(x < 1, y, 0),
            "[y_2 if x < 1 else 0]",
            r"\left[\mathit{y\_2}\ \text{if}\ \mathit{x} < 1\ \text{else}\ 0\right]",
        ),
    ],
)
def test_expressions_are_printed_as_people_write_them(make, text, latex):
    pool = Pool()
    value = make(pool.parameter("x"), pool.parameter("y_2"))
    assert str(value) == text
    assert repr(value) == f"<{text}>"
    assert value.latex() == latex
    assert value._repr_latex_() == f"${latex}$"


@given(formulas())
def test_latex_has_balanced_braces_and_delimiters(formula):
    pool = Pool()
    symbolic = formula.compute(symbols_of(pool))
    assume(isinstance(symbolic, Expr))
    latex = symbolic.latex()
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", latex):
        depth += 1 if brace == "{" else -1
        assert depth >= 0, latex
    assert depth == 0, latex
    assert latex.count(r"\left") == latex.count(r"\right")
    assert "_" not in latex.replace(r"\_", "")


def test_a_power_of_an_exponential_is_latex_that_compiles():
    x: Any = Pool().parameter("x")
    # a^{b}^{c} is an error in LaTeX: "Double superscript".
    assert re.search(r"\^\{[^{}]*(\{[^{}]*\})*[^{}]*\}\^", (dt.exp(x) ** 2).latex()) is None


# -- edges of arithmetic -------------------------------------------------------------------------
def test_a_whole_power_written_as_a_float_works_for_negative_values():
    x: Any = Pool().parameter("x")
    assert evaluate(x**2.0, {"x": -3.0})[0] == 9.0
    assert evaluate(x ** Fraction(2, 1), {"x": -3.0})[0] == 9.0
    assert evaluate(x**0.5, {"x": 4.0})[0] == pytest.approx(2.0)
    assert evaluate(x ** Fraction(1, 2), {"x": 4.0})[0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "impossible",
    [lambda: dt.log(0), lambda: dt.sqrt(-1), lambda: dt.exp(1e4), lambda: reciprocal(0), lambda: dt.log(-1.5)],
)
def test_a_function_of_a_number_outside_its_domain_is_a_model_error(impossible):
    with pytest.raises(ModelError):
        impossible()


def test_a_symbol_as_a_key_is_refused_with_the_reason():
    x: Any = Pool().parameter("x")
    with pytest.raises(ModelError, match="label"):
        {x: 1}  # noqa: B018


@pytest.mark.parametrize("function", [dt.exp, dt.log, dt.sqrt])
def test_a_function_of_a_word_is_refused_with_the_functions_name(function):
    with pytest.raises(ModelError, match=function.__name__):
        function("high")


@pytest.mark.parametrize(
    "mix",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: dt.maximum(a, b),
        lambda a, b: dt.where(a > 0, a, b),
        lambda a, b: dt.where(b > 0, a, 1),
    ],
)
def test_symbols_of_two_compilations_do_not_mix(mix):
    ours, theirs = Pool(), Pool()
    theirs.parameter("other")
    with pytest.raises(ModelError, match="another"):
        mix(ours.parameter("x"), theirs.parameter("y"))
