"""Checking a record: every kind of planted error is found, and what is recorded as known is no failure."""

import json
from pathlib import Path

import pytest

from detente.record import Ledger, load_ledger, survey
from detente.record.audit import audit
from detente.record.findings import KINDS, Finding
from detente.record.quotation import nearest_wording, place_of, segments
from detente.record.wording import numbers_in, text_from

ROOT = Path(__file__).parents[1]
RECORDS = {name: ROOT / "src/detente/scenarios" / name / "record" for name in ("april-2024", "october-2024")}


def when(day: str, last: str = "") -> dict:
    return {"start": day, "end": last or day, "precision": "day"}


def source(id: str = "agency", **changes) -> dict:
    day = "2024-10-02"
    base = {
        "id": id,
        "outlet": f"The {id}",
        "title": "Report",
        "address": f"https://example.org/{id}",
        "published": day,
    }
    return base | {"published_start": day, "published_end": day, "reliability": "B"} | changes


def claim(id: str = "T-01", **changes) -> dict:
    base = {"id": id, "statement": "Something was said.", "actor": "A", "act": "say", "happened": when("2024-10-01")}
    return base | {"reported": when("2024-10-02"), "grade": 2, "status": "supported", "sources": ["agency"]} | changes


def event(id: str = "E2410-01", **changes) -> dict:
    base = {
        "id": id,
        "happened": when("2024-10-01"),
        "reported": "2024-10-01",
        "actor": "A",
        "act": "act",
        "target": "B",
    }
    codes = {"severity": 6, "channel": "public", "attribution": "open", "confidence": "high", "sources": ["agency"]}
    return base | codes | changes


def estimate(**changes) -> dict:
    return {
        "id": "share",
        "meaning": "A share.",
        "formula": "hits / 100",
        "low": 0.1,
        "high": 0.2,
        "unit": "share",
        "rests_on": ["hits"],
    } | changes


def quantity(**changes) -> dict:
    return {"id": "hits", "what": "hits", "low": 10, "high": 20, "unit": "hits", "sources": ["agency"]} | changes


def write(folder: Path, *, sources=(), claims=(), events=(), estimates=()) -> Path:
    tables = {"sources": [source(), *sources], "claims": claims, "events": events, "estimates": estimates}
    for name, rows in tables.items():
        text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def problems(folder: Path, **given) -> list[Finding]:
    ledger, faults = survey(folder)
    return [finding for finding in audit(ledger, faults=faults, **given) if not finding.known]


def only(found: list[Finding], kind: str) -> Finding:
    assert [finding.kind for finding in found] == [kind], found
    assert found[0].remedy
    return found[0]


LATER = event("E2410-02", happened=when("2024-10-09"), reported="2024-10-09")


# --- the shipped records ---


@pytest.mark.parametrize("name", RECORDS)
def test_a_shipped_record_has_no_problem(name):
    assert problems(RECORDS[name]) == []


@pytest.mark.parametrize("name", RECORDS)
def test_a_shipped_record_has_no_problem_beside_the_founding_texts(name, shared):
    ledger = load_ledger(RECORDS[name])
    texts = {
        s.id: text_from((shared / "seeds" / s.document.file).read_bytes())
        for s in ledger.sources.values()
        if s.document is not None
    }
    assert texts
    assert [finding for finding in audit(ledger, documents=texts) if not finding.known] == []


def test_the_altered_quotations_of_october_are_known_with_the_words_that_differ():
    found = {f.id: f.what for f in audit(load_ledger(RECORDS["october-2024"])) if f.kind == "quotation"}
    assert set(found) == {"002-07", "002-08", "002-21"}
    assert "“ensure” for “make”, “remains” added" in found["002-21"]
    assert "O-06" in found["002-08"] and "proportion" in found["002-08"]


@pytest.mark.parametrize("id", ["002-07", "002-08", "002-21"])
def test_an_altered_quotation_is_a_problem_where_the_record_does_not_say_so(id):
    ledger = load_ledger(RECORDS["october-2024"])
    trusted = ledger.claims[id].model_copy(update={"status": "supported", "checks": ()})
    changed = Ledger(ledger.sources, {**ledger.claims, id: trusted}, ledger.events, ledger.estimates)
    found = [f for f in audit(changed) if f.kind == "quotation" and not f.known]
    assert [f.id for f in found] == [id]


def requoted(id: str, text: str) -> list[Finding]:
    """What is found in October's record when the words of one printed quotation are others."""
    ledger = load_ledger(RECORDS["october-2024"])
    claim = ledger.claims[id]
    quote = claim.quotes[0].model_copy(update={"text": text})
    changed = claim.model_copy(update={"quotes": (quote,)})
    found = audit(Ledger(ledger.sources, {**ledger.claims, id: changed}, ledger.events, ledger.estimates))
    return [f for f in found if f.kind == "quotation" and f.id == id and not f.known]


@pytest.mark.parametrize(
    ("id", "text", "words"),
    [
        ("002-21", "Israel to ensure that always remains the case", "“always remains” added"),
        ("002-21", "Israel to ensure that was the case", "“was” added"),
        ("002-08", "it should be a massive response", "“be a massive response”"),
        ("002-07", "what they refuse to do", "“they refuse” for “they're going”"),
    ],
)
def test_words_that_change_again_do_not_hide_behind_a_known_misquotation(id, text, words):
    found = requoted(id, text)
    assert any(words in f.what and "write" in f.remedy for f in found), found
    assert any("recorded as altered" in f.what for f in found)


@pytest.mark.parametrize("text", ["Israel to make that the case", "Nothing of the kind was ever said"])
def test_an_alteration_on_record_that_is_not_there_is_found(text):
    found = only(requoted("002-21", text), "quotation")
    assert "“ensure” for “make”, “remains” added" in found.what and "does not differ so" in found.what


def test_whole_printed_quotations_of_the_founding_text_are_caught_by_a_transcript(tmp_path, shared):
    """As an analyst would enter them: each printed quotation whole, and the words as spoken as a claim."""
    printed = (shared / "seeds" / "002_3243940416aa61e3.txt").read_text(encoding="utf-8")
    first = printed[printed.index("“We") + 1 : printed.index(",” Biden")]
    second = printed[printed.index("“work with") + 1 : printed.index(".” However")]
    checks = {
        c["id"]: c["verdict"]["checks"][0]["says"]
        for c in json.loads((shared / "record" / "seed_claims.json").read_text())["claims"]
        if c["id"] in ("002-08", "002-21")
    }
    claims = [
        claim("T-01", quotes=[{"text": first, "source": "agency", "speaker": "Biden"}]),
        claim("T-02", quotes=[{"text": second, "source": "agency", "speaker": "Sullivan"}]),
        *(
            claim(id, quotes=[{"text": text, "source": "agency", "speaker": who, "wording": "transcript"}])
            for id, text, who in (("T-03", checks["002-08"], "Biden"), ("T-04", checks["002-21"], "Sullivan"))
        ),
    ]
    found = problems(write(tmp_path, claims=claims))
    assert {f.id for f in found} == {"T-01", "T-02"}
    assert {f.kind for f in found} == {"quotation"}
    assert any("“ensure” for “make”" in f.what for f in found if f.id == "T-02")
    assert any("proportional" in f.what for f in found if f.id == "T-01")


# --- one planted error of each kind ---


def test_a_line_that_cannot_be_read_is_found_and_the_rest_is_checked(tmp_path):
    bad_date = claim("T-02", reported=when("2024-04-31"))
    found = problems(write(tmp_path, claims=["{nonsense", bad_date, claim("T-03", grade=1)]))
    assert [f.kind for f in found] == ["line", "line", "independence"]
    assert "claims.jsonl, line 1" in found[0].what
    assert "'2024-04-31' is not a day in the calendar" in found[1].what
    assert "Write a day that exists" in found[1].remedy


def test_a_missing_file_is_found(tmp_path):
    write(tmp_path)
    (tmp_path / "events.jsonl").unlink()
    assert "events.jsonl" in only(problems(tmp_path), "file").what


def test_two_entries_with_one_id_are_found(tmp_path):
    found = only(problems(write(tmp_path, claims=[claim(), claim()])), "same id twice")
    assert found.id == "T-01" and "line 2" in found.what


def test_every_id_that_leads_nowhere_is_found(tmp_path):
    wrong = claim(sources=["agency", "agenci"], event="E2410-09", retells=["T-09"])
    found = problems(write(tmp_path, claims=[wrong], events=[event(moves=["strike on oi"])]))
    assert [f.kind for f in found] == ["id that leads nowhere"] * 4
    assert "Did you mean 'agency'?" in found[0].remedy
    assert any("the table of escalation scales" in f.what for f in found)


def test_a_parameter_that_cites_nothing_on_record_is_found(tmp_path):
    found = problems(write(tmp_path, claims=[claim()]), cited={"leak": ["T-02"]})
    assert "'leak'" in only(found, "id that leads nowhere").what


def test_a_source_that_retells_itself_is_found(tmp_path):
    loop = [source("one", paraphrases=["two"]), source("two", paraphrases=["one"])]
    assert [f.kind for f in problems(write(tmp_path, sources=loop))] == ["source that retells itself"] * 2


def test_an_estimate_that_comes_out_differently_is_found(tmp_path):
    folder = write(tmp_path, events=[event(quantities=[quantity()])], estimates=[estimate(high=0.3)])
    assert "gives 0.2" in only(problems(folder), "formula").what


def test_a_quotation_that_its_document_does_not_have_is_found_with_the_nearest_wording(tmp_path):
    quoted = claim(quotes=[{"text": "We will never talk", "source": "agency"}])
    texts = {"agency": text_from("He said: “We  will\nsoon talk”.".encode())}
    found = only(problems(write(tmp_path, claims=[quoted]), documents=texts), "quotation")
    assert "“We will soon talk”: “never” for “soon”" in found.what


def test_a_verbatim_quotation_passes_whatever_the_quotation_marks_and_line_breaks(tmp_path):
    quoted = claim(quotes=[{"text": "we'll talk ... soon", "source": "agency", "start": 4}])
    texts = {"agency": text_from("So, We’ll\ntalk, perhaps soon.".encode())}
    assert problems(write(tmp_path, claims=[quoted]), documents=texts) == []


def test_a_quotation_at_another_place_is_found(tmp_path):
    quoted = claim(quotes=[{"text": "soon", "source": "agency", "start": 0}])
    found = only(problems(write(tmp_path, claims=[quoted]), documents={"agency": text_from(b"Not soon.")}), "quotation")
    assert found.remedy == "Write 4 as its start."


def test_another_text_than_the_one_recorded_is_found(tmp_path):
    held = source("held", document={"file": "held.txt", "sha256": "0" * 64})
    texts = {"held": text_from(b"Other words.")}
    found = problems(write(tmp_path, sources=[held], claims=[claim(sources=["held"])]), documents=texts)
    assert "another text" in only(found, "document").what


def test_a_passage_beyond_the_end_of_its_document_is_found(tmp_path):
    placed = claim(passages=[{"source": "agency", "start": 0, "end": 99}])
    found = problems(write(tmp_path, claims=[placed]), documents={"agency": text_from(b"Short.")})
    assert "ends at character 99" in only(found, "document").what


def test_a_number_that_the_source_claim_lacks_is_found(tmp_path):
    original = claim("T-01", statement="About 180 missiles were fired.")
    retold = claim("T-02", statement="Some 280 missiles were fired on 1 October 2024.", retells=["T-01"])
    found = only(problems(write(tmp_path, claims=[original, retold])), "number")
    assert found.id == "T-02" and "280" in found.what


def test_a_number_within_the_range_of_the_source_claim_passes(tmp_path):
    figure = {"low": 180, "high": 200, "unit": "missiles"}
    retold = claim("T-02", statement="It says 190.", retells=["T-01"])
    assert problems(write(tmp_path, claims=[claim(quantity=figure), retold])) == []


def test_a_number_that_the_passage_lacks_is_found(tmp_path):
    placed = claim(statement="Twelve ships left.", passages=[{"source": "agency", "start": 0, "end": 16}])
    texts = {"agency": text_from(b"Two ships left. Twelve stayed.")}
    assert "12" in only(problems(write(tmp_path, claims=[placed]), documents=texts), "number").what


def test_a_superseded_claim_that_a_parameter_still_cites_is_found(tmp_path):
    old = claim("T-01", statement="A first count.")
    folder = write(tmp_path, claims=[old, claim("T-02", corrects=["T-01"])])
    found = only(problems(folder, cited={"leak": ["T-01"]}), "superseded")
    assert found.id == "T-01" and "'leak'" in found.what and "T-02" in found.what
    assert problems(folder, cited={"leak": ["T-01", "T-02"]}) == []
    assert problems(folder, cited={"leak": ["T-02"]}) == []


def test_a_superseded_claim_that_an_estimate_rests_on_is_found(tmp_path):
    check = {"relation": "supersedes", "claim": "T-02", "note": "A later count.", "by": "the authors", "blind": True}
    old = claim("T-01", quantity={"low": 10, "high": 20, "unit": "hits"}, checks=[check])
    rests = estimate(formula="'T-01' / 100", rests_on=["T-01"])
    found = only(problems(write(tmp_path, claims=[old, claim("T-02")], estimates=[rests])), "superseded")
    assert "'share'" in found.what


def test_two_addresses_of_one_report_do_not_make_two_sources(tmp_path):
    relays = [source("one", paraphrases=["agency"]), source("two", paraphrases=["agency"])]
    folder = write(tmp_path, sources=relays, claims=[claim(grade=1, sources=["one", "two"])])
    found = only(problems(folder), "independence")
    assert "2 addresses" in found.what and "(agency)" in found.what


def test_a_claim_on_one_unreliable_source_is_found_unless_its_grade_says_so(tmp_path):
    weak = [source("rumour", reliability="E")]
    graded = claim("T-02", sources=["rumour"], grade=3)
    found = only(
        problems(write(tmp_path, sources=weak, claims=[claim(sources=["rumour"]), graded])), "one unreliable source"
    )
    assert found.id == "T-01"


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"claims": [claim(happened=when("2024-10-05"))]}, "happened is 2024-10-05, later than reported"),
        ({"claims": [claim(revised=when("2024-09-01"))]}, "later than revised"),
        ({"claims": [claim(reported=when("2024-10-01"))]}, "the first of its sources is 2024-10-02"),
        ({"claims": [claim(channel="private-then-reported")]}, "surfaced is not given"),
        ({"sources": [source("x", retrieved="2024-01-01")]}, "later than retrieved"),
        (
            {
                "sources": [
                    source("x", published_start="2024-09-01", published_end="2024-09-01", paraphrases=["agency"])
                ]
            },
            "its original agency",
        ),
        (
            {"events": [event(caused_by=[LATER["id"]]), LATER]},
            "its cause E2410-02",
        ),
        ({"events": [event(quantities=[quantity(reported="2024-01-01")])]}, "the report of its figure"),
    ],
)
def test_dates_in_the_wrong_order_are_found(tmp_path, tables, words):
    found = problems(write(tmp_path, **tables))
    assert {finding.kind for finding in found} == {"dates"}
    assert any(words in finding.what for finding in found)


def test_what_became_known_only_later_must_not_be_cited(tmp_path):
    folder = write(tmp_path, claims=[claim()])
    ledger, _ = survey(folder)
    found = problems(folder, cited={"leak": ["T-01"]}, as_known=Ledger(ledger.sources))
    assert "after the as-of date" in only(found, "dates").what


def test_a_used_figure_outside_its_range_is_found(tmp_path):
    reading = {"source": "agency", "low": 25, "high": 25, "reported": "2024-10-02"}
    folder = write(tmp_path, events=[event(quantities=[quantity(readings=[reading])])])
    assert "outside 10–20" in only(problems(folder), "figure").what


def test_every_kind_of_finding_has_a_test():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


# --- words and numbers ---


def test_events_that_cause_each_other_in_a_circle_are_found(tmp_path):
    events = [event("E2410-01", caused_by=["E2410-02"]), event("E2410-02", caused_by=["E2410-01"]), event("E2410-03")]
    found = [f for f in problems(write(tmp_path, events=events)) if "its own cause" in f.what]
    assert [f.id for f in found] == ["E2410-01", "E2410-02"]


def test_numbers_are_read_in_figures_and_words_and_dates_are_none():
    assert numbers_in("Between 9 and 13 April 2024 the F-35s, S-300 and G7 saw twelve of 1,466; the two left.") == (
        1466,
        12,
    )


def test_parts_of_a_quotation_must_come_in_order():
    assert place_of("soon … never", "never say soon") is None
    assert place_of("never ... soon", "Never say soon") == 0
    assert segments("…") == []


def test_nothing_alike_is_nothing():
    assert nearest_wording("quite other", "words here") is None


def test_binary_data_and_other_encodings_are_refused():
    with pytest.raises(ValueError, match="binary data"):
        text_from(b"\0\1\2")
    with pytest.raises(ValueError, match="byte 3 is not UTF-8"):
        text_from(b"caf\xe9")


def test_of_a_page_only_what_is_seen_is_read():
    page = b"<html><style>p{}</style><script>var a='x'</script><p>Well <b>sa</b>id &amp; done</p></html>"
    assert text_from(page, html=True).text.split() == ["Well", "said", "&", "done"]
