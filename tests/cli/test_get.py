"""ragstore get: rows by their names."""
import math
import struct

import pytest

STAMPS = ("_id", "create_time", "update_time")


def as_float32(number):
    """The float that a reader of the JSON gets: it is printed with as few digits as name it."""
    return struct.unpack("<f", struct.pack("<f", number))[0]


def without_stamps(value):
    return {name: member for name, member in value.items() if name not in STAMPS}


@pytest.mark.parametrize("space", ["text_chunks", "full_docs", "full_entities", "full_relations", "entity_chunks",
                                   "relation_chunks", "llm_response_cache"])
def test_every_value_of_a_namespace(ragstore, store, kv_files, space):
    wanted = kv_files[space]
    rows = ragstore("get", store, "kv", space, "--json", "--", *wanted).json
    assert [row["key"] for row in rows] == list(wanted)
    for row in rows:
        source = wanted[row["key"]]
        assert row["found"] is True
        assert row["value"] == without_stamps(source)
        assert row["created_at"] == source.get("create_time", 0)
        assert row["updated_at"] == source.get("update_time", 0)


def test_absent_keys_keep_their_place(ragstore, store, kv_files):
    key = next(iter(kv_files["text_chunks"]))
    done = ragstore("get", store, "kv", "text_chunks", "nothing", key, "nothing", "--json", status=1)
    assert [(row["key"], row["found"]) for row in done.json] == [("nothing", False), (key, True), ("nothing", False)]
    assert "value" not in done.json[0]
    assert done.err.splitlines()[0] == "ragstore: no key 'nothing' in text_chunks"


def test_unknown_namespace_is_not_the_same_as_absent_key(ragstore, store):
    done = ragstore("get", store, "kv", "text_chunk", "x", status=1)
    first, second = done.err.splitlines()
    assert first == "ragstore: no kv namespace 'text_chunk' in this store"
    assert second.startswith("  did you mean text_chunks? there is: ")
    assert "no vector namespace 'chunk'" in ragstore("get", store, "vector", "chunk", "x", status=1).err


def test_node(ragstore, store, graph_file):
    nodes, edges = graph_file
    rows = ragstore("get", store, "node", "Alice", "Voldemort", "King", "--json", status=1).json
    assert [row["found"] for row in rows] == [True, False, True]
    for row in (rows[0], rows[2]):
        degree = sum(2 if len(edge) == 1 else 1 for edge in edges if row["label"] in edge)
        assert row["degree"] == degree
        assert row["value"] == nodes[row["label"]]
    shown = ragstore("get", store, "node", "Alice")
    assert shown.lines[0] == f"Alice  (degree {rows[0]['degree']})"
    assert '    "entity_type": "person",' in shown.lines


def test_edge_has_no_direction(ragstore, store, graph_file):
    pair = next(edge for edge in graph_file[1] if "Alice" in edge)
    other = next(iter(pair - {"Alice"}))
    there = ragstore("get", store, "edge", "Alice", other, "--json").json[0]
    back = ragstore("get", store, "edge", other, "Alice", "--json").json[0]
    assert (there["source"], there["target"]) == ("Alice", other)
    assert (back["source"], back["target"]) == (other, "Alice")
    assert there["value"] == back["value"] == graph_file[1][pair]
    absent = ragstore("get", store, "edge", "Alice", "Voldemort", status=1)
    assert absent.err == "ragstore: no edge 'Alice' -- 'Voldemort'\n"


def test_doc(ragstore, store, kv_files):
    (key, value), = kv_files["doc_status"].items()
    assert ragstore("get", store, "doc", key, "--json").json == [{"id": key, "found": True, "value": value}]
    assert "no document 'x'" in ragstore("get", store, "doc", "x", status=1).err


@pytest.mark.parametrize("space", ["chunks", "entities", "relationships"])
def test_vectors_are_those_of_the_file(ragstore, store, vector_files, space):
    ids = list(vector_files[space])[:20]
    for row in ragstore("get", store, "vector", space, *ids, "--json").json:
        source, vector = vector_files[space][row["id"]]
        assert [as_float32(x) for x in row["vector"]] == vector, "float16 values come back bit by bit"
        assert row["created_at"] == source["__created_at__"]
        assert row["value"]["content"] == source["content"]
        assert "vector" not in row["value"] and "__id__" not in row["value"]


def test_vector_for_reading(ragstore, store, vector_files):
    key, (_, vector) = next(iter(vector_files["entities"].items()))
    shown = ragstore("get", store, "vector", "entities", key)
    length = math.sqrt(sum(x * x for x in vector))
    assert shown.lines[1].strip().endswith(f"... (384 dimensions, length {length:.4f})".replace("... (", "...  ("))


def test_hostile_names_are_shown_and_not_obeyed(ragstore, store):
    for name, shown in (("\x1b]0;x\x07", r"\x1b]0;x\a"), ("a\nb", r"a\nb"), ("\u202eevil", r"\u202eevil"),
                        ("c1\u009b", r"c1\u009b"), ("日本語 🎉", "日本語 🎉")):
        done = ragstore("get", store, "node", name, status=1)
        assert done.err == f"ragstore: no node '{shown}'\n"
        assert ragstore("get", store, "node", name, "--json", status=1).json == [{"label": name, "found": False}]


def test_names_that_are_not_utf8(ragstore, store):
    done = ragstore("get", store, "kv", "text_chunks", b"a\xffb".decode("utf-8", "surrogateescape"), "--json",
                    status=1)
    assert r"a\xffb" in done.err
    assert done.json == [{"key": "a\ufffdb", "found": False}]
