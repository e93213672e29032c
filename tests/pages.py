"""Pages of a store's database file, for tests that change it with Python's own SQLite.

That one keeps the checksum of a page which it changes, so the store would be right to call the page damaged. A fault
that is meant to be found elsewhere is planted with foreign(): its pages then say that their checksum is not known.
"""

import contextlib
import sqlite3
from pathlib import Path

CHECKSUM_BYTES = 8


def forget_checksums(store):
    path = Path(store) / "ragstore.db"
    content = bytearray(path.read_bytes())
    size, reserved = int.from_bytes(content[16:18], "big"), content[20]
    if reserved != CHECKSUM_BYTES:
        return
    for end in range(size, len(content) + 1, size):
        content[end - CHECKSUM_BYTES:end] = bytes(CHECKSUM_BYTES)
    path.write_bytes(content)


@contextlib.contextmanager
def foreign(store, **options):
    """A connection that is closed at the end, with all that it did in the file."""
    db = sqlite3.connect(Path(store) / "ragstore.db", **options)
    try:
        with db:
            yield db
    finally:
        db.close()
        forget_checksums(store)
