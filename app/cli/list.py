"""``tracekeep list``: what is in the vault."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import (
    Access,
    JsonOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    UserOption,
    VaultOption,
)
from app.cli.output import note, printable, say_json, say_table
from app.cli.words import moment, patient_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.vault import StoredRecording

_MOST_FOUND = 50
_TITLES = (
    "ID",
    "RECORDING",
    "PATIENT",
    "RECORDED",
    "LENGTH",
    "BEATS",
    "QUALITY",
    "WEIGHTIEST FINDINGS",
)


def list_recordings(
    *,
    search: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS",
            help="Only those that have all these words, or beginnings of words: in the name of the "
            "recording, the patient's name, code or birth date, or in what was found.",
        ),
    ] = None,
    newest: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="No more than these (default: all, 50 of a search)."),
    ] = None,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """List the recordings in the vault, newest first. Patients are named.

    With --json: [{"id", "name", "format", "input_sha256", "added_at", "start", "duration_s",
    "n_channels", "patient", "headline"}].
    """
    with Access(
        vault, passphrase_file, passphrase_command, recovery_key_file, user
    ).open() as opened:
        if search is None:
            recordings = opened.recordings(newest or -1)
        else:
            recordings = opened.search(search, newest or _MOST_FOUND)
    if json:
        say_json([facts(recording) for recording in recordings])
        return
    if not recordings and search is not None:
        note("No recording in the vault has all these words.")
        return
    if not recordings:
        note("The vault is empty. Put recordings into it with: tracekeep analyze PATH...")
        return

    from app.wording import duration, weightiest

    # Ten thousand rows take Rich five seconds, which only a terminal's width is worth.
    say_rows = say_table if sys.stdout.isatty() else _say_plainly
    say_rows(
        _TITLES,
        [
            [
                recording.id[:8],
                recording.name,
                patient_name(recording.patient),
                moment(recording.start),
                duration(recording.duration_s),
                f"{sum(recording.headline['beats'].values()):,}",
                _quality(recording.headline),
                weightiest(recording.headline, most=3),
            ]
            for recording in recordings
        ],
    )


def _quality(headline: dict[str, Any]) -> str:
    unreadable = headline["measurements"].get("unreadable")
    if unreadable is None:
        return "not known"
    if unreadable == 0:
        return "all readable"
    return f"{max(1, round(unreadable))} % unreadable"


def _say_plainly(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows below their titles in columns that are as wide as they need to be."""
    from rich.cells import cell_len

    table = [titles, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        print("  ".join(cells).rstrip())


def facts(recording: StoredRecording) -> dict[str, Any]:
    """Return what the vault lists about a recording, as JSON values."""
    start = recording.start.isoformat() if recording.start else None
    return {**asdict(recording), "start": start}
