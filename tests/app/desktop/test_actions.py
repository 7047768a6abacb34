from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QImage, QKeySequence
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.actions import ACTIONS, View
from app.desktop.keys_help import KeysHelp
from app.desktop.window import MainWindow


@pytest.mark.parametrize("view", list(View))
def test_no_key_means_two_things_in_one_view(view: View) -> None:
    keys = Counter(key for action in ACTIONS if view in action.views for key in action.keys)
    assert [key for key, count in keys.items() if count > 1] == []


def test_every_key_is_one_that_qt_knows() -> None:
    for action in ACTIONS:
        for key in action.keys:
            assert QKeySequence(key).toString(), key


def test_every_action_stands_in_a_menu_and_only_those_of_the_view_are_enabled(
    locked: MainWindow,
) -> None:
    entries = [
        entry.text() for menu in locked.menuBar().actions() for entry in menu.menu().actions()
    ]
    assert sorted(entries) == sorted(action.text for action in ACTIONS)
    for action in ACTIONS:
        assert locked.actions_by_id[action.id].isEnabled() == (View.UNLOCK in action.views)


def test_the_help_names_every_action_that_has_a_key(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.keyClick(window.worklist.table, Qt.Key.Key_Question)
    (page,) = window.findChildren(KeysHelp)
    words = {label.text() for label in page.findChildren(QLabel)}
    assert {action.text for action in ACTIONS if action.keys} <= words


def test_the_theme_changes_and_is_remembered(window: MainWindow, settings: QSettings) -> None:
    before = window.grab().toImage().pixelColor(5, 300).lightness()
    window.actions_by_id["theme"].trigger()
    assert settings.value("theme") == "dark"
    assert window.grab().toImage().pixelColor(5, 300).lightness() < before
    window.actions_by_id["theme"].trigger()
    assert settings.value("theme") == "light"


def test_pictures_of_every_view_are_made_by_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app.desktop.gallery", str(tmp_path), "--size", "1280", "800"]
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    names = {"unlock", "analysing", "worklist", "reading", "zoomed-out", "whole", "summary"}
    assert {path.stem for path in tmp_path.glob("*.png")} == names
    assert all(QImage(str(path)).width() == 1280 for path in tmp_path.glob("*.png"))


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_naming_the_window_does_not_load_qt() -> None:
    code = "import sys, app.desktop; print('PySide6' in sys.modules)"
    assert python(code) == "False"


def test_the_window_refuses_the_network_and_says_faults_in_words() -> None:
    code = """
import os, socket, sys, tempfile
os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["HOME"] = os.environ["XDG_CONFIG_HOME"] = folder = tempfile.mkdtemp()
from pathlib import Path
from PySide6.QtWidgets import QApplication, QMainWindow
import app.desktop

def instead_of_waiting(*_):
    try:
        socket.socket()
    except OSError as error:
        print(type(error).__name__)
    window, = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow)]
    try:
        {}["patient"]
    except KeyError:
        sys.excepthook(*sys.exc_info())
    print(window.message.text)
    return 7

QApplication.exec = instead_of_waiting
print(app.desktop.run(Path(folder) / "vault", []))
"""
    refused, said, code_returned = python(code).splitlines()
    assert refused == "NetworkForbiddenError"
    assert said.startswith("Something went wrong: a fault of ours")
    assert "patient" not in said
    assert code_returned == "7"
