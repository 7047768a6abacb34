"""Recordings and reports to store, and the vault that most tests begin from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.report import Beats, Lead, Provenance, Report, Subject, Windows
from app.vault import Vault
from ml.decision import Decision
from ml.personal import Correction, PersonalPattern, ReadBeats
from signals.ecg.beat import BeatClass
from signals.recording import (
    MILLIVOLT,
    Annotation,
    ArrayRecording,
    Channel,
    ChannelKind,
    Patient,
    Recording,
    Unit,
)

if TYPE_CHECKING:
    from app.vault import StoredRecording

PASSPHRASE = "correct horse Zoë"
MARKER = "Xanthippe Quarzuhr"  # a patient's name that nothing else on a disk contains


def make_recording(seed: int = 0, n: int = 20_000) -> ArrayRecording:
    """Return a recording of two ECG leads (16 bits, samples missing) and a slower one (24 bits)."""
    random = np.random.default_rng(seed)
    ecg = [
        Channel(
            label, ChannelKind.ECG, 250.0, n, MILLIVOLT, 0.005, 0.1, -2048, 2047, missing=-32768
        )
        for label in ("MLII", "V5")
    ]
    slow = Channel(
        "Resp", ChannelKind.OTHER, 25.0, n // 10, Unit("Ω"), 1e-3, 0.0, -(2**23), 2**23 - 1,
        prefiltering="HP 0.05 Hz",
    )  # fmt: skip
    samples = [random.integers(-2048, 2048, n).astype(np.int16) for _ in ecg]
    samples[0][100:300] = -32768
    samples.append(random.integers(-(2**23), 2**23, n // 10).astype(np.int32))
    return ArrayRecording(
        samples,
        format="EDF+",
        name=f"record-{seed}",
        channels=(*ecg, slow),
        start=datetime(2031, 5, 17, 8, 30, 0, 250_000),  # noqa: DTZ001 (recorders know no zone)
        patient=Patient(MARKER, f"code-{seed}", "F", "1950-01-02", "remark"),
        annotations=(Annotation(0.5, "N", channel="V5"), Annotation(2.0, "+", 3.0, "(AFIB")),
        repairs=("the header lied about its length",),
    )


def make_report(recording: Recording) -> Report:
    """Return a small report on `recording`."""
    return Report(
        subject=Subject(
            recording.name, recording.format, recording.duration, recording.start,
            (Lead("MLII", 250.0),), recording.repairs,
        ),
        provenance=Provenance("test 1", "2031-05-18", recording.sha256(), (), "r"),
        beats=Beats(
            250.0,
            np.array([100, 300], np.int64),
            np.array([0, 2], np.int8),
            np.array([99, 80], np.uint8),
        ),
        windows=Windows(10.0, (61.5, None), (0, 10), ("gx",)),
        findings=(),
        measurements=(),
    )  # fmt: skip


def make_pattern(*recordings: Recording) -> PersonalPattern:
    """Return what a reader's marks in some recordings teach: of a beat and a family in each."""
    random = np.random.default_rng(0)
    pattern, n = PersonalPattern("ab" * 32), 20
    for recording in recordings:
        beats = ReadBeats(
            recording.sha256(), pattern.model, 250.0, np.arange(n) * 200 + 100,
            random.normal(0, 1, (n, 6)).astype(np.float32),
            random.normal(0, 1, (n, 5)).astype(np.float32),
            np.ones(n, np.int16),
        )  # fmt: skip
        made = datetime(2031, 5, 18, 12, tzinfo=UTC)
        marks = (
            Correction(recording.sha256(), 300, BeatClass.V, made),
            Correction(recording.sha256(), 700, BeatClass.S, made, family=1),
        )
        labels = tuple(beat_class.name for beat_class in BeatClass)
        pattern = pattern.taught(marks, beats, Decision(labels))
    return pattern


def store(vault: Vault, recording: Recording) -> StoredRecording:
    """Take a recording in."""
    return vault.commit(vault.intake().store(recording, make_report(recording)))


def assert_whole(vault: Vault, stored: StoredRecording, original: Recording) -> None:
    """Assert that everything of `original` can be read back."""
    with vault.waveform(stored.id) as read:
        for fact in ("format", "name", "channels", "start", "patient", "annotations", "repairs"):
            assert getattr(read, fact) == getattr(original, fact), fact
        assert read.sha256() == original.sha256()
        for index, channel in enumerate(original.channels):
            np.testing.assert_array_equal(
                read.read_digital([index], 0, channel.n_samples),
                original.read_digital([index], 0, channel.n_samples),
            )
    assert vault.report(stored.id) == make_report(original)
    for index, envelope in enumerate(vault.envelope(stored.id)):
        channel = original.channels[index]
        samples = original.read_digital([index], 0, channel.n_samples)[0]
        there = samples[samples != channel.missing] if channel.missing is not None else samples
        assert (envelope.minima.min(), envelope.maxima.max()) == (there.min(), there.max())


@dataclass(frozen=True)
class Filled:
    """A closed vault with two recordings, to be copied and mistreated."""

    path: Path
    recovery_key: str
    recordings: tuple[ArrayRecording, ...]

    def copy(self, to: Path) -> Path:
        """Return the path of a copy in the folder `to`."""
        shutil.rmtree(to / "copy.vault", ignore_errors=True)
        return shutil.copytree(self.path, to / "copy.vault")

    def open(self, path: Path) -> Vault:
        """Open a copy with the recovery key, which needs no Argon2id."""
        return Vault.open_with_recovery_key(path, self.recovery_key)


ZOES = "nine fleas on a dog"  # her passphrase in vault-2
OLD_KEYS = {
    "vault-1": "WHGRFVQK-ZZXC101K-T2Z1RGWZ-XS7ND7V8-AVEA7RER-5MZY2WDJ-14VT3K43-69GC0MSP",
    "vault-2": "3N4J95CQ-SC76Q334-ND74AZJJ-EW5BXZ7J-KSW1C52S-P09S0FFX-9C80C4RY-95R7MQ5C",
}


def old_vault(name: str, to: Path) -> Filled:
    """Return a copy of a vault that an older program made.

    ``vault-1`` holds ``make_recording(n, 100)`` for n from 1 to 5; of 2 and 3 the file told no
    patient, and 4 and 5 are both of "Anonymous" with the code "0000". ``vault-2`` holds the same
    recordings, of five patients, a pattern for the first, and a second user, "Zoë"; its vault key
    was replaced once.
    """
    path = shutil.copytree(Path(__file__).with_name("fixtures") / name, to / name)
    return Filled(path, OLD_KEYS[name], tuple(make_recording(n, 100) for n in range(1, 6)))


def fill(path: Path, n: int = 20_000) -> Filled:
    """Make the vault, with recordings of `n` samples."""
    vault, recovery_key = Vault.create(path, PASSPHRASE)
    recordings = (make_recording(1, n), make_recording(2, n))
    with vault:
        for recording in recordings:
            store(vault, recording)
    return Filled(path, recovery_key, recordings)
