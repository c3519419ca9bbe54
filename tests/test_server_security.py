"""What keeps an exercise to those whom it concerns: tokens, cookies, forms, headers, limits."""

import re

import pytest
from play_fixtures import ADDRESS, Browser, house

from detente.play.guard import HEADERS, Guard, refuse
from detente.play.limits import MOST_BODY_BYTES
from detente.play.tokens import HANDLE_BYTES, TOKEN_BYTES, new_room_code, new_token

TWO_PEOPLE = {"occupant player 1": "person", "occupant player 2": "person"}


@pytest.fixture
def kuhn():
    with house() as running:
        yield running, running.create("kuhn-poker", **TWO_PEOPLE)


# -- tokens -------------------------------------------------------------------------------------------
def test_tokens_have_at_least_128_bits_and_never_repeat():
    assert TOKEN_BYTES >= 16 and HANDLE_BYTES >= 16
    assert len({new_token() for _ in range(1_000)}) == 1_000
    assert len({new_room_code() for _ in range(1_000)}) == 1_000


def test_the_database_holds_hashes_and_no_token(tmp_path):
    path = tmp_path / "exercises.sqlite"
    with house(path) as running:
        desk = running.create("kuhn-poker", **TWO_PEOPLE)
        link = running.link(desk, "player 2").rpartition("/")[2]
        browser = running.enter(desk, "player 1")
        cookie = browser.cookies[browser.here][1]
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert len(stored) > 1_000
    assert link.encode() not in stored and cookie.encode() not in stored


def test_a_link_is_used_up_by_entering_and_not_by_looking(kuhn):
    running, desk = kuhn
    link = running.link(desk, "player 1")
    curious = running.new_browser()
    assert curious.open(link).status == 200
    browser = running.new_browser()
    browser.open(link)
    assert browser.submit("/join", name="Ann").status == 200
    assert curious.submit("/join", name="Eve").status == 404
    assert curious.open(link).status == 404


def test_the_token_leaves_the_address_and_lives_in_a_cookie_that_scripts_cannot_read(kuhn):
    running, desk = kuhn
    link = running.link(desk, "player 1")
    browser = running.new_browser()
    browser.open(link)
    answer = browser.send(browser.form("/join"), follow=False, name="Ann")
    cookie = answer.headers["set-cookie"]
    assert link.rpartition("/")[2] not in cookie + answer.headers["location"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and f"Path={answer.headers['location']}" in cookie
    assert "Domain" not in cookie


def test_cookies_are_for_https_only_when_people_come_by_https():
    from detente.play.server import make_app

    with house() as running:
        app = make_app(running.host, address="https://crisis.example.org", clock=running.clock)
        browser = Browser(running.loop, app)
        assert "Secure" in browser.open("/").headers["set-cookie"]


def test_a_new_link_shuts_out_who_came_in_by_the_old_one(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    unused = running.link(desk, "player 1")
    assert browser.open(browser.here).status == 404
    running.link(desk, "player 1")
    assert browser.open(unused).status == 404


def test_shutting_out_ends_the_cookie(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    running.facilitator.open(desk)
    running.facilitator.send(running.facilitator.form("/revoke", seat="player 1"))
    assert browser.open(browser.here).status == 404


def test_there_is_no_way_in_without_a_link_or_a_code(kuhn):
    running, desk = kuhn
    for path in (running.home, desk, f"{desk}log.jsonl", "/at/x/", "/admin", "/join/" + "0" * 64):
        assert running.new_browser().open(path).status == 404


def test_absent_and_forbidden_are_answered_alike(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    exercise = desk.rstrip("/").rpartition("/")[2]
    answers = [
        browser.request("GET", path)
        for path in (
            "/no-such-page",
            "/at/0123/",
            running.home,
            desk,
            f"{browser.here}exercise/{exercise}/",
            f"{browser.here}log.jsonl",
            f"{browser.here}review",
            "/join/" + "0" * 64,
            "/static/secret.txt",
        )
    ]
    assert {(a.status, tuple(a.raw_headers), a.body) for a in answers} == {
        (404, tuple(answers[0].raw_headers), answers[0].body)
    }


def test_a_seat_cannot_act_as_a_facilitator_or_for_another_seat(kuhn):
    running, desk = kuhn
    ann = running.enter(desk, "player 2")
    csrf = dict(ann.form("/message").fields)["csrf"]
    before = len(running.live(desk).events)
    for path in (f"{ann.here}create", f"{ann.here}pause", f"{desk}pause", f"{ann.here}override"):
        assert ann.post(path, {"csrf": csrf, "seat": "player 1"}).status == 404
    forged = {"csrf": csrf, "seat": "player 1", "decision": "x", "option": "Bet"}
    assert ann.post(f"{ann.here}move", forged).status == 409
    assert len(running.live(desk).events) == before


# -- forms --------------------------------------------------------------------------------------------
def test_a_form_without_its_secret_is_refused(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    form = browser.form("/move")
    other = running.enter(desk, "player 2", "Bob").form("/message")
    for csrf in ("", "0" * 40, dict(other.fields)["csrf"]):
        assert browser.post(form.action, dict(form.fields) | {"csrf": csrf, "option": "Bet"}).status == 403
    running.facilitator.open(desk)
    pause = running.facilitator.form("/pause")
    assert running.facilitator.post(pause.action, {"key": "x"}).status == 403
    assert len(running.live(desk).state.steps) == 2


@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "null", "http://testserver.example", "http://testserver:81"]
)
def test_a_form_from_another_site_is_refused(kuhn, origin):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    form = browser.form("/move")
    fields = dict(form.fields) | {"option": "Bet"}
    assert browser.post(form.action, fields, origin=origin).status == 403
    assert browser.post("/room", {"code": "x"}, origin=origin).status == 403
    assert browser.post(form.action, fields, origin=ADDRESS).status == 303


def test_a_form_that_says_nothing_of_where_it_comes_from_is_refused():
    form = {"host": "h:1", "content-type": "application/x-www-form-urlencoded"}
    assert refuse("POST", form) is not None
    assert refuse("POST", form | {"sec-fetch-site": "cross-site"}) is not None
    assert refuse("POST", form | {"sec-fetch-site": "same-origin"}) is None
    assert refuse("POST", form | {"origin": "http://h:1"}) is None


def test_behind_a_proxy_forms_come_from_the_public_address_only():
    form = {"host": "10.0.0.5:8000", "content-type": "application/x-www-form-urlencoded"}
    public = "https://crisis.example.org"
    assert refuse("POST", form | {"origin": public}, origin=public) is None
    assert refuse("POST", form | {"origin": "http://10.0.0.5:8000"}, origin=public) is not None


def test_a_name_that_is_not_the_servers_is_refused():
    hosts = frozenset({"127.0.0.1", "localhost"})
    assert refuse("GET", {"host": "localhost:8000"}, hosts) is None
    assert refuse("GET", {"host": "attacker.example"}, hosts) == (
        400,
        "This server is not known by that name. Start it with --allow-host NAME.",
    )


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(kuhn, method):
    running, desk = kuhn
    assert running.facilitator.request(method, desk).status == 405


# -- what an answer carries ---------------------------------------------------------------------------
def test_every_answer_is_sealed(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    answers = [browser.request("GET", path) for path in ("/", browser.here, "/nothing")]
    answers += [running.facilitator.request("GET", f"{desk}log.csv"), browser.post("/room", {}, origin="null")]
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert "etag" not in answers[1].headers and "server" not in answers[1].headers


def test_no_page_has_a_script_or_a_style_of_its_own(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    home = running.facilitator.open(f"{running.home}?game=kuhn-poker").text
    for text in (browser.page.text, home, running.facilitator.open(desk).text, running.new_browser().open("/").text):
        assert re.findall(r"<script[^>]*>[^<]", text) == []
        assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://(?!testserver)", text) == []


def test_what_people_write_is_shown_as_text_and_never_as_markup(kuhn):
    running, desk = kuhn
    evil = """<script>alert(1)</script><img src=x onerror=alert(1)>"'&"""
    ann = running.enter(desk, "player 1", name=evil[:60])
    ann.submit("/message", text=evil, everybody="yes")
    running.clock.now += 2
    ann.open(ann.here)
    ann.submit("/note", text=evil)
    running.do(desk, "inject", text=evil, everybody="yes")
    running.do(desk, "override", option="Bet", reason=evil)
    bob = running.enter(desk, "player 2", "Bob")
    running.do(desk, "reveal")
    for text in (ann.open(ann.here).text, bob.open(bob.here).text, running.facilitator.open(desk).text):
        assert "alert(1)" in text
        assert "<script>alert" not in text and "<img" not in text


# -- limits -------------------------------------------------------------------------------------------
def test_more_than_64_kb_is_refused_whatever_the_headers_say(kuhn):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    form = browser.form("/message")
    large = dict(form.fields) | {"text": "x" * (MOST_BODY_BYTES + 1), "everybody": "yes"}
    assert browser.post(form.action, large).status == 413
    assert browser.post(form.action, large, content_length="10").status == 413
    assert browser.post(form.action, large, content_length="many").status == 413


@pytest.mark.parametrize("body", [b"\xff\xfe=%", b"a=%FF%FE", b"&".join(b"a=1" for _ in range(300))])
def test_a_body_that_is_no_form_is_refused(kuhn, body):
    running, desk = kuhn
    browser = running.enter(desk, "player 1")
    headers = {"origin": ADDRESS, "content_type": "application/x-www-form-urlencoded"}
    assert browser.request("POST", browser.form("/move").action, body, **headers).status == 400
    assert browser.post(browser.form("/move").action, {}, content_type="multipart/form-data").status == 415


def test_guessing_stops_after_five_attempts_a_minute(kuhn):
    running, desk = kuhn
    guesser = running.new_browser("10.0.0.9")
    assert [guesser.open(f"/join/{n:064d}").status for n in range(7)] == [404] * 5 + [429] * 2
    guesser.open("/")
    assert guesser.submit("/room", code="22222-22222").status == 429
    link = running.link(desk, "player 1")
    assert guesser.open(link).status == 429  # the right one does not help either
    assert running.new_browser("10.0.0.10").open(link).status == 200
    running.clock.now += 60
    assert guesser.open(link).status == 200


def test_moves_and_messages_have_a_limit_for_each_seat(kuhn):
    running, desk = kuhn
    ann = running.enter(desk, "player 1")
    form = ann.form("/message")
    statuses = [ann.send(form, follow=False, text=f"{n}", everybody="yes").status for n in range(3)]
    assert statuses == [303, 429, 429]
    bob = running.enter(desk, "player 2", "Bob")
    assert bob.submit("/message", text="Hello", everybody="yes").status == 200
    move = ann.form("/move") if "You decide" in ann.page.text else None
    assert move is not None
    fields = dict(move.fields) | {"decision": "no such decision", "option": "Bet"}
    assert [ann.post(move.action, fields).status for _ in range(7)] == [409] * 5 + [429] * 2


def test_a_guard_caps_a_body_that_comes_in_pieces(kuhn):
    running, _ = kuhn
    assert isinstance(running.app, Guard)
    from detente.play.guard import Refused, read_form

    async def receive():
        return {"type": "http.request", "body": b"a" * 10_000, "more_body": True}

    with pytest.raises(Refused, match="At most 64 kB"):
        running.loop.run(read_form(receive))
