"""Published results of the library's games of crises, worked out here from the formulas and compared with the limit."""

from collections.abc import Mapping
from math import exp

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import lambertw
from scipy.stats import multivariate_normal, norm

from detente.library.alliances import DEMANDS
from detente.library.games import GAMES
from detente.library.signals import _crisis_signalling, _shocks
from detente.model.compile import compile as compile_game
from detente.solve.api import solve
from detente.solve.limit import Limit
from detente.solve.problem import evaluate
from detente.solve.solution import edge_probabilities, reach_probabilities

CLOSE = 2e-4  # the limit is approached like 1/λ, and options that die out are gone below 1 in 10,000


def limit_of(name: str, **changed: float) -> Limit:
    """Where the branch of a library game leads, with some of its defaults changed; several values are several draws."""
    game = GAMES[name]
    assert set(changed) <= set(game.defaults)
    limit = solve(compile_game(game.crisis), {**game.defaults, **changed}).limit()
    assert limit.converged.all(), limit.message()
    return limit


def play(limit: Limit, move: str, *knows: str, draw: int = 0) -> dict[str, float]:
    """Probabilities of a move where the player has been told these words, in this order."""
    (index,) = [
        n
        for n, infoset in enumerate(limit.game.infosets)
        if infoset.move == move and tuple(label for _, label in infoset.knows) == knows
    ]
    return dict(zip(limit.game.infosets[index].options, limit.infoset(index)[:, draw].tolist(), strict=True))


def values(name: str, **changed: float) -> dict[str, float]:
    """The parameters of a library game."""
    return {**GAMES[name].defaults, **changed}


def largest_gain(name: str, profile: Mapping[tuple[str, str], str], **changed: float) -> float:
    """Most that any player could gain, before play begins, by another option at one infoset of a pure profile.

    Args:
        name: Name of the game.
        profile: (move, what the player knows of itself or has just been told) to the option that is chosen.
        changed: Parameters that differ from the defaults.
    """
    game = compile_game(GAMES[name].crisis)
    problem = evaluate(game, {key: np.array([value]) for key, value in values(name, **changed).items()})
    pure = np.zeros((game.num_slots, 1))
    for index, infoset in enumerate(game.infosets):
        labels = {label for _, label in infoset.knows}
        (option,) = {
            o for (move, label), o in profile.items() if move == infoset.move and (label in labels or not label)
        }
        pure[game.slots(index).start + infoset.options.index(option)] = 1

    def payoffs(probabilities: np.ndarray) -> np.ndarray:
        leaves = reach_probabilities(game, edge_probabilities(problem, probabilities))[game.leaf_nodes]
        return (problem.payoff * leaves[:, None]).sum(axis=0)[:, 0]

    now, most = payoffs(pure), -np.inf
    for index, infoset in enumerate(game.infosets):
        for k in range(len(infoset.options)):
            other = pure.copy()
            other[game.slots(index)] = 0
            other[game.slots(index).start + k] = 1
            most = max(most, float((payoffs(other) - now)[infoset.player]))
    return most


# -- stag hunt, chicken, ultimatum -------------------------------------------------------------------
@pytest.mark.parametrize(("stag", "together"), [(1.5, False), (1.9, False), (2.1, True), (4.0, True)])
def test_the_branch_of_a_stag_hunt_leads_to_the_catch_that_risks_less(stag, together):
    limit = limit_of("stag-hunt", stag=stag, hare=1.0)
    assert limit.choice("hunt of player 1")["stag"][0] == pytest.approx(float(together), abs=CLOSE)
    assert limit.choice("hunt of player 2")["stag"][0] == pytest.approx(float(together), abs=CLOSE)


@pytest.mark.parametrize(("crashes", "first"), [((3.0, 4.0), 1.0), ((4.0, 3.0), 0.0), ((1.5, 8.0), 1.0)])
def test_in_chicken_who_has_less_to_lose_goes_straight(crashes, first):
    limit = limit_of("chicken", crash_1=crashes[0], crash_2=crashes[1])
    assert limit.choice("drive of player 1")["straight"][0] == pytest.approx(first, abs=1e-3)
    assert limit.choice("drive of player 2")["straight"][0] == pytest.approx(1 - first, abs=1e-3)


@pytest.mark.parametrize("crash", [2.0, 5.0])
def test_equals_in_chicken_go_straight_once_in_as_often_as_the_crash_is_dear(crash):
    limit = limit_of("chicken", crash_1=crash, crash_2=crash)
    assert limit.choice("drive of player 1")["straight"][0] == pytest.approx(1 / crash, abs=1e-5)


@pytest.mark.parametrize(("own", "offer"), [(0.25, "5 %"), (0.75, "10 %"), (4.75, "50 %")])
def test_the_smallest_offer_that_beats_having_nothing_to_do_with_it_is_made(own, offer):
    limit = limit_of("ultimatum", own_2=own)
    assert limit.choice("offer")[offer][0] == pytest.approx(1, abs=CLOSE)
    assert play(limit, "answer", offer)["accept"] == pytest.approx(1, abs=CLOSE)


@pytest.mark.parametrize("spread", [0.5, 1.5])
def test_an_offer_to_somebody_who_errs_is_the_one_of_the_estimated_model(spread):
    cake, own_1, own_2 = 10.0, 0.5, 1.0
    game = compile_game(GAMES["ultimatum"].crisis)
    solution = solve(
        game,
        {"cake": cake, "own_1": own_1, "own_2": own_2},
        precision={"player 1": 200.0, "player 2": 1 / spread},
    )
    best = cake - own_1 - spread * (1 + lambertw(exp((cake - own_1 - own_2) / spread - 1)).real)
    made = {int(label.split()[0]) / 100 * cake: float(share[0]) for label, share in solution.choice("offer").items()}
    kept = {y: own_1 + (cake - y - own_1) / (1 + exp((own_2 - y) / spread)) for y in made}
    assert max(made, key=made.__getitem__) == max(kept, key=kept.__getitem__)
    assert abs(max(made, key=made.__getitem__) - best) <= 0.5  # the next offer of the grid on either side
    accepts = [float(solution.infoset(n)[0, 0]) for n, i in enumerate(game.infosets) if i.move == "answer"]
    np.testing.assert_allclose(accepts, [1 / (1 + exp((own_2 - y) / spread)) for y in made], atol=1e-9)


# -- beer and quiche -----------------------------------------------------------------------------------
def test_where_the_weak_are_few_all_have_beer_and_nobody_duels():
    limit = limit_of("beer-quiche", weak=0.1)
    assert play(limit, "breakfast", "weak")["beer"] == pytest.approx(1, abs=CLOSE)
    assert play(limit, "breakfast", "strong")["beer"] == pytest.approx(1, abs=CLOSE)
    assert play(limit, "answer", "beer")["spare"] == pytest.approx(1, abs=CLOSE)
    (index,) = [n for n, i in enumerate(limit.game.infosets) if [label for _, label in i.knows] == ["quiche"]]
    beliefs = {history[0][1]: share[0] for history, share in limit.belief(index).items()}
    assert beliefs["weak"] > 0.5  # the intuitive criterion: only the weak could gain by quiche
    np.testing.assert_allclose(limit.payoffs[:, 0], [2.9, 0.9], atol=CLOSE)


@pytest.mark.parametrize(("breakfast", "other"), [("beer", "quiche"), ("quiche", "beer")])
def test_both_breakfasts_are_shared_in_an_equilibrium_though_the_branch_leads_to_one(breakfast, other):
    shared = {("breakfast", ""): breakfast, ("answer", breakfast): "spare", ("answer", other): "duel"}
    assert largest_gain("beer-quiche", shared) == pytest.approx(0, abs=1e-12)
    nobody_minds = shared | {("answer", other): "spare"}
    assert largest_gain("beer-quiche", nobody_minds) > 0.05


@pytest.mark.parametrize("weak", [0.6, 0.75, 0.9])
def test_where_the_weak_are_many_some_have_beer_and_half_the_beer_drinkers_duel(weak):
    limit = limit_of("beer-quiche", weak=weak)
    assert play(limit, "breakfast", "weak")["beer"] == pytest.approx((1 - weak) / weak, abs=CLOSE)
    assert play(limit, "breakfast", "strong")["beer"] == pytest.approx(1, abs=CLOSE)
    assert play(limit, "answer", "beer")["duel"] == pytest.approx(0.5, abs=CLOSE)
    assert play(limit, "answer", "quiche")["duel"] == pytest.approx(1, abs=CLOSE)


# -- a challenge -----------------------------------------------------------------------------------------
def published_challenge(v: Mapping[str, float]) -> dict[str, float]:
    """How often each end is reached in the game with normal shocks, from its one equation."""

    def challenge(resist: float) -> tuple[float, float]:
        bar = (v["status_quo"] - (1 - resist) * v["gain"]) / resist
        made = 1 - norm.cdf(bar - v["war_a"]) * norm.cdf(bar - v["retreat"])
        at = [(v["war_a"] - v["retreat"]) / 2**0.5, v["war_a"] - bar]
        return float(made), float(multivariate_normal.cdf(at, [0, 0], [[1, 0.5**0.5], [0.5**0.5, 1]]) / made)

    def gap(resist: float) -> float:
        firm = challenge(resist)[1]
        return resist - float(norm.cdf((firm * v["war_b"] + (1 - firm) * v["rebuff"] - v["concede"]) / firm))

    resist = brentq(gap, 0.01, 0.99)
    made, firm = challenge(resist)
    return {
        "status quo": 1 - made,
        "concession": made * (1 - resist),
        "retreat": made * resist * (1 - firm),
        "war": made * resist * firm,
    }


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{}, {"gain": 0.5, "war_b": -1.2, "retreat": -0.5}], ids=["default", "dearer war"])
def test_a_challenge_with_eight_shocks_each_ends_nearly_as_often_as_with_normal_ones(changed):
    v = values("crisis-signalling", **changed)
    limit = solve(compile_game(_crisis_signalling(8, "eight", "Eight.")), v, precision=0.5).limit()
    assert limit.converged.all()
    found = limit.solution.outcome("end")
    for end, share in published_challenge(v).items():
        assert found[end][0] == pytest.approx(share, abs=0.03)


def test_in_the_challenge_of_the_library_everybody_follows_the_published_rule():
    v, limit = values("crisis-signalling"), limit_of("crisis-signalling")
    shocks = {f"{k} of 3": float(value) for k, value in enumerate(_shocks(3), start=1)}
    resist = limit.choice("answer")["resist"][0]
    bar = (v["status_quo"] - (1 - resist) * v["gain"]) / resist
    for war, high in shocks.items():
        for retreat, low in shocks.items():
            worth = max(v["war_a"] + high, v["retreat"] + low)
            assert play(limit, "challenge", war, retreat)["challenge"] == pytest.approx(float(worth > bar), abs=1e-3)
            firm = play(limit, "last word", war, retreat, "challenge", "resist")["stand firm"]
            assert firm == pytest.approx(float(v["war_a"] + high > v["retreat"] + low), abs=1e-3)
    ends = limit.solution.outcome("end")
    firm = ends["war"][0] / (ends["war"][0] + ends["retreat"][0])
    for war, shock in shocks.items():
        resists = firm * (v["war_b"] + shock) + (1 - firm) * v["rebuff"] > v["concede"]
        assert play(limit, "answer", war, "challenge")["resist"] == pytest.approx(float(resists), abs=1e-3)


def test_shocks_are_centred_and_rise():
    for num in (1, 2, 3, 8):
        shocks = [float(s) for s in _shocks(num)]
        assert sum(shocks) == pytest.approx(0, abs=1e-5)
        assert sorted(shocks) == shocks
    assert float(_shocks(2)[1]) == pytest.approx((2 / np.pi) ** 0.5, abs=1e-5)


# -- a crisis before an audience ---------------------------------------------------------------------------
def backing_down(limit: Limit, draw: int = 0) -> list[float]:
    """Chance that whoever is to move backs down, in each turn, as the other side sees it."""
    turns = [f"turn {t}" for t in range(10)]
    return [float(limit.choice(turn)["back down"][draw]) for turn in turns]


def unresolved(limit: Limit, turn: int) -> dict[str, float]:
    """What the side that is not resolved does in a turn that is reached."""
    return play(limit, f"turn {turn}", "unresolved", *["hold"] * turn)


@pytest.mark.parametrize("audience_a", [0.05, 0.1, 0.2])
def test_a_waverer_is_kept_waiting_by_the_hope_that_its_own_audience_costs_call_for(audience_a):
    limit = limit_of("audience-costs", audience_a=audience_a, audience_b=0.1, resolved_b=0.35)
    cost = {0: audience_a, 1: 0.1}
    seen, compared = backing_down(limit), 0
    for turn in range(8):
        if all(0.01 < unresolved(limit, t)["hold"] < 0.99 for t in (turn, turn + 2)):
            a = cost[turn % 2]
            assert seen[turn + 1] == pytest.approx(2 * a / (1 + a * (turn + 2)), abs=CLOSE)
            compared += 1
    assert compared >= 4


def test_holding_out_over_several_turns_is_as_likely_as_in_continuous_time():
    limit = limit_of("audience-costs")
    seen = backing_down(limit)
    for first, last in ((0, 4), (0, 6), (2, 6)):
        held = np.prod([1 - seen[t] for t in range(first + 1, last, 2)])
        a = GAMES["audience-costs"].defaults["audience_a"]
        assert held == pytest.approx((1 + a * first) / (1 + a * last), abs=CLOSE)


def test_once_the_crisis_is_on_the_side_with_the_larger_audience_costs_backs_down_less():
    for costs, stronger in (((0.2, 0.1), 0), ((0.1, 0.2), 1)):
        limit = limit_of("audience-costs", audience_a=costs[0], audience_b=costs[1])
        seen = backing_down(limit)
        still = {side: np.prod([1 - seen[t] for t in range(2 + side, 8, 2)]) for side in (0, 1)}
        assert still[stronger] > still[1 - stronger] + 0.1


def test_what_war_would_cost_has_no_bearing_on_how_fast_either_side_gives_way():
    seen = backing_down(limit_of("audience-costs", war_resolved=-0.05, war_unresolved=-4.0))
    other = backing_down(limit_of("audience-costs", war_resolved=-0.01, war_unresolved=-9.0))
    np.testing.assert_allclose(seen, other, atol=CLOSE)


def test_the_resolved_never_back_down():
    limit = limit_of("audience-costs")
    for turn in range(10):
        assert play(limit, f"turn {turn}", "resolved", *["hold"] * turn)["hold"] == pytest.approx(1, abs=CLOSE)


# -- unilateral deterrence -----------------------------------------------------------------------------------
def unilateral(v: Mapping[str, float]) -> dict[str, float]:
    """The published equilibrium: how often each type demands, and each defender resists."""
    steady = (1 - v["status_quo"]) / (1 - v["conflict_challenger"])
    bold, t = 1 - v["status_quo"], v["rebuff"] / (v["rebuff"] + v["loss_defender"])
    challenger, defender = v["hard_challenger"], v["hard_defender"]
    if defender > steady:
        return {"hard demands": 0, "soft demands": 0}
    if defender > bold:
        return {"hard demands": 1, "soft demands": 0, "soft resists": 0}
    if challenger > t:
        return {"hard demands": 1, "soft demands": 1, "soft resists": 0}
    return {
        "hard demands": 1,
        "soft demands": challenger / (1 - challenger) * (1 - t) / t,
        "soft resists": (bold - defender) / (1 - defender),
    }


@pytest.mark.parametrize("hard_challenger", [0.1, 0.4, 0.6, 0.9])
@pytest.mark.parametrize("hard_defender", [0.1, 0.45, 0.6, 0.8])
def test_unilateral_deterrence_has_the_equilibrium_of_its_credibilities(hard_challenger, hard_defender):
    types = {"hard_challenger": hard_challenger, "hard_defender": hard_defender}
    limit, wanted = limit_of("unilateral-deterrence", **types), unilateral(values("unilateral-deterrence", **types))
    for kind in ("hard", "soft"):
        found = play(limit, "demand", kind)["demand"]
        assert found == pytest.approx(wanted[f"{kind} demands"], abs=CLOSE)
    if "soft resists" in wanted:
        assert play(limit, "answer", "soft", "demand")["resist"] == pytest.approx(wanted["soft resists"], abs=CLOSE)
        assert play(limit, "answer", "hard", "demand")["resist"] == pytest.approx(1, abs=CLOSE)


def test_steadfast_deterrence_is_an_equilibrium_to_which_the_branch_does_not_lead():
    ends = {("last word", "hard"): "persist", ("last word", "soft"): "give up", ("answer", ""): "resist"}
    assert largest_gain("unilateral-deterrence", ends | {("demand", ""): "none"}) == pytest.approx(0, abs=1e-12)
    assert largest_gain("unilateral-deterrence", ends | {("demand", ""): "demand"}) > 0.1
    assert limit_of("unilateral-deterrence").choice("demand")["demand"][0] > 0.5


# -- mutual deterrence ---------------------------------------------------------------------------------------
def first_moves(limit: Limit, side: str) -> tuple[float, float]:
    """How often the hard and the soft of a side keep the status quo at first."""
    return tuple(play(limit, f"first move of {side}", kind)["keep"] for kind in ("hard", "soft"))


@pytest.mark.parametrize(
    ("hard_a", "hard_b", "kind"),
    [
        (0.1, 0.1, "bluff"),
        (0.25, 0.25, "bluff"),
        (0.34, 0.36, "separating"),
        (0.4, 0.45, "separating"),
        (0.9, 0.85, "sure-thing"),
    ],
)
def test_mutual_deterrence_has_the_equilibrium_of_its_credibilities(hard_a, hard_b, kind):
    v = values("mutual-deterrence", hard_a=hard_a, hard_b=hard_b)
    lost, bound = 1 - v["status_quo"], (1 - v["status_quo"]) / (1 - v["status_quo"] + v["loss"])
    exists = {
        "sure-thing": min(hard_a, hard_b) >= lost / (1 - v["conflict"]),
        "separating": min(hard_a, hard_b) >= bound,
        "bluff": max(hard_a, hard_b) < bound,
    }
    assert exists[kind]
    limit = limit_of("mutual-deterrence", hard_a=hard_a, hard_b=hard_b)
    for side, hard in (("A", hard_a), ("B", hard_b)):
        soft = (1 - bound) / (1 - hard) if kind == "bluff" else 1.0
        assert first_moves(limit, side) == pytest.approx((float(kind == "sure-thing"), soft), abs=1e-3)
        upset = f"upset by {'B' if side == 'A' else 'A'}"
        assert play(limit, f"answer of {side}", "hard", "keep", upset)["answer"] == pytest.approx(1, abs=CLOSE)
        assert play(limit, f"answer of {side}", "soft", "keep", upset)["answer"] == pytest.approx(0, abs=CLOSE)


@pytest.mark.parametrize(("hard_a", "hard_b"), [(0.1, 0.2), (0.05, 0.3), (0.2, 0.6)])
def test_where_the_less_credible_side_would_give_in_the_other_attacks(hard_a, hard_b):
    limit = limit_of("mutual-deterrence", hard_a=hard_a, hard_b=hard_b)
    assert first_moves(limit, "B") == pytest.approx((0, 0), abs=1e-3)
    assert first_moves(limit, "A")[1] == pytest.approx(1, abs=1e-3)
    assert limit.solution.outcome("end")["A gives in"][0] == pytest.approx(1 - hard_a, abs=1e-3)


def pure_moves(a: tuple[str, str], b: tuple[str, str]) -> dict[tuple[str, str], str]:
    """First moves of the hard and the soft on each side; then the hard answer and the soft give in."""
    moves = {}
    for side, first in (("A", a), ("B", b)):
        for kind, move, answer in zip(("hard", "soft"), first, ("answer", "give in"), strict=True):
            moves |= {(f"first move of {side}", kind): move, (f"answer of {side}", kind): answer}
    return moves


@pytest.mark.parametrize(
    ("kind", "a", "b"),
    [
        ("sure-thing", ("keep", "keep"), ("keep", "keep")),
        ("separating", ("upset", "keep"), ("upset", "keep")),
        ("attack by A", ("upset", "upset"), ("upset", "keep")),
        ("attack by B", ("upset", "keep"), ("upset", "upset")),
    ],
)
def test_equilibria_of_mutual_deterrence_stand_side_by_side(kind, a, b):
    for hard_a in (0.05, 0.3, 0.35, 0.4, 0.7):
        for hard_b in (0.1, 0.31, 0.36, 0.45, 0.8):
            gain = largest_gain("mutual-deterrence", pure_moves(a, b), hard_a=hard_a, hard_b=hard_b)
            exists = {
                "sure-thing": min(hard_a, hard_b) >= 0.3 / 0.8,
                "separating": min(hard_a, hard_b) >= 0.3 / 0.9,
                "attack by A": hard_b <= 0.3 / 0.9,
                "attack by B": hard_a <= 0.3 / 0.9,
            }[kind]
            assert (gain < 1e-12) == exists, (hard_a, hard_b)


# -- brinkmanship ----------------------------------------------------------------------------------------------
def brinkmanship(v: Mapping[str, float]) -> dict[str, float]:
    """Where the defender is indifferent to going on, by type, and how often a soft challenger wants it to escalate."""
    risk = v["risk"]

    def threshold(disaster: float) -> float:
        return (1 - disaster * 2 * risk / (1 - 2 * risk)) / (1 + disaster * 3 * risk)

    soft = v["disaster_soft"]
    assert 1 / (1 + soft) < 3 * risk < 1 / (1 + v["disaster_hard"])
    return {
        "hard": threshold(v["disaster_hard"]),
        "soft": threshold(soft),
        "escalates": (1 - risk - risk * soft - v["status_quo"]) / ((1 - risk) * (1 + 2 * risk * soft)),
    }


@pytest.mark.parametrize("hard_challenger", [0.03, 0.1])
def test_at_the_brink_soft_ones_bluff_on_both_sides(hard_challenger):
    v = values("brinkmanship", hard_challenger=hard_challenger)
    wanted = brinkmanship(v)
    assert hard_challenger < wanted["soft"] and v["hard_defender"] < wanted["escalates"]
    limit = limit_of("brinkmanship", hard_challenger=hard_challenger)
    odds = hard_challenger / (1 - hard_challenger)
    begun = odds * (1 - wanted["soft"]) / wanted["soft"]
    assert play(limit, "step 1", "soft")["escalate"] == pytest.approx(begun, abs=CLOSE)
    assert play(limit, "step 1", "hard")["escalate"] == pytest.approx(1, abs=CLOSE)
    resists = (wanted["escalates"] - v["hard_defender"]) / (1 - v["hard_defender"])
    assert play(limit, "step 2", "soft", "escalate", "held")["escalate"] == pytest.approx(resists, abs=CLOSE)


def test_at_the_brink_who_is_probably_hard_prevails_without_a_contest():
    assert brinkmanship(values("brinkmanship"))["hard"] < 0.7
    limit = limit_of("brinkmanship", hard_challenger=0.7)
    for kind in ("hard", "soft"):
        assert play(limit, "step 1", kind)["escalate"] == pytest.approx(1, abs=CLOSE)
        assert play(limit, "step 2", kind, "escalate", "held")["escalate"] == pytest.approx(0, abs=CLOSE)
    assert limit.solution.outcome("disaster")[0] == pytest.approx(0.1, abs=CLOSE)


def test_at_the_brink_many_hard_defenders_stay_just_often_enough_to_tempt_the_soft():
    v = values("brinkmanship", hard_defender=0.6)
    wanted = brinkmanship(v)
    limit = limit_of("brinkmanship", hard_defender=0.6)
    assert wanted["escalates"] < 0.6
    begun = v["hard_challenger"] / (1 - v["hard_challenger"]) * (1 - wanted["hard"]) / wanted["hard"]
    assert play(limit, "step 1", "soft")["escalate"] == pytest.approx(begun, abs=CLOSE)
    resists = wanted["escalates"] / 0.6
    assert play(limit, "step 2", "hard", "escalate", "held")["escalate"] == pytest.approx(resists, abs=CLOSE)
    assert play(limit, "step 2", "soft", "escalate", "held")["escalate"] == pytest.approx(0, abs=CLOSE)


@pytest.mark.parametrize("hard_challenger", [0.0, 1.0])
@pytest.mark.parametrize("hard_defender", [0.0, 1.0])
def test_nobody_takes_a_risk_in_vain_where_resolve_is_known(hard_challenger, hard_defender):
    limit = limit_of("brinkmanship", hard_challenger=hard_challenger, hard_defender=hard_defender)
    begins = limit.solution.choice("step 1")["escalate"][0]
    resists = limit.solution.choice("step 2")["escalate"][0]
    assert begins == pytest.approx(hard_challenger, abs=1e-3)
    assert begins * resists == pytest.approx(0, abs=1e-3)


def test_a_challenger_with_more_at_stake_in_the_status_quo_need_not_challenge_less():
    begins, resists = [], []
    for status_quo in (0.1, 0.2, 0.3):
        v = values("brinkmanship", status_quo=status_quo)
        assert v["hard_defender"] < brinkmanship(v)["escalates"]
        limit = limit_of("brinkmanship", status_quo=status_quo)
        begins.append(limit.solution.choice("step 1")["escalate"][0])
        resists.append(limit.solution.choice("step 2")["escalate"][0])
    np.testing.assert_allclose(begins, begins[0], atol=CLOSE)
    assert resists[0] > resists[1] + 0.01 > resists[2] + 0.02


# -- the tripartite crisis ------------------------------------------------------------------------------------
def credible(v: Mapping[str, float], determined: float) -> float:
    """How likely a protege has to be disloyal for its defender to support it."""
    supported = (1 - determined) - determined * v["war_defender"]
    return (-v["stake"] - supported) / (v["realign"] - v["stake"])


@pytest.mark.parametrize("changed", [{}, {"disloyal": 0.05}, {"concede": 0.8}, {"determined": 0.9}], ids=str)
def test_a_defender_straddles_where_the_threat_to_realign_is_weak(changed):
    v, limit = values("tripartite-crisis", **changed), limit_of("tripartite-crisis", **changed)
    t = credible(v, v["determined"])
    assert 0 < v["disloyal"] < t
    for kind in ("determined", "hesitant"):
        assert play(limit, "demand", kind)["demand"] == pytest.approx(1, abs=CLOSE)
    holds = v["disloyal"] / (1 - v["disloyal"]) * (1 - t) / t
    assert play(limit, "answer", "loyal", "demand")["hold firm"] == pytest.approx(holds, abs=CLOSE)
    assert play(limit, "answer", "disloyal", "demand")["hold firm"] == pytest.approx(1, abs=CLOSE)
    straddle = (1 - v["concede"]) / (1 - v["determined"] * v["war_protege"])
    assert limit.choice("support")["support"][0] == pytest.approx(straddle, abs=CLOSE)
    assert play(limit, "support", "perfidious", "demand", "hold firm")["support"] == pytest.approx(0, abs=CLOSE)


def test_support_is_certain_and_deters_the_hesitant_where_the_threat_to_realign_is_strong():
    v = values("tripartite-crisis", disloyal=0.7, war_determined=0.6)
    assert credible(v, 1.0) < 0.7 and v["war_determined"] > v["status_quo"]
    limit = limit_of("tripartite-crisis", disloyal=0.7, war_determined=0.6)
    assert play(limit, "support", "staunch", "demand", "hold firm")["support"] == pytest.approx(1, abs=CLOSE)
    assert play(limit, "answer", "loyal", "demand")["hold firm"] == pytest.approx(1, abs=CLOSE)
    assert play(limit, "demand", "hesitant")["demand"] == pytest.approx(0, abs=CLOSE)
    assert limit.solution.outcome("end")["conflict"][0] == pytest.approx(0.8 * v["determined"], abs=CLOSE)


def test_the_threat_to_realign_deters_a_determined_challenger_to_whom_war_is_worth_less_than_peace():
    weak, strong = (limit_of("tripartite-crisis", disloyal=share) for share in (0.15, 0.7))
    assert play(weak, "demand", "determined")["demand"] == pytest.approx(1, abs=CLOSE)
    assert play(strong, "demand", "determined")["demand"] == pytest.approx(0, abs=CLOSE)
    assert strong.solution.outcome("end")["status quo"][0] == pytest.approx(1, abs=CLOSE)


@pytest.mark.parametrize("gain", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("disloyal", [0.1, 0.6, 0.7, 0.9])
def test_a_stronger_threat_to_realign_deters_the_weakly_motivated_and_draws_the_strongly_motivated(disloyal, gain):
    changed = {"perfidious": 0.3, "war_determined": 0.1, "status_quo": 0.6, "gain_realign": gain, "disloyal": disloyal}
    v, limit = values("tripartite-crisis", **changed), limit_of("tripartite-crisis", **changed)
    if disloyal < credible(v, v["determined"]):
        demands = True  # a loyal protege mostly concedes
    else:
        assert disloyal > credible(v, 1.0)
        demands = 0.7 * 0.1 + 0.3 * (disloyal * gain + 1 - disloyal) > v["status_quo"]
    assert demands == {1.0: disloyal < 0.5, 2.0: disloyal < 0.5 or disloyal > 0.8, 3.0: True}[gain]
    assert play(limit, "demand", "determined")["demand"] == pytest.approx(float(demands), abs=1e-3)


# -- restraint by advice ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("alliance", [0.0, 0.1, 0.22, 0.37])
def test_a_target_settles_for_the_demands_that_the_alliance_is_worth(alliance):
    v, limit = values("restraint-by-advice", alliance=alliance), limit_of("restraint-by-advice", alliance=alliance)
    for demand in DEMANDS:
        for kind in ("low", "high"):
            worth = {"resist": v["joined"], "settle": v["alone"] - alliance}
            for advice, kept in worth.items():
                most = 1 - kept + v[f"cost_{kind}"]
                found = play(limit, "answer", kind, f"{int(100 * demand)} %", advice)["settle"]
                assert found == pytest.approx(float(demand < most), abs=1e-3), (demand, kind, advice)


def advised(v: Mapping[str, float]) -> tuple[float, float]:
    """The demand that is made, and how often it ends in war, by going through the game from its end."""

    def ends(demand: float, advice: str) -> tuple[float, float, float]:
        """The challenger's payoff, the ally's, and the chance of war."""
        kept = v["joined"] if advice == "resist" else v["alone"]
        lost = 0 if advice == "resist" else v["alliance"]
        total = np.zeros(3)
        for share, cost in ((v["often_low"], v["cost_low"]), (1 - v["often_low"], v["cost_high"])):
            if 1 - demand >= kept - cost - lost:
                total += share * np.array([demand, v["care"] * (1 - demand), 0])
            else:
                joining = v["join"] if advice == "resist" else 0
                total += share * np.array([1 - kept - v["cost_challenger"], v["care"] * kept - joining, 1])
        return tuple(total)

    answers = {float(x): max((ends(float(x), a) for a in ("settle", "resist")), key=lambda e: e[1]) for x in DEMANDS}
    best = max(answers, key=lambda x: answers[x][0])
    return best, answers[best][2]


@pytest.mark.parametrize("alliance", [0.0, 0.1])
def test_an_ally_that_is_valued_more_keeps_the_peace_over_larger_demands(alliance):
    v, limit = values("restraint-by-advice", alliance=alliance), limit_of("restraint-by-advice", alliance=alliance)
    demand, war = advised(v)
    assert (demand, war) == pytest.approx({0.0: (0.4, 0.0), 0.1: (0.5, 0.0)}[alliance])
    assert limit.choice("demand")[f"{round(100 * demand)} %"][0] == pytest.approx(1, abs=1e-3)
    assert limit.solution.outcome("war")[0] == pytest.approx(war, abs=1e-3)


def test_advice_to_settle_ends_wars_that_targets_who_do_not_value_the_alliance_would_fight():
    risk = {}
    for alliance in (0.0, 0.1):
        game = compile_game(GAMES["restraint-by-advice"].crisis)
        limit = solve(game, values("restraint-by-advice", alliance=alliance)).limit()
        risk[alliance] = limit.solution.outcome("war", {"demand": "50 %", "advice": "settle"})[0]
    assert risk[0.0] == pytest.approx(0.6, abs=1e-3)  # those to whom war costs little
    assert risk[0.1] == pytest.approx(0, abs=1e-3)


# -- moral hazard -------------------------------------------------------------------------------------------------
def promised(v: Mapping[str, float], promise: str) -> str:
    """What a promise brings: peace, an attack or a provocation."""
    c, m = v["chance"], v["misread"]
    unprovoked, provoked = {
        "none": (0, 0),
        "conditional": (1 - m, m),
        "probabilistic": (c, c),
        "unconditional": (1, 1),
    }[promise]
    attacks = unprovoked < v["prize"] / (v["prize"] + v["defeat"])
    first = provoked * v["spoils"] - (1 - provoked) * v["harm_provoked"]
    waits = -(1 - unprovoked) * v["harm"] if attacks else 0
    return "provocation" if first > waits else "attack" if attacks else "peace"


@pytest.mark.parametrize("chance", [0.2, 0.4, 0.7])
@pytest.mark.parametrize("misread", [0.1, 0.63, 0.8])
def test_promises_deter_and_embolden_at_their_thresholds(chance, misread):
    v = values("moral-hazard", chance=chance, misread=misread)
    limit = limit_of("moral-hazard", chance=chance, misread=misread)
    brings = {promise: promised(v, promise) for promise in ("none", "conditional", "probabilistic", "unconditional")}
    assert brings["none"] == "attack" and brings["unconditional"] == "provocation"
    assert (brings["probabilistic"] == "peace") == (1 / 3 < chance < 0.6)
    assert (brings["conditional"] == "peace") == (misread < 0.6)
    for promise, end in brings.items():
        war = limit.solution.outcome("war", {"promise": promise})[0]
        provoked = limit.solution.outcome("provoked", {"promise": promise})[0]
        assert (war, provoked) == pytest.approx((float(end != "peace"), float(end == "provocation")), abs=2e-3)


@pytest.mark.parametrize(
    ("misread", "chance", "chosen"),
    [(0.1, 0.45, "conditional"), (0.8, 0.45, "probabilistic"), (0.1, 0.7, "conditional")],
)
def test_a_patron_is_clear_where_it_sees_who_began_and_ambiguous_where_it_does_not(misread, chance, chosen):
    limit = limit_of("moral-hazard", misread=misread, chance=chance)
    assert limit.choice("promise")[chosen][0] == pytest.approx(1, abs=1e-3)
    assert limit.solution.outcome("war")[0] == pytest.approx(0, abs=2e-3)


# -- the strategic models that are estimated -----------------------------------------------------------------------
def logistic(x: float) -> float:
    return 1 / (1 + exp(-x))


@pytest.mark.parametrize("precision", [0.5, 2.0])
def test_strategic_models_end_as_often_as_their_likelihoods_say(precision):
    def ends(name: str) -> dict[str, float]:
        game = GAMES[name]
        found = solve(compile_game(game.crisis), game.defaults, precision=precision).outcome("terminal")
        return {terminal: float(share[0]) for terminal, share in found.items()}

    u = values("strategic-12")
    p4 = logistic(precision * u["u24"])
    p2 = logistic(precision * ((1 - p4) * u["u13"] + p4 * u["u14"] - u["u11"]))
    assert ends("strategic-12") == pytest.approx({"1": 1 - p2, "3": p2 * (1 - p4), "4": p2 * p4}, abs=1e-9)

    u = values("strategic-122")
    p4, p6 = logistic(precision * u["u22"]), logistic(precision * u["u24"])
    right = (1 - p6) * u["u13"] + p6 * u["u14"] - (1 - p4) * u["u11"] - p4 * u["u12"]
    p2 = logistic(precision * right)
    wanted = {"1": (1 - p2) * (1 - p4), "2": (1 - p2) * p4, "3": p2 * (1 - p6), "4": p2 * p6}
    assert ends("strategic-122") == pytest.approx(wanted, abs=1e-9)

    u = values("strategic-123")
    p6 = logistic(precision * u["u36"])
    p4 = logistic(precision * ((1 - p6) * u["u25"] + p6 * u["u26"] - u["u23"]))
    on = (1 - p6) * u["u15"] + p6 * u["u16"]
    p2 = logistic(precision * ((1 - p4) * u["u13"] + p4 * on - u["u11"]))
    wanted = {"1": 1 - p2, "3": p2 * (1 - p4), "5": p2 * p4 * (1 - p6), "6": p2 * p4 * p6}
    assert ends("strategic-123") == pytest.approx(wanted, abs=1e-9)
