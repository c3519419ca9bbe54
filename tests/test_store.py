"""The store: durable, append-only, one winner for every decision, on SQLite and on PostgreSQL."""

import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from conftest import missing
from play_fixtures import house, postgresql_database, postgresql_server, postgresql_tools

from detente.errors import UsageError
from detente.play import database
from detente.play.store import Exercise, Grant, Row, Store

NOTE = Row({"version": 1, "kind": "note", "text": "begun"})


@pytest.fixture(scope="module")
def postgresql_module():
    tools = postgresql_tools()
    if tools is None:
        missing("PostgreSQL was not found: install Debian's `postgresql`.")
    with postgresql_server(tools) as server:
        yield server


@pytest.fixture
def postgresql(postgresql_module, request):
    with postgresql_database(postgresql_module, f"test_{abs(hash(request.node.name))}") as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    address = str(tmp_path / "x.sqlite") if request.param == "sqlite" else request.getfixturevalue("postgresql")
    opened = Store(address)
    opened.create(Exercise("a", "October", 1.0)).result()
    yield opened
    opened.close()


def test_rows_come_back_as_they_were_appended(store):
    rows = [Row({"kind": "move", "text": "für Ann – 4 €"}, 2, "request", "decision"), NOTE]
    assert store.append("a", 0, rows).result()
    assert store.read("a").result() == rows
    assert store.read("a", 1).result() == [NOTE]
    assert store.heads().result() == {"a": (2, None)}


def test_only_one_of_two_writers_appends_after_the_same_event(store):
    assert store.append("a", 0, [NOTE]).result()
    assert not store.append("a", 0, [NOTE]).result()
    assert store.append("a", 1, [NOTE]).result()
    assert not store.append("no such exercise", 0, [NOTE]).result()


def test_a_request_and_a_decision_are_settled_once(store):
    assert store.append("a", 0, [replace(NOTE, request="r", decision="d")]).result()
    assert not store.append("a", 1, [replace(NOTE, request="r")]).result()
    assert not store.append("a", 1, [replace(NOTE, decision="d")]).result()
    assert store.append("a", 1, [replace(NOTE, decision="d", branch=1)]).result()
    assert store.heads().result()["a"][0] == 2


def test_many_exercises_are_committed_together_and_a_fault_in_one_takes_no_other_along(store):
    store.create(Exercise("b", "Second", 2.0)).result()
    blocked, release = threading.Event(), threading.Event()

    def wait(_):
        blocked.set()
        release.wait(10)

    def fail(connection):
        raise RuntimeError("a fault")

    first = store._submit(wait)
    blocked.wait(10)
    good, bad, also = store.append("a", 0, [NOTE]), store._submit(fail), store.append("b", 0, [NOTE])
    release.set()
    assert first.result() is None
    assert good.result() and also.result()
    with pytest.raises(RuntimeError, match="a fault"):
        bad.result()
    assert {name: head for name, (head, _) in store.heads().result().items()} == {"a": 1, "b": 1}


def test_a_link_is_exchanged_once_and_what_ends_is_gone(store):
    link = Grant("1" * 64, "link", "seat", "h1", 1.0, "a", "patron")
    store.grant(link).result()
    session = replace(link, hash="2" * 64, kind="session")
    assert store.exchange(link.hash, session).result()
    assert not store.exchange(link.hash, replace(session, hash="3" * 64)).result()
    assert store.grants().result() == [session]
    assert store.revoke([session.hash], 2.0).result() == 1
    assert store.grants().result() == []


def test_a_database_of_a_newer_version_is_refused(store, monkeypatch):
    if store.shared:
        pytest.skip("Tried on SQLite: the code is the same.")
    path = store.engine.url.database
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99'")
    connection.close()
    with pytest.raises(UsageError, match="version 99 of the tables, and this program knows up to 1"):
        Store(path)


def test_an_older_database_is_migrated_and_keeps_its_events(tmp_path, monkeypatch):
    path = str(tmp_path / "x.sqlite")
    opened = Store(path)
    opened.create(Exercise("a", "October", 1.0), [NOTE]).result()
    opened.close()
    step = lambda connection: connection.exec_driver_sql("ALTER TABLE meta ADD COLUMN note TEXT")  # noqa: E731
    monkeypatch.setattr(database, "MIGRATIONS", (step,))
    for _ in range(2):  # the second time there is nothing to do
        opened = Store(path)
        assert opened.read("a").result() == [NOTE]
        opened.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT value FROM meta").fetchall() == [("2",)]
    connection.close()


def test_sqlite_syncs_every_commit(tmp_path):
    opened = Store(str(tmp_path / "x.sqlite"))
    pragmas = ("journal_mode", "synchronous", "locking_mode")
    found = [opened._submit(lambda c, p=p: c.exec_driver_sql(f"PRAGMA {p}").scalar()).result() for p in pragmas]
    opened.close()
    assert found == ["wal", 2, "exclusive"]


def test_a_second_process_on_one_file_is_refused(tmp_path):
    path = str(tmp_path / "x.sqlite")
    opened = Store(path)
    program = "import sys; from detente.play.store import Store; Store(sys.argv[1])"
    second = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60)
    opened.close()
    assert second.returncode != 0
    assert "is in use by another process. Stop that server" in second.stderr
    Store(path).close()  # afterwards it is free again


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://ann@host/x", "is not a kind of database"),
        ("/no/such/folder/x.sqlite", "cannot be opened"),
        ("postgresql://ann@127.0.0.1:1/x", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_had_is_reported_with_what_to_do(address, words):
    with pytest.raises(UsageError, match=words):
        Store(address)


def test_an_exercise_goes_on_where_it_was_after_the_server_is_started_again(tmp_path):
    path = tmp_path / "x.sqlite"
    with house(path) as running:
        desk = running.create("kuhn-poker", **{"occupant player 1": "person", "occupant player 2": "person"})
        browser = running.enter(desk, "player 1")
        browser.submit("/move", option="Bet")
        shown, cookies = browser.page.body, browser.cookies
        again = browser.form("/message")
    with house(path, start=1_000) as running:
        browser_after = running.new_browser()
        browser_after.cookies = cookies
        assert browser_after.open(browser.here).body == shown
        assert browser_after.send(again, text="Still here", everybody="yes").status == 200


# -- PostgreSQL -----------------------------------------------------------------------------------------
def test_two_servers_on_one_database_play_one_exercise(postgresql):
    import time

    with house(postgresql) as one, house(postgresql, start=5_000) as two:
        desk = one.create("kuhn-poker", **{"occupant player 1": "person", "occupant player 2": "person"})
        ann, bob = one.enter(desk, "player 1"), one.enter(desk, "player 2", "Bob")
        there = two.new_browser()
        there.cookies = bob.cookies
        for _ in range(100):
            if there.open(bob.here).status == 200:
                break
            time.sleep(0.05)
            two.clock.now += 2
        ann.submit("/move", option="Bet")
        for _ in range(100):
            if "You decide" in there.open(bob.here).text:
                break
            time.sleep(0.05)
        assert there.submit("/move", option="Bet").status == 200
        for _ in range(100):
            if one.live(desk).state.ended:
                break
            time.sleep(0.05)
        assert one.live(desk).state.ended
        stale = bob.submit("/move", option="Pass") if "/move" in bob.page.text else None
        assert stale is None or stale.status == 409


def test_servers_that_record_at_the_same_time_lose_nothing(postgresql):
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from detente.play.events import Noted

    with house(postgresql) as one, house(postgresql, start=5_000) as two:
        desk = one.create("kuhn-poker", **{"occupant player 1": "person", "occupant player 2": "person"})
        exercise = desk.rstrip("/").rpartition("/")[2]

        async def notes(host, who):
            for _ in range(100):
                live = await host.live(exercise)
                if live is not None:
                    break
                await asyncio.sleep(0.05)
            for number in range(20):
                await host.act(live, lambda now, number=number: Noted(now, f"{who} {number}"))

        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(h.loop.run, notes(h.host, who)) for h, who in ((one, "one"), (two, "two"))]
            for run in runs:
                run.result()
        texts = [row.body["text"] for row in one.host.store.read(exercise).result() if row.body["kind"] == "note"]
        assert sorted(texts) == sorted(f"{who} {n}" for who in ("one", "two") for n in range(20))
