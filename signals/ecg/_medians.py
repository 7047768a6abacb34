"""The median of what is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def known_median(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return the median over `axis` of the values that are no NaN, NaN where there is none.

    As :func:`numpy.nanmedian`, which warns of what is no fault here and is many times slower.
    """
    ordered = np.sort(values, axis=axis)  # NaN comes last
    known = values.shape[axis] - np.isnan(ordered).sum(axis=axis)
    middle = np.stack((np.maximum(known - 1, 0) // 2, known // 2), axis=axis)
    return np.asarray(np.take_along_axis(ordered, middle, axis=axis).mean(axis=axis))
