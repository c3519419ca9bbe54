"""Gambit in a process of its own: read a .efg file, solve it at some precisions, print seconds of CPU time.

Run by the benchmarks through `uv run --with pygambit`; Gambit is a peer to compare with, not a dependency.
"""

import json
import sys
import time

import pygambit


def main() -> None:
    path, precisions = sys.argv[1], [float(p) for p in sys.argv[2].split(",")]
    game = pygambit.read_efg(path)
    start = time.process_time()
    profiles = pygambit.qre.logit_solve_lambda(game, precisions)
    seconds = time.process_time() - start
    print(json.dumps({"seconds": seconds, "found": len(profiles), "version": pygambit.__version__}))


if __name__ == "__main__":
    main()
