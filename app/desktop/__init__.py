"""The window for clinicians: views only, no signal processing."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from app.desktop.window import MainWindow

__all__ = ["run"]

_LOCKED = 75
_ANEW = """
import sys
sys.path[:] = sys.argv[2:]
from pathlib import Path
from app.desktop import run
sys.exit(run(Path(sys.argv[1]) if sys.argv[1] else None, []))
"""


def run(vault_path: Path | None, recordings: Sequence[Path]) -> int:
    """Open the window, and return the exit code when it is closed.

    When it is locked, the process ends, and another one takes its place that asks for the
    passphrase.

    Parameters
    ----------
    vault_path : pathlib.Path or None
        Of the vault; None: the user's own.
    recordings : sequence of pathlib.Path
        Files and folders to analyse once the vault is open.
    """
    from app.offline import forbid_network

    forbid_network()

    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from app.desktop.window import MainWindow
    from app.settings import default_vault_path

    application = QApplication(["tracekeep"])
    application.setApplicationName("tracekeep")
    application.setApplicationDisplayName("Tracekeep")
    settings = QSettings(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, "tracekeep", "desktop"
    )
    window = MainWindow(vault_path or default_vault_path(), recordings, settings)
    _say_faults_in(window)
    window.locked.connect(lambda: application.exit(_LOCKED))
    window.show()
    code = application.exec()
    if code == _LOCKED:
        # What the process knew, keys and waveforms, goes with its memory: it becomes a new one.
        place = str(vault_path.absolute()) if vault_path else ""
        # The modules of the new process are those of this one, wherever it was started.
        modules = [os.path.abspath(folder) for folder in sys.path]  # noqa: PTH100 ("" is a folder)
        os.execv(sys.executable, [sys.executable, "-P", "-c", _ANEW, place, *modules])
    return code


def _say_faults_in(window: MainWindow) -> None:
    """Have a fault of the program say so in the window, in words, and let the window live on."""
    from app.faults import explain, show_trace

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        show_trace(error)
        window.message.say(
            f"Something went wrong: {explain(error)}. What is in the vault is safe; "
            "if it happens again, close the window and open it anew."
        )

    sys.excepthook = say
