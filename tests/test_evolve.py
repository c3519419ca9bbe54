"""Policy search by evolution: it finds optima that are known, by enumeration and by calculus."""

import sys

import numpy as np
import pytest
from test_search import RULES, TOML

from detente.decide.evolve import Candidate, _non_dominated, evolve
from detente.decide.search import search
from detente.errors import UsageError
from detente.model.scenario import load_scenario

# The guard's payoff is largest, and the same in every world, at an aid of 0.3 when it is firm.
AID_RULES = '''
from detente.model.language import crisis, players

GUARD, RIVAL = players("guard", "rival")


@crisis(players=(GUARD, RIVAL))
def gate(g, p):
    """A guard that may be firm, and gives some aid."""
    calm = g.choose(GUARD, "stance", ("calm", "firm"), seen_by=RIVAL) == "calm"
    crossed = g.choose(RIVAL, "act", ("stay", "cross")) == "cross"
    g.outcome(crossed=crossed, spent=p.aid)
    off = p.aid - 0.3
    return {GUARD: -off * off - 0.5 * calm, RIVAL: crossed * (p.fog - p.harm)}
'''
AID_TOML = (
    TOML
    + """
[parameters.aid]
meaning = "How much aid is given."
unit = "share"
prior = { kind = "uniform", low = 0.0, high = 1.0 }
judgement = "the tests: a guess"
[outcomes.spent]
title = "Spent"
meaning = "The aid."
better = "lower"
"""
)


def write(folder, rules, toml):
    (folder / "rules.py").write_text(rules, encoding="utf-8")
    (folder / "scenario.toml").write_text(toml, encoding="utf-8")
    return load_scenario(folder)


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    return write(tmp_path_factory.mktemp("gate"), RULES, TOML)


@pytest.fixture(scope="module")
def aid(tmp_path_factory):
    return write(tmp_path_factory.mktemp("aid"), AID_RULES, AID_TOML)


@pytest.fixture
def pymoo():
    pytest.importorskip("pymoo", reason="Search by evolution needs the extra 'search' (pymoo).")


@pytest.mark.parametrize("metric", ["laplace", "maximin"])
def test_evolution_finds_what_trying_every_commitment_finds(gate, pymoo, metric):
    found = evolve(gate, metric=metric, num_draws=32, population=8, generations=8)
    best = search(gate, metric=metric, num_draws=32).found[0]
    assert found.found[0].scores["guard"] == pytest.approx(best.score)
    assert found.found[0].means["guard"] == pytest.approx(best.mean)
    assert found.num_tried <= len(search(gate, num_draws=32).found), "no policy is tried under two names"


def test_a_lever_that_is_a_number_comes_to_its_optimum(aid, pymoo):
    done = []
    found = evolve(
        aid,
        metric="laplace",
        knobs={"aid": (0, 1)},
        num_draws=8,
        population=16,
        generations=25,
        progress_fn=done.append,
    )
    best = found.found[0]
    assert best.commit == {"stance": "firm"}
    assert best.settings["aid"] == pytest.approx(0.3, abs=0.02)
    assert best.scores["guard"] == pytest.approx(0.0, abs=5e-4)
    assert best.title.startswith("stance: firm, aid = 0.")
    assert done == list(range(1, 26))


def test_between_two_criteria_the_policies_that_remain_trade_one_for_the_other(aid, pymoo):
    found = evolve(
        aid,
        by=["guard", "spent"],
        metric="laplace",
        knobs={"aid": (0, 1)},
        num_draws=8,
        population=16,
        generations=25,
    ).found
    given = [c.settings["aid"] for c in found]
    assert len(found) >= 5 and all(c.commit == {"stance": "firm"} for c in found)
    assert max(given) <= 0.32 and min(given) < 0.05, "above 0.3 both get worse; below, one for the other"
    assert given == sorted(given, reverse=True), "the best on the first criterion stands first"


def test_the_same_seed_finds_the_same_policies_and_regret_is_against_those_of_the_scenario(aid, pymoo):
    def go():
        return evolve(aid, metric="minimax regret", knobs={"aid": (0, 1)}, num_draws=8, population=6, generations=4)

    one, two = go(), go()
    assert [c.settings for c in one.found] == [c.settings for c in two.found]
    assert all(c.scores["guard"] <= 0 for c in one.found), "regret is never negative, and more is better here"
    assert one.num_left_out == 0 and one.num_worlds == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "laplac"}, "Did you mean 'laplace'"),
        ({"by": "gard"}, "Did you mean 'guard'"),
        ({"moves": ["stand"]}, "is not a move of the guard"),
        ({"moves": []}, "there is nothing to search"),
        ({"knobs": {"aids": (0, 1)}}, "Did you mean 'aid'"),
        ({"knobs": {"aid": (1, 0)}}, "Give a lower and a higher number"),
        ({"population": 1}, "cannot evolve"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_the_work(aid, options, message):
    with pytest.raises(UsageError, match=message):
        evolve(aid, **options)


def test_without_pymoo_it_says_how_to_install_it(gate, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymoo", None)
    for name in [n for n in sys.modules if n.startswith("pymoo.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UsageError, match=r"pip install 'detente\[search\]'"):
        evolve(gate, num_draws=4)


def test_only_what_nothing_beats_remains():
    def tried(a, b):
        return Candidate({}, {}, {"a": a, "b": b}, {})

    kept = _non_dominated([tried(1, 0), tried(0, 1), tried(0, 0), tried(1, 0), tried(np.nan, 9)], ("a", "b"))
    assert [tuple(c.scores.values()) for c in kept] == [(1, 0), (0, 1), (1, 0)]
