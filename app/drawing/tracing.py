"""The tracing: leads on ECG paper, named, calibrated, with what was found in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from app.drawing.grid import paint_grid, paint_ruler
from app.drawing.marks import paint_beats, paint_findings, paint_unreadable
from app.drawing.strokes import draw_curve
from app.drawing.text import set_font
from signals.scale import PAPER_SPEEDS

if TYPE_CHECKING:
    from app.drawing.layout import TracingLayout
    from app.drawing.scene import LeadView, Scene
    from app.drawing.theme import Theme

_TRACE_WIDTH = 1.2
_PULSE_MM = 5.0
_HIGHEST = 1e5  # px; Qt's rasterizer takes no coordinates beyond its 26.6 fixed point numbers


def paint_tracing(painter: QPainter, layout: TracingLayout, scene: Scene, theme: Theme) -> None:
    """Paint a tracing; everything that it needs is in the arguments.

    Parameters
    ----------
    painter : QPainter
        Of a widget, an image or a page.
    layout : TracingLayout
        Where, and at what scale.
    scene : Scene
        What.
    theme : Theme
        In which colours.
    """
    paint_grid(painter, layout, theme)
    paint_unreadable(painter, layout, scene, theme)
    _paint_ends(painter, layout, scene, theme)
    painter.save()
    painter.setClipRect(layout.plot)
    for index, lead in enumerate(scene.leads):
        _paint_curve(painter, layout, index, lead, theme)
    painter.restore()
    for index, lead in enumerate(scene.leads):
        _paint_name(painter, layout, index, lead, theme)
    paint_ruler(painter, layout, theme)
    paint_beats(painter, layout, scene.beats, theme)
    paint_findings(painter, layout, scene, theme)


def _paint_curve(
    painter: QPainter, layout: TracingLayout, index: int, lead: LeadView, theme: Theme
) -> None:
    dots = layout.scale.dots_per_millivolt / (lead.full_scale or 1.0)
    y = layout.baseline(index) - (lead.curve.values - lead.zero) * dots
    x = layout.x(lead.curve.times)
    width = layout.px(_TRACE_WIDTH)
    far = lead.curve.extremes
    colour = theme.trace_far if far else theme.trace
    draw_curve(painter, x, np.clip(y, -_HIGHEST, _HIGHEST), colour, width, surface=far)


def _paint_ends(painter: QPainter, layout: TracingLayout, scene: Scene, theme: Theme) -> None:
    """Show that there is nothing before the start and after the end of the recording."""
    plot = layout.plot
    outside = QColor(theme.surface)
    first, last = layout.x_of(0.0), layout.x_of(scene.duration)
    if first > plot.left():
        painter.fillRect(
            QRectF(plot.left(), plot.top(), first - plot.left(), plot.height()), outside
        )
    if last < plot.right():
        painter.fillRect(QRectF(last, plot.top(), plot.right() - last, plot.height()), outside)


def _paint_name(
    painter: QPainter, layout: TracingLayout, index: int, lead: LeadView, theme: Theme
) -> None:
    """Write a lead's name, and beside it the pulse of 1 mV that says how high a millivolt is."""
    painter.save()
    row, gutter = layout.row(index), layout.gutter
    baseline = layout.baseline(index)
    left = gutter.left() + layout.px(12)
    room = QRectF(left, row.top(), gutter.width() - layout.px(16), layout.px(22))
    set_font(painter, layout.px(13), bold=True)
    painter.setPen(QColor(theme.ink))
    name = painter.fontMetrics().elidedText(
        lead.label, Qt.TextElideMode.ElideRight, int(room.width())
    )
    pulse = layout.scale.dots_per_millivolt
    room.moveTop(max(row.top(), baseline - pulse - layout.px(24)))
    painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, name)
    right = gutter.right() - layout.px(8)
    if lead.full_scale is None:
        width = _PULSE_MM * layout.scale.dots_per_mm
        if layout.scale.speed in PAPER_SPEEDS:
            width = min(0.2 * layout.scale.dots_per_second, layout.px(40))
        foot = layout.px(4)
        rise, fall = right - width - foot, right - foot
        x = np.array([rise - foot, rise, rise, fall, fall, right])
        y = baseline - pulse * np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
        draw_curve(painter, x, y, theme.trace, layout.px(_TRACE_WIDTH))
    else:
        set_font(painter, layout.px(11))
        painter.setPen(QColor(theme.muted))
        words = QRectF(left, room.bottom(), gutter.width() - layout.px(16), layout.px(44))
        wrap = Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(words, wrap, lead.unit)
    painter.restore()
