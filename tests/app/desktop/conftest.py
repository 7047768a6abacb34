"""A vault with one analysed recording, and a window that is open on a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSettings, Qt
from pytestqt.qtbot import QtBot

from app.actions import View
from app.analysis import analyze_recording
from app.desktop.window import MainWindow
from app.vault import Vault
from signals.recording import MILLIVOLT, ArrayRecording, Channel, ChannelKind
from signals.simulate import holter_scenario, simulate_ecg
from signals.writers.edf import write_edf

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="session")
def holter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An EDF+ file: ten simulated minutes of two leads."""
    path = tmp_path_factory.mktemp("recordings") / "holter.edf"
    write_edf(path, simulate_ecg(holter_scenario(600.0, seed=4)).recording)
    return path


@pytest.fixture(scope="session")
def full_vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault that holds one recording, called simulated-5; copy it."""
    path = tmp_path_factory.mktemp("vaults") / "vault"
    recording = simulate_ecg(holter_scenario(900.0, seed=5)).recording
    vault, _ = Vault.create(path, PASSPHRASE)
    with vault:
        vault.commit(vault.intake().store(recording, analyze_recording(recording)))
    return path


@pytest.fixture
def vault_path(full_vault: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(full_vault, tmp_path / "vault"))


@pytest.fixture
def short_window(
    qtbot: QtBot,
    full_vault: Path,
    tmp_path: Path,
    settings: QSettings,
    request: pytest.FixtureRequest,
) -> Iterator[MainWindow]:
    """A window on the list, newest a recording of as few samples at 250 Hz as the test asks."""
    path = Path(shutil.copytree(full_vault, tmp_path / "vault"))
    n = int(request.param)
    samples = np.zeros(n, np.int16)
    channel = Channel("II", ChannelKind.ECG, 250.0, n, MILLIVOLT, 1e-3, 0.0, -5000, 5000)
    recording = ArrayRecording([samples], format="test", name="short", channels=(channel,))
    with Vault.open(path, PASSPHRASE) as vault:
        vault.commit(vault.intake().store(recording, analyze_recording(recording)))
    for window in shown(qtbot, MainWindow(path, [], settings)):
        unlock(qtbot, window)
        yield window


@pytest.fixture
def settings(tmp_path: Path) -> QSettings:
    return QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def locked(qtbot: QtBot, vault_path: Path, settings: QSettings) -> Iterator[MainWindow]:
    """A window that asks for the passphrase."""
    yield from shown(qtbot, MainWindow(vault_path, [], settings))


@pytest.fixture
def window(qtbot: QtBot, locked: MainWindow) -> MainWindow:
    """A window on the list of recordings."""
    unlock(qtbot, locked)
    return locked


@pytest.fixture
def reading(qtbot: QtBot, window: MainWindow) -> MainWindow:
    """A window on a recording."""
    qtbot.keyClick(window.worklist.table, Qt.Key.Key_Return)
    assert is_shown(window, View.READING)
    return window


def shown(qtbot: QtBot, window: MainWindow) -> Iterator[MainWindow]:
    qtbot.addWidget(window)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    yield window
    window.close()


def unlock(qtbot: QtBot, window: MainWindow) -> None:
    field = window.unlock_view.passphrase_page.passphrase
    qtbot.keyClicks(field, PASSPHRASE)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: is_shown(window, View.WORKLIST), timeout=10_000)


def is_shown(window: MainWindow, view: View) -> bool:
    widgets = {
        View.UNLOCK: window.unlock_view,
        View.WORKLIST: window.worklist,
        View.READING: window.reading,
        View.SUMMARY: window.summary,
    }
    return window.views.currentWidget() is widgets[view]
