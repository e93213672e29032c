/* Times. Python writes them as integers; time.time() without int() leaves a fraction, which is cut
 * off as int() would. */
#include "json_times.h"

#include <string.h>

#include "core/json_object.h"

rag_status lightrag_read_time(struct json_reader *r, int64_t *seconds, uint64_t *odd,
                              rag_error *err)
{
    enum json_event event;
    RAG_TRY(json_reader_next(r, &event, err));
    *seconds = RAG_TIME_UNKNOWN;
    if (event == JSON_EVENT_NUMBER) {
        rag_slice text = json_reader_text(r);
        const char *point = memchr(text.data, '.', text.len);
        const int power = memchr(text.data, 'e', text.len) || memchr(text.data, 'E', text.len);
        if (point && !power)
            text.len = (size_t)(point - (const char *)text.data);
        int64_t value = 0;
        if (power || !json_integer(text, &value))
            ++*odd;
        else if (value > 0)
            *seconds = value;
        return RAG_OK;
    }
    if (event != JSON_EVENT_NULL)
        ++*odd;
    return json_reader_skip(r, err);
}
