/* What the files of the extension share. Only the public headers of the library are used.
 *
 * A method is always the same four steps: take the arguments over into C (inputs.c, values.c), with
 * the lock of the interpreter; call_begin(); CALL(), without that lock; end_...(), which raises what
 * failed or answers. What it takes it leaves in its `call`, whose end lets go of it, whichever step
 * was the last. Functions that return int answer 1 when it went well and 0 with a Python exception
 * set. Everything here is called with the interpreter's lock held, but for what CALL() runs. */
#ifndef NATIVE_H
#define NATIVE_H

/* what Python.h asks for: the stable interface since 3.11 */
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/types.h>

#include <ragstore/ragstore.h>

enum { ERROR_CLASSES = 17 }; /* StoreError, and one for each kind of failure */

/* Of the module. */
typedef struct native_state {
    PyObject *errors[ERROR_CLASSES];
    PyTypeObject *flag_type, *matrix_type, *txn_type, *store_type;
} native_state;

typedef struct flag_object {
    PyObject head; /* PyObject_HEAD */
    int flag;
} flag_object;

struct txn_object;

typedef struct store_object {
    PyObject head;
    native_state *state; /* the type keeps the module */
    rag_store *store;    /* NULL: not open */
    pid_t pid;           /* that opened it */
    Py_ssize_t calls;    /* under way */
    int closing;         /* no further calls; close() waits for `idle` */
    sem_t idle;          /* posted when the last call has left; safe to have across a fork */
    struct txn_object *transactions; /* that have not ended */
} store_object;

typedef struct txn_object {
    PyObject head;
    store_object *store; /* owned */
    rag_txn *txn;        /* NULL: it has ended */
    int busy;            /* a call runs in it */
    struct txn_object *previous, *next;
} txn_object;

/* ---- errors.c ------------------------------------------------------------------------------------- */

int errors_make(PyObject *module, native_state *state);
/* Set the exception for a failed call. Returns NULL, for `return raise_status(...)`. */
PyObject *raise_status(native_state *state, rag_status status, const rag_error *err);
/* The same for a failure that is found here. */
PyObject *raise_kind(native_state *state, rag_status status, const char *format, ...);

/* ---- log.c: what the library says during a call ------------------------------------------------------ */

typedef struct log_lines {
    struct log_line *first, *last;
    size_t count;
} log_lines;

/* The `log` member of a context whose user is a struct call. Needs no lock. */
void log_keep(void *user, rag_log_level level, const char *message);
/* Hand the lines on to the logger "ragstore". No exception may be set, and none is afterwards. */
void log_hand_on(log_lines *lines);

/* ---- inputs.c: keys and batches ------------------------------------------------------------------- */

/* Strings of one argument as slices; they live as long as the objects, which are held here. */
typedef struct text_list {
    PyObject *held;
    rag_slice *slices;
    size_t count;
} text_list;

#define TEXT_LIST_INIT { NULL, NULL, 0 }

int text_slice(PyObject *text, const char *what, rag_slice *out);
int texts_take(PyObject *strings, const char *what, text_list *out);
/* Pairs of strings: slices 2i and 2i + 1 are pair i, which is how rag_pair lies in memory. */
int texts_take_pairs(PyObject *pairs, text_list *out);
void texts_drop(text_list *list);

/* Names for the parts of the library that take C strings. */
typedef struct name_list {
    PyObject *held;
    const char **names;
    size_t count;
} name_list;

#define NAME_LIST_INIT { NULL, NULL, 0 }

int names_take(PyObject *strings, const char *what, name_list *out);
void names_drop(name_list *list);

/* JSON text that grows. */
typedef struct json_text {
    char *data;
    size_t len, room;
} json_text;

/* Rows that are to be written: one or two names each, and a value as JSON. */
typedef struct batch {
    PyObject *held;
    rag_slice *keys, *keys2, *values;
    size_t count;
    json_text text;
} batch;

#define BATCH_INIT { NULL, NULL, NULL, NULL, 0, { NULL, 0, 0 } }

/* {key: value}. `what` names a key in messages. */
int batch_take(PyObject *mapping, const char *what, batch *out);
/* [key, ...] and [value, ...] */
int batch_take_lists(PyObject *keys, PyObject *values, const char *what, batch *out);
/* [(label, value), ...], or with two names [(source, target, value), ...]. */
int batch_take_rows(PyObject *rows, int names, batch *out);
void batch_drop(batch *b);

/* A list of whole numbers, one for each of `count`; NULL and None give `absent` for each. */
int numbers_take(PyObject *numbers, size_t count, int64_t absent, const char *what, int64_t **out);

/* Memory for n members of that size, at least one byte; sets MemoryError. Free with PyMem_Free(). */
void *array_new(size_t n, size_t size);

/* The arguments "after" and "limit" of everything that goes page by page. */
typedef struct page_position {
    const char *data;
    Py_ssize_t len;
    Py_ssize_t rows;
    rag_slice after;
    size_t limit;
} page_position;

#define PAGE_POSITION_INIT { "", 0, 0, { NULL, 0 }, 0 }
#define PAGE_FORMAT "y#n"
#define PAGE_ARGUMENTS(p) &(p)->data, &(p)->len, &(p)->rows

int page_take(page_position *page);
/* Is this argument a size? */
int take_size(Py_ssize_t number, const char *what);
/* Index of `text` among names that end with NULL; -1 with an exception that tells them. */
int take_choice(const char *text, const char *what, const char *const *names);

/* ---- vectors.c ---------------------------------------------------------------------------------------- */

/* Vectors of one argument: borrowed from a buffer that is held, or copied. */
typedef struct vectors {
    Py_buffer view;
    int has_view;
    float *own;
    const float *data;
    size_t rows, dimension;
} vectors;

#define VECTORS_INIT { { 0 }, 0, NULL, NULL, 0, 0 }

int vectors_take(PyObject *object, vectors *out);     /* n x dimension */
int vectors_take_one(PyObject *object, vectors *out); /* dimension */
void vectors_drop(vectors *v);

/* A Matrix of the vectors of a result, zeros where a row has none. */
PyObject *matrix_of(native_state *state, const rag_result *result);

/* ---- call.c --------------------------------------------------------------------------------------- */

typedef struct call {
    store_object *self;  /* owned from call_begin() to call_end() */
    native_state *state; /* this and the next: from call_begin() on */
    rag_store *store;
    PyObject *txn_argument, *timeout_argument,
        *cancel_argument; /* borrowed, NULL or None: not given */
    txn_object *txn;      /* owned, in use */
    flag_object *flag;    /* owned */
    rag_context ctx;
    rag_error err;
    rag_status status;
    PyThreadState *thread; /* while the interpreter's lock is released */
    pthread_t caller;
    int own_flag; /* where the caller gave none: lets a signal end the call */
    int64_t next_look_ns;
    PyObject *raised[3]; /* by a signal handler during the call */
    log_lines said;

    /* what the method took over, as far as it needs it */
    const char *name; /* borrowed */
    page_position page;
    text_list texts;
    name_list names;
    batch batch;
    vectors vectors;
    void *rows; /* an array for the library, which borrows from the above */
    /* and what the library answered */
    rag_result *result;
    uint64_t number;
} call;

#define CALL_INIT { .ctx = RAG_CONTEXT_INIT, .err = RAG_ERROR_INIT, .page = PAGE_POSITION_INIT }

/* What every method takes besides its own arguments: the ends of its names, of its format (behind a
 * '$') and of the pointers. */
#define CALL_NAMES "txn", "timeout", "cancel", NULL
#define CALL_FORMAT "OOO"
#define CALL_ARGUMENTS(c) &(c)->txn_argument, &(c)->timeout_argument, &(c)->cancel_argument

/* PyArg_ParseTupleAndKeywords(), with names that are constant. */
int take_arguments(PyObject *args, PyObject *kwargs, const char *format, const char *const *names,
                   ...);

/* Enter the store. */
int call_begin(call *c, PyObject *store);
/* Before call_begin(), for calls that take long: looks for signals whenever the library reports
 * progress. */
void call_watch_signals(call *c);
/* Leave it; raises what the call, or a signal during it, failed with. 0 as well, with the exception
 * that is set already, when it was not entered. */
int call_end(call *c);
/* Let go of what the method took over and was answered. */
void call_drop(call *c);
void call_release(call *c);
void call_reacquire(call *c);

#define CALL(c, expression)         \
    do {                            \
        call_release(c);            \
        (c)->status = (expression); \
        call_reacquire(c);          \
    } while (0)

/* "timeout" in seconds as a deadline; None and NULL are none. */
int take_deadline(PyObject *timeout, int64_t *deadline_ns);

/* ---- values.c: Python objects to JSON ------------------------------------------------------------- */

enum { JSON_DEPTH_MAX = 512 }; /* as the library has it: keeps the C stack bounded */

/* Append `value` as JSON. `what` and `name` name it in messages. */
int json_write(json_text *out, PyObject *value, const char *what, rag_slice name);
int json_append(json_text *out, const char *data, size_t len);
void json_free(json_text *text);

/* ---- reading.c: JSON and texts to Python objects ------------------------------------------------------ */

/* A name of members, and its UTF-8 text, which the object keeps. */
typedef struct known_name {
    PyObject *object; /* NULL: none yet */
    rag_slice text;
} known_name;

/* What the rows of one answer share: names of members, which occur again and again, and memory for
 * a text while it is put together. */
enum { NAME_CACHE_SLOTS = 64 };
typedef struct reading {
    native_state *state;
    known_name names[NAME_CACHE_SLOTS];
    json_text scratch;
} reading;

/* The object that JSON text stands for. */
PyObject *json_read(reading *r, rag_slice text, const char *what, rag_slice name);
void reading_end(reading *r);
PyObject *text_object(rag_slice text);
/* Add a member; takes the value over, also on failure, and NULL as a failure. */
int member_put(PyObject *row, const char *name, PyObject *value);
/* `row` when its members could be put, else NULL, and it is let go of. */
PyObject *row_if(int done, PyObject *row);

/* ---- answers.c: results as Python objects ----------------------------------------------------------- */

/* One row of an answer as an object. */
typedef PyObject *(*row_object)(reading *r, const rag_row *row);

/* A list with row_object() of each row. */
PyObject *answer_list(native_state *state, const rag_result *result, row_object make);
/* The same with where to go on: (list, bytes). */
PyObject *answer_page(native_state *state, const rag_result *result, row_object make);
PyObject *answer_next(const rag_result *result);
/* Makers: the value or None, (key, value), key, (key, number), (key, number, value). */
PyObject *row_value(reading *r, const rag_row *row);
PyObject *row_pair(reading *r, const rag_row *row);
PyObject *row_key(reading *r, const rag_row *row);
PyObject *row_ranked(reading *r, const rag_row *row);
PyObject *row_ranked_value(reading *r, const rag_row *row);
/* (key, key2, value or None) */
PyObject *row_edge(reading *r, const rag_row *row);
PyObject *row_json(reading *r, const rag_row *row); /* the value; None where there is none */

/* ---- methods.c: how methods end, and methods of one shape --------------------------------------------- */

/* call_end(), the answer, call_drop(). Answers: None, `number`, a list of the rows of `result`, that
 * with where to go on, or what make() makes of the call. */
typedef PyObject *(*answer_maker)(const call *c);
PyObject *end_none(call *c);
PyObject *end_number(call *c);
PyObject *end_list(call *c, row_object make);
PyObject *end_page(call *c, row_object make);
PyObject *end_with(call *c, answer_maker make);

/* Whole methods, by what the function of the library takes and answers. Their format says the name of
 * the method; `names` are those of the arguments where they differ. */

typedef rag_status (*plain_call)(rag_store *store, const rag_context *ctx, rag_error *err);
PyObject *run_plain(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                    plain_call function);

typedef rag_status (*named_call)(rag_store *store, const rag_context *ctx, const char *name,
                                 rag_error *err);
PyObject *run_named(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                    named_call function);

typedef rag_status (*count_call)(rag_store *store, const rag_context *ctx, const char *name,
                                 uint64_t *count, rag_error *err);
PyObject *run_count(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                    count_call function);

typedef rag_status (*keys_call)(rag_store *store, const rag_context *ctx, const char *name,
                                const rag_slice *keys, size_t n, rag_result **out, rag_error *err);
PyObject *run_keys(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                   keys_call function, row_object make);

/* Both answer how many rows there were. */
typedef rag_status (*delete_call)(rag_store *store, const rag_context *ctx, const rag_slice *keys,
                                  size_t n, uint64_t *deleted, rag_token *token, rag_error *err);
PyObject *run_delete(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                     const char *const *names, delete_call function);
typedef rag_status (*delete_named_call)(rag_store *store, const rag_context *ctx, const char *name,
                                        const rag_slice *keys, size_t n, uint64_t *deleted,
                                        rag_token *token, rag_error *err);
PyObject *run_delete_named(PyObject *store, PyObject *args, PyObject *kwargs, const char *format,
                           const char *const *names, delete_named_call function);

/* ---- upsert.c: batches as the library's arrays, to be freed with PyMem_Free() ------------------------- */

rag_node *nodes_of(const batch *b);
rag_edge *edges_of(const batch *b);
rag_doc *docs_of(const batch *b);
rag_kv_item *kv_items_of(const batch *b);
/* The vectors are taken into *v, which the rows borrow from. */
rag_vector_item *vector_items_of(const batch *b, PyObject *numbers, PyObject *created_at,
                                 vectors *v);

/* ---- types, and methods by store ---------------------------------------------------------------------- */

extern PyType_Spec flag_spec, matrix_spec, txn_spec, store_spec;

PyObject *txn_new(store_object *store, rag_txn *txn);
/* The store is closed: its transactions are void. */
void txn_forget_all(store_object *store);

/* pending.c: is this thread inside an embedder of the store? */
int is_embedding_for(const store_object *store);

#define METHOD_LIST(name) extern PyMethodDef name[]
METHOD_LIST(store_methods);
METHOD_LIST(kv_methods);
METHOD_LIST(vector_methods);
METHOD_LIST(pending_methods);
METHOD_LIST(graph_methods);
METHOD_LIST(docs_methods);
METHOD_LIST(upsert_methods);
METHOD_LIST(shared_methods);

/* A slot of a type or of a module: Python wants functions and texts as `void *` alike. */
#define SLOT(id, pointer) { id, __extension__(void *)(pointer) }

/* An entry of such a list. The cast is Python's own convention for methods with keywords. */
#define METHOD(name, function, text) \
    { name, (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS, text }

#endif
