"""The window: which view is shown, and what the actions do in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QSettings, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QKeySequence,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.actions import ACTIONS, View
from app.desktop.auto_lock import LOCK_AFTER, AutoLock, IdleDialog, Why, lock_after
from app.desktop.background import Background
from app.desktop.emergency import EmergencyBanner, EmergencyDialog
from app.desktop.files import choose_recordings
from app.desktop.intake import IntakeQueue
from app.desktop.intake_line import IntakeLine
from app.desktop.keys_help import KeysHelp
from app.desktop.reading import ReadingView
from app.desktop.recording import OpenRecording
from app.desktop.screen import CalibrationDialog, dots_per_mm
from app.desktop.style import style
from app.desktop.summary_view import SummaryView
from app.desktop.unlock import UnlockView
from app.desktop.widgets import MessageBar
from app.desktop.worklist import WorklistView
from app.drawing.theme import LIGHT, THEMES
from app.faults import explain
from app.report import ReportError
from app.vault import ALLOWED, Action, NotAllowedError, VaultError
from signals.recording import RecordingError
from signals.scale import Scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.vault import Vault

_SIZE = (1280, 800)


class MainWindow(QMainWindow):
    """The window of the program.

    Parameters
    ----------
    vault_path : pathlib.Path
        Of the vault to unlock, or to make.
    recordings : iterable of pathlib.Path
        Taken in once the vault is open.
    settings : QSettings
        Theme and calibration; never anything about a patient.
    """

    locked = Signal()
    """The vault was open and is closed; the window is still there."""

    def __init__(self, vault_path: Path, recordings: Iterable[Path], settings: QSettings) -> None:
        super().__init__()
        self.setWindowTitle("Tracekeep")
        self.resize(*_SIZE)
        if isinstance(geometry := settings.value("geometry"), QByteArray):
            self.restoreGeometry(geometry)
        self.setAcceptDrops(True)
        self._settings = settings
        self._waiting = list(recordings)
        self._wanted = ""  # the one file that was asked for, while no other was under way
        self._vault: Vault | None = None
        self.intake: IntakeQueue | None = None
        self._theme = THEMES.get(str(settings.value("theme", "")), LIGHT)
        self.auto_lock = AutoLock(self)
        self.auto_lock.minutes = lock_after(settings)
        self.auto_lock.due.connect(self._lock_unless_at_work)

        inside = QWidget(self)
        inside.setObjectName("view")
        self.views = QStackedWidget(inside)
        self.message = MessageBar(inside)
        self.emergency = EmergencyBanner(inside)
        self.emergency.over.connect(self._emergency_is_over)
        self.unlock_view = UnlockView(vault_path, self.views)
        self.worklist = WorklistView(self._theme, self.choose_files, self.views)
        self.reading = ReadingView(self._theme, Scale(), self.views)
        self.summary = SummaryView(self._theme, self.views)
        self._by_name = {
            View.UNLOCK: self.unlock_view,
            View.WORKLIST: self.worklist,
            View.READING: self.reading,
            View.SUMMARY: self.summary,
        }
        for view in self._by_name.values():
            self.views.addWidget(view)
        self.intake_line = IntakeLine(self._cancel, inside)
        rows = QVBoxLayout(inside)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addWidget(self.emergency)
        rows.addWidget(self.message)
        rows.addWidget(self.views, 1)
        rows.addWidget(self.intake_line)
        self.setCentralWidget(inside)

        self.unlock_view.unlocked.connect(self.use_vault)
        self.worklist.chosen.connect(self.read_recording)
        self.reading.left.connect(self.show_worklist)
        self.reading.summary_wanted.connect(self.show_summary)
        self.summary.left.connect(self.show_tracing)
        self.summary.went.connect(self._show_moment)
        self.actions_by_id = self._make_actions()
        self._apply_theme()
        self._show(View.UNLOCK)

    # what the views ask for

    def use_vault(self, vault: Vault) -> None:
        """Show what an open vault holds, and take in what waits."""
        self._vault = vault
        self.auto_lock.start()
        self.emergency.watch(vault)
        self.intake = IntakeQueue(vault, self)
        self.intake.changed.connect(self.intake_line.show_state)
        self.intake.stored.connect(self._stored)
        self.intake.known.connect(self._known)
        self.intake.failed.connect(
            lambda problem: self.message.say(
                f"{problem}. Nothing of it was stored, and the file was not changed."
            )
        )
        self.intake.stopped.connect(
            lambda name: self.message.say(
                f"Stopped analysing {name}. Nothing of it was stored; open it again to start anew."
            )
        )
        self._list_recordings()
        self.show_worklist()
        for warning in vault.warnings:
            self.message.say(warning)
        waiting, self._waiting = self._waiting, []
        self.take_in(waiting)

    def read_recording(self, recording_id: str) -> None:
        """Open a recording in the reading view."""
        if self._vault is None:
            return
        try:
            opened = OpenRecording.read(self._vault, recording_id)
        except NotAllowedError as error:
            self.message.say(f"{explain(error)}.")
            return
        except (VaultError, ReportError, RecordingError, OSError) as error:
            self.message.say(
                f"This recording cannot be opened: {explain(error)}. The others are not touched; "
                "'tracekeep vault check' says what is damaged."
            )
            return
        self._show(View.READING)
        self.reading.show_recording(opened)
        self.summary.show_recording(opened.stored, opened.report)

    def show_summary(self) -> None:
        """Show the summary of the recording that is open."""
        self._show(View.SUMMARY)
        self.summary.page.setFocus()

    def show_tracing(self) -> None:
        """Show the tracing of the recording that is open, where it was."""
        self._show(View.READING)
        self.reading.tracing.setFocus()

    def show_worklist(self) -> None:
        """Show the list of recordings."""
        self._forget()
        self._show(View.WORKLIST)
        self.worklist.table.setFocus()

    def take_in(self, paths: Iterable[Path]) -> None:
        """Analyse files, and the recordings of folders, into the vault."""
        named = list(paths)
        if self.intake is None or not named:
            return
        task = Background(partial(_recordings_in, named), self)
        task.done.connect(self._add)
        task.failed.connect(
            lambda error: self.message.say(f"{explain(error)}. Nothing was stored.")
        )
        task.start()

    def choose_files(self) -> None:
        """Ask for files to analyse."""
        self.take_in(choose_recordings(self))

    def lock(self) -> None:
        """Close the vault; what is being analysed is stopped, and nothing of it stays."""
        was_open = self._vault is not None
        self._close_vault()
        if was_open:
            self._settings.setValue("geometry", self.saveGeometry())
            self.locked.emit()

    def _lock_unless_at_work(self, why: Why) -> None:
        """Lock; but that nobody is there does not stop an analysis, which ends by itself."""
        at_work = self.intake is not None and self.intake.is_busy
        if self._vault is not None and not (why is Why.IDLE and at_work):
            self.lock()

    def _close_vault(self) -> None:
        self.auto_lock.stop()
        self.emergency.watch(None)
        for dialog in self.findChildren(QDialog):
            dialog.close()
        self._forget()
        self.worklist.set_recordings([])
        self.worklist.search.clear()
        self.message.clear()
        if self.intake is not None:
            self.intake.close()
            self.intake.deleteLater()
            self.intake = None
        self._vault = None
        self.intake_line.show_state(None)
        self.unlock_view.reset()
        self._show(View.UNLOCK)

    def ask_for_emergency(self) -> None:
        """Let somebody who may not read have one patient's recordings, and say so in red."""
        if self._vault is None:
            return
        if Action.READ in ALLOWED[self._vault.session.role]:
            self.message.say("You may read all recordings; there is no need for it.")
            return
        dialog = EmergencyDialog(self._vault, self)
        dialog.opened.connect(self._emergency_is_open)
        dialog.open()

    def toggle_theme(self) -> None:
        """Change between light and dark, and remember it."""
        self._theme = THEMES["dark" if self._theme.name == "light" else "light"]
        self._settings.setValue("theme", self._theme.name)
        self._apply_theme()

    def calibrate(self) -> None:
        """Have the screen measured."""
        dialog = CalibrationDialog(self.screen(), self._settings, self)
        dialog.accepted.connect(self._apply_screen)
        dialog.open()

    def choose_idle_minutes(self) -> None:
        """Ask after how many minutes without anybody there the vault is to be locked."""

        def keep(minutes: int) -> None:
            self.auto_lock.minutes = minutes
            self._settings.setValue(LOCK_AFTER, minutes)

        dialog = IdleDialog(self.auto_lock.minutes, self)
        dialog.chosen.connect(keep)
        dialog.open()

    # what Qt asks for

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's form)
        """Take the measure of the screen that the window is on."""
        super().showEvent(event)
        self._apply_screen()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's form)
        """Welcome files when the vault is open."""
        if self._vault is not None and event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's form)
        """Take files in."""
        urls = event.mimeData().urls()
        self.take_in([Path(url.toLocalFile()) for url in urls if url.isLocalFile()])
        event.acceptProposedAction()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 (Qt's form)
        """Lock, so that nothing half-done stays."""
        self.hide()  # what is waited for may take a while
        self.unlock_view.close_down()
        self._settings.setValue("geometry", self.saveGeometry())
        self._close_vault()
        for task in self.findChildren(Background):
            task.wait()
        super().closeEvent(event)

    # inside

    def _emergency_is_open(self) -> None:
        self.emergency.look()
        self.message.clear()
        self._list_recordings()

    def _emergency_is_over(self) -> None:
        self.worklist.set_recordings([])
        self.show_worklist()
        self.message.say("The emergency access is over.")

    def _make_actions(self) -> dict[str, QAction]:
        reading = self.reading
        handlers: dict[str, Callable[[], object]] = {
            "open": self.choose_files,
            "worklist": self.show_worklist,
            "tracing": self.show_tracing,
            "summary": self.show_summary,
            "search": self._search,
            "cancel": self._cancel,
            "lock": self.lock,
            "idle": self.choose_idle_minutes,
            "emergency": self.ask_for_emergency,
            "quit": self.close,
            "next_finding": partial(reading.step_finding, 1),
            "previous_finding": partial(reading.step_finding, -1),
            "next_ectopic": partial(reading.step_ectopic, 1),
            "previous_ectopic": partial(reading.step_ectopic, -1),
            "second_on": partial(reading.step_seconds, 1.0),
            "second_back": partial(reading.step_seconds, -1.0),
            "page_on": partial(reading.step_page, 1),
            "page_back": partial(reading.step_page, -1),
            "to_start": partial(reading.tracing.go_to, 0.0),
            "to_end": reading.to_end,
            "zoom_in": partial(reading.zoom, 1),
            "zoom_out": partial(reading.zoom, -1),
            "gain_up": partial(reading.amplify, 1),
            "gain_down": partial(reading.amplify, -1),
            "standard": reading.standard,
            "whole": reading.tracing.show_all,
            "theme": self.toggle_theme,
            "calibrate": self.calibrate,
            "help": self._help,
        }
        made = {}
        menus = {name: self.menuBar().addMenu(name) for name in ("File", "Go", "View", "Help")}
        for action in ACTIONS:
            entry = QAction(action.text, self)
            entry.setShortcuts([QKeySequence(key) for key in action.keys])
            do = handlers[action.id]
            entry.triggered.connect(lambda _checked=False, do=do: do())
            menus[action.menu].addAction(entry)
            made[action.id] = entry
        return made

    def _show(self, view: View) -> None:
        self.views.setCurrentWidget(self._by_name[view])
        for action in ACTIONS:
            self.actions_by_id[action.id].setEnabled(view in action.views)

    def _forget(self) -> None:
        self.reading.forget()
        self.summary.forget()

    def _show_moment(self, seconds: float) -> None:
        self.show_tracing()
        self.reading.tracing.go_to(seconds)

    def _add(self, found: list[Path]) -> None:
        if self.intake is None:  # locked in the meantime
            return
        if found:
            self._wanted = found[0].name if len(found) == 1 and not self.intake.is_busy else ""
            self.intake.add(found)
        else:
            self.message.say("There is no recording in this folder. WFDB, EDF and BDF are read.")

    def _stored(self, recording_id: str) -> None:
        if self._vault is None:
            return
        if self._vault.session.refusal(Action.READ):
            self.message.say("The recording is stored, for those who may read it.")
            return
        try:
            self.worklist.add(self._vault.recording(recording_id))
        except VaultError as error:
            self._say_damaged(error)
        if self.views.currentWidget() is self.worklist:
            self.worklist.select(recording_id)

    def _known(self, name: str, recording_id: str) -> None:
        """Open what is stored already, if it is all that was asked for."""
        if name == self._wanted:
            self.read_recording(recording_id)
        else:
            self.message.say(f"{name} is in the vault already; it was not stored again.")

    def _list_recordings(self) -> None:
        if self._vault is None:
            return
        try:
            self.worklist.set_recordings(self._vault.recordings())
        except VaultError as error:
            self._say_damaged(error)

    def _say_damaged(self, error: VaultError) -> None:
        if isinstance(error, NotAllowedError):
            self.message.say(f"{explain(error)}.")
            return
        self.message.say(f"{explain(error)}. 'tracekeep vault check' says what is damaged.")

    def _search(self) -> None:
        if self.views.currentWidget() is not self.worklist:
            self.show_worklist()
        self.worklist.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.worklist.search.selectAll()

    def _cancel(self) -> None:
        if self.intake is not None:
            self.intake.cancel()

    def _help(self) -> None:
        before: QWidget = self.focusWidget()
        dialog = KeysHelp(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.finished.connect(lambda _result: before.setFocus())
        dialog.open()

    def _apply_theme(self) -> None:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        style(application, self._theme)
        self.worklist.set_theme(self._theme)
        self.reading.set_theme(self._theme)
        self.summary.set_theme(self._theme)

    def _apply_screen(self) -> None:
        dots, calibrated = dots_per_mm(self.screen(), self._settings)
        self.reading.set_screen(dots, calibrated=calibrated)


def _recordings_in(paths: list[Path]) -> list[Path]:
    from signals.readers import find_recordings

    return list(find_recordings(paths))
