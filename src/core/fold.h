/* Text without case, for finding labels whatever the case of their letters. */
#ifndef CORE_FOLD_H
#define CORE_FOLD_H

#include <ragstore/types.h>
#include <stddef.h>

#include "error.h"

/* Room that the folded form of `len` bytes may need: no code point grows by more than a half. */
static inline size_t fold_bound(size_t len)
{
    return len + len / 2 + 1;
}

/* Write the folded form of `len` bytes to `out` (fold_bound(len) bytes, apart from `data`) and return
 * its length. Code point by code point: Unicode's simple lower case, and U+03C2 (the sigma at the end
 * of a word) becomes U+03C3. Bytes that are not UTF-8 stay as they are. *same_widths is 1 when every
 * character kept its length, so that it stands in `out` where it stood in `data`. */
size_t fold_text(const void *data, size_t len, char *out, int *same_widths);

/* The characters that fold to one of those of `folded` (valid UTF-8) without being it: into *from, and
 * at the same place of *to the one it is. Of rag_alloc, one after the other in *memory. */
rag_status fold_variants(rag_slice folded, rag_slice *from, rag_slice *to, char **memory,
                         rag_error *err);

/* `text` without blanks around it: the characters that Python's str.strip() drops. */
rag_slice fold_strip(rag_slice text);

/* How many code points valid UTF-8 has. */
size_t fold_length(rag_slice text);

#endif
