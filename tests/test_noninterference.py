"""A seat learns from the server what its player was told, and nothing more: not by a byte, a header or a stream."""

import asyncio
import random
from collections import defaultdict

import pytest
from play_fixtures import Browser, call, house, http_scope

from detente.play import events as e
from detente.play.exercise import rows_of
from detente.play.session import State, apply, due, next_decision
from detente.play.stage import follow, load_stage
from detente.play.store import Exercise, Grant
from detente.play.stream import CHANGED, OPENED
from detente.play.tokens import hash_token

EXERCISE, SEED = "e" * 32, "s" * 32


def every_history(stage, history=()):
    """Every history at which a player is to move, or the game has ended."""
    position = follow(stage, history)
    if position.player or position.ended:
        yield history
    for option in position.options:
        yield from every_history(stage, (*history, (position.move, option)))


def sampled_histories(stage, number, seed):
    """Histories found by walking at random, cut at a random length."""
    dice = random.Random(seed)
    found = set()
    for _ in range(number):
        history = ()
        while not (position := follow(stage, history)).ended:
            if position.player:
                found.add(history)
            history = (*history, (position.move, dice.choice(position.options)))
    return sorted(found)


def log_of(stage, history):
    """A log with the same seed, ids and times for every history: the facilitator decides each move."""
    seats = tuple(e.SeatPlan(player, player) for player in stage.players)
    values, number = tuple(sorted(stage.values.items())), 1
    log = [e.Created(1.0, EXERCISE, stage.name, "An exercise", SEED, seats, values, paused=True)]
    for number, (move, option) in enumerate(history, start=2):
        log.append(e.Overridden(float(number), move, option, f"secret reason {number}"))
    return [*log, e.Resumed(999_999.0)]


def states_of(stage, log):
    state = State(stage)
    for event in log:
        state = apply(state, event)
    return state


def token_of(player):
    return f"cookie of {player}"


def seat_browser(running, seat):
    """A browser that has entered a seat; its cookie and its address are the same for every history."""
    handle = f"handle-{seat.replace(' ', '-')}"
    grant = Grant(hash_token(token_of(seat)), "session", "seat", handle, 1.0, EXERCISE, seat)
    running.host._grants[grant.hash] = grant
    browser = Browser(running.loop, running.app)
    browser.here = f"/at/{grant.handle}/"
    browser.cookies[browser.here] = ("detente", token_of(seat))
    return browser


def load(running, stage, log):
    state = State(stage)
    rows = rows_of(state, log, None)
    running.loop.run(_create(running.host, rows))
    live = running.loop.run(running.host.live(EXERCISE))
    assert due(live.state, now=running.clock.now) is None
    return live


async def _create(host, rows):
    entry = Exercise(EXERCISE, "An exercise", 1.0)
    await asyncio.wrap_future(host.store.create(entry, rows))
    host.entries[EXERCISE] = entry


def transcript(stage, history, seat):
    """Every byte that a seat gets in answer to a fixed list of requests."""
    with house() as running:
        live = load(running, stage, log_of(stage, history))
        browser = seat_browser(running, seat)
        other = next(player for player in stage.players if player != seat)
        first = browser.open(browser.here)
        said, csrf = [first], dict(browser.form("/note").fields)["csrf"]
        said.append(browser.send(browser.form("/message"), follow=False, text="What do you know?", to=other))
        said.append(browser.open(browser.here))
        note = browser.form("/note")
        said.append(browser.send(note, follow=False, text="My thoughts"))
        running.clock.now += 2
        said.append(browser.send(note, follow=False, text="My thoughts"))
        stale = {"csrf": csrf, "key": "k", "decision": "0" * 32, "option": "Bet"}
        said.append(browser.post(f"{browser.here}move", stale))
        said += [browser.request("GET", f"{browser.here}{rest}") for rest in ("review", "log.jsonl", "nothing")]
        frames = running.loop.run(_frames(running, live, browser, seat))
        return [(a.status, a.raw_headers, a.body) for a in said] + [frames]


async def _frames(running, live, browser, seat):
    """What a stream says while others write notes, get news and write to each other."""
    leave = asyncio.Event()
    scope = http_scope("GET", f"{browser.here}stream?seen={live.view(seat)[1]}", browser.cookie_header(browser.here))
    stream = asyncio.ensure_future(call(running.app, scope, leave=leave))
    others = [name for name in live.state.seats if name != seat]
    for make in (
        lambda now: e.Noted(now, "the facilitator's note"),
        lambda now: e.Injected(now, "for somebody else", (others[0],)),
        lambda now: e.Said(now, others[-1], "between us", (others[0],)),
        lambda now: e.Injected(now, "for all"),
    ):
        await running.host.act(live, make)
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    leave.set()
    answer = await stream
    return answer.status, answer.raw_headers, answer.body


def groups(stage, histories, seat):
    """Histories by what the seat can tell apart: what its player knows, and whether its own choice is open."""
    found = defaultdict(list)
    for history in histories:
        position = follow(stage, history)
        found[position.knows[seat], position.player == seat].append(history)
    return [same for same in found.values() if len(same) > 1]


def check(stage, same, seat):
    first = transcript(stage, same[0], seat)
    assert first[-1][2] == OPENED + CHANGED  # the news for all, and nothing else
    assert first[0][0] == 200
    for history in same[1:]:
        again = transcript(stage, history, seat)
        for number, (a, b) in enumerate(zip(first, again, strict=True)):
            assert a == b, f"{seat}, answer {number}: {same[0]} and {history} can be told apart"


@pytest.mark.parametrize("seat", ["player 1", "player 2"])
def test_no_seat_of_kuhn_poker_can_tell_apart_what_its_player_cannot(seat):
    stage = load_stage("kuhn-poker")
    found = groups(stage, list(every_history(stage)), seat)
    assert len(found) >= 9 and sum(map(len, found)) >= 30
    for same in found:
        check(stage, same, seat)


@pytest.mark.parametrize("seat", ["patron", "protege", "adversary"])
def test_no_seat_of_the_october_crisis_can_tell_apart_what_its_player_cannot(seat):
    stage = load_stage("october-2024")
    found = groups(stage, sampled_histories(stage, 150, seed=7), seat)
    assert len(found) >= 5
    for same in random.Random(seat).sample(found, 5):
        check(stage, same[:4], seat)


def test_a_move_that_a_seat_is_not_told_of_leaves_its_stream_silent():
    """The patron's message is heard by the protégé alone: the adversary's page and stream do not stir."""
    stage = load_stage("october-2024")
    start = (("protege resolve", "low"), ("adversary resolve", "high"), ("patron's word", "bluffs"))
    pages = set()
    for option in follow(stage, start).options:
        with house() as running:
            live = load(running, stage, log_of(stage, start))
            there, here = seat_browser(running, "adversary"), seat_browser(running, "protege")
            answers = running.loop.run(_while_the_patron_moves(running, live, [there, here], option))
            assert answers[0].body == OPENED
            assert answers[1].body == OPENED + CHANGED
            page = there.open(there.here)
            pages.add((page.status, tuple(page.raw_headers), page.body))
    assert len(pages) == 1


async def _while_the_patron_moves(running, live, browsers, option):
    leave = asyncio.Event()
    streams = []
    for browser, seat in zip(browsers, ("adversary", "protege"), strict=True):
        seen = live.view(seat)[1]
        scope = http_scope("GET", f"{browser.here}stream?seen={seen}", browser.cookie_header(browser.here))
        streams.append(asyncio.ensure_future(call(running.app, scope, leave=leave)))
    await asyncio.sleep(0.02)
    decision = next_decision(live.state)
    await running.host.act(live, lambda now: e.Moved(now, "patron", decision.id, option))
    await asyncio.sleep(0.02)
    leave.set()
    return [await stream for stream in streams]


def test_the_comparison_finds_a_leak_when_there_is_one(monkeypatch):
    """The test above can fail: a page that counts the moves of all seats is caught."""
    from detente.play import pages

    honest = pages.seat_page
    monkeypatch.setattr(pages, "seat_page", lambda live, *a: honest(live, *a) + f"<!-- {len(live.state.steps)} -->")
    stage = load_stage("october-2024")
    start = (("protege resolve", "low"), ("adversary resolve", "high"), ("patron's word", "bluffs"))
    longer = (*start, ("message", "red lines"))
    with pytest.raises(AssertionError, match="can be told apart"):
        check(stage, [start, longer], "adversary")
