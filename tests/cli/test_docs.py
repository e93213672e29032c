"""ragstore docs and ragstore config."""


def test_docs_json(ragstore, store, kv_files):
    (key, value), = kv_files["doc_status"].items()
    answer = ragstore("docs", store, "--json").json
    assert (answer["total"], answer["page"], answer["page_size"]) == (1, 1, 50)
    assert list(answer["counts"])[:7] == ["pending", "parsing", "analyzing", "processing", "preprocessed", "processed",
                                          "failed"]
    assert answer["counts"]["processed"] == 1 and sum(answer["counts"].values()) == 1
    assert answer["documents"] == [{"id": key, **value}]


def test_docs_for_reading(ragstore, store, kv_files):
    (key, value), = kv_files["doc_status"].items()
    shown = ragstore("docs", store)
    assert shown.lines[0] == "1 document: 1 processed"
    updated = value["updated_at"][:19].split("T")
    assert shown.lines[-1].split() == [key, "processed", str(value["chunks_count"]), *updated, value["file_path"]]


def test_docs_by_status(ragstore, store):
    assert ragstore("docs", store, "--status", "failed", "--json").json["documents"] == []
    assert ragstore("docs", store, "--status", "processed", "--json").json["total"] == 1
    assert len(ragstore("docs", store, "--status", "failed").lines) == 1


def test_docs_beyond_the_last_page(ragstore, store):
    answer = ragstore("docs", store, "--page", "7", "--page-size", "10", "--json").json
    assert answer["documents"] == [] and answer["total"] == 1


def test_docs_sorts(ragstore, store):
    for sort in ("updated", "created", "id", "file"):
        assert ragstore("docs", store, "--sort", sort, "--ascending", "--json").json["total"] == 1


def test_config_of_a_store(ragstore, tmp_path):
    answer = ragstore("config", "./some.store", "--json", cwd=tmp_path).json
    values = {value["name"]: value for value in answer["values"]}
    assert values["location"]["value"] == "./some.store" and values["location"]["source"] == "url"
    assert {backend["name"] for backend in answer["backends"]} >= {"embedded", "memory"}
    assert not (tmp_path / "some.store").exists(), "config opens nothing"
    shown = ragstore("config", "./some.store", cwd=tmp_path)
    assert any(line.split() == ["location", "./some.store", "url"] for line in shown.lines)


def test_config_without_anything(ragstore, tmp_path):
    done = ragstore("config", cwd=tmp_path, status=2)
    assert done.err.startswith("ragstore: no store is named")
