"""Tests of the command as its users meet it: a process with arguments, two outputs and an exit status.

The command is $RAGSTORE_BIN, else $RAGSTORE (set by scripts/run-tests), else build/ragstore. What it should answer is
worked out here from the files that LightRAG wrote, with nothing but Python's own library.
"""
import base64
import json
import os
import pathlib
import pty
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))    # pages.py
ALICE = ROOT / "tests" / "data" / "alice"
MODEL = "all-MiniLM-L6-v2"
GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"


class Done:
    """What a run of the command left behind."""

    def __init__(self, done):
        self.status = done.returncode
        self.bytes = done.stdout
        self.out = done.stdout.decode("utf-8")
        self.err = done.stderr.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return self.out.splitlines()


def command_path():
    path = os.environ.get("RAGSTORE_BIN") or os.environ.get("RAGSTORE") or str(ROOT / "build" / "ragstore")
    assert os.access(path, os.X_OK), f"{path} is not there: build it, or set RAGSTORE_BIN"
    return path


def clean_environment():
    """No setting of whoever runs the tests may reach the command."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith(("LIGHTRAG_", "RAGSTORE_", "WORKSPACE", "COLUMNS", "PYTEST_"))}


def on_terminal(arguments):
    """The status of a process and all that it writes to a terminal of 60 columns."""
    master, slave = pty.openpty()
    subprocess.run(["stty", "rows", "24", "columns", "60"], stdin=slave, check=True)
    child = subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:    # Linux says so at the end
            break
        if not block:
            break
        shown += block
    os.close(master)
    return child.wait(), shown.decode("utf-8")


@pytest.fixture(scope="session")
def ragstore():
    """ragstore(*arguments, input=b"", env={}, cwd=None, status=0) -> Done; the status is checked.
    ragstore.on_terminal(*arguments) -> (status, what a terminal gets)."""
    path = command_path()

    def run(*arguments, input=b"", env=None, cwd=None, status=0):
        done = Done(subprocess.run([path, *map(os.fsencode, map(str, arguments))], input=input, capture_output=True,
                                   env={**clean_environment(), **(env or {})}, cwd=cwd, timeout=120, check=False))
        assert done.status == status, f"{arguments}: {done.status}\n{done.out}\n{done.err}"
        if status == 0:
            assert "ragstore: " not in done.err.replace("ragstore: warning: ", ""), done.err
        return done

    run.path = path
    run.on_terminal = lambda *arguments: on_terminal([path, *map(str, arguments)])
    return run


@pytest.fixture(scope="session")
def store(ragstore, tmp_path_factory):
    """tests/data/alice, imported once. Tests read it and never write."""
    path = tmp_path_factory.mktemp("cli") / "alice.store"
    ragstore("import", ALICE, path, "--model", MODEL)
    return path


@pytest.fixture
def alice_copy(tmp_path):
    """A copy of tests/data/alice that a test may damage."""
    return pathlib.Path(shutil.copytree(ALICE, tmp_path / "alice"))


# ---- what LightRAG wrote -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def kv_files():
    """Name of a namespace -> its file, parsed."""
    return {path.stem.removeprefix("kv_store_"): json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(ALICE.glob("kv_store_*.json"))}


@pytest.fixture(scope="session")
def vector_files():
    """Name of a space -> {id: (row without vector, list of floats)}."""
    spaces = {}
    for path in sorted(ALICE.glob("vdb_*.json")):
        rows = {}
        for row in json.loads(path.read_text(encoding="utf-8"))["data"]:
            raw = zlib.decompress(base64.b64decode(row["vector"]))
            vector = list(struct.unpack(f"<{len(raw) // 2}e", raw))
            rows[row["__id__"]] = ({k: v for k, v in row.items() if k != "vector"}, vector)
        spaces[path.stem.removeprefix("vdb_")] = rows
    return spaces


def read_graphml(root):
    """(nodes, edges): label -> attributes, frozenset of two labels -> attributes; numbers as floats."""
    keys = {key.get("id"): (key.get("attr.name"), key.get("attr.type")) for key in root.iter(GRAPHML + "key")}

    def attributes(element):
        found = {}
        for data in element.iter(GRAPHML + "data"):
            name, kind = keys[data.get("key")]
            found[name] = float(data.text) if kind in ("double", "long") else data.text or ""
        return found

    nodes = {node.get("id"): attributes(node) for node in root.iter(GRAPHML + "node")}
    edges = {frozenset((edge.get("source"), edge.get("target"))): attributes(edge)
             for edge in root.iter(GRAPHML + "edge")}
    return nodes, edges


@pytest.fixture(scope="session")
def graph_file():
    return read_graphml(ET.parse(ALICE / "graph_chunk_entity_relation.graphml").getroot())
