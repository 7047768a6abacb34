"""Marks on a tracing: beats by class, findings as bars, stretches that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen, QPolygonF

from app.drawing.text import set_font
from app.report import UNREADABLE
from app.wording import describe
from signals.ecg.beat import BeatClass

if TYPE_CHECKING:
    from app.drawing.layout import TracingLayout
    from app.drawing.scene import BeatMarks, Scene, Stretch
    from app.drawing.theme import Theme
    from app.report import Finding

_LETTER_PX = 14.0  # a beat narrower than this has no room for its letter
_SHAPE_PX = 6.0
_LEAST_BAR = 3.0
_LEAST_WORDS = 60.0
_LANES = 2


def paint_beats(painter: QPainter, layout: TracingLayout, beats: BeatMarks, theme: Theme) -> None:
    """Mark each beat above the tracing, with as much as there is room for.

    Near: a letter, and a shape for every class but N. Farther: the shapes. Far: a tick for every
    pixel that holds an ectopic beat, the rarer class in front.
    """
    seen = beats.between(layout.start, layout.end)
    area = layout.beats
    painter.save()
    painter.setClipRect(area)
    room = area.width() / max(1, len(seen.times))
    x = layout.x(seen.times)
    if room >= layout.px(_LETTER_PX):
        _letters(painter, layout, seen, x.tolist(), theme)
    ectopic = seen.classes != BeatClass.N
    if area.width() >= layout.px(_SHAPE_PX) * np.count_nonzero(ectopic):
        y = area.bottom() - layout.px(8)
        for at, cls in zip(x[ectopic].tolist(), seen.classes[ectopic].tolist(), strict=True):
            paint_shape(painter, BeatClass(cls), QPointF(at, y), layout.px(4.5), theme)
    else:
        _ticks(painter, layout, seen, theme)
    painter.restore()


def _letters(
    painter: QPainter, layout: TracingLayout, seen: BeatMarks, x: list[float], theme: Theme
) -> None:
    area = layout.beats
    width = layout.px(_LETTER_PX)
    for at, value in zip(x, seen.classes.tolist(), strict=True):
        cls = BeatClass(value)
        normal = cls is BeatClass.N
        set_font(painter, layout.px(11), bold=not normal)
        painter.setPen(QColor(theme.normal_beat if normal else theme.ink))
        box = QRectF(at - width / 2, area.top(), width, area.height() - layout.px(14))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, cls.symbol)
        if normal:
            painter.setPen(QPen(QColor(theme.normal_beat), layout.unit))
            y = area.bottom() - layout.px(8)
            painter.drawLine(QLineF(at, y - layout.px(3), at, y + layout.px(3)))


def paint_shape(
    painter: QPainter, beat_class: BeatClass, centre: QPointF, reach: float, theme: Theme
) -> None:
    """Paint the mark of a class: triangle S, square V, diamond F, ring Q, stroke N."""
    x, y = centre.x(), centre.y()
    colour = QColor(theme.beat(beat_class))
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    match beat_class:
        case BeatClass.S:
            corners = [(x, y - reach), (x + reach, y + reach), (x - reach, y + reach)]
            painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
        case BeatClass.V:
            side = reach * 0.9
            painter.drawRect(QRectF(x - side, y - side, 2 * side, 2 * side))
        case BeatClass.F:
            corners = [(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y)]
            painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
        case BeatClass.Q:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour, reach / 3))
            painter.drawEllipse(centre, reach * 0.8, reach * 0.8)
        case BeatClass.N:
            painter.setPen(QPen(colour, reach / 3))
            painter.drawLine(QLineF(x, y - reach, x, y + reach))
    painter.restore()


def _ticks(painter: QPainter, layout: TracingLayout, seen: BeatMarks, theme: Theme) -> None:
    counts = {cls: np.count_nonzero(seen.classes == cls) for cls in BeatClass}
    ectopic = [cls for cls in BeatClass if cls is not BeatClass.N]
    y = layout.beats.bottom() - layout.px(8)
    for cls in sorted(ectopic, key=lambda cls: counts[cls], reverse=True):
        columns = np.unique(np.rint(layout.x(seen.times[seen.classes == cls])))
        painter.setPen(QPen(QColor(theme.beat(cls)), layout.unit))
        reach = layout.px(6)
        painter.drawLines([QLineF(at, y - reach, at, y + reach) for at in columns.tolist()])


def paint_unreadable(painter: QPainter, layout: TracingLayout, scene: Scene, theme: Theme) -> None:
    """Hatch what cannot be read: a lead's own stretches, and those where no lead can be read."""
    for index, stretches in enumerate(scene.unreadable):
        for stretch in stretches:
            _hatch(painter, layout, stretch, layout.row(index), theme)


def hatch(painter: QPainter, box: QRectF, unit: float, theme: Theme) -> None:
    """Fill a box with grey strokes that lean to the right."""
    painter.save()
    painter.setClipRect(box, Qt.ClipOperation.IntersectClip)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    tint = QColor(theme.hatch)
    tint.setAlphaF(0.14)
    painter.fillRect(box, tint)
    stroke = QColor(theme.hatch)
    stroke.setAlphaF(0.55)
    painter.setPen(QPen(stroke, unit))
    step, height = 9 * unit, box.height()
    first = np.floor((box.left() - height) / step) * step
    painter.drawLines(
        [
            QLineF(at, box.bottom(), at + height, box.top())
            for at in np.arange(first, box.right(), step).tolist()
        ]
    )
    painter.restore()


def _hatch(
    painter: QPainter, layout: TracingLayout, stretch: Stretch, row: QRectF, theme: Theme
) -> None:
    if stretch.end <= layout.start or stretch.onset >= layout.end:
        return
    left = max(row.left(), layout.x_of(stretch.onset))
    right = min(row.right(), layout.x_of(stretch.end))
    if right - left >= 1:
        hatch(painter, QRectF(left, row.top(), right - left, row.height()), layout.unit, theme)


def paint_findings(painter: QPainter, layout: TracingLayout, scene: Scene, theme: Theme) -> None:
    """Paint findings as bars under the tracing, with words where there is room."""
    area = layout.bars
    painter.save()
    painter.setClipRect(area.adjusted(-layout.px(2), 0, 0, 0))
    set_font(painter, layout.px(11))
    placed = _placed(layout, scene)
    # Short ones in front of long ones, and the chosen one in front of all.
    for finding, box, _ in sorted(
        placed, key=lambda bar: (bar[0] is scene.chosen, -bar[1].width())
    ):
        _bar(painter, layout, finding, box, theme, chosen=finding is scene.chosen)
    room_to: dict[int, float] = {}
    for finding, box, lane in reversed(placed):
        _words(painter, layout, finding, box, room_to.get(lane, area.right()), theme)
        room_to[lane] = box.left()
    painter.restore()


def _placed(layout: TracingLayout, scene: Scene) -> list[tuple[Finding, QRectF, int]]:
    """Return where each finding's bar lies, and in which lane.

    Of a day's thousands of short ones, those that would lie on another of their kind are left out.
    """
    area = layout.bars
    height = (area.height() - layout.px(6)) / _LANES
    ends = [-np.inf] * _LANES
    taken: set[tuple[str, int]] = set()
    placed = []
    for finding in sorted(
        scene.findings.between(layout.start, layout.end), key=lambda finding: finding.onset
    ):
        left = max(area.left(), layout.x_of(finding.onset))
        right = min(area.right(), layout.x_of(finding.end))
        if right - left < layout.px(_LEAST_BAR):
            right = left + layout.px(_LEAST_BAR)
            spot = (finding.kind, int(left / layout.px(_LEAST_BAR)))
            if spot in taken and finding is not scene.chosen:
                continue
            taken.add(spot)
        free = [lane for lane in range(_LANES) if ends[lane] <= left]
        lane = free[0] if free else ends.index(min(ends))
        ends[lane] = right
        top = area.top() + layout.px(3) + lane * height
        placed.append((finding, QRectF(left, top, right - left, height - layout.px(1)), lane))
    return placed


def _bar(
    painter: QPainter,
    layout: TracingLayout,
    finding: Finding,
    box: QRectF,
    theme: Theme,
    *,
    chosen: bool,
) -> None:
    colour = QColor(theme.finding(finding.kind))
    if finding.kind == UNREADABLE:
        hatch(painter, box, layout.unit, theme)
    else:
        tint = QColor(colour)
        tint.setAlphaF(0.25)
        painter.fillRect(box, QBrush(tint))
        stem = QRectF(box.left(), box.top(), layout.px(3), box.height())
        painter.fillRect(stem, colour)
    if chosen:
        painter.setPen(QPen(QColor(theme.accent), layout.px(1.5)))
        painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))


def _words(
    painter: QPainter,
    layout: TracingLayout,
    finding: Finding,
    box: QRectF,
    room_to: float,
    theme: Theme,
) -> None:
    """Write what a bar stands for: on it, or beyond it as far as the next bar leaves room."""
    start = box.left() + layout.px(7)
    if max(box.right(), room_to) - start < layout.px(_LEAST_WORDS):
        return
    metrics = painter.fontMetrics()
    text = describe(finding)
    if start + metrics.horizontalAdvance(text) > box.right():
        start = max(start, box.right() + layout.px(4))
        if start + metrics.horizontalAdvance(text) > room_to:
            start = box.left() + layout.px(7)
            room_to = box.right()
    room = QRectF(start, box.top(), room_to - start - layout.px(4), box.height())
    if room.width() > layout.px(_LEAST_WORDS):
        painter.setPen(QColor(theme.ink))
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, int(room.width()) + 1)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextDontClip, shown)
