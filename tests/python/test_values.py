"""Values go in and come out as they were; what JSON has not is refused, and changes nothing."""
import collections
import contextlib
import enum
import json
import os
import random
import sqlite3
import sys

import pytest

from ragstore import CorruptError, InvalidError, _native


class Colour(str, enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    SEVEN = 7


class Text(str):
    def __str__(self):
        return "not this"


GOOD = [
    {}, {"": ""}, {"a": None, "b": True, "c": False},
    {"zero": 0, "negative": -1, "max": 2**63 - 1, "min": -2**63, "unsigned": 2**64 - 1, "beyond": 2**64, "below": -2**63 - 1,
     "huge": 10**4000, "-huge": -10**300},
    {"f": [0.1, -0.0, 1e308, 5e-324, 1e16, 123456789.123456789, 2.0, 1e22, 1.7976931348623157e308, -1e-7]},
    {"text": "plain", "control": "".join(map(chr, range(32))), "quotes": '"\\/\b', "del": "\x7f"},
    {"nul": "a\0b", "\0": "\0"}, {"emoji": "\U0001f600\U0001f468\u200d\U0001f469", "é": "日本語", "max": "\U0010ffff\uffff"},
    {"long": "x" * 100_000, "long and wide": "ü\n" * 50_000}, {"list": [], "dict": {}, "nested": [[[]], {"a": [{}]}]},
    {"k" * 200: 1, "_id_": 2}, {"many": {str(i): i for i in range(1000)}}, {"ends\\": "with\\"},
]


def typed(value):
    """With the types: 1, 1.0 and True are different things here, and so are 0.0 and -0.0."""
    if isinstance(value, dict):
        return {key: typed(member) for key, member in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, repr(value)


@pytest.mark.parametrize("value", GOOD, ids=range(len(GOOD)))
def test_round_trip(native, value):
    native.kv_put("full_docs", {"key": value})
    answer = native.kv_get("full_docs", ["key"])[0]
    assert typed(answer) == typed(value)
    assert list(answer) == list(value)    # in the same order


def test_random_values_as_json_has_them(native):
    seed = int(os.environ.get("RAGSTORE_SEED") or random.randrange(2**32))
    print("RAGSTORE_SEED =", seed)
    rng = random.Random(seed)

    def make(depth):
        kind = rng.randrange(8 if depth else 6)
        if kind == 0:
            return rng.choice([None, True, False])
        if kind == 1:
            return rng.randrange(-10**rng.randrange(1, 30), 10**rng.randrange(1, 30))
        if kind == 2:
            return rng.uniform(-1, 1) * 10.0**rng.randrange(-300, 300)
        if kind < 6:
            return "".join(chr(rng.choice([rng.randrange(128), rng.randrange(0xd800), rng.randrange(0xe000, 0x110000)]))
                           for _ in range(rng.randrange(20)))
        if kind == 6:
            return [make(depth - 1) for _ in range(rng.randrange(5))]
        return {f"m{rng.random()}": make(depth - 1) for _ in range(rng.randrange(5))}

    rows = {f"key {i}": {"value": make(5)} for i in range(500)}
    native.kv_put("full_docs", rows)
    assert native.kv_get("full_docs", list(rows)) == [json.loads(json.dumps(row)) for row in rows.values()]


def test_subclasses_are_what_they_are_underneath(native):
    native.kv_put("full_docs", {Text("key"): collections.OrderedDict(
        {Text("name"): Text("text"), "enum": Colour.RED, "int": Number.SEVEN, "tuple": (1, ("x",)),
         "counter": collections.Counter("aab")})})
    assert native.kv_get("full_docs", ["key"]) == [
        {"name": "text", "enum": "red", "int": 7, "tuple": [1, ["x"]], "counter": {"a": 2, "b": 1}}]


def nested(depth, innermost=None):
    """So many lists around a value."""
    value = innermost
    for _ in range(depth):
        value = [value]
    return value


BAD = {
    "NaN": ({"a": float("nan")}, "NaN"), "infinity": ({"a": [float("-inf")]}, "infinity"),
    "surrogate": ({"a": "\ud800"}, "surrogates"), "surrogate in a long text": ({"a": "x" * 10_000 + "\udfff"}, "surrogates"),
    "surrogate in a name": ({"\udc00": 1}, "surrogates"),
    "int as a name": ({1: 1}, "no str but <class 'int'>"), "None as a name": ({"a": {None: 1}}, "NoneType"),
    "bytes": ({"a": b"x"}, "<class 'bytes'>"), "set": ({"a": {1}}, "<class 'set'>"), "object": ({"a": object()}, "object"),
    "complex": ({"a": 1j}, "complex"), "mapping": ({"a": collections.UserDict()}, "UserDict"),
    "too deep": ({"a": nested(600)}, "nested too deep"), "no dict": ([1], "must be a dict"), "None": (None, "must be a dict"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_and_nothing_changed(native, name):
    value, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        native.kv_put("full_docs", {"good": {}, "bad": value})
    assert native.kv_count("full_docs") == 0
    with pytest.raises(ValueError, match=message):
        native.docs_put({"bad": value})
    with pytest.raises(ValueError, match=message):
        native.graph_put_nodes([("bad", value)])


def test_circle(native):
    circle = {}
    circle["self"] = circle
    with pytest.raises(ValueError, match="nested too deep"):
        native.kv_put("full_docs", {"bad": circle})


def test_depth_is_that_of_the_library(native):
    for innermost in ("x", 1, []):
        deep = {"a": nested(511 - isinstance(innermost, list), innermost)}    # 512 with the dict
        native.kv_put("full_docs", {"deep": deep})
        assert native.kv_get("full_docs", ["deep"]) == [deep]
        with pytest.raises(ValueError):
            native.kv_put("full_docs", {"deep": {"a": [deep["a"]]}})


@pytest.mark.parametrize("key", ["a\0b", "\U0001f600", " ", "日本", "..", "'; --", "%s%n", "\n", "k" * 60_000])
def test_hostile_keys(native, key):
    native.kv_put("full_docs", {key: {"k": key}})
    assert native.kv_get("full_docs", [key, key + "x"]) == [{"k": key}, None]
    assert native.kv_scan("full_docs") == ([(key, {"k": key})], b"")
    native.graph_put_edges([(key, "other", {})])
    assert native.graph_neighbours(["other"]) == [[key]]


@pytest.mark.parametrize("keys", ["abc", b"abc", 5, None, [1], [b"a"], [None]])
def test_keys_of_the_wrong_kind(native, keys):
    with pytest.raises(TypeError):
        native.kv_get("full_docs", keys)
    with pytest.raises(TypeError):
        native.kv_delete("full_docs", keys)


def test_keys_with_a_surrogate_and_empty_ones(native):
    with pytest.raises(ValueError):
        native.kv_get("full_docs", ["\ud800"])
    with pytest.raises(InvalidError):
        native.kv_put("full_docs", {"": {}})


def test_keys_from_any_iterable(native):
    native.kv_put("full_docs", {"a": {}, "b": {}})
    assert native.kv_get("full_docs", ("a", "x")) == [{}, None]
    assert native.kv_missing("full_docs", {"x", "a"}) == ["x"]
    assert native.kv_delete("full_docs", (key for key in ["a", "b", "c"])) == 2
    assert native.kv_get("full_docs", []) == []


def test_answers_are_fresh(native):
    native.kv_put("full_docs", {"a": {"list": [1]}})
    first, second = native.kv_get("full_docs", ["a", "a"])
    first["list"].append(2)
    assert second == {"list": [1]} and native.kv_get("full_docs", ["a"]) == [{"list": [1]}]


def test_input_is_not_changed_and_not_held(native):
    value = {"list": [1], "_id": "x"}
    before = sys.getrefcount(value["list"])
    native.kv_put("full_docs_text_chunks", {"a": value})
    after = sys.getrefcount(value["list"])
    assert value == {"list": [1], "_id": "x"} and after == before


def test_numbers_of_files_that_others_wrote(tmp_path):
    """Python's own JSON gives an infinity for what no double holds, so LightRAG would have it that way."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "kv_store_full_docs.json").write_text(
        '{"a": {"big": 123456789012345678901234567890, "float": 1e400, "int": 18446744073709551616, "small": 1E-400}}')
    store = _native.Store(f"lightrag:{tmp_path / 'in'}")
    value = store.kv_get("full_docs", ["a"])[0]
    assert value == {"big": 123456789012345678901234567890, "float": float("inf"), "int": 2**64, "small": 0.0}
    store.close()


# ---- what is in the store, whoever put it there ------------------------------------------------------------------------

@contextlib.contextmanager
def database_of(folder):
    """The store in another program's hands."""
    with contextlib.closing(sqlite3.connect(folder / "s" / "ragstore.db", isolation_level=None)) as database:
        database.execute("PRAGMA wal_autocheckpoint = 0")    # its pages end in no checksum; in the log they need none
        yield database


@contextlib.contextmanager
def stored_as(folder):
    """A function that makes these bytes the stored value of a key."""
    with database_of(folder) as database:
        yield lambda key, text: database.execute("UPDATE kv SET value = ? WHERE key = ?", (b"\0" + text, key.encode()))


def as_json_has_it(text):
    """What Python's own reader makes of it; None when it is not JSON of ours: no NaN, no half of a surrogate pair."""
    def refuse(constant):
        raise ValueError(constant)

    try:
        value = json.loads(text.decode("utf-8"), parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
        return [value]
    except ValueError:
        return None


TEXTS = [
    b'{}', b' {\t"a" :\r1 ,\n"b" : [ ] } ', b'{"a":-0,"b":-0.0,"c":1E5,"d":1e+5,"e":12.5e-3,"f":1e400,"g":-1e-400,"h":0.1}',
    b'{"n":[999999999999999999,-999999999999999999,1000000000000000000,18446744073709551616,-9223372036854775809]}',
    b'{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\ude00\\u0000"}', b'{"a\\u0062":{"a\\u0062":1},"ab":2,"ab":3}',
    b'[[[{"a":[true,false,null]}],""],"x"]', b'"only a text"', b'17', b'null', '{"é":"日本語 \U0001f600 — ok"}'.encode(),
    b'{"a":"0123456789abcde","b":"0123456789abcdef","c":"0123456789abcdef0\\n0123456789abcdef0123456789abcdef"}',
    b' ', b'{', b'}', b'[', b'[1', b'[1,', b'[1,]', b'[,1]', b'[1 2]', b'{"a"}', b'{"a":}', b'{"a":1,}', b'{a:1}', b"{'a':1}",
    b'{"a":1}x', b'{"a":1}\0', b'\0{"a":1}', b'{"a":1}{}', b'01', b'-', b'-01', b'1.', b'.5', b'+1', b'1e', b'1e+', b'1.e5', b'0x10', b'--1',
    b'tru', b'True', b'nul', b'NaN', b'[Infinity]', b'-Infinity', b'"', b'"a', b'"\\', b'"\\"', b'"\\x"', b'"\\u12"', b'"\\u12g4"', b'"\\U0041"',
    b'"\\ud800"', b'"\\ud800\\u0041"', b'"\\udc00"', b'"\\ud800\\udbff"', b'"\\ud800\\ue000"', b'"a\nb"', b'"\x1f0123456789abcdef"', b'"\x7f"', b'"0123456789abcdef\x01"',
    b'"\x80"', b'"\xc3"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'\xef\xbb\xbf{}', b'"\\n\xff"', b'{"\xff":1}',
]


def check_reading(disk, store_as, key, text):
    store_as(key, text)
    expected = as_json_has_it(text)
    if expected:
        assert typed(disk.kv_get("full_docs", [key])) == typed(expected), text
    else:
        with pytest.raises(CorruptError, match=f"value of row '{key}' is not JSON: "):
            disk.kv_get("full_docs", [key])
            print(text)    # where it should have failed


def test_stored_texts_are_read_as_python_reads_them(disk, tmp_path):
    disk.kv_put("full_docs", {"key": {}})
    with stored_as(tmp_path) as store_as:
        for text in TEXTS:
            check_reading(disk, store_as, "key", text)


def test_damaged_texts_are_read_as_python_reads_them(disk, tmp_path):
    """Good texts with a few bytes changed: still JSON, or found to be none."""
    seed = int(os.environ.get("RAGSTORE_SEED") or random.randrange(2**32))
    print("RAGSTORE_SEED =", seed)
    rng = random.Random(seed)
    disk.kv_put("full_docs", {"key": {}})
    good = [text for text in TEXTS if len(text) > 4 and as_json_has_it(text)]
    with stored_as(tmp_path) as store_as:
        for _ in range(1500):
            text = bytearray(rng.choice(good))
            for _ in range(rng.randrange(1, 4)):
                at = rng.randrange(len(text) + 1)
                text[at:at + rng.randrange(2)] = rng.choice([b"", rng.choice(good)[:rng.randrange(20)], bytes([rng.randrange(256)]),
                                                             rng.choice([b'"', b"\\", b"\\u", b",", b":", b"{", b"]", b"1e9", b"-"])])
            check_reading(disk, store_as, "key", bytes(text) or b" ")


def test_stored_text_that_is_nested_too_deep(disk, tmp_path):
    disk.kv_put("full_docs", {"key": {}})
    with stored_as(tmp_path) as store_as:
        store_as("key", b"[" * 512 + b"]" * 512)
        assert disk.kv_get("full_docs", ["key"]) == [nested(511, [])]
        for text in (b"[" * 513 + b"]" * 513, b"[" * 100_000, b'{"a":' * 100_000):
            store_as("key", text)
            with pytest.raises(CorruptError, match="nested too deep"):
                disk.kv_get("full_docs", ["key"])


@pytest.mark.parametrize("degree", [0, 99])
def test_edges_where_a_degree_is_wrong(disk, tmp_path, degree):
    disk.graph_put_edges([("a", "b", {}), ("a", "a", {}), ("c", "b", {})])
    with database_of(tmp_path) as database:
        database.execute("UPDATE graph_node SET degree = ? WHERE label = ?", (degree, b"a"))
        assert disk.graph_node_edges(["c", "a", "b"]) == [[("c", "b")], [("a", "a"), ("a", "b")], [("b", "a"), ("b", "c")]]
