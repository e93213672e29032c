"""RagstoreDocStatusStorage: the status of each document. What LightRAG's scheduler asks is answered by an index."""
import base64
import binascii
from dataclasses import dataclass
from typing import Any, ClassVar, Sequence, final

from lightrag.base import (CURSOR_END, CURSOR_START, CursorAfter, CursorPosition, DocProcessingStatus,
                           DocSchedulingRecord, DocStatus, DocStatusPage, DocStatusStorage, SourceAbsent, SourceConflict,
                           SourceConflictPage, SourceConflictRepairResult, SourceConflictSummary, SourceResolution,
                           SourceUnique)
from lightrag.exceptions import SourceConflictRepairCASError, StorageControlPlaneError, StorageRecordNotFoundError
from lightrag.utils import logger

from .. import _native
from .graph import pages
from .storage import by_key, plain, with_text
from .values import KeyedStorage

PAGE = 500
SORTS = ("created_at", "updated_at", "id", "file_path")
NO_SOURCE = ("", "unknown_source")


def text_of(statuses):
    return [DocStatus(status).value for status in statuses]


def position_of(cursor):
    """The store's own position out of LightRAG's cursor."""
    if cursor is CURSOR_START:
        return b""
    try:
        position = base64.b64decode(cursor.opaque, validate=True)
    except (AttributeError, ValueError, binascii.Error) as error:
        raise StorageControlPlaneError(f"this is no cursor of ragstore: {cursor!r}") from error
    if not position:
        raise StorageControlPlaneError("an empty cursor is no cursor of ragstore")
    return position


def cursor_of(position):
    return CursorAfter(base64.b64encode(position).decode("ascii")) if position else CURSOR_END


def full(row):
    """A row as LightRAG's dataclass. TypeError where it lacks what that needs."""
    row.pop("content", None)  # of old versions, never a part of a status
    row["file_path"] = row.get("file_path") or "no-file-path"
    row.setdefault("metadata", {})
    row.setdefault("error_msg", None)
    return DocProcessingStatus.from_stored(row)


def record(doc_id, row):
    return DocSchedulingRecord(
        id=doc_id, status=DocStatus(row["status"]), created_at=row["created_at"], updated_at=row["updated_at"],
        file_path=row["file_path"], track_id=row.get("track_id"),
        has_custom_chunk_journal=row["has_custom_chunk_journal"])


@final
@dataclass
class RagstoreDocStatusStorage(KeyedStorage, DocStatusStorage):
    durable_puts: ClassVar[bool] = True

    @staticmethod
    def _row(item):
        return item[0], plain(item[1])

    def _get(self, store, ids):
        return store.docs_get(ids)

    def _put_rows(self, store, rows, txn):
        store.docs_put(rows, txn=txn)

    def _delete(self, store, ids, txn):
        store.docs_delete(ids, txn=txn)

    def _missing(self, store, keys):
        return [key for key, row in zip(keys, store.docs_get(keys)) if row is None]

    def _count(self, store):
        return store.docs_counts()[1]

    def _drop_all(self, store):
        store.docs_drop()

    def _full(self, rows):
        """Rows as {id: DocProcessingStatus}; one that is unusable is left out."""
        usable = {}
        for doc_id, row in rows:
            try:
                usable[doc_id] = full(row)
            except TypeError as error:
                logger.error(f"[{self.workspace}] document {doc_id} lacks a field: {error}")
        return usable

    async def _answer(self, call):
        """call(store) for LightRAG's scheduler: what cannot be answered is an error of its kind."""
        try:
            return await self._shared.read(call)
        except _native.CorruptError as error:
            raise StorageControlPlaneError(str(error)) from error

    # ---- lists -------------------------------------------------------------------------------------------------------

    async def get_status_counts(self) -> dict[str, int]:
        return (await self._counts())[0]

    async def get_all_status_counts(self) -> dict[str, int]:
        counts, total = await self._counts()
        return {**counts, "all": total}

    def _counts(self):
        return self._read(1, lambda store: store.docs_counts())

    async def get_docs_by_statuses(self, statuses: list[DocStatus],
                                   strict: bool = False) -> dict[str, DocProcessingStatus]:
        wanted = text_of(statuses)
        if not wanted:
            return {}

        def sweep(store):
            return self._full(pages(lambda after: store.docs_sweep(wanted, after, PAGE, full=True, strict=strict)))

        return await self._answer(sweep)

    async def get_docs_by_track_id(self, track_id: str) -> dict[str, DocProcessingStatus]:
        return await self._shared.read(lambda store: self._full(
            pages(lambda after: store.docs_find("track_id", track_id, after=after, limit=PAGE))))

    async def get_docs_paginated(self, status_filter: DocStatus | None = None,
                                 status_filters: list[DocStatus] | None = None, page: int = 1, page_size: int = 50,
                                 sort_field: str = "updated_at", sort_direction: str = "desc",
                                 ) -> tuple[list[tuple[str, DocProcessingStatus]], int]:
        statuses = sorted(self.resolve_status_filter_values(status_filter, status_filters) or ())
        sort = sort_field if sort_field in SORTS else "updated_at"

        def read(store):
            rows, total = store.docs_page(statuses, max(page, 1), min(max(page_size, 10), 200), sort,
                                          sort_direction.lower() == "asc")
            for _, row in rows:
                row.pop("chunks_list", None)  # a page does not show it
            return list(self._full(rows).items()), total

        return await self._shared.read(read)

    async def get_doc_by_file_path(self, file_path: str) -> dict[str, Any] | None:
        found = await self._first("file_path", file_path) if file_path else None
        return found[1] if found else None

    async def get_doc_by_file_basename(self, basename: str) -> tuple[str, dict[str, Any]] | None:
        if basename in NO_SOURCE:
            return None
        return await self._first("file_path", basename, primaries_only=True)

    async def get_doc_by_content_hash(self, content_hash: str, *,
                                      exclude_doc_id: str | None = None) -> tuple[str, dict[str, Any]] | None:
        if not content_hash:
            return None
        return await self._first("content_hash", content_hash, exclude=exclude_doc_id or "")

    async def _first(self, field, value, **which):
        rows, _ = await self._read(1, lambda store: store.docs_find(field, value, limit=1, **which))
        return rows[0] if rows else None

    # ---- scheduling --------------------------------------------------------------------------------------------------

    async def get_docs_by_statuses_page(self, statuses: list[DocStatus], *, limit: int,
                                        position: CursorPosition = CURSOR_START, strict: bool = False) -> DocStatusPage:
        if limit <= 0:
            raise ValueError(f"page limit must be positive, got {limit}")
        wanted = text_of(statuses)
        if not wanted or position is CURSOR_END:
            return DocStatusPage(docs={}, next_position=CURSOR_END)
        after = position_of(position)
        try:
            rows, following = await self._answer(
                lambda store: store.docs_sweep(wanted, after, limit, strict=strict))
        except _native.InvalidError as error:
            raise StorageControlPlaneError(str(error)) from error  # the cursor: the rest was checked
        return DocStatusPage(docs={doc_id: record(doc_id, row) for doc_id, row in rows},
                             next_position=cursor_of(following))

    async def get_docs_by_ids(self, doc_ids: Sequence[str], *, strict: bool = False) -> dict[str, DocSchedulingRecord]:
        ids = list(dict.fromkeys(doc_ids))
        rows = await self._answer(lambda store: by_key(
            lambda some: store.docs_records(some, strict=strict), ids))
        return {doc_id: record(doc_id, row) for doc_id, row in zip(ids, rows) if row is not None}

    async def get_full_docs_by_ids(self, doc_ids: Sequence[str], *,
                                   strict: bool = False) -> dict[str, DocProcessingStatus]:
        ids = list(dict.fromkeys(doc_ids))
        rows = await self._answer(lambda store: by_key(
            lambda some: store.docs_records(some, full=True, strict=strict), ids))
        return self._full((doc_id, row) for doc_id, row in zip(ids, rows) if row is not None)

    async def count_docs_by_statuses(self, statuses: list[DocStatus], *, strict: bool = True) -> int:
        wanted = text_of(statuses)
        return await self._read(1, lambda store: store.docs_count(wanted)) if wanted else 0

    async def update_doc_status_fields(self, doc_id: str, fields: dict[str, Any], *, missing_ok: bool = False) -> None:
        if "created_at" in fields:
            raise ValueError("created_at orders the scheduler's sweeps and cannot be changed")
        changes = {doc_id: plain(fields)}
        try:
            await self._write(lambda store, txn: with_text(
                lambda clean: store.docs_update(clean, missing_ok=missing_ok, txn=txn), changes), durable=True)
        except _native.NotFoundError as error:
            raise StorageRecordNotFoundError(doc_id) from error

    # ---- sources -----------------------------------------------------------------------------------------------------

    async def resolve_doc_source_strict(self, canonical_source_key: str) -> SourceResolution:
        if not canonical_source_key or canonical_source_key in NO_SOURCE:
            return SourceAbsent()
        try:
            rows, total = await self._read(1, lambda store: store.docs_resolve(canonical_source_key))
        except _native.CorruptError as error:
            raise StorageControlPlaneError(str(error)) from error
        if total == 0:
            return SourceAbsent()
        if total == 1:
            return SourceUnique(doc_id=rows[0][0], doc=record(*rows[0]))
        return SourceConflict(candidate_count=total, sample_doc_ids=tuple(doc_id for doc_id, _ in rows))

    async def list_source_conflicts_page(self, *, limit: int,
                                         position: CursorPosition = CURSOR_START) -> SourceConflictPage:
        if limit <= 0:
            raise ValueError(f"page limit must be positive, got {limit}")
        if position is CURSOR_END:
            return SourceConflictPage(conflicts=(), next_position=CURSOR_END)
        after = position_of(position)
        rows, following = await self._shared.read(lambda store: store.docs_conflicts(after, limit))
        return SourceConflictPage(
            conflicts=tuple(SourceConflictSummary(canonical_source_key=source, candidate_count=count,
                                                  sample_doc_ids=tuple(about["sample"]))
                            for source, count, about in rows),
            next_position=cursor_of(following))

    async def repair_source_conflict(self, canonical_source_key: str, *, primary_doc_id: str,
                                     expected_candidate_count: int, expected_candidate_fingerprint: str,
                                     dry_run: bool = True) -> SourceConflictRepairResult:
        def repair(store, _):
            return store.docs_repair(canonical_source_key, primary_doc_id, expected_candidate_count,
                                     expected_candidate_fingerprint, dry_run=dry_run)

        try:
            done = await self._write(repair, alone=True, durable=not dry_run)
        except _native.ConflictError as error:
            raise SourceConflictRepairCASError(str(error)) from error
        return SourceConflictRepairResult(
            canonical_source_key=canonical_source_key, primary_doc_id=primary_doc_id, candidate_count=done["count"],
            fingerprint=done["fingerprint"], demoted_sample_doc_ids=tuple(done["demoted"]), committed=not dry_run)
