"""What was observed, row by row, in the form that a tree's likelihood reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from detente.axes import CHOICE, Game
from detente.errors import UsageError, nearest
from detente.learn import jets
from detente.learn.equilibrium import EquilibriumModel
from detente.learn.strategic import TreeModel


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each cell was observed in each row.

    Attributes:
        counts: One column a cell; one 1 in each row where a row is one play.
    """

    counts: Float[np.ndarray, "row cell"]

    def take(self, rows: slice) -> "Counts":
        """Some of the rows."""
        return Counts(self.counts[rows])


@dataclass(frozen=True, eq=False)
class ObservedTree:
    """A tree of which the leaf, or only a cell of several leaves, is observed.

    Attributes:
        model: The tree with its rule of choice.
        labels: Name of each cell.
        cells: Leaves of each cell.
    """

    model: TreeModel | EquilibriumModel
    labels: tuple[str, ...]
    cells: tuple[tuple[int, ...], ...]

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the parameters of the rules."""
        return self.model.predictors

    @property
    def scales(self) -> tuple[str, ...]:
        """Names of the error scales."""
        return self.model.scales

    def log_probabilities(self, values: Mapping[str, Any]) -> list[Any]:
        """Log probability of every cell."""
        leaves = self.model.log_probabilities(values)
        return [jets.log_sum_exp([leaves[z] for z in cell]) for cell in self.cells]

    def log_likelihood(self, values: Mapping[str, Any], observed: Counts) -> Any:
        """Log likelihood of every row."""
        total: Any = 0.0
        for c, log_chance in enumerate(self.log_probabilities(values)):
            count = observed.counts[:, c]
            if count.any():
                with np.errstate(invalid="ignore"):  # −∞ · 0 where the cell was not seen; masked on the next line
                    part = log_chance * count
                total = jets.select(count > 0, part) + total
        return total


def leaf_labels(game: Game, name: str | None) -> tuple[str, ...]:
    """The label of every leaf: an outcome of the rules, or the options on its path.

    Args:
        game: The compiled rules.
        name: Of the outcome; None for the only one that is a word, or the path where there is none.

    Raises:
        UsageError: If the rules note no such outcome, or several and none is named.
    """
    words = [o.name for o in game.outcomes.values() if o.kind == "label"]
    if name is None and len(words) > 1:
        raise UsageError(f"model: the rules note several outcomes in words, {words}. Say which with terminal = '…'.")
    if name is None and not words:
        return tuple(", ".join(option for _, option in game.history(int(n))) for n in game.leaf_nodes)
    name = name or words[0]
    if name not in words:
        raise UsageError(f"model: terminal = {name!r} is not an outcome in words of the rules.{nearest(name, words)}")
    outcome = game.outcomes[name]
    return tuple(outcome.labels[c] for c in outcome.codes)


def spelled(value: Any) -> str:
    """A value of the outcome column as a label: 3.0 and 3 are the same.

    Example:
        >>> spelled(3.0), spelled("war"), spelled(True)
        ('3', 'war', 'True')
    """
    number = value
    if isinstance(number, str):
        text = number.strip()
        try:
            number = float(text)
        except ValueError:
            return text
        return str(int(number)) if np.isfinite(number) and number == int(number) else text
    if isinstance(number, bool | np.bool_):
        return str(bool(number))
    if isinstance(number, int | float | np.integer | np.floating) and np.isfinite(number) and number == int(number):
        return str(int(number))
    return str(number)


def counts_from_column(
    frame: Any,
    column: str,
    model: TreeModel | EquilibriumModel,
    *,
    terminal: str | None = None,
    aliases: Mapping[str, str] | None = None,
    labels: Mapping[str, Any] | None = None,
) -> tuple[ObservedTree, Counts]:
    """Read the outcome column: each value is the label of a terminal, or of a cell of several.

    Args:
        frame: The data.
        column: Name of the column.
        model: The tree.
        terminal: Outcome of the rules whose labels the column holds.
        aliases: Other words for a label.
        labels: Value of the column → label or list of labels, as the user gave it.

    Raises:
        UsageError: If the column holds a value that is no label.
    """
    leaves = leaf_labels(model.game, terminal)
    known = list(dict.fromkeys(leaves))
    cells: dict[str, tuple[str, ...]] = {label: (label,) for label in known}
    for value, target in (labels or {}).items():
        members = tuple(spelled(t) for t in (target if isinstance(target, list | tuple) else [target]))
        for member in members:
            if member not in known:
                raise UsageError(f"labels: {member!r} is not a terminal of the model.{nearest(member, known)}")
        cells[spelled(value)] = members
    codes, values = frame[column].factorize(sort=False)
    names = []
    for value in values:
        name = spelled(value)
        name = name if name in cells else (aliases or {}).get(name, name)
        if name not in cells:
            first = int(np.flatnonzero(codes == len(names))[0])
            raise UsageError(
                f"outcome: the column {column!r} holds {name!r} (row {int(frame.index[first]) + 1}), which is not a "
                f"terminal of the model: {known}. Say what it means under [labels], for example "
                f'"{name}" = "{known[0]}".'
            )
        names.append(name)
    # Cells that are never observed are kept when they are single terminals, so that predictions cover everything.
    used = [n for n in cells if n in names or n in known]
    used = [n for n in used if not (n in known and n not in names and any(set(cells[m]) > {n} for m in names))]
    counts = np.zeros((len(frame), len(used)))
    index = np.array([used.index(n) for n in names], dtype=int)
    counts[np.arange(len(frame)), index[codes]] = 1.0
    return _tree(model, leaves, used, cells), Counts(counts)


def _tree(
    model: TreeModel | EquilibriumModel, leaves: Sequence[str], used: Sequence[str], cells: Mapping[str, Sequence[str]]
) -> ObservedTree:
    members = tuple(tuple(z for z, label in enumerate(leaves) if label in cells[name]) for name in used)
    return ObservedTree(model, tuple(used), members)


def counts_from_columns(
    frame: Any, columns: Sequence[str], model: TreeModel | EquilibriumModel, *, terminal: str | None = None
) -> tuple[ObservedTree, Counts]:
    """Read several outcome columns: counts of every terminal, or one 0/1 column for every move.

    Args:
        frame: The data.
        columns: As many as the tree has terminals (in their order), or as it has stages of play.
        model: The tree.
        terminal: Outcome of the rules whose labels the terminals have.

    Raises:
        UsageError: If there is another number of columns, or a value is no count.
    """
    leaves = leaf_labels(model.game, terminal)
    known = list(dict.fromkeys(leaves))
    cells = {label: (label,) for label in known}
    values = frame[list(columns)].to_numpy(dtype=float, na_value=np.nan)
    game = model.game
    moves = list(dict.fromkeys(game.move_at(int(n)) for n in np.flatnonzero(game.kind == CHOICE)))
    bad = ~(values >= 0) | (values != np.floor(values))
    if len(columns) == len(known):
        if bad.any():
            r, c = np.argwhere(bad)[0]
            raise UsageError(
                f"outcome: {columns[c]!r} is {values[r, c]} in row {int(frame.index[r]) + 1}. Counts are whole "
                f"numbers ≥ 0."
            )
        return _tree(model, leaves, known, cells), Counts(values)
    if len(columns) != len(moves):
        raise UsageError(
            f"outcome: {len(columns)} columns are named. Give one column of labels, {len(known)} columns of counts "
            f"(terminals {known}), or {len(moves)} columns of 0 and 1 (moves {moves})."
        )
    counts = np.zeros((len(frame), len(known)))
    place = {name: i for i, name in enumerate(moves)}
    consistent = np.zeros((len(frame), len(known)), dtype=bool)
    for z, node in enumerate(game.leaf_nodes):
        agrees = np.ones(len(frame), dtype=bool)
        child = int(node)
        while game.parent[child] >= 0:
            parent = int(game.parent[child])
            if game.kind[parent] == CHOICE:
                agrees &= values[:, place[game.move_at(parent)]] == game.option[child]
            child = parent
        consistent[:, known.index(leaves[z])] |= agrees
    wrong = np.flatnonzero(consistent.sum(1) != 1)
    if len(wrong):
        r = int(wrong[0])
        shown = dict(zip(columns, values[r].tolist(), strict=True))
        raise UsageError(
            f"outcome: row {int(frame.index[r]) + 1} has {shown}, which is the end of no path, or of several. The "
            f"columns "
            f"say for each of the moves {moves} whether it went left (0) or right (1)."
        )
    counts[consistent] = 1.0
    return _tree(model, leaves, known, cells), Counts(counts)
