/* Version of the library: what was compiled against, and what is linked. */
#ifndef RAGSTORE_VERSION_H
#define RAGSTORE_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

#define RAG_VERSION_MAJOR 0
#define RAG_VERSION_MINOR 1
#define RAG_VERSION_PATCH 0
#define RAG_VERSION_TEXT "0.1.0"
/* One number that compares: 1.2.3 is 0x01020003. */
#define RAG_VERSION_NUMBER \
    ((RAG_VERSION_MAJOR << 24) | (RAG_VERSION_MINOR << 16) | RAG_VERSION_PATCH)

#if defined(__GNUC__) || defined(__clang__)
#define RAG_EXPORT __attribute__((visibility("default")))
#define RAG_WARN_UNUSED __attribute__((warn_unused_result))
#else
#define RAG_EXPORT
#define RAG_WARN_UNUSED
#endif

/* Version of the library that is linked, as RAG_VERSION_NUMBER. Thread-safe; never fails. */
RAG_EXPORT int rag_version_number(void);

/* The same as text, and the versions of the private SQLite, zstd and yyjson inside, in one line.
 * Static storage: never free it. */
RAG_EXPORT const char *rag_version_text(void);

#ifdef __cplusplus
}
#endif
#endif
