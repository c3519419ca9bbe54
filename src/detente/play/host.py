"""The host of all exercises on a server: it lets people in, records what they do, and keeps things going by itself."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from detente.errors import DetenteError, UsageError
from detente.play import events as e
from detente.play.exercise import EventFn, Live, deadline, follow_up, is_repeated, new_live, rows_of, version
from detente.play.guard import Refused
from detente.play.session import State, bot_turn
from detente.play.stage import load_stage
from detente.play.store import Exercise, Grant, Store
from detente.play.stream import Streams
from detente.play.tokens import hash_token, new_handle, new_token
from detente.play.views import facilitator_view
from detente.play.worker import Worker

POLL_SECONDS = 0.1  # how often a database that several processes share is asked what is new
GRANTS_SECONDS = 1.0
MOST_ATTEMPTS = 20
LINK, SESSION = "link", "session"
FACILITATOR, SEAT, OBSERVER = "facilitator", "seat", "observer"


@dataclass
class Host:
    """Everything that a server process knows.

    Attributes:
        store: Where events are durable.
        clock: Seconds since 1970.
        bytes_fn: Where random bytes come from.
        worker: Solves games in a process of its own; None plays no bots.
    """

    store: Store
    clock: Callable[[], float] = time.time
    bytes_fn: Callable[[int], bytes] = secrets.token_bytes
    worker: Worker | None = None
    streams: Streams = field(default_factory=Streams)
    entries: dict[str, Exercise] = field(default_factory=dict)
    _lives: dict[str, Live] = field(default_factory=dict)
    _loading: dict[str, asyncio.Lock] = field(default_factory=dict)
    _grants: dict[str, Grant] = field(default_factory=dict)
    _alarms: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    _bots: dict[str, asyncio.Task] = field(default_factory=dict)
    _tasks: set[asyncio.Task] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    # -- beginning and end ------------------------------------------------------------------------
    async def start(self) -> None:
        """Read who may enter and which exercises there are, and let timers and bots of all of them go on."""
        for entry in await _of(self.store.exercises()):
            self.entries[entry.id] = entry
        await self._read_grants()
        self._spawn(self._wake_all())
        if self.store.shared:
            self._spawn(self._poll())

    async def stop(self) -> None:
        """Stop timers, bots and streams; nothing is lost by it."""
        self.streams.close()
        for alarm in self._alarms.values():
            alarm.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.worker is not None:
            await self.worker.close()

    def _spawn(self, work: Any) -> asyncio.Task:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _wake_all(self) -> None:
        for exercise in list(self.entries):
            try:
                live = await self.live(exercise)
            except DetenteError:
                continue  # the page of that exercise says what is wrong with it
            if live is not None:
                await self._settle(live)

    # -- exercises ------------------------------------------------------------------------------------
    async def live(self, exercise: str) -> Live | None:
        """An exercise, read from the store when it is first asked for; None if there is none.

        Raises:
            DetenteError: If its log does not fit the rules any more.
        """
        if exercise in self._lives:
            return self._lives[exercise]
        if exercise not in self.entries:
            return None
        async with self._loading.setdefault(exercise, asyncio.Lock()):
            if exercise not in self._lives:
                rows = await _of(self.store.read(exercise))
                if not rows:
                    return None
                stage = await asyncio.to_thread(load_stage, rows[0].body["game"])
                live = new_live(self.entries[exercise], stage)
                live.take(rows)
                self._lives[exercise] = live
        return self._lives[exercise]

    async def create(self, created: e.Created) -> Live:
        """A new exercise; one that was created by the same request before is returned as it is.

        Raises:
            UsageError: If the game, its seats or the rest are not possible.
        """
        stage = await asyncio.to_thread(load_stage, created.game)
        entry = Exercise(created.exercise, created.title, created.at)
        if created.exercise not in self.entries:
            live = new_live(entry, stage)
            _, found = follow_up(live.state, created, created.at)
            await _of(self.store.create(entry, rows_of(live.state, found, None)))
            self.entries[entry.id] = entry
        live = await self.live(created.exercise)
        assert live is not None
        self.changed(live)
        if self.worker is not None and (created.seconds or any(s.occupant.startswith(e.BOT) for s in created.seats)):
            self._spawn(self._prepare(live))
        return live

    async def _prepare(self, live: Live) -> None:
        """Solve early what bots will need, so that a fault shows before it is a bot's turn."""
        assert self.worker is not None
        try:
            await self.worker.ask("prepare", live.events, at=self.clock())
        except DetenteError as error:
            self._report(live, error)

    def _report(self, live: Live, error: DetenteError) -> None:
        """What goes wrong with a bot is shown to the facilitator and never becomes a move."""
        live.trouble, live.troubled_at = str(error), live.place
        self.tell_facilitators(live)

    async def act(self, live: Live, event_fn: EventFn, request: str | None = None) -> None:
        """Record an event and what follows from it; it is durable, and told to whom it concerns, when this returns.

        Args:
            live: The exercise.
            event_fn: Makes the event for a time.
            request: Idempotency key: if it has caused the same event before, nothing happens.

        Raises:
            Refused: With status 409 if the event is not possible now, or the key has caused another event.
        """
        async with live.lock:
            for _ in range(MOST_ATTEMPTS):
                if request is not None and request in live.requests:
                    stored = live.events[live.requests[request]]
                    if is_repeated(stored, event_fn(stored.at)):
                        return
                    raise Refused(
                        409, "This form was sent before with something else in it. This is the page as it is."
                    )
                if await self._record(live, event_fn, request):
                    break
                await self._catch_up(live)
            else:
                raise Refused(503, "Other servers were quicker many times over. Nothing was recorded: send it again.")
        self.changed(live)

    async def _record(self, live: Live, event_fn: EventFn, request: str | None) -> bool:
        now = self.clock()
        try:
            state, found = follow_up(live.state, event_fn(now), now)
        except UsageError as error:
            raise Refused(409, str(error)) from None
        return await self._append(live, state, found, request)

    async def _append(self, live: Live, state: State, found: list[e.Event], request: str | None) -> bool:
        rows = rows_of(live.state, found, request)
        try:
            stored = await _of(self.store.append(live.id, len(live.events), rows))
        except Exception as error:
            raise Refused(503, "The database did not answer, so it may not be recorded. Send it again.") from error
        if stored:
            live.adopt(state, found, request)
        return stored

    async def _catch_up(self, live: Live) -> None:
        """Read what another process has recorded."""
        live.take(await _of(self.store.read(live.id, len(live.events))))

    async def set_room(self, live: Live, room: str | None) -> None:
        """Open an exercise's room under a code, or close it."""
        await _of(self.store.set_room(live.id, room))
        live.entry = self.entries[live.id] = replace(live.entry, room=room)
        self.tell_facilitators(live)

    # -- what happens by itself ---------------------------------------------------------------------
    async def _settle(self, live: Live) -> None:
        """Record what is due: chance, deadlines, defaults."""
        async with live.lock:
            for _ in range(MOST_ATTEMPTS):
                async with self._turn:
                    state, found = follow_up(live.state, None, self.clock())
                    await asyncio.sleep(0)  # pages that are asked for come between a hundred deadlines
                if not found or await self._append(live, state, found, None):
                    break
                await self._catch_up(live)
        async with self._turn:
            self.changed(live)
            await asyncio.sleep(0)

    def changed(self, live: Live) -> None:
        """Tell the pages that show something new, set the alarm for the next deadline, and let a bot begin."""
        for page in self.streams.pages(live.id):
            self.streams.tell(page, self.version(live, *page[1:]))
        self._set_alarm(live)
        if live.trouble and live.troubled_at != live.place:
            live.trouble = ""
        if self.worker is None or live.trouble or live.id in self._bots:
            return
        if bot_turn(live.state) is not None:
            task = self._bots[live.id] = self._spawn(self._play_bot(live))
            task.add_done_callback(lambda _: self._bots.pop(live.id, None) and self._again(live))

    def _again(self, live: Live) -> None:
        if not live.trouble and bot_turn(live.state) is not None:
            asyncio.get_running_loop().call_soon(self.changed, live)

    def _set_alarm(self, live: Live) -> None:
        alarm = self._alarms.pop(live.id, None)
        if alarm is not None:
            alarm.cancel()
        when = deadline(live.state)
        if when is not None:
            wait = max(0.0, when - self.clock()) + 0.001
            ring = asyncio.get_running_loop().call_later
            self._alarms[live.id] = ring(wait, lambda: self._spawn(self._settle(live)))

    async def _play_bot(self, live: Live) -> None:
        """Ask for a bot's move and record it."""
        assert self.worker is not None
        before = live.place
        try:
            found = await self.worker.ask("bot", live.events, at=self.clock())
            if found is None:
                return
            moved = e.event_from_json(found)
            await self.act(live, lambda now: replace(moved, at=now))
        except Refused:
            return  # the play has gone on without it: the facilitator or another process was quicker
        except DetenteError as error:
            if live.place == before:
                self._report(live, error)

    async def _poll(self) -> None:
        """Look again and again for what other processes have recorded."""
        last = 0.0
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._look_around()
                if self.clock() - last > GRANTS_SECONDS:
                    last = self.clock()
                    await self._read_grants()
            except Exception:
                await asyncio.sleep(1.0)  # the database is away: requests say so, and this looks again

    async def _look_around(self) -> None:
        heads = await _of(self.store.heads())
        if set(heads) - set(self.entries):
            for entry in await _of(self.store.exercises()):
                self.entries.setdefault(entry.id, entry)
        for exercise, (head, room) in heads.items():
            live = self._lives.get(exercise)
            if live is None:
                continue
            live.entry = self.entries[exercise] = replace(live.entry, room=room)
            if head > len(live.events):
                async with live.lock:
                    await self._catch_up(live)
                self.changed(live)

    # -- who may enter --------------------------------------------------------------------------------
    async def _read_grants(self) -> None:
        found = {grant.hash: grant for grant in await _of(self.store.grants())}
        for gone in set(self._grants) - set(found):
            self._forget(self._grants[gone])
        self._grants = found

    def grant(self, token: str, kind: str) -> Grant | None:
        """The open link or session of a token."""
        found = self._grants.get(hash_token(token))
        return found if found is not None and found.kind == kind else None

    def grants(self, exercise: str | None, role: str, seat: str | None = None) -> list[Grant]:
        """The open links and sessions of a role."""
        wanted = (exercise, role, seat)
        return [grant for grant in self._grants.values() if (grant.exercise, grant.role, grant.seat) == wanted]

    async def issue(self, role: str, exercise: str | None = None, seat: str | None = None) -> str:
        """A new link; its token is shown once, and only its hash is kept."""
        token = new_token(self.bytes_fn)
        await self._let_in(self._new_grant(token, LINK, role, exercise, seat))
        return token

    async def open_session(self, role: str, exercise: str | None = None, seat: str | None = None) -> tuple[str, Grant]:
        """A session without a link, as for a seat taken by room code: the cookie's token, and the grant."""
        token = new_token(self.bytes_fn)
        session = self._new_grant(token, SESSION, role, exercise, seat)
        await self._let_in(session)
        return token, session

    async def exchange(self, link: Grant) -> tuple[str, Grant] | None:
        """A session for a link, which is used up by it; None if somebody else was quicker."""
        token = new_token(self.bytes_fn)
        session = self._new_grant(token, SESSION, link.role, link.exercise, link.seat)
        if not await _of(self.store.exchange(link.hash, session)):
            return None
        self._grants.pop(link.hash, None)
        self._grants[session.hash] = session
        return token, session

    async def revoke(self, grants: Iterable[Grant]) -> None:
        """End links and sessions, and the streams that they opened."""
        ended = list(grants)
        await _of(self.store.revoke([grant.hash for grant in ended], self.clock()))
        for grant in ended:
            self._grants.pop(grant.hash, None)
            self._forget(grant)

    def _forget(self, grant: Grant) -> None:
        if grant.kind == SESSION:
            self.streams.end((grant.exercise or "", grant.role, grant.seat or ""))

    def _new_grant(self, token: str, kind: str, role: str, exercise: str | None, seat: str | None) -> Grant:
        return Grant(hash_token(token), kind, role, new_handle(self.bytes_fn), self.clock(), exercise, seat)

    async def _let_in(self, grant: Grant) -> None:
        await _of(self.store.grant(grant))
        self._grants[grant.hash] = grant

    # -- what pages show ------------------------------------------------------------------------------
    def version(self, live: Live, role: str, seat: str = "") -> str:
        """Name of what a page shows now; it changes when, and only when, the page does."""
        if role == SEAT:
            return live.view(seat)[1]
        if role == OBSERVER:
            return live.observed()[1]
        return version((facilitator_view(live.state), live.trouble, live.entry.room, self.present(live)))

    def present(self, live: Live) -> tuple[tuple[str, bool, bool], ...]:
        """Of every seat: its name, whether somebody has entered it, and whether a page of it is open now."""
        return tuple(
            (name, any(g.kind == SESSION for g in self.grants(live.id, SEAT, name)), self._is_open(live, name))
            for name in live.state.seats
        )

    def _is_open(self, live: Live, seat: str) -> bool:
        return self.streams.count((live.id, SEAT, seat)) > 0

    def tell_facilitators(self, live: Live) -> None:
        """Tell the facilitators' pages of an exercise that there may be something new."""
        self.streams.tell((live.id, FACILITATOR, ""), self.version(live, FACILITATOR))


async def _of(future: Any) -> Any:
    """What the store answers."""
    return await asyncio.wrap_future(future)
