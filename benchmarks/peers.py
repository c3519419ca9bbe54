"""The peers, each in a process of its own: do the work, print one JSON object.

    python benchmarks/peers.py gambit FILE PRECISIONS      CPU seconds of Gambit's logit solver on a .efg file
    python benchmarks/peers.py openspiel GAME ITERATIONS   seconds of an iteration of OpenSpiel's CFR in C++
    python benchmarks/peers.py continuation FILE PRECISIONS  CPU seconds of the branch followed with SciPy alone

Run by the benchmarks through `uv run --with pygambit` and `--with open_spiel`; they are peers to compare with, not
dependencies.
"""

import json
import sys
import time

STEPS = 10  # between one precision and the next


def gambit(path: str, precisions: list[float]) -> dict:
    import pygambit

    game = pygambit.read_efg(path)
    start = time.process_time()
    profiles = pygambit.qre.logit_solve_lambda(game, precisions)
    return {"seconds": time.process_time() - start, "found": len(profiles), "version": pygambit.__version__}


def openspiel(name: str, iterations: int) -> dict:
    import pyspiel

    game = pyspiel.load_game(name)
    nodes, stack = 0, [game.new_initial_state()]
    while stack:
        state = stack.pop()
        nodes += 1
        stack += [] if state.is_terminal() else [state.child(action) for action in state.legal_actions()]
    solver = pyspiel.CFRSolver(game)
    start = time.perf_counter()
    for _ in range(iterations):
        solver.evaluate_and_update_policy()
    return {"seconds": (time.perf_counter() - start) / iterations, "nodes": nodes}


def continuation(path: str, precisions: list[float]) -> dict:
    """What a modeller would write in an afternoon: equal steps in λ, each solved by SciPy's general root finder.

    The tree is read by detente, so that only the solving is compared. Unknown are the log-probabilities of all options.
    """
    import numpy as np
    from scipy.optimize import root

    from detente.axes import CHOICE
    from detente.model.efg import read_efg
    from detente.solve.problem import evaluate, log_chance

    game = read_efg(path)
    start = time.process_time()
    problem = evaluate(game, {})
    on_path = np.zeros((game.num_leaves, game.num_slots))
    for leaf, node in enumerate(game.leaf_nodes):
        while game.parent[node] >= 0:
            above = game.parent[node]
            if game.kind[above] == CHOICE:
                on_path[leaf, game.infoset_start[game.infoset[above]] + game.option[node]] = 1
            node = above
    owner = np.repeat(np.arange(len(game.infosets)), np.diff(game.infoset_start))
    utility = problem.payoff[:, [game.infosets[i].player for i in owner], 0]
    chance = log_chance(problem)[game.leaf_nodes, 0]

    def gap(log_play: np.ndarray, rate: float) -> np.ndarray:
        log_reach = chance + on_path @ log_play
        weight = on_path * np.exp(log_reach - log_reach.max())[:, None]
        value = rate * (weight * utility).sum(axis=0) / weight.sum(axis=0)
        top = np.maximum.reduceat(value, game.infoset_start[:-1])[owner]
        total = np.add.reduceat(np.exp(value - top), game.infoset_start[:-1])[owner]
        return log_play - (value - top - np.log(total))

    play, rate, good = -np.log(np.diff(game.infoset_start))[owner], 0.0, 0
    for precision in precisions:
        for step in np.linspace(rate, precision, STEPS + 1)[1:]:
            found = root(gap, play, args=(step,), tol=1e-10)
            play = found.x
        rate = precision
        good += bool(np.abs(gap(play, rate)).max() < 1e-8)
    return {"seconds": time.process_time() - start, "found": good}


if __name__ == "__main__":
    kind, what, how = sys.argv[1:4]
    work = {"gambit": gambit, "openspiel": openspiel, "continuation": continuation}[kind]
    print(json.dumps(work(what, int(how) if kind == "openspiel" else [float(p) for p in how.split(",")])))
