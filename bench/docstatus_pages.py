#!/usr/bin/env python3
"""docstatus_pages.py LIBRAGSTORE [DOCUMENTS]: what a page of documents and a page of a sweep cost.

Makes a store of so many documents (100,000) in a temporary directory, through the library and ctypes, and prints medians
and 95th percentiles of 200 calls. What ctypes adds (some microseconds a call) is included.
"""

import ctypes as c
import json
import sys
import tempfile
import time

PAGE_ROWS, SWEEP_ROWS, BATCH = 50, 1000, 2000
ORDERS = {"updated_at": 0, "created_at": 1, "id": 2, "file_path": 3}


class Slice(c.Structure):
    _fields_ = [("data", c.c_char_p), ("len", c.c_size_t)]


class Doc(c.Structure):
    _fields_ = [("id", Slice), ("value", Slice)]


class Page(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("statuses", c.POINTER(c.c_char_p)), ("status_count", c.c_size_t),
                ("page", c.c_size_t), ("page_size", c.c_size_t), ("sort", c.c_int), ("ascending", c.c_int)]


class Sweep(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("statuses", c.POINTER(c.c_char_p)), ("status_count", c.c_size_t),
                ("after", Slice), ("limit", c.c_size_t), ("what", c.c_uint), ("strict", c.c_int)]


class Error(c.Structure):
    _fields_ = [("status", c.c_int), ("outcome", c.c_int), ("retryable", c.c_int), ("vendor_code", c.c_int32),
                ("native_state", c.c_char * 8), ("message", c.c_char * 480)]


def must(status, error):
    if status:
        sys.exit(error.message.decode())


def document(number):
    """A row as LightRAG has it, spread by a multiplicative hash; one in 20 pending, one in 50 failed."""
    h = number * 2654435761 % 2**32
    status = "pending" if h % 20 == 0 else "failed" if h % 50 == 1 else "processed"

    def moment(x):
        return f"2026-{x % 12 + 1:02}-{x % 28 + 1:02}T{x % 24:02}:{x % 60:02}:{(x >> 8) % 60:02}+00:00"

    row = {"status": status, "created_at": moment(h), "updated_at": moment(h >> 3), "file_path": f"file-{h}.pdf",
           "content_summary": "Lorem ipsum dolor " * 6, "content_length": h % 100000, "chunks_count": 12,
           "chunks_list": [f"chunk-{h + k:032x}" for k in range(12)], "track_id": f"track-{number // 50}", "metadata": {}}
    return f"doc-{h:032x}".encode(), json.dumps(row).encode()


def fill(library, store, count, error):
    for first in range(0, count, BATCH):
        rows = [document(n) for n in range(first, min(first + BATCH, count))]
        docs = (Doc * len(rows))(*[Doc(Slice(i, len(i)), Slice(v, len(v))) for i, v in rows])
        must(library.rag_docstatus_put_many(store, None, docs, len(rows), None, c.byref(error)), error)


def measure(library, name, call, error, runs=200):
    times = []
    for _ in range(runs):
        result = c.c_void_p()
        begin = time.perf_counter()
        status = call(result)
        times.append((time.perf_counter() - begin) * 1000)
        must(status, error)
        rows = library.rag_result_count(result)
        library.rag_result_free(result)
    times.sort()
    print(f"{name:46} median {times[runs // 2]:6.3f} ms   p95 {times[runs * 95 // 100]:6.3f} ms   {rows} rows")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    library, error, store = c.CDLL(sys.argv[1]), Error(), c.c_void_p()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    library.rag_result_count.restype = c.c_size_t
    library.rag_result_count.argtypes = library.rag_result_free.argtypes = library.rag_store_close.argtypes = [c.c_void_p]
    some = (c.c_char_p * 2)(b"pending", b"failed")
    with tempfile.TemporaryDirectory() as place:
        must(library.rag_store_open(f"embedded:{place}/store".encode(), None, None, c.byref(store), c.byref(error)), error)
        fill(library, store, count, error)

        def page(statuses, sort, number):
            options = Page(c.sizeof(Page), statuses, 2 if statuses else 0, number, PAGE_ROWS, sort, 0)
            return lambda out: library.rag_docstatus_page(store, None, c.byref(options), c.byref(out), c.byref(error))

        for name, sort in ORDERS.items():
            measure(library, f"page 1 by {name}", page(None, sort, 1), error)
            measure(library, f"page 1 by {name}, two statuses", page(some, sort, 1), error)
        measure(library, "page 1,000 by updated_at", page(None, 0, 1000), error)
        sweep = Sweep(c.sizeof(Sweep), some, 2, Slice(b"", 0), SWEEP_ROWS, 0, 0)
        measure(library, "page of a sweep, two statuses", lambda out: library.rag_docstatus_sweep(
            store, None, c.byref(sweep), c.byref(out), c.byref(error)), error)
        library.rag_store_close(store)


main()
