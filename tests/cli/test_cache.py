"""ragstore cache: limits of caches, shown and set."""
import shutil

import pytest

CACHE = "llm_response_cache"


@pytest.fixture
def own(store, tmp_path):
    return shutil.copytree(store, tmp_path / "own")


def only(done):
    cache, = done.json["caches"]
    return cache


def status_of(ragstore, store):
    return next(s for s in ragstore("status", store, "--json").json["namespaces"] if s["name"] == CACHE)


def test_without_limits(ragstore, store, kv_files):
    cache = only(ragstore("cache", store, "--json"))
    space = status_of(ragstore, store)
    assert cache == {"namespace": CACHE, "rows": len(kv_files[CACHE]), "bytes": space["bytes"], "max_bytes": None,
                     "ttl_seconds": None}
    assert only(ragstore("cache", store, CACHE, "--json")) == cache
    assert ragstore("cache", store).lines[1].split()[:2] == [CACHE, "300"]
    assert ragstore("cache", store).lines[1].split()[-2:] == ["none", "none"]


def test_size(ragstore, own):
    done = ragstore("cache", own, CACHE, "--max-size", "100kB", "--json")
    cache = only(done)
    assert cache["max_bytes"] == 100_000 and 0 < cache["bytes"] <= 100_000 and 0 < cache["rows"] < 300
    assert done.err == f"{300 - cache['rows']} rows beyond the new limits went\n"
    assert only(ragstore("cache", own, "--json")) == cache, "the limit is kept in the store"
    assert status_of(ragstore, own)["rows"] == cache["rows"]
    assert ragstore("cache", own).lines[1].split()[-3:] == ["100", "kB", "none"]


def test_age(ragstore, own, kv_files):
    done = ragstore("cache", own, CACHE, "--ttl", "36500d", "--json")
    assert only(done)["ttl_seconds"] == 36500 * 86400 and only(done)["rows"] == 300 and done.err == ""
    assert ragstore("cache", own).lines[1].endswith("36,500 days")
    done = ragstore("cache", own, CACHE, "--ttl", "2", "--json")
    assert only(done) == {"namespace": CACHE, "rows": 0, "bytes": 0, "max_bytes": None, "ttl_seconds": 2}
    assert done.err == "300 rows beyond the new limits went\n", "what LightRAG wrote is older than two seconds"
    assert ragstore("cache", own, CACHE).lines[1].endswith(" 2 seconds")


def test_one_limit_leaves_the_other(ragstore, own):
    ragstore("cache", own, CACHE, "--max-size", "1GiB", "--ttl", "5200w")
    assert only(ragstore("cache", own, CACHE, "--max-size", "2GB", "--json"))["ttl_seconds"] == 5200 * 604800
    cache = only(ragstore("cache", own, CACHE, "--ttl", "none", "--json"))
    assert (cache["max_bytes"], cache["ttl_seconds"]) == (2_000_000_000, None)
    cache = only(ragstore("cache", own, CACHE, "--max-size", "0", "--json"))
    assert (cache["max_bytes"], cache["ttl_seconds"], cache["rows"]) == (None, None, 300)


def test_a_cache_that_is_not_there_yet(ragstore, own):
    done = ragstore("cache", own, "image_cache", "--max-size", "1MB", "--json")
    assert only(done)["max_bytes"] == 1_000_000 and only(done)["rows"] == 0
    assert done.err.startswith("ragstore: warning: there was no cache 'image_cache'\n")
    assert ragstore("cache", own, "image_cache", "--max-size", "1MB").err == ""


def test_files_of_lightrag_keep_no_limits(ragstore, alice_copy):
    before = (alice_copy / f"kv_store_{CACHE}.json").read_bytes()
    done = ragstore("cache", f"lightrag:{alice_copy}", CACHE, "--max-size", "1kB", status=1)
    assert done.err == ("ragstore: backend 'lightrag' has no limits of caches\n"
                        "  import it into a store that keeps limits\n")
    assert (alice_copy / f"kv_store_{CACHE}.json").read_bytes() == before
    assert only(ragstore("cache", f"lightrag:{alice_copy}", "--json"))["rows"] == 300


def test_names(ragstore, store):
    done = ragstore("cache", store, "text_chunks", status=2)
    assert done.err.startswith("ragstore: 'text_chunks' is no cache: limits are for namespaces whose names end in _cache")
    done = ragstore("cache", store, "llm_respone_cache", status=1)
    assert f"did you mean {CACHE}?" in done.err
    assert "which cache?" in ragstore("cache", store, "--ttl", "1d", status=2).err


def test_a_store_without_caches(ragstore, tmp_path, alice_copy):
    (alice_copy / f"kv_store_{CACHE}.json").unlink()
    ragstore("import", alice_copy, tmp_path / "store")
    assert ragstore("cache", tmp_path / "store", "--json").json == {"caches": []}
    assert ragstore("cache", tmp_path / "store").out.startswith("the store has no cache")


@pytest.mark.parametrize("option, values, message", [
    ("--max-size", ["-1", "", "x", "1XB", "1 0", "0x10", "1e30", "0.0001", "nan", "1.2.3MB", "99999999TB"],
     "--max-size wants a size such as 500MB or 2GiB, or none, not '"),
    ("--ttl", ["-1s", "1y", "s", "inf", "0.1s", "99999999999999999999d"],
     "--ttl wants a time such as 90s, 12h or 30d, or none, not '"),
])
def test_amounts_that_are_none(ragstore, store, option, values, message):
    for value in values:
        assert f"{message}{value}'" in ragstore("cache", store, CACHE, f"{option}={value}", status=2).err


@pytest.mark.parametrize("given, bytes", [("4096000", 4096000), ("1.5MB", 1_500_000), ("1 gb", 10**9), ("3g", 3 * 10**9),
                                          ("2MiB", 2 << 20), ("1tib", 1 << 40), ("1000k", 10**6)])
def test_sizes(ragstore, own, given, bytes):
    assert only(ragstore("cache", own, CACHE, "--max-size", given, "--json"))["max_bytes"] == bytes
