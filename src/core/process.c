/* The identity of a process.
 *
 * A number alone says nothing: numbers come again, sooner in containers, where the first process is
 * always 1. Hence four parts: the boot (a random id of the kernel), the pid, when the process began
 * (clock ticks since boot, which differ for two processes of one number) and the pid namespace that
 * the number belongs to. All of it is read from /proc. A zombie is gone: it runs no code any more.
 *
 * Of a process in another pid namespace nothing can be seen from here, nor can one tell whether that
 * namespace exists: whoever asks has to choose what that means for him. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os.h"
#include "slice.h"

enum { BOOT_ID_BYTES = 36, STAT_BYTES = 1024, NAMESPACE_BYTES = 64 };

struct identity {
    char boot[BOOT_ID_BYTES + 1];
    long pid;
    uint64_t start;
    char name_space[NAMESPACE_BYTES];
};

/* The beginning of a small file as a text. */
static rag_status read_text(const char *path, char *out, size_t size, rag_error *err)
{
    int fd;
    size_t got = 0;
    RAG_TRY(os_open(path, O_RDONLY, &fd, err));
    const rag_status status = os_read_full(fd, out, size - 1, &got, path, err);
    os_close(fd);
    out[got] = 0;
    return status;
}

static int is_number(const char *text)
{
    return *text >= '0' && *text <= '9';
}

/* Field 3 (state) and 22 (start) of /proc/PID/stat. The name before them may hold anything, so it is
 * left behind by its last parenthesis. */
static rag_status read_stat(const char *path, char *state, uint64_t *start, rag_error *err)
{
    char text[STAT_BYTES];
    RAG_TRY(read_text(path, text, sizeof text, err));
    const char *p = strrchr(text, ')');
    if (p && p[1] == ' ')
        *state = p[2];
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (!p || !is_number(p + 1))
        return rag_fail(err, RAG_E_IO, "%s has not the form that is known", path);
    *start = strtoull(p + 1, NULL, 10);
    return RAG_OK;
}

static rag_status read_boot(char out[BOOT_ID_BYTES + 1], rag_error *err)
{
    static const char PATH[] = "/proc/sys/kernel/random/boot_id";
    RAG_TRY(read_text(PATH, out, BOOT_ID_BYTES + 1, err));
    if (strlen(out) != BOOT_ID_BYTES || strpbrk(out, " \n"))
        return rag_fail(err, RAG_E_IO, "%s has not the form that is known", PATH);
    return RAG_OK;
}

static rag_status read_self(struct identity *out, rag_error *err)
{
    static const char PATH[] = "/proc/self/ns/pid";
    char state = 0;
    out->pid = (long)getpid();
    RAG_TRY(read_boot(out->boot, err));
    RAG_TRY(read_stat("/proc/self/stat", &state, &out->start, err));
    const ssize_t len = readlink(PATH, out->name_space, sizeof out->name_space - 1);
    if (len < 0)
        return rag_fail_errno(err, errno, "read %s", PATH);
    out->name_space[len] = 0;
    if (strpbrk(out->name_space, " \n"))
        return rag_fail(err, RAG_E_IO, "%s has not the form that is known", PATH);
    return RAG_OK;
}

rag_status process_identity(char out[PROCESS_IDENTITY_MAX], rag_error *err)
{
    struct identity self;
    RAG_TRY(read_self(&self, err));
    const int len = snprintf(out, PROCESS_IDENTITY_MAX, "%s %ld %" PRIu64 " %s", self.boot,
                             self.pid, self.start, self.name_space);
    if (len < 0 || len >= PROCESS_IDENTITY_MAX)
        return rag_fail(err, RAG_E_IO, "the identity of this process has %d bytes", len);
    return RAG_OK;
}

/* Copies what comes before the next blank, or before the end, and goes behind it. */
static int take_word(const char **at, char *out, size_t size)
{
    const size_t len = strcspn(*at, " ");
    if (!len || len >= size)
        return 0;
    memcpy(out, *at, len);
    out[len] = 0;
    *at += len + ((*at)[len] == ' ');
    return 1;
}

static int parse_identity(rag_slice text, struct identity *out)
{
    char copy[PROCESS_IDENTITY_MAX], pid[24], start[24];
    const char *at = copy;
    if (!text.len || text.len >= sizeof copy)
        return 0;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    if (!take_word(&at, out->boot, sizeof out->boot) || !take_word(&at, pid, sizeof pid) ||
        !take_word(&at, start, sizeof start) ||
        !take_word(&at, out->name_space, sizeof out->name_space))
        return 0;
    out->pid = is_number(pid) ? strtol(pid, NULL, 10) : 0;
    out->start = strtoull(start, NULL, 10);
    return !*at && out->pid > 0 && is_number(start) && strlen(out->boot) == BOOT_ID_BYTES;
}

enum process_state process_state_of(rag_slice identity)
{
    struct identity asked, self;
    char path[64], state = 0;
    uint64_t start = 0;
    if (!parse_identity(identity, &asked))
        return PROCESS_GONE;
    if (read_self(&self, NULL) != RAG_OK)
        return PROCESS_UNSEEN;
    if (strcmp(asked.boot, self.boot) != 0)
        return PROCESS_GONE;
    if (strcmp(asked.name_space, self.name_space) != 0)
        return PROCESS_UNSEEN;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", asked.pid);
    if (read_stat(path, &state, &start, NULL) != RAG_OK || start != asked.start)
        return PROCESS_GONE;
    return state == 'Z' || state == 'X' ? PROCESS_GONE : PROCESS_ALIVE;
}

int process_is_alive(rag_slice identity)
{
    return process_state_of(identity) == PROCESS_ALIVE;
}
