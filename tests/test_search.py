"""Policy search, cards and thresholds: against policies evaluated one by one, and sums by hand."""

import numpy as np
import pytest

from detente.decide.boxes import percent
from detente.decide.cards import flipping_share, flips, make_card
from detente.decide.ensemble import run
from detente.decide.regret import regrets
from detente.decide.search import (
    check_commit,
    commitments,
    criterion_values,
    direction,
    levers,
    search,
    with_policies,
)
from detente.errors import UsageError
from detente.model.scenario import Policy, load_scenario

RULES = '''
from detente.model.language import crisis, players

GUARD, RIVAL = players("guard", "rival")


@crisis(players=(GUARD, RIVAL))
def gate(g, p):
    """A guard may warn; a rival crosses or not; where it crosses after a warning, the guard may fire."""
    g.chance("fog", {"thick": p.fog, "thin": 1 - p.fog}, seen_by=GUARD)
    firm = g.choose(GUARD, "stance", ("calm", "firm"), seen_by=RIVAL) == "firm"
    crossed = g.choose(RIVAL, "act", ("stay", "cross"), seen_by=GUARD) == "cross"
    fired = firm and crossed and g.choose(GUARD, "answer", ("hold", "fire"), seen_by=RIVAL) == "fire"
    g.outcome(crossed=crossed, fired=fired)
    return {GUARD: -p.harm * crossed - 0.2 * firm - 0.4 * fired, RIVAL: crossed * (1 - 2 * fired)}
'''
TOML = """
format = 1
title = "The gate"
summary = "A small crisis for tests."
as_of = 2024-01-31
rules = "rules.py:gate"
decides = "guard"
precision = 2.0
[parameters.harm]
meaning = "What a crossing costs."
unit = "utility"
prior = { kind = "uniform", low = 0.2, high = 2.0 }
judgement = "the tests: a guess"
[parameters.fog]
meaning = "How likely fog is."
unit = "probability"
prior = { kind = "uniform", low = 0.2, high = 0.8 }
judgement = "the tests: a guess"
[policies.none]
title = "Nothing"
meaning = "The guard plays the equilibrium."
[outcomes.crossed]
title = "Crossed"
meaning = "The rival crosses."
headline = true
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    (folder / "rules.py").write_text(RULES, encoding="utf-8")
    (folder / "scenario.toml").write_text(TOML, encoding="utf-8")
    return load_scenario(folder)


# -- commitments -----------------------------------------------------------------------------------
def test_levers_are_the_moves_of_the_deciding_player(scenario):
    assert levers(scenario) == {"stance": ("calm", "firm"), "answer": ("hold", "fire")}


def test_every_combination_is_tried_once_and_none_that_never_comes_up(scenario):
    found = {tuple(sorted(c.items())) for c in commitments(scenario)}
    calm = {(("stance", "calm"),)}  # then the guard never answers, and so no answer is promised
    rest = {(), (("stance", "firm"),), (("answer", "hold"),), (("answer", "fire"),)}
    both = {(("answer", a), ("stance", "firm")) for a in ("hold", "fire")}
    assert found == calm | rest | both
    assert len(commitments(scenario)) == len(found)


def test_the_search_ranks_as_policies_evaluated_one_by_one(scenario):
    found = search(scenario, num_draws=64, seed=1)
    policies = {str(i): Policy(title="t", meaning="m", commit=dict(c.commit)) for i, c in enumerate(found.found)}
    one_by_one = run(with_policies(scenario, policies), num_draws=64, seed=1)
    values = criterion_values(one_by_one, "guard")
    lost = np.sort(regrets(values, one_by_one.policies, better="higher"), axis=0)
    # 64 worlds: the tenth percentile of what is oriented upwards is that of the 58th regret from below.
    assert [-c.score for c in found.found] == pytest.approx(lost[57], abs=1e-9)
    assert [c.mean for c in found.found] == pytest.approx(values.mean(axis=0), abs=1e-9)
    assert [c.score for c in found.found] == sorted((c.score for c in found.found), reverse=True)
    assert found.num_worlds == 64 and found.num_left_out == 0


def test_a_search_for_an_outcome_follows_its_direction(scenario):
    found = search(scenario, by="crossed", metric="laplace", num_draws=64)
    assert direction(scenario, "crossed") == "lower" and direction(scenario, "guard") == "higher"
    assert found.found[0].mean == min(c.mean for c in found.found)
    assert found.found[0].commit.get("stance") != "calm"


def test_only_the_named_levers_are_pulled(scenario):
    found = search(scenario, moves=["stance"], num_draws=32)
    assert {c.title for c in found.found} == {"no commitment", "stance: calm", "stance: firm"}


def test_what_cannot_be_committed_is_refused(scenario):
    with pytest.raises(UsageError, match="Did you mean 'stance'"):
        commitments(scenario, ["stanse"])
    with pytest.raises(UsageError, match="chance move"):
        check_commit(scenario, {"fog": "thick"})
    with pytest.raises(UsageError, match="move of the rival"):
        check_commit(scenario, {"act": "stay"})
    with pytest.raises(UsageError, match="no option 'firn'"):
        check_commit(scenario, {"stance": "firn"})
    with pytest.raises(UsageError, match="not a player"):
        search(scenario, by="gard", num_draws=32)


def test_too_many_combinations_are_refused(scenario, monkeypatch):
    monkeypatch.setattr("detente.decide.search.MOST_COMMITMENTS", 5)
    with pytest.raises(UsageError, match="Name fewer levers"):
        commitments(scenario)


# -- cards -----------------------------------------------------------------------------------------
def worlds(count=2_000, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.random(count) for name in ("resolve", "word", "leak")}


def test_every_number_of_a_card_can_be_counted():
    inputs = worlds()
    fails = (inputs["resolve"] > 0.7) & (inputs["word"] < 0.4)
    card = make_card(fails, inputs, policy="Act", criterion="war", failure="war", units={"resolve": "points"})
    inside = card.box.holds(inputs)
    assert card.rate == fails.mean() and card.num_failures == fails.sum()
    assert card.box.mass == pytest.approx(inside.mean())
    assert card.box.density == pytest.approx(fails[inside].mean())
    assert card.box.coverage == pytest.approx(fails[inside].sum() / fails.sum())
    for r in card.box.restrictions:
        assert card.quantiles[r.parameter] == pytest.approx(r.holds(inputs[r.parameter]).mean())
        assert percent(card.quantiles[r.parameter]) in card.text
    assert set(card.box.parameters) == {"resolve", "word"}
    assert " points (highest " in card.text and "(lowest " in card.text
    for share in (card.rate, card.box.coverage, card.box.density, card.box.mass):
        assert percent(share) in card.text


def test_a_card_restricts_three_parameters_at_most():
    rng = np.random.default_rng(3)
    inputs = {f"p{i}": rng.random(4_000) for i in range(12)}
    fails = np.logical_and.reduce([inputs[f"p{i}"] > 0.3 for i in range(5)])
    assert len(make_card(fails, inputs, policy="Act", criterion="c", failure="f").box.restrictions) == 3


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "in none of 2,000 worlds"), (5, "too few to say when"), (1_990, "nearly all"), (2_000, "nearly all")],
)
def test_a_card_says_when_there_is_nothing_to_say(count, words):
    fails = np.arange(2_000) < count
    card = make_card(fails, worlds(), policy="Act", criterion="war", failure="war")
    assert card.box is None and words in card.text


def test_failures_by_chance_have_no_story():
    fails = np.random.default_rng(9).random(2_000) < 0.3
    card = make_card(fails, worlds(), policy="Act", criterion="war", failure="war")
    assert card.box is None or card.box.density < 0.4


# -- thresholds ------------------------------------------------------------------------------------
def test_the_choice_flips_where_the_lines_cross():
    inputs = worlds(10_000)
    values = np.stack([np.full(10_000, 0.6), inputs["resolve"] + 0.3 * (inputs["word"] - 0.5)], axis=1)
    (found,) = [f for f in flips(values, ["a", "b"], inputs, preferred="a") if f.parameter == "resolve"]
    assert found.side == "above" and found.policy == "b"
    assert found.value == pytest.approx(0.6, abs=0.02)
    there = inputs["resolve"] > found.value
    assert found.share == pytest.approx(there.mean())
    assert found.gain == pytest.approx((values[there, 1] - values[there, 0]).mean())


def test_less_can_be_better_and_the_flip_lies_below():
    inputs = worlds(10_000)
    values = np.stack([np.full(10_000, 0.6), inputs["resolve"]], axis=1)
    below = flips(values, ["a", "b"], inputs, preferred="b", better="lower")
    assert [(f.side, f.policy) for f in below] == [("above", "a")]


def test_noise_flips_nothing():
    rng = np.random.default_rng(4)
    values = np.stack([np.full(4_000, 0.1), rng.normal(size=4_000)], axis=1)
    assert flips(values, ["a", "b"], worlds(4_000), preferred="a") == ()


def test_the_share_at_which_another_policy_takes_over_balances_the_averages():
    rng = np.random.default_rng(5)
    values, inside = rng.normal(size=(500, 3)), np.arange(500) < 100
    values[inside, 1] += 2
    values[~inside, 0] += 1
    column, share = flipping_share(values, inside, preferred=0)
    gap = values - values[:, [0]]
    mixed = share * gap[inside].mean(axis=0) + (1 - share) * gap[~inside].mean(axis=0)
    assert column == 1 and mixed[1] == pytest.approx(0, abs=1e-12)
    assert flipping_share(values, np.zeros(500, bool), preferred=0) is None
