"""The studio in a real browser: sliders, keyboard, a place in the tree, ranges, pins, the record, and no barriers."""

import json

import pytest
from test_exercise_browser import axe, browser, look  # noqa: F401 - fixtures
from test_server_crash import Server

from detente.model.builtin import BUILTIN
from detente.model.new import new_scenario
from detente.studio.shell import Address, waiting_page

SLOW = 120_000  # the first time, the game has to be written out


@pytest.fixture
def home(tmp_path, monkeypatch):
    from datetime import date

    new_scenario(tmp_path / "my-crisis", title="A crisis of mine", today=date(2031, 5, 1))
    monkeypatch.chdir(tmp_path)  # where the server is started
    return tmp_path


@pytest.fixture
def server(home):
    running = Server(home / "x.sqlite", bots=True)
    yield running
    running.kill()


def tab_of(browser, server, *, javascript: bool = True):  # noqa: F811
    """A page that notes what fails and what is fetched from elsewhere."""
    here = server.link.split("/join")[0]
    tab = browser.new_context(java_script_enabled=javascript).new_page()
    tab.set_default_timeout(SLOW)
    tab.failed = []
    tab.on("requestfailed", lambda r: None if r.failure == "net::ERR_ABORTED" else tab.failed.append(r.url))
    tab.on("console", lambda message: tab.failed.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda r: None if r.url.startswith(here) else tab.failed.append(r.url))
    tab.home = here
    return tab


def facilitator(browser, server):  # noqa: F811
    tab = tab_of(browser, server)
    tab.goto(server.link)
    tab.get_by_role("button", name="Enter").click()
    return tab


@pytest.mark.slow
def test_an_analyst_explores_october_with_the_keyboard(server, browser, axe):  # noqa: F811
    tab = tab_of(browser, server)
    tab.goto(f"{tab.home}/explore")
    look(tab, axe, "studio-list")
    tab.get_by_role("link", name="October 2024: the reply").click()
    tab.wait_for_selector("#ranges table")
    look(tab, axe, "studio-october")

    # A slider is moved with the keyboard: the forecast follows, and the address holds what is set.
    tab.locator("#s-protege_hawk").focus()
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    tab.wait_for_selector("body[data-answered*='p.protege_hawk']")
    assert "p.protege_hawk" in tab.url
    assert tab.evaluate("document.activeElement.id") == "s-protege_hawk"
    tab.locator("#announce").get_by_text("Regional war").wait_for(state="attached")
    assert tab.locator("#o-protege_hawk").inner_text() == tab.locator("#s-protege_hawk").get_attribute("aria-valuetext")
    tab.locator(".held-list").get_by_text("release").wait_for()

    # A policy, then a place in the tree, by keyboard too.
    tab.get_by_label("Strike alone").focus()
    tab.keyboard.press("Space")
    tab.wait_for_selector("body[data-answered*='strike-alone']")
    assert "Strike alone" in tab.locator("#h-forecast").inner_text()
    tab.locator("#forecast svg a.place").nth(2).focus()
    tab.keyboard.press("Enter")
    tab.locator("#place").get_by_text("Who knows what here").wait_for()
    assert tab.evaluate("document.activeElement.id") == "place"
    tab.wait_for_selector("#ranges table")
    look(tab, axe, "studio-place")

    # A setting is pinned and stands beside the next one.
    tab.get_by_role("link", name="Pin this setting to compare").click()
    tab.get_by_role("radio", name="Red lines").check()
    tab.wait_for_selector("body[data-answered*='red-lines']")
    heads = tab.locator("#h-compare ~ .scroll thead").inner_text()
    assert "Now" in heads and "Red lines" in heads and "Pin 1" in heads and "Strike alone" in heads
    tab.wait_for_selector("#ranges table")
    look(tab, axe, "studio-compare")

    # What backs a parameter is one link away, and open.
    tab.goto(f"{tab.home}/explore/october-2024")
    first = tab.locator(".slider").first
    first.get_by_text("Meaning and backing").click()
    first.get_by_role("link", name="What backs it").click()
    tab.locator("#p-protege_hawk .chain").wait_for()
    look(tab, axe, "studio-record")
    assert tab.failed == []


@pytest.mark.slow
def test_who_comes_before_a_scenario_is_ready_sees_what_is_done_and_then_the_sliders(server, browser, axe):  # noqa: F811
    told = [2]

    def ready(route):
        route.fulfill(body=json.dumps({"step": told[0], "of": 3, "words": "Solving"}), content_type="application/json")

    tab = tab_of(browser, server)
    shown = waiting_page(BUILTIN / "april-2024", Address(), 1, "Writing out", 3)
    tab.route("**/explore/april-2024", lambda route: route.fulfill(body=shown, content_type="text/html"))
    tab.route("**/explore/april-2024/ready", ready)
    tab.goto(f"{tab.home}/explore/april-2024")
    tab.locator("#waiting").get_by_text("Solving …").wait_for()
    assert tab.locator("#waiting progress").evaluate("bar => bar.position") == pytest.approx(2 / 3)
    assert tab.locator("#announce").inner_text() == "Solving …"
    look(tab, axe, "studio-waiting")
    tab.unroute("**/explore/april-2024")
    told[0] = 3
    tab.wait_for_selector("#setting")  # of the server's own page: nobody has pressed anything
    assert tab.failed == []


@pytest.mark.slow
def test_without_a_script_the_page_of_a_scenario_comes_by_itself(server, browser):  # noqa: F811
    tab = tab_of(browser, server, javascript=False)
    tab.goto(f"{tab.home}/explore/october-2024")
    tab.wait_for_selector("#setting")


@pytest.mark.slow
def test_a_facilitator_saves_a_setting_and_a_broken_scenario_keeps_the_forecast(server, browser, axe, home):  # noqa: F811
    tab = facilitator(browser, server)
    tab.goto(f"{tab.url.split('?')[0]}explore/my-crisis")
    # Many worlds are solved behind the page, and that can be stopped.
    under_way = (
        '<p data-done="16"><label for="worlds-done">16 of 256 worlds</label> <progress id="worlds-done" max="256" '
        'value="16"></progress> <button type="button" id="stop-worlds">Stop</button></p>'
    )
    tab.route("**/ranges?*", lambda route: route.fulfill(body=under_way, content_type="text/html"))
    tab.locator("#s-war").fill("1.9")
    tab.get_by_role("button", name="Stop").focus()
    tab.wait_for_timeout(500)
    tab.keyboard.press("Enter")
    assert tab.locator("#ranges").inner_text() == "Stopped after 16 of 256 worlds."
    tab.wait_for_timeout(500)
    assert tab.locator("#ranges").inner_text() == "Stopped after 16 of 256 worlds."
    tab.unroute("**/ranges?*")

    tab.locator("#s-war").fill("2")
    tab.wait_for_selector("body[data-answered*='p.war=2']")
    tab.wait_for_selector("#ranges table")
    before = tab.locator(".tiles").inner_text()
    look(tab, axe, "studio-mine")

    path = home / "my-crisis" / "scenario.toml"
    good = path.read_text(encoding="utf-8")
    path.write_text(good.replace("low = 0.8, best = 1.5", "low = 4.8, best = 1.5"), encoding="utf-8")
    tab.locator("#s-war").fill("2.5")
    tab.locator("#trouble").get_by_text("parameters.war.prior").wait_for()
    assert "The last good forecast is still shown" in tab.locator("#trouble").inner_text()
    assert tab.locator(".tiles").inner_text() == before
    path.write_text(good, encoding="utf-8")
    tab.locator("#s-war").fill("1.2")
    tab.wait_for_selector("body[data-answered*='p.war=1.2']")
    assert tab.locator("#trouble").inner_text() == ""

    tab.get_by_label("Name of the folder").fill("calm")
    tab.get_by_role("button", name="Save").click()
    tab.wait_for_url("**/explore/calm")
    assert (home / "calm" / "scenario.toml").is_file()
    # The browser itself reports the answer that the broken file was given.
    assert [text for text in tab.failed if "400" not in text] == []


@pytest.mark.slow
def test_without_a_script_the_form_answers(server, browser):  # noqa: F811
    tab = facilitator(browser, server)
    address = f"{tab.url.split('?')[0]}explore/my-crisis"
    plain = browser.new_context(java_script_enabled=False, storage_state=tab.context.storage_state()).new_page()
    plain.set_default_timeout(SLOW)
    plain.goto(address)
    plain.get_by_label("Warning").check()
    plain.locator("#s-war").fill("2")
    plain.get_by_role("button", name="Show the forecast").first.click()
    assert "Warning" in plain.locator("#h-forecast").inner_text()
    assert "cost of war 2" in plain.locator(".held-list").inner_text()
    plain.locator("#forecast svg a.place").first.click()
    assert plain.locator("#place").get_by_text("Who knows what here").count() == 1
    plain.get_by_role("link", name="Solve 256 worlds").click()
    assert "256 worlds" in plain.locator("#ranges").inner_text()


@pytest.mark.slow
def test_a_slider_moved_before_the_script_has_come_is_answered_when_it_has(server, browser):  # noqa: F811
    tab = tab_of(browser, server)
    held = []
    tab.route("**/studio/studio.js", lambda route: held.append(route))
    tab.goto(f"{tab.home}/explore/april-2024", wait_until="commit")
    while not held:
        tab.wait_for_timeout(50)
    if tab.locator("#waiting").count():  # made ready meanwhile: the waiting page has the script too
        held.pop().continue_()
        while not held:
            tab.wait_for_timeout(50)
    tab.locator("#s-protege_hawk").focus()
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    held.pop().continue_()
    tab.wait_for_selector("body[data-answered*='p.protege_hawk']")
    assert tab.locator("#o-protege_hawk").inner_text() != tab.locator("#s-protege_hawk").get_attribute("data-median")
    assert tab.failed == []
