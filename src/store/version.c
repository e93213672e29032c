/* The version of the library and of what is compiled into it. The build knows the versions of the
 * private copies; asking them would tie this folder to their headers. */
#include <ragstore/version.h>

#ifndef STORE_LIBRARIES
#define STORE_LIBRARIES "libraries unknown"
#endif

int rag_version_number(void)
{
    return RAG_VERSION_NUMBER;
}

const char *rag_version_text(void)
{
    return "ragstore " RAG_VERSION_TEXT " (" STORE_LIBRARIES ")";
}
