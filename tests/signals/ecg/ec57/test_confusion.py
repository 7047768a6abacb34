"""Beat by beat, by class: cases by hand, and what holds for any two readings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.ecg.ec57.confusion import (
    MATRIX_LABELS,
    BeatMatrix,
    beat_matrix,
    class_at,
    compare_readings,
)
from signals.ecg.ec57.reading import Reading, reading_of

RATE = 1000.0  # so that samples are milliseconds


def reading(beats: str, every: int = 800, unreadable: tuple[tuple[int, int], ...] = ()) -> Reading:
    """Return a reading with a beat each 800 ms, ``-`` where there is none."""
    marks = [(i * every, symbol, "") for i, symbol in enumerate(beats) if symbol != "-"]
    return reading_of(marks, RATE, len(beats) * every, unreadable)


def matrix(reference: Reading, test: Reading, start: float = 0.0) -> BeatMatrix:
    compared = compare_readings(reference, test, window=0.15, start=start)
    return beat_matrix(compared, reference, test)


def cell(found: BeatMatrix, name: str) -> int:
    truth, ours = name
    return int(found.counts[MATRIX_LABELS.index(truth), MATRIX_LABELS.index(ours.upper())])


def test_each_pair_is_counted_by_its_two_classes() -> None:
    found = matrix(reading("NNSVFQN-V-"), reading("NSSVVNN-NV"))
    for name, count in {"Nn": 2, "Ns": 1, "Ss": 1, "Vv": 1, "Fv": 1, "Qn": 1, "Vn": 1}.items():
        assert cell(found, name) == count, name
    assert cell(found, "Ov") == 1
    assert found.counts.sum() == 9


def test_a_beat_missed_where_we_gave_up_is_shutdown_and_counts_as_missed() -> None:
    found = matrix(reading("NNVNN"), reading("N---N", unreadable=((800, 1700),)))
    assert (cell(found, "Nx"), cell(found, "Vx"), cell(found, "No")) == (1, 1, 1)
    assert (found.matched, found.missed, found.shut_down) == (2, 1, 2)
    assert found.shares()["qrs_se"].percent == pytest.approx(40)
    assert found.shares()["veb_se"].percent == 0


def test_a_beat_found_where_we_gave_up_is_found() -> None:
    found = matrix(reading("NNN"), reading("NNN", unreadable=((0, 5000),)))
    assert (found.matched, found.shut_down) == (3, 0)


def test_a_detection_where_the_reference_gave_up_is_in_row_x_and_counts_as_extra() -> None:
    found = matrix(reading("N--N", unreadable=((700, 900),)), reading("NVNN"))
    assert (cell(found, "Xv"), cell(found, "On"), found.extra) == (1, 1, 2)


def test_the_figures_of_the_standard() -> None:
    counts = np.zeros((7, 7), np.int64)
    #                n   s   v   f  q   o  x
    counts[0] = [1000, 20, 10, 3, 2, 15, 5]  # N
    counts[1] = [30, 60, 4, 1, 0, 4, 1]  # S
    counts[2] = [6, 2, 80, 5, 1, 4, 2]  # V
    counts[3] = [5, 1, 7, 3, 0, 1, 0]  # F
    counts[4] = [2, 3, 4, 0, 1, 0, 0]  # Q
    counts[5] = [8, 2, 6, 0, 0, 0, 0]  # O
    counts[6] = [1, 1, 2, 0, 0, 0, 0]  # X
    shares = BeatMatrix(counts).shares()
    matched, missed, extra = 1250, 32, 20
    assert (shares["qrs_se"].part, shares["qrs_se"].whole) == (matched, matched + missed)
    assert (shares["qrs_pp"].part, shares["qrs_pp"].whole) == (matched, matched + extra)
    assert shares["veb_se"].whole == 100
    assert shares["veb_pp"].whole == 80 + 10 + 4 + 6 + 2  # neither Fv nor Qv
    wrong = 10 + 4 + 6 + 2
    right = 1025 + 91 + 9 + 6 + 10 + 2  # N, S, F, Q, O and X that are not called V
    assert (shares["veb_fpr"].part, shares["veb_fpr"].whole) == (wrong, wrong + right)
    assert shares["sveb_se"].whole == 100
    assert shares["sveb_pp"].whole == 60 + 20 + 2 + 1 + 2 + 1  # not Qs


def test_nothing_to_have_a_share_of_is_no_number() -> None:
    shares = matrix(reading("N-N"), reading("N-N")).shares()
    assert shares["qrs_se"].percent == 100
    assert np.isnan([shares["veb_se"].percent, shares["veb_pp"].percent]).all()
    assert shares["veb_fpr"].percent == 0
    nothing = matrix(reading(""), reading("")).shares()
    assert all(np.isnan(share.percent) for share in nothing.values())


def test_ventricular_fibrillation_is_not_scored_beat_by_beat() -> None:
    reference = reading_of(
        [(0, "N", ""), (500, "[", ""), (2000, "]", ""), (2400, "N", "")], RATE, 3000
    )
    found = matrix(reference, reading("NVVN"))
    assert (found.matched, found.missed, found.extra) == (2, 0, 0)


def test_beats_in_what_we_call_ventricular_fibrillation_are_none() -> None:
    marks = [(0, "N", ""), (700, "+", "(VFL"), (800, "V", ""), (1500, "+", "(N"), (1600, "N", "")]
    found = matrix(reading("NNN"), reading_of(marks, RATE, 3000))
    assert (found.matched, found.missed, found.extra) == (2, 1, 0)


def test_the_learning_period_is_not_scored() -> None:
    found = matrix(reading("NVNVN"), reading("NNVVN"), start=1.7)
    assert found.reference_beats == 2
    assert cell(found, "Vv") == cell(found, "Nn") == 1


def test_the_class_of_a_beat_is_found_by_its_sample() -> None:
    both = reading("NSVFQ")
    assert class_at(both, both.beats[[4, 0, 2]]).tolist() == [4, 0, 2]


symbols = st.text(alphabet="NSVFQ-", max_size=30)


@given(symbols, symbols, st.integers(0, 300))
def test_counts_add_up(truth: str, ours: str, lost_s: int) -> None:
    lost = ((lost_s * 100, lost_s * 100 + 3000),)
    reference, test = reading(truth), reading(ours, every=810, unreadable=lost)
    found = matrix(reference, test)
    assert found.matched + found.missed + found.shut_down == len(reference.beats)
    assert found.matched + found.extra == len(test.beats)
    assert found.counts.sum() == found.reference_beats + found.extra


@given(symbols, symbols)
def test_turned_round_the_matrix_is_transposed(truth: str, ours: str) -> None:
    there, back = reading(truth), reading(ours)
    assert np.array_equal(matrix(there, back).counts, matrix(back, there).counts.T)


@given(symbols)
def test_perfect_agreement_is_full_marks(truth: str) -> None:
    shares = matrix(reading(truth), reading(truth)).shares()
    for name, share in shares.items():
        wanted = 0.0 if name.endswith("fpr") else 100.0
        assert np.isnan(share.percent) or share.percent == wanted, name


@given(symbols, symbols, symbols, symbols)
def test_gross_is_the_sum_of_records(a: str, b: str, c: str, d: str) -> None:
    one, other = matrix(reading(a), reading(b)), matrix(reading(c), reading(d))
    both = (one + other).shares()
    assert both == {name: share + other.shares()[name] for name, share in one.shares().items()}
