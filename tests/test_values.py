"""Every different number once: the numbering against the tree itself."""

import numpy as np
import pytest

from detente.library.games import GAMES
from detente.model.compile import compile
from detente.model.priors import draw
from detente.model.scenario import load_scenario
from detente.solve.plan import make_plan
from detente.solve.problem import different_payoffs, different_rows, edge_chance, evaluate
from detente.solve.reduced import SweepEquations
from detente.solve.sweep import LANES, _Block, _equations, _find_settled_everywhere, _make_room
from detente.solve.values import ONE, ZERO, find_constants, find_core


@pytest.fixture(scope="module", params=["october", "leduc-poker", "seltens-horse"])
def problem(request):
    if request.param == "october":
        scenario = load_scenario("october-2024")
        return evaluate(scenario.game, draw(scenario.priors, LANES, seed=3))
    listed = GAMES[request.param]
    return evaluate(compile(listed.crisis), {k: np.full(LANES, v) for k, v in listed.defaults.items()})


def test_payoffs_are_those_of_the_leaves(problem):
    game = problem.game
    monomials = game.basis.evaluate(problem.draws, problem.num_draws)
    direct = game.payoff.evaluate(monomials).reshape(problem.payoff.shape)
    np.testing.assert_allclose(problem.payoff, direct, rtol=1e-13, atol=1e-13)


def test_different_rows_are_different_and_complete():
    game = load_scenario("october-2024").game
    rows, index = different_rows(game.payoff)
    assert rows.num_rows < game.payoff.num_rows / 5
    assert (rows.matrix[index] != game.payoff.matrix).nnz == 0
    dense = {row.tobytes() for row in rows.matrix.toarray()}
    assert len(dense) == rows.num_rows


def test_a_game_is_not_changed_by_being_numbered():
    game = load_scenario("october-2024").game
    before = game.payoff.matrix.copy()
    different_rows(game.payoff)
    np.testing.assert_array_equal(before.indices, game.payoff.matrix.indices)
    np.testing.assert_array_equal(before.data, game.payoff.matrix.data)


def test_spread_is_the_range_of_each_players_payoffs(problem):
    np.testing.assert_array_equal(problem.spread, np.ptp(problem.payoff, axis=0))


def test_constants_are_the_chances_and_payoffs_of_the_branches(problem):
    """Against sums over the leaves, path by path."""
    game, plan = problem.game, make_plan(problem.game)
    weight, rows = find_constants(game, plan).evaluate(problem)
    constants = find_constants(game, plan)
    assert (weight[ONE] == 1).all()
    assert (rows[ZERO] == 0).all()
    edges = edge_chance(problem)
    decisions = plan.decisions
    row_of_node = {int(n): i for i, n in enumerate(plan.node)}
    branch_start = np.concatenate([[0], np.cumsum(game.num_options[plan.node])])

    def chance_and_decision(node):
        chance = np.ones(problem.num_draws)
        while True:
            chance = chance * edges[node]
            parent = int(game.parent[node])
            if parent < 0 or parent in row_of_node:
                return chance, parent, int(game.option[node])
            node = parent

    expected = np.zeros((len(constants.branch), len(game.players), problem.num_draws))
    for leaf, node in enumerate(game.leaf_nodes):
        chance, parent, option = chance_and_decision(int(node))
        branch = -1 if parent < 0 else branch_start[row_of_node[parent]] + option
        expected[branch] += chance * problem.payoff[leaf]
    np.testing.assert_allclose(rows[constants.branch], expected, rtol=1e-12, atol=1e-12)
    for row in range(0, len(plan.node), 7):
        np.testing.assert_allclose(weight[constants.node[row]], chance_and_decision(int(plan.node[row]))[0], rtol=1e-13)
    assert len(decisions.above_node) == len(plan.node)


@pytest.mark.parametrize("normal", [False, True], ids=["logit", "probit"])
@pytest.mark.parametrize("folded", [False, True])
def test_one_pass_of_the_jobs_is_one_pass_over_the_tree(problem, folded, normal):
    """The kernel against the exact equations, which walk all nodes, from play drawn at random."""
    game, plan = problem.game, make_plan(problem.game)
    constants = find_constants(game, plan)
    lane = np.arange(LANES) % problem.num_draws
    weights, terminals = (np.ascontiguousarray(a[:, lane]) for a in constants.evaluate(problem))
    decisions = plan.decisions
    settled = np.zeros(len(decisions.player), dtype=bool)
    if folded:  # infosets of one node after which nothing is left to believe
        precision = np.full((len(game.players), LANES), 0.7)
        settled = _find_settled_everywhere(plan, constants, weights, terminals, precision, normal)
    core = find_core(plan, constants, settled, payoffs=not folded)
    room = _make_room(core, normal)
    block = _Block(
        constants=constants,
        core=core,
        whole=core,
        rooms=(room, room),
        weight=weights,
        terminal=terminals,
        precision=np.full((len(game.players), LANES), 0.7),
        tolerance=1e-10,
        max_sweeps=1,
        normal=normal,
    )
    rng = np.random.default_rng(5)
    x = -rng.uniform(0.1, 3.0, (len(core.decisions.state), LANES))
    block._fold(1.0)
    play, payoffs, _, _ = block._fixed_point(core, 1.0, x.copy(), 0.0, 1)
    for lane in (0, LANES - 1):
        rows = block.rooms[0].rows[:, lane]
        equations = _equations(core, constants, weights[:, lane], rows, block.precision[:, lane], normal)
        assert isinstance(equations, SweepEquations)
        expected, gains = equations.play(x[:, lane], 1.0)
        np.testing.assert_allclose(play[:, lane], expected, atol=1e-12)
        # What the root's chance moves bring without a decision is added outside; folded decisions at the root too.
        if not folded:
            np.testing.assert_allclose(payoffs[:, lane], gains, atol=1e-12)


def test_numbering_saves_most_of_the_restraint_game():
    """Of what the leaves pay, and of what the nodes bring, most is said twice."""
    game = load_scenario("october-2024").game
    plan = make_plan(game)
    constants = find_constants(game, plan)
    assert len(constants.start) - 1 < constants.branch.size / 10
    nothing = np.zeros(len(plan.decisions.player), dtype=bool)
    whole, core = (find_core(plan, constants, nothing, payoffs=payoffs) for payoffs in (True, False))
    assert whole.num_rows < len(plan.node) * len(game.players)
    assert core.num_rows < whole.num_rows  # what the first move brings concerns nobody who moved before
    assert len(different_payoffs(game)[1]) == game.num_leaves
