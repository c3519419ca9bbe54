"""Model files: which strategic model, which column is what, and a formula for every payoff."""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detente.errors import ModelError, UsageError, nearest
from detente.learn.objective import Penalty

KEYS = (
    "model",
    "outcome",
    "choice",
    "errors",
    "equations",
    "scale",
    "fixed",
    "penalty",
    "start",
    "starts",
    "seed",
    "labels",
    "terminal",
    "weights",
    "covariance",
    "cluster",
    "rows",
    "method",
    "first_stage",
    "min_offer",
    "max_offer",
)
SPELLINGS = {
    "maxOffer": "max_offer",
    "minOffer": "min_offer",
    "link": "choice",
    "type": "errors",
    "phat": "first_stage",
}
SIZES = ("s1", "s2")  # sizes of the ultimatum model's shocks, which R's games fixes by arguments of these names


@dataclass(frozen=True)
class Specification:
    """Everything that says what to estimate; the keys of a model file.

    Attributes:
        model: Name of a built-in model, ``file.py:crisis``, or a crisis.
        equations: Predictor → formula (``~ x1 + x2``), a number at which it is fixed, or the name of another
            equation that
            it shares.
        outcome: Column of labels; or columns of counts, or of 0/1 for every move, or of offer and answer.
        choice: ``probit`` or ``logit``.
        errors: ``agent``, ``private`` or ``analyst``.
        scale: Error scale → formula or number for its logarithm.
        fixed: Predictor or scale → value at which it is fixed (of a scale itself, not of its logarithm).
        penalty: ``kind`` (cauchy, normal), ``scale``, ``intercept_scale``.
        start: ``equation:term`` → value at which the first search starts.
        starts: How many searches.
        seed: Of the random starts.
        labels: Value of the outcome column → terminal, or several terminals that it does not tell apart.
        terminal: Outcome of a user's rules whose labels the column holds.
        weights: Column of weights.
        covariance: ``hessian``, ``opg``, ``sandwich`` or ``cluster``.
        cluster: Column that says which rows belong together.
        rows: Condition on columns that rows must meet, such as ``year >= 1850``.
        method: Of the signalling game: ``npl``, ``pl`` or ``mle``.
        first_stage: Of the signalling game: columns of first-stage chances, or ``forest`` or ``logit``.
        min_offer: Of the ultimatum game.
        max_offer: Of the ultimatum game.
    """

    model: Any
    equations: Mapping[str, Any] = field(default_factory=dict)
    outcome: Any = None
    choice: str | None = None
    errors: str | None = None
    scale: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    penalty: Any = None
    start: Mapping[str, float] = field(default_factory=dict)
    starts: int | None = None
    seed: int = 0
    labels: Mapping[str, Any] = field(default_factory=dict)
    terminal: str | None = None
    weights: str | None = None
    covariance: str | None = None
    cluster: str | None = None
    rows: str | None = None
    method: str | None = None
    first_stage: Any = None
    min_offer: float | None = None
    max_offer: float | None = None


def read_model(path: Path) -> Specification:
    """Read a model file.

    Args:
        path: A TOML file.

    Raises:
        UsageError: If it cannot be read, or has a key that is not known or of the wrong kind.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}. Give the name of a model file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML: {error}. Correct it there.") from None
    for key in data:
        if key not in KEYS and key not in SPELLINGS and key not in SIZES:
            raise UsageError(f"{path}: {key!r} is not a key of a model file.{nearest(key, KEYS)}")
    if not isinstance(data.get("model"), str):
        raise UsageError(
            f"{path}: model = {data.get('model')!r}. Name a model: model = 'strategic-12', or 'file.py:crisis'."
        )
    for key in ("equations", "scale", "fixed", "start", "labels"):
        if key in data and not isinstance(data[key], dict):
            raise UsageError(f"{path}: {key} = {data[key]!r} is not a table. Write it under [{key}].")
    data = _plain_keys(path, data)
    if ":" in data["model"]:
        file, _, name = data["model"].rpartition(":")
        data["model"] = load_crisis(path.parent / file, name)
    return Specification(**data)


def _plain_keys(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    """Keys spelled as R's packages spell their arguments, under their own names here."""
    sizes = {key: value for key, value in data.items() if key in SIZES}
    plain: dict[str, Any] = {}
    for key, value in data.items():
        name = SPELLINGS.get(key, key)
        if name in plain:
            raise UsageError(f"{path}: {name!r} is there twice, once spelled as in R. Keep one.")
        if key not in SIZES:
            plain[name] = value
    if sizes:
        plain["fixed"] = {**sizes, **plain.get("fixed", {})}
    return plain


def load_crisis(path: Path, name: str) -> Any:
    """The rules in a Python file.

    Args:
        path: The file.
        name: Of the crisis in it.

    Raises:
        UsageError: If there is no such file, or no such crisis in it.
        ModelError: If the file cannot be run.
    """
    import importlib.util

    from detente.model.language import Crisis

    if not path.is_file():
        raise UsageError(f"model: there is no file {str(path)!r}. Give a path from the folder of the model file.")
    spec = importlib.util.spec_from_file_location(f"detente_model_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ModelError(f"{path}: cannot be run: {type(error).__name__}: {error}. Correct it there.") from None
    found = getattr(module, name, None)
    if not isinstance(found, Crisis):
        known = [k for k, v in vars(module).items() if isinstance(v, Crisis)]
        raise UsageError(f"model: {path.name} has no crisis {name!r}.{nearest(name, known)}")
    return found


def number(value: Any) -> float | None:
    """A number, or a number written as text (``"0"``, ``"-1.4"``, ``"log(5)"``); None where it is neither.

    Example:
        >>> number("0"), number(-1), number("log(1)"), number("~ x")
        (0.0, -1.0, 0.0, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    inside = re.fullmatch(r"\s*log\(([^()]*)\)\s*", value)
    try:
        found = float(inside[1] if inside else value)
    except ValueError:
        return None
    if inside:
        return math.log(found) if found > 0 else None
    return found if math.isfinite(found) else None


def make_penalty(given: Any) -> Penalty:
    """The penalty that a model asks for.

    Args:
        given: None, a kind, or a mapping with ``kind``, ``scale`` and ``intercept_scale``.

    Raises:
        UsageError: If a key or a value is not usable.

    Example:
        >>> make_penalty("cauchy")
        Penalty(kind='cauchy', scale=2.5, intercept_scale=10.0)
    """
    if given is None:
        return Penalty()
    if isinstance(given, Penalty):
        return given
    data: dict[str, Any] = {"kind": given} if isinstance(given, str) else dict(given)
    for key in data:
        if key not in ("kind", "scale", "intercept_scale"):
            raise UsageError(f"penalty: {key!r} is not known.{nearest(key, ('kind', 'scale', 'intercept_scale'))}")
    kind = data.setdefault("kind", "cauchy")
    if kind not in ("none", "cauchy", "normal"):
        raise UsageError(f"penalty: kind = {kind!r} is not known. Use 'cauchy' or 'normal'.")
    for key in ("scale", "intercept_scale"):
        if key in data and (number(data[key]) is None or data[key] <= 0):
            raise UsageError(f"penalty: {key} = {data[key]!r} is not a number above 0. Give the scale of the penalty.")
    return Penalty(**data)
