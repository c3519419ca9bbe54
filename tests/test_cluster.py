"""Blocks computed by several processes and by a Dask cluster, whose workers are killed while they work."""

import os
import signal
import subprocess
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from test_cube import CORRELATED, TOML, write_crisis
from test_store_resume import tree

from detente.decide import blocks, cluster
from detente.decide.blocks import Job, prepare, restore
from detente.decide.cluster import run_on, work
from detente.decide.cube import run_to_store
from detente.decide.manifest import Settings
from detente.decide.store import DONE, create, open_store, survey
from detente.errors import SolveError, UsageError
from detente.model.priors import Uniform
from detente.model.scenario import Policy, Scenario

NUM_DRAWS, BLOCK = 640, 32  # 20 blocks


@pytest.fixture(scope="module")
def crisis(tmp_path_factory) -> Scenario:
    return write_crisis(tmp_path_factory.mktemp("cluster") / "border", TOML + CORRELATED)


@pytest.fixture(scope="module")
def whole(crisis, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "store"
    run_to_store(crisis, path, num_draws=NUM_DRAWS, block=BLOCK)
    return path


@pytest.fixture
def dask_cluster():
    """Two worker processes on this machine, as a cluster with an address."""
    distributed = pytest.importorskip("distributed", reason="The extra `cluster` is not installed.")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as found:
        yield found


def pids(found) -> list[int]:
    return [nanny.pid for nanny in found.workers.values() if nanny.pid]


# -- Dask -------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_worker_killed_in_the_middle_loses_nothing_and_doubles_nothing(crisis, whole, tmp_path, dask_cluster):
    path, killed, done = tmp_path / "store", [], []

    def progress(count: int) -> None:
        done.append(count)
        if count >= NUM_DRAWS // 4 and not killed:
            killed.append(pids(dask_cluster)[0])
            os.kill(killed[0], signal.SIGKILL)

    run_to_store(
        crisis, path, num_draws=NUM_DRAWS, block=BLOCK, cluster=dask_cluster.scheduler_address, progress_fn=progress
    )
    assert killed and killed[0] not in pids(dask_cluster)
    assert done == sorted(done) and len(set(done)) == len(done), "a block was counted twice"
    assert done[-1] == NUM_DRAWS
    assert tree(path) == tree(whole)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_cluster_that_goes_away_stops_the_run_and_says_how_to_go_on(crisis, whole, tmp_path):
    pytest.importorskip("distributed", reason="The extra `cluster` is not installed.")
    path = tmp_path / "store"
    scheduler, address = _scheduler(tmp_path)
    worker = subprocess.Popen(
        ["dask", "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def progress(count: int) -> None:
        if count >= 4 * BLOCK and scheduler.poll() is None:
            scheduler.kill()

    try:
        with pytest.raises(SolveError) as stopped:
            run_to_store(crisis, path, num_draws=NUM_DRAWS, block=BLOCK, cluster=address, progress_fn=progress)
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()
    assert "the workers are gone" in str(stopped.value) and "Repeat the same command to go on" in str(stopped.value)
    done = survey(open_store(path))[DONE]
    assert 4 <= len(done) < 20
    report = run_to_store(crisis, path, num_draws=NUM_DRAWS, block=BLOCK)  # in this process
    assert report.found == len(done) and tree(path) == tree(whole)


def _scheduler(folder: Path) -> tuple[subprocess.Popen, str]:
    file = folder / "scheduler.json"
    process = subprocess.Popen(
        ["dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    import json

    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            return process, json.loads(file.read_text())["address"]
        except (OSError, ValueError):
            time.sleep(0.1)
    process.kill()
    raise AssertionError("the scheduler did not start")


def test_a_cluster_that_is_not_there_is_reported_with_its_address(crisis, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="The extra `cluster` is not installed.")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(UsageError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:1'.*dask scheduler"):
        run_to_store(crisis, tmp_path / "store", num_draws=8, cluster="tcp://127.0.0.1:1")
    with pytest.raises(UsageError, match=r"no Dask scheduler answers at 'nonsense'"):
        run_to_store(crisis, tmp_path / "store", num_draws=8, cluster="nonsense")


# -- processes, and other executors -------------------------------------------------------------------
def test_several_processes_make_the_same_bytes(crisis, whole, tmp_path):
    report = run_to_store(crisis, tmp_path / "store", num_draws=NUM_DRAWS, block=BLOCK, workers=2)
    assert report.computed == 20
    assert tree(tmp_path / "store") == tree(whole)


def test_a_process_that_dies_stops_the_run_and_says_how_to_go_on(crisis, whole, tmp_path):
    path = tmp_path / "store"
    with cluster.processes(1) as (pool, _):

        def progress(count: int) -> None:
            if count >= 3 * BLOCK:
                for process in pool._processes.values():  # type: ignore[attr-defined]
                    process.kill()

        with pytest.raises(SolveError, match=r"the workers are gone.*\d+ of 20 blocks are done and stay\. Repeat"):
            run_to_store(crisis, path, num_draws=NUM_DRAWS, block=BLOCK, executor=pool, progress_fn=progress)
    run_to_store(crisis, path, num_draws=NUM_DRAWS, block=BLOCK)
    assert tree(path) == tree(whole)


def test_any_executor_will_do_and_few_blocks_wait_in_its_queue(crisis, whole, tmp_path):
    waiting, most, lock = 0, 0, threading.Lock()

    class Counting(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **options):
            nonlocal waiting, most
            with lock:
                waiting += 1
                most = max(most, waiting)
            future = super().submit(fn, *args, **options)
            future.add_done_callback(finished)
            return future

    def finished(_: Future) -> None:
        nonlocal waiting
        with lock:
            waiting -= 1

    path = tmp_path / "store"
    prepared = prepare(crisis, Settings(NUM_DRAWS, block=BLOCK))
    with Counting(2) as pool:
        run_on(pool, prepared, create(path, prepared), range(20), in_queue=6)
    assert 2 <= most <= 6
    assert tree(path) == tree(whole)


class Inline(Executor):
    """Runs what it is given at once, after doing something else."""

    def __init__(self, before):
        self.before = before

    def submit(self, fn, /, *args, **options):
        future: Future = Future()
        try:
            self.before(*args)
            future.set_result(fn(*args, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def test_trouble_in_a_worker_is_reported_with_its_block(crisis, tmp_path):
    def trouble(job, path, index, threads):
        if index == 2:
            raise RuntimeError("out of coffee")

    with pytest.raises(SolveError, match=r"block 2 failed: RuntimeError: out of coffee\. 3 of 4 blocks are done"):
        run_to_store(crisis, tmp_path / "store", num_draws=4 * BLOCK, block=BLOCK, executor=Inline(trouble))


def test_a_worker_that_writes_elsewhere_is_noticed(crisis, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(cluster, "work", lambda job, path, index, threads: index)
    with pytest.raises(UsageError, match=r"written block 0, but it is not here\. Give a --store in a folder that all"):
        run_to_store(crisis, tmp_path / "store", num_draws=8, executor=ThreadPoolExecutor(1))


def test_a_cluster_without_workers_is_not_waited_for_forever(crisis, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "ASK_SECONDS", 0.01)
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.1)

    class Idle(Executor):
        def submit(self, fn, /, *args, **options):
            return Future()

    prepared = prepare(crisis, Settings(8))
    made = create(tmp_path / "store", prepared)
    with pytest.raises(SolveError, match=r"the workers are gone.*no worker for 0\.1 seconds\. 0 of 1 blocks are done"):
        run_on(Idle(), prepared, made, [0], alive_fn=lambda: False)


# -- what travels -------------------------------------------------------------------------------------
def test_a_worker_reads_the_crisis_itself_and_writes_it_out_once(crisis, tmp_path, monkeypatch):
    import pickle

    job = prepare(crisis, Settings(40, block=BLOCK)).job
    assert len(pickle.dumps(job)) < 20_000  # the tree does not travel
    read: list[str] = []
    real = blocks.load_scenario
    monkeypatch.setattr(blocks, "load_scenario", lambda name: read.append(name) or real(name))
    monkeypatch.setattr(blocks, "_READY", {})
    sent = pickle.loads(pickle.dumps(job))
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(restore, [sent] * 4)
    assert read == [str(crisis.folder.resolve())]
    assert all(other is first for other in others)


def test_policies_and_priors_given_by_hand_travel_too(crisis, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_READY", {})
    policies = {"calm": Policy(title="Calm", meaning="Calm.", commit={"stance": "calm"})}
    priors = crisis.priors | {"harm": Uniform(low=1, high=2)}
    options = {"num_draws": 40, "block": BLOCK, "policies": policies, "priors": priors}
    run_to_store(crisis, tmp_path / "there", executor=Inline(lambda *_: None), **options)
    run_to_store(crisis, tmp_path / "here", **options)
    assert tree(tmp_path / "there") == tree(tmp_path / "here")


def test_a_worker_that_sees_another_scenario_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_READY", {})
    crisis = write_crisis(tmp_path / "border", TOML)
    job = prepare(crisis, Settings(8)).job
    write_crisis(tmp_path / "border", TOML.replace("A small crisis", "Another crisis"))
    with pytest.raises(
        UsageError, match=r"worker on .*: not the same run: scenario_sha256: .*Install the same packages"
    ):
        restore(job)
    other = replace(job, manifest=job.manifest.replace('"numpy": "', '"numpy": "0.'))
    write_crisis(tmp_path / "border", TOML)
    with pytest.raises(UsageError, match=r"versions\.numpy: '0\.[\d.]+' in the store"):
        restore(other)


def test_a_worker_does_not_write_into_the_store_of_another_run(crisis, tmp_path):
    run_to_store(crisis, tmp_path / "store", num_draws=8)
    job: Job = prepare(crisis, Settings(9)).job
    with pytest.raises(UsageError, match=r"is not the store of this run\. Let every worker see the same folder"):
        work(job, str(tmp_path / "store"), 0)
