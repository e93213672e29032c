/* Ranges of document rows by index; the slots of backend.h of the same names. */
#ifndef EMBEDDED_DOCSTATUS_RANGE_H
#define EMBEDDED_DOCSTATUS_RANGE_H

#include <ragstore/backend.h>

#include "core/buffer.h"

/* Most statuses that one question merges. */
enum { DOCSTATUS_MERGED_MAX = 32 };

rag_status docstatus_range(const rag_call *call, const rag_doc_range *range, rag_result *out,
                           rag_error *err);
rag_status docstatus_range_records(const rag_call *call, const rag_doc_range *range,
                                   rag_result *out, rag_error *err);
rag_status docstatus_conflicts(const rag_call *call, rag_slice after, size_t limit, rag_result *out,
                               rag_error *err);

/* The statement of a range and that of conflicts: for the test that looks at their plans. */
rag_status docstatus_range_sql(const rag_doc_range *range, int records, struct buffer *sql,
                               rag_error *err);
extern const char docstatus_conflicts_sql[];

#endif
