"""A strip of a recording on calibrated ECG paper, as a PNG."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QImageWriter, QPainter

from app.drawing.layout import Extent, TracingLayout
from app.drawing.scene import BeatMarks, FindingMarks, LeadView, Scene
from app.drawing.text import set_font
from app.drawing.theme import LIGHT
from app.drawing.tracing import paint_tracing
from app.drawing.visible import LeadSource
from signals.scale import Scale

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.report import Beats
    from signals.recording import Recording

_DOTS_PER_MM = 8
_UNIT = 2.0  # pixels of this picture in one of the design's
_ROW_MM = 40.0  # at least; more where a beat would not fit
_MARGIN_MM = 5.0
_BOX_MM = 5
_HIGHEST_ROW_MM = 120.0
_SCALE = Scale(dots_per_mm=_DOTS_PER_MM, calibrated=True)
_HEAD = 26
_FOOT = 22


class StripError(OSError):
    """A strip cannot be drawn or written; the message says why, in plain words."""


def save_strip(
    path: Path,
    recording: Recording,
    leads: Sequence[str],
    start_s: float,
    seconds: float,
    beats: Beats | None,
    title: str,
) -> None:
    """Write a strip as a PNG: 25 mm/s, 10 mm/mV, 8 pixels a millimetre, which the file states.

    Parameters
    ----------
    path : pathlib.Path
        Of the PNG; replaced if it is there.
    recording : Recording
        Open.
    leads : sequence of str
        Labels of the channels, from top to bottom.
    start_s, seconds : float
        What of it, seconds.
    beats : Beats or None
        Marked by class.
    title : str
        Written above it.

    Raises
    ------
    StripError
        If a lead is not in the recording, or the file cannot be written.
    RecordingError
        If the recording cannot be read there.
    """
    labels = [channel.label for channel in recording.channels]
    unknown = [lead for lead in leads if lead not in labels]
    if unknown or not leads:
        there = ", ".join(labels)
        raise StripError(f"no lead to draw: {', '.join(unknown)}; its channels are: {there}")
    application = QGuiApplication.instance() or QGuiApplication(
        ["tracekeep", "-platform", "offscreen"]
    )
    source = LeadSource(recording, None, [labels.index(lead) for lead in leads])
    width = round(seconds * _SCALE.dots_per_second)
    frame = TracingLayout(QRectF(), _SCALE, start_s, (), _UNIT)
    gutter = round(frame.gutter.width())
    around = round(-frame.plot.height())  # what ruler, beats and bars take
    views = source.views(start_s, start_s + seconds, width)
    extents = tuple(_extent(view) for view in views)
    height = round(around + sum(map(_row_mm, extents)) * _DOTS_PER_MM)
    head, foot = round(_HEAD * _UNIT), round(_FOOT * _UNIT)
    image = QImage(gutter + width, head + height + foot, QImage.Format.Format_RGB32)
    image.setDotsPerMeterX(_DOTS_PER_MM * 1000)
    image.setDotsPerMeterY(_DOTS_PER_MM * 1000)
    image.fill(QColor(LIGHT.paper))
    layout = TracingLayout(QRectF(0, head, image.width(), height), _SCALE, start_s, extents, _UNIT)
    scene = Scene(
        leads=views,
        beats=BeatMarks.of(beats),
        findings=FindingMarks(),
        unreadable=(),
        duration=recording.duration,
    )
    painter = QPainter(image)
    try:
        paint_tracing(painter, layout, scene, LIGHT)
        set_font(painter, 13 * _UNIT, bold=True)
        painter.setPen(QColor(LIGHT.ink))
        inset = 12 * _UNIT
        line = QRectF(inset, 0, image.width() - 2 * inset, head)
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, title)
        set_font(painter, 11 * _UNIT)
        painter.setPen(QColor(LIGHT.muted))
        line.moveTop(image.height() - foot - 2 * _UNIT)
        text = "25 mm/s   10 mm/mV   unfiltered   proposed by a model, not confirmed"
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, text)
    finally:
        painter.end()
        del application
    writer = QImageWriter(str(path), b"png")
    if not writer.write(image):
        raise StripError(f"{path}: the picture cannot be written: {writer.errorString()}")


def _extent(view: LeadView) -> Extent:
    values = view.curve.values[np.isfinite(view.curve.values)] - view.zero
    if not len(values):
        return Extent(0.0, 0.0)
    unit = view.full_scale or 1.0
    return Extent(max(0.0, float(values.max()) / unit), max(0.0, -float(values.min()) / unit))


def _row_mm(extent: Extent) -> float:
    """Return how high a row must be for its beats, in whole boxes of 5 mm."""
    needed = (extent.above + extent.below) * _SCALE.gain + 2 * _MARGIN_MM
    return min(math.ceil(max(needed, _ROW_MM) / _BOX_MM) * _BOX_MM, _HIGHEST_ROW_MM)
