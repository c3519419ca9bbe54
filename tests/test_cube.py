"""Designs, correlated parameters, rival structures and the cube: against SciPy, and against runs in memory."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from detente.decide.blocks import compute, prepare
from detente.decide.cube import as_dataset, from_store, open_cube, pooled, run_to_store
from detente.decide.ensemble import run
from detente.decide.manifest import Settings, differences, make_manifest
from detente.errors import ScenarioError, SolveError, UsageError
from detente.model.priors import CHUNK, DESIGNS, Fixed, Normal, Pert, Tied, Uniform, draw, draws_at
from detente.model.scenario import Scenario, load_scenario
from detente.solve.api import solve
from detente.solve.solution import NOT_CONVERGED

# Fifty stances make the tree large enough for the compiled solver, which is what runs of many draws use.
RULES = '''
from detente.model.language import crisis, players

GUARD, RIVAL = players("guard", "rival")
STANCES = ("calm", "firm", *(f"step {i}" for i in range(50)))


@crisis(players=(GUARD, RIVAL))
def border(g, p):
    """A guard is calm or firm, or anything between; a rival that sees it stays, crosses or waits."""
    stance = g.choose(GUARD, "stance", STANCES, seen_by=RIVAL)
    return payoffs(g, p, stance, g.choose(RIVAL, "act", ("stay", "cross", "wait")))


@crisis(players=(GUARD, RIVAL))
def harsher(g, p):
    """The same, but the rival may raid, and fears nothing."""
    stance = g.choose(GUARD, "stance", STANCES, seen_by=RIVAL)
    return payoffs(g, p, stance, g.choose(RIVAL, "act", ("raid", "cross", "stay")))


@crisis(players=(GUARD, RIVAL))
def silent(g, p):
    """The same, but nothing is noted."""
    g.choose(GUARD, "stance", STANCES, seen_by=RIVAL)
    return {GUARD: p.harm, RIVAL: p.cost}


@crisis(players=(RIVAL, GUARD))
def swapped(g, p):
    """The players the other way round."""
    g.choose(GUARD, "stance", STANCES, seen_by=RIVAL)
    return {GUARD: p.harm, RIVAL: p.cost}


@crisis(players=(GUARD, RIVAL))
def priorless(g, p):
    """A parameter that nobody has a prior for."""
    stance = g.choose(GUARD, "stance", STANCES, seen_by=RIVAL)
    return payoffs(g, p, stance, g.choose(RIVAL, "act", ("raid", "cross", "stay")), extra=p.fear)


def payoffs(g, p, stance, act, extra=0):
    over, firm = act in ("cross", "raid"), STANCES.index(stance) / 50
    g.outcome(fight=over and stance == "firm", act=act, damage=p.harm if over else 0)
    return {GUARD: -p.harm * over - 0.2 * firm, RIVAL: over * (1 - p.cost * firm) + extra}
'''
TOML = """
format = 1
title = "The border"
summary = "A small crisis for tests."
as_of = 2024-01-31
rules = "rules.py:border"
decides = "guard"
precision = "precision"

[parameters.harm]
meaning = "What a crossing costs the guard."
unit = "utility"
prior = { kind = "pert", low = 0.5, best = 1.0, high = 2.0 }
judgement = "the tests: a guess"

[parameters.cost]
meaning = "What a fight costs the rival."
unit = "utility"
prior = { kind = "uniform", low = 0.5, high = 2.0 }
judgement = "the tests: a guess"

[parameters.precision]
meaning = "How closely choices follow payoffs."
unit = "1 per utility unit"
prior = { kind = "uniform", low = 0.5, high = 2.0 }
judgement = "the tests: a guess"

[policies.none]
title = "No policy"
meaning = "The guard plays the equilibrium."

[policies.firm]
title = "Firm"
meaning = "The guard is firm."
commit = { stance = "firm" }

[outcomes.fight]
title = "a fight"
meaning = "The guard is firm and the rival crosses."
headline = true
"""
CORRELATED = "\n[correlations.harm]\ncost = 0.6\n"
RIVALS = """
[structures.harsher]
title = "Harsher"
meaning = "The rival may raid."
rules = "rules.py:harsher"
weight = 0.5

[structures.sharp]
title = "Sharp"
meaning = "Choices are sharper."
precision = 4.0
weight = 0.5
"""


def write_crisis(folder: Path, toml: str = TOML) -> Scenario:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.py").write_text(RULES, encoding="utf-8")
    (folder / "scenario.toml").write_text(toml, encoding="utf-8")
    return load_scenario(folder)


@pytest.fixture(scope="module")
def crisis(tmp_path_factory) -> Scenario:
    return write_crisis(tmp_path_factory.mktemp("cube") / "border", TOML + CORRELATED + RIVALS)


# -- designs --------------------------------------------------------------------------------------
PRIORS = {"a": Uniform(low=0, high=1), "b": Pert(low=0, best=1, high=3), "k": Fixed(value=2), "c": Normal(mean=0, sd=1)}


@pytest.mark.parametrize("design", DESIGNS)
def test_any_part_of_a_design_is_the_same_as_when_all_is_drawn(design):
    total = 2 * CHUNK + 100
    whole = draw(PRIORS, total, seed=3, design=design, correlations={"a": {"c": 0.5}})
    for first, count in ((0, 1), (7, 40), (CHUNK - 3, 6), (CHUNK, CHUNK), (2 * CHUNK - 1, 101)):
        part = draw(
            PRIORS, count, seed=3, design=design, correlations={"a": {"c": 0.5}}, first=first, total=total
        )  # fmt: skip
        for name, values in part.items():
            np.testing.assert_array_equal(values, whole[name][first : first + count])


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_follows_the_priors_and_the_seed(design):
    values = draw(PRIORS, 2_048, seed=1, design=design)
    assert stats.kstest(values["a"], stats.uniform.cdf).pvalue > 1e-4
    assert stats.kstest(values["c"], stats.norm.cdf).pvalue > 1e-4
    assert set(values["k"]) == {2.0}
    other = draw(PRIORS, 2_048, seed=2, design=design)
    assert not np.array_equal(values["a"], other["a"])


@pytest.mark.parametrize("count", [10, 100, CHUNK])
def test_a_latin_hypercube_has_one_draw_in_every_slice_of_every_parameter(count):
    values = draw({"a": Uniform(low=0, high=count), "b": Uniform(low=0, high=count)}, count, design="lhs")
    for name in ("a", "b"):
        assert sorted(values[name].astype(int)) == list(range(count))
    independent = draw({"a": Uniform(low=0, high=count)}, count, design="monte carlo")["a"]
    assert sorted(independent.astype(int)) != list(range(count))


def test_an_unknown_design_is_reported_with_the_nearest():
    with pytest.raises(UsageError, match=r"design: 'sobel' is not a way to draw\. Did you mean 'sobol'\?"):
        draw(PRIORS, 8, design="sobel")


def test_points_from_elsewhere_become_draws_of_the_uncertain_parameters():
    found = draws_at(PRIORS, np.array([[0.5, 0.0, 0.975]]))
    assert found["a"][0] == 0.5 and found["b"][0] == pytest.approx(0, abs=1e-3)
    assert found["c"][0] == pytest.approx(1.959964) and found["k"][0] == 2
    with pytest.raises(UsageError, match=r"shape \(1, 2\) does not fit 3 uncertain parameters"):
        draws_at(PRIORS, np.array([[0.5, 0.5]]))
    with pytest.raises(UsageError, match=r"outside \[0, 1\]\. Give quantiles"):
        draws_at(PRIORS, np.array([[0.5, 1.5, 0.5]]))


# -- parameters that move together ------------------------------------------------------------------
@pytest.mark.parametrize("design", DESIGNS)
def test_correlated_parameters_have_the_rank_correlations_that_are_stated(design):
    priors = {name: PRIORS[name] for name in ("a", "b", "c")}
    stated = {"a": {"b": 0.7, "c": -0.4}, "c": {"b": -0.2}}
    values = draw(priors, 8_192, design=design, correlations=stated)
    for one, other, rank in (("a", "b", 0.7), ("a", "c", -0.4), ("b", "c", -0.2)):
        assert stats.spearmanr(values[one], values[other]).statistic == pytest.approx(rank, abs=0.03)
    for name, margin in (("a", stats.uniform.cdf), ("c", stats.norm.cdf)):  # each on its own is what it was
        assert stats.kstest(values[name], margin).pvalue > 1e-4


def test_a_prior_that_is_tied_and_a_stated_correlation_work_together():
    tied = PRIORS["c"].model_copy(update={"tied": Tied(to="a", rank_correlation=0.8)})
    alone = draw({"a": PRIORS["a"], "c": tied}, 64)
    stated = draw({"a": PRIORS["a"], "c": PRIORS["c"]}, 64, correlations={"c": {"a": 0.8}})
    np.testing.assert_array_equal(alone["c"], stated["c"])
    three = draw({"a": PRIORS["a"], "b": PRIORS["b"], "c": tied}, 8_192, correlations={"a": {"b": 0.5}})
    assert stats.spearmanr(three["a"], three["c"]).statistic == pytest.approx(0.8, abs=0.03)
    assert stats.spearmanr(three["a"], three["b"]).statistic == pytest.approx(0.5, abs=0.03)
    with pytest.raises(UsageError, match=r"'c' is tied to 'a' by its prior already"):
        draw({"a": PRIORS["a"], "c": tied}, 8, correlations={"a": {"c": 0.5}})


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"a": {"d": 0.5}}, r"correlations\.a\.d: 'd' is not a parameter"),
        ({"a": {"k": 0.5}}, r"correlations\.a\.k: 'k' is fixed, and moves with nothing"),
        ({"a": {"a": 0.5}}, r"correlations\.a\.a: pairs a parameter with itself"),
        ({"a": {"b": 0.5}, "b": {"a": 0.5}}, r"correlations\.b\.a: is stated the other way round too"),
        ({"a": {"b": 1.0}}, r"1\.0 is not a rank correlation"),
        ({"a": {"b": 0.9, "c": 0.9}, "b": {"c": -0.9}}, r"contradict each other.* all of them times 0\.\d\d would do"),
    ],
)
def test_correlations_that_cannot_be_are_refused(stated, message):
    with pytest.raises(UsageError, match=message):
        draw(PRIORS, 8, correlations=stated)


def test_the_remedy_for_contradicting_correlations_works():
    stated = {"a": {"b": 0.9, "c": 0.9}, "b": {"c": -0.9}}
    with pytest.raises(UsageError) as refused:
        draw(PRIORS, 8, correlations=stated)
    factor = float(str(refused.value).split("times ")[1].split()[0])
    draw(PRIORS, 8, correlations={n: {m: factor * r for m, r in o.items()} for n, o in stated.items()})


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("[correlations.harm]\ncots = 0.5", r"scenario\.toml: correlations\.harm\.cots: 'cots' is not a.*'cost'"),
        ("[correlations.harm]\ncost = 1.5", r"correlations\.harm\.cost: Input should be less than 1"),
        ("[structures.x]\ntitle='x'\nmeaning='x'", r"structures\.x: differs in nothing"),
        ("[structures.x]\ntitle='x'\nmeaning='x'\nprecison=2", r"structures\.x\.precison is not a.*'precision'"),
        ("[structures.x]\ntitle='x'\nmeaning='x'\nprecision='hram'", r"structures\.x\.precision: 'hram'.*'harm'"),
        ("[structures.x]\ntitle='x'\nmeaning='x'\nprecision=2\nparameters=['y']", r"parameters: 'y' is not a param"),
        (
            "[structures.x]\ntitle='x'\nmeaning='x'\nchoice='probti'",
            r"structures\.x\.choice: Input should be 'logit' or",
        ),
        (
            "[structures.x]\ntitle='x'\nmeaning='x'\nprecision={guard=2}",
            r"precision: says nothing of \['rival'\]\. Give",
        ),
        (
            "[structures.x]\ntitle='x'\nmeaning='x'\nprecision={gaurd=2,rival=1}",
            r"precision\.gaurd: .*no player.*'guard'",
        ),
        (
            "[structures.x]\ntitle='x'\nmeaning='x'\nprecision={guard='hram',rival=1}",
            r"precision\.guard: 'hram'.*'harm'",
        ),
        ("[structures.stated]\ntitle='x'\nmeaning='x'\nprecision=2", r"structures\.stated: is the name of the file"),
    ],
)
def test_a_mistake_in_the_new_tables_names_the_key(tmp_path, extra, message):
    with pytest.raises(ScenarioError, match=message):
        write_crisis(tmp_path / "bad", f"{TOML}\n{extra}\n")


# -- rival structures -------------------------------------------------------------------------------
def test_structures_are_a_dimension_of_the_cube_and_each_equals_its_own_run(crisis, tmp_path):
    store = run_to_store(crisis, tmp_path / "store", num_draws=100, block=64).store
    cube = open_cube(store.path)
    assert cube["structure"].values.tolist() == ["stated", "harsher", "sharp"]
    assert cube["label_act"].values.tolist() == ["stay", "cross", "wait", "raid"]
    for name in store.structures:
        alone = run(crisis.structure(name), num_draws=100)
        part = cube.sel(structure=name)
        np.testing.assert_array_equal(part["values"].values, alone.values)
        np.testing.assert_array_equal(part["payoffs"].values, alone.payoffs)
        for i, label in enumerate(alone.labels["act"]):
            np.testing.assert_array_equal(
                part["distribution_act"].sel(label_act=label).values, alone.distributions["act"][:, i]
            )
    assert (cube["distribution_act"].sel(structure="harsher", label_act="wait").values == 0).all()
    assert not np.array_equal(cube["values"].values[0], cube["values"].values[2])


BEHAVIOURS = """
[structures.normal]
title = "Normal errors"
meaning = "Errors are normal, not Gumbel."
choice = "probit"

[structures.hopeful]
title = "Hopeful"
meaning = "Everybody expects the rival to stay."
branch = { act = "stay" }

[structures.uneven]
title = "Uneven"
meaning = "The guard errs less than the rival."
precision = { guard = 4.0, rival = "precision" }
"""


def test_choice_rules_branches_and_precisions_by_player_are_structures_too(tmp_path):
    scenario = write_crisis(tmp_path / "border", TOML + BEHAVIOURS)
    store = run_to_store(scenario, tmp_path / "store", num_draws=8, block=8).store
    cube = open_cube(store.path)
    assert cube["structure"].values.tolist() == ["stated", "normal", "hopeful", "uneven"]
    assert (cube["status"].values == 0).all()
    draws = {name: cube["parameters"].sel(parameter=name).values for name in scenario.file.parameters}
    wanted = {
        "stated": {"precision": "precision"},
        "normal": {"precision": "precision", "choice": "probit"},
        "hopeful": {"precision": "precision", "branch": {"act": "stay"}},
        "uneven": {"precision": {"guard": 4.0, "rival": "precision"}},
    }
    for name, options in wanted.items():
        alone = solve(scenario.game, draws, **options).outcome("fight")
        found = cube["values"].sel(structure=name, policy="none", outcome="fight").values
        np.testing.assert_allclose(found, alone, rtol=0, atol=1e-9)
    by_name = dict(zip(cube["structure"].values.tolist(), cube["values"].values[:, 0], strict=True))
    np.testing.assert_allclose(by_name["hopeful"], by_name["stated"], atol=1e-8)  # perfect information: one equilibrium
    assert np.abs(by_name["normal"] - by_name["stated"]).max() > 1e-3
    assert np.abs(by_name["uneven"] - by_name["stated"]).max() > 1e-3
    there = store.manifest["structures"]
    assert "choice" not in there["stated"]
    assert (there["normal"]["choice"], there["hopeful"]["branch"]) == ("probit", {"act": "stay"})


def test_a_branch_that_expects_what_the_rules_do_not_have_is_refused(tmp_path):
    extra = '\n[structures.x]\ntitle = "X"\nmeaning = "X."\nbranch = { act = "stya" }\n'
    scenario = write_crisis(tmp_path / "bad", TOML + extra)
    with pytest.raises(ScenarioError, match=r"structures\.x\.branch\.act: there is no option 'stya'"):
        run_to_store(scenario, tmp_path / "store", num_draws=4)


def test_only_some_structures_can_be_run(crisis, tmp_path):
    store = run_to_store(crisis, tmp_path / "store", num_draws=8, structures=("sharp",)).store
    assert store.structures == ("sharp",)
    with pytest.raises(UsageError, match=r"structure: 'shrap' is not a structure of 'border'\. Did you mean 'sharp'\?"):
        run_to_store(crisis, tmp_path / "other", num_draws=8, structures=("shrap",))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("silent", r"structures\.x: .*outcomes\.fight: the rules note no such outcome"),
        ("swapped", r"structures\.x\.rules: its players are \['rival', 'guard'\]"),
        ("priorless", r"structures\.x\.rules: the parameter 'fear' has no \[parameters\.fear\]"),
        ("bordr", r"structures\.x\.rules: 'rules\.py' has no crisis 'bordr'\. Did you mean 'border'\?"),
    ],
)
def test_rival_rules_that_do_not_fit_are_refused(tmp_path, rules, message):
    extra = f'\n[structures.x]\ntitle = "X"\nmeaning = "X."\nrules = "rules.py:{rules}"\n'
    scenario = write_crisis(tmp_path / "bad", TOML + extra)
    with pytest.raises(ScenarioError, match=message):
        run_to_store(scenario, tmp_path / "store", num_draws=4)
    assert not (tmp_path / "store").exists()


def test_a_parameter_may_belong_to_rival_rules_only(tmp_path):
    fear = '\n[parameters.fear]\nmeaning = "Fear."\nunit = "utility"\njudgement = "the tests: a guess"\n'
    fear += 'prior = { kind = "uniform", low = 0, high = 1 }\n'
    extra = '\n[structures.x]\ntitle = "X"\nmeaning = "X."\nrules = "rules.py:priorless"\nparameters = ["fear"]\n'
    scenario = write_crisis(tmp_path / "two", TOML + fear + extra)
    report = run_to_store(scenario, tmp_path / "store", num_draws=16)
    assert "fear" in open_cube(report.store.path)["parameter"].values


def test_pooled_worlds_count_by_the_weight_of_their_structure(crisis, tmp_path):
    cube = open_cube(run_to_store(crisis, tmp_path / "store", num_draws=40, block=16).store.path)
    found = pooled(cube, "fight")
    assert found.values.shape == (120, 2) and found.policies == ("none", "firm")
    assert found.weights.sum() == pytest.approx(1)
    by_structure = np.bincount(found.structure, weights=found.weights)
    assert by_structure == pytest.approx([0.5, 0.25, 0.25])
    np.testing.assert_array_equal(found.values[:40, 1], cube["values"].sel(outcome="fight").values[0, 1])
    heavier = pooled(cube, "fight", weights=np.arange(40.0))
    assert heavier.weights[3] == pytest.approx(0.5 * 3 / 780)
    with pytest.raises(UsageError, match=r"outcome: 'figth' is not a flag or number\. Did you mean 'fight'\?"):
        pooled(cube, "figth")
    with pytest.raises(UsageError, match=r"weights: give 40 numbers"):
        pooled(cube, "fight", weights=np.ones(3))
    with pytest.raises(UsageError, match=r"weights: all are 0, so there is no world left"):
        pooled(cube, "fight", weights=np.zeros(40))
    nothing = cube.assign(status=cube["status"] * 0 + NOT_CONVERGED)
    with pytest.raises(SolveError, match=r"no draw converged under the structure 'stated'"):
        pooled(nothing, "fight")


# -- the cube -----------------------------------------------------------------------------------------
def test_a_store_read_back_is_the_ensemble_of_a_run_in_memory(crisis, tmp_path):
    run_to_store(crisis, tmp_path / "store", num_draws=200, seed=5, block=64, design="lhs")
    found = from_store(tmp_path / "store", crisis)
    expected = run(crisis, num_draws=200, seed=5, design="lhs")
    assert (found.policies, found.outcomes, found.seed) == (expected.policies, expected.outcomes, 5)
    for name in ("values", "payoffs", "status", "residual", "iterations"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name, values in expected.draws.items():
        np.testing.assert_array_equal(found.draws[name], values)
    np.testing.assert_allclose(found.leaf_mean, expected.leaf_mean, atol=1e-14)
    np.testing.assert_allclose(found.distributions["act"].sum(axis=1), 1, atol=1e-12)


def test_an_ensemble_in_memory_is_the_same_cube(crisis, tmp_path):
    run_to_store(crisis, tmp_path / "store", num_draws=32, structures=("stated",))
    stored, memory = open_cube(tmp_path / "store"), as_dataset(run(crisis, num_draws=32))
    for name in memory.data_vars:
        assert memory[name].dims == stored[name].dims
        assert memory[name].dtype == stored[name].dtype
        if name != "distribution_act":  # the store of one structure has its labels only
            np.testing.assert_array_equal(memory[name].values, stored[name].values)
    for name in memory.coords:
        np.testing.assert_array_equal(memory[name].values, stored[name].values)


def test_draws_made_elsewhere_can_be_solved(crisis):
    drawn = draw(crisis.priors, 10, seed=1, design="monte carlo", correlations=crisis.file.correlations)
    given = run(crisis, draws=drawn)
    np.testing.assert_array_equal(given.values, run(crisis, num_draws=10, seed=1, design="monte carlo").values)


def test_a_crisis_in_which_nobody_chooses_is_evaluated_and_not_solved(tmp_path):
    rules = (
        RULES
        + """

@crisis(players=(GUARD, RIVAL))
def weather(g, p):
    "Only chance moves."
    storm = g.chance("storm", {"yes": 0.25, "no": 0.75}) == "yes"
    g.outcome(fight=not storm, act="cross" if storm else "stay")
    return {GUARD: p.harm * storm, RIVAL: p.cost * p.harm}
"""
    )
    folder = tmp_path / "weather"
    write_crisis(folder)
    (folder / "rules.py").write_text(rules, encoding="utf-8")
    toml = TOML.replace("rules.py:border", "rules.py:weather").replace('commit = { stance = "firm" }', "")
    (folder / "scenario.toml").write_text(toml, encoding="utf-8")
    scenario = load_scenario(folder)
    found = run(scenario, num_draws=5_000)
    solved = solve(scenario.game, {name: values[:50] for name, values in found.draws.items()}, precision="precision")
    np.testing.assert_allclose(found.payoffs[0, :, :50], solved.payoffs, atol=1e-15)
    np.testing.assert_allclose(found.values[1, 0], 0.75)
    np.testing.assert_allclose(found.distributions["act"].sum(axis=1), 1)
    assert found.num_unconverged == 0 and found.num_draws == 5_000
    assert found.leaf_mean == pytest.approx(np.array([[0.25, 0.75]] * 2))


def test_a_block_does_not_depend_on_the_others_or_on_the_number_of_threads(crisis):
    prepared = prepare(crisis, Settings(num_draws=150, block=64))
    for index in (2, 0):
        one, many = compute(prepared, index, threads=1), compute(prepared, index, threads=5)
        for name, array in one.arrays.items():
            np.testing.assert_array_equal(array, many.arrays[name])
    assert one.arrays["parameters"].shape == (3, 64)


def test_a_draw_that_cannot_be_solved_stays_with_its_status_and_its_message(crisis, tmp_path):
    priors = crisis.priors | {"precision": Uniform(low=-0.5, high=1e5)}  # some draws are out of range
    with pytest.raises((UsageError, SolveError)):
        run(crisis, num_draws=40, priors=priors)
    priors = crisis.priors | {"precision": Uniform(low=1, high=2e5)}
    report = run_to_store(crisis, tmp_path / "store", num_draws=40, priors=priors, structures=("stated",), block=16)
    failures = report.store.failures()
    assert failures and len(failures) < 40
    found = open_cube(report.store.path)
    failed = sorted(failures)
    assert (found["status"].values[0][:, failed] == NOT_CONVERGED).all()
    assert np.isnan(found["values"].values[0][:, :, failed]).all()
    solved = np.setdiff1d(np.arange(40), failed)
    assert np.isfinite(found["values"].values[0][:, :, solved]).all()
    assert "stated: " in failures[failed[0]] and "is too large for the payoffs" in failures[failed[0]]
    assert not from_store(report.store.path, crisis).usable[failed].any()


def test_a_manifest_names_what_differs(crisis):
    one = make_manifest(crisis, Settings().filled(crisis), {"stated": crisis.game})
    assert list(differences(one, one)) == []
    settings = Settings(seed=1, priors=crisis.priors | {"cost": Fixed(value=1)}, correlations={}).filled(crisis)
    lines = list(differences(one, make_manifest(crisis, settings, {"stated": crisis.game})))
    assert "seed: 0 in the store, 1 in this run" in lines
    assert "priors.cost.kind: 'uniform' in the store, 'fixed' in this run" in lines
    assert any(line.startswith("correlations.harm") for line in lines)
    assert not any("harm.kind" in line or "versions" in line for line in lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_draws": 0}, r"draws: 0 is not a number of draws"),
        ({"block": 0}, r"block: 0 is not a number of draws"),
        ({"policies": {}}, r"there are no policies to compare"),
        ({"design": "sobel"}, r"Did you mean 'sobol'"),
        ({"workers": 0}, r"workers: 0 is not a number of processes"),
        ({"workers": 1, "cluster": "tcp://x"}, r"Give one of them"),
    ],
)
def test_a_run_that_cannot_be_is_refused(crisis, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        run_to_store(crisis, tmp_path / "store", **({"num_draws": 4} | options))
