"""One open store for all storages of a process that name the same one, and the threads that work for them.

LightRAG makes twelve storages and calls them from one event loop. What may wait (for the writer's turn, a sync, a
search) must not wait there, so there are three ways into the store:

  inline      a few rows by key: cheaper than a change of threads, and a reader waits for nobody
  read()      anything larger, in a small pool of threads
  write()     by one thread, in the order of the calls; what has come together meanwhile is committed together, as one
              transaction, because a commit costs more than a row. Each call still succeeds or fails alone

A call is done when it is visible to every process; sync() makes it safe from a power cut. Cancelling a task gives up the
wait, never the work: a write that has begun is finished, one that is still in the queue is left out.

Nothing is opened and no thread is started before the first initialize(), so a LightRAG may be made in a process that
forks, as a server with several workers does. Where a process that has begun forks all the same, its child opens anew.
"""
import asyncio
import atexit
import concurrent.futures
import os
import queue
import threading

from .. import _native

GROUP = 64        # writes in one transaction: bounds how long the writer's turn is held
READERS = 4       # threads for searches, scans and large reads
EMBEDDERS = 4     # threads that wait for embedding models: one for each vector storage, and one for a second LightRAG


class _Write:
    """A write in the queue: `call(store, txn)` on behalf of a storage. `alone`: not inside a transaction, txn is None.
    `durable`: its commit is a sync."""

    __slots__ = ("alone", "call", "durable", "error", "future", "loop", "owner", "result")

    def __init__(self, owner, call, alone, durable):
        self.owner, self.call, self.alone, self.durable = owner, call, alone, durable
        self.loop = asyncio.get_running_loop()
        self.future = self.loop.create_future()
        self.result = self.error = None

    def run(self, store, txn):
        try:
            self.result = self.call(store, txn)
        except Exception as error:  # handed to whoever waits
            self.error = error


def _together(first, writes):
    """`first` and what else is in the queue and can be in its transaction; and the one behind them that cannot."""
    group = [first]
    while not first.alone and len(group) < GROUP:
        try:
            write = writes.get_nowait()
        except queue.Empty:
            break
        if write is None or write.alone:
            return group, [write]
        group.append(write)
    return group, []


def _answer(writes):
    """Tell those who wait."""
    by_loop = {}
    for write in writes:
        by_loop.setdefault(write.loop, []).append(write)
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, settled)
        except RuntimeError:
            pass  # the loop is closed: nobody waits


def _settle(writes):
    """Runs in the event loop of the writes."""
    for write in writes:
        if write.future.done():
            continue  # cancelled meanwhile
        if write.error is not None:
            write.future.set_exception(write.error)
        else:
            write.future.set_result(write.result)


NEAR = ("embedded", "memory")  # where a read waits for no other machine, and for no file to be read as a whole


class Share:
    """A store that is open once in this process. Commits of this process are numbered: `committed` is the newest one,
    `durable` the newest one that is known to be on disk."""

    def __init__(self, url, workspace, folder=None):
        self.url, self.workspace, self.folder = url, workspace, folder
        scheme, colon, _ = url.partition(":")
        self.is_near = scheme in NEAR or not (colon or url.startswith("@"))  # a folder; @ is a name of any store
        self.users = 0
        self.committed = self.durable = 0
        self._forget()

    def _forget(self):
        """What belongs to one process: nothing of it is usable in a child."""
        self._process = os.getpid()
        self._opening = threading.Lock()
        self._store = self._writer = self._readers = self._embedders = None
        self._writes = queue.SimpleQueue()
        self._sync, self._sync_number = None, 0
        self._grouping = True

    @property
    def store(self):
        """The native store, opened when it is not; in a child of fork() anew."""
        if self._process != os.getpid():
            self._forget()
        return self._store or self._open()

    def _open(self):
        with self._opening:
            if self._store is None:
                if self.folder:
                    os.makedirs(self.folder, exist_ok=True)
                self._store = _native.Store(self.url, workspace=self.workspace)
            return self._store

    async def open(self):
        """Open it away from the event loop, which recovering a log after a kill could hold up."""
        if self._process != os.getpid():
            self._forget()
        await asyncio.get_running_loop().run_in_executor(self._pool("_readers", READERS), self._open)

    def _pool(self, name, threads):
        pool = getattr(self, name)
        if pool is None:
            pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="ragstore" + name)
            setattr(self, name, pool)
        return pool

    def read(self, call):
        """call(store) in a thread; to be awaited."""
        store = self.store
        return asyncio.get_running_loop().run_in_executor(self._pool("_readers", READERS), call, store)

    def embed(self, call):
        """call(store), which waits for an embedding model, in a thread of its own kind; to be awaited."""
        store = self.store
        return asyncio.get_running_loop().run_in_executor(self._pool("_embedders", EMBEDDERS), call, store)

    # ---- writes ------------------------------------------------------------------------------------------------------

    def write(self, owner, call, *, alone=False, durable=False):
        """call(store, txn) by the writing thread; to be awaited. Sets owner.written."""
        _ = self.store
        write = _Write(owner, call, alone, durable)
        self._writes.put(write)
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_all, args=(self._writes, self._store),
                                            name="ragstore_writer", daemon=True)
            self._writer.start()
        return write.future

    def _write_all(self, writes, store):
        left = []  # what was taken from the queue, and goes by itself
        while True:
            first = left.pop() if left else writes.get()
            if first is None:
                return
            group, left = _together(first, writes)
            group = [write for write in group if not write.future.cancelled()]
            if len(group) > 1 and self._grouping:
                self._commit_together(store, group)
            else:
                self._commit_one_by_one(store, group)
            _answer(group)
            del first, group  # rows of the last call need not wait for the next one

    def _commit_together(self, store, writes):
        try:
            txn = store.begin()
        except _native.UnsupportedError:  # a mix of stores: there is no transaction over all of them
            self._grouping = False
            self._commit_one_by_one(store, writes)
            return
        except Exception as error:
            for write in writes:
                write.error = error
            return
        try:
            for write in writes:
                write.run(store, txn)
            txn.commit()
        except Exception as error:
            for write in writes:
                write.error = write.error or error
        else:
            self._note(writes)

    def _commit_one_by_one(self, store, writes):
        for write in writes:
            write.run(store, None)
            self._note([write])

    def _note(self, writes):
        """Number a commit."""
        done = [write for write in writes if write.error is None]
        if done:
            self.committed += 1
            for write in done:
                write.owner.written = self.committed
            if any(write.durable for write in done):
                self.durable = self.committed

    # ---- durability --------------------------------------------------------------------------------------------------

    async def sync(self, number):
        """Make everything up to commit `number` safe from a power cut: one sync for all who ask at the same time, none
        when it is safe already."""
        if number <= self.durable:
            return
        store = self.store
        if self._sync is None or self._sync.done() or self._sync_number < number:
            self._sync_number = self.committed
            self._sync = self._pool("_readers", READERS).submit(self._flush, store, self.committed)
        await asyncio.shield(asyncio.wrap_future(self._sync))

    def _flush(self, store, number):
        store.flush()
        self.note_durable(number)

    def note_durable(self, number):
        self.durable = max(self.durable, number)

    # ---- the end -----------------------------------------------------------------------------------------------------

    def close(self):
        """Finish what is queued and close. Waits."""
        if self._process != os.getpid():
            return
        writer, self._writer = self._writer, None
        if writer is not None:
            self._writes.put(None)
            writer.join()
        for pool in (self._embedders, self._readers):
            if pool is not None:
                pool.shutdown()
        self._embedders = self._readers = None
        store, self._store = self._store, None
        if store is not None:
            store.close()


_shares = {}  # (url, workspace): Share
_registry = threading.Lock()


async def acquire(url, workspace, folder=None):
    """The share of a store, opened; release() it as often."""
    with _registry:
        share = _shares.setdefault((url, workspace), Share(url, workspace, folder))
        share.users += 1
    try:
        await share.open()
    except BaseException:
        await release(share)
        raise
    return share


async def release(share):
    with _registry:
        share.users -= 1
        if share.users > 0:
            return
        if _shares.get((share.url, share.workspace)) is share:
            del _shares[share.url, share.workspace]
    await asyncio.shield(asyncio.to_thread(share.close))


def _after_fork():
    global _registry
    _registry = threading.Lock()


def _at_exit():
    """A program that does not call finalize_storages() has its begun writes all the same."""
    for share in list(_shares.values()):
        share.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
