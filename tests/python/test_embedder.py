"""Pending rows, and the embedder in Python: its threads, what it raises, what it gives."""
import threading

import numpy as np
import pytest

import ragstore


@pytest.fixture
def waiting(native):
    """Twenty rows that wait."""
    native.vector_define("chunks", 2)
    native.vector_defer("chunks", [f"id {i:02}" for i in range(20)], [{"content": f"text {i}"} for i in range(20)])
    return native


def vectors(texts):
    return np.array([[float(text.split()[1]), 1.0] for text in texts], dtype=np.float32)


def pending(store):
    return len(store.vector_pending("chunks")[0])


@pytest.mark.parametrize("concurrency", [1, 4])
def test_flush(waiting, concurrency):
    threads, sizes = set(), []

    def embed(texts):
        threads.add(threading.get_ident())
        sizes.append(len(texts))
        assert all(isinstance(text, str) for text in texts) and isinstance(texts, list)
        return vectors(texts)
    figures = waiting.vector_flush("chunks", embed, batch=3, concurrency=concurrency)
    assert figures == {"embedded": 20, "stored": 20, "deleted": 0, "batches": 7, "retries": 0}
    assert sum(sizes) == 20 and max(sizes) == 3 and len(threads) <= concurrency
    assert np.asarray(waiting.vector_get_vectors("chunks", ["id 07"])[1]).tolist() == [[7.0, 1.0]]
    assert pending(waiting) == 0 and waiting.vector_flush("chunks", embed)["batches"] == 0


def test_several_at_once(waiting):
    """Two embedders run at the same time: each waits for the other."""
    both = threading.Barrier(2, timeout=60)

    def embed(texts):
        both.wait()
        return vectors(texts)
    assert waiting.vector_flush("chunks", embed, batch=10, concurrency=2)["batches"] == 2


class Broken(Exception):
    pass


@pytest.mark.parametrize("concurrency", [1, 3])
def test_what_it_raises_is_raised(waiting, concurrency):
    def embed(texts):
        if "text 11" in texts:
            raise Broken("number", 11)
        return vectors(texts)
    with pytest.raises(Broken) as raised:
        waiting.vector_flush("chunks", embed, batch=5, concurrency=concurrency)
    assert raised.value.args == ("number", 11)
    assert any(entry.name == "embed" for entry in raised.traceback)
    assert 0 < pending(waiting) < 20 or concurrency > 1
    waiting.vector_flush("chunks", vectors)
    assert pending(waiting) == 0 and waiting.vector_count("chunks") == 20


@pytest.mark.parametrize("error", [ConnectionError("gone"), TimeoutError("late"), type("Busy", (Exception,), {"retryable": True})()])
def test_retries(waiting, error):
    calls = []

    def embed(texts):
        calls.append(len(texts))
        if len(calls) < 3:
            raise error
        return vectors(texts)
    figures = waiting.vector_flush("chunks", embed, batch=20, backoff=0)
    assert len(calls) == 3 and figures["retries"] == 2 and figures["stored"] == 20
    waiting.vector_defer("chunks", ["x"], [{"content": "text 1"}])
    calls.clear()
    with pytest.raises(type(error)):
        waiting.vector_flush("chunks", embed, attempts=2, backoff=0.001)
    assert len(calls) == 2 and pending(waiting) == 1


def test_no_retry_for_others(waiting):
    calls = []

    def embed(texts):
        calls.append(1)
        raise ValueError("no")
    with pytest.raises(ValueError, match="^no$"):
        waiting.vector_flush("chunks", embed, batch=20, backoff=0)
    assert len(calls) == 1


@pytest.mark.parametrize("answer, message", [
    (lambda texts: vectors(texts)[:-1], "19 vectors of 2 numbers for 20 texts"), (lambda texts: vectors(texts)[:, :1], "of 1 numbers"),
    (lambda texts: [], "0 vectors"), (lambda texts: None, "not iterable|no len"), (lambda texts: "xx", "str"), (lambda texts: texts, "")])
def test_answers_that_do_not_fit(waiting, answer, message):
    with pytest.raises((ValueError, TypeError), match=message or None):
        waiting.vector_flush("chunks", answer, batch=20)
    assert pending(waiting) == 20


def test_nan_from_the_embedder(waiting):
    with pytest.raises(ragstore.InvalidError):
        waiting.vector_flush("chunks", lambda texts: [[float("nan"), 1.0]] * len(texts))
    assert pending(waiting) == 20


def test_embedder_uses_the_store(waiting):
    def embed(texts):
        waiting.kv_put("llm_response_cache", {text: {} for text in texts})
        return vectors(texts)
    waiting.vector_flush("chunks", embed, concurrency=3, batch=2)
    assert waiting.kv_count("llm_response_cache") == 20


def test_cancelled_while_embedding(waiting):
    flag = ragstore.CancelFlag()

    def embed(texts):
        flag.set()
        return vectors(texts)
    with pytest.raises(ragstore.CancelledError):
        waiting.vector_flush("chunks", embed, batch=1, cancel=flag)
    assert pending(waiting) > 0


def test_keyboard_interrupt_in_the_embedder(waiting):
    def embed(texts):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        waiting.vector_flush("chunks", embed)


def test_close_from_inside_is_refused(waiting):
    """It would wait for the very call that it is in."""
    def embed(texts):
        waiting.close()
        return vectors(texts)
    for concurrency in (1, 3):
        with pytest.raises(ragstore.InvalidError, match="embedder"):
            waiting.vector_flush("chunks", embed, concurrency=concurrency)
        assert not waiting.closed and pending(waiting) == 20


@pytest.mark.parametrize("options", [{"batch": -1}, {"concurrency": -1}, {"attempts": -1}, {"backoff": -1.0}, {"backoff": float("nan")}])
def test_options_that_are_none(waiting, options):
    with pytest.raises(ValueError):
        waiting.vector_flush("chunks", vectors, **options)
    with pytest.raises(TypeError):
        waiting.vector_flush("chunks", None)


def test_in_steps(waiting):
    waiting.vector_defer_delete("chunks", ["id 19"])
    rows, following = waiting.vector_pending("chunks", b"", 5)
    assert rows[0] == ("id 00", {"content": "text 0"}, "text 0", rows[0][3], False) and following
    ids, marks = [row[0] for row in rows], [row[3] for row in rows]
    assert waiting.vector_resolve("chunks", ids, marks, vectors([row[2] for row in rows]), keep=True) == 5
    assert waiting.vector_pending("chunks", b"", 1)[0][0][4] and waiting.vector_count("chunks") == 0
    assert waiting.vector_resolve("chunks", ids, marks, vectors([row[2] for row in rows]), keep=False) == 5
    assert waiting.vector_count("chunks") == 5 and pending(waiting) == 15
    last = waiting.vector_pending("chunks")[0][-1]
    assert last[:3] == ("id 19", None, "")
    assert waiting.vector_resolve("chunks", ["id 19"], [last[3]], None, keep=False) == 1
    assert waiting.vector_drop_pending("chunks") == 14
    with pytest.raises(ValueError):
        waiting.vector_resolve("chunks", ["a"], [1, 2], None, keep=False)
    with pytest.raises(ValueError):
        waiting.vector_resolve("chunks", ["a"], [1], [[1.0, 2.0]] * 2, keep=False)
    with pytest.raises(OverflowError):
        waiting.vector_resolve("chunks", ["a"], [2**70], [[1.0, 2.0]], keep=False)
