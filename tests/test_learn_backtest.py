"""The backtest: how cases are read, how each is forecast without itself, and what is said about the result."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import detente.learn.backtest as module
from detente.cli_learn import learn
from detente.errors import SolveError, UsageError
from detente.learn.backtest import backtest
from detente.learn.casebook import ACTIONS, BUILT_IN, HINDSIGHT, base_rates, ended_before, load_casebook
from detente.learn.casemodel import case_values, forecast_cases, make_case_model
from detente.learn.worlds import draw_scores, values_at

app = typer.Typer()
app.command()(learn)


def as_file(tmp_path, change=None, cases=2):
    """A file of cases in the form of the casebook, with one thing changed in the first."""
    data = json.loads(BUILT_IN.read_text(encoding="utf-8"))
    data["cases"] = [dict(case, id=f"NEW-{i}") for i, case in enumerate(data["cases"][:cases])]
    if change is not None:
        change(data["cases"][0])
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def fake(model, cases, scores, *, progress_fn=None):
    """A stand-in for the solver: force is a logistic function of severity, with two parameters."""
    names = list(model.priors)
    level, slope = scores[names.index("face")], scores[names.index("weight of severity")]
    force = np.stack([1 / (1 + np.exp(-(level + slope * ((c.severity or 0) - 3)))) for c in cases])
    return np.stack([1 - force, 0.2 * force, 0.8 * force], axis=1)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "forecast_cases", fake)


# -- reading -------------------------------------------------------------------------------------
def test_the_casebook_has_its_33_cases_and_neither_column_of_hindsight():
    assert len(load_casebook()) == 33
    text = BUILT_IN.read_text(encoding="utf-8")
    assert not any(column in text for column in HINDSIGHT)


def test_the_codes_are_those_of_the_shared_casebook(shared):
    assert load_casebook(shared / "record" / "casebook.json") == load_casebook()


def test_columns_of_hindsight_change_nothing(tmp_path):
    plain = load_casebook(as_file(tmp_path))
    told = load_casebook(as_file(tmp_path, lambda case: case.update({column: "yes" for column in HINDSIGHT})))
    assert told == plain


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("levers"), "NEW-0: the column 'levers' is missing"),
        (lambda c: c.update(levers=["persuation"]), "levers: 'persuation' is not known. Did you mean 'persuasion'"),
        (lambda c: c.update(provocation_severity=11), "provocation_severity: 11 is not a number from 0 to 9"),
        (lambda c: c.update(protege_dependence="hihg"), "protege_dependence: 'hihg' is not known. Did you mean 'high'"),
        (lambda c: c.update(signal_public=2), "signal_public: 2 is neither 0 nor 1"),
        (lambda c: c.update(protege_action="war"), "protege_action: 'war' is not known"),
        (lambda c: c.update(dates="in spring"), "dates: 'in spring' is not a date"),
        (lambda c: c.update(id="NEW-1"), "the id 'NEW-1' stands there 2 times"),
        (lambda c: c.pop("id"), "case 0 has no id"),
    ],
)
def test_a_mistake_in_a_case_is_reported_with_the_case_and_the_column(tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        load_casebook(as_file(tmp_path, change))


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not well-formed JSON"), ('{"cases": []}', "there are no cases"), ("3", "no cases")]
)
def test_a_file_without_cases_is_reported(tmp_path, text, message):
    path = tmp_path / "cases.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        load_casebook(path)
    with pytest.raises(UsageError, match="No such file"):
        load_casebook(tmp_path / "none.json")


def test_what_is_not_coded_is_noted_and_not_guessed(tmp_path):
    case = load_casebook(
        as_file(tmp_path, lambda c: c.update(provocation_severity=None, protege_dependence="unknown"))
    )[0]
    assert case.severity is None and case.dependence is None
    assert case.notes == ("severity is not coded", "dependence is not coded")


def test_base_rates_count_half_a_case_more_of_each():
    rates = base_rates(load_casebook())
    assert rates["no_force"] == pytest.approx(21.5 / 34.5)
    assert sum(rates.values()) == pytest.approx(1)


def test_a_case_without_a_day_counts_from_the_last_day_it_can_mean():
    cases = load_casebook()
    assert not [c for c in ended_before(cases, "1914-07-15") if c.id == "GER-AUH-1914"]
    assert [c.id for c in ended_before(cases, "1914-08-01")] == ["GER-AUH-1913", "GER-AUH-1914"]


# -- the model of a case -------------------------------------------------------------------------
def test_covariates_move_what_they_are_said_to_move():
    cases = load_casebook()
    strong = next(c for c in cases if c.id == "US-ROC-1958")  # severity 6, high dependence, inducements
    model = make_case_model([strong])
    values = values_at(model.priors, draw_scores(model.priors, 8))
    at = case_values(model, values, strong)
    assert at["face"] / values["face"] == pytest.approx(np.exp(values["weight of severity"]))
    assert at["alliance"] / values["alliance"] == pytest.approx(
        np.exp(values["weight of dependence"] + values["weight of inducement"])
    )
    shares = forecast_cases(model, [strong], draw_scores(model.priors, 8))
    assert shares.shape == (1, 3, 8)
    assert np.nansum(shares, axis=1) == pytest.approx(np.ones((1, 8)))


# -- leaving out ---------------------------------------------------------------------------------
def test_a_case_is_never_forecast_from_itself_nor_its_dyad(quick):
    found = backtest(num_draws=1_200)
    own = {f.case.id: f for f in found.parts["case"].forecasts}
    dyads = {f.case.id: f for f in found.parts["dyad"].forecasts}
    assert {f.num_training for f in own.values()} == {32}
    assert dyads["US-TUR-1964"].num_training == 31  # 1967 was about two allies: another dyad by its codes
    assert own["US-TUR-1964"].base == base_rates([c for c in load_casebook() if c.id != "US-TUR-1964"])


def test_the_forecast_without_a_case_is_that_of_an_exact_sum(quick):
    """The importance weights against a sum over a grid of the two parameters that matter."""
    found = backtest(num_draws=6_000)
    cases = load_casebook()
    grid = np.linspace(-4, 4, 161)
    level, slope = (g.ravel() for g in np.meshgrid(grid, grid))
    logs = -0.5 * (level**2 + slope**2)
    force = np.stack([1 / (1 + np.exp(-(level + slope * ((c.severity or 0) - 3)))) for c in cases])
    left_out = 4
    for i, case in enumerate(cases):
        if i != left_out:
            logs = logs + np.log(1 - force[i] if case.action == "no_force" else force[i])
    weights = np.exp(logs - logs.max())
    wanted = float((1 - force[left_out]) @ weights / weights.sum())
    assert found.parts["case"].forecasts[left_out].forecast["no_force"] == pytest.approx(wanted, abs=0.015)


def test_a_new_file_is_forecast_by_the_whole_casebook_and_scored(quick, tmp_path):
    cases = load_casebook(as_file(tmp_path, lambda c: c.update(protege_action=None)))
    found = backtest(cases, num_draws=1_200)
    first, second = found.parts["case"].forecasts
    assert first.num_training == second.num_training == 33
    assert first.score is None and second.score is not None
    assert sum(first.forecast.values()) == pytest.approx(1)
    assert found.from_file


def test_a_case_of_the_casebook_in_a_file_is_not_learnt_from(quick, tmp_path):
    path = as_file(tmp_path, lambda c: c.update(id="GER-AUH-1913"))
    found = backtest(load_casebook(path), num_draws=1_200)
    assert [f.num_training for f in found.parts["case"].forecasts] == [32, 33]
    assert {f.num_training for f in found.parts["dyad"].forecasts} == {31}


def test_cases_without_a_coded_action_are_forecast_and_nothing_is_scored(quick, tmp_path):
    found = backtest(load_casebook(as_file(tmp_path, lambda c: c.pop("protege_action"), cases=1)), num_draws=1_200)
    assert found.parts["case"].log_score is None
    assert "nothing can be scored" in found.parts["case"].verdict


def test_too_few_draws_are_refused(quick):
    with pytest.raises(SolveError, match="Take more --draws"):
        backtest(num_draws=24)


@pytest.mark.parametrize(
    ("gain", "low", "high", "words"),
    [(0.2, 0.1, 0.3, "beats the base rates"), (0.1, -0.1, 0.3, "does not beat"), (-0.2, -0.3, -0.1, "does worse")],
)
def test_the_verdict_is_in_plain_words(gain, low, high, words):
    found = module.Comparison(-1.0, -1.1, -0.9, gain, low, high)
    assert words in module._verdict(found, 33)


def test_matched_pairs_are_neighbours_in_time(quick):
    pairs = [p for p in backtest(num_draws=1_200).parts["case"].pairs if p.name == "US-TUR"]
    assert [(p.first, p.second, p.observed) for p in pairs] == [
        ("US-TUR-1964", "US-TUR-1967", 0),
        ("US-TUR-1967", "US-TUR-1974", 2),
    ]
    assert pairs[0].agrees is None


def test_the_command_prints_scores_and_the_verdict(quick, tmp_path):
    result = CliRunner().invoke(app, ["--backtest", "--draws", "1200"])
    assert result.exit_code == 0, result.output
    for words in ("base rates", "calibration", "matched pairs", "Weights of the covariates", "hindsight"):
        assert words in result.output
    result = CliRunner().invoke(app, ["--backtest", "--cases", str(as_file(tmp_path)), "--draws", "1200", "--json"])
    found = json.loads(result.output)["left_out"]["case"]
    assert [case["id"] for case in found["cases"]] == ["NEW-0", "NEW-1"]
    assert set(found["cases"][0]["forecast"]) == set(ACTIONS)
    assert found["log_score"]["gain_low"] <= found["log_score"]["gain"] <= found["log_score"]["gain_high"]
