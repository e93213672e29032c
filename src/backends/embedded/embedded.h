/* The embedded backend: one directory, one SQLite file, derived vector indexes. */
#ifndef EMBEDDED_EMBEDDED_H
#define EMBEDDED_EMBEDDED_H

#include <ragstore/backend.h>

extern const rag_backend embedded_backend;

#endif
