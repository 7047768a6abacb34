"""Emergency access in the window: how it is asked for, and the banner for as long as it lasts."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from app.desktop.background import Background
from app.desktop.widgets import button, label
from app.faults import explain

if TYPE_CHECKING:
    from app.vault import Emergency, Vault

_LOOK_EVERY_S = 10


class EmergencyDialog(QDialog):
    """Asks which patient, why, and for the passphrase once more.

    Parameters
    ----------
    vault : Vault
        Open, by somebody who may not read.
    parent : QWidget
        Owner.
    """

    opened = Signal()
    """The patient can be read now."""

    def __init__(self, vault: Vault, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Emergency access")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFixedWidth(460)
        self._vault = vault
        rows = QVBoxLayout(self)
        rows.setContentsMargins(32, 24, 32, 24)
        rows.setSpacing(8)
        told = label(
            "Read one patient for four hours, for whose sake it cannot wait for somebody who may. "
            "This is noted, and so is each recording that you read; somebody will review it.",
            "",
            self,
        )
        told.setWordWrap(True)
        rows.addWidget(told)
        rows.addSpacing(8)
        self.patient = self._field(rows, "Patient: code, name, or id of a recording")
        self.reason = self._field(rows, "Reason")
        self.passphrase = self._field(rows, "Your passphrase")
        self.passphrase.setEchoMode(QLineEdit.EchoMode.Password)
        self.problem = label("", "error", self)
        self.problem.setWordWrap(True)
        rows.addWidget(self.problem)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(button("Cancel", "", self, self.reject))
        self.open_button = button("Open the patient", "primary", self, self._ask)
        row.addWidget(self.open_button)
        rows.addLayout(row)

    def _field(self, rows: QVBoxLayout, title: str) -> QLineEdit:
        name, field = label(title, "", self), QLineEdit(self)
        field.setAccessibleName(title)
        name.setBuddy(field)
        rows.addWidget(name)
        rows.addWidget(field)
        return field

    def _ask(self) -> None:
        self.open_button.setEnabled(False)
        self.problem.setText("")
        said = (self.patient.text(), self.reason.text(), self.passphrase.text())
        task = Background(partial(self._vault.emergencies.open, *said), self)
        task.done.connect(self._done)
        task.failed.connect(self._failed)
        task.start()

    def _done(self, _emergency: Emergency) -> None:
        self.opened.emit()
        self.accept()

    def _failed(self, error: Exception) -> None:
        self.open_button.setEnabled(True)
        self.passphrase.clear()
        self.problem.setText(f"{explain(error)}.")


class EmergencyBanner(QFrame):
    """Says in red that a patient is read in an emergency, and until when; hidden otherwise.

    Parameters
    ----------
    parent : QWidget
        Owner.
    """

    over = Signal()
    """It was in force, and no longer is."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("emergency")
        self._vault: Vault | None = None
        self.text = label("", "", self)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 6, 16, 6)
        row.addWidget(self.text)
        self._timer = QTimer(self)
        self._timer.setInterval(1000 * _LOOK_EVERY_S)
        self._timer.timeout.connect(self.look)
        self.hide()

    def watch(self, vault: Vault | None) -> None:
        """Say what is in force in a vault from now on; None: nothing, it is closed."""
        self._vault = vault
        if vault is None:
            self._timer.stop()
            self.hide()
        else:
            self._timer.start()
            self.look()

    def look(self) -> None:
        """Look whether it is still in force."""
        was = not self.isHidden()
        current = self._vault.emergencies.current() if self._vault else ()
        self.setVisible(bool(current))
        if current:
            until = max(datetime.fromisoformat(one.until) for one in current).astimezone()
            whom = "one patient" if len(current) == 1 else f"{len(current)} patients"
            self.text.setText(
                f"Emergency access to {whom} until {until:%H:%M}. What you read is noted and will "
                "be reviewed."
            )
        elif was:
            self.over.emit()
