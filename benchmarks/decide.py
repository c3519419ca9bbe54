"""Measure the analysis of `detente decide` on a solved ensemble, part by part, and print a Markdown table.

Usage: uv run python benchmarks/decide.py [--draws N] [--scenario NAME]

10,000 draws of the six policies of October are 60,000 rows. Solving them is not part of what is measured here.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

from detente.decide.analysis import decide
from detente.decide.cards import flips
from detente.decide.dominance import dominance
from detente.decide.ensemble import run
from detente.decide.indicators import indicators
from detente.decide.robustness import robustness
from detente.decide.search import criterion_values
from detente.decide.sensitivity import given_data, varying
from detente.model.scenario import load_scenario


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock and of CPU; on a machine that others use too, the second is the one to compare."""
    start, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - worked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--scenario", default="october-2024")
    options = parser.parse_args()
    scenario = load_scenario(options.scenario)
    seconds, _ = timed(lambda: scenario.game)
    start = time.perf_counter()
    ensemble = run(scenario, num_draws=options.draws)
    solving = time.perf_counter() - start
    inputs, by = varying(ensemble), scenario.file.decides
    values = criterion_values(ensemble, by)
    first = next(n for n, o in scenario.file.outcomes.items() if o.headline)
    policy = decide(scenario, ensemble, structure_draws=0, gradient_worlds=0).preferred  # compiles what is compiled
    outcomes = {n: criterion_values(ensemble, n) for n, o in scenario.file.outcomes.items() if o.headline}
    better = {n: scenario.file.outcomes[n].better for n in outcomes}
    parts = {
        "all metrics, one outcome": lambda: robustness(values, ensemble.policies, better="higher"),
        "dominance, headlines": lambda: dominance(outcomes, ensemble.policies, better),
        f"Sobol, given data, {len(inputs)} parameters": lambda: given_data(ensemble, first, policy),
        "thresholds": lambda: flips(values, ensemble.policies, inputs, preferred=policy),
        "indicators, one outcome": lambda: indicators(ensemble, first, policy, own=(by,)),
        "the whole analysis": lambda: decide(scenario, ensemble, structure_draws=0, gradient_worlds=0),
    }
    print(
        f"{options.draws:,} draws × {len(ensemble.policies)} policies of {options.scenario}; solved in {solving:.1f} s "
    )
    print(f"after {seconds:.1f} s to write out the game.\n\n| part | seconds | of CPU |\n|---|---:|---:|")
    for name, work in parts.items():
        walls, works = zip(*(timed(work) for _ in range(3)), strict=True)
        print(f"| {name} | {min(walls):.2f} | {min(works):.2f} |", flush=True)


if __name__ == "__main__":
    main()
