"""Indicators and warnings: which moves, once seen, would change the forecast most, and how early they come."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detente.axes import CHANCE, CHOICE, LEAF, Game
from detente.decide.ensemble import Ensemble
from detente.errors import SolveError, UsageError, nearest
from detente.solve.problem import levels

NEVER = -1


@dataclass(frozen=True)
class Sign:
    """What it would mean to see one option of a move.

    Attributes:
        option: The option; empty where the move is not reached at all.
        probability: How likely it is to be seen.
        forecast: Probability of the outcome once it is seen.
        likelihood_ratio: How many times as likely it is to be seen where the outcome comes about as where it does not:
            above 1 it warns, below 1 it reassures. Infinite where it is never seen otherwise.
    """

    option: str
    probability: float
    forecast: float
    likelihood_ratio: float


@dataclass(frozen=True)
class Indicator:
    """What seeing how a move turns out would say about an outcome.

    Attributes:
        move: Its name.
        player: Who makes it; empty for chance.
        depth: Its place in a course of events, on average; the first move that anybody chooses has 0.
        signs: One an option, and one for the move not being reached, strongest warning first.
        information: Expected information about the outcome, in bits: how much of what is unknown goes.
        share: Information as a share of all there is to know.
        shift: By how much the forecast moves on average, as a difference of probabilities.
        lead: Moves that are still to come, on average, before the outcome is settled, in the courses in which it comes
            about and the move is reached; NaN where there are none. 0: the move settles it itself, or comes after.
    """

    move: str
    player: str
    depth: float
    signs: tuple[Sign, ...]
    information: float
    share: float
    shift: float
    lead: float


@dataclass(frozen=True)
class Indicators:
    """All moves that could be watched for one outcome under one policy, most telling first.

    Attributes:
        outcome: Name of the outcome, which is true or false.
        policy: Under which policy.
        forecast: Its probability before anything is seen, averaged over worlds.
        items: One a move.
    """

    outcome: str
    policy: str
    forecast: float
    items: tuple[Indicator, ...]


def indicators(ensemble: Ensemble, outcome: str, policy: str, *, own: Sequence[str] = ()) -> Indicators:
    """Rank what could be observed by how much it would say about an outcome.

    Worlds count too: an option that is likelier in the worlds in which the outcome is likely is a sign of them. Each
    move is taken by itself, as if nothing else had been seen. Private types are left out, as nobody sees them.

    Args:
        ensemble: The solved ensemble.
        outcome: Name of an outcome that is true or false.
        policy: Name of a policy.
        own: Players whose moves are no indicators, because they are ours to make.

    Returns:
        The indicators, most informative first.

    Raises:
        UsageError: If the outcome is not true or false, or a name is not known.
        SolveError: If no draw converged.

    Example:
        >>> from detente.decide.ensemble import run
        >>> from detente.model.scenario import load_scenario
        >>> ensemble = run(load_scenario("october-2024"), num_draws=32)
        >>> indicators(ensemble, "regional_war", "red-lines", own=["patron"]).items[0].move
        'reply'
    """
    game = ensemble.game
    hit = _as_flag(game, outcome)
    for player in own:
        if player not in game.players:
            raise UsageError(f"own: {player!r} is not a player.{nearest(player, game.players)}")
    weight = np.asarray(ensemble.leaf_mean[ensemble.policy_index(policy)], dtype=float)
    if not ensemble.usable.any():
        raise SolveError(
            "indicators: no draw converged, so there is nothing to watch for. Lower the precision or narrow the priors."
        )
    weight = weight / weight.sum()
    depth = _depth(game)
    settled = _settled_at(game, hit, depth)
    found = [
        _indicator(game, move, player, weight, hit, settled, depth)
        for move, player in _moves(game)
        if player not in own
    ]
    # A move that has one option only under the policy says nothing.
    telling = [item for item in found if sum(s.probability > 0 for s in item.signs) > 1]
    items = tuple(sorted(telling, key=lambda i: -i.information))
    return Indicators(outcome, policy, float(weight @ hit), items)


def _as_flag(game: Game, outcome: str) -> np.ndarray:
    """Whether the outcome is true at each leaf."""
    flags = [name for name, o in game.outcomes.items() if o.kind == "flag"]
    if outcome not in flags:
        raise UsageError(f"outcome: {outcome!r} is not true or false, so no sign can tell it.{nearest(outcome, flags)}")
    rows = game.outcomes[outcome].rows
    assert rows is not None
    matrix = rows.matrix.toarray() if hasattr(rows.matrix, "toarray") else np.asarray(rows.matrix)
    return matrix.sum(axis=1) > 0.5  # a flag is the constant 0 or 1 at every leaf


def _moves(game: Game) -> list[tuple[str, str]]:
    """Moves from the first choice on, and who makes each."""
    player = {infoset.move: game.players[infoset.player] for infoset in game.infosets}
    chosen = np.zeros(game.num_nodes, dtype=bool)  # has anybody chosen, here or before?
    chosen[0] = game.kind[0] == CHOICE
    for start, stop in levels(game):
        chosen[start:stop] = chosen[game.parent[start:stop]] | (game.kind[start:stop] == CHOICE)
    names = dict.fromkeys(game.move_at(int(n)) for n in np.flatnonzero(chosen & (game.kind != LEAF)))
    return [(name, player.get(name, "")) for name in names]


def _of_move(game: Game, move: str) -> np.ndarray:
    """Which nodes belong to a move."""
    chosen = np.array([i.move == move for i in game.infosets] + [False])
    happens = np.array([c.move == move for c in game.chances] + [False])
    return ((game.kind == CHOICE) & chosen[game.infoset]) | ((game.kind == CHANCE) & happens[game.chance])


def _settled_at(game: Game, hit: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Depth of the node from which on the outcome is certain, for each leaf; also for leaves where it is not true."""
    some, every = np.zeros(game.num_nodes, dtype=bool), np.ones(game.num_nodes, dtype=bool)
    some[game.leaf_nodes], every[game.leaf_nodes] = hit, hit
    for start, stop in reversed(levels(game)):
        parent = game.parent[start:stop]
        np.logical_or.at(some, parent, some[start:stop])
        np.logical_and.at(every, parent, every[start:stop])
    certain = some == every  # all leaves behind agree
    first = np.where(certain, depth, np.inf)
    for start, stop in levels(game):
        first[start:stop] = np.minimum(first[start:stop], first[game.parent[start:stop]])
    return first[game.leaf_nodes]


def _seen(game: Game, move: str, depth: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Options of a move; which one each leaf has seen first (``NEVER``: none), and at which depth."""
    here = _of_move(game, move)
    nodes = np.flatnonzero(here)
    labels: dict[str, int] = {}
    code = np.full(game.num_nodes, NEVER)  # option that leads into each child of the move
    for node in nodes:
        first = int(game.first_child[node])
        code[first : first + int(game.num_options[node])] = [
            labels.setdefault(label, len(labels)) for label in game.options_at(int(node))
        ]
    seen, at = np.full(game.num_nodes, NEVER), np.zeros(game.num_nodes)
    for start, stop in levels(game):
        parent = game.parent[start:stop]
        new = here[parent] & (seen[parent] == NEVER)
        seen[start:stop] = np.where(new, code[start:stop], seen[parent])
        at[start:stop] = np.where(new, depth[start:stop], at[parent])
    return list(labels), seen[game.leaf_nodes], at[game.leaf_nodes]


def _depth(game: Game) -> np.ndarray:
    """Number of moves before each node."""
    depth = np.zeros(game.num_nodes)
    for start, stop in levels(game):
        depth[start:stop] = depth[game.parent[start:stop]] + 1
    return depth


def _indicator(
    game: Game, move: str, player: str, weight: np.ndarray, hit: np.ndarray, settled: np.ndarray, depth: np.ndarray
) -> Indicator:
    labels, seen, at = _seen(game, move, depth)
    prior = float(weight @ hit)
    row = np.where(seen == NEVER, len(labels), seen)  # the last row: not reached
    joint = np.bincount(2 * row + hit, weights=weight, minlength=2 * (len(labels) + 1)).reshape(-1, 2)
    names = [*labels, ""]
    signs = [_sign(name, row, prior) for name, row in zip(names, joint, strict=True) if row.sum() > 0]
    information, entropy = _information(joint), _entropy(np.array([prior, 1 - prior]))
    comes = weight * hit * (seen != NEVER)
    reached = weight * (seen != NEVER)
    first = float(depth[game.kind == CHOICE].min())
    return Indicator(
        move=move,
        player=player,
        depth=float(reached @ (at - 1) / reached.sum()) - first if reached.sum() > 0 else np.nan,
        signs=tuple(sorted(signs, key=lambda s: -s.forecast)),
        information=information,
        share=information / entropy if entropy > 0 else 0.0,
        shift=float(sum(s.probability * abs(s.forecast - prior) for s in signs)),
        lead=float(comes @ np.maximum(settled - at, 0) / comes.sum()) if comes.sum() > 0 else np.nan,
    )


def _sign(option: str, row: np.ndarray, prior: float) -> Sign:
    missed, came = float(row[0]), float(row[1])
    if prior in (0.0, 1.0):  # nothing is left to find out
        return Sign(option, missed + came, prior, 1.0)
    ratio = (came / prior) / (missed / (1 - prior)) if missed > 0 else np.inf
    return Sign(option, missed + came, came / (missed + came), ratio)


def _entropy(shares: np.ndarray) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log2(positive)).sum())


def _information(joint: np.ndarray) -> float:
    """Mutual information of the rows and columns of a table of probabilities, in bits."""
    return max(_entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1)) - _entropy(joint.ravel()), 0.0)
