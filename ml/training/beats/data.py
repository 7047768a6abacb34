"""The development recordings: read, made into examples, answered to by the code that ships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.tasks.beat_features import LEADS, BeatFeatures, BeatInputs
from ml.tasks.beats import LABELS, TASK, BeatClassifier, ClassifiedBeats
from ml.training.beats.rhythms import remade
from ml.training.evaluation import log_of, unpacked
from ml.training.task import Answers, Examples
from signals.ecg.beat import BeatClass, beat_class_of
from signals.ecg.ec57.beats import EC57_WINDOW, flutter_stretches, pair_marks
from signals.ecg.qrs import QrsDetector
from signals.readers import open_recording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

DATABASES = ("mitdb", "svdb")
PACED = ("mitdb/102", "mitdb/104")
_BLOCK_S = 60.0
_REMADE = 2
_MOST_NORMAL = 600
_SHARE_OF_ONE_LEAD = 0.5


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
    rails : tuple of (float, float)
        Least and greatest value that the converter of each lead can give, mV.
    peaks : numpy.ndarray, shape (k,), int64
        Reference R peaks, ascending.
    classes : numpy.ndarray, shape (k,), int8
        Their AAMI classes.
    flutter : tuple of (int, int)
        Stretches, in samples, where EC57 counts no beats.
    """

    name: str
    rate: float
    samples: NDArray[np.float32]
    rails: tuple[tuple[float, float], ...]
    peaks: NDArray[np.int64]
    classes: NDArray[np.int8]
    flutter: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What our own detector finds in some leads of a recording.

    Parameters
    ----------
    samples : numpy.ndarray, shape (leads, n), float32
        Of these leads.
    peaks : numpy.ndarray, shape (k,), int64
    classes : numpy.ndarray, shape (k,), int8
        Of the reference beat within 150 ms of each (EC57); Q where there is none, -1 in flutter.
    missed : numpy.ndarray, shape (5,), int64
        Reference beats that were not found, by class.
    """

    samples: NDArray[np.float32]
    peaks: NDArray[np.int64]
    classes: NDArray[np.int8]
    missed: NDArray[np.int64]


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
    FileNotFoundError
        If it has no annotations.
    RecordingError
        If a file cannot be read.
    """
    if not (data / f"{name}.atr").is_file():
        raise FileNotFoundError(f"{data / name}.atr: not there; it is to tell the classes of beats")
    with open_recording(data / f"{name}.hea") as recording:
        channels = recording.channels[:LEADS]
        rate = channels[0].rate
        samples = recording.read(range(LEADS), 0, channels[0].n_samples)
        rails = tuple(channel.physical_range for channel in channels)
        notes = sorted((round(note.onset * rate), note.text) for note in recording.annotations)
    beats = {
        sample: beat_class
        for sample, text in notes
        # svdb/860 has a beat annotated after its last sample
        if (beat_class := beat_class_of(text)) is not None and sample < samples.shape[1]
    }
    peaks = np.array(sorted(beats), np.int64)
    classes = np.array([beats[int(peak)] for peak in peaks], np.int8)
    where = np.array([sample for sample, _ in notes], np.int64)
    flutter = flutter_stretches(where, [text for _, text in notes])
    return Record(name, rate, samples, rails, peaks, classes, tuple(flutter))


def found_in(record: Record, leads: Sequence[int] = tuple(range(LEADS))) -> Found:
    """Return what the detector that ships finds in some leads of a record."""
    samples = record.samples[list(leads)]
    detector = QrsDetector(record.rate, [record.rails[lead] for lead in leads])
    peaks = np.concatenate((detector.push(samples).peaks, detector.finish().peaks))
    of_reference = pair_marks(record.peaks, peaks, round(EC57_WINDOW * record.rate))
    paired = of_reference >= 0
    classes = np.full(len(peaks), BeatClass.Q, np.int8)
    classes[of_reference[paired]] = record.classes[paired]
    counted = ~paired
    for first, last in record.flutter:
        classes[(peaks >= first) & (peaks <= last)] = -1
        counted &= (record.peaks < first) | (record.peaks > last)
    missed = np.bincount(record.classes[counted], minlength=len(BeatClass))
    return Found(samples, peaks, classes, missed)


def examples_of(record: Record) -> Examples:
    """Return a record's beats as the product sees them, and beats of rhythms made of them.

    With both leads, with each alone, and with both in rhythms that were never recorded
    (:mod:`ml.training.beats.rhythms`). Of the normal beats of each view some are enough.
    """
    views = [found_in(record), *(found_in(record, [lead]) for lead in range(LEADS))]
    views += [found_in(remade(record, seed)) for seed in range(_REMADE)]
    rng = np.random.default_rng([0, *record.name.encode()])
    parts = []
    for found in views:
        one_lead = len(found.samples) == 1
        stream = BeatFeatures(record.rate, len(found.samples))
        inputs = BeatInputs.joined([stream.push(found.samples, found.peaks), stream.finish()])
        normal = np.flatnonzero(found.classes == BeatClass.N)
        few = rng.permutation(normal)[:_MOST_NORMAL]
        kept = np.sort(np.concatenate((np.flatnonzero(found.classes > BeatClass.N), few)))
        kept = kept[rng.random(len(kept)) < (_SHARE_OF_ONE_LEAD if one_lead else 1)]
        parts.append(
            Examples(
                {
                    "features": inputs.features[kept].astype(np.float16),
                    "shapes": inputs.shapes[kept].astype(np.float16),
                },
                found.classes[kept],
                np.full(len(kept), record.name),
            )
        )
    return Examples.of(parts)


def answers_of(record: Record, models: Mapping[str, bytes]) -> Answers:
    """Return what is said of every beat found, by the shipped classifier, block by block."""
    found = found_in(record)
    bundle = unpacked(TASK, LABELS, models)
    classifier = BeatClassifier(bundle, record.rate, LEADS, adaptive=False)
    step = round(_BLOCK_S * record.rate)
    said = []
    for start in range(0, found.samples.shape[1], step):
        inside = slice(*np.searchsorted(found.peaks, (start, start + step)))
        said.append(classifier.push(found.samples[:, start : start + step], found.peaks[inside]))
    beats = ClassifiedBeats.joined([*said, classifier.finish()])
    if not np.array_equal(beats.samples, found.peaks):
        raise AssertionError(f"{record.name}: beats were lost or moved")
    return Answers(found.classes, log_of(beats.probabilities))
