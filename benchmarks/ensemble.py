"""Measure ensembles beside EMA Workbench on the same trivial model, and a real scenario; print a Markdown table.

Usage: uv run python benchmarks/ensemble.py [--runs N] [--peer-runs N] [--scenario NAME] [--draws N] [--limit SECONDS]

The trivial model has three uncertain numbers and two outcomes, and nobody chooses anything: what is measured is what a
run costs beside the model. Here it is written as a crisis and evaluated for many draws at once; there it is a Python
function that is called once for each. EMA Workbench is a peer, not a dependency: it runs in a process of its own,
through `uv run --with ema_workbench`.
"""

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from processes import UV
from processes import run as run_program
from tables import say

RULES = '''
from detente.model.language import crisis, players

A, B = players("a", "b")


@crisis(players=(A, B))
def trivial(g, p):
    """Nobody chooses anything."""
    g.outcome(y=p.x0 * p.x1 + p.x2, z=p.x0 + p.x1 * p.x2)
    return {A: 0, B: 0}
'''
TOML = """
format = 1
title = "Trivial"
summary = "Three numbers and two outcomes."
as_of = 2024-01-31
rules = "rules.py:trivial"
decides = "a"
policies.none = { title = "None", meaning = "Nothing." }
outcomes.y = { title = "y", meaning = "y" }
""" + "".join(
    f'\n[parameters.x{i}]\nmeaning = "x"\nunit = "utility"\njudgement = "benchmark: any"\n'
    'prior = { kind = "uniform", low = 0, high = 1 }\n'
    for i in range(3)
)


def best_of(work: Callable[[], object], repeat: int = 3) -> tuple[float, float]:
    """Smallest wall and CPU seconds of several runs."""
    walls, cpus = [], []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def peer(num_runs: int) -> None:
    """Run in the peer's own process: EMA Workbench on the same model, one process."""
    warnings.simplefilter("ignore")
    import ema_workbench
    from ema_workbench import Model, RealParameter, ScalarOutcome, perform_experiments

    def function(x0=0.0, x1=0.0, x2=0.0):
        return {"y": x0 * x1 + x2, "z": x0 + x1 * x2}

    model = Model("trivial", function=function)
    model.uncertainties = [RealParameter(f"x{i}", 0, 1) for i in range(3)]
    model.outcomes = [ScalarOutcome("y"), ScalarOutcome("z")]
    wall, cpu = best_of(lambda: perform_experiments(model, num_runs))
    print(json.dumps({"wall": wall, "cpu": cpu, "version": ema_workbench.__version__}))


def ask_peer(num_runs: int, limit: float) -> dict | None:
    """How long EMA Workbench takes, or None where it cannot be had or does not finish."""
    command = [UV, "run", "--no-sync", "--with", "ema_workbench", "python", __file__, "--peer", str(num_runs)]
    try:
        return json.loads(run_program(command, limit=limit).splitlines()[-1])
    except RuntimeError as problem:
        say(f"(EMA Workbench: {problem})")
        return None


def row(name: str, runs: int, wall: float, cpu: float, peer: tuple[float, float] | None = None) -> None:
    """One line of the table: runs are worlds × policies, and beside the peer by the clock and by CPU time."""
    clock, work = runs / wall, runs / cpu
    times = " | " if peer is None else f"{clock / peer[0]:,.0f} × | {work / peer[1]:,.0f} ×"
    print(f"| {name} | {runs:,} | {wall:.2f} | {clock:,.0f} | {work:,.0f} | {times} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--peer-runs", type=int, default=20_000)
    parser.add_argument("--scenario", default="october-2024")
    parser.add_argument("--draws", type=int, default=1_024)
    parser.add_argument("--limit", type=float, default=300)
    parser.add_argument("--peer", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        peer(options.peer)
        return
    from detente.decide.cube import run_to_store
    from detente.decide.ensemble import run
    from detente.model.scenario import load_scenario

    print("| what | runs | seconds | runs/s | runs/s of CPU | beside EMA | beside EMA, by CPU |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    found = ask_peer(options.peer_runs, options.limit)
    rate = None
    if found is not None:
        rate = options.peer_runs / found["wall"], options.peer_runs / found["cpu"]
        row(f"trivial: EMA Workbench {found['version']}, one process", options.peer_runs, found["wall"], found["cpu"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trivial"
        path.mkdir()
        (path / "rules.py").write_text(RULES)
        (path / "scenario.toml").write_text(TOML)
        trivial = load_scenario(path)
        run(trivial, num_draws=100)  # what is loaded once
        row("trivial: in memory", options.runs, *best_of(lambda: run(trivial, num_draws=options.runs)), rate)
        count = iter(range(100))

        def to_store() -> None:
            run_to_store(trivial, Path(folder) / f"store{next(count)}", num_draws=options.runs, block=65_536)

        row("trivial: to a store", options.runs, *best_of(to_store), rate)
        if options.draws:
            real = load_scenario(options.scenario)
            run(real, num_draws=64)
            policies = len(real.file.policies)
            wall, cpu = best_of(
                lambda: run_to_store(real, Path(folder) / f"real{next(count)}", num_draws=options.draws), 2
            )
            row(f"{options.scenario}, {policies} policies: to a store", options.draws * policies, wall, cpu)
            print(f"\nA million draws of {options.scenario}: {cpu / options.draws * 1e6 / 3600:.2f} hours of one core.")


if __name__ == "__main__":
    main()
