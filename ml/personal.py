"""A patient's own pattern: what a reader's corrections teach the beat classifier, without training.

A :class:`PersonalPattern` is a set of lessons: each a correction, with what the model made of the
beats that it is about. What is done with other beats follows from that set alone, by one linear
system on the model's embedding. So the order of corrections does not matter, and a correction that
is taken back leaves nothing behind. A pattern

- is bounded: the odds between two classes change by a factor of e to :data:`MOST_SHIFT` at most;
- lets a class of which it was shown no beat keep its probability in every beat, and every beat that
  the model takes for it: five minutes without S do not say that there will be none. Only where the
  reader denied that class to :data:`DENIALS` beats from all over the recording, it can be lost;
- gives a reason for each beat that it changes;
- belongs to one model. Corrections are kept by recording and sample, so that
  :meth:`PersonalPattern.relearned` can teach them to another.

No file is opened here: :meth:`PersonalPattern.to_json` is for the vault to keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from ml._personal_kernel import DENIALS, MOST_SHIFT, Mover, choose, lead
from ml._personal_lessons import (
    Correction,
    Digest,
    Lesson,
    PatternError,
    ReadBeats,
    examples_of,
    members,
)
from signals.ecg.beat import BeatClass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ml.decision import Decision

__all__ = [
    "DENIALS",
    "MOST_SHIFT",
    "Correction",
    "Ground",
    "PatternError",
    "PersonalAnswers",
    "PersonalPattern",
    "ReadBeats",
    "Reason",
    "members",
]

SCHEMA = "tracekeep-personal"
SCHEMA_VERSION = 1


class Ground(StrEnum):
    """On what ground a beat has another class than the model gave it."""

    READER = "reader"
    """The reader marked it, or its family."""
    FAMILY = "family"
    """The reader marked other beats of its family."""
    ALIKE = "alike"
    """The reader marked beats that the model sees as it sees this one."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a beat has another class than the model gave it.

    Parameters
    ----------
    ground : Ground
    marked : BeatClass
        What the reader marked.
    n_beats : int
        How many beats that speak for it; 1 where the reader marked this one or its family.
    family : int or None
        The family that was marked, or that it shares with marked beats.
    """

    ground: Ground
    marked: BeatClass
    n_beats: int
    family: int | None

    def __str__(self) -> str:
        beats = "1 beat" if self.n_beats == 1 else f"{self.n_beats} beats"
        match self.ground:
            case Ground.ALIKE:
                return f"like {beats} that you marked {self.marked.name}"
            case Ground.FAMILY:
                return f"of family {self.family}, of which you marked {beats} {self.marked.name}"
            case Ground.READER if self.family is not None:
                return f"because you marked family {self.family} {self.marked.name}"
            case Ground.READER:
                return f"because you marked it {self.marked.name}"


@dataclass(frozen=True, slots=True)
class PersonalAnswers:
    """The beats of a recording by a patient's own pattern.

    Parameters
    ----------
    logits : numpy.ndarray, shape (n, 5), float32
        To be read by the model's decision: probabilities stay calibrated as far as they were.
    classes : numpy.ndarray, shape (n,), int8
        The decision's, except where the reader marked the beat or its family.
    reasons : mapping of int to Reason
        For each beat, and for no other, whose class is not the model's.
    """

    logits: NDArray[np.float32]
    classes: NDArray[np.int8]
    reasons: Mapping[int, Reason]


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    """The form in JSON."""

    schema: str
    schema_version: int
    model: Digest
    lessons: tuple[Lesson, ...]


@dataclass(frozen=True, slots=True)
class PersonalPattern:
    """What was learned of one patient; equal to another one where its corrections are.

    Parameters
    ----------
    model : str
        SHA-256 of the bundle that it was learned on.
    lessons : tuple
        In the order of their rank.
    """

    model: str
    lessons: tuple[Lesson, ...] = ()

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """All corrections."""
        return tuple(lesson.correction for lesson in self.lessons)

    def taught(
        self, corrections: Iterable[Correction], beats: ReadBeats, decision: Decision
    ) -> Self:
        """Return the pattern with more corrections.

        Parameters
        ----------
        corrections : iterable of Correction
            Of the recording of `beats`. One for which no beat is found there is kept, and teaches
            nothing.
        beats : ReadBeats
            By the model of this pattern.
        decision : Decision
            That model's.

        Raises
        ------
        PatternError
            If `beats` are not of the model that it was learned on.
        ValueError
            If a correction is of another recording, or has no time zone.
        """
        self._check(beats)
        answers = decision.classes(beats.logits)
        lessons = {lesson.correction: lesson for lesson in self.lessons}
        for correction in corrections:
            if correction.recording != beats.recording:
                raise ValueError("a correction is learned on the recording that it was made in")
            if correction.made.tzinfo is None:
                raise ValueError("the time of a correction needs a time zone")
            lessons[correction] = Lesson.of(correction, beats, answers)
        return self._of(lessons.values(), self.model)

    def without(self, corrections: Iterable[Correction]) -> Self:
        """Return the pattern as if those corrections had never been made.

        Raises
        ------
        ValueError
            If one of them was not.
        """
        undone = set(corrections)
        if not undone <= set(self.corrections):
            raise ValueError("that correction is not part of the pattern")
        return self._of((one for one in self.lessons if one.correction not in undone), self.model)

    def relearned(self, model: str, recordings: Sequence[ReadBeats], decision: Decision) -> Self:
        """Return what another model learns from the same corrections.

        Parameters
        ----------
        model : str
            SHA-256 of its bundle.
        recordings : sequence of ReadBeats
            By that model. Corrections of other recordings are kept, and teach nothing until the
            pattern is taught them with their recording.
        decision : Decision
            That model's.

        Raises
        ------
        PatternError
            If a recording was read by another model.
        """
        pattern = self._of(map(Lesson, self.corrections), model)
        for beats in recordings:
            pattern = pattern.taught(self._corrections_of(beats), beats, decision)
        return pattern

    def apply(self, beats: ReadBeats, decision: Decision) -> PersonalAnswers:
        """Return the beats of a recording by this pattern.

        Without corrections these are exactly the model's answers.

        Raises
        ------
        PatternError
            If `beats` are not of the model that it was learned on.
        """
        self._check(beats)
        answers = decision.classes(beats.logits)
        logits, reasons = beats.logits, dict[int, Reason]()
        if (examples := examples_of(self.lessons, beats)) is not None:
            families = beats.families.astype(np.int64)
            moved = Mover(examples, decision).move(beats.embeddings, beats.logits, families)
            logits = moved.logits
            for beat, by_family, shown, n in zip(*map(np.ndarray.tolist, moved[1:]), strict=True):
                ground = Ground.FAMILY if by_family else Ground.ALIKE
                family = int(families[beat]) if by_family else None
                reasons[beat] = Reason(ground, BeatClass(shown), n, family)
        classes = decision.classes(logits)
        for correction in self._corrections_of(beats):
            marked = members(correction, beats, answers)
            classes[marked] = correction.given
            reason = Reason(Ground.READER, correction.given, 1, correction.family)
            reasons.update(dict.fromkeys(marked.tolist(), reason))
        changed = np.flatnonzero(classes != answers).tolist()
        return PersonalAnswers(logits, classes, {beat: reasons[beat] for beat in changed})

    def worth_asking(self, beats: ReadBeats, decision: Decision, n: int) -> NDArray[np.int64]:
        """Return the beats whose class the reader had best give next, the most useful first.

        These are beats of which the answer is in doubt, each unlike those that were already given
        and unlike one another. Asked a few at a time, such beats teach far more than as many that
        follow one another.

        Parameters
        ----------
        beats : ReadBeats
            Of a recording.
        decision : Decision
            The model's.
        n : int
            How many; fewer where there are no more.

        Returns
        -------
        numpy.ndarray, shape (n,), int64
            Their numbers.

        Raises
        ------
        PatternError
            If `beats` are not of the model that it was learned on.
        """
        answers = self.apply(beats, decision)
        doubt = np.exp(lead(decision, answers.logits) / -2)
        for correction in self._corrections_of(beats):
            doubt[members(correction, beats, decision.classes(beats.logits))] = 0
        examples = examples_of(self.lessons, beats)
        known = beats.embeddings[:0] if examples is None else examples.embeddings
        return choose(beats.embeddings, known, doubt, n)

    def to_json(self) -> str:
        """Return the pattern as one line of JSON."""
        kept = _Kept(SCHEMA, SCHEMA_VERSION, self.model, self.lessons)
        return msgspec.json.encode(kept).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the pattern that :meth:`to_json` wrote.

        Raises
        ------
        PatternError
            If `text` is none, or of a newer version.
        """
        try:
            kept = msgspec.json.decode(text, type=_Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise PatternError(f"not a whole pattern of a patient: {error}") from error
        if kept.schema != SCHEMA or kept.schema_version < 1:
            raise PatternError("not a pattern of a patient: it says that it is something else")
        if kept.schema_version > SCHEMA_VERSION:
            raise PatternError(
                f"pattern of version {kept.schema_version}; "
                f"this program reads up to {SCHEMA_VERSION}: update it"
            )
        for lesson in kept.lessons:
            if fault := lesson.fault():
                raise PatternError(f"not a whole pattern of a patient: of a correction, {fault}")
        ranks = [lesson.rank for lesson in kept.lessons]
        if any(a >= b for a, b in pairwise(ranks)):
            raise PatternError("not a whole pattern of a patient: a correction is out of order")
        return cls(kept.model, kept.lessons)

    @classmethod
    def _of(cls, lessons: Iterable[Lesson], model: str) -> Self:
        return cls(model, tuple(sorted(lessons, key=lambda lesson: lesson.rank)))

    def _corrections_of(self, beats: ReadBeats) -> list[Correction]:
        return [c for c in self.corrections if c.recording == beats.recording]

    def _check(self, beats: ReadBeats) -> None:
        if beats.model != self.model:
            raise PatternError(
                "the patient's pattern was learned on another model: "
                f"its {len(self.lessons)} corrections have to be learned anew"
            )
        if any(lesson.width not in (0, beats.embeddings.shape[1]) for lesson in self.lessons):
            raise PatternError("the patient's pattern has another width than the model's embedding")
