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


DESIGNS = ("sobol", "lhs", "monte carlo")
CHUNK = 1_024  # draws that a Latin hypercube covers, and that one stream of random numbers makes
EDGE = 1e-12  # quantiles stay this far from 0 and 1, where some priors are infinite
Correlations = Mapping[str, Mapping[str, float]]


def draw(
    priors: Mapping[str, Prior],
    num_draws: int,
    *,
    seed: int = 0,
    design: str = "sobol",
    correlations: Correlations | None = None,
    first: int = 0,
    total: int | None = None,
) -> dict[str, Float[np.ndarray, "draw"]]:
    """Draws of all parameters, evenly spread or at random: the same numbers for the same seed.

    Any part of the draws can be made without the rest, so that several machines can share the work.

    Args:
        priors: Parameter name → prior. The order of the names matters for the numbers, the number of draws does not.
        num_draws: How many; powers of two cover most evenly.
        seed: Of the scrambling, the shuffling or the random numbers.
        design: ``sobol`` (scrambled Sobol points: the most even), ``lhs`` (Latin hypercube: each parameter evenly
            spread within each 1,024 draws) or ``monte carlo`` (independent).
        correlations: Parameter → other parameter → rank correlation, beside what the priors themselves are tied to.
        first: Number of the first draw.
        total: Draws in the whole design, which only the last hypercube depends on; by default those up to the last.

    Returns:
        Parameter name → values, shape (draw,).

    Raises:
        UsageError: If the number of draws is not positive, there is no such design, or the correlations are impossible.

    Source:
        sobol1967, owen1998.

    Example:
        >>> draw({"x": Uniform(low=0, high=1)}, 4, seed=1)["x"].round(2).tolist()
        [0.29, 0.9, 0.53, 0.16]
        >>> sorted(draw({"x": Uniform(low=0, high=4)}, 4, design="lhs")["x"].astype(int).tolist())
        [0, 1, 2, 3]
    """
    if num_draws < 1:
        raise UsageError(f"draws: {num_draws} is not a number of draws. Ask for at least 1.")
    if design not in DESIGNS:
        raise UsageError(f"design: {design!r} is not a way to draw.{nearest(design, DESIGNS)}")
    free = free_parameters(priors)
    total = first + num_draws if total is None else total
    points = _points(design, len(free), first, num_draws, total, seed) if free else np.zeros((num_draws, 0))
    return draws_at(priors, points, correlations=correlations)


def free_parameters(priors: Mapping[str, Prior]) -> list[str]:
    """Names of the parameters that are uncertain.

    Example:
        >>> free_parameters({"x": Uniform(low=0, high=1), "y": Fixed(value=2)})
        ['x']
    """
    return [name for name, prior in priors.items() if not isinstance(prior, Fixed)]


def draws_at(
    priors: Mapping[str, Prior],
    points: Float[np.ndarray, "draw parameter"],
    *,
    correlations: Correlations | None = None,
) -> dict[str, Float[np.ndarray, "draw"]]:
    """Draws at given points of the unit cube, for designs that are made elsewhere.

    Args:
        priors: Parameter name → prior.
        points: One column for each uncertain parameter, in their order, with values in [0, 1].
        correlations: Parameter → other parameter → rank correlation.

    Returns:
        Parameter name → values, shape (draw,).

    Raises:
        UsageError: If the number of columns is not that of the uncertain parameters, a value lies outside [0, 1], or
            the correlations are impossible.

    Example:
        >>> draws_at({"x": Uniform(low=0, high=10)}, np.array([[0.25], [0.5]]))["x"].tolist()
        [2.5, 5.0]
    """
    free = free_parameters(priors)
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != len(free):
        raise UsageError(
            f"points: shape {points.shape} does not fit {len(free)} uncertain parameters. Give one column for each."
        )
    if not ((points >= 0) & (points <= 1)).all():
        raise UsageError("points: some lie outside [0, 1]. Give quantiles.")
    columns = dict(zip(free, np.clip(points, EDGE, 1 - EDGE).T, strict=True))
    columns |= _moved(priors, columns, correlations or {})
    middle = np.full(len(points), 0.5)
    return {name: prior.quantile(columns.get(name, middle)) for name, prior in priors.items()}


def _points(design: str, count: int, first: int, num_draws: int, total: int, seed: int) -> np.ndarray:
    """Some rows of a design of points in the unit cube, (draw, parameter)."""
    from scipy.stats import qmc

    if design == "sobol":
        if first + num_draws > 2**30:
            raise UsageError(f"draws: {first + num_draws} are more than the 2^30 Sobol points. Use 'monte carlo'.")
        sobol = qmc.Sobol(count, scramble=True, rng=np.random.default_rng(seed))
        if first:
            return sobol.fast_forward(first).random(num_draws)
        # Sobol points come in powers of two; taking the first of them keeps the numbers when more are asked for.
        return sobol.random_base2(int(np.ceil(np.log2(max(num_draws, 2)))))[:num_draws]
    parts = []
    for chunk in range(first // CHUNK, (first + num_draws - 1) // CHUNK + 1):
        rng = np.random.default_rng([seed, chunk])
        size = min(CHUNK, total - chunk * CHUNK)
        part = qmc.LatinHypercube(count, rng=rng).random(size) if design == "lhs" else rng.random((CHUNK, count))
        parts.append(part[max(first - chunk * CHUNK, 0) : first + num_draws - chunk * CHUNK])
    return np.concatenate(parts)


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


def check_correlations(priors: Mapping[str, Prior], correlations: Correlations) -> None:
    """Whether parameters can move together in the way that is stated.

    Args:
        priors: All priors, by name; those that are tied count too.
        correlations: Parameter → other parameter → rank correlation.

    Raises:
        UsageError: If a parameter does not exist, is fixed, or is paired with itself; a pair is stated twice; a
            correlation is not between −1 and 1; or all of them together contradict each other.
    """
    _factor(_pairs(priors, correlations))


def _pairs(priors: Mapping[str, Prior], correlations: Correlations) -> dict[tuple[str, str], float]:
    """(Parameter, other) → rank correlation, each pair once; what the priors are tied to stands last."""
    found: dict[tuple[str, str], float] = {}
    for name, others in correlations.items():
        for other, rank in others.items():
            where = f"correlations.{name}.{other}"
            for one in (name, other):
                if one not in priors:
                    raise UsageError(f"{where}: {one!r} is not a parameter.{nearest(one, priors)}")
                if isinstance(priors[one], Fixed):
                    raise UsageError(f"{where}: {one!r} is fixed, and moves with nothing. Leave the pair out.")
            if name == other or (other, name) in found:
                why = "pairs a parameter with itself" if name == other else "is stated the other way round too"
                raise UsageError(f"{where}: {why}. State each pair of two parameters once.")
            if not -1 < rank < 1:
                raise UsageError(f"{where}: {rank} is not a rank correlation. Give a number between −1 and 1.")
            found[name, other] = float(rank)
    for name in (n for n in free_parameters(priors) if priors[n].tied is not None):
        check_tie(name, priors)
        tied = priors[name].tied
        assert tied is not None
        if (name, tied.to) in found or (tied.to, name) in found:
            raise UsageError(
                f"correlations: {name!r} is tied to {tied.to!r} by its prior already. State the pair in one place."
            )
        found[name, tied.to] = tied.rank_correlation
    return found


def _factor(pairs: Mapping[tuple[str, str], float]) -> tuple[list[str], np.ndarray]:
    """Parameters that move together, those that others hang on first, and the Cholesky factor of their scores."""
    names = list(dict.fromkeys([*(other for _, other in pairs), *(name for name, _ in pairs)]))

    def scores(shrink: float) -> np.ndarray:
        matrix = np.eye(len(names))
        for (name, other), rank in pairs.items():
            i, j = names.index(name), names.index(other)
            # The correlation of normal scores that gives this correlation of ranks.
            matrix[i, j] = matrix[j, i] = 2 * np.sin(np.pi * shrink * rank / 6)
        return matrix

    def possible(shrink: float) -> bool:
        return bool(np.linalg.eigvalsh(scores(shrink))[0] > 1e-9)

    if names and not possible(1.0):
        most = next(share for share in np.arange(0.95, -0.01, -0.05) if possible(share))
        raise UsageError(
            f"correlations: no parameters can move together as stated for {', '.join(names)}: the correlations "
            f"contradict each other. Bring them closer to 0; all of them times {most:.2f} would do."
        )
    return names, np.linalg.cholesky(scores(1.0)) if names else np.zeros((0, 0))


def _moved(
    priors: Mapping[str, Prior], columns: Mapping[str, np.ndarray], correlations: Correlations
) -> dict[str, np.ndarray]:
    """Quantiles that keep their even spread but move together: a normal copula.

    Summed draw by draw and never as a matrix product, whose last digits depend on how many draws there are.
    """
    names, factor = _factor(_pairs(priors, correlations))
    if not names:
        return {}
    from scipy.special import ndtr, ndtri

    normal = {name: ndtri(columns[name]) for name in names}
    found = {}
    for i, name in enumerate(names):
        if not factor[i, :i].any():
            continue
        score = sum(factor[i, j] * normal[names[j]] for j in range(i + 1) if factor[i, j])
        found[name] = np.clip(ndtr(score), EDGE, 1 - EDGE)
    return found


def median_draw(priors: Mapping[str, Prior]) -> dict[str, float]:
    """The median of every parameter: the world that is shown first.

    Example:
        >>> median_draw({"x": Uniform(low=0, high=1)})
        {'x': 0.5}
    """
    return {name: float(prior.quantile(np.array([0.5]))[0]) for name, prior in priors.items()}
