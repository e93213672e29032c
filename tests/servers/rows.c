/* A program for the tests of server backends: writes and prints rows of a store.
 *
 *     rows URL put NAMESPACE KEY VALUE [KEY VALUE ...]     one batch
 *     rows URL get NAMESPACE KEY...                         one line each, "absent" for what is not there
 *
 * The namespace doc_status is the status of documents. Status 1 and the message when a call fails. */
#include <stdio.h>
#include <string.h>

#include <ragstore/ragstore.h>

enum { ROWS_MAX = 64 };

static rag_status put(rag_store *store, const char *space, char **words, size_t n, rag_error *err)
{
    rag_kv_item items[ROWS_MAX] = { 0 };
    rag_doc docs[ROWS_MAX] = { 0 };
    for (size_t i = 0; i < n; i++) {
        items[i].key = docs[i].id = rag_text(words[2 * i]);
        items[i].value = docs[i].value = rag_text(words[2 * i + 1]);
    }
    return strcmp(space, "doc_status") == 0
               ? rag_docstatus_put_many(store, NULL, docs, n, NULL, err)
               : rag_kv_put_many(store, NULL, space, items, n, NULL, err);
}

static rag_status get(rag_store *store, const char *space, char **words, size_t n, rag_error *err)
{
    rag_slice keys[ROWS_MAX];
    rag_result *rows = NULL;
    for (size_t i = 0; i < n; i++)
        keys[i] = rag_text(words[i]);
    const rag_status status = strcmp(space, "doc_status") == 0
                                  ? rag_docstatus_get_many(store, NULL, keys, n, &rows, err)
                                  : rag_kv_get_many(store, NULL, space, keys, n, &rows, err);
    for (size_t i = 0; status == RAG_OK && i < n; i++) {
        const rag_row *row = rag_result_row(rows, i);
        (void)printf("%s\n", row->found ? (const char *)row->value.data : "absent");
    }
    rag_result_free(rows);
    return status;
}

int main(int count, char **words)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    if (count < 5 || count > 4 + ROWS_MAX) {
        (void)fprintf(
            stderr,
            "usage: rows URL put NAMESPACE KEY VALUE ... | rows URL get NAMESPACE KEY ...\n");
        return 2;
    }
    const int writes = strcmp(words[2], "put") == 0;
    rag_status status = rag_store_open(words[1], NULL, NULL, &store, &err);
    if (status == RAG_OK)
        status = writes ? put(store, words[3], words + 4, (size_t)(count - 4) / 2, &err)
                        : get(store, words[3], words + 4, (size_t)(count - 4), &err);
    rag_store_close(store);
    if (status == RAG_OK)
        return 0;
    (void)fprintf(stderr, "%s: %s\n", rag_status_text(status), err.message);
    return 1;
}
