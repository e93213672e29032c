/* See look.h.
 *
 * Looking costs ten times what a failing call costs, and most cases of a kind leave the same bytes
 * behind. What looking finds follows from the bytes of the files, and from whether an owner that they
 * name is alive: so a directory whose bytes were looked at before, and were whole, is only read. */
#include "look.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/digest.h"

enum { LOCK_MS = 1000, BEST = 10, MISSED_MAX = 2, BEST_ENOUGH = 20000 };

struct tally tally;
void (*explain_failure)(void);

void tally_begin(void)
{
    tally = (struct tally){ 0 };
}

void tally_print(const char *name, unsigned long cases)
{
    print_message("%s: %lu cases, lost commits %lu, wrong answers %lu, stranded locks %lu "
                  "(%lu stores were known; %lu of %lu best rows missed)\n",
                  name, cases, tally.lost, tally.wrong, tally.stranded, tally.known, tally.missed,
                  tally.best);
}

void tally_must_be_clean(void)
{
    assert_true(tally.looked > 0);
    assert_int_equal(tally.lost + tally.wrong + tally.stranded, 0);
    if (tally.best > BEST_ENOUGH) /* the same index is searched again and again: few say little */
        assert_true(tally.missed * 100 <= tally.best);
}

void complain(const char *what, const char *why)
{
    if (explain_failure)
        explain_failure();
    print_error("%s: %s\n", what, why);
    tally.wrong++;
}

static void complain_of(const char *what, const char *why, const rag_error *err)
{
    char text[RAG_ERROR_MESSAGE_MAX + 64];
    (void)snprintf(text, sizeof text, "%.60s: %s", why, err->message);
    complain(what, text);
}

/* ---- what a store answers ------------------------------------------------------------------------ */

struct violations {
    uint64_t strays; /* index files that nothing names */
    uint64_t others;
};

static struct violations check(rag_store *store, unsigned flags, const char *what)
{
    rag_check_options options = RAG_CHECK_OPTIONS_INIT;
    rag_error err = RAG_ERROR_INIT;
    rag_result *report = NULL;
    struct violations found = { 0, 0 };
    options.flags = flags;
    if (rag_store_check(store, NULL, &options, &report, &err) != RAG_OK) {
        complain_of(what, "check", &err);
        return found;
    }
    for (size_t i = 0; i < rag_result_count(report); i++) {
        const rag_row *row = rag_result_row(report, i);
        if (!row->number)
            continue;
        if (strcmp(row->key.data, "vector.index_stray") == 0) {
            found.strays++;
            continue;
        }
        print_error("%s: check: %s: %s\n", what, (const char *)row->key.data,
                    (const char *)row->value.data);
        found.others++;
    }
    rag_result_free(report);
    return found;
}

/* A crash may leave files that nothing names; they are garbage, and are collected. */
static void must_be_whole(rag_store *store, const char *what)
{
    struct violations found = check(store, 0, what);
    if (found.others)
        complain(what, "the store does not agree with itself");
    if (!found.strays)
        return;
    (void)check(store, RAG_CHECK_REPAIR, what);
    found = check(store, 0, what);
    if (found.strays || found.others)
        complain(what, "garbage stays");
}

static rag_result *search(rag_store *store, uint64_t seed, int exact, const char *what)
{
    float vector[WORK_DIMENSION];
    rag_error err = RAG_ERROR_INIT;
    rag_result *hits = NULL;
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    work_vector(&(struct rng){ seed }, vector);
    query.vector = vector;
    query.dimension = WORK_DIMENSION;
    query.exact = exact;
    query.top_k = exact ? 2 * BEST : BEST;
    const rag_status status = rag_vector_search(store, NULL, WORK_SPACE, &query, &hits, &err);
    if (status != RAG_OK && status != RAG_E_NOT_FOUND)
        complain_of(what, "search", &err);
    return hits;
}

static int is_same_row(const rag_row *a, const rag_row *b)
{
    return a->key.len == b->key.len && memcmp(a->key.data, b->key.data, a->key.len) == 0 &&
           memcmp(&a->score, &b->score, sizeof a->score) == 0;
}

/* An index may miss a row now and then, no more; what it finds is stored, with this score, and in this
 * order. `wanted`: more of the best rows than were asked for. */
static void compare(rag_result *hits, rag_result *wanted, const char *what)
{
    const size_t all = rag_result_count(wanted), best = all < BEST ? all : BEST;
    size_t at = 0, found = 0;
    if (!hits != !wanted || rag_result_count(hits) != best) {
        complain(what, "a search finds another number of rows through the index");
        return;
    }
    for (size_t i = 0; i < best; i++, at++) {
        while (at < all && !is_same_row(rag_result_row(hits, i), rag_result_row(wanted, at)))
            at++;
        if (at == all) {
            complain(what, "a search finds a row through the index that is not there, or not so");
            return;
        }
        found += at < best;
    }
    tally.best += best;
    tally.missed += best - found;
    if (best - found > MISSED_MAX)
        complain(what, "a search through the index misses rows");
}

/* Through the index files, if there are any, and by reading every row. */
static void must_find(rag_store *store, const char *what)
{
    for (uint64_t seed = 0; seed < 3; seed++) {
        rag_result *hits = search(store, seed, 0, what);
        rag_result *wanted = search(store, seed, 1, what);
        compare(hits, wanted, what);
        rag_result_free(hits);
        rag_result_free(wanted);
    }
}

/* Nobody else lives: whoever holds the turn of writers is dead, or a handle that was closed. */
static void must_be_free(rag_store *store, const char *what)
{
    rag_error err = RAG_ERROR_INIT;
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_txn *txn = NULL;
    ctx.deadline_ns = rag_deadline_in_ms(LOCK_MS);
    const rag_status status = rag_txn_begin(store, &ctx, &txn, &err);
    if (status == RAG_E_TIMEOUT) {
        print_error("%s: %s\n", what, err.message);
        tally.stranded++;
    } else if (status != RAG_OK) {
        complain_of(what, "begin", &err);
    }
    rag_txn_abort(txn);
}

/* ---- directories that were looked at before --------------------------------------------------------- */

struct known {
    char files[HASH_BYTES];
    char content[HASH_BYTES];
};

enum { KNOWN_BITS = 17, KNOWN_MAX = 1 << KNOWN_BITS };

/* By the beginning of `files`, the next free place behind it. */
static struct known known[KNOWN_MAX];
static size_t known_count;

static struct known *place_of(const char files[HASH_BYTES])
{
    char number[9] = { 0 };
    memcpy(number, files, sizeof number - 1);
    size_t i = strtoul(number, NULL, 16) % KNOWN_MAX;
    while (known[i].files[0] && strcmp(known[i].files, files) != 0)
        i = (i + 1) % KNOWN_MAX;
    return &known[i];
}

static void remember(const char files[HASH_BYTES], const char content[HASH_BYTES])
{
    struct known *place = place_of(files);
    if (place->files[0] || known_count >= KNOWN_MAX / 2)
        return;
    memcpy(place->files, files, HASH_BYTES);
    memcpy(place->content, content, HASH_BYTES);
    known_count++;
}

/* Over the name and the bytes, and whether this boot is named in them. */
static void digest_file(struct digest *digest, const char *path, const char *name)
{
    rag_error err = RAG_ERROR_INIT;
    size_t len = 0;
    char *bytes = read_file(path, &len);
    const char *boot = boot_now();
    const int lives = boot[0] && memmem(bytes, len, boot, strlen(boot)) != NULL;
    assert_int_equal(digest_add(digest, name, strlen(name) + 1, &err), RAG_OK);
    assert_int_equal(digest_add(digest, &len, sizeof len, &err), RAG_OK);
    assert_int_equal(digest_add(digest, bytes, len, &err), RAG_OK);
    assert_int_equal(digest_add(digest, &lives, sizeof lives, &err), RAG_OK);
    free(bytes);
}

/* "" when there is none. */
static void digest_files(const char *path, char out[HASH_BYTES])
{
    rag_error err = RAG_ERROR_INIT;
    struct digest digest = DIGEST_INIT;
    struct dirent **entries = NULL;
    const int count = scandir(path, &entries, NULL, alphasort);
    out[0] = 0;
    if (count < 0)
        return;
    assert_int_equal(digest_begin(&digest, &err), RAG_OK);
    for (int i = 0; i < count; i++) {
        char whole[4096];
        (void)snprintf(whole, sizeof whole, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            digest_file(&digest, whole, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    assert_int_equal(digest_end_hex(&digest, out, &err), RAG_OK);
}

/* ---- looking ------------------------------------------------------------------------------------------- */

/* The content of the store; all about it that needs no model is looked at. 0: it cannot be opened. */
static int look_at(const char *path, char content[HASH_BYTES], const char *what)
{
    char files[HASH_BYTES];
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    const struct tally before = tally;
    digest_files(path, files);
    const struct known *place = place_of(files);
    tally.looked++;
    if (files[0] && place->files[0]) {
        tally.known++;
        memcpy(content, place->content, HASH_BYTES);
        return 1;
    }
    if (try_open(path, 0, &store, &err) != RAG_OK) {
        complain_of(what, "open", &err);
        return 0;
    }
    content_hash(store, content);
    must_be_whole(store, what);
    must_find(store, what);
    must_be_free(store, what);
    rag_store_close(store);
    if (before.wrong == tally.wrong && before.stranded == tally.stranded)
        remember(files, content);
    return 1;
}

/* Not one of those that it may be after: lost is what was durable and is not there. */
static void count_lost(const struct model *m, const char *content, size_t first, size_t last,
                       const char *what)
{
    size_t k = first;
    while (k && strcmp(model_hash(m, k - 1), content) != 0)
        k--;
    if (explain_failure)
        explain_failure();
    if (k) {
        tally.lost += first - (k - 1);
        print_error("%s: the state after %zu steps, and %zu were durable\n", what, k - 1, first);
    } else {
        tally.wrong++;
        print_error("%s: %.8s is not a state after %zu to %zu steps, nor an earlier one\n", what,
                    content, first, last);
    }
}

size_t model_must_hold(const struct model *m, const char *path, size_t first, size_t last,
                       const char *what)
{
    char content[HASH_BYTES];
    const struct tally before = tally;
    if (!look_at(path, content, what))
        return SIZE_MAX;
    for (size_t k = last + 1; k > first; k--)
        if (strcmp(model_hash(m, k - 1), content) == 0)
            return before.wrong == tally.wrong && before.stranded == tally.stranded ? k - 1
                                                                                    : SIZE_MAX;
    count_lost(m, content, first, last, what);
    return SIZE_MAX;
}

void must_hold_any_of(const char *path, const char *const *hashes, size_t count,
                      const char *earlier, const char *what)
{
    char content[HASH_BYTES];
    if (!look_at(path, content, what))
        return;
    for (size_t i = 0; i < count; i++)
        if (hashes[i] && strcmp(content, hashes[i]) == 0)
            return;
    if (explain_failure)
        explain_failure();
    if (earlier && strcmp(content, earlier) == 0) {
        print_error("%s: what was there before, and there must be more\n", what);
        tally.lost++;
    } else {
        print_error("%s: the store holds something else\n", what);
        tally.wrong++;
    }
}
