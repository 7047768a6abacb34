"""What the vault costs: a day of ECG written and read, beside plain files; and many results asked.

    python benchmarks/vault.py [--leads 3] [--results 100000]

The first table: MB/s of writing (in the folder for temporary files, with fsync) and of reading a
24-hour recording at 250 Hz, the time of any 10-s window of all leads, and of unlocking; beside them
the rate of the cipher alone. Every figure is of one core; the file cache is warm, as after writing.
MB are 10^6 bytes of 16-bit samples.

The second: a vault with the results of as many made-up patients, without samples. How long a page
of the list takes, a recording by its id, and a search, through the vault as the program does it;
and how many transactions it takes a second, each down to the disk and in the log.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.report import Beats, Lead, Provenance, Report, Subject, Windows
from app.vault import Vault
from signals.recording import MILLIVOLT, ArrayRecording, Channel, ChannelKind

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 250
SAMPLES = 24 * 3600 * RATE
WINDOW = 10 * RATE
BLOCK = 1 << 20
_PASSPHRASE = "benchmark passphrase"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--leads", type=int, default=3, metavar="N")
    parser.add_argument("--results", type=int, default=100_000, metavar="N")
    options = parser.parse_args()
    leads = options.leads
    recording = _day(leads)
    megabytes = leads * SAMPLES * 2 / 1e6
    print(f"24 h × {leads} leads × {RATE} Hz: {megabytes:.0f} MB of samples\n")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        plain_write, plain_read, plain_windows = _plain(recording, root / "plain.dat")
        vault_write, vault_read, vault_windows, unlock = _vault(recording, root / "day.vault")
    raw = _raw_cipher()
    print(f"{'':34}{'vault':>12}{'plain file':>12}{'AES-256-GCM':>13}")
    ours, theirs = megabytes / vault_write, megabytes / plain_write
    print(f"{'write, MB/s':34}{ours:12.0f}{theirs:12.0f}{raw:13.0f}")
    ours, theirs = megabytes / vault_read, megabytes / plain_read
    print(f"{'read in 60-s blocks, MB/s':34}{ours:12.0f}{theirs:12.0f}")
    for share in (50, 99):
        name = f"random 10-s window, p{share}, ms"
        ours, theirs = (np.percentile(w, share) * 1e3 for w in (vault_windows, plain_windows))
        print(f"{name:34}{ours:12.3f}{theirs:12.3f}")
    print(f"{'unlock with passphrase, ms':34}{unlock * 1e3:12.0f}")
    with tempfile.TemporaryDirectory() as folder:
        _many(Path(folder) / "many.vault", options.results)


def _day(leads: int) -> ArrayRecording:
    channels = tuple(
        Channel(f"lead {lead}", ChannelKind.ECG, RATE, SAMPLES, MILLIVOLT, 0.005, 0, -2048, 2047)
        for lead in range(leads)
    )
    random = np.random.default_rng(0)
    samples = [random.integers(-2048, 2048, SAMPLES, np.int16) for _ in channels]
    return ArrayRecording(samples, format="EDF", name="day", channels=channels)


def _report(recording: ArrayRecording) -> Report:
    """Return a report with a beat a second."""
    beats = np.arange(0, SAMPLES, RATE)
    return Report(
        subject=Subject("day", "EDF", recording.duration, None, (Lead("lead 0", RATE),), ()),
        provenance=Provenance("benchmark", "", "0" * 64, "", "", ""),
        beats=Beats(RATE, beats, np.zeros(len(beats), np.int8), np.full(len(beats), 99, np.uint8)),
        windows=Windows(10.0, (60.0,) * 8640, (0,) * 8640, ("G" * 8640,)),
        findings=(),
        measurements=(),
    )


def _plain(recording: ArrayRecording, path: Path) -> tuple[float, float, list[float]]:
    """Time the same with samples interleaved in a plain file, as WFDB and EDF records lie."""
    every = list(range(len(recording.channels)))

    def write() -> None:
        with path.open("wb") as file:
            for start in range(0, SAMPLES, BLOCK):
                block = recording.read_digital(every, start, min(start + BLOCK, SAMPLES))
                file.write(np.ascontiguousarray(block.T).tobytes())
            file.flush()
            os.fsync(file.fileno())

    frame = 2 * len(every)

    def read(start: int, stop: int) -> None:
        with path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), (stop - start) * frame, start * frame)
        np.ascontiguousarray(np.frombuffer(data, np.int16).reshape(-1, len(every)).T)

    return _timed(write), _timed(lambda: _read_all(read)), _windows(read)


def _vault(recording: ArrayRecording, path: Path) -> tuple[float, float, list[float], float]:
    vault, _ = Vault.create(path, _PASSPHRASE)
    every = list(range(len(recording.channels)))
    report = _report(recording)
    with vault:
        intake = vault.intake()
        write = _timed(lambda: vault.commit(intake.store(recording, report)))
        with vault.waveform(intake.recording_id) as stored:

            def read(start: int, stop: int) -> None:
                stored.read_digital(every, start, stop)

            reading, windows = _timed(lambda: _read_all(read)), _windows(read)
    unlocks = [_timed(lambda: Vault.open(path, _PASSPHRASE).close()) for _ in range(5)]
    return write, reading, windows, min(unlocks)


def _read_all(read: Callable[[int, int], None]) -> None:
    step = 60 * RATE
    for start in range(0, SAMPLES, step):
        read(start, min(start + step, SAMPLES))


def _windows(read: Callable[[int, int], None]) -> list[float]:
    starts = np.random.default_rng(1).integers(0, SAMPLES - WINDOW, 2000).tolist()
    return [_timed(lambda start=start: read(start, start + WINDOW)) for start in starts]


def _many(path: Path, n: int) -> None:
    vault, _ = Vault.create(path, _PASSPHRASE)
    chance = random.Random(0)
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    names = ["".join(chance.choices(syllables, k=3)).title() for _ in range(3000)]
    with vault:
        ids = _fill(vault, n, names, chance)
        print(f"\n{n:,} results, index of {(path / 'index.db').stat().st_size / 1e6:.0f} MB")
        print(f"{'':34}{'p50, ms':>12}{'p99, ms':>12}")
        asked: dict[str, Callable[[], object]] = {
            "newest 100": lambda: vault.recordings(100),
            "by id": lambda: vault.recording(chance.choice(ids)[:12]),
            "search a patient's code": lambda: vault.search(f"P{chance.randrange(n):07d}"),
            "search a name": lambda: vault.search(chance.choice(names)),
            "search the beginning of a name": lambda: vault.search(chance.choice(names)[:4]),
            "search a name and a finding": lambda: vault.search(f"{chance.choice(names)} atr fib"),
            "search a finding that many have": lambda: vault.search("atrial fibrillation"),
        }
        for what, ask in asked.items():
            ask()
            times = [_timed(ask) * 1e3 for _ in range(200)]
            print(f"{what:34}{np.percentile(times, 50):12.2f}{np.percentile(times, 99):12.2f}")
        count = 200
        took = _timed(lambda: [vault.log.add("benchmark") for _ in range(count)])
        print(f"{'transactions a second':34}{count / took:12.0f}")


def _fill(vault: Vault, n: int, names: list[str], chance: random.Random) -> list[str]:
    """Write rows straight into the index: to store a million recordings would take a day."""
    kinds = ("atrial_fibrillation", "pause", "ventricular_tachycardia", "bigeminy", "tachycardia")
    ids = [secrets.token_hex(16) for _ in range(n)]
    with vault._index._writing() as connection:
        for i, id_ in enumerate(ids):
            born = f"19{chance.randrange(20, 99)}-{chance.randrange(1, 13):02d}-17"
            name = f"{chance.choice(names)} {chance.choice(names)}"
            patient = (f"{i:032x}", name, f"P{i:07d}", "F", born, "")
            headline = {
                "beats": {"N": 2000, "S": 2, "V": 3, "F": 0, "Q": 0},
                "findings": {kind: 1 for kind in kinds if chance.random() < 0.2},
                "measurements": {"mean_heart_rate": 70.1, "unreadable": 0.5},
                "duration_s": 1800.0,
            }
            at = f"{2031 + i // 300_000}-01-01T00:00:00.{i:07d}"
            row = (id_, f"{i:032x}", f"record-{i}", "EDF+", secrets.token_hex(32), at, None)
            connection.execute("INSERT INTO patient VALUES (?, ?, ?, ?, ?, ?)", patient)
            connection.execute(
                "INSERT INTO recording VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, 1800.0, 2, json.dumps(headline)),
            )
    return ids


def _raw_cipher() -> float:
    """Return MB/s of the cipher alone, 16 KiB at a time."""
    cipher, chunk, count = AESGCM(bytes(32)), bytes(16384), 20000

    def encrypt() -> None:
        for _ in range(count):
            cipher.encrypt(bytes(12), chunk, None)

    return count * len(chunk) / _timed(encrypt) / 1e6


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
