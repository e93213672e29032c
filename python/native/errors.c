/* Exceptions: one class for each kind of failure of the library.
 *
 * Where Python has a class for the same thing, ours is a subclass of both, so that a program may
 * catch either. The classes belong to the package `ragstore`, which exports them; so they can be pickled
 * by name. What else the library says of a failure becomes attributes. No memory is Python's own
 * MemoryError. */
#include "native.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct error_class {
    const char *name;
    rag_status status;
    PyObject **also; /* a class of Python's */
    int parent;      /* index of another class of ours; 0: StoreError */
    const char *text;
};

/* Parents before their children. */
static const struct error_class classes[ERROR_CLASSES] = {
    { "ragstore.StoreError", RAG_OK, &PyExc_Exception, 0,
      "Any failure of the library. str() is its one-line message.\n\n"
      "kind is the kind of failure as a phrase, outcome what is known of a write that failed (\"not\n"
      "applied\", \"applied\", \"durable\", \"unknown\"), retryable whether the same call may succeed\n"
      "later and is safe; vendor_code and native_state are those of the system underneath." },
    { "ragstore.InvalidError", RAG_E_INVALID, &PyExc_ValueError, 0,
      "A wrong argument or value; nothing was changed." },
    { "ragstore.NotFoundError", RAG_E_NOT_FOUND, &PyExc_LookupError, 0,
      "The thing named does not exist." },
    { "ragstore.ConflictError", RAG_E_CONFLICT, NULL, 0,
      "It exists already, or somebody else changed it meanwhile." },
    { "ragstore.CorruptError", RAG_E_CORRUPT, NULL, 0,
      "What is stored contradicts its own format." },
    { "ragstore.UnsupportedError", RAG_E_UNSUPPORTED, NULL, 0,
      "This backend or this version cannot do it." },
    { "ragstore.TimeoutError", RAG_E_TIMEOUT, &PyExc_TimeoutError, 0,
      "The time given for the call passed. Also the built-in TimeoutError." },
    { "ragstore.CancelledError", RAG_E_CANCELLED, NULL, 0,
      "The CancelFlag of the call was set. Not asyncio's exception of this name." },
    { "ragstore.DatabaseError", RAG_E_DATABASE, NULL, 0,
      "The database refused for a reason of its own: see vendor_code." },
    { "ragstore.ConnectionError", RAG_E_CONNECTION, &PyExc_ConnectionError, 8,
      "A server could not be reached. Also the built-in ConnectionError." },
    { "ragstore.TransactionError", RAG_E_TRANSACTION, NULL, 8,
      "A transaction that has ended or cannot go on." },
    { "ragstore.InputOutputError", RAG_E_IO, &PyExc_OSError, 0,
      "The operating system failed a read, a write or a sync." },
    { "ragstore.NoSpaceError", RAG_E_NO_SPACE, &PyExc_OSError, 0,
      "The disk or the quota is full." },
    { "ragstore.DeniedError", RAG_E_DENIED, &PyExc_PermissionError, 0,
      "No permission, a read-only store, or a namespace outside the handle." },
    { "ragstore.MismatchError", RAG_E_MISMATCH, &PyExc_ValueError, 0,
      "Another embedding model, dimension, metric or element type." },
    { "ragstore.VersionError", RAG_E_VERSION, NULL, 0, "A store or file of a newer format." },
    { "ragstore.ForkedError", RAG_E_FORKED, NULL, 0,
      "The store was opened before fork() and is used in the child." },
};

static PyObject *bases_of(const native_state *state, size_t i)
{
    if (i == 0)
        return PyTuple_Pack(1, PyExc_Exception);
    PyObject *parent = state->errors[classes[i].parent];
    return classes[i].also ? PyTuple_Pack(2, parent, *classes[i].also) : PyTuple_Pack(1, parent);
}

/* What an exception answers that a program made itself. */
static PyObject *defaults(void)
{
    return Py_BuildValue("{s:s,s:s,s:O,s:i,s:s}", "kind", "", "outcome", "not applied", "retryable",
                         Py_False, "vendor_code", 0, "native_state", "");
}

int errors_make(PyObject *module, native_state *state)
{
    for (size_t i = 0; i < ERROR_CLASSES; i++) {
        PyObject *bases = bases_of(state, i);
        PyObject *members = i == 0 ? defaults() : PyDict_New();
        if (bases && members)
            state->errors[i] =
                PyErr_NewExceptionWithDoc(classes[i].name, classes[i].text, bases, members);
        Py_XDECREF(bases);
        Py_XDECREF(members);
        const char *name = classes[i].name + sizeof "ragstore." - 1;
        if (!state->errors[i] || PyModule_AddObjectRef(module, name, state->errors[i]) != 0)
            return 0;
    }
    return 1;
}

static const char *outcome_text(rag_outcome outcome)
{
    switch (outcome) {
    case RAG_OUTCOME_APPLIED: return "applied";
    case RAG_OUTCOME_DURABLE: return "durable";
    case RAG_OUTCOME_UNKNOWN: return "unknown";
    case RAG_OUTCOME_NOT_APPLIED: break;
    }
    return "not applied";
}

static int set_attribute(PyObject *object, const char *name, PyObject *value)
{
    const int done = value && PyObject_SetAttrString(object, name, value) == 0;
    Py_XDECREF(value);
    return done;
}

static int describe(PyObject *error, rag_status status, const rag_error *err)
{
    return set_attribute(error, "kind", PyUnicode_FromString(rag_status_text(status))) &&
           set_attribute(error, "outcome", PyUnicode_FromString(outcome_text(err->outcome))) &&
           set_attribute(error, "retryable", PyBool_FromLong(err->retryable)) &&
           set_attribute(error, "vendor_code", PyLong_FromLong(err->vendor_code)) &&
           set_attribute(error, "native_state", PyUnicode_FromString(err->native_state)) &&
           (status != RAG_E_NO_SPACE || set_attribute(error, "errno", PyLong_FromLong(ENOSPC)));
}

static PyObject *class_of(const native_state *state, rag_status status)
{
    for (size_t i = 1; i < ERROR_CLASSES; i++)
        if (classes[i].status == status)
            return state->errors[i];
    return state->errors[0];
}

PyObject *raise_status(native_state *state, rag_status status, const rag_error *err)
{
    PyObject *type = class_of(state, status);
    if (status == RAG_E_NO_MEMORY) {
        PyErr_SetString(PyExc_MemoryError, err->message);
        return NULL;
    }
    /* a message may have been cut in the middle of a character */
    const char *text = err->message[0] ? err->message : rag_status_text(status);
    PyObject *message = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    PyObject *error = message ? PyObject_CallFunctionObjArgs(type, message, NULL) : NULL;
    if (error && describe(error, status, err))
        PyErr_SetObject(type, error);
    Py_XDECREF(error);
    Py_XDECREF(message);
    return NULL;
}

PyObject *raise_kind(native_state *state, rag_status status, const char *format, ...)
{
    rag_error err = RAG_ERROR_INIT;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err.message, sizeof err.message, format, args);
    va_end(args);
    return raise_status(state, status, &err);
}
