/* SHA-256 by libcrypto's EVP interface, which uses the instructions of the processor.
 *
 * A context of libcrypto lives behind `state` from digest_begin() to digest_end() or digest_free().
 * It belongs to one thread at a time. What libcrypto refuses is either lack of memory or a machine
 * whose policy forbids the algorithm; both are errors of the call, never a wrong digest. */
#include "digest.h"

#include <openssl/evp.h>

static rag_status fail_digest(rag_error *err)
{
    return rag_fail(err, RAG_E_UNSUPPORTED, "libcrypto refuses to compute SHA-256");
}

rag_status digest_begin(struct digest *d, rag_error *err)
{
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    if (!state)
        return rag_fail_memory(err);
    if (EVP_DigestInit_ex(state, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(state);
        return fail_digest(err);
    }
    d->state = state;
    return RAG_OK;
}

rag_status digest_add(struct digest *d, const void *data, size_t len, rag_error *err)
{
    if (len && EVP_DigestUpdate(d->state, data, len) != 1)
        return fail_digest(err);
    return RAG_OK;
}

rag_status digest_end(struct digest *d, unsigned char out[DIGEST_SHA256_BYTES], rag_error *err)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    const int done = EVP_DigestFinal_ex(d->state, bytes, &len);
    digest_free(d);
    if (done != 1 || len != DIGEST_SHA256_BYTES)
        return fail_digest(err);
    memcpy(out, bytes, DIGEST_SHA256_BYTES);
    return RAG_OK;
}

static void write_hex(const unsigned char bytes[DIGEST_SHA256_BYTES],
                      char out[DIGEST_SHA256_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[DIGEST_SHA256_HEX_BYTES - 1] = '\0';
}

rag_status digest_end_hex(struct digest *d, char out[DIGEST_SHA256_HEX_BYTES], rag_error *err)
{
    unsigned char bytes[DIGEST_SHA256_BYTES];
    RAG_TRY(digest_end(d, bytes, err));
    write_hex(bytes, out);
    return RAG_OK;
}

void digest_free(struct digest *d)
{
    EVP_MD_CTX_free(d->state);
    d->state = NULL;
}

rag_status digest_sha256(rag_slice data, unsigned char out[DIGEST_SHA256_BYTES], rag_error *err)
{
    struct digest d = DIGEST_INIT;
    RAG_TRY(digest_begin(&d, err));
    const rag_status status = digest_add(&d, data.data, data.len, err);
    if (status == RAG_OK)
        return digest_end(&d, out, err);
    digest_free(&d);
    return status;
}

rag_status digest_sha256_hex(rag_slice data, char out[DIGEST_SHA256_HEX_BYTES], rag_error *err)
{
    unsigned char bytes[DIGEST_SHA256_BYTES];
    RAG_TRY(digest_sha256(data, bytes, err));
    write_hex(bytes, out);
    return RAG_OK;
}
