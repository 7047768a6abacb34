"""A whole recording in one strip: heart rate, ectopic beats, findings, what cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app.drawing.marks import hatch
from app.drawing.strokes import draw_curve
from app.drawing.text import set_font
from app.report import UNREADABLE
from app.wording import clock
from signals.ecg.beat import BeatClass

if TYPE_CHECKING:
    from app.drawing.scene import BeatMarks, Floats
    from app.drawing.theme import Theme
    from app.report import Finding, Report

_GUTTER = 76
_RATES = (30.0, 60.0, 90.0, 120.0, 150.0, 180.0, 210.0, 240.0, 300.0)
_LABEL_STEPS = (10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)
_BAR_PX = 3.0


@dataclass(frozen=True, eq=False)
class Overview:
    """What the strip shows.

    Parameters
    ----------
    report : Report
        Of the recording.
    beats : BeatMarks
        Of the report.
    """

    report: Report
    beats: BeatMarks

    @property
    def duration(self) -> float:
        """Of the recording, seconds."""
        return self.report.subject.duration_s

    @cached_property
    def heart_rate(self) -> NDArray[np.float64]:
        """Beats a minute by window, NaN where not measurable."""
        rates = self.report.windows.heart_rate
        return np.array([np.nan if rate is None else rate for rate in rates], np.float64)


@dataclass(frozen=True, slots=True)
class OverviewLayout:
    """The strip laid out in a rectangle."""

    rect: QRectF
    duration: float

    @property
    def plot(self) -> QRectF:
        """Where the recording is, from its start to its end."""
        return self.rect.adjusted(_GUTTER, 4, -12, -20)

    @property
    def trend(self) -> QRectF:
        """Where the heart rate is."""
        return self.plot.adjusted(0, 0, 0, -26)

    @property
    def density(self) -> QRectF:
        """Where ectopic beats are counted."""
        return QRectF(self.plot.left(), self.plot.bottom() - 24, self.plot.width(), 14)

    @property
    def findings(self) -> QRectF:
        """Where findings and unreadable stretches are."""
        return QRectF(self.plot.left(), self.plot.bottom() - 8, self.plot.width(), 8)

    def x_of(self, time: float) -> float:
        """Return where a moment lies."""
        return self.plot.left() + time / max(self.duration, 1e-9) * self.plot.width()

    def time_at(self, x: float) -> float:
        """Return the moment at a place, within the recording."""
        share = (x - self.plot.left()) / max(self.plot.width(), 1.0)
        return min(max(share, 0.0), 1.0) * self.duration


def paint_overview(
    painter: QPainter, layout: OverviewLayout, overview: Overview, theme: Theme
) -> None:
    """Paint the strip, without the window that says what is seen of it."""
    painter.fillRect(layout.rect, QColor(theme.panel))
    _paint_times(painter, layout, theme)
    _paint_trend(painter, layout, overview, theme)
    _paint_density(painter, layout, overview.beats, theme)
    painter.setPen(Qt.PenStyle.NoPen)
    for finding in overview.report.findings:
        _paint_finding(painter, layout, finding, theme)
    painter.setPen(QColor(theme.muted))
    set_font(painter, 11)
    for area, name in ((layout.density, "ectopic"), (layout.findings, "findings")):
        box = QRectF(layout.rect.left() + 12, area.center().y() - 8, _GUTTER - 16, 16)
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, name)


def paint_window(
    painter: QPainter, layout: OverviewLayout, start: float, end: float, theme: Theme
) -> None:
    """Frame what the tracing shows."""
    left = layout.x_of(max(0.0, start))
    right = max(layout.x_of(min(layout.duration, end)), left + 3)
    frame = QRectF(left, layout.plot.top() - 3, right - left, layout.plot.height() + 6)
    tint = QColor(theme.accent)
    tint.setAlphaF(0.12)
    painter.fillRect(frame, tint)
    painter.setPen(QPen(QColor(theme.accent), 1.5))
    painter.drawRect(frame)


def _paint_times(painter: QPainter, layout: OverviewLayout, theme: Theme) -> None:
    set_font(painter, 11)
    least = 80 * layout.duration / max(layout.plot.width(), 1.0)
    step = next((step for step in _LABEL_STEPS if step >= least), _LABEL_STEPS[-1])
    for time in np.arange(0, layout.duration, step).tolist():
        x = layout.x_of(time)
        painter.setPen(QPen(QColor(theme.hairline), 1))
        painter.drawLine(QLineF(x, layout.plot.top(), x, layout.plot.bottom() + 4))
        text = clock(time)
        width = painter.fontMetrics().horizontalAdvance(text)
        if x + width <= layout.rect.right():
            painter.setPen(QColor(theme.muted))
            box = QRectF(x, layout.plot.bottom() + 3, width + 2, 16)
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)


def _paint_trend(
    painter: QPainter, layout: OverviewLayout, overview: Overview, theme: Theme
) -> None:
    rates, area = overview.heart_rate, layout.trend
    known = rates[np.isfinite(rates)]
    low, high = _limits(known)
    set_font(painter, 11)
    for rate, align in ((low, Qt.AlignmentFlag.AlignBottom), (high, Qt.AlignmentFlag.AlignTop)):
        box = QRectF(layout.rect.left() + 12, area.top() - 2, _GUTTER - 20, area.height() + 4)
        painter.setPen(QColor(theme.muted))
        painter.drawText(box, align | Qt.AlignmentFlag.AlignRight, f"{rate:.0f}")
    box = QRectF(layout.rect.left() + 12, area.top(), _GUTTER - 16, area.height())
    painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, "bpm")
    if not len(known):
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, "heart rate not measurable")
        return
    times = (np.arange(len(rates)) + 0.5) * overview.report.windows.seconds
    y = area.bottom() - (rates - low) / (high - low) * area.height()
    x = layout.plot.left() + times / overview.duration * layout.plot.width()
    columns = max(1, int(layout.plot.width()))
    curve = _thinned(x, y, columns) if len(x) > 2 * columns else (x, y)
    draw_curve(painter, curve[0], curve[1], theme.trace, 1.2)


def _limits(rates: NDArray[np.float64]) -> tuple[float, float]:
    """Return the marks of the scale around the heart rates, at least 60 apart."""
    if not len(rates):
        return 30.0, 120.0
    low = max((mark for mark in _RATES if mark <= rates.min()), default=0.0)
    high = min((mark for mark in _RATES if mark >= rates.max()), default=float(rates.max()))
    return low, max(high, low + 60.0)


def _thinned(x: Floats, y: Floats, columns: int) -> tuple[Floats, Floats]:
    step = -(-len(x) // columns)
    edges = np.arange(0, len(x), step)
    low, high = np.fmin.reduceat(y, edges), np.fmax.reduceat(y, edges)
    return np.repeat(x[edges], 2), np.column_stack([low, high]).ravel()


def _paint_density(
    painter: QPainter, layout: OverviewLayout, beats: BeatMarks, theme: Theme
) -> None:
    """Paint bars as high as beats of a class are many, the tallest as high as there is room."""
    area = layout.density
    columns = max(1, int(area.width() / _BAR_PX))
    edges = np.linspace(0, layout.duration, columns + 1)
    stack = {
        cls: np.histogram(beats.times[beats.classes == cls], edges)[0]
        for cls in (BeatClass.V, BeatClass.S, BeatClass.F)
    }
    most = max(1, int(sum(stack.values(), np.zeros(columns, np.int64)).max()))
    foot = np.full(columns, area.bottom())
    painter.setPen(Qt.PenStyle.NoPen)
    for cls, counts in stack.items():
        heights = counts / most * area.height()
        there = np.flatnonzero(counts)
        painter.setBrush(QColor(theme.beat(cls)))
        painter.drawRects(
            [
                QRectF(area.left() + i * _BAR_PX, foot[i] - heights[i], _BAR_PX, heights[i])
                for i in there.tolist()
            ]
        )
        foot -= heights


def _paint_finding(
    painter: QPainter, layout: OverviewLayout, finding: Finding, theme: Theme
) -> None:
    area = layout.findings
    left = layout.x_of(finding.onset)
    width = max(2.0, layout.x_of(finding.end) - left)
    box = QRectF(left, area.top(), width, area.height())
    if finding.kind == UNREADABLE:
        hatch(painter, box, 1.0, theme)
        box = QRectF(left, layout.trend.top(), width, layout.trend.height())
        hatch(painter, box, 1.0, theme)
    else:
        painter.fillRect(box, QColor(theme.finding(finding.kind)))
