"""Scenario discovery: planted boxes, a slow search that is plainly right, published tests, and another program."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from detente.decide.boxes import Box, Restriction, card, conditions, failing, percent, quasi_p, read_worlds
from detente.decide.cart import discover_by_tree
from detente.decide.discovery import discover, stability
from detente.decide.peeling import encode
from detente.errors import UsageError

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "discovery.py"
NUM = 2_000


def planted(num_worlds: int = NUM, noise: float = 0.05, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Worlds that fail when resolve is above 0.7, word below 0.4 and the press is not silent; with noise."""
    rng = np.random.default_rng(seed)
    inputs = {name: rng.random(num_worlds) for name in ("resolve", "word", "leak", "cost")}
    inputs["press"] = rng.choice(["silent", "hints", "reports"], num_worlds)
    fails = (inputs["resolve"] > 0.7) & (inputs["word"] < 0.4) & (inputs["press"] != "silent")
    return inputs, fails ^ (rng.random(num_worlds) < noise)


@pytest.fixture(scope="module")
def found():
    return discover(*planted())


# -- the search --------------------------------------------------------------------------------------
def test_a_planted_box_is_found_with_its_limits_and_labels(found):
    limits = {r.parameter: r for r in found.box.restrictions}
    assert set(limits) == {"resolve", "word", "press"}
    assert limits["resolve"].low == pytest.approx(0.7, abs=0.03) and limits["resolve"].high is None
    assert limits["word"].high == pytest.approx(0.4, abs=0.03) and limits["word"].low is None
    assert limits["press"].left_out == ("silent",) and set(limits["press"].labels) == {"hints", "reports"}
    assert all(r.quasi_p < 1e-6 for r in found.box.restrictions)


def test_coverage_density_and_mass_are_what_counting_the_worlds_gives(found):
    inputs, fails = planted()
    for box in (found.box, *found.boxes):
        inside = box.holds(inputs)
        assert box.mass == pytest.approx(inside.mean())
        assert box.density == pytest.approx(fails[inside].mean())
        assert box.coverage == pytest.approx(fails[inside].sum() / fails.sum())
    assert found.base_rate == fails.mean() and (found.num_worlds, found.num_failures) == (NUM, fails.sum())


def test_the_curve_runs_from_all_worlds_to_the_densest_box(found):
    curve = found.curve()
    assert (curve["coverage"][0], curve["mass"][0], curve["restricted"][0]) == (1, 1, 0)
    assert (np.diff(curve["density"]) > 0).all() and (np.diff(curve["mass"]) < 0).all()
    assert curve["mass"].min() >= 0.05
    worth = curve["coverage"] * (curve["density"] - found.base_rate)
    assert found.chosen == worth.argmax()
    assert found.box.density >= found.boxes[found.chosen].density - 0.02


def slow_peel(columns: list[np.ndarray], fails: np.ndarray, share: float, least: float) -> list[float]:
    """Densities of a plain peel that sorts at every step, for numbers without ties."""
    inside = np.ones(len(fails), dtype=bool)
    densities = [fails.mean()]
    while True:
        best = (0.0, None)
        take = int(np.ceil(share * inside.sum() - 1e-9))
        for column in columns:
            order = np.flatnonzero(inside)[np.argsort(column[inside])]
            for gone in (order[:take], order[-take:]):
                rest = inside.copy()
                rest[gone] = False
                gain = (fails[rest].mean() - fails[inside].mean()) / take
                if rest.sum() >= least * len(fails) and gain > best[0]:
                    best = (gain, rest)
        if best[1] is None:
            return densities
        inside = best[1]
        densities.append(fails[inside].mean())


def test_the_quick_peel_takes_the_same_slices_as_a_slow_one_that_sorts_every_time():
    inputs, fails = planted(600, noise=0.15, seed=3)
    names = ["resolve", "word", "leak"]
    found = discover({n: inputs[n] for n in names}, fails)
    np.testing.assert_allclose(found.curve()["density"], slow_peel([inputs[n] for n in names], fails, 0.05, 0.05))


def test_bins_hardly_move_a_box(monkeypatch):
    from detente.decide import peeling

    inputs, fails = planted(6_000)
    exact = discover(inputs, fails)  # 6,000 values in 4,096 bins
    monkeypatch.setattr(peeling, "NUM_BINS", 10_000)
    monkeypatch.setattr(peeling.encode, "__kwdefaults__", {"num_bins": 10_000})
    finer = discover(inputs, fails)
    for one, other in zip(exact.box.restrictions, finer.box.restrictions, strict=True):
        assert (one.parameter, one.labels) == (other.parameter, other.labels)
        assert [one.low or 0, one.high or 0] == pytest.approx([other.low or 0, other.high or 0], abs=0.01)


def test_codes_put_every_value_into_its_bin_whatever_its_distribution():
    rng = np.random.default_rng(2)
    spike = np.where(rng.random(70_000) < 0.6, 0.0, rng.normal(size=70_000))
    columns = [spike, np.exp(4 * rng.normal(size=70_000)), rng.integers(0, 7, 70_000).astype(float), rng.random(70_000)]
    found = encode(columns, [0, 0, 0, 0])
    for j, column in enumerate(columns):
        codes = found.codes[j]
        assert (found.lowest[j][codes] <= column).all() and (column <= found.highest[j][codes]).all()
        order = np.argsort(column, kind="stable")
        assert (np.diff(codes[order].astype(int)) >= 0).all()
    assert found.count[2] == 7
    zero = np.unique(found.codes[0][spike == 0])
    assert len(zero) == 1 and (spike[found.codes[0] == zero[0]] == 0).all()  # the spike has a bin of its own


def test_a_weight_is_the_same_as_so_many_worlds():
    inputs, fails = planted(500)
    weights = np.random.default_rng(1).integers(0, 4, 500)
    one = discover(inputs, fails, weights=weights)
    other = discover({n: np.repeat(v, weights) for n, v in inputs.items()}, np.repeat(fails, weights))
    for left, right in zip(one.boxes, other.boxes, strict=True):
        assert left.restrictions == right.restrictions
        assert (left.coverage, left.density, left.mass) == pytest.approx((right.coverage, right.density, right.mass))


def test_the_order_of_worlds_and_the_unit_of_a_parameter_do_not_matter():
    inputs, fails = planted(800)
    rows = np.random.default_rng(3).permutation(800)
    assert discover({n: v[rows] for n, v in inputs.items()}, fails[rows]).box == discover(inputs, fails).box
    scaled = discover({n: v if v.dtype.kind == "U" else 4 * v + 8 for n, v in inputs.items()}, fails).box
    for one, other in zip(scaled.restrictions, discover(inputs, fails).box.restrictions, strict=True):
        assert one.parameter == other.parameter and one.labels == other.labels
        if other.low is not None:
            assert one.low == pytest.approx(4 * other.low + 8)


def test_an_array_with_names_and_numbers_of_labels_is_read_like_columns():
    inputs, fails = planted(800)
    press = ["silent", "hints", "reports"]
    table = np.stack([inputs["resolve"], inputs["word"], [press.index(p) for p in inputs["press"]]], axis=1)
    names = ["resolve", "word", "press"]
    one = discover(table, fails, names=names, labels={"press": press})
    other = discover({n: inputs[n] for n in names}, fails)
    assert one.curve()["density"].tolist() == other.curve()["density"].tolist()
    assert {r.parameter: set(r.labels) for r in one.box.restrictions} == {
        r.parameter: set(r.labels) for r in other.box.restrictions
    }


def test_a_density_can_be_asked_for(found):
    inputs, fails = planted()
    asked = discover(inputs, fails, density=0.6)
    assert asked.boxes[asked.chosen].density >= 0.6 > asked.boxes[asked.chosen - 1].density
    with pytest.raises(UsageError, match=r"no box reaches 0.99; the densest has 0\.\d\d"):
        discover(inputs, fails, density=0.99)
    assert discover(inputs, fails, objective="mean").box.parameters == found.box.parameters


def test_pasting_takes_back_what_peeling_took_too_much_of():
    x = np.linspace(0, 1, 1_000)
    fails = (x > 0.62) & (x < 0.9)
    found = discover({"x": x, "y": np.random.default_rng(0).random(1_000)}, fails, paste=0.01)
    assert found.box.density == 1 and found.box.coverage > 0.98
    assert found.box.coverage >= found.boxes[found.chosen].coverage


def test_what_might_as_well_be_chance_is_not_proposed():
    rng = np.random.default_rng(4)
    inputs = {f"p{j}": rng.random(400) for j in range(4)}
    found = discover(inputs, rng.random(400) < 0.3, significance=1e-9)
    assert found.box.restrictions == () and (found.box.coverage, found.box.mass) == (1, 1)
    text = card(found.box, "Wait", "war")
    assert text.startswith("*Wait* fails (war) in ") and text.endswith("no range of a parameter sets them apart.")


# -- how good a box is -------------------------------------------------------------------------------
def test_quasi_p_is_the_one_sided_binomial_test(found):
    assert quasi_p(7, 10, 0.5) == pytest.approx(176 / 1024)
    assert quasi_p(0, 10, 0.5) == 1.0
    inputs, fails = planted()
    inside = found.box.holds(inputs)
    for restriction in found.box.restrictions:
        others = Box(tuple(r for r in found.box.restrictions if r is not restriction), 0, 0, 0)
        share = fails[others.holds(inputs)].mean()
        expected = binom.sf(fails[inside].sum() - 1, inside.sum(), share)
        assert restriction.quasi_p == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_parameters_that_matter_come_back_in_halves_of_the_worlds_and_others_seldom(found):
    inputs, fails = planted()
    shares = stability(inputs, fails, found.box, num_repeats=10)
    assert list(shares) == list(inputs)
    for name in ("resolve", "word", "press"):
        assert shares[name].at_coverage >= 0.9 and shares[name].at_density >= 0.9
    assert max(shares[name].at_coverage for name in ("leak", "cost")) <= 0.6
    assert stability(inputs, fails, found.box, num_repeats=10) == shares


# -- a second opinion ----------------------------------------------------------------------------------
def test_a_tree_names_the_same_parameters_with_about_the_same_limits():
    inputs, fails = planted()
    leaves = discover_by_tree(inputs, fails)
    top = leaves.boxes[0]
    limits = {r.parameter: r for r in top.restrictions}
    assert {"resolve", "word"} <= set(limits)
    assert limits["resolve"].low == pytest.approx(0.7, abs=0.05) and limits["word"].high == pytest.approx(0.4, abs=0.05)
    for box in leaves.boxes:
        inside = box.holds(inputs)
        assert (box.mass, box.density) == pytest.approx((inside.mean(), fails[inside].mean()))
        assert box.density > leaves.base_rate
    inside = np.sum([box.holds(inputs) for box in leaves.boxes], axis=0)
    assert inside.max() == 1  # leaves do not overlap
    assert leaves.coverage == pytest.approx(fails[inside == 1].sum() / fails.sum())
    assert leaves.density == pytest.approx(fails[inside == 1].mean())


def test_a_tree_obeys_weights_and_its_options():
    inputs, fails = planted(600)
    weights = np.random.default_rng(1).integers(1, 4, 600)
    one = discover_by_tree(inputs, fails, weights=weights)
    other = discover_by_tree({n: np.repeat(v, weights) for n, v in inputs.items()}, np.repeat(fails, weights))
    assert [b.parameters for b in one.boxes] == [b.parameters for b in other.boxes]
    assert one.coverage == pytest.approx(other.coverage) and one.density == pytest.approx(other.density)
    assert discover_by_tree(inputs, fails, max_leaves=2).num_leaves == 2
    with pytest.raises(UsageError, match="Ask for 2 or more"):
        discover_by_tree(inputs, fails, max_leaves=1)


# -- another program -----------------------------------------------------------------------------------
def test_ema_workbench_finds_the_same_boxes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prim = pytest.importorskip(
            "ema_workbench.analysis.prim",
            reason="EMA Workbench is not installed; benchmarks/discovery.py compares too.",
        )
    import pandas as pd

    spec = importlib.util.spec_from_file_location("benchmark_discovery", BENCHMARK)
    assert spec is not None and spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    inputs, fails = benchmark.problem(4_000, 5)
    names = [f"p{j}" for j in range(5)]
    ours = discover(inputs, fails, names=names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = prim.Prim(pd.DataFrame(inputs, columns=names), fails, threshold=0.5, peel_alpha=0.05).find_box()
    found = {name: theirs.peeling_trajectory[name].tolist() for name in ("coverage", "density", "mass")}
    found["limits"] = [limits.to_numpy(dtype=float) for limits in theirs.box_lims]
    limit_gap, share_gap, steps = benchmark.gaps(ours, found, names, inputs)
    assert steps > 20 and limit_gap < 0.01 and share_gap < 0.01


# -- words ---------------------------------------------------------------------------------------------
def test_a_card_says_when_a_policy_fails_and_how_good_the_sentence_is():
    box = Box(
        (
            Restriction("protege_resolve", low=0.7, least=0, most=1),
            Restriction("word", high=0.4012, least=0, most=1),
            Restriction("delay", low=3.0, high=1234.0, least=0, most=2000),
            Restriction("press", labels=("reports", "hints"), left_out=("silent",)),
        ),
        coverage=0.712, density=0.88, mass=0.004,
    )  # fmt: skip
    assert card(box, "Strike alone", "retaliation on oil", titles={"word": "the patron's word"}) == (
        "*Strike alone* fails (retaliation on oil) when protege resolve is above 0.7, the patron's word is below 0.4, "
        "delay is between 3 and 1,234 and press is not silent: 71 % of failures, 88 % of such worlds fail, 0.4 % of "
        "all worlds."
    )
    assert conditions(Box((Restriction("t", low=-0.5, least=-1, most=1),), 1, 1, 1)) == "t is above −0.5"
    assert conditions(Box((Restriction("s", labels=("b",), left_out=("a", "c")),), 1, 1, 1)) == "s is b"
    assert [percent(v) for v in (0, 1e-5, 0.5, 0.995, 0.99999, 1)] == [
        "0 %",
        "< 0.1 %",
        "50 %",
        "99.5 %",
        "> 99.9 %",
        "100 %",
    ]


def test_failure_is_being_worse_than_a_threshold_in_the_direction_that_counts():
    assert failing([1, 2, 3], 2).tolist() == [False, False, True]
    assert failing([1, 2, 3], 2, better="higher").tolist() == [True, False, False]
    with pytest.raises(UsageError, match="1 of 2 are not numbers"):
        failing([1, np.nan], 2)
    with pytest.raises(UsageError, match="Say 'lower' or 'higher'"):
        failing([1], 2, better="more")


# -- what is refused -------------------------------------------------------------------------------------
X = np.linspace(0, 1, 20)
HALF = X > 0.5


@pytest.mark.parametrize(
    ("inputs", "fails", "options", "says"),
    [
        ({"x": X}, np.zeros(20, bool), {}, "none of the 20 worlds fails.* more strictly"),
        ({"x": X}, np.ones(20, bool), {}, "all 20 worlds fail.* less strictly"),
        ({"x": X, "c": np.ones(20)}, HALF, {}, "'c' has the same value in every world.* Leave it out"),
        ({"x": np.where(X > 0.9, np.nan, X), "z": X}, HALF, {}, r"2 of 20 .*\('x' in 2\).* Leave these worlds out"),
        ({"x": np.where(HALF, "a", None)}, HALF, {}, r"10 of 20 worlds .*\('x' in 10\)"),
        ({"x": X[:0]}, HALF[:0], {}, "no worlds left to search. Loosen the filter"),
        ({"x": X[:5]}, HALF, {}, "'x' has shape .5,., but there are 20 worlds"),
        ({}, HALF, {}, "no parameters to search in"),
        (np.zeros((20, 2)), HALF, {"names": ["x"]}, "one distinct name a column"),
        ({"x": X}, X, {}, "True or False"),
        ({"x": X}, HALF, {"labels": {"y": ["a"]}}, "'y' is not a parameter. Known: 'x'"),
        ({"x": X}, HALF, {"labels": {"x": ["a", "b"]}}, "not numbers of its 2 labels"),
        ({"x": np.arange(300).astype(str)}, np.arange(300) > 9, {}, "300 different labels; at most 256"),
        ({"x": X}, HALF, {"weights": np.zeros(20)}, "no world left"),
        ({"x": X}, HALF, {"weights": HALF.astype(float)}, "has the same value|all 10 worlds fail"),
    ],
)  # fmt: skip
def test_worlds_that_cannot_be_searched_are_refused_with_advice(inputs, fails, options, says):
    with pytest.raises(UsageError, match=says):
        read_worlds(inputs, fails, **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"peel": 0.0}, "peel: 0 is out of range"),
        ({"least": 0.7}, "least: 0.7 is out of range"),
        ({"objective": "best"}, "'best' is not known"),
        ({"density": 1.5}, "density: 1.5 is not a share"),
    ],
)
def test_options_out_of_range_are_refused_with_advice(options, says):
    with pytest.raises(UsageError, match=says):
        discover({"x": X}, HALF, **options)
    if "density" in options:
        return
    if "objective" not in options:
        with pytest.raises(UsageError, match="out of range"):
            stability({"x": X}, HALF, Box((), 1, 1, 1), **options)
    with pytest.raises(UsageError, match="say nothing"):
        stability({"x": X}, HALF, Box((), 1, 1, 1), num_repeats=1)
