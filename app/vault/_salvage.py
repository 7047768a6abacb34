"""Getting out of damaged files what can still be read: samples, rows and keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import apsw
import numpy as np

from app.vault._errors import VaultDamagedError
from signals.recording import DigitalArray, Recording

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.vault._waveform import VaultRecording
    from signals.recording import Channel

_SMALLEST = 256  # samples: what lies beside a damaged piece is read in steps down to this
_TABLES = {  # by what a row is found
    "fact": "name",
    "patient": "id",
    "recording": "id",
    "blob": "id",
    "pattern": "patient_id",
    "emergency": "id",
    "entry": "seq",
    "checkpoint": "seq",
}
# what is looked up one by one, for the rows that a page in between hides
_ELSEWHERE = {
    "recording": (
        "SELECT id FROM recording INDEXED BY recording_by_time WHERE added_at >= ''",
        "SELECT id FROM recording INDEXED BY recording_by_patient WHERE patient_id >= ''",
    ),
    "patient": ("SELECT id FROM patient INDEXED BY patient_by_code WHERE code >= ''",),
    "blob": ("SELECT id FROM blob INDEXED BY blob_by_recording WHERE recording_id >= ''",),
}
_BYTES = tuple(f"{byte:02x}" for byte in range(256))


class Salvaged(Recording):
    """A recording of which some parts cannot be read: their samples are missing.

    A channel that has no value for a missing sample is given one that it does not use. Closing
    it closes the recording that it reads.

    Parameters
    ----------
    damaged : VaultRecording
        Of which at least the head can be read.
    """

    def __init__(self, damaged: VaultRecording) -> None:
        self._damaged = damaged
        self._lost: dict[int, int] = {}
        super().__init__(
            format=damaged.format,
            name=damaged.name,
            channels=tuple(_with_missing(channel) for channel in damaged.channels),
            start=damaged.start,
            patient=damaged.patient,
            annotations=damaged.annotations,
            repairs=damaged.repairs,
        )

    @property
    def lost_s(self) -> float:
        """How much was found to be unreadable so far: seconds of the channel hit most."""
        return max((n / self.channels[index].rate for index, n in self._lost.items()), default=0.0)

    @property
    def wide(self) -> bool:
        """Whether some channel is stored in 32 bits."""
        return self._damaged.wide

    def read_digital(self, channels: Sequence[int], start: int, stop: int) -> DigitalArray:
        """Return stored integers; see :meth:`signals.recording.Recording.read_digital`."""
        try:
            return self._damaged.read_digital(channels, start, stop)
        except (VaultDamagedError, ValueError):  # changed; or beyond the end, where it is cut short
            pass
        if len(channels) > 1:
            rows = [self.read_digital([index], start, stop) for index in channels]
            return np.concatenate([row.astype(np.int32) for row in rows])
        if stop - start > _SMALLEST:
            middle = (start + stop) // 2
            halves = [
                self.read_digital(channels, *part) for part in ((start, middle), (middle, stop))
            ]
            return np.concatenate([half.astype(np.int32) for half in halves], axis=1)
        (index,) = channels
        self._lost[index] = self._lost.get(index, 0) + stop - start
        missing = self.channels[index].missing
        return np.full((1, stop - start), missing, np.int32)

    def sha256(self) -> str:
        """Return the SHA-256 of the input that was stored."""
        return self._damaged.sha256()

    def close(self) -> None:
        """Close the file. Closing twice does nothing."""
        self._damaged.close()


def _with_missing(channel: Channel) -> Channel:
    if channel.missing is not None:
        return channel
    least = np.iinfo(np.int32).min
    below, above = channel.digital_min - 1, channel.digital_max + 1
    return replace(channel, missing=below if below >= least else above)


def salvaged_rows(connection: apsw.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield every row of a table that can be read, some of them twice.

    The rows are looked for from both ends of many small ranges, so that a damaged page costs what
    lies on it and little more; and one by one, by what the table's indices say that there is.
    """
    column = _TABLES[table]
    ranges: list[tuple[Any, Any]] = [(byte, byte + "g") for byte in _BYTES]
    if column == "name":
        ranges = [("", "\U0010ffff")]
    elif column == "seq":
        ranges = [(1 << bit, 2 << bit) for bit in range(40)]
    for first, last in ranges:
        for order in ("ASC", "DESC"):
            query = (
                f"SELECT * FROM {table} WHERE {column} >= ? AND {column} < ? "
                f"ORDER BY {column} {order}"
            )
            rows, whole = _readable(connection, query, (first, last))
            yield from rows
            if whole:
                break
    for query in _ELSEWHERE.get(table, ()):
        for (id_,) in _readable(connection, query, ())[0]:
            one = f"SELECT * FROM {table} WHERE {column} = ?"
            yield from _readable(connection, one, (id_,))[0]


def tables_of(connection: apsw.Connection) -> list[str]:
    """Return the tables that an index has, of those that are known."""
    found = {row[0] for row in _readable(connection, "SELECT name FROM sqlite_schema", ())[0]}
    return [table for table in _TABLES if table in found]


def _readable(
    connection: apsw.Connection, query: str, values: tuple[Any, ...]
) -> tuple[list[tuple[Any, ...]], bool]:
    """Return the rows up to one that cannot be read, and whether there was none such."""
    rows: list[tuple[Any, ...]] = []
    try:
        rows.extend(connection.execute(query, values))
    except (apsw.Error, UnicodeDecodeError):
        return rows, False
    return rows, True
