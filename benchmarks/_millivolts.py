"""What detectors are given: a whole recording in mV, and the range of each converter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from signals.recording import MILLIVOLT, Recording


def read_millivolts(recording: Recording) -> tuple[NDArray[np.float32], list[tuple[float, float]]]:
    channels = recording.channels
    factors = [channel.unit.factor_to(MILLIVOLT) for channel in channels]
    signal = recording.read(range(len(channels)), 0, channels[0].n_samples)
    signal *= np.array(factors, np.float32)[:, np.newaxis]
    rails = [
        (channel.physical_range[0] * factor, channel.physical_range[1] * factor)
        for channel, factor in zip(channels, factors, strict=True)
    ]
    return signal, rails
