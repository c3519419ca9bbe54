"""The web server of exercises: pages, forms and streams; every address and every right to use it in one place."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol

from detente.play.guard import Guard, Refused, read_form
from detente.play.host import FACILITATOR, LINK, SEAT, SESSION, Host
from detente.play.limits import RateLimit
from detente.play.pages import message_page, page_of, render
from detente.play.store import Grant
from detente.play.stream import send_stream
from detente.play.tokens import form_key, new_token, read_room_code, same

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

COOKIE, GUEST = "detente", "detente-guest"
NOTHING = "There is nothing here for you. Perhaps the link was used before: ask the facilitator for a new one."
STATIC = {
    "exercise.css": "text/css; charset=utf-8",
    "exercise.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
MOST_COOKIE = 200


@dataclass(frozen=True)
class Visitor:
    """Somebody with a right to be here: the cookie's token and the grant that it opens."""

    token: str
    grant: Grant


@dataclass
class Site:
    """What the handlers of requests share.

    Attributes:
        host: The exercises.
        address: Where people reach the server, for links: ``http://127.0.0.1:8000``.
        clock: Seconds that only grow, for rate limits.
        scenarios: Scenarios of one's own that exercises can be created of: name → (folder, title).
        kept: Pages of seats as they were last made.
        reviews: Reviews likewise.
        links: Address and words of further pages for facilitators.
    """

    host: Host
    address: str
    clock: Callable[[], float]
    scenarios: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    joins: RateLimit = field(init=False)
    moves: RateLimit = field(init=False)
    messages: RateLimit = field(init=False)
    kept: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    reviews: dict[tuple[str, int, str, str], str] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Set the limits: 5 failed joins a minute for each address, 5 moves and 1 message a second for each seat."""
        self.joins = RateLimit(5, 60.0, self.clock)
        self.moves = RateLimit(5, 1.0, self.clock)
        self.messages = RateLimit(1, 1.0, self.clock)

    @property
    def secure(self) -> bool:
        """Whether people come by https, so that cookies are for https only."""
        return self.address.startswith("https://")

    def visitor(self, request: "Request") -> Visitor:
        """Who asks for a page under ``/at/HANDLE/``.

        Raises:
            Refused: With status 404 if it is nobody who may: the same answer as for an address that does not exist.
        """
        token = request.cookies.get(COOKIE, "")[:MOST_COOKIE]
        grant = self.host.grant(token, SESSION)
        if grant is None or not same(grant.handle, request.path_params["handle"]):
            raise Refused(404, NOTHING)
        return Visitor(token, grant)

    def check_limit(self, limit: RateLimit, key: str, *, take: bool = True) -> None:
        """Refuse with status 429 what comes too often."""
        wait = limit.wait_for(key, take=take)
        if wait > 0:
            seconds = str(max(1, round(wait + 0.5)))
            raise Refused(429, f"That was too often. Try again in {seconds} s.", {"retry-after": seconds})


def page(text: str | bytes, status: int = 200, headers: dict[str, str] | None = None) -> "Response":
    """A page as an answer."""
    from starlette.responses import Response

    return Response(text, status, headers, media_type="text/html; charset=utf-8")


def see(address: str) -> "Response":
    """Send the browser to another page after a form."""
    from starlette.responses import Response

    return Response(b"", 303, {"location": address})


def check_form(fields: dict[str, str], secret: str) -> None:
    """Refuse a form that this site did not make for this visitor."""
    if not same(fields.get("csrf", ""), form_key(secret, "csrf")):
        raise Refused(403, "The form is too old, or was not made by this site. Load the page again and send it anew.")


def _limited(handler: "Handler") -> "Handler":
    """A handler that answers only while the visitor's address has not tried in vain too often.

    Only what fails counts: a class that comes in from one address is let in, and whoever guesses is stopped.
    """

    async def limited(site: Site, request: "Request", *fields: dict[str, str]) -> "Response":
        key = request.client.host if request.client else "unknown"
        site.check_limit(site.joins, key, take=False)
        try:
            return await handler(site, request, *fields)
        except Refused as refusal:
            if refusal.status in (403, 404):
                site.check_limit(site.joins, key)
            raise

    return limited


# -- the door: links, codes, cookies -----------------------------------------------------------------
def _guest(site: Site, request: "Request") -> str:
    """The token that ties forms of somebody without a seat to the browser that they were made for."""
    return request.cookies.get(GUEST, "")[:MOST_COOKIE] or new_token(site.host.bytes_fn)


def _door(site: Site, request: "Request", status: int = 200, **values: Any) -> "Response":
    guest = _guest(site, request)
    answer = page(render("door", csrf=form_key(guest, "csrf"), **({"link": ""} | values)), status)
    answer.set_cookie(GUEST, guest, path="/", secure=site.secure, httponly=True, samesite="lax")
    return answer


def _enter(site: Site, token: str, grant: Grant) -> "Response":
    path = f"/at/{grant.handle}/"
    answer = see(path)
    answer.set_cookie(COOKIE, token, max_age=30 * 86_400, path=path, secure=site.secure, httponly=True, samesite="lax")
    return answer


async def front(site: Site, request: "Request") -> "Response":
    """The first page: a form for a room code."""
    return _door(site, request, title="A crisis exercise")


async def show_link(site: Site, request: "Request") -> "Response":
    """The page of a link. Looking at it does not use it up, as mail programs look at links before people do."""
    link = site.host.grant(request.path_params["token"], LINK)
    if link is None:
        raise Refused(404, NOTHING)
    titles = {SEAT: f"Enter as {link.seat}", FACILITATOR: "Enter as facilitator"}
    title = titles.get(link.role, "Enter as an observer")
    return _door(site, request, title=title, link=request.path_params["token"], asks_name=link.role == SEAT)


async def join(site: Site, request: "Request", fields: dict[str, str]) -> "Response":
    """A link is exchanged for a cookie, once."""
    check_form(fields, request.cookies.get(GUEST, ""))
    link = site.host.grant(fields.get("link", ""), LINK)
    if link is None:
        raise Refused(404, NOTHING)
    if link.role == SEAT:
        await _sit_down(site, link.exercise or "", link.seat or "", fields.get("name", ""))
    entered = await site.host.exchange(link)
    if entered is None:
        raise Refused(404, NOTHING)
    return _enter(site, *entered)


async def _sit_down(site: Site, exercise: str, seat: str, name: str) -> None:
    from detente.play.events import Joined

    live = await site.host.live(exercise)
    if live is None:
        raise Refused(404, NOTHING)
    await site.host.act(live, lambda now: Joined(now, seat, name))


async def room(site: Site, request: "Request", fields: dict[str, str]) -> "Response":
    """A room code shows the free seats; the code with a seat and a name takes one."""
    check_form(fields, request.cookies.get(GUEST, ""))
    code = read_room_code(fields.get("code", ""))
    found = [entry for entry in site.host.entries.values() if entry.room and same(entry.room, code)]
    live = await site.host.live(found[0].id) if found else None
    if live is None:
        raise Refused(404, NOTHING)
    seats = live.state.seats.values()
    free = [seat for seat in seats if seat.occupant == "person" and not site.host.grants(live.id, SEAT, seat.name)]
    if "seat" not in fields:
        listed = [(seat.name, live.state.stage.role(seat.player)) for seat in free]
        return _door(site, request, title="Take a seat", code=code, seats=listed)
    if fields["seat"] not in {seat.name for seat in free}:
        raise Refused(409, "That seat has just been taken. Enter the code again and take another.")
    await _sit_down(site, live.id, fields["seat"], fields.get("name", ""))
    return _enter(site, *await site.host.open_session(SEAT, live.id, fields["seat"]))


# -- pages under /at/HANDLE/ ---------------------------------------------------------------------------
async def at(site: Site, request: "Request", fields: dict[str, str] | None) -> "Response":
    """Everything that only somebody with a cookie may see or do."""
    from detente.play import desk, seat

    visitor = site.visitor(request)
    if fields is not None:
        check_form(fields, visitor.token)
    part = desk if visitor.grant.role == FACILITATOR else seat
    try:
        return await part.answer(site, request, visitor, fields)
    except Refused as refusal:
        if refusal.status not in (400, 409, 429, 503):
            raise
        # Whoever sent something that cannot be done sees why, and the page as it is now.
        return await part.show_again(site, request, visitor, refusal)


def kept_page(site: Site, live: Any, visitor: Visitor) -> bytes:
    """The page of a seat or observer; it is made again only when its version has changed."""
    grant = visitor.grant
    version = site.host.version(live, grant.role, grant.seat or "")
    kept = site.kept.get(grant.hash)
    notes = f"{version} {len(live.state.notes)}"
    if kept is None or kept[0] != notes:
        kept = site.kept[grant.hash] = (notes, page_of(live, grant, visitor.token).encode())
    return kept[1]


def stream_of(site: Site, key: tuple[str, str, str], live: Any, seen: str) -> "Response":
    """A stream as an answer; refused with status 429 if the page has three open."""
    from starlette.responses import Response

    class Stream(Response):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            with site.host.streams.listen(key, seen) as listener:
                if listener is None:
                    refused = page(message_page("Too often", "Three pages are open already: close one."), 429)
                    await refused(scope, receive, send)
                    return
                if key[1] != FACILITATOR:
                    site.host.tell_facilitators(live)
                listener.tell(site.host.version(live, key[1], key[2]))
                await send_stream(listener, receive, send)
            if key[1] != FACILITATOR:
                site.host.tell_facilitators(live)

    return Stream()


# -- the application ---------------------------------------------------------------------------------
class Part(Protocol):
    """More pages on the same server, from a part of the package that stands above this one.

    Attributes:
        link: Address below a facilitator's own, and the words of the link to it.
    """

    link: tuple[str, str]

    def routes(self, site: Site) -> list[Any]:
        """Its addresses; they come before those of exercises."""
        ...

    async def start(self) -> None:
        """Begin what it does by itself; called once, when the server starts."""
        ...

    async def close(self) -> None:
        """End what it has started."""
        ...


def make_app(
    host: Host,
    *,
    parts: Sequence[Part] = (),
    address: str = "http://127.0.0.1:8000",
    hosts: frozenset[str] = frozenset(),
    behind_proxy: bool = False,
    clock: Callable[[], float] | None = None,
    scenarios: Mapping[str, tuple[str, str]] | None = None,
) -> Guard:
    """The server as an ASGI application.

    Args:
        host: The exercises.
        parts: More pages on the same server.
        address: Where people reach it, for links and cookies.
        hosts: Names by which it may be addressed; empty allows any.
        behind_proxy: Whether forms must come from ``address`` whatever host they name.
        clock: Seconds that only grow, for rate limits; default: the process's.
        scenarios: Scenarios of one's own: name → (folder, title).
    """
    import time

    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    links = tuple(part.link for part in parts)
    site = Site(host, address.rstrip("/"), clock or time.monotonic, scenarios or {}, links=links)

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        await host.start()
        for part in parts:
            await part.start()
        yield
        for part in parts:
            await part.close()
        await host.stop()

    async def static(_: Site, request: "Request") -> "Response":
        return _static(request.path_params["name"])

    async def not_found(request: "Request", _: Exception) -> "Response":
        return page(message_page("Nothing here", NOTHING), 404)

    routes = [
        Route("/", _get(site, front)),
        Route("/static/{name}", _get(site, static)),
        Route("/join/{token}", _get(site, _limited(show_link))),
        Route("/join", _post(site, _limited(join)), methods=["POST"]),
        Route("/room", _post(site, _limited(room)), methods=["POST"]),
        *(route for part in parts for route in part.routes(site)),
        Route("/at/{handle}/{rest:path}", _any(site, at), methods=["GET", "POST"]),
    ]
    handlers: dict[Any, Any] = {404: not_found, 405: not_found, HTTPException: not_found}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, hosts, site.address if behind_proxy else None)


Handler = Callable[..., Awaitable["Response"]]


def _static(name: str) -> "Response":
    from starlette.responses import Response

    if name not in STATIC:
        raise Refused(404, NOTHING)
    body = (files("detente.play") / "static" / name).read_bytes()
    return Response(body, headers={"cache-control": "max-age=300"}, media_type=STATIC[name])


def _get(site: Site, handler: Handler) -> Any:
    async def respond(request: "Request") -> "Response":
        return await _answered(handler(site, request))

    return respond


def _post(site: Site, handler: Handler) -> Any:
    async def respond(request: "Request") -> "Response":
        return await _answered(_with_form(site, handler, request))

    return respond


def _any(site: Site, handler: Handler) -> Any:
    async def respond(request: "Request") -> "Response":
        if request.method == "POST":
            return await _answered(_with_form(site, handler, request))
        return await _answered(handler(site, request, None))

    return respond


async def _with_form(site: Site, handler: Handler, request: "Request") -> "Response":
    return await handler(site, request, await read_form(request.receive))


async def _answered(work: Awaitable["Response"]) -> "Response":
    from detente.errors import DetenteError

    try:
        return await work
    except Refused as refusal:
        title = "Nothing here" if refusal.status == 404 else "Not done"
        return page(message_page(title, str(refusal)), refusal.status, refusal.headers)
    except DetenteError as error:
        return page(message_page("Not done", str(error)), 409)
