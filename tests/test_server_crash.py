"""A server that is killed in the middle of its work loses nothing that it acknowledged, and does nothing twice."""

import http.client
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from conftest import missing
from play_fixtures import forms, postgresql_database, postgresql_server, postgresql_tools

from detente.play.events import event_from_json
from detente.play.session import replay
from detente.play.stage import load_stage
from detente.play.store import Store

PROGRAM = "import sys; from detente.cli_serve import serve; serve(host='127.0.0.1', port=int(sys.argv[1]), "
PROGRAM += "database=sys.argv[2], address=None, allow_host=None, bots=len(sys.argv) > 3)"


class Server:
    """A server process on a port of its own."""

    def __init__(self, database: Path | str, port: int = 0, *, bots: bool = False):
        command = [sys.executable, "-c", PROGRAM, str(port), str(database), *(["bots"] if bots else [])]
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        self.link = ""
        for line in self.process.stdout:
            found = re.search(r"http://\S+", line)
            if found:
                self.link = found.group()
                break
        assert self.link, "the server did not start"
        parts = urlsplit(self.link)
        self.port = parts.port
        self.path = parts.path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Person:
    """Somebody at a browser that talks to a real port."""

    def __init__(self, port: int):
        self.port, self.cookies, self.here = port, {}, "/"

    def ask(self, method: str, path: str, data: dict | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        pairs = [f"{name}={value}" for inside, (name, value) in self.cookies.items() if path.startswith(inside)]
        headers = {"Cookie": "; ".join(pairs), "Origin": f"http://127.0.0.1:{self.port}"}
        body = None
        if data is not None:
            body = urlencode(data)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            for value in answer.headers.get_all("set-cookie") or ():
                name, _, rest = value.partition("=")
                self.cookies[re.search(r"Path=([^;]+)", value).group(1)] = (name, rest.partition(";")[0])
            if answer.status == 303:
                self.here = answer.headers["location"]
            return answer.status, text
        finally:
            connection.close()

    def enter(self, link: str) -> None:
        path = urlsplit(link).path
        form = forms(self.ask("GET", path)[1])[0]
        status, text = self.ask("POST", "/join", dict(form.fields) | {"name": "Ann"})
        assert status == 303, text


def start_exercise(server: Server) -> tuple[Person, str]:
    """A facilitator with a game of Kuhn poker in which one person writes notes."""
    facilitator = Person(server.port)
    facilitator.enter(server.link)
    home = facilitator.here
    form = next(f for f in forms(facilitator.ask("GET", f"{home}?game=kuhn-poker")[1]) if f.action.endswith("create"))
    fields = dict(form.fields) | {"occupant player 1": "person", "occupant player 2": "person"}
    fields.pop("paused", None)
    assert facilitator.ask("POST", form.action, fields)[0] == 303
    return facilitator, facilitator.here


def write_until_killed(facilitator: Person, desk: str, name: str, csrf: str, acknowledged: list[str]) -> None:
    """Send notes one after the other, each twice as an impatient person would, and keep those that were answered."""
    for number in range(10_000):
        text = f"{name} {number}"
        fields = {"csrf": csrf, "key": f"{name}-{number}", "text": text}
        try:
            if facilitator.ask("POST", f"{desk}note", fields)[0] == 303:
                acknowledged.append(text)
            facilitator.ask("POST", f"{desk}note", fields)
        except (OSError, http.client.HTTPException):
            return


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill_and_nothing_is_there_twice(tmp_path):
    database = tmp_path / "x.sqlite"
    dice = random.Random(20241001)
    server = Server(database)
    facilitator, desk = start_exercise(server)
    csrf = dict(forms(facilitator.ask("GET", desk)[1])[0].fields)["csrf"]
    acknowledged: list[str] = []
    for round_number in range(3):
        names = [f"r{round_number}w{k}" for k in range(4)]
        writers = [
            threading.Thread(target=write_until_killed, args=(facilitator, desk, name, csrf, acknowledged))
            for name in names
        ]
        for writer in writers:
            writer.start()
        time.sleep(0.5 + dice.random())
        os.kill(server.process.pid, signal.SIGKILL)
        server.kill()
        for writer in writers:
            writer.join()
        server = Server(database, server.port)
        assert facilitator.ask("GET", desk)[0] == 200  # the cookie still opens the page
    server.kill()

    store = Store(str(database))
    exercise = desk.rstrip("/").rpartition("/")[2]
    rows = store.read(exercise).result()
    store.close()
    texts = [row.body["text"] for row in rows if row.body["kind"] == "note"]
    assert len(acknowledged) > 30
    assert set(acknowledged) <= set(texts)
    assert len(texts) == len(set(texts))
    state = replay(load_stage("kuhn-poker"), [event_from_json(row.body) for row in rows])
    assert len(state.notes) == len(texts)


@pytest.fixture
def postgresql():
    """An empty database on a PostgreSQL of its own."""
    tools = postgresql_tools()
    if tools is None:
        missing("PostgreSQL was not found: install Debian's `postgresql`.")
    with (
        postgresql_server(tools) as server,
        postgresql_database(server, "crash") as address,
    ):
        yield address


def also_at(port: int, person: Person, page: str) -> Person:
    """The same person at another server of the same exercises, once that one knows them."""
    other = Person(port)
    other.cookies = person.cookies
    for _ in range(100):
        if other.ask("GET", page)[0] == 200:
            return other
        time.sleep(0.1)
    raise AssertionError("the other server does not let them in")


def wait_for_more(acknowledged: list[str], count: int = 5) -> None:
    """Until some more has been acknowledged: a busy machine takes its time."""
    enough = len(acknowledged) + count
    for _ in range(600):
        if len(acknowledged) >= enough:
            return
        time.sleep(0.05)
    raise AssertionError("nothing was acknowledged for half a minute")


@pytest.mark.slow
def test_servers_on_one_postgresql_are_killed_in_turn_and_lose_nothing_that_either_acknowledged(postgresql):
    dice = random.Random(20241002)
    servers = [Server(postgresql), Server(postgresql)]
    facilitator, desk = start_exercise(servers[0])
    csrf = dict(forms(facilitator.ask("GET", desk)[1])[0].fields)["csrf"]
    acknowledged: list[list[str]] = [[], []]
    for round_number in range(3):
        people = [also_at(server.port, facilitator, desk) for server in servers]
        writers = [
            threading.Thread(target=write_until_killed, args=(person, desk, f"r{round_number}s{s}w{k}", csrf, told))
            for s, (person, told) in enumerate(zip(people, acknowledged, strict=True))
            for k in range(2)
        ]
        for writer in writers:
            writer.start()
        first = round_number % 2
        for which in (first, 1 - first):  # the other one goes on by itself for a while
            wait_for_more(acknowledged[which])
            time.sleep(dice.random() / 2)
            os.kill(servers[which].process.pid, signal.SIGKILL)
            servers[which].kill()
        for writer in writers:
            writer.join()
        servers = [Server(postgresql, server.port) for server in servers]
    for server in servers:
        server.kill()

    store = Store(postgresql)
    rows = store.read(desk.rstrip("/").rpartition("/")[2]).result()
    store.close()
    texts = [row.body["text"] for row in rows if row.body["kind"] == "note"]
    assert min(map(len, acknowledged)) > 10
    assert set().union(*acknowledged) <= set(texts)
    assert len(texts) == len(set(texts))
    assert len(replay(load_stage("kuhn-poker"), [event_from_json(row.body) for row in rows]).notes) == len(texts)


@pytest.mark.slow
def test_a_move_whose_answer_was_lost_can_be_sent_again_after_a_restart(tmp_path):
    database = tmp_path / "x.sqlite"
    server = Server(database)
    facilitator, desk = start_exercise(server)
    page = facilitator.ask("GET", desk)[1]
    link_form = next(f for f in forms(page) if f.action.endswith("/link") and ("seat", "player 1") in f.fields)
    link = re.search(r"http://\S+/join/\w+", facilitator.ask("POST", link_form.action, dict(link_form.fields))[1])
    ann = Person(server.port)
    ann.enter(link.group())
    seat = ann.here
    form = next(f for f in forms(ann.ask("GET", seat)[1]) if f.action.endswith("/move"))
    fields = dict(form.fields) | {"option": "Bet"}
    assert ann.ask("POST", form.action, fields)[0] == 303
    server.kill()
    server = Server(database, server.port)
    try:
        assert ann.ask("POST", form.action, fields)[0] == 303
        assert ann.ask("POST", form.action, fields | {"option": "Pass"})[0] == 409
        assert ann.ask("GET", seat)[1].count("(your choice)") == 1
    finally:
        server.kill()


@pytest.mark.slow
def test_a_second_server_on_the_same_file_says_what_to_do_and_shows_no_traceback(tmp_path):
    database = tmp_path / "x.sqlite"
    server = Server(database)
    program = f"""
import sys
from detente.errors import DetenteError
try:
    {PROGRAM}
except DetenteError as error:
    sys.exit(f'detente: {{error}}')
"""
    second = subprocess.run(
        [sys.executable, "-c", program, "0", str(database)], capture_output=True, text=True, timeout=60
    )
    server.kill()
    assert second.returncode != 0
    assert second.stderr.strip().startswith("detente: --database:") and "in use by another process" in second.stderr
    assert "Traceback" not in second.stderr
