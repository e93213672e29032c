"""Opening, closing, transactions, errors, threads, signals, fork."""
import gc
import logging
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

import ragstore
from ragstore import CancelFlag, _native


def in_thread(function):
    """Runs it in a thread; the list that is returned gets its result or what it raised."""
    outcome = []

    def run():
        try:
            outcome.append(function())
        except BaseException as error:    # noqa: B036 (handed to the test)
            outcome.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


# ---- opening and closing --------------------------------------------------------------------------------------------

def test_open_and_close(tmp_path):
    store = _native.Store(str(tmp_path / "s"))
    store.kv_put("full_docs", {"a": {}})
    assert not store.closed
    store.close()
    store.close()
    assert store.closed
    with _native.Store(str(tmp_path / "s"), existing=True) as again:
        assert again.kv_get("full_docs", ["a"]) == [{}]
    assert again.closed


def test_open_errors(tmp_path):
    with pytest.raises(ragstore.NotFoundError) as found:
        _native.Store(str(tmp_path / "s"), existing=True)
    assert str(tmp_path) in str(found.value) and isinstance(found.value, LookupError)
    with pytest.raises(ragstore.InvalidError):
        _native.Store("no-such-backend://x")
    with pytest.raises(ValueError):
        _native.Store("memory:\0")
    with pytest.raises(ValueError):
        _native.Store("memory:", lock_timeout=-1)
    with pytest.raises(TypeError):
        _native.Store("memory:", namespaces="full_docs")


def test_opened_once():
    store = _native.Store("memory:")
    with pytest.raises(TypeError):
        store.__init__("memory:")
    assert store.kv_count("full_docs") == 0


def test_never_opened():
    store = _native.Store.__new__(_native.Store)
    with pytest.raises(ragstore.InvalidError):
        store.kv_count("x")
    store.close()


def test_options(tmp_path):
    path = str(tmp_path / "s")
    with _native.Store(path, workspace="one") as one:
        one.kv_put("full_docs", {"a": {}})
    with _native.Store(path, workspace="two", config_file="") as two:
        assert two.kv_get("full_docs", ["a"]) == [None]
    with _native.Store(path, workspace="one", read_only=True) as reading:
        assert reading.kv_get("full_docs", ["a"]) == [{}]
        with pytest.raises(PermissionError) as refused:
            reading.kv_put("full_docs", {"a": {}})
        assert isinstance(refused.value, ragstore.DeniedError)
    with _native.Store(path, namespaces=["full_docs"]) as limited:
        with pytest.raises(ragstore.DeniedError):
            limited.kv_get("text_chunks", ["a"])
    with pytest.raises(ragstore.ConflictError):
        _native.Store(path, build=True)
    with _native.Store(path, build=True, replace=True) as new:
        new.publish()
        assert new.kv_count("full_docs") == 0


def test_dropped_without_close(tmp_path):
    for _ in range(3):
        _native.Store(str(tmp_path / "s")).kv_put("full_docs", {"a": {}})
        gc.collect()
    descriptors = os.listdir("/proc/self/fd")
    store = _native.Store(str(tmp_path / "s"))
    txn = store.begin()
    store.kv_put("full_docs", {"b": {}}, txn=txn)
    del store, txn    # aborted and closed
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)
    with _native.Store(str(tmp_path / "s")) as store:
        assert store.kv_get("full_docs", ["a", "b"]) == [{}, None]


# ---- errors ---------------------------------------------------------------------------------------------------------

def test_errors_are_what_they_say(native):
    with pytest.raises(ragstore.NotFoundError) as caught:
        native.vector_search("nope", [1.0])
    error = caught.value
    assert (error.kind, error.outcome, error.retryable) == ("not found", "not applied", False)
    assert isinstance(error.vendor_code, int) and isinstance(error.native_state, str) and "nope" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ragstore.NotFoundError and again.kind == "not found" and str(again) == str(error)
    assert ragstore.StoreError("by hand").retryable is False


def test_errors_are_pythons_as_well():
    assert issubclass(ragstore.TimeoutError, TimeoutError) and issubclass(ragstore.ConnectionError, ConnectionError)
    assert issubclass(ragstore.InvalidError, ValueError) and issubclass(ragstore.NoSpaceError, OSError)
    assert all(issubclass(getattr(ragstore, name), ragstore.StoreError) and getattr(ragstore, name).__module__ == "ragstore"
               for name in ragstore.__all__ if name.endswith("Error"))


def test_disk_full(tmp_path):
    """A disk of 300 kB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", mounted], capture_output=True).returncode:
        pytest.skip("cannot mount")
    try:
        with _native.Store(str(mounted / "s")) as store, pytest.raises(ragstore.NoSpaceError) as full:
            for i in range(100):
                store.kv_put("full_docs", {str(i): {"x": os.urandom(20_000).hex()}})
        assert full.value.errno == 28
    finally:
        subprocess.run(["umount", mounted], check=True)


# ---- what the library says ------------------------------------------------------------------------------------------

@pytest.fixture
def log_is_on():
    """Whatever other files of tests have switched off."""
    before = logging.root.manager.disable
    logging.disable(logging.NOTSET)
    yield
    logging.disable(before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_logged(native, log_is_on, caplog):
    """Rows that are left out are named in Python's log, after the call: a handler may use the store."""
    native.docs_put({f"doc {i:03}": {"status": "pending", "created_at": ""} for i in range(150)})
    seen = []

    class Handler(logging.Handler):
        def emit(self, record):
            seen.append((record.levelname, native.docs_count(["pending"])))
            if len(seen) == 5:
                raise RuntimeError("is reported, and fails nothing")
    handler = Handler()
    logging.getLogger("ragstore").addHandler(handler)
    assert native.docs_sweep(["pending"]) == ([], b"")
    logging.getLogger("ragstore").removeHandler(handler)
    assert seen == [("WARNING", 150)] * 101
    messages = [record.getMessage() for record in caplog.records]
    assert "doc 000" in messages[0] and messages[-1] == "and 50 further lines"


# ---- transactions ---------------------------------------------------------------------------------------------------

def test_transaction(native):
    with native.begin() as txn:
        native.kv_put("full_docs", {"a": {}}, txn=txn)
        assert native.kv_count("full_docs", txn=txn) == 1 and native.kv_count("full_docs") == 0
        assert txn.active
    assert not txn.active and native.kv_count("full_docs") == 1
    with pytest.raises(KeyError), native.begin() as txn:
        native.kv_put("full_docs", {"b": {}}, txn=txn)
        raise KeyError
    assert native.kv_count("full_docs") == 1
    for ended in (txn.commit, lambda: native.kv_count("full_docs", txn=txn)):
        with pytest.raises(ragstore.TransactionError):
            ended()
    txn.abort()
    with native.begin() as txn:
        txn.commit()    # by hand inside the block
    with native.begin() as txn:
        txn.abort()


def test_transaction_of_another_store(native):
    other = _native.Store("memory:")
    with other.begin() as txn, pytest.raises(ragstore.InvalidError, match="another store"):
        native.kv_count("x", txn=txn)


def test_close_with_an_open_transaction(native):
    txn = native.begin()
    native.kv_put("full_docs", {"a": {}}, txn=txn)
    native.close()
    assert not txn.active
    with pytest.raises(ragstore.StoreError):
        txn.commit()
    txn.abort()


def test_transaction_used_by_two_threads(disk):
    with disk.begin() as txn:
        disk.kv_put("full_docs", {str(i): {"x": "y" * 1000} for i in range(20_000)}, txn=txn)
        outcomes = []

        def use():
            for _ in range(1000):
                if len(set(outcomes)) == 2:
                    break
                try:
                    disk.content_hash(txn=txn)
                    outcomes.append("went")
                except ragstore.InvalidError as error:
                    outcomes.append(str(error))
        threads = [threading.Thread(target=use) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(outcomes) == {"went", "another thread is inside a call of this transaction"}


# ---- threads --------------------------------------------------------------------------------------------------------

def test_others_run_while_a_call_waits(native):
    """A writer waits for the turn in a thread: this one goes on, and gives the turn back."""
    with native.begin() as txn:
        thread, outcome = in_thread(lambda: native.kv_put("full_docs", {"a": {"by": "thread"}}))
        while not outcome and sum(range(1000)) and native.kv_count("full_docs") == 0:    # work of this thread, and reads
            native.kv_put("text_chunks", {"b": {}}, txn=txn)
            if native.kv_count("text_chunks", txn=txn):
                break
    thread.join()
    assert isinstance(outcome[0], int) and native.kv_count("full_docs") == 1


def test_cancel(native):
    flag = CancelFlag()
    assert not flag.is_set()
    with native.begin():
        thread, outcome = in_thread(lambda: native.kv_put("full_docs", {"a": {}}, cancel=flag))
        thread.join(0.05)
        assert not outcome
        flag.set()
        thread.join()
    assert isinstance(outcome[0], ragstore.CancelledError) and outcome[0].outcome == "not applied" and flag.is_set()
    with pytest.raises(ragstore.CancelledError):
        native.check(cancel=flag)


@pytest.mark.parametrize("timeout", [0, 0.01, -1])
def test_timeout(native, timeout):
    with native.begin(), pytest.raises(TimeoutError) as late:
        native.kv_put("full_docs", {"a": {}}, timeout=timeout)
    assert isinstance(late.value, ragstore.TimeoutError)


@pytest.mark.parametrize("timeout", ["1", float("nan"), b"", object()])
def test_timeouts_that_are_none(native, timeout):
    with pytest.raises((TypeError, ValueError)):
        native.kv_count("x", timeout=timeout)
    assert native.kv_count("x", timeout=float("inf")) == 0


def test_lock_timeout(tmp_path):
    with _native.Store(str(tmp_path / "s"), lock_timeout=0.01) as store, store.begin(), pytest.raises(TimeoutError):
        store.kv_put("full_docs", {"a": {}})


def test_close_waits_for_calls(native):
    """close() while another thread is inside a call: that one ends as it would, then the store is closed."""
    flag, inside, go_on = CancelFlag(), threading.Event(), threading.Event()

    def embed(texts):
        inside.set()
        go_on.wait()
        return [[1.0, 2.0]] * len(texts)
    native.vector_define("chunks", 2)
    native.vector_defer("chunks", ["a"], [{"content": "text"}])
    waiting, waited = in_thread(lambda: native.vector_flush("chunks", embed, cancel=flag))
    inside.wait()
    txn = native.begin()
    closing, closed = in_thread(native.close)
    with pytest.raises(ragstore.InvalidError, match="closed"):    # no new calls meanwhile
        while True:
            native.kv_count("full_docs")
    go_on.set()    # it goes on to wait for the turn
    closing.join(0.05)
    assert not waited and not closed
    flag.set()
    waiting.join()
    closing.join()
    assert isinstance(waited[0], ragstore.CancelledError) and closed == [None] and native.closed and not txn.active


def test_close_while_threads_work(tmp_path):
    for _ in range(5):
        store = _native.Store(str(tmp_path / "s"))

        def work():
            try:
                while True:
                    store.kv_put("full_docs", {"a": {"x": 1}})
                    store.kv_get("full_docs", ["a", "b"])
            except ragstore.InvalidError as error:
                return str(error)
        running = [in_thread(work) for _ in range(4)]
        while not store.kv_count("full_docs"):
            pass
        store.close()
        for thread, outcome in running:
            thread.join()
            assert outcome == ["the store is closed"]


# ---- signals --------------------------------------------------------------------------------------------------------

@pytest.fixture
def interruptible():
    """^C raises, also where whoever started the tests had it ignored, as shells do with what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_keyboard_interrupt_ends_a_long_call(disk, interruptible):
    """The flag of the call is set by nothing but the look for signals, so it tells that the interrupt came inside it."""
    for start in range(0, 100_000, 20_000):    # a hash takes some tenths of a second
        disk.kv_put("full_docs", {str(i): {"x": str(i) * 60} for i in range(start, start + 20_000)})
    for attempt in range(20):    # a call looks every 50 ms: what comes behind its last look is raised when it has returned
        flag = CancelFlag()

        def interrupt(after=attempt * 0.005):
            time.sleep(after)
            subprocess.run(["kill", "-INT", str(os.getpid())], check=True)
        thread = threading.Thread(target=interrupt)
        with pytest.raises(KeyboardInterrupt):
            thread.start()
            while thread.is_alive():
                disk.content_hash(cancel=flag)
        thread.join()
        if flag.is_set():
            break
    assert flag.is_set()
    assert disk.kv_count("full_docs") == 100_000


# ---- fork -----------------------------------------------------------------------------------------------------------

def test_child_of_a_fork(run_python):
    out = run_python("""
        import os, threading, ragstore
        from ragstore import _native
        store = _native.Store("s")
        store.kv_put("full_docs", {"a": {}})
        txn = store.begin()
        waiting = threading.Thread(target=lambda: store.kv_put("full_docs", {"b": {}}))
        waiting.start()
        child = os.fork()
        if not child:
            for use in (lambda: store.kv_get("full_docs", ["a"]), lambda: store.kv_put("full_docs", {"c": {}}),
                        store.begin, txn.commit, store.check):
                try:
                    use()
                    os._exit(1)
                except ragstore.ForkedError:
                    pass
            store.close()
            del txn
            own = _native.Store("s", existing=True)
            own.kv_get("full_docs", ["a"])
            own.close()
            os._exit(0)
        print(os.waitpid(child, 0)[1])
        store.kv_put("full_docs", {"d": {}}, txn=txn)
        txn.commit()
        waiting.join()
        print(store.kv_get("full_docs", ["a", "b", "c", "d"]))
        store.close()
    """)
    assert out == "0\n[{}, {}, None, {}]\n"


def test_import_opens_and_starts_nothing(run_python):
    assert run_python("""
        import os

        def state():
            return sorted(os.listdir("/proc/self/fd")), os.listdir("/proc/self/task"), os.listdir(".")
        before = state()
        import ragstore
        print(state() == before)
    """) == "True\n"


def test_multiprocessing(run_python):
    assert run_python("""
        import multiprocessing, ragstore

        def work(number):
            with ragstore.open("s") as store:
                for i in range(20):
                    store.kv("full_docs")[f"{number}-{i}"] = {}

        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=work, args=(n,)) for n in range(3)]
        [p.start() for p in processes]
        [p.join() for p in processes]
        with ragstore.open("s") as store:
            print(len(store.kv("full_docs")))
    """) == "60\n"


# ---- two copies of SQLite -------------------------------------------------------------------------------------------

def test_pythons_sqlite_on_the_same_file(tmp_path):
    """Python has an SQLite of its own; both work on one file in one process, and neither takes locks from the other."""
    store = _native.Store(str(tmp_path / "s"))
    assert "SQLite" in _native.libraries and sqlite3.sqlite_version not in _native.libraries    # it is another copy
    file = next((tmp_path / "s").rglob("ragstore.db"))
    other = sqlite3.connect(file, isolation_level=None)
    for i in range(20):
        store.kv_put("full_docs", {f"a{i}": {"n": i}})
        assert other.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 5
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ragstore.StoreError):
        store.kv_put("full_docs", {"b": {}}, timeout=0.2)
    other.execute("ROLLBACK")
    store.kv_put("full_docs", {"b": {}})
    other.close()
    store.kv_put("full_docs", {"c": {}})
    assert store.kv_count("full_docs") == 22
    assert all(invariant["ok"] or not invariant["name"].startswith("embedded") for invariant in store.check())
    store.close()


def test_copies_in_the_other_order(run_python):
    assert run_python("""
        import hashlib, sqlite3, ssl, zlib
        print(hashlib.sha256(b"").hexdigest()[:4], zlib.crc32(b""), bool(ssl.create_default_context()))
        import ragstore
        with ragstore.open("s") as store:
            store.kv("full_docs")["a"] = {}
            print(len(store.content_hash()))
        connection = sqlite3.connect(":memory:")
        print(connection.execute("SELECT 1").fetchone(), hashlib.sha256(b"").hexdigest()[:4], bool(ssl.create_default_context()))
    """).split() == ["e3b0", "0", "True", "64", "(1,)", "e3b0", "True"]
