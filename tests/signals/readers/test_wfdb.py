from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.readers import open_recording
from signals.recording import MILLIVOLT, Recording, RecordingError, Unit

Opened = Callable[..., Recording]

# How far samples of each format may go that `wfdb.wrsamp` writes; the least value means "missing".
FORMATS = {
    "16": 15,
    "24": 23,
    "32": 31,
    "80": 7,
    "212": 11,
    "508": 7,
    "516": 15,
    "524": 23,
}


def write_record(
    folder: Path,
    name: str,
    samples: NDArray[np.int64],
    form: str = "16",
    gain: float = 200.0,
    baseline: int = 0,
    labels: tuple[str, ...] = ("MLII", "V1", "V5"),
    unit: str = "mV",
    rate: float = 360,
) -> None:
    n_signals = samples.shape[1]
    wfdb.wrsamp(
        name,
        fs=rate,
        units=[unit] * n_signals,
        sig_name=list(labels[:n_signals]),
        d_signal=samples,
        fmt=[form] * n_signals,
        adc_gain=[gain] * n_signals,
        baseline=[baseline] * n_signals,
        write_dir=str(folder),
    )


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_every_format_that_wfdb_writes(
    form: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    n_signals, n = data.draw(st.integers(1, 3)), data.draw(st.integers(2, 50))
    limit = 1 << FORMATS[form]
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    samples = rng.integers(-limit, limit, (n, n_signals))
    folder = tmp_path_factory.mktemp("wfdb")
    write_record(folder, "r", samples, form)
    start, stop = sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n))))
    recording = open_recording(folder / "r.hea")
    assert recording.repairs == ()
    order = list(range(n_signals))[::-1]
    np.testing.assert_array_equal(
        recording.read_digital(order, start, stop), samples[start:stop, order].T
    )
    physical = wfdb.rdrecord(str(folder / "r")).p_signal
    np.testing.assert_allclose(recording.read(range(n_signals), 0, n), physical.T, rtol=1e-6)


def test_format_61_is_big_endian(opened_record: Opened) -> None:
    """`wfdb.rdrecord` itself fails on this one, after decoding it."""
    samples = np.array([[1, -2], [300, -32768]])
    recording = opened_record(
        "r 2 360 2", "r.dat 61", "r.dat 61", data=samples.astype(">i2").tobytes()
    )
    assert recording.read_digital([0, 1], 0, 2).tolist() == samples.T.tolist()


@pytest.mark.parametrize("form", ["160", "310", "311"])
def test_formats_that_wfdb_only_reads(form: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    data = rng.integers(0, 256, 480, dtype=np.uint8)
    if form == "311":
        data[3::4] &= 0x3F  # the two highest bits hold nothing
    (tmp_path / "r.dat").write_bytes(data.tobytes())
    n = 60 if form == "160" else 90
    line = f"r.dat {form}x2 200 0 0 0 0 0 "
    (tmp_path / "r.hea").write_text(f"r 2 100 {n}\n{line}A\n{line}B\n")
    expected = wfdb.rdrecord(str(tmp_path / "r"), physical=False, smooth_frames=False).e_d_signal
    recording = open_recording(tmp_path / "r.hea")
    assert recording.channels[0].rate == 200
    for index in (0, 1):
        np.testing.assert_array_equal(
            recording.read_digital([index], 7, 2 * n)[0], expected[index][7:]
        )


@pytest.mark.parametrize(("form", "size"), [("212", 3), ("310", 4), ("311", 4)])
def test_bytes_that_fill_the_last_group_are_no_lie(
    opened_record: Opened, form: str, size: int
) -> None:
    recording = opened_record("r 1 360 1", f"r.dat {form} 200", data=bytes(size))
    assert recording.repairs == ()
    assert recording.channels[0].n_samples == 1


def test_format_8_is_summed_from_the_first_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Format 8 stores differences: a stretch depends on all before it."""
    monkeypatch.setattr("signals.readers._wfdb_samples._PIECE_SAMPLES", 16)
    steps = np.random.default_rng(2).integers(-128, 128, (50, 2), dtype=np.int8)
    (tmp_path / "r.dat").write_bytes(steps.tobytes())
    (tmp_path / "r.hea").write_text(
        "r 2 100 50\nr.dat 8 200 12 0 7 0 0 A\nr.dat 8 200 12 0 -9 0 0 B\n"
    )
    expected = steps.astype(int).cumsum(axis=0) + np.array([7, -9])
    recording = open_recording(tmp_path / "r.hea")
    np.testing.assert_array_equal(recording.read_digital([0, 1], 33, 47), expected[33:47].T)
    np.testing.assert_array_equal(recording.read_digital([1], 0, 50)[0], expected[:, 1])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 101), max_size=5))
def test_result_does_not_depend_on_blocks(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("wfdb")
    samples = np.random.default_rng(3).integers(-2047, 2048, (101, 3))
    write_record(folder, "r", samples, "212")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signals.readers._wfdb_samples._PIECE_SAMPLES", 33)
        recording = open_recording(folder / "r.hea")
        edges = sorted([0, *cuts, 101])
        parts = [recording.read_digital([0, 2], a, b) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), samples[:, [0, 2]].T)


def test_skew_moves_a_signal_and_its_end_is_missing(
    opened_record: Opened,
) -> None:
    samples = np.arange(40, dtype="<i2")
    recording = opened_record(
        "r 2 100 20",
        "r.dat 16 200 0 0 0 0 0 A",
        "r.dat 16:3 200 0 0 0 0 0 B",
        data=samples.tobytes(),
    )
    assert recording.read_digital([0], 0, 3)[0].tolist() == [0, 2, 4]
    assert recording.read_digital([1], 0, 3)[0].tolist() == [7, 9, 11]
    assert np.isnan(recording.read([1], 15, 20)[0]).tolist() == [False] * 2 + [True] * 3


def test_byte_offset_and_several_files(opened_record: Opened, tmp_path: Path) -> None:
    (tmp_path / "other.mat").write_bytes(b"junk" + np.arange(9, dtype="<i2").tobytes())
    recording = opened_record(
        "r 2 100",
        "r.dat 16 200 0 0 0 0 0 A",
        "other.mat 16+4 200 0 0 0 0 0 B",
        data=np.arange(50, 60, dtype="<i2").tobytes(),
    )
    assert recording.read_digital([0, 1], 6, 9).tolist() == [[56, 57, 58], [6, 7, 8]]
    assert [file.name for file in recording.files] == ["r.hea", "r.dat", "other.mat"]


def test_path_that_a_file_layer_would_take_for_a_protocol(tmp_path: Path) -> None:
    folder = tmp_path / "simplecache::file:"
    folder.mkdir()
    write_record(folder, "r", np.ones((9, 1), int))
    with pytest.raises(RecordingError, match="::"):
        open_recording(folder / "r.hea")


def test_fixed_segments_follow_each_other(tmp_path: Path) -> None:
    samples = np.random.default_rng(5).integers(-900, 900, (60, 2))
    write_record(tmp_path, "a", samples[:20], "212")
    write_record(tmp_path, "b", samples[20:], "212")
    (tmp_path / "m.hea").write_text("m/3 2 360 70\na 20\n~ 10\nb 40\n")
    recording = open_recording(tmp_path / "m.hea")
    assert recording.repairs == ()
    stored = recording.read_digital([1, 0], 5, 65)
    np.testing.assert_array_equal(stored[:, :15], samples[5:20, ::-1].T)
    np.testing.assert_array_equal(stored[:, 25:], samples[20:55, ::-1].T)
    assert np.isnan(recording.read([0], 20, 30)).all()
    assert [file.name for file in recording.files] == ["m.hea", "a.hea", "a.dat", "b.hea", "b.dat"]


def test_segment_that_ends_early(tmp_path: Path) -> None:
    write_record(tmp_path, "a", np.full((20, 1), 5))
    write_record(tmp_path, "b", np.full((20, 1), 7))
    (tmp_path / "m.hea").write_text("m/2 1 360 55\na 30\nb 20\n")
    recording = open_recording(tmp_path / "m.hea")
    assert "Segment a: the header promises 30 samples, the file holds 20" in recording.repairs[0]
    assert "promises 55 samples, its segments add up to 50" in recording.repairs[1]
    values = recording.read_digital([0], 0, 50)[0]
    assert values[[0, 19, 20, 29, 30, 49]].tolist() == [5, 5, -32768, -32768, 7, 7]


def test_variable_layout_brings_gains_together(tmp_path: Path) -> None:
    """Signals come and go, in another order and with another gain: physical values count."""
    rng = np.random.default_rng(6)
    one, two = rng.integers(-500, 500, (30, 2)), rng.integers(-500, 500, (40, 1))
    write_record(tmp_path, "a", one, gain=200.0, baseline=10, labels=("II", "V"))
    write_record(tmp_path, "b", two, gain=1000.0, baseline=-5, labels=("V",))
    layout = "~ 0 200 0 0 0 0 0 V\n~ 0 200 0 0 0 0 0 II\n~ 0 10/mmHg 0 0 0 0 0 ABP\n"
    (tmp_path / "l.hea").write_text("l 3 360 0\n" + layout)
    (tmp_path / "m.hea").write_text("m/4 3 360 75\nl 0\na 30\n~ 5\nb 40\n")
    recording = open_recording(tmp_path / "m.hea")
    assert [channel.label for channel in recording.channels] == ["V", "II", "ABP"]
    values = recording.read([0, 1, 2], 0, 75)
    expected = np.full((3, 75), np.nan)
    expected[0, :30] = (one[:, 1] - 10) / 200
    expected[0, 35:] = (two[:, 0] + 5) / 1000
    expected[1, :30] = (one[:, 0] - 10) / 200
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-7)
    assert recording.channels[2].unit == Unit("mmHg")


@pytest.mark.parametrize(
    ("master", "sentence"),
    [
        ("m/2 3 360 18\na 9\na 9\n", "3 signals are announced, a.hea has 1"),
        ("m/2 1 360 18\na 9\nx 9\n", "stores 2 samples per frame, 1 were expected"),
        ("m/2 1 360 18\na 9\nn 9\n", "n.hea: is a segment and has segments itself"),
    ],
)
def test_segments_that_do_not_fit(tmp_path: Path, master: str, sentence: str) -> None:
    write_record(tmp_path, "a", np.ones((18, 1), int))
    (tmp_path / "x.hea").write_text("x 1 360 9\na.dat 16x2\n")
    (tmp_path / "n.hea").write_text("n/1 1 360 9\na 9\n")
    (tmp_path / "m.hea").write_text(master)
    with pytest.raises(RecordingError, match=sentence):
        open_recording(tmp_path / "m.hea")


def test_segments_in_different_quantities(tmp_path: Path) -> None:
    write_record(tmp_path, "a", np.ones((9, 1), int), unit="mmHg")
    write_record(tmp_path, "b", np.ones((9, 1), int), unit="mV")
    (tmp_path / "m.hea").write_text("m/2 1 360 18\na 9\nb 9\n")
    with pytest.raises(RecordingError, match="do not fit together"):
        open_recording(tmp_path / "m.hea")


def test_segments_in_millivolts_and_microvolts(tmp_path: Path) -> None:
    write_record(tmp_path, "a", np.full((9, 1), 200), gain=200.0, unit="mV")
    write_record(tmp_path, "b", np.full((9, 1), 500), gain=0.5, unit="uV")
    (tmp_path / "m.hea").write_text("m/2 1 360 18\na 9\nb 9\n")
    recording = open_recording(tmp_path / "m.hea")
    millivolts = recording.read([0], 0, 18)[0] * recording.channels[0].unit.factor_to(MILLIVOLT)
    np.testing.assert_allclose(millivolts, 1.0)


def test_memory_does_not_grow_with_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        write_record(tmp_path, name, np.ones((50, 1), int))
    (tmp_path / "m.hea").write_text("m/4 1 360 200\na 50\nb 50\nc 50\nd 50\n")
    recording = open_recording(tmp_path / "m.hea")
    for _ in recording.blocks([0], 0.1):
        pass
    kept = [file._kept for part in recording._parts for file in part.files.values()]  # type: ignore[attr-defined]
    assert [piece is None for piece in kept] == [True, True, True, False]


def test_annotations_beside_the_record(tmp_path: Path) -> None:
    write_record(tmp_path, "r", np.ones((360, 1), int))
    wfdb.wrann(
        "r",
        "atr",
        np.array([18, 36, 90]),
        list("N+V"),
        aux_note=["", "(AFIB", ""],
        write_dir=str(tmp_path),
    )
    recording = open_recording(tmp_path / "r.hea")
    found = [(a.onset, a.text, a.note) for a in recording.annotations]
    assert found == [(0.05, "N", ""), (0.1, "+", "(AFIB"), (0.25, "V", "")]


def test_annotations_that_count_in_ticks_of_their_own(tmp_path: Path) -> None:
    write_record(tmp_path, "r", np.ones((360, 1), int))
    wfdb.wrann("r", "atr", np.array([100, 1000]), ["N", "N"], fs=2000, write_dir=str(tmp_path))
    onsets = [annotation.onset for annotation in open_recording(tmp_path / "r.hea").annotations]
    assert onsets == [0.05, 0.5]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x01", "cut off"),
        (b"", "cut off"),
        (bytes([5, 1 << 2]), "cut off"),
        (bytes([5, 1 << 2, 5, 63 << 2, 9, 9]), "cut off"),
        (bytes([5, 1 << 2, 0, 59 << 2, 9, 9]), "cut off"),
        (bytes([5, 15 << 2, 5, 1 << 2, 0, 0]), "1 annotations (r.atr) are of no known kind"),
        (bytes([5, 1 << 2, 0, 59 << 2, 255, 127, 0, 0, 5, 4, 0, 0]), "outside of the recording"),
    ],
)
def test_broken_annotations_do_not_cost_the_recording(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    write_record(tmp_path, "r", np.ones((360, 1), int))
    (tmp_path / "r.atr").write_bytes(content)
    recording = open_recording(tmp_path / "r.hea")
    assert recording.repairs
    assert sentence in recording.repairs[0]
    assert recording.read([0], 0, 360).shape == (1, 360)


def test_notes_that_hang_rdann(tmp_path: Path) -> None:
    """`wfdb.rdann` 4.3.1 loops for ever on a definition that it does not know."""
    write_record(tmp_path, "r", np.ones((360, 1), int))
    text = b"## made by hand "
    content = bytes([0, 22 << 2, len(text), 63 << 2]) + text + bytes([5, 1 << 2, 0, 0])
    (tmp_path / "r.atr").write_bytes(content)
    recording = open_recording(tmp_path / "r.hea")
    assert [(a.text, a.note) for a in recording.annotations] == [("N", "")]
    assert recording.repairs == ()


def test_annotations_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record(tmp_path, "r", np.ones((360, 1), int))
    (tmp_path / "r.atr").write_bytes(bytes(100))
    monkeypatch.setattr("signals.readers._wfdb_annotations._LARGEST_FILE", 99)
    recording = open_recording(tmp_path / "r.hea")
    assert recording.repairs == (
        "The annotations (r.atr) cannot be read: larger than any annotation file.",
    )


def test_annotation_symbols_of_a_file_of_its_own(tmp_path: Path) -> None:
    write_record(tmp_path, "r", np.ones((360, 1), int))
    wfdb.wrann(
        "r",
        "atr",
        np.array([36, 72]),
        ["z", "N"],
        fs=360,
        write_dir=str(tmp_path),
        custom_labels=[(45, "z", "something of our own")],
    )
    assert [a.text for a in open_recording(tmp_path / "r.hea").annotations] == ["z", "N"]


def test_nothing_reaches_for_the_network(tmp_path: Path) -> None:
    """The package that decodes samples can fetch records; it is never let near that."""
    write_record(tmp_path, "a", np.ones((36, 1), int), "212")
    write_record(tmp_path, "f", np.ones((36, 1), int), "516")
    program = f"""
import sys
from pathlib import Path

def refuse(event, arguments):
    if event.startswith("socket."):
        raise RuntimeError(event)

sys.addaudithook(refuse)
from signals.readers import open_recording
assert "wfdb" not in sys.modules and "edfio" not in sys.modules
for name in "af":
    with open_recording(Path({str(tmp_path)!r}) / name) as recording:
        assert recording.read([0], 0, 36).shape == (1, 36)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "r.hea").write_text("r 1 100 10\nr.dat 16\n")
    os.mkfifo(tmp_path / "r.dat")
    with pytest.raises(RecordingError, match=r"r\.dat: .*no regular file"):
        open_recording(tmp_path / "r.hea")
    (tmp_path / "m.hea").write_text("m/1 1 100 10\ns 10\n")
    os.mkfifo(tmp_path / "s.hea")
    with pytest.raises(RecordingError, match=r"s\.hea: .*no regular file"):
        open_recording(tmp_path / "m.hea")


def test_recording_goes_to_a_worker_process_and_is_read_there(tmp_path: Path) -> None:
    write_record(tmp_path, "r", np.arange(36).reshape(18, 2))
    copied = pickle.loads(pickle.dumps(open_recording(tmp_path / "r.hea")))
    assert copied.read_digital([1], 2, 5).tolist() == [[5, 7, 9]]


def test_signal_file_that_shrinks_while_open(tmp_path: Path) -> None:
    write_record(tmp_path, "r", np.ones((360, 1), int))
    recording = open_recording(tmp_path / "r.hea")
    (tmp_path / "r.dat").write_bytes(bytes(100))
    with pytest.raises(RecordingError, match="cannot be read"):
        recording.read([0], 0, 360)
