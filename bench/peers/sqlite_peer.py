#!/usr/bin/env python3
"""The reference for small writes and reads: raw SQLite through Python's sqlite3.

Writes values one key a commit (WAL, synchronous=NORMAL), then reads random keys. Standard library only. The database
is made in DIR and removed again, so DIR decides which disk is measured.
"""
import argparse
import os
import random
import sqlite3
import tempfile

import measure


def write(database, keys, size, chance):
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE kv(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
    values = [chance.randbytes(size) for _ in range(64)]
    database.isolation_level = None  # each statement is a transaction of its own
    before = measure.bytes_written()
    with measure.Stopwatch() as watch:
        for i, key in enumerate(keys):
            database.execute("INSERT OR REPLACE INTO kv VALUES(?, ?)", (key, values[i % 64]))
    after = measure.bytes_written()
    measure.report("sqlite.put", watch.seconds / len(keys) * 1e6, "us")
    measure.report("sqlite.put.cpu", watch.cpu / len(keys) * 1e6, "us")
    if before and after:
        measure.report("sqlite.put.write_bytes", (after[1] - before[1]) / len(keys), "bytes")


def read(database, keys, reads, chance):
    wanted = [chance.choice(keys) for _ in range(reads)]
    with measure.Stopwatch() as watch:
        for key in wanted:
            if database.execute("SELECT value FROM kv WHERE key = ?", (key,)).fetchone() is None:
                raise SystemExit(f"sqlite_peer.py: {key} is missing")
    measure.report("sqlite.get", watch.seconds / reads * 1e6, "us")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", nargs="?", default=".", help="where the database is made (default .)")
    parser.add_argument("--values", type=int, default=100_000, help="how many (default 100000)")
    parser.add_argument("--size", type=int, default=2000, help="bytes of each value (default 2000)")
    parser.add_argument("--reads", type=int, default=100_000, help="point reads (default 100000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    keys = [f"default:extract:{chance.getrandbits(128):032x}" for _ in range(options.values)]
    with tempfile.TemporaryDirectory(prefix="sqlite-peer-", dir=options.folder) as scratch:
        path = os.path.join(scratch, "kv.db")
        database = sqlite3.connect(path)
        write(database, keys, options.size, chance)
        read(database, keys, options.reads, chance)
        database.close()
        measure.report("sqlite.file", os.path.getsize(path), "bytes")
    measure.report("sqlite.version", sqlite3.sqlite_version, "")


if __name__ == "__main__":
    main()
