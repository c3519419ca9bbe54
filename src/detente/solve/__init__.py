"""Agent quantal response equilibrium of a game, for every draw at once."""

import sys
from types import ModuleType
from typing import Any


class _Solve(ModuleType):
    """``detente.solve`` is this package and the public function: importing the package must not hide the function."""

    def __call__(self, *args: Any, **named: Any) -> Any:
        from detente.solve.api import solve

        return solve(*args, **named)


sys.modules[__name__].__class__ = _Solve
