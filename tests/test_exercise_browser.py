"""The October crisis in a real browser: a facilitator, three isolated seats, one of them without JavaScript."""

import os
import re
from pathlib import Path

import pytest
from conftest import ROOT, missing
from test_server_crash import Server

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SEATS = ("patron", "protege", "adversary")
CHOICES = {
    "message": "strike alone",
    "channel": "private",
    "sanctions": "none",
    "retaliation": "military targets",
    "reply": "limited",
    "involvement": "defend only",
    "next": "stop",
}
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1200, "height": 900}
# Where a person looks at the pages: DETENTE_SCREENSHOTS=folder keeps pictures of them.
SCREENSHOTS = os.environ.get("DETENTE_SCREENSHOTS")


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which looks for barriers in a page."""
    path = Path(os.environ.get("DETENTE_AXE", ROOT / "build/axe/package/axe.min.js"))
    if not path.is_file():
        missing(f"axe-core is not at {path}: run `npm pack axe-core` in build/axe and unpack it.")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "x.sqlite", bots=True)
    yield running
    running.kill()


@pytest.fixture
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


def look(tab, axe: str, name: str) -> None:
    """Check a page for barriers in light and dark, on a desk and on a telephone; keep pictures if asked to."""
    for size_name, size in (("desk", DESK), ("phone", PHONE)):
        tab.set_viewport_size(size)
        wide = tab.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"], f"{name} is {wide} px wide on a {size_name}"
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            if SCREENSHOTS:
                Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
                tab.screenshot(path=f"{SCREENSHOTS}/{name}-{size_name}-{scheme}.png", full_page=True)
            tab.evaluate(axe)
            found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
            faults = [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in found["violations"]]
            assert not faults, f"{name}, {size_name}, {scheme}: {faults}"
    tab.set_viewport_size(DESK)


def enter(browser, link: str, name: str | None = None, *, javascript: bool = True):
    """A person with a browser of their own, whom a link lets in."""
    tab = browser.new_context(java_script_enabled=javascript).new_page()
    tab.set_default_timeout(15_000)
    tab.failed = []
    # What is under way ends when its page is left; nothing else may fail, and nothing be fetched from elsewhere.
    tab.on("requestfailed", lambda r: None if r.failure == "net::ERR_ABORTED" else tab.failed.append(r.url))
    tab.on("console", lambda message: tab.failed.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda r: None if r.url.startswith(link.split("/join")[0]) else tab.failed.append(r.url))
    tab.goto(link)
    if name:
        tab.get_by_label("Your name").fill(name)
    tab.get_by_role("button", name="Enter").click()
    return tab


def create(facilitator) -> str:
    """An October exercise with three people, begun at once; the address of its page."""
    facilitator.get_by_role("link", name="october-2024", exact=True).click()
    facilitator.get_by_label("begin paused").uncheck()
    facilitator.get_by_role("button", name="Create").click()
    return facilitator.url


def link_for(facilitator, desk: str, seat: str) -> str:
    facilitator.goto(desk)
    facilitator.get_by_role("button", name=f"New link for {seat}").click()
    found = re.search(r"http://\S+/join/[0-9a-f]{64}", facilitator.locator("main").inner_text())
    assert found
    facilitator.goto(desk)
    return found.group()


def decide(tab, option: str) -> None:
    tab.get_by_label(option, exact=True).check()
    tab.get_by_role("button", name="Decide").click()


def open_move(tabs, plain):
    """The tab that is to decide, waiting for it to hear of it by itself; without JavaScript it is loaded again."""
    for _ in range(100):
        plain.reload()
        for tab in tabs:
            heading = tab.locator("#decision h2")
            if heading.count():
                return tab
        if tabs[0].get_by_text("The exercise is over").count():
            return None
        tabs[0].wait_for_timeout(50)
    return None


@pytest.mark.slow
def test_a_facilitator_and_three_people_play_the_october_crisis_through(server, browser, axe):
    facilitator = enter(browser, server.link)
    look(facilitator, axe, "home")
    desk = create(facilitator)
    plain = enter(browser, link_for(facilitator, desk, "adversary"), "Cem", javascript=False)
    patron = enter(browser, link_for(facilitator, desk, "patron"), "Ann")
    protege = enter(browser, link_for(facilitator, desk, "protege"), "Bea")
    look(patron, axe, "seat-to-decide")
    look(protege, axe, "seat-waiting")

    # A message, and news, arrive without anybody loading a page.
    patron.get_by_label("Message").fill("We stand by you.")
    patron.get_by_label("protege only").check()
    patron.get_by_role("button", name="Send").click()
    protege.get_by_text("We stand by you.").first.wait_for()
    plain.reload()
    assert plain.get_by_text("We stand by you.").count() == 0
    protege.get_by_label("Message").fill("A draft that must not be lost")
    facilitator.goto(desk)
    facilitator.get_by_label("News", exact=True).fill("Oil is at 80 dollars.")
    facilitator.get_by_label("everybody").check()
    facilitator.get_by_role("button", name="Send").click()
    for tab in (patron, protege):
        tab.get_by_text("Oil is at 80 dollars.").first.wait_for()
    assert protege.get_by_label("Message").input_value() == "A draft that must not be lost"
    look(facilitator, axe, "desk")

    made = 0
    while (tab := open_move((patron, protege, plain), plain)) is not None:
        title = tab.locator("#decision form input[name=decision]").get_attribute("value")
        options = tab.locator("#decision input[name=option]").evaluate_all("all => all.map(one => one.value)")
        decide(tab, next(o for o in CHOICES.values() if o in options))
        if tab is not plain:
            tab.wait_for_function("id => !document.querySelector(`input[value='${id}']`)", arg=title)
        made += 1
        if made == 2:  # somebody's network goes away in the middle and comes back
            protege.close()
            protege = protege.context.new_page()
            protege.failed = []
            protege.goto(patron.url.rsplit("/at/", 1)[0])
            protege.goto(_seat_address(protege))
        if made > 4 and facilitator_says_ended(facilitator, desk):
            break
    assert made >= 5

    facilitator.goto(desk)
    facilitator.get_by_role("button", name="Show everything to everybody").click()
    patron.get_by_text("The exercise is over").wait_for()
    look(patron, axe, "seat-revealed")
    plain.reload()
    assert plain.get_by_text("The exercise is over").count() == 1
    review = browser.new_context(storage_state=patron.context.storage_state()).new_page()
    review.goto(patron.url + "review", timeout=120_000)  # the first time, the game has to be solved
    assert "equilibrium" in review.locator("body").inner_text()
    look(review, axe, "review")
    for tab in (facilitator, patron, protege, plain):
        assert tab.failed == []


def _seat_address(tab) -> str:
    """The address that a seat's cookie is for."""
    cookie = next(cookie for cookie in tab.context.cookies() if cookie["name"] == "detente")
    return tab.url.rstrip("/") + cookie["path"]


def facilitator_says_ended(facilitator, desk: str) -> bool:
    facilitator.goto(desk)
    return facilitator.get_by_text("The game has ended").count() > 0


@pytest.mark.slow
def test_the_door_and_the_empty_page_have_no_barriers(server, browser, axe):
    tab = browser.new_page()
    tab.goto(server.link.split("/join")[0])
    look(tab, axe, "front")
    tab.goto(server.link)
    look(tab, axe, "door")
    tab.goto(server.link.split("/join")[0] + "/nothing")
    look(tab, axe, "nothing")


@pytest.mark.slow
def test_a_seat_can_be_played_with_the_keyboard_alone(server, browser):
    facilitator = enter(browser, server.link)
    desk = create(facilitator)
    tab = enter(browser, link_for(facilitator, desk, "patron"), "Ann")
    tab.locator("#decision form").wait_for()  # the page that is left has keys of its own
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(10):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.name") == "option":
            break
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.get_by_text("(your choice)").first.wait_for()
    tab.get_by_text("defence only").first.wait_for()


def enter_room(browser, address: str, code: str, seat: str, name: str):
    """A person who was read a room code."""
    tab = browser.new_context().new_page()
    tab.goto(address)
    tab.get_by_label("Room code").fill(code)
    tab.get_by_role("button", name="Go in").click()
    tab.get_by_label(seat).check()
    tab.get_by_label("Your name").fill(name)
    tab.get_by_role("button", name="Take the seat").click()
    return tab


def named_in(page: Path) -> list[str]:
    """What the numbered steps of a how-to page say that is to be seen or pressed."""
    steps = page.read_text(encoding="utf-8").partition("\n1. ")[2].partition("\n```")[0]
    return [" ".join(name.split()) for name in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", steps)]


@pytest.mark.slow
def test_two_people_and_two_bots_play_october_as_the_how_to_page_says(server, browser, axe):
    """Every word that the page sets in italics is met on the way."""
    seen: list[str] = []

    def note(tab) -> None:
        seen.append(tab.content())

    facilitator = browser.new_page()
    facilitator.set_default_timeout(15_000)
    facilitator.goto(server.link)
    note(facilitator)
    facilitator.get_by_role("button", name="Enter").click()
    facilitator.get_by_role("link", name="october-2024", exact=True).click()
    note(facilitator)
    look(facilitator, axe, "create")
    for who, words in (("United States", "two people"), ("Israel", "bot equilibrium"), ("Iran", "bot hawkish")):
        field = facilitator.get_by_label(who)
        options = field.locator("option").all_inner_texts()
        field.select_option(label=next(option for option in options if option.startswith(words)))
    facilitator.get_by_label("Minutes for each decision").fill("30")
    facilitator.get_by_role("button", name="Create").click()
    desk = facilitator.url
    note(facilitator)
    ann = enter(browser, link_for(facilitator, desk, "patron 1"), "Ann")
    facilitator.get_by_role("button", name="Open a room with a code").click()
    room = facilitator.locator("main .code").inner_text()
    bob = enter_room(browser, server.link.split("/join")[0], room, "patron 2", "Bob")
    seen.append("Take the seat")
    facilitator.get_by_role("button", name="Go on").click()
    ann.locator("#decision form").wait_for()
    note(ann)
    assert "You share this decision with patron 2" in ann.content()
    look(bob, axe, "seat-shared")

    people = [ann, bob]
    for number in range(12):
        facilitator.goto(desk)
        note(facilitator)
        if "The game has ended" in facilitator.content():
            break
        tab = people[number % 2]
        for _ in range(600):  # a bot's first move takes as long as the game takes to solve
            if tab.locator("#decision form").count() or facilitator_says_ended(facilitator, desk):
                break
            tab.wait_for_timeout(100)
        if not tab.locator("#decision form").count():
            continue
        open_one = tab.locator("#decision form input[name=decision]").get_attribute("value")
        options = tab.locator("#decision input[name=option]").evaluate_all("all => all.map(one => one.value)")
        decide(tab, next(o for o in CHOICES.values() if o in options))
        for one in people:  # both hear of it, whoever it was
            one.wait_for_function("id => !document.querySelector(`input[value='${id}']`)", arg=open_one)
    facilitator.goto(desk)
    look(facilitator, axe, "desk-ended")
    facilitator.get_by_role("button", name="Show everything to everybody").click()
    ann.get_by_text("The exercise is over").wait_for()
    note(facilitator)

    facilitator.get_by_role("link", name="After-action review").click(timeout=120_000)
    facilitator.get_by_label("Suppose another choice").select_option("4:red lines")
    facilitator.get_by_role("button", name="Show", exact=True).click()
    assert "Had the United States chosen “red lines”" in facilitator.locator("main").inner_text()
    note(facilitator)
    look(facilitator, axe, "review-had")
    facilitator.get_by_role("link", name="back to your page").click()
    assert facilitator.url == desk
    words = named_in(ROOT / "docs/how-to/facilitate.md")
    assert "red lines" in words and len(words) > 20
    assert not [word for word in words if word not in "\n".join(seen)]
    assert ann.failed == []
