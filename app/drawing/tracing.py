"""The tracing: leads on ECG paper, named, calibrated, with what was found in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPolygonF

from app.drawing.grid import paint_grid, paint_ruler
from app.drawing.marks import paint_beats, paint_findings, paint_unreadable
from app.drawing.strokes import draw_curve
from app.drawing.text import set_font
from signals.scale import PAPER_SPEEDS

if TYPE_CHECKING:
    from app.drawing.layout import TracingLayout
    from app.drawing.scene import Floats, LeadView, Scene
    from app.drawing.theme import Theme

_TRACE_WIDTH = 1.2
_PULSE_MM = 5.0
_CUT_PX = 4.0
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
    _paint_cuts(painter, layout, x, y, theme)


def _paint_cuts(
    painter: QPainter, layout: TracingLayout, x: Floats, y: Floats, theme: Theme
) -> None:
    """Point out where a wave goes on beyond the edge of the paper."""
    plot = layout.plot
    size = layout.px(_CUT_PX)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.error))
    seen = (x >= plot.left()) & (x <= plot.right())
    for beyond, edge, inwards in (
        (y < plot.top(), plot.top(), size),
        (y > plot.bottom(), plot.bottom(), -size),
    ):
        # Marks that would lie on one another are one.
        for spot in np.unique(np.rint(x[seen & beyond] / (2 * size))).tolist():
            at = spot * 2 * size
            corners = [(at, edge), (at + size, edge + inwards), (at - size, edge + inwards)]
            painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
    painter.restore()


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
    """Write a lead's name under its baseline; above it the pulse of 1 mV says how high one is."""
    painter.save()
    gutter, baseline = layout.gutter, layout.baseline(index)
    painter.setClipRect(gutter)
    left = gutter.left() + layout.px(12)
    room = QRectF(left, baseline + layout.px(2), gutter.right() - left, layout.px(18))
    set_font(painter, layout.px(13), bold=True)
    painter.setPen(QColor(theme.ink))
    name = painter.fontMetrics().elidedText(
        lead.label, Qt.TextElideMode.ElideRight, int(room.width())
    )
    painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, name)
    if lead.full_scale is None:
        _paint_pulse(painter, layout, index, theme)
    else:
        set_font(painter, layout.px(11))
        painter.setPen(QColor(theme.muted))
        words = QRectF(left, room.bottom(), room.width(), layout.px(44))
        wrap = Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(words, wrap, lead.unit)
    painter.restore()


def _paint_pulse(painter: QPainter, layout: TracingLayout, index: int, theme: Theme) -> None:
    baseline, pulse = layout.baseline(index), layout.scale.dots_per_millivolt
    if index and baseline - pulse < layout.baseline(index - 1):
        return  # leads this dense have one gain, which the first one shows
    width = _PULSE_MM * layout.scale.dots_per_mm
    if layout.scale.speed in PAPER_SPEEDS:
        width = min(0.2 * layout.scale.dots_per_second, layout.px(40))
    foot = layout.px(4)
    right = layout.gutter.right() - layout.px(8)
    rise, fall = right - width - foot, right - foot
    x = np.array([rise - foot, rise, rise, fall, fall, right])
    y = baseline - pulse * np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    draw_curve(painter, x, y, theme.trace, layout.px(_TRACE_WIDTH))
