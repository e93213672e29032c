/* Stores that somebody damaged. The first byte of the input chooses a store, the second what is done
 * with it, the rest says which bytes of its files change; then everything is asked.
 *
 * Never: a crash, a hang, undefined behaviour. Beyond that it depends on what the store can know.
 *  - Version 3, whose pages have checksums: each answer is that of the healthy store, or an error. So
 *    too after writing, compacting and mending, as far as these do not change what is asked. Where
 *    commits are in the log only, damage to the log may take the newest ones away (it ends at the
 *    first frame with a wrong checksum, as after a power cut): all answers are those of one state,
 *    after the first, second, ... commit.
 *  - What is left out of that because no checksum can see it (docs/decisions/0016-page-checksums.md):
 *    a changed page that ends in zeros, which is one whose checksum is not known; and a header that
 *    says that there are no checksums, which is what versions 1 and 2 look like.
 *  - Forged (bit 0 of the second byte): the checksums are made right after the damage, as somebody
 *    would who means it. Then the pages reach SQLite and our own parsers behind them (values, index
 *    rows, upgrades), and answers may be wrong.
 *  - Versions 1 and 2 have no checksums: the same.
 *
 * Damage is a list of steps: a byte with what (low three bits) and in which file, then its numbers.
 * Positions have three bytes and are taken modulo the length. Index files are damaged here as well,
 * and forged ones are what fuzz_vindex_file is about. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_samples.h"
#include "vindex/vindex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bits of the second byte. Three more leave out questions: see ABOUT_. */
enum { FORGED = 1, READ_WRITE = 2, CHECK = 4, CHANGE = 8, LEFT_OUT_AT = 4 };
enum { PAGE = 4096, CHECKSUM = 8, HEADER = 100, STEPS_MAX = 64 };

enum step { FLIP, PUT, CUT, EXCHANGE, COPY, FILL, ADD, GROW };

struct input {
    const uint8_t *at, *end;
};

static unsigned next(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static size_t position(struct input *in, size_t len)
{
    const size_t a = next(in), b = next(in), c = next(in);
    return len ? (a | b << 8 | c << 16) % len : 0;
}

/* ---- damage ------------------------------------------------------------------------------------------ */

static void put(struct sample_file *file, struct input *in)
{
    const size_t at = position(in, file->len), n = 1 + next(in) % 16;
    for (size_t i = 0; i < n && at + i < file->len; i++)
        file->bytes[at + i] = (uint8_t)next(in);
}

static void fill(struct sample_file *file, struct input *in)
{
    const size_t at = position(in, file->len), n = 16 * (size_t)(1 + next(in));
    memset(file->bytes + at, (int)next(in), n < file->len - at ? n : file->len - at);
}

/* Of a number of four bytes, the largest first, as SQLite has them. */
static void add(struct sample_file *file, struct input *in)
{
    const size_t at = position(in, file->len);
    const unsigned change = next(in);
    if (file->len < 4 || at > file->len - 4)
        return;
    uint8_t *p = file->bytes + at;
    uint32_t value = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    value += (uint32_t)(int32_t)(int8_t)change;
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void move_page(struct sample_file *file, struct input *in, int is_exchange)
{
    uint8_t page[PAGE];
    if (file->len < PAGE)
        return;
    uint8_t *a = file->bytes + (size_t)position(in, file->len / PAGE) * PAGE;
    uint8_t *b = file->bytes + (size_t)position(in, file->len / PAGE) * PAGE;
    memcpy(page, b, PAGE);
    memcpy(b, a, PAGE);
    if (is_exchange)
        memcpy(a, page, PAGE);
}

static void grow(struct sample_file *file, struct input *in, size_t most)
{
    size_t n = 16 * (size_t)(1 + next(in));
    n = n < most - file->len ? n : most - file->len;
    memset(file->bytes + file->len, (int)next(in), n);
    file->len += n;
}

static void damage(struct sample_file *files, const struct sample *sample, struct input *in)
{
    for (int i = 0; i < STEPS_MAX && in->at < in->end; i++) {
        const unsigned what = next(in);
        const size_t number = (what >> 3) % sample->file_count;
        struct sample_file *file = &files[number];
        if (!file->len)
            continue;
        switch ((enum step)(what & 7)) {
        case FLIP: file->bytes[position(in, file->len)] ^= (uint8_t)(1U << (what >> 5)); break;
        case PUT: put(file, in); break;
        case CUT: file->len = position(in, file->len); break;
        case EXCHANGE: move_page(file, in, 1); break;
        case COPY: move_page(file, in, 0); break;
        case FILL: fill(file, in); break;
        case ADD: add(file, in); break;
        case GROW: grow(file, in, sample->files[number].len + SAMPLE_GROWTH_MAX); break;
        }
    }
}

/* ---- checksums, made here from what docs/file-format.md says ------------------------------------------ */

static uint64_t page_checksum(const uint8_t *page, uint32_t number)
{
    const size_t len = PAGE - CHECKSUM;
    if (number > 1) {
        const uint64_t sum = vindex_checksum(page, len) ^ number * UINT64_C(0x9E3779B97F4A7C15);
        return sum ? sum : 1;
    }
    uint8_t header[HEADER];
    memcpy(header, page, HEADER);
    memset(header + 18, 0, 2);
    memset(header + 24, 0, 4);
    memset(header + 92, 0, 8);
    const uint64_t sum =
        vindex_checksum(page + HEADER, len - HEADER) ^ vindex_checksum(header, HEADER);
    return sum ? sum : 1;
}

static void forge(struct sample_file *db)
{
    for (size_t at = 0; at + PAGE <= db->len; at += PAGE) {
        const uint64_t sum = page_checksum(db->bytes + at, (uint32_t)(at / PAGE + 1));
        for (int i = 0; i < CHECKSUM; i++)
            db->bytes[at + PAGE - CHECKSUM + (size_t)i] = (uint8_t)(sum >> 8 * i);
    }
}

/* What no checksum sees: see above. */
static int is_blind(const struct sample_file *db, const struct sample_file *was)
{
    static const uint8_t none[CHECKSUM];
    if (db->len < HEADER || db->bytes[20] != CHECKSUM)
        return 1;
    for (size_t at = 0; at + PAGE <= db->len; at += PAGE) {
        const int is_same =
            at + PAGE <= was->len && memcmp(db->bytes + at, was->bytes + at, PAGE) == 0;
        if (!is_same && memcmp(db->bytes + at + PAGE - CHECKSUM, none, CHECKSUM) == 0)
            return 1;
    }
    return 0;
}

/* ---- questions ------------------------------------------------------------------------------------------ */

static int is_right(const struct answers *got, const struct answers *wanted, size_t i,
                    int is_changed)
{
    if (!got->is_asked[i] || (is_changed && !question_is_stable(i)))
        return 1;
    if (got->status[i] == RAG_OK)
        return wanted->status[i] == RAG_OK && got->digest[i] == wanted->digest[i];
    /* "there is no such thing" is an answer as well */
    return got->status[i] != RAG_E_NOT_FOUND || wanted->status[i] == RAG_E_NOT_FOUND;
}

static void compare(const struct sample *sample, const struct answers *got, int is_changed)
{
    size_t wrong[SAMPLE_STATES_MAX];
    for (size_t s = 0; s < sample->state_count; s++) {
        size_t i = 0;
        while (i < QUESTIONS && is_right(got, &sample->states[s], i, is_changed))
            i++;
        if (i == QUESTIONS)
            return;
        wrong[s] = i;
    }
    for (size_t s = 0; s < sample->state_count; s++)
        fprintf(stderr, "wrong for state %zu: %s (%s)\n", s, question_name(wrong[s]),
                rag_status_text(got->status[wrong[s]]));
    abort();
}

/* What does not change an answer, whatever it gives itself. */

static void check(rag_store *store, unsigned flags)
{
    rag_check_options options = RAG_CHECK_OPTIONS_INIT;
    rag_result *report = NULL;
    options.flags = flags & READ_WRITE ? RAG_CHECK_REPAIR : 0;
    (void)!rag_store_check(store, NULL, &options, &report, NULL);
    rag_result_free(report);
}

static void change(rag_store *store)
{
    const rag_kv_item item = { rag_text("key"), rag_text("{\"content\":\"added\"}"), 1, 2 };
    (void)!rag_kv_put_many(store, NULL, "added", &item, 1, NULL, NULL);
    (void)!rag_flush(store, NULL, 0, NULL);
    (void)!rag_store_compact(store, NULL, NULL, NULL);
}

static void ask(const struct sample *sample, unsigned flags, int is_compared)
{
    rag_store *store = NULL;
    struct answers answers;
    rag_error err = RAG_ERROR_INIT;
    const unsigned subjects = ~(flags >> LEFT_OUT_AT);
    const unsigned mode = flags & READ_WRITE ? RAG_OPEN_EXISTING : RAG_OPEN_READ_ONLY;
    const rag_status status = sample_open(mode, &store, &err);
    require(status == RAG_OK || err.message[0] != 0);
    if (status != RAG_OK)
        return;
    questions_ask(store, subjects, &answers);
    if (is_compared)
        compare(sample, &answers, 0);
    if (flags & CHECK)
        check(store, flags);
    if (flags & CHANGE)
        change(store); /* refused when reading only */
    if (flags & READ_WRITE && flags & (CHECK | CHANGE)) {
        questions_ask(store, subjects, &answers);
        if (is_compared)
            compare(sample, &answers, 1);
    }
    rag_store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, data + size };
    const struct sample *sample = sample_get((enum sample_kind)(next(&in) % SAMPLE_KINDS));
    const unsigned flags = next(&in);
    struct sample_file files[SAMPLE_FILES_MAX];
    for (size_t i = 0; i < sample->file_count; i++) {
        files[i] = sample->files[i];
        files[i].bytes = files[i].copy;
        memcpy(files[i].bytes, sample->files[i].bytes, files[i].len);
    }
    damage(files, sample, &in);
    const int is_forged = flags & FORGED || !sample->has_checksums;
    if (flags & FORGED && sample->has_checksums)
        forge(&files[0]);
    sample_put(files, sample->file_count);
    ask(sample, flags, !is_forged && !is_blind(&files[0], &sample->files[0]));
    return 0;
}
