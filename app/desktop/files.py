"""The dialog that asks for files, and leaves no trace of where they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

_KINDS = "Recordings (*.hea *.edf *.EDF *.bdf *.BDF);;All files (*)"


def choose_recordings(parent: QWidget | None) -> list[Path]:
    """Ask for files; empty when none was chosen.

    A path often names a patient. The desktop's own dialog keeps a list of recent files, and Qt's
    dialog keeps the folders that were visited in ``QtProject.conf``. So it is Qt's dialog, and
    its settings lie where no file can be.
    """
    QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, os.devnull)
    dialog = QFileDialog(parent, "Open recordings", "", _KINDS)
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    try:
        chosen = dialog.selectedFiles() if dialog.exec() else []
    finally:
        dialog.deleteLater()
    return [Path(name) for name in chosen]
