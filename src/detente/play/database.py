"""Open the database of exercises: SQLite in one file, or PostgreSQL by URL; tables, their version and migration."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from detente.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData

POSTGRESQL = "postgresql+pg8000"


def schema() -> "MetaData":
    """The tables: exercises, their events (appended, never changed), access grants, and the version.

    ``exercises.head`` is the number of events of an exercise. Whoever appends moves it in the same transaction, so that
    two writers cannot both append after the same event.

    Returns:
        SQLAlchemy's description of the tables.

    Example:
        >>> sorted(schema().tables)
        ['events', 'exercises', 'grants', 'meta']
    """
    from sqlalchemy import Column, Float, ForeignKey, Integer, MetaData, String, Table, Text, UniqueConstraint

    metadata = MetaData()
    Table("meta", metadata, Column("name", String(40), primary_key=True), Column("value", Text, nullable=False))
    Table(
        "exercises",
        metadata,
        Column("id", String(40), primary_key=True),
        Column("title", Text, nullable=False),
        Column("created", Float, nullable=False),
        Column("head", Integer, nullable=False),
        Column("room", String(16), unique=True),
    )
    Table(
        "events",
        metadata,
        Column("exercise", String(40), ForeignKey("exercises.id"), primary_key=True),
        Column("seq", Integer, primary_key=True),
        Column("branch", Integer, nullable=False),
        Column("body", Text, nullable=False),
        Column("request", String(80)),
        Column("decision", String(80)),
        UniqueConstraint("exercise", "request", name="one_event_per_request"),
        UniqueConstraint("exercise", "branch", "decision", name="one_move_per_decision"),
    )
    Table(
        "grants",
        metadata,
        Column("hash", String(64), primary_key=True),
        Column("kind", String(10), nullable=False),
        Column("role", String(12), nullable=False),
        Column("exercise", String(40)),
        Column("seat", Text),
        Column("handle", String(40), nullable=False),
        Column("created", Float, nullable=False),
        Column("ended", Float),
    )
    return metadata


# Migration number k leads from version k to version k + 1. A database made by this version needs none.
MIGRATIONS: tuple[Callable[["Connection"], None], ...] = ()


def database_url(text: str) -> str:
    """The URL of a database as SQLAlchemy wants it, from what a person writes.

    Args:
        text: A file's path, or ``postgresql://user@host/name``.

    Raises:
        UsageError: If it is the URL of a database that is not supported.

    Example:
        >>> database_url("exercises.sqlite")
        'sqlite:///exercises.sqlite'
        >>> database_url("postgresql://ann@localhost/crises")
        'postgresql+pg8000://ann@localhost/crises'
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return f"sqlite:///{text}"
    if scheme in ("postgresql", "postgres", POSTGRESQL):
        return f"{POSTGRESQL}://{rest}"
    if scheme == "sqlite":
        return text
    raise UsageError(
        f"--database: {scheme!r} is not a kind of database that is supported. Give the path of an SQLite file, or "
        "postgresql://USER@HOST/NAME."
    )


def open_engine(text: str) -> "Engine":
    """An engine on the database: durable commits, one process per SQLite file, tables made or migrated.

    Args:
        text: As :func:`database_url` takes it.

    Raises:
        UsageError: If the database cannot be opened, another process has the file, or a newer version made it.
    """
    import sqlite3

    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import StaticPool

    url = database_url(text)
    if url.startswith("sqlite"):
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": 0})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    else:
        engine = create_engine(url, pool_pre_ping=True, pool_size=4)
    try:
        with engine.begin() as connection:
            _migrate(connection, text)
    except (SQLAlchemyError, sqlite3.Error) as error:
        engine.dispose()
        raise UsageError(_why_not_opened(text, error)) from None
    except UsageError:
        engine.dispose()
        raise
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver must not open transactions by itself, nor may the file be shared: an exclusive lock is held from the
    # first read until the process ends, however it ends.
    connection.isolation_level = None
    for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _why_not_opened(text: str, error: Exception) -> str:
    reason = str(getattr(error, "orig", None) or error).strip()
    if "locked" in reason:
        return (
            f"--database: {text} is in use by another process. Stop that server, give this one another file, or serve "
            "several processes from PostgreSQL."
        )
    return f"--database: {text} cannot be opened: {reason}. Check the path or the address, and who may use it."


def _migrate(connection: "Connection", text: str) -> None:
    from sqlalchemy import inspect, select
    from sqlalchemy import text as sql

    tables = schema()
    meta = tables.tables["meta"]
    latest = 1 + len(MIGRATIONS)
    if connection.dialect.name == "postgresql":
        connection.execute(sql("SELECT pg_advisory_xact_lock(725274)"))  # processes that start together take turns
    if not inspect(connection).has_table("meta"):
        tables.create_all(connection)
        connection.execute(meta.insert().values(name="version", value=str(latest)))
        return
    found = int(connection.execute(select(meta.c.value).where(meta.c.name == "version")).scalar_one())
    if found > latest:
        raise UsageError(
            f"--database: {text} has version {found} of the tables, and this program knows up to {latest}. "
            "Install a newer detente."
        )
    for migration in MIGRATIONS[found - 1 :]:
        migration(connection)
    if found < latest:
        connection.execute(meta.update().where(meta.c.name == "version").values(value=str(latest)))
