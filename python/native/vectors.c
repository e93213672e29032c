/* Vectors between Python and `const float *`.
 *
 * In: a buffer of float32 whose rows lie one after the other is used where it is, held until the call
 * is over. Other buffers of floats (float64, or with gaps between rows) are copied; anything else is
 * read as sequences of numbers, one number after the other. Out: a Matrix, one block of memory that
 * numpy and memoryview take as it is. */
#include "native.h"

#include <string.h>

/* ---- in --------------------------------------------------------------------------------------------- */

/* 'f' or 'd' when the elements of a buffer are these in the byte order of this machine, else 0. */
static char element_of(const Py_buffer *view)
{
    const char *format = view->format ? view->format : "B";
    if (*format == '@' || *format == '=' || *format == '<')
        format++;
    if (format[0] == 'f' && !format[1] && view->itemsize == sizeof(float))
        return 'f';
    return format[0] == 'd' && !format[1] && view->itemsize == sizeof(double) ? 'd' : 0;
}

static int fail_shape(int dimensions)
{
    PyErr_Format(PyExc_ValueError,
                 dimensions == 1 ? "want one vector: an array of one dimension"
                                 : "want vectors as an array of two dimensions: rows, dimension");
    return 0;
}

/* Take the numbers of a view over that cannot be used in place. */
static int copy_view(vectors *v, char element)
{
    const size_t count = v->rows * v->dimension;
    char *bytes = array_new((size_t)v->view.len, 1);
    v->own = array_new(count, sizeof *v->own);
    const int done =
        bytes && v->own && PyBuffer_ToContiguous(bytes, &v->view, v->view.len, 'C') == 0;
    if (done && element == 'f')
        memcpy(v->own, bytes, count * sizeof *v->own);
    for (size_t i = 0; done && element == 'd' && i < count; i++) {
        double number;
        memcpy(&number, bytes + i * sizeof number, sizeof number);
        v->own[i] = (float)number;
    }
    PyMem_Free(bytes);
    v->data = v->own;
    return done;
}

/* 1 taken, 0 failed, -1 it is no such buffer. */
static int take_buffer(PyObject *object, int dimensions, vectors *v)
{
    if (!PyObject_CheckBuffer(object))
        return -1;
    if (PyObject_GetBuffer(object, &v->view, PyBUF_FULL_RO) != 0)
        return 0;
    v->has_view = 1;
    const char element = element_of(&v->view);
    if (!element && (PyBytes_Check(object) || PyByteArray_Check(object))) {
        PyErr_SetString(PyExc_TypeError, "bytes are not vectors: pass an array of float32");
        return 0;
    }
    if (!element && v->view.format && strchr(v->view.format, 'Z')) {
        PyErr_SetString(PyExc_TypeError, "complex numbers are not vectors");
        return 0;
    }
    if (!element) {
        PyBuffer_Release(&v->view);
        v->has_view = 0;
        return -1;
    }
    if (v->view.ndim != dimensions)
        return fail_shape(dimensions);
    v->rows = dimensions == 1 ? 1 : (size_t)v->view.shape[0];
    v->dimension = (size_t)v->view.shape[dimensions - 1];
    if (element != 'f' || !PyBuffer_IsContiguous(&v->view, 'C'))
        return copy_view(v, element);
    v->data = v->view.buf;
    return 1;
}

static int read_numbers(PyObject *sequence, float *out, size_t count)
{
    PyObject *numbers = PySequence_Tuple(sequence);
    if (!numbers)
        return 0;
    int done = (size_t)PyTuple_Size(numbers) == count;
    if (!done)
        PyErr_Format(PyExc_ValueError, "a vector of %zd numbers among vectors of %zu",
                     PyTuple_Size(numbers), count);
    for (size_t i = 0; done && i < count; i++) {
        const double number = PyFloat_AsDouble(PyTuple_GetItem(numbers, (Py_ssize_t)i));
        done = number != -1.0 || !PyErr_Occurred();
        out[i] = (float)number;
    }
    Py_DECREF(numbers);
    return done;
}

static int take_sequence(PyObject *object, int dimensions, vectors *v)
{
    if (PyUnicode_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "a str is not a vector");
        return 0;
    }
    PyObject *rows = dimensions == 1 ? PyTuple_Pack(1, object) : PySequence_Tuple(object);
    if (!rows)
        return 0;
    int done = 0;
    v->rows = (size_t)PyTuple_Size(rows);
    const Py_ssize_t dimension = v->rows ? PySequence_Size(PyTuple_GetItem(rows, 0)) : 0;
    if (dimension < 0)
        goto cleanup;
    v->dimension = (size_t)dimension;
    v->own = array_new(v->rows * v->dimension, sizeof *v->own);
    if (!v->own)
        goto cleanup;
    for (size_t i = 0; i < v->rows; i++)
        if (!read_numbers(PyTuple_GetItem(rows, (Py_ssize_t)i), v->own + i * v->dimension,
                          v->dimension))
            goto cleanup;
    v->data = v->own;
    done = 1;
cleanup:
    Py_DECREF(rows);
    return done;
}

static int take(PyObject *object, int dimensions, vectors *out)
{
    const int taken = take_buffer(object, dimensions, out);
    return taken >= 0 ? taken : take_sequence(object, dimensions, out);
}

int vectors_take(PyObject *object, vectors *out)
{
    return take(object, 2, out);
}

int vectors_take_one(PyObject *object, vectors *out)
{
    return take(object, 1, out);
}

void vectors_drop(vectors *v)
{
    if (v->has_view)
        PyBuffer_Release(&v->view);
    PyMem_Free(v->own);
    v->has_view = 0;
    v->own = NULL;
}

/* ---- out: Matrix ------------------------------------------------------------------------------------ */

typedef struct matrix_object {
    PyObject head;
    Py_ssize_t shape[2];
    Py_ssize_t strides[2];
    float *data;
} matrix_object;

PyObject *matrix_of(native_state *state, const rag_result *result)
{
    const size_t rows = rag_result_count(result);
    size_t dimension = 0;
    for (size_t i = 0; i < rows && !dimension; i++)
        dimension = rag_result_row(result, i)->dimension;
    matrix_object *m = PyObject_New(matrix_object, state->matrix_type);
    if (!m)
        return NULL;
    m->data = array_new(rows * dimension, sizeof *m->data);
    if (!m->data) {
        Py_DECREF((PyObject *)m);
        return NULL;
    }
    for (size_t i = 0; i < rows; i++) {
        const rag_row *row = rag_result_row(result, i);
        if (row->vector && row->dimension == dimension)
            memcpy(m->data + i * dimension, row->vector, dimension * sizeof *m->data);
    }
    m->shape[0] = (Py_ssize_t)rows;
    m->shape[1] = (Py_ssize_t)dimension;
    m->strides[0] = (Py_ssize_t)(dimension * sizeof *m->data);
    m->strides[1] = sizeof *m->data;
    return (PyObject *)m;
}

static char float_format[] = "f"; /* Py_buffer has no const, nobody writes to it */

static void matrix_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyMem_Free(((matrix_object *)object)->data);
    PyObject_Free(object);
    Py_DECREF((PyObject *)type);
}

static int matrix_buffer(PyObject *object, Py_buffer *view, int flags)
{
    matrix_object *m = (matrix_object *)object;
    if (flags & PyBUF_WRITABLE) {
        view->obj = NULL;
        PyErr_SetString(PyExc_BufferError, "a Matrix is read-only");
        return -1;
    }
    view->obj = Py_NewRef(object);
    view->buf = m->data;
    view->itemsize = sizeof *m->data;
    view->len = m->shape[0] * m->shape[1] * view->itemsize;
    view->readonly = 1;
    view->format = flags & PyBUF_FORMAT ? float_format : NULL;
    view->ndim = 2;
    view->shape = flags & PyBUF_ND ? m->shape : NULL;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? m->strides : NULL;
    view->suboffsets = NULL;
    view->internal = NULL;
    return 0;
}

static Py_ssize_t matrix_length(PyObject *object)
{
    return ((matrix_object *)object)->shape[0];
}

static PyObject *matrix_shape(PyObject *object, void *unused)
{
    (void)unused;
    const matrix_object *m = (const matrix_object *)object;
    return Py_BuildValue("(nn)", m->shape[0], m->shape[1]);
}

static PyGetSetDef matrix_members[] = {
    { "shape", matrix_shape, NULL, "(rows, dimension)", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot matrix_slots[] = {
    SLOT(Py_tp_doc,
         "Vectors of one answer: a read-only buffer of float32 with shape (rows, dimension).\n"
         "numpy.asarray() takes it without a copy. Rows without a vector are zeros."),
    SLOT(Py_tp_dealloc, matrix_dealloc),
    SLOT(Py_bf_getbuffer, matrix_buffer),
    SLOT(Py_sq_length, matrix_length),
    SLOT(Py_tp_getset, matrix_members),
    { 0, NULL },
};

PyType_Spec matrix_spec = {
    .name = "ragstore._native.Matrix",
    .basicsize = sizeof(matrix_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = matrix_slots,
};
