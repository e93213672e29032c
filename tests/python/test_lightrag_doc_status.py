"""LightRAG's contract, b46 to b55: document status."""
import asyncio
import signal

import pytest
from lightrag.base import (CURSOR_END, CURSOR_START, CursorAfter, DocProcessingStatus, DocStatus,
                           SourceAbsent, SourceConflict, SourceUnique)
from lightrag.exceptions import (SourceConflictRepairCASError, StorageControlPlaneError,
                                 StorageNotInitializedError, StorageRecordNotFoundError)

from lightrag_support import OURS, document, another_handle, opened, process, run, using


@using("doc_status")
async def test_b46_counts(docs, folder):
    await docs.upsert({"a": document("pending"), "b": document(DocStatus.PROCESSED), "c": document("processed")})
    counts = await docs.get_status_counts()
    assert counts == {**{status.value: 0 for status in DocStatus}, "pending": 1, "processed": 2}
    assert await docs.get_all_status_counts() == {**counts, "all": 3}


@using("doc_status")
async def test_b47_pages(docs, folder):
    await docs.upsert({f"d{i:02}": document("pending" if i % 2 else "failed", f"2026-01-{i + 1:02}") for i in range(25)})
    rows, total = await docs.get_docs_paginated(page=0, page_size=1)
    assert total == 25 and [doc_id for doc_id, _ in rows] == [f"d{i:02}" for i in range(24, 14, -1)], "page 1 of 10, newest first"
    assert all(isinstance(row, DocProcessingStatus) and row.chunks_list == [] for _, row in rows)
    rows, total = await docs.get_docs_paginated(status_filter=DocStatus.FAILED, status_filters=[DocStatus.PENDING], page=2,
                                                page_size=10, sort_field="id", sort_direction="asc")
    assert total == 12 and [doc_id for doc_id, _ in rows] == ["d21", "d23"]
    assert (await docs.get_docs_paginated(status_filters=[], page_size=999))[1] == 25
    assert await docs.get_docs_paginated(page=9) == ([], 25)

    async def change(i):
        await docs.update_doc_status_fields(f"d{i:02}", {"updated_at": f"2026-02-{i + 1:02}"})

    async def read():
        rows, total = await docs.get_docs_paginated(page_size=200)
        assert total == len(rows) == len({doc_id for doc_id, _ in rows}) == 25

    await asyncio.gather(*(task for i in range(25) for task in (change(i), read())))


async def sweep(docs, statuses, limit):
    position, found = CURSOR_START, []
    while position is not CURSOR_END:
        page = await docs.get_docs_by_statuses_page(statuses, limit=limit, position=position, strict=True)
        found.append(list(page.docs))
        position = page.next_position
    return found


@using("doc_status")
async def test_b48_sweeps(docs, folder):
    both = [DocStatus.PENDING, DocStatus.FAILED]
    await docs.upsert({"b": document("pending", "2026-01-01"), "a": document("failed", "2026-01-02"),
                       "c": document("pending", "2026-01-02"), "e": document("pending", "2026-01-04"), "x": document("processed")})
    assert [one for page in await sweep(docs, both, 2) for one in page] == ["b", "a", "c", "e"]
    assert [one for page in await sweep(docs, both, 1) for one in page] == ["b", "a", "c", "e"]
    first = await docs.get_docs_by_statuses_page(both, limit=2)
    assert list(first.docs) == ["b", "a"] and isinstance(first.next_position, CursorAfter)
    await docs.upsert({"0": document("pending", "2025-01-01"), "d": document("failed", "2026-01-03")})
    rest = await docs.get_docs_by_statuses_page(both, limit=100, position=first.next_position)
    assert list(rest.docs) == ["c", "d", "e"] and rest.next_position is CURSOR_END, "what is behind the cursor is not seen again"
    assert (await docs.get_docs_by_statuses_page([], limit=1)).next_position is CURSOR_END
    assert (await docs.get_docs_by_statuses_page(both, limit=1, position=CURSOR_END)).docs == {}
    with pytest.raises(ValueError):
        await docs.get_docs_by_statuses_page(both, limit=0)
    for cursor in ("nonsense", "", "AAAA", "é"):
        with pytest.raises(StorageControlPlaneError):
            await docs.get_docs_by_statuses_page(both, limit=1, position=CursorAfter(cursor))
    await docs.upsert({"undated": {"status": "pending", "file_path": "f"}})
    page = await docs.get_docs_by_statuses_page(both, limit=1)
    assert page.docs == {} and page.next_position is not CURSOR_END, "a row without created_at is consumed, first of all"


@using("doc_status")
async def test_b49_strict_and_relaxed(docs, folder):
    await docs.upsert({"good": document(), "bad": {"status": "pending", "created_at": "2026", "file_path": "bad"},
                       "worse": {"status": "pending", "file_path": "worse"}})
    pending = [DocStatus.PENDING]
    assert list(await docs.get_docs_by_statuses(pending)) == ["good"]
    assert list(await docs.get_full_docs_by_ids(["good", "bad", "absent"])) == ["good"]
    assert list(await docs.get_docs_by_ids(["worse", "bad", "good"])) == ["bad", "good"]
    for refused in (docs.get_docs_by_statuses(pending, strict=True), docs.get_full_docs_by_ids(["bad"], strict=True),
                    docs.get_docs_by_statuses_page(pending, limit=9, strict=True), docs.get_docs_by_ids(["worse"], strict=True)):
        with pytest.raises(StorageControlPlaneError):
            await refused
    assert await docs.count_docs_by_statuses(pending) == 3


@using("doc_status")
async def test_b50_changing_fields(docs, folder):
    await docs.upsert({"a": document("pending", extra={"x": [1]}, track_id="t1")})
    await docs.update_doc_status_fields("a", {"status": DocStatus.FAILED, "metadata": {"k": None}, "track_id": "t2"})
    row = await docs.get_by_id("a")
    assert row["status"] == "failed" == DocStatus.FAILED and row["extra"] == {"x": [1]} and row["metadata"] == {"k": None}
    assert await sweep(docs, [DocStatus.PENDING], 5) == [[]] and await sweep(docs, [DocStatus.FAILED], 5) == [["a"]]
    assert list(await docs.get_docs_by_track_id("t2")) == ["a"] and not await docs.get_docs_by_track_id("t1")
    with pytest.raises(ValueError):
        await docs.update_doc_status_fields("a", {"created_at": "2027"})
    with pytest.raises(StorageRecordNotFoundError):
        await docs.update_doc_status_fields("absent", {"status": "failed"})
    await docs.update_doc_status_fields("absent", {"status": "failed"}, missing_ok=True)
    assert await docs.get_by_id("absent") is None


@using("doc_status")
async def test_b51_content_hashes(docs, folder):
    of = {"is_duplicate": True, "original_doc_id": "a"}
    await docs.upsert({"c": document(created="2026-01-03", content_hash="h"), "a": document(created="2026-01-01", content_hash="h"),
                       "b": document(created="2026-01-02", content_hash="h", metadata=of)})
    assert (await docs.get_doc_by_content_hash("h"))[0] == "a"
    assert (await docs.get_doc_by_content_hash("h", exclude_doc_id="c"))[0] == "a"
    doc_id, row = await docs.get_doc_by_content_hash("h", exclude_doc_id="a")
    assert doc_id == "c" and row["content_hash"] == "h", "neither a nor its duplicate, and the search went on"
    assert await docs.get_doc_by_content_hash("other") is None and await docs.get_doc_by_content_hash("") is None
    held, docs._share = docs._share, None
    with pytest.raises(StorageNotInitializedError):
        await docs.get_doc_by_content_hash("h")
    docs._share = held


@using("doc_status")
async def test_b52_sources(docs, folder):
    assert await docs.resolve_doc_source_strict("f.txt") == SourceAbsent()
    await docs.upsert({"a": document(), "dup": document(metadata={"is_duplicate": True}), "u": document(path="unknown_source")})
    one = await docs.resolve_doc_source_strict("f.txt")
    assert isinstance(one, SourceUnique) and one.doc_id == "a" and one.doc.status is DocStatus.PENDING
    assert (await docs.get_doc_by_file_basename("f.txt"))[0] == "a"
    await docs.upsert({"b": document()})
    many = await docs.resolve_doc_source_strict("f.txt")
    assert isinstance(many, SourceConflict) and many.sample_doc_ids == ("a", "b") and many.candidate_count == 2
    for nothing in ("", "unknown_source", "other"):
        assert await docs.resolve_doc_source_strict(nothing) == SourceAbsent()
        assert await docs.get_doc_by_file_basename(nothing) is None
    assert (await docs.get_doc_by_file_path("f.txt"))["file_path"] == "f.txt" and await docs.get_doc_by_file_path("x") is None


@using("doc_status")
async def test_b53_repairing_a_conflict(docs, folder):
    await docs.upsert({"d2": document(), "d1": document(), "o": document(path="other")})
    page = await docs.list_source_conflicts_page(limit=1)
    assert [(c.canonical_source_key, c.candidate_count, c.sample_doc_ids) for c in page.conflicts] == [("f.txt", 2, ("d1", "d2"))]
    ask = {"primary_doc_id": "d1", "expected_candidate_count": 2, "expected_candidate_fingerprint": "?"}
    dry = await docs.repair_source_conflict("f.txt", **ask)
    assert not dry.committed and dry.demoted_sample_doc_ids == ("d2",) and dry.candidate_count == 2
    assert dry.fingerprint == "884869a76bb61fe5b93b404823c521f760f3163e0389f19720b6d361b9311080"
    assert isinstance(await docs.resolve_doc_source_strict("f.txt"), SourceConflict)
    with pytest.raises(SourceConflictRepairCASError):
        await docs.repair_source_conflict("f.txt", **ask, dry_run=False)
    with pytest.raises(ValueError):
        await docs.repair_source_conflict("f.txt", **{**ask, "primary_doc_id": "o"})
    done = await docs.repair_source_conflict("f.txt", **{**ask, "expected_candidate_fingerprint": dry.fingerprint}, dry_run=False)
    assert done.committed and (await docs.resolve_doc_source_strict("f.txt")).doc_id == "d1"
    assert (await docs.get_by_id("d2"))["metadata"] == {"is_duplicate": True, "original_doc_id": "d1"}


@using("doc_status")
async def test_b54_unknown_fields(docs, folder):
    await docs.upsert({"a": document(scheme_name="x", multimodal_content=[{"y": None}])})
    await docs.update_doc_status_fields("a", {"status": "processed"})
    row = await docs.get_by_id("a")
    assert row["scheme_name"] == "x" and row["multimodal_content"] == [{"y": None}] and row["chunks_list"] == []
    assert (await docs.get_full_docs_by_ids(["a"], strict=True))["a"].status == DocStatus.PROCESSED
    assert "_id" not in row and "create_time" not in row


DIE_AFTER_UPSERT = """
import asyncio, os, signal, sys
from lightrag_support import OURS, make
async def work():
    docs = make("doc_status", OURS, sys.argv[1])
    await docs.initialize()
    await docs.upsert({"a": {"status": "pending", "created_at": "2026"}})
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(work())
"""


def test_b55_a_kill_right_after_upsert_loses_nothing(tmp_path):
    child = process(DIE_AFTER_UPSERT, tmp_path)
    child.wait()
    assert child.returncode == -signal.SIGKILL

    async def work():
        async with opened("doc_status", OURS, tmp_path) as docs:
            assert (await docs.get_by_id("a"))["status"] == "pending"

    run(work())
    about = another_handle(tmp_path).describe()[0]
    assert about["durable_token"] == about["token"], "not safe from a power cut"
