/* What a user may say about TLS, checked once for all backends. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <ragstore/backend.h>

enum net_tls_mode {
    NET_TLS_UNSET = 0,       /* the driver's own default */
    NET_TLS_DISABLE = 1,     /* never */
    NET_TLS_ALLOW = 2,       /* without, unless the server insists */
    NET_TLS_PREFER = 4,      /* with, unless the server has none */
    NET_TLS_REQUIRE = 8,     /* with, whoever the server is */
    NET_TLS_VERIFY_CA = 16,  /* the certificate is signed by the root certificate */
    NET_TLS_VERIFY_FULL = 32 /* and names the host */
};

/* All strings belong to the configuration that they were read from. */
struct net_tls {
    enum net_tls_mode mode;
    const char *root_cert, *cert, *key, *crl; /* NULL: not given */
};

/* The name of a mode, as users write it. */
const char *net_tls_mode_name(enum net_tls_mode mode);

/* From the options ssl_mode, ssl_root_cert, ssl_cert, ssl_key and ssl_crl. `supported`: NET_TLS_* of
 * the modes that the protocol of this backend makes honest. RAG_E_INVALID: a mode that is none, one
 * file of certificate and key without the other, a file that is not there, files with a mode that
 * does not look at them; RAG_E_UNSUPPORTED: a mode that this backend does not have. */
rag_status net_tls_read(const rag_host *host, const rag_backend_config *config, unsigned supported,
                        const char *backend, struct net_tls *out, rag_error *err);

#endif
