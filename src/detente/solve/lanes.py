"""Rows of draws as vector registers: the few operations of the sweep, written for the machine.

A *row* is ``LANES`` numbers that lie together in a C-contiguous array whose last axis is the lane. The compiler cannot
prove that two arrays do not overlap, and so would do such rows number by number; here every operation loads whole
vectors, works on them and stores them. An operation names each row by its array and the index of the row counted over
the whole array.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

LANES = 16  # draws solved side by side

LINE = 64  # bytes of a cache line: rows that begin with one are loaded twice as fast


def aligned(*shape: int) -> np.ndarray:
    """Rows of zeros that begin with a cache line, for ``shape`` rows."""
    count = LANES * int(np.prod(shape))
    numbers = np.zeros(count + LINE // 8)
    first = -numbers.ctypes.data % LINE // 8
    return numbers[first : first + count].reshape(*shape, LANES)


_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_BITS = ir.VectorType(ir.IntType(64), LANES)


def _splat(value: float) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * LANES)


def _splat_bits(value: int) -> ir.Constant:
    return ir.Constant(_BITS, [value] * LANES)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    """Address of a row as a pointer to a vector."""
    if array_type.layout != "C":
        raise TypingError(f"rows of lanes must lie one after the other in memory; this is an {array_type}")
    data = context.make_array(array_type)(context, builder, array).data
    first = builder.mul(row, ir.Constant(row.type, LANES))
    return builder.bitcast(builder.gep(data, [first]), _VECTOR.as_pointer())


def _load(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    return builder.load(_pointer(context, builder, array_type, array, row), align=8)


def _store(context: Any, builder: Any, array_type: Any, array: Any, row: Any, value: Any) -> None:
    builder.store(value, _pointer(context, builder, array_type, array, row), align=8)


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, fused where the machine can."""
    product = builder.fmul(a, b, flags=("contract",))
    return builder.fadd(product, c, flags=("contract",))


def _operation(num_arrays: int, emit: Any) -> Any:
    """An intrinsic over rows of ``num_arrays`` arrays; ``emit`` gets load and store functions by position."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def load(position: int) -> Any:
            return _load(context, builder, signature.args[2 * position], args[2 * position], args[2 * position + 1])

        def store(position: int, value: Any) -> None:
            _store(context, builder, signature.args[2 * position], args[2 * position], args[2 * position + 1], value)

        emit(builder, load, store)
        return context.get_dummy_value()

    if num_arrays == 1:

        def typing_1(typing_context: Any, a: Any, i: Any) -> Any:
            return types.void(a, types.intp), code

        return intrinsic(typing_1)
    if num_arrays == 2:

        def typing_2(typing_context: Any, a: Any, i: Any, b: Any, j: Any) -> Any:
            return types.void(a, types.intp, b, types.intp), code

        return intrinsic(typing_2)

    def typing_3(typing_context: Any, a: Any, i: Any, b: Any, j: Any, c: Any, k: Any) -> Any:
        return types.void(a, types.intp, b, types.intp, c, types.intp), code

    return intrinsic(typing_3)


def _scaled(emit: Any) -> Any:
    """An intrinsic over a row, another row and a number: ``(a, i, b, j, x)``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number = args[4]
        vector = ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(LANES):
            vector = builder.insert_element(vector, number, ir.Constant(ir.IntType(32), lane))
        a = _load(context, builder, signature.args[0], args[0], args[1])
        b = _load(context, builder, signature.args[2], args[2], args[3])
        _store(context, builder, signature.args[0], args[0], args[1], emit(builder, a, b, vector))
        return context.get_dummy_value()

    def typing(typing_context: Any, a: Any, i: Any, b: Any, j: Any, x: Any) -> Any:
        return types.void(a, types.intp, b, types.intp, types.float64), code

    return intrinsic(typing)


def _rows_product(
    typing_context: Any, out: Any, i: Any, a: Any, j: Any, da: Any, b: Any, rows: Any, k: Any, dk: Any, n: Any
) -> Any:
    """out = Σ_t a[j + t·da] · b[rows[k + t·dk]] for t < n, the sum kept in registers."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, i, a, j, da, b, rows, k, dk, n = args
        total = cgutils.alloca_once_value(builder, _splat(0.0))
        with cgutils.for_range(builder, n) as loop:
            x = _load(context, builder, signature.args[2], a, builder.add(j, builder.mul(loop.index, da)))
            row = _row_number(context, builder, signature.args[6], rows, builder.add(k, builder.mul(loop.index, dk)))
            y = _load(context, builder, signature.args[5], b, row)
            builder.store(_fma(builder, x, y, builder.load(total)), total)
        _store(context, builder, signature.args[0], out, i, builder.load(total))
        return context.get_dummy_value()

    number = types.intp
    return types.void(out, number, a, number, number, b, rows, number, number, number), code


def _rows_sum(typing_context: Any, out: Any, i: Any, b: Any, rows: Any, k: Any, n: Any) -> Any:
    """out = Σ_t b[rows[k + t]] for t < n, the sum kept in registers."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, i, b, rows, k, n = args
        total = cgutils.alloca_once_value(builder, _splat(0.0))
        with cgutils.for_range(builder, n) as loop:
            row = _row_number(context, builder, signature.args[3], rows, builder.add(k, loop.index))
            builder.store(builder.fadd(builder.load(total), _load(context, builder, signature.args[2], b, row)), total)
        _store(context, builder, signature.args[0], out, i, builder.load(total))
        return context.get_dummy_value()

    number = types.intp
    return types.void(out, number, b, rows, number, number), code


def _row_number(context: Any, builder: Any, array_type: Any, array: Any, place: Any) -> Any:
    """An entry of an array of row numbers, as wide as the machine counts."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.sext(builder.load(builder.gep(data, [place])), place.type)


def _dot_add(typing_context: Any, out: Any, i: Any, a: Any, j: Any, b: Any, k: Any, n: Any) -> Any:
    """out += Σ_t a[j + t] · b[k + t] for t < n, the sum kept in registers."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, i, a, j, b, k, n = args
        total = cgutils.alloca_once_value(builder, _load(context, builder, signature.args[0], out, i))
        with cgutils.for_range(builder, n) as loop:
            x = _load(context, builder, signature.args[2], a, builder.add(j, loop.index))
            y = _load(context, builder, signature.args[4], b, builder.add(k, loop.index))
            builder.store(_fma(builder, x, y, builder.load(total)), total)
        _store(context, builder, signature.args[0], out, i, builder.load(total))
        return context.get_dummy_value()

    number = types.intp
    return types.void(out, number, a, number, b, number, number), code


def _emit_exp(builder: Any, load: Any, store: Any) -> None:
    """e^x to two units in the last place for −708 ≤ x ≤ 709; e^−708 below (Cody & Waite, Taylor)."""
    x = load(1)
    low = _splat(-708.0)
    x = builder.select(builder.fcmp_ordered(">", x, low), x, low)
    rounding = _splat(6755399441055744.0)  # 1.5 · 2⁵²: the low bits of x + this are the nearest whole number
    shifted = _fma(builder, x, _splat(1.4426950408889634), rounding)
    n = builder.fsub(shifted, rounding)
    r = _fma(builder, n, _splat(-6.93147180369123816490e-01), x)
    r = _fma(builder, n, _splat(-1.90821492927058770002e-10), r)
    factorial, terms = 1.0, [1.0]
    for k in range(1, 14):
        factorial *= k
        terms.append(1.0 / factorial)
    p = _splat(terms[-1])
    for term in reversed(terms[:-1]):
        p = _fma(builder, p, r, _splat(term))
    whole = builder.add(builder.bitcast(shifted, _BITS), _splat_bits(1023))
    power = builder.bitcast(builder.shl(whole, _splat_bits(52)), _VECTOR)
    store(0, builder.fmul(p, power))


def _emit_log(builder: Any, load: Any, store: Any) -> None:
    """ln x to one unit in the last place for positive normal x, by 2·artanh((m − 1)/(m + 1)) of its mantissa m."""
    bits = builder.bitcast(load(1), _BITS)
    # The mantissa is taken from [√½, √2): there the series is shortest.
    shifted = builder.add(bits, _splat_bits(0x3FF0000000000000 - 0x3FE6A09E667F3BCD))
    exponent = builder.sub(builder.lshr(shifted, _splat_bits(52)), _splat_bits(1023))
    mantissa = builder.bitcast(builder.sub(bits, builder.shl(exponent, _splat_bits(52))), _VECTOR)
    n = builder.sitofp(exponent, _VECTOR)
    f = builder.fsub(mantissa, _splat(1.0))
    s = builder.fdiv(f, builder.fadd(mantissa, _splat(1.0)))
    square = builder.fmul(s, s)
    p = _splat(2.0 / 23)
    for k in range(21, 1, -2):  # 2 s³/3 + 2 s⁵/5 + …: |s| < 0.172, the first term left out is below 1e-19
        p = _fma(builder, p, square, _splat(2.0 / k))
    p = builder.fmul(builder.fmul(p, square), s)
    # 2s = f − s·f, which keeps the digits that the quotient has lost
    small = builder.fsub(p, _fma(builder, n, _splat(-1.90821492927058770002e-10), builder.fmul(s, f)))
    store(0, _fma(builder, n, _splat(6.93147180369123816490e-01), builder.fadd(f, small)))


def _binary(name: str) -> Any:
    def emit(builder: Any, load: Any, store: Any) -> None:
        store(0, getattr(builder, name)(load(1), load(2)))

    return emit


def _emit_maximum(builder: Any, load: Any, store: Any) -> None:
    a, b = load(1), load(2)
    store(0, builder.select(builder.fcmp_ordered(">", a, b), a, b))


def _emit_minimum(builder: Any, load: Any, store: Any) -> None:
    a, b = load(1), load(2)
    store(0, builder.select(builder.fcmp_ordered("<", a, b), a, b))


copy = _operation(2, lambda builder, load, store: store(0, load(1)))  # a = b
add = _operation(3, _binary("fadd"))  # a = b + c
subtract = _operation(3, _binary("fsub"))  # a = b − c
multiply = _operation(3, _binary("fmul"))  # a = b · c
divide = _operation(3, _binary("fdiv"))  # a = b / c
maximum = _operation(3, _emit_maximum)  # a = max(b, c)
minimum = _operation(3, _emit_minimum)  # a = min(b, c)
multiply_add = _operation(
    3, lambda builder, load, store: store(0, _fma(builder, load(1), load(2), load(0)))
)  # a += b·c
exponential = _operation(2, _emit_exp)  # a = e^b
logarithm = _operation(2, _emit_log)  # a = ln b
dot_add: Any = intrinsic(_dot_add)  # see above
rows_product: Any = intrinsic(_rows_product)
rows_sum: Any = intrinsic(_rows_sum)
add_scaled = _scaled(lambda builder, a, b, x: _fma(builder, b, x, a))  # a += b·x
scale = _scaled(lambda builder, a, b, x: builder.fmul(b, x))  # a = b·x
