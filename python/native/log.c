/* What the library has to say besides answers, as records of Python's logger "ragstore".
 *
 * It speaks in the middle of a call, without the interpreter's lock. So its lines are kept until the
 * call is over and handed on then: a handler may be slow, may use the store, may raise (which is
 * reported as Python does it for what nobody can catch, and does not fail the call). */
#include "native.h"

#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 100 }; /* of one call; a line says how many there were beyond */

struct log_line {
    struct log_line *next;
    rag_log_level level;
    char text[];
};

void log_keep(void *user, rag_log_level level, const char *message)
{
    log_lines *lines = &((call *)user)->said;
    const size_t size = strlen(message) + 1;
    struct log_line *line = NULL;
    if (lines->count++ < LINES_MAX)
        line = malloc(sizeof *line + size);
    if (!line)
        return;
    line->next = NULL;
    line->level = level;
    memcpy(line->text, message, size);
    if (lines->last)
        lines->last->next = line;
    else
        lines->first = line;
    lines->last = line;
}

static int level_of(rag_log_level level)
{
    static const int levels[] = { 40, 30, 20, 10 }; /* of the module logging */
    return levels[level > RAG_LOG_DEBUG ? RAG_LOG_DEBUG : level];
}

static void hand_on(PyObject *logger, int level, const char *text)
{
    PyObject *message = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    PyObject *done =
        message ? PyObject_CallMethod(logger, "log", "isO", level, "%s", message) : NULL;
    if (!done)
        PyErr_WriteUnraisable(logger);
    Py_XDECREF(done);
    Py_XDECREF(message);
}

void log_hand_on(log_lines *lines)
{
    if (!lines->first)
        return;
    PyObject *logging = PyImport_ImportModule("logging");
    PyObject *logger = logging ? PyObject_CallMethod(logging, "getLogger", "s", "ragstore") : NULL;
    if (!logger)
        PyErr_WriteUnraisable(logging);
    while (lines->first) {
        struct log_line *line = lines->first;
        lines->first = line->next;
        if (logger)
            hand_on(logger, level_of(line->level), line->text);
        free(line);
    }
    if (logger && lines->count > LINES_MAX) {
        char text[64];
        (void)PyOS_snprintf(text, sizeof text, "and %zu further lines", lines->count - LINES_MAX);
        hand_on(logger, level_of(RAG_LOG_WARNING), text);
    }
    Py_XDECREF(logger);
    Py_XDECREF(logging);
}
