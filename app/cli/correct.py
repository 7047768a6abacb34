"""``tracekeep correct``: what a reader says of beats, taught to the beat model for that patient."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from app.cli.corrected import Result, facts, n_corrections, pattern_of, read_beats, rows
from app.cli.exits import CommandError
from app.cli.options import (
    Access,
    IdArgument,
    JsonOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    RecoveryKeyFileOption,
    UserOption,
    VaultOption,
)
from app.cli.output import say, say_json
from app.cli.words import parse_clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.corrections import Corrections
    from app.vault import StoredRecording, Vault
    from ml.personal import Correction
    from signals.ecg.beat import BeatClass

_CLASSES = "N, S, V, F or Q"
_LONGEST_CONFIRMED_MIN = 60.0


class _Asked(NamedTuple):
    """What to teach, or to take back."""

    beats: tuple[tuple[float, BeatClass], ...]
    families: tuple[tuple[int, BeatClass], ...]
    only: BeatClass | None
    confirm_min: float | None
    undone: frozenset[int] | None  # numbers; none at all where all are meant


def correct(
    recording_id: IdArgument,
    *,
    beat: Annotated[
        list[str] | None,
        typer.Option(
            "--beat",
            metavar="TIME=CLASS",
            show_default=False,
            help="The beat nearest to this time (H:MM:SS.ss from the start, or seconds; within "
            "0.15 s) is of this class. May be given several times.",
        ),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(
            "--family",
            metavar="NUMBER=CLASS",
            show_default=False,
            help='All beats of this shape are of this class; the number is that under "Beats by '
            'shape" in `show` and in `export`. May be given several times.',
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="CLASS",
            help="Of --family: only those of its beats which the model, left alone, takes for "
            "this class.",
        ),
    ] = None,
    confirm_first: Annotated[
        float | None,
        typer.Option(
            "--confirm-first",
            metavar="MINUTES",
            max=_LONGEST_CONFIRMED_MIN,
            help="All beats of the first minutes are what they are taken for now: correct those "
            "that are not beforehand.",
        ),
    ] = None,
    ask: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            metavar="N",
            help="Name the N beats whose class would teach most. Changes nothing.",
        ),
    ] = None,
    list_: Annotated[
        bool,
        typer.Option(
            "--list", help="List the corrections of this recording, numbered. Changes nothing."
        ),
    ] = False,
    undo: Annotated[
        str | None,
        typer.Option(
            "--undo",
            metavar="NUMBERS",
            help="Take corrections back, as if they had never been made: 3, or 2,5-8, as --list "
            "numbers them, or all (of this recording).",
        ),
    ] = None,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget",
            help="Drop all corrections of this patient, in every recording, damaged ones too.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change; keep nothing.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="List every beat that changes, with the reason.")
    ] = False,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: JsonOption = False,
) -> None:
    """Correct the classes of beats, and have the model learn from it for this patient.

    CLASS is N (normal), S (supraventricular ectopic), V (ventricular ectopic), F (fusion) or Q
    (paced or not classified). Beats that are like the corrected ones follow, each with its
    reason, in all recordings of the patient in this vault (in this one alone where the file does
    not tell who that is). The shipped model itself never changes, and every correction can be taken
    back. Of what is named in one call, all is kept or nothing.

    Without an option that says what to do: what the corrections change in this recording.
    The recording is read anew each time, but for --list and --forget: some seconds for a day.
    The report in the vault stays as it was made: `show --corrected` and `export --corrected` make
    one that follows the corrections.

    With --json: {"recording", "kept", "corrections": [{"number", "time_s", "class", "family",
    "only", "made"}], "of_recording", "of_patient", "before": {"N": ...}, "after": {"N": ...},
    "changed": [{"time_s", "before", "after", "reason": {"ground", "marked", "n_beats", "family"}
    or null}]}: the corrections kept or taken back, how many there are now, and what became of the
    beats. With --list: {"recording", "corrections", "of_patient"}; with --ask: {"recording",
    "beats": [{"time_s", "class", "family"}]}; with --forget: {"recording", "kept"}.
    """
    asked = _Asked(
        tuple(_beat(text) for text in beat or ()),
        tuple(_family(text) for text in family or ()),
        None if only is None else _class(only, "--only"),
        confirm_first,
        None if undo is None else _numbers(undo),
    )
    marks, confirms, undoes = bool(beat or family), confirm_first is not None, undo is not None
    if sum((marks, confirms, undoes, ask is not None, list_, forget)) > 1:
        raise typer.BadParameter(
            "--beat and --family, --confirm-first, --ask, --list, --undo and --forget "
            "exclude each other"
        )
    _refuse_nonsense(asked)
    with Access(
        vault, passphrase_file, passphrase_command, recovery_key_file, user
    ).open() as opened:
        recording = opened.recording(recording_id)
        if forget:
            _forget(opened, recording, keep=not dry_run, json=json)
        elif list_:
            _list(opened, recording, json=json)
        elif ask is not None:
            _ask(opened, recording, ask, json=json)
        else:
            result = _result(opened, recording, asked, dry_run=dry_run, quiet=json)
            if json:
                say_json(result.to_dict())
            else:
                say("\n".join(result.lines(every=every)))


def _result(
    vault: Vault, recording: StoredRecording, asked: _Asked, *, dry_run: bool, quiet: bool
) -> Result:
    """Do what is asked, and return what came of it."""
    made = _made(vault, recording)
    undone = {} if asked.undone is None else _chosen(made, asked.undone)
    corrections = read_beats(vault, recording, quiet=quiet)
    if undone:
        told, verb = undone, "taken back"
        change = corrections.undo(undone.values(), keep=not dry_run)
    elif taught := _taught(corrections, asked):
        change, verb = corrections.teach(taught, keep=not dry_run), "kept"
        told = dict(enumerate(taught, start=len(made) + 1))
        if not dry_run:  # another program may have taught something meanwhile
            ours = set(taught)
            told = {n: one for n, one in _made(vault, recording).items() if one in ours}
    else:
        told, change, verb = made, corrections.effect(), ""
    of_recording, of_patient = len(_made(vault, recording)), _n_of_patient(vault, recording)
    rate = corrections.beats.rate
    return Result(recording, rate, told, change, verb, dry_run, of_recording, of_patient)


def _made(vault: Vault, recording: StoredRecording) -> dict[int, Correction]:
    """Return the corrections of a recording by their numbers."""
    from app.corrections import corrections_of

    pattern_of(vault, recording)
    return dict(enumerate(corrections_of(vault, recording.id), start=1))


def _n_of_patient(vault: Vault, recording: StoredRecording) -> int:
    pattern = pattern_of(vault, recording)
    return len(pattern.lessons) if pattern else 0


def _taught(corrections: Corrections, asked: _Asked) -> list[Correction]:
    from app.wording import exact_clock
    from ml.personal import Correction

    now, recording = datetime.now(UTC), corrections.beats.recording
    if asked.confirm_min is not None:
        return corrections.confirming(asked.confirm_min * 60, now)
    given: dict[int, BeatClass] = {}
    for time_s, label in asked.beats:
        peak = corrections.peak_at(time_s)
        if given.setdefault(peak, label) is not label:
            raise CommandError(
                f"the beat at {exact_clock(peak / corrections.beats.rate)} is given two classes"
            )
    return [
        *(
            Correction(recording, corrections.peak_of_family(n), label, now, n, asked.only)
            for n, label in sorted(set(asked.families))
        ),
        *(Correction(recording, peak, label, now) for peak, label in sorted(given.items())),
    ]


def _list(vault: Vault, recording: StoredRecording, *, json: bool) -> None:
    made, of_patient = _made(vault, recording), _n_of_patient(vault, recording)
    rate = vault.report(recording.id).beats.rate
    if json:
        corrections = [facts(number, one, rate) for number, one in made.items()]
        told = {"recording": recording.id, "corrections": corrections, "of_patient": of_patient}
        say_json(told)
        return
    others = of_patient - len(made)
    more = f", {others} in other recordings of this patient" if others else ""
    lines = [f"Recording {recording.id[:8]} ({recording.name}): {n_corrections(len(made))}{more}"]
    lines += [f"  {row}" for row in rows(made, rate)]
    if made:
        lines += ["", f"To take one back: tracekeep correct {recording.id[:8]} --undo NUMBER"]
    say("\n".join(lines))


def _ask(vault: Vault, recording: StoredRecording, n: int, *, json: bool) -> None:
    from app.wording import clock, exact_clock
    from signals.ecg.beat import BeatClass

    _made(vault, recording)
    corrections = read_beats(vault, recording, quiet=json)
    beats, classes = corrections.beats, corrections.answers().classes
    asked = [
        (float(beats.samples[i] / beats.rate), BeatClass(classes[i]).name, int(beats.families[i]))
        for i in corrections.worth_asking(n).tolist()
    ]
    if json:
        rows = [{"time_s": time, "class": name, "family": f or None} for time, name, f in asked]
        say_json({"recording": recording.id, "beats": rows})
        return
    if not asked:
        say("There is no beat whose class is in doubt.")
        return
    say("Look at these beats, the most telling first (time, class now, family):")
    for time, name, family in asked:
        say(f"  {exact_clock(time)}  {name}  {family or '–'}")
    short, first = recording.id[:8], asked[0][0]
    say(
        "\nTo look at one: "
        f"tracekeep strip {short} --at {clock(max(first - 2, 0))} --out FILE.png\n"
        f"To say what it is: tracekeep correct {short} --beat {exact_clock(first)}=CLASS"
    )


def _forget(vault: Vault, recording: StoredRecording, *, keep: bool, json: bool) -> None:
    if keep:
        vault.keep_pattern(recording.id, None)
    if json:
        say_json({"recording": recording.id, "kept": keep})
    elif keep:
        say("All corrections of this patient are dropped. Nothing else is changed.")
    else:
        say("All corrections of this patient would be dropped; nothing is changed (--dry-run)")


def _chosen(made: dict[int, Correction], numbers: frozenset[int]) -> dict[int, Correction]:
    """Return the corrections of these numbers, all of them where there are none."""
    if not made:
        raise CommandError("there is no correction of this recording to take back")
    missing = sorted(numbers - set(made))
    if missing:
        raise CommandError(
            f"there is no correction {missing[0]} of this recording; "
            f"--list shows them, 1 to {len(made)}"
        )
    return {number: one for number, one in made.items() if not numbers or number in numbers}


def _numbers(text: str) -> frozenset[int]:
    """Return the numbers that ``--undo 2,5-8`` names; none where it names all."""
    if text.strip().lower() == "all":
        return frozenset()
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise typer.BadParameter(f"{text!r} is not like 3 or 2,5-8 or all", param_hint="--undo")
        numbers.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(numbers)


def _refuse_nonsense(asked: _Asked) -> None:
    if asked.only is not None and not asked.families:
        raise typer.BadParameter("it says which beats of a --family are meant", param_hint="--only")
    if asked.confirm_min is not None and not asked.confirm_min > 0:
        raise typer.BadParameter("it is a number above 0", param_hint="--confirm-first")
    given: dict[int, BeatClass] = {}
    for number, label in asked.families:
        if given.setdefault(number, label) is not label:
            raise typer.BadParameter(f"{number} is given two classes", param_hint="--family")


def _beat(text: str) -> tuple[float, BeatClass]:
    time, label = _parts(text, "--beat", "0:01:02.5=V")
    return parse_clock(time), _class(label, "--beat")


def _family(text: str) -> tuple[int, BeatClass]:
    number, label = _parts(text, "--family", "3=V")
    if not re.fullmatch(r"[1-9]\d{0,3}", number):
        raise typer.BadParameter(f"{number!r} is not the number of a family", param_hint="--family")
    return int(number), _class(label, "--family")


def _parts(text: str, option: str, example: str) -> Sequence[str]:
    parts = [part.strip() for part in text.split("=")]
    if len(parts) != 2:
        raise typer.BadParameter(f"{text!r} is not like {example}", param_hint=option)
    return parts


def _class(text: str, option: str) -> BeatClass:
    from signals.ecg.beat import BeatClass

    try:
        return BeatClass[text.strip().upper()]
    except KeyError:
        raise typer.BadParameter(
            f"{text!r} is no class of beats: {_CLASSES}", param_hint=option
        ) from None
