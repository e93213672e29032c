/* How many rows are in a stretch of a GraphML file: for the salvage, which tries many bytes in it
 * (salvage_losses.c), so this knows nothing but the shape of a row. Values are not looked at.
 *
 * The stretch is parsed in a graph that is made around it, or, when it is the beginning of the file,
 * as it stands. What no row of LightRAG has, but a reader would pass over, is counted as odd. */
#include "graphml_count.h"

#include <expat.h>
#include <string.h>

#include "core/alloc.h"
#include "core/limits.h"

enum { PIECE = 16 * 1024, ROW_DEPTH = 3 };

static const char prefix[] = "<graphml><graph>", suffix[] = "</graph></graphml>";

/* Where XML says that something is wrong it is near; words may be damaged anywhere before it. */
static const char bytes[] = "<>/\"=&; a0\xc3\xe6\xf1\xa0\x8f";
static const char *const words[] = { "<node id=\"",  "<edge source=\"",
                                     "\" target=\"", "<data key=\"",
                                     "</data>",      "</node>",
                                     "</edge>",      "</graph>",
                                     "</graphml>",   "&amp;",
                                     "&lt;",         "&gt;",
                                     "&quot;",       NULL };
const struct salvage_spelling graphml_spelling = { bytes, sizeof bytes - 1, words, 6, 6 };

struct graphml_counter {
    XML_Parser parser;
    unsigned depth;
    int in_graph, bad;
    struct salvage_count *out;
};

static void refuse(struct graphml_counter *c)
{
    c->bad = 1;
    (void)XML_StopParser(c->parser, XML_FALSE);
}

static int has(const char **attributes, const char *name)
{
    for (size_t i = 0; attributes[i]; i += 2)
        if (strcmp(attributes[i], name) == 0)
            return 1;
    return 0;
}

static void XMLCALL on_begin(void *user, const char *name, const char **attributes)
{
    struct graphml_counter *c = user;
    c->depth++;
    c->in_graph |= c->depth == ROW_DEPTH - 1 && strcmp(name, "graph") == 0;
    if (!c->in_graph || c->depth < ROW_DEPTH)
        return;
    if (c->depth > ROW_DEPTH) {
        c->out->odd +=
            c->depth > ROW_DEPTH + 1 || strcmp(name, "data") != 0 || !has(attributes, "key");
        return;
    }
    const int node = strcmp(name, "node") == 0 && has(attributes, "id");
    const int edge = strcmp(name, "edge") == 0 && has(attributes, "source");
    if (!node && !(edge && has(attributes, "target")))
        refuse(c);
}

static void XMLCALL on_end(void *user, const char *name)
{
    struct graphml_counter *c = user;
    (void)name;
    c->out->rows += c->in_graph && c->depth == ROW_DEPTH;
    c->in_graph &= c->depth-- >= ROW_DEPTH;
}

static void XMLCALL on_text(void *user, const char *text, int len)
{
    struct graphml_counter *c = user;
    if (c->in_graph && c->depth <= ROW_DEPTH)
        for (int i = 0; i < len; i++)
            if (!strchr(" \n\r\t", text[i]) || !text[i]) {
                refuse(c);
                return;
            }
}

rag_status graphml_counter_open(struct graphml_counter **out, rag_error *err)
{
    static const XML_Memory_Handling_Suite memory = { rag_alloc, rag_realloc, rag_free };
    struct graphml_counter *c = rag_alloc_zeroed(1, sizeof *c);
    if (c)
        c->parser = XML_ParserCreate_MM(NULL, &memory, NULL);
    if (!c || !c->parser) {
        rag_free(c);
        return rag_fail_memory(err);
    }
    *out = c;
    return RAG_OK;
}

void graphml_counter_close(struct graphml_counter *c)
{
    if (c)
        XML_ParserFree(c->parser);
    rag_free(c);
}

/* *good: there is nothing wrong up to here. */
static rag_status feed(struct graphml_counter *c, struct salvage_region *region, const char *end,
                       int *good, rag_error *err)
{
    size_t got = 1;
    while (got && *good) {
        void *piece = XML_GetBuffer(c->parser, PIECE);
        if (!piece)
            return rag_fail_memory(err);
        RAG_TRY(salvage_fill(region, piece, PIECE, &got, err));
        if (got)
            *good = XML_ParseBuffer(c->parser, (int)got, 0) == XML_STATUS_OK;
    }
    if (*good)
        *good = XML_Parse(c->parser, end, (int)strlen(end), 1) == XML_STATUS_OK;
    return RAG_OK;
}

rag_status graphml_count(void *ctx, const struct lightrag_input *input, uint64_t from, uint64_t to,
                         int to_the_end, struct salvage_count *out, rag_error *err)
{
    struct graphml_counter *c = ctx;
    struct salvage_region region = SALVAGE_REGION(input, from, to);
    const size_t before = from ? strlen(prefix) : 0;
    int good = 1;
    *out = (struct salvage_count){ 0 };
    (void)XML_ParserReset(c->parser, NULL);
    XML_SetUserData(c->parser, c);
    XML_SetElementHandler(c->parser, on_begin, on_end);
    XML_SetCharacterDataHandler(c->parser, on_text);
    *c = (struct graphml_counter){ .parser = c->parser, .out = out };
    if (from)
        good = XML_Parse(c->parser, prefix, (int)before, 0) == XML_STATUS_OK;
    RAG_TRY(feed(c, &region, to_the_end ? "" : suffix, &good, err));
    if (XML_GetErrorCode(c->parser) == XML_ERROR_NO_MEMORY)
        return rag_fail_memory(err);
    const int64_t at = XML_GetCurrentByteIndex(c->parser) - (int64_t)before;
    out->whole = good && !c->bad;
    out->fault = from + (at > 0 ? (uint64_t)at : 0);
    out->cut = !good && out->fault >= to;
    return RAG_OK;
}
