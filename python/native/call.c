/* How a call enters the store and leaves it.
 *
 * The interpreter's lock protects what is counted here: the calls that are under way in a store, and
 * the transaction that a call uses. close() refuses new calls and waits for those; a semaphore wakes
 * it, because unlike a mutex it cannot be left locked in the child of a fork().
 *
 * A signal (Ctrl-C) only sets a flag in Python; its handler runs when the main thread is in Python
 * code again. Calls that may take long look for it whenever the library reports progress, at most
 * twenty times a second: the handler's exception is kept, the call is cancelled, and call_end()
 * raises the exception instead of CancelledError. */
#include "native.h"

#include <math.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_EVERY_NS = 50 * 1000 * 1000 };

int take_arguments(PyObject *args, PyObject *kwargs, const char *format, const char *const *names,
                   ...)
{
    va_list out;
    va_start(out, names);
    const int done = PyArg_VaParseTupleAndKeywords(args, kwargs, format, (char **)names, out);
    va_end(out);
    return done;
}

int take_deadline(PyObject *timeout, int64_t *deadline_ns)
{
    if (!timeout || timeout == Py_None)
        return 1;
    const double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred())
        return 0;
    if (isnan(seconds)) {
        PyErr_SetString(PyExc_ValueError, "timeout is not a number");
        return 0;
    }
    const double most = 1e9; /* seconds, some 30 years */
    const double bounded = seconds < 0 ? 0 : seconds > most ? most : seconds;
    *deadline_ns = rag_deadline_in_ms((int64_t)(bounded * 1000));
    return 1;
}

static int take_flag(call *c)
{
    PyObject *argument = c->cancel_argument;
    if (!argument || argument == Py_None)
        return 1;
    const int is_flag = PyObject_TypeCheck(argument, c->self->state->flag_type);
    if (!is_flag) {
        PyErr_SetString(PyExc_TypeError, "cancel must be a CancelFlag");
        return 0;
    }
    c->flag = (flag_object *)Py_NewRef(argument);
    c->ctx.cancel = &c->flag->flag;
    return 1;
}

static int take_txn(call *c)
{
    PyObject *argument = c->txn_argument;
    if (!argument || argument == Py_None)
        return 1;
    if (!PyObject_TypeCheck(argument, c->self->state->txn_type)) {
        PyErr_SetString(PyExc_TypeError, "txn must be a Transaction");
        return 0;
    }
    txn_object *txn = (txn_object *)argument;
    if (txn->store != c->self)
        raise_kind(c->self->state, RAG_E_INVALID, "the transaction belongs to another store");
    else if (!txn->txn)
        raise_kind(c->self->state, RAG_E_TRANSACTION, "the transaction has ended");
    else if (txn->busy)
        raise_kind(c->self->state, RAG_E_INVALID,
                   "another thread is inside a call of this transaction");
    else {
        txn->busy = 1;
        c->txn = (txn_object *)Py_NewRef(argument);
        c->ctx.txn = txn->txn;
        return 1;
    }
    return 0;
}

static int is_usable(const store_object *self)
{
    if (!self->store || self->closing)
        raise_kind(self->state, RAG_E_INVALID, "the store is closed");
    else if (self->pid != getpid())
        raise_kind(self->state, RAG_E_FORKED,
                   "the store was opened before fork(): open it again in this process");
    else
        return 1;
    return 0;
}

static void leave(call *c)
{
    store_object *self = c->self;
    if (c->txn)
        c->txn->busy = 0;
    if (--self->calls == 0 && self->closing)
        (void)sem_post(&self->idle);
    Py_CLEAR(c->txn);
    Py_CLEAR(c->flag);
    Py_CLEAR(c->self);
}

int call_begin(call *c, PyObject *store)
{
    store_object *self = (store_object *)store;
    if (!is_usable(self))
        return 0;
    c->self = (store_object *)Py_NewRef(store);
    c->state = self->state;
    c->store = self->store;
    c->ctx.log = log_keep;
    c->ctx.user = c;
    self->calls++;
    if (take_flag(c) && take_txn(c) && take_deadline(c->timeout_argument, &c->ctx.deadline_ns))
        return 1;
    leave(c);
    return 0;
}

int call_end(call *c)
{
    if (!c->self)
        return 0;
    leave(c);
    log_hand_on(&c->said);
    if (c->raised[0]) {
        PyErr_Restore(c->raised[0], c->raised[1], c->raised[2]);
        return 0;
    }
    if (c->status != RAG_OK)
        raise_status(c->state, c->status, &c->err);
    return c->status == RAG_OK;
}

void call_drop(call *c)
{
    rag_result_free(c->result);
    PyMem_Free(c->rows);
    vectors_drop(&c->vectors);
    batch_drop(&c->batch);
    names_drop(&c->names);
    texts_drop(&c->texts);
}

void call_release(call *c)
{
    c->caller = pthread_self();
    c->thread = PyEval_SaveThread();
}

void call_reacquire(call *c)
{
    PyEval_RestoreThread(c->thread);
    c->thread = NULL;
}

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void look_for_signals(void *user, const rag_progress *progress)
{
    (void)progress;
    call *c = user;
    /* reports may come from threads that the call started: handlers never run there */
    if (!pthread_equal(pthread_self(), c->caller) || !c->thread || c->raised[0])
        return;
    const int64_t now = now_ns();
    if (now < c->next_look_ns)
        return;
    c->next_look_ns = now + LOOK_EVERY_NS;
    call_reacquire(c);
    if (PyErr_CheckSignals() != 0) {
        PyErr_Fetch(&c->raised[0], &c->raised[1], &c->raised[2]);
        rag_cancel(c->flag ? &c->flag->flag : &c->own_flag);
    }
    call_release(c);
}

void call_watch_signals(call *c)
{
    c->ctx.cancel = &c->own_flag; /* a flag of the caller takes its place: take_flag() */
    c->ctx.progress = look_for_signals;
}
