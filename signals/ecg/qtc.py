"""The QT interval as it would be at 60 beats per minute."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

SHORTEST_RR_S, LONGEST_RR_S = 0.3, 2.0
"""30 to 200 beats per minute: beyond, no formula was ever fitted to anything."""


class QtFormula(StrEnum):
    """How QT is corrected for heart rate, QT and RR in seconds.

    The four agree at 60 beats per minute and part the more the farther from it. Bazett's is the
    one that limits in guidelines were made for; it says too much at high rates and too little at
    low ones, and is fair between 60 and 100. The others hold farther; the linear ones lean less on
    the rate in large series of normal recordings (S. Luo et al., J. Electrocardiol. 37 Suppl.
    (2004) 81) and are what P. M. Rautaharju et al. recommend (AHA/ACCF/HRS recommendations, part
    IV, J. Am. Coll. Cardiol. 53 (2009) 982). None corrects for a wide QRS.
    """

    BAZETT = "Bazett"
    """QT / RR^(1/2). H. C. Bazett, Heart 7 (1920) 353."""
    FRIDERICIA = "Fridericia"
    """QT / RR^(1/3). L. S. Fridericia, Acta Med. Scand. 53 (1920) 469."""
    FRAMINGHAM = "Framingham"
    """QT + 0.154 (1 - RR). A. Sagie et al., Am. J. Cardiol. 70 (1992) 797."""
    HODGES = "Hodges"
    """QT + 0.00175 (60 / RR - 60). M. Hodges et al., J. Am. Coll. Cardiol. 1 (1983) 694."""


def qtc(
    formula: QtFormula, qt: NDArray[np.float64], rr: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return corrected QT intervals, s.

    Parameters
    ----------
    formula : QtFormula
        How to correct.
    qt : numpy.ndarray
        QT intervals, s.
    rr : numpy.ndarray, of the same shape
        The RR interval that each answers to, s. Outside :data:`SHORTEST_RR_S` to
        :data:`LONGEST_RR_S`, and where either is NaN, the result is NaN.
    """
    rr = np.where((rr >= SHORTEST_RR_S) & (rr <= LONGEST_RR_S), rr, np.nan)
    match formula:
        case QtFormula.BAZETT:
            corrected = qt / np.sqrt(rr)
        case QtFormula.FRIDERICIA:
            corrected = qt / np.cbrt(rr)
        case QtFormula.FRAMINGHAM:
            corrected = qt + 0.154 * (1 - rr)
        case QtFormula.HODGES:
            corrected = qt + 0.00175 * (60 / rr - 60)
    return np.asarray(corrected, np.float64)
