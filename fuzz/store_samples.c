/* The stores that fuzz_store damages. Two are made here, small and with everything that a store may
 * hold: a dictionary, values of many pages, an index file, pending rows, commits that are in the log
 * only. The others are the oldest formats of tests/data. They are kept in memory and put into one
 * directory, in memory too where the machine has /dev/shm, for each input anew. The directory goes
 * with the process, however that ends: libFuzzer leaves with _exit() when an input crashes or takes too
 * long, and is killed when that takes too long. */
#include "store_samples.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXTS = 300, LONG_TEXTS = 3, NODES = 90, DOCS = 24, VECTORS = 1100, DIMENSION = 8 };

static char directory[96];
static struct sample samples[SAMPLE_KINDS];

void fuzz_require(int condition, const char *text, const char *file, int line)
{
    if (condition)
        return;
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
    abort();
}

#define OK(call_)                                             \
    do {                                                      \
        rag_error err = RAG_ERROR_INIT;                       \
        if ((call_) != RAG_OK) {                              \
            fprintf(stderr, "%s: %s\n", #call_, err.message); \
            abort();                                          \
        }                                                     \
    } while (0)

/* ---- the directory ------------------------------------------------------------------------------------- */

static void empty_directory(void)
{
    DIR *dir = opendir(directory);
    require(dir != NULL);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char path[400];
        (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.')
            (void)unlink(path);
    }
    (void)closedir(dir);
}

/* A shell of its own session, which no signal from a terminal or to a process group reaches, waits for
 * the end of its input. Nobody writes to it: the kernel closes it when this process is gone. */
static void remove_directory_at_end(void)
{
    static FILE *input;
    char command[200];
    (void)snprintf(command, sizeof command,
                   "exec setsid -f sh -c 'cat; rm -rf \"$0\"' %s >/dev/null 2>&1", directory);
    input = popen(command, "we"); /* not inherited by what the process starts besides */
    require(input != NULL);
}

static void make_directory(void)
{
    (void)snprintf(directory, sizeof directory, "/dev/shm/ragstore-fuzz-XXXXXX");
    if (!mkdtemp(directory)) {
        (void)snprintf(directory, sizeof directory, "/tmp/ragstore-fuzz-XXXXXX");
        require(mkdtemp(directory) != NULL);
    }
    remove_directory_at_end();
}

void sample_put(const struct sample_file *files, size_t n)
{
    empty_directory();
    for (size_t i = 0; i < n; i++) {
        char path[200];
        (void)snprintf(path, sizeof path, "%s/%s", directory, files[i].name);
        const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        require(fd >= 0);
        require(write(fd, files[i].bytes, files[i].len) == (ssize_t)files[i].len);
        (void)close(fd);
    }
}

rag_status sample_open(unsigned flags, rag_store **store, rag_error *err)
{
    char url[128];
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "";
    options.flags = flags;
    (void)snprintf(url, sizeof url, "embedded:%s", directory);
    return rag_store_open(url, &options, NULL, store, err);
}

static void load_file(struct sample *sample, const char *path, const char *name)
{
    struct sample_file *file = &sample->files[sample->file_count];
    require(sample->file_count < SAMPLE_FILES_MAX);
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    FILE *in = fopen(path, "rb");
    require(in != NULL && fseek(in, 0, SEEK_END) == 0);
    file->len = (size_t)ftell(in);
    file->bytes = malloc(file->len + 1);
    file->copy = malloc(file->len + SAMPLE_GROWTH_MAX);
    rewind(in);
    require(file->copy != NULL && file->bytes != NULL &&
            fread(file->bytes, 1, file->len, in) == file->len);
    (void)fclose(in);
    if (file->len) { /* an empty log is none */
        sample->file_count++;
    } else {
        free(file->bytes);
        free(file->copy);
    }
}

/* The database first: damage names files by number. */
static void load_directory(struct sample *sample, const char *from)
{
    static const char *const ends[] = { ".db", "-wal", ".idx" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        DIR *dir = opendir(from);
        require(dir != NULL);
        const struct dirent *entry;
        while ((entry = readdir(dir)) != NULL) {
            const size_t len = strlen(entry->d_name), end = strlen(ends[i]);
            char path[512];
            (void)snprintf(path, sizeof path, "%s/%s", from, entry->d_name);
            if (len > end && strcmp(entry->d_name + len - end, ends[i]) == 0)
                load_file(sample, path, entry->d_name);
        }
        (void)closedir(dir);
    }
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

static unsigned seed = 5;

static unsigned random_number(unsigned below)
{
    seed = seed * 1103515245U + 12345U;
    return (seed >> 16) % below;
}

/* Words with some letters wrong: there is something to learn for a dictionary. */
static void fill_words(char *text, size_t len)
{
    static const char words[] = "the quick white rabbit went down a hole and looked at its watch ";
    for (size_t i = 0; i < len; i++)
        text[i] =
            random_number(4) ? words[i % (sizeof words - 1)] : (char)('a' + random_number(26));
    text[len] = 0;
}

/* What no compression makes much shorter, so that a value needs several pages. */
static void fill_letters(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('#' + random_number('Z' - '#'));
    text[len] = 0;
}

static void put_texts(rag_store *store)
{
    static char keys[TEXTS][24], values[TEXTS][400];
    rag_kv_item items[TEXTS];
    for (int i = 0; i < TEXTS; i++) {
        char text[300];
        (void)snprintf(keys[i], sizeof keys[i], "name-%d", i);
        fill_words(text, (size_t)(220 + i % 50));
        (void)snprintf(values[i], sizeof values[i], "{\"content\":\"%s\",\"n\":%d}", text, i);
        items[i] = (rag_kv_item){ rag_text(keys[i]), rag_text(values[i]), 1000 + i, 2000 + i };
    }
    OK(rag_kv_put_many(store, NULL, "text_chunks", items, TEXTS, NULL, &err));
}

static void put_cache(rag_store *store)
{
    static char text[8000], json[8100];
    for (int i = 0; i < LONG_TEXTS; i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "long-%d", i);
        fill_letters(text, sizeof text - 1);
        (void)snprintf(json, sizeof json, "{\"content\":\"%s\"}", text);
        const rag_kv_item item = { rag_text(key), rag_text(json), 10, 20 };
        OK(rag_kv_put_many(store, NULL, "llm_response_cache", &item, 1, NULL, &err));
    }
    const rag_kv_limits limits = { .struct_size = sizeof limits, .max_bytes = 1 << 20 };
    OK(rag_kv_set_limits(store, NULL, "llm_response_cache", &limits, &err));
}

static void put_graph(rag_store *store)
{
    for (int i = 0; i < NODES; i++) {
        char label[24], other[24], value[200];
        (void)snprintf(label, sizeof label, "name-%d", i);
        (void)snprintf(other, sizeof other, "name-%d", i * i % 11);
        (void)snprintf(value, sizeof value,
                       "{\"entity_type\":\"person\",\"description\":\"number %d\",\"n\":%d}", i, i);
        const rag_node node = { rag_text(label), rag_text(value) };
        OK(rag_graph_put_nodes(store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &err));
        const rag_edge edge = { rag_text(other), rag_text(label), rag_text("{\"weight\":1.5}") };
        OK(rag_graph_put_edges(store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err));
    }
}

static void put_docs(rag_store *store)
{
    static const char *const statuses[] = { "pending", "processed", "failed" };
    for (int i = 0; i < DOCS; i++) {
        char id[24], value[400];
        (void)snprintf(id, sizeof id, "name-%d", i);
        (void)snprintf(
            value, sizeof value,
            "{\"status\":\"%s\",\"created_at\":\"2026-01-%02dT00:00:00+00:00\","
            "\"updated_at\":\"2026-02-%02dT00:00:00+00:00\",\"file_path\":\"file-%d.txt\","
            "\"track_id\":\"track-%d\",\"content_hash\":\"track-%d\","
            "\"content_summary\":\"s\",\"content_length\":%d,\"metadata\":%s}",
            statuses[i % 3], 1 + i % 28, 28 - i % 28, i % 7, i % 5, i % 9, i,
            i % 4 ? "{}" : "{\"is_duplicate\":true,\"original_doc_id\":\"name-1\"}");
        const rag_doc doc = { rag_text(id), rag_text(value) };
        OK(rag_docstatus_put_many(store, NULL, &doc, 1, NULL, &err));
    }
}

/* As many as an index file needs. */
static void put_vectors(rag_store *store)
{
    static char ids[VECTORS][16], values[VECTORS][32];
    static float vectors[VECTORS][DIMENSION];
    static rag_vector_item items[VECTORS];
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    (void)snprintf(space.model, sizeof space.model, "m");
    space.dimension = DIMENSION;
    OK(rag_vector_define(store, NULL, "entities", &space, &err));
    for (int i = 0; i < VECTORS; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "name-%d", i);
        (void)snprintf(values[i], sizeof values[i], i % 9 ? "{}" : "{\"entity_name\":\"n%d\"}",
                       i % 7);
        for (int d = 0; d < DIMENSION; d++)
            vectors[i][d] = (float)((i * 31 + d * 17 + i * d) % 97) - 48.5F;
        items[i] = (rag_vector_item){ .id = rag_text(ids[i]),
                                      .value = rag_text(values[i]),
                                      .vector = vectors[i],
                                      .dimension = DIMENSION,
                                      .created_at = 3000 + i };
    }
    OK(rag_vector_put_many(store, NULL, "entities", items, VECTORS, NULL, &err));
    const rag_pending_item waits[] = {
        { rag_text("name-7"), rag_text("{\"a\":1}"), rag_text("new text"), 5 },
        { rag_text("later"), rag_text("{\"content\":\"text\"}"), rag_text(""), 6 },
    };
    OK(rag_vector_defer_many(store, NULL, "entities", waits, 2, NULL, &err));
}

/* ---- samples --------------------------------------------------------------------------------------------- */

static void note_state(struct sample *sample, rag_store *store)
{
    struct answers *answers = &sample->states[sample->state_count++];
    questions_ask(store, ABOUT_REST | ABOUT_VECTORS | ABOUT_ALL, answers);
    for (size_t i = 0; i < QUESTIONS; i++)
        if (answers->status[i] != RAG_OK && answers->status[i] != RAG_E_NOT_FOUND) {
            fprintf(stderr, "a healthy store answers \"%s\" with %s\n", question_name(i),
                    rag_status_text(answers->status[i]));
            abort();
        }
}

static void note_only_state(struct sample *sample)
{
    rag_store *store = NULL;
    sample_put(sample->files, sample->file_count);
    OK(sample_open(RAG_OPEN_READ_ONLY, &store, &err));
    note_state(sample, store);
    rag_store_close(store);
}

/* The log keeps three commits that the database has not. */
static void make_logged(rag_store *store)
{
    struct sample *logged = &samples[SAMPLE_LOGGED];
    logged->has_checksums = 1;
    note_state(logged, store);
    const rag_kv_item item = { rag_text("name-7"), rag_text("{\"content\":\"later\"}"), 1, 2 };
    OK(rag_kv_put_many(store, NULL, "text_chunks", &item, 1, NULL, &err));
    note_state(logged, store);
    const rag_slice label = rag_text("name-3");
    OK(rag_graph_delete_nodes(store, NULL, &label, 1, NULL, NULL, &err));
    note_state(logged, store);
    OK(rag_vector_delete_many(store, NULL, "entities", &label, 1, NULL, NULL, &err));
    note_state(logged, store);
    load_directory(logged, directory);
}

static void make_new(void)
{
    rag_store *store = NULL;
    empty_directory();
    OK(sample_open(0, &store, &err));
    put_texts(store);
    put_cache(store);
    put_graph(store);
    put_docs(store);
    put_vectors(store);
    rag_store_close(store); /* writes to the log: who left the pending rows is gone */
    OK(sample_open(RAG_OPEN_EXISTING, &store, &err));
    OK(rag_store_optimize(store, NULL, &err));
    OK(rag_store_compact(store, NULL, NULL, &err));
    rag_store_close(store);
    samples[SAMPLE_CHECKED].has_checksums = 1;
    load_directory(&samples[SAMPLE_CHECKED], directory);
    note_only_state(&samples[SAMPLE_CHECKED]);
    OK(sample_open(RAG_OPEN_EXISTING, &store, &err));
    make_logged(store);
    rag_store_close(store);
}

const struct sample *sample_get(enum sample_kind kind)
{
    if (!directory[0]) {
        make_directory();
        make_new();
        load_file(&samples[SAMPLE_VERSION_2], RAG_TEST_DATA "/store-v2/ragstore.db", "ragstore.db");
        load_file(&samples[SAMPLE_VERSION_1], RAG_TEST_DATA "/store-v1/ragstore.db", "ragstore.db");
        note_only_state(&samples[SAMPLE_VERSION_2]);
        note_only_state(&samples[SAMPLE_VERSION_1]);
        require(samples[SAMPLE_CHECKED].file_count == 2 && samples[SAMPLE_LOGGED].file_count == 3);
    }
    return &samples[kind];
}
