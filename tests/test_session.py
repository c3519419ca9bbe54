"""The exercise as a state machine: legal events, time, going back, and the same state from the same log."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detente.errors import UsageError
from detente.model.language import crisis, players
from detente.play import events as e
from detente.play.session import (
    State,
    apply,
    bot_turn,
    due,
    next_decision,
    pending_chance,
    replay,
    state_hash,
)
from detente.play.stage import Stage, draw_option, follow, load_stage
from detente.play.views import facilitator_view, observer_view, view, view_json

SEED = "0123456789abcdef"
KUHN = load_stage("kuhn-poker")
ONE, TWO = "player 1", "player 2"


def created(stage=KUHN, **changes):
    plans = tuple(e.SeatPlan(p, p) for p in stage.players)
    return replace(e.Created(0.0, "x1", stage.name, "A play", SEED, plans), **changes)


def begin(stage=KUHN, **changes):
    return settle(apply(State(stage), created(stage, **changes)))


def settle(state, at=0.0):
    """Let chance move until somebody has to choose."""
    while (drawn := pending_chance(state, at=at)) is not None:
        state = apply(state, drawn)
    return state


def choose(state, option, *, at=1.0, **more):
    decision = next_decision(state)
    return settle(apply(state, e.Moved(at, decision.seats[0], decision.id, option, **more)), at)


# -- the log ---------------------------------------------------------------------------------------
EVERY_KIND = [
    created(values=(("a", 1.0),), defaults=(("m", "o"),), seconds=5.0),
    e.Joined(1.0, "s", "Ann"),
    e.Assigned(1.0, "s", "bot:equilibrium:5", "left"),
    e.Drawn(1.0, "m", "o"),
    e.Moved(1.0, "s", "d", "o", "bot", "time ran out"),
    e.Said(1.0, "s", "hé\u2028llo", ("t",)),
    e.Injected(1.0, "news", ("s", "t")),
    e.TimerSet(1.0, "d", 9.0, "default"),
    e.TimerExpired(9.0, "d"),
    e.Paused(1.0),
    e.Resumed(1.0),
    e.Extended(1.0, 60.0),
    e.Overridden(1.0, "m", "o", "why"),
    e.Rewound(1.0, 3, "why", SEED),
    e.Revealed(1.0),
    e.Noted(1.0, "aha", "s"),
]


def test_there_is_an_example_of_every_kind_of_event():
    assert {type(event) for event in EVERY_KIND} == set(e.KINDS.values())


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: event.kind)
def test_an_event_survives_its_form_in_the_log(event):
    import json

    assert e.event_from_json(json.loads(json.dumps(e.event_json(event)))) == event


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "not an object"),
        ({"kind": "pause", "at": 1.0}, "version is None"),
        ({"version": 2, "kind": "pause", "at": 1.0}, "version is 2"),
        ({"version": 1, "kind": "pauze", "at": 1.0}, "Did you mean 'pause'"),
        ({"version": 1, "kind": "pause"}, r"fields \['at'\]"),
        ({"version": 1, "kind": "pause", "at": True}, "not a finite number"),
        ({"version": 1, "kind": "pause", "at": float("nan")}, "not a finite number"),
        ({"version": 1, "kind": "pause", "at": 1.0, "who": "x"}, "'who' is not a field"),
        ({"version": 1, "kind": "message", "at": 1.0, "seat": "a", "text": 3}, "3 is not a text"),
        ({"version": 1, "kind": "message", "at": 1.0, "seat": "a", "text": "x", "to": "b"}, "'b' is not a list"),
        ({"version": 1, "kind": "rewind", "at": 1.0, "keep": 1.5, "reason": "x"}, "1.5 is not a whole number"),
        ({"version": 1, "kind": "create", "at": 1.0, "seats": [{"name": "a"}]}, "is not a seat"),
        ({"version": 1, "kind": "create", "at": 1.0, "values": [["a"]]}, "not a pair"),
    ],
)
def test_a_log_entry_that_is_no_event_is_refused_with_its_field(data, complaint):
    with pytest.raises(UsageError, match=complaint):
        e.event_from_json(data)


def test_replaying_a_log_gives_the_same_state_and_the_same_hash():
    log = []
    state = State(KUHN)
    for event in (created(), *scripted()):
        state = apply(state, event)
        log.append(event)
        state, drawn = drawn_with(state)
        log += drawn
    again = replay(KUHN, [e.event_from_json(e.event_json(event)) for event in log])
    assert state_hash(again) == state_hash(state)
    shorter = replay(KUHN, log[:-1])
    assert state_hash(shorter) != state_hash(state)


def scripted():
    return [
        e.Joined(1.0, ONE, "Ann"),
        e.Said(2.0, ONE, "good luck", (TWO,)),
        e.Injected(3.0, "the house is on fire"),
        e.Paused(4.0),
        e.Resumed(5.0),
        e.Noted(6.0, "I bluff", ONE),
    ]


def drawn_with(state):
    drawn = []
    while (event := pending_chance(state, at=0.0)) is not None:
        state = apply(state, event)
        drawn.append(event)
    return state, drawn


def test_an_old_state_is_not_changed_by_what_comes_after():
    state = begin()
    before = state_hash(state)
    choose(state, "Bet")
    apply(state, e.Said(1.0, ONE, "hello"))
    assert state_hash(state) == before


# -- creating --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"game": "leduc-poker"}, "the log is of 'leduc-poker'"),
        ({"seed": "short"}, "the seed has 5 characters"),
        ({"seats": ()}, "nobody can sit for 'player 1'"),
        ({"seats": (e.SeatPlan("a", ONE), e.SeatPlan("a", TWO))}, "two seats are called 'a'"),
        ({"seats": (e.SeatPlan("a", "player 7"),)}, "'player 7' is not a player"),
        ({"seats": (e.SeatPlan("a", ONE, "robot"),)}, "'robot' cannot sit"),
        ({"seats": (e.SeatPlan("a", ONE, "bot:hawkisch"),)}, "Did you mean 'hawkish'"),
        ({"seats": (e.SeatPlan("a", ONE, "bot:equilibrium:-1"),)}, "no precision that can be used"),
        ({"seconds": -1.0}, "-1.0 seconds"),
        ({"then": "chaos"}, "then is 'chaos'"),
        ({"at": float("inf")}, "not a finite number"),
    ],
)
def test_an_exercise_that_cannot_be_played_is_not_created(changes, complaint):
    with pytest.raises(UsageError, match=complaint):
        apply(State(KUHN), created(**changes))


def test_nothing_comes_before_the_creation_and_no_second_one_after_it():
    with pytest.raises(UsageError, match="has not been created yet"):
        apply(State(KUHN), e.Paused(1.0))
    with pytest.raises(UsageError, match="has been created already"):
        apply(begin(), created())
    with pytest.raises(UsageError, match="is not an event"):
        apply(begin(), "pause")


# -- moves -----------------------------------------------------------------------------------------
def test_a_play_runs_from_the_cards_to_the_payoffs():
    state = begin()
    assert [step.by for step in state.steps] == ["chance", "chance"]
    state = choose(choose(state, "Bet"), "Pass")
    assert state.ended
    assert next_decision(state) is None
    assert state.position.payoffs == {ONE: 1.0, TWO: -1.0}
    assert state.position.outcomes["winner"] == ONE
    with pytest.raises(UsageError, match="not open"):
        apply(state, e.Moved(3.0, ONE, "x", "Bet"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"seat": TWO}, "not open to 'player 2' now"),
        ({"seat": "nobody"}, "'nobody' is not a seat"),
        ({"decision": "0" * 32}, "not open to 'player 1' now"),
        ({"option": "bet"}, "no option 'bet'.*Did you mean 'Bet'"),
        ({"by": "bot"}, "no bot plays the seat"),
        ({"by": "default"}, "when time has run out"),
        ({"by": "facilitator"}, "a facilitator overrides"),
    ],
)
def test_a_move_that_is_not_legal_is_refused(change, complaint):
    state = begin()
    move = e.Moved(1.0, ONE, next_decision(state).id, "Bet")
    with pytest.raises(UsageError, match=complaint):
        apply(state, replace(move, **change))


def test_a_move_is_not_made_twice():
    state = begin()
    move = e.Moved(1.0, ONE, next_decision(state).id, "Bet")
    once = apply(state, move)
    with pytest.raises(UsageError, match="not open"):
        apply(once, move)


def test_chance_is_what_the_seed_says_and_nothing_else():
    state = apply(State(KUHN), created())
    drawn = pending_chance(state, at=0.0)
    other = next(o for o in ("0", "1", "2") if o != drawn.option)
    with pytest.raises(UsageError, match="not what the seed draws"):
        apply(state, replace(drawn, option=other))
    with pytest.raises(UsageError, match="not what the seed draws"):
        apply(begin(), drawn)


def test_chance_follows_its_probabilities_over_many_seeds():
    counts = Counter(draw_option(f"seed {i}", "m", ["a", "b", "c"], [0.5, 0.5, 0.0]) for i in range(4_000))
    assert set(counts) == {"a", "b"}
    assert abs(counts["a"] - 2_000) < 5 * 32


def test_a_history_that_the_rules_do_not_have_is_refused():
    with pytest.raises(UsageError, match="no option '9'"):
        follow(KUHN, (("card of player 1", "9"),))
    with pytest.raises(UsageError, match="the history says 'raise'"):
        follow(KUHN, (("raise", "9"),))
    with pytest.raises(UsageError, match="has ended before 'more'"):
        follow(load_stage("seltens-horse"), (("first", "R"), ("second", "R"), ("more", "x")))


def test_two_seats_of_one_player_know_the_same_and_either_may_choose():
    plans = (e.SeatPlan("minister", ONE), e.SeatPlan("adviser", ONE), e.SeatPlan("other", TWO))
    state = begin(seats=plans)
    decision = next_decision(state)
    assert decision.seats == ("minister", "adviser")
    assert view(state, "minister").lines == view(state, "adviser").lines
    state = apply(state, e.Moved(1.0, "adviser", decision.id, "Bet"))
    assert view(state, "minister").lines[-1].text == "You chose. first of player 1: Bet"


# -- who sits where --------------------------------------------------------------------------------
def test_a_bot_takes_over_and_a_person_comes_back():
    state = begin()
    assert bot_turn(state) is None
    state = apply(state, e.Assigned(1.0, ONE, "bot:equilibrium"))
    assert bot_turn(state) == (ONE, "equilibrium", "")
    with pytest.raises(UsageError, match="no person plays the seat"):
        apply(state, e.Moved(2.0, ONE, next_decision(state).id, "Bet"))
    with pytest.raises(UsageError, match="not for a person now"):
        apply(state, e.Joined(2.0, ONE, "Ann"))
    state = apply(apply(state, e.Assigned(3.0, ONE, "person")), e.Joined(4.0, ONE, "Ann"))
    assert state.seats[ONE].person == "Ann"
    assert not choose(state, "Bet", at=5.0).ended


def test_a_seat_with_nobody_waits_for_the_facilitator_who_says_why():
    state = begin(seats=(e.SeatPlan("a", ONE, "nobody"), e.SeatPlan("b", TWO)))
    assert bot_turn(state) is None
    with pytest.raises(UsageError, match="the text is empty"):
        apply(state, e.Overridden(1.0, "first of player 1", "Bet", " "))
    with pytest.raises(UsageError, match="is not the next move"):
        apply(state, e.Overridden(1.0, "answer of player 2", "Bet", "why"))
    state = apply(state, e.Overridden(1.0, "first of player 1", "Bet", "nobody there"))
    assert (state.steps[-1].by, state.steps[-1].flag) == ("facilitator", "nobody there")
    assert view(state, "a").lines[-1].text.startswith("The facilitator chose for you")


def test_the_facilitator_can_decide_what_chance_does():
    state = apply(State(KUHN), created())
    state = apply(state, e.Overridden(0.0, "card of player 1", "2", "a lesson"))
    assert state.position.knows[ONE][0].label == "2"
    with pytest.raises(UsageError, match="no option '2'"):
        apply(state, e.Overridden(0.0, "card of player 2", "2", "a lesson"))


# -- time ------------------------------------------------------------------------------------------
def test_a_deadline_is_set_passes_and_the_default_is_played_and_flagged():
    defaults = (("first of player 1", "Pass"),)
    state = begin(seconds=60.0, defaults=defaults, then="default")
    state = apply(state, due(state, now=100.0))
    assert state.timer.deadline == 160.0
    assert due(state, now=159.0) is None
    with pytest.raises(UsageError, match="the deadline is in 1.000 s"):
        apply(state, e.TimerExpired(159.0, state.timer.decision))
    state = apply(state, due(state, now=160.0))
    with pytest.raises(UsageError, match="has run out"):
        choose(state, "Bet", at=161.0)
    played = due(state, now=161.0)
    assert (played.option, played.by, played.flag) == ("Pass", "default", "time ran out")
    state = apply(state, played)
    assert state.steps[-1].flag == "time ran out"
    assert view(state, ONE).lines[-1].text.startswith("Chosen for you")


def test_without_a_declared_default_the_bot_plays_when_time_runs_out():
    state = begin(seconds=60.0, then="default")
    state = apply(state, due(state, now=0.0))
    state = apply(state, due(state, now=60.0))
    assert due(state, now=61.0) is None
    assert bot_turn(state) == (ONE, "equilibrium", "time ran out")


def test_a_pause_freezes_the_deadline_and_the_moves():
    state = begin(seconds=60.0)
    state = apply(apply(state, due(state, now=0.0)), e.Paused(10.0))
    assert due(state, now=1_000.0) is None
    assert view(state, ONE).decision.seconds_left == 50.0
    with pytest.raises(UsageError, match="is paused"):
        choose(state, "Bet", at=20.0)
    with pytest.raises(UsageError, match="paused already"):
        apply(state, e.Paused(20.0))
    state = apply(state, e.Resumed(110.0))
    assert state.timer.deadline == 160.0
    state = apply(state, e.Extended(111.0, 30.0))
    assert view(state, ONE).decision.deadline == 190.0
    with pytest.raises(UsageError, match="not paused"):
        apply(state, e.Resumed(120.0))
    with pytest.raises(UsageError, match="above 0"):
        apply(state, e.Extended(120.0, 0.0))


def test_an_exercise_can_begin_paused_so_that_people_take_their_seats():
    state = apply(State(KUHN), created(paused=True, seconds=60.0))
    assert due(state, now=50.0) is None
    state = apply(state, e.Resumed(50.0))
    assert due(state, now=50.0).kind == "chance"


def test_no_deadline_is_set_for_a_bot():
    state = begin(seconds=60.0, seats=(e.SeatPlan("a", ONE, "bot:equilibrium"), e.SeatPlan("b", TWO)))
    assert due(state, now=0.0) is None


# -- messages --------------------------------------------------------------------------------------
def test_a_private_message_is_read_by_its_reader_and_a_public_one_by_all():
    stage = load_stage("kuhn-poker-3")
    state = begin(stage)
    state = apply(state, e.Said(1.0, ONE, "between us", (TWO,)))
    state = apply(state, e.Said(2.0, ONE, "to all"))

    def texts(seat):
        return [line.text for line in view(state, seat).lines if line.kind == "message"]

    assert texts(ONE) == texts(TWO) == ["between us", "to all"]
    assert texts("player 3") == ["to all"]


def test_news_does_not_say_who_else_reads_it():
    state = apply(begin(), e.Injected(1.0, "a rumour", (ONE,)))
    public = apply(begin(), e.Injected(1.0, "a rumour"))
    assert view(state, ONE) == view(public, ONE)
    assert all(line.kind != "news" for line in view(state, TWO).lines)


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (e.Said(1.0, ONE, "  "), "the text is empty"),
        (e.Said(1.0, ONE, "x" * (e.MAX_TEXT + 1)), "4,001 characters"),
        (e.Said(1.0, ONE, "x", ("player 9",)), "'player 9' is not a seat"),
        (e.Injected(1.0, ""), "the text is empty"),
        (e.Noted(1.0, "", ""), "the text is empty"),
        (e.Joined(1.0, ONE, "n" * 81), "81 characters"),
    ],
)
def test_text_that_cannot_be_shown_is_refused(event, complaint):
    with pytest.raises(UsageError, match=complaint):
        apply(begin(), event)


# -- going back, revealing -------------------------------------------------------------------------
def test_going_back_opens_a_branch_and_keeps_the_old_one_and_the_luck():
    state = choose(begin(), "Bet")
    cards = state.history[:2]
    old = next_decision(state).id
    state = apply(state, e.Rewound(2.0, 2, "again"))
    assert state.branch == 1
    assert [s.option for s in state.branches[0].steps][-1] == "Bet"
    assert state.history == cards
    lines = view(state, ONE).lines
    assert [line.aside for line in lines] == [False, True, False]
    assert lines[-1].kind == "rewound"
    with pytest.raises(UsageError, match="not open"):
        apply(state, e.Moved(3.0, TWO, old, "Bet"))
    state = choose(state, "Bet", at=3.0)
    assert next_decision(state).id != old
    state = settle(apply(state, e.Rewound(4.0, 0, "same luck")))
    assert state.history == cards
    others = {settle(apply(state, e.Rewound(5.0, 0, "new luck", f"{i:016d}"))).history for i in range(20)}
    assert len(others) > 1


@pytest.mark.parametrize("keep", [-1, 3, 99])
def test_going_back_to_where_one_is_or_beyond_is_refused(keep):
    with pytest.raises(UsageError, match="cannot be kept"):
        apply(choose(begin(), "Bet"), e.Rewound(2.0, keep, "again"))


def test_nobody_without_a_seat_sees_a_move_before_the_reveal_and_everybody_after():
    state = choose(choose(begin(), "Bet"), "Pass")
    assert observer_view(state).play == ()
    assert view(state, ONE).play == () and view(state, ONE).status == "running"
    shown = apply(state, e.Revealed(9.0))
    assert [s.option for s in observer_view(shown).play][2:] == ["Bet", "Pass"]
    assert ("winner", ONE) in view(shown, TWO).outcomes
    with pytest.raises(UsageError, match="shown already"):
        apply(shown, e.Revealed(10.0))


def test_after_the_reveal_nobody_moves():
    state = begin()
    decision = next_decision(state)
    shown = apply(state, e.Revealed(1.0))
    assert next_decision(shown) is None and due(shown, now=1.0) is None
    with pytest.raises(UsageError, match="not open"):
        apply(shown, e.Moved(2.0, ONE, decision.id, "Bet"))


def test_the_facilitator_sees_everything():
    state = apply(begin(), e.Noted(1.0, "watch this"))
    seen = facilitator_view(state)
    assert (seen.next_move, seen.next_player) == ("first of player 1", ONE)
    assert seen.notes == (("", "watch this", 2),)
    assert len(seen.play) == 2 and set(seen.timelines) == {ONE, TWO}
    assert view_json(seen)["ended"] is False


def test_a_view_of_no_seat_is_refused():
    with pytest.raises(UsageError, match="'player 3' is not a seat"):
        view(begin(), "player 3")


# -- any order of events ---------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 10**6))
def test_whatever_is_tried_the_log_of_what_was_accepted_replays(tries, salt):
    log = [created(seed=f"{salt:016d}", seconds=30.0)]
    state = apply(State(KUHN), log[0])
    for now, kind in enumerate(tries, start=1):
        decision = next_decision(state)
        options = {
            0: due(state, now=float(20 * now)),
            1: decision and e.Moved(now, decision.seats[0], decision.id, "Bet"),
            2: decision and e.Moved(now, decision.seats[0], decision.id, "Pass"),
            3: e.Said(now, ONE, "hello"),
            4: e.Paused(now),
            5: e.Resumed(now),
            6: e.Rewound(now, max(0, len(state.steps) - 2), "again"),
            7: e.Assigned(now, TWO, "bot:equilibrium"),
            8: e.Extended(now, 5.0),
            9: e.Injected(now, "news", (TWO,)),
        }
        event = options[kind]
        if event is None:
            continue
        before = state_hash(state)
        try:
            state = apply(state, event)
        except UsageError:
            assert state_hash(state) == before
        else:
            log.append(event)
    assert state_hash(replay(KUHN, log)) == state_hash(state)


def test_a_stage_of_ones_own_needs_no_files():
    LONE, OTHER = players("lone", "other")

    @crisis(players=(LONE, OTHER))
    def leak(g, p):
        "Somebody acts in secret and may be found out."
        act = g.choose(LONE, "act", ["hide", "show"])
        if g.chance("leak", {"no": 1 - p.leak, "yes": p.leak}) == "yes":
            g.tell(OTHER, "act", act)
        answer = g.choose(OTHER, "answer", ["shrug", "shout"], seen_by=LONE)
        g.outcome(loud=answer == "shout", cost=p.leak * 2)
        return {LONE: -(answer == "shout"), OTHER: {"part": p.leak, "other": 1}}

    stage = Stage("leak", "Leak", "A secret.", leak, values={"leak": 0.0})
    state = choose(choose(begin(stage), "show"), "shout")
    assert state.position.payoffs == {"lone": -1.0, "other": 1.0}
    assert dict(state.position.outcomes) == {"loud": True, "cost": 0.0}
    certain = choose(begin(stage, values=(("leak", 1.0),)), "show")
    assert view(certain, "other").lines[0].text == "act: show"
    with pytest.raises(UsageError, match="'leak' has no value"):
        choose(begin(replace(stage, values={})), "show")
