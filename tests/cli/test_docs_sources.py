"""ragstore docs: the documents of a track and of a file, and files that several documents claim."""
import hashlib
import json
import shutil

import pytest

IDS = ["doc-1", "doc-2", "doc-3", "doc-4", "doc-5", "doc-6"]


def row(number, **members):
    return {"status": "processed", "content_summary": "text", "content_length": 4, "chunks_count": 1,
            "chunks_list": [f"chunk-{number}"], "created_at": f"2026-01-0{number}T00:00:00+00:00",
            "updated_at": f"2026-02-0{number}T00:00:00+00:00", "track_id": "insert_a", "metadata": {}, **members}


# Two conflicts; "old" is no conflict, because one of its two is marked already.
ROWS = {
    "doc-1": row(1, file_path="twice.pdf"),
    "doc-2": row(2, file_path="twice.pdf", status="failed", error_msg="no text in it", track_id="insert_b"),
    "doc-3": row(3, file_path="old.pdf"),
    "doc-4": row(4, file_path="old.pdf", metadata={"is_duplicate": True, "original_doc_id": "doc-3"}),
    "doc-5": row(5, file_path="zebra\n.pdf"),
    "doc-6": row(6, file_path="zebra\n.pdf"),
}


@pytest.fixture(scope="module")
def imported(ragstore, tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents")
    (folder / "in").mkdir()
    (folder / "in" / "kv_store_doc_status.json").write_text(json.dumps(ROWS), encoding="utf-8")
    ragstore("import", folder / "in", folder / "store")
    return folder / "store"


@pytest.fixture
def own(imported, tmp_path):
    return shutil.copytree(imported, tmp_path / "own")


def documents(ragstore, store):
    found = ragstore("docs", store, "--json", "--sort", "id", "--ascending").json["documents"]
    return {doc.pop("id"): doc for doc in found}


def fingerprint(*ids):
    return hashlib.sha256(b"".join(i.encode() + b"\0" for i in sorted(ids))).hexdigest()


def test_track(ragstore, imported):
    answer = ragstore("docs", imported, "--track", "insert_b", "--json").json
    assert answer == {"documents": [{"id": "doc-2", **ROWS["doc-2"]}], "total": 1}
    others = ragstore("docs", imported, "--track", "insert_a", "--json").json
    assert [doc["id"] for doc in others["documents"]] == ["doc-1", "doc-3", "doc-4", "doc-5", "doc-6"]
    shown = ragstore("docs", imported, "--track", "insert_b")
    assert shown.lines[0] == "1 document of track 'insert_b'"
    assert shown.lines[-1] == "doc-2: no text in it"
    assert shown.lines[3].split() == ["doc-2", "failed", "1", "2026-02-02", "00:00:00", "twice.pdf"]


def test_file(ragstore, imported):
    answer = ragstore("docs", imported, "--file", "old.pdf", "--json").json
    assert [doc["id"] for doc in answer["documents"]] == ["doc-3", "doc-4"] and answer["total"] == 2
    assert ragstore("docs", imported, "--file", "old.pdf").lines[0] == "2 documents of file 'old.pdf'"


def test_more_than_a_page_of_a_track(ragstore, tmp_path):
    """The library answers a thousand at a time."""
    (tmp_path / "in").mkdir()
    rows = {f"doc-{number:05}": row(1, file_path=f"{number}.pdf") for number in range(2500)}
    (tmp_path / "in" / "kv_store_doc_status.json").write_text(json.dumps(rows), encoding="utf-8")
    ragstore("import", tmp_path / "in", tmp_path / "store")
    answer = ragstore("docs", tmp_path / "store", "--track", "insert_a", "--json").json
    assert [doc["id"] for doc in answer["documents"]] == sorted(rows) and answer["total"] == 2500
    assert ragstore("docs", tmp_path / "store", "--track", "insert_a").lines[0] == "2,500 documents of track 'insert_a'"


def test_nothing_found(ragstore, imported):
    assert ragstore("docs", imported, "--track", "insert_z", "--json").json == {"documents": [], "total": 0}
    assert ragstore("docs", imported, "--track", "insert_z").out == "no document of track 'insert_z'\n"
    done = ragstore("docs", imported, "--file", "/data/old.pdf")
    assert done.out == "no document of file '/data/old.pdf'\n" and "--file 'old.pdf'" in done.err
    assert ragstore("docs", imported, "--file", "new.pdf").err == ""


def test_conflicts(ragstore, imported):
    answer = ragstore("docs", imported, "--conflicts", "--json").json
    assert answer == {"total": 2, "conflicts": [
        {"file": "twice.pdf", "documents": 2, "fingerprint": fingerprint("doc-1", "doc-2"),
         "sample": ["doc-1", "doc-2"]},
        {"file": "zebra\n.pdf", "documents": 2, "fingerprint": fingerprint("doc-5", "doc-6"),
         "sample": ["doc-5", "doc-6"]}]}
    shown = ragstore("docs", imported, "--conflicts")
    assert shown.lines[0].startswith("2 files have")
    assert shown.lines[3].split() == ["twice.pdf", "2", "doc-1,", "doc-2"]
    assert shown.lines[4].startswith("zebra\\n.pdf ")


def test_no_conflicts(ragstore, store):
    assert ragstore("docs", store, "--conflicts", "--json").json == {"conflicts": [], "total": 0}
    assert ragstore("docs", store, "--conflicts").lines == [
        "no file has several documents that are not marked as duplicates"]


def test_without_yes_nothing_is_changed(ragstore, own):
    before = documents(ragstore, own)
    asked = ["docs", own, "--resolve-conflict", "twice.pdf", "--primary", "doc-2"]
    assert ragstore(*asked, "--json").json == {
        "file": "twice.pdf", "primary": "doc-2", "documents": 2, "done": False,
        "fingerprint": fingerprint("doc-1", "doc-2"), "demoted": ["doc-1"]}
    shown = ragstore(*asked)
    assert shown.lines[0] == "doc-2 would stay the document of twice.pdf; its duplicates: doc-1"
    assert f"--fingerprint {fingerprint('doc-1', 'doc-2')}" in shown.lines
    assert documents(ragstore, own) == before


def test_with_yes_it_is_settled(ragstore, own):
    before = documents(ragstore, own)
    done = ragstore("docs", own, "--resolve-conflict", "twice.pdf", "--primary", "doc-2", "--yes")
    assert done.out == "doc-2 stays the document of twice.pdf; marked as its duplicates: doc-1\n"
    after = documents(ragstore, own)
    assert after.pop("doc-1") == {**before.pop("doc-1"), "metadata": {"is_duplicate": True, "original_doc_id": "doc-2"}}
    assert after == before
    assert [c["file"] for c in ragstore("docs", own, "--conflicts", "--json").json["conflicts"]] == ["zebra\n.pdf"]
    again = ["docs", own, "--resolve-conflict", "twice.pdf", "--primary", "doc-2", "--yes"]
    assert "nothing to settle" in ragstore(*again).out
    assert ragstore(*again, "--json").json["done"] is False


def test_the_fingerprint_that_was_seen(ragstore, own):
    asked = ["docs", own, "--resolve-conflict", "twice.pdf", "--primary", "doc-1", "--yes", "--json", "--fingerprint"]
    before = documents(ragstore, own)
    done = ragstore(*asked, fingerprint("doc-1", "doc-9"), status=1)
    assert "nothing was changed" in done.err and "twice.pdf" in done.err and done.out == ""
    assert documents(ragstore, own) == before
    assert ragstore(*asked, fingerprint("doc-1", "doc-2")).json["done"] is True


def test_a_primary_that_is_none(ragstore, own):
    done = ragstore("docs", own, "--resolve-conflict", "twice.pdf", "--primary", "doc-3", "--yes", status=1)
    assert done.err == ("ragstore: 'doc-3' is not one of the documents of twice.pdf that are no duplicates\n"
                        "  there is: doc-1, doc-2\n")
    done = ragstore("docs", own, "--resolve-conflict", "no.pdf", "--primary", "doc-3", status=1)
    assert done.err.startswith("ragstore: no document has the file no.pdf\n") and "--conflicts" in done.err
    assert set(documents(ragstore, own)) == set(IDS)
