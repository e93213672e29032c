/* A module for tests: the backend in memory under another name. It is linked with nothing of the
 * library: all it uses is in the host table. With TOO_NEW it asks for a library that is yet to come. */
#include <ragstore/backend.h>
#include <string.h>

extern const rag_backend memory_backend;
extern RAG_EXPORT const rag_backend *rag_backend_init_1(const rag_host *host, uint32_t abi);

const rag_backend *rag_backend_init_1(const rag_host *host, uint32_t abi)
{
    static rag_backend sample;
    if (!host || abi < RAG_BACKEND_ABI)
        return NULL;
#ifdef TOO_NEW
    if (abi < 999)
        return NULL;
#endif
    sample = memory_backend;
    sample.name = "sample";
    sample.class_names = NULL;
    return &sample;
}
