"""How the figures of an evaluation come to be, in the words of its page."""

_SENTENCES = """
The recordings were analysed as "tracekeep analyze" does it, and what "tracekeep annotate" writes of
each report was compared with the reference annotations, by the rules of ANSI/AAMI EC57 and IEC
60601-2-47 as PhysioNet's bxb, rxr, epicmp and mxm apply them.

The first five minutes of a record are not scored. A record shorter than ten minutes is scored from
its start, which EC57 does not provide for.

Classes are those of AAMI: N, S, V, F, Q. Bundle branch blocks and atrial, junctional and
supraventricular escape beats are N, ventricular escape beats are V, paced beats are Q.

Gross figures add up all records, so that every beat weighs the same. Averages are the mean of the
records' own figures, so that every record does; one that a figure is not defined for (–) is left
out.

Beats within the reference's ventricular flutter or fibrillation are not scored beat by beat.

O means no beat. X is shutdown: a beat missed where our report calls the signal unreadable. It
counts as missed in the sensitivity, and is told apart in the matrix.

VEB +P and FPR leave out what the reference calls F or Q; SVEB +P and FPR leave out Q.

Runs: F counts as V, ventricular fibrillation as a long ventricular run, and atrial fibrillation or
flutter as a long supraventricular one, its N beats as S.

Episodes of atrial fibrillation: ours within the reference's atrial flutter do not count. Episodes
of ST deviation are not scored: the analysis reports none.

Heart rate: 60 over the mean of the RR intervals that end in a window of 10 s, of the reference as
of ours; the percentage is of the reference's mean.

A reference without beats, or without rhythm annotations, leaves those tables out: nothing is known,
which is not zero.

Annotations that bound waves are scored point by point: pairs within 150 ms, one to one, and what we
mark outside of the stretches that they cover is not counted as extra. Where no mark lies for longer
than 1.3 times the reference's usual RR interval, as in the QT Database, a beat was left out, and
the reference does not cover that.

Where the reference marks a wave, but not where it begins or ends, as most T waves of the QT
Database and some paced beats of LUDB, our mark of that is neither right nor extra; a record whose
reference never marks it is left out of that table. A wave that we mark where the reference has none
is extra.
"""

PROTOCOL = tuple(" ".join(each.split()) for each in _SENTENCES.split("\n\n"))
"""A few sentences each."""
