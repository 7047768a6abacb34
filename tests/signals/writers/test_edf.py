from __future__ import annotations

from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.readers import open_recording
from signals.recording import (
    MICROVOLT,
    MILLIVOLT,
    Annotation,
    ArrayRecording,
    Channel,
    ChannelKind,
    Patient,
    Unit,
)
from signals.writers.edf import write_edf


def channel(
    samples: NDArray[np.signedinteger], label: str = "II", rate: float = 250.0, **facts: object
) -> Channel:
    standard: dict[str, object] = {
        "kind": ChannelKind.ECG,
        "unit": MILLIVOLT,
        "scale": 1 / 200,
        "offset": 0.0,
        "digital_min": -2048,
        "digital_max": 2047,
        "prefiltering": "HP:0.05Hz",
    }
    return Channel(label=label, rate=rate, n_samples=len(samples), **{**standard, **facts})  # type: ignore[arg-type]


def recording(*pairs: tuple[NDArray[np.signedinteger], Channel], **facts: object) -> ArrayRecording:
    return ArrayRecording(
        [samples for samples, _ in pairs],
        format="test",
        name="test",
        channels=tuple(one for _, one in pairs),
        **facts,
    )


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_16_bits_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    seconds = data.draw(st.integers(1, 5))
    pairs = []
    for index in range(data.draw(st.integers(1, 3))):
        rate = data.draw(st.sampled_from([1.0, 10.0, 128.0, 250.0, 12.5, 100 / 3]))
        low = data.draw(st.integers(-32768, 32000))
        high = data.draw(st.integers(low + 1, 32767))
        rng = np.random.default_rng(data.draw(st.integers(0, 9)))
        samples = rng.integers(low, high + 1, round(rate * seconds * 6)).astype(np.int16)
        pairs.append(
            (samples, channel(samples, f"s{index}", rate, digital_min=low, digital_max=high))
        )
    path = tmp_path_factory.getbasetemp() / "round.edf"
    before = recording(*pairs)
    write_edf(path, before)
    after = open_recording(path)
    assert after.repairs == ()
    assert after.annotations == ()
    for index, (old, new) in enumerate(zip(before.channels, after.channels, strict=True)):
        assert new.rate == pytest.approx(old.rate, rel=1e-12)
        assert (new.label, new.prefiltering) == (old.label, old.prefiltering)
        assert (new.digital_min, new.digital_max) == (old.digital_min, old.digital_max)
        np.testing.assert_array_equal(
            before.read_digital([index], 0, old.n_samples),
            after.read_digital([index], 0, new.n_samples),
        )
        np.testing.assert_allclose(
            before.read([index], 0, old.n_samples),
            after.read([index], 0, new.n_samples) * new.unit.factor_to(old.unit),
            atol=2e-5 * max(map(abs, old.physical_range)),
        )


@settings(deadline=None, max_examples=20)
@given(st.integers(-(1 << 31) + 1, (1 << 31) - 70_000), st.integers(1, 65_000))
def test_wide_samples_in_a_narrow_range_lose_nothing(
    tmp_path_factory: pytest.TempPathFactory, least: int, span: int
) -> None:
    samples = np.linspace(least, least + span, 500).astype(np.int32)
    facts = {"digital_min": -(1 << 31), "digital_max": (1 << 31) - 1, "scale": 1.0}
    one = channel(samples, **facts, offset=-float(least))
    path = tmp_path_factory.getbasetemp() / "wide.edf"
    write_edf(path, recording((samples, one)))
    after = open_recording(path)
    values = after.read([0], 0, 500)[0]
    assert np.abs(values - (samples.astype(np.float64) - least)).max() < 0.1


def test_24_bits_over_the_whole_range_are_rounded(tmp_path: Path) -> None:
    samples = np.array([-(1 << 23), -77, 0, 77, (1 << 23) - 1] * 50, np.int32)
    one = channel(samples, digital_min=-(1 << 23), digital_max=(1 << 23) - 1, scale=1.0)
    write_edf(tmp_path / "x.edf", recording((samples, one)))
    after = open_recording(tmp_path / "x.edf")
    values = after.read([0], 0, 250)[0] * after.channels[0].unit.factor_to(MILLIVOLT)
    assert np.abs(values - samples).max() <= 140  # half a step of 2**24 / 2**16


@pytest.mark.parametrize("scale", [1e-9, 1e-6, 3.3e-4, 1.0, 7e3, 1e5])
def test_voltages_of_any_size(tmp_path: Path, scale: float) -> None:
    samples = np.arange(-2048, 2047, dtype=np.int16)[:4000]
    before = recording((samples, channel(samples, scale=scale)))
    write_edf(tmp_path / "x.edf", before)
    after = open_recording(tmp_path / "x.edf")
    factor = after.channels[0].unit.factor_to(MILLIVOLT)
    values = after.read([0], 0, 4000)[0] * factor
    np.testing.assert_allclose(values, samples * scale, atol=2e-5 * 2048 * scale)


def test_a_range_that_does_not_fit(tmp_path: Path) -> None:
    samples = np.zeros(250, np.int16)
    with pytest.raises(ValueError, match="II: -2"):
        write_edf(
            tmp_path / "x.edf",
            recording((samples, channel(samples, unit=Unit("Pa"), scale=1e6))),
        )


def test_missing_samples_and_the_filled_end_are_told(tmp_path: Path) -> None:
    samples = np.full(1030, 7, np.int16)
    samples[100:200] = -2048
    one = channel(samples, missing=-2048, digital_min=-2047, offset=-0.01)
    write_edf(tmp_path / "x.edf", recording((samples, one), annotations=(Annotation(1.0, "N"),)))
    after = open_recording(tmp_path / "x.edf")
    assert after.channels[0].n_samples == 1050
    told = [(a.onset, pytest.approx(a.duration), a.text, a.channel) for a in after.annotations]
    assert told == [
        (0.4, 0.4, "no samples", "II"),
        (1.0, 0, "N", ""),
        (4.12, 0.08, "no samples", "II"),
    ]
    stored = after.read_digital([0], 0, 1050)[0]
    assert stored[99:201].tolist() == [7] + [2] * 100 + [7]  # 2 is the nearest to 0 mV
    assert (stored[1030:] == 2).all()


def test_samples_beyond_the_range_of_the_converter_are_kept(tmp_path: Path) -> None:
    samples = np.array([-3000, 3000] * 125, np.int16)
    write_edf(tmp_path / "x.edf", recording((samples, channel(samples))))
    after = open_recording(tmp_path / "x.edf")
    np.testing.assert_array_equal(after.read_digital([0], 0, 250)[0], samples)
    np.testing.assert_allclose(after.read([0], 0, 250)[0], samples / 200, rtol=1e-6)


def test_a_scale_that_turns_the_signal_over(tmp_path: Path) -> None:
    samples = np.arange(250, dtype=np.int16)
    write_edf(tmp_path / "x.edf", recording((samples, channel(samples, scale=-0.5))))
    after = open_recording(tmp_path / "x.edf")
    np.testing.assert_allclose(after.read([0], 0, 250)[0], samples * -0.5, atol=1e-3)


def test_annotations_patient_and_start(tmp_path: Path) -> None:
    samples = np.zeros(2500, np.int16)
    start = datetime.fromisoformat("2021-04-05T06:07:08.250")
    before = recording(
        (samples, channel(samples)),
        start=start,
        patient=Patient("Grace Müller", "A 1", "F", "09-DEC-1906", "pacemaker since 1980"),
        annotations=(
            Annotation(0.5, "+", note="(AFIB"),
            Annotation(2.0, "eyes\x14closed", duration=3.5),
            Annotation(4.0, "spike", channel="II"),
        ),
    )
    write_edf(tmp_path / "x.edf", before)
    after = open_recording(tmp_path / "x.edf")
    assert after.format == "EDF+"
    assert after.start == start
    assert after.patient == Patient(
        "Grace Muller", "A 1", "F", "09-DEC-1906", "pacemaker since 1980"
    )
    assert after.annotations == (
        Annotation(0.5, "+ (AFIB"),
        Annotation(2.0, "eyes closed", duration=3.5),
        Annotation(4.0, "spike", channel="II"),
    )
    assert edfio.read_edf(tmp_path / "x.edf").patient.name == "Grace_Muller"


@pytest.mark.parametrize(
    "patient",
    [
        Patient(),
        Patient("x " * 200, "y" * 200, "unknown", "some day", "z " * 500),
        Patient("名前", "\0\n", "M", "31-FEB-1900", "\x14"),
    ],
)
def test_patients_that_edf_cannot_hold(tmp_path: Path, patient: Patient) -> None:
    samples = np.zeros(250, np.int16)
    write_edf(tmp_path / "x.edf", recording((samples, channel(samples)), patient=patient))
    assert open_recording(tmp_path / "x.edf").repairs == ()


def test_labels_and_units_that_edf_cannot_hold(tmp_path: Path) -> None:
    samples = np.zeros(250, np.int16)
    before = recording(
        (samples, channel(samples, "Ableitung für die Brustwand links", unit=Unit("µmol·l⁻¹·s"))),
        (samples, channel(samples, "EDF Annotations", unit=MICROVOLT)),
    )
    write_edf(tmp_path / "x.edf", before)
    after = open_recording(tmp_path / "x.edf")
    assert after.channels[0].label == "Ableitung fur di"
    assert len(after.channels) == 2


def test_start_that_two_digits_cannot_tell(tmp_path: Path) -> None:
    samples = np.zeros(250, np.int16)
    start = datetime.fromisoformat("1969-07-20T20:17:40")
    write_edf(tmp_path / "x.edf", recording((samples, channel(samples)), start=start))
    assert open_recording(tmp_path / "x.edf").start is None


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without samples"):
        write_edf(tmp_path / "x.edf", recording())
    samples = np.zeros(250, np.int16)
    with pytest.raises(ValueError, match="rate"):
        write_edf(tmp_path / "x.edf", recording((samples, channel(samples, rate=1e-7))))
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_file_stays_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = np.zeros(250, np.int16)
    path = tmp_path / "x.edf"
    path.write_bytes(b"earlier")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_edf(path, recording((samples, channel(samples))))
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]
