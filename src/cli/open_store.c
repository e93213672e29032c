/* Opening the store that a command is about, and what to say when that fails.
 *
 * Whatever keeps a store from being opened is "could not reach", unless the store itself is what is
 * wrong (damaged, newer) or the question was. Most mistakes are slips: another directory, the one of
 * LightRAG, a workspace that was not named. They are looked for only after a failure, and through
 * the configuration as the library resolves it, so that a name of the registry is looked up, too. */
#include "command.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- where it is ------------------------------------------------------------------------------ */

/* What configuration says of a store. Zero-initialise. */
typedef struct place {
    text backend, location, workspace;
} place;

static void free_place(place *p)
{
    text_free(&p->backend);
    text_free(&p->location);
    text_free(&p->workspace);
}

/* 1 when `url` names a place where a store could be, whatever is there. */
static int find_place(const invocation *in, const char *url, place *p)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    rag_result *values = NULL;
    options.workspace = args_text(&in->args, "workspace", NULL);
    text_add(&p->backend, "");
    text_add(&p->location, "");
    text_add(&p->workspace, "");
    if (rag_config_explain(url, &options, &values, NULL) != RAG_OK) {
        return 0;
    }
    for (size_t i = 0; i < rag_result_count(values); i++) {
        const rag_row *row = rag_result_row(values, i);
        if (slice_is(row->key, "backend")) {
            json_add_plain(&p->backend, row->value);
        } else if (slice_is(row->key, "location")) {
            json_add_plain(&p->location, row->value);
        } else if (slice_is(row->key, "workspace")) {
            json_add_plain(&p->workspace, row->value);
        }
    }
    rag_result_free(values);
    return 1;
}

void store_directory(const invocation *in, const char *url, text *directory)
{
    place p = { 0 };
    text_add(directory, "");
    if (find_place(in, url, &p)) {
        text_add(directory, p.location.data);
    }
    if (strstr(directory->data, "://")) { /* on a server */
        text_clear(directory);
    }
    while (directory->len > 1 && directory->data[directory->len - 1] == '/') {
        directory->data[--directory->len] = '\0';
    }
    if (directory->len > 0 && p.workspace.len > 0) {
        text_printf(directory, "/%s", p.workspace.data);
    }
    free_place(&p);
}

void text_add_store(text *t, const char *url)
{
    rag_result *values = NULL;
    size_t before = t->len;
    if (!strstr(url, "://")) {
        text_add(t, url);
        return;
    }
    if (rag_config_explain(url, NULL, &values, NULL) == RAG_OK) {
        for (size_t i = 0; i < rag_result_count(values); i++) {
            const rag_row *row = rag_result_row(values, i);
            if (slice_is(row->key, "url")) {
                json_add_plain(t, row->value);
            }
        }
        rag_result_free(values);
    }
    text_add(t, t->len == before ? "STORE" : "");
}

void json_store(json_writer *w, const char *url)
{
    text shown = { 0 };
    text_add_store(&shown, url);
    json_text(w, "store", text_slice(&shown));
    text_free(&shown);
}

int same_directory(const char *a, const char *b)
{
    struct stat first, second;
    return a[0] && b[0] && stat(a, &first) == 0 && stat(b, &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

int check_directory(const invocation *in, const char *name, const char *path)
{
    const char *colon = strchr(path, ':');
    const char *slash = strchr(path, '/');
    if (path[0] == '\0') {
        return misused(in, "%s is empty", name);
    }
    if (path[0] == '@' || (colon && (!slash || colon < slash))) {
        text hint = { 0 };
        text_printf(&hint, "when it is really called so: ./%s", path);
        int status =
            complain(STATUS_USAGE, hint.data,
                     "%s is a directory, and '%s' looks like the URL of a store", name, path);
        text_free(&hint);
        return status;
    }
    return STATUS_OK;
}

/* ---- the way out ------------------------------------------------------------------------------ */

/* 1 when stores are below `path`: workspaces, of which one has to be named, or just stores. */
static int hint_for_workspaces(const char *path, text *hint)
{
    enum { SHOWN = 10 };
    size_t count = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && count < SHOWN; e = readdir(dir)) {
        struct stat st;
        text file = { 0 };
        text_printf(&file, "%s/%s/ragstore.db", path, e->d_name);
        if (e->d_name[0] != '.' && stat(file.data, &st) == 0) {
            text_printf(hint, "%s%s",
                        count++ ? ", " : "stores in it, to be named with --workspace or by path: ",
                        e->d_name);
        }
        text_free(&file);
    }
    if (dir) {
        closedir(dir);
    }
    return count > 0;
}

/* The way out when there is no store where `url` leads. */
static void hint_for_nothing(const char *url, const place *p, text *hint)
{
    const char *path = p->location.data;
    static const char *const files[] = { "kv_store_doc_status.json", "kv_store_full_docs.json",
                                         "vdb_chunks.json", "graph_chunk_entity_relation.graphml" };
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        text_add(hint, "that is a file; a store is a directory");
        return;
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        text file = { 0 };
        text_printf(&file, "%s/%s", path, files[i]);
        int is_there = stat(file.data, &st) == 0;
        text_free(&file);
        if (is_there) {
            text_printf(hint,
                        "it holds LightRAG's files: first ragstore import %s STORE, or name them "
                        "lightrag:%s",
                        path, path);
            return;
        }
    }
    if (strcmp(p->backend.data, "postgres") == 0) {
        text_add(hint, "import makes one; what LightRAG wrote there opens after ragstore.open(URL) "
                       "in Python had it once");
        return;
    }
    if (strcmp(p->backend.data, "embedded") != 0) {
        return;
    }
    if (!hint_for_workspaces(path, hint)) {
        text_printf(hint, "make one with: ragstore import LIGHTRAG_DIR %s", url);
        if (p->workspace.len > 0) {
            text_printf(hint, " --workspace %s", p->workspace.data);
        }
    }
}

/* A store in memory is that of one program, so a command never finds or leaves anything there. */
static int complain_about_memory(unsigned flags)
{
    return complain(STATUS_UNREACHABLE, "name a directory, such as ./my.store",
                    flags & RAG_OPEN_BUILD
                        ? "a store in memory would be gone when the import ends"
                        : "a store in memory belongs to one program and is gone at its end: this "
                          "command would find nothing in its own");
}

/* What to say and answer when a store did not open. */
static int open_failed(const invocation *in, const char *url, unsigned flags, const rag_error *err)
{
    text hint = { 0 };
    place p = { 0 };
    int status = STATUS_UNREACHABLE;
    int is_url = find_place(in, url, &p);
    if (is_url && strcmp(p.backend.data, "memory") == 0) {
        status = complain_about_memory(flags);
        goto cleanup;
    }
    if (err->status == RAG_E_VERSION || err->status == RAG_E_MISMATCH ||
        err->status == RAG_E_CANCELLED) {
        status = failed(err);
        goto cleanup;
    }
    if (err->status == RAG_E_CORRUPT) {
        status = STATUS_PROBLEM;
        text_add(&hint, "a copy brings it back: one made with ragstore backup, or the files it was "
                        "imported from");
    } else if (err->status == RAG_E_CONFLICT && (flags & RAG_OPEN_BUILD)) {
        status = STATUS_PROBLEM;
        text_add(&hint, is_url && strcmp(p.backend.data, "embedded") != 0
                            ? "name another workspace (?workspace=NAME), or --replace to put the "
                              "new store in its place"
                            : "give another name, or --replace to put the new store in its place");
    } else if (err->status == RAG_E_NOT_FOUND && (flags & RAG_OPEN_EXISTING) && is_url) {
        hint_for_nothing(url, &p, &hint);
    } else if (err->status == RAG_E_UNSUPPORTED && (flags & RAG_OPEN_BUILD)) {
        text_add(&hint, "name a directory for the store, such as ./my.store");
    } else if (err->status == RAG_E_INVALID && !is_url) {
        status = STATUS_USAGE;
        text_add(&hint, "a store is named by its directory, such as ./my.store");
    }
    status = complain(status, hint.len > 0 ? hint.data : NULL, "%s",
                      err->message[0] ? err->message : rag_status_text(err->status));
cleanup:
    free_place(&p);
    text_free(&hint);
    return status;
}

/* ---- opening ---------------------------------------------------------------------------------- */

int open_store(const invocation *in, const char *url, unsigned flags, rag_store **out)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    rag_error err = RAG_ERROR_INIT;
    options.flags = flags;
    options.workspace = args_text(&in->args, "workspace", NULL);
    if (url[0] == '\0') {
        return misused(in, "STORE is empty");
    }
    if (rag_store_open(url, &options, &in->ctx, out, &err) != RAG_OK) {
        return open_failed(in, url, flags, &err);
    }
    return STATUS_OK;
}

int with_store(invocation *in, unsigned flags, int (*work)(invocation *in, rag_store *store))
{
    rag_store *store = NULL;
    int status = open_store(in, word(in, 0), flags, &store);
    if (status == STATUS_OK) {
        status = work(in, store);
        rag_store_close(store);
    }
    return status;
}
