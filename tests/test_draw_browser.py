"""A drawn tree that is opened in a browser by itself: it folds and unfolds, by pointer and by keyboard."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from test_draw import kuhn, some_probabilities
from test_exercise_browser import axe, browser  # noqa: F401 - fixtures

from detente.library.games import GAMES
from detente.model.compile import compile
from detente.model.draw import FURTHER, draw_tree

WHERE = """() => [...document.querySelectorAll("[data-box],[data-at],[data-rest]")]
  .filter((part) => part.getClientRects().length && !part.closest("[display=none]"))
  .map((part) =>
    [part.lastChild?.textContent, ...["x", "y"].map((k) => Math.round(10 * part.getBoundingClientRect()[k]) / 10)])"""
LINES = """() => [...document.querySelectorAll("[data-step],[data-rest-line]")]
  .filter((part) => part.getAttribute("display") !== "none").map((part) => part.getAttribute("d"))"""
OVERLAPS = """() => {
  const rows = [...document.querySelectorAll("text")].filter((t) => !t.closest("[display=none]") && t.textContent);
  const boxes = rows.map((t) => [t.textContent, t.getBoundingClientRect()]);
  const found = [];
  boxes.forEach(([a, r], i) => boxes.slice(i + 1).forEach(([b, s]) => {
    const high = Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top);
    if (r.left < s.right - 1 && s.left < r.right - 1 && high > 5) found.push([a, b]);
  }));
  return found;
}"""


@pytest.fixture(scope="module")
def leduc():
    return compile(GAMES["leduc-poker"].crisis)


def opened(browser, tmp_path, picture: str, *, javascript: bool = True):  # noqa: F811
    """The picture as a file, opened by itself; what it fetches or complains of is noted."""
    path = tmp_path / "tree.svg"
    path.write_text(picture, encoding="utf-8")
    tab = browser.new_context(java_script_enabled=javascript).new_page()
    tab.trouble = []
    tab.on("console", lambda message: tab.trouble.append(message.text))
    tab.on("pageerror", lambda error: tab.trouble.append(str(error)))
    tab.on("request", lambda r: None if r.url.startswith("file:") else tab.trouble.append(r.url))
    tab.goto(path.as_uri())
    return tab


def ends(tab) -> int:
    return tab.locator("circle:visible").count()


def same_numbers(these: list[str], those: list[str]) -> None:
    """Paths that are equal to a tenth of a pixel or two, which is how exactly a picture is written."""
    number = re.compile(r"-?\d+(?:\.\d+)?")
    assert [number.sub("", d) for d in these] == [number.sub("", d) for d in those]
    for one, other in zip(these, those, strict=True):
        np.testing.assert_allclose(
            [float(n) for n in number.findall(one)], [float(n) for n in number.findall(other)], atol=0.25
        )


def test_a_picture_that_unfolds_is_valid_xml_and_looks_as_one_that_does_not(leduc):
    edge = some_probabilities(leduc)
    static, live = (draw_tree(leduc, edge_probability=edge, unfold=unfold) for unfold in (False, True))
    ElementTree.fromstring(live)
    shown = re.sub(r'<text[^>]* display="none"[^>]*>.*?</text>', "", live)
    texts = [set(re.findall(r">(…[^<]*more[^<]*)<", picture)) for picture in (static, shown)]
    assert texts[0] == texts[1] != set()
    assert "<script" not in static and "data-" not in static
    assert live.count("<circle") == FURTHER * static.count("<circle")


@pytest.mark.slow
@pytest.mark.parametrize("probable", [True, False], ids=["with probabilities", "cut by depth"])
def test_the_script_places_a_tree_as_it_was_drawn(browser, tmp_path, leduc, probable):  # noqa: F811
    edge = some_probabilities(leduc) if probable else None
    tab = opened(browser, tmp_path, draw_tree(leduc, edge_probability=edge, unfold=True))
    before, lines = tab.evaluate(WHERE), tab.evaluate(LINES)
    root = tab.locator("[data-box='0']")
    root.click()
    assert len(tab.evaluate(WHERE)) == 2  # the first box and what is folded away after it
    root.click()
    after = tab.evaluate(WHERE)
    assert [row[0] for row in after] == [row[0] for row in before]
    np.testing.assert_allclose([row[1:] for row in after], [row[1:] for row in before], atol=0.3)
    same_numbers(tab.evaluate(LINES), lines)
    assert tab.trouble == []


@pytest.mark.slow
def test_a_box_folds_what_comes_after_it_and_more_unfolds_what_was_not_shown(browser, tmp_path, leduc):  # noqa: F811
    tab = opened(browser, tmp_path, draw_tree(leduc, edge_probability=some_probabilities(leduc), unfold=True))
    first = ends(tab)
    assert first == 30
    number = tab.locator("[data-box][aria-expanded=true]:visible").nth(1).get_attribute("data-box")
    box = tab.locator(f"[data-box='{number}']")
    tall = float(tab.locator("svg").get_attribute("height"))
    box.click()
    assert box.get_attribute("aria-expanded") == "false"
    assert ends(tab) < first
    assert (
        f"{ends(tab)} of {leduc.num_leaves:,} complete histories are shown"
        in tab.locator("[data-cover]").first.text_content()
    )
    assert float(tab.locator("svg").get_attribute("height")) < tall
    box.click()
    assert ends(tab) == first
    for _ in range(40):  # everything that the picture holds
        more = tab.locator("text[role=button]:visible")
        if not more.count():
            break
        more.first.click()
    assert ends(tab) > first
    assert tab.evaluate(OVERLAPS) == []
    # What is shown and what is folded away are together all histories.
    words = tab.locator("[data-rest]:visible").all_text_contents()
    folded = [int(re.search(r"… ([\d,]+) more", w).group(1).replace(",", "")) for w in words]
    assert sum(folded) + ends(tab) == leduc.num_leaves
    assert tab.trouble == []


@pytest.mark.slow
def test_a_tree_is_folded_with_the_keyboard_and_says_what_it_is_to_those_who_cannot_see_it(
    browser,  # noqa: F811
    axe,  # noqa: F811
    tmp_path,
):
    tab = opened(browser, tmp_path, draw_tree(compile(kuhn), unfold=True))
    assert tab.locator("svg").get_attribute("role") == "group"
    whole = ends(tab)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.dataset.box") == "0"
    tab.keyboard.press("Enter")
    assert ends(tab) == 0
    tab.keyboard.press("Space")
    assert ends(tab) == whole
    assert tab.locator("[data-link]:visible").count() > 0  # the curves that join infosets are back
    # Checked within a page, as in a notebook; twice, as the same output may stand in it twice.
    picture = draw_tree(compile(kuhn), unfold=True)
    page = f"<!doctype html><html lang=en><title>x</title><main><h1>x</h1>{picture}{picture}</main>"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    tab.goto((tmp_path / "page.html").as_uri())
    assert tab.locator("svg[data-live]").count() == 2
    tab.evaluate(axe)
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [v["id"] for v in found if v["id"] not in ("duplicate-id-aria",)] == []  # the second picture is the same
    tab.locator("svg").nth(1).locator("[data-box='0']").click()
    assert tab.locator("svg").nth(0).locator("circle:visible").count() == whole
    assert tab.locator("svg").nth(1).locator("circle:visible").count() == 0
    assert tab.trouble == []


@pytest.mark.slow
def test_without_scripts_the_picture_is_what_it_always_was(browser, tmp_path, leduc):  # noqa: F811
    tab = opened(
        browser, tmp_path, draw_tree(leduc, edge_probability=some_probabilities(leduc), unfold=True), javascript=False
    )
    assert tab.locator("[data-hint]").is_hidden()
    assert tab.locator("svg").get_attribute("role") == "img"
    assert ends(tab) == 30
