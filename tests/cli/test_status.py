"""ragstore status: what a store is and holds."""
import json

KINDS = {"kv", "vector", "graph", "doc_status"}


def expected_rows(kv_files, vector_files, graph_file):
    nodes, edges = graph_file
    rows = {("kv", name): len(values) for name, values in kv_files.items() if name != "doc_status"}
    rows |= {("vector", name): len(values) for name, values in vector_files.items()}
    rows[("graph_nodes", "graph")] = len(nodes)
    rows[("graph_edges", "graph")] = len(edges)
    rows[("doc_status", "doc_status")] = len(kv_files["doc_status"])
    return rows


def test_json_counts_what_the_files_hold(ragstore, store, kv_files, vector_files, graph_file):
    answer = ragstore("status", "--json", store).json
    assert set(answer["stores"]) == KINDS
    for facts in answer["stores"].values():
        assert facts["backend"] == "embedded" and facts["location"]
    counted = {(space["kind"], space["name"]): space["rows"] for space in answer["namespaces"]}
    assert counted == expected_rows(kv_files, vector_files, graph_file)
    assert all(space["bytes"] > 0 for space in answer["namespaces"])


def test_vector_spaces_say_what_their_vectors_are(ragstore, store):
    spaces = [s for s in ragstore("status", "--json", store).json["namespaces"] if s["kind"] == "vector"]
    assert len(spaces) == 3
    for space in spaces:
        assert (space["dimension"], space["metric"], space["element"], space["model"]) == \
            (384, "cosine", "float16", "all-MiniLM-L6-v2")


def test_everything_was_made_durable_by_the_import(ragstore, store):
    facts = ragstore("status", "--json", store).json["stores"]["kv"]
    assert facts["durable_token"] == facts["token"]


def test_for_reading(ragstore, store, kv_files):
    shown = ragstore("status", store)
    assert any(line.split() == ["backend", "embedded"] for line in shown.lines)
    cells = [line.split() for line in shown.lines]
    assert ["kind", "namespace", "rows", "size"] in cells
    row = next(line for line in cells if line[:2] == ["kv", "llm_response_cache"])
    assert row[2] == str(len(kv_files["llm_response_cache"])) and row[4] in ("kB", "MB")
    assert all(line == line.rstrip() for line in shown.lines)


def test_reading_changes_nothing(ragstore, store):
    before = (store / "ragstore.db").read_bytes()
    first = ragstore("status", "--json", store).json
    assert json.dumps(ragstore("status", "--json", store).json) == json.dumps(first)
    assert (store / "ragstore.db").read_bytes() == before
