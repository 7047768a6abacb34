"""Beat by beat, by class: the matrix of ``bxb`` and what EC57 reads from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass
from signals.ecg.ec57.beats import BeatComparison, compare_beats
from signals.ecg.ec57.reading import is_inside
from signals.ecg.ec57.share import Share

if TYPE_CHECKING:
    from signals.ecg.ec57.reading import Reading

MATRIX_LABELS = "NSVFQOX"
"""Of rows (reference) and columns (test): the classes, O for no beat, X for shutdown."""

_N_CLASSES = len(BeatClass)
_NO_BEAT = MATRIX_LABELS.index("O")
_SHUTDOWN = MATRIX_LABELS.index("X")
_S, _V = int(BeatClass.S), int(BeatClass.V)
_LEFT_OUT_OF_VEB = (int(BeatClass.F), int(BeatClass.Q))


@dataclass(frozen=True, slots=True, eq=False)
class BeatMatrix:
    """How the reference's beats were read.

    Parameters
    ----------
    counts : numpy.ndarray, int64, shape (7, 7)
        Row: what the reference says, column: what the test says; see :data:`MATRIX_LABELS`. Row O
        holds detections without a reference beat, column O missed beats; X is for those that fall
        where the other side gave the signal up.
    """

    counts: NDArray[np.int64]

    def __add__(self, other: BeatMatrix) -> BeatMatrix:
        return BeatMatrix(self.counts + other.counts)

    @property
    def matched(self) -> int:
        """Reference beats that were found, whatever class they were given."""
        return int(self.counts[:_N_CLASSES, :_N_CLASSES].sum())

    @property
    def missed(self) -> int:
        """Reference beats that were not found outside of shutdown."""
        return int(self.counts[:_N_CLASSES, _NO_BEAT].sum())

    @property
    def shut_down(self) -> int:
        """Reference beats that were not found and fall where the test gave the signal up."""
        return int(self.counts[:_N_CLASSES, _SHUTDOWN].sum())

    @property
    def extra(self) -> int:
        """Detections without a reference beat."""
        return int(self.counts[_N_CLASSES:].sum())

    @property
    def reference_beats(self) -> int:
        """All of them."""
        return self.matched + self.missed + self.shut_down

    def shares(self) -> dict[str, Share]:
        """Return sensitivity, predictivity and false positive rate by EC57, 4.3.

        Beats missed in shutdown count as missed. What the reference calls F or Q and the test calls
        V is neither rewarded nor punished; the same holds for S, save that F called S is punished.
        """
        found = self.matched
        veb, sveb = int(self.counts[_V, _V]), int(self.counts[_S, _S])
        veb_wrong = int(np.delete(self.counts[:, _V], [_V, *_LEFT_OUT_OF_VEB]).sum())
        sveb_wrong = int(np.delete(self.counts[:, _S], [_S, int(BeatClass.Q)]).sum())
        not_veb = np.delete(np.delete(self.counts, _V, axis=0)[:, :_N_CLASSES], _V, axis=1)
        not_sveb = np.delete(np.delete(self.counts, _S, axis=0)[:, :_N_CLASSES], _S, axis=1)
        return {
            "qrs_se": Share(found, self.reference_beats),
            "qrs_pp": Share(found, found + self.extra),
            "qrs_f1": Share(2 * found, found + self.reference_beats + self.extra),
            "veb_se": Share(veb, int(self.counts[_V].sum())),
            "veb_pp": Share(veb, veb + veb_wrong),
            "veb_fpr": Share(veb_wrong, int(not_veb.sum()) + veb_wrong),
            "sveb_se": Share(sveb, int(self.counts[_S].sum())),
            "sveb_pp": Share(sveb, sveb + sveb_wrong),
            "sveb_fpr": Share(sveb_wrong, int(not_sveb.sum()) + sveb_wrong),
        }


def compare_readings(
    reference: Reading, test: Reading, *, window: float, start: float
) -> BeatComparison:
    """Pair the beats of two readings as ``bxb`` does.

    Within the reference's ventricular fibrillation neither side's beats count; what the test calls
    ventricular fibrillation holds no beats of its own. Arguments as for
    :func:`signals.ecg.ec57.beats.compare_beats`.
    """
    return compare_beats(
        reference.beats,
        test.beats[~is_inside(test.beats, test.fibrillation)],
        reference.rate,
        window=window,
        start=start,
        excluded=reference.fibrillation,
    )


def beat_matrix(comparison: BeatComparison, reference: Reading, test: Reading) -> BeatMatrix:
    """Return the matrix of a comparison of these two readings."""
    counts = np.zeros((len(MATRIX_LABELS), len(MATRIX_LABELS)), np.int64)
    truth, found = (
        class_at(reference, comparison.pairs[:, 0]),
        class_at(test, comparison.pairs[:, 1]),
    )
    np.add.at(counts, (truth, found), 1)
    missed = np.where(is_inside(comparison.missed, test.unreadable), _SHUTDOWN, _NO_BEAT)
    np.add.at(counts, (class_at(reference, comparison.missed), missed), 1)
    extra = np.where(is_inside(comparison.extra, reference.unreadable), _SHUTDOWN, _NO_BEAT)
    np.add.at(counts, (extra, class_at(test, comparison.extra)), 1)
    return BeatMatrix(counts)


def class_at(reading: Reading, samples: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the class of the beats at `samples`, each of which is one of the reading's."""
    return reading.classes[np.searchsorted(reading.beats, samples)]
