"""What ``tracekeep correct`` says of corrections and of what they change."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.corrections import BeatChange, Change, Corrections
    from app.report import Report
    from app.vault import StoredRecording, Vault
    from ml.personal import Correction, PersonalPattern

_FEW = 10  # rows that are all written
_SEVERAL = 2
_READING = 0.2  # of the work that a corrected report is


def pattern_of(vault: Vault, recording: StoredRecording) -> PersonalPattern | None:
    """Return what was learned about the patient of a recording.

    Raises
    ------
    VaultDamagedError
        If it is damaged; the message says how to go on.
    """
    from app.vault import VaultDamagedError

    try:
        return vault.pattern_of(recording.id)
    except VaultDamagedError as error:
        raise VaultDamagedError(
            error.path,
            f"{error.problem}; to drop it: tracekeep correct {recording.id[:8]} --forget",
        ) from error


def read_beats(vault: Vault, recording: StoredRecording, *, quiet: bool) -> Corrections:
    """Read a recording for what its patient's corrections make of it, with a progress bar."""
    from app.cli.progress import progress_bar
    from app.corrections import Corrections

    with progress_bar("recordings", hidden=quiet) as bar:
        return Corrections(
            vault, recording.id, progress=lambda share: bar.show(share, 1, recording.name)
        )


def report_of(vault: Vault, recording: StoredRecording, *, corrected: bool, quiet: bool) -> Report:
    """Return the report that the vault keeps, or one made anew by the corrections, if any."""
    if not corrected or pattern_of(vault, recording) is None:
        return vault.report(recording.id)

    from app.cli.progress import progress_bar
    from app.corrections import Corrections

    with progress_bar("recordings", hidden=quiet) as bar:

        def show(share: float) -> None:
            bar.show(share, 1, recording.name)

        made = Corrections(vault, recording.id, progress=lambda share: show(_READING * share))
        return made.report(lambda share: show(_READING + (1 - _READING) * share))


class Result(NamedTuple):
    """What was done, and what became of the beats."""

    recording: StoredRecording
    rate: float
    corrections: dict[int, Correction]  # by number
    change: Change
    verb: str
    dry_run: bool
    of_recording: int
    of_patient: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "recording": self.recording.id,
            "kept": bool(self.verb) and not self.dry_run,
            "corrections": [facts(n, one, self.rate) for n, one in self.corrections.items()],
            "of_recording": self.of_recording,
            "of_patient": self.of_patient,
            "before": {given.name: n for given, n in self.change.before.items()},
            "after": {given.name: n for given, n in self.change.after.items()},
            "changed": [self._changed(beat) for beat in self.change.beats],
        }

    def _changed(self, beat: BeatChange) -> dict[str, Any]:
        reason = beat.reason and {
            "ground": beat.reason.ground.value,
            "marked": beat.reason.marked.name,
            "n_beats": beat.reason.n_beats,
            "family": beat.reason.family,
        }
        return {
            "time_s": beat.sample / self.rate,
            "before": beat.before.name,
            "after": beat.after.name,
            "reason": reason,
        }

    def lines(self, *, every: bool) -> list[str]:
        """Return it in words."""
        short = self.recording.id[:8]
        named = f"Recording {short} ({self.recording.name})"
        total = f"{n_corrections(self.of_recording)} of this recording"
        if self.of_patient > self.of_recording:
            total += f", {self.of_patient} of this patient"
        n = n_corrections(len(self.corrections))
        if not self.of_patient and not self.verb:
            return [f"{named}: {total}"]
        if not self.verb:
            lines = [f"{named}: {total}"]
        elif self.dry_run:
            lines = [f"{named}: {n} would be {self.verb}; nothing is changed (--dry-run)"]
        else:
            lines = [f"{named}: {n} {self.verb}; now {total}"]
        if self.verb:
            lines += [f"  {row}" for row in rows(self.corrections, self.rate)]
        lines += ["", *self._counts(), "", *self._changes(every=every), ""]
        if self.verb == "kept" and not self.dry_run:
            lines.append(
                f"To take it back: tracekeep correct {short} --undo {in_short(self.corrections)}"
            )
        if self.verb == "taken back" and self.of_recording and not self.dry_run:
            lines.append(f"The others have new numbers: tracekeep correct {short} --list")
        lines.append(f"The report by the corrections: tracekeep show {short} --corrected")
        return lines

    def _counts(self) -> list[str]:
        from app.wording import class_name

        titles = ("", "before", "after") if self.verb else ("", "by the model", "corrected")
        table = [titles] + [
            (f"{given.name}  {class_name(given)}", f"{n:,}", f"{self.change.after[given]:,}")
            for given, n in self.change.before.items()
        ]
        return [f"  {name:27}{before:>13}{after:>11}" for name, before, after in table]

    def _changes(self, *, every: bool) -> list[str]:
        from app.wording import exact_clock

        beats = self.change.beats
        if not beats:
            would = "would have" if self.dry_run else "has"
            return [f"No beat {would} another class."]
        have = "would have" if self.dry_run else "have" if len(beats) > 1 else "has"
        lines = [f"{_n_beats(len(beats))} {have} another class:"]
        if every or len(beats) <= _FEW:
            return lines + [
                f"  {exact_clock(beat.sample / self.rate)}  "
                f"{beat.before.name} → {beat.after.name}  "
                f"{_why(beat)}"
                for beat in beats
            ]
        kinds = Counter(map(_kind, beats))
        firsts = {_kind(beat): beat for beat in reversed(beats)}
        lines += [
            f"  {n:7,}  {before} → {after}  {why}; "
            f"the first at {exact_clock(firsts[before, after, why].sample / self.rate)}"
            for (before, after, why), n in kinds.most_common()
        ]
        return [*lines, "  --all lists every one."]


def _why(beat: BeatChange) -> str:
    if beat.reason is None:
        return "as the model has it"
    if beat.reason.marked is not beat.after:  # what was marked only took the former class away
        return f"no longer {beat.before.name}: {beat.reason}"
    return str(beat.reason)


def _kind(beat: BeatChange) -> tuple[str, str, str]:
    """Return what beats that are told together have in common: the classes and the reason."""
    if beat.reason is None:
        return beat.before.name, beat.after.name, "as the model has them"
    several = replace(beat, reason=replace(beat.reason, n_beats=_SEVERAL))
    why = _why(several).replace(f"{_SEVERAL} beats", "beats").replace("marked it", "marked them")
    return beat.before.name, beat.after.name, why


def rows(corrections: dict[int, Correction], rate: float) -> list[str]:
    """Return a line for each correction; for many beats that were marked at once, one."""
    from app.wording import exact_clock

    lines = []
    for (made, one_by_one), group in groupby(
        corrections.items(), key=lambda pair: (pair[1].made, pair[1].family is None)
    ):
        together = list(group)
        when = f"{made.astimezone():%Y-%m-%d %H:%M}"
        if one_by_one and len(together) > _FEW:
            times = [one.sample / rate for _, one in together]
            counts = Counter(one.given for _, one in together)
            lines.append(
                f"{together[0][0]}-{together[-1][0]}  {when}  {len(together)} beats from "
                f"{exact_clock(min(times))} to {exact_clock(max(times))}: "
                + ", ".join(f"{counts[given]:,} {given.name}" for given in sorted(counts))
            )
            continue
        for number, one in together:
            what = f"beat at {exact_clock(one.sample / rate)}"
            if one.family is not None:
                what = f"family {one.family}"
            if one.answered is not None:
                what += f", what the model takes for {one.answered.name}"
            lines.append(f"{number}  {when}  {what}: {one.given.name}")
    return lines


def in_short(numbers: Iterable[int]) -> str:
    """Return numbers as ``--undo`` takes them: ``2,5-8``."""
    runs = groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0])
    parts = [[number for _, number in run] for _, run in runs]
    return ",".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else f"{p[0]}" for p in parts)


def facts(number: int, one: Correction, rate: float) -> dict[str, Any]:
    """Return a correction as JSON values."""
    return {
        "number": number,
        "time_s": one.sample / rate,
        "class": one.given.name,
        "family": one.family,
        "only": one.answered and one.answered.name,
        "made": one.made.isoformat(),
    }


def n_corrections(n: int) -> str:
    """Return a number of corrections in words."""
    return "1 correction" if n == 1 else f"{n:,} corrections" if n else "no corrections"


def _n_beats(n: int) -> str:
    return "1 beat" if n == 1 else f"{n:,} beats"
