"""The solver against closed forms, brute force, published answers, and itself."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

import detente as dt
from detente.axes import CHANCE, CHOICE, LEAF, Game
from detente.errors import SolveError, UsageError
from detente.library.games import GAMES
from detente.model.compile import compile as compile_game
from detente.model.efg import read_efg
from detente.solve.api import BLOCK, as_precision, solve
from detente.solve.commit import restrict
from detente.solve.plan import make_plan
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED, Solution, move_names
from detente.solve.sweep import LANES

BOTH = pytest.mark.parametrize("method", ["dense", "sweep"])
ONE, TWO, THREE = dt.players("one", "two", "three")


# -- small games ---------------------------------------------------------------------------------
@dt.crisis(players=(ONE,))
def four_ways(g, p):
    """One decision maker, four options."""
    chosen = g.choose(ONE, "way", ("a", "b", "c", "d"))
    return {ONE: {"a": p.a, "b": 1, "c": -p.a, "d": 0}[chosen]}


@dt.crisis(players=(ONE, TWO))
def ultimatum(g, p):
    """Perfect information: an offer, an answer, and a last word."""
    offer = g.choose(ONE, "offer", ("fair", "mean", "leave"), seen_by=TWO)
    if offer == "leave":
        return {ONE: 0.2, TWO: 0.1}
    answer = g.choose(TWO, f"answer to {offer}", ("yes", "no", "later"), seen_by=ONE)
    share = {"fair": p.cake / 2, "mean": 0.8 * p.cake}[offer]
    if answer == "yes":
        return {ONE: share, TWO: p.cake - share}
    if answer == "no":
        return {ONE: 0, TWO: 0}
    if g.choose(ONE, f"last word after {offer}", ("wait", "walk")) == "wait":
        return {ONE: 0.9 * share, TWO: 0.9 * (p.cake - share)}
    return {ONE: p.pride, TWO: -0.3}


@dt.crisis(players=(ONE, TWO, THREE))
def leaky(g, p):
    """Types, a private message that may leak, a strike and a reply: the whole shape in little."""
    resolve = g.chance("resolve", {"low": 1 - p.hawk, "high": p.hawk}, seen_by=TWO)
    message = g.choose(ONE, "message", ("back", "restrain"), seen_by=TWO)
    press = g.chance("press", {"silent": 1 - p.leak, "reports it": p.leak}, seen_by=(ONE, TWO))
    if press == "reports it":
        g.tell(THREE, "message", message)
    target = g.choose(TWO, "target", ("none", "small", "large"), seen_by=(ONE, THREE))
    reply = "none"
    if target != "none":
        reply = g.choose(THREE, "reply", ("none", "salvo"), seen_by=(ONE, TWO))
    size = {"none": 0, "small": 1, "large": 2}[target]
    gain = (p.resolve if resolve == "high" else 1) * size * 0.7
    defied = 1 if message == "restrain" and size == 2 else 0
    backed = 1 if message == "back" else 0
    hit = 1 if reply == "salvo" else 0
    g.outcome(struck=size > 0, replied=hit == 1, size=size, target=target)
    return {
        ONE: -p.cost * hit - 0.3 * size - 0.5 * defied - 0.4 * backed * hit,
        TWO: gain - p.alliance * defied - hit * (1.5 - 0.8 * backed),
        THREE: -0.5 * size + hit * (0.6 * size - 0.5 - backed * p.deter),
    }


LEAKY = {"hawk": 0.4, "leak": 0.7, "resolve": 1.6, "cost": 1.2, "alliance": 1.0, "deter": 0.6}


@dt.crisis(players=(ONE, TWO))
def coordination(g, p):
    """Symmetric coordination: its branch crosses another one at precision 1 (two options, stake 2)."""
    mine = g.choose(ONE, "first", ("left", "right"))
    yours = g.choose(TWO, "second", ("left", "right"))
    return {ONE: p.stake if mine == yours else 0, TWO: p.stake if mine == yours else 0}


@dt.crisis(players=(ONE, TWO))
def hidden(g, p):
    """The second player does not know where it stands."""
    weather = g.chance("weather", {"fair": 1 - p.foul, "foul": p.foul}, seen_by=ONE)
    act = g.choose(ONE, "act", ("go", "stay"))
    guess = g.choose(TWO, "guess", ("went", "stayed"))
    right = (act == "go") == (guess == "went")
    return {ONE: (2 if weather == "fair" else -1) * (act == "go") - right, TWO: 1 if right else 0}


@dt.crisis(players=(ONE, TWO))
def storm(g, p):
    """What the second player knows in a storm is never known where storms cannot happen."""
    weather = g.chance("weather", {"calm": 1 - p.storm, "storm": p.storm}, seen_by=(ONE, TWO))
    act = g.choose(ONE, f"act in the {weather}", ("go", "stay"))
    guess = g.choose(TWO, f"guess in the {weather}", ("went", "stayed"))
    right = (act == "go") == (guess == "went")
    extra = 1 if weather == "storm" else 0.3
    return {ONE: extra * (act == "go") - right, TWO: 2 * extra if right else 0}


def leaky_draws(num_draws: int, seed: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    draws = {name: value * rng.uniform(0.7, 1.3, num_draws) for name, value in LEAKY.items()}
    return draws | {"precision": rng.uniform(0.3, 1.6, num_draws)}


@pytest.fixture(scope="module")
def leaky_game() -> Game:
    return compile_game(leaky)


# -- an independent statement of the equilibrium --------------------------------------------------
def log_softmax(values) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    top = values.max()
    return values - top - np.log(np.exp(values - top).sum())


def brute_force(solution: Solution, draw: int = 0) -> tuple[float, np.ndarray]:
    """Largest distance from the logit response and everybody's payoffs, by walking every history by hand."""
    game, problem = solution.game, solution.problem
    num_players = len(game.players)
    option_values: dict[int, list] = {}

    def chances(node: int) -> np.ndarray:
        count = game.num_options[node]
        if game.kind[node] == CHANCE:
            start = game.chance_start[game.chance[node]]
            return problem.chance[start : start + count, draw]
        start = game.infoset_start[game.infoset[node]]
        return solution.probabilities[start : start + count, draw]

    def walk(node: int, reach: float) -> np.ndarray:
        if game.kind[node] == LEAF:
            return np.array([problem.payoff[game.leaf[node], c, draw] for c in range(num_players)])
        share, first = chances(node), int(game.first_child[node])
        below = [walk(first + k, reach * share[k]) for k in range(game.num_options[node])]
        if game.kind[node] == CHOICE:
            option_values.setdefault(int(game.infoset[node]), []).append((reach, below))
        return sum(s * value for s, value in zip(share, below, strict=True))

    payoffs = walk(0, 1.0)
    worst = 0.0
    for infoset, members in option_values.items():
        player = game.infosets[infoset].player
        total = sum(reach for reach, _ in members)
        if total == 0:
            continue
        count = len(game.infosets[infoset].options)
        expected = [sum(r * below[k][player] for r, below in members) / total for k in range(count)]
        response = log_softmax(solution.precision[player, draw] * np.array(expected))
        found = solution.log_probabilities[game.slots(infoset), draw]
        worst = max(worst, float(np.abs(response - found).max()))
    return worst, np.asarray(payoffs, dtype=float)


# -- closed forms --------------------------------------------------------------------------------
@BOTH
@pytest.mark.parametrize("precision", [0, 0.3, 1, 7.5])
def test_a_lone_decision_maker_plays_the_logit_of_its_payoffs(method, precision):
    solution = solve(compile_game(four_ways), {"a": 1.7}, precision=precision, method=method)
    expected = np.exp(log_softmax(precision * np.array([1.7, 1.0, -1.7, 0.0])))
    np.testing.assert_allclose(solution.infoset(0)[:, 0], expected, atol=1e-12)
    assert solution.status.tolist() == [CONVERGED]
    np.testing.assert_allclose(solution.payoffs[0, 0], expected @ [1.7, 1.0, -1.7, 0.0], atol=1e-12)


@BOTH
@pytest.mark.parametrize("precision", [0.2, 1, 3])
@pytest.mark.parametrize("heads", [1.0, 2.0, 5.0])
def test_unequal_pennies_solve_their_one_dimensional_equation(method, precision, heads):
    def logistic(x: float) -> float:
        return 1 / (1 + np.exp(-x))

    def second(first: float) -> float:  # the second player wins where the pennies differ
        return logistic(precision * ((1 - first) - first))

    def gap(first: float) -> float:
        return first - logistic(precision * (heads * second(first) - (1 - second(first))))

    first = brentq(gap, 0, 1, xtol=1e-15)
    solution = solve(
        compile_game(GAMES["unequal-pennies"].crisis), {"heads": heads}, precision=precision, method=method
    )
    np.testing.assert_allclose(solution.choice("first")["heads"], [first], atol=1e-9)
    np.testing.assert_allclose(solution.choice("second")["heads"], [second(first)], atol=1e-9)


@BOTH
@pytest.mark.parametrize("precision", [0.1, 1, 4])
def test_with_perfect_information_play_is_the_logit_recursion_from_the_end(method, precision):
    cake, pride = 1.3, 0.15

    def logit(values) -> np.ndarray:
        return np.exp(log_softmax(precision * np.array(values)))

    answers, offers = {}, {}
    for offer, share in (("fair", cake / 2), ("mean", 0.8 * cake)):
        last = logit([0.9 * share, pride])
        later = np.array([last @ [0.9 * share, pride], last @ [0.9 * (cake - share), -0.3]])
        answers[offer] = logit([cake - share, 0, later[1]])
        offers[offer] = answers[offer] @ [share, 0, later[0]]
    first = logit([offers["fair"], offers["mean"], 0.2])

    solution = solve(compile_game(ultimatum), {"cake": cake, "pride": pride}, precision=precision, method=method)
    np.testing.assert_allclose([v[0] for v in solution.choice("offer").values()], first, atol=1e-10)
    for offer, expected in answers.items():
        found = [v[0] for v in solution.choice(f"answer to {offer}").values()]
        np.testing.assert_allclose(found, expected, atol=1e-10)


# -- published answers ----------------------------------------------------------------------------
PUBLISHED = {
    "kuhn-poker": "os_kuhn_poker_2p",
    "kuhn-poker-3": "os_kuhn_poker_3p",
    "seltens-horse": "catalog__journals_ijgt_selten1975_fig1",
    "centipede": "contrib__cent3",
}


@BOTH
@pytest.mark.parametrize("name", PUBLISHED)
def test_library_games_have_their_published_equilibria(shared, name, method):
    reference = json.loads((shared / "conformance" / "aqre" / f"{PUBLISHED[name]}.json").read_text())
    wanted = {s["precision"]: s for s in reference["solutions"]}
    game = compile_game(GAMES[name].crisis)
    assert [len(i.options) for i in game.infosets] == [len(i["actions"]) for i in reference["infosets"]]
    assert [i.player + 1 for i in game.infosets] == [i["player"] for i in reference["infosets"]]
    for infoset, other in zip(game.infosets, reference["infosets"], strict=True):
        for option, action in zip(infoset.options, other["actions"], strict=True):  # "take" is "T" in the file
            assert option.lower().startswith(action.lower())
    precisions = [0.1, 0.5, 1.0]
    for precision, solution in zip(precisions, solve(game, precision=precisions, method=method), strict=True):
        np.testing.assert_allclose(solution.probabilities[:, 0], wanted[precision]["probabilities"], atol=1e-8)
        np.testing.assert_allclose(solution.payoffs[:, 0], wanted[precision]["payoffs"], atol=1e-7)
        assert solution.status.tolist() == [CONVERGED]


# -- the two formulations agree -------------------------------------------------------------------
def test_dense_and_sweep_agree_where_types_and_leaks_matter(leaky_game):
    draws = leaky_draws(20)
    dense = solve(leaky_game, draws, precision="precision", method="dense")
    sweep = solve(leaky_game, draws, precision="precision", method="sweep")
    assert dense.converged.all() and sweep.converged.all()
    np.testing.assert_allclose(dense.probabilities, sweep.probabilities, atol=1e-10)
    np.testing.assert_allclose(dense.payoffs, sweep.payoffs, atol=1e-10)


@pytest.mark.slow
def test_dense_and_sweep_agree_on_a_committed_part_of_the_restraint_game():
    from detente.library.restraint import restraint
    from detente.model.priors import median_draw
    from detente.model.scenario import load_scenario

    scenario = load_scenario("october-2024")
    commit = {"message": "red lines", "channel": "public", "retaliation": "military targets", "next": "stop"}
    game = restrict(compile_game(restraint, parameters=scenario.rule_parameters), commit)
    values = median_draw(scenario.priors)
    dense = solve(game, values, precision="precision", method="dense")
    sweep = solve(game, values, precision="precision", method="sweep")
    assert dense.status.tolist() == sweep.status.tolist() == [CONVERGED]
    np.testing.assert_allclose(dense.probabilities, sweep.probabilities, atol=1e-10)
    assert brute_force(sweep)[0] < 1e-9


def test_small_games_are_solved_densely_and_large_ones_by_sweeps(leaky_game):
    assert solve(leaky_game, LEAKY).method == "dense"
    large = compile_game(wide_crisis(60))
    assert large.num_slots > 150
    assert solve(large, {"x": 0.3}).method == "sweep"


def wide_crisis(width: int):
    """A game with many slots: one option for each of many answers."""

    @dt.crisis(players=(ONE, TWO))
    def wide(g, p):
        """Many offers, each answered."""
        offer = g.choose(ONE, "offer", [str(k) for k in range(width)], seen_by=TWO)
        answer = g.choose(TWO, "answer", ("yes", "no"))
        price = int(offer) / width
        return {ONE: price if answer == "yes" else 0, TWO: p.x - price + 0.5 if answer == "yes" else 0}

    return wide


# -- the residual ---------------------------------------------------------------------------------
@BOTH
def test_the_residual_is_the_distance_from_the_logit_response(leaky_game, method):
    solution = solve(leaky_game, leaky_draws(12), precision="precision", method=method)
    for draw in range(12):
        worst, payoffs = brute_force(solution, draw)
        assert worst < 1e-9
        np.testing.assert_allclose(solution.payoffs[:, draw], payoffs, atol=1e-9)
        assert solution.residual[draw] <= 1e-10


def test_the_brute_force_of_these_tests_finds_a_wrong_profile(leaky_game):
    import dataclasses

    solution = solve(leaky_game, LEAKY)
    moved = solution.log_probabilities.copy()
    moved[0] += 1e-6
    assert brute_force(dataclasses.replace(solution, log_probabilities=moved))[0] > 5e-7


@BOTH
@pytest.mark.parametrize("name", ["kuhn-poker", "kuhn-poker-3", "centipede", "seltens-horse"])
def test_library_equilibria_answer_themselves(name, method):
    for solution in solve(compile_game(GAMES[name].crisis), precision=[0.2, 1.0], method=method):
        assert brute_force(solution)[0] < 1e-8
        assert solution.status.tolist() == [CONVERGED]


def test_probabilities_are_the_exponentials_of_log_probabilities(leaky_game):
    solution = solve(leaky_game, leaky_draws(5), precision="precision", method="sweep")
    np.testing.assert_allclose(np.exp(solution.log_probabilities), solution.probabilities, rtol=1e-12)


# -- commitments and interventions ----------------------------------------------------------------
def test_a_commitment_is_the_smaller_game_and_everybody_knows_it():
    @dt.crisis(players=(ONE, TWO))
    def alone(g, p):
        """Only the second player moves, and knows that the first has gone left."""
        yours = g.choose(TWO, "second", ("left", "right"))
        return {ONE: p.stake if yours == "left" else 0, TWO: p.stake if yours == "left" else 0}

    bound = solve(compile_game(coordination), {"stake": 2.0}, commit={"first": "left"})
    direct = solve(compile_game(alone), {"stake": 2.0})
    np.testing.assert_allclose(bound.choice("second")["left"], direct.choice("second")["left"], atol=1e-12)
    assert bound.choice("first") == {"left": [1.0]}
    # the second player cannot see the first: fixing the choice without anybody knowing changes nothing for it
    free = solve(compile_game(coordination), {"stake": 2.0}, precision=0.5)
    np.testing.assert_allclose(free.choice("second", {"first": "left"})["left"], [0.5], atol=1e-9)


def test_an_intervention_keeps_beliefs_and_a_commitment_changes_them(leaky_game):
    values = LEAKY | {"leak": 0.0}  # the third player never hears the message
    free = solve(leaky_game, values)
    same = [free.choice("reply", {"message": m, "target": "small"})["salvo"][0] for m in ("back", "restrain")]
    np.testing.assert_allclose(same[0], same[1], atol=1e-12)
    bound = [
        solve(leaky_game, values, commit={"message": m}).choice("reply", {"target": "small"})["salvo"][0]
        for m in ("back", "restrain")
    ]
    assert bound[1] - bound[0] > 0.05
    assert bound[0] < same[0] < bound[1]


@BOTH
def test_a_committed_game_answers_itself_and_has_only_what_is_left(leaky_game, method):
    solution = solve(leaky_game, leaky_draws(4), precision="precision", commit={"message": "restrain"}, method=method)
    assert max(brute_force(solution, draw)[0] for draw in range(4)) < 1e-9
    game = solution.game
    assert game.num_nodes < leaky_game.num_nodes
    for leaf in game.leaf_nodes:
        assert ("message", "restrain") in game.history(int(leaf))
    wanted = [leaky_game.history(int(n)) for n in leaky_game.leaf_nodes]
    kept = [game.history(int(n)) for n in game.leaf_nodes]
    assert set(kept) == {h for h in wanted if ("message", "restrain") in h}
    whole = {h: solve(leaky_game, LEAKY).problem.payoff[i] for i, h in enumerate(wanted)}
    part = solve(leaky_game, LEAKY, commit={"message": "restrain"}).problem.payoff
    for index, history in enumerate(kept):
        np.testing.assert_array_equal(part[index], whole[history])


def test_outcomes_of_a_committed_game_belong_to_its_own_leaves(leaky_game):
    solution = solve(leaky_game, LEAKY, commit={"target": "large"})
    assert solution.outcome("struck") == pytest.approx([1.0])
    assert solution.outcome("size") == pytest.approx([2.0])
    assert {k: v[0] for k, v in solution.outcome("target").items()} == pytest.approx(
        {"none": 0, "small": 0, "large": 1}
    )


def test_an_intervention_on_chance_conditions_on_what_happened(leaky_game):
    solution = solve(leaky_game, LEAKY)
    heard = solution.choice("reply", {"press": "reports it", "message": "back", "target": "large"})["salvo"]
    unheard = solution.choice("reply", {"press": "silent", "message": "back", "target": "large"})["salvo"]
    assert heard[0] < unheard[0] - 0.01
    mixed = solution.choice("press", {"message": "back"})
    assert mixed["reports it"] == pytest.approx([0.7])


def test_leaf_probabilities_sum_to_one_with_and_without_interventions(leaky_game):
    solution = solve(leaky_game, leaky_draws(6), precision="precision")
    for given in (None, {"message": "back"}, {"press": "silent", "target": "none"}):
        np.testing.assert_allclose(solution.leaf_probabilities(given).sum(axis=0), 1.0, atol=1e-12)


def test_a_move_that_is_never_reached_has_no_shares(leaky_game):
    solution = solve(leaky_game, LEAKY)
    assert np.isnan(solution.choice("reply", {"target": "none"})["salvo"]).all()


def test_flags_numbers_and_labels_are_expectations_over_the_leaves(leaky_game):
    solution = solve(leaky_game, LEAKY)
    target = solution.choice("target")
    assert solution.outcome("struck")[0] == pytest.approx(1 - target["none"][0])
    assert solution.outcome("size")[0] == pytest.approx(target["small"][0] + 2 * target["large"][0])
    assert {k: v[0] for k, v in solution.outcome("target").items()} == pytest.approx(
        {k: v[0] for k, v in target.items()}
    )


def test_the_moves_of_a_game_are_listed_in_the_order_of_play(leaky_game):
    assert move_names(leaky_game) == ["resolve", "message", "press", "target", "reply"]


def test_an_option_that_only_one_of_many_histories_offers_can_be_committed_to():
    @dt.crisis(players=(ONE, TWO))
    def rare(g, p):
        """After one of very many offers there is something more to choose."""
        offer = g.choose(ONE, "offer", [str(k) for k in range(2_502)], seen_by=TWO)
        options = ("yes", "no", "perhaps") if offer == "1" else ("yes", "no")
        answer = g.choose(TWO, "answer", options)
        return {ONE: 0, TWO: 1 if answer == "yes" else 0}

    game = restrict(compile_game(rare), {"answer": "perhaps"})
    assert game.num_nodes == 1 + 2_502 + 2 * 2_501 + 1


# -- precision ------------------------------------------------------------------------------------
@BOTH
def test_each_player_can_have_its_own_precision(leaky_game, method):
    precision = {"one": 0.4, "two": 1.1, "three": 0.0}
    solution = solve(leaky_game, LEAKY, precision=precision, method=method)
    np.testing.assert_allclose(solution.precision[:, 0], [0.4, 1.1, 0.0])
    assert brute_force(solution)[0] < 1e-9
    assert {k: v[0] for k, v in solution.choice("reply").items()} == pytest.approx({"none": 0.5, "salvo": 0.5})
    by_player = solve(leaky_game, LEAKY, precision={ONE: 0.4, TWO: 1.1, THREE: 0.0}, method=method)
    np.testing.assert_array_equal(by_player.probabilities, solution.probabilities)


def test_a_player_s_precision_may_be_a_parameter(leaky_game):
    draws = leaky_draws(3)
    mixed = solve(leaky_game, draws, precision={"one": "precision", "two": 1.0, "three": np.array([0.1, 0.2, 0.3])})
    np.testing.assert_array_equal(mixed.precision, [draws["precision"], [1, 1, 1], [0.1, 0.2, 0.3]])
    assert max(brute_force(mixed, d)[0] for d in range(3)) < 1e-9


@BOTH
def test_a_parameter_an_array_and_numbers_give_the_same(leaky_game, method):
    draws = leaky_draws(5)
    named = solve(leaky_game, draws, precision="precision", method=method)
    array = solve(leaky_game, draws, precision=draws["precision"], method=method)
    np.testing.assert_array_equal(named.probabilities, array.probabilities)
    for draw in range(5):
        values = {name: float(v[draw]) for name, v in draws.items()}
        one = solve(leaky_game, values, precision=float(draws["precision"][draw]), method=method)
        np.testing.assert_allclose(one.probabilities[:, 0], named.probabilities[:, draw], atol=1e-10)


@BOTH
def test_a_list_of_precisions_is_the_branch(leaky_game, method):
    steps = [0, 0.25, 1.0, 1.5]
    branch = solve(leaky_game, LEAKY, precision=steps, method=method)
    assert isinstance(branch, tuple) and len(branch) == 4
    for step, solution in zip(steps, branch, strict=True):
        assert solution.precision.max() == pytest.approx(step)
        alone = solve(leaky_game, LEAKY, precision=step, method=method)
        np.testing.assert_allclose(solution.probabilities, alone.probabilities, atol=1e-9)
        assert solution.status.tolist() == [CONVERGED]


def test_a_single_precision_is_one_solution_and_a_list_of_one_is_a_tuple(leaky_game):
    assert isinstance(solve(leaky_game, LEAKY, precision=1), Solution)
    assert len(solve(leaky_game, LEAKY, precision=[1])) == 1


@BOTH
def test_precision_zero_is_uniform_play(leaky_game, method):
    solution = solve(leaky_game, LEAKY, precision=0, method=method)
    for index, infoset in enumerate(leaky_game.infosets):
        np.testing.assert_allclose(solution.infoset(index)[:, 0], 1 / len(infoset.options), atol=1e-14)


# -- statuses -------------------------------------------------------------------------------------
def test_a_draw_that_does_not_converge_is_reported():
    game = compile_game(GAMES["seltens-horse"].crisis)
    solution = solve(game, precision=1.0, method="sweep", exact=False, max_sweeps=1)
    assert solution.status.tolist() == [NOT_CONVERGED] and not solution.converged.any()
    assert solution.residual[0] > 1e-3
    assert solution.iterations[0] >= 1
    assert solution.message() == (
        f"not converged (residual {solution.residual[0]:.1e} after {solution.iterations[0]} iterations; the branch was "
        "followed to precision 0 of 1)"
    )


def test_a_draw_that_does_not_converge_raises_when_asked_to(leaky_game):
    with pytest.raises(SolveError, match=r"1 of 1 draws did not converge; draw 0: not converged .* raise max_sweeps"):
        solve(compile_game(GAMES["seltens-horse"].crisis), method="sweep", exact=False, max_sweeps=1, throw=True)
    assert solve(leaky_game, LEAKY, throw=True).converged.all()


def test_the_others_of_a_batch_converge_where_one_draw_does_not(leaky_game):
    draws = leaky_draws(40)
    draws["precision"] = np.where(np.arange(40) == 7, 1.0, 0.0)  # uniform play is found at once
    solution = solve(leaky_game, draws, precision="precision", method="sweep", exact=False, max_sweeps=2)
    assert np.flatnonzero(solution.status == NOT_CONVERGED).tolist() == [7]
    assert np.flatnonzero(~solution.converged).tolist() == [7]
    assert max(brute_force(solution, d)[0] for d in range(40) if d != 7) < 1e-10
    with pytest.raises(SolveError, match="1 of 40 draws did not converge; draw 7: not converged"):
        solve(leaky_game, draws, precision="precision", method="sweep", exact=False, max_sweeps=2, throw=True)


@BOTH
def test_a_bifurcation_is_reported_with_its_precision(method):
    solution = solve(compile_game(coordination), {"stake": 2.0}, precision=[0.5, 3.0], method=method)
    assert [s.status[0] for s in solution] == [CONVERGED, BIFURCATION]
    # uniform play loses its stability where precision × stake × 2 × share × (1 − share) = 1, that is at 1
    assert solution[1].bifurcation_at[0] == pytest.approx(1.0, rel=0.02)
    assert np.isnan(solution[0].bifurcation_at[0])
    assert solution[1].converged.all()
    assert "another branch crosses near precision" in solution[1].message()
    assert brute_force(solution[1])[0] < 1e-10


@BOTH
def test_a_bifurcation_in_some_draws_leaves_the_others_alone(method):
    solution = solve(compile_game(coordination), {"stake": [0.5, 4.0]}, precision=2.0, method=method)
    assert solution.status.tolist() == [CONVERGED, BIFURCATION]
    assert solution.converged.all()


def test_messages_name_the_residual_and_the_iterations(leaky_game):
    solution = solve(leaky_game, LEAKY)
    assert (
        solution.message()
        == f"converged (residual {solution.residual[0]:.1e} after {solution.iterations[0]} iterations)"
    )


def test_the_precision_reached_is_the_last_one_that_was_found():
    game = compile_game(GAMES["seltens-horse"].crisis)
    low, high = solve(game, precision=[0.5, 50.0], method="sweep", exact=False, max_sweeps=60)
    assert low.status.tolist() == [CONVERGED] and low.precision_reached[0] == pytest.approx(0.5)
    assert high.status.tolist() == [NOT_CONVERGED]
    assert high.precision_reached[0] == pytest.approx(0.5)  # the step before was found and is not forgotten
    assert "followed to precision 0.5 of 50" in high.message()


@pytest.mark.parametrize("name", ["kuhn-poker", "kuhn-poker-3", "centipede", "seltens-horse"])
def test_a_draw_that_met_the_tolerance_is_not_spoiled_by_the_last_sweep(name):
    game = compile_game(GAMES[name].crisis)
    for precision in (0.5, 1.0, 1.5, 2.0):
        solution = solve(game, precision=precision, method="sweep", max_sweeps=400)
        # a draw either keeps looking until the limit or has been found
        assert solution.status[0] == CONVERGED or solution.iterations[0] >= 400, solution.message()


# -- blocks and lanes -----------------------------------------------------------------------------
@BOTH
def test_draws_of_several_blocks_equal_one_by_one_solves(leaky_game, method):
    num_draws = BLOCK + 2 * LANES + 5
    draws = leaky_draws(num_draws)
    seen = []
    together = solve(leaky_game, draws, precision="precision", method=method, progress_fn=seen.append)
    assert seen == [*range(BLOCK, num_draws, BLOCK), num_draws]
    assert together.num_draws == num_draws and together.status.shape == (num_draws,)
    assert together.converged.all()
    for draw in (0, LANES - 1, LANES, BLOCK - 1, BLOCK, BLOCK + LANES, num_draws - 1):
        values = {name: float(v[draw]) for name, v in draws.items()}
        alone = solve(leaky_game, values, precision="precision", method=method)
        np.testing.assert_allclose(together.probabilities[:, draw], alone.probabilities[:, 0], atol=1e-9)
        np.testing.assert_allclose(together.payoffs[:, draw], alone.payoffs[:, 0], atol=1e-9)
    np.testing.assert_array_equal(together.problem.draws["leak"], draws["leak"])
    np.testing.assert_allclose(together.outcome("struck").shape, (num_draws,))


def test_several_precisions_over_several_blocks_keep_their_order(leaky_game):
    draws = leaky_draws(BLOCK + 3)
    del draws["precision"]
    low, high = solve(leaky_game, draws, precision=[0.3, 0.9], method="sweep")
    last = {name: float(v[-1]) for name, v in draws.items()}
    np.testing.assert_allclose(
        low.probabilities[:, -1], solve(leaky_game, last, precision=0.3).probabilities[:, 0], atol=1e-9
    )
    np.testing.assert_allclose(
        high.probabilities[:, -1], solve(leaky_game, last, precision=0.9).probabilities[:, 0], atol=1e-9
    )


# -- extremes -------------------------------------------------------------------------------------
@dt.crisis(players=(ONE, TWO, THREE))
def remote(g, p):
    """Somebody asks what happened after a move that hardly ever comes."""
    first = g.choose(ONE, "first", ("never", "again", "well"), seen_by=TWO)
    if first == "well":
        return {ONE: 1, TWO: 0, THREE: 0}
    second = g.choose(TWO, "second", ("up", "down"))
    third = g.choose(THREE, "third", ("up", "down"))
    same = 1 if second == third else 0
    lost = 2 if first == "never" else 2.1
    return {ONE: -lost, TWO: 0.01 * (second == "up"), THREE: 0.01 * (same if first == "never" else 1 - same)}


@BOTH
@pytest.mark.parametrize("precision", [100.0, 150.0, 240.0, 300.0])
def test_beliefs_after_moves_that_underflow_are_still_beliefs(method, precision):
    # exp(−3 · 240) is smaller than any double: the third player's beliefs hang on logarithms alone
    solution = solve(compile_game(remote), precision=precision, method=method)
    assert solution.status.tolist() == [CONVERGED], solution.message()
    game = solution.game
    log_p = {i.move: solution.log_probabilities[game.slots(n), 0] for n, i in enumerate(game.infosets) if i.player != 1}
    never = 1 / (1 + np.exp(log_p["first"][1] - log_p["first"][0]))
    assert never == pytest.approx(1 / (1 + np.exp(-0.1 * precision)), rel=1e-9)
    up = 1 / (1 + np.exp(-precision * 0.01))
    # payoff of "up": same counts where the first said never, different where it said again
    q_up, q_down = (0.01 * (never * s + (1 - never) * (1 - s)) for s in (up, 1 - up))
    np.testing.assert_allclose(log_p["third"], log_softmax(precision * np.array([q_up, q_down])), atol=1e-8)
    np.testing.assert_allclose(solution.log_probabilities[0, 0], -3 * precision, rtol=1e-9)


@BOTH
def test_very_high_precision_either_answers_itself_or_says_that_it_did_not_converge(method):
    game = compile_game(GAMES["centipede"].crisis)
    for precision in (50.0, 500.0):
        solution = solve(game, precision=precision, method=method, max_sweeps=100)
        assert np.isfinite(solution.residual).all()
        if solution.converged[0]:
            assert solution.residual[0] <= 1e-10
        else:
            assert solution.message().startswith("not converged")


def test_a_precision_beyond_all_payoffs_is_not_called_converged():
    game = compile_game(GAMES["unequal-pennies"].crisis)
    for precision in (1e18, 1e308):
        try:
            solution = solve(game, {"heads": 2.0}, precision=precision)
        except dt.DetenteError:
            continue
        assert not solution.converged.any()


@BOTH
def test_a_chance_of_zero_in_one_draw_does_no_harm_to_any(method):
    game = compile_game(hidden)
    solution = solve(game, {"foul": [0.0, 0.3, 1.0]}, precision=1.2, method=method)
    assert solution.status.tolist() == [CONVERGED] * 3
    for draw in range(3):
        assert brute_force(solution, draw)[0] < 1e-9
        assert np.isfinite(solution.log_probabilities[:, draw]).all()
    alone = solve(game, {"foul": 0.3}, precision=1.2, method=method)
    np.testing.assert_allclose(solution.probabilities[:, 1], alone.probabilities[:, 0], atol=1e-9)


def test_dense_and_sweep_agree_on_what_is_never_reached():
    game = compile_game(storm)
    draws = {"storm": [0.0, 0.3, 1.0]}
    dense = solve(game, draws, precision=1.2, method="dense")
    sweep = solve(game, draws, precision=1.2, method="sweep")
    assert dense.converged.all() and sweep.converged.all()
    np.testing.assert_allclose(dense.probabilities, sweep.probabilities, atol=1e-9)
    np.testing.assert_allclose(dense.payoffs, sweep.payoffs, atol=1e-9)


def test_a_zero_chance_in_a_game_file_is_solved_by_both_methods(shared):
    name = "test__chance_root_3_moves_only_one_nonzero_prob"
    game = read_efg(shared / "conformance" / "efg" / f"{name}.efg")
    reference = json.loads((shared / "conformance" / "aqre" / f"{name}.json").read_text())["solutions"]
    for method in ("dense", "sweep"):
        for solution, wanted in zip(solve(game, precision=[0.1, 0.5, 1, 2, 5], method=method), reference, strict=True):
            np.testing.assert_allclose(solution.probabilities[:, 0], wanted["probabilities"], atol=1e-8)


def test_a_game_without_decisions_is_solved_by_both_methods():
    @dt.crisis(players=(ONE,))
    def fate(g, p):
        """Nobody decides anything."""
        return {ONE: 3 if g.chance("coin", {"heads": p.heads, "tails": 1 - p.heads}) == "heads" else -1}

    game = compile_game(fate)
    for method in ("dense", "sweep"):
        solution = solve(game, {"heads": [0.25, 1.0]}, method=method)
        assert solution.status.tolist() == [CONVERGED, CONVERGED]
        np.testing.assert_allclose(solution.payoffs[0], [0.0, 3.0])


def test_a_move_with_one_option_is_certain():
    game = compile_game(GAMES["centipede"].crisis)
    single = [n for n, i in enumerate(game.infosets) if len(i.options) == 1]
    assert single
    for method in ("dense", "sweep"):
        solution = solve(game, precision=0.7, method=method)
        for index in single:
            assert solution.infoset(index).tolist() == [[1.0]]


def test_infosets_that_precede_each_other_in_a_circle_are_solved_densely(tmp_path):
    # Nature decides who moves first; neither player knows whether it is first or second.
    text = """EFG 2 R "Who is first" { "one" "two" }
c "" 1 "order" { "one first" 1/2 "two first" 1/2 } 0
p "" 1 1 "one" { "stop" "go" } 0
t "" 1 "" { 1 0 }
p "" 2 1 "two" { "stop" "go" } 0
t "" 2 "" { 2 1 }
t "" 3 "" { 0 0 }
p "" 2 1 "two" { "stop" "go" } 0
t "" 4 "" { 0 1 }
p "" 1 1 "one" { "stop" "go" } 0
t "" 5 "" { 1 2 }
t "" 6 "" { 0 0 }
"""
    path = tmp_path / "circle.efg"
    path.write_text(text)
    game = read_efg(path)
    assert make_plan(game) is None
    solution = solve(game, precision=1.0)
    assert solution.method == "dense" and brute_force(solution)[0] < 1e-9
    with pytest.raises(UsageError, match=r"in a circle; these do\. Use method='dense'"):
        solve(game, method="sweep")


# -- arguments that cannot be used -----------------------------------------------------------------
@pytest.fixture(scope="module")
def pennies() -> Game:
    return compile_game(GAMES["unequal-pennies"].crisis)


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        (-1, r"precision: -1\.0 \(draw 0\) is not a finite number ≥ 0\. Give λ ≥ 0"),
        (float("nan"), r"precision: nan \(draw 0\) is not a finite number"),
        (float("inf"), r"precision: inf \(draw 0\) is not a finite number"),
        ("head", r"precision: 'head' is not among the draws\. Did you mean 'heads'\?"),
        ([1, 0.5], r"precision: \[1, 0\.5\] must be increasing numbers from 0 upwards"),
        ([1, 1], r"must be increasing"),
        ([], r"must be increasing"),
        ([-1, 1], r"must be increasing"),
        ([1, float("nan")], r"precision: "),
        ([float("nan"), 1], r"precision: "),
        (["a", "b"], r"precision: "),
        (np.ones(3), r"precision: shape \(3,\) does not fit 1 draws\. Give one number or one a draw"),
        (np.ones((1, 1)), r"precision: shape \(1, 1\) does not fit 1 draws"),
        ({"player 1": 1}, r"precision: no value for \['player 2'\]\. Give one for every player"),
        ({"player 1": 1, "player 3": 1}, r"precision: 'player 3' is not a player\. Did you mean 'player"),
        ({"player 1": 1, "player 2": -2}, r"precision: -2\.0 \(draw 0\) is not a finite number"),
        (object(), r"precision: <object .*> is not a number\. Give λ ≥ 0"),
    ],
)
def test_a_precision_that_cannot_be_used_is_named(pennies, precision, message):
    with pytest.raises(UsageError, match=message):
        solve(pennies, {"heads": 2.0}, precision=precision)


def test_a_precision_of_the_wrong_length_is_named_with_the_number_of_draws(pennies):
    with pytest.raises(UsageError, match=r"shape \(2,\) does not fit 3 draws"):
        solve(pennies, {"heads": [1.0, 2.0, 3.0]}, precision=np.ones(2))
    with pytest.raises(UsageError, match=r"precision: -4\.0 \(draw 1\)"):
        solve(pennies, {"heads": [1.0, 2.0]}, precision=np.array([1.0, -4.0]))
    assert as_precision(pennies, 2, {}, 3).shape == (2, 3)


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        (None, r"needs the parameter 'heads'\. Give it a value"),
        ({"head": 1.0}, r"needs the parameter 'heads'\. Did you mean 'head'\?"),
        ({"heads": np.ones((2, 2))}, r"different shapes: .*Give each a number or the same number of draws"),
        ({"heads": []}, r"there are no draws .*Give at least one"),
        ({"heads": [1.0, float("nan")]}, r"the parameter 'heads' is nan in draw 1\. Give finite numbers"),
        ({"heads": float("inf")}, r"the parameter 'heads' is inf in draw 0"),
        ({"heads": [1.0, 2.0], "other": [1.0, 2.0, 3.0]}, r"different shapes: .*\(2,\).*\(3,\)"),
        ({"heads": "abc"}, r"heads.*abc"),
        ({"heads": None}, r"'heads' is"),
    ],
)
def test_draws_that_cannot_be_used_are_named(pennies, draws, message):
    with pytest.raises(UsageError, match=message):
        solve(pennies, draws)


def test_numbers_among_arrays_serve_every_draw(leaky_game):
    solution = solve(leaky_game, LEAKY | {"leak": [0.1, 0.5, 0.9]})
    assert solution.num_draws == 3


@pytest.mark.parametrize(
    ("commit", "message"),
    [
        ({"mesage": "back"}, r"no move 'mesage'\. Did you mean 'message'\?"),
        ({"message": "bake"}, r"the move 'message' has no option 'bake'\. Did you mean 'back'\?"),
        ({"press": "silent"}, r"'press' is a chance move; nobody can commit to it"),
    ],
)
def test_a_commitment_that_cannot_be_made_is_named(leaky_game, commit, message):
    with pytest.raises(UsageError, match=message):
        solve(leaky_game, LEAKY, commit=commit)


def test_a_commitment_to_what_another_commitment_rules_out_is_named(leaky_game):
    bound = solve(leaky_game, LEAKY, commit={"target": "none", "reply": "salvo"})  # nobody gets to reply: nothing to do
    assert move_names(bound.game) == ["resolve", "message", "press", "target"]


@pytest.mark.parametrize(("method", "hint"), [("denser", "Did you mean 'dense'"), ("newton", "Known: 'auto'")])
def test_an_unknown_method_is_named(pennies, method, hint):
    with pytest.raises(UsageError, match=hint):
        solve(pennies, {"heads": 2.0}, method=method)


def test_rules_that_were_not_compiled_are_refused():
    with pytest.raises(UsageError, match=r"is not a compiled game\. Pass dt\.compile\(crisis\)"):
        solve(coordination, {"stake": 2.0})


def test_a_probability_outside_its_range_names_the_draw(leaky_game):
    with pytest.raises(SolveError, match=r"the chance of .* in 'press' .* in draw 1 \(.*leak = 1\.2.*Narrow the prior"):
        solve(leaky_game, LEAKY | {"leak": [0.5, 1.2]})


def test_a_payoff_that_is_not_finite_names_the_player_and_the_history():
    @dt.crisis(players=(ONE,))
    def risky(g, p):
        """A logarithm of something that may be negative."""
        return {ONE: dt.log(p.x) if g.choose(ONE, "act", ("go", "stay")) == "go" else 0}

    with pytest.raises(SolveError, match=r"the payoff of one after \[act = go\] is .* in draw 1 \(x = -1\)"):
        solve(compile_game(risky), {"x": [1.0, -1.0]})


def test_questions_that_a_solution_cannot_answer_are_named(leaky_game):
    solution = solve(leaky_game, LEAKY)
    with pytest.raises(UsageError, match=r"'replly' is not a move of .*Did you mean 'reply'\?"):
        solution.choice("replly")
    with pytest.raises(UsageError, match=r"'strike' is not an outcome\.(.*Known|.*Did you mean)"):
        solution.outcome("strike")
    with pytest.raises(UsageError, match=r"has no move 'mesage'\. Did you mean 'message'\?"):
        solution.outcome("struck", {"mesage": "back"})
    with pytest.raises(UsageError, match=r"has no option 'medium'"):
        solution.choice("reply", {"target": "medium"})


# -- the public name -------------------------------------------------------------------------------
@pytest.mark.parametrize("first", ["detente.solve.api", "detente.decide.ensemble", "detente.cli"])
def test_dt_solve_is_the_function_whatever_was_imported_before(first):
    code = f"import detente as dt, importlib; importlib.import_module({first!r}); print(type(dt.solve).__name__)"
    code += "; import detente.solve.solution; from detente.solve import api; print(callable(dt.solve))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "True"
