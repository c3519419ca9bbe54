"""Streams: a browser keeps one open, and hears that its own page has changed, never what has changed elsewhere."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from detente.play.guard import Receive, Send
from detente.play.limits import MOST_STREAMS

HEARTBEAT_SECONDS = 20.0
OPENED = b": open\n\n"
CHANGED = b"event: changed\ndata: look\n\n"
HEARTBEAT = b": still here\n\n"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]


Page = tuple[str, str, str]  # exercise, role, seat


@dataclass(eq=False)
class Listener:
    """One open stream: what its browser has seen, and whether there is something new."""

    seen: str
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def tell(self, version: str) -> None:
        """There is a version of the page; wake the stream if it is not the one that was seen."""
        if version != self.seen:
            self.seen = version
            self.news.set()

    def end(self) -> None:
        """The stream is to end."""
        self.ended = True
        self.news.set()


class Streams:
    """All open streams, by who listens to which page."""

    def __init__(self) -> None:
        self._open: dict[str, dict[Page, list[Listener]]] = {}

    def _listeners(self, page: Page) -> list[Listener]:
        return self._open.get(page[0], {}).get(page, [])

    def count(self, page: Page) -> int:
        """How many streams of a page are open."""
        return len(self._listeners(page))

    def pages(self, exercise: str | None = None) -> list[Page]:
        """The pages that somebody listens to: of one exercise, or all."""
        if exercise is not None:
            return list(self._open.get(exercise, ()))
        return [page for pages in self._open.values() for page in pages]

    @contextmanager
    def listen(self, page: Page, seen: str) -> Iterator[Listener | None]:
        """Be told about a page as long as the block lasts; None if the page has as many streams as it may have."""
        pages = self._open.setdefault(page[0], {})
        listeners = pages.setdefault(page, [])
        if len(listeners) >= MOST_STREAMS:
            yield None
            return
        listener = Listener(seen)
        listeners.append(listener)
        try:
            yield listener
        finally:
            listeners.remove(listener)
            if not listeners and pages.get(page) is listeners:
                del pages[page]
            if not pages and self._open.get(page[0]) is pages:
                del self._open[page[0]]

    def tell(self, page: Page, version: str) -> None:
        """Tell everybody who listens to a page which version it has now."""
        for listener in self._listeners(page):
            listener.tell(version)

    def end(self, page: Page) -> None:
        """End the streams of one page, as when its cookie is revoked."""
        for listener in self._listeners(page):
            listener.end()

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        for page in self.pages():
            self.end(page)


async def send_stream(
    listener: Listener,
    receive: Receive,
    send: Send,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> None:
    """Answer a request with a stream, until the browser leaves or the stream is ended.

    Args:
        listener: What to wait for.
        receive: Of the request.
        send: Of the request.
        heartbeat_seconds: How long the stream may be silent.
    """
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await _send_part(send, OPENED)
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        while not gone.done() and not listener.ended:
            news = asyncio.ensure_future(listener.news.wait())
            await asyncio.wait({gone, news}, timeout=heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not news.done():
                news.cancel()
                if not gone.done():
                    await _send_part(send, HEARTBEAT)
                continue
            listener.news.clear()
            if not listener.ended:
                await _send_part(send, CHANGED)
    finally:
        gone.cancel()
    if listener.ended:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_part(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
