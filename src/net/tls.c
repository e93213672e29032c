/* TLS options.
 *
 * The words are PostgreSQL's, which LightRAG uses, too. "allow" and "prefer" promise nothing against
 * somebody in between; they are accepted only where the protocol itself negotiates TLS, and refused
 * elsewhere, because a backend that silently took them as "require" or as "disable" would do what the
 * user did not say. Files are looked at here, so that a mistyped path is an error that names it and
 * not a connection without the check that it was to make. */
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    enum net_tls_mode mode;
} modes[] = {
    { "disable", NET_TLS_DISABLE },     { "allow", NET_TLS_ALLOW },
    { "prefer", NET_TLS_PREFER },       { "require", NET_TLS_REQUIRE },
    { "verify-ca", NET_TLS_VERIFY_CA }, { "verify-full", NET_TLS_VERIFY_FULL },
};

enum { MODE_COUNT = sizeof modes / sizeof *modes };

const char *net_tls_mode_name(enum net_tls_mode mode)
{
    for (size_t i = 0; i < MODE_COUNT; i++)
        if (modes[i].mode == mode)
            return modes[i].name;
    return "";
}

static rag_status read_mode(const rag_host *host, const char *text, unsigned supported,
                            const char *backend, enum net_tls_mode *out, rag_error *err)
{
    *out = NET_TLS_UNSET;
    if (!text)
        return RAG_OK;
    for (size_t i = 0; i < MODE_COUNT; i++)
        if (strcmp(modes[i].name, text) == 0)
            *out = modes[i].mode;
    if (*out == NET_TLS_UNSET)
        return host->fail(err, RAG_E_INVALID,
                          "ssl_mode is '%.40s', not one of disable, allow, prefer, require, "
                          "verify-ca, verify-full",
                          text);
    if (!((unsigned)*out & supported))
        return host->fail(err, RAG_E_UNSUPPORTED, "%s has no ssl_mode '%s'", backend, text);
    return RAG_OK;
}

static rag_status check_file(const rag_host *host, const char *option, const char *path,
                             rag_error *err)
{
    if (path && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
        return host->fail(err, RAG_E_INVALID, "%s: %.300s: %s", option, path, strerror(errno));
    return RAG_OK;
}

static rag_status check_files(const rag_host *host, const struct net_tls *tls, rag_error *err)
{
    const struct {
        const char *option, *path;
    } files[] = {
        { "ssl_root_cert", tls->root_cert },
        { "ssl_cert", tls->cert },
        { "ssl_key", tls->key },
        { "ssl_crl", tls->crl },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const rag_status status = check_file(host, files[i].option, files[i].path, err);
        if (status != RAG_OK)
            return status;
    }
    return RAG_OK;
}

rag_status net_tls_read(const rag_host *host, const rag_backend_config *config, unsigned supported,
                        const char *backend, struct net_tls *out, rag_error *err)
{
    struct net_tls tls = {
        .root_cert = config->option(config->options, "ssl_root_cert"),
        .cert = config->option(config->options, "ssl_cert"),
        .key = config->option(config->options, "ssl_key"),
        .crl = config->option(config->options, "ssl_crl"),
    };
    rag_status status = read_mode(host, config->option(config->options, "ssl_mode"), supported,
                                  backend, &tls.mode, err);
    if (status != RAG_OK)
        return status;
    if (!tls.cert != !tls.key)
        return host->fail(err, RAG_E_INVALID, "ssl_cert and ssl_key go together: %s is not given",
                          tls.cert ? "ssl_key" : "ssl_cert");
    const int verifies = tls.mode == NET_TLS_VERIFY_CA || tls.mode == NET_TLS_VERIFY_FULL;
    if ((tls.root_cert || tls.crl) && !verifies)
        return host->fail(err, RAG_E_INVALID,
                          "%s is given, but only ssl_mode verify-ca and verify-full look at it",
                          tls.root_cert ? "ssl_root_cert" : "ssl_crl");
    if (verifies && !tls.root_cert)
        return host->fail(err, RAG_E_INVALID, "ssl_mode '%s' needs ssl_root_cert",
                          net_tls_mode_name(tls.mode));
    status = check_files(host, &tls, err);
    if (status == RAG_OK)
        *out = tls;
    return status;
}
