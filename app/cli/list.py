"""``tracekeep list``: what is in the vault."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.cli.options import (
    Access,
    JsonOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    VaultOption,
)
from app.cli.output import note, say_json, say_table
from app.cli.words import moment, patient_name

if TYPE_CHECKING:
    from app.vault import StoredRecording


def list_recordings(
    *,
    vault: VaultOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """List the recordings in the vault, newest first. Patients are named.

    With --json: [{"id", "name", "format", "input_sha256", "added_at", "start", "duration_s",
    "n_channels", "patient", "headline"}].
    """
    with Access(vault, passphrase_file, passphrase_command, recovery_key_file).open() as opened:
        recordings = opened.recordings()
    if json:
        say_json([facts(recording) for recording in recordings])
        return
    if not recordings:
        note("The vault is empty. Put recordings into it with: tracekeep analyze PATH...")
        return

    from app.wording import duration, weightiest

    say_table(
        ["ID", "RECORDING", "PATIENT", "RECORDED", "LENGTH", "BEATS", "WEIGHTIEST FINDINGS"],
        [
            [
                recording.id[:8],
                recording.name,
                patient_name(recording.patient),
                moment(recording.start),
                duration(recording.duration_s),
                f"{sum(recording.headline['beats'].values()):,}",
                weightiest(recording.headline, most=3),
            ]
            for recording in recordings
        ],
    )


def facts(recording: StoredRecording) -> dict[str, Any]:
    """Return what the vault lists about a recording, as JSON values."""
    start = recording.start.isoformat() if recording.start else None
    return {**asdict(recording), "start": start}
