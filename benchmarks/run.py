"""Measure detente beside its peers in one run, and print Markdown tables for RESULTS.md.

Usage: uv run python benchmarks/run.py [--limit SECONDS] [--draws N]
"""

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
CONFORMANCE = HERE.parents[1] / "shared" / "conformance"
PRECISIONS = [0.1, 0.5, 1.0, 2.0, 5.0]


def seconds(function: Callable[[], object], repeat: int = 3) -> float:
    """The shortest of several runs: the one that other work on the machine disturbed least."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def gambit(path: Path, precisions: list[float], limit: float) -> dict | None:
    """Gambit's CPU time on one file, or None when it did not finish in time or failed."""
    command = [
        os.environ.get("UV", "uv"),
        "run",
        "--no-sync",
        "--with",
        "pygambit",
        "python",
        str(HERE / "peers.py"),
        str(path),
    ]
    command.append(",".join(f"{p:g}" for p in precisions))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, cwd=HERE.parent)
    except subprocess.TimeoutExpired:
        return None
    return json.loads(done.stdout) if done.returncode == 0 else None


def table(title: str, rows: list[tuple[str, ...]]) -> None:
    print(f"\n### {title}\n")
    for i, row in enumerate(rows):
        print("| " + " | ".join(row) + " |")
        if i == 0:
            print("|" + "---|" * len(row))


def start_up() -> None:
    rows = [("command", "seconds")]
    for words in (["--help"], ["list"], ["solve", "seltens-horse"]):
        command = [sys.executable, "-c", "from detente.cli import main; main()", *words]
        run = lambda c=command: subprocess.run(c, capture_output=True, check=True)  # noqa: E731
        rows.append((f"`detente {' '.join(words)}`", f"{seconds(run):.2f}"))
    table("Start", rows)


def compiling() -> None:
    from detente.library.restraint import restraint
    from detente.model.compile import compile

    game = compile(restraint)
    taken = seconds(lambda: compile(restraint))
    rows = [("game", "nodes", "seconds", "µs a node")]
    rows.append(("restraint", f"{game.num_nodes:,}", f"{taken:.2f}", f"{1e6 * taken / game.num_nodes:.0f}"))
    table("Compiling a crisis", rows)


def october(draws: int, limit: float) -> None:
    from detente.decide.ensemble import run
    from detente.model.efg import write_efg
    from detente.model.priors import draw, median_draw
    from detente.model.scenario import load_scenario
    from detente.solve.api import solve

    scenario = load_scenario("october-2024")
    game, count = scenario.game, len(scenario.file.policies)
    run(scenario, num_draws=16)  # compiled code is loaded
    start = time.perf_counter()
    ensemble = run(scenario, num_draws=draws)
    taken = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    worlds = draw(scenario.priors, 256, seed=1)
    only = seconds(lambda: solve(game, worlds, precision="precision"))
    sweeps = float(np.mean(ensemble.iterations[0])) + 1
    rows = [("what", "value")]
    rows.append((f"October, {draws:,} draws × {count} policies, {game.num_nodes:,} nodes", f"{taken:.1f} s"))
    rows.append(("peak memory", f"{peak:.2f} GiB"))
    rows.append(("not converged", f"{ensemble.num_unconverged}"))
    rows.append(("draws solved per second, all cores", f"{256 / only:.0f}"))
    rows.append(
        ("sweeps to a residual of 1e-10: mean, median", f"{sweeps:.1f}, {np.median(ensemble.iterations[0]) + 1:.0f}")
    )
    cores = os.cpu_count() or 1
    per = only / 256 * cores / sweeps / game.num_nodes * 1e9
    rows.append(("ns of a core per node, draw and sweep (everything in `solve` counted)", f"{per:.2f}"))
    table("The October scenario", rows)

    median = median_draw(scenario.priors)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "october.efg"
        path.write_text(write_efg(game, median), encoding="utf-8")
        peer = gambit(path, [median["precision"]], limit)
    ours = seconds(lambda: solve(game, median, precision=median["precision"]))
    said = f"{peer['seconds']:.1f} s" if peer else f"not finished in {limit:.0f} s"
    ratio = f"{peer['seconds'] / ours:.0f}" if peer else f"more than {limit / ours:.0f}"
    rows = [("one draw of October", "detente", "Gambit", "ratio"), ("median world", f"{ours:.3f} s", said, ratio)]
    table("Against Gambit on the same tree", rows)


def conformance(limit: float) -> None:
    if not CONFORMANCE.is_dir():
        print("\n(no reference games beside the checkout: that comparison is left out)")
        return
    from detente.model.efg import read_efg
    from detente.solve.api import solve

    index = json.loads((CONFORMANCE / "index.json").read_text())["games"]
    names = [g["game"] for g in index if g["cls"] in ("strict", "bifurcation")]
    games = {name: read_efg(CONFORMANCE / "efg" / f"{name}.efg") for name in names}
    for game in games.values():
        solve(game, precision=PRECISIONS)
    ours = theirs = 0.0
    unfinished = 0
    for name in names:
        ours += seconds(lambda g=games[name]: solve(g, precision=PRECISIONS), repeat=1)
        peer = gambit(CONFORMANCE / "efg" / f"{name}.efg", PRECISIONS, limit)
        if peer is None:
            unfinished += 1
        else:
            theirs += peer["seconds"]
    rows = [("games × precisions", "detente", "Gambit (CPU)", "Gambit refused or did not finish", "ratio")]
    rows.append((f"{len(names)} × 5", f"{ours:.1f} s", f"{theirs:.1f} s", str(unfinished), f"{theirs / ours:.1f}"))
    table("The reference games", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds after which a peer is stopped")
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--skip-reference-games", action="store_true")
    options = parser.parse_args()
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("detente", "numpy", "scipy", "numba"))
    print(f"## {datetime.date.today().isoformat()}\n")
    print(f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {packages}")
    start_up()
    compiling()
    october(options.draws, options.limit)
    if not options.skip_reference_games:
        conformance(options.limit)


if __name__ == "__main__":
    main()
