/* Dictionaries for zstd: what the values of a namespace have in common, learnt once from some of
 * them and kept in the table `dictionary`. Short values shrink to less than half with one, and
 * hardly at all without. */
#ifndef EMBEDDED_DICTIONARY_H
#define EMBEDDED_DICTIONARY_H

#include "db.h"

/* Values of this namespace are encoded next on the connection of `w`: use its dictionary. When it
 * has none and these n texts are enough to learn one from, make it, in the same transaction. The
 * texts are members of an array of structures: the first, and the distance to the next in bytes. */
rag_status dictionary_prepare(struct db_write *w, sqlite3_int64 namespace_id,
                              const rag_slice *first, size_t stride, size_t n, rag_error *err);

/* Write all values anew that were encoded with a dictionary, and remove the dictionaries: in steps,
 * each a commit of its own. */
rag_status dictionary_remove_all(const rag_call *call, rag_error *err);

/* For codec_set_loader(), `memory` a struct db_conn: the bytes of dictionary `id`, valid until the
 * next call on that connection. */
rag_status dictionary_load(void *memory, uint32_t id, rag_slice *bytes, rag_error *err);

#endif
