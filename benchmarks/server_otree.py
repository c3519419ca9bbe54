"""oTree 6, the field's standard, under the same load as `benchmarks/server.py`: its simplest project, one text field.

    uv run python benchmarks/server_otree.py [--seconds 5] [--kills 5]

oTree is fetched by uv into an environment of its own, which is thrown away. It runs as its handbook says
for a real study (`otree prodserver`, SQLite on disk), and for killing also as `otree devserver`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from processes import end
from server import Connection, p95

OTREE = "otree>=6,<7"
KEY = "benchmark"
PEOPLE, ROUNDS = 160, 40  # as many people as 20 exercises of 8; rounds are forms that each of them can send
SETTINGS = f"""
from os import environ
SESSION_CONFIGS = [dict(name="one", app_sequence=["one"], num_demo_participants={PEOPLE})]
SESSION_CONFIG_DEFAULTS = dict(real_world_currency_per_point=1.0, participation_fee=0.0, doc="")
PARTICIPANT_FIELDS = []
SESSION_FIELDS = []
LANGUAGE_CODE = "en"
REAL_WORLD_CURRENCY_CODE = "USD"
USE_POINTS = True
ADMIN_USERNAME = "admin"
ADMIN_PASSWORD = "admin"
DEMO_PAGE_INTRO_HTML = ""
SECRET_KEY = "1234567890"
"""
APP = f"""
from otree.api import *
doc = "One text field."
class C(BaseConstants):
    NAME_IN_URL = "one"
    PLAYERS_PER_GROUP = None
    NUM_ROUNDS = {ROUNDS}
class Subsession(BaseSubsession):
    pass
class Group(BaseGroup):
    pass
class Player(BasePlayer):
    text = models.StringField(label="What do you do?")
class Choose(Page):
    form_model = "player"
    form_fields = ["text"]
page_sequence = [Choose]
"""
TEMPLATE = """{{ block title }}You decide{{ endblock }}
{{ block content }}{{ formfields }}{{ next_button }}{{ endblock }}
"""


def write_project(folder: Path) -> None:
    """The simplest project: one page with one text field, again and again."""
    (folder / "one").mkdir(parents=True)
    (folder / "_static").mkdir()
    (folder / "settings.py").write_text(SETTINGS, encoding="utf-8")
    (folder / "one" / "__init__.py").write_text(APP, encoding="utf-8")
    (folder / "one" / "Choose.html").write_text(TEMPLATE, encoding="utf-8")


def install(folder: Path) -> Path:
    """An environment with oTree in it and nothing else; where its programs are."""
    subprocess.run(["uv", "venv", "--quiet", "--no-project", "--python", "3.11", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, OTREE], check=True)
    return folder / "bin"


@dataclass
class Otree:
    """A server of oTree on a port of its own."""

    folder: Path
    bin: Path
    port: int
    mode: str
    process: subprocess.Popen | None = None

    def start(self) -> float:
        """Start it; the seconds to its first page."""
        begun = time.perf_counter()
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "OTREE_REST_KEY": KEY, "OTREE_PRODUCTION": "1"}
        environment.pop("VIRTUAL_ENV", None)
        if self.mode == "devserver":
            environment |= {"OTREE_IN_MEMORY": "1"}
            environment.pop("OTREE_PRODUCTION")
        command = {"prodserver": ["prodserver"], "devserver": ["devserver_inner"]}[self.mode]
        self.process = subprocess.Popen(
            [self.bin / "otree", *command, str(self.port)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/favicon.ico", timeout=5).close()
                return time.perf_counter() - begun
            if self.process.poll() is not None:
                raise RuntimeError("oTree has ended. Run it by hand in the project's folder and see why.")
            time.sleep(0.02)
        raise RuntimeError("oTree did not answer within a minute.")

    def kill(self) -> None:
        """kill -9, the helper process that it started included."""
        if self.process is not None:
            end(self.process)

    def ask(self, path: str, data: dict | None = None) -> dict:
        """An answer of its programming interface."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"otree-rest-key": KEY})
        if data is not None:
            request.data = json.dumps(data).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())

    def people(self, number: int) -> list[str]:
        """A new session; the codes of its participants."""
        code = self.ask("/api/sessions", {"session_config_name": "one", "num_participants": number})["code"]
        return [person["code"] for person in self.ask(f"/api/sessions/{code}")["participants"]]


@contextlib.contextmanager
def running(folder: Path, bin: Path, mode: str) -> Iterator[tuple[Otree, float]]:
    """A server in a project of its own, and the seconds to its first page."""
    write_project(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Otree(folder, bin, port, mode)
    try:
        yield server, server.start()
    finally:
        server.kill()


def page_of(code: str, number: int) -> str:
    return f"/p/{code}/one/Choose/{number}"


async def enter(port: int, codes: list[str]) -> None:
    """Everybody opens the start link once."""
    connection = await Connection(port, "").open()
    for code in codes:
        status, _ = await connection.ask("GET", f"/InitializeParticipant/{code}")
        assert status in (302, 303, 307), status


async def pages(port: int, codes: list[str], seconds: float) -> tuple[float, float]:
    """Pages a second from 16 connections, and the 95th percentile of their latency in ms."""
    end, times = time.perf_counter() + seconds, []

    async def read(mine: list[str]) -> None:
        connection = await Connection(port, "").open()
        while time.perf_counter() < end:
            for code in mine:
                start = time.perf_counter()
                status, _ = await connection.ask("GET", page_of(code, 1))
                assert status == 200, status
                times.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(read(codes[k::16]) for k in range(16)))
    return len(times) / (time.perf_counter() - start), p95(times)


async def durable(port: int, codes: list[str], seconds: float) -> tuple[float, float]:
    """Recorded forms a second, one writer each of 20, every one acknowledged before the next is sent; p95 in ms."""
    end, times = time.perf_counter() + seconds, []

    async def write(mine: list[str]) -> None:
        connection = await Connection(port, "").open()
        for code in mine:
            for number in range(1, ROUNDS + 1):
                if time.perf_counter() > end:
                    return
                start = time.perf_counter()
                status, _ = await connection.ask("POST", page_of(code, number), {"text": f"round {number}"})
                assert status in (302, 303), status
                times.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(write(codes[k::20]) for k in range(20)))
    return len(times) / (time.perf_counter() - start), p95(times)


def kills(server: Otree, rounds: int) -> tuple[int, int]:
    """Kill the server under load again and again: forms acknowledged, and of those lost."""
    dice, acknowledged = random.Random(1), 0
    lost = 0
    for _ in range(rounds):
        try:
            codes = server.people(4)
            asyncio.run(enter(server.port, codes))
        except (OSError, AssertionError, KeyError):
            break
        reached = dict.fromkeys(codes, 1)  # the page that each stands on by what was acknowledged

        async def write(code: str, reached: dict[str, int] = reached) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                connection = await Connection(server.port, "").open()
                while reached[code] < ROUNDS:
                    status, _ = await connection.ask("POST", page_of(code, reached[code]), {"text": "x"})
                    if status not in (302, 303):
                        return
                    reached[code] += 1

        async def all_write(codes: list[str] = codes) -> None:
            await asyncio.gather(*(write(code) for code in codes))

        writer = threading.Thread(target=lambda work=all_write: asyncio.run(work()))
        writer.start()
        time.sleep(0.2 + dice.random() / 2)
        server.kill()
        writer.join()
        server.start()
        for code, number in reached.items():
            acknowledged += number - 1
            lost += number - 1 - asyncio.run(standing(server.port, code, number))
    return acknowledged, lost


async def standing(port: int, code: str, number: int) -> int:
    """How many of the acknowledged forms of somebody are still there: a page sends on who is not there."""
    connection = await Connection(port, "").open()
    for back in range(min(number + 1, ROUNDS), 0, -1):  # one more may have been recorded than was answered
        status, _ = await connection.ask("GET", page_of(code, back))
        if status == 200:
            return min(back, number) - 1
    return 0


def measure(seconds: float, rounds: int) -> dict[str, float]:
    """All figures of oTree on this machine."""
    if shutil.which("uv") is None:
        raise SystemExit("server_otree: uv is needed to fetch oTree. Install uv.")
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        bin = install(Path(name) / "environment")
        with running(Path(name) / "fast", bin, "prodserver") as (server, start):
            found["start"] = start
            codes = server.people(PEOPLE)
            asyncio.run(enter(server.port, codes))
            found["pages"], found["pages p95"] = asyncio.run(pages(server.port, codes, seconds))
            found["durable"], found["durable p95"] = asyncio.run(durable(server.port, codes, seconds))
        for mode in ("prodserver", "devserver"):
            with running(Path(name) / mode, bin, mode) as (server, _):
                found[f"{mode} acknowledged"], found[f"{mode} lost"] = kills(server, rounds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    found = measure(given.seconds, given.kills)
    print(f"oTree: start to first page     {found['start']:8.2f} s")
    print(f"oTree: pages                   {found['pages']:8.0f} /s, p95 {found['pages p95']:.1f} ms")
    print(f"oTree: forms recorded          {found['durable']:8.0f} /s, p95 {found['durable p95']:.1f} ms")
    for mode in ("prodserver", "devserver"):
        acknowledged, lost = found[f"{mode} acknowledged"], found[f"{mode} lost"]
        print(f"oTree {mode}: kill -9, {given.kills} times {acknowledged:6.0f} acknowledged, {lost:.0f} lost")


if __name__ == "__main__":
    main()
