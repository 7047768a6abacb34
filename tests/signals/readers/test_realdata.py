"""The readers against real files, and against the packages that others read them with."""

from __future__ import annotations

import warnings
from pathlib import Path

import edfio
import numpy as np
import pytest
import wfdb

from signals.readers import find_recordings, open_recording
from signals.recording import ChannelKind

pytestmark = pytest.mark.realdata

RECORDS = [
    "mitdb/101",
    "svdb/800",
    "vfdb/418",
    "nstdb/118e00",
    "qtdb/sel102",
    "ludb/1",
    "cinc2017/A00001",
]


@pytest.mark.parametrize("name", RECORDS)
def test_wfdb_records_read_as_wfdb_reads_them(recordings: Path, name: str) -> None:
    record = recordings / name
    recording = open_recording(record)
    everything = range(len(recording.channels))
    n = recording.channels[0].n_samples
    digital = wfdb.rdrecord(str(record), physical=False).d_signal
    np.testing.assert_array_equal(recording.read_digital(everything, 0, n), digital.T)
    physical = wfdb.rdrecord(str(record)).p_signal
    np.testing.assert_allclose(recording.read(everything, 0, n), physical.T, rtol=1e-6, atol=1e-6)
    low, high = np.array([channel.physical_range for channel in recording.channels]).T
    assert (np.nanmin(physical, axis=0) >= low - 1e-9).all()
    assert (np.nanmax(physical, axis=0) <= high + 1e-9).all()


@pytest.mark.parametrize("name", RECORDS[:4])
def test_annotations_are_those_of_rdann(recordings: Path, name: str) -> None:
    read = wfdb.rdann(str(recordings / name), "atr")
    recording = open_recording(recordings / name)
    rate = recording.channels[0].rate
    assert [round(a.onset * rate) for a in recording.annotations] == read.sample.tolist()
    assert [a.text for a in recording.annotations] == list(read.symbol)
    assert {a.note for a in recording.annotations} == {note.rstrip("\0") for note in read.aux_note}


@pytest.mark.parametrize("folder", ["mitdb", "svdb", "vfdb", "nstdb", "qtdb", "ludb"])
def test_every_wfdb_record_opens(recordings: Path, folder: str) -> None:
    found = list(find_recordings([recordings / folder]))
    assert len(found) == len(list((recordings / folder).glob("*.hea")))
    for path in found:
        with open_recording(path) as recording:
            assert {channel.kind for channel in recording.channels} == {ChannelKind.ECG}
            assert all("no gain" in repair for repair in recording.repairs)
            end = recording.channels[0].n_samples
            assert np.isfinite(recording.read([0], end - 10, end)).any()


def test_every_tenth_record_of_cinc2017_opens(recordings: Path) -> None:
    for path in list(find_recordings([recordings / "cinc2017"]))[::10]:
        recording = open_recording(path)
        assert recording.repairs == ()
        assert recording.channels[0].rate == 300


def _edf_samples(recordings: Path) -> list[Path]:
    return [
        path
        for path in find_recordings([recordings / "samples"])
        if path.suffix in {".edf", ".bdf"}
    ]


def test_every_edf_sample_reads_as_edfio_reads_it(recordings: Path) -> None:
    found = _edf_samples(recordings)
    assert len(found) >= 26
    for path in found:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of two different dates in one file
            read = edfio.read_bdf if path.suffix == ".bdf" else edfio.read_edf
            expected = read(path, header_encoding="latin-1")
            annotations = [(a.onset, a.duration or 0.0, a.text) for a in expected.annotations]
        recording = open_recording(path)
        assert len(recording.channels) == len(expected.signals)
        for index, (channel, signal) in enumerate(
            zip(recording.channels, expected.signals, strict=True)
        ):
            stored = recording.read_digital([index], 0, channel.n_samples)[0]
            np.testing.assert_array_equal(stored, signal.digital)
            span = abs(signal.physical_max - signal.physical_min)
            np.testing.assert_allclose(
                recording.read([index], 0, channel.n_samples)[0],
                signal.data,
                atol=1e-6 * max(span, abs(signal.physical_max), abs(signal.physical_min)),
            )
        found_annotations = [
            (round(a.onset, 12), a.duration, a.text) for a in recording.annotations
        ]
        assert found_annotations == annotations


def test_other_samples_are_refused_in_plain_words(recordings: Path) -> None:
    from signals.recording import RecordingError

    others = [
        path
        for path in (recordings / "samples").rglob("*")
        if path.suffix in {".dcm", ".xml", ".scp", ".vhdr", ".json"}
    ]
    assert others
    for path in others:
        with pytest.raises(RecordingError, match="in no format that is read"):
            open_recording(path)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("eegmat/Subject00_1.edf", {ChannelKind.EEG: 20, ChannelKind.ECG: 1}),
        ("eegmmidb/S001R01.edf", {ChannelKind.EEG: 64}),
        ("edf-ecg/sample.edf", {ChannelKind.ECG: 1}),
        ("edfio/short_psg.edf", {ChannelKind.EEG: 2, ChannelKind.OTHER: 5}),
    ],
)
def test_kinds_of_real_labels(recordings: Path, name: str, kinds: dict[ChannelKind, int]) -> None:
    channels = open_recording(recordings / "samples" / name).channels
    assert {kind: sum(c.kind is kind for c in channels) for kind in kinds} == kinds
    assert sum(kinds.values()) == len(channels)
