"""The attacks on the vault at length, and the table of their counts: ``scripts/torture``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.vault import _keys, _people
from tests.app.vault.campaign import N, Tally, no_stretch
from tests.app.vault.samples import Filled, fill
from tests.app.vault.test_flips import flip, mix
from tests.app.vault.test_io_faults import KINDS, break_disk
from tests.app.vault.test_kill import kill_teams
from tests.app.vault.test_machine import run_machine
from tests.app.vault.test_power_loss import lose_power

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROUND = 500  # points of one recorded day
_LONGEST = 5  # failures told of one attack


def _power(filled: Filled, place: Path, times: int, seed: int) -> Tally:
    tally = Tally("power lost")
    for number in range(0, times, _ROUND):
        place.joinpath(f"{number}").mkdir()
        root = place / f"{number}" / "disk"
        os.environ["XDG_STATE_HOME"] = str(root / "state")
        part = lose_power(filled, root, min(_ROUND, times - number), seed + number)
        tally.injected += part.injected
        tally.failures += part.failures
    return tally


def _disk(kind: str, filled: Filled, place: Path, times: int, seed: int) -> Tally:
    os.environ["XDG_STATE_HOME"] = str(place / "disk" / "state")
    return break_disk(filled, place / "disk", kind, times, seed)


def _kills(filled: Filled, place: Path, times: int, seed: int) -> Tally:
    return kill_teams(filled, place, times, seed)


def _flips(filled: Filled, place: Path, times: int, seed: int) -> Tally:
    return flip(filled, place, times // 9, seed)


def _mixes(filled: Filled, place: Path, _times: int, seed: int) -> Tally:
    return mix(filled, place, 1.0, place / "state", seed)


def _machine(filled: Filled, place: Path, times: int, _seed: int) -> Tally:
    tally = Tally("programs beside a plain model, operations")
    tally.judge("the model", lambda: run_machine(filled, place, times // 50, 50))
    tally.injected = times
    return tally


# Each with how often it strikes; --scale multiplies that.
_ATTACKS: dict[str, tuple[Callable[[Filled, Path, int, int], Tally], int]] = {
    "power": (_power, 3000),
    **{f"disk-{n}": (partial(_disk, kind), 400) for n, kind in enumerate(KINDS, 1)},
    "kill": (_kills, 100),
    "machine": (_machine, 5000),
    "flip": (_flips, 2000),
    "mix": (_mixes, 1),
}


def _run(names: list[str], scale: float, seed: int) -> Iterator[tuple[Tally, float]]:
    with tempfile.TemporaryDirectory(prefix="tracekeep-torture-", dir=_quick()) as folder:
        filled = fill(Path(folder) / "filled.vault", N)
        for name in names:
            attack, times = _ATTACKS[name]
            place = Path(folder) / name
            place.mkdir()
            os.environ["XDG_STATE_HOME"] = str(place / "state")
            begun = time.monotonic()
            yield (
                attack(filled, place, max(1, round(times * scale)), seed),
                time.monotonic() - begun,
            )


def _quick() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> int:
    """Run the attacks that are named, or all; return 1 if one of them got through."""
    parser = argparse.ArgumentParser(prog="scripts/torture", description=__doc__)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=", ".join(_ATTACKS))
    parser.add_argument("--scale", type=float, default=1.0, help="how much more often (1)")
    parser.add_argument("--seed", type=int, default=0, help="what the chances begin with (0)")
    options = parser.parse_args()
    unknown = set(options.attacks) - set(_ATTACKS)
    if unknown:
        parser.error(f"there is no attack {', '.join(sorted(unknown))}")
    lost = 0
    print(f"{'attack':44}{'injected':>9}{'told':>7}{'lost or not noticed':>21}{'time':>8}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_people, "stretch", no_stretch)
        patch.setattr(_people, "measured_cost", _keys.Stretching)
        patch.setenv("XDG_STATE_HOME", "")
        for tally, seconds in _run(options.attacks or list(_ATTACKS), options.scale, options.seed):
            told = tally.noticed or "-"
            print(
                f"{tally.name:44}{tally.injected:9}{told:>7}{len(tally.failures):21}"
                f"{seconds:6.0f} s",
                flush=True,
            )
            for failure in tally.failures[:_LONGEST]:
                print(f"    {failure}", flush=True)
            lost += len(tally.failures)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
