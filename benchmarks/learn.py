"""How long learning takes: likelihoods, April into October, the backtest. Run: uv run python benchmarks/learn.py."""

import time
from collections.abc import Callable

import numpy as np

from detente.learn.backtest import backtest
from detente.learn.carry import carry
from detente.learn.condition import condition
from detente.learn.likelihood import log_likelihood
from detente.library.games import GAMES
from detente.model.compile import compile
from detente.model.scenario import load_scenario


def timed(what: str, do_fn: Callable[[], object]) -> object:
    start = time.perf_counter()
    found = do_fn()
    print(f"{what:<70}{time.perf_counter() - start:8.2f} s", flush=True)
    return found


def main() -> None:
    april, october = load_scenario("april-2024"), load_scenario("october-2024")
    timed("write out the histories of April", lambda: april.game)
    timed("write out the histories of October", lambda: october.game)
    condition(april, num_draws=16, least_ess=1)  # compiles
    learnt = timed("condition April, 2,048 draws", lambda: condition(april))
    timed("carry into October, 2,048 + 1,024 draws", lambda: carry(learnt, october))  # type: ignore[arg-type]
    game = compile(GAMES["kuhn-poker"].crisis)
    move = game.infosets[0].move
    rows = [{move: game.infosets[0].options[i % 2]} for i in range(100_000)]
    values = {name: np.full(1, value) for name, value in GAMES["kuhn-poker"].defaults.items()}
    timed("100,000 rows of Kuhn poker, one draw", lambda: log_likelihood(game, values, rows))
    timed("backtest, 33 cases, 3,072 draws", lambda: backtest())


if __name__ == "__main__":
    main()
