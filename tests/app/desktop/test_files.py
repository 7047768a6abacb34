from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_CHOOSE = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QLineEdit
from app.desktop.files import choose_recordings

application = QApplication([])

def choose():
    dialog = application.activeModalWidget()
    if dialog is not None:
        dialog.setDirectory(sys.argv[1])
        dialog.findChild(QLineEdit, "fileNameEdit").setText(sys.argv[1] + "/doe.edf")
        dialog.accept()

timer = QTimer()
timer.timeout.connect(choose)
timer.start(100)
print(choose_recordings(None)[0])
timer.stop()
QTimer.singleShot(0, application.quit)
application.exec()
"""


def test_choosing_a_file_leaves_its_path_nowhere(tmp_path: Path) -> None:
    """In a process of its own: Qt writes its settings when a dialog and when a program ends."""
    home, patient = tmp_path / "home", tmp_path / "Jane Doe 1961"
    for folder in (home, patient):
        folder.mkdir()
    chosen = patient / "doe.edf"
    chosen.write_bytes(b"")
    here = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    here |= {"XDG_DATA_HOME": str(home / "data"), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", _CHOOSE, str(patient)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env=os.environ | here,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(chosen)
    written = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in written if b"Doe" in path.read_bytes()]
    assert not list(home.rglob("QtProject*"))
