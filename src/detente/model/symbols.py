"""Parameters as symbols: arithmetic on them builds polynomials that are evaluated for many draws at once.

An expression is a polynomial over *atoms*. An atom is a parameter or a function of expressions (``exp``, ``maximum``, a
quotient …). Equal expressions are one object (hash-consing), and every operation is remembered, so that the thousands
of leaves of a tree share their sub-expressions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from detente.errors import ModelError, nearest

Number = int | float | Fraction
Monomial = tuple[tuple[int, int], ...]  # ((atom, power), …) with atoms ascending and powers ≥ 1
ONE: Monomial = ()

_TRUTH = (
    "the truth value of a parameter was asked for: {what}. The shape of the tree must not depend on the value of a "
    "parameter, because one tree serves every draw. Use dt.where(condition, a, b) inside a payoff or a probability, or "
    "make it a chance move."
)


_MIXED = (
    "symbols of two compilations were mixed: {what}. One of them was kept from another run. Keep no state between "
    "runs: take every parameter from p."
)
_KEY = (
    "the symbol {what} was used as a label or a key. Options are labels, and a parameter has no value while the tree "
    "is built. Write a word instead."
)


def _number(value: Any) -> Number | None:
    """The value as an exact Python number, or None when it is not a number."""
    kind = type(value)
    if kind is int or kind is float or kind is Fraction:
        return value
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, int | float | Fraction):
        return value
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.floating):
        return float(value)
    return None


@dataclass(frozen=True, slots=True)
class Atom:
    """One indivisible factor of a polynomial: a parameter (``op='parameter'``) or a function of expressions."""

    op: str
    name: str
    args: tuple["Expr | Number", ...]


class Pool:
    """Where the expressions of one compilation live; equal expressions of one pool are one object.

    Args:
        declared: Names of the parameters that exist, or None to accept any name.
    """

    def __init__(self, declared: Sequence[str] | None = None):
        self.declared = None if declared is None else tuple(declared)
        self.atoms: list[Atom] = []
        self._atom_exprs: dict[Any, Expr | Number] = {}
        self._exprs: dict[Any, Expr] = {}
        self._memo: dict[Any, Expr | Number] = {}
        self._products: dict[tuple[Monomial, Monomial], Monomial] = {}

    def parameter(self, name: str) -> "Expr":
        """The symbol of a parameter; the same object at every call."""
        if self.declared is not None and name not in self.declared:
            raise ModelError(
                f"parameters: {name!r} is not declared.{nearest(name, self.declared)} "
                "Declare it under [parameters] or correct the name in the rules."
            )
        found = self.atom("parameter", name, ())
        assert isinstance(found, Expr)
        return found

    def used(self) -> tuple[str, ...]:
        """Names of the parameters met so far, in order of first use."""
        return tuple(a.name for a in self.atoms if a.op == "parameter")

    def atom(self, op: str, name: str, args: "tuple[Expr | Number, ...]") -> "Expr | Number":
        """The expression that is one atom, made once."""
        key = (op, name, tuple([_key(a) for a in args]))
        found = self._atom_exprs.get(key)
        if found is None:
            self.atoms.append(Atom(op, name, args))
            found = self._atom_exprs[key] = self.make({((len(self.atoms) - 1, 1),): 1})
        return found

    def make(self, terms: dict[Monomial, Number]) -> "Expr | Number":
        """The expression with these terms; a plain number when nothing symbolic is left."""
        terms = {m: c for m, c in terms.items() if c != 0}
        if not terms:
            return 0
        if len(terms) == 1 and ONE in terms:
            return terms[ONE]
        key = frozenset(terms.items())
        found = self._exprs.get(key)
        if found is None:
            found = self._exprs[key] = Expr(self, terms, len(self._exprs))
        return found

    def multiply(self, left: Monomial, right: Monomial) -> Monomial:
        """The product of two monomials."""
        if not left:
            return right
        if not right:
            return left
        key = (left, right)
        found = self._products.get(key)
        if found is None:
            powers = dict(left)
            for atom, power in right:
                powers[atom] = powers.get(atom, 0) + power
            found = self._products[key] = tuple(sorted(powers.items()))
        return found


def _key(value: "Expr | Number") -> Any:
    return ("e", value.uid) if isinstance(value, Expr) else ("n", value)


class Condition:
    """A comparison of symbols, for ``dt.where``; it has no truth value of its own."""

    __slots__ = ("left", "op", "right")

    def __init__(self, op: str, left: "Expr | Number", right: "Expr | Number"):
        self.op, self.left, self.right = op, left, right

    def __bool__(self) -> NoReturn:
        raise ModelError(_TRUTH.format(what=repr(self)))

    def __hash__(self) -> NoReturn:
        raise ModelError(_KEY.format(what=repr(self)))

    def __repr__(self) -> str:
        return f"{self.left} {self.op} {self.right}"


class Expr:
    """A polynomial over atoms. Made by arithmetic on parameters; never by hand."""

    __slots__ = ("pool", "terms", "uid")
    __array_ufunc__ = None  # so that numpy scalars defer to the methods below

    def __init__(self, pool: Pool, terms: dict[Monomial, Number], uid: int):
        self.pool, self.terms, self.uid = pool, terms, uid

    # -- arithmetic -------------------------------------------------------------------------------
    def __add__(self, other: Any) -> "Expr | Number":
        if not isinstance(other, Expr):
            number = _number(other)
            if number is None:
                return NotImplemented
            if number == 0:
                return self
            other = number
        elif other.pool is not self.pool:
            raise ModelError(_MIXED.format(what=f"{self}, {other}"))
        memo = self.pool._memo
        key = ("+", self.uid, _key(other))
        found = memo.get(key)
        if found is None:
            terms = dict(self.terms)
            for m, c in _terms(other).items():
                terms[m] = terms.get(m, 0) + c
            found = memo[key] = self.pool.make(terms)
        return found

    __radd__ = __add__

    def __neg__(self) -> "Expr | Number":
        return self * -1

    def __pos__(self) -> "Expr":
        return self

    def __sub__(self, other: Any) -> "Expr | Number":
        if not isinstance(other, Expr) and _number(other) is None:
            return NotImplemented
        return self + (-1) * other

    def __rsub__(self, other: Any) -> "Expr | Number":
        if _number(other) is None:
            return NotImplemented
        return (-1) * self + other

    def __mul__(self, other: Any) -> "Expr | Number":
        if not isinstance(other, Expr):
            number = _number(other)
            if number is None:
                return NotImplemented
            if number == 1:
                return self
            other = number
        elif other.pool is not self.pool:
            raise ModelError(_MIXED.format(what=f"{self}, {other}"))
        memo = self.pool._memo
        key = ("*", self.uid, _key(other))
        found = memo.get(key)
        if found is None:
            terms: dict[Monomial, Number] = {}
            for m1, c1 in self.terms.items():
                for m2, c2 in _terms(other).items():
                    m = self.pool.multiply(m1, m2)
                    terms[m] = terms.get(m, 0) + c1 * c2
            found = memo[key] = self.pool.make(terms)
        return found

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Expr | Number":
        if isinstance(other, Expr):
            return self * reciprocal(other)
        number = _number(other)
        if number is None:
            return NotImplemented
        if number == 0:
            raise ModelError(f"division by zero: ({self}) / 0. Divide by something that is never zero.")
        return self * (Fraction(1, number) if isinstance(number, int) else 1 / number)

    def __rtruediv__(self, other: Any) -> "Expr | Number":
        if _number(other) is None:
            return NotImplemented
        return reciprocal(self) * other

    def __pow__(self, power: Any) -> "Expr | Number":
        number = _number(power)
        if (isinstance(number, float) and number.is_integer()) or (
            isinstance(number, Fraction) and number.denominator == 1
        ):
            number = int(number)  # x ** 2.0 is a square, also where x is negative
        if isinstance(number, int) and number >= 0:
            result: Expr | Number = 1
            for _ in range(number):
                result = self * result
            return result
        if isinstance(number, int):
            return reciprocal(self**-number)
        if isinstance(power, Expr) or number is not None:
            return exp(power * log(self))
        return NotImplemented

    def __rpow__(self, base: Any) -> "Expr | Number":
        if _number(base) is None:
            return NotImplemented
        return exp(self * log(base))

    def __abs__(self) -> "Expr | Number":
        return maximum(self, -self)

    # -- comparisons make conditions; a condition refuses to be true or false ---------------------
    def __lt__(self, other: Any) -> Condition:
        return Condition("<", self, _operand(other))

    def __le__(self, other: Any) -> Condition:
        return Condition("<=", self, _operand(other))

    def __gt__(self, other: Any) -> Condition:
        return Condition(">", self, _operand(other))

    def __ge__(self, other: Any) -> Condition:
        return Condition(">=", self, _operand(other))

    def __eq__(self, other: Any) -> Condition:  # type: ignore[override]
        return Condition("==", self, _operand(other))

    def __ne__(self, other: Any) -> Condition:  # type: ignore[override]
        return Condition("!=", self, _operand(other))

    def __hash__(self) -> NoReturn:
        raise ModelError(_KEY.format(what=str(self)))

    def __bool__(self) -> NoReturn:
        raise ModelError(_TRUTH.format(what=str(self)))

    def _refuse(self, what: str) -> NoReturn:
        raise ModelError(
            f"a parameter was turned into {what}: {self}. It has no value while the tree is built. Keep it symbolic: "
            "dt.exp, dt.log, dt.sqrt, dt.maximum, dt.minimum and dt.where work on symbols, functions of math do not."
        )

    def __float__(self) -> float:
        self._refuse("a number")

    def __int__(self) -> int:
        self._refuse("a whole number")

    def __index__(self) -> int:
        self._refuse("an index")

    # -- printing ---------------------------------------------------------------------------------
    def __str__(self) -> str:
        return _format(self, _TEXT)

    def __repr__(self) -> str:
        return f"<{self}>"

    def latex(self) -> str:
        """The expression in LaTeX mathematics."""
        return _format(self, _LATEX)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"


def _terms(value: "Expr | Number") -> Mapping[Monomial, Number]:
    return value.terms if isinstance(value, Expr) else {ONE: value}


def _operand(value: Any, where: str = "a parameter was compared with") -> "Expr | Number":
    if isinstance(value, Expr):
        return value
    number = _number(value)
    if number is None:
        raise ModelError(
            f"{where} {value!r}, which is neither a number nor a symbol. Give a number or an expression of parameters."
        )
    return number


# -- functions on symbols ------------------------------------------------------------------------
def _pool_of(operands: "tuple[Expr | Number, ...]") -> Pool | None:
    """Where the symbols among some operands live; None when all are numbers."""
    pools = {id(o.pool): o.pool for o in operands if isinstance(o, Expr)}
    if len(pools) > 1:
        raise ModelError(_MIXED.format(what=", ".join(str(o) for o in operands)))
    return next(iter(pools.values()), None)


def _function(op: str, plain: Callable[..., Number], *args: Any) -> "Expr | Number":
    operands = tuple(_operand(a, f"dt.{op} was given") for a in args)
    pool = _pool_of(operands)
    if pool is not None:
        return pool.atom(op, op, operands)
    try:
        return plain(*operands)
    except (ArithmeticError, ValueError):
        shown = ", ".join(_format_number(o) for o in operands if not isinstance(o, Expr))
        raise ModelError(
            f"dt.{op}({shown}) has no finite value (division by zero, negative root or logarithm, or overflow). "
            "Guard it with dt.maximum."
        ) from None


def exp(x: Any) -> "Expr | Number":
    """e to the power of a symbol or number.

    Example:
        >>> exp(0)
        1.0
    """
    return _function("exp", lambda v: math.exp(v), x)


def log(x: Any) -> "Expr | Number":
    """Natural logarithm of a symbol or number, which must be positive for every draw.

    Example:
        >>> log(1)
        0.0
    """
    return _function("log", lambda v: math.log(v), x)


def sqrt(x: Any) -> "Expr | Number":
    """Square root of a symbol or number, which must not be negative for any draw.

    Example:
        >>> sqrt(4)
        2.0
    """
    return _function("sqrt", lambda v: math.sqrt(v), x)


def maximum(a: Any, b: Any) -> "Expr | Number":
    """The larger of two symbols or numbers, draw by draw.

    Example:
        >>> maximum(1, 2)
        2
    """
    return _function("maximum", max, a, b)


def minimum(a: Any, b: Any) -> "Expr | Number":
    """The smaller of two symbols or numbers, draw by draw.

    Example:
        >>> minimum(1, 2)
        1
    """
    return _function("minimum", min, a, b)


def reciprocal(x: Any) -> "Expr | Number":
    """One divided by a symbol or number.

    Example:
        >>> reciprocal(4)
        Fraction(1, 4)
    """
    return _function("reciprocal", lambda v: Fraction(1, v) if isinstance(v, int) else 1 / v, x)


def where(condition: Any, a: Any, b: Any) -> "Expr | Number":
    """One value where a comparison of symbols holds and another where it does not, draw by draw.

    Args:
        condition: A comparison such as ``p.x > 1``, or a plain truth value.
        a: The value where it holds.
        b: The value where it does not.

    Example:
        >>> where(True, 1, 2)
        1
    """
    if not isinstance(condition, Condition):
        return _operand(a) if condition else _operand(b)
    operands = (condition.left, condition.right, _operand(a, "dt.where was given"), _operand(b, "dt.where was given"))
    pool = _pool_of(operands)
    if pool is not None:
        return pool.atom("where", condition.op, operands)
    raise ModelError(f"where: the condition {condition} has no symbol in it. Use a plain if.")


# -- printing ------------------------------------------------------------------------------------
_TEXT = {
    "parameter": "{name}",
    "exp": "exp({0})",
    "log": "log({0})",
    "sqrt": "√({0})",
    "maximum": "max({0}, {1})",
    "minimum": "min({0}, {1})",
    "reciprocal": "1/({0})",
    "where": "[{2} if {0} {name} {1} else {3}]",
    "times": "·",
    "power": "{base}^{power}",
    "minus": "−",
}
_LATEX = {
    "parameter": "\\mathit{{{name}}}",
    "exp": "e^{{{0}}}",
    "log": "\\log\\left({0}\\right)",
    "sqrt": "\\sqrt{{{0}}}",
    "maximum": "\\max\\left({0}, {1}\\right)",
    "minimum": "\\min\\left({0}, {1}\\right)",
    "reciprocal": "\\frac{{1}}{{{0}}}",
    "where": "\\left[{2}\\ \\text{{if}}\\ {0} {name} {1}\\ \\text{{else}}\\ {3}\\right]",
    "times": "\\,",
    "power": "{{{base}}}^{{{power}}}",
    "minus": "-",
}


def _format_number(value: Number) -> str:
    return str(value) if isinstance(value, int | Fraction) else f"{value:.6g}"


def _format(value: "Expr | Number", style: dict[str, str]) -> str:
    if not isinstance(value, Expr):
        return _format_number(value)
    atoms = value.pool.atoms
    latex = style is _LATEX

    def atom_text(index: int) -> str:
        atom = atoms[index]
        name = atom.name.replace("_", "\\_") if latex else atom.name
        return style[atom.op].format(*(_format(a, style) for a in atom.args), name=name)

    parts = []
    for monomial, coefficient in sorted(value.terms.items(), key=lambda t: (len(t[0]) == 0, t[0])):
        factors = [atom_text(a) if n == 1 else style["power"].format(base=atom_text(a), power=n) for a, n in monomial]
        size = abs(coefficient)
        if size != 1 or not factors:
            factors.insert(0, _format_number(size))
        sign = style["minus"] if coefficient < 0 else "+"
        parts.append((sign, style["times"].join(factors)))
    first_sign, first = parts[0]
    text = (first_sign if first_sign != "+" else "") + first
    return text + "".join(f" {sign} {body}" for sign, body in parts[1:])


# -- evaluation ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Basis:
    """The atoms and monomials that the expressions of a game are made of, ready to be evaluated for many draws.

    Attributes:
        atoms: Each atom as (op, name, arguments); an argument is a row of (monomial index, coefficient) pairs.
        monomials: Each monomial as ((atom index, power), …); the first is the constant 1.
    """

    atoms: tuple[tuple[str, str, tuple[tuple[tuple[int, float], ...], ...]], ...]
    monomials: tuple[Monomial, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters among the atoms."""
        return tuple(name for op, name, _ in self.atoms if op == "parameter")

    def evaluate(self, values: Mapping[str, Any], num_draws: int, xp: Any = np) -> Any:
        """The value of every monomial for every draw.

        Args:
            values: Parameter name → array of shape (draw,) or a number.
            num_draws: How many draws.
            xp: The array library to compute with: numpy, or jax.numpy where derivatives are wanted.

        Returns:
            Array of shape (monomial, draw).
        """
        ones = xp.ones(num_draws)
        atom_values: list[Any] = []
        monomial_values: dict[int, Any] = {}

        def monomial(index: int) -> Any:
            if index not in monomial_values:
                product = ones
                for atom, power in self.monomials[index]:
                    product = product * (atom_values[atom] if power == 1 else atom_values[atom] ** power)
                monomial_values[index] = product
            return monomial_values[index]

        for op, name, args in self.atoms:
            if op == "parameter":
                atom_values.append(ones * xp.asarray(values[name], dtype=float))
            else:
                rows = [sum((c * monomial(m) for m, c in row), 0.0 * ones) for row in args]
                atom_values.append(_apply(op, name, rows, xp))
        return xp.stack([monomial(i) for i in range(len(self.monomials))])

    def jacobian(
        self, values: Mapping[str, Any], num_draws: int, wrt: Sequence[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The value of every monomial and its derivative by every parameter, for every draw; exact, no differences.

        Where an expression has a kink, the derivative is the one to the right, as the parameter rises: at a tie
        ``maximum`` moves with the option that rises more, ``minimum`` with the one that rises less. ``where`` moves
        with the branch that is taken. What stands inside ``sqrt``, ``log``, ``exp`` or a quotient and does not change
        with a parameter adds nothing, also where the function itself has no slope (``sqrt`` at 0).

        Args:
            values: Parameter name → array of shape (draw,) or a number.
            num_draws: How many draws.
            wrt: Parameters by which to differentiate; a name that is not among the atoms gets zeros. Default: all.

        Returns:
            Arrays of shape (monomial, draw) and (monomial, parameter, draw).

        Example:
            >>> pool = Pool()
            >>> builder = BasisBuilder()
            >>> _ = builder.row(pool.parameter("x") ** 2)
            >>> monomials, slopes = builder.finish().jacobian({"x": 3.0}, 1)
            >>> monomials[:, 0].tolist(), slopes[:, 0, 0].tolist()
            ([1.0, 9.0], [0.0, 6.0])
        """
        column = {name: k for k, name in enumerate(self.parameters if wrt is None else wrt)}
        ones, flat = np.ones(num_draws), np.zeros((len(column), num_draws))
        atoms: list[tuple[np.ndarray, np.ndarray]] = []
        known: dict[int, tuple[np.ndarray, np.ndarray]] = {}

        def monomial(index: int) -> tuple[np.ndarray, np.ndarray]:
            if index not in known:
                value, slope = ones, flat
                for atom, power in self.monomials[index]:
                    factor, change = atoms[atom]
                    if power > 1:
                        factor, change = factor**power, power * factor ** (power - 1) * change
                    value, slope = value * factor, slope * factor + value * change
                known[index] = value, slope
            return known[index]

        def row(terms: Sequence[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
            parts = [(c, *monomial(m)) for m, c in terms]
            return sum((c * v for c, v, _ in parts), 0.0 * ones), sum((c * s for c, _, s in parts), 0.0 * flat)

        with np.errstate(all="ignore"):  # what is not finite shows up in the result
            for op, name, args in self.atoms:
                if op == "parameter":
                    value, slope = ones * np.asarray(values[name], dtype=float), flat
                    if name in column:
                        slope = flat.copy()
                        slope[column[name]] = 1.0
                else:
                    rows = [row(terms) for terms in args]
                    inside = [v for v, _ in rows]
                    value = _apply(op, name, inside, np)
                    slope = _slope(op, name, inside, [s for _, s in rows], value)
                atoms.append((value, slope))
            found = [monomial(i) for i in range(len(self.monomials))]
        return np.stack([v for v, _ in found]), np.stack([s for _, s in found])


def _slope(op: str, name: str, inside: list[Any], slopes: list[Any], value: Any) -> Any:
    """Derivative of an atom by every parameter, (parameter, draw), from those of its arguments."""
    if op == "where":
        return _apply(op, name, [*inside[:2], *slopes[2:]], np)
    if op in ("maximum", "minimum"):
        (a, b), (da, db) = inside, slopes
        first = a > b if op == "maximum" else a < b
        return np.where(first, da, np.where(a == b, _apply(op, name, [da, db], np), db))
    factors = {
        "exp": lambda: value,
        "log": lambda: 1.0 / inside[0],
        "sqrt": lambda: 0.5 / value,
        "reciprocal": lambda: -value * value,
    }
    return np.where(slopes[0] == 0, 0.0, factors[op]() * slopes[0])  # 0 · ∞ is 0 here: nothing inside moves


def _apply(op: str, name: str, rows: list[Any], xp: Any) -> Any:
    if op == "where":
        comparisons = {
            "<": xp.less,
            "<=": xp.less_equal,
            ">": xp.greater,
            ">=": xp.greater_equal,
            "==": xp.equal,
            "!=": xp.not_equal,
        }
        return xp.where(comparisons[name](rows[0], rows[1]), rows[2], rows[3])
    if op == "reciprocal":
        return 1.0 / rows[0]
    return getattr(xp, op)(*rows)


class BasisBuilder:
    """Collects the expressions of a game and turns them into rows over one shared basis."""

    def __init__(self) -> None:
        self._pool: Pool | None = None
        self._monomials: dict[Monomial, int] = {ONE: 0}
        self._rows: dict[int, tuple[tuple[int, float], ...]] = {}

    def row(self, value: "Expr | Number") -> tuple[tuple[int, float], ...]:
        """The expression as (monomial index, coefficient) pairs."""
        if not isinstance(value, Expr):
            return ((0, float(value)),) if value != 0 else ()
        self._pool = value.pool
        found = self._rows.get(value.uid)
        if found is None:
            index = self._monomials
            found = tuple((index.setdefault(m, len(index)), float(c)) for m, c in value.terms.items())
            self._rows[value.uid] = found
        return found

    def finish(self, extra_parameters: Sequence[str] = ()) -> Basis:
        """The basis of everything collected; only atoms that are needed are kept.

        Args:
            extra_parameters: Parameters to keep although no expression uses them (a precision, say).
        """
        atoms = self._pool.atoms if self._pool is not None else []
        needed: set[int] = set()
        stack = [a for m in self._monomials for a, _ in m]
        while stack:
            index = stack.pop()
            if index not in needed:
                needed.add(index)
                for arg in atoms[index].args:
                    stack.extend(a for m in _terms(arg) for a, _ in m)
        for index in sorted(needed):  # arguments first: an atom is made after the atoms inside it
            for arg in atoms[index].args:
                self.row(arg)
        order = {old: new for new, old in enumerate(sorted(needed))}
        rows = tuple((atoms[i].op, atoms[i].name, tuple(self.row(a) for a in atoms[i].args)) for i in sorted(needed))
        known = {name for op, name, _ in rows if op == "parameter"}
        rows += tuple(("parameter", name, ()) for name in extra_parameters if name not in known)
        monomials = tuple(tuple((order[a], n) for a, n in m) for m in self._monomials)
        return Basis(atoms=rows, monomials=monomials)
