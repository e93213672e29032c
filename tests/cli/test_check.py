"""ragstore check: every planted fault is found under its name and under no other; what is derived is mended.

Faults are planted behind the back of the command, with SQLite or in the files, in a copy of a healthy store that
nobody has open. Each says which invariants it breaks. After --repair the derived tables have to be what they were
before the fault, and the rows of the user what they were after it: nothing is deleted, nothing is made up.
"""
import base64
import json
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import zlib

import pytest
from pages import foreign

INDEX_ROWS, DIMENSION = 1200, 8
USER_TABLES = {
    "kv": "SELECT namespace, key, created_at, updated_at, value FROM kv",
    "nodes": "SELECT n.label, v.value FROM graph_node n LEFT JOIN graph_node_value v ON v.id = n.id",
    "attributes": "SELECT id, value FROM graph_node_value",
    "edges": "SELECT source, target, value FROM graph_edge",
    "documents": "SELECT id, value FROM doc",
    "vectors": "SELECT slot, id, created_at, value FROM vector_row",
    "elements": "SELECT part, elements FROM vector_data",
    "spaces": "SELECT id, model, dimension, metric, element, parts FROM vector_space",
    "pending": "SELECT mark, space, id, owner, created_at, content, value FROM vector_pending",
    "limits": "SELECT namespace, max_bytes, ttl_s FROM kv_limit WHERE namespace IN (SELECT id FROM namespace"
              " WHERE kind = 1)",
    "dictionaries": "SELECT id, namespace, bytes FROM dictionary",
}
DERIVED_TABLES = {
    "counters": "SELECT id, kind, name, rows, bytes FROM namespace",
    "degrees": "SELECT label, degree FROM graph_node",
    "adjacency": "SELECT node, neighbour, edge FROM graph_adjacent",
    "columns": "SELECT * FROM doc",
    "by_status": "SELECT status, n FROM doc_count",
    "keys": "SELECT space, id, slot FROM vector_key",
    "names": "SELECT space, name, slot FROM vector_name",
    "own_names": "SELECT slot, name, name2 FROM vector_row",
    "next_slots": "SELECT id, next_slot FROM vector_space",
    "pending_counts": "SELECT id, pending FROM vector_space",
    "pending_names": "SELECT mark, name, name2 FROM vector_pending",
    "owners": "SELECT id, process FROM pending_owner",
    "limits": "SELECT namespace, max_bytes, ttl_s FROM kv_limit",
    "writes": "SELECT namespace, updated_at, row FROM kv_written",
}


def read_tables(store, tables):
    with sqlite3.connect(store / "ragstore.db") as db:
        content = {name: sorted(map(repr, db.execute(sql))) for name, sql in tables.items()}
    db.close()
    return content


def write_large_space(folder):
    """A working directory of LightRAG whose entities are enough to get an index file."""
    folder.mkdir()
    names = [f"entity {i:04}" for i in range(INDEX_ROWS)]
    rows, floats = [], []
    for i, name in enumerate(names):
        vector = [((i * 37 + j * 101) % 61 - 30) / 32 + (1 if j == 0 else 0) for j in range(DIMENSION)]
        floats += vector
        packed = base64.b64encode(zlib.compress(struct.pack(f"<{DIMENSION}e", *vector))).decode()
        rows.append({"__id__": f"ent-{i:04}", "__created_at__": 1760000000 + i, "entity_name": name, "content": name,
                     "source_id": "chunk", "file_path": "f", "vector": packed})
    matrix = base64.b64encode(struct.pack(f"<{len(floats)}f", *floats)).decode()
    (folder / "vdb_entities.json").write_text(
        json.dumps({"embedding_dim": DIMENSION, "data": rows, "matrix": matrix}), encoding="utf-8")
    nodes = "".join(f'<node id="{name}"><data key="d0">{name}</data></node>' for name in names)
    (folder / "graph_chunk_entity_relation.graphml").write_text(
        '<?xml version="1.0" encoding="utf-8"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        '<key id="d0" for="node" attr.name="entity_id" attr.type="string"/>'
        f'<graph edgedefault="undirected">{nodes}</graph></graphml>', encoding="utf-8")


@pytest.fixture(scope="session")
def indexed(ragstore, tmp_path_factory):
    """A store with one index file."""
    folder = tmp_path_factory.mktemp("check")
    write_large_space(folder / "files")
    ragstore("import", folder / "files", folder / "store", "--model", "m")
    assert len(list((folder / "store").glob("vectors-*.idx"))) == 1
    return folder / "store"


@pytest.fixture(scope="session")
def pending(store, tmp_path_factory):
    """The store of alice with pending vectors, one of them remembered, one a deferred delete, and a bounded cache.

    One row is of a handle that has closed, one of a process that has ended: both are as they should be.
    """
    path = tmp_path_factory.mktemp("check") / "pending"
    shutil.copytree(store, path)
    ended = "00000000-0000-0000-0000-000000000000 4711 1234 pid:[4026531836]"
    payload = b"\0" + json.dumps({"entity_name": "ALICE", "content": "text"}).encode()
    add = f"INSERT INTO vector_pending(space, id, owner, created_at, name, content, value, vector) SELECT {ENTITIES}"
    with foreign(path) as db:
        db.execute("INSERT INTO pending_owner VALUES (7, ?), (8, ?)", (ended, ended))
        db.execute(f"{add}, x'6131', 7, 0, x'414c494345', x'0074657874', ?, NULL", (payload,))
        db.execute(f"{add}, x'6132', 6, 0, x'414c494345', x'0074657874', ?, zeroblob(768)", (payload,))
        db.execute(f"{add}, x'6133', 7, 0, NULL, NULL, NULL, NULL")
        db.execute(f"UPDATE vector_space SET pending = 3 WHERE id = {ENTITIES}")
        db.execute(f"INSERT INTO kv_limit(namespace, max_bytes, ttl_s) VALUES ({CACHE}, 1 << 30, 0)")
        db.execute("INSERT INTO kv_written(namespace, updated_at, row)"
                   f" SELECT namespace, updated_at, id FROM kv WHERE namespace = {CACHE}")
    return path


# ---- faults ---------------------------------------------------------------------------------------------------------


def sql(*statements):
    """A fault made of statements."""
    def plant(store):
        with foreign(store) as db:
            changed = sum(db.execute(statement).rowcount for statement in statements)
        assert changed >= len(statements), "the fault was not planted"
    return plant


def damaged_frame(store):
    with foreign(store) as db:
        rowid, value = db.execute("SELECT id, value FROM graph_edge WHERE substr(value, 1, 1) = x'01' LIMIT 1").fetchone()
        value = value[:-6] + bytes([value[-6] ^ 0x55]) + value[-5:]
        db.execute("UPDATE graph_edge SET value = ? WHERE id = ?", (value, rowid))


def unknown_dictionary(store):
    """A frame that names dictionary 40,000, which the store does not have."""
    frame = bytes.fromhex("28b52ffd") + bytes([0x22]) + struct.pack("<H", 40000) + bytes([2]) + bytes.fromhex("110000") + b"{}"
    with foreign(store) as db:
        db.execute("UPDATE graph_node_value SET value = ? WHERE id = (SELECT min(id) FROM graph_node_value)",
                   (b"\x01" + frame,))


def not_finite(store):
    """Infinity as float16 in the first element of a vector."""
    with foreign(store) as db:
        part, elements = db.execute("SELECT part, elements FROM vector_data WHERE part % 64 = 0 LIMIT 1").fetchone()
        db.execute("UPDATE vector_data SET elements = ? WHERE part = ?", (b"\x00\x7c" + elements[2:], part))


def incomplete_index(store):
    """Hide an index of SQLite while a row is changed."""
    with foreign(store, isolation_level=None) as db:
        entry = db.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema"
                           " WHERE name = 'doc_created'").fetchone()
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_schema WHERE name = 'doc_created'")
    with foreign(store, isolation_level=None) as db:
        db.execute("UPDATE doc SET rowid = rowid + 1000")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, ?, ?)", entry)


def index_file(store):
    return next(store.glob("vectors-*.idx"))


def flip_index(store):
    path = index_file(store)
    data = bytearray(path.read_bytes())
    data[-10] ^= 0x40
    path.write_bytes(data)


def truncate_index(store):
    path = index_file(store)
    path.write_bytes(path.read_bytes()[:-100])


def stray_index(store):
    shutil.copy(index_file(store), store / ("vectors-" + "ab" * 16 + ".idx"))


def slot_that_no_index_has(store):
    """The last vector moves to a slot that its index file is said to cover."""
    last = "(SELECT max(slot) FROM vector_row)"
    sql(f"UPDATE vector_key SET slot = slot + 1 WHERE slot = {last}",
        f"UPDATE vector_name SET slot = slot + 1 WHERE slot = {last}",
        f"UPDATE vector_data SET part = part + 64 WHERE part / 64 = {last}",
        f"UPDATE vector_row SET slot = slot + 1 WHERE slot = {last}",
        "UPDATE vector_space SET next_slot = next_slot + 1 WHERE id = (SELECT space FROM vector_index)",
        "UPDATE vector_index SET last_slot = last_slot + 1")(store)


FIRST_NODE = "(SELECT min(label) FROM graph_node WHERE degree > 0)"
ONE_SLOT = "(SELECT min(slot) FROM vector_row)"
LOOSE_EDGE = "(SELECT min(id) FROM graph_edge WHERE source <> target)"
ENTITIES = "(SELECT id FROM namespace WHERE kind = 2 AND name = 'entities')"
ONE_ENTITY = f"(SELECT min(slot) FROM vector_row WHERE slot >> 40 = {ENTITIES})"
KV = "(SELECT id FROM namespace WHERE kind = 1 AND name = '{}')"
CACHE = KV.format("llm_response_cache")
COUNTERS = {"namespace.rows", "namespace.bytes"}
NOTES = {"chunks.unknown_document"}

# (what, the store, how it is planted, what it breaks, whether all of that can be mended)
FAULTS = [
    # derived data: found and mended
    ("degree", "alice", sql(f"UPDATE graph_node SET degree = degree + 3 WHERE label = {FIRST_NODE}"),
     {"graph.degree"}, True),
    ("adjacency-lost", "alice", sql(f"DELETE FROM graph_adjacent WHERE edge = {LOOSE_EDGE}"),
     {"graph.adjacency", "graph.degree", "vectors.relation_without_edge"}, True),
    ("adjacency-one-way", "alice",
     sql("DELETE FROM graph_adjacent WHERE (node, neighbour) = (SELECT node, neighbour FROM graph_adjacent LIMIT 1)"),
     {"graph.adjacency", "graph.degree"}, True),
    ("adjacency-wrong-edge", "alice",
     sql("UPDATE graph_adjacent SET edge = edge + 100000 WHERE (node, neighbour) ="
         " (SELECT node, neighbour FROM graph_adjacent LIMIT 1)"),
     {"graph.adjacency", "graph.adjacency_orphan"}, True),
    ("adjacency-dangling", "alice", sql("INSERT INTO graph_adjacent(node, neighbour, edge) VALUES (987654, x'41', 1)"),
     {"graph.adjacency_orphan"}, True),
    ("labels-lost", "alice", sql("DELETE FROM graph_label WHERE block = (SELECT min(block) FROM graph_label)"),
     {"graph.labels"}, True),
    ("labels-wrong", "alice", sql("UPDATE graph_label SET labels = labels || x'ff8041'"
                                  " WHERE block = (SELECT min(block) FROM graph_label)"), {"graph.labels"}, True),
    ("document-column", "alice", sql("UPDATE doc SET file_path = x'78', track_id = NULL"), {"doc.columns"}, True),
    ("document-status", "alice", sql("UPDATE doc SET status = CAST('failed' AS BLOB)"),
     {"doc.columns", "doc.count"}, True),
    ("document-count", "alice", sql("UPDATE doc_count SET n = n + 7"), {"doc.count"}, True),
    ("document-count-lost", "alice", sql("DELETE FROM doc_count"), {"doc.count"}, True),
    ("vector-key-lost", "alice", sql(f"DELETE FROM vector_key WHERE slot = {ONE_SLOT}"),
     {"vector.key", "chunks.without_vector"}, True),
    ("vector-key-wrong", "alice",
     sql("UPDATE vector_key SET slot = slot + 1 WHERE (space, id) = (SELECT slot >> 40, id FROM vector_row LIMIT 1)"),
     {"vector.key", "vector.key_orphan"}, True),
    ("vector-key-dangling", "alice", sql(f"INSERT INTO vector_key(space, id, slot) VALUES ({ENTITIES}, x'4142', 5)"),
     {"vector.key_orphan"}, True),
    ("vector-name-lost", "alice",
     sql("DELETE FROM vector_name WHERE (space, name, slot) = (SELECT space, name, slot FROM vector_name LIMIT 1)"),
     {"vector.name"}, True),
    ("vector-name-dangling", "alice", sql(f"INSERT INTO vector_name(space, name, slot) VALUES ({ENTITIES}, x'4142', 5)"),
     {"vector.name"}, True),
    ("vector-payload-name", "alice",
     sql("UPDATE vector_row SET name = x'4142' WHERE slot = (SELECT min(slot) FROM vector_row WHERE name IS NOT NULL)"),
     {"vector.payload_name", "vector.name"}, True),
    ("next-slot", "alice", sql("UPDATE vector_space SET next_slot = 1"), {"vector.next_slot"}, True),
    ("written-dangling", "pending", sql(f"INSERT INTO kv_written(namespace, updated_at, row) VALUES ({CACHE}, 1, 1)"),
     {"kv.written"}, True),
    ("written-lost", "pending", sql("DELETE FROM kv_written WHERE row = (SELECT min(row) FROM kv_written)"),
     {"kv.written"}, True),
    ("written-at-another-time", "pending", sql("UPDATE kv_written SET updated_at = updated_at - 1"), {"kv.written"}, True),
    ("written-without-limit", "alice",
     sql("INSERT INTO kv_written(namespace, updated_at, row)"
         f" SELECT namespace, updated_at, id FROM kv WHERE namespace = {CACHE}"), {"kv.written"}, True),
    ("limited-unwritten", "pending", sql("DELETE FROM kv_written"), {"kv.written"}, True),
    ("limit-of-no-namespace", "pending", sql("INSERT INTO kv_limit(namespace, max_bytes, ttl_s) VALUES (777, 1, 0)"),
     {"kv.limit"}, True),
    ("limit-of-vectors", "pending", sql(f"INSERT INTO kv_limit(namespace, max_bytes, ttl_s) VALUES ({ENTITIES}, 1, 0)"),
     {"kv.limit"}, True),
    ("pending-count", "pending", sql("UPDATE vector_space SET pending = 0"), {"vector.pending_count"}, True),
    ("pending-count-below-zero", "alice", sql(f"UPDATE vector_space SET pending = -1 WHERE id = {ENTITIES}"),
     {"vector.pending_count", "vectors.entity_without_node", "vectors.node_without_entity"}, True),
    ("pending-name", "pending", sql("UPDATE vector_pending SET name2 = x'42' WHERE id = x'6131'"),
     {"vector.payload_name"}, True),
    ("pending-vector", "pending", sql("UPDATE vector_pending SET vector = x'0000' WHERE id = x'6132'"),
     {"vector.pending_vector", "vectors.node_without_entity"}, True),
    ("pending-owner", "pending", sql("INSERT INTO pending_owner VALUES (9, 'somebody')"), {"vector.pending_owner"}, True),
    ("pending-owner-of-no-number", "pending",
     sql("INSERT INTO pending_owner SELECT 0, process FROM pending_owner LIMIT 1"), {"vector.pending_owner"}, True),
    ("rows", "alice", sql("UPDATE namespace SET rows = rows + 1 WHERE id = 2"), {"namespace.rows"}, True),
    ("bytes", "alice", sql("UPDATE namespace SET bytes = bytes - 5 WHERE kind = 1 AND name = 'text_chunks'"),
     {"namespace.bytes"}, True),
    ("fixed-namespace", "alice", sql("DELETE FROM namespace WHERE id = 2"), {"namespace.fixed"}, True),
    ("generation", "alice", sql("UPDATE namespace SET generation = 1000000 WHERE id = 1"), {"namespace.generation"}, True),
    ("durable", "alice", sql("UPDATE durable SET token = 1000000"), {"durable.token"}, True),
    ("sqlite-index", "alice", incomplete_index, {"sqlite.integrity"}, True),
    ("index-truncated", "indexed", truncate_index, {"vector.index_file"}, True),
    ("index-flipped", "indexed", flip_index, {"vector.index_file"}, True),
    ("index-gone", "indexed", lambda store: index_file(store).unlink(), {"vector.index_file"}, True),
    ("index-stray", "indexed", stray_index, {"vector.index_stray"}, True),
    ("index-checksum", "indexed", sql("UPDATE vector_index SET checksum = checksum + 1"), {"vector.index_file"}, True),
    ("index-range", "indexed", sql("UPDATE vector_index SET first_slot = first_slot - 1"), {"vector.index_range"}, True),
    ("index-of-no-space", "indexed", sql("UPDATE vector_index SET space = 99"), {"vector.index_range"}, True),
    ("index-not-named", "indexed", sql("DELETE FROM vector_index"), {"vector.index_stray"}, True),
    ("index-without-row", "indexed", slot_that_no_index_has, {"vector.index_rows"}, True),
    # what is not derived: found and left alone
    ("node-id", "alice", sql("INSERT INTO graph_node(label, id, degree) SELECT x'5a5a', id, degree FROM graph_node"
                             " WHERE degree = 0 OR label = (SELECT max(label) FROM graph_node) LIMIT 1"),
     {"graph.node_id", "graph.labels", "vectors.node_without_entity"} | COUNTERS, False),
    ("node-id-far-behind", "alice",
     sql("INSERT INTO graph_node(label, id, degree) VALUES (x'5a59', 1 << 40, 0), (x'5a5a', 1 << 40, 0)",
         "INSERT INTO graph_node_value(id, value) VALUES (1 << 40, x'007b7d')"),
     {"graph.node_id", "graph.labels", "vectors.node_without_entity"} | COUNTERS, False),
    ("elements-without-row", "alice",
     sql(f"INSERT INTO vector_data(part, elements) VALUES (({ENTITIES} << 40) * 64, x'0000')"),
     {"vector.data_without_row"}, False),
    ("entity-of-another-name", "alice",
     sql("UPDATE vector_row SET value = x'00' || '{\"entity_name\":\"nobody\"}', name = CAST('nobody' AS BLOB)"
         f" WHERE slot = {ONE_ENTITY}",
         f"UPDATE vector_name SET name = CAST('nobody' AS BLOB) WHERE slot = {ONE_ENTITY}"),
     {"vectors.entity_without_node", "vectors.node_without_entity", "namespace.bytes"}, False),
    ("text-without-status", "alice",
     sql("INSERT INTO kv(namespace, key, created_at, updated_at, value)"
         f" VALUES ({KV.format('full_docs')}, x'4142', 0, 0, x'007b7d')"),
     {"documents.without_status"} | COUNTERS, False),
    ("edge-end", "alice", sql("UPDATE graph_edge SET target = x'5a5a5a' WHERE id = 1"),
     {"graph.edge_ends", "graph.adjacency_orphan", "namespace.bytes", "vectors.edge_without_relation"}, False),
    ("edge-twice", "alice", sql("INSERT INTO graph_edge(source, target, value) SELECT source, target, value"
                                f" FROM graph_edge WHERE id = {LOOSE_EDGE}"),
     {"graph.edge_twice"} | COUNTERS, False),
    ("node-value", "alice", sql("DELETE FROM graph_node_value WHERE id = (SELECT max(id) FROM graph_node_value)"),
     {"graph.node_value", "namespace.bytes"}, False),
    ("value-without-node", "alice", sql("INSERT INTO graph_node_value(value) VALUES (x'007b7d')"),
     {"graph.value_without_node"}, False),
    ("value-without-node-far-behind", "alice",
     sql("INSERT INTO graph_node_value(id, value) VALUES (1 << 40, x'007b7d'), (1 << 41, x'007b7d')"),
     {"graph.value_without_node"}, False),
    ("vector-data-lost", "alice", sql("DELETE FROM vector_data WHERE part = (SELECT min(part) FROM vector_data)"),
     {"vector.data"}, False),
    ("vector-data-short", "alice",
     sql("UPDATE vector_data SET elements = substr(elements, 3) WHERE part = (SELECT min(part) FROM vector_data)"),
     {"vector.data"}, False),
    ("vector-data-alone", "alice",
     sql(f"INSERT INTO vector_data(part, elements) VALUES ((({ENTITIES} << 40) + 1) * 64 + 63, x'0000')"),
     {"vector.data"}, False),
    ("vector-not-finite", "alice", not_finite, {"vector.finite"}, False),
    ("frame-damaged", "alice", damaged_frame, {"value.readable"}, False),
    ("dictionary-gone", "alice", unknown_dictionary, {"value.readable", "value.dictionary", "namespace.bytes"}, False),
    ("kv-not-json", "alice",
     sql("UPDATE kv SET value = CAST('X[1]' AS BLOB) WHERE id = (SELECT min(k.id) FROM kv k JOIN namespace n"
         " ON n.id = k.namespace WHERE n.name = 'entity_chunks')",
         "UPDATE kv SET value = x'00' || substr(value, 2) WHERE CAST(value AS TEXT) = 'X[1]'"),
     {"kv.not_json", "namespace.bytes"}, False),
    ("kv-of-no-namespace", "alice",
     sql("INSERT INTO kv(namespace, key, created_at, updated_at, value) VALUES (777, x'41', 0, 0, x'007b7d')"),
     {"namespace.known"}, False),
    ("pending-of-no-space", "alice", sql("INSERT INTO vector_pending(space, id, owner, created_at, content, value)"
                             " VALUES (999, x'41', 1, 0, x'0041', x'007b7d')"), {"vector.pending"}, False),
    ("pending-without-payload", "pending", sql("UPDATE vector_pending SET value = NULL WHERE id = x'6131'"),
     {"vector.pending_row", "vectors.node_without_entity"}, False),
    ("pending-delete-with-vector", "pending", sql("UPDATE vector_pending SET vector = zeroblob(768) WHERE id = x'6133'"),
     {"vector.pending_row"}, False),
    ("pending-payload-damaged", "pending", sql("UPDATE vector_pending SET value = x'005b5d', name = NULL WHERE id = x'6131'"),
     {"value.readable"}, False),
    ("pending-text-damaged", "pending", sql("UPDATE vector_pending SET content = x'0128b52ffd' WHERE id = x'6131'"),
     {"value.readable", "vectors.node_without_entity"}, False),
    ("space-record", "alice", sql("UPDATE vector_space SET parts = 99 WHERE id = (SELECT max(id) FROM vector_space)"),
     {"vector.space", "vectors.edge_without_relation", "vectors.relation_without_edge"}, False),
    ("chunk-text-lost", "alice",
     sql("DELETE FROM kv WHERE id = (SELECT min(k.id) FROM kv k JOIN namespace n ON n.id = k.namespace"
         " WHERE n.name = 'text_chunks')"),
     COUNTERS | {"chunks.vector_without_text", "documents.chunk_missing"}, False),
    ("text-lost", "alice",
     sql("DELETE FROM kv WHERE namespace = (SELECT id FROM namespace WHERE kind = 1 AND name = 'full_docs') AND id ="
         " (SELECT min(k.id) FROM kv k JOIN namespace n ON n.id = k.namespace WHERE n.name = 'full_docs')"),
     COUNTERS | {"documents.without_text"}, False),
]

# What a fault leaves behind beside the broken rows themselves.
LEFT_BEHIND = {
    "edge-end": {"vectors.relation_without_edge"},  # with its wrong way to it gone, the edge of the vector is not there
    "node-id": {"graph.labels"},                    # which has room for one label of an id
    "node-id-far-behind": {"graph.labels"},
}


def violated(answer):
    return {row["name"] for row in answer["invariants"] if row["violations"] and not row.get("note")}


def left(answer):
    return {row["name"] for row in answer["invariants"] if not row["holds"]}


@pytest.fixture
def origins(store, indexed, pending):
    return {"alice": store, "indexed": indexed, "pending": pending}


@pytest.mark.parametrize("origin", ["alice", "indexed", "pending"])
def test_a_healthy_store_is_clean(ragstore, origins, origin):
    path = origins[origin]
    answer = ragstore("check", "--json", path).json
    assert answer["healthy"] and violated(answer) == set()
    assert len(answer["invariants"]) >= 40
    assert all(row["what"] and row["examples"] == [] for row in answer["invariants"])
    assert ragstore("check", path).lines == [f"{len(answer['invariants'])} invariants, 0 violated"]


@pytest.mark.parametrize("what, origin, plant, broken, mends", FAULTS, ids=[fault[0] for fault in FAULTS])
def test_fault(ragstore, origins, tmp_path, what, origin, plant, broken, mends):
    path = shutil.copytree(origins[origin], tmp_path / "store")
    healthy = read_tables(path, DERIVED_TABLES)
    plant(path)
    if what == "index-without-row":  # the fault is in the rows, which stay as they are
        healthy = read_tables(path, DERIVED_TABLES)
    planted = read_tables(path, USER_TABLES)
    found = ragstore("check", "--json", path, status=1).json
    assert not found["healthy"]
    assert violated(found) == broken
    assert all(row["examples"] for row in found["invariants"] if row["violations"])
    derived = {row["name"] for row in found["invariants"] if row["derived"]}
    mended = ragstore("check", "--json", "--repair", path, status=0 if mends else 1).json
    remaining = set() if mends else violated(found) - derived | LEFT_BEHIND.get(what, set())
    assert left(mended) == remaining
    assert read_tables(path, USER_TABLES) == planted
    again = ragstore("check", "--json", path, status=0 if mends else 1).json
    assert violated(again) == remaining
    if mends and what != "sqlite-index":
        assert read_tables(path, DERIVED_TABLES) == healthy
    if origin == "indexed":
        assert len(list(path.glob("vectors-*.idx"))) == (what != "index-not-named")  # which is garbage


def test_what_is_only_a_note_is_no_fault(ragstore, store, tmp_path):
    """A chunk of a document that is not there, as custom graphs have them."""
    path = shutil.copytree(store, tmp_path / "store")
    sql("UPDATE kv SET value = x'00' || '{\"full_doc_id\":\"none\"}' WHERE id ="
        f" (SELECT min(id) FROM kv WHERE namespace = {KV.format('text_chunks')})",
        f"UPDATE namespace SET bytes = (SELECT sum(length(key) + length(value)) FROM kv"
        f" WHERE namespace = {KV.format('text_chunks')}) WHERE id = {KV.format('text_chunks')}")(path)
    answer = ragstore("check", "--json", path).json
    assert answer["healthy"] and violated(answer) == set()
    assert {row["name"]: row["violations"] for row in answer["invariants"] if row.get("note")} == dict.fromkeys(NOTES, 1)
    shown = ragstore("check", path).lines
    assert "chunks.unknown_document: 1 to note" in shown and shown[-1].endswith(" 0 violated")


def test_every_invariant_has_its_planted_fault(ragstore, store):
    """The list is the command's own: an invariant that is new needs a fault here."""
    names = {row["name"] for row in ragstore("check", "--json", store).json["invariants"]}
    assert names == set().union(*(fault[3] for fault in FAULTS)) | NOTES


def test_what_cannot_be_mended_is_said(ragstore, store, tmp_path):
    path = shutil.copytree(store, tmp_path / "store")
    sql("UPDATE doc_count SET n = n + 7", "INSERT INTO graph_node_value(value) VALUES (x'007b7d')")(path)
    shown = ragstore("check", path, status=1)
    assert "doc.count: 1 violation, --repair mends it" in shown.lines
    assert "graph.value_without_node: 1 violation, cannot be repaired: this is not derived from other data" in shown.lines
    assert shown.lines[-1].endswith("2 violated: graph.value_without_node, doc.count")
    shown = ragstore("check", "--repair", path, status=1)
    assert "doc.count: 1 violation, 1 repaired" in shown.lines
    assert shown.lines[-1] == "1 repaired, 1 left"


def test_verbose_lists_all_and_quick_reads_less(ragstore, store):
    everything = ragstore("check", "--verbose", store).lines
    assert "graph.degree: holds" in everything and "kv.not_json: holds" in everything
    quick = {row["name"] for row in ragstore("check", "--quick", "--json", store).json["invariants"]}
    assert "graph.degree" in quick and "kv.not_json" not in quick and "value.readable" not in quick


def test_a_terminal_shows_what_is_being_looked_at(ragstore, store):
    """And a log does not."""
    status, shown = ragstore.on_terminal("check", store)
    during, cleared, report = shown.rpartition("\r\x1b[K")
    assert status == 0 and cleared
    assert re.match(r"\r(graph|vector|docs?|kv|store)\.\w+", during), during
    assert re.fullmatch(r"\d+ invariants, 0 violated\r\n", report)
    assert ragstore("check", store).err == ""


def test_examples_are_as_many_as_asked_for(ragstore, store, tmp_path):
    path = shutil.copytree(store, tmp_path / "store")
    sql("UPDATE graph_node SET degree = degree + 1")(path)
    answer = ragstore("check", "--json", "--examples", "3", path, status=1).json
    row = next(row for row in answer["invariants"] if row["name"] == "graph.degree")
    assert len(row["examples"]) == 3 and row["violations"] == row["checked"] > 3


# Runs a command from a process that is small itself, for a child begins with what its parent has; prints its peak in kB.
MEASURE = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


def test_memory_is_bounded_when_rows_are_large(ragstore, tmp_path):
    """80 MB of documents, of which a few are in memory at a time."""
    rows = {f"doc-{i}": {"content": f"{i:03} " * 500_000} for i in range(40)}
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "kv_store_full_docs.json").write_text(json.dumps(rows), encoding="utf-8")
    ragstore("import", tmp_path / "files", tmp_path / "store", "--model", "m")
    for command in ["check"], ["check", "--quick"], ["status", "--content-hash"]:
        done = subprocess.run([sys.executable, "-c", MEASURE, ragstore.path, *command, tmp_path / "store"], check=True,
                              capture_output=True, timeout=120)
        assert int(done.stdout) < 45_000, command


def test_checking_changes_nothing(ragstore, store, tmp_path):
    path = shutil.copytree(store, tmp_path / "store")
    sql("UPDATE doc_count SET n = n + 7")(path)
    before = (path / "ragstore.db").read_bytes()
    ragstore("check", path, status=1)
    assert (path / "ragstore.db").read_bytes() == before
