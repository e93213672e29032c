"""The command line on a PostgreSQL URL: the same answers as on a directory, and the same promises of an import."""

import base64
import contextlib
import json
import re
import signal
import subprocess
import xml.etree.ElementTree as ET

import pytest

from conftest import BUILD, ENVIRONMENT, HERE, ROOT, new_database, run_program, wait_until

RAGSTORE = BUILD / "ragstore"
ALICE = ROOT / "tests/data/alice"
MINI = ROOT / "tests/data/mini"
SECONDS = 120


def run(*words, **environment):
    return run_program("ragstore", *words, env={**ENVIRONMENT, **environment})


def must(*words):
    done = run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answer(*words):
    return json.loads(must(*words, "--json"))


def rows(store):
    """What a store holds: rows by kind and namespace."""
    return {(n["kind"], n["name"]): n["rows"] for n in answer("status", store)["namespaces"]}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """The same data in a directory."""
    store = tmp_path_factory.mktemp("directory") / "store"
    must("import", ALICE, store)
    return store


@pytest.fixture
def url(database17):
    return database17.url


@contextlib.contextmanager
def blocked(database, table):
    """Nobody can write into a table of a database."""
    holder = subprocess.Popen([HERE / "postgresql", "sql", database.server.folder,
                               f"BEGIN; LOCK TABLE {table} IN SHARE MODE; SELECT pg_sleep({SECONDS})", database.name],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_lock(database, table, "mode = 'ShareLock' AND granted")
        yield
    finally:
        database.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE mode = 'ShareLock'"
                     f" AND granted AND relation = '{table}'::regclass")
        holder.wait(SECONDS)


def wait_for_lock(database, table, kind):
    wait_until(lambda: database.sql(f"SELECT count(*) FROM pg_locks WHERE relation = '{table}'::regclass AND {kind}") != "0",
               f"a lock of {table}")


def start_import(database, *words):
    """An import, when it is at its last file: it waits for the table of document status."""
    running = subprocess.Popen([RAGSTORE, "import", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=ENVIRONMENT)
    wait_for_lock(database, "lightrag_doc_status", "NOT granted")
    return running


# ---- the same answers --------------------------------------------------------------------------------------------


def test_import_status_and_export(url, directory, tmp_path):
    said = answer("import", ALICE, url)
    assert said["rows"] == 3289
    assert rows(url) == rows(directory)
    must("export", url, tmp_path / "a")
    must("export", directory, tmp_path / "b")
    names = sorted(f.name for f in (tmp_path / "b").iterdir())
    assert len(names) == 12
    assert sorted(f.name for f in (tmp_path / "a").iterdir()) == names
    for name in names:
        mine, theirs = tmp_path / "a" / name, tmp_path / "b" / name
        if name.endswith(".graphml"):    # the order of edges is the store's own
            assert edges(mine) == edges(theirs)
            assert len(edges(mine)) == 614
        elif name.startswith("vdb_"):    # and that of vectors
            assert vectors(mine) == vectors(theirs), name
        else:
            assert mine.read_bytes() == theirs.read_bytes(), name


def vectors(file):
    """The rows of a vector file by id, each with its row of the matrix."""
    held = json.loads(file.read_text())
    matrix = base64.b64decode(held["matrix"])
    size = 4 * held["embedding_dim"]
    return {row["__id__"]: (row, matrix[i * size:i * size + size]) for i, row in enumerate(held["data"])}


def edges(graphml):
    """The edges of a GraphML file, without an order."""
    return sorted(ET.tostring(edge).strip() for edge in ET.parse(graphml).iter() if edge.tag.endswith("}edge"))


QUESTIONS = [
    ("docs",),
    ("docs", "--status", "processed"),
    ("get", "kv", "text_chunks", next(iter(json.loads((ALICE / "kv_store_text_chunks.json").read_text())))),
    ("get", "node", "Alice", "Queen"),
    ("get", "edge", "Alice", "Queen"),
    ("graph", "*", "--max-nodes", "20"),
    ("graph", "Alice", "--depth", "2", "--max-nodes", "40"),
    ("search", "labels", "--text", "al"),
]


@pytest.fixture(scope="module")
def filled(postgres17):
    database = new_database(postgres17)
    must("import", ALICE, database.url)
    yield database
    postgres17.sql(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")


def without_store(said):
    """What does not hang on the store: not its name, not the order of edges in a view."""
    if not isinstance(said, dict):
        return said
    known = {k: v for k, v in said.items() if k != "store"}
    if "edges" in known:
        known["edges"] = sorted(known["edges"], key=lambda edge: edge["id"])
    return known


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_same_answer(filled, directory, question):
    command, *rest = question
    expected = run(command, directory, *rest, "--json")
    said = run(command, filled.url, *rest, "--json")
    assert said.returncode == expected.returncode, said.stderr
    assert expected.stdout, expected.stderr
    assert without_store(json.loads(said.stdout)) == without_store(json.loads(expected.stdout))


def test_search_like(filled, directory):
    words = ("entities", "--like", hit(directory), "-k", "10")
    said, expected = answer("search", filled.url, *words), answer("search", directory, *words)
    assert [row["id"] for row in said] == [row["id"] for row in expected]
    assert len(said) == 10
    for mine, theirs in zip(said, expected, strict=True):
        assert mine["distance"] == pytest.approx(theirs["distance"], abs=2e-3)


def hit(store):
    """The id of an entity."""
    data = json.loads((ALICE / "vdb_entities.json").read_text())["data"]
    assert must("search", store, "entities", "--like", data[0]["__id__"])
    return data[0]["__id__"]


def test_check_and_config(filled):
    assert run("check", filled.url).returncode == 0
    assert "***" in must("config", filled.url)


def test_refused(filled, tmp_path):
    for words in (("backup", filled.url, tmp_path / "copy"), ("compact", filled.url),
                  ("cache", filled.url, "llm_response_cache", "--max-size", "1000000")):
        done = run(*words)
        assert done.returncode not in (0, 2), words
        assert "postgres" in done.stderr and not done.stdout, words
    assert not (tmp_path / "copy").exists()


def test_no_password_in_output(filled, tmp_path):
    password = re.search(r":([^:@/]+)@", filled.url).group(1)
    for words in (("status", filled.url), ("check", filled.url), ("docs", filled.url),
                  ("export", filled.url, tmp_path / "out"), ("import", ALICE, filled.url),
                  ("import", ALICE, filled.url, "--replace")):
        for more in ((), ("--json",)):
            done = run(*words, *more)
            assert password not in done.stdout + done.stderr, words


# ---- the promises of an import -----------------------------------------------------------------------------------


def test_import_needs_replace(url):
    must("import", ALICE, url)
    done = run("import", MINI, url)
    assert done.returncode == 1 and "workspace 'default'" in done.stderr and "--replace" in done.stderr
    assert rows(url)[("kv", "text_chunks")] == 135
    must("import", MINI, url, "--replace")
    expected = answer("import", MINI, url + "?workspace=other")
    assert rows(url) == rows(url + "?workspace=other")
    assert expected["rows"] > 0 and rows(url)[("kv", "text_chunks")] != 135


def test_killed_import_leaves_nothing(database17):
    url = database17.url
    assert run("status", url).returncode == 3
    must("import", MINI, url + "?workspace=first")    # makes the tables
    with blocked(database17, "lightrag_doc_status"):
        running = start_import(database17, ALICE, url)
        assert rows(url) == {}    # others see nothing of it
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert rows(url) == {}
    must("import", ALICE, url)
    assert rows(url)[("kv", "text_chunks")] == 135


def test_killed_replacement_leaves_the_old(database17):
    url = database17.url
    must("import", MINI, url)
    before = rows(url)
    with blocked(database17, "lightrag_doc_status"):
        running = start_import(database17, ALICE, url, "--replace")
        assert rows(url) == before
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert rows(url) == before
    assert run("check", url).returncode == 0


def test_interrupted_import(database17):
    url = database17.url
    must("import", MINI, url + "?workspace=first")
    with blocked(database17, "lightrag_doc_status"):
        running = start_import(database17, ALICE, url)
        running.send_signal(signal.SIGINT)
        said = running.communicate()[1]
    assert running.returncode == 130
    assert "nothing was published" in said and "***" in said
    assert rows(url) == {}


def test_two_imports_at_once(database17):
    url = database17.url
    must("import", MINI, url + "?workspace=first")
    with blocked(database17, "lightrag_doc_status"):
        running = start_import(database17, ALICE, url)
        second = run("import", MINI, url, RAGSTORE_LOCK_TIMEOUT_MS="200")
        assert second.returncode == 3 and "somebody else is writing into workspace 'default'" in second.stderr
        other = run("status", url + "?workspace=first")    # others are not held up
        assert other.returncode == 0
    assert running.wait(SECONDS) == 0, running.stderr.read()
    assert rows(url)[("kv", "text_chunks")] == 135


def test_lost_connection(database17):
    url = database17.url
    must("import", MINI, url + "?workspace=first")
    with blocked(database17, "lightrag_doc_status"):
        running = start_import(database17, ALICE, url)
        database17.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted"
                       " AND relation = 'lightrag_doc_status'::regclass")
        said = running.communicate()[1]
    assert running.returncode not in (0, 130), said
    assert rows(url) == {}


def test_import_without_vectors(database15):
    done = run("import", ALICE, database15.url)
    assert done.returncode != 0 and "pgvector" in done.stderr
    assert rows(database15.url) == {}
