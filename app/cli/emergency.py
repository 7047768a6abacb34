"""``tracekeep vault emergency`` and ``accept``: out of the ordinary, and looked at afterwards."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import (
    Access,
    JsonOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    UserOption,
    VaultOption,
    ask,
    given_passphrase,
)
from app.cli.output import note, say, say_json, say_table

if TYPE_CHECKING:
    from app.vault import Emergency


def emergency_open(
    patient: Annotated[
        str,
        typer.Argument(
            metavar="PATIENT",
            help="The first digits of the id of a recording of the patient, or the patient's code "
            "or name, whole.",
        ),
    ],
    *,
    reason: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            show_default="asked for, which keeps it out of the history of the shell",
            help="Why; an administrator or auditor reads it afterwards.",
        ),
    ] = None,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    json: JsonOption = False,
) -> None:
    """Read one patient for four hours in an emergency, with a role that may not read.

    The passphrase is asked for once more. It is noted in the log, and reviewed.

    With --json: {"id", "user", "patient_id", "reason", "opened_at", "until", "reviewed_at",
    "reviewed_by", "remark"}.
    """
    access = Access(vault, passphrase_file, passphrase_command, None, user)
    with access.open() as opened:
        again = given_passphrase(passphrase_file, passphrase_command)
        if again is None:
            again = ask("Your passphrase once more: ")
        why = typer.prompt("Why", err=True) if reason is None else reason
        emergency = opened.emergencies.open(patient, why, again)
    if json:
        say_json(asdict(emergency))
        return
    say(f"Until {_time(emergency.until)} UTC the patient's recordings can be read by you.")
    note("This is in the log, and so is each recording that you read. Somebody will review it.")


def emergency_list(
    *,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """List emergencies, those first that nobody has reviewed.

    With --json: {"emergencies": [as of `open`]}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        every = opened.emergencies.all()
    if json:
        say_json({"emergencies": [asdict(one) for one in every]})
        return
    titles = ("Id", "Opened (UTC)", "Until", "By", "Reason", "Reviewed", "Remark")
    say_table(titles, [_row(one) for one in every])


def emergency_review(
    emergency_id: Annotated[
        str, typer.Argument(metavar="ID", help="The emergency: the first digits of its id.")
    ],
    *,
    remark: Annotated[str, typer.Option(metavar="TEXT", help="What was found.")] = "",
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Close an emergency that somebody else opened; if it is not over, this ends it.

    What was read: tracekeep audit show.

    With --json: as of `open`.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        emergency = opened.emergencies.review(emergency_id, remark)
    if json:
        say_json(asdict(emergency))
    else:
        say(f"Emergency {emergency.id[:8]} of {emergency.user} is reviewed.")


def accept(
    *,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Take the vault as it is, after a warning that it was put back to an older state.

    Do this if you know how it came about: a backup was restored, say. It is noted in the log.

    With --json: {"accepted": [what, in words]}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        accepted = opened.accept()
    if json:
        say_json({"accepted": list(accepted)})
    elif accepted:
        say(f"The vault is accepted as it is ({', '.join(accepted)}). It warns no more.")
    else:
        say("There is nothing to accept: the vault is as this computer left it.")


def _row(emergency: Emergency) -> tuple[str, ...]:
    reviewed = ""
    if emergency.reviewed_at:
        reviewed = f"{_time(emergency.reviewed_at)}, {emergency.reviewed_by or 'recovery key'}"
    return (
        emergency.id[:8],
        _time(emergency.opened_at),
        _time(emergency.until)[11:],
        emergency.user,
        emergency.reason,
        reviewed,
        emergency.remark or "",
    )


def _time(moment: str) -> str:
    return moment[:16].replace("T", " ")
