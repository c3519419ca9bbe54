"""The process in which Gambit runs; nothing else of the package loads it.

One JSON object comes in (``efg``, ``precision``, ``seconds``), one goes out: ``profiles``, ``version`` and ``seconds``,
or ``error`` with what Gambit says of the game.
"""

import io
import json
import math
import os
import signal
import sys
import time
from typing import Any

GRACE = 5  # seconds beyond its time after which the process ends by itself, should nobody be left to end it


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """What Gambit finds for one game, or what it says against it.

    Args:
        question: ``efg``, the text of a game whose infosets are labelled ``infoset 0``, ``infoset 1`` …;
            ``precision``, a list.
    """
    import pygambit  # pyright: ignore[reportMissingImports]

    try:
        game = pygambit.read_efg(io.StringIO(question["efg"]))
        begun = time.perf_counter()
        found = pygambit.qre.logit_solve_lambda(game, question["precision"])
        seconds = time.perf_counter() - begun
        profiles = [_as_numbers(game, profile) for profile in found]
    except Exception as error:  # whatever it says is for whoever asked
        return {"error": f"{type(error).__name__}: {error}"}
    return {"profiles": profiles, "version": pygambit.__version__, "seconds": seconds}


def _as_numbers(game: Any, found: Any) -> dict[str, Any]:
    """A profile in the order of our slots: by the number in an infoset's label, not by Gambit's own order."""
    profile, at, by_infoset = game.mixed_behavior_profile(), 0, {}
    for player in game.players:
        for infoset in player.infosets:
            for action in infoset.actions:
                profile[action] = found[at]
                at += 1
            by_infoset[int(infoset.label.split()[1])] = [float(profile[action]) for action in infoset.actions]
    return {
        "precision": float(found.lam),
        "probabilities": [p for number in sorted(by_infoset) for p in by_infoset[number]],
        "payoffs": [float(profile.payoff(player)) for player in game.players],
    }


def main() -> None:
    """Answer the question on standard input."""
    question = json.load(sys.stdin)
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(question["seconds"]) + GRACE)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever Gambit prints must not mix with the answer
    with out:
        json.dump(answer(question), out)


if __name__ == "__main__":
    main()
