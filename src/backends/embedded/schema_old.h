/* Reading stores of older formats as they are. */
#ifndef EMBEDDED_SCHEMA_OLD_H
#define EMBEDDED_SCHEMA_OLD_H

#include "db.h"

/* Make a reading connection on a store of format `version` answer as one on today's tables does. */
rag_status schema_old_views(struct db_conn *conn, int version, rag_error *err);

#endif
