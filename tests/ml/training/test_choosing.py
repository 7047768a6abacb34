"""ml.training.choosing and what is said of the pruning claim."""

from __future__ import annotations

from typing import Any

import pytest

from ml.training.choosing import mark, planned, reason
from ml.training.recipe import Search


def _point(score: float, size: int, time: float, bits: str = "int8") -> dict[str, Any]:
    return {
        "network": {"width": size},
        "sparsity": 0.0,
        "bits": bits,
        "score": score,
        "scores": {"F1": score},
        "bytes": size,
        "latency_us": time,
    }


def test_the_front_is_what_nothing_else_beats() -> None:
    points = [
        _point(0.90, 100, 9.0),
        _point(0.91, 200, 5.0),
        _point(0.89, 150, 4.0),
        _point(0.91, 300, 5.0),
        _point(0.95, 400, 40.0, "float32"),
    ]
    mark(points, tolerance=0.5)
    assert [point["on_front_bytes"] for point in points] == [True, True, False, False, True]
    assert [point["on_front_latency_us"] for point in points] == [False, True, True, True, True]
    assert [point["chosen"] for point in points] == [False, True, False, False, False]
    mark(points, tolerance=1.0)
    assert points[0]["chosen"], "a smaller one that loses little, among those of int8"
    text = reason(points, Search(folds=(0, 2), tolerance=1.0))
    assert "Of 5 points searched (fold 0, 2, F1)" in text
    assert "best: width 100, int8, 90.00 % with 100 bytes and 9 µs; the best, width 200" in text
    mark(points, tolerance=0.0)
    assert reason(points, Search()).endswith(
        "the best itself, width 200, int8, 91.00 % with 200 bytes and 5 µs."
    )


@pytest.mark.parametrize("budget", [3, 12, 50])
def test_no_more_is_planned_than_the_budget_allows(budget: int) -> None:
    plan = Search({"width": [4, 8, 16], "depth": [1, 2]}, (0.0, 0.5), budget=budget, seed=1)
    found = planned(plan)
    assert len(found) == min(budget, 12)
    assert found == planned(plan)
    assert len({str(point) for point in found}) == len(found)
    assert all(set(options) == {"width", "depth"} for options, _ in found)
