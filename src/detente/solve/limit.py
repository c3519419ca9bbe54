"""What the branch comes to as errors vanish: followed until nobody can gain, which is checked by best replies.

The unknowns are log-odds: for each infoset d = l − l(reference), where the reference is the option that was the
likeliest at the last point, and the equations are d = λ·(Q − Q(reference)). With payoffs in shares of each player's
range, an error of the size ε in an option's worth is one of λ·ε in d, so that residuals are measured over 1 + λ. The
precision grows by a factor each step: the next point is predicted along the tangent in (log λ, asinh d), where both
options that die out (d → −λ·gap) and options that stay (d → constant) are nearly straight lines, and corrected by
Newton. Where that fails, or the determinant changes sign, the stretch is followed by arc length.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import linalg, sparse

from detente.axes import CHOICE, Game
from detente.errors import UsageError
from detente.solve.branch import follow_branch
from detente.solve.problem import Problem, edge_chance, levels
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED, Solution

REGRET = 1e-8  # largest regret of a limit, as a share of the player's range of payoffs
SUPPORT = 1e-4  # probability above which an option counts as played in the limit
MAX_UNKNOWNS = 3_000  # up to which Newton's matrix is affordable
MAX_STRENGTH = 1e13  # precision times the range of payoffs beyond which floats do not tell options apart
# Beliefs are differences of log-probabilities that may be near −10⁹: more digits than a float's, where there are any.
LONG = np.longdouble
WEAK = 1e-3  # precision times the widest range from which a solution at precision 0 is followed
ON_BRANCH, NEAR_BRANCH = 1e-10, 1e-8  # residual of a point, in shares of the range of payoffs; and on the way to it
MAX_NEWTON = 25
FIRST_STEP, LARGEST_STEP, SMALLEST_STEP = 0.2, 1.2, 0.02  # of log λ
SURPRISE, EASY = 0.3, 0.03  # corrections of asinh d: larger ones halve the step, smaller ones let it grow
BEND = 0.05  # distance in asinh d from the mean of the directions at both ends; beyond, the step is halved
STRETCH = 0.7  # of log λ that is followed by arc length at a time
MAX_STEPS = 600
SETTLED = 1e-3  # change of a probability over the last doubling that counts as having arrived
DOUBLING = float(np.log(2.0))
ASINH_OF_ALL = 700.0  # beyond, sinh overflows


@dataclass(frozen=True, eq=False)
class Limit:
    """The sequential equilibrium that the principal branch approaches as precision grows, for every draw.

    Attributes:
        solution: The last point of the branch: equilibrium at the precision that was reached.
        status: ``CONVERGED`` (regret below the bound), ``BIFURCATION`` (that too, but another branch crossed on the
            way) or ``NOT_CONVERGED``, for each draw.
        regret: Most that anybody could still gain, at any infoset and given the beliefs there, by the best of all
            continuations, as a share of the player's range of payoffs; for each draw.
        infoset_regret: The same for every infoset, in the utility units of who moves there, (infoset, draw).
        nash_regret: What each player could gain before play begins, in its utility units, (player, draw).
        residual: Largest error of an option's worth at the last point, as a share of the range, for each draw.
        change: Largest change of a probability since the precision was half as large (or smaller), for each draw.
        beliefs: How likely each history is, given its infoset, by Bayes' rule: (node, draw); NaN where nobody chooses.
        bound: What the regret had to fall below.
    """

    solution: Solution
    status: Int[np.ndarray, "draw"]
    regret: Float[np.ndarray, "draw"]
    infoset_regret: Float[np.ndarray, "infoset draw"]
    nash_regret: Float[np.ndarray, "player draw"]
    residual: Float[np.ndarray, "draw"]
    change: Float[np.ndarray, "draw"]
    beliefs: Float[np.ndarray, "node draw"]
    bound: float = REGRET

    @property
    def game(self) -> Game:
        """The game that was solved."""
        return self.solution.game

    @property
    def num_draws(self) -> int:
        """Number of draws."""
        return len(self.status)

    @property
    def converged(self) -> Bool[np.ndarray, "draw"]:
        """Which draws can be used: those whose regret is below the bound."""
        return self.status != NOT_CONVERGED

    @property
    def precision(self) -> Float[np.ndarray, "player draw"]:
        """λ of every player that was reached, per utility unit."""
        return self.solution.precision

    @property
    def probabilities(self) -> Float[np.ndarray, "slot draw"]:
        """Chance of every option at every infoset; none is exactly 0, so that beliefs are defined everywhere."""
        return self.solution.probabilities

    @property
    def payoffs(self) -> Float[np.ndarray, "player draw"]:
        """Expected payoff of every player."""
        return self.solution.payoffs

    @property
    def support(self) -> Bool[np.ndarray, "slot draw"]:
        """Options that are played in the limit: those with a probability above ``SUPPORT``, 1 in 10,000."""
        return self.probabilities > SUPPORT

    @property
    def kept_mixed(self) -> Bool[np.ndarray, "infoset draw"]:
        """Infosets at which more than one option is played in the limit."""
        start = self.game.infoset_start[:-1]
        if not len(start):
            return np.zeros((0, self.num_draws), dtype=bool)
        return np.add.reduceat(self.support.astype(int), start, axis=0) > 1

    def message(self, draw: int = 0) -> str:
        """How far the branch was followed, and what is left, in words, for one draw."""
        at, regret = self.precision[:, draw].max(), self.regret[draw]
        if self.status[draw] == NOT_CONVERGED:
            return (
                f"not reached (followed to precision {at:.4g}: regret {regret:.1e} of the range of payoffs, where "
                f"{self.bound:.1e} was asked for; residual {self.residual[draw]:.1e})"
            )
        text = (
            f"reached at precision {at:.4g} (regret {regret:.1e} of the range of payoffs; probabilities changed by "
            f"{self.change[draw]:.1e} over the last doubling)"
        )
        if self.status[draw] == BIFURCATION:
            text += (
                f", but another branch crosses near precision {self.solution.bifurcation_at[draw]:.4g}: beyond it "
                "this is not the only continuation"
            )
        return text

    def infoset(self, index: int) -> Float[np.ndarray, "option draw"]:
        """Choice probabilities at one infoset."""
        return self.solution.infoset(index)

    def belief(self, index: int) -> dict[tuple[tuple[str, str], ...], Float[np.ndarray, "draw"]]:
        """What is believed at one infoset: each of its histories, and how likely it is.

        Args:
            index: The infoset.

        Returns:
            History, as (move, option) pairs → probability for each draw.
        """
        nodes = np.flatnonzero(self.game.infoset == index)
        return {self.game.history(int(node)): self.beliefs[node] for node in nodes}

    def choice(self, move: str) -> dict[str, Float[np.ndarray, "draw"]]:
        """How likely each option of a move is overall, where the move is reached.

        Args:
            move: Name of the move.

        Returns:
            Option label → probability for each draw. Where the move is reached with a chance too small for floats,
            NaN; :meth:`infoset` has an answer there too.

        Raises:
            UsageError: If the game has no such move.
        """
        return self.solution.choice(move)

    def outcome(self, name: str) -> np.ndarray | dict[str, np.ndarray]:
        """Probability (flag), expected value (number) or distribution (label) of an outcome, for each draw.

        Raises:
            UsageError: If the game has no such outcome.
        """
        return self.solution.outcome(name)


def follow_limit(solution: Solution, *, bound: float = REGRET) -> Limit:
    """Follow the principal branch from a solution upwards in precision, until nobody can gain.

    Cost: some 20 to 100 steps of a few Newton corrections for each draw, each of the cube of the number of options:
    a tenth of a second for a dozen infosets, minutes for a thousand.

    Args:
        solution: Where to start, from :func:`detente.solve`; draws that did not converge are not followed.
        bound: Regret, as a share of each player's range of payoffs, at which to stop.

    Returns:
        Where each draw arrived.

    Raises:
        UsageError: If the bound is not a number above 0, a player has precision 0 while another has not, or the game
            has more options than ``MAX_UNKNOWNS``.

    Source:
        mckelvey1998 (the limits of the principal branch are sequential equilibria).

    Example:
        >>> import detente as dt
        >>> from detente.library.games import library_game
        >>> horse = dt.compile(library_game("seltens-horse").crisis)
        >>> limit = follow_limit(dt.solve(horse, precision=1.0))
        >>> bool(limit.regret[0] < 1e-8)
        True
    """
    if not (isinstance(bound, int | float) and 0 < bound < np.inf):
        raise UsageError(f"limit: the bound {bound!r} is not a number above 0. Give the regret at which to stop.")
    game, problem = solution.game, solution.problem
    if game.num_slots - len(game.infosets) > MAX_UNKNOWNS:
        raise UsageError(
            f"limit: {game.title} has {game.num_slots:,} options at {len(game.infosets):,} infosets; up to "
            f"{MAX_UNKNOWNS:,} can be followed to the limit. Solve at a high precision instead, or make the game "
            "smaller."
        )
    _check_precision(solution)
    tree = _Tree(game)
    ends = [_follow_draw(tree, solution, draw, bound) for draw in range(solution.num_draws)]

    def stack(name: str) -> np.ndarray:
        return np.stack([np.asarray(getattr(end, name)) for end in ends], axis=-1)

    log_probabilities = stack("log_probabilities").astype(float)
    last = Solution(
        game=game,
        problem=problem,
        precision=stack("precision"),
        probabilities=np.exp(log_probabilities),
        log_probabilities=log_probabilities,
        payoffs=stack("payoffs"),
        status=np.where(
            stack("on_branch"), np.where(np.isnan(stack("crossed")), CONVERGED, BIFURCATION), NOT_CONVERGED
        ),
        residual=stack("log_residual"),
        iterations=stack("iterations"),
        precision_reached=stack("precision").max(axis=0),
        bifurcation_at=stack("crossed"),
        method="limit",
    )
    return Limit(
        solution=last,
        status=np.where(stack("regret") < bound, last.status, NOT_CONVERGED),
        regret=stack("regret"),
        infoset_regret=stack("infoset_regret"),
        nash_regret=stack("nash_regret"),
        residual=stack("residual"),
        change=stack("change"),
        beliefs=stack("beliefs"),
        bound=float(bound),
    )


def _check_precision(solution: Solution) -> None:
    """Refuse draws in which some players respond to payoffs and others never will."""
    mixed = (solution.precision == 0).any(axis=0) & (solution.precision > 0).any(axis=0)
    if mixed.any():
        draw = int(np.flatnonzero(mixed)[0])
        player = solution.game.players[int(np.flatnonzero(solution.precision[:, draw] == 0)[0])]
        raise UsageError(
            f"limit: the precision of {player} is 0 in draw {draw}, and stays 0 however far the others' grows. "
            "Give every player a precision above 0."
        )


# -- the tree ------------------------------------------------------------------------------------
class _Tree:
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


class _World:
    """One draw: H, its derivatives, beliefs, values and regrets. Payoffs are shares of each player's range."""

    def __init__(self, tree: _Tree, problem: Problem, draw: int):
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

    def slope(self, weight: np.ndarray, worth: np.ndarray) -> sparse.csr_matrix:
        """Derivatives of the worth of options by the log-probability of every leaf, (slot, leaf)."""
        tree = self.tree
        deviation = weight * (self.utility - worth[tree.pair_slot])
        shape = (tree.game.num_slots, tree.game.num_leaves)
        return sparse.csr_matrix((deviation, tree.pair_leaf, tree.pair_start), shape=shape)

    # -- what could be gained ------------------------------------------------------------------------
    def beliefs(self, log_p: np.ndarray) -> np.ndarray:
        """How likely each history is, given its infoset; NaN where nobody chooses."""
        tree, game = self.tree, self.tree.game
        log_reach = np.zeros(game.num_nodes, dtype=LONG)
        for start, stop in tree.levels:
            parent, slot = game.parent[start:stop], tree.slot[start:stop]
            log_reach[start:stop] = log_reach[parent] + self.log_chance[start:stop] - self.log_chance[parent]
            chosen = np.flatnonzero(slot >= 0)
            log_reach[start + chosen] += log_p[slot[chosen]]
        found = np.full(game.num_nodes, np.nan)
        nodes = tree.decisions
        infoset, count = game.infoset[nodes], self.impossible[nodes]
        least = np.full(len(game.infosets), np.iinfo(np.int64).max)
        np.minimum.at(least, infoset, count)
        logs = np.where(count == least[infoset], log_reach[nodes], -np.inf)
        top = np.full(len(game.infosets), -np.inf, dtype=LONG)
        np.maximum.at(top, infoset, logs)
        weight = np.exp((logs - top[infoset]).astype(float))
        found[nodes] = weight / np.bincount(infoset, weight, minlength=len(game.infosets))[infoset]
        return found

    def values(self, probabilities: np.ndarray, player: int) -> np.ndarray:
        """A player's expected payoff after every history under a strategy, (node,)."""
        tree, game = self.tree, self.tree.game
        edge = self.edges.copy()
        edge[tree.chosen] = probabilities[tree.slot[tree.chosen]]
        value = np.zeros(game.num_nodes)
        value[game.leaf_nodes] = self.payoff[:, player]
        for start, stop in reversed(tree.levels):
            above = int(game.parent[start])
            part = np.bincount(game.parent[start:stop] - above, edge[start:stop] * value[start:stop])
            value[above : above + len(part)] += part
        return value

    def regrets(self, log_p: np.ndarray, belief: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What could be gained, in shares of the range: at each infoset given beliefs, and by each player at first.

        For each player its own infosets are answered last first: with perfect recall the beliefs at an infoset do not
        depend on its own earlier choices, so that the best reply there is the same whatever led to it.

        Returns:
            Regrets of infosets, regrets of players, and everybody's payoffs.
        """
        tree, game = self.tree, self.tree.game
        played, starts = np.exp(log_p.astype(float)), game.infoset_start[:-1]
        belief_above = belief[game.parent[tree.chosen]]
        chosen_slot = tree.slot[tree.chosen]
        at = np.zeros(len(game.infosets))
        first, payoffs = np.zeros(len(game.players)), np.zeros(len(game.players))
        for player in range(len(game.players)):
            value = self.values(played, player)
            mean = np.bincount(
                game.infoset[tree.decisions],
                belief[tree.decisions] * value[tree.decisions],
                minlength=len(game.infosets),
            )
            best, mine = played.copy(), tree.player == player
            for rank in range(int(tree.rank[mine].max(initial=-1)), -1, -1):
                now = self.values(best, player)
                here = mine & (tree.rank == rank)
                worth = np.bincount(chosen_slot, belief_above * now[tree.chosen], minlength=game.num_slots)
                at = np.where(here, np.maximum.reduceat(worth, starts) - mean, at)
                for infoset in np.flatnonzero(here):
                    slots = game.slots(int(infoset))
                    best[slots] = 0.0
                    best[slots.start + int(worth[slots].argmax())] = 1.0
            payoffs[player], first[player] = value[0], self.values(best, player)[0] - value[0]
        return np.maximum(at, 0.0), np.maximum(first, 0.0), payoffs


# -- the way -------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Point:
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


@dataclass(frozen=True, eq=False)
class _End:
    """Where one draw arrived; names as in :class:`Limit` and :class:`detente.solve.solution.Solution`."""

    log_probabilities: np.ndarray
    precision: np.ndarray
    on_branch: bool
    crossed: float
    payoffs: np.ndarray
    log_residual: float
    residual: float
    regret: float
    infoset_regret: np.ndarray
    nash_regret: np.ndarray
    change: float
    beliefs: np.ndarray
    iterations: int


class _Chart:
    """H in the log-odds to each infoset's likeliest option at one point.

    Args:
        world: The draw.
        rate: λ at s = 0 times the range of payoffs, (player,).
        log_p: Log-probabilities of the point.
    """

    def __init__(self, world: _World, rate: np.ndarray, log_p: np.ndarray):
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
        matrix = -rate[:, None] * ((by_leaf[self.free] - by_leaf[self.to]) @ leaf_by_d).toarray()
        matrix[np.arange(len(d)), np.arange(len(d))] += 1.0
        scale = 1 + rate
        return ((d - response) / scale).astype(float), matrix / scale[:, None], -response / scale

    # the same as detente.solve.branch wants it: the unknowns are asinh d, t is s
    def residual(self, x: np.ndarray, t: float) -> np.ndarray:
        """H."""
        return self.error(np.sinh(x), t)

    def evaluate(self, x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        """H and its derivatives by asinh d and s."""
        h, matrix, by_s = self.linearise(np.sinh(x), t)
        rate = self.rate * np.exp(t)
        by_s = by_s - h * rate / (1 + rate)
        return h, np.concatenate([matrix * np.cosh(x), by_s[:, None]], axis=1)


class _Shifted:
    """A chart whose t counts from a point on the way, as :func:`follow_branch` starts at 0."""

    def __init__(self, chart: _Chart, s: float):
        self.chart, self.s, self.start = chart, s, chart.start

    def residual(self, x: np.ndarray, t: float) -> np.ndarray:
        return self.chart.residual(x, self.s + t)

    def evaluate(self, x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        return self.chart.evaluate(x, self.s + t)


def _factor(matrix: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, int]:
    """LU of a matrix whose rows are brought to one size, that size, and the sign of the determinant."""
    size = np.abs(matrix).max(axis=1)
    size = np.where(size > 0, size, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", linalg.LinAlgWarning)  # a singular matrix is found by what it gives
        lu = linalg.lu_factor(matrix / size[:, None], check_finite=False)
    swaps = int((lu[1] != np.arange(len(lu[1]))).sum())
    return lu, size, int(np.prod(np.sign(np.diag(lu[0]))) * (-1) ** swaps)


def _newton(chart: _Chart, d: np.ndarray, s: float) -> tuple[np.ndarray, float, int]:
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
        lu, size, _ = _factor(matrix)
        with np.errstate(all="ignore"):
            change = linalg.lu_solve(lu, h / size, check_finite=False)
        d = d - change
        if not np.isfinite(d).all():
            break
        if float((np.abs(change) / (1 + np.abs(d))).max()) < 1e-14:
            break
    return best, least, used


def _start(world: _World, solution: Solution, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Where to set out from: λ times the range of payoffs, (player,), and log-probabilities."""
    precision = solution.precision[:, draw]
    if (precision == 0).all():
        return WEAK * world.spread / world.spread.max(), solution.log_probabilities[:, draw]
    return precision * world.spread, solution.log_probabilities[:, draw]


def _follow_draw(tree: _Tree, solution: Solution, draw: int, bound: float) -> _End:
    """Follow one draw until its regret is below the bound, or as far as it goes."""
    world = _World(tree, solution.problem, draw)
    rate, log_p = _start(world, solution, draw)
    point = _Point(0.0, log_p, 0.0, 0)
    crossed, points = np.nan, [point]
    if solution.status[draw] == BIFURCATION:
        crossed = float(solution.bifurcation_at[draw])
    on_branch = solution.status[draw] != NOT_CONVERGED
    if on_branch and len(tree.owner) > len(tree.player):
        chart = _Chart(world, rate, log_p)
        d, residual, used = _newton(chart, np.sinh(chart.start), 0.0)
        points = [_Point(0.0, chart.log_p(d), residual, used)]
        on_branch = residual <= ON_BRANCH
        crossing = _walk(world, rate, points, bound) if on_branch else np.nan
        if np.isnan(crossed):
            crossed = float((rate / world.spread).max() * np.exp(crossing))
    return _end(world, rate, points, on_branch, crossed)


class _Place:
    """A point with its chart, the direction of the branch in (asinh d, s), and the sign of the determinant."""

    def __init__(self, world: _World, rate: np.ndarray, point: _Point):
        self.point, self.chart = point, _Chart(world, rate, point.log_p)
        _, matrix, by_s = self.chart.linearise(np.sinh(self.chart.start), point.s)
        lu, size, self.sign = _factor(matrix)
        self.slope = np.zeros(world.tree.game.num_slots)  # of the log-odds by s
        with np.errstate(all="ignore"):
            self.slope[self.chart.free] = -linalg.lu_solve(lu, by_s / size, check_finite=False)
            self.tangent = self.slope[self.chart.free] / np.cosh(self.chart.start)

    def step(self, length: float) -> tuple[_Point | None, float]:
        """The point a step further, or None when the correction is a surprise; and how large the correction was."""
        s = self.point.s + length
        guess = self.chart.start + length * self.tangent
        if not (np.abs(guess) < ASINH_OF_ALL).all():
            return None, np.inf
        d, residual, used = _newton(self.chart, np.sinh(guess), s)
        surprise = float(np.abs(np.arcsinh(d.astype(float)) - guess).max())
        if residual > ON_BRANCH or surprise > SURPRISE:
            return None, surprise
        return _Point(s, self.chart.log_p(d), residual, self.point.iterations + used), surprise

    def bends(self, other: "_Place") -> float:
        """How far a further point is from where the mean of both directions leads: large when it is another branch."""
        chart, log_p, slope = self.chart, other.point.log_p, other.slope
        d = (log_p[chart.free] - log_p[chart.to]).astype(float)
        with np.errstate(all="ignore"):
            there = (slope[chart.free] - slope[chart.to]) / np.hypot(1.0, d)
            mean = (other.point.s - self.point.s) * (self.tangent + there) / 2
            return float(np.abs(np.arcsinh(d) - chart.start - mean).max())

    def stretch(self, length: float) -> tuple[_Point | None, float]:
        """The point a stretch further by arc length, or None when that is not got to; and s of a crossing."""
        shifted = _Shifted(self.chart, self.point.s)
        with np.errstate(all="ignore"):
            (end,) = follow_branch(shifted, [length], tolerance=NEAR_BRANCH)
        s = self.point.s + length
        d, residual, used = _newton(self.chart, np.sinh(end.x), s)
        if end.status == NOT_CONVERGED or residual > ON_BRANCH:
            return None, np.nan
        used += self.point.iterations + end.iterations
        return _Point(s, self.chart.log_p(d), residual, used), self.point.s + end.bifurcation_at


def _walk(world: _World, rate: np.ndarray, points: list[_Point], bound: float) -> float:
    """Add points until the regret is below the bound, or as far as it goes; s of a crossing, NaN without one."""
    step, crossing = FIRST_STEP, np.nan
    ceiling = float(np.log(MAX_STRENGTH / rate.max()))
    place = _Place(world, rate, points[-1])
    for _ in range(MAX_STEPS):
        here = points[-1]
        if _change(points) < SETTLED and _regret(world, here.log_p) < bound:
            return crossing
        if here.s >= ceiling:
            return crossing
        following, surprise = _step(world, rate, place, step)
        while following is None and step > SMALLEST_STEP:
            step /= 2
            following, surprise = _step(world, rate, place, step)
        if following is None or following.sign != place.sign:
            new, crossed = place.stretch(STRETCH)
            if new is None:
                return crossing
            crossing = crossed if np.isnan(crossing) else crossing
            following, step = _Place(world, rate, new), FIRST_STEP
        elif surprise < EASY:
            step = min(2 * step, LARGEST_STEP)
        points.append(following.point)
        place = following
    return crossing


def _step(world: _World, rate: np.ndarray, place: _Place, length: float) -> tuple[_Place | None, float]:
    """The place a step further, or None when that may be another branch; and how large the correction was."""
    point, surprise = place.step(length)
    if point is None:
        return None, surprise
    following = _Place(world, rate, point)
    return (following if place.bends(following) < BEND else None), surprise


def _change(points: list[_Point]) -> float:
    """Largest change of a probability since the precision was half of the last, or less; NaN when it never was."""
    last = points[-1]
    earlier = [p for p in points if p.s <= last.s - 0.999 * DOUBLING]
    if not earlier:
        return np.nan
    return float(np.abs(np.exp(last.log_p) - np.exp(earlier[-1].log_p)).max(initial=0.0))


def _regret(world: _World, log_p: np.ndarray) -> float:
    """Largest regret of any infoset or player, as a share of the range of payoffs."""
    at, first, _ = world.regrets(log_p, world.beliefs(log_p))
    return float(max(at.max(initial=0.0), first.max(initial=0.0)))


def _end(world: _World, rate: np.ndarray, points: list[_Point], on_branch: bool, crossed: float) -> _End:
    """What is reported of the last point."""
    last, tree = points[-1], world.tree
    belief = world.beliefs(last.log_p)
    at, first, payoffs = world.regrets(last.log_p, belief)
    scaled = rate * np.exp(last.s)
    log_residual = 0.0
    if len(tree.owner):
        worth, _ = world.worth(last.log_p)
        response = world.normalise(scaled[tree.player[tree.owner]] * worth)
        log_residual = float(np.abs(last.log_p - response).max())
    return _End(
        log_probabilities=last.log_p,
        precision=scaled / world.spread,
        on_branch=on_branch,
        crossed=crossed,
        payoffs=world.least + payoffs * world.spread,
        log_residual=log_residual,
        residual=last.residual,
        regret=float(max(at.max(initial=0.0), first.max(initial=0.0))),
        infoset_regret=at * world.spread[tree.player] if len(at) else at,
        nash_regret=first * world.spread,
        change=_change(points) if tree.game.num_slots else 0.0,
        beliefs=belief,
        iterations=last.iterations,
    )
