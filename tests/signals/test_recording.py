from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.recording import (
    ARBITRARY,
    MICROVOLT,
    MILLIVOLT,
    NANOVOLT,
    VOLT,
    ArrayRecording,
    Channel,
    ChannelKind,
    Patient,
    Recording,
    RecordingError,
    Unit,
    UnitError,
)


def channel(
    n_samples: int = 10,
    rate: float = 2.0,
    scale: float = 0.5,
    offset: float = -1.0,
    digital_min: int = -100,
    digital_max: int = 100,
    missing: int | None = None,
) -> Channel:
    return Channel(
        label="II",
        kind=ChannelKind.ECG,
        rate=rate,
        n_samples=n_samples,
        unit=MILLIVOLT,
        scale=scale,
        offset=offset,
        digital_min=digital_min,
        digital_max=digital_max,
        missing=missing,
    )


def test_error_names_the_file_and_survives_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(RecordingError(Path("/x/a.edf"), "is empty")))
    assert str(error) == "/x/a.edf: is empty"
    assert (error.path, error.problem) == ("/x/a.edf", "is empty")


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("uV", MICROVOLT),
        ("\N{GREEK SMALL LETTER MU}V", MICROVOLT),
        ("\N{MICRO SIGN}V ", MICROVOLT),
        ("mV", MILLIVOLT),
        ("V", VOLT),
        ("nV", NANOVOLT),
        ("", ARBITRARY),
        ("mmHg", Unit("mmHg")),
    ],
)
def test_units_by_name(text: str, unit: Unit) -> None:
    assert Unit.named(text) == unit


def test_units_convert_between_voltages_only() -> None:
    assert MILLIVOLT.factor_to(MICROVOLT) == pytest.approx(1000)
    assert MICROVOLT.factor_to(VOLT) == pytest.approx(1e-6)
    with pytest.raises(UnitError, match="mmHg"):
        Unit("mmHg").factor_to(MILLIVOLT)


def test_missing_samples_are_nan() -> None:
    values = channel(missing=-100).to_physical(np.array([-100, 0, 4], np.int16))
    np.testing.assert_array_equal(values, np.array([np.nan, -1, 1], np.float32))


@given(st.integers(-(1 << 31), (1 << 31) - 1))
def test_wide_samples_keep_what_float32_can_hold(digital: int) -> None:
    """One step at 2**31, around a large baseline, is not lost on the way to physical values."""
    values = channel(scale=1e-3, offset=-2_000_000.0).to_physical(np.array([digital], np.int32))
    assert values.dtype == np.float32
    assert values[0] == np.float32(digital * 1e-3 - 2_000_000.0)


@pytest.mark.parametrize(("scale", "ends"), [(0.5, (-51, 49)), (-0.5, (-51, 49))])
def test_physical_range_is_ordered(scale: float, ends: tuple[float, float]) -> None:
    assert channel(scale=scale).physical_range == ends


def test_patient_shows_nothing() -> None:
    patient = Patient("Ada", "123", "F", "10-DEC-1815", "remark")
    assert repr(patient) == "Patient()"


@given(st.floats(0.1, 20))
def test_blocks_are_the_recording_in_order(seconds: float) -> None:
    samples = np.arange(10, dtype=np.int16)
    recording = ArrayRecording([samples, -samples], format="x", name="x", channels=(channel(),) * 2)
    blocks = list(recording.blocks([0, 1], seconds))
    assert [block.start for block in blocks] == [
        sum(b.samples.shape[1] for b in blocks[:index]) for index in range(len(blocks))
    ]
    joined = np.concatenate([block.samples for block in blocks], axis=1)
    np.testing.assert_array_equal(joined, recording.read([0, 1], 0, 10))
    assert recording.duration == 5


class Files(ArrayRecording):
    sha256 = Recording.sha256


def test_sha256_is_that_of_sha256sum(tmp_path: Path) -> None:
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_bytes(b"1")
    two.write_bytes(b"2")

    alone = Files([], format="x", name="x", channels=(), files=(one,))
    assert alone.sha256() == hashlib.sha256(b"1").hexdigest()
    both = Files([], format="x", name="x", channels=(), files=(one, two))
    lines = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n" for data, name in [(b"1", "a"), (b"2", "b")]
    )
    assert both.sha256() == hashlib.sha256(lines.encode()).hexdigest()


def test_sha256_of_a_file_that_is_gone(tmp_path: Path) -> None:
    recording = Files([], format="x", name="x", channels=(), files=(tmp_path / "gone",))
    with pytest.raises(RecordingError, match="gone: cannot be read: No such file"):
        recording.sha256()


def test_sha256_of_samples_in_memory() -> None:
    samples = np.array([1, -1], np.int16)
    recording = ArrayRecording([samples], format="x", name="x", channels=(channel(2),))
    assert recording.sha256() == hashlib.sha256(b"\1\0\0\0\xff\xff\xff\xff").hexdigest()


def test_recording_is_a_context_manager() -> None:
    with ArrayRecording([], format="x", name="x", channels=()) as recording:
        assert recording.duration == 0
        assert recording.patient == Patient()
    recording.close()
