"""LightRAG's contract, b56 to b60: processes, threads, event loops, cancelling; and what goes together."""
import asyncio
import math
import subprocess
import threading

import pytest

from lightrag_support import (EVERY, OURS, count, document, fill, make, another_handle, opened, process,
                              rows_of, run, using, vector_test)
from ragstore.lightrag import share

ECHO = """
import asyncio, sys
from lightrag_support import OURS, make
async def work():
    values = make("kv", OURS, sys.argv[1])
    await values.initialize()
    for line in sys.stdin:
        asked, answer = line.split()
        await values.upsert({answer: {"seen": await values.get_by_id(asked) is not None}})
        print(answer, flush=True)
    await values.finalize()
asyncio.run(work())
"""


@using("kv")
async def test_b56_two_workers_see_each_other_at_once(storage, folder):
    worker = process(ECHO, folder, stdin=subprocess.PIPE)
    for i in range(5):
        await storage.upsert({f"mine-{i}": {"x": 1}})  # and no index_done_callback
        worker.stdin.write(f"mine-{i} theirs-{i}\n")
        worker.stdin.flush()
        await asyncio.to_thread(worker.stdout.readline)
        assert (await storage.get_by_id(f"theirs-{i}"))["seen"]
    worker.stdin.close()
    assert worker.wait() == 0


HOLD = """
import sys
from ragstore import _native
store = _native.Store(f"embedded:{sys.argv[1]}/ragstore", workspace="")
txn = store.begin()
store.kv_put("full_docs", {"half": {"x": 1}}, txn=txn)
print("held", flush=True)
sys.stdin.read()
txn.abort()
"""


@using("kv")
async def test_b57_a_live_holder_keeps_the_turn_a_dead_one_does_not(storage, folder):
    holder = process(HOLD, folder, stdin=subprocess.PIPE)
    assert (await asyncio.to_thread(holder.stdout.readline)).strip() == "held"
    write = asyncio.ensure_future(storage.upsert({"a": {"x": 1}}))
    for _ in range(20):
        await asyncio.sleep(0.01)
        assert not write.done() and await storage.get_by_id("a") is None
    holder.kill()
    await write
    assert await storage.get_by_id("half") is None and (await storage.get_by_id("a"))["x"] == 1
    holder.wait()


@vector_test
async def test_b58_cancelling_inside_the_flush(storage, embedder):
    entered, go_on = asyncio.Event(), asyncio.Event()
    fast = embedder.function.func

    async def slow(texts, **options):
        entered.set()
        await go_on.wait()
        return await fast(texts, **options)

    await storage.upsert(rows_of(30))
    embedder.function.func = slow
    flush = asyncio.ensure_future(storage.index_done_callback())
    await entered.wait()
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    await storage.upsert({"more": {"content": "more"}})
    go_on.set()
    await storage.index_done_callback()
    assert len((await storage.client_storage)["data"]) == 31


async def begun(storage, rows):
    """A task that upserts `rows`, has been begun by the writing thread, and by itself: what is written now is behind it. To be
    called while another handle has the writer's turn, so that it goes no further."""
    taken, commit = threading.Event(), storage._share._commit_one_by_one

    def commit_and_tell(store, writes):
        taken.set()
        commit(store, writes)

    storage._share._commit_one_by_one = commit_and_tell
    task = asyncio.ensure_future(storage.upsert(rows))
    await asyncio.to_thread(taken.wait)
    return task


@using("kv")
async def test_b58_cancelling_a_write(storage, folder):
    other = another_handle(folder)
    with other.begin() as txn:
        waiting = [await begun(storage, {"k0": {"x": 1}})]
        waiting += [asyncio.ensure_future(storage.upsert({f"k{i}": {"x": 1}})) for i in range(1, 5)]
        await asyncio.sleep(0)  # they are in the queue
        for task in waiting[:4]:
            task.cancel()
        results = await asyncio.gather(*waiting[:4], return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        other.kv_put("full_docs", {"theirs": {"x": 1}}, txn=txn)
    await waiting[4]
    await storage.upsert({"after": {"x": 1}})
    rows = await storage.get_by_ids(["k0", "k1", "k2", "k3", "k4", "theirs", "after"])
    assert [row is not None for row in rows[1:]] == [False, False, False, True, True, True], \
        "what had not begun is left out, nothing else"
    assert rows[0], "what had begun is finished"
    other.close()


def test_b59_all_at_once_ends(tmp_path):
    async def work():
        values = make("kv", OURS, tmp_path)
        vectors, graph, docs = (make(kind, OURS, tmp_path) for kind in ("vector", "graph", "doc_status"))
        storages = [values, vectors, graph, docs]
        for storage in storages:
            await storage.initialize()

        async def one(i):
            await asyncio.gather(values.upsert({f"k{i}": {"x": 1}}), vectors.upsert({f"k{i}": {"content": f"text {i}"}}),
                                 graph.upsert_edge("hub", f"n{i}", {}), docs.upsert({f"d{i}": document()}))
            await asyncio.gather(*(storage.index_done_callback() for storage in storages))
            if i % 10 == 5:
                await asyncio.gather(*(storage.drop() for storage in storages))

        await asyncio.wait_for(asyncio.gather(*(one(i) for i in range(40))), 300)
        for storage in storages:
            await storage.finalize()

    run(work())


@pytest.mark.parametrize("kind", EVERY)
def test_b60_the_event_loop_goes_on_while_a_write_waits(tmp_path, kind):
    async def work():
        async with opened(kind, OURS, tmp_path) as storage:
            await fill(kind, storage)
            other = another_handle(tmp_path)
            txn = other.begin()
            writes = [asyncio.ensure_future(fill(kind, storage, f"k{i}")) for i in range(20)]
            writes.append(asyncio.ensure_future(storage.drop()))
            for _ in range(50):
                await asyncio.sleep(0.001)
                assert not any(write.done() for write in writes)
                assert await count(kind, storage) == 1, "reads wait for nobody"
            txn.abort()
            assert (await asyncio.gather(*writes))[-1]["status"] == "success"
            other.close()

    run(work())


FORKED = """
import asyncio, os, sys
from lightrag_support import OURS, make
async def use(values, key):
    await values.upsert({key: {"x": 1}})
    await values.index_done_callback()
    return await values.get_by_ids(["parent", "child", "after"])
async def begin(values):
    await values.initialize()
    assert (await use(values, "parent"))[0]
values = make("kv", OURS, sys.argv[1])
asyncio.run(begin(values))
pid = os.fork()
if pid == 0:
    rows = asyncio.run(use(values, "child"))
    os._exit(0 if rows[0] and rows[1] else 1)
assert os.waitpid(pid, 0)[1] == 0, "the child"
assert all(asyncio.run(use(values, "after")))
asyncio.run(values.finalize())
"""


def test_trap_31_a_child_of_a_process_that_has_begun_opens_anew(tmp_path):
    assert process(FORKED, tmp_path).wait() == 0


@using("kv")
async def test_trap_34_what_is_handed_over_may_be_changed_at_once(storage, folder):
    other = another_handle(folder)
    row = {"list": [1], "deep": {"x": [1]}}
    with other.begin():
        first = await begun(storage, {"first": {"x": 1}})  # waits for the turn, so the other stays in the queue
        write = asyncio.ensure_future(storage.upsert({"a": row}))
        await asyncio.sleep(0)
        row["list"].append(2)
        row["deep"]["x"].append(2)
        row["more"] = 1
    await asyncio.gather(first, write)
    got = await storage.get_by_id("a")
    assert got["list"] == [1] and got["deep"] == {"x": [1]} and "more" not in got
    other.close()


def test_trap_37_twelve_flushes_cost_one_sync(tmp_path, monkeypatch):
    async def work():
        syncs = []
        flush = share.Share._flush

        def counted(self, store, number):
            syncs.append(number)
            return flush(self, store, number)

        monkeypatch.setattr(share.Share, "_flush", counted)
        storages = [make("kv", OURS, tmp_path, namespace=f"n{i}") for i in range(7)]
        storages += [make("vector", OURS, tmp_path, namespace=name) for name in ("entities", "relationships", "chunks")]
        storages += [make("graph", OURS, tmp_path), make("doc_status", OURS, tmp_path)]
        for storage in storages:
            await storage.initialize()
        for storage in storages[:7]:
            await storage.upsert({"a": {"x": 1}})
        await storages[10].upsert_node("a", {})
        await asyncio.gather(*(storage.index_done_callback() for storage in storages))
        assert len(syncs) == 1
        await asyncio.gather(*(storage.index_done_callback() for storage in storages))
        assert len(syncs) == 1, "nothing was left to do"
        await storages[0].upsert({"b": {"x": 1}})
        await storages[11].upsert({"d": document()})
        await asyncio.gather(*(storage.index_done_callback() for storage in storages))
        assert len(syncs) == 1, "the sync of the document status carried the value with it"
        for storage in storages:
            await storage.finalize()

    run(work())


def test_several_loops_one_after_the_other(tmp_path):
    storage = make("vector", OURS, tmp_path)
    run(storage.initialize())
    for i in range(3):
        run(storage.upsert({f"a{i}": {"content": "x"}}))
        run(storage.index_done_callback())
    assert run(count("vector", storage)) == 3
    run(storage.finalize())


@pytest.mark.parametrize("kind", ["kv", "graph", "doc_status", "vector"])
def test_many_rows_are_all_or_none(tmp_path, kind):
    """They go in pieces, in one transaction."""
    async def work():
        async with opened(kind, OURS, tmp_path) as storage:
            bad = {"status": "failed", "content": "x", "nan": math.nan, "file_path": math.nan}
            rows = {f"k{i:04}": document(content="x") for i in range(1500)}
            if kind == "graph":
                put, fits, refused = storage.upsert_nodes_batch, [(key, {"x": 1}) for key in rows], [("bad", {"x": math.nan})]
            else:
                put, fits, refused = storage.upsert, rows, {"bad": bad}
            with pytest.raises(ValueError):
                await put(fits + refused if kind == "graph" else {**fits, **refused})
            read = storage.get_nodes_batch if kind == "graph" else storage.get_by_ids
            assert not any(await read(list(rows)))
            await put(fits)
            found = await read([*rows, "absent"])
            assert len(found) == (1500 if kind == "graph" else 1501)
            assert [row and "status" in row for row in found][-2:] == [True, None] if kind in ("kv", "doc_status") else found

    run(work())
