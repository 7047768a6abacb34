"""What a stretch of rhythm is called, and the value that says where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RhythmKind(StrEnum):
    """What a stretch of rhythm is: the basic rhythm, or what stands out in it."""

    SINUS_RHYTHM = "sinus rhythm"
    PAUSE = "pause"
    ASYSTOLE = "asystole"
    BRADYCARDIA = "bradycardia"
    TACHYCARDIA = "tachycardia"
    VENTRICULAR_COUPLET = "ventricular couplet"
    IDIOVENTRICULAR_RHYTHM = "idioventricular rhythm"
    """A ventricular run slower than ventricular tachycardia."""
    VENTRICULAR_TACHYCARDIA = "ventricular tachycardia"
    VENTRICULAR_FIBRILLATION = "ventricular fibrillation or flutter"
    VENTRICULAR_BIGEMINY = "ventricular bigeminy"
    VENTRICULAR_TRIGEMINY = "ventricular trigeminy"
    SUPRAVENTRICULAR_COUPLET = "supraventricular couplet"
    SUPRAVENTRICULAR_RUN = "supraventricular run"
    """Slower than supraventricular tachycardia."""
    SUPRAVENTRICULAR_TACHYCARDIA = "supraventricular tachycardia"
    ATRIAL_FIBRILLATION = "atrial fibrillation"
    FIRST_DEGREE_BLOCK = "first-degree atrioventricular block"
    TYPE_1_BLOCK = "second-degree atrioventricular block, type 1"
    """Wenckebach: PR grows until a P wave is blocked."""
    TYPE_2_BLOCK = "second-degree atrioventricular block, type 2"
    """Mobitz II: a P wave is blocked while PR stays as it was."""
    TWO_TO_ONE_BLOCK = "second-degree atrioventricular block, 2:1"
    ADVANCED_BLOCK = "advanced atrioventricular block"
    """Two or more P waves in a row are blocked."""
    DISSOCIATION = "atrioventricular dissociation"

    @property
    def is_basic(self) -> bool:
        """Whether it is the rhythm that others stand out from, and no finding by itself."""
        return self is RhythmKind.SINUS_RHYTHM

    @property
    def wfdb(self) -> str:
        """The text of a WFDB rhythm annotation (``(AFIB``); empty where WFDB has no word for it.

        Empty for the basic rhythm too, which WFDB writes where every other one ends.
        """
        return _WFDB.get(self, "")


WFDB_BASIC_RHYTHM = "(N"
"""What WFDB writes where a stretch of another rhythm ends."""

_WFDB = {
    RhythmKind.ASYSTOLE: "(ASYS",
    RhythmKind.BRADYCARDIA: "(SBR",
    RhythmKind.IDIOVENTRICULAR_RHYTHM: "(IVR",
    RhythmKind.VENTRICULAR_TACHYCARDIA: "(VT",
    RhythmKind.VENTRICULAR_FIBRILLATION: "(VFL",
    RhythmKind.VENTRICULAR_BIGEMINY: "(B",
    RhythmKind.VENTRICULAR_TRIGEMINY: "(T",
    RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA: "(SVTA",
    RhythmKind.ATRIAL_FIBRILLATION: "(AFIB",
    RhythmKind.FIRST_DEGREE_BLOCK: "(BI",
    RhythmKind.TYPE_1_BLOCK: "(BII",
    RhythmKind.TYPE_2_BLOCK: "(BII",
    RhythmKind.TWO_TO_ONE_BLOCK: "(BII",
    RhythmKind.ADVANCED_BLOCK: "(BII",
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
    rule : str
        What made it an episode, with the limits that were in force: ``no beat for 2 s or more``.
    """

    kind: RhythmKind
    onset: float
    end: float
    n_beats: int
    rate_bpm: float
    peak_bpm: float
    rule: str

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.onset
