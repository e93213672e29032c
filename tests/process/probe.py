"""store_probe as an object: commands in, answers out. See store_probe.c for the commands."""

import os
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("RAGSTORE_BUILD", ROOT / "build")) / "tests" / "store_probe"
READ_ONLY, EXISTING, BUILD, REPLACE = 1, 2, 4, 8
STATUS = {"-1": "invalid", "-2": "not found", "-3": "conflict", "-4": "corrupt", "-6": "timeout", "-9": "transaction",
          "-11": "io", "-12": "no space", "-14": "denied", "-16": "version", "-17": "forked"}


class Failed(Exception):
    """An answer `error KIND OUTCOME MESSAGE`."""

    def __init__(self, line):
        _, kind, self.outcome, self.message = line.split(" ", 3)
        self.kind = STATUS.get(kind, kind)
        super().__init__(line)


class Probe:
    def __init__(self, *wrap, program=PROGRAM, **options):
        self.process = subprocess.Popen([*wrap, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, **options)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.kill()

    def send(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(f"store_probe ended with {self.process.wait()}")
        return line.rstrip("\n")

    def ask(self, *words):
        """The answer; raises Failed for an error."""
        self.send(*words)
        line = self.line()
        if line.startswith("error "):
            raise Failed(line)
        return line

    def open(self, url, flags=0, handle=0):
        return self.ask("open", handle, url, flags)

    def acknowledged(self, limit=None):
        """The keys of a running loop, until its end (or after `limit` of them)."""
        keys = []
        while limit is None or len(keys) < limit:
            line = self.line()
            if line == "done":
                break
            if line.startswith("error "):
                raise Failed(line)
            keys.append(line.removeprefix("ack "))
        return keys

    def kill(self):
        """SIGKILL; what was still in the pipe can be read with rest()."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdin:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass

    def rest(self):
        """Whole lines that were left in the pipe of a killed program."""
        text = self.process.stdout.read()
        return text.split("\n")[:-1]

    def finish(self):
        """Let it end by itself."""
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
