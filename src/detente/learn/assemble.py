"""From a specification and a table to a likelihood with its regressors; mistakes are found here, before the search."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from detente.axes import Game
from detente.errors import UsageError, nearest
from detente.learn import signalling
from detente.learn.equilibrium import EquilibriumModel
from detente.learn.formulas import check_columns, complete_rows, design, is_formula, variables
from detente.learn.identification import check_design
from detente.learn.modelfile import Specification, make_penalty, number
from detente.learn.objective import Objective
from detente.learn.rows import counts_from_column, counts_from_columns
from detente.learn.strategic import TreeModel, is_perfect_information
from detente.learn.ultimatum import PREDICTORS as ULTIMATUM
from detente.learn.ultimatum import SCALES as ULTIMATUM_SCALES
from detente.learn.ultimatum import read_offers
from detente.library.strategic import STRATEGIC

BUILTIN = (*STRATEGIC, "ultimatum", "signalling")


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be estimated.

    Attributes:
        objective: Likelihood, regressors and data.
        name: Of the model.
        kind: ``tree``, ``ultimatum`` or ``signalling``.
        choice: Rule of choice.
        errors: Kind of error.
        frame: The rows that are used.
        missing: Column → missing values in the rows that were given.
        num_given: Rows that were given.
        clusters: Cluster of each row, where they are asked for.
        fixed: Predictor → the number at which it is fixed.
        players: Payoff → whose it is, for a tree.
        stages: Groups of equations to search one after the other, the last mover's first.
    """

    objective: Objective
    name: str
    kind: str
    choice: str
    errors: str
    frame: Any
    missing: Mapping[str, int]
    num_given: int
    clusters: Any = None
    fixed: Mapping[str, float] = field(default_factory=dict)
    players: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[tuple[str, ...], ...] = ()


def assemble(spec: Specification, data: Any) -> Problem:
    """Turn a specification and a table into a likelihood.

    Args:
        spec: What to estimate.
        data: A data frame, or anything that pandas makes one of.

    Raises:
        UsageError: If the two do not fit together; the message says where and what to do.
    """
    import pandas as pd

    frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
    if not (frame.index.is_unique and frame.index.dtype.kind == "i"):  # rows are named by their number in messages
        frame = frame.reset_index(drop=True)
    if spec.rows is not None:
        frame = _chosen_rows(frame, spec.rows)
    if not len(frame):
        raise UsageError("data: there are no rows. Check the file, and the condition on rows if there is one.")
    kind, name, game = _model(spec)
    if kind == "signalling":
        return _signalling(spec, frame, name)
    if kind == "ultimatum":
        return _ultimatum(spec, frame, name)
    assert game is not None
    return _tree(spec, frame, name, game)


def _chosen_rows(frame: Any, condition: str) -> Any:
    try:
        chosen = frame.query(condition)
    except Exception as error:
        shown = str(error).splitlines()[0]
        raise UsageError(
            f"rows: {condition!r} cannot be evaluated ({shown}). Write for example 'year >= 1850'."
        ) from None
    if not len(chosen):
        raise UsageError(f"rows: no row meets {condition!r}. Check the condition.")
    return chosen


def _model(spec: Specification) -> tuple[str, str, Game | None]:
    from detente.model.compile import compile
    from detente.model.language import Crisis

    if isinstance(spec.model, Game):
        return "tree", spec.model.title, spec.model
    if isinstance(spec.model, Crisis):
        return "tree", spec.model.name, compile(spec.model)
    if spec.model in STRATEGIC:
        return "tree", spec.model, compile(STRATEGIC[spec.model].crisis)
    if spec.model in ("ultimatum", "signalling"):
        return spec.model, spec.model, None
    raise UsageError(
        f"model: {spec.model!r} is not known.{nearest(str(spec.model), BUILTIN)} Or name rules of your own: "
        f"'file.py:crisis'."
    )


# -- equations -----------------------------------------------------------------------------------------
def _equations(
    spec: Specification, predictors: tuple[str, ...], scales: tuple[str, ...], *, defaults: Mapping[str, str]
) -> dict[str, str | float]:
    """Predictor or scale → formula, fixed number (of the logarithm, for a scale) or name of another, in model order."""
    given: dict[str, Any] = {}
    for name, value in spec.equations.items():
        if name not in predictors and name not in scales and name.startswith("log") and _scale_name(name) in scales:
            given[_scale_name(name)] = value
            continue
        if name not in predictors and name in scales:
            raise UsageError(f"equations: {name!r} is the size of an error, not a payoff. Put it under [scale].")
        if name not in predictors:
            raise UsageError(f"equations: {name!r} is not a payoff of this model.{nearest(name, predictors)}")
        given[name] = value
    for name, value in spec.scale.items():
        plain = _scale_name(name)
        if plain not in scales:
            raise UsageError(f"scale: {name!r} is not an error scale of this model.{nearest(plain, scales)}")
        given[plain] = value
    for name, value in spec.fixed.items():
        plain = name if name in predictors else _scale_name(name)
        amount = number(value)
        if plain not in (*predictors, *scales) or amount is None:
            raise UsageError(
                f"fixed: {name} = {value!r} cannot be used.{nearest(name, (*predictors, *scales))} Give a payoff or "
                f"scale of "
                "the model, and a number."
            )
        if plain in scales and plain == name:  # the size itself, not its logarithm
            if amount <= 0:
                raise UsageError(f"fixed: {name} = {value!r} is not above 0. Give the size of the error.")
            amount = float(np.log(amount))
        if plain in given:
            raise UsageError(f"fixed: {name!r} has an equation too. Keep one of the two.")
        given[plain] = amount
    for name, default in defaults.items():
        given.setdefault(name, default)
    lacking = [name for name in predictors if name not in given]
    if lacking:
        raise UsageError(
            f'equations: there is none for {", ".join(lacking)}. Give each a formula, or fix it: {lacking[0]} = "0".'
        )
    order = [*predictors, *(s for s in scales if s in given)]
    return {name: _equation(name, given[name], order) for name in order}


def _scale_name(name: str) -> str:
    """``log(sigma1)``, ``log s1`` and ``player 1`` mean a scale.

    Example:
        >>> _scale_name("log(sigma1)"), _scale_name("log_s1"), _scale_name("1")
        ('sigma1', 's1', 'sigma1')
    """
    text = name.replace(" ", "").replace("_", "").lower()
    text = text.removeprefix("log").strip("()")
    if text.startswith("player"):
        text = text.removeprefix("player")
    return f"sigma{text}" if text.isdigit() else text


def _equation(name: str, value: Any, known: list[str]) -> str | float:
    amount = number(value)
    if amount is not None:
        return amount
    if isinstance(value, str) and value.strip() in known and value.strip() != name:
        return value.strip()
    if is_formula(value):
        return str(value).strip()
    if isinstance(value, str) and value.strip():
        return f"~ {value.strip()}"
    raise UsageError(f"equations: {name} = {value!r}. Write a formula such as '~ x1 + x2', or a number to fix it.")


def _blocks(
    equations: Mapping[str, str | float], frame: Any, labels: Mapping[str, str]
) -> tuple[tuple[Any, ...], dict[str, int | float], dict[str, float]]:
    """Regressors of every formula, where each predictor finds its value, and what is fixed."""
    blocks, where, fixed = [], {}, {}
    for name, value in equations.items():
        if isinstance(value, float):
            where[name] = fixed[name] = value
        elif is_formula(value):
            made = design(labels.get(name, name), str(value), frame)
            if not made.terms:
                where[name] = fixed[name] = 0.0
                continue
            check_design(made)
            where[name] = len(blocks)
            blocks.append(made)
    for name, value in equations.items():
        if name in where:
            continue
        assert isinstance(value, str)
        if value not in where:
            raise UsageError(
                f"equations: {name} shares {value!r}, which itself shares another. Name the formula's own."
            )
        where[name] = where[value]
    return tuple(blocks), where, fixed


def _columns(equations: Mapping[str, str | float], frame: Any) -> list[str]:
    return [c for n, v in equations.items() if is_formula(v) for c in variables(n, str(v), frame.columns)]


def _named_columns(spec: Specification, default: list[str] | None = None) -> list[str]:
    """The outcome columns: a name, a list of names, or ``"esc + war"``."""
    if spec.outcome is None:
        if default is not None:
            return default
        raise UsageError("outcome: no column is named. Say which holds the terminal, as outcome = 'y'.")
    if isinstance(spec.outcome, str):
        return [part.strip() for part in spec.outcome.split("+")]
    return [str(part) for part in spec.outcome]


def _prepare(
    spec: Specification, frame: Any, equations: Mapping[str, str | float], columns: list[str]
) -> tuple[Any, dict]:
    check_columns(frame, {c: "outcome" for c in columns})
    extra = {c: k for c, k in ((spec.weights, "weights"), (spec.cluster, "cluster")) if c is not None}
    check_columns(frame, extra)
    return complete_rows(frame, [*columns, *extra, *_columns(equations, frame)])


def _weights(spec: Specification, frame: Any) -> Float[np.ndarray, "row"]:
    if spec.weights is None:
        return np.ones(len(frame))
    try:
        weights = frame[spec.weights].to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise UsageError(f"weights: the column {spec.weights!r} does not hold numbers. Correct the data.") from None
    bad = np.flatnonzero(~(weights >= 0) | ~np.isfinite(weights))
    if len(bad):
        r = int(bad[0])
        raise UsageError(
            f"weights: {spec.weights!r} is {weights[r]:g} in row {int(frame.index[r]) + 1}. Weights are numbers ≥ 0."
        )
    if not weights.any():
        raise UsageError(f"weights: all of {spec.weights!r} are 0. Nothing counts.")
    return weights


def _finish(spec: Specification, frame: Any, likelihood: Any, equations: Any, observed: Any, labels: Any) -> Any:
    blocks, where, fixed = _blocks(equations, frame, labels)
    objective = Objective(likelihood, blocks, where, observed, _weights(spec, frame), make_penalty(spec.penalty))
    clusters = None if spec.cluster is None else frame[spec.cluster].to_numpy()
    return objective, fixed, clusters


# -- models --------------------------------------------------------------------------------------------
def _tree(spec: Specification, frame: Any, name: str, game: Game) -> Problem:
    tree = _rule(spec, name, game)
    published = STRATEGIC.get(name)
    predictors = published.payoffs if published else game.parameters
    equations = _equations(spec, predictors, tree.scales, defaults={})
    columns = _named_columns(spec)
    kept, missing = _prepare(spec, frame, equations, columns[:1] if len(columns) == len(_moves(game)) else columns)
    if len(columns) == 1:
        aliases = published.aliases if published else None
        likelihood, observed = counts_from_column(
            kept, columns[0], tree, terminal=spec.terminal, aliases=aliases, labels=spec.labels
        )
    else:
        likelihood, observed = counts_from_columns(kept, columns, tree, terminal=spec.terminal)
    labels = {s: f"log({s})" for s in tree.scales}
    objective, fixed, clusters = _finish(spec, kept, likelihood, equations, observed, labels)
    whose = _whose(game)
    return Problem(
        objective,
        name,
        "tree",
        tree.choice,
        tree.errors,
        kept,
        missing,
        len(frame),
        clusters,
        fixed,
        whose,
        _stages(game, whose, objective) if isinstance(tree, TreeModel) else (),
    )


def _rule(spec: Specification, name: str, game: Game) -> TreeModel | EquilibriumModel:
    """Backward induction where everything is seen, an equilibrium for every row where it is not.

    Probit with more than two options has no closed form; the solver integrates it.
    """
    errors = spec.errors or "agent"
    if is_perfect_information(game):
        choice = spec.choice or "probit"
        widest = max((len(i.options) for i in game.infosets), default=1)
        if choice == "probit" and errors == "agent" and widest > 2:
            return EquilibriumModel(game, choice, errors, where=name)
        return TreeModel(game, choice, errors, where=name)
    return EquilibriumModel(game, spec.choice or "logit", spec.errors or "agent", where=name)


def _moves(game: Game) -> list[str]:
    return list(dict.fromkeys(i.move for i in game.infosets))


def _whose(game: Game) -> dict[str, str]:
    """Parameter → the only player whose payoffs depend on it."""
    matrix = game.payoff.matrix
    dense = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    found: dict[str, set[str]] = {}
    for k, player in enumerate(game.players):
        for m in np.flatnonzero(dense[k :: len(game.players)].any(0)):
            for atom, _ in game.basis.monomials[m]:
                op, name, _ = game.basis.atoms[atom]
                if op == "parameter":
                    found.setdefault(name, set()).add(player)
    return {name: next(iter(players)) for name, players in found.items() if len(players) == 1}


def _stages(game: Game, whose: Mapping[str, str], objective: Objective) -> tuple[tuple[str, ...], ...]:
    """Equations of each player, the last mover's first: how a first guess is made by backward induction."""
    depth = {}
    for node in range(game.num_nodes):
        if game.infoset[node] >= 0:
            depth[game.players[game.infosets[game.infoset[node]].player]] = len(game.history(node))
    names = [b.name for b in objective.blocks]
    order = sorted(depth, key=lambda player: -depth[player])
    stages = [tuple(n for n in names if whose.get(n) == player) for player in order]
    return tuple(s for s in stages if s)


def _ultimatum(spec: Specification, frame: Any, name: str) -> Problem:
    if spec.choice not in (None, "logit") or spec.errors not in (None, "private"):
        raise UsageError("ultimatum: the shocks are logistic and private. Leave choice and errors out.")
    equations = _equations(spec, ULTIMATUM, ULTIMATUM_SCALES, defaults={"s1": "~ 1", "s2": "~ 1"})
    columns = _named_columns(spec, ["offer", "accept"])
    kept, missing = _prepare(spec, frame, equations, columns)
    likelihood, observed = read_offers(
        kept, columns, spec.min_offer if spec.min_offer is not None else 0.0, spec.max_offer
    )
    objective, fixed, clusters = _finish(
        spec, kept, likelihood, equations, observed, {s: f"log({s})" for s in ULTIMATUM_SCALES}
    )
    return Problem(objective, name, "ultimatum", "logit", "private", kept, missing, len(frame), clusters, fixed)


def _signalling(spec: Specification, frame: Any, name: str) -> Problem:
    if spec.choice not in (None, "probit") or spec.errors not in (None, "private"):
        raise UsageError("signalling: the shocks are normal and private. Leave choice and errors out.")
    renamed = {signalling.ALIASES.get(k, k): v for k, v in spec.equations.items()}
    fixed_given = {signalling.ALIASES.get(k, k): v for k, v in spec.fixed.items()}
    from dataclasses import replace

    plain = replace(spec, equations=renamed, fixed=fixed_given)
    equations = _equations(plain, signalling.PREDICTORS, (), defaults={})
    columns = _named_columns(spec, list(signalling.OUTCOMES))
    first = spec.first_stage if isinstance(spec.first_stage, list | tuple) else []
    check_columns(frame, {c: "first_stage" for c in first})
    kept, missing = _prepare(spec, frame, equations, [*columns, *first])
    counts = _signal_counts(kept, columns, spec.labels)
    objective, fixed, clusters = _finish(spec, kept, signalling.Signalling(), equations, signalling.Plays(counts), {})
    return Problem(objective, name, "signalling", "probit", "private", kept, missing, len(frame), clusters, fixed)


def _signal_counts(frame: Any, columns: list[str], labels: Mapping[str, Any]) -> Float[np.ndarray, "row outcome"]:
    if len(columns) == 1:
        values = frame[columns[0]].astype(str).str.lower()
        given = {str(k).lower(): str(v).lower() for k, v in labels.items()}
        found = values.map(lambda v: given.get(v, v))
        wrong = ~found.isin(signalling.OUTCOMES)
        if wrong.any():
            r = int(np.flatnonzero(wrong)[0])
            raise UsageError(
                f"outcome: {columns[0]!r} is {values.iloc[r]!r} in row {int(frame.index[r]) + 1}. Use sq, cd, sf or "
                f"bd, or say "
                "under [labels] what it means."
            )
        return np.stack([(found == o).to_numpy(dtype=float) for o in signalling.OUTCOMES], axis=1)
    if len(columns) != 4:
        raise UsageError(
            f"outcome: {columns} are {len(columns)} columns. Give the counts of sq, cd, sf and bd, in that order."
        )
    try:
        counts = frame[columns].to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise UsageError(f"outcome: the columns {columns} do not all hold numbers. Correct the data.") from None
    bad = np.argwhere(~(counts >= 0))
    if len(bad):
        r, c = bad[0]
        raise UsageError(
            f"outcome: {columns[c]!r} is {counts[r, c]:g} in row {int(frame.index[r]) + 1}. Counts are numbers ≥ 0."
        )
    return counts
