/* What an import or an export did, file by file. */
#ifndef CLI_FILE_REPORT_H
#define CLI_FILE_REPORT_H

#include <ragstore/ragstore.h>

#include "output.h"

/* What the report adds up to. */
typedef struct file_sums {
    uint64_t rows, bytes;
} file_sums;

file_sums file_report_sums(const rag_result *report);

/* Each warning as a line of standard error, with the name of its file. */
void file_report_warnings(const rag_result *report);

/* A table for reading. */
void file_report_table(const rag_result *report);

/* A member "files" of the object that is open. */
void file_report_json(json_writer *w, const rag_result *report);

/* The `log` member of a context whose user is a progress bar: warnings, with the bar taken away. */
void file_report_log(void *user, rag_log_level level, const char *message);

#endif
