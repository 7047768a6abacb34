"""Work that would keep the window from answering, done beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QThread, Signal

if TYPE_CHECKING:
    from collections.abc import Callable


class Background(QThread):
    """Calls a function in a thread and tells, in the window's thread, how it ended.

    Parameters
    ----------
    work : callable
        Without arguments.
    parent : QObject
        Owns the thread.

    Attributes
    ----------
    result : object
        What the work gave, for one who waited for the thread and takes no signals any more.
    """

    done = Signal(object)
    """What the work gave."""
    failed = Signal(object)
    """The exception that it ended with."""

    def __init__(self, work: Callable[[], object], parent: QObject) -> None:
        super().__init__(parent)
        self._work = work
        self.result: object = None
        self.finished.connect(self.deleteLater)

    def run(self) -> None:
        """Work; Qt calls this in the thread."""
        try:
            self.result = self._work()
        except Exception as error:  # noqa: BLE001 (told to whoever asked for the work)
            self.failed.emit(error)
        else:
            self.done.emit(self.result)
