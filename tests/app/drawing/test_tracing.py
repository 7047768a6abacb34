from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from app.drawing.layout import Extent, TracingLayout
from app.drawing.scene import BeatMarks, Curve, FindingMarks, LeadView, Scene, Stretch
from app.drawing.theme import DARK, LIGHT, Theme
from app.drawing.tracing import paint_tracing
from app.report import Finding
from signals.ecg.beat import BeatClass
from signals.scale import GAINS, Scale

WIDTH, HEIGHT = 1280, 600
SCALE = Scale(speed=25, gain=10, dots_per_mm=4, calibrated=True)


def alike(n: int) -> tuple[Extent, ...]:
    return (Extent(1.0, 1.0),) * n


def lead(times: np.ndarray, values: np.ndarray) -> LeadView:
    return LeadView("II", "", 0.0, None, Curve(times, values))


def scene(
    leads: tuple[LeadView, ...] = (),
    beats: BeatMarks | None = None,
    findings: tuple[Finding, ...] = (),
    unreadable: tuple[tuple[Stretch, ...], ...] = (),
) -> Scene:
    marks = beats or BeatMarks(np.empty(0), np.empty(0, np.int8))
    return Scene(leads, marks, FindingMarks(findings), unreadable, duration=60.0)


def painted(
    shown: Scene,
    theme: Theme = LIGHT,
    scale: Scale = SCALE,
    start: float = 0,
    extents: tuple[Extent, ...] = (),
) -> QImage:
    image = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    layout = TracingLayout(
        QRectF(0, 0, WIDTH, HEIGHT), scale, start, extents or alike(len(shown.leads) or 1)
    )
    paint_tracing(painter, layout, shown, theme)
    painter.end()
    return image


def pixels(image: QImage) -> np.ndarray:
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return (
        rows[:, : image.width() * 4].reshape(image.height(), image.width(), 4)[:, :, 2::-1].copy()
    )


def near(image: QImage, colour: str, within: int = 40) -> np.ndarray:
    """Which pixels are of a colour, shape (height, width)."""
    wanted = np.array(QColor(colour).getRgb()[:3])
    return np.abs(pixels(image).astype(int) - wanted).max(axis=2) <= within


@pytest.mark.parametrize("speed", [12.5, 25.0, 50.0])
@pytest.mark.parametrize("gain", [5.0, 10.0, 20.0])
def test_a_known_square_wave_measures_what_the_scale_says(speed: float, gain: float) -> None:
    """1 mV for 1 s from second 2: as wide and as high in pixels as mm/s and mm/mV make it."""
    times = np.array([0.0, 2.0, 2.0, 3.0, 3.0, 8.0])
    values = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    scale = Scale(speed=speed, gain=gain, dots_per_mm=4, calibrated=True)
    image = painted(scene((lead(times, values),)), scale=scale)
    layout = TracingLayout(QRectF(0, 0, WIDTH, HEIGHT), scale, 0.0, alike(1))
    ink = near(image, LIGHT.trace, 60)
    ink[:, : int(layout.plot.left())] = False
    # Upright strokes are the columns with much ink, level ones the rows.
    columns = np.flatnonzero(ink.sum(axis=0) > gain * 4 * 0.7)
    rows = np.flatnonzero(ink.sum(axis=1) > speed * 4 * 0.7)
    assert np.ptp(columns) == pytest.approx(speed * 4, abs=1)
    assert np.ptp(rows) == pytest.approx(gain * 4, abs=1)
    assert columns[0] == pytest.approx(layout.x_of(2.0), abs=1)


def test_five_millimetres_between_the_strong_lines_of_the_grid() -> None:
    image = painted(scene())
    layout = TracingLayout(QRectF(0, 0, WIDTH, HEIGHT), SCALE, 0.0, alike(1))
    strong = near(image, LIGHT.grid_major, 8)
    inside = slice(int(layout.plot.top()) + 2, int(layout.plot.bottom()) - 2)
    columns = np.flatnonzero(strong[inside].mean(axis=0) > 0.9)
    columns = columns[columns > layout.plot.left()]
    assert set(np.diff(columns)) == {20}


def test_each_class_of_beats_has_its_colour_and_only_the_visible_ones_are_drawn() -> None:
    classes = np.array(list(BeatClass), np.int8)
    here = BeatMarks(np.arange(1.0, 6.0), classes)
    image = painted(scene(beats=here))
    for cls in (BeatClass.S, BeatClass.V, BeatClass.F, BeatClass.Q):
        x = int(TracingLayout(QRectF(0, 0, WIDTH, HEIGHT), SCALE, 0.0, alike(1)).x_of(1.0 + cls))
        assert near(image, LIGHT.beat(cls), 12)[:56, x - 8 : x + 9].any(), cls
    elsewhere = BeatMarks(np.arange(1.0, 6.0) + 30, classes)
    empty = pixels(painted(scene()))
    assert np.array_equal(pixels(painted(scene(beats=elsewhere))), empty)


def test_a_hundred_thousand_beats_become_ticks_and_no_mark_is_lost() -> None:
    times = np.linspace(0, 86_400, 100_000)
    classes = np.zeros(100_000, np.int8)
    classes[::50] = BeatClass.V
    classes[51_234] = BeatClass.S
    far = Scale(speed=1200 / 86_400 / 4, dots_per_mm=4)
    image = painted(scene(beats=BeatMarks(times, classes)), scale=far)
    assert near(image, LIGHT.beat(BeatClass.V), 8).any()
    assert near(image, LIGHT.beat(BeatClass.S), 8).any(), "one S among 2,000 V is seen"


def test_what_cannot_be_read_is_hatched_only_in_its_lead_and_its_time() -> None:
    flat = lead(np.empty(0), np.empty(0))
    plain = pixels(painted(scene((flat, flat))))
    hatched = pixels(painted(scene((flat, flat), unreadable=((Stretch(2.0, 4.0),), ()))))
    layout = TracingLayout(QRectF(0, 0, WIDTH, HEIGHT), SCALE, 0.0, alike(2))
    changed = (plain != hatched).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[0] >= layout.row(0).top() - 1
    assert rows[-1] <= layout.row(0).bottom() + 1
    assert columns[0] == pytest.approx(layout.x_of(2.0), abs=2)
    assert columns[-1] == pytest.approx(layout.x_of(4.0), abs=2)


def test_a_finding_is_a_bar_in_its_colour_under_the_tracing() -> None:
    run = Finding("ventricular tachycardia", 3.0, 5.0, 6, 150.0)
    image = painted(scene(findings=(run,)))
    layout = TracingLayout(QRectF(0, 0, WIDTH, HEIGHT), SCALE, 0.0, alike(1))
    bars = near(image, LIGHT.finding(run.kind), 12)[int(layout.bars.top()) :]
    assert np.flatnonzero(bars.any(axis=0))[0] == pytest.approx(layout.x_of(3.0), abs=2)


def test_a_gap_in_the_signal_is_a_gap_in_the_line() -> None:
    times = np.linspace(0, 8, 2001)
    values = np.zeros(2001)
    values[(times > 3) & (times < 5)] = np.nan
    image = painted(scene((lead(times, values),)))
    layout = TracingLayout(QRectF(0, 0, WIDTH, HEIGHT), SCALE, 0.0, alike(1))
    ink = near(image, LIGHT.trace, 150)[int(layout.plot.top()) : int(layout.plot.bottom())]
    gap = slice(int(layout.x_of(3.0)) + 2, int(layout.x_of(5.0)) - 2)
    assert not ink[:, gap].any()
    assert ink[:, int(layout.x_of(6.0))].any()


def test_dark_theme_draws_light_on_dark() -> None:
    times = np.linspace(0, 8, 2001)
    image = painted(scene((lead(times, np.sin(times)),)), theme=DARK)
    assert near(image, DARK.trace, 30).any()
    assert pixels(image).mean() < 64


def test_nothing_but_finite_coordinates_reach_the_painter() -> None:
    times = np.array([0.0, 1.0, 2.0, 3.0])
    painted(scene((lead(times, np.array([0.0, 1e12, -1e12, np.inf])),)))


def spike(height: float) -> LeadView:
    """A wave of some mV at second 4."""
    return lead(np.array([0.0, 3.9, 4.0, 4.1, 8.0]), np.array([0.0, 0.0, height, 0.0, 0.0]))


def test_a_high_wave_has_the_room_of_its_neighbour_and_is_not_cut() -> None:
    flat = lead(np.array([0.0, 8.0]), np.zeros(2))
    extents = (Extent(0.1, 0.1), Extent(4.8, 0.2))
    image = painted(scene((flat, spike(4.8))), extents=extents)
    layout = TracingLayout(QRectF(0, 0, WIDTH, HEIGHT), SCALE, 0.0, extents)
    x = int(layout.x_of(4.0))
    ink = near(image, LIGHT.trace, 80)[:, x - 2 : x + 3].any(axis=1)
    top = layout.baseline(1) - 4.8 * SCALE.dots_per_millivolt
    assert ink[int(top) - 1 : int(top) + 5].any()
    assert layout.baseline(0) < layout.baseline(1)
    assert not near(image, LIGHT.error, 12).any()


def test_what_the_edge_of_the_paper_cuts_is_marked_there() -> None:
    image = painted(scene((spike(40.0),)))
    layout = TracingLayout(QRectF(0, 0, WIDTH, HEIGHT), SCALE, 0.0, alike(1))
    marks = near(image, LIGHT.error, 12)
    where = np.argwhere(marks)
    assert where[:, 0].min() == pytest.approx(layout.plot.top(), abs=2)
    assert where[:, 0].max() <= layout.plot.top() + 5
    assert where[:, 1].mean() == pytest.approx(layout.x_of(4.0), abs=6)


@given(
    reach=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=64),
    gain=st.sampled_from(GAINS),
    height=st.integers(120, 2000),
)
def test_leads_keep_their_order_and_lie_on_the_paper(
    reach: list[tuple[float, float]], gain: float, height: int
) -> None:
    extents = tuple(Extent(*pair) for pair in reach)
    scale = Scale(gain=gain, dots_per_mm=4)
    layout = TracingLayout(QRectF(0, 0, WIDTH, height), scale, 0.0, extents)
    zeros = [layout.baseline(index) for index in range(len(extents))]
    assert zeros == sorted(zeros)
    assert layout.plot.top() <= zeros[0]
    assert zeros[-1] <= layout.plot.bottom() + 4
    needed = sum(max(above, 1) + max(below, 1) for above, below in reach) * scale.dots_per_millivolt
    if needed + 12 <= layout.plot.height():
        assert zeros[0] - reach[0][0] * scale.dots_per_millivolt >= layout.plot.top()
        assert zeros[-1] + reach[-1][1] * scale.dots_per_millivolt <= layout.plot.bottom()
