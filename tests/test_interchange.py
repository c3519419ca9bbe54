"""Ensembles in the forms of other tools: nothing is left out, and the tools can use them."""

import numpy as np
import pandas
import pytest
from pyarrow import parquet
from test_cube import RIVALS, TOML, write_crisis

from detente.decide import interchange
from detente.decide.cube import as_dataset, open_cube, run_to_store
from detente.decide.ensemble import Ensemble, run
from detente.decide.interchange import to_ema, to_parquet, to_salib
from detente.errors import UsageError
from detente.model.priors import Fixed, Tied, Uniform, draws_at
from detente.model.scenario import Scenario
from detente.solve.solution import NOT_CONVERGED

NUM_DRAWS = 40


@pytest.fixture(scope="module")
def crisis(tmp_path_factory) -> Scenario:
    return write_crisis(tmp_path_factory.mktemp("interchange") / "border", TOML + RIVALS)


@pytest.fixture(scope="module")
def found(crisis) -> Ensemble:
    """An ensemble in which one draw did not converge under one policy."""
    ensemble = run(crisis, num_draws=NUM_DRAWS)
    ensemble.status[1, 7] = NOT_CONVERGED
    return ensemble


# -- EMA Workbench ----------------------------------------------------------------------------------
def test_ema_gets_one_row_for_every_policy_in_every_world(found):
    experiments, outcomes = to_ema(found)
    assert len(experiments) == 2 * NUM_DRAWS
    assert list(experiments) == ["harm", "cost", "precision", "scenario", "policy", "model"]
    assert set(outcomes) == {
        "fight", "damage", "act = stay", "act = cross", "act = wait",
        "payoff of guard", "payoff of rival", "converged",
    }  # fmt: skip
    for name, values in outcomes.items():
        assert values.shape == (2 * NUM_DRAWS,), name
    row = (experiments["policy"] == "firm") & (experiments["scenario"] == 11)
    assert outcomes["fight"][row].item() == found.values[1, 0, 11]
    assert outcomes["act = cross"][row].item() == found.distributions["act"][1, 1, 11]
    assert outcomes["payoff of rival"][row].item() == found.payoffs[1, 1, 11]
    assert experiments["harm"][row].item() == found.draws["harm"][11]


def test_ema_gets_no_value_of_a_draw_that_did_not_converge(found):
    experiments, outcomes = to_ema(found)
    bad = ((experiments["policy"] == "firm") & (experiments["scenario"] == 7)).to_numpy()
    assert not outcomes["converged"][bad] and outcomes["converged"].sum() == 2 * NUM_DRAWS - 1
    assert np.isnan(outcomes["fight"][bad]).all() and np.isfinite(outcomes["fight"][~bad]).all()


# -- SALib ------------------------------------------------------------------------------------------
def test_salib_finds_the_indices_of_a_known_function():
    from SALib.analyze import sobol as analyse
    from SALib.sample import sobol as sample

    priors = {"a": Uniform(low=0, high=2), "known": Fixed(value=3), "b": Uniform(low=-1, high=1)}
    problem = to_salib(priors)
    assert problem == {"num_vars": 2, "names": ["a", "b"], "bounds": [[0.0, 1.0], [0.0, 1.0]]}
    draws = draws_at(priors, sample.sample(problem, 1_024, calc_second_order=False, seed=1))
    found = analyse.analyze(problem, draws["a"] + 2 * draws["b"] + draws["known"], calc_second_order=False, seed=1)
    assert found["S1"] == pytest.approx([0.2, 0.8], abs=0.02)


def test_salib_is_not_given_what_it_would_misread():
    tied = Uniform(low=0, high=1, tied=Tied(to="b", rank_correlation=0.5))
    with pytest.raises(UsageError, match=r"'a' is tied to another parameter, and SALib takes all"):
        to_salib({"a": tied, "b": Uniform(low=0, high=1)})
    with pytest.raises(UsageError, match=r"every prior is fixed, so there is nothing to vary"):
        to_salib({"a": Fixed(value=1)})


# -- Parquet ----------------------------------------------------------------------------------------
def test_parquet_has_a_draw_and_an_outcome_in_every_row(crisis, tmp_path, monkeypatch):
    monkeypatch.setattr(interchange, "ROWS", 16)  # several parts, the last of them smaller
    cube = open_cube(run_to_store(crisis, tmp_path / "store", num_draws=NUM_DRAWS, block=16).store.path)
    path = tmp_path / "fight.parquet"
    assert to_parquet(cube, path, outcome="fight") == 3 * 2 * NUM_DRAWS
    table = parquet.read_table(path).to_pandas()
    assert list(table) == ["structure", "policy", "draw", "outcome", "status"]
    assert len(table) == 240 and not table.duplicated(["structure", "policy", "draw"]).any()
    part = table[(table["structure"] == "sharp") & (table["policy"] == "firm")].sort_values("draw")
    np.testing.assert_array_equal(part["outcome"], cube["values"].sel(structure="sharp", outcome="fight").values[1])
    assert set(table["status"]) == {"converged"}
    assert not list(tmp_path.glob(".*.part"))


def test_parquet_keeps_draws_without_a_value(crisis, found, tmp_path):
    cube = as_dataset(found)
    to_parquet(cube, tmp_path / "cross.parquet", outcome="act = cross")
    table = parquet.read_table(tmp_path / "cross.parquet").to_pandas()
    bad = table[(table["policy"] == "firm") & (table["draw"] == 7)]
    assert bad["status"].tolist() == ["not converged"] and bad["outcome"].isna().all()
    assert table["outcome"].isna().sum() == 1
    good = table[(table["policy"] == "none") & (table["draw"] == 7)]
    assert good["outcome"].item() == found.distributions["act"][0, 1, 7]
    unfinished = cube.assign(status=cube["status"].where(cube["draw"] < 10, -1).astype(np.int8))
    to_parquet(unfinished, tmp_path / "part.parquet", outcome="damage")
    later = pandas.read_parquet(tmp_path / "part.parquet").query("draw >= 10")
    assert set(later["status"]) == {"not computed"} and later["outcome"].isna().all()


def test_an_outcome_that_is_not_there_or_a_file_that_cannot_be_is_refused(found, tmp_path):
    with pytest.raises(UsageError, match=r"outcome: 'figth' is not in the cube\. Did you mean 'fight'\?"):
        to_parquet(as_dataset(found), tmp_path / "x.parquet", outcome="figth")
    with pytest.raises(UsageError, match=r"outcome: 'act = corss' is not in the cube\. Did you mean 'act = cross'\?"):
        to_parquet(as_dataset(found), tmp_path / "x.parquet", outcome="act = corss")
    with pytest.raises(UsageError, match=r"there is no folder"):
        to_parquet(as_dataset(found), tmp_path / "no" / "x.parquet", outcome="fight")
    assert not list(tmp_path.iterdir())
