"""Scenarios of one's own in the seats: what people read of them, `detente serve --scenario`, and the review."""

from datetime import date
from pathlib import Path

import pytest
from play_fixtures import forms, house

from detente.cli_serve import own_scenarios
from detente.errors import ScenarioError, UsageError
from detente.model.names import with_article
from detente.model.new import new_scenario
from detente.model.scenario import check_against_game, load_scenario
from detente.play import events as e
from detente.play.review import counterfactual_at, review
from detente.play.session import State, apply, due, next_decision
from detente.play.stage import load_stage
from detente.play.views import view
from detente.play.worker import Worker

PEOPLE = {"occupant state": "person", "occupant rival": "person"}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A crisis as `detente new` makes it."""
    made = tmp_path / "strait-2031"
    new_scenario(made, title="The strait", today=date(2031, 5, 1))
    return made


def spoil(folder: Path, old: str, new: str) -> str:
    """What is said to somebody who has written something else into the file."""
    path = folder / "scenario.toml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        scenario = load_scenario(folder)
        check_against_game(scenario, scenario.game)
    assert str(path) in str(caught.value)
    return str(caught.value)


def play(stage, *choices: str) -> State:
    """A play with these choices; chance does what the seed says."""
    seats = tuple(e.SeatPlan(p, p) for p in stage.players)
    state = apply(State(stage), e.Created(0.0, "x1", stage.name, "Play", "a seed of my own", seats))
    left = list(choices)
    while not state.ended:
        event = due(state, now=0.0)
        if event is None:
            decision = next_decision(state)
            event = e.Moved(1.0, decision.seats[0], decision.id, left.pop(0))
        state = apply(state, event)
    return state


# -- what the scenario's file says of its moves -------------------------------------------------------
def test_people_read_the_titles_and_meanings_of_the_scenario(folder):
    stage = load_stage(folder)
    seats = tuple(e.SeatPlan(p, p) for p in stage.players)
    state = apply(State(stage), e.Created(0.0, "x1", str(folder), "The strait", "a seed of my own", seats))
    state = apply(state, due(state, now=0.0))
    shown = view(state, "state").decision
    assert (shown.title, shown.about[:17]) == ("What the state says", "Before the rival ")
    assert [(o.label, o.meaning) for o in shown.options] == [
        ("silence", "Say nothing."),
        ("warning", "Warn the rival. The press may report it."),
    ]


def test_the_ladder_of_a_scenario_goes_before_ours_and_published_scales_go_by_kind_of_act(folder):
    stage = load_stage(folder)
    state = play(stage, "silence", "attack", "fight")
    own = review(state)
    assert [s.escalation for s in own.steps if s.player] == [(0.0, 0.0), (2.0, 2.0), (3.0, 3.0)]
    assert "of this crisis" in own.scale_meaning
    assert [s.escalation for s in review(state, scale="icb").steps if s.player] == [None, (2.0, 2.0), (4.0, 4.0)]


def test_what_a_file_says_of_restraint_goes_before_what_the_package_says(tmp_path):
    from detente.model.builtin import BUILTIN

    text = (BUILTIN / "october-2024" / "scenario.toml").read_text(encoding="utf-8")
    words = '[moves.message]\ntitle = "The call"\n[moves.message.options]\n"red lines" = "Not oil, not nuclear."\n\n'
    (tmp_path / "record").symlink_to(BUILTIN / "october-2024" / "record")
    (tmp_path / "scenario.toml").write_text(text.replace("[observed]", words + "[observed]", 1), encoding="utf-8")
    stage = load_stage(tmp_path)
    assert stage.move_title("message") == "The call"
    assert stage.meaning("message", "red lines") == "Not oil, not nuclear."
    assert stage.meaning("message", "defence only").startswith("Help to defend Israel")
    assert stage.move_title("patron's word") == "Whether the United States means what it says"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[moves.stand]", "[moves.stands]", "no move 'stands'. Did you mean 'stand'"),
        ("yield = {", "yeild = {", "moves.stand: there is no option 'yeild'. Did you mean 'yield'"),
        ('act = "threat"', 'act = "thread"', "'thread' is not a kind of act. Did you mean 'threat'"),
        ('meaning = "Say nothing."', 'mening = "Say nothing."', "mening is not a known key. Did you mean 'meaning'"),
        ("rung = 3", 'rung = "high"', "moves.stand.options.fight.rung"),
    ],
)
def test_a_mistake_in_the_words_of_a_move_is_named(folder, old, new, complaint):
    assert complaint in spoil(folder, old, new)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("United States", "the United States"),
        ("Netherlands", "the Netherlands"),
        ("European Union", "the European Union"),
        ("Republic of Korea", "the Republic of Korea"),
        ("State of Israel", "the State of Israel"),
        ("UAE", "the UAE"),
        ("Israel", "Israel"),
        ("Reunion", "Reunion"),
        ("the rival", "the rival"),
        ("The Gambia", "The Gambia"),
        ("player 1", "player 1"),
    ],
)
def test_names_have_their_article_inside_a_sentence(name, inside):
    assert with_article(name) == inside


# -- serving it -----------------------------------------------------------------------------------------
def test_a_folder_of_ones_own_is_offered_and_played_and_its_place_is_shown_to_nobody(folder):
    with house(scenarios=own_scenarios([str(folder)])) as running:
        assert "The strait" in running.facilitator.open(running.home).text
        desk = running.create("strait-2031", **PEOPLE)
        seat = running.enter(desk, "state")
        assert "You decide: What the state says" in seat.page.text
        assert "Before the rival decides, the state may warn it in private." in seat.page.text
        assert seat.submit("/move", option="silence").status == 200
        assert ("message", "silence") in running.live(desk).state.history
        pages = [seat.page.text, running.facilitator.open(desk).text, running.facilitator.open(running.home).text]
        assert not [page for page in pages if str(folder.parent) in page]


def test_a_form_cannot_name_a_folder_that_is_not_offered(folder):
    with house() as running:
        assert running.facilitator.open(f"{running.home}?game={folder}").status == 404
        running.facilitator.open(f"{running.home}?game=kuhn-poker")
        assert running.facilitator.submit("create", game=str(folder)).status == 404


def test_an_exercise_of_ones_own_scenario_goes_on_after_a_restart_without_it(folder, tmp_path):
    with house(tmp_path / "x.sqlite", scenarios=own_scenarios([str(folder)])) as running:
        desk = running.create("strait-2031", **PEOPLE)
        exercise = desk.rstrip("/").rpartition("/")[2]
    with house(tmp_path / "x.sqlite", start=1000) as running:
        assert "What the state says" in running.facilitator.open(f"{running.home}exercise/{exercise}/").text


def test_a_scenario_that_cannot_be_offered_is_refused_before_anybody_comes(folder, tmp_path):
    with pytest.raises(UsageError, match="--scenario: .* is not a folder. Give the folder"):
        own_scenarios([str(folder / "scenario.toml")])
    with pytest.raises(UsageError, match="'strait-2031' already. Rename"):
        own_scenarios([str(folder), str(folder)])
    named_like_ours = tmp_path / "october-2024"
    folder.rename(named_like_ours)
    with pytest.raises(UsageError, match="'october-2024' already"):
        own_scenarios([str(named_like_ours)])
    wrong = named_like_ours.rename(tmp_path / "wrong") / "scenario.toml"
    wrong.write_text(wrong.read_text(encoding="utf-8").replace('message = "warning"', 'message = "shout"'))
    with pytest.raises(ScenarioError, match="no option 'shout'"):
        own_scenarios([str(wrong.parent)])


# -- the review with another choice -----------------------------------------------------------------------
class Counting(Worker):
    """Remembers what it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    async def ask(self, kind, events, *, at, **more):
        self.asked.append(kind)
        return await super().ask(kind, events, at=at, **more)


def test_the_review_page_answers_had_they_chosen_otherwise(folder):
    worker = Counting()
    with house(worker=worker, scenarios=own_scenarios([str(folder)])) as running:
        desk = running.create("strait-2031", **PEOPLE)
        seat = running.enter(desk, "state")
        seat.submit("/move", option="silence")
        running.do(desk, "reveal")
        form = next(f for f in forms(seat.request("GET", f"{seat.here}review").text) if "had" in f.choices)
        assert form.action == "review#had"
        assert "2:warning" in form.choices["had"] and "2:silence" not in form.choices["had"]
        answer = seat.request("GET", f"{seat.here}review?had=2:warning")
        assert answer.status == 200
        assert "Had the state chosen “warning” (What the state says)" in answer.text
        assert 'value="2:warning" selected' in answer.text
        assert "form-action 'self'" in answer.headers["content-security-policy"]
        for nonsense in ("2:shout", "9:warning", "x", "0:warning", "²:warning"):
            wrong = seat.request("GET", f"{seat.here}review?had={nonsense.replace('²', '%C2%B2')}")
            assert wrong.status == 409 and "counterfactual" in wrong.text
        asked = list(worker.asked)
        assert seat.request("GET", f"{seat.here}review?had=2:warning").text == answer.text
        assert worker.asked == asked  # the same page is not worked out twice
        file = running.facilitator.request("GET", f"{desk}review.html")
        assert not forms(file.text)


def test_another_choice_keeps_what_went_before_and_changes_what_follows(folder):
    state = play(load_stage(folder), "silence", "attack", "fight")
    had = counterfactual_at(state, "2:warning")
    assert (had.number, had.move, had.player, had.actual) == (2, "message", "state", "silence")
    assert had.given == state.history[:1]
    assert had.outcomes["war"] != had.actual_outcomes["war"]
    assert list(had.choices)[-1] == "stand" and had.titles["press"] == "The press"
    luck = counterfactual_at(state, "1:" + ("weak" if state.history[0][1] == "strong" else "strong"))
    assert luck.player == ""
