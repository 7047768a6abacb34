"""The reading view: findings, the tracing, the overview."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import wording
from app.desktop.findings import FindingsPanel
from app.desktop.overview_view import OverviewView
from app.desktop.tracing_view import TracingView
from app.desktop.widgets import Choice, label, line
from app.drawing.overview import Overview
from signals.ecg.beat import BeatClass
from signals.scale import GAINS, PAPER_SPEEDS, Scale

if TYPE_CHECKING:
    from app.desktop.recording import OpenRecording
    from app.drawing.theme import Theme

_PANEL = 288
_OVERLAP = 0.1  # of a page that is seen again on the next one
_ECTOPIC = np.array([cls for cls in BeatClass if cls is not BeatClass.N], np.int8)


class ReadingView(QWidget):
    """One recording, to be read.

    Parameters
    ----------
    theme : Theme
        Its colours.
    scale : Scale
        Of the screen, at the standard speed and gain.
    parent : QWidget
        Owner.
    """

    left = Signal()
    """Back to the list."""
    summary_wanted = Signal()
    """To the summary of this recording."""

    def __init__(self, theme: Theme, scale: Scale, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("view")
        self.opened: OpenRecording | None = None
        self.tracing = TracingView(theme, scale, self)
        self.overview = OverviewView(theme, self)
        self.findings = FindingsPanel(theme, self.left.emit, self.summary_wanted.emit, self)
        self._place = label("", "", self)
        self.badge = label("", "badge", self)
        self.speed = _steps(PAPER_SPEEDS, "mm/s", "Paper speed", self)
        self.gain = _steps(GAINS, "mm/mV", "Gain", self)
        self.leads = QToolButton(self)
        self.leads.setText("Leads…")
        self.leads.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.leads.setMenu(QMenu(self.leads))

        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        split = QSplitter(Qt.Orientation.Horizontal, self)
        split.setHandleWidth(1)
        split.setChildrenCollapsible(False)
        split.addWidget(self.findings)
        split.addWidget(self._right_side())
        split.setStretchFactor(1, 1)
        split.setSizes([_PANEL, 10_000])
        rows.addWidget(split, 1)

        self.speed.activated.connect(
            lambda index: self._set(replace(self.tracing.scale, speed=PAPER_SPEEDS[index]))
        )
        self.gain.activated.connect(
            lambda index: self._set(replace(self.tracing.scale, gain=GAINS[index]))
        )
        self.tracing.moved.connect(self._show_place)
        self.tracing.rescaled.connect(self._show_scale)
        self.overview.went.connect(self.tracing.centre_on)
        self.findings.chosen.connect(self.tracing.show_finding)
        self.findings.beat_wanted.connect(lambda cls: self._step_beat(1, np.array([cls], np.int8)))
        self._show_scale()

    def show_recording(self, opened: OpenRecording) -> None:
        """Show a recording, and close the one before."""
        self.forget()
        self.opened = opened
        self._fill_leads(opened)
        self.findings.show_recording(opened.stored, opened.report)
        self.overview.show_overview(Overview(opened.report, opened.beats))
        self.tracing.show_recording(opened, opened.leads())
        self.tracing.set_scale(replace(self.tracing.scale, speed=25.0, gain=10.0))
        self.tracing.go_to(0.0)
        self.tracing.setFocus()

    def forget(self) -> None:
        """Show nothing, and close the recording."""
        self.tracing.forget()
        self.overview.show_overview(None)
        self.findings.show_recording(None, None)
        if self.opened is not None:
            self.opened.close()
            self.opened = None

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        for view in (self.tracing, self.overview, self.findings):
            view.set_theme(theme)

    def set_screen(self, dots_per_mm: float, *, calibrated: bool) -> None:
        """Use another number of pixels in a millimetre."""
        self._set(replace(self.tracing.scale, dots_per_mm=dots_per_mm, calibrated=calibrated))

    def step_finding(self, by: int) -> None:
        """Go to the next (1) or previous (-1) finding."""
        self.findings.step(by, self.tracing.start, self.tracing.end)

    def step_ectopic(self, by: int) -> None:
        """Go to the next (1) or previous (-1) ectopic beat."""
        self._step_beat(by, _ECTOPIC)

    def step_seconds(self, by: float) -> None:
        """Scroll."""
        self.tracing.go_to(self.tracing.start + by)

    def step_page(self, by: int) -> None:
        """Scroll by a page, of which a little is seen again."""
        self.step_seconds(by * self.tracing.seconds * (1 - _OVERLAP))

    def to_end(self) -> None:
        """Show the end."""
        if self.opened is not None:
            self.tracing.go_to(self.opened.recording.duration)

    def zoom(self, by: int) -> None:
        """Take the next faster (1) or slower (-1) paper."""
        scale = self.tracing.scale
        self._set(scale.faster() if by > 0 else scale.slower())

    def amplify(self, by: int) -> None:
        """Take the next higher (1) or lower (-1) gain."""
        scale = self.tracing.scale
        self._set(scale.higher() if by > 0 else scale.lower())

    def standard(self) -> None:
        """Take 25 mm/s and 10 mm/mV."""
        self._set(replace(self.tracing.scale, speed=25.0, gain=10.0))

    def _set(self, scale: Scale) -> None:
        self.tracing.set_scale(scale)
        self.tracing.setFocus()

    def _step_beat(self, by: int, classes: np.ndarray[tuple[int], np.dtype[np.int8]]) -> None:
        if self.opened is None:
            return
        beats = self.opened.beats
        times = beats.times[np.isin(beats.classes, classes)]
        centre = (self.tracing.start + self.tracing.end) / 2
        beyond = times[times > centre + 1e-3] if by > 0 else times[times < centre - 1e-3]
        if len(beyond):
            self.tracing.centre_on(float(beyond[0 if by > 0 else -1]))

    def _right_side(self) -> QWidget:
        side = QWidget(self)
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 6, 12, 6)
        bar.setSpacing(8)
        bar.addWidget(self.speed)
        bar.addWidget(self.gain)
        bar.addWidget(label("unfiltered", "muted", side))
        bar.addWidget(self.badge)
        bar.addStretch(1)
        bar.addWidget(self._place)
        bar.addWidget(self.leads)
        rows = QVBoxLayout(side)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addLayout(bar)
        rows.addWidget(self.tracing, 1)
        rows.addWidget(line(side))
        rows.addWidget(self.overview)
        return side

    def _fill_leads(self, opened: OpenRecording) -> None:
        menu = self.leads.menu()
        menu.clear()
        shown = opened.leads()
        for index, channel in enumerate(opened.recording.channels):
            action = menu.addAction(channel.label.replace("&", "&&"))
            action.setCheckable(True)
            action.setChecked(index in shown)
            action.toggled.connect(lambda _on: self._choose_leads())

    def _choose_leads(self) -> None:
        actions = self.leads.menu().actions()
        chosen = [index for index, action in enumerate(actions) if action.isChecked()]
        if chosen:
            self.tracing.show_leads(chosen)

    def _show_place(self) -> None:
        start, end = self.tracing.start, self.tracing.end
        self.overview.set_seen(start, end)
        text = f"from start {wording.clock(start)} · {wording.duration(end - start)} in view"
        if self.opened is not None and (recorded := self.opened.stored.start):
            text = f"clock {recorded + timedelta(seconds=start):%H:%M:%S} · {text}"
        self._place.setText(text)

    def _show_scale(self) -> None:
        scale = self.tracing.scale
        self.speed.setCurrentIndex(_index(PAPER_SPEEDS, scale.speed))
        self.gain.setCurrentIndex(_index(GAINS, scale.gain))
        why = "" if scale.is_standard else "Zoomed freely; press 0 for 25 mm/s."
        if not scale.calibrated:
            why = (why + " This screen was not calibrated: View › Calibrate the screen.").strip()
        self.badge.setText("not to scale")
        self.badge.setToolTip(why)
        self.badge.setVisible(not scale.to_scale)


def _steps(values: tuple[float, ...], unit: str, name: str, parent: QWidget) -> Choice:
    made = Choice(parent)
    made.addItems([f"{value:g} {unit}" for value in values])
    made.setAccessibleName(name)
    made.setToolTip(name)
    made.setPlaceholderText("free zoom")
    made.setMinimumWidth(110)
    made.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    return made


def _index(values: tuple[float, ...], value: float) -> int:
    return values.index(value) if value in values else -1
