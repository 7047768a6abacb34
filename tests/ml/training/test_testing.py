"""ml.training.testing: a bundle that ships, on the recordings of a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.bundle import Bundle
from ml.decision import Decision
from ml.training.task import Answers
from ml.training.testing import test as run_test

LABELS = ("a", "b")


class _Unread:
    """A task whose models say of every record that it is rather of class b."""

    def records(self, data: Path) -> list[str]:
        return sorted(path.name for path in data.iterdir())

    def read(self, data: Path, record: str) -> str:
        return (data / record).read_text()

    def answers(self, record: str, models: Mapping[str, bytes]) -> Answers:
        assert models == {"model": b""}
        truth = np.full(3, LABELS.index(record), np.int8)
        return Answers(truth, np.tile(np.array([[0.0, 0.5]], np.float32), (3, 1)))

    def measure(self, record: str, answers: Answers, decision: Decision) -> dict[str, Any]:
        assert record in LABELS
        return {"right": float((decision.classes(answers.logits) == answers.truth).mean())}

    def scores(self, measured: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        return {"right": sum(one["right"] for one in measured.values()) / len(measured)}


@pytest.mark.parametrize(("thresholds", "right"), [((0.0, 0.0), 0.25), ((1.0, 0.0), 0.75)])
def test_the_decision_that_ships_is_what_counts(
    tmp_path: Path, thresholds: tuple[float, float], right: float
) -> None:
    (tmp_path / "data").mkdir()
    for name, label in zip("1234", "aaba", strict=True):
        (tmp_path / "data" / name).write_text(label)
    card = {"protocol": {"folds": [["2", "7"], ["9", "4"]]}}
    bundle = Bundle(
        "unread-1.0.0",
        "unread",
        (1, 0, 0),
        "00",
        {"model": b""},
        card,
        Decision(LABELS, thresholds=thresholds),
    )
    lines: list[str] = []
    task: Any = _Unread()
    told = run_test(task, bundle, tmp_path / "data", tmp_path / "out", lines.append)
    assert told["scores"] == {"right": right}
    assert told["trained_on"] == ["2", "4"]
    assert lines[-1].startswith("It learned from 2 of them")
    assert json.loads((tmp_path / "out" / "test.json").read_text()) == told
