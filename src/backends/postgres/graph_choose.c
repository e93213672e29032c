/* Which layout the graph of a workspace has: chosen when it is first opened for writing, written down
 * in ragstore_graph, and said once.
 *
 * The option `graph` is auto, age or tables. A graph that has rows in one layout keeps it: asking for
 * the other is refused. Without rows, auto takes AGE where the server has it and the role may use it,
 * and plain tables otherwise: an AGE that cannot be used is no failure, only a reason that is logged.
 * Several workspaces can have one name in AGE ("a-b" and "a_b", as in LightRAG): the first has it, the
 * others get tables.
 *
 * All of it happens under the lock of the schema, in one transaction. */
#include <string.h>
#include <strings.h>

#include "graph.h"

static const char SQL_RECORD[] = "SELECT layout FROM ragstore_graph WHERE workspace = $1::text";
static const char SQL_TAKEN[] =
    "SELECT 1 FROM ragstore_graph WHERE graph = $1::text AND workspace <> $2::text";
static const char SQL_WRITE_DOWN[] =
    "INSERT INTO ragstore_graph (workspace, layout, graph) VALUES ($1::text, $2::text, $3::text)"
    " ON CONFLICT (workspace) DO UPDATE SET layout = EXCLUDED.layout, graph = EXCLUDED.graph";
static const char SQL_TABLE_ROWS[] = "SELECT 1 FROM lightrag_graph_nodes WHERE workspace = $1::text"
                                     " AND namespace = 'chunk_entity_relation' LIMIT 1";

static const char READ_ONLY_SERVER[] = "25006"; /* SQLSTATE: a standby */

struct choosing {
    struct pg_server *s;
    struct pg_making making;
    char graph[PG_GRAPH_NAME_MAX + 1];
    int wants_age, wants_tables;       /* neither: auto */
    int there, complete, taken;        /* the graph of AGE */
    int rows_in_age, rows_in_tables;   /* there are some */
    const struct pg_graph_layout *was; /* the one written down, or NULL */
};

static rag_status has_rows(const struct choosing *c, const char *sql, const char *first,
                           const char *second, int *out)
{
    struct pg_params params = { 0 };
    PGresult *r;
    if (first)
        pg_add_text(&params, first);
    if (second)
        pg_add_text(&params, second);
    PG_TRY(pg_run(c->making.conn, c->making.ctx, sql, &params, "choosing where the graph is", &r,
                  c->making.err));
    *out = PQntuples(r) > 0;
    PQclear(r);
    return RAG_OK;
}

static rag_status read_record(struct choosing *c)
{
    struct pg_params params = { 0 };
    PGresult *r;
    pg_add_text(&params, c->s->workspace);
    PG_TRY(pg_run(c->making.conn, c->making.ctx, SQL_RECORD, &params, "choosing where the graph is",
                  &r, c->making.err));
    if (PQntuples(r) > 0)
        c->was =
            strcmp(PQgetvalue(r, 0, 0), pg_graph_age.name) == 0 ? &pg_graph_age : &pg_graph_tables;
    PQclear(r);
    return RAG_OK;
}

static rag_status look(struct choosing *c)
{
    PG_TRY(has_rows(c, SQL_TABLE_ROWS, c->s->workspace, NULL, &c->rows_in_tables));
    PG_TRY(has_rows(c, SQL_TAKEN, c->graph, c->s->workspace, &c->taken));
    PG_TRY(pg_age_graph_there(&c->making, c->graph, &c->there, &c->complete));
    if (c->there && !c->taken)
        PG_TRY(pg_age_has_rows(&c->making, c->graph, &c->rows_in_age));
    return RAG_OK;
}

static rag_status refuse(const struct choosing *c, const char *wanted, const char *has)
{
    return c->making.host->fail(
        c->making.err, RAG_E_CONFLICT,
        "graph = %s, but the graph of workspace '%.100s' has its rows in %s: "
        "export it, or leave the option out",
        wanted, c->s->workspace, has);
}

static rag_status refuse_other_place(const struct choosing *c)
{
    if (c->wants_tables && c->rows_in_age && !c->rows_in_tables)
        return refuse(c, "tables", "AGE");
    if (c->wants_age && c->rows_in_tables && !c->rows_in_age)
        return refuse(c, "age", "tables");
    return RAG_OK;
}

/* Into AGE; what was begun is undone when it cannot be. */
static rag_status make_in_age(const struct choosing *c, rag_error *why)
{
    struct pg_making making = c->making;
    const struct pg_making *m = &c->making;
    making.err = why;
    PG_TRY(pg_schema_run(m, "SAVEPOINT age"));
    const rag_status status = pg_age_make(&making, c->graph);
    if (m->conn->lost)
        return status;
    PG_TRY(
        pg_schema_run(m, status == RAG_OK ? "RELEASE SAVEPOINT age" : "ROLLBACK TO SAVEPOINT age"));
    return status;
}

static void say(const struct choosing *c, const char *layout, const char *why)
{
    struct pg_text text = { .host = c->making.host };
    pg_text_printf(&text, "the graph of workspace '%.100s' is in %s%s%.300s", c->s->workspace,
                   layout, *why ? ": " : "", why);
    if (!text.failed)
        c->making.host->log(c->making.ctx, RAG_LOG_INFO, text.data);
    pg_text_free(&text);
}

static rag_status try_age(struct choosing *c, const struct pg_graph_layout **out)
{
    rag_error why = RAG_ERROR_INIT;
    int offered = c->there;
    if (!offered)
        PG_TRY(pg_age_offered(&c->making, &offered));
    if (!offered || c->taken) {
        say(c, "tables", c->taken ? "its name in AGE is another workspace's" : "no usable AGE");
        *out = &pg_graph_tables;
        return RAG_OK;
    }
    const rag_status status = make_in_age(c, &why);
    if (status == RAG_OK) {
        say(c, "AGE", "");
        *out = &pg_graph_age;
        return RAG_OK;
    }
    if (c->making.conn->lost || c->rows_in_age)
        return pg_pass(status, &why, c->making.err);
    say(c, "tables", why.message);
    *out = &pg_graph_tables;
    return RAG_OK;
}

static rag_status decide(struct choosing *c, const struct pg_graph_layout **out)
{
    PG_TRY(read_record(c)); /* somebody else may have decided meanwhile */
    if (c->was && !c->wants_age && !c->wants_tables && c->was == &pg_graph_tables) {
        *out = c->was;
        return RAG_OK;
    }
    PG_TRY(look(c));
    PG_TRY(refuse_other_place(c));
    if (c->wants_age && c->taken)
        return c->making.host->fail(c->making.err, RAG_E_CONFLICT,
                                    "graph = age: the graph '%s' is another workspace's", c->graph);
    if (c->wants_age || (c->was == &pg_graph_age && !c->wants_tables)) {
        *out = &pg_graph_age;
        return pg_age_make(&c->making, c->graph);
    }
    if (!c->wants_tables && !c->rows_in_tables)
        return try_age(c, out);
    if (!c->wants_tables && c->rows_in_age)
        c->making.host->log(c->making.ctx, RAG_LOG_WARNING,
                            "the graph has rows in tables and in AGE: those in tables are taken "
                            "(graph = age takes the others)");
    *out = &pg_graph_tables;
    return RAG_OK;
}

static rag_status write_down(const struct choosing *c, const struct pg_graph_layout *layout)
{
    struct pg_params params = { 0 };
    pg_add_text(&params, c->s->workspace);
    pg_add_text(&params, layout->name);
    if (layout == &pg_graph_age)
        pg_add_text(&params, c->graph);
    else
        pg_add_null(&params);
    return pg_run(c->making.conn, c->making.ctx, SQL_WRITE_DOWN, &params,
                  "writing down where the graph is", NULL, c->making.err);
}

static rag_status decide_for_good(struct choosing *c, const struct pg_graph_layout **out)
{
    const struct pg_params none = { 0 };
    const struct pg_making *m = &c->making;
    PG_TRY(pg_command(m->conn, m->ctx, "BEGIN; SET LOCAL synchronous_commit = on", PG_RUNNING,
                      "choosing where the graph is", m->err));
    rag_status status = pg_run(m->conn, m->ctx, PG_SQL_SCHEMA_LOCK, &none,
                               "choosing where the graph is", NULL, m->err);
    if (status == RAG_OK)
        status = decide(c, out);
    if (status == RAG_OK)
        status = write_down(c, *out);
    if (status == RAG_OK)
        return pg_command(m->conn, m->ctx, "COMMIT", PG_COMMITTING, "choosing where the graph is",
                          m->err);
    if (!m->conn->lost)
        (void)pg_command(m->conn, m->ctx, "ROLLBACK", PG_RUNNING, "choosing where the graph is",
                         NULL);
    return status;
}

/* Without writing: where it is, and that is enough of it there. */
static rag_status find(struct choosing *c, const struct pg_graph_layout **out)
{
    if (c->was == &pg_graph_age ? c->wants_tables : c->wants_age) {
        PG_TRY(look(c));
        PG_TRY(refuse_other_place(c));
    }
    const int age =
        c->wants_age || (!c->wants_tables && (c->was ? c->was == &pg_graph_age : c->complete));
    if (age && !c->complete)
        return c->making.host->fail(
            c->making.err, RAG_E_NOT_FOUND,
            "the graph '%s' is not in AGE, or not complete; opening it once "
            "for writing makes it",
            c->graph);
    *out = age ? &pg_graph_age : &pg_graph_tables;
    return RAG_OK;
}

rag_status pg_graph_choose(struct pg_server *s, struct pg_conn *conn, const rag_context *ctx,
                           int create, rag_error *err)
{
    rag_error local = RAG_ERROR_INIT;
    struct choosing c = { .s = s, .making = { s->host, conn, ctx, err } };
    const struct pg_graph_layout *layout = &pg_graph_tables;
    const char *option = s->graph_option ? s->graph_option : "auto";
    c.wants_age = strcasecmp(option, pg_graph_age.name) == 0;
    c.wants_tables = strcasecmp(option, pg_graph_tables.name) == 0;
    if (!c.wants_age && !c.wants_tables && strcasecmp(option, "auto") != 0)
        return s->host->fail(err, RAG_E_INVALID, "graph is '%.40s', not auto, age or tables",
                             option);
    pg_age_graph_name(s->workspace, c.graph);
    PG_TRY(read_record(&c));
    if (!create && !c.was) /* LightRAG's graph and vectors, if it has any, would not be seen */
        return s->host->fail(err, RAG_E_NOT_FOUND,
                             "workspace '%.100s' of the database is no store yet; opening it once "
                             "for writing makes it one",
                             s->workspace);
    if (c.was != &pg_graph_tables || c.wants_age)
        PG_TRY(pg_age_graph_there(&c.making, c.graph, &c.there, &c.complete));
    c.making.err = &local;
    const int settled =
        c.was && (c.was == &pg_graph_age ? c.complete && !c.wants_tables : !c.wants_age);
    rag_status status = create && !settled ? decide_for_good(&c, &layout) : find(&c, &layout);
    if (status != RAG_OK && strcmp(local.native_state, READ_ONLY_SERVER) == 0)
        status = find(&c, &layout); /* each write will be refused */
    if (status != RAG_OK)
        return pg_pass(status, &local, err);
    struct pg_graph_place *place;
    PG_TRY(pg_graph_place_new(s->host, layout, c.graph, &place, err));
    pg_graph_place_free(s->host, s->graph);
    s->graph = place;
    return RAG_OK;
}
