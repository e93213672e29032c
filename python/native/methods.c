/* How methods end, and whole methods for functions of the library that look alike.
 *
 * A method is written as `if (took everything && call_begin()) CALL(...); return end_...();`: the end
 * looks at the call for how far it came, so there is one way out of a method and nothing to let go of
 * there. Where several functions of the library take and answer the same, the method is here, once,
 * and the files of the stores name the function. */
#include "native.h"

/* ---- ends --------------------------------------------------------------------------------------------- */

PyObject *end_with(call *c, answer_maker make)
{
    PyObject *answer = call_end(c) ? make(c) : NULL;
    call_drop(c);
    return answer;
}

static PyObject *none(const call *c)
{
    (void)c;
    return Py_NewRef(Py_None);
}

static PyObject *number(const call *c)
{
    return PyLong_FromUnsignedLongLong(c->number);
}

PyObject *end_none(call *c)
{
    return end_with(c, none);
}

PyObject *end_number(call *c)
{
    return end_with(c, number);
}

PyObject *end_list(call *c, row_object make)
{
    PyObject *answer = call_end(c) ? answer_list(c->state, c->result, make) : NULL;
    call_drop(c);
    return answer;
}

PyObject *end_page(call *c, row_object make)
{
    PyObject *answer = call_end(c) ? answer_page(c->state, c->result, make) : NULL;
    call_drop(c);
    return answer;
}

/* ---- methods of one shape ----------------------------------------------------------------------------- */

PyObject *run_plain(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                    plain_call function)
{
    static const char *const names[] = { CALL_NAMES };
    call c = CALL_INIT;
    call_watch_signals(&c);
    if (take_arguments(args, kwargs, format, names, CALL_ARGUMENTS(&c)) && call_begin(&c, store))
        CALL(&c, function(c.store, &c.ctx, &c.err));
    return end_none(&c);
}

PyObject *run_named(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                    named_call function)
{
    static const char *const names[] = { "name", CALL_NAMES };
    call c = CALL_INIT;
    if (take_arguments(args, kwargs, format, names, &c.name, CALL_ARGUMENTS(&c)) &&
        call_begin(&c, store))
        CALL(&c, function(c.store, &c.ctx, c.name, &c.err));
    return end_none(&c);
}

PyObject *run_count(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                    count_call function)
{
    static const char *const names[] = { "name", CALL_NAMES };
    call c = CALL_INIT;
    if (take_arguments(args, kwargs, format, names, &c.name, CALL_ARGUMENTS(&c)) &&
        call_begin(&c, store))
        CALL(&c, function(c.store, &c.ctx, c.name, &c.number, &c.err));
    return end_number(&c);
}

PyObject *run_keys(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                   keys_call function, row_object make)
{
    static const char *const names[] = { "name", "keys", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *keys;
    if (take_arguments(args, kwargs, format, names, &c.name, &keys, CALL_ARGUMENTS(&c)) &&
        texts_take(keys, "keys", &c.texts) && call_begin(&c, store))
        CALL(&c,
             function(c.store, &c.ctx, c.name, c.texts.slices, c.texts.count, &c.result, &c.err));
    return end_list(&c, make);
}

PyObject *run_delete(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                     const char *const *names, delete_call function)
{
    call c = CALL_INIT;
    PyObject *keys;
    if (take_arguments(args, kwargs, format, names, &keys, CALL_ARGUMENTS(&c)) &&
        texts_take(keys, names[0], &c.texts) && call_begin(&c, store))
        CALL(&c, function(c.store, &c.ctx, c.texts.slices, c.texts.count, &c.number, NULL, &c.err));
    return end_number(&c);
}

PyObject *run_delete_named(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                           const char *const *names, delete_named_call function)
{
    call c = CALL_INIT;
    PyObject *keys;
    if (take_arguments(args, kwargs, format, names, &c.name, &keys, CALL_ARGUMENTS(&c)) &&
        texts_take(keys, names[1], &c.texts) && call_begin(&c, store))
        CALL(&c, function(c.store, &c.ctx, c.name, c.texts.slices, c.texts.count, &c.number, NULL,
                          &c.err));
    return end_number(&c);
}
