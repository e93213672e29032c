"""Stores that cannot be opened, and what is said about it."""
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile

import pytest
from conftest import ALICE, clean_environment, command_path


@pytest.mark.parametrize("arguments", [["status"], ["docs"], ["get", "node", "Alice"], ["graph", "Alice"],
                                       ["search", "entities", "--like", "Alice"], ["bench", "open"]])
def test_no_store_there(ragstore, tmp_path, arguments):
    missing = tmp_path / "missing"
    where = 2 if arguments[0] == "bench" else 1
    done = ragstore(*arguments[:where], missing, *arguments[where:], status=3)
    first = done.err.splitlines()[0]
    assert first.startswith("ragstore: ") and str(missing) in first
    assert done.out == "" and not missing.exists(), "reading made something"


def test_not_a_store(ragstore, tmp_path):
    done = ragstore("status", ALICE, status=3)
    assert f"first ragstore import {ALICE} STORE, or name them lightrag:{ALICE}" in done.err
    a_file = tmp_path / "file"
    a_file.write_text("hello")
    assert "that is a file; a store is a directory" in ragstore("status", a_file, status=3).err


def test_a_damaged_store(ragstore, store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "copy")
    (copy / "ragstore.db").write_bytes(b"this is no database, however long one makes it. " * 1000)
    done = ragstore("status", copy, status=1)
    assert done.err.startswith(f"ragstore: {copy}/ragstore.db is not a ragstore store")
    assert "ragstore backup" in done.err.splitlines()[1]


def test_a_header_that_is_damaged(ragstore, store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "copy")
    with open(copy / "ragstore.db", "r+b") as file:
        file.seek(16)
        file.write(b"\0\3")    # a page of 3 bytes
    done = ragstore("status", copy, status=1)
    assert done.err.startswith(f"ragstore: the checksum of page 1 of {copy}/ragstore.db is wrong: damaged, or ")
    done = ragstore("status", f"{copy}?checksums=ignore", status=1)
    assert done.err.startswith(f"ragstore: {copy}/ragstore.db is damaged at its beginning, or no database (")


@pytest.mark.parametrize("left", [100, 5000, 1_000_000])
def test_a_store_that_is_cut_off(ragstore, store, tmp_path, left):
    copy = shutil.copytree(store, tmp_path / "copy")
    whole = (copy / "ragstore.db").stat().st_size
    os.truncate(copy / "ragstore.db", left)
    for arguments in (["status", copy], ["get", copy, "node", "Alice"], ["compact", copy]):
        assert ragstore(*arguments, status=1).err.splitlines()[0] == (
            f"ragstore: the database {copy}/ragstore.db is cut off: it has {left} bytes where its header says {whole}")


def test_a_store_that_is_damaged_inside(ragstore, store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "copy")
    with open(copy / "ragstore.db", "r+b") as file:
        for page in range(60, 580):
            file.seek(page * 4096)
            file.write(b"\xaa" * 64)
    hint = "  all that is damaged is listed by: ragstore check STORE\n"
    done = ragstore("graph", copy, "*", status=1)
    assert re.fullmatch(rf"ragstore: the checksum of page \d+ of {copy}/ragstore.db is wrong: damaged, or written by "
                        rf"another program\n{hint}", done.err)
    done = ragstore("graph", f"{copy}?checksums=ignore", "*", status=1)
    assert done.err == f"ragstore: the database {copy}/ragstore.db is damaged (database disk image is malformed)\n{hint}"


def test_an_empty_database(ragstore, tmp_path):
    (tmp_path / "ragstore.db").touch()
    assert f"there is no store in {tmp_path} (ragstore.db is empty)" in ragstore("status", tmp_path, status=3).err


def test_another_database(ragstore, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    with sqlite3.connect(folder / "ragstore.db") as db:
        db.execute("CREATE TABLE t (x)")
    done = ragstore("status", folder, status=3)
    assert f"{folder}/ragstore.db is a database of another program" in done.err


def test_a_newer_format(ragstore, store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "copy")
    db = sqlite3.connect(copy / "ragstore.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    done = ragstore("status", copy, status=1)
    first, second = done.err.splitlines()
    assert "99" in first and str(copy) in first
    assert "newer ragstore" in second


def test_a_store_in_memory(ragstore, tmp_path):
    """It is empty whenever a command opens it, and gone when the command ends."""
    for arguments in (["status", "memory:"], ["docs", ":memory:"], ["bench", "update", "memory:", "--write"],
                      ["export", "memory:", tmp_path / "out"], ["cache", "memory:", "x_cache", "--ttl", "1d"]):
        assert ragstore(*arguments, status=3).err == (
            "ragstore: a store in memory belongs to one program and is gone at its end: this command would find nothing "
            "in its own\n  name a directory, such as ./my.store\n")
    done = ragstore("import", ALICE, "memory:", status=3)
    assert done.err.startswith("ragstore: a store in memory would be gone when the import ends\n  name a directory")
    assert not any(tmp_path.iterdir())


def test_files_of_lightrag_by_url(ragstore, alice_copy, tmp_path):
    """They are read in place by that URL, but nothing is imported into them, or from a URL."""
    assert ragstore("docs", f"lightrag:{alice_copy}").lines[0] == "1 document: 1 processed"
    done = ragstore("status", f"lightrag:{tmp_path}/nowhere", status=3)
    assert f"{tmp_path}/nowhere" in done.err and "import" not in done.err
    done = ragstore("import", ALICE, f"lightrag:{tmp_path}/new", status=3)
    assert done.err.endswith("\n  name a directory for the store, such as ./my.store\n")
    done = ragstore("import", f"lightrag:{alice_copy}", tmp_path / "store", status=2)
    assert done.err.startswith(f"ragstore: LIGHTRAG_DIR is a directory, and 'lightrag:{alice_copy}' looks like the URL")


def test_hints_look_where_the_url_leads(ragstore, tmp_path):
    a_file = tmp_path / "file"
    a_file.write_text("hello")
    assert "that is a file" in ragstore("status", f"embedded:{a_file}", status=3).err
    (tmp_path / "stores.ini").write_text(f"books = {ALICE}\n")
    done = ragstore("status", "@books", env={"RAGSTORE_STORES": str(tmp_path / "stores.ini")}, status=3)
    assert f"first ragstore import {ALICE} STORE, or name them lightrag:{ALICE}" in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
@pytest.mark.parametrize("arguments, message", [
    (["status", "closed"], "look at {}/closed/ragstore.db: Permission denied"),
    (["cache", "open", "x_cache", "--ttl", "1d"], "open {}/open/ragstore.lock: Permission denied"),
])
def test_no_permission(ragstore, store, arguments, message):
    """Of nobody: reading a store needs no more than to read its files, writing more."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        for copy, mode in (("closed", 0o000), ("open", 0o755)):
            shutil.copytree(store, f"{name}/{copy}")
            for file in pathlib.Path(name, copy).iterdir():
                file.chmod(0o644)
            os.chmod(f"{name}/{copy}", mode)
        program = shutil.copy(ragstore.path, name)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, arguments[0],
                               f"{name}/{arguments[1]}", *arguments[2:]], capture_output=True, text=True, check=False)
        assert done.returncode == 3 and done.stderr == f"ragstore: {message.format(name)}\n"
        assert subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "docs",
                               f"{name}/open"], capture_output=True, check=False).returncode == 0


def test_closed_descriptors(ragstore, store):
    """What is opened next must not take their place, or output goes into a store."""
    def run(what):
        return subprocess.run(["bash", "-c", f'exec "$0" search "$1" entities {what}', ragstore.path, str(store)],
                              capture_output=True, text=True, check=False)

    done = run("--like Alice >&-")
    assert (done.returncode, done.stderr) == (1, "ragstore: could not write the output: Bad file descriptor\n")
    done = run("--vector - <&-")
    assert (done.returncode, done.stderr) == (1, "ragstore: standard input: Bad file descriptor\n")


def test_a_workspace_that_is_not_there(ragstore, store):
    done = ragstore("status", store, "--workspace", "nosuch", status=3)
    assert done.err == (f"ragstore: there is no store in {store}/nosuch (no ragstore.db)\n"
                        f"  make one with: ragstore import LIGHTRAG_DIR {store} --workspace nosuch\n")


def test_vectors_that_are_none(ragstore, store):
    for given, message in ((b"", "it is empty"), (b"[1, 2]", "2 dimensions, but entities has 384 of"),
                           (b'[1, "x"]', "element 1 is not a number: '\"x\"'"), (b"{}", "not a JSON array of numbers"),
                           (b"\xff\x00", "not a JSON array of numbers")):
        done = ragstore("search", store, "entities", "--vector", "-", input=given, status=1)
        assert done.err.startswith(f"ragstore: standard input: {message}"), done.err


def test_urls(ragstore, tmp_path):
    ragstore("status", "", status=2)
    assert "nosuch" in ragstore("status", "nosuch://x", status=2).err
    assert "bolt" in ragstore("status", "bolt://user:secret@host/db", status=2).err
    assert "secret" not in ragstore("status", "bolt://user:secret@host/db", status=2).err


def test_modules_lie_beside_the_program_also_when_path_finds_it(tmp_path):
    folder, elsewhere = tmp_path / "bin", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    shutil.copy2(command_path(), folder / "ragstore")
    (folder / "ragstore-beside.so").write_bytes(b"no module")
    (elsewhere / "ragstore").write_bytes(b"no program")    # whoever can write here gets no code into the process
    (elsewhere / "ragstore-planted.so").write_bytes(b"no module")
    environment = {**clean_environment(), "PATH": f"{folder}:{os.environ['PATH']}"}

    def said(url):
        done = subprocess.run(["ragstore", "status", url], cwd=elsewhere, env=environment, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode != 0
        return done.stderr

    assert str(folder / "ragstore-beside.so") in said("beside://x/y")
    assert "ragstore-planted.so" not in said("planted://x/y")
