"""Every step of the tutorials is taken: files are written, commands run, and what is shown is what is printed."""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from html import unescape
from io import StringIO
from pathlib import Path

import pytest
from play_fixtures import forms
from test_server_crash import Person, Server

from detente import cli

TUTORIALS = Path(__file__).resolve().parents[1] / "docs" / "tutorials"
FENCE = re.compile(r"^```(\S+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CAPTION = re.compile(r":caption: (.+)\n+")
AT_THE_END = ", at the end"


@dataclass(frozen=True)
class WriteFile:
    """A step that writes, extends or changes a file."""

    path: str
    kind: str  # whole, end, diff
    text: str


@dataclass(frozen=True)
class Command:
    """A step that runs a command, with what the tutorial shows of what it prints."""

    line: str
    shown: str
    code: int


def steps(page: str) -> list[WriteFile | Command]:
    """The steps of a tutorial, in order."""
    found: list[WriteFile | Command] = []
    for kind, language, body in FENCE.findall(page):
        if kind == "{code-block}":
            caption = CAPTION.search(body)
            assert caption, f"a block of {language} says no file:\n{body}"
            name, text = caption.group(1).strip(), body[caption.end() :]
            how = "diff" if language == "diff" else "end" if name.endswith(AT_THE_END) else "whole"
            found.append(WriteFile(name.removesuffix(AT_THE_END), how, text))
        elif kind == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                line, _, shown = part.partition("\n")
                code = re.search(r"^\[exit code (\d+)\]\n?", shown, flags=re.MULTILINE)
                shown = shown.replace(code.group(0), "") if code else shown
                found.append(Command(line.strip(), shown.rstrip(), int(code.group(1)) if code else 0))
    return found


def pattern(shown: str) -> str:
    """What a tutorial shows as a regular expression: … stands for anything, and so does a line of it for lines."""
    lines = [r"(?:.*\n)*?" if line.strip() == "…" else _line(line) for line in shown.splitlines()]
    return "".join(lines)


def _line(line: str) -> str:
    if line.startswith("> "):
        return "> "  # what is typed is not printed, nor is the end of its line
    words = [re.escape(part) for part in line.rstrip().split("…")]
    return r"[^\n]*".join(words) + r"[ \t]*\n"


def agrees(shown: str, printed: str) -> bool:
    ends_open = shown.rstrip().endswith("\n…") or shown.strip() in ("", "…")
    return re.fullmatch(pattern(shown) + (r"(?:.*\n?)*" if ends_open else ""), printed.rstrip("\n") + "\n") is not None


def write(step: WriteFile) -> None:
    path = Path(step.path)
    if step.kind == "whole":
        path.write_text(step.text, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    if step.kind == "end":
        path.write_text(f"{text.rstrip()}\n\n{step.text}", encoding="utf-8")
        return
    rows = step.text.rstrip("\n").split("\n")
    old = "\n".join(row[1:] for row in rows if row[:1] in (" ", "-"))
    new = "\n".join(row[1:] for row in rows if row[:1] in (" ", "+"))
    assert text.count(old) == 1, f"{path}: this must occur once:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def run(step: Command, monkeypatch, capsys) -> tuple[int, str]:
    """A command's exit code and what it prints; `detente` runs in this process, as it starts quicker there."""
    words = shlex.split(step.line)
    if words[0] == "pytest":
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words[1:]], capture_output=True, text=True
        )
        return done.returncode, done.stdout
    assert words[0] == "detente", f"{words[0]!r} is no command of a tutorial"
    if words[1] == "serve":
        return 0, first_lines_of_the_server()
    typed = re.findall(r"^> (.*)$", step.shown, flags=re.MULTILINE)
    monkeypatch.setattr(sys, "stdin", StringIO("".join(f"{answer}\n" for answer in typed)))
    monkeypatch.setattr(sys, "argv", words)
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, printed.out if code == 0 else printed.out + printed.err


def first_lines_of_the_server() -> str:
    """What `detente serve` prints before it waits; on a free port, as the usual one may be taken."""
    command = [sys.executable, "-u", "-c", "from detente.__main__ import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = []
        for line in server.stdout:
            lines.append(re.sub(r"(127\.0\.0\.1):\d+", r"\1:8000", line))
            if "Ctrl-C" in line:
                break
        server.terminate()
    return "".join(lines)


def walk(name: str, monkeypatch, capsys) -> None:
    for step in steps((TUTORIALS / f"{name}.md").read_text(encoding="utf-8")):
        if isinstance(step, WriteFile):
            write(step)
            continue
        code, printed = run(step, monkeypatch, capsys)
        assert code == step.code, f"{step.line}\n{printed}"
        assert agrees(step.shown, printed), f"$ {step.line}\n-- shown:\n{step.shown}\n-- printed:\n{printed}"


@pytest.fixture
def desk(monkeypatch, tmp_path):
    """An empty folder and a terminal of 100 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["analyst", "modeller", "facilitator"])
def test_every_step_of_a_tutorial_does_what_it_shows(name, desk, monkeypatch, capsys):
    walk(name, monkeypatch, capsys)


# -- the browser's part of the facilitator's tutorial ------------------------------------------------
class Visitor(Person):
    """Somebody at a browser, who presses buttons by their labels; every page is kept."""

    def __init__(self, port: int, seen: list[str]):
        super().__init__(port)
        self.seen, self.page = seen, ""

    def ask(self, method: str, path: str, data: dict | None = None) -> tuple[int, str]:
        for _ in range(15):
            try:
                return super().ask(method, path, data)
            except TimeoutError:  # a review makes the server solve the game first, and the browser waits
                assert method == "GET"
        raise AssertionError(f"{path}: no answer")

    def open(self, path: str) -> str:
        _, self.page = self.ask("GET", path)
        self.here = path
        self.seen.append(words_of(self.page))
        return self.page

    def press(self, button: str, **values: str | None) -> str:
        parts = re.findall(r"<form\b.*?</form>", self.page, flags=re.DOTALL)
        (part, *_) = [p for p in parts if button in words_of("".join(re.findall(r"<button.*?</button>", p)))]
        form = forms(part)[0]
        given = {name.replace("__", " "): value for name, value in values.items()}
        data = {**dict(form.fields), **given}
        status, text = self.ask("POST", form.action, {name: v for name, v in data.items() if v is not None})
        assert status in (200, 303), f"{button}: {status}\n{words_of(text)}"
        if status == 303:
            return self.open(self.here)
        self.page = text
        self.seen.append(words_of(text))
        return text


def words_of(page: str) -> str:
    """The words of a page, as somebody reads them."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def labels(tutorial: str, first: str) -> set[str]:
    """What the prose calls by the words that are on a page: all *emphasis* from one heading on, blocks left out."""
    prose = FENCE.sub("", tutorial[tutorial.index(first) :])
    return {" ".join(label.split()) for label in re.findall(r"(?<![\w*])\*([^*]+)\*(?![\w*])", prose)}


CHOICES = ["red lines", "private", "coalition sanctions", "military targets", "limited", "defend only", "stop"]


def play_through(facilitator: Visitor, desk: str, seats: dict[str, Visitor]) -> None:
    """Everybody decides when it is their turn; the facilitator decides for the seat in which nobody sits."""
    for _ in range(20):
        text = words_of(facilitator.open(desk))
        if "The game has ended" in text:
            return
        whose = next((seat for seat in seats if f"(seat {seat})" in text), None)
        tab = facilitator if whose is None else seats[whose]
        page = tab.open(tab.here)
        offered = [choice for form in forms(page) for choice in form.choices.get("option", [])]
        option = next(choice for choice in CHOICES if choice in offered)
        if whose is None:
            tab.press("Play it for them", option=option, reason="Nobody sits there.")
        else:
            tab.press("Decide", option=option)
    raise AssertionError("the game did not end")


@pytest.mark.slow
def test_what_the_facilitator_s_tutorial_says_of_pages_is_on_them(desk):
    server, seen = Server(desk / "x.sqlite", bots=True), []
    try:
        facilitator = Visitor(server.port, seen)
        facilitator.open(server.path)
        facilitator.press("Enter")
        home = facilitator.here
        facilitator.open(f"{home}?game=october-2024")
        facilitator.press("Create", occupant__adversary="nobody")
        exercise = facilitator.here
        seats = {}
        for seat in ("patron", "protege"):
            facilitator.open(exercise)
            link = re.search(r"http://[\d.:]+(/join/[0-9a-f]{64})", facilitator.press(f"New link for {seat}"))
            assert link
            person = Visitor(server.port, seen)
            person.open(link.group(1))
            person.press("Enter", name=seat)
            assert "Paused." in words_of(person.page)
            seats[seat] = person
        facilitator.open(exercise)
        facilitator.press("Go on")
        facilitator.press("Send", text="Oil is dearer today.", everybody="yes")
        play_through(facilitator, exercise, seats)
        facilitator.open(exercise)
        facilitator.press("Show everything to everybody")
        assert "The exercise is over" in words_of(seats["patron"].open(seats["patron"].here))
        facilitator.open(f"{exercise}review")
    finally:
        server.kill()
    page = (TUTORIALS / "facilitator.md").read_text(encoding="utf-8")
    wanted = labels(page, "## 3. Create the exercise")
    assert len(wanted) > 25
    assert not {label for label in wanted if not any(label in text for text in seen)}


# -- the walk itself can fail ------------------------------------------------------------------------
def test_what_is_shown_must_be_what_is_printed():
    printed = "one 11\ntwo 22\nthree 33\n"
    assert agrees("one 11\ntwo 22\nthree 33", printed)
    assert agrees("one …\n…\nthree 33", printed)
    assert agrees("one 11\n…", printed)
    assert agrees("…\ntwo 22\n…", printed)
    assert agrees("", printed)
    assert not agrees("one 12\n…", printed)
    assert not agrees("one 11\nthree 33", printed)
    assert not agrees("one 11\ntwo 22", printed)


def test_steps_are_read_in_order_with_files_and_exit_codes():
    page = (
        "```{code-block} toml\n:caption: a/b.toml, at the end\n\nx = 1\n```\n\n"
        "```console\n$ detente list\n…\n$ detente check a\ndetente: no\n[exit code 2]\n```\n"
    )
    assert steps(page) == [
        WriteFile("a/b.toml", "end", "x = 1\n"),
        Command("detente list", "…", 0),
        Command("detente check a", "detente: no", 2),
    ]


def test_a_change_to_what_is_not_there_is_refused(desk):
    Path("a.py").write_text("x = 1\n", encoding="utf-8")
    write(WriteFile("a.py", "diff", "-x = 1\n+x = 2\n"))
    assert Path("a.py").read_text(encoding="utf-8") == "x = 2\n"
    with pytest.raises(AssertionError, match="must occur once"):
        write(WriteFile("a.py", "diff", "-x = 1\n+x = 3\n"))
