"""The pages that estimate from others' data say what their code prints, where those data are at hand."""

import contextlib
import doctest
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("huth", "icb")
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_prints_what_it_says(page: str, shared: Path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert (shared / "estimation").is_dir()
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    names: dict = {}
    printed, outputs = "", 0
    for kind, block in BLOCK.findall(text):
        if block.startswith(">>>"):
            continue  # needs no data, and runs as a doctest wherever the tests do
        if kind == "python":
            assert not printed, f"nothing on the page says that its code prints {printed!r}"
            with contextlib.redirect_stdout(io.StringIO()) as caught:
                exec(compile(block, f"{page}.md", "exec"), names)
            printed = caught.getvalue()
        else:
            same = doctest.OutputChecker().check_output(block, printed, FLAGS)
            assert same, f"the page says\n{block}\nand its code prints\n{printed}"
            printed, outputs = "", outputs + 1
    assert not printed and outputs >= 3
