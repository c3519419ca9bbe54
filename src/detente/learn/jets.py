"""Numbers that carry their first and second derivatives: one forward sweep gives gradient and Hessian, exactly.

A likelihood of rows depends on a few *predictors* (a payoff, a scale) that differ from row to row. A :class:`Jet` holds
a value for every row and its derivatives by those predictors; what a predictor is made of (regressors and
coefficients) is a matter of linear algebra afterwards. Derivatives that are zero by structure are not stored.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray
LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


class Jet:
    """A value for every row with its first and second derivatives.

    Args:
        value: Any shape, usually (row,) or (replicate, row).
        first: Predictor index → derivative.
        second: (i, j) with i ≤ j → second derivative.
        order: How many derivatives are carried: 0, 1 or 2.
    """

    __slots__ = ("first", "order", "second", "value")
    __array_ufunc__ = None  # arrays on the left defer to the methods below

    def __init__(
        self,
        value: Any,
        first: Mapping[int, Any] | None = None,
        second: Mapping[tuple[int, int], Any] | None = None,
        order: int = 2,
    ):
        self.value, self.first, self.second, self.order = value, first or {}, second or {}, order

    def __add__(self, other: Any) -> "Jet":
        if not isinstance(other, Jet):
            return Jet(self.value + other, self.first, self.second, self.order)
        return Jet(
            self.value + other.value,
            _merge(self.first, other.first),
            _merge(self.second, other.second),
            min(self.order, other.order),
        )

    __radd__ = __add__

    def __neg__(self) -> "Jet":
        return self * -1.0

    def __sub__(self, other: Any) -> "Jet":
        return self + (-other)

    def __rsub__(self, other: Any) -> "Jet":
        return (-self) + other

    def __mul__(self, other: Any) -> "Jet":
        if not isinstance(other, Jet):
            return Jet(
                self.value * other,
                {i: g * other for i, g in self.first.items()},
                {ij: h * other for ij, h in self.second.items()},
                self.order,
            )
        order = min(self.order, other.order)
        a, b = self.value, other.value
        first = _merge({i: g * b for i, g in self.first.items()}, {i: g * a for i, g in other.first.items()})
        second: dict[tuple[int, int], Any] = {}
        if order == 2:
            second = _merge({k: h * b for k, h in self.second.items()}, {k: h * a for k, h in other.second.items()})
            for i, g in self.first.items():
                for j, h in other.first.items():
                    product = g * h
                    _add(second, (i, j) if i <= j else (j, i), 2.0 * product if i == j else product)
        return Jet(a * b, first, second, order)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Jet":
        return self * (reciprocal(other) if isinstance(other, Jet) else 1.0 / other)

    def __rtruediv__(self, other: Any) -> "Jet":
        return reciprocal(self) * other

    def __repr__(self) -> str:
        return f"Jet({self.value!r}, by {sorted(self.first)})"


def variable(value: Array, index: int, order: int = 2) -> Jet:
    """A predictor: its derivative by itself is one.

    Example:
        >>> x = variable(np.array([3.0]), 0)
        >>> y = x * x
        >>> y.first[0].tolist(), y.second[0, 0]
        ([6.0], 2.0)
    """
    # A number, not an array of ones: what is linear in the predictors then costs next to nothing.
    return Jet(value, {index: 1.0} if order else {}, {}, order)


def _add(into: dict, key: Any, value: Any) -> None:
    into[key] = into[key] + value if key in into else value


def _merge(a: Mapping, b: Mapping) -> dict:
    merged = dict(a)
    for key, value in b.items():
        _add(merged, key, value)
    return merged


def value_of(x: Any) -> Any:
    """The value of a jet, or the number itself."""
    return x.value if isinstance(x, Jet) else x


def chain(x: Jet, value: Any, first: Any, second: Any) -> Jet:
    """A function of one jet, from its value and its first and second derivative there."""
    grads = {i: first * g for i, g in x.first.items()}
    bends: dict[tuple[int, int], Any] = {}
    if x.order == 2:
        bends = {k: first * h for k, h in x.second.items()}
        items = sorted(x.first.items())
        for n, (i, g) in enumerate(items):
            bent = second * g
            for j, h in items[n:]:
                _add(bends, (i, j), bent * h)
    return Jet(value, grads, bends, x.order)


def chain2(x: Any, y: Any, value: Any, first: tuple[Any, Any], second: tuple[Any, Any, Any]) -> Any:
    """A function of two jets: first derivatives (by x, by y) and second (xx, xy, yy)."""
    if not isinstance(x, Jet):
        return chain(y, value, first[1], second[2]) if isinstance(y, Jet) else value
    if not isinstance(y, Jet):
        return chain(x, value, first[0], second[0])
    order = min(x.order, y.order)
    a, b = chain(x, value, first[0], second[0]), chain(y, value, first[1], second[2])
    mixed = _merge(a.second, b.second) if order == 2 else {}
    if order == 2:
        for i, g in x.first.items():
            for j, h in y.first.items():
                product = second[1] * g * h
                _add(mixed, (i, j) if i <= j else (j, i), 2.0 * product if i == j else product)
    return Jet(value, _merge(a.first, b.first), mixed, order)


# -- functions of a jet or a number ------------------------------------------------------------------
def is_traced(x: Any) -> bool:
    """Whether a value is JAX's: then JAX keeps the derivatives, and its functions are taken."""
    return type(x).__module__.partition(".")[0] in ("jax", "jaxlib")


def _numpy(x: Any) -> Any:
    """NumPy, or JAX's for its own values."""
    if not is_traced(x):
        return np
    import jax.numpy

    return jax.numpy


def exp(x: Any) -> Any:
    """e to the power."""
    if not isinstance(x, Jet):
        return _numpy(x).exp(x)
    value = np.exp(x.value)
    return chain(x, value, value, value)


def log(x: Any) -> Any:
    """Natural logarithm."""
    if not isinstance(x, Jet):
        return _numpy(x).log(x)
    inverse = 1.0 / x.value
    return chain(x, np.log(x.value), inverse, -inverse * inverse)


def sqrt(x: Any) -> Any:
    """Square root."""
    if not isinstance(x, Jet):
        return _numpy(x).sqrt(x)
    value = np.sqrt(x.value)
    return chain(x, value, 0.5 / value, -0.25 / (value * x.value))


def reciprocal(x: Any) -> Any:
    """One divided by it."""
    if not isinstance(x, Jet):
        return 1.0 / x
    value = 1.0 / x.value
    return chain(x, value, -value * value, 2.0 * value**3)


def power(x: Any, n: int) -> Any:
    """A whole power."""
    if not isinstance(x, Jet):
        return x**n
    v = x.value
    return chain(x, v**n, n * v ** (n - 1), n * (n - 1) * v ** (n - 2) if n > 1 else 0.0 * v)


def mills(z: Array) -> tuple[Array, Array]:
    """log Φ(z) and its derivative φ(z)/Φ(z), right also where Φ underflows.

    Example:
        >>> logs, slopes = mills(np.array([-46.0]))
        >>> bool(logs[0] < -1062), round(float(slopes[0]), 3)
        (True, 46.022)
    """
    from scipy.special import log_ndtr

    logs = log_ndtr(z)
    return logs, np.exp(-0.5 * z * z - LOG_SQRT_2PI - logs)


def log_normal_cdf(x: Any) -> Any:
    """log Φ: the logarithm of the normal distribution function."""
    if is_traced(x):
        from jax.scipy.special import log_ndtr

        return log_ndtr(x)
    value, slope = mills(np.asarray(value_of(x), dtype=float))
    return chain(x, value, slope, -slope * (value_of(x) + slope)) if isinstance(x, Jet) else value


def log_normal_pair(x: Any) -> tuple[Any, Any]:
    """log Φ(−x) and log Φ(x) together, at little more than the price of one.

    Example:
        >>> low, high = log_normal_pair(np.array([50.0]))
        >>> round(float(low[0]), 2), bool(high[0] == 0)
        (-1254.83, True)
    """
    if is_traced(x):
        return log_normal_cdf(-x), log_normal_cdf(x)
    from scipy.special import log_ndtr, ndtr

    z = np.asarray(value_of(x), dtype=float)
    size = np.abs(z)
    with np.errstate(divide="ignore"):
        tail = ndtr(-size)
        small, large = np.log(tail), np.log1p(-tail)
    far = size > 30.0  # where the tail itself underflows
    if far.any():
        small = np.where(far, log_ndtr(-size), small)
    positive = z > 0
    low, high = np.where(positive, small, large), np.where(positive, large, small)
    if not isinstance(x, Jet):
        return low, high
    log_density = -0.5 * z * z - LOG_SQRT_2PI
    down, up = np.exp(log_density - low), np.exp(log_density - high)
    return chain(x, low, -down, down * (z - down)), chain(x, high, up, -up * (z + up))


def log_logistic_cdf(x: Any) -> Any:
    """log Λ: the logarithm of the logistic distribution function."""
    if is_traced(x):
        return -_numpy(x).logaddexp(0.0, -x)
    from scipy.special import expit

    z = np.asarray(value_of(x), dtype=float)
    value = -np.logaddexp(0.0, -z)
    if not isinstance(x, Jet):
        return value
    other = expit(-z)
    return chain(x, value, other, -other * expit(z))


def select(mask: Array, x: Any, otherwise: float = 0.0) -> Any:
    """The jet where a mask holds; elsewhere a constant without derivatives, whatever the jet has there."""
    if not isinstance(x, Jet):
        return _numpy(x).where(mask, x, otherwise)
    return Jet(
        np.where(mask, x.value, otherwise),
        {i: np.where(mask, g, 0.0) for i, g in x.first.items()},
        {k: np.where(mask, h, 0.0) for k, h in x.second.items()},
        x.order,
    )


def either(mask: Array, x: Any, y: Any) -> Any:
    """One jet where a mask holds and another where it does not."""
    picked = select(mask, x) + select(~np.asarray(mask), y)
    return picked


def log_sum_exp(parts: Sequence[Any]) -> Any:
    """log Σ exp of jets, in logs throughout."""
    if len(parts) == 1:
        return parts[0]
    if any(is_traced(p) for p in parts):
        from jax.numpy import broadcast_arrays, stack
        from jax.scipy.special import logsumexp

        return logsumexp(stack(broadcast_arrays(*parts)), axis=0)
    values = [np.asarray(value_of(p), dtype=float) for p in parts]
    top = values[0]
    for value in values[1:]:
        top = np.maximum(top, value)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        total = top + np.log(sum(np.exp(v - top) for v in values))
    jets = [p for p in parts if isinstance(p, Jet)]
    if not jets:
        return total
    order = min(j.order for j in jets)
    first: dict[int, Any] = {}
    second: dict[tuple[int, int], Any] = {}
    for part, value in zip(parts, values, strict=True):
        if not isinstance(part, Jet):
            continue
        share = np.exp(value - np.where(np.isfinite(total), total, 0.0))
        for i, g in part.first.items():
            _add(first, i, share * g)
        if order == 2:
            bent = chain(part, value, share, share)  # share·h + share·g·g
            second = _merge(second, bent.second)
    if order == 2:
        items = sorted(first.items())
        for n, (i, g) in enumerate(items):
            for j, h in items[n:]:
                _add(second, (i, j), -g * h)
    return Jet(total, first, second, order)


def log1m_exp(x: Any) -> Any:
    """log(1 − eˣ) for x < 0."""
    z = np.asarray(value_of(x), dtype=float)
    with np.errstate(divide="ignore"):
        value = np.where(z > -0.6931, np.log(-np.expm1(np.minimum(z, 0.0))), np.log1p(-np.exp(np.minimum(z, 0.0))))
    if not isinstance(x, Jet):
        return value
    odds = 1.0 / np.expm1(-z)  # eˣ / (1 − eˣ)
    return chain(x, value, -odds, -odds * (1.0 + odds))


FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {"exp": exp, "log": log, "sqrt": sqrt, "reciprocal": reciprocal}
