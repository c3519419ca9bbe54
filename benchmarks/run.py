"""Measure detente beside its peers in one run, and print Markdown tables for RESULTS.md.

Usage: uv run python benchmarks/run.py [--only PART ...] [--limit SECONDS] [--draws N] [--largest NODES]
"""

import argparse
import datetime
import json
import os
import platform
import resource
import signal
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


def peer(kind: str, what: str | Path, how: str, limit: float) -> dict | None:
    """What a peer printed, or None when it did not finish in time or failed."""
    package = {"gambit": ["--with", "pygambit"], "openspiel": ["--with", "open_spiel"], "continuation": []}[kind]
    uv = [os.environ.get("UV", "uv"), "run", "--no-sync", *package]
    command = [*uv, "python", str(HERE / "peers.py"), kind, str(what), how]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, cwd=HERE.parent, start_new_session=True
    ) as process:
        try:
            printed, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the peer itself is a child of uv
            return None
    return json.loads(printed) if process.returncode == 0 else None


def cpu_seconds(function: Callable[[], object], repeat: int = 3) -> float:
    """CPU time over all threads, the least of several runs: other work on the machine matters little to it."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


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


def sweeps_alone(game, worlds: dict) -> float:
    """Seconds of a core for one sweep of one draw of the core of a game, on the way along the branch."""
    from detente.solve import sweep
    from detente.solve.api import solve
    from detente.solve.lanes import LANES

    kernel, spent = sweep._fixed_point, []

    def timed(decisions, work, jobs, *rest):
        start = time.thread_time()
        found = kernel(decisions, work, jobs, *rest)
        if jobs[0] > 1:  # something is folded away: the core
            spent.append((time.thread_time() - start, LANES * int(found[2].max())))
        return found

    sweep._fixed_point = timed
    try:
        best = np.inf
        for _ in range(3):
            spent.clear()
            solve(game, worlds, precision="precision")
            best = min(best, sum(s for s, _ in spent) / sum(n for _, n in spent))
    finally:
        sweep._fixed_point = kernel
    return best


def october(draws: int, limit: float) -> None:
    from detente.decide.ensemble import run
    from detente.model.efg import write_efg
    from detente.model.priors import draw, median_draw
    from detente.model.scenario import load_scenario
    from detente.solve.api import solve

    scenario = load_scenario("october-2024")
    game, count = scenario.game, len(scenario.file.policies)
    run(scenario, num_draws=16)  # compiled code is loaded
    start, used = time.perf_counter(), time.process_time()
    ensemble = run(scenario, num_draws=draws)
    taken, used = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    worlds = draw(scenario.priors, 256, seed=1)
    solve_only = cpu_seconds(lambda: solve(game, worlds, precision="precision")) / 256
    alone = sweeps_alone(game, worlds) / game.num_nodes * 1e9
    sweeps = ensemble.iterations[0]
    per = solve_only / sweeps.mean() / game.num_nodes * 1e9
    rows = [("what", "value")]
    rows.append((f"October, {draws:,} draws × {count} policies, {game.num_nodes:,} nodes", f"{taken:.1f} s"))
    rows.append(("the same, seconds of a core", f"{used:.1f} s"))
    rows.append(("peak memory", f"{peak:.2f} GiB"))
    rows.append(("not converged", f"{ensemble.num_unconverged}"))
    rows.append(("one draw solved, ms of a core", f"{1e3 * solve_only:.2f}"))
    rows.append(("sweeps to a residual of 1e-10: mean, median", f"{sweeps.mean():.1f}, {np.median(sweeps):.0f}"))
    rows.append(("ns of a core per node, draw and sweep: the sweeps", f"{alone:.2f}"))
    rows.append((f"the same on {os.cpu_count()} cores, each with its own draws", f"{alone / os.cpu_count():.2f}"))
    rows.append(("the same of a core, everything in `solve` counted", f"{per:.2f}"))
    table("The October scenario", rows)

    median = median_draw(scenario.priors)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "october.efg"
        path.write_text(write_efg(game, median), encoding="utf-8")
        theirs = peer("gambit", path, f"{median['precision']:g}", limit)
    ours = cpu_seconds(lambda: solve(game, median, precision=median["precision"]))
    said = f"{theirs['seconds']:.1f} s" if theirs else f"not finished in {limit:.0f} s"
    ratio = f"{theirs['seconds'] / ours:.0f}" if theirs else f"more than {limit / ours:.0f}"
    rows = [("one draw of October", "detente", "Gambit", "ratio"), ("median world", f"{ours:.3f} s", said, ratio)]
    table("Against Gambit on the same tree (CPU)", rows)


def leduc(iterations: int = 50) -> None:
    """A sweep of ours does what an iteration of CFR does: every node once down and once up."""
    from detente.library.games import GAMES
    from detente.model.compile import compile
    from detente.solve.api import solve

    game = compile(GAMES["leduc-poker"].crisis)
    draws = {name: np.full(64, value) for name, value in GAMES["leduc-poker"].defaults.items()}
    solution = solve(game, draws, precision=2.0, method="sweep")
    taken = cpu_seconds(lambda: solve(game, draws, precision=2.0, method="sweep")) / 64
    ours = taken / solution.iterations.mean() / game.num_nodes * 1e9
    theirs = peer("openspiel", "leduc_poker", str(iterations), 120)
    rows = [("Leduc poker", "ns for each node visited", "one pass over the tree")]
    rows.append(
        (f"detente, sweep, 64 draws ({game.num_nodes:,} nodes)", f"{ours:.1f}", f"{ours * game.num_nodes / 1e6:.3f} ms")
    )
    if theirs:
        per = theirs["seconds"] / theirs["nodes"] * 1e9
        rows.append(
            (f"OpenSpiel, CFR in C++ ({theirs['nodes']:,} nodes)", f"{per:.0f}", f"{1e3 * theirs['seconds']:.2f} ms")
        )
        rows.append(("ratio", f"{per / ours:.0f}", ""))
    table("Against OpenSpiel's counterfactual regret minimisation", rows)


def growth(largest: int) -> None:
    """Cost against the number of nodes, one draw; and against the number of draws of October."""
    from two_rounds import crisis_of

    from detente.model.compile import compile
    from detente.model.priors import draw, median_draw
    from detente.model.scenario import load_scenario
    from detente.solve.api import solve

    scenario = load_scenario("october-2024")
    median = median_draw(scenario.priors)
    rows = [("nodes", "infosets", "compile", "solve one draw (CPU)", "sweeps", "µs a node", "status", "peak memory")]
    for first, targets, messages in ((1, 0, 0), (5, 0, 0), (2, 2, 1), (5, 2, 1), (5, 3, 2), (5, 5, 4)):
        start = time.perf_counter()
        game = compile(crisis_of(first, targets, messages), max_nodes=4_000_000)
        compiled = time.perf_counter() - start
        found = []
        taken = cpu_seconds(lambda g=game, f=found: f.append(solve(g, median, precision=median["precision"])), repeat=1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        rows.append(
            (
                f"{game.num_nodes:,}",
                f"{len(game.infosets):,}",
                f"{compiled:.1f} s",
                f"{taken:.2f} s",
                f"{int(found[0].iterations[0])}",
                f"{1e6 * taken / game.num_nodes:.1f}",
                f"{found[0].message()}",
                f"{peak:.2f} GiB",
            )
        )
        if game.num_nodes > largest:
            break
    table("Growth with nodes: restraint in one round and in two", rows)
    rows = [("draws of October", "solve (CPU)", "ms a draw")]
    for draws in (1, 10, 100, 1_000, 10_000, 100_000):
        worlds = draw(scenario.priors, draws, seed=1)

        def in_blocks(worlds: dict = worlds, draws: int = draws) -> None:
            """Ten thousand at a time: whole solutions of more would not fit into memory."""
            for first in range(0, draws, 10_000):
                solve(scenario.game, {k: v[first : first + 10_000] for k, v in worlds.items()}, precision="precision")

        taken = cpu_seconds(in_blocks, repeat=1)
        rows.append((f"{draws:,}", f"{taken:.2f} s", f"{1e3 * taken / draws:.2f}"))
    table("Growth with draws", rows)


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
    ours = {name: cpu_seconds(lambda g=games[name]: solve(g, precision=PRECISIONS), repeat=1) for name in names}
    rows = [("solver", "games done", "CPU on those", "detente on the same games", "ratio")]
    how = ",".join(f"{p:g}" for p in PRECISIONS)
    for kind, called in (("gambit", "Gambit"), ("continuation", "equal steps and SciPy's root finder")):
        done = {name: peer(kind, CONFORMANCE / "efg" / f"{name}.efg", how, limit) for name in names}
        finished = {name: found for name, found in done.items() if found and found["found"] == len(PRECISIONS)}
        theirs, same = sum(f["seconds"] for f in finished.values()), sum(ours[name] for name in finished)
        count = f"{len(finished)} of {len(names)}"
        rows.append((called, count, f"{theirs:.1f} s", f"{same:.2f} s", f"{theirs / same:.1f}"))
    rows.append(("detente", f"{len(names)} of {len(names)}", f"{sum(ours.values()):.1f} s", "", ""))
    table(f"The reference games at {len(PRECISIONS)} precisions (limit {limit:.0f} s a game)", rows)


def main() -> None:
    parts = {
        "start": lambda o: start_up(),
        "compile": lambda o: compiling(),
        "october": lambda o: october(o.draws, o.limit),
        "leduc": lambda o: leduc(),
        "growth": lambda o: growth(o.largest),
        "games": lambda o: conformance(o.limit),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a peer is stopped")
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--largest", type=int, default=200_000, help="nodes after which the growth table ends")
    parser.add_argument("--only", nargs="*", choices=parts, default=list(parts))
    options = parser.parse_args()
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("detente", "numpy", "scipy", "numba"))
    print(f"## {datetime.date.today().isoformat()}\n")
    print(f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {packages}")
    for name in options.only:
        parts[name](options)


if __name__ == "__main__":
    main()
