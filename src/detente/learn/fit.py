"""Estimating a strategic model from a table: any finite tree, the ultimatum game, the crisis-signalling game."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from detente.errors import UsageError, nearest
from detente.learn import npl, signalling
from detente.learn.assemble import Problem, assemble
from detente.learn.covariance import covariance, standard_errors
from detente.learn.identification import check_rank, describe_flat
from detente.learn.modelfile import Specification, number
from detente.learn.newton import Climb
from detente.learn.objective import Objective
from detente.learn.search import Search, first_points, search

METHODS = ("npl", "pl", "mle")
SQRT2_NOTE = (
    "payoffs are measured in standard deviations of one shock: every move compares two options, so that gaps are "
    "divided "
    "by √2, as in R's games"
)


@dataclass(frozen=True, eq=False)
class Fit:
    """Estimates of a strategic model.

    Attributes:
        problem: What was estimated, with the data that were used.
        spec: The specification.
        point: The estimates.
        log_likelihood: Without any penalty.
        covariance: Of the estimates; NaN where there is none.
        covariance_kind: How it was computed.
        converged: Whether the estimates are a top of the log likelihood. If not they must not be read as estimates.
        gradient: Of the (penalised) log likelihood.
        hessian: Of the (penalised) log likelihood.
        iterations: Steps of the best search.
        message: Why the search stopped.
        notes: What a reader must know, in words.
        tops: Every different top found with the number of searches that ended there.
        extra: More about the signalling game.
    """

    problem: Problem
    spec: Specification
    point: Float[np.ndarray, "coefficient"]
    log_likelihood: float
    covariance: Float[np.ndarray, "coefficient coefficient"]
    covariance_kind: str
    converged: bool
    gradient: Float[np.ndarray, "coefficient"]
    hessian: Float[np.ndarray, "coefficient coefficient"]
    iterations: int
    message: str
    notes: tuple[str, ...] = ()
    tops: tuple[tuple[float, int], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def objective(self) -> Objective:
        """The likelihood with its data."""
        return self.problem.objective

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """(equation, term) of every coefficient."""
        return self.objective.names

    @property
    def n(self) -> int:
        """Rows that were used."""
        return self.objective.num_rows

    @property
    def num_plays(self) -> float:
        """Plays that were observed: rows, or the sum of counts and weights where rows hold several."""
        counts = getattr(self.objective.observed, "counts", None)
        each = 1.0 if counts is None else counts.sum(1)
        return float((self.objective.weights * each).sum())

    @property
    def num_coefficients(self) -> int:
        """Coefficients that were estimated."""
        return len(self.point)

    @property
    def gradient_norm(self) -> float:
        """Largest derivative of the log likelihood."""
        return float(np.abs(self.gradient).max(initial=0.0))

    @cached_property
    def std_errors(self) -> Float[np.ndarray, "coefficient"]:
        """Standard error of every coefficient; NaN where it has none."""
        return standard_errors(self.covariance)

    @cached_property
    def row_log_likelihood(self) -> Float[np.ndarray, "row"]:
        """Log likelihood of every row."""
        return self.objective.rows_log_likelihood(self.point)

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return -2 * self.log_likelihood + 2 * self.num_coefficients

    @property
    def bic(self) -> float:
        """Schwarz's criterion, with the number of plays."""
        return -2 * self.log_likelihood + float(np.log(self.num_plays)) * self.num_coefficients

    def coefficients(self) -> Any:
        """Tidy data frame: equation, term, estimate, std_error, z, p_value, and a 95 % interval."""
        from detente.learn.tables import coefficients

        return coefficients(self)

    def summary(self) -> str:
        """The regression table, as text."""
        from detente.learn.tables import text_table

        return text_table([self])

    def to_latex(self) -> str:
        """The regression table in LaTeX."""
        from detente.learn.tables import latex_table

        return latex_table([self])

    def to_html(self) -> str:
        """The regression table in HTML."""
        from detente.learn.tables import html_table

        return html_table([self])

    def to_markdown(self) -> str:
        """The regression table in Markdown."""
        from detente.learn.tables import markdown_table

        return markdown_table([self])

    def predict(self, data: Any = None) -> Any:
        """Predicted probabilities of every outcome, row by row, as a data frame."""
        from detente.learn.predict import predict

        return predict(self, data)

    def simulate(self, data: Any = None, *, seed: int = 0) -> Any:
        """Draw an outcome for every row from the estimated model."""
        from detente.learn.predict import simulate

        return simulate(self, data, seed=seed)

    def __repr__(self) -> str:
        state = "converged" if self.converged else f"NOT converged: {self.message}"
        return (
            f"Fit({self.problem.name!r}, n = {self.n:,}, log likelihood {self.log_likelihood:.4f}, "
            f"{self.num_coefficients} coefficients, {state})"
        )


def fit(
    crisis: Any,
    data: Any,
    *,
    equations: Mapping[str, Any] | None = None,
    progress_fn: Callable[[int], None] | None = None,
    **keys: Any,
) -> Fit:
    """Estimate a strategic model from a table of what happened.

    Each payoff of the model gets a formula over the columns of the table, or a number. The log likelihood is climbed
    from
    several starting points with exact first and second derivatives. Cost: 0.01 to 1 s up to some thousand rows.

    Args:
        crisis: ``strategic-12``, ``strategic-122``, ``strategic-123``, ``ultimatum``, ``signalling``; or rules of
            your own
            (a crisis in which everything is seen); or a :class:`~detente.learn.modelfile.Specification`.
        data: A data frame, or anything that pandas makes one of.
        equations: Payoff → formula such as ``"~ x1 + log(x2)"``, a number, or the name of a payoff whose formula it
            shares.
        progress_fn: Called with the number of rounds of nested pseudo-likelihood.
        **keys: The other keys of a model file: ``outcome``, ``choice``, ``errors``, ``scale``, ``fixed``, ``penalty``,
            ``labels``, ``weights``, ``covariance``, ``cluster``, ``rows``, ``method``, ``first_stage``, ``min_offer``,
            ``max_offer``, ``start``, ``starts``, ``seed``.

    Returns:
        The estimates with everything that belongs to them. ``converged`` says whether they can be used.

    Raises:
        UsageError: If model and data do not fit together, or the coefficients cannot be told apart.

    Example:
        >>> import pandas as pd
        >>> data = pd.DataFrame({"y": [1] * 40 + [3] * 25 + [4] * 35})
        >>> found = fit("strategic-12", data, equations={"u11": 0, "u13": 0, "u14": "~ 1", "u24": "~ 1"}, outcome="y")
        >>> found.converged, round(found.log_likelihood, 4)
        (True, -108.0528)
        >>> found.predict().iloc[0].round(2).to_dict()
        {'1': 0.4, '3': 0.25, '4': 0.35}
    """
    if isinstance(crisis, Specification):
        spec = replace(crisis, **({"equations": equations} if equations else {}), **_known(keys))
    else:
        spec = Specification(crisis, equations or {}, **_known(keys))
    problem = assemble(spec, data)
    if problem.kind == "signalling":
        return _fit_signalling(spec, problem, progress_fn)
    points = first_points(problem)
    doubt = None
    try:
        check_rank(problem.objective, dict(problem.players), points=points)
    except UsageError as error:
        if problem.kind == "tree":
            raise
        doubt = error  # far from the data the ultimatum model is flat: the place found decides
    found = _search(spec if doubt is None or spec.starts else replace(spec, starts=3), problem, points)
    if doubt is not None and not found.best.at_top:
        raise doubt
    if not np.isfinite(found.best.value):
        raise UsageError(_impossible(problem, found.best.point))
    return _made(spec, problem, found.best, found)


def _impossible(problem: Problem, point: np.ndarray) -> str:
    """Which row the model makes impossible, and on which path it lies."""
    rows = problem.objective.rows_log_likelihood(point)
    bad = np.flatnonzero(~np.isfinite(rows))
    if not len(bad):
        return f"{problem.name}: no starting point could be evaluated. Give one under [start]."
    r = int(bad[0])
    what = "what was observed"
    if problem.kind == "tree":
        tree = problem.objective.likelihood
        cell = int(np.argmax(problem.objective.observed.counts[r]))
        path = tree.model.game.history(int(tree.model.game.leaf_nodes[tree.cells[cell][0]]))
        steps = ", ".join(f"{move}: {option}" for move, option in path)
        what = f"the outcome {tree.labels[cell]!r} (path {steps})"
    return (
        f"data: row {int(problem.frame.index[r]) + 1} is impossible under the model: {what} has probability zero there "
        f"({len(bad)} rows in all). Correct the data or the rules."
    )


def _known(keys: Mapping[str, Any]) -> dict[str, Any]:
    known = set(Specification.__dataclass_fields__) - {"model", "equations"}
    for key in keys:
        if key not in known:
            raise UsageError(f"fit: {key!r} is not known.{nearest(key, sorted(known))}")
    return dict(keys)


def _search(spec: Specification, problem: Problem, points: list[np.ndarray]) -> Search:
    given = None
    if spec.start:
        given = np.zeros(problem.objective.num_coefficients)
        names = {f"{e}:{t}": k for k, (e, t) in enumerate(problem.objective.names)}
        for name, value in spec.start.items():
            amount = number(value)
            if name not in names or amount is None:
                raise UsageError(
                    f"start: {name!r} = {value!r} cannot be used.{nearest(name, names)} Write 'u11:x1' = 0.5."
                )
            given[names[name]] = amount
    return search(problem, given=given, points=points, starts=spec.starts, seed=spec.seed)


def _made(
    spec: Specification,
    problem: Problem,
    top: Climb,
    found: Search | None,
    *,
    converged: bool | None = None,
    matrix: np.ndarray | None = None,
    kind: str | None = None,
    notes: tuple[str, ...] = (),
    extra: Mapping[str, Any] | None = None,
) -> Fit:
    objective = problem.objective
    kind = kind or spec.covariance or ("cluster" if spec.cluster else "hessian")
    good = top.at_top if converged is None else converged
    said = list(notes)
    if top.flat is not None:
        said.insert(0, describe_flat(objective, top.flat))
    elif not top.at_top:
        said.insert(
            0, f"not converged: {top.message}; the largest derivative is {np.abs(top.gradient).max(initial=0):.2g}."
        )
    if found is not None and found.note:
        said.append(found.note)
    if problem.kind == "tree":
        seen = objective.observed.counts[objective.weights > 0].sum(0)
        never = [label for label, count in zip(objective.likelihood.labels, seen, strict=True) if not count]
        if never:
            said.append(f"never observed: {', '.join(never)}. What depends on it cannot be told from the data.")
    if problem.missing:
        lost = problem.num_given - objective.num_rows
        columns = ", ".join(f"{c} ({k})" for c, k in problem.missing.items())
        said.append(
            f"missing: {lost} of {problem.num_given} rows were left out because of missing values in {columns}."
        )
    if matrix is None:
        p = objective.num_coefficients
        matrix = (
            covariance(objective, top.point, top.hessian, kind, problem.clusters) if good else np.full((p, p), np.nan)
        )
    penalty = float(objective.penalty.evaluate(top.point, objective.penalty_scales)[0])
    return Fit(
        problem,
        spec,
        top.point,
        top.value - penalty,
        matrix,
        kind,
        bool(good),
        top.gradient,
        top.hessian,
        top.iterations,
        top.message,
        tuple(said),
        found.tops if found else ((top.value, 1),),
        extra or {},
    )


# -- the signalling game ---------------------------------------------------------------------------------
def _fit_signalling(spec: Specification, problem: Problem, progress_fn: Callable[[int], None] | None) -> Fit:
    method = (spec.method or "npl").lower()
    if method not in METHODS:
        raise UsageError(f"method: {spec.method!r} is not known. Use 'npl', 'pl' or 'mle'.")
    base = problem.objective
    first = spec.first_stage
    where = "first_stage"
    if isinstance(first, Mapping):
        first = [first.get("resist"), first.get("fight")]
    if isinstance(first, list | tuple):
        if len(first) != 2 or any(c not in problem.frame.columns for c in first):
            raise UsageError(
                f"first_stage: {first!r}. Name two columns: the chance that B resists, and that A stands firm."
            )
        resist, fight = (problem.frame[c].to_numpy(dtype=float) for c in first)
        where = f"first_stage {list(first)}"
    else:
        if method == "pl" and first is None:
            raise UsageError(
                "first_stage: the pseudo-likelihood needs first-stage chances. Name two columns, or use 'forest' or "
                "'logit'."
            )
        resist, fight = npl.estimated_first_stage(base, first or "logit", spec.seed)
    problem = replace(problem, objective=npl.with_first_stage(base, resist, fight, where))
    points = first_points(problem)
    check_rank(problem.objective, _signalling_players(), points=points)
    found = _search(spec, problem, points)
    if method == "pl":
        note = (
            "standard errors take the first stage as known; they are too small where it was estimated. Use the "
            "bootstrap "
            "over both stages, or method = 'npl'."
        )
        return _made(spec, problem, found.best, found, notes=(note,), extra={"method": "pl"})
    nested = npl.nested(problem.objective, found.best, progress_fn=progress_fn)
    at_rest = replace(problem, objective=nested.objective)
    if method == "mle":
        return _full(spec, at_rest, nested, base)
    radius, _ = npl.stable(nested.objective, nested.top.point)
    count = signalling.count_equilibria(base.values(nested.top.point, slice(None), 0), base.num_rows)
    good = nested.top.at_top and nested.at_rest
    notes = _multiplicity(count)
    if not nested.at_rest:
        notes = (f"not converged: chances still changed by {nested.change:.2g} after {nested.rounds} rounds.", *notes)
    if radius >= 1:
        notes = (*notes, f"unstable: best responses have spectral radius {radius:.3f} in some game; NPL may miss it.")
    matrix, kind = None, None
    if good and spec.covariance is None and spec.cluster is None:
        matrix, kind = npl.nested_covariance(nested.objective, nested.top.point), "npl"
    extra = {
        "method": "npl",
        "rounds": nested.rounds,
        "largest_change": nested.change,
        "spectral_radius": radius,
        "equilibria": _histogram(count),
    }
    if good:
        extra["std_error_sigint"] = npl.sigint_errors(nested.objective, nested.top.point).tolist()
    return _made(spec, at_rest, nested.top, found, converged=good, matrix=matrix, kind=kind, notes=notes, extra=extra)


def _full(spec: Specification, problem: Problem, nested: npl.Nested, base: Objective) -> Fit:
    """The likelihood proper: every game at its equilibrium, derivatives by the implicit function theorem."""
    starting = replace(problem, objective=base)
    given = nested.top.point
    found = search(starting, given=given, starts=spec.starts or 2, seed=spec.seed)
    count = signalling.count_equilibria(base.values(found.best.point, slice(None), 0), base.num_rows)
    extra = {"method": "mle", "equilibria": _histogram(count)}
    return _made(spec, starting, found.best, found, notes=_multiplicity(count), extra=extra)


def _histogram(count: np.ndarray) -> dict[str, int]:
    values, numbers = np.unique(count, return_counts=True)
    return {str(int(v)): int(k) for v, k in zip(values, numbers, strict=True)}


def _multiplicity(count: np.ndarray) -> tuple[str, ...]:
    several = int((count > 1).sum())
    if not several:
        return ()
    return (
        f"multiplicity: {several} of {len(count)} games have several equilibria at these estimates (up to "
        f"{count.max()}); "
        "the likelihood takes one of them, and another would give other estimates.",
    )


def _signalling_players() -> dict[str, str]:
    return {name: "A" if name in ("SA", "VA", "barWA", "bara") else "B" for name in signalling.PREDICTORS}


def fit_json(found: Fit) -> dict[str, Any]:
    """A fit as plain values, in the form that other programs read.

    Args:
        found: The fit.
    """

    def plain(x: float) -> float | None:
        return float(x) if np.isfinite(x) else None

    sigint = found.extra.get("std_error_sigint")
    rows = []
    for k, (equation, term) in enumerate(found.names):
        row = {
            "equation": equation,
            "term": term,
            "estimate": plain(found.point[k]),
            "std_error": plain(found.std_errors[k]),
        }
        if sigint is not None:
            row["std_error_sigint"] = plain(sigint[k])
        rows.append(row)
    penalised = found.objective.penalty.kind != "none"
    data: dict[str, Any] = {
        "model": found.problem.name,
        "n": found.n,
        "plays": found.num_plays,
        "log_likelihood": plain(found.log_likelihood),
        "converged": found.converged,
        "gradient_norm": plain(found.gradient_norm),
        "iterations": found.iterations,
        "coefficients": rows,
        "fixed": dict(found.problem.fixed),
        "choice": found.problem.choice,
        "errors": found.problem.errors,
        "covariance": found.covariance_kind,
        "aic": plain(found.aic),
        "bic": plain(found.bic),
        "missing": dict(found.problem.missing),
        "tops": [{"log_likelihood": value, "searches": count} for value, count in found.tops],
        "notes": list(found.notes),
        "message": found.message,
    }
    if penalised:
        value = found.objective.penalty.evaluate(found.point, found.objective.penalty_scales)[0]
        data["penalised_log_likelihood"] = plain(found.log_likelihood + float(value))
    data |= {k: v for k, v in found.extra.items() if k != "std_error_sigint"}
    return data
