/* A query vector from a file. */
#ifndef CLI_VECTOR_FILE_H
#define CLI_VECTOR_FILE_H

#include "text.h"

/* Read `path` ("-": standard input): a JSON array of numbers, or with `raw` little-endian float32.
 * The caller frees *vector. 0 on failure, with one line in `complaint`. */
int vector_file_read(const char *path, int raw, float **vector, size_t *dimension, text *complaint);

#endif
