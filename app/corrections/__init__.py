"""A reader's corrections of stored recordings: taught to the beat model for that patient alone.

The vault keeps what was learned, and nothing else does: its reports stay as they were made, and
:meth:`Corrections.report` makes one anew.
"""

from __future__ import annotations

from app.corrections._changes import BeatChange, Change, CorrectedBeats, CorrectionError
from app.corrections._corrections import (
    NEAR_S,
    Corrections,
    corrections_of,
    n_marked_otherwise,
)
from app.corrections._reading import read_beats

__all__ = [
    "NEAR_S",
    "BeatChange",
    "Change",
    "CorrectedBeats",
    "CorrectionError",
    "Corrections",
    "corrections_of",
    "n_marked_otherwise",
    "read_beats",
]
