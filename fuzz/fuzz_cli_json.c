/* What the command does with JSON: walks, fields, plain strings, indentation, and the file of
 * --vector. Any bytes must be borne. What the library's tokenizer takes as JSON, which is all that
 * the library hands out, must also be understood: a walk finds every member, a string comes out as
 * its text, and indenting changes white space only. Bit 0 of the first byte: as a vector file, bit 1
 * of it: as plain float32. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/json_reader.h"

/* behind the headers of core: "text" is a type from here on, and slice_is() another function */
#define slice_is cli_slice_is
#include "cli/json_text.h"
#include "cli/vector_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

struct bytes {
    const char *data;
    size_t len;
};

static rag_status fill(void *ctx, void *data, size_t size, size_t *got, rag_error *err)
{
    struct bytes *b = ctx;
    (void)err;
    *got = b->len < size ? b->len : size;
    if (*got)
        memcpy(data, b->data, *got);
    b->data += *got;
    b->len -= *got;
    return RAG_OK;
}

/* The text without white space between tokens: 0 when it is not JSON. */
static int without_space(rag_slice json, struct buffer *out)
{
    struct bytes b = { json.data, json.len };
    struct json_reader r;
    enum json_event event;
    require(json_reader_open(&r, "fuzz", fill, &b, NULL) == RAG_OK);
    rag_status status = json_reader_next(&r, &event, NULL);
    if (status == RAG_OK)
        status = json_reader_capture(&r, out, NULL);
    if (status == RAG_OK)
        status = json_reader_next(&r, &event, NULL);
    json_reader_close(&r);
    return status == RAG_OK;
}

/* The decoded text of one JSON string, by the library. *lone: it has lone surrogates, which the
 * command shows as they are. */
static void decode(rag_slice json, struct buffer *out, int *lone)
{
    struct bytes b = { json.data, json.len };
    struct json_reader r;
    enum json_event event;
    rag_slice body;
    require(json_reader_open(&r, "fuzz", fill, &b, NULL) == RAG_OK);
    require(json_reader_next(&r, &event, NULL) == RAG_OK && event == JSON_EVENT_STRING);
    require(json_reader_string(&r, json.len, &body, NULL) == RAG_OK);
    require(buffer_append(out, body.data, body.len, NULL) == RAG_OK);
    *lone = json_reader_replaced(&r) != 0;
    json_reader_close(&r);
}

static void compare_string(rag_slice value)
{
    struct buffer want = BUFFER_INIT(1 << 26);
    text plain = { 0 };
    int lone = 0;
    decode(value, &want, &lone);
    json_add_plain(&plain, value);
    require(lone || slice_equal(text_slice(&plain), buffer_slice(&want)));
    buffer_free(&want);
    text_free(&plain);
}

/* Every member once more; `valid`: the text is JSON. */
static void walk(rag_slice json, int valid, size_t depth)
{
    json_walk w;
    json_member m;
    size_t count = 0;
    int more;
    if (!json_walk_start(&w, json))
        return;
    while ((more = json_walk_next(&w, &m)) == 1) {
        text plain = { 0 };
        count++;
        require((const char *)m.value.data >= (const char *)json.data && m.value.len <= json.len);
        json_add_plain(&plain, m.value);
        text_free(&plain);
        if (valid && json_is_string(m.value))
            compare_string(m.value);
        if (depth)
            walk(m.value, valid, depth - 1);
    }
    require(!valid || more == 0);
    require(json_length(json) == count);
}

static void try_json(rag_slice json)
{
    struct buffer compact = BUFFER_INIT(1 << 26), again = BUFFER_INIT(1 << 26);
    text pretty = { 0 }, name = { 0 };
    rag_slice value;
    const char *first = json.data;
    const int valid = json.len && memcmp(first, "\xef\xbb\xbf", json.len < 3 ? 1 : 3) != 0 &&
                      without_space(json, &compact);
    walk(json, valid, 3);
    if (json_field(json, "a", &value))
        (void)json_number_field(json, "a", 0);
    json_plain_field(&name, json, "a");
    json_add_pretty(&pretty, json, 4);
    text_clear(&name);
    json_add_string(&name, json);
    require(without_space(text_slice(&name), &again));
    buffer_clear(&again);
    /* what a terminal would act upon is shown as an escape of its own, and is no JSON then */
    if (valid && !memchr(pretty.data, '\\', pretty.len)) {
        require(without_space(text_slice(&pretty), &again));
        require(slice_equal(buffer_slice(&again), buffer_slice(&compact)));
    }
    text_free(&pretty);
    text_free(&name);
    buffer_free(&compact);
    buffer_free(&again);
}

static void try_vector(rag_slice bytes, int raw)
{
    char path[64];
    float *vector = NULL;
    size_t dimension = 0;
    text complaint = { 0 };
    const int fd = memfd_create("fuzz", 0);
    require(fd >= 0 && write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (vector_file_read(path, raw, &vector, &dimension, &complaint)) {
        require(dimension > 0 && (!raw || dimension * 4 == bytes.len));
        for (size_t i = 0; i < dimension; i++)
            require(isfinite(vector[i]));
    } else {
        require(vector == NULL && complaint.len > 0);
    }
    free(vector);
    text_free(&complaint);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    char *copy = malloc(size); /* to its exact end: what reads on is seen */
    require(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    char *exact = realloc(copy, size > 1 ? size - 1 : 1);
    require(exact != NULL);
    const rag_slice bytes = { exact, size - 1 };
    if (data[0] & 1)
        try_vector(bytes, data[0] >> 1 & 1);
    else
        try_json(bytes);
    free(exact);
    return 0;
}
