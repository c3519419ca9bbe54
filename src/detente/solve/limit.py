"""What the branch comes to as errors vanish: followed until nobody can gain, which is checked by best replies.

How the branch is followed is told in :mod:`detente.solve.track`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from detente.axes import Game
from detente.errors import UsageError
from detente.solve.choice import LOGIT
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED, PRINCIPAL, Solution
from detente.solve.track import (
    FIRST_STEP,
    LONG,
    MAX_STRENGTH,
    MAX_UNKNOWNS,
    ON_BRANCH,
    WEAK,
    Chart,
    Place,
    Point,
    Tree,
    World,
    advance,
    newton,
)

REGRET = 1e-8  # largest regret of a limit, as a share of the player's range of payoffs
SUPPORT = 1e-4  # probability above which an option counts as played in the limit
MAX_STEPS = 600
SETTLED = 1e-3  # change of a probability over the last doubling that counts as having arrived
DOUBLING = float(np.log(2.0))


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
    tree = Tree(game)
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
    """Refuse another rule or branch, and draws in which some players respond to payoffs and others never will."""
    if solution.choice_rule != LOGIT or solution.branch != PRINCIPAL:
        raise UsageError(
            f"limit: this solution is of the choice rule {solution.choice_rule!r} on the branch {solution.branch!r}; "
            "only the principal branch of logit is followed to its limit. Solve without choice and branch."
        )
    mixed = (solution.precision == 0).any(axis=0) & (solution.precision > 0).any(axis=0)
    if mixed.any():
        draw = int(np.flatnonzero(mixed)[0])
        player = solution.game.players[int(np.flatnonzero(solution.precision[:, draw] == 0)[0])]
        raise UsageError(
            f"limit: the precision of {player} is 0 in draw {draw}, and stays 0 however far the others' grows. "
            "Give every player a precision above 0."
        )


# -- what could be gained ------------------------------------------------------------------------
def _beliefs(world: World, log_p: np.ndarray) -> np.ndarray:
    """How likely each history is, given its infoset; NaN where nobody chooses."""
    tree, game = world.tree, world.tree.game
    log_reach = np.zeros(game.num_nodes, dtype=LONG)
    for start, stop in tree.levels:
        parent, slot = game.parent[start:stop], tree.slot[start:stop]
        log_reach[start:stop] = log_reach[parent] + world.log_chance[start:stop] - world.log_chance[parent]
        chosen = np.flatnonzero(slot >= 0)
        log_reach[start + chosen] += log_p[slot[chosen]]
    found = np.full(game.num_nodes, np.nan)
    nodes = tree.decisions
    infoset, count = game.infoset[nodes], world.impossible[nodes]
    least = np.full(len(game.infosets), np.iinfo(np.int64).max)
    np.minimum.at(least, infoset, count)
    logs = np.where(count == least[infoset], log_reach[nodes], -np.inf)
    top = np.full(len(game.infosets), -np.inf, dtype=LONG)
    np.maximum.at(top, infoset, logs)
    weight = np.exp((logs - top[infoset]).astype(float))
    found[nodes] = weight / np.bincount(infoset, weight, minlength=len(game.infosets))[infoset]
    return found


def _values(world: World, probabilities: np.ndarray, player: int) -> np.ndarray:
    """A player's expected payoff after every history under a strategy, (node,)."""
    tree, game = world.tree, world.tree.game
    edge = world.edges.copy()
    edge[tree.chosen] = probabilities[tree.slot[tree.chosen]]
    value = np.zeros(game.num_nodes)
    value[game.leaf_nodes] = world.payoff[:, player]
    for start, stop in reversed(tree.levels):
        above = int(game.parent[start])
        part = np.bincount(game.parent[start:stop] - above, edge[start:stop] * value[start:stop])
        value[above : above + len(part)] += part
    return value


def _regrets(world: World, log_p: np.ndarray, belief: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What could be gained, in shares of the range: at each infoset given beliefs, and by each player at first.

    For each player its own infosets are answered last first: with perfect recall the beliefs at an infoset do not
    depend on its own earlier choices, so that the best reply there is the same whatever led to it.

    Returns:
        Regrets of infosets, regrets of players, and everybody's payoffs.
    """
    tree, game = world.tree, world.tree.game
    played, starts = np.exp(log_p.astype(float)), game.infoset_start[:-1]
    belief_above = belief[game.parent[tree.chosen]]
    chosen_slot = tree.slot[tree.chosen]
    at = np.zeros(len(game.infosets))
    first, payoffs = np.zeros(len(game.players)), np.zeros(len(game.players))
    for player in range(len(game.players)):
        value = _values(world, played, player)
        mean = np.bincount(
            game.infoset[tree.decisions],
            belief[tree.decisions] * value[tree.decisions],
            minlength=len(game.infosets),
        )
        best, mine = played.copy(), tree.player == player
        for rank in range(int(tree.rank[mine].max(initial=-1)), -1, -1):
            now = _values(world, best, player)
            here = mine & (tree.rank == rank)
            worth = np.bincount(chosen_slot, belief_above * now[tree.chosen], minlength=game.num_slots)
            at = np.where(here, np.maximum.reduceat(worth, starts) - mean, at)
            for infoset in np.flatnonzero(here):
                slots = game.slots(int(infoset))
                best[slots] = 0.0
                best[slots.start + int(worth[slots].argmax())] = 1.0
        payoffs[player], first[player] = value[0], _values(world, best, player)[0] - value[0]
    return np.maximum(at, 0.0), np.maximum(first, 0.0), payoffs


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


def _start(world: World, solution: Solution, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Where to set out from: λ times the range of payoffs, (player,), and log-probabilities."""
    precision = solution.precision[:, draw]
    if (precision == 0).all():
        return WEAK * world.spread / world.spread.max(), solution.log_probabilities[:, draw]
    return precision * world.spread, solution.log_probabilities[:, draw]


def _follow_draw(tree: Tree, solution: Solution, draw: int, bound: float) -> _End:
    """Follow one draw until its regret is below the bound, or as far as it goes."""
    world = World(tree, solution.problem, draw)
    rate, log_p = _start(world, solution, draw)
    point = Point(0.0, log_p, 0.0, 0)
    crossed, points = np.nan, [point]
    if solution.status[draw] == BIFURCATION:
        crossed = float(solution.bifurcation_at[draw])
    on_branch = solution.status[draw] != NOT_CONVERGED
    if on_branch and len(tree.owner) > len(tree.player):
        chart = Chart(world, rate, log_p)
        d, residual, used = newton(chart, np.sinh(chart.start), 0.0)
        points = [Point(0.0, chart.log_p(d), residual, used)]
        on_branch = residual <= ON_BRANCH
        crossing = _walk(world, rate, points, bound) if on_branch else np.nan
        if np.isnan(crossed):
            crossed = float((rate / world.spread).max() * np.exp(crossing))
    return _end(world, rate, points, on_branch, crossed)


def _walk(world: World, rate: np.ndarray, points: list[Point], bound: float) -> float:
    """Add points until the regret is below the bound, or as far as it goes; s of a crossing, NaN without one."""
    step, crossing = FIRST_STEP, np.nan
    ceiling = float(np.log(MAX_STRENGTH / rate.max()))
    place = Place(world, rate, points[-1])
    for _ in range(MAX_STEPS):
        here = points[-1]
        if _change(points) < SETTLED and _regret(world, here.log_p) < bound:
            return crossing
        if here.s >= ceiling:
            return crossing
        move = advance(place, step)
        if move.place is None:
            return crossing
        crossing = move.crossing if np.isnan(crossing) else crossing
        place, step = move.place, move.step
        points.append(place.point)
    return crossing


def _change(points: list[Point]) -> float:
    """Largest change of a probability since the precision was half of the last, or less; NaN when it never was."""
    last = points[-1]
    earlier = [p for p in points if p.s <= last.s - 0.999 * DOUBLING]
    if not earlier:
        return np.nan
    return float(np.abs(np.exp(last.log_p) - np.exp(earlier[-1].log_p)).max(initial=0.0))


def _regret(world: World, log_p: np.ndarray) -> float:
    """Largest regret of any infoset or player, as a share of the range of payoffs."""
    at, first, _ = _regrets(world, log_p, _beliefs(world, log_p))
    return float(max(at.max(initial=0.0), first.max(initial=0.0)))


def _end(world: World, rate: np.ndarray, points: list[Point], on_branch: bool, crossed: float) -> _End:
    """What is reported of the last point."""
    last, tree = points[-1], world.tree
    belief = _beliefs(world, last.log_p)
    at, first, payoffs = _regrets(world, last.log_p, belief)
    scaled = rate * np.exp(last.s)
    return _End(
        log_probabilities=last.log_p,
        precision=scaled / world.spread,
        on_branch=on_branch,
        crossed=crossed,
        payoffs=world.least + payoffs * world.spread,
        log_residual=world.log_residual(last.log_p, scaled),
        residual=last.residual,
        regret=float(max(at.max(initial=0.0), first.max(initial=0.0))),
        infoset_regret=at * world.spread[tree.player] if len(at) else at,
        nash_regret=first * world.spread,
        change=_change(points) if tree.game.num_slots else 0.0,
        beliefs=belief,
        iterations=last.iterations,
    )
