"""``tracekeep audit``: who did what with the vault, and whether the log of it is whole."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.exits import CommandError, ExitCode
from app.cli.options import (
    Access,
    JsonOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    UserOption,
    VaultOption,
)
from app.cli.output import note, say, say_json, say_table

if TYPE_CHECKING:
    from app.vault import LogEntry, LogVerification


def audit_show(
    *,
    newest: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", show_default="all", help="Show only the newest N entries."
        ),
    ] = None,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Show who did what, when, with which recording, and by which program.

    With --json: {"entries": [{"seq", "at", "user" (empty for the recovery key), "program",
    "action", "recording_id", "detail", "hash"}]}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        entries = opened.log_entries(newest)
    if json:
        say_json({"entries": [entry.to_dict() for entry in entries]})
    else:
        titles = ("No.", "When (UTC)", "Who", "What", "Recording", "Program", "More")
        say_table(titles, [_row(entry) for entry in entries])


def audit_verify(
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="Verify a log that `audit export` wrote, without a vault.",
        ),
    ] = None,
    public_key: Annotated[
        str | None,
        typer.Option(
            metavar="HEX",
            help="The public key of the vault, as `audit export` told it; noted down then, and "
            "not taken from the file.",
        ),
    ] = None,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Look whether entries of the log were taken out, put in, moved, changed or cut off.

    With --json: {"entries", "checkpoints", "signed_up_to", "flaws": [{"seq", "problem"}]}; "seq"
    is the number of the entry, null where it is about the whole.
    """
    if (file is None) is not (public_key is None):
        raise typer.BadParameter("--file and --public-key go together")
    if file is not None and public_key is not None:
        found = _verified(file, public_key)
    else:
        access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
        with access.open() as opened:
            found = opened.verify_log()
    if json:
        say_json(asdict(found))
    else:
        for flaw in found.flaws:
            say(f"entry {flaw.seq}: {flaw.problem}" if flaw.seq is not None else flaw.problem)
        signed = f"signed up to entry {found.signed_up_to}" if found.signed_up_to else "not signed"
        verdict = "it is not as it was written" if found.flaws else "all is as it was written"
        say(f"{found.entries} entries, {signed}: {verdict}")
    if found.flaws:
        raise typer.Exit(ExitCode.DAMAGED)


def audit_export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", readable=False, help="A file that does not exist yet.")
    ],
    *,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Write the log into a file that anybody can verify, without the vault (`audit verify`).

    The file is not encrypted. It names users and the ids of recordings, and no patient.

    With --json: {"path", "public_key", "entries", "head": the hash of the last entry}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        lines = list(opened.export_log())
        public_key = opened.log_public_key
        last = opened.log_entries(1)[0]
    _write(file, lines)
    if json:
        facts = {"path": str(file.absolute()), "public_key": public_key}
        say_json({**facts, "entries": last.seq, "head": last.hash})
        return
    say(f"{last.seq} entries of the log are in {file}\n\nPublic key:\n\n    {public_key}\n")
    say(f"Hash of entry {last.seq}:\n\n    {last.hash}\n")
    note(
        "Keep the public key apart from the file: it is what the file is verified with\n"
        f"(tracekeep audit verify --file {file} --public-key {public_key[:8]}...).\n"
        "The hash, noted down, tells later whether the log of the vault still is this one\n"
        "(tracekeep audit show --json)."
    )


def _write(file: Path, lines: list[str]) -> None:
    try:
        with file.open("x", encoding="ascii") as out:
            try:
                file.chmod(0o600)
                out.writelines(lines)
                out.flush()
            except BaseException:
                file.unlink()
                raise
    except FileExistsError:
        raise CommandError(f"{file}: a file of this name is there; name a new one") from None
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error


def _verified(file: Path, public_key: str) -> LogVerification:
    from app.vault import verify_log_file

    try:
        with file.open(encoding="ascii") as lines:
            return verify_log_file(lines, public_key)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise CommandError(f"{file}: this file is not the exported log of a vault") from None
    except ValueError as error:
        raise CommandError(f"{file}: {error}") from None


def _row(entry: LogEntry) -> tuple[str, ...]:
    more = ", ".join(f"{name} {value}" for name, value in entry.detail.items())
    when = entry.at[:19].replace("T", " ")
    recording = (entry.recording_id or "")[:8]
    who = entry.user or "recovery key"
    return str(entry.seq), when, who, entry.action, recording, entry.program, more
