"""The whole recording in a strip under the tracing: click or drag to go there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.drawing.overview import Overview, OverviewLayout, paint_overview, paint_window

if TYPE_CHECKING:
    from app.drawing.theme import Theme

_HEIGHT = 116


class OverviewView(QWidget):
    """Shows heart rate, ectopic beats and findings of a whole recording.

    Parameters
    ----------
    theme : Theme
        Its colours.
    parent : QWidget
        Owner.
    """

    went = Signal(float)
    """The moment that was clicked, or dragged to."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Overview")
        self._theme = theme
        self._overview: Overview | None = None
        self._seen = (0.0, 0.0)
        self._picture: QPixmap | None = None

    def show_overview(self, overview: Overview | None) -> None:
        """Show a recording, or nothing."""
        self._overview = overview
        self._picture = None
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self._picture = None
        self.update()

    def set_seen(self, start: float, end: float) -> None:
        """Frame what the tracing shows."""
        self._seen = (start, end)
        self.update()

    def layout_now(self) -> OverviewLayout:
        """Return where everything is."""
        duration = self._overview.duration if self._overview else 1.0
        return OverviewLayout(QRectF(self.rect()), duration)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's form)
        """Return a size of fixed height."""
        return QSize(600, _HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's form)
        """Paint the strip, which is kept, and the frame on it."""
        painter = QPainter(self)
        if self._overview is None:
            painter.fillRect(self.rect(), QColor(self._theme.panel))
        else:
            painter.drawPixmap(0, 0, self._drawn(self._overview))
            paint_window(painter, self.layout_now(), *self._seen, self._theme)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's form)
        """Go to the place."""
        self._go(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's form)
        """Go along."""
        self._go(event)

    def _go(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and self._overview is not None:
            self.went.emit(self.layout_now().time_at(event.position().x()))

    def _drawn(self, overview: Overview) -> QPixmap:
        dots = self.devicePixelRatioF()
        size = self.size() * dots
        if self._picture is None or self._picture.size() != size:
            self._picture = QPixmap(size)
            self._picture.setDevicePixelRatio(dots)
            painter = QPainter(self._picture)
            paint_overview(painter, self.layout_now(), overview, self._theme)
            painter.end()
        return self._picture
