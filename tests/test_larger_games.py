"""The larger library games: the trees of the conformance files, and the equilibria published for them."""

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from detente.axes import CHOICE, Game, Infoset
from detente.errors import SolveError
from detente.library import larger_games
from detente.library.games import GAMES as LIBRARY
from detente.library.games import library_game
from detente.library.larger_games import DECK, dark_hex, leduc_poker, liars_dice
from detente.library.textbook import kuhn_poker
from detente.model.compile import compile as compile_game
from detente.model.efg import read_efg
from detente.model.language import Crisis
from detente.solve.api import solve
from detente.solve.problem import edge_chance, evaluate
from detente.solve.solution import NOT_CONVERGED, Solution

PRECISIONS = (2.0, 5.0, 10.0, 20.0)
# The policies in the file answer themselves to 1e-11; what was published had six digits.
TOLERANCE = 1e-8


# -- what the publication calls an infoset ---------------------------------------------------------
def labels(infoset: Infoset) -> list[str]:
    return [label for _, label in infoset.knows]


def kuhn_key(infoset: Infoset) -> str:
    card, *bets = labels(infoset)
    return card + "".join(bet[0].lower() for bet in bets)


def liars_dice_key(infoset: Infoset) -> str:
    die, *bids = labels(infoset)
    words = (bid.split() for bid in bids)
    return " ".join([die, *(f"{('one', 'two').index(number) + 1}-{face.rstrip('s')}" for number, face in words)])


def leduc_key(infoset: Infoset) -> str:
    codes = {"fold": "0", "check": "1", "call": "1", "raise": "2"} | {card: str(i) for i, card in enumerate(DECK)}
    return " ".join(f"{name.partition(',')[0]}={codes[label]}" for name, label in infoset.knows)


def leduc_published_key(key: str) -> str:
    """The parts of OpenSpiel's description that are not worked out from the others, in the order of play."""
    found = dict(re.findall(r"\[(\w+): ?([^]]*)\]", key))
    private = [f"card of player {int(found['Player']) + 1}={found['Private']}"]
    public = [f"public card={found['Public']}"] if "Public" in found else []
    first, second = ([f"round {i}={bet}" for bet in found[f"Round{i}"].split()] for i in (1, 2))
    return " ".join(private + first + public + second)


def dark_hex_key(infoset: Infoset) -> str:
    cells = {"a1": 0, "b1": 1, "a2": 2, "b2": 3}
    board, tried = ["."] * 4, []
    for name, label in infoset.knows:
        if name.startswith("turn"):
            tried.append(f"{infoset.player},{cells[label]} ")
        else:
            own = label == "own"
            board[cells[name.removeprefix("stone on ")]] = "xo"[infoset.player if own else 1 - infoset.player]
    turns = int(infoset.move.removeprefix("turn ")) - 1
    return f"{''.join(board[:2])}\n{''.join(board[2:])}\n{turns}\n{''.join(tried)}"


@dataclass(frozen=True)
class Published:
    """A game with an equilibrium that somebody else worked out."""

    crisis: Crisis
    name: str
    key_fn: Callable[[Infoset], str]
    published_key_fn: Callable[[str], str] = str


GAMES = {
    "kuhn-poker": Published(kuhn_poker, "kuhn_poker", kuhn_key),
    "dark-hex": Published(dark_hex, "dark_hex(board_size=2,gameversion=adh)", dark_hex_key),
    "leduc-poker": Published(leduc_poker, "leduc_poker", leduc_key, leduc_published_key),
    "liars-dice": Published(liars_dice, "liars_dice(dice_sides=4)", liars_dice_key),
}
every_game = pytest.mark.parametrize("name", GAMES)
every_precision = pytest.mark.parametrize("precision", PRECISIONS)


@functools.cache
def compiled(name: str) -> Game:
    return compile_game(GAMES[name].crisis)


@functools.cache
def solved(name: str) -> tuple[Solution, ...]:
    return solve(compiled(name), precision=list(PRECISIONS))


@pytest.fixture(scope="module")
def verified(shared) -> dict:
    return json.loads((shared / "conformance" / "mmd" / "verified.json").read_text())


def entry(verified: dict, name: str, precision: float) -> dict:
    return verified[f"{GAMES[name].name}|{1 / precision}"]


def published_policy(verified: dict, name: str, precision: float) -> np.ndarray:
    """The published probabilities in our slots: infosets by what is known at them, options in the order of both."""
    game = compiled(name)
    wanted = entry(verified, name, precision)["policy"]
    by_key = {GAMES[name].published_key_fn(key): value for key, value in wanted.items()}
    assert len(by_key) == len(wanted) == len(game.infosets)
    found = []
    for infoset in game.infosets:
        policy = by_key[GAMES[name].key_fn(infoset)]
        assert (policy["player"], len(policy["actions"])) == (infoset.player, len(infoset.options))
        found.extend(policy["probs"])
    return np.array(found)


# -- the trees ------------------------------------------------------------------------------------
@every_game
def test_games_have_their_published_size(verified, name):
    game = compiled(name)
    for precision in PRECISIONS:
        wanted = entry(verified, name, precision)
        found = {"n_infosets": len(game.infosets), "n_actions": game.num_slots, "terminals": game.num_leaves}
        assert found == {key: wanted[key] for key in found}


def numbers_of(game: Game) -> dict[str, np.ndarray]:
    """Everything that makes a tree, labels apart."""
    problem = evaluate(game, None)
    arrays = ("kind", "parent", "option", "num_options", "infoset", "leaf", "infoset_start")
    return {name: getattr(game, name) for name in arrays} | {
        "player": np.array([infoset.player for infoset in game.infosets]),
        "chance": edge_chance(problem),
        "payoff": problem.payoff,
    }


@pytest.mark.parametrize(
    ("crisis", "file"),
    [
        (leduc_poker, "os_leduc_poker"),
        (liars_dice, "os_liars_dice_s4"),
        (larger_games._liars_dice(3, "three_sides", "Three sides."), "os_liars_dice_s3"),
        (larger_games._liars_dice(2, "two_sides", "Two sides."), "os_liars_dice_s2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_trees_are_those_of_the_conformance_files(shared, crisis, file):
    found = numbers_of(compile_game(crisis))
    wanted = numbers_of(read_efg(shared / "conformance" / "efg" / f"{file}.efg"))
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("game", LIBRARY.values(), ids=lambda game: game.name)
def test_the_list_shows_the_titles_that_the_rules_give_themselves(game):
    assert game.title == game.crisis.title


@pytest.mark.parametrize("name", [name for name in GAMES if name != "kuhn-poker"])
def test_games_are_in_the_library_under_their_names(name):
    assert library_game(name).crisis is GAMES[name].crisis


# -- single plays, worked out by hand from the rules -----------------------------------------------
def ends(game: Game, *steps: tuple[str, str]) -> dict[str, object]:
    """Payoffs and outcomes of the only history that has these steps."""
    histories = {leaf: game.history(int(node)) for leaf, node in enumerate(game.leaf_nodes)}
    (leaf,) = (leaf for leaf, history in histories.items() if set(steps) == set(history))
    found: dict[str, object] = {"payoffs": tuple(float(v) for v in game.payoff_formulas(leaf))}
    ones = np.ones((len(game.basis.monomials), 1))
    for name, outcome in game.outcomes.items():
        value = outcome.labels[outcome.codes[leaf]] if outcome.rows is None else outcome.rows.evaluate(ones)[leaf, 0]
        found[name] = value
    return found


QUEEN_AND_KING = (("card of player 1", "queen of hearts"), ("card of player 2", "king of spades"))
ALL_IN = tuple(
    (f"round {i}, turn {turn}", choice)
    for i in (1, 2)
    for turn, choice in enumerate(("check", "raise", "raise", "call"), start=1)
)


def test_leduc_a_pair_beats_a_higher_card_for_all_that_can_be_staked():
    found = ends(compiled("leduc-poker"), *QUEEN_AND_KING, *ALL_IN, ("public card", "queen of spades"))
    assert found == {"payoffs": (13, -13), "winner": "player 1", "pot": 26, "showdown": 1}


def test_leduc_without_a_pair_the_higher_card_wins():
    found = ends(compiled("leduc-poker"), *QUEEN_AND_KING, *ALL_IN, ("public card", "jack of spades"))
    assert found == {"payoffs": (-13, 13), "winner": "player 2", "pot": 26, "showdown": 1}


def test_leduc_equal_ranks_share_the_pot():
    cards = (("card of player 1", "king of hearts"), ("card of player 2", "king of spades"))
    found = ends(compiled("leduc-poker"), *cards, *ALL_IN, ("public card", "jack of spades"))
    assert found == {"payoffs": (0, 0), "winner": "nobody", "pot": 26, "showdown": 1}


def test_leduc_who_folds_loses_what_it_has_staked_so_far():
    bets = (("round 1, turn 1", "raise"), ("round 1, turn 2", "raise"), ("round 1, turn 3", "fold"))
    found = ends(compiled("leduc-poker"), *QUEEN_AND_KING, *bets)
    assert found == {"payoffs": (-3, 3), "winner": "player 2", "pot": 8, "showdown": 0}


@pytest.mark.parametrize(
    ("dice", "bid", "holds"),
    [
        (("3", "3"), "two 3s", True),
        (("3", "4"), "two 3s", True),  # the four is wild
        (("3", "2"), "two 3s", False),
        (("3", "2"), "one 3", True),
        (("3", "4"), "two 4s", False),  # a four is bid as a four: nothing else stands for it
        (("2", "2"), "one 4", False),
    ],
)
def test_liars_dice_a_bid_holds_if_the_dice_show_it_or_the_highest_face(dice, bid, holds):
    steps = (("die of player 1", dice[0]), ("die of player 2", dice[1]), ("turn 1", bid), ("turn 2", "liar"))
    found = ends(compiled("liars-dice"), *steps)
    payoffs, winner = ((1, -1), "player 1") if holds else ((-1, 1), "player 2")
    assert found == {"payoffs": payoffs, "winner": winner, "bid": bid, "bid_holds": holds}


def test_liars_dice_bids_rise():
    options = {
        infoset.knows[-1][1]: infoset.options for infoset in compiled("liars-dice").infosets if infoset.knows[1:]
    }
    assert options["one 4"] == ("two 1s", "two 2s", "two 3s", "two 4s", "liar")
    assert options["two 4s"] == ("liar",)


def test_dark_hex_the_first_player_joins_top_and_bottom_and_the_second_left_and_right():
    first = (("turn 1", "a1"), ("turn 2", "b1"), ("turn 3", "a2"))
    assert ends(compiled("dark-hex"), *first) == {"payoffs": (1, -1), "winner": "player 1", "turns": 3}
    second = (("turn 1", "a2"), ("turn 2", "a1"), ("turn 3", "b2"), ("turn 4", "b1"))
    assert ends(compiled("dark-hex"), *second) == {"payoffs": (-1, 1), "winner": "player 2", "turns": 4}


def test_dark_hex_two_cells_on_the_long_diagonal_do_not_touch():
    steps = (("turn 1", "a1"), ("turn 2", "b1"), ("turn 3", "b2"), ("turn 4", "a2"))
    assert ends(compiled("dark-hex"), *steps) == {"payoffs": (-1, 1), "winner": "player 2", "turns": 4}


def test_dark_hex_a_taken_cell_is_seen_and_costs_the_turn():
    game = compiled("dark-hex")
    steps = (("turn 1", "a1"), ("turn 2", "a1"), ("turn 3", "a2"))
    assert ends(game, *steps) == {"payoffs": (1, -1), "winner": "player 1", "turns": 3}
    (known,) = (i.options for i in game.infosets if i.knows == (("turn 2", "a1"), ("stone on a1", "the other's")))
    assert known == ("b1", "a2", "b2")


# -- the published equilibria ----------------------------------------------------------------------
def log_answer(game: Game, probabilities: np.ndarray, precision: float) -> tuple[np.ndarray, np.ndarray]:
    """The logit answer of every infoset to everybody's behaviour, as log-probabilities, and all payoffs.

    Worked out node by node from the definition, with none of the solver's code.
    """
    problem = evaluate(game, None)
    edges = edge_chance(problem)[:, 0]
    chosen = [n for n in range(1, game.num_nodes) if game.kind[game.parent[n]] == CHOICE]
    infoset = game.infoset[game.parent[chosen]]
    slot = game.infoset_start[infoset] + game.option[chosen]
    mover = np.array([game.infosets[i].player for i in infoset])
    edges[chosen] = probabilities[slot]

    others = np.zeros((game.num_nodes, len(game.players)))  # log of the reach without the player's own choices
    steps = np.repeat(np.log(edges)[:, None], len(game.players), axis=1)
    steps[chosen, mover] = 0.0
    value = np.zeros_like(others)
    value[game.leaf_nodes] = problem.payoff[:, :, 0]
    for node in range(1, game.num_nodes):
        others[node] = others[game.parent[node]] + steps[node]
    for node in reversed(range(1, game.num_nodes)):
        value[game.parent[node]] += edges[node] * value[node]

    weight = others[game.parent[chosen], mover]
    top = np.full(len(game.infosets), -np.inf)
    np.maximum.at(top, infoset, weight)
    belief = np.exp(weight - top[infoset])
    worth = np.bincount(slot, belief * value[chosen, mover]) / np.bincount(slot, belief)
    logits = precision * worth
    for index in range(len(game.infosets)):
        here = logits[game.slots(index)]
        here -= here.max() + np.log(np.exp(here - here.max()).sum())
    return logits, value[0]


@every_precision
@every_game
def test_published_policies_answer_themselves_in_our_game(verified, name, precision):
    policy = published_policy(verified, name, precision)
    answer, payoffs = log_answer(compiled(name), policy, precision)
    np.testing.assert_allclose(answer, np.log(policy), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(payoffs, entry(verified, name, precision)["values"], rtol=0, atol=TOLERANCE)


def test_a_policy_of_another_precision_does_not_answer_itself(verified):
    policy = published_policy(verified, "dark-hex", 5.0)
    answer, _ = log_answer(compiled("dark-hex"), policy, 5.001)
    assert np.abs(answer - np.log(policy)).max() > 1e-4


SLOW = {"leduc-poker", "liars-dice"}  # half a minute for the four precisions


def cases() -> list:
    """Every game at every precision."""
    return [
        pytest.param(name, precision, marks=[pytest.mark.slow] * (name in SLOW))
        for name in GAMES
        for precision in PRECISIONS
    ]


@pytest.mark.parametrize(("name", "precision"), cases())
def test_equilibria_are_the_published_ones(verified, name, precision):
    solution = solved(name)[PRECISIONS.index(precision)]
    if solution.status[0] == NOT_CONVERGED:
        raise SolveError(f"{name} at precision {precision}: {solution.message()}")
    wanted = published_policy(verified, name, precision)
    np.testing.assert_allclose(solution.probabilities[:, 0], wanted, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(
        solution.payoffs[:, 0], entry(verified, name, precision)["values"], rtol=0, atol=TOLERANCE
    )
