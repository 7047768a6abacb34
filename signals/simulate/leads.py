"""The leads as views of one heart vector.

The coefficients are those by which Dower's transform makes the twelve leads from the Frank leads
X (to the left), Y (to the feet) and Z (to the back): G. E. Dower, H. B. Machado, J. A. Osborne,
"On deriving the electrocardiogram from vectorcardiographic leads", Clin. Cardiol. 3 (1980) 87.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_I = np.array([0.632, -0.235, 0.059])
_II = np.array([0.235, 1.066, -0.132])

LEAD_VECTORS: dict[str, NDArray[np.float64]] = {
    "MLII": _II,
    "I": _I,
    "II": _II,
    "III": _II - _I,
    "aVR": -(_I + _II) / 2,
    "aVL": _I - _II / 2,
    "aVF": _II - _I / 2,
    "V1": np.array([-0.515, 0.157, -0.917]),
    "V2": np.array([0.044, 0.164, -1.387]),
    "V3": np.array([0.882, 0.098, -1.277]),
    "V4": np.array([1.213, 0.127, -0.601]),
    "V5": np.array([1.125, 0.127, -0.086]),
    "V6": np.array([0.831, 0.076, 0.230]),
}
"""Label to the direction (x, y, z) from which the lead looks; mV of the lead per mV of vector."""
