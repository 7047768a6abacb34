"""What a command writes: results to stdout, all else to stderr, and nothing that garbles either."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNBOUNDED = 100_000  # columns; where no terminal limits the width, nothing is wrapped or cut


def say(text: str) -> None:
    """Write a line of the result, or several."""
    print(_printable_lines(text))


def note(text: str) -> None:
    """Write a line that is not the result, or several: progress, a warning, an error."""
    print(_printable_lines(text), file=sys.stderr)


def say_json(value: Any) -> None:  # noqa: ANN401 (whatever JSON holds)
    """Write a value as one line of JSON, in ASCII, so that no locale can spoil it."""
    print(json.dumps(value, allow_nan=False), flush=True)


def say_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows of cells below their titles."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def printable(text: str) -> str:
    r"""Return `text` with whatever is no printable character written as ``\x1b``.

    Names come from files of strangers: they can hold bytes that are no text, and sequences that
    a terminal obeys. The end of a line is one more: what comes after it would pass for ours.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
