/* Search in labels.
 *
 * Scores are written down by hand for each part of the rule; then random labels over a small
 * alphabet, with letters of several lengths in UTF-8, are compared with the rule computed here
 * label by label. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

struct wanted {
    const char *label;
    int64_t score;
};

static rag_result *search(struct env *e, rag_slice query, size_t limit)
{
    rag_result *rows = NULL;
    OK(rag_graph_search_labels(e->store, NULL, query, limit, &rows, &e->err));
    return keep(e, rows);
}

static void expect_rows(const rag_result *rows, const char *query, const struct wanted *wanted,
                        size_t n)
{
    CHECK(rag_result_count(rows) == n, "'%s': %zu labels, not %zu", query, rag_result_count(rows),
          n);
    for (size_t i = 0; i < n; i++) {
        const rag_row *row = row_of(rows, i);
        CHECK(row->found && same(row->key, T(wanted[i].label)) && row->number == wanted[i].score,
              "'%s', place %zu: '%.*s' with %lld, not '%s' with %lld", query, i, SHOW(row->key),
              (long long)row->number, wanted[i].label, (long long)wanted[i].score);
    }
}

#define FOUND(query, ...)                                                              \
    expect_rows(search(e, T(query), 0), query, (const struct wanted[]){ __VA_ARGS__ }, \
                sizeof((const struct wanted[]){ __VA_ARGS__ }) / sizeof(struct wanted))
#define NOTHING(query) expect_rows(search(e, T(query), 0), query, NULL, 0)

static void put_labels(struct env *e, const char *const *labels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        node_put(e, labels[i], "{}");
}
#define LABELS(...)                                     \
    put_labels(e, (const char *const[]){ __VA_ARGS__ }, \
               sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void graph_40_label_scores(struct env *e)
{
    LABELS("Alice", "Sally Ali", "x_ali", "Ali", "Sali", "Ali Baba", "Bob");
    FOUND("ali", { "Ali", 1000 }, { "Ali Baba", 500 }, { "Alice", 500 }, { "x_ali", 145 },
          { "Sally Ali", 141 }, { "Sali", 96 });
    FOUND("alice", { "Alice", 1000 });
    FOUND("bob", { "Bob", 1000 });
    NOTHING("nobody");
}

static void graph_40_label_words(struct env *e)
{
    /* The bonus is for a blank or '_' before the query anywhere, not only where it is found first. */
    LABELS("xab ab", "xab_ab", "xab-ab", "xabab", "ab ab");
    FOUND("ab", { "ab ab", 500 }, { "xab ab", 144 }, { "xab_ab", 144 }, { "xabab", 95 },
          { "xab-ab", 94 });
    FOUND(" ab", { "ab ab", 500 }, { "xab ab", 144 }, { "xab_ab", 144 }, { "xabab", 95 },
          { "xab-ab", 94 }); /* blanks around it do not count */
    FOUND("b a", { "ab ab", 95 }, { "xab ab", 94 });
}

static void graph_40_label_ties_are_by_code_point(struct env *e)
{
    LABELS("qb", "qB", "q_", "qA", "q\xc3\xa9", "q\xf0\x9f\x98\x80", "q\xef\xbc\xa1");
    FOUND("q", { "qA", 500 }, { "qB", 500 }, { "q_", 500 }, { "qb", 500 }, { "q\xc3\xa9", 500 },
          { "q\xef\xbc\xa1", 500 }, { "q\xf0\x9f\x98\x80", 500 });
}

static void graph_40_labels_without_case(struct env *e)
{
    /* É é, Ж ж, Σ σ ς, Ⱥ ⱥ (two and three bytes), the Kelvin sign (three bytes, k has one), İ */
    LABELS("\xc3\x89t\xc3\xa9", "\xd0\x96\xd1\x83\xd0\xba", "\xce\x9f\xce\x94\xce\x9f\xce\xa3",
           "\xce\xbf\xce\xb4\xce\xbf\xcf\x82", "\xc8\xba-mid-Z", "\xe2\x84\xaa-elvin", "\xc4\xb0n",
           "STRASSE",
           "Stra\xc3\x9f"
           "e");
    FOUND("\xc3\xa9T\xc3\x89", { "\xc3\x89t\xc3\xa9", 1000 });
    FOUND("\xd0\xb6\xd0\xa3", { "\xd0\x96\xd1\x83\xd0\xba", 500 });
    FOUND("\xce\xbf\xce\xb4\xce\xbf\xcf\x83", { "\xce\x9f\xce\x94\xce\x9f\xce\xa3", 1000 },
          { "\xce\xbf\xce\xb4\xce\xbf\xcf\x82", 1000 });
    FOUND("\xce\x9f\xcf\x82", { "\xce\x9f\xce\x94\xce\x9f\xce\xa3", 96 },
          { "\xce\xbf\xce\xb4\xce\xbf\xcf\x82", 96 });
    FOUND("\xe2\xb1\xa5-MID", { "\xc8\xba-mid-Z", 500 });
    FOUND("z", { "\xc8\xba-mid-Z", 93 });
    FOUND("K-elv", { "\xe2\x84\xaa-elvin", 500 });
    FOUND("IN", { "\xc4\xb0n", 1000 }, { "\xe2\x84\xaa-elvin", 93 });
    FOUND("strasse", { "STRASSE", 1000 }); /* by code point: sharp s stays one */
    FOUND("\xe1\xba\x9e"
          "E",
          { "Stra\xc3\x9f"
            "e",
            94 });
}

static void graph_40_labels_of_han_and_kana(struct env *e)
{
    /* 东京, 东京塔, 北京, 新东京站, カナ */
    LABELS("\xe4\xb8\x9c\xe4\xba\xac", "\xe4\xb8\x9c\xe4\xba\xac\xe5\xa1\x94",
           "\xe5\x8c\x97\xe4\xba\xac", "\xe6\x96\xb0\xe4\xb8\x9c\xe4\xba\xac\xe7\xab\x99",
           "\xe3\x82\xab\xe3\x83\x8a");
    FOUND("\xe4\xb8\x9c\xe4\xba\xac", { "\xe4\xb8\x9c\xe4\xba\xac", 1000 },
          { "\xe4\xb8\x9c\xe4\xba\xac\xe5\xa1\x94", 500 },
          { "\xe6\x96\xb0\xe4\xb8\x9c\xe4\xba\xac\xe7\xab\x99", 96 });
    FOUND("\xe4\xba\xac", { "\xe4\xb8\x9c\xe4\xba\xac", 98 }, { "\xe5\x8c\x97\xe4\xba\xac", 98 },
          { "\xe4\xb8\x9c\xe4\xba\xac\xe5\xa1\x94", 97 },
          { "\xe6\x96\xb0\xe4\xb8\x9c\xe4\xba\xac\xe7\xab\x99", 96 });
    FOUND("\xe3\x83\x8a", { "\xe3\x82\xab\xe3\x83\x8a", 98 });
    NOTHING("\xe4\xba\xab");
}

static void graph_40_label_wildcards_are_letters(struct env *e)
{
    LABELS("100%", "100x", "a_b", "axb", "a*b", "c:\\dir", "it's \"so\"", "[ab]?");
    FOUND("%", { "100%", 96 });
    FOUND("_", { "a_b", 97 });
    FOUND("*", { "a*b", 97 });
    FOUND("0%", { "100%", 96 });
    FOUND("a_b", { "a_b", 1000 });
    FOUND("\\D", { "c:\\dir", 94 });
    FOUND("\"so\"", { "it's \"so\"", 141 });
    FOUND("'", { "it's \"so\"", 91 });
    FOUND("?", { "[ab]?", 95 });
    NOTHING("%%");
    NOTHING(".*");
}

static void graph_40_blank_queries_find_nothing(struct env *e)
{
    LABELS("a b", " ", "ab");
    NOTHING("");
    NOTHING("   ");
    NOTHING("\t\n\r");
    NOTHING("\xc2\xa0\xe3\x80\x80\xe2\x80\x83"); /* blanks of other widths */
    FOUND("  AB\t", { "ab", 1000 });
    FOUND("\xe3\x80\x80"
          "ab\xc2\xa0",
          { "ab", 1000 });
    FOUND("a b", { "a b", 1000 });
    expect_rows(search(e, (rag_slice){ NULL, 0 }, 0), "", NULL, 0);
}

static void graph_40_label_limit(struct env *e)
{
    for (size_t i = 0; i < 130; i++)
        node_put(e, format_text("name%03zu", i), "{}");
    node_put(e, "name", "{}");
    count_is(search(e, T("NAME"), 0), 50);
    for (size_t limit = 1; limit < 200; limit = limit * 2 + 1) {
        const rag_result *rows = search(e, T("name"), limit);
        count_is(rows, limit < 131 ? limit : 131);
        CHECK(same(row_of(rows, 0)->key, T("name")), "the whole label is not first");
        for (size_t i = 1; i < rag_result_count(rows); i++)
            CHECK(same(row_of(rows, i)->key, T(format_text("name%03zu", i - 1))),
                  "place %zu of %zu: '%.*s'", i, limit, SHOW(row_of(rows, i)->key));
    }
    count_is(search(e, T("name"), (size_t)-1), 131);
}

static void graph_40_long_labels_score_below_zero(struct env *e)
{
    char text[301];
    memset(text, 'y', sizeof text - 1);
    text[300] = 0;
    text[150] = 'x';
    node_put(e, text, "{}");
    FOUND("x", { text, -200 });
    text[149] = '_';
    node_put(e, text, "{}");
    const rag_result *rows = search(e, T("X"), 0);
    count_is(rows, 2);
    CHECK(row_of(rows, 0)->number == -150 && row_of(rows, 1)->number == -200, "scores %lld, %lld",
          (long long)row_of(rows, 0)->number, (long long)row_of(rows, 1)->number);
    char *longest = calloc(1, 70001);
    memset(longest, 'l', 70000);
    const rag_slice label = { longest, 65536 }, query = { longest, 70000 };
    const rag_node node = { label, T("{}") };
    OK(rag_graph_put_nodes(e->store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &e->err));
    CHECK(row_of(search(e, label, 0), 0)->number == 1000, "the longest label is not found");
    count_is(search(e, query, 0), 0);
    free(longest);
}

static void graph_40_labels_that_are_gone_are_not_found(struct env *e)
{
    edge_put(e, "Anna", "Hanna", "{}"); /* ends that an edge creates are found too */
    LABELS("annabel", "Susanna");
    FOUND("anna", { "Anna", 1000 }, { "annabel", 500 }, { "Hanna", 95 }, { "Susanna", 93 });
    node_put(e, "Anna", "{\"again\":1}"); /* is no second entry */
    FOUND("anna", { "Anna", 1000 }, { "annabel", 500 }, { "Hanna", 95 }, { "Susanna", 93 });
    const rag_slice gone[] = { T("annabel"), T("Hanna"), T("nobody") };
    OK(rag_graph_delete_nodes(e->store, NULL, gone, 3, NULL, NULL, &e->err));
    FOUND("anna", { "Anna", 1000 }, { "Susanna", 93 });
    node_put(e, "annabel", "{}");
    FOUND("anna", { "Anna", 1000 }, { "annabel", 500 }, { "Susanna", 93 });
    OK(rag_graph_drop(e->store, NULL, &e->err));
    NOTHING("anna");
    LABELS("annabel");
    FOUND("anna", { "annabel", 500 });
}

static void put_label(struct env *e, rag_slice label)
{
    const rag_node node = { label, T("{}") };
    OK(rag_graph_put_nodes(e->store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &e->err));
}

/* Labels and queries that a database may keep otherwise than the rest. */
static void graph_40_labels_that_are_no_text(struct env *e)
{
    enum { LONG = 3000 };
    char label[LONG];
    memset(label, 'x', LONG);
    memcpy(label + LONG - 7, "nEEDle!", 7);
    const rag_slice with_nul = B("Alp\0ha"), reserved = T("ragstore:Alpha");
    put_label(e, (rag_slice){ label, LONG });
    put_label(e, with_nul);
    put_label(e, reserved);
    LABELS("Alpha");
    const rag_result *rows = search(e, T("NEEDle"), 0);
    CHECK(rag_result_count(rows) == 1, "%zu labels, not one", rag_result_count(rows));
    CHECK(same(row_of(rows, 0)->key, (rag_slice){ label, LONG }) &&
              row_of(rows, 0)->number == 100 - LONG,
          "another label, or its score is %lld", (long long)row_of(rows, 0)->number);
    rows = search(e, B("p\0H"), 0);
    CHECK(rag_result_count(rows) == 1 && same(row_of(rows, 0)->key, with_nul),
          "%zu labels with NUL, not one", rag_result_count(rows));
    FOUND("alpha", { "Alpha", 1000 }, { "ragstore:Alpha", 86 });
    FOUND("STORE:", { "ragstore:Alpha", 86 });
    rows = search(e, T("a"), 1);
    CHECK(rag_result_count(rows) == 1 && same(row_of(rows, 0)->key, with_nul),
          "%zu labels, or not the best of them", rag_result_count(rows));
}

static void graph_40_labels_after_reopening(struct env *e)
{
    LABELS("Anna", "annabel", "Hanna");
    const rag_slice gone = T("annabel");
    OK(rag_graph_delete_nodes(e->store, NULL, &gone, 1, NULL, NULL, &e->err));
    rag_store_close(e->store);
    e->store = NULL;
    OK(e->backend->open(&e->place, NULL, &e->store, &e->err));
    FOUND("anna", { "Anna", 1000 }, { "Hanna", 95 });
    LABELS("anna");
    FOUND("anna", { "Anna", 1000 }, { "anna", 1000 }, { "Hanna", 95 });
}

static void graph_40_labels_inside_a_transaction(struct env *e)
{
    LABELS("Anna");
    rag_txn *txn = NULL;
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_result *rows = NULL;
    const rag_node node = { T("Hanna"), T("{}") };
    OK(rag_txn_begin(e->store, NULL, &txn, &e->err));
    ctx.txn = txn;
    OK(rag_graph_put_nodes(e->store, &ctx, &node, 1, RAG_PUT_MERGE, NULL, &e->err));
    OK(rag_graph_search_labels(e->store, &ctx, T("anna"), 0, &rows, &e->err));
    expect_rows(keep(e, rows), "anna", (const struct wanted[]){ { "Anna", 1000 }, { "Hanna", 95 } },
                2);
    rag_txn_abort(txn);
    FOUND("anna", { "Anna", 1000 });
}

static void graph_40_bad_label_searches(struct env *e)
{
    rag_result *rows = NULL;
    REFUSED(RAG_E_INVALID, rag_graph_search_labels(e->store, NULL, B("\xff"), 0, &rows, &e->err));
    REFUSED(RAG_E_INVALID,
            rag_graph_search_labels(e->store, NULL, B("a\xed\xa0\x80"), 0, &rows, &e->err));
    REFUSED(RAG_E_INVALID, rag_graph_search_labels(e->store, NULL, T("a"), 0, NULL, &e->err));
    CHECK(!rows, "a result of a call that failed");
}

/* ---- random labels --------------------------------------------------------------------------------- */

enum { RANDOM_LABELS = 400, LETTERS = 10, LABEL_LETTERS_MAX = 9 };

/* Upper and lower case at the same place; of one, two, three and four bytes, some changing length. */
static const char *const upper[LETTERS] = {
    "A", "B", " ", "_", "\xc3\x98", "\xd0\x96", "\xe4\xba\xac", "\xc8\xba", "\xf0\x9f\x98\x80", "%"
};
static const char *const lower[LETTERS] = {
    "a", "b", " ", "_", "\xc3\xb8", "\xd0\xb6", "\xe4\xba\xac", "\xe2\xb1\xa5", "\xf0\x9f\x98\x80",
    "%"
};

struct word {
    unsigned char letters[LABEL_LETTERS_MAX]; /* which, without case */
    size_t n;
    char text[LABEL_LETTERS_MAX * 4 + 1];
};

static void random_word(struct random *r, size_t most, struct word *out)
{
    out->n = 1 + random_below(r, most);
    out->text[0] = 0;
    size_t len = 0;
    for (size_t i = 0; i < out->n; i++) {
        out->letters[i] = (unsigned char)random_below(r, LETTERS);
        const char *letter = (random_below(r, 2) ? upper : lower)[out->letters[i]];
        memcpy(out->text + len, letter, strlen(letter) + 1);
        len += strlen(letter);
    }
}

/* The score by the rule, over letters; INT64_MIN when the query is not in the label. */
static int64_t score_of(const struct word *label, const struct word *query)
{
    int found = 0, begins = 0, after_blank = 0;
    for (size_t at = 0; at + query->n <= label->n; at++) {
        if (memcmp(label->letters + at, query->letters, query->n) != 0)
            continue;
        found = 1;
        begins |= at == 0;
        after_blank |= at > 0 && (label->letters[at - 1] == 2 || label->letters[at - 1] == 3);
    }
    if (!found)
        return INT64_MIN;
    if (begins)
        return label->n == query->n ? 1000 : 500;
    return 100 - (int64_t)label->n + (after_blank ? 50 : 0);
}

static void compare_search(struct env *e, const struct word *labels, const unsigned char *there,
                           const struct word *query, size_t limit)
{
    struct wanted wanted[RANDOM_LABELS];
    size_t n = 0;
    for (size_t i = 0; i < RANDOM_LABELS; i++) {
        const int64_t score = there[i] ? score_of(&labels[i], query) : INT64_MIN;
        if (score == INT64_MIN)
            continue;
        size_t at = n++;
        for (; at > 0 &&
               (wanted[at - 1].score < score || (wanted[at - 1].score == score &&
                                                 strcmp(wanted[at - 1].label, labels[i].text) > 0));
             at--)
            wanted[at] = wanted[at - 1];
        wanted[at] = (struct wanted){ labels[i].text, score };
    }
    expect_rows(search(e, T(query->text), limit), query->text, wanted, n < limit ? n : limit);
}

static void graph_40_random_labels(struct env *e)
{
    static struct word labels[RANDOM_LABELS];
    unsigned char there[RANDOM_LABELS] = { 0 };
    struct random r = random_of(e);
    for (size_t i = 0; i < RANDOM_LABELS; i++) {
        random_word(&r, LABEL_LETTERS_MAX, &labels[i]);
        there[i] = 1;
        for (size_t j = 0; j < i; j++)
            there[i] = there[i] && strcmp(labels[j].text, labels[i].text) != 0;
        node_put(e, labels[i].text, "{}");
    }
    for (size_t round = 0; round < 300; round++) {
        struct word query;
        random_word(&r, 3, &query);
        if (query.letters[0] == 2 || query.letters[query.n - 1] == 2)
            continue; /* would be stripped */
        compare_search(e, labels, there, &query, 1 + random_below(&r, 60));
        const size_t gone = random_below(&r, RANDOM_LABELS);
        if (!there[gone])
            continue;
        const rag_slice label = T(labels[gone].text);
        OK(rag_graph_delete_nodes(e->store, NULL, &label, 1, NULL, NULL, &e->err));
        there[gone] = 0;
    }
}

const struct conformance_case graph_label_cases[] = {
    CASE(graph, 40_label_scores),
    CASE(graph, 40_label_words),
    CASE(graph, 40_label_ties_are_by_code_point),
    CASE(graph, 40_labels_without_case),
    CASE(graph, 40_labels_of_han_and_kana),
    CASE(graph, 40_label_wildcards_are_letters),
    CASE(graph, 40_blank_queries_find_nothing),
    CASE(graph, 40_label_limit),
    CASE(graph, 40_long_labels_score_below_zero),
    CASE(graph, 40_labels_that_are_gone_are_not_found),
    CASE_NEEDS(graph, 40_labels_that_are_no_text, NEEDS_NUL),
    CASE_NEEDS(graph, 40_labels_after_reopening, NEEDS_PERSISTENCE),
    CASE_NEEDS(graph, 40_labels_inside_a_transaction, NEEDS_TRANSACTIONS),
    CASE(graph, 40_bad_label_searches),
    CASE(graph, 40_random_labels),
    CASES_END,
};
