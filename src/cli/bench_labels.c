/* The bench of questions for names: search in labels, and the best-known nodes.
 *
 * A person types a name, or the beginning or a part of one, so the queries are cut from labels of the
 * store, drawn evenly at random from all: the whole label, four characters of it, two, one; and
 * the label with something behind it that no label has. Single characters are what most labels
 * contain, which is the worst case of ranking. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE = 5000, BEST_KNOWN = 300 };

static const struct query_kind {
    const char *name;
    size_t characters; /* 0: all */
    const char *behind;
} kinds[] = {
    { "labels.whole", 0, "" },
    { "labels.four", 4, "" },
    { "labels.two", 2, "" },
    { "labels.one", 1, "" },
    { "labels.nothing", 0, "\001\002" },
};

static rag_status draw_labels(bench *b, size_t size, id_list *out)
{
    text after = { 0 };
    uint64_t seen = 0;
    rag_status status = RAG_OK;
    out->ids = cli_alloc(size, sizeof(text));
    for (int more = 1; more && status == RAG_OK;) {
        rag_result *rows = NULL;
        status =
            rag_graph_scan_nodes(b->store, b->ctx, text_slice(&after), PAGE, 0, &rows, &b->err);
        for (size_t i = 0; i < rag_result_count(rows); i++) {
            bench_draw(b, out, size, seen++, rag_result_row(rows, i)->key);
        }
        more = next_page(&after, rows);
    }
    text_free(&after);
    return status;
}

static int is_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* So many characters of the label from a place at random, all when it is shorter. */
static void cut(bench *b, const text *label, const struct query_kind *kind, text *out)
{
    size_t characters = 0;
    for (size_t i = 0; i < label->len; i++) {
        characters += !is_tail(label->data[i]);
    }
    size_t wanted =
        kind->characters > 0 && kind->characters < characters ? kind->characters : characters;
    size_t skip = (size_t)(bench_random(b) % (characters - wanted + 1));
    text_clear(out);
    for (size_t i = 0, at = 0; i < label->len; i++) {
        at += !is_tail(label->data[i]); /* the number of this character, from 1 */
        if (at > skip && at <= skip + wanted) {
            text_add_bytes(out, label->data + i, 1);
        }
    }
    text_add(out, kind->behind);
}

static rag_status ask_kind(bench *b, const id_list *labels, const struct query_kind *kind)
{
    timings t = { 0 };
    text query = { 0 };
    rag_status status = RAG_OK;
    for (size_t i = 0; i < labels->count && status == RAG_OK; i++) {
        rag_result *rows = NULL;
        cut(b, &labels->ids[i], kind, &query);
        double start = seconds_now();
        status = rag_graph_search_labels(b->store, b->ctx, text_slice(&query), 0, &rows, &b->err);
        timings_add(&t, seconds_now() - start);
        rag_result_free(rows);
    }
    if (status == RAG_OK) {
        timings_report(b, &t, kind->name);
    }
    timings_free(&t);
    text_free(&query);
    return status;
}

static rag_status ask_popular(bench *b)
{
    timings t = { 0 };
    rag_status status = RAG_OK;
    for (size_t i = 0; i < b->runs && status == RAG_OK; i++) {
        rag_result *rows = NULL;
        double start = seconds_now();
        status = rag_graph_popular(b->store, b->ctx, BEST_KNOWN, &rows, &b->err);
        timings_add(&t, seconds_now() - start);
        rag_result_free(rows);
    }
    if (status == RAG_OK) {
        timings_report(b, &t, "labels.popular");
    }
    timings_free(&t);
    return status;
}

rag_status bench_labels(bench *b)
{
    id_list labels = { 0 };
    rag_status status = draw_labels(b, b->runs, &labels);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && status == RAG_OK; i++) {
        status = ask_kind(b, &labels, &kinds[i]);
    }
    if (status == RAG_OK) {
        status = ask_popular(b);
    }
    id_list_free(&labels);
    return status;
}
