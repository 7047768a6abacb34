"""The development recordings as beats with their true classes, and the folds by patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.tasks.beat_features import LEADS, BeatFeatures
from signals.ecg.beat import beat_class_of
from signals.readers import open_recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

DATABASES = ("mitdb", "svdb")
PACED = ("mitdb/102", "mitdb/104")
_JITTER_S = 0.02


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


@dataclass(frozen=True, slots=True)
class Beats:
    """What a network is trained on; first axis: beats.

    Parameters
    ----------
    shapes, features : numpy.ndarray, float16
        As of :class:`ml.tasks.beat_features.BeatInputs`.
    classes : numpy.ndarray, int8
        AAMI classes.
    records : numpy.ndarray of str
        Where each is from.
    """

    shapes: NDArray[np.float16]
    features: NDArray[np.float16]
    classes: NDArray[np.int8]
    records: NDArray[np.str_]

    @classmethod
    def of(cls, parts: Sequence[Beats]) -> Beats:
        """Return all `parts` as one."""
        return cls(
            np.concatenate([part.shapes for part in parts]),
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.classes for part in parts]),
            np.concatenate([part.records for part in parts]),
        )


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


def extract(record: Record, seed: int) -> Beats:
    """Return a record's beats as the product sees them, three times over.

    Once with both leads and the reference peaks, and once with each lead alone and peaks that are
    up to 20 ms off, as those of a detector are.
    """
    rng = np.random.default_rng([seed, *record.name.encode()])
    reach = round(_JITTER_S * record.rate)
    views = [(record.samples, record.peaks)]
    for lead in range(LEADS):
        moved = record.peaks + rng.integers(-reach, reach, len(record.peaks), endpoint=True)
        moved = np.maximum.accumulate(np.maximum(moved, 0) - np.arange(len(moved)))
        views.append((record.samples[lead : lead + 1], moved + np.arange(len(moved))))
    parts = []
    for samples, peaks in views:
        stream = BeatFeatures(record.rate, len(samples))
        for inputs in (stream.push(samples, peaks), stream.finish()):
            n = len(inputs.samples)
            parts.append((inputs.shapes.astype(np.float16), inputs.features.astype(np.float16), n))
    return Beats(
        shapes=np.concatenate([shapes for shapes, _, _ in parts]),
        features=np.concatenate([features for _, features, _ in parts]),
        classes=np.tile(record.classes, len(views)),
        records=np.full(len(views) * len(record.classes), record.name),
    )


def split(records: Iterable[str], folds: int, seed: int) -> list[list[str]]:
    """Deal records into folds: each database evenly, the paced records into different ones.

    Parameters
    ----------
    records : iterable of str
        One patient each.
    folds : int
        How many.
    seed : int
        Of the shuffle.
    """
    names = sorted(records)
    strata = [[name for name in names if name in PACED]]
    strata += [
        [name for name in names if name.startswith(f"{database}/") and name not in PACED]
        for database in DATABASES
    ]
    rng = np.random.default_rng(seed)
    dealt: list[list[str]] = [[] for _ in range(folds)]
    position = 0
    for stratum in strata:
        for index in rng.permutation(len(stratum)):
            dealt[position % folds].append(stratum[index])
            position += 1
    return [sorted(fold) for fold in dealt]
