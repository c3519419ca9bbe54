"""Views of a record: the chain behind a number, the timeline, changes, disputed numbers, escalation scales."""

from datetime import date
from pathlib import Path

import pytest

from detente.errors import UsageError
from detente.record import Ledger, load_ledger, why, working
from detente.record.scales import MOVES, SCALES, saturated
from detente.record.views import changed, contested, scale_rows, target_rows, timeline
from detente.report.record import interval_bar, originals_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def october() -> Ledger:
    return load_ledger(ROOT / "src/detente/scenarios/october-2024/record")


@pytest.fixture(scope="module")
def april() -> Ledger:
    return load_ledger(ROOT / "src/detente/scenarios/april-2024/record")


# --- why ---


def test_the_chain_goes_from_an_estimate_to_figures_to_claims_to_sources(october):
    rows = {row.id: row for row in why(october, ["leak_per_launch.oct2024"])}
    assert rows["leak_per_launch.oct2024"].working.startswith("([20–32] + 3 + 2) / [180–200] = 0.125–0.2056")
    assert (rows["oct24_impacts_nevatim"].depth, rows["oct24_impacts_nevatim"].role) == (1, "in its formula")
    assert (rows["O-01"].depth, rows["O-01"].role) in ((1, "it rests on this"), (2, "carries the figure"))
    assert {"kyodo_wsj", "wapo_tr"} <= {source.id for source in rows["O-02"].sources}


def test_the_chain_shows_what_corrects_a_claim_and_what_it_retells(october):
    rows = why(october, ["002-21"])
    assert [(row.id, row.role) for row in rows] == [("002-21", ""), ("O-07", "what it retells")]
    assert any(row.role == "corrects it" for row in why(october, ["002-18"]))


def test_an_entry_is_shown_once_however_often_it_is_behind(october):
    ids = [row.id for row in why(october, ["impacts.oct2024", "leak_per_launch.oct2024"])]
    assert len(ids) == len(set(ids))


def test_independent_sources_are_counted_by_originals(october):
    row = why(october, ["O-10"])[0]
    assert row.independent == ("Washington Post",) and len(row.sources) == 4
    assert originals_of(october, [row])[0] == ("Washington Post",)


def test_a_formula_over_events_shows_their_days(october):
    assert working(october, october.estimates["reply_delay_days.nasrallah_to_october"]) == "2024-10-01 - 2024-09-27"


# --- timeline, changed, contested ---


def test_the_timeline_is_in_order_and_can_be_narrowed(october):
    events = timeline(october)
    assert len(events) == 26
    assert [e.happened.start for e in events] == sorted(e.happened.start for e in events)
    assert {e.id for e in timeline(october, actor="IRAN", end=date(2024, 4, 30))} == {
        "E2404-02b",
        "E2404-03",
        "E2404-04",
        "E2404-10",
    }


def test_between_two_days_claims_come_in_fall_and_ranges_widen(october):
    found = changed(october, "2024-10-02", "2024-10-05")
    by_kind = {kind: {c.id for c in found if c.kind == kind} for kind in {c.kind for c in found}}
    assert "O-02" in by_kind["claim added"]
    assert "E2410-05" in by_kind["event added"]
    assert "oct24_impacts_tel_nof" in by_kind["figure added"]
    moved = next(c for c in found if c.id == "oct24_impacts_nevatim")
    assert (moved.kind, moved.what.partition(": ")[2]) == ("range moved", "12 impacts → 20–30 impacts")


def test_a_widened_range_names_who_widened_it(april):
    found = {c.id: c for c in changed(april, "2024-04-14", "2024-04-15") if c.kind == "range widened"}
    assert found["apr24_ballistic_launched"].what.endswith("100–120 missiles → 100–130 missiles")
    assert "American officials" in found["apr24_ballistic_launched"].why


def test_a_claim_that_falls_is_superseded_with_the_reason(october):
    found = changed(october, "2024-10-06", "2024-10-27")
    fallen = {c.id: c for c in found if c.kind == "claim superseded"}
    assert "nuclear and energy sites out" in fallen["002-11"].why


def test_nothing_changes_within_one_day_and_days_must_be_in_order(october):
    assert changed(october, "2024-10-05", "2024-10-05") == []
    with pytest.raises(UsageError, match=r"from: 2024-10-05 lies after 2024-10-01\. Give the earlier day first"):
        changed(october, "2024-10-05", "2024-10-01")
    with pytest.raises(UsageError, match="to: '2024-04-31' is not a day"):
        changed(october, "2024-04-01", "2024-04-31")


@pytest.mark.parametrize(("about", "least"), [("missiles launched", 2), ("impacts", 1), ("did not get through", 2)])
def test_missiles_impacts_and_interception_are_contested_by_source(october, about, least):
    found = contested(october, about=about)
    assert len(found) >= least
    for item in found:
        assert len({(i.low, i.high) for i in item.intervals}) > 1
        assert [i.reported for i in item.intervals] == sorted(i.reported for i in item.intervals)


def test_figures_that_are_not_used_are_shown_with_the_reason(october):
    launched = next(i for i in contested(october) if i.id == "oct24_ballistic_launched")
    wrong = next(i for i in launched.intervals if i.high == 500)
    assert (wrong.standing, wrong.note) == ("not used", "Wrong from the start.")
    assert launched.high == 200


def test_an_interval_is_drawn_with_its_bounds(october):
    nevatim = next(i for i in contested(october) if i.id == "oct24_impacts_nevatim").intervals
    assert interval_bar(nevatim[-1], 12, 32).count("━") == 15
    assert interval_bar(nevatim[0], 12, 32).startswith("●─")


# --- scales ---


def test_published_scores_saturate_where_our_ladder_does_not():
    moves = [MOVES[name] for name in ("strike on military targets", "strike on oil", "strike on nuclear sites")]
    assert saturated(moves) == ("goldstein", "plover", "rivera")
    assert [move.ladder for move in moves] == [3, 5, 6]
    assert next(iter(SCALES)) == "ladder"


def test_every_act_stands_on_every_scale_with_actor_and_target(october):
    rows = scale_rows(october)
    assert {row.event for row in rows} == set(october.events) - {"E2404-08"}  # a poll is no act between the sides
    assert all(row.actor and row.target for row in rows)
    ladder = [row.move.ladder for row in target_rows()]
    assert ladder == sorted(ladder)


def test_scores_are_those_of_the_published_scales(shared):
    codes = dict(
        line.split("\t") for line in (shared / "scales/cameo_goldstein_full.tsv").read_text().split("\n") if line
    )
    roots = [
        line.split(",") for line in (shared / "scales/cameo_goldstein_root.csv").read_text().split("\n")[1:] if line
    ]
    assert len(roots) == 20
    checked = 0
    for move in MOVES.values():
        if move.cameo:
            assert move.goldstein == float(codes[move.cameo]), move.name
            checked += 1
    assert checked > 25
