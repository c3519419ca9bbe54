"""Choice rules: how expected payoffs become chances, and how the chances move with them.

Under both rules each option's precision-weighted payoff v = λ·Q gets an independent shock, and the greatest sum is
chosen. *Logit*: the shocks are Gumbel (standard deviation π/√6 ≈ 1.28), and P_i is proportional to e^v_i. *Probit*:
they are standard normal; see :mod:`detente.solve.probit`. At the same λ probit therefore errs a little less; at √6/π ≈
0.78 of it the shocks have the same spread.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from detente.axes import Game
from detente.errors import UsageError, nearest

LOGIT, PROBIT = "logit", "probit"
CHOICE_RULES = (LOGIT, PROBIT)


def check_choice(choice: object) -> str:
    """A choice rule's name, checked.

    Raises:
        UsageError: If there is no such rule.
    """
    if choice not in CHOICE_RULES:
        raise UsageError(f"choice: {choice!r} is not a choice rule.{nearest(str(choice), CHOICE_RULES)}")
    return str(choice)


# -- how the chances move with the payoffs -------------------------------------------------------
class Response(Protocol):
    """Derivative of the log-probabilities of all slots by v, block by block, for several draws."""

    def push(self, x: np.ndarray) -> np.ndarray:
        """Changes of v → changes of log-probability, (slot, column, draw)."""
        ...

    def pull(self, x: np.ndarray) -> np.ndarray:
        """The transpose of :meth:`push`."""
        ...

    def matrix(self, draw: int) -> Any:
        """The derivative in one draw, a sparse (slot × slot) matrix."""
        ...


@dataclass(frozen=True, eq=False)
class _Logit:
    """x less its mean at each infoset."""

    infosets: "Infosets"
    soft: np.ndarray

    def push(self, x: np.ndarray) -> np.ndarray:
        return x - product(self.infosets.sums, self.soft[:, None] * x)[self.infosets.owner]

    def pull(self, x: np.ndarray) -> np.ndarray:
        return x - self.soft[:, None] * product(self.infosets.sums, x)[self.infosets.owner]

    def matrix(self, draw: int) -> Any:
        sums, soft = self.infosets.sums, sparse.diags_array(self.soft[:, draw])
        return sparse.csr_array(sparse.eye_array(len(self.soft)) - sums.T @ (sums @ soft))


@dataclass(frozen=True, eq=False)
class _Probit:
    """A full block for each infoset: the slopes entry by entry, (entry, draw)."""

    infosets: "Infosets"
    slopes: np.ndarray

    def _through(self, x: np.ndarray, to: np.ndarray, come: np.ndarray) -> np.ndarray:
        ones = sparse.csr_array((np.ones(len(to)), (to, np.arange(len(to)))), shape=(len(x), len(to)))
        return product(ones, self.slopes[:, None] * x[come])

    def push(self, x: np.ndarray) -> np.ndarray:
        return self._through(x, *self.infosets.entries)

    def pull(self, x: np.ndarray) -> np.ndarray:
        return self._through(x, *reversed(self.infosets.entries))

    def matrix(self, draw: int) -> Any:
        size = int(self.infosets.start[-1])
        return sparse.csr_array((self.slopes[:, draw], self.infosets.entries), shape=(size, size))


def product(matrix: Any, x: np.ndarray) -> np.ndarray:
    """A matrix times an array along its first axis."""
    flat = x.reshape(len(x), int(np.prod(x.shape[1:])))
    return np.asarray(matrix @ flat).reshape(matrix.shape[0], *x.shape[1:])


@dataclass(frozen=True, eq=False)
class Infosets:
    """Which slots belong together.

    Attributes:
        start: First slot of each infoset, and the number of slots.
        owner: Infoset of each slot.
        sums: (infoset × slot) matrix of ones.
    """

    start: np.ndarray
    owner: np.ndarray
    sums: Any

    @cached_property
    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of every pair of options of one infoset, row by row."""
        start, size = self.start, np.diff(self.start)
        row = np.repeat(np.arange(start[-1]), np.repeat(size, size))
        before = np.repeat(np.cumsum(size * size) - size * size, size * size)
        within = (np.arange(len(row)) - before) % np.repeat(size, size * size)
        return row, np.repeat(start[:-1], size * size) + within


def find_infosets(game: Game) -> Infosets:
    """Which slots of a game belong together."""
    start = np.asarray(game.infoset_start, dtype=np.int64)
    owner = np.repeat(np.arange(len(start) - 1), np.diff(start))
    ones = (np.ones(len(owner)), (owner, np.arange(len(owner))))
    return Infosets(start, owner, sparse.csr_matrix(ones, shape=(len(start) - 1, len(owner))))


def log_choice(infosets: Infosets, choice: str, v: np.ndarray) -> np.ndarray:
    """Log-probabilities of every option.

    Args:
        infosets: Which slots belong together.
        choice: The rule.
        v: Precision times expected payoff, (slot, draw).

    Example:
        >>> import detente as dt
        >>> from detente.library.games import library_game
        >>> two = find_infosets(dt.compile(library_game("stag-hunt").crisis))
        >>> v = np.array([[1.0], [0.0], [1.0], [0.0]])
        >>> [float(np.exp(log_choice(two, rule, v))[0, 0].round(4)) for rule in CHOICE_RULES]
        [0.7311, 0.7602]
    """
    if not len(v):
        return v
    if choice == PROBIT:
        from detente.solve.probit import probit_of_all  # compiled code, imported only where it is used

        return probit_of_all(np.ascontiguousarray(v), infosets.start)
    top = np.maximum.reduceat(v, infosets.start[:-1], axis=0)[infosets.owner]
    return v - top - np.log(np.asarray(infosets.sums @ np.exp(v - top)))[infosets.owner]


def make_response(infosets: Infosets, choice: str, log_probabilities: np.ndarray, v: np.ndarray) -> Response:
    """How log-probabilities move with v.

    Args:
        infosets: Which slots belong together.
        choice: The rule.
        log_probabilities: What the rule makes of v, (slot, draw).
        v: Precision times expected payoff of every option, (slot, draw).
    """
    if choice == LOGIT:
        return _Logit(infosets, np.exp(log_probabilities))
    from detente.solve.probit import slopes_of_all

    slopes = slopes_of_all(np.ascontiguousarray(v), infosets.start, len(infosets.entries[0]))
    return _Probit(infosets, slopes)
