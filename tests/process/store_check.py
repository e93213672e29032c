"""Is what lies on the disk a whole store? Asked of Python's own SQLite, another copy than the library's."""

import contextlib
import sqlite3
from pathlib import Path


def connect(store):
    return contextlib.closing(sqlite3.connect(f"{(Path(store) / 'ragstore.db').resolve().as_uri()}?mode=rw", uri=True))


def check(store):
    """integrity_check and the counters of the value namespaces; returns the keys of namespace "n"."""
    with connect(store) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept = dict(db.execute("SELECT id, rows FROM namespace WHERE kind = 1"))
        counted = dict(db.execute("SELECT namespace, count(*) FROM kv GROUP BY namespace"))
        assert {i: n for i, n in kept.items() if n} == counted
        sizes = dict(db.execute("SELECT id, bytes FROM namespace WHERE kind = 1"))
        measured = dict(db.execute("SELECT namespace, sum(length(key) + length(value)) FROM kv GROUP BY namespace"))
        assert {i: n for i, n in sizes.items() if n} == measured
        token, durable = db.execute("SELECT generation, token FROM namespace, durable WHERE namespace.id = 0").fetchone()
        assert durable <= token
        return {key.decode() for (key,) in db.execute("SELECT key FROM kv")}
