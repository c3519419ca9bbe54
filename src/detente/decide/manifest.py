"""What a run was computed from and with; the same manifest gives the same numbers."""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, TypeGuard

import numpy as np

from detente.axes import Game, Rows
from detente.model.priors import Correlations, Prior
from detente.model.scenario import FILE, STATED, Policy, Scenario

FORMAT = 2  # of the store
BLOCK_DRAWS = 1_024  # draws in a block of a store: a few seconds of work for a large crisis
PACKAGES = ("detente", "numpy", "scipy", "numba")  # those that make the numbers
ABSENT = "(not there)"


@dataclass(frozen=True)
class Settings:
    """What is asked of a run, beside the scenario.

    Attributes:
        num_draws: Draws in all.
        seed: Of the draws.
        design: ``sobol``, ``lhs`` or ``monte carlo``.
        block: Draws in a block.
        policies: Name → policy; None for all policies of the scenario.
        priors: Parameter → prior; None for those of the scenario.
        correlations: Parameter → other parameter → rank correlation; None for those of the scenario.
        structures: Names of the structures; None for all.
    """

    num_draws: int = 2_000
    seed: int = 0
    design: str = "sobol"
    block: int = BLOCK_DRAWS
    policies: Mapping[str, Policy] | None = None
    priors: Mapping[str, Prior] | None = None
    correlations: Correlations | None = None
    structures: tuple[str, ...] | None = field(default=None)

    def filled(self, scenario: Scenario) -> "Settings":
        """The same settings with everything that was left to the scenario filled in."""
        file = scenario.file
        return Settings(
            num_draws=self.num_draws,
            seed=self.seed,
            design=self.design,
            block=self.block,
            policies=dict(file.policies if self.policies is None else self.policies),
            priors=dict(scenario.priors if self.priors is None else self.priors),
            correlations=file.correlations if self.correlations is None else self.correlations,
            structures=(STATED, *file.structures) if self.structures is None else tuple(self.structures),
        )


def make_manifest(scenario: Scenario, settings: Settings, games: Mapping[str, Game]) -> dict[str, Any]:
    """Everything that the numbers of a run depend on, and nothing else: no time, no place.

    Args:
        scenario: The scenario as it stands.
        settings: Filled in.
        games: Structure → its game.

    Returns:
        A dictionary that survives JSON unchanged.
    """
    policies, priors = settings.policies or {}, settings.priors or {}
    found = {
        "format": FORMAT,
        "scenario": scenario.slug,
        "scenario_sha256": scenario_hash(scenario),
        "draws": settings.num_draws,
        "seed": settings.seed,
        "design": settings.design,
        "block": settings.block,
        "structures": {
            name: {
                "game_sha256": game_hash(game),
                **_unusual(scenario.structure(name).behaviour),
                "weight": 1.0 if name == STATED else scenario.file.structures[name].weight,
            }
            for name, game in games.items()
        },
        # Lists, because the order of policies and parameters is that of the axes and of the draws.
        "policies": [{"name": n, "commit": dict(p.commit), "announced": p.announced} for n, p in policies.items()],
        "priors": [{"name": n, **p.model_dump(), **_tie(p)} for n, p in priors.items()],
        "correlations": {name: dict(others) for name, others in (settings.correlations or {}).items()},
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "machine": platform.machine(),
    }
    return json.loads(as_text(found))


def _unusual(behaviour: Mapping[str, Any]) -> dict[str, Any]:
    """The precision, and what else is not as usual: runs from before there was anything else keep their manifest."""
    usual = {"choice": "logit", "branch": "principal"}
    return {key: value for key, value in behaviour.items() if value != usual.get(key)}


def _tie(prior: Prior) -> dict[str, Any]:
    return {} if prior.tied is None else {"tied": prior.tied.model_dump()}


def as_text(manifest: Mapping[str, Any]) -> str:
    """A manifest as JSON, the same text for the same contents."""
    return json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def differences(there: Any, here: Any, *, key: str = "") -> Iterator[str]:
    """What differs between two manifests, one line each.

    Args:
        there: The manifest of a store.
        here: The manifest of this run.
        key: Where in the manifest, for the start of the line.

    Example:
        >>> list(differences({"seed": 1, "versions": {"numpy": "2.0"}}, {"seed": 2, "versions": {"numpy": "2.0"}}))
        ['seed: 1 in the store, 2 in this run']
    """
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for name in dict.fromkeys([*there, *here]):
            inner = f"{key}.{name}" if key else str(name)
            yield from differences(there.get(name, ABSENT), here.get(name, ABSENT), key=inner)
    elif _named(there) and _named(here):
        ours, theirs = _by_name(here), _by_name(there)
        if list(ours) != list(theirs) and set(ours) == set(theirs):
            yield f"{key}: in another order"
        yield from differences(theirs, ours, key=key)
    elif there != here:
        yield f"{key}: {_shown(there)} in the store, {_shown(here)} in this run"


def _named(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and all(isinstance(v, dict) and "name" in v for v in value)


def _by_name(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["name"]: {k: v for k, v in entry.items() if k != "name"} for entry in entries}


def _shown(value: Any) -> str:
    text = str(value) if not isinstance(value, str) or value == ABSENT else repr(value)
    return text if len(text) <= 40 else f"{text[:24]}…"


# -- hashes --------------------------------------------------------------------------------------
def scenario_hash(scenario: Scenario) -> str:
    """SHA-256 over the scenario's file, its rules and its record, by name and content."""
    digest = hashlib.sha256()
    folder = scenario.folder
    for path in [folder / FILE, *sorted((folder / "record").glob("*.jsonl")), *sorted(folder.glob("*.py"))]:
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def game_hash(game: Game) -> str:
    """SHA-256 over the arrays, labels, polynomials and outcomes of a game."""
    digest = hashlib.sha256()
    for array in (game.kind, game.parent, game.option, game.infoset, game.chance):
        digest.update(np.ascontiguousarray(array).tobytes())
    for rows in (game.payoff, game.probability):
        _add_rows(digest, rows)
    digest.update(repr((game.players, game.infosets, game.chances, game.basis)).encode())
    for name, outcome in game.outcomes.items():
        digest.update(repr((name, outcome.kind, outcome.labels)).encode())
        digest.update(np.ascontiguousarray(outcome.codes).tobytes())
        if outcome.rows is not None:
            _add_rows(digest, outcome.rows)
    return digest.hexdigest()


def _add_rows(digest: Any, rows: Rows) -> None:
    matrix = rows.matrix.tocsr() if hasattr(rows.matrix, "tocsr") else rows.matrix
    for part in (matrix.data, matrix.indices, matrix.indptr) if hasattr(matrix, "indptr") else (matrix,):
        digest.update(np.ascontiguousarray(part).tobytes())
