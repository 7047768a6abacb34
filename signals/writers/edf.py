"""EDF+ files with annotations."""

from __future__ import annotations

import math
import unicodedata
from contextlib import suppress
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from signals.recording import ARBITRARY, MICROVOLT, MILLIVOLT, NANOVOLT, VOLT
from signals.writers._whole import written_whole

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    import edfio
    from numpy.typing import NDArray

    from signals.recording import Annotation, Channel, Patient, Recording, Unit

_LEAST, _GREATEST = -(1 << 15), (1 << 15) - 1
_LONGEST_FIELD = 80
_VOLTAGES = (VOLT, MILLIVOLT, MICROVOLT, NANOVOLT)
_YEARS = range(1985, 2085)  # the two digits of the header stand for these


def write_edf(path: Path, recording: Recording) -> None:
    """Write `recording` as EDF+C, whole or not at all; the patient is written too.

    Samples that fit 16 bits are written as the integers they are, with the range of their
    converter. Wider ones are brought to 16 bits over the range that they use: exactly where that
    is narrow enough, else rounded. EDF has no word for a missing sample: such stretches are
    written as the value nearest to 0, and so is what fills the last data record; annotations
    say where. The header has eight characters for a physical value, so that scale and offset come
    back with five digits or more; voltages that this does not suit are written in another unit.

    Parameters
    ----------
    path : pathlib.Path
        What to write, or replace.
    recording : Recording
        With at least one channel. Texts that EDF cannot hold are cut or written in ASCII; a start
        outside 1985 to 2084 is left out.

    Raises
    ------
    RecordingError
        If `recording` cannot be read.
    ValueError
        If there is nothing to write, or a sampling rate is no fraction that EDF can tell.
    OSError
        If the file cannot be written.
    """
    import edfio

    if not recording.channels or not recording.duration:
        raise ValueError("a recording without samples cannot be written as EDF")
    seconds, per_record = _record(recording.channels, recording.duration)
    n_records = max(
        math.ceil(channel.n_samples / count)
        for channel, count in zip(recording.channels, per_record, strict=True)
    )
    signals = []
    ranges = []
    remarks: list[edfio.EdfAnnotation] = []
    for index, (channel, count) in enumerate(zip(recording.channels, per_record, strict=True)):
        digital = recording.read_digital([index], 0, channel.n_samples)[0]
        signal, physical_range = _signal(channel, digital, count, n_records, seconds, remarks)
        signals.append(signal)
        ranges.append(physical_range)
    start = recording.start
    if start is not None and start.year not in _YEARS:
        start = None
    file = edfio.Edf(
        signals,
        patient=_patient(recording.patient),
        recording=edfio.Recording(startdate=None if start is None else start.date()),
        starttime=None if start is None else start.time(),
        data_record_duration=float(seconds),
        annotations=[*map(_annotation, recording.annotations), *remarks],
    )
    with written_whole(path) as target:
        file.write(target)
        # edfio rounds the physical range outward, -0.035 to -0.03501: here are the nearest values
        n_signals = len(signals) + 1
        for end, texts in enumerate(zip(*ranges, strict=True)):
            target.seek(256 + n_signals * (16 + 80 + 8 + 8 * end))
            target.write(b"".join(texts))


def _record(channels: tuple[Channel, ...], duration: float) -> tuple[Fraction, list[int]]:
    """Return the seconds of a data record, and how many samples of each channel it holds."""
    rates = [Fraction(channel.rate).limit_denominator(10_000) for channel in channels]
    for rate, channel in zip(rates, channels, strict=True):
        if not math.isclose(rate, channel.rate, rel_tol=1e-7):
            raise ValueError(f"{channel.label}: EDF cannot tell a rate of {channel.rate} Hz")
    whole = Fraction(math.lcm(*(rate.denominator for rate in rates)))
    choices = [whole * part for part in (1, Fraction(1, 2), Fraction(1, 5), Fraction(1, 10))]
    possible = [
        choice for choice in choices if all((rate * choice).denominator == 1 for rate in rates)
    ]
    # whatever fits without a remainder, or else leaves the smallest
    seconds = min(possible, key=lambda choice: (round(-Fraction(duration) % choice, 9), -choice))
    return seconds, [int(rate * seconds) for rate in rates]


def _signal(
    channel: Channel,
    digital: NDArray[np.signedinteger],
    per_record: int,
    n_records: int,
    seconds: Fraction,
    remarks: list[edfio.EdfAnnotation],
) -> tuple[edfio.EdfSignal, tuple[bytes, bytes]]:
    """Return the signal, and its physical range as the header writes it."""
    import edfio

    missing = np.zeros(len(digital), np.bool_)
    if channel.missing is not None:
        missing = digital == channel.missing
    narrow, scale, offset, digital_range = _narrowed(channel, digital, missing)
    nothing = _nearest_to_zero(scale, offset, digital_range)
    samples = np.full(per_record * n_records, nothing, np.int16)
    samples[: len(narrow)][~missing] = narrow[~missing]
    for first, last in _stretches(missing, len(samples)):
        remarks.append(
            edfio.EdfAnnotation(
                first / channel.rate,
                (last - first) / channel.rate,
                f"no samples@@{_label(channel.label)}",
            )
        )
    ends = [value * scale + offset for value in digital_range]
    unit = _fitting(channel.unit, max(map(abs, ends)))
    if unit != channel.unit:
        ends = [end * channel.unit.factor_to(unit) for end in ends]
    low, high = (_eight_characters(channel.label, end) for end in ends)
    signal = edfio.EdfSignal.from_digital(
        samples,
        float(per_record / seconds),
        label=_label(channel.label),
        physical_dimension="" if unit == ARBITRARY else _ascii(unit.symbol, 8),
        digital_range=digital_range,
        prefiltering=_ascii(channel.prefiltering, _LONGEST_FIELD),
    )
    return signal, (low, high)


def _fitting(unit: Unit, largest: float) -> Unit:
    """Return the unit in which eight characters tell values up to `largest` well."""
    if unit.volts is None or 0.1 <= largest < 1e6:
        return unit
    sizes = {other: largest * unit.factor_to(other) for other in _VOLTAGES}
    return next((other for other, size in sizes.items() if 1 <= size < 1e6), unit)


def _eight_characters(label: str, value: float) -> bytes:
    for decimals in range(6, -1, -1):
        text = f"{value:.{decimals}f}"
        if len(text) <= 8:
            return text.encode().ljust(8)
    raise ValueError(f"{label}: {value:g} does not fit the header of an EDF file")


def _narrowed(
    channel: Channel, digital: NDArray[np.signedinteger], missing: NDArray[np.bool_]
) -> tuple[NDArray[np.signedinteger], float, float, tuple[int, int]]:
    """Return samples that fit 16 bits, with their scale, offset and range."""
    present = digital[~missing]
    least, greatest = channel.digital_min, channel.digital_max
    if len(present):
        least, greatest = min(least, int(present.min())), max(greatest, int(present.max()))
    if least >= _LEAST and greatest <= _GREATEST:
        return digital, channel.scale, channel.offset, (least, greatest)
    if len(present):
        least, greatest = int(present.min()), int(present.max())
    middle = (least + greatest) // 2
    step = max(1.0, (greatest - least) / (_GREATEST - _LEAST - 2))
    narrow = np.rint((digital.astype(np.float64) - middle) / step).clip(_LEAST, _GREATEST)
    offset = channel.offset + middle * channel.scale
    return narrow.astype(np.int16), channel.scale * step, offset, (_LEAST, _GREATEST)


def _nearest_to_zero(scale: float, offset: float, digital_range: tuple[int, int]) -> int:
    return min(max(round(-offset / scale), digital_range[0]), digital_range[1])


def _stretches(missing: NDArray[np.bool_], length: int) -> list[tuple[int, int]]:
    """Return (first, behind the last) of what is missing, up to `length` samples."""
    padded = np.ones(length + 2, np.bool_)
    padded[1 : len(missing) + 1] = missing
    padded[0] = padded[-1] = False
    edges = np.flatnonzero(np.diff(padded)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _annotation(annotation: Annotation) -> edfio.EdfAnnotation:
    import edfio

    text = f"{annotation.text} {annotation.note}".strip()
    if annotation.channel:
        text += f"@@{_label(annotation.channel)}"
    # the characters that part annotations from each other cannot stand in one
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return edfio.EdfAnnotation(annotation.onset, annotation.duration or None, text)


def _patient(patient: Patient) -> edfio.Patient:
    import edfio

    birth_date: dt.date | None = None
    for form in ("%d-%b-%Y", "%Y-%m-%d"):
        with suppress(ValueError):
            birth_date = datetime.strptime(patient.birth_date, form).date()  # noqa: DTZ007
    sex = cast("Literal['F', 'M', 'X']", patient.sex if patient.sex in {"F", "M"} else "X")
    code, name = _word(patient.code, 20), _word(patient.name, 30)
    taken = len(f"{code} {sex} DD-MMM-YYYY {name} ")
    remarks = _ascii(" ".join(patient.remarks.split()), _LONGEST_FIELD - taken)
    return edfio.Patient(
        code=code, sex=sex, birthdate=birth_date, name=name, additional=remarks.split()
    )


def _label(text: str) -> str:
    label = _ascii(text, 16)
    return "annotations" if label == "EDF Annotations" else label  # that one is taken


def _word(text: str, length: int) -> str:
    return _ascii("_".join(text.split()), length) or "X"


def _ascii(text: str, length: int) -> str:
    plain = unicodedata.normalize("NFKD", text.replace("µ", "u"))
    letters = (letter for letter in plain if not unicodedata.combining(letter))
    kept = (letter if letter.isascii() and letter.isprintable() else "?" for letter in letters)
    return "".join(kept)[:length].strip()
