"""What of a recording is drawn: samples when seen from near, extremes when seen from far."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from app.drawing.layout import Extent
from app.drawing.scene import Curve, Floats, LeadView
from signals.recording import MILLIVOLT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signals.envelope import Envelope
    from signals.recording import Channel, Recording

_STRETCH_S = 10.0
_RARE = 10.0  # percent of those stretches that may reach beyond the room of their lead
_MOST = 5.0  # mV, above and below; what is beyond is no heart
_SAMPLES_A_COLUMN = 6  # up to here a line through all samples is as quick as one through extremes


class LeadSource:
    """Gives out what is seen of a recording's leads.

    Parameters
    ----------
    recording : Recording
        Open.
    envelopes : sequence of Envelope
        One a channel; without them everything is read.
    leads : sequence of int
        Indices of the channels that are shown, from top to bottom.

    Attributes
    ----------
    extents : tuple of Extent
        How much room each lead needs.
    """

    def __init__(
        self, recording: Recording, envelopes: Sequence[Envelope] | None, leads: Sequence[int]
    ) -> None:
        self._recording = recording
        self._envelopes = envelopes
        self.leads = tuple(leads)
        self._zeros: dict[int, float] = {}
        extents = []
        for index in self.leads:
            low, zero, high = self._levels(index)
            self._zeros[index] = zero
            unit = self._unit(index)
            extents.append(
                Extent(*(min(max(0.0, way / unit), _MOST) for way in (high - zero, zero - low)))
            )
        self.extents = tuple(extents)

    def views(self, start: float, end: float, columns: int) -> tuple[LeadView, ...]:
        """Return what is seen of each lead.

        Parameters
        ----------
        start, end : float
            Seconds; may reach beyond the recording.
        columns : int
            Pixels that it is drawn on.
        """
        curves: dict[int, Curve] = {}
        near: dict[tuple[float, int], list[int]] = defaultdict(list)
        for index in self.leads:
            channel = self._recording.channels[index]
            per_column = (end - start) * channel.rate / columns
            envelope = self._envelopes[index] if self._envelopes else None
            if envelope is not None and per_column >= envelope.bucket:
                curves[index] = _far(channel, envelope, start, end, columns)
            else:
                near[channel.rate, channel.n_samples].append(index)
        for alike in near.values():
            curves.update(zip(alike, self._near(alike, start, end, columns), strict=True))
        return tuple(self._view(index, curves[index]) for index in self.leads)

    def _near(self, alike: Sequence[int], start: float, end: float, columns: int) -> list[Curve]:
        channel = self._recording.channels[alike[0]]
        # A length that wavers in its last digits as the view moves gives the same buckets.
        per_column = math.floor((end - start) * channel.rate / columns + 1e-6)
        step = per_column if per_column > _SAMPLES_A_COLUMN else 1
        # Whole buckets from the start of the recording, so that scrolling does not change them.
        first = max(0, math.floor(start * channel.rate / step) * step - step)
        last = min(channel.n_samples, math.ceil(end * channel.rate / step) * step + step)
        if last <= first:
            return [Curve(np.empty(0), np.empty(0)) for _ in alike]
        samples = self._recording.read(alike, first, last).astype(np.float64)
        if step == 1:
            times = np.arange(first, last) / channel.rate
            return [Curve(times, row) for row in samples]
        edges = np.arange(0, samples.shape[1], step)
        low = np.fmin.reduceat(samples, edges, axis=1)
        high = np.fmax.reduceat(samples, edges, axis=1)
        middles = (first + edges + step / 2) / channel.rate
        return [_zigzag(middles, *pair) for pair in zip(low, high, strict=True)]

    def _levels(self, index: int) -> tuple[float, float, float]:
        """Return how low a lead reaches, the level that it keeps to, and how high it reaches.

        The level keeps an offset from pushing it away; the reach, which leaves out rare artefacts,
        is that of the whole recording, so that leads lie still when it is scrolled.
        """
        channel = self._recording.channels[index]
        if self._envelopes is None:
            stop = min(channel.n_samples, round(60 * channel.rate))
            low = high = self._recording.read([index], 0, stop)[0].astype(np.float64)
        else:
            envelope = self._envelopes[index]
            sides = (envelope.minima, envelope.maxima)
            low, high = (side * channel.scale + channel.offset for side in sides)
            low[envelope.minima > envelope.maxima] = np.nan
        there = np.isfinite(low) & np.isfinite(high)
        if not there.any():
            return 0.0, 0.0, 0.0
        zero = float(np.median((low[there] + high[there]) / 2))
        seconds = channel.n_samples / channel.rate
        edges = np.arange(
            0, len(low), max(1, int(len(low) * _STRETCH_S / max(seconds, _STRETCH_S)))
        )
        lowest = np.fmin.reduceat(low, edges)
        highest = np.fmax.reduceat(high, edges)
        lowest, highest = lowest[np.isfinite(lowest)], highest[np.isfinite(highest)]
        reach = (np.percentile(lowest, _RARE), np.percentile(highest, 100 - _RARE))
        return float(reach[0]), zero, float(reach[1])

    def _unit(self, index: int) -> float:
        """Return how much of a channel's own unit is drawn as high as 1 mV."""
        channel = self._recording.channels[index]
        if channel.unit.volts is not None:
            return 1.0 / channel.unit.factor_to(MILLIVOLT)
        low, high = channel.physical_range
        zero = self._zeros[index]
        return max(abs(low - zero), abs(high - zero)) or 1.0

    def _view(self, index: int, curve: Curve) -> LeadView:
        channel = self._recording.channels[index]
        zero = self._zeros[index]
        if channel.unit.volts is None:
            return LeadView(channel.label, channel.unit.symbol, zero, self._unit(index), curve)
        factor = channel.unit.factor_to(MILLIVOLT)
        in_mv = replace(curve, values=curve.values * factor)
        return LeadView(channel.label, "", zero * factor, None, in_mv)


def _far(channel: Channel, envelope: Envelope, start: float, end: float, columns: int) -> Curve:
    width = (end - start) * channel.rate / columns
    first = math.floor(start * channel.rate / width)  # columns lie still when the view is moved
    minima, maxima = envelope.columns(first * width, (first + columns + 1) * width, columns + 1)
    times = (first + np.arange(columns + 1) + 0.5) * width / channel.rate
    empty = minima > maxima
    low = minima.astype(np.float64) * channel.scale + channel.offset
    high = maxima.astype(np.float64) * channel.scale + channel.offset
    low[empty] = high[empty] = np.nan
    return _zigzag(times, low, high)


def _zigzag(times: Floats, low: Floats, high: Floats) -> Curve:
    """Return a line that goes down and up in each column, and on to the next."""
    return Curve(np.repeat(times, 2), np.column_stack([low, high]).ravel(), extremes=True)
