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
from typing import NamedTuple

import numpy as np
from numba import njit

from detente.solve import lanes
from detente.solve.branch import follow_branch
from detente.solve.choice import LOGIT, PROBIT
from detente.solve.lanes import LANES
from detente.solve.plan import Plan
from detente.solve.probit import probit, probit_rows
from detente.solve.problem import LOG_IMPOSSIBLE, Problem
from detente.solve.reduced import SweepEquations, find_signs
from detente.solve.solution import CONVERGED, NOT_CONVERGED
from detente.solve.track import DENSE_UNKNOWNS, MAX_UNKNOWNS, Tree, World, follow
from detente.solve.values import ONE, Constants, Core, find_constants, find_core

CHUNK = 32  # unknowns whose memory is in the cache at once
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
    choice: str = LOGIT,
    start: np.ndarray | None = None,
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
        choice: The choice rule.
        start: Log-probabilities of all slots from which each target is swept to at once, (slot,), instead of along the
            principal branch; no draw is then followed exactly.

    Returns:
        One result for each target.
    """
    num_draws = problem.num_draws
    results = [_empty_result(problem) for _ in targets]
    constants = find_constants(problem.game, plan)
    weights, terminals = constants.evaluate(problem)
    normal = choice == PROBIT
    settled = _find_settled_everywhere(plan, constants, weights, terminals, precision, normal)
    core = find_core(plan, constants, settled, payoffs=False)
    whole = find_core(plan, constants, np.zeros_like(settled), payoffs=True)
    rooms = _make_room(core, normal), _make_room(whole, normal)
    weight, terminal, rate = (lanes.aligned(len(a)) for a in (weights, terminals, precision))
    for first in range(0, num_draws, LANES):
        draws = np.minimum(np.arange(first, first + LANES), num_draws - 1)
        live = slice(first, min(first + LANES, num_draws))
        weight[:], terminal[:], rate[:] = weights[:, draws], terminals[:, draws], precision[:, draws]
        block = _Block(
            constants=constants,
            core=core,
            whole=whole,
            rooms=rooms,
            weight=weight,
            terminal=terminal,
            precision=rate,
            tolerance=tolerance,
            max_sweeps=max_sweeps,
            normal=normal,
        )
        if start is not None:
            _settle_block(block, plan.slot, start, targets, results, live)
        else:
            _follow_block(block, plan.slot, targets, results, live, looks=looks)
        lost = np.flatnonzero(results[-1].status[live] == NOT_CONVERGED) if results else ()
        for lane in lost if exact and start is None else ():
            equations = _equations(whole, constants, weight[:, lane], terminal[:, lane], rate[:, lane], normal)
            _follow_exactly(problem, equations, plan.slot, targets, results, first + int(lane), tolerance)
        for result in results:
            result.payoffs[:, live] += terminals[constants.branch[-1]][:, live]
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


def _find_settled_everywhere(
    plan: Plan,
    constants: Constants,
    weights: np.ndarray,
    terminals: np.ndarray,
    precision: np.ndarray,
    normal: bool,
) -> np.ndarray:
    """Infoset rows at which beliefs do not matter in the first and in the last draw.

    That is a guess about the draws between them. Nothing rests on it: the play found is judged by a sweep over all
    decisions, and what does not pass goes on there.
    """
    settled = np.ones(len(plan.decisions.player), dtype=bool)
    for draw in (0, -1):
        settled &= _find_settled(
            plan.decisions,
            weights[constants.node, draw],
            terminals[constants.branch[:-1], draw],
            np.ascontiguousarray(precision[:, draw]),
            normal,
        )
    return settled


def _equations(
    core: Core, constants: Constants, weight: np.ndarray, rows: np.ndarray, precision: np.ndarray, normal: bool
) -> SweepEquations:
    """The equations of one draw on what is left of the decisions.

    Args:
        core: The decisions that are left.
        constants: Payoffs and chances of the game.
        weight: Probability of every chain, (chain,).
        rows: The numbers that the first jobs leave, (row,); the constants will do where nothing is folded away.
        precision: λ, (player,).
        normal: Whether the choice rule is probit.
    """
    node_weight = weight[constants.node[core.node]]
    return SweepEquations(core.decisions, node_weight, rows[core.brings], np.ascontiguousarray(precision), normal)


@dataclass(frozen=True, eq=False)
class _Block:
    """``LANES`` draws with everything that does not change while they are solved.

    Attributes:
        constants: Payoffs and chances of the game.
        core: The decisions on which the beliefs of somebody bear.
        whole: All decisions.
        rooms: Where the kernel works, for the core and for the whole.
        weight: Probability of every chain of chance moves, (chain, lane).
        terminal: Every different payoff that a branch brings without a further decision, (row, lane).
        precision: λ at share 1, (player, lane).
        tolerance: Largest residual of a converged draw.
        max_sweeps: Most sweeps for each step.
        normal: Whether the choice rule is probit.
        folds: Share → what :meth:`_fold` found there, of the last share.
    """

    constants: Constants
    core: Core
    whole: Core
    rooms: tuple["_Room", "_Room"]
    weight: np.ndarray
    terminal: np.ndarray
    precision: np.ndarray
    tolerance: float
    max_sweeps: int
    normal: bool = False
    folds: dict[float, np.ndarray] = field(default_factory=dict)

    def step(self, share: float, x: np.ndarray, *, max_sweeps: int = MAX_ROUGH) -> tuple[np.ndarray, ...]:
        """Rough fixed point of the core; x is the start and becomes the state found.

        Returns:
            Log-probabilities of the core's slot rows, residual and number of sweeps.
        """
        self._fold(share)
        play, _, residual, used = self._fixed_point(self.core, share, x, ROUGH, max_sweeps)
        return play, residual, used

    def finish(self, share: float, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Fixed point of all decisions; x, the state of the core, is the start and becomes the state found.

        Returns:
            Log-probabilities of all slot rows, payoffs, residual and number of sweeps.
        """
        core, whole = self.core, self.whole
        folded_play = self._fold(share)
        core_play, _, _, used = self._fixed_point(core, share, x, INNER * self.tolerance, self.max_sweeps, close=True)
        play = np.empty((len(core.slot) + len(core.folded_slot), LANES))
        play[core.folded_slot] = folded_play[core.folded_from]
        play[core.slot] = core_play
        play[core.slot[core.decisions.state]] = x
        self.rooms[1].rows[: len(self.terminal)] = self.terminal
        state = play[whole.decisions.state]
        play, payoffs, residual, more = self._fixed_point(whole, share, state, self.tolerance, self.max_sweeps)
        if more.max() > 1:  # beliefs did matter somewhere in some draw
            x[:] = play[core.slot[core.decisions.state]]
        return play, payoffs, residual, used + more

    def _fixed_point(
        self, core: Core, share: float, x: np.ndarray, goal: float, max_sweeps: int, *, close: bool = False
    ) -> tuple[np.ndarray, ...]:
        """What :func:`_fixed_point` finds; the play is overwritten by the next call."""
        room = self.rooms[core is self.whole]
        room.x[:] = x
        room.rate[:] = share * self.precision
        jobs = np.array([core.num_folded, len(core.work.player)])
        found = _fixed_point(core.decisions, core.work, jobs, core.root, self.weight, room, goal, max_sweeps, close)
        x[:] = room.x
        return room.log_sigma, *found

    def crossed(self, share: float, x: np.ndarray) -> np.ndarray:
        """Whether the determinant is negative in each of the first lanes; where the branch begins it is positive."""
        if not len(x):
            return np.zeros(x.shape[1], dtype=bool)
        self._fold(share)
        core, lanes_used = self.core, slice(0, x.shape[1])
        weight = self.weight[self.constants.node[core.node], lanes_used]
        brings = self.rooms[0].rows[core.brings, lanes_used]
        rate = share * self.precision[:, lanes_used]
        return find_signs(core.decisions, weight, brings, rate, x, self.normal) < 0

    def _fold(self, share: float) -> np.ndarray:
        """Play of the settled infosets' jobs at a share. What they bring is then in the rows of the core's room."""
        if share not in self.folds:
            self.folds.clear()  # only the last is asked for again
            room = self.rooms[0]
            room.rows[: len(self.terminal)] = self.terminal
            room.rate[:] = share * self.precision
            self.folds[share] = _fold(self.core.work, self.core.num_folded, self.weight, room)
        return self.folds[share]


class _Room(NamedTuple):
    """Where the kernel works, rows of lanes that begin with a cache line.

    Attributes:
        rows: Every different number; see :class:`detente.solve.values.Work`.
        rate: λ of each player.
        reach: Reach of each node, or its logarithm.
        log_sigma: Log-probability of each slot.
        chance: Probability of each slot that is in the state; 1 elsewhere.
        sigma: Chances of the options of a job.
        belief: Weights of the nodes of one infoset.
        row: Single rows.
        x: The state.
        f: What one more sweep adds to it.
        f_before: The same before the last step.
        df: How f changed in each of the last steps …
        step: … and where that alone would lead.
        small: Matrix and vectors of the small least-squares problem: ``MEMORY`` rows each.
        normal: Options of one infoset in one lane; without rows unless the choice rule is probit.
    """

    rows: np.ndarray
    rate: np.ndarray
    reach: np.ndarray
    log_sigma: np.ndarray
    chance: np.ndarray
    sigma: np.ndarray
    belief: np.ndarray
    row: np.ndarray
    x: np.ndarray
    f: np.ndarray
    f_before: np.ndarray
    df: np.ndarray
    step: np.ndarray
    small: np.ndarray
    normal: np.ndarray


def _make_room(core: Core, normal: bool) -> _Room:
    decisions = core.decisions
    num_state, num_slots = len(decisions.state), len(core.slot)
    return _Room(
        rows=lanes.aligned(core.num_rows),
        rate=lanes.aligned(core.root.shape[1]),
        reach=lanes.aligned(len(decisions.above_node)),
        log_sigma=lanes.aligned(num_slots),
        chance=lanes.aligned(num_slots),
        sigma=lanes.aligned(core.num_sigma),
        belief=lanes.aligned(max(decisions.num_members, default=1)),
        row=lanes.aligned(5),
        x=lanes.aligned(num_state),
        f=lanes.aligned(num_state),
        f_before=lanes.aligned(num_state),
        df=lanes.aligned(MEMORY, num_state),
        step=lanes.aligned(MEMORY, num_state),
        small=lanes.aligned(MEMORY + 3, MEMORY),
        normal=np.empty((3 * normal, max(core.work.num_options, default=1))),
    )


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


def _settle_block(
    block: _Block,
    slot: np.ndarray,
    start: np.ndarray,
    targets: Sequence[float],
    results: list[SweepResult],
    live: slice,
) -> None:
    """Sweep a block of draws to every target from one start, wherever that leads, and write it into the results."""
    core = block.core
    width = live.stop - live.start
    for target, result in zip(targets, results, strict=True):
        x = np.repeat(start[slot][core.slot[core.decisions.state]][:, None], LANES, axis=1)
        play, payoffs, residual, used = block.finish(target, x)
        result.log_probabilities[slot, live] = play[:, :width]
        result.residual[live] = residual[:width]
        result.iterations[live] = used[:width]
        result.payoffs[:, live] = payoffs[:, :width]
        found = residual[:width] <= block.tolerance
        result.status[live] = np.where(found, CONVERGED, NOT_CONVERGED)
        result.reached[live] = np.where(found, target, 0.0)


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
    problem: Problem,
    equations: SweepEquations,
    slot: np.ndarray,
    targets: Sequence[float],
    results: list[SweepResult],
    draw: int,
    tolerance: float,
) -> None:
    """Newton for one draw, written into the results; a game too large for that is left as it is."""
    game, state = problem.game, slot[equations.decisions.state]
    unknowns = game.num_slots - len(game.infosets)
    # Small steps where they can be afforded; log-odds over log λ are nearly straight under logit only.
    in_the_state = unknowns <= DENSE_UNKNOWNS or unknowns > MAX_UNKNOWNS or equations.normal
    if in_the_state and len(state) > MAX_UNKNOWNS:
        return
    if in_the_state:
        points = follow_branch(equations, targets, tolerance=tolerance)
    else:
        points = follow(World(Tree(game), problem, draw), equations.precision, targets, tolerance=tolerance)
    for target, result, point in zip(targets, results, points, strict=True):
        log_sigma, payoffs = equations.play(point.x if in_the_state else point.x[state], target)
        result.log_probabilities[slot, draw] = log_sigma if in_the_state else point.x[slot]
        result.payoffs[:, draw] = payoffs
        result.residual[draw] = point.residual
        result.status[draw] = point.status
        result.iterations[draw] += point.iterations
        result.reached[draw] = point.reached
        result.bifurcation_at[draw] = point.bifurcation_at


# -- the kernel --------------------------------------------------------------------------------------
# All arrays end in an axis of LANES draws; detente.solve.lanes works on one such row at a time.
@njit(nogil=True, error_model="numpy")
def _pass_down(decisions, chain, weight, chance, logs, reach):  # pragma: no cover - compiled
    """Reach of every node that enters a belief; its logarithm when ``logs``."""
    above_node, above_slot, reached = decisions.above_node, decisions.above_slot, decisions.reached
    for n in range(len(above_node)):
        if not reached[n]:
            continue
        a, s, w = above_node[n], above_slot[n], chain[n]
        if logs:
            for d in range(LANES):
                reach[n, d] = np.log(weight[w, d]) if weight[w, d] > 0.0 else LOG_IMPOSSIBLE
            if a >= 0:
                lanes.add(reach, n, reach, n, reach, a)
                lanes.add(reach, n, reach, n, chance, s)
        elif a >= 0:
            lanes.multiply(reach, n, reach, a, chance, s)
            if w != ONE:
                lanes.multiply(reach, n, reach, n, weight, w)
        else:
            lanes.copy(reach, n, weight, w)


@njit(nogil=True, error_model="numpy")
def _pass_up(work, first, last, weight, room, log_sigma, logs):  # pragma: no cover - compiled
    """Do some jobs; returns whether some belief underflowed."""
    rows, rate, reach, sigma, belief, row = room.rows, room.rate, room.reach, room.sigma, room.belief, room.row
    zero, mass, top, total, least = 0, 1, 2, 3, 4
    row[least] = 1.0
    for job in range(first, last):
        for e in range(work.sum_start[job], work.sum_start[job + 1]):
            lanes.rows_sum(rows, work.sum_row[e], rows, work.item, work.sum_first[e], work.sum_length[e])
        k = work.num_options[job]
        if k > 0:
            m, p, n0, s0, g0 = work.num_members[job], work.player[job], work.node[job], work.slot[job], work.sigma[job]
            w0 = work.worth_start[job]
            if m == 1:
                for a in range(k):
                    lanes.multiply(sigma, g0 + a, rows, work.worth[w0 + a], rate, p)
            else:  # the beliefs that weigh the nodes
                weights, b0 = reach, n0
                if logs:
                    lanes.copy(row, top, reach, n0)
                    for j in range(1, m):
                        lanes.maximum(row, top, row, top, reach, n0 + j)
                    for j in range(m):
                        lanes.subtract(belief, j, reach, n0 + j, row, top)
                        lanes.exponential(belief, j, belief, j)
                    weights, b0 = belief, 0
                lanes.copy(row, mass, row, zero)
                for j in range(m):
                    lanes.add(row, mass, row, mass, weights, b0 + j)
                lanes.minimum(row, least, row, least, row, mass)
                lanes.divide(row, mass, rate, p, row, mass)
                for a in range(k):
                    lanes.rows_product(sigma, g0 + a, weights, b0, 1, rows, work.worth, w0 + a, k, m)
                    lanes.multiply(sigma, g0 + a, sigma, g0 + a, row, mass)
            # sigma holds precision times expected payoff, then the chances of the options.
            if len(room.normal):
                probit_rows(sigma, g0, k, log_sigma, s0, room.normal)
            else:
                lanes.copy(row, top, sigma, g0)
                for a in range(1, k):
                    lanes.maximum(row, top, row, top, sigma, g0 + a)
                lanes.copy(row, total, row, zero)
                for a in range(k):
                    lanes.subtract(log_sigma, s0 + a, sigma, g0 + a, row, top)
                    lanes.exponential(sigma, g0 + a, log_sigma, s0 + a)
                    lanes.add(row, total, row, total, sigma, g0 + a)
                lanes.logarithm(row, top, row, total)
                for a in range(k):
                    lanes.subtract(log_sigma, s0 + a, log_sigma, s0 + a, row, top)
                    lanes.divide(sigma, g0 + a, sigma, g0 + a, row, total)
        # What the nodes bring to everybody, passed to the branches above.
        for e in range(work.give_start[job], work.give_start[job + 1]):
            to, w = work.give_row[e], work.give_weight[e]
            lanes.rows_product(
                rows, to, sigma, work.give_sigma[e], 1, rows, work.item, work.give_first[e], 1, work.give_length[e]
            )
            if w != ONE:
                lanes.multiply(rows, to, rows, to, weight, w)
    underflow = False
    for d in range(LANES):
        underflow |= row[least, d] < UNDERFLOW
    return underflow


@njit(nogil=True, cache=True, error_model="numpy")
def _find_settled(decisions, weight, terminal, rate, normal):  # pragma: no cover - compiled
    """Infosets at which beliefs do not matter to anything, for one draw; arrays without the lane axis.

    Every node of such an infoset has the same differences of payoff between its options for the player who moves, and
    all that follows it is settled too.
    """
    player, num_options, num_members = decisions.player, decisions.num_options, decisions.num_members
    num_players = terminal.shape[1]
    widest, most = 1, 1
    for i in range(len(player)):
        most = max(most, num_options[i])
        widest = max(widest, num_options[i] * num_members[i])
    value = np.empty((widest, num_players))
    sigma, single = np.empty(most), np.empty((2, most))
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
        sigma[:k] = rate[p] * (value[:k, p] - value[:k, p].max())
        if normal:
            probit(sigma, k, single[0], single[1])
            sigma[:k] = np.exp(single[0, :k])
        else:
            sigma[:k] = np.exp(sigma[:k])
            sigma[:k] /= sigma[:k].sum()
        for j in range(m):
            for c in range(num_players):
                for a in range(k):
                    gives[n0 + j, c] += weight[n0 + j] * sigma[a] * value[j * k + a, c]
    return settled


@njit(nogil=True, cache=True, error_model="numpy")
def _fold(work, num_jobs, weight, room):  # pragma: no cover - compiled
    """Do the first jobs, at which beliefs do not matter; returns the log-probabilities of their slots."""
    log_sigma = np.zeros((len(room.sigma), LANES))
    room.row[:] = 0.0
    _pass_up(work, 0, num_jobs, weight, room, log_sigma, False)
    return log_sigma


@njit(nogil=True, cache=True, error_model="numpy")
def _fixed_point(decisions, work, jobs, root, weight, room, goal, max_sweeps, close):  # pragma: no cover - compiled
    """Anderson-accelerated fixed point for ``LANES`` draws; the state in the room is the start and the result.

    With ``close`` a last plain sweep makes the play consistent with its own beliefs, and judges it by them.

    Returns:
        Payoffs, residual, and number of sweeps.
    """
    if weight.shape[1] != LANES:  # a kernel kept on disk from before LANES was changed would write out of bounds
        raise ValueError("the compiled kernel is out of date: delete the .nbi and .nbc files beside it")
    state, x, f, f_before, df, step = decisions.state, room.x, room.f, room.f_before, room.df, room.step
    rows, log_sigma, chance, row = room.rows, room.log_sigma, room.chance, room.row
    num_players, num_state = root.shape[1], len(state)
    gram, newest, right, mix = room.small[:MEMORY], room.small[MEMORY], room.small[MEMORY + 1], room.small[MEMORY + 2]
    gram[:] = 0.0
    chance[:] = 1.0
    row[:] = 0.0
    residual = np.zeros(LANES)
    best = np.full(LANES, np.inf)
    used = np.zeros(LANES, dtype=np.int64)
    finished = np.zeros(LANES, dtype=np.bool_)
    zero, worst, work_row, damping = 0, 1, 2, 3
    logs, closing = False, False
    count = 0
    while True:
        for s in range(num_state):
            if logs:
                lanes.copy(chance, state[s], x, s)
            else:
                lanes.exponential(chance, state[s], x, s)
        _pass_down(decisions, work.reach_weight, weight, chance, logs, room.reach)
        underflow = _pass_up(work, jobs[0], jobs[1], weight, room, log_sigma, logs)
        if underflow and not logs:
            logs = True
            continue
        place = (count - 1) % MEMORY  # of the newest differences in the memory
        lanes.copy(row, worst, row, zero)
        for s in range(num_state):
            lanes.subtract(f, s, log_sigma, state[s], x, s)
            lanes.maximum(row, worst, row, worst, f, s)
            lanes.subtract(row, work_row, row, zero, f, s)
            lanes.maximum(row, worst, row, worst, row, work_row)
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
        held = min(count - 1, MEMORY)  # differences in the memory
        row[damping] = DAMPING
        newest[:] = 0.0
        right[:] = 0.0
        for first in range(0, num_state, CHUNK):
            width = min(CHUNK, num_state - first)
            if count > 1:
                for s in range(first, first + width):
                    at = place * num_state + s
                    lanes.subtract(df, at, f, s, f_before, s)
                    lanes.multiply_add(step, at, df, at, row, damping)
            for h in range(held):
                at = h * num_state + first
                if count > 1:
                    lanes.dot_add(newest, h, df, place * num_state + first, df, at, width)
                lanes.dot_add(right, h, df, at, f, first, width)
        if count > 1:
            for h in range(held):
                lanes.copy(gram, place * MEMORY + h, newest, h)
                lanes.copy(gram, h * MEMORY + place, newest, h)
            for d in range(LANES):
                if residual[d] > GROWTH * best[d]:  # begin afresh
                    best[d] = residual[d]
                    df[:, :, d] = 0.0
                    step[:, :, d] = 0.0
                    gram[:, :, d] = 0.0
                    right[:, d] = 0.0
        _mixture(gram, right, mix)
        for d in range(LANES):
            best[d] = min(best[d], residual[d])
            row[damping, d] = 0.0 if finished[d] else DAMPING  # a draw that has converged stays where it is
            for h in range(MEMORY):
                mix[h, d] = 0.0 if finished[d] else -mix[h, d]
        to = ((count - 1) % MEMORY) * num_state  # over the oldest
        for s in range(num_state):
            lanes.copy(f_before, s, f, s)
            lanes.multiply(row, work_row, f, s, row, damping)
            for h in range(held):
                lanes.multiply_add(row, work_row, step, h * num_state + s, mix, h)
            lanes.copy(step, to + s, row, work_row)
            lanes.add(x, s, x, s, row, work_row)
    for s in range(num_state):  # what is not a number is never converged
        for d in range(LANES):
            if not np.isfinite(f[s, d]):
                residual[d] = np.inf
    payoff = np.zeros((num_players, LANES))
    for e in range(len(root)):
        for c in range(num_players):
            for d in range(LANES):
                payoff[c, d] += rows[root[e, c], d]
    return payoff, residual, used


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
