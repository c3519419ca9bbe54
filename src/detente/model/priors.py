"""Priors of parameters, and draws from them."""

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator

from detente.errors import UsageError

# scipy.stats and scipy.stats.qmc take half a second to import: they are imported where they are used.


class _Prior(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Fixed(_Prior):
    """A value that is known, or taken as known."""

    kind: Literal["fixed"] = "fixed"
    value: float

    def quantile(self, q: Float[np.ndarray, "draw"]) -> Float[np.ndarray, "draw"]:
        """The value at each quantile."""
        return np.full_like(q, self.value)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        return self.value, self.value


class Uniform(_Prior):
    """Anything between two bounds, all equally likely."""

    kind: Literal["uniform"] = "uniform"
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform":
        if not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}; give low < high, or kind = 'fixed'")
        return self

    def quantile(self, q: Float[np.ndarray, "draw"]) -> Float[np.ndarray, "draw"]:
        """The value at each quantile."""
        return self.low + q * (self.high - self.low)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        return self.low, self.high


class Pert(_Prior):
    """Between two bounds with a best guess: the smooth distribution of low, best and high used for expert judgement.

    A beta distribution on [low, high] with mean (low + 4·best + high) / 6.
    """

    kind: Literal["pert"] = "pert"
    low: float
    best: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> "Pert":
        if not (self.low < self.high and self.low <= self.best <= self.high):
            raise ValueError(
                f"low {self.low}, best {self.best}, high {self.high} are not in order; give low ≤ best ≤ "
                "high, low < high"
            )
        return self

    def quantile(self, q: Float[np.ndarray, "draw"]) -> Float[np.ndarray, "draw"]:
        """The value at each quantile."""
        from scipy.special import betaincinv

        width = self.high - self.low
        a = 1 + 4 * (self.best - self.low) / width
        b = 1 + 4 * (self.high - self.best) / width
        return self.low + width * betaincinv(a, b, q)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        return self.low, self.high


class Normal(_Prior):
    """A bell around a mean."""

    kind: Literal["normal"] = "normal"
    mean: float
    sd: Annotated[float, Field(gt=0)]

    def quantile(self, q: Float[np.ndarray, "draw"]) -> Float[np.ndarray, "draw"]:
        """The value at each quantile."""
        from scipy.special import ndtri

        return self.mean + self.sd * ndtri(q)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        return -np.inf, np.inf


class Lognormal(_Prior):
    """A positive quantity known up to a factor."""

    kind: Literal["lognormal"] = "lognormal"
    median: Annotated[float, Field(gt=0)]
    factor: Annotated[float, Field(gt=1, description="two thirds of the draws lie within this factor of the median")]

    def quantile(self, q: Float[np.ndarray, "draw"]) -> Float[np.ndarray, "draw"]:
        """The value at each quantile."""
        from scipy.special import ndtri

        return self.median * self.factor ** ndtri(q)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        return 0.0, np.inf


class Beta(_Prior):
    """A share or probability, as if seen in a number of trials."""

    kind: Literal["beta"] = "beta"
    successes: Annotated[float, Field(gt=0)]
    failures: Annotated[float, Field(gt=0)]

    def quantile(self, q: Float[np.ndarray, "draw"]) -> Float[np.ndarray, "draw"]:
        """The value at each quantile."""
        from scipy.special import betaincinv

        return betaincinv(self.successes, self.failures, q)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        return 0.0, 1.0


Prior = Annotated[Fixed | Uniform | Pert | Normal | Lognormal | Beta, Field(discriminator="kind")]
PRIOR_KINDS = ("fixed", "uniform", "pert", "normal", "lognormal", "beta")


def draw(priors: Mapping[str, Prior], num_draws: int, *, seed: int = 0) -> dict[str, Float[np.ndarray, "draw"]]:
    """Draws of all parameters by scrambled Sobol points: even coverage, the same numbers for the same seed.

    Args:
        priors: Parameter name → prior. The order of the names matters for the numbers, the number of draws does not.
        num_draws: How many; powers of two cover most evenly.
        seed: Of the scrambling.

    Returns:
        Parameter name → values, shape (draw,).

    Raises:
        UsageError: If the number of draws is not positive.

    Source:
        sobol1967, owen1998.

    Example:
        >>> draw({"x": Uniform(low=0, high=1)}, 4, seed=1)["x"].round(2).tolist()
        [0.29, 0.9, 0.53, 0.16]
    """
    from scipy.stats import qmc

    if num_draws < 1:
        raise UsageError(f"draws: {num_draws} is not a number of draws. Ask for at least 1.")
    free = [name for name, prior in priors.items() if not isinstance(prior, Fixed)]
    if free:
        sobol = qmc.Sobol(len(free), scramble=True, rng=np.random.default_rng(seed))
        # Sobol points come in powers of two; taking the first of them keeps the numbers when more are asked for.
        points = sobol.random_base2(int(np.ceil(np.log2(max(num_draws, 2)))))[:num_draws]
        points = np.clip(points, 1e-12, 1 - 1e-12)
    values = {}
    for name, prior in priors.items():
        q = points[:, free.index(name)] if name in free else np.full(num_draws, 0.5)
        values[name] = prior.quantile(q)
    return values


def median_draw(priors: Mapping[str, Prior]) -> dict[str, float]:
    """The median of every parameter: the world that is shown first.

    Example:
        >>> median_draw({"x": Uniform(low=0, high=1)})
        {'x': 0.5}
    """
    return {name: float(prior.quantile(np.array([0.5]))[0]) for name, prior in priors.items()}
