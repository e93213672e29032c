/* Store: opening, closing, and the methods of store.h; module.c adds those of the other files.
 *
 * The library wants no call under way when a handle is closed. So close() first turns away new calls,
 * then waits for those of other threads, and voids the transactions, which the library aborts. In the
 * child of a fork() there is nobody to wait for, and closing lets go of the memory only. What may take
 * long (check, backup, compacting, hashes) looks for signals meanwhile: see call.c. */
#include "native.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLOSE_LOOK_NS = 50 * 1000 * 1000 };

/* ---- opening ------------------------------------------------------------------------------------------ */

/* Arguments of Store(). */
struct opening {
    const char *url;
    int read_only, existing, build, replace;
    PyObject *namespaces, *lock_timeout;
    name_list names;
    rag_open_options options;
};

static int take_opening(struct opening *o, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "url",          "read_only", "existing",   "build",
                                         "replace",      "workspace", "namespaces", "config_file",
                                         "lock_timeout", NULL };
    if (!take_arguments(args, kwargs, "|z$ppppzOzO:Store", names, &o->url, &o->read_only,
                        &o->existing, &o->build, &o->replace, &o->options.workspace, &o->namespaces,
                        &o->options.config_file, &o->lock_timeout))
        return 0;
    o->options.flags = (o->read_only ? RAG_OPEN_READ_ONLY : 0u) |
                       (o->existing ? RAG_OPEN_EXISTING : 0u) | (o->build ? RAG_OPEN_BUILD : 0u) |
                       (o->replace ? RAG_OPEN_REPLACE : 0u);
    if (o->lock_timeout && o->lock_timeout != Py_None) {
        const double seconds = PyFloat_AsDouble(o->lock_timeout);
        if (seconds == -1.0 && PyErr_Occurred())
            return 0;
        if (!(seconds > 0 && seconds < 1e9)) {
            PyErr_SetString(PyExc_ValueError, "lock_timeout must be a positive number of seconds");
            return 0;
        }
        o->options.lock_timeout_ms = seconds < 0.001 ? 1 : (int64_t)(seconds * 1000);
    }
    if (!o->namespaces || o->namespaces == Py_None)
        return 1;
    if (!names_take(o->namespaces, "namespaces", &o->names))
        return 0;
    o->options.namespaces = o->names.names;
    o->options.namespace_count = o->names.count;
    return 1;
}

static int store_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    store_object *self = (store_object *)object;
    struct opening o = { .names = NAME_LIST_INIT, .options = RAG_OPEN_OPTIONS_INIT };
    int done = -1;
    rag_store *store = NULL;
    call c = CALL_INIT; /* for what is said while opening */
    if (!take_opening(&o, args, kwargs))
        goto cleanup;
    if (self->pid) {
        PyErr_SetString(PyExc_TypeError, "a Store is opened once: make another one");
        goto cleanup;
    }
    self->pid = getpid();
    c.ctx.log = log_keep;
    c.ctx.user = &c;
    CALL(&c, rag_store_open(o.url, &o.options, &c.ctx, &store, &c.err));
    self->store = store;
    log_hand_on(&c.said);
    if (c.status == RAG_OK)
        done = 0;
    else
        raise_status(self->state, c.status, &c.err);
cleanup:
    names_drop(&o.names);
    return done;
}

static PyObject *store_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args, (void)kwargs;
    native_state *state = PyType_GetModuleState(type);
    store_object *self = state ? (store_object *)PyType_GenericAlloc(type, 0) : NULL;
    if (!self)
        return NULL;
    self->state = state;
    if (sem_init(&self->idle, 0, 0) != 0) {
        (void)PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- closing ------------------------------------------------------------------------------------------ */

/* Wait until no call of another thread is under way. 0: a signal handler raised. */
static int wait_for_calls(store_object *self)
{
    while (self->calls) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += CLOSE_LOOK_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        PyThreadState *thread = PyEval_SaveThread();
        (void)sem_timedwait(&self->idle, &until);
        PyEval_RestoreThread(thread);
        if (PyErr_CheckSignals() != 0)
            return 0;
    }
    return 1;
}

static int close_store(store_object *self)
{
    if (!self->store)
        return 1;
    if (is_embedding_for(self)) {
        raise_kind(self->state, RAG_E_INVALID, "an embedder cannot close the store that calls it");
        return 0;
    }
    self->closing = 1;
    /* in a child of fork() there are no threads that could leave their calls */
    if (self->pid == getpid() && !wait_for_calls(self))
        return 0;
    rag_store *store = self->store;
    if (!store)
        return 1; /* another thread closed it meanwhile */
    self->store = NULL;
    txn_forget_all(self);
    PyThreadState *thread = PyEval_SaveThread();
    rag_store_close(store);
    PyEval_RestoreThread(thread);
    return 1;
}

static void store_dealloc(PyObject *object)
{
    store_object *self = (store_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    rag_store *store = self->store; /* calls and transactions hold references: there are none */
    self->store = NULL;
    if (store) {
        PyThreadState *thread = PyEval_SaveThread();
        rag_store_close(store);
        PyEval_RestoreThread(thread);
    }
    (void)sem_destroy(&self->idle);
    PyObject_Free(object);
    Py_DECREF((PyObject *)type);
}

static PyObject *store_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    return close_store((store_object *)object) ? Py_NewRef(Py_None) : NULL;
}

static PyObject *store_enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(object);
}

static PyObject *store_exit(PyObject *object, PyObject *args)
{
    return store_close(object, args);
}

static PyObject *store_closed(PyObject *object, void *unused)
{
    (void)unused;
    const store_object *self = (const store_object *)object;
    return PyBool_FromLong(!self->store || self->closing);
}

/* ---- methods ------------------------------------------------------------------------------------------ */

static PyObject *store_begin(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "timeout", "cancel", NULL };
    call c = CALL_INIT;
    rag_txn *txn = NULL;
    if (take_arguments(args, kwargs, "|$OO:begin", names, &c.timeout_argument,
                       &c.cancel_argument) &&
        call_begin(&c, object))
        CALL(&c, rag_txn_begin(c.store, &c.ctx, &txn, &c.err));
    PyObject *answer = txn ? txn_new(c.self, txn) : NULL;
    if (txn && !answer)
        rag_txn_abort(txn); /* out of memory */
    if (!call_end(&c))
        Py_CLEAR(answer);
    return answer;
}

static PyObject *store_publish(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_plain(object, args, kwargs, "|$" CALL_FORMAT ":publish", rag_store_publish);
}

static PyObject *store_optimize(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_plain(object, args, kwargs, "|$" CALL_FORMAT ":optimize", rag_store_optimize);
}

static PyObject *store_flush(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "upto", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *upto = NULL;
    if (!take_arguments(args, kwargs, "|O$" CALL_FORMAT ":flush", names, &upto, CALL_ARGUMENTS(&c)))
        return NULL;
    const rag_token token = upto ? PyLong_AsUnsignedLongLong(upto) : 0;
    if ((token != (rag_token)-1 || !PyErr_Occurred()) && call_begin(&c, object))
        CALL(&c, rag_flush(c.store, &c.ctx, token, &c.err));
    return end_none(&c);
}

/* Rows of answers as dicts: the members of the value, and what else the row says. */

static PyObject *row_namespace(reading *r, const rag_row *row)
{
    PyObject *object = row_json(r, row);
    return row_if(object && member_put(object, "kind", text_object(row->key)) &&
                      member_put(object, "name", text_object(row->key2)) &&
                      member_put(object, "rows", PyLong_FromLongLong(row->number)),
                  object);
}

static PyObject *row_backend(reading *r, const rag_row *row)
{
    PyObject *object = row_json(r, row);
    return row_if(object && member_put(object, "kind", text_object(row->key)) &&
                      member_put(object, "backend", text_object(row->key2)),
                  object);
}

static PyObject *row_invariant(reading *r, const rag_row *row)
{
    PyObject *object = row_json(r, row);
    return row_if(object && member_put(object, "name", text_object(row->key)) &&
                      member_put(object, "violations", PyLong_FromLongLong(row->number)) &&
                      member_put(object, "ok", PyBool_FromLong(row->found)),
                  object);
}

static PyObject *row_hash(reading *r, const rag_row *row)
{
    PyObject *object = PyDict_New();
    return row_if(object && member_put(object, "kind", text_object(row->key)) &&
                      member_put(object, "name", text_object(row->key2)) &&
                      member_put(object, "rows", PyLong_FromLongLong(row->number)) &&
                      member_put(object, "sha256", row_json(r, row)),
                  object);
}

/* A method without arguments that answers with rows. */
typedef rag_status (*listing_call)(rag_store *store, const rag_context *ctx, rag_result **out,
                                   rag_error *err);

static PyObject *run_listing(PyObject *object, PyObject *args, PyObject *kwargs, const char *format,
                             listing_call function, row_object make)
{
    static const char *const names[] = { CALL_NAMES };
    call c = CALL_INIT;
    call_watch_signals(&c);
    if (take_arguments(args, kwargs, format, names, CALL_ARGUMENTS(&c)) && call_begin(&c, object))
        CALL(&c, function(c.store, &c.ctx, &c.result, &c.err));
    return end_list(&c, make);
}

static PyObject *store_namespaces(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_listing(object, args, kwargs, "|$" CALL_FORMAT ":namespaces", rag_store_namespaces,
                       row_namespace);
}

static PyObject *store_describe(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_listing(object, args, kwargs, "|$" CALL_FORMAT ":describe", rag_store_describe,
                       row_backend);
}

static PyObject *store_content_hash(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_listing(object, args, kwargs, "|$" CALL_FORMAT ":content_hash",
                       rag_store_content_hash, row_hash);
}

static PyObject *store_check(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "repair", "quick", "max_examples", CALL_NAMES };
    call c = CALL_INIT;
    rag_check_options options = RAG_CHECK_OPTIONS_INIT;
    int repair = 0, quick = 0;
    Py_ssize_t examples = 10;
    call_watch_signals(&c);
    if (take_arguments(args, kwargs, "|$ppn" CALL_FORMAT ":check", names, &repair, &quick,
                       &examples, CALL_ARGUMENTS(&c)) &&
        call_begin(&c, object)) {
        options.flags = (repair ? RAG_CHECK_REPAIR : 0u) | (quick ? RAG_CHECK_QUICK : 0u);
        options.max_examples = examples > 0 ? (size_t)examples : 0;
        CALL(&c, rag_store_check(c.store, &c.ctx, &options, &c.result, &c.err));
    }
    return end_list(&c, row_invariant);
}

static PyObject *store_compact(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { CALL_NAMES };
    call c = CALL_INIT;
    call_watch_signals(&c);
    if (take_arguments(args, kwargs, "|$" CALL_FORMAT ":compact", names, CALL_ARGUMENTS(&c)) &&
        call_begin(&c, object))
        CALL(&c, rag_store_compact(c.store, &c.ctx, &c.number, &c.err));
    return end_number(&c);
}

static PyObject *store_backup(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "target", CALL_NAMES };
    call c = CALL_INIT;
    const char *target;
    call_watch_signals(&c);
    if (take_arguments(args, kwargs, "s|$" CALL_FORMAT ":backup", names, &target,
                       CALL_ARGUMENTS(&c)) &&
        call_begin(&c, object))
        CALL(&c, rag_store_backup(c.store, &c.ctx, target, &c.err));
    return end_none(&c);
}

PyMethodDef store_methods[] = {
    { "close", store_close, METH_NOARGS,
      "close($self, /)\n--\n\nClose it, any number of times. Waits for calls of other threads that are under\n"
      "way; open transactions are aborted." },
    { "__enter__", store_enter, METH_NOARGS, NULL },
    { "__exit__", store_exit, METH_VARARGS, NULL },
    METHOD("begin", store_begin, "Begin a transaction: waits for the writer's turn."),
    METHOD("publish", store_publish, "Make a store that was opened with build=True appear."),
    METHOD("flush", store_flush, "Make commits up to a token (0: all) durable."),
    METHOD("namespaces", store_namespaces, "One dict for each namespace that holds anything."),
    METHOD("describe", store_describe, "One dict for each kind of store."),
    METHOD("optimize", store_optimize, "Bring derived data up to date now."),
    METHOD("check", store_check, "One dict for each invariant, also those that hold."),
    METHOD("compact", store_compact, "Give space back to the file system; answers the bytes."),
    METHOD("backup", store_backup, "Copy the store as it is at one moment to a new directory."),
    METHOD("content_hash", store_content_hash, "Fingerprints of all namespaces, and of all."),
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef store_members[] = {
    { "closed", store_closed, NULL, "Whether close() was called.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot store_slots[] = {
    SLOT(Py_tp_doc, "The C library as it is: see the stubs, and the headers of the library."),
    SLOT(Py_tp_new, store_new),
    SLOT(Py_tp_init, store_init),
    SLOT(Py_tp_dealloc, store_dealloc),
    SLOT(Py_tp_getset, store_members),
    { 0, NULL },
};

PyType_Spec store_spec = {
    .name = "ragstore._native.Store",
    .basicsize = sizeof(store_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = store_slots,
};
