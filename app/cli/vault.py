"""``tracekeep vault``: make a vault, look at it, check it."""

from __future__ import annotations

import shutil
import sys
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
    VaultOption,
    ask,
    given_passphrase,
)
from app.cli.output import note, say, say_json
from app.settings import VAULT_VARIABLE, default_vault_path

if TYPE_CHECKING:
    from app.vault import CheckResult


def create(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATH]",
            readable=False,
            envvar=VAULT_VARIABLE,
            show_default="in the user's data folder",
            help="A folder that does not exist yet.",
        ),
    ] = None,
    *,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    json: JsonOption = False,
) -> None:
    """Make an empty vault, and show its recovery key, once.

    The recovery key opens the vault when the passphrase is lost (--recovery-key-file). It is kept
    nowhere: write it down.

    With --json: {"path", "vault_id", "recovery_key"}.
    """
    place = path or default_vault_path()
    given = given_passphrase(passphrase_file, passphrase_command)
    passphrase = _new_passphrase(place) if given is None else given

    from app.vault import Vault

    vault, recovery_key = Vault.create(place, passphrase)
    with vault:
        try:
            if json:
                facts = {"vault_id": vault.vault_id, "recovery_key": recovery_key}
                say_json({"path": str(place.absolute()), **facts})
            else:
                say(f"The vault is made: {place}\n\nRecovery key:\n\n    {recovery_key}\n")
            sys.stdout.flush()
        except BaseException:
            # Nobody has seen the key, and nobody can make the vault show it again.
            vault.close()
            shutil.rmtree(place)
            note("The recovery key could not be shown: the new vault is removed again.")
            raise
        if not json:
            note(
                "Write the recovery key down now and keep it away from this computer.\n"
                "It is shown only this once, and opens the vault if the passphrase is lost\n"
                "(--recovery-key-file). Without both, nobody can read what is in the vault."
            )


def info(
    *,
    vault: VaultOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Say what a vault is and how much it holds.

    With --json: {"path", "vault_id", "format_version", "created", "users", "recordings",
    "size_bytes", "kdf"}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file)
    with access.open() as opened:
        facts = opened.info()
    if json:
        say_json({"path": str(access.path.absolute()), **asdict(facts)})
        return
    say(f"Vault           {access.path}")
    say(f"Id              {facts.vault_id}")
    say(f"Made            {facts.created}, format {facts.format_version}")
    say(f"Users           {', '.join(facts.users)}")
    say(f"Recordings      {facts.recordings}")
    say(f"Size            {facts.size_bytes / 1e6:.1f} MB")
    say(f"Key derivation  {facts.kdf}")


def check(
    *,
    read_data: Annotated[
        str,
        typer.Option(
            metavar="N%",
            help="Read and authenticate this share of the files to their end; of the others the "
            "head, the length and the last piece are checked.",
        ),
    ] = "0%",
    vault: VaultOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Look for damage and say which recordings it hits. Nothing is changed.

    With --json: {"checked": {"recordings", "files", "files_read", "bytes_read"},
    "damages": [{"what", "recording_id", "recording_name", "problem"}], "warnings": [that it was
    put back to an older state, in words]}.
    """
    share = _share(read_data)
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file)
    with access.open() as opened:
        from app.cli.progress import progress_bar

        with progress_bar("files", hidden=json) as bar:
            result = opened.check(share, bar.show)
    if json:
        damages = [asdict(damage) for damage in result.damages]
        found = {"damages": damages, "warnings": list(result.warnings)}
        say_json({"checked": dict(result.checked), **found})
    else:
        for damage in result.damages:
            hit = f" (recording {damage.recording_name})" if damage.recording_name else ""
            say(f"damaged: {damage.what}{hit}: {damage.problem}")
        for warning in result.warnings:
            say(warning)
        checked = result.checked
        say(
            f"{checked['recordings']} recordings and {checked['files']} files checked, "
            f"{checked['files_read']} of them read to the end "
            f"({checked['bytes_read'] / 1e6:.1f} MB): {_verdict(result)}"
        )
    if result.damages or result.warnings:
        raise typer.Exit(ExitCode.DAMAGED)


def _verdict(result: CheckResult) -> str:
    if result.damages:
        return f"{len(result.damages)} damaged"
    if result.warnings:
        return "no damage seen, but not all is of one time (above)"
    unread = result.checked["files"] - result.checked["files_read"]
    if unread:
        whose = "1 file was" if unread == 1 else f"{unread} files were"
        return f"no damage seen; the contents of {whose} not read (--read-data 100%)"
    return "all is well"


def _new_passphrase(place: Path) -> str:
    passphrase = ask(f"Passphrase for the new vault {place}: ")
    if ask("The same once more: ") != passphrase:
        raise CommandError("the two passphrases differ; nothing was made")
    return passphrase


def _share(text: str) -> float:
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise typer.BadParameter(
            f"{text!r} is not a share from 0% to 100%", param_hint="--read-data"
        )
    return percent / 100
