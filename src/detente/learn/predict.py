"""What an estimated model predicts: probabilities by row, profiles, differences with intervals, simulated data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from detente.errors import UsageError, nearest
from detente.learn import jets, signalling
from detente.learn.formulas import complete_rows, design, variables
from detente.learn.signalling import Plays, Signalling

if TYPE_CHECKING:
    from detente.learn.fit import Fit


def _columns_used(fit: "Fit", frame: Any) -> list[str]:
    found = [v for b in fit.objective.blocks for v in variables(b.name, b.formula, frame.columns)]
    return list(dict.fromkeys(found))


def _regressors(fit: "Fit", data: Any) -> tuple[list[np.ndarray], Any]:
    """The regressors of every equation for other rows, and those rows' index."""
    import pandas as pd

    if data is None:
        return [b.columns for b in fit.objective.blocks], fit.problem.frame.index
    frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
    kept, missing = complete_rows(frame, _columns_used(fit, frame))
    if missing:
        raise UsageError(f"predict: values are missing in {missing}. Fill them, or leave those rows out.")
    made = [design(b.name, b.formula, kept, spec=b.spec) for b in fit.objective.blocks]
    for old, new in zip(fit.objective.blocks, made, strict=True):
        if old.terms != new.terms:
            raise UsageError(f"predict: the data give {list(new.terms)} for {old.name}, the fit had {list(old.terms)}.")
    return [m.columns for m in made], kept.index


def labels(fit: "Fit") -> tuple[str, ...]:
    """Names of the outcomes whose probabilities a model predicts.

    Args:
        fit: The estimates.

    Raises:
        UsageError: If the model predicts offers, which are numbers.
    """
    if fit.problem.kind == "signalling":
        return signalling.OUTCOMES
    if fit.problem.kind == "ultimatum":
        return ("offer", "accept")
    return fit.objective.likelihood.labels


def _probabilities(
    fit: "Fit", columns: Sequence[np.ndarray], points: np.ndarray
) -> Float[np.ndarray, "point row outcome"]:
    """Probabilities for several sets of coefficients at once."""
    objective = fit.objective
    starts = objective.starts
    made = [points[:, starts[k] : starts[k + 1]] @ x.T for k, x in enumerate(columns)]
    num = len(columns[0]) if columns else objective.num_rows
    values = {
        name: made[place] if isinstance(place, int) else np.full((len(points), num), float(place))
        for name, place in objective.where.items()
    }
    if fit.problem.kind == "signalling":
        logs = Signalling().log_probabilities(values, Plays(np.zeros((num, 4))))
    elif fit.problem.kind == "ultimatum":
        return _offers(fit, values)
    else:
        logs = objective.likelihood.log_probabilities(values)
    shape = (len(points), num)
    return np.stack([np.broadcast_to(np.exp(jets.value_of(v)), shape) for v in logs], axis=-1)


def _offers(fit: "Fit", values: Mapping[str, Any]) -> np.ndarray:
    """The best offer without a shock, and the chance that it is accepted."""
    from scipy.special import expit

    s2 = np.exp(values["s2"])
    offer = fit.objective.likelihood.best_offer(values["R1"], values["R2"], s2)
    return np.stack([offer, expit((offer - values["R2"]) / s2)], axis=-1)


def predict(fit: "Fit", data: Any = None) -> Any:
    """Predicted probability of every outcome, row by row.

    For the ultimatum game: the offer that is best without a shock, and the chance that it is accepted. For the
    signalling game: at the equilibrium of every row.

    Args:
        fit: The estimates.
        data: Rows with the columns of the formulas; default the rows of the fit.

    Returns:
        A data frame with one column an outcome.

    Raises:
        UsageError: If a column or a value is missing.
    """
    import pandas as pd

    columns, index = _regressors(fit, data)
    found = _probabilities(fit, columns, fit.point[None])[0]
    return pd.DataFrame(found, index=index, columns=list(labels(fit)))


def simulate(fit: "Fit", data: Any = None, *, seed: int = 0) -> Any:
    """Draw what happens in every row from the estimated model.

    Args:
        fit: The estimates.
        data: Rows with the columns of the formulas; default the rows of the fit.
        seed: Of the draws.

    Returns:
        A series of outcomes; for the ultimatum game a data frame of offers and answers.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    columns, index = _regressors(fit, data)
    if fit.problem.kind == "ultimatum":
        return _simulated_offers(fit, columns, index, rng)
    chances = _probabilities(fit, columns, fit.point[None])[0]
    cumulative = np.cumsum(chances, axis=1)
    drawn = (rng.random(len(chances))[:, None] * cumulative[:, -1:] > cumulative).sum(1)
    return pd.Series(np.array(labels(fit))[drawn], index=index, name="outcome")


def _simulated_offers(fit: "Fit", columns: Sequence[np.ndarray], index: Any, rng: np.random.Generator) -> Any:
    import pandas as pd

    objective = fit.objective
    made = [x @ fit.point[objective.starts[k] : objective.starts[k + 1]] for k, x in enumerate(columns)]
    value = {n: made[p] if isinstance(p, int) else float(p) for n, p in objective.where.items()}
    num = len(index)
    s1, s2 = np.exp(value["s1"]), np.exp(value["s2"])
    offer = objective.likelihood.best_offer(value["R1"], value["R2"], s2, rng.logistic(size=num) * s1)
    accept = offer >= value["R2"] + rng.logistic(size=num) * s2
    return pd.DataFrame({"offer": offer, "accept": accept.astype(int)}, index=index)


# -- profiles ------------------------------------------------------------------------------------------
def typical(fit: "Fit") -> dict[str, Any]:
    """A typical row: the median of every number, the most frequent of every category.

    Args:
        fit: The estimates.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    frame = fit.problem.frame
    found = {}
    for column in _columns_used(fit, frame):
        values = frame[column]
        plain = is_numeric_dtype(values) and not is_bool_dtype(values)
        found[column] = float(values.median()) if plain and values.nunique() > 2 else values.mode().iloc[0]
    return found


def profile(
    fit: "Fit",
    column: str,
    values: Sequence[Any] | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    draws: int = 1_000,
    level: float = 0.9,
    seed: int = 0,
) -> Any:
    """Predicted probabilities as one column changes and the others stay typical, with intervals.

    Args:
        fit: The estimates.
        column: What changes.
        values: Its values; default 25 from its least to its greatest, or its categories.
        at: Values of other columns; default :func:`typical`.
        draws: From the normal distribution of the estimates, for the intervals.
        level: Of the intervals.
        seed: Of the draws.

    Returns:
        Tidy data frame: the column, outcome, probability, low, high.

    Raises:
        UsageError: If the fit did not converge, or the column is in no formula.
    """
    import pandas as pd

    rows = _profile_rows(fit, column, values, at)
    columns, _ = _regressors(fit, rows)
    best = _probabilities(fit, columns, fit.point[None])[0]
    drawn = _probabilities(fit, columns, _drawn_points(fit, draws, seed))
    low, high = _ends(drawn, level)
    frames = [
        pd.DataFrame(
            {column: rows[column], "outcome": name, "probability": best[:, k], "low": low[:, k], "high": high[:, k]}
        )
        for k, name in enumerate(labels(fit))
    ]
    return pd.concat(frames, ignore_index=True)


def first_difference(
    fit: "Fit",
    column: str,
    before: Any,
    after: Any,
    *,
    at: Mapping[str, Any] | None = None,
    draws: int = 1_000,
    level: float = 0.9,
    seed: int = 0,
) -> Any:
    """How the probability of every outcome changes as one column goes from one value to another.

    Args:
        fit: The estimates.
        column: What changes.
        before: From this value.
        after: To this value.
        at: Values of other columns; default :func:`typical`.
        draws: From the normal distribution of the estimates.
        level: Of the intervals.
        seed: Of the draws.

    Returns:
        Tidy data frame: outcome, difference, low, high.
    """
    import pandas as pd

    rows = _profile_rows(fit, column, [before, after], at)
    columns, _ = _regressors(fit, rows)
    best = _probabilities(fit, columns, fit.point[None])[0]
    drawn = _probabilities(fit, columns, _drawn_points(fit, draws, seed))
    low, high = _ends(drawn[:, 1] - drawn[:, 0], level)
    return pd.DataFrame({"outcome": list(labels(fit)), "difference": best[1] - best[0], "low": low, "high": high})


def _profile_rows(fit: "Fit", column: str, values: Sequence[Any] | None, at: Mapping[str, Any] | None) -> Any:
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    base = typical(fit)
    for name in (column, *(at or {})):
        if name not in base:
            raise UsageError(f"profile: {name!r} is in no formula of the model.{nearest(name, base)}")
    if values is None:
        given = fit.problem.frame[column]
        spread = is_numeric_dtype(given) and given.nunique() > 10
        values = np.linspace(given.min(), given.max(), 25) if spread else sorted(given.unique())
    return pd.DataFrame([{**base, **(at or {}), column: value} for value in values])


def _drawn_points(fit: "Fit", draws: int, seed: int) -> np.ndarray:
    if not fit.converged or not np.isfinite(fit.covariance).all():
        raise UsageError(
            f"predict: the fit has no errors to draw from ({fit.message}). Intervals need a fit that converged."
        )
    values, directions = np.linalg.eigh(fit.covariance)
    normal = np.random.default_rng(seed).normal(size=(draws, len(values)))
    return fit.point + (normal * np.sqrt(np.maximum(values, 0.0))) @ directions.T


def _ends(drawn: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    tail = 50 * (1 - level)
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0)
    return low, high


def plot_profile(frame: Any) -> Any:
    """A chart of :func:`profile`: a line an outcome, with its interval as a band.

    Args:
        frame: What :func:`profile` returned.

    Returns:
        An Altair chart.
    """
    import altair as alt

    column = str(frame.columns[0])
    base = alt.Chart(frame).encode(
        x=alt.X(f"{column}:Q" if frame[column].dtype.kind in "fi" else f"{column}:N", title=column),
        color=alt.Color("outcome:N", title="outcome"),
    )
    band = base.mark_area(opacity=0.2).encode(
        y=alt.Y("low:Q", title="predicted probability", scale=alt.Scale(domain=[0, 1])), y2="high:Q"
    )
    return band + base.mark_line().encode(y="probability:Q")


def plot_coefficients(fit: "Fit") -> Any:
    """A chart of the estimates with 95 % intervals, an equation a panel.

    Args:
        fit: The estimates.

    Raises:
        UsageError: If the fit did not converge.
    """
    import altair as alt

    if not fit.converged:
        raise UsageError(f"plot_coefficients: the fit did not converge ({fit.message}). There is nothing to show.")
    frame = fit.coefficients()
    base = alt.Chart(frame).encode(y=alt.Y("term:N", title=None, sort=None))
    line = base.mark_rule().encode(x=alt.X("low:Q", title="estimate, 95 % interval"), x2="high:Q")
    return (line + base.mark_point(filled=True).encode(x="estimate:Q")).facet(row=alt.Row("equation:N", sort=None))
