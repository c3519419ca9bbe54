"""When a policy fails and when the choice flips, in words: cards with thresholds in natural units and as quantiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detente.decide.boxes import Box, Restriction, conditions, percent
from detente.decide.discovery import discover
from detente.decide.regret import as_values, oriented
from detente.decide.sensitivity import slices
from detente.decide.tornado import swings
from detente.errors import UsageError, nearest

MOST_RESTRICTIONS = 3  # more than a reader keeps in mind
SEARCHED = 10  # parameters that are searched: those that set failures apart most by themselves
LEAST_FAILURES = 20  # worlds below which no range is looked for
SIGNIFICANCE = 0.01
NUM_SLICES = 20
LEAST_WORLDS = 10  # in a slice
CERTAIN_Z = 3.0  # standard errors by which another policy must be ahead


@dataclass(frozen=True, eq=False)
class Card:
    """In which worlds a policy fails.

    Attributes:
        policy: Its name.
        criterion: Which outcome or player it fails by.
        failure: What counts as a failure, in words.
        threshold: What is just good enough, in the criterion's unit; None where failing is being beaten.
        rate: Share of all worlds that fail.
        num_failures: How many worlds fail.
        box: Where failures gather; None where too few or all worlds fail, or no range sets them apart.
        quantiles: Restricted parameter → share of all worlds that satisfy this restriction by itself.
        text: The card in words.
    """

    policy: str
    criterion: str
    failure: str
    threshold: float | None
    rate: float
    num_failures: int
    box: Box | None
    quantiles: Mapping[str, float]
    text: str


def make_card(
    fails: np.ndarray,
    inputs: Mapping[str, np.ndarray],
    *,
    policy: str,
    criterion: str,
    failure: str,
    threshold: float | None = None,
    titles: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Card:
    """Look for the ranges in which a policy's failures gather, and say them.

    Of the ten parameters that set failures apart most by themselves, at most three are kept: those of the box that
    PRIM proposes with the smallest quasi-p values; with these the search is made once more.

    Args:
        fails: Which worlds fail, (draw,).
        inputs: Parameter → values, (draw,).
        policy: Title of the policy.
        criterion: Name of the outcome or player.
        failure: What counts as a failure, in words.
        threshold: What is just good enough.
        titles: Parameter → what to call it.
        units: Parameter → its unit, printed after numbers; leave out those without.

    Returns:
        The card. Where fewer than 20 worlds fail, or fewer than 20 do not, it says so and no range is looked for.

    Raises:
        UsageError: If there is no world or no parameter, or the shapes differ.

    Example:
        >>> resolve = np.linspace(0, 1, 1_000)
        >>> print(make_card(resolve > 0.7, {"resolve": resolve}, policy="Act", criterion="war", failure="war").text)
        *Act* fails (war) in 30 % of worlds: mostly when resolve is above 0.7 (highest 30 % of worlds): 100 % of
        failures, 99.3 % of such worlds fail, 30 % of all worlds.
    """
    flags = np.asarray(fails, dtype=bool)
    if not len(flags) or not inputs:
        raise UsageError("cards: there are no worlds or no parameters to search in. Loosen the filter.")
    count, rate = int(flags.sum()), float(flags.mean())
    box = _search(flags, inputs) if LEAST_FAILURES <= count <= len(flags) - LEAST_FAILURES else None
    shares = {r.parameter: float(r.holds(inputs[r.parameter]).mean()) for r in box.restrictions} if box else {}
    text = _sentence(policy, failure, rate, count, len(flags), box, shares, titles or {}, units or {})
    return Card(policy, criterion, failure, threshold, rate, count, box, shares, text)


def _search(fails: np.ndarray, inputs: Mapping[str, np.ndarray]) -> Box | None:
    """A box of few restrictions; None where none is left that chance would not explain."""
    ranked = [s.parameter for s in swings(fails.astype(float), inputs, share=0.2)]
    names = ranked[:SEARCHED]
    box = discover({n: inputs[n] for n in names}, fails, significance=SIGNIFICANCE).box
    if len(box.restrictions) > MOST_RESTRICTIONS:
        names = [r.parameter for r in box.restrictions[:MOST_RESTRICTIONS]]  # most significant first
        box = discover({n: inputs[n] for n in names}, fails, significance=SIGNIFICANCE).box
    return box if box.restrictions else None


def _sentence(
    policy: str,
    failure: str,
    rate: float,
    count: int,
    total: int,
    box: Box | None,
    shares: Mapping[str, float],
    titles: Mapping[str, str],
    units: Mapping[str, str],
) -> str:
    if count == 0:
        return f"*{policy}* fails ({failure}) in none of {total:,} worlds."
    start = f"*{policy}* fails ({failure}) in {percent(rate)} of worlds"
    if count < LEAST_FAILURES:
        return f"{start}: {count} of {total:,}, too few to say when."
    if count > total - LEAST_FAILURES:
        return f"{start}: nearly all, so that no range sets them apart."
    if box is None:
        return f"{start}, and no range of a parameter sets them apart."
    parts = [_condition(r, shares[r.parameter], titles, units) for r in box.restrictions]
    said = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 2 else parts)
    return (
        f"{start}: mostly when {said}: {percent(box.coverage)} of failures, {percent(box.density)} of such worlds "
        f"fail, {percent(box.mass)} of all worlds."
    )


def _condition(r: Restriction, share: float, titles: Mapping[str, str], units: Mapping[str, str]) -> str:
    """One restriction with its unit, and as a quantile."""
    said = conditions(Box((r,), 0, 0, 0), titles)
    if r.left_out:
        return f"{said} ({percent(share)} of worlds)"
    end = "middle" if r.low is not None and r.high is not None else "highest" if r.low is not None else "lowest"
    unit = f" {units[r.parameter]}" if units.get(r.parameter) else ""
    return f"{said}{unit} ({end} {percent(share)} of worlds)"


# -- when the choice flips -------------------------------------------------------------------------
@dataclass(frozen=True)
class Flip:
    """A threshold of a parameter beyond which another policy is better on average.

    Attributes:
        parameter: Its name.
        side: ``above`` or ``below`` the threshold.
        value: The threshold, in the parameter's unit.
        share: Share of worlds on that side.
        policy: The policy that is better there.
        gain: By how much on average there, in the criterion's unit.
    """

    parameter: str
    side: str
    value: float
    share: float
    policy: str
    gain: float


def flips(
    values: np.ndarray,
    policies: Sequence[str],
    inputs: Mapping[str, np.ndarray],
    *,
    preferred: str,
    better: str = "higher",
) -> tuple[Flip, ...]:
    """Where knowing one parameter would make another policy the better choice.

    Worlds are cut into 20 slices of equal size by the parameter. From either end, slices belong to a flip as long as
    the other policy is better in each of them on average; the whole of them must show it by more than 3 standard
    errors. The threshold lies where the line between the means of the last of them and the next slice crosses zero.

    Args:
        values: The criterion, (draw, policy).
        policies: Names, one a column.
        inputs: Parameter → values, (draw,).
        preferred: The policy that would be chosen knowing nothing.
        better: ``lower`` or ``higher``: which values are better.

    Returns:
        Flips, largest share of worlds first; at most one a parameter and side (the policy that gains most there).

    Raises:
        UsageError: If the names do not fit.

    Example:
        >>> x = np.linspace(0, 1, 2_000)
        >>> values = np.stack([np.full(2_000, 0.6), x], axis=1)
        >>> found, = flips(values, ["a", "b"], {"x": x}, preferred="a")
        >>> found.side, round(found.value, 2), found.policy
        ('above', 0.6, 'b')
    """
    worth = oriented(as_values(values, policies), better)
    if preferred not in policies:
        raise UsageError(f"preferred: {preferred!r} is not a policy.{nearest(preferred, policies)}")
    own = list(policies).index(preferred)
    gap = worth - worth[:, [own]]
    count = max(2, min(NUM_SLICES, len(worth) // LEAST_WORLDS))
    found: list[Flip] = []
    for name, x in inputs.items():
        code = slices(np.asarray(x, dtype=float), count)
        for side in ("above", "below"):
            sides = [_flip(name, side, x, code, gap[:, j], policies[j]) for j in range(len(policies)) if j != own]
            best = max((f for f in sides if f is not None), key=lambda f: f.gain * f.share, default=None)
            found += [best] if best is not None else []
    return tuple(sorted(found, key=lambda f: -f.share))


def _flip(name: str, side: str, x: np.ndarray, code: np.ndarray, gap: np.ndarray, policy: str) -> Flip | None:
    worlds = np.bincount(code)
    means, centres = np.bincount(code, weights=gap) / worlds, np.bincount(code, weights=x) / worlds
    order = range(len(worlds) - 1, -1, -1) if side == "above" else range(len(worlds))
    run = 0
    for index in order:
        if means[index] <= 0:
            break
        run += 1
    if run in (0, len(worlds)):
        return None  # never better from this end, or better everywhere: then knowing it does not matter
    inside = code >= len(worlds) - run if side == "above" else code < run
    ahead = gap[inside]
    error = ahead.std(ddof=1) / np.sqrt(len(ahead)) if len(ahead) > 1 else np.inf
    if ahead.mean() <= CERTAIN_Z * error:
        return None
    last, beyond = (len(worlds) - run, len(worlds) - run - 1) if side == "above" else (run - 1, run)
    part = means[last] / (means[last] - means[beyond])
    value = float(centres[last] + part * (centres[beyond] - centres[last]))
    there = x > value if side == "above" else x < value
    return Flip(name, side, value, float(there.mean()), policy, float(gap[there].mean()))


# -- how likely would the bad worlds have to be ----------------------------------------------------
def flipping_share(
    values: np.ndarray, inside: np.ndarray, *, preferred: int, better: str = "higher"
) -> tuple[int, float] | None:
    """How large a share of worlds of a kind would have to be for another policy to be better on average.

    Args:
        values: The criterion, (draw, policy).
        inside: Which worlds are of that kind, (draw,).
        preferred: Column of the policy that would be chosen.
        better: ``lower`` or ``higher``.

    Returns:
        The column of the policy that takes over first, and the share at which it does; None where none ever does.

    Example:
        >>> values = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
        >>> flipping_share(values, np.array([False, False, True]), preferred=0)
        (1, 0.25)
    """
    worth = oriented(np.asarray(values, dtype=float), better)
    gap = worth - worth[:, [preferred]]
    if inside.all() or not inside.any():
        return None
    here, elsewhere = gap[inside].mean(axis=0), gap[~inside].mean(axis=0)
    found = [
        (j, float(-elsewhere[j] / (here[j] - elsewhere[j])))
        for j in range(gap.shape[1])
        if j != preferred and here[j] > 0 and elsewhere[j] <= 0
    ]
    return min(found, key=lambda f: f[1], default=None)
