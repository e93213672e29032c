import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def ragstore_command():
    """Path of the command."""
    build = pathlib.Path(os.environ.get("RAGSTORE_BUILD", ROOT / "build"))
    return os.environ.get("RAGSTORE") or str(build / "ragstore")
