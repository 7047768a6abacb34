"""ml.training.beats.data: what is made of a record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.training.beats.data import Record, examples_of, find_records, read_record


def test_a_record_is_seen_with_both_leads_and_with_each_alone() -> None:
    rng = np.random.default_rng(0)
    peaks = np.arange(100, 10000, 110)
    samples = rng.normal(0, 0.1, (2, 10100)).astype(np.float32)
    samples[:, peaks] += 1
    record = Record("svdb/800", 128.0, samples, peaks, np.arange(len(peaks), dtype=np.int8) % 5)
    beats = examples_of(record)
    n = len(peaks)
    shapes = beats.inputs["shapes"]
    assert len(shapes) == len(beats.inputs["features"]) == 3 * n
    np.testing.assert_array_equal(beats.targets, np.tile(record.classes, 3))
    assert np.abs(shapes[:n, 1]).max() > 0
    assert np.abs(shapes[n:, 1]).max() == 0
    np.testing.assert_array_equal(shapes, examples_of(record).inputs["shapes"])


def test_close_peaks_stay_in_order_when_they_are_moved() -> None:
    peaks = np.array([0, 1, 2, 3, 50, 51, 1000])
    record = Record("svdb/800", 128.0, np.zeros((2, 2000), np.float32), peaks, np.zeros(7, np.int8))
    assert len(examples_of(record).targets) == 21


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
