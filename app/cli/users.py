"""``tracekeep vault user``: who may open the vault, and as what."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import (
    Access,
    JsonOption,
    NewPassphraseCommandOption,
    NewPassphraseFileOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    UserOption,
    VaultOption,
    new_passphrase,
)
from app.cli.output import note, say_json, say_table

if TYPE_CHECKING:
    from app.vault import Vault


class _Role(Enum):
    """The roles, without importing the vault for --help; a test compares them."""

    ADMINISTRATOR = "administrator"
    CLINICIAN = "clinician"
    TECHNICIAN = "technician"
    AUDITOR = "auditor"


_NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The user.")]
_ROLES = (
    "administrator: everything; clinician: reads, adds, corrects and exports; technician: adds, "
    "and reads nothing; auditor: reads the log, and nothing else."
)


def list_users(
    *,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Say who has a passphrase, and as what.

    With --json: a list of {"id", "user", "role", "must_change", "kdf"}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        users = opened.people.users()
    if json:
        say_json([{**asdict(one), "role": one.role.value} for one in users])
        return
    rows = [(one.user, one.role.value, "yes" if one.must_change else "") for one in users]
    say_table(["User", "Role", "Must choose a new passphrase"], rows)


def add(
    name: _NameArgument,
    *,
    role: Annotated[_Role, typer.Option("--role", help=_ROLES)],
    new_passphrase_file: NewPassphraseFileOption = None,
    new_passphrase_command: NewPassphraseCommandOption = None,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
) -> None:
    """Add a user, with a first passphrase that the user must change before anything else."""
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        from app.vault import Role

        _assert_manager(opened)
        question = f"First passphrase for {name}"
        first = new_passphrase(question, new_passphrase_file, new_passphrase_command, name)
        opened.people.add(name, Role(role.value), first)
    note(f"{name} is added. At the first opening a new passphrase must be chosen:")
    note(f"tracekeep vault user passphrase --user {shlex.quote(name)}")


def remove(
    name: _NameArgument,
    *,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
) -> None:
    """Remove a user.

    If the user may have kept a copy of the vault's key or of its recovery key: vault rotate.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        opened.people.remove(name)
    note(f"{name} is removed. If {name} may know the recovery key: tracekeep vault rotate")


def role(
    name: _NameArgument,
    role: Annotated[_Role, typer.Argument(metavar="ROLE", help=_ROLES)],
    *,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
) -> None:
    """Change what a user may do, from the next opening on."""
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        from app.vault import Role

        opened.people.change_role(name, Role(role.value))
    note(f"{name} is {role.value} now.")


def passphrase(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", show_default="your own", help="Whose, as administrator."),
    ] = None,
    *,
    demand: Annotated[
        bool,
        typer.Option(
            "--demand",
            help="Leave the passphrase of NAME, who must choose a new one at the next opening.",
        ),
    ] = False,
    new_passphrase_file: NewPassphraseFileOption = None,
    new_passphrase_command: NewPassphraseCommandOption = None,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
) -> None:
    """Choose a new passphrase, or as administrator give somebody another one.

    Who was given one must choose a new one at the next opening. With --recovery-key-file: for when
    it is lost.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    if name is None:
        if demand or recovery_key_file:
            raise typer.BadParameter("say whose passphrase", param_hint="NAME")
        opened, old = access.open_by_passphrase()
        with opened:
            name = opened.session.user
            question = f"New passphrase for {name}"
            new = new_passphrase(question, new_passphrase_file, new_passphrase_command, name)
            opened.people.change_passphrase(old, new)
        note("The passphrase is changed.")
        return
    with access.open() as opened:
        _assert_manager(opened)
        if demand:
            opened.people.demand_change(name)
        else:
            question = f"New passphrase for {name}"
            new = new_passphrase(question, new_passphrase_file, new_passphrase_command, name)
            opened.people.reset_passphrase(name, new)
    note(f"{name} must choose a new passphrase at the next opening.")


def _assert_manager(vault: Vault) -> None:
    """Refuse before a passphrase is asked for in vain."""
    from app.vault import Action

    vault.require(Action.MANAGE_USERS)
