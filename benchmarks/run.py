"""Measure detente beside its peers in one run, and print Markdown tables for RESULTS.md.

Usage: OPENBLAS_NUM_THREADS=1 uv run python benchmarks/run.py [--only PART ...] [--limit SECONDS]
           [--game-limit SECONDS] [--draws N] [--largest NODES] [--most DRAWS]

With one thread of BLAS, as the peers are given, CPU times are those of the work; on a busy machine a second one mostly
waits, and burns time doing so. The parts are those of the tables: start, compile, october, leduc, growth, games.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import games
import numpy as np
from processes import ONE_THREAD, Peer, run
from tables import load, machine, say, table

from detente.axes import Game

HERE = Path(__file__).resolve().parent
SIZES = ((1, 0, 0), (5, 0, 0), (2, 2, 1), (5, 2, 1), (5, 3, 2), (5, 5, 4))  # see two_rounds.py
BLOCK = 2_048  # draws solved at a time: whole solutions of very many would not fit into memory


def seconds(function: Callable[[], object], repeat: int = 3) -> float:
    """The shortest of several runs: the one that other work on the machine disturbed least."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def ask(kind: str, question: dict, limit: float) -> dict:
    """What a peer answers; ``ended`` or ``missing`` says in words why there is no answer."""
    try:
        with Peer(kind) as peer:
            return peer.ask(question, limit=limit)
    except RuntimeError as problem:
        say(f"({problem})")
        return {"missing": f"{kind} cannot be had"}


def cpu_seconds(function: Callable[[], object], repeat: int = 3) -> float:
    """CPU time over all threads, the least of several runs: other work on the machine matters little to it."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def start_up() -> None:
    rows = [("command", "seconds")]
    for words in (["--help"], ["list"], ["solve", "seltens-horse"]):
        command = [sys.executable, "-c", "from detente.__main__ import main; main()", *words]
        run = lambda c=command: subprocess.run(c, capture_output=True, check=True)  # noqa: E731
        rows.append((f"`detente {' '.join(words)}`", f"{seconds(run):.2f}"))
    table("Start", rows)


def compiling() -> None:
    from detente.library.restraint import restraint
    from detente.model.compile import compile

    game = compile(restraint)
    taken = cpu_seconds(lambda: compile(restraint))
    rows = [("game", "nodes", "s of CPU", "µs a node")]
    rows.append(("restraint", f"{game.num_nodes:,}", f"{taken:.2f}", f"{1e6 * taken / game.num_nodes:.0f}"))
    table("Compiling a crisis", rows)


def core_calls(game: Game, worlds: dict) -> list[tuple]:
    """What the kernel is asked for the core of a game while some worlds are solved, with copies of what it changes."""
    from detente.solve import sweep
    from detente.solve.api import solve

    kernel, calls = sweep._fixed_point, []

    def noted(decisions, work, jobs, root, weight, room, *rest):
        if jobs[0] > 1:  # something is folded away: the core
            before = [array.copy() for array in (room.x, room.rate, room.rows)]
            calls.append(((decisions, work, jobs, root, weight.copy(), room, *rest), before))
        return kernel(decisions, work, jobs, root, weight, room, *rest)

    sweep._fixed_point = noted
    try:
        solve(game, worlds, precision="precision")
    finally:
        sweep._fixed_point = kernel
    return calls


def sweeps_alone(game: Game, worlds: dict, threads: int) -> tuple[float, int]:
    """Seconds by the clock for a sweep of one draw when so many threads sweep at once, and the decisions it visits.

    What can be worked out once, for good, is folded away before: sweeps visit the core of the game only.
    """
    from detente.solve import lanes, sweep

    calls = core_calls(game, worlds)

    def replay(_: int) -> float:
        """Sweeps of a draw in a second, all calls one after the other, in memory of this thread's own."""
        best = 0.0
        own = sweep._Room(*(_aligned(lanes, array) for array in calls[0][0][5]))
        for _ in range(5):
            spent, swept = 0.0, 0
            for (decisions, work, jobs, root, weight, _room, *rest), before in calls:
                for array, value in zip((own.x, own.rate, own.rows), before, strict=True):
                    array[:] = value
                aligned = _aligned(lanes, weight)
                start = time.perf_counter()
                found = sweep._fixed_point(decisions, work, jobs, root, aligned, own, *rest)
                spent, swept = spent + time.perf_counter() - start, swept + int(found[2].sum())
            best = max(best, swept / spent)
        return best

    with ThreadPoolExecutor(threads) as pool:
        return 1 / sum(pool.map(replay, range(threads))), len(calls[0][0][5].reach)


def _aligned(lanes: Any, array: np.ndarray) -> np.ndarray:
    """A copy that begins with a cache line, where it has rows of lanes."""
    if array.ndim < 2 or array.shape[-1] != lanes.LANES:
        return array.copy()
    copy = lanes.aligned(*array.shape[:-1])
    copy[:] = array
    return copy


def october(draws: int, limit: float) -> None:
    from detente.decide.ensemble import run as run_ensemble
    from detente.model.efg import write_efg
    from detente.model.priors import draw, median_draw
    from detente.model.scenario import load_scenario
    from detente.solve.api import solve

    scenario = load_scenario("october-2024")
    game, count = scenario.game, len(scenario.file.policies)
    run_ensemble(scenario, num_draws=16)  # compiled code is loaded
    start, used = time.perf_counter(), time.process_time()
    ensemble = run_ensemble(scenario, num_draws=draws)
    taken, used = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    worlds = draw(scenario.priors, 256, seed=1)
    solution = solve(game, worlds, precision="precision")
    sweeps, solve_once = solution.iterations, lambda: solve(game, worlds, precision="precision")
    work = float(sweeps.sum()) * game.num_nodes / 1e9  # so that seconds divided by it are ns a node, draw and sweep
    solved, by_clock = cpu_seconds(solve_once), seconds(solve_once)
    (alone, visited), (side_by_side, _) = sweeps_alone(game, worlds, 1), sweeps_alone(game, worlds, os.cpu_count() or 1)
    rows = [("what", "value")]
    rows.append((f"October, {draws:,} draws × {count} policies, {game.num_nodes:,} nodes", f"{taken:.1f} s"))
    rows.append(("the same, seconds of a core", f"{used:.1f} s"))
    rows.append(("peak memory", f"{peak:.2f} GiB"))
    rows.append(("not converged", f"{ensemble.num_unconverged}"))
    rows.append(("one of 256 draws solved without a policy, ms of a core", f"{1e3 * solved / 256:.2f}"))
    rows.append(("sweeps to a residual of 1e-10: mean, median", f"{sweeps.mean():.1f}, {np.median(sweeps):.0f}"))
    rows.append(("ns of a core for each node, draw and sweep, everything in `solve` counted", f"{solved / work:.2f}"))
    rows.append((f"the same by the clock, on {os.cpu_count()} cores", f"{by_clock / work:.2f}"))
    words = f"the same of a core, the sweeps alone ({visited:,} decisions visited, the rest folded away once)"
    rows.append((words, f"{1e9 * alone / game.num_nodes:.2f}"))
    words = f"the sweeps alone by the clock, on {os.cpu_count()} cores at once"
    rows.append((words, f"{1e9 * side_by_side / game.num_nodes:.2f}"))
    table("The October scenario", rows)

    median = median_draw(scenario.priors)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "october.efg"
        path.write_text(write_efg(game, median), encoding="utf-8")
        theirs = ask("gambit", {"file": str(path), "precisions": [median["precision"]]}, limit)
    ours = cpu_seconds(lambda: solve(game, median, precision=median["precision"]))
    if "seconds" in theirs:
        said, ratio = f"{theirs['seconds']:.1f} s", f"{theirs['seconds'] / ours:.0f}"
    elif theirs.get("ended") == games.TIME_LIMIT:
        said, ratio = f"not finished in {limit:.0f} s", f"more than {limit / ours:.0f}"
    else:
        said, ratio = next(iter(theirs.values())), ""
    rows = [("one draw of October", "detente", "Gambit", "ratio"), ("median world", f"{ours:.3f} s", said, ratio)]
    table("Against Gambit on the same tree (CPU)", rows)


def leduc(iterations: int = 50) -> None:
    """A sweep of ours goes once down and once up for everybody; an iteration of CFR does so for each player in turn."""
    from detente.library.games import GAMES
    from detente.model.compile import compile
    from detente.solve.api import solve

    game = compile(GAMES["leduc-poker"].crisis)
    rows: list[tuple[str, ...]] = [("Leduc poker", "ns for each node and pass", "ms a sweep, or an iteration")]
    per = np.nan
    for draws in (1, 64):
        rates = {"rate": np.linspace(0.5, 0.25, draws)}  # up to 0.5 sweeps alone do it; the draws differ in it
        solution = solve(game, rates, precision="rate", method="sweep", exact=False)
        taken = cpu_seconds(lambda r=rates: solve(game, r, precision="rate", method="sweep", exact=False))
        if len(solution.iterations) != draws or not solution.converged.all():
            raise RuntimeError(f"leduc: {int(solution.converged.sum())} of {draws} draws converged: no like with like.")
        sweep = taken / solution.iterations.sum()
        per = sweep / game.num_nodes * 1e9
        words = f"detente, {draws} draw{'s' if draws > 1 else ''}: a sweep for a draw ({game.num_nodes:,} nodes)"
        rows.append((words, f"{per:.1f}", f"{1e3 * sweep:.3f}"))
    theirs = ask("openspiel", {"game": "leduc_poker", "iterations": iterations}, 120.0)
    if "seconds" in theirs:
        pass_of_one = theirs["seconds"] / theirs["players"] / theirs["nodes"] * 1e9
        words = f"OpenSpiel, CFR in C++, {theirs['players']} passes an iteration ({theirs['nodes']:,} nodes)"
        rows.append((words, f"{pass_of_one:.0f}", f"{1e3 * theirs['seconds']:.2f}"))
        rows.append(("ratio to 64 draws, pass by pass", f"{pass_of_one / per:.0f}", ""))
    table("Against OpenSpiel's counterfactual regret minimisation (CPU)", rows)


def growth(largest: int, most: int) -> None:
    """Cost against the number of nodes, one draw; and against the number of draws of October."""
    growth_with_nodes(largest)
    growth_with_draws(most)


def growth_with_nodes(largest: int) -> None:
    """Each size in a process of its own, so that its peak of memory is its own."""
    head = ("nodes", "infosets", "compile, s of CPU", "µs a node", "first solution", "again", "sweeps")
    rows: list[tuple[str, ...]] = [(*head, "ns a node and sweep", "peak memory", "status")]
    for size in SIZES:
        say(f"growth: {size} …")
        command = [sys.executable, str(HERE / "two_rounds.py"), *map(str, size)]
        found = json.loads(run(command, limit=3_600, settings=ONE_THREAD))
        nodes, (_, compiled), (_, again) = found["nodes"], found["compile"], found["again"]
        rows.append(
            (
                f"{nodes:,}",
                f"{found['infosets']:,}",
                f"{compiled:.1f}",
                f"{1e6 * compiled / nodes:.0f}",
                f"{found['first'][1]:.2f} s",
                f"{again:.2f} s",
                f"{found['sweeps']}",
                f"{1e9 * again / nodes / found['sweeps']:.0f}",
                f"{found['GiB']:.2f} GiB",
                found["said"].partition(" (")[0],
            )
        )
        say(f"growth: {nodes:,} nodes: {found} ({load()})")
        if nodes * 2 > largest:
            break
    table("Growth with nodes: restraint in one round and in two, one draw (CPU)", rows)


def growth_with_draws(most: int) -> None:
    from detente.model.priors import draw
    from detente.model.scenario import load_scenario
    from detente.solve.api import solve

    scenario = load_scenario("october-2024")
    rows = [("draws of October", "seconds", "s of CPU", "ms of CPU a draw", "not converged")]
    solve(scenario.game, draw(scenario.priors, 64, seed=1), precision="precision")  # what is worked out once
    for draws in (10**power for power in range(6) if 10**power <= most):
        worlds = draw(scenario.priors, draws, seed=1)

        def in_blocks(worlds: dict[str, Any] = worlds, draws: int = draws) -> int:
            lost = 0
            for first in range(0, draws, BLOCK):
                block = {name: values[first : first + BLOCK] for name, values in worlds.items()}
                lost += int((~solve(scenario.game, block, precision="precision").converged).sum())
            return lost

        clock, cpu = time.perf_counter(), time.process_time()
        lost = in_blocks()
        clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
        rows.append((f"{draws:,}", f"{clock:.2f}", f"{cpu:.2f}", f"{1e3 * cpu / draws:.2f}", f"{lost}"))
        say(f"growth: {draws:,} draws in {clock:.1f} s ({load()})")
    table(f"Growth with draws: October's {scenario.game.num_nodes:,} nodes, {BLOCK:,} draws at a time", rows)


def conformance(limit: float) -> None:
    if not games.CONFORMANCE.is_dir():
        print("\n(no reference games beside the checkout: that comparison is left out)")
        return
    for title, rows in games.measure(limit):
        table(title, rows)


def main() -> None:
    parts = {
        "start": lambda o: start_up(),
        "compile": lambda o: compiling(),
        "october": lambda o: october(o.draws, o.limit),
        "leduc": lambda o: leduc(),
        "growth": lambda o: growth(o.largest, o.most),
        "games": lambda o: conformance(o.game_limit),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--limit", type=float, default=60.0, help="CPU seconds after which Gambit is stopped on October"
    )
    parser.add_argument("--game-limit", type=float, default=games.LIMIT, help="CPU seconds a reference game")
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--largest", type=int, default=250_000, help="nodes of the largest crisis that is solved")
    parser.add_argument("--most", type=int, default=100_000, help="draws of the last line of that table")
    parser.add_argument("--only", nargs="*", choices=parts, default=list(parts))
    options = parser.parse_args()
    print(machine("detente", "numpy", "scipy", "numba"), flush=True)
    for name in options.only:
        say(f"{name}: {load()}")
        parts[name](options)


if __name__ == "__main__":
    main()
