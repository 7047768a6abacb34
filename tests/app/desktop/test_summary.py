from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from app.actions import View
from app.desktop.window import MainWindow
from app.tables import main_tables
from tests.app.desktop.conftest import is_shown


@pytest.fixture
def summary(qtbot: QtBot, reading: MainWindow) -> MainWindow:
    """A window on the summary of a recording."""
    qtbot.keyClick(reading.reading.tracing, Qt.Key.Key_R)
    assert is_shown(reading, View.SUMMARY)
    return reading


def shown_again(window: MainWindow, **changes: object) -> str:
    """Return what the page says of the recording with another report."""
    opened = window.reading.opened
    assert opened is not None
    window.summary.show_recording(opened.stored, replace(opened.report, **changes))
    return window.summary.page.toPlainText()


def test_a_button_beside_the_tracing_shows_it_too(qtbot: QtBot, reading: MainWindow) -> None:
    (wanted,) = (
        found
        for found in reading.reading.findings.findChildren(QPushButton)
        if found.text().startswith("Summary")
    )
    qtbot.mouseClick(wanted, Qt.MouseButton.LeftButton)
    assert is_shown(reading, View.SUMMARY)


@pytest.mark.parametrize("key", [Qt.Key.Key_Escape, Qt.Key.Key_R])
def test_one_key_leads_back_to_the_tracing_where_it_was(
    qtbot: QtBot, summary: MainWindow, key: Qt.Key
) -> None:
    tracing = summary.reading.tracing
    tracing.go_to(100.0)
    qtbot.keyClick(summary.summary.page, key)
    assert is_shown(summary, View.READING)
    assert tracing.start == 100.0
    assert tracing.hasFocus()


def test_a_click_on_a_row_goes_to_its_moment(qtbot: QtBot, summary: MainWindow) -> None:
    opened, page = summary.reading.opened, summary.summary.page
    assert opened is not None
    at = opened.report.measurement("longest_rr").at
    assert at
    spot = page.cursorRect(page.document().find("Longest RR interval")).center()
    spot.setX(spot.x() - 5)
    qtbot.mouseClick(page.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert is_shown(summary, View.READING)
    assert summary.reading.tracing.start == pytest.approx(at)


def test_rows_are_reached_with_tab_and_enter(qtbot: QtBot, summary: MainWindow) -> None:
    opened = summary.reading.opened
    assert opened is not None
    first = next(at for at in next(main_tables(opened.report)).moments if at is not None)
    qtbot.keyClick(summary.summary.page, Qt.Key.Key_Tab)
    qtbot.keyClick(summary.summary.page, Qt.Key.Key_Return)
    assert is_shown(summary, View.READING)
    assert summary.reading.tracing.start == pytest.approx(first)


def test_a_report_of_an_earlier_version_says_so(summary: MainWindow) -> None:
    assert "earlier version" not in summary.summary.page.toPlainText()
    text = shown_again(summary, summary=None)
    assert "analysed by an earlier version" in text
    assert "Mean heart rate" in text


def test_names_from_files_are_never_markup(summary: MainWindow) -> None:
    opened = summary.reading.opened
    assert opened is not None
    found = opened.report.summary
    assert found is not None
    label = "<img src=/etc/passwd>"
    st = replace(found.intervals.st[0], lead=label)
    named = replace(found, intervals=replace(found.intervals, st=(st,)))
    assert label in shown_again(summary, summary=named)


@pytest.mark.parametrize("leave", ["lock", "search"])
def test_nothing_of_the_patient_stays_when_it_is_left(summary: MainWindow, leave: str) -> None:
    summary.actions_by_id[leave].trigger()
    assert not is_shown(summary, View.SUMMARY)
    assert summary.summary.page.toPlainText() == ""
    told = {found.text() for found in summary.summary.findChildren(QLabel)}
    assert told == {""}


def test_columns_stand_beside_each_other_where_there_is_room(
    qtbot: QtBot, summary: MainWindow
) -> None:
    page = summary.summary.page
    heights = []
    for width in (1400, 1100):
        summary.resize(width, 700)
        qtbot.waitUntil(lambda width=width: summary.summary.width() == width)
        assert page.horizontalScrollBar().maximum() == 0
        heights.append(page.document().size().height())
    assert heights[0] < heights[1]


def test_the_theme_changes_its_colours_and_not_the_place(summary: MainWindow) -> None:
    summary.resize(1000, 500)
    page = summary.summary.page
    bar = page.verticalScrollBar()
    assert bar.maximum() > 50
    bar.setValue(50)
    before = page.toHtml()
    summary.actions_by_id["theme"].trigger()
    assert page.toHtml() != before
    assert bar.value() == 50


def test_beside_what_is_measured_the_findings_keep_room(qtbot: QtBot, reading: MainWindow) -> None:
    reading.resize(1280, 720)
    panel = reading.reading.findings
    qtbot.waitUntil(lambda: panel.height() < 720)
    row = panel.list.sizeHintForRow(0)
    assert panel.list.viewport().height() >= 5 * row


def test_a_finding_tells_by_which_rule_it_was_made(reading: MainWindow) -> None:
    panel = reading.reading.findings
    index = panel.list.model().index(0, 0)
    finding = index.data(Qt.ItemDataRole.UserRole)
    assert finding.rule
    told = index.data(Qt.ItemDataRole.ToolTipRole)
    assert told.lower().endswith(f"\n{finding.rule.lower()}")
