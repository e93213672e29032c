"""ragstore bench: it measures, and says so in both forms. No figure is judged here."""
import json
import shutil

import pytest

FIGURES = {
    "open": ["open.open.median", "open.open_search_close.p95"],
    "search": ["search.relationships.median", "search.chunks.with_payload.p95", "search.entities.exact.median"],
    "expansion": ["expansion.incident.median", "expansion.all.p95", "expansion.with_degrees.median"],
    "reads": ["reads.text_chunks.one.median", "reads.llm_response_cache.hundred.median"],
    "view": ["view.whole.median", "view.from_node.median"],
    "labels": ["labels.whole.median", "labels.one.p95", "labels.nothing.median", "labels.popular.median"],
}


def figures(done):
    rows = [json.loads(line) for line in done.lines]
    assert all(set(row) == {"what", "value", "unit"} for row in rows)
    return {row["what"]: row["value"] for row in rows}


@pytest.mark.parametrize("name", FIGURES)
def test_reading_benches(ragstore, store, name):
    found = figures(ragstore("bench", name, store, "--runs", "3", "--json"))
    for what in FIGURES[name]:
        assert found[what] > 0
    assert found[f"{name}.peak_memory"] > 0
    shown = ragstore("bench", name, store, "--runs", "3")
    assert {line.split()[0] for line in shown.lines[1:]} == set(found)


def test_recall_is_that_of_the_same_questions(ragstore, store, vector_files):
    first = figures(ragstore("bench", "search", store, "--runs", "20", "--seed", "5", "--json"))
    again = figures(ragstore("bench", "search", store, "--runs", "20", "--seed", "5", "--json"))
    for space in ("chunks", "entities", "relationships"):
        assert first[f"search.{space}.recall_at_60"] >= 0.99
        assert first[f"search.{space}.recall_at_60"] == again[f"search.{space}.recall_at_60"]
        assert first[f"search.{space}.rows"] == len(vector_files[space])


def test_expansion_counts_edges(ragstore, store):
    found = figures(ragstore("bench", "expansion", store, "--runs", "1", "--json"))
    assert found["expansion.nodes"] == 40 and found["expansion.edges"] > 40


DOCS = ["docs", "--write", "--documents", "2500", "--runs", "3"]


def test_docs_leaves_the_store_as_it_was(ragstore, store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "copy")
    before = ragstore("docs", copy, "--json").json
    found = figures(ragstore("bench", *DOCS, copy, "--json"))
    asked = [f"page.{order}.{which}" for order in ("updated", "created", "id", "file")
             for which in ("all", "two_statuses")] + ["page.far", "sweep"]
    assert set(found) == {f"docs.{what}.{part}" for what in asked for part in ("median", "p95")} | {
        "docs.documents", "docs.peak_memory"}
    assert found["docs.documents"] == 2500 and min(found.values()) > 0
    assert ragstore("docs", copy, "--json").json == before
    assert ragstore("check", copy, "--json").json["healthy"] is True


def test_update_leaves_the_store_as_it_was(ragstore, store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "copy")
    before = ragstore("status", copy, "--json").json["namespaces"]
    found = figures(ragstore("bench", "update", copy, "--runs", "2", "--write", "--json"))
    assert found["update.wall.median"] > 0 and found["update.wchar.median"] > 100_000
    after = ragstore("status", copy, "--json").json["namespaces"]
    assert [(s["kind"], s["name"], s["rows"], s["bytes"]) for s in after] == \
        [(s["kind"], s["name"], s["rows"], s["bytes"]) for s in before]


def test_bulk_takes_a_new_store_and_drops_what_it_wrote(ragstore, store, tmp_path):
    new = tmp_path / "new"
    bulk = ["bulk", "--write", "--rows", "450", "--dimension", "32"]
    found = figures(ragstore("bench", *bulk, new, "--json"))
    assert set(found) == {f"bulk.{what}" for what in ("rows", "put", "index", "all", "put_rate", "peak_memory")}
    assert found["bulk.rows"] == 450 and found["bulk.all"] >= found["bulk.put"] > 0
    assert ragstore("status", new, "--json").json["namespaces"] == []
    refused = ragstore("bench", *bulk, shutil.copytree(store, tmp_path / "copy"), status=1)
    assert "chunks" in refused.err
    assert ragstore("bench", "bulk", new, status=2).err
