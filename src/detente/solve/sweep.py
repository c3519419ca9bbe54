"""The sweep: one pass down for beliefs, one pass up for values; an accelerated fixed point for large trees.

The unknowns are the log-probabilities of the *state*: the choices that change what somebody later believes. Given them,
a pass down gives the reach of every history, and a pass up gives every infoset's expected payoffs with the play below
already up to date, hence its choice probabilities. The new state is compared with the old; Anderson acceleration
(walker2011) mixes the last few sweeps. Cost: linear in nodes.

The kernel is compiled once for all games (Numba, kept on disk): it walks index arrays. It solves a few draws at a time,
side by side in the lanes of a vector register, so that one tree's working set stays in the cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numba import njit

from detente.solve import lanes
from detente.solve.branch import follow_branch
from detente.solve.lanes import LANES
from detente.solve.plan import Decisions, Plan, restrict
from detente.solve.problem import CERTAIN, LOG_IMPOSSIBLE, Problem, edge_rows
from detente.solve.reduced import SweepEquations
from detente.solve.solution import CONVERGED, NOT_CONVERGED

MEMORY = 5  # earlier sweeps that Anderson acceleration mixes
DAMPING = 0.8  # share of the new sweep in the mixture
INNER = 0.1  # share of the tolerance at which a draw stops being moved
RIDGE = 1e-13  # keeps the small least-squares problem solvable when two sweeps agree
GROWTH = 10.0  # a residual this many times the best so far starts the memory afresh
SAME = 1e-12  # payoff differences that agree to this share of the largest payoff are the same
UNDERFLOW = 1e-200  # reach of an infoset below which the kernel switches to logarithms
# Along the branch: shares are of the precision asked for, surprises are changes of a log-probability.
FIRST_SHARE, SMALLEST_SHARE, ALMOST = 0.3, 1 / 64, 0.95
GROWING = 2.0  # most that a share grows by in one step
POINTS = 4  # on the branch, through which the next is predicted
ROUGH, MAX_ROUGH = 5e-3, 40  # residual and sweeps of a step on the way
SURPRISE, WELCOME = 1.0, 0.5  # a larger correction is not trusted; the step is chosen for the second
MAX_EXACT = 3_000  # unknowns up to which Newton's matrix is affordable
# Looks at the sign of the determinant on the way: at most so many, and so many times unknowns³ in all and for one draw.
MOST_LOOKS, MAX_WATCH, WATCH_EACH = 20, 1e10, 2e6
OVERHEAD = 50  # unknowns below which a look costs no less


@dataclass(frozen=True, eq=False)
class SweepResult:
    """Fixed point for some draws; arrays with the draw axis last, slots in the order of the game.

    Attributes:
        log_probabilities: Of every slot, (slot, draw).
        residual: Largest change of a log-probability by one more sweep, (draw,).
        status: ``CONVERGED``, ``BIFURCATION`` or ``NOT_CONVERGED``, (draw,).
        iterations: Sweeps (or Newton steps where the branch had to be followed exactly), (draw,).
        payoffs: Expected payoffs, (player, draw).
        reached: Largest share of the precision up to which the branch was followed, (draw,).
        bifurcation_at: Share near which another branch crosses, NaN where none was seen, (draw,).
    """

    log_probabilities: np.ndarray
    residual: np.ndarray
    status: np.ndarray
    iterations: np.ndarray
    payoffs: np.ndarray
    reached: np.ndarray
    bifurcation_at: np.ndarray


def sweep(
    problem: Problem,
    plan: Plan,
    precision: np.ndarray,
    targets: Sequence[float],
    *,
    tolerance: float,
    max_sweeps: int,
    exact: bool = True,
    looks: int = 0,
) -> list[SweepResult]:
    """Fixed points on the principal branch at increasing shares of the precision.

    Some draws side by side are taken along the branch in steps of precision: each is predicted from the two before and
    corrected by accelerated sweeps. A step whose correction is a surprise is halved; draws that still surprise, or do
    not converge, are followed exactly by Newton and arc length. So are draws in which the determinant is seen to have
    changed its sign on the way: there another branch was crossed.

    Args:
        problem: The game with numbers in it.
        plan: Its decisions in the order of play.
        precision: λ at share 1, (player, draw).
        targets: Increasing shares in [0, 1].
        tolerance: Largest residual, in log-probability, of a converged draw.
        max_sweeps: Most sweeps for each step.
        exact: Whether draws that the sweeps lose are followed exactly.
        looks: How often the sign of the determinant is looked at on the way, for each draw; see :func:`count_looks`.

    Returns:
        One result for each target.
    """
    game, num_draws = problem.game, problem.num_draws
    results = [_empty_result(problem) for _ in targets]
    rows = edge_rows(game)
    chance_row = np.where(rows < len(problem.chance), rows, CERTAIN)  # choices do not count
    core = None
    for first in range(0, num_draws, LANES):
        draws = np.minimum(np.arange(first, first + LANES), num_draws - 1)
        live = slice(first, min(first + LANES, num_draws))
        weight, terminal, constant = _constants(
            game.parent,
            chance_row,
            problem.chance,
            game.leaf_nodes,
            plan.leaf_order,
            plan.leaf_start,
            problem.payoff,
            plan.node,
            draws,
        )
        core = core or _find_core(plan.decisions, weight, terminal, precision[:, draws])
        block = _Block(
            decisions=plan.decisions,
            core=core,
            weight=weight,
            terminal=terminal,
            core_weight=weight[core.node],
            precision=precision[:, draws],
            tolerance=tolerance,
            max_sweeps=max_sweeps,
        )
        _follow_block(block, plan.slot, targets, results, live, looks=looks)
        for lane in np.flatnonzero(results[-1].status[live] == NOT_CONVERGED) if results else ():
            if exact and len(plan.decisions.state) <= MAX_EXACT:
                one = (np.ascontiguousarray(a[..., lane]) for a in (weight, terminal, precision[:, draws]))
                _follow_exactly(
                    SweepEquations(plan.decisions, *one), plan.slot, targets, results, first + int(lane), tolerance
                )
        for result in results:
            result.payoffs[:, live] += constant[:, : live.stop - live.start]
    return results


def count_looks(plan: Plan, num_draws: int | None) -> int:
    """How often the sign of the determinant can be looked at for each draw without costing more than the sweeps do.

    Large games in many draws get none: there a crossing without a jump goes unseen.

    Args:
        plan: The decisions of the game.
        num_draws: How many draws there are in all; None for one draw of very many.
    """
    one = max(len(plan.decisions.state), OVERHEAD) ** 3
    of_many = WATCH_EACH // one
    return int(min(MOST_LOOKS, of_many if num_draws is None else max(of_many, MAX_WATCH // (num_draws * one))))


@dataclass(frozen=True, eq=False)
class _Core:
    """What is left of the decisions when those at which beliefs do not matter are folded away.

    Attributes:
        decisions: The decisions that are left.
        node: Node row of each of their nodes among all decisions; ``branch`` and ``slot`` likewise.
        folded: Infoset rows that are folded away.
        is_folded: Whether each node row is folded away.
    """

    decisions: Decisions
    node: np.ndarray
    branch: np.ndarray
    slot: np.ndarray
    folded: np.ndarray
    is_folded: np.ndarray


def _empty_result(problem: Problem) -> SweepResult:
    num_draws = problem.num_draws
    return SweepResult(
        log_probabilities=np.empty((problem.game.num_slots, num_draws)),
        residual=np.empty(num_draws),
        status=np.full(num_draws, NOT_CONVERGED),
        iterations=np.zeros(num_draws, dtype=np.int64),
        payoffs=np.empty((len(problem.game.players), num_draws)),
        reached=np.zeros(num_draws),
        bifurcation_at=np.full(num_draws, np.nan),
    )


def _find_core(decisions: Decisions, weight: np.ndarray, terminal: np.ndarray, rate: np.ndarray) -> _Core:
    """Fold away what is settled in the first and in the last draw.

    That is a guess about the draws between them. Nothing rests on it: the play found is judged by a sweep over all
    decisions, and what does not pass goes on there.
    """
    settled = np.ones(len(decisions.player), dtype=bool)
    for draw in (0, -1):
        one = (np.ascontiguousarray(a[..., draw]) for a in (weight, terminal, rate))
        settled &= _find_settled(decisions, *one)
    core, node, branch, slot = restrict(decisions, ~settled)
    is_folded = np.repeat(settled, decisions.num_members)
    return _Core(core, node, branch, slot, np.flatnonzero(settled), is_folded)


@dataclass(frozen=True, eq=False)
class _Block:
    """``LANES`` draws with everything that does not change while they are solved.

    Attributes:
        decisions: All decisions.
        core: Those on which the beliefs of somebody bear.
        weight: Chance between each node and the decision above it, (node, lane).
        terminal: Payoffs of each branch without a further decision, (branch, player, lane).
        core_weight: The same for the nodes of the core.
        precision: λ at share 1, (player, lane).
        tolerance: Largest residual of a converged draw.
        max_sweeps: Most sweeps for each step.
        folds: Share → what :meth:`_fold` found there, of the last share.
    """

    decisions: Decisions
    core: _Core
    weight: np.ndarray
    terminal: np.ndarray
    core_weight: np.ndarray
    precision: np.ndarray
    tolerance: float
    max_sweeps: int
    folds: dict[float, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)

    def step(self, share: float, x: np.ndarray, *, max_sweeps: int = MAX_ROUGH) -> tuple[np.ndarray, ...]:
        """Rough fixed point of the core; x is the start and becomes the state found.

        Returns:
            Log-probabilities of the core's slot rows, residual and number of sweeps.
        """
        folded, _, rate = self._fold(share)
        play, _, residual, used = _fixed_point(
            self.core.decisions, self.core_weight, folded, rate, x, ROUGH, max_sweeps, False
        )
        return play, residual, used

    def finish(self, share: float, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Fixed point of all decisions; x, the state of the core, is the start and becomes the state found.

        Returns:
            Log-probabilities of all slot rows, payoffs, residual and number of sweeps.
        """
        folded, play, rate = self._fold(share)
        goal = INNER * self.tolerance
        core_play, _, _, used = _fixed_point(
            self.core.decisions, self.core_weight, folded, rate, x, goal, self.max_sweeps, True
        )
        play[self.core.slot] = core_play
        play[self.core.slot[self.core.decisions.state]] = x
        whole = np.ascontiguousarray(play[self.decisions.state])
        play, payoffs, residual, more = _fixed_point(
            self.decisions, self.weight, self.terminal, rate, whole, self.tolerance, self.max_sweeps, False
        )
        if more.max() > 1:  # beliefs did matter somewhere in some draw
            x[:] = play[self.core.slot[self.core.decisions.state]]
        return play, payoffs, residual, used + more

    def crossed(self, share: float, x: np.ndarray) -> np.ndarray:
        """Whether the determinant is negative in each of the first lanes; where the branch begins it is positive."""
        folded, _, rate = self._fold(share)
        crossed = np.zeros(x.shape[1], dtype=bool)
        for lane in range(len(crossed)):
            one = (np.ascontiguousarray(a[..., lane]) for a in (self.core_weight, folded, rate))
            jacobian = SweepEquations(self.core.decisions, *one).evaluate(x[:, lane], 1.0)[1]
            crossed[lane] = np.linalg.slogdet(jacobian[:, :-1])[0] < 0
        return crossed

    def _fold(self, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Payoffs of the core's branches at a share, play with that of the settled infosets in it, and the rate."""
        if share not in self.folds:
            self.folds.clear()  # only the last is asked for again
            core, rate = self.core, np.ascontiguousarray(self.precision * share)
            folded = np.empty((len(core.branch), *self.terminal.shape[1:]))
            play = _fold(
                self.decisions, core.folded, core.is_folded, core.branch, self.weight, self.terminal, rate, folded
            )
            self.folds[share] = folded, play, rate
        return self.folds[share]


def _follow_block(
    block: _Block, slot: np.ndarray, targets: Sequence[float], results: list[SweepResult], live: slice, *, looks: int
) -> None:
    """Take a block of draws along the branch, and write what is found into the results."""
    width = live.stop - live.start
    uniform = block.core.decisions.uniform
    stride = targets[-1] / looks if looks else np.inf
    proposal = min(FIRST_SHARE, stride) if len(uniform) else np.inf
    shares = [0.0]
    states = [np.repeat(uniform[:, None], LANES, axis=1)]
    on_branch = np.ones(LANES, dtype=bool)
    used = np.zeros(LANES, dtype=np.int64)
    reached = np.zeros(LANES)
    for target, result in zip(targets, results, strict=True):
        if target == 0.0:  # uniform play is the solution
            play, payoffs, residual, _ = block.finish(target, states[-1].copy())
        share = proposal if proposal < ALMOST * target else target
        while shares[-1] < target:
            guess = _predict(block, shares, states, share)
            x = guess.copy()
            if share == target:
                play, payoffs, residual, sweeps = block.finish(share, x)
            else:
                _, residual, sweeps = block.step(share, x)
            used += sweeps
            surprise = np.abs(x - guess).max(axis=0) if len(x) else np.zeros(LANES)
            good = (residual <= (block.tolerance if share == target else ROUGH)) & (surprise <= SURPRISE)
            if not good[on_branch].all() and share - shares[-1] > SMALLEST_SHARE:
                share = (shares[-1] + share) / 2
                continue
            on_branch &= good
            if looks:
                on_branch[:width] &= ~block.crossed(share, x[:, :width])
            x[:, ~on_branch] = guess[:, ~on_branch]  # what is lost is not to disturb the prediction of the rest
            proposal = min(_next_share(shares, share, surprise[on_branch].max(initial=0.0)), share + stride)
            shares.append(share)
            states.append(x)
            share = proposal if on_branch.any() and proposal < ALMOST * target else target
        found = on_branch[:width]
        result.log_probabilities[slot, live] = play[:, :width]
        result.residual[live] = residual[:width]
        result.iterations[live] = used[:width]
        result.payoffs[:, live] = payoffs[:, :width]
        result.status[live] = np.where(found, CONVERGED, NOT_CONVERGED)
        reached = np.where(on_branch, target, reached)
        result.reached[live] = reached[:width]


def _next_share(shares: list[float], share: float, surprise: float) -> float:
    """Share at which the next prediction should be off by ``WELCOME``.

    A prediction through points is off by about a constant times the product of the distances from them.
    """
    if len(shares) == 1:
        return GROWING * share
    constant = max(surprise, ROUGH) / np.prod([share - p for p in shares[-POINTS:]])
    points = [*shares, share][-POINTS:]
    further = np.linspace(share + SMALLEST_SHARE, GROWING * share + SMALLEST_SHARE, 50)
    off = constant * np.prod([further - p for p in points], axis=0)
    return float(further[max(np.searchsorted(off, WELCOME) - 1, 0)])


def _predict(block: _Block, shares: list[float], states: list[np.ndarray], share: float) -> np.ndarray:
    """Where the branch should be at the next share: through the last points, or by one sweep from the first."""
    if len(shares) == 1:
        return block.step(share, states[0].copy(), max_sweeps=1)[0][block.core.decisions.state]
    places, points = shares[-POINTS:], states[-POINTS:]
    guess = np.zeros_like(points[0])
    for i, point in enumerate(points):  # Lagrange's formula
        others = [p for j, p in enumerate(places) if j != i]
        guess += point * np.prod([(share - p) / (places[i] - p) for p in others])
    return guess


def _follow_exactly(
    equations: SweepEquations,
    slot: np.ndarray,
    targets: Sequence[float],
    results: list[SweepResult],
    draw: int,
    tolerance: float,
) -> None:
    """Newton and arc length for one draw, written into the results."""
    for target, result, point in zip(
        targets, results, follow_branch(equations, targets, tolerance=tolerance), strict=True
    ):
        log_sigma, payoffs = equations.play(point.x, target)
        result.log_probabilities[slot, draw] = log_sigma
        result.payoffs[:, draw] = payoffs
        result.residual[draw] = point.residual
        result.status[draw] = point.status
        result.iterations[draw] += point.iterations
        result.reached[draw] = point.reached
        result.bifurcation_at[draw] = point.bifurcation_at


@njit(cache=True, nogil=True)
def _constants(parent, chance_row, chance, leaf_node, leaf_order, leaf_start, payoff, node, draws):  # pragma: no cover
    """Chance above each node row up to a decision; payoffs of each branch without a further decision; the rest.

    Args:
        parent: Parent of each game node.
        chance_row: Row of ``chance`` for the edge into each game node, ``CERTAIN`` where a player takes it.
        chance: Probability of every option of every chance move, (row, draw).
        leaf_node: Game node of each leaf.
        leaf_order: Leaves sorted by branch.
        leaf_start: First entry of each branch in ``leaf_order``; the last counts for no branch.
        payoff: Payoff at every leaf, (leaf, player, draw).
        node: Game node of each node row.
        draws: The draw in each lane.
    """
    num_players, width = payoff.shape[1], len(draws)
    above = np.ones((len(parent), width))
    for n in range(1, len(parent)):
        if chance_row[n] != CERTAIN:
            for d in range(width):
                above[n, d] = above[parent[n], d] * chance[chance_row[n], draws[d]]
    sums = np.zeros((len(leaf_start) - 1, num_players, width))
    for b in range(len(leaf_start) - 1):
        for e in range(leaf_start[b], leaf_start[b + 1]):
            z = leaf_order[e]
            for i in range(num_players):
                for d in range(width):
                    sums[b, i, d] += above[leaf_node[z], d] * payoff[z, i, draws[d]]
    return above[node], sums[:-1], sums[-1]


# -- the kernel --------------------------------------------------------------------------------------
# All arrays end in an axis of LANES draws; detente.solve.lanes works on one such row at a time.
@njit(nogil=True, error_model="numpy")
def _pass_down(decisions, weight, x_of_slot, logs, reach):  # pragma: no cover - compiled
    """Reach of every node that enters a belief; its logarithm when ``logs``."""
    above_node, above_slot, reached = decisions.above_node, decisions.above_slot, decisions.reached
    for n in range(len(above_node)):
        if not reached[n]:
            continue
        a, s = above_node[n], above_slot[n]
        if logs:
            for d in range(LANES):
                reach[n, d] = np.log(weight[n, d]) if weight[n, d] > 0.0 else LOG_IMPOSSIBLE
            if a >= 0:
                lanes.add(reach, n, reach, n, reach, a)
                lanes.add(reach, n, reach, n, x_of_slot, s)
        elif a >= 0:
            lanes.multiply(reach, n, reach, a, x_of_slot, s)
            lanes.multiply(reach, n, reach, n, weight, n)
        else:
            lanes.copy(reach, n, weight, n)


@njit(nogil=True, error_model="numpy")
def _pass_up(
    decisions, rows, beliefs, weight, terminal, rate, reach, logs, value, belief, gives, log_sigma, sigma, row
):  # pragma: no cover - compiled
    """Play of the infosets in ``rows``, last first; returns whether some belief underflowed.

    Without ``beliefs`` the first node of an infoset speaks for all. ``value``, ``belief``, ``sigma`` and ``row`` are
    room to work in: payoffs of the branches of one infoset, weights of its nodes, chances of its options, and single
    rows (see the names below).
    """
    player, num_options, num_members = decisions.player, decisions.num_options, decisions.num_members
    node_start, slot_start, branch_start = decisions.node_start, decisions.slot_start, decisions.branch_start
    below_start, below = decisions.below_start, decisions.below
    num_players = terminal.shape[1]
    zero, mass, top, total = 0, 1, 2, 3
    underflow = False
    for place in range(len(rows) - 1, -1, -1):
        i = rows[place]
        k, m, p = num_options[i], num_members[i], player[i]
        n0, b0, s0 = node_start[i], branch_start[i], slot_start[i]
        # What each option is worth at each node; where play ends with it, that is known beforehand.
        source, at = terminal, b0 * num_players
        if below_start[b0] < below_start[b0 + m * k]:
            source, at = value, 0
            for branch in range(m * k):
                for c in range(num_players):
                    lanes.copy(value, branch * num_players + c, terminal, (b0 + branch) * num_players + c)
                for e in range(below_start[b0 + branch], below_start[b0 + branch + 1]):
                    for c in range(num_players):
                        to = branch * num_players + c
                        lanes.add(value, to, value, to, gives, below[e] * num_players + c)
        if m == 1 or not beliefs:
            for a in range(k):
                lanes.multiply(sigma, a, source, at + a * num_players + p, rate, p)
        else:  # the beliefs that weigh the nodes
            if logs:
                lanes.copy(row, top, reach, n0)
                for j in range(1, m):
                    lanes.maximum(row, top, row, top, reach, n0 + j)
            lanes.copy(row, mass, row, zero)
            for j in range(m):
                if logs:
                    lanes.subtract(belief, j, reach, n0 + j, row, top)
                    lanes.exponential(belief, j, belief, j)
                else:
                    lanes.copy(belief, j, reach, n0 + j)
                lanes.add(row, mass, row, mass, belief, j)
            for d in range(LANES):
                underflow |= row[mass, d] < UNDERFLOW
            lanes.divide(row, mass, rate, p, row, mass)
            for a in range(k):
                lanes.dot(sigma, a, belief, 0, 1, source, at + a * num_players + p, k * num_players, m)
                lanes.multiply(sigma, a, sigma, a, row, mass)
        # Softmax: sigma holds precision times expected payoff, then the chances of the options.
        lanes.copy(row, top, sigma, 0)
        for a in range(1, k):
            lanes.maximum(row, top, row, top, sigma, a)
        lanes.copy(row, total, row, zero)
        for a in range(k):
            lanes.subtract(log_sigma, s0 + a, sigma, a, row, top)
            lanes.exponential(sigma, a, log_sigma, s0 + a)
            lanes.add(row, total, row, total, sigma, a)
        lanes.logarithm(row, top, row, total)
        for a in range(k):
            lanes.subtract(log_sigma, s0 + a, log_sigma, s0 + a, row, top)
            lanes.divide(sigma, a, sigma, a, row, total)
        # What each node is worth to everybody, passed to the branch above.
        for j in range(m):
            for c in range(num_players):
                to = (n0 + j) * num_players + c
                lanes.dot(gives, to, sigma, 0, 1, source, at + j * k * num_players + c, num_players, k)
                lanes.multiply(gives, to, gives, to, weight, n0 + j)
    return underflow


@njit(nogil=True, error_model="numpy")
def _sizes(decisions):  # pragma: no cover - compiled
    """Number of slots; most branches, options and nodes of an infoset."""
    num_slots, widest, most, crowd = 0, 1, 1, 1
    for i in range(len(decisions.player)):
        num_slots += decisions.num_options[i]
        most = max(most, decisions.num_options[i])
        widest = max(widest, decisions.num_options[i] * decisions.num_members[i])
        crowd = max(crowd, decisions.num_members[i])
    return num_slots, widest, most, crowd


@njit(nogil=True, cache=True, error_model="numpy")
def _find_settled(decisions, weight, terminal, rate):  # pragma: no cover - compiled
    """Infosets at which beliefs do not matter to anything, for one draw; arrays without the lane axis.

    Every node of such an infoset has the same differences of payoff between its options for the player who moves, and
    all that follows it is settled too.
    """
    player, num_options, num_members = decisions.player, decisions.num_options, decisions.num_members
    num_players = terminal.shape[1]
    _, widest, most, _ = _sizes(decisions)
    value = np.empty((widest, num_players))
    sigma = np.empty(most)
    gives = np.zeros((len(decisions.above_node), num_players))
    settled = np.zeros(len(player), dtype=np.bool_)
    node_settled = np.zeros(len(decisions.above_node), dtype=np.bool_)
    largest = np.zeros(num_players)
    for b in range(len(terminal)):
        for c in range(num_players):
            largest[c] = max(largest[c], abs(terminal[b, c]))
    for i in range(len(player) - 1, -1, -1):
        k, m, p = num_options[i], num_members[i], player[i]
        n0, b0 = decisions.node_start[i], decisions.branch_start[i]
        same = True
        for branch in range(m * k):
            value[branch] = terminal[b0 + branch]
            for e in range(decisions.below_start[b0 + branch], decisions.below_start[b0 + branch + 1]):
                same &= node_settled[decisions.below[e]]
                value[branch] += gives[decisions.below[e]]
        for j in range(1, m):
            for a in range(1, k):
                gap = value[j * k + a, p] - value[j * k, p] - (value[a, p] - value[0, p])
                same &= abs(gap) <= SAME * largest[p]
        if not same:
            continue
        settled[i] = True
        node_settled[n0 : n0 + m] = True
        sigma[:k] = np.exp(rate[p] * (value[:k, p] - value[:k, p].max()))
        sigma[:k] /= sigma[:k].sum()
        for j in range(m):
            for c in range(num_players):
                for a in range(k):
                    gives[n0 + j, c] += weight[n0 + j] * sigma[a] * value[j * k + a, c]
    return settled


@njit(nogil=True, cache=True, error_model="numpy")
def _fold(decisions, rows, is_folded, branch, weight, terminal, rate, folded):  # pragma: no cover - compiled
    """Play of the settled infosets ``rows``, and payoffs of the branches that are left with what follows folded in.

    Args:
        is_folded: Whether each node row belongs to a settled infoset.
        branch: Branches that are left.
        folded: Where their payoffs go, (branch, player, lane).

    Returns:
        Log-probabilities of all slot rows; those of the settled infosets are written.
    """
    num_players = terminal.shape[1]
    num_slots, widest, most, crowd = _sizes(decisions)
    value = np.empty((widest, num_players, LANES))
    sigma = np.empty((most, LANES))
    belief = np.empty((crowd, LANES))
    row = np.zeros((4, LANES))
    gives = np.empty((len(decisions.above_node), num_players, LANES))
    log_sigma = np.zeros((num_slots, LANES))
    _pass_up(decisions, rows, False, weight, terminal, rate, weight, False, value, belief, gives, log_sigma, sigma, row)
    for b in range(len(branch)):
        for c in range(num_players):
            lanes.copy(folded, b * num_players + c, terminal, branch[b] * num_players + c)
        for e in range(decisions.below_start[branch[b]], decisions.below_start[branch[b] + 1]):
            n = decisions.below[e]
            if is_folded[n]:
                for c in range(num_players):
                    lanes.add(folded, b * num_players + c, folded, b * num_players + c, gives, n * num_players + c)
    return log_sigma


@njit(nogil=True, cache=True, error_model="numpy")
def _fixed_point(decisions, weight, terminal, rate, x, goal, max_sweeps, close):  # pragma: no cover - compiled
    """Anderson-accelerated fixed point for ``LANES`` draws; x is the starting state and becomes the final one.

    With ``close`` a last plain sweep makes the play returned consistent with its own beliefs, and judges it by them.
    """
    if weight.shape[1] != LANES:  # a kernel kept on disk from before LANES was changed would write out of bounds
        raise ValueError("the compiled kernel is out of date: delete the .nbi and .nbc files beside it")
    state, root = decisions.state, decisions.root
    num_nodes, num_players, num_state = len(decisions.above_node), terminal.shape[1], len(state)
    num_slots, widest, most, crowd = _sizes(decisions)
    rows = np.arange(len(decisions.player))
    value = np.empty((widest, num_players, LANES))
    sigma = np.empty((most, LANES))
    belief = np.empty((crowd, LANES))
    row = np.zeros((4, LANES))
    gives = np.zeros((num_nodes, num_players, LANES))
    reach = np.ones((num_nodes, LANES))
    log_sigma = np.zeros((num_slots, LANES))
    x_of_slot = np.ones((num_slots, LANES))
    f = np.zeros((num_state, LANES))
    f_before = np.zeros((num_state, LANES))
    x_before = np.zeros((num_state, LANES))
    dfs = np.zeros((MEMORY, num_state, LANES))
    dxs = np.zeros((MEMORY, num_state, LANES))
    gram = np.zeros((MEMORY, MEMORY, LANES))
    right = np.zeros((MEMORY, LANES))
    mix = np.zeros((MEMORY, LANES))
    damped_mix = np.zeros((MEMORY, LANES))
    residual = np.zeros(LANES)
    best = np.full(LANES, np.inf)
    used = np.zeros(LANES, dtype=np.int64)
    finished = np.zeros(LANES, dtype=np.bool_)
    zero, worst, work, damping = 0, 1, 2, 3
    logs, closing = False, False
    count = 0
    while True:
        for s in range(num_state):
            if logs:
                lanes.copy(x_of_slot, state[s], x, s)
            else:
                lanes.exponential(x_of_slot, state[s], x, s)
        _pass_down(decisions, weight, x_of_slot, logs, reach)
        underflow = _pass_up(
            decisions, rows, True, weight, terminal, rate, reach, logs, value, belief, gives, log_sigma, sigma, row
        )
        if underflow and not logs:
            logs = True
            continue
        lanes.copy(row, worst, row, zero)
        for s in range(num_state):
            lanes.subtract(f, s, log_sigma, state[s], x, s)
            lanes.maximum(row, worst, row, worst, f, s)
            lanes.subtract(row, work, row, zero, f, s)
            lanes.maximum(row, worst, row, worst, row, work)
        count += 1
        all_done = True
        for d in range(LANES):
            residual[d] = row[worst, d]
            if not finished[d]:
                used[d] = count
                finished[d] = residual[d] <= goal
            all_done &= finished[d]
        if closing or count >= max_sweeps or num_state == 0 or (all_done and not close):
            break
        if all_done:
            closing = True
            for s in range(num_state):
                lanes.add(x, s, x, s, f, s)
            continue
        if count > 1:  # memory: the newest differences replace the oldest
            place = (count - 2) % MEMORY
            for s in range(num_state):
                lanes.subtract(dfs, place * num_state + s, f, s, f_before, s)
                lanes.subtract(dxs, place * num_state + s, x, s, x_before, s)
            for d in range(LANES):
                if residual[d] > GROWTH * best[d]:
                    best[d] = residual[d]
                    dfs[:, :, d] = 0.0
                    dxs[:, :, d] = 0.0
                    gram[:, :, d] = 0.0
            for h in range(MEMORY):
                at = place * MEMORY + h
                lanes.dot(gram, at, dfs, place * num_state, 1, dfs, h * num_state, 1, num_state)
                lanes.copy(gram, h * MEMORY + place, gram, at)
        for h in range(MEMORY):
            lanes.dot(right, h, dfs, h * num_state, 1, f, 0, 1, num_state)
        _mixture(gram, right, mix)
        for d in range(LANES):
            best[d] = min(best[d], residual[d])
            row[damping, d] = 0.0 if finished[d] else DAMPING  # a draw that has converged stays where it is
            for h in range(MEMORY):
                mix[h, d] = 0.0 if finished[d] else -mix[h, d]
                damped_mix[h, d] = DAMPING * mix[h, d]
        for s in range(num_state):
            lanes.copy(x_before, s, x, s)
            lanes.copy(f_before, s, f, s)
            lanes.multiply_add(x, s, f, s, row, damping)
            for h in range(MEMORY):
                lanes.multiply_add(x, s, dxs, h * num_state + s, mix, h)
                lanes.multiply_add(x, s, dfs, h * num_state + s, damped_mix, h)
    for s in range(num_state):  # what is not a number is never converged
        for d in range(LANES):
            if not np.isfinite(f[s, d]):
                residual[d] = np.inf
    payoff = np.zeros((num_players, LANES))
    for e in range(len(root)):
        for c in range(num_players):
            for d in range(LANES):
                payoff[c, d] += gives[root[e], c, d]
    return log_sigma, payoff, residual, used


@njit(nogil=True, cache=True, error_model="numpy")
def _mixture(gram, right, mix):  # pragma: no cover - compiled
    """Least-squares mixture of earlier sweeps, lane by lane: (gram + ridge) mix = right."""
    a = np.empty((MEMORY, MEMORY))
    b = np.empty(MEMORY)
    for d in range(LANES):
        scale = 0.0
        for h in range(MEMORY):
            scale += gram[h, h, d]
        if not (scale > 0.0 and np.isfinite(scale)):
            mix[:, d] = 0.0
            continue
        for h in range(MEMORY):
            b[h] = right[h, d]
            for g in range(MEMORY):
                a[h, g] = gram[h, g, d]
            a[h, h] += RIDGE * scale
        for h in range(MEMORY):
            for g in range(h + 1, MEMORY):
                factor = a[g, h] / a[h, h]
                for c in range(h, MEMORY):
                    a[g, c] -= factor * a[h, c]
                b[g] -= factor * b[h]
        for h in range(MEMORY - 1, -1, -1):
            for g in range(h + 1, MEMORY):
                b[h] -= a[h, g] * b[g]
            b[h] /= a[h, h]
        for h in range(MEMORY):
            mix[h, d] = b[h] if np.isfinite(b[h]) else 0.0
