"""Measure scenario discovery beside EMA Workbench on the same arrays, and print a Markdown table for RESULTS.md.

Usage: uv run python benchmarks/discovery.py [--worlds N] [--parameters N] [--limit SECONDS] [--skip-peer]

Both peel with the same share (0.05), least mass (0.05) and objective (gain for each world given up). EMA Workbench is a
peer to compare with, not a dependency: it runs in a process of its own, through `uv run --with ema_workbench`.
"""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

PEEL = LEAST = 0.05


def problem(num_worlds: int, num_parameters: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Worlds that fail where the first parameter is high and the second low, with a tenth of noise."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((num_worlds, num_parameters))
    fails = (inputs[:, 0] > 0.7) & (inputs[:, 1] < 0.4)
    return inputs, fails ^ (rng.random(num_worlds) < 0.1)


def peer(path: Path) -> None:
    """Run in the peer's own process: EMA Workbench's PRIM on saved arrays."""
    warnings.simplefilter("ignore")
    import ema_workbench
    import pandas as pd
    from ema_workbench.analysis import prim

    arrays = np.load(path)
    table = pd.DataFrame(arrays["inputs"], columns=[f"p{j}" for j in range(arrays["inputs"].shape[1])])
    start = time.process_time()
    found = prim.Prim(table, arrays["fails"], threshold=0.5, peel_alpha=PEEL, mass_min=LEAST).find_box()
    seconds = time.process_time() - start
    curve = found.peeling_trajectory
    print(
        json.dumps({
            "seconds": seconds,
            "version": ema_workbench.__version__,
            "limits": [limits.to_numpy(dtype=float).tolist() for limits in found.box_lims],
            **{name: curve[name].tolist() for name in ("coverage", "density", "mass")},
        })
    )  # fmt: skip


def ask_peer(inputs: np.ndarray, fails: np.ndarray, limit: float) -> dict | None:
    """What EMA Workbench finds, or None where it cannot be had or does not finish."""
    from processes import UV, run  # here: a test reads this file without the folder on its path
    from tables import say

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.npz"
        np.savez(path, inputs=inputs, fails=fails)
        command = [UV, "run", "--no-sync", "--with", "ema_workbench", "python", __file__, "--peer", str(path)]
        try:
            return json.loads(run(command, limit=limit).splitlines()[-1])
        except RuntimeError as problem_found:
            say(f"(EMA Workbench: {problem_found})")
            return None


def limits_of(box, names: list[str]) -> np.ndarray:
    """Limits of a box as (2, parameter), with NaN where there is none."""
    found = np.full((2, len(names)), np.nan)
    for restriction in box.restrictions:
        j = names.index(restriction.parameter)
        found[0, j] = np.nan if restriction.low is None else restriction.low
        found[1, j] = np.nan if restriction.high is None else restriction.high
    return found


def gaps(ours, theirs: dict, names: list[str], inputs: np.ndarray) -> tuple[float, float, int]:
    """How far apart the boxes are: limits (in ranges) at the proposed step, shares at every step, and number of steps.

    On the way, slices that gain the same may go in either order, which moves limits and not what a box is worth. Beyond
    the proposed box there is only noise to peel, and which noise goes first is chance.
    """
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    steps = min(ours.chosen + 1, len(theirs["coverage"]))
    mine = limits_of(ours.boxes[steps - 1], names)
    mine = np.where(np.isnan(mine), np.stack([low, high]), mine)
    limit_gap = float((np.abs(mine - np.array(theirs["limits"][steps - 1])) / (high - low)).max())
    shares = [(getattr(ours.boxes[i], n), theirs[n][i]) for i in range(steps) for n in ("coverage", "density", "mass")]
    share_gap = max(abs(one - other) for one, other in shares)
    return limit_gap, share_gap, steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1_000_000)
    parser.add_argument("--parameters", type=int, default=15)
    parser.add_argument("--limit", type=float, default=300.0, help="seconds after which the peer is stopped")
    parser.add_argument("--skip-peer", action="store_true")
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer is not None:
        peer(options.peer)
        return
    from detente.decide.boxes import card
    from detente.decide.discovery import discover

    inputs, fails = problem(options.worlds, options.parameters)
    names = [f"p{j}" for j in range(options.parameters)]
    discover(inputs[:2_000], fails[:2_000], names=names)  # compiled code is loaded
    start = time.process_time()
    ours = discover(inputs, fails, names=names, peel=PEEL, least=LEAST)
    seconds = time.process_time() - start
    print(f"{options.worlds:,} worlds × {options.parameters} parameters; one core\n")
    print("| what | value |\n|---|---|")
    print(f"| detente: peeled, chosen, pasted, tested (CPU) | {seconds:.2f} s |")
    print(f"| boxes on the curve | {len(ours.boxes)} |")
    print(f"| proposed | {card(ours.box, 'policy', 'failure')} |")
    theirs = None if options.skip_peer else ask_peer(inputs, fails, options.limit)
    if theirs is None:
        print("| EMA Workbench | not measured |")
        return
    limit_gap, share_gap, steps = gaps(ours, theirs, names, inputs)
    print(f"| EMA Workbench {theirs['version']}: peeled and pasted (CPU) | {theirs['seconds']:.2f} s |")
    print(f"| ratio | {theirs['seconds'] / seconds:.1f} |")
    print(f"| largest gap of a limit, in ranges, at step {steps} (the proposed box) | {limit_gap:.4f} |")
    print(f"| largest gap of coverage, density or mass, up to there | {share_gap:.4f} |")


if __name__ == "__main__":
    main()
