"""ml.training.drawing and ml.training.evaluation: who is drawn how often, and counting answers."""

from __future__ import annotations

import numpy as np
import pytest

from ml.training.drawing import balanced
from ml.training.evaluation import confusion, log_of, scores, unpacked


def test_a_patient_with_most_of_a_class_does_not_speak_for_all() -> None:
    classes = np.array([0] * 1000 + [1] * 450 + [1] * 50 + [-1] * 9, np.int8)
    records = np.array(["a"] * 1000 + ["a"] * 450 + ["b"] * 50 + ["b"] * 9)
    weights = balanced(classes, records, 200)
    assert weights.sum() == pytest.approx(1)
    assert (weights[classes == -1] == 0).all()
    assert weights[classes == 1].sum() == pytest.approx(weights[classes == 0].sum() * 0.5**0.5)
    few = weights[(classes == 1) & (records == "b")].sum()
    many = weights[(classes == 1) & (records == "a")].sum()
    assert few / many == pytest.approx((50 / 200) ** 0.5)


def test_answers_are_counted_where_the_truth_is_known() -> None:
    truth = np.array([0, 0, 1, 1, -1], np.int8)
    counts = confusion(truth, np.array([0, 1, 1, 1, 0], np.int8), 2)
    assert counts.tolist() == [[1, 1], [0, 2]]
    by_class = scores(counts, ("a", "b"))
    assert by_class["a"].sensitivity == 0.5
    assert by_class["a"].predictivity == 1
    assert by_class["b"].f1 == pytest.approx(0.8)
    assert np.isnan(scores(np.zeros((2, 2), np.int64), ("a", "b"))["a"].f1)


def test_a_neutral_bundle_gives_the_logits_back() -> None:
    logits = np.array([[2.0, -1.0, 0.5]], np.float32)
    bundle = unpacked("toy", ("a", "b", "c"), {"model": b"m"})
    again = log_of(bundle.decision.probabilities(logits))
    np.testing.assert_allclose(again - again[:, :1], logits - logits[:, :1], atol=1e-5)
    assert np.isfinite(log_of(np.array([[1.0, 0.0]], np.float32))).all()
