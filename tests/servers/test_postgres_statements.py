"""No value is ever part of the text of a statement: what the server logs of each statement has none of them. Nor with the
graph in AGE: no Cypher is written."""

import secrets

import pytest

from conftest import run_program, run_script, settings

LOGGING = {"log_statement": "all", "log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0"}


@pytest.mark.parametrize("graph", ["age", "tables"])
def test_no_value_is_inlined(postgres17, database17, graph):
    tokens = [secrets.token_hex(8) for _ in range(80)]
    url = f"{database17.url}?graph={graph}"
    with settings(postgres17, **LOGGING):
        left = iter(tokens)
        for namespace, key in (("text_chunks", "{}"), ("other", "{}'\";--"), ("doc_status", "{}"), ("graph_nodes", "$${}"),
                               ("graph_edges", "{}|x"), ("vector:entities", "{}'\";--"), ("vector:own'\"$$", "{}")):
            words = []
            for _ in range(5):
                words += [key.format(next(left)), '{"status":"%s","content":"v"}' % next(left)]
            calls = [("put", words), ("get", words[::2])]
            if namespace.startswith("vector:"):
                calls.append(("find", words[:1]))
            for verb, given in calls:
                done = run_program("tests/rows", url, verb, namespace, *given)
                assert done.returncode == 0, done.stderr
                assert verb == "put" or ("absent" not in done.stdout and done.stdout)
        waiting = "".join(f"defer {next(left)}\n" for _ in range(5))    # rows that wait for vectors
        done = run_program("tests/calls", url, stdin=None, input=waiting)
        assert done.stdout.splitlines() == ["ok"] * 6, done
        log = run_script("log", postgres17.folder)
    assert "INSERT INTO lightrag_doc_chunks" in log    # it has the statements
    assert ('UPDATE "chunk_entity_relation".base' if graph == "age" else "INSERT INTO lightrag_graph_nodes") in log
    assert "INSERT INTO lightrag_vdb_entity" in log and "INSERT INTO ragstore_pending" in log
    assert [token for token in tokens if token in log] == []
