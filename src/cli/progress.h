/* How far a long call has come: a bar on a terminal, plain lines elsewhere. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <ragstore/types.h>

typedef struct progress {
    int is_terminal;
    int is_shown;          /* a bar stands on the screen */
    double started, drawn; /* seconds on the monotonic clock; 0: never */
    char stage[64];
    double stage_started;
    rag_progress first, last; /* reports of this stage; they count from the start of the call */
} progress;

/* Writes to standard error: the bar when that is a terminal, else a line for each stage. */
void progress_start(progress *p);

/* Take in a report; the `progress` member of a context with `user` = the progress. */
void progress_report(void *user, const rag_progress *report);

/* Name a stage that reports nothing by itself. */
void progress_stage(progress *p, const char *stage);

/* Finish: take the bar away, or end the last line. Messages may be written afterwards. */
void progress_end(progress *p);

double seconds_now(void);

#endif
