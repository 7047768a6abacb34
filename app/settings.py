"""Where things are kept unless the user says otherwise."""

from __future__ import annotations

from pathlib import Path

VAULT_VARIABLE = "TRACEKEEP_VAULT"
"""The environment variable that names the vault."""


def default_vault_path() -> Path:
    """Return the vault in the user's data folder (on Linux ``~/.local/share/tracekeep/vault``)."""
    import platformdirs

    return Path(platformdirs.user_data_dir("tracekeep", appauthor=False)) / "vault"


def state_folder() -> Path:
    """Return where this computer notes what it has seen (``~/.local/state/tracekeep``)."""
    import platformdirs

    return Path(platformdirs.user_state_dir("tracekeep", appauthor=False))
