"""What a tracing shows, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.report import Beats, Finding


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A line through points.

    Parameters
    ----------
    times : numpy.ndarray, shape (points,)
        Seconds from the start of the recording.
    values : numpy.ndarray, shape (points,)
        In the lead's unit; NaN where the line is broken.
    extremes : bool, default False
        Whether the line goes down and up through the extremes of many samples.
    """

    times: Floats
    values: Floats
    extremes: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LeadView:
    """One lead of a tracing.

    Parameters
    ----------
    label : str
        Its name.
    unit : str
        Of its values where they are not to the tracing's gain; empty where they are mV.
    zero : float
        The value that is drawn on the baseline.
    full_scale : float or None
        Where the values are not mV: what is drawn as high as 1 mV would be.
    curve : Curve
        What is seen of it.
    """

    label: str
    unit: str
    zero: float
    full_scale: float | None
    curve: Curve


class BeatMarks:
    """Where the beats of a recording are, and of what class.

    Parameters
    ----------
    times : numpy.ndarray, shape (beats,)
        Seconds, ascending.
    classes : numpy.ndarray, int8, shape (beats,)
        :class:`signals.ecg.beat.BeatClass`.
    """

    def __init__(self, times: NDArray[np.float64], classes: NDArray[np.int8]) -> None:
        self.times = times
        self.classes = classes

    @classmethod
    def of(cls, beats: Beats | None) -> BeatMarks:
        """Return the marks of `beats`."""
        if beats is None:
            return cls(np.empty(0), np.empty(0, np.int8))
        return cls(beats.times, beats.classes)

    def between(self, start: float, end: float) -> BeatMarks:
        """Return those of a stretch, found without looking at the others."""
        first, last = np.searchsorted(self.times, [start, end])
        return BeatMarks(self.times[first:last], self.classes[first:last])


class FindingMarks:
    """Where findings are.

    Parameters
    ----------
    findings : sequence of Finding
        Ordered by onset.
    """

    def __init__(self, findings: Sequence[Finding] = ()) -> None:
        self._findings = tuple(findings)
        self._onsets = np.array([finding.onset for finding in findings])
        self._ends = np.array([finding.end for finding in findings])

    def between(self, start: float, end: float) -> Iterator[Finding]:
        """Yield those that reach into a stretch."""
        for index in np.flatnonzero((self._onsets < end) & (self._ends > start)).tolist():
            yield self._findings[index]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a lead that cannot be read, in seconds from the start of the recording."""

    onset: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything that a tracing shows.

    Parameters
    ----------
    leads : tuple of LeadView
        From top to bottom.
    beats : BeatMarks
        Of the whole recording.
    findings : FindingMarks
        Of the whole recording.
    unreadable : tuple of tuple of Stretch
        For each lead, what of it cannot be read.
    duration : float
        Of the recording, seconds.
    chosen : Finding or None
        The finding that the reader is looking at.
    """

    leads: tuple[LeadView, ...]
    beats: BeatMarks
    findings: FindingMarks
    unreadable: tuple[tuple[Stretch, ...], ...]
    duration: float
    chosen: Finding | None = None
