/* CancelFlag: an int that a call of another thread looks at. Setting it needs no lock, so it may be
 * done from anywhere, also from a signal handler of Python's. */
#include "native.h"

static PyObject *flag_set(PyObject *object, PyObject *unused)
{
    (void)unused;
    rag_cancel(&((flag_object *)object)->flag);
    return Py_NewRef(Py_None);
}

static PyObject *flag_is_set(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(__atomic_load_n(&((flag_object *)object)->flag, __ATOMIC_RELAXED));
}

static void flag_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_Free(object);
    Py_DECREF((PyObject *)type);
}

static PyMethodDef flag_methods[] = {
    { "set", flag_set, METH_NOARGS,
      "set($self, /)\n--\n\nEnd the calls that were given this flag; they raise CancelledError." },
    { "is_set", flag_is_set, METH_NOARGS, "is_set($self, /)\n--\n\nWhether set() was called." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot flag_slots[] = {
    SLOT(Py_tp_doc,
         "CancelFlag()\n--\n\nEnds calls of other threads: pass it as `cancel`, call set()."),
    SLOT(Py_tp_dealloc, flag_dealloc),
    SLOT(Py_tp_methods, flag_methods),
    { 0, NULL },
};

PyType_Spec flag_spec = {
    .name = "ragstore._native.CancelFlag",
    .basicsize = sizeof(flag_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = flag_slots,
};
