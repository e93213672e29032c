/* What all drops share: the counters of a namespace whose rows are gone. The row of the namespace
 * itself stays, so that its id is never given to another and its generation only ever grows. */
#include "db.h"

static const char SQL_CLEAR[] = "UPDATE namespace SET rows = 0, bytes = 0 WHERE id = ?1";

rag_status db_namespace_clear(struct db_write *w, sqlite3_int64 id, rag_error *err)
{
    RAG_TRY(db_run_for(w->conn, SQL_CLEAR, id, err));
    return db_write_count(w, id, 0, 0, err); /* the generation grows all the same */
}
