"""Blocks computed here, by several processes, or on a cluster; whoever computes a block writes it to the store."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from typing import Any

from detente.decide.blocks import Job, Prepared, compute, restore
from detente.decide.store import DONE, Store, open_store, state, write_block
from detente.errors import DetenteError, SolveError, UsageError

CONNECT_SECONDS = 10
LOOK_SECONDS = 10  # how long a file that another machine has written may take to be seen here
AHEAD = 3  # blocks in the queue for each worker, so that none waits and few are lost when the run is stopped
MOST_IN_QUEUE = 64  # where it is not known how many workers there are
ASK_SECONDS = 5  # how often a cluster that finishes nothing is asked whether it has workers
PATIENCE_SECONDS = 60  # how long a cluster may have no workers: they may be starting, or starting again
ProgressFn = Callable[[int], None]


def work(job: Job, path: str, index: int, threads: int = 1) -> int:
    """Compute one block and write it, wherever this is called.

    Args:
        job: The run.
        path: Folder of the store, which must be the same folder on every machine.
        index: Number of the block.
        threads: How many parts of it to solve side by side.

    Returns:
        The number of the block.

    Raises:
        UsageError: If the scenario, the rules, the versions or the store differ here, or it cannot be written.
    """
    prepared = restore(job)
    store = open_store(path)
    if store.manifest != prepared.manifest:
        raise UsageError(f"{path}: is not the store of this run. Let every worker see the same folder.")
    write_block(store, prepared, compute(prepared, index, threads=threads))
    return index


def run_here(prepared: Prepared, store: Store, blocks: Sequence[int], *, progress_fn: ProgressFn | None = None) -> None:
    """Compute blocks one after the other in this process, on all its cores; each is written while the next is computed.

    Args:
        prepared: The run.
        store: Where to.
        blocks: Their numbers.
        progress_fn: Called with the number of draws done.
    """
    done, writing = 0, None
    with ThreadPoolExecutor(1) as writer:  # on leaving it, however, the block that is being written is finished
        for index in blocks:
            before = done

            def say(count: int, before: int = before) -> None:
                if progress_fn is not None:
                    progress_fn(before + count)

            block = compute(prepared, index, progress_fn=say)
            if writing is not None:
                writing.result()  # one at a time, so that memory does not grow; a full disk is reported here
            writing = writer.submit(write_block, store, prepared, block)
            done += store.draws_in(index)
            say(store.draws_in(index))
        if writing is not None:
            writing.result()


def run_on(
    executor: Executor,
    prepared: Prepared,
    store: Store,
    blocks: Sequence[int],
    *,
    in_queue: int = MOST_IN_QUEUE,
    threads: int = 1,
    alive_fn: Callable[[], bool] | None = None,
    progress_fn: ProgressFn | None = None,
) -> None:
    """Compute blocks on any executor: each worker reads the crisis itself and writes its own blocks.

    Args:
        executor: A process pool, a Dask client's executor, or any other.
        prepared: The run.
        store: Where to; every worker must see the same folder.
        blocks: Numbers of the blocks.
        in_queue: Most blocks that are handed out at a time.
        threads: How many parts of a block a worker solves side by side.
        alive_fn: Says whether there are any workers, where that can be known.
        progress_fn: Called with the number of draws done.

    Raises:
        SolveError: If the workers are lost or fail; the blocks that are done stay, and the message says how to go on.
        UsageError: If a worker has another scenario, other versions or another folder.
    """
    path, left, done = str(store.path.resolve()), list(blocks), 0
    pending: dict[Future[int], int] = {}
    index, seen = -1, time.monotonic()
    try:
        while left or pending:
            while left and len(pending) < in_queue:
                index = left.pop(0)
                pending[executor.submit(work, prepared.job, path, index, threads)] = index
            finished = wait(pending, timeout=ASK_SECONDS, return_when=FIRST_COMPLETED).done
            if finished or alive_fn is None or alive_fn():
                seen = time.monotonic()
            elif time.monotonic() - seen > PATIENCE_SECONDS:
                raise TimeoutError(f"no worker for {PATIENCE_SECONDS} seconds")
            for future in finished:
                index = pending.pop(future)
                future.result()
                _check_seen(store, index)
                done += store.draws_in(index)
                if progress_fn is not None:
                    progress_fn(done)
    except (CancelledError, BrokenExecutor, OSError) as error:
        raise _stopped(
            store, "the workers are gone (killed, out of memory, or the connection was lost)", error
        ) from None
    except DetenteError:
        raise
    except Exception as error:  # whatever a cluster makes of a worker's trouble
        raise _stopped(store, f"block {index} failed", error) from error
    finally:
        for future in pending:
            future.cancel()


def _check_seen(store: Store, index: int) -> None:
    """Whether what a worker has written is there for us too; some network file systems take a moment."""
    until = time.monotonic() + LOOK_SECONDS
    while state(store, index) != DONE:
        if time.monotonic() > until:
            raise UsageError(
                f"{store.path}: a worker has written block {index}, but it is not here. Give a --store in a folder "
                "that all machines share."
            )
        time.sleep(0.2)


def _stopped(store: Store, what: str, error: BaseException) -> SolveError:
    done = sum(1 for index in range(store.num_blocks) if store.record(index).is_file())
    detail = f": {type(error).__name__}: {error}" if str(error) else f": {type(error).__name__}"
    return SolveError(
        f"{store.path}: {what}{detail}. {done} of {store.num_blocks} blocks are done and stay. Repeat the same command "
        "to go on from there; without --cluster and --workers it goes on in this process."
    )


# -- where to compute ----------------------------------------------------------------------------
@contextmanager
def processes(count: int) -> Iterator[tuple[Executor, int]]:
    """Several processes on this machine; yields the executor and how many threads each process should use.

    Args:
        count: How many.

    Raises:
        UsageError: If it is not positive.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    if count < 1:
        raise UsageError(f"workers: {count} is not a number of processes. Give at least 1.")
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_ignore_interrupts)
    try:
        yield pool, max(1, (os.cpu_count() or 1) // count)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C goes to the process that hands out the work, which then stops the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def dask(address: str) -> Iterator[tuple[Executor, int, Callable[[], bool]]]:
    """The workers of a Dask cluster: an executor, how many blocks to keep in its queue, and whether it has workers.

    Args:
        address: Of the scheduler: ``tcp://host:8786``.

    Raises:
        UsageError: If the extra ``cluster`` is not installed, or nothing answers at the address.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("cluster: Dask is not installed. Install it with: pip install 'detente[cluster]'.") from None
    try:
        client: Any = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"cluster: no Dask scheduler answers at {address!r} ({why}). Start one with 'dask scheduler', or correct "
            "the address."
        ) from None

    def alive() -> bool:
        return bool(client.nthreads())

    try:
        threads = sum(client.nthreads().values())
        yield client.get_executor(pure=False, retries=0), AHEAD * threads if threads else MOST_IN_QUEUE, alive
    finally:
        lost = client.status != "running"
        client.close(timeout=1 if lost else 5)
