"""Emergency access in the window: one patient, in red, and no longer than it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from pytestqt.qtbot import QtBot

from app.actions import View
from app.desktop.emergency import EmergencyDialog
from app.desktop.window import MainWindow
from app.vault import Role, Vault, _emergency
from tests.app.desktop.conftest import PASSPHRASE, is_shown, shown, unlock

_GIVEN, _OWN = "given by the owner 2", "a bicycle in the rain"


@pytest.fixture
def technicians(qtbot: QtBot, vault_path: Path, settings: QSettings) -> Iterator[MainWindow]:
    """A window that a technician has opened."""
    with Vault.open(vault_path, PASSPHRASE) as vault:
        vault.people.add("Kim", Role.TECHNICIAN, _GIVEN)
    with Vault.open(vault_path, _GIVEN, user="Kim") as vault:
        vault.people.change_passphrase(_GIVEN, _OWN)
    for window in shown(qtbot, MainWindow(vault_path, [], settings)):
        window.use_vault(Vault.open(vault_path, _OWN, user="Kim"))
        yield window


def ask(qtbot: QtBot, window: MainWindow, passphrase: str) -> EmergencyDialog:
    with Vault.open(window.unlock_view.path, PASSPHRASE, user="owner") as vault:
        (stored,) = vault.recordings()
    window.actions_by_id["emergency"].trigger()
    dialog = window.findChild(EmergencyDialog)
    assert dialog is not None
    qtbot.keyClicks(dialog.patient, stored.id[:8])
    qtbot.keyClicks(dialog.reason, "collapsed in the waiting room")
    qtbot.keyClicks(dialog.passphrase, passphrase)
    qtbot.mouseClick(dialog.open_button, Qt.MouseButton.LeftButton)
    return dialog


def test_a_patient_is_read_under_a_red_banner(qtbot: QtBot, technicians: MainWindow) -> None:
    window = technicians
    assert window.worklist.model.rowCount() == 0
    assert window.emergency.isHidden()
    ask(qtbot, window, _OWN)
    qtbot.waitUntil(window.emergency.isVisible, timeout=20_000)
    assert "one patient until" in window.emergency.text.text()
    assert window.worklist.model.rowCount() == 1
    qtbot.keyClick(window.worklist.table, Qt.Key.Key_Return)
    assert is_shown(window, View.READING)
    assert window.emergency.isVisible()


def test_with_the_wrong_passphrase_nothing_opens(qtbot: QtBot, technicians: MainWindow) -> None:
    dialog = ask(qtbot, technicians, "not the passphrase")
    qtbot.waitUntil(lambda: bool(dialog.problem.text()), timeout=20_000)
    assert "passphrase" in dialog.problem.text()
    assert technicians.emergency.isHidden()
    assert technicians.worklist.model.rowCount() == 0


def test_after_four_hours_the_tracing_is_gone(
    qtbot: QtBot, technicians: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = technicians
    ask(qtbot, window, _OWN)
    qtbot.waitUntil(window.emergency.isVisible, timeout=20_000)
    qtbot.keyClick(window.worklist.table, Qt.Key.Key_Return)
    assert is_shown(window, View.READING)
    later = datetime.now(UTC) + timedelta(hours=4, seconds=1)
    monkeypatch.setattr(_emergency, "_now", lambda: later)
    window.emergency.look()
    assert is_shown(window, View.WORKLIST)
    assert window.worklist.model.rowCount() == 0
    assert window.emergency.isHidden()
    assert "over" in window.message.text


def test_whoever_may_read_is_told_that_there_is_no_need(qtbot: QtBot, locked: MainWindow) -> None:
    unlock(qtbot, locked)
    locked.actions_by_id["emergency"].trigger()
    assert locked.findChild(EmergencyDialog) is None
    assert "no need" in locked.message.text
