/* What the commands share: how they complain, and how they look at namespaces.
 *
 * A complaint is one line, "ragstore: " and what is wrong with what, and a second line when there is
 * a way out that is known. The exit status comes from the kind of the error. How a store is opened,
 * and what is said when it does not, is in open_store.c. */
#include "command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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
    } else if (err->status == RAG_E_CORRUPT) {
        hint = "all that is damaged is listed by: ragstore check STORE";
    } else if (err->retryable) {
        hint = "it may work when tried again";
    }
    int status = err->status == RAG_E_CONNECTION ? STATUS_UNREACHABLE : STATUS_PROBLEM;
    return complain(status, hint, "%s",
                    err->message[0] ? err->message : rag_status_text(err->status));
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
