"""From labelled beats to episodes: the basic rhythm, and everything that stands out in it."""

from signals.ecg.episode import WFDB_BASIC_RHYTHM, Episode, RhythmKind
from signals.ecg.rhythm._stream import PWaves
from signals.ecg.rhythm._thresholds import RhythmThresholds
from signals.ecg.rhythm._tracker import RhythmTracker

__all__ = [
    "WFDB_BASIC_RHYTHM",
    "Episode",
    "PWaves",
    "RhythmKind",
    "RhythmThresholds",
    "RhythmTracker",
]
