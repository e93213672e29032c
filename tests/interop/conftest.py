"""Tests against the real LightRAG, in the environment of bench/peers/environment.py (installed from PyPI on first use).
The tests run its Python as a child process and read JSON from it."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peers"))
import environment  # noqa: E402  (found by the line above)


@pytest.fixture(scope="session")
def lightrag_python():
    """Path of a Python that can import lightrag 1.5.7 and networkx."""
    return environment.lightrag_python()


@pytest.fixture(scope="session")
def run_python(lightrag_python):
    """run_python(script, *arguments) -> what it printed; a failure shows the child's standard error."""
    def run(script, *arguments):
        done = subprocess.run([lightrag_python, str(ROOT / script), *map(str, arguments)], capture_output=True, text=True,
                              env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def read_with_lightrag(run_python):
    """read_with_lightrag(folder, *options) -> the JSON object that read_with_lightrag.py prints."""
    def read(folder, *options):
        return json.loads(run_python("tests/interop/read_with_lightrag.py", folder, *options))

    return read
