"""The development recordings with the waves that readers marked, or what is known of P waves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.tasks.rhythm import Rhythm
from ml.tasks.wave_strips import MARGIN_POINTS, WaveStrips
from ml.training.rhythm.data import REFERENCE, references
from signals.ecg.beat import beat_class_of
from signals.ecg.ec57.waves import annotated_waves
from signals.ecg.qrs import QrsDetector
from signals.readers import open_recording, read_annotations
from signals.recording import MILLIVOLT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DATABASES = ("ludb", "qtdb", "mitdb", "cinc2017", "nstdb")
LUDB_LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
LEAD_II = LUDB_LEADS.index("ii")
BLOCK_S = 60.0
"""What is pushed at a time."""
_STRIPS_OF_CINC = 388
"""Of fibrillation, which is all there are, and as many of sinus rhythm."""
_CHOICE_SEED = 0
_NOISES = ("bw", "ma")
_NOISE_POINTS = 400_000
_KINDS = {"p": 0, "t": 2}
_REGULAR = (0.85, 1.2)


@dataclass(frozen=True, slots=True)
class Extent:
    """A wave as a reader marked it; samples, NaN where that edge was not marked."""

    kind: int
    onset: float
    peak: float
    offset: float


@dataclass(frozen=True, slots=True)
class Source:
    """A recording with its reference waves.

    Parameters
    ----------
    name : str
        ``ludb/1``.
    rate : float
        Hz.
    samples : numpy.ndarray, shape (leads, n), float32
        mV.
    peaks : numpy.ndarray, shape (k,), int64
        R peaks by our own detector.
    waves : tuple of tuple of Extent
        For each lead, in order of time.
    marks : tuple of mapping
        The same for each lead as :func:`signals.ecg.ec57.waves.annotated_waves` gives them.
    no_p : tuple of (int, int)
        Stretches, samples, in which nothing is known but that there are no P waves.
    sinus : tuple of int
        R peaks of which nothing is known but that a P wave is before them, seen in some lead.
    noise : numpy.ndarray, shape (noises, m), float32
        Of electrodes and muscles, on the grid of the network, of unit variance: of others, to be
        added.
    """

    name: str
    rate: float
    samples: NDArray[np.float32]
    peaks: NDArray[np.int64]
    waves: tuple[tuple[Extent, ...], ...]
    noise: NDArray[np.float32]
    marks: tuple[dict[str, NDArray[np.float64]], ...] = ()
    no_p: tuple[tuple[int, int], ...] = ()
    sinus: tuple[int, ...] = ()


def find_records(data: Path) -> list[str]:
    """Return the names of the development records: all that are marked, and some strips.

    Raises
    ------
    FileNotFoundError
        If a database is not there.
    """
    found = {}
    for database in DATABASES:
        found[database] = sorted(path.stem for path in (data / database).glob("*.hea"))
        if not found[database]:
            raise FileNotFoundError(f"{data / database}: no WFDB records (*.hea) are there")
    names = [f"{database}/{name}" for database in DATABASES[:3] for name in found[database]]
    rng = np.random.default_rng(_CHOICE_SEED)
    called = _called(data)
    for rhythm in (Rhythm.FIBRILLATION, Rhythm.SINUS):
        of_rhythm = rng.permutation([name for name in called if called[name] is rhythm])
        names += sorted(of_rhythm[:_STRIPS_OF_CINC].tolist())
    return names


@cache
def _called(data: Path) -> dict[str, Rhythm]:
    return dict(references(data))


def files_of(data: Path, record: str) -> list[Path]:
    """Return what a record is read from, headers of the noises, which hold checksums, included."""
    header = data / f"{record}.hea"
    files = sorted(header.parent.glob(f"{header.stem}.*"))
    if record.startswith("cinc2017/"):
        files.append(data / "cinc2017" / REFERENCE)
    return files + [data / f"nstdb/{name}.hea" for name in _NOISES]


@cache
def read_record(data: Path, record: str) -> Source:
    """Read a record; it is held, being asked for several times.

    Raises
    ------
    RecordingError
        If a file cannot be read.
    """
    database, _, name = record.partition("/")
    match database:
        case "ludb":
            return read_ludb(data, name)
        case "qtdb":
            return read_qtdb(data, name)
        case "mitdb":
            return read_arrhythmia(data, name)
    return read_strip(data, name, fibrillates=_called(data)[record] is Rhythm.FIBRILLATION)


@cache
def read_noise(data: Path) -> NDArray[np.float32]:
    """Return the noises of nstdb on the grid, shape (leads, n), each of unit variance."""
    leads = []
    for name in _NOISES:
        with open_recording(data / f"nstdb/{name}.hea") as recording:
            channels = recording.channels
            samples = recording.read(range(len(channels)), 0, channels[0].n_samples)
        strips = WaveStrips(channels[0].rate, len(channels))
        strips.push(samples.astype(np.float32), np.zeros(0, np.int64))
        strips.finish()
        parts = []
        while (cut := strips.take()) is not None:
            parts += list(cut.level[:, :, MARGIN_POINTS : MARGIN_POINTS + strips.core])
        noise = np.concatenate(parts, axis=1)[:, :_NOISE_POINTS]
        leads.append(noise / noise.std(axis=1, keepdims=True))
    return np.concatenate(leads).astype(np.float32)


def parse(found: Iterable[tuple[int, str, str]]) -> tuple[Extent, ...]:
    """Return the waves of an annotation file: ``( p ) ( N ) ( t )``, brackets where marked."""
    waves: list[Extent] = []
    onset = np.nan
    open_wave: tuple[int, float, float] | None = None
    for tick, symbol, _ in found:
        if symbol == ")" and open_wave is not None:
            waves.append(Extent(*open_wave, float(tick)))
            open_wave = None
            onset = np.nan
            continue
        if symbol == "(":
            onset = float(tick)
        kind = _KINDS.get(symbol, 1 if beat_class_of(symbol) is not None else None)
        if symbol == "u":
            onset, open_wave = np.nan, None
        if kind is not None:
            open_wave = (kind, onset, float(tick))
            onset = np.nan
    return tuple(waves)


def read_samples(header: Path) -> tuple[float, NDArray[np.float32], NDArray[np.int64]]:
    """Return rate, samples in mV and the R peaks of our own detector."""
    with open_recording(header) as recording:
        channels = recording.channels
        rate = channels[0].rate
        factors = [channel.unit.factor_to(MILLIVOLT) for channel in channels]
        samples = recording.read(range(len(channels)), 0, channels[0].n_samples)
        samples *= np.array(factors, np.float32)[:, None]
        rails = [
            (channel.physical_range[0] * factor, channel.physical_range[1] * factor)
            for channel, factor in zip(channels, factors, strict=True)
        ]
    detector = QrsDetector(rate, rails)
    step = round(BLOCK_S * rate)
    peaks = [
        detector.push(samples[:, i : i + step]).peaks for i in range(0, samples.shape[1], step)
    ]
    return rate, samples, np.concatenate([*peaks, detector.finish().peaks])


def read_ludb(data: Path, record: str) -> Source:
    """Read a record of ludb, each lead with its own marks."""
    rate, samples, peaks = read_samples(data / f"ludb/{record}.hea")
    found = [read_annotations(data / f"ludb/{record}.hea", lead).found for lead in LUDB_LEADS]
    return Source(
        f"ludb/{record}",
        rate,
        samples,
        peaks,
        waves=tuple(parse(lead) for lead in found),
        noise=read_noise(data),
        marks=tuple(annotated_waves(lead, rate) for lead in found),
    )


def read_qtdb(data: Path, record: str) -> Source:
    """Read a record of qtdb, both leads with the marks of the first reader."""
    rate, samples, peaks = read_samples(data / f"qtdb/{record}.hea")
    found = read_annotations(data / f"qtdb/{record}.hea", "q1c").found
    n = len(samples)
    waves, marks = parse(found), annotated_waves(found, rate)
    return Source(
        f"qtdb/{record}", rate, samples, peaks, (waves,) * n, read_noise(data), (marks,) * n
    )


def read_strip(data: Path, record: str, *, fibrillates: bool) -> Source:
    """Read a record of cinc2017 that was called fibrillation, or sinus rhythm, throughout."""
    rate, samples, peaks = read_samples(data / f"cinc2017/{record}.hea")
    return Source(
        f"cinc2017/{record}",
        rate,
        samples,
        peaks,
        ((),),
        read_noise(data),
        no_p=((0, samples.shape[1]),) if fibrillates else (),
        sinus=() if fibrillates else _regular(peaks),
    )


def read_arrhythmia(data: Path, record: str) -> Source:
    """Read a record of mitdb with what its rhythm notes say of P waves."""
    rate, samples, peaks = read_samples(data / f"mitdb/{record}.hea")
    found = read_annotations(data / f"mitdb/{record}.hea", "atr").found
    notes = [(tick, note) for tick, symbol, note in found if symbol == "+"]
    ends = [tick for tick, _ in notes[1:]] + [samples.shape[1]]
    no_p, sinus = [], []
    normal = np.array([tick for tick, symbol, _ in found if symbol in "NLR"], np.float64)
    distance = np.abs(peaks[:, None] - normal).min(axis=1, initial=np.inf)
    regular = np.intersect1d(peaks[distance < 0.1 * rate], _regular(peaks))
    for (tick, note), end in zip(notes, ends, strict=True):
        if note.startswith("(AFIB"):
            no_p.append((tick, end))
        elif note == "(N":
            sinus += regular[(regular > tick) & (regular < end)].tolist()
    return Source(
        f"mitdb/{record}",
        rate,
        samples,
        peaks,
        ((),) * len(samples),
        read_noise(data),
        no_p=tuple(no_p),
        sinus=tuple(sinus),
    )


def _regular(peaks: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the peaks that neither came early nor late: beats of the usual rhythm."""
    if len(peaks) < 3:
        return ()
    rr = np.diff(peaks)
    usual = (rr > _REGULAR[0] * np.median(rr)) & (rr < _REGULAR[1] * np.median(rr))
    return tuple(peaks[1:][usual].tolist())


def patient_of(record: str) -> str:
    """Return a name that is the same for excerpts of the same recording."""
    database, _, name = record.partition("/")
    number = name.removeprefix("sel")
    if database in ("qtdb", "mitdb") and number.isdigit() and len(number) == 3:
        return f"mitdb/{number}"
    return record
