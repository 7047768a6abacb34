"""Finding recordings by words: who they are of, what they are called, what was found in them.

The words lie in the encrypted index, in a full-text table that hangs on the table of recordings by
triggers. The sum over the rows counts the tables that it is kept in (:mod:`app.vault._digest`).
"""

from __future__ import annotations

import re

PREFIX = "words"
"""Of the names of its tables."""
_WORD = re.compile(r"[^\W_]+")
_TEXT = """
    SELECT {row}.id, {row}.name || ' ' || p.name || ' ' || p.code || ' ' || p.birth_date || ' ' ||
        CASE WHEN json_valid({row}.headline) THEN coalesce(
            (SELECT group_concat(key, ' ') FROM json_each({row}.headline, '$.findings')), '')
        ELSE '' END
"""
TABLES = f"""
CREATE VIRTUAL TABLE {PREFIX} USING fts5(
    recording_id UNINDEXED, text, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
);
INSERT INTO {PREFIX} ({PREFIX}, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER words_of_new AFTER INSERT ON recording BEGIN
    INSERT INTO {PREFIX} (recording_id, text)
    {_TEXT.format(row="NEW")} FROM patient AS p WHERE p.id = NEW.patient_id;
END;
CREATE TRIGGER words_of_gone AFTER DELETE ON recording BEGIN
    DELETE FROM {PREFIX} WHERE recording_id = OLD.id;
END;
"""
"""What is erased from the table is overwritten in it, not only marked."""
FILL = f"""
INSERT INTO {PREFIX} (recording_id, text)
{_TEXT.format(row="r")} FROM recording AS r JOIN patient AS p ON p.id = r.patient_id
ORDER BY r.added_at;
"""


def condition(text: str) -> str | None:
    """Return what the full-text table is asked for the words of `text`; None if it has none.

    All of them are to be there. They may be cut short, but for numbers: "atr fib" finds atrial
    fibrillation. Case and accents do not matter.
    """
    words = _WORD.findall(text)
    asked = (f'text: "{word}"{"" if word.isdecimal() else "*"}' for word in words)
    return " ".join(asked) if words else None
