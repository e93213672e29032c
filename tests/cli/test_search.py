"""ragstore search: the nearest rows."""
import json
import math
import struct

import pytest

SPACES = ["chunks", "entities", "relationships"]


def ranking(rows, query):
    """(score, id), best first: the exact answer."""
    def norm(v):
        return math.sqrt(sum(x * x for x in v))

    length = norm(query)
    scored = [(sum(a * b for a, b in zip(vector, query)) / (norm(vector) * length), key)
              for key, (_, vector) in rows.items()]
    return sorted(scored, key=lambda pair: (-pair[0], pair[1]))


def assert_is_exact(hits, rows, query):
    expected = ranking(rows, query)[:len(hits)]
    for hit, (score, _) in zip(hits, expected):
        assert hit["distance"] == pytest.approx(score, abs=1e-5)
    assert {hit["id"] for hit in hits[:-1]} <= {key for _, key in ranking(rows, query)[:len(hits) + 2]}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("exact", [[], ["--exact"]])
def test_like_a_row(ragstore, store, vector_files, space, exact):
    key = sorted(vector_files[space])[7]
    hits = ragstore("search", store, space, "--like", key, "--json", *exact).json
    assert len(hits) == 10
    assert hits[0]["id"] == key and hits[0]["distance"] == pytest.approx(1, abs=1e-6)
    assert_is_exact(hits, vector_files[space], vector_files[space][key][1])


def test_rows_carry_the_payload(ragstore, store, vector_files):
    for hit in ragstore("search", store, "relationships", "--like", next(iter(vector_files["relationships"])),
                        "--json", "-k", "5").json:
        source = vector_files["relationships"][hit["id"]][0]
        for name in ("src_id", "tgt_id", "content", "source_id", "file_path"):
            assert hit[name] == source[name]
        assert hit["created_at"] == source["__created_at__"]
        assert "vector" not in hit


def test_like_the_name_of_an_entity(ragstore, store, vector_files):
    key = next(k for k, (row, _) in vector_files["entities"].items() if row["entity_name"] == "Alice")
    by_name = ragstore("search", store, "entities", "--like", "Alice", "--json").json
    assert by_name == ragstore("search", store, "entities", "--like", key, "--json").json
    assert by_name[0]["entity_name"] == "Alice"


def test_vector_from_a_file_and_from_standard_input(ragstore, store, vector_files, tmp_path):
    query = [math.sin(i) for i in range(384)]
    query = list(struct.unpack("<384f", struct.pack("<384f", *query)))
    as_json = tmp_path / "query.json"
    as_json.write_text(json.dumps(query))
    raw = tmp_path / "query.f32"
    raw.write_bytes(struct.pack("<384f", *query))
    hits = ragstore("search", store, "chunks", "--vector", as_json, "--json", "-k", "20").json
    assert_is_exact(hits, vector_files["chunks"], query)
    assert ragstore("search", store, "chunks", "--vector", raw, "--raw", "--json", "-k", "20").json == hits
    assert ragstore("search", store, "chunks", "--vector", "-", "--json", "-k", "20",
                    input=as_json.read_bytes()).json == hits
    assert ragstore("search", store, "chunks", "--vector", "-", "--raw", "--json", "-k", "20",
                    input=raw.read_bytes()).json == hits


def test_min_score_and_the_end_of_a_space(ragstore, store, vector_files):
    everything = ragstore("search", store, "entities", "--like", "Alice", "-k", "1000", "--json").json
    assert len(everything) == len(vector_files["entities"])
    some = ragstore("search", store, "entities", "--like", "Alice", "-k", "1000", "--min-score", "0.4", "--json").json
    assert some == [hit for hit in everything if hit["distance"] >= 0.4]
    assert 1 < len(some) < len(everything)
    assert ragstore("search", store, "entities", "--like", "Alice", "-k", "1000").lines[-1] == "there are no more"
    assert ragstore("search", store, "entities", "--like", "Alice", "--min-score", "1.5").out == "nothing found\n"
    assert ragstore("search", store, "entities", "--like", "Alice", "--min-score", "1.5", "--json").json == []


def test_for_reading(ragstore, store):
    shown = ragstore("search", store, "entities", "--like", "Alice", "-k", "3")
    assert shown.lines[0].startswith("the nearest 3 in entities (cosine, 384 dimensions, all-MiniLM-L6-v2; ")
    assert shown.lines[2].split()[:3] == ["1", "1.0000", "Alice"]
    assert shown.lines[2].endswith("(the row itself)")
    pair = ragstore("search", store, "relationships", "--like", "x", status=1)
    assert pair.err.startswith("ragstore: no row 'x' in relationships\n")


@pytest.mark.parametrize("content, message", [
    (b"[1, 2, 3]", "3 dimensions, but chunks has 384 of all-MiniLM-L6-v2"),
    (b"[]", "no numbers in it"),
    (b"", "it is empty"),
    (b"{\"embedding\": [1]}", "not a JSON array of numbers"),
    (b"[1, NaN, 3]", "element 1 is not a number (NaN)"),
    (b"[1, 2, -Infinity]", "element 2 is infinite"),
    (b"[1, 1e999]", "element 1 is infinite"),
    (b"[1, \"two\"]", "element 1 is not a number: '\"two\"'"),
    (b"[1, 2", "not valid JSON near byte 5"),
    (b"[" + b"0," * 383 + b"0]", "length zero"),
    (b"[" * 1000, "not valid JSON"),
    (b"[" + b"1," * 70000 + b"1]", "more than 65536 numbers"),
], ids=lambda part: part[:24])
def test_bad_query_files(ragstore, store, tmp_path, content, message):
    path = tmp_path / "query.json"
    path.write_bytes(content)
    done = ragstore("search", store, "chunks", "--vector", path, "--json", status=1)
    assert done.out == ""
    assert message in done.err
    if "length zero" not in message:
        assert str(path) in done.err, "the file is not named"


def test_bad_raw_files(ragstore, store, tmp_path):
    path = tmp_path / "query.f32"
    path.write_bytes(b"12345")
    assert "5 bytes are not a row of float32" in \
        ragstore("search", store, "chunks", "--vector", path, "--raw", status=1).err
    path.write_bytes(struct.pack("<384f", *[1.0] * 383, float("nan")))
    assert "element 383 is not a number" in \
        ragstore("search", store, "chunks", "--vector", path, "--raw", status=1).err
    missing = tmp_path / "missing"
    done = ragstore("search", store, "chunks", "--vector", missing, status=1)
    assert done.err == f"ragstore: {missing}: No such file or directory\n"
    assert "Is a directory" in ragstore("search", store, "chunks", "--vector", tmp_path, status=1).err


def test_unknown_space(ragstore, store):
    done = ragstore("search", store, "entites", "--like", "Alice", status=1)
    assert done.err == ("ragstore: no vector namespace 'entites' in this store\n"
                        "  did you mean entities? there is: chunks, entities, relationships\n")


def test_labels(ragstore, store):
    found = ragstore("search", store, "labels", "--text", " aLICE ", "--json").json
    assert found[0] == {"label": "Alice", "score": 1000}
    assert all("alice" in row["label"].lower() for row in found)
    assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)
    assert len(ragstore("search", store, "labels", "--text", "a", "-k", "3", "--json").json) == 3
    assert ragstore("search", store, "labels", "--text", "%", "--json").json == []


def test_labels_for_reading(ragstore, store):
    shown = ragstore("search", store, "labels", "--text", "alice")
    assert shown.lines[0].split() == ["1000", "Alice"]
    assert ragstore("search", store, "labels", "--text", "no such label").lines == ["nothing found"]


def test_labels_want_a_text_and_nothing_else(ragstore, store):
    assert "--text TEXT" in ragstore("search", store, "labels", status=2).err
    assert "labels have no vectors" in \
        ragstore("search", store, "labels", "--text", "a", "--like", "Alice", status=2).err
