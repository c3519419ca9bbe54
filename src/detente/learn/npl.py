"""Pseudo-likelihood of the signalling game: chances from a first stage, once or until they reproduce themselves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from detente.errors import UsageError
from detente.learn import jets
from detente.learn.newton import GRADIENT, Climb, climb
from detente.learn.objective import Objective
from detente.learn.signalling import Plays, answer, best_responses, stakes

LEAST = 1e-3  # first-stage chances are kept this far from 0 and 1
ERRORS = ("npl", "sigint")
PATIENCE = 25  # rounds after which the chances must have come ten times closer, or are updated by half as much
LEAST_SHARE = 1 / 16


@dataclass(frozen=True, eq=False)
class Nested:
    """Where nested pseudo-likelihood ended.

    Attributes:
        objective: With the last chances as its first stage.
        top: The estimates.
        rounds: How often the chances were updated.
        change: Largest change of a chance in the last round.
        at_rest: Whether the chances reproduce themselves.
        share: How far the chances were moved towards the answers in the last round; less than 1 if they swung.
    """

    objective: Objective
    top: Climb
    rounds: int
    change: float
    at_rest: bool
    share: float = 1.0


def with_first_stage(objective: Objective, resist: Any, fight: Any, where: str = "first_stage") -> Objective:
    """The pseudo-likelihood at given first-stage chances.

    Args:
        objective: Of the signalling game.
        resist: Chance that B resists, by row.
        fight: Chance that A stands firm, by row.
        where: For messages.

    Raises:
        UsageError: If one is not between 0 and 1.
    """
    for name, values in (("resist", resist), ("fight", fight)):
        bad = np.flatnonzero(~((np.asarray(values) > 0) & (np.asarray(values) <= 1)))
        if len(bad):
            raise UsageError(
                f"{where}: the chance to {name} is {values[bad[0]]:g} in the row numbered {int(bad[0]) + 1} of "
                f"those used. "
                "A chance lies between 0 and 1."
            )
    return replace(
        objective, observed=objective.observed.believing(np.asarray(resist, float), np.asarray(fight, float))
    )


def estimated_first_stage(objective: Objective, how: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Chances of resistance and of standing firm, estimated from every regressor of the model.

    Args:
        objective: Of the signalling game.
        how: ``forest`` (random forest) or ``logit``.
        seed: Of the forest.

    Raises:
        UsageError: If ``how`` is not known.
    """
    if how not in ("forest", "logit"):
        raise UsageError(
            f"first_stage = {how!r} is not known. Name two columns of chances, or use 'forest' or 'logit'."
        )
    columns = [b.columns for b in objective.blocks]
    x = np.unique(np.concatenate(columns, axis=1), axis=1) if columns else np.ones((objective.num_rows, 1))
    quiet, concede, firm, down = objective.observed.counts.T
    del quiet
    return _shares(x, firm + down, concede, how, seed), _shares(x, firm, down, how, seed)


def _shares(x: np.ndarray, yes: np.ndarray, no: np.ndarray, how: str, seed: int) -> np.ndarray:
    seen = yes + no > 0
    if not yes.any() or not no.any():
        raise UsageError(
            "first_stage: B always resists, or never does, or A always stands firm, or never does: that side of the "
            "game "
            "cannot be estimated. Use data with both."
        )
    if how == "forest":
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(200, min_samples_leaf=5, random_state=seed, n_jobs=1)
        forest.fit(x[seen], (yes / np.maximum(yes + no, 1))[seen], sample_weight=(yes + no)[seen])
        found = forest.predict(x)
    else:
        from sklearn.linear_model import LogisticRegression

        both = np.concatenate([x[seen], x[seen]])
        size = np.where(both.std(0) > 0, both.std(0), 1.0)
        labels = np.repeat([1, 0], int(seen.sum()))
        model = LogisticRegression(max_iter=1_000).fit(both / size, labels, np.concatenate([yes[seen], no[seen]]))
        found = model.predict_proba(x / size)[:, 1]
    return np.clip(found, LEAST, 1 - LEAST)


def nested(
    objective: Objective,
    start: Climb,
    *,
    max_rounds: int = 500,
    tolerance: float = 1e-11,
    progress_fn: Callable[[int], None] | None = None,
) -> Nested:
    """Update the first-stage chances with the answers they imply, and estimate again, until nothing changes.

    Args:
        objective: With first-stage chances.
        start: Estimates at those chances.
        max_rounds: Give up after this many updates.
        tolerance: Largest change of a chance at which to stop.
        progress_fn: Called with the number of rounds.
    """
    top, change, rounds = start, np.inf, 0
    share, before = 1.0, np.inf
    for rounds in range(1, max_rounds + 1):
        old = objective.observed
        resist, fight = best_responses(objective.values(top.point, slice(None), 0), old)
        change = float(max(np.abs(resist - old.resist).max(), np.abs(fight - old.fight).max()))
        if not np.isfinite(change) or (resist <= 0).any() or (fight <= 0).any():
            break
        if rounds % PATIENCE == 0:  # answers that swing past each other come to rest when taken in part
            share, before = (share if change < 0.1 * before else max(0.5 * share, LEAST_SHARE)), change
        believed = [now + share * (new - now) for now, new in ((old.resist, resist), (old.fight, fight))]
        objective = replace(objective, observed=old.believing(*believed))
        # No need to be exact while the chances still move.
        loose = min(1e-1, max(GRADIENT, change))
        top = climb(objective.evaluate, top.point, objective.sizes, tolerance=loose)
        if progress_fn is not None:
            progress_fn(rounds)
        if change < tolerance or not np.isfinite(top.value):
            break
    return Nested(objective, top, rounds, change, change < 1e-8, share)


# -- standard errors -----------------------------------------------------------------------------------
def sensitivities(objective: Objective, theta: np.ndarray) -> dict[str, Any]:
    """Derivatives that the errors of nested pseudo-likelihood need, row by row.

    Args:
        objective: With the final chances as first stage.
        theta: The estimates.

    Returns:
        ``scores`` (row, coefficient), ``by_chance`` (row, 2): derivative of a row's log likelihood by its own two
        chances;
        ``responses`` (row, 2, 2): of the best responses by the chances; ``response_scores`` (row, 2, coefficient).
    """
    plays: Plays = objective.observed
    num = len(plays.counts)
    assert plays.resist is not None and plays.fight is not None
    k_r, k_f = len(objective.blocks), len(objective.blocks) + 1
    values = objective.values(theta, slice(None), 1)
    resist, fight = jets.variable(plays.resist, k_r, 1), jets.variable(plays.fight, k_f, 1)
    u = answer(values, jets.log(fight) * -1.0)
    quiet, firm, bluff = stakes(values, resist, 1.0 - resist)
    challenge = jets.log_sum_exp([firm, bluff])
    yields, resists = jets.log_normal_cdf(u * -1.0), jets.log_normal_cdf(u)
    logs = [quiet, challenge + yields, firm + resists, bluff + resists]
    row_log: Any = 0.0
    for c, part in enumerate(logs):
        row_log = jets.select(plays.counts[:, c] > 0, part * plays.counts[:, c]) + row_log
    made = (jets.exp(jets.log_normal_cdf(u)), jets.exp(firm - challenge))

    def by_theta(jet: Any) -> np.ndarray:
        found = np.zeros((num, objective.num_coefficients))
        for k, block in enumerate(objective.blocks):
            if k in jet.first:
                found[:, objective.starts[k] : objective.starts[k + 1]] = block.columns * jet.first[k][:, None]
        return found

    def by_chance(jet: Any) -> np.ndarray:
        zero = np.zeros(num)
        return np.stack([jet.first.get(k_r, zero) + zero, jet.first.get(k_f, zero) + zero], axis=-1)

    plays_total = plays.counts.sum(1)
    chances = [np.exp(part.value) for part in logs]
    return {
        "scores": by_theta(row_log),
        "by_chance": by_chance(row_log),
        "responses": np.stack([by_chance(m) for m in made], axis=1),
        "response_scores": np.stack([by_theta(m) for m in made], axis=1),
        "expected": sum(
            (plays_total * q)[:, None, None] * by_theta(part)[:, :, None] * by_theta(part)[:, None, :]
            for q, part in zip(chances, logs, strict=True)
        ),
        "expected_mixed": sum(
            (plays_total * q)[:, None, None] * by_theta(part)[:, :, None] * by_chance(part)[:, None, :]
            for q, part in zip(chances, logs, strict=True)
        ),
    }


def nested_covariance(
    objective: Objective, theta: np.ndarray, kind: str = "npl"
) -> Float[np.ndarray, "coefficient coefficient"]:
    """Covariance of nested pseudo-likelihood estimates (aguirregabiria2007).

    Args:
        objective: With the final chances as first stage.
        theta: The estimates.
        kind: ``npl`` has the expected information. ``sigint`` is what R's sigInt computes: from products of scores,
            and with the derivatives of the responses transposed.
    """
    parts = sensitivities(objective, theta)
    weights, responses = objective.weights, parts["responses"]
    if kind == "npl":
        information = np.einsum("i,ikl->kl", weights, parts["expected"])
        mixed = parts["expected_mixed"]
    else:
        information = (parts["scores"] * weights[:, None]).T @ parts["scores"]
        mixed = parts["scores"][:, :, None] * parts["by_chance"][:, None, :]
        responses = responses.transpose(0, 2, 1)
    back = np.linalg.solve(np.eye(2) - responses, parts["response_scores"])  # d chances / d coefficients
    inverse = np.linalg.inv(information + np.einsum("i,ikc,icl->kl", weights, mixed, back))
    return inverse @ information @ inverse.T


def stable(objective: Objective, theta: np.ndarray) -> tuple[float, Bool[np.ndarray, "row"]]:
    """Largest spectral radius of the best responses, and which games return to their equilibrium after a small push.

    Args:
        objective: With the final chances as first stage.
        theta: The estimates.
    """
    radius = np.abs(np.linalg.eigvals(sensitivities(objective, theta)["responses"])).max(-1)
    return float(radius.max()), radius < 1
