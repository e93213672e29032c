/* Invariants of the derived index files of vector spaces.
 *
 * The database names the files; a file is right when it is as long as named, its checksums hold, it
 * is the one that is named, and it has every row of its range that is alive. Whatever is wrong, the
 * mending is the same: the store forgets all index files of the space, and new ones are made at the
 * end of the check. (Only one would leave a gap that searches take for covered.)
 *
 * Others may replace files meanwhile. A file that is gone because it is no longer named is no
 * violation, so what looks wrong is asked once more in a snapshot of its own. Files that nobody names
 * are looked for first and compared with the database after that: whoever makes one holds its lock
 * until it is named. Called through the tables of check.h only. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "core/alloc.h"
#include "core/context.h"
#include "core/os.h"
#include "core/slice.h"
#include "schema.h"
#include "stores.h"
#include "vector_cache.h"

enum { CHECK_EVERY = 1024, STRAYS_MAX = 1024 };

static const char SQL_FILES[] =
    "SELECT uuid, space, first_slot, last_slot, rows, token, length, checksum FROM vector_index"
    " WHERE (space, first_slot, uuid) > (?1, ?2, ?3) ORDER BY space, first_slot, uuid LIMIT 1";
static const char SQL_NAMED[] = "SELECT 1 FROM vector_index WHERE uuid = ?1";
static const char SQL_FORGET[] = "DELETE FROM vector_index WHERE space = ?1";
static const char SQL_FORGET_UUID[] = "DELETE FROM vector_index WHERE length(uuid) <> 16";
static const char SQL_SLOTS[] =
    "SELECT slot FROM vector_row WHERE slot >= ?1 AND slot <= ?2 ORDER BY slot";

/* ---- one file ------------------------------------------------------------------------------------ */

struct mapped {
    void *base;
    size_t length;
    vindex *index;
};

static void unmap(struct mapped *m)
{
    vindex_close(m->index);
    if (m->base)
        (void)munmap(m->base, m->length);
    *m = (struct mapped){ 0 };
}

static rag_status map_whole(const char *path, const struct vector_index_row *row,
                            struct mapped *out, rag_error *err)
{
    struct stat st;
    int fd;
    RAG_TRY(os_open(path, O_RDONLY, &fd, err));
    rag_status status = RAG_OK;
    if (os_calls.fstat(fd, &st) != 0)
        status = rag_fail_errno(err, errno, "look at %s", path);
    else if (st.st_size != row->length || row->length <= 0)
        status = rag_fail(err, RAG_E_CORRUPT, "it has %lld bytes, not %lld", (long long)st.st_size,
                          (long long)row->length);
    if (status == RAG_OK) {
        void *base = os_calls.mmap(NULL, (size_t)row->length, PROT_READ, MAP_SHARED, fd, 0);
        if (base == MAP_FAILED)
            status = rag_fail_errno(err, errno, "map %s", path);
        else
            *out = (struct mapped){ base, (size_t)row->length, NULL };
    }
    os_close(fd);
    return status;
}

static rag_status check_identity(const struct vector_index_row *row, const vindex *index,
                                 rag_error *err)
{
    vindex_info info;
    vindex_get_info(index, &info);
    if (memcmp(info.uuid, row->uuid, sizeof info.uuid) != 0 ||
        info.checksum != (uint64_t)row->checksum || info.covered != (uint64_t)row->token ||
        info.count != (uint64_t)row->rows)
        return rag_fail(err, RAG_E_CORRUPT, "it is not the index that the store names");
    if (info.count &&
        (info.first_slot < (uint64_t)row->first_slot || info.last_slot > (uint64_t)row->last_slot))
        return rag_fail(err, RAG_E_CORRUPT, "it has slots outside of its range");
    return RAG_OK;
}

/* The file of `row`, mapped, its header checked; all of it when `whole`. */
static rag_status open_file(struct check_run *run, const struct vector_index_row *row, int whole,
                            struct mapped *out, rag_error *err)
{
    char name[VECTOR_INDEX_NAME_MAX];
    vector_index_file_name(row->uuid, name);
    char *path = os_join(db_directory(run->conn->db), name);
    if (!path)
        return rag_fail_memory(err);
    rag_status status = map_whole(path, row, out, err);
    if (status == RAG_OK)
        status = vindex_open_mem(out->base, out->length, 0, &out->index, err);
    if (status == RAG_OK)
        status = check_identity(row, out->index, err);
    if (status == RAG_OK && whole)
        status = vindex_verify(out->index, err);
    if (status != RAG_OK)
        unmap(out);
    rag_free(path);
    return status;
}

static int cannot_serve(rag_status status)
{
    return status == RAG_E_NOT_FOUND || status == RAG_E_CORRUPT || status == RAG_E_VERSION;
}

static rag_status is_named(struct db_conn *conn, rag_slice uuid, int *named, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_NAMED, &stmt, err));
    db_bind_slice(stmt, 1, uuid);
    RAG_TRY(db_step(conn, stmt, named, err));
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* Whether the store names the file now. */
static rag_status is_named_now(struct check_run *run, rag_slice uuid, int *named, rag_error *err)
{
    struct db_conn *conn;
    *named = 1;
    if (run->mend) /* it is our turn to write: nobody changes it */
        return RAG_OK;
    RAG_TRY(db_read_begin(run->call, &conn, err));
    const rag_status status = is_named(conn, uuid, named, err);
    db_read_end(run->call, conn);
    return status;
}

/* ---- all files ----------------------------------------------------------------------------------- */

typedef rag_status (*file_fn)(struct check_run *run, const struct vector_index_row *row, int *bad,
                              rag_error *err);

/* In a damaged table, or where a uuid is longer than any, the next one may not be. */
static int is_behind(const struct vector_index_row *row, const struct vector_index_row *before)
{
    if (row->space != before->space)
        return row->space > before->space;
    if (row->first_slot != before->first_slot)
        return row->first_slot > before->first_slot;
    return memcmp(row->uuid, before->uuid, sizeof row->uuid) > 0;
}

/* The file behind (space, first_slot, uuid) of *row, which moves on to it. */
static rag_status next_file(struct db_conn *conn, struct vector_index_row *row, int *found,
                            rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_FILES, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, row->space);
    (void)sqlite3_bind_int64(stmt, 2, row->first_slot);
    db_bind_slice(stmt, 3, slice_of(row->uuid, sizeof row->uuid));
    RAG_TRY(db_step(conn, stmt, found, err));
    if (*found) {
        const struct vector_index_row before = *row;
        const rag_slice uuid = db_column_slice(stmt, 0);
        memset(row->uuid, 0, sizeof row->uuid);
        memcpy(row->uuid, uuid.data, uuid.len < sizeof row->uuid ? uuid.len : sizeof row->uuid);
        row->space = sqlite3_column_int64(stmt, 1);
        row->first_slot = sqlite3_column_int64(stmt, 2);
        row->last_slot = sqlite3_column_int64(stmt, 3);
        row->rows = sqlite3_column_int64(stmt, 4);
        row->token = sqlite3_column_int64(stmt, 5);
        row->length = sqlite3_column_int64(stmt, 6);
        row->checksum = sqlite3_column_int64(stmt, 7);
        if (!is_behind(row, &before)) {
            (void)sqlite3_reset(stmt);
            return rag_fail(err, RAG_E_CORRUPT, "the table of index files is out of order");
        }
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status forget_space(struct db_conn *conn, sqlite3_int64 space, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_FORGET, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space);
    return db_run(conn, stmt, err);
}

static rag_status each_file(struct check_run *run, file_fn one, rag_error *err)
{
    struct vector_index_row row = { .space = -1 };
    for (;;) {
        int found, bad = 0;
        RAG_TRY(next_file(run->conn, &row, &found, err));
        if (!found)
            return RAG_OK;
        run->finding->checked++;
        RAG_TRY(one(run, &row, &bad, err));
        if (bad && run->mend)
            RAG_TRY(forget_space(run->conn, row.space, err));
    }
}

static rag_status check_file(struct check_run *run, const struct vector_index_row *row, int *bad,
                             rag_error *err)
{
    const int whole = !(run->options->flags & RAG_CHECK_QUICK);
    struct mapped mapped = { 0 };
    rag_error why = RAG_ERROR_INIT;
    char name[VECTOR_INDEX_NAME_MAX];
    const rag_status status = open_file(run, row, whole, &mapped, &why);
    unmap(&mapped);
    if (status != RAG_OK && !cannot_serve(status))
        return rag_pass(status, &why, err);
    if (status != RAG_OK)
        RAG_TRY(is_named_now(run, slice_of(row->uuid, sizeof row->uuid), bad, err));
    vector_index_file_name(row->uuid, name);
    return *bad ? check_violation(run, err, "%s: %s", name, why.message) : RAG_OK;
}

static rag_status check_files(struct check_run *run, rag_error *err)
{
    return each_file(run, check_file, err);
}

/* Slots from `first` to `last` that are alive, each of which `index` should have (NULL: none may be
 * there, because no file covers them). */
static rag_status check_slots(struct check_run *run, const vindex *index, sqlite3_int64 first,
                              sqlite3_int64 last, int *bad, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    RAG_TRY(db_prepare(run->conn, SQL_SLOTS, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, first);
    (void)sqlite3_bind_int64(stmt, 2, last);
    for (size_t i = 0;; i++) {
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(run->call->ctx, err));
        RAG_TRY(db_step(run->conn, stmt, &more, err));
        if (!more)
            break;
        const sqlite3_int64 slot = sqlite3_column_int64(stmt, 0);
        if (index && vindex_has_slot(index, (uint64_t)slot))
            continue;
        *bad = 1;
        RAG_TRY(
            check_violation(run, err, "slot %lld is in no index that covers it", (long long)slot));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* The end of the file before this one, of the same space. */
static rag_status covered_before(struct db_conn *conn, const struct vector_index_row *row,
                                 sqlite3_int64 *covered, rag_error *err)
{
    static const char SQL[] =
        "SELECT max(last_slot) FROM vector_index WHERE space = ?1 AND first_slot < ?2";
    sqlite3_stmt *stmt;
    int found;
    *covered = (sqlite3_int64)((uint64_t)row->space << SCHEMA_SLOT_BITS);
    RAG_TRY(db_prepare(conn, SQL, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, row->space);
    (void)sqlite3_bind_int64(stmt, 2, row->first_slot);
    RAG_TRY(db_step(conn, stmt, &found, err));
    if (found && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
        *covered = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status check_rows_of(struct check_run *run, const struct vector_index_row *row, int *bad,
                                rag_error *err)
{
    struct mapped mapped = { 0 };
    rag_error why = RAG_ERROR_INIT;
    sqlite3_int64 covered;
    RAG_TRY(covered_before(run->conn, row, &covered, err));
    RAG_TRY(check_slots(run, NULL, covered + 1, row->first_slot - 1, bad, err));
    rag_status status = open_file(run, row, 0, &mapped, &why);
    if (cannot_serve(status))
        return RAG_OK; /* "vector.index_file" tells */
    if (status == RAG_OK)
        status = check_slots(run, mapped.index, row->first_slot, row->last_slot, bad, &why);
    unmap(&mapped);
    return rag_pass(status, &why, err);
}

static rag_status check_index_rows(struct check_run *run, rag_error *err)
{
    return each_file(run, check_rows_of, err);
}

/* ---- files that nobody names ----------------------------------------------------------------------- */

struct strays {
    char names[STRAYS_MAX][VECTOR_INDEX_NAME_MAX];
    size_t count;
};

/* 1 when `name` is that of an index file. */
static int parse_uuid(const char *name, uint8_t uuid[VINDEX_UUID_SIZE])
{
    char again[VECTOR_INDEX_NAME_MAX];
    static const size_t PREFIX = sizeof "vectors-" - 1;
    if (strlen(name) != PREFIX + 2 * VINDEX_UUID_SIZE + 4)
        return 0;
    for (size_t i = 0; i < VINDEX_UUID_SIZE; i++) {
        unsigned byte = 0;
        for (size_t j = 0; j < 2; j++) {
            const char c = name[PREFIX + 2 * i + j];
            byte = byte * 16 + (unsigned)(c >= 'a' ? c - 'a' + 10 : c - '0') % 16;
        }
        uuid[i] = (uint8_t)byte;
    }
    vector_index_file_name(uuid, again);
    return strcmp(name, again) == 0;
}

/* Whether somebody is making it. */
static int is_locked(const char *directory, const char *name)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char *path = os_join(directory, name);
    int fd = -1, locked = 1; /* what cannot be opened is gone, or not ours to judge */
    if (path && os_open(path, O_RDONLY, &fd, NULL) == RAG_OK)
        locked = os_calls.fcntl_lock(fd, F_OFD_GETLK, &whole) != 0 || whole.l_type != F_UNLCK;
    os_close(fd);
    rag_free(path);
    return locked;
}

static rag_status list_unlocked(const char *path, struct strays *out, rag_error *err)
{
    uint8_t uuid[VINDEX_UUID_SIZE];
    DIR *directory = os_open_directory(path);
    if (!directory)
        return rag_fail_errno(err, errno, "list %s", path);
    for (const struct dirent *e = readdir(directory); e && out->count < STRAYS_MAX;
         e = readdir(directory))
        if (parse_uuid(e->d_name, uuid) && !is_locked(path, e->d_name))
            memcpy(out->names[out->count++], e->d_name, strlen(e->d_name) + 1);
    os_close_directory(directory);
    return RAG_OK;
}

static rag_status compare_strays(struct check_run *run, const struct strays *strays, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(run->call, &conn, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < strays->count && status == RAG_OK; i++) {
        uint8_t uuid[VINDEX_UUID_SIZE];
        int named = 1;
        (void)parse_uuid(strays->names[i], uuid);
        status = is_named(conn, slice_of(uuid, sizeof uuid), &named, err);
        if (status == RAG_OK && !named)
            status = check_violation(run, err, "%s", strays->names[i]);
    }
    db_read_end(run->call, conn);
    run->finding->checked = strays->count;
    return status;
}

static rag_status check_strays(struct check_run *run, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(run->call, &conn, err));
    const struct db *db = conn->db;
    db_read_end(run->call, conn);
    struct strays *strays = rag_alloc_zeroed(1, sizeof *strays);
    if (!strays)
        return rag_fail_memory(err);
    rag_status status = list_unlocked(db_directory(db), strays, err);
    if (status == RAG_OK)
        status = compare_strays(run, strays, err);
    rag_free(strays);
    return status;
}

/* ---- the table --------------------------------------------------------------------------------------- */

#define WRONG_RANGE                                                               \
    " FROM vector_index i LEFT JOIN vector_space s ON s.id = i.space"             \
    " WHERE s.id IS NULL OR length(i.uuid) <> 16 OR i.first_slot > i.last_slot"   \
    " OR i.first_slot <= s.id << 40 OR i.last_slot >= (s.id << 40) + s.next_slot" \
    " OR EXISTS (SELECT 1 FROM vector_index o WHERE o.space = i.space AND"        \
    " o.uuid <> i.uuid AND o.first_slot <= i.last_slot AND o.last_slot >= i.first_slot)"

static const char *const FORGET_RANGES[] = {
    SQL_FORGET_UUID, "DELETE FROM vector_index WHERE space IN (SELECT i.space" WRONG_RANGE ")", NULL
};

const struct check_invariant check_index_invariants[] = {
    { .name = "vector.index_range",
      .what = "the ranges of index files are those of their space and do not overlap",
      .sql = "SELECT lower(hex(i.uuid))" WRONG_RANGE,
      .checked = "SELECT count(*) FROM vector_index",
      .repair = FORGET_RANGES,
      .is_index = 1 },
    { .name = "vector.index_file",
      .what = "every index file that the store names is there and whole",
      .find = check_files,
      .find_mends = 1,
      .is_index = 1 },
    { .name = "vector.index_rows",
      .what = "every vector is in the index file that covers it",
      .find = check_index_rows,
      .find_mends = 1,
      .slow = 1,
      .is_index = 1 },
    { .name = "vector.index_stray",
      .what = "there are no index files that the store does not name",
      .find = check_strays,
      .repair_outside = vector_index_remove_garbage },
    { .name = NULL }
};
