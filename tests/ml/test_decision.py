"""ml.decision: calibrated probabilities, classes by thresholds, "don't know"."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ml.decision import Decision

LOGITS = arrays(
    np.float32, st.tuples(st.integers(1, 6), st.just(3)), elements=st.floats(-50, 50, width=32)
)
NUMBERS = st.floats(-5, 5, width=32)


@given(logits=LOGITS, scale=st.floats(0.0625, 4, width=32), offsets=st.tuples(*[NUMBERS] * 3))
def test_probabilities_add_up_and_follow_the_logits(
    logits: NDArray[np.float32], scale: float, offsets: tuple[float, float, float]
) -> None:
    decision = Decision(("a", "b", "c"), scale, offsets)
    shares = decision.probabilities(logits)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    # without thresholds the most probable class is named
    named = np.take_along_axis(shares, decision.classes(logits)[:, None].astype(int), axis=1)
    np.testing.assert_array_equal(named[:, 0], shares.max(axis=1))


def test_thresholds_move_the_class_and_leave_the_probabilities() -> None:
    logits = np.array([[1.0, 0.5], [3.0, 0.0]], np.float32)
    plain = Decision(("a", "b"))
    eager = Decision(("a", "b"), thresholds=(0.0, 1.0))
    assert plain.classes(logits).tolist() == [0, 0]
    assert eager.classes(logits).tolist() == [1, 0]
    np.testing.assert_array_equal(plain.probabilities(logits), eager.probabilities(logits))


def test_unsure_is_what_the_named_class_does_not_reach() -> None:
    logits = np.log(np.array([[0.9, 0.1], [0.6, 0.4], [0.55, 0.45]], np.float32))
    assert Decision(("a", "b"), unsure_below=0.7).unsure(logits).tolist() == [False, True, True]
    # the class named here is b, with 0.1, 0.4 and 0.45
    named = Decision(("a", "b"), thresholds=(0.0, 9.0), unsure_below=0.42)
    assert named.unsure(logits).tolist() == [True, True, False]
    assert not Decision(("a", "b")).unsure(logits).any()


def test_json_and_back() -> None:
    decision = Decision(("a", "b"), 0.7, (0.0, -0.5), (0.1, 0.2), 0.6)
    assert Decision.from_json(json.loads(json.dumps(decision.as_json()))) == decision


WHOLE = Decision(("a", "b")).as_json()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "it is to give"),
        ({name: WHOLE[name] for name in WHOLE if name != "scale"}, "it is to give"),
        (WHOLE | {"more": 1}, "it is to give"),
        (WHOLE | {"labels": []}, "labels"),
        (WHOLE | {"labels": ["a", "a"]}, "labels"),
        (WHOLE | {"labels": ["a", 1]}, "labels"),
        (WHOLE | {"labels": "ab"}, "labels"),
        (WHOLE | {"offsets": [0.0]}, "offsets"),
        (WHOLE | {"offsets": 0}, "offsets"),
        (WHOLE | {"thresholds": [0.0, float("nan")]}, "thresholds"),
        (WHOLE | {"thresholds": [0.0, "1"]}, "thresholds"),
        (WHOLE | {"scale": 0}, "scale"),
        (WHOLE | {"scale": True}, "scale"),
        (WHOLE | {"unsure_below": 1.5}, "unsure_below"),
        (WHOLE | {"unsure_below": None}, "unsure_below"),
    ],
)
def test_what_is_no_decision(value: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Decision.from_json(value)


@given(logits=LOGITS, scale=st.floats(0.0625, 4, width=32), offsets=st.tuples(*[NUMBERS] * 3))
def test_logits_of_probabilities_have_these(
    logits: NDArray[np.float32], scale: float, offsets: tuple[float, float, float]
) -> None:
    decision = Decision(("a", "b", "c"), scale, offsets, thresholds=(0.0, 3.0, -3.0))
    shares = np.maximum(decision.probabilities(logits), np.float32(1e-6))
    shares /= shares.sum(axis=1, keepdims=True)
    found = decision.probabilities(decision.logits(shares))
    np.testing.assert_allclose(found, shares, rtol=1e-3)
