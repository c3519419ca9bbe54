"""Estimating strategic models: the same model written twice, tables, intervals, predictions, the command, mistakes."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import detente as dt
from detente.errors import UsageError
from detente.learn import jets
from detente.learn.assemble import assemble
from detente.learn.bootstrap import bootstrap, profile_interval
from detente.learn.compare import clarke, vuong
from detente.learn.fit import fit, fit_json
from detente.learn.formulas import design, translate
from detente.learn.modelfile import Specification, read_model
from detente.learn.predict import first_difference, plot_coefficients, plot_profile, profile
from detente.learn.search import _sketch
from detente.learn.signalling import count_equilibria, log_normal_cdf_2
from detente.learn.tables import html_table, latex_table, markdown_table, text_table

DATA = Path(__file__).with_name("data") / "estimation"
EQUATIONS = {"u11": "~ x1 + b1", "u13": "0", "u14": "~ x2 + f1", "u24": "~ x3 + x4"}
ONE, TWO = dt.players("one", "two")


@dt.crisis(players=(ONE, TWO))
def own_rules(g, p):
    """The tree 12, written by a user."""
    if g.choose(ONE, "threat", ["wait", "threaten"], seen_by=TWO) == "wait":
        g.outcome(end="1")
        return {ONE: p.u11, TWO: 0}
    answer = g.choose(TWO, "answer", ["yield", "fight"])
    g.outcome(end="3" if answer == "yield" else "4")
    return {ONE: p.u13 if answer == "yield" else p.u14, TWO: p.u24 if answer == "fight" else 0}


@pytest.fixture(scope="module")
def sim12() -> pd.DataFrame:
    return pd.read_csv(DATA / "sim12.csv")


@pytest.fixture(scope="module")
def fitted(sim12):
    return fit("strategic-12", sim12, equations=EQUATIONS, outcome="y_probit_agent")


def gradient_by_differences(problem, theta, step=1e-6):
    found = np.zeros(len(theta))
    for k in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[k] += step
        down[k] -= step
        found[k] = (problem.objective.evaluate(up, 0)[0] - problem.objective.evaluate(down, 0)[0]) / (2 * step)
    return found


# -- likelihoods -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("choice", "errors"), [("probit", "agent"), ("logit", "agent"), ("probit", "private"), ("probit", "analyst")]
)
def test_rules_of_a_users_own_give_the_likelihood_of_the_built_in_tree(sim12, choice, errors):
    keys = {"outcome": "y_probit_agent", "choice": choice, "errors": errors}
    ours = assemble(Specification("strategic-12", EQUATIONS, **keys), sim12)
    theirs = assemble(Specification(own_rules, EQUATIONS, **keys), sim12)
    theta = np.random.default_rng(1).normal(size=10)
    assert theirs.objective.names == ours.objective.names
    assert theirs.objective.evaluate(theta)[0] == pytest.approx(ours.objective.evaluate(theta)[0], abs=1e-10)


SPECIFICATIONS = [
    ("sim12.csv", Specification("strategic-12", EQUATIONS, outcome="y_logit_agent", choice="logit")),
    ("sim12.csv", Specification("strategic-12", EQUATIONS, outcome="y_probit_private", errors="private")),
    ("sim12.csv", Specification("strategic-12", EQUATIONS, outcome="y_probit_agent", errors="analyst")),
    ("sim12.csv", Specification("strategic-12", EQUATIONS, outcome="y_probit_agent", scale={"sigma1": "~ x5 - 1"})),
    (
        "sim122.csv",
        Specification(
            "strategic-122",
            {"u11": "~ x1 - 1", "u12": "~ x2", "u13": "0", "u14": "~ x3", "u22": "~ x5", "u24": "~ x6"},
            outcome="y_probit",
            errors="analyst",
        ),
    ),
    (
        "sim123.csv",
        Specification(
            "strategic-123",
            {
                "u11": "~ x1",
                "u13": 0,
                "u15": "~ x3 - 1",
                "u16": "~ x4",
                "u23": 0,
                "u25": "~ x6 - 1",
                "u26": "~ x7",
                "u36": "~ x8",
            },
            outcome="y",
            errors="private",
            scale={"sigma2": "~ x2 - 1"},
        ),
    ),
    ("sim_ultimatum.csv", Specification("ultimatum", {"R1": "~ x1", "R2": "~ z1"}, max_offer=10)),
    (
        "sim_signal.csv",
        Specification(
            "signalling",
            {
                "SA": "~ x1",
                "VA": "~ x2 - 1",
                "CB": "~ x2",
                "barWA": "~ x3 - 1",
                "barWB": "~ x4",
                "bara": "~ x1",
                "VB": "~ x3 - 1",
            },
        ),
    ),
]


@pytest.mark.parametrize(
    ("file", "spec"), SPECIFICATIONS, ids=lambda s: s if isinstance(s, str) else f"{s.model} {s.errors}"
)
def test_gradients_and_hessians_equal_finite_differences(file, spec):
    problem = assemble(spec, pd.read_csv(DATA / file).head(60))
    theta = np.random.default_rng(2).normal(size=problem.objective.num_coefficients) * 0.2
    _, gradient, hessian = problem.objective.evaluate(theta)
    np.testing.assert_allclose(gradient, gradient_by_differences(problem, theta), rtol=2e-5, atol=2e-5)
    for k in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[k] += 1e-5
        down[k] -= 1e-5
        slope = (problem.objective.evaluate(up, 1)[1] - problem.objective.evaluate(down, 1)[1]) / 2e-5
        np.testing.assert_allclose(hessian[k], slope, rtol=2e-5, atol=2e-5 * (1 + np.abs(hessian).max()))


def test_probabilities_of_all_outcomes_sum_to_one():
    for file, spec in SPECIFICATIONS:
        if spec.model == "ultimatum":
            continue
        problem = assemble(spec, pd.read_csv(DATA / file).head(50))
        objective = problem.objective
        theta = np.random.default_rng(3).normal(size=objective.num_coefficients) * 0.3
        values = objective.values(theta, slice(None), 0)
        tree = objective.likelihood
        logs = (
            tree.log_probabilities(values, objective.observed)
            if spec.model == "signalling"
            else tree.log_probabilities(values)
        )
        total = sum(np.exp(jets.value_of(log)) for log in logs)
        # Games without an equilibrium in which anybody challenges have no number; there must be few of them.
        assert np.isfinite(total).mean() > 0.8
        np.testing.assert_allclose(total[np.isfinite(total)], 1.0, atol=1e-10)


def test_a_case_that_is_all_but_impossible_keeps_its_log_probability():
    frame = pd.DataFrame({"y": [1, 3, 4], "x": [1.0, 1.0, 1.0]})
    problem = assemble(
        Specification("strategic-12", {"u11": "~ x - 1", "u13": 0, "u14": 0, "u24": 0}, outcome="y"), frame
    )
    rows = problem.objective.rows_log_likelihood(np.array([60.0]))
    assert rows[1] < -900
    assert np.isfinite(problem.objective.evaluate(np.array([60.0]))[1]).all()


def test_a_cell_of_several_terminals_has_the_sum_of_their_probabilities(sim12):
    kept = sim12.dropna()
    whole = fit("strategic-12", kept, equations=EQUATIONS, outcome="y_probit_agent")
    partial = kept.assign(y=kept["y_probit_agent"].map({1: "no war", 3: "no war", 4: "war"}))
    spec = Specification("strategic-12", EQUATIONS, outcome="y", labels={"no war": [1, 3], "war": 4})
    rows = assemble(spec, partial).objective.rows_log_likelihood(whole.point)
    chances = whole.predict()
    expected = np.where(kept["y_probit_agent"] == 4, chances["4"], chances["1"] + chances["3"])
    np.testing.assert_allclose(np.exp(rows), expected, atol=1e-12)


def test_counts_weights_and_copies_of_a_row_are_the_same_thing():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": rng.normal(size=30), "y": rng.choice([1, 3, 4], 30), "w": rng.integers(1, 4, 30)})
    equations = {"u11": "~ x", "u13": 0, "u14": 0, "u24": "~ x"}
    weighted = fit("strategic-12", frame, equations=equations, outcome="y", weights="w")
    copies = fit("strategic-12", frame.loc[frame.index.repeat(frame["w"])], equations=equations, outcome="y")
    counts = frame.assign(**{f"n{k}": (frame["y"] == k) * frame["w"] for k in (1, 3, 4)})
    counted = fit("strategic-12", counts, equations=equations, outcome=["n1", "n3", "n4"])
    for other in (copies, counted):
        np.testing.assert_allclose(other.point, weighted.point, atol=1e-8)
        np.testing.assert_allclose(other.std_errors, weighted.std_errors, rtol=1e-6)
    assert weighted.num_plays == copies.n == counted.num_plays


def test_a_tree_with_three_options_and_a_chance_move_is_estimated():
    @dt.crisis(players=(ONE, TWO))
    def rules(g, p):
        weather = g.chance("weather", {"fair": 0.3, "foul": 0.7}, seen_by=(ONE, TWO))
        act = g.choose(ONE, "act", ["wait", "talk", "strike"], seen_by=TWO)
        if act != "strike":
            g.outcome(end=f"{weather} {act}")
            return {ONE: 0 if act == "wait" else p.talk, TWO: 0}
        reply = g.choose(TWO, "reply", ["hold", "hit"])
        g.outcome(end=f"{weather} strike {reply}")
        return {ONE: p.gain - p.pain * (reply == "hit"), TWO: p.anger * (reply == "hit")}

    rng = np.random.default_rng(5)
    ends = ["wait", "talk", "strike hold", "strike hit"]
    frame = pd.DataFrame({"y": [f"{rng.choice(['fair', 'foul'])} {rng.choice(ends)}" for _ in range(400)]})
    equations = {"talk": "~ 1", "gain": "~ 1", "pain": 0.5, "anger": "~ 1"}
    found = fit(rules, frame, equations=equations, outcome="y", choice="logit")
    assert found.converged
    shares = frame["y"].str.split(" ", n=1).str[1].value_counts(normalize=True)
    chances = found.predict().iloc[0]
    for end in ends:
        assert chances[f"fair {end}"] + chances[f"foul {end}"] == pytest.approx(shares[end], abs=1e-8)


@settings(max_examples=40)
@given(st.floats(-12, 12), st.floats(-12, 12))
def test_the_bivariate_normal_distribution_is_that_of_scipy(h, k):
    from scipy.stats import multivariate_normal

    ours = float(np.exp(log_normal_cdf_2(np.array([h]), np.array([k])))[0])
    theirs = float(multivariate_normal(cov=[[1, np.sqrt(0.5)], [np.sqrt(0.5), 1]]).cdf([h, k]))
    assert ours == pytest.approx(theirs, abs=1e-7)


def test_several_equilibria_of_one_signalling_game_are_counted():
    one = {"SA": 0.0, "VA": 1.0, "CB": -1.0, "barWA": 0.0, "barWB": 0.0, "bara": 0.0, "VB": 0.0}
    assert count_equilibria(one, 1).tolist() == [1]
    # A wants the status quo and would rather not be given way to, so that a likelier answer tempts it to challenge.
    many = {"SA": 2.7, "VA": -2.4, "CB": -1.5, "barWA": 1.8, "barWB": 2.3, "bara": 3.0, "VB": -1.1}
    assert count_equilibria(many, 1, grid=200).tolist() == [3]


# -- formulas --------------------------------------------------------------------------------------
def test_formulas_in_the_spelling_of_r_are_understood(sim12):
    frame = sim12.head(50)
    made = design("u", "~ factor(b1) + I(x1^2) + log(abs(x2)) + x3:f1 - 1", frame)
    assert made.terms[:4] == ("factor(b1)0", "factor(b1)1", "I(x1^2)", "log(abs(x2))")
    assert made.terms[4:] == ("x3:f1a", "x3:f1b", "x3:f1c")
    np.testing.assert_allclose(made.columns[:, 2], frame["x1"] ** 2)
    assert translate("~ (a + b)^2") == "~ (a + b)^2"


def test_categories_are_coded_against_the_first_in_the_alphabet(fitted):
    assert [t for e, t in fitted.names if e == "u14"] == ["(Intercept)", "x2", "f1b", "f1c"]


def test_missing_rows_are_counted(fitted):
    assert fitted.n == 875
    assert fitted.problem.missing == {"x4": 25}
    assert any("25 of 900 rows were left out" in note for note in fitted.notes)


def test_a_payoff_may_share_the_formula_of_another(sim12):
    equations = {"u11": 0, "u13": "~ x1 - 1", "u14": "u13", "u24": "~ x3"}
    found = fit("strategic-12", sim12, equations=equations, outcome="y_probit_agent")
    assert [name for name, _ in found.names] == ["u13", "u24", "u24"]
    assert found.converged


# -- what comes with a fit -------------------------------------------------------------------------
def test_tables_carry_estimates_errors_and_criteria(fitted):
    for make in (text_table, latex_table, html_table, markdown_table):
        text = make([fitted])
        assert f"{fitted.log_likelihood:.3f}" in text.replace("$", "")
        assert f"({fitted.std_errors[0]:.3f})" in text
        assert "875" in text
    assert fitted.aic == pytest.approx(-2 * fitted.log_likelihood + 20)
    assert list(fitted.coefficients().columns[:4]) == ["equation", "term", "estimate", "std_error"]


def test_profile_intervals_end_where_the_likelihood_has_fallen_enough(fitted):
    low, high = profile_interval(fitted, "u24", "x3")
    k = fitted.names.index(("u24", "x3"))
    assert low < fitted.point[k] < high
    assert high - low == pytest.approx(2 * 1.96 * fitted.std_errors[k], rel=0.1)


def test_the_bootstrap_agrees_with_the_curvature(fitted):
    drawn = bootstrap(fitted, 150, seed=1)
    assert drawn.num_failed <= 3
    np.testing.assert_allclose(drawn.std_errors, fitted.std_errors, rtol=0.35)
    again = bootstrap(fitted, 150, seed=1)
    np.testing.assert_array_equal(drawn.points, again.points)


def test_rows_that_come_in_clusters_have_larger_errors(sim12):
    double = pd.concat([sim12, sim12]).assign(pair=np.tile(np.arange(len(sim12)), 2))
    keys = {"equations": EQUATIONS, "outcome": "y_probit_agent"}
    plain = fit("strategic-12", double, **keys, covariance="sandwich")
    clustered = fit("strategic-12", double, **keys, cluster="pair")
    np.testing.assert_allclose(clustered.std_errors, plain.std_errors * np.sqrt(2 * 875 / 874), rtol=1e-8)


def test_models_are_compared_row_by_row(sim12, fitted):
    worse = fit("strategic-12", sim12.dropna(), equations={**EQUATIONS, "u24": "~ x4"}, outcome="y_probit_agent")
    found = vuong(fitted, worse)
    assert found.better == 1 and found.p_value < 0.01
    assert clarke(worse, fitted).better == 2
    with pytest.raises(UsageError, match="different rows"):
        vuong(fitted, fit("strategic-12", sim12.head(500), equations=EQUATIONS, outcome="y_probit_agent"))


def test_predictions_for_other_rows_code_categories_as_before(sim12, fitted):
    rows = sim12.dropna().iloc[[7]]
    np.testing.assert_allclose(fitted.predict(rows), fitted.predict().loc[rows.index])
    with pytest.raises(UsageError, match="'x3' is not a column"):
        fitted.predict(rows.drop(columns="x3"))


def test_first_differences_have_intervals_and_sum_to_zero(fitted):
    found = first_difference(fitted, "x1", -1, 1, draws=200)
    assert found["difference"].sum() == pytest.approx(0, abs=1e-12)
    assert ((found["low"] < found["difference"]) & (found["difference"] < found["high"])).all()
    chart = plot_profile(profile(fitted, "x1", draws=100)).to_dict()
    assert chart["layer"] and plot_coefficients(fitted).to_dict()["facet"]


def test_parameters_are_recovered_from_simulated_data(fitted, sim12):
    kept = sim12.dropna().reset_index(drop=True)
    big = pd.concat([kept] * 12, ignore_index=True)
    drawn = big.assign(y=fitted.simulate(big, seed=3).to_numpy())
    again = fit("strategic-12", drawn, equations=EQUATIONS, outcome="y")
    assert (np.abs(again.point - fitted.point) < 4 * again.std_errors).all()


def test_offers_are_simulated_as_they_are_estimated():
    frame = pd.read_csv(DATA / "sim_ultimatum.csv")
    found = fit("ultimatum", frame, equations={"R1": "~ x1 + x2", "R2": "~ z1"}, max_offer=10)
    drawn = found.simulate(pd.concat([frame] * 5, ignore_index=True), seed=2)
    assert drawn["offer"].mean() == pytest.approx(frame["offer"].mean(), abs=0.15)
    assert drawn["accept"].mean() == pytest.approx(frame["accept"].mean(), abs=0.05)


# -- the command -----------------------------------------------------------------------------------
MODEL = """
model = "strategic-12"
outcome = "y_probit_agent"
[equations]
u11 = "~ x1 + b1"
u13 = "0"
u14 = "~ x2 + f1"
u24 = "~ x3 + x4"
"""


def run(tmp_path, model: str, frame: pd.DataFrame, *options: str):
    import typer

    from detente.cli_fit import fit as command

    app = typer.Typer()
    app.command()(command)
    (tmp_path / "model.toml").write_text(model, encoding="utf-8")
    frame.to_csv(tmp_path / "data.csv", index=False)
    return CliRunner().invoke(app, [str(tmp_path / "data.csv"), "--model", str(tmp_path / "model.toml"), *options])


def test_the_command_prints_the_json_of_the_issue(tmp_path, sim12, fitted):
    result = run(tmp_path, MODEL, sim12, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.output)
    assert {"n", "log_likelihood", "converged", "gradient_norm", "coefficients"} <= set(printed)
    assert printed["coefficients"][0].keys() >= {"equation", "term", "estimate", "std_error"}
    assert printed["log_likelihood"] == pytest.approx(fitted.log_likelihood, abs=1e-9)
    assert printed["converged"] is True and printed["gradient_norm"] < 1e-8


def test_the_command_reads_rules_beside_the_model_file(tmp_path, sim12, fitted):
    rules = """
import detente as dt

A, B = dt.players("a", "b")


@dt.crisis(players=(A, B))
def crisis(g, p):
    if g.choose(A, "first", ["no", "yes"], seen_by=B) == "no":
        g.outcome(end="1")
        return {A: p.u11, B: 0}
    second = g.choose(B, "second", ["no", "yes"])
    g.outcome(end="3" if second == "no" else "4")
    return {A: p.u13 if second == "no" else p.u14, B: 0 if second == "no" else p.u24}
"""
    (tmp_path / "file.py").write_text(rules, encoding="utf-8")
    result = run(tmp_path, MODEL.replace("strategic-12", "file.py:crisis"), sim12, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["log_likelihood"] == pytest.approx(fitted.log_likelihood, abs=1e-10)


@pytest.mark.parametrize("kind", ["text", "latex", "html", "markdown"])
def test_the_command_prints_every_kind_of_table(tmp_path, sim12, kind):
    result = run(tmp_path, MODEL, sim12, "--table", kind)
    assert result.exit_code == 0 and "x1" in result.output


def test_the_command_adds_intervals_from_the_likelihood(tmp_path, sim12, fitted):
    printed = json.loads(run(tmp_path, MODEL, sim12, "--profile", "--json").output)
    for row in printed["coefficients"]:
        assert row["profile_low"] < row["estimate"] < row["profile_high"]
        assert row["profile_high"] - row["profile_low"] == pytest.approx(2 * 1.96 * row["std_error"], rel=0.15)
    first = printed["coefficients"][0]
    low, high = profile_interval(fitted, first["equation"], first["term"])
    assert (first["profile_low"], first["profile_high"]) == (pytest.approx(low), pytest.approx(high))
    assert "95 % intervals from the likelihood: u11:(Intercept)" in run(tmp_path, MODEL, sim12, "--profile").output


def test_a_pseudo_likelihood_has_no_profile(tmp_path):
    model = (
        'model = "signalling"\nmethod = "pl"\nfirst_stage = ["PR0", "PF0"]\n[equations]\nSA = "~ x1 - 1"\nVA = "~ 1"\n'
        'CB = "~ x2"\nbarWA = "~ x3"\nbarWB = "~ x4"\nbara = "~ 1"\nVB = "0"\n'
    )
    result = run(tmp_path, model, pd.read_csv(DATA / "sim_signal.csv"), "--profile")
    assert result.exit_code == 1 and "pseudo-likelihood has no such intervals" in str(result.exception or result.output)


def separated() -> pd.DataFrame:
    x = np.linspace(-1, 1, 60)
    return pd.DataFrame({"x": x, "y": np.where(np.arange(60) % 3 == 0, 1, np.where(x > 0, 4, 3))})


def test_a_fit_that_did_not_converge_exits_3_and_prints_no_stars(tmp_path):
    model = 'model = "strategic-12"\noutcome = "y"\n[equations]\nu11 = "~ 1"\nu13 = 0\nu14 = 0\nu24 = "~ x"\n'
    result = run(tmp_path, model, separated())
    assert result.exit_code == 3
    assert "Separation" in result.output and "u24:x" in result.output
    assert "did not converge" in result.output
    table = result.output.split("Standard errors")[0]
    assert "*" not in table and "NO" in table
    printed = json.loads(run(tmp_path, model, separated(), "--json").output)
    assert printed["converged"] is False and printed["coefficients"][0]["std_error"] is None


def test_a_penalty_tames_separation():
    equations = {"u11": "~ 1", "u13": 0, "u14": 0, "u24": "~ x"}
    found = fit("strategic-12", separated(), equations=equations, outcome="y", penalty="cauchy")
    assert found.converged
    assert fit_json(found)["penalised_log_likelihood"] < found.log_likelihood


# -- mistakes --------------------------------------------------------------------------------------
SMALL = pd.DataFrame({"y": [1, 3, 4, 1] * 10, "x": np.arange(40.0), "c": 1.0, "w": [1.0] * 39 + [-1.0]})
GOOD = {"u11": "~ x", "u13": 0, "u14": 0, "u24": "~ 1"}


@pytest.mark.parametrize(
    ("frame", "keys", "message"),
    [
        (
            SMALL.replace({"y": {4: 7}}),
            {},
            r"holds '7' \(row 3\), which is not a terminal of the model: \['1', '3', '4'\]",
        ),
        (SMALL.drop(columns="x"), {}, "'x' is not a column of the data"),
        (SMALL.assign(x=1.0), {}, "'x' is constant, which the intercept already is"),
        (SMALL.assign(x=np.nan), {}, "no row is complete"),
        (SMALL, {"weights": "w"}, "is -1 in row 40. Weights are numbers ≥ 0"),
        (SMALL, {"equations": {**GOOD, "u12": "~ x"}}, "'u12' is not a payoff of this model"),
        (SMALL, {"equations": {"u11": "~ x"}}, "there is none for u13, u14, u24"),
        (SMALL, {"equations": {**GOOD, "u11": "~ x +"}}, "cannot be read as a formula"),
        (
            SMALL,
            {"equations": {**GOOD, "u11": "~ log(x - 5)"}},
            r"log\(x - 5\) is .* in row 1 .*although nothing is missing",
        ),
        (
            SMALL,
            {"equations": dict.fromkeys(("u11", "u13", "u14"), "~ 1") | {"u24": 0}},
            r"'\(Intercept\)' is in all of the payoffs of player 1",
        ),
        (SMALL.head(1), {}, "'x' is zero in every row"),
        (SMALL.head(0), {}, "there are no rows"),
        (SMALL, {"choice": "cauchit"}, "'cauchit' is not known"),
        (SMALL, {"errors": "private", "choice": "logit"}, "Use choice = 'probit'"),
        (SMALL, {"outcome": "why"}, "'why' is not a column"),
        (SMALL, {"outcome": ["y", "x", "c", "w"]}, "4 columns are named"),
        (SMALL, {"penalty": "ridge"}, "kind = 'ridge' is not known"),
        (SMALL, {"rows": "x > 100"}, "no row meets"),
        (SMALL, {"covariance": "cluster"}, "cluster = "),
        (SMALL, {"scale": {"sigma3": "~ 1"}}, "'sigma3' is not an error scale"),
        (SMALL, {"outcom": "y"}, "Did you mean 'outcome'"),
        (
            SMALL.assign(x=[f"w{k}" for k in range(40)]),
            {},
            "there are 41 coefficients and 40 rows",
        ),
    ],
)
def test_a_mistake_is_said_in_words(frame, keys, message):
    with pytest.raises(UsageError, match=message):
        fit("strategic-12", frame, **({"equations": GOOD, "outcome": "y"} | keys))


def test_an_observation_that_is_impossible_names_its_row_and_its_move():
    @dt.crisis(players=(ONE,))
    def rules(g, p):
        luck = g.chance("luck", {"good": 1 - p.bad, "bad": p.bad}, seen_by=ONE)
        act = g.choose(ONE, "act", ["stay", "go"])
        g.outcome(end=f"{luck} {act}")
        return {ONE: p.gain * (act == "go")}

    frame = pd.DataFrame({"y": ["good stay", "good go", "bad go"] * 4})
    with pytest.raises(UsageError, match="row 3 is impossible under the model.*luck: bad"):
        fit(rules, frame, equations={"bad": 0.0, "gain": "~ 1"}, outcome="y")


def test_an_offer_outside_the_bounds_names_its_row():
    frame = pd.DataFrame({"offer": [1.0, 12.0], "accept": [1, 0]})
    with pytest.raises(UsageError, match="row 2 is 12, outside 0 to 10"):
        fit("ultimatum", frame, equations={"R1": "~ 1", "R2": "~ 1"}, max_offer=10)
    with pytest.raises(UsageError, match="max_offer = None is not a number"):
        fit("ultimatum", frame, equations={"R1": "~ 1", "R2": "~ 1"})


def test_private_errors_are_refused_where_a_player_moves_twice():
    @dt.crisis(players=(ONE,))
    def twice(g, p):
        first = g.choose(ONE, "first", ["l", "r"])
        second = g.choose(ONE, "second", ["l", "r"])
        g.outcome(end=first + second)
        return {ONE: p.u * (first == second)}

    with pytest.raises(UsageError, match="moves twice on a path"):
        fit(twice, pd.DataFrame({"y": ["ll", "lr"]}), equations={"u": "~ 1"}, outcome="y", errors="private")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = ", "is not TOML"),
        ("outcome = 'y'", "Name a model"),
        ("model = 'strategic-12'\nequation = 1", "Did you mean 'equations'"),
        ("model = 'strategic-13'", "Did you mean 'strategic-12'|strategic-12"),
        ("model = 'nowhere.py:crisis'", "there is no file"),
    ],
)
def test_a_mistake_in_a_model_file_is_said_in_words(tmp_path, text, message):
    result = run(tmp_path, text, SMALL)
    assert isinstance(result.exception, UsageError)
    assert re.search(message, str(result.exception)), str(result.exception)


def test_a_model_file_may_use_the_words_of_r(tmp_path):
    ours, theirs = tmp_path / "ours.toml", tmp_path / "theirs.toml"
    rest = '[equations]\nR1 = "~ x1"\nR2 = "~ z1"\n'
    ours.write_text('model = "ultimatum"\nmax_offer = 10\n' + rest + "[fixed]\ns2 = 1\n")
    theirs.write_text('model = "ultimatum"\nmaxOffer = 10\ns2 = 1\n' + rest)
    assert read_model(ours) == read_model(theirs)
    frame = pd.read_csv(DATA / "sim_ultimatum.csv")
    logs = {"R1": "~ x1", "R2": "~ z1", "log s2": "0"}
    same = fit("ultimatum", frame, equations=logs, max_offer=10)
    assert same.log_likelihood == pytest.approx(fit(read_model(theirs), frame).log_likelihood, abs=1e-12)
    theirs.write_text('model = "ultimatum"\nmaxOffer = 10\nmax_offer = 9\n' + rest)
    with pytest.raises(UsageError, match="'max_offer' is there twice"):
        read_model(theirs)


def test_a_long_list_of_names_is_refused_unless_it_is_written_as_a_category():
    frame = pd.DataFrame({"place": [f"place {i}" for i in range(70)] * 2})
    with pytest.raises(UsageError, match=r"70 different ones.*or say factor\(place\)"):
        design("u11", "~ place", frame)
    assert len(design("u11", "~ factor(place)", frame).terms) == 70
    with pytest.raises(UsageError, match="'median' is neither a column of the data nor a function"):
        design("u11", "~ median(place)", frame)


@pytest.mark.slow
def test_more_rows_than_fit_the_cache_are_worked_through_in_blocks():
    rng = np.random.default_rng(6)
    n = 150_000
    frame = pd.DataFrame({"x": rng.normal(size=n), "y": rng.choice([1, 3, 4], n)})
    found = fit("strategic-12", frame, equations={"u11": "~ x", "u13": 0, "u14": 0, "u24": "~ 1"}, outcome="y")
    assert found.converged and found.n == n


def test_a_formula_without_formulaic_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "formulaic", None)
    data = pd.DataFrame({"y": [1, 3, 4] * 10, "x": range(30)})
    with pytest.raises(UsageError, match=r"formulaic, which is not installed. Run: pip install 'detente\[learn\]'"):
        fit("strategic-12", data, equations={"u11": "~ x", "u13": 0, "u14": 0, "u24": 0}, outcome="y")


def test_the_sketch_of_a_large_sample_counts_as_much_as_all_of_it_and_keeps_what_is_rare():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": rng.choice([1, 3, 4], 6_000, p=[0.98, 0.01, 0.01]), "x": rng.normal(size=6_000)})
    spec = Specification("strategic-12", {"u11": "~ x", "u13": 0, "u14": "~ 1", "u24": "~ 1"}, outcome="y")
    problem = assemble(spec, data)
    rough = _sketch(problem)
    assert rough is not None and rough.num_rows < 1_000 and rough.weights.sum() == pytest.approx(6_000)
    assert (rough.observed.counts[:, 1:].sum(0) == problem.objective.observed.counts[:, 1:].sum(0)).all()
    point = np.array([0.5, 0.1, 0.2, -0.3])
    all_of_it = problem.objective.evaluate(point)[0]
    assert rough.evaluate(point)[0] == pytest.approx(all_of_it, rel=0.01)
    assert _sketch(replace(problem, objective=problem.objective.subset(np.arange(4_000)))) is None
