"""How often each example is drawn in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced(
    classes: NDArray[np.int8],
    records: NDArray[np.str_],
    most_of_a_record: int,
) -> NDArray[np.float64]:
    """Return weights that even out classes and, within them, patients; they add up to 1.

    A class with n examples is drawn in proportion to the square root of n, and so is each record
    within a class: a patient with 1,800 ectopic beats does not speak for all others.

    Parameters
    ----------
    classes : numpy.ndarray, shape (n,)
        What each example stands for; -1 is never drawn.
    records : numpy.ndarray of str, shape (n,)
    most_of_a_record : int
        Examples of one class and record beyond which it is drawn no more often.
    """
    weights = np.zeros(len(classes))
    for label in np.unique(classes[classes >= 0]):
        of_class = classes == label
        _, inverse, counts = np.unique(records[of_class], return_inverse=True, return_counts=True)
        shares = np.sqrt(np.minimum(counts, most_of_a_record))
        shares /= shares.sum()
        weights[of_class] = np.sqrt(of_class.sum()) * (shares / counts)[inverse]
    normed: NDArray[np.float64] = weights / weights.sum()
    return normed
