/* Who a process is, in a text that can be stored, and whether that process is still there. For what
 * a process leaves in a store in its own name: others have to see when nobody will come back for it. */
#ifndef CORE_PROCESS_H
#define CORE_PROCESS_H

#include <ragstore/types.h>

#include "error.h"

/* Bytes of an identity with its NUL: "BOOT-ID PID START PID-NAMESPACE". */
enum { PROCESS_IDENTITY_MAX = 128 };

/* The identity of this process. Another one after a fork. */
rag_status process_identity(char out[PROCESS_IDENTITY_MAX], rag_error *err);

enum process_state {
    PROCESS_GONE =
        0, /* ended, or of an earlier boot or another machine; also what is no identity */
    PROCESS_ALIVE = 1, /* the very process: a later one with its number is not taken for it */
    PROCESS_UNSEEN =
        2 /* of this boot, but of another pid namespace (a container): cannot be told */
};

enum process_state process_state_of(rag_slice identity);

/* 1 only when it is known to be alive. */
int process_is_alive(rag_slice identity);

#endif
