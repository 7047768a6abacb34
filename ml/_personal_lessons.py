"""What a patient's pattern is made of: corrections, with the beats that stand for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ml._personal_kernel import Examples, evenly
from signals.ecg.beat import BeatClass
from signals.ecg.families import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_OF_A_FAMILY = 16
"""Beats that stand for a family which was marked as a whole."""

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
_Sample = Annotated[int, Meta(ge=0, lt=2**62)]
_SAME_BEAT_S = 0.05
_HALF = np.dtype("<f2")
_LARGEST_HALF = 60_000.0


class PatternError(Exception):
    """What was kept is no pattern, or one of another model; the message says which."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A class that a reader gave to a beat or a family, be it another or the model's own.

    Parameters
    ----------
    recording : str
        SHA-256 of the recording, hexadecimal.
    sample : int
        R peak of the beat; of a family, that of any of its beats.
    given : BeatClass
        What the reader took it for.
    made : datetime.datetime
        When, with its time zone. Of two corrections of one beat, the later counts.
    family : int or None
        Where a whole family is meant: its id as the reader saw it, which is only for words. A beat
        that was corrected by itself stays as it was corrected.
    answered : BeatClass or None
        Of a family, that only those of its beats are meant which the model takes for this: so S
        beats of the normal beat's shape stay S when that shape is marked N.
    """

    recording: Digest
    sample: _Sample
    given: BeatClass
    made: Annotated[datetime, Meta(tz=True)]
    family: Annotated[int, Meta(ge=1)] | None = None
    answered: BeatClass | None = None


@dataclass(frozen=True, slots=True)
class ReadBeats:
    """The beats of one recording and what a model made of them.

    Parameters
    ----------
    recording, model : str
        SHA-256 of the recording and of the model's bundle, hexadecimal.
    rate : float
        Hz.
    samples : numpy.ndarray, shape (n,), int64
        R peaks, ascending.
    embeddings : numpy.ndarray, shape (n, width), float32
        What the model's last layer decides by.
    logits : numpy.ndarray, shape (n, 5), float32
        As the model gives them.
    families : numpy.ndarray, shape (n,), int16
        As :meth:`signals.ecg.families.FamilyTable.settled` gives them.
    """

    recording: str
    model: str
    rate: float
    samples: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    logits: NDArray[np.float32]
    families: NDArray[np.int16]

    def at(self, sample: int) -> int | None:
        """Return the number of the beat at a sample, give or take 50 ms; None where none is."""
        after = int(np.searchsorted(self.samples, sample))
        around = range(max(after - 1, 0), min(after + 1, len(self.samples)))
        away = {beat: abs(int(self.samples[beat]) - sample) for beat in around}
        nearest = min(away, key=away.__getitem__, default=None)
        found = nearest is not None and away[nearest] <= _SAME_BEAT_S * self.rate
        return nearest if found else None


@dataclass(frozen=True, slots=True)
class Lesson:
    """A correction and the beats that stand for it; columns as little-endian half floats."""

    correction: Correction
    samples: tuple[_Sample, ...] = ()
    embeddings: bytes = b""
    logits: bytes = b""

    @classmethod
    def of(cls, correction: Correction, beats: ReadBeats, answers: NDArray[np.int8]) -> Lesson:
        """Return what is learned from a correction; `answers` are the model's classes."""
        shown = evenly(members(correction, beats, answers), MOST_OF_A_FAMILY)
        return cls(
            correction,
            tuple(beats.samples[shown].tolist()),
            _packed(beats.embeddings[shown]),
            _packed(beats.logits[shown]),
        )

    @property
    def rank(self) -> tuple[str, bool, datetime, int, int, int, int]:
        """Order of lessons: of two about one beat, the greater counts."""
        c = self.correction
        answered = -1 if c.answered is None else int(c.answered)
        return c.recording, c.family is None, c.made, c.given, c.sample, c.family or 0, answered

    @property
    def width(self) -> int:
        """Length of its embeddings; 0 where no beat stands for it."""
        return len(self.embeddings) // (_HALF.itemsize * max(len(self.samples), 1))

    def fault(self) -> str | None:
        """Return what is wrong with a lesson from outside; None where nothing is."""
        n = len(self.samples)
        row = n * _HALF.itemsize
        if (len(self.embeddings), len(self.logits)) != (row * self.width, row * len(BeatClass)):
            return "its columns differ in length"
        if n and not self.width:
            return "its beats have no embedding"
        if not all(
            np.isfinite(_unpacked(data, n)).all() for data in (self.embeddings, self.logits)
        ):
            return "a number is not finite"
        if n > MOST_OF_A_FAMILY or any(a >= b for a, b in pairwise(self.samples)):
            return "its beats are too many, or not in order of time"
        return None


def members(
    correction: Correction, beats: ReadBeats, answers: NDArray[np.int8]
) -> NDArray[np.int64]:
    """Return the numbers of the beats that a correction is about; none where it finds none.

    Parameters
    ----------
    correction : Correction
        Of this recording.
    beats : ReadBeats
        Of the recording.
    answers : numpy.ndarray, shape (n,), int8
        The model's classes.
    """
    beat = beats.at(correction.sample)
    if beat is None:
        return np.zeros(0, np.int64)
    if correction.family is None or beats.families[beat] == OTHER:
        return np.array([beat])
    of_family = beats.families == beats.families[beat]
    if correction.answered is not None:
        of_family &= answers == correction.answered
    return np.flatnonzero(of_family)


def examples_of(lessons: Iterable[Lesson], beats: ReadBeats) -> Examples | None:
    """Return the beats that stand for all lessons, each once; None where there are none.

    Parameters
    ----------
    lessons : iterable of Lesson
        In the order of their rank.
    beats : ReadBeats
        Of the recording that they are to be applied to: in it, families say more than likeness.
    """
    rows: dict[tuple[str, int], tuple[NDArray[np.float32], NDArray[np.float32], int]] = {}
    for lesson in lessons:
        correction, n = lesson.correction, len(lesson.samples)
        columns = _unpacked(lesson.embeddings, n), _unpacked(lesson.logits, n)
        for sample, embedding, logits in zip(lesson.samples, *columns, strict=True):
            rows[correction.recording, sample] = embedding, logits, int(correction.given)
    if not rows:
        return None
    families, places = [], []
    length = max(int(beats.samples[-1] - beats.samples[0]), 1) if len(beats.samples) else 1
    for recording, sample in rows:
        beat = beats.at(sample) if recording == beats.recording else None
        families.append(OTHER if beat is None else int(beats.families[beat]))
        places.append(np.nan if beat is None else (sample - int(beats.samples[0])) / length)
    embeddings, logits, given = zip(*rows.values(), strict=True)
    return Examples(
        np.array(embeddings),
        np.array(logits),
        np.array(families),
        np.array(given),
        np.array(places),
    )


def _packed(values: NDArray[np.float32]) -> bytes:
    return np.clip(values, -_LARGEST_HALF, _LARGEST_HALF).astype(_HALF).tobytes()


def _unpacked(data: bytes, n: int) -> NDArray[np.float32]:
    return np.frombuffer(data, _HALF).reshape(n, -1 if n else 0).astype(np.float32)
