"""Robustness metrics: each by hand from its published formula, and by laws."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detente.decide.robustness import NINETIETH, metrics, robustness
from detente.errors import UsageError

POLICIES = ["back", "warn"]
# Eleven worlds, so that the 10th, 50th and 90th percentiles fall on values: the 2nd, 6th and 10th.
BACK = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 20.0]
WARN = [4.0, 4.0, 4.0, 4.0, 5.0, 5.0, 5.0, 6.0, 6.0, 9.0, 9.0]
VALUES = np.array([BACK, WARN]).T
whole = st.integers(-30, 30).map(float)
tables = st.integers(2, 14).flatmap(lambda n: arrays(float, (n, 3), elements=whole))
THREE = ["a", "b", "c"]
INVARIANT = ("percentile-based skewness", "percentile-based peakedness")
EQUIVARIANT = ("maximin", "maximax", "hurwicz", "laplace")  # R(cx + d) = c R(x) + d
SCALED = ("minimax regret", NINETIETH, "undesirable deviations")  # R(cx + d) = c R(x)


def figures(better: str, **options) -> dict[str, list[float]]:
    found = robustness(VALUES, POLICIES, better=better, **options)
    return {score.metric: list(score.values.values()) for score in found.scores}


# -- published formulas by hand ----------------------------------------------------------------------
HIGHER = {
    "maximin": [0.0, 4.0],
    "maximax": [20.0, 9.0],
    "hurwicz": [0.25 * 20, 0.25 * 9 + 0.75 * 4],
    "laplace": [65 / 11, 61 / 11],
    # World by world the losses are 4 3 2 1 1 0 0 0 0 0 0 and 0 0 0 0 0 0 1 1 2 0 11.
    "minimax regret": [-4.0, -11.0],
    NINETIETH: [-3.0, -2.0],
    "mean-variance": [(65 / 11 + 1) / (np.std(BACK) + 1), (61 / 11 + 1) / (np.std(WARN) + 1)],
    "undesirable deviations": [-(5 + 4 + 3 + 2 + 1), -(1 + 1 + 1 + 1)],
    "percentile-based skewness": [((9 + 1) / 2 - 5) / ((9 - 1) / 2), ((9 + 4) / 2 - 5) / ((9 - 4) / 2)],
    "percentile-based peakedness": [(9 - 1) / (8 - 2), (9 - 4) / (6 - 4)],
    "satisficing": [6 / 11, 7 / 11],
}
LOWER = {
    "maximin": [-20.0, -9.0],
    "maximax": [0.0, -4.0],
    "hurwicz": [0.75 * -20, 0.75 * -9 + 0.25 * -4],
    "laplace": [-65 / 11, -61 / 11],
    "minimax regret": [-11.0, -4.0],
    NINETIETH: [-2.0, -3.0],
    "mean-variance": [-(65 / 11 + 1) * (np.std(BACK) + 1), -(61 / 11 + 1) * (np.std(WARN) + 1)],
    "undesirable deviations": [-(1 + 2 + 3 + 4 + 15), -(1 + 1 + 4 + 4)],
    "percentile-based skewness": [0.0, -0.6],
    "percentile-based peakedness": [8 / 6, 5 / 2],
    "satisficing": [6 / 11, 7 / 11],
}


@pytest.mark.parametrize(("better", "expected"), [("higher", HIGHER), ("lower", LOWER)])
def test_every_metric_is_that_of_its_published_formula(better, expected):
    found = figures(better, threshold=5.0, optimism=0.25)
    assert list(found) == list(expected)
    for name, numbers in expected.items():
        assert found[name] == pytest.approx(numbers), name


def test_the_metrics_that_lead_are_named_and_their_disagreement_is_said():
    found = robustness(VALUES, POLICIES, better="higher", using=["maximin", "maximax", "laplace"])
    assert found.favourites == {"back": ("maximax", "laplace"), "warn": ("maximin",)}
    assert not found.agree
    assert found.note == (
        "The metrics disagree: *back* is best by maximax, laplace; *warn* by maximin. Which policy is the most robust "
        "depends on what robust is taken to mean."
    )
    assert found.score("maximin").order == ("warn", "back")


def test_agreement_is_said_too():
    found = robustness(np.stack([VALUES[:, 0], VALUES[:, 0] + 1], axis=1), POLICIES, using=["maximin", "laplace"])
    assert found.agree and found.note.startswith("*back* is best, alone or level, by all 2 metrics")
    same = robustness(VALUES[:, [0, 0]], POLICIES)
    assert same.agree and same.note == "No metric tells the policies apart." and same.favourites == {}


def test_a_metric_that_is_not_defined_has_no_figure_and_no_winner_and_the_note_says_so():
    found = robustness(np.ones((5, 2)), POLICIES)
    for name in INVARIANT:
        assert all(np.isnan(v) for v in found.score(name).values.values())
        assert found.score(name).best == () and found.score(name).order == ()
    assert "Not defined for every policy here: percentile-based skewness, percentile-based peakedness." in found.note
    far = robustness(VALUES - 30, POLICIES, better="higher", using=["mean-variance"])
    assert all(np.isnan(v) for v in far.scores[0].values.values())  # spread would count as a merit there


# -- laws --------------------------------------------------------------------------------------------
@given(tables, whole, st.sampled_from([0.5, 2.0, 4.0]), st.sampled_from(["lower", "higher"]))
def test_another_unit_or_origin_changes_the_figures_as_it_should(values, shift, factor, better):
    sign = 1 if better == "higher" else -1
    base, moved = (robustness(v, THREE, better=better) for v in (values, values * factor + shift))
    for name in EQUIVARIANT + SCALED + INVARIANT:
        before, after = (np.array(list(r.score(name).values.values())) for r in (base, moved))
        if name in EQUIVARIANT:
            before = before * factor + sign * shift
        elif name in SCALED:
            before = before * factor
        np.testing.assert_allclose(after, before, atol=1e-8)


@given(tables, st.permutations([0, 1, 2]), st.randoms(use_true_random=False))
def test_the_order_of_policies_and_of_worlds_does_not_matter(values, order, random):
    rows = list(range(len(values)))
    random.shuffle(rows)
    base = robustness(values, THREE, threshold=1.0)
    mixed = robustness(values[np.ix_(rows, order)], [THREE[i] for i in order], threshold=1.0)
    for one, other in zip(base.scores, mixed.scores, strict=True):
        for name in THREE:
            assert one.values[name] == pytest.approx(other.values[name], nan_ok=True)


@given(tables, st.data())
def test_a_weight_is_the_same_as_so_many_worlds(values, data):
    weights = data.draw(arrays(int, len(values), elements=st.integers(0, 3)))
    assume(weights.sum() > 0)
    one = robustness(values, THREE, weights=weights, threshold=0.0)
    other = robustness(np.repeat(values, weights, axis=0), THREE, threshold=0.0)
    for left, right in zip(one.scores, other.scores, strict=True):
        assert list(left.values.values()) == pytest.approx(list(right.values.values()), nan_ok=True), left.metric


@given(tables)
def test_a_change_of_sign_is_a_change_of_direction(values):
    one, other = robustness(values, THREE, better="lower"), robustness(-values, THREE, better="higher")
    for name in EQUIVARIANT + SCALED + INVARIANT:
        assert list(one.score(name).values.values()) == pytest.approx(
            list(other.score(name).values.values()), nan_ok=True
        )


# -- what is refused ---------------------------------------------------------------------------------
def test_what_cannot_be_used_is_refused_with_advice():
    with pytest.raises(UsageError, match="'maximum' is not known. Did you mean 'maxim"):
        robustness(VALUES, POLICIES, using=["maximum"])
    with pytest.raises(UsageError, match="It needs a threshold"):
        robustness(VALUES, POLICIES, using=["satisficing"])
    with pytest.raises(UsageError, match="between 0 .worst. and 1"):
        robustness(VALUES, POLICIES, optimism=2.0)
    with pytest.raises(UsageError, match="Say 'lower' or 'higher'"):
        metrics(better="up")
    with pytest.raises(UsageError, match="'median' is not known"):
        robustness(VALUES, POLICIES).score("median")
    with pytest.raises(UsageError, match="no draws left"):
        robustness(VALUES[:0], POLICIES)
