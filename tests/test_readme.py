"""The result that the README prints is the result that the command gives."""

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from detente.cli import DEFAULT_DRAWS
from detente.decide.ensemble import run
from detente.model.scenario import load_scenario
from detente.report.brief import make_brief
from detente.report.terminal import print_brief

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.mark.slow
def test_the_brief_in_the_readme_is_what_the_command_prints():
    shown = re.search(r"```text\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    assert shown is not None
    scenario = load_scenario("october-2024")
    brief = make_brief(scenario, run(scenario, num_draws=DEFAULT_DRAWS, seed=0))
    out = StringIO()
    print_brief(brief, Console(file=out, width=100, markup=False, highlight=False))
    printed = out.getvalue()
    sentences, table = shown[1].split("\n\n")
    assert sentences.replace("\n", " ").strip() == " ".join(brief.bottom_line[:2])
    rows = [line for line in table.splitlines() if "(" in line]
    assert len(rows) == 4
    for row in rows:
        cells = re.split(r"\s{2,}", row.strip())
        assert re.search(r"\s{2,}".join(map(re.escape, cells)), printed), row
