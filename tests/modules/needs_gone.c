/* A module that needs a shared library which the loader does not find. */
#include <ragstore/backend.h>

extern int nosymbol_is_here(void);
extern RAG_EXPORT const rag_backend *rag_backend_init_1(const rag_host *host, uint32_t abi);

const rag_backend *rag_backend_init_1(const rag_host *host, uint32_t abi)
{
    (void)host;
    (void)abi;
    return nosymbol_is_here() ? NULL : NULL;
}
