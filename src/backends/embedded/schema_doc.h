/* The table of documents: for new stores, and for those that are brought up from version 1.
 *
 * `value` stands last, so that what is before it is read without walking the pages of a long row. A
 * row without created_at has a zero-length one: it comes before all others and has a key to go on
 * after. Each index ends in the order in which its answers are given. doc_file_path carries
 * is_duplicate, so that conflicts are counted in the index alone. */
#ifndef EMBEDDED_SCHEMA_DOC_H
#define EMBEDDED_SCHEMA_DOC_H

#define SCHEMA_DOC_TABLE                                                                   \
    "CREATE TABLE doc("                                                                    \
    "  rowid INTEGER PRIMARY KEY, id BLOB NOT NULL, status BLOB NOT NULL,"                 \
    "  created_at BLOB NOT NULL, updated_at BLOB, file_path BLOB, file_path_order BLOB,"   \
    "  track_id BLOB, content_hash BLOB, is_duplicate INTEGER NOT NULL, original_id BLOB," \
    "  has_journal INTEGER NOT NULL, value BLOB NOT NULL);"

#define SCHEMA_DOC_INDEXES                                                                \
    "CREATE UNIQUE INDEX doc_id ON doc(id);"                                              \
    "CREATE INDEX doc_status_created ON doc(status, created_at, id);"                     \
    "CREATE INDEX doc_status_updated ON doc(status, updated_at, id);"                     \
    "CREATE INDEX doc_status_id ON doc(status, id);"                                      \
    "CREATE INDEX doc_status_path ON doc(status, file_path_order, id);"                   \
    "CREATE INDEX doc_created ON doc(created_at, id);"                                    \
    "CREATE INDEX doc_updated ON doc(updated_at, id);"                                    \
    "CREATE INDEX doc_file_path_order ON doc(file_path_order, id);"                       \
    "CREATE INDEX doc_file_path ON doc(file_path, created_at, id, is_duplicate)"          \
    "  WHERE file_path IS NOT NULL;"                                                      \
    "CREATE INDEX doc_track ON doc(track_id, created_at, id) WHERE track_id IS NOT NULL;" \
    "CREATE INDEX doc_hash ON doc(content_hash, created_at, id) WHERE content_hash IS NOT NULL;"

#endif
