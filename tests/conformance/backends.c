/* The backends that the suite runs over. One line each. */
#include "conformance.h"

extern const struct conformance_backend conformance_memory, conformance_embedded,
    conformance_lightrag, conformance_example, conformance_postgres, conformance_postgres_age,
    conformance_postgres_ivfflat, conformance_postgres_tables, conformance_postgres_plain;

const struct conformance_backend *const conformance_backends[] = {
    &conformance_memory,           &conformance_embedded,
    &conformance_lightrag,         &conformance_example,
    &conformance_postgres,         &conformance_postgres_age,
    &conformance_postgres_ivfflat, &conformance_postgres_tables,
    &conformance_postgres_plain,   NULL,
};
