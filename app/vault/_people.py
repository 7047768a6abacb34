"""Who can open a vault, and as what: users are added, removed, and given new passphrases."""

from __future__ import annotations

import secrets
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.vault import _recovery
from app.vault._digest import read_state
from app.vault._errors import (
    NotAllowedError,
    UnknownUserError,
    VaultDamagedError,
    VaultError,
    VaultLockedError,
)
from app.vault._files import writer_lock
from app.vault._header import (
    Header,
    new_salt,
    open_private,
    open_recovery,
    open_sealed,
    open_version_1,
    read_header,
    sealed_to,
    verify_header,
    with_private,
    write_header,
)
from app.vault._index import FILE as INDEX_FILE
from app.vault._index import index_errors, open_index
from app.vault._keys import (
    KEY_BYTES,
    Kem,
    Purpose,
    Stretching,
    derive,
    measured_cost,
    stretch,
    strongest_kem,
)
from app.vault._stanzas import PassphraseStanza, UserStanza
from app.vault._strength import weakness
from app.vault._throttle import Guesses
from app.vault.roles import Action, Role, Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.vault._vault import Vault

_LONGEST_NAME = 64
_MOST_WORK = 1 << 27  # KiB of memory times passes: minutes, in an opening that names no user


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who has a passphrase.

    Parameters
    ----------
    id : str
        32 hexadecimal digits, for life.
    user : str
        The name.
    role : Role
        What the user may do.
    must_change : bool
        Whether the user must choose a new passphrase before anything else.
    kdf : str
        What a guess at the passphrase costs, in words.
    """

    id: str
    user: str
    role: Role
    must_change: bool
    kdf: str


def user_names(path: Path) -> tuple[str, ...]:
    """Return who has a passphrase of a closed vault: names are no secret, as the format says.

    Nothing vouches for them before the vault is open.

    Raises
    ------
    VaultError
        If there is no vault, or its header is damaged.
    """
    return tuple(
        stanza.user
        for stanza in read_header(path).stanzas
        if isinstance(stanza, PassphraseStanza | UserStanza)
    )


def unlock(
    path: Path, passphrase: str, user: str | None, program: str
) -> tuple[Header, bytes, Session]:
    """Return what opens a vault by a passphrase; one of version 1 becomes one of this version.

    Errors as for :meth:`app.vault.Vault.open`.
    """
    header = read_header(path)
    stanza, vault_key = _guess(path, header, passphrase, user)
    verify_header(path, header, vault_key)
    if isinstance(stanza, PassphraseStanza):
        # A disk that is full or can only be read must not keep anyone from reading.
        with suppress(VaultError):
            header = migrate(path, vault_key, passphrase)
        session = Session("", stanza.user, Role.ADMINISTRATOR, program, by_recovery_key=False)
        return header, vault_key, _renewed(session, header)
    return header, vault_key, session_of(stanza, program)


def unlock_with_recovery_key(path: Path, text: str, program: str) -> tuple[Header, bytes, Session]:
    """Return what opens a vault by its recovery key; errors as for :meth:`app.vault.Vault.open`."""
    header = read_header(path)
    try:
        secret = _recovery.from_text(text)
    except ValueError as error:
        raise VaultLockedError(path, str(error)) from None
    vault_key = open_recovery(header, secret)
    if vault_key is None:
        raise VaultLockedError(path, "this recovery key is not, or no longer, that of this vault")
    verify_header(path, header, vault_key)
    session = Session("", "", Role.ADMINISTRATOR, program, by_recovery_key=True)
    return header, vault_key, session


def session_of(stanza: UserStanza, program: str) -> Session:
    """Return the session of a user who has opened the vault."""
    return Session(
        stanza.id,
        stanza.user,
        stanza.role,
        program,
        by_recovery_key=False,
        must_change=stanza.must_change,
    )


def new_header(header: Header, vault_key: bytes) -> Header:
    """Return the header with new keys for the log and the inbox, without users."""
    kem = strongest_kem()
    return header.with_keys(vault_key, secrets.token_bytes(KEY_BYTES), kem, kem.new_private())


def new_stanza(
    header: Header,
    vault_key: bytes,
    user: str,
    role: Role,
    passphrase: str,
    *,
    must_change: bool = False,
    instead_of: UserStanza | PassphraseStanza | None = None,
) -> UserStanza:
    """Return a stanza with a new key pair, for a new user or a new passphrase of one.

    A guess costs no less than at what it stands instead of, on however slow a device it is made.
    """
    known = instead_of if isinstance(instead_of, UserStanza) else None
    cost = max(
        measured_cost(),
        instead_of.cost if instead_of else Stretching(),
        key=lambda cost: cost.work,
    )
    private = Kem.X25519.new_private()
    stanza = UserStanza(
        id=known.id if known else secrets.token_hex(16),
        user=user,
        role=role,
        must_change=must_change,
        cost=cost,
        salt=new_salt(),
        public=Kem.X25519.public_of(private),
    )
    secret = stretch(passphrase, stanza.salt, stanza.cost)
    return sealed_to(header, with_private(header, stanza, secret, private), vault_key)


def migrate(path: Path, vault_key: bytes, passphrase: str) -> Header:
    """Write a header of version 1 anew, for its one user; the recovery key stays valid.

    Another program may have done it meanwhile. Return what is there then. Where the index knows a
    later header this one was put back, and must not pass for new: :class:`VaultError`.
    """
    with writer_lock(path):
        header = read_header(path)
        verify_header(path, header, vault_key)
        for old in header.stanzas:
            if isinstance(old, PassphraseStanza):
                _refuse_put_back(path, header, vault_key)
                made = new_header(header, vault_key)
                stanza = new_stanza(
                    made, vault_key, old.user, Role.ADMINISTRATOR, passphrase, instead_of=old
                )
                return write_header(path, made.with_users((stanza,)), vault_key)
    return header


def _refuse_put_back(path: Path, header: Header, vault_key: bytes) -> None:
    file = path / INDEX_FILE
    with index_errors(file):
        index = open_index(file, derive(vault_key, Purpose.INDEX, header.vault_id), header.vault_id)
        try:
            state = read_state(index)
        finally:
            index.close()
    if state and state.header_revision > header.revision:
        raise VaultError(
            path,
            "users and passphrases (vault.json) were put back to an older state: open the vault "
            "with the recovery key and accept that first (tracekeep vault accept)",
        )


def check_name(path: Path, name: str) -> str:
    """Return a name as it is written; raise :class:`VaultError` if it is none."""
    name = unicodedata.normalize("NFC", name).strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or name.startswith("-"):
        raise VaultError(
            path, f"a user's name has 1 to {_LONGEST_NAME} characters and begins with a letter"
        )
    return name


def check_passphrase(path: Path, passphrase: str, *personal: str) -> None:
    """Raise :class:`VaultError` if a new passphrase is one of those that are guessed first."""
    weak = weakness(passphrase, *personal)
    if weak:
        raise VaultError(path, weak)


class People:
    """The users of an open vault: ``vault.people``.

    Parameters
    ----------
    vault : Vault
        The vault.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def users(self) -> tuple[User, ...]:
        """Return who has a passphrase."""
        self._vault.require(Action.MANAGE_USERS)
        return tuple(
            User(user.id, user.user, user.role, user.must_change, str(user.cost))
            for user in self._vault._header.users
        )

    def add(self, name: str, role: Role, passphrase: str) -> None:
        """Add a user, who has to change this passphrase at the first opening.

        Raises
        ------
        NotAllowedError
            If the session may not.
        VaultError
            If the name is taken or none, or the passphrase is weak.
        """
        self._vault.require(Action.MANAGE_USERS)
        path = self._vault.path
        name = check_name(path, name)
        check_passphrase(path, passphrase, name)

        def add(header: Header) -> Header:
            if any(user.user.casefold() == name.casefold() for user in header.users):
                raise VaultError(path, f"there is a user “{name}” already")
            key = self._vault._vault_key
            return header.with_user(
                new_stanza(header, key, name, role, passphrase, must_change=True)
            )

        self._change(add, "user-added", user=name, role=role.value)

    def remove(self, name: str) -> None:
        """Remove a user.

        Whoever kept a copy of the vault and its key by other means than this program can still
        read that copy, and what is added under the same key: :meth:`app.vault.Vault.rotate`.

        Raises
        ------
        NotAllowedError
            If the session may not, or the user is oneself or the last administrator.
        UnknownUserError
            If there is no such user.
        """
        self._vault.require(Action.MANAGE_USERS)

        def remove(header: Header) -> Header:
            stanza = self._other(header, name)
            return header.with_users(tuple(user for user in header.users if user != stanza))

        self._change(remove, "user-removed", user=name)

    def change_role(self, name: str, role: Role) -> None:
        """Let a user do other things; errors as for :meth:`remove`."""
        self._vault.require(Action.MANAGE_USERS)

        def change(header: Header) -> Header:
            return header.with_user(replace(self._other(header, name), role=role))

        self._change(change, "user-role", user=name, role=role.value)

    def demand_change(self, name: str) -> None:
        """Make a user choose a new passphrase at once; errors as for :meth:`remove`."""
        self._vault.require(Action.MANAGE_USERS)

        def change(header: Header) -> Header:
            return header.with_user(replace(self._other(header, name), must_change=True))

        self._change(change, "user-must-change", user=name)

    def reset_passphrase(self, name: str, passphrase: str) -> None:
        """Give a user another passphrase, which must be changed at the next opening.

        Raises
        ------
        NotAllowedError
            If the session may not, or the user is oneself.
        UnknownUserError
            If there is no such user.
        VaultError
            If the passphrase is weak.
        """
        self._vault.require(Action.MANAGE_USERS)
        check_passphrase(self._vault.path, passphrase, name)
        if self._vault._header.version == 1 and self._vault.session.by_recovery_key:
            # Nobody else can bring a vault to this version whose only passphrase is lost.
            self._vault._header = migrate(self._vault.path, self._vault._vault_key, passphrase)

        def reset(header: Header) -> Header:
            stanza = self._other(header, name)
            return header.with_user(self._with_passphrase(header, stanza, passphrase))

        self._change(reset, "user-passphrase-reset", user=name)

    def change_passphrase(self, old: str, new: str) -> None:
        """Change one's own passphrase.

        Raises
        ------
        VaultLockedError
            If `old` is not the present one.
        NotAllowedError
            If the vault was opened by the recovery key, which is nobody's.
        VaultError
            If `new` is weak, or the present one.
        """
        session = self._vault.session
        self.authenticate(old)
        if old == new:
            raise VaultError(self._vault.path, "this is the passphrase that you have already")
        check_passphrase(self._vault.path, new, session.user)

        def change(header: Header) -> Header:
            stanza = _named(self._vault.path, header, session.user)
            changed = self._with_passphrase(header, stanza, new)
            return header.with_user(replace(changed, must_change=False))

        self._change(change, "user-passphrase", user=session.user)

    def authenticate(self, passphrase: str) -> None:
        """Make sure that it is still the user of the session who sits there.

        Raises
        ------
        VaultLockedError
            If it is not that user's passphrase.
        NotAllowedError
            If the vault was opened by the recovery key, which is nobody's.
        """
        path, session = self._vault.path, self._vault.session
        if session.by_recovery_key:
            raise NotAllowedError(path, "the vault was opened by the recovery key, not by a user")
        stanza, _ = _guess(path, read_header(path), passphrase, session.user)
        if isinstance(stanza, UserStanza) and stanza.id != (session.user_id or stanza.id):
            raise VaultLockedError(path, "the passphrase is another user's of the same name")

    def _with_passphrase(self, header: Header, stanza: UserStanza, passphrase: str) -> UserStanza:
        return new_stanza(
            header,
            self._vault._vault_key,
            stanza.user,
            stanza.role,
            passphrase,
            must_change=True,
            instead_of=stanza,
        )

    def _other(self, header: Header, name: str) -> UserStanza:
        """Return the stanza of somebody else: nobody locks oneself out by mistake."""
        stanza = _named(self._vault.path, header, name)
        if stanza.id == self._vault.session.user_id:
            raise NotAllowedError(
                self._vault.path, "this is you: it takes another administrator to do that"
            )
        return stanza

    def _change(self, change: Callable[[Header], Header], told: str, **detail: str) -> None:
        """Write the header anew, under the lock and from what is there now, and tell the log."""
        vault = self._vault
        with writer_lock(vault.path):
            header = vault._current_header()
            if header.version == 1:
                raise VaultError(
                    vault.path,
                    "an older version of the program made this vault: open it once with its "
                    "passphrase, then try again",
                )
            self._be_still_who_one_was(header)
            changed = change(header)
            if not any(user.role is Role.ADMINISTRATOR for user in changed.users):
                raise NotAllowedError(
                    vault.path, "this is the last administrator: make somebody else one first"
                )
            vault._header = write_header(vault.path, changed, vault._vault_key)
            vault.session = _renewed(vault.session, vault._header)
        vault._log.add(told, **detail)

    def _be_still_who_one_was(self, header: Header) -> None:
        """Refuse whoever was removed or demoted since the vault was opened."""
        before, now = self._vault.session, _renewed(self._vault.session, header)
        gone = now.user_id not in {user.id for user in header.users}
        if not now.by_recovery_key and (gone or now.role is not before.role):
            self._vault.session = now
            raise NotAllowedError(
                self._vault.path, "an administrator has changed what you may do: open it again"
            )


def _renewed(session: Session, header: Header) -> Session:
    """Return a user's session by what the header says of that user now."""
    for stanza in header.users:
        if stanza.id == session.user_id or (not session.user_id and stanza.user == session.user):
            return session_of(stanza, session.program)
    return session


def _named(path: Path, header: Header, name: str) -> UserStanza:
    wanted = unicodedata.normalize("NFC", name).strip().casefold()
    for stanza in header.users:
        if stanza.user.casefold() == wanted:
            return stanza
    raise UnknownUserError(path, f"there is no user “{name}”")


def _guess(
    path: Path, header: Header, passphrase: str, user: str | None
) -> tuple[UserStanza | PassphraseStanza, bytes]:
    """Return the stanza that a passphrase opens, of a user or of anybody, and the vault key."""
    stanzas: dict[str, UserStanza | PassphraseStanza] = {}
    for stanza in header.stanzas:
        if isinstance(stanza, UserStanza):
            stanzas[stanza.id] = stanza
        elif isinstance(stanza, PassphraseStanza):
            stanzas[stanza.user] = stanza
    if user is not None:
        wanted = unicodedata.normalize("NFC", user).strip().casefold()
        stanzas = {id_: s for id_, s in stanzas.items() if s.user.casefold() == wanted}
        if not stanzas:
            raise UnknownUserError(path, f"there is no user “{user}”")
    elif sum(stanza.cost.work for stanza in stanzas.values()) > _MOST_WORK:
        raise VaultError(
            path, "to try the passphrase for each of its users would take too long: name the user"
        )
    guesses = Guesses(path, header.vault_id)
    tried = guesses.begin(tuple(stanzas))
    for id_ in tried:
        vault_key = _opened(path, header, stanzas[id_], passphrase)
        if vault_key is not None:
            guesses.right(id_, tried)
            return stanzas[id_], vault_key
    raise VaultLockedError(path, "the passphrase is wrong")


def _opened(
    path: Path, header: Header, stanza: UserStanza | PassphraseStanza, passphrase: str
) -> bytes | None:
    secret = stretch(passphrase, stanza.salt, stanza.cost)
    if isinstance(stanza, PassphraseStanza):
        return open_version_1(header, stanza, secret)
    private = open_private(header, stanza, secret)
    if private is None:
        return None
    vault_key = open_sealed(header, stanza, private)
    if vault_key is None:
        raise VaultDamagedError(path / "vault.json", "the header of the vault was changed")
    return vault_key
