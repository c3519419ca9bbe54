"""Imports point downwards only, and nothing heavy is imported before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "detente"

# From the bottom to the top. A module may import modules of its own part and of the ranks before it.
RANKS = (
    ("errors",),
    ("axes",),
    ("record",),
    ("model",),
    ("library",),
    ("scenarios",),
    ("solve",),
    ("learn", "decide"),
    ("play", "report"),
    ("studio",),
    ("cli_common", "cli_stop"),
    (
        "cli_decide",
        "cli_fit",
        "cli_learn",
        "cli_new",
        "cli_play",
        "cli_read",
        "cli_record",
        "cli_run",
        "cli_salvo",
        "cli_serve",
    ),
    ("cli", "__main__"),
)
RANK = {part: rank for rank, parts in enumerate(RANKS) for part in parts}

# (importing part, imported part): why this one may point sideways or upwards. Keep it empty if you can.
ALLOWED = {
    ("__main__", "cli"): "python -m detente is the command line under another name",
}

# The package itself, `import detente as dt`, is the public face: above everything, so that only those
# that stand outside may import it.
MAY_IMPORT_THE_FACE = {
    "library": "a library game is written as a user writes one",
    "scenarios": "a scenario's rules are written as a user writes them",
    "cli": "the command line prints the version",
}

# Seconds of start-up. `detente --help` and `import detente` must do without.
HEAVY = ("jax", "numba", "scipy", "xarray", "pandas", "altair", "vl_convert", "dask", "zarr", "matplotlib")


def part_of(module: str) -> str | None:
    """The part of the package a dotted name lies in: 'detente.model.game' -> 'model'; the face is ''."""
    names = module.split(".")
    if names[0] != "detente":
        return None
    return names[1] if len(names) > 1 else ""


def imported_modules(tree: ast.AST, package: list[str]) -> list[tuple[int, str]]:
    """Every module a file imports, at any depth, as (line, dotted name); `package` is where it lies."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base == "detente":  # `from detente import model` names a part, `... import solve` may name either
                found += [
                    (node.lineno, f"detente.{alias.name}" if alias.name in RANK else "detente") for alias in node.names
                ]
            else:
                found.append((node.lineno, base))
    return found


def verdict(importer: str, imported: str) -> str | None:
    """What is wrong with one part importing another; None if nothing is."""
    if importer == imported or (importer, imported) in ALLOWED:
        return None
    if imported == "":
        return None if importer in MAY_IMPORT_THE_FACE else "imports `detente` itself; name the module that is meant"
    if imported not in RANK:
        return f"imports `detente.{imported}`, which has no rank; give it one in RANKS"
    if RANK[imported] == RANK[importer]:
        return f"imports its sibling `{imported}`; move what both need to a lower part"
    if RANK[imported] > RANK[importer]:
        return f"imports `{imported}`, which stands above it; turn the dependency round"
    return None


def faults(root: Path) -> list[str]:
    """Every import under a package folder that does not point downwards."""
    found = []
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        importer = inside.parts[0].removesuffix(".py")
        if importer == "__init__":  # the face may import everything
            continue
        if importer not in RANK:
            found.append(f"{inside}: `{importer}` has no rank; give it one in RANKS")
            continue
        for line, module in imported_modules(
            ast.parse(path.read_text(encoding="utf-8")), ["detente", *inside.parts[:-1]]
        ):
            imported = part_of(module)
            wrong = None if imported is None else verdict(importer, imported)
            if wrong:
                found.append(f"{inside}:{line}: `{importer}` {wrong}")
    return found


def test_imports_point_downwards_only():
    assert not (found := faults(SOURCE)), "\n".join(["", *found])


def test_every_exception_to_the_layers_is_still_in_use():
    used = set()
    for path in SOURCE.rglob("*.py"):
        inside = path.relative_to(SOURCE)
        importer = inside.parts[0].removesuffix(".py")
        for _, module in imported_modules(ast.parse(path.read_text(encoding="utf-8")), ["detente", *inside.parts[:-1]]):
            used.add((importer, part_of(module)))
    present = {path.name.removesuffix(".py") for path in SOURCE.iterdir()}
    stale = [pair for pair in ALLOWED if pair[0] in present and pair not in used]
    assert not stale, f"ALLOWED lists imports that no file makes any more; remove them: {stale}"


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("model/game.py", "from detente.solve import sweep", "stands above it"),
        ("model/game.py", "from ..solve.dense import newton", "stands above it"),
        ("model/game.py", "from .. import solve", "stands above it"),
        ("model/game.py", "def late():\n    import detente.report.brief", "stands above it"),
        ("learn/fit.py", "import detente.decide", "its sibling `decide`"),
        ("report/brief.py", "from detente import play", "its sibling `play`"),
        ("solve/sweep.py", "import detente as dt", "name the module that is meant"),
        ("solve/sweep.py", "from detente.helpers import x", "has no rank"),
        ("helpers.py", "import os", "has no rank"),
    ],
)
def test_an_import_that_points_the_wrong_way_is_reported_with_its_place(tmp_path, file, line, complaint):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line + "\n", encoding="utf-8")
    (found,) = faults(tmp_path)
    assert found.startswith(file)
    assert complaint in found


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("solve/sweep.py", "from detente.model import game"),
        ("solve/sweep.py", "from .dense import newton"),
        ("solve/sweep.py", "from ..errors import SolveError"),
        ("solve/sweep.py", "import numpy, jax.numpy"),
        ("library/kuhn.py", "import detente as dt"),
        ("cli.py", "from .report import brief"),
        ("__init__.py", "from .cli import main"),
    ],
)
def test_an_import_that_points_downwards_is_left_alone(tmp_path, file, line):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line + "\n", encoding="utf-8")
    assert faults(tmp_path) == []


@pytest.mark.parametrize("statement", ["import detente", "import detente.cli"])
def test_nothing_heavy_is_imported_at_the_start(statement):
    program = f"import sys; {statement}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [], f"`{statement}` imports them before they are needed: {run.stdout.strip()}"
