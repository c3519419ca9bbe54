"""The scenarios that are ready to answer, read again when their files change."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path

from detente.errors import DetenteError
from detente.model.builtin import BUILTIN
from detente.studio.forecast import Room, open_room

KEPT = 6  # scenarios that are ready at once


@dataclass(eq=False)
class Rooms:
    """The scenarios that are ready to answer.

    Example:
        >>> Rooms().open(BUILTIN / "nowhere")
        Traceback (most recent call last):
        detente.errors.UsageError: scenario: ...
    """

    _open: "OrderedDict[Path, tuple[tuple, Room]]" = field(default_factory=OrderedDict)

    def open(self, folder: Path) -> Room:
        """A scenario, read again when one of its files has changed.

        What cannot be read any more is answered from the last version that could, with the trouble noted.

        Args:
            folder: Of the scenario.

        Returns:
            The room; ``trouble`` says what is wrong with the files as they are now.

        Raises:
            UsageError: If there is no such scenario.
            DetenteError: If it cannot be read, and never could.
        """
        from detente.model.scenario import load_scenario

        before = self._open.get(folder)
        now = signature(folder)
        if before is not None and before[0] == now:
            self._open.move_to_end(folder)
            return before[1]
        try:
            room = open_room(load_scenario(folder))
        except DetenteError as error:
            if before is None:
                raise
            room = replace(before[1], trouble=str(error))
        self._open[folder] = (now, room)
        while len(self._open) > KEPT:
            self._open.popitem(last=False)
        return room


def signature(folder: Path) -> tuple:
    """Something that changes when a file of a scenario does; those of the package do not.

    Args:
        folder: Of the scenario.
    """
    if folder.parent == BUILTIN:
        return ()
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
