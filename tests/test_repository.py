"""The frame around the package: its public files, its documentation, its lock and its one-command checks."""

import fnmatch
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "detente"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = PYPROJECT["project"]["version"]

GENERATED = {".git", ".venv", ".uv-venv", "node_modules", "build", "dist", "_build"}
PAGE_ENDINGS = {".html", ".htm", ".j2", ".jinja", ".js", ".mjs", ".css", ".svg"}

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
EMAIL_OF_NOBODY = re.compile(r"@(?:[\w-]+\.)*example(?:\.(?:com|org|net))?$|@users\.noreply\.|^git@")

# What makes a browser fetch something by itself. A link that a reader may click is not among them.
FETCHED = re.compile(
    r"""(?ix)
      \b(?:src|srcset|poster|data|action|formaction)\s*=\s*["']?\s*(?:https?:)?//
    | <link\b[^>]*\bhref\s*=\s*["']?\s*(?:https?:)?//
    | \burl\(\s*["']?\s*(?:https?:)?//
    | @import\s+["']\s*(?:https?:)?//
    | \b(?:fetch|importScripts|import|EventSource|WebSocket)\s*\(\s*["'`](?:https?:|wss?:)?//
    | \b(?:from|import)\s+["'](?:https?:)?//
    | \bxlink:href\s*=\s*["'](?:https?:)?//
    """
)


def files(root: Path = ROOT):
    """The files a person would find in a fresh clone: nothing hidden from git, nothing generated."""
    for folder, names, inside in os.walk(root):
        names[:] = sorted(n for n in names if n not in GENERATED and not n.endswith((".egg-info", "cache", "cache__")))
        yield from (Path(folder) / name for name in sorted(inside))


def pages_outside_every_toctree(docs: Path) -> list[str]:
    """Markdown pages of a documentation folder that no toctree reaches."""
    reached = {"index"}
    pages = {path.relative_to(docs).with_suffix("").as_posix() for path in files(docs) if path.suffix == ".md"}
    todo = ["index"]
    while todo:
        page = todo.pop()
        text = (docs / f"{page}.md").read_text(encoding="utf-8")
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
            for entry in (line.strip() for line in block.splitlines()):
                if not entry or entry.startswith(":"):
                    continue
                folder = Path(page).parent.as_posix()
                pattern = entry if folder == "." else f"{folder}/{entry}"
                # In a toctree `*` does not cross a slash.
                found = {
                    name
                    for name in pages
                    if name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)
                }
                todo += sorted(found - reached)
                reached |= found
    return sorted(pages - reached)


def requirement_name(requirement: str) -> str:
    """'Jinja2[x]>=3.1' -> 'jinja2'."""
    return re.split(r"[\s<>=!~\[;]", requirement, maxsplit=1)[0].lower().replace("_", "-")


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "Makefile",
        "uv.lock",
        "src/detente/py.typed",
    ],
)
def test_a_public_file_is_there(name):
    assert (ROOT / name).is_file()


def test_the_citation_file_is_valid_and_names_this_version():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed (it comes with the docs group)")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "type"} <= citation.keys()
    assert citation["type"] == "software"
    assert str(citation["version"]) == VERSION
    assert citation["license"] == PYPROJECT["project"]["license"]
    for author in citation["authors"] + [a for r in citation["references"] for a in r["authors"]]:
        assert author.keys() & {"name", "family-names"}, author


def test_the_citation_file_names_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (\S+)$", text, flags=re.MULTILINE) == [VERSION]


def test_the_changelog_has_an_entry_for_this_version():
    entries = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert entries, "CHANGELOG.md has no entry at all"
    assert entries[0] == VERSION, f"the newest entry is {entries[0]}; pyproject.toml says {VERSION}"


def test_the_licence_is_the_one_that_is_declared():
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert re.search(r"Apache License\s+Version 2\.0", (ROOT / "LICENSE").read_text(encoding="utf-8"))


def test_the_lock_holds_what_the_project_asks_for():
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    (entry,) = (package for package in lock["package"] if package["name"] == "detente")
    assert entry["version"] == VERSION
    asked = {(requirement_name(r), None) for r in PYPROJECT["project"]["dependencies"]}
    for extra, requirements in PYPROJECT["project"].get("optional-dependencies", {}).items():
        asked |= {(requirement_name(r), extra) for r in requirements}
    locked = set()
    for requirement in entry["metadata"]["requires-dist"]:
        extra = re.search(r"extra == '([^']+)'", requirement.get("marker", ""))
        locked.add((requirement["name"], extra.group(1) if extra else None))
    assert locked == asked, "pyproject.toml and uv.lock disagree: run `uv lock`"
    for group, requirements in PYPROJECT["dependency-groups"].items():
        names = {requirement_name(r) for r in requirements if isinstance(r, str)}
        if names:
            found = {r["name"] for r in entry["metadata"]["requires-dev"][group]}
            assert names <= found, f"group {group}: run `uv lock`"


def test_every_docs_page_is_in_a_toctree():
    assert pages_outside_every_toctree(ROOT / "docs") == []


def test_a_docs_page_in_no_toctree_is_found(tmp_path):
    (tmp_path / "how-to").mkdir()
    (tmp_path / "index.md").write_text("```{toctree}\n:glob:\n\nhow-to/*\n```\n")
    (tmp_path / "how-to" / "listed.md").write_text("# Listed\n")
    (tmp_path / "lost.md").write_text("# Lost\n")
    assert pages_outside_every_toctree(tmp_path) == ["lost"]


def test_every_key_cited_in_a_docstring_or_page_is_in_the_bibliography():
    bibliography = (ROOT / "docs" / "references.bib").read_text(encoding="utf-8")
    known = re.findall(r"^@\w+\{([^,]+),", bibliography, flags=re.MULTILINE)
    assert len(known) == len(set(known)), "references.bib has a key twice"
    unknown = []
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "docs").rglob("*.md")]:
        text = path.read_text(encoding="utf-8")
        cited = {key.strip() for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text) for key in keys.split(",")}
        for section in re.findall(r"^ *Source:\n((?: +\S.*\n)+)", text, flags=re.MULTILINE):
            cited |= set(re.findall(r"\b[a-z]+(?:19|20)\d\d[a-z]?\b", section))
        unknown += [f"{path.relative_to(ROOT)}: {key}" for key in sorted(cited - set(known))]
    assert not unknown, "\n".join(unknown)


def test_no_file_holds_the_address_of_a_person():
    found = []
    for path in files():
        for address in EMAIL.findall(path.read_bytes().decode("utf-8", errors="replace")):
            if not EMAIL_OF_NOBODY.search(address):
                found.append(f"{path.relative_to(ROOT)}: {address}")
    assert not found, "\n".join(found)


def test_no_page_fetches_anything_from_elsewhere():
    found = []
    for path in files(PACKAGE):
        if path.suffix in PAGE_ENDINGS:
            for match in FETCHED.finditer(path.read_text(encoding="utf-8")):
                found.append(f"{path.relative_to(ROOT)}: {match.group(0)}")
    assert not found, "these are fetched when the page is opened; ship them inside it:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "fetches"),
    [
        ('<script src="https://cdn.example.org/x.js"></script>', True),
        ("<img src='//cdn.example.org/x.png'>", True),
        ('<link rel="stylesheet" href="https://fonts.example.org/css">', True),
        ("body { background: url(https://example.org/x.png) }", True),
        ('import x from "https://example.org/x.js"', True),
        ("const r = await fetch(`https://example.org/data`)", True),
        ('<svg xmlns="http://www.w3.org/2000/svg">', False),
        ('<a href="https://example.org/report">the report</a>', False),
        ('<script src="studio.js"></script>', False),
    ],
)
def test_what_a_page_fetches_is_told_from_what_it_links_to(text, fetches):
    assert bool(FETCHED.search(text)) is fetches


def test_the_wheel_takes_the_whole_package_scenarios_included():
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["src/detente"]
    assert not wheel.keys() & {"exclude", "only-include", "include"}, "a scenario's files could be left out"
    # Hatch leaves out what git ignores, so a pattern in .gitignore can lose a scenario's file.
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout: which files git ignores cannot be asked")
    inside = [path.relative_to(ROOT).as_posix() for path in files(PACKAGE)]
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=ROOT,
        input="\n".join(inside),
        capture_output=True,
        text=True,
    )
    assert asked.stdout.split() == [], "git ignores these, so the wheel would lack them"


def test_every_make_target_is_declared_and_explained():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (declared,) = re.findall(r"^\.PHONY: (.+)$", text, flags=re.MULTILINE)
    explained = re.findall(r"^([a-z]+):.*## \S", text, flags=re.MULTILINE)
    assert sorted(explained) == sorted(declared.split())
    assert {"brief", "serve", "test", "lint", "types", "docs", "check", "bench", "clean", "help"} == set(explained)


def test_make_alone_lists_the_targets():
    if shutil.which("make") is None:
        pytest.skip("there is no make on this machine")
    run = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert "make brief" in run.stdout


@pytest.mark.parametrize(
    ("python", "complaint"),
    [
        ("no-such-python", "there is no 'no-such-python' on this machine"),
        ("old-python", "is Python 3.9.2, and detente needs Python 3.11 or newer"),
        ("bare-python", "sudo apt-get install python3-venv"),
    ],
)
def test_make_says_what_is_missing_where_there_is_no_uv(tmp_path, python, complaint):
    make = shutil.which("make")
    if make is None:
        pytest.skip("there is no make on this machine")
    # Stand-ins: one that is too old, and one that lacks ensurepip as Debian's does without python3-venv.
    scripts = {
        "old-python": 'case "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac',
        "bare-python": 'case "$2" in *ensurepip*) exit 1 ;; esac',
    }
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, body in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    for name in ("sh", "echo", "test", "rm", "awk"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    shutil.copy(ROOT / "Makefile", tmp_path)
    run = subprocess.run(
        [make, f"PYTHON={python}", "test"],
        cwd=tmp_path,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode != 0
    assert complaint in run.stderr
    assert not (tmp_path / ".uv-venv").exists()


def test_the_check_script_ends_with_make_test():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "set -euo pipefail"
    assert lines[-1] == "make test"
    assert [line for line in lines if line.startswith("make ")] == [
        "make lint",
        "make types",
        "make docs",
        "make test",
    ]


def test_the_workflow_runs_the_check_script():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r"^ +- run: (.+)$", workflow, flags=re.MULTILINE) == [".ci/run"]
