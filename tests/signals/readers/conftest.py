"""Files that the tests of the readers make for themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from signals.readers import open_recording
from signals.recording import Recording


def _field(value: object, width: int) -> bytes:
    raw = value if isinstance(value, bytes) else str(value).encode()
    return raw.ljust(width)[:width]


def _edf(
    *,
    records: int = 4,
    samples: tuple[int, ...] = (10, 5),
    labels: tuple[object, ...] = ("ECG", "EEG Fp1"),
    tals: tuple[bytes, ...] | None = None,
    bdf: bool = False,
    **fields: object,
) -> bytes:
    """Return an EDF file whose sample k of signal i is 100 i + k; `fields` replace header fields.

    Fields of one value each: version, patient, recording, date, time, size, kind, count, seconds,
    signals. Fields of one for each signal: unit, physical_min, physical_max, digital_min,
    digital_max, per_record.
    """
    width = 3 if bdf else 2
    family = "BDF" if bdf else "EDF"
    half = 1 << (8 * width - 1)
    labels = list(labels)
    per_record = list(samples)
    if tals is not None:
        labels.append(f"{family} Annotations")
        per_record.append(30)
    n = len(labels)
    header = b"".join(
        [
            _field(fields.get("version", b"\xffBIOSEMI" if bdf else "0"), 8),
            _field(fields.get("patient", "X X X X"), 80),
            _field(fields.get("recording", "Startdate 02-MAR-2020 X X X"), 80),
            _field(fields.get("date", "02.03.20"), 8),
            _field(fields.get("time", "10.20.30"), 8),
            _field(fields.get("size", 256 * (n + 1)), 8),
            _field(fields.get("kind", f"{family}+C" if tals else ""), 44),
            _field(fields.get("count", records), 8),
            _field(fields.get("seconds", 1), 8),
            _field(fields.get("signals", n), 4),
        ]
    )
    for name, default, length in [
        ("labels", labels, 16),
        ("transducer", [""] * n, 80),
        ("unit", ["uV"] * n, 8),
        ("physical_min", [-100] * n, 8),
        ("physical_max", [100] * n, 8),
        ("digital_min", [-half] * n, 8),
        ("digital_max", [half - 1] * n, 8),
        ("prefiltering", ["HP:0.1Hz"] * n, 80),
        ("per_record", per_record, 8),
        ("reserved", [""] * n, 32),
    ]:
        header += b"".join(_field(value, length) for value in fields.get(name, default))
    body = b""
    for record in range(records):
        for index, count in enumerate(samples):
            values = np.arange(record * count, (record + 1) * count, dtype="<i4") + 100 * index
            body += values.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
        if tals is not None:
            body += tals[record].ljust(30 * width, b"\0")
    return header + body


@pytest.fixture(scope="session")
def make_edf() -> Callable[..., bytes]:
    return _edf


@pytest.fixture
def opened_record(tmp_path: Path) -> Callable[..., Recording]:
    """Open a record of one header line a string, and a signal file ``r.dat``."""

    def opened_record(*lines: str, data: bytes = bytes(400)) -> Recording:
        (tmp_path / "r.dat").write_bytes(data)
        header = tmp_path / "r.hea"
        header.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return open_recording(header)

    return opened_record
