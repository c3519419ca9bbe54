"""The rules of alliance restraint reproduce what the theory says, over draws from the priors of both scenarios."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from strategies import run_directly

from detente.axes import CHANCE, Game
from detente.library.restraint import (
    DEFIANCE,
    INVOLVEMENT,
    MESSAGES,
    REPLIES,
    RUNGS,
    SANCTIONS,
    TARGETS,
    restraint,
)
from detente.model.priors import draw, median_draw
from detente.model.scenario import Scenario, load_scenario
from detente.report.brief import prior_predictive_check
from detente.solve.api import solve
from detente.solve.problem import evaluate
from detente.solve.solution import CONVERGED, Solution, move_names

SCENARIOS = ("april-2024", "october-2024")
NUM_DRAWS = 128
ATTACKS = ("mass salvo", "widen the war")
FULL, REFUSAL = "no conditions", "withhold defence"


@dataclass(frozen=True)
class Worlds:
    """One scenario solved in many possible worlds, and again with one parameter changed."""

    scenario: Scenario
    game: Game
    draws: dict[str, np.ndarray]
    solution: Solution
    acknowledged: Solution  # deniability 0
    closer: Solution  # the alliance worth a quarter more


@pytest.fixture(scope="module", params=SCENARIOS)
def worlds(request) -> Worlds:
    scenario = load_scenario(request.param)
    game, draws = scenario.game, draw(scenario.priors, NUM_DRAWS, seed=0)
    return Worlds(
        scenario,
        game,
        draws,
        solve(game, draws, precision="precision"),
        solve(game, draws | {"deniability": np.zeros(NUM_DRAWS)}, precision="precision"),
        solve(game, draws | {"alliance": 1.25 * draws["alliance"]}, precision="precision"),
    )


def attacks(solution: Solution, **given: str) -> np.ndarray:
    """Chance that the adversary answers with a mass salvo or by widening the war."""
    shares = solution.choice("reply", given)
    return sum((shares[reply] for reply in ATTACKS), start=np.zeros(solution.num_draws))


def restrained(solution: Solution, message: str) -> np.ndarray:
    return solution.outcome("restrained", {"message": message})


def share(holds: np.ndarray) -> float:
    return float(np.mean(holds))


# -- the signatures of the theory -----------------------------------------------------------------
def test_every_world_is_solved(worlds):
    for solution in (worlds.solution, worlds.acknowledged, worlds.closer):
        assert (solution.status == CONVERGED).all()
        assert solution.residual.max() <= 1e-10


def test_more_commitment_raises_the_protege_s_force(worlds):
    more = restrained(worlds.solution, REFUSAL) - restrained(worlds.solution, FULL)
    assert share(more > 0) >= 0.95
    assert np.median(more) > 0.1


@pytest.mark.parametrize("target", TARGETS)
def test_more_commitment_lowers_the_adversary_s_attacks_after_the_same_retaliation(worlds, target):
    public = {"channel": "public", "retaliation": target}
    fewer = attacks(worlds.solution, message=REFUSAL, **public) - attacks(worlds.solution, message=FULL, **public)
    assert share(fewer > 0) >= 0.95
    assert np.median(fewer) > 0.02


@pytest.mark.parametrize("target", [None, "token and deniable", "military targets"])
def test_a_leaked_refusal_to_defend_emboldens_the_adversary(worlds, target):
    same = {"message": REFUSAL, "channel": "private"} | ({} if target is None else {"retaliation": target})
    bolder = attacks(worlds.solution, press="reports it", **same) - attacks(worlds.solution, press="silent", **same)
    assert share(bolder > 0) >= 0.95
    assert np.median(bolder) > 0.02


def test_a_message_that_stays_private_cannot_embolden_anybody(worlds):
    silent = {"channel": "private", "press": "silent", "retaliation": "military targets"}
    # what the adversary sees is the same after both, whatever it concludes from it
    loyal, refusing = (attacks(worlds.solution, message=m, **silent) for m in (FULL, REFUSAL))
    np.testing.assert_allclose(loyal, refusing, atol=1e-9)


def test_a_deniable_token_strike_draws_fewer_replies_than_an_acknowledged_one(worlds):
    token = {"retaliation": "token and deniable"}
    replies = [1 - s.choice("reply", token)["none"] for s in (worlds.solution, worlds.acknowledged)]
    assert share(replies[1] > replies[0]) >= 0.95
    assert np.median(replies[1] - replies[0]) > 0.1


def test_asking_the_protege_not_to_strike_restrains_nearly_as_much_as_withholding_defence(worlds):
    alone = restrained(worlds.solution, "strike alone") - restrained(worlds.solution, FULL)
    withheld = restrained(worlds.solution, REFUSAL) - restrained(worlds.solution, FULL)
    assert share(alone >= 0.8 * withheld) >= 0.90


def test_asking_the_protege_not_to_strike_costs_less_deterrence_than_withholding_defence(worlds):
    attacked = [worlds.solution.outcome("attacked_again", {"message": m}) for m in ("strike alone", REFUSAL)]
    assert share(attacked[0] < attacked[1]) >= 0.90
    same = [attacks(worlds.solution, message=m, retaliation="military targets") for m in ("strike alone", REFUSAL)]
    assert share(same[0] < same[1]) >= 0.90


@pytest.mark.parametrize("message", ["strike alone", "red lines", REFUSAL])
def test_compliance_rises_with_the_worth_of_the_alliance(worlds, message):
    def compliance(solution: Solution) -> np.ndarray:
        if message == "red lines":  # accepts a strike, excludes oil and nuclear sites
            return 1 - solution.outcome("oil_or_nuclear", {"message": message})
        return restrained(solution, message)

    rise = compliance(worlds.closer) - compliance(worlds.solution)
    assert share(rise > 0) >= 0.95
    assert np.median(rise) > 0.005


def test_the_alliance_does_not_matter_where_nothing_is_asked(worlds):
    rise = restrained(worlds.closer, FULL) - restrained(worlds.solution, FULL)
    asked = restrained(worlds.closer, "strike alone") - restrained(worlds.solution, "strike alone")
    assert share(np.abs(rise) < asked) >= 0.95


# -- before anything is observed ------------------------------------------------------------------
def test_nothing_is_certain_or_impossible_before_anything_is_observed(worlds):
    found = prior_predictive_check(worlds.scenario)
    assert found.problems == ()
    assert set(found.options) == {"retaliation", "reply"}
    assert tuple(found.options["retaliation"]) and set(found.options["retaliation"]) == set(TARGETS)
    assert set(found.options["reply"]) == set(REPLIES)
    for options in found.options.values():
        assert sum(options.values()) == pytest.approx(1)
        assert all(0.02 <= p <= 0.70 for p in options.values())


def test_the_equilibrium_of_the_median_world_is_the_one_that_its_branch_leads_to(worlds):
    values = median_draw(worlds.scenario.priors)
    direct = solve(worlds.game, values, precision="precision")
    steps = [values["precision"] * k / 5 for k in range(1, 6)]
    followed = solve(worlds.game, values, precision=steps)[-1]
    assert direct.status.tolist() == followed.status.tolist() == [CONVERGED]
    np.testing.assert_allclose(direct.probabilities, followed.probabilities, atol=1e-8)


# -- the tree -------------------------------------------------------------------------------------
def test_the_tree_has_its_known_size(worlds):
    game = worlds.game
    assert game.num_nodes <= 20_000
    assert (game.num_nodes, len(game.infosets), game.num_leaves) == (18_959, 1_594, 11_256)
    assert game.players == ("patron", "protege", "adversary")
    assert len(game.parameters) == 61


def test_the_moves_are_those_of_the_story_by_their_first_depth(worlds):
    assert move_names(worlds.game) == [
        "protege resolve",
        "adversary resolve",
        "patron's word",
        "message",
        "channel",
        "press",
        "retaliation",
        "sanctions",
        "reply",
        "next",
        "impacts",
        "involvement",
    ]


def test_every_option_of_every_move_occurs(worlds):
    game = worlds.game
    offered: dict[str, set[str]] = {}
    for node in range(game.num_nodes):
        if game.num_options[node]:
            offered.setdefault(game.move_at(node), set()).update(game.options_at(node))
    assert offered == {
        "protege resolve": {"low", "high"},
        "adversary resolve": {"low", "high"},
        "patron's word": {"means it", "bluffs"},
        "message": set(MESSAGES),
        "channel": {"private", "public"},
        "press": {"silent", "reports it"},
        "sanctions": {"none", SANCTIONS},
        "retaliation": set(TARGETS),
        "reply": set(REPLIES),
        "impacts": {"few", "many"},
        "involvement": set(INVOLVEMENT),
        "next": {"stop", "war"},
    }
    solution = worlds.solution
    for move, options in offered.items():
        shares = solution.choice(move)
        for option in options:
            assert (shares[option] > 0).all(), (move, option)


def test_the_war_is_only_widened_in_answer_to_a_strike(worlds):
    for infoset in worlds.game.infosets:
        if infoset.move == "reply":
            struck = dict(infoset.knows)["retaliation"] != "none"
            assert ("widen the war" in infoset.options) == struck


def test_the_adversary_knows_the_message_only_when_it_is_public_or_reported(worlds):
    game = worlds.game
    for node in np.flatnonzero(game.infoset >= 0):
        infoset = game.infosets[game.infoset[node]]
        if game.players[infoset.player] != "adversary":
            continue
        history, knows = dict(game.history(int(node))), dict(infoset.knows)
        heard = history["channel"] == "public" or history.get("press") == "reports it"
        assert ("message" in knows) == heard
        assert knows.get("message", history["message"]) == history["message"]
        assert "protege resolve" not in knows and "patron's word" not in knows
        assert knows["adversary resolve"] == history["adversary resolve"]


def test_each_player_knows_its_own_type_only(worlds):
    types = {"protege resolve": "protege", "adversary resolve": "adversary", "patron's word": "patron"}
    for infoset in worlds.game.infosets:
        known = {name for name, _ in infoset.knows if name in types}
        assert known == {name for name, owner in types.items() if owner == worlds.game.players[infoset.player]}


def test_every_outcome_is_recorded_with_its_kind(worlds):
    assert {name: o.kind for name, o in worlds.game.outcomes.items()} == {
        "retaliation": "label",
        "reply": "label",
        "regional_war": "flag",
        "patron_involved": "flag",
        "alliance_strain": "number",
        "restrained": "flag",
        "oil_or_nuclear": "flag",
        "attacked_again": "flag",
        "rung": "number",
    }


# -- arithmetic -----------------------------------------------------------------------------------
def sample_leaves(game: Game, count: int = 150) -> list[tuple[int, tuple[tuple[str, str], ...]]]:
    rng = np.random.default_rng(0)
    picked = rng.choice(game.num_leaves, size=count, replace=False)
    return [(int(leaf), game.history(int(game.leaf_nodes[leaf]))) for leaf in picked]


def test_payoffs_and_outcomes_are_those_of_the_rules_run_with_numbers(worlds):
    values = {name: float(array[5]) for name, array in worlds.draws.items()}
    problem = evaluate(worlds.game, values)
    monomials = worlds.game.basis.evaluate(problem.draws, 1)
    numbers = {n: o.rows.evaluate(monomials)[:, 0] for n, o in worlds.game.outcomes.items() if o.rows is not None}
    for leaf, history in sample_leaves(worlds.game):
        oracle, payoffs = run_directly(restraint, [label for _, label in history], values)
        assert payoffs is not None
        direct = [float(payoffs[player]) for player in restraint.players]
        np.testing.assert_allclose(problem.payoff[leaf, :, 0], direct, atol=1e-9)
        for name, found in numbers.items():
            assert found[leaf] == pytest.approx(float(oracle.outcomes[name])), (name, history)
        assert 0 <= oracle.outcomes["rung"] < len(RUNGS)


def test_the_salvo_is_launched_times_reliability_less_what_is_intercepted(worlds):
    game, problem = worlds.game, worlds.solution.problem
    checked = set()
    for node in np.flatnonzero(game.kind == CHANCE):
        if game.move_at(int(node)) != "impacts":
            continue
        history = dict(game.history(int(node)))
        assert history["reply"] == "mass salvo"
        withheld = history["message"] == REFUSAL and history["patron's word"] == "means it"
        reinforced = history["message"] == "red lines"
        chance = problem.chance[game.chance_start[game.chance[node]] + 1]
        for index in (0, 17, NUM_DRAWS - 1):
            p = {name: float(array[index]) for name, array in worlds.draws.items()}
            arriving = p["salvo"] * p["reliability"]
            magazine = p["magazine"] * (1 + p["reinforcement"] if reinforced else 1)
            engaged = min(1.0, magazine / arriving)
            intercepted = arriving * engaged * p["interception"] * (1 - p["patron_share"] if withheld else 1)
            through = arriving - intercepted
            many = 1 / (1 + math.exp(-(through - p["many_impacts"]) / p["impact_spread"]))
            assert chance[index] == pytest.approx(many, rel=1e-9)
        checked.add((withheld, reinforced))
    assert checked == {(False, False), (True, False), (False, True)}


def test_more_gets_through_without_the_patron_and_less_with_its_batteries(worlds):
    game, problem = worlds.game, worlds.solution.problem
    many: dict[tuple[str, str], np.ndarray] = {}
    for node in np.flatnonzero(game.kind == CHANCE):
        if game.move_at(int(node)) == "impacts":
            history = dict(game.history(int(node)))
            row = game.chance_start[game.chance[node]] + 1
            many[history["message"], history["patron's word"]] = problem.chance[row]
    assert (many[REFUSAL, "means it"] > many[FULL, "means it"]).all()
    np.testing.assert_array_equal(many[REFUSAL, "bluffs"], many[FULL, "bluffs"])
    assert (many["red lines", "means it"] <= many[FULL, "means it"]).all()


def test_defiance_grows_with_the_severity_of_the_strike():
    assert set(DEFIANCE) == set(MESSAGES)
    for message, by_target in DEFIANCE.items():
        values = [by_target[target] for target in TARGETS]
        assert values == sorted(values) and values[0] == 0, message
    for target in TARGETS[1:]:
        assert DEFIANCE[FULL][target] == 0 <= DEFIANCE["defence only"][target] <= DEFIANCE["strike alone"][target]
        assert DEFIANCE["strike alone"][target] < DEFIANCE[REFUSAL][target]


def test_a_regional_war_is_the_highest_rung_and_no_force_the_lowest(worlds):
    solution, ladder = worlds.solution, worlds.game.outcomes["rung"]
    assert ladder.rows is not None
    monomials = worlds.game.basis.evaluate(solution.problem.draws, NUM_DRAWS)
    rung = ladder.rows.evaluate(monomials)[:, 0]
    flag = worlds.game.outcomes["regional_war"].rows
    assert flag is not None
    war = flag.evaluate(monomials)[:, 0] == 1
    assert (rung[war] == len(RUNGS) - 1).all() and (rung[~war] < len(RUNGS) - 1).all()
    assert set(rung.astype(int)) == set(range(len(RUNGS)))
