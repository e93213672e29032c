/* Backends in modules: ragstore-NAME.so.
 *
 * Searched beside the library itself (the installed command, which has it inside, also where the
 * library would be) and in the folders of RAGSTORE_MODULE_PATH, never in the working directory:
 * whoever can write there must not get code into the process. For the same reason relative folders
 * of the path are passed over, and so is the path as a whole in a program that runs with other rights
 * than its caller's. A driver library that the module needs and that is not installed makes dlopen
 * fail: the error says which package brings it. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "config/keys.h"
#include "core/alloc.h"
#include "core/buffer.h"
#include "core/os.h"
#include "registry.h"

/* Names that a module answers to once it is loaded: without this nobody would know which to load. */
static const struct {
    const char *name, *module;
} aliases[] = {
    { "postgresql", "postgres" },          { "PGKVStorage", "postgres" },
    { "PGVectorStorage", "postgres" },     { "PGGraphStorage", "postgres" },
    { "PGTableGraphStorage", "postgres" }, { "PGDocStatusStorage", "postgres" },
};

const char *module_of(const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(aliases[i].name, name) == 0)
            return aliases[i].module;
    return name;
}

/* Modules of this project that are only built where the library for them is, and its package. */
static const struct {
    const char *module, *package;
} optional[] = {
    { "postgres", "libpq-dev" },
};

/* Which package of Debian brings the library that a module needs. */
static const struct {
    const char *module, *package;
} packages[] = {
    { "postgres", "libpq5" }, { "mongodb", "libmongoc-1.0-0" }, { "redis", "libhiredis0.14" },
    { "qdrant", "libcurl4" }, { "milvus", "libcurl4" },         { "opensearch", "libcurl4" },
};

static const char *package_of(const char *name)
{
    for (size_t i = 0; i < sizeof packages / sizeof *packages; i++)
        if (strcmp(packages[i].module, name) == 0)
            return packages[i].package;
    return NULL;
}

/* ---- folders -------------------------------------------------------------------------------------- */

/* The folder of this library (of the program, when it is linked statically); NULL: not known. */
static char *own_folder(void)
{
    Dl_info info;
    struct link_map *map = NULL;
    static const char here = 0;
    if (!dladdr1(&here, &info, (void **)&map, RTLD_DL_LINKMAP) || !info.dli_fname)
        return NULL;
    /* Of a program it knows argv[0] alone: what PATH found would be looked for in the working directory. */
    const char *file = map && *map->l_name ? info.dli_fname : "/proc/self/exe";
    char path[PATH_MAX];
    if (!realpath(file, path))
        return NULL;
    char *slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    slash[slash == path] = 0; /* keeps the '/' of the root */
    return rag_strdup(path);
}

/* Where modules are installed, seen from the folder of the command; NULL: that is no folder, or `own`. */
static char *installed_folder(const char *own)
{
    char *joined = own ? os_join(own, STORE_MODULES) : NULL;
    char path[PATH_MAX];
    const int there = joined && realpath(joined, path) && strcmp(path, own) != 0;
    rag_free(joined);
    return there ? rag_strdup(path) : NULL;
}

typedef rag_status (*visit_folder)(const char *folder, void *user, int *done, rag_error *err);

static rag_status visit_folders(visit_folder visit, void *user, rag_error *err)
{
    int done = 0;
    char *own = own_folder();
    char *installed = installed_folder(own);
    rag_status status = own ? visit(own, user, &done, err) : RAG_OK;
    if (status == RAG_OK && !done && installed)
        status = visit(installed, user, &done, err);
    rag_free(own);
    rag_free(installed);
    const char *path = getauxval(AT_SECURE) ? NULL : getenv(KEY_MODULE_PATH_VARIABLE);
    while (status == RAG_OK && !done && path && *path) {
        const size_t len = strcspn(path, ":");
        if (*path == '/') {
            char *folder = rag_memdup_text(path, len);
            if (!folder)
                return rag_fail_memory(err);
            status = visit(folder, user, &done, err);
            rag_free(folder);
        }
        path += len + (path[len] == ':');
    }
    return status;
}

/* ---- loading -------------------------------------------------------------------------------------- */

static rag_status fail_dlopen(const char *name, const char *path, rag_error *err)
{
    const char *why = dlerror(), *package = package_of(name);
    if (!why)
        why = "unknown reason";
    if (package && strstr(why, "cannot open shared object file"))
        return rag_fail(err, RAG_E_UNSUPPORTED,
                        "backend '%s' needs a library that is not installed (apt install %s): %s",
                        name, package, why);
    return rag_fail(err, RAG_E_UNSUPPORTED, "module %s: %s", path, why);
}

static rag_status load_file(const char *name, const char *path, rag_error *err)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return fail_dlopen(name, path, err);
    rag_backend_init init = NULL;
    void *symbol = dlsym(library, RAG_BACKEND_INIT_SYMBOL);
    memcpy(&init, &symbol, sizeof init); /* ISO C has no cast from data to function */
    const rag_backend *backend = init ? init(&store_host, RAG_BACKEND_ABI) : NULL;
    rag_status status = RAG_OK;
    if (!init)
        status = rag_fail(err, RAG_E_INVALID, "module %s has no symbol %s", path,
                          RAG_BACKEND_INIT_SYMBOL);
    else if (!backend)
        status = rag_fail(err, RAG_E_VERSION, "module %s needs a newer ragstore", path);
    else if (!backend->name || strcmp(backend->name, name) != 0)
        status = rag_fail(err, RAG_E_INVALID, "module %s calls its backend '%s'", path,
                          backend->name ? backend->name : "NULL");
    else
        status = registry_add(backend, "module", err);
    if (status != RAG_OK)
        (void)dlclose(library);
    return status;
}

static char *module_path(const char *folder, const char *name)
{
    struct buffer path = BUFFER_INIT(PATH_MAX);
    if (buffer_printf(&path, NULL, "%s/ragstore-%s.so", folder, name) != RAG_OK)
        buffer_free(&path);
    return path.data;
}

struct wanted {
    const char *name;
    int found;
};

static rag_status try_folder(const char *folder, void *user, int *done, rag_error *err)
{
    struct wanted *wanted = user;
    char *path = module_path(folder, wanted->name);
    if (!path)
        return rag_fail_memory(err);
    rag_status status = RAG_OK;
    if (os_calls.access(path, F_OK) == 0) {
        *done = wanted->found = 1;
        status = load_file(wanted->name, path, err);
    }
    rag_free(path);
    return status;
}

rag_status module_load(const char *name, rag_error *err)
{
    struct wanted wanted = { name, 0 };
    RAG_TRY(visit_folders(try_folder, &wanted, err));
    if (wanted.found)
        return RAG_OK;
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
        if (strcmp(optional[i].module, name) == 0)
            return rag_fail(err, RAG_E_UNSUPPORTED,
                            "backend '%s' is not installed: ragstore-%s.so is neither beside the "
                            "library nor in RAGSTORE_MODULE_PATH; it is built where %s is there",
                            name, name, optional[i].package);
    return rag_fail(err, RAG_E_NOT_FOUND, "no module ragstore-%s.so", name);
}

/* ---- listing -------------------------------------------------------------------------------------- */

struct listing {
    rag_status (*visit)(const char *name, const char *path, void *user, rag_error *err);
    void *user;
};

static rag_status list_folder(const char *folder, void *user, int *done, rag_error *err)
{
    const struct listing *listing = user;
    (void)done;
    DIR *directory = os_open_directory(folder);
    if (!directory)
        return RAG_OK;
    rag_status status = RAG_OK;
    const struct dirent *entry;
    while (status == RAG_OK && (entry = readdir(directory))) {
        const size_t len = strlen(entry->d_name), prefix = strlen("ragstore-");
        if (len <= prefix + 3 || strncmp(entry->d_name, "ragstore-", prefix) != 0 ||
            strcmp(entry->d_name + len - 3, ".so") != 0)
            continue;
        char *name = rag_memdup_text(entry->d_name + prefix, len - prefix - 3);
        char *path = os_join(folder, entry->d_name);
        if (name && path)
            status = listing->visit(name, path, listing->user, err);
        else
            status = rag_fail_memory(err);
        rag_free(name);
        rag_free(path);
    }
    os_close_directory(directory);
    return status;
}

rag_status module_visit(rag_status (*visit)(const char *name, const char *path, void *user,
                                            rag_error *err),
                        void *user, rag_error *err)
{
    struct listing listing = { visit, user };
    return visit_folders(list_folder, &listing, err);
}
