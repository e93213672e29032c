/* What a user's program is like: only the installed headers, one call, the version of what is linked. */
#include <stdio.h>

#include <ragstore/ragstore.h>

int main(void)
{
    if (rag_version_number() != RAG_VERSION_NUMBER) {
        fprintf(stderr, "headers %x, library %x\n", RAG_VERSION_NUMBER, rag_version_number());
        return 1;
    }
    printf("%s\n", rag_version_text());
    return 0;
}
