"""The development recordings: read, made into examples, answered to by the code that ships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.tasks.beat_features import LEADS, BeatFeatures
from ml.tasks.beats import LABELS, TASK, BeatClassifier, ClassifiedBeats
from ml.training.evaluation import log_of, unpacked
from ml.training.task import Answers, Examples
from signals.ecg.beat import beat_class_of
from signals.readers import open_recording

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATABASES = ("mitdb", "svdb")
PACED = ("mitdb/102", "mitdb/104")
_JITTER_S = 0.02
_BLOCK_S = 60.0


@dataclass(frozen=True, slots=True)
class Record:
    """A recording with its reference beats.

    Parameters
    ----------
    name : str
        ``mitdb/101``.
    rate : float
        Hz.
    samples : numpy.ndarray, shape (2, n), float32
        mV.
    peaks : numpy.ndarray, shape (k,), int64
        Reference R peaks, ascending.
    classes : numpy.ndarray, shape (k,), int8
        Their AAMI classes.
    """

    name: str
    rate: float
    samples: NDArray[np.float32]
    peaks: NDArray[np.int64]
    classes: NDArray[np.int8]


def find_records(data: Path) -> list[str]:
    """Return the names of the development records under `data`, sorted.

    Raises
    ------
    FileNotFoundError
        If a database is not there.
    """
    names = []
    for database in DATABASES:
        headers = sorted((data / database).glob("*.hea"))
        if not headers:
            raise FileNotFoundError(f"{data / database}: no WFDB records (*.hea) are there")
        names += [f"{database}/{header.stem}" for header in headers]
    return names


def read_record(data: Path, name: str) -> Record:
    """Read a record whole, with the beats that its annotations name.

    Raises
    ------
    RecordingError
        If a file cannot be read.
    """
    with open_recording(data / f"{name}.hea") as recording:
        first = recording.channels[0]
        samples = recording.read(range(LEADS), 0, first.n_samples)
        beats = {
            round(note.onset * first.rate): beat_class
            for note in recording.annotations
            if (beat_class := beat_class_of(note.text)) is not None
        }
    # svdb/860 has a beat annotated after its last sample
    peaks = np.array(sorted(peak for peak in beats if peak < first.n_samples), np.int64)
    classes = np.array([beats[int(peak)] for peak in peaks], np.int8)
    return Record(name, first.rate, samples, peaks, classes)


def examples_of(record: Record) -> Examples:
    """Return a record's beats as the product sees them, three times over.

    Once with both leads and the reference peaks, and once with each lead alone and peaks that are
    up to 20 ms off, as those of a detector are.
    """
    rng = np.random.default_rng([0, *record.name.encode()])
    reach = round(_JITTER_S * record.rate)
    views = [(record.samples, record.peaks)]
    for lead in range(LEADS):
        moved = record.peaks + rng.integers(-reach, reach, len(record.peaks), endpoint=True)
        moved = np.maximum.accumulate(np.maximum(moved, 0) - np.arange(len(moved)))
        views.append((record.samples[lead : lead + 1], moved + np.arange(len(moved))))
    features, shapes = [], []
    for samples, peaks in views:
        stream = BeatFeatures(record.rate, len(samples))
        for inputs in (stream.push(samples, peaks), stream.finish()):
            features.append(inputs.features.astype(np.float16))
            shapes.append(inputs.shapes.astype(np.float16))
    targets = np.tile(record.classes, len(views))
    return Examples(
        {"features": np.concatenate(features), "shapes": np.concatenate(shapes)},
        targets,
        np.full(len(targets), record.name),
    )


def answers_of(record: Record, models: Mapping[str, bytes]) -> Answers:
    """Return what is said of every reference beat, by the shipped classifier, block by block."""
    classifier = BeatClassifier(unpacked(TASK, LABELS, models), record.rate, len(record.samples))
    step = round(_BLOCK_S * record.rate)
    said = []
    for start in range(0, record.samples.shape[1], step):
        inside = slice(*np.searchsorted(record.peaks, (start, start + step)))
        said.append(classifier.push(record.samples[:, start : start + step], record.peaks[inside]))
    beats = ClassifiedBeats.joined([*said, classifier.finish()])
    if not np.array_equal(beats.samples, record.peaks):
        raise AssertionError(f"{record.name}: beats were lost or moved")
    return Answers(record.classes, log_of(beats.probabilities))
