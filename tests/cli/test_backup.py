"""ragstore backup: a copy that is a store."""


def test_copy_answers_as_the_original(ragstore, store, tmp_path):
    copy = tmp_path / "deeper" / "copy"
    assert str(copy) in ragstore("backup", store, copy).out
    assert ragstore("status", "--json", copy).json["namespaces"] == ragstore("status", "--json", store).json["namespaces"]
    assert sorted(p.name for p in copy.glob("vectors-*")) == sorted(p.name for p in store.glob("vectors-*"))
    assert ragstore("backup", "--json", store, tmp_path / "second").json["store"] == str(tmp_path / "second")


def test_progress_counts_the_bytes_of_the_database(ragstore, store, tmp_path):
    stage, = ragstore("backup", store, tmp_path / "copy").err.splitlines()
    megabytes = (tmp_path / "copy" / "ragstore.db").stat().st_size / 1e6
    assert megabytes > 1 and stage.startswith(f"copy: {megabytes:.1f} MB, ") and stage.endswith(" (100 % of all)")


def test_mistakes(ragstore, store, tmp_path):
    ragstore("backup", store, status=2)
    ragstore("backup", store, "", status=2)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("x")
    assert "not empty" in ragstore("backup", store, tmp_path / "taken", status=1).err
    assert [p.name for p in (tmp_path / "taken").iterdir()] == ["file"]
    assert "inside the store" in ragstore("backup", store, store / "copy", status=1).err
    assert "no store" in ragstore("backup", tmp_path / "nowhere", tmp_path / "copy", status=3).err
