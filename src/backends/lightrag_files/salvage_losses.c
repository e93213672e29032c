/* How many rows were in a stretch of a file from which none was saved.
 *
 * The number is known when the stretch, read strictly, is rows and nothing else (their faults are
 * such as a bad checksum), or would be if one byte were another one. Such a byte is looked for near
 * the place where strict reading fails; if there are several, they must agree. That is a proof as far as there can be one: wide damage, in
 * which the end of one row and the beginning of the next may have gone, is not mended by one byte.
 * Everything else is "at least": one row, or none when the stretch is too short to have been one.
 *
 * Where two stretches meet, what looked like the beginning of a row may be part of the damage. So
 * they are tried as one first, when the first is not known or ends in the middle of something, and
 * count as one when neither that nor the second alone is known, or the first is not known and ends
 * in the middle.
 *
 * Once a file has "at least", nothing more is tried: the number will not be exact any more. */
#include <string.h>

#include "core/alloc.h"
#include "core/limits.h"
#include "salvage.h"

/* Structure, escapes, the letters of words, and bytes of UTF-8: to begin a sequence, to go on. Near
 * is a name or a short value in which the byte may be that made reading fail further behind, and an
 * escape of two surrogates in which it may be that made reading fail at its beginning. */
static const char json_bytes[] = "\"\\,:{}[] 0truefalsn\xc3\xe6\xf1\xa0\x8f";
const struct salvage_spelling salvage_json = { json_bytes, sizeof json_bytes - 1, NULL, 48, 12 };

/* ---- one byte as another one ----------------------------------------------------------------------- */

struct mended {
    const struct lightrag_input *input;
    uint64_t at;
    char byte;
};

static rag_status read_mended(void *ctx, uint64_t offset, void *data, size_t size, size_t *got,
                              rag_error *err)
{
    const struct mended *m = ctx;
    RAG_TRY(m->input->read_at(m->input->ctx, offset, data, size, got, err));
    if (m->at >= offset && m->at - offset < *got)
        ((char *)data)[m->at - offset] = m->byte;
    return RAG_OK;
}

/* What has been tried so far. */
struct trial {
    const struct salvage_losses *l;
    const struct salvage_stretch *s;
    struct salvage_count found; /* whole: by one byte at least */
    int ambiguous;              /* by another one it would be another number */
};

static rag_status try_byte(struct trial *t, uint64_t at, char byte, rag_error *err)
{
    const struct salvage_losses *l = t->l;
    struct mended m = { l->input, at, byte };
    const struct lightrag_input input = { l->input->name, &m, read_mended };
    struct salvage_count count;
    if (t->ambiguous)
        return RAG_OK;
    RAG_TRY(l->count(l->ctx, &input, t->s->from, t->s->to, t->s->behind_row, &count, err));
    if (!count.whole || count.odd)
        return RAG_OK;
    t->ambiguous = t->found.whole && t->found.rows != count.rows;
    t->found = count;
    return RAG_OK;
}

static rag_status try_place(struct trial *t, uint64_t at, rag_error *err)
{
    const struct salvage_spelling *spelling = t->l->spelling;
    for (size_t i = 0; i < spelling->byte_count; i++)
        RAG_TRY(try_byte(t, at, spelling->bytes[i], err));
    return RAG_OK;
}

static rag_status try_near(struct trial *t, uint64_t fault, rag_error *err)
{
    const struct salvage_stretch *s = t->s;
    const struct salvage_spelling *near = t->l->spelling;
    const uint64_t first = fault - s->from > near->before ? fault - near->before : s->from;
    for (uint64_t at = first; at < s->to && at <= fault + near->behind; at++)
        RAG_TRY(try_place(t, at, err));
    return RAG_OK;
}

/* Place in `word` of the only byte that is not as at `p`; -1 when it is none or more. */
static int only_other(const char *p, const char *word, size_t len)
{
    int other = -1;
    for (size_t i = 0; i < len; i++)
        if (p[i] != word[i]) {
            if (other >= 0)
                return -1;
            other = (int)i;
        }
    return other;
}

static rag_status try_words(struct trial *t, const char *text, size_t len, rag_error *err)
{
    for (const char *const *word = t->l->spelling->words; *word; word++) {
        const size_t word_len = strlen(*word);
        for (size_t i = 0; i + word_len <= len; i++) {
            const int other = only_other(text + i, *word, word_len);
            if (other >= 0)
                RAG_TRY(try_byte(t, t->s->from + i + (size_t)other, (*word)[other], err));
        }
    }
    return RAG_OK;
}

static rag_status try_spelling(struct trial *t, rag_error *err)
{
    const struct lightrag_input *input = t->l->input;
    const size_t len = (size_t)(t->s->to - t->s->from);
    size_t have = 0, got = 1;
    char *text = rag_alloc(len);
    rag_status status = text ? RAG_OK : rag_fail_memory(err);
    while (status == RAG_OK && have < len && got) {
        status = input->read_at(input->ctx, t->s->from + have, text + have, len - have, &got, err);
        have += got;
    }
    if (status == RAG_OK)
        status = try_words(t, text, have, err);
    rag_free(text);
    return status;
}

/* Whether the rows of the stretch are known, and how many they are. */
static rag_status find_out(const struct salvage_losses *l, const struct salvage_stretch *s,
                           struct salvage_count *out, rag_error *err)
{
    struct trial t = { .l = l, .s = s };
    *out = (struct salvage_count){ 0 };
    if (l->damage->at_least || s->may_be_more || !l->count)
        return RAG_OK;
    RAG_TRY(l->count(l->ctx, l->input, s->from, s->to, s->behind_row, out, err));
    if (out->whole)
        return RAG_OK;
    if (out->fault - s->from <= LIMIT_SALVAGE_MEND_BYTES)
        RAG_TRY(try_near(&t, out->fault, err));
    if (l->spelling->words && s->to - s->from <= LIMIT_SALVAGE_MEND_BYTES)
        RAG_TRY(try_spelling(&t, err));
    out->whole = t.found.whole && !t.ambiguous;
    out->rows = t.found.rows;
    return RAG_OK;
}

/* ---- stretches ------------------------------------------------------------------------------------- */

void salvage_losses_end(struct salvage_losses *l)
{
    if (l->open)
        lightrag_damage_add(l->damage, l->from, l->to - l->from, l->rows, "%s", l->why);
    l->damage->at_least |= l->open && !l->exact;
    l->open = 0;
}

static void begin_stretch(struct salvage_losses *l, const struct salvage_stretch *s,
                          const char *why)
{
    const size_t len = strlen(why) < sizeof l->why ? strlen(why) : sizeof l->why - 1;
    salvage_losses_end(l);
    memcpy(l->why, why, len);
    l->why[len] = 0;
    l->open = 1;
    l->from = s->from;
    l->to = s->to;
    l->behind_row = s->behind_row;
}

/* Both stretches are the rest of one, if that is known then. */
static rag_status join(struct salvage_losses *l, const struct salvage_stretch *s, int *joined,
                       rag_error *err)
{
    struct salvage_count all;
    const struct salvage_stretch both = {
        .from = l->from, .to = s->to, .behind_row = l->behind_row, .may_be_more = s->may_be_more
    };
    RAG_TRY(find_out(l, &both, &all, err));
    *joined = all.whole;
    if (!all.whole)
        return RAG_OK;
    l->to = s->to;
    l->rows = all.rows;
    l->exact = 1;
    l->cut = 0;
    return RAG_OK;
}

/* Whether it is rows, when the row before it was not: it has a part of this stretch then. */
static rag_status take_back(const struct salvage_losses *l, struct salvage_stretch *s,
                            struct salvage_count *found, rag_error *err)
{
    struct salvage_stretch longer = *s;
    longer.from = s->row;
    longer.behind_row = 0;
    RAG_TRY(find_out(l, &longer, found, err));
    if (found->whole)
        *s = longer;
    return RAG_OK;
}

rag_status salvage_lose(struct salvage_losses *l, const struct salvage_stretch *stretch,
                        const char *why, int *taken_back, rag_error *err)
{
    struct salvage_stretch s = *stretch;
    struct salvage_count found;
    const int meets = l->open && (!l->exact || l->cut) && l->to == s.from;
    int joined = 0;
    *taken_back = 0;
    if (meets)
        RAG_TRY(join(l, &s, &joined, err));
    if (joined)
        return RAG_OK;
    RAG_TRY(find_out(l, &s, &found, err));
    if (!found.whole && s.may_be_short) {
        RAG_TRY(take_back(l, &s, &found, err));
        *taken_back = found.whole;
    }
    if (meets && (!found.whole || (l->cut && !l->exact))) {
        l->to = s.to;
        l->exact = 0;
        return RAG_OK;
    }
    const int cut_row = s.may_be_more && !s.behind_row;
    const int none = s.may_be_none || (!cut_row && s.to - s.from < SALVAGE_ROW_LEAST);
    begin_stretch(l, &s, why);
    l->exact = found.whole;
    l->cut = found.cut;
    l->rows = found.whole ? found.rows : !none;
    return RAG_OK;
}
