"""``tracekeep desktop``: the window."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.exits import CommandError
from app.cli.options import VaultOption


def desktop(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...", readable=False, help="Recordings to open and analyse at once."
        ),
    ] = None,
    *,
    vault: VaultOption = None,
) -> None:
    """Open the window, to read recordings on ECG paper.

    The passphrase is asked for there.
    """
    try:
        from app.desktop import run
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == "PySide6":
            raise CommandError(
                "the window needs PySide6: pip install 'tracekeep[desktop]'"
            ) from error
        raise
    raise typer.Exit(run(vault, recordings or []))
