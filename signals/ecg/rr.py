"""RR intervals, and what breaks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence


def broken_intervals(
    samples: NDArray[np.int64], breaks: Sequence[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Return which RR intervals have a break within them, shape (max(0, beats - 1),).

    Parameters
    ----------
    samples : numpy.ndarray, shape (beats,), int64
        R peaks, ascending.
    breaks : sequence of (start, stop)
        Stretches in samples, `stop` not included, in which beats cannot be told; in any order.
    """
    broken = np.zeros(max(0, len(samples) - 1), np.bool_)
    for start, stop in breaks:
        # every interval that ends after the break starts and starts before it ends
        first = int(np.searchsorted(samples, start, "right")) - 1
        last = int(np.searchsorted(samples, stop, "left"))
        broken[max(0, first) : max(0, last)] = True
    return broken
