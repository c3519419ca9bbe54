"""Estimating a strategic model from a table: any finite tree, the ultimatum game, the crisis-signalling game."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from detente.errors import UsageError, nearest
from detente.learn import jets
from detente.learn.assemble import Problem, assemble
from detente.learn.covariance import covariance, standard_errors
from detente.learn.equilibrium import EquilibriumModel, off_branch
from detente.learn.identification import check_rank, describe_flat
from detente.learn.modelfile import Specification, number
from detente.learn.newton import Climb
from detente.learn.objective import Objective
from detente.learn.search import Search, first_points, search

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

    def posterior(self, **keys: Any) -> Any:
        """Draws from the posterior; the keys of :func:`detente.learn.fit_posterior.fit_posterior`."""
        from detente.learn.fit_posterior import fit_posterior

        return fit_posterior(self, **keys)

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
            your own; or a :class:`~detente.learn.modelfile.Specification`.
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
        from detente.learn.fit_signalling import fit_signalling

        return fit_signalling(spec, problem, progress_fn)
    points = first_points(problem)
    doubt = None
    try:
        check_rank(problem.objective, dict(problem.players), points=points)
    except UsageError as error:
        if problem.kind == "tree":
            raise
        doubt = error  # far from the data the ultimatum model is flat: the place found decides
    found = search_from(spec if doubt is None or spec.starts else replace(spec, starts=3), problem, points)
    if doubt is not None and not found.best.at_top:
        raise doubt
    if not np.isfinite(found.best.value):
        raise UsageError(_impossible(problem, found.best.point))
    notes, good = _on_branch(problem, found.best)
    return make_fit(spec, problem, found.best, found, converged=good, notes=notes)


def _on_branch(problem: Problem, top: Climb) -> tuple[tuple[str, ...], bool]:
    """Whether the estimates can be used, and what to say where a search may have followed another equilibrium."""
    model = problem.objective.likelihood.model if problem.kind == "tree" else None
    if not isinstance(model, EquilibriumModel):
        return (), top.at_top
    values = {n: np.asarray(jets.value_of(v)) for n, v in problem.objective.values(top.point, slice(None), 0).items()}
    lost = off_branch(model, values)
    if not lost:
        return (), top.at_top
    return (
        f"not converged: in {lost} of {problem.objective.num_rows} rows the search took another equilibrium than the "
        "one that careful following leads to, or none was found. Fix a larger error scale, or start elsewhere.",
    ), False


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


def search_from(spec: Specification, problem: Problem, points: list[np.ndarray]) -> Search:
    """Search from the starting point of the specification, if it has one, and from others.

    Args:
        spec: With ``start``, ``starts`` and ``seed``.
        problem: What is to be estimated.
        points: Starting points that are worked out.

    Raises:
        UsageError: If the specification's point names no coefficient.
    """
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


def make_fit(
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
    """Put estimates, errors and what must be said about them together.

    Args:
        spec: The specification.
        problem: What was estimated.
        top: Where the best search ended.
        found: All searches; None if there was only one.
        converged: Whether the estimates can be used; default: whether the search reached a top.
        matrix: Covariance, if it is known already.
        kind: How that was computed.
        notes: What has to be said first.
        extra: More about the model.
    """
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
        penalised = objective.penalty.kind != "none"  # what the searches climbed is then not what the table shows
        said.append(found.note.replace("log likelihood", "penalised log likelihood") if penalised else found.note)
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


def fit_json(found: Fit) -> dict[str, Any]:
    """A fit as plain values, in the form that other programs read.

    Args:
        found: The fit.
    """

    def plain(x: float) -> float | None:
        return float(x) if np.isfinite(x) else None

    others = {k: v for k, v in found.extra.items() if k.startswith(("std_error_", "profile_"))}
    rows = []
    for k, (equation, term) in enumerate(found.names):
        row = {
            "equation": equation,
            "term": term,
            "estimate": plain(found.point[k]),
            "std_error": plain(found.std_errors[k]),
        }
        row |= {name: plain(values[k]) for name, values in others.items()}
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
    data |= {k: v for k, v in found.extra.items() if k not in others}
    return data
