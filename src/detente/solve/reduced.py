"""The equations of the sweep with exact derivatives, for following the branch of one draw of a large game.

The unknowns are the state of the sweep; H(x, t) = x − F(x, t), where F is one sweep at precision t·λ. The derivatives
of F are sweeps of tangents, ``LANES`` directions side by side, by the rules of differentiation applied to the two
passes.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from detente.solve import lanes
from detente.solve.lanes import LANES
from detente.solve.plan import Decisions
from detente.solve.probit import probit, probit_slopes
from detente.solve.problem import LOG_IMPOSSIBLE


@dataclass(frozen=True, eq=False)
class SweepEquations:
    """H and its derivatives for one draw, as :func:`detente.solve.branch.follow_branch` wants them.

    Attributes:
        decisions: The decisions in the order of play.
        weight: Chance between each node and the decision above it, (node,).
        terminal: Payoffs of each branch without a further decision, (branch, player).
        precision: λ at t = 1, (player,).
        normal: Whether the choice rule is probit instead of logit.
    """

    decisions: Decisions
    weight: np.ndarray
    terminal: np.ndarray
    precision: np.ndarray
    normal: bool = False

    @property
    def start(self) -> np.ndarray:
        """Uniform play."""
        return self.decisions.uniform

    def residual(self, x: np.ndarray, t: float) -> np.ndarray:
        """H(x, t)."""
        return x - self.play(x, t)[0][self.decisions.state]

    def evaluate(self, x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        """H(x, t) and its derivatives by x and t."""
        play, _, derivative = self._sweep(x, t, derivatives=True)
        jacobian = -derivative
        jacobian[np.arange(len(x)), np.arange(len(x))] += 1.0
        return x - play[self.decisions.state], jacobian

    def play(self, x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities of all slot rows, and payoffs, after one sweep."""
        return self._sweep(x, t, derivatives=False)[:2]

    def _sweep(self, x: np.ndarray, t: float, *, derivatives: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _linearise(
            self.decisions,
            self.weight,
            self.terminal,
            t * self.precision,
            self.precision,
            np.ascontiguousarray(x),
            derivatives,
            self.normal,
        )


@njit(nogil=True, cache=True, error_model="numpy")
def find_signs(decisions, weight, terminal, rate, x, normal):  # pragma: no cover - compiled
    """Sign of the determinant of H's derivative by the state, for every lane; the last axis of the arrays is the lane.

    Args:
        decisions: The decisions in the order of play.
        weight: Chance between each node and the decision above it, (node, lane).
        terminal: Payoffs of each branch without a further decision, (branch, player, lane).
        rate: λ, (player, lane).
        x: The state, (state, lane).
        normal: Whether the choice rule is probit.
    """
    num_state, num_lanes = x.shape
    signs = np.ones(num_lanes)
    for lane in range(num_lanes):
        own = np.ascontiguousarray(rate[:, lane])
        derivative = _linearise(
            decisions,
            np.ascontiguousarray(weight[:, lane]),
            np.ascontiguousarray(terminal[:, :, lane]),
            own,
            own,
            np.ascontiguousarray(x[:, lane]),
            True,
            normal,
        )[2]
        jacobian = -derivative[:, :num_state]
        for s in range(num_state):
            jacobian[s, s] += 1.0
        signs[lane] = np.linalg.slogdet(jacobian)[0]
    return signs


@njit(nogil=True, cache=True, error_model="numpy")
def _linearise(
    decisions,
    weight,
    terminal,
    rate,
    rate_slope,
    x,
    derivatives,
    normal,
):  # pragma: no cover - compiled
    """One sweep for one draw, and its derivatives by the state (columns 0 …) and by t (the last column)."""
    player, num_options, num_members = decisions.player, decisions.num_options, decisions.num_members
    node_start, slot_start, branch_start = decisions.node_start, decisions.slot_start, decisions.branch_start
    above_node, above_slot, reached = decisions.above_node, decisions.above_slot, decisions.reached
    below_start, below, root, state = decisions.below_start, decisions.below, decisions.root, decisions.state
    num_nodes, num_branches, num_players = len(above_node), terminal.shape[0], terminal.shape[1]
    num_state, num_slots, most = len(state), 0, 1
    for i in range(len(player)):
        num_slots += num_options[i]
        most = max(most, num_options[i])
    single = np.empty((2, most))
    slopes = np.empty((num_slots if normal and derivatives else 0, most))  # ∂ ln P / ∂ (λ·Q), block below block

    # the sweep itself, keeping what its derivatives need
    x_of_slot = np.zeros(num_slots)
    for s in range(num_state):
        x_of_slot[state[s]] = x[s]
    belief = np.ones(num_nodes)
    for n in range(num_nodes):
        if reached[n]:
            a = above_node[n]
            belief[n] = np.log(weight[n]) if weight[n] > 0.0 else LOG_IMPOSSIBLE
            if a >= 0:
                belief[n] += belief[a] + x_of_slot[above_slot[n]]
    value = terminal.copy()
    gives = np.zeros((num_nodes, num_players))
    worth = np.zeros(num_slots)
    sigma = np.zeros(num_slots)
    log_sigma = np.zeros(num_slots)
    for i in range(len(player) - 1, -1, -1):
        k, m, p = num_options[i], num_members[i], player[i]
        n0, b0, s0 = node_start[i], branch_start[i], slot_start[i]
        for b in range(b0, b0 + m * k):
            for e in range(below_start[b], below_start[b + 1]):
                for c in range(num_players):
                    value[b, c] += gives[below[e], c]
        if m == 1:
            belief[n0] = 1.0
        else:
            top = belief[n0 : n0 + m].max()
            for n in range(n0, n0 + m):
                belief[n] = np.exp(belief[n] - top)
            belief[n0 : n0 + m] /= belief[n0 : n0 + m].sum()
        for a in range(k):
            for j in range(m):
                worth[s0 + a] += belief[n0 + j] * value[b0 + j * k + a, p]
            log_sigma[s0 + a] = rate[p] * worth[s0 + a]
        if normal:
            if derivatives:
                probit_slopes(log_sigma[s0 : s0 + k], k, slopes[s0 : s0 + k])
            probit(log_sigma[s0 : s0 + k], k, single[0], single[1])
            log_sigma[s0 : s0 + k] = single[0, :k]
        else:
            top = log_sigma[s0 : s0 + k].max()
            log_sigma[s0 : s0 + k] -= top + np.log(np.exp(log_sigma[s0 : s0 + k] - top).sum())
        for a in range(k):
            sigma[s0 + a] = np.exp(log_sigma[s0 + a])
        for j in range(m):
            for c in range(num_players):
                for a in range(k):
                    gives[n0 + j, c] += sigma[s0 + a] * value[b0 + j * k + a, c]
                gives[n0 + j, c] *= weight[n0 + j]

    payoff = np.zeros(num_players)
    for e in range(len(root)):
        for c in range(num_players):
            payoff[c] += gives[root[e], c]

    if not derivatives:
        return log_sigma, payoff, np.empty((0, 0))

    # its derivatives, LANES directions at a time
    derivative = np.empty((num_state, num_state + 1))
    d_slot = np.zeros((num_slots, LANES))
    d_reach = np.zeros((num_nodes, LANES))
    d_value = np.zeros((num_branches, num_players, LANES))
    d_gives = np.zeros((num_nodes, num_players, LANES))
    d_sigma = np.zeros((most, LANES))
    d_out = np.zeros((num_slots, LANES))
    row = np.zeros((3, LANES))
    zero, mean, work = 0, 1, 2
    for first in range(0, num_state + 1, LANES):
        width = min(LANES, num_state + 1 - first)
        last = num_state - first  # lane of the direction t; negative or too large when it is not in this round
        for d in range(width):
            if first + d < num_state:
                d_slot[state[first + d], d] = 1.0
        for n in range(num_nodes):
            if reached[n]:
                if above_node[n] >= 0:
                    lanes.add(d_reach, n, d_reach, above_node[n], d_slot, above_slot[n])
                else:
                    lanes.copy(d_reach, n, row, zero)
        for i in range(len(player) - 1, -1, -1):
            k, m, p = num_options[i], num_members[i], player[i]
            n0, b0, s0 = node_start[i], branch_start[i], slot_start[i]
            for b in range(b0, b0 + m * k):
                for c in range(num_players):
                    to = b * num_players + c
                    lanes.copy(d_value, to, row, zero)
                    for e in range(below_start[b], below_start[b + 1]):
                        lanes.add(d_value, to, d_value, to, d_gives, below[e] * num_players + c)
            lanes.copy(row, mean, row, zero)
            if m > 1:
                for n in range(n0, n0 + m):
                    lanes.add_scaled(row, mean, d_reach, n, belief[n])
            for a in range(k):
                lanes.copy(d_sigma, a, row, zero)
                for j in range(m):
                    n, b = n0 + j, b0 + j * k + a
                    lanes.add_scaled(d_sigma, a, d_value, b * num_players + p, belief[n])
                    if m > 1:
                        lanes.subtract(row, work, d_reach, n, row, mean)
                        lanes.add_scaled(d_sigma, a, row, work, belief[n] * value[b, p])
                lanes.scale(d_sigma, a, d_sigma, a, rate[p])
                if 0 <= last < LANES:
                    d_sigma[a, last] += rate_slope[p] * worth[s0 + a]
            if normal:
                for a in range(k):
                    lanes.copy(d_out, s0 + a, row, zero)
                    for b in range(k):
                        lanes.add_scaled(d_out, s0 + a, d_sigma, b, slopes[s0 + a, b])
            else:
                lanes.copy(row, mean, row, zero)
                for a in range(k):
                    lanes.add_scaled(row, mean, d_sigma, a, sigma[s0 + a])
                for a in range(k):
                    lanes.subtract(d_out, s0 + a, d_sigma, a, row, mean)
            for a in range(k):
                lanes.copy(d_sigma, a, d_out, s0 + a)
            for j in range(m):
                for c in range(num_players):
                    to = (n0 + j) * num_players + c
                    lanes.copy(d_gives, to, row, zero)
                    for a in range(k):
                        b = b0 + j * k + a
                        lanes.add_scaled(d_gives, to, d_sigma, a, sigma[s0 + a] * value[b, c] * weight[n0 + j])
                        lanes.add_scaled(d_gives, to, d_value, b * num_players + c, sigma[s0 + a] * weight[n0 + j])
        for s in range(num_state):
            for d in range(width):
                derivative[s, first + d] = d_out[state[s], d]
        for d in range(width):
            if first + d < num_state:
                d_slot[state[first + d], d] = 0.0
    return log_sigma, payoff, derivative
