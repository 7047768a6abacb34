"""The encrypted store of recordings and what was found in them; see ``docs/vault-format.md``."""

from app.vault._check import CheckResult, Damage
from app.vault._errors import (
    AlreadyStoredError,
    UnknownRecordingError,
    VaultDamagedError,
    VaultError,
    VaultLockedError,
    VaultTooNewError,
)
from app.vault._index import StoredRecording
from app.vault._intake import Intake, Receipt
from app.vault._vault import Vault, VaultInfo

__all__ = [
    "AlreadyStoredError",
    "CheckResult",
    "Damage",
    "Intake",
    "Receipt",
    "StoredRecording",
    "UnknownRecordingError",
    "Vault",
    "VaultDamagedError",
    "VaultError",
    "VaultInfo",
    "VaultLockedError",
    "VaultTooNewError",
]
