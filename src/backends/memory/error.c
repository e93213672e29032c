/* Failures of the system as failures of the library. A backend for a server has its table of
 * vendor codes here, and a test for it. */
#include <errno.h>
#include <string.h>

#include "state.h"

rag_status memory_no_memory(const rag_host *host, rag_error *err)
{
    return host->fail(err, RAG_E_NO_MEMORY, "out of memory");
}

rag_status memory_map_error(const rag_host *host, int code, const char *doing, rag_error *err)
{
    rag_status status = RAG_E_IO;
    if (code == ENOMEM)
        status = RAG_E_NO_MEMORY;
    else if (code == ETIMEDOUT)
        status = RAG_E_TIMEOUT;
    char text[128];
    (void)host->fail(err, status, "%s: %s", doing, strerror_r(code, text, sizeof text));
    if (err)
        err->vendor_code = code;
    return status;
}
