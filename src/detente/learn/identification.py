"""Can the data tell the coefficients apart? Said in words, before they are computed badly."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from detente.errors import UsageError
from detente.learn.formulas import INTERCEPT, Design
from detente.learn.objective import Objective

RANK = 1e-9  # smallest singular value, relative to the largest, that counts


def check_design(design: Design) -> None:
    """Make sure that the regressors of one equation are not copies or sums of one another.

    Args:
        design: The regressors.

    Raises:
        UsageError: If they are; the message names them.

    Example:
        >>> x = np.ones((3, 2))
        >>> check_design(Design("u11", "~ x", ("(Intercept)", "x"), x, None))
        Traceback (most recent call last):
        detente.errors.UsageError: equation u11: 'x' is constant, which the intercept already is. Take it out.
    """
    columns = design.columns
    if not columns.shape[1]:
        return
    if not len(columns):
        raise UsageError(f"equation {design.name}: there are no rows. Check the data.")
    size = np.sqrt((columns**2).mean(0))
    for term, one in zip(design.terms, size, strict=True):
        if one == 0:
            raise UsageError(f"equation {design.name}: {term!r} is zero in every row. Take it out.")
    if INTERCEPT in design.terms:
        for k, term in enumerate(design.terms):
            if term != INTERCEPT and np.ptp(columns[:, k]) == 0:
                raise UsageError(
                    f"equation {design.name}: {term!r} is constant, which the intercept already is. Take it out."
                )
    values, vectors = _null(columns / size)
    if values[-1] <= RANK * values[0] or len(columns) < columns.shape[1]:
        members = _members(vectors, design.terms)
        raise UsageError(
            f"equation {design.name}: the regressors {members} are linearly dependent in these {len(columns)} rows: "
            f"one "
            "is a sum of the others. Take one of them out."
        )


def _null(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values, and the direction of the smallest."""
    small = np.linalg.qr(matrix, mode="r") if len(matrix) > matrix.shape[1] else matrix
    _, values, right = np.linalg.svd(small, full_matrices=True)
    if len(values) < right.shape[0]:
        values = np.concatenate([values, np.zeros(right.shape[0] - len(values))])
    return values, right[-1]


def _members(vector: np.ndarray, names: Sequence) -> list:
    return [name for name, v in zip(names, vector, strict=True) if abs(v) > 0.02 * np.abs(vector).max()]


def check_rank(
    objective: Objective,
    players: dict[str, str] | None = None,
    *,
    points: Sequence[Float[np.ndarray, "coefficient"]] = (),
) -> None:
    """Make sure that no combination of coefficients leaves every probability as it is.

    Args:
        objective: The likelihood with its data.
        points: Coefficients near which to look; default zero.
        players: Payoff → whose it is, where the model says so.

    Raises:
        UsageError: If one does; the message says which, and why where it is known.
    """
    p = objective.num_coefficients
    counted = int((objective.weights > 0).sum())
    if not p or objective.penalty.kind != "none":
        return
    rng = np.random.default_rng(0)
    best: tuple[float, np.ndarray] | None = None
    around = list(points) or [np.zeros(p)]
    for trial in range(2 * len(around)):  # a point may be degenerate by accident; several are not
        theta = around[trial % len(around)] + rng.normal(size=p) * 0.3 / objective.sizes
        with np.errstate(all="ignore"):
            scores = objective.scores(theta) / objective.sizes
        if not np.isfinite(scores).all():
            continue
        scores = scores * np.sqrt(objective.weights)[:, None]
        bends, directions = np.linalg.eigh(scores.T @ scores)
        ratio = float(bends[0] / max(bends[-1], 1e-300))
        if best is None or ratio > best[0]:
            best = ratio, directions[:, 0]
        if ratio > 1e-12:
            return
    if best is None:
        return
    names = objective.names
    members = _members(best[1], names)
    terms = {term for _, term in members}
    equations = [equation for equation, _ in members]
    shown = [f"{e}:{t}" for e, t in members]
    if len(terms) == 1 and len(members) > 1:
        (term,) = terms
        whose = {(players or {}).get(e, "") for e in equations}
        of = f" of {next(iter(whose))}" if len(whose) == 1 and next(iter(whose)) else ""
        raise UsageError(
            f"identification: {term!r} is in all of the payoffs{of} that matter ({', '.join(equations)}), and "
            f"adding the "
            "same to each changes no choice. Take it out of one of them."
        )
    if counted < p:
        raise UsageError(
            f"identification: there are {p} coefficients and {counted} rows that count. Use fewer regressors or "
            f"more rows."
        )
    raise UsageError(
        f"identification: these coefficients cannot be told apart: {shown}. Changing them together leaves every "
        "probability as it is. Fix one of them, or take a regressor out."
    )


def describe_flat(objective: Objective, direction: Float[np.ndarray, "coefficient"]) -> str:
    """What it means that the log likelihood hardly bends in one direction at the best point found.

    Args:
        objective: The likelihood with its data.
        direction: In coefficients.
    """
    scaled = direction * objective.sizes
    members = [f"{e}:{t}" for e, t in _members(scaled, objective.names)]
    return (
        f"separation: the log likelihood keeps rising, or stays level, as {', '.join(members)} grow without bound. "
        f"Some "
        "choices are predicted perfectly, so that these estimates are as large as the search let them become, and "
        "have no standard error. Use fewer regressors, or a [penalty]."
    )
