"""The words for heart beats: the five classes of AAMI EC57 and how files write them."""

from __future__ import annotations

from enum import IntEnum


class BeatClass(IntEnum):
    """AAMI beat classes (ANSI/AAMI EC57, 3.2), in the order of every model output."""

    N = 0
    """Normal, bundle branch block, escape: any beat that is none of the others."""
    S = 1
    """Supraventricular ectopic beat."""
    V = 2
    """Ventricular ectopic beat."""
    F = 3
    """Fusion of a ventricular and a normal beat."""
    Q = 4
    """Paced beat, fusion with a paced beat, or not to be classified."""

    @property
    def symbol(self) -> str:
        """The WFDB annotation symbol that tools for EC57 read as this class."""
        return _SYMBOL[self]


_SYMBOL = {
    BeatClass.N: "N",
    BeatClass.S: "S",
    BeatClass.V: "V",
    BeatClass.F: "F",
    BeatClass.Q: "Q",
}

_BY_WFDB_SYMBOL = {
    **dict.fromkeys("NLRBejn", BeatClass.N),
    **dict.fromkeys("AaJS", BeatClass.S),
    **dict.fromkeys("VEr", BeatClass.V),
    "F": BeatClass.F,
    **dict.fromkeys("/fQ?", BeatClass.Q),
}


def beat_class_of(symbol: str) -> BeatClass | None:
    """Return the AAMI class of a WFDB annotation symbol, None where it is no beat.

    The mapping is the one of PhysioNet's EC57 tools: bundle branch blocks and escape beats are N,
    paced beats and those that could not be classified are Q.
    """
    return _BY_WFDB_SYMBOL.get(symbol)
