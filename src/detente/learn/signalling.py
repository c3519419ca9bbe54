"""The crisis-signalling game (lewis2003, in the notation of jo2011): a challenge, an answer, a stand or a retreat.

A challenges or not; B concedes or resists; A stands firm or backs down. A knows two shocks of its own and B one, so
that
a challenge says something about A: types are continuous, and it is no finite tree. Everything follows from one number a
game, the chance *p* that B resists, which solves ``p = Φ(W_B + ((1 − p_F) V_B − C_B) / p_F)``, where *p_F* is B's
belief that A will stand firm.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float

from detente.learn import jets
from detente.learn.jets import LOG_SQRT_2PI, Jet

PREDICTORS = ("SA", "VA", "CB", "barWA", "barWB", "bara", "VB")
ALIASES = {"S_A": "SA", "V_A": "VA", "C_B": "CB", "W_A": "barWA", "WA": "barWA", "W_B": "barWB", "WB": "barWB"}
ALIASES |= {"a": "bara", "V_B": "VB"}
OUTCOMES = ("sq", "cd", "sf", "bd")
RHO = float(np.sqrt(0.5))
ROOT_INDEX = 1_000  # predictor index of p's own variable, above those of all equations
LOW, HIGH = -8.0, 37.0  # where Φ⁻¹(p) is looked for
HALVINGS = 13  # of that interval before Newton's method: they decide which equilibrium is found where there are several


@dataclass(frozen=True, eq=False)
class Plays:
    """How often each outcome was seen in each game, and first-stage chances where they are used.

    Attributes:
        counts: Status quo, concession, stand firm, back down.
        resist: Chance that B resists; None where it follows from the equilibrium.
        fight: Chance that A stands firm once resisted.
    """

    counts: Float[np.ndarray, "row outcome"]
    resist: Float[np.ndarray, "row"] | None = None
    fight: Float[np.ndarray, "row"] | None = None

    def take(self, rows: slice) -> "Plays":
        """Some of the rows."""
        return Plays(
            self.counts[rows],
            None if self.resist is None else self.resist[rows],
            None if self.fight is None else self.fight[rows],
        )

    def believing(self, resist: np.ndarray, fight: np.ndarray) -> "Plays":
        """The same plays with other first-stage chances."""
        return replace(self, resist=resist, fight=fight)


@cache
def _quadrature(num: int = 48) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(num)
    angle = np.pi / 8 * (nodes + 1)
    return np.log(weights * np.pi / 8 / (2 * np.pi)), np.sin(angle), np.cos(angle) ** 2


def log_normal_cdf_2(x: Any, y: Any) -> Any:
    """log of the bivariate normal distribution function with correlation √½, right also far in the tail.

    Args:
        x: Jet or array.
        y: Jet or array.

    Example:
        >>> float(np.exp(log_normal_cdf_2(np.zeros(1), np.zeros(1)))[0].round(6))  # 1/4 + arcsin(ρ)/2π
        0.375
    """
    h, k = np.broadcast_arrays(np.asarray(jets.value_of(x), float), np.asarray(jets.value_of(y), float))
    h, k = np.clip(h, -1e100, 1e100), np.clip(k, -1e100, 1e100)
    log_weight, sine, cosine2 = _quadrature()
    from scipy.special import log_ndtr

    with np.errstate(over="ignore", invalid="ignore"):
        squares, product = (h * h + k * k)[..., None], (h * k)[..., None]
        bent = log_weight - (squares - 2 * product * sine) / (2 * cosine2)
        flat = (log_ndtr(h) + log_ndtr(k))[..., None]
        parts = np.concatenate([flat, bent], axis=-1)
        top = parts.max(axis=-1)
        top = np.where(np.isfinite(top), top, 0.0)
        value = top + np.log(np.exp(parts - top[..., None]).sum(-1))
    if not isinstance(x, Jet) and not isinstance(y, Jet):
        return value
    log_h, log_k = -0.5 * h * h - LOG_SQRT_2PI, -0.5 * k * k - LOG_SQRT_2PI
    across_h, across_k = (k - RHO * h) / RHO, (h - RHO * k) / RHO
    with np.errstate(over="ignore", invalid="ignore"):
        by_h = np.exp(log_h + log_ndtr(across_h) - value)
        by_k = np.exp(log_k + log_ndtr(across_k) - value)
        density = np.exp(log_h - 0.5 * across_h**2 - LOG_SQRT_2PI - value)  # φ(h) φ(b) / Φ₂
    second = (
        -h * by_h - density - by_h**2,
        density / RHO - by_h * by_k,
        -k * by_k - density - by_k**2,
    )
    return jets.chain2(x, y, value, (by_h, by_k), second)


def stakes(values: Mapping[str, Any], resist: Any, yields: Any) -> tuple[Any, Any, Any]:
    """Log chances of what A does, given the chance that B resists.

    Args:
        values: The payoffs.
        resist: Chance that B resists.
        yields: Chance that it does not.

    Returns:
        Log chances of no challenge, of a challenge that A would stand by, and of one that A would retreat from.
    """
    bar = (values["SA"] - values["VA"] * yields) / resist
    stand, retreat = values["barWA"], values["bara"]
    log_quiet = jets.log_normal_cdf(bar - stand) + jets.log_normal_cdf(bar - retreat)
    gap = (stand - retreat) * RHO
    log_firm = log_normal_cdf_2(gap, stand - bar)
    log_bluff = log_normal_cdf_2(gap * -1.0, retreat - bar)
    return log_quiet, log_firm, log_bluff


def answer(values: Mapping[str, Any], log_odds_fight: Any) -> Any:
    """What B's chance to resist is the normal probability of, given B's belief that A stands firm.

    Args:
        values: The payoffs.
        log_odds_fight: Log of 1 / p_F.
    """
    inverse = jets.exp(log_odds_fight)
    return values["barWB"] + (inverse - 1.0) * values["VB"] - values["CB"] * inverse


def _mirror(values: Mapping[str, Any], u: Any) -> Any:
    """B's answer to the beliefs that the chance Φ(u) of resistance implies, minus u."""
    resist, yields = jets.exp(jets.log_normal_cdf(u)), jets.exp(jets.log_normal_cdf(u * -1.0))
    _, log_firm, log_bluff = stakes(values, resist, yields)
    return answer(values, jets.log_sum_exp([log_firm, log_bluff]) - log_firm) - u


def _plain(values: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {k: np.broadcast_to(np.asarray(jets.value_of(v), dtype=float), shape) for k, v in values.items()}


def _shape(values: Mapping[str, Any], num_rows: int) -> tuple[int, ...]:
    return np.broadcast_shapes((num_rows,), *(np.shape(jets.value_of(v)) for v in values.values()))


def equilibrium(values: Mapping[str, Any], num_rows: int) -> np.ndarray:
    """Φ⁻¹ of the chance that B resists, in one equilibrium of every game; NaN where none was found.

    Args:
        values: The payoffs.
        num_rows: Number of games.
    """
    shape = _shape(values, num_rows)
    plain = _plain(values, shape)
    low, high = np.full(shape, LOW), np.full(shape, HIGH)
    with np.errstate(all="ignore"):
        ends = _mirror(plain, low), _mirror(plain, high)
        found = (ends[0] > 0) & (ends[1] < 0)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            above = _mirror(plain, middle) > 0
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        u = 0.5 * (low + high)
        for _ in range(60):  # Newton's method, kept between the ends; where it would leave them, halving goes on
            f = _mirror(plain, jets.variable(u, ROOT_INDEX, 1))
            above = f.value > 0
            low, high = np.where(above, u, low), np.where(above, high, u)
            step = u - f.value / f.first[ROOT_INDEX]
            new = np.where((step >= low) & (step <= high), step, 0.5 * (low + high))
            moved = np.abs(np.where(found, new - u, 0.0)) / (1.0 + np.abs(u))
            u = new
            if float(moved.max(initial=0.0)) < 1e-14:
                break
        # Where the condition overflows it changes sign without being zero: that is no equilibrium.
        found &= np.abs(f.value) <= 1e-6 * (1.0 + np.abs(f.first[ROOT_INDEX]))
    return np.where(found, u, np.nan)


def count_equilibria(values: Mapping[str, Any], num_rows: int, *, grid: int = 400) -> np.ndarray:
    """How many equilibria every game has, seen on a grid.

    Args:
        values: The payoffs.
        num_rows: Number of games.
        grid: Points at which the condition is looked at.
    """
    plain = _plain(values, (num_rows,))
    count, before = np.zeros(num_rows, dtype=int), None
    with np.errstate(all="ignore"):
        for u in np.concatenate([np.linspace(LOW, 8.0, grid), [HIGH]]):
            sign = _mirror(plain, np.full(num_rows, u)) > 0
            if before is not None:
                count += sign != before
            before = sign
    return count


def root_jet(values: Mapping[str, Any], num_rows: int) -> Any:
    """Φ⁻¹ of the chance that B resists with its derivatives, by the implicit function theorem."""
    u = equilibrium(values, num_rows)
    order = max((v.order for v in values.values() if isinstance(v, Jet)), default=0)
    if order == 0:
        return u
    f = _mirror(values, jets.variable(u, ROOT_INDEX, order))
    slope = f.first[ROOT_INDEX]
    first = {i: -g / slope for i, g in f.first.items() if i != ROOT_INDEX}
    second = {}
    if order == 2:

        def bend(i: int, j: int) -> Any:
            return f.second.get((min(i, j), max(i, j)), 0.0)

        names = sorted(first)
        for n, i in enumerate(names):
            for j in names[n:]:
                crossed = bend(i, ROOT_INDEX) * first[j] + bend(j, ROOT_INDEX) * first[i]
                second[i, j] = -(bend(i, j) + crossed + bend(ROOT_INDEX, ROOT_INDEX) * first[i] * first[j]) / slope
    return Jet(u, first, second, order)


@dataclass(frozen=True)
class Signalling:
    """The likelihood of the outcomes of the signalling game.

    With first-stage chances in the data it is the pseudo-likelihood; without them it is the likelihood proper, at the
    equilibrium of every game.
    """

    @property
    def predictors(self) -> tuple[str, ...]:
        """The payoffs."""
        return PREDICTORS

    @property
    def scales(self) -> tuple[str, ...]:
        """None: the shocks have the size 1."""
        return ()

    def log_probabilities(self, values: Mapping[str, Any], observed: Plays) -> list[Any]:
        """Log chances of the four outcomes."""
        if observed.resist is None or observed.fight is None:
            u = root_jet(values, len(observed.counts))
            resist, yields = jets.exp(jets.log_normal_cdf(u)), jets.exp(jets.log_normal_cdf(u * -1.0))
        else:
            resist, yields = observed.resist, 1.0 - observed.resist
            u = answer(values, -np.log(observed.fight))
        quiet, firm, bluff = stakes(values, resist, yields)
        log_yields, log_resist = jets.log_normal_pair(u)
        challenge = jets.log_sum_exp([firm, bluff])
        return [quiet, challenge + log_yields, firm + log_resist, bluff + log_resist]

    def log_likelihood(self, values: Mapping[str, Any], observed: Plays) -> Any:
        """Log likelihood of the counts of every game."""
        total: Any = 0.0
        for c, log_chance in enumerate(self.log_probabilities(values, observed)):
            count = observed.counts[:, c]
            total = jets.select(count > 0, log_chance * count) + total
        return total


def best_responses(values: Mapping[str, Any], plays: Plays) -> tuple[np.ndarray, np.ndarray]:
    """Chances that follow when both sides answer the first-stage chances: (resist, fight)."""
    from scipy.special import ndtr

    assert plays.resist is not None and plays.fight is not None
    shape = (len(plays.counts),)
    plain = _plain(values, shape)
    _, firm, bluff = stakes(plain, plays.resist, 1.0 - plays.resist)
    fight = np.exp(firm - np.logaddexp(firm, bluff))
    return ndtr(answer(plain, -np.log(plays.fight))), fight
