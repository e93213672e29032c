/* Learning dictionaries and finding them.
 *
 * A dictionary is learnt from the first large batch that a namespace gets, which is what an import
 * gives; small stores go without. It is never changed: a frame names the dictionary that it was made
 * with by the number in its header, and the row of that number stays as long as a value names it.
 * Losing one would lose values, so it is written in the transaction of the first values that use it.
 *
 * A dictionary is made of pieces of values and outlives them. Where deleted rows must be unreadable
 * (secure_delete) none is learnt and none is used any more, and compact takes away those that are
 * there (dictionary_remove_all()): each is first taken from its namespace, so that no further value
 * can be encoded with it whatever is switched on or off meanwhile; then values that name it are
 * written anew without, in steps; then its row goes. Stopped in between, the next one begins again. */
#include "dictionary.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <zdict.h>

#include "codec.h"
#include "core/alloc.h"
#include "core/slice.h"

enum {
    LEARN_FROM_TEXTS = 256,
    LEARN_FROM_BYTES = 64 * 1024,
    SAMPLE_BYTES_MAX = 8 * 1024 * 1024,
    SAMPLE_TEXT_BYTES_MAX = 64 * 1024, /* of one text */
    SAMPLES_PER_BYTE = 50,             /* bytes of sample for a byte of dictionary */
    DICTIONARY_BYTES_MIN = 1024,
    DICTIONARY_BYTES_MAX = 64 * 1024
};

static const char SQL_FIND[] = "SELECT id FROM dictionary WHERE namespace = ?1 LIMIT 1";
static const char SQL_LOAD[] = "SELECT bytes FROM dictionary WHERE id = ?1";
static const char SQL_ADD[] = "INSERT INTO dictionary(id, namespace, bytes) VALUES (?1, ?2, ?3)";

rag_status dictionary_load(void *memory, uint32_t id, rag_slice *bytes, rag_error *err)
{
    struct db_conn *conn = memory;
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, SQL_LOAD, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, id);
    RAG_TRY(db_step(conn, stmt, &found, err));
    if (!found)
        return rag_fail(err, RAG_E_CORRUPT, "compression dictionary %u is not there", id);
    *bytes = db_column_slice(stmt, 0);
    return RAG_OK;
}

static rag_status find(struct db_conn *conn, sqlite3_int64 namespace_id, uint32_t *id,
                       rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, SQL_FIND, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, namespace_id);
    RAG_TRY(db_step(conn, stmt, &found, err));
    *id = found ? (uint32_t)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* ---- learning ------------------------------------------------------------------------------------ */

struct samples {
    char *bytes;
    size_t *lengths;
    size_t len, count;
};

static const rag_slice *text_at(const rag_slice *first, size_t stride, size_t i)
{
    return (const rag_slice *)(const void *)((const char *)first + i * stride);
}

static size_t sample_len(rag_slice text)
{
    return text.len < SAMPLE_TEXT_BYTES_MAX ? text.len : SAMPLE_TEXT_BYTES_MAX;
}

static rag_status take_samples(const rag_slice *first, size_t stride, size_t n, struct samples *s,
                               rag_error *err)
{
    size_t len = 0, count = 0;
    for (; count < n && len < SAMPLE_BYTES_MAX; count++)
        len += sample_len(*text_at(first, stride, count));
    s->bytes = rag_alloc(len);
    s->lengths = rag_alloc_array(count, sizeof *s->lengths);
    if (!s->bytes || !s->lengths)
        return rag_fail_memory(err);
    for (size_t i = 0; i < count; i++) {
        const rag_slice text = *text_at(first, stride, i);
        s->lengths[i] = sample_len(text);
        memcpy(s->bytes + s->len, text.data, s->lengths[i]);
        s->len += s->lengths[i];
    }
    s->count = count;
    return RAG_OK;
}

/* ZDICT derives the number of a dictionary from what it learnt: the same texts in two namespaces
 * would give the same. So it gets a random one, where the format has it: 4 bytes, little-endian,
 * behind the magic number; below 32,768 and from 2^31 on are reserved by zstd. */
static rag_status set_random_id(char *bytes, uint32_t *id, rag_error *err)
{
    enum { ID_AT = 4, ID_FIRST = 32768 };
    uint32_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return rag_fail_errno(err, errno, "random number of a dictionary");
    *id = ID_FIRST + random % (INT32_MAX - ID_FIRST);
    for (int i = 0; i < 4; i++)
        bytes[ID_AT + i] = (char)(*id >> (8 * i) & 0xff);
    return RAG_OK;
}

static rag_status add(struct db_conn *conn, sqlite3_int64 namespace_id, rag_slice bytes,
                      uint32_t id, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_ADD, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, id);
    (void)sqlite3_bind_int64(stmt, 2, namespace_id);
    db_bind_slice(stmt, 3, bytes);
    return db_run(conn, stmt, err);
}

/* *id stays 0 when there is too little to learn, or nothing in common. */
static rag_status learn(struct db_conn *conn, sqlite3_int64 namespace_id, const struct samples *s,
                        uint32_t *id, rag_error *err)
{
    size_t room = s->len / SAMPLES_PER_BYTE;
    room = room < DICTIONARY_BYTES_MIN ? DICTIONARY_BYTES_MIN : room;
    room = room > DICTIONARY_BYTES_MAX ? DICTIONARY_BYTES_MAX : room;
    char *bytes = rag_alloc(room);
    if (!bytes)
        return rag_fail_memory(err);
    const size_t len = ZDICT_trainFromBuffer(bytes, room, s->bytes, s->lengths, (unsigned)s->count);
    rag_status status = RAG_OK;
    uint32_t fresh = 0;
    if (!ZDICT_isError(len)) {
        status = set_random_id(bytes, &fresh, err);
        if (status == RAG_OK)
            status = add(conn, namespace_id, slice_of(bytes, len), fresh, err);
    }
    rag_free(bytes);
    if (status == RAG_OK)
        *id = fresh;
    return status;
}

static rag_status learn_from(struct db_conn *conn, sqlite3_int64 namespace_id,
                             const rag_slice *first, size_t stride, size_t n, uint32_t *id,
                             rag_error *err)
{
    struct samples s = { 0 };
    rag_status status = take_samples(first, stride, n, &s, err);
    if (status == RAG_OK && s.len >= LEARN_FROM_BYTES)
        status = learn(conn, namespace_id, &s, id, err);
    rag_free(s.bytes);
    rag_free(s.lengths);
    return status;
}

rag_status dictionary_prepare(struct db_write *w, sqlite3_int64 namespace_id,
                              const rag_slice *first, size_t stride, size_t n, rag_error *err)
{
    uint32_t id = 0;
    if (db_is_secure_delete(w->conn))
        return codec_use_dictionary(w->conn->codec, 0, err);
    RAG_TRY(find(w->conn, namespace_id, &id, err));
    if (!id && n >= LEARN_FROM_TEXTS)
        RAG_TRY(learn_from(w->conn, namespace_id, first, stride, n, &id, err));
    return codec_use_dictionary(w->conn->codec, id, err);
}
