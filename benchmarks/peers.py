"""The solvers that are compared, each in a process of its own: one JSON question a line in, one JSON answer a line out.

    python benchmarks/peers.py gambit         Gambit's logit solver (run with `uv run --with pygambit`)
    python benchmarks/peers.py continuation   the branch followed with NumPy and SciPy alone
    python benchmarks/peers.py detente        this package
    python benchmarks/peers.py openspiel      OpenSpiel's CFR in C++ (run with `uv run --with open_spiel`)

The first three are asked ``{"file", "precisions", "limit"}`` and answer ``{"seconds", "play"}``: CPU seconds of the
solving alone (the file has been read), and for each precision the chance of every option, infosets by player and then
in the order of a depth-first walk. ``{"refused": words}`` is an answer too. OpenSpiel is asked ``{"game",
"iterations", "limit"}``. They are peers to compare with, not dependencies.

Once the work has used ``limit`` seconds of the processor the operating system ends the process: a machine that others
use too gives it no less than a quiet one. One process answers; another, which has loaded the same and waits, says that
it was stopped or died, and puts a copy of itself in its place.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

STEPS = 10  # of the plain continuation, between one precision and the next
READY = [0.1, 5.0]  # precisions solved before the first question, so that nothing is loaded on the clock


TIME_LIMIT, CRASH = "time limit", "crash"
CLOCK = 6  # times the limit, by the clock: only for what hangs without using the processor


def timed(limit: float, work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of some work, and what it gives; the process ends where they are more than the limit."""
    signal.setitimer(signal.ITIMER_PROF, limit)  # its default action ends the process, in compiled code too
    signal.setitimer(signal.ITIMER_REAL, CLOCK * limit)
    try:
        start = time.process_time()
        found = work()
        return time.process_time() - start, found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def gambit(question: dict) -> dict:
    import pygambit

    try:
        game = pygambit.read_efg(question["file"])
    except Exception as problem:  # whatever it says: the game is refused, and the words are shown
        return {"refused": f"{type(problem).__name__}: {problem}"}
    seconds, found = timed(question["limit"], lambda: pygambit.qre.logit_solve_lambda(game, lam=question["precisions"]))
    order = _gambit_order(game)
    return {"seconds": seconds, "play": [[profile[slot] for slot in order] for profile in found]}


def _gambit_order(game: Any) -> list[int]:
    """Where Gambit keeps each option's chance, for our order of infosets."""
    where, slot = {}, 0
    for player in game.players:
        for infoset in player.infosets:
            actions = list(infoset.actions)
            where[player.number, infoset.number] = slice(slot, slot + len(actions))
            slot += len(actions)
    met: dict[tuple[int, int], None] = {}
    stack = [game.root]
    while stack:
        node = stack.pop()
        if not node.is_terminal and not node.player.is_chance:
            met.setdefault((node.player.number, node.infoset.number))
        stack += reversed(list(node.children))
    slots = list(range(slot))
    players = range(len(list(game.players)))
    return [k for player in players for key in met if key[0] == player for k in slots[where[key]]]


def openspiel(question: dict) -> dict:
    import pyspiel

    game = pyspiel.load_game(question["game"])
    nodes, stack = 0, [game.new_initial_state()]
    while stack:
        state = stack.pop()
        nodes += 1
        stack += [] if state.is_terminal() else [state.child(action) for action in state.legal_actions()]
    solver = pyspiel.CFRSolver(game)

    def iterate() -> None:
        for _ in range(question["iterations"]):
            solver.evaluate_and_update_policy()

    seconds, _ = timed(question["limit"], iterate)
    return {"seconds": seconds / question["iterations"], "nodes": nodes, "players": game.num_players()}


def detente(question: dict) -> dict:
    from detente.errors import DetenteError
    from detente.model.efg import read_efg
    from detente.solve.api import solve
    from detente.solve.solution import NOT_CONVERGED

    try:
        game = read_efg(Path(question["file"]))
        seconds, found = timed(question["limit"], lambda: solve(game, precision=question["precisions"]))
    except DetenteError as problem:
        return {"refused": str(problem)}
    good = [solution for solution in found if solution.status[0] != NOT_CONVERGED]
    return {"seconds": seconds, "play": [solution.probabilities[:, 0].tolist() for solution in good]}


def continuation(question: dict) -> dict:
    """What a modeller would write in an afternoon: equal steps in λ, each solved by SciPy's general root finder.

    The tree is read, and refused, by detente, so that only the solving is compared. Unknown are the log-probabilities
    of all options.
    """
    import numpy as np
    from scipy.optimize import root

    from detente.errors import DetenteError
    from detente.model.efg import read_efg

    try:
        game = read_efg(Path(question["file"]))
    except DetenteError as problem:
        return {"refused": str(problem)}

    def follow() -> list:
        gap, play, rate, found = *gap_of(game), 0.0, []
        for precision in question["precisions"]:
            for step in np.linspace(rate, precision, STEPS + 1)[1:] if len(play) else ():
                play = root(gap, play, args=(step,), tol=1e-10).x
            rate = precision
            if np.abs(gap(play, rate)).max(initial=0.0) < 1e-8:
                found.append(np.exp(play).tolist())
        return found

    seconds, found = timed(question["limit"], follow)
    return {"seconds": seconds, "play": found}


def gap_of(game: Any) -> tuple[Callable, Any]:
    """How far log-probabilities of the options are from an equilibrium, as a function; and those of even odds."""
    import numpy as np

    from detente.axes import CHOICE
    from detente.solve.problem import evaluate, log_chance

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

    return gap, -np.log(np.diff(game.infoset_start))[owner]


SOLVERS = {"gambit": gambit, "openspiel": openspiel, "continuation": continuation, "detente": detente}
PACKAGE = {"gambit": "pygambit", "openspiel": "open_spiel", "continuation": "scipy", "detente": "detente"}


def load(kind: str) -> None:
    """Solve a small game, and with detente one by sweeps too, so that all code is loaded before the first timing."""
    import tempfile

    if kind == "openspiel":
        openspiel({"game": "kuhn_poker", "iterations": 1, "limit": 60.0})
        return
    small = 'EFG 2 R "warm" {{ "a" "b" }}\np "" 1 1 "" {{ "x" "y" }} 0\nt "" 1 "" {{ 1, 0 }}\nt "" 2 "" {{ 0, {0} }}\n'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warm.efg"
        path.write_text(small.format(1), encoding="utf-8")
        SOLVERS[kind]({"file": str(path), "precisions": READY, "limit": 60.0})
    if kind == "detente":
        from detente.library.games import GAMES
        from detente.model.compile import compile
        from detente.solve.api import solve

        kuhn = GAMES["kuhn-poker"]
        solve(compile(kuhn.crisis), kuhn.defaults, precision=READY, method="sweep")


def serve(kind: str, answers: TextIO) -> None:
    """Answer until nobody asks."""
    for line in sys.stdin:
        print(json.dumps(SOLVERS[kind](json.loads(line))), file=answers, flush=True)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a package prints is no answer
    kind = sys.argv[1]
    load(kind)
    print(json.dumps({"version": metadata.version(PACKAGE[kind])}), file=answers, flush=True)
    while True:
        child = os.fork()
        if not child:
            serve(kind, answers)
            return
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ended == 0:
            return
        stopped = ended in (-signal.SIGPROF, -signal.SIGALRM)
        print(json.dumps({"ended": TIME_LIMIT if stopped else CRASH, "exit": ended}), file=answers, flush=True)


if __name__ == "__main__":
    main()
