"""`detente serve`: exercises with people in the seats, in the browser."""

import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detente.cli_common import needs
from detente.errors import UsageError

if TYPE_CHECKING:
    from detente.play.store import Store

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
    scenario: Annotated[
        list[str] | None, typer.Option(metavar="FOLDER", help="A scenario of your own to offer (repeatable).")
    ] = None,
    bots: Annotated[bool, typer.Option("--bots/--no-bots", help="Whether this process lets bots play.")] = True,
) -> None:
    """Run exercises in the browser: a facilitator, people and bots in the seats."""
    needs("play", "sqlalchemy", "starlette", "uvicorn", what="serve")

    from detente.play.store import Store

    scenarios = own_scenarios(scenario or ())
    listening = _listen(host, port)
    place = address or _place(host, listening.getsockname()[1])
    store = Store(database)
    try:
        link = _facilitator_link(store, place)
        typer.echo(f"Exercises are kept in {_without_password(database)}")
        typer.echo(f"Facilitator: {link}")
        if bots:
            typer.echo(f"Explore scenarios: {place.rstrip('/')}/explore")
        typer.echo("The link lets one person in, once. Stop with Ctrl-C; everything recorded is kept.")
        app_fn = _app_fn(place, _hosts(host, place, allow_host), own_address=address is not None, scenarios=scenarios)
        _run(store, listening, app_fn, bots=bots)
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


def own_scenarios(folders: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Scenarios of one's own, read and checked now: nobody should be sitting there when a mistake in one shows.

    Args:
        folders: Where they are.

    Returns:
        Name → (folder, title).

    Raises:
        UsageError: If one is no folder, or has the name of another scenario or of a library game.
        ScenarioError: If a file of one is wrong.

    Example:
        >>> own_scenarios([])
        {}
    """
    found: dict[str, tuple[str, str]] = {}
    for folder in folders:
        path = Path(folder).expanduser().resolve()
        if not path.is_dir():
            raise UsageError(f"--scenario: {folder!r} is not a folder. Give the folder that holds scenario.toml.")
        from detente.model.scenario import check_against_game, load_scenario
        from detente.play.pages import games

        if path.name in {*found, *dict(games())}:
            raise UsageError(f"--scenario: there is a scenario or game {path.name!r} already. Rename {folder!r}.")
        loaded = load_scenario(path)
        check_against_game(loaded, loaded.game)
        found[path.name] = (str(path), loaded.file.title)
    return found


def _app_fn(place: str, hosts: frozenset[str], *, own_address: bool, scenarios: dict[str, tuple[str, str]]) -> Any:
    from detente.play.server import make_app
    from detente.studio.routes import Studio

    def make(exercises: Any) -> Any:
        parts = [] if exercises.worker is None else [Studio(Path.cwd())]  # without bots this process solves nothing
        return make_app(
            exercises, parts=parts, address=place, hosts=hosts, behind_proxy=own_address, scenarios=scenarios
        )

    return make


def _run(store: "Store", listening: socket.socket, app_fn: Any, *, bots: bool) -> None:
    import uvicorn

    from detente.play.host import Host
    from detente.play.worker import Worker

    exercises = Host(store, worker=Worker() if bots else None)
    config = uvicorn.Config(
        app_fn(exercises),
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

    # The thread that writes to the database must not keep a page waiting for the usual 5 ms each time.
    sys.setswitchinterval(0.0005)
    Server(config).run(sockets=[listening])
