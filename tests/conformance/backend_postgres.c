/* PostgreSQL: a store is a workspace of the database "conformance", which the first case creates. The
 * server is the one whose folder RAGSTORE_TEST_POSTGRES names (tests/servers/postgresql start): one
 * with pgvector and AGE (17), and for `postgres_plain` one without (15). `postgres_age` and `postgres_tables` say where the graph
 * has to be; `postgres` leaves it to the store. Workspaces are left behind: the server goes after the run. */
#include <stdio.h>
#include <string.h>

#include "../servers/postgres_url.h"
#include "conformance.h"

static rag_status open_with(const char *database, const char *more, const struct place *place,
                            const rag_open_options *options, rag_store **out, rag_error *err)
{
    char server[400], url[800];
    if (!postgres_url(database, server, sizeof server))
        return RAG_E_NOT_FOUND;
    const char *name = strrchr(place->path, '/');
    (void)snprintf(url, sizeof url, "%s?workspace=%s%s", server, name ? name + 1 : place->path,
                   more);
    return rag_store_open(url, options, NULL, out, err);
}

static rag_status open_store(const struct place *place, const rag_open_options *options,
                             rag_store **out, rag_error *err)
{
    return open_with("conformance", "", place, options, out, err);
}

static rag_status open_age(const struct place *place, const rag_open_options *options,
                           rag_store **out, rag_error *err)
{
    return open_with("conformance", "&graph=age", place, options, out, err);
}

static rag_status open_tables(const struct place *place, const rag_open_options *options,
                              rag_store **out, rag_error *err)
{
    return open_with("conformance", "&graph=tables", place, options, out, err);
}

/* In a database of its own: workspaces share tables, and so their indexes. */
static rag_status open_ivfflat(const struct place *place, const rag_open_options *options,
                               rag_store **out, rag_error *err)
{
    return open_with("conformance_ivfflat", "&vector_index_type=IVFFLAT", place, options, out, err);
}

#define OFFERS                                                                           \
    (NEEDS_TRANSACTIONS | NEEDS_PERSISTENCE | NEEDS_SHARING | NEEDS_NUL | NEEDS_ATOMIC | \
     NEEDS_EXTRAS | NEEDS_CONTROL)

#define WHOLE                                                         \
    {                                                                 \
        .kinds = HAS_ALL,                                             \
        .offers = OFFERS | NEEDS_FLOAT16 | NEEDS_FLOAT32 | NEEDS_DOT, \
        .name_bytes_max = 255,                                        \
        .key_bytes_max = 65536,                                       \
        .dimension_max = 16000,                                       \
        .score_tolerance = 1e-5,                                      \
        .recall = 0.99,                                               \
    }

const struct conformance_backend conformance_postgres = {
    .name = "postgres",
    .open = open_store,
    .quirks = WHOLE,
};

const struct conformance_backend conformance_postgres_age = {
    .name = "postgres_age",
    .driver = "postgres",
    .open = open_age,
    .quirks = WHOLE,
};

const struct conformance_backend conformance_postgres_tables = {
    .name = "postgres_tables",
    .driver = "postgres",
    .open = open_tables,
    .quirks = WHOLE,
};

const struct conformance_backend conformance_postgres_ivfflat = {
    .name = "postgres_ivfflat",
    .driver = "postgres",
    .open = open_ivfflat,
    .quirks = WHOLE,
};

const struct conformance_backend conformance_postgres_plain = {
    .name = "postgres_plain",
    .driver = "postgres",
    .open = open_store,
    .quirks = {
        .kinds = HAS_KV | HAS_GRAPH | HAS_DOCSTATUS,
        .offers = OFFERS,
        .name_bytes_max = 255,
        .key_bytes_max = 65536,
        .score_tolerance = 1e-5,
        .recall = 1,
    },
};
