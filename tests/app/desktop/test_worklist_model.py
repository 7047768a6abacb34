from __future__ import annotations

from typing import Any

import pytest

from app.desktop.worklist_model import BY_WEIGHT, quality, weightiest
from signals.ecg.episode import RhythmKind


def headline(**values: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"beats": {"N": 100, "V": 0}, "findings": {}, "measurements": {}} | values


def test_every_kind_of_rhythm_has_its_weight() -> None:
    assert set(BY_WEIGHT) == set(RhythmKind)


def test_the_two_weightiest_findings_are_shown_with_how_often_they_were_found() -> None:
    found = {"bradycardia": 9, "atrial fibrillation": 1, "ventricular tachycardia": 3}
    assert weightiest(headline(findings=found)) == (
        "Ventricular tachycardia ×\u20093, suspected atrial fibrillation"
    )


def test_without_findings_ectopic_beats_are_counted() -> None:
    assert weightiest(headline(beats={"N": 90, "V": 4, "S": 3})) == "7 ectopic beats"
    assert weightiest(headline()) == "None"


@pytest.mark.parametrize(
    ("unreadable", "said"),
    [
        (None, "Not measurable"),
        (0.0, "Good"),
        (0.02, "< 1\u2009% unreadable"),
        (12.4, "12\u2009% unreadable"),
    ],
)
def test_quality_is_said_in_words(unreadable: float | None, said: str) -> None:
    assert quality(headline(measurements={"unreadable": unreadable})) == said
