"""A setting saved as a scenario folder of its own: what it holds becomes fixed, everything else stays as written."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from detente.errors import DetenteError, ScenarioError, UsageError
from detente.model.builtin import FILE, scenario_names
from detente.model.scenario import load_scenario
from detente.studio.setting import Setting, number

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def save_setting(source: Path, setting: Setting, folder: Path, *, title: str, day: str) -> Path:
    """Write a scenario folder in which the parameters that a setting holds are fixed.

    The folder appears whole or not at all, is read back before it does, and nothing that exists is written over.

    Args:
        source: Folder of the scenario.
        setting: What is held.
        folder: Where to; its name is the new scenario's name.
        title: What the new scenario is called; the old title when empty.
        day: When, as it is to stand in the file.

    Returns:
        The folder.

    Raises:
        UsageError: If nothing is held, the name or title cannot be used, or the folder exists.
        ScenarioError: If the new scenario cannot be read back; it names the place, and nothing is left behind.
    """
    name = folder.name
    if not NAME.fullmatch(name):
        raise UsageError(f"name: {name!r} cannot be a name. Use small letters, digits and hyphens, as in my-crisis.")
    if name in scenario_names() or folder.exists():
        raise UsageError(f"name: {name!r} exists already, and nothing is written over. Choose another.")
    if not setting.values:
        raise UsageError("setting: nothing is held, so it is the scenario as it stands. Move a slider first.")
    text = (source / FILE).read_text(encoding="utf-8")
    changed = with_values(with_title(text, title) if title else text, setting.held, day=day)
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as part:
            draft = Path(part) / name
            shutil.copytree(source, draft, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            (draft / FILE).write_text(changed, encoding="utf-8")
            _check(draft, source, setting.held)
            draft.rename(folder)
    except OSError as error:
        raise UsageError(f"name: {folder} cannot be made: {error.strerror}. Start the server elsewhere.") from None
    return folder


def _check(draft: Path, source: Path, held: Mapping[str, float]) -> None:
    """Read a draft back: what is wrong with it is said before it is there."""
    try:
        written = load_scenario(draft).priors
    except DetenteError as error:
        where = str(error).replace(str(draft), str(source))
        raise ScenarioError(f"The new scenario cannot be read, so nothing was saved. {where}") from None
    for name, value in held.items():
        if getattr(written[name], "value", None) != float(number(value)):
            raise ScenarioError(
                f"{source / FILE}: parameters.{name}.prior: could not be rewritten, so nothing was saved. Write the "
                "prior as one line, prior = { … }, in [parameters." + name + "]."
            )


def with_title(text: str, title: str) -> str:
    """The text of a scenario file with another title.

    Args:
        text: The file.
        title: The new title.

    Raises:
        UsageError: If the title holds a quotation mark, a backslash or a line break, or the file has no title line.

    Example:
        >>> with_title('format = 1\\ntitle = "Old"\\n', "New")
        'format = 1\\ntitle = "New"\\n'
    """
    if re.search(r'["\\\x00-\x1f\x7f]', title):
        raise UsageError(f"title: {title!r} holds a quotation mark, a backslash or a line break. Leave it out.")
    top, rest = _split(text)
    changed, count = re.subn(r'(?m)^title\s*=\s*"[^"\n]*"', lambda _: f'title = "{title.strip()}"', top, count=1)
    if not count:
        raise UsageError('title: the scenario\'s file has no line title = "…" to change. Leave the title empty.')
    return changed + rest


def _split(text: str) -> tuple[str, str]:
    """What stands before the first section of a file, and the rest."""
    found = re.search(r"(?m)^\s*\[", text)
    return (text[: found.start()], text[found.start() :]) if found else (text, "")


def with_values(text: str, held: Mapping[str, float], *, day: str) -> str:
    """The text of a scenario file with some priors fixed, and what stood there before as a comment.

    Args:
        text: The file.
        held: Parameter → value.
        day: When, for the comment.

    Returns:
        The new text; a prior that is not written on one line is left alone.

    Example:
        >>> text = "[parameters.leak]\\nprior = { kind = 'uniform', low = 0, high = 1 }"
        >>> print(with_values(text, {"leak": 0.5}, day="2031-05-01"))
        [parameters.leak]
        # Held in the studio on 2031-05-01. Before: prior = { kind = 'uniform', low = 0, high = 1 }
        prior = { kind = "fixed", value = 0.5 }
    """
    lines, section = [], ""
    for line in text.split("\n"):
        header = re.match(r"\s*\[\s*parameters\s*\.\s*[\"']?([\w-]+)[\"']?\s*\]", line)
        if re.match(r"\s*\[", line):
            section = header.group(1) if header else ""
        if section in held and re.match(r"\s*prior\s*=\s*\{.*\}\s*(#.*)?$", line):
            lines.append(f"# Held in the studio on {day}. Before: {line.strip()}")
            line = f'prior = {{ kind = "fixed", value = {number(held[section])} }}'
        lines.append(line)
    return "\n".join(lines)
