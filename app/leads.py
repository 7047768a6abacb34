"""Which channels of a recording are analysed as ECG leads, and what brings them to mV."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from signals.recording import MILLIVOLT, Channel, ChannelKind, Recording

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABELS_SHOWN = 12
_USUAL_RANGE_MV = 1.5  # of a second with a beat in it
_SCALED_FROM_S = 300


class AnalysisError(Exception):
    """A recording was read but cannot be analysed; the message says why, in plain words."""


class Scales(NamedTuple):
    """What brings samples of channels to mV.

    Parameters
    ----------
    factors : numpy.ndarray, shape (channels, 1), float32
        What physical values are multiplied by.
    rails : list of (float, float)
        The least and greatest value that each channel's converter can give, mV.
    doubts : tuple of str
        What is doubtful about it, in words.
    """

    factors: NDArray[np.float32]
    rails: list[tuple[float, float]]
    doubts: tuple[str, ...]


def choose_leads(recording: Recording, labels: Sequence[str] | None = None) -> list[int]:
    """Return the indices of the channels to analyse: the named ones, or the ECG leads.

    Leads are read together, so they share one sampling rate and length; of several groups the
    largest is taken, of equals the one that comes first.

    Raises
    ------
    AnalysisError
        If there is none, a label is not in the recording, or the named ones differ in rate.
    """
    there = _few([channel.label for channel in recording.channels])
    if labels:
        by_label = {channel.label: index for index, channel in enumerate(recording.channels)}
        unknown = [label for label in labels if label not in by_label]
        if unknown:
            raise AnalysisError(f"no channel is called {unknown[0]!r}; its channels are: {there}")
        candidates = [by_label[label] for label in labels]
    else:
        candidates = [
            index
            for index, channel in enumerate(recording.channels)
            if channel.kind is ChannelKind.ECG
        ]
    if not candidates:
        raise AnalysisError(
            f"no channel is labelled as an ECG lead; its channels are: {there}. "
            "If one of them is an ECG, name it as a lead"
        )
    groups = Counter(_grid(recording.channels[index]) for index in candidates)
    if labels and len(groups) > 1:
        raise AnalysisError("the named channels differ in sampling rate or length")
    grid, _ = groups.most_common(1)[0]
    if grid[1] == 0:
        raise AnalysisError("it holds no samples")
    return [index for index in candidates if _grid(recording.channels[index]) == grid]


def _few(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:_LABELS_SHOWN]) or "none"
    more = len(labels) - _LABELS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _grid(channel: Channel) -> tuple[float, int]:
    return channel.rate, channel.n_samples


def in_millivolts(recording: Recording, chosen: Sequence[int]) -> Scales:
    """Return how the samples of some channels become millivolts."""
    factors, doubts = zip(*(_to_millivolts(recording, index) for index in chosen), strict=True)
    ranges = (recording.channels[index].physical_range for index in chosen)
    return Scales(
        np.asarray(factors, np.float32)[:, np.newaxis],
        [
            (low * factor, high * factor)
            for (low, high), factor in zip(ranges, factors, strict=True)
        ],
        tuple(doubt for doubt in doubts if doubt),
    )


def _to_millivolts(recording: Recording, index: int) -> tuple[float, str]:
    """Return the factor to mV, and what is doubtful about it in words, empty if nothing."""
    channel = recording.channels[index]
    if channel.unit.volts is not None:
        return channel.unit.factor_to(MILLIVOLT), ""
    # Beats are found by their height in mV, so one has to be supposed.
    second = max(1, round(channel.rate))
    start = recording.read([index], 0, min(channel.n_samples, _SCALED_FROM_S * second))[0]
    seconds = start[: len(start) // second * second].reshape(-1, second)
    ranges = seconds.max(axis=1, initial=-np.inf) - seconds.min(axis=1, initial=np.inf)
    ranges = ranges[np.isfinite(ranges) & (ranges > 0)]
    factor = _USUAL_RANGE_MV / float(np.median(ranges)) if len(ranges) else 1.0
    return factor, (
        f"{channel.label}: its unit ({channel.unit.symbol}) is no voltage; beats were looked for "
        "as if they were of usual height, and amplitudes mean nothing."
    )
