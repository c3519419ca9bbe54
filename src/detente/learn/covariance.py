"""Standard errors of estimates: from the curvature, from the spread of scores, or from both, by cluster if asked."""

from typing import Any

import numpy as np
from jaxtyping import Float

from detente.errors import UsageError, nearest
from detente.learn.objective import Objective

KINDS = ("hessian", "opg", "sandwich", "cluster")
WORDS = {
    "hessian": "inverse of the negative Hessian",
    "opg": "outer product of the scores",
    "sandwich": "sandwich (robust)",
    "cluster": "sandwich, clustered",
    "npl": "nested pseudo-likelihood, expected information",
    "sigint": "nested pseudo-likelihood, as R's sigInt computes them",
    "bootstrap": "bootstrap",
}


def covariance(
    objective: Objective,
    theta: Float[np.ndarray, "coefficient"],
    hessian: Float[np.ndarray, "coefficient coefficient"],
    kind: str = "hessian",
    clusters: Any = None,
) -> Float[np.ndarray, "coefficient coefficient"]:
    """Covariance of the estimates.

    Args:
        objective: The likelihood with its data.
        theta: The estimates.
        hessian: Of the (penalised) log likelihood there.
        kind: ``hessian`` (the model is right), ``opg``, ``sandwich`` (rows independent, no correction for small
            samples)
            or ``cluster`` (rows dependent within a cluster; times G / (G − 1) for G clusters).
        clusters: One value a row, for ``cluster``.

    Raises:
        UsageError: If the kind is unknown, clusters are missing, or there is only one.
    """
    if kind not in KINDS:
        raise UsageError(f"covariance: {kind!r} is not known.{nearest(str(kind), KINDS)}")
    inverse = _inverse(-hessian)
    if kind == "hessian":
        return inverse
    weights = objective.weights
    scores = objective.scores(theta)
    if kind == "cluster":
        if clusters is None:
            raise UsageError("covariance: 'cluster' needs to know the clusters. Name their column: cluster = '…'.")
        codes = np.unique(np.asarray(clusters).astype(str), return_inverse=True)[1]
        num = int(codes.max()) + 1
        if num < 2:
            raise UsageError("cluster: there is only one cluster. Errors by cluster need several, better dozens.")
        sums = np.zeros((num, scores.shape[1]))
        np.add.at(sums, codes, scores * weights[:, None])
        return inverse @ (sums.T @ sums) @ inverse * (num / (num - 1))
    spread = (scores * weights[:, None]).T @ scores
    return _inverse(spread) if kind == "opg" else inverse @ spread @ inverse


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a positive definite matrix; NaN throughout where it is not one."""
    scale = np.sqrt(np.abs(np.diag(matrix)))
    scale = np.where(scale > 0, scale, 1.0)
    scaled = matrix / np.outer(scale, scale)
    try:
        if np.linalg.eigvalsh(scaled)[0] <= 1e-14:
            return np.full_like(matrix, np.nan)
        return np.linalg.inv(scaled) / np.outer(scale, scale)
    except np.linalg.LinAlgError:
        return np.full_like(matrix, np.nan)


def standard_errors(matrix: Float[np.ndarray, "coefficient coefficient"]) -> Float[np.ndarray, "coefficient"]:
    """Square roots of the diagonal; NaN where it is not positive.

    Example:
        >>> standard_errors(np.diag([4.0, 9.0])).tolist()
        [2.0, 3.0]
    """
    diagonal = np.diag(matrix)
    return np.sqrt(np.where(diagonal > 0, diagonal, np.nan))
