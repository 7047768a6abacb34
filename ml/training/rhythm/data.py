"""The strips of CinC 2017: read, made into examples, answered to by the code that ships."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.registry import bundle_for
from ml.tasks.rhythm import LABELS, TASK, Rhythm, RhythmClassifier
from ml.tasks.rhythm_features import Beats, features
from ml.tasks.rhythm_grid import GRID_RATE, RhythmGrid
from ml.tasks.rhythm_segments import segments
from ml.tasks.waves import WaveDelineator
from ml.training.evaluation import log_of, unpacked
from ml.training.task import Answers, Examples
from signals.ecg.qrs import QrsDetector
from signals.ecg.rr import broken_intervals
from signals.ecg.waves import BeatWaves
from signals.quality import is_readable
from signals.readers import open_recording

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATABASE = "cinc2017"
REFERENCE = "REFERENCE-v3.csv"
SEGMENTS = 3
"""Of a view, that the network is trained with."""
_CLASSES = {"N": Rhythm.SINUS, "A": Rhythm.FIBRILLATION, "O": Rhythm.OTHER, "~": Rhythm.UNREADABLE}
_VIEWS = ((0.9, 1.0),) * 4 + ((0.6, 0.9),) * 2
_SHORTEST_S = 9.0
_BLOCK_S = 7.0


@dataclass(frozen=True, slots=True)
class Strip:
    """A strip with what the product finds in it.

    Parameters
    ----------
    name : str
        ``cinc2017/A00001``.
    rate : float
        Hz.
    samples : numpy.ndarray, shape (1, n), float32
        mV.
    quality : numpy.ndarray, shape (1, seconds), uint8
    beats : BeatWaves
    rr : numpy.ndarray, shape (beats,), float64
        The interval before each, s; NaN where something between the two cannot be read.
    rhythm : Rhythm
        As its readers named it.
    """

    name: str
    rate: float
    samples: NDArray[np.float32]
    quality: NDArray[np.uint8]
    beats: BeatWaves
    rr: NDArray[np.float64]
    rhythm: Rhythm


@cache
def references(data: Path) -> Mapping[str, Rhythm]:
    """Return how each strip was named by its readers, for those that lie under a folder.

    Raises
    ------
    FileNotFoundError
        If the database is not there.
    """
    folder = data / DATABASE
    if not (folder / REFERENCE).is_file():
        raise FileNotFoundError(f"{folder / REFERENCE}: not there")
    with (folder / REFERENCE).open(newline="") as file:
        named = {name: _CLASSES[label] for name, label in csv.reader(file)}
    there = sorted(header.stem for header in folder.glob("*.hea"))
    return {f"{DATABASE}/{name}": named[name] for name in there}


@cache
def read_strip(data: Path, name: str) -> Strip:
    """Read a strip and find its beats and waves; it is held, being asked for several times.

    Raises
    ------
    RecordingError
        If a file cannot be read.
    """
    with open_recording(data / f"{name}.hea") as recording:
        channel = recording.channels[0]
        samples = recording.read([0], 0, channel.n_samples)
        detector = QrsDetector(channel.rate, [channel.physical_range])
    batches = [detector.push(samples), detector.finish()]
    quality = np.concatenate([batch.quality for batch in batches], axis=1)
    lost = np.flatnonzero(~is_readable(quality)[0]).tolist()
    rate = channel.rate
    breaks = [(ceil(second * rate), ceil((second + 1) * rate)) for second in lost]
    peaks = np.concatenate([batch.peaks for batch in batches])
    delineator = WaveDelineator(bundle_for("waves"), rate, 1)
    beats = BeatWaves.joined([delineator.push(samples, peaks, breaks), delineator.finish()])
    unclear = [stretch for batch in batches for stretch in batch.unclear]
    rr = np.full(len(peaks), np.nan)
    rr[1:] = np.where(broken_intervals(peaks, breaks + unclear), np.nan, np.diff(peaks) / rate)
    return Strip(name, rate, samples, quality, beats, rr, references(data)[name])


def examples_of(strip: Strip) -> Examples:
    """Return several views of a strip: parts of it, each with some of its segments."""
    rng = np.random.default_rng([0, *strip.name.encode()])
    grid = RhythmGrid(strip.rate, 1)
    level = np.concatenate((grid.push(strip.samples), grid.finish()), axis=1)[0]
    readable = is_readable(strip.quality)[0]
    rows, cut = [], []
    for least, most in _VIEWS:
        length = min(
            max(rng.uniform(least, most) * len(level), _SHORTEST_S * GRID_RATE), len(level)
        )
        begin = round(rng.uniform(0, len(level) - length))
        end = min(begin + round(length), len(level))
        onset, until = begin / GRID_RATE, end / GRID_RATE
        beats = _beats_between(strip, onset, until)
        seconds = readable[int(onset) : ceil(until)]
        rows.append(features(level[begin:end], beats, float(seconds.mean())))
        whole = segments(level[begin:end], beats)[:, 0]
        chosen = rng.permutation(np.resize(rng.permutation(len(whole)), SEGMENTS))
        cut.append(whole[chosen].astype(np.float16))
    return Examples(
        {"features": np.stack(rows), "segments": np.stack(cut)},
        np.full(len(rows), strip.rhythm, np.int8),
        np.full(len(rows), strip.name),
    )


def _beats_between(strip: Strip, onset: float, end: float) -> Beats:
    first, last = np.searchsorted(strip.beats.samples, (onset * strip.rate, end * strip.rate))
    inside = slice(int(first), int(last))
    rr = strip.rr[inside].copy()
    rr[:1] = np.nan
    lone = strip.beats.lone_p / strip.rate
    return Beats(
        strip.beats.samples[inside] / strip.rate - onset,
        rr,
        strip.beats.points[inside],
        strip.beats.p_waves[inside],
        int(np.count_nonzero((lone >= onset) & (lone < end))),
    )


def answers_of(strip: Strip, models: Mapping[str, bytes]) -> Answers:
    """Return what the shipped classifier says of a strip that comes block by block."""
    classifier = RhythmClassifier(unpacked(TASK, LABELS, models), strip.rate, 1, whole=True)
    step = round(_BLOCK_S * strip.rate)
    none, n = strip.beats.parted(0)[0], strip.samples.shape[1]
    no_quality = strip.quality[:, :0]
    for start in range(0, n, step):
        classifier.push(strip.samples[:, start : start + step], no_quality, none, strip.rr[:0], 0)
    classifier.push(strip.samples[:, n:], strip.quality, strip.beats, strip.rr, n)
    (window,) = classifier.finish()
    logits = log_of(np.array([window.probabilities], np.float32))
    return Answers(np.array([strip.rhythm], np.int8), logits)
