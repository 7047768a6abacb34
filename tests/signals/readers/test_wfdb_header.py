from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from signals.readers import open_recording
from signals.recording import MILLIVOLT, ChannelKind, Recording, RecordingError

Opened = Callable[..., Recording]


def test_what_the_header_tells(opened_record: Opened) -> None:
    recording = opened_record(
        "# 64 M 1629",
        "r/0 1 360".replace("/0", "") + "/360(0) 100 12:30:05.5 24/12/2019",
        "r.dat 16x2 2.5e2(-4)/uV 10 8 3 0 0 the lead  of  choice ",
        "#<age>: 64",
    )
    channel = recording.channels[0]
    assert recording.start == datetime.fromisoformat("2019-12-24T12:30:05.500")
    assert channel.label == "the lead  of  choice"
    assert channel.unit.symbol == "µV"
    assert (channel.rate, channel.n_samples) == (720, 200)
    assert (channel.scale, channel.offset) == (1 / 250, 4 / 250)
    assert (channel.digital_min, channel.digital_max) == (-504, 519)
    assert channel.missing == -32768
    assert recording.patient.sex == "M"
    assert recording.patient.remarks == "64 M 1629\n<age>: 64"
    assert "1629" not in repr(vars(recording))


def test_range_that_leaves_out_zero_volts_is_not_believed(
    opened_record: Opened,
) -> None:
    channel = opened_record("r 1 360 100", "r.dat 16 200(1024) 11 0 0 0 0 MLII").channels[0]
    assert (channel.digital_min, channel.digital_max) == (-32768, 32767)


def test_signal_without_gain_is_not_calibrated(opened_record: Opened) -> None:
    recording = opened_record("r 2 360 100", "r.dat 16 0 11 0 0 0 0 A", "r.dat 16")
    assert recording.repairs == (
        "The header gives no gain for A, signal 1: not calibrated, 200 steps a unit are assumed.",
    )
    assert recording.channels[1].scale == 1 / 200
    assert recording.channels[1].unit == MILLIVOLT
    assert recording.channels[1].label == "signal 1"
    assert recording.channels[1].kind is ChannelKind.ECG


REPAIRS = [
    (("r 1 360 500", "r.dat 16 200"), "promises 500 samples, the file holds 200: read to there"),
    (("r 1 360 50", "r.dat 16 200"), "promises 50 samples, the file holds 200: 50 are read"),
    (("r 1 360", "r.dat 16 200"), "does not tell the length: the file holds 200"),
    (("r 1 360 0", "r.dat 16 200"), "does not tell the length: the file holds 200"),
    (("r 1 360 200", "r.dat 16 200", "more"), "lines after the 1 it announces"),
    (("r 1 360 200 25:00:00 1/1/2000", "r.dat 16 200"), "start is unknown"),
    (("r 1 360 200 1:00:00 31/2/2000", "r.dat 16 200"), "start is unknown"),
    (
        ("r 2 360 100", "r.dat 16 200 0 0 0 0 0 ECG", "r.dat 16 200 0 0 0 0 0 ECG"),
        "Channel name 'ECG' is used twice: the later one is 'ECG (2)'.",
    ),
]


@pytest.mark.parametrize(("lines", "sentence"), REPAIRS)
def test_what_is_mended_is_said(
    opened_record: Opened, lines: tuple[str, ...], sentence: str
) -> None:
    recording = opened_record(*lines)
    assert len(recording.repairs) == 1
    assert sentence in recording.repairs[0]
    channel = recording.channels[0]
    assert recording.read_digital([0], 0, channel.n_samples).shape == (1, channel.n_samples)


ERRORS = [
    (("# nothing", "#"), "no record line"),
    (("r",), "line 1: expected a record name"),
    (("r 0 360 10",), "line 1: the number of signals is 0"),
    (("r -1 360 10",), "line 1: the number of signals"),
    (("r 99999 360 10",), "line 1: the number of signals is 99,999"),
    (("# c", "r one 360 10"), "line 2: the number of signals is no whole number"),
    (("r 1 0 10", "r.dat 16"), "line 1: the sampling frequency is 0 Hz"),
    (("r 1 -360 10", "r.dat 16"), "line 1: the sampling frequency is -360 Hz"),
    (("r 1 nan 10", "r.dat 16"), "line 1: the sampling frequency is not finite"),
    (("r 1 1e300 10", "r.dat 16"), "line 1: the sampling frequency"),
    (("r 1 fast 10", "r.dat 16"), "line 1: the sampling frequency is no number"),
    (("r 1 360 1000000000000", "r.dat 16"), "line 1: the number of samples is 1,000,000,000,000"),
    (("r 1 360 -5", "r.dat 16"), "line 1: the number of samples"),
    (("r 2 360 10", "r.dat 16"), "line 1: promises 2 signals, 1 are described"),
    (("r/3 2 360 10", "s 10"), "line 1: promises 3 segments, 1 are described"),
    (("r 1 360 10", "r.dat"), "line 2: expected the name of a signal file"),
    (("r 1 360 10", "r.dat 17"), "line 2: the storage format is none of"),
    (("r 1 360 10", "r.dat 16x0"), "line 2: the number of samples per frame is 0"),
    (("r 1 360 10", "r.dat 16x99999999"), "line 2: the number of samples per frame"),
    (("r 1 360 10", "r.dat 16+999999"), "ends before its first sample"),
    (("r 1 360 10", "r.dat 16 nan"), "line 2: the gain is not finite"),
    (("r 1 360 10", "r.dat 16 1e99"), "line 2: the gain is 1e"),
    (("r 1 360 10", "r.dat 16 200(x)"), "line 2: the baseline"),
    (("r 1 360 10", "../r.dat 16"), "line 2: the signal file must be a plain name"),
    (("r 1 360 10", "http://h/r.dat 16"), "line 2: the signal file must be a plain name"),
    (("r 1 360 10", "s3://h/r.dat 16"), "line 2: the signal file must be a plain name"),
    (("r 1 360 10", "a::b.dat 16"), "line 2: the signal file must be a plain name"),
    (("r 1 360 10", "gone.dat 16"), "gone.dat: the signal file cannot be read: No such file"),
    (("r 1 360 10", "~ 0"), "names no signal file"),
    (("r 1 360 10", "r.dat 516"), "no FLAC file"),
    (("r 2 360 10", "r.dat 16", "r.dat 212"), "line 3: r.dat has another format"),
    (("r/1 1 360 10", "r 10"), "line 2: the record is its own segment"),
    (("r/1 1 360 10", "../s 10"), "line 2: a segment must be a plain record name"),
    (("r/1 1 360 10", "gone 10"), "gone.hea: cannot be read"),
    (("r/1 1 360 10", "~ 10"), "no segment holds a signal"),
    (("r/1 1 360 10", "~ 0"), "all segments are empty"),
]


@pytest.mark.parametrize(("lines", "sentence"), ERRORS)
def test_what_cannot_be_mended_is_one_message(
    opened_record: Opened, lines: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(RecordingError, match=sentence.replace("(", r"\(")):
        opened_record(*lines)


def test_empty_signal_file(opened_record: Opened) -> None:
    with pytest.raises(RecordingError, match=r"r\.dat: the signal file is empty"):
        opened_record("r 1 360 10", "r.dat 16 200", data=b"")


def test_header_in_latin_1(tmp_path: Path) -> None:
    (tmp_path / "r.dat").write_bytes(bytes(20))
    header = tmp_path / "r.hea"
    header.write_bytes(
        "r 1 360 10\nr.dat 16 200/µV 0 0 0 0 0 Ableitung für\x85V1\n".encode("latin-1")
    )
    recording = open_recording(header)
    assert recording.repairs == ("The header is not in UTF-8: it is read as Latin-1.",)
    assert recording.channels[0].unit.symbol == "µV"
