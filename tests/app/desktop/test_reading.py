from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, QSettings, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.actions import View
from app.desktop.keys_help import KeysHelp
from app.desktop.reading import ReadingView
from app.desktop.screen import CalibrationDialog
from app.desktop.tracing_view import TracingView
from app.desktop.window import MainWindow
from signals.ecg.beat import BeatClass
from signals.recording import Recording
from tests.app.desktop.conftest import is_shown


def press(qtbot: QtBot, window: MainWindow, key: Qt.Key, *, ctrl: bool = False) -> None:
    held = Qt.KeyboardModifier.ControlModifier if ctrl else Qt.KeyboardModifier.NoModifier
    qtbot.keyClick(window.reading.tracing, key, held)


def turn(view: QWidget, notches: int, at: QPointF, held: Qt.KeyboardModifier | None = None) -> None:
    event = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        held or Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,  # noqa: FBT003 (Qt's form)
    )
    QApplication.sendEvent(view, event)


def test_typing_filters_the_list_and_says_when_nothing_matches(
    qtbot: QtBot, window: MainWindow
) -> None:
    search = window.worklist.search
    qtbot.keyClicks(search, "SIMUL")
    assert window.worklist.table.model().rowCount() == 1
    qtbot.keyClicks(search, "nothing like that")
    assert window.worklist.table.model().rowCount() == 0
    assert not window.worklist.table.isVisible()
    search.clear()
    qtbot.keyClick(search, Qt.Key.Key_Return)
    assert is_shown(window, View.READING)


def test_it_opens_at_25_mm_and_10_mm_with_a_badge_until_the_screen_was_measured(
    qtbot: QtBot, reading: MainWindow, settings: QSettings
) -> None:
    view = reading.reading
    assert (view.tracing.scale.speed, view.tracing.scale.gain) == (25.0, 10.0)
    assert view.badge.isVisible()
    reading.actions_by_id["calibrate"].trigger()
    (dialog,) = reading.findChildren(CalibrationDialog)
    dialog.length.setValue(100.0)
    dialog.accept()
    assert not view.badge.isVisible()
    assert view.tracing.scale.dots_per_mm == pytest.approx(4.0)
    press(qtbot, reading, Qt.Key.Key_W)
    assert view.badge.isVisible(), "zoomed freely"
    press(qtbot, reading, Qt.Key.Key_0)
    assert not view.badge.isVisible()


@pytest.mark.parametrize("short_window", [1, 750], indirect=True)
def test_a_recording_shorter_than_the_paper_is_shown_at_25_mm_too(
    qtbot: QtBot, short_window: MainWindow
) -> None:
    qtbot.keyClick(short_window.worklist.table, Qt.Key.Key_Return)
    tracing = short_window.reading.tracing
    assert is_shown(short_window, View.READING)
    assert tracing.scale.is_standard
    press(qtbot, short_window, Qt.Key.Key_W)
    nothing = short_window.reading.findings.findChildren(QLabel)
    assert any(found.text().startswith("No beats found") for found in nothing)
    short_window.grab()
    for key, speed in ((Qt.Key.Key_0, 25.0), (Qt.Key.Key_Minus, 12.5), (Qt.Key.Key_Minus, 12.5)):
        press(qtbot, short_window, key)
        assert (tracing.start, tracing.scale.speed) == (0.0, speed)
    short_window.grab()


def test_keys_scroll_by_seconds_pages_and_to_both_ends(qtbot: QtBot, reading: MainWindow) -> None:
    tracing = reading.reading.tracing
    press(qtbot, reading, Qt.Key.Key_Right)
    assert tracing.start == pytest.approx(1.0)
    press(qtbot, reading, Qt.Key.Key_PageDown)
    assert tracing.start == pytest.approx(1.0 + 0.9 * tracing.seconds)
    press(qtbot, reading, Qt.Key.Key_PageUp)
    press(qtbot, reading, Qt.Key.Key_Left)
    assert tracing.start == pytest.approx(0.0)
    press(qtbot, reading, Qt.Key.Key_Left)
    assert tracing.start == 0.0, "not beyond the start"
    press(qtbot, reading, Qt.Key.Key_End)
    assert tracing.end == pytest.approx(900.0)
    press(qtbot, reading, Qt.Key.Key_Right)
    assert tracing.end == pytest.approx(900.0), "not beyond the end"
    press(qtbot, reading, Qt.Key.Key_Home)
    assert tracing.start == 0.0


def test_next_and_previous_go_through_the_findings_and_show_each(
    qtbot: QtBot, reading: MainWindow
) -> None:
    view = reading.reading
    findings = [
        view.findings.list.model().index(row, 0).data(Qt.ItemDataRole.UserRole)
        for row in range(view.findings.list.model().rowCount())
    ]
    assert len(findings) >= 4
    for finding in findings:
        press(qtbot, reading, Qt.Key.Key_N)
        row = view.findings.list.currentIndex().row()
        assert findings[row] is finding
        assert view.tracing.start <= finding.onset <= view.tracing.end
    press(qtbot, reading, Qt.Key.Key_P)
    assert view.findings.list.currentIndex().row() == len(findings) - 2


def test_a_click_on_a_finding_goes_there(qtbot: QtBot, reading: MainWindow) -> None:
    panel, tracing = reading.reading.findings, reading.reading.tracing
    last = panel.list.model().index(panel.list.model().rowCount() - 1, 0)
    panel.list.scrollTo(last)
    spot = panel.list.visualRect(last).center()
    qtbot.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    finding = last.data(Qt.ItemDataRole.UserRole)
    assert tracing.start <= finding.onset <= tracing.end


def test_findings_can_be_narrowed_to_a_kind(reading: MainWindow) -> None:
    panel = reading.reading.findings
    everything = panel.list.model().rowCount()
    panel.kinds.setCurrentIndex(1)
    assert 0 < panel.list.model().rowCount() < everything


def test_ectopic_beats_are_gone_to_one_by_one(qtbot: QtBot, reading: MainWindow) -> None:
    tracing = reading.reading.tracing
    press(qtbot, reading, Qt.Key.Key_Right, ctrl=True)
    first = tracing.start
    press(qtbot, reading, Qt.Key.Key_Right, ctrl=True)
    assert tracing.start > first
    press(qtbot, reading, Qt.Key.Key_Left, ctrl=True)
    assert tracing.start == pytest.approx(first)
    reading.reading.findings.beat_wanted.emit(BeatClass.V)
    assert tracing.start > first


def test_the_wheel_scrolls_and_with_ctrl_zooms_around_the_pointer(
    reading: MainWindow,
) -> None:
    tracing = reading.reading.tracing
    spot = QPointF(600, 200)
    turn(tracing, -2, spot)
    assert tracing.start > 0
    tracing.go_to(400.0)
    under = tracing.layout_now().time_at(spot.x())
    turn(tracing, -3, spot, Qt.KeyboardModifier.ControlModifier)
    assert tracing.scale.speed < 25
    assert tracing.layout_now().time_at(spot.x()) == pytest.approx(under, abs=0.05)
    turn(tracing, 1, spot, Qt.KeyboardModifier.ShiftModifier)
    assert tracing.scale.gain == 20
    for _ in range(80):
        turn(tracing, -1, spot, Qt.KeyboardModifier.ControlModifier)
    assert tracing.seconds == pytest.approx(900.0), "no farther than the whole recording"


def test_paper_is_pulled_along(qtbot: QtBot, reading: MainWindow) -> None:
    tracing = reading.reading.tracing
    tracing.go_to(100.0)
    qtbot.mousePress(tracing, Qt.MouseButton.LeftButton, pos=QPoint(600, 200))
    qtbot.mouseMove(tracing, QPoint(400, 200))
    qtbot.mouseRelease(tracing, Qt.MouseButton.LeftButton, pos=QPoint(400, 200))
    assert tracing.start == pytest.approx(100 + 200 / tracing.scale.dots_per_second, abs=0.05)


def test_a_click_in_the_overview_goes_there(qtbot: QtBot, reading: MainWindow) -> None:
    overview, tracing = reading.reading.overview, reading.reading.tracing
    plot = overview.layout_now().plot
    spot = QPoint(round(plot.left() + plot.width() / 2), 40)
    qtbot.mouseClick(overview, Qt.MouseButton.LeftButton, pos=spot)
    assert (tracing.start + tracing.end) / 2 == pytest.approx(450, abs=2)


def test_speed_and_gain_are_chosen_from_the_standard_steps(reading: MainWindow) -> None:
    view: ReadingView = reading.reading
    assert [view.speed.itemText(i) for i in range(4)] == [
        "12.5 mm/s",
        "25 mm/s",
        "50 mm/s",
        "100 mm/s",
    ]
    view.speed.activated.emit(2)
    view.gain.activated.emit(0)
    assert (view.tracing.scale.speed, view.tracing.scale.gain) == (50.0, 2.5)


def test_leads_can_be_hidden_but_never_all(reading: MainWindow) -> None:
    view = reading.reading
    first, second = view.leads.menu().actions()
    first.setChecked(False)
    assert view.tracing.layout_now().rows == 1
    second.setChecked(False)
    assert view.tracing.layout_now().rows == 1


def test_from_far_no_sample_is_read(
    qtbot: QtBot, reading: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day is drawn from its envelope: what is read does not grow with the recording."""
    tracing: TracingView = reading.reading.tracing

    def refuse(*_: object) -> None:
        raise AssertionError("samples were read")

    monkeypatch.setattr(Recording, "read", refuse)
    press(qtbot, reading, Qt.Key.Key_W)
    tracing.grab()


def test_a_part_that_cannot_be_read_says_so_and_the_window_lives(
    reading: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    tracing = reading.reading.tracing
    before = tracing.grab().toImage()
    monkeypatch.setattr(Recording, "read", fail)
    assert tracing.grab().toImage() != before


def test_escape_goes_back_to_the_list(qtbot: QtBot, reading: MainWindow) -> None:
    press(qtbot, reading, Qt.Key.Key_Escape)
    assert is_shown(reading, View.WORKLIST)


def test_a_damaged_recording_is_said_in_words_and_the_list_stays(
    qtbot: QtBot, window: MainWindow, vault_path: Path
) -> None:
    for path in (vault_path / "blobs").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:50])
    qtbot.keyClick(window.worklist.table, Qt.Key.Key_Return)
    assert is_shown(window, View.WORKLIST)
    assert "cannot be opened" in window.message.text


def test_after_the_keys_were_shown_they_work_again(qtbot: QtBot, reading: MainWindow) -> None:
    reading.reading.tracing.setFocus()
    reading.actions_by_id["help"].trigger()
    (dialog,) = reading.findChildren(KeysHelp)
    dialog.accept()
    qtbot.waitUntil(reading.reading.tracing.hasFocus)


def test_the_numbers_of_the_recording_before_are_gone_at_once(reading: MainWindow) -> None:
    panel = reading.reading.findings
    assert any("bpm" in found.text() for found in panel.findChildren(QLabel))
    panel.show_recording(None, None)
    shown = [found.text() for found in panel.findChildren(QLabel) if found.isVisible()]
    assert not [text for text in shown if "bpm" in text or "rate" in text]
