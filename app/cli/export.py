"""``tracekeep export``: a report, for other programs."""

from __future__ import annotations

import io
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.corrected import report_of
from app.cli.exits import CommandError
from app.cli.options import (
    Access,
    CorrectedOption,
    IdArgument,
    JsonOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    UserOption,
    VaultOption,
)
from app.cli.output import note, say_json

if TYPE_CHECKING:
    from app.report import Report


class Format(StrEnum):
    """What a report is written as."""

    JSON = "json"
    CSV = "csv"


def export(
    recording_id: IdArgument,
    *,
    format: Annotated[  # noqa: A002 (the word of the command line)
        Format,
        typer.Option(
            "--format",
            help="json: the whole report. csv: a row for each beat (class, family, P wave, PR, "
            "QRS, QT) and each finding (with the rule that made it).",
        ),
    ] = Format.JSON,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            readable=False,
            help="Write there, whole or not at all (default: stdout).",
        ),
    ] = None,
    corrected: CorrectedOption = False,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Write the report of a recording as JSON or CSV. It does not name the patient.

    With --json and --out: {"id", "format", "out"}. With --json and no --out the format is json.
    """
    if json and out is None and format is Format.CSV:
        raise typer.BadParameter("--json and --format csv exclude each other without --out")
    with Access(
        vault, passphrase_file, passphrase_command, recovery_key_file, user
    ).open() as opened:
        recording = opened.recording(recording_id)
        report = report_of(opened, recording, corrected=corrected, quiet=json)
        opened.note_export(recording.id, format.value)
    text = _text(report, format)
    if out is None:
        print(text, end="")
        return
    _write(out, text)
    if json:
        say_json({"id": recording.id, "format": format.value, "out": str(out)})
    else:
        note(f"{out}: written. It is not encrypted.")


def _text(report: Report, format: Format) -> str:  # noqa: A002
    if format is Format.JSON:
        return report.to_json() + "\n"

    from app.interop.csv import write_csv

    buffer = io.StringIO()
    write_csv(report, buffer)
    return buffer.getvalue()


def _write(path: Path, text: str) -> None:
    """Write a file for its owner alone, whole or not at all."""
    import os
    import tempfile

    try:
        if path.exists() and not path.is_file():  # a terminal, a pipe
            path.write_text(text, encoding="utf-8")
            return
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise
    except OSError as error:  # it may name the temporary file
        raise CommandError(f"{path}: {error.strerror}") from error
