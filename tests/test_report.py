"""The brief as people and machines read it: terminal, page, charts, probability words."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from detente.decide.ensemble import Ensemble, run
from detente.errors import UsageError
from detente.model.priors import Triangular
from detente.model.scenario import load_scenario
from detente.report import charts, colours
from detente.report.brief import Brief, make_brief
from detente.report.check import explanation
from detente.report.decide_words import summary
from detente.report.html import TEMPLATES, courses_as_game, render_html, write_html
from detente.report.terminal import (
    best_policies,
    brief_json,
    open_steps,
    policy_title,
    print_brief,
    prior_text,
    range_text,
    value_text,
)
from detente.report.words import YARDSTICKS, bands, percent, percent_range, phrase, word

WHEN = "2024-10-26 09:00"
BROWSER = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
NASTY = "<script>alert('x')</script> & \"quoted\""

RULES = '''
"""Rules."""
from detente.model.language import crisis, players

PATRON, PROTEGE, ADVERSARY = players("patron", "protege", "adversary")


@crisis(players=(PATRON, PROTEGE, ADVERSARY))
def little(g, p):
    """A patron may ask its protege not to strike."""
    g.chance("resolve", {"low": 1 - p.hawk, "high": p.hawk}, seen_by=PROTEGE)
    asked = g.choose(PATRON, "message", ["back", "ask <b>"], seen_by=PROTEGE) == "ask <b>"
    strike = g.choose(PROTEGE, "strike", ["none", "force"], seen_by=(PATRON, ADVERSARY))
    reply = "none"
    if strike == "force":
        reply = g.choose(ADVERSARY, "reply", ["none", "force"], seen_by=(PATRON, PROTEGE))
    g.outcome(war=reply == "force", strain=asked and strike == "force", cost=-2 * (reply == "force"), strike=strike)
    lost = p.war * (reply == "force")
    gain = p.gain * (strike == "force")
    return {PATRON: -lost, PROTEGE: gain - lost - p.bond * (asked and strike == "force"), ADVERSARY: -gain}
'''

SCENARIO = r"""
format = 1
title = "A quarrel TITLE"
summary = "Somebody was attacked, and somebody else asks for restraint."
as_of = 2024-10-25
rules = "rules.py:little"
decides = "patron"
precision = 2.0
[who]
patron = "Bigland"
protege = "Smalland"
adversary = "Otherland <i>"
[parameters.hawk]
meaning = "How likely the protege is to be of high resolve."
unit = "probability"
prior = { kind = "beta", successes = 4, failures = 6 }
evidence = ["A-01"]
grade = 3
[parameters.war]
meaning = "What a war costs."
unit = "utility"
prior = { kind = "pert", low = 0.5, best = 1.5, high = 3.0 }
judgement = "The authors: NASTY"
[parameters.gain]
meaning = "What a strike brings."
unit = "utility"
prior = { kind = "uniform", low = 0.5, high = 1.5 }
evidence = ["A-02", "E2410-01"]
grade = 2
[parameters.bond]
meaning = "What defiance costs."
unit = "utility"
prior = { kind = "lognormal", median = 0.8, factor = 1.5 }
judgement = "The authors: a guess."
[policies.none]
title = "No policy"
meaning = "The patron plays the equilibrium."
[policies.back]
title = "Back it"
meaning = "The patron backs whatever is done."
commit = { message = "back" }
[policies.ask]
title = "Ask NASTY"
meaning = "The patron asks for restraint."
commit = { message = "ask <b>" }
[outcomes.war]
title = "war"
meaning = "The adversary replies with force."
headline = true
minds = { patron = "it may be drawn in" }
[outcomes.strain]
title = "strain"
meaning = "The protege strikes though it was asked not to."
[outcomes.cost]
title = "cost"
meaning = "What is lost; 0 is nothing."
better = "higher"
"""

WHEN_A = {"start": "2024-10-02", "end": "2024-10-02", "precision": "day"}
LATER = {"start": "2024-11-02", "end": "2024-11-02", "precision": "day"}
SOURCES = [
    {
        "id": "paper",
        "outlet": "A paper <u>",
        "title": "Report",
        "address": "https://example.org/a?b=1&c=2",
        "published": "2 October 2024",
        "published_start": "2024-10-02",
        "published_end": "2024-10-02",
        "reliability": "B",
    },
    {
        "id": "trap",
        "outlet": "A trap",
        "title": "Report",
        "address": "javascript:alert(1)",
        "published": "2 October 2024",
        "published_start": "2024-10-02",
        "published_end": "2024-10-02",
        "reliability": "E",
    },
]
CLAIMS = [
    {
        "id": "A-01",
        "statement": "Many in the cabinet want a strike.",
        "actor": "cabinet",
        "act": "wants",
        "reported": WHEN_A,
        "grade": 3,
        "status": "supported",
        "sources": ["paper", "trap"],
    },
    {
        "id": "A-02",
        "statement": "Nothing got through the defences.",
        "actor": "army",
        "act": "says",
        "reported": WHEN_A,
        "grade": 5,
        "status": "wrong",
        "sources": ["trap"],
        "quantity": {"low": 3, "best": 4, "high": 9, "unit": "impacts"},
        "checks": [{"relation": "contradicts", "source": "paper", "note": "Pictures show craters."}],
        "correction": "Some impacts were counted.",
    },
]
EVENTS = [
    {
        "id": "E2410-01",
        "happened": WHEN_A,
        "reported": "2024-10-02",
        "actor": "Otherland <i>",
        "act": "fires a salvo <img src=x>",
        "target": "Smalland",
        "severity": 6,
        "channel": "public",
        "attribution": "open",
        "sources": ["paper"],
        "confidence": "high",
    },
    {
        "id": "E2410-02",
        "happened": WHEN_A,
        "reported": "2024-10-03",
        "actor": "Bigland",
        "act": "telephones",
        "target": "Smalland",
        "severity": 1,
        "channel": "private",
        "attribution": "unacknowledged",
        "sources": ["paper"],
        "confidence": "medium",
    },
    {
        "id": "E2411-01",
        "happened": LATER,
        "reported": "2024-11-02",
        "actor": "Smalland",
        "act": "does what nobody knew then",
        "target": "Otherland",
        "severity": 3,
        "channel": "public",
        "attribution": "open",
        "sources": ["paper"],
        "confidence": "high",
    },
]


def lines(records: list[dict]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory) -> tuple:
    folder = tmp_path_factory.mktemp("little")
    (folder / "rules.py").write_text(RULES, encoding="utf-8")
    text = SCENARIO.replace("TITLE", NASTY.replace('"', '\\"')).replace("NASTY", NASTY.replace('"', '\\"'))
    (folder / "scenario.toml").write_text(text, encoding="utf-8")
    (folder / "record").mkdir()
    for name, records in (("sources", SOURCES), ("claims", CLAIMS), ("events", EVENTS), ("estimates", [])):
        (folder / "record" / f"{name}.jsonl").write_text(lines(records), encoding="utf-8")
    scenario = load_scenario(folder)
    return scenario, run(scenario, num_draws=64, seed=3)


@pytest.fixture(scope="module")
def brief(ensemble) -> Brief:
    return make_brief(*ensemble)


@pytest.fixture(scope="module")
def page(brief) -> str:
    return render_html(brief, generated=WHEN)


@pytest.fixture(scope="module")
def october() -> Brief:
    scenario = load_scenario("october-2024")
    return make_brief(scenario, run(scenario, num_draws=80))


@pytest.fixture(scope="module")
def decided() -> Brief:
    """With enough worlds to say which policy is robust."""
    scenario = load_scenario("october-2024")
    return make_brief(scenario, run(scenario, num_draws=256))


@pytest.fixture(scope="module")
def decided_file(decided, tmp_path_factory) -> Path:
    return write_html(decided, tmp_path_factory.mktemp("decided") / "brief.html", generated=WHEN)


@pytest.fixture(scope="module")
def october_file(october, tmp_path_factory) -> Path:
    return write_html(october, tmp_path_factory.mktemp("october") / "brief.html", generated=WHEN)


def unconverged(ensemble: Ensemble, draws: int) -> Ensemble:
    """The same ensemble, had the solver failed in the first few draws."""
    status = ensemble.status.copy()
    status[0, :draws] = 2
    return replace(ensemble, status=status)


def printed(brief: Brief, width: int = 100, **options) -> str:
    out = StringIO()
    print_brief(brief, Console(file=out, width=width, **options), "/somewhere/brief.html")
    return out.getvalue()


# -- probability words --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(YARDSTICKS))
def test_words_have_the_published_bounds(name, shared):
    published = json.loads((shared / "scales" / "yardsticks.json").read_text(encoding="utf-8"))[name]["bands"]
    # "impossible" and "certain" stand for one value each and are not words of estimation; synonyms come second.
    wanted = {row[0].removesuffix("(ly)"): tuple(row[-2:]) for row in published if row[-2] != row[-1]}
    assert {band.word: (band.low, band.high) for band in bands(name)} == wanted


shares = st.floats(0, 1, allow_nan=False)


def touched(low: float, high: float, yardstick: str) -> int:
    """In how many bands some of the values low … high lie; a value on a border belongs to the band above."""
    return sum(1 for b in bands(yardstick) if 100 * high >= b.low and 100 * low < b.high)


@given(st.tuples(shares, shares, shares).map(sorted), st.sampled_from(sorted(YARDSTICKS)))
def test_no_word_where_the_interval_spans_more_than_two_bands(values, yardstick):
    low, median, high = values
    text = phrase(median, low, high, yardstick)
    used = [band.word for band in bands(yardstick) if re.match(rf"{re.escape(band.word)} \(", text)]
    if touched(low, high, yardstick) > 2:
        assert used == []
        assert percent_range(low, high) in text
    assert percent(median) in text, "a word never stands without its number"


@given(shares, st.sampled_from(sorted(YARDSTICKS)))
def test_a_word_belongs_to_the_band_of_its_number(share, yardstick):
    found = word(share, yardstick)
    inside = [b.word for b in bands(yardstick) if b.low <= 100 * share <= b.high]
    assert found in inside if found else len(inside) <= 1


def test_unknown_yardstick_is_reported_with_the_nearest_name():
    with pytest.raises(UsageError, match="Did you mean 'icd203'"):
        bands("icd230")


def test_the_bottom_line_says_what_it_leaves_out_of_what_moves_the_outcome_most(october, brief):
    chart = october.influences["regional_war"].items
    assert chart[0].parameter == october.scenario.file.precision  # what the chart shows first
    said = october.bottom_line[-1]
    assert f"with the {october.scenario.parameter_title(chart[1].parameter)} (rank" in said
    assert "), apart from the precision of choices; " in said
    assert not any("apart from" in sentence for sentence in brief.bottom_line)  # nothing is left out there


# -- the terminal -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("width", [80, 100])
def test_the_terminal_fits_its_width(brief, october, width):
    for one in (brief, october):
        text = printed(one, width)
        assert max(len(line) for line in text.splitlines()) <= width
        for sentence in one.bottom_line:
            for part in sentence.split():
                assert part in text


def test_the_terminal_prints_every_number_of_the_table(brief):
    text = printed(brief)
    for policy, row in brief.table.items():
        assert policy_title(brief, policy).split()[0] in text
        for name, cell in row.items():
            for value in (cell.median, cell.worst):
                assert value_text(brief, name, value) in text
            assert range_text(brief, name, cell.low, cell.high) in text


def test_no_colour_codes_when_not_a_terminal_or_asked_not_to(brief, monkeypatch):
    assert "\x1b" not in printed(brief)
    monkeypatch.setenv("NO_COLOR", "1")
    codes = re.findall(r"\x1b\[([\d;]*)m", printed(brief, force_terminal=True))
    assert not [code for code in codes if re.search(r"(^|;)(3[0-7]|38|4[0-7]|48|9[0-7])(;|$)", code)]


def test_the_best_value_is_marked_without_colour(brief):
    best = best_policies(brief, "war")
    assert best == ("ask",)
    cell = brief.table["ask"]["war"]
    assert f"{value_text(brief, 'war', cell.median)}*" in printed(brief)


def test_higher_is_best_where_higher_is_better(brief):
    medians = {p: brief.table[p]["cost"].median for p in brief.table}
    assert best_policies(brief, "cost") == (max(medians, key=medians.get),)


def test_where_the_printed_medians_are_equal_nothing_is_best(brief):
    same = {p: {n: replace(c, median=0.1234) for n, c in row.items()} for p, row in brief.table.items()}
    assert best_policies(replace(brief, table=same), "war") == ()


def test_draws_that_did_not_converge_are_always_counted(ensemble, brief):
    scenario, solved = ensemble
    assert "0 of 64 draws did not converge" in printed(brief)
    failed = make_brief(scenario, unconverged(solved, 5))
    assert "5 of 64 draws did not converge and are left out" in printed(failed)
    assert "\x1b[1;31m5 of 64 draws" in printed(failed, force_terminal=True, color_system="standard")
    assert '<strong class="warn">5 of 64 draws' in render_html(failed, generated=WHEN)
    assert brief_json(failed)["convergence"]["not converged"] == 5


def test_where_the_page_is_stands_on_one_line(brief):
    out = StringIO()
    path = "/a/long/" + "folder/" * 20 + "brief.html"
    print_brief(brief, Console(file=out, width=80), path)
    assert any(path in line for line in out.getvalue().splitlines())


def test_markup_in_a_title_is_printed_as_it_stands(ensemble):
    scenario, solved = ensemble
    titled = replace(scenario, file=scenario.file.model_copy(update={"title": "[red]Not red[/red] [/]"}))
    assert "[red]Not red[/red] [/]" in printed(make_brief(titled, solved))


def test_courses_leave_out_what_the_policy_fixes(brief):
    for path in brief.paths["ask"]:
        assert "message" in dict(path.steps)
        assert "message" not in dict(open_steps(brief, "ask", path))


def test_json_holds_everything_that_is_printed(brief):
    found = json.loads(json.dumps(brief_json(brief), allow_nan=False))
    assert found["bottom_line"] == list(brief.bottom_line)
    assert found["table"]["ask"]["war"]["median"] == brief.table["ask"]["war"].median
    assert found["choices"]["strike"]["back"]["force"]["high"] == brief.choices["strike"]["back"]["force"].high
    assert found["influences"]["war"]["items"][0]["parameter"] == brief.influences["war"].items[0].parameter
    assert found["evidence"]["hawk"]["rows"][0]["id"] == "A-01"
    assert found["corrections"][0]["instead"] == "Some impacts were counted."
    assert found["outcomes"]["war"]["best"] == ["ask"]
    assert {"paths", "convergence", "manifest"} <= set(found)


# -- which policy stands up best ----------------------------------------------------------------------------
def test_too_few_worlds_for_a_decision_are_said_and_not_passed_over(brief, page):
    assert brief.decision is None
    said = "64 worlds are too few to say which policy is robust: ask for at least 200."
    assert said in " ".join(printed(brief).split())
    assert said in page
    assert brief_json(brief)["decision"] is None


def test_one_policy_alone_leaves_nothing_to_choose(ensemble):
    scenario, _ = ensemble
    alone = make_brief(scenario, run(scenario, num_draws=256, policies={"ask": scenario.policy("ask")}))
    assert "compare at least two" in printed(alone)


def test_the_brief_says_what_decide_says(decided):
    assert decided.decision is not None
    text = " ".join(printed(decided, 80).split())
    for sentence in summary(decided.decision):
        assert sentence in text
    assert max(len(line) for line in printed(decided, 80).splitlines()) <= 80
    assert brief_json(decided)["decision"]["preferred"] == decided.decision.preferred


def test_the_page_has_the_cards_the_signs_and_the_assumptions(decided, decided_file):
    page = decided_file.read_text(encoding="utf-8")
    decision = decided.decision
    assert decision is not None
    found = outline(page)
    text = " ".join("".join(found.text).replace("\N{NO-BREAK SPACE}", " ").split())
    for card in decision.cards:
        title = policy_title(decided, decision.preferred)
        assert card.text.replace(f"*{title}*", f"“{title}”") in text
    for assumption in decision.assumptions[:7]:
        assert assumption.text[1:] in text
    for item in decision.indicators["regional_war"].items:
        assert item.move[1:] in text
    ids = [a["id"] for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))


# -- the page -----------------------------------------------------------------------------------------------
class Outline(HTMLParser):
    """What a page is made of; complains about tags that are not closed in order."""

    VOID = {"meta", "br", "hr", "img", "input", "link"}

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice: {attrs}"
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_the_same_ensemble_gives_the_same_bytes(ensemble, page):
    assert render_html(make_brief(*ensemble), generated=WHEN).encode() == page.encode()


def test_nothing_of_the_page_is_fetched(page):
    found = outline(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "video", "audio"} & {t for t, _ in found.tags}
    for tag, attributes in found.tags:
        assert "src" not in attributes and "srcset" not in attributes, (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        if "href" in attributes and tag != "a":
            assert attributes["href"].startswith("#"), (tag, attributes)
    assert "@import" not in page and "@font-face" not in page
    assert not re.search(r"url\(\s*['\"]?(?!#)", page)


def test_the_page_is_well_formed(page):
    found = outline(page)
    ids = [a["id"] for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids)), sorted(i for i in ids if ids.count(i) > 1)
    for _, attributes in found.tags:
        for key in ("aria-labelledby", "aria-describedby"):
            assert set(attributes.get(key, "").split()) <= set(ids), attributes
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False)), levels
    assert all(a.get("scope") in ("col", "row") for tag, a in found.tags if tag == "th")
    assert all(a.get("role") == "img" for tag, a in found.tags if tag == "svg")
    assert dict(found.tags)["html"]["lang"] == "en"


def test_every_number_of_the_table_is_on_the_page(brief, page):
    text = "|".join(outline(page).text)
    for row in brief.table.values():
        for name, cell in row.items():
            wanted = [value_text(brief, name, cell.median), range_text(brief, name, cell.low, cell.high)]
            assert "|".join(wanted) in text.replace("| ★|", "|").replace("| best|", "|"), (name, wanted)
            assert f"worst {value_text(brief, name, cell.worst)}" in text
    for rows in brief.choices.values():
        for row in rows.values():
            for cell in row.values():
                assert f"{percent(cell.median)}|{percent_range(cell.low, cell.high)}" in text


def test_text_from_a_scenario_is_escaped(page):
    assert "<script" not in page and "<img" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;quoted&#34;" in page
    assert "Otherland &lt;i&gt;" in page and "ask &lt;b&gt;" in page and "A paper &lt;u&gt;" in page
    assert "Otherland <i>" not in page and "A paper <u>" not in page and "ask <b>" not in page


def test_only_addresses_of_the_web_become_links(page):
    links = [a["href"] for tag, a in outline(page).tags if tag == "a"]
    assert "https://example.org/a?b=1&c=2" in links
    assert "javascript:" not in page
    assert "A trap, 2 October 2024" in page


def test_evidence_stands_with_its_sources_and_what_contradicts_it(page):
    text = " ".join(" ".join(outline(page).text).split())
    assert "Nothing got through the defences. 3–9 impacts (best 4). information grade 5 of 6, wrong" in text
    assert "Pictures show craters." in text
    assert "Used instead: Some impacts were counted." in text


def test_what_became_known_later_is_not_on_the_page(page):
    assert "telephones" in page
    assert "does what nobody knew then" not in page


def test_every_parameter_is_listed_with_what_it_rests_on(brief, page):
    listed = page[page.index('<details class="parameters">') :]
    for name, parameter in brief.scenario.file.parameters.items():
        assert f'<th scope="row">{name.capitalize()}</th><td>{parameter.meaning}' in listed
    assert "evidence, grade 3 (A-01)" in listed


def test_private_types_are_named_with_who_knows_them(page):
    assert "resolve (low or high; known to Smalland)" in page


def test_a_sketch_without_a_record_makes_a_page_too(ensemble):
    scenario, solved = ensemble
    from detente.record import Ledger

    bare = make_brief(replace(scenario, ledger=Ledger(), file=_without_evidence(scenario.file)), solved)
    found = render_html(bare, generated=WHEN)
    outline(found)
    assert 'id="record"' not in found


def _without_evidence(file):
    judged = {
        n: p.model_copy(update={"evidence": (), "grade": None, "judgement": "a guess"})
        for n, p in file.parameters.items()
    }
    return file.model_copy(update={"parameters": judged})


# -- courses of events --------------------------------------------------------------------------------------
def test_the_tree_sums_over_private_types_and_keeps_the_probability(ensemble):
    _, solved = ensemble
    mean = solved.leaf_mean[0]
    game, edges = courses_as_game(solved.game, mean, title="courses")
    reach = np.ones(game.num_nodes)
    for node in range(1, game.num_nodes):
        reach[node] = reach[game.parent[node]] * edges[node]
    assert "resolve" not in {move for leaf in game.leaf_nodes for move, _ in game.history(int(leaf))}
    assert reach[game.leaf_nodes].sum() == pytest.approx(1)
    wanted: dict = {}
    for index, leaf in enumerate(solved.game.leaf_nodes):
        steps = solved.game.history(int(leaf))[1:]
        wanted[steps] = wanted.get(steps, 0) + mean[index]
    found = {game.history(int(leaf)): reach[leaf] for leaf in game.leaf_nodes}
    assert found == pytest.approx({steps: share for steps, share in wanted.items() if share > 0})


def test_the_tree_is_drawn_with_the_names_of_the_players(page):
    tree = page[page.index('class="dt-tree"') :]
    assert "Smalland" in tree[: tree.index("</svg>")]
    assert "payoffs are formulas" not in page


# -- charts -------------------------------------------------------------------------------------------------
def rows_of(chart) -> list[dict]:
    """The data of a chart and of its layers, each once."""
    spec = chart.to_dict()
    found = [part["data"]["values"] for part in (spec, *spec["layer"]) if "data" in part]
    return [row for index, rows in enumerate(found) if rows not in found[:index] for row in rows]


def test_a_policy_has_one_colour_in_every_chart(brief):
    for name in brief.outcomes:
        spec = json.dumps(charts.options_chart(brief, name).to_dict())
        for index, policy in enumerate(brief.ensemble.policies):
            assert charts.policy_colour(brief, policy) in spec
            assert f"--c{index}," in charts.policy_colour(brief, policy)


def test_the_shares_of_a_chart_add_up_to_one(brief):
    ends = {}
    for row in rows_of(charts.choices_chart(brief, "strike")):
        ends[row["policy"]] = max(row["end"], ends.get(row["policy"], 0))
    assert list(ends.values()) == pytest.approx([1.0] * len(brief.ensemble.policies))


def test_private_acts_stand_below_the_line(brief):
    rows = [row for row in rows_of(charts.timeline_chart(brief)) if "number" in row]
    assert [(row["actor"], row["height"] > 0) for row in rows] == [("Otherland <i>", True), ("Bigland", False)]
    assert "paper" in rows[1]["fill"], "nobody has owned to it: a hollow mark"


def test_words_in_a_chart_are_printed_as_they_stand(ensemble, brief):
    scenario, solved = ensemble
    odd = scenario.file.policies["ask"].model_copy(update={"title": 'id="x" 0.12345 role="y"'})
    file = scenario.file.model_copy(update={"policies": scenario.file.policies | {"ask": odd}})
    chart = charts.options_chart(make_brief(replace(scenario, file=file), solved), "war")
    picture = charts.to_svg(chart, name="odd", title="Odd", description="Odd.")
    found = outline(picture)
    assert any(text.startswith('id="x" 0.12345') for text in found.text), found.text
    assert {a["id"] for _, a in found.tags if "id" in a} == {"odd-t", "odd-d"}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def page_colours() -> list[dict[str, str]]:
    """The variables of the light and of the dark page."""
    text = (TEMPLATES / "brief.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root\{(--paper[^}]*)\}", text)
    assert len(blocks) == 2
    found = []
    for block in blocks:
        pairs = dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})\b", block))
        found.append({n: c if len(c) == 7 else "#" + "".join(2 * x for x in c[1:]) for n, c in pairs.items()})
    return found


def test_text_and_marks_stand_out_in_light_and_dark():
    light, dark = page_colours()
    for shades, players, policies in (
        (light, colours.PLAYER_LIGHT, colours.POLICY_LIGHT),
        (dark, colours.PLAYER_DARK, colours.POLICY_DARK),
    ):
        for ground in ("paper", "panel"):
            for name in ("ink", "muted", "accent", "warn"):
                assert contrast(shades[name], shades[ground]) >= 4.5, (name, ground)
        for colour in players:
            assert contrast(colour, shades["paper"]) >= 4.5, colour
        for colour in policies:
            assert contrast(colour, shades["paper"]) >= 3, colour
    for step, text in ((colours.STEP_LIGHT, colours.STEP_TEXT_LIGHT), (colours.STEP_DARK, colours.STEP_TEXT_DARK)):
        assert min(contrast(a, b) for a, b in zip(step, text, strict=True)) >= 4.5


# -- writing ------------------------------------------------------------------------------------------------
def test_a_page_that_cannot_be_written_is_reported_with_its_path(brief, tmp_path):
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    for path in (tmp_path / "nowhere" / "brief.html", file / "brief.html", tmp_path):
        with pytest.raises(UsageError, match=re.escape(str(path))):
            write_html(brief, path, generated=WHEN)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(28, "No space left on device"), ValueError])
def test_nothing_is_half_written(brief, tmp_path, monkeypatch, interruption):
    path = tmp_path / "brief.html"
    path.write_text("the old page", encoding="utf-8")

    def fail(*_args, **_kwargs):
        raise interruption

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises((KeyboardInterrupt, UsageError, ValueError)):
        write_html(brief, path, generated=WHEN)
    assert path.read_text(encoding="utf-8") == "the old page"
    assert [p.name for p in tmp_path.iterdir()] == ["brief.html"]


def test_nothing_is_written_when_the_page_cannot_be_made(brief, tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("detente.report.html.render_html", fail)
    with pytest.raises(KeyboardInterrupt):
        write_html(brief, tmp_path / "brief.html", generated=WHEN)
    assert list(tmp_path.iterdir()) == []


def test_the_templates_are_where_a_wheel_carries_them():
    program = (
        "from importlib.resources import files; print((files('detente') / 'report/templates/brief.css').is_file())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True", done.stderr


# -- in a browser -------------------------------------------------------------------------------------------
def test_october_is_one_file_of_a_moderate_size(october_file):
    assert october_file.stat().st_size < 1_500_000
    outline(october_file.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_page_is_readable_on_a_telephone_and_fetches_nothing(october_file, chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER)
        try:
            for width, scheme in ((360, "light"), (360, "dark"), (1200, "light")):
                tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
                asked, complaints = [], []
                tab.on("request", lambda request, seen=asked: seen.append(request.url))
                tab.on("console", lambda message, seen=complaints: seen.append(message.text))
                tab.goto(october_file.as_uri())
                assert tab.evaluate("document.documentElement.scrollWidth") <= width
                assert asked == [october_file.as_uri()]
                assert complaints == []
                small = tab.evaluate(
                    "Math.min(...[...document.querySelectorAll('.grid svg text')].filter(t => t.textContent)"
                    ".map(t => t.getBoundingClientRect().height))"
                )
                assert small >= 8, "letters in a chart are too small to read"
                tab.close()
        finally:
            browser.close()


@pytest.mark.slow
def test_the_page_prints_on_four_pages(decided_file, chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER)
        try:
            tab = browser.new_page(color_scheme="dark")
            tab.goto(decided_file.as_uri())
            paper = tab.pdf(prefer_css_page_size=True)
            tab.emulate_media(media="print")
            ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
            sizes = tab.evaluate(
                "[...document.querySelectorAll('p, td, th, li, dd, h2, .range')].filter(e => e.offsetParent)"
                ".map(e => parseFloat(getComputedStyle(e).fontSize))"
            )
        finally:
            browser.close()
    pages = len(re.findall(rb"/Type\s*/Page\b", paper))
    assert 2 <= pages <= 4
    assert re.search(rb"/MediaBox \[0 0 59[45][\d.]* 84[12][\d.]*\]", paper), "not A4"
    assert ground == "rgb(255, 255, 255)", "the dark page must print on white"
    assert min(sizes) >= 6 * 96 / 72, "letters on paper are smaller than six points"


# -- priors from the record ------------------------------------------------------------------------
def test_a_prior_from_the_record_is_printed_with_its_origin():
    priors = load_scenario("october-2024").priors
    assert "from the salvo oct2024: mean 0.7" in prior_text(priors["reliability"])
    assert "moves with reliability (rank correlation +0.3" in prior_text(priors["interception"])
    assert "salvo" not in prior_text(priors["alliance"])


def test_a_triangle_can_be_printed():
    assert prior_text(Triangular(low=1, best=2, high=4)) == "1 to 4, best guess 2 (triangle)"


def test_the_explanation_of_a_scenario_ends_with_every_prior():
    scenario = load_scenario("april-2024")
    text = explanation(scenario).partition("PRIORS")[2]
    assert all(f"\n  {name}: " in text for name in scenario.priors)
    assert re.search(r"\n  interception: a share, .*; from the salvo apr2024: mean 0\.83, .* \[share\]", text)
