/* A layer between SQLite and its unix VFS that ends each page with a checksum of it.
 *
 * Why. SQLite notices damage to its structure only: a flipped bit inside of a value or a vector would
 * be handed out as if it had been written so.
 *
 * How. A database made with PAGE_CHECKSUM_BYTES reserved at the end of each page (byte 20 of its
 * header, an official field) has there the XXH64 of the rest of the page with its number mixed in,
 * so that a page that a disk wrote to the wrong place is noticed too. It is put in when a page is
 * written to the database file, and compared when one is read from there.
 *
 * SQLite itself never sees the checksum: a page that was read comes with zeros in its place. It keeps
 * the reserved bytes as they are, so pages in the write-ahead log end in zeros (the log has checksums
 * of its own), and so do pages that another program brought from the log into the file: a shell that
 * only looks at the store does that when it is the last to close it. Zeros therefore mean "not
 * known" and are let pass. So does a page of nothing but zeros: a disk that forgot a write gives it
 * back, but an overwritten free page looks the same. SQLite refuses it where a page of a tree should
 * be, and where the tail of a value should be, nothing that was compressed fits it.
 * A page that another program changed keeps the old checksum when that program writes it to the
 * file, and cannot be told from a damaged one: option checksums=ignore is the way out. What any
 * program changes that only opens a database or switches its log (fields of the header) is left out
 * of the checksum of page 1.
 *
 * SQLite must not read parts of pages past us (SQLITE_IOCAP_SUBPAGE_READ is taken away) nor map the
 * file (xFetch gives nothing). What is not a whole page (the header, by its first 100 bytes; the
 * counter of changes) passes as it is. Files other than databases have their own methods.
 *
 * A file belongs to one connection and so to one thread at a time. */
#include "page_checksum.h"

#include <string.h>

#include "core/alloc.h"
#include "vindex/vindex.h"

enum { PAGE_BYTES_MIN = 512 };
/* In the header of a database: whether it has a log (2 bytes), reserved bytes of a page, counter of
 * changes (4 bytes), for which change the next was written and by which release (4 bytes each). */
enum {
    HEADER_BYTES = 100,
    HEADER_WAL_AT = 18,
    HEADER_RESERVED_AT = 20,
    HEADER_COUNTER_AT = 24,
    HEADER_WRITER_AT = 92
};
/* Opcodes of xFileControl; those below 100 are SQLite's. */
enum { CONTROL_CHOOSE = 0x72616701, CONTROL_ASK, CONTROL_IGNORE, CONTROL_FAILED };

struct checked_file {
    sqlite3_file file;   /* first; SQLite's view */
    sqlite3_file *inner; /* behind this struct in the same memory */
    int is_on;           /* pages have checksums */
    int is_ignored;
    uint32_t failed;
    uint8_t *page; /* copy of a page on its way to the disk */
    int page_bytes;
};

static struct checked_file *checked(sqlite3_file *file)
{
    return (struct checked_file *)file;
}

static sqlite3_file *inner(sqlite3_file *file)
{
    return checked(file)->inner;
}

/* ---- pages ---------------------------------------------------------------------------------------- */

static int is_page(int amount, sqlite3_int64 offset)
{
    return amount >= PAGE_BYTES_MIN && (amount & (amount - 1)) == 0 && offset % amount == 0;
}

static uint32_t page_number(int page_bytes, sqlite3_int64 offset)
{
    return (uint32_t)(offset / page_bytes) + 1;
}

/* The header of page 1 without what any program may change that opens the database. */
static uint64_t checksum_of_header(const uint8_t *page)
{
    uint8_t header[HEADER_BYTES];
    memcpy(header, page, sizeof header);
    memset(header + HEADER_WAL_AT, 0, 2);
    memset(header + HEADER_COUNTER_AT, 0, 4);
    memset(header + HEADER_WRITER_AT, 0, 8);
    return vindex_checksum(header, sizeof header);
}

/* Never 0, which means that there is none. */
static uint64_t checksum_of(const uint8_t *page, int page_bytes, uint32_t number)
{
    const size_t from = number == 1 ? HEADER_BYTES : 0;
    uint64_t sum = vindex_checksum(page + from, (size_t)page_bytes - PAGE_CHECKSUM_BYTES - from);
    sum ^= number == 1 ? checksum_of_header(page) : number * UINT64_C(0x9E3779B97F4A7C15);
    return sum ? sum : 1;
}

/* Whether the page is as it was written; its end is zeros afterwards. */
static int take_off(uint8_t *page, int page_bytes, uint32_t number)
{
    uint8_t *end = page + page_bytes - PAGE_CHECKSUM_BYTES;
    uint64_t found = 0;
    for (int i = 0; i < PAGE_CHECKSUM_BYTES; i++)
        found |= (uint64_t)end[i] << 8 * i;
    memset(end, 0, PAGE_CHECKSUM_BYTES);
    return !found || found == checksum_of(page, page_bytes, number);
}

static void put_on(uint8_t *page, int page_bytes, uint32_t number)
{
    uint8_t *end = page + page_bytes - PAGE_CHECKSUM_BYTES;
    const uint64_t sum = checksum_of(page, page_bytes, number);
    for (int i = 0; i < PAGE_CHECKSUM_BYTES; i++)
        end[i] = (uint8_t)(sum >> 8 * i);
}

/* The header of the database passes: it says whether its pages have checksums. */
static void learn(struct checked_file *f, const void *bytes, int amount, sqlite3_int64 offset)
{
    const uint8_t *header = bytes;
    if (offset == 0 && amount >= HEADER_BYTES && memcmp(header, "SQLite format 3", 16) == 0)
        f->is_on = header[HEADER_RESERVED_AT] == PAGE_CHECKSUM_BYTES;
}

/* ---- methods of a database file --------------------------------------------------------------------- */

static int checked_read(sqlite3_file *file, void *to, int amount, sqlite3_int64 offset)
{
    struct checked_file *f = checked(file);
    const int code = f->inner->pMethods->xRead(f->inner, to, amount, offset);
    if (code != SQLITE_OK) /* a page past the end of the file is no page yet */
        return code;
    learn(f, to, amount, offset);
    if (!f->is_on || !is_page(amount, offset))
        return SQLITE_OK;
    const uint32_t number = page_number(amount, offset);
    if (take_off(to, amount, number) || f->is_ignored)
        return SQLITE_OK;
    f->failed = number;
    return SQLITE_IOERR_DATA;
}

static int grow_page(struct checked_file *f, int bytes)
{
    if (f->page_bytes >= bytes)
        return 1;
    uint8_t *more = rag_realloc(f->page, (size_t)bytes);
    if (!more)
        return 0;
    f->page = more;
    f->page_bytes = bytes;
    return 1;
}

static int checked_write(sqlite3_file *file, const void *from, int amount, sqlite3_int64 offset)
{
    struct checked_file *f = checked(file);
    learn(f, from, amount, offset);
    if (f->is_on && is_page(amount, offset)) {
        if (!grow_page(f, amount))
            return SQLITE_IOERR_NOMEM;
        memcpy(f->page, from, (size_t)amount);
        put_on(f->page, amount, page_number(amount, offset));
        from = f->page;
    }
    return f->inner->pMethods->xWrite(f->inner, from, amount, offset);
}

static int checked_control(sqlite3_file *file, int operation, void *argument)
{
    struct checked_file *f = checked(file);
    switch (operation) {
    case CONTROL_CHOOSE: f->is_on = *(const int *)argument; return SQLITE_OK;
    case CONTROL_ASK: *(int *)argument = f->is_on; return SQLITE_OK;
    case CONTROL_IGNORE: f->is_ignored = 1; return SQLITE_OK;
    case CONTROL_FAILED:
        *(uint32_t *)argument = f->failed;
        f->failed = 0;
        return SQLITE_OK;
    default: return f->inner->pMethods->xFileControl(f->inner, operation, argument);
    }
}

static int checked_close(sqlite3_file *file)
{
    struct checked_file *f = checked(file);
    rag_free(f->page);
    return f->inner->pMethods->xClose(f->inner);
}

static int checked_characteristics(sqlite3_file *file)
{
    return inner(file)->pMethods->xDeviceCharacteristics(inner(file)) & ~SQLITE_IOCAP_SUBPAGE_READ;
}

static int checked_fetch(sqlite3_file *file, sqlite3_int64 offset, int amount, void **page)
{
    (void)file, (void)offset, (void)amount;
    *page = NULL;
    return SQLITE_OK;
}

static int checked_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *page)
{
    (void)file, (void)offset, (void)page;
    return SQLITE_OK;
}

/* The rest is passed on. */

static int checked_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return inner(file)->pMethods->xTruncate(inner(file), size);
}

static int checked_sync(sqlite3_file *file, int flags)
{
    return inner(file)->pMethods->xSync(inner(file), flags);
}

static int checked_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return inner(file)->pMethods->xFileSize(inner(file), size);
}

static int checked_lock(sqlite3_file *file, int level)
{
    return inner(file)->pMethods->xLock(inner(file), level);
}

static int checked_unlock(sqlite3_file *file, int level)
{
    return inner(file)->pMethods->xUnlock(inner(file), level);
}

static int checked_reserved(sqlite3_file *file, int *is_reserved)
{
    return inner(file)->pMethods->xCheckReservedLock(inner(file), is_reserved);
}

static int checked_sector(sqlite3_file *file)
{
    return inner(file)->pMethods->xSectorSize(inner(file));
}

static int checked_shm_map(sqlite3_file *file, int region, int bytes, int extend,
                           void volatile **memory)
{
    return inner(file)->pMethods->xShmMap(inner(file), region, bytes, extend, memory);
}

static int checked_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return inner(file)->pMethods->xShmLock(inner(file), offset, n, flags);
}

static void checked_shm_barrier(sqlite3_file *file)
{
    inner(file)->pMethods->xShmBarrier(inner(file));
}

static int checked_shm_unmap(sqlite3_file *file, int remove)
{
    return inner(file)->pMethods->xShmUnmap(inner(file), remove);
}

#define METHODS_OF_ANY_FILE                                                                   \
    .iVersion = 3, .xClose = checked_close, .xRead = checked_read, .xWrite = checked_write,   \
    .xTruncate = checked_truncate, .xSync = checked_sync, .xFileSize = checked_size,          \
    .xLock = checked_lock, .xUnlock = checked_unlock, .xCheckReservedLock = checked_reserved, \
    .xFileControl = checked_control, .xSectorSize = checked_sector,                           \
    .xDeviceCharacteristics = checked_characteristics, .xFetch = checked_fetch,               \
    .xUnfetch = checked_unfetch

static const sqlite3_io_methods methods = {
    METHODS_OF_ANY_FILE,
    .xShmMap = checked_shm_map,
    .xShmLock = checked_shm_lock,
    .xShmBarrier = checked_shm_barrier,
    .xShmUnmap = checked_shm_unmap,
};

/* Without locks there is no memory to share, and SQLite asks for it by looking at xShmMap. */
static const sqlite3_io_methods methods_without_memory = { METHODS_OF_ANY_FILE };

/* ---- the VFS ------------------------------------------------------------------------------------------ */

/* One for each VFS underneath. Copies of it but for the first members; its other functions know
 * what they need from pAppData, which is copied too. */
static struct layer {
    sqlite3_vfs vfs;
    sqlite3_vfs *under;
} layers[2];

static int layer_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                      int *flags_out)
{
    sqlite3_vfs *under = ((struct layer *)vfs)->under;
    if (!(flags & SQLITE_OPEN_MAIN_DB))
        return under->xOpen(under, path, file, flags, flags_out);
    struct checked_file *f = checked(file);
    memset(f, 0, sizeof *f);
    f->inner = (sqlite3_file *)(f + 1);
    const int code = under->xOpen(under, path, f->inner, flags, flags_out);
    if (f->inner->pMethods)
        f->file.pMethods = f->inner->pMethods->xShmMap ? &methods : &methods_without_memory;
    return code;
}

static rag_status install(struct layer *layer, const char *name, const char *under, rag_error *err)
{
    layer->under = sqlite3_vfs_find(under);
    if (!layer->under)
        return rag_fail(err, RAG_E_UNSUPPORTED, "SQLite %s has no VFS '%s'", sqlite3_libversion(),
                        under);
    layer->vfs = *layer->under;
    layer->vfs.pNext = NULL;
    layer->vfs.zName = name;
    layer->vfs.szOsFile = (int)sizeof(struct checked_file) + layer->under->szOsFile;
    layer->vfs.xOpen = layer_open;
    return sqlite3_vfs_register(&layer->vfs, 0) == SQLITE_OK ? RAG_OK : rag_fail_memory(err);
}

rag_status page_checksum_install(rag_error *err)
{
    RAG_TRY(install(&layers[0], PAGE_CHECKSUM_VFS, "unix", err));
    return install(&layers[1], PAGE_CHECKSUM_VFS_NO_LOCKS, "unix-none", err);
}

/* ---- of one database -------------------------------------------------------------------------------------- */

void page_checksum_choose(sqlite3 *sqlite, int wanted)
{
    int reserved = wanted ? PAGE_CHECKSUM_BYTES : 0;
    (void)sqlite3_file_control(sqlite, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    (void)sqlite3_file_control(sqlite, "main", CONTROL_CHOOSE, &wanted);
}

int page_checksum_is_on(sqlite3 *sqlite)
{
    int is_on = 0;
    (void)sqlite3_file_control(sqlite, "main", CONTROL_ASK, &is_on);
    return is_on;
}

void page_checksum_ignore(sqlite3 *sqlite)
{
    (void)sqlite3_file_control(sqlite, "main", CONTROL_IGNORE, NULL);
}

uint32_t page_checksum_failed(sqlite3 *sqlite)
{
    uint32_t page = 0;
    (void)sqlite3_file_control(sqlite, "main", CONTROL_FAILED, &page);
    return page;
}
