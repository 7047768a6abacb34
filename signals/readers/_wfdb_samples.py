"""The signal files of a WFDB record, decoded a piece at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from signals.readers._wfdb_header import NULL_SEGMENT
from signals.recording import RecordingError

if TYPE_CHECKING:
    from signals.readers._wfdb_header import Header, Signal
    from signals.recording import DigitalArray

# Decoded at once and kept: large enough that the cost of a call vanishes, small beside a minute of
# a twelve-lead recording, so that moving about in a viewer stays quick.
_PIECE_SAMPLES = 1 << 19

# Samples in so many bytes, for the formats of a fixed size.
_PACKING = {
    "8": (1, 1),
    "16": (1, 2),
    "24": (1, 3),
    "32": (1, 4),
    "61": (1, 2),
    "80": (1, 1),
    "160": (1, 2),
    "212": (2, 3),
    "310": (3, 4),
    "311": (3, 4),
}


class SignalFile:
    """One signal file and the signals that are interleaved in it.

    Parameters
    ----------
    header : Header
        That names it.
    signals : list of Signal
        In the order of the header.

    Attributes
    ----------
    n_frames : int
        How many whole frames the file holds.
    slack : int
        How many of them may be no frames: what fills the last group of bytes.

    Raises
    ------
    RecordingError
        If the file is missing, empty, or cannot be what the header says.
    """

    def __init__(self, header: Header, signals: list[Signal]) -> None:
        first = signals[0]
        for signal in signals:
            if (signal.format, signal.offset) != (first.format, first.offset):
                raise RecordingError(
                    header.path,
                    f"line {signal.line}: {signal.file} has another format or offset than in "
                    f"line {first.line}",
                )
        self.path = header.path.with_name(first.file)
        self._format = first.format
        self._offset = first.offset
        self._order = {signal.line: index for index, signal in enumerate(signals)}
        self._per_frame = [signal.samples_per_frame for signal in signals]
        self._frame = sum(self._per_frame)
        self.n_frames = self._count_frames()
        self.slack = (_PACKING.get(self._format, (1, 1))[0] - 1) // self._frame
        self._piece_frames = max(1, _PIECE_SAMPLES // self._frame)
        # Format 8 stores differences: a piece can only be read after those before it. Here is
        # with which values each piece known so far begins.
        self._begins = [[signal.first for signal in signals]]
        self._kept: tuple[int, list[DigitalArray]] | None = None

    def read(self, signal: Signal, start: int, stop: int) -> DigitalArray:
        """Return stored samples of one signal.

        Parameters
        ----------
        signal : Signal
            One of those given at the beginning.
        start, stop : int
            Its samples, 0 <= start <= stop; skew is accounted for here.

        Returns
        -------
        numpy.ndarray, shape (at most stop - start,)
            Fewer where the file ends before `stop`.
        """
        index = self._order[signal.line]
        per_frame = signal.samples_per_frame
        shift = signal.skew * per_frame
        start, stop = start + shift, min(stop + shift, self.n_frames * per_frame)
        if stop <= start:
            return np.empty(0, np.int16)
        step = self._piece_frames * per_frame
        chunks = []
        for piece in range(start // step, (stop - 1) // step + 1):
            begin = piece * step
            samples = self._piece(piece)[index]
            chunks.append(samples[max(0, start - begin) : stop - begin])
        return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)

    def forget(self) -> None:
        """Let go of the decoded piece that is kept."""
        self._kept = None

    def _count_frames(self) -> int:
        try:
            size = self.path.stat().st_size
            if not self.path.is_file():
                raise OSError("no regular file")
            with self.path.open("rb"):
                pass
        except OSError as error:
            problem = f"the signal file cannot be read: {error.strerror or error}"
            raise RecordingError(self.path, problem) from error
        if size == 0:
            raise RecordingError(self.path, "the signal file is empty")
        if self._format in _PACKING:
            samples, length = _PACKING[self._format]
            frames = max(0, size - self._offset) * samples // length // self._frame
        else:
            frames = self._count_flac_frames()
        if frames <= 0:
            raise RecordingError(self.path, "the signal file ends before its first sample")
        return int(frames)

    def _count_flac_frames(self) -> int:
        import soundfile  # `wfdb` decodes FLAC with it

        try:
            about = soundfile.info(str(self.path))
        except (RuntimeError, OSError, TypeError, ValueError) as error:
            raise RecordingError(self.path, "the signal file is no FLAC file") from error
        if len(set(self._per_frame)) > 1 or about.channels != len(self._per_frame):
            raise RecordingError(
                self.path,
                f"the FLAC file holds {about.channels} signals, the header says otherwise",
            )
        return (int(about.frames) - self._offset) // self._per_frame[0]

    def _piece(self, number: int) -> list[DigitalArray]:
        if self._kept is not None and self._kept[0] == number:
            return self._kept[1]
        if self._format == "8":
            while len(self._begins) <= number:
                earlier = self._decode(len(self._begins) - 1, self._begins[-1])
                self._begins.append([int(samples[-1]) for samples in earlier])
            begins = self._begins[number]
        else:
            begins = self._begins[0]
        samples = self._decode(number, begins)
        self._kept = number, samples
        return samples

    def _decode(self, number: int, begins: list[int]) -> list[DigitalArray]:
        from wfdb.io import _signal as wfdb_signal

        start = number * self._piece_frames
        stop = min(start + self._piece_frames, self.n_frames)
        try:
            # The public `rdrecord` reads the header anew at each call, knows no header that had to
            # be mended, and lets format 8 begin anew at each call.
            decoded: list[Any] = wfdb_signal._rd_dat_signals(
                file_name=self.path.name,
                dir_name=str(self.path.parent),
                pn_dir=None,
                fmt=self._format,
                n_sig=len(self._per_frame),
                sig_len=self.n_frames,
                byte_offset=self._offset,
                samps_per_frame=self._per_frame,
                skew=[0] * len(self._per_frame),
                init_value=begins,
                sampfrom=start,
                sampto=stop,
            )
        except (OSError, RuntimeError, ValueError, TypeError, IndexError) as error:
            raise RecordingError(
                self.path, f"samples {start:,} to {stop:,} of the signal file cannot be read"
            ) from error
        return [np.ascontiguousarray(samples, _native(samples.dtype)) for samples in decoded]


def _native(dtype: np.dtype[Any]) -> type[np.int16 | np.int32]:
    return np.int16 if dtype.itemsize <= 2 else np.int32


def open_signal_files(header: Header) -> tuple[dict[str, SignalFile], int]:
    """Open the signal files of a header.

    Returns
    -------
    dict of str to SignalFile
        By name; a signal without a file (``~``) has none.
    int
        The number of frames that all of them hold.

    Raises
    ------
    RecordingError
        If one of them cannot be read, or there is none.
    """
    groups: dict[str, list[Signal]] = {}
    for signal in header.signals:
        if signal.file != NULL_SEGMENT:
            groups.setdefault(signal.file, []).append(signal)
    if not groups:
        raise RecordingError(header.path, "names no signal file")
    files = {name: SignalFile(header, signals) for name, signals in groups.items()}
    return files, min(file.n_frames for file in files.values())
