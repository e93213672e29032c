"""ragstore compact: space given back, in words and in JSON."""
import shutil


def test_a_fresh_store_is_compact(ragstore, store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "copy")
    rows = ragstore("status", "--json", copy).json["namespaces"]
    assert ragstore("compact", "--json", copy).json["freed_bytes"] < 100_000
    assert ragstore("status", "--json", copy).json["namespaces"] == rows
    assert "given back" in ragstore("compact", copy).out or "compact" in ragstore("compact", copy).out


def test_mistakes(ragstore, tmp_path):
    ragstore("compact", status=2)
    assert "no store" in ragstore("compact", tmp_path / "nowhere", status=3).err
    assert not (tmp_path / "nowhere").exists()
