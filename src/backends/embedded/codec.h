/* How values are kept in BLOBs: a first byte that says how, then the bytes. 0: the JSON text as it
 * is; 1: one zstd frame with its content size, whose header may name a dictionary (dictionary.h).
 * Texts that shrink get zstd. */
#ifndef EMBEDDED_CODEC_H
#define EMBEDDED_CODEC_H

#include "core/error.h"
#include "core/slice.h"

struct codec;
struct codec *codec_new(void); /* NULL: out of memory. One per connection; not for two threads. */
void codec_free(struct codec *c);

/* Where dictionaries come from: *bytes is valid until the next use of `ctx`. */
typedef rag_status (*codec_loader)(void *ctx, uint32_t id, rag_slice *bytes, rag_error *err);
void codec_set_loader(struct codec *c, codec_loader load, void *ctx);

/* Encode with this dictionary from now on; 0: without. */
rag_status codec_use_dictionary(struct codec *c, uint32_t id, rag_error *err);

/* The dictionary that a stored value names; 0: none. */
uint32_t codec_dictionary_of(rag_slice stored);

/* Encode `text`; *out points into the codec until the next call of codec_encode(). */
rag_status codec_encode(struct codec *c, rag_slice text, rag_slice *out, rag_error *err);
/* Decode; *out points into the codec (or into `stored`) until the next call of codec_decode() or the
 * end of `stored`. RAG_E_CORRUPT with `what` and `name` in the message. */
rag_status codec_decode(struct codec *c, rag_slice stored, const char *what, rag_slice name,
                        rag_slice *out, rag_error *err);

/* Give back large scratch memory; db_read_end() and db_write_end() do it. */
void codec_trim(struct codec *c);

#endif
