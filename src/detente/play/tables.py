"""A solved game read at every node: what is to be expected from there on, and what a chooser there has to think."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detente.axes import LEAF, Game
from detente.play.bots import compiled
from detente.play.stage import Stage, knowledge_index
from detente.solve.problem import levels
from detente.solve.solution import Solution


@dataclass(frozen=True, eq=False)
class Tables:
    """What the equilibrium says at every node, worked out once for a review.

    Attributes:
        game: The game.
        edge: Probability of the edge into each node, (node,).
        reach: Probability of each node, (node,).
        payoff: Expected payoff from each node on, (node, player).
        numbers: Outcome → expectation from each node on, (node,).
        labels: Label outcome → distribution from each node on, (node, label).
    """

    game: Game
    edge: np.ndarray
    reach: np.ndarray
    payoff: np.ndarray
    numbers: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]


def make_tables(solution: Solution) -> Tables:
    """Expectations at every node of a solved game: one pass from the leaves to the root.

    Args:
        solution: Of one draw.
    """
    game, problem = solution.game, solution.problem
    edge, reach = solution.edges()[:, 0], solution.reach()[:, 0]
    monomials = game.basis.evaluate(problem.draws, problem.num_draws)
    columns = [problem.payoff[:, :, 0]]
    numbers = [name for name, o in game.outcomes.items() if o.rows is not None]
    columns += [game.outcomes[name].rows.evaluate(monomials)[:, :1] for name in numbers]  # type: ignore[union-attr]
    words = [name for name, o in game.outcomes.items() if o.rows is None]
    columns += [np.eye(len(game.outcomes[name].labels))[game.outcomes[name].codes] for name in words]
    at_leaf = np.concatenate(columns, axis=1)
    value = np.zeros((game.num_nodes, at_leaf.shape[1]))
    value[game.kind == LEAF] = at_leaf
    for start, stop in reversed(levels(game)):
        np.add.at(value, game.parent[start:stop], edge[start:stop, None] * value[start:stop])
    place = len(game.players)
    found_numbers = {name: value[:, place + i] for i, name in enumerate(numbers)}
    place += len(numbers)
    found_labels = {}
    for name in words:
        width = len(game.outcomes[name].labels)
        found_labels[name] = value[:, place : place + width]
        place += width
    return Tables(game, edge, reach, value[:, : len(game.players)], found_numbers, found_labels)


def expected_at(tables: Tables, node: int) -> dict[str, float]:
    """Outcome → expectation from a node on, for flags and numbers."""
    return {name: float(value[node]) for name, value in tables.numbers.items()}


def distributions_at(tables: Tables, node: int) -> dict[str, dict[str, float]]:
    """Label outcome → distribution from a node on."""
    return {
        name: dict(zip(tables.game.outcomes[name].labels, value[node].tolist(), strict=True))
        for name, value in tables.labels.items()
    }


def same_infoset(tables: Tables, node: int) -> tuple[np.ndarray, np.ndarray]:
    """The nodes that the chooser cannot tell from this one, and its beliefs over them."""
    nodes = np.flatnonzero(tables.game.infoset == tables.game.infoset[node])
    weight = tables.reach[nodes]
    if not weight.sum() > 0:  # too unlikely for floats: nothing can be said but that they cannot be told apart
        return nodes, np.full(len(nodes), np.nan)
    return nodes, weight / weight.sum()


def option_values(tables: Tables, node: int) -> np.ndarray:
    """Expected payoff of each option for the one who chooses, given what it knows."""
    game = tables.game
    nodes, belief = same_infoset(tables, node)
    player = game.infosets[game.infoset[node]].player
    children = game.first_child[nodes][:, None] + np.arange(game.num_options[node])
    return belief @ tables.payoff[children, player]


@lru_cache(maxsize=16)
def knowledge_at_leaves(stage: Stage) -> np.ndarray:
    """A number for what each player knows at each leaf, (leaf, player); equal numbers mean equal knowledge."""
    game = compiled(stage)
    return np.array([knowledge_index(stage, game.history(int(n))) for n in game.leaf_nodes])


def choices_from(tables: Tables, root: int) -> dict[str, dict[str, float]]:
    """Later move → option → probability that it is reached and taken, from a node on."""
    game = tables.game
    found: dict[str, dict[str, float]] = {}
    queue = [(root, 1.0)]
    for node, weight in queue:  # it grows meanwhile: level by level, so that moves come in the order of play
        if game.kind[node] == LEAF:
            continue
        options = found.setdefault(game.move_at(node), {})
        for i, option in enumerate(game.options_at(node)):
            child = int(game.first_child[node]) + i
            share = weight * float(tables.edge[child])
            options[option] = options.get(option, 0.0) + share
            queue.append((child, share))
    return found


def share_likelier(tables: Tables, node: int) -> float:
    """Share of equilibrium plays that are likelier than the one that ends at a node."""
    leaves = tables.reach[tables.game.leaf_nodes]
    own = tables.reach[node]
    return float(leaves[leaves > own * (1 + 1e-12)].sum())
