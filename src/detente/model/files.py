"""Writing files so that nothing is ever half-written."""

import os
import tempfile
from pathlib import Path

from detente.errors import UsageError


def check_writable(path: Path) -> None:
    """Make sure that a file can be written, before the work whose result goes there.

    Raises:
        UsageError: If its folder does not exist or cannot be written to, or the path is a folder.
    """
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"{path}: is a folder. Give the name of a file in it.")
    if not folder.is_dir():
        raise UsageError(f"{path}: there is no folder {str(folder)!r}. Make it, or write elsewhere with --output.")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UsageError(f"{path}: cannot be written here. Write elsewhere with --output.")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all; see :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: to a temporary file beside it, then renamed.

    Args:
        path: Where to; an existing file is replaced.
        content: What to write.

    Raises:
        UsageError: If it cannot be written there.
    """
    check_writable(path)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}. Write elsewhere with --output.") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
