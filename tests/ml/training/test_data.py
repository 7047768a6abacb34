"""ml.training.data: folds by patient, and what is made of a record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.training.data import DATABASES, PACED, Record, extract, find_records, read_record, split

NAMES = [*PACED, *(f"mitdb/{200 + i}" for i in range(22)), *(f"svdb/{800 + i}" for i in range(52))]


@pytest.mark.parametrize("folds", [5, 7])
def test_each_patient_is_in_one_fold_and_each_fold_has_both_databases(folds: int) -> None:
    dealt = split(NAMES, folds, seed=3)
    assert sorted(name for fold in dealt for name in fold) == sorted(NAMES)
    for fold in dealt:
        for database in DATABASES:
            assert any(name.startswith(database) for name in fold)
        assert len(set(fold) & set(PACED)) <= 1
    assert dealt == split(reversed(NAMES), folds, seed=3)
    assert dealt != split(NAMES, folds, seed=4)


def test_a_record_is_seen_with_both_leads_and_with_each_alone() -> None:
    rng = np.random.default_rng(0)
    peaks = np.arange(100, 10000, 110)
    samples = rng.normal(0, 0.1, (2, 10100)).astype(np.float32)
    samples[:, peaks] += 1
    record = Record("svdb/800", 128.0, samples, peaks, np.arange(len(peaks), dtype=np.int8) % 5)
    beats = extract(record, seed=0)
    n = len(peaks)
    assert len(beats.shapes) == len(beats.features) == 3 * n
    np.testing.assert_array_equal(beats.classes, np.tile(record.classes, 3))
    assert np.abs(beats.shapes[:n, 1]).max() > 0
    assert np.abs(beats.shapes[n:, 1]).max() == 0
    np.testing.assert_array_equal(beats.shapes, extract(record, seed=0).shapes)


def test_close_peaks_stay_in_order_when_they_are_moved() -> None:
    peaks = np.array([0, 1, 2, 3, 50, 51, 1000])
    record = Record("svdb/800", 128.0, np.zeros((2, 2000), np.float32), peaks, np.zeros(7, np.int8))
    assert len(extract(record, seed=1).classes) == 21


def test_missing_databases_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="mitdb"):
        find_records(tmp_path)


@pytest.mark.realdata
def test_the_development_part(recordings: Path) -> None:
    names = find_records(recordings)
    assert len(names) == 76
    record = read_record(recordings, "mitdb/119")
    assert record.rate == 360
    assert record.samples.shape == (2, 650000)
    assert np.bincount(record.classes, minlength=5).tolist() == [1543, 0, 444, 0, 0]
