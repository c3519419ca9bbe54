"""Where to start, how often, and whether the searches agree."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from detente.learn.assemble import Problem
from detente.learn.newton import Climb, climb
from detente.learn.objective import Objective

STARTS = 4
FEWER_STARTS = 2  # in large samples, where each costs more and tops are better separated
LARGE = 5_000  # rows
HUGE = 60_000  # rows from which the searches are made on some of them first
SOME = 20_000
ROWS_OF_EACH = 800  # of each outcome, in the sketch of a large sample on which a starting point is worked out
MORE_STARTS = 8  # when the first ones disagree
MANY_STARTS = 28  # when some run off without end, and the sample is small
SMALL = 500  # rows
WIDE_STARTS = 12  # random ones in small samples where the first agree: something higher may lie far out
SPREADS = (1.0, 3.0, 10.0, 30.0)  # of random starts after the first few; ends without a top lie far out
HIGHER = 1e-3  # in the log likelihood: what counts as higher than the top that is reported
WIDE_SPREADS = (10.0, 30.0)
SAME_TOP = 1e-6
FAR_BELOW = 50.0  # a search that ends nowhere this much lower lost its way, and says nothing about the best top


@dataclass(frozen=True, eq=False)
class Search:
    """What several searches found.

    Attributes:
        best: The highest top.
        tops: Log likelihood of every different top that was found, highest first, and how many searches ended there.
        failed: Searches that ended at no top.
        highest_failed: The highest log likelihood that one of them reached; −inf where none failed.
        higher: Where searches from far out ended, if it was higher than the top on which the others agree.
    """

    best: Climb
    tops: tuple[tuple[float, int], ...]
    failed: int
    highest_failed: float = float("-inf")
    higher: tuple[Climb, ...] = ()

    @property
    def note(self) -> str | None:
        """What to say when searches disagree; None when they agree."""
        if self.tops and not self.best.at_top:
            return (
                f"several ends: the highest top is {self.tops[0][0]:.6f} ({self.tops[0][1]} of the searches), but a "
                f"search that found no top went higher, to {self.highest_failed:.4f}: that top is only local, and "
                "there may be no maximum."
            )
        said = [self._higher_note] if self.higher else []
        if self.failed and self.best.at_top and self.tops[0][0] - self.highest_failed < FAR_BELOW:
            said.append(
                f"several ends: {self.failed} of {self.failed + sum(c for _, c in self.tops)} searches ran off without "
                f"reaching a top, at log likelihoods up to {self.highest_failed:.4f}; the best top is "
                f"{self.tops[0][0]:.6f}. The data nearly separate the choices, or "
                "hardly tell some payoffs apart: consider a [penalty]."
            )
        if len(self.tops) > 1:
            shown = ", ".join(f"{value:.4f} ({count} of the searches)" for value, count in self.tops[1:5])
            said.append(
                f"several tops: the best has log likelihood {self.tops[0][0]:.6f} ({self.tops[0][1]} of the searches); "
                f"others ended lower, at {shown}. A search from one start may stop short."
            )
        return " ".join(said) or None

    @property
    def _higher_note(self) -> str:
        end = self.higher[0]
        what = "at another top" if end.at_top else "and ran off without reaching a top"
        return (
            f"higher far out: the first searches agree on the top at {self.best.value:.6f}, which is reported, but "
            f"{len(self.higher)} of {WIDE_STARTS} searches from far out went higher, to {end.value:.4f}, {what}. There "
            "some choices are all but certain: the top reported is only local, and the likelihood may have no maximum "
            "that can be used. Consider a [penalty]; starts = 40 reports the highest end that is found instead."
        )


def search(
    problem: Problem,
    *,
    given: Float[np.ndarray, "coefficient"] | None = None,
    points: Sequence[Float[np.ndarray, "coefficient"]] | None = None,
    starts: int | None = None,
    seed: int = 0,
) -> Search:
    """Climb from several starting points and compare where they end.

    Args:
        problem: What is to be estimated.
        given: A first starting point of the user's.
        points: Starting points that are worked out; default :func:`first_points`.
        starts: How many; default 4 (2 in large samples), and 8 or more when those disagree or fail. Where the default
            agrees in a small sample, 12 from far out look for something higher, which is said and not reported in
            its place.
        seed: Of the random ones.
    """
    objective = problem.objective
    rng = np.random.default_rng(seed)
    if objective.num_rows > HUGE:
        return _on_some_rows_first(problem, given, starts, seed, rng)
    worked_out = first_points(problem) if points is None else list(points)
    points = ([given] if given is not None else []) + worked_out
    default = STARTS if objective.num_rows < LARGE else FEWER_STARTS
    wanted = default if starts is None else max(1, starts)
    found: list[Climb] = []
    best: Climb | None = None
    more = MANY_STARTS if objective.num_rows < SMALL else MORE_STARTS
    for n in range(wanted + (more if starts is None else 0)):
        if n >= wanted + MORE_STARTS and all(c.at_top for c in found):
            break
        if n >= wanted and len(_tops(found)) < 2 and all(c.at_top for c in found):
            break
        if n < len(points):
            point = points[n]
        else:
            base = best.point if best is not None and best.at_top and n % 2 else points[-1]
            spread = SPREADS[n % len(SPREADS)] if n >= STARTS else 1.0
            point = base + spread * rng.normal(size=len(base)) / objective.sizes
        known = best if best is not None and best.at_top else None
        top = climb(objective.evaluate, point, objective.sizes, known=known, max_iterations=200 if n < wanted else 120)
        found.append(top)
        if best is None or _better(top, best):
            best = top
    assert best is not None
    failed = [c.value for c in found if not c.at_top and np.isfinite(c.value)]
    agreed = starts is None and len(_tops(found)) == 1 and all(c.at_top for c in found)
    # Not for the pseudo-likelihood: that is a start for the likelihood proper, and its searches are dear.
    look = agreed and objective.num_rows < SMALL and problem.kind != "signalling"
    higher = _far_out(objective, best, points[-1], rng) if look else ()
    return Search(best, tuple(_tops(found)), sum(not c.at_top for c in found), max(failed, default=-np.inf), higher)


def _far_out(
    objective: Objective, best: Climb, start: Float[np.ndarray, "coefficient"], rng: np.random.Generator
) -> tuple[Climb, ...]:
    """Searches from far out that end higher than the top on which the first ones agree, highest first.

    They are a check and replace nothing: such ends have coefficients so large that some choices are all but certain.
    """
    ends = []
    for n in range(WIDE_STARTS):
        base, spread = (best.point, start)[n % 2], WIDE_SPREADS[n // 2 % len(WIDE_SPREADS)]
        point = base + spread * rng.normal(size=len(base)) / objective.sizes
        ends.append(climb(objective.evaluate, point, objective.sizes, known=best, max_iterations=120))
    higher = [end for end in ends if np.isfinite(end.value) and end.value > best.value + HIGHER]
    return tuple(sorted(higher, key=lambda end: -end.value))


def _on_some_rows_first(
    problem: Problem, given: np.ndarray | None, starts: int | None, seed: int, rng: np.random.Generator
) -> Search:
    """Compare tops on a sample of the rows, then climb once with all of them from the best."""
    objective = problem.objective
    counted = np.flatnonzero(objective.weights > 0)
    rows = np.sort(rng.choice(counted, min(SOME, len(counted)), replace=False))
    found = search(replace(problem, objective=objective.subset(rows)), given=given, starts=starts, seed=seed)
    top = climb(objective.evaluate, found.best.point, objective.sizes)
    return Search(top, ((top.value, 1),) if top.at_top else (), int(not top.at_top), -np.inf)


def _sketch(problem: Problem) -> Objective | None:
    """A large sample in few rows: of each outcome some hundred at most, which count for the others; None if small.

    Its log likelihood is near that of all rows, also where an outcome is rare. It only says where to start.
    """
    objective = problem.objective
    if objective.num_rows < LARGE or problem.kind != "tree":
        return None
    rng = np.random.default_rng(0)
    cells, weights = objective.observed.counts.argmax(1), objective.weights.copy()
    kept = []
    for cell in np.unique(cells):
        rows = np.flatnonzero((cells == cell) & (weights > 0))
        chosen = rng.choice(rows, min(ROWS_OF_EACH, len(rows)), replace=False)
        weights[chosen] *= len(rows) / max(1, len(chosen))
        kept.append(chosen)
    rows = np.sort(np.concatenate(kept))
    return replace(objective.subset(rows), weights=weights[rows])


def _better(new: Climb, old: Climb) -> bool:
    """Whether a search did better; a point that is no top counts only when it is clearly higher."""
    if not np.isfinite(new.value):
        return False
    if not np.isfinite(old.value):
        return True
    if new.at_top == old.at_top:
        return new.value > old.value + 1e-10
    return new.value > old.value + (-1e-6 if new.at_top else 1e-3)


def _tops(found: Sequence[Climb]) -> list[tuple[float, int]]:
    tops: list[tuple[float, int]] = []
    for climbed in sorted((c for c in found if c.at_top), key=lambda c: -c.value):
        if tops and tops[-1][0] - climbed.value < SAME_TOP * (1 + abs(climbed.value)):
            tops[-1] = (tops[-1][0], tops[-1][1] + 1)
        else:
            tops.append((climbed.value, 1))
    return tops


def first_points(problem: Problem) -> list[Float[np.ndarray, "coefficient"]]:
    """Starting points that are worked out: by backward induction for a tree, from the offers for the ultimatum game."""
    objective = problem.objective
    zero = np.zeros(objective.num_coefficients)
    if problem.kind == "ultimatum":
        return _from_offers(objective, zero)
    if problem.kind == "tree" and len(problem.stages) > 1:
        return [_staged(_sketch(problem) or objective, problem.stages, zero), zero]
    return [zero]


def _staged(objective: Objective, stages: Sequence[Sequence[str]], start: np.ndarray) -> np.ndarray:
    """The last mover's coefficients first, then those of the player before, given them, and so on."""
    theta = start.copy()
    for names in stages:
        chosen = np.array([name in names for name, _ in objective.names])
        if not chosen.any():
            continue

        def part(x: np.ndarray, chosen: np.ndarray = chosen) -> tuple:
            full = theta.copy()
            full[chosen] = x
            value, gradient, hessian = objective.evaluate(full)
            return value, gradient[chosen], hessian[np.ix_(chosen, chosen)]

        top = climb(part, theta[chosen], objective.sizes[chosen], max_iterations=25, tolerance=1e-2)
        if np.isfinite(top.value) and np.abs(top.point * objective.sizes[chosen]).max(initial=0.0) < 50:
            theta[chosen] = top.point
    return theta


def _from_offers(objective: Objective, zero: np.ndarray) -> list[np.ndarray]:
    """Reservation values near what was offered and kept, shocks as large as the spread of offers."""
    offers, most = objective.observed.offer, objective.likelihood.max_offer
    spread = max(float(offers.std()), 1e-2 * most)
    made = []
    for share, factor in ((1.0, 1.0), (0.5, 0.5), (1.0, 2.0)):
        theta = zero.copy()
        for k, (equation, term) in enumerate(objective.names):
            if term != "(Intercept)":
                continue
            theta[k] = {
                "R1": most - offers.mean() * (1 + share * 0.2) - spread,
                "R2": offers.mean() * share,
                "log(s1)": np.log(spread * factor),
                "log(s2)": np.log(spread * factor),
            }.get(equation, 0.0)
        made.append(theta)
    return made
