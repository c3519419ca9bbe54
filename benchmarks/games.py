"""The reference games solved by detente, by Gambit and by a plain continuation with SciPy, side by side.

Usage: uv run python benchmarks/games.py [--limit SECONDS] [--only CLASS ...]

The games are those of ../shared/conformance, at five precisions each. Every solver has a process of its own, is started
once, and is given the same CPU time for a game; see `peers.py`. Two run at a time where there are two cores.
"""

import argparse
import json
import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from peers import CRASH, TIME_LIMIT, gap_of
from processes import Peer, end
from tables import load, machine, say, table

CONFORMANCE = Path(__file__).resolve().parents[2] / "shared" / "conformance"
PRECISIONS = [0.1, 0.5, 1.0, 2.0, 5.0]
LIMIT = 20.0  # CPU seconds for a game: the whole takes three minutes on two quiet cores, under eight on busy ones
TOLERANCE = 1e-6  # of a probability
LANES = (("gambit",), ("detente", "continuation"))  # what runs one after the other
CALLED = {"detente": "detente", "gambit": "Gambit", "continuation": "NumPy/SciPy continuation"}
CLASSES = {
    "strict": "one branch",
    "bifurcation": "branches cross",
    "gambit_timeout": "large",
}
RIGHT, WRONG, PARTLY, REFUSED = "right", "wrong", "not every precision", "refused"
HOW = (RIGHT, WRONG, PARTLY, REFUSED, TIME_LIMIT, CRASH)


@dataclass(frozen=True)
class Case:
    """A game with its reference."""

    name: str
    kind: str
    wanted: dict[float, list[float]]

    @property
    def path(self) -> Path:
        return CONFORMANCE / "efg" / f"{self.name}.efg"


def cases(only: list[str] | None = None) -> list[Case]:
    """The games, smallest first, so that what there is to see is seen early."""
    found = []
    for entry in json.loads((CONFORMANCE / "index.json").read_text(encoding="utf-8"))["games"]:
        path = CONFORMANCE / "aqre" / f"{entry['game']}.json"
        solutions = json.loads(path.read_text(encoding="utf-8"))["solutions"] if path.is_file() else []
        wanted = {float(s["precision"]): s["probabilities"] for s in solutions}
        if not only or entry["cls"] in only:
            found.append((entry["nodes"] or 0, Case(entry["game"], entry["cls"], wanted)))
    return [case for _, case in sorted(found, key=lambda pair: pair[0])]


class Lanes:
    """Solvers at work side by side, which end when this is left."""

    def __init__(self, all_cases: list[Case], limit: float):
        self.cases, self.limit, self.stopped, self.peers = all_cases, limit, threading.Event(), []
        self.versions: dict[str, str] = {}
        self.found: dict[str, dict[str, dict[str, Any]]] = {}

    def run(self, kinds: tuple[str, ...]) -> None:
        """Ask solvers one after the other; those that cannot be had are left out, with a word."""
        for kind in kinds:
            try:
                self._ask(kind)
            except RuntimeError as problem:
                if kind == "detente":
                    raise
                say(f"(left out: {problem})")

    def _ask(self, kind: str) -> None:
        """Every game, with a word on how far it is."""
        if self.stopped.is_set():
            return
        say(f"{CALLED[kind]}: starting; what is not installed is fetched and built first, which may take minutes")
        answers: dict[str, dict[str, Any]] = {}
        with Peer(kind) as peer:
            self.peers.append(peer)
            start = time.monotonic()
            for number, case in enumerate(self.cases, 1):
                if self.stopped.is_set():
                    return
                answer = peer.ask({"file": str(case.path), "precisions": PRECISIONS}, limit=self.limit)
                answers[case.name] = answer
                if number % 20 == 0 or number == len(self.cases) or "ended" in answer:
                    ended = f" ({case.name}: {answer['ended']})" if "ended" in answer else ""
                    at = time.monotonic() - start
                    say(f"{CALLED[kind]}: {number} of {len(self.cases)} games after {at:.0f} s{ended}")
        self.versions[kind], self.found[kind] = peer.version, answers

    def stop(self) -> None:
        """End what is at work: whoever interrupts does not wait for a game."""
        self.stopped.set()
        for peer in self.peers:
            end(peer.process)


def ask_all(all_cases: list[Case], limit: float) -> Lanes:
    """Versions and answers of every solver."""
    lanes = Lanes(all_cases, limit)
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        try:
            list(pool.map(lanes.run, LANES))
        except BaseException:
            lanes.stop()
            raise
    return lanes


def is_equilibrium(case: Case, play: list[float], precision: float) -> bool:
    """Whether every chance is what the choice rule makes of the others', whichever branch it is on."""
    from detente.model.efg import read_efg

    given = np.asarray(play)
    if not np.isfinite(given).all():
        return False
    log_play = np.log(np.maximum(given, 1e-300))
    gap, _ = gap_of(read_efg(case.path))
    return bool(np.abs(np.exp(log_play - gap(log_play, precision)) - given).max() < TOLERANCE)


def crossing_of(case: Case) -> float:
    """The precision near which another branch crosses: from there on there are several right answers."""
    from detente.model.efg import read_efg
    from detente.solve.api import solve

    at = solve(read_efg(case.path), precision=PRECISIONS)[-1].bifurcation_at[0]
    return float("inf") if np.isnan(at) else float(at)


def verdict(case: Case, answer: dict[str, Any], crossing: float) -> str:
    """How a solver did: right means the reference, and where there is none or several an equilibrium as asked."""
    if "refused" in answer:
        return REFUSED
    if "ended" in answer:
        return answer["ended"]
    if len(answer["play"]) < len(PRECISIONS):
        return PARTLY
    for precision, play in zip(PRECISIONS, answer["play"], strict=True):
        wanted = case.wanted.get(precision)
        if wanted is not None and precision < crossing:
            good = len(play) == len(wanted) and np.abs(np.subtract(play, wanted)).max() < TOLERANCE
        else:
            good = is_equilibrium(case, play, precision)
        if not good:
            return WRONG
    return RIGHT


def solved_table(all_cases: list[Case], found: dict, verdicts: dict, limit: float) -> list[tuple[str, ...]]:
    """A line for each class and solver, for the games that have an equilibrium to find."""
    head = (
        "CPU s",
        "games that both got right",
        "its CPU s",
        "detente's",
        "ratio",
        "median ratio of a game",
        "stopped",
    )
    rows: list[tuple[str, ...]] = [("games", "solver", *HOW, *head)]
    for kind, words in CLASSES.items():
        names = [case.name for case in all_cases if case.kind == kind]
        for solver in (s for s in CALLED if s in found and names):
            of = verdicts[solver]
            counts = [sum(of[name] == how for name in names) for how in HOW]
            right = [name for name in names if of[name] == RIGHT]
            spent = f"{sum(found[solver][name]['seconds'] for name in right):.2f}" if right else ""
            beside = ("",) * 6 if solver == "detente" else beside_ours(names, found, verdicts, solver, limit)
            shown = [f"{count}" if count else "" for count in counts]
            rows.append((f"{len(names)}: {words}", CALLED[solver], *shown, spent, *beside))
    return rows


def beside_ours(names: list[str], found: dict, verdicts: dict, solver: str, limit: float) -> tuple[str, ...]:
    """The cells that compare a solver with detente: where both are right, and where it alone ran out of time."""
    good = [name for name in names if verdicts["detente"][name] == RIGHT]
    pairs = [
        (found["detente"][name]["seconds"], found[solver][name]["seconds"])
        for name in good
        if verdicts[solver][name] == RIGHT
    ]
    stopped = [name for name in good if verdicts[solver][name] == TIME_LIMIT]
    ours = sum(found["detente"][name]["seconds"] for name in stopped)
    more = f"{len(stopped)}: over {limit * len(stopped):.0f} s, detente {ours:.2f} s" if stopped else ""
    if not pairs:
        return *("",) * 5, more
    mine, other = (sum(side) for side in zip(*pairs, strict=True))
    median = statistics.median(t / o for o, t in pairs)
    return f"{len(pairs)}", f"{other:.2f}", f"{mine:.2f}", f"{other / mine:.1f}", f"{median:.1f}", more


def refused_table(all_cases: list[Case], found: dict) -> list[tuple[str, ...]]:
    """A line for each class of games that have no such equilibrium, or cannot be read."""
    rows: list[tuple[str, ...]] = [("games", "solver", "refused", "answered", TIME_LIMIT, CRASH)]
    for kind in sorted({case.kind for case in all_cases} - CLASSES.keys()):
        names = [case.name for case in all_cases if case.kind == kind]
        for solver in (s for s in CALLED if s in found):
            of = [found[solver][name] for name in names]
            answered = sum("play" in a for a in of)
            ended = [sum(a.get("ended") == how for a in of) for how in (TIME_LIMIT, CRASH)]
            shown = [f"{n}" if n else "" for n in (sum("refused" in a for a in of), answered, *ended)]
            rows.append((f"{len(names)}: {kind.replace('_', ' ')}", CALLED[solver], *shown))
    return rows


def measure(limit: float, only: list[str] | None = None) -> list[tuple[str, list[tuple[str, ...]]]]:
    """The tables, each with its title; what went wrong is named beside them."""
    all_cases = cases(only)
    asked = ask_all(all_cases, limit)
    versions, found = asked.versions, asked.found
    crossing = {case.name: crossing_of(case) for case in all_cases if case.kind == "bifurcation"}
    verdicts = {
        solver: {
            case.name: verdict(case, of[case.name], crossing.get(case.name, np.inf))
            for case in all_cases
            if case.kind in CLASSES
        }
        for solver, of in found.items()
    }
    for solver, of in verdicts.items():
        for how in HOW[1:]:
            if names := sorted(name for name, found_so in of.items() if found_so == how):
                say(f"{CALLED[solver]}, {how}: {', '.join(names)}")
    which = ", ".join(f"{CALLED[kind]} {versions[kind]}" for kind in CALLED if kind in versions)
    title = f"{len(all_cases)} reference games at {len(PRECISIONS)} precisions, {limit:.0f} s of CPU a game ({which})"
    tables = [(title, solved_table(all_cases, found, verdicts, limit))]
    rest = refused_table(all_cases, found)
    say(f"({load()})")
    return tables + ([("Games that are to be refused, and odd ones", rest)] if len(rest) > 1 else [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=LIMIT, help="CPU seconds for a game")
    parser.add_argument("--only", nargs="*", metavar="CLASS", help="classes of games, such as strict")
    options = parser.parse_args()
    if not CONFORMANCE.is_dir():
        raise SystemExit(f"games: there are no reference games at {CONFORMANCE}. Put that folder beside the checkout.")
    known = {case.kind for case in cases()}
    if unknown := set(options.only or ()) - known:
        raise SystemExit(f"games: {', '.join(unknown)}: no such class. Choose from {', '.join(sorted(known))}.")
    print(machine("detente", "numpy", "scipy", "numba"))
    for title, rows in measure(options.limit, options.only):
        table(title, rows)


if __name__ == "__main__":
    main()
