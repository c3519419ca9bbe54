"""Exercises for tests: a server in this process, browsers that send its forms, and a clock that only tests move."""

import asyncio
import hashlib
import re
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from detente.play.host import FACILITATOR, Host
from detente.play.server import make_app
from detente.play.store import Store

ADDRESS = "http://testserver"


class Clock:
    """A time that stands still until a test moves it."""

    def __init__(self, now: float = 1_000_000.0):
        self.now = now

    def __call__(self) -> float:
        return self.now


def counted_bytes(start: int = 0) -> Any:
    """Bytes that look random and are the same in every run: two servers give the same tokens in the same order."""
    state = [start]

    def bytes_fn(count: int) -> bytes:
        state[0] += 1
        return hashlib.shake_256(f"test {state[0]}".encode()).digest(count)

    return bytes_fn


@dataclass
class Form:
    """A form of a page: where it goes and what is in it."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given["action"]))
        if not self.forms:
            return
        form, name = self.forms[-1], given.get("name", "")
        if tag == "input" and given.get("type") in ("radio", "checkbox"):
            form.choices.setdefault(name, []).append(given["value"])
            if any(attribute == "checked" for attribute, _ in attrs):
                form.fields.append((name, given["value"]))
        elif tag == "input":
            form.fields.append((name, given.get("value", "")))
        elif tag == "textarea":
            form.fields.append((name, ""))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            form.choices.setdefault(self._select, []).append(given["value"])
            chosen = dict(form.fields)
            if self._select not in chosen or any(attribute == "selected" for attribute, _ in attrs):
                form.fields = [f for f in form.fields if f[0] != self._select] + [(self._select, given["value"])]

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None


def forms(text: str) -> list[Form]:
    """The forms of a page."""
    parser = _Forms()
    parser.feed(text)
    return parser.forms


class Loop:
    """An event loop in a thread of its own, so that tests are written one line after the other."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any], timeout: float = 60) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@dataclass
class Answer:
    """What the server answered: every byte of it."""

    status: int
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.raw_headers}


def http_scope(method: str, path: str, headers: dict[str, str], client: str = "127.0.0.1") -> dict[str, Any]:
    """A request as a server hands it to the application."""
    path, _, query = path.partition("?")
    query = query.partition("#")[0]
    sent = {"host": "testserver"} | headers
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        "client": (client, 50_000),
        "server": ("testserver", 80),
    }


async def call(app: Any, scope: dict[str, Any], body: bytes = b"", *, leave: Any = None) -> Answer:
    """One request; for a stream, the browser leaves when ``leave`` is set."""
    answer = Answer(0, [], b"")
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop()
        if leave is not None:
            await leave.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.raw_headers = message["status"], list(message.get("headers", []))
        else:
            answer.body += message.get("body", b"")

    await app(scope, receive, send)
    return answer


class Browser:
    """A browser without JavaScript: it opens pages, keeps cookies, and sends the forms that it was shown."""

    def __init__(self, loop: Loop, app: Any, client: str = "127.0.0.1"):
        self.loop, self.app, self.client = loop, app, client
        self.cookies: dict[str, tuple[str, str]] = {}  # path → (name, value)
        self.here = "/"
        self.page = Answer(0, [], b"")

    def cookie_header(self, path: str) -> dict[str, str]:
        found = [f"{name}={value}" for inside, (name, value) in self.cookies.items() if path.startswith(inside)]
        return {"cookie": "; ".join(found)} if found else {}

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        sent = self.cookie_header(path) | {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.loop.run(call(self.app, http_scope(method, path, sent, self.client), body))
        for name, value in answer.raw_headers:
            if name == b"set-cookie":
                pair, *rest = value.decode().split("; ")
                given = dict(item.partition("=")[::2] for item in rest)
                self.cookies[given["Path"]] = tuple(pair.split("=", 1))  # type: ignore[assignment]
        return answer

    def post(self, path: str, data: Any, **headers: str) -> Answer:
        body = urlencode(data, doseq=True).encode()
        given = {
            "origin": ADDRESS,
            "content_type": "application/x-www-form-urlencoded",
            "content_length": str(len(body)),
        }
        return self.request("POST", path, body, **(given | headers))

    def open(self, path: str) -> Answer:
        self.here = path.removeprefix(ADDRESS)
        self.page = self.request("GET", self.here)
        return self.page

    def form(self, ending: str, **having: str) -> Form:
        found = [
            form
            for form in forms(self.page.text)
            if form.action.endswith(ending) and all((k, v) in form.fields for k, v in having.items())
        ]
        assert found, f"no form {ending!r} among {[f.action for f in forms(self.page.text)]}"
        return found[0]

    def send(self, form: Form, follow: bool = True, **values: Any) -> Answer:
        """Send a form as shown, with some fields filled in; a redirection is followed as browsers do."""
        given = {name.replace("__", " "): value for name, value in values.items()}
        data: dict[str, Any] = {name: value for name, value in form.fields if name not in given}
        data |= {name: value for name, value in given.items() if value is not None}
        answer = self.post(form.action, {name: value for name, value in data.items() if value is not None})
        if follow and answer.status == 303:
            return self.open(answer.headers["location"])
        self.page = answer
        return answer

    def submit(self, ending: str, **values: Any) -> Answer:
        return self.send(self.form(ending), **values)


@dataclass
class House:
    """A running server with a facilitator in it."""

    loop: Loop
    host: Host
    app: Any
    clock: Clock
    facilitator: Browser
    home: str

    def new_browser(self, client: str = "127.0.0.1") -> Browser:
        return Browser(self.loop, self.app, client)

    def create(self, game: str = "kuhn-poker", **values: Any) -> str:
        """A new exercise; the address of its page."""
        self.facilitator.open(f"{self.home}?game={game}")
        answer = self.facilitator.submit("create", **({"paused": None} | values))
        assert answer.status == 200, answer.text
        return self.facilitator.here

    def link(self, desk: str, seat: str) -> str:
        self.facilitator.open(desk)
        answer = self.facilitator.send(self.facilitator.form("/link", seat=seat))
        found = re.search(r"http://testserver(/join/[0-9a-f]{64})", answer.text)
        assert found, answer.text
        return found.group(1)

    def enter(self, desk: str, seat: str, name: str = "Ann") -> Browser:
        """Somebody who takes a seat by its link."""
        browser = self.new_browser()
        browser.open(self.link(desk, seat))
        answer = browser.submit("/join", name=name)
        assert answer.status == 200, answer.text
        return browser

    def do(self, desk: str, action: str, **values: Any) -> Answer:
        """The facilitator sends one of the forms of an exercise's page."""
        self.facilitator.open(desk)
        return self.facilitator.submit(f"/{action}", **values)

    def live(self, desk: str) -> Any:
        return self.host._lives[desk.rstrip("/").rpartition("/")[2]]


@contextmanager
def house(
    database: str | Path = ":memory:", *, worker: Any = None, start: int = 0, scenarios: Any = None
) -> Iterator[House]:
    """A server in this process, with a clock that stands still and random bytes that are the same in every run."""
    clock = Clock()
    store = Store(str(database))
    host = Host(store, clock=clock, bytes_fn=counted_bytes(start), worker=worker)
    app = make_app(host, address=ADDRESS, clock=clock, scenarios=scenarios)
    loop = Loop()
    try:
        loop.run(host.start())
        facilitator = Browser(loop, app)
        facilitator.open(f"/join/{loop.run(host.issue(FACILITATOR))}")
        facilitator.submit("/join")
        yield House(loop, host, app, clock, facilitator, facilitator.here)
    finally:
        loop.run(host.stop())
        loop.close()
        store.close()


# -- PostgreSQL ------------------------------------------------------------------------------------
def postgresql_tools() -> Path | None:
    """The folder of PostgreSQL's programs, as Debian installs them or on the path."""
    import shutil

    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def postgresql_server(tools: Path) -> Iterator[str]:
    """A server of its own in a folder of its own, stopped and forgotten afterwards; its URL without a database.

    The folder is not pytest's: another run of pytest that starts meanwhile closes those to every other user.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="detente-postgresql-") as folder, _postgresql(tools, Path(folder)) as url:
        yield url


@contextmanager
def _postgresql(tools: Path, folder: Path) -> Iterator[str]:
    import os
    import pwd
    import shutil
    import socket
    import subprocess

    # PostgreSQL refuses to run as root.
    user = pwd.getpwnam("postgres").pw_name if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [str(tools / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, user=user, group=user, cwd="/")
        assert done.returncode == 0, done.stdout + done.stderr

    data = folder / "data"
    run("initdb", "-D", str(data), "-U", "detente", "--auth=trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    run("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://detente@127.0.0.1:{port}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")


@contextmanager
def postgresql_database(server: str, name: str) -> Iterator[str]:
    """An empty database on a server; it goes with the server."""
    import pg8000.native

    port = int(server.rpartition(":")[2])
    admin = pg8000.native.Connection("detente", host="127.0.0.1", port=port, database="postgres")
    try:
        admin.run(f'CREATE DATABASE "{name}"')
    finally:
        admin.close()
    yield f"{server}/{name}"
