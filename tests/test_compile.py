"""From rules to arrays: the compiled game is the game that the rules describe, nothing more and nothing less."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from strategies import PARAMETERS, Plan, all_histories, plans, run_directly, worlds

import detente as dt
from detente.axes import CHANCE, CHOICE, LEAF, NO_CHANCE, NO_INFOSET, NO_LEAF, NO_PARENT, Game
from detente.errors import UsageError
from detente.library.games import GAMES
from detente.library.restraint import MESSAGES, restraint
from detente.model.compile import payoff_parts
from detente.model.language import Crisis
from detente.solve.commit import restrict
from detente.solve.problem import edge_chance, evaluate

A, B = dt.players("ann", "bob")
LIBRARY = {name: (game.crisis, game.defaults) for name, game in GAMES.items()}
few = settings(max_examples=60)


def labels_of(game: Game, node: int) -> list[str]:
    return [label for _, label in game.history(node)]


def children(game: Game, node: int) -> range:
    return range(game.first_child[node], game.first_child[node] + game.num_options[node])


# -- the tree --------------------------------------------------------------------------------------
def check_layout(game: Game) -> None:
    """Breadth first, children contiguous and in the order of the options, every index where it belongs."""
    assert game.parent[0] == NO_PARENT
    assert (game.parent[1:] < np.arange(1, game.num_nodes)).all(), "a parent comes after its child"
    assert (np.diff(game.parent[1:]) >= 0).all(), "children of one parent are not contiguous"
    depth = np.zeros(game.num_nodes, dtype=int)
    for node in range(1, game.num_nodes):
        depth[node] = depth[game.parent[node]] + 1
    assert (np.diff(depth) >= 0).all(), "nodes are not breadth first"
    for node in range(game.num_nodes):
        inside = children(game, node)
        assert len(inside) == len(game.options_at(node))
        for k, child in enumerate(inside):
            assert (game.parent[child], game.option[child]) == (node, k)
    assert sum(len(children(game, n)) for n in range(game.num_nodes)) == game.num_nodes - 1
    for kind, index, missing, count in (
        (CHOICE, game.infoset, NO_INFOSET, len(game.infosets)),
        (CHANCE, game.chance, NO_CHANCE, None),
        (LEAF, game.leaf, NO_LEAF, game.num_leaves),
    ):
        assert (index[game.kind != kind] == missing).all()
        used = np.unique(index[game.kind == kind])
        if count is not None:
            np.testing.assert_array_equal(used, np.arange(count))
    np.testing.assert_array_equal(game.leaf[game.leaf_nodes], np.arange(game.num_leaves))
    np.testing.assert_array_equal(np.diff(game.infoset_start), [len(i.options) for i in game.infosets])
    np.testing.assert_array_equal(np.diff(game.chance_start), [len(c.options) for c in game.chances])
    assert game.payoff.num_rows == game.num_leaves * len(game.players)
    assert game.probability.num_rows == game.chance_start[-1]


@few
@given(plans(), worlds())
def test_the_tree_is_the_one_that_running_the_rules_by_hand_gives(plan, values):
    crisis = plan.crisis()
    game = dt.compile(crisis)
    check_layout(game)
    problem = evaluate(game, values)
    edges = edge_chance(problem)[:, 0]
    histories = list(all_histories(crisis, values))
    assert game.num_nodes == len(histories)
    for node, (oracle, payoffs) in enumerate(histories):
        assert game.history(node) == tuple(oracle.steps)
        if oracle.move is None:
            assert game.kind[node] == LEAF
            assert game.options_at(node) == ()
            assert game.move_at(node) == ""
            expected = [float(payoffs[player]) for player in crisis.players]
            np.testing.assert_allclose(problem.payoff[game.leaf[node], :, 0], expected, atol=1e-12)
            continue
        player, name, options, probabilities = oracle.move
        assert game.kind[node] == (CHANCE if player is None else CHOICE)
        assert game.move_at(node) == name
        assert game.options_at(node) == options
        if player is None:
            np.testing.assert_allclose(edges[list(children(game, node))], probabilities, atol=1e-14)
        else:
            infoset = game.infosets[game.infoset[node]]
            assert infoset.player == crisis.players.index(player)
            assert infoset.knows == tuple(oracle.observed.get(player, []))
            assert (edges[list(children(game, node))] == 1).all()


@few
@given(plans(max_stages=5), worlds())
def test_two_nodes_share_an_infoset_exactly_when_the_player_observed_the_same(plan, values):
    crisis = plan.crisis()
    game = dt.compile(crisis)
    observed = {}
    for node, (oracle, _) in enumerate(all_histories(crisis, values)):
        if oracle.move is not None and oracle.move[0] is not None:
            player, name = oracle.move[:2]
            observed[node] = (player, name, tuple(oracle.observed.get(player, [])))
    nodes = list(observed)
    for i, one in enumerate(nodes):
        for other in nodes[i + 1 :]:
            assert (game.infoset[one] == game.infoset[other]) == (observed[one] == observed[other])


def own_past(game: Game, node: int, player: int) -> list[tuple[int, int]]:
    """The infosets of a player on the way to a node, with what it did there."""
    past = []
    while game.parent[node] != NO_PARENT:
        parent = game.parent[node]
        if game.kind[parent] == CHOICE and game.infosets[game.infoset[parent]].player == player:
            past.append((int(game.infoset[parent]), int(game.option[node])))
        node = int(parent)
    return past[::-1]


def check_perfect_recall(game: Game) -> None:
    for index, infoset in enumerate(game.infosets):
        pasts = [own_past(game, int(n), infoset.player) for n in np.flatnonzero(game.infoset == index)]
        assert all(past == pasts[0] for past in pasts), f"{infoset} is reached with different pasts: {pasts}"
        assert index not in [i for i, _ in pasts[0]], f"{infoset} comes twice on one history"


@few
@given(plans(max_stages=5))
def test_no_player_ever_forgets_what_it_knew_or_did(plan):
    check_perfect_recall(dt.compile(plan.crisis()))


@pytest.mark.parametrize("name", LIBRARY)
def test_library_games_are_well_laid_out_and_nobody_forgets(name):
    game = dt.compile(LIBRARY[name][0])
    check_layout(game)
    check_perfect_recall(game)


@few
@given(plans(max_stages=5))
def test_infosets_are_numbered_by_player_and_then_by_first_visit_depth_first(plan):
    game = dt.compile(plan.crisis())
    met, stack = [], [0]
    while stack:
        node = stack.pop()
        if game.kind[node] == CHOICE and game.infoset[node] not in met:
            met.append(int(game.infoset[node]))
        stack.extend(reversed(children(game, node)))
    assert sorted(met, key=lambda i: game.infosets[i].player) == list(range(len(game.infosets)))


@pytest.mark.parametrize(
    ("name", "nodes", "leaves", "infosets"),
    # The two cards of Kuhn poker are dealt one after the other: three nodes more than with one deal of six.
    [("kuhn-poker", 58, 30, 12), ("seltens-horse", 9, 5, 3), ("unequal-pennies", 7, 4, 2)],
)
def test_published_games_have_their_published_size(name, nodes, leaves, infosets):
    game = dt.compile(LIBRARY[name][0])
    assert (game.num_nodes, game.num_leaves, len(game.infosets)) == (nodes, leaves, infosets)


def test_equal_chances_are_one_chance_move_and_different_ones_are_not():
    def rules(g: Any, p: Any) -> dict:
        first = g.choose(A, "first", ["x", "y", "z"])
        risk = p.high if first == "z" else p.low
        g.chance("event", {"no": 1 - risk, "yes": risk})
        return {A: 0}

    game = dt.compile(dt.crisis(players=(A,))(rules))
    assert [c.formulas for c in game.chances] == [("−low + 1", "low"), ("−high + 1", "high")]
    assert game.chance[game.kind == CHANCE].tolist() == [0, 0, 1]
    edges = edge_chance(evaluate(game, {"low": 0.1, "high": 0.9}))[:, 0]
    np.testing.assert_allclose(edges[-6:], [0.9, 0.1, 0.9, 0.1, 0.1, 0.9])


# -- payoffs and outcomes --------------------------------------------------------------------------
@few
@given(plans(), st.lists(worlds(), min_size=2, max_size=4))
def test_payoffs_and_outcomes_of_many_draws_equal_the_rules_run_with_each(plan, draws):
    crisis = plan.crisis()
    game = dt.compile(crisis)
    problem = evaluate(game, {name: np.array([d[name] for d in draws]) for name in PARAMETERS})
    monomials = game.basis.evaluate(problem.draws, problem.num_draws)
    for leaf, node in enumerate(game.leaf_nodes):
        for d, values in enumerate(draws):
            oracle, payoffs = run_directly(crisis, labels_of(game, int(node)), values)
            assert payoffs is not None
            np.testing.assert_allclose(
                problem.payoff[leaf, :, d], [float(payoffs[k]) for k in crisis.players], atol=1e-12
            )
            for name, expected in oracle.outcomes.items():
                outcome = game.outcomes[name]
                if outcome.rows is None:
                    assert outcome.labels[outcome.codes[leaf]] == expected
                else:
                    found = outcome.rows.evaluate(monomials)[leaf, d]
                    assert found == pytest.approx(float(expected), abs=1e-12)
    kinds = {name: outcome.kind for name, outcome in game.outcomes.items()}
    assert kinds == {"last": "label", "long": "flag", "length": "number", "worth": "number"}


def test_labels_of_an_outcome_stand_in_the_order_met_and_flags_that_are_numbers_once_are_numbers():
    def rules(g: Any, p: Any) -> dict:
        first = g.choose(A, "first", ["x", "y", "z"])
        g.outcome(label={"x": "late", "y": "early", "z": "late"}[first], flag=first == "y", mixed=first == "z" or 0.5)
        return {A: 0}

    outcomes = dt.compile(dt.crisis(players=(A,))(rules)).outcomes
    assert outcomes["label"].labels == ("late", "early")
    assert outcomes["label"].codes.tolist() == [0, 1, 0]
    assert {n: o.kind for n, o in outcomes.items()} == {"label": "label", "flag": "flag", "mixed": "number"}


def test_the_formulas_of_a_leaf_are_the_payoffs_in_words():
    def rules(g: Any, p: Any) -> dict:
        deep = g.choose(A, "first", ["x", "y"]) == "x" and g.choose(B, "second", ["u", "v"]) == "v"
        return {A: {"gain": p.gain, "cost": -p.cost * deep}, B: Fraction(1, 2)}

    game = dt.compile(dt.crisis(players=(A, B))(rules))
    found = {game.history(int(n)): game.payoff_formulas(i) for i, n in enumerate(game.leaf_nodes)}
    assert found == {
        (("first", "y"),): ("gain", "1/2"),
        (("first", "x"), ("second", "u")): ("gain", "1/2"),
        (("first", "x"), ("second", "v")): ("gain − cost", "1/2"),
    }


@given(plans(max_stages=3), worlds())
@settings(max_examples=20)
def test_the_formulas_of_a_leaf_read_as_its_payoffs(plan, values):
    game = dt.compile(plan.crisis())
    payoff = evaluate(game, values).payoff[:, :, 0]
    for leaf in range(game.num_leaves):
        texts = [t.replace("·", "*").replace("−", "-") for t in game.payoff_formulas(leaf)]
        np.testing.assert_allclose([eval(t, {}, values) for t in texts], payoff[leaf], atol=1e-9)


def test_payoffs_are_kept_sparse_only_where_that_is_smaller():
    def own_parameter(g: Any, p: Any) -> dict:
        return {A: p[f"p{g.choose(A, 'call', [str(k) for k in range(50)])}"]}

    def shared(g: Any, p: Any) -> dict:
        g.choose(A, "call", [str(k) for k in range(50)])
        return {A: p.a + 1}

    large = dt.compile(dt.crisis(players=(A,))(own_parameter))
    small = dt.compile(dt.crisis(players=(A,))(shared))
    assert sparse.issparse(large.payoff.matrix)
    assert isinstance(small.payoff.matrix, np.ndarray)
    values = {f"p{k}": float(k) for k in range(50)}
    assert evaluate(large, values).payoff[:, 0, 0].tolist() == list(range(50))
    assert large.payoff.select(np.array([3, 1])).evaluate(
        large.basis.evaluate({k: np.array([v]) for k, v in values.items()}, 1)
    ).ravel().tolist() == [3, 1]


# -- parts of payoffs ------------------------------------------------------------------------------
def test_parts_of_a_payoff_are_listed_by_how_often_they_apply_and_when():
    def rules(g: Any, p: Any) -> dict:
        first = g.choose(A, "first", ["x", "y", "z"])
        war = first == "x" and g.choose(B, "second", ["u", "v"]) == "v"
        return {A: {"war": -p.war if war else 0, "gain": p.gain}, B: p.gain * war}

    parts = payoff_parts(dt.crisis(players=(A, B))(rules))
    assert list(parts) == ["ann", "bob"]
    war = parts["ann"]["war"]
    assert [(f.formula, f.num_leaves) for f in war] == [("0", 3), ("−war", 1)]
    assert set(war[1].when) == {("first", "x"), ("second", "v")}
    assert war[0].when == ()
    assert [(f.formula, f.num_leaves, f.when) for f in parts["ann"]["gain"]] == [("gain", 4, ())]
    assert [(f.formula, f.num_leaves) for f in parts["bob"]["payoff"]] == [("0", 3), ("gain", 1)]


def test_a_step_that_all_histories_share_is_not_said_to_matter():
    def rules(g: Any, p: Any) -> dict:
        g.choose(A, "only", ["x"])
        return {A: {"part": 1 if g.choose(A, "call", ["u", "v"]) == "u" else 0}}

    (one, _) = payoff_parts(dt.crisis(players=(A,))(rules))["ann"]["part"]
    assert one.when == (("call", "u"),)


@few
@given(plans())
def test_the_formulas_of_a_part_cover_every_history_once(plan):
    crisis = plan.crisis()
    num_leaves = dt.compile(crisis).num_leaves
    for parts in payoff_parts(crisis).values():
        assert sum(f.num_leaves for f in parts["payoff"]) == num_leaves


# -- commitments -----------------------------------------------------------------------------------
class Bound:
    """A recorder that passes everything on, but offers only the option that a player is bound to."""

    def __init__(self, recorder: Any, commit: dict[str, str]):
        self._recorder, self._commit = recorder, commit

    def choose(self, player: Any, name: str, options: Any, **more: Any) -> str:
        bound = [o for o in options if o == self._commit.get(name)]
        return self._recorder.choose(player, name, bound or options, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recorder, name)


def bound(crisis: Crisis, commit: dict[str, str]) -> Crisis:
    def rules(g: Any, p: Any) -> Any:
        return crisis.function(Bound(g, commit), p)

    rules.__doc__ = crisis.title
    return dt.crisis(players=crisis.players)(rules)


def check_same_game(found: Game, expected: Game, values: dict[str, Any]) -> None:
    """Two games are the same history by history, whatever their numbers of infosets and chances are."""
    assert found.players == expected.players
    for name in ("kind", "parent", "option", "first_child", "num_options", "leaf"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    same: dict[int, int] = {}
    for node in range(found.num_nodes):
        assert found.history(node) == expected.history(node)
        assert found.options_at(node) == expected.options_at(node)
        assert found.move_at(node) == expected.move_at(node)
        if found.kind[node] == CHOICE:
            one, other = int(found.infoset[node]), int(expected.infoset[node])
            assert same.setdefault(one, other) == other
            assert found.infosets[one] == expected.infosets[other]
    assert len(found.infosets) == len(expected.infosets) == len(same) == len(set(same.values()))
    np.testing.assert_array_equal(np.diff(found.infoset_start), [len(i.options) for i in found.infosets])
    ours, theirs = evaluate(found, values), evaluate(expected, values)
    np.testing.assert_allclose(ours.payoff, theirs.payoff, atol=1e-12)
    np.testing.assert_allclose(edge_chance(ours), edge_chance(theirs), atol=1e-14)
    assert found.outcomes.keys() == expected.outcomes.keys()
    for name, outcome in found.outcomes.items():
        other = expected.outcomes[name]
        if outcome.rows is None:
            assert [outcome.labels[c] for c in outcome.codes] == [other.labels[c] for c in other.codes]
        else:
            mine = outcome.rows.evaluate(found.basis.evaluate(ours.draws, 1))
            np.testing.assert_allclose(mine, other.rows.evaluate(expected.basis.evaluate(theirs.draws, 1)), atol=1e-12)


@st.composite
def commitments(draw: st.DrawFn) -> tuple[Plan, dict[str, str]]:
    """A random crisis and options that some of its players are bound to."""
    plan = draw(plans(max_stages=5).filter(lambda p: any(s.player is not None for s in p.stages)))
    choices = [i for i, stage in enumerate(plan.stages) if stage.player is not None]
    picked = draw(st.lists(st.sampled_from(choices), min_size=1, unique=True))
    return plan, {f"stage {i}": f"option {draw(st.integers(0, plan.stages[i].num_options - 1))}" for i in picked}


@few
@given(commitments(), worlds())
def test_a_commitment_is_the_game_in_which_the_option_is_the_only_one(planned, values):
    plan, commit = planned
    crisis = plan.crisis()
    game = dt.compile(crisis)
    reachable = {game.move_at(n) for n in range(game.num_nodes)}
    commit = {move: option for move, option in commit.items() if move in reachable}
    found = restrict(game, commit)
    check_layout(found)
    check_perfect_recall(found)
    check_same_game(found, dt.compile(bound(crisis, commit)), values)


def test_infosets_of_a_commitment_are_numbered_as_in_every_game():
    def rules(g: Any, p: Any) -> dict:
        if g.choose(A, "first", ["x", "y"]) == "x":
            g.tell(B, "signal", "one")
        else:
            g.tell(B, "signal", "two" if g.chance("event", {"s": 0.5, "t": 0.5}) == "s" else "one")
        g.choose(B, "second", ["u", "v"])
        return {A: 0, B: 0}

    crisis = dt.crisis(players=(A, B))(rules)
    commit = {"first": "y"}
    assert restrict(dt.compile(crisis), commit).infosets == dt.compile(bound(crisis, commit)).infosets


def test_the_formulas_of_a_commitment_are_those_of_its_leaves():
    def rules(g: Any, p: Any) -> dict:
        first = g.choose(A, "first", ["x", "y"])
        second = g.choose(B, "second", ["u", "v"])
        return {A: {"y": p.gain, "x": p.cost}[first], B: 1 if second == "u" else 2}

    found = restrict(dt.compile(dt.crisis(players=(A, B))(rules)), {"first": "y"})
    assert [found.payoff_formulas(i) for i in range(found.num_leaves)] == [("gain", "1"), ("gain", "2")]
    assert found.payoff_formulas(0) != ("cost", "1")


def test_a_commitment_to_a_chance_move_or_to_something_unknown_is_reported():
    def rules(g: Any, p: Any) -> dict:
        g.chance("event", {"x": 0.5, "y": 0.5})
        g.choose(A, "call", ["heads", "tails"])
        return {A: 0}

    game = dt.compile(dt.crisis(players=(A,))(rules))
    with pytest.raises(UsageError, match="'event' is a chance move; nobody can commit to it"):
        restrict(game, {"event": "x"})
    with pytest.raises(UsageError, match=r"has no move 'cal'\. Did you mean 'call'\?"):
        restrict(game, {"cal": "heads"})
    with pytest.raises(UsageError, match=r"'call' has no option 'head'\. Did you mean 'heads'\?"):
        restrict(game, {"call": "head"})


def test_a_commitment_leaves_free_the_histories_that_do_not_offer_it():
    def rules(g: Any, p: Any) -> dict:
        state = g.chance("state", {"x": 0.5, "y": 0.5}, seen_by=A)
        g.choose(A, "call", ["u", "v"] if state == "x" else ["u", "w"])
        return {A: 0}

    found = restrict(dt.compile(dt.crisis(players=(A,))(rules)), {"call": "v"})
    assert [i.options for i in found.infosets] == [("v",), ("u", "w")]


def test_an_option_that_only_some_of_very_many_nodes_offer_can_be_committed_to():
    thirty_two = {str(k): 1 / 32 for k in range(32)}

    def rules(g: Any, p: Any) -> dict:
        g.chance("many", thirty_two)
        g.chance("more", thirty_two)
        state = g.chance("state", {"x": 0.5, "y": 0.5}, seen_by=A)
        g.choose(A, "call", ["u"] if state == "x" else ["u", "v"])
        return {A: 0}

    found = restrict(dt.compile(dt.crisis(players=(A,))(rules)), {"call": "v"})
    assert [i.options for i in found.infosets] == [("u",), ("v",)]


# -- size and progress -----------------------------------------------------------------------------
def wide(num: int) -> Crisis:
    """A crisis with num² leaves."""

    def rules(g: Any, p: Any) -> dict:
        first = int(g.choose(A, "first", [str(k) for k in range(num)]))
        second = int(g.choose(B, "second", [str(k) for k in range(num)]))
        return {A: p.stake * first, B: -p.stake * second}

    return dt.crisis(players=(A, B))(rules)


def test_a_tree_of_ten_thousand_nodes_compiles_and_reports_its_progress():
    reports: list[int] = []
    game = dt.compile(wide(105), progress_fn=reports.append)
    assert game.num_nodes == 1 + 105 + 105**2
    assert len(game.infosets) == 2
    assert len(reports) == 1
    assert 10_000 <= reports[0] <= game.num_nodes
    payoff = evaluate(game, {"stake": 2.0}).payoff[:, :, 0]
    assert payoff[-1].tolist() == [208.0, -208.0]
    assert payoff.sum(axis=0).tolist() == [2.0 * 105 * 105 * 52, -2.0 * 105 * 105 * 52]


def test_a_game_says_how_large_it_is():
    def rules(g: Any, p: Any) -> dict:
        """One call."""
        return {A: p.stake * (g.choose(A, "call", ["x", "y"]) == "x")}

    game = dt.compile(dt.crisis(players=(A,))(rules))
    assert repr(game) == "Game('One call.', 1 players, 3 nodes, 1 infosets, 2 leaves, 1 parameters)"
    assert (game.num_slots, game.slots(0)) == (2, slice(0, 2))


# -- the rules of alliance restraint ---------------------------------------------------------------
@pytest.fixture(scope="module")
def restraint_game() -> Game:
    return dt.compile(restraint)


def test_alliance_restraint_is_well_laid_out_and_nobody_forgets(restraint_game):
    check_layout(restraint_game)
    check_perfect_recall(restraint_game)


def test_the_adversary_of_alliance_restraint_knows_a_message_only_if_it_is_public_or_reported(restraint_game):
    game = restraint_game
    adversary = game.players.index("adversary")
    for node in np.flatnonzero(game.kind == CHOICE):
        infoset = game.infosets[game.infoset[node]]
        history = dict(game.history(int(node)))
        if infoset.player == adversary and infoset.move == "reply":
            heard = history["channel"] == "public" or history.get("press") == "reports it"
            assert ("message" in dict(infoset.knows)) == heard
            assert "protege resolve" not in dict(infoset.knows)
            assert dict(infoset.knows)["adversary resolve"] == history["adversary resolve"]


def test_a_message_of_alliance_restraint_can_be_committed_to(restraint_game):
    values = {name: 0.4 for name in restraint_game.parameters}
    commit = {"message": MESSAGES[2], "channel": "private"}
    found = restrict(restraint_game, commit)
    check_same_game(found, dt.compile(bound(restraint, commit)), values)
    assert {i.options for i in found.infosets if i.move == "message"} == {(MESSAGES[2],)}


def test_every_part_of_a_payoff_of_alliance_restraint_takes_more_than_one_value():
    parts = payoff_parts(restraint)
    assert set(parts) == {"patron", "protege", "adversary"}
    for player, formulas in parts.items():
        for part, found in formulas.items():
            assert len(found) > 1, f"{player}: {part} is always {found[0].formula}"
