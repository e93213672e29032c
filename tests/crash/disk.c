/* See disk.h.
 *
 * The recorder stands in os_calls and calls on to what was there before, but for syncs. Of several
 * processes each puts its calls into a log that all share (calls.h), and the parent notes them when
 * they have ended; of one they are noted at once. It keeps a
 * name space of its own (nodes: files and directories, with the entries of directories as they are
 * now) to know which node a path or a descriptor means, and a log of what was done to nodes. A cut
 * walks the log from the start: what a sync covers goes into the sure content of its node, the rest
 * is pending. Memory that is mapped (-shm) is not seen; nobody may rely on it after a cut, so such
 * files come back full of noise. */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "core/os.h"

enum { SECTOR = 512, DESCRIPTORS_MAX = 4096, NAME_BYTES = 256, PATH_BYTES = 4096 };
enum { NOTHING = -1, ROOT = 0, FRAME_HEAD = 24 };

/* ---- growing arrays ---------------------------------------------------------------------------- */

static void die(const char *what)
{
    (void)fprintf(stderr, "disk: %s\n", what);
    abort();
}

static void *must(void *memory)
{
    if (!memory)
        die("out of memory");
    return memory;
}

/* Room for one more element. */
static void *grown(void *array, size_t count, size_t *capacity, size_t size)
{
    if (array && count < *capacity)
        return array;
    *capacity = *capacity ? *capacity * 2 : 64;
    return must(realloc(array, *capacity * size));
}

static char *copy_text(const char *text)
{
    return must(strdup(text));
}

/* ---- files as bytes ------------------------------------------------------------------------------- */

struct image {
    unsigned char *data;
    size_t len, capacity;
};

static void image_resize(struct image *image, size_t len)
{
    if (len > image->capacity) {
        size_t capacity = image->capacity ? image->capacity : 8192;
        while (capacity < len)
            capacity *= 2;
        image->data = must(realloc(image->data, capacity));
        image->capacity = capacity;
    }
    if (len > image->len)
        memset(image->data + image->len, 0, len - image->len);
    image->len = len;
}

static void image_put(struct image *image, size_t at, const void *data, size_t len)
{
    if (!len)
        return;
    if (at + len > image->len)
        image_resize(image, at + len);
    memcpy(image->data + at, data, len);
}

static void image_copy(struct image *to, const struct image *from)
{
    *to = (struct image){ 0 };
    image_put(to, 0, from->data, from->len);
}

/* ---- names ------------------------------------------------------------------------------------------ */

struct entry {
    char *name;
    int node;
};

struct names { /* the entries of one directory */
    struct entry *list;
    size_t count, capacity;
};

static struct entry *names_find(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i].name, name) == 0)
            return &names->list[i];
    return NULL;
}

static int names_get(const struct names *names, const char *name)
{
    const struct entry *entry = names_find(names, name);
    return entry ? entry->node : NOTHING;
}

/* `node` NOTHING: remove it. */
static void names_set(struct names *names, const char *name, int node)
{
    struct entry *entry = names_find(names, name);
    if (entry && node == NOTHING) {
        free(entry->name);
        names->count--;
        memmove(entry, entry + 1,
                (size_t)(names->list + names->count - entry) * sizeof *entry); /* in order */
    } else if (entry) {
        entry->node = node;
    } else if (node != NOTHING) {
        names->list = grown(names->list, names->count, &names->capacity, sizeof *names->list);
        names->list[names->count++] = (struct entry){ copy_text(name), node };
    }
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i].name);
    free(names->list);
}

static void names_copy(struct names *to, const struct names *from)
{
    *to = (struct names){ 0 };
    for (size_t i = 0; i < from->count; i++)
        names_set(to, from->list[i].name, from->list[i].node);
}

/* ---- the disk ---------------------------------------------------------------------------------------- */

struct node {
    int is_directory, is_noise;
    char *label;        /* its last name, for descriptions */
    struct image image; /* of a file: as it was at the beginning */
    struct names names; /* of a directory: as they were at the beginning */
    struct names now;   /* of a directory: as they are */
};

enum act { ACT_WRITE, ACT_TRUNCATE, ACT_NAME, ACT_MOVE, ACT_SYNC };

struct op {
    enum act act;
    int node;       /* file, or directory whose entry it is */
    size_t at, len; /* of a write; `at`: the length after a truncate */
    unsigned char *data;
    char *name, *old; /* entry that is set; entry that goes (ACT_MOVE) */
    int target;       /* node of the entry; NOTHING: removed */
    int old_node;     /* directory of `old` */
    int process;
};

struct marks {
    size_t *places, count, capacity;
};

struct disk {
    char *root;
    size_t root_len;
    struct os_calls real;
    struct node *nodes;
    size_t node_count, node_capacity;
    struct op *ops;
    size_t op_count, op_capacity;
    int descriptors[DISK_PROCESSES][DESCRIPTORS_MAX];
    struct marks marks[DISK_PROCESSES];
    struct call_log *log; /* several processes: what they do until it is noted; NULL: one */
    int process;          /* who does what is noted */
};

static struct disk *recording;

static int add_node(struct disk *d, int is_directory, const char *name)
{
    const size_t len = strlen(name);
    d->nodes = grown(d->nodes, d->node_count, &d->node_capacity, sizeof *d->nodes);
    d->nodes[d->node_count] =
        (struct node){ .is_directory = is_directory,
                       .is_noise = len > 4 && strcmp(name + len - 4, "-shm") == 0,
                       .label = copy_text(name) };
    return (int)d->node_count++;
}

static void add_op(struct disk *d, struct op op)
{
    d->ops = grown(d->ops, d->op_count, &d->op_capacity, sizeof *d->ops);
    op.process = d->process;
    d->ops[d->op_count++] = op;
}

static void load_directory(struct disk *d, int node, const char *path);

static void load_entry(struct disk *d, int directory, const char *path, const char *name)
{
    char whole[PATH_BYTES];
    struct stat st;
    (void)snprintf(whole, sizeof whole, "%s/%s", path, name);
    if (lstat(whole, &st) != 0)
        die("lstat");
    const int node = add_node(d, S_ISDIR(st.st_mode), name);
    names_set(&d->nodes[directory].names, name, node);
    names_set(&d->nodes[directory].now, name, node);
    if (S_ISDIR(st.st_mode)) {
        load_directory(d, node, whole);
        return;
    }
    const int fd = open(whole, O_RDONLY | O_CLOEXEC);
    struct image *image = &d->nodes[node].image;
    image_resize(image, (size_t)st.st_size);
    if (fd < 0 || (image->len && read(fd, image->data, image->len) != (ssize_t)image->len))
        die("read");
    (void)close(fd);
}

static void load_directory(struct disk *d, int node, const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        die("opendir");
    for (const struct dirent *e = readdir(directory); e; e = readdir(directory))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            load_entry(d, node, path, e->d_name);
    (void)closedir(directory);
}

/* ---- which node ----------------------------------------------------------------------------------------- */

struct place { /* of an entry: a directory and a name in it */
    int directory;
    char name[NAME_BYTES];
};

/* 0: the path is not below the root, or its directory is not known. */
static int find_place(const struct disk *d, const char *path, struct place *out)
{
    if (strncmp(path, d->root, d->root_len) != 0 || path[d->root_len] != '/')
        return 0;
    const char *rest = path + d->root_len;
    out->directory = ROOT;
    out->name[0] = 0;
    while (*rest) {
        while (*rest == '/')
            rest++;
        const size_t len = strcspn(rest, "/");
        if (!len)
            break;
        if (out->name[0])
            out->directory = names_get(&d->nodes[out->directory].now, out->name);
        if (out->directory == NOTHING || len >= NAME_BYTES)
            return 0;
        memcpy(out->name, rest, len);
        out->name[len] = 0;
        rest += len;
    }
    return out->name[0] != 0;
}

static int node_of_path(const struct disk *d, int process, const char *path)
{
    struct place place;
    const int fd = strncmp(path, "/proc/self/fd/", 14) == 0 ? (int)strtol(path + 14, NULL, 10) : -1;
    if (fd >= 0)
        return fd < DESCRIPTORS_MAX ? d->descriptors[process][fd] : NOTHING;
    if (strcmp(path, d->root) == 0)
        return ROOT;
    if (!find_place(d, path, &place))
        return NOTHING;
    return names_get(&d->nodes[place.directory].now, place.name);
}

static int node_of(const struct disk *d, int process, int fd)
{
    return fd >= 0 && fd < DESCRIPTORS_MAX ? d->descriptors[process][fd] : NOTHING;
}

static void set_name(struct disk *d, const struct place *place, int node)
{
    names_set(&d->nodes[place->directory].now, place->name, node);
    add_op(d, (struct op){ .act = ACT_NAME,
                           .node = place->directory,
                           .name = copy_text(place->name),
                           .target = node });
}

static void log_truncate(struct disk *d, int node, size_t len)
{
    add_op(d, (struct op){ .act = ACT_TRUNCATE, .node = node, .at = len });
}

static void log_write(struct disk *d, int node, size_t at, const void *data, size_t len)
{
    unsigned char *copy = must(malloc(len ? len : 1));
    memcpy(copy, data, len);
    add_op(d, (struct op){ .act = ACT_WRITE, .node = node, .at = at, .len = len, .data = copy });
}

/* ---- what a call does to the disk ---------------------------------------------------------------------- */

static void note_open(struct disk *d, const struct call *c)
{
    struct place place;
    int node = node_of_path(d, c->process, c->path);
    if (c->fd >= DESCRIPTORS_MAX)
        die("too many descriptors");
    if (node == NOTHING && find_place(d, c->path, &place)) {
        node = add_node(d, 0, place.name);
        set_name(d, &place, node);
    } else if (node != NOTHING && (c->flags & O_TRUNC)) {
        log_truncate(d, node, 0);
    }
    d->descriptors[c->process][c->fd] = node;
}

static void note_rename(struct disk *d, const struct call *c)
{
    struct place a, b;
    const int node = node_of_path(d, c->process, c->path);
    if (node == NOTHING)
        return;
    if (!find_place(d, c->path, &a) || !find_place(d, c->other, &b))
        die("a rename out of the directory");
    names_set(&d->nodes[a.directory].now, a.name, NOTHING);
    names_set(&d->nodes[b.directory].now, b.name, node);
    add_op(d, (struct op){ .act = ACT_MOVE,
                           .node = b.directory,
                           .name = copy_text(b.name),
                           .target = node,
                           .old_node = a.directory,
                           .old = copy_text(a.name) });
}

static void note_link(struct disk *d, const struct call *c)
{
    struct place place;
    const int node = node_of_path(d, c->process, c->path);
    if (node != NOTHING && find_place(d, c->other, &place))
        set_name(d, &place, node);
}

static void note_remove(struct disk *d, const struct call *c)
{
    struct place place;
    if (find_place(d, c->path, &place) &&
        names_get(&d->nodes[place.directory].now, place.name) != NOTHING)
        set_name(d, &place, NOTHING);
}

static void note_mkdir(struct disk *d, const struct call *c)
{
    struct place place;
    if (find_place(d, c->path, &place))
        set_name(d, &place, add_node(d, 1, place.name));
}

static void note_mark(struct disk *d, int process)
{
    struct marks *marks = &d->marks[process];
    marks->places = grown(marks->places, marks->count, &marks->capacity, sizeof *marks->places);
    marks->places[marks->count++] = d->op_count;
}

/* A call that succeeded. */
static void note(struct disk *d, const struct call *c)
{
    const int node = node_of(d, c->process, c->fd);
    d->process = c->process;
    switch (c->kind) {
    case CALL_OPEN: note_open(d, c); break;
    case CALL_CLOSE:
        if (c->fd >= 0 && c->fd < DESCRIPTORS_MAX)
            d->descriptors[c->process][c->fd] = NOTHING;
        break;
    case CALL_WRITE:
        if (node != NOTHING)
            log_write(d, node, c->at, c->data, c->len);
        break;
    case CALL_TRUNCATE:
        if (node != NOTHING)
            log_truncate(d, node, c->at);
        break;
    case CALL_SYNC:
        if (node != NOTHING)
            add_op(d, (struct op){ .act = ACT_SYNC, .node = node });
        break;
    case CALL_RENAME: note_rename(d, c); break;
    case CALL_LINK: note_link(d, c); break;
    case CALL_REMOVE: note_remove(d, c); break;
    case CALL_MKDIR: note_mkdir(d, c); break;
    case CALL_MARK: note_mark(d, c->process); break;
    }
}

/* ---- in the place of system calls --------------------------------------------------------------------- */

static struct disk *begin_call(void)
{
    if (recording->log)
        call_log_lock(recording->log);
    return recording;
}

/* `c` NULL: it failed, or is of no interest. */
static void end_call(struct disk *d, struct call *c)
{
    const int code = errno;
    if (c && d->log) {
        c->process = d->process;
        call_log_add(d->log, c);
    } else if (c) {
        note(d, c);
    }
    if (d->log)
        call_log_unlock(d->log);
    errno = code;
}

static int on_open(const char *path, int flags, mode_t mode)
{
    struct disk *d = begin_call();
    const int fd = d->real.open(path, flags, mode);
    struct call c = { .kind = CALL_OPEN, .fd = fd, .flags = flags, .path = path };
    end_call(d, fd >= 0 ? &c : NULL);
    return fd;
}

static int on_close(int fd)
{
    struct disk *d = begin_call();
    struct call c = { .kind = CALL_CLOSE, .fd = fd };
    const int result = d->real.close(fd);
    end_call(d, &c);
    return result;
}

static ssize_t on_write(int fd, const void *data, size_t len)
{
    struct disk *d = begin_call();
    const off_t at = lseek(fd, 0, SEEK_CUR); /* fails for what is no file, and is not used then */
    const ssize_t n = d->real.write(fd, data, len);
    struct call c = {
        .kind = CALL_WRITE, .fd = fd, .at = (size_t)at, .data = data, .len = (size_t)n
    };
    end_call(d, n > 0 && at >= 0 ? &c : NULL);
    return n;
}

static ssize_t on_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    struct disk *d = begin_call();
    const ssize_t n = d->real.pwrite(fd, data, len, offset);
    struct call c = {
        .kind = CALL_WRITE, .fd = fd, .at = (size_t)offset, .data = data, .len = (size_t)n
    };
    end_call(d, n > 0 ? &c : NULL);
    return n;
}

static int on_ftruncate(int fd, off_t len)
{
    struct disk *d = begin_call();
    struct call c = { .kind = CALL_TRUNCATE, .fd = fd, .at = (size_t)len };
    const int result = d->real.ftruncate(fd, len);
    end_call(d, result == 0 ? &c : NULL);
    return result;
}

static int on_sync(int fd)
{
    struct disk *d = begin_call();
    struct call c = { .kind = CALL_SYNC, .fd = fd };
    end_call(d, &c);
    return 0;
}

static int on_rename(const char *from, const char *to)
{
    struct disk *d = begin_call();
    struct call c = { .kind = CALL_RENAME, .fd = -1, .path = from, .other = to };
    const int result = d->real.rename(from, to);
    end_call(d, result == 0 ? &c : NULL);
    return result;
}

static int on_link(const char *from, const char *to)
{
    struct disk *d = begin_call();
    struct call c = { .kind = CALL_LINK, .fd = -1, .path = from, .other = to };
    const int result = d->real.link(from, to);
    end_call(d, result == 0 ? &c : NULL);
    return result;
}

static int on_unlink(const char *path)
{
    struct disk *d = begin_call();
    struct call c = { .kind = CALL_REMOVE, .fd = -1, .path = path };
    const int result = d->real.unlink(path);
    end_call(d, result == 0 ? &c : NULL);
    return result;
}

static int on_rmdir(const char *path)
{
    struct disk *d = begin_call();
    struct call c = { .kind = CALL_REMOVE, .fd = -1, .path = path };
    const int result = d->real.rmdir(path);
    end_call(d, result == 0 ? &c : NULL);
    return result;
}

static int on_mkdir(const char *path, mode_t mode)
{
    struct disk *d = begin_call();
    struct call c = { .kind = CALL_MKDIR, .fd = -1, .path = path };
    const int result = d->real.mkdir(path, mode);
    end_call(d, result == 0 ? &c : NULL);
    return result;
}

/* ---- recording --------------------------------------------------------------------------------------------- */

struct disk *disk_record(const char *root)
{
    struct disk *d = must(calloc(1, sizeof *d));
    d->root = copy_text(root);
    d->root_len = strlen(root);
    for (int p = 0; p < DISK_PROCESSES; p++)
        for (int i = 0; i < DESCRIPTORS_MAX; i++)
            d->descriptors[p][i] = NOTHING;
    (void)add_node(d, 1, "");
    load_directory(d, ROOT, root);
    d->real = os_calls;
    os_calls.open = on_open;
    os_calls.close = on_close;
    os_calls.write = on_write;
    os_calls.pwrite = on_pwrite;
    os_calls.ftruncate = on_ftruncate;
    os_calls.fsync = os_calls.fdatasync = on_sync;
    os_calls.rename = on_rename;
    os_calls.link = on_link;
    os_calls.unlink = on_unlink;
    os_calls.rmdir = on_rmdir;
    os_calls.mkdir = on_mkdir;
    recording = d;
    return d;
}

struct disk *disk_record_processes(const char *root)
{
    struct disk *d = disk_record(root);
    d->log = call_log_new();
    return d;
}

void disk_be_process(struct disk *d, int process)
{
    d->process = process;
}

void disk_mark(struct disk *d)
{
    struct call c = { .kind = CALL_MARK, .fd = -1 };
    end_call(begin_call(), &c);
    (void)d;
}

void disk_stop(struct disk *d)
{
    if (recording != d)
        return;
    os_calls = d->real;
    recording = NULL;
    if (!d->log)
        return;
    struct call call;
    size_t place = 0;
    while (call_log_next(d->log, &place, &call))
        note(d, &call);
    call_log_free(d->log);
    d->log = NULL;
}

void disk_free(struct disk *d)
{
    if (!d)
        return;
    disk_stop(d);
    for (size_t i = 0; i < d->node_count; i++) {
        free(d->nodes[i].label);
        free(d->nodes[i].image.data);
        names_free(&d->nodes[i].names);
        names_free(&d->nodes[i].now);
    }
    for (size_t i = 0; i < d->op_count; i++) {
        free(d->ops[i].data);
        free(d->ops[i].name);
        free(d->ops[i].old);
    }
    for (int p = 0; p < DISK_PROCESSES; p++)
        free(d->marks[p].places);
    free(d->nodes);
    free(d->ops);
    free(d->root);
    free(d);
}

size_t disk_length(const struct disk *d)
{
    return d->op_count;
}

int disk_is_sync(const struct disk *d, size_t n)
{
    return d->ops[n].act == ACT_SYNC;
}

size_t disk_marks(const struct disk *d, int process)
{
    return d->marks[process].count;
}

size_t disk_mark_place(const struct disk *d, int process, size_t i)
{
    return d->marks[process].places[i];
}

int disk_is_commit(const struct disk *d, size_t n, int *process)
{
    static const unsigned char none[4] = { 0 };
    const struct op *op = &d->ops[n];
    const char *label = d->nodes[op->node].label;
    const size_t len = strlen(label);
    *process = op->process;
    return op->act == ACT_WRITE && op->len == FRAME_HEAD && op->at && len > 4 &&
           strcmp(label + len - 4, "-wal") == 0 && memcmp(op->data + 4, none, sizeof none) != 0;
}

void disk_describe(const struct disk *d, size_t n, char *out, size_t size)
{
    const struct op *op = &d->ops[n];
    const char *label = d->nodes[op->node].label;
    switch (op->act) {
    case ACT_WRITE:
        (void)snprintf(out, size, "write %s %zu at %zu by %d", label, op->len, op->at, op->process);
        break;
    case ACT_TRUNCATE: (void)snprintf(out, size, "truncate %s to %zu", label, op->at); break;
    case ACT_NAME:
        (void)snprintf(out, size, "%s %s/%s", op->target == NOTHING ? "remove" : "make", label,
                       op->name);
        break;
    case ACT_MOVE: (void)snprintf(out, size, "rename %s to %s/%s", op->old, label, op->name); break;
    case ACT_SYNC:
        (void)snprintf(out, size, "sync %s", d->nodes[op->node].is_directory ? "directory" : label);
        break;
    }
}

/* ---- a cut ---------------------------------------------------------------------------------------------------- */

struct disk_cut {
    const struct disk *d;
    size_t node_count;
    struct image *images; /* what is sure, by node */
    struct names *names;
    size_t *pending, pending_count, pending_capacity; /* indexes of ops */
};

static void apply_names(struct names *names, const struct op *op)
{
    if (op->act == ACT_MOVE && names_get(&names[op->old_node], op->old) == op->target)
        names_set(&names[op->old_node], op->old, NOTHING);
    names_set(&names[op->node], op->name, op->target);
}

static void apply(struct disk_cut *cut, const struct op *op)
{
    switch (op->act) {
    case ACT_WRITE: image_put(&cut->images[op->node], op->at, op->data, op->len); break;
    case ACT_TRUNCATE: image_resize(&cut->images[op->node], op->at); break;
    case ACT_NAME:
    case ACT_MOVE: apply_names(cut->names, op); break;
    case ACT_SYNC: break;
    }
}

/* Everything pending on `node` is sure now. */
static void settle(struct disk_cut *cut, int node)
{
    size_t kept = 0;
    for (size_t i = 0; i < cut->pending_count; i++) {
        const struct op *op = &cut->d->ops[cut->pending[i]];
        if (op->node == node)
            apply(cut, op);
        else
            cut->pending[kept++] = cut->pending[i];
    }
    cut->pending_count = kept;
}

struct disk_cut *disk_cut_at(const struct disk *d, size_t at)
{
    struct disk_cut *cut = must(calloc(1, sizeof *cut));
    cut->d = d;
    cut->node_count = d->node_count;
    cut->images = must(calloc(d->node_count, sizeof *cut->images));
    cut->names = must(calloc(d->node_count, sizeof *cut->names));
    for (size_t i = 0; i < d->node_count; i++) {
        image_copy(&cut->images[i], &d->nodes[i].image);
        names_copy(&cut->names[i], &d->nodes[i].names);
    }
    for (size_t i = 0; i < at; i++) {
        if (d->ops[i].act == ACT_SYNC) {
            settle(cut, d->ops[i].node);
        } else if (!d->nodes[d->ops[i].node].is_noise) {
            cut->pending =
                grown(cut->pending, cut->pending_count, &cut->pending_capacity, sizeof(size_t));
            cut->pending[cut->pending_count++] = i;
        }
    }
    return cut;
}

void disk_cut_free(struct disk_cut *cut)
{
    if (!cut)
        return;
    for (size_t i = 0; i < cut->node_count; i++) {
        free(cut->images[i].data);
        names_free(&cut->names[i]);
    }
    free(cut->images);
    free(cut->names);
    free(cut->pending);
    free(cut);
}

/* Whether pending thing i goes on with the group of the one before: the page behind the head of a
 * frame. */
static int continues(const struct disk_cut *cut, size_t i)
{
    if (i == 0)
        return 0;
    const struct op *a = &cut->d->ops[cut->pending[i - 1]], *b = &cut->d->ops[cut->pending[i]];
    return a->act == ACT_WRITE && b->act == ACT_WRITE && a->node == b->node &&
           a->len == FRAME_HEAD && a->at + a->len == b->at;
}

size_t disk_cut_pending(const struct disk_cut *cut, int groups)
{
    size_t count = 0;
    for (size_t i = 0; i < cut->pending_count; i++)
        count += !groups || !continues(cut, i);
    return count;
}

/* ---- making the directory ------------------------------------------------------------------------------------- */

/* Each sector that the write touches is kept, lost, or kept up to some byte of it. */
static void apply_sectors(struct image *image, const struct op *op,
                          const struct disk_choice *choice)
{
    if (rng_below(choice->rng, 2) && op->at + op->len > image->len)
        image_resize(image, op->at + op->len); /* longer already, the bytes not there */
    for (size_t done = 0; done < op->len;) {
        size_t piece = SECTOR - (op->at + done) % SECTOR;
        piece = piece < op->len - done ? piece : op->len - done;
        size_t kept = rng_unit(choice->rng) < choice->keep ? piece : 0;
        if (rng_below(choice->rng, 16) == 0)
            kept = rng_below(choice->rng, (unsigned)piece + 1);
        image_put(image, op->at + done, op->data + done, kept);
        done += piece;
    }
}

static void write_file(const char *path, const void *data, size_t len)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const char *p = data;
    while (fd >= 0 && len) {
        const ssize_t n = write(fd, p, len);
        if (n <= 0)
            die("write");
        p += n;
        len -= (size_t)n;
    }
    if (fd < 0 || close(fd) != 0)
        die("make a file");
}

static void write_noise(const char *path)
{
    enum { NOISE_BYTES = 32768 };
    unsigned char *noise = must(malloc(NOISE_BYTES));
    memset(noise, 0xA5, NOISE_BYTES);
    write_file(path, noise, NOISE_BYTES);
    free(noise);
}

struct made {
    const struct disk_cut *cut;
    struct image *images;
    struct names *names;
};

static void write_directory(const struct made *made, int node, const char *path)
{
    const struct names *names = &made->names[node];
    if (mkdir(path, 0700) != 0)
        die("mkdir");
    for (size_t i = 0; i < names->count; i++) {
        char whole[PATH_BYTES];
        const int entry = names->list[i].node;
        (void)snprintf(whole, sizeof whole, "%s/%s", path, names->list[i].name);
        if (made->cut->d->nodes[entry].is_directory)
            write_directory(made, entry, whole);
        else if (made->cut->d->nodes[entry].is_noise)
            write_noise(whole);
        else
            write_file(whole, made->images[entry].data, made->images[entry].len);
    }
}

static void apply_fate(struct made *made, const struct op *op, unsigned char fate,
                       const struct disk_choice *choice)
{
    if (fate == DISK_SECTORS && op->act == ACT_WRITE) {
        apply_sectors(&made->images[op->node], op, choice);
        return;
    }
    if (fate == DISK_LOST || (fate == DISK_SECTORS && rng_unit(choice->rng) >= choice->keep))
        return;
    switch (op->act) {
    case ACT_WRITE: image_put(&made->images[op->node], op->at, op->data, op->len); break;
    case ACT_TRUNCATE: image_resize(&made->images[op->node], op->at); break;
    case ACT_NAME:
    case ACT_MOVE: apply_names(made->names, op); break;
    case ACT_SYNC: break;
    }
}

void disk_cut_print(const struct disk_cut *cut, const struct disk_choice *choice)
{
    static const char *const fates[] = { "lost", "kept", "by sectors" };
    size_t thing = 0;
    for (size_t i = 0; i < cut->pending_count; i++) {
        char text[400];
        if (i && (!choice->groups || !continues(cut, i)))
            thing++;
        disk_describe(cut->d, cut->pending[i], text, sizeof text);
        (void)fprintf(stderr, "%6zu %-10s %s\n", cut->pending[i], fates[choice->fates[thing]],
                      text);
    }
}

void disk_cut_write(const struct disk_cut *cut, const struct disk_choice *choice,
                    const char *target)
{
    struct made made = { .cut = cut,
                         .images = must(calloc(cut->node_count, sizeof *made.images)),
                         .names = must(calloc(cut->node_count, sizeof *made.names)) };
    for (size_t i = 0; i < cut->node_count; i++) {
        image_copy(&made.images[i], &cut->images[i]);
        names_copy(&made.names[i], &cut->names[i]);
    }
    size_t thing = 0;
    for (size_t i = 0; i < cut->pending_count; i++) {
        if (i && (!choice->groups || !continues(cut, i)))
            thing++;
        apply_fate(&made, &cut->d->ops[cut->pending[i]], choice->fates[thing], choice);
    }
    write_directory(&made, ROOT, target);
    for (size_t i = 0; i < cut->node_count; i++) {
        free(made.images[i].data);
        names_free(&made.names[i]);
    }
    free(made.images);
    free(made.names);
}
