"""Estimating games in which something is hidden: every row at its own equilibrium."""

import importlib

import numpy as np
import pandas as pd
import pytest

import detente as dt
from detente.errors import UsageError
from detente.learn import jets
from detente.learn.equilibrium import EquilibriumModel, off_branch
from detente.learn.fit import fit
from detente.learn.rows import leaf_labels
from detente.learn.strategic import TreeModel
from detente.library.strategic import strategic_122
from detente.solve.api import solve

A, B = dt.players("A", "B")


@dt.crisis(players=(A, B))
def bluff(g, p):
    """A knows whether it is strong; B does not, and must guess from A's challenge whether A would fight."""
    kind = g.chance("kind", {"weak": 1 - p.strong, "strong": p.strong}, seen_by=A)
    if g.choose(A, "demand", ["quiet", "challenge"], seen_by=B) == "quiet":
        g.outcome(end="quiet")
        return {A: 0, B: 0}
    if g.choose(B, "answer", ["yield", "resist"], seen_by=A) == "yield":
        g.outcome(end="yielded")
        return {A: p.prize, B: -1}
    if g.choose(A, "stand", ["back down", "fight"]) == "back down":
        g.outcome(end="backed down")
        return {A: -p.audience, B: 1}
    g.outcome(end="war")
    return {A: -p.cost if kind == "weak" else 1 - p.cost, B: -p.harm}


@dt.crisis(players=(A, B))
def chicken(g, p):
    """Both at once: the same game for either, with two ends that are good for one of them."""
    first = g.choose(A, "A drives", ["on", "aside"])
    second = g.choose(B, "B drives", ["on", "aside"])
    worth = {
        ("on", "on"): (-9, -9),
        ("on", "aside"): (p.win, 0),
        ("aside", "on"): (0, p.win),
        ("aside", "aside"): (1, 1),
    }
    g.outcome(end=f"{first} {second}")
    return dict(zip((A, B), worth[first, second], strict=True))


def moving(values: dict, order: int = 2) -> dict:
    return {name: jets.variable(v, k, order) for k, (name, v) in enumerate(values.items())}


@pytest.mark.parametrize("choice", ["logit", "probit"])
def test_where_everything_is_seen_the_equilibrium_is_that_of_backward_induction(choice):
    game = dt.compile(strategic_122)
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=4) for name in (*game.parameters, "sigma", "sigma2")}
    expected = TreeModel(game, choice).log_probabilities(moving(values))
    found = EquilibriumModel(game, choice).log_probabilities(moving(values))
    zero = np.zeros(4)
    for want, have in zip(expected, found, strict=True):
        np.testing.assert_allclose(have.value, want.value, atol=1e-12)
        for i in have.first:
            np.testing.assert_allclose(have.first[i], want.first.get(i, zero), atol=1e-10)
        for pair in have.second:
            np.testing.assert_allclose(have.second[pair], want.second.get(pair, zero), atol=5e-6)


@pytest.mark.parametrize("choice", ["logit", "probit"])
def test_derivatives_are_those_of_finite_differences_where_types_are_hidden(choice):
    model = EquilibriumModel(dt.compile(bluff), choice)
    start = {"strong": 0.4, "prize": 1.1, "audience": 0.8, "cost": 0.5, "harm": 0.3, "sigma": -0.4, "sigma1": -0.2}
    point = {name: np.full(1, value) for name, value in start.items()}
    found = model.log_probabilities(moving(point, 1))
    for k, name in enumerate(point):
        step = 1e-5
        up, down = (model.log_probabilities({**point, name: point[name] + s * step}) for s in (1, -1))
        for leaf, high, low in zip(found, up, down, strict=True):
            assert leaf.first[k][0] == pytest.approx((high - low)[0] / (2 * step), abs=1e-6), name


def test_parameters_are_recovered_where_types_are_hidden():
    game = dt.compile(bluff)
    rng = np.random.default_rng(3)
    num = 300
    frame = pd.DataFrame({"x": rng.normal(size=num), "z": rng.normal(size=num)})
    values = {"strong": 0.4, "prize": 1.0 + 0.9 * frame["x"], "audience": 0.8, "cost": 0.5, "harm": 0.3 + frame["z"]}
    values = {n: np.broadcast_to(np.asarray(v, dtype=float), (num,)) for n, v in values.items()} | {"sigma": -1.0}
    chances = np.exp(np.stack(EquilibriumModel(game).log_probabilities(values), axis=1))
    labels = np.array(leaf_labels(game, None))
    frame["y"] = [labels[rng.choice(len(labels), p=row / row.sum())] for row in chances]
    equations = {"strong": 0.4, "prize": "~ x", "audience": 0.8, "cost": 0.5, "harm": "~ z"}
    found = fit(bluff, frame, equations=equations, outcome="y", scale={"sigma": -1.0}, starts=1)
    assert found.converged and found.gradient_norm < 1e-8
    truth = np.array([1.0, 0.9, 0.3, 1.0])
    assert (np.abs(found.point - truth) < 3 * found.std_errors).all()
    assert found.std_errors.max() < 0.5
    told = found.predict()
    np.testing.assert_allclose(told.sum(axis=1), 1.0, atol=1e-9)
    assert set(told.columns) == {"quiet", "yielded", "backed down", "war"}


def test_private_information_is_refused_where_something_is_hidden():
    equations = dict.fromkeys(("strong", "prize", "audience", "cost", "harm"), "0.5")
    with pytest.raises(UsageError, match="moves made without seeing everything.*errors = 'agent', not 'private'"):
        fit(bluff, pd.DataFrame({"y": ["war", "quiet"]}), equations=equations, outcome="y", errors="private")


def test_rows_in_which_the_search_took_another_equilibrium_are_counted_and_no_estimates_are_given(monkeypatch):
    frame = pd.DataFrame({"y": ["on on", "on aside", "aside on", "aside aside"] * 5})
    rules = {"equations": {"win": "~ 1"}, "outcome": "y", "scale": {"sigma": 1.0}, "starts": 1}
    assert fit(chicken, frame, **rules).converged

    def elsewhere_when_in_haste(game, draws, *, precision, exact, **keys):
        if not exact:  # the first row is solved for other errors, as if another branch had been taken
            first = np.arange(len(next(iter(precision.values())))) == 0
            precision = {player: np.where(first, 2.0 * rate, rate) for player, rate in precision.items()}
        return solve(game, draws, precision=precision, exact=exact, **keys)

    monkeypatch.setattr(importlib.import_module("detente.solve.api"), "solve", elsewhere_when_in_haste)
    model = EquilibriumModel(dt.compile(chicken))
    assert off_branch(model, {"win": np.full(3, 4.0), "sigma": 1.0}) == 1
    found = fit(chicken, frame, **rules)
    assert not found.converged and np.isnan(found.std_errors).all()
    assert found.notes[0].startswith("not converged: in 1 of 20 rows the search took another equilibrium")


@dt.crisis(players=(A,))
def three_ways(g, p):
    """One player, three ways."""
    way = g.choose(A, "way", ["by land", "by sea", "by air"])
    g.outcome(way=way)
    return {A: {"by land": 0, "by sea": p.sea, "by air": p.air}[way]}


def test_probit_with_three_options_is_fitted_to_shares_and_recovers_them():
    counts = {"by land": 50, "by sea": 30, "by air": 20}
    frame = pd.DataFrame({"y": [way for way, count in counts.items() for _ in range(count)]})
    found = fit(three_ways, frame, equations={"sea": "~ 1", "air": "~ 1"}, outcome="y", choice="probit")
    assert found.converged
    # as many parameters as free shares: the fit reproduces them, and the likelihood is that of the shares
    shares = np.array(list(counts.values())) / 100
    assert found.log_likelihood == pytest.approx(float((100 * shares * np.log(shares)).sum()), abs=1e-8)
    sea, air = found.point
    shocks = np.random.default_rng(1).normal(size=(400_000, 3))
    best = (np.array([0.0, sea, air]) + shocks).argmax(axis=1)
    np.testing.assert_allclose(np.bincount(best) / len(best), shares, atol=0.004)
