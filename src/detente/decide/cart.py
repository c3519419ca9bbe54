"""A second opinion on when a policy fails: a classification tree, whose leaves are read as boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from detente.decide.boxes import Box, Inputs, Restriction, Worlds, quasi_p, read_worlds
from detente.errors import UsageError


@dataclass(frozen=True)
class Leaves:
    """The parts into which a tree divides the worlds, those in which failures are commoner than overall.

    Attributes:
        boxes: One a leaf, densest first. They do not overlap.
        coverage: Share of all failures that lie in any of them.
        density: Share of their worlds that fail; NaN where there is no box.
        base_rate: Share of all worlds that fail.
        num_leaves: How many leaves the tree has altogether.
    """

    boxes: tuple[Box, ...]
    coverage: float
    density: float
    base_rate: float
    num_leaves: int


def discover_by_tree(
    inputs: Inputs,
    fails: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    weights: ArrayLike | None = None,
    least: float = 0.05,
    max_leaves: int = 8,
) -> Leaves:
    """Divide the worlds by a classification tree, and report the parts in which failures gather.

    Where the tree and :func:`detente.decide.discovery.discover` name the same parameters with similar limits, the
    story is not an artefact of one method. A tree can also find several separate parts at once.

    Args:
        inputs: Parameter → values (text marks labels without an order), or numbers, (draw, parameter), with ``names``.
        fails: Whether each world fails, (draw,).
        names: Of the columns, where ``inputs`` is one array.
        labels: Parameter → its labels, for columns that hold numbers of labels.
        weights: How much each world counts.
        least: No part is smaller than this share of all worlds.
        max_leaves: At most so many parts.

    Returns:
        The parts in which failures are commoner than overall. Cost: one sort of every column for each level.

    Raises:
        UsageError: If no world or every world fails, a column is constant or has missing values, or an option is out of
            range.

    Source:
        breiman1984 (classification and regression trees); bryant2010 (coverage, density, quasi-p values).

    Example:
        >>> resolve = np.linspace(0, 1, 200)
        >>> found = discover_by_tree({"resolve": resolve}, resolve > 0.7)
        >>> round(found.boxes[0].restrictions[0].low, 2), found.coverage, found.density
        (0.7, 1.0, 1.0)
    """
    if not 0 < least < 0.5:
        raise UsageError(f"least: {least:g} is out of range. Give a share above 0 and below 0.5; 0.05 is usual.")
    if max_leaves < 2:
        raise UsageError(f"max_leaves: {max_leaves} divides nothing. Ask for 2 or more.")
    worlds = read_worlds(inputs, fails, names=names, labels=labels, weights=weights)
    from sklearn.tree import DecisionTreeClassifier  # takes a second to import

    design, source = _design(worlds)
    tree = DecisionTreeClassifier(max_leaf_nodes=max_leaves, min_weight_fraction_leaf=least, random_state=0)
    tree.fit(design, worlds.fails, sample_weight=worlds.weights / worlds.weights.sum())
    found = [_box(worlds, path, source) for path in _paths(tree.tree_)]
    dense = sorted((box for box in found if box.density > worlds.base_rate), key=lambda box: -box.density)
    coverage, mass = sum(box.coverage for box in dense), sum(box.mass for box in dense)
    density = coverage * worlds.base_rate / mass if mass else float("nan")
    return Leaves(tuple(dense), min(float(coverage), 1.0), float(density), worlds.base_rate, len(found))


Step = tuple[int, float, bool]  # (column of the design, threshold, whether above it)


def _design(worlds: Worlds) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Numbers as they are, labels as one column of 0 and 1 each; and (parameter, label or −1) of every column."""
    columns, source = [], []
    for j, (column, names) in enumerate(zip(worlds.columns, worlds.labels, strict=True)):
        for label in range(len(names)) if names else (-1,):
            columns.append((column == label).astype(float) if names else column)
            source.append((j, label))
    # scikit-learn compares in single precision; read back, its limits would cut off a value at the edge.
    return np.stack([c.astype(np.float32) for c in columns], axis=1), source


def _paths(tree) -> list[list[Step]]:
    """The steps that lead to each leaf, left to right."""
    found: list[list[Step]] = []
    waiting: list[tuple[int, list[Step]]] = [(0, [])]
    while waiting:
        node, steps = waiting.pop()
        if tree.children_left[node] == tree.children_right[node]:
            found.append(steps)
            continue
        column, threshold = int(tree.feature[node]), float(tree.threshold[node])
        waiting.append((int(tree.children_right[node]), [*steps, (column, threshold, True)]))
        waiting.append((int(tree.children_left[node]), [*steps, (column, threshold, False)]))
    return found


def _box(worlds: Worlds, path: list[Step], source: list[tuple[int, int]]) -> Box:
    """A leaf as a box, with quasi-p values, the most significant restriction first."""
    restrictions = [_restriction(worlds, j, path, source) for j in dict.fromkeys(source[c][0] for c, _, _ in path)]
    held = [_holds(worlds, r) for r in restrictions]
    inside = np.logical_and.reduce(held) if held else np.ones(len(worlds.fails), dtype=bool)
    weight, failure = _weigh(worlds, inside)
    effective = weight**2 / float((worlds.weights[inside] ** 2).sum())
    ranked: list[tuple[float, Restriction]] = []
    for i, restriction in enumerate(restrictions):
        others = [h for k, h in enumerate(held) if k != i]
        without, without_failing = _weigh(worlds, np.logical_and.reduce(others) if others else np.ones_like(inside))
        p = quasi_p(failure / weight * effective, effective, without_failing / without)
        ranked.append((p, replace(restriction, quasi_p=p)))
    total, failing = worlds.weights.sum(), worlds.weights @ worlds.fails
    ranked.sort(key=lambda pair: pair[0])
    return Box(tuple(r for _, r in ranked), float(failure / failing), float(failure / weight), float(weight / total))


def _weigh(worlds: Worlds, inside: np.ndarray) -> tuple[float, float]:
    return float(worlds.weights[inside].sum()), float(worlds.weights[inside] @ worlds.fails[inside])


def _restriction(worlds: Worlds, j: int, path: list[Step], source: list[tuple[int, int]]) -> Restriction:
    """What the steps of a path ask of one parameter."""
    steps = [(source[c][1], threshold, above) for c, threshold, above in path if source[c][0] == j]
    name, names, column = worlds.names[j], worlds.labels[j], worlds.columns[j]
    if names:
        kept = set(range(len(names)))
        for label, _, above in steps:
            kept = kept & {label} if above else kept - {label}
        inside = tuple(n for k, n in enumerate(names) if k in kept)
        return Restriction(name, labels=inside, left_out=tuple(n for k, n in enumerate(names) if k not in kept))
    low = max((t for _, t, above in steps if above), default=None)
    high = min((t for _, t, above in steps if not above), default=None)
    single = column.astype(np.float32)
    return Restriction(
        name,
        low=None if low is None else _edge(column[single > low], column[single <= low], above=True),
        high=None if high is None else _edge(column[single > high], column[single <= high], above=False),
        least=float(column.min()),
        most=float(column.max()),
    )


def _edge(over: np.ndarray, under: np.ndarray, *, above: bool) -> float:
    """The limit halfway between the values on both sides of a cut, on the right side of both."""
    below, beyond = float(under.max()), float(over.min())
    middle = below + (beyond - below) / 2
    return middle if below < middle < beyond else (beyond if above else below)


def _holds(worlds: Worlds, restriction: Restriction) -> np.ndarray:
    j = worlds.names.index(restriction.parameter)
    if worlds.labels[j]:
        return restriction.holds(np.array(worlds.labels[j])[worlds.columns[j].astype(int)])
    return restriction.holds(worlds.columns[j])
