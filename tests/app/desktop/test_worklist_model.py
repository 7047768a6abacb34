from __future__ import annotations

from typing import Any

import pytest

from app.desktop.window import MainWindow
from app.desktop.worklist_model import NAME, WHO, quality


def headline(**values: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"beats": {"N": 100, "V": 0}, "findings": {}, "measurements": {}} | values


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


@pytest.mark.parametrize(
    ("unreadable", "said"),
    [(None, "Not measurable"), (0.0, "No beats found"), (100.0, "100\u2009% unreadable")],
)
def test_quality_is_never_good_where_there_is_no_beat(unreadable: float | None, said: str) -> None:
    nothing = headline(beats={"N": 0}, measurements={"unreadable": unreadable})
    assert quality(nothing) == said


def test_the_filter_finds_findings_that_a_row_has_no_room_for(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"ventricular tachycardia": 2, "pause": 1, "atrial fibrillation": 3, "unreadable": 1}
    shown = window.worklist.model.recording(0)
    monkeypatch.setitem(shown.headline, "findings", found)
    count = window.worklist.table.model().rowCount
    for typed, rows in (
        ("atrial fib", 1),
        ("SUSPECTED AF", 0),
        ("suspected atrial", 1),
        ("unread", 1),
        ("flutter", 0),
        (shown.name[:4], 1),
    ):
        window.worklist.search.setText(typed)
        assert count() == rows, typed


def test_the_name_of_a_recording_is_never_taken_for_that_of_a_patient(window: MainWindow) -> None:
    model = window.worklist.model
    shown = [model.index(0, column).data() for column in (WHO, NAME)]
    assert shown == ["Not named", model.recording(0).name]
