"""The likelihood of trees with hidden moves or types: every row at its own quantal response equilibrium.

Where everything is seen, backward induction gives the likelihood (:mod:`detente.learn.strategic`). Where it is not,
what a player does depends on what it believes, and that on what everybody does: each row of data is a game of its own,
solved by ``dt.solve`` on the principal branch. First derivatives are exact, by the implicit function theorem; second
ones are differences of those. Cost of one step of a search: 1 + 2 × (number of parameters that vary) equilibria a row,
without watching for crossings of branches; at the end the branch is followed with care and compared
(:func:`off_branch`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from detente.axes import Game
from detente.errors import SolveError, UsageError
from detente.learn import jets
from detente.learn.jets import Jet
from detente.learn.strategic import SQRT2

TOLERANCE = 1e-12  # of log-probabilities; the search wants gradients to 1e-8 over all rows
STEP = 3e-4  # of a parameter, for differences of exact gradients: error and rounding are both near 1e-8


@dataclass(frozen=True, eq=False)
class EquilibriumModel:
    """A finite tree in which something is hidden, with the errors that players make.

    Attributes:
        game: Its compiled form.
        choice: ``logit`` or ``probit``.
        errors: ``agent``: a shock at every move.
        where: What to call it in messages.
    """

    game: Game
    choice: str = "logit"
    errors: str = "agent"
    where: str = "model"

    def __post_init__(self) -> None:
        if self.errors != "agent":
            raise UsageError(
                f"{self.where}: {self.game.title!r} has moves made without seeing everything. They are solved with "
                f"errors = 'agent', not {self.errors!r}. Correct it."
            )

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the parameters of the rules."""
        return self.game.parameters

    @property
    def scales(self) -> tuple[str, ...]:
        """Names of the error scales that can be estimated: one for all, or one for each player."""
        return ("sigma", *(f"sigma{k + 1}" for k in range(len(self.game.players))))

    @cached_property
    def _paths(self) -> Any:
        """(leaf × edge row): how often each chance (rows first) and each slot lies on the way to each leaf."""
        from detente.learn.observations import make_observations

        return make_observations(self.game, {}).patterns[0].paths.toarray()

    def log_probabilities(self, values: Mapping[str, Any]) -> list[Any]:
        """Log probability of every leaf.

        Args:
            values: Parameter or scale → jet or number; a scale is the *logarithm* of the error's size.

        Returns:
            One jet or array for each leaf, in the order of the game's leaves. NaN where no equilibrium was found.
        """
        names = [n for n in (*self.predictors, *self.scales) if n in values]
        shape = np.broadcast_shapes((1,), *(np.shape(jets.value_of(values[n])) for n in names))
        point = np.stack([np.broadcast_to(np.asarray(jets.value_of(values[n]), dtype=float), shape) for n in names])
        order = max((v.order for v in values.values() if isinstance(v, Jet)), default=0)
        moving = [k for k, n in enumerate(names) if isinstance(values[n], Jet)] if order else []
        flat = point.reshape(len(names), -1)
        if order < 2:
            logs, slopes = self._at(names, flat, moving, strict=not order)
            bends = None
        else:
            logs, slopes, bends = self._bent(names, flat, moving)
        inputs = [values[names[k]] for k in moving]
        return [
            _jet(
                logs[z].reshape(shape),
                [slopes[z, i].reshape(shape) for i in range(len(moving))],
                None if bends is None else bends[z].reshape(len(moving), len(moving), *shape),
                inputs,
                order,
            )
            for z in range(len(logs))
        ]

    def _bent(self, names: list[str], flat: np.ndarray, moving: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, gradient and second derivatives of every leaf's log probability: all shifted rows solved together."""
        num, size = flat.shape[1], len(moving)
        steps = STEP * np.maximum(1.0, np.abs(flat[moving]))
        blocks = [flat]
        for i, k in enumerate(moving):
            for sign in (1.0, -1.0):
                shifted = flat.copy()
                shifted[k] += sign * steps[i]
                blocks.append(shifted)
        logs, slopes = self._at(names, np.concatenate(blocks, axis=1), moving)
        parts = slopes.reshape(len(slopes), size, 1 + 2 * size, num)
        bends = np.empty((len(slopes), size, size, num))
        for i in range(size):
            bends[:, :, i] = (parts[:, :, 1 + 2 * i] - parts[:, :, 2 + 2 * i]) / (2 * steps[i])
        return logs[:, :num], parts[:, :, 0], 0.5 * (bends + bends.transpose(0, 2, 1, 3))

    def _at(
        self, names: list[str], point: Float[np.ndarray, "name row"], moving: list[int], *, strict: bool = False
    ) -> tuple[Float[np.ndarray, "leaf row"], Float[np.ndarray, "leaf moving row"]]:
        """Log probability of every leaf and its derivatives; NaN where they are out of reach, unless that is fatal."""
        game, num = self.game, point.shape[1]
        lost = np.full((game.num_leaves, num), np.nan), np.full((game.num_leaves, len(moving), num), np.nan)
        value = dict(zip(names, point, strict=True))
        common = value.get("sigma", 0.0)
        size = SQRT2 if self.choice == "logit" else 1.0  # the scale of R's games; probit has it in the rule itself
        rates = {
            player: np.broadcast_to(np.exp(-(value.get(f"sigma{k + 1}", 0.0) + common)) / size, (num,))
            for k, player in enumerate(game.players)
        }
        if not np.isfinite(point).all() or not all(np.isfinite(r).all() for r in rates.values()):
            return lost
        draws = {n: value[n] for n in game.parameters} or None
        # The solver is loaded only for the trees that need it: the command is done before it would be loaded.
        from detente.solve.api import solve
        from detente.solve.derivatives import EACH_PLAYER, differentiate

        try:
            solution = solve(
                game,
                draws or {"(row)": np.zeros(num)},
                precision=rates,
                choice=self.choice,
                tolerance=TOLERANCE,
                exact=strict,
            )
            by = differentiate(solution, precision=EACH_PLAYER) if moving else None
        except SolveError:
            if strict:
                raise
            return lost
        with np.errstate(divide="ignore"):
            edges = np.concatenate([np.log(solution.problem.chance), solution.log_probabilities])
        # Not a matrix product: log 0 = −∞ off the path would turn into NaN.
        logs = np.stack([edges[row > 0].sum(0) if row.any() else np.zeros(num) for row in self._paths])
        logs[:, ~solution.converged] = np.nan
        if by is None:
            return logs, lost[1][:, :0]
        slopes = np.concatenate([self._log_chance_slopes(solution, by.parameters), by.log_probabilities])
        per_parameter = np.einsum("ze,epd->zpd", self._paths, slopes)
        return logs, self._by_name([names[k] for k in moving], by.parameters, per_parameter, rates)

    def _log_chance_slopes(self, solution: Any, names: tuple[str, ...]) -> Float[np.ndarray, "row parameter draw"]:
        """How the logarithm of every chance moves with each parameter of the rules."""
        game, chance = self.game, solution.problem.chance
        found = np.zeros((len(chance), len(names), solution.num_draws))
        if not len(chance) or not game.parameters:
            return found
        _, slopes = game.basis.jacobian(solution.problem.draws, solution.num_draws, game.parameters)
        matrix = game.probability.matrix
        rows = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
        slopes[~(rows != 0).any(axis=0)] = 0.0  # monomials of payoffs: their slope may be anything
        change = np.einsum("rm,mkd->rkd", rows, slopes)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(change == 0, 0.0, change / chance[:, None])
        for k, name in enumerate(game.parameters):
            found[:, names.index(name)] = relative[:, k]
        return found

    def _by_name(
        self, wanted: list[str], known: tuple[str, ...], slopes: np.ndarray, rates: Mapping[str, np.ndarray]
    ) -> Float[np.ndarray, "leaf moving row"]:
        """Derivatives by the parameters and the logarithms of error sizes that move, in their order."""
        found = np.zeros((len(slopes), len(wanted), slopes.shape[2]))
        for i, name in enumerate(wanted):
            if name in known:
                found[:, i] += slopes[:, known.index(name)]
                continue
            for k, player in enumerate(self.game.players):  # dλ / dlog σ = −λ
                if name in ("sigma", f"sigma{k + 1}"):
                    found[:, i] -= rates[player] * slopes[:, known.index(f"precision of {player}")]
        return found


def off_branch(model: EquilibriumModel, values: Mapping[str, Any]) -> int:
    """In how many rows a search took another equilibrium than the one at the end of the principal branch.

    Args:
        model: The model.
        values: Parameter or scale → numbers by row.
    """
    quick = {n: jets.variable(np.asarray(v, dtype=float), k, 1) for k, (n, v) in enumerate(values.items())}
    found = np.stack([np.broadcast_to(jets.value_of(v), _size(values)) for v in model.log_probabilities(quick)])
    exact = np.stack([np.broadcast_to(v, _size(values)) for v in model.log_probabilities(values)])
    with np.errstate(invalid="ignore"):
        same = (found == exact) | (np.abs(found - exact) < 1e-6)
    return int((~same.all(axis=0)).sum())


def _size(values: Mapping[str, Any]) -> tuple[int, ...]:
    return np.broadcast_shapes((1,), *(np.shape(v) for v in values.values()))


def _jet(value: np.ndarray, slopes: list[np.ndarray], bends: Any, inputs: list[Jet], order: int) -> Any:
    """A function of several jets, from its derivatives by each of them."""
    if not inputs:
        return value
    total = Jet(value, {}, {}, order)
    for i, x in enumerate(inputs):
        first = {a: slopes[i] * g for a, g in x.first.items()}
        second: dict[tuple[int, int], Any] = {k: slopes[i] * h for k, h in x.second.items()}
        for j, y in enumerate(inputs if order == 2 else []):
            for a, g in x.first.items():
                for b, h in y.first.items():
                    if a <= b:  # the pair (b, a) comes with x and y exchanged
                        second[a, b] = second.get((a, b), 0.0) + bends[i, j] * g * h
        total = total + Jet(0.0, first, second, order)
    return total
