"""One database, two writers: LightRAG's own PostgreSQL classes and the backend, each reading what the other wrote."""

import json
import subprocess
import sys
from functools import partial

import pytest

from conftest import ENVIRONMENT, HERE, ROOT, run_program

sys.path.insert(0, str(ROOT / "bench" / "peers"))
import environment  # noqa: E402  (found by the line above)

CHUNK = {"tokens": 3, "content": "Alice \"was\"\nbeginning \u00e9\U0001f600", "chunk_order_index": 0, "full_doc_id": "doc-1",
         "file_path": "a.txt", "llm_cache_list": ["default:extract:1"]}
DOC = {"status": "processed", "content_summary": "Alice", "content_length": 5,
       "created_at": "2026-11-21T08:11:10.023127+00:00", "updated_at": "2026-11-21T08:12:17+00:00",
       "file_path": "a.txt", "track_id": "t-1", "content_hash": "h1", "metadata": {"b": 1, "a": [1.5]}, "chunks_count": 1,
       "chunks_list": ["chunk-1"]}


@pytest.fixture(scope="session")
def lightrag_python():
    return environment.lightrag_python("asyncpg", "pgvector")


def run_lightrag(python, database, folder, **wanted):
    variables = {**database.server.environment, "POSTGRES_DATABASE": database.name}
    done = subprocess.run([python, HERE / "lightrag_rows.py", "w"], capture_output=True, text=True,
                          input=json.dumps(wanted), cwd=folder, timeout=120, check=False,
                          env={**ENVIRONMENT, **variables, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run_ours(database, verb, namespace, *words):
    words = [word if isinstance(word, str) else json.dumps(word, ensure_ascii=False, separators=(",", ":"))
             for word in words]
    return run_program("tests/rows", f"{database.url}?workspace=w", verb, namespace, *words)


def our_rows(database, *words):
    done = run_ours(database, *words)
    assert done.returncode == 0, done.stderr
    return [None if line == "absent" else json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def lightrag(lightrag_python, database15, tmp_path):
    """lightrag(put=..., get=...) on an empty database without extensions, in the workspace "w"."""
    return partial(run_lightrag, lightrag_python, database15, tmp_path)


@pytest.fixture
def ours(database15):
    """ours("put", namespace, key, value, ...) and ours("get", namespace, key, ...) in the same workspace."""
    return partial(our_rows, database15)


@pytest.fixture
def lightrag17(lightrag_python, database17, tmp_path):
    """The same on a server that has pgvector."""
    return partial(run_lightrag, lightrag_python, database17, tmp_path)


@pytest.fixture
def ours17(database17):
    return partial(our_rows, database17)


def without_times(row):
    return {name: value for name, value in row.items() if name not in ("create_time", "update_time", "_id", "id")}


def test_lightrag_reads_what_we_wrote(lightrag, ours):
    ours("put", "text_chunks", "chunk-1", CHUNK)
    ours("put", "entity_chunks", "Al\"ice'", {"chunk_ids": ["chunk-1"], "count": 1})
    ours("put", "llm_response_cache", "default:extract:1", {"return": "r", "cache_type": "extract", "chunk_id": None,
                                                           "original_prompt": "p", "queryparam": {"mode": "x"}})
    ours("put", "doc_status", "doc-1", DOC)
    seen = lightrag(get={"text_chunks": ["chunk-1", "no"], "entity_chunks": ["Al\"ice'"], "doc_status": ["doc-1"],
                         "llm_response_cache": ["default:extract:1"]})
    chunk = without_times(seen["text_chunks"]["chunk-1"])
    assert {name: chunk[name] for name in CHUNK} == CHUNK
    assert seen["text_chunks"]["no"] is None
    assert without_times(seen["entity_chunks"]["Al\"ice'"]) == {"chunk_ids": ["chunk-1"], "count": 1}
    assert without_times(seen["llm_response_cache"]["default:extract:1"])["queryparam"] == {"mode": "x"}
    document = seen["doc_status"]["doc-1"]
    assert {name: document[name] for name in DOC} == DOC


def test_we_read_what_lightrag_wrote_before_us(lightrag, ours):
    lightrag(put={"text_chunks": {"chunk-1": CHUNK}, "full_docs": {"doc-1": {"content": "c", "file_path": "a.txt"}},
                  "doc_status": {"doc-1": DOC}})
    assert ours("get", "text_chunks", "chunk-1", "no") == [{**CHUNK, "heading": {}, "sidecar": {}}, None]
    assert ours("get", "full_docs", "doc-1") == [{"content": "c", "file_path": "a.txt", "chunk_options": {}}]
    assert ours("get", "doc_status", "doc-1") == [DOC]


def test_what_lightrag_updates_is_the_truth_again(lightrag, ours, database15):
    ours("put", "text_chunks", "chunk-1", {**CHUNK, "more": {"x": [1.50]}}, "chunk-2", {**CHUNK, "tokens": "many"})
    assert ours("get", "text_chunks", "chunk-1", "chunk-2") == [{**CHUNK, "more": {"x": [1.50]}},
                                                               {**CHUNK, "tokens": "many"}]
    extra = "SELECT count(*) FROM lightrag_doc_chunks WHERE ragstore_extra IS NOT NULL"
    assert database15.sql(extra) == "2"
    lightrag(put={"text_chunks": {"chunk-1": {**CHUNK, "content": "new"}}})
    assert database15.sql(extra) == "1"
    assert ours("get", "text_chunks", "chunk-1") == [{**CHUNK, "content": "new", "heading": {}, "sidecar": {}}]


def test_an_odd_document_is_one_when_lightrag_writes_it(lightrag, ours, database15):
    ours("put", "doc_status", "doc-1", {**DOC, "created_at": "yesterday"})
    assert database15.sql("SELECT count(*) FROM lightrag_doc_status") == "0"
    lightrag(put={"doc_status": {"doc-1": DOC}})
    assert ours("get", "doc_status", "doc-1") == [DOC]
    assert database15.sql("SELECT count(*) FROM ragstore_rows WHERE kind = 'doc_status'") == "0"
    ours("put", "doc_status", "doc-1", {**DOC, "created_at": "yesterday"})
    assert ours("get", "doc_status", "doc-1") == [{**DOC, "created_at": "yesterday"}]
    assert database15.sql("SELECT count(*) FROM lightrag_doc_status") == "0"


def test_counters_see_both_writers(lightrag, ours, database15):
    lightrag(put={"text_chunks": {"chunk-1": CHUNK}})
    ours("put", "text_chunks", "chunk-2", CHUNK)    # makes the schema and counts what is there
    lightrag(put={"text_chunks": {"chunk-2": CHUNK, "chunk-3": CHUNK}})
    rows = ("SELECT sum(rows) FROM (SELECT rows, name FROM ragstore_namespace UNION ALL"
            " SELECT rows, name FROM ragstore_change) c WHERE name = 'text_chunks'")
    assert database15.sql(rows) == "3"


NODE = {"entity_id": "Alice", "entity_type": "person", "description": "falls \"down\"", "source_id": "chunk-1",
        "file_path": "a.txt", "created_at": 1795248670, "truncate": ""}
EDGE = {"weight": 1.0, "description": "meets", "keywords": "tea", "source_id": "chunk-1", "file_path": "a.txt",
        "created_at": 1795248670, "truncate": ""}
LAYOUTS = "SELECT count(*) FROM {} WHERE ragstore_extra IS NOT NULL"


def test_lightrag_sees_our_graph(lightrag, ours, database15):
    ours("put", "graph_nodes", "Alice", NODE)
    ours("put", "graph_edges", "Rabbit|Alice", EDGE)
    seen = lightrag(graph={"nodes": {}, "edges": [], "keys": ["Alice", "Rabbit"]})["graph"]
    assert seen["nodes"] == {"Alice": NODE, "Rabbit": {"entity_id": "Rabbit"}}
    assert [sorted(edge) for edge in seen["edges"]["Alice"]] == [["Alice", "Rabbit"]]
    assert seen["values"]["Rabbit"] == [EDGE]
    assert ours("get", "graph_nodes", "Alice", "Rabbit") == [NODE, {}]
    assert database15.sql(LAYOUTS.format("lightrag_graph_edges")) == "0"    # its values need none


def test_we_see_lightrags_graph(lightrag, ours, database15):
    lightrag(graph={"nodes": {"Alice": NODE, "Hare": {"entity_id": "Hare", "zeal": 2}}, "keys": [],
                    "edges": [["Alice", "Hare", EDGE]]})
    assert ours("get", "graph_nodes", "Alice", "Hare", "no") == [NODE, {"entity_id": "Hare", "zeal": 2}, None]
    assert ours("get", "graph_edges", "Hare|Alice") == [EDGE]
    ours("put", "graph_nodes", "Alice", {"mood": "curious"})    # merges
    assert ours("get", "graph_nodes", "Alice") == [{**NODE, "mood": "curious"}]
    lightrag(graph={"nodes": {"Alice": {"entity_id": "Alice", "mood": "calm"}}, "edges": [], "keys": []})
    assert ours("get", "graph_nodes", "Alice") == [{**NODE, "mood": "calm"}]
    counted = "SELECT sum(rows) FROM ragstore_change WHERE kind = 'graph_nodes'"
    assert database15.sql(counted) == "2"


HOSTILE = ["o'hara", 'say "hi"', "back\\slash\\", "$$", "$AGE1$ $AGE1", "$1", "a\nb\tc", "{n}", "\u00e9\U0001f600", "'; DROP TABLE x--",
           "%_*", "`tick`", " blank ", "a::b", "true", "1"]


def test_lightrag_sees_our_graph_in_age(lightrag17, ours17, database17):
    ours17("put", "graph_nodes", "Alice", NODE)
    ours17("put", "graph_edges", "Rabbit|Alice", EDGE)
    seen = lightrag17(graph={"age": True, "keys": ["Alice", "Rabbit", "no"]})["graph"]
    assert seen["nodes"] == {"Alice": NODE, "Rabbit": {"entity_id": "Rabbit"}, "no": None}
    assert seen["edges"] == {"Alice": [["Alice", "Rabbit"]], "Rabbit": [["Rabbit", "Alice"]], "no": []}
    assert seen["values"]["Rabbit"] == [EDGE]
    assert seen["labels"] == ["Alice", "Rabbit"]
    assert seen["degrees"] == {"Alice": 1, "Rabbit": 1, "no": 0}
    assert ours17("get", "graph_nodes", "Alice", "Rabbit") == [NODE, {}]
    # only the end that has no values needs a layout: that it has no entity_id
    assert database17.sql("SELECT count(*) FROM w_chunk_entity_relation.ragstore_extra") == "1"


def test_we_see_lightrags_graph_in_age(lightrag17, ours17, database17):
    lightrag17(graph={"age": True, "nodes": {"Alice": NODE, "Hare": {"entity_id": "Hare", "zeal": 2}}, "keys": [],
                      "edges": [["Hare", "Alice", EDGE]]})
    assert ours17("get", "graph_nodes", "Alice", "Hare", "no") == [NODE, {"entity_id": "Hare", "zeal": 2}, None]
    assert ours17("get", "graph_edges", "Hare|Alice", "Alice|Hare", "Alice|Alice") == [EDGE, EDGE, None]
    ours17("put", "graph_nodes", "Alice", '{"mood":"curious","z":1.50}')    # merges; 1.50 is in a layout
    ours17("put", "graph_edges", "Alice|Hare", {"more": "tea"})
    assert ours17("get", "graph_nodes", "Alice") == [{**NODE, "mood": "curious", "z": 1.5}]
    assert ours17("get", "graph_edges", "Hare|Alice") == [{**EDGE, "more": "tea"}]
    assert database17.sql('SELECT count(*) FROM w_chunk_entity_relation."DIRECTED"') == "1"
    seen = lightrag17(graph={"age": True, "nodes": {"Alice": {"entity_id": "Alice", "z": 1}}, "keys": ["Alice"],
                             "edges": [["Alice", "Hare", {"weight": 2.0}]]})["graph"]
    assert seen["nodes"]["Alice"] == {**NODE, "mood": "curious", "z": 1}
    assert ours17("get", "graph_nodes", "Alice") == [{**NODE, "mood": "curious", "z": 1}]    # not our layout of before
    assert ours17("get", "graph_edges", "Hare|Alice") == [{"weight": 2.0}]
    lightrag17(graph={"age": True, "gone": ["Hare"], "keys": []})
    assert ours17("get", "graph_nodes", "Hare", "Alice") == [None, {**NODE, "mood": "curious", "z": 1}]
    assert ours17("get", "graph_edges", "Hare|Alice") == [None]


def test_hostile_names_and_values_in_age_both_ways(lightrag17, ours17):
    rows = {name: {"entity_id": name, "description": name, "k" + name: name} for name in HOSTILE}
    ours17("put", "graph_nodes", *[word for name in HOSTILE for word in (name, rows[name])])
    ours17("put", "graph_edges", *[word for name in HOSTILE for word in (f"{name}|hub", {"description": name})])
    seen = lightrag17(graph={"age": True, "keys": HOSTILE})["graph"]
    assert seen["nodes"] == rows
    assert seen["values"] == {name: [{"description": name}] for name in HOSTILE}
    theirs = {"L" + name: {**rows[name], "entity_id": "L" + name} for name in HOSTILE}
    lightrag17(graph={"age": True, "keys": [], "nodes": theirs,
                      "edges": [["L" + name, "hub", {"description": name}] for name in HOSTILE]})
    assert ours17("get", "graph_nodes", *theirs) == list(theirs.values())
    assert ours17("get", "graph_edges", *[f"hub|{name}" for name in theirs]) == [{"description": name} for name in HOSTILE]


ENTITY = {"entity_name": "Alice", "content": "ent-1", "source_id": "chunk-1<SEP>chunk-2", "file_path": "a.txt"}
RELATION = {"src_id": "Alice", "tgt_id": "Hare", "source_id": "chunk-1", "content": "rel-1", "file_path": "a.txt"}
CHUNK_ROW = {"tokens": 3, "content": "chunk-1", "chunk_order_index": 0, "full_doc_id": "doc-1", "file_path": "a.txt"}
VECTORS = {"entities": ("ent-1", ENTITY), "relationships": ("rel-1", RELATION), "chunks": ("chunk-1", CHUNK_ROW)}


def test_lightrag_finds_our_vectors(lightrag17, ours17, database17):
    for space, (key, row) in VECTORS.items():
        ours17("put", f"vector:{space}", key, row)
    seen = lightrag17(vectors={space: {"get": [key], "find": key} for space, (key, _) in VECTORS.items()})["vectors"]
    entity = seen["entities"]["get"]["ent-1"]
    assert (entity["entity_name"], entity["content"], entity["chunk_ids"]) == ("Alice", "ent-1", ["chunk-1", "chunk-2"])
    relation = seen["relationships"]["get"]["rel-1"]
    assert (relation["source_id"], relation["target_id"]) == ("Alice", "Hare")
    assert seen["chunks"]["get"]["chunk-1"]["full_doc_id"] == "doc-1"
    assert [hit["entity_name"] for hit in seen["entities"]["find"]] == ["Alice"]
    assert [(hit["src_id"], hit["tgt_id"]) for hit in seen["relationships"]["find"]] == [("Alice", "Hare")]
    assert [hit["id"] for hit in seen["chunks"]["find"]] == ["chunk-1"]
    for table in ("entity", "relation", "chunks"):
        assert database17.sql(LAYOUTS.format(f"lightrag_vdb_{table}_test_model_4d")) == "0"


def test_we_find_lightrags_vectors(lightrag17, ours17, database17):
    lightrag17(vectors={space: {"put": {key: row}} for space, (key, row) in VECTORS.items()})
    for space, (key, row) in VECTORS.items():
        assert ours17("get", f"vector:{space}", key, "no") == [row, None]
        assert ours17("find", f"vector:{space}", key) == [key]
    ours17("put", "vector:entities", "ent-2", {**ENTITY, "mood": "calm"})    # the space has its model from now on
    assert database17.sql("SELECT model FROM ragstore_space WHERE name = 'entities'") == "test-model"
    assert ours17("get", "vector:entities", "ent-2") == [{**ENTITY, "mood": "calm"}]
    lightrag17(vectors={"entities": {"put": {"ent-2": {**ENTITY, "content": "new"}}}})
    assert ours17("get", "vector:entities", "ent-2") == [{**ENTITY, "content": "new"}]
    counted = "SELECT sum(rows) FROM ragstore_change WHERE kind = 'vdb' AND name LIKE '%entity%'"
    assert database17.sql(counted) == "2"


def test_readers_hear_of_vectors_that_came_after_the_store(lightrag17, ours17, database17):
    ours17("put", "n", "k", {"v": 1})    # it is a store, and LightRAG has no vectors yet
    url = f"{database17.url}?workspace=w"
    assert "warning" not in run_program("ragstore", "status", url).stderr
    lightrag17(vectors={"entities": {"put": {"ent-1": ENTITY}}})
    said = run_program("ragstore", "status", url)
    assert said.returncode == 0 and said.stderr.count("vectors 'entities' that LightRAG wrote are not seen") == 1
    ours17("get", "n", "k")    # opened for writing
    assert "warning" not in run_program("ragstore", "status", url).stderr


def test_vectors_of_a_table_without_a_model_move_to_that_of_the_model(lightrag17, ours17, database17):
    lightrag17(vectors={"entities": {"put": {"ent-1": ENTITY}}}, model=None)
    assert ours17("get", "vector:entities", "ent-1") == [ENTITY]
    ours17("put", "vector:entities", "ent-2", ENTITY)
    assert ours17("get", "vector:entities", "ent-1", "ent-2") == [ENTITY, ENTITY]
    assert database17.sql("SELECT count(*) FROM lightrag_vdb_entity_test_model_4d") == "2"
    seen = lightrag17(vectors={"entities": {"get": ["ent-1", "ent-2"]}})["vectors"]["entities"]["get"]
    assert all(row["entity_name"] == "Alice" for row in seen.values())


def test_without_pgvector_vectors_are_refused_and_the_rest_works(database15):
    refused = run_ours(database15, "put", "vector:entities", "ent-1", ENTITY)
    assert refused.returncode == 1
    assert "no pgvector" in refused.stderr and "postgresql-15-pgvector" in refused.stderr
    assert our_rows(database15, "put", "text_chunks", "chunk-1", CHUNK) == []


def test_a_role_that_may_not_make_the_extension_is_told_the_statement(database17, unprivileged17):
    refused = run_ours(unprivileged17, "put", "vector:entities", "ent-1", ENTITY)
    assert refused.returncode == 1
    assert "superuser" in refused.stderr and "CREATE EXTENSION vector" in refused.stderr
    database17.sql("CREATE EXTENSION vector")
    assert our_rows(unprivileged17, "put", "vector:entities", "ent-1", ENTITY) == []
