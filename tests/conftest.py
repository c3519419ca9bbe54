"""What every test needs: Hypothesis's profile, the shared data, the browser."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]


def in_ci() -> bool:
    """Whether something that is missing must fail a test instead of skipping it."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


# Compilation breaks Hypothesis's clock. In CI the examples are the same on every run, so that a
# failure there is about the change; at a desk they differ, so that they keep finding new things.
# How long an example takes says how busy the machine is, not whether the law holds.
common = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("detente", **common)
settings.register_profile("detente-ci", **common, derandomize=True, database=None)
settings.load_profile("detente-ci" if in_ci() else "detente")


def missing(what: str) -> None:
    """Skip the test and say why; under CI, fail it."""
    if in_ci():
        pytest.fail(f"{what} It must be there when the environment variable CI is set.", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        missing(f"The reference data are not at {folder}.")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium or Chrome to open pages with."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    missing("No browser was found: install Debian's `chromium`.")
    raise AssertionError("unreachable: missing() has raised")
