"""`detente serve`: exercises with people in the seats, in the browser."""

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detente.errors import UsageError

if TYPE_CHECKING:
    from detente.play.store import Store

EXTRA = "the part that serves exercises is not installed. Run: pip install 'detente[play]'"
BACKLOG = 2048
LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    database: Annotated[
        str, typer.Option(help="Where exercises are kept: an SQLite file, or postgresql://USER@HOST/NAME.")
    ] = "detente-exercises.sqlite",
    address: Annotated[
        str | None, typer.Option(help="Where people reach the server, if not there: https://crisis.example.org.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name by which people reach the server (repeatable).")
    ] = None,
    bots: Annotated[bool, typer.Option("--bots/--no-bots", help="Whether this process lets bots play.")] = True,
) -> None:
    """Run exercises in the browser: a facilitator, people and bots in the seats."""
    try:
        import sqlalchemy  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(f"serve: {EXTRA} ({error.name} is missing)") from None

    from detente.play.store import Store

    listening = _listen(host, port)
    place = address or _place(host, listening.getsockname()[1])
    store = Store(database)
    try:
        link = _facilitator_link(store, place)
        typer.echo(f"Exercises are kept in {_without_password(database)}")
        typer.echo(f"Facilitator: {link}")
        typer.echo("The link lets one person in, once. Stop with Ctrl-C; everything recorded is kept.")
        _run(store, listening, place, _hosts(host, place, allow_host), bots=bots, own_address=address is not None)
    finally:
        store.close()
        listening.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)  # from now on a browser waits instead of being refused
    except OSError as error:
        listening.close()
        raise UsageError(
            f"serve: cannot listen on {host}, port {port}: {error.strerror or error}. Give another --port or --host."
        ) from None
    return listening


def _place(host: str, port: int) -> str:
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname(), "::1": "[::1]"}.get(host, host)
    return f"http://{name}:{port}"


def _hosts(host: str, place: str, allowed: list[str] | None) -> frozenset[str]:
    """Names by which the server may be addressed: on this machine only its own, so that no other site can reach it."""
    from urllib.parse import urlsplit

    named = {urlsplit(place).hostname or "", *(allowed or ())}
    if host in LOCAL or allowed:
        return frozenset(name.lower() for name in {*named, *LOCAL})
    return frozenset()


def _facilitator_link(store: "Store", place: str) -> str:
    """A new link for the facilitator; one from an earlier start that nobody used ends, as it may lie in a terminal."""
    import time

    from detente.play.store import Grant
    from detente.play.tokens import hash_token, new_handle, new_token

    now, token = time.time(), new_token()
    if not store.shared:
        old = [g.hash for g in store.grants().result() if (g.kind, g.role) == ("link", "facilitator")]
        store.revoke(old, now).result()
    store.grant(Grant(hash_token(token), "link", "facilitator", new_handle(), now)).result()
    return f"{place.rstrip('/')}/join/{token}"


def _without_password(database: str) -> str:
    """The database as it can be shown.

    Example:
        >>> _without_password("postgresql://ann:secret@db/crises")
        'postgresql://ann:…@db/crises'
        >>> _without_password("exercises.sqlite")
        'exercises.sqlite'
    """
    import re

    if "://" not in database:
        return str(Path(database))
    return re.sub(r"(://[^:/@]+):[^@]*@", r"\1:…@", database)


def _run(
    store: "Store", listening: socket.socket, place: str, hosts: frozenset[str], *, bots: bool, own_address: bool
) -> None:
    import uvicorn

    from detente.play.host import Host
    from detente.play.server import make_app
    from detente.play.worker import Worker

    exercises = Host(store, worker=Worker() if bots else None)
    app = make_app(exercises, address=place, hosts=hosts, behind_proxy=own_address)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # addresses of links are secrets
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
        backlog=BACKLOG,
    )

    class Server(uvicorn.Server):
        """Streams never end by themselves: they are ended, so that the server can stop at once."""

        def handle_exit(self, sig: int, frame: Any) -> None:
            exercises.streams.close()
            super().handle_exit(sig, frame)

    Server(config).run(sockets=[listening])
