/* What the library offers to backends: core's functions under the names of backend.h. A module gets
 * this table instead of symbols, because the core is hidden when it is linked statically. */
#include "core/alloc.h"
#include "core/context.h"
#include "core/json.h"
#include "core/json_object.h"
#include "core/os.h"
#include "core/result.h"
#include "dispatch.h"

static void host_log(const rag_context *ctx, rag_log_level level, const char *message)
{
    context_log(ctx, level, "%s", message);
}

const rag_host store_host = {
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
    .doc_fields = docs_fields,
    .doc_record = docs_record,
    .track_descriptor = os_track_descriptor,
    .untrack_descriptor = os_untrack_descriptor,
    .json_members = json_visit_members,
};
