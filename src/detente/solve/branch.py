"""Follow the principal branch of an equilibrium from precision 0, with arc length at folds and an eye on crossings.

The equations are H(x, t) = 0 with x = uniform play at t = 0. A step predicts along the tangent and corrects by Newton
at right angles to it (pseudo-arclength), so that a fold is an ordinary point. Along a smooth branch the determinant of
the bordered matrix keeps its sign; where it changes, another branch crosses (turocy2005).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float

from detente.solve.factor import below, factor
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED

MAX_STEPS = 2_000
MAX_CORRECTIONS = 15
MAX_NEWTON = 30
SLOW = 0.3  # a correction that shrinks less than this makes the derivatives be taken anew
FIRST_STEP = 0.05
SMALLEST_STEP = 1e-9
LARGEST_STEP = 5.0  # times the square root of the number of unknowns
LARGEST_SHARE = 0.05  # of the way to the last target in one step: two crossings close together are not to be missed
SMALLEST_COSINE = 0.9  # between successive tangents; a sharper turn means that the step was too long
LARGEST_CORRECTION = 5.0
ON_BRANCH = 1e-8  # last correction of a point on the way
CROSSING_STEP = 0.01  # a change of sign is believed only over a step as short as this


class Equations(Protocol):
    """What :func:`follow_branch` needs of a problem."""

    @property
    def start(self) -> Float[np.ndarray, "unknown"]:
        """The solution at t = 0."""
        ...

    def residual(self, x: np.ndarray, t: float) -> np.ndarray:
        """H(x, t), (unknown,)."""
        ...

    def evaluate(self, x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        """H(x, t), (unknown,), and its derivatives by x and t, (unknown, unknown + 1)."""
        ...


@dataclass(frozen=True)
class BranchPoint:
    """Where the branch passes one target.

    Attributes:
        x: The unknowns.
        residual: Largest component of H.
        status: ``CONVERGED``, ``BIFURCATION`` or ``NOT_CONVERGED``.
        iterations: Newton steps so far.
        reached: Largest t that the branch was followed to.
        bifurcation_at: t near which another branch crosses; NaN where none does.
    """

    x: np.ndarray
    residual: float
    status: int
    iterations: int
    reached: float
    bifurcation_at: float


def follow_branch(equations: Equations, targets: Sequence[float], *, tolerance: float) -> list[BranchPoint]:
    """Follow the branch through every target.

    Args:
        equations: H and its derivatives.
        targets: Increasing values of t, from 0 upwards.
        tolerance: Largest residual of a converged point.

    Returns:
        One point for each target; beyond where the branch could be followed, ``NOT_CONVERGED`` ones.
    """
    start = equations.start
    found: list[BranchPoint] = []
    pending = list(targets)
    while pending and pending[0] == 0.0:
        pending.pop(0)
        found.append(BranchPoint(start, 0.0, CONVERGED, 0, 0.0, np.nan))
    y = np.append(start, 0.0)
    if not len(start):
        return found + [BranchPoint(start, 0.0, CONVERGED, 0, t, np.nan) for t in pending]

    here = _Place(equations, y, np.append(np.zeros(len(start)), 1.0))
    step, used_in_all, bifurcation, furthest = FIRST_STEP, 0, np.nan, 0.0
    end, walked, watched = targets[-1], 0.0, np.inf  # arc length so far, and where a change of sign was seen
    for _ in range(MAX_STEPS):
        if not pending:
            return found
        y = here.y
        new, used, good = _correct(equations, here, y + step * here.tangent)
        used_in_all += used
        cosine = 0.0
        if good:
            there = _Place(equations, new, here.tangent)
            cosine = float(there.tangent @ here.tangent)
        if cosine <= SMALLEST_COSINE:
            step /= 2
            if step < SMALLEST_STEP:
                break
            continue
        if there.sign == 0:  # just on a crossing, where nothing can be solved: stop a little short of it
            step *= 0.93
            continue
        crosses = there.sign != here.sign
        # A real crossing stays when it is looked at closely; a leap to another branch does not.
        if crosses and step > CROSSING_STEP:
            watched = min(watched, walked + step)
            step /= 2
            continue
        if crosses and np.isnan(bifurcation):
            share = 1 / (1 + np.exp(np.clip(there.size - here.size, -50, 50)))  # where a line through both is zero
            bifurcation = float(y[-1] + share * (new[-1] - y[-1]))
        passed, stuck = [], False
        for target in pending:
            if (y[-1] - target) * (new[-1] - target) > 0 or new[-1] == y[-1]:
                break
            share = (target - y[-1]) / (new[-1] - y[-1])
            x, residual, newton = _newton_at(equations, y[:-1] + share * (new[:-1] - y[:-1]), target, tolerance)
            used_in_all += newton
            if residual > tolerance and step > 1e3 * SMALLEST_STEP:
                stuck = True
                break
            crossed = bifurcation if bifurcation <= target else np.nan
            status = NOT_CONVERGED if residual > tolerance else CONVERGED if np.isnan(crossed) else BIFURCATION
            passed.append(BranchPoint(x, residual, status, used_in_all, target, crossed))
        found += passed
        pending = pending[len(passed) :]
        if stuck:
            step /= 4
            continue
        here, walked = there, walked + step
        furthest = max(furthest, float(new[-1]))
        growth = 2.0 if used <= 4 and cosine > 0.98 else 1.0 if used <= 8 else 0.5
        step = min(LARGEST_STEP * np.sqrt(len(y)), step * growth)
        step = min(step, LARGEST_SHARE * end / max(abs(float(here.tangent[-1])), 1e-12))
        if walked < watched:  # do not step over where a change of sign was seen
            step = min(step, max((watched - walked) / 2, CROSSING_STEP))
        else:
            watched = np.inf
    y = here.y
    for target in pending:  # the branch could not be followed so far: say how far it went
        residual = float(np.abs(equations.residual(y[:-1], target)).max())
        found.append(BranchPoint(y[:-1], residual, NOT_CONVERGED, used_in_all, furthest, bifurcation))
    return found


class _Place:
    """A point on the branch: its derivatives factored once, the tangent, and the sign of the bordered determinant.

    The bordered matrix is [dH; row], with the tangent of the place before as its last row. With v the solution of
    [dH; row] v = (0, …, 0, 1), the tangent is v / |v|, and the determinant with the tangent in place of the row is
    det [dH; row] · |v|.
    """

    def __init__(self, equations: Equations, y: np.ndarray, row: np.ndarray):
        self.y, self.row = y, row
        self.factor(equations.evaluate(y[:-1], float(y[-1]))[1])
        v = self.solve(np.append(np.zeros(len(y) - 1), 1.0))
        length = float(np.linalg.norm(v))
        if np.isfinite(length) and length > 0:
            self.tangent = v / length
            self.size += np.log(length)
        else:  # exactly on a crossing: keep the direction
            self.tangent, self.sign = row, 0

    def factor(self, jacobian: np.ndarray) -> None:
        """Factor the bordered matrix."""
        factors = factor(below(jacobian, self.row))
        self.solve, self.sign, self.size = factors.solve, factors.sign, factors.size


def _correct(equations: Equations, place: _Place, guess: np.ndarray) -> tuple[np.ndarray, int, bool]:
    """Newton back onto the branch, in the plane through the guess; derivatives are taken anew only when it is slow."""
    y, size, fresh, solver = guess.copy(), np.inf, False, place
    for used in range(1, MAX_CORRECTIONS + 1):
        h = equations.residual(y[:-1], float(y[-1]))
        change = solver.solve(np.append(h, place.row @ (y - guess)))
        before, size = size, float(np.abs(change).max())
        if not np.isfinite(size) or size > LARGEST_CORRECTION or (fresh and size > 2 * before):
            return y, used, False
        if size > SLOW * before:
            if fresh:
                return y, used, False
            fresh, size = True, np.inf
            solver = _Place(equations, y, place.row)
            continue
        y = y - change
        if size < ON_BRANCH * (1 + np.abs(y).max()):
            return y, used, True
    return y, MAX_CORRECTIONS, False


def _newton_at(equations: Equations, x: np.ndarray, t: float, tolerance: float) -> tuple[np.ndarray, float, int]:
    """Newton at a fixed t; the best point met, its residual and the steps used."""
    best, best_residual, used = x, np.inf, 0
    for used in range(1, MAX_NEWTON + 1):
        residual = float(np.abs(equations.residual(x, t)).max())
        if residual < best_residual:
            best, best_residual = x, residual
        elif used > 4:
            break
        if best_residual <= tolerance * 1e-4 or not np.isfinite(residual):
            break
        h, jacobian = equations.evaluate(x, t)
        change = factor(jacobian[:, :-1]).solve(h)
        if not np.isfinite(change).all():
            break
        x = x - change
    return best, best_residual, used
