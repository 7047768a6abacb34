"""Whether a passphrase is one of those that are guessed first. Nothing is looked up anywhere."""

from __future__ import annotations

import unicodedata

LEAST = 8  # characters
_SURPRISES = 7  # of them, after those before them

# What people take for a passphrase, and what stands beside it.
_COMMON = (
    "passphrase", "tracekeep", "password", "passwort", "passwd", "iloveyou", "football",
    "baseball", "superman", "princess", "sunshine", "dragon", "monkey", "master", "shadow",
    "michael", "welcome", "willkommen", "letmein", "trustno", "starwars", "whatever",
    "hospital", "krankenhaus", "klinik", "clinic", "doctor", "doktor", "patient", "medical",
    "secret", "geheim", "admin", "login", "guest", "summer", "winter", "sommer", "spring",
    "autumn", "changeme", "default", "vault", "owner", "hello", "hallo", "test", "user",
    "pass", "ecg", "ekg", "eeg",
)  # fmt: skip
_ROWS = ("1234567890", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm")
_READ_AS = str.maketrans("@4301!5$7", "aaeoiisst")
_CONTINUED = 0.25  # what a character counts that goes on from the one before: abc, 321, aaa, qwe
_DIGIT = 0.5  # what a digit counts after a digit: a date, a year, a telephone number


def weakness(passphrase: str, *personal: str) -> str | None:
    """Return why a passphrase is too weak, in plain words, or None.

    It is judged by how many of its characters are a surprise: one that repeats, counts on from or
    lies beside the one before hardly is, a word that everybody takes counts as one.

    Parameters
    ----------
    passphrase : str
        The passphrase.
    *personal : str
        Words that are easy to guess for this user: the user's name.
    """
    text = unicodedata.normalize("NFC", passphrase).casefold()
    if len(text) < LEAST:
        return f"the passphrase is too short: take {LEAST} characters or more, best several words"
    if _surprises(text, [word.casefold() for word in personal if len(word) > 2]) < _SURPRISES:
        return (
            "the passphrase is too easy to guess: take several words that do not belong together, "
            "and neither a common word with a number nor a row of keys"
        )
    return None


def _surprises(text: str, personal: list[str]) -> float:
    for repeated in range(1, len(text) // 2 + 1):
        if text == (text[:repeated] * len(text))[: len(text)]:
            text = text[:repeated]  # the same over and over says no more than once
            break
    count, at = 0.0, 0
    plain = text.translate(_READ_AS)
    words = sorted([*personal, *_COMMON], key=len, reverse=True)
    while at < len(text):
        word = next((w for w in words if text.startswith(w, at) or plain.startswith(w, at)), None)
        if word:
            count, at = count + 1, at + len(word)
        else:
            count += _surprise(text[at - 1 : at], text[at])
            at += 1
    return count


def _surprise(before: str, after: str) -> float:
    if not before:
        return 1
    beside = any(before + after in row or after + before in row for row in _ROWS)
    if beside or abs(ord(before) - ord(after)) <= 1:
        return _CONTINUED
    return _DIGIT if before.isdigit() and after.isdigit() else 1
