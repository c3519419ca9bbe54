"""The server as people meet it: pages, forms, seats, facilitator, observers, streams and timers."""

import asyncio
import re

import pytest
from play_fixtures import call, forms, house, http_scope

from detente.errors import DetenteError
from detente.play.events import Moved, event_json
from detente.play.limits import MOST_STREAMS
from detente.play.session import next_decision
from detente.play.stream import CHANGED, OPENED

TWO_PEOPLE = {"occupant player 1": "person", "occupant player 2": "person"}


@pytest.fixture
def kuhn():
    """A game of Kuhn poker with two people: player 1 moves first."""
    with house() as running:
        yield running, running.create("kuhn-poker", **TWO_PEOPLE)


# -- seats ------------------------------------------------------------------------------------------
def test_a_person_enters_by_link_and_sees_only_what_that_seat_knows(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    (_, own), (_, other) = running.live(desk).state.history
    assert f"<dd>{own}</dd>" in browser.page.text and f"<dd>{other}</dd>" not in browser.page.text
    assert "You decide" in browser.page.text
    assert "card of player 2" not in browser.page.text


def test_a_move_is_recorded_and_shown_to_whom_it_concerns(kuhn):
    running, desk = kuhn
    first, second = running.enter(desk, "player 1"), running.enter(desk, "player 2", "Bob")
    assert "Nothing for you to decide now" in second.page.text
    assert first.submit("/move", option="Bet").status == 200
    assert "You chose" in first.page.text
    assert "You decide" in second.open(second.here).text
    assert ("first of player 1", "Bet") in running.live(desk).state.history


def test_the_same_form_sent_twice_gets_the_same_answer_and_moves_once(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    form = browser.form("/move")
    first = browser.send(form, follow=False, option="Bet")
    again = browser.send(form, follow=False, option="Bet")
    assert (first.status, first.raw_headers, first.body) == (again.status, again.raw_headers, again.body)
    assert first.status == 303
    assert sum(isinstance(event, Moved) for event in running.live(desk).events) == 1


def test_a_stale_form_is_answered_409_with_the_page_as_it_is_now(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    form = browser.form("/move")
    browser.send(form, option="Bet")
    now = browser.open(browser.here).text
    stale = browser.send(form, option="Pass")
    assert stale.status == 409
    assert "with something else in it" in stale.text
    assert stale.text[stale.text.index("<h1>") :] == now[now.index("<h1>") :]
    elsewhere = running.enter(desk, "player 2", "Bob")
    assert elsewhere.post(elsewhere.form("/move").action, dict(form.fields) | {"option": "Pass"}).status == 403


def test_an_option_that_does_not_exist_is_refused_and_not_recorded(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    before = len(running.live(desk).events)
    answer = browser.submit("/move", option="Fold")
    assert answer.status == 409
    assert "has no option" in answer.text
    assert browser.submit("/move", option=None).status == 400
    assert len(running.live(desk).events) == before


def test_a_private_message_reaches_only_the_seat_that_it_is_for():
    three = {f"occupant player {number}": "person" for number in (1, 2, 3)}
    with house() as running:
        desk = running.create("kuhn-poker-3", **three)
        ann, bob, cy = (running.enter(desk, f"player {n}", name) for n, name in ((1, "Ann"), (2, "Bob"), (3, "Cy")))
        assert ann.submit("/message", text="Only you", to="player 2").status == 200
        assert "Only you" in bob.open(bob.here).text
        assert "Only you" not in cy.open(cy.here).text
        running.clock.now += 1
        assert ann.submit("/message", text="All of you", everybody="yes").status == 200
        assert "All of you" in cy.open(cy.here).text


def test_a_message_to_nobody_is_not_sent_to_everybody(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    answer = browser.submit("/message", text="Hello")
    assert answer.status == 400
    assert "Nobody is ticked" in answer.text
    assert not any(line.kind == "message" for line in running.live(desk).view("player 2")[0].lines)


def test_a_message_sent_twice_arrives_once(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    form = browser.form("/message")
    browser.send(form, text="Hello", everybody="yes")
    running.clock.now += 5
    assert browser.send(form, text="Hello", everybody="yes").status == 200
    assert running.live(desk).view("player 2")[0].lines[-1].text == "Hello"
    assert sum(line.kind == "message" for line in running.live(desk).view("player 2")[0].lines) == 1


def test_the_meaning_of_every_option_is_on_the_page():
    with house() as running:
        desk = running.create("october-2024")
        page = running.enter(desk, "patron").page.text
        stage = running.live(desk).state.stage
        for option in ("strike alone", "red lines", "withhold defence"):
            assert stage.meaning("message", option) in page
        assert "You play the United States" in page


# -- the room -----------------------------------------------------------------------------------------
def test_a_room_code_lists_free_seats_and_lets_each_be_taken_once(kuhn):
    running, desk = kuhn
    running.enter(desk, "player 1")
    running.do(desk, "open-room")
    code = running.live(desk).entry.room
    browser = running.new_browser()
    browser.open("/")
    browser.submit("/room", code=code.lower().replace("-", " "))
    assert browser.form("/room").choices == {"seat": ["player 2"]}
    late = browser.form("/room")
    assert browser.submit("/room", seat="player 2", name="Bob").status == 200
    assert "You play player 2" in browser.page.text
    assert running.live(desk).state.seats["player 2"].person == "Bob"
    assert browser.send(late, seat="player 2", name="Eve").status == 409


def test_a_closed_room_has_no_code(kuhn):
    running, desk = kuhn
    running.do(desk, "open-room")
    code = running.live(desk).entry.room
    running.do(desk, "close-room")
    browser = running.new_browser()
    browser.open("/")
    assert browser.submit("/room", code=code).status == 404


# -- the facilitator ------------------------------------------------------------------------------------
def test_news_pause_and_going_on_reach_the_seats(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    running.do(desk, "inject", text="A storm is coming", to="player 1")
    assert "A storm is coming" in browser.open(browser.here).text
    running.do(desk, "pause")
    assert "Paused." in browser.open(browser.here).text
    assert not [form for form in forms(browser.page.text) if form.action.endswith("/move")]
    running.do(desk, "resume")
    assert "Paused." not in browser.open(browser.here).text


def test_a_move_sent_during_a_pause_is_refused_with_the_reason(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    form = browser.form("/move")
    running.do(desk, "pause")
    answer = browser.send(form, option="Bet")
    assert answer.status == 409
    assert "the exercise is paused" in answer.text


def test_the_facilitator_decides_for_a_seat_with_a_reason(kuhn):
    running, desk = kuhn
    running.do(desk, "override", option="Bet", reason="Ann had to leave")
    step = running.live(desk).state.steps[-1]
    assert (step.option, step.by, step.flag) == ("Bet", "facilitator", "Ann had to leave")
    assert running.do(desk, "override", option="Bet", reason="").status == 409


def test_going_back_opens_a_branch_and_the_move_can_be_made_again(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    browser.submit("/move", option="Bet")
    running.do(desk, "rewind", keep="2", reason="Try the other way")
    live = running.live(desk)
    assert live.state.branch == 1 and live.state.branches[0].steps[-1].option == "Bet"
    browser.open(browser.here)
    assert "went back" in browser.page.text
    assert browser.submit("/move", option="Pass").status == 200
    assert live.state.history[-1] == ("first of player 1", "Pass")


def test_a_seat_can_be_given_to_nobody_and_back(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    running.facilitator.open(desk)
    running.facilitator.send(running.facilitator.form("/assign", seat="player 1"), occupant="nobody")
    answer = browser.submit("/move", option="Bet")
    assert answer.status == 409
    assert "no person plays the seat" in answer.text


def test_everything_is_shown_to_everybody_only_after_the_reveal(kuhn):
    running, desk = kuhn
    seat = running.enter(desk, "player 1")
    link = re.search(r"testserver(/join/\w+)", running.do(desk, "observer").text)
    assert link
    observer = running.new_browser()
    observer.open(link.group(1))
    observer.submit("/join")
    assert "Not shown yet" in observer.page.text
    assert seat.request("GET", f"{seat.here}review").status == 404
    running.do(desk, "reveal")
    assert "card of player 2" in observer.open(observer.here).text
    assert "card of player 2" in seat.open(seat.here).text


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv", "log.parquet", "games.csv", "games.parquet"])
def test_the_log_can_be_taken_away_in_the_middle_of_a_game(kuhn, name):
    running, desk = kuhn
    answer = running.facilitator.request("GET", f"{desk}{name}")
    assert answer.status == 200
    assert len(answer.body) > 50
    assert answer.headers["content-disposition"].startswith("attachment")


def test_the_exported_log_leads_to_the_same_state(kuhn):
    from detente.play.export import read_jsonl
    from detente.play.session import replay, state_hash

    running, desk = kuhn
    running.enter(desk, "player 1").submit("/move", option="Bet")
    text = running.facilitator.request("GET", f"{desk}log.jsonl").text
    state = running.live(desk).state
    assert state_hash(replay(state.stage, read_jsonl(text))) == state_hash(state)


def test_a_form_that_makes_no_sense_is_refused_with_a_sentence():
    with house() as running:
        running.facilitator.open(f"{running.home}?game=kuhn-poker")
        form = running.facilitator.form("create")
        for values, words in (
            ({"minutes": "soon"}, "is not a number"),
            ({"title": " "}, "the text is empty"),
            ({"defaults": "retaliation"}, "is not MOVE = OPTION"),
            ({"occupant player 1": "a ghost"}, "cannot sit in a seat"),
            ({"then": "nothing"}, "Say &#39;default&#39; or &#39;bot&#39;"),
        ):
            answer = running.facilitator.send(form, **values)
            assert answer.status in (400, 409) and words in answer.text, answer.text
        assert running.host.entries == {}


def test_a_team_of_two_shares_a_player_and_the_first_to_decide_decides():
    with house() as running:
        desk = running.create("kuhn-poker", **TWO_PEOPLE | {"occupant player 1": "team-2"})
        one, two = running.enter(desk, "player 1 1"), running.enter(desk, "player 1 2", "Bea")
        assert "You decide" in one.page.text and "You decide" in two.page.text
        assert one.submit("/move", option="Bet").status == 200
        assert two.submit("/move", option="Pass").status == 409
        assert running.live(desk).state.steps[-1].option == "Bet"


# -- timers and bots ----------------------------------------------------------------------------------
def wait_for(running, condition, seconds=5.0):
    """Let the server's loop run until something is so."""

    async def until():
        for _ in range(int(seconds * 100)):
            if condition():
                return True
            await asyncio.sleep(0.01)
        return False

    assert running.loop.run(until()), "it did not come to that"


def test_when_time_runs_out_the_declared_default_is_played_and_flagged():
    with house() as running:
        fields = TWO_PEOPLE | {"minutes": "1", "then": "default", "defaults": "first of player 1 = Pass"}
        desk = running.create("kuhn-poker", **fields)
        browser = running.enter(desk, "player 1")
        assert f'data-deadline="{running.clock.now + 60}"' in browser.page.text
        running.clock.now += 61
        live = running.live(desk)
        running.loop.run(running.host._settle(live))
        step = live.state.steps[-1]
        assert (step.option, step.by, step.flag) == ("Pass", "default", "time ran out")


def test_a_deadline_rings_by_itself():
    with house() as running:
        fields = TWO_PEOPLE | {"minutes": "0.002", "then": "default", "defaults": "first of player 1 = Pass"}
        desk = running.create("kuhn-poker", **fields)
        running.clock.now += 1
        live = running.live(desk)
        wait_for(running, lambda: live.state.steps[-1].by == "default")


def test_a_pause_freezes_the_deadline_and_an_extension_moves_it():
    with house() as running:
        desk = running.create("kuhn-poker", **TWO_PEOPLE | {"minutes": "1"})
        end = running.clock.now + 60
        running.do(desk, "extend", seconds="30")
        running.do(desk, "pause")
        running.clock.now += 1_000
        assert "seconds will be left" in running.enter(desk, "player 1").page.text
        running.do(desk, "resume")
        assert running.live(desk).state.timer.deadline == end + 30 + 1_000


def test_deadlines_that_pass_together_leave_room_for_pages_between_them(monkeypatch):
    from detente.play import host as module

    turns, passes = [], [0]
    real = module.follow_up

    def counted(state, event, now):
        turns.append(passes[0])
        return real(state, event, now)

    async def settle_all(host):
        async def count():
            while True:
                passes[0] += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        await asyncio.gather(*(host._settle(live) for live in list(host._lives.values())))
        counting.cancel()

    with house() as running:
        desks = [running.create("kuhn-poker", **TWO_PEOPLE | {"minutes": "1"}) for _ in range(12)]
        running.clock.now += 61
        monkeypatch.setattr(module, "follow_up", counted)
        running.loop.run(settle_all(running.host))
        assert all(running.live(desk).state.timer.expired for desk in desks)
    assert len(turns) == 12
    assert max(map(turns.count, turns)) == 1  # one exercise in one pass of the loop, then whoever asks for a page


class Stub:
    """Answers for a bot without solving anything."""

    def __init__(self, fault=""):
        self.fault, self.asked = fault, []

    async def ask(self, kind, events, *, at, **more):
        self.asked.append(kind)
        if self.fault:
            raise DetenteError(self.fault)
        if kind != "bot":
            return None
        from detente.play.session import replay
        from detente.play.stage import load_stage

        decision = next_decision(replay(load_stage(events[0].game), events))
        return event_json(Moved(at, decision.seats[0], decision.id, decision.options[0][0], "bot"))

    async def close(self):
        pass


BOTS = {"occupant player 1": "bot:equilibrium", "occupant player 2": "bot:cautious"}


def test_bots_play_by_themselves_to_the_end():
    with house(worker=Stub()) as running:
        desk = running.create("kuhn-poker", **BOTS)
        wait_for(running, lambda: running.live(desk).state.ended)
        assert {step.by for step in running.live(desk).state.steps} == {"chance", "bot"}


def test_a_bot_that_fails_is_reported_and_nothing_is_played_for_it():
    stub = Stub("solve: the branch was lost. Lower the precision.")
    with house(worker=stub) as running:
        desk = running.create("kuhn-poker", **BOTS)
        wait_for(running, lambda: running.live(desk).trouble)
        page = running.facilitator.open(desk)
        assert "the branch was lost" in page.text and "Nothing was played for it" in page.text
        assert all(step.by == "chance" for step in running.live(desk).state.steps)
        stub.fault = ""
        running.do(desk, "retry")
        wait_for(running, lambda: running.live(desk).state.ended)


def test_a_process_of_its_own_plays_the_bots_and_makes_the_review():
    from detente.play.worker import Worker

    with house(worker=Worker()) as running:
        desk = running.create("kuhn-poker", **BOTS | {"occupant player 2": "bot:equilibrium"})
        wait_for(running, lambda: running.live(desk).state.ended or running.live(desk).trouble, seconds=60)
        assert running.live(desk).trouble == ""
        review = running.facilitator.request("GET", f"{desk}review")
        assert review.status == 200 and "equilibrium" in review.text
        policy = review.headers["content-security-policy"]
        assert "script" not in policy and "unsafe" not in policy and "style-src 'sha256-" in policy
        file = running.facilitator.request("GET", f"{desk}review.html")
        assert file.headers["content-disposition"].endswith('review.html"')


def test_a_bot_that_cannot_play_this_game_is_reported_by_its_process():
    from detente.play.worker import Worker

    with house(worker=Worker()) as running:
        desk = running.create("kuhn-poker", **BOTS)
        wait_for(running, lambda: running.live(desk).trouble, seconds=60)
        assert "'cautious' needs a scenario" in running.facilitator.open(desk).text.replace("&#39;", "'")


# -- streams ------------------------------------------------------------------------------------------
async def _listen(browser, acts, path="stream"):
    """Open a stream, do something, leave, and return what came."""
    leave = asyncio.Event()
    address = f"{browser.here}{path}"
    scope = http_scope("GET", address, browser.cookie_header(browser.here))
    task = asyncio.ensure_future(call(browser.app, scope, leave=leave))
    await asyncio.sleep(0.05)
    for act in acts:
        await act()
        await asyncio.sleep(0.05)
    leave.set()
    return await task


def seen_of(browser):
    return re.search(r'data-version="(\w+)"', browser.page.text).group(1)


def test_a_stream_says_that_the_page_changed_and_not_what(kuhn):
    running, desk = kuhn
    ann, bob = running.enter(desk, "player 1"), running.enter(desk, "player 2", "Bob")
    live = running.live(desk)
    bob.open(bob.here)
    decision = next_decision(live.state)

    async def move():
        await running.host.act(live, lambda now: Moved(now, "player 1", decision.id, "Bet"))

    answer = running.loop.run(_listen(bob, [move], f"stream?seen={seen_of(bob)}"))
    assert answer.body == OPENED + CHANGED
    ann.open(ann.here)
    assert running.loop.run(_listen(ann, [], f"stream?seen={seen_of(ann)}")).body == OPENED


def test_a_page_that_changed_before_its_stream_opened_is_told_at_once(kuhn):
    running, desk = kuhn
    ann = running.enter(desk, "player 1")
    old = seen_of(ann)
    ann.submit("/message", text="Hello", everybody="yes")
    assert running.loop.run(_listen(ann, [], f"stream?seen={old}")).body == OPENED + CHANGED


def test_a_seat_has_at_most_three_streams(kuhn):
    running, desk = kuhn
    ann = running.enter(desk, "player 1")

    async def four():
        leave = asyncio.Event()
        scope = http_scope("GET", f"{ann.here}stream", ann.cookie_header(ann.here))
        tasks = [asyncio.ensure_future(call(ann.app, dict(scope), leave=leave)) for _ in range(MOST_STREAMS + 1)]
        await asyncio.sleep(0.1)
        leave.set()
        return [(await task).status for task in tasks]

    assert sorted(running.loop.run(four())) == [200] * MOST_STREAMS + [429]
    assert running.host.streams.pages() == []


def test_presence_is_shown_to_the_facilitator(kuhn):
    running, desk = kuhn
    ann = running.enter(desk, "player 1")
    pages = []

    async def look():
        scope = http_scope("GET", desk, running.facilitator.cookie_header(desk))
        pages.append((await call(running.app, scope)).text)

    running.loop.run(_listen(ann, [look]))
    assert "page open now" in pages[0]
    running.facilitator.open(desk)
    assert "page open now" not in running.facilitator.page.text and "has entered" in running.facilitator.page.text
