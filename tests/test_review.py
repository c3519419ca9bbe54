"""The after-action review: every number against one worked out another way, and the page that shows it."""

import html.parser
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from detente.errors import UsageError
from detente.play import events as e
from detente.play.bots import bot_move, compiled, equilibrium, node_of
from detente.play.export import game_rows, games_csv, games_parquet, log_csv, log_jsonl, log_parquet, read_jsonl
from detente.play.review import counterfactual, escalation_value, review, review_json
from detente.play.review_page import counterfactual_lines, findings, percent, review_html, review_lines
from detente.play.session import State, apply, due, next_decision, replay, state_hash
from detente.play.stage import load_stage
from detente.play.tables import make_tables
from detente.record.scales import MOVES, SCALES

KUHN = load_stage("kuhn-poker")
OCTOBER = load_stage("october-2024")
ONE, TWO = KUHN.players
SEED = "0123456789abcdef"


def begin(stage, **changes):
    plans = tuple(e.SeatPlan(p, p) for p in stage.players)
    created = e.Created(0.0, "x1", stage.name, "A <play>", SEED, plans, precision=stage.precision)
    return replace(created, **changes)


def played(stage, history, **changes):
    """A log in which chance and players do as told."""
    log = [begin(stage, **changes)]
    state = replay(stage, log)
    for option in history:
        decision = next_decision(state)
        if decision is None:
            log.append(e.Overridden(1.0, state.position.move, option, "to see it"))
        else:
            log.append(e.Moved(1.0, decision.seats[0], decision.id, option))
        state = apply(state, log[-1])
    return log, state


OCTOBER_PLAY = (
    "high",
    "low",
    "means it",
    "red lines",
    "private",
    "silent",
    "oil",
    "mass salvo",
    "many",
    "join",
    "stop",
)


@pytest.fixture(scope="module")
def october():
    log, state = played(OCTOBER, OCTOBER_PLAY)
    assert state.ended
    return log, state, review(state)


# -- numbers ---------------------------------------------------------------------------------------
def test_the_chance_of_a_move_is_that_of_the_equilibrium():
    _, state = played(KUHN, ("2", "0", "Pass", "Bet", "Pass")[:4])
    made = review(state)
    solution = equilibrium(KUHN, {}, 1.0)
    game = compiled(KUHN)
    for number, step in enumerate(made.steps):
        node = node_of(game, state.history[: number + 1])
        assert step.chance == pytest.approx(solution.edges()[node, 0])


def test_tables_at_the_root_are_the_payoffs_of_the_solution():
    solution = equilibrium(OCTOBER, OCTOBER.values, OCTOBER.precision)
    tables = make_tables(solution)
    assert np.allclose(tables.payoff[0], solution.payoffs[:, 0], atol=1e-8)
    for name, value in tables.numbers.items():
        assert value[0] == pytest.approx(solution.outcome(name)[0], abs=1e-9)
    for name, value in tables.labels.items():
        exact = solution.outcome(name)
        assert dict(zip(exact, value[0], strict=True)) == pytest.approx({k: v[0] for k, v in exact.items()}, abs=1e-9)


def test_the_value_of_an_option_is_what_the_logit_rule_says(october):
    _, state, made = october
    for step in made.steps:
        if step.player:
            first, *rest = step.alternatives
            for other in rest:
                odds = math.log(other.chance / first.chance)
                assert odds == pytest.approx(made.precision * (other.value - first.value), abs=1e-6)


def test_regret_is_nothing_for_the_best_option_and_never_negative(october):
    _, _, made = october
    for step in made.steps:
        if step.player:
            assert step.regret >= 0
            assert (step.regret == 0) == (step.option == step.best)
        else:
            assert step.regret is None
    assert sum(made.total_regret.values()) == pytest.approx(sum(s.regret or 0 for s in made.steps))


def test_what_an_outsider_expects_is_worked_out_over_the_cards_it_did_not_see():
    _, state = played(KUHN, ("2", "0", "Bet"))
    step = review(state).steps[-1]
    solution = equilibrium(KUHN, {}, 1.0)
    game = compiled(KUHN)
    total = 0.0
    for mine in "012":
        for yours in set("012") - {mine}:
            node = node_of(game, ((f"card of {ONE}", mine), (f"card of {TWO}", yours), (f"first of {ONE}", "Bet")))
            total += solution.edges()[node, 0] / 6
    assert step.seen_chance == pytest.approx(total)
    assert step.seen_chance != pytest.approx(step.chance, abs=1e-3)


def test_what_was_not_known_comes_with_what_had_to_be_thought_of_it():
    _, state = played(KUHN, ("2", "0", "Bet"))
    (unknown,) = review(state).steps[-1].unknown
    assert (unknown.move, unknown.option, unknown.belief) == (f"card of {TWO}", "0", pytest.approx(0.5))
    _, state = played(KUHN, ("2", "0", "Bet", "Pass"))
    made = review(state)
    (unknown,) = made.unknown[ONE]
    assert 0.5 < unknown.belief < 1  # who folds has rather the low card
    assert review(apply(state, e.Rewound(9.0, 3, "to look"))).unknown == {}


def test_the_beliefs_at_the_end_agree_with_all_ends_that_look_the_same(october):
    _, state, made = october
    tables, game = make_tables(equilibrium(OCTOBER, OCTOBER.values, OCTOBER.precision)), compiled(OCTOBER)

    def seen_by_adversary(moves):
        """Written down from the rules by hand: what the adversary is told, in this scenario."""
        heard = moves["channel"] == "public" or moves.get("press") == "reports it"
        sanctions = "coalition sanctions" if moves["message"] == "red lines" else moves.get("sanctions")
        public = ("adversary resolve", "retaliation", "reply", "impacts", "involvement", "next")
        return heard and moves["message"], sanctions, *(moves.get(m) for m in public)

    weights = {"high": 0.0, "low": 0.0}
    for node in game.leaf_nodes:
        moves = dict(game.history(int(node)))
        if seen_by_adversary(moves) == seen_by_adversary(dict(state.history)):
            weights[moves["protege resolve"]] += tables.reach[node]
    belief = next(u.belief for u in made.unknown["adversary"] if u.move == "protege resolve")
    assert belief == pytest.approx(weights["high"] / sum(weights.values()), rel=1e-9)


def test_the_share_of_likelier_plays_lies_between_none_and_all():
    shares = []
    game = compiled(KUHN)
    reach = equilibrium(KUHN, {}, 1.0).leaf_probabilities()[:, 0]
    for leaf in (int(reach.argmax()), int(reach.argmin())):
        history = [option for _, option in game.history(int(game.leaf_nodes[leaf]))]
        shares.append(review(played(KUHN, history)[1]).likelier_plays)
    assert shares[0] == 0
    assert shares[1] == pytest.approx(1 - reach[np.isclose(reach, reach.min())].sum())


def test_where_the_play_left_the_likely_path(october):
    _, _, made = october
    first = next(s for s in made.steps if s.player and s.left_path)
    assert made.left_at == first.number
    assert max(a.chance for a in first.alternatives) >= 2 * first.chance
    assert f"left the likely path at move {first.number}" in " ".join(findings(made))
    usual = [max(s.alternatives, key=lambda a: a.chance).option for s in made.steps[:1]]
    assert review(played(OCTOBER, usual)[1]).left_at is None


def test_a_counterfactual_is_the_solution_given_that_history(october):
    _, state, made = october
    found = counterfactual(state, "message", "strike alone")
    given = dict(found.given) | {"message": "strike alone"}
    solution = equilibrium(OCTOBER, OCTOBER.values, OCTOBER.precision)
    for name, value in found.outcomes.items():
        assert value == pytest.approx(solution.outcome(name, given)[0], abs=1e-9)
    assert found.distributions["retaliation"] == pytest.approx(
        {k: v[0] for k, v in solution.outcome("retaliation", given).items()}, abs=1e-9
    )
    assert found.choices["retaliation"] == pytest.approx(found.distributions["retaliation"], abs=1e-9)
    assert found.actual == "red lines"
    step = next(s for s in made.steps if s.move == "message")
    assert found.outcomes == next(a for a in step.alternatives if a.option == "strike alone").outcomes
    assert found.actual_outcomes == step.expected


@pytest.mark.parametrize(
    ("move", "option", "complaint"),
    [("mesage", "red lines", "Did you mean 'message'"), ("message", "red line", "Did you mean 'red lines'")],
)
def test_a_counterfactual_that_cannot_be_is_refused(october, move, option, complaint):
    with pytest.raises(UsageError, match=complaint):
        counterfactual(october[1], move, option)


@pytest.mark.parametrize("scale", SCALES)
def test_escalation_is_that_of_the_scale_chosen(october, scale):
    made = review(october[1], scale=scale)
    by_move = {s.move: s.escalation for s in made.steps}
    assert by_move["retaliation"] == escalation_value("strike on oil", scale)
    assert by_move["press"] is None
    assert all(act in MOVES for act in OCTOBER.words.acts.values())


def test_a_scale_that_does_not_exist_and_an_exercise_that_has_not_begun_are_refused(october):
    with pytest.raises(UsageError, match="Did you mean 'ladder'"):
        review(october[1], scale="laddder")
    with pytest.raises(UsageError, match="not been created"):
        review(State(KUHN))


def test_a_review_can_be_made_in_the_middle_of_a_game():
    made = review(played(OCTOBER, OCTOBER_PLAY[:5])[1])
    assert not made.ended and made.likelier_plays is None and made.outcomes == ()
    assert "had not come to an end" in findings(made)[0]
    assert review_html(made, generated="now")
    assert review(played(OCTOBER, ())[1]).steps == ()


# -- page and text ---------------------------------------------------------------------------------
class Page(html.parser.HTMLParser):
    """What a page is made of, and whether its elements close."""

    VOID = {"meta", "link", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_needs_nothing_but_itself_and_no_script(october):
    page = Page(review_html(october[2], generated="2026-01-01"))
    assert not [t for t, _ in page.tags if t in ("script", "link", "img", "iframe")]
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on") or a in ("style", "src", "href")]
    assert "url(" not in review_html(october[2], generated="")
    text = " ".join(" ".join(page.words).split())
    for words in (
        "A <play>",
        "left the likely path",
        "Strike on" if False else "oil",
        "Made 2026-01-01",
        "United States",
    ):
        assert words in text
    linked = review_html(october[2], generated="", stylesheet="/static/review.css")
    assert "<style>" not in linked and 'href="/static/review.css"' in linked


def test_what_people_wrote_is_shown_as_text_and_not_as_markup():
    nasty = "<script>alert(1)</script>"
    _, state = played(KUHN, ("2", "0"))
    state = apply(state, e.Noted(1.0, nasty, ONE))
    state = apply(state, e.Overridden(1.0, f"first of {ONE}", "Bet", nasty))
    state = apply(state, e.Rewound(1.0, 1, nasty))
    shown = review_html(review(state), generated=nasty)
    assert "<script" not in shown and shown.count("&lt;script&gt;") >= 3


def test_every_heading_level_of_the_page_follows_the_one_before(october):
    levels = [int(t[1]) for t, _ in Page(review_html(october[2], generated="")).tags if re.fullmatch(r"h\d", t)]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


def test_the_text_says_the_same_as_the_page(october):
    lines = "\n".join(review_lines(october[2]))
    assert findings(october[2])[0] in lines
    assert "Israel did not know in the end" in lines
    rows = list(counterfactual_lines(october[2], "message"))
    assert len(rows) == 2 + 5 and any("red lines *" in row for row in rows)


def test_a_review_is_plain_data_without_nan(october):
    text = json.dumps(review_json(october[2]), allow_nan=False)
    assert json.loads(text)["steps"][3]["option"] == "red lines"
    assert percent(None) == "not known"


# -- exports ---------------------------------------------------------------------------------------
def test_the_log_comes_back_from_json_lines_as_it_was(october):
    log, state, _ = october
    log = [*log, e.Said(2.0, "patron", "a\u2028b\n=c", ("protege",))]
    again = read_jsonl(log_jsonl(log))
    assert again == log
    assert state_hash(replay(OCTOBER, again[:-1])) == state_hash(state)
    with pytest.raises(UsageError, match="log, line 2: "):
        read_jsonl(log_jsonl(log[:1]) + "{broken\n")


def test_the_log_as_a_table_has_one_row_an_event(october):
    import csv
    import io

    import pyarrow.parquet as pq

    log = october[0]
    rows = list(csv.DictReader(io.StringIO(log_csv(log))))
    assert len(rows) == len(log) and rows[-1]["kind"] == "move" and rows[-1]["seat"] == "protege"
    table = pq.read_table(io.BytesIO(log_parquet(log))).to_pylist()
    assert [json.loads(r["event"]) for r in table] == [e.event_json(event) for event in log]


def test_a_seat_whose_name_looks_like_a_formula_is_harmless_in_a_spreadsheet():
    assert ",'=1+1," in log_csv([e.Joined(1.0, "=1+1", "Ann")])


def test_games_have_one_row_and_one_column_a_move(october):
    import csv
    import io

    import pyarrow.parquet as pq

    middle = played(OCTOBER, OCTOBER_PLAY[:5])[1]
    rows = game_rows([october[1], middle])
    first, second = csv.DictReader(io.StringIO(games_csv(rows)))
    assert {m: o for m, o in first.items() if m in dict(october[1].history)} == dict(october[1].history)
    assert (first["finished"], second["finished"], second["retaliation"]) == ("yes", "no", "")
    table = pq.read_table(io.BytesIO(games_parquet(rows))).to_pylist()
    assert table[1]["retaliation"] is None and table[0]["retaliation"] == "oil"


def test_moves_that_somebody_else_made_are_flagged_and_branches_can_be_kept():
    state = played(KUHN, ("2", "0", "Bet"))[1]
    state = apply(state, e.Overridden(2.0, f"answer of {TWO}", "Bet", "absent"))
    state = apply(state, e.Rewound(3.0, 3, "again"))
    left, now = game_rows([state], branches=True)
    assert f"answer of {TWO}" in left["flagged"] and f"answer of {TWO}" not in now
    assert (left["branch"], now["branch"]) == ("0", "1")
    assert len(game_rows([state])) == 1
    with pytest.raises(UsageError, match="not been created"):
        game_rows([State(KUHN)])


def test_a_whole_play_of_bots_is_reviewed_against_the_record():
    plans = tuple(e.SeatPlan(p, p, "bot:record") for p in OCTOBER.players)
    state = apply(State(OCTOBER), begin(OCTOBER, seats=plans))
    while (event := due(state, now=1.0) or bot_move(state, at=1.0)) is not None:
        state = apply(state, event)
    made = review(state)
    chosen = {s.move: s.option for s in made.steps}
    assert chosen["message"] == "red lines" and chosen["retaliation"] == "military targets"
