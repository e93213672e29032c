/* Runs a fuzz target over files instead of a fuzzer's inputs: every argument is a file or a folder (not searched
 * deeper), each file is given to LLVMFuzzerTestOneInput once. So each build, with any compiler, keeps the corpus
 * passing. Fails when there is no file at all: a corpus that went missing must not look like a pass. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path, size_t size)
{
    uint8_t *data = malloc(size > 0 ? size : 1);
    FILE *file = fopen(path, "rb");
    int ok = data && file && fread(data, 1, size, file) == size;
    if (ok)
        LLVMFuzzerTestOneInput(data, size);
    else
        fprintf(stderr, "replay: cannot read %s\n", path);
    if (file)
        fclose(file);
    free(data);
    return ok ? 1 : -1;
}

/* Number of files given to the target, or -1. */
static int replay(const char *path, int may_be_folder)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        fprintf(stderr, "replay: no such file: %s\n", path);
        return -1;
    }
    if (S_ISREG(info.st_mode))
        return replay_file(path, (size_t)info.st_size);
    if (!S_ISDIR(info.st_mode) || !may_be_folder)
        return 0;

    DIR *folder = opendir(path);
    int count = folder ? 0 : -1;
    const struct dirent *entry;
    while (count >= 0 && (entry = readdir(folder)) != NULL) {
        char inner[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        int one = replay(inner, 0);
        count = one < 0 ? -1 : count + one;
    }
    if (folder)
        closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int count = replay(argv[i], 1);
        if (count < 0)
            return 1;
        total += count;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 ? 0 : 1;
}
