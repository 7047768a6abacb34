"""ml.training.calibration: better probabilities, honest thresholds, "don't know" as asked."""

from __future__ import annotations

import numpy as np
import pytest

from ml.decision import Decision
from ml.training.calibration import (
    Pool,
    calibration_error,
    fitted,
    honest,
    log_loss,
    reliability,
    told,
)
from ml.training.evaluation import confusion, scores
from ml.training.recipe import Calibrate, Decide
from ml.training.task import Answers

LABELS = ("a", "b", "c")
VECTOR = Calibrate("vector", 0.9)


def _answers(seed: int, n: int = 600) -> Answers:
    """Return answers that are three times too sure and say "a" too readily."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.6, 0.3, 0.1]).astype(np.int8)
    evidence = rng.normal(0, 1, (n, 3))
    evidence[np.arange(n), truth] += 2
    logits = 3 * (2 * evidence + np.log([0.6, 0.3, 0.1])) + [2.0, 0, 0]
    truth[::50] = -1
    return Answers(truth, logits.astype(np.float32))


def _folds() -> list[dict[str, Answers]]:
    return [{f"{fold}/{i}": _answers(10 * fold + i) for i in range(3)} for fold in range(3)]


def _worth(pool: Pool, decision: Decision) -> float:
    return scores(confusion(pool.truth, decision.classes(pool.logits), 3), LABELS)["c"].f1


def test_what_is_not_known_can_be_left_out() -> None:
    whole = Pool.of(_folds()[0])
    assert len(whole.truth) == 3 * 600
    pool = whole.known
    assert (pool.truth >= 0).all()
    assert len(pool.truth) == len(pool.logits) == len(pool.records) == 3 * 588


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_calibration_lowers_the_log_loss_of_held_out_answers(method: str) -> None:
    learnt, unseen = (Pool.of(fold).known for fold in _folds()[:2])
    decision = fitted(learnt, LABELS, Calibrate(method, 1.0), Decide(), _worth)
    plain = Decision(LABELS).probabilities(unseen.logits)
    given = decision.probabilities(unseen.logits)
    assert log_loss(given, unseen.truth) < 0.7 * log_loss(plain, unseen.truth)
    assert calibration_error(given, unseen.truth) < 0.7 * calibration_error(plain, unseen.truth)
    assert decision.scale == pytest.approx(1 / 3, rel=0.15)
    assert decision.thresholds == (0, 0, 0)
    assert decision.unsure_below == 0
    if method == "vector":
        assert decision.offsets[0] < decision.offsets[1] - 0.3, "what was said too readily"
    else:
        assert decision.offsets == (0, 0, 0)


def test_thresholds_of_the_named_labels_move_for_the_worth() -> None:
    learnt, unseen = (Pool.of(fold).known for fold in _folds()[:2])
    plain = fitted(learnt, LABELS, VECTOR, Decide(), _worth)
    moved = fitted(learnt, LABELS, VECTOR, Decide(("c",)), _worth)
    assert moved.thresholds[:2] == (0, 0)
    assert moved.thresholds[2] != 0
    f1 = [_worth(learnt, one) for one in (plain, moved)]
    assert f1[1] > f1[0]
    # probabilities are not what thresholds touch
    np.testing.assert_array_equal(
        plain.probabilities(unseen.logits), moved.probabilities(unseen.logits)
    )


def test_what_is_unsure_is_as_much_as_was_asked_for() -> None:
    learnt, unseen = (Pool.of(fold).known for fold in _folds()[:2])
    decision = fitted(learnt, LABELS, VECTOR, Decide(("c",)), _worth)
    assert decision.unsure(learnt.logits).mean() == pytest.approx(0.1, abs=0.01)
    unsure = decision.unsure(unseen.logits)
    assert unsure.mean() == pytest.approx(0.1, abs=0.04)
    right = decision.classes(unseen.logits) == unseen.truth
    assert right[~unsure].mean() > right[unsure].mean() + 0.2


def test_a_fold_is_judged_by_nothing_that_was_learnt_of_it() -> None:
    folds = _folds()
    before, of_all = honest(folds, LABELS, VECTOR, Decide(("b", "c")), _worth)
    changed = [dict(fold) for fold in folds]
    changed[1] = {
        name: Answers(((one.truth + 1) % 3).astype(np.int8), 2 * one.logits)
        for name, one in folds[1].items()
    }
    after, of_all_after = honest(changed, LABELS, VECTOR, Decide(("b", "c")), _worth)
    assert after[1] == before[1]
    assert after[0] != before[0]
    assert after[2] != before[2]
    assert of_all_after != of_all


def test_what_the_card_is_told() -> None:
    folds = _folds()
    decisions, _ = honest(folds, LABELS, VECTOR, Decide(), _worth)
    section = told(folds, decisions, 0.9)
    assert section["log_loss"]["after"] < section["log_loss"]["before"]
    assert section["unsure"]["coverage"] == pytest.approx(0.9, abs=0.02)
    assert section["unsure"]["right_where_sure"] > section["unsure"]["right"]


def test_reliability_counts() -> None:
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.3, 0.7]], np.float32)
    truth = np.array([0, 1, 0, 1], np.int8)
    bins = reliability(shares, truth)
    assert bins["kept"] == [1.0, 0.0, 1.0]
    np.testing.assert_allclose(bins["promised"], [0.7, 0.8, 0.9], atol=1e-6)
    assert sum(bins["share"]) == 1
    assert calibration_error(shares, truth) == pytest.approx((0.3 + 0.8 + 0.2) / 4)
