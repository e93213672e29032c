"""The real LightRAG, whole, on ours: the same answers as on its defaults, documents that go, kills, several processes. Each step
is a process of its own (lightrag_whole.py), so everything has been written and read again."""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ALICE = HERE.parent / "data" / "alice29.txt"
KILLS = 4
BETWEEN_STORAGES = ("vectors.", "chunks.", "documents.")  # LightRAG writes one after another: a kill may come between two
WRITES = 150  # a kill comes at one of the first so many; indexing the four documents makes more


def start(whose, folder, *steps, **options):
    return subprocess.Popen([sys.executable, HERE / "lightrag_whole.py", whose, folder, *map(str, steps)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def lightrag(whose, folder, *steps, **options):
    """What lightrag_whole.py prints."""
    process = start(whose, folder, *steps, **options)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out)


def check(command, folder, but_for=()):
    """The store agrees with itself, but for what these invariants (starts of their names) say."""
    done = subprocess.run([command, "check", f"{folder}/ragstore", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    broken = [each["name"] for each in json.loads(done.stdout)["invariants"] if not each["holds"]]
    assert done.returncode == (1 if broken else 0)
    assert [name for name in broken if not name.startswith(tuple(but_for))] == [], done.stdout


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A whole book indexed on both: {"default" | "ours": (folder, contexts, contents)}."""
    folder = tmp_path_factory.mktemp("book")
    order = {"default": ["order"], "ours": []}
    return {whose: (folder / whose, *lightrag(whose, folder / whose, f"insert={ALICE}", *order[whose], "contexts", "contents"))
            for whose in ("default", "ours")}


def test_contexts_are_the_same_bytes(book):
    _, default, _ = book["default"]
    _, ours, _ = book["ours"]
    assert len(default) == 20 and sum(len(context) for context in default.values()) > 1_000_000
    assert [name for name in default if ours[name] != default[name]] == []


def test_contents_are_the_same(book):
    _, _, default = book["default"]
    _, _, ours = book["ours"]
    assert len(ours["labels"]) > 250 and len(ours["chunks"]) > 100
    assert ours == default


@pytest.fixture
def postgres(tmp_path):
    """Settings that put ragstore.lightrag onto a real server; the module comes from the build, as a package would bring it."""
    modules = pathlib.Path(os.environ.get("RAGSTORE_BUILD", HERE.parents[1] / "build"))
    assert (modules / "ragstore-postgres.so").exists(), f"{modules} has no ragstore-postgres.so: make, with libpq-dev"
    server = [HERE.parent / "servers" / "postgresql"]
    subprocess.run([*server, "start", "17", tmp_path / "server"], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    url = (tmp_path / "server" / "url").read_text().strip()
    yield {**os.environ, "RAGSTORE_URL": url, "RAGSTORE_MODULE_PATH": str(modules.resolve())}
    subprocess.run([*server, "remove", tmp_path / "server"], check=True)


def test_on_a_postgresql_server(book, tmp_path, postgres):
    """The same answers again with the store on a server, written by one process and read by another."""
    _, contexts, contents = book["default"]
    lightrag("ours", tmp_path / "here", f"insert={ALICE}", env=postgres)
    assert lightrag("ours", tmp_path / "here", "contexts", "contents", env=postgres) == [contexts, contents]
    assert not (tmp_path / "here" / "ragstore").exists()


def test_the_way_in_is_one_line(book, tmp_path, ragstore_command):
    """Import what the defaults wrote, four names; float16 is what their files hold, so scores are not the same to the last
    digit."""
    folder, default, contents = book["default"]
    copy = shutil.copytree(folder, tmp_path / "rag_storage")
    subprocess.run([ragstore_command, "import", copy], check=True, capture_output=True)
    contexts, ours = lightrag("ours", copy, "contexts", "contents")
    assert ours == contents
    naive = [name for name in default if name.startswith("naive")]
    assert [contexts[name] for name in naive] == [default[name] for name in naive]


def test_the_way_out_is_one_line(book, tmp_path, ragstore_command):
    folder, contexts, contents = book["ours"]
    subprocess.run([ragstore_command, "export", folder / "ragstore", tmp_path / "out"], check=True, capture_output=True)
    default, same = lightrag("default", tmp_path / "out", "order", "contexts", "contents")
    assert same == contents and default == contexts


def parts(count, size=6000):
    """Documents: parts of the book."""
    return [f"insert={ALICE},{i * size},{(i + 1) * size}" for i in range(count)]


def test_a_document_goes(tmp_path, ragstore_command):
    answers = {}
    for whose in ("default", "ours"):
        before, = lightrag(whose, tmp_path / whose, *parts(3), "contents")
        gone = before["documents"][0][0]
        after, = lightrag(whose, tmp_path / whose, f"delete={gone}", "contents")
        assert len(before["documents"]) == 3 and len(after["documents"]) == 2
        assert 0 < len(after["labels"]) < len(before["labels"]) and len(after["chunks"]) < len(before["chunks"])
        assert None not in after["texts"] + after["entities"] + after["relations"] + after["entity_chunks"]
        answers[whose] = before, after
    assert answers["ours"] == answers["default"]
    check(ragstore_command, tmp_path / "ours")


def test_kill_9_in_the_middle_of_indexing(tmp_path, ragstore_command):
    """Killed at a write that was drawn, LightRAG takes up its work and ends where it ends without. Once for each store: killed
    again after it has undone a document and before it has written it anew, LightRAG 1.5.7 itself refuses to go on with it."""
    seed = int(os.environ.get("RAGSTORE_SEED") or random.randrange(10**6))
    print("RAGSTORE_SEED =", seed)
    rng = random.Random(seed)
    expected, = lightrag("ours", tmp_path / "whole", *parts(4), "contents")
    assert {status for _, status in expected["documents"]} == {"processed"}
    for number in rng.sample(range(1, WRITES + 1), KILLS):
        folder = tmp_path / f"killed-at-{number}"
        process = start("ours", folder, *parts(4), env={**os.environ, "KILL_AT_WRITE": str(number)})
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        check(ragstore_command, folder, but_for=BETWEEN_STORAGES)
        contents, = lightrag("ours", folder, "resume", *parts(4), "resume", "contents")
        assert contents == expected, f"seed {seed}: killed at write {number}"
        check(ragstore_command, folder)


FORK = """
import asyncio, json, logging, os, sys
import lightrag_whole
from lightrag.kg import shared_storage
logging.disable(logging.WARNING)
folder, workers = sys.argv[1], int(sys.argv[2])
shared_storage.initialize_share_data(workers)          # as lightrag-gunicorn does in the master
rag = lightrag_whole.make_rag("ours", folder)          # constructed before the fork, initialised behind it
async def work(number):
    await rag.initialize_storages()
    for step in sys.argv[3 + number::workers]:
        await lightrag_whole.step(rag, step)
    await rag.finalize_storages()
children = []
for number in range(workers):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            asyncio.run(work(number))
            status = 0
        finally:
            os._exit(status)
    children.append(pid)
statuses = [os.waitpid(pid, 0)[1] for pid in children]
print(json.dumps(statuses))
"""


def test_four_workers_lose_nothing(tmp_path, ragstore_command):
    """LightRAG is made once and forked, as gunicorn's preload does it; the four index different documents at the same time."""
    documents = parts(12, 2500)
    done = subprocess.run([sys.executable, "-c", FORK, tmp_path / "four", "4", *documents], capture_output=True, text=True,
                          cwd=HERE, check=False, timeout=600)
    assert done.returncode == 0 and json.loads(done.stdout) == [0, 0, 0, 0], done.stderr
    ours, = lightrag("ours", tmp_path / "four", "resume", "contents")
    alone, = lightrag("ours", tmp_path / "one", *documents, "contents")
    assert len(ours["documents"]) == 12 and {status for _, status in ours["documents"]} == {"processed"}
    assert ours == alone
    check(ragstore_command, tmp_path / "four")
