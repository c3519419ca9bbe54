"""What a seat is shown depends on what its player was told, and on nothing else: byte by byte, ids included."""

import json
import random

import pytest

from detente.errors import UsageError
from detente.play import events as e
from detente.play.session import State, apply, next_decision
from detente.play.stage import follow, load_stage
from detente.play.views import observer_view, view, view_json

SEED = "0123456789abcdef"
SMALL = ("kuhn-poker", "seltens-horse", "centipede", "unequal-pennies")


def begin(stage):
    plans = tuple(e.SeatPlan(p, p) for p in stage.players)
    return apply(State(stage), e.Created(0.0, "x1", stage.name, "A play", SEED, plans))


def step(state, option):
    """Make the next move whatever the seed says: chance by the facilitator, choices by the seat."""
    decision = next_decision(state)
    if decision is None:
        return apply(state, e.Overridden(0.0, state.position.move, option, "to see all of them"))
    return apply(state, e.Moved(0.0, decision.seats[0], decision.id, option))


def every_state(state):
    yield state
    for option in state.position.options:
        yield from every_state(step(state, option))


def information(state, seat):
    """What the seat's player has been told and done, and whether it is to choose: worked out without the view."""
    position = follow(state.stage, state.history, state.values)
    to_move = position.move if position.player == seat else ""
    return seat, position.knows[seat], to_move


def shown(state, seat):
    return json.dumps(view_json(view(state, seat))).encode()


def refusal(state, seat):
    """What the seat reads when it tries something that is not open to it."""
    with pytest.raises(UsageError) as caught:
        apply(state, e.Moved(0.0, seat, "0" * 32, "anything"))
    return str(caught.value)


@pytest.mark.parametrize("name", SMALL)
def test_all_histories_that_a_seat_cannot_tell_apart_look_the_same(name):
    stage = load_stage(name)
    seen, pairs, openings = {}, 0, set()
    for state in every_state(begin(stage)):
        assert openings.add(json.dumps(view_json(observer_view(state)))) is None
        for seat in stage.players:
            key = information(state, seat)
            now = shown(state, seat), refusal(state, seat)
            pairs += key in seen
            assert seen.setdefault(key, now) == now, f"{seat} sees a difference after {state.history}"
    assert pairs > 0, "no two histories of this game look the same to anybody: the test has tested nothing"
    assert len(openings) == 1, "somebody without a seat sees the game before the reveal"


def test_what_a_seat_can_tell_apart_does_look_different():
    stage = load_stage("kuhn-poker")
    seen = {}
    for state in every_state(begin(stage)):
        for seat in stage.players:
            seen.setdefault(shown(state, seat), set()).add(information(state, seat))
    assert all(len(keys) == 1 for keys in seen.values())


def wander(stage, rng, *, talk):
    """A random play of a large game with messages and news in it; yields state and every seat's trace so far."""
    state = begin(stage)
    traces = {seat: () for seat in stage.players}
    told = dict.fromkeys(stage.players, 0)
    while True:
        for seat in stage.players:
            facts = state.position.knows[seat]
            traces[seat] += facts[told[seat] :]
            told[seat] = len(facts)
        yield state, dict(traces)
        if state.ended:
            return
        if talk and rng.random() < 0.3:
            sender, reader = rng.sample(stage.players, 2)
            text = rng.choice(("yes", "no"))
            state = apply(state, e.Said(0.0, sender, text, (reader,)))
            for seat in (sender, reader):
                traces[seat] += ((sender, reader, text),)
        # Few types and few choices, so that many plays look the same to somebody.
        options = state.position.options
        state = step(state, options[min(int(rng.expovariate(1.2)), len(options) - 1)])


@pytest.mark.parametrize("talk", [False, True], ids=["silent", "with messages"])
def test_sampled_histories_of_the_october_crisis_look_the_same_to_who_cannot_tell_them_apart(talk):
    stage = load_stage("october-2024")
    rng = random.Random(20241026)
    seen, pairs = {}, 0
    for _ in range(150):
        for state, traces in wander(stage, rng, talk=talk):
            for seat in stage.players:
                to_move = state.position.move if state.position.player == seat else ""
                key = seat, traces[seat], to_move
                known_history, known = seen.get(key, (state.history, None))
                now = shown(state, seat)
                pairs += known_history != state.history
                assert known in (None, now), f"{seat}: {known_history} and {state.history} look different"
                seen[key] = known_history, now
    assert pairs > 500, f"only {pairs} pairs were compared"


def test_the_end_of_the_game_is_not_shown_before_the_reveal():
    stage = load_stage("unequal-pennies")
    state = begin(stage)
    first = step(state, "heads")
    ended = step(first, "tails")
    assert ended.ended
    assert shown(first, "player 1") == shown(ended, "player 1")


def test_going_back_shows_a_seat_nothing_but_that_it_happened():
    stage = load_stage("kuhn-poker")
    after = set()
    for card in ("0", "1"):
        state = step(step(step(begin(stage), "2"), card), "Bet")
        after.add(shown(apply(state, e.Rewound(1.0, 2, f"because of {card}")), "player 1"))
    assert len(after) == 1


def test_the_number_of_hidden_events_cannot_be_read_from_an_id():
    stage = load_stage("kuhn-poker")
    quiet = step(step(begin(stage), "2"), "0")
    busy = quiet
    for number in range(5):
        busy = apply(busy, e.Said(0.0, "player 2", f"note to self {number}", ("player 2",)))
        busy = apply(busy, e.Noted(0.0, "hidden", ""))
    assert shown(quiet, "player 1") == shown(busy, "player 1")


def test_nothing_of_the_seed_or_the_others_is_in_a_view():
    stage = load_stage("october-2024")
    state = begin(stage)
    state = step(step(step(state, "high"), "low"), "bluffs")
    text = shown(state, "adversary").decode()
    assert SEED not in text and "bluffs" not in text and "high" not in text
