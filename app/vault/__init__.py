"""The encrypted store of recordings and what was found in them; see ``docs/vault-format.md``."""

from app.vault._audit import Entry as LogEntry
from app.vault._backup import Backup
from app.vault._check import CheckResult, Damage
from app.vault._emergency import Emergency
from app.vault._erase import Erasure
from app.vault._errors import (
    AlreadyStoredError,
    NotAllowedError,
    TooManyGuessesError,
    UnknownRecordingError,
    UnknownUserError,
    VaultDamagedError,
    VaultError,
    VaultLockedError,
    VaultTooNewError,
)
from app.vault._inbox import Taken
from app.vault._index import StoredRecording
from app.vault._intake import Intake, Receipt
from app.vault._memory import forbid_dumps
from app.vault._people import User, user_names
from app.vault._recovery import mistake as recovery_key_mistake
from app.vault._rescue import Repaired, Rescue
from app.vault._restore import Restored, drill, restore
from app.vault._rotation import new_recovery_key
from app.vault._strength import weakness
from app.vault._vault import Vault, VaultInfo
from app.vault.audit_export import Verification as LogVerification
from app.vault.audit_export import verify_file as verify_log_file
from app.vault.roles import ALLOWED, Action, Role, Session

__all__ = [
    "ALLOWED",
    "Action",
    "AlreadyStoredError",
    "Backup",
    "CheckResult",
    "Damage",
    "Emergency",
    "Erasure",
    "Intake",
    "LogEntry",
    "LogVerification",
    "NotAllowedError",
    "Receipt",
    "Repaired",
    "Rescue",
    "Restored",
    "Role",
    "Session",
    "StoredRecording",
    "Taken",
    "TooManyGuessesError",
    "UnknownRecordingError",
    "UnknownUserError",
    "User",
    "Vault",
    "VaultDamagedError",
    "VaultError",
    "VaultInfo",
    "VaultLockedError",
    "VaultTooNewError",
    "drill",
    "forbid_dumps",
    "new_recovery_key",
    "recovery_key_mistake",
    "restore",
    "user_names",
    "verify_log_file",
    "weakness",
]
