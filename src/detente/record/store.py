"""A record as an SQLite database: for searching it, and for questions in SQL."""

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from detente.errors import UsageError
from detente.record.ledger import Ledger
from detente.record.models import Figure, When

SCHEMA = """
create table sources (
  id text primary key, outlet text, author text, title text, address text, published text,
  published_start text, published_end text, retrieved text, reliability text, seen integer, note text);
create table paraphrases (source text, original text);
create table claims (
  id text primary key, statement text, actor text, act text, target text,
  happened_start text, happened_end text, happened_precision text,
  reported_start text, reported_end text, reported_precision text,
  revised_start text, revised_end text, revised_precision text,
  low real, best real, high real, unit text, channel text, surfaced text, deniability text,
  attribution text, hedges text, grade integer, status text, event text, correction text, note text);
create table claim_sources (claim text, source text);
create table checks (
  claim text, relation text, source text, other_claim text, note text, made_by text, made text, blind integer);
create table quotes (claim text, text text, source text, speaker text, wording text, start integer);
create table links (claim text, link text, other_claim text);
create table events (
  id text primary key, happened_start text, happened_end text, happened_precision text, reported text,
  actor text, act text, target text, severity integer, scale text, channel text, attribution text,
  confidence text, note text);
create table causes (event text, cause text);
create table event_sources (event text, source text);
create table quantities (
  id text primary key, event text, what text, low real, best real, high real, unit text, reported text, note text);
create table readings (
  quantity text, source text, low real, high real, bound text, says text, reported text, standing text,
  replaced text, note text);
create table estimates (
  id text primary key, meaning text, formula text, low real, best real, high real, unit text, note text);
create table rests_on (estimate text, id text);
create virtual table words using fts5 (id unindexed, kind unindexed, text, tokenize = 'unicode61 remove_diacritics 2');
"""
INDEXES = """
create index claim_sources_by_claim on claim_sources (claim);
create index claim_sources_by_source on claim_sources (source);
create index checks_by_claim on checks (claim);
create index claims_by_event on claims (event);
"""
MOST_HITS = 20


@dataclass(frozen=True)
class Hit:
    """An entry that holds the words searched for.

    Attributes:
        id: The entry.
        kind: "claim", "event", "figure", "estimate" or "source".
        text: What it says.
    """

    id: str
    kind: str
    text: str


def build_store(ledger: Ledger, path: str | Path = ":memory:") -> sqlite3.Connection:
    """Put a record into a database with one table for each kind of entry, and an index of all its words.

    Args:
        ledger: The record.
        path: A file that does not exist yet; by default the database is kept in memory.

    Returns:
        An open connection.

    Raises:
        UsageError: If the file exists or cannot be written.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> store = build_store(load_ledger(str(files("detente") / "scenarios/october-2024/record")))
        >>> store.execute("select count(*) from claims where status = 'wrong'").fetchone()
        (2,)
    """
    if str(path) != ":memory:" and Path(path).exists():
        raise UsageError(f"{path}: this file exists already. Give another name, or remove it first.")
    try:
        connection = sqlite3.connect(path)
        connection.execute("pragma synchronous = off")
        connection.executescript(SCHEMA)
    except sqlite3.Error as error:
        raise UsageError(f"{path}: it cannot be written ({error}). Check the folder, and your rights to it.") from None
    with connection:
        for table, rows in _rows(ledger):
            _insert(connection, table, rows)
        connection.executescript(INDEXES)
    return connection


def search(store: sqlite3.Connection, text: str, *, limit: int = MOST_HITS) -> list[Hit]:
    """Entries that hold all of several words, best first.

    Args:
        store: From :func:`build_store`.
        text: Words in any order; the beginning of a word is enough.
        limit: Most entries to return.

    Returns:
        The entries.

    Raises:
        UsageError: If there is no word in the text.

    Example:
        >>> from importlib.resources import files
        >>> from detente.record import load_ledger
        >>> store = build_store(load_ledger(str(files("detente") / "scenarios/october-2024/record")))
        >>> [hit.id for hit in search(store, "petrol sector ships")]
        ['O-12']
    """
    words = re.findall(r"\w+", text)
    if not words:
        raise UsageError(f"search: {text!r} holds no word. Give one or more words, for example: interceptors.")
    wanted = " ".join(f'"{word}"*' for word in words)
    rows = store.execute(
        "select id, kind, text from words where text match ? order by rank, rowid limit ?", (wanted, limit)
    )
    return [Hit(*row) for row in rows]


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[tuple]) -> None:
    columns = len(connection.execute(f"select * from {table} limit 0").description)
    connection.executemany(f"insert into {table} values ({', '.join('?' * columns)})", rows)


def _time(when: When | None) -> tuple:
    return (when.start.isoformat(), when.end.isoformat(), when.precision) if when else (None, None, None)


def _figure(figure: Figure | None) -> tuple:
    return (figure.low, figure.best, figure.high, figure.unit) if figure else (None, None, None, None)


def _iso(day) -> str | None:
    return day.isoformat() if day else None


def _rows(ledger: Ledger) -> Iterable[tuple[str, Iterable[tuple]]]:
    """Every table with its rows."""
    sources, claims, events = ledger.sources.values(), ledger.claims.values(), ledger.events.values()
    yield (
        "sources",
        (
            (s.id, s.outlet, s.author, s.title, s.address, s.published, _iso(s.published_start), _iso(s.published_end))
            + (_iso(s.retrieved), s.reliability, s.seen, s.note)
            for s in sources
        ),
    )
    yield "paraphrases", ((s.id, original) for s in sources for original in s.paraphrases)
    yield (
        "claims",
        (
            (c.id, c.statement, c.actor, c.act, c.target, *_time(c.happened), *_time(c.reported), *_time(c.revised))
            + _figure(c.quantity)
            + (c.channel, _iso(c.surfaced.start if c.surfaced else None), c.deniability)
            + ("; ".join(c.attribution), "; ".join(c.hedges), c.grade, c.status, c.event, c.correction, c.note)
            for c in claims
        ),
    )
    yield "claim_sources", ((c.id, source) for c in claims for source in c.sources)
    yield (
        "checks",
        ((c.id, k.relation, k.source, k.claim, k.note, k.by, _iso(k.made), k.blind) for c in claims for k in c.checks),
    )
    yield "quotes", ((c.id, q.text, q.source, q.speaker, q.wording, q.start) for c in claims for q in c.quotes)
    yield "links", ((c.id, "corrects", other) for c in claims for other in c.corrects)
    yield "links", ((c.id, "retells", other) for c in claims for other in c.retells)
    yield (
        "events",
        (
            (e.id, *_time(e.happened), _iso(e.reported), e.actor, e.act, e.target, e.severity, e.scale, e.channel)
            + (e.attribution, e.confidence, e.note)
            for e in events
        ),
    )
    yield "causes", ((e.id, cause) for e in events for cause in e.caused_by)
    yield "event_sources", ((e.id, source) for e in events for source in e.sources)
    yield (
        "quantities",
        ((q.id, e.id, q.what, *_figure(q), _iso(q.reported), q.note) for e in events for q in e.quantities),
    )
    yield (
        "readings",
        (
            (q.id, r.source, r.low, r.high, r.bound, r.says, _iso(r.reported), r.standing, _iso(r.replaced), r.note)
            for e in events
            for q in e.quantities
            for r in q.readings
        ),
    )
    yield "estimates", ((e.id, e.meaning, e.formula, *_figure(e), e.note) for e in ledger.estimates.values())
    yield "rests_on", ((e.id, id) for e in ledger.estimates.values() for id in dict.fromkeys((*e.names, *e.rests_on)))
    yield "words", _texts(ledger)


def _texts(ledger: Ledger) -> Iterable[tuple[str, str, str]]:
    for c in ledger.claims.values():
        yield c.id, "claim", c.statement if not c.correction else f"{c.statement} {c.correction}"
    for e in ledger.events.values():
        yield e.id, "event", f"{e.actor}: {e.act}. {e.note}"
        for q in e.quantities:
            yield q.id, "figure", f"{q.what}. {q.note}"
    for estimate in ledger.estimates.values():
        yield estimate.id, "estimate", f"{estimate.meaning} {estimate.note}"
    for s in ledger.sources.values():
        yield s.id, "source", f"{s.outlet}: {s.title}"
