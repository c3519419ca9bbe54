"""Policies compared over an ensemble: against direct solves, known functions, and quantiles by hand."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from detente.decide import ensemble as ensemble_module
from detente.decide.ensemble import Ensemble, run
from detente.decide.influence import influences, rank_regression
from detente.decide.options import likeliest_paths, options_table, summarise
from detente.errors import ScenarioError, SolveError, UsageError
from detente.model.priors import Fixed, Uniform, draw
from detente.model.scenario import Policy, Scenario, load_scenario
from detente.solve.api import BLOCK, solve
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED

RULES = '''
from detente.model.language import crisis, players

GUARD, RIVAL = players("guard", "rival")


@crisis(players=(GUARD, RIVAL))
def border(g, p):
    """A guard warns in private or not at all; a rival of unknown resolve crosses or stays."""
    resolve = g.chance("resolve", {"low": 1 - p.hawk, "high": p.hawk}, seen_by=RIVAL)
    stance = g.choose(GUARD, "stance", ("calm", "firm"))
    overheard = g.chance("rumour", {"none": 1 - p.leak, "heard": p.leak}, seen_by=(GUARD, RIVAL))
    if overheard == "heard":
        g.tell(RIVAL, "stance", stance)
    act = g.choose(RIVAL, "act", ("stay", "cross", "raid"), seen_by=GUARD)
    answer = "none"
    if act != "stay":
        answer = g.choose(GUARD, "answer", ("none", "fire"), seen_by=RIVAL)
    fight = answer == "fire"
    g.outcome(fight=fight, act=act, damage=(2 if act == "raid" else 1) * p.harm if act != "stay" else 0)
    worth = {"stay": 0, "cross": 1, "raid": 1.5}[act] * (2 if resolve == "high" else 1)
    ready = 1 if stance == "firm" else 0
    return {
        GUARD: -p.harm * (act != "stay") - (1 - 0.8 * ready) * fight - 0.2 * ready,
        RIVAL: worth - (p.cost + ready) * fight,
    }
'''
TOML = """
format = 1
title = "The border"
summary = "A small crisis for tests."
as_of = 2024-01-31
rules = "rules.py:border"
decides = "guard"
precision = "precision"

[parameters.hawk]
meaning = "How likely the rival is of high resolve."
unit = "probability"
prior = { kind = "uniform", low = 0.2, high = 0.8 }
judgement = "the tests: a guess"

[parameters.leak]
meaning = "How likely the stance is overheard."
unit = "probability"
prior = { kind = "uniform", low = 0.1, high = 0.9 }
judgement = "the tests: a guess"

[parameters.harm]
meaning = "What a crossing costs the guard."
unit = "utility"
prior = { kind = "pert", low = 0.5, best = 1.0, high = 2.0 }
judgement = "the tests: a guess"

[parameters.cost]
meaning = "What a fight costs the rival."
unit = "utility"
prior = { kind = "fixed", value = 1.2 }
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
meaning = "The guard is firm; nobody knows that it is bound."
commit = { stance = "firm" }

[policies.announced]
title = "Firm, announced"
meaning = "The guard is firm and everybody knows it."
commit = { stance = "firm" }
announced = true

[outcomes.fight]
title = "a fight"
meaning = "The guard fires."
headline = true

[outcomes.damage]
title = "damage"
meaning = "Harm done by crossings."
"""
NUM_DRAWS = 48


def write_scenario(folder: Path, toml: str = TOML) -> Scenario:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.py").write_text(RULES, encoding="utf-8")
    (folder / "scenario.toml").write_text(toml, encoding="utf-8")
    return load_scenario(folder)


@pytest.fixture(scope="module")
def border(tmp_path_factory) -> Scenario:
    return write_scenario(tmp_path_factory.mktemp("scenarios") / "border")


@pytest.fixture(scope="module")
def found(border) -> Ensemble:
    return run(border, num_draws=NUM_DRAWS, seed=4)


# -- the ensemble ---------------------------------------------------------------------------------
def test_an_ensemble_has_a_value_for_every_policy_outcome_and_draw(found):
    assert found.policies == ("none", "firm", "announced")
    assert found.outcomes == ("fight", "damage")
    assert found.labels == {"act": ("stay", "cross", "raid")}
    assert found.values.shape == (3, 2, NUM_DRAWS)
    assert found.distributions["act"].shape == (3, 3, NUM_DRAWS)
    assert found.payoffs.shape == (3, 2, NUM_DRAWS)
    assert found.status.shape == found.residual.shape == found.iterations.shape == (3, NUM_DRAWS)
    assert found.leaf_mean.shape == (3, found.game.num_leaves)
    assert found.num_draws == NUM_DRAWS and found.num_unconverged == 0 and found.usable.all()
    assert found.status_counts() == {"converged": NUM_DRAWS, "bifurcation": 0, "not converged": 0}


def test_its_draws_are_those_of_the_priors_and_the_seed(border, found):
    for name, expected in draw(border.priors, NUM_DRAWS, seed=4).items():
        np.testing.assert_array_equal(found.draws[name], expected)
    assert set(found.draws["cost"]) == {1.2}


def test_a_policy_that_is_not_announced_is_an_intervention_in_the_equilibrium(found):
    free = solve(found.game, found.draws, precision="precision")
    for policy, given in (("none", {}), ("firm", {"stance": "firm"})):
        np.testing.assert_allclose(found.outcome("fight", policy), free.outcome("fight", given), atol=1e-12)
        np.testing.assert_allclose(found.outcome("damage", policy), free.outcome("damage", given), atol=1e-12)
        index = found.policies.index(policy)
        leaf = free.leaf_probabilities(given)
        np.testing.assert_allclose(found.payoffs[index], np.einsum("zd,zpd->pd", leaf, free.problem.payoff), atol=1e-12)
        np.testing.assert_allclose(found.leaf_mean[index], leaf.mean(axis=1), atol=1e-12)
        for k, label in enumerate(found.labels["act"]):
            np.testing.assert_allclose(
                found.distributions["act"][index, k], free.outcome("act", given)[label], atol=1e-12
            )


def test_an_announced_policy_is_solved_anew_with_everybody_knowing(found):
    bound = solve(found.game, found.draws, precision="precision", commit={"stance": "firm"}, one_of_many=True)
    index = found.policies.index("announced")
    np.testing.assert_allclose(found.outcome("fight", "announced"), bound.outcome("fight"), atol=1e-12)
    np.testing.assert_allclose(found.payoffs[index], bound.payoffs, atol=1e-10)
    np.testing.assert_array_equal(found.residual[index], bound.residual)
    assert np.abs(found.outcome("damage", "announced") - found.outcome("damage", "firm")).max() > 0.01
    # its leaves stand in their places of the whole game
    by_history = dict(
        zip(map(found.game.history, map(int, found.game.leaf_nodes)), found.leaf_mean[index], strict=True)
    )
    reach = bound.leaf_probabilities().mean(axis=1)
    for leaf, node in enumerate(bound.game.leaf_nodes):
        assert by_history[bound.game.history(int(node))] == pytest.approx(reach[leaf])
    assert found.leaf_mean.sum(axis=1) == pytest.approx([1, 1, 1])


def test_distributions_sum_to_one(found):
    np.testing.assert_allclose(found.distributions["act"].sum(axis=1), 1.0, atol=1e-12)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(border, found):
    again = run(border, num_draws=NUM_DRAWS, seed=4)
    np.testing.assert_array_equal(again.values, found.values)
    np.testing.assert_array_equal(again.leaf_mean, found.leaf_mean)
    assert not np.array_equal(run(border, num_draws=NUM_DRAWS, seed=5).values, found.values)


def test_more_draws_begin_with_the_same_ones(border, found):
    more = run(border, num_draws=2 * NUM_DRAWS, seed=4)
    np.testing.assert_allclose(more.values[:, :, :NUM_DRAWS], found.values, atol=1e-9)


def test_several_blocks_are_joined_in_order(border):
    done: list[int] = []
    whole = run(border, num_draws=BLOCK + 5, seed=4, progress_fn=done.append)
    assert done == [BLOCK, BLOCK + 5]
    values = {name: array[-1:] for name, array in whole.draws.items()}
    last = solve(whole.game, values, precision="precision")
    assert whole.outcome("fight", "none")[-1] == pytest.approx(last.outcome("fight")[0], abs=1e-9)
    assert whole.leaf_mean.sum(axis=1) == pytest.approx([1, 1, 1])


def test_policies_and_priors_can_be_given(border):
    policies = {"firm": border.policy("firm")}
    priors = border.priors | {"leak": Fixed(value=1.0), "hawk": Uniform(low=0.4, high=0.5)}
    other = run(border, num_draws=8, policies=policies, priors=priors)
    assert other.policies == ("firm",)
    assert set(other.draws["leak"]) == {1.0} and other.draws["hawk"].max() <= 0.5


def test_unconverged_draws_are_counted_and_left_out(border, found, monkeypatch):
    marked, crossed = found.draws["leak"][[3, 7]], found.draws["leak"][9]

    def partly(game, draws, **options):
        solution = solve(game, draws, **options)
        if options.get("commit"):
            return solution
        bad = np.isin(draws["leak"], marked)
        status = np.where(bad, NOT_CONVERGED, np.where(draws["leak"] == crossed, BIFURCATION, solution.status))
        # what does not converge may be anything, also not a number
        return dataclasses.replace(solution, status=status, probabilities=np.where(bad, np.nan, solution.probabilities))

    monkeypatch.setattr(ensemble_module, "solve", partly)
    spoiled = run(border, num_draws=NUM_DRAWS, seed=4)
    assert spoiled.num_unconverged == 2
    assert np.flatnonzero(~spoiled.usable).tolist() == [3, 7]
    assert spoiled.status_counts() == {"converged": NUM_DRAWS - 3, "bifurcation": 1, "not converged": 2}
    good = np.delete(np.arange(NUM_DRAWS), [3, 7])
    for policy in found.policies:  # left out everywhere, so that all policies are compared in the same worlds
        np.testing.assert_array_equal(spoiled.outcome("fight", policy), found.outcome("fight", policy)[good])
    assert options_table(spoiled)["none"]["fight"].worst == found.outcome("fight", "none")[good].max()
    free = solve(found.game, found.draws, precision="precision")
    np.testing.assert_allclose(spoiled.leaf_mean[0], free.leaf_probabilities()[:, good].mean(axis=1), atol=1e-12)


def test_the_likeliest_paths_of_all_policies_are_averaged_over_the_same_worlds(border, found, monkeypatch):
    marked = found.draws["leak"][:40]

    def partly(game, draws, **options):
        solution = solve(game, draws, **options)
        if not options.get("commit"):
            return solution
        bad = np.isin(draws["leak"], marked)
        return dataclasses.replace(solution, status=np.where(bad, NOT_CONVERGED, CONVERGED))

    monkeypatch.setattr(ensemble_module, "solve", partly)
    spoiled = run(border, num_draws=NUM_DRAWS, seed=4)
    assert spoiled.num_unconverged == 40
    free = solve(found.game, found.draws, precision="precision")
    expected = free.leaf_probabilities()[:, spoiled.usable].mean(axis=1)
    np.testing.assert_allclose(spoiled.leaf_mean[0], expected, atol=1e-12)


def test_an_ensemble_in_which_nothing_converged_has_nothing_to_compare(border, monkeypatch):
    def never(game, draws, **options):
        solution = solve(game, draws, **options)
        return dataclasses.replace(solution, status=np.full(solution.num_draws, NOT_CONVERGED))

    monkeypatch.setattr(ensemble_module, "solve", never)
    spoiled = run(border, num_draws=8)
    assert spoiled.num_unconverged == 8
    with pytest.raises(SolveError, match=r"no draw converged, so there is nothing to compare\. Lower the precision"):
        options_table(spoiled)


def test_a_run_without_policies_or_draws_is_refused(border):
    with pytest.raises(UsageError, match=r"there are no policies to compare\. Add \[policies\.NAME\]"):
        run(border, policies={})
    with pytest.raises(UsageError, match=r"0 is not a number of draws\. Ask for at least 1"):
        run(border, num_draws=0)


@pytest.mark.parametrize(
    ("commit", "message"),
    [
        ({"stanse": "firm"}, r"policies\.bad\.commit: the rules have no move 'stanse'\. Did you mean 'stance'\?"),
        ({"stance": "furm"}, r"policies\.bad\.commit\.stance: there is no option 'furm'\. Did you mean 'firm'\?"),
        ({"rumour": "heard"}, r"policies\.bad\.commit: the rules have no move 'rumour'"),
    ],
)
def test_a_policy_in_the_file_that_names_nothing_is_refused(tmp_path, commit, message):
    inline = ", ".join(f'{move} = "{option}"' for move, option in commit.items())
    bad = f'\n[policies.bad]\ntitle = "Bad"\nmeaning = "Bad."\ncommit = {{ {inline} }}\n'
    scenario = write_scenario(tmp_path / "bad", TOML + bad)
    with pytest.raises(ScenarioError, match=message):
        run(scenario, num_draws=2)


@pytest.mark.parametrize("announced", [False, True])
@pytest.mark.parametrize("commit", [{"stanse": "firm"}, {"stance": "furm"}])
def test_a_policy_given_by_hand_that_names_nothing_is_refused(border, commit, announced):
    policy = Policy(title="Bad", meaning="Bad.", commit=commit, announced=announced)
    with pytest.raises((UsageError, ScenarioError), match=r"Did you mean"):
        run(border, num_draws=2, policies={"firm": policy})


def test_a_policy_given_by_hand_must_be_one_of_the_scenario(border):
    with pytest.raises(UsageError, match=r"'frim' is not a policy of 'border'\. Did you mean 'firm'\?"):
        run(border, num_draws=2, policies={"frim": border.policy("firm")})


def test_an_unknown_policy_offers_the_nearest(border):
    with pytest.raises(UsageError, match=r"'anounced' is not a policy of 'border'\. Did you mean 'announced'\?"):
        border.policy("anounced")


# -- the options table -----------------------------------------------------------------------------
def test_a_cell_holds_the_quantiles(found):
    values = found.outcome("fight", "firm")
    cell = options_table(found)["firm"]["fight"]
    ordered = np.sort(values)

    def quantile(q: float) -> float:  # linear between order statistics
        place = q * (len(ordered) - 1)
        low = int(np.floor(place))
        high = min(low + 1, len(ordered) - 1)
        return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))

    assert cell.median == pytest.approx(quantile(0.5))
    assert (cell.low, cell.high) == pytest.approx((quantile(0.05), quantile(0.95)))
    assert (cell.low80, cell.high80) == pytest.approx((quantile(0.1), quantile(0.9)))
    assert cell.mean == pytest.approx(sum(values) / len(values))
    assert cell.low <= cell.low80 <= cell.median <= cell.high80 <= cell.high <= cell.worst


def test_the_worst_case_is_on_the_side_that_is_worse():
    values = np.array([0.1, 0.5, 0.2])
    assert summarise(values).worst == 0.5
    assert summarise(values, better="higher").worst == 0.1


def test_the_table_has_a_row_for_every_policy_and_only_the_outcomes_asked_for(found):
    assert list(options_table(found)) == ["none", "firm", "announced"]
    assert list(options_table(found)["none"]) == ["fight", "damage"]
    asked = options_table(found, {"damage": "higher"})
    assert list(asked["none"]) == ["damage"]
    assert asked["none"]["damage"].worst == found.outcome("damage", "none").min()


@pytest.mark.parametrize(("name", "hint"), [("figth", "Did you mean 'fight'"), ("act", "Known: 'fight', 'damage'")])
def test_an_outcome_that_is_not_a_number_is_named(found, name, hint):
    with pytest.raises(UsageError, match=f"outcome: '{name}' is not a flag or number.*{hint}"):
        options_table(found, {name: "lower"})


def test_no_draws_cannot_be_summed_up():
    with pytest.raises(SolveError, match="nothing to compare"):
        summarise(np.array([]))


# -- the likeliest paths ----------------------------------------------------------------------------
def test_all_paths_together_are_certain_and_come_by_falling_probability(found):
    every, three = likeliest_paths(found, count=10_000), likeliest_paths(found, count=3)
    assert list(every) == list(three) == list(found.policies)
    for policy, paths in every.items():
        chances = [path.probability for path in paths]
        assert sum(chances) == pytest.approx(1.0)
        assert chances == sorted(chances, reverse=True)
        assert len({path.steps for path in paths}) == len(paths)
        assert three[policy] == paths[:3]


def test_paths_leave_out_the_types_and_sum_over_them(found):
    solution = solve(found.game, found.draws, precision="precision")
    path = likeliest_paths(found, ["none"], count=1)["none"][0]
    assert path.steps[0][0] == "stance"
    expected = sum(
        solution.leaf_probabilities()[leaf].mean()
        for leaf, node in enumerate(found.game.leaf_nodes)
        if found.game.history(int(node))[1:] == path.steps
    )
    assert path.probability == pytest.approx(expected)


def test_paths_under_a_policy_follow_it_and_have_a_chance(found):
    for paths in likeliest_paths(found, ["firm", "announced"], count=50).values():
        assert paths
        assert all(("stance", "firm") in path.steps and path.probability > 0 for path in paths)


def test_paths_can_be_told_apart_by_some_moves_only(found):
    paths = likeliest_paths(found, ["none"], moves=["act"], count=10)["none"]
    shares = {path.steps[0][1]: path.probability for path in paths}
    expected = found.distributions["act"][0].mean(axis=1)
    assert shares == pytest.approx(dict(zip(found.labels["act"], expected, strict=True)))


def test_paths_of_an_unknown_policy_are_refused_by_name(found):
    with pytest.raises(UsageError, match="nine"):
        likeliest_paths(found, ["nine"])


# -- influence --------------------------------------------------------------------------------------
def independent_columns(num_draws: int = 400, count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(num_draws, count))


def test_a_monotone_function_of_one_parameter_has_influence_one():
    x = independent_columns()
    for y, sign in ((np.exp(3 * x[:, 1]), 1), (-(x[:, 1] ** 5), -1)):
        result = rank_regression(["a", "b", "c"], x, y)
        assert result.items[0].parameter == "b"
        assert result.items[0].coefficient == pytest.approx(sign, abs=1e-9)
        assert result.explained == pytest.approx(1.0)
        assert all(abs(i.coefficient) < 1e-9 for i in result.items[1:])


def test_a_linear_function_has_influences_in_the_order_of_its_weights():
    x = independent_columns(2_000)
    result = rank_regression(["a", "b", "c"], x, 1.0 * x[:, 0] - 3.0 * x[:, 1] + 0.0 * x[:, 2])
    assert [i.parameter for i in result.items] == ["b", "a", "c"]
    b, a, c = result.items
    assert b.coefficient == pytest.approx(-3 / np.sqrt(10), abs=0.03)
    assert a.coefficient == pytest.approx(1 / np.sqrt(10), abs=0.03)
    assert c.low <= 0 <= c.high or abs(c.coefficient) < 0.02
    assert result.explained > 0.95


def test_the_interval_covers_no_influence_about_nine_times_in_ten():
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(200):
        result = rank_regression(["a"], rng.uniform(size=(60, 1)), rng.uniform(size=60))
        inside += result.items[0].low <= 0 <= result.items[0].high
    assert 165 <= inside <= 194


def test_a_constant_outcome_is_moved_by_nothing():
    result = rank_regression(["a", "b", "c"], independent_columns(), np.full(400, 0.3))
    assert {(i.coefficient, i.low, i.high) for i in result.items} == {(0.0, 0.0, 0.0)}


def test_equal_values_have_equal_ranks():
    x = independent_columns(500, 2)
    y = np.where(x[:, 0] > 0.5, 1.0, 0.0)  # half the draws are tied on either side
    forward = rank_regression(["a", "b"], x, y)
    backward = rank_regression(["a", "b"], x[::-1], y[::-1])
    assert {i.parameter: i.coefficient for i in forward.items} == pytest.approx(
        {i.parameter: i.coefficient for i in backward.items}
    )


def test_too_few_draws_for_the_parameters_are_refused():
    with pytest.raises(UsageError, match=r"12 usable draws are too few for 3 parameters\. Ask for at least 13 draws"):
        rank_regression(["a", "b", "c"], independent_columns(12), np.arange(12.0))


def test_influences_of_an_ensemble_leave_out_what_is_fixed(found):
    result = influences(found, "damage", "none")
    assert {i.parameter for i in result.items} == {"hawk", "leak", "harm", "precision"}
    assert result.items[0].parameter == "harm" and result.items[0].coefficient > 0.5
    strengths = [abs(i.coefficient) for i in result.items]
    assert strengths == sorted(strengths, reverse=True)
    assert 0 <= result.explained <= 1
    assert all(i.low <= i.coefficient <= i.high for i in result.items)


def test_influences_of_an_unknown_outcome_or_policy_are_refused_by_name(found):
    with pytest.raises(UsageError, match="figth"):
        influences(found, "figth", "none")
    with pytest.raises(UsageError, match="nine"):
        influences(found, "fight", "nine")


def test_influences_need_a_parameter_that_varies(border):
    priors = {name: Fixed(value=float(prior.quantile(np.array([0.5]))[0])) for name, prior in border.priors.items()}
    still = run(border, num_draws=20, priors=priors)
    with pytest.raises(UsageError, match=r"no parameter varies over the draws\. Give at least one a prior"):
        influences(still, "fight", "none")
