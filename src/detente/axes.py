"""The words for the axes of every array, and the records that hold them.

========  ==========================================================================================
axis      one entry for each
========  ==========================================================================================
draw      value of every parameter: one possible world, or one row of data
node      history of the game, breadth first; 0 is the root
leaf      history at which the game ends, in the order of their nodes
infoset   state of knowledge at which a player moves; by player, then in the order of a depth-first walk
option    thing that can be chosen or happen at one node
slot      (infoset, option) pair: the options of infoset 0, then those of infoset 1, …
player    player, in the order of ``Game.players``
monomial  product of atoms over which payoffs and probabilities are polynomials
outcome   named thing that is true, or has a value, at the end
========  ==========================================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

CHANCE, CHOICE, LEAF = 0, 1, 2  # Game.kind
NO_PARENT = -1
NO_INFOSET = -1
NO_CHANCE = -1
NO_LEAF = -1


@dataclass(frozen=True)
class Infoset:
    """What a player knows when it moves.

    Attributes:
        player: Index into ``Game.players``.
        move: Name of the move.
        options: Labels of what can be chosen.
        knows: What the player was told and did itself so far, as (name, label) pairs in order.
    """

    player: int
    move: str
    options: tuple[str, ...]
    knows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ChanceMove:
    """An event that nobody decides.

    Attributes:
        move: Name of the move.
        options: Labels of what can happen.
        formulas: Probability of each, as text.
    """

    move: str
    options: tuple[str, ...]
    formulas: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """Polynomials over the monomials of a game, one a row; sparse where that is smaller.

    Attributes:
        matrix: (row × monomial), a NumPy array or a SciPy CSR matrix.
    """

    matrix: Any

    def evaluate(self, monomials: Float[np.ndarray, "monomial draw"]) -> Float[np.ndarray, "row draw"]:
        """The value of every row for every draw: one matrix product."""
        return np.asarray(self.matrix @ monomials)

    def select(self, rows: Int[np.ndarray, "selected"]) -> "Rows":
        """Some of the rows, in the order given."""
        return Rows(self.matrix[rows])

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return self.matrix.shape[0]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A named thing that is true, or has a value, at the end of every history.

    Attributes:
        name: Its name.
        kind: ``flag`` (true or false), ``number`` or ``label``.
        labels: For a label: its possible values, in the order met. Otherwise empty.
        codes: For a label: index into ``labels``, shape (leaf,). Otherwise empty.
        rows: For a flag or number: its value at every leaf, (leaf × monomial). Otherwise None.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    codes: Int[np.ndarray, "leaf"]
    rows: Rows | None


@dataclass(frozen=True, eq=False)
class Game:
    """A finite game as arrays: the compiled form of a crisis.

    Nodes are breadth first, the children of a node are contiguous, and every infoset satisfies perfect recall.

    Attributes:
        title: What the game is called.
        players: Names of the players.
        infosets: Every state of knowledge at which somebody moves; by player, then by first visit depth first.
        chances: The distinct chance moves.
        kind: ``CHANCE``, ``CHOICE`` or ``LEAF``.
        parent: Index of the parent, ``NO_PARENT`` at the root.
        option: Which of the parent's options leads here.
        first_child: Index of the first child.
        num_options: Number of children.
        infoset: Index of the infoset, ``NO_INFOSET`` where nobody chooses.
        chance: Index of the chance move, ``NO_CHANCE`` where it is not one.
        leaf: Index among the leaves, ``NO_LEAF`` elsewhere.
        infoset_start: First slot of each infoset, and the number of slots at the end.
        chance_start: First row of ``probability`` of each chance move, and the number of rows at the end.
        basis: Atoms and monomials of all polynomials (a :class:`detente.model.symbols.Basis`).
        probability: One row per option of each chance move.
        payoff: One row per (leaf, player), players fastest.
        outcomes: By name.
        payoff_formulas: Text of the payoffs of a leaf, made when asked for: ``payoff_formulas(leaf)``.
    """

    title: str
    players: tuple[str, ...]
    infosets: tuple[Infoset, ...]
    chances: tuple[ChanceMove, ...]
    kind: Int[np.ndarray, "node"]
    parent: Int[np.ndarray, "node"]
    option: Int[np.ndarray, "node"]
    first_child: Int[np.ndarray, "node"]
    num_options: Int[np.ndarray, "node"]
    infoset: Int[np.ndarray, "node"]
    chance: Int[np.ndarray, "node"]
    leaf: Int[np.ndarray, "node"]
    infoset_start: Int[np.ndarray, "infoset_plus_one"]
    chance_start: Int[np.ndarray, "chance_plus_one"]
    basis: Any
    probability: Rows
    payoff: Rows
    outcomes: Mapping[str, Outcome]
    payoff_formulas: Any = field(default=None, repr=False)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that the game depends on."""
        return self.basis.parameters

    @property
    def num_nodes(self) -> int:
        """Number of histories."""
        return len(self.kind)

    @property
    def num_leaves(self) -> int:
        """Number of histories at which the game ends."""
        return int((self.kind == LEAF).sum())

    @property
    def num_slots(self) -> int:
        """Number of (infoset, option) pairs."""
        return int(self.infoset_start[-1])

    @property
    def leaf_nodes(self) -> Int[np.ndarray, "leaf"]:
        """The node of each leaf."""
        return np.flatnonzero(self.kind == LEAF)

    def options_at(self, node: int) -> tuple[str, ...]:
        """Labels of the options at a node; empty at a leaf."""
        if self.kind[node] == CHOICE:
            return self.infosets[self.infoset[node]].options
        if self.kind[node] == CHANCE:
            return self.chances[self.chance[node]].options
        return ()

    def move_at(self, node: int) -> str:
        """Name of the move at a node; empty at a leaf."""
        if self.kind[node] == CHOICE:
            return self.infosets[self.infoset[node]].move
        if self.kind[node] == CHANCE:
            return self.chances[self.chance[node]].move
        return ""

    def history(self, node: int) -> tuple[tuple[str, str], ...]:
        """The (move, option) pairs that lead to a node.

        Args:
            node: Index of the node.
        """
        steps = []
        while self.parent[node] != NO_PARENT:
            parent = int(self.parent[node])
            steps.append((self.move_at(parent), self.options_at(parent)[self.option[node]]))
            node = parent
        return tuple(reversed(steps))

    def slots(self, infoset: int) -> slice:
        """The slots of an infoset."""
        return slice(int(self.infoset_start[infoset]), int(self.infoset_start[infoset + 1]))

    def _repr_html_(self) -> str:
        return in_a_notebook(self)

    def __repr__(self) -> str:
        return (
            f"Game({self.title!r}, {len(self.players)} players, {self.num_nodes:,} nodes, "
            f"{len(self.infosets):,} infosets, {self.num_leaves:,} leaves, {len(self.parameters)} parameters)"
        )


def in_a_notebook(record: Any) -> str:
    """What a notebook shows of a record; called by its ``_repr_html_``.

    How records are shown is known far above this module, and is loaded only when a notebook asks.

    Args:
        record: A game, a solution, an ensemble, a decision or a brief.
    """
    from importlib import import_module

    return import_module("detente.report.notebook").html(record)
