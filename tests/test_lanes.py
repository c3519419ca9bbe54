"""Vector operations on rows of draws, against NumPy."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from detente.solve import lanes

LANES = lanes.LANES
RNG = np.random.default_rng(0)


@njit
def exponentials(out, a):
    for i in range(out.shape[0]):
        lanes.exponential(out, i, a, i)


@njit
def logarithms(out, a):
    for i in range(out.shape[0]):
        lanes.logarithm(out, i, a, i)


@njit
def products(out, a, b, rows, stride_a, stride_b, n):
    lanes.rows_product(out, 1, a, 2, stride_a, b, rows, 1, stride_b, n)


@njit
def sums(out, a, b, rows, n):
    lanes.rows_sum(out, 0, b, rows, 2, n)
    lanes.dot_add(out, 1, a, 3, b, 1, n)
    lanes.minimum(out, 2, a, 0, b, 0)


def apart(found: np.ndarray, exact: np.ndarray) -> float:
    """Largest difference in units of the last place."""
    return float((np.abs(found - exact) / np.spacing(np.abs(exact))).max())


def test_exponential_is_right_to_two_units_in_the_last_place():
    x = np.concatenate([RNG.uniform(-708, 709, 20_000), RNG.uniform(-2, 2, 20_000), [0.0, -0.0, 1.0, -1.0] * 4])
    x = x[: len(x) // LANES * LANES].reshape(-1, LANES)
    found = np.empty_like(x)
    exponentials(found, x)
    assert apart(found, np.exp(x)) <= 2


def test_exponential_far_below_zero_is_the_smallest_normal_number_and_not_nonsense():
    x = np.full((1, LANES), -1e6)
    x[0, 1] = -np.inf
    found = np.empty_like(x)
    exponentials(found, x)
    assert found == pytest.approx(np.exp(-708.0), rel=1e-12)


def test_logarithm_is_right_to_two_units_in_the_last_place():
    x = np.concatenate(
        [10 ** RNG.uniform(-300, 300, 20_000), RNG.uniform(0.5, 2, 20_000), 1 + 1e-9 * RNG.normal(size=16)]
    )
    x = x[: len(x) // LANES * LANES].reshape(-1, LANES)
    found = np.empty_like(x)
    logarithms(found, x)
    exact = np.log(x)
    near_one = np.abs(exact) < 1e-6
    assert apart(found[~near_one], exact[~near_one]) <= 2
    np.testing.assert_allclose(found[near_one], exact[near_one], rtol=1e-9)


def test_logarithm_of_one_is_zero():
    found = np.ones((1, LANES))
    logarithms(found, np.ones((1, LANES)))
    assert (found == 0).all()


@pytest.mark.parametrize(("stride_a", "stride_b", "n"), [(1, 1, 5), (2, 1, 4), (1, 3, 3), (1, 1, 0)])
def test_products_take_rows_at_their_strides_and_write_one_row_only(stride_a, stride_b, n):
    a, b, out = RNG.normal(size=(12, LANES)), RNG.normal(size=(12, LANES)), np.full((3, LANES), 7.0)
    rows = RNG.permutation(12).astype(np.int32)
    products(out, a, b, rows, stride_a, stride_b, n)
    expected = sum((a[2 + t * stride_a] * b[rows[1 + t * stride_b]] for t in range(n)), np.zeros(LANES))
    np.testing.assert_allclose(out[1], expected, rtol=1e-13, atol=1e-13)
    assert (out[[0, 2]] == 7.0).all()


@pytest.mark.parametrize("n", [0, 1, 5])
def test_sums_of_named_rows_added_products_and_minima(n):
    a, b, out = RNG.normal(size=(12, LANES)), RNG.normal(size=(12, LANES)), np.full((4, LANES), 7.0)
    rows = RNG.permutation(12).astype(np.int32)
    sums(out, a, b, rows, n)
    np.testing.assert_allclose(out[0], b[rows[2 : 2 + n]].sum(axis=0), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(out[1], 7.0 + (a[3 : 3 + n] * b[1 : 1 + n]).sum(axis=0), rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(out[2], np.minimum(a[0], b[0]))
    assert (out[3] == 7.0).all()


def test_rows_that_do_not_lie_one_after_the_other_are_refused():
    apart_in_memory = np.asfortranarray(np.ones((3, LANES)))
    with pytest.raises(TypingError, match="one after the other"):
        exponentials(np.empty((3, LANES)), apart_in_memory)
