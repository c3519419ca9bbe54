"""Priors of parameters, where they come from, and draws from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator

from detente.errors import UsageError, nearest
from detente.record import Figure, figures_in_words

# scipy.stats and scipy.stats.qmc take half a second to import: they are imported where they are used.


@dataclass(frozen=True)
class Origin:
    """What a prior was worked out from.

    Attributes:
        source: ``estimate`` or ``salvo``.
        id: Of the estimate, or salvo and part: ``oct2024.interception``.
        rests_on: Ids of the record behind it.
        words: A clause for people: "from the estimate …".
    """

    source: Literal["estimate", "salvo"]
    id: str
    rests_on: tuple[str, ...]
    words: str


class Tied(BaseModel):
    """How far a parameter moves with another one when both are drawn.

    Attributes:
        to: Name of the other parameter, which must be drawn freely itself.
        rank_correlation: Between −1 and 1; 0 is independent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: Annotated[str, Field(min_length=1)]
    rank_correlation: Annotated[float, Field(gt=-1, lt=1)]


class _Prior(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # Left out of what is dumped, which is the numbers of the distribution.
    tied: Tied | None = Field(default=None, exclude=True, repr=False)
    origin: Origin | None = Field(default=None, exclude=True, repr=False)


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


class Triangular(_Prior):
    """Between two bounds with a best guess, falling in straight lines to both: wider than a PERT of the same bounds."""

    kind: Literal["triangular"] = "triangular"
    low: float
    best: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> "Triangular":
        if not (self.low < self.high and self.low <= self.best <= self.high):
            raise ValueError(
                f"low {self.low}, best {self.best}, high {self.high} are not in order; give low ≤ best ≤ "
                "high, low < high"
            )
        return self

    def quantile(self, q: Float[np.ndarray, "draw"]) -> Float[np.ndarray, "draw"]:
        """The value at each quantile."""
        width, rise, fall = self.high - self.low, self.best - self.low, self.high - self.best
        return np.where(
            q * width < rise, self.low + np.sqrt(q * width * rise), self.high - np.sqrt((1 - q) * width * fall)
        )

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


class FromRecord(_Prior):
    """A prior that is worked out from the record when the scenario is loaded, and has no values before that.

    Written as ``{ from = "estimate:ID", kind = "pert" }`` or ``{ from = "salvo:NAME.interception" }``.
    """

    kind: Literal["from the record"] = "from the record"
    source: Annotated[str, Field(pattern=r"^(estimate|salvo):\S+$")]
    shape: Literal["pert", "triangular", "beta", "uniform"] | None = None

    def quantile(self, q: Float[np.ndarray, "draw"]) -> Float[np.ndarray, "draw"]:
        """Never: it has no values yet.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"prior: {self.source!r} is not worked out yet. Load the scenario with load_scenario.")

    @property
    def support(self) -> tuple[float, float]:
        """Not known yet: the whole line."""
        return -np.inf, np.inf


Prior = Annotated[
    Fixed | Uniform | Pert | Triangular | Normal | Lognormal | Beta | FromRecord, Field(discriminator="kind")
]
PRIOR_KINDS = ("fixed", "uniform", "pert", "triangular", "normal", "lognormal", "beta")
SHAPES = ("pert", "triangular", "beta", "uniform")


# -- priors from estimates -----------------------------------------------------------------------
# Grade of the information → how many times as far each end lies from the best guess, and how far at least, as a share
# of the best guess (for figures that a single report gives without a range). Judgement, the same for everybody.
WIDENING: Mapping[int, tuple[float, float]] = {
    1: (1.0, 0.0),
    2: (1.25, 0.1),
    3: (1.5, 0.2),
    4: (2.0, 0.3),
    5: (3.0, 0.5),
    6: (4.0, 0.75),
}
SHARES = ("share", "probability")


def widened(figure: Figure, grade: int) -> Figure:
    """A range as wide as the grade of the information asks for: the poorer the evidence, the wider.

    Both ends move away from the best guess (the middle where none is given) by the factor of the grade, and at least
    by its share of the best guess; see ``WIDENING``. A share stays in [0, 1]; what is nowhere negative stays so.

    Args:
        figure: A range of the record.
        grade: 1 (confirmed) to 6 (cannot be judged).

    Returns:
        The wider range, with the same best guess and unit.

    Raises:
        UsageError: If there is no such grade.

    Example:
        >>> half = Figure(low=0.5, best=0.5, high=0.5, unit="share of missiles launched")
        >>> figures_in_words(widened(half, 3))
        '0.4–0.6 share of missiles launched (best 0.5)'
    """
    if grade not in WIDENING:
        raise UsageError(f"grade: {grade!r} is not a grade of information. Give 1 (confirmed) to 6 (cannot be judged).")
    factor, least = WIDENING[grade]
    middle = (figure.low + figure.high) / 2 if figure.best is None else figure.best
    below = max(factor * (middle - figure.low), least * abs(middle))
    above = max(factor * (figure.high - middle), least * abs(middle))
    floor = 0.0 if figure.low >= 0 else -np.inf
    ceiling = 1.0 if _unit(figure.unit) in SHARES and figure.high <= 1 else np.inf
    low, high = max(middle - below, floor), min(middle + above, ceiling)
    return Figure(low=float(low), best=figure.best, high=float(high), unit=figure.unit)


def prior_from_figure(figure: Figure, *, kind: str = "pert", grade: int = 1) -> Prior:
    """What is believed about a parameter that an estimate of the record measures.

    Args:
        figure: Low, best and high.
        kind: ``pert``, ``triangular``, ``uniform``, or ``beta`` (for shares: on all of [0, 1], with the mean
            (low + 4·best + high) / 6 and the standard deviation (high − low) / 6).
        grade: Grade of the information, which widens the range; see :func:`widened`.

    Returns:
        The prior, without its origin.

    Raises:
        UsageError: If the figure does not give what the kind needs.

    Example:
        >>> prior = prior_from_figure(Figure(low=9, best=10, high=12, unit="missiles"), grade=4)
        >>> prior.low, prior.best, prior.high
        (7.0, 10.0, 14.0)
    """
    if kind not in SHAPES:
        raise UsageError(f"kind: {kind!r} is not a kind of prior that an estimate gives.{nearest(kind, SHAPES)}")
    wide = widened(figure, grade)
    if wide.best is None and kind != "uniform":
        raise UsageError(
            f"kind: {kind!r} needs a best guess, but the figure is {figures_in_words(figure)}. Use kind = 'uniform'."
        )
    if wide.low == wide.high:
        raise UsageError(
            f"kind: {kind!r} needs a range, but the figure is {figures_in_words(figure)} and grade {grade} adds none. "
            "Give a poorer grade if it is not certain, or state kind = 'fixed' with its value."
        )
    if kind == "uniform" or wide.best is None:
        return Uniform(low=wide.low, high=wide.high)
    if kind == "beta":
        mean, sd = (wide.low + 4 * wide.best + wide.high) / 6, (wide.high - wide.low) / 6
        return beta_from_moments(mean, sd)
    return (Pert if kind == "pert" else Triangular)(low=wide.low, best=wide.best, high=wide.high)


def beta_from_moments(mean: float, sd: float) -> Beta:
    """The beta distribution with a mean and a standard deviation.

    Args:
        mean: Between 0 and 1.
        sd: Above 0 and below √(mean·(1 − mean)).

    Returns:
        The prior.

    Raises:
        UsageError: If no beta distribution has them.

    Example:
        >>> prior = beta_from_moments(0.5, 0.1)
        >>> round(prior.successes, 6), round(prior.failures, 6)
        (12.0, 12.0)
    """
    spread = mean * (1 - mean)
    if not (0 < mean < 1 and 0 < sd**2 < spread):
        raise UsageError(
            f"kind: 'beta' has no distribution with mean {mean:g} and standard deviation {sd:g}: it describes a share "
            "in (0, 1). Use kind = 'pert'."
        )
    size = spread / sd**2 - 1
    return Beta(successes=mean * size, failures=(1 - mean) * size)


def same_unit(parameter: str, figure: str) -> bool:
    """Whether a figure is measured in the unit of a parameter; "share of missiles launched" is a share.

    Example:
        >>> same_unit("probability", "share of respondents"), same_unit("missiles", "share of missiles launched")
        (True, False)
    """
    ours, theirs = _unit(parameter), _unit(figure)
    return ours == theirs or (ours in SHARES and theirs in SHARES)


def _unit(text: str) -> str:
    """The unit without what it is counted of or measured against."""
    return text.partition(" of ")[0].partition(" (")[0].strip()


def prior_in_words(prior: Any) -> str:
    """What is believed about a parameter, in words, with what it was worked out from.

    Args:
        prior: A prior of a scenario.

    Returns:
        One line.

    Example:
        >>> prior_in_words(Pert(low=0.5, best=1, high=1.5))
        '0.5 to 1.5, best guess 1'
    """
    parts = {name: f"{value:.4g}".replace("-", "−") for name, value in prior.model_dump(exclude={"kind"}).items()}
    written = {
        "fixed": "{value}, taken as known",
        "uniform": "{low} to {high}, all equally likely",
        "pert": "{low} to {high}, best guess {best}",
        "triangular": "{low} to {high}, best guess {best} (triangle)",
        "normal": "about {mean}, give or take {sd}",
        "lognormal": "about {median}, within a factor of {factor}",
        "beta": "a share, as if seen {successes} times and not seen {failures} times",
    }
    words = written[prior.kind].format(**parts)
    if prior.tied is not None:
        signed = f"{prior.tied.rank_correlation:+.2f}".replace("-", "−")
        words += f"; moves with {prior.tied.to.replace('_', ' ')} (rank correlation {signed})"
    return words if prior.origin is None else f"{words}; {prior.origin.words}"


# -- draws ---------------------------------------------------------------------------------------


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
        if prior.tied is not None and name in free:
            check_tie(name, priors)
            q = _moved(q, points[:, free.index(prior.tied.to)], prior.tied.rank_correlation)
        values[name] = prior.quantile(q)
    return values


def check_tie(name: str, priors: Mapping[str, Prior]) -> None:
    """Whether a parameter can be drawn together with the one that it is tied to.

    Args:
        name: Of a parameter.
        priors: All priors, by name.

    Raises:
        UsageError: If the other one does not exist, is the same, is fixed, or is tied itself.
    """
    tied = priors[name].tied
    if tied is None:
        return
    if tied.to not in priors:
        raise UsageError(
            f"{name}: tied.to: {tied.to!r} is not a parameter.{nearest(tied.to, (n for n in priors if n != name))}"
        )
    other = priors[tied.to]
    if tied.to == name or isinstance(other, Fixed) or other.tied is not None:
        why = "itself" if tied.to == name else "fixed" if isinstance(other, Fixed) else "tied to another one"
        raise UsageError(f"{name}: tied.to: {tied.to!r} is {why}. Tie it to a parameter that is drawn freely.")


def _moved(
    q: Float[np.ndarray, "draw"], other: Float[np.ndarray, "draw"], rank_correlation: float
) -> Float[np.ndarray, "draw"]:
    """Quantiles that keep their even spread but move with others: a normal copula."""
    from scipy.special import ndtr, ndtri

    rho = 2 * np.sin(np.pi * rank_correlation / 6)  # of the normal scores, for this correlation of ranks
    return np.clip(ndtr(rho * ndtri(other) + np.sqrt(1 - rho**2) * ndtri(q)), 1e-12, 1 - 1e-12)


def median_draw(priors: Mapping[str, Prior]) -> dict[str, float]:
    """The median of every parameter: the world that is shown first.

    Example:
        >>> median_draw({"x": Uniform(low=0, high=1)})
        {'x': 0.5}
    """
    return {name: float(prior.quantile(np.array([0.5]))[0]) for name, prior in priors.items()}
