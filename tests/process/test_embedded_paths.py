"""Paths with characters that mean something in URLs, absolute and relative, short and too long."""

import os
import subprocess
from urllib.parse import quote

import pytest
from probe import ROOT

NAMES = ["a?b#%20", "100%", "sp ace", "new\nline", "\u00fcn\u00efc\u00f6d\u00e9\u2603", "a&b=c", "quote'\"", "x:y", "-dash", "%00",
         "file:x", "back\\slash"]


def run(*arguments, cwd=None, status=0):
    command = os.environ.get("RAGSTORE") or str(ROOT / "build" / "ragstore")
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False,
                          cwd=cwd)
    assert done.returncode == status, done.stderr
    return done.stdout or done.stderr


def url(path):
    if str(path).startswith("//"):    # the path as it is: after a scheme it would be a host
        return path
    return "embedded:" + quote(str(path))


def use(path, target, cwd=None):
    """Made, read, written, copied; the copy is whole."""
    run("import", ROOT / "tests" / "data" / "mini", url(path), cwd=cwd)
    run("status", url(path), cwd=cwd)
    run("compact", url(path), cwd=cwd)
    run("backup", url(path), "--", target, cwd=cwd)
    run("check", url(target), cwd=cwd)


@pytest.mark.parametrize("name", NAMES)
def test_names(tmp_path, name):
    use(tmp_path / name, tmp_path / f"{name}.copy")
    assert (tmp_path / name / "ragstore.db").exists() and (tmp_path / f"{name}.copy" / "ragstore.db").exists()
    use(f"./{name}.2", f"./{name}.3", cwd=tmp_path)
    assert (tmp_path / f"{name}.2" / "ragstore.db").exists() and (tmp_path / f"{name}.3" / "ragstore.db").exists()


def test_slashes(tmp_path):
    use(f"/{tmp_path}//a", f"{tmp_path}/./a.copy//")
    use("r/../s", "t/../u", cwd=tmp_path)
    assert {file.name for file in tmp_path.iterdir()} >= {"a", "a.copy", "s", "u"}


def test_long(tmp_path):
    """As long as SQLite can, then an answer that says what is wrong."""
    def of_length(n):
        path = str(tmp_path)
        while len(path) < n:
            path += "/" + "d" * min(200, max(n - len(path) - 1, 1))
        return path
    use(of_length(380), of_length(370))
    for n in 505, 900, 3000:
        assert "bytes too long" in run("import", ROOT / "tests" / "data" / "mini", url(of_length(n)), status=3)
    assert "bytes too long" in run("backup", url(of_length(380)), of_length(480), status=1)
