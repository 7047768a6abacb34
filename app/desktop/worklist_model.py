"""The recordings of a vault as rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QGuiApplication

from app import wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.vault import StoredRecording

Index = QModelIndex | QPersistentModelIndex

STATE, WHO, NAME, WHEN, LENGTH, RATE, FINDINGS, QUALITY = range(8)
SEARCHED = Qt.ItemDataRole.UserRole
"""Role of what the filter looks in: what a cell shows, and every finding that it has no room for.
"""
_HEADS = (
    "State",
    "Patient",
    "Recording",
    "When",
    "Length",
    "Heart rate",
    "Weightiest findings",
    "Quality",
)
_NUMBERS = frozenset({LENGTH, RATE})
_THIN = "\u2009"

_SHOWN = 2
NOT_NAMED = "Not named"


def patient_name(stored: StoredRecording) -> str:
    """Return the patient's name or code, or that the file tells neither."""
    return stored.patient.name or stored.patient.code or NOT_NAMED


def title(stored: StoredRecording) -> str:
    """Return what stands above a recording: patient and name."""
    patient = patient_name(stored)
    return stored.name if patient == NOT_NAMED else f"{patient} · {stored.name}"


def facts(stored: StoredRecording) -> str:
    """Return when a recording was made and how long it is."""
    when = f"{stored.start:%Y-%m-%d %H:%M}" if stored.start else "date not known"
    return f"{when} · {wording.duration(stored.duration_s)}"


def quality(headline: dict[str, Any]) -> str:
    """Return in words how much of a recording can be read."""
    unreadable = headline["measurements"].get("unreadable")
    if unreadable is None:
        return "Not measurable"
    if unreadable == 0:
        return "Good" if any(headline["beats"].values()) else "No beats found"
    shown = f"{unreadable:.0f}" if unreadable >= 1 else "< 1"
    return f"{shown}{_THIN}% unreadable"


class WorklistModel(QAbstractTableModel):
    """One row a recording, newest first.

    Parameters
    ----------
    parent : QObject
        Owner.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._stored: list[StoredRecording] = []

    def set_recordings(self, stored: Sequence[StoredRecording]) -> None:
        """Show these."""
        self.beginResetModel()
        self._stored = list(stored)
        self.endResetModel()

    def add(self, stored: StoredRecording) -> None:
        """Show one more, on top."""
        self.beginInsertRows(QModelIndex(), 0, 0)
        self._stored.insert(0, stored)
        self.endInsertRows()

    def row_of(self, recording_id: str) -> int | None:
        """Return the row of a recording, None if it has none."""
        rows = (row for row, stored in enumerate(self._stored) if stored.id == recording_id)
        return next(rows, None)

    def recording(self, row: int) -> StoredRecording:
        """Return what a row shows."""
        return self._stored[row]

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802 (Qt's form)
        """Return how many recordings there are."""
        return 0 if parent.isValid() else len(self._stored)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802 (Qt's form)
        """Return how many columns there are."""
        return 0 if parent.isValid() else len(_HEADS)

    def headerData(  # noqa: N802 (Qt's form)
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Return the head of a column."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return what a cell shows."""
        stored, column = self._stored[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _cell(stored, column)
        if role == SEARCHED:
            return _all_findings(stored) if column == FINDINGS else _cell(stored, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.ForegroundRole and _cell(stored, column) == NOT_NAMED:
            return QGuiApplication.palette().placeholderText()
        if role == Qt.ItemDataRole.ToolTipRole and column == STATE:
            return "Found by the program; no reader has confirmed it yet"
        if role == Qt.ItemDataRole.ToolTipRole and column in (WHO, NAME, FINDINGS):
            return _cell(stored, column)
        return None


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _cell(stored: StoredRecording, column: int) -> str:
    if column == WHO:
        return patient_name(stored)
    if column == NAME:
        return stored.name
    if column == WHEN:
        return stored.start.strftime("%Y-%m-%d %H:%M") if stored.start else "Not known"
    if column == LENGTH:
        return wording.duration(stored.duration_s)
    if column == RATE:
        rate = stored.headline["measurements"].get("heart_rate_mean")
        return "Not measurable" if rate is None else f"{rate:.0f}{_THIN}bpm"
    if column == FINDINGS:
        return wording.weightiest(stored.headline, _SHOWN)
    return quality(stored.headline) if column == QUALITY else "Proposed"


def _all_findings(stored: StoredRecording) -> str:
    """Return every kind of finding, as the list and as the reading view call it."""
    found = stored.headline["findings"]
    shown = wording.weightiest(stored.headline, len(found))
    return "\n".join([shown, *map(wording.kind_name, found)])
