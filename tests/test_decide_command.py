"""``detente decide``: what it prints is recomputed from the arrays, by other means."""

import json
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console
from test_cube import CORRELATED, RIVALS, TOML, write_crisis
from typer.testing import CliRunner

from detente import cli
from detente.cli_decide import DEFAULT_DRAWS, chosen_policies, thresholds
from detente.cli_decide import decide as command
from detente.decide.analysis import LEVEL_METRICS, decide, enough_draws, worst_tenth
from detente.decide.cube import run_to_store
from detente.decide.ensemble import run
from detente.decide.robustness import NINETIETH, robustness
from detente.decide.sensitivity import varying
from detente.errors import DetenteError, UsageError
from detente.model.scenario import load_scenario
from detente.report.decide import print_decision
from detente.report.decide_json import decision_json
from detente.report.decide_words import points_text, summary, title_of, worth_text
from detente.report.words import percent

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(command)


@pytest.fixture(scope="module")
def solved():
    scenario = load_scenario("october-2024")
    return scenario, run(scenario, num_draws=256)


@pytest.fixture(scope="module")
def decision(solved):
    return decide(*solved, structure_draws=16, gradient_worlds=2)


@pytest.fixture(scope="module")
def text(decision):
    out = StringIO()
    print_decision(decision, Console(file=out, width=80))
    return out.getvalue()


def flat(text):
    """Without the lines of the panel, on one line."""
    return " ".join(re.sub(r"[│╭╮╰╯]", " ", text).split())


def payoff(ensemble, player):
    return ensemble.payoffs[:, ensemble.game.players.index(player)][:, ensemble.usable].T


# -- the six questions -----------------------------------------------------------------------------
def test_the_most_robust_policy_loses_least_in_nine_worlds_of_ten(solved, decision, text):
    _, ensemble = solved
    values = payoff(ensemble, "patron")
    lost = np.sort(values.max(axis=1, keepdims=True) - values, axis=0)
    place = int(np.ceil(0.9 * len(lost))) - 1  # 0.9 · 256 is not whole: the next one up
    assert decision.preferred == ensemble.policies[int(lost[place].argmin())]
    own = ensemble.policies.index(decision.preferred)
    criterion = decision.criteria["patron"]
    for figure in (lost[place, own], lost[:, own].mean()):
        assert points_text(criterion, figure) in summary(decision)[0]
    beaten = (values.max(axis=1) > values[:, own] + 1e-9).mean()
    assert f"best in {percent(1 - beaten)} of worlds" in flat(text)


def test_countries_have_their_article_inside_sentences(decision, text):
    said = flat(text)
    assert "For the United States, “" in said
    assert "another policy is better for the United States" in said
    assert "What each policy costs the United States" in said
    assert "for Iran “" in said and "the Iran" not in said


def test_every_player_and_outcome_has_its_most_robust_policy(solved, decision, text):
    scenario, ensemble = solved
    assert list(decision.criteria) == [*ensemble.game.players, *scenario.file.outcomes]
    for name, criterion in decision.criteria.items():
        if name in ensemble.game.players:
            values, better = payoff(ensemble, name), "higher"
        else:
            values = np.stack([ensemble.outcome(name, p) for p in ensemble.policies], axis=1)
            better = scenario.file.outcomes[name].better
        score = robustness(values, ensemble.policies, better=better).score(NINETIETH)
        assert set(criterion.best) == set(score.best)
        assert title_of(decision, criterion.best[0]) in text
        assert criterion.agreeing + len(criterion.dissent) <= len(LEVEL_METRICS)


def test_disagreement_of_the_metrics_is_said(decision, text):
    by = decision.criteria[decision.by]
    said = flat(text)
    if by.dissent:
        assert "The metrics disagree" in said
        for metric in by.dissent:
            assert metric in said
    else:
        assert "agree." in said


def test_the_cost_in_the_worst_tenth_is_an_average_over_these_worlds(solved, decision, text):
    _, ensemble = solved
    values = payoff(ensemble, "patron")
    lost = np.sort(values.max(axis=1, keepdims=True) - values, axis=0)[::-1]
    count = round(0.1 * len(values))
    by, war = decision.criteria["patron"], decision.criteria["regional_war"]
    for j, policy in enumerate(ensemble.policies):
        assert by.worst_tenth[policy] == pytest.approx(np.sort(values[:, j])[:count].mean())
        assert by.regret_worst_tenth[policy] == pytest.approx(lost[:count, j].mean())
        worst = np.sort(ensemble.outcome("regional_war", policy))[-count:].mean()
        assert war.worst_tenth[policy] == pytest.approx(worst)
    assert points_text(by, by.regret_worst_tenth[decision.preferred]) in text
    assert worth_text(war, war.worst_tenth[decision.preferred]) in summary(decision)[2]
    assert worst_tenth(np.array([[1.0], [2.0]]), better="higher").tolist() == [1.0]


def test_a_failure_is_worse_than_nine_worlds_of_ten_without_a_commitment(solved, decision, text):
    scenario, ensemble = solved
    for name in decision.headlines:
        usual, sign = ensemble.outcome(name, "no-policy"), 1 if scenario.file.outcomes[name].better == "lower" else -1
        ordered = np.sort(sign * usual)
        assert sign * decision.thresholds[name] == pytest.approx(ordered[230])  # 231st of 256: 0.9 · 256 = 230.4
        for policy in ensemble.policies:
            share = (sign * ensemble.outcome(name, policy) > sign * decision.thresholds[name]).mean()
            assert decision.failing[name][policy] == pytest.approx(share)
            assert percent(share) in text


def test_the_cards_count_the_worlds_of_the_preferred_policy(solved, decision, text):
    scenario, ensemble = solved
    inputs, said = varying(ensemble), flat(text)
    values, own = payoff(ensemble, "patron"), ensemble.policies.index(decision.preferred)
    assert [c.criterion for c in decision.cards] == ["patron", *decision.headlines]
    for card in decision.cards:
        fails = values.max(axis=1) > values[:, own] + 1e-9
        if card.criterion != "patron":
            sign = 1 if scenario.file.outcomes[card.criterion].better == "lower" else -1
            fails = sign * ensemble.outcome(card.criterion, decision.preferred) > sign * card.threshold
        assert card.rate == pytest.approx(fails.mean())
        if card.box is not None:
            inside = card.box.holds(inputs)
            figures = (fails[inside].sum() / fails.sum(), fails[inside].mean(), inside.mean())
            assert (card.box.coverage, card.box.density, card.box.mass) == pytest.approx(figures)
        assert " ".join(card.text.replace(f"*{title_of(decision, decision.preferred)}*", "").split()) in said


def test_what_to_find_out_first_is_backed_by_worth_swing_and_grade(solved, decision, text):
    scenario, ensemble = solved
    values, inputs = ensemble.outcome("regional_war", decision.preferred), varying(ensemble)
    assert {f.parameter for f in decision.findings} == set(inputs)
    war = decision.criteria["regional_war"]
    for finding in decision.findings[:6]:
        order = np.argsort(inputs[finding.parameter], kind="stable")
        low, high = values[order[:26]].mean(), values[order[-26:]].mean()
        assert (finding.swing.low, finding.swing.high) == pytest.approx((low, high))
        assert f"{worth_text(war, low)} → {worth_text(war, high)}" in flat(text)
        assert finding.grade == scenario.file.parameters[finding.parameter].grade
    sure = [f.worth.value if f.worth and f.worth.low > 0 else 0 for f in decision.findings]
    assert sure == sorted(sure, reverse=True)


def test_what_to_watch_first_comes_before_it_is_settled(decision):
    early = [i for i in decision.indicators["regional_war"].items if i.lead >= 1 and i.share >= 0.01]
    item = min(early, key=lambda i: i.depth)
    sign = next(s for s in item.signs if s.probability >= 0.01)
    said = summary(decision)[-1]
    assert f"Watch first: {item.move}" in said and f"{item.lead:.1f} moves ahead" in said
    assert f"“{sign.option}”" in said and f"to {percent(sign.forecast)}" in said


def test_assumptions_name_kind_grade_and_effect_and_what_was_not_varied(decision, text):
    kinds = {a.kind for a in decision.assumptions}
    assert kinds == {"evidence", "judgement", "method", "structure"}
    assert any(a.parameter == "precision" and a.kind == "method" for a in decision.assumptions)
    assert decision.assumptions[-1].effect is None and "not varied" in text
    effects = [a.effect for a in decision.assumptions if a.effect is not None]
    assert effects == sorted(effects, reverse=True)


def test_the_page_shows_what_the_command_says():
    """The answer on the page is that of the command as it stands there: 2,000 worlds, no options."""
    page = (Path(__file__).parents[1] / "docs/how-to/decide.md").read_text(encoding="utf-8")
    shown = re.search(r"detente decide october-2024\n```.*?```text\n(.*?)```", page, re.DOTALL)
    scenario = load_scenario("october-2024")
    found = decide(scenario, run(scenario, num_draws=DEFAULT_DRAWS), structure_draws=0, gradient_worlds=0)
    assert shown is not None
    assert " ".join(shown[1].split()) == " ".join(f"· {sentence}" for sentence in summary(found))


def test_the_text_fits_eighty_columns(text):
    assert max(len(line) for line in text.splitlines()) <= 80


def test_json_holds_it_all_and_nothing_that_json_lacks(decision):
    found = json.loads(json.dumps(decision_json(decision), allow_nan=False))
    assert found["preferred"] == decision.preferred and found["summary"] == list(summary(decision))
    keys = {"criteria", "cards", "failing", "find_out", "flips", "indicators", "assumptions", "non_dominated"}
    assert keys <= set(found)
    assert found["find_out"][0]["slope"]["size"] >= 0
    ratios = [s["likelihood_ratio"] for i in found["indicators"]["regional_war"]["items"] for s in i["signs"]]
    assert "infinite" in ratios


# -- the command -----------------------------------------------------------------------------------
def test_the_command_answers_with_a_policy_added_on_the_fly():
    arguments = ["october-2024", "--draws", "200", "--policy", "no-policy", "--policy", "quiet-lines", "--json"]
    arguments += ["--commit", "message=red lines", "--commit", "channel=private", "--fails", "regional_war=0.2"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["policies"] == {"no-policy": "No policy", "quiet-lines": "Quiet lines"}
    assert found["thresholds"]["regional_war"] == 0.2
    assert found["draws"] == 200


def refused(*arguments):
    with pytest.raises(DetenteError) as error:
        typer.main.get_command(app)(["october-2024", *arguments], standalone_mode=False)
    return str(error.value)


def test_mistakes_are_refused_before_the_work():
    assert "Ask for 200 or more" in refused("--draws", "50")
    assert "Did you mean 'red-lines'" in refused("--policy", "red-line")
    assert "exactly one new name" in refused("--commit", "message=red lines")
    assert "exactly one new name" in refused("--policy", "a", "--policy", "b", "--commit", "message=red lines")
    assert "Did you mean 'red lines'" in refused("--policy", "new", "--commit", "message=red line")
    assert "move of the protege" in refused("--policy", "new", "--commit", "retaliation=none")
    assert "Choose one" in refused(
        "--policy", "new", "--commit", "message=red lines", "--commit", "message=strike alone"
    )
    assert "Did you mean 'maximin'" in refused("--metric", "maximim")
    assert "not a player or outcome" in refused("--by", "nobody")
    assert "not NAME=VALUE" in refused("--fails", "regional_war")
    assert "not a number" in refused("--fails", "regional_war=often")


# -- from a store, and under rival structures ------------------------------------------------------
@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    crisis = write_crisis(folder / "border", TOML + CORRELATED + RIVALS)
    run_to_store(crisis, folder / "store", num_draws=256, seed=4, block=64)
    return str(crisis.folder), str(folder / "store")


def answer(*arguments):
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def leaves(value, place=""):
    """Every number and text of nested JSON, with its place; the last digits of sums depend on their order."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, f"{place}/{key}")
    else:
        yield place, float(f"{value:.9g}") if isinstance(value, float) else value


def test_a_store_gives_the_answer_that_solving_gives(stored):
    folder, store = stored
    read, solved = answer(folder, "--store", store), answer(folder, "--draws", "256", "--seed", "4")
    assert dict(leaves(read)) == dict(leaves(solved))
    texts = [
        CliRunner().invoke(app, [folder, *m]).output for m in (["--store", store], ["--draws", "256", "--seed", "4"])
    ]
    assert "In short" in texts[0] and texts[0] == texts[1]
    assert answer(folder, "--store", store, "--draws", "256", "--seed", "4")["draws"] == 256


def test_the_brief_is_the_same_from_a_store(stored, tmp_path):
    folder, store = stored
    pages = []
    for more in (["--store", store], ["--draws", "256", "--seed", "4"]):
        done = CliRunner().invoke(cli.app, ["brief", folder, *more, "--json", "-o", str(tmp_path / "brief.html")])
        assert done.exit_code == 0, done.output
        page = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "now", (tmp_path / "brief.html").read_text(encoding="utf-8"))
        pages.append((dict(leaves(json.loads(done.stdout))), page))
    assert pages[0] == pages[1]


@pytest.mark.parametrize("command", ["decide", "brief"])
def test_a_store_of_another_run_is_refused_with_what_differs(stored, command, monkeypatch):
    folder, store = stored

    def said(*arguments):
        with pytest.raises(UsageError) as error:
            typer.main.get_command(cli.app)([command, folder, "--store", store, *arguments], standalone_mode=False)
        return str(error.value)

    assert "draws: 256 in the store, 300 in this run" in said("--draws", "300")
    assert "seed: 4 in the store, 0 in this run" in said("--seed", "0")
    assert "does not hold the policy 'new'" in said("--policy", "new", "--commit", "stance=calm")


def test_a_rival_structure_is_judged_by_itself_and_listed_as_an_assumption(stored):
    folder, store = stored
    stated, sharp = answer(folder, "--store", store), answer(folder, "--store", store, "--structure", "sharp")
    assert (stated["structure"], sharp["structure"]) == ("stated", "sharp")
    by_text = {a["text"]: a for a in stated["assumptions"]}
    found = by_text["the crisis does not work as “Sharp” says"]
    row = run(load_scenario(folder), num_draws=256, seed=4).outcome("fight", stated["preferred"])[:64]
    rival = run(load_scenario(folder).structure("sharp"), num_draws=256, seed=4).outcome("fight", stated["preferred"])
    assert found["low"] == pytest.approx(row.mean()) and found["high"] == pytest.approx(rival[:64].mean())
    assert found["effect"] == pytest.approx(abs(found["high"] - found["low"])) and found["kind"] == "structure"
    assert "the crisis does not work as the file states without a structure" in {
        a["text"] for a in sharp["assumptions"]
    }
    out = CliRunner().invoke(app, [folder, "--store", store, "--structure", "sharp"]).output
    assert "Under the structure “Sharp”" in out
    assert "Did you mean 'sharp'" in str(CliRunner().invoke(app, [folder, "--structure", "shar"]).exception)


def test_thresholds_must_be_finite_numbers():
    with pytest.raises(UsageError, match="finite"):
        thresholds(["regional_war=inf"])
    with pytest.raises(UsageError, match="finite"):
        thresholds(["regional_war=nan"])


def test_named_policies_alone_are_compared(solved):
    scenario, _ = solved
    same, chosen = chosen_policies(scenario, ["red-lines", "no-policy"], None)
    assert same is scenario and list(chosen) == ["red-lines", "no-policy"]
    assert chosen_policies(scenario, None, None) == (scenario, None)
    whole, every = chosen_policies(scenario, ["new"], ["message=red lines"])
    assert every is None and list(whole.file.policies)[-1] == "new"


def test_an_unknown_headline_or_too_little_to_compare_is_refused(solved):
    scenario, ensemble = solved
    with pytest.raises(UsageError, match="Did you mean 'regional_war'"):
        decide(scenario, ensemble, fails={"regional_wars": 0.1})
    with pytest.raises(UsageError, match="not a player or an outcome"):
        decide(scenario, ensemble, by="nobody")
    few = run(scenario, num_draws=32)
    assert enough_draws(ensemble) and not enough_draws(few)
    with pytest.raises(UsageError, match="Ask for at least 200"):
        decide(scenario, few)
