"""The record as a database: all of it is there, and its words are found."""

import sqlite3
from pathlib import Path

import pytest

from detente.errors import UsageError
from detente.record import Ledger, load_ledger
from detente.record.store import build_store, search

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def october() -> Ledger:
    return load_ledger(ROOT / "src/detente/scenarios/october-2024/record")


@pytest.fixture(scope="module")
def store(october):
    connection = build_store(october)
    yield connection
    connection.close()


def count(store, table: str) -> int:
    return store.execute(f"select count(*) from {table}").fetchone()[0]


def test_every_entry_is_in_its_table(october, store):
    claims, events = october.claims.values(), october.events.values()
    assert count(store, "sources") == len(october.sources)
    assert count(store, "claims") == len(claims)
    assert count(store, "events") == len(events)
    assert count(store, "quantities") == len(october.quantities)
    assert count(store, "estimates") == len(october.estimates)
    assert count(store, "checks") == sum(len(c.checks) for c in claims)
    assert count(store, "claim_sources") == sum(len(c.sources) for c in claims)
    assert count(store, "quotes") == sum(len(c.quotes) for c in claims)
    assert count(store, "links") == sum(len(c.corrects) + len(c.retells) for c in claims)
    assert count(store, "causes") == sum(len(e.caused_by) for e in events)
    assert count(store, "readings") == sum(len(q.readings) for q in october.quantities.values())


def test_values_stand_in_their_columns(store):
    row = store.execute("select low, best, high, unit, reported_start, status from claims where id = 'O-01'").fetchone()
    assert row == (180, 185, 200, "missiles", "2024-10-01", "supported")
    assert store.execute("select surfaced from claims where id = 'O-10'").fetchone() == ("2024-10-14",)


def test_a_question_in_sql_finds_claims_that_several_addresses_carry(store):
    sql = "select claim from claim_sources group by claim having count(*) > 5"
    assert [row[0] for row in store.execute(sql)] == ["O-02"]


def test_words_are_found_by_their_beginning_in_any_order(store):
    assert "O-04" in [hit.id for hit in search(store, "INTERCEPT destroyers")]
    assert search(store, "nothing holds this") == []
    assert len(search(store, "Israel", limit=3)) == 3


def test_signs_of_the_search_language_are_only_words(store):
    assert search(store, 'missiles" OR (salvo*') == search(store, "missiles OR salvo")


def test_a_search_without_a_word_is_refused(store):
    with pytest.raises(UsageError, match="holds no word. Give one or more words"):
        search(store, "?!")


def test_a_file_is_written_once_and_never_over_another(october, tmp_path):
    path = tmp_path / "record.db"
    build_store(october, path).close()
    with sqlite3.connect(path) as again:
        assert count(again, "claims") == len(october.claims)
    again.close()
    with pytest.raises(UsageError, match=r"record\.db: this file exists already"):
        build_store(october, path)
    with pytest.raises(UsageError, match="it cannot be written"):
        build_store(october, tmp_path / "no" / "folder.db")
