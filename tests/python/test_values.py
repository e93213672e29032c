"""Values go in and come out as they were; what JSON has not is refused, and changes nothing."""
import collections
import enum
import json
import os
import random
import sys

import pytest

from ragstore import InvalidError, _native


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
