"""How well beats are found: our detector beside xqrs of wfdb and NeuroKit2's default.

    python benchmarks/qrs.py [RECORDINGS] [--database mitdb] [--records]

RECORDINGS is the folder that holds ``mitdb/`` (default: TRACEKEEP_DATA). As ANSI/AAMI EC57 asks,
the first five minutes and ventricular flutter do not count and a pair lies within 150 ms; column
"50 ms" counts whole records. Peers get channel 0 in mV, one call a record, with the cleaning that
is their default. CPU seconds are for 30 minutes of signal, one process.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import beat_class_of
from signals.ecg.ec57.beats import (
    EC57_LEARNING,
    BeatComparison,
    BeatCounts,
    compare_beats,
    flutter_stretches,
)
from signals.ecg.qrs import QrsDetector
from signals.readers import open_recording
from signals.recording import MILLIVOLT

BLOCK_SECONDS = 60
CLOSE = 0.050


@dataclass(frozen=True)
class Record:
    """A record with its reference beats; signal in mV, shape (leads, samples)."""

    name: str
    signal: NDArray[np.float32]
    rails: list[tuple[float, float]]
    rate: float
    beats: NDArray[np.int64]
    flutter: list[tuple[int, int]]


@dataclass(frozen=True)
class Score:
    """What one detector did on one record."""

    record: str
    ec57: BeatComparison
    close: BeatCounts
    cpu: float


Detector = Callable[[Record], NDArray[np.int64]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = os.environ.get("TRACEKEEP_DATA", str(Path.home() / ".cache/tracekeep/data"))
    parser.add_argument("recordings", nargs="?", default=default, type=Path)
    parser.add_argument("--database", default="mitdb")
    parser.add_argument("--records", action="store_true", help="print every record")
    options = parser.parse_args()
    headers = sorted((options.recordings / options.database).glob("*.atr"))
    if not headers:
        sys.exit(f"{options.recordings / options.database}: no record with reference beats there")
    records = [load(header.with_suffix(".hea")) for header in headers]
    n_beats = sum(len(record.beats) for record in records)
    print(f"{options.database}: {len(records)} records, {n_beats} reference beats\n")
    print(
        f"{'detector':24}{'Se':>8}{'+P':>8}{'F1':>8}{'50 ms':>8}{'offset ms':>11}{'SD ms':>7}"
        f"{'CPU s':>8}  worst three (F1)"
    )
    for title, find in (
        ("tracekeep, all leads", tracekeep_all),
        ("tracekeep, channel 0", tracekeep_first),
        ("wfdb xqrs", xqrs),
        ("NeuroKit2 default", neurokit),
    ):
        try:
            scores = [score(record, find) for record in records]
        except ModuleNotFoundError as error:
            print(f"{title:24}not run: {error.name} is not installed")
            continue
        print_scores(title, scores)
        if options.records:
            print_records(scores)


def load(header: Path) -> Record:
    with open_recording(header) as recording:
        channels = range(len(recording.channels))
        rate = recording.channels[0].rate
        factors = [channel.unit.factor_to(MILLIVOLT) for channel in recording.channels]
        signal = recording.read(channels, 0, recording.channels[0].n_samples)
        signal *= np.array(factors, np.float32)[:, np.newaxis]
        rails = [
            (channel.physical_range[0] * factor, channel.physical_range[1] * factor)
            for channel, factor in zip(recording.channels, factors, strict=True)
        ]
        samples = np.array([round(note.onset * rate) for note in recording.annotations], np.int64)
        symbols = [note.text for note in recording.annotations]
    is_beat = np.array([beat_class_of(symbol) is not None for symbol in symbols], bool)
    return Record(
        header.stem, signal, rails, rate, samples[is_beat], flutter_stretches(samples, symbols)
    )


def tracekeep_all(record: Record) -> NDArray[np.int64]:
    return _tracekeep(record, len(record.rails))


def tracekeep_first(record: Record) -> NDArray[np.int64]:
    return _tracekeep(record, 1)


def _tracekeep(record: Record, n_leads: int) -> NDArray[np.int64]:
    detector = QrsDetector(record.rate, record.rails[:n_leads])
    signal, step = record.signal[:n_leads], round(BLOCK_SECONDS * record.rate)
    peaks = [detector.push(signal[:, i : i + step]).peaks for i in range(0, signal.shape[1], step)]
    return np.concatenate([*peaks, detector.finish().peaks])


def xqrs(record: Record) -> NDArray[np.int64]:
    from wfdb.processing import XQRS

    detector = XQRS(sig=record.signal[0].astype(np.float64), fs=record.rate)
    detector.detect(verbose=False)
    return np.asarray(detector.qrs_inds, np.int64)


def neurokit(record: Record) -> NDArray[np.int64]:
    import neurokit2

    rate = int(record.rate)
    cleaned = neurokit2.ecg_clean(record.signal[0].astype(np.float64), sampling_rate=rate)
    _, found = neurokit2.ecg_peaks(cleaned, sampling_rate=rate)
    return np.asarray(found["ECG_R_Peaks"], np.int64)


def score(record: Record, find: Detector) -> Score:
    begin = time.process_time()
    peaks = find(record)
    cpu = (time.process_time() - begin) * 1800 * record.rate / record.signal.shape[1]

    def compare(window: float, start: float) -> BeatComparison:
        return compare_beats(
            record.beats, peaks, record.rate, window=window, start=start, excluded=record.flutter
        )

    return Score(record.name, compare(0.150, EC57_LEARNING), compare(CLOSE, 0.0).counts, cpu)


def print_scores(title: str, scores: list[Score]) -> None:
    gross = sum((one.ec57.counts for one in scores), BeatCounts())
    close = sum((one.close for one in scores), BeatCounts())
    offsets = 1000 * np.concatenate([one.ec57.offsets for one in scores])
    worst = sorted(scores, key=lambda one: one.ec57.counts.f1)[:3]
    print(
        f"{title:24}{gross.sensitivity:8.2%}{gross.positive_predictivity:8.2%}{gross.f1:8.2%}"
        f"{close.f1:8.2%}{np.median(offsets):11.1f}{offsets.std():7.1f}"
        f"{np.mean([one.cpu for one in scores]):8.3f}  "
        + ", ".join(f"{one.record} {one.ec57.counts.f1:.2%}" for one in worst),
        flush=True,
    )


def print_records(scores: list[Score]) -> None:
    for one in scores:
        counts = one.ec57.counts
        offset = 1000 * float(np.median(one.ec57.offsets)) if counts.matched else float("nan")
        print(
            f"    {one.record:10} missed {counts.missed:4} extra {counts.extra:4}  "
            f"F1 {counts.f1:.2%}  50 ms {one.close.f1:.2%}  offset {offset:6.1f} ms"
        )


if __name__ == "__main__":
    main()
