"""The line at the foot of the window that says what is being analysed, with a way to stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QWidget

from app import wording
from app.desktop.widgets import button, label

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.desktop.intake import IntakeState

_STEPS = 1000
_SOON_S = 1.0


class IntakeLine(QFrame):
    """Hidden while nothing is under way.

    Parameters
    ----------
    cancel : callable
        Stops it.
    parent : QWidget
        Owner.
    """

    def __init__(self, cancel: Callable[[], object], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("bar")
        self.text = label("", "", self)
        self._bar = QProgressBar(self)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(240)
        self._left = label("", "muted", self)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 6, 16, 6)
        row.setSpacing(12)
        row.addWidget(self.text)
        row.addWidget(self._bar)
        row.addWidget(self._left)
        row.addStretch(1)
        row.addWidget(button("Stop", "", self, cancel))
        self.hide()

    def show_state(self, state: IntakeState | None) -> None:
        """Say how far it is."""
        self.setVisible(state is not None)
        if state is None:
            return
        self.text.setText(f"{state.stage} {state.name}")
        self._bar.setRange(0, 0 if state.share is None else _STEPS)
        self._bar.setValue(round((state.share or 0) * _STEPS))
        parts = [] if state.share is None else [f"{state.share:.0%}"]
        if state.left_s is not None and state.left_s >= _SOON_S:
            parts.append(f"{wording.duration(round(state.left_s))} left")
        if state.waiting:
            parts.append(f"{state.waiting} more waiting")
        self._left.setText(" · ".join(parts))
