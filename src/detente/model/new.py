"""A scenario folder to begin with: a small crisis that runs, with every file explained."""

import re
import shutil
import tempfile
from datetime import date
from pathlib import Path
from string import Template

from detente.errors import UsageError
from detente.model.builtin import scenario_names

TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "new"
SUFFIX = ".template"


def new_scenario(folder: Path, *, title: str = "", today: date) -> list[Path]:
    """Make a scenario folder that every command takes, for a person to change into a crisis of their own.

    The folder appears whole or not at all, and nothing that exists is written over.

    Args:
        folder: Where to; its name is the scenario's name.
        title: What the crisis is called; the name in words when empty.
        today: The day of the examples in the record, and the as-of date.

    Returns:
        The files written, sorted.

    Raises:
        UsageError: If the name cannot be used, the folder exists already, or cannot be made.

    Example:
        >>> import tempfile
        >>> from datetime import date
        >>> home = tempfile.TemporaryDirectory()
        >>> files = new_scenario(Path(home.name) / "strait-2031", today=date(2031, 5, 1))
        >>> [str(file.relative_to(home.name)) for file in files][:2]
        ['strait-2031/README.md', 'strait-2031/record/README.md']
        >>> home.cleanup()
    """
    name = folder.name
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise UsageError(f"new: {name!r} cannot be a name. Use small letters, digits and hyphens, as in my-crisis.")
    if name in scenario_names():
        raise UsageError(f"new: {name!r} is the name of a scenario that comes with detente. Choose another.")
    if folder.exists():
        raise UsageError(f"new: {folder} exists already, and nothing is written over. Choose another name.")
    if not folder.parent.is_dir():
        raise UsageError(f"new: there is no folder {str(folder.parent)!r}. Make it first.")
    words = {"name": name, "title": _one_line(title) or name.replace("-", " ").capitalize(), "today": today.isoformat()}
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as part:
            draft = Path(part) / name
            shutil.copytree(TEMPLATES, draft)
            for template in draft.rglob(f"*{SUFFIX}"):
                text = Template(template.read_text(encoding="utf-8")).substitute(words)
                template.with_suffix("").write_text(text, encoding="utf-8")
                template.unlink()
            draft.rename(folder)
    except OSError as error:
        raise UsageError(f"new: {folder} cannot be made: {error.strerror}. Choose another place with --in.") from None
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _one_line(title: str) -> str:
    """A title that may stand in a line of every file.

    Raises:
        UsageError: If it holds a quotation mark, a backslash or a line break.
    """
    if re.search(r"[\"\\\n\r]", title):
        raise UsageError(f"new: the title {title!r} holds a quotation mark, a backslash or a line break. Leave it out.")
    return title.strip()
