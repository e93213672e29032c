/* The readers of LightRAG's files over any bytes. The first byte chooses the reader and whether it
 * salvages (bit 2), and the second into which pieces the file is cut. Two runs, one in these pieces
 * and one whole, must end with the same status and, when that is success, have given the same rows
 * and the same report of what is lost.
 *
 * A salvage is compared with strict reading too. What strict reading takes is whole: the salvage
 * must give the same rows and report nothing, as far as the file has the marks by which a salvage
 * finds rows (has_marks()). What strict reading gave before it failed must be saved, but for the last
 * row, which may have ended too early. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/lightrag_files/graphml_reader.h"
#include "backends/lightrag_files/json_kv_reader.h"
#include "backends/lightrag_files/nano_reader.h"
#include "core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct file {
    const uint8_t *data;
    size_t len, piece;
};

static void require(int condition)
{
    if (!condition)
        abort();
}

static rag_status read_at(void *ctx, uint64_t offset, void *data, size_t size, size_t *got,
                          rag_error *err)
{
    const struct file *f = ctx;
    (void)err;
    size_t n = offset < f->len ? f->len - (size_t)offset : 0;
    n = n < f->piece ? n : f->piece;
    n = n < size ? n : size;
    if (n)
        memcpy(data, f->data + offset, n);
    *got = n;
    return RAG_OK;
}

/* What a run has given, as one number. */
struct sum {
    uint64_t rows, hash;
};

static void add(struct sum *sum, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        sum->hash = (sum->hash ^ p[i]) * UINT64_C(0x100000001b3);
    sum->hash = (sum->hash ^ len) * UINT64_C(0x100000001b3);
}

static rag_status take(void *ctx, struct lightrag_batch **batch, rag_error *err)
{
    struct sum *sum = ctx;
    const struct lightrag_batch *b = *batch;
    (void)err;
    for (size_t i = 0; i < b->count; i++) {
        const rag_slice key = lightrag_bytes(b, b->rows[i].key);
        const rag_slice key2 = lightrag_bytes(b, b->rows[i].key2);
        const rag_slice value = lightrag_bytes(b, b->rows[i].value);
        require(json_check_object(value, "value of", key, NULL) == RAG_OK);
        add(sum, key.data, key.len);
        add(sum, key2.data, key2.len);
        add(sum, value.data, value.len);
        add(sum, &b->rows[i].created_at, sizeof b->rows[i].created_at);
        if (b->kind == LIGHTRAG_VECTORS)
            add(sum, b->vectors + i * b->dimension, b->dimension * sizeof(float));
        sum->rows++;
    }
    lightrag_batch_clear(*batch);
    return RAG_OK;
}

/* What a run has reported to be lost. */
struct losses {
    uint64_t lost, places;
    int at_least;
};

static rag_status run(unsigned which, int salvage, struct file file, struct sum *sum,
                      struct losses *losses)
{
    const struct lightrag_input input = { "fuzz", &file, read_at };
    const struct lightrag_sink sink = { sum, take };
    struct lightrag_summary summary = LIGHTRAG_SUMMARY_INIT;
    struct lightrag_batch batch;
    struct lightrag_job job = { &input, "x_cache", &sink, &batch, &summary, salvage };
    rag_error err = RAG_ERROR_INIT;
    rag_status status;
    lightrag_batch_init(&batch);
    switch (which % 4) {
    case 0: status = lightrag_read_kv(&job, &err); break;
    case 1: status = lightrag_read_docs(&job, &err); break;
    case 2: status = lightrag_read_vectors(&job, &err); break;
    default: status = lightrag_read_graph(&job, &err); break;
    }
    require(status == RAG_OK || (err.status == status && strncmp(err.message, "fuzz", 4) == 0));
    require(status != RAG_OK || sum->rows == summary.rows);
    const struct lightrag_damage *d = &summary.damage;
    *losses = (struct losses){ d->lost, d->places, d->at_least };
    require(salvage || (!d->lost && !d->places && !d->at_least));
    require(d->places || (!d->lost && !d->at_least));
    for (size_t i = 0; i < d->count; i++)
        require(d->faults[i].at <= file.len && d->faults[i].length <= file.len - d->faults[i].at);
    if (status == RAG_OK) /* of a failure the last rows have not been delivered */
        require(batch.count == 0);
    sum->rows += batch.count;
    lightrag_batch_free(&batch);
    lightrag_summary_free(&summary);
    return status;
}

static uint64_t count(struct file file, const char *mark)
{
    uint64_t n = 0;
    const size_t len = strlen(mark);
    for (size_t i = 0; i + len <= file.len; i++)
        n += memcmp(file.data + i, mark, len) == 0;
    return n;
}

/* Whether the rows stand as LightRAG writes them, so that a salvage can tell them: each begins with
 * its mark and nothing else does. Of values by key, which are told by lines, those in one line. */
static int has_marks(unsigned which, struct file file, uint64_t rows)
{
    int blank = 1;
    for (size_t i = 0; i < file.len; i++)
        blank &= strchr(" \n\r\t\xef\xbb\xbf", file.data[i]) != NULL;
    if (blank) /* no rows for a reader, a loss for a salvage */
        return 0;
    if (which % 4 < 2)
        return !count(file, "\n");
    if (which % 4 == 2)
        return count(file, "{\"__id__\"") == rows;
    return count(file, "<node ") + count(file, "<edge ") == rows && !count(file, "<!") &&
           !count(file, "encoding") && !count(file, "xmlns") && !count(file, "<?");
}

static void compare(unsigned which, struct file file, const struct sum *saved,
                    const struct losses *lost)
{
    struct sum strict = { 0, 0 };
    struct losses none;
    const rag_status status = run(which, 0, file, &strict, &none);
    if (!has_marks(which, file, strict.rows) && status == RAG_OK)
        return;
    if (status == RAG_OK) {
        require(saved->rows == strict.rows && saved->hash == strict.hash);
        require(!lost->lost && !lost->places && !lost->at_least);
    } else if (which % 4 < 2 && !count(file, "\n")) {
        require(saved->rows + 1 >= strict.rows);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const int salvage = data[0] >> 2 & 1;
    const struct file pieces = { data + 2, size - 2, data[1] ? data[1] : 1 };
    const struct file whole = { data + 2, size - 2, size };
    struct sum a = { 0, 0 }, b = { 0, 0 };
    struct losses lost_a, lost_b;
    const rag_status first = run(data[0], salvage, pieces, &a, &lost_a),
                     second = run(data[0], salvage, whole, &b, &lost_b);
    require((first == RAG_OK) == (second == RAG_OK));
    require(first != RAG_OK || (a.rows == b.rows && a.hash == b.hash));
    require(first != RAG_OK || (lost_a.lost == lost_b.lost && lost_a.places == lost_b.places &&
                                lost_a.at_least == lost_b.at_least));
    if (salvage && second == RAG_OK)
        compare(data[0], whole, &b, &lost_b);
    return 0;
}
