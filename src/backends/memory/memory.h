/* The memory backend: the reference of what every backend must answer, and the example to copy. */
#ifndef MEMORY_MEMORY_H
#define MEMORY_MEMORY_H

#include <ragstore/backend.h>

extern const rag_backend memory_backend;

#endif
