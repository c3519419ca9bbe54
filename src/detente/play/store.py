"""The store: events are appended and never changed, and many exercises' events are made durable in one commit."""

import json
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detente.play.database import open_engine, schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST_IN_ONE_COMMIT = 256


@dataclass(frozen=True)
class Row:
    """One stored event.

    Attributes:
        body: The event in its JSON form.
        branch: The branch of the exercise it belongs to.
        request: Idempotency key of the request that caused it; None if none did.
        decision: Id of the decision that it settles; at most one row of a branch settles a decision.
    """

    body: dict[str, Any]
    branch: int = 0
    request: str | None = None
    decision: str | None = None


@dataclass(frozen=True)
class Exercise:
    """An exercise as the store lists it.

    Attributes:
        id: Random, so that it cannot be guessed.
        title: What the facilitator called it.
        created: When, in seconds since 1970.
        head: Number of events.
        room: Code by which people take a free seat; None while the room is closed.
    """

    id: str
    title: str
    created: float
    head: int = 0
    room: str | None = None


@dataclass(frozen=True)
class Grant:
    """Who may enter where: the hash of a link or of a cookie, never the token itself.

    Attributes:
        hash: SHA-256 of the token.
        kind: ``link`` (exchanged once) or ``session`` (a cookie).
        role: ``facilitator``, ``seat`` or ``observer``.
        handle: Name in the address of the pages it opens; says nothing about the seat.
        created: When, in seconds since 1970.
        exercise: Which exercise; None for a facilitator, who has all.
        seat: Which seat, if it is one.
        ended: When it was used up or revoked.
    """

    hash: str
    kind: str
    role: str
    handle: str
    created: float
    exercise: str | None = None
    seat: str | None = None
    ended: float | None = None


@dataclass(frozen=True)
class _Job:
    run: Callable[["Connection"], Any]
    exercise: str
    future: Future


def _values(exercise: str, after: int, rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "exercise": exercise,
            "seq": after + i,
            "branch": row.branch,
            "body": json.dumps(row.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False),
            "request": row.request,
            "decision": row.decision,
        }
        for i, row in enumerate(rows)
    ]


class Store:
    """One database behind one thread: what is asked for together is committed together.

    Every method returns a :class:`concurrent.futures.Future`, so that a server can await it. When the future of an
    append has the result True, the events survive the end of the process.

    Args:
        address: Path of an SQLite file, or ``postgresql://…``.

    Raises:
        UsageError: If the database cannot be opened or is in use by another process.

    Example:
        >>> store = Store(":memory:")
        >>> store.create(Exercise("a1", "October", 0.0)).result()
        >>> store.append("a1", 0, [Row({"kind": "note", "text": "begun"})]).result()
        True
        >>> store.append("a1", 0, [Row({"kind": "note", "text": "too late"})]).result()
        False
        >>> [row.body["text"] for row in store.read("a1").result()]
        ['begun']
        >>> store.close()
    """

    def __init__(self, address: str):
        self.engine = open_engine(address)
        self.shared = self.engine.dialect.name == "postgresql"
        self._tables = schema().tables
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="detente-store", daemon=True)
        self._thread.start()

    # -- exercises and their events ---------------------------------------------------------------
    def create(self, exercise: Exercise, rows: Sequence[Row] = ()) -> "Future[None]":
        """A new exercise with its first events."""

        def run(connection: "Connection") -> None:
            values = vars(exercise) | {"head": len(rows)}
            connection.execute(self._tables["exercises"].insert().values(**values))
            if rows:
                connection.execute(self._tables["events"].insert(), _values(exercise.id, 0, rows))

        return self._submit(run, exercise.id)

    def exercises(self) -> "Future[list[Exercise]]":
        """All exercises, the oldest first."""
        table = self._tables["exercises"]
        query = table.select().order_by(table.c.created, table.c.id)
        return self._submit(lambda c: [Exercise(**row) for row in c.execute(query).mappings()])

    def set_room(self, exercise: str, room: str | None) -> "Future[None]":
        """Open an exercise's room under a code, or close it with None."""
        table = self._tables["exercises"]
        update = table.update().where(table.c.id == exercise).values(room=room)
        return self._submit(lambda c: c.execute(update) and None, exercise)

    def append(self, exercise: str, after: int, rows: Sequence[Row]) -> "Future[bool]":
        """Append events, if the exercise still has as many as the caller thinks.

        Args:
            exercise: Its id.
            after: Number of events that the caller has seen.
            rows: What to append, all or nothing.

        Returns:
            True once the rows are durable; False if somebody else appended first, or if a row's request or decision
            has been settled already: read on, and look again.
        """
        values = _values(exercise, after, rows)
        return self._submit(lambda c: self._append(c, exercise, after, values), exercise)

    def _append(self, connection: "Connection", exercise: str, after: int, values: list[dict[str, Any]]) -> bool:
        from sqlalchemy.exc import IntegrityError

        table = self._tables["exercises"]
        claim = table.update().where(table.c.id == exercise, table.c.head == after)
        try:
            with connection.begin_nested():
                if connection.execute(claim.values(head=after + len(values))).rowcount != 1:
                    return False
                connection.execute(self._tables["events"].insert(), values)
        except IntegrityError:
            return False
        return True

    def read(self, exercise: str, start: int = 0) -> "Future[list[Row]]":
        """An exercise's events from number ``start`` on, in order."""
        table = self._tables["events"]
        query = table.select().where(table.c.exercise == exercise, table.c.seq >= start).order_by(table.c.seq)

        def run(connection: "Connection") -> list[Row]:
            found = connection.execute(query).mappings()
            return [Row(json.loads(r["body"]), r["branch"], r["request"], r["decision"]) for r in found]

        return self._submit(run)

    def heads(self) -> "Future[dict[str, tuple[int, str | None]]]":
        """Number of events and room code of every exercise: what another process may have changed."""
        from sqlalchemy import select

        table = self._tables["exercises"]
        query = select(table.c.id, table.c.head, table.c.room)
        return self._submit(lambda c: {row.id: (row.head, row.room) for row in c.execute(query)})

    # -- access ---------------------------------------------------------------------------------------
    def grant(self, *grants: Grant) -> "Future[None]":
        """Let somebody in."""
        values = [vars(grant) for grant in grants]
        return self._submit(lambda c: c.execute(self._tables["grants"].insert(), values) and None)

    def exchange(self, link: str, session: Grant) -> "Future[bool]":
        """Use up a link and let the session in instead; False if the link was used or revoked before."""

        def run(connection: "Connection") -> bool:
            if not self._end(connection, [link], session.created):
                return False
            connection.execute(self._tables["grants"].insert(), [vars(session)])
            return True

        return self._submit(run)

    def revoke(self, hashes: Iterable[str], now: float) -> "Future[int]":
        """End links and sessions; the result is how many were still open."""
        listed = list(hashes)
        return self._submit(lambda c: self._end(c, listed, now))

    def _end(self, connection: "Connection", hashes: list[str], now: float) -> int:
        table = self._tables["grants"]
        open_ones = table.update().where(table.c.hash.in_(hashes), table.c.ended.is_(None))
        return connection.execute(open_ones.values(ended=now)).rowcount

    def grants(self) -> "Future[list[Grant]]":
        """Every link and session that is still open."""
        table = self._tables["grants"]
        query = table.select().where(table.c.ended.is_(None)).order_by(table.c.created, table.c.hash)
        return self._submit(lambda c: [Grant(**row) for row in c.execute(query).mappings()])

    # -- the thread -----------------------------------------------------------------------------------
    def close(self) -> None:
        """Finish what was asked for and let the database go."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()
        self.engine.dispose()

    def _submit(self, run: Callable[["Connection"], Any], exercise: str = "") -> Future:
        future: Future = Future()
        self._jobs.put(_Job(run, exercise, future))
        return future

    def _work(self) -> None:
        """Take all that waits, do it in one transaction, and answer only after the commit."""
        more = True
        while more:
            first = self._jobs.get()
            if first is None:
                return
            batch = [first]
            while len(batch) < MOST_IN_ONE_COMMIT and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    more = False
                    break
                batch.append(following)
            # Processes that share a database take exercises in one order, so that they never wait for each other.
            wanted = [job for job in batch if job.future.set_running_or_notify_cancel()]
            if wanted:
                self._commit(sorted(wanted, key=lambda job: job.exercise))

    def _commit(self, batch: list[_Job]) -> None:
        try:
            with self.engine.begin() as connection:
                results = [job.run(connection) for job in batch]
        except Exception as error:
            if len(batch) > 1:
                for one in batch:  # a job that fails must not take the others with it
                    self._commit([one])
            else:
                batch[0].future.set_exception(error)
            return
        for job, result in zip(batch, results, strict=True):
            job.future.set_result(result)
