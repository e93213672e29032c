"""The program calls, for tests: says what is to be done, hears what came of it."""

import queue
import subprocess
import threading

import pytest

from conftest import BUILD, ENVIRONMENT

NO_ANSWER_SECONDS = 40
NOT_APPLIED, UNKNOWN = 0, 3    # outcomes and kinds, as in include/ragstore/status.h
TIMEOUT, CONNECTION, TRANSACTION, IO, DENIED = -6, -8, -9, -11, -14
PATIENT = "connection_retries=60&connection_retry_backoff=0.05&connection_retry_backoff_max=0.2"


class Answer:
    def __init__(self, line):
        self.line = line
        words = line.split(" ", 4)
        self.ok = words[0] == "ok"
        self.found = line[3:] if self.ok else None
        self.status, self.outcome, self.retryable = (0, 0, 0) if self.ok else map(int, words[:3])
        self.state, self.message = ("", "") if self.ok else words[3:5]

    def __repr__(self):
        return self.line


class Calls:
    """The program at work on a store."""

    def __init__(self, url, options="", *words):
        self.process = subprocess.Popen(
            [BUILD / "tests" / "calls", f"{url}?{options or PATIENT}", *map(str, words)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        self.lines = queue.SimpleQueue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.opened = self.hear()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def hear(self):
        try:
            line = self.lines.get(timeout=NO_ANSWER_SECONDS)
        except queue.Empty:
            self.process.kill()
            pytest.fail(f"no answer in {NO_ANSWER_SECONDS} s")
        assert line is not None, f"calls ended: {self.process.wait(60)}"
        return Answer(line)

    def begin(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def __call__(self, command):
        self.begin(command)
        return self.hear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.process.stdin.close()
            assert self.process.wait(NO_ANSWER_SECONDS) == (0 if self.opened.ok else 1)
        finally:
            self.process.kill()


def backends(server, extra=""):
    found = server.sql(f"SELECT pid FROM pg_stat_activity WHERE application_name = 'ragstore' {extra} ORDER BY 1")
    return [int(line) for line in found.splitlines()]
