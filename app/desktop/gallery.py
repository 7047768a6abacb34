"""Pictures of every view, made without a screen: ``python -m app.desktop.gallery OUT [RECORDING]``.

A temporary vault holds a simulated recording, and the one that is named.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QApplication

    from app.desktop.intake import IntakeState
    from app.desktop.window import MainWindow

_SHOWN_SHARE = 0.3
_PASSPHRASE = "for pictures only"
_SIZE = (1440, 900)
_PATIENCE_S = 300.0
_DOTS_PER_MM = 4.0


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(prog="python -m app.desktop.gallery", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("recording", type=Path, nargs="?", help="file that is shown besides")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--size", type=int, nargs=2, default=_SIZE, metavar=("W", "H"))
    arguments = parser.parse_args()

    from app.offline import forbid_network

    forbid_network()
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in _take_pictures(Path(folder), arguments):
            print(name)


def _take_pictures(folder: Path, arguments: argparse.Namespace) -> list[str]:
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from app.desktop.window import MainWindow
    from app.vault import Vault
    from signals.simulate import holter_scenario, simulate_ecg
    from signals.writers.edf import write_edf

    application = QApplication(["tracekeep"])
    settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
    settings.setValue("theme", arguments.theme)
    simulated = folder / "holter.edf"
    write_edf(simulated, simulate_ecg(holter_scenario(1800, seed=1)).recording)
    vault, _ = Vault.create(folder / "vault", _PASSPHRASE)
    vault.close()
    window = MainWindow(folder / "vault", [simulated], settings)
    window.resize(*arguments.size)
    window.show()
    taken = []

    def take(name: str) -> None:
        application.processEvents()
        path = arguments.out / f"{name}.png"
        window.grab().save(str(path))
        taken.append(str(path))

    take("unlock")
    page = window.unlock_view.passphrase_page
    page.passphrase.setText(_PASSPHRASE)
    page.passphrase.returnPressed.emit()
    _wait(application, lambda: window.intake is not None)
    queue = window.intake
    assert queue is not None

    def watch(state: IntakeState | None) -> None:
        if state and state.stage == "Analysing" and (state.share or 0) > _SHOWN_SHARE:
            queue.changed.disconnect(watch)
            taken.append(str(arguments.out / "analysing.png"))
            window.grab().save(taken[-1])

    queue.changed.connect(watch)
    _wait(application, lambda: window.intake_line.isVisible())
    _wait(application, lambda: not window.intake_line.isVisible())
    if arguments.recording:
        window.take_in([arguments.recording])
        _wait(application, lambda: window.intake_line.isVisible())
        _wait(application, lambda: not window.intake_line.isVisible())
    take("worklist")
    _show_reading(window, take)
    window.close()
    return taken


def _show_reading(window: MainWindow, take: Callable[[str], None]) -> None:
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QApplication

    window.worklist.table.activated.emit(window.worklist.table.currentIndex())
    window.reading.set_screen(_DOTS_PER_MM, calibrated=True)
    QApplication.processEvents()
    panel = window.reading.findings
    shown = panel.list.model()
    findings = [
        shown.index(row, 0).data(Qt.ItemDataRole.UserRole) for row in range(shown.rowCount())
    ]
    runs = [f for f in findings if f.kind.startswith("ventricular")] or findings
    if runs:
        longest = max(runs, key=lambda finding: finding.n_beats)
        panel.list.setCurrentIndex(shown.index(findings.index(longest), 0))
        panel.chosen.emit(longest)
    take("reading")
    for _ in range(6):
        window.reading.zoom(-1)
    take("zoomed-out")
    window.reading.tracing.show_all()
    take("whole")
    window.show_summary()
    take("summary")


def _wait(application: QApplication, until: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not until():
        if time.monotonic() > end:
            raise SystemExit("the picture did not come about in time")
        application.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
