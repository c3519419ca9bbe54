"""The language of a crisis: what is told is known, and every mistake is reported with place, value and remedy."""

import random
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

import detente as dt
from detente.axes import CHANCE, CHOICE
from detente.errors import ModelError, SolveError, UsageError
from detente.solve.problem import evaluate

A, B = dt.players("ann", "bob")
STRANGER = dt.Player("bop")


def compiled(rules: Callable[..., Any], players: tuple = (A, B), **options: Any) -> dt.Game:
    return dt.compile(dt.crisis(players=players)(rules), **options)


def refusal(rules: Callable[..., Any], players: tuple = (A, B), **options: Any) -> str:
    """The message with which some rules are refused."""
    with pytest.raises(ModelError) as caught:
        compiled(rules, players, **options)
    return str(caught.value)


def nothing(_: Any = None) -> dict:
    return {A: 0, B: 0}


# -- players and the decorator ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("ann", "ann"), r"'ann' is given twice\. Give every player a name of its own"),
        (("",), r"'' is not a name\. Give every player a word"),
        (("  ",), r"'  ' is not a name"),
        ((3,), r"3 is not a name"),
    ],
)
def test_a_name_that_no_player_can_have_is_reported(names, message):
    with pytest.raises(ModelError, match=message):
        dt.players(*names)


def test_a_crisis_has_the_title_of_its_docstring_or_its_name():
    @dt.crisis(players=(A,))
    def told(g, p):
        """First line.

        More.
        """
        return {A: 0}

    @dt.crisis(players=A)
    def untold(g, p):
        return {A: 0}

    assert told.title == "First line."
    assert untold.title == "untold"
    assert untold.players == (A,)
    assert dt.compile(told).title == "First line."


def test_a_crisis_for_something_that_is_not_a_player_is_reported():
    with pytest.raises(ModelError, match=r"rules: 'ann' is not a player\. Make players with dt\.players"):

        @dt.crisis(players=("ann",))  # type: ignore[arg-type]
        def rules(g, p):
            return {}


def test_two_players_of_one_name_in_a_crisis_are_reported():
    with pytest.raises(ModelError, match="two players have the same name"):

        @dt.crisis(players=(A, dt.Player("ann")))
        def rules(g, p):
            return {}


def test_only_a_crisis_can_be_compiled():
    with pytest.raises(ModelError, match=r"is not a crisis\. Decorate the function with @dt\.crisis"):
        dt.compile(lambda g, p: {})  # type: ignore[arg-type]


def test_a_crisis_can_still_be_called_as_a_function():
    @dt.crisis(players=(A,))
    def rules(g, p):
        return {A: (g, p)}

    assert rules("g", "p") == {A: ("g", "p")}  # type: ignore[arg-type]


# -- who knows what --------------------------------------------------------------------------------
def knows(game: dt.Game, move: str) -> list[tuple[tuple[str, str], ...]]:
    return [infoset.knows for infoset in game.infosets if infoset.move == move]


def test_a_player_knows_its_own_moves_and_what_it_is_shown_and_nothing_else():
    def rules(g, p):
        g.chance("weather", {"dry": Fraction(1, 2), "wet": Fraction(1, 2)}, seen_by=A)
        g.choose(A, "call", ["x", "y"])
        g.choose(B, "reply", ["u", "v"], seen_by=(A, B))
        g.choose(A, "end", ["s", "t"])
        return nothing()

    game = compiled(rules)
    assert knows(game, "call") == [(("weather", "dry"),), (("weather", "wet"),)]
    assert knows(game, "reply") == [()]
    assert (("weather", "dry"), ("call", "y"), ("reply", "u")) in knows(game, "end")
    assert len(knows(game, "end")) == 8


def test_a_player_learns_later_what_it_is_told_later_under_any_name():
    def rules(g, p):
        message = g.choose(A, "message", ["yes", "no"])
        if g.chance("press", {"silent": 0.5, "reports it": 0.5}) == "reports it":
            g.tell(B, "message", message)
            g.tell((B,), "certain", True)
        g.choose(B, "reply", ["u", "v"])
        return nothing()

    found = knows(compiled(rules), "reply")
    assert set(found) == {
        (),
        (("message", "yes"), ("certain", "True")),
        (("message", "no"), ("certain", "True")),
    }


def test_telling_two_players_tells_both():
    def rules(g, p):
        g.tell([A, B], "news", g.chance("event", {"x": 0.5, "y": 0.5}))
        g.choose(A, "first", ["s", "t"])
        g.choose(B, "second", ["s", "t"])
        return nothing()

    game = compiled(rules)
    assert knows(game, "first") == knows(game, "second") == [(("news", "x"),), (("news", "y"),)]


def test_a_move_may_be_seen_by_its_chooser_without_being_learned_twice():
    def rules(g, p):
        g.choose(A, "first", ["x", "y"], seen_by=(A, B, B))
        g.choose(A, "second", ["x", "y"])
        return nothing()

    assert knows(compiled(rules), "second") == [(("first", "x"),), (("first", "y"),)]


def test_what_a_player_did_is_not_mixed_up_with_what_it_was_told():
    # Who strikes first is chance; the other sees the strike. Whoever struck must remember that it did.
    def rules(g, p):
        striker, other = (A, B) if g.chance("who", {"ann": 0.5, "bob": 0.5}) == "ann" else (B, A)
        g.choose(striker, "strike", ["yes", "no"], seen_by=other)
        g.choose(A, "talk", ["yes", "no"])
        return nothing()

    assert len(knows(compiled(rules), "talk")) == 4


# -- mistakes in moves -----------------------------------------------------------------------------
def test_a_player_not_declared_is_reported_with_the_nearest_name():
    message = refusal(lambda g, p: g.choose(STRANGER, "call", ["x"]))
    assert message.startswith("<lambda>, at the start: the choice 'call': 'bop' is not a player of '<lambda>'.")
    assert "Did you mean 'bob'? List it in @dt.crisis(players=…)." in message


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        (lambda g, p: g.chance("event", {"x": 1}, seen_by=STRANGER), "seen_by of 'event': 'bop'"),
        (lambda g, p: g.chance("event", {"x": 1}, seen_by=(A, STRANGER)), "seen_by of 'event': 'bop'"),
        (lambda g, p: g.choose(A, "call", ["x"], seen_by="bob"), "seen_by of 'call': 'bob'"),
        (lambda g, p: g.choose("ann", "call", ["x"]), "the choice 'call': 'ann'"),
        (lambda g, p: g.tell(STRANGER, "news", "x"), r"tell('news'): 'bop'"),
        (lambda g, p: g.tell("bob", "news", "x"), r"tell('news'): 'bob'"),
    ],
)
def test_somebody_who_is_not_a_player_is_reported_wherever_a_player_is_named(rules, where):
    message = refusal(rules)
    assert where in message
    assert "is not a player" in message


def test_a_duplicate_option_is_reported_with_its_move():
    for rules in (
        lambda g, p: g.choose(A, "call", ["x", "y", "x"]),
        lambda g, p: g.choose(A, "call", ("x", "x")),
    ):
        assert "the move 'call' has the option 'x' twice. Labels are the identity of options: rename one." in refusal(
            rules
        )


@pytest.mark.parametrize("options", [[], ()])
def test_a_move_without_options_is_reported(options):
    assert "the move 'call' has no options. Give at least one option" in refusal(
        lambda g, p: g.choose(A, "call", options)
    )
    assert "the move 'event' has no options" in refusal(lambda g, p: g.chance("event", {}))


@pytest.mark.parametrize("option", [1, None, ("a",), 2.5, True])
def test_an_option_that_is_not_a_word_is_reported_with_its_value(option):
    assert f"the option {option!r} of 'call' is not a word" in refusal(lambda g, p: g.choose(A, "call", ["x", option]))
    assert f"the option {option!r} of 'event' is not a word" in refusal(
        lambda g, p: g.chance("event", {"x": 0.5, option: 0.5})
    )


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_move_without_a_name_is_reported(name):
    assert f"a move has the name {name!r}. Give it a word." in refusal(lambda g, p: g.choose(A, name, ["x"]))


def test_a_symbol_used_as_an_option_is_reported_with_the_symbol():
    message = refusal(lambda g, p: g.choose(A, "call", ["x", p.stake]))
    assert "stake" in message
    assert "Options are labels" in message


def test_a_symbol_used_as_an_option_of_chance_is_reported():
    assert "label" in refusal(lambda g, p: g.chance("event", {p.stake: 1}))


@pytest.mark.parametrize("use", [lambda p: float(p.stake), lambda p: [1, 2][p.stake], lambda p: range(p.stake)])
def test_a_symbol_used_as_a_number_in_the_rules_is_reported(use):
    assert "a parameter was turned into" in refusal(lambda g, p: use(p))


def test_the_truth_of_a_symbol_in_the_rules_is_reported():
    def rules(g, p):
        return nothing() if p.stake > 1 else {A: 1, B: 1}

    assert "truth value of a parameter was asked for: stake > 1." in refusal(rules)


def test_a_move_name_used_twice_on_a_history_is_reported_with_the_history():
    def rules(g, p):
        g.choose(A, "call", ["x", "y"])
        g.choose(B, "call", ["x", "y"])
        return nothing()

    message = refusal(rules)
    assert message.startswith("rules, after [call = x]: the move 'call' comes twice on one history.")
    assert "number them or rename one" in message


def test_a_move_name_may_be_used_on_several_histories():
    def rules(g, p):
        if g.choose(A, "first", ["x", "y"], seen_by=B) == "x":
            g.choose(B, "reply", ["u", "v"])
        else:
            g.choose(B, "reply", ["u", "v", "w"])
        return nothing()

    assert [i.options for i in compiled(rules).infosets if i.move == "reply"] == [("u", "v"), ("u", "v", "w")]


def test_the_same_infoset_with_different_options_is_reported_with_both_histories():
    def rules(g, p):
        first = g.choose(A, "first", ["x", "y"])
        g.choose(B, "reply", ["u", "v"] if first == "x" else ["u", "w"])
        return nothing()

    message = refusal(rules)
    assert "bob cannot tell two histories apart at 'reply'" in message
    assert "['u', 'v'] after [first = x], and ['u', 'w'] after [first = y]" in message
    assert "Tell the player what differs, or offer the same options." in message


def test_the_same_options_in_another_order_count_as_different():
    def rules(g, p):
        first = g.choose(A, "first", ["x", "y"])
        g.choose(B, "reply", ["u", "v"] if first == "x" else ["v", "u"])
        return nothing()

    assert "['u', 'v'] after [first = x], and ['v', 'u'] after [first = y]" in refusal(rules)


@pytest.mark.parametrize("options", ["yes", "x"])
def test_one_word_in_place_of_a_list_of_options_is_reported(options):
    assert "call" in refusal(lambda g, p: (g.choose(A, "call", options), nothing())[1])


@pytest.mark.parametrize("options", [["x", "y"], ("x", "y"), {"x": 1, "y": 2}, {"x": 1, "y": 2}.keys()])
def test_options_may_come_in_anything_that_has_an_order(options):
    game = compiled(
        lambda g, p: (g.choose(A, "call", (o for o in options)), g.choose(B, "reply", options), nothing())[2]
    )
    assert [i.options for i in game.infosets] == [("x", "y"), ("x", "y")]


@pytest.mark.parametrize("options", [{"x", "y"}, frozenset({"x", "y"})])
def test_options_without_an_order_are_reported(options):
    # The order of a set of words changes from one run of Python to the next, and with it every array of the game.
    assert "order" in refusal(lambda g, p: (g.choose(A, "call", options), nothing())[1])


@pytest.mark.parametrize(
    "call",
    [
        lambda g: g.choose(A, "call", 3),
        lambda g: g.choose(A, "call", None),
        lambda g: g.choose(A, "call", ["x"], seen_by=3),
        lambda g: g.choose(A, "call", ["x"], seen_by=None),
        lambda g: g.chance("call", {"x": 1}, seen_by=3),
        lambda g: g.chance("call", {"x": [1]}),
        lambda g: g.choose((), "call", ["x"]),
    ],
)
def test_an_argument_of_the_wrong_kind_is_reported_with_the_move(call):
    assert "call" in refusal(lambda g, p: (call(g), nothing())[1])


def test_a_choice_by_two_players_is_reported():
    assert "call" in refusal(lambda g, p: (g.choose((A, B), "call", ["x"]), nothing())[1])


# -- mistakes in chances ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("chances", "shown"),
    [
        (lambda p: {"x": p.risk, "y": p.leak}, ("risk + leak",)),
        (lambda p: {"x": p.risk, "y": p.risk}, ("2·risk",)),
        (lambda p: {"x": p.risk, "y": 1 - p.risk, "z": p.leak}, ("leak + 1",)),
        (lambda p: {"x": 0.5, "y": 0.4}, ("0.9",)),
        (lambda p: {"x": Fraction(1, 3), "y": Fraction(1, 3)}, ("2/3",)),
        (lambda p: {"x": dt.exp(p.risk), "y": 1 - dt.exp(-p.risk)}, ("exp(risk)", "exp(−risk)")),
        (lambda p: {"x": 0}, ("0",)),
    ],
)
def test_chances_that_do_not_sum_to_one_as_symbols_are_reported_with_the_sum(chances, shown):
    message = refusal(lambda g, p: g.chance("event", chances(p)))
    found = re.search(r"the chances of 'event' sum to (.*), not to 1\. Make one of them 1 minus the others\.", message)
    assert found, message
    for part in shown:
        assert part in found.group(1)


@pytest.mark.parametrize(
    "chances",
    [
        lambda p: {"x": p.risk, "y": 1 - p.risk},
        lambda p: {"x": p.risk * p.leak, "y": p.risk * (1 - p.leak), "z": 1 - p.risk},
        lambda p: {"x": dt.exp(-p.risk), "y": 1 - dt.exp(-p.risk)},
        lambda p: {str(k): 0.1 for k in range(10)},
        lambda p: {str(k): Fraction(1, 7) for k in range(7)},
        lambda p: {"x": 1},
        lambda p: {"x": 1 / (1 + p.risk), "y": 1 - 1 / (1 + p.risk)},
    ],
)
def test_chances_that_sum_to_one_as_symbols_are_accepted(chances):
    game = compiled(lambda g, p: (g.chance("event", chances(p)), nothing())[1])
    assert game.num_leaves == len(game.chances[0].options)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan"), "half", None, float("inf")])
def test_a_chance_that_no_probability_can_be_is_reported_with_its_value(value):
    message = refusal(lambda g, p: g.chance("event", {"x": value, "y": 0.5}))
    assert f"the chance of 'x' in 'event' is {value!r}. A probability is a number or symbol in [0, 1]." in message


def test_a_condition_used_as_a_chance_is_reported():
    assert "chance of 'x' in 'event'" in refusal(lambda g, p: g.chance("event", {"x": p.risk > 1, "y": 0}))


def test_chances_that_are_not_a_mapping_are_reported():
    message = refusal(lambda g, p: g.chance("event", ["x", "y"]))
    assert "the chance move 'event' needs a mapping from option to probability, not ['x', 'y']" in message


def test_a_chance_that_leaves_zero_to_one_is_reported_with_the_parameters_of_the_draw():
    game = compiled(lambda g, p: (g.chance("event", {"x": p.risk * p.leak, "y": 1 - p.risk * p.leak}), nothing())[1])
    with pytest.raises(SolveError) as caught:
        evaluate(game, {"risk": [0.5, 1.5, 0.2], "leak": [0.5, 0.8, 0.1]})
    message = str(caught.value)
    assert "the chance of 'x' in 'event' (risk·leak) is 1.2 in draw 1 (risk = 1.5, leak = 0.8)" in message
    assert "Narrow the prior so that it stays in [0, 1]." in message


def test_a_chance_below_zero_or_undefined_is_reported_too():
    game = compiled(lambda g, p: (g.chance("event", {"x": dt.log(p.risk), "y": 1 - dt.log(p.risk)}), nothing())[1])
    with pytest.raises(SolveError, match=r"'x' in 'event' \(log\(risk\)\) is -0\.693147 in draw 0 \(risk = 0\.5\)"):
        evaluate(game, {"risk": 0.5})
    with pytest.raises(SolveError, match=r"is nan in draw 0 \(risk = -1\)"):
        evaluate(game, {"risk": -1.0})


def test_a_payoff_that_is_not_finite_for_a_draw_is_reported_with_history_and_draw():
    def rules(g, p):
        return {A: 1 / p.gap if g.choose(A, "call", ["x", "y"]) == "y" else 0, B: 0}

    with pytest.raises(SolveError) as caught:
        evaluate(compiled(rules), {"gap": [1.0, 0.0]})
    assert "the payoff of ann after [call = y] is inf in draw 1 (gap = 0)" in str(caught.value)


def test_a_parameter_without_a_value_is_reported_with_the_nearest_name():
    game = compiled(lambda g, p: {A: p.resolve, B: 0})
    with pytest.raises(UsageError, match=r"needs the parameter 'resolve'\. Did you mean 'resolv'\?"):
        evaluate(game, {"resolv": 1.0})


# -- rules that are not deterministic --------------------------------------------------------------
def test_random_options_are_reported_with_both_moves():
    dice = random.Random(1)

    def rules(g, p):
        g.choose(A, "call", [f"option {dice.randrange(1_000_000)}", "other"])
        return nothing()

    message = refusal(rules)
    assert message.startswith("rules, after []: the rules are not deterministic: the next move was 'call'")
    assert "Randomness belongs in g.chance; keep no state between runs." in message


def test_random_payoffs_are_reported_with_both_values():
    dice = random.Random(1)

    def rules(g, p):
        g.choose(A, "call", ["x", "y"])
        return {A: dice.random(), B: 0}

    message = refusal(rules)
    assert "rules, after [call = x]: the rules are not deterministic: payoffs or outcomes were" in message


def test_random_payoffs_are_reported_when_nobody_moves():
    dice = random.Random(1)
    assert "not deterministic" in refusal(lambda g, p: {A: dice.random(), B: 0})


def test_random_outcomes_are_reported():
    dice = random.Random(1)

    def rules(g, p):
        g.choose(A, "call", ["x", "y"])
        g.outcome(level=dice.random())
        return nothing()

    assert "not deterministic" in refusal(rules)


def test_state_that_changes_a_move_between_runs_is_reported():
    runs = []

    def rules(g, p):
        runs.append(1)
        g.choose(A, "call", ["x", "y"])
        g.choose(B, f"reply {len(runs)}", ["u", "v"])
        return nothing()

    message = refusal(rules)
    assert "after [call = x]: the rules are not deterministic: the next move was 'reply 1'" in message
    assert "'reply 2'" in message


def test_a_game_that_ends_earlier_on_a_replay_is_reported():
    runs = []

    def rules(g, p):
        runs.append(1)
        g.choose(A, "call", ["x", "y"])
        if len(runs) == 1:
            g.choose(B, "reply", ["u", "v"])
        return nothing()

    message = refusal(rules)
    assert "the rules are not deterministic: the game " in message
    assert "[call = x]" in message
    assert "Keep no state between runs." in message


def test_a_game_that_ends_later_on_a_replay_is_reported():
    runs = []

    def rules(g, p):
        runs.append(1)
        g.choose(A, "call", ["x", "y"])
        if len(runs) > 1:
            g.choose(B, "reply", ["u", "v"])
        return nothing()

    assert "not deterministic" in refusal(rules)


def test_payoffs_that_accumulate_over_runs_are_reported():
    total = []

    def rules(g, p):
        total.append(1)
        g.choose(A, "call", ["x", "y"])
        return {A: len(total), B: 0}

    assert "not deterministic" in refusal(rules)


def test_symbols_kept_from_another_compilation_are_reported():
    kept = {}

    def rules(g, p):
        stake = kept.setdefault("stake", p.stake)
        _ = p.other
        return {A: stake + p.cost, B: p.other}

    crisis = dt.crisis(players=(A, B))(rules)
    dt.compile(crisis)
    with pytest.raises(ModelError):
        dt.compile(crisis)


# -- payoffs ---------------------------------------------------------------------------------------
def test_a_missing_payoff_is_reported_with_the_player_and_the_history():
    def rules(g, p):
        return {A: 0} if g.choose(A, "call", ["x", "y"]) == "y" else nothing()

    message = refusal(rules)
    assert message.startswith(
        "rules, after [call = y]: no payoff for bob. Return one for every player: ['ann', 'bob']."
    )


def test_a_payoff_for_a_stranger_is_reported_with_the_nearest_name():
    message = refusal(lambda g, p: nothing() | {STRANGER: 1})
    assert "payoffs for 'bop', who is not a player of '<lambda>'. Did you mean 'bob'?" in message
    assert "payoffs for 'ann', who is not a player" in refusal(lambda g, p: {"ann": 1, "bob": 2})


@pytest.mark.parametrize("result", [None, 3, [1, 2], "peace"])
def test_rules_that_return_no_payoffs_are_reported_with_what_they_return(result):
    assert f"the rules returned {result!r} instead of payoffs. Return {{PLAYER: payoff, …}}." in refusal(
        lambda g, p: result
    )


@pytest.mark.parametrize("value", [None, "high", float("nan"), float("inf"), [1]])
def test_a_payoff_that_is_not_a_finite_number_is_reported_with_its_value(value):
    message = refusal(lambda g, p: {A: value, B: 0})
    assert f"the payoff of ann is {value!r}. Give a finite number or an expression of parameters." in message


def test_a_condition_used_as_a_payoff_is_reported():
    assert "the payoff of ann is stake > 1" in refusal(lambda g, p: {A: p.stake > 1, B: 0})


@pytest.mark.parametrize("part", ["high", None, [1], {"deeper": 1}])
def test_a_part_of_a_payoff_that_is_not_a_number_is_reported(part):
    assert "ann" in refusal(lambda g, p: {A: {"security": p.stake, "face": part}, B: 0})


def test_payoffs_may_be_truth_values_fractions_or_sums_of_named_parts():
    game = compiled(lambda g, p: {A: True, B: {"security": Fraction(1, 4), "face": p.face, "none": 0}})
    assert evaluate(game, {"face": 0.5}).payoff[0, :, 0].tolist() == [1.0, 0.75]


# -- telling and outcomes --------------------------------------------------------------------------
def test_telling_a_symbol_is_reported_with_the_symbol():
    message = refusal(lambda g, p: g.tell(B, "stake", 2 * p.stake))
    assert (
        "tell('stake') was given the symbol 2·stake. Players learn labels; parameters are common knowledge." in message
    )


def test_telling_a_condition_is_reported():
    def rules(g, p):
        g.tell(B, "high", p.stake > 1)
        return nothing()

    assert "tell('high')" in refusal(rules)


def test_an_outcome_noted_twice_is_reported():
    def rules(g, p):
        g.outcome(war=True)
        g.outcome(war=True)
        return nothing()

    assert "the outcome 'war' is noted twice. Note it once." in refusal(rules)


def test_an_outcome_missing_on_some_histories_is_reported():
    def rules(g, p):
        if g.choose(A, "call", ["x", "y"]) == "x":
            g.outcome(war=True)
        return {A: 0, B: 7}

    message = refusal(rules)
    assert "the outcome 'war' is noted on some histories and missing on others" in message
    assert "['0', '7']" in message
    assert "Note it on every history." in message


@pytest.mark.parametrize("other", [1, True, 0.5])
def test_an_outcome_of_mixed_kinds_is_reported(other):
    def rules(g, p):
        g.outcome(reply="none" if g.choose(A, "call", ["x", "y"]) == "x" else other)
        return nothing()

    assert "the outcome 'reply' is a word on some histories and a number on others. Use one kind." in refusal(rules)


@pytest.mark.parametrize("value", [None, [1], A])
def test_an_outcome_of_no_known_kind_is_reported_with_its_value(value):
    def rules(g, p):
        g.outcome(war=value)
        return nothing()

    assert f"the outcome 'war' is {value!r}. Give a truth value, " in refusal(rules)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_outcome_that_is_not_finite_is_reported_with_its_value(value):
    def rules(g, p):
        g.outcome(level=value)
        return nothing()

    assert f"the outcome 'level' is {value!r}" in refusal(rules)


# -- parameters ------------------------------------------------------------------------------------
def test_an_undeclared_parameter_is_reported_with_the_nearest_name():
    message = refusal(lambda g, p: {A: p.resolv, B: 0}, parameters=["resolve", "hawk"])
    assert message == (
        "parameters: 'resolv' is not declared. Did you mean 'resolve'? Declare it under [parameters] or correct the "
        "name in the rules."
    )
    assert "'resolv' is not declared" in refusal(lambda g, p: {A: p["resolv"], B: 0}, parameters=["resolve"])


def test_an_unused_parameter_is_reported_with_the_nearest_used_name():
    message = refusal(lambda g, p: {A: p.resolve, B: 0}, parameters=["resolve", "resolv"])
    assert "the parameters ['resolv'] are declared and never used by the rules. Did you mean 'resolve'?" in message
    assert "take them out of the declaration" in message


def test_declared_parameters_that_are_all_used_are_accepted():
    game = compiled(lambda g, p: {A: p.resolve, B: p["hawk"]}, parameters=["hawk", "resolve"])
    assert sorted(game.parameters) == ["hawk", "resolve"]


def test_a_parameter_cannot_be_given_a_value_by_the_rules():
    def rules(g, p):
        p.stake = 3
        return {A: p.stake, B: 0}

    with pytest.raises(ModelError, match="stake"):
        compiled(rules)


# -- size ------------------------------------------------------------------------------------------
def test_a_tree_above_the_limit_is_reported_with_the_count_and_the_widest_moves():
    def rules(g, p):
        g.choose(A, "narrow", ["x", "y"])
        g.choose(A, "wide", [f"{k}" for k in range(30)])
        g.chance("middle", {f"{k}": Fraction(1, 5) for k in range(5)})
        return nothing()

    message = refusal(rules, max_nodes=100)
    assert "rules: the tree has more than 100 nodes (101 so far, not finished)" in message
    assert "Widest moves: 'wide' (30 options), 'middle' (5 options), 'narrow' (2 options)." in message
    assert "Offer fewer options, end histories earlier, or raise max_nodes." in message
    whole = compiled(rules)
    assert compiled(rules, max_nodes=whole.num_nodes).num_nodes == whole.num_nodes == 1 + 2 + 60 + 300
    refusal(rules, max_nodes=whole.num_nodes - 1)


def test_rules_that_never_end_are_reported_as_a_tree_above_the_limit():
    class Endless(Exception):
        pass

    def rules(g, p):
        for k in range(400):
            g.choose(A, f"round {k}", ["on", "off"])
        raise Endless

    assert "the tree has more than 100 nodes" in refusal(rules, max_nodes=100)


# -- what is checked is checked where it is met ----------------------------------------------------
def test_a_mistake_deep_in_the_tree_is_reported_with_the_whole_history():
    def rules(g, p):
        g.choose(A, "first", ["x", "y"])
        g.chance("event", {"calm": 0.5, "storm": 0.5})
        if g.choose(B, "reply", ["u", "v"]) == "v":
            g.choose(STRANGER, "more", ["s"])
        return nothing()

    assert refusal(rules).startswith("rules, after [first = x, event = calm, reply = v]: the choice 'more': 'bop'")


def test_a_mistake_in_the_users_own_code_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        compiled(lambda g, p: {A: 1 // 0, B: 0})


def test_a_crisis_without_moves_is_a_game_of_one_history():
    game = compiled(lambda g, p: {A: p.stake, B: 0})
    assert (game.num_nodes, game.num_leaves, game.infosets, game.chances) == (1, 1, (), ())


def test_kinds_of_moves_are_told_apart():
    game = compiled(lambda g, p: (g.chance("event", {"x": 1}), g.choose(A, "call", ["u"]), nothing())[2], (A, B))
    assert game.kind[:2].tolist() == [CHANCE, CHOICE]
