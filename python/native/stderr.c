/* Debian compiles its static libraries for programs: their code reaches `stderr` in a way that only a
 * program can offer, and the linker refuses it in a shared object (libzstd's trainer of dictionaries has
 * messages that are never switched on). Linked with --wrap=stderr they find this variable instead. */
#include <stdio.h>

extern FILE *__real_stderr; // NOLINT: names given by the linker's --wrap
extern FILE *__wrap_stderr; // NOLINT
FILE *__wrap_stderr;        // NOLINT

__attribute__((constructor)) static void find_stderr(void)
{
    __wrap_stderr = __real_stderr;
}
