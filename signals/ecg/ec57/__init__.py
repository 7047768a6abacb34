"""The scores that ANSI/AAMI EC57 and IEC 60601-2-47 ask of an automatic analysis."""
