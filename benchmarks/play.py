"""Measure the exercise without a server: events, views, bots, tournaments, reviews.

Usage: uv run python benchmarks/play.py [--games N]
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

from detente.play import events as e
from detente.play.bots import bot_move, prepare
from detente.play.review import review
from detente.play.session import State, apply, due, replay
from detente.play.simulate import simulate
from detente.play.stage import Stage, load_stage
from detente.play.views import view, view_json


def seconds(work: Callable[[], Any], *, least: float = 0.5) -> float:
    """Time of one run: the work is repeated for at least half a second."""
    runs, start = 0, time.perf_counter()
    while runs == 0 or time.perf_counter() - start < least:
        work()
        runs += 1
    return (time.perf_counter() - start) / runs


def played(stage: Stage) -> list[e.Event]:
    """The log of a game between bots."""
    seats = tuple(e.SeatPlan(p, p, "bot:equilibrium") for p in stage.players)
    log: list[e.Event] = [
        e.Created(0.0, "x1", stage.name, stage.title, "0123456789abcdef", seats, precision=stage.precision)
    ]
    state = apply(State(stage), log[0])
    while (event := due(state, now=1.0) or bot_move(state, at=1.0)) is not None:
        log.append(event)
        state = apply(state, event)
    return log


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--games", type=int, default=10_000)
    games = parser.parse_args().games
    for name in ("kuhn-poker", "october-2024"):
        stage = load_stage(name)
        start = time.perf_counter()
        prepare(stage, {p: "equilibrium" for p in stage.players}, values=stage.values, precision=stage.precision)
        first = time.perf_counter() - start
        log = played(stage)
        state = replay(stage, log)
        seat = stage.players[0]
        review(state)  # what each player knows at each leaf is worked out once
        found = {
            "stage": name,
            "compile_and_solve_s": round(first, 3),
            "events_per_s": round(len(log) / seconds(lambda log=log, stage=stage: replay(stage, log))),
            "views_per_s": round(1 / seconds(lambda state=state, seat=seat: json.dumps(view_json(view(state, seat))))),
            "bot_game_ms": round(1e3 * seconds(lambda stage=stage: played(stage)), 2),
            "review_ms": round(1e3 * seconds(lambda state=state: review(state)), 1),
            f"simulate_{games}_s": round(seconds(lambda stage=stage: simulate(stage, games=games).rows()), 3),
        }
        print(json.dumps(found))


if __name__ == "__main__":
    main()
