"""A game solved by Gambit beside us: whatever it does, it is said and nothing hangs; the real one agrees."""

import json
import os
import time
from importlib.util import find_spec

import numpy as np
import pytest
from test_manners import detente  # noqa: F401

import detente as dt
from detente.errors import SolveError, UsageError
from detente.library.games import GAMES
from detente.model.gambit import solve_with_gambit
from detente.report.beside import put_beside

# A stand-in for Gambit: it plays every option equally often, and says that this is the equilibrium of any precision.
STAND_IN = """
import os, re, signal, subprocess, sys, time
__version__ = "0.0"

class Named:
    def __init__(self, **named):
        self.__dict__.update(named)

class Profile(dict):
    def payoff(self, player):
        return 0.25

def read_efg(file):
    HOW
    rows = dict.fromkeys(re.findall(r'p "" (\\d+) \\d+ "(infoset \\d+)" {(.*)}', file.read()))
    players = {}
    for player, label, options in sorted(rows, key=lambda row: (row[0], int(row[1].split()[1]))):
        actions = [object() for _ in re.findall('"', options)][::2]
        players.setdefault(player, []).append(Named(label=label, actions=actions))
    return Named(players=[Named(infosets=players[p]) for p in sorted(players)], mixed_behavior_profile=Profile)

class Found(list):
    pass

class qre:
    @staticmethod
    def logit_solve_lambda(game, precisions):
        found = []
        for precision in precisions:
            found.append(Found(1 / len(i.actions) for p in game.players for i in p.infosets for a in i.actions))
            found[-1].lam = precision + OFF
        return found
"""
HANGS = (
    'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]); open(MARK, "w").close(); time.sleep(60)'
)


@pytest.fixture
def stand_in(tmp_path_factory, monkeypatch):
    """Put the stand-in where Gambit would be, for this process and those that it starts."""

    def put(how: str = "pass", off: float = 0.0) -> None:
        folder = tmp_path_factory.mktemp("stand-in")
        text = STAND_IN.replace("HOW", how).replace("OFF", repr(off))
        (folder / "pygambit.py").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))

    return put


@pytest.fixture(scope="module")
def horse():
    return dt.compile(GAMES["seltens-horse"].crisis)


def test_where_gambit_is_not_installed_the_command_that_installs_it_is_named(detente, monkeypatch):  # noqa: F811
    monkeypatch.setitem(__import__("sys").modules, "pygambit", None)
    code, out, err = detente("solve", "kuhn-poker", "--beside", "gambit")
    assert (code, out) == (2, "")
    assert err == "detente: solve --beside gambit: 'pygambit' is not installed. Run: pip install 'detente[gambit]'\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--beside openspiel", "'openspiel' is not a solver"),
        ("--beside gambit --limit", "Leave one of the two out"),
        ("--beside gambit --seconds 0", "--seconds"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_the_work(detente, stand_in, words, said):  # noqa: F811
    stand_in()
    code, out, err = detente("solve", "kuhn-poker", *words.split())
    assert (code, out) == (2, "")
    assert said in err


def test_the_greatest_difference_is_printed_with_its_place(detente, stand_in):  # noqa: F811
    stand_in()
    code, out, _ = detente("solve", "seltens-horse", "--beside", "gambit", "--precision", "0,2")
    said = " ".join(out.split())
    assert code == 0
    assert "λ = 0 Gambit λ = 2 Gambit" in said
    assert "greatest difference 0.0e+00, at first → R; payoffs 1.2e+00: the same" in said
    ours = dt.solve(dt.compile(GAMES["seltens-horse"].crisis), precision=2.0)
    gap = np.abs(ours.probabilities[:, 0] - 0.5).max()
    assert f"greatest difference {gap:.1e}, at second → " in said
    assert "another equilibrium, or one of the two is wrong" in said


def test_json_holds_both_answers(detente, stand_in):  # noqa: F811
    stand_in()
    code, out, _ = detente("solve", "seltens-horse", "--beside", "gambit", "--precision", "2", "--json")
    (solution,) = json.loads(out)["solutions"]
    assert code == 0
    assert solution["beside"]["probabilities"] == [[0.5, 0.5]] * 3
    assert solution["beside"]["payoffs"] == [0.25] * 3
    assert solution["beside"]["greatest_difference"] == pytest.approx(
        max(abs(p - 0.5) for infoset in solution["infosets"] for p in infoset["probabilities"])
    )


def test_another_precision_than_asked_for_is_said(detente, stand_in):  # noqa: F811
    stand_in(off=0.01)
    code, out, _ = detente("solve", "seltens-horse", "--beside", "gambit", "--precision", "2")
    assert code == 3
    assert "Gambit stopped at precision 2.01 instead of 2 and does not say so" in " ".join(out.split())


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "Gambit: crashed (SIGSEGV)"),
        ("sys.exit('no memory left.')", "Gambit: ended without an answer (no memory left)"),
        ("raise ValueError('too wide.')", "cannot solve \"Selten's horse: a subgame"),
        ("raise ValueError('too wide.')", "ValueError: too wide. Compare another game."),
    ],
)
def test_a_gambit_that_fails_leaves_our_answer_and_says_why(detente, stand_in, how, said):  # noqa: F811
    stand_in(how)
    code, out, err = detente("solve", "seltens-horse", "--beside", "gambit")
    assert code == 3
    assert "converged (residual" in out
    assert said in err
    assert "Traceback" not in err


def test_a_gambit_that_hangs_is_ended_with_all_that_it_started(horse, stand_in, tmp_path):
    stand_in(HANGS.replace("MARK", repr(str(tmp_path / "begun"))))
    begun = time.monotonic()
    with pytest.raises(SolveError, match=r"did not finish within 8 seconds and was ended\. Give it more time"):
        solve_with_gambit(horse, precision=[1.0], seconds=8)
    assert time.monotonic() - begun < 30
    assert (tmp_path / "begun").exists()  # it was the stand-in that hung, and its child had been started
    time.sleep(0.2)
    left = [p for p in os.listdir("/proc") if p.isdigit() and _waits(p)] if os.path.isdir("/proc") else []
    assert left == []


def _waits(process: str) -> bool:
    """Whether a process is the stand-in's child."""
    try:
        with open(f"/proc/{process}/cmdline", encoding="utf-8") as file:
            return "import time; time.sleep(60)" in file.read()
    except OSError:
        return False


def test_a_game_in_which_nobody_chooses_and_a_time_that_is_none_are_refused(horse):
    (one,) = dt.players("one")

    @dt.crisis(players=(one,))
    def weather(g, p):
        """Rain or not."""
        return {one: g.chance("rain", {"yes": 0.5, "no": 0.5}) == "yes"}

    with pytest.raises(UsageError, match="nobody chooses"):
        solve_with_gambit(dt.compile(weather), precision=[1.0])
    with pytest.raises(UsageError, match="Give a positive number of seconds"):
        solve_with_gambit(horse, precision=[1.0], seconds=0)


# -- the real one ------------------------------------------------------------------------------------------
def real_gambit() -> None:
    if find_spec("pygambit") is None:
        pytest.skip("Gambit is not installed here: pip install 'detente[gambit]'")


@pytest.mark.parametrize("name", ["kuhn-poker", "seltens-horse", "unequal-pennies", "centipede", "tripartite-crisis"])
def test_gambit_finds_the_same_equilibrium(name):
    real_gambit()
    game, draw = dt.compile(GAMES[name].crisis), dict(GAMES[name].defaults)
    solutions = dt.solve(game, draw, precision=[0.5, 2.0])
    profiles = solve_with_gambit(game, draw, precision=[0.5, 2.0])
    for found in put_beside(solutions, profiles):
        assert found.profile.at_precision
        assert found.difference < 1e-5, found.at
        assert found.payoff_difference < 1e-4


def test_labels_that_gambit_would_refuse_do_not_keep_it_from_solving(detente):  # noqa: F811
    real_gambit()
    from detente.model.efg import parse_efg

    game = parse_efg(
        'EFG 2 R "Größe" { "Zoë" }\np "" 1 1 "Züge \\\\" { "ä" "ö" } 0\nt "" 1 "" { 1 }\nt "" 2 "" { 0 }\n'
    )
    (found,) = solve_with_gambit(game, precision=[1.0])
    assert found.probabilities == pytest.approx([0.7310585786, 0.2689414214])


def test_gambit_does_not_say_that_it_overshot_precision_zero_but_we_do(horse):
    real_gambit()
    (found,) = solve_with_gambit(horse, precision=[0.0])
    if not found.at_precision:
        assert "instead of 0 and does not say so" in put_beside([dt.solve(horse, precision=0.0)], [found])[0].message
