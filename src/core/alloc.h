/* The one door to memory. Tests make the n-th allocation fail through it. */
#ifndef CORE_ALLOC_H
#define CORE_ALLOC_H

#include <stddef.h>

void *rag_alloc(size_t size);                      /* NULL on failure; size 0 is allowed */
void *rag_alloc_zeroed(size_t count, size_t size); /* checks the product */
void *rag_alloc_array(size_t count, size_t size);  /* checks the product; not zeroed */
void *rag_realloc(void *memory, size_t size);
void rag_free(void *memory); /* NULL is allowed */
/* Room for one more item: `array` is the address of a pointer to *capacity items of `size` bytes, of
 * which `count` are used. 0: out of memory, and nothing has changed. */
int rag_make_room(void *array, size_t count, size_t *capacity, size_t size);
char *rag_strdup(const char *text);
char *rag_memdup_text(const void *data, size_t len); /* a copy followed by a NUL */

/* Tests only: the n-th allocation from now (1 = the next) fails, and every one after it when
 * `sticky`; 0 switches it off. Counts over the whole process. */
void rag_alloc_fail_at(long n, int sticky);
/* Tests only: allocations left until the failure; 0 when it has happened or is switched off. */
long rag_alloc_fail_left(void);

#endif
