"""A log likelihood as a function of coefficients, with its gradient and Hessian, for one sample or many at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Int

from detente.learn import jets
from detente.learn.formulas import INTERCEPT, Design

NUMBERS = 1 << 16  # rows (times replicates) worked on at once: what fits the processor's cache


class Likelihood(Protocol):
    """What a model says about rows of data."""

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of what may have an equation."""
        ...

    def log_likelihood(self, values: Mapping[str, Any], observed: Any) -> Any:
        """Log likelihood of every row, from the value of every predictor there.

        Args:
            values: Predictor → jet or number.
            observed: What was seen in those rows.
        """
        ...


@dataclass(frozen=True)
class Penalty:
    """What is subtracted from the log likelihood to keep coefficients finite.

    Attributes:
        kind: ``none``, ``cauchy`` or ``normal``.
        scale: Of the coefficients.
        intercept_scale: Of intercepts.
    """

    kind: str = "none"
    scale: float = 2.5
    intercept_scale: float = 10.0

    def evaluate(self, theta: Float[np.ndarray, "coefficient"], scales: Float[np.ndarray, "coefficient"]) -> Any:
        """Value, gradient and second derivative of the logarithm of the penalty, without its constant."""
        x = theta / scales
        if self.kind == "cauchy":
            base = 1 + x * x
            return -np.log(base).sum(-1), -2 * x / base / scales, -2 * (1 - x * x) / base**2 / scales**2
        if self.kind == "normal":
            return -0.5 * (x * x).sum(-1), -x / scales, -np.ones_like(x) / scales**2
        return 0.0, 0.0, 0.0


@dataclass(frozen=True, eq=False)
class Objective:
    """A likelihood, the regressors of its predictors, and what was observed.

    Attributes:
        likelihood: The model.
        blocks: Regressors of every equation that is estimated.
        where: Predictor → index of its block, or the number at which it is fixed.
        observed: A record with ``take(rows)`` that the likelihood understands.
        weights: How much each row counts.
        penalty: Subtracted from the log likelihood.
    """

    likelihood: Any
    blocks: tuple[Design, ...]
    where: Mapping[str, int | float]
    observed: Any
    weights: Float[np.ndarray, "row"]
    penalty: Penalty = field(default_factory=Penalty)

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.weights)

    @cached_property
    def starts(self) -> np.ndarray:
        """First coefficient of each block, and the number of coefficients."""
        return np.concatenate([[0], np.cumsum([b.columns.shape[1] for b in self.blocks])]).astype(int)

    @property
    def num_coefficients(self) -> int:
        """Number of coefficients."""
        return int(self.starts[-1])

    @cached_property
    def names(self) -> tuple[tuple[str, str], ...]:
        """(equation, term) of every coefficient."""
        return tuple((b.name, term) for b in self.blocks for term in b.terms)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Typical size of each regressor (root mean square), to make coefficients comparable."""
        found = [np.sqrt(np.mean(b.columns**2, axis=0)) for b in self.blocks]
        sizes = np.concatenate(found) if found else np.zeros(0)
        return np.where(sizes > 0, sizes, 1.0)

    @cached_property
    def penalty_scales(self) -> np.ndarray:
        """Scale of the penalty of each coefficient."""
        p = self.penalty
        return np.array([p.intercept_scale if term == INTERCEPT else p.scale for _, term in self.names])

    def subset(self, rows: Int[np.ndarray, "chosen"]) -> "Objective":
        """The same likelihood on some of the rows."""
        return replace(
            self,
            blocks=tuple(replace(b, columns=b.columns[rows]) for b in self.blocks),
            observed=self.observed.take(rows),
            weights=self.weights[rows],
        )

    # -- evaluation -----------------------------------------------------------------------------------
    def values(self, theta: np.ndarray, rows: slice, order: int) -> dict[str, Any]:
        """Every predictor in some rows; one set of coefficients, or one set a replicate, (replicate, coefficient)."""
        made: list[Any] = []
        for k, block in enumerate(self.blocks):
            part = theta[..., self.starts[k] : self.starts[k + 1]]
            made.append(jets.variable(part @ block.columns[rows].T, k, order))
        return {name: made[place] if isinstance(place, int) else float(place) for name, place in self.where.items()}

    def _chunks(self, replicates: int = 1) -> list[slice]:
        step = max(1, NUMBERS // replicates)
        return [slice(i, min(i + step, self.num_rows)) for i in range(0, self.num_rows, step)]

    def rows_log_likelihood(self, theta: np.ndarray) -> Float[np.ndarray, "row"]:
        """Log likelihood of every row, not weighted."""
        parts = []
        for rows in self._chunks():
            found = self.likelihood.log_likelihood(self.values(theta, rows, 0), self.observed.take(rows))
            value = np.asarray(jets.value_of(found), dtype=float)
            parts.append(np.broadcast_to(value, (rows.stop - rows.start,)))
        return np.concatenate(parts)

    def rows_log_likelihood_many(
        self, theta: Float[np.ndarray, "replicate coefficient"]
    ) -> Float[np.ndarray, "replicate row"]:
        """Log likelihood of every row under many sets of coefficients, not weighted."""
        made = np.empty((len(theta), self.num_rows))
        step = max(1, NUMBERS // max(1, self.num_rows))
        for first in range(0, len(theta), step):
            some = slice(first, first + step)
            for rows in self._chunks(len(theta[some])):
                found = self.likelihood.log_likelihood(self.values(theta[some], rows, 0), self.observed.take(rows))
                made[some, rows] = jets.value_of(found)
        return made

    def scores(self, theta: np.ndarray) -> Float[np.ndarray, "row coefficient"]:
        """Gradient of every row's log likelihood, not weighted."""
        parts = []
        for rows in self._chunks():
            found = self.likelihood.log_likelihood(self.values(theta, rows, 1), self.observed.take(rows))
            score = np.zeros((rows.stop - rows.start, self.num_coefficients))
            for k, g in found.first.items():
                score[:, self.starts[k] : self.starts[k + 1]] = self.blocks[k].columns[rows] * np.asarray(g)[:, None]
            parts.append(score)
        return np.concatenate(parts)

    def evaluate(self, theta: np.ndarray, order: int = 2) -> tuple[float, np.ndarray, np.ndarray]:
        """The penalised log likelihood with gradient and Hessian (zeros where not asked for)."""
        p = self.num_coefficients
        total, gradient, hessian = 0.0, np.zeros(p), np.zeros((p, p))
        for rows in self._chunks():
            weight = self.weights[rows]
            found = self.likelihood.log_likelihood(self.values(theta, rows, order), self.observed.take(rows))
            counted = weight > 0
            total += float(np.where(counted, weight * jets.value_of(found), 0.0).sum())
            if order and isinstance(found, jets.Jet):
                for k, g in found.first.items():
                    gradient[self.starts[k] : self.starts[k + 1]] += self.blocks[k].columns[rows].T @ (weight * g)
                for (k, m), h in found.second.items():
                    a, b = slice(*self.starts[k : k + 2]), slice(*self.starts[m : m + 2])
                    part = (self.blocks[k].columns[rows] * (weight * h)[:, None]).T @ self.blocks[m].columns[rows]
                    hessian[a, b] += part
                    if k != m:
                        hessian[b, a] += part.T
        if self.penalty.kind != "none":
            value, first, second = self.penalty.evaluate(theta, self.penalty_scales)
            total += float(value)
            gradient += first
            hessian[np.diag_indices(p)] += second
        return total, gradient, hessian

    def evaluate_many(
        self, theta: Float[np.ndarray, "replicate coefficient"], weights: Any = None, order: int = 2
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, gradient and Hessian for many sets of coefficients at once.

        Args:
            theta: The coefficients.
            weights: How much each row counts, (replicate, row); default the weights of the objective, for all.
            order: 1 leaves the Hessian at zero.
        """
        if weights is None:
            weights = np.broadcast_to(self.weights, (len(theta), self.num_rows))
        num, p = theta.shape
        total, gradient, hessian = np.zeros(num), np.zeros((num, p)), np.zeros((num, p, p))
        for rows in self._chunks(num):
            weight = weights[:, rows]
            found = self.likelihood.log_likelihood(self.values(theta, rows, order), self.observed.take(rows))
            total += np.where(weight > 0, weight * jets.value_of(found), 0.0).sum(1)
            for k, g in found.first.items():
                gradient[:, self.starts[k] : self.starts[k + 1]] += (weight * g) @ self.blocks[k].columns[rows]
            for (k, m), h in found.second.items():
                a, b = slice(*self.starts[k : k + 2]), slice(*self.starts[m : m + 2])
                x, y = self.blocks[k].columns[rows], self.blocks[m].columns[rows]
                outer = (x[:, :, None] * y[:, None, :]).reshape(len(x), -1)
                part = ((weight * h) @ outer).reshape(num, x.shape[1], y.shape[1])
                hessian[:, a, b] += part
                if k != m:
                    hessian[:, b, a] += part.transpose(0, 2, 1)
        if self.penalty.kind != "none":
            value, first, second = self.penalty.evaluate(theta, self.penalty_scales)
            total, gradient = total + value, gradient + first
            hessian[:, np.arange(p), np.arange(p)] += second
        return total, gradient, hessian
