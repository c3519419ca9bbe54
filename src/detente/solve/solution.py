"""What a solver returns: probabilities, and for every draw whether they can be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from detente.axes import CHANCE, CHOICE, NO_CHANCE, NO_INFOSET, NO_PARENT, Game, in_a_notebook
from detente.errors import UsageError, nearest
from detente.solve.problem import Problem, edge_chance, levels

if TYPE_CHECKING:
    from detente.solve.limit import Limit

CONVERGED, BIFURCATION, NOT_CONVERGED = 0, 1, 2
PRINCIPAL = "principal"  # the branch from uniform play at precision 0
STATUS_NAMES = ("converged", "bifurcation", "not converged")


@dataclass(frozen=True, eq=False)
class Solution:
    """Equilibrium of a game for every draw.

    Attributes:
        game: The game that was solved; with ``commit`` the game in which the committed options are the only ones.
        problem: The game with the numbers of every draw in it.
        precision: λ of every player, per utility unit, (player, draw).
        probabilities: Chance of every option at every infoset, (slot, draw).
        log_probabilities: Their logarithms, accurate where the probabilities underflow.
        payoffs: Expected payoff of every player, (player, draw), in the player's own utility units.
        status: ``CONVERGED``, ``BIFURCATION`` or ``NOT_CONVERGED`` for each draw.
        residual: Largest distance between log p and what the choice rule makes of λ·Q, over the slots, for each draw.
        iterations: Sweeps or Newton steps that each draw took.
        precision_reached: Largest precision up to which the equilibrium was found, for each draw.
        bifurcation_at: Precision near which another branch crosses (the sign of det J changes), NaN where none does.
        method: ``dense`` or ``sweep``.
        choice_rule: ``logit`` or ``probit``.
        branch: ``principal``, or the options that were expected at first (as a mapping from moves).
    """

    game: Game
    problem: Problem
    precision: Float[np.ndarray, "player draw"]
    probabilities: Float[np.ndarray, "slot draw"]
    log_probabilities: Float[np.ndarray, "slot draw"]
    payoffs: Float[np.ndarray, "player draw"]
    status: Int[np.ndarray, "draw"]
    residual: Float[np.ndarray, "draw"]
    iterations: Int[np.ndarray, "draw"]
    precision_reached: Float[np.ndarray, "draw"]
    bifurcation_at: Float[np.ndarray, "draw"]
    method: str
    choice_rule: str = "logit"
    branch: str | Mapping[str, str] = PRINCIPAL

    @property
    def num_draws(self) -> int:
        """Number of draws."""
        return len(self.status)

    @property
    def converged(self) -> np.ndarray:
        """Which draws can be used: converged, or converged past a bifurcation."""
        return self.status != NOT_CONVERGED

    def _repr_html_(self) -> str:
        return in_a_notebook(self)

    def message(self, draw: int = 0) -> str:
        """Why the solver stopped, in words, for one draw."""
        if self.status[draw] == CONVERGED:
            return f"converged (residual {self.residual[draw]:.1e} after {self.iterations[draw]} iterations)"
        if self.status[draw] == BIFURCATION:
            at = self.bifurcation_at[draw]
            return (
                f"converged (residual {self.residual[draw]:.1e}), but another branch crosses near precision {at:.4g}: "
                "beyond it the equilibrium is not the only continuation"
            )
        if self.branch != PRINCIPAL:
            return (
                f"not converged (residual {self.residual[draw]:.1e} after {self.iterations[draw]} iterations; replies "
                "did not settle from what was expected at first)"
            )
        at = self.precision_reached[draw]
        return (
            f"not converged (residual {self.residual[draw]:.1e} after {self.iterations[draw]} iterations; the "
            "branch was "
            f"followed to precision {at:.4g} of {self.precision[:, draw].max():.4g})"
        )

    def infoset(self, index: int) -> Float[np.ndarray, "option draw"]:
        """Choice probabilities at one infoset."""
        return self.probabilities[self.game.slots(index)]

    def edges(self, given: Mapping[str, str] | None = None) -> Float[np.ndarray, "node draw"]:
        """Probability of the edge into each node, given its parent.

        Args:
            given: Move name → option that is chosen or happens for certain, everybody else playing (and reading what
                they see) as in the equilibrium.
        """
        return edge_probabilities(self.problem, self.probabilities, given)

    def reach(self, given: Mapping[str, str] | None = None) -> Float[np.ndarray, "node draw"]:
        """Probability of every history; see :meth:`edges`."""
        return reach_probabilities(self.game, self.edges(given))

    def leaf_probabilities(self, given: Mapping[str, str] | None = None) -> Float[np.ndarray, "leaf draw"]:
        """Probability of every leaf; see :meth:`edges`."""
        return self.reach(given)[self.game.leaf_nodes]

    def choice(self, move: str, given: Mapping[str, str] | None = None) -> dict[str, Float[np.ndarray, "draw"]]:
        """How likely each option of a move is overall, where the move is reached.

        Args:
            move: Name of the move.
            given: See :meth:`edges`.

        Returns:
            Option label → probability for each draw (NaN where the move is never reached).

        Raises:
            UsageError: If the game has no such move.
        """
        game = self.game
        reach = self.reach(given)
        nodes = [n for n in np.flatnonzero(game.kind != 2) if game.move_at(int(n)) == move]
        if not nodes:
            raise UsageError(f"choice: {move!r} is not a move of {game.title!r}.{nearest(move, move_names(game))}")
        totals: dict[str, np.ndarray] = {}
        whole = np.zeros(self.num_draws)
        for node in nodes:
            whole += reach[node]
            for index, label in enumerate(game.options_at(int(node))):
                child = reach[game.first_child[node] + index]
                totals[label] = totals[label] + child if label in totals else child.copy()
        with np.errstate(invalid="ignore", divide="ignore"):
            return {label: value / whole for label, value in totals.items()}

    def outcome(self, name: str, given: Mapping[str, str] | None = None) -> np.ndarray | dict[str, np.ndarray]:
        """Probability (flag), expected value (number) or distribution (label) of an outcome, for each draw.

        Args:
            name: Name of the outcome.
            given: See :meth:`edges`.

        Raises:
            UsageError: If the game has no such outcome.
        """
        if name not in self.game.outcomes:
            raise UsageError(f"outcome: {name!r} is not an outcome.{nearest(name, self.game.outcomes)}")
        return expected_outcome(self.problem, name, self.leaf_probabilities(given))

    def limit(self, *, bound: float = 1e-8) -> "Limit":
        """The sequential equilibrium that play approaches from here as errors vanish.

        The principal branch is followed upwards in precision, for every draw, until nobody can gain; see
        :func:`detente.solve.limit.follow_limit`.

        Args:
            bound: Regret, as a share of each player's range of payoffs, at which to stop.

        Raises:
            UsageError: If the bound is not a number above 0, a player has precision 0 while another has not, or the
                game is too large.
        """
        from detente.solve.limit import follow_limit

        return follow_limit(self, bound=bound)


def move_names(game: Game) -> list[str]:
    """Names of all moves of a game, in the order of a breadth-first walk."""
    return list(dict.fromkeys(game.move_at(int(n)) for n in np.flatnonzero(game.kind != 2)))


def expected_outcome(problem: Problem, name: str, leaf_probability: np.ndarray) -> np.ndarray | dict[str, np.ndarray]:
    """Expectation of one outcome under given leaf probabilities, (leaf, draw)."""
    outcome = problem.game.outcomes[name]
    if outcome.rows is None:
        return {label: leaf_probability[outcome.codes == i].sum(axis=0) for i, label in enumerate(outcome.labels)}
    monomials = problem.game.basis.evaluate(problem.draws, problem.num_draws)
    return (outcome.rows.evaluate(monomials) * leaf_probability).sum(axis=0)


def edge_probabilities(
    problem: Problem, probabilities: np.ndarray, given: Mapping[str, str] | None = None
) -> Float[np.ndarray, "node draw"]:
    """Probability of the edge into each node under a strategy profile; ``given`` fixes the options of some moves."""
    game = problem.game
    edges = edge_chance(problem)
    children = np.flatnonzero(game.parent != NO_PARENT)
    chosen = children[game.kind[game.parent[children]] == CHOICE]
    edges[chosen] = probabilities[game.infoset_start[game.infoset[game.parent[chosen]]] + game.option[chosen]]
    for move, option in (given or {}).items():
        nodes = fixed_nodes(game, move, option)
        for node in nodes:
            first = game.first_child[node]
            edges[first : first + game.num_options[node]] = 0.0
            edges[first + game.options_at(int(node)).index(option)] = 1.0
    return edges


def fixed_nodes(game: Game, move: str, option: str) -> np.ndarray:
    """Nodes of a move, after checking that each of them offers the option.

    Raises:
        UsageError: If the move or the option does not exist.
    """
    of_infoset = np.array([i.move == move for i in game.infosets] + [False])
    of_chance = np.array([c.move == move for c in game.chances] + [False])
    nodes = np.flatnonzero(
        ((game.kind == CHOICE) & of_infoset[game.infoset]) | ((game.kind == CHANCE) & of_chance[game.chance])
    )
    if not len(nodes):
        raise UsageError(f"the game {game.title!r} has no move {move!r}.{nearest(move, move_names(game))}")
    specs = [game.infosets[i].options for i in np.unique(game.infoset[nodes]) if i != NO_INFOSET]
    specs += [game.chances[i].options for i in np.unique(game.chance[nodes]) if i != NO_CHANCE]
    known = list(dict.fromkeys(label for options in specs for label in options))
    if option not in known:
        raise UsageError(f"the move {move!r} has no option {option!r}.{nearest(option, known)}")
    return np.array([n for n in nodes if option in game.options_at(int(n))], dtype=np.int64)


def reach_probabilities(game: Game, edges: np.ndarray) -> np.ndarray:
    """Probability of every history from the probabilities of its edges, level by level."""
    reach = np.empty_like(edges)
    reach[0] = 1.0
    for start, stop in levels(game):
        reach[start:stop] = reach[game.parent[start:stop]] * edges[start:stop]
    return reach
