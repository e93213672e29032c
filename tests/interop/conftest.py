"""Tests against the real LightRAG. It is installed from PyPI into a virtual environment of its own, once, under
${RAGSTORE_CACHE:-~/.cache/ragstore}; the tests run its Python as a child process and read JSON from it."""
import fcntl
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ("lightrag-hku==1.5.7", "nano-vectordb==0.0.4.3", "networkx", "numpy")


def cache_folder():
    return pathlib.Path(os.environ.get("RAGSTORE_CACHE") or pathlib.Path.home() / ".cache" / "ragstore")


@pytest.fixture(scope="session")
def lightrag_python():
    """Path of a Python that can import lightrag 1.5.7; made on first use."""
    folder = cache_folder() / "venv-lightrag"
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / "venv-lightrag.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        check = [str(python), "-c", "import importlib.metadata as m; assert m.version('lightrag-hku') == '1.5.7'"]
        if not python.exists() or subprocess.run(check, capture_output=True, check=False).returncode != 0:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return str(python)


@pytest.fixture(scope="session")
def run_python(lightrag_python):
    """run_python(script, *arguments) -> what it printed; a failure shows the child's standard error."""
    def run(script, *arguments):
        done = subprocess.run([lightrag_python, str(ROOT / script), *map(str, arguments)], capture_output=True,
                              text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def read_with_lightrag(run_python):
    """read_with_lightrag(folder, *options) -> the JSON object that read_with_lightrag.py prints."""
    def read(folder, *options):
        return json.loads(run_python("tests/interop/read_with_lightrag.py", folder, *options))

    return read
