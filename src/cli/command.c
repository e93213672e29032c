/* What the commands share: how they open a store, how they complain.
 *
 * A complaint is one line, "ragstore: " and what is wrong with what, and a second line when there is
 * a way out that is known. The exit status comes from the kind of the error and from where it came
 * up: whatever keeps a store from being opened is "could not reach", unless the store itself is
 * what is wrong (damaged, newer) or the question was. */
#include "command.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

const char *word(const invocation *in, size_t index)
{
    return index < in->args.word_count ? in->args.words[index] : "";
}

static void print_complaint(const char *message, const char *hint)
{
    text shown = { 0 };
    text_add(&shown, "ragstore: ");
    text_add_shown(&shown, rag_text(message));
    text_add_char(&shown, '\n');
    if (hint) {
        text_add(&shown, "  ");
        text_add_shown(&shown, rag_text(hint));
        text_add_char(&shown, '\n');
    }
    fflush(stdout); /* what was said before stands before it */
    fputs(shown.data, stderr);
    text_free(&shown);
}

int complain(int status, const char *hint, const char *format, ...)
{
    char message[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    print_complaint(message, hint);
    return status;
}

int misused(const invocation *in, const char *format, ...)
{
    char message[2048];
    text hint = { 0 };
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    text_printf(&hint, "how it is used: ragstore help%s%s", in->command ? " " : "",
                in->command ? in->command->name : "");
    print_complaint(message, hint.data);
    text_free(&hint);
    return STATUS_USAGE;
}

int failed(const rag_error *err)
{
    const char *hint = NULL;
    if (err->status == RAG_E_CANCELLED) {
        return complain(STATUS_STOPPED, NULL, "stopped");
    }
    if (err->status == RAG_E_VERSION && !strstr(err->message, "for writing")) {
        hint = "it was written by a newer ragstore; use that one, or update this one";
    } else if (err->retryable) {
        hint = "it may work when tried again";
    }
    int status = err->status == RAG_E_CONNECTION ? STATUS_UNREACHABLE : STATUS_PROBLEM;
    return complain(status, hint, "%s",
                    err->message[0] ? err->message : rag_status_text(err->status));
}

/* 1 when stores are below `path`: workspaces, of which one has to be named. */
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
            text_printf(
                hint, "%s%s",
                count++ ? ", " : "it has workspaces, name one with --workspace: ", e->d_name);
        }
        text_free(&file);
    }
    if (dir) {
        closedir(dir);
    }
    return count > 0;
}

/* The way out when there is no store at `path`. */
static void hint_for_nothing(const char *path, text *hint)
{
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
            text_printf(hint, "it holds LightRAG's files; first: ragstore import %s STORE", path);
            return;
        }
    }
    if (!hint_for_workspaces(path, hint)) {
        text_printf(hint, "make one with: ragstore import LIGHTRAG_DIR %s", path);
    }
}

/* 1 when `url` names a place where a store could be, whatever is there. */
static int is_url(const char *url)
{
    rag_result *values = NULL;
    int is_good = rag_config_explain(url, NULL, &values, NULL) == RAG_OK;
    rag_result_free(values);
    return is_good;
}

/* What to say and answer when a store did not open. */
static int open_failed(const char *url, unsigned flags, const rag_error *err)
{
    text hint = { 0 };
    int status = STATUS_UNREACHABLE;
    if (err->status == RAG_E_CONFLICT && (flags & RAG_OPEN_BUILD)) {
        status = STATUS_PROBLEM;
        text_add(&hint, "give another name, or --replace to put the new store in its place");
    } else if (err->status == RAG_E_NOT_FOUND && (flags & RAG_OPEN_EXISTING)) {
        hint_for_nothing(url, &hint);
    } else if (err->status == RAG_E_INVALID && !is_url(url)) {
        status = STATUS_USAGE;
        text_add(&hint, "a store is named by its directory, such as ./my.store");
    } else if (err->status == RAG_E_CORRUPT || err->status == RAG_E_VERSION ||
               err->status == RAG_E_MISMATCH || err->status == RAG_E_CANCELLED) {
        text_free(&hint);
        return failed(err);
    }
    status = complain(status, hint.len > 0 ? hint.data : NULL, "%s",
                      err->message[0] ? err->message : rag_status_text(err->status));
    text_free(&hint);
    return status;
}

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
        return open_failed(url, flags, &err);
    }
    return STATUS_OK;
}

int next_page(text *after, rag_result *page)
{
    rag_slice next = rag_result_next(page);
    text_clear(after);
    text_add_bytes(after, next.data, next.len);
    rag_result_free(page);
    return after->len > 0;
}

/* ---- namespaces ------------------------------------------------------------------------------- */

int slice_is(rag_slice slice, const char *name)
{
    return slice.len == strlen(name) && memcmp(slice.data, name, slice.len) == 0;
}

int has_namespace(const invocation *in, rag_store *store, const char *kind, const char *name)
{
    rag_result *all = NULL;
    if (rag_store_namespaces(store, &in->ctx, &all, NULL) != RAG_OK) {
        return 1;
    }
    int found = 0;
    for (size_t i = 0; i < rag_result_count(all) && !found; i++) {
        const rag_row *row = rag_result_row(all, i);
        found = slice_is(row->key, kind) && slice_is(row->key2, name);
    }
    rag_result_free(all);
    return found;
}

int no_namespace(const invocation *in, rag_store *store, const char *kind, const char *name)
{
    rag_result *all = NULL;
    const char *names[64];
    size_t count = 0;
    text list = { 0 };
    text hint = { 0 };
    if (rag_store_namespaces(store, &in->ctx, &all, NULL) == RAG_OK) {
        for (size_t i = 0; i < rag_result_count(all) && count < 64; i++) {
            const rag_row *row = rag_result_row(all, i);
            if (slice_is(row->key, kind)) {
                text_printf(&list, "%s%.*s", count ? ", " : "", (int)row->key2.len,
                            (const char *)row->key2.data);
                char *copy = cli_alloc(row->key2.len + 1, 1);
                memcpy(copy, row->key2.data, row->key2.len);
                names[count++] = copy;
            }
        }
    }
    const char *near_name = nearest_name(name, names, count);
    if (near_name) {
        text_printf(&hint, "did you mean %s? ", near_name);
    }
    text_printf(&hint, count ? "there is: %s" : "it has none of this kind", list.data);
    int status =
        complain(STATUS_PROBLEM, hint.data, "no %s namespace '%s' in this store", kind, name);
    for (size_t i = 0; i < count; i++) {
        free((void *)names[i]);
    }
    text_free(&list);
    text_free(&hint);
    rag_result_free(all);
    return status;
}
