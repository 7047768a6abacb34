"""What of a recording is drawn: samples when seen from near, extremes when seen from far."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from app.drawing.scene import Curve, Floats, LeadView
from signals.recording import MILLIVOLT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signals.envelope import Envelope
    from signals.recording import Channel, Recording

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
    """

    def __init__(
        self, recording: Recording, envelopes: Sequence[Envelope] | None, leads: Sequence[int]
    ) -> None:
        self._recording = recording
        self._envelopes = envelopes
        self.leads = tuple(leads)
        self._zeros = {index: self._zero(index) for index in self.leads}

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

    def _zero(self, index: int) -> float:
        """Return the level that a lead keeps to, so that an offset does not push it off its row."""
        channel = self._recording.channels[index]
        if self._envelopes is None:
            stop = min(channel.n_samples, round(60 * channel.rate))
            samples = self._recording.read([index], 0, stop)[0]
            samples = samples[np.isfinite(samples)]
            return float(np.median(samples)) if len(samples) else 0.0
        envelope = self._envelopes[index]
        there = envelope.minima <= envelope.maxima
        if not there.any():
            return 0.0
        low, high = (side[there].astype(np.float64) for side in (envelope.minima, envelope.maxima))
        return float(np.median((low + high) / 2)) * channel.scale + channel.offset

    def _view(self, index: int, curve: Curve) -> LeadView:
        channel = self._recording.channels[index]
        zero = self._zeros[index]
        if channel.unit.volts is None:
            low, high = channel.physical_range
            full_scale = max(abs(low - zero), abs(high - zero)) or 1.0
            return LeadView(channel.label, channel.unit.symbol, zero, full_scale, curve)
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
