"""``tracekeep vault``: make a vault, look at it, check it, change its key."""

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
    UserOption,
    VaultOption,
    new_passphrase,
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
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="Who is its first administrator.")
    ] = "owner",
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    json: JsonOption = False,
) -> None:
    """Make an empty vault, and show its recovery key, once.

    The recovery key opens the vault when the passphrase is lost (--recovery-key-file). It is kept
    nowhere: write it down. At a terminal it is to be typed back.

    With --json: {"path", "vault_id", "recovery_key"}.
    """
    place = path or default_vault_path()
    question = f"Passphrase for the new vault {place}"
    passphrase = new_passphrase(question, passphrase_file, passphrase_command, user)

    from app.vault import Vault

    vault, recovery_key = Vault.create(place, passphrase, user=user)
    with vault:
        try:
            if json:
                facts = {"vault_id": vault.vault_id, "recovery_key": recovery_key}
                say_json({"path": str(place.absolute()), **facts})
                sys.stdout.flush()
            else:
                say(f"The vault is made: {place}\n")
                _show_recovery_key(recovery_key)
        except BaseException:
            # Nobody is sure to have the key, and nobody can make the vault show it again.
            vault.close()
            shutil.rmtree(place)
            note("Nobody is sure to have the recovery key: the new vault is removed again.")
            raise


def rotate(
    *,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Replace the key of the vault and its recovery key: after somebody left who may have had them.

    Everybody keeps the passphrase. No other program may have the vault open. Copies made before
    are still opened by what opened them then.

    With --json: {"path", "vault_id", "recovery_key"}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        from app.vault import Action, new_recovery_key

        opened.require(Action.ROTATE)
        recovery_key = new_recovery_key()
        # Before anything is changed: if it is not noted down, the old one stays valid.
        if json:
            facts = {"vault_id": opened.vault_id, "recovery_key": recovery_key}
            say_json({"path": str(access.path.absolute()), **facts})
            sys.stdout.flush()
        else:
            _show_recovery_key(recovery_key)
        opened.rotate(recovery_key)
    if not json:
        say("The key of the vault is changed. The old recovery key opens it no longer.")


def info(
    *,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Say what a vault is and how much it holds.

    With --json: {"path", "vault_id", "format_version", "created", "users", "recordings",
    "size_bytes", "kdf"}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
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
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Look for damage and say which recordings it hits. Nothing is changed.

    With --json: {"checked": {"recordings", "files", "files_read", "bytes_read"},
    "damages": [{"what", "recording_id", "recording_name", "problem", "patient"}],
    "warnings": [that it was put back to an older state, in words]}.
    """
    share = _share(read_data)
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
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
            whose = f" of {damage.patient}" if damage.patient else ""
            hit = f" (recording {damage.recording_name}{whose})" if damage.recording_name else ""
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


def _show_recovery_key(key: str) -> None:
    """Show a recovery key, and where there is somebody to ask, have it typed back."""
    say(f"Recovery key:\n\n    {key}\n")
    if sys.stdout.isatty() and "utf" in sys.stdout.encoding.lower():
        from app.cli.qr import qr_lines

        say("\n".join(qr_lines(key)))
    sys.stdout.flush()
    note(
        "Write the recovery key down now and keep it away from this computer.\n"
        "It is shown only this once, and opens the vault if the passphrase is lost\n"
        "(--recovery-key-file). Without both, nobody can read what is in the vault."
    )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    from app.vault import recovery_key_mistake

    note("\nType it back from what you wrote down; spaces, hyphens and case do not matter.")
    while True:
        try:
            problem = recovery_key_mistake(key, input("Recovery key, as you wrote it: "))
        except EOFError:
            raise CommandError("the recovery key was not typed back") from None
        if problem is None:
            return
        note(f"{problem[0].upper()}{problem[1:]}. Correct what you wrote down, and try again.")


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
