"""One factorisation of a square matrix, dense or sparse: solutions, and the sign and size of the determinant."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import get_lapack_funcs
from scipy.sparse.linalg import splu

_getrf, _getrs = get_lapack_funcs(("getrf", "getrs"), dtype=np.float64)

Matrix = Any  # np.ndarray or a sparse array


@dataclass(frozen=True, eq=False)
class Factors:
    """A matrix that can be solved with.

    Attributes:
        sign: Of the determinant; 0 when the matrix is singular as far as floats can tell.
        size: Logarithm of the determinant's absolute value.
        solve: Right-hand side → solution; not finite when the matrix is singular.
    """

    sign: int
    size: float
    solve: Callable[[np.ndarray], np.ndarray]


def factor(matrix: Matrix) -> Factors:
    """Factor a square matrix, its rows brought to one size first.

    Cost: n³ for a dense one. A sparse one is ordered by minimum degree on its pattern and its transpose's, which suits
    games: who moves where is nearly symmetric.

    Example:
        >>> import numpy as np
        >>> found = factor(np.array([[0.0, 2.0], [1.0, 0.0]]))
        >>> found.sign, round(float(np.exp(found.size)), 12), found.solve(np.array([4.0, 3.0])).tolist()
        (-1, 2.0, [3.0, 2.0])
    """
    size = abs(matrix).max(axis=1)
    size = (size.toarray() if sparse.issparse(size) else np.asarray(size)).ravel()
    size = np.where(size > 0, size, 1.0)
    whole = float(np.log(size).sum())
    if sparse.issparse(matrix):
        return _factor_sparse(sparse.csc_array(sparse.diags_array(1 / size) @ matrix), size, whole)
    # LAPACK itself: for a matrix of ten rows SciPy's wrappers take longer than the work.
    lu, pivots, _ = _getrf(matrix / size[:, None])  # a singular matrix is found by what it gives
    diagonal = lu.diagonal()
    swaps = int((pivots != np.arange(len(diagonal))).sum())

    def solve(right: np.ndarray) -> np.ndarray:
        return _getrs(lu, pivots, right / size)[0]

    return Factors(_sign(diagonal, swaps), whole + _log_product(diagonal), solve)


def beside(matrix: Matrix, column: np.ndarray) -> Matrix:
    """A matrix with one more column."""
    if sparse.issparse(matrix):
        return sparse.hstack([matrix, sparse.coo_array(column[:, None])], format="csc")
    return np.concatenate([matrix, column[:, None]], axis=1)


def below(matrix: Matrix, row: np.ndarray) -> Matrix:
    """A matrix with one more row."""
    if sparse.issparse(matrix):
        return sparse.vstack([matrix, sparse.coo_array(row[None])], format="csc")
    return np.concatenate([matrix, row[None]], axis=0)


def _factor_sparse(matrix: sparse.csc_array, size: np.ndarray, whole: float) -> Factors:
    try:
        lu = splu(matrix, permc_spec="MMD_AT_PLUS_A")
    except RuntimeError:  # exactly singular
        return Factors(0, -np.inf, lambda right: np.full(len(right), np.nan))
    diagonal = lu.U.diagonal()
    odd = _is_odd(lu.perm_r) + _is_odd(lu.perm_c)

    def solve(right: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return lu.solve(np.asarray(right / size, dtype=float))

    return Factors(_sign(diagonal, odd), whole + _log_product(diagonal), solve)


def _sign(diagonal: np.ndarray, swaps: int) -> int:
    with np.errstate(invalid="ignore"):
        sign = np.prod(np.sign(diagonal)) * (-1) ** swaps
    return int(sign) if np.isfinite(sign) else 0


def _log_product(diagonal: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log(np.abs(diagonal)).sum())


def _is_odd(permutation: np.ndarray) -> int:
    """1 when an odd number of swaps makes the permutation, 0 when an even one does."""
    cycles, seen = 0, np.zeros(len(permutation), dtype=bool)
    for first in range(len(permutation)):
        if not seen[first]:
            cycles += 1
            while not seen[first]:
                seen[first] = True
                first = permutation[first]
    return (len(permutation) - cycles) % 2
