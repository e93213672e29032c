/* Transaction.
 *
 * A store knows its open transactions, because closing it makes them void. One that is dropped without
 * commit or abort is aborted. */
#include "native.h"

#include <unistd.h>

/* ---- the list of a store ------------------------------------------------------------------------------ */

static void link_txn(txn_object *t)
{
    t->next = t->store->transactions;
    if (t->next)
        t->next->previous = t;
    t->store->transactions = t;
}

/* It has ended: nothing refers to the library's part any more. */
static rag_txn *unlink_txn(txn_object *t)
{
    rag_txn *txn = t->txn;
    if (!txn)
        return NULL;
    if (t->previous)
        t->previous->next = t->next;
    else
        t->store->transactions = t->next;
    if (t->next)
        t->next->previous = t->previous;
    t->previous = t->next = NULL;
    t->txn = NULL;
    return txn;
}

void txn_forget_all(store_object *store)
{
    while (store->transactions)
        (void)unlink_txn(store->transactions);
}

PyObject *txn_new(store_object *store, rag_txn *txn)
{
    txn_object *t = PyObject_New(txn_object, store->state->txn_type);
    if (!t)
        return NULL;
    t->store = (store_object *)Py_NewRef((PyObject *)store);
    t->txn = txn;
    t->busy = 0;
    t->previous = t->next = NULL;
    link_txn(t);
    return (PyObject *)t;
}

static void txn_dealloc(PyObject *object)
{
    txn_object *t = (txn_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    rag_txn *txn = unlink_txn(t);
    if (txn && t->store->pid == getpid()) {
        t->store->calls++; /* close() of another thread waits */
        PyThreadState *thread = PyEval_SaveThread();
        rag_txn_abort(txn);
        PyEval_RestoreThread(thread);
        if (--t->store->calls == 0 && t->store->closing)
            (void)sem_post(&t->store->idle);
    }
    Py_DECREF((PyObject *)t->store);
    PyObject_Free(object);
    Py_DECREF((PyObject *)type);
}

/* ---- methods -------------------------------------------------------------------------------------------- */

static PyObject *commit(txn_object *t)
{
    call c = CALL_INIT;
    c.txn_argument = (PyObject *)t;
    if (!call_begin(&c, (PyObject *)t->store))
        return NULL;
    rag_txn *txn = unlink_txn(t); /* gone, whatever comes of it */
    c.ctx.txn = NULL;
    CALL(&c, rag_txn_commit(txn, &c.ctx, &c.number, &c.err));
    return end_number(&c);
}

static PyObject *abort_txn(txn_object *t)
{
    if (!t->txn)
        return Py_NewRef(Py_None);
    call c = CALL_INIT;
    c.txn_argument = (PyObject *)t;
    if (!call_begin(&c, (PyObject *)t->store))
        return NULL;
    rag_txn *txn = unlink_txn(t);
    call_release(&c);
    rag_txn_abort(txn);
    call_reacquire(&c);
    return end_none(&c);
}

static PyObject *txn_commit(PyObject *object, PyObject *unused)
{
    (void)unused;
    return commit((txn_object *)object);
}

static PyObject *txn_abort(PyObject *object, PyObject *unused)
{
    (void)unused;
    return abort_txn((txn_object *)object);
}

static PyObject *txn_enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(object);
}

static PyObject *txn_exit(PyObject *object, PyObject *args)
{
    txn_object *t = (txn_object *)object;
    const int failed = PyTuple_Size(args) > 0 && PyTuple_GetItem(args, 0) != Py_None;
    if (!failed && !t->txn)
        return Py_NewRef(Py_None); /* the block ended it */
    PyObject *done = failed ? abort_txn(t) : commit(t);
    if (!done)
        return NULL;
    Py_DECREF(done);
    return Py_NewRef(Py_None);
}

static PyObject *txn_active(PyObject *object, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((txn_object *)object)->txn != NULL);
}

static PyMethodDef txn_methods[] = {
    { "commit", txn_commit, METH_NOARGS,
      "commit($self, /)\n--\n\nMake all of it visible at once. Returns the token, for Store.flush()." },
    { "abort", txn_abort, METH_NOARGS,
      "abort($self, /)\n--\n\nUndo all of it. Harmless when it has ended." },
    { "__enter__", txn_enter, METH_NOARGS, NULL },
    { "__exit__", txn_exit, METH_VARARGS, NULL },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef txn_members[] = {
    { "active", txn_active, NULL, "Neither committed nor aborted yet.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot txn_slots[] = {
    SLOT(Py_tp_doc,
         "A transaction over all four stores, from Store.begin(). It holds the writer's turn\n"
         "of the store until commit() or abort(). As a context manager it commits, or aborts\n"
         "when the block raises."),
    SLOT(Py_tp_dealloc, txn_dealloc),
    SLOT(Py_tp_methods, txn_methods),
    SLOT(Py_tp_getset, txn_members),
    { 0, NULL },
};

PyType_Spec txn_spec = {
    .name = "ragstore._native.Transaction",
    .basicsize = sizeof(txn_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = txn_slots,
};
