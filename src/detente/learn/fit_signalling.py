"""Estimating the crisis-signalling game from a table: which likelihood, where to start, which errors."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from detente.errors import UsageError
from detente.learn import npl, signalling
from detente.learn.assemble import Problem
from detente.learn.covariance import standard_errors
from detente.learn.fit import Fit, make_fit, search_from
from detente.learn.identification import check_rank
from detente.learn.modelfile import Specification
from detente.learn.newton import Climb
from detente.learn.objective import Objective
from detente.learn.search import first_points, search

METHODS = ("npl", "pl", "mle")
NPL_ERRORS = "sigint"  # what published fits of this model report, so that numbers can be compared
SIGINT_NOTE = (
    "standard errors are those of R's sigInt, for comparison with published fits. On the sanctions data many are up to "
    "twice as large as a bootstrap's and some are too small; those of covariance = 'npl' (std_error_npl in the JSON) "
    "are nearer to it."
)


def fit_signalling(spec: Specification, problem: Problem, progress_fn: Callable[[int], None] | None = None) -> Fit:
    """Estimate the crisis-signalling game: pseudo-likelihood, the nested kind, or the likelihood proper.

    Args:
        spec: The specification.
        problem: Likelihood, regressors and data.
        progress_fn: Called with the number of rounds of nested pseudo-likelihood.

    Returns:
        The estimates, with the number of equilibria of every game.

    Raises:
        UsageError: If the method or the first stage cannot be used, or the coefficients cannot be told apart.
    """
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
    found = search_from(spec, problem, points)
    if method == "pl":
        note = (
            "standard errors take the first stage as known; they are too small where it was estimated. Use the "
            "bootstrap "
            "over both stages, or method = 'npl'."
        )
        return make_fit(spec, problem, found.best, found, notes=(note,), extra={"method": "pl"})
    nested = npl.nested(problem.objective, found.best, progress_fn=progress_fn)
    at_rest = replace(problem, objective=nested.objective)
    if method == "mle":
        return _full(spec, at_rest, nested, found.best, base)
    radius, _ = npl.stable(nested.objective, nested.top.point)
    count = signalling.count_equilibria(base.values(nested.top.point, slice(None), 0), base.num_rows)
    good = nested.top.at_top and nested.at_rest
    notes = _multiplicity(count)
    if not nested.at_rest:
        notes = (f"not converged: chances still changed by {nested.change:.2g} after {nested.rounds} rounds.", *notes)
    if radius >= 1:
        notes = (*notes, f"unstable: best responses have spectral radius {radius:.3f} in some game; NPL may miss it.")
    if nested.share < 1:
        notes = (
            *notes,
            f"the chances swung from round to round and were moved by {nested.share:g} of the way at last.",
        )
    matrix, kind = None, None
    asked = spec.covariance or ("cluster" if spec.cluster else NPL_ERRORS)
    if good and asked in npl.ERRORS:
        matrix, kind = npl.nested_covariance(nested.objective, nested.top.point, asked), asked
    extra = {
        "method": "npl",
        "rounds": nested.rounds,
        "largest_change": nested.change,
        "spectral_radius": radius,
        "equilibria": _histogram(count),
    }
    if good:
        for name in npl.ERRORS:
            other = npl.nested_covariance(nested.objective, nested.top.point, name)
            extra[f"std_error_{name}"] = standard_errors(other).tolist()
        if kind == "sigint":
            notes = (*notes, SIGINT_NOTE)
    return make_fit(
        spec, at_rest, nested.top, found, converged=good, matrix=matrix, kind=kind, notes=notes, extra=extra
    )


def _full(spec: Specification, problem: Problem, nested: npl.Nested, first: Climb, base: Objective) -> Fit:
    """The likelihood proper: every game at its equilibrium, derivatives by the implicit function theorem."""
    starting = replace(problem, objective=base)
    points = _near_pseudo(nested, first, spec)
    found = search(starting, points=points, starts=len(points), seed=spec.seed)
    count = signalling.count_equilibria(base.values(found.best.point, slice(None), 0), base.num_rows)
    extra = {"method": "mle", "equilibria": _histogram(count)}
    return make_fit(spec, starting, found.best, found, notes=_multiplicity(count), extra=extra)


def _near_pseudo(nested: npl.Nested, first: Climb, spec: Specification) -> list[np.ndarray]:
    """Where to start the likelihood proper: far from the estimates by pseudo-likelihood games have no equilibrium."""
    rng = np.random.default_rng(spec.seed)
    points = [nested.top.point, first.point]
    errors = standard_errors(npl.nested_covariance(nested.objective, nested.top.point)) if nested.top.at_top else None
    if errors is None or not np.isfinite(errors).all():
        errors = 0.1 / nested.objective.sizes
    wanted = spec.starts or 4
    points += [nested.top.point + errors * rng.normal(size=len(errors)) for _ in range(wanted - 2)]
    return points[: max(1, wanted)]


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
