"""Indicators: against Bayes' rule by hand on a game small enough to write out, and on all leaves of a large one."""

from dataclasses import replace

import numpy as np
import pytest

from detente.decide.ensemble import run
from detente.decide.indicators import indicators
from detente.decide.sensitivity import varying
from detente.errors import SolveError, UsageError
from detente.model.scenario import load_scenario
from detente.solve.solution import NOT_CONVERGED

RULES = '''
from detente.model.language import crisis, players

GUARD, RIVAL = players("guard", "rival")


@crisis(players=(GUARD, RIVAL))
def two_steps(g, p):
    """A rival gets ready or not, as it is bold or not; then it is war or not, by chance."""
    bold = g.chance("type", {"bold": p.bold, "shy": 1 - p.bold}, seen_by=RIVAL) == "bold"
    g.choose(GUARD, "stance", ("calm", "firm"), seen_by=RIVAL)
    rumour = g.chance("rumour", {"heard": 1 / 2, "none": 1 / 2}, seen_by=GUARD)
    sign = g.chance("sign", {"seen": 0.8, "not": 0.2} if bold else {"seen": 0.1, "not": 0.9}, seen_by=GUARD)
    war = "no"
    if sign == "seen":
        war = g.chance("war", {"yes": 0.5, "no": 0.5}, seen_by=(GUARD, RIVAL))
    g.outcome(war=war == "yes", heard=rumour == "heard", never=False, number=p.bold * (war == "yes"))
    return {GUARD: 0, RIVAL: 0}
'''
TOML = """
format = 1
title = "Two steps"
summary = "A small crisis for tests."
as_of = 2024-01-31
rules = "rules.py:two_steps"
decides = "guard"
precision = 1.0
[parameters.bold]
meaning = "How likely the rival is to be bold."
unit = "probability"
prior = { kind = "uniform", low = 0.2, high = 0.6 }
judgement = "the tests: a guess"
[policies.none]
title = "Nothing"
meaning = "The guard plays the equilibrium."
[policies.firm]
title = "Firm"
meaning = "The guard is firm."
commit = { stance = "firm" }
[outcomes.war]
title = "War"
meaning = "War."
headline = true
"""


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    (folder / "rules.py").write_text(RULES, encoding="utf-8")
    (folder / "scenario.toml").write_text(TOML, encoding="utf-8")
    return run(load_scenario(folder), num_draws=64)


@pytest.fixture(scope="module")
def october():
    return run(load_scenario("october-2024"), num_draws=32)


def test_a_sign_is_weighed_by_bayes_rule(ensemble):
    bold = ensemble.draws["bold"].mean()
    seen = 0.8 * bold + 0.1 * (1 - bold)
    found = indicators(ensemble, "war", "firm", own=("guard",))
    assert found.forecast == pytest.approx(seen / 2)
    item = {i.move: i for i in found.items}["sign"]
    signs = {s.option: s for s in item.signs}
    assert signs["seen"].probability == pytest.approx(seen)
    assert signs["seen"].forecast == pytest.approx(0.5)
    assert signs["seen"].likelihood_ratio == pytest.approx(1 / ((seen / 2) / (1 - seen / 2)))
    assert signs["not"].forecast == 0 and signs["not"].likelihood_ratio == 0
    assert item.shift == pytest.approx(seen * (0.5 - seen / 2) + (1 - seen) * seen / 2)


def test_information_is_what_is_left_unknown_less(ensemble):
    bold = ensemble.draws["bold"].mean()
    seen = 0.8 * bold + 0.1 * (1 - bold)

    def entropy(p):
        return -p * np.log2(p) - (1 - p) * np.log2(1 - p)

    found = {i.move: i for i in indicators(ensemble, "war", "firm", own=("guard",)).items}
    assert found["sign"].information == pytest.approx(entropy(seen / 2) - seen * entropy(0.5))
    assert found["sign"].share == pytest.approx(found["sign"].information / entropy(seen / 2))
    assert found["war"].share == pytest.approx(1.0), "the war itself tells all"


def test_a_move_that_has_nothing_to_do_with_it_tells_nothing(ensemble):
    rumour = {i.move: i for i in indicators(ensemble, "war", "firm").items}["rumour"]
    assert rumour.information == pytest.approx(0, abs=1e-12)
    assert all(s.likelihood_ratio == pytest.approx(1) for s in rumour.signs)


def test_lead_counts_the_moves_until_the_outcome_is_settled(ensemble):
    found = {i.move: i for i in indicators(ensemble, "war", "firm").items}
    assert [found[m].lead for m in ("rumour", "sign", "war")] == pytest.approx([2, 1, 0])
    assert [found[m].depth for m in ("rumour", "sign", "war")] == pytest.approx([1, 2, 3])
    settled_by_rumour = {i.move: i for i in indicators(ensemble, "heard", "firm").items}
    assert settled_by_rumour["rumour"].lead == 0


def test_private_types_and_our_own_moves_are_no_indicators(ensemble):
    moves = {i.move for i in indicators(ensemble, "war", "none", own=("guard",)).items}
    assert moves == {"rumour", "sign", "war"}
    assert "stance" in {i.move for i in indicators(ensemble, "war", "none").items}
    assert "stance" not in {i.move for i in indicators(ensemble, "war", "firm").items}, "it is fixed: nothing to see"


def test_an_outcome_that_cannot_come_about_is_no_puzzle(ensemble):
    found = indicators(ensemble, "never", "firm")
    assert found.forecast == 0
    assert all(i.information == 0 and np.isnan(i.lead) for i in found.items)


def test_what_is_not_true_or_false_is_refused(ensemble):
    with pytest.raises(UsageError, match="not true or false"):
        indicators(ensemble, "number", "firm")
    with pytest.raises(UsageError, match="Did you mean 'firm'"):
        indicators(ensemble, "war", "fimr")
    with pytest.raises(UsageError, match="not a player"):
        indicators(ensemble, "war", "firm", own=("gard",))


def test_worlds_of_which_none_converged_are_no_forecast(ensemble):
    lost = replace(ensemble, status=np.full_like(ensemble.status, NOT_CONVERGED))
    with pytest.raises(SolveError, match="no draw converged, so there is nothing to watch for"):
        indicators(lost, "war", "firm")
    with pytest.raises(SolveError, match="no draw converged, so there is nothing to vary"):
        varying(lost)


def test_every_figure_for_october_is_a_sum_over_leaves(october):
    """Brute force: walk every history, and add up."""
    game, policy = october.game, "red-lines"
    weight = october.leaf_mean[october.policies.index(policy)]
    rows = game.outcomes["regional_war"].rows.matrix
    war = np.asarray(rows.todense() if hasattr(rows, "todense") else rows).sum(axis=1).ravel() > 0.5
    courses = [dict(game.history(int(n))) for n in game.leaf_nodes]
    found = indicators(october, "regional_war", policy, own=("patron",))
    assert found.forecast == pytest.approx(october.outcome("regional_war", policy).mean(), abs=1e-9)
    for item in found.items:
        option = [course.get(item.move, "") for course in courses]
        for sign in item.signs:
            here = np.array([o == sign.option for o in option])
            came, missed = weight[here & war].sum(), weight[here & ~war].sum()
            assert sign.probability == pytest.approx((came + missed) / weight.sum(), abs=1e-9)
            assert sign.forecast == pytest.approx(came / (came + missed), abs=1e-9)
            if missed > 0:
                ratio = (came / weight[war].sum()) / (missed / weight[~war].sum())
                assert sign.likelihood_ratio == pytest.approx(ratio, rel=1e-6, abs=1e-9)
    assert not {"protege resolve", "patron's word", "message"} & {i.move for i in found.items}
