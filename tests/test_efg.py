"""Game files: what is read, what is refused with which words, and that writing and reading give one game."""

import json
import re
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detente.axes import CHOICE, LEAF
from detente.errors import GameFileError, UsageError
from detente.model.compile import compile
from detente.model.efg import check_perfect_recall, parse_efg, read_efg, write_efg
from detente.model.language import crisis, players

CONFORMANCE = Path(__file__).resolve().parents[2] / "shared" / "conformance"
INDEX = CONFORMANCE / "index.json"
CASES = json.loads(INDEX.read_text())["games"] if INDEX.is_file() else []

HEADER = 'EFG 2 R "t" { "A" "B" }\n'
ROOT = 'p "" 1 1 "x" { "l" "r" } 0\n'
END = 't "" 1 "o" { 1 2 }\n'


def payoffs(game):
    return game.payoff.evaluate(np.ones((len(game.basis.monomials), 1)))[:, 0].reshape(-1, len(game.players))


def chances(game):
    return game.probability.evaluate(np.ones((len(game.basis.monomials), 1)))[:, 0]


def depth_first(game):
    """The nodes in the order of a depth-first walk."""
    order, stack = [], [0]
    while stack:
        node = stack.pop()
        order.append(node)
        first = int(game.first_child[node])
        stack.extend(reversed(range(first, first + int(game.num_options[node]))))
    return order


def as_the_reference_names_them(options):
    """Gambit adds a number to labels that are empty or come again."""
    return [
        f"{label}_{options[: index + 1].count(label)}" if not label or options.count(label) > 1 else label
        for index, label in enumerate(options)
    ]


def assert_same_game(one, other, *, move_names=True):
    assert (one.title, one.players) == (other.title, other.players)
    for name in ("kind", "parent", "option", "first_child", "num_options", "infoset", "chance", "leaf"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert [(i.player, i.options) for i in one.infosets] == [(i.player, i.options) for i in other.infosets]
    assert [c.options for c in one.chances] == [c.options for c in other.chances]
    if move_names:
        assert [i.move for i in one.infosets] == [i.move for i in other.infosets]
        assert [c.move for c in one.chances] == [c.move for c in other.chances]


# -- every reference file -----------------------------------------------------------------------------------
def test_the_reference_games_are_there(shared):
    assert len(json.loads((shared / "conformance" / "index.json").read_text())["games"]) == 147


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["game"])
class TestEveryReferenceGame:
    def test_is_read_or_refused_as_its_class_says(self, case):
        path = CONFORMANCE / "efg" / f"{case['game']}.efg"
        if not case["cls"].endswith("_refuse"):
            read_efg(path)
            return
        words = "passes twice" if case["absent_minded"] else "cannot tell|passes twice"
        with pytest.raises(GameFileError, match=f"{case['game']}.efg: .*({words})"):
            read_efg(path)

    def test_has_the_nodes_infosets_and_options_of_the_reference(self, case):
        game = read_efg(CONFORMANCE / "efg" / f"{case['game']}.efg", check=False)
        if case["cls"] == "gambit_error":  # read by us only; counted by hand
            assert (game.num_nodes, len(game.infosets), game.num_slots) == (11, 3, 6)
            return
        assert (game.num_nodes, len(game.infosets), game.num_slots) == (
            case["nodes"],
            case["infosets"],
            case["actions"],
        )
        reference = json.loads((CONFORMANCE / "aqre" / f"{case['game']}.json").read_text())
        assert list(game.players) == reference["players"]
        order = depth_first(game)
        members = {}
        for position, node in enumerate(order):
            if game.kind[node] == CHOICE:
                members.setdefault(int(game.infoset[node]), []).append(position)
        expected = reference["infosets"]
        assert len(game.infosets) == len(expected)
        for index, (mine, theirs) in enumerate(zip(game.infosets, expected, strict=True)):
            player = theirs["player_label"]
            assert mine.player + 1 == theirs["player"]
            label = re.sub(r" #\d+$", "", theirs["label"])  # the reference numbers labels that come again
            assert mine.move == (label or f"{player}:{theirs['efg_number']}")
            assert as_the_reference_names_them(mine.options) == theirs["actions"]
            assert members[index] == theirs["members"]
            first = order[members[index][0]]
            assert [option for _, option in game.history(first)] == theirs["first_history"]

    def test_survives_being_written_and_read(self, case):
        game = read_efg(CONFORMANCE / "efg" / f"{case['game']}.efg", check=False)
        again = parse_efg(write_efg(game), check=False)
        assert_same_game(game, again)
        np.testing.assert_array_equal(payoffs(game), payoffs(again))
        np.testing.assert_array_equal(chances(game), chances(again))


# -- a crisis, written and read -----------------------------------------------------------------------------
FRACTIONS = st.builds(Fraction, st.integers(-50, 50), st.integers(1, 12))
NUMBERS = st.one_of(st.integers(-5, 5), FRACTIONS, st.floats(-1e6, 1e6, allow_subnormal=False))
LABELS = st.text(st.sampled_from('ab"\\ |{}é∞,;\n'), min_size=1, max_size=4)
STEPS = st.fixed_dictionaries(
    {
        "player": st.integers(-1, 1),
        "options": st.lists(LABELS, min_size=1, max_size=3, unique=True),
        "weights": st.lists(st.integers(0, 9), min_size=3, max_size=3),
        "name": LABELS,
        "floats": st.booleans(),
        "seen": st.booleans(),
        "ends_at": st.integers(0, 4),
    }
)


def crisis_of(steps, values):
    """A crisis whose moves are the steps, one after the other; some options end it."""
    pair = players("A", 'the "B"')

    @crisis(players=pair)
    def generated(g, p):
        """A generated game."""
        code = 0
        for number, step in enumerate(steps):
            labels, name = step["options"], f"{step['name']}{number}"
            if step["player"] >= 0:
                chosen = g.choose(pair[step["player"]], name, labels, seen_by=pair if step["seen"] else ())
            else:
                weights = [w + 1 for w in step["weights"][: len(labels)]]
                chance = [Fraction(w, sum(weights)) for w in weights]
                if step["floats"]:
                    chance = [float(q) for q in chance]
                chosen = g.chance(name, dict(zip(labels, chance, strict=True)), seen_by=pair[: step["seen"]])
            index = labels.index(chosen)
            code = code * 3 + index + 1
            if index == step["ends_at"]:
                break
        return {player: values[(2 * code + i) % len(values)] for i, player in enumerate(pair)}

    return generated


@settings(max_examples=60)
@given(st.lists(STEPS, min_size=0, max_size=5), st.lists(NUMBERS, min_size=1, max_size=7))
def test_a_crisis_written_and_read_is_the_same_game(steps, values):
    game = compile(crisis_of(steps, values))
    again = parse_efg(write_efg(game))
    assert_same_game(game, again)
    np.testing.assert_array_equal(payoffs(game), payoffs(again))
    np.testing.assert_allclose(chances(game), chances(again), rtol=0, atol=1e-15)


def with_parameters():
    PATRON, PROTEGE = players("patron", "protege")

    @crisis(players=(PATRON, PROTEGE))
    def warned(g, p):
        "A warning that may be heard."
        kind = g.chance("resolve", {"low": 1 - p.hawk, "high": p.hawk}, seen_by=PROTEGE)
        g.choose(PATRON, "message", ["back", "warn"], seen_by=PROTEGE)
        act = g.choose(PROTEGE, "act", ["wait", "strike"])
        gain = p.gain * (kind == "high") - 1 if act == "strike" else 0
        return {PATRON: -gain / 3, PROTEGE: gain}

    return compile(warned)


def test_a_game_with_parameters_is_written_for_one_draw():
    game = with_parameters()
    text = write_efg(game, {"hawk": 0.1, "gain": 2.5, "something else": 1})
    again = parse_efg(text)
    assert_same_game(game, again)
    monomials = game.basis.evaluate({"hawk": 0.1, "gain": 2.5}, 1)
    np.testing.assert_array_equal(payoffs(again).ravel(), game.payoff.evaluate(monomials)[:, 0])
    np.testing.assert_array_equal(chances(again), [0.9, 0.1])
    assert "hawk = 0.1, gain = 2.5" in text


def test_a_game_with_parameters_is_not_written_without_a_draw():
    game = with_parameters()
    with pytest.raises(UsageError, match=r"no value for \['hawk', 'gain'\].*give one draw"):
        write_efg(game)
    with pytest.raises(UsageError, match=r"no value for \['hawk'\]. Did you mean 'hawks'"):
        write_efg(game, {"hawks": 0.1, "gain": 1})
    for wrong in ([0.1, 0.2], "high", None, float("nan")):
        with pytest.raises(UsageError, match="'hawk' is .*Give one finite number"):
            write_efg(game, {"hawk": wrong, "gain": 1})


def test_a_draw_that_makes_a_probability_impossible_is_not_written():
    with pytest.raises(UsageError, match=r"'resolve' has the probabilities \[low -0.5, high 1.5\].*hawk = 1.5"):
        write_efg(with_parameters(), {"hawk": 1.5, "gain": 1})


def test_a_draw_that_makes_a_payoff_infinite_is_not_written():
    (ME,) = players("me")

    @crisis(players=(ME,))
    def divided(g, p):
        return {ME: 1 / p.x if g.choose(ME, "divide", ["no", "yes"]) == "yes" else 0}

    with pytest.raises(UsageError, match=r"payoff of 'me' after \[divide = yes\] is inf for the draw \(x = 0"):
        write_efg(compile(divided), {"x": 0})


def test_floats_that_do_not_sum_to_one_are_written_so_that_they_do():
    (ME,) = players("me")

    @crisis(players=(ME,))
    def floats(g, p):
        g.chance("weather", {"a": 0.1 + 0.2, "b": 0.1 / 3, "c": 1 - (0.1 + 0.2) - 0.1 / 3})
        g.choose(ME, "go", ["on"])
        return {ME: 0.1 + 0.2}

    text = write_efg(compile(floats))
    line = next(line for line in text.splitlines() if line.startswith("c"))
    assert sum(Fraction(number) for number in re.findall(r'" (\S+)', line.partition("{")[2])) == 1
    assert "{ 0.30000000000000004 }" in text


def test_infosets_of_one_move_get_labels_that_differ_and_are_read_as_one_move():
    text = write_efg(with_parameters(), {"hawk": 0.5, "gain": 1})
    labels = [line.split('"')[3] for line in text.splitlines() if line.startswith("p") and '"wait"' in line]
    assert labels[0] == "act | resolve = low, message = back"
    assert len(set(labels)) == 4
    assert {i.move for i in parse_efg(text).infosets} == {"message", "act"}


def test_chance_nodes_get_numbers_that_differ_and_are_read_as_one_chance_move():
    (ME,) = players("me")

    @crisis(players=(ME,))
    def twice(g, p):
        g.choose(ME, "ship", ["sail", "stay"])
        g.chance("weather", {"storm": 0.25, "calm": 0.75})
        return {ME: 1}

    game = compile(twice)
    text = write_efg(game)
    records = [line.split(" { ")[0] for line in text.splitlines() if line.startswith("c")]
    assert records == ['c "" 1 "weather | 1:1"', 'c "" 2 "weather | 1:2"']
    again = parse_efg(text)
    assert len(again.chances) == 1
    assert_same_game(game, again)


def test_repeated_labels_of_a_foreign_file_survive():
    text = HEADER + ROOT + 'p "" 2 1 "y" { "a" } 0\n' + END + 'p "" 2 2 "y" { "b" } 0\n' + END
    game = parse_efg(text)
    assert [i.move for i in game.infosets] == ["x", "y", "y"]
    assert_same_game(game, parse_efg(write_efg(game)))
    assert '"y | 1"' in write_efg(game) and '"y | 2"' in write_efg(game)


# -- what is read -------------------------------------------------------------------------------------------
def test_numbers_of_every_form_are_read_exactly():
    game = parse_efg(HEADER + 'c "" 1 { "a" 1/3 "b" .5 "c" 0.1e-1 "d" 47/300 } 0\n' + 't "" 1 "" { -2/4, +3. }\n' * 4)
    assert game.chances[0].formulas == ("1/3", "1/2", "1/100", "47/300")
    assert game.payoff_formulas(0) == ("-1/2", "3")


def test_outcomes_on_the_way_are_added_to_those_at_the_end():
    text = HEADER + 'p "" 1 1 "x" { "l" "r" } 7 "on the way" { 1/3, 10 }\n'
    text += 'c "" 1 "" { "u" 1/2 "d" 1/2 } 8 "" { 0.5 0 }\nt "" 7\nt "" 0\nt "" 9 "" { 1 1 }\n'
    game = parse_efg(text)
    assert [game.payoff_formulas(leaf) for leaf in range(3)] == [("4/3", "11"), ("7/6", "20"), ("5/6", "10")]


def test_an_outcome_may_be_used_before_it_is_defined_and_left_out_between_records():
    text = HEADER + 'p "" 1 1 "x" { "l" "m" "r" }\nt "" 5\nt ""\nt "" 5 "o" { 3, 4 }\n'
    assert payoffs(parse_efg(text)).tolist() == [[3, 4], [0, 0], [3, 4]]


def test_later_mentions_of_an_infoset_may_leave_out_label_and_options():
    text = HEADER + 'c "" 1 "" { "a" 1/2 "b" 1/2 } 0\n' + ROOT + END * 2 + 'p "" 1 1 0\n' + END * 2
    game = parse_efg(text)
    assert (game.num_nodes, len(game.infosets)) == (7, 1)
    assert game.infosets[0].move == "x"
    late = text.replace('"x"', '""', 1).replace('p "" 1 1 0', 'p "" 1 1 "late" 0')
    assert parse_efg(late).infosets[0].move == "late"


def test_missing_empty_and_repeated_names_are_kept_or_made_from_numbers():
    text = 'EFG 2 R "" { "" "B" "" }\np 1 4 { "" "" } 0\nc 3 { "a" 1 } 0\nt 1 { 1 2 3 }\nt 0\n'
    game = parse_efg(text)
    assert game.players == ("Player 1", "B", "Player 3")
    assert [(i.move, i.options) for i in game.infosets] == [("Player 1:4", ("", ""))]
    assert game.chances[0].move == "chance:3"


def test_quotes_and_backslashes_in_labels_are_read():
    text = HEADER + r'p "a \"node\"" 1 1 "say \"no\" \\ \neg" { "{\"" "}" } 0' + "\n" + END * 2
    infoset = parse_efg(text).infosets[0]
    assert infoset.move == r'say "no" \ \neg'
    assert infoset.options == ('{"', "}")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_files_are_read_in_their_encoding_and_with_their_line_ends(tmp_path, encoding, newline):
    text = 'EFG 2 R "Söldner" { "A" "B" }\n"a\ncomment"\n\n' + ROOT + END * 2
    path = tmp_path / "game.efg"
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    assert read_efg(path).title == "Söldner"
    assert read_efg(str(path)).num_nodes == 3


def test_a_single_leaf_is_a_game():
    game = parse_efg(HEADER + END)
    assert (game.num_nodes, game.infosets) == (1, ())
    assert_same_game(game, parse_efg(write_efg(game)))


def test_decimals_that_are_rounded_are_divided_by_their_sum():
    game = parse_efg(HEADER + 'c "" 1 "" { "a" 0.3333333333 "b" 0.3333333333 "c" 0.3333333333 } 0\n' + END * 3)
    assert game.chances[0].formulas == ("1/3",) * 3


# -- what is refused ----------------------------------------------------------------------------------------
BAD = {
    "nothing": ("", "line 1, column 1: the end of the file stands where EFG"),
    "another version": ('EFG 1 R "t" { "A" }\n', "column 5: '1 R .* stands where version 2"),
    "no title": ("EFG 2 R { }", "stands where the title should be. Put a title"),
    "no players": ('EFG 2 R "t" { }\n' + END, "list of players .* is empty. Name at least one"),
    "bare player": ('EFG 2 R "t" { A }\n' + END, "column 15: the player 'A' is not in quotation marks"),
    "no tree": (HEADER, "ends before the first record. Add the tree"),
    "truncated": (
        HEADER + ROOT + END,
        r"1 nodes are missing: .* 'r' at 'x' \(line 2, column 14\). .*cut off",
    ),
    "cut in a record": (HEADER + ROOT + END + 't ""', "line 4, column 5: the file ends within a record. Add"),
    "cut in a text": (
        HEADER + ROOT + END + 't "abc',
        "line 4, column 3: the text '\"abc' is not closed. Add",
    ),
    "cut in a list": (HEADER + ROOT + END + 't "" 2 { 1', "line 4, column 8: the list .* is not closed"),
    "unknown record": (
        HEADER + ROOT + END + 'x "" 1 "o" { 1 2 }\n',
        "line 4, column 1: 'x .*' is not a record",
    ),
    "stray brace": (HEADER + ROOT + "}", "line 3, column 1: '}' stands where no list is open. Remove it"),
    "garbage": (
        HEADER + ROOT + END + "\0\1\2",
        "line 4, column 1: .* is not a record. A record starts with",
    ),
    "garbage in a record": (
        HEADER + 't "" zero',
        "line 2, column 6: 'zero' stands where the number of an outc",
    ),
    "rest": (
        HEADER + ROOT + END * 3,
        r"line 5, column 1: 't .* after the tree is complete \(3 nodes\). Remove",
    ),
    "player": (
        HEADER + 'p "" 3 1 "x" { "l" } 0\n' + END,
        "line 2, column 6: there is no player 3: the header names 2",
    ),
    "player zero": (HEADER + 'p "" 0 1 "x" { "l" } 0\n' + END, "there is no player 0.* Use 1 to 2"),
    "no infoset": (
        HEADER + 'p "" 1 "x" { "l" } 0\n' + END,
        "stands where the number of the infoset should be",
    ),
    "negative infoset": (
        HEADER + 'p "" 1 -1 "x" { "l" } 0\n' + END,
        "number of the infoset is -1. Use a whole",
    ),
    "no options": (HEADER + 'p "" 1 1 "x" { } 0\n' + END, "list of options { } is empty. Give at least one"),
    "bare option": (HEADER + 'p "" 1 1 "x" { l } 0\n' + END, "the option 'l' is not in quotation marks"),
    "options never": (
        HEADER + 'p "" 1 1 "x" 0\n' + END,
        "infoset 1 of A has no options at its first mention. List",
    ),
    "option count": (
        HEADER + ROOT + END + 'p "" 1 1 "x" { "l" } 0\n' + END,
        r"line 4, column 14: infoset 1 of A has 1 option \['l'\] here and 2 \['l', 'r'\] at its first "
        r"mention \(line 2, column 14\). Players who see",
    ),
    "option order": (
        HEADER + ROOT + END + 'p "" 1 1 "x" { "r" "l" } 0\n' + END * 2,
        r"infoset 1 of A has \['r'\] as option 1 here and \['l'\] at its first mention",
    ),
    "infoset label": (
        HEADER + ROOT + END + 'p "" 1 1 "y" { "l" "r" } 0\n' + END * 2,
        r"infoset 1 of A has \['y'\] as its label here and \['x'\] at its first mention",
    ),
    "sum": (
        HEADER + 'c "" 1 "" { "a" 1/3 "b" 1/3 } 0\n' + END * 2,
        r"\[1/3, 1/3\] sum to 2/3, not to 1. Correct",
    ),
    "tiny sum": (
        HEADER + 'c "" 1 "" { "a" 1/3 "b" 666666666666/1000000000000 } 0\n' + END * 2,
        "sum to 1499999999999/1500000000000, not to 1",
    ),
    "decimal sum": (HEADER + 'c "" 1 "" { "a" 0.33 "b" 0.66 } 0\n' + END * 2, "sum to 0.99, not to 1"),
    "negative": (
        HEADER + 'c "" 1 "" { "a" -1/2 "b" 3/2 } 0\n' + END * 2,
        "probability '-1/2' of 'a' is negative",
    ),
    "above one": (
        HEADER + 'c "" 1 "" { "a" 3/2 "b" -1/2 } 0\n' + END * 2,
        "probability '3/2' of 'a' is larger",
    ),
    "no probability": (HEADER + 'c "" 1 "" { "a" 1 "b" } 0\n' + END, "option 'b' has no probability. Add it"),
    "two labels": (
        HEADER + 'c "" 1 "" { "a" "b" } 0\n' + END,
        "'b' stands where the probability of the option",
    ),
    "other chance": (
        HEADER + 'c "" 1 "" { "a" 1/2 "b" 1/2 } 0\n' + END + 'c "" 1 "" { "a" 1/3 "b" 2/3 } 0\n' + END * 2,
        r"infoset 1 of chance has \[1/3\] as probability 1 here and \[1/2\] at its first mention",
    ),
    "payoff count": (
        HEADER + 't "" 1 "o" { 1 2 3 }\n',
        "line 2, column 12: .* holds 3 payoffs for 2 players. Give one",
    ),
    "payoff text": (HEADER + 't "" 1 "o" { 1 "2" }\n', "the text '2' stands among the payoffs. Remove it"),
    "payoff word": (HEADER + 't "" 1 "o" { 1 two }\n', "column 16: 'two' is not a number. Write it"),
    "zero denominator": (HEADER + 't "" 1 "o" { 1 2/0 }\n', "the fraction '2/0' divides by zero. Correct"),
    "huge": (
        HEADER + 't "" 1 "o" { 1 1e309 }\n',
        "'1e309' is larger than a computer's number. Choose larger",
    ),
    "tiny": (
        HEADER + 't "" 1 "o" { 1 1e-399 }\n',
        "'1e-399' is smaller than a computer's number. Choose smaller",
    ),
    "exponent": (HEADER + 't "" 1 "o" { 1 1e999999999 }\n', "exponent of '1e999999999' is out of range"),
    "digits": (HEADER + 't "" 1 "o" { 1 ' + "9" * 5000 + " }\n", "'9{40}…' is not a number"),
    "outcome again": (
        HEADER + ROOT + END + 't "" 1 "o" { 1 3 }\n',
        r"line 4, column 12: outcome 1 has \[3\] as payoff 2 here and \[2\] before \(line 3, column 12\). G",
    ),
    "outcome never": (
        HEADER + ROOT + END + 't "" 2\n',
        "line 4, column 6: outcome 2 .* has payoffs nowhere. Give",
    ),
    "outcome text": (
        HEADER + 't "" "o" { 1 2 }\n',
        "column 6: .* stands where the number of an outcome should be",
    ),
    "outcome zero": (HEADER + 't "" 0 "o" { 1 2 }\n', r"outcome 0 \(none\) is given payoffs '{ 1 2 }'. Give"),
    "outcome below zero": (HEADER + 't "" -1 "o" { 1 2 }\n', "the number of the outcome is -1. Use a whole"),
    "overflow": (
        HEADER + 'p "" 1 1 "x" { "l" } 1 "" { 1e308 0 }\nt "" 2 "" { 1e308 0 }\n',
        "the payoffs on the way to here add up to more than",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_with_the_place_the_value_and_the_remedy(case):
    text, words = BAD[case]
    with pytest.raises(GameFileError, match=words) as caught:
        parse_efg(text, "bad.efg")
    assert str(caught.value).startswith("bad.efg, line ")
    assert len(str(caught.value)) < 700


@settings(max_examples=150)
@given(st.data())
def test_damaged_files_are_read_or_refused_and_nothing_else(data):
    text = HEADER + 'c "" 1 "z" { "a" 1/2 "b" .5 } 0\n' + ROOT + END * 2 + 'p "" 2 1 "y" { "a" } 3 { 1 1 }\n' + END
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 5)))
        text = text[:start] + data.draw(st.text(st.sampled_from('pct012/.-e{}"\\, \n\0é'), max_size=4)) + text[end:]
    try:
        assert parse_efg(text).num_nodes >= 1
    except GameFileError as error:
        assert str(error).startswith("<text>")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(GameFileError, match="missing.efg: cannot read this file: No such file"):
        read_efg(tmp_path / "missing.efg")
    with pytest.raises(GameFileError, match="cannot read this file: Is a directory"):
        read_efg(tmp_path)
    (tmp_path / "picture.efg").write_bytes(bytes(range(128, 256)))
    with pytest.raises(GameFileError, match="picture.efg: this is not a game file: it starts with b.*Give a file"):
        read_efg(tmp_path / "picture.efg")


def test_a_tree_above_the_limit_is_refused_before_it_is_read():
    text = HEADER + ROOT + "".join(f'p "" 1 {i} "" {{ "l" "r" }} 0\n' for i in range(2, 200))
    with pytest.raises(GameFileError, match=r"line 51, .* more than 100 nodes \(50 so far, and 101 with"):
        parse_efg(text, max_nodes=100)
    wide = 'EFG 2 R "t" { ' + '"A" ' * 300 + "}\n" + 'p "" 1 1 { ' + '"a" ' * 9 + "} 0\n"
    wide += 't "" 1 {' + " 1" * 300 + " }\n" + 't "" 1\n' * 8
    with pytest.raises(GameFileError, match="9 leaves have payoffs for 300 players, more than 1,000 numbers"):
        parse_efg(wide, max_nodes=100)


def test_a_very_deep_tree_is_read_and_written():
    num = 100_000
    text = HEADER + "".join(f'p "" {1 + i % 2} {i} "m{i}" {{ "on" }} 0\n' for i in range(num)) + END
    game = parse_efg(text)
    assert game.num_nodes == num + 1
    assert write_efg(game).count("\n") == num + 4


@pytest.mark.parametrize(
    "junk",
    [
        "x" * 20_000_000,
        HEADER + "{" * 20_000_000,
        HEADER + 'p "' + '\\"' * 10_000_000,
        HEADER + 'p "" 1 1 { "a" ' + " " * 10_000_000 + "x } 0",
        HEADER + 'c "" 1 { "a" ' + "1" * 10_000_000 + "x } 0",
        HEADER + "".join(f'p "" 1 {i} {{ "l" }} {i} "" {{ 1/{2 * i + 1}, 0 }}\n' for i in range(1, 5000)) + 't "" 0',
    ],
    ids=["no header", "braces", "open text", "blanks", "digits", "denominators"],
)
def test_junk_is_refused_quickly(junk):
    start = time.perf_counter()
    with pytest.raises(GameFileError) as caught:
        parse_efg(junk)
    assert time.perf_counter() - start < 20  # two seconds at most on a free machine
    assert len(str(caught.value)) < 700


# -- perfect recall -----------------------------------------------------------------------------------------
def test_a_forgotten_choice_is_refused_with_both_histories():
    second = 'p "" 1 2 "y" { "a" } 0\n' + END
    with pytest.raises(
        GameFileError, match=r"<text>: .*infoset 'y' of 'A' the player cannot tell \[x = l\] from \[x = r\]"
    ):
        parse_efg(HEADER + ROOT + second * 2)


def test_forgotten_knowledge_is_refused_also_behind_a_chance_of_zero():
    root = 'c "" 1 "c" { "u" 1 "d" 0 } 0\n'
    first = 'p "" 1 {} "m{}" {{ "a" }} 0\n'
    last = 'p "" 1 3 "z" { "b" } 0\n' + END
    with pytest.raises(GameFileError, match=r"cannot tell \[c = u, m1 = a\] from \[c = d, m2 = a\]"):
        parse_efg(HEADER + root + first.format(1, 1) + last + first.format(2, 2) + last)


def test_an_absent_minded_player_is_refused_with_both_visits():
    text = HEADER + ROOT + END + ROOT + END * 2
    with pytest.raises(GameFileError, match=r"passes twice through the infoset 'x' of 'A': after \[\] and again "):
        parse_efg(text)
    game = parse_efg(text, check=False)
    with pytest.raises(GameFileError, match="^t: one history passes twice"):
        check_perfect_recall(game)


def test_long_histories_are_cut_in_messages():
    text = HEADER + 'p "" 1 1 "x" { "on" } 0\n' * 5000 + END
    moves = "".join(f'p "" 2 {i} "m{i}" {{ "on" }} 0\n' for i in range(5000))
    with pytest.raises(GameFileError, match=r"\(4,98\d more\)|passes twice") as caught:
        parse_efg(text)
    with pytest.raises(GameFileError, match=r"… \(4,989 more\) …") as caught:
        parse_efg(HEADER + ROOT + END + moves + ROOT + END * 2)
    assert len(str(caught.value)) < 700


def test_not_knowing_what_others_did_is_perfect_recall():
    second = 'p "" 2 1 "y" { "a" "b" } 0\n' + END * 2
    game = parse_efg(HEADER + ROOT + second * 2)
    assert (game.kind == LEAF).sum() == 4


def test_a_crisis_in_the_language_has_perfect_recall():
    check_perfect_recall(with_parameters())
