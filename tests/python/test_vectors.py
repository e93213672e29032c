"""Vectors in and out: float32 without a copy, everything else converted or refused in words."""
import array
import tracemalloc

import numpy as np
import pytest

import ragstore

ROWS, DIMENSION = 2000, 512
IDS = [f"id {i}" for i in range(ROWS)]


@pytest.fixture
def space(native):
    native.vector_define("chunks", 4)
    return native


def peak_of(function):
    """Bytes that a call has at most of Python's memory, besides what was there."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_float32_is_not_copied(native):
    native.vector_define("v", DIMENSION)
    values = [{} for _ in range(ROWS)]
    exact = np.random.default_rng(1).random((ROWS, DIMENSION), dtype=np.float32)
    size = exact.nbytes
    assert peak_of(lambda: native.vector_put("v", IDS, exact, values)) < size / 4
    assert peak_of(lambda: native.vector_put("v", IDS, memoryview(exact), values)) < size / 4
    wide = exact.astype(np.float64)
    assert peak_of(lambda: native.vector_put("v", IDS, wide, values)) > size    # the measure can tell
    known, matrix = native.vector_get_vectors("v", IDS)
    assert all(known)
    assert peak_of(lambda: np.asarray(matrix)) < size / 4


@pytest.mark.parametrize("make", [
    lambda m: m, lambda m: m.astype(np.float64), lambda m: m.tolist(), lambda m: m.astype(np.float16), lambda m: list(m),
    lambda m: np.asfortranarray(m), lambda m: np.repeat(m, 2, axis=1)[:, ::2], lambda m: np.repeat(m, 2, axis=0)[::2],
    lambda m: m.astype(np.float64)[::1, ::-1][:, ::-1], lambda m: m.astype(int), lambda m: [tuple(row) for row in m.tolist()],
    lambda m: m.astype(">f4"), lambda m: memoryview(m)], ids=range(13))
def test_kinds_of_arrays(space, make):
    matrix = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.float32)
    space.vector_put("chunks", ["a", "b"], make(matrix), [{}, {}])
    known, answer = space.vector_get_vectors("chunks", ["b", "a"])
    assert known == [True, True] and np.array_equal(np.asarray(answer), matrix[::-1])


@pytest.mark.parametrize("vector", [np.array([1, 0, 0, 1], np.float32), [1, 0, 0, 1], (1.0, 0.0, 0.0, 1.0),
                                    array.array("f", [1, 0, 0, 1]), array.array("d", [1, 0, 0, 1]),
                                    np.array([1, 9, 0, 9, 0, 9, 1, 9], np.float32)[::2]], ids=range(6))
def test_one_vector(space, vector):
    space.vector_put("chunks", ["a"], [[1, 0, 0, 1]], [{}])
    assert space.vector_search("chunks", vector)[0]["distance"] == pytest.approx(1.0)


@pytest.mark.parametrize("vectors, error, message", [
    (np.zeros(4, np.float32), ValueError, "two dimensions"), (np.zeros((1, 1, 4), np.float32), ValueError, "two dimensions"),
    (np.zeros((2, 4), np.float32), ValueError, "1 rows and 2 vectors"), (np.zeros((1, 3), np.float32), ragstore.MismatchError, "3"),
    ([[1, 2, 3]], ragstore.MismatchError, None), ([[1, 2, 3, "x"]], TypeError, None), ([["1", "2", "3", "4"]], TypeError, None),
    (["1234"], TypeError, None), (b"1234", TypeError, "bytes are not vectors"), ("1234", TypeError, "a str is not"), (5, TypeError, None),
    (None, TypeError, None), ([[1, 2, 3, float("nan")]], ragstore.InvalidError, None), ([[1, 2, 3, 1e300]], ragstore.InvalidError, None),
    ([1, 2, 3, 4], TypeError, None), (np.array([[1j, 0, 0, 0]]), TypeError, None)])
def test_refused(space, vectors, error, message):
    with pytest.raises(error, match=message):
        space.vector_put("chunks", ["a"], vectors, [{}])
    assert space.vector_count("chunks") == 0


def test_rows_of_different_lengths(space):
    with pytest.raises(ValueError, match="among vectors of 4"):
        space.vector_put("chunks", ["a", "b"], [[1, 2, 3, 4], [1, 2, 3]], [{}, {}])


def test_a_view_is_let_go(space):
    buffer = bytearray(16)
    vector = memoryview(buffer).cast("f", (1, 4))
    vector[0, 0] = 1.0
    space.vector_put("chunks", ["a"], vector, [{}])
    with pytest.raises(TypeError):
        space.vector_put("chunks", [1], vector, [{}])
    vector.release()
    buffer.append(1)    # BufferError while anybody holds a view


def test_matrix(space):
    space.vector_put("chunks", ["a", "b"], [[1, 2, 3, 4], [5, 6, 7, 8]], [{}, {}])
    known, matrix = space.vector_get_vectors("chunks", ["a", "x", "b", "a"])
    assert known == [True, False, True, True]
    assert matrix.shape == (4, 4) and len(matrix) == 4
    view = memoryview(matrix)
    assert view.readonly and view.format == "f" and view.tolist()[1] == [0.0] * 4 and view.tolist()[3] == [1, 2, 3, 4]
    numbers = np.asarray(matrix)
    assert numbers.dtype == np.float32 and not numbers.flags.writeable and np.shares_memory(numbers, np.asarray(matrix))
    del matrix, view
    assert numbers[2].tolist() == [5, 6, 7, 8]    # the array holds it
    empty = space.vector_get_vectors("chunks", [])[1]
    assert np.asarray(empty).shape == (0, 0)
    with pytest.raises(TypeError):
        type(space.vector_get_vectors("chunks", [])[1])()


def test_payload_apart(space):
    space.vector_put("chunks", ["a"], [[1, 0, 0, 0]], [{"id": "of the payload", "distance": "far"}], [42])
    assert space.vector_get("chunks", ["a", "b"]) == [{"id": "a", "created_at": 42, "distance": "far"}, None]
    assert space.vector_get("chunks", ["a", "b"], apart=True) == [("a", {"id": "of the payload", "distance": "far"}, 42), None]
    assert space.vector_search("chunks", [1, 0, 0, 0], apart=True)[0] == ("a", {"id": "of the payload", "distance": "far"}, 42, 1.0)
    assert space.vector_search("chunks", [1, 0, 0, 0])[0]["distance"] == 1.0
