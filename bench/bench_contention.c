/* Writers and readers of several processes on one store: how long a write waits, how large the log gets.
 *
 *   bench_contention DIR [--writers N] [--readers N] [--seconds N] [--pause-us N]
 *
 * Each process opens the store for itself. A writer puts 10 values of 1 kB in one call and pauses; a
 * reader gets one value and pauses, every hundredth time it scans 1,000. The peer is raw SQLite, same
 * rows, same pauses: WAL, synchronous=NORMAL, busy_timeout, its own checkpoints. Both run one after
 * the other in DIR, in a directory of their own that is removed afterwards. Prints a line
 * {"what", "value", "unit"} for each figure; times are those inside of the calls. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ragstore/ragstore.h>

enum { ROWS = 10, VALUE_BYTES = 1000, KEYS = 20000, SAMPLES = 1 << 20, PROCESSES_MAX = 64 };
enum { SCAN_EVERY = 100, SCAN_ROWS = 1000, BUSY_TIMEOUT_MS = 30000 };

/* What one process measured; in memory that the parent shares. */
struct samples {
    size_t count;
    uint32_t us[SAMPLES];
};

struct plan {
    const char *directory;
    int writers, readers, seconds, pause_us;
};

/* The two that are compared. `handle` is what open() made. */
struct side {
    const char *name;
    const char *log; /* the write-ahead log in its directory */
    void *(*open)(const char *directory);
    void (*write)(void *handle, unsigned *seed);
    void (*read)(void *handle, unsigned *seed, int scan);
    void (*close)(void *handle);
};

static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    _exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static unsigned next_number(unsigned *seed)
{
    *seed = *seed * 1103515245U + 12345U;
    return *seed >> 8;
}

static void random_key(unsigned *seed, char *key, size_t size)
{
    (void)snprintf(key, size, "key-%06u", next_number(seed) % KEYS);
}

/* A JSON object of VALUE_BYTES that compresses little. */
static void random_value(unsigned *seed, char *value)
{
    int n = snprintf(value, VALUE_BYTES + 1, "{\"content\":\"");
    for (; n < VALUE_BYTES - 2; n++)
        value[n] = (char)('0' + next_number(seed) % 75);
    for (int i = 0; i < n; i++)
        if (value[i] == '\\')
            value[i] = '/';
    memcpy(value + n, "\"}", 3);
}

/* ---- ragstore -------------------------------------------------------------------------------------- */

static void *ours_open(const char *directory)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "";
    if (rag_store_open(directory, &options, NULL, &store, &err) != RAG_OK)
        die("open: %s", err.message);
    return store;
}

static void ours_write(void *handle, unsigned *seed)
{
    char keys[ROWS][32], values[ROWS][VALUE_BYTES + 1];
    rag_kv_item items[ROWS];
    rag_error err = RAG_ERROR_INIT;
    for (int i = 0; i < ROWS; i++) {
        random_key(seed, keys[i], sizeof keys[i]);
        random_value(seed, values[i]);
        items[i] = (rag_kv_item){ rag_text(keys[i]), rag_text(values[i]), 0, 0 };
    }
    if (rag_kv_put_many(handle, NULL, "n", items, ROWS, NULL, &err) != RAG_OK)
        die("put: %s", err.message);
}

static void ours_read(void *handle, unsigned *seed, int scan)
{
    char key[32];
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    random_key(seed, key, sizeof key);
    const rag_slice slice = rag_text(key), start = { NULL, 0 };
    const rag_status status = scan ? rag_kv_scan(handle, NULL, "n", start, SCAN_ROWS, &rows, &err)
                                   : rag_kv_get_many(handle, NULL, "n", &slice, 1, &rows, &err);
    if (status != RAG_OK)
        die("read: %s", err.message);
    rag_result_free(rows);
}

static void ours_close(void *handle)
{
    rag_store_close(handle);
}

/* ---- raw SQLite -------------------------------------------------------------------------------------- */

static void *peer_open(const char *directory)
{
    char path[PATH_MAX];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof path, "%s/peer.db", directory);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        die("open: %s", sqlite3_errmsg(db));
    (void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    if (sqlite3_exec(db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                     "CREATE TABLE IF NOT EXISTS kv(key TEXT PRIMARY KEY, value TEXT)",
                     NULL, NULL, NULL) != SQLITE_OK)
        die("open: %s", sqlite3_errmsg(db));
    return db;
}

static void peer_run(sqlite3 *db, const char *sql, const char *first, const char *second)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        die("%s: %s", sql, sqlite3_errmsg(db));
    if (first)
        (void)sqlite3_bind_text(stmt, 1, first, -1, SQLITE_STATIC);
    if (second)
        (void)sqlite3_bind_text(stmt, 2, second, -1, SQLITE_STATIC);
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW)
        code = sqlite3_step(stmt);
    (void)sqlite3_finalize(stmt);
    if (code != SQLITE_DONE)
        die("%s: %s", sql, sqlite3_errmsg(db));
}

static void peer_write(void *handle, unsigned *seed)
{
    char key[32], value[VALUE_BYTES + 1];
    peer_run(handle, "BEGIN IMMEDIATE", NULL, NULL);
    for (int i = 0; i < ROWS; i++) {
        random_key(seed, key, sizeof key);
        random_value(seed, value);
        peer_run(handle, "INSERT OR REPLACE INTO kv VALUES(?1, ?2)", key, value);
    }
    peer_run(handle, "COMMIT", NULL, NULL);
}

static void peer_read(void *handle, unsigned *seed, int scan)
{
    char key[32];
    random_key(seed, key, sizeof key);
    if (scan)
        peer_run(handle, "SELECT key, value FROM kv ORDER BY key LIMIT 1000", NULL, NULL);
    else
        peer_run(handle, "SELECT value FROM kv WHERE key = ?1", key, NULL);
}

static void peer_close(void *handle)
{
    (void)sqlite3_close(handle);
}

static const struct side sides[] = {
    { "ragstore", "ragstore.db-wal", ours_open, ours_write, ours_read, ours_close },
    { "sqlite", "peer.db-wal", peer_open, peer_write, peer_read, peer_close },
};

/* ---- a process ----------------------------------------------------------------------------------------- */

static void pause_us(unsigned us)
{
    const struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };
    (void)nanosleep(&t, NULL);
}

static void work(const struct side *side, const struct plan *plan, const char *directory,
                 int is_writer, unsigned seed, struct samples *out)
{
    void *handle = side->open(directory);
    const int64_t end = now_ns() + (int64_t)plan->seconds * 1000000000;
    for (int i = 1; now_ns() < end; i++) {
        const int64_t began = now_ns();
        if (is_writer)
            side->write(handle, &seed);
        else
            side->read(handle, &seed, i % SCAN_EVERY == 0);
        const int64_t us = (now_ns() - began) / 1000;
        if (out->count < SAMPLES)
            out->us[out->count++] = (uint32_t)us;
        pause_us((unsigned)plan->pause_us / 2 +
                 next_number(&seed) % ((unsigned)plan->pause_us + 1));
    }
    side->close(handle);
}

/* ---- the run -------------------------------------------------------------------------------------------- */

static int compare_us(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_ms(const char *side, const char *who, const char *what, uint32_t us)
{
    (void)printf("{\"what\": \"%s.%s.%s\", \"value\": %.3f, \"unit\": \"ms\"}\n", side, who, what,
                 us / 1000.0);
}

/* The figures of `n` processes together; `all` has room for them. */
static void report(const char *side, const char *who, const struct samples *samples, int n,
                   uint32_t *all, int seconds)
{
    size_t count = 0;
    for (int i = 0; i < n; i++) {
        memcpy(all + count, samples[i].us, samples[i].count * sizeof *all);
        count += samples[i].count;
    }
    if (!count)
        return;
    qsort(all, count, sizeof *all, compare_us);
    (void)printf("{\"what\": \"%s.%s.calls\", \"value\": %.0f, \"unit\": \"1/s\"}\n", side, who,
                 (double)count / seconds);
    print_ms(side, who, "median", all[count / 2]);
    print_ms(side, who, "p99", all[count - 1 - count / 100]);
    print_ms(side, who, "max", all[count - 1]);
}

/* The largest size that the log has while the processes run. */
static int64_t wait_and_watch(const char *log, int processes)
{
    int64_t largest = 0;
    while (processes) {
        struct stat st;
        int status;
        if (stat(log, &st) == 0 && st.st_size > largest)
            largest = st.st_size;
        const pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
            die("a process failed");
        processes -= pid > 0;
        if (pid == 0)
            pause_us(5000);
    }
    return largest;
}

static void run_side(const struct side *side, const struct plan *plan, struct samples *samples,
                     uint32_t *all)
{
    char directory[PATH_MAX], log[PATH_MAX + 64], command[PATH_MAX + 16];
    const int processes = plan->writers + plan->readers;
    (void)snprintf(directory, sizeof directory, "%s/contention-XXXXXX", plan->directory);
    if (!mkdtemp(directory))
        die("%s: %s", directory, strerror(errno)); /* NOLINT(concurrency-mt-unsafe) */
    (void)snprintf(log, sizeof log, "%s/%s", directory, side->log);
    side->close(side->open(directory)); /* the store is there before anybody starts */
    (void)fflush(stdout);
    for (int i = 0; i < processes; i++) {
        samples[i].count = 0;
        const pid_t pid = fork();
        if (pid < 0)
            die("fork failed");
        if (pid == 0) {
            work(side, plan, directory, i < plan->writers, (unsigned)i + 1, &samples[i]);
            _exit(0);
        }
    }
    const int64_t largest = wait_and_watch(log, processes);
    report(side->name, "write", samples, plan->writers, all, plan->seconds);
    report(side->name, "read", samples + plan->writers, plan->readers, all, plan->seconds);
    (void)printf("{\"what\": \"%s.log\", \"value\": %.1f, \"unit\": \"MB\"}\n", side->name,
                 (double)largest / 1e6);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command) != 0) /* NOLINT(cert-env33-c,concurrency-mt-unsafe): a path of our own */
        die("%s is left behind", directory);
}

static int read_option(const char *name, const char *text, int least, int most)
{
    char *end;
    const long value = strtol(text, &end, 10);
    if (*end || value < least || value > most)
        die("%s is %s, not a number from %d to %d", name, text, least, most);
    return (int)value;
}

int main(int argc, char **argv)
{
    struct plan plan = { .writers = 4, .readers = 8, .seconds = 10, .pause_us = 4000 };
    const struct {
        const char *name;
        int *value, least, most;
    } options[] = {
        { "--writers", &plan.writers, 0, PROCESSES_MAX / 2 },
        { "--readers", &plan.readers, 0, PROCESSES_MAX / 2 },
        { "--seconds", &plan.seconds, 1, 3600 },
        { "--pause-us", &plan.pause_us, 0, 1000000 },
    };
    for (int i = 1; i < argc; i++) {
        size_t o = 0;
        while (o < sizeof options / sizeof *options && strcmp(options[o].name, argv[i]) != 0)
            o++;
        if (o < sizeof options / sizeof *options && i + 1 < argc)
            *options[o].value =
                read_option(options[o].name, argv[++i], options[o].least, options[o].most);
        else if (argv[i][0] != '-' && !plan.directory)
            plan.directory = argv[i];
        else
            die("usage: bench_contention DIR [--writers N] [--readers N] [--seconds N] [--pause-us N]");
    }
    if (!plan.directory)
        die("usage: bench_contention DIR [--writers N] [--readers N] [--seconds N] [--pause-us N]");
    const size_t processes = (size_t)(plan.writers + plan.readers);
    struct samples *samples = mmap(NULL, (processes + 1) * sizeof *samples, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint32_t *all = malloc(processes * SAMPLES * sizeof *all);
    if (samples == MAP_FAILED || !all)
        die("no memory");
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        run_side(&sides[i], &plan, samples, all);
    free(all);
    return 0;
}
