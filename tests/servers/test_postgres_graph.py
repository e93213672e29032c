"""Where the graph of a workspace is: in AGE or in plain tables, chosen once."""

import json

import pytest

from conftest import run_program

ROWS = "SELECT count(*) FROM lightrag_graph_nodes"
GRAPHS = "SELECT string_agg(name, ' ' ORDER BY name) FROM ag_catalog.ag_graph"


def rows(url, options, *words):
    return run_program("tests/rows", f"{url}?workspace={options}", *words)


def put(url, options, node="a", value="{}"):
    done = rows(url, options, "put", "graph_nodes", node, value)
    assert done.returncode == 0, done.stderr


def get(url, options, node="a"):
    done = rows(url, options, "get", "graph_nodes", node)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refusal(url, options):
    done = rows(url, options, "get", "graph_nodes", "a")
    assert done.returncode == 1
    return done.stderr


def layout(url, workspace):
    done = run_program("ragstore", "status", "--json", f"{url}?workspace={workspace}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_age_where_the_server_has_it(database17):
    put(database17.url, "Tea-Party")
    said = json.dumps(layout(database17.url, "Tea-Party"))
    assert '"graph": "age"' in said and '"graph_name": "Tea_Party_chunk_entity_relation"' in said
    assert database17.sql(ROWS) == "0"
    put(database17.url, "default")    # LightRAG's name for the workspace without one
    assert database17.sql(GRAPHS) == "Tea_Party_chunk_entity_relation chunk_entity_relation"


def test_tables_where_it_has_not(database15):
    put(database15.url, "w")
    assert '"graph": "tables"' in json.dumps(layout(database15.url, "w"))
    assert "age" in refusal(database15.url, "v&graph=age")


def test_a_graph_stays_where_its_rows_are(database17):
    put(database17.url, "t&graph=tables")
    put(database17.url, "g&graph=age")
    assert get(database17.url, "t") == get(database17.url, "g") == "{}"
    assert database17.sql(ROWS) == "1"
    assert "rows in tables" in refusal(database17.url, "t&graph=age")
    assert "rows in AGE" in refusal(database17.url, "g&graph=tables")
    assert "not auto, age or tables" in refusal(database17.url, "g&graph=else")


@pytest.mark.parametrize("has,asked", [("age", "tables"), ("tables", "age")])
def test_readers_are_refused_the_other_place_too(database17, has, asked):
    put(database17.url, f"w&graph={has}")
    for command in ["status", "check"]:
        done = run_program("ragstore", command, f"{database17.url}?workspace=w&graph={asked}")
        assert done.returncode != 0 and f"graph = {asked}, but the graph of workspace 'w'" in done.stderr


def test_a_workspace_that_only_lightrag_wrote_is_not_read_by_halves(database17):
    put(database17.url, "w")
    database17.sql("INSERT INTO lightrag_doc_full (workspace, id, content) VALUES ('theirs', 'doc-1', 'text')")
    done = run_program("ragstore", "status", f"{database17.url}?workspace=theirs")
    assert done.returncode == 3 and "workspace 'theirs' of the database is no store yet" in done.stderr
    assert get(database17.url, "theirs") == "absent"    # opened for writing
    assert layout(database17.url, "theirs")


def test_an_empty_graph_may_move(database17):
    assert get(database17.url, "w&graph=tables") == "absent"
    assert get(database17.url, "w&graph=age") == "absent"
    assert get(database17.url, "w&graph=tables") == "absent"
    put(database17.url, "w")
    assert database17.sql(ROWS) == "1"    # where it was last


def test_rows_in_tables_that_were_there_before_stay(database17):
    put(database17.url, "other&graph=tables")
    database17.sql("INSERT INTO lightrag_graph_nodes (workspace, id, properties) VALUES ('w', 'a', '{\"entity_id\": \"a\"}')")
    assert get(database17.url, "w") == '{"entity_id":"a"}'
    assert '"graph": "tables"' in json.dumps(layout(database17.url, "w"))


def test_two_workspaces_of_one_name_in_age(database17):
    put(database17.url, "a-b", "a", '{"x":1}')
    put(database17.url, "a.b", "a", '{"x":2}')
    assert get(database17.url, "a-b") == '{"x":1}'
    assert get(database17.url, "a.b") == '{"x":2}'
    assert '"graph": "tables"' in json.dumps(layout(database17.url, "a.b"))
    assert "another workspace" in refusal(database17.url, "a_b&graph=age")


def test_a_name_that_age_refuses(database17):
    put(database17.url, "1st")
    assert '"graph": "tables"' in json.dumps(layout(database17.url, "1st"))


@pytest.mark.parametrize("age", ["", "CREATE EXTENSION age", "CREATE EXTENSION age; GRANT USAGE ON SCHEMA ag_catalog TO PUBLIC"])
def test_a_role_that_may_not_use_age_gets_tables(database17, unprivileged17, age):
    if age:
        database17.sql(age)
    put(unprivileged17.url, "w")
    assert '"graph": "tables"' in json.dumps(layout(unprivileged17.url, "w"))
    assert refusal(unprivileged17.url, "v&graph=age").startswith("denied")


def test_a_graph_that_somebody_dropped_is_made_again(database17):
    put(database17.url, "w")
    database17.sql("SELECT ag_catalog.drop_graph('w_chunk_entity_relation', true)")
    assert get(database17.url, "w") == "absent"
    put(database17.url, "w")
    assert get(database17.url, "w") == "{}"


def test_twins_that_others_made_are_one_node(database17):
    put(database17.url, "w", "b")
    database17.sql("INSERT INTO w_chunk_entity_relation.base (properties) SELECT properties FROM w_chunk_entity_relation.base")
    assert rows(database17.url, "w", "put", "graph_edges", "a|b", '{"x":1}').returncode == 0
    assert rows(database17.url, "w", "get", "graph_edges", "b|a").stdout.strip() == '{"x":1}'
    put(database17.url, "w", "b", '{"y":2}')
    assert json.loads(get(database17.url, "w", "b"))["y"] == 2
    assert database17.sql("SELECT count(DISTINCT properties) FROM w_chunk_entity_relation.base") == "2"
    assert database17.sql('SELECT count(*) FROM w_chunk_entity_relation."DIRECTED"') == "1"


def test_searching_paths_of_sessions_stay_as_they_are(database17):
    put(database17.url, "w")
    put(database17.url, "w&server_options=search_path%3Dpublic", "b")
    assert get(database17.url, "w&server_options=search_path%3Dpublic", "b") == "{}"


NUMBERS = ["0", "-1", "9223372036854775807", "-9223372036854775808", "-0", "-0.0", "0.0", "1.0", "1.50", "0.1", "0.0001", "0.00001", "100.0",
           "123456789012345.0", "0.30000000000000004", "1234567890123456.5", "1e3", "1E-2", "5e-324", "1e-400", "-2.5e-350", "1.7e308",
           "0." + "0" * 400 + "1", "0e-999", "12345.678900", "true", '"\\u00e9"', '"\\/"']


@pytest.mark.parametrize("graph", ["age", "tables"])
def test_numbers_come_back_as_they_were_spelled(database17, graph):
    value = "{" + ",".join(f'"n{place}":{number}' for place, number in enumerate(NUMBERS)) + "}"
    put(database17.url, f"w&graph={graph}", "a", value)
    assert get(database17.url, "w", "a") == value
    for number in NUMBERS:    # alone, where the column may have it as it is
        put(database17.url, "w", "b" + number[:200], f'{{"n":{number}}}')
        assert get(database17.url, "w", "b" + number[:200]) == f'{{"n":{number}}}'
