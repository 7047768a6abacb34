from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import datetime
from io import FileIO
from pathlib import Path

import edfio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.readers import edf, open_recording
from signals.recording import ARBITRARY, MICROVOLT, ChannelKind, Recording, RecordingError

MakeEdf = Callable[..., bytes]


@pytest.fixture
def opened(make_edf: MakeEdf, tmp_path: Path) -> Callable[..., Recording]:
    def opened(cut: int | None = None, extra: bytes = b"", **facts: object) -> Recording:
        path = tmp_path / "x.edf"
        path.write_bytes((make_edf(**facts) + extra)[:cut])
        return open_recording(path)

    return opened


def timekeeping(*onsets: float, texts: tuple[bytes, ...] = ()) -> tuple[bytes, ...]:
    stamps = [f"+{onset:f}".encode() + b"\x14\x14\0" for onset in onsets]
    return tuple(
        stamp + (texts[index] if index < len(texts) else b"") for index, stamp in enumerate(stamps)
    )


@pytest.mark.parametrize("bdf", [False, True])
def test_samples_of_mixed_rates_are_those_stored(
    opened: Callable[..., Recording], *, bdf: bool
) -> None:
    recording = opened(bdf=bdf)
    first, second = recording.channels
    assert (first.rate, first.n_samples, second.rate, second.n_samples) == (10, 40, 5, 20)
    assert recording.read_digital([0], 3, 27)[0].tolist() == list(range(3, 27))
    assert recording.read_digital([1], 0, 20)[0].tolist() == list(range(100, 120))
    assert recording.read_digital([0], 12, 12).shape == (1, 0)
    half = 1 << (23 if bdf else 15)
    expected = -100 + (np.arange(40) + half) * 200 / (2 * half - 1)
    np.testing.assert_allclose(recording.read([0], 0, 40)[0], expected, atol=1e-5)
    assert recording.repairs == ()
    assert recording.start == datetime.fromisoformat("2020-03-02T10:20:30")
    assert first.kind is ChannelKind.ECG
    assert second.kind is ChannelKind.EEG
    assert first.unit == MICROVOLT
    assert first.prefiltering == "HP:0.1Hz"


def test_negative_samples_of_24_bits(make_edf: MakeEdf, tmp_path: Path) -> None:
    data = bytearray(make_edf(bdf=True, records=1, samples=(3,), labels=("ECG",)))
    data[-9:] = b"\x00\x00\x80" + b"\xff\xff\xff" + b"\xff\xff\x7f"
    (tmp_path / "x").write_bytes(data)
    stored = open_recording(tmp_path / "x").read_digital([0], 0, 3)
    assert stored.tolist() == [[-(1 << 23), -1, (1 << 23) - 1]]


@given(st.integers(0, 59), st.integers(0, 59))
def test_any_stretch_of_a_huge_data_record(
    make_edf: MakeEdf, tmp_path_factory: pytest.TempPathFactory, one: int, other: int
) -> None:
    """Data records too large to be read whole for one channel are read in part."""
    path = tmp_path_factory.getbasetemp() / "huge-records.edf"
    if not path.exists():
        path.write_bytes(
            make_edf(records=3, samples=(20, 150_000), labels=("ECG", "other"), seconds=2)
        )
    start, stop = sorted((one, other))
    recording = open_recording(path)
    assert recording.read_digital([0], start, stop)[0].tolist() == list(range(start, stop))


def test_annotations_and_the_fraction_of_the_start(opened: Callable[..., Recording]) -> None:
    texts = (b"+1.5\x152.5\x14eyes closed\x14\0", b"", b"+0.75\x14spike@@ECG\x14\x14\0", b"")
    recording = opened(tals=timekeeping(0.25, 1.25, 2.25, 3.25, texts=texts))
    found = [(a.onset, a.duration, a.text, a.channel) for a in recording.annotations]
    assert found == [(0.5, 0, "spike", "ECG"), (1.25, 2.5, "eyes closed", "")]
    assert recording.start == datetime.fromisoformat("2020-03-02T10:20:30.250")
    assert len(recording.channels) == 2
    assert recording.format == "EDF+"


def test_gaps_become_missing_samples(opened: Callable[..., Recording]) -> None:
    recording = opened(kind="EDF+D", tals=timekeeping(0, 1, 5, 6))
    assert recording.repairs == (
        "The recording has 1 gap, 3.000 s in all, where samples are missing.",
    )
    assert recording.duration == 7
    values = recording.read([0], 0, 70)[0]
    assert np.isnan(values[20:50]).all()
    assert not np.isnan(values[:20]).any()
    stored = recording.read_digital([0], 15, 55)[0]
    assert stored[:5].tolist() == [15, 16, 17, 18, 19]
    assert stored[-5:].tolist() == [20, 21, 22, 23, 24]


def test_small_gaps_add_up(opened: Callable[..., Recording]) -> None:
    onsets = [1.0009 * record for record in range(100)]
    recording = opened(
        kind="EDF+D", records=100, samples=(250,), labels=("ECG",), tals=timekeeping(*onsets)
    )
    half_a_sample = 0.002
    assert recording.duration == pytest.approx(onsets[-1] + 1, abs=half_a_sample)
    assert "gaps, 0.0" in recording.repairs[0]
    stored = recording.read_digital([0], 0, recording.channels[0].n_samples)[0]
    missing = stored == recording.channels[0].missing
    assert stored[~missing].tolist() == list(range(25_000))
    places = np.flatnonzero(~missing)[::250] / 250
    np.testing.assert_allclose(places, onsets, atol=2 * half_a_sample)
    tail = recording.read_digital([0], 20_000, 20_700)[0]
    assert tail.tolist() == stored[20_000:20_700].tolist()


def test_time_stamps_that_are_rounded_make_no_gaps(opened: Callable[..., Recording]) -> None:
    onsets = [record + (-0.0005, 0.0004, 0)[record % 3] for record in range(1, 100)]
    recording = opened(
        kind="EDF+D",
        records=100,
        samples=(2000,),
        labels=("ECG",),
        tals=timekeeping(0, *onsets),
    )
    assert recording.duration == 100
    assert recording.repairs == ()


def test_data_records_that_overlap_a_little_are_said(opened: Callable[..., Recording]) -> None:
    onsets = [0.9991 * record for record in range(100)]
    recording = opened(
        kind="EDF+D", records=100, samples=(250,), labels=("ECG",), tals=timekeeping(*onsets)
    )
    assert recording.duration == 100
    assert len(recording.repairs) == 1
    assert "up to 0.089 s later" in recording.repairs[0]


@pytest.mark.parametrize("onsets", [(0, 1, 1.2, 6), (0, 3, 2, 6), (0, 1, 2, 1e9)])
def test_gaps_without_sense_are_read_as_none(
    opened: Callable[..., Recording], onsets: tuple[float, ...]
) -> None:
    recording = opened(kind="EDF+D", tals=timekeeping(*onsets))
    assert recording.duration == 4
    assert "make no sense" in recording.repairs[0]


def test_discontinuous_without_time_stamps(opened: Callable[..., Recording]) -> None:
    recording = opened(kind="EDF+D", tals=(b"", b"", b"", b""))
    assert recording.duration == 4
    assert "not where" in recording.repairs[0]


def test_continuous_with_gaps_is_read_as_it_says(opened: Callable[..., Recording]) -> None:
    recording = opened(tals=timekeeping(0, 1, 2, 90))
    assert recording.duration == 4
    assert "no gaps" in recording.repairs[0]


REPAIRS = [
    ({"count": -1}, "does not tell how many"),
    ({"count": "many"}, "does not tell how many"),
    ({"count": 900}, "promises 900 data records, the file holds 4"),
    ({"count": 2}, "promises 2 data records, the file holds 4"),
    ({"extra": b"abc"}, "cut off: its 3 bytes"),
    ({"size": 512}, "wrong length of itself"),
    ({"date": "99.99.99", "recording": ""}, "start is unknown"),
    ({"time": "noon"}, "start is unknown"),
    ({"labels": ("ECG", "ECG")}, "'ECG' is used twice: the later one is 'ECG (2)'"),
    ({"physical_min": (100, -100)}, "ECG: the header's physical and digital ranges"),
    ({"digital_max": (-32768, 32767)}, "ECG: the header's physical and digital ranges"),
    ({"physical_max": ("nan", 100)}, "ECG: the header's physical and digital ranges"),
    ({"physical_min": ("-100,5", -100)}, "decimal commas"),
    ({"unit": (b"\xb5V", "uV")}, "beyond ASCII"),
    ({"patient": b"X F X M\xfcller"}, "beyond ASCII"),
    ({"per_record": (15, 0)}, "EEG Fp1: the signal has no samples"),
]


@pytest.mark.parametrize(("facts", "sentence"), REPAIRS)
def test_what_is_mended_is_said(
    opened: Callable[..., Recording], facts: dict[str, object], sentence: str
) -> None:
    recording = opened(**facts)
    assert len(recording.repairs) == 1
    assert sentence in recording.repairs[0]
    assert recording.read_digital([0], 0, 40)[0].tolist()[:10] == list(range(10))
    assert len({channel.label for channel in recording.channels}) == len(recording.channels)


def test_without_ranges_values_are_the_stored_numbers(opened: Callable[..., Recording]) -> None:
    recording = opened(physical_min=(100, -100))
    assert recording.channels[0].unit == ARBITRARY
    assert recording.read([0], 0, 3).tolist() == [[0, 1, 2]]
    assert recording.channels[1].unit == MICROVOLT


def test_latin_1_micro_sign(opened: Callable[..., Recording]) -> None:
    assert opened(unit=(b"\xb5V", "uV")).channels[0].unit == MICROVOLT


def test_annotations_of_huge_data_records(make_edf: MakeEdf, tmp_path: Path) -> None:
    tals = timekeeping(0, 1, texts=(b"", b"+1.5\x14here\x14\0"))
    (tmp_path / "x").write_bytes(make_edf(records=2, samples=(150_000,), labels=("a",), tals=tals))
    assert [(a.onset, a.text) for a in open_recording(tmp_path / "x").annotations] == [
        (1.5, "here")
    ]


@pytest.mark.parametrize(
    ("samples", "most"), [((8000, 8000), 400), ((2000, 2000), 60_000), (None, 0)]
)
def test_opening_reads_no_more_than_the_annotations(
    make_edf: MakeEdf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    samples: tuple[int, int] | None,
    most: int,
) -> None:
    """Of short data records all is read, which is quicker; without annotations, nothing is."""
    read: list[int] = []

    def fromfile(file: FileIO, dtype: type[np.uint8], count: int) -> NDArray[np.uint8]:
        read.append(count)
        return np.frombuffer(file.read(count), dtype)

    path = tmp_path / "x.edf"
    tals = None if samples is None else timekeeping(0, 1, 2, 3)
    path.write_bytes(make_edf(samples=samples or (8000, 8000), tals=tals))
    monkeypatch.setattr(np, "fromfile", fromfile)
    open_recording(path)
    assert sum(read) <= most
    assert bool(read) == bool(tals)


def test_annotations_in_latin_1(opened: Callable[..., Recording]) -> None:
    recording = opened(tals=timekeeping(0, 1, 2, 3, texts=(b"+1\x14ge\xf6ffnet\x14\0",)))
    assert recording.annotations[0].text == "geöffnet"


def test_discontinuous_without_gaps(opened: Callable[..., Recording]) -> None:
    recording = opened(kind="EDF+D", tals=timekeeping(0, 1, 2, 3))
    assert recording.repairs == ()
    assert recording.channels[0].missing is None


def test_damaged_annotations_are_left_out(opened: Callable[..., Recording]) -> None:
    recording = opened(tals=(*timekeeping(0, 1, 2), b"\x99garbage"))
    assert recording.repairs == (
        "The annotations of 1 data records are damaged: those that cannot be read are left out.",
    )


@pytest.mark.parametrize(
    ("length", "end", "n_annotations", "n_repairs"),
    [(700_000, b"", 0, 1), (100_000, b"\x14\0", 99_999, 0)],
)
def test_an_endless_list_is_read_once(
    opened: Callable[..., Recording], length: int, end: bytes, n_annotations: int, n_repairs: int
) -> None:
    """Looking for the end of a list from each place where one could begin would take hours."""
    signal = b"+0\x14" * length + end
    recording = opened(records=1, tals=(signal,), per_record=(10, 5, len(signal) // 2))
    assert len(recording.annotations) == n_annotations
    assert len(recording.repairs) == n_repairs


def test_annotations_are_read_up_to_a_limit(
    opened: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edf, "_MOST_ANNOTATIONS", 3)
    texts = (b"+0\x14a\x14b\x14\0", b"+1\x14c\x14\0", b"+2\x14d\x14e\x14\0")
    recording = opened(tals=timekeeping(0, 1, 2, 3, texts=texts))
    assert [annotation.text for annotation in recording.annotations] == ["a", "b", "c"]
    assert recording.repairs == ("Only the first 3 annotations are read.",)


def test_an_annotation_signal_is_read_up_to_a_limit(
    opened: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edf, "_CHUNK", 20)
    texts = (b"+0\x14a\x14\0", b"+1\x14far away from the begin\x14\0")
    recording = opened(tals=timekeeping(0, 1, 2, 3, texts=texts))
    assert [annotation.text for annotation in recording.annotations] == ["a"]
    assert "more than 20 bytes" in recording.repairs[1]


def test_damage_spares_the_other_lists_of_a_data_record(opened: Callable[..., Recording]) -> None:
    recording = opened(tals=timekeeping(0, 1, 2, 3, texts=(b"broken\0+1\x14here\x14\0",)))
    assert [annotation.text for annotation in recording.annotations] == ["here"]
    assert "1 data records are damaged" in recording.repairs[0]


ERRORS = [
    ({"cut": 100}, "ends after 100 bytes, within the header of 256"),
    ({"cut": 300}, "within the header of 768 that 2 signals need"),
    ({"cut": 770}, "no whole data record"),
    ({"signals": 0}, "bytes 252 to 256"),
    ({"signals": -2}, "bytes 252 to 256"),
    ({"signals": "two"}, "bytes 252 to 256"),
    ({"seconds": 0}, "bytes 244 to 252"),
    ({"seconds": -1}, "bytes 244 to 252"),
    ({"seconds": "nan"}, "bytes 244 to 252"),
    ({"per_record": (0, 0)}, "no signal has samples"),
    ({"per_record": (-1, 5)}, "signal 1"),
    ({"per_record": (10, "five")}, "signal 2"),
    ({"per_record": (9999999, 9999999)}, "no whole data record"),
    ({"per_record": (10, 10_000_001)}, "signal 2 of the header: 10,000,001 samples .* of 1 s"),
    ({"per_record": (100_000, 5), "seconds": "0.000001"}, "at most 10,000,000 a second"),
]


@pytest.mark.parametrize(("facts", "sentence"), ERRORS)
def test_what_cannot_be_mended_is_one_message(
    opened: Callable[..., Recording], facts: dict[str, object], sentence: str
) -> None:
    with pytest.raises(RecordingError, match=sentence) as caught:
        opened(**facts)
    assert "x.edf" in str(caught.value)


def test_file_that_shrinks_while_open(make_edf: MakeEdf, tmp_path: Path) -> None:
    path = tmp_path / "x.edf"
    path.write_bytes(make_edf())
    recording = open_recording(path)
    path.write_bytes(path.read_bytes()[:-40])
    assert recording.read_digital([0], 0, 10)[0].tolist() == list(range(10))
    with pytest.raises(RecordingError, match="shorter"):
        recording.read([0], 0, 40)
    path.unlink()
    with pytest.raises(RecordingError, match="cannot be read"):
        recording.read([0], 0, 40)


def test_patient_and_anonymous_start(opened: Callable[..., Recording]) -> None:
    recording = opened(
        patient="MCH-0234567 F 02-MAY-1951 Haagse_Harry some remark",
        recording="Startdate X X X X",
        date="01.01.85",
        tals=timekeeping(0, 1, 2, 3),
    )
    patient = recording.patient
    assert (patient.code, patient.sex, patient.birth_date) == ("MCH-0234567", "F", "02-MAY-1951")
    assert (patient.name, patient.remarks) == ("Haagse Harry", "some remark")
    assert recording.start is None
    assert "Harry" not in repr(recording.__dict__)


@pytest.mark.parametrize(
    ("text", "remarks"), [("X X X X", ""), ("X", ""), ("", ""), ("X F X Harry", "X F X Harry")]
)
def test_what_is_not_known_is_no_remark(
    opened: Callable[..., Recording], text: str, remarks: str
) -> None:
    assert opened(patient=text).patient.remarks == remarks


def test_recording_goes_to_a_worker_process_and_is_read_there(
    opened: Callable[..., Recording],
) -> None:
    copied = pickle.loads(pickle.dumps(opened()))
    assert copied.read_digital([1], 2, 5).tolist() == [[102, 103, 104]]


def test_annotations_alone(tmp_path: Path) -> None:
    path = tmp_path / "hypnogram.edf"
    edfio.Edf([], annotations=[edfio.EdfAnnotation(30, 30, "Sleep stage W")]).write(path)
    recording = open_recording(path)
    assert recording.channels == ()
    assert [(a.onset, a.duration, a.text) for a in recording.annotations] == [
        (30, 30, "Sleep stage W")
    ]
