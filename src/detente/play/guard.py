"""What every request must pass and every answer carries: known host, own origin, small body, strict headers."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from detente.play.limits import MOST_BODY_BYTES

MOST_FIELDS = 200
FORM = "application/x-www-form-urlencoded"
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # The address of a page is sent to nobody else. `no-referrer` would also blank the Origin of our own forms.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Refused(Exception):
    """A request that gets no further: the status of the answer and what to tell the person."""

    def __init__(self, status: int, what: str, headers: Mapping[str, str] | None = None):
        super().__init__(what)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Guard:
    """An ASGI application around another: it checks where a request comes from and seals the answers.

    Attributes:
        app: The application inside.
        hosts: Names by which this server may be addressed, without port; empty allows any.
        origin: Where people reach it, if that is not the host they name: ``https://crisis.example.org``.
    """

    app: App
    hosts: frozenset[str] = frozenset()
    origin: str | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = refuse(scope["method"], headers, self.hosts, self.origin)
        if refusal is not None:
            await _answer(send, *refusal)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in _RAW_HEADERS if h[0] not in own)]
            await send(message)

        await self.app(scope, receive, sealed)


def refuse(
    method: str, headers: Mapping[str, str], hosts: frozenset[str] = frozenset(), origin: str | None = None
) -> tuple[int, str] | None:
    """Why a request is not let in: status and reason, or None if it is.

    Args:
        method: Of the request.
        headers: Of the request, names in lower case.
        hosts: As in :class:`Guard`.
        origin: As in :class:`Guard`.

    Example:
        >>> refuse("GET", {"host": "127.0.0.1:8000"})
        >>> refuse("POST", {"host": "127.0.0.1:8000", "origin": "https://elsewhere.example"})
        (403, 'The form was sent from another site. Open this site and send it from there.')
    """
    host = headers.get("host", "")
    if hosts and _name(host) not in hosts:
        return 400, "This server is not known by that name. Start it with --allow-host NAME."
    if method in ("GET", "HEAD"):
        return None
    if method != "POST":
        return 405, "Only pages and forms are served here."
    if not _same_origin(headers, host, origin):
        return 403, "The form was sent from another site. Open this site and send it from there."
    if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return 415, f"Forms are read as {FORM}."
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MOST_BODY_BYTES:
        return 413, f"At most {MOST_BODY_BYTES // 1024} kB can be sent at once. Shorten the text."
    return None


def _name(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "").lower()


def _same_origin(headers: Mapping[str, str], host: str, origin: str | None) -> bool:
    sent = headers.get("origin")
    if sent is None:  # a browser that sends none says at least where the request comes from
        return headers.get("sec-fetch-site") == "same-origin"
    if origin is not None:
        return sent == origin
    parts = urlsplit(sent)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower() != ""


async def _answer(send: Send, status: int, what: str) -> None:
    body = f"{what}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *_RAW_HEADERS]})
    await send({"type": "http.response.body", "body": body})


async def read_form(receive: Receive) -> dict[str, str]:
    """The fields of a form; of a field that is there twice, the values are joined with line breaks.

    Args:
        receive: Of the request.

    Raises:
        Refused: If the body is larger than allowed, whatever its headers say, or is not text.
    """
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The connection ended before the form was complete. Send it again.")
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            raise Refused(413, f"At most {MOST_BODY_BYTES // 1024} kB can be sent at once. Shorten the text.")
        more = message.get("more_body", False)
    return parse_form(body)


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form's body.

    Raises:
        Refused: If it is not text, or has too many fields.

    Example:
        >>> parse_form(b"to=ann&to=bob&text=a+b")
        {'to': 'ann\\nbob', 'text': 'a b'}
    """
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise Refused(400, "The form cannot be read. Load the page again and send it from there.") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        clean = value.replace("\r\n", "\n").replace("\x00", "")
        fields[name] = f"{fields[name]}\n{clean}" if name in fields else clean
    return fields
