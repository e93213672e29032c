#!/usr/bin/env python3
"""Python environments with packages from PyPI, made once and kept in $RAGSTORE_CACHE, else ragstore/ in $XDG_CACHE_HOME or
~/.cache. As a program it prints the path of the Python of the peers: LightRAG 1.5.7 and what its default storages need.
Standard library only (and, on Debian, the package python3-venv).
"""
import argparse
import fcntl
import os
import pathlib
import subprocess
import sys

LIGHTRAG = ("lightrag-hku==1.5.7", "nano-vectordb==0.0.4.3", "networkx", "numpy")
LIGHTRAG_CHECK = "import importlib.metadata as m; assert m.version('lightrag-hku') == '1.5.7'"


def cache_folder():
    if named := os.environ.get("RAGSTORE_CACHE"):
        return pathlib.Path(named)
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "ragstore"


def python_with(name, packages, check):
    """Path of the Python of the environment `name`, which has these packages: made when the program `check` fails in it."""
    folder = cache_folder() / name
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not python.exists() or subprocess.run([python, "-c", check], capture_output=True).returncode != 0:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, stdout=sys.stderr)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True, stdout=sys.stderr)
    return str(python)


def lightrag_python(*drivers):
    """Path of a Python that can import lightrag 1.5.7, and these modules for its server classes; made on first use."""
    return python_with("venv-lightrag", LIGHTRAG + drivers, f"{LIGHTRAG_CHECK}; import sys{''.join(', ' + d for d in drivers)}")


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(lightrag_python())


if __name__ == "__main__":
    main()
