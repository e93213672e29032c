/* Work for a store, and the model of it.
 *
 * A step is a kind and a seed, nothing else: what it writes follows from these two, so the same step
 * does the same to every store. The model is the list of steps that were begun, in the order of
 * their commits, done to a store of the memory backend, with the content hash after each: whatever
 * happens to a store on disk, what is found in it afterwards must be the state after one of them,
 * over all four stores, and not one before the last that was made durable. */
#ifndef CRASH_WORK_H
#define CRASH_WORK_H

#include <ragstore/ragstore.h>

#include "rng.h"

enum step_kind {
    STEP_KV_PUT,
    STEP_KV_DELETE,
    STEP_KV_DROP,
    STEP_VECTOR_DEFINE,
    STEP_VECTOR_PUT,
    STEP_VECTOR_MANY, /* enough for an index */
    STEP_VECTOR_DELETE,
    STEP_VECTOR_DROP,
    STEP_PENDING, /* rows without vectors */
    STEP_PENDING_DELETE,
    STEP_PENDING_FLUSH,
    STEP_NODES_PUT,
    STEP_EDGES_PUT,
    STEP_NODES_DELETE,
    STEP_EDGES_DELETE,
    STEP_DOC_PUT,
    STEP_DOC_UPDATE,
    STEP_DOC_DELETE,
    STEP_UPSERT, /* all four stores in one call */
    STEP_TRANSACTION,
    STEP_ABORT,
    STEP_FLUSH,
    STEP_OPTIMIZE, /* index files where there are rows enough, and a checkpoint */
    STEP_COMPACT,
    STEP_KINDS
};

struct step {
    enum step_kind kind;
    uint64_t seed;
};

/* Static text. */
const char *step_name(enum step_kind kind);
/* Whether what it answers RAG_OK to is durable at once, with all before it. */
enum step_durable {
    DURABLE_NOT,
    DURABLE_CHANGE, /* when it changed anything: what finds nothing to do writes nothing */
    DURABLE_ALWAYS
};
enum step_durable step_durability(enum step_kind kind);

/* It is about what belongs to the handle that wrote it. */
int step_is_own(enum step_kind kind);

/* Kinds in a mixture that is like a pipeline's; many vectors not among them. */
struct step step_random(struct rng *rng);
/* What makes the next steps find something: values, a graph, documents, a space; `many` vectors. */
size_t steps_of_base(uint64_t seed, int many, struct step *out, size_t room);

/* The space of all vectors. */
extern const char WORK_SPACE[];
enum { WORK_DIMENSION = 8 };
void work_vector(struct rng *rng, float *out);

rag_status step_do(rag_store *store, struct step step, rag_error *err);

/* ---- the model ------------------------------------------------------------------------------------- */

enum { HASH_BYTES = 65 };

struct model;

struct model *model_new(void);
void model_free(struct model *m);
/* The state after the last step and this one. */
void model_add(struct model *m, struct step step);
/* Forget all but the first `count` steps. */
void model_cut(struct model *m, size_t count);
size_t model_count(const struct model *m);
/* How many steps are durable when the last one answered RAG_OK and `before` were before it. */
size_t model_durable(const struct model *m, size_t before);
struct step model_step(const struct model *m, size_t i);
/* After `count` steps. */
const char *model_hash(const struct model *m, size_t count);

/* ---- stores ---------------------------------------------------------------------------------------- */

/* Of the stores that are made from now on; 0: the default. */
void set_page_size(unsigned bytes);
/* Open without config file; the test fails when it cannot. */
rag_store *must_open(const char *path, unsigned flags);
rag_status try_open(const char *path, unsigned flags, rag_store **out, rag_error *err);
/* Over what rag_store_content_hash() covers and what is pending. */
void content_hash(rag_store *store, char out[HASH_BYTES]);

/* As after a power cut: no process of before is alive (the id of the boot is another one). */
void reboot(void);
/* The boot of this number, so that the same work leaves the same bytes. */
void boot(unsigned number);
/* Its id; "" when it is that of the machine. */
const char *boot_now(void);

/* ---- files ----------------------------------------------------------------------------------------- */

void remove_tree(const char *path);
/* Files only, no directories in it. */
void copy_directory(const char *from, const char *to);
/* All bytes of a file, to be freed by the caller. */
char *read_file(const char *path, size_t *len);
/* `name` in the folder of the test, as an absolute path in static memory that lasts. */
const char *here(const char *name);

/* A number from the environment. */
unsigned long setting(const char *name, unsigned long otherwise);

#endif
