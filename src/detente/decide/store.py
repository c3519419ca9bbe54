"""A run on disk: one Zarr cube, written block by block, in which a killed run finds what it had done.

::

    STORE/
      manifest.json      what the numbers depend on
      cube.zarr/         one chunk of every variable for each block; any Zarr library reads it
      blocks/000012.json which files block 12 is made of, with the SHA-256 of each; written last

Every file is written under a temporary name and renamed, so that none is ever half-written, and a block counts as done
when its record is there, with all its draws, and its files are what the record says. Nothing in a store depends on when
or where it was written: two runs with the same manifest make the same bytes.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detente.decide.blocks import Block, Prepared
from detente.decide.manifest import as_text, differences
from detente.errors import UsageError
from detente.model.priors import CHUNK

MANIFEST, CUBE, BLOCKS = "manifest.json", "cube.zarr", "blocks"
PART = ".part"  # ending of temporary files
MISSING, DONE, CORRUPT = "missing", "done", "corrupt"
UNSOLVED = -1  # status of draws in blocks that are not written yet
LEVEL = 1  # of the compression: higher ones take longer and make numbers no smaller
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Store:
    """A run on disk.

    Attributes:
        path: Its folder.
        manifest: What its numbers depend on.
    """

    path: Path
    manifest: Mapping[str, Any]

    @property
    def num_draws(self) -> int:
        """Draws of the whole run."""
        return int(self.manifest["draws"])

    @property
    def block(self) -> int:
        """Draws in a block."""
        return int(self.manifest["block"])

    @property
    def num_blocks(self) -> int:
        """Blocks of the whole run."""
        return -(-self.num_draws // self.block)

    @property
    def structures(self) -> tuple[str, ...]:
        """Names of the structures."""
        return tuple(self.manifest["structures"])

    def draws_in(self, index: int) -> int:
        """Number of draws in a block; the last may be smaller."""
        return min(self.block, self.num_draws - index * self.block)

    def record(self, index: int) -> Path:
        """Where it is recorded what a block is made of."""
        return self.path / BLOCKS / f"{index:06}.json"

    def failures(self) -> dict[int, str]:
        """Draw → what made it impossible to solve, over the blocks that are done."""
        found = {}
        for index in range(self.num_blocks):
            if self.record(index).is_file():
                record = json.loads(self.record(index).read_text(encoding="utf-8"))
                found |= {int(draw): message for draw, message in record["failures"].items()}
        return found


# -- making and opening --------------------------------------------------------------------------
def create(path: Path, prepared: Prepared, *, extend: bool = False) -> Store:
    """Make an empty store, or open the one that is there if it is of the same run.

    Args:
        path: Its folder, which must not exist, be empty, or be a store of the same manifest.
        prepared: The run.
        extend: Open one that holds the first draws of the run as well; :func:`settle` makes room for the others.

    Returns:
        The store, as it is.

    Raises:
        UsageError: If there is something else, a store of another manifest (it says what differs), or no room.
    """
    if path.is_dir() and any(path.iterdir()):
        store = open_store(path)
        _check_same(store, prepared, extend=extend)
        return store
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file, and a store is a folder. Write to another --store.")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {str(path.parent)!r}. Make it, or write to another --store.")
    with _clear_errors(path):
        for left in path.parent.glob(f".{path.name}.*{PART}"):  # of a run that was killed while it made the store
            shutil.rmtree(left, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART))
        try:
            temporary.chmod(0o755)
            _make_cube(temporary / CUBE, prepared)
            (temporary / BLOCKS).mkdir()
            (temporary / MANIFEST).write_text(as_text(prepared.manifest), encoding="utf-8")
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return Store(path, prepared.manifest)


def _check_same(store: Store, prepared: Prepared, *, extend: bool) -> None:
    """Refuse a store of another run; one that holds the first draws of this run is one only without ``extend``."""
    lines = list(differences(store.manifest, prepared.manifest))
    if not lines:
        return
    there, here = store.num_draws, prepared.job.settings.num_draws
    begins = {**store.manifest, "draws": here} == prepared.manifest
    if begins and there > here:
        raise UsageError(
            f"{store.path}: holds {there:,} draws, and this run asks for {here:,}. A store can be made longer, but not "
            f"shorter: repeat the run with --draws {there}, or write to another --store."
        )
    if begins and store.manifest["design"] == "lhs" and there % CHUNK:
        raise UsageError(
            f"{store.path}: holds {there:,} draws of Latin hypercubes of {CHUNK:,}, the last of them smaller, which "
            "cannot grow. Write to another --store, or draw with the design 'sobol'."
        )
    if begins and extend:
        return
    remedy = "Write to another --store, or repeat the run that it holds."
    if begins:
        remedy = "Write to another --store, repeat the run that it holds, or add draws to it with --extend."
    raise UsageError(f"{store.path}: holds another run, and two runs are never mixed: {'; '.join(lines)}. {remedy}")


def settle(store: Store, prepared: Prepared) -> Store:
    """Make the descriptions in a store those of the run: more draws than before, or one that was damaged.

    A kill at any moment leaves a store of the larger run that is not finished.

    Args:
        store: From :func:`create`; nobody else may be writing to it.
        prepared: The run.

    Returns:
        The store, ready for the blocks of the run.

    Raises:
        UsageError: If it cannot be written to.
    """
    if store.manifest is prepared.manifest:  # it was made just now
        return store
    whole = Store(store.path, prepared.manifest)
    with _clear_errors(store.path), tempfile.TemporaryDirectory() as folder:
        if store.manifest != prepared.manifest:
            _write(store.path / MANIFEST, as_text(prepared.manifest).encode())
        for index in range(whole.num_blocks):  # one that ended the shorter run is not whole any more
            if _draws_recorded(whole, index) not in (None, whole.draws_in(index)):
                whole.record(index).unlink()
        _make_cube(Path(folder) / CUBE, prepared)
        for made in sorted(file for file in Path(folder).rglob("*") if file.is_file()):
            place, text = store.path / made.relative_to(folder), made.read_bytes()
            if not place.is_file() or place.read_bytes() != text:
                _write(place, text)
    return whole


def _draws_recorded(store: Store, index: int) -> int | None:
    """How many draws a block has by its record; None where there is none that can be read."""
    try:
        return int(json.loads(store.record(index).read_text(encoding="utf-8"))["draws"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def open_store(path: str | Path) -> Store:
    """Open a store that was made before.

    Args:
        path: Its folder.

    Returns:
        The store; reading it needs nothing of the scenario.

    Raises:
        UsageError: If there is none, or it cannot be read.
    """
    path = Path(path)
    if not (path / MANIFEST).is_file():
        raise UsageError(f"{path}: is not a store of a run ({MANIFEST} is missing). Give the folder of one.")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path / MANIFEST}: cannot be read: {error}. Restore it, or begin another store.") from None
    return Store(path, manifest)


def _make_cube(path: Path, prepared: Prepared) -> None:
    """An empty cube: the description of every variable, and the names on the axes."""
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    group = zarr.create_group(path, zarr_format=3)
    for axis, names in prepared.axes.items():
        array = group.create_array(
            axis,
            shape=(len(names),),
            chunks=(max(len(names), 1),),
            dtype=str,  # type: ignore[arg-type]
            fill_value="",
            dimension_names=(axis,),
        )
        if names:
            array[:] = np.array(names, dtype=object)
    weights = [entry["weight"] for entry in prepared.manifest["structures"].values()]
    group.create_array("structure_weight", data=np.array(weights, dtype=float), dimension_names=("structure",))
    for name, (dims, shape, chunk, dtype) in variables(prepared).items():
        group.create_array(
            name,
            shape=shape,
            chunks=chunk,
            dtype=dtype,
            fill_value=np.nan if dtype == "<f8" else UNSOLVED,
            dimension_names=dims,
            compressors=[ZstdCodec(level=LEVEL), Crc32cCodec()],
        )


def variables(prepared: Prepared) -> dict[str, tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...], str]]:
    """The variables of the cube: name → axes, shape, shape of a chunk, and type of the numbers.

    Args:
        prepared: The run.
    """
    axes, settings = prepared.axes, prepared.job.settings
    whole = ("structure", "policy")
    named = {
        "parameters": (("parameter", "draw"), "<f8"),
        "values": ((*whole, "outcome", "draw"), "<f8"),
        "payoffs": ((*whole, "player", "draw"), "<f8"),
        **{
            f"distribution_{axis.removeprefix('label_')}": ((*whole, axis, "draw"), "<f8") for axis in prepared.labelled
        },
        "status": ((*whole, "draw"), "|i1"),
        "residual": ((*whole, "draw"), "<f8"),
        "iterations": ((*whole, "draw"), "<i4"),
    }
    found = {}
    for name, (dims, dtype) in named.items():
        sizes = tuple(len(axes[dim]) for dim in dims[:-1])
        block = min(settings.block, settings.num_draws)
        found[name] = (dims, (*sizes, settings.num_draws), (*(max(size, 1) for size in sizes), block), dtype)
    num_blocks = -(-settings.num_draws // settings.block)
    for i, game in enumerate(prepared.games.values()):
        shape = (len(axes["policy"]), game.num_leaves)
        found[f"leaf_sum_{i}"] = (("block", "policy", f"leaf_{i}"), (num_blocks, *shape), (1, *shape), "<f8")
    return found


# -- writing -------------------------------------------------------------------------------------
def write_block(store: Store, prepared: Prepared, block: Block) -> None:
    """Write one block: every chunk under a temporary name, then renamed, and the record of the block last.

    Args:
        store: Where to.
        prepared: The run.
        block: Its numbers; writing it again changes nothing.

    Raises:
        UsageError: If the disk is full or cannot be written to; the blocks that are done stay.
    """
    with _clear_errors(store.path):
        files = {}
        for name, (dims, _, chunk, dtype) in variables(prepared).items():
            array = block.arrays[name]
            if not array.size:
                continue
            place = [0] * len(dims)
            place[dims.index("draw") if "draw" in dims else 0] = block.index
            key = "/".join([name, "c", *map(str, place)])
            data = _encoded(array, chunk, dtype)
            _write(store.path / CUBE / key, data)
            files[key] = hashlib.sha256(data).hexdigest()
        failures = {str(draw): message for draw, message in sorted(block.failures.items())}
        record = {"block": block.index, "draws": store.draws_in(block.index), "files": files, "failures": failures}
        _write(store.record(block.index), (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())


def _encoded(array: np.ndarray, chunk: tuple[int, ...], dtype: str) -> bytes:
    """A chunk as the description of the variable says: filled up to its whole shape, compressed, with a CRC at the end.

    Done here, and not by the Zarr library, so that every byte goes to disk by way of :func:`_write`.
    """
    import google_crc32c
    from numcodecs.zstd import Zstd

    full = np.full(chunk, np.nan if dtype == "<f8" else UNSOLVED, dtype=dtype)
    full[tuple(slice(0, size) for size in array.shape)] = array
    data = bytes(Zstd(level=LEVEL).encode(full))
    return data + google_crc32c.value(data).to_bytes(4, "little")


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in (1, 2, 3):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
            return
        except FileNotFoundError:  # another run of the same store has tidied it away
            if attempt == 3:
                raise
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


@contextlib.contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise UsageError(
                f"{path}: the disk is full ({error.strerror}). What was written before is whole: make room and repeat "
                "the same command, and it goes on from there."
            ) from None
        raise UsageError(
            f"{path}: cannot be written: {error.strerror or error}. What was written before is whole: mend that and "
            "repeat the same command, or write to another --store."
        ) from None


# -- what is done --------------------------------------------------------------------------------
def state(store: Store, index: int) -> str:
    """Whether a block is ``missing``, ``done``, or ``corrupt``: not what its record says.

    Args:
        store: The store.
        index: Number of the block.
    """
    try:
        record = json.loads(store.record(index).read_text(encoding="utf-8"))
        files = record["files"]
        for key, digest in files.items():
            if hashlib.sha256((store.path / CUBE / key).read_bytes()).hexdigest() != digest:
                return CORRUPT
        whole = record["block"] == index and record["draws"] == store.draws_in(index) and files
        return DONE if whole else CORRUPT
    except FileNotFoundError:
        return CORRUPT if store.record(index).exists() else MISSING
    except (ValueError, KeyError, TypeError, AttributeError):
        return CORRUPT


def survey(store: Store) -> dict[str, list[int]]:
    """Which blocks are missing, done and corrupt; every file that is recorded is read and checked.

    Args:
        store: The store.

    Returns:
        State → numbers of blocks, in order.
    """
    found: dict[str, list[int]] = {MISSING: [], DONE: [], CORRUPT: []}
    for index in range(store.num_blocks):
        found[state(store, index)].append(index)
    return found


@contextlib.contextmanager
def only_run(store: Store) -> Iterator[None]:
    """Keep a second run away from a store while one is writing to it, and tidy up after one that was killed.

    Raises:
        UsageError: If another run is writing to the store.
    """
    try:
        import fcntl
    except ImportError:  # not on this system: two runs would only do the same work twice
        yield
        return
    descriptor = os.open(store.path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(
                descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB
            )  # let go by the system when the process ends, however
        except BlockingIOError:
            raise UsageError(
                f"{store.path}: another run is writing to it. Wait until it ends, or stop it; then repeat the command."
            ) from None
        except OSError:  # a file system without locks
            pass
        if open_store(store.path).manifest != store.manifest:
            raise UsageError(f"{store.path}: another run has changed it just now. Repeat the command.")
        for left in store.path.rglob(f".*{PART}"):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)
