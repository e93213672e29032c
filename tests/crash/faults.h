/* System calls that fail, or kill the process. Stands in os_calls, above whatever is there. */
#ifndef CRASH_FAULTS_H
#define CRASH_FAULTS_H

enum fault_class {
    FAULT_OPEN,
    FAULT_READ,  /* read, pread */
    FAULT_WRITE, /* write, pwrite */
    FAULT_TRUNCATE,
    FAULT_SYNC,  /* of files and directories */
    FAULT_NAMES, /* rename, link, unlink, mkdir, rmdir */
    FAULT_STAT,  /* stat, lstat, fstat, access */
    FAULT_MAP,
    FAULT_CLASSES
};

struct fault {
    enum fault_class kind;
    long at;      /* the n-th of its class fails, from 1; 0: none */
    int code;     /* errno */
    int is_short; /* of a write: half of it is written, and the next one fails */
};

/* Static text. */
const char *fault_name(enum fault_class kind);

/* Put it into os_calls; take it out again. */
void faults_install(void);
void faults_remove(void);

/* Begin to count from 0, and fail as said (NULL: only count). */
void faults_arm(const struct fault *fault);
/* Nothing fails any more. 1: it happened. */
int faults_disarm(void);
/* Calls of a class since faults_arm(), and of all. */
long faults_count(enum fault_class kind);
long faults_total(void);

/* SIGKILL before the n-th call (of any class) since faults_arm(). */
void faults_kill_at(long n);

#endif
