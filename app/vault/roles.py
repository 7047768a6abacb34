"""Who may do what: one table, which the program asks before each thing that it does.

The program enforces it, and nothing else does: whoever opens a vault holds the key to all of it,
and a program of one's own would read what the role forbids. `docs/vault-format.md`, "People".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Role(Enum):
    """What somebody is to a vault."""

    ADMINISTRATOR = "administrator"
    CLINICIAN = "clinician"
    TECHNICIAN = "technician"
    AUDITOR = "auditor"


class Action(Enum):
    """What can be done with a vault, in words that go on from "may not"."""

    READ = "read recordings"
    ADD = "add recordings"
    CORRECT = "keep corrections"
    EXPORT = "export recordings"
    ERASE = "erase a patient"
    MANAGE_USERS = "manage users"
    ROTATE = "change the keys of the vault"
    BACKUP = "back the vault up"
    CHECK = "check the vault for damage"
    REPAIR = "repair the vault"
    READ_LOG = "read the log"
    EMERGENCY = "open a patient in an emergency"
    REVIEW = "review emergencies"


ALLOWED: Mapping[Role, frozenset[Action]] = {
    Role.ADMINISTRATOR: frozenset(Action),
    Role.CLINICIAN: frozenset(
        {
            Action.READ,
            Action.ADD,
            Action.CORRECT,
            Action.EXPORT,
            Action.BACKUP,
            Action.CHECK,
            Action.EMERGENCY,
        }
    ),
    Role.TECHNICIAN: frozenset({Action.ADD, Action.BACKUP, Action.EMERGENCY}),
    Role.AUDITOR: frozenset({Action.READ_LOG, Action.REVIEW}),
}


@dataclass(frozen=True, slots=True)
class Session:
    """Who has a vault open.

    Parameters
    ----------
    user_id : str
        32 hexadecimal digits; empty for the recovery key, which is nobody's.
    user : str
        The name.
    role : Role
        What the user may do; the recovery key acts as an administrator.
    program : str
        Which program the vault was opened by.
    by_recovery_key : bool
        Whether it was opened by the recovery key and not by a passphrase.
    must_change : bool, default False
        Whether the user must choose a new passphrase before anything else.
    """

    user_id: str
    user: str
    role: Role
    program: str
    by_recovery_key: bool
    must_change: bool = False

    def refusal(self, action: Action) -> str | None:
        """Return why this session may not do something, in plain words; None if it may."""
        if self.must_change:
            return (
                f"the passphrase of {self.user} was set by somebody else: choose a new one first "
                "(tracekeep vault user passphrase)"
            )
        if action not in ALLOWED[self.role]:
            article = "an" if self.role.value[0] in "aeiou" else "a"
            return (
                f"{self.user} may not {action.value}: that is not for {article} {self.role.value}"
            )
        return None
