"""Detente: a workbench for international crises.

Write a crisis down once, as a plain Python function, and read its evidence, solve it, compare policies and brief from
it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from detente.errors import (
    DetenteError,
    GameFileError,
    ModelError,
    ScenarioError,
    SolveError,
    UsageError,
)

if TYPE_CHECKING:
    from detente.axes import Game as Game
    from detente.learn.fit import Fit as Fit
    from detente.learn.fit import fit as fit
    from detente.learn.likelihood import log_likelihood as log_likelihood
    from detente.model.compile import compile as compile
    from detente.model.language import Crisis as Crisis
    from detente.model.language import Player as Player
    from detente.model.language import crisis as crisis
    from detente.model.language import players as players
    from detente.model.symbols import exp as exp
    from detente.model.symbols import log as log
    from detente.model.symbols import maximum as maximum
    from detente.model.symbols import minimum as minimum
    from detente.model.symbols import sqrt as sqrt
    from detente.model.symbols import where as where
    from detente.solve.api import solve as solve
    from detente.solve.derivatives import Derivatives as Derivatives
    from detente.solve.derivatives import differentiate as differentiate
    from detente.solve.derivatives import pull_back as pull_back
    from detente.solve.solution import Solution as Solution

__version__ = "0.1.0"

# Public names and where they live; they are imported when first used, so that the command line starts quickly.
_PUBLIC = {
    "Crisis": "detente.model.language",
    "Derivatives": "detente.solve.derivatives",
    "Fit": "detente.learn.fit",
    "Game": "detente.axes",
    "Player": "detente.model.language",
    "Solution": "detente.solve.solution",
    "compile": "detente.model.compile",
    "crisis": "detente.model.language",
    "differentiate": "detente.solve.derivatives",
    "exp": "detente.model.symbols",
    "fit": "detente.learn.fit",
    "log": "detente.model.symbols",
    "log_likelihood": "detente.learn.likelihood",
    "maximum": "detente.model.symbols",
    "minimum": "detente.model.symbols",
    "players": "detente.model.language",
    "pull_back": "detente.solve.derivatives",
    "solve": "detente.solve.api",
    "sqrt": "detente.model.symbols",
    "where": "detente.model.symbols",
}

__all__ = [
    "Crisis",
    "Derivatives",
    "DetenteError",
    "Fit",
    "Game",
    "GameFileError",
    "ModelError",
    "Player",
    "ScenarioError",
    "Solution",
    "SolveError",
    "UsageError",
    "__version__",
    "compile",
    "crisis",
    "differentiate",
    "exp",
    "fit",
    "log",
    "log_likelihood",
    "maximum",
    "minimum",
    "players",
    "pull_back",
    "solve",
    "sqrt",
    "where",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'detente' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
