"""Tests of the Python package. scripts/run-tests runs them with the Python of tests/python/environment.py, in which `ragstore`
is the installed wheel. PYTHONPATH=BUILD/python takes the tree's instead (cmake -DRAGSTORE_PYTHON=ON): the tests of the wheel
itself are left out then.
"""
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

import ragstore
from ragstore import _native

ROOT = pathlib.Path(__file__).resolve().parents[2]
IN_TREE = not pathlib.Path(ragstore.__file__).is_relative_to(sys.prefix)
collect_ignore = ["test_wheel.py"] if IN_TREE else []

# no setting of whoever runs the tests may reach a store: LightRAG's storages would open, and drop, the one of RAGSTORE_URL
for _name in list(os.environ):
    if _name.startswith(("LIGHTRAG_", "WORKSPACE", "RAGSTORE_URL", "RAGSTORE_WORKSPACE", "RAGSTORE_LOCK_", "RAGSTORE_STORES")):
        del os.environ[_name]


@pytest.fixture(params=["memory", "embedded"])
def native(request, tmp_path):
    """The extension's Store, on both backends."""
    store = _native.Store("memory:" if request.param == "memory" else str(tmp_path / "s"))
    yield store
    store.close()


@pytest.fixture
def disk(tmp_path):
    """The extension's Store in a directory."""
    store = _native.Store(str(tmp_path / "s"))
    yield store
    store.close()


@pytest.fixture
def store(tmp_path):
    """The typed API's Store in a directory."""
    with ragstore.open(tmp_path / "s") as opened:
        yield opened


@pytest.fixture
def run_python(tmp_path):
    """Runs a program in a Python of its own, in an empty folder; its output, when it ended well."""
    def run(program, *arguments):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)], cwd=tmp_path,
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    return run


@pytest.fixture(scope="session")
def ragstore_command():
    """Path of the command: that of the wheel, or of the build beside the tree's package."""
    if not IN_TREE:
        return str(pathlib.Path(sys.executable).with_name("ragstore"))
    build = pathlib.Path(os.environ.get("RAGSTORE_BUILD", ROOT / "build"))
    return os.environ.get("RAGSTORE") or str(build / "ragstore")
