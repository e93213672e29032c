/* Short forms that the tests of the store layer share. Include after cmocka.h. */
#ifndef STORE_SUPPORT_H
#define STORE_SUPPORT_H

#include <ragstore/ragstore.h>
#include <stdio.h>
#include <stdlib.h>

/* The call succeeds; else its message is shown. Uses the variable `err`. */
#define OK(call)                                    \
    do {                                            \
        if ((call) != RAG_OK)                       \
            fail_msg("%s: %s", #call, err.message); \
    } while (0)

/* The call fails with `status`, and the message contains `part`. */
#define FAILS(status_, part, call)                                                  \
    do {                                                                            \
        memset(&err, 0, sizeof err);                                                \
        const rag_status got_ = (call);                                             \
        if (got_ != (status_))                                                      \
            fail_msg("%s: got %s (%s)", #call, rag_status_text(got_), err.message); \
        if (err.status != (status_) || !strstr(err.message, (part)))                \
            fail_msg("%s: message '%s' lacks '%s'", #call, err.message, (part));    \
    } while (0)

static inline rag_store *open_store(const char *url)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "";
    OK(rag_store_open(url, &options, NULL, &store, &err));
    return store;
}

static inline rag_slice slice(const char *data, size_t len)
{
    return (rag_slice){ data, len };
}

static inline const char *key_of(const rag_result *r, size_t i)
{
    const rag_row *row = rag_result_row(r, i);
    return row ? row->key.data : "(no row)";
}

static inline const char *value_of(const rag_result *r, size_t i)
{
    const rag_row *row = rag_result_row(r, i);
    return row ? row->value.data : "(no row)";
}

#endif
