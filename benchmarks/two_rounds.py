"""Alliance restraint played twice by the same types: some two million nodes, to see how the solver grows.

The second round follows a first that has ended without war: the patron gives one of four messages, in public, and the
protégé and the adversary act once more. What a player knows of itself it still knows.

Usage: uv run python benchmarks/two_rounds.py [FIRST TARGETS MESSAGES]

Prints one JSON object: what it costs to write out the histories of the crisis of that size, and to solve one draw (the
median world of October) twice, the first time with what is worked out once for a game. All three numbers at their
largest, 5 5 4, are 2.3 million nodes: ten minutes and 6 GiB.
"""

import json
import resource
import sys
import time
from typing import Any

from detente.library.restraint import (
    ADVERSARY,
    DEFIANCE,
    INVOLVEMENT,
    PATRON,
    PROTEGE,
    REPLIES,
    TARGETS,
    _impacts,
    _message,
    _sanctions,
    adversary_parts,
    patron_parts,
    protege_parts,
)
from detente.model.language import crisis

SECOND_MESSAGES = ("no conditions", "red lines", "withhold defence", "strike alone")
PARTS = {PATRON: patron_parts, PROTEGE: protege_parts, ADVERSARY: adversary_parts}


def crisis_of(first: int = len(TARGETS), targets: int = len(TARGETS), messages: int = len(SECOND_MESSAGES)) -> Any:
    """The rules with the first few targets in each round and messages in the second; ``messages=0`` leaves that out."""

    @crisis(players=(PATRON, PROTEGE, ADVERSARY))
    def two_rounds(g: Any, p: Any) -> dict:
        """A patron tries to restrain a protege that is attacked twice."""
        resolve = g.chance("protege resolve", {"low": 1 - p.protege_hawk, "high": p.protege_hawk}, seen_by=PROTEGE)
        zeal = g.chance("adversary resolve", {"low": 1 - p.adversary_hawk, "high": p.adversary_hawk}, seen_by=ADVERSARY)
        word = g.chance("patron's word", {"means it": p.patron_word, "bluffs": 1 - p.patron_word}, seen_by=PATRON)
        types = {
            "resolve": p.high_resolve if resolve == "high" else 1,
            "zeal": p.high_zeal if zeal == "high" else 1,
            "word": 1 if word == "means it" else p.bluff,
        }
        message, heard_by = _message(g, p)
        sanctions = _sanctions(g, message)
        told = {"message": message, "heard_by": heard_by, "sanctions": sanctions, "word kept": word == "means it"}
        rounds = [_act(g, p, types | told, TARGETS[:first], "")]
        if messages and not rounds[0]["war"]:
            everybody = (PROTEGE, ADVERSARY)
            second = g.choose(PATRON, "second message", SECOND_MESSAGES[:messages], seen_by=everybody)
            told |= {"message": second, "heard_by": "all"}
            rounds.append(_act(g, p, types | told, TARGETS[:targets], "second "))
        g.outcome(regional_war=rounds[-1]["war"])
        return {player: sum(part for f in rounds for part in parts(p, f).values()) for player, parts in PARTS.items()}

    return two_rounds


def _act(g: Any, p: Any, known: dict[str, Any], targets: tuple[str, ...], which: str) -> dict[str, Any]:
    """Retaliation, reply and what follows, as in one round of restraint."""
    target = g.choose(PROTEGE, which + "retaliation", targets, seen_by=(PATRON, ADVERSARY))
    replies = REPLIES[:3] if target == "none" else REPLIES
    reply = g.choose(ADVERSARY, which + "reply", replies, seen_by=(PATRON, PROTEGE))
    helped = not (known["message"] == "withhold defence" and known["word kept"])
    reinforced = known["message"] == "red lines"
    impacts = _impacts(_Renamed(g, which), p, reply, helped=helped, reinforced=reinforced)
    involvement, then = "defend only", "stop"
    if reply == "widen the war" or impacts == "many":
        involvement = g.choose(PATRON, which + "involvement", INVOLVEMENT, seen_by=(PROTEGE, ADVERSARY))
    if reply in ("limited", "mass salvo"):
        then = g.choose(PROTEGE, which + "next", ("stop", "war"), seen_by=(PATRON, ADVERSARY))
    return known | {
        "target": target,
        "reply": reply,
        "impacts": impacts,
        "helped": helped,
        "involvement": involvement,
        "then": then,
        "war": reply == "widen the war" or then == "war",
        "defiance": DEFIANCE[known["message"]][target],
    }


class _Renamed:
    """A recorder that puts a word before the names of moves."""

    def __init__(self, g: Any, which: str):
        self._g, self._which = g, which

    def chance(self, move: str, *args: Any, **kwargs: Any) -> Any:
        return self._g.chance(self._which + move, *args, **kwargs)


def peak_gib() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(first: int, targets: int, messages: int) -> dict[str, Any]:
    """Seconds by the clock and of CPU, and the memory, of one size."""
    from detente.model.compile import compile
    from detente.model.priors import median_draw
    from detente.model.scenario import load_scenario
    from detente.solve.api import solve

    median = median_draw(load_scenario("october-2024").priors)

    def timed(work: Any) -> tuple[Any, float, float]:
        clock, cpu = time.perf_counter(), time.process_time()
        return work(), time.perf_counter() - clock, time.process_time() - cpu

    solve(compile(crisis_of(1, 0, 0)), median, precision=median["precision"])  # compiled code is loaded
    game, *compiled = timed(lambda: compile(crisis_of(first, targets, messages), max_nodes=4_000_000))
    found: dict[str, Any] = {"nodes": game.num_nodes, "infosets": len(game.infosets), "compile": compiled}
    found["compile GiB"] = peak_gib()
    _, *once = timed(lambda: solve(game, median, precision=median["precision"]))
    solution, *again = timed(lambda: solve(game, median, precision=median["precision"]))
    found |= {"first": once, "again": again, "sweeps": int(solution.iterations[0]), "said": solution.message()}
    return found | {"GiB": peak_gib()}


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:4] or ("5", "5", "4")))))
