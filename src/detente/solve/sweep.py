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
from detente.solve.lanes import LANES
from detente.solve.plan import Plan
from detente.solve.problem import LOG_IMPOSSIBLE, Problem, edge_chance, levels

MEMORY = 5  # earlier sweeps that Anderson acceleration mixes
DAMPING = 0.8  # share of the new sweep in the mixture
INNER = 0.1  # share of the tolerance at which a draw stops being moved
RIDGE = 1e-13  # keeps the small least-squares problem solvable when two sweeps agree
GROWTH = 10.0  # a residual this many times the best so far starts the memory afresh
UNDERFLOW = 1e-200  # reach of an infoset below which the kernel switches to logarithms


@dataclass(frozen=True, eq=False)
class SweepResult:
    """Fixed point for some draws; arrays with the draw axis last, slots in the order of the game."""

    log_probabilities: np.ndarray
    residual: np.ndarray
    iterations: np.ndarray
    payoffs: np.ndarray
    state: np.ndarray


def sweep(
    problem: Problem,
    plan: Plan,
    precision: np.ndarray,
    targets: Sequence[float],
    *,
    tolerance: float,
    max_sweeps: int,
) -> list[SweepResult]:
    """Fixed points at increasing shares of the precision, each started from the one before.

    Args:
        problem: The game with numbers in it.
        plan: Its decisions in the order of play.
        precision: λ at share 1, (player, draw).
        targets: Increasing shares in [0, 1].
        tolerance: Largest residual, in log-probability, of a converged draw.
        max_sweeps: Most sweeps for each target.

    Returns:
        One result for each target.
    """
    num_draws, num_players = problem.num_draws, len(problem.game.players)
    weight, terminal, constant = _constants(problem, plan)
    results = [
        SweepResult(
            log_probabilities=np.empty((problem.game.num_slots, num_draws)),
            residual=np.empty(num_draws),
            iterations=np.zeros(num_draws, dtype=np.int64),
            payoffs=np.empty((num_players, num_draws)),
            state=np.empty((len(plan.state), num_draws)),
        )
        for _ in targets
    ]
    uniform = -np.log(np.repeat(plan.num_options, plan.num_options).astype(float))[plan.state]

    def solve_some(first: int) -> None:
        draws = np.minimum(np.arange(first, first + LANES), num_draws - 1)
        live = slice(first, min(first + LANES, num_draws))
        width = live.stop - live.start
        lane_weight = np.ascontiguousarray(weight[:, draws])
        lane_terminal = np.ascontiguousarray(terminal[:, :, draws])
        state = np.repeat(uniform[:, None], LANES, axis=1)
        for target, result in zip(targets, results, strict=True):
            rate = np.ascontiguousarray(precision[:, draws] * target)
            log_sigma, root, residual, used = _fixed_point(
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
                lane_weight,
                lane_terminal,
                rate,
                state,
                tolerance,
                max_sweeps,
            )
            result.log_probabilities[plan.slot, live] = log_sigma[:, :width]
            result.residual[live] = residual[:width]
            result.iterations[live] = used[:width]
            result.payoffs[:, live] = constant[:, live] + root[:, :width]
            result.state[:, live] = state[:, :width]

    for first in range(0, num_draws, LANES):
        solve_some(first)
    return results


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
    tolerance,
    max_sweeps,
):  # pragma: no cover - compiled
    """Anderson-accelerated fixed point for ``LANES`` draws; x is the starting state and becomes the final one."""
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
                finished[d] = residual[d] <= INNER * tolerance
            all_done &= finished[d]
        if closing or count >= max_sweeps or num_state == 0:
            break
        if all_done:  # one plain sweep more, so that the play returned is judged by the beliefs that it implies
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
