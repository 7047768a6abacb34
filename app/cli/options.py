"""The options that several commands share, and the vault that they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer

from app.cli.exits import CommandError, PassphraseError
from app.cli.output import note
from app.settings import VAULT_VARIABLE, default_vault_path

if TYPE_CHECKING:
    from app.vault import Rescue, Vault

    _Unlocked = TypeVar("_Unlocked", Vault, Rescue)

_TRIES = 3

# `readable=False` below: a path that cannot be read is told like any other bad input, and is no
# wrong usage, which is what Typer would make of it.

JsonOption = Annotated[
    bool, typer.Option("--json", help="Write one JSON document to stdout, and nothing else.")
]
VaultOption = Annotated[
    Path | None,
    typer.Option(
        "--vault",
        metavar="PATH",
        readable=False,
        envvar=VAULT_VARIABLE,
        show_default="in the user's data folder",
        help="The vault.",
    ),
]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        readable=False,
        help="Read the passphrase from the first line of a file (default: ask for it).",
    ),
]
PassphraseCommandOption = Annotated[
    str | None,
    typer.Option(
        "--passphrase-command",
        metavar="COMMAND",
        help="Run a command, such as that of a password manager, that prints the passphrase.",
    ),
]
RecoveryKeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--recovery-key-file",
        metavar="FILE",
        readable=False,
        help="Open with the recovery key in a file: for when the passphrase is lost.",
    ),
]
UserOption = Annotated[
    str | None,
    typer.Option(
        "--user",
        metavar="NAME",
        help="Whose passphrase it is, in a vault of several users (default: whose it turns out "
        "to be).",
    ),
]
NewPassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--new-passphrase-file",
        metavar="FILE",
        readable=False,
        help="Read the new passphrase from the first line of a file (default: ask for it, twice).",
    ),
]
NewPassphraseCommandOption = Annotated[
    str | None,
    typer.Option(
        "--new-passphrase-command",
        metavar="COMMAND",
        help="Run a command that prints the new passphrase.",
    ),
]
CorrectedOption = Annotated[
    bool,
    typer.Option(
        "--corrected",
        help="By the corrections of a reader (see `correct`): the recording is analysed anew with "
        "them, and what the vault keeps stays as it is.",
    ),
]
PathsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="PATH...",
        readable=False,
        help="Recordings, or folders of them, searched in depth.",
    ),
]
IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The recording: the first digits of its id.")
]
LeadsOption = Annotated[
    str | None,
    typer.Option(
        metavar='"A,B"',
        help="The labels of the ECG leads, where the labels do not show which channels are ECG.",
    ),
]
JobsOption = Annotated[
    int, typer.Option(min=1, metavar="N", help="How many recordings to work on at a time.")
]


class Access(NamedTuple):
    """How a vault is opened: where it is, and what unlocks it."""

    vault: Path | None
    passphrase_file: Path | None
    passphrase_command: str | None
    recovery_key_file: Path | None
    user: str | None = None

    @property
    def path(self) -> Path:
        """The folder of the vault."""
        return self.vault or default_vault_path()

    def open(self) -> Vault:
        """Open the vault, asking for the passphrase if nothing else tells it; tell its warnings.

        Raises
        ------
        VaultError
            If it cannot be opened; a passphrase that is typed may be wrong twice.
        CommandError
            If there is no vault, or no way to learn the passphrase.
        """
        vault = self._open()
        self._warn(vault)
        return vault

    def open_by_passphrase(self) -> tuple[Vault, str]:
        """Open the vault as a user; return the passphrase as well. Errors as for :meth:`open`."""
        vault, passphrase = self._open_by_passphrase()
        self._warn(vault)
        return vault, passphrase

    @staticmethod
    def _warn(vault: Vault) -> None:
        for warning in vault.warnings:
            note(f"tracekeep: {warning}")

    def _open(self) -> Vault:
        self._assert_there()
        from app.vault import Vault

        return self.unlock(Vault, self.path)

    def _open_by_passphrase(self) -> tuple[Vault, str]:
        self._assert_there()
        from app.vault import Vault

        return self._unlock_by_passphrase(Vault, self.path)

    def unlock(self, kind: type[_Unlocked], path: Path) -> _Unlocked:
        """Unlock a vault that lies at `path`, to do with it what `kind` does.

        The user is asked for the passphrase of :attr:`path`. Errors as for :meth:`open`.
        """
        if self.recovery_key_file:
            _at_most_one(self.passphrase_file, self.passphrase_command, self.recovery_key_file)
            return kind.open_with_recovery_key(path, _first_line(self.recovery_key_file))
        return self._unlock_by_passphrase(kind, path)[0]

    def _unlock_by_passphrase(self, kind: type[_Unlocked], path: Path) -> tuple[_Unlocked, str]:
        from app.vault import TooManyGuessesError, VaultLockedError

        given = given_passphrase(self.passphrase_file, self.passphrase_command)
        if given is not None:
            return kind.open(path, given, user=self.user), given
        whose = f" for {self.user}" if self.user else ""
        tries = 0
        while True:
            passphrase = ask(f"Passphrase of {self.path}{whose}: ")
            try:
                return kind.open(path, passphrase, user=self.user), passphrase
            except TooManyGuessesError:
                raise
            except VaultLockedError:
                tries += 1
                if tries == _TRIES:
                    raise
                typer.echo("That is not the passphrase. Try again.", err=True)

    def _assert_there(self) -> None:
        if not self.path.exists():
            raise CommandError(
                f"{self.path}: there is no vault; make one with: tracekeep vault create"
            )


def split_leads(leads: str | None) -> list[str] | None:
    """Return the labels that ``--leads "A,B"`` names."""
    if leads is None:
        return None
    labels = [label.strip() for label in leads.split(",") if label.strip()]
    if not labels:
        raise typer.BadParameter("it names no lead", param_hint="--leads")
    return labels


def given_passphrase(file: Path | None, command: str | None) -> str | None:
    """Return the passphrase that an option leads to, None where there is none.

    Raises
    ------
    PassphraseError
        If the file or the command gives none.
    """
    _at_most_one(file, command)
    if file:
        return _first_line(file)
    if command:
        return _printed_by(command)
    return None


def new_passphrase(
    whose: str, file: Path | None = None, command: str | None = None, user: str = ""
) -> str:
    """Return a passphrase that is to be, from an option or typed twice.

    Parameters
    ----------
    whose : str
        Goes on from "Passphrase" in the question.
    file, command : Path or str, optional
        What the options for it say.
    user : str
        The name, which is no good passphrase.

    Raises
    ------
    CommandError
        If what is typed is weak each time, or differs.
    PassphraseError
        If there is no way to learn one.
    """
    given = given_passphrase(file, command)
    if given is not None:
        return given
    from app.vault import weakness

    for _ in range(_TRIES):
        passphrase = ask(f"{whose}: ")
        weak = weakness(passphrase, user)
        if weak is None:
            if ask("The same once more: ") != passphrase:
                raise CommandError("the two passphrases differ; nothing was changed")
            return passphrase
        typer.echo(f"{weak[0].upper()}{weak[1:]}.", err=True)
    raise CommandError("no passphrase was chosen; nothing was changed")


def ask(question: str) -> str:
    """Return what the user types, unseen.

    Raises
    ------
    PassphraseError
        If there is no terminal to ask at.
    """
    import getpass
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would show what is typed
        try:
            return getpass.getpass(question)
        except (getpass.GetPassWarning, EOFError):
            raise PassphraseError(
                "there is no terminal to ask for the passphrase at; "
                "use --passphrase-file or --passphrase-command"
            ) from None


def _at_most_one(*ways: object) -> None:
    if sum(way is not None for way in ways) > 1:
        raise typer.BadParameter(
            "--passphrase-file, --passphrase-command and --recovery-key-file exclude each other"
        )


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as text:
            line = text.readline().rstrip("\r\n")
    except OSError as error:
        raise PassphraseError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise PassphraseError(f"{file}: it holds no text in UTF-8") from None
    if not line:
        raise PassphraseError(f"{file}: its first line is empty")
    return line


def _printed_by(command: str) -> str:
    import shlex
    import subprocess

    try:
        # stdin and stderr stay the terminal's, since a password manager may have to ask.
        done = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, check=False)
    except (OSError, ValueError) as error:
        raise PassphraseError(f"the passphrase command cannot be run: {error}") from None
    if done.returncode != 0:
        raise PassphraseError(f"the passphrase command ended with exit code {done.returncode}")
    try:
        line = done.stdout.partition(b"\n")[0].rstrip(b"\r").decode("utf-8")
    except UnicodeDecodeError:  # whose words would quote the passphrase
        raise PassphraseError("what the passphrase command printed is no text in UTF-8") from None
    if not line:
        raise PassphraseError("the passphrase command printed nothing")
    return line
