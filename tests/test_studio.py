"""The studio: settings, forecasts, the tree and its places, many worlds, saving, the record, and who may do what."""

import asyncio
import csv
import io
import json
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from xml.etree import ElementTree

import numpy as np
import pytest
from play_fixtures import ADDRESS, Browser, house

from detente.axes import CHOICE, LEAF
from detente.decide.ensemble import run
from detente.decide.options import options_table
from detente.errors import ScenarioError, SolveError, UsageError
from detente.model.new import new_scenario
from detente.model.priors import median_draw
from detente.model.scenario import load_scenario
from detente.play.guard import Refused
from detente.play.server import make_app
from detente.report.html import courses_as_game
from detente.solve.api import solve
from detente.solve.problem import evaluate
from detente.solve.solution import edge_probabilities
from detente.studio import forecast as forecast_module
from detente.studio.courses import make_courses, probabilities
from detente.studio.forecast import open_room
from detente.studio.nodes import _minds, look_at
from detente.studio.pages import slider
from detente.studio.process import Desk, Solver, answer
from detente.studio.ranges import begin, go_on
from detente.studio.routes import Studio
from detente.studio.save import save_setting
from detente.studio.setting import Setting, held_scenario, number, read_view, slider_range, world
from detente.studio.shell import Address
from detente.studio.tree import linked, picture, places
from detente.studio.warm import STEPS, Warm

DAY = date(2031, 5, 1)


@pytest.fixture
def home(tmp_path):
    """A folder with one scenario of one's own in it."""
    new_scenario(tmp_path / "my-crisis", title="A crisis of mine", today=DAY)
    return tmp_path


@pytest.fixture
def own(home):
    return open_room(load_scenario(home / "my-crisis"))


@pytest.fixture(scope="module")
def october():
    return open_room(load_scenario("october-2024"))


class Direct:
    """Answers in this process, through JSON as the real one does."""

    def __init__(self, desk: Desk):
        self.desk = desk

    async def ask(self, question):
        if question["kind"] == "ready":  # nobody waits in a test
            return {}
        found = json.loads(json.dumps(await asyncio.to_thread(answer, self.desk, json.loads(json.dumps(question)))))
        if "error" in found:
            raise Refused(found["status"], found["error"])
        return found["answer"]

    async def close(self):
        pass


class Site:
    """A server with a studio: somebody who may only look, and a facilitator."""

    def __init__(self, running, home):
        desk = Desk(home, today=lambda: datetime(2031, 5, 1, 12, tzinfo=UTC))
        studio = Studio(home, quick=Direct(desk), slow=Direct(desk))
        self.studio = studio
        app = make_app(running.host, parts=[studio], address=ADDRESS, clock=running.clock)
        self.clock = running.clock
        self.guest = Browser(running.loop, app)
        self.facilitator = Browser(running.loop, app)
        self.facilitator.cookies = running.facilitator.cookies
        self.base = running.home.rstrip("/")

    def open(self, path):
        self.clock.now += 10  # nobody is asked to wait between two tests of the same page
        return self.guest.open(path)

    def own(self, path):
        self.clock.now += 10
        return self.facilitator.open(self.base + path)


@pytest.fixture
def site(home):
    with house() as running:
        made = Site(running, home)
        yield made
        running.loop.run(made.studio.close())


def setting_of(room, **values):
    policy = values.pop("policy", "")
    pairs = [("policy", policy), *((f"p.{name}", str(value)) for name, value in values.items())]
    return read_view(pairs, room.scenario).setting


# -- settings ---------------------------------------------------------------------------------------
def test_a_slider_in_the_middle_holds_nothing_and_a_moved_one_holds_its_value(own):
    medians = median_draw(own.scenario.priors)
    setting = setting_of(own, war=number(medians["war"]), face=0.5)
    assert setting.values == (("face", 0.5),)
    assert world(own.scenario, setting) == medians | {"face": 0.5}


def test_an_address_says_the_same_setting_again(own):
    view = read_view(
        [("policy", "warning"), ("p.face", "0.5"), ("node", "2"), ("courses", "30"), ("pin", "policy=none&p.war=2")],
        own.scenario,
    )
    assert view.pins == (Setting("none", (("war", 2.0),)),)
    from urllib.parse import parse_qsl

    assert read_view(parse_qsl(view.query()), own.scenario) == view


@pytest.mark.parametrize(
    ("pair", "complaint"),
    [
        (("p.war", "many"), "war: 'many' is not a number"),
        (("p.war", "nan"), "war: 'nan' is not a number"),
        (("p.war", "9"), "war: 9 lies outside its prior. Give 0.8 to 3"),
        (("p.wra", "1"), "wra: is not a parameter.*war"),
        (("policy", "warn"), "policy: 'warn' is not a policy.*warning"),
        (("node", "-1"), "node: '-1' is not a whole number"),
        (("courses", "7"), "courses: '7' is not offered. Give one of 9, 30, 60"),
    ],
)
def test_an_address_that_cannot_be_answered_says_where_and_what(own, pair, complaint):
    with pytest.raises(UsageError, match=complaint):
        read_view([pair], own.scenario)


def test_every_slider_reaches_from_end_to_end_of_its_prior(october):
    for name, prior in october.scenario.priors.items():
        low, high = slider_range(prior)
        shown = slider(october.scenario, name, Setting("no-policy"), Address())
        assert low < high
        for end in (shown["low"], shown["high"], shown["median"]):
            setting_of(october, **{name: end})  # refuses what lies outside


def test_what_is_held_moves_with_nothing(home):
    path = home / "my-crisis" / "scenario.toml"
    path.write_text(path.read_text("utf-8") + "\n[correlations.war]\nface = 0.5\n", encoding="utf-8")
    scenario = load_scenario(home / "my-crisis")
    held = held_scenario(scenario, Setting("none", (("war", 2.0),)))
    assert held.priors["war"].value == 2.0
    assert held.file.correlations == {}
    assert scenario.file.correlations == {"war": {"face": 0.5}}
    assert held.game is scenario.game


# -- forecasts --------------------------------------------------------------------------------------
@pytest.mark.parametrize("policy", ["none", "silence", "warning"])
def test_the_forecast_is_what_the_solver_says_of_that_world(own, policy):
    setting = setting_of(own, policy=policy, war=2, leak=0.5)
    found = own.forecast(setting)
    solution = solve(own.scenario.game, world(own.scenario, setting), precision=own.scenario.file.precision)
    commit = own.scenario.file.policies[policy].commit
    for name in ("war", "attacked"):
        assert found.outcomes[policy][name] == pytest.approx(float(solution.outcome(name, commit)[0]), abs=1e-8)


def test_an_announced_policy_is_solved_as_a_game_of_its_own(home):
    path = home / "my-crisis" / "scenario.toml"
    text = path.read_text("utf-8").replace(
        'commit = { message = "warning" }', 'commit = { message = "warning" }\nannounced = true'
    )
    path.write_text(text, encoding="utf-8")
    room = open_room(load_scenario(home / "my-crisis"))
    setting = setting_of(room, policy="warning")
    alone = solve(room.scenario.game, world(room.scenario, setting), precision=3.0, commit={"message": "warning"})
    found = room.forecast(setting)
    assert found.outcomes["warning"]["war"] == pytest.approx(float(alone.outcome("war")[0]), abs=1e-8)
    assert len(found.messages) >= 1
    assert look_at(room, found, places(found, courses=9)[0]).reach == pytest.approx(1)


def test_a_world_without_an_equilibrium_gives_a_message_and_no_numbers(own, monkeypatch):
    real = forecast_module.solve

    def lost(*args, **options):
        from dataclasses import replace

        solution = real(*args, **options)
        return replace(solution, status=np.full(1, 2))

    monkeypatch.setattr(forecast_module, "solve", lost)
    with pytest.raises(SolveError, match="no equilibrium was found at this setting.*Lower the precision"):
        own.forecast(setting_of(own, face=0.5))


# -- the tree ---------------------------------------------------------------------------------------
def test_courses_are_as_likely_as_when_merged_leaf_by_leaf(october):
    found = october.forecast(setting_of(october, policy="no-policy"))
    courses = found.frame.courses
    _, reach = probabilities(courses, found.frame.game, found.leaf)
    merged, edges = courses_as_game(found.frame.game, found.leaf, title="")
    expected = {}
    for leaf in merged.leaf_nodes:
        node, share = int(leaf), 1.0
        while node:
            share *= edges[node]
            node = int(merged.parent[node])
        expected[merged.history(int(leaf))] = share
    ours = {courses.tree.history(int(leaf)): reach[leaf] for leaf in courses.tree.leaf_nodes if reach[leaf] > 0}
    assert ours.keys() == expected.keys()
    assert all(ours[key] == pytest.approx(expected[key], abs=1e-12) for key in ours)


def test_a_game_whose_histories_cannot_be_merged_is_drawn_as_it_is():
    import detente as dt

    (ann,) = dt.players("ann")

    @dt.crisis(players=(ann,))
    def fork(g, p):
        """A coin decides which question is asked."""
        if g.chance("coin", {"heads": 0.5, "tails": 0.5}, seen_by=ann) == "heads":
            return {ann: g.choose(ann, "left", ["a", "b"]) == "a"}
        return {ann: g.choose(ann, "right", ["c", "d"]) == "c"}

    game = dt.compile(fork)
    courses = make_courses(game)
    assert courses.types == ()
    assert courses.tree.num_nodes == game.num_nodes
    assert courses.place.tolist() == list(range(game.num_nodes))


@pytest.mark.parametrize("policy", ["no-policy", "red-lines"])
@pytest.mark.parametrize("courses", [9, 30])
def test_every_place_of_the_drawing_is_a_link_with_its_own_name(october, policy, courses):
    found = october.forecast(setting_of(october, policy=policy))
    numbers = places(found, courses=courses)
    drawn = picture(october, found, courses=courses, title="T", theme_css=False)
    svg = linked(drawn, {n: f"?node={n}" for n in numbers}, numbers[1])
    ElementTree.fromstring(svg)
    links = re.findall(r'<a href="\?node=(\d+)"[^>]*><g class="[^"]*"><title>(.*?)</title>', svg)
    assert [int(place) for place, _ in links] == numbers
    tree = found.frame.courses.tree
    for place, title in links:
        assert f": {tree.move_at(int(place))}" in title
    assert svg.count('aria-current="true"') == 1
    assert "<style" not in svg


# -- places -----------------------------------------------------------------------------------------
def all_places(room, found):
    tree = found.frame.courses.tree
    _, reach = probabilities(found.frame.courses, found.frame.game, found.leaf)
    return [int(n) for n in np.flatnonzero((tree.kind != LEAF) & (reach > 0))]


@pytest.mark.parametrize("policy", ["none", "warning"])
def test_what_options_bring_adds_up_to_the_forecast(own, policy):
    found = own.forecast(setting_of(own, policy=policy, leak=0.5))
    start = look_at(own, found, 0)
    assert sum(option.chance for option in start.options) == pytest.approx(1)
    for name, value in found.outcomes[policy].items():
        total = sum(option.chance * option.outcomes[name] for option in start.options)
        assert total == pytest.approx(value, abs=1e-9)


def test_choices_are_as_exact_as_the_expected_payoffs_shown_say(own, october):
    """Log-odds of two options are precision × the difference of what they are expected to bring: the rule itself."""
    for room, precision in ((own, 3.0), (october, median_draw(october.scenario.priors)["precision"])):
        found = room.forecast(setting_of(room))
        for place in all_places(room, found)[:40]:
            for mind in look_at(room, found, place).minds:
                labels = list(mind.chances)
                for one, other in zip(labels, labels[1:], strict=False):
                    odds = np.log(mind.chances[one] / mind.chances[other])
                    gap = mind.expected[one] - mind.expected[other]
                    assert odds == pytest.approx(precision * gap, abs=1e-6)


def test_a_player_is_shown_to_know_what_it_was_told_and_no_more(own):
    found = own.forecast(setting_of(own))
    tree = found.frame.courses.tree
    private = next(
        n for n in all_places(own, found) if tree.move_at(n) == "answer" and ("press", "silent") in tree.history(n)
    )
    known = {k.player: k for k in look_at(own, found, private).knowledge}
    assert "message" not in dict(known["rival"].knows)
    assert "message" in known["rival"].unknown
    assert ("message", "warning") in known["state"].knows
    assert known["state"].own and not known["rival"].own


def test_a_parameter_moves_options_as_far_apart_as_is_said(own):
    found = own.forecast(setting_of(own))
    game, problem = found.frame.game, found.equilibrium.problem
    number = next(n for n in all_places(own, found) if found.frame.courses.tree.kind[n] == CHOICE)
    place = look_at(own, found, number)
    hinge = next(h for h in place.hinges if h.parameter == "war")  # it stands in payoffs alone
    here = np.flatnonzero(found.frame.courses.place == number)
    edges = edge_probabilities(problem, found.equilibrium.probabilities)[:, 0]
    weights = np.full(len(here), 1 / len(here))
    base, ends = world(own.scenario, found.setting), own.scenario.priors["war"].quantile(np.array([0.05, 0.95]))
    infoset = next(i for i, mind in enumerate(game.infosets) if dict(mind.knows) == dict(place.minds[0].facts))
    values = []
    for end in ends:
        at_end = evaluate(game, base | {"war": end})
        minds = dict(_minds(own, game, at_end, edges, here, weights))
        values.append(np.array(list(minds[infoset].expected.values())))
    assert hinge.swing == pytest.approx(np.ptp(values[1] - values[0]), rel=1e-9)


def test_a_place_that_is_not_there_is_refused(own):
    found = own.forecast(setting_of(own, policy="silence"))
    tree = found.frame.courses.tree
    warned = next(n for n in range(tree.num_nodes) if tree.history(n)[:1] == (("message", "warning"),))
    with pytest.raises(UsageError, match="under this policy play does not get to that place"):
        look_at(own, found, warned)
    for wrong in (tree.num_nodes, int(tree.leaf_nodes[0])):
        with pytest.raises(UsageError, match="is not a place of this tree"):
            look_at(own, found, wrong)


def test_a_scenario_in_which_nobody_chooses_is_explored_all_the_same(tmp_path):
    folder = tmp_path / "storm"
    folder.mkdir()
    (folder / "rules.py").write_text(
        "import detente as dt\n"
        "ANN, = dt.players('ann')\n"
        "@dt.crisis(players=(ANN,))\n"
        "def storm(g, p):\n"
        "    'It rains or not.'\n"
        "    rains = g.chance('rain', {'dry': 1 - p.wet, 'wet': p.wet}) == 'wet'\n"
        "    g.outcome(rains=rains)\n"
        "    return {ANN: -1 * rains}\n",
        encoding="utf-8",
    )
    text = (
        'format = 1\ntitle = "Storm"\nsummary = "Rain."\nas_of = 2031-05-01\nrules = "rules.py:storm"\n'
        'decides = "ann"\n[policies.none]\ntitle = "None"\nmeaning = "Nothing."\n'
        '[outcomes.rains]\ntitle = "rain"\nmeaning = "It rains."\n'
    )
    prior = (
        '[parameters.wet]\nmeaning = "Chance of rain."\nunit = "probability"\n'
        'prior = { kind = "uniform", low = 0.2, high = 0.6 }\njudgement = "me: a guess"\n'
    )
    (folder / "scenario.toml").write_text(text + prior, encoding="utf-8")
    room = open_room(load_scenario(folder))
    found = room.forecast(setting_of(room, wet=0.5))
    assert found.outcomes["none"]["rains"] == 0.5
    place = look_at(room, found, 0)
    assert (place.player, [option.chance for option in place.options]) == ("", [0.5, 0.5])
    assert place.hinges[0].parameter == "wet" and place.hinges[0].swing == pytest.approx(0.36)
    desk = Desk(tmp_path)
    question = {"scenario": "storm", "query": [["node", "0"], ["p.wet", "0.5"]], "csrf": "yes", "offered": {}}
    question |= {"explore": "/e", "record": "/r"}
    page = answer(desk, question | {"kind": "page with ranges"})["answer"]
    assert page["status"] == 200 and "What follows from what happens" in page["html"] and "50.0 %" in page["html"]
    assert "No event is on record" in answer(desk, question | {"kind": "record", "query": []})["answer"]["html"]

    # Without a policy there is nothing to look at, and the page says what to add.
    text = text.replace('[policies.none]\ntitle = "None"\nmeaning = "Nothing."\n', "[policies]\n") + prior
    (folder / "scenario.toml").write_text(text, encoding="utf-8")
    missing = answer(desk, question | {"kind": "page"})
    assert missing["status"] == 400 and "Add [policies.NAME]" in missing["error"]


# -- many worlds ------------------------------------------------------------------------------------
def test_ranges_are_those_of_an_ensemble_of_the_same_worlds(own):
    setting = setting_of(own, war=2)
    ranges = begin(own, setting, worlds=40)
    steps = []
    while not ranges.finished:
        go_on(ranges)
        steps.append(ranges.done)
    assert steps == [16, 32, 40]
    go_on(ranges)
    assert ranges.done == 40
    ensemble = run(held_scenario(own.scenario, setting), num_draws=40, seed=0)
    expected = options_table(ensemble, {"war": "lower", "attacked": "lower"})
    assert ranges.table() == expected
    assert set(ranges.draws["war"]) == {2.0}
    assert len(set(ranges.draws["leak"])) == 40


# -- saving -----------------------------------------------------------------------------------------
def test_a_saved_setting_is_the_scenario_with_what_was_held_fixed(own, home):
    setting = setting_of(own, war=2, leak=0.5)
    folder = save_setting(own.scenario.folder, setting, home / "calm", title="A calm one", day="2031-05-02")
    saved = load_scenario(folder)
    assert saved.file.title == "A calm one"
    assert (saved.priors["war"].value, saved.priors["leak"].value) == (2.0, 0.5)
    assert saved.priors["face"] == own.scenario.priors["face"]
    assert "Held in the studio on 2031-05-02. Before: prior = { kind" in (folder / "scenario.toml").read_text("utf-8")
    again = open_room(saved).forecast(Setting("none"))
    assert again.outcomes["none"]["war"] == pytest.approx(own.forecast(setting).outcomes["none"]["war"], abs=1e-9)


def test_the_october_scenario_can_be_saved_with_any_parameter_held(october, tmp_path):
    values = [(name, slider_range(prior)[0]) for name, prior in october.scenario.priors.items()]
    for index in range(0, len(values), 20):
        some = tuple((name, float(number(value))) for name, value in values[index : index + 20])
        save_setting(october.scenario.folder, Setting("", some), tmp_path / f"o-{index}", title="", day="2031-05-02")


def test_nothing_is_written_over_and_a_name_leads_nowhere_else(own, home):
    setting = setting_of(own, war=2)
    for name, complaint in (
        ("my-crisis", "exists already"),
        ("october-2024", "exists already"),
        ("A b", "cannot be a name"),
        ("..", "cannot be a name"),
    ):
        with pytest.raises(UsageError, match=complaint):
            save_setting(own.scenario.folder, setting, home / name, title="", day="2031-05-02")
    with pytest.raises(UsageError, match="nothing is held"):
        save_setting(own.scenario.folder, Setting("none"), home / "same", title="", day="2031-05-02")
    with pytest.raises(UsageError, match="title: .* holds a quotation mark"):
        save_setting(own.scenario.folder, setting, home / "same", title='a "b"', day="2031-05-02")
    assert sorted(path.name for path in home.iterdir()) == ["my-crisis"]


def test_a_setting_that_cannot_be_written_down_says_where_and_leaves_nothing(own, home):
    path = home / "my-crisis" / "scenario.toml"
    path.write_text(path.read_text("utf-8") + "\n[correlations.war]\nface = 0.5\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="nothing was saved.*my-crisis/scenario.toml.*correlations"):
        save_setting(own.scenario.folder, setting_of(own, war=2), home / "new", title="", day="2031-05-02")
    text = path.read_text("utf-8").split("\n[correlations")[0]
    text = text.replace('prior = { kind = "pert", low = 0.8, best = 1.5, high = 3.0 }\n', "", 1)
    path.write_text(
        text + '\n[parameters.war.prior]\nkind = "pert"\nlow = 0.8\nbest = 1.5\nhigh = 3.0\n', encoding="utf-8"
    )
    with pytest.raises(ScenarioError, match="parameters.war.prior: could not be rewritten"):
        save_setting(own.scenario.folder, setting_of(own, war=2), home / "new", title="", day="2031-05-02")
    assert sorted(path.name for path in home.iterdir()) == ["my-crisis"]


# -- on the server ----------------------------------------------------------------------------------
def test_scenarios_of_the_package_are_for_all_and_those_of_the_folder_for_facilitators(site):
    listed = site.open("/explore")
    assert listed.status == 200
    assert 'href="/explore/october-2024"' in listed.text
    assert "my-crisis" not in listed.text
    assert f'href="{site.base}/explore/my-crisis"' in site.own("/explore").text
    for path in ("/explore/my-crisis", "/record/my-crisis", "/explore/nowhere", "/explore/..%2fmy-crisis"):
        assert site.open(path).status == 404
    assert site.open(f"{site.base}/explore").status == 404
    assert site.own("/explore/my-crisis").status == 200
    assert f'href="{site.base}/explore"' in site.own("/").text, "a facilitator finds the way to it"


def test_a_page_needs_no_script_and_brings_no_style_of_its_own(site):
    page = site.own("/explore/my-crisis?policy=warning&p.war=2&node=0")
    assert "style-src 'self'" in page.headers["content-security-policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=", page.text)
    (form,) = [f for f in re.findall(r"<form[^>]*>", page.text) if 'method="get"' in f]
    assert f'action="{site.base}/explore/my-crisis"' in form
    assert 'name="p.war" min="0.8" max="3" value="2"' in page.text
    assert "Held:" in page.text and "cost of war 2" in page.text
    assert "Who knows what here" in page.text
    assert re.search(r'href="[^"]*/record/my-crisis\?parameter=war#p-war"', page.text)


def test_every_parameter_has_a_slider_with_prior_meaning_and_backing(site):
    page = site.open("/explore/october-2024").text
    names = load_scenario("october-2024").file.parameters
    assert page.count('type="range"') == len(names)
    for name in names:
        assert f'name="p.{name}"' in page
        assert f'href="/record/october-2024?parameter={name}#p-{name}"' in page


def test_what_cannot_be_answered_leaves_the_middle_of_the_priors(site):
    page = site.own("/explore/my-crisis?p.war=9&policy=warning")
    assert page.status == 400
    assert "war: 9 lies outside its prior" in page.text
    assert "Forecast under “Warning”" in page.text and "Held:" not in page.text
    part = site.own("/explore/my-crisis/forecast?p.war=9")
    assert (part.status, part.text) == (400, "war: 9 lies outside its prior. Give 0.8 to 3.")


def test_a_place_off_the_tree_does_not_take_the_forecast_away(site):
    page = site.own("/explore/my-crisis/forecast?node=99999")
    assert page.status == 200
    assert "Not on this tree" in page.text and "Forecast under" in page.text


def test_ranges_come_a_few_worlds_at_a_time_and_without_a_script_at_once(site):
    for _ in range(50):
        part = site.own("/explore/my-crisis/ranges?policy=none&p.war=2")
        if "data-done" not in part.text:
            break
    assert "Median and 90 % interval over 256 worlds, 1 parameter held." in part.text
    assert part.text.count('class="chart"') == 1 and not re.search(r"<style|\sstyle=", part.text)
    whole = site.own("/explore/my-crisis?policy=none&p.war=2&ranges=yes")
    assert "Median and 90 % interval over 256 worlds" in whole.text


def test_two_pinned_settings_stand_beside_the_present_one(site, own):
    pins = "&".join(["pin=policy%3Dsilence", "pin=policy%3Dwarning%26p.war%3D2"])
    page = site.own(f"/explore/my-crisis?policy=none&{pins}").text
    table = page[page.index("Side by side") :]
    table = table[: table.index("</table>")]
    assert [re.sub(r"<.*?>", "", head) for head in re.findall(r'<th scope="col">(?!&)(.*?)</th>', table)] == [
        "Now No policy",
        "Pin 1 Silence",
        "Pin 2 Warning",
    ]
    expected = own.forecast(setting_of(own, policy="warning", war=2)).outcomes["warning"]["war"]
    row = table[table.index(">War<") :]
    assert f"<td>{100 * expected:.0f} %</td></tr>" in row[: row.index("</tr>") + 5]


def test_downloads_hold_the_numbers_of_the_setting(site, own):
    setting = setting_of(own, policy="warning", war=2)
    query = "policy=warning&p.war=2"
    expected = own.forecast(setting).outcomes["warning"]["war"]
    rows = list(csv.DictReader(io.StringIO(site.own(f"/explore/my-crisis/forecast.csv?{query}").text)))
    assert [float(r["value"]) for r in rows if (r["policy"], r["outcome"]) == ("warning", "war")] == [expected]
    data = json.loads(site.own(f"/explore/my-crisis/forecast.json?{query}").text)
    assert data["held"] == {"war": 2.0} and data["outcomes"]["warning"]["war"] == expected
    worlds = list(csv.DictReader(io.StringIO(site.own(f"/explore/my-crisis/worlds.csv?{query}").text)))
    assert len(worlds) == 256 * 3
    assert {r["parameter war"] for r in worlds} == {"2.0"} and {r["status"] for r in worlds} == {"converged"}
    tree = site.own(f"/explore/my-crisis/tree.svg?{query}")
    assert tree.headers["content-disposition"] == 'attachment; filename="my-crisis-tree.svg"'
    assert "prefers-color-scheme" in tree.text
    ElementTree.fromstring(tree.text)
    ranges = site.own(f"/explore/my-crisis/ranges.svg?{query}").text
    assert (
        "over 256 worlds; cost of war held at 2." in ranges and ranges.count("<circle") == 3
    )  # one headline, three policies
    ElementTree.fromstring(ranges)
    assert site.own("/explore/my-crisis/rules.py").status == 404


def test_a_brief_is_for_facilitators(site):
    assert site.open("/explore/october-2024/brief.html").status == 404
    brief = site.own("/explore/my-crisis/brief.html?p.war=2")
    assert brief.status == 200
    assert "attachment" in brief.headers["content-disposition"]
    assert "A crisis of mine" in brief.text and "2, taken as known" in brief.text
    nothing = "&".join(f"p.{name}=0.5" for name in ("firm", "leak", "face")) + "&p.war=2"
    assert "no uncertainty to brief on" in site.own(f"/explore/my-crisis/brief.html?{nothing}").text


def test_a_facilitator_saves_a_setting_and_is_led_to_it(site, home):
    site.own("/explore/my-crisis?p.war=2")
    found = site.facilitator.submit("/save", name="calm", title="A calm one")
    assert found.status == 200
    assert "A calm one" in found.text and 'type="number"' in found.text
    assert load_scenario(home / "calm").priors["war"].value == 2.0
    site.own("/explore/my-crisis?p.war=2")
    again = site.facilitator.submit("/save", name="calm", title="")
    assert again.status == 400 and "exists already" in again.text
    site.own("/explore/my-crisis?p.war=2")
    assert "cannot be a name" in site.facilitator.submit("/save", name="../calm", title="").text
    assert sorted(path.name for path in home.iterdir()) == ["calm", "my-crisis"]


def test_saving_needs_a_form_that_the_page_made(site, home):
    fields = {"name": "calm", "setting": "p.war=2"}
    assert site.guest.post("/explore/october-2024/save", fields).status == 404
    assert site.guest.post(f"{site.base}/explore/october-2024/save", fields).status == 404
    refused = site.facilitator.post(f"{site.base}/explore/october-2024/save", fields)
    assert refused.status == 403
    elsewhere = site.facilitator.post(f"{site.base}/explore/october-2024/save", fields, origin="https://else.example")
    assert elsewhere.status == 403
    assert [path.name for path in home.iterdir()] == ["my-crisis"]


def test_a_scenario_that_breaks_shows_where_and_keeps_the_last_good_forecast(site, home):
    good = site.own("/explore/my-crisis").text
    path = home / "my-crisis" / "scenario.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("low = 0.8, best = 1.5", "low = 4.8, best = 1.5"), encoding="utf-8")
    broken = site.own("/explore/my-crisis")
    assert "parameters.war.prior" in broken.text and "not in order" in broken.text
    assert "the last version that could" in broken.text
    tiles = re.findall(r"<strong>(.*?)</strong>", good)
    assert tiles and re.findall(r"<strong>(.*?)</strong>", broken.text) == tiles
    part = site.own("/explore/my-crisis/forecast?p.war=2")
    assert part.status == 400 and "parameters.war.prior" in part.text
    path.write_text(text.replace('title = "A crisis of mine"', 'title = "Mended"'), encoding="utf-8")
    assert "Mended" in site.own("/explore/my-crisis").text


def test_a_scenario_that_never_could_be_read_says_where(site, home):
    (home / "torn").mkdir()
    (home / "torn" / "scenario.toml").write_text('title = "Torn"\nformat = 1\n', encoding="utf-8")
    (home / "torn2").mkdir()
    (home / "torn2" / "scenario.toml").write_text("title = \n", encoding="utf-8")
    page = site.own("/explore/torn")
    assert page.status == 400
    assert "torn/scenario.toml: summary is missing. Add it." in page.text
    listed = site.own("/explore").text
    assert "cannot be read" in listed and "torn2/scenario.toml" in listed


def test_whoever_asks_too_often_waits(site):
    statuses = [site.guest.open("/explore").status for _ in range(80)]
    assert 429 in statuses
    site.clock.now += 10
    assert site.open("/explore").status == 200


def test_another_name_of_the_server_is_refused(home):
    with house() as running:
        app = make_app(running.host, parts=[Studio(home, quick=None)], address=ADDRESS, hosts=frozenset({"known"}))
        assert Browser(running.loop, app).open("/explore").status == 400


def test_static_files_are_served_and_no_others(site):
    for name in ("studio.css", "studio.js", "tree.css"):
        assert site.open(f"/studio/{name}").status == 200
    assert "prefers-color-scheme:dark" in site.open("/studio/tree.css").text
    assert site.open("/studio/../routes.py").status == 404
    assert site.open("/studio/routes.py").status == 404


# -- the record -------------------------------------------------------------------------------------
def test_the_record_page_shows_events_disputes_sources_and_every_parameter(site):
    scenario = load_scenario("october-2024")
    page = site.open("/record/october-2024")
    assert page.status == 200
    for event in scenario.ledger.events:
        assert f'<tr id="{event}">' in page.text
    for id in scenario.ledger.sources:
        assert f'id="source-{id}"' in page.text
    for name in scenario.file.parameters:
        assert f'<details id="p-{name}">' in page.text
    assert "Impacts at and around Nevatim air base" in page.text
    assert "not used" in page.text and "Used instead:" in page.text
    assert not re.search(r"<style|\sstyle=|\son\w+=", page.text)
    assert "javascript:" not in page.text


def test_a_record_page_is_made_again_when_a_file_changes(site, home):
    before = site.own("/record/my-crisis").text
    assert site.own("/record/my-crisis").text == before
    path = home / "my-crisis" / "scenario.toml"
    path.write_text(path.read_text("utf-8").replace("A crisis of mine", "Another title"), encoding="utf-8")
    assert "Record: Another title" in site.own("/record/my-crisis").text


def test_what_became_known_later_is_shown_only_when_asked_for(site):
    assert 'id="E2410-08"' not in site.open("/record/october-2024").text
    assert 'id="E2410-08"' in site.open("/record/october-2024?all=yes").text


def test_the_link_beside_a_slider_opens_the_chain_behind_it(site):
    page = site.open("/record/october-2024?parameter=leak").text
    part = page[page.index('<details id="p-leak" open>') :]
    part = part[: part.index("</details>")]
    assert "message_leak_days.apr2024" in part and "O-11" in part and "independent" in part
    assert page.count(" open>") == 1
    wrong = site.open("/record/october-2024?parameter=leek")
    assert wrong.status == 400 and "leak" in wrong.text


# -- the process ------------------------------------------------------------------------------------
ECHO = """
import json, sys
for line in sys.stdin:
    question = json.loads(line)
    if question["kind"] == "die":
        sys.exit(1)
    error = {"error": "no", "status": 404}
    print(json.dumps(error if question["kind"] == "fail" else {"answer": question["kind"]}), flush=True)
"""


def test_a_process_that_dies_is_started_again():
    async def ask():
        solver = Solver((sys.executable, "-c", ECHO))
        try:
            assert await solver.ask({"kind": "one"}) == "one"
            with pytest.raises(Refused, match="started again"):
                await solver.ask({"kind": "die"})
            assert await solver.ask({"kind": "two"}) == "two"
            with pytest.raises(Refused, match="no"):
                await solver.ask({"kind": "fail"})
        finally:
            await solver.close()

    asyncio.run(ask())


def test_more_questions_than_can_be_answered_soon_are_refused():
    async def ask():
        solver = Solver((sys.executable, "-c", ECHO))
        try:
            found = await asyncio.gather(*(solver.ask({"kind": "one"}) for _ in range(40)), return_exceptions=True)
        finally:
            await solver.close()
        return found

    found = asyncio.run(ask())
    assert found.count("one") == 24
    assert {f.status for f in found if isinstance(f, Refused)} == {503}


def test_what_takes_time_can_be_asked_for_before_anybody_waits(home):
    desk = Desk(home)
    question = {"kind": "ready", "scenario": "my-crisis", "explore": "", "record": "", "csrf": "yes", "offered": {}}
    assert answer(desk, question | {"step": "program"}) == {"answer": {}}
    assert not desk.rooms._open
    assert answer(desk, question | {"step": "tree"}) == {"answer": {}}
    assert (home / "my-crisis") in desk.rooms._open
    (_, room) = desk.rooms._open[home / "my-crisis"]
    assert not room._kept
    assert answer(desk, question | {"step": "forecast"}) == {"answer": {}}
    assert room._kept
    assert answer(desk, question | {"step": "tree", "csrf": ""})["status"] == 404


class Slow(Direct):
    """Makes nothing ready until it is told to; what it was asked is noted."""

    def __init__(self, desk):
        super().__init__(desk)
        self.go_on, self.asked = asyncio.Event(), []

    async def ask(self, question):
        if question["kind"] != "ready":
            return await super().ask(question)
        self.asked.append((question["scenario"], question["step"]))
        if question["step"] != "program":
            await self.go_on.wait()
        return {}


@pytest.fixture
def slow_site(home):
    """A server whose solver has begun to make a scenario ready."""
    with house() as running:
        made = Site(running, home)
        made.studio.quick = Slow(made.studio.quick.desk)
        made.studio._warm = Warm(made.studio.quick.ask)
        yield made
        running.loop.run(made.studio.close())


def browse(site, path):
    site.clock.now += 10
    return site.guest.request("GET", path, accept="text/html,application/xhtml+xml,*/*;q=0.8")


def test_a_browser_is_shown_at_once_what_is_being_done_and_then_the_forecast(slow_site):
    first = browse(slow_site, "/explore/october-2024")
    assert first.status == 200
    assert "October 2024: the reply" in first.text
    assert 'data-part="/explore/october-2024/ready"' in first.text
    assert "Writing out every history of the game" in first.text and 'value="1" max="3"' in first.text
    assert "Withhold defence" in first.text  # what is compared, from the file
    assert '<noscript><meta http-equiv="refresh"' in first.text  # without JavaScript it looks again by itself
    assert 'id="setting"' not in first.text
    told = json.loads(slow_site.open("/explore/october-2024/ready").text)
    assert told == {"step": 1, "of": 3, "words": "Writing out every history of the game"}

    async def go_on():
        slow_site.studio.quick.go_on.set()
        await slow_site.studio._warm.begin("october-2024", {})

    slow_site.guest.loop.run(go_on())
    assert json.loads(slow_site.open("/explore/october-2024/ready").text)["step"] == 3
    assert 'id="setting"' in browse(slow_site, "/explore/october-2024").text
    assert slow_site.studio.quick.asked == [("october-2024", step) for step in STEPS]  # once


def test_a_program_that_asks_for_a_page_waits_for_the_forecast(slow_site):
    assert 'id="setting"' in slow_site.open("/explore/october-2024").text


def test_a_scenario_that_is_not_there_or_cannot_be_read_is_not_waited_for(slow_site, home):
    assert browse(slow_site, "/explore/nowhere").status == 404
    (home / "my-crisis" / "scenario.toml").write_text("title = ", encoding="utf-8")
    slow_site.clock.now += 10
    accept = {"accept": "text/html"}
    broken = slow_site.facilitator.request("GET", f"{slow_site.base}/explore/my-crisis", **accept)
    assert "scenario.toml" in broken.text and "Being made ready" not in broken.text


def test_the_likeliest_scenario_is_made_ready_when_the_server_starts_and_again_when_the_process_has_ended(home):
    async def walk():
        quick = Slow(Desk(home))
        studio = Studio(home, quick=quick, slow=quick)
        await studio.start()
        while not quick.asked:
            await asyncio.sleep(0.01)
        quick.go_on.set()
        await studio._warm.begin("october-2024", {})
        studio._warm.forget()
        assert studio._warm.step("october-2024") == 0
        await studio._warm.begin("october-2024", {})
        await studio.close()
        return quick.asked

    assert asyncio.run(walk()) == 2 * [("october-2024", step) for step in STEPS]


def test_a_fault_of_the_program_is_told_and_the_process_goes_on(home):
    desk = Desk(home)
    fault = answer(desk, {"kind": "page"})
    assert fault["status"] == 500 and "please report it" in fault["error"]
    assert answer(desk, {"kind": "style"})["answer"]["body"]


def test_the_server_s_side_loads_nothing_heavy():
    program = (
        "import sys, detente.studio.routes, detente.studio.shell; "
        "print(*[m for m in ('numpy', 'numba', 'scipy', 'pydantic', 'altair') if m in sys.modules])"
    )
    run_ = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (run_.returncode, run_.stdout.split()) == (0, []), run_.stderr


def test_the_style_sheet_of_the_first_page_loads_no_charts():
    """The browser waits for it before it shows anything."""
    program = (
        "import sys; from detente.studio.tree import page_colours, style_sheet; page_colours(), style_sheet(); "
        "import detente.studio.pages; print(*[m for m in ('altair', 'vl_convert') if m in sys.modules])"
    )
    run_ = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (run_.returncode, run_.stdout.split()) == (0, []), run_.stderr
