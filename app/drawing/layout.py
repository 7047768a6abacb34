"""Where the parts of a tracing lie: gutter, ruler, beats, leads, episodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from PySide6.QtCore import QRectF

from app.drawing.scene import Floats
from signals.scale import Scale

_GUTTER = 76
_RULER = 22
_BEATS = 32
_BARS = 38
_PULSE = 1.0  # mV, drawn at the left of each lead
_LABEL = 24  # a lead's name stands under its baseline
_EDGE = 6
_LEAST_GAP = 12


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a lead reaches above and below its zero, mV, both at least 0."""

    above: float
    below: float


@dataclass(frozen=True)
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
    extents : tuple of Extent
        Of the leads, from top to bottom: the higher ones get more room.
    unit : float, default 1
        Pixels in one pixel of the design: 1 on a screen, more where pixels are smaller.
    """

    rect: QRectF
    scale: Scale
    start: float
    extents: tuple[Extent, ...]
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

    @cached_property
    def _baselines(self) -> list[float]:
        """Where the zeros are: each lead has the room it needs, or a fair share of what there is.

        Leads that need more than there is run into their neighbours, as on paper; only what the
        edges of the paper cut off is lost, so the first and the last lead come first.
        """
        if not self.extents:
            return []
        dots = self.scale.dots_per_millivolt
        above = [max(extent.above, _PULSE) * dots for extent in self.extents]
        below = [max(extent.below * dots, self.px(_LABEL)) for extent in self.extents]
        height = self.plot.height()
        ends = above[0] + below[-1] + 2 * self.px(_EDGE)
        gaps = [under + over for under, over in zip(below[:-1], above[1:], strict=True)]
        for_ends = min(ends, height / 2 if gaps else height)
        spare = height - for_ends - sum(gaps)
        if spare >= 0:
            share = spare / (len(gaps) + 1)
            first = share / 2
            gaps = [gap + share for gap in gaps]
        else:
            first = 0.0
            least = min(self.px(_LEAST_GAP), (height - for_ends) / max(1, len(gaps)))
            over = [max(0.0, gap - least) for gap in gaps]
            factor = (height - for_ends - least * len(gaps)) / (sum(over) or 1.0)
            gaps = [least + part * factor for part in over]
        first += (above[0] + self.px(_EDGE)) * for_ends / ends
        mm = self.scale.dots_per_mm
        return [self.plot.top() + round(at / mm) * mm for at in accumulate([first, *gaps])]

    @property
    def rows(self) -> int:
        """How many leads there are."""
        return len(self.extents)

    def row(self, index: int) -> QRectF:
        """Return what of the paper is nearer to a lead than to its neighbours."""
        plot, zeros = self.plot, self._baselines
        top = (zeros[index - 1] + zeros[index]) / 2 if index else plot.top()
        last = index == len(zeros) - 1
        bottom = plot.bottom() if last else (zeros[index] + zeros[index + 1]) / 2
        return QRectF(plot.left(), top, plot.width(), bottom - top)

    def baseline(self, index: int) -> float:
        """Return the y of a lead's zero, on a line of the grid."""
        return self._baselines[index]

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
