from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.actions import View
from app.desktop.background import Background
from app.desktop.window import MainWindow
from app.vault import Role, Vault
from tests.app.desktop.conftest import PASSPHRASE, is_shown, shown, unlock


def click(qtbot: QtBot, page: QWidget, text: str) -> None:
    (button,) = [b for b in page.findChildren(QPushButton) if b.text() == text]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_wrong_passphrase_is_refused_in_words_and_the_right_one_opens(
    qtbot: QtBot, locked: MainWindow
) -> None:
    page = locked.unlock_view.passphrase_page
    locked.grab()
    height = page.height()
    qtbot.keyClicks(page.passphrase, "wrong")
    qtbot.keyClick(page.passphrase, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "not the passphrase" in page.problem.text(), timeout=10_000)
    assert is_shown(locked, View.UNLOCK)
    assert page.passphrase.hasFocus()
    locked.grab()
    assert page.height() == height, "nothing moves"
    unlock(qtbot, locked)


def test_what_is_typed_is_hidden_and_forgotten_when_locked(
    qtbot: QtBot, window: MainWindow
) -> None:
    page = window.unlock_view.passphrase_page
    assert page.passphrase.echoMode() is QLineEdit.EchoMode.Password
    window.actions_by_id["lock"].trigger()
    assert is_shown(window, View.UNLOCK)
    assert page.passphrase.text() == ""
    assert window.worklist.model.rowCount() == 0
    unlock(qtbot, window)
    assert window.worklist.model.rowCount() == 1


def test_first_run_makes_a_vault_and_shows_a_recovery_key_that_opens_it(
    qtbot: QtBot, tmp_path: Path, settings: QSettings
) -> None:
    path = tmp_path / "new" / "vault"
    window = MainWindow(path, [], settings)
    qtbot.addWidget(window)
    window.show()
    view = window.unlock_view
    qtbot.keyClicks(view.create_page.passphrase, PASSPHRASE)
    qtbot.keyClicks(view.create_page.again, "another")
    click(qtbot, view.create_page, "Make the vault")
    assert "differ" in view.create_page.problem.text()
    assert not path.exists()

    view.create_page.again.clear()
    qtbot.keyClicks(view.create_page.again, PASSPHRASE)
    qtbot.keyClick(view.create_page.again, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(view.key_page.key.text()), timeout=10_000)
    key = view.key_page.key.text()
    assert is_shown(window, View.UNLOCK), "the key is read before anything else"
    click(qtbot, view.key_page, "I have written it down")
    assert is_shown(window, View.WORKLIST)
    assert view.key_page.key.text() == ""

    window.lock()
    click(qtbot, view.passphrase_page, "Use the recovery key")
    qtbot.keyClicks(view.recovery_page.key, key.replace("\n", "-")[:-1] + "0000")
    qtbot.keyClick(view.recovery_page.key, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(view.recovery_page.problem.text()), timeout=10_000)
    view.recovery_page.key.clear()
    qtbot.keyClicks(view.recovery_page.key, key.replace("\n", "-"))
    qtbot.keyClick(view.recovery_page.key, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: is_shown(window, View.WORKLIST), timeout=10_000)
    window.close()


def test_a_damaged_vault_says_what_is_damaged(
    qtbot: QtBot, locked: MainWindow, vault_path: Path
) -> None:
    (vault_path / "vault.json").write_text("{", encoding="utf-8")
    page = locked.unlock_view.passphrase_page
    qtbot.keyClicks(page.passphrase, PASSPHRASE)
    qtbot.keyClick(page.passphrase, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "vault.json" in page.problem.text(), timeout=10_000)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[Vault]:
    """The vaults that were closed."""
    vaults: list[Vault] = []
    close = Vault.close

    def note(vault: Vault) -> None:
        vaults.append(vault)
        close(vault)

    monkeypatch.setattr(Vault, "close", note)
    return vaults


def test_closing_the_window_while_it_unlocks_leaves_no_vault_open(
    qtbot: QtBot, locked: MainWindow, closed: list[Vault]
) -> None:
    page = locked.unlock_view.passphrase_page
    qtbot.keyClicks(page.passphrase, PASSPHRASE)
    qtbot.keyClick(page.passphrase, Qt.Key.Key_Return)
    (task,) = locked.findChildren(Background)
    locked.close()
    assert task.isFinished()
    assert closed == [task.result]
    qtbot.wait(50)  # what the thread told arrives now
    assert is_shown(locked, View.UNLOCK)
    assert locked.intake is None


@pytest.mark.parametrize("waited", [False, True])
def test_a_new_vault_whose_key_nobody_confirmed_to_have_does_not_stay(
    qtbot: QtBot, tmp_path: Path, settings: QSettings, *, waited: bool
) -> None:
    path = tmp_path / "new"
    window = MainWindow(path, [], settings)
    qtbot.addWidget(window)
    window.show()
    view = window.unlock_view
    for field in (view.create_page.passphrase, view.create_page.again):
        field.setText(PASSPHRASE)
    qtbot.keyClick(view.create_page.again, Qt.Key.Key_Return)
    if waited:
        qtbot.waitUntil(lambda: bool(view.key_page.key.text()), timeout=10_000)
        assert path.exists()
    window.close()
    assert not path.exists()


@pytest.fixture
def shared(qtbot: QtBot, vault_path: Path, settings: QSettings) -> Iterator[MainWindow]:
    """A window that asks for the passphrase of a vault with three users, two of them new."""
    with Vault.open(vault_path, PASSPHRASE) as vault:
        vault.people.add("Dr Meier", Role.CLINICIAN, "given by the owner 1")
        vault.people.add("Kim", Role.TECHNICIAN, "given by the owner 2")
    yield from shown(qtbot, MainWindow(vault_path, [], settings))


def enter(qtbot: QtBot, window: MainWindow, user: str, passphrase: str) -> None:
    page = window.unlock_view.passphrase_page
    page.user.setCurrentText(user)
    qtbot.keyClicks(page.passphrase, passphrase)
    qtbot.keyClick(page.passphrase, Qt.Key.Key_Return)


def choose(qtbot: QtBot, window: MainWindow, passphrase: str) -> None:
    page = window.unlock_view.change_page
    qtbot.waitUntil(page.isVisible, timeout=20_000)
    qtbot.keyClicks(page.passphrase, passphrase)
    qtbot.keyClicks(page.again, passphrase)
    click(qtbot, page, "Change it")


def test_with_one_user_nobody_is_asked_who_it_is(locked: MainWindow) -> None:
    assert not locked.unlock_view.passphrase_page.user.isVisible()


def test_a_new_user_chooses_a_passphrase_before_anything_else(
    qtbot: QtBot, shared: MainWindow, vault_path: Path
) -> None:
    view = shared.unlock_view
    assert view.passphrase_page.user.isVisible()
    enter(qtbot, shared, "Dr Meier", "given by the owner 1")
    page = view.change_page
    qtbot.waitUntil(page.isVisible, timeout=20_000)
    qtbot.keyClicks(page.passphrase, "something of my own")
    qtbot.keyClicks(page.again, "something else of mine")
    click(qtbot, page, "Change it")
    assert "differ" in page.problem.text()
    page.passphrase.clear()
    page.again.clear()
    choose(qtbot, shared, "something of my own")
    qtbot.waitUntil(lambda: is_shown(shared, View.WORKLIST), timeout=20_000)
    assert shared.worklist.model.rowCount() == 1
    shared.lock()
    with Vault.open(vault_path, "something of my own", user="Dr Meier") as vault:
        assert not vault.session.must_change


def test_leaving_instead_of_choosing_closes_the_vault(
    qtbot: QtBot, shared: MainWindow, closed: list[Vault]
) -> None:
    enter(qtbot, shared, "Dr Meier", "given by the owner 1")
    qtbot.waitUntil(shared.unlock_view.change_page.isVisible, timeout=20_000)
    shared.close()
    assert len(closed) == 1


def test_a_technician_is_told_in_words_that_reading_is_for_others(
    qtbot: QtBot, shared: MainWindow
) -> None:
    enter(qtbot, shared, "Kim", "given by the owner 2")
    choose(qtbot, shared, "a bicycle in the rain")
    qtbot.waitUntil(lambda: is_shown(shared, View.WORKLIST), timeout=20_000)
    assert shared.worklist.model.rowCount() == 0
    assert "Kim may not read recordings" in shared.message.text
    assert "damaged" not in shared.message.text
