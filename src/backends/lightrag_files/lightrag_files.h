/* The files of LightRAG as a backend. */
#ifndef LIGHTRAG_FILES_LIGHTRAG_FILES_H
#define LIGHTRAG_FILES_LIGHTRAG_FILES_H

#include <ragstore/backend.h>

extern const rag_backend lightrag_backend;

#endif
