"""A recording that is open for reading: its samples, what was found in it, what it looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from app.drawing.scene import BeatMarks, FindingMarks, Stretch
from app.report import QUALITY_LETTERS
from signals.recording import ChannelKind

if TYPE_CHECKING:
    from app.report import Report
    from app.vault import StoredRecording, Vault
    from signals.envelope import Envelope
    from signals.recording import Recording

_UNREADABLE = frozenset(
    letter for quality, letter in QUALITY_LETTERS.items() if not quality.readable
)


@dataclass(frozen=True, slots=True, eq=False)
class OpenRecording:
    """What the reading view shows; close it.

    Parameters
    ----------
    stored : StoredRecording
        As the vault lists it.
    recording : Recording
        Open.
    report : Report
        What was found.
    envelopes : tuple of Envelope
        One a channel.
    beats : BeatMarks
        Of the report.
    findings : FindingMarks
        Of the report.
    """

    stored: StoredRecording
    recording: Recording
    report: Report
    envelopes: tuple[Envelope, ...]
    beats: BeatMarks
    findings: FindingMarks

    @classmethod
    def read(cls, vault: Vault, recording_id: str) -> Self:
        """Open a recording of a vault; raises VaultError."""
        report = vault.report(recording_id)
        return cls(
            stored=vault.recording(recording_id),
            recording=vault.waveform(recording_id),
            report=report,
            envelopes=vault.envelope(recording_id),
            beats=BeatMarks.of(report.beats),
            findings=FindingMarks(report.findings),
        )

    def leads(self) -> list[int]:
        """Return the indices of the channels to show at first: the ECG leads, else all."""
        channels = self.recording.channels
        ecg = [i for i, channel in enumerate(channels) if channel.kind is ChannelKind.ECG]
        return ecg or list(range(len(channels)))

    def unreadable(self, label: str) -> tuple[Stretch, ...]:
        """Return what of a lead cannot be read; nothing where it was not analysed."""
        labels = [lead.label for lead in self.report.subject.leads]
        if label not in labels:
            return ()
        windows = self.report.windows
        stretches: list[Stretch] = []
        for index, letter in enumerate(windows.quality[labels.index(label)]):
            if letter not in _UNREADABLE:
                continue
            onset = index * windows.seconds
            if stretches and stretches[-1].end == onset:
                onset = stretches.pop().onset
            stretches.append(Stretch(onset, (index + 1) * windows.seconds))
        return tuple(stretches)

    def close(self) -> None:
        """Close the recording."""
        self.recording.close()
