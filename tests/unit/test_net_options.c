/* What is tried again, and what may be said about TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "net/deadline.h"
#include "net/retry.h"
#include "net/tls.h"
#include "store/dispatch.h"

static const rag_context none = RAG_CONTEXT_INIT;

/* ---- retries -------------------------------------------------------------------------------------- */

static void what_may_be_tried_again(void **state)
{
    (void)state;
    static const struct {
        rag_status status;
        rag_outcome outcome;
        int marked, read, write, connect;
    } cases[] = {
        { RAG_E_CONNECTION, RAG_OUTCOME_NOT_APPLIED, 1, 1, 1, 1 },
        { RAG_E_CONNECTION, RAG_OUTCOME_NOT_APPLIED, 0, 1, 1, 0 },
        { RAG_E_CONNECTION, RAG_OUTCOME_UNKNOWN, 0, 1, 0, 0 },
        { RAG_E_TRANSACTION, RAG_OUTCOME_NOT_APPLIED, 1, 1, 1, 1 },
        { RAG_E_DATABASE, RAG_OUTCOME_NOT_APPLIED, 1, 1, 1, 1 },
        { RAG_E_DATABASE, RAG_OUTCOME_NOT_APPLIED, 0, 0, 0, 0 },
        { RAG_E_TIMEOUT, RAG_OUTCOME_NOT_APPLIED, 1, 0, 0, 0 },
        { RAG_E_CANCELLED, RAG_OUTCOME_NOT_APPLIED, 1, 0, 0, 0 },
        { RAG_E_DENIED, RAG_OUTCOME_NOT_APPLIED, 1, 0, 0, 0 },
        { RAG_E_CORRUPT, RAG_OUTCOME_NOT_APPLIED, 1, 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rag_error error = RAG_ERROR_INIT;
        error.status = cases[i].status;
        error.outcome = cases[i].outcome;
        error.retryable = cases[i].marked;
        assert_int_equal(net_may_retry(NET_READ, &error), cases[i].read);
        assert_int_equal(net_may_retry(NET_WRITE, &error), cases[i].write);
        assert_int_equal(net_may_retry(NET_CONNECT, &error), cases[i].connect);
        assert_int_equal(net_may_retry(NET_INSIDE_TXN, &error), 0);
    }
}

static void pauses_double_up_to_the_maximum(void **state)
{
    (void)state;
    const struct net_retry retry = { 10, 3000, 30000 };
    static const int64_t wanted[] = { 3000, 6000, 12000, 24000, 30000, 30000 };
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(net_backoff_ms(&retry, i + 2), wanted[i]);
}

struct attempts {
    unsigned made, failing; /* so many fail */
    rag_status status;
};

static rag_status attempt(void *user, rag_error *err)
{
    struct attempts *a = user;
    if (a->made++ >= a->failing)
        return RAG_OK;
    return (store_host.fail)(err, a->status, "attempt %u", a->made);
}

static void attempts_are_counted(void **state)
{
    (void)state;
    const struct net_retry retry = { 3, 1, 1 };
    rag_error err = RAG_ERROR_INIT;
    struct attempts passing = { 0, 2, RAG_E_CONNECTION };
    assert_int_equal(net_retry(&store_host, &none, &retry, NET_READ, attempt, &passing, &err),
                     RAG_OK);
    assert_int_equal(passing.made, 3);
    struct attempts lasting = { 0, 9, RAG_E_CONNECTION };
    assert_int_equal(net_retry(&store_host, &none, &retry, NET_READ, attempt, &lasting, &err),
                     RAG_E_CONNECTION);
    assert_int_equal(lasting.made, 3);
    assert_string_equal(err.message, "attempt 3");
    struct attempts final = { 0, 9, RAG_E_INVALID };
    assert_int_equal(net_retry(&store_host, &none, &retry, NET_READ, attempt, &final, &err),
                     RAG_E_INVALID);
    assert_int_equal(final.made, 1);
}

static void a_pause_beyond_the_deadline_is_not_begun(void **state)
{
    (void)state;
    const struct net_retry retry = { 3, 3600000, 3600000 };
    rag_context ctx = none;
    ctx.deadline_ns = rag_deadline_in_ms(60000);
    rag_error err = RAG_ERROR_INIT;
    struct attempts a = { 0, 9, RAG_E_CONNECTION };
    assert_int_equal(net_retry(&store_host, &ctx, &retry, NET_READ, attempt, &a, &err),
                     RAG_E_CONNECTION);
    assert_int_equal(a.made, 1);
    int cancel = 1;
    ctx = none;
    ctx.cancel = &cancel;
    a.made = 0;
    assert_int_equal(net_retry(&store_host, &ctx, &retry, NET_READ, attempt, &a, &err),
                     RAG_E_CONNECTION);
    assert_int_equal(a.made, 1);
}

/* ---- deadlines ------------------------------------------------------------------------------------ */

static void the_earlier_limit_holds(void **state)
{
    (void)state;
    rag_context ctx = none;
    assert_int_equal(net_deadline(&ctx, 0), 0);
    assert_true(net_deadline(&ctx, 1000) > net_now_ns());
    ctx.deadline_ns = rag_deadline_in_ms(10000);
    assert_int_equal(net_deadline(&ctx, 0), ctx.deadline_ns);
    assert_int_equal(net_deadline(&ctx, 3600000), ctx.deadline_ns);
    assert_true(net_deadline(&ctx, 1) < ctx.deadline_ns);
    assert_int_equal(net_deadline(&ctx, INT64_MAX), ctx.deadline_ns);
    ctx.deadline_ns = 0;
    assert_true(net_deadline(&ctx, INT64_MAX) > net_now_ns());
}

/* ---- TLS ------------------------------------------------------------------------------------------ */

struct pair {
    const char *name, *value;
};

static const char *option_of(const void *options, const char *name)
{
    for (const struct pair *p = options; p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p->value;
    return NULL;
}

static rag_status read_tls(const struct pair *options, unsigned supported, struct net_tls *out,
                           rag_error *err)
{
    const rag_backend_config config = { .struct_size = sizeof config,
                                        .option = option_of,
                                        .options = options };
    return net_tls_read(&store_host, &config, supported, "pipes", out, err);
}

enum { ALL_MODES = 63 };

static void every_mode_has_its_name(void **state)
{
    (void)state;
    static const char *const names[] = { "disable", "allow",     "prefer",
                                         "require", "verify-ca", "verify-full" };
    for (unsigned i = 0; i < 6; i++) {
        const struct pair options[] = { { "ssl_mode", names[i] },
                                        { i > 3 ? "ssl_root_cert" : "-", "/dev/null" },
                                        { NULL, NULL } };
        struct net_tls tls;
        rag_error err = RAG_ERROR_INIT;
        assert_int_equal(read_tls(options, ALL_MODES, &tls, &err), RAG_OK);
        assert_int_equal(tls.mode, 1u << i);
        assert_string_equal(net_tls_mode_name(tls.mode), names[i]);
    }
    const struct pair nothing[] = { { NULL, NULL } };
    struct net_tls tls;
    assert_int_equal(read_tls(nothing, ALL_MODES, &tls, NULL), RAG_OK);
    assert_int_equal(tls.mode, NET_TLS_UNSET);
}

static void what_is_not_meant_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct pair options[4];
        unsigned supported;
        rag_status status;
        const char *message;
    } cases[] = {
        { { { "ssl_mode", "Require" } }, ALL_MODES, RAG_E_INVALID, "ssl_mode is 'Require'" },
        { { { "ssl_mode", "prefer" } },
          ALL_MODES & ~(unsigned)NET_TLS_PREFER,
          RAG_E_UNSUPPORTED,
          "pipes has no ssl_mode 'prefer'" },
        { { { "ssl_mode", "verify-full" } }, ALL_MODES, RAG_E_INVALID, "needs ssl_root_cert" },
        { { { "ssl_mode", "require" }, { "ssl_root_cert", "/dev/null" } },
          ALL_MODES,
          RAG_E_INVALID,
          "ssl_root_cert is given, but only" },
        { { { "ssl_mode", "require" }, { "ssl_crl", "/dev/null" } },
          ALL_MODES,
          RAG_E_INVALID,
          "ssl_crl is given, but only" },
        { { { "ssl_mode", "require" }, { "ssl_cert", "/dev/null" } },
          ALL_MODES,
          RAG_E_INVALID,
          "ssl_key is not given" },
        { { { "ssl_mode", "verify-ca" }, { "ssl_root_cert", "/no/such/ca.crt" } },
          ALL_MODES,
          RAG_E_INVALID,
          "ssl_root_cert: /no/such/ca.crt: No such file or directory" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct net_tls tls = { .mode = NET_TLS_ALLOW };
        rag_error err = RAG_ERROR_INIT;
        assert_int_equal(read_tls(cases[i].options, cases[i].supported, &tls, &err),
                         cases[i].status);
        if (!strstr(err.message, cases[i].message))
            fail_msg("'%s' does not say '%s'", err.message, cases[i].message);
        assert_int_equal(tls.mode, NET_TLS_ALLOW);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_tried_again),
        cmocka_unit_test(pauses_double_up_to_the_maximum),
        cmocka_unit_test(attempts_are_counted),
        cmocka_unit_test(a_pause_beyond_the_deadline_is_not_begun),
        cmocka_unit_test(the_earlier_limit_holds),
        cmocka_unit_test(every_mode_has_its_name),
        cmocka_unit_test(what_is_not_meant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
