/* Tokens, and which commits are known to be on disk. */
#ifndef POSTGRES_DURABILITY_H
#define POSTGRES_DURABILITY_H

#include "connection.h"

struct pg_durability;

rag_status pg_durability_new(const rag_host *host, struct pg_durability **out, rag_error *err);
void pg_durability_free(const rag_host *host, struct pg_durability *d);

/* The token of a commit on this connection. `durable`: it was a synchronous one, and `position` (that of
 * pg_commit_work()) is how far the log is on disk, which the end of the log is not: others write, too. */
rag_token pg_durability_commit(struct pg_durability *d, const struct pg_conn *conn,
                               int64_t position, int durable);

/* Commits up to `upto` (0: all) are to be durable, and the log is on disk up to `flushed`: *covered,
 * or a synchronous commit on this connection is needed, to be reported with pg_durability_synced().
 * RAG_E_IO: the server lost its memory meanwhile, and may have lost commits of ours with it. Said of
 * such a commit each time, and once when it is among others before `upto`. */
rag_status pg_durability_check(struct pg_durability *d, const struct pg_conn *conn, rag_token upto,
                               int64_t flushed, int *covered, rag_error *err);

/* A synchronous commit, begun after `given` was the last token, has returned. */
void pg_durability_synced(struct pg_durability *d, const struct pg_conn *conn, rag_token given);
rag_token pg_durability_given(struct pg_durability *d);

#endif
