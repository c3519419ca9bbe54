"""The sweep: one pass down for beliefs, one pass up for values; an accelerated fixed point for large trees.

The unknowns are the log-probabilities of the *state*: the choices that change what somebody later believes. Given them,
a pass down gives the reach of every history, and a pass up gives every infoset's expected payoffs with the play below
already up to date, hence its choice probabilities. The new state is compared with the old; Anderson acceleration
(walker2011) mixes the last few sweeps. Cost: linear in nodes.

The kernel is compiled once for all games (Numba, kept on disk): it walks index arrays. It solves a few draws at a time,
side by side in the lanes of a vector register, so that one tree's working set stays in the cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from detente.axes import CHANCE
from detente.solve import lanes
from detente.solve.branch import follow_branch
from detente.solve.lanes import LANES
from detente.solve.plan import Plan
from detente.solve.problem import LOG_IMPOSSIBLE, Problem, edge_chance, levels
from detente.solve.reduced import SweepEquations
from detente.solve.solution import CONVERGED, NOT_CONVERGED

MEMORY = 5  # earlier sweeps that Anderson acceleration mixes
DAMPING = 0.8  # share of the new sweep in the mixture
INNER = 0.1  # share of the tolerance at which a draw stops being moved
RIDGE = 1e-13  # keeps the small least-squares problem solvable when two sweeps agree
GROWTH = 10.0  # a residual this many times the best so far starts the memory afresh
UNDERFLOW = 1e-200  # reach of an infoset below which the kernel switches to logarithms
# Along the branch: shares are of the precision asked for, surprises are changes of a log-probability.
FIRST_SHARE, LARGEST_SHARE, SMALLEST_SHARE, GROWING_SHARE = 0.3, 1.0, 1 / 64, 2.0
ROUGH, MAX_ROUGH = 3e-2, 40  # residual and sweeps of a step on the way
SURPRISE, EASY = 0.5, 0.05  # corrections larger than the first halve a step, smaller than the second let it grow
MAX_EXACT = 3_000  # unknowns up to which Newton's matrix is affordable


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
) -> list[SweepResult]:
    """Fixed points on the principal branch at increasing shares of the precision.

    Some draws side by side are taken along the branch in steps of precision: each is predicted from the two before and
    corrected by accelerated sweeps. A step whose correction is a surprise is halved; draws that still surprise, or do
    not converge, are followed exactly by Newton and arc length.

    Args:
        problem: The game with numbers in it.
        plan: Its decisions in the order of play.
        precision: λ at share 1, (player, draw).
        targets: Increasing shares in [0, 1].
        tolerance: Largest residual, in log-probability, of a converged draw.
        max_sweeps: Most sweeps for each step.
        exact: Whether draws that the sweeps lose are followed exactly.

    Returns:
        One result for each target.
    """
    num_draws, num_players = problem.num_draws, len(problem.game.players)
    weight, terminal, constant = _constants(problem, plan)
    results = [
        SweepResult(
            log_probabilities=np.empty((problem.game.num_slots, num_draws)),
            residual=np.empty(num_draws),
            status=np.full(num_draws, NOT_CONVERGED),
            iterations=np.zeros(num_draws, dtype=np.int64),
            payoffs=np.empty((num_players, num_draws)),
            reached=np.zeros(num_draws),
            bifurcation_at=np.full(num_draws, np.nan),
        )
        for _ in targets
    ]
    for first in range(0, num_draws, LANES):
        draws = np.minimum(np.arange(first, first + LANES), num_draws - 1)
        live = slice(first, min(first + LANES, num_draws))
        block = _Block(
            plan,
            np.ascontiguousarray(weight[:, draws]),
            np.ascontiguousarray(terminal[:, :, draws]),
            precision[:, draws],
            tolerance,
            max_sweeps,
        )
        _follow_block(block, targets, results, live)
    for result in results:
        result.payoffs[:] += constant
    for draw in np.flatnonzero(results[-1].status == NOT_CONVERGED) if results else ():
        if exact and len(plan.state) <= MAX_EXACT:
            equations = SweepEquations(
                plan,
                np.ascontiguousarray(weight[:, draw]),
                np.ascontiguousarray(terminal[:, :, draw]),
                precision[:, draw],
            )
            _follow_exactly(equations, targets, results, int(draw), constant[:, draw], tolerance)
    return results


@dataclass(frozen=True, eq=False)
class _Block:
    """``LANES`` draws with everything that does not change while they are solved."""

    plan: Plan
    weight: np.ndarray
    terminal: np.ndarray
    precision: np.ndarray
    tolerance: float
    max_sweeps: int

    def solve(
        self, share: float, x: np.ndarray, *, rough: bool, max_sweeps: int | None = None
    ) -> tuple[np.ndarray, ...]:
        """Fixed point at a share of the precision; x is the start and becomes the state found.

        Returns:
            Log-probabilities of all slot rows, payoffs, residual and number of sweeps.
        """
        plan = self.plan
        return _fixed_point(
            plan.player,
            plan.num_options,
            plan.num_members,
            plan.node_start,
            plan.slot_start,
            plan.branch_start,
            plan.above_node,
            plan.above_slot,
            plan.reached,
            plan.below_start,
            plan.below,
            plan.root,
            plan.state,
            self.weight,
            self.terminal,
            np.ascontiguousarray(self.precision * share),
            x,
            ROUGH if rough else INNER * self.tolerance,
            max_sweeps or (MAX_ROUGH if rough else self.max_sweeps),
            not rough,
        )


def _follow_block(block: _Block, targets: Sequence[float], results: list[SweepResult], live: slice) -> None:
    """Take a block of draws along the branch, and write what is found into the results."""
    plan, width = block.plan, live.stop - live.start
    uniform = -np.log(np.repeat(plan.num_options, plan.num_options).astype(float))[plan.state]
    shares = [0.0]
    states = [np.repeat(uniform[:, None], LANES, axis=1)]
    on_branch = np.ones(LANES, dtype=bool)
    used = np.zeros(LANES, dtype=np.int64)
    reached = np.zeros(LANES)
    for target, result in zip(targets, results, strict=True):
        step = target - shares[-1] if not len(plan.state) else min(FIRST_SHARE, target - shares[-1])
        if step == 0.0:  # precision 0: uniform play is the solution
            log_sigma, payoffs, residual, _ = block.solve(target, states[-1].copy(), rough=False)
        while step > 0.0:
            share = min(target, shares[-1] + step)
            last = share >= target * (1 - 1e-12)
            guess = _predict(block, shares, states, share)
            x = guess.copy()
            log_sigma, payoffs, residual, sweeps = block.solve(share, x, rough=not last)
            used += sweeps
            surprise = np.abs(x - guess).max(axis=0) if len(x) else np.zeros(LANES)
            good = (residual <= (block.tolerance if last else ROUGH)) & (surprise <= SURPRISE)
            if not good[on_branch].all() and step > SMALLEST_SHARE:
                step /= 2
                continue
            on_branch &= good
            x[:, ~on_branch] = guess[:, ~on_branch]  # what is lost is not to disturb the prediction of the rest
            shares.append(share)
            states.append(x)
            if last:
                break
            step = min(LARGEST_SHARE, step * GROWING_SHARE) if surprise[on_branch].max(initial=0) < EASY else step
        found = on_branch[:width]
        result.log_probabilities[plan.slot, live] = log_sigma[:, :width]
        result.residual[live] = residual[:width]
        result.iterations[live] = used[:width]
        result.payoffs[:, live] = payoffs[:, :width]
        result.status[live] = np.where(found, CONVERGED, NOT_CONVERGED)
        reached = np.where(on_branch, target, reached)
        result.reached[live] = reached[:width]


def _predict(block: _Block, shares: list[float], states: list[np.ndarray], share: float) -> np.ndarray:
    """Where the branch should be at the next share: through the last three points, or by one sweep from the first."""
    if len(shares) == 1:
        log_sigma = block.solve(share, states[0].copy(), rough=True, max_sweeps=1)[0]
        return log_sigma[block.plan.state]
    places, points = shares[-3:], states[-3:]
    guess = np.zeros_like(points[0])
    for i, point in enumerate(points):  # Lagrange's formula
        others = [p for j, p in enumerate(places) if j != i]
        guess += point * np.prod([(share - p) / (places[i] - p) for p in others])
    return guess


def _follow_exactly(
    equations: SweepEquations,
    targets: Sequence[float],
    results: list[SweepResult],
    draw: int,
    constant: np.ndarray,
    tolerance: float,
) -> None:
    """Newton and arc length for one draw, written into the results."""
    plan = equations.plan
    for target, result, point in zip(
        targets, results, follow_branch(equations, targets, tolerance=tolerance), strict=True
    ):
        log_sigma, payoffs = equations.play(point.x, target)
        result.log_probabilities[plan.slot, draw] = log_sigma
        result.payoffs[:, draw] = constant + payoffs
        result.residual[draw] = point.residual
        result.status[draw] = point.status
        result.iterations[draw] += point.iterations
        result.reached[draw] = point.reached
        result.bifurcation_at[draw] = point.bifurcation_at


def _constants(problem: Problem, plan: Plan) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chance above each node up to a decision; payoffs of each branch without a further decision; the rest."""
    game = problem.game
    edges = edge_chance(problem)
    weight = np.ones((game.num_nodes, problem.num_draws))
    for start, stop in levels(game):
        parent = game.parent[start:stop]
        through = game.kind[parent] == CHANCE
        weight[start:stop][through] = weight[parent[through]] * edges[start:stop][through]
    sums = _sum_leaves(plan.leaf_order, plan.leaf_start, weight[game.leaf_nodes], problem.payoff)
    return weight[plan.node], sums[:-1], sums[-1]


@njit(cache=True, nogil=True)
def _sum_leaves(leaf_order, leaf_start, weight, payoff):  # pragma: no cover - compiled
    """Σ weight · payoff over the leaves of each branch, (branch, player, draw)."""
    num_players, num_draws = payoff.shape[1], payoff.shape[2]
    sums = np.zeros((len(leaf_start) - 1, num_players, num_draws))
    for b in range(len(leaf_start) - 1):
        for e in range(leaf_start[b], leaf_start[b + 1]):
            z = leaf_order[e]
            for i in range(num_players):
                for d in range(num_draws):
                    sums[b, i, d] += weight[z, d] * payoff[z, i, d]
    return sums


# -- the kernel --------------------------------------------------------------------------------------
# All arrays end in an axis of LANES draws; detente.solve.lanes works on one such row at a time.
@njit(nogil=True, error_model="numpy")
def _pass_down(above_node, above_slot, reached, weight, x_of_slot, logs, reach):  # pragma: no cover - compiled
    """Reach of every node that enters a belief; its logarithm when ``logs``."""
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
    player,
    num_options,
    num_members,
    node_start,
    slot_start,
    branch_start,
    below_start,
    below,
    weight,
    terminal,
    rate,
    reach,
    logs,
    value,
    gives,
    log_sigma,
    sigma,
    row,
):  # pragma: no cover - compiled
    """Play of every infoset, last first; returns whether some belief underflowed.

    ``value``, ``sigma`` and ``row`` are room to work in: payoffs of the branches of one infoset, chances of its
    options, and single rows (see the names below).
    """
    num_players = terminal.shape[1]
    zero, mass, top, belief, total = 0, 1, 2, 3, 4
    underflow = False
    for i in range(len(player) - 1, -1, -1):
        k, m, p = num_options[i], num_members[i], player[i]
        n0, b0, s0 = node_start[i], branch_start[i], slot_start[i]
        # What each option is worth at each node, and the beliefs that weigh the nodes.
        for branch in range(m * k):
            for c in range(num_players):
                lanes.copy(value, branch * num_players + c, terminal, (b0 + branch) * num_players + c)
            for e in range(below_start[b0 + branch], below_start[b0 + branch + 1]):
                for c in range(num_players):
                    to = branch * num_players + c
                    lanes.add(value, to, value, to, gives, below[e] * num_players + c)
        if m == 1:
            for a in range(k):
                lanes.multiply(sigma, a, value, a * num_players + p, rate, p)
        else:
            if logs:
                lanes.copy(row, top, reach, n0)
                for j in range(1, m):
                    lanes.maximum(row, top, row, top, reach, n0 + j)
            for a in range(k):
                lanes.copy(sigma, a, row, zero)
            lanes.copy(row, mass, row, zero)
            for j in range(m):
                if logs:
                    lanes.subtract(row, belief, reach, n0 + j, row, top)
                    lanes.exponential(row, belief, row, belief)
                else:
                    lanes.copy(row, belief, reach, n0 + j)
                lanes.add(row, mass, row, mass, row, belief)
                for a in range(k):
                    lanes.multiply_add(sigma, a, row, belief, value, (j * k + a) * num_players + p)
            for d in range(LANES):
                underflow |= row[mass, d] < UNDERFLOW
            lanes.divide(row, mass, rate, p, row, mass)
            for a in range(k):
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
        for d in range(LANES):
            row[top, d] = np.log(row[total, d])
        for a in range(k):
            lanes.subtract(log_sigma, s0 + a, log_sigma, s0 + a, row, top)
            lanes.divide(sigma, a, sigma, a, row, total)
        # What each node is worth to everybody, passed to the branch above.
        for j in range(m):
            for c in range(num_players):
                to = (n0 + j) * num_players + c
                lanes.multiply(gives, to, sigma, 0, value, j * k * num_players + c)
                for a in range(1, k):
                    lanes.multiply_add(gives, to, sigma, a, value, (j * k + a) * num_players + c)
                lanes.multiply(gives, to, gives, to, weight, n0 + j)
    return underflow


@njit(nogil=True, cache=True, error_model="numpy")
def _fixed_point(
    player,
    num_options,
    num_members,
    node_start,
    slot_start,
    branch_start,
    above_node,
    above_slot,
    reached,
    below_start,
    below,
    root,
    state,
    weight,
    terminal,
    rate,
    x,
    goal,
    max_sweeps,
    close,
):  # pragma: no cover - compiled
    """Anderson-accelerated fixed point for ``LANES`` draws; x is the starting state and becomes the final one.

    With ``close`` a last plain sweep makes the play returned consistent with its own beliefs, and judges it by them.
    """
    if weight.shape[1] != LANES:  # a kernel kept on disk from before LANES was changed would write out of bounds
        raise ValueError("the compiled kernel is out of date: delete the .nbi and .nbc files beside it")
    num_nodes, num_players, num_state = len(above_node), terminal.shape[1], len(state)
    num_slots, widest, most = 0, 1, 1
    for i in range(len(player)):
        num_slots += num_options[i]
        most = max(most, num_options[i])
        widest = max(widest, num_options[i] * num_members[i])
    value = np.empty((widest, num_players, LANES))
    sigma = np.empty((most, LANES))
    row = np.zeros((5, LANES))
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
        _pass_down(above_node, above_slot, reached, weight, x_of_slot, logs, reach)
        underflow = _pass_up(
            player,
            num_options,
            num_members,
            node_start,
            slot_start,
            branch_start,
            below_start,
            below,
            weight,
            terminal,
            rate,
            reach,
            logs,
            value,
            gives,
            log_sigma,
            sigma,
            row,
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
                lanes.copy(gram, at, row, zero)
                for s in range(num_state):
                    lanes.multiply_add(gram, at, dfs, place * num_state + s, dfs, h * num_state + s)
                lanes.copy(gram, h * MEMORY + place, gram, at)
        for h in range(MEMORY):
            lanes.copy(right, h, row, zero)
            for s in range(num_state):
                lanes.multiply_add(right, h, dfs, h * num_state + s, f, s)
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
