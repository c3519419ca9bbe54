"""Finding the highest point of a log likelihood: Newton's method inside a trust region, with exact Hessians."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

GRADIENT = 1e-8  # largest derivative, per typical size of its regressor, at which the search is over
FLAT = 1e-7  # information (in rows of data) below which a direction counts as flat
NEAR = 3.0  # a search this far below a known top is asked whether it is on its way there


@dataclass(frozen=True, eq=False)
class Climb:
    """Where a search ended.

    Attributes:
        point: The coefficients.
        value: Log likelihood there.
        gradient: Its gradient there.
        hessian: Its Hessian there.
        iterations: Steps taken.
        at_top: Whether the gradient vanished and every direction goes down.
        message: Why it stopped.
        flat: A direction in which the log likelihood hardly bends, None where it bends in all.
    """

    point: Float[np.ndarray, "coefficient"]
    value: float
    gradient: Float[np.ndarray, "coefficient"]
    hessian: Float[np.ndarray, "coefficient coefficient"]
    iterations: int
    at_top: bool
    message: str
    flat: Float[np.ndarray, "coefficient"] | None = None


def climb(
    evaluate_fn: Callable[[np.ndarray], Any],
    start: Float[np.ndarray, "coefficient"],
    sizes: Float[np.ndarray, "coefficient"],
    *,
    max_iterations: int = 200,
    known: "Climb | None" = None,
    tolerance: float = GRADIENT,
) -> Climb:
    """Climb from a starting point to the nearest top.

    Args:
        evaluate_fn: Coefficients → value, gradient, Hessian.
        start: Where to begin.
        sizes: Typical size of each regressor; steps are measured in coefficient × size.
        max_iterations: Give up after this many steps.
        known: A top found before; the search ends early when it comes close to it.
        tolerance: Largest derivative per typical size at which to stop.

    Example:
        >>> found = climb(lambda x: (-(x[0] - 2) ** 2, -2 * (x - 2), np.array([[-2.0]])), np.zeros(1), np.ones(1))
        >>> found.point.tolist(), found.at_top
        ([2.0], True)
    """

    def scaled(z: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        with np.errstate(all="ignore"):
            value, gradient, hessian = evaluate_fn(z / sizes)
        return value, gradient / sizes, hessian / np.outer(sizes, sizes)

    z = np.asarray(start, dtype=float) * sizes
    value, gradient, hessian = scaled(z)
    if not (np.isfinite(value) and np.isfinite(hessian).all()):
        return Climb(z / sizes, value, gradient * sizes, hessian, 0, False, "the start is impossible under the model")
    radius, message, stalled = 1.0 + np.sqrt(len(z)), "the search did not end", 0
    iterations = 0
    while iterations < max_iterations:
        if known is not None and _near(z, known.point * sizes, gradient, hessian, value, known.value):
            return Climb(known.point, known.value, known.gradient, known.hessian, iterations, known.at_top, "known top")
        norm = float(np.abs(gradient).max(initial=0.0))
        if norm <= tolerance * 1e-3:
            break
        iterations += 1
        step, inside, gain = _step(gradient, hessian, radius)
        trial = z + step
        new_value, new_gradient, new_hessian = scaled(trial)
        fine = np.isfinite(new_value) and np.isfinite(new_gradient).all() and np.isfinite(new_hessian).all()
        new_norm = float(np.abs(new_gradient).max(initial=0.0)) if fine else np.inf
        rounding = 1e-13 * (1.0 + abs(value)) * 50
        ratio = (new_value - value) / gain if fine and gain > 0 else -np.inf
        if gain < rounding:  # differences of the value are noise here; the gradient still tells
            if new_norm < norm:
                z, value, gradient, hessian = trial, new_value, new_gradient, new_hessian
                stalled = stalled + 1 if new_norm > 0.5 * norm else 0
            else:
                stalled += 2
            if new_norm <= tolerance * 1e-3 or stalled >= 2:
                break
            continue
        if ratio > 1e-4:
            z, value, gradient, hessian = trial, new_value, new_gradient, new_hessian
        if ratio < 0.25:
            radius = 0.25 * float(np.linalg.norm(step))
        elif ratio > 0.75 and not inside:
            radius = min(2.0 * radius, 1e3)
        if radius < 1e-12:
            break
    norm = float(np.abs(gradient).max(initial=0.0))
    bends, directions = np.linalg.eigh(-hessian) if len(z) else (np.zeros(0), np.zeros((0, 0)))
    flat = None
    if len(z) and bends[0] < FLAT:
        flat = directions[:, 0] / sizes
    small = norm <= tolerance or (flat is None and float(gradient @ np.linalg.solve(-hessian, gradient)) < 1e-16)
    if small and flat is None:
        message = "converged"
    elif flat is not None:
        message = "the log likelihood has a direction in which it hardly bends"
    elif iterations >= max_iterations:
        message = f"stopped after {max_iterations} steps"
    return Climb(
        z / sizes,
        float(value),
        gradient * sizes,
        hessian * np.outer(sizes, sizes),
        iterations,
        bool(small and flat is None),
        message,
        flat,
    )


def _near(z: np.ndarray, top: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, value: float, best: float) -> bool:
    """Whether a point is so close to a known top that Newton's method would go there: its parabola points at it."""
    if best - value > NEAR:
        return False
    bends, directions = np.linalg.eigh(-hessian)
    if bends[0] <= FLAT:
        return False
    step = directions @ ((directions.T @ gradient) / bends)
    promised = 0.5 * float(gradient @ step)
    miss = z + step - top
    return abs(best - value - promised) < 0.1 * promised + 1e-4 and float(miss @ -hessian @ miss) < 1e-2


def _step(gradient: np.ndarray, hessian: np.ndarray, radius: float) -> tuple[np.ndarray, bool, float]:
    """The best step within a radius, whether it is Newton's own, and the gain it promises."""
    bends, directions = np.linalg.eigh(-hessian)
    slopes = directions.T @ gradient
    floor = 1e-14 * max(1.0, float(np.abs(bends).max(initial=0.0)))
    if bends[0] > floor:
        along = slopes / bends
        if np.linalg.norm(along) <= radius:
            return directions @ along, True, float(0.5 * slopes @ along)
    low = max(0.0, -float(bends[0])) + floor
    high = low + float(np.linalg.norm(slopes)) / radius + 1.0
    for _ in range(200):  # the damping at which the step is as long as the radius
        damping = 0.5 * (low + high)
        if np.linalg.norm(slopes / (bends + damping)) > radius:
            low = damping
        else:
            high = damping
        if high - low <= 1e-10 * high:
            break
    along = slopes / (bends + high)
    return directions @ along, False, float(slopes @ along - 0.5 * bends @ (along * along))


def climb_many(
    evaluate_fn: Callable[[np.ndarray, np.ndarray], Any],
    start: Float[np.ndarray, "coefficient"],
    sizes: Float[np.ndarray, "coefficient"],
    num_replicates: int,
    *,
    max_iterations: int = 60,
) -> tuple[np.ndarray, np.ndarray]:
    """Climb for many samples at once from one starting point.

    Args:
        evaluate_fn: (coefficients of some replicates, their numbers) → values, gradients, Hessians.
        start: Where all begin.
        sizes: Typical size of each regressor.
        num_replicates: How many.
        max_iterations: Give up after this many steps.

    Returns:
        Coefficients, (replicate, coefficient), and whether each arrived at a top.
    """
    z = np.tile(start * sizes, (num_replicates, 1))
    outer = np.outer(sizes, sizes)

    def scaled(points: np.ndarray, which: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            value, gradient, hessian = evaluate_fn(points / sizes, which)
        return value, gradient / sizes, hessian / outer

    done = np.zeros(num_replicates, dtype=bool)
    active = np.arange(num_replicates)
    value, gradient, hessian = scaled(z, active)
    radius = np.full(num_replicates, 1.0 + np.sqrt(z.shape[1]))
    for _ in range(max_iterations):
        bends, directions = np.linalg.eigh(-hessian)
        slopes = np.einsum("bij,bi->bj", directions, gradient)
        damping = np.maximum(0.0, 1e-8 - bends[:, 0])
        along = slopes / (bends + damping[:, None])
        length = np.linalg.norm(along, axis=1)
        along *= np.minimum(1.0, radius[active] / np.maximum(length, 1e-300))[:, None]
        gain = (slopes * along).sum(1) - 0.5 * (bends * along**2).sum(1)
        trial = z[active] + np.einsum("bij,bj->bi", directions, along)
        new_value, new_gradient, new_hessian = scaled(trial, active)
        fine = np.isfinite(new_value) & np.isfinite(new_gradient).all(1) & np.isfinite(new_hessian).all((1, 2))
        tiny = gain < 1e-11 * (1.0 + np.abs(value))
        better = fine & ((new_value > value) | tiny)
        z[active[better]] = trial[better]
        radius[active[~better]] *= 0.25
        radius[active[better]] = np.minimum(2 * radius[active[better]], 1e3)
        norm = np.abs(new_gradient).max(1)
        arrived = better & (norm < 1e-6) & (bends[:, 0] > FLAT)
        done[active[arrived]] = True
        stay = ~arrived & (radius[active] > 1e-10)
        for old, new in ((value, new_value), (gradient, new_gradient), (hessian, new_hessian)):
            old[better] = new[better]
        value, gradient, hessian, active = value[stay], gradient[stay], hessian[stay], active[stay]
        if not len(active):
            break
    return z / sizes, done
