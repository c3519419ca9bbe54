"""A game solved by Gambit as well, in a process of its own that may crash or hang without harm."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float

from detente.axes import Game
from detente.errors import SolveError, UsageError
from detente.model.efg import write_efg

COMMAND = (sys.executable, "-m", "detente.model.gambit_process")
SECONDS = 60.0  # that Gambit gets
FAR_OFF = 1e-6  # of the precision asked for, beyond which another has been solved


@dataclass(frozen=True, eq=False)
class GambitProfile:
    """What Gambit finds for one precision.

    Attributes:
        precision: λ that was asked for, per utility unit.
        precision_reached: λ of what Gambit gave back.
        probabilities: Chance of every option at every infoset, in the order of the game's slots.
        payoffs: Expected payoff of every player.
        version: Of Gambit.
        seconds: That it took for all precisions together, without its start.
    """

    precision: float
    precision_reached: float
    probabilities: Float[np.ndarray, "slot"]
    payoffs: Float[np.ndarray, "player"]
    version: str
    seconds: float

    @property
    def at_precision(self) -> bool:
        """Whether this is the precision that was asked for: sometimes it is another, and Gambit does not say so."""
        return abs(self.precision_reached - self.precision) <= FAR_OFF * max(1.0, self.precision)


def require_gambit(what: str) -> None:
    """Refuse where Gambit is not installed, and say how to install it; nothing of it is loaded here.

    Args:
        what: What needs it, for the message.

    Raises:
        UsageError: If it is not there.
    """
    if find_spec("pygambit") is None:
        raise UsageError(f"{what}: 'pygambit' is not installed. Run: pip install 'detente[gambit]'")


def solve_with_gambit(
    game: Game,
    draws: Mapping[str, Any] | None = None,
    *,
    precision: Sequence[float],
    seconds: float = SECONDS,
    command: Sequence[str] = COMMAND,
) -> tuple[GambitProfile, ...]:
    """Gambit's own agent quantal response equilibrium of a game: a second opinion.

    Gambit is given numbers in place of all labels, because it refuses labels that are not plain ASCII. It runs in a
    process of its own, which ends with everything that it started when its time is up.

    Cost: about a second to start Gambit; its time grows quickly with the number of infosets.

    Args:
        game: The game.
        draws: One value of every parameter, by name.
        precision: λ ≥ 0, per utility unit: one or several, increasing.
        seconds: That Gambit gets for all of them.
        command: What is started; it reads a question and prints an answer, as ``detente.model.gambit_process`` does.

    Returns:
        One profile for each precision.

    Raises:
        UsageError: If a parameter has no value, or the time is not a positive number.
        SolveError: If Gambit crashes, refuses the game or needs longer.
    """
    if not 0 < seconds < math.inf:
        raise UsageError(f"seconds: {seconds} is not a time. Give a positive number of seconds for Gambit.")
    if not game.num_slots:
        raise UsageError(f"solve_with_gambit: nobody chooses in {game.title!r}. There is nothing to compare.")
    question = {"efg": write_efg(_plain(game), draws), "precision": [float(p) for p in precision], "seconds": seconds}
    answer = _asked(command, json.dumps(question), seconds)
    if "error" in answer:
        raise SolveError(f"Gambit: cannot solve {game.title!r}: {answer['error'].rstrip('.')}. Compare another game.")
    shape = (game.num_slots, len(game.players))
    if any((len(found["probabilities"]), len(found["payoffs"])) != shape for found in answer["profiles"]):
        raise SolveError(f"Gambit: its answer does not fit {game.title!r}. Try the version that this was tested with.")
    return tuple(
        GambitProfile(
            precision=asked,
            precision_reached=found["precision"],
            probabilities=np.array(found["probabilities"]),
            payoffs=np.array(found["payoffs"]),
            version=answer["version"],
            seconds=answer["seconds"],
        )
        for asked, found in zip(question["precision"], answer["profiles"], strict=True)
    )


def _plain(game: Game) -> Game:
    """The same game with numbers for all labels."""
    return replace(
        game,
        title="game",
        players=tuple(f"player {n}" for n in range(len(game.players))),
        infosets=tuple(
            replace(infoset, move=f"infoset {n}", knows=(), options=tuple(map(str, range(len(infoset.options)))))
            for n, infoset in enumerate(game.infosets)
        ),
        chances=tuple(
            replace(chance, move=f"chance {n}", options=tuple(map(str, range(len(chance.options)))))
            for n, chance in enumerate(game.chances)
        ),
    )


def _asked(command: Sequence[str], question: str, seconds: float) -> dict[str, Any]:
    """What the process answers; it ends with everything that it started, whatever happens here."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        out, err = process.communicate(question, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise SolveError(
            f"Gambit: did not finish within {seconds:g} seconds and was ended. Give it more time, or compare at a "
            "lower precision."
        ) from None
    finally:
        _end(process)
    try:
        return json.loads(out)
    except ValueError:
        raise SolveError(
            f"Gambit: {_last_words(process.returncode, err)}. Compare another game or precision."
        ) from None


def _end(process: subprocess.Popen) -> None:
    if process.returncode is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _last_words(code: int, said: str) -> str:
    """How a process without an answer ended.

    Example:
        >>> _last_words(-11, "")
        'crashed (SIGSEGV)'
        >>> _last_words(1, "warming up\\nno memory left.\\n")
        'ended without an answer (no memory left)'
    """
    if code < 0:
        return f"crashed ({signal.Signals(-code).name})"
    lines = said.strip().splitlines() or [f"exit code {code}"]
    return f"ended without an answer ({lines[-1].rstrip('.')})"
