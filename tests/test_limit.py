"""The equilibrium as errors vanish: closed forms, published answers, and regrets found by trying every strategy."""

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from strategies import Plan, plans, worlds
from test_cli import detente  # noqa: F401 - a fixture
from test_solve import coordination, storm

import detente as dt
from detente.axes import CHANCE, CHOICE, LEAF, Game
from detente.errors import UsageError
from detente.library.games import GAMES
from detente.model.compile import compile as compile_game
from detente.model.efg import read_efg
from detente.solve import limit as module
from detente.solve.api import solve
from detente.solve.limit import REGRET, Limit
from detente.solve.solution import BIFURCATION, CONVERGED, NOT_CONVERGED

INDEX = ROOT.parent / "shared" / "conformance" / "index.json"
MOST_TRIES = 100_000  # nodes visited in trying every strategy of every player
ROUNDING = 2e-10  # of a regret, as a share of the range
ONE, TWO, THREE = dt.players("one", "two", "three")


# -- small games ---------------------------------------------------------------------------------
@dt.crisis(players=(ONE, TWO))
def entry(g, p):
    """A firm may enter a market; the incumbent would rather share it than fight, but would like to be feared."""
    if g.choose(ONE, "entry", ("stay out", "enter"), seen_by=TWO) == "stay out":
        return {ONE: 0, TWO: 2}
    fights = g.choose(TWO, "reply", ("share", "fight")) == "fight"
    return {ONE: -1 if fights else 1, TWO: -1 if fights else 1}


@dt.crisis(players=(ONE, TWO))
def centipede(g, p):
    """Six moves: take the larger share now, or pass and let the pile double."""
    pile = 1
    for move in range(6):
        player, other = (ONE, TWO) if move % 2 == 0 else (TWO, ONE)
        if g.choose(player, f"move {move}", ("take", "pass"), seen_by=other) == "take":
            return {player: 4 * pile, other: pile}
        pile *= 2
    return {ONE: 4 * pile, TWO: pile}


@dt.crisis(players=(ONE, TWO))
def unlikely(g, p):
    """Two types send a signal that neither would send, each by a wide margin; the other has to make sense of it."""
    kind = g.chance("kind", {"calm": 0.5, "keen": 0.5}, seen_by=ONE)
    signal = g.choose(ONE, "signal", ("none", "loud"), seen_by=TWO)
    if signal == "none":
        return {ONE: 0, TWO: 0}
    guess = g.choose(TWO, "guess", ("calm", "keen"))
    return {ONE: -40 - (1 if kind == "calm" else 0), TWO: 1 if guess == kind else -1}


# -- regrets by trying everything ------------------------------------------------------------------
def tries(game: Game) -> int:
    """Nodes visited by :func:`tried`."""
    options = [len(i.options) for i in game.infosets]
    products = [
        int(np.prod([float(k) for k, i in zip(options, game.infosets, strict=True) if i.player == c]))
        for c in range(len(game.players))
    ]
    return sum(products) * game.num_nodes


def tried(limit: Limit, draw: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Regrets of infosets and of players, in utility units, by playing every pure strategy of every player."""
    game, problem = limit.game, limit.solution.problem
    played = {i: limit.infoset(i)[:, draw] for i in range(len(game.infosets))}

    def value(node: int, player: int, strategy: dict[int, int], values: list) -> float:
        if game.kind[node] == LEAF:
            found = float(problem.payoff[game.leaf[node], player, draw])
        else:
            first, count = int(game.first_child[node]), int(game.num_options[node])
            below = [value(first + k, player, strategy, values) for k in range(count)]
            if game.kind[node] == CHANCE:
                start = game.chance_start[game.chance[node]]
                shares = problem.chance[start : start + count, draw]
            elif int(game.infoset[node]) in strategy:
                shares = np.eye(count)[strategy[int(game.infoset[node])]]
            else:
                shares = played[int(game.infoset[node])]
            found = sum(float(s) * v for s, v in zip(shares, below, strict=True))
        values[node] = found
        return found

    at, first = np.zeros(len(game.infosets)), np.zeros(len(game.players))
    for player in range(len(game.players)):
        own = [i for i, infoset in enumerate(game.infosets) if infoset.player == player]
        now = [0.0] * game.num_nodes
        value(0, player, {}, now)
        for choices in itertools.product(*(range(len(game.infosets[i].options)) for i in own)):
            values = [0.0] * game.num_nodes
            value(0, player, dict(zip(own, choices, strict=True)), values)
            first[player] = max(first[player], values[0] - now[0])
            for i in own:
                nodes = np.flatnonzero(game.infoset == i)
                gain = sum(limit.beliefs[n, draw] * (values[n] - now[n]) for n in nodes)
                at[i] = max(at[i], gain)
    return at, first


def spread(limit: Limit, draw: int = 0) -> np.ndarray:
    """Range of payoffs of every player, 1 where there is none."""
    wide = np.ptp(limit.solution.problem.payoff[:, :, draw], axis=0)
    return np.where(wide > 0, wide, 1.0)


def assert_nobody_can_gain(limit: Limit, draw: int = 0) -> None:
    """The regrets reported are those found by trying everything, and they are below the bound."""
    at, first = tried(limit, draw)
    wide = spread(limit, draw)
    of_infoset = wide[[i.player for i in limit.game.infosets]] if len(at) else np.ones(0)
    np.testing.assert_allclose(limit.infoset_regret[:, draw] / of_infoset, at / of_infoset, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(limit.nash_regret[:, draw] / wide, first / wide, rtol=0, atol=ROUNDING)
    assert (at / of_infoset).max(initial=0.0) < REGRET + ROUNDING
    assert (first / wide).max(initial=0.0) < REGRET + ROUNDING
    assert limit.regret[draw] == pytest.approx(
        max((at / of_infoset).max(initial=0.0), (first / wide).max(initial=0.0)), abs=ROUNDING
    )


def assert_beliefs_follow_from_play(limit: Limit, draw: int = 0, atol: float = 1e-5) -> None:
    """Bayes' rule from the logarithms of the chances, history by history; impossible events counted apart."""
    game, solution = limit.game, limit.solution
    weight: dict[int, list[tuple[int, int, np.longdouble]]] = {}
    for node in np.flatnonzero(game.kind == CHOICE):
        log_reach, impossible, below = np.longdouble(0), 0, int(node)
        while below > 0:
            above = int(game.parent[below])
            if game.kind[above] == CHOICE:
                slot = game.slots(int(game.infoset[above])).start + game.option[below]
                log_reach += np.longdouble(solution.log_probabilities[slot, draw])
            else:
                chance = solution.problem.chance[game.chance_start[game.chance[above]] + game.option[below], draw]
                impossible += int(chance == 0)
                log_reach += np.log(chance) if chance > 0 else 0.0
            below = above
        weight.setdefault(int(game.infoset[node]), []).append((int(node), impossible, log_reach))
    for members in weight.values():
        fewest = min(count for _, count, _ in members)
        top = max(log for _, count, log in members if count == fewest)
        shares = [float(np.exp(log - top)) if count == fewest else 0.0 for _, count, log in members]
        found = limit.beliefs[[node for node, _, _ in members], draw]
        np.testing.assert_allclose(found, np.array(shares) / sum(shares), rtol=0, atol=atol)
    assert np.isnan(limit.beliefs[game.kind != CHOICE]).all()


def limit_of(rules, draws=None, precision: Any = 1.0) -> Limit:
    return solve(compile_game(rules), draws, precision=precision).limit()


# -- closed forms and published answers --------------------------------------------------------------
@pytest.mark.parametrize("heads", [1.0, 2.0, 5.0])
def test_unequal_pennies_are_mixed_so_that_the_other_is_indifferent(heads):
    limit = limit_of(GAMES["unequal-pennies"].crisis, {"heads": heads})
    assert limit.status.tolist() == [CONVERGED]
    assert limit.choice("first")["heads"][0] == pytest.approx(0.5, abs=1e-6)
    assert limit.choice("second")["heads"][0] == pytest.approx(1 / (1 + heads), abs=1e-6)
    assert limit.kept_mixed.all() and limit.support.all()
    assert_nobody_can_gain(limit)


def test_selten_s_horse_ends_in_the_reasonable_equilibrium():
    # selten1975: of the two kinds of equilibria, the ones in which the first two play R and the third plays
    # L with at least 3/4 are perfect; mckelvey1998 follow the branch to one of them.
    limit = limit_of(GAMES["seltens-horse"].crisis)
    assert limit.choice("first")["R"][0] == pytest.approx(1, abs=1e-4)
    assert limit.choice("second")["R"][0] == pytest.approx(1, abs=1e-4)
    assert limit.infoset(2)[1, 0] > 0.75
    np.testing.assert_allclose(limit.payoffs[:, 0], [1, 1, 1], atol=1e-4)
    assert not limit.kept_mixed.any()
    assert_nobody_can_gain(limit)
    assert_beliefs_follow_from_play(limit)


def test_kuhn_poker_is_worth_minus_one_eighteenth():
    limit = limit_of(GAMES["kuhn-poker"].crisis)
    np.testing.assert_allclose(limit.payoffs[:, 0], [-1 / 18, 1 / 18], atol=1e-6)
    play = {(i.move, i.knows[0][1]): limit.infoset(n)[1, 0] for n, i in enumerate(limit.game.infosets) if i.player == 0}
    bluff = play["first of player 1", "0"]  # kuhn1950: bluffs with the lowest card, bets thrice as often on the highest
    assert 0 < bluff < 1 / 3
    assert play["first of player 1", "2"] == pytest.approx(3 * bluff, abs=1e-5)
    assert play["first of player 1", "1"] == pytest.approx(0, abs=1e-5)
    assert play["answer of player 1", "1"] == pytest.approx(bluff + 1 / 3, abs=1e-5)
    assert_nobody_can_gain(limit)
    assert_beliefs_follow_from_play(limit)


def test_a_threat_that_would_not_be_carried_out_does_not_deter():
    limit = limit_of(entry)
    assert limit.choice("entry")["enter"][0] == pytest.approx(1, abs=1e-6)
    assert limit.choice("reply")["share"][0] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(limit.payoffs[:, 0], [1, 1], atol=1e-6)
    assert_nobody_can_gain(limit)


def test_a_centipede_without_altruists_unravels():
    limit = limit_of(centipede, precision=0.1)
    for i in range(len(limit.game.infosets)):
        assert limit.support[limit.game.slots(i), 0].tolist() == [True, False]
    assert_nobody_can_gain(limit)


def test_altruists_keep_a_centipede_going():
    limit = limit_of(GAMES["centipede"].crisis)  # mckelvey1992: the first pass is certain, later ones are mixed
    assert limit.choice("player 1, inning 1")["pass"][0] > 0.999
    assert 0.4 < limit.choice("player 2, inning 1")["take"][0] < 0.6
    assert limit.kept_mixed.sum() == 4
    assert_nobody_can_gain(limit)


def test_the_weak_hide_among_the_strong_in_beer_and_quiche(shared):
    limit = solve(read_efg(shared / "conformance" / "efg" / "contrib__e17.efg")).limit()
    assert limit.status.tolist() == [CONVERGED]
    assert_nobody_can_gain(limit)
    assert_beliefs_follow_from_play(limit)
    sender = limit.support[: 2 * 2, 0].reshape(2, 2)  # two types, two breakfasts
    assert sender[0].tolist() == sender[1].tolist() and sender[0].sum() == 1


# -- beliefs where nobody goes -------------------------------------------------------------------------
def test_what_neither_type_would_do_is_read_as_done_by_the_one_whom_it_costs_less():
    limit = limit_of(unlikely)
    assert limit.solution.log_probabilities.min() < -500
    (index,) = [n for n, i in enumerate(limit.game.infosets) if i.move == "guess"]
    beliefs = {history[0][1]: share[0] for history, share in limit.belief(index).items()}
    assert beliefs["keen"] == pytest.approx(1, abs=1e-6)
    assert limit.infoset(index)[1, 0] == pytest.approx(1, abs=1e-6)
    assert_nobody_can_gain(limit)
    assert_beliefs_follow_from_play(limit)


def test_reach_below_what_floats_hold_leaves_beliefs_that_sum_to_one():
    limit = solve(compile_game(unlikely), precision=200.0).limit(bound=1e-12)
    assert limit.solution.log_probabilities.min() < -800  # exp of it is 0
    for index in range(len(limit.game.infosets)):
        assert sum(share[0] for share in limit.belief(index).values()) == pytest.approx(1)
    assert np.isfinite(limit.payoffs).all()


def test_an_event_with_chance_zero_leaves_beliefs_after_it():
    limit = limit_of(storm, {"storm": 0.0})
    assert limit.status.tolist() == [CONVERGED]
    assert_nobody_can_gain(limit)
    assert_beliefs_follow_from_play(limit)


# -- statuses ------------------------------------------------------------------------------------------
def test_draws_are_followed_one_by_one():
    game = compile_game(GAMES["unequal-pennies"].crisis)
    heads = [1.0, 2.0, 3.0]
    limit = solve(game, {"heads": heads}, precision=np.array([0.5, 1.0, 2.0])).limit()
    assert limit.num_draws == 3 and limit.converged.all()
    np.testing.assert_allclose(limit.choice("second")["heads"], [1 / (1 + h) for h in heads], atol=1e-6)
    for draw in range(3):
        assert_nobody_can_gain(limit, draw)


def test_a_crossing_on_the_way_is_said():
    limit = limit_of(coordination, {"stake": 2.0}, precision=0.5)
    assert limit.status.tolist() == [BIFURCATION]
    assert "another branch crosses near precision 1" in limit.message()
    np.testing.assert_allclose(limit.probabilities[:, 0], 0.5, atol=1e-6)


def test_from_precision_zero_and_from_above_the_limit_is_the_same():
    for name in ("seltens-horse", "kuhn-poker"):
        low, high = (limit_of(GAMES[name].crisis, precision=precision) for precision in (0, 5))
        np.testing.assert_allclose(low.probabilities, high.probabilities, atol=1e-3)
        np.testing.assert_allclose(low.payoffs, high.payoffs, atol=1e-3)


def test_precisions_keep_their_proportion():
    limit = limit_of(GAMES["seltens-horse"].crisis, precision={"player 1": 1, "player 2": 2, "player 3": 0.5})
    np.testing.assert_allclose(limit.precision[:, 0] / limit.precision[0, 0], [1, 2, 0.5])
    assert_nobody_can_gain(limit)


def test_a_branch_that_is_not_followed_to_the_end_is_not_reported_as_the_limit(monkeypatch):
    monkeypatch.setattr(module, "MAX_STEPS", 4)
    limit = limit_of(GAMES["kuhn-poker"].crisis)
    assert limit.status.tolist() == [NOT_CONVERGED] and not limit.converged.any()
    assert limit.message().startswith("not reached (followed to precision ")
    assert "where 1.0e-08 was asked for" in limit.message()
    assert limit.regret[0] > REGRET


def test_a_draw_that_was_not_solved_is_not_followed():
    solution = solve(compile_game(GAMES["kuhn-poker"].crisis))
    unsolved = dataclasses.replace(solution, status=np.array([NOT_CONVERGED]))
    limit = unsolved.limit()
    assert limit.status.tolist() == [NOT_CONVERGED]
    np.testing.assert_allclose(limit.precision, solution.precision)
    assert np.isnan(limit.change[0])


def test_a_game_without_decisions_is_its_own_limit():
    @dt.crisis(players=(ONE,))
    def fate(g, p):
        """Nobody decides."""
        return {ONE: 1 if g.chance("coin", {"up": 0.5, "down": 0.5}) == "up" else 0}

    limit = limit_of(fate)
    assert limit.status.tolist() == [CONVERGED]
    assert limit.payoffs[0, 0] == pytest.approx(0.5)
    assert limit.kept_mixed.shape == (0, 1)


def test_a_single_option_needs_no_precision():
    @dt.crisis(players=(ONE,))
    def forced(g, p):
        """One option."""
        g.choose(ONE, "only", ("yes",))
        return {ONE: 3}

    limit = limit_of(forced)
    assert limit.status.tolist() == [CONVERGED] and limit.payoffs[0, 0] == 3


# -- mistakes --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bound", [0, -1, float("nan"), float("inf"), "small"])
def test_a_bound_that_is_not_a_positive_number_is_refused(bound):
    solution = solve(compile_game(entry))
    with pytest.raises(UsageError, match=r"limit: the bound .* is not a number above 0\. Give the regret"):
        solution.limit(bound=bound)


def test_a_player_who_never_responds_has_no_limit():
    solution = solve(compile_game(entry), precision={"one": 0, "two": 1})
    with pytest.raises(UsageError, match="the precision of one is 0 in draw 0.*Give every player"):
        solution.limit()


def test_a_game_that_is_too_large_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(module, "MAX_UNKNOWNS", 5)
    solution = solve(compile_game(GAMES["kuhn-poker"].crisis))
    with pytest.raises(UsageError, match="has 24 options at 12 infosets; up to 5 can be followed"):
        solution.limit()


# -- random games, and the games of the reference data -----------------------------------------------------
@settings(max_examples=25)
@given(plan=plans(max_stages=3), world=worlds())
def test_whatever_is_reported_as_reached_leaves_nobody_anything_to_gain(plan: Plan, world):
    limit = solve(compile_game(plan.crisis()), world, precision=0.3, method="dense").limit()
    if limit.status[0] == NOT_CONVERGED:
        assert limit.message().startswith("not reached")
        assert limit.regret[0] >= REGRET or limit.solution.status[0] == NOT_CONVERGED
        return
    assert limit.regret[0] < REGRET
    assert_beliefs_follow_from_play(limit)
    np.testing.assert_allclose(limit.solution.leaf_probabilities().sum(axis=0), 1)
    if tries(limit.game) <= MOST_TRIES:
        assert_nobody_can_gain(limit)


def strict_games() -> list:
    if not INDEX.is_file():
        return [pytest.param(None, id="reference-data-missing")]
    games = json.loads(INDEX.read_text())["games"]
    return [pytest.param(g["game"], id=g["game"]) for g in games if g["cls"] == "strict" and g["infosets"] <= 100]


@pytest.mark.parametrize("name", strict_games())
def test_games_with_one_branch_are_followed_to_the_limit(shared: Path, name):
    game = read_efg(shared / "conformance" / "efg" / f"{name}.efg")
    limit = solve(game, precision=1.0, method="dense").limit()
    assert limit.converged.all(), limit.message()
    assert limit.change[0] < 1e-2
    assert_beliefs_follow_from_play(limit)
    if tries(game) <= MOST_TRIES:
        assert_nobody_can_gain(limit)


# -- the command ---------------------------------------------------------------------------------------------
def test_the_command_prints_the_limit(detente):  # noqa: F811 - the fixture
    ended = detente("solve", "seltens-horse", "--limit")
    assert ended.code == 0
    text = " ".join(ended.out.split())
    assert "reached at precision" in text and "changed by" in text
    assert "player 1 1.0000, player 2 1.0000, player 3 1.0000" in text


def test_the_command_prints_the_limit_as_json(detente):  # noqa: F811 - the fixture
    ended = detente("solve", "seltens-horse", "--limit", "--json")
    found = ended.json["limit"]
    assert ended.code == 0 and found["status"] == "converged" and found["regret"] < REGRET
    third = found["infosets"][2]
    assert third["played"] == [False, True]
    assert sum(belief["probability"] for belief in third["beliefs"]) == pytest.approx(1)
    assert third["beliefs"][0]["history"] == [["first", "L"]]


def test_the_command_ends_with_3_when_the_limit_is_not_reached(detente, monkeypatch):  # noqa: F811 - the fixture
    monkeypatch.setattr(module, "MAX_STEPS", 2)
    ended = detente("solve", "seltens-horse", "--limit")
    assert ended.code == 3
    assert "not reached" in ended.out
