"""ECG paper and the ruler above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app.drawing.text import set_font
from app.wording import clock
from signals.scale import PAPER_SPEEDS

if TYPE_CHECKING:
    from app.drawing.layout import TracingLayout
    from app.drawing.scene import Floats
    from app.drawing.theme import Theme

_BOX_MM = 5
_LEAST_MINOR = 3.0  # px between lines; denser, they are a tint and no grid
_TIME_STEPS = (0.2, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800)
_LEAST_LABEL = 90.0
_LEAST_TIME_LINE = 16.0


def paint_grid(painter: QPainter, layout: TracingLayout, theme: Theme) -> None:
    """Paint the paper: millimetres at a speed of ECG paper, round times at any other."""
    scale, plot = layout.scale, layout.plot
    painter.fillRect(layout.rect, QColor(theme.paper))
    painter.save()
    mm = scale.dots_per_mm
    plot.setHeight(plot.height() // mm * mm)
    painter.setClipRect(plot.adjusted(0, 0, 0, layout.unit))
    rows = np.arange(0, plot.height() / mm + 1)
    if scale.speed in PAPER_SPEEDS:
        first = np.floor(layout.start * scale.speed)
        columns = first + np.arange(0, plot.width() / mm + 2)
        x = layout.x(columns / scale.speed)
        if mm >= _LEAST_MINOR * layout.unit:
            _lines(painter, plot, theme.grid_minor, layout.unit, x, plot.top() + rows * mm)
        x = x[columns % _BOX_MM == 0]
    else:
        x = layout.x(_times(layout, _LEAST_TIME_LINE))
    boxes = plot.top() + rows[rows % _BOX_MM == 0] * mm
    _lines(painter, plot, theme.grid_major, layout.unit, x, boxes)
    painter.restore()


def paint_ruler(painter: QPainter, layout: TracingLayout, theme: Theme) -> None:
    """Paint when it is, from the start of the recording."""
    ruler = layout.ruler
    painter.save()
    set_font(painter, layout.px(11))
    step_px = _LEAST_LABEL
    times = _times(layout, step_px)
    fine = len(times) > 1 and times[1] - times[0] < 1
    for time, x in zip(times.tolist(), layout.x(times).tolist(), strict=True):
        if time < 0 or x < ruler.left():
            continue
        painter.setPen(QPen(QColor(theme.hairline), layout.unit))
        painter.drawLine(QLineF(x, ruler.bottom() - layout.px(5), x, ruler.bottom()))
        text = f"{clock(time)}.{round(time % 1 * 10)}" if fine else clock(time)
        box = QRectF(x + layout.px(4), ruler.top(), layout.px(_LEAST_LABEL), ruler.height())
        if box.left() + painter.fontMetrics().horizontalAdvance(text) <= ruler.right():
            painter.setPen(QColor(theme.muted))
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
    painter.restore()


def _times(layout: TracingLayout, least_px: float) -> NDArray[np.float64]:
    """Return round times from before the left edge to the right edge, `least_px` apart or more."""
    least = layout.px(least_px) / layout.scale.dots_per_second
    step = next((step for step in _TIME_STEPS if step >= least), _TIME_STEPS[-1])
    first = np.floor(layout.start / step)
    times: NDArray[np.float64] = (first + np.arange(0, layout.seconds / step + 2)) * step
    return times


def _lines(
    painter: QPainter,
    plot: QRectF,
    colour: str,
    width: float,
    x: Floats,
    y: Floats,
) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)  # noqa: FBT003 (Qt's form)
    painter.setPen(QPen(QColor(colour), max(1.0, round(width))))
    left, right, top, bottom = plot.left(), plot.right(), plot.top(), plot.bottom()
    lines = [QLineF(at, top, at, bottom) for at in np.rint(x).tolist()]
    lines += [QLineF(left, at, right, at) for at in np.rint(y).tolist()]
    painter.drawLines(lines)
