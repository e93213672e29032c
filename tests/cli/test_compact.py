"""ragstore compact: space given back, in words and in JSON."""
import shutil


def test_a_fresh_store_is_compact(ragstore, store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "copy")
    rows = ragstore("status", "--json", copy).json["namespaces"]
    assert ragstore("compact", "--json", copy).json["freed_bytes"] < 100_000
    assert ragstore("status", "--json", copy).json["namespaces"] == rows
    assert "given back" in ragstore("compact", copy).out or "compact" in ragstore("compact", copy).out


def size_shown(bytes):
    """As the command shows it, in kB with at least two digits before the point."""
    assert 10_000 <= bytes < 999_500
    return f"{bytes / 1000:.0f} kB" if bytes >= 99_950 else f"{bytes / 1000:.1f} kB"


def test_progress_counts_what_is_given_back(ragstore, store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "copy")
    ragstore("cache", copy, "llm_response_cache", "--max-size", "10kB")
    free = ragstore("status", "--json", copy).json["stores"]["kv"]["free_bytes"]
    done = ragstore("compact", copy)
    stage, = done.err.splitlines()
    assert stage.startswith(f"compact: {size_shown(free)}, ") and stage.endswith(" (100 % of all)")


def test_mistakes(ragstore, tmp_path):
    ragstore("compact", status=2)
    assert "no store" in ragstore("compact", tmp_path / "nowhere", status=3).err
    assert not (tmp_path / "nowhere").exists()
