/* How values are kept in BLOBs: a first byte that says how, then the bytes. 0: the JSON text as it
 * is; 1: one zstd frame with its content size. Large and compressible texts get zstd. */
#ifndef EMBEDDED_CODEC_H
#define EMBEDDED_CODEC_H

#include "core/error.h"
#include "core/slice.h"

struct codec;
struct codec *codec_new(void); /* NULL: out of memory. One per connection; not for two threads. */
void codec_free(struct codec *c);

/* Encode `text`; *out points into the codec until the next call of codec_encode(). */
rag_status codec_encode(struct codec *c, rag_slice text, rag_slice *out, rag_error *err);
/* Decode; *out points into the codec (or into `stored`) until the next call of codec_decode() or the
 * end of `stored`. RAG_E_CORRUPT with `what` and `name` in the message. */
rag_status codec_decode(struct codec *c, rag_slice stored, const char *what, rag_slice name,
                        rag_slice *out, rag_error *err);

/* Give back large scratch memory; db_read_end() and db_write_end() do it. */
void codec_trim(struct codec *c);

#endif
