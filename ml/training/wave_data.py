"""The development recordings as strips with the extent of their waves, and the folds by patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.tasks.wave_strips import GRID_RATE, STRIP_POINTS, WaveStrips
from signals.ecg.beat import beat_class_of
from signals.ecg.ec57.waves import annotated_waves
from signals.ecg.qrs import QrsDetector
from signals.readers import open_recording, read_annotations
from signals.recording import MILLIVOLT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

LUDB_LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
SEGMENTS = ("P", "QRS", "T")
_KINDS = {"p": 0, "t": 2}
_BLOCK_S = 60.0
_BREAK_S = 2.0
P_MIDDLE_S = 0.18
"""Around where a P wave that conducts is to be expected, seconds before the R peak."""
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
    """

    name: str
    rate: float
    samples: NDArray[np.float32]
    peaks: NDArray[np.int64]
    waves: tuple[tuple[Extent, ...], ...]
    marks: tuple[dict[str, NDArray[np.float64]], ...] = ()
    no_p: tuple[tuple[int, int], ...] = ()
    sinus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Examples:
    """What the network is trained on; first axis: strips of one lead.

    Parameters
    ----------
    level, marks : numpy.ndarray, shape (n, STRIP_POINTS), float16
        As of :class:`ml.tasks.wave_strips.Strips`.
    inside : numpy.ndarray, shape (n, STRIP_POINTS, 3), uint8
        How much of each point lies in a P, QRS, T: 0 to 200.
    known : numpy.ndarray, shape (n, STRIP_POINTS, 3), bool
        Where that was marked.
    sinus : numpy.ndarray, shape (n, STRIP_POINTS), bool
        The middle of where a P wave is known to be, somewhere.
    records : numpy.ndarray of str
        Where each is from.
    """

    level: NDArray[np.float16]
    marks: NDArray[np.float16]
    inside: NDArray[np.uint8]
    known: NDArray[np.bool_]
    sinus: NDArray[np.bool_]
    records: NDArray[np.str_]

    @classmethod
    def of(cls, parts: Sequence[Examples]) -> Examples:
        """Return all `parts` as one."""
        return cls(
            np.concatenate([part.level for part in parts]),
            np.concatenate([part.marks for part in parts]),
            np.concatenate([part.inside for part in parts]),
            np.concatenate([part.known for part in parts]),
            np.concatenate([part.sinus for part in parts]),
            np.concatenate([part.records for part in parts]),
        )

    def only(self, chosen: NDArray[np.bool_]) -> Examples:
        """Return the chosen ones."""
        return Examples(
            self.level[chosen],
            self.marks[chosen],
            self.inside[chosen],
            self.known[chosen],
            self.sinus[chosen],
            self.records[chosen],
        )


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
    step = round(_BLOCK_S * rate)
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
        marks=tuple(annotated_waves(lead, rate) for lead in found),
    )


def read_qtdb(data: Path, record: str) -> Source:
    """Read a record of qtdb, both leads with the marks of the first reader."""
    rate, samples, peaks = read_samples(data / f"qtdb/{record}.hea")
    found = read_annotations(data / f"qtdb/{record}.hea", "q1c").found
    n = len(samples)
    waves, marks = parse(found), annotated_waves(found, rate)
    return Source(f"qtdb/{record}", rate, samples, peaks, (waves,) * n, (marks,) * n)


def read_strip(data: Path, record: str, *, fibrillates: bool) -> Source:
    """Read a record of cinc2017 that was called fibrillation, or sinus rhythm, throughout."""
    rate, samples, peaks = read_samples(data / f"cinc2017/{record}.hea")
    name = f"cinc2017/{record}"
    if fibrillates:
        return Source(name, rate, samples, peaks, ((),), no_p=((0, samples.shape[1]),))
    return Source(name, rate, samples, peaks, ((),), sinus=_regular(peaks))


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
    waves = ((),) * len(samples)
    return Source(
        f"mitdb/{record}", rate, samples, peaks, waves, no_p=tuple(no_p), sinus=tuple(sinus)
    )


def _regular(peaks: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the peaks that neither came early nor late: beats of the usual rhythm."""
    if len(peaks) < 3:
        return ()
    rr = np.diff(peaks)
    usual = (rr > _REGULAR[0] * np.median(rr)) & (rr < _REGULAR[1] * np.median(rr))
    return tuple(peaks[1:][usual].tolist())


def examples_of(source: Source, most_strips: int | None = None) -> Examples:
    """Return the strips of a recording that know something."""
    strips = WaveStrips(source.rate, len(source.samples))
    strips.push(source.samples, source.peaks)
    strips.finish()
    to_grid = strips.grid_rate / source.rate
    parts = []
    while (cut := strips.take()) is not None:
        for row, first in enumerate(cut.first.tolist()):
            for lead, waves in enumerate(source.waves):
                if not cut.votes[row, lead].any():
                    continue
                inside, known = _targets(waves, source, to_grid, first)
                sinus = _sinus(source, to_grid, first)
                if known.any() or sinus.any():
                    parts.append((cut.level[row, lead], cut.marks[row], inside, known, sinus))
    if most_strips is not None and len(parts) > most_strips:
        step = len(parts) / most_strips
        parts = [parts[int((i + 0.5) * step)] for i in range(most_strips)]
    if not parts:
        return _nothing()
    level, marks, inside, known, sinus = (np.stack(column) for column in zip(*parts, strict=True))
    return Examples(
        np.clip(level, -30, 30).astype(np.float16),
        marks.astype(np.float16),
        inside,
        known,
        sinus,
        np.full(len(level), source.name),
    )


def _nothing() -> Examples:
    return Examples(
        np.zeros((0, STRIP_POINTS), np.float16),
        np.zeros((0, STRIP_POINTS), np.float16),
        np.zeros((0, STRIP_POINTS, 3), np.uint8),
        np.zeros((0, STRIP_POINTS, 3), np.bool_),
        np.zeros((0, STRIP_POINTS), np.bool_),
        np.zeros(0, np.str_),
    )


def _sinus(source: Source, to_grid: float, first: int) -> NDArray[np.bool_]:
    middle = np.zeros(STRIP_POINTS, np.bool_)
    at = np.array(source.sinus, np.float64) * to_grid - P_MIDDLE_S * GRID_RATE - first
    index = np.rint(at).astype(np.int64)
    middle[index[(index >= 0) & (index < STRIP_POINTS)]] = True
    return middle


def _targets(
    waves: Sequence[Extent], source: Source, to_grid: float, first: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    at = np.arange(STRIP_POINTS)
    inside = np.zeros((STRIP_POINTS, 3), np.float64)
    known = np.zeros((STRIP_POINTS, 3), np.bool_)
    for start, end in source.no_p:
        known[:, 0] |= (at + first >= start * to_grid) & (at + first < end * to_grid)
    for run in _runs(waves, source.rate):
        edges = [edge for wave in run for edge in (wave.onset, wave.peak, wave.offset)]
        low, high = np.nanmin(edges) * to_grid - first, np.nanmax(edges) * to_grid - first
        known[(at > low - 1) & (at < high + 1)] = True
    for wave in waves:
        onset, peak, offset = (
            edge * to_grid - first for edge in (wave.onset, wave.peak, wave.offset)
        )
        if offset < -STRIP_POINTS or peak > 2 * STRIP_POINTS:
            continue
        if np.isnan(onset):
            # from the QRS to a T peak nothing is known of the T where its onset was not marked
            before = (at < peak) & (at > peak - 0.4 * GRID_RATE)
            known[before, wave.kind] = False
            onset = peak
        cover = np.minimum(at + 0.5, offset) - np.maximum(at - 0.5, onset)
        inside[:, wave.kind] = np.maximum(inside[:, wave.kind], np.clip(cover, 0, 1))
    return np.rint(200 * inside).astype(np.uint8), known


def _runs(waves: Sequence[Extent], rate: float) -> Iterator[list[Extent]]:
    """Split where a reader left beats out: more than two seconds without a QRS."""
    run: list[Extent] = []
    last = -np.inf
    for wave in waves:
        if run and wave.peak - last > _BREAK_S * rate:
            yield run
            run = []
        run.append(wave)
        last = wave.peak
    if run:
        yield run


def split(records: Iterable[str], folds: int, seed: int) -> list[list[str]]:
    """Deal records into folds, each database evenly; records of one patient go together.

    Parameters
    ----------
    records : iterable of str
        ``qtdb/sel102``; numbers after ``sel`` are those of mitdb and svdb records.
    folds : int
        How many.
    seed : int
        Of the shuffle.
    """
    patients: dict[str, list[str]] = {}
    for name in sorted(records):
        patients.setdefault(patient_of(name), []).append(name)
    rng = np.random.default_rng(seed)
    dealt: list[list[str]] = [[] for _ in range(folds)]
    position = 0
    groups = sorted({patient.partition("/")[0] for patient in patients})
    for group in groups:
        members = [patient for patient in sorted(patients) if patient.startswith(f"{group}/")]
        for index in rng.permutation(len(members)):
            dealt[position % folds] += patients[members[index]]
            position += 1
    return [sorted(fold) for fold in dealt]


def patient_of(record: str) -> str:
    """Return a name that is the same for excerpts of the same recording."""
    database, _, name = record.partition("/")
    number = name.removeprefix("sel")
    if database in ("qtdb", "mitdb") and number.isdigit() and len(number) == 3:
        return f"mitdb/{number}"
    return record
