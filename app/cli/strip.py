"""``tracekeep strip``: a piece of a recording on ECG paper, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.exits import CommandError
from app.cli.options import (
    Access,
    IdArgument,
    JsonOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    UserOption,
    VaultOption,
)
from app.cli.output import note, say_json
from app.cli.words import parse_clock

if TYPE_CHECKING:
    from app.report import Report

_BEFORE_S = 2.0


def strip(
    recording_id: IdArgument,
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", readable=False, help="The PNG to write.")
    ],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="H:MM:SS",
            show_default="the first finding",
            help="Where the strip begins, from the start of the recording.",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1.0, max=60.0, help="How long it is.")] = 10.0,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Draw a strip of a recording on ECG paper, 25 mm/s and 10 mm/mV. It does not name the patient.

    With --json: {"id", "at_s", "seconds", "out"}.
    """
    if out.suffix.lower() != ".png":
        raise typer.BadParameter(f"{out} does not end in .png", param_hint="--out")
    begins = None if at is None else parse_clock(at)
    try:
        from app.drawing.strip import StripError, save_strip
    except ImportError as error:
        raise CommandError(
            f"drawing needs PySide6 and the libraries it stands on ({error}): "
            "pip install 'tracekeep[desktop]'; on Debian also scripts/system-packages"
        ) from error
    from app.wording import clock

    with Access(
        vault, passphrase_file, passphrase_command, recovery_key_file, user
    ).open() as opened:
        recording = opened.recording(recording_id)
        report = opened.report(recording.id)
        if begins is None:
            begins = _first_finding(report)
        if begins >= recording.duration_s:
            raise typer.BadParameter(
                f"the recording ends at {clock(recording.duration_s)}", param_hint="--at"
            )
        leads = [lead.label for lead in report.subject.leads]
        title = f"{recording.name}   {clock(begins)}   {', '.join(leads)}"
        opened.note_export(recording.id, "png")
        with opened.waveform(recording.id) as waveform:
            try:
                save_strip(out, waveform, leads, begins, seconds, report.beats, title)
            except StripError as error:
                raise CommandError(str(error)) from error
    if json:
        say_json({"id": recording.id, "at_s": begins, "seconds": seconds, "out": str(out)})
    else:
        note(f"{out}: written. It is not encrypted.")


def _first_finding(report: Report) -> float:
    onset = min((finding.onset for finding in report.findings), default=0.0)
    return max(0.0, onset - _BEFORE_S)
