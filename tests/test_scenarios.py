"""The scenarios that come with the package, and what is said to somebody whose own scenario has a mistake."""

import json
import re
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from detente.axes import Game
from detente.errors import ModelError, ScenarioError, UsageError
from detente.library.restraint import MESSAGES, RUNGS, restraint
from detente.model.compile import compile
from detente.model.priors import Beta, Pert, draw, median_draw
from detente.model.scenario import (
    Scenario,
    check_against_game,
    load_scenario,
    scenario_names,
)
from detente.record import Claim, chain, corrections, find

NAMES = ("april-2024", "october-2024")
AS_OF = {"april-2024": date(2024, 4, 18), "october-2024": date(2024, 10, 25)}
FOUNDING = {"april-2024": "000-", "october-2024": "002-"}
SALVO = {
    "april-2024": ("leak_per_launch.apr2024", "salvo_ballistic.apr2024"),
    "october-2024": ("leak_per_launch.oct2024", "salvo_ballistic.oct2024"),
}


@pytest.fixture(scope="module", params=NAMES)
def scenario(request) -> Scenario:
    return load_scenario(request.param)


@pytest.fixture(scope="module")
def both() -> dict[str, Scenario]:
    return {name: load_scenario(name) for name in NAMES}


@pytest.fixture(scope="module")
def game(both) -> Game:
    """The rules, compiled once with April's parameters; a test shows that October has the same."""
    return both["april-2024"].game


# --- the scenarios that come with the package ---


def test_the_package_comes_with_april_and_october():
    assert scenario_names() == list(NAMES)


def test_a_scenario_is_about_the_eve_of_the_reply_with_the_united_states_deciding(scenario):
    assert scenario.file.as_of == AS_OF[scenario.slug]
    assert scenario.file.decides == "patron"
    assert scenario.file.who == {"patron": "United States", "protege": "Israel", "adversary": "Iran"}
    assert scenario.crisis is restraint


def test_a_scenario_loads_the_same_by_name_and_by_folder(scenario):
    again = load_scenario(str(scenario.folder))
    assert (again.slug, again.file) == (scenario.slug, scenario.file)


def test_every_parameter_of_the_rules_is_declared_and_none_is_unused(scenario, game):
    # Compiling refuses a parameter that is missing or superfluous; the precision belongs to the solver.
    assert set(game.parameters) == set(scenario.rule_parameters)
    assert set(scenario.priors) - set(scenario.rule_parameters) == {"precision"}
    assert scenario.file.precision == "precision"


def test_every_parameter_cites_evidence_or_says_who_judged(scenario):
    for name, parameter in scenario.file.parameters.items():
        assert parameter.evidence or parameter.judgement, name
        if parameter.judgement:
            assert re.match(r"Detente developers: \S.*\.$", parameter.judgement), name


def test_evidence_comes_with_the_reason_for_the_range(scenario):
    # No evidence on this record fixes a range by itself; without a sentence nobody could retrace it.
    assert [n for n, p in scenario.file.parameters.items() if p.evidence and not p.judgement] == []


def test_every_meaning_is_a_sentence_that_says_what_larger_values_mean(scenario):
    for name, parameter in scenario.file.parameters.items():
        assert parameter.meaning.endswith("."), name
        assert re.search(r"\b0\b", parameter.meaning) or "1 means" in parameter.meaning, name


def test_a_parameter_is_not_graded_better_than_the_worst_claim_it_cites(scenario):
    for name, parameter in scenario.file.parameters.items():
        cited = [find(scenario.ledger, id) for id in parameter.evidence]
        worst = max((entry.grade for entry in cited if isinstance(entry, Claim)), default=1)
        assert (parameter.grade or 6) >= worst, name


def test_no_parameter_rests_on_what_was_reported_after_the_as_of_date(scenario):
    ids = {id for parameter in scenario.file.parameters.values() for id in parameter.evidence}
    late = [row.id for row in chain(scenario.full_ledger, sorted(ids)) if row.reported > str(scenario.file.as_of)]
    assert len(ids) >= 15
    assert late == []


def test_no_parameter_rests_on_a_claim_that_is_wrong_or_cannot_be_checked(scenario):
    refused = ("wrong", "misquotation", "unverified", "opinion")
    for name, parameter in scenario.file.parameters.items():
        for entry in (find(scenario.ledger, id) for id in parameter.evidence):
            assert not (isinstance(entry, Claim) and entry.status in refused), (name, entry.id)


def test_the_median_of_every_prior_lies_inside_its_support(scenario):
    medians = median_draw(scenario.priors)
    for name, prior in scenario.priors.items():
        low, high = prior.support
        assert low < medians[name] < high, name


def test_every_prior_is_a_range_with_a_best_guess_or_comes_from_a_salvo_and_none_is_negative(scenario):
    from_salvo = {"reliability", "interception"}
    for name, prior in scenario.priors.items():
        assert isinstance(prior, Beta if name in from_salvo else Pert) and prior.support[0] >= 0, name
        assert (prior.origin is not None) == (name in from_salvo), name


def test_reliability_and_interception_come_from_the_salvo_on_record(scenario):
    (name,) = scenario.file.salvos
    fit = scenario.salvo(name)
    for part in ("reliability", "interception"):
        prior, found = scenario.priors[part], fit.summary(part)
        assert prior.origin.source == "salvo" and prior.origin.id == f"{name}.{part}"
        assert set(prior.origin.rests_on) <= set(scenario.file.parameters[part].evidence)
        size = prior.successes + prior.failures
        assert prior.successes / size == pytest.approx(found.mean)
        assert np.sqrt(prior.successes * prior.failures / (size**2 * (size + 1))) == pytest.approx(found.sd)
        assert f"{found.mean:.2f}" in prior.origin.words


def test_draws_of_both_together_leak_as_much_as_the_salvo_says(scenario):
    # Drawn independently, the product of the two would be spread over more than the counts allow.
    draws = draw({n: scenario.priors[n] for n in ("reliability", "interception")}, 4_096)
    leak = draws["reliability"] * (1 - draws["interception"])
    found = scenario.salvo(*scenario.file.salvos).summary("leak")
    assert leak.mean() == pytest.approx(found.mean, rel=0.01)
    assert leak.std() == pytest.approx(found.sd, rel=0.03)
    assert np.quantile(leak, [0.05, 0.95]) == pytest.approx([found.low, found.high], rel=0.03)


def test_what_leaks_through_agrees_with_the_record(scenario):
    leak, launched = (scenario.ledger.estimates[id] for id in SALVO[scenario.slug])
    found = scenario.salvo(*scenario.file.salvos).summary("leak")
    assert leak.low <= found.mean <= leak.high
    assert found.low <= leak.low and found.high >= leak.high
    salvo = scenario.priors["salvo"]
    assert salvo.low <= launched.low and salvo.high >= launched.high


def test_both_scenarios_describe_the_same_parameters_in_the_same_words(both):
    april, october = (both[name].file.parameters for name in NAMES)
    assert list(april) == list(october)
    for name in april:
        assert (april[name].unit, april[name].meaning) == (october[name].unit, october[name].meaning), name


def test_october_differs_from_april_where_the_readme_says_so(both):
    april, october = (both[name].priors for name in NAMES)
    assert {n for n in april if april[n] != october[n]} == {
        *("protege_hawk", "face", "alliance", "adversary_face", "patron_word", "leak", "token_gain", "deniability"),
        *("salvo", "reliability", "interception", "many_impacts"),
    }


def test_policies_outcomes_and_observations_name_things_that_the_rules_have(scenario, game):
    check_against_game(scenario, game)


def test_there_is_one_policy_for_each_message_and_one_without(scenario):
    committed = [p.commit.get("message") for p in scenario.file.policies.values()]
    assert committed == [None, *MESSAGES]
    assert scenario.file.policies["no-policy"].commit == {}
    assert not any(p.announced for p in scenario.file.policies.values())


def test_the_messages_of_a_scenario_differ_in_nothing_but_the_message(scenario):
    channels = {p.commit["channel"] for p in scenario.file.policies.values() if p.commit}
    assert channels == {"private" if scenario.slug == "april-2024" else "public"}


def test_every_outcome_says_who_minds_and_four_of_them_open_the_brief(scenario):
    outcomes = scenario.file.outcomes
    assert [n for n, o in outcomes.items() if o.headline] == [
        *("regional_war", "attacked_again", "restrained", "oil_or_nuclear"),
    ]
    assert [n for n, o in outcomes.items() if o.better == "higher"] == ["restrained"]
    assert all("patron" in o.minds for o in outcomes.values())


def test_the_ladder_is_spelled_out_rung_by_rung(scenario):
    meaning = scenario.file.outcomes["rung"].meaning
    for number, rung in enumerate(RUNGS):
        assert f"{number} {rung.replace(',', ' with')}" in meaning


def test_what_was_observed_rests_on_the_record_and_lies_after_the_forecast(scenario):
    observed = scenario.file.observed
    assert observed is not None and observed.note
    assert {"message", "channel", "retaliation", "reply"} <= set(observed.moves)
    rows = chain(scenario.full_ledger, observed.evidence)
    assert max(row.reported for row in rows) > str(scenario.file.as_of)


def test_april_was_a_leaked_refusal_with_a_token_strike_and_october_red_lines_with_a_strike(both):
    moves = {name: both[name].file.observed.moves for name in NAMES}
    assert moves["april-2024"] == {
        "message": "strike alone",
        "channel": "private",
        "press": "reports it",
        "retaliation": "token and deniable",
        "reply": "none",
    }
    assert moves["october-2024"] == {
        "message": "red lines",
        "channel": "public",
        "retaliation": "military targets",
        "reply": "none",
    }


# --- what their READMEs say ---


def readme(scenario: Scenario) -> str:
    return (scenario.folder / "README.md").read_text(encoding="utf-8")


def test_the_readme_names_every_policy_and_the_as_of_date(scenario):
    text = readme(scenario)
    for policy in scenario.file.policies.values():
        assert f"| {policy.title} |" in text
    day = scenario.file.as_of
    assert f"{day.day} {day:%B %Y}" in text


def test_the_readme_shows_every_correction_of_the_founding_report(scenario):
    text = readme(scenario)
    wrong = [c.claim.id for c in corrections(scenario.full_ledger) if c.claim.id.startswith(FOUNDING[scenario.slug])]
    assert len(wrong) >= 8
    assert [id for id in wrong if f"* **{id}** – " not in text] == []


def test_the_parameters_that_the_readme_names_exist(scenario):
    named = set(re.findall(r"`([a-z_]+)`", readme(scenario)))
    known = {*scenario.file.parameters, "pert"}
    assert named - known == set()


def test_the_count_of_parameters_in_the_readme_is_right(scenario):
    assert f"gives {len(scenario.priors)} parameters" in readme(scenario)


def test_the_base_rates_in_the_readme_are_those_of_the_casebook(scenario, shared):
    cases = json.loads((shared / "record" / "casebook.json").read_text(encoding="utf-8"))["cases"]
    cases = [case for case in cases if case["direction"] == "patron_restrains_protege"]
    others = [case for case in cases if case["id"] not in ("US-ISR-2024-04", "US-ISR-2024-10")]
    text = " ".join(readme(scenario).split())
    assert f"All {len(cases)} cases | The {len(others)} others" in text

    def cell(group: list[dict], *actions: str) -> str:
        number = sum(case["protege_action"] in actions for case in group)
        return f"{number} ({100 * number / len(group):.0f} %)"

    for label, actions in {
        "no force": ("no_force",),
        "limited force": ("limited",),
        "major force": ("major",),
        "none or limited": ("no_force", "limited"),
    }.items():
        assert f"| {label} | {cell(cases, *actions)} | {cell(others, *actions)} |" in text
    after = Counter(case["adversary_next"] for case in cases)
    assert f"no force in {after['none']} of the {len(cases)}, limited force in {after['limited']}" in text
    assert f"major force in {after['major']}" in text


# --- a scenario of one's own, with a mistake in it ---

RULES = '''\
from detente.model.language import crisis, players

ONE, TWO = players("one", "two")

@crisis(players=(ONE, TWO))
def dare(g, p):
    """One dares or holds."""
    dared = g.choose(ONE, "first", ["hold", "dare"], seen_by=TWO) == "dare"
    g.outcome(dared=dared)
    return {ONE: p.gain * p.chance if dared else 0, TWO: 0}
'''
TOML = """\
format = 1
title = "Dare"
summary = "One dares or holds."
as_of = 2024-01-31
rules = "rules.py:dare"
decides = "one"

[who]
one = "Ruritania"

[parameters.gain]
meaning = "What daring brings."
unit = "utility"
prior = { kind = "pert", low = 1, best = 2, high = 3 }
judgement = "the author: a guess"

[parameters.chance]
meaning = "How likely it is to work."
unit = "probability"
prior = { kind = "uniform", low = 0.2, high = 0.8 }
evidence = ["T-01"]
grade = 2

[policies.daring]
title = "Daring"
meaning = "One dares."
commit = { first = "dare" }

[outcomes.dared]
title = "Dared"
meaning = "One dared."
minds = { two = "It is dared." }

[observed]
moves = { first = "hold" }
"""


ESTIMATES = [
    {"id": "odds", "meaning": "m", "formula": "'T-01'", "low": 0.3, "best": 0.4, "high": 0.6, "rests_on": ["T-01"]},
    {"id": "late_odds", "meaning": "m", "formula": "'T-02'", "low": 0.1, "high": 0.2, "rests_on": ["T-02"]},
    {"id": "open_odds", "meaning": "m", "formula": "'T-03'", "low": 0.1, "high": 0.2, "rests_on": ["T-03"]},
    {"id": "known_odds", "meaning": "m", "formula": "0.5", "low": 0.5, "best": 0.5, "high": 0.5, "rests_on": ["T-01"]},
    {"id": "fired", "meaning": "m", "formula": "20", "low": 20, "high": 20, "rests_on": ["T-01"], "unit": "missiles"},
    {"id": "hit", "meaning": "m", "formula": "4", "low": 4, "high": 4, "rests_on": ["T-01"], "unit": "missiles"},
    {"id": "many", "meaning": "m", "formula": "30", "low": 30, "high": 30, "rests_on": ["T-01"], "unit": "missiles"},
]
FROM = '{ from = "estimate:odds" }'


def source(id: str, day: str) -> dict:
    return {
        "id": id,
        "outlet": "The Strelsau Post",
        "title": "News",
        "address": "https://example.org",
        "published": day,
        "published_start": day,
        "published_end": day,
        "reliability": "B",
    }


def claim(id: str, source_id: str, day: str, *odds: float) -> dict:
    figure = (
        dict(zip(("low", "best", "high") if len(odds) == 3 else ("low", "high"), odds, strict=True)) if odds else {}
    )
    return {
        "id": id,
        "statement": "Something was said.",
        "actor": "Ruritania",
        "act": "say",
        "reported": {"start": day, "end": day, "precision": "day"},
        "grade": 2,
        "status": "supported",
        "sources": [source_id],
        **({"quantity": figure | {"unit": "share of attempts"}} if figure else {}),
    }


@pytest.fixture
def folder(tmp_path) -> Path:
    """A sound scenario with two claims: T-01 was known on the as-of date, T-02 a month later."""
    record = tmp_path / "dare" / "record"
    record.mkdir(parents=True)
    lines = {
        "sources": [source("early", "2024-01-10"), source("late", "2024-02-10")],
        "claims": [claim("T-01", "early", "2024-01-10"), claim("T-02", "late", "2024-02-10")],
        "events": [],
        "estimates": [],
    }
    for name, rows in lines.items():
        (record / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    (tmp_path / "dare" / "rules.py").write_text(RULES, encoding="utf-8")
    (tmp_path / "dare" / "scenario.toml").write_text(TOML, encoding="utf-8")
    return tmp_path / "dare"


def spoil(folder: Path, old: str, new: str, file: str = "scenario.toml") -> Path:
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    return folder


def complaint(folder: Path) -> str:
    """What the loader says; it must name the file."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(folder)
    message = str(caught.value)
    assert str(folder / "scenario.toml") in message
    return message


def test_a_sound_scenario_of_ones_own_loads_and_fits_its_rules(folder):
    scenario = load_scenario(folder)
    check_against_game(scenario, scenario.game)
    assert (scenario.slug, scenario.file.who["one"]) == ("dare", "Ruritania")
    assert scenario.rule_parameters == ("gain", "chance")
    assert set(scenario.ledger.claims) == {"T-01"} and set(scenario.full_ledger.claims) == {"T-01", "T-02"}


# --- priors from the record ---


@pytest.fixture
def measured(folder) -> Path:
    """The same scenario with estimates, and the chance worked out from one of them."""
    claims = [
        claim("T-01", "early", "2024-01-10", 0.3, 0.4, 0.6),
        claim("T-02", "late", "2024-02-10", 0.1, 0.2),
        claim("T-03", "early", "2024-01-10", 0.1, 0.2),
    ]
    rows = [{"unit": "share of attempts"} | row for row in ESTIMATES]
    for name, found in (("claims", claims), ("estimates", rows)):
        (folder / "record" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, found)), encoding="utf-8")
    spoil(folder, '{ kind = "uniform", low = 0.2, high = 0.8 }', FROM)
    return spoil(folder, '["T-01"]', '["T-01", "odds"]')


def from_salvo(folder: Path, **changes: str) -> Path:
    """The chance worked out from a salvo in which 20 were fired and 4 hit."""
    parts = {"fired": '{ from = "estimate:fired", grade = 1 }', "hit": '{ from = "estimate:hit", grade = 1 }'} | changes
    lines = ["[salvos.one]", 'title = "a salvo"', f"launched = {parts['fired']}", f"impacts = {parts['hit']}"]
    spoil(folder, "[parameters.gain]", "\n".join([*lines, parts.get("more", ""), "", "[parameters.gain]"]))
    spoil(folder, '"T-01", "odds"', '"T-01", "fired", "hit"')
    return spoil(folder, FROM, '{ from = "salvo:one.interception" }')


def test_a_prior_comes_from_an_estimate_widened_by_the_grade_of_the_evidence(measured):
    prior = load_scenario(measured).priors["chance"]
    assert (prior.kind, prior.low, prior.best, prior.high) == ("pert", *map(pytest.approx, (0.275, 0.4, 0.65)))
    assert (prior.origin.source, prior.origin.id, prior.origin.rests_on) == ("estimate", "odds", ("odds",))
    assert prior.origin.words == (
        "from the estimate odds, 0.3–0.6 share of attempts (best 0.4), widened to 0.275–0.65 for grade 2"
    )


def test_evidence_that_is_confirmed_is_not_widened(measured):
    spoil(measured, "grade = 2", "grade = 1")
    prior = load_scenario(measured).priors["chance"]
    assert (prior.low, prior.best, prior.high) == (0.3, 0.4, 0.6) and "widened" not in prior.origin.words


@pytest.mark.parametrize("kind", ["pert", "triangular", "beta", "uniform"])
def test_the_kind_of_a_prior_from_an_estimate_can_be_chosen(measured, kind):
    spoil(measured, FROM, f'{{ from = "estimate:odds", kind = "{kind}" }}')
    assert load_scenario(measured).priors["chance"].kind == kind


def test_a_prior_from_a_salvo_of_ones_own(measured):
    prior = load_scenario(from_salvo(measured)).priors["chance"]
    assert isinstance(prior, Beta) and prior.origin.rests_on == ("fired", "hit")
    assert prior.tied is None  # no parameter takes the reliability of this salvo


def test_loading_twice_gives_the_same_priors(measured):
    from_salvo(measured)
    assert load_scenario(measured).priors == load_scenario(measured).priors


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ('{ from = "estimate:ods" }', r"prior\.from: the record holds no estimate 'ods'\. Did you mean 'odds'\?"),
        ('{ from = "estimate:T-01" }', r"prior\.from: 'T-01' is a claim, not an estimate\. Name an estimate"),
        ('{ from = "estimate:late_odds" }', r"prior\.from: 'late_odds' became known after the as-of date 2024-01-31\."),
        (
            '{ from = "estimate:fired" }',
            r"prior\.from: 'estimate:fired' is measured in 'missiles', the parameter in 'pr",
        ),
        ('{ from = "estimate:known_odds" }', r"evidence: \['T-01', 'odds'\] leaves out 'known_odds', from which"),
        ('{ from = "odds" }', r"prior\.from: 'odds' names nothing of the record\. Write from = 'estimate:ID' or from"),
        ('{ from = "estimate:odds", kind = "prt" }', r"prior\.kind: .*'pert'.*\(the value is 'prt'\)"),
        ('{ from = "estimate:odds", low = 0 }', r"prior\.low is not a known key\. .*Remove"),
        ('{ from = "estimate:open_odds" }', r"prior\.kind: 'pert' needs a best guess, .*0\.1–0\.2.*kind = 'uniform'"),
        ('{ from = "salvo:one" }', r"prior\.from: 'salvo:one' names no part of a salvo\..*salvo:NAME\.reliability"),
        ('{ from = "salvo:one.interception" }', r"prior\.from: .*there is no \[salvos\.one\] in this file\."),
        ('{ kind = "uniform", low = 0, high = 1, origin = "me" }', r"prior: origin cannot be stated; write from"),
        (
            '{ kind = "uniform", low = 0, high = 1, tied = { to = "gian", rank_correlation = 0.5 } }',
            r"parameters\.chance: tied\.to: 'gian' is not a parameter\. Did you mean 'gain'\?",
        ),
    ],
)
def test_a_prior_that_cannot_be_worked_out_is_reported_with_key_value_and_remedy(measured, new, message):
    spoil(measured, FROM, new)
    found = complaint(measured)
    assert re.search(message, found) and "parameters.chance" in found


def test_an_estimate_without_a_range_is_refused_where_nothing_widens_it(measured):
    spoil(measured, FROM, '{ from = "estimate:known_odds" }')
    spoil(measured, '"T-01", "odds"', '"T-01", "known_odds"')
    assert load_scenario(measured).priors["chance"].low == pytest.approx(0.45)  # grade 2: at least a tenth
    spoil(measured, "grade = 2", "grade = 1")
    assert re.search(r"prior\.kind: 'pert' needs a range, but .*grade 1 adds none\. Give a poorer", complaint(measured))


def test_a_prior_from_an_estimate_needs_a_grade(measured):
    spoil(measured, 'evidence = ["T-01", "odds"]\ngrade = 2', 'judgement = "the author: a guess"')
    assert re.search(r"chance\.prior\.from: the parameter has no grade.*Give grade", complaint(measured))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hit": '{ from = "estimate:many", grade = 1 }'}, r"salvos\.one: .*30 impacts or more of 20 launched"),
        ({"hit": '{ from = "estimate:odds", grade = 1 }'}, r"salvos\.one\.impacts\.from: .*a count is needed"),
        ({"hit": '{ from = "estimate:hti", grade = 1 }'}, r"one\.impacts\.from: .*'hti'\. Did you mean 'hit'\?"),
        ({"hit": '{ from = "hit", grade = 1 }'}, r"impacts\.from: 'hit' names nothing .* from = 'estimate:ID'\.$"),
        ({"hit": '{ from = "estimate:hit" }'}, r"salvos\.one\.impacts\.grade is missing\. Add it\."),
        (
            {"more": 'arrived = { from = "estimate:odds", grade = 1 }'},
            r"arrived\.from: .*share of the missiles launched",
        ),
        (
            {"more": 'reliability = { kind = "uniform", low = 0, high = 1 }'},
            r"states a prior without saying who judged",
        ),
        (
            {"more": 'judgement = "me: why"\nreliability = { kind = "normal", mean = 0.9, sd = 0.2 }'},
            r"salvos\.one: .*values of reliability are not a rising list of shares",
        ),
        ({"more": 'arived = "x"'}, r"salvos\.one\.arived is not a known key\. Did you mean 'arrived'\?"),
    ],
)
def test_a_salvo_that_makes_no_sense_is_reported_with_its_place(measured, changes, message):
    assert re.search(message, complaint(from_salvo(measured, **changes)))


def test_a_salvo_is_asked_for_by_name(both):
    with pytest.raises(UsageError, match=r"'ocr2024' is not a salvo of 'october-2024'\. Did you mean 'oct2024'\?"):
        both["october-2024"].salvo("ocr2024")


# --- mistakes in the file ---


def test_malformed_toml_is_reported_with_file_and_line(folder):
    spoil(folder, 'title = "Dare"', 'title = "Dare')
    assert "line 2" in complaint(folder)


def test_a_file_that_is_not_utf8_is_reported_with_the_byte(folder):
    (folder / "scenario.toml").write_bytes(TOML.encode().replace(b"Ruritania", b"Rurit\xe1nia"))
    assert "is not UTF-8" in complaint(folder)


def test_an_unknown_key_is_reported_with_the_nearest_known_one(folder):
    spoil(folder, 'title = "Dare"', 'title = "Dare"\ndescides = "one"')
    assert re.search(r"descides is not a known key\. Did you mean 'decides'\?", complaint(folder))


def test_an_unknown_key_of_a_parameter_is_reported_with_its_place(folder):
    spoil(folder, 'judgement = "the author', 'judgment = "the author')
    message = complaint(folder)
    assert re.search(r"parameters\.gain\.judgment is not a known key\. Did you mean 'judgement'\?", message)


def test_a_missing_key_is_reported_with_its_place(folder):
    spoil(folder, 'meaning = "What daring brings."\n', "")
    assert "parameters.gain.meaning is missing. Add it." in complaint(folder)


def test_a_parameter_that_rests_on_nothing_is_refused(folder):
    spoil(folder, 'judgement = "the author: a guess"\n', "")
    assert re.search(r"parameters\.gain: cites no evidence and no judgement; give", complaint(folder))


def test_evidence_without_a_grade_is_refused(folder):
    spoil(folder, "grade = 2\n", "")
    assert re.search(r"parameters\.chance: cites evidence without a grade; give grade", complaint(folder))


def test_a_probability_above_one_is_refused(folder):
    spoil(folder, "low = 0.2, high = 0.8", "low = 0.2, high = 1.8")
    message = complaint(folder)
    assert re.search(r"parameters\.chance\.prior: reaches from 0\.2 to 1\.8, but a probability", message)
    assert "Narrow it" in message


def test_a_lower_bound_above_the_upper_is_refused(folder):
    spoil(folder, "low = 1, best = 2, high = 3", "low = 4, best = 2, high = 3")
    message = complaint(folder)
    assert re.search(r"parameters\.gain\.prior: low 4\.0, best 2\.0, high 3\.0 are not in order; give", message)


def test_an_unknown_kind_of_prior_is_refused_with_those_that_exist(folder):
    spoil(folder, 'kind = "uniform"', 'kind = "unifrom"')
    assert re.search(r"parameters\.chance\.prior\.kind: .*'unifrom'.*'uniform'", complaint(folder))


def test_an_unknown_id_of_evidence_is_reported_with_the_nearest(folder):
    spoil(folder, '["T-01"]', '["T-10"]')
    message = complaint(folder)
    assert re.search(r"parameters\.chance\.evidence: .*'T-10'.*Did you mean 'T-0", message)


def test_evidence_from_after_the_as_of_date_is_refused(folder):
    spoil(folder, '["T-01"]', '["T-02"]')
    message = complaint(folder)
    assert "parameters.chance.evidence: 'T-02' became known after the as-of date 2024-01-31" in message
    assert "move the date" in message


def test_evidence_becomes_usable_when_the_date_is_moved(folder):
    spoil(folder, '["T-01"]', '["T-02"]')
    spoil(folder, "as_of = 2024-01-31", "as_of = 2024-02-10")
    assert load_scenario(folder).file.parameters["chance"].evidence == ("T-02",)


def test_rules_that_do_not_import_are_reported_with_the_reason(folder):
    spoil(folder, "from detente.model.language", "from detente.modle.language", file="rules.py")
    assert re.search(r"'rules\.py' cannot be imported: .*detente\.modle", complaint(folder))


def test_rules_with_a_mistake_in_python_are_reported_with_the_reason(folder):
    spoil(folder, "def dare(g, p):", "def dare(g, p)", file="rules.py")
    assert re.search(r"'rules\.py' cannot be imported: SyntaxError", complaint(folder))


def test_an_unknown_function_of_the_rules_is_reported_with_the_nearest(folder):
    spoil(folder, "rules.py:dare", "rules.py:daer")
    assert re.search(r"'rules\.py' has no crisis 'daer'\. Did you mean 'dare'\?", complaint(folder))


def test_a_missing_file_of_rules_is_reported_with_where_it_should_be(folder):
    spoil(folder, "rules.py:dare", "rulse.py:dare")
    assert re.search(r"there is no file '.*rulse\.py'\. Put it beside scenario\.toml", complaint(folder))


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('decides = "one"', 'decides = "oen"', r"decides: 'oen'"),
        ('one = "Ruritania"', 'oen = "Ruritania"', r"who\.oen: 'oen'"),
        ('{ two = "It is dared." }', '{ tow = "It is dared." }', r"minds: 'tow'"),
    ],
)
def test_an_unknown_player_is_reported_with_the_nearest(folder, old, new, key):
    spoil(folder, old, new)
    assert re.search(key + r" is not a player.*Did you mean '(one|two)'\?", complaint(folder))


def test_a_precision_that_is_no_parameter_is_reported_with_the_nearest(folder):
    spoil(folder, 'decides = "one"', 'decides = "one"\nprecision = "gian"')
    assert re.search(r"precision: 'gian' is not a parameter\. Did you mean 'gain'\?", complaint(folder))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('{ first = "dare" }', '{ frist = "dare" }', r"daring\.commit: .* 'frist'\. Did you mean 'first'\?"),
        ('{ first = "dare" }', '{ first = "daer" }', r"daring\.commit\.first: .* 'daer'\. Did you mean 'dare'\?"),
        ('{ first = "hold" }', '{ first = "hodl" }', r"observed\.moves\.first: .* 'hodl'\. Did you mean 'hold'\?"),
        ("[outcomes.dared]", "[outcomes.daerd]", r"outcomes\.daerd: .* Did you mean 'dared'\?"),
    ],
)
def test_what_the_rules_do_not_have_is_reported_with_the_nearest(folder, old, new, message):
    scenario = load_scenario(spoil(folder, old, new))
    with pytest.raises(ScenarioError, match=message):
        check_against_game(scenario, scenario.game)


def test_a_parameter_that_the_rules_do_not_use_is_refused_when_they_are_compiled(folder):
    spoil(folder, "[parameters.gain]", "[parameters.gains]")
    scenario = load_scenario(folder)
    with pytest.raises(ModelError, match="gain"):
        compile(scenario.crisis, parameters=scenario.rule_parameters)


def test_an_unknown_policy_is_reported_with_the_nearest(both):
    assert both["october-2024"].policy("red-lines").title == "Red lines"
    with pytest.raises(UsageError, match=r"'red-line' is not a policy of 'october-2024'\. Did you mean 'red-lines'\?"):
        both["october-2024"].policy("red-line")


def test_an_unknown_scenario_is_reported_with_the_nearest():
    with pytest.raises(UsageError, match=r"'ocotber-2024'.*Did you mean 'october-2024'\?.*detente list"):
        load_scenario("ocotber-2024")


def test_a_folder_without_a_scenario_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"has no scenario\.toml\. Make one"):
        load_scenario(tmp_path)


def test_a_scenario_without_its_record_is_refused_with_what_to_create(folder):
    (folder / "record" / "claims.jsonl").unlink()
    with pytest.raises(ScenarioError, match=r"claims\.jsonl: this file of the record does not exist\. Create it"):
        load_scenario(folder)
