"""Schemas of earlier versions, as those made them (tests/data/postgres-v*.sql), and of later ones."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import ROOT, run_program

CURRENT = int(re.search(r"PG_SCHEMA_VERSION = (\d+)", (ROOT / "src/backends/postgres/schema.h").read_text()).group(1))
OLD = range(1, CURRENT)

# what the fixtures hold, in the workspace w
ROWS = {
    "text_chunks": {"c1": '{"content":"one","tokens":3,"chunk_order_index":0,"full_doc_id":"d1","file_path":"a.txt",'
                          '"llm_cache_list":[]}',
                    "c2": '{"content":"two","odd":true,"llm_cache_list":[]}'},
    "other": {"k": '{"v":[1,2.50]}'},
    "doc_status": {"d1": '{"status":"processed","content_summary":"s","content_length":3,'
                         '"created_at":"2026-11-21T08:11:10.023127+00:00",'
                         '"updated_at":"2026-11-21T08:11:10.023127+00:00","file_path":"a.txt","chunks_list":[]}'},
    "graph_nodes": {"A": '{"entity_type":"t","description":"first"}', "B": '{"entity_type":"t"}'},
    "graph_edges": {"A|B": '{"weight":1.0}'},
}


def rows(database, *words):
    return run_program("tests/rows", f"{database.url}?workspace=w", *words)


def fill(database, version):
    database.sql((ROOT / f"tests/data/postgres-v{version}.sql").read_text())
    assert database.sql("SELECT version FROM ragstore_meta") == str(version)


def assert_everything_is_there(database):
    for namespace, values in ROWS.items():
        done = rows(database, "get", namespace, *values)
        assert (done.stdout.splitlines(), done.stderr) == (list(values.values()), ""), namespace


def counted(database):
    return database.sql("SELECT kind, name, sum(rows) FROM (SELECT kind, name, rows FROM ragstore_namespace UNION ALL"
                        " SELECT kind, name, rows FROM ragstore_change) c GROUP BY 1, 2 HAVING sum(rows) <> 0 ORDER BY 1, 2")


@pytest.fixture(params=["database17", "database15"])
def database(request):
    return request.getfixturevalue(request.param)


def test_there_is_a_fixture_of_each_earlier_version():
    assert sorted(path.name for path in (ROOT / "tests/data").glob("postgres-v*.sql")) == \
        [f"postgres-v{version}.sql" for version in OLD]


@pytest.mark.parametrize("version", OLD)
def test_an_earlier_version_is_brought_up_to_date(database, version):
    fill(database, version)
    before = counted(database)
    with ThreadPoolExecutor(3) as several:    # at once: one does it, the others find it done
        for done in several.map(lambda key: rows(database, "get", "other", key), ["k"] * 3):
            assert (done.stdout, done.stderr) == (ROWS["other"]["k"] + "\n", "")
    assert database.sql("SELECT version FROM ragstore_meta") == str(CURRENT)
    assert_everything_is_there(database)
    assert counted(database) == before
    assert rows(database, "put", "other", "more", "{}").stderr == ""
    assert rows(database, "put", "graph_edges", "A|C", "{}").stderr == ""
    assert rows(database, "get", "graph_edges", "A|C", "A|B").stdout == "{}\n" + ROWS["graph_edges"]["A|B"] + "\n"


@pytest.mark.parametrize("version", OLD)
def test_an_earlier_version_is_not_changed_by_reading(database17, version):
    fill(database17, version)
    done = run_program("ragstore", "status", f"{database17.url}?workspace=w")
    assert done.returncode == 1, done
    assert f"has version {version}" in done.stderr and "opening it once for writing" in done.stderr
    assert "newer ragstore" not in done.stderr
    assert database17.sql("SELECT version FROM ragstore_meta") == str(version)


def test_a_later_version_is_refused(database17):
    assert rows(database17, "put", "other", "k", "{}").returncode == 0
    database17.sql(f"UPDATE ragstore_meta SET version = {CURRENT + 1}")
    for words in (("get", "other", "k"), ("put", "other", "k", "{}")):
        done = rows(database17, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"has version {CURRENT + 1}, this program knows {CURRENT}" in done.stderr
    refused = run_program("ragstore", "status", f"{database17.url}?workspace=w")
    assert refused.returncode == 1 and "newer ragstore" in refused.stderr
    assert database17.sql("SELECT version FROM ragstore_meta") == str(CURRENT + 1)
