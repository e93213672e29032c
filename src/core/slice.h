/* Small operations on rag_slice. */
#ifndef CORE_SLICE_H
#define CORE_SLICE_H

#include <ragstore/types.h>
#include <string.h>

static inline rag_slice slice_of(const void *data, size_t len)
{
    return (rag_slice){ data, len };
}

static inline int slice_equal(rag_slice a, rag_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Byte order, which for UTF-8 is the order of code points. */
static inline int slice_compare(rag_slice a, rag_slice b)
{
    const size_t shared = a.len < b.len ? a.len : b.len;
    const int order = shared ? memcmp(a.data, b.data, shared) : 0;
    if (order)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static inline int slice_is(rag_slice a, const char *text)
{
    return slice_equal(a, rag_text(text));
}

static inline int slice_ends_with(rag_slice a, const char *end)
{
    const size_t n = strlen(end);
    return a.len >= n && memcmp((const char *)a.data + (a.len - n), end, n) == 0;
}

#endif
