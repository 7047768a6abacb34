"""The scores that ANSI/AAMI EC57 and IEC 60601-2-47 ask of an automatic analysis.

Two readings of one record are compared, the reference's and the one under test: beat by beat, run
by run, episode by episode, and in heart rate. The rules are those of the programs that the standard
names as its reference implementation (PhysioNet's ``bxb``, ``rxr``, ``epicmp`` and ``mxm``), as
the *WFDB Applications Guide* describes them; where ours differ, the docstring says so.
"""
