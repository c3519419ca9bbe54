"""The command line as a user meets it: what it prints, what it writes, how it ends, what it says about mistakes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from test_decide import TOML, write_scenario

from detente.cli import app, main
from detente.library.games import GAMES
from detente.solve.api import solve

COMMAND = "import sys; sys.argv[0] = 'detente'; from detente.__main__ import main; main()"
SCENARIOS = ("april-2024", "october-2024")


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def detente(monkeypatch, capsys, tmp_path):
    """Run a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["detente", *map(str, args)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err + printed.out
        return Ended(code, printed.out, printed.err)

    return run


def in_a_shell(*args: object, cwd: Path, **environment: str) -> Ended:
    """Run a command as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **environment},
        timeout=240,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def border(tmp_path) -> Path:
    """A folder with a small scenario."""
    return write_scenario(tmp_path / "border").folder


def assert_mistake(ended: Ended, *parts: str) -> None:
    """Exit code 2, nothing on standard output, and one message that says what and what to do."""
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("detente: ")
    for part in parts:
        assert part in ended.err


# -- help and list --------------------------------------------------------------------------------
def test_help_names_every_command_and_what_to_start_with(detente):
    ended = detente("--help")
    assert ended.code == 0
    for command in ("list", "brief", "solve", "check", "tree", "export"):
        assert re.search(rf"^ +{command} ", ended.out, re.MULTILINE)
    assert "detente brief october-2024" in ended.out


@pytest.mark.parametrize("command", ["list", "brief", "solve", "check", "tree", "export"])
def test_every_command_has_help_and_a_json_form(detente, command):
    ended = detente(command, "--help")
    assert ended.code == 0 and "--json" in ended.out


def test_help_imports_nothing_heavy(tmp_path):
    code = f"import sys\ntry:\n    exec({COMMAND!r})\nexcept SystemExit:\n    pass\n"
    code += "print([m for m in ('numpy', 'scipy', 'numba', 'altair', 'pydantic') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_list_shows_scenarios_and_library_games(detente):
    ended = detente("list")
    assert ended.code == 0
    for name in (*SCENARIOS, *GAMES):
        assert name in ended.out


def test_list_as_json_is_one_array_of_objects(detente):
    rows = detente("list", "--json").json
    assert [row["name"] for row in rows] == [*SCENARIOS, *GAMES]
    for row in rows:
        assert row["kind"] in ("scenario", "library game") and row["title"]
    assert {row["name"]: row.get("as_of") for row in rows}["october-2024"] == "2024-10-25"


def test_an_unknown_command_is_a_mistake(detente):
    ended = detente("breif")
    assert ended.code == 2 and "breif" in ended.err


def test_no_command_prints_help(detente):
    ended = detente()
    assert re.search(r"Usage: .*\[OPTIONS\] COMMAND", ended.out + ended.err)


# -- solve ----------------------------------------------------------------------------------------
def assert_is_the_agreed_form(result: dict, precisions: list[float]) -> None:
    """The form of solutions that other programs read."""
    assert isinstance(result["game"], str)
    assert all(isinstance(name, str) for name in result["players"])
    assert [s["precision"] for s in result["solutions"]] == precisions
    for solution in result["solutions"]:
        assert solution["status"] in ("converged", "bifurcation", "not converged")
        assert isinstance(solution["residual"], float)
        assert len(solution["payoffs"]) == len(result["players"])
        numbers: dict[int, list[int]] = {}
        for infoset in solution["infosets"]:
            assert {"player", "number", "label", "options", "probabilities"} <= set(infoset)
            numbers.setdefault(infoset["player"], []).append(infoset["number"])
            assert len(infoset["options"]) == len(infoset["probabilities"])
            assert sum(infoset["probabilities"]) == pytest.approx(1)
        assert set(numbers) <= set(range(1, len(result["players"]) + 1))
        assert list(numbers) == sorted(numbers)
        for found in numbers.values():
            assert found == list(range(1, len(found) + 1))


@pytest.mark.parametrize("name", GAMES)
def test_library_games_are_solved_as_json(detente, name):
    ended = detente("solve", name, "--precision", "0.5,1", "--json")
    assert ended.code == 0
    assert ended.out.count("\n") == 1
    assert_is_the_agreed_form(ended.json, [0.5, 1.0])
    assert {s["status"] for s in ended.json["solutions"]} == {"converged"}


@pytest.mark.slow
def test_a_scenario_is_solved_in_its_median_world(detente):
    ended = detente("solve", "october-2024", "--json")
    assert ended.code == 0
    result = ended.json
    assert result["players"] == ["patron", "protege", "adversary"]
    assert len(result["solutions"]) == 1 and 1.0 < result["solutions"][0]["precision"] < 3.5
    assert_is_the_agreed_form(result, [result["solutions"][0]["precision"]])


def test_a_folder_with_a_scenario_is_solved(detente, border):
    ended = detente("solve", border, "--precision", "1", "--json")
    assert ended.code == 0
    assert_is_the_agreed_form(ended.json, [1.0])


@pytest.mark.parametrize("name", ["contrib__cent3", "doc_poker", "test__3_player_with_nonterm_outcomes"])
def test_a_game_file_is_solved_as_the_reference_says(detente, shared, name):
    reference = json.loads((shared / "conformance" / "aqre" / f"{name}.json").read_text())
    path = shared / "conformance" / "efg" / f"{name}.efg"
    ended = detente("solve", path, "--precision", "0.1,0.5,1,2,5", "--json")
    assert ended.code == 0
    result = ended.json
    assert_is_the_agreed_form(result, [0.1, 0.5, 1.0, 2.0, 5.0])
    assert result["game"] == reference["title"] and result["players"] == reference["players"]
    for solution, wanted in zip(result["solutions"], reference["solutions"], strict=True):
        found = [p for infoset in solution["infosets"] for p in infoset["probabilities"]]
        assert found == pytest.approx(wanted["probabilities"], abs=1e-8)
        assert solution["payoffs"] == pytest.approx(wanted["payoffs"], abs=1e-6)
    for infoset, other in zip(result["solutions"][0]["infosets"], reference["infosets"], strict=True):
        assert (infoset["player"], infoset["number"]) == (other["player"], other["number"])


def test_the_label_and_options_of_a_game_file_are_those_of_the_file(detente, shared):
    path = shared / "conformance" / "efg" / "contrib__cent3.efg"
    reference = json.loads((shared / "conformance" / "aqre" / "contrib__cent3.json").read_text())
    found = detente("solve", path, "--json").json["solutions"][0]["infosets"]
    assert [i["options"] for i in found] == [i["actions"] for i in reference["infosets"]]
    assert [i["label"] for i in found] == [i["label"] for i in reference["infosets"]]


def test_a_bifurcation_is_a_status_and_no_failure(detente, shared):
    path = shared / "conformance" / "efg" / "contrib__w_ex1.efg"
    ended = detente("solve", path, "--precision", "0.1,5", "--json")
    assert ended.code == 0
    assert [s["status"] for s in ended.json["solutions"]] == ["converged", "bifurcation"]


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_what_does_not_converge_ends_with_code_3_and_says_so(monkeypatch, capsys, flags):
    def hurried(game, draws=None, **options):  # two sweeps are enough for a small precision only
        return solve(game, draws, **(options | {"method": "sweep", "max_sweeps": 2, "exact": False}))

    monkeypatch.setattr("detente.solve.api.solve", hurried)
    monkeypatch.setattr(sys, "argv", ["detente", "solve", "seltens-horse", "--precision", "0,50", *flags])
    with pytest.raises(SystemExit) as ended:
        main()
    out = capsys.readouterr().out
    assert ended.value.code == 3
    assert "not converged" in out
    if flags:
        assert [s["status"] for s in json.loads(out)["solutions"]] == ["converged", "not converged"]


@pytest.mark.parametrize("name", ["test__AM_driver_one_infoset", "contrib__myerson"])
def test_a_refused_game_file_ends_with_code_2(detente, shared, name):
    assert_mistake(detente("solve", shared / "conformance" / "efg" / f"{name}.efg", "--json"), name)


@pytest.mark.parametrize(
    "text", ["", "EFG 2 R", 'EFG 2 R "x" { "a" }\np "" 1 1 "" { "l" "r" } 0\nt "" 1 ""', "\x00\xff"]
)
def test_a_malformed_game_file_ends_with_code_2(detente, tmp_path, text):
    (tmp_path / "bad.efg").write_text(text, encoding="latin-1")
    assert_mistake(detente("solve", "bad.efg"), "bad.efg")


def test_precisions_are_reported_in_the_order_asked_for(detente):
    ended = detente("solve", "seltens-horse", "--precision", "2,0.5,2", "--json")
    assert [s["precision"] for s in ended.json["solutions"]] == [2.0, 0.5, 2.0]
    first, _, last = ended.json["solutions"]
    assert first == last


def test_precision_zero_is_uniform_play(detente):
    for infoset in detente("solve", "kuhn-poker", "--precision", "0", "--json").json["solutions"][0]["infosets"]:
        assert infoset["probabilities"] == pytest.approx([0.5, 0.5])


def test_parameters_can_be_set(detente):
    one, two = (
        detente("solve", "unequal-pennies", "--set", f"heads={value}", "--json").json["solutions"][0]
        for value in (1, 4)
    )
    assert one["infosets"][0]["probabilities"] == pytest.approx([0.5, 0.5])
    assert two["infosets"][1]["probabilities"][0] < 0.5


def test_options_can_be_committed_to(detente):
    ended = detente("solve", "seltens-horse", "--commit", "first=L", "--json")
    infosets = {i["label"]: i for i in ended.json["solutions"][0]["infosets"]}
    assert set(infosets) == {"first", "third"} and infosets["first"]["options"] == ["L"]


def test_both_methods_print_the_same(detente):
    texts = [detente("solve", "seltens-horse", "--method", m).out for m in ("dense", "sweep")]
    first, second = ([line for line in t.splitlines() if "converged" not in line] for t in texts)
    assert first[:9] == second[:9] and "0.5809" in texts[0]


def test_the_table_shows_infosets_options_and_payoffs(detente):
    ended = detente("solve", "seltens-horse", "--precision", "1,2")
    assert ended.code == 0
    for text in ("Selten's horse", "9 nodes, 3 infosets", "player 1", "λ = 1", "λ = 2", "converged", "payoffs"):
        assert text in ended.out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["octobr-2024"], ["'octobr-2024' is not a scenario", "Did you mean 'october-2024'?", "detente list"]),
        (["kuhn-pokr"], ["Did you mean 'kuhn-poker'?"]),
        (["missing.efg"], ["missing.efg", "No such file"]),
        (["seltens-horse", "--precision", "1,x"], ["--precision: '1,x' is not a list of numbers", "--precision 1,2,5"]),
        (["seltens-horse", "--precision", ""], ["--precision: '' is not a list of numbers"]),
        (["seltens-horse", "--precision", "1,,2"], ["--precision: '1,,2' is not a list of numbers"]),
        (["seltens-horse", "--precision", "-1"], ["--precision: -1.0 is not a finite number ≥ 0"]),
        (["seltens-horse", "--precision", "nan"], ["--precision: nan is not a finite number ≥ 0"]),
        (["seltens-horse", "--precision", "inf"], ["--precision: inf is not a finite number ≥ 0"]),
        (["unequal-pennies", "--set", "heads"], ["--set: 'heads' is not NAME=VALUE", "--set"]),
        (["unequal-pennies", "--set", "heads="], ["--set: 'heads=' is not NAME=VALUE"]),
        (["unequal-pennies", "--set", "=2"], ["--set: '=2' is not NAME=VALUE"]),
        (["unequal-pennies", "--set", "heads=two"], ["--set: the value of 'heads' is 'two', not a number"]),
        (["unequal-pennies", "--set", "heads=inf"], ["'heads' is inf", "Give finite numbers"]),
        (["unequal-pennies", "--set", "heds=2"], ["--set: 'heds' is not a parameter", "Did you mean 'heads'?"]),
        (["seltens-horse", "--set", "x=2"], ["--set: 'x' is not a parameter of 'seltens-horse'"]),
        (["seltens-horse", "--commit", "first"], ["--commit: 'first' is not NAME=VALUE"]),
        (["seltens-horse", "--commit", "firs=L"], ["no move 'firs'", "Did you mean 'first'?"]),
        (["seltens-horse", "--commit", "first=M"], ["the move 'first' has no option 'M'", "'R', 'L'"]),
        (["kuhn-poker", "--commit", "card of player 1=0"], ["is a chance move; nobody can commit to it"]),
        (["seltens-horse", "--method", "dens"], ["method: 'dens' is not known", "Did you mean 'dense'?"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value and "'" not in value[0] else "",
)
@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_mistakes_of_solve_are_explained(detente, arguments, parts, flags):
    assert_mistake(detente("solve", *arguments, *flags), *parts)


def test_the_example_for_setting_a_parameter_is_a_number(detente):
    assert re.search(r"Write for example --set \w+=[0-9.]+", detente("solve", "unequal-pennies", "--set", "heads").err)


def test_an_absurd_precision_is_not_called_converged_and_prints_valid_json(tmp_path):
    ended = in_a_shell("solve", "unequal-pennies", "--precision", "1e300", "--json", cwd=tmp_path)
    assert "Traceback" not in ended.err and "Warning" not in ended.err
    assert ended.code in (2, 3)
    if ended.code == 3:
        assert ended.json["solutions"][0]["status"] == "not converged"


def test_a_folder_without_a_scenario_is_a_mistake(detente, tmp_path):
    (tmp_path / "empty").mkdir()
    assert_mistake(detente("solve", "empty"), "has no scenario.toml")


# -- check ----------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_scenarios_pass_their_check(detente, name):
    ended = detente("check", name, "--json")
    assert ended.code == 0
    result = ended.json
    assert result["problems"] == [] and result["nodes"] <= 20_000
    assert set(result["median_world"]) == {"retaliation", "reply"}
    assert result["base_rates"]


@pytest.mark.slow
def test_check_explains_stages_and_formulas(detente):
    ended = detente("check", "october-2024", "--explain")
    assert ended.code == 0
    assert "STAGES" in ended.out and "PAYOFFS" in ended.out
    for move in ("protege resolve", "message", "channel", "press", "retaliation", "reply", "involvement", "next"):
        assert re.search(rf"^\d+\. {move} – ", ended.out, re.MULTILINE), move
    assert "with chance leak" in ended.out and re.search(r"with chance (1 − leak|−leak \+ 1)", ended.out)
    assert "−war_patron" in ended.out and "−join_cost" in ended.out
    assert "base rate for" in ended.out


def test_check_says_what_is_certain_or_impossible_and_ends_with_code_1(detente, tmp_path):
    tame = TOML.replace('kind = "fixed", value = 1.2', 'kind = "fixed", value = 90')
    folder = write_scenario(tmp_path / "tame", tame).folder
    ended = detente("check", folder)
    assert ended.code == 1
    assert "problem:" in ended.out and "act" in ended.out
    assert detente("check", folder, "--json").json["problems"]


def test_check_of_a_small_scenario_explains_itself_as_json(detente, border):
    ended = detente("check", border, "--explain", "--json")
    assert ended.code in (0, 1)
    assert "STAGES" in ended.json["explanation"] and "harm" in ended.json["explanation"]


def test_a_malformed_scenario_file_is_named_with_its_line(detente, tmp_path):
    folder = write_scenario(tmp_path / "broken").folder
    (folder / "scenario.toml").write_text(TOML.replace('title = "The border"', 'title = "The border'))
    assert_mistake(detente("check", folder), "scenario.toml", "line 3")


def test_an_unknown_scenario_offers_the_nearest(detente):
    for command in ("check", "brief"):
        assert_mistake(detente(command, "april-2042"), "Did you mean 'april-2024'?")


# -- tree -----------------------------------------------------------------------------------------
def test_a_tree_is_a_well_formed_picture(detente, tmp_path):
    ended = detente("tree", "seltens-horse")
    assert ended.code == 0 and ended.out == "wrote seltens-horse-tree.svg\n"
    root = ElementTree.parse(tmp_path / "seltens-horse-tree.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "player 1" in "".join(root.itertext())


@pytest.mark.parametrize(("name", "begins"), [("deep.png", b"\x89PNG"), ("deep.PDF", b"%PDF")])
def test_a_tree_is_a_picture_of_the_kind_that_its_name_says(detente, tmp_path, name, begins):
    ended = detente("tree", "seltens-horse", "-o", name)
    assert ended.code == 0 and ended.out == f"wrote {name}\n"
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_tree_of_an_unknown_kind_is_refused_before_the_work(detente, tmp_path):
    ended = detente("tree", "seltens-horse", "-o", "deep.bmp")
    assert ended.code == 2 and ".png or .pdf" in ended.err and "Traceback" not in ended.err
    assert not list(tmp_path.iterdir())


def test_a_tree_goes_where_it_is_told(detente, tmp_path):
    ended = detente("tree", "kuhn-poker-3", "-o", "deep.svg", "--leaves", 5, "--json")
    assert ended.json == {"svg": "deep.svg", "nodes": 617, "leaves": 312}
    ElementTree.parse(tmp_path / "deep.svg")


def test_a_tree_as_text_writes_no_file(detente, tmp_path):
    ended = detente("tree", "kuhn-poker", "--text", "--leaves", 4)
    assert ended.code == 0 and "4 of 30 complete histories" in ended.out
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written_is_a_mistake(detente):
    assert_mistake(detente("tree", "seltens-horse", "-o", "no/where.svg"), "there is no folder", "--output")


# -- export ---------------------------------------------------------------------------------------
def test_an_exported_game_is_the_same_game(detente, tmp_path):
    assert detente("export", "unequal-pennies", "--efg", "out.efg", "--set", "heads=3").out == "wrote out.efg\n"
    before = detente("solve", "unequal-pennies", "--set", "heads=3", "--precision", "0.5,2", "--json").json
    after = detente("solve", "out.efg", "--precision", "0.5,2", "--json").json
    assert after["game"] == before["game"] and after["players"] == before["players"]
    for one, other in zip(before["solutions"], after["solutions"], strict=True):
        assert one["payoffs"] == pytest.approx(other["payoffs"], abs=1e-10)
        for a, b in zip(one["infosets"], other["infosets"], strict=True):
            assert a["options"] == b["options"]
            assert a["probabilities"] == pytest.approx(b["probabilities"], abs=1e-10)


def test_a_scenario_is_exported_in_its_median_world(detente, border, tmp_path):
    ended = detente("export", border, "--efg", "border.efg", "--json")
    assert ended.json == {"efg": "border.efg", "nodes": ended.json["nodes"]}
    before = detente("solve", border, "--precision", "1", "--json").json["solutions"][0]
    after = detente("solve", "border.efg", "--precision", "1", "--json").json["solutions"][0]
    assert after["payoffs"] == pytest.approx(before["payoffs"], abs=1e-9)
    assert [i["probabilities"] for i in after["infosets"]] == [
        pytest.approx(i["probabilities"], abs=1e-9) for i in before["infosets"]
    ]


def test_an_export_that_cannot_be_written_is_a_mistake(detente, tmp_path):
    assert_mistake(detente("export", "seltens-horse", "--efg", "no/out.efg"), "there is no folder")
    assert_mistake(detente("export", "seltens-horse", "--efg", tmp_path), "is a folder")
    assert_mistake(detente("export", "seltens-horse", "--efg", "out.efg", "--set", "y=1"), "'y' is not a parameter")
    assert list(tmp_path.iterdir()) == []


def test_an_export_needs_to_be_told_where(detente):
    ended = detente("export", "seltens-horse")
    assert ended.code == 2 and "--efg" in ended.err


# -- brief ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def october(tmp_path_factory) -> tuple[Ended, Path]:
    folder = tmp_path_factory.mktemp("brief")
    return in_a_shell("brief", "october-2024", "--draws", 96, "--json", "-o", "page.html", cwd=folder), folder


@pytest.mark.slow
def test_a_brief_of_october_is_one_json_object_and_one_page(october):
    ended, folder = october
    assert ended.code == 0, ended.err
    assert ended.out.count("\n") == 1 and ended.err == ""
    result = ended.json
    assert result["html"] == "page.html" and result["as_of"] == "2024-10-25"
    assert [p.name for p in folder.iterdir()] == ["page.html"]
    assert len(result["bottom_line"]) <= 3 or isinstance(result["bottom_line"], str)
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert text.lower().startswith("<!doctype html>") and text.rstrip().endswith("</html>")
    for policy in ("Strike alone", "Red lines", "Withhold defence"):
        assert policy in text
    assert not re.search(r"""(src|href)=["']https?://[^"']+\.(js|css|woff2?|png|svg)""", text)  # nothing is fetched


def test_a_brief_of_a_small_scenario_is_printed_and_written(detente, border, tmp_path):
    ended = detente("brief", border, "--draws", 32)
    assert ended.code == 0, ended.err
    page = tmp_path / "border-brief.html"
    assert page.is_file() and "border-brief.html" in ended.out
    for text in ("No policy", "Firm, announced", "fight", "0 of 32 draws did not converge"):
        assert text in " ".join(ended.out.split())


def test_the_same_seed_gives_the_same_brief(detente, border):
    first, again, other = (
        {k: v for k, v in detente("brief", border, "--draws", 24, "--json", "--seed", seed).json.items() if k != "html"}
        for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


def test_a_brief_can_be_of_some_policies_only(detente, border):
    ended = detente("brief", border, "--draws", 24, "--policy", "none", "--policy", "firm", "--json")
    assert ended.code == 0
    assert "announced" not in json.dumps(ended.json["manifest"]["policies"])


def test_a_brief_of_few_draws_is_refused_before_the_work_or_written_without_influences(detente, border, tmp_path):
    ended = detente("brief", border, "--draws", 3, "--json")
    if ended.code == 0:
        assert (tmp_path / "border-brief.html").is_file()
    else:
        assert_mistake(ended, "draws")
        assert "usable draws are too few" not in ended.err  # that is only known after the work


def test_an_unknown_policy_offers_the_nearest(detente, border):
    assert_mistake(detente("brief", border, "--policy", "announcd"), "Did you mean 'announced'?")


@pytest.mark.parametrize("output", ["no/page.html", ".", "border/scenario.toml/page.html"])
def test_an_unwritable_page_is_refused_before_any_work(detente, border, monkeypatch, output):
    import detente.decide.ensemble as ensemble

    def work(*args, **options):
        raise AssertionError("work was done before the path was checked")

    monkeypatch.setattr(ensemble, "run", work)
    assert_mistake(detente("brief", border, "-o", output), "--output" if output != "." else "is a folder")


@pytest.mark.parametrize("draws", ["0", "-5", "many", "1.5"])
def test_a_number_of_draws_that_is_none_is_a_mistake(detente, border, draws):
    ended = detente("brief", border, "--draws", draws)
    assert ended.code == 2 and "--draws" in ended.err


def test_an_unconverged_draw_shows_up_in_the_brief(detente, border, monkeypatch):
    import dataclasses

    import numpy as np

    import detente.decide.ensemble as ensemble
    from detente.model.priors import draw
    from detente.model.scenario import load_scenario
    from detente.solve.api import solve
    from detente.solve.solution import NOT_CONVERGED

    marked = draw(load_scenario(border).priors, 32, seed=0)["leak"][5]

    def partly(game, draws, **options):
        solution = solve(game, draws, **options)
        return dataclasses.replace(solution, status=np.where(draws["leak"] == marked, NOT_CONVERGED, solution.status))

    monkeypatch.setattr(ensemble, "solve", partly)
    ended = detente("brief", border, "--draws", 32)
    assert ended.code == 0
    assert "1 of 32" in " ".join(ended.out.split())


def stop_during(folder: Path, arguments: list[str], delay_s: float) -> Ended:
    """Start a command, press Ctrl-C after a while, and see how it ends."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", "print('begun', flush=True); " + COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    return Ended(process.returncode, out, err)


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.3, 1.0, 2.0, 8.0])
def test_ctrl_c_ends_with_code_130_and_leaves_nothing(tmp_path, delay_s):
    (tmp_path / "page.html").write_text("an older page")
    ended = stop_during(tmp_path, ["brief", "october-2024", "--draws", "20000", "-o", "page.html"], delay_s)
    assert ended.code == 130
    assert "Traceback" not in ended.err and "stopped; nothing is half-written" in ended.err
    assert ended.out == ""
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "an older page"


# -- as a process ---------------------------------------------------------------------------------
@pytest.mark.parametrize("arguments", [["solve", "no-such-game"], ["check", "nothing"], ["solve", "x.efg", "--json"]])
def test_a_mistake_ends_the_process_with_code_2_and_no_traceback(tmp_path, arguments):
    ended = in_a_shell(*arguments, cwd=tmp_path)
    assert "Traceback" not in ended.err
    assert_mistake(ended)


def test_no_color_is_respected(tmp_path):
    tame = TOML.replace('kind = "fixed", value = 1.2', 'kind = "fixed", value = 90')
    folder = write_scenario(tmp_path / "tame", tame).folder
    colour = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|9[0-7]|48)[;m]")
    environment = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    coloured = in_a_shell("check", folder, cwd=tmp_path, **environment)
    plain = in_a_shell("check", folder, cwd=tmp_path, **environment, NO_COLOR="1")
    assert coloured.code == plain.code == 1
    assert colour.search(coloured.out)
    assert not colour.search(plain.out)
    assert "\x1b" not in in_a_shell("check", folder, cwd=tmp_path).out  # a pipe gets no codes at all


def test_output_to_a_pipe_that_closes_early_is_no_crash(tmp_path):
    command = f'"{sys.executable}" -c "{COMMAND}" solve kuhn-poker-3 --precision 1,2,3 | head -n 1'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert done.stdout.startswith("Kuhn poker")


def test_the_command_line_is_named_detente():
    assert app.info.name == "detente"
