"""`detente play` and `detente simulate` as a person meets them."""

import csv
import json

import pytest
import typer
from typer.testing import CliRunner

from detente import cli_play
from detente.errors import UsageError
from detente.play.export import read_jsonl
from detente.play.session import replay
from detente.play.stage import load_stage

app = typer.Typer()
app.command()(cli_play.play)
app.command()(cli_play.simulate)
KUHN = ("play", "kuhn-poker", "--as", "player 1", "--seed", "1")


def run(*arguments, typed=""):
    return CliRunner().invoke(app, [*arguments], input=typed)


def test_a_game_is_played_to_the_end_and_reviewed(tmp_path):
    log, page = tmp_path / "log.jsonl", tmp_path / "review.html"
    # "1" answers every question: the first one, and the one after a bet.
    found = run(*KUHN, "--save", str(log), "--review", str(page), typed="1\n1\n1\n")
    assert found.exit_code == 0, found.output
    for words in (
        "You are player 1",
        "card of player 1: ",
        "Pass",
        "The play is over",
        "left the likely path",
        "wrote",
    ):
        assert words in found.output
    state = replay(load_stage("kuhn-poker"), read_jsonl(log.read_text(encoding="utf-8")))
    assert state.ended and state.revealed
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_slip_of_the_finger_is_answered_and_asked_again():
    found = run(*KUHN, typed="3\nbte\n\nknow\nB\n1\n1\n")
    assert found.exit_code == 0, found.output
    assert "There is no option 3. Type 1 to 2" in found.output
    assert "'bte' is not an option. Did you mean 'bet'?" in found.output
    assert "'' is not an option." in found.output
    assert "You chose. first of player 1: Bet" in found.output


def test_a_beginning_that_fits_two_options_is_asked_about():
    assert cli_play.read_answer("s", ["strike alone", "stop", "war"]).startswith(
        "'s' could be 'strike alone' or 'stop'"
    )
    assert cli_play.read_answer("st", ["stop", "st"]) == "st"


@pytest.mark.parametrize("typed", ["quit\n", "", "1"], ids=["quit", "end of input", "end of input later"])
def test_leaving_saves_nothing(tmp_path, typed):
    if typed == "1":
        typed = "Pass\n"  # the bot may bet, and then the input ends; or the game is over
    found = run(*KUHN[:-1], "2", "--save", str(tmp_path / "log.jsonl"), typed=typed)
    if found.exit_code != 0:
        assert found.exit_code == cli_play.EXIT_STOPPED
        assert list(tmp_path.iterdir()) == []


def test_an_interrupt_saves_nothing_half(tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("rich.console.Console.input", interrupt)
    found = run(*KUHN, "--save", str(tmp_path / "log.jsonl"))
    assert found.exit_code == 130
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_and_the_same_answers_give_the_same_play():
    first, again, other = (
        json.loads(run(*KUHN[:-1], seed, "--json", typed="1\n1\n1\n").stdout.splitlines()[-1])
        for seed in ("1", "1", "5")
    )
    assert first["steps"] == again["steps"] and first["precision"] == 1.0
    assert [s["option"] for s in first["steps"]] != [s["option"] for s in other["steps"]]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("play", "kuhn-pokr", "--as", "x"), "Did you mean 'kuhn-poker'"),
        (("play", "kuhn-poker"), "say whom you play: player 1, player 2"),
        (("play", "kuhn-poker", "--as", "player"), "'player' is not a player"),
        ((*KUHN, "--bot", "player 1=equilibrium"), "you play 'player 1' yourself"),
        ((*KUHN, "--bot", "player 2"), "is not PLAYER=BOT"),
        ((*KUHN, "--bot", "player 3=equilibrium"), "'player 3' is not a player"),
        ((*KUHN, "--bot", "player 2=random"), "'random' is not a bot"),
        ((*KUHN, "--bot", "player 2=model"), "plays in 'detente serve' only"),
        ((*KUHN, "--bot", "player 2=cautious"), "needs a scenario with priors"),
        ((*KUHN, "--scale", "lader"), "Did you mean 'ladder'"),
        ((*KUHN, "--save", "/nowhere/x.jsonl"), "there is no folder '/nowhere'"),
        (("simulate", "kuhn-poker", "-o", "games.xlsx"), "ends neither in .csv nor in .parquet"),
        (("simulate", "kuhn-poker", "--bot", "player 2=equilibrium:x"), "no precision that can be used"),
    ],
)
def test_a_mistake_is_a_message(arguments, complaint):
    found = run(*arguments)
    assert isinstance(found.exception, UsageError), found.output
    assert complaint in str(found.exception)


def test_october_is_played_by_the_name_of_a_role():
    typed = "red lines\npublic\n" + "1\n" * 6
    found = run("play", "october-2024", "--as", "united states", "--bot", "protege=record", "--seed", "3", typed=typed)
    assert found.exit_code == 0, found.output
    assert "You are the United States (patron)" in found.output
    assert "Accept a strike but rule out oil and nuclear sites" in found.output
    assert "Reply of Israel to the attack: military targets" in found.output


def test_a_tournament_prints_payoffs_outcomes_and_choices(tmp_path):
    path = tmp_path / "games.csv"
    found = run("simulate", "kuhn-poker", "--games", "500", "--bot", "player 2=equilibrium:0", "-o", str(path))
    assert found.exit_code == 0, found.output
    for words in ("500 games", "equilibrium:0", "mean payoff", "winner: player 1", "first of player 1"):
        assert words in found.output
    assert len(list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))) == 500


def test_a_tournament_as_json_and_parquet_is_the_same_games(tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "games.parquet"
    found = run("simulate", "kuhn-poker", "--games", "300", "--json", "-o", str(path))
    made = json.loads(found.stdout)
    rows = pq.read_table(path).to_pylist()
    bets = sum(row["first of player 1"] == "Bet" for row in rows) / 300
    assert made["choices"]["first of player 1"]["Bet"] == pytest.approx(bets)
    assert made["payoffs"]["player 1"]["standard_error"] > 0
    assert (
        json.loads(run("simulate", "kuhn-poker", "--games", "1", "--json").stdout)["payoffs"]["player 1"][
            "standard_error"
        ]
        is None
    )
    assert [p.name for p in tmp_path.iterdir()] == ["games.parquet"]
