"""ml.training.beats.data: what is made of a record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.training.beats.data import Record, examples_of, find_records, found_in, read_record
from ml.training.beats.rhythms import remade
from signals.ecg.beat import BeatClass

RATE = 128.0


def _record(n: int = 400, leads: int = 2) -> Record:
    """Return narrow beats with P and T waves, every ninth wide and early."""
    rng = np.random.default_rng(0)
    classes = np.where(np.arange(n) % 9 == 8, BeatClass.V, BeatClass.N).astype(np.int8)
    intervals = np.where(classes == BeatClass.V, 0.55, 0.8) + rng.normal(0, 0.01, n)
    peaks = np.rint((1 + np.cumsum(intervals)) * RATE).astype(np.int64)
    at = np.arange(peaks[-1] + 200)
    lead = rng.normal(0, 0.01, len(at))
    for peak, beat_class in zip(peaks.tolist(), classes.tolist(), strict=True):
        near = slice(max(0, peak - 40), peak + 60)
        waves = [(0, 1.0, 1.6), (-20, 0.12, 3.0), (35, 0.25, 6.0)]
        for offset, size, width in [(0, -1.5, 6.0)] if beat_class == BeatClass.V else waves:
            lead[near] += size * np.exp(-0.5 * np.square((at[near] - peak - offset) / width))
    samples = np.stack([lead, 0.5 * lead][:leads]).astype(np.float32)
    return Record("svdb/800", RATE, samples, ((-5, 5),) * leads, peaks, classes, ())


def test_beats_found_take_the_class_of_the_reference_beat_near_them() -> None:
    record = _record()
    found = found_in(record)
    assert found.missed.sum() <= 2
    assert (found.classes == BeatClass.V).sum() >= (record.classes == BeatClass.V).sum() - 2
    unmarked = replace(record, peaks=record.peaks[::2], classes=record.classes[::2])
    assert (found_in(unmarked).classes == BeatClass.Q).mean() > 0.45
    first, last = record.peaks[[100, 199]].tolist()
    fluttering = found_in(replace(record, flutter=((first, last),)))
    assert 98 <= (fluttering.classes == -1).sum() <= 100


def test_a_record_is_seen_in_five_ways_and_always_the_same() -> None:
    record = _record()
    beats = examples_of(record)
    shapes = beats.inputs["shapes"]
    assert len(shapes) == len(beats.targets) == len(beats.inputs["features"])
    one_lead = np.abs(shapes[:, 1]).max(axis=(1, 2)) == 0
    assert 0.15 < one_lead.mean() < 0.35
    assert (beats.targets == BeatClass.S).sum() > 20
    np.testing.assert_array_equal(shapes, examples_of(record).inputs["shapes"])


@pytest.mark.parametrize("seed", range(4))
def test_remade_beats_come_in_order_and_none_is_lost(seed: int) -> None:
    record = _record()
    made = remade(record, seed)
    assert (np.diff(made.peaks) >= 0.28 * RATE).all()
    assert made.peaks[-1] < made.samples.shape[1]
    moved = made.classes != record.classes
    assert (made.classes[moved] == BeatClass.S).all()
    assert (record.classes[moved] == BeatClass.N).all()
    assert found_in(made).missed.sum() <= 0.02 * len(record.peaks)


def test_a_premature_beat_that_was_made_comes_early() -> None:
    record = _record()
    made = remade(record, 1)
    before, after = (np.diff(one.peaks, prepend=0) for one in (record, made))
    early = (made.classes == BeatClass.S) & (record.classes == BeatClass.N)
    assert (after[early] < 0.95 * before[early]).all()


def test_made_tachycardias_are_fast_and_ventricular_beats_come_at_other_times() -> None:
    record = _record()
    own = np.diff(record.peaks, prepend=0)[record.classes == BeatClass.V] / RATE
    couplings, slowest = [], 0.0
    for seed in range(24):
        made = remade(record, seed)
        intervals = np.diff(made.peaks, prepend=0) / RATE
        couplings.append(intervals[made.classes == BeatClass.V])
        of_s = made.classes == BeatClass.S
        within = of_s & np.roll(of_s, 1) & np.roll(of_s, 2) & np.roll(of_s, 3)
        slowest = max(slowest, intervals[within].max(initial=0))
    assert 0.3 < slowest < 0.75
    assert own.max() < 0.6
    assert np.concatenate(couplings).max() > 0.7


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
