"""The tracing as a widget: scrolls, zooms, and paints what is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.drawing.layout import TracingLayout
from app.drawing.scene import Scene, Stretch
from app.drawing.text import set_font
from app.drawing.tracing import paint_tracing
from app.drawing.visible import LeadSource
from app.faults import explain
from app.vault import VaultError
from signals.recording import RecordingError
from signals.scale import PAPER_SPEEDS, Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.desktop.recording import OpenRecording
    from app.drawing.theme import Theme
    from app.report import Finding

_FASTEST = 400.0  # mm/s
_NOTCH = 120  # what a wheel turns at a time
_NOTCH_SHARE = 0.15  # of the page, for a notch
_NOTCH_ZOOM = 1.25
_BEFORE = 0.15  # of the page, left of a finding that does not fit into it


class TracingView(QWidget):
    """Shows a recording on ECG paper.

    Parameters
    ----------
    theme : Theme
        Its colours.
    scale : Scale
        To begin with.
    parent : QWidget
        Owner.
    """

    moved = Signal()
    """Another part of the recording is seen."""
    rescaled = Signal()
    """Speed or gain changed."""

    def __init__(self, theme: Theme, scale: Scale, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Tracing")
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self._theme = theme
        self._scale = scale
        self._start = 0.0
        self._opened: OpenRecording | None = None
        self._source: LeadSource | None = None
        self._unreadable: tuple[tuple[Stretch, ...], ...] = ()
        self._chosen: Finding | None = None
        self._grabbed: tuple[float, float] | None = None  # x, start

    @property
    def scale(self) -> Scale:
        """Speed and gain."""
        return self._scale

    @property
    def start(self) -> float:
        """Seconds from the start of the recording at the left edge."""
        return self._start

    @property
    def end(self) -> float:
        """Seconds from the start of the recording at the right edge."""
        return self.layout_now().end

    @property
    def seconds(self) -> float:
        """Length of what is seen."""
        return self.layout_now().seconds

    def layout_now(self) -> TracingLayout:
        """Return where everything is."""
        extents = self._source.extents if self._source else ()
        return TracingLayout(QRectF(self.rect()), self._scale, self._start, extents)

    def show_recording(self, opened: OpenRecording, leads: Sequence[int]) -> None:
        """Show a recording from its start."""
        self._opened = opened
        self._chosen = None
        self._start = 0.0
        self.show_leads(leads)

    def show_leads(self, leads: Sequence[int]) -> None:
        """Show these channels of the recording, and stay where it is."""
        if self._opened is not None:
            opened = self._opened
            self._source = LeadSource(opened.recording, opened.envelopes, leads)
            labels = [opened.recording.channels[index].label for index in leads]
            self._unreadable = tuple(opened.unreadable(label) for label in labels)
            self.rescaled.emit()
            self.go_to(self._start)

    def forget(self) -> None:
        """Show nothing."""
        self._opened = self._source = self._chosen = None
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self.update()

    def go_to(self, start: float) -> None:
        """Put a moment at the left edge, as far as the recording reaches."""
        duration = self._opened.recording.duration if self._opened else 0.0
        self._start = max(0.0, min(start, duration - self.seconds))
        self.update()
        self.moved.emit()

    def centre_on(self, time: float) -> None:
        """Put a moment into the middle."""
        self.go_to(time - self.seconds / 2)

    def show_finding(self, finding: Finding) -> None:
        """Go to a finding and mark it; of one that does not fit, its onset is shown."""
        self._chosen = finding
        length = finding.end - finding.onset
        if length <= self.seconds * (1 - 2 * _BEFORE):
            self.centre_on((finding.onset + finding.end) / 2)
        else:
            self.go_to(finding.onset - self.seconds * _BEFORE)

    def set_scale(self, scale: Scale, at: float | None = None) -> None:
        """Change speed and gain.

        Parameters
        ----------
        scale : Scale
            A standard speed is kept as it is, even where the recording does not fill the paper; a
            free one is no slower than shows all of the recording.
        at : float, optional
            The x that stays where it is; by default the middle.
        """
        old = self.layout_now()
        x = old.plot.center().x() if at is None else max(at, old.plot.left())
        time = old.time_at(x)
        speed = scale.speed
        if speed not in PAPER_SPEEDS:
            slowest = min(self._speed_of_all(), PAPER_SPEEDS[0])
            speed = min(max(speed, slowest), _FASTEST)
        self._scale = replace(scale, speed=speed)
        self.rescaled.emit()
        new = self.layout_now()
        self.go_to(time - (x - new.plot.left()) / self._scale.dots_per_second)

    def show_all(self) -> None:
        """Show the whole recording at once."""
        self.set_scale(replace(self._scale, speed=self._speed_of_all()))

    def _speed_of_all(self) -> float:
        """Return the speed, mm/s, at which the whole recording is seen."""
        duration = self._opened.recording.duration if self._opened else 0.0
        width = max(1.0, self.layout_now().plot.width())
        if duration <= 0:
            return self._scale.speed
        return width / duration / self._scale.dots_per_mm

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's form)
        """Return a size that shows ten seconds."""
        return QSize(1040, 480)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's form)
        """Keep the recording in view."""
        super().resizeEvent(event)
        self.go_to(self._start)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's form)
        """Paint what is seen."""
        painter = QPainter(self)
        try:
            self._paint(painter)
        finally:
            painter.end()

    def _paint(self, painter: QPainter) -> None:
        if self._opened is None or self._source is None:
            painter.fillRect(self.rect(), QColor(self._theme.surface))
            return
        layout = self.layout_now()
        opened, problem = self._opened, ""
        columns = max(1, round(layout.plot.width()))
        try:
            leads = self._source.views(layout.start, layout.end, columns)
        except (RecordingError, VaultError, OSError) as error:
            leads, problem = (), explain(error)
        scene = Scene(
            leads=leads,
            beats=opened.beats,
            findings=opened.findings,
            unreadable=self._unreadable,
            duration=opened.recording.duration,
            chosen=self._chosen,
        )
        paint_tracing(painter, layout, scene, self._theme)
        if problem:
            set_font(painter, 15)
            painter.setPen(QColor(self._theme.error))
            words = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(layout.plot, words, f"This part cannot be read: {problem}.")

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's form)
        """Scroll; with Ctrl zoom around the pointer, with Shift change the gain."""
        turned = event.angleDelta().y() or event.angleDelta().x()
        notches = turned / _NOTCH
        keys = event.modifiers()
        if keys & Qt.KeyboardModifier.ControlModifier:
            speed = self._scale.speed * _NOTCH_ZOOM**notches
            self.set_scale(replace(self._scale, speed=speed), event.position().x())
        elif keys & Qt.KeyboardModifier.ShiftModifier:
            if notches:
                self.set_scale(self._scale.higher() if notches > 0 else self._scale.lower())
        elif event.pixelDelta().x():
            self.go_to(self._start - event.pixelDelta().x() / self._scale.dots_per_second)
        else:
            self.go_to(self._start - notches * _NOTCH_SHARE * self.seconds)
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's form)
        """Take hold of the paper."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._grabbed = (event.position().x(), self._start)
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's form)
        """Pull the paper along."""
        if self._grabbed is not None:
            x, start = self._grabbed
            self.go_to(start - (event.position().x() - x) / self._scale.dots_per_second)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's form)
        """Let go of the paper."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._grabbed = None
            self.setCursor(Qt.CursorShape.OpenHandCursor)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's form)
        """Look at a place from near."""
        time = self.layout_now().time_at(QPointF(event.position()).x())
        if not self._scale.is_standard:
            self.set_scale(replace(self._scale, speed=25.0, gain=10.0))
            self.centre_on(time)
