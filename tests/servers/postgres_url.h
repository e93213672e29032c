/* Where the server of the tests is: RAGSTORE_TEST_POSTGRES names the folder that tests/servers/postgresql
 * start made. */
#ifndef SERVERS_POSTGRES_URL_H
#define SERVERS_POSTGRES_URL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* postgres://postgres:PASSWORD@127.0.0.1:PORT/DATABASE; 0: there is no such folder. */
static inline int postgres_url(const char *database, char *url, size_t size)
{
    char path[400], line[300];
    const char *folder = getenv("RAGSTORE_TEST_POSTGRES");
    (void)snprintf(path, sizeof path, "%s/url", folder ? folder : "");
    FILE *file = folder ? fopen(path, "r") : NULL;
    const int read = file && fgets(line, sizeof line, file) != NULL;
    if (file)
        (void)fclose(file);
    const char *slash = read ? strrchr(line, '/') : NULL;
    if (!slash) {
        (void)fprintf(stderr, "RAGSTORE_TEST_POSTGRES does not name the folder of a server: see "
                              "tests/servers/README.md\n");
        return 0;
    }
    (void)snprintf(url, size, "%.*s/%s", (int)(slash - line), line, database);
    return 1;
}

#endif
