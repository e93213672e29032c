"""ragstore docs and ragstore config."""
import json


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


def test_docs_of_a_status_that_does_not_exist(ragstore, store):
    shown = ragstore("docs", store, "--status", "proccessed")
    assert "no status 'proccessed'" in shown.err and "pending, parsing" in shown.err
    assert ragstore("docs", store, "--status", "failed").err == ""


def test_docs_beyond_the_last_page(ragstore, store):
    answer = ragstore("docs", store, "--page", "7", "--page-size", "10", "--json").json
    assert answer["documents"] == [] and answer["total"] == 1
    assert ragstore("docs", store, "--page", "7").lines[1:] == ["there is no page 7; the last: --page 1"]


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
    """What holds for any store is listed; opening needs a name still."""
    done = ragstore("config", cwd=tmp_path, env={"WORKSPACE": "mine"})
    values = {line.split()[0]: line.split()[1:] for line in done.lines[1:6]}
    assert values == {"url": ["not", "set"], "workspace": ["mine", "environment", "WORKSPACE"],
                      "lock_timeout_ms": ["30000", "default"], "working_dir": ["./rag_storage", "default"],
                      "stores": ["~/.config/ragstore/stores.ini", "default"]}
    assert "\nNothing names a store. Give STORE, or set RAGSTORE_URL" in done.out
    answer = ragstore("config", "--json", cwd=tmp_path).json
    assert answer["values"][0] == {"name": "url", "value": "", "source": "not set"}
    assert "Nothing names" not in ragstore("config", cwd=tmp_path, env={"RAGSTORE_URL": "memory:"}).out


def test_config_that_is_wrong(ragstore, tmp_path):
    assert "nosuch" in ragstore("config", cwd=tmp_path, env={"RAGSTORE_URL": "nosuch://x"}, status=2).err
    (tmp_path / "config.ini").write_text("[ragstore]\nkv = ./store\n")
    assert "vector" in ragstore("config", cwd=tmp_path, status=2).err


def test_hostile_names_stay_on_their_line(ragstore, alice_copy, tmp_path):
    path = alice_copy / "kv_store_doc_status.json"
    docs = json.loads(path.read_text(encoding="utf-8"))
    (key, value), = docs.items()
    hostile = {**value, "file_path": "a\nb\x1b[2J\u202e", "status": "failed",
               "error_msg": "first line\nsecond \x07 line", "updated_at": "2026-01-01T00:00:00+00:00"}
    path.write_text(json.dumps({key: value, "id\twith tab": hostile}), encoding="utf-8")
    store = tmp_path / "a.store"
    ragstore("import", alice_copy, store)
    shown = ragstore("docs", store)
    row = next(line for line in shown.lines if line.startswith(r"id\twith tab "))
    assert row.endswith(r"2026-01-01 00:00:00  a b\x1b[2J\u202e")
    assert shown.lines[-1] == r"id\twith tab: first line\nsecond \a line"
    assert not set(shown.out) & {"\x1b", "\x07", "\u202e", "\t"}
    found = {doc["id"]: doc for doc in ragstore("docs", store, "--json").json["documents"]}
    assert found["id\twith tab"] == {"id": "id\twith tab", **hostile}
