/* ragstore._native: the module. Nothing is opened, started or read when it is imported; what it keeps is
 * in its state, so that each interpreter of a process has its own. */
#include "native.h"

#include <stddef.h>

static native_state *state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type && PyModule_AddType(module, (PyTypeObject *)type) != 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

/* The methods of Store come from several files; a type takes one table, so they are added here. */
static int add_methods(PyTypeObject *type)
{
    PyMethodDef *const tables[] = { store_methods, kv_methods,   vector_methods, pending_methods,
                                    graph_methods, docs_methods, upsert_methods, shared_methods };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (PyMethodDef *m = tables[i]; m->ml_name; m++) {
            PyObject *method = PyDescr_NewMethod(type, m);
            const int done =
                method && PyObject_SetAttrString((PyObject *)type, m->ml_name, method) == 0;
            Py_XDECREF(method);
            if (!done)
                return 0;
        }
    return 1;
}

static int fill_module(PyObject *module)
{
    native_state *state = state_of(module);
    if (!errors_make(module, state))
        return -1;
    state->flag_type = add_type(module, &flag_spec);
    state->matrix_type = state->flag_type ? add_type(module, &matrix_spec) : NULL;
    state->txn_type = state->matrix_type ? add_type(module, &txn_spec) : NULL;
    state->store_type = state->txn_type ? add_type(module, &store_spec) : NULL;
    if (!state->store_type || !add_methods(state->store_type))
        return -1;
    if (PyModule_AddStringConstant(module, "libraries", rag_version_text()) != 0)
        return -1;
    return PyModule_AddStringConstant(module, "__version__", RAG_VERSION_TEXT);
}

/* ---- the state, for the garbage collector ------------------------------------------------------------- */

static int visit_module(PyObject *module, visitproc visit, void *arg)
{
    const native_state *state = state_of(module);
    for (size_t i = 0; i < ERROR_CLASSES; i++)
        Py_VISIT(state->errors[i]);
    Py_VISIT((PyObject *)state->flag_type);
    Py_VISIT((PyObject *)state->matrix_type);
    Py_VISIT((PyObject *)state->txn_type);
    Py_VISIT((PyObject *)state->store_type);
    return 0;
}

static int clear_module(PyObject *module)
{
    native_state *state = state_of(module);
    for (size_t i = 0; i < ERROR_CLASSES; i++)
        Py_CLEAR(state->errors[i]);
    Py_CLEAR(state->flag_type);
    Py_CLEAR(state->matrix_type);
    Py_CLEAR(state->txn_type);
    Py_CLEAR(state->store_type);
    return 0;
}

static void free_module(void *module)
{
    (void)clear_module(module);
}

static PyModuleDef_Slot module_slots[] = {
    SLOT(Py_mod_exec, fill_module),
    { 0, NULL },
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ragstore._native",
    .m_doc = "The C library as it is: see ragstore/_native.pyi.",
    .m_size = sizeof(native_state),
    .m_slots = module_slots,
    .m_traverse = visit_module,
    .m_clear = clear_module,
    .m_free = free_module,
};

PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&module_definition);
}
