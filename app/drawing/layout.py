"""Where the parts of a tracing lie: gutter, ruler, beats, leads, episodes."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF

from app.drawing.scene import Floats
from signals.scale import Scale

_GUTTER = 76
_RULER = 22
_BEATS = 32
_BARS = 38
ZERO_AT = 0.55
"""Where in its row a lead's zero is, from the top: most of a beat points up."""


@dataclass(frozen=True, slots=True)
class TracingLayout:
    """A tracing laid out in a rectangle.

    Parameters
    ----------
    rect : QRectF
        All of it.
    scale : Scale
        Millimetres to pixels.
    start : float
        Seconds from the start of the recording at the left edge of the plot.
    rows : int
        Leads.
    unit : float, default 1
        Pixels in one pixel of the design: 1 on a screen, more where pixels are smaller.
    """

    rect: QRectF
    scale: Scale
    start: float
    rows: int
    unit: float = 1.0

    @property
    def plot(self) -> QRectF:
        """Where the leads are."""
        return self.rect.adjusted(
            _GUTTER * self.unit, (_RULER + _BEATS) * self.unit, 0, -_BARS * self.unit
        )

    @property
    def ruler(self) -> QRectF:
        """Where times are written."""
        plot = self.plot
        return QRectF(plot.left(), self.rect.top(), plot.width(), _RULER * self.unit)

    @property
    def beats(self) -> QRectF:
        """Where beats are marked."""
        plot = self.plot
        return QRectF(plot.left(), self.ruler.bottom(), plot.width(), _BEATS * self.unit)

    @property
    def bars(self) -> QRectF:
        """Where episodes are."""
        plot = self.plot
        return QRectF(plot.left(), plot.bottom(), plot.width(), _BARS * self.unit)

    @property
    def gutter(self) -> QRectF:
        """Where leads are named and the calibration pulse is."""
        plot = self.plot
        return QRectF(self.rect.left(), plot.top(), _GUTTER * self.unit, plot.height())

    @property
    def seconds(self) -> float:
        """Length of what is seen."""
        return max(1.0, self.plot.width()) / self.scale.dots_per_second

    @property
    def end(self) -> float:
        """Seconds from the start of the recording at the right edge."""
        return self.start + self.seconds

    def row(self, index: int) -> QRectF:
        """Return where a lead is."""
        plot = self.plot
        height = plot.height() / max(1, self.rows)
        return QRectF(plot.left(), plot.top() + index * height, plot.width(), height)

    def baseline(self, index: int) -> float:
        """Return the y of a lead's zero: on the 5-mm grid, a little below its middle."""
        box = 5 * self.scale.dots_per_mm
        top, row = self.plot.top(), self.row(index)
        return top + round((row.top() + ZERO_AT * row.height() - top) / box) * box

    def x(self, times: Floats) -> Floats:
        """Return where moments lie, in pixels."""
        return self.plot.left() + (times - self.start) * self.scale.dots_per_second

    def x_of(self, time: float) -> float:
        """Return where a moment lies, in pixels."""
        return self.plot.left() + (time - self.start) * self.scale.dots_per_second

    def time_at(self, x: float) -> float:
        """Return the moment at a place."""
        return self.start + (x - self.plot.left()) / self.scale.dots_per_second

    def px(self, design: float) -> float:
        """Return a length of the design in pixels."""
        return design * self.unit
