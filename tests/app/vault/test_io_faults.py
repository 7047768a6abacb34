"""The disk fails at any one call, or from there on: nothing is lost, and it is told in words."""

from __future__ import annotations

import errno
import shutil
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import pytest

from app.vault import VaultError
from tests.app.vault.campaign import (
    Day,
    Moment,
    N,
    Tally,
    assert_day_survived,
    cheap_guesses,
    quick_place,
)
from tests.app.vault.faults import NEVER, Fault, install
from tests.app.vault.samples import fill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled

__all__ = ["cheap_guesses", "quick_place"]
KINDS = {
    "one I/O error": (errno.EIO, True),
    "I/O errors from there on": (errno.EIO, False),
    "one write without room": (errno.ENOSPC, True),
    "disk full from there on": (errno.ENOSPC, False),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("small") / "small.vault", N)


def live_through(filled: Filled, root: Path, fault: Fault) -> tuple[Moment, bool]:
    """Live the day on a disk with a fault; return where it ended, and whether that was told."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    path = shutil.copytree(filled.path, root / "day.vault")
    moments: list[Moment] = []
    with pytest.MonkeyPatch.context() as patch:
        install(fault, patch)
        day = Day(filled, path, root / "backup", moments.append, checkpoint_pages=20)
        moments.append(Moment(day.wanted, day.wanted, ""))
        try:
            day.live()
        except VaultError as error:
            assert error.problem  # noqa: PT017
            told = True
        except SystemError as error:
            # How APSW tells that the VFS of this test raised when a copy was given up.
            assert "apsw.Backup" in str(error)  # noqa: PT017
            told = True
        else:
            told = False
        with suppress(VaultError):
            day.close()
    return moments[-1], told


def break_disk(filled: Filled, root: Path, kind: str, points: int | None, seed: int = 0) -> Tally:
    """Let the disk fail at drawn calls of the day, or at each; count what is lost."""
    error, once = KINDS[kind]
    whole = Fault(NEVER, kill=False, error=error)
    live_through(filled, root, whole)
    tally = Tally(kind)
    calls = range(whole.count)
    for at in calls if points is None else Random(seed).sample(calls, points):
        fault = Fault(at, kill=False, error=error, once=once)

        def attack(fault: Fault = fault) -> None:
            moment, told = live_through(filled, root, fault)
            tally.noticed += told
            assert_day_survived(filled, root / "day.vault", root / "backup", moment)

        tally.judge(f"{kind} at call {at} of {whole.count}", attack)
        if tally.failures and f"call {at} " in tally.failures[-1]:
            tally.failures[-1] += f" ({fault.struck})"
    return tally


@pytest.mark.usefixtures("cheap_guesses")
@pytest.mark.parametrize("kind", KINDS)
def test_a_failing_disk_costs_nothing_that_was_acknowledged(
    small: Filled, quick_place: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    root = quick_place / "disk"
    monkeypatch.setenv("XDG_STATE_HOME", str(root / "state"))
    tally = break_disk(small, root, kind, 12)
    assert tally.failures == []
    assert tally.noticed > 4
