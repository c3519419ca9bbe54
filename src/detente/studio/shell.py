"""What every page of the studio shares: templates, addresses, and the list of scenarios; light, for the server."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from detente.model.builtin import BUILTIN, FILE, scenario_names

if TYPE_CHECKING:
    from jinja2 import Environment

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Address:
    """Where a page is, and what its reader may do.

    Attributes:
        explore: Address of the list of scenarios.
        record: Address under which records are.
        csrf: What a form has to send back; empty for somebody who may only read.
    """

    explore: str = "/explore"
    record: str = "/record"
    csrf: str = ""

    @property
    def facilitator(self) -> bool:
        """Whether the reader may save, and ask for a brief."""
        return bool(self.csrf)


@lru_cache(maxsize=1)
def environment() -> "Environment":
    """Where templates come from; everything that is filled in is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("detente.studio"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "sentence": lambda text: text[:1].upper() + text[1:],
        "readable": lambda name: name.replace("_", " "),
    }
    made.globals |= {"notice": "", "notice_title": "Not done"}
    return made


def render(template: str, **values: Any) -> str:
    """A page or a part of one.

    Args:
        template: Its name without ending.
        **values: What is filled in.
    """
    return environment().get_template(f"{template}.html.jinja").render(**values)


def list_page(entries: "list[Entry]", at: Address) -> str:
    """The scenarios to choose from.

    Args:
        entries: The scenarios.
        at: Where the page is.
    """
    return render("list", entries=entries, at=at)


def message_page(title: str, text: str, at: Address) -> str:
    """A page that says one thing.

    Args:
        title: In a few words.
        text: What there is to say.
        at: Where the page is.
    """
    return render("message", title=title, text=text, at=at)


def waiting_page(folder: Path, at: Address, step: int, words: str, steps: int) -> str:
    """What is shown while a scenario is made ready for the first time.

    Args:
        folder: Of the scenario.
        at: Where the page is.
        step: How many steps are done.
        words: What is being done.
        steps: How many there are.

    Returns:
        The page; empty if the scenario's file cannot be read, which is for others to say.
    """
    try:
        data = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))
        policies = [
            {"title": str(policy["title"]), "meaning": " ".join(str(policy["meaning"]).split())}
            for policy in data.get("policies", {}).values()
        ]
        title, summary = str(data["title"]), " ".join(str(data.get("summary", "")).split())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, AttributeError, TypeError):
        return ""
    part = f"{at.explore}/{quote(folder.name)}/ready"
    shown = {"title": title, "summary": summary, "policies": policies}
    return render("waiting", at=at, part=part, step=step, words=words, steps=steps, **shown)


# -- the scenarios that can be opened ----------------------------------------------------------------------
@dataclass(frozen=True)
class Entry:
    """A scenario in the list.

    Attributes:
        name: Of its folder.
        title: What it is called; empty where the file cannot be read.
        trouble: Why it cannot be read; empty if it can.
    """

    name: str
    title: str
    trouble: str = ""


def entries(home: Path | None = None, offered: Mapping[str, str] | None = None) -> list[Entry]:
    """The scenarios that come with the package, then those offered at the start, then those in a folder.

    Args:
        home: A folder with scenario folders in it, or None.
        offered: Name → folder.
    """
    folders = {name: BUILTIN / name for name in scenario_names()}
    folders |= {name: Path(folder) for name, folder in (offered or {}).items()}
    if home is not None:
        for path in sorted(home.glob(f"*/{FILE}")):
            if NAME.fullmatch(path.parent.name):
                folders.setdefault(path.parent.name, path.parent)
    return [_entry(folder) for folder in folders.values()]


def _entry(folder: Path) -> Entry:
    path = folder / FILE
    try:
        return Entry(folder.name, str(tomllib.loads(path.read_text(encoding="utf-8"))["title"]))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Entry(folder.name, "", f"{path}: {error}")
    except KeyError:
        return Entry(folder.name, "", f"{path}: title is missing. Add it.")


def folder_of(name: str, home: Path | None = None, offered: Mapping[str, str] | None = None) -> Path | None:
    """The folder of a scenario; None if there is none of that name.

    Args:
        name: As an address gives it; it names no path.
        home: See :func:`entries`.
        offered: See :func:`entries`.

    Example:
        >>> folder_of("../october-2024") is None
        True
    """
    if name in scenario_names():
        return BUILTIN / name
    if offered and name in offered:
        return Path(offered[name])
    if home is None or not NAME.fullmatch(name) or not (home / name / FILE).is_file():
        return None
    return home / name
