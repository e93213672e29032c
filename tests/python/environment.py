#!/usr/bin/env python3
"""The environment of the tests of the Python package: a fresh one in build/python/venv into which the wheel that make python
built is installed. LightRAG, numpy and the tools of the tests are seen in it through a .pth file: they come from PyPI once,
into the cache. Prints the path of its Python. Standard library only.
"""
import importlib.util
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "python"
TOOLS = ("pytest", "mypy", "auditwheel", "abi3audit")
TOOLS_CHECK = "import pytest, mypy, auditwheel, abi3audit"

_spec = importlib.util.spec_from_file_location("peers_environment", ROOT / "bench/peers/environment.py")
peers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(peers)


def packages_of(python):
    """The folder of the packages that this Python has."""
    return subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True,
                          capture_output=True, text=True).stdout.strip()


def fresh(folder, wheel, *others):
    """Path of the Python of a new environment with nothing but the wheel and the packages of the other environments."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, stdout=sys.stderr)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel], check=True,
                   stdout=sys.stderr)
    pathlib.Path(packages_of(python), "others.pth").write_text("".join(f"{packages_of(other)}\n" for other in others))
    return python


def main():
    wheels = list(OUT.glob("ragstore-*.whl"))
    if len(wheels) != 1:
        sys.exit(f"{len(wheels)} wheels in {OUT}: run scripts/make-wheel")
    tools = peers.python_with("venv-python-tools", TOOLS, TOOLS_CHECK)
    print(fresh(OUT / "venv", wheels[0], peers.lightrag_python(), tools))


if __name__ == "__main__":
    main()
