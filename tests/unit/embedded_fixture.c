/* See embedded_fixture.h. The host table is made of core's functions, as the library's own is. */
#include "unit/embedded_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/context.h"
#include "core/json.h"
#include "core/result.h"

static void host_log(const rag_context *ctx, rag_log_level level, const char *message)
{
    context_log(ctx, level, "%s", message);
}

static const rag_host host = {
    .struct_size = sizeof(rag_host),
    .abi = RAG_BACKEND_ABI,
    .fail = rag_fail,
    .check = context_check,
    .log = host_log,
    .row_append = rag_result_append,
    .result_next = rag_result_set_next,
    .result_flags = rag_result_add_flags,
    .result_total = rag_result_set_total,
    .alloc = rag_alloc,
    .realloc = rag_realloc,
    .free = rag_free,
    .json_merge = json_merge,
    .json_string = json_string,
};

static const rag_context no_context = RAG_CONTEXT_INIT;

static const char *option(const void *options, const char *name)
{
    return strcmp(name, "page_size") == 0 ? options : NULL;
}

rag_status embedded_try_open(const char *directory, unsigned flags, const char *page_size,
                             void **self, rag_error *err)
{
    const rag_backend_config config = { .struct_size = sizeof config,
                                        .location = directory,
                                        .workspace = "",
                                        .flags = flags,
                                        .lock_timeout_ms = 30000,
                                        .option = option,
                                        .options = page_size };
    return embedded_backend.open(&host, &config, &no_context, self, err);
}

void *embedded_must_open(const char *directory, unsigned flags)
{
    void *self = NULL;
    MUST(embedded_try_open(directory, flags, NULL, &self, &must));
    return self;
}

void embedded_shut(void *self)
{
    embedded_backend.close(self);
}

rag_call embedded_call(void *self, void *txn)
{
    return (rag_call){ .self = self, .txn = txn, .ctx = &no_context, .host = &host };
}

rag_status embedded_put(const rag_call *call, const char *key, const char *text, rag_token *token,
                        rag_error *err)
{
    char value[4096];
    rag_token ignored;
    (void)snprintf(value, sizeof value, "{\"v\":\"%s\"}", text);
    const rag_kv_item item = { .key = rag_text(key), .value = rag_text(value) };
    return embedded_backend.kv->put_many(call, "n", &item, 1, token ? token : &ignored, err);
}

void embedded_must_put(const rag_call *call, const char *key, const char *text)
{
    MUST(embedded_put(call, key, text, NULL, &must));
}

int embedded_has(const rag_call *call, const char *key, const char *text)
{
    char value[4096];
    (void)snprintf(value, sizeof value, "{\"v\":\"%s\"}", text);
    const rag_slice asked = rag_text(key);
    rag_result *result = rag_result_new(NULL);
    assert_non_null(result);
    MUST(embedded_backend.kv->get_many(call, "n", &asked, 1, result, &must));
    assert_int_equal(rag_result_count(result), 1);
    const rag_row *row = rag_result_row(result, 0);
    int answer = 0;
    if (row->found)
        answer = row->value.len == strlen(value) && !memcmp(row->value.data, value, row->value.len)
                     ? 1
                     : -1;
    rag_result_free(result);
    return answer;
}

uint64_t embedded_count(const rag_call *call)
{
    uint64_t count = 0;
    MUST(embedded_backend.kv->count(call, "n", &count, &must));
    return count;
}
