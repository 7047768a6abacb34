"""The first view: unlock the vault, or make one."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from app.desktop.background import Background
from app.desktop.widgets import Choice, button, label
from app.faults import explain
from app.report import NOTICE
from app.vault import (
    TooManyGuessesError,
    Vault,
    VaultError,
    VaultLockedError,
    user_names,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_WIDTH = 440
_HEADER = "vault.json"
_REFUSAL_LINES = 3
_PROGRAM = "tracekeep desktop"  # for the log


class UnlockView(QWidget):
    """Asks for the passphrase or the recovery key; on first run it makes a vault.

    Parameters
    ----------
    path : pathlib.Path
        Of the vault; it need not be there.
    parent : QWidget
        Owner.
    """

    unlocked = Signal(object)
    """The open Vault."""

    def __init__(self, path: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("view")
        self.path = path
        self._closed = False
        self._task: Background | None = None
        self._pages = QWidget(self)
        card = QFrame(self)
        card.setObjectName("card")
        card.setFixedWidth(_WIDTH)
        inside = QVBoxLayout(card)
        inside.setContentsMargins(32, 32, 32, 24)
        inside.setSpacing(8)
        inside.addWidget(label("Tracekeep", "title", card))
        inside.addWidget(_path_label(path, card))
        inside.addSpacing(16)
        inside.addWidget(self._pages)
        self._busy = QProgressBar(card)
        self._busy.setRange(0, 0)
        self._busy.setTextVisible(False)
        keep = self._busy.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self._busy.setSizePolicy(keep)
        self._busy.hide()
        inside.addWidget(self._busy)
        notice = label(NOTICE, "small", card)
        notice.setWordWrap(True)
        inside.addWidget(notice)
        outside = QVBoxLayout(self)
        outside.addWidget(card, 0, Qt.AlignmentFlag.AlignCenter)

        self.passphrase_page = _PassphrasePage(self)
        self.recovery_page = _RecoveryPage(self)
        self.change_page = _ChangePage(self)
        self.create_page = _CreatePage(self)
        self.key_page = _KeyPage(self)
        self._all = (
            self.passphrase_page,
            self.recovery_page,
            self.change_page,
            self.create_page,
            self.key_page,
        )
        self._page: _Page = self.passphrase_page
        # Those that are hidden take no room, as they would in a stack.
        pages = QVBoxLayout(self._pages)
        pages.setContentsMargins(0, 0, 0, 0)
        for page in self._all:
            pages.addWidget(page)
        self.passphrase_page.entered.connect(self._open)
        self.change_page.entered.connect(self._change)
        self.passphrase_page.other_way.connect(lambda: self._show(self.recovery_page))
        self.recovery_page.entered.connect(self._recover)
        self.recovery_page.other_way.connect(lambda: self._show(self.passphrase_page))
        self.create_page.entered.connect(self._create)
        self.key_page.noted.connect(self.unlocked)
        self.reset()

    def reset(self) -> None:
        """Forget what was typed, and ask for what the vault needs."""
        for page in self._all:
            page.clear()
        if not (self.path / _HEADER).exists():
            self._show(self.create_page)
            return
        try:
            self.passphrase_page.offer(user_names(self.path))
        except VaultError as error:
            self.passphrase_page.refuse(f"{explain(error)}.")
        self._show(self.passphrase_page)

    def close_down(self) -> None:
        """Open nothing any more: a vault that is just being opened is closed again.

        A new one whose key nobody has confirmed to have is deleted.
        """
        self._closed = True
        if self._task is not None:
            self._task.wait()
            match self._task.result:
                case Vault() as vault:
                    vault.close()
                case Vault() as vault, _:
                    _delete_new(vault)
            self._task = None
        self.change_page.clear()
        self.key_page.clear()

    def _show(self, page: _Page) -> None:
        self._page = page
        for other in self._all:
            other.setVisible(other is page)
        page.take_focus()

    def _open(self, passphrase: str, user: str) -> None:
        opening = partial(Vault.open, self.path, passphrase, user=user or None, program=_PROGRAM)
        self._work(opening, partial(self._opened, passphrase))

    def _opened(self, passphrase: str, vault: Vault) -> None:
        if vault.session.must_change:
            self.change_page.ask(vault, passphrase)
            self._show(self.change_page)
        else:
            self.unlocked.emit(vault)

    def _change(self, vault: Vault, old: str, new: str) -> None:
        def change() -> Vault:
            vault.people.change_passphrase(old, new)
            return vault

        self._work(change, self._changed)

    def _changed(self, vault: Vault) -> None:
        self.change_page.release()
        self.unlocked.emit(vault)

    def _recover(self, key: str) -> None:
        opening = partial(Vault.open_with_recovery_key, self.path, key, program=_PROGRAM)
        self._work(opening, self.unlocked.emit)

    def _create(self, passphrase: str) -> None:
        making = partial(Vault.create, self.path, passphrase, program=_PROGRAM)
        self._work(making, self._created)

    def _created(self, made: tuple[Vault, str]) -> None:
        self.key_page.show_key(*made)
        self._show(self.key_page)

    def _work(self, work: Callable[[], object], done: Callable[[Any], object]) -> None:
        """Derive keys beside the window: that is slow on purpose."""
        self._pages.setEnabled(False)
        self._busy.show()
        self._task = Background(work, self)
        self._task.done.connect(partial(self._ended, done))
        self._task.failed.connect(partial(self._ended, self._failed))
        self._task.start()

    def _ended(self, then: Callable[[Any], object], result: object) -> None:
        if self._closed:  # close_down() has seen to it
            return
        self._task = None
        self._pages.setEnabled(True)
        self._busy.hide()
        then(result)

    def _failed(self, error: Exception) -> None:
        page = self._page
        if isinstance(error, VaultLockedError) and not isinstance(error, TooManyGuessesError):
            page.refuse(page.WRONG)
        else:
            page.refuse(f"{explain(error)}.")


def _delete_new(vault: Vault) -> None:
    """Delete a vault whose recovery key nobody has: it would be lost with the passphrase."""
    empty = not vault.recordings()
    vault.close()
    if empty:
        shutil.rmtree(vault.path, ignore_errors=True)


def _path_label(path: Path, parent: QWidget) -> QLabel:
    made = label("", "muted", parent)
    room = _WIDTH - 64
    made.setText(made.fontMetrics().elidedText(str(path), Qt.TextElideMode.ElideMiddle, room))
    made.setToolTip(str(path))
    return made


class _Page(QWidget):
    """Something to type in, and what was wrong with it."""

    WRONG = ""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.setSpacing(8)
        self.fields: list[QLineEdit] = []
        self.problem = label("", "error", self)
        self.problem.setWordWrap(True)
        # Room for the longest refusal, so that nothing moves when there is one.
        self.problem.setFixedHeight(_REFUSAL_LINES * self.problem.fontMetrics().lineSpacing())
        self.problem.setAlignment(Qt.AlignmentFlag.AlignTop)

    def add_field(self, title: str, *, hidden: bool) -> QLineEdit:
        """Add a field with its name above it."""
        name = label(title, "", self)
        field = QLineEdit(self)
        field.setAccessibleName(title)
        name.setBuddy(field)
        if hidden:
            field.setEchoMode(QLineEdit.EchoMode.Password)
        self.rows.addWidget(name)
        self.rows.addWidget(field)
        self.fields.append(field)
        return field

    def clear(self) -> None:
        """Forget what was typed."""
        for field in self.fields:
            field.clear()
        self.problem.setText("")

    def refuse(self, problem: str) -> None:
        """Say what is wrong, and ask again."""
        self.problem.setText(problem)
        self.take_focus()

    def take_focus(self) -> None:
        """Put the cursor where typing starts."""
        if self.fields:
            self.fields[0].setFocus()
            self.fields[0].selectAll()


class _PassphrasePage(_Page):
    entered = Signal(str, str)
    """Passphrase, and whose; empty where there is one user."""
    other_way = Signal()
    WRONG = (
        "This is not the passphrase of this vault. Nothing was changed: try again, or use the "
        "recovery key."
    )

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.user = Choice(self)
        self.user.setAccessibleName("User")
        self.user.hide()
        self.rows.addWidget(self.user)
        self.passphrase = self.add_field("Passphrase", hidden=True)
        self.user.activated.connect(lambda _index: self.passphrase.setFocus())
        self.passphrase.returnPressed.connect(self._enter)
        self.rows.addWidget(self.problem)
        row = QHBoxLayout()
        row.addWidget(button("Use the recovery key", "link", self, self.other_way.emit))
        row.addStretch(1)
        row.addWidget(button("Unlock", "primary", self, self._enter))
        self.rows.addLayout(row)

    def offer(self, users: Sequence[str]) -> None:
        """Let the user be chosen where there are several; who was chosen before stays so."""
        chosen = self.user.currentText()
        self.user.clear()
        self.user.addItems(users)
        self.user.setCurrentIndex(max(0, self.user.findText(chosen)))
        self.user.setVisible(len(users) > 1)

    def _enter(self) -> None:
        if self.passphrase.text():
            self.problem.setText("")
            self.entered.emit(self.passphrase.text(), self.user.currentText())


class _ChangePage(_Page):
    entered = Signal(object, str, str)
    """The open vault, the passphrase that was set by somebody else, and one's own."""
    WRONG = "The passphrase was changed in the meantime. Lock, and begin anew."

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._vault: Vault | None = None
        self._old = ""
        why = label(
            "This passphrase was set by somebody else. Choose one of your own, that nobody else "
            "knows, before you go on.",
            "muted",
            self,
        )
        why.setWordWrap(True)
        self.rows.addWidget(why)
        self.passphrase = self.add_field("New passphrase", hidden=True)
        self.again = self.add_field("The same again", hidden=True)
        self.passphrase.returnPressed.connect(self.again.setFocus)
        self.again.returnPressed.connect(self._enter)
        self.rows.addWidget(self.problem)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(button("Change it", "primary", self, self._enter))
        self.rows.addLayout(row)

    def ask(self, vault: Vault, old: str) -> None:
        """Ask whoever has just opened the vault."""
        self._vault, self._old = vault, old

    def clear(self) -> None:
        """Forget it all; a vault that waits for its new passphrase is closed."""
        super().clear()
        if self._vault is not None:
            self._vault.close()
        self.release()

    def release(self) -> None:
        """Leave the vault to whoever goes on with it."""
        self._vault, self._old = None, ""

    def _enter(self) -> None:
        if self._vault is None or not self.passphrase.text():
            return
        if self.passphrase.text() != self.again.text():
            self.refuse("The two passphrases differ. Nothing was changed: type both again.")
            return
        self.problem.setText("")
        self.entered.emit(self._vault, self._old, self.passphrase.text())


class _RecoveryPage(_Page):
    entered = Signal(str)
    other_way = Signal()
    WRONG = (
        "This is not the recovery key of this vault. Nothing was changed: compare it with your "
        "note, character by character."
    )

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.key = self.add_field("Recovery key", hidden=False)
        self.key.returnPressed.connect(self._enter)
        self.rows.addWidget(self.problem)
        row = QHBoxLayout()
        row.addWidget(button("Use the passphrase", "link", self, self.other_way.emit))
        row.addStretch(1)
        row.addWidget(button("Unlock", "primary", self, self._enter))
        self.rows.addLayout(row)

    def _enter(self) -> None:
        if self.key.text().strip():
            self.problem.setText("")
            self.entered.emit(self.key.text().strip())


class _CreatePage(_Page):
    entered = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        why = label(
            "There is no vault here yet. Choose a passphrase for a new one: without it, or the "
            "recovery key that comes next, nobody can read what the vault holds.",
            "muted",
            self,
        )
        why.setWordWrap(True)
        self.rows.addWidget(why)
        self.passphrase = self.add_field("Passphrase", hidden=True)
        self.again = self.add_field("The same again", hidden=True)
        self.passphrase.returnPressed.connect(self.again.setFocus)
        self.again.returnPressed.connect(self._enter)
        self.rows.addWidget(self.problem)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(button("Make the vault", "primary", self, self._enter))
        self.rows.addLayout(row)

    def _enter(self) -> None:
        if not self.passphrase.text():
            self.refuse("A vault needs a passphrase.")
        elif self.passphrase.text() != self.again.text():
            self.refuse("The two passphrases differ. Nothing was made: type both again.")
        else:
            self.problem.setText("")
            self.entered.emit(self.passphrase.text())


class _KeyPage(_Page):
    noted = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._vault: Vault | None = None
        self.rows.addWidget(label("Write down the recovery key", "heading", self))
        why = label(
            "It opens the vault when the passphrase is lost. It is shown this once and kept "
            "nowhere: write it on paper, and keep the paper where the vault is not. If the window "
            "is closed before that, there will be no vault, and you begin anew.",
            "muted",
            self,
        )
        why.setWordWrap(True)
        self.rows.addWidget(why)
        self.key = label("", "key", self)
        self.key.setWordWrap(True)
        self.key.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.key.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.rows.addWidget(self.key)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(button("I have written it down", "primary", self, self._go_on))
        self.rows.addLayout(row)

    def show_key(self, vault: Vault, key: str) -> None:
        """Show the key of a vault that was just made."""
        self._vault = vault
        self.key.setText(_in_lines(key))

    def clear(self) -> None:
        """Show nothing, and delete a vault that nobody went on to."""
        super().clear()
        vault, self._vault = self._vault, None
        self.key.setText("")
        if vault is not None:
            _delete_new(vault)

    def _go_on(self) -> None:
        vault, self._vault = self._vault, None
        self.key.setText("")
        if vault is not None:
            self.noted.emit(vault)


def _in_lines(key: str) -> str:
    """Return a key in lines of two groups, as it is best copied by hand."""
    groups = key.split("-")
    return "\n".join("-".join(groups[i : i + 2]) for i in range(0, len(groups), 2))
