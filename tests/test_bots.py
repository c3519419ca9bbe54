"""Opponents: they play what they say, know what their seat knows, and a failure is flagged, never silent."""

import contextlib
import http.server
import json
import threading
import time

import numpy as np
import pytest

from detente.errors import UsageError
from detente.play import events as e
from detente.play.bots import bot_move, compiled, equilibrium, node_of, prepare, strategy
from detente.play.model_seat import ask_with, request_body
from detente.play.session import State, apply, due, next_decision
from detente.play.simulate import simulate
from detente.play.stage import load_stage
from detente.play.views import view, view_json
from detente.record.reading.llm import Endpoint

KUHN = load_stage("kuhn-poker")
OCTOBER = load_stage("october-2024")
ONE, TWO = KUHN.players


def begin(stage, occupants, *, seed="0123456789abcdef", precision=None):
    plans = tuple(e.SeatPlan(p, p, occupants.get(p, "person")) for p in stage.players)
    created = e.Created(
        0.0, "x1", stage.name, "A play", seed, plans, precision=stage.precision if precision is None else precision
    )
    return settle(apply(State(stage), created))


def settle(state):
    while (event := due(state, now=1.0)) is not None:
        state = apply(state, event)
    return state


def play_out(state, **more):
    while (event := due(state, now=1.0) or bot_move(state, at=1.0, **more)) is not None:
        state = apply(state, event)
    return state


# -- strategies ------------------------------------------------------------------------------------
def test_the_equilibrium_bot_plays_the_solved_equilibrium():
    chances = strategy(KUHN, "equilibrium:3", ONE)
    assert np.array_equal(chances, equilibrium(KUHN, {}, 3.0).probabilities[:, 0])
    assert np.allclose(strategy(KUHN, "equilibrium:0", ONE), 0.5)


def test_a_bot_draws_with_its_chances_over_many_seeds():
    counts, total = {}, {}
    game = compiled(KUHN)
    chances = strategy(KUHN, "equilibrium", ONE)
    for number in range(900):
        state = begin(KUHN, {ONE: "bot:equilibrium"}, seed=f"{number:016d}")
        infoset = int(game.infoset[node_of(game, state.history)])
        total[infoset] = total.get(infoset, 0) + 1
        counts[infoset] = counts.get(infoset, 0) + (bot_move(state, at=1.0).option == "Bet")
    assert len(total) == 3
    for infoset, n in total.items():
        share = chances[game.slots(infoset)][1]
        assert abs(counts[infoset] - n * share) < 5 * np.sqrt(n * share * (1 - share))


def test_what_a_bot_chooses_is_a_function_of_the_log():
    first = begin(OCTOBER, dict.fromkeys(OCTOBER.players, "bot:equilibrium"))
    assert play_out(first).history == play_out(first).history
    other = begin(OCTOBER, dict.fromkeys(OCTOBER.players, "bot:equilibrium"), seed="f" * 32)
    assert play_out(first).history != play_out(other).history


def test_a_hawkish_player_escalates_more_than_a_cautious_one():
    by_bot = {
        bot: simulate(OCTOBER, games=10, bots={"protege": bot}).expected["oil_or_nuclear"]
        for bot in ("cautious", "equilibrium", "hawkish")
    }
    assert by_bot["cautious"] < by_bot["equilibrium"] < by_bot["hawkish"]


def test_a_persona_changes_the_play_of_its_own_player_only():
    game = compiled(OCTOBER)
    hawkish, usual = strategy(OCTOBER, "hawkish", "protege"), strategy(OCTOBER, "equilibrium", "protege")
    own = np.concatenate([np.full(len(i.options), game.players[i.player] == "protege") for i in game.infosets])
    assert np.array_equal(hawkish[~own], usual[~own])
    assert not np.allclose(hawkish[own], usual[own])


def test_a_persona_without_priors_is_refused():
    with pytest.raises(UsageError, match="'hawkish' needs a scenario with priors"):
        strategy(KUHN, "hawkish", ONE)
    with pytest.raises(UsageError, match="needs a scenario with priors"):
        prepare(KUHN, {ONE: "cautious"}, values={}, precision=1.0)


def test_the_record_bot_does_what_happened_and_says_where_the_record_is_silent():
    state = begin(OCTOBER, dict.fromkeys(OCTOBER.players, "bot:record"))
    done = play_out(state)
    made = {step.move: step.option for step in done.steps}
    for move, option in OCTOBER.observed.items():
        assert made.get(move, option) == option
    silent = [s for s in done.steps if s.by == "bot" and s.move not in OCTOBER.observed]
    assert all("record is silent" in step.flag for step in silent)
    assert all(s.flag == "" for s in done.steps if s.move in OCTOBER.observed)


def test_an_unknown_bot_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'equilibrium'"):
        strategy(KUHN, "equilibriun", ONE)
    with pytest.raises(UsageError, match="worked out beforehand"):
        strategy(KUHN, "model", ONE)


def test_no_bot_moves_where_a_person_sits_or_while_paused():
    assert bot_move(begin(KUHN, {}), at=1.0) is None
    state = begin(KUHN, {ONE: "bot:equilibrium"})
    assert bot_move(apply(state, e.Paused(1.0)), at=1.0) is None


def test_a_history_that_the_game_lacks_has_no_node():
    with pytest.raises(UsageError, match="is not possible"):
        node_of(compiled(KUHN), (("card of player 1", "9"),))


# -- a language model ------------------------------------------------------------------------------
class Stub(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        reply = self.server.reply
        if reply == "slow":
            time.sleep(1.5)
            reply = '{"option": "Bet"}'
        self.send_response(500 if reply == "broken" else 200)
        self.end_headers()
        body = reply if reply == "garbage" else json.dumps({"choices": [{"message": {"content": reply}}]})
        with contextlib.suppress(OSError):
            self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def model():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    server.asked, server.reply, server.daemon_threads = [], "", True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ask_fn(server, timeout=5.0):
    return ask_with(Endpoint(f"http://127.0.0.1:{server.server_port}/v1", timeout=timeout))


@pytest.mark.parametrize("reply", ['{"option": "Bet"}', '```json\n{"option": "Bet"}\n```'])
def test_a_model_chooses_one_of_the_options(model, reply):
    model.reply = reply
    moved = bot_move(begin(KUHN, {ONE: "bot:model"}), at=1.0, ask_fn=ask_fn(model))
    assert (moved.option, moved.by, moved.flag) == ("Bet", "bot", "")


def test_a_model_is_given_the_seats_view_and_nothing_else(model):
    model.reply = '{"option": "Bet"}'
    state = begin(KUHN, {ONE: "bot:model"})
    bot_move(state, at=1.0, ask_fn=ask_fn(model))
    (asked,) = model.asked
    assert asked == json.loads(json.dumps(request_body("default", view(state, ONE))))
    sent = json.loads(asked["messages"][1]["content"])
    assert sent == json.loads(json.dumps(view_json(view(state, ONE))))
    assert "0123456789abcdef" not in json.dumps(asked)


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        ('{"option": "Fold"}', "'Fold', which is none of its options"),
        ('{"option": 3}', "not a label"),
        ("I would bet.", "cannot be read"),
        ("garbage", "cannot be read"),
        ("broken", "answered 500"),
        ("slow", "does not answer"),
    ],
)
def test_nonsense_and_silence_become_the_equilibriums_move_with_a_flag(model, reply, complaint):
    model.reply = reply
    state = begin(KUHN, {ONE: "bot:model"})
    moved = bot_move(state, at=1.0, ask_fn=ask_fn(model, timeout=0.5))
    assert moved.flag.startswith("the equilibrium chose, as the model did not")
    assert complaint in moved.flag
    instead = apply(state, e.Assigned(1.0, ONE, "bot:equilibrium"))
    assert moved.option == bot_move(instead, at=1.0).option
    assert apply(state, moved).steps[-1].flag == moved.flag


def test_a_model_seat_without_an_endpoint_is_flagged_too():
    moved = bot_move(begin(KUHN, {ONE: "bot:model"}), at=1.0)
    assert "Set DETENTE_LLM_URL" in moved.flag


def test_an_address_that_is_none_is_refused():
    with pytest.raises(UsageError, match="not an address"):
        ask_with(Endpoint("localhost"))


# -- tournaments -----------------------------------------------------------------------------------
def test_a_tournament_agrees_with_what_can_be_worked_out():
    played = simulate(KUHN, games=20_000, bots={TWO: "equilibrium:0"}, precision=10, seed=3)
    for mean, error, exact in played.mean_payoffs().values():
        assert abs(mean - exact) < 5 * error
    shares, exact = played.outcomes()["winner"]
    assert abs(shares[ONE] - exact[ONE]) < 0.02
    assert sum(played.choices()["card of player 1"].values()) == pytest.approx(1)


def test_the_same_seed_gives_the_same_tournament():
    first, again = (simulate(OCTOBER, games=50, seed=7).rows() for _ in range(2))
    assert first == again
    assert first != simulate(OCTOBER, games=50, seed=8).rows()


def test_games_of_a_tournament_are_the_games_that_sessions_play():
    exact = simulate(KUHN, games=1).leaf_probability
    game = compiled(KUHN)
    counts = np.zeros(game.num_leaves)
    for number in range(400):
        done = play_out(begin(KUHN, dict.fromkeys(KUHN.players, "bot:equilibrium"), seed=f"{number:016d}"))
        counts[game.leaf[node_of(game, done.history)]] += 1
    assert abs(counts / 400 - exact).max() < 5 * np.sqrt(0.25 / 400)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"games": 0}, "0 is not a number of games"),
        ({"bots": {"player 3": "equilibrium"}}, "'player 3' is not a player"),
        ({"bots": {ONE: "model"}}, "worked out beforehand"),
    ],
)
def test_a_tournament_that_cannot_be_held_is_refused(changes, complaint):
    with pytest.raises(UsageError, match=complaint):
        simulate(KUHN, **changes)


def test_everybody_else_is_left_at_the_deadline_to_the_equilibrium():
    plans = tuple(e.SeatPlan(p, p) for p in KUHN.players)
    created = e.Created(0.0, "x", "kuhn-poker", "A play", "0123456789abcdef", plans, seconds=5.0)
    state = settle(apply(State(KUHN), created))
    state = apply(state, e.TimerExpired(9.0, next_decision(state).id))
    moved = bot_move(state, at=9.0)
    assert (moved.by, moved.flag) == ("bot", "time ran out")
    assert apply(state, moved).steps[-1].seat == ONE
