"""What a stretch of rhythm is called, and the value that says where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LONG_RUN_BEATS = 6
"""Beats from which ANSI/AAMI EC57 calls a run long; 3 to 5 make a short one."""


class RhythmKind(StrEnum):
    """What stands out in a rhythm. Everything else is the patient's basic rhythm."""

    PAUSE = "pause"
    BRADYCARDIA = "bradycardia"
    TACHYCARDIA = "tachycardia"
    VENTRICULAR_COUPLET = "ventricular couplet"
    IDIOVENTRICULAR_RHYTHM = "idioventricular rhythm"
    """A ventricular run slower than ventricular tachycardia."""
    VENTRICULAR_TACHYCARDIA = "ventricular tachycardia"
    VENTRICULAR_BIGEMINY = "ventricular bigeminy"
    VENTRICULAR_TRIGEMINY = "ventricular trigeminy"
    SUPRAVENTRICULAR_COUPLET = "supraventricular couplet"
    SUPRAVENTRICULAR_RUN = "supraventricular run"
    ATRIAL_FIBRILLATION = "atrial fibrillation"

    @property
    def wfdb(self) -> str:
        """The text of a WFDB rhythm annotation (``(AFIB``); empty where WFDB has no word for it."""
        return _WFDB.get(self, "")


WFDB_BASIC_RHYTHM = "(N"
"""What WFDB writes where a stretch of another rhythm ends."""

_WFDB = {
    RhythmKind.BRADYCARDIA: "(SBR",
    RhythmKind.IDIOVENTRICULAR_RHYTHM: "(IVR",
    RhythmKind.VENTRICULAR_TACHYCARDIA: "(VT",
    RhythmKind.VENTRICULAR_BIGEMINY: "(B",
    RhythmKind.VENTRICULAR_TRIGEMINY: "(T",
    RhythmKind.SUPRAVENTRICULAR_RUN: "(SVTA",
    RhythmKind.ATRIAL_FIBRILLATION: "(AFIB",
}


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of rhythm, from its first beat to its last.

    Parameters
    ----------
    kind : RhythmKind
        What it is.
    onset, end : float
        Seconds from the start of the recording: R peak of the first and of the last beat.
    n_beats : int
        Beats of the stretch, both ends included (of a bigeminy: the normal ones too).
    rate_bpm : float
        Mean ventricular rate over its readable intervals.
    peak_bpm : float
        Rate of its shortest interval.
    """

    kind: RhythmKind
    onset: float
    end: float
    n_beats: int
    rate_bpm: float
    peak_bpm: float

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.onset

    @property
    def is_long_run(self) -> bool:
        """Whether EC57 counts it as a long run, six ventricular beats or more."""
        ventricular = {RhythmKind.VENTRICULAR_TACHYCARDIA, RhythmKind.IDIOVENTRICULAR_RHYTHM}
        return self.kind in ventricular and self.n_beats >= LONG_RUN_BEATS
