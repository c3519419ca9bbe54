"""Stores that are killed, damaged, full or of another run: nothing is lost, nothing is mixed."""

import contextlib
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import typer
from test_cube import CORRELATED, RIVALS, TOML, write_crisis
from typer.testing import CliRunner

from detente import cli_run
from detente.decide import cluster, manifest, store
from detente.decide.cube import from_store, open_cube, read_run, run_to_store
from detente.decide.ensemble import run
from detente.decide.store import CORRUPT, DONE, MISSING, only_run, open_store, state, survey
from detente.errors import DetenteError, UsageError
from detente.model.scenario import Scenario

NUM_DRAWS, BLOCK = 600, 32  # 19 blocks, the last of them smaller

PROGRAM = f"""
import sys
from detente.decide.cube import run_to_store
from detente.model.scenario import load_scenario
print("ready", flush=True)
run_to_store(load_scenario(sys.argv[1]), sys.argv[2], num_draws={NUM_DRAWS}, block={BLOCK})
print("finished", flush=True)
"""


def tree(path: Path) -> dict[str, str]:
    """Every file under a folder, with its hash."""
    return {
        file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in path.rglob("*")
        if file.is_file()
    }


@pytest.fixture(scope="module")
def crisis(tmp_path_factory) -> Scenario:
    return write_crisis(tmp_path_factory.mktemp("resume") / "border", TOML + CORRELATED + RIVALS)


@pytest.fixture(scope="module")
def whole(crisis, tmp_path_factory) -> Path:
    """A store that was written without interruption."""
    path = tmp_path_factory.mktemp("whole") / "store"
    run_to_store(crisis, path, num_draws=NUM_DRAWS, block=BLOCK)
    return path


def again(crisis: Scenario, path: Path, **options):
    return run_to_store(crisis, path, **({"num_draws": NUM_DRAWS, "block": BLOCK} | options))


# -- killed -----------------------------------------------------------------------------------------
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(crisis, whole, tmp_path):
    path = tmp_path / "store"
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    killed = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(crisis.folder), str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        before = len(list(path.glob("blocks/*.json")))
        until = time.monotonic() + 60
        # from "the store is being made" to "some blocks further on"
        wanted = before + rng.randrange(0, 5)
        while process.poll() is None and time.monotonic() < until and len(list(path.glob("blocks/*.json"))) < wanted:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.02)
        process.kill()
        process.wait()
        process.stdout.close()
        killed += process.returncode == -signal.SIGKILL
    assert killed >= 2, f"seed {seed}: the runs ended before they were killed"
    report = again(crisis, path)
    assert report.mended == 0, f"seed {seed}: a kill left a block that is not what its record says"
    assert tree(path) == tree(whole), f"seed {seed}"
    assert not list(path.parent.glob(".store*")), "the next run tidies away what a killed one left beside the store"


def test_a_finished_run_computes_nothing_again(crisis, whole):
    before = {file: file.stat().st_mtime_ns for file in whole.rglob("*") if file.is_file()}
    done: list[int] = []
    report = again(crisis, whole, progress_fn=done.append)
    assert (report.found, report.computed, report.mended) == (19, 0, 0)
    assert done == [NUM_DRAWS]
    assert {file: file.stat().st_mtime_ns for file in whole.rglob("*") if file.is_file()} == before


def test_nothing_in_a_store_says_when_or_where(whole):
    for file in (*whole.glob("blocks/*.json"), whole / "manifest.json"):
        text = file.read_text(encoding="utf-8")
        assert str(whole.parent) not in text and os.uname().nodename not in text
    assert not any("time" in key or "date" in key for key in json.loads((whole / "manifest.json").read_text()))


def test_an_interrupted_run_shows_what_is_not_there_yet(crisis, tmp_path):
    path = tmp_path / "store"

    def stop(done: int) -> None:
        if done >= 3 * BLOCK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(crisis, path, progress_fn=stop)
    assert not list(path.rglob("*.part"))
    done = survey(open_store(path))[DONE]
    assert 2 <= len(done) <= 4
    status = open_cube(path)["status"].values
    assert (status[:, :, : len(done) * BLOCK] >= 0).all() and (status[:, :, len(done) * BLOCK :] == -1).all()
    with pytest.raises(UsageError, match=r"\d+ of 19 blocks are missing and 0 are corrupt\. Repeat the run"):
        from_store(path, crisis)


def test_progress_begins_with_what_is_there(crisis, tmp_path):
    path = tmp_path / "store"
    again(crisis, path)
    open_store(path).record(4).unlink()
    done: list[int] = []
    again(crisis, path, progress_fn=done.append)
    assert done[0] == NUM_DRAWS - BLOCK and done[-1] == NUM_DRAWS


# -- damaged ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "cube.zarr/values/c/0/0/0/3").write_bytes(b"not what it was"),
        lambda path: (path / "cube.zarr/status/c/0/0/3").unlink(),
        lambda path: (path / "blocks/000003.json").write_text("{"),
        lambda path: (path / "blocks/000003.json").write_text('{"block": 4, "files": {}}'),
        lambda path: _flip(path / "cube.zarr/payoffs/c/0/0/0/3"),
    ],
)
def test_a_corrupt_block_is_found_and_computed_again(crisis, whole, tmp_path, damage):
    path = tmp_path / "store"
    again(crisis, path)
    damage(path)
    assert state(open_store(path), 3) == CORRUPT
    with pytest.raises(UsageError, match=r"0 of 19 blocks are missing and 1 are corrupt"):
        from_store(path, crisis)
    report = again(crisis, path)
    assert (report.found, report.computed, report.mended) == (18, 1, 1)
    assert tree(path) == tree(whole)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_any_zarr_reader_notices_a_flipped_bit(crisis, tmp_path):
    path = tmp_path / "store"
    again(crisis, path)
    _flip(path / "cube.zarr/payoffs/c/0/0/0/3")
    with pytest.raises(Exception, match=r"(?i)checksum|crc"):
        _ = open_cube(path)["payoffs"].values


def test_a_record_that_is_missing_means_that_the_block_is(whole):
    assert state(open_store(whole), 999) == MISSING


# -- of another run -----------------------------------------------------------------------------------
def test_a_store_of_another_run_is_refused_and_says_what_differs(crisis, whole):
    before = tree(whole)
    with pytest.raises(UsageError) as refused:
        run_to_store(crisis, whole, num_draws=NUM_DRAWS + 1, seed=7, block=BLOCK, structures=("stated", "sharp"))
    text = str(refused.value)
    assert "holds another run" in text and "Write to another --store" in text
    assert "draws: 600 in the store, 601 in this run" in text and "seed: 0 in the store, 7 in this run" in text
    assert "structures.harsher" in text
    assert tree(whole) == before


def test_an_edited_scenario_is_another_run(crisis, tmp_path):
    edited = write_crisis(tmp_path / "border", TOML + CORRELATED + RIVALS)
    run_to_store(edited, tmp_path / "store", num_draws=8)
    edited = write_crisis(
        tmp_path / "border", (TOML + CORRELATED + RIVALS).replace("low = 0.5, best", "low = 0.6, best")
    )
    with pytest.raises(UsageError, match=r"scenario_sha256: .*priors\.harm\.low: 0\.5 in the store, 0\.6 in this run"):
        run_to_store(edited, tmp_path / "store", num_draws=8)
    with pytest.raises(UsageError, match=r"was made from another scenario: scenario_sha256"):
        from_store(tmp_path / "store", edited)


def test_another_version_of_what_makes_the_numbers_is_another_run(crisis, whole, monkeypatch):
    monkeypatch.setattr(manifest.metadata, "version", lambda name: "0.0")
    with pytest.raises(UsageError, match=r"versions\.numpy: '[\d.]+' in the store, '0\.0' in this run"):
        again(crisis, whole)


def test_what_is_no_store_is_left_alone(crisis, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match=r"notes: is not a store of a run \(manifest\.json is missing\)"):
        run_to_store(crisis, tmp_path / "notes", num_draws=4)
    assert [f.name for f in (tmp_path / "notes").iterdir()] == ["letter.txt"]
    with pytest.raises(UsageError, match=r"letter\.txt: is a file, and a store is a folder"):
        run_to_store(crisis, tmp_path / "notes" / "letter.txt", num_draws=4)
    with pytest.raises(UsageError, match=r"there is no folder '.*nowhere'"):
        run_to_store(crisis, tmp_path / "nowhere" / "store", num_draws=4)
    with pytest.raises(UsageError, match=r"is there already\. Write to another --store"):
        run_to_store(crisis, tmp_path / "notes", num_draws=4, resume=False)
    (tmp_path / "empty").mkdir()
    assert run_to_store(crisis, tmp_path / "empty", num_draws=4).computed == 1
    (tmp_path / "empty" / "manifest.json").write_text("{")
    with pytest.raises(UsageError, match=r"manifest\.json: cannot be read"):
        open_store(tmp_path / "empty")


def test_two_runs_do_not_write_to_one_store(crisis, whole):
    with only_run(open_store(whole)), pytest.raises(UsageError, match=r"another run is writing to it\. Wait"):
        again(crisis, whole)
    again(crisis, whole)


# -- made longer --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def short(crisis, tmp_path_factory) -> Path:
    """The first 80 draws: two blocks and a half."""
    path = tmp_path_factory.mktemp("short") / "store"
    run_to_store(crisis, path, num_draws=80, block=BLOCK)
    return path


@pytest.fixture(scope="module")
def long(crisis, tmp_path_factory) -> Path:
    """The first 144 draws, asked for at once: four blocks and a half."""
    path = tmp_path_factory.mktemp("long") / "store"
    run_to_store(crisis, path, num_draws=144, block=BLOCK)
    return path


def test_a_store_made_longer_is_the_same_bytes_as_a_long_one(crisis, short, long, tmp_path):
    path = Path(shutil.copytree(short, tmp_path / "store"))
    report = again(crisis, path, num_draws=144, extend=True)
    assert (report.found, report.computed, report.mended) == (2, 3, 0), "the block that ended it is computed again"
    assert tree(path) == tree(long)
    assert from_store(path, crisis).num_draws == 144


def test_a_store_smaller_than_a_block_can_be_made_longer(crisis, long, tmp_path):
    again(crisis, tmp_path / "store", num_draws=10)
    assert again(crisis, tmp_path / "store", num_draws=144, extend=True).computed == 5
    assert tree(tmp_path / "store") == tree(long)


@pytest.mark.parametrize("moment", range(1, 5))
def test_a_kill_while_a_store_is_made_longer_loses_nothing(crisis, short, long, tmp_path, monkeypatch, moment):
    """At each of the first writes of the extension: the manifest, then the descriptions of the variables."""
    path, real, written = Path(shutil.copytree(short, tmp_path / "store")), store._write, []

    def write(place, data):
        written.append(place)
        if len(written) == moment:
            raise KeyboardInterrupt
        real(place, data)

    monkeypatch.setattr(store, "_write", write)
    with pytest.raises(KeyboardInterrupt):
        again(crisis, path, num_draws=144, extend=True)
    monkeypatch.undo()
    with contextlib.suppress(UsageError):  # what is there can be looked at, or it says what to do
        open_cube(path)
    assert again(crisis, path, num_draws=144, extend=True).found >= 2
    assert tree(path) == tree(long)


def test_a_store_is_made_longer_only_when_asked_and_never_shorter(crisis, short, tmp_path):
    before = tree(short)
    with pytest.raises(UsageError, match=r"draws: 80 in the store, 144 in this run.*add draws to it with --extend"):
        again(crisis, short, num_draws=144)
    with pytest.raises(UsageError, match=r"holds 80 draws, and this run asks for 40.*--draws 80"):
        again(crisis, short, num_draws=40, extend=True)
    with pytest.raises(UsageError, match=r"seed: 0 in the store, 1 in this run\. Write to another --store, or repeat"):
        again(crisis, short, num_draws=144, seed=1, extend=True)
    assert tree(short) == before
    again(crisis, tmp_path / "lhs", num_draws=80, design="lhs")
    with pytest.raises(UsageError, match=r"Latin hypercubes of 1,024.*design 'sobol'"):
        again(crisis, tmp_path / "lhs", num_draws=144, design="lhs", extend=True)
    again(crisis, tmp_path / "mc", num_draws=80, design="monte carlo")
    again(crisis, tmp_path / "mc", num_draws=144, design="monte carlo", extend=True)
    assert from_store(tmp_path / "mc", crisis).num_draws == 144


def test_the_last_block_of_a_shorter_run_does_not_pass_for_a_whole_one(crisis, short, long, tmp_path):
    """A worker that was left over from the shorter run may write its block after the store was made longer."""
    path = Path(shutil.copytree(long, tmp_path / "store"))
    shutil.copy(short / "blocks/000002.json", path / "blocks/000002.json")
    for file in (short / "cube.zarr").rglob("c/**/*"):
        if (
            file.is_file()
            and hashlib.sha256(file.read_bytes()).hexdigest() in (short / "blocks/000002.json").read_text()
        ):
            shutil.copy(file, path / file.relative_to(short))
    assert state(open_store(path), 2) == CORRUPT
    again(crisis, path, num_draws=144)
    assert tree(path) == tree(long)


def test_a_damaged_description_of_a_variable_is_mended(crisis, long, tmp_path):
    path = Path(shutil.copytree(long, tmp_path / "store"))
    (path / "cube.zarr/values/zarr.json").write_text("{}")
    with pytest.raises(UsageError, match=r"cube\.zarr: its variables do not fit together.*Repeat the run"):
        open_cube(path)
    assert again(crisis, path, num_draws=144).computed == 0
    assert tree(path) == tree(long)


def test_a_run_that_waited_while_another_changed_the_store_is_told_so(short, tmp_path):
    path = Path(shutil.copytree(short, tmp_path / "store"))
    opened = open_store(path)
    (path / "manifest.json").write_text(json.dumps({**opened.manifest, "draws": 144}))
    with pytest.raises(UsageError, match="another run has changed it just now"), only_run(opened):
        pass


# -- read instead of solving ----------------------------------------------------------------------------
def test_a_run_that_is_read_is_the_run_that_would_be_solved(crisis, short):
    solved = run(crisis, num_draws=80)
    found = read_run(short, crisis)
    for name in ("values", "payoffs", "status"):
        np.testing.assert_array_equal(getattr(found, name), getattr(solved, name))
    np.testing.assert_allclose(found.leaf_mean, solved.leaf_mean, rtol=1e-12)
    one = read_run(short, crisis, num_draws=80, seed=0, policies={"firm": crisis.policy("firm")})
    assert one.policies == ("firm",)
    np.testing.assert_array_equal(one.values[0], solved.values[solved.policies.index("firm")])
    rival = crisis.structure("harsher")
    np.testing.assert_array_equal(read_run(short, rival).values, run(rival, num_draws=80).values)


def test_a_store_of_another_run_is_not_read_and_it_says_what_differs(crisis, short, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"is of another run: draws: 80 in the store, 90 in this run; seed: 0 .* 3 in"):
        read_run(short, crisis, num_draws=90, seed=3)
    with pytest.raises(
        UsageError, match=r"does not hold the policy 'fir'\. Did you mean 'firm'\? Leave out --store to solve it"
    ):
        read_run(short, crisis, policies={"fir": crisis.policy("firm")})
    edited = write_crisis(tmp_path / "border", (TOML + CORRELATED + RIVALS).replace("cost = 0.6", "cost = 0.5"))
    with pytest.raises(UsageError, match=r"correlations\.harm\.cost: 0\.6 in the store, 0\.5 in this run.*detente run"):
        read_run(short, edited)
    run_to_store(crisis, tmp_path / "plain", num_draws=8, structures=("stated",))
    with pytest.raises(UsageError, match=r"structure: 'sharp' is not in .*plain"):
        read_run(tmp_path / "plain", crisis.structure("sharp"))
    with pytest.raises(UsageError, match=r"is not a store of a run"):
        read_run(tmp_path / "nowhere", crisis)
    monkeypatch.setattr(manifest.metadata, "version", lambda name: "0.0")
    with pytest.raises(UsageError, match=r"versions\.numpy: '[\d.]+' in the store, '0\.0' in this run"):
        read_run(short, crisis)


def test_an_unfinished_store_is_not_read(crisis, short, tmp_path):
    path = Path(shutil.copytree(short, tmp_path / "store"))
    (path / "blocks/000001.json").unlink()
    with pytest.raises(UsageError, match=r"1 of 3 blocks are missing"):
        read_run(path, crisis)


# -- no room ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("code", "message"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "cannot be written")])
def test_a_full_disk_is_a_clear_error_and_nothing_is_lost(crisis, whole, tmp_path, monkeypatch, code, message):
    path, real, written = tmp_path / "store", os.fsync, []

    def fsync(descriptor):
        written.append(descriptor)
        if len(written) > 40:
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(store.os, "fsync", fsync)
    with pytest.raises(UsageError, match=rf"{message}.*What was written before is whole"):
        again(crisis, path)
    monkeypatch.undo()
    known = survey(open_store(path))
    assert known[DONE] and known[MISSING] and not known[CORRUPT]
    assert not list(path.rglob("*.part"))
    report = again(crisis, path)
    assert report.found == len(known[DONE])
    assert tree(path) == tree(whole)


def test_a_disk_that_is_really_too_small_is_a_clear_error(crisis, tmp_path):
    resource = pytest.importorskip("resource", reason="Limits on files need a Unix system.")
    program = PROGRAM.replace(
        'print("ready"', f'import resource; resource.setrlimit({resource.RLIMIT_FSIZE}, (1500, 1500)); print("ready"'
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(crisis.folder), str(tmp_path / "store")], capture_output=True, text=True
    )
    assert run.returncode == 1 and "UsageError" in run.stderr and "the disk is full (File too large)" in run.stderr


# -- memory -------------------------------------------------------------------------------------------
def test_memory_does_not_grow_with_the_number_of_draws(crisis, tmp_path):
    def peak(num_draws: int) -> int:
        tracemalloc.start()
        run_to_store(crisis, tmp_path / str(num_draws), num_draws=num_draws, block=256, structures=("stated",))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(256)  # whatever is loaded once
    few, many = peak(512), peak(4_096)
    assert many < 1.25 * few


# -- the command --------------------------------------------------------------------------------------
app = typer.Typer()
app.command()(cli_run.run)


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_the_command_runs_goes_on_and_says_what_it_did(crisis, tmp_path):
    path = tmp_path / "store"
    first = invoke(crisis.folder, "--draws", 40, "--block", 16, "--store", path, "--structure", "sharp")
    assert first.exit_code == 0, first.output
    assert f"40 draws under 2 policies are in {path}" in first.output
    assert "3: 0 were there, 3 were computed" in first.output and "40 converged" in first.output
    (path / "cube.zarr/status/c/0/0/1").unlink()
    second = invoke(crisis.folder, "--draws", 40, "--block", 16, "--store", path, "--structure", "sharp", "--json")
    assert json.loads(second.output)["blocks"] == {"all": 3, "found": 2, "computed": 1, "mended": 1}
    third = invoke(crisis.folder, "--draws", 40, "--block", 16, "--store", path, "--structure", "sharp", "--no-resume")
    assert isinstance(third.exception, UsageError) and "is there already" in str(third.exception)


def test_the_command_takes_policies_designs_and_all_structures(crisis, tmp_path):
    path = tmp_path / "store"
    run = invoke(crisis.folder, "--draws", 8, "--store", path, "--policy", "firm", "--design", "lhs", "--seed", 3)
    assert "8 draws under 1 policies and 3 structures" in run.output
    manifest = json.loads((path / "manifest.json").read_text())
    assert (manifest["design"], manifest["seed"], manifest["policies"][0]["name"]) == ("lhs", 3, "firm")
    wrong = invoke(crisis.folder, "--draws", 8, "--store", path, "--policy", "frim")
    assert isinstance(wrong.exception, DetenteError) and "Did you mean 'firm'" in str(wrong.exception)


def test_ctrl_c_says_what_is_there_and_how_to_go_on(crisis, tmp_path, monkeypatch):
    path, real = tmp_path / "store", cluster.compute

    def interrupted(prepared, index, **options):
        if index == 2:
            raise KeyboardInterrupt
        return real(prepared, index, **options)

    monkeypatch.setattr(cluster, "compute", interrupted)
    run = invoke(crisis.folder, "--draws", 64, "--block", 16, "--store", path)
    assert run.exit_code == 130
    assert f"stopped; 2 of 4 blocks are in {path}. Repeat the same command to go on." in run.stderr
    monkeypatch.undo()
    assert "4: 2 were there, 2 were computed" in invoke(
        crisis.folder, "--draws", 64, "--block", 16, "--store", path
    ).output  # fmt: skip


def test_draws_that_failed_are_counted_with_the_first_message(crisis, tmp_path):
    toml = TOML.replace('prior = { kind = "uniform", low = 0.5, high = 2.0 }\njudgement', "PRIOR", 1)
    wild = toml.replace("low = 0.5, high = 2.0", "low = 1, high = 2e5").replace(
        "PRIOR", 'prior = { kind = "uniform", low = 0.5, high = 2.0 }\njudgement'
    )
    scenario = write_crisis(tmp_path / "wild", wild)
    run = invoke(scenario.folder, "--draws", 16, "--store", tmp_path / "store", "--json")
    found = json.loads(run.output)
    assert 0 < found["failed"] <= found["status"]["not converged"] <= 16
    assert found["first_failure"].startswith("draw ") and "too large for the payoffs" in found["first_failure"]
    text = invoke(scenario.folder, "--draws", 16, "--store", tmp_path / "store").output
    assert f"{found['failed']} draws cannot be solved and have no values; draw" in text
    assert np.isfinite(open_cube(tmp_path / "store")["parameters"].values).all()
