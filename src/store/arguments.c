/* Checks of what callers pass, in one wording.
 *
 * A backend relies on these (backend.h lists them) and repeats none. Keys of KV and vector rows are
 * bytes of any kind; labels of nodes and ids of documents are UTF-8 as well, because they travel
 * through JSON and XML. Reads refuse what could not have been written: an empty key is a mistake of
 * the caller, not an absent row. */
#include <string.h>

#include "core/limits.h"
#include "core/utf8.h"
#include "dispatch.h"

rag_status check_count(const void *items, size_t n, const char *what, rag_error *err)
{
    if (n && !items)
        return rag_fail(err, RAG_E_INVALID, "%zu %s, but the pointer is NULL", n, what);
    if (n > LIMIT_BATCH_ITEMS)
        return rag_fail(err, RAG_E_INVALID, "%zu %s in one call, at most %zu", n, what,
                        LIMIT_BATCH_ITEMS);
    return RAG_OK;
}

rag_status check_slice(rag_slice s, const char *what, rag_error *err)
{
    if (s.len && !s.data)
        return rag_fail(err, RAG_E_INVALID, "%s has a length of %zu and no data", what, s.len);
    return RAG_OK;
}

rag_status check_key(rag_slice key, const char *what, rag_error *err)
{
    RAG_TRY(check_slice(key, what, err));
    if (!key.len)
        return rag_fail(err, RAG_E_INVALID, "%s is empty", what);
    if (key.len > LIMIT_KEY_BYTES)
        return rag_fail(err, RAG_E_INVALID, "%s '%.*s...' has %zu bytes, at most %zu", what,
                        RAG_SHOWN(key), key.len, LIMIT_KEY_BYTES);
    return RAG_OK;
}

rag_status check_label(rag_slice label, const char *what, rag_error *err)
{
    RAG_TRY(check_key(label, what, err));
    const size_t valid = utf8_valid_prefix(label.data, label.len);
    if (valid != label.len)
        return rag_fail(err, RAG_E_INVALID, "%s '%.*s' is not UTF-8 at byte %zu", what,
                        (int)(valid < 120 ? valid : 120), (const char *)label.data, valid);
    return RAG_OK;
}

rag_status check_keys(const rag_slice *keys, size_t n, const char *what, rag_error *err)
{
    RAG_TRY(check_count(keys, n, what, err));
    for (size_t i = 0; i < n; i++)
        RAG_TRY(check_key(keys[i], what, err));
    return RAG_OK;
}

rag_status check_labels(const rag_slice *labels, size_t n, const char *what, rag_error *err)
{
    RAG_TRY(check_count(labels, n, what, err));
    for (size_t i = 0; i < n; i++)
        RAG_TRY(check_label(labels[i], what, err));
    return RAG_OK;
}

rag_status check_pairs(const rag_pair *pairs, size_t n, rag_error *err)
{
    RAG_TRY(check_count(pairs, n, "edges", err));
    for (size_t i = 0; i < n; i++) {
        RAG_TRY(check_label(pairs[i].source, "source of an edge", err));
        RAG_TRY(check_label(pairs[i].target, "target of an edge", err));
    }
    return RAG_OK;
}

int is_reserved_namespace(const char *name)
{
    return name[0] == '.';
}

rag_status check_namespace(const char *name_space, rag_error *err)
{
    if (!name_space || !*name_space)
        return rag_fail(err, RAG_E_INVALID, "the namespace has no name");
    if (is_reserved_namespace(name_space))
        return rag_fail(err, RAG_E_INVALID,
                        "namespace '%.60s': names that begin with a '.' are the library's own",
                        name_space);
    const size_t len = strnlen(name_space, LIMIT_NAME_BYTES + 1);
    if (len > LIMIT_NAME_BYTES)
        return rag_fail(err, RAG_E_INVALID, "namespace '%.60s...' is longer than %d bytes",
                        name_space, LIMIT_NAME_BYTES);
    if (utf8_valid_prefix(name_space, len) != len)
        return rag_fail(err, RAG_E_INVALID, "the name of the namespace is not UTF-8");
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)name_space[i];
        if (c < 0x20 || c == 0x7f || c == '/')
            return rag_fail(err, RAG_E_INVALID,
                            "namespace '%s' has a '/' or a control character in it", name_space);
    }
    return RAG_OK;
}

rag_status check_out(const void *out, rag_error *err)
{
    if (!out)
        return rag_fail(err, RAG_E_INVALID, "the pointer for the answer is NULL");
    return RAG_OK;
}

rag_status check_bits(unsigned bits, unsigned known, const char *what, rag_error *err)
{
    if (bits & ~known)
        return rag_fail(err, RAG_E_INVALID, "%s has unknown bits: 0x%x", what, bits & ~known);
    return RAG_OK;
}

rag_status check_after(rag_slice after, rag_error *err)
{
    return check_slice(after, "the position to go on after", err);
}

size_t clamp_scan(size_t limit)
{
    if (!limit)
        return LIMIT_SCAN_DEFAULT;
    return limit < LIMIT_SCAN_MAX ? limit : LIMIT_SCAN_MAX;
}

rag_status copy_options(const void *options, size_t least, void *out, size_t size, const char *what,
                        rag_error *err)
{
    if (!options)
        return rag_fail(err, RAG_E_INVALID, "%s is NULL", what);
    size_t given;
    memcpy(&given, options, sizeof given);
    if (given < least || given > 4096)
        return rag_fail(err, RAG_E_INVALID, "%s is not initialised (its struct_size is %zu)", what,
                        given);
    memcpy(out, options, given < size ? given : size);
    memcpy(out, &size, sizeof size);
    return RAG_OK;
}
