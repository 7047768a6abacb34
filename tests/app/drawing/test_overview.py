from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from app.drawing.overview import Overview, OverviewLayout, paint_overview, paint_window
from app.drawing.scene import BeatMarks
from app.drawing.theme import LIGHT
from app.report import Beats, Finding, Provenance, Report, Subject, Windows
from signals.ecg.beat import BeatClass

RECT = QRectF(0, 0, 1000, 116)


def overview(rates: list[float | None], findings: tuple[Finding, ...] = ()) -> Overview:
    duration = 10.0 * len(rates)
    times = np.arange(0.0, duration)
    classes = np.where(times < duration / 2, BeatClass.V, BeatClass.N).astype(np.int8)
    windows = Windows(10.0, tuple(rates), (0,) * len(rates), ("g" * len(rates),))
    beats = Beats(1.0, times.astype(np.int64), classes, np.full(len(times), 90, np.uint8))
    subject = Subject("x", "test", duration, None, (), ())
    provenance = Provenance("", "", "", (), "")
    report = Report(subject, provenance, beats, windows, findings, ())
    return Overview(report, BeatMarks.of(beats))


def painted(shown: Overview) -> np.ndarray:
    image = QImage(1000, 116, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    layout = OverviewLayout(RECT, shown.duration)
    paint_overview(painter, layout, shown, LIGHT)
    paint_window(painter, layout, 0.0, 1.0, LIGHT)
    painter.end()
    return np.frombuffer(image.constBits(), np.uint8).reshape(116, 1000, 4)[:, :, 2::-1].copy()


def columns_of(picture: np.ndarray, colour: str, area: QRectF, within: int = 30) -> np.ndarray:
    rows = slice(int(area.top()), int(area.bottom()) + 1)
    wanted = np.array(QColor(colour).getRgb()[:3])
    return np.flatnonzero(
        (np.abs(picture[rows].astype(int) - wanted).max(axis=2) < within).any(axis=0)
    )


def test_ectopic_beats_are_shown_where_they_are() -> None:
    shown = overview([70.0] * 60)
    area = OverviewLayout(RECT, shown.duration).density
    columns = columns_of(painted(shown), LIGHT.beat(BeatClass.V), area)
    assert columns[-1] == pytest.approx(area.left() + area.width() / 2, abs=6)


def test_heart_rate_that_could_not_be_measured_is_a_gap() -> None:
    rates: list[float | None] = [70.0] * 60
    rates[20:40] = [None] * 20
    shown = overview(rates)
    layout = OverviewLayout(RECT, shown.duration)
    columns = columns_of(painted(shown), LIGHT.trace, layout.trend, within=150)
    columns = columns[columns > layout.plot.left()]
    assert not ((columns > layout.x_of(210)) & (columns < layout.x_of(390))).any()
    assert len(columns) > 300


@pytest.mark.parametrize("rates", [[], [None], [None] * 20, [70.0]])
def test_a_recording_without_heart_rate_can_be_shown(rates: list[float | None]) -> None:
    painted(overview(rates))


def test_places_and_moments_are_inverse_and_stay_within_the_recording() -> None:
    layout = OverviewLayout(RECT, 600.0)
    assert layout.time_at(layout.x_of(123.0)) == pytest.approx(123.0)
    assert layout.time_at(-50) == 0.0
    assert layout.time_at(5000) == 600.0
