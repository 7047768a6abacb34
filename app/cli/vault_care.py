"""``tracekeep vault backup``, ``restore``, ``drill``, ``repair``, ``erase`` and ``inbox``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.exits import CommandError, ExitCode
from app.cli.options import (
    Access,
    IdArgument,
    JsonOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    UserOption,
    VaultOption,
    ask,
)
from app.cli.output import note, say, say_json
from app.cli.words import patient_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.vault import Damage, Restored, StoredRecording, Vault

_OLD_DAYS = 30
BackupArgument = Annotated[
    Path, typer.Argument(metavar="BACKUP", readable=False, help="The folder of the backup.")
]
YesOption = Annotated[
    bool, typer.Option("--yes", help="Do not ask for the word that confirms it: for scripts.")
]


def backup(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            readable=False,
            help="A new folder, best on another disk, or that of an earlier backup of this vault.",
        ),
    ],
    *,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Back the vault up, while others go on working with it.

    Of an earlier backup in the folder, what has not changed is kept, and the rest replaced once the
    new one is complete. It is encrypted like the vault, and needs the same passphrases.

    With --json: {"path", "made_at", "recordings", "files", "copied", "copied_bytes", "missing": ids
    of recordings of which the vault itself has lost a file}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        from app.cli.progress import progress_bar

        with progress_bar("files", hidden=json) as bar:
            made = opened.back_up(folder, bar.show)
    if json:
        say_json({**asdict(made), "path": str(made.path.absolute())})
    else:
        say(
            f"The backup is complete: {folder}\n{_count(made.recordings, 'recording')}, "
            f"{_count(made.copied, 'file')} copied ({made.copied_bytes / 1e6:.1f} MB)"
        )
        note("Try now and then whether it works: tracekeep vault drill BACKUP")
    if made.missing:
        note(
            f"The vault itself lacks files of {_count(len(made.missing), 'recording')}, and so "
            "does the backup: tracekeep vault check"
        )
        raise typer.Exit(ExitCode.DAMAGED)


def restore(
    folder: BackupArgument,
    new: Annotated[
        Path,
        typer.Argument(metavar="NEW", readable=False, help="A folder that does not exist yet."),
    ],
    *,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Make a vault out of a backup. Every file is compared with what was backed up.

    The passphrases are those of the time of the backup.

    With --json: {"path", "made_at", "recordings", "files", "size_bytes"}.
    """
    from app.cli.progress import progress_bar
    from app.vault import Vault
    from app.vault import restore as restored_from

    access = Access(new, passphrase_file, passphrase_command, recovery_key_file, user)
    with progress_bar("files", hidden=json) as bar:
        made = restored_from(folder, new, lambda path: access.unlock(Vault, path), bar.show)
    if json:
        say_json({**asdict(made), "path": str(made.path.absolute())})
        return
    say(f"The vault is restored: {new}\nIt is {_as_of(made)}")
    note(
        "If newer states of it were used on this computer, it says that it was put back in time "
        "until an administrator accepts that: tracekeep vault accept"
    )


def drill(
    folder: BackupArgument,
    *,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Try whether a backup works, with the recovery key, as if the vault and passphrases were lost.

    It is restored into a temporary folder (TMPDIR says where), opened, read to the last byte,
    compared with what was backed up, and deleted again.

    With --json: {"path", "made_at", "age_days", "recordings", "files", "size_bytes"}.
    """
    from app.cli.progress import progress_bar
    from app.vault import Vault
    from app.vault import drill as drilled

    typed = None if recovery_key_file else ask("Recovery key: ")
    access = Access(folder, None, None, recovery_key_file)

    def unlock(path: Path) -> Vault:
        if typed is not None:
            return Vault.open_with_recovery_key(path, typed)
        return access.unlock(Vault, path)

    with progress_bar("files", hidden=json) as bar:
        seen = drilled(folder, unlock, bar.show)
    if json:
        age = {"age_days": round(seen.age_days, 3)}
        say_json({**asdict(seen), **age, "path": str(folder.absolute())})
        return
    say(
        f"The backup works: {folder}\nIt was restored, opened with the recovery key, read to the "
        f"last byte, compared and deleted again.\nIt is {_as_of(seen)}"
    )
    if seen.age_days > _OLD_DAYS:
        note("It is old: what was added since is in no backup. Make a new one.")


def repair(
    *,
    yes: YesOption = False,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Make a damaged vault work again with all of it that can be read. Nothing is deleted.

    What cannot be read is moved into the vault's folder `lost`, with a note. Where there is a good
    backup, restoring it is better; copy the vault's folder before, if there is room.

    With --json: {"found": [as of `check`], "mended": [{"what", "recording_id", "recording_name",
    "patient", "outcome"}], "lost": the folder, null where nothing was damaged}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    from app.cli.progress import progress_bar
    from app.vault import Rescue

    with access.unlock(Rescue, access.path) as rescue:
        with progress_bar("files", hidden=json) as bar:
            found = rescue.look(bar.show)
        if not found:
            if json:
                say_json({"found": [], "mended": [], "lost": None})
            else:
                say("Nothing is damaged, and nothing was changed.")
            return
        for damage in () if json else found:
            note(f"damaged: {damage.what}{_hit(damage)}: {damage.problem}")
        _confirm(
            "repair",
            "What cannot be read is moved to the folder “lost” of the vault; nothing is deleted.",
            yes=yes,
        )
        with progress_bar("recordings", hidden=json) as bar:
            done = rescue.repair(bar.show)
    if json:
        say_json(
            {
                "found": [asdict(damage) for damage in found],
                "mended": [asdict(one) for one in done.mended],
                "lost": str(done.lost.absolute()),
            }
        )
        return
    for one in done.mended:
        name = f"{one.recording_name} of {one.patient}" if one.patient else one.recording_name
        say(f"{name or one.what}: {one.outcome}")
    say(f"The vault can be used again. What was moved away, and a note: {done.lost}")


def erase(
    recording: IdArgument,
    *,
    only_this: Annotated[
        bool,
        typer.Option("--only-this", help="This one recording, not all recordings of its patient."),
    ] = False,
    yes: YesOption = False,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Erase a patient: all recordings, reports, corrections, the name, and the keys to them.

    It cannot be undone. Backups that were made before still hold the patient: make a new one into
    the same folder afterwards, and delete other copies. The log keeps that something was erased,
    when and by whom, and not who it was.

    With --json: {"recordings": [ids], "files", "remains": what the next opening has to finish}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        chosen = opened.recording(recording)
        every = opened.recordings_of_patient(chosen.id)
        erased = [chosen] if only_this else every
        if not yes:
            _tell_what_goes(erased, len(every), _alike(opened, chosen, every))
        _confirm("erase", "", yes=yes)
        result = opened.erase(chosen.id, whole_patient=not only_this)
    if json:
        say_json(asdict(result))
        return
    gone = len(result.recordings)
    say(f"Erased: {_count(gone, 'recording')}, {_count(result.files, 'file')}, and the keys.")
    if result.remains:
        note(f"One thing is left to do: {result.remains}.")
    note(
        "Backups that were made before still hold them: make a new one into the same folder "
        "(tracekeep vault backup), and delete other copies."
    )


def inbox(
    *,
    address: Annotated[
        bool,
        typer.Option(
            "--address",
            help="Write the address of the inbox, which a program needs that seals recordings for "
            "this vault. It is no secret.",
        ),
    ] = False,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Take in the recordings that others sealed for this vault; opening it does so too.

    What is damaged, or not for this vault, stays in the folder `inbox` and is named.

    With --json: {"recordings": [ids], "left": [{"name", "problem"}]}; with --address, the address.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    with access.open() as opened:
        if address:
            print(opened.inbox_address.to_text(), end="")
            return
        from app.cli.progress import progress_bar

        first = opened.inbox.recordings
        with progress_bar("files", hidden=json) as bar:
            taken = opened.take_in_inbox(bar.show)
    recordings = (*first, *taken.recordings)
    if json:
        left = [asdict(one) for one in taken.left]
        say_json({"recordings": [one.id for one in recordings], "left": left})
    else:
        for one in recordings:
            say(f"taken in: {one.id[:8]} {one.name}".rstrip())
        if not recordings and not taken.left:
            note("The inbox is empty.")
    if taken.left:
        raise typer.Exit(ExitCode.FAILED)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _as_of(made: Restored) -> str:
    day, time = made.made_at[:10], made.made_at[11:16]
    age = "less than a day" if made.age_days < 1 else _count(int(made.age_days), "day")
    return (
        f"as of {day} {time} UTC ({age} old), with {_count(made.recordings, 'recording')} "
        f"({made.size_bytes / 1e6:.1f} MB)."
    )


def _hit(damage: Damage) -> str:
    if not damage.recording_name:
        return ""
    whose = f" of {damage.patient}" if damage.patient else ""
    return f" (recording {damage.recording_name}{whose})"


def _alike(
    opened: Vault, chosen: StoredRecording, every: Sequence[StoredRecording]
) -> list[StoredRecording]:
    """Return recordings of what may be the same patient under other facts."""
    known = {one.id for one in every}
    mine = {chosen.patient.name, chosen.patient.code} - {""}
    return [
        one
        for one in opened.recordings()
        if one.id not in known and mine & {one.patient.name, one.patient.code}
    ]


def _tell_what_goes(
    erased: Sequence[StoredRecording], of_patient: int, alike: Sequence[StoredRecording]
) -> None:
    note("This will be erased for good:")
    for one in erased:
        note(f"    {one.id[:8]} {one.name}, patient {patient_name(one.patient) or 'not known'}")
    if len(erased) < of_patient:
        note(f"Of this patient, {_count(of_patient - len(erased), 'recording')} will be kept.")
    if alike:
        note(
            f"Under the same name or number, but perhaps of somebody else, "
            f"{_count(len(alike), 'more recording')}; to be erased by themselves: "
            f"{', '.join(one.id[:8] for one in alike)}"
        )
    note(
        "Nobody can undo it, with whatever passphrase or key. Backups that were made before, "
        "printed reports and exported files are not reached: they still hold the patient."
    )


def _confirm(word: str, about: str, *, yes: bool) -> None:
    """Have the user type a word.

    Raises
    ------
    CommandError
        If something else is typed, or there is nobody to type.
    """
    if yes:
        return
    if about:
        note(about)
    sys.stderr.write(f"Type the word “{word}” to go on: ")
    sys.stderr.flush()
    typed = sys.stdin.readline()
    if not typed:
        raise CommandError(
            f"nobody typed the word “{word}”; nothing was changed (--yes for scripts)"
        )
    if typed.strip().lower() != word:
        raise CommandError(f"the word “{word}” was not typed; nothing was changed")
