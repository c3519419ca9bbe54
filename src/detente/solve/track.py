"""Follow the principal branch of a game of up to some thousand options upwards in precision, one draw at a time.

The unknowns are log-odds: for each infoset d = l − l(reference), where the reference is the option that was the
likeliest at the last point, and the equations are d = λ·(Q − Q(reference)). With payoffs in shares of each player's
range, an error of the size ε in an option's worth is one of λ·ε in d, so that residuals are measured over 1 + λ. The
precision grows by a factor each step: the next point is predicted along the tangent in (log λ, asinh d), where both
options that die out (d → −λ·gap) and options that stay (d → constant) are nearly straight lines, and corrected by
Newton. Where that fails, or the determinant changes sign, the stretch is followed by arc length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from detente.axes import CHOICE, Game
from detente.solve.branch import BranchPoint, follow_branch
from detente.solve.factor import beside, factor
from detente.solve.problem import Problem, edge_chance, levels
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED

MAX_UNKNOWNS = 3_000  # up to which Newton's matrix is affordable
DENSE_UNKNOWNS = 200  # up to which it is quickest as a dense one
MAX_STRENGTH = 1e13  # precision times the range of payoffs beyond which floats do not tell options apart
# Beliefs are differences of log-probabilities that may be near −10⁹: more digits than a float's, where there are any.
LONG = np.longdouble
WEAK = 1e-3  # precision times the widest range from which a branch is followed from uniform play
ON_BRANCH, NEAR_BRANCH = 1e-10, 1e-8  # residual of a point, in shares of the range of payoffs; and on the way to it
MAX_NEWTON = 25
FIRST_STEP, LARGEST_STEP, SMALLEST_STEP = 0.2, 1.2, 0.02  # of log λ
SURPRISE, EASY = 0.3, 0.03  # corrections of asinh d: larger ones halve the step, smaller ones let it grow
BEND = 0.05  # distance in asinh d from the mean of the directions at both ends; beyond, the step is halved
STRETCH = 0.7  # of log λ that is followed by arc length at a time
ASINH_OF_ALL = 700.0  # beyond, sinh overflows


class Tree:
    """Index arrays of a game that all draws share."""

    def __init__(self, game: Game):
        self.game = game
        self.levels = levels(game)
        self.owner = np.repeat(np.arange(len(game.infosets)), np.diff(game.infoset_start))
        self.player = np.array([i.player for i in game.infosets], dtype=np.int64)
        self.decisions = np.flatnonzero(game.kind == CHOICE)
        children = np.arange(1, game.num_nodes)
        parent = game.parent[children]
        chosen = game.kind[parent] == CHOICE
        self.slot = np.full(game.num_nodes, -1, dtype=np.int64)  # option that leads into each node
        self.slot[children[chosen]] = game.infoset_start[game.infoset[parent[chosen]]] + game.option[children[chosen]]
        self.chosen = children[chosen]
        self._make_paths()
        self._make_order()

    def _make_paths(self) -> None:
        """(leaf, slot) pairs sorted by slot, and the matrix that sums over the slots on the way to each leaf."""
        game = self.game
        node, leaf = game.leaf_nodes.astype(np.int64), np.arange(game.num_leaves)
        leaves, slots = [], []
        while len(node):
            inside = node > 0
            node, leaf = node[inside], leaf[inside]
            here = self.slot[node] >= 0
            leaves.append(leaf[here])
            slots.append(self.slot[node[here]])
            node = game.parent[node].astype(np.int64)
        leaf_of, slot_of = np.concatenate(leaves), np.concatenate(slots)
        order = np.lexsort((leaf_of, slot_of))
        self.pair_leaf, self.pair_slot = leaf_of[order], slot_of[order]
        self.pair_start = np.searchsorted(self.pair_slot, np.arange(game.num_slots + 1))
        shape = (game.num_leaves, game.num_slots)
        self.path = sparse.csr_matrix((np.ones(len(leaf_of)), (leaf_of, slot_of)), shape=shape)

    def _make_order(self) -> None:
        """Which of its own infosets come before, by player: under perfect recall their number is one for each."""
        game = self.game
        rank = np.zeros(len(game.infosets), dtype=np.int64)
        count = np.zeros((game.num_nodes, len(game.players)), dtype=np.int64)
        for start, stop in self.levels:
            parent = game.parent[start:stop]
            count[start:stop] = count[parent]
            own = np.flatnonzero(game.kind[parent] == CHOICE)
            count[start + own, self.player[game.infoset[parent[own]]]] += 1
        rank[game.infoset[self.decisions]] = count[self.decisions, self.player[game.infoset[self.decisions]]]
        self.rank = rank


class World:
    """One draw: H, its derivatives, beliefs, values and regrets. Payoffs are shares of each player's range."""

    def __init__(self, tree: Tree, problem: Problem, draw: int):
        self.tree, game = tree, tree.game
        one = problem.take(slice(draw, draw + 1))
        edges = edge_chance(one)[:, 0]
        self.edges = edges
        payoff = one.payoff[:, :, 0]
        self.least = payoff.min(axis=0)
        spread = payoff.max(axis=0) - self.least
        self.spread = np.where(spread > 0, spread, 1.0)
        self.payoff = (payoff - self.least) / self.spread
        self.log_chance = np.zeros(game.num_nodes)  # of each history, impossible events left out …
        self.impossible = np.zeros(game.num_nodes, dtype=np.int64)  # … and counted here
        for start, stop in tree.levels:
            parent, edge = game.parent[start:stop], edges[start:stop]
            can = edge > 0
            self.log_chance[start:stop] = self.log_chance[parent] + np.log(np.where(can, edge, 1.0))
            self.impossible[start:stop] = self.impossible[parent] + ~can
        self.leaf_chance: np.ndarray = self.log_chance[game.leaf_nodes].astype(LONG)
        # Of the histories of an option only those with the fewest impossible events count; one always has that few.
        count = self.impossible[game.leaf_nodes][tree.pair_leaf]
        least = np.minimum.reduceat(count, tree.pair_start[:-1]) if len(count) else count
        self.excluded = count > least[tree.pair_slot]
        self.utility = self.payoff[tree.pair_leaf, tree.player[tree.owner[tree.pair_slot]]]

    def normalise(self, weights: np.ndarray) -> np.ndarray:
        """Log-probabilities from logarithms of weights, (slot,)."""
        tree = self.tree
        start = tree.game.infoset_start[:-1]
        top = np.maximum.reduceat(weights, start)[tree.owner]
        relative = weights - top
        return relative - np.log(np.add.reduceat(np.exp(relative.astype(float)), start))[tree.owner]

    def worth(self, log_p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected payoff of every option, and the weight of every (leaf, slot) pair in it."""
        tree = self.tree
        start = tree.pair_start[:-1]
        log_reach = (self.leaf_chance + tree.path @ log_p)[tree.pair_leaf]
        log_reach[self.excluded] = -np.inf
        relative = log_reach - np.maximum.reduceat(log_reach, start)[tree.pair_slot]
        weight = np.exp(relative.astype(float))
        weight /= np.add.reduceat(weight, start)[tree.pair_slot]
        return np.add.reduceat(weight * self.utility, start), weight

    def log_residual(self, log_p: np.ndarray, rate: np.ndarray) -> float:
        """Largest distance of a log-probability from what it should be.

        Args:
            log_p: Log-probabilities, (slot,).
            rate: λ times the range of payoffs, (player,).
        """
        if not len(log_p):
            return 0.0
        worth, _ = self.worth(log_p)
        return float(np.abs(log_p - self.normalise(rate[self.tree.player[self.tree.owner]] * worth)).max())

    def slope(self, weight: np.ndarray, worth: np.ndarray) -> sparse.csr_matrix:
        """Derivatives of the worth of options by the log-probability of every leaf, (slot, leaf)."""
        tree = self.tree
        deviation = weight * (self.utility - worth[tree.pair_slot])
        shape = (tree.game.num_slots, tree.game.num_leaves)
        return sparse.csr_matrix((deviation, tree.pair_leaf, tree.pair_start), shape=shape)


@dataclass(frozen=True, eq=False)
class Point:
    """A point of the branch: s = log of the precision, as a multiple of the first one.

    Attributes:
        s: Where it is.
        log_p: Log-probabilities, (slot,).
        residual: Largest component of H.
        iterations: Newton steps so far.
    """

    s: float
    log_p: np.ndarray
    residual: float
    iterations: int


class Chart:
    """H in the log-odds to each infoset's likeliest option at one point.

    Args:
        world: The draw.
        rate: λ at s = 0 times the range of payoffs, (player,).
        log_p: Log-probabilities of the point.
    """

    def __init__(self, world: World, rate: np.ndarray, log_p: np.ndarray):
        tree = world.tree
        self.world, self.rate = world, rate[tree.player[tree.owner]]
        starts = tree.game.infoset_start
        reference = np.array([a + int(log_p[a:b].argmax()) for a, b in zip(starts, starts[1:], strict=False)])
        self.to = reference[tree.owner]
        self.free = np.flatnonzero(self.to != np.arange(len(log_p)))
        self.rate, self.to = self.rate[self.free], self.to[self.free]
        size = np.diff(starts)[tree.owner[self.free]]  # every log-odds moves all log-probabilities of its infoset
        self.column = np.repeat(np.arange(len(self.free)), size)
        first = np.repeat(starts[tree.owner[self.free]] - np.concatenate([[0], np.cumsum(size)[:-1]]), size)
        self.row = first + np.arange(len(self.column))
        self.start = np.arcsinh((log_p[self.free] - log_p[self.to]).astype(float))

    def log_p(self, d: np.ndarray) -> np.ndarray:
        """Log-probabilities from log-odds."""
        weights = np.zeros(self.world.tree.game.num_slots, dtype=LONG)
        weights[self.free] = d
        return self.world.normalise(weights)

    def error(self, d: np.ndarray, s: float) -> np.ndarray:
        """H in shares of the range of payoffs."""
        worth, _ = self.world.worth(self.log_p(d))
        rate = self.rate * np.exp(s)
        return ((d - rate * (worth[self.free] - worth[self.to])) / (1 + rate)).astype(float)

    def linearise(self, d: np.ndarray, s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """H, its derivatives by d, and by s (the scale of H held fixed)."""
        log_p = self.log_p(d)
        worth, weight = self.world.worth(log_p)
        by_leaf = self.world.slope(weight, worth)
        moved = (self.row == self.free[self.column]) - np.exp(log_p.astype(float))[self.free[self.column]]
        shape = (len(log_p), len(d))
        leaf_by_d = self.world.tree.path @ sparse.csr_matrix((moved, (self.row, self.column)), shape=shape)
        rate = self.rate * np.exp(s)
        response = rate * (worth[self.free] - worth[self.to])
        scale = 1 + rate
        by_d = (by_leaf[self.free] - by_leaf[self.to]) @ leaf_by_d
        matrix = sparse.diags_array(1 / scale) - sparse.diags_array(rate / scale) @ by_d
        if len(d) <= DENSE_UNKNOWNS:
            matrix = matrix.toarray()
        return ((d - response) / scale).astype(float), matrix, -response / scale

    # the same as detente.solve.branch wants it: the unknowns are asinh d, t is s
    def residual(self, x: np.ndarray, t: float) -> np.ndarray:
        """H."""
        return self.error(np.sinh(x), t)

    def evaluate(self, x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        """H and its derivatives by asinh d and s."""
        h, matrix, by_s = self.linearise(np.sinh(x), t)
        rate = self.rate * np.exp(t)
        by_s = by_s - h * rate / (1 + rate)
        return h, beside(matrix @ sparse.diags_array(np.cosh(x)), by_s)


class _Shifted:
    """A chart whose t counts from a point on the way, as :func:`follow_branch` starts at 0."""

    def __init__(self, chart: Chart, s: float):
        self.chart, self.s, self.start = chart, s, chart.start

    def residual(self, x: np.ndarray, t: float) -> np.ndarray:
        return self.chart.residual(x, self.s + t)

    def evaluate(self, x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        return self.chart.evaluate(x, self.s + t)


def newton(chart: Chart, d: np.ndarray, s: float) -> tuple[np.ndarray, float, int]:
    """Newton at a fixed precision: the best point met, its residual and the steps used."""
    d = d.astype(LONG)
    best, least, used, worse = d, np.inf, 0, 0
    while used < MAX_NEWTON:
        used += 1
        h, matrix, _ = chart.linearise(d, s)
        residual = float(np.abs(h).max())
        if not np.isfinite(residual):
            break
        worse = worse + 1 if residual > 0.5 * least else 0
        if residual < least:
            best, least = d, residual
        if worse >= 3:
            break
        change = factor(matrix).solve(h)
        d = d - change
        if not np.isfinite(d).all():
            break
        if float((np.abs(change) / (1 + np.abs(d))).max()) < 1e-14:
            break
    return best, least, used


class Place:
    """A point with its chart, the direction of the branch in (asinh d, s), and the sign of the determinant."""

    def __init__(self, world: World, rate: np.ndarray, point: Point):
        self.world, self.full, self.point = world, rate, point
        self.chart = Chart(world, rate, point.log_p)
        _, matrix, by_s = self.chart.linearise(np.sinh(self.chart.start), point.s)
        factors = factor(matrix)
        self.sign = factors.sign
        self.slope = np.zeros(world.tree.game.num_slots)  # of the log-odds by s
        with np.errstate(all="ignore"):
            self.slope[self.chart.free] = -factors.solve(by_s)
            self.tangent = self.slope[self.chart.free] / np.cosh(self.chart.start)

    def step(self, length: float) -> tuple[Point | None, float]:
        """The point a step further, or None when the correction is a surprise; and how large the correction was."""
        s = self.point.s + length
        guess = self.chart.start + length * self.tangent
        if not (np.abs(guess) < ASINH_OF_ALL).all():
            return None, np.inf
        d, residual, used = newton(self.chart, np.sinh(guess), s)
        surprise = float(np.abs(np.arcsinh(d.astype(float)) - guess).max())
        if residual > ON_BRANCH or surprise > SURPRISE:
            return None, surprise
        return Point(s, self.chart.log_p(d), residual, self.point.iterations + used), surprise

    def bends(self, other: "Place") -> float:
        """How far a further point is from where the mean of both directions leads: large when it is another branch."""
        chart, log_p, slope = self.chart, other.point.log_p, other.slope
        d = (log_p[chart.free] - log_p[chart.to]).astype(float)
        with np.errstate(all="ignore"):
            there = (slope[chart.free] - slope[chart.to]) / np.hypot(1.0, d)
            mean = (other.point.s - self.point.s) * (self.tangent + there) / 2
            return float(np.abs(np.arcsinh(d) - chart.start - mean).max())

    def stretch(self, length: float) -> tuple[Point | None, float]:
        """The point a stretch further by arc length, or None when that is not got to; and s of a crossing."""
        shifted = _Shifted(self.chart, self.point.s)
        with np.errstate(all="ignore"):
            (end,) = follow_branch(shifted, [length], tolerance=NEAR_BRANCH)
        s = self.point.s + length
        d, residual, used = newton(self.chart, np.sinh(end.x), s)
        if end.status == NOT_CONVERGED or residual > ON_BRANCH:
            return None, np.nan
        used += self.point.iterations + end.iterations
        return Point(s, self.chart.log_p(d), residual, used), self.point.s + end.bifurcation_at


@dataclass(frozen=True, eq=False)
class Move:
    """What a step along the branch led to.

    Attributes:
        place: Where it led, or None when the branch could not be followed.
        step: How far to try next.
        crossing: s near which another branch crosses, NaN where none was seen.
    """

    place: Place | None
    step: float
    crossing: float


def advance(place: Place, step: float, most: float = np.inf) -> Move:
    """Go a step further along the branch.

    Args:
        place: Where to start.
        step: How far to try, in s.
        most: How far to go at most, in s.
    """
    length = min(step, most)
    following, surprise = _try(place, length)
    while following is None and length > SMALLEST_STEP:
        length /= 2
        following, surprise = _try(place, length)
    if following is None or following.sign != place.sign:
        new, crossing = place.stretch(min(STRETCH, most))
        if new is None:
            return Move(None, step, np.nan)
        return Move(Place(place.world, place.full, new), FIRST_STEP, crossing)
    step = length if length < min(step, most) else step
    return Move(following, min(2 * step, LARGEST_STEP) if surprise < EASY else step, np.nan)


def _try(place: Place, length: float) -> tuple[Place | None, float]:
    """The place a step further, or None when that may be another branch; and how large the correction was."""
    point, surprise = place.step(length)
    if point is None:
        return None, surprise
    following = Place(place.world, place.full, point)
    return (following if place.bends(following) < BEND else None), surprise


def follow(world: World, precision: np.ndarray, targets: Sequence[float], *, tolerance: float) -> list[BranchPoint]:
    """Follow the principal branch of one draw from nearly uniform play through every target.

    Args:
        world: The draw.
        precision: λ at share 1, (player,), not all 0.
        targets: Increasing shares in [0, 1].
        tolerance: Largest residual, in log-probability, of a converged point.

    Returns:
        One point for each target, as :func:`detente.solve.branch.follow_branch` gives them; the unknowns are the
        log-probabilities of all slots.
    """
    tree = world.tree
    full = precision * world.spread
    start = float(np.log(WEAK / full.max()))  # log of the share at which s is 0
    rate = full * np.exp(start)
    uniform = -np.log(np.diff(tree.game.infoset_start).astype(float))[tree.owner]
    chart = Chart(world, rate, uniform)
    d, residual, used = newton(chart, np.zeros(len(chart.free)), 0.0)
    place: Place | None = Place(world, rate, Point(0.0, chart.log_p(d), residual, used))
    last, step, crossing = place, FIRST_STEP, np.nan
    found = []
    for target in targets:
        if target == 0.0:
            found.append(BranchPoint(uniform, 0.0, CONVERGED, 0, 0.0, np.nan))
            continue
        goal = float(np.log(target)) - start
        while place is not None and goal - place.point.s > 1e-12:
            move = advance(place, step, goal - place.point.s)
            place, step = move.place, move.step
            crossing = move.crossing if np.isnan(crossing) else crossing
            last = place or last
        log_p = last.point.log_p
        residual = world.log_residual(log_p, target * full)
        status = NOT_CONVERGED
        if place is not None and residual <= tolerance:
            status = CONVERGED if np.isnan(crossing) else BIFURCATION
        reached = float(np.exp(last.point.s + start))
        found.append(
            BranchPoint(
                log_p.astype(float), residual, status, last.point.iterations, reached, float(np.exp(crossing + start))
            )
        )
    return found
